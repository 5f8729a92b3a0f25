//! The fuzz targets on stable Rust: each gets a fixed number of inputs, mutated from good ones, the same in every run.
//!
//! `LOOPLEDGER_FUZZ_CASES` and `LOOPLEDGER_FUZZ_SEED` choose another number and another chance.

use crate::chance::Chance;
use crate::targets::TARGETS;
use ed25519_dalek::SigningKey;
use loopledger::domain::ids::Origin;
use loopledger::proof::bundle::{Bundle, BundledEntry, BundledOpening};
use loopledger::proof::checkpoint::Checkpoint;
use loopledger::proof::cosignature::{Cosigner, cosign};
use loopledger::proof::entry::Entry;
use loopledger::proof::keys::CompactJws;
use loopledger::proof::merkle::{leaf_hash, root_of};
use loopledger::proof::note::NoteVerifier;
use loopledger::proof::tiles::{Prover, TileSource};
use loopledger::proof::tlog_proof;

const CASES_DEFAULT: u64 = 20_000;

/// What is inserted whole: what the formats are made of.
const TOKENS: &[&str] = &[
    "\n",
    "\n\n",
    "— ",
    " ",
    "\t",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "-0",
    "1e9",
    "0",
    "18446744073709551615",
    "9007199254740993",
    "\\u0000",
    "\u{feff}",
    "é",
    "==",
    "+",
    "all",
    "any",
    "none",
    "quorum ",
    "group ",
    ".p/0",
    "x001/",
    "extra AAAA\n",
    "c2sp.org/tlog-proof@v1\n",
];

struct Leaves(Vec<loopledger::proof::merkle::TreeHash>);

impl TileSource for Leaves {
    type Error = std::convert::Infallible;

    fn tile(&mut self, _: u32, _: u64, width: u64) -> Result<Vec<loopledger::proof::merkle::TreeHash>, Self::Error> {
        Ok(self.0.iter().copied().take(usize::try_from(width).expect("small")).collect())
    }
}

/// Good inputs of every kind. Every target gets all of them: what is good for one is strange for another.
fn good_inputs() -> Vec<Vec<u8>> {
    let entries: Vec<&[u8]> = [include_str!("../vectors/ledger_v1.jsonl"), include_str!("../ledgers/first.jsonl")]
        .into_iter()
        .flat_map(|file| file.lines().map(str::as_bytes))
        .collect();
    let mut good: Vec<Vec<u8>> = entries.iter().map(|entry| entry.to_vec()).collect();
    for entry in &entries {
        let statement = Entry::parse(entry).expect("an entry").statement;
        good.push(CompactJws::parse(&statement).expect("a JWS").payload.clone());
        good.push(statement.into_bytes());
    }
    let (log, witness) = (SigningKey::from_bytes(&[3; 32]), SigningKey::from_bytes(&[8; 32]));
    let leaves: Vec<_> = entries.iter().take(6).map(|entry| leaf_hash(entry)).collect();
    let origin = Origin::parse("ledger.test/0badc0de").expect("an origin");
    let checkpoint = Checkpoint { origin, size: 6, root: root_of(&leaves) };
    let note = checkpoint.sign(&log).expect("signed");
    let cosigned =
        note.clone() + &cosign("w.example/1", &witness, 1_700_000_000, &checkpoint.body()).expect("cosigned");
    let log_vkey = NoteVerifier::new("ledger.test/0badc0de", log.verifying_key()).expect("a name").vkey();
    let witness_vkey = Cosigner::new("w.example/1", witness.verifying_key()).expect("a name").vkey();
    let mut source = Leaves(leaves);
    let mut prover = Prover::new(&mut source, 6);
    let mut path = |index| prover.inclusion(index).expect("tiles");
    good.push(tlog_proof::format(3, &path(3), &cosigned).into_bytes());
    let bundled = |index: u64, path| BundledEntry {
        index,
        bytes: entries[usize::try_from(index).expect("small")].to_vec(),
        path,
    };
    let bundle = Bundle {
        certificate: "ERT-KE-NBO1-202611-0000001-0000005".into(),
        keys: vec![log_vkey.clone()],
        checkpoint: note.clone(),
        entries: (0..6).map(|index| bundled(index, path(index))).collect(),
        openings: vec![BundledOpening {
            entry: 5, pointer: "/beneficiary".into(), salt: [7; 32], value: "Zoë".into()
        }],
    };
    good.push(bundle.to_bytes());
    good.push(
        format!("log {log_vkey} https://ledger.test/\nwitness w {witness_vkey}\ngroup g any w\nquorum g\n")
            .into_bytes(),
    );
    good.extend([note, cosigned, checkpoint.body(), log_vkey, witness_vkey].map(String::into_bytes));
    good.extend(
        ["tile/0/x001/x234/067", "tile/8/000.p/17", "tile/entries/x001/000", "tile/entries/000.p/255"].map(Into::into),
    );
    good
}

/// One to eight changes: bits, bytes, tokens, pieces left out, repeated, or taken from another input.
fn mutated(good: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut input = good[chance.place(good.len())].clone();
    for _ in 0..=chance.below(8) {
        let (from, to) = (chance.place(input.len() + 1), chance.place(input.len() + 1));
        let (from, to) = (from.min(to), from.max(to));
        match chance.below(7) {
            0 if from < input.len() => input[from] ^= 1 << chance.place(8),
            1 if from < input.len() => input[from] = u8::try_from(chance.below(256)).expect("a byte"),
            2 => drop(input.splice(from..from, TOKENS[chance.place(TOKENS.len())].bytes())),
            3 => drop(input.drain(from..to.min(from + 40))),
            4 => {
                let piece = input[from..to.min(from + 200)].to_vec();
                drop(input.splice(to..to, piece));
            }
            5 => {
                let other = &good[chance.place(good.len())];
                let begin = chance.place(other.len() + 1);
                let piece = other[begin..other.len().min(begin + 200)].to_vec();
                drop(input.splice(from..to.min(from + 200), piece));
            }
            _ => input.truncate(to.max(1)),
        }
    }
    input
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn every_target_holds() {
    let cases = from_environment("LOOPLEDGER_FUZZ_CASES", CASES_DEFAULT);
    let seed = from_environment("LOOPLEDGER_FUZZ_SEED", 1);
    let good = good_inputs();
    std::thread::scope(|scope| {
        for (name, target) in TARGETS {
            let good = &good;
            scope.spawn(move || {
                let mut chance = Chance::seeded(seed);
                for input in good {
                    target(input);
                }
                for case in 0..cases {
                    let input = mutated(good, &mut chance);
                    let held = std::panic::catch_unwind(|| target(&input));
                    assert!(held.is_ok(), "{name}, case {case}: {:?}", String::from_utf8_lossy(&input));
                }
            });
        }
    });
}

/// The good inputs are good: each kind is accepted by its target's reader, else mutation would only ever meet refusals.
#[test]
fn good_inputs_are_good() {
    let good = good_inputs();
    let counts = [
        good.iter().filter(|input| Entry::parse(input).is_ok()).count(),
        good.iter().filter(|input| Bundle::parse(input).is_ok()).count(),
        good.iter().filter(|input| loopledger::proof::policy::Policy::parse(input).is_ok()).count(),
        good.iter()
            .filter(|input| std::str::from_utf8(input).is_ok_and(|text| tlog_proof::TlogProof::parse(text).is_some()))
            .count(),
    ];
    assert!(counts[0] > 80 && counts[1..] == [1, 1, 1], "{counts:?}");
}
