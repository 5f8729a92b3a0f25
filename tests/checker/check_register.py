#!/usr/bin/env python3
"""Checks the register of certificates from the public entries alone, without the service's own sums.

    check_register.py URL
    check_register.py --entries FILE --pools FILE [FILE ...]

Reads /v1/register/entries (one entry a line) and replays them: which units were issued, on which grams, in whose account they
are and how they ended. Checks that the numbers of a pool count from 1, each once; that no gram backs two living units; that only
holders, issuers and those who sign second say what is theirs to say, and holders in time; that what replaces failing units gives
as many; and that every unit stands in exactly one place. Compares the sums of each pool with /v1/register/pools, and prints
them: each page of it (a FILE of --pools) as of the size and the day that it names, so the ledger may grow from page to page,
and the entries may go further than the pages. Exits 0 if all holds, 1 if not, 2 if it cannot read.

Needs Python 3 and no packages. Signatures it does not check: check_ledger.py and `loopledger audit` do; that an entry is in the
ledger, /v1/proofs/inclusion proves.
"""
import base64
import json
import re
import sys
import urllib.request

UNIT_G = 1000
VALID_YEARS = 2  # 24 months from the issue, the last day included.
RULES = "issued countersigned transferred split cancelled retired frozen unfrozen withdrawn replaced".split()
PLACES = ["pending", "held", "expired", "retired", "cancelled", "withdrawn", "buffer"]
SERIAL = re.compile(r"(ERT?-[A-Z]{2}-[A-Z0-9]{2,8}-[0-9]{6})-([0-9]{7,})-([0-9]{7,})")


class Wrong(Exception):
    """The register is not what it must be."""


def require(holds, problem):
    if not holds:
        raise Wrong(problem)


def read_serial(text):
    match = SERIAL.fullmatch(text)
    require(match, f"{text} are no serial numbers")
    pool, first, last = match[1], int(match[2]), int(match[3])
    require(1 <= first <= last, f"{text} are no serial numbers")
    return pool, first, last


def last_day(issued):
    """The last day on which what was issued on a day can be handed on or retired."""
    year = int(issued[:4]) + VALID_YEARS
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    rest = "-02-28" if issued[4:] == "-02-29" and not is_leap else issued[4:]
    return f"{year:04}{rest}"


class Issue:
    """What was issued by one entry: the grams of its units, in their order."""

    def __init__(self, first, allotments, issuer, actor, day):
        self.first, self.allotments, self.issuer, self.actor = first, allotments, issuer, actor
        self.blocks, self.last_day = [], last_day(day)

    def grams(self, first, last):
        """The grams of some units: (treatment, from, to)."""
        skip, end, at = (first - self.first) * UNIT_G, (last + 1 - self.first) * UNIT_G, 0
        for allotment in self.allotments:
            treatment, begin, behind = allotment["treatment"], allotment["from"], allotment["to"]
            cut_from, cut_to = max(begin, begin + skip - at), min(behind, begin + end - at)
            if cut_from < cut_to:
                yield treatment, cut_from, cut_to
            at += behind - begin


class Block:
    def __init__(self, issue, first, last, place, holder):
        self.issue, self.first, self.last, self.place, self.holder = issue, first, last, place, holder
        self.frozen, self.withdrawal = False, None

    def is_over(self, day):
        return self.place == "held" and day > self.issue.last_day

    def part(self, first, last):
        part = Block(self.issue, first, last, self.place, self.holder)
        part.frozen, part.withdrawal = self.frozen, self.withdrawal
        return part


