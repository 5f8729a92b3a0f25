"""Self-test of check_ledger: a tiny valid ledger passes, each alteration of it is refused.

Run `python -m unittest` in this folder. Most alterations are made by a forger who holds
every key: chain, tree and checkpoint are made anew over the altered entries, so that only the rule
in question can refuse. Each row also says which words the refusal must contain.
"""

import base64
import contextlib
import hashlib
import io
import json
import os
import pathlib
import re
import sys
import tempfile
import unittest

from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import check_ledger  # noqa: E402

ORIGIN = "test.example/ledger-0a1b2c3d"
ORDER = 2**252 + 27742317777372353535851937790883648493
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


class Key:
    """A key with a secret that depends on its name only, so that each run is the same."""

    def __init__(self, name):
        self.secret = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
        self.public = self.secret.public_key().public_bytes_raw()
        self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64url(self.public)}
        members = {name: self.jwk[name] for name in sorted(self.jwk)}
        self.kid = b64url(hashlib.sha256(compact(members)).digest())

    def jws(self, payload, typ, header=()):
        """Payload is an object or, for what JSON libraries would not write, bytes."""
        head = {"alg": "Ed25519", "kid": self.kid, "typ": typ} | dict(header)
        body = payload if isinstance(payload, bytes) else compact(payload)
        signed = f"{b64url(compact(head))}.{b64url(body)}"
        return f"{signed}.{b64url(self.secret.sign(signed.encode()))}"

    def proof(self, org, use="statement", typ="loopledger-key-proof+json", **changes):
        return self.jws({"ledger": ORIGIN, "org": org, "kid": self.kid, "use": use} | changes, typ)

    def vkey(self, name=ORIGIN):
        raw = b"\x01" + self.public
        return f"{name}+{key_id(name, raw).hex()}+{base64.b64encode(raw).decode()}"

    def note_line(self, text, name=ORIGIN):
        raw = key_id(name, b"\x01" + self.public) + self.secret.sign(text.encode())
        return f"\u2014 {name} {base64.b64encode(raw).decode()}\n"


def key_id(name, raw):
    return hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]


OPERATOR, RECOVERY, CHECKPOINT = Key("operator"), Key("recovery"), Key("checkpoint")
CENTRE, HOSTED, STRANGER = Key("centre"), Key("hosted"), Key("stranger")


