#!/usr/bin/env python3
"""Verify the export of a Loopledger ledger against a checkpoint and its key.

    check_ledger.py --entries FILE --checkpoint FILE --vkey FILE

Written from the specification of the ledger alone and sharing no code with the service,
so that an error in one of the two shows as a difference between them.
Exit 0: everything holds; figures are printed. Exit 1: a rule is broken; one line says where
and which. Exit 2: the input cannot be read (missing, not UTF-8, cut off).
Not checked, as it is not a matter of bytes, keys and order: what each type of statement may
say and what follows from it (mass, custody, permits, certificates).
"""

import argparse
import base64
import collections
import contextlib
import dataclasses
import datetime
import hashlib
import re
import sys

from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MAX_ENTRY, MAX_PAYLOAD = 65_535, 16 * 1024
MAX_DEPTH, MAX_LIST, MAX_INT = 8, 256, 2**53 - 1
STATEMENT_TYP, PROOF_TYP = "loopledger-statement+json", "loopledger-key-proof+json"

ORIGIN = re.compile(r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*")
HEX64 = re.compile(r"[0-9a-f]{64}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DAY_AND_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
ENTRY_TIME = re.compile(DAY_AND_TIME + r"\.[0-9]{3}Z")
OCCURRED_AT = re.compile(DAY_AND_TIME + r"(\.[0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])", re.IGNORECASE)


class Refused(Exception):
    """A rule of the ledger is broken (exit 1)."""


class Unreadable(Exception):
    """The input cannot be read, so nothing can be said about it (exit 2)."""


@contextlib.contextmanager
def within(place):
    """Put the place in front of a refusal, so that the one line says where."""
    try:
        yield
    except Refused as error:
        raise Refused(f"{place}: {error}") from None


def require(condition, message):
    if not condition:
        raise Refused(message)


def shown(value):
    """A foreign value for a message: ASCII only, on one line, not too long."""
    text = ascii(value)
    return text if len(text) <= 120 else text[:117] + "..."


# --- The strict JSON profile ------------------------------------------------------------

SPACE = " \t\n\r"
TOKEN = re.compile(r'[ \t\n\r]*("[ !#-\[\]-~]*"|(?:0|-?[1-9][0-9]*)(?![0-9.eE])|true|false|[{}\[\]:,])')
# Leads to the byte at fault: over white space and over the good part of a string.
BEFORE_FAULT = re.compile(r'[ \t\n\r]*(?:"[ !#-\[\]-~]*)?')


class Strict:
    """Strict profile: printable ASCII and JSON white space; no backslash in a string, null, float,
    exponent or -0; integers within +-(2^53 - 1); no duplicate keys; bounded depth and lists."""

    def __init__(self, data):
        # Latin-1 makes one character of each byte, so offsets are those of bytes; TOKEN lets
        # no character beyond ASCII pass.
        self.text, self.at = data.decode("latin-1"), 0

    def require(self, condition, message):
        require(condition, f"byte {self.at}: {message}")

    def token(self):
        match = TOKEN.match(self.text, self.at)
        if not match:
            self.at = BEFORE_FAULT.match(self.text, self.at).end()
            rest = self.text[self.at : self.at + 20]
            self.require(False, f"outside the strict profile: {shown(rest)}" if rest else "ends too early")
        self.at = match.end()
        return match[1]

    def value(self, depth):
        """One value; depth is the one that an object or list standing here has."""
        token = self.token()
        if token in ("{", "["):
            self.require(depth <= MAX_DEPTH, f"deeper than {MAX_DEPTH}")
            return self.members(depth, "}") if token == "{" else list(self.members(depth, "]").values())
        if token in ("true", "false"):
            return token == "true"
        if token[0] == '"':
            return token[1:-1]
        self.require(token not in "}]:,", f"a value was expected, not {token}")
        # The length is looked at first: int() refuses texts of several thousand digits by itself.
        self.require(len(token) <= 17 and abs(int(token)) <= MAX_INT, "integer outside +-(2^53 - 1)")
        return int(token)

    def members(self, depth, close):
        """What stands in an object by its key, in a list by its position."""
        found, start = {}, self.at
        if self.token() == close:
            return found
        self.at, token = start, ","
        while token != close:
            self.require(token == ",", f"',' or '{close}' was expected, not {shown(token)}")
            key = self.key(found) if close == "}" else len(found)
            found[key] = self.value(depth + 1)
            self.require(close == "}" or len(found) <= MAX_LIST, f"a list of more than {MAX_LIST}")
            token = self.token()
        return found

    def key(self, found):
        token = self.token()
        self.require(token[0] == '"', "a key was expected")
        self.require(token[1:-1] not in found, f"duplicate key {shown(token[1:-1])}")
        self.require(self.token() == ":", "':' was expected")
        return token[1:-1]


def parse_object(data, limit=MAX_PAYLOAD):
    """One object of the strict profile and nothing after it, at most limit bytes in all."""
    require(len(data) <= limit, f"{len(data)} bytes, at most {limit} are allowed")
    strict = Strict(data)
    value = strict.value(1)
    strict.require(not strict.text[strict.at :].strip(SPACE), "more after the end of the value")
    require(isinstance(value, dict), "not a JSON object")
    return value


def text_field(obj, name):
    """A field that must be there and be a string with something in it."""
    value = obj.get(name)
    require(isinstance(value, str) and value, f"field {name} is missing or no filled string")
    return value


def exact_fields(obj, *names):
    """A format with a closed list of fields: none missing, none besides."""
    require(isinstance(obj, dict), f"not an object with the fields {', '.join(names)}")
    for name in (*names, *obj):
        require(name in obj, f"field {name} is missing")
        require(name in names, f"field {shown(name)} is not allowed")


# --- Base64 and Ed25519 -----------------------------------------------------------------

FIELD_PRIME = 2**255 - 19
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
# The y of the points of order 4, 1, 2 and (last two) 8; the sign of x does not matter.
Y8 = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
SMALL_ORDER_Y = {0, 1, FIELD_PRIME - 1, Y8, FIELD_PRIME - Y8}


def from_base64(text):
    """Standard base64 with padding, as notes use it; one spelling for each byte string."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused("not base64") from None
    require(base64.b64encode(data).decode() == text, "base64 not in its one form")
    return data


def from_base64url(text):
    """base64url without padding, trailing bits zero: one spelling for each byte string."""
    require(re.fullmatch(r"[A-Za-z0-9_-]+", text) and len(text) % 4 != 1, "not base64url without padding")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    require(to_base64url(data) == text, "base64url with trailing bits that are not zero")
    return data


def to_base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def point_y(encoded):
    """The y of an encoded point, without the bit for the sign of x."""
    return int.from_bytes(encoded, "little") & (2**255 - 1)


def check_public_key(public):
    """A weak key verifies signatures that nobody made; RFC 8032 allows one spelling of y."""
    require(len(public) == 32, "an Ed25519 public key has 32 bytes")
    require(point_y(public) < FIELD_PRIME, "public key in a non-canonical encoding")
    require(point_y(public) not in SMALL_ORDER_Y, "public key of small order (weak key)")


def verify_strict(public, signature, message):
    """Ed25519 as verify_strict does it: S canonical, neither key nor R of small order."""
    check_public_key(public)
    require(len(signature) == 64, "an Ed25519 signature has 64 bytes")
    require(int.from_bytes(signature[32:], "little") < GROUP_ORDER, "signature with a non-canonical S")
    require(point_y(signature[:32]) % FIELD_PRIME not in SMALL_ORDER_Y, "signature with R of small order")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Refused("the signature does not verify") from None


# --- Signed note, checkpoint and tree ---------------------------------------------------

VerifierKey = collections.namedtuple("VerifierKey", "text name key_id public")
Checkpoint = collections.namedtuple("Checkpoint", "origin size root signed signatures")
NoteSignature = collections.namedtuple("NoteSignature", "line name key_id signature")


def check_key_name(name):
    """C2SP key name: not empty, no white space, no plus sign."""
    require(name and "+" not in name and not any(c.isspace() for c in name), f"bad key name {shown(name)}")


def parse_vkey(text):
    """C2SP vkey: name+hex8+base64(0x01 || key); the ID is SHA-256(name || LF || 0x01 || key)[:4]."""
    # base64 may hold a plus sign too, so only the first two separate.
    parts = text.split("+", 2)
    require(len(parts) == 3 and re.fullmatch(r"[0-9a-f]{8}", parts[1]), "not of the form name+hex8+base64")
    check_key_name(parts[0])
    raw = from_base64(parts[2])
    require(len(raw) == 33 and raw[0] == 0x01, "not an Ed25519 key (type 0x01, 32 bytes)")
    check_public_key(raw[1:])
    key_id = hashlib.sha256(parts[0].encode() + b"\n" + raw).digest()[:4]
    require(key_id.hex() == parts[1], f"key ID {parts[1]} does not belong to the key, {key_id.hex()} does")
    return VerifierKey(text, parts[0], key_id, raw[1:])


def parse_checkpoint(text):
    """Signed note (text, blank line, signature lines) whose text is origin, size and root."""
    require(all(c == "\n" or c >= " " for c in text), "control character in the note")
    body, blank, tail = text.rpartition("\n\n")
    lines = body.split("\n")
    require(blank and len(lines) >= 3, "not the lines origin, size, root, a blank one and signatures")
    require(ORIGIN.fullmatch(lines[0]), f"line 1: {shown(lines[0])} is not an origin")
    require(re.fullmatch(r"0|[1-9][0-9]{0,15}", lines[1]), f"line 2: {shown(lines[1])} is not a size")
    with within("line 3"):
        root = from_base64(lines[2])
        require(len(root) == 32, "the root does not have 32 bytes")
    # Further lines are extensions, which a reader of tlog-checkpoint lets pass.
    require(all(lines[3:]), "empty line within the text")
    signatures = parse_signatures(tail, len(lines) + 2)
    return Checkpoint(lines[0], int(lines[1]), root, (body + "\n").encode(), signatures)


def parse_signatures(tail, first_line):
    """Signature lines: em dash, space, key name, space, base64(key ID || signature)."""
    found = []
    for number, line in enumerate(tail.removesuffix("\n").split("\n"), first_line):
        with within(f"line {number}"):
            parts = line.split(" ")
            require(len(parts) == 3 and parts[0] == "\u2014", "not a signature line")
            check_key_name(parts[1])
            raw = from_base64(parts[2])
            require(len(raw) > 4, "signature too short")
            found.append(NoteSignature(number, parts[1], raw[:4], raw[4:]))
    return found


def verify_checkpoint(checkpoint, vkey):
    """Lines of other keys are ignored; every line of the known key must verify, and one be there."""
    known = [s for s in checkpoint.signatures if (s.name, s.key_id) == (vkey.name, vkey.key_id)]
    require(known, f"no signature by {vkey.name}+{vkey.key_id.hex()}")
    for found in known:
        with within(f"line {found.line}"):
            verify_strict(vkey.public, found.signature, checkpoint.signed)


class Tree:
    """RFC 6962 tree, kept as the roots of its full subtrees, largest first."""

    def __init__(self):
        self.size, self.full = 0, []

    def append(self, leaf):
        node, size = hashlib.sha256(b"\x00" + leaf).digest(), self.size
        # Each one at the low end of the size is a full subtree that the new leaf completes.
        while size & 1:
            node, size = hashlib.sha256(b"\x01" + self.full.pop() + node).digest(), size >> 1
        self.full.append(node)
        self.size += 1

    def root(self):
        if not self.full:
            return hashlib.sha256(b"").digest()
        node = self.full[-1]
        for left in reversed(self.full[:-1]):
            node = hashlib.sha256(b"\x01" + left + node).digest()
        return node


# --- Entry and statement ----------------------------------------------------------------

Jws = collections.namedtuple("Jws", "kid payload signed signature")


def is_time(pattern, text):
    """The text has the form, and its day and time exist."""
    try:
        return bool(pattern.fullmatch(text) and datetime.datetime.fromisoformat(text[:19].upper()))
    except ValueError:
        return False


def parse_entry(line):
    """An entry has one byte form: parse, serialise again with keys in their order, compare."""
    entry = parse_object(line, MAX_ENTRY)
    exact_fields(entry, "v", "ledger", "index", "time", "prev", "statement")
    for name in ("ledger", "time", "prev", "statement"):
        text_field(entry, name)
    # A bool is an int to Python, hence type().
    require(type(entry["v"]) is int and entry["v"] == 1, "v is not 1")
    require(type(entry["index"]) is int, "index is not an integer")
    form = (
        '{{"v":{v},"ledger":"{ledger}","index":{index},"time":"{time}","prev":"{prev}","statement":"{statement}"}}'
    ).format(**entry)
    require(form.encode() == line, "not the one byte form (order of keys or white space)")
    return entry


def parse_jws(text, typ):
    """Compact JWS: protected header exactly alg, kid, typ; header and payload in the strict profile."""
    parts = text.split(".")
    require(len(parts) == 3, "not a compact JWS of three parts")
    with within("header"):
        header = parse_object(from_base64url(parts[0]))
        exact_fields(header, "alg", "kid", "typ")
        require(header["alg"] in ("Ed25519", "EdDSA"), f"alg {shown(header['alg'])} is not Ed25519 or EdDSA")
        require(header["typ"] == typ, f"typ {shown(header['typ'])} is not {typ}")
        kid = text_field(header, "kid")
    with within("payload"):
        payload = parse_object(from_base64url(parts[1]))
    with within("signature"):
        signature = from_base64url(parts[2])
    return Jws(kid, payload, f"{parts[0]}.{parts[1]}".encode(), signature)


def check_common(payload, origin):
    """The part that every payload has: v, ledger, id, org, type, occurred_at."""
    require(type(payload.get("v")) is int and payload["v"] == 1, "v is missing or not 1")
    ledger = text_field(payload, "ledger")
    require(ledger == origin, f"ledger {shown(ledger)} is not {origin}")
    require(UUID.fullmatch(text_field(payload, "id")), "id is not a lower-case UUID")
    text_field(payload, "org")
    text_field(payload, "type")
    occurred_at = text_field(payload, "occurred_at")
    require(is_time(OCCURRED_AT, occurred_at), f"occurred_at {shown(occurred_at)} is not RFC 3339 with offset")


# --- Keys -------------------------------------------------------------------------------


@dataclasses.dataclass
class Key:
    kid: str
    org: str
    public: bytes
    custody: str
    use: str
    revoked_at: int | None = None


def parse_jwk(jwk):
    """Public JWK of exactly kty, crv, x; gives its RFC 7638 thumbprint, the kid, and the key."""
    exact_fields(jwk, "kty", "crv", "x")
    require((jwk["kty"], jwk["crv"]) == ("OKP", "Ed25519"), "not an OKP key on Ed25519")
    public = from_base64url(text_field(jwk, "x"))
    check_public_key(public)
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{jwk["x"]}"}}'
    return to_base64url(hashlib.sha256(canonical.encode()).digest()), public


def check_possession(proof, key, origin):
    """Proof of possession: JWS by the new key over exactly ledger, org, kid and use."""
    jws = parse_jws(proof, PROOF_TYP)
    require(jws.kid == key.kid, "kid of the header is not that of the new key")
    expected = {"ledger": origin, "org": key.org, "kid": key.kid, "use": key.use}
    exact_fields(jws.payload, *expected)
    for name, value in expected.items():
        require(jws.payload[name] == value, f"{name} is {shown(jws.payload[name])}, not {shown(value)}")
    verify_strict(key.public, jws.signature, jws.signed)


class KeyRing:
    """Which key belongs to whom and is in force, decided entry by entry in ledger order."""

    def __init__(self, origin, vkey):
        self.origin, self.vkey, self.operator, self.keys = origin, vkey, None, {}

    def add(self, key):
        """A kid is registered once and belongs to one organisation for ever."""
        require(key.kid not in self.keys, f"key {key.kid} is registered already")
        require(key.public != self.vkey.public, "the checkpoint key may not be registered as another key")
        self.keys[key.kid] = key

    def known(self, kid):
        require(kid in self.keys, f"kid {shown(kid)} is not registered")
        return self.keys[kid]

    def signer(self, jws):
        """A statement is signed by a key in force, with use statement, that belongs to its org."""
        key, org = self.known(jws.kid), jws.payload["org"]
        require(key.revoked_at is None, f"key {key.kid} was revoked by entry {key.revoked_at}")
        require(key.use == "statement", f"key {key.kid} is for use {key.use}, not statement")
        require(key.org == org, f"key {key.kid} belongs to {shown(key.org)}, not to org {shown(org)}")
        return key

    def open(self, jws):
        """Index 0: self-signed by the first operator key; the second one proves that it exists."""
        payload, self.operator = jws.payload, jws.payload["org"]
        jwks = payload.get("operator_keys")
        require(isinstance(jwks, list) and len(jwks) == 2, "operator_keys is not a list of two")
        for number, jwk in enumerate(jwks):
            with within(f"operator_keys[{number}]"):
                # The specification names no custody for these two; they are the operator's own.
                kid, public = parse_jwk(jwk)
                self.add(Key(kid, self.operator, public, "own", "statement"))
        first, second = self.keys.values()
        require(jws.kid == first.kid, "not signed by the first of operator_keys")
        with within("recovery_proof"):
            check_possession(text_field(payload, "recovery_proof"), second, self.origin)
        vkey = text_field(payload, "checkpoint_vkey")
        require(vkey == self.vkey.text, f"checkpoint_vkey {shown(vkey)} is not the vkey given")
        require(isinstance(payload.get("test"), bool), "field test is missing or neither true nor false")
        with within("rule_set"):
            exact_fields(payload.get("rule_set"), "version", "sha256")
            require(HEX64.fullmatch(text_field(payload["rule_set"], "sha256")), "sha256 is not 64 hex digits")
        return first

    def register(self, payload):
        """The operator may register any key, another organisation only further ones of its own."""
        org, by = text_field(payload, "organisation"), payload["org"]
        require(by in (self.operator, org), f"{shown(by)} may not register a key of {shown(org)}")
        with within("jwk"):
            kid, public = parse_jwk(payload.get("jwk"))
        custody, use = text_field(payload, "custody"), text_field(payload, "use")
        require(custody in ("own", "hosted"), f"custody {shown(custody)} is not own or hosted")
        require(use in ("statement", "credential"), f"use {shown(use)} is not statement or credential")
        key = Key(kid, org, public, custody, use)
        with within("proof"):
            check_possession(text_field(payload, "proof"), key, self.origin)
        self.add(key)

    def revoke(self, payload, index):
        """By the operator or the organisation whose key it is; in effect from the next entry on."""
        key, by = self.known(text_field(payload, "kid")), payload["org"]
        require(by in (self.operator, key.org), f"{shown(by)} may not revoke a key of {shown(key.org)}")
        reason, since = text_field(payload, "reason"), payload.get("since_index", 0)
        require(reason in ("superseded", "compromised"), f"reason {shown(reason)} is not known")
        require(reason == "compromised" or "since_index" not in payload, "since_index without reason compromised")
        require(type(since) is int and since >= 0, "since_index is not an index")
        # A second revocation (compromised after superseded) changes nothing for what is in force.
        key.revoked_at = index if key.revoked_at is None else key.revoked_at


# --- The whole ledger -------------------------------------------------------------------


class Audit:
    """The replay: everything that the next entry is checked against."""

    def __init__(self, origin, vkey):
        self.origin, self.ring, self.tree = origin, KeyRing(origin, vkey), Tree()
        self.chain_head, self.last_time = "0" * 64, ""
        self.seen, self.types, self.hosted = {}, collections.Counter(), 0

    def entry(self, line):
        """One entry: its bytes, its place, its statement; then what it changes for the next."""
        entry = parse_entry(line)
        self.place(entry)
        with within("statement"):
            self.statement(entry["index"], parse_jws(entry["statement"], STATEMENT_TYP))
        self.chain_head, self.last_time = blake3(line).hexdigest(), entry["time"]
        self.tree.append(line)

    def place(self, entry):
        """Same ledger, next index, time that does not go back, prev = BLAKE3 of the entry before."""
        ledger, index, time, prev = (entry[name] for name in ("ledger", "index", "time", "prev"))
        require(ledger == self.origin, f"ledger {shown(ledger)} is not the checkpoint's origin {self.origin}")
        require(index == self.tree.size, f"index {index} where {self.tree.size} must follow")
        require(is_time(ENTRY_TIME, time), f"time {shown(time)} is not RFC 3339 with milliseconds and Z")
        # All have the same length and zone, so the order of the texts is that of the times.
        require(time >= self.last_time, f"time {time} is before {self.last_time} of the entry before")
        require(prev == self.chain_head, f"prev {shown(prev)} is not the entry before's BLAKE3 {self.chain_head}")

    def statement(self, index, jws):
        """Who said it, with which key, and once only."""
        payload = jws.payload
        with within("payload"):
            check_common(payload, self.origin)
        name = (payload["org"], payload["id"])
        require(name not in self.seen, f"org and id {shown(name)} stand at entry {self.seen.get(name)} already")
        opening = payload["type"] == "ledger_opened"
        require(opening == (index == 0), "ledger_opened stands at index 0 and nowhere else")
        key = self.ring.open(jws) if opening else self.ring.signer(jws)
        with within("signature"):
            verify_strict(key.public, jws.signature, jws.signed)
        self.seen[name] = index
        self.types[payload["type"]] += 1
        self.hosted += key.custody == "hosted"
        # Last, so that an entry acts on the next one and never on itself.
        with within(shown(payload["type"])):
            if payload["type"] == "key_registered":
                self.ring.register(payload)
            elif payload["type"] == "key_revoked":
                self.ring.revoke(payload, index)

    def compare(self, checkpoint):
        """The export holds what the checkpoint publishes: as many entries, the same root."""
        size, root = self.tree.size, self.tree.root()
        require(size <= checkpoint.size, f"{size} entries, more than the checkpoint's size {checkpoint.size}")
        require(size == checkpoint.size, f"{size} entries, fewer than the checkpoint's size {checkpoint.size}")
        require(size > 0, "an empty ledger: ledger_opened is missing at index 0")
        require(root == checkpoint.root, f"root {root.hex()} is not the checkpoint's {checkpoint.root.hex()}")

    def figures(self):
        yield f"entries: {self.tree.size}"
        yield f"origin: {self.origin}"
        yield f"root: {self.tree.root().hex()}"
        yield f"chain head: {self.chain_head}"
        for name, count in sorted(self.types.items()):
            yield f"statements {name}: {count}"
        yield f"statements signed by hosted keys: {self.hosted}"
        yield f"keys registered: {len(self.ring.keys)}"


def decode(data, place):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(f"{place}: not UTF-8 at byte {error.start}") from None


def read_text(path):
    with open(path, "rb") as file:
        return decode(file.read(), path)


def read_lines(path):
    """The lines without their LF, one at a time: a ledger may be larger than the memory."""
    with open(path, "rb") as file:
        # Two more than allowed: the LF, and one byte that shows a line to be too long.
        lines = iter(lambda: file.readline(MAX_ENTRY + 2), b"")
        for number, line in enumerate(lines, 1):
            if len(line) <= MAX_ENTRY + 1:
                if not line.endswith(b"\n"):
                    raise Unreadable(f"{path}: line {number}: cut off, its line feed is missing")
                decode(line, f"{path}: line {number}")
            yield line.removesuffix(b"\n")


def check(entries_path, checkpoint_path, vkey_path):
    """All checks, in this order: the forms of vkey and note, entries, tree, signature of the note."""
    with within("vkey"):
        vkey = parse_vkey(read_text(vkey_path).removesuffix("\n"))
    note = read_text(checkpoint_path)
    if not note.endswith("\n"):
        raise Unreadable(f"{checkpoint_path}: cut off, the last line feed is missing")
    with within("checkpoint"):
        checkpoint = parse_checkpoint(note)
        same = checkpoint.origin == vkey.name
        require(same, f"line 1: origin {checkpoint.origin} is not the vkey's name {shown(vkey.name)}")
    audit = Audit(checkpoint.origin, vkey)
    for index, line in enumerate(read_lines(entries_path)):
        with within(f"entry {index} (line {index + 1})"):
            audit.entry(line)
    with within("tree"):
        audit.compare(checkpoint)
    with within("checkpoint"):
        verify_checkpoint(checkpoint, vkey)
    return audit


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Verify the export of a Loopledger ledger.")
    parser.add_argument("--entries", required=True, help="the entries, one a line")
    parser.add_argument("--checkpoint", required=True, help="the checkpoint, a signed note")
    parser.add_argument("--vkey", required=True, help="the checkpoint key's vkey, had by another road")
    options = parser.parse_args(arguments)
    try:
        audit = check(options.entries, options.checkpoint, options.vkey)
    except Refused as error:
        print(f"REFUSED {error}", file=sys.stderr)
        return 1
    except (Unreadable, OSError) as error:
        print(f"UNREADABLE {error}", file=sys.stderr)
        return 2
    print("VALID", *audit.figures(), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