class Register:
    def __init__(self, operator):
        self.operator, self.blocks, self.counts, self.living = operator, {}, {}, {}
        self.last, self.ledger, self.day = -1, None, ""

    def take(self, line):
        """The next entry."""
        entry = json.loads(line)
        payload = json.loads(base64.urlsafe_b64decode(entry["statement"].split(".")[1] + "=="))
        require(entry["index"] > self.last, f"entry {entry['index']} stands behind entry {self.last}")
        require(self.ledger in (None, entry["ledger"]), f"entry {entry['index']} is of another ledger")
        self.last, self.ledger, self.day = entry["index"], entry["ledger"], entry["time"][:10]
        prefix, _, rule = payload["type"].partition("_")
        known = prefix == "certificate" and rule in RULES
        require(known, f"entry {entry['index']}: {payload['type']} is nothing that this script knows")
        try:
            getattr(self, rule)(payload, payload.get("on_behalf_of", payload["org"]))
        except Wrong as wrong:
            raise Wrong(f"entry {entry['index']} ({payload['type']}): {wrong}") from None

    def block(self, text):
        found = self.blocks.get(read_serial(text))
        require(found, f"there is no block {text}")
        return found

    def held_by(self, text, party):
        block = self.block(text)
        require(block.place == "held", f"{text} is {block.place}")
        require(block.holder == party, f"{text} is held by {block.holder}, and {party} disposes of it")
        require(not block.frozen and not block.withdrawal, f"{text} is stopped")
        require(not block.is_over(self.day), f"the time of {text} was over on {block.issue.last_day}")
        return block

    def cut(self, text, part):
        """Some units of a block as a block of their own; the block becomes two or three."""
        block, (pool, first, last) = self.block(text), read_serial(part)
        inside = read_serial(text)[0] == pool and block.first <= first and last <= block.last
        require(inside, f"{part} are not units of {text}")
        del self.blocks[pool, block.first, block.last]
        for begin, end in [(block.first, first - 1), (first, last), (last + 1, block.last)]:
            if begin <= end:
                self.blocks[pool, begin, end] = block.part(begin, end)
        return self.blocks[pool, first, last]

    def take_grams(self, grams):
        for treatment, begin, end in grams:
            others = self.living.setdefault(treatment, [])
            for other_begin, other_end in others:
                overlaps = begin < other_end and other_begin < end
                require(not overlaps, f"grams {begin} to {end} of treatment {treatment} back two units")
            others.append((begin, end))

    def free_grams(self, grams):
        for treatment, begin, end in grams:
            left = []
            for other_begin, other_end in self.living.get(treatment, []):
                left += [(other_begin, min(other_end, begin)), (max(other_begin, end), other_end)]
            self.living[treatment] = [(begin, end) for begin, end in left if begin < end]

    def issued(self, said, party):
        pool, first, middle = read_serial(said["certificate"])
        other, after, last = read_serial(said["buffer"])
        before = self.counts.get(pool, 0)
        numbered = other == pool and first == before + 1 and after == middle + 1
        require(numbered, f"the pool {pool} has {before} units, and units {first} to {last} are issued")
        issue = Issue(first, said["allotments"], party, said.get("actor"), self.day)
        grams = sum(allotment["to"] - allotment["from"] for allotment in said["allotments"])
        require(grams == (last - before) * UNIT_G, f"{last - before} units rest on {grams} g")
        self.take_grams((taken["treatment"], taken["from"], taken["to"]) for taken in said["allotments"])
        waits = "second" in said or party == self.operator
        issue.second = "organisation" if party == self.operator else said.get("second")
        issue.blocks = [
            Block(issue, first, middle, "pending" if waits else "held", said["holder"]),
            Block(issue, after, last, "pending" if waits else "buffer", None),
        ]
        for block in issue.blocks:
            self.blocks[pool, block.first, block.last] = block
        self.counts[pool] = last

    def countersigned(self, said, party):
        block = self.block(said["certificate"])
        first, actor, second = (block.issue.issuer, block.issue.actor, block.issue.second)
        if block.withdrawal:
            first, actor, second = block.issue.issuer, block.withdrawal["actor"], block.withdrawal["second"]
        else:
            require(block.place == "pending", "nothing waits for a second signature")
        other_person = second == "person" and actor and said.get("actor") not in (None, actor)
        require(party != first or other_person, "both signatures are one person's")
        if block.place == "retired":
            block.withdrawal = None  # An annotation: the claim stays.
        elif block.withdrawal:
            self.withdraw(block, block.withdrawal["reason"])
        else:
            for of_issue in block.issue.blocks:
                of_issue.place = "held" if of_issue.holder else "buffer"

    def transferred(self, said, party):
        self.held_by(said["certificate"], party).holder = said["to"]

    def split(self, said, party):
        block = self.held_by(said["certificate"], party)
        pool = read_serial(said["certificate"])[0]
        parts, at = [read_serial(part) for part in said["into"]], block.first
        for part_pool, first, last in parts:
            require(part_pool == pool and first == at, "the parts are not the block's units in order")
            at = last + 1
        require(at == block.last + 1 and len(parts) > 1, "the parts are not all of the block's units")
        del self.blocks[pool, block.first, block.last]
        for _, first, last in parts:
            self.blocks[pool, first, last] = block.part(first, last)

    def cancelled(self, said, party):
        self.held_by(said["certificate"], party).place = "cancelled"

    def retired(self, said, party):
        for text in [said["certificate"], *said.get("further", [])]:
            self.held_by(text, party).place = "retired"

    def frozen(self, said, _):
        block = self.block(said["certificate"])
        require(block.place in ("held", "buffer") and not block.frozen, f"it is {block.place}, or frozen before")
        block.frozen = True

    def unfrozen(self, said, party):
        block = self.block(said["certificate"])
        if not block.frozen and block.withdrawal and party == block.issue.issuer:
            block.withdrawal = None  # Nobody has signed second, and its issuer takes the withdrawal back.
            return
        require(block.frozen, "it is not frozen")
        block.frozen = False

    def withdrawn(self, said, party):
        block = self.block(said["certificate"])
        require(block.issue.issuer == party, "another organisation issued it")
        require(block.place in ("pending", "held", "buffer", "retired"), f"it is {block.place}")
        if block.place == "pending":
            for of_issue in block.issue.blocks:
                self.withdraw(of_issue, said["reason"])
            return
        units = self.cut(said["certificate"], said.get("part", said["certificate"]))
        if "second" in said:
            units.withdrawal = {key: said.get(key) for key in ("reason", "second", "actor")}
        elif units.place != "retired":
            self.withdraw(units, said["reason"])

    def withdraw(self, block, reason):
        block.place, block.withdrawal = "withdrawn", None
        if reason == "issued_in_error":
            self.free_grams(list(block.issue.grams(block.first, block.last)))

    def replaced(self, said, party):
        block = self.block(said["certificate"])
        require(block.issue.issuer == party, "another organisation issued it")
        require(block.place in ("held", "retired"), f"it is {block.place}")
        for replacement in said["replacements"]:
            pool, first, last = read_serial(replacement["failed"])
            inside = pool == read_serial(said["certificate"])[0] and block.first <= first and last <= block.last
            require(inside, "the failed units are not the certificate's")
            backing = self.cut(replacement.get("cut_from", replacement["backing"]), replacement["backing"])
            require(backing.place in ("held", "buffer"), f"the backing units are {backing.place}")
            require(last - first == backing.last - backing.first, "as many units fail as back them")
            backing.place = "withdrawn"

    def sums(self, day):
        """Units of each pool by where they stand on a day; every unit stands somewhere, once."""
        pools = {pool: dict.fromkeys(PLACES, 0) for pool in self.counts}
        next_unit = dict.fromkeys(self.counts, 1)
        for (pool, first, last), block in sorted(self.blocks.items()):
            require(first == next_unit[pool], f"units {next_unit[pool]} to {first - 1} of {pool} stand nowhere or twice")
            next_unit[pool] = last + 1
            pools[pool]["expired" if block.is_over(day) else block.place] += last - first + 1
        for pool, issued in self.counts.items():
            require(next_unit[pool] == issued + 1, f"units of {pool} stand nowhere")
            pools[pool]["issued"] = issued
            require(issued == sum(pools[pool][place] for place in PLACES), f"{pool} does not add up")
        return pools