def tree_root(leaves):
    """RFC 6962 section 2.1 as it is written there, unlike the checker's way of doing it."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + tree_root(leaves[:split]) + tree_root(leaves[split:])).digest()


class Step:
    """One statement to be: who signs what, and what is odd about it."""

    def __init__(self, number, key, org, kind, **fields):
        self.key = key
        self.payload = {
            "v": 1,
            "ledger": ORIGIN,
            "id": f"018f0000-0000-7000-8000-{number:012x}",
            "org": org,
            "type": kind,
            "occurred_at": "2026-11-23T08:31:00+03:00",
        } | fields
        self.raw = None  # the payload as bytes, instead of as object
        self.header = {}
        self.edit_jws = lambda jws: jws
        self.entry = {}

    def jws(self):
        return self.edit_jws(self.key.jws(self.raw or self.payload, "loopledger-statement+json", self.header))


def register(number, key, signer, by, organisation, custody="own", use="statement"):
    fields = {"organisation": organisation, "jwk": key.jwk, "custody": custody, "use": use}
    return Step(number, signer, by, "key_registered", proof=key.proof(organisation, use), **fields)


class Ledger:
    """The tiny ledger; an alteration changes steps before, or edits bytes after the framing."""

    def __init__(self):
        self.steps = [
            Step(
                0,
                OPERATOR,
                "operator",
                "ledger_opened",
                operator_keys=[OPERATOR.jwk, RECOVERY.jwk],
                recovery_proof=RECOVERY.proof("operator"),
                checkpoint_vkey=CHECKPOINT.vkey(),
                test=True,
                rule_set={"version": "1", "sha256": "ab" * 32},
            ),
            Step(1, OPERATOR, "operator", "organisation_registered", organisation="centre"),
            register(2, CENTRE, OPERATOR, "operator", "centre"),
            Step(3, CENTRE, "centre", "scale_registered"),
            register(4, HOSTED, CENTRE, "centre", "centre", custody="hosted"),
            Step(5, HOSTED, "centre", "training_held"),
            Step(6, OPERATOR, "operator", "key_revoked", kid=CENTRE.kid, reason="superseded"),
        ]
        self.vkey = CHECKPOINT.vkey() + "\n"
        self.signer = CHECKPOINT
        self.size_says = 0  # added to the size that the checkpoint states
        self.edit_lines = lambda lines: lines  # before the tree is made
        self.edit_export = lambda data: data  # after all was made
        self.edit_text = lambda text: text  # the checkpoint before it is signed
        self.edit_note = lambda note: note  # and after

    def lines(self):
        prev, lines = "0" * 64, []
        for index, step in enumerate(self.steps):
            entry = {"v": 1, "ledger": ORIGIN, "index": index, "time": f"2026-11-23T05:31:00.{100 + index}Z"}
            entry |= {"prev": prev, "statement": step.jws()} | step.entry
            lines.append(compact(entry))
            prev = blake3(lines[-1]).hexdigest()
        return lines

    def files(self):
        lines = self.edit_lines(self.lines())
        root = base64.b64encode(tree_root(lines)).decode()
        text = self.edit_text(f"{ORIGIN}\n{len(lines) + self.size_says}\n{root}\n")
        note = self.edit_note(f"{text}\n{self.signer.note_line(text)}")
        export = self.edit_export(b"".join(line + b"\n" for line in lines))
        return {"entries": export, "checkpoint": note.encode(), "vkey": self.vkey.encode()}


def run(files):
    """Exit code, what was printed, what was complained of."""
    out, err = io.StringIO(), io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        arguments = []
        for name, data in files.items():
            path = os.path.join(folder, name)
            arguments += [f"--{name}", path]
            if data is not None:
                pathlib.Path(path).write_bytes(data)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = check_ledger.main(arguments)
    return code, out.getvalue(), err.getvalue()


def replace(old, new, count=1):
    """An edit of text or bytes that is sure to change something."""

    def edit(value):
        assert old in value, old
        return value.replace(old, new, count)

    return edit


def edit_line(index, edit):
    return lambda lines: [edit(line) if at == index else line for at, line in enumerate(lines)]


def non_canonical_s(jws):
    signed, _, signature = jws.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    return f"{signed}.{b64url(raw[:32] + (int.from_bytes(raw[32:], 'little') + ORDER).to_bytes(32, 'little'))}"


def small_order_r(jws):
    """R is the neutral element (r = 0): a signature that plain Ed25519 accepts."""
    signed = jws.rpartition(".")[0]
    scalar = int.from_bytes(hashlib.sha512(CENTRE.secret.private_bytes_raw()).digest()[:32], "little")
    scalar = scalar & ((1 << 254) - 8) | (1 << 254)
    r = (1).to_bytes(32, "little")
    k = int.from_bytes(hashlib.sha512(r + CENTRE.public + signed.encode()).digest(), "little")
    signature = r + (k * scalar % ORDER).to_bytes(32, "little")
    CENTRE.secret.public_key().verify(signature, signed.encode())
    return f"{signed}.{b64url(signature)}"


def trailing_bit(jws):
    # 64 bytes are 86 characters; of the last one's six bits four are trailing.
    return jws[:-1] + ALPHABET[ALPHABET.index(jws[-1]) + 1]


def append(*steps):
    return lambda ledger: ledger.steps.extend(steps)


def step(index, **attributes):
    """Set attributes of one step."""

    def alter(ledger):
        for name, value in attributes.items():
            setattr(ledger.steps[index], name, value)

    return alter


def fields(index, **changes):
    """Change fields of one payload; None takes the field away."""

    def alter(ledger):
        payload = ledger.steps[index].payload | changes
        ledger.steps[index].payload = {name: value for name, value in payload.items() if value is not None}

    return alter


def whole(**attributes):
    """Set attributes of the ledger."""
    return lambda ledger: [setattr(ledger, name, value) for name, value in attributes.items()]


def raw_payload(index, edit):
    def alter(ledger):
        ledger.steps[index].raw = edit(compact(ledger.steps[index].payload))

    return alter


def weak_key(ledger):
    # The order-4 point y = 0: a forger needs no secret to sign for it.
    ledger.steps[2].payload["jwk"] = dict(CENTRE.jwk, x=b64url(bytes(32)))


def later_key(**changes):
    """A further statement by the hosted key, which is in force at the end."""
    return Step(7, HOSTED, "centre", "training_held", **changes)


PROOF_OF_STATEMENT = CENTRE.proof("centre", typ="loopledger-statement+json")

# Name, alteration, exit code, words that the refusal holds.
ALTERATIONS = [
    # The export, altered without new hashes and signatures: the plain tamperer.
    ("a changed byte", whole(edit_export=replace(b'00.103Z"', b'00.104Z"')), 1, r"entry 4 .*prev"),
    ("the last entry changed", whole(edit_export=replace(b'00.106Z"', b'00.107Z"')), 1, "tree: root"),
    ("an entry missing", whole(edit_export=lambda d: d[: d[:-1].rindex(b"\n") + 1]), 1, "6 entries, fewer"),
    ("an entry too many", whole(size_says=-1), 1, "7 entries, more than"),
    ("two lines swapped", whole(edit_lines=lambda x: [*x[:3], x[4], x[3], *x[5:]]), 1, "entry 3 .*index 4 where 3"),
    ("an empty line", whole(edit_export=replace(b"\n", b"\n\n")), 1, r"entry 1 \(line 2\)"),
    ("an empty ledger", whole(edit_lines=lambda lines: []), 1, "empty ledger"),
    # The one byte form and the place of an entry; the forger makes all hashes anew.
    ("white space", whole(edit_lines=edit_line(6, replace(b'"v":1,', b'"v":1, '))), 1, "entry 6 .*byte form"),
    ("CR LF", whole(edit_lines=edit_line(6, lambda line: line + b"\r")), 1, "byte form"),
    ("another order of keys", whole(edit_lines=edit_line(6, lambda x: b'{"index":6,' + x[1:].replace(
        b'"index":6,', b""))), 1, "byte form"),
    ("an unknown field", step(6, entry={"note": "x"}), 1, "field 'note' is not allowed"),
    ("v 2", step(6, entry={"v": 2}), 1, "v is not 1"),
    ("a field missing", whole(edit_lines=edit_line(6, replace(b'"v":1,', b""))), 1, "field v is missing"),
    ("index as text", step(6, entry={"index": "6"}), 1, "index is not an integer"),
    ("v true", step(6, entry={"v": True}), 1, "v is not 1"),
    ("an index left out", step(3, entry={"index": 4}), 1, "index 4 where 3"),
    ("time goes back", step(3, entry={"time": "2026-11-23T05:31:00.101Z"}), 1, "entry 3 .*is before"),
    ("time of 23 characters", step(3, entry={"time": "2026-11-23T05:31:00.20Z"}), 1, "time .*milliseconds"),
    ("a day that is none", step(6, entry={"time": "2027-02-30T05:31:00.200Z"}), 1, "time .*milliseconds"),
    ("another ledger's entry", step(3, entry={"ledger": "test.example/other"}), 1, "not the checkpoint's origin"),
    ("another prev", step(3, entry={"prev": "00" * 32}), 1, "entry 3 .*prev"),
    ("an entry too long", step(6, edit_jws=lambda jws: jws + "A" * 65_000), 1, "at most 65535"),
    # The statement.
    ("a changed payload", step(3, edit_jws=replace(".ey", ".eY")), 1, "entry 3 .*payload"),
    ("a changed signature", step(3, edit_jws=lambda jws: jws[:-9] + "AAAAAAAA" + jws[-1]), 1, "does not verify"),
    ("trailing bits", step(3, edit_jws=trailing_bit), 1, "trailing bits"),
    ("padding", step(3, edit_jws=lambda jws: jws + "=="), 1, "without padding"),
    ("S not canonical", step(3, edit_jws=non_canonical_s), 1, "non-canonical S"),
    ("R of small order", step(3, edit_jws=small_order_r), 1, "R of small order"),
    ("a short signature", step(3, edit_jws=lambda jws: jws[:-6]), 1, "has 64 bytes"),
    ("four parts", step(3, edit_jws=lambda jws: jws + ".x"), 1, "three parts"),
    ("alg none", step(3, header={"alg": "none"}), 1, "alg 'none'"),
    ("a further header field", step(3, header={"crit": ["x"]}), 1, "'crit' is not allowed"),
    ("typ of a proof", step(3, header={"typ": "loopledger-key-proof+json"}), 1, "typ"),
    ("a duplicate key", raw_payload(3, replace(b'"v":1', b'"v":1,"v":1')), 1, "duplicate key 'v'"),
    ("an escape", raw_payload(3, replace(b"scale", b"\\u0073cale")), 1, "outside the strict profile"),
    ("v 2 in the payload", fields(3, v=2), 1, "v is missing or not 1"),
    ("another ledger's statement", fields(3, ledger="test.example/other"), 1, "payload: ledger"),
    ("an upper-case id", fields(3, id="018F0000-0000-7000-8000-000000000003"), 1, "lower-case UUID"),
    ("no occurred_at", fields(3, occurred_at=None), 1, "occurred_at is missing"),
    ("occurred_at without offset", fields(3, occurred_at="2026-11-23T08:31:00"), 1, "RFC 3339"),
    ("the same org and id again", append(Step(5, HOSTED, "centre", "training_held")), 1, "stand at entry 5 already"),
    # The opening.
    ("no ledger_opened", fields(0, type="scale_registered"), 1, "entry 0 .*ledger_opened"),
    ("a second ledger_opened", fields(1, type="ledger_opened"), 1, "entry 1 .*ledger_opened"),
    ("opened with the second key", step(0, key=RECOVERY), 1, "first of operator_keys"),
    ("opened with a third key", step(0, key=STRANGER), 1, "first of operator_keys"),
    ("one operator key", fields(0, operator_keys=[OPERATOR.jwk]), 1, "list of two"),
    ("one operator key twice", fields(0, operator_keys=[OPERATOR.jwk] * 2), 1, "registered already"),
    ("a secret in a JWK", fields(0, operator_keys=[OPERATOR.jwk | {"d": "x"}, RECOVERY.jwk]), 1, "'d' is not"),
    ("a key of another kind", fields(0, operator_keys=[OPERATOR.jwk | {"crv": "X25519"}, RECOVERY.jwk]), 1,
     "not an OKP key"),
    ("a key of 31 bytes", fields(2, jwk=CENTRE.jwk | {"x": b64url(bytes(31))}), 1, "has 32 bytes"),
    ("a key as text", fields(2, jwk=CENTRE.jwk["x"]), 1, "not an object"),
    ("test as text", fields(0, test="no"), 1, "field test"),
    ("another hash of the rules", fields(0, rule_set={"version": "1", "sha256": "AB" * 32}), 1, "64 hex digits"),
    ("a proof by the first", fields(0, recovery_proof=OPERATOR.proof("operator")), 1, "recovery_proof"),
    ("a proof for credentials", fields(0, recovery_proof=RECOVERY.proof("operator", "credential")), 1, "use is"),
    ("another checkpoint key", fields(0, checkpoint_vkey=STRANGER.vkey()), 1, "not the vkey given"),
    ("operator key signs checkpoints", fields(0, operator_keys=[OPERATOR.jwk, CHECKPOINT.jwk]), 1, "checkpoint key"),
    # Keys.
    ("an unknown key", step(3, key=STRANGER), 1, "entry 3 .*not registered"),
    ("a key not yet registered", lambda x: x.steps.insert(2, x.steps.pop(3)), 1, "entry 2 .*not registered"),
    ("a statement in another's name", fields(3, org="operator"), 1, "belongs to 'centre'"),
    ("a revoked key", append(Step(7, CENTRE, "centre", "training_held")), 1, "entry 7 .*revoked by entry 6"),
    ("a key that revoked itself", fields(3, type="key_revoked", kid=CENTRE.kid, reason="superseded"), 1,
     "entry 4 .*revoked by entry 3"),
    ("a revoked key again", append(register(7, CENTRE, OPERATOR, "operator", "centre")), 1, "registered already"),
    ("one key, two owners", append(register(7, HOSTED, OPERATOR, "operator", "other")), 1, "registered already"),
    ("a key for another", append(register(7, STRANGER, HOSTED, "centre", "other")), 1, "may not register"),
    ("a proof by another key", fields(2, proof=STRANGER.proof("centre")), 1, "proof: kid of the header"),
    ("a proof for another org", fields(2, proof=CENTRE.proof("other")), 1, "proof: org"),
    ("a proof for another ledger", fields(2, proof=CENTRE.proof("centre", ledger="x")), 1, "proof: ledger"),
    ("a proof of another use", fields(2, use="credential"), 1, "proof: use"),
    ("a proof that says more", fields(2, proof=CENTRE.proof("centre", more=1)), 1, "'more' is not allowed"),
    ("a statement as proof", fields(2, proof=PROOF_OF_STATEMENT), 1, "proof: header: typ"),
    ("no proof", fields(2, proof=None), 1, "proof is missing"),
    ("a weak key", weak_key, 1, "small order"),
    ("custody unknown", fields(2, custody="shared"), 1, "custody"),
    ("use unknown", fields(2, use="both"), 1, "use 'both'"),
    ("a credential key signs", append(register(7, STRANGER, OPERATOR, "operator", "centre", use="credential"),
                                      Step(8, STRANGER, "centre", "training_held")), 1, "for use credential"),
    ("another's key revoked", append(Step(7, HOSTED, "centre", "key_revoked", kid=OPERATOR.kid,
                                          reason="superseded")), 1, "may not revoke"),
    ("superseded since an index", fields(6, since_index=3), 1, "since_index without"),
    ("since no index", fields(6, reason="compromised", since_index=-1), 1, "not an index"),
    ("an unknown reason", fields(6, reason="lost"), 1, "reason 'lost'"),
    ("an unknown key revoked", fields(6, kid=STRANGER.kid), 1, "not registered"),
    # Checkpoint and key.
    ("another root", whole(edit_text=lambda t: re.sub(r"[^\n]+=\n", f"{'A' * 43}=\n", t)), 1, "tree: root"),
    ("another signer", whole(signer=STRANGER), 1, "checkpoint: no signature by"),
    ("a signature of other text", whole(edit_note=lambda n: n[: n.rindex("\u2014")] + CHECKPOINT.note_line("x\n")),
     1, "checkpoint: line 5: the signature does not verify"),
    ("a good line and a bad one", whole(edit_note=lambda n: n + CHECKPOINT.note_line("x\n")), 1, "line 6"),
    ("a line that is no signature", whole(edit_note=lambda n: n + "- x eHh4eHh4\n"), 1, "not a signature line"),
    ("a signature without bytes", whole(edit_note=lambda n: n + "\u2014 x AAAAAA==\n"), 1, "line 6: .*too short"),
    ("a name with a plus sign", whole(edit_note=lambda n: n + "\u2014 x+y eHh4eHh4\n"), 1, "bad key name"),
    ("base64 of another form", whole(edit_note=lambda n: n + "\u2014 x eHh4eHh4eR==\n"), 1, "not in its one form"),
    ("no root", whole(edit_text=lambda t: t[: t[:-1].rindex("\n") + 1]), 1, "not the lines"),
    ("a root of 31 bytes", whole(edit_text=lambda t: re.sub(r"[^\n]+=\n", f"{'A' * 42}==\n", t)), 1, "32 bytes"),
    ("an empty line in the text", whole(edit_text=lambda t: t + "\nmore\n"), 1, "empty line within"),
    ("an upper-case origin", whole(edit_text=str.upper), 1, "line 1: .*not an origin"),
    ("size with a zero in front", whole(edit_text=replace("\n7\n", "\n07\n")), 1, "line 2"),
    ("root without padding", whole(edit_text=replace("=\n", "\n")), 1, "line 3"),
    ("no signature", whole(edit_note=lambda n: n[: n.rindex("\u2014")]), 1, "checkpoint"),
    ("a control character", whole(edit_text=lambda t: t + "x\ty\n"), 1, "control character"),
    ("another origin", whole(edit_text=replace("ledger-", "lodger-")), 1, "not the vkey's name"),
    ("a vkey of another key", whole(vkey=STRANGER.vkey()), 1, "not the vkey given"),
    ("a vkey of another name", whole(vkey=CHECKPOINT.vkey("test.example/x")), 1, "not the vkey's name"),
    ("no vkey", whole(vkey="abc"), 1, "vkey: not of the form"),
    ("a vkey of another type", whole(vkey=f"{ORIGIN}+00000000+{base64.b64encode(bytes([4] * 33)).decode()}"), 1,
     "not an Ed25519 key"),
    ("a wrong key ID", whole(vkey=re.sub(r"\+[0-9a-f]{8}\+", "+00000000+", CHECKPOINT.vkey())), 1, "vkey: key ID"),
    # What cannot be read.
    ("entries cut off", whole(edit_export=lambda data: data[:-40]), 2, "line 7: cut off"),
    ("entries not UTF-8", whole(edit_export=replace(b"test.example", b"\xff\xfe")), 2, "line 1: not UTF-8"),
    ("checkpoint cut off", whole(edit_note=lambda note: note[:-9]), 2, "cut off"),
]


class Ledgers(unittest.TestCase):
    def test_the_unaltered_ledger_passes_with_its_figures(self):
        ledger = Ledger()
        lines = ledger.lines()
        code, out, err = run(ledger.files())
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out.splitlines(), [
            "VALID",
            "entries: 7",
            f"origin: {ORIGIN}",
            f"root: {tree_root(lines).hex()}",
            f"chain head: {blake3(lines[-1]).hexdigest()}",
            "statements key_registered: 2",
            "statements key_revoked: 1",
            "statements ledger_opened: 1",
            "statements organisation_registered: 1",
            "statements scale_registered: 1",
            "statements training_held: 1",
            "statements signed by hosted keys: 1",
            "keys registered: 4",
        ])

    def test_each_alteration_is_refused_for_its_reason_in_one_line(self):
        for name, alter, code, words in ALTERATIONS:
            with self.subTest(name):
                ledger = Ledger()
                alter(ledger)
                got, out, err = run(ledger.files())
                self.assertEqual((got, out), (code, ""), err)
                self.assertRegex(err, words)
                self.assertEqual(err.count("\n"), 1)

    def test_what_is_allowed_though_odd(self):
        rows = [
            ("alg EdDSA", step(3, header={"alg": "EdDSA"})),
            ("white space in a payload", raw_payload(3, lambda raw: b"\r\n\t" + raw.replace(b'":', b'" : '))),
            ("equal times", step(3, entry={"time": "2026-11-23T05:31:00.102Z"})),
            ("an organisation revokes its own key", step(6, key=HOSTED, payload=dict(
                Ledger().steps[6].payload, org="centre"))),
            ("compromised since", fields(6, reason="compromised", since_index=3)),
            ("a key not revoked goes on", append(later_key())),
            ("the same id of another org", append(later_key(id=Ledger().steps[1].payload["id"]))),
            ("a cosignature", whole(edit_note=lambda note: note + STRANGER.note_line("x\n", "witness.example"))),
            ("another key of the same name", whole(edit_note=lambda note: note + STRANGER.note_line("x\n"))),
            ("an extension line", whole(edit_text=lambda text: text + "more\n")),
            ("vkey without line feed", whole(vkey=CHECKPOINT.vkey())),
        ]
        for name, alter in rows:
            with self.subTest(name):
                ledger = Ledger()
                alter(ledger)
                code, _, err = run(ledger.files())
                self.assertEqual((code, err), (0, ""))

    def test_a_missing_file_is_unreadable(self):
        for name in ("entries", "checkpoint", "vkey"):
            with self.subTest(name):
                code, out, err = run(Ledger().files() | {name: None})
                self.assertEqual((code, out, err.count("\n")), (2, "", 1))


class Profile(unittest.TestCase):
    """The strict JSON profile, deviation by deviation."""

    def test_what_it_refuses(self):
        rows = [
            b"", b"[]", b'{"a":}', b'{"a":1,}', b'{"a" 1}', b'{a:1}', b'{"a":1}x', b'{"a":1}{}', b'{"a":[1,]}',
            b'{"a":[1 2 3]}', b"{1:2}", b"{tru:2}", b"{true:2}",
            b'{"a":null}', b'{"a":1.0}', b'{"a":1e3}', b'{"a":-0}', b'{"a":01}', b'{"a":+1}',
            b'{"a":-}', b'{"a":9007199254740992}', b'{"a":-9007199254740992}', b'{"a":' + b"9" * 9000 + b"}",
            b'{"a":"\\n"}', b'{"a":"\n"}', b'{"a":"\x7f"}', b'{"a":"\xc3\xa9"}', b'{"a":"', b'{"a":tru}',
            b'{"a":1,"a":1}', b'{"b":[{"a":1,"a":1}]}', b'\xef\xbb\xbf{}', b'{}\x0c', b'{"a":\xa01}', b"{]", b"{}}",
            b'{"a":' * 9 + b"1" + b"}" * 9, b'{"a":' + b"[" * 8 + b"]" * 8 + b"}",
            b'{"a":[' + b"1," * 256 + b"1]}", b'{"a":"' + b"x" * (16 * 1024 - 7) + b'"}',
        ]
        for row in rows:
            with self.subTest(row[:40]), self.assertRaises(check_ledger.Refused):
                check_ledger.parse_object(row)

    def test_what_it_takes(self):
        rows = [
            (b" {} \n", {}),
            (b'{"a":[],"b":{}}', {"a": [], "b": {}}),
            (b'{"a":0,"b":-1,"c":true,"d":false}', {"a": 0, "b": -1, "c": True, "d": False}),
            (b'{"a":[9007199254740991,\t-9007199254740991]}', {"a": [2**53 - 1, 1 - 2**53]}),
            (b'{"a":" !#[]^~","":""}', {"a": " !#[]^~", "": ""}),
            (b'{"a":{"a":1},"b":{"a":1}}', {"a": {"a": 1}, "b": {"a": 1}}),
        ]
        for row, value in rows:
            with self.subTest(row):
                self.assertEqual(check_ledger.parse_object(row), value)
        for row in (b'{"a":' * 8 + b"1" + b"}" * 8, b'{"a":[' + b"1," * 255 + b"1]}",
                    b'{"a":"' + b"x" * (16 * 1024 - 8) + b'"}'):
            self.assertEqual(compact(check_ledger.parse_object(row)), row)

    def test_it_names_the_byte_at_fault(self):
        for row, at in ((b'{"a":null}', 5), (b'{"a":"x\\n"}', 7), (b'{"a": \xc3\xa9}', 6), (b'{"a":1.5}', 5)):
            with self.subTest(row), self.assertRaisesRegex(check_ledger.Refused, f"^byte {at}:"):
                check_ledger.parse_object(row)


class Vectors(unittest.TestCase):
    """Values published elsewhere, so that checker and self-test cannot err in the same way."""

    def test_roots_of_certificate_transparency(self):
        leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
        roots = {
            0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        }
        tree, seen = check_ledger.Tree(), [bytes.fromhex(leaf) for leaf in leaves]
        for size in range(9):
            self.assertEqual(tree.root(), tree_root(seen[:size]))
            self.assertEqual(tree.root().hex(), roots.get(size, tree.root().hex()))
            if size < 8:
                tree.append(seen[size])

    def test_thumbprint_of_rfc_8037(self):
        public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        kid, _ = check_ledger.parse_jwk({"kty": "OKP", "crv": "Ed25519", "x": b64url(public)})
        self.assertEqual(kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")

    def test_note_of_the_go_documentation(self):
        vkey = check_ledger.parse_vkey("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
        text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
        line = (
            "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSN"
            "XgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
        )
        signatures = check_ledger.parse_signatures(line, 4)
        note = check_ledger.Checkpoint(None, None, None, text.encode(), signatures)
        check_ledger.verify_checkpoint(note, vkey)
        with self.assertRaises(check_ledger.Refused):
            check_ledger.verify_checkpoint(note._replace(signed=b"x\n"), vkey)

    def test_weak_and_non_canonical_keys(self):
        p = 2**255 - 19
        d = -121665 * pow(121666, -1, p) % p

        def double(y):
            x_squared = (y * y - 1) * pow(d * y * y + 1, -1, p)
            return (y * y + x_squared) * pow(1 - d * x_squared * y * y, -1, p) % p

        # Twice doubled it is the point of order 2, so it is itself one of order 8.
        self.assertEqual(double(double(check_ledger.Y8)), p - 1)
        for y in (0, 1, p - 1, p, p + 1, check_ledger.Y8, p - check_ledger.Y8, 2**255 - 1):
            for sign in (0, 1 << 255):
                with self.subTest(y=y, sign=sign), self.assertRaises(check_ledger.Refused):
                    check_ledger.check_public_key((y | sign).to_bytes(32, "little"))


if __name__ == "__main__":
    unittest.main()