def check(pages, lines):
    """Replays the entries up to what each page of pools was counted from, and compares it with what the page tells. Gives how
    many entries that took."""
    register, taken, first, told = Register(pages[0]["operator"]), 0, None, set()
    for page in sorted(pages, key=lambda page: (page["as_of_size"], page["as_of_day"])):
        while taken < len(lines) and json.loads(lines[taken])["index"] < page["as_of_size"]:
            register.take(lines[taken])
            taken += 1
        counted = register.sums(page["as_of_day"])
        first = set(counted) if first is None else first
        for own in page["pools"]:
            compare(own, counted)
            told.add(own["pool"])
    # Pools only ever come: what was there at the first page stands on one of them.
    require(first <= told, f"it tells of the pools {sorted(told)}, the entries of {sorted(first)}")
    return taken


def compare(own, counted):
    """What the service says of a pool."""
    name = own["pool"]
    require(name in counted, f"it tells of the pool {name}, the entries of {sorted(counted)}")
    sums = counted[name]
    for place in ["issued", *PLACES]:
        require(own[place] == sums[place], f"{name}: it tells of {own[place]} {place}, the entries of {sums[place]}")
    print(name, *(f"{place}={sums[place]}" for place in ["issued", *PLACES]))


def fetch(url):
    """A body, and the path of the next page."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        link = re.fullmatch('<(.*)>; rel="next"', answer.headers.get("Link") or "")
        return answer.read().decode("ascii"), link[1] if link else None


def fetch_all(url):
    """The pages of pools, and the entries; these last, so that all are there from which the pools were counted."""
    path, pages = "/v1/register/pools?format=json", []
    while path:
        body, path = fetch(url + path)
        pages.append(json.loads(body))
    path, lines = "/v1/register/entries", []
    while path:
        body, path = fetch(url + path)
        lines += body.splitlines()
    return pages, lines


def read_files(entries, pools):
    pages = []
    for path in pools:
        with open(path, encoding="ascii") as page:
            pages.append(json.load(page))
    with open(entries, encoding="ascii") as lines:
        return pages, lines.read().splitlines()


def main(arguments):
    try:
        if len(arguments) >= 4 and arguments[0] == "--entries" and arguments[2] == "--pools":
            pages, lines = read_files(arguments[1], arguments[3:])
        elif len(arguments) == 1:
            pages, lines = fetch_all(arguments[0].rstrip("/"))
        else:
            print(__doc__)
            return 2
    except (OSError, ValueError) as error:
        print(f"it cannot be read: {error}")
        return 2
    try:
        taken = check(pages, lines)
    except Wrong as wrong:
        print(f"WRONG: {wrong}")
        return 1
    except (KeyError, TypeError, ValueError) as error:
        print(f"WRONG: an entry cannot be read: {error!r}")
        return 1
    print(f"the register adds up: {taken} entries, as of {max(page['as_of_size'] for page in pages)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
