//! C2SP tlog-policy: which logs' checkpoints are believed, and whose cosignatures they need.
//!
//! `log <vkey> [url]`, `witness <name> <vkey> [url]`, `group <name> any|all|<k> <member>…`, one `quorum <name>|none`. A
//! policy reaches whoever verifies by another road than what is verified.

use crate::limits::{POLICY_BYTES_MAX, POLICY_LINES_MAX};
use crate::proof::checkpoint::Checkpoint;
use crate::proof::cosignature::Cosigner;
use crate::proof::note::{Note, NoteProblem, NoteVerifier};
use std::collections::{BTreeMap, BTreeSet};

/// A policy that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The logs; any one of them may sign.
    pub logs: Vec<Log>,
    /// The witnesses.
    pub witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: Quorum,
}

/// Whose cosignatures are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quorum {
    Nobodys,
    Of(Member),
}

/// A log that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Its key, named like its origin.
    pub verifier: NoteVerifier,
    /// Where it is, if that is said.
    pub url: Option<String>,
}

/// A witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// What the policy calls it.
    pub name: String,
    /// Its key.
    pub cosigner: Cosigner,
    /// Its submission prefix, if that is said.
    pub url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    threshold: usize,
    members: Vec<Member>,
}

/// Something that was defined on an earlier line, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

/// Why a file is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the policy: {problem}")]
pub struct NotAPolicy {
    /// The line, from 1; the one behind the last if something is missing.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// A checkpoint that a policy's log signed, and who saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The log's key that signed it.
    pub log: NoteVerifier,
    /// The policy's witnesses that cosigned it: name, and when, in seconds since 1970.
    pub cosigned: Vec<(String, u64)>,
    /// Whether they are as many as the policy demands.
    pub quorum_met: bool,
}

/// Why a note is not believed under a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotBelieved {
    /// The note itself, or a bad signature of a key that the policy knows.
    #[error("{0}")]
    Note(NoteProblem),
    /// No log of the policy signed it.
    #[error("no log of the policy signed it")]
    NoLog,
    /// It is no checkpoint of the log that signed it.
    #[error("it is no checkpoint of the log whose key signed it")]
    NotACheckpoint,
}

impl Policy {
    /// Reads a policy file.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotAPolicy> {
        let mut reader = Reader::default();
        let allowed = |byte: &u8| matches!(byte, b'\t' | b'\n' | 0x20..=0x7e | 0x80..);
        if bytes.len() > POLICY_BYTES_MAX || !bytes.iter().all(allowed) {
            return Err(NotAPolicy { line: 1, problem: "the file is too long or has control characters" });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| NotAPolicy { line: 1, problem: "the file is not UTF-8" })?;
        let mut lines = 0;
        for (number, line) in text.split('\n').enumerate() {
            lines = number + 1;
            let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
            reader.take(&words).map_err(|problem| NotAPolicy { line: number + 1, problem })?;
        }
        reader.finish().ok_or(NotAPolicy { line: lines + 1, problem: "a quorum line is missing" })
    }

    /// Whether the policy asks for any witness at all.
    pub const fn asks_for_witnesses(&self) -> bool {
        matches!(self.quorum, Quorum::Of(_))
    }

    /// Whether some witnesses, by their places in the list, are a quorum.
    pub fn is_quorum(&self, cosigned: &BTreeSet<usize>) -> bool {
        match self.quorum {
            Quorum::Nobodys => true,
            Quorum::Of(member) => self.has_cosigned(member, cosigned),
        }
    }

    fn has_cosigned(&self, member: Member, cosigned: &BTreeSet<usize>) -> bool {
        match member {
            Member::Witness(witness) => cosigned.contains(&witness),
            Member::Group(group) => self.groups.get(group).is_some_and(|group| {
                let have = group.members.iter().filter(|member| self.has_cosigned(**member, cosigned)).count();
                have >= group.threshold
            }),
        }
    }

    /// Opens a checkpoint note: signed by one of the logs, cosigned by these witnesses. Whether they suffice stands in the
    /// answer; a bad signature of any key that the policy knows refuses the note.
    pub fn open(&self, note: &str) -> Result<Witnessed, NotBelieved> {
        let parsed = Note::parse(note).map_err(NotBelieved::Note)?;
        let mut signed_by = None;
        for log in &self.logs {
            match log.verifier.require_signed(&parsed) {
                Ok(()) => signed_by = signed_by.or(Some(log)),
                Err(NoteProblem::NotSigned) => {}
                Err(problem) => return Err(NotBelieved::Note(problem)),
            }
        }
        let log = signed_by.ok_or(NotBelieved::NoLog)?.verifier.clone();
        let checkpoint = Checkpoint::open(note, &log).map_err(|_| NotBelieved::NotACheckpoint)?;
        let (mut cosigned, mut places) = (Vec::new(), BTreeSet::new());
        for (place, witness) in self.witnesses.iter().enumerate() {
            match witness.cosigner.time_of(&parsed) {
                Ok(time) => {
                    places.insert(place);
                    cosigned.push((witness.name.clone(), time));
                }
                Err(NoteProblem::NotSigned) => {}
                Err(problem) => return Err(NotBelieved::Note(problem)),
            }
        }
        let quorum_met = self.is_quorum(&places);
        Ok(Witnessed { checkpoint, log, cosigned, quorum_met })
    }
}

/// A policy that is being read, line by line.
#[derive(Default)]
struct Reader {
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    names: BTreeMap<String, Member>,
    /// Names that are in a group already: each witness counts in one way only.
    used: BTreeSet<String>,
    quorum: Option<Quorum>,
    lines: usize,
}

type Taken = Result<(), &'static str>;

impl Reader {
    fn take(&mut self, words: &[&str]) -> Taken {
        if words.first().is_none_or(|word| word.starts_with('#')) {
            return Ok(());
        }
        self.lines += 1;
        if self.lines > POLICY_LINES_MAX {
            return Err("it has too many lines");
        }
        match words {
            ["log", vkey] => self.log(vkey, None),
            ["log", vkey, url] => self.log(vkey, Some(url)),
            ["witness", name, vkey] => self.witness(name, vkey, None),
            ["witness", name, vkey, url] => self.witness(name, vkey, Some(url)),
            ["group", name, threshold, members @ ..] => self.group(name, threshold, members),
            ["quorum", name] => self.quorum(name),
            _ => Err("expected log VKEY [URL], witness NAME VKEY [URL], group NAME any|all|K MEMBER…, or quorum NAME"),
        }
    }

    fn log(&mut self, vkey: &str, url: Option<&str>) -> Taken {
        let verifier = NoteVerifier::parse(vkey).map_err(|_| "the log's key is no Ed25519 vkey")?;
        if self.logs.iter().any(|log| log.verifier.key() == verifier.key()) {
            return Err("the log's key stands twice");
        }
        self.logs.push(Log { verifier, url: url.map(str::to_owned) });
        Ok(())
    }

    fn witness(&mut self, name: &str, vkey: &str, url: Option<&str>) -> Taken {
        let cosigner = Cosigner::parse(vkey).map_err(|_| "the witness's key is no Ed25519 cosignature vkey")?;
        if self.witnesses.iter().any(|witness| witness.cosigner.key() == cosigner.key()) {
            return Err("the witness's key stands twice: one witness counts once");
        }
        self.name(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(Witness { name: name.to_owned(), cosigner, url: url.map(str::to_owned) });
        Ok(())
    }

    fn group(&mut self, name: &str, threshold: &str, members: &[&str]) -> Taken {
        let threshold = match threshold {
            "any" => 1,
            "all" => members.len(),
            // Decimal, in one form: `+1` and `01` are somebody's mistake.
            text => text.parse().ok().filter(|number: &usize| number.to_string() == text).unwrap_or(0),
        };
        if members.is_empty() || threshold == 0 || threshold > members.len() {
            return Err("a group needs members, and any, all or a number from 1 to as many as they are");
        }
        let mut places = Vec::with_capacity(members.len());
        for member in members {
            places.push(*self.names.get(*member).ok_or("a member was not defined on an earlier line")?);
            if !self.used.insert((*member).to_owned()) {
                return Err("a member is in a group already: each counts in one way only");
            }
        }
        self.name(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { threshold, members: places });
        Ok(())
    }

    fn name(&mut self, name: &str, member: Member) -> Taken {
        if name == "none" || self.names.insert(name.to_owned(), member).is_some() {
            return Err("the name is taken");
        }
        Ok(())
    }

    fn quorum(&mut self, name: &str) -> Taken {
        if self.quorum.is_some() {
            return Err("there is a quorum line already");
        }
        self.quorum = Some(match name {
            "none" => Quorum::Nobodys,
            name => Quorum::Of(*self.names.get(name).ok_or("the quorum was not defined on an earlier line")?),
        });
        Ok(())
    }

    fn finish(self) -> Option<Policy> {
        let Self { logs, witnesses, groups, quorum, .. } = self;
        quorum.map(|quorum| Policy { logs, witnesses, groups, quorum })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Origin;
    use crate::proof::cosignature::cosign;
    use crate::proof::merkle::empty_root;
    use ed25519_dalek::SigningKey;
    use std::fmt::Write as _;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn witness_vkey(seed: u8) -> String {
        Cosigner::new(&format!("witness.example/{seed}"), key(seed).verifying_key()).expect("a name").vkey()
    }

    fn log_vkey(seed: u8) -> String {
        NoteVerifier::new("ledger.example", key(seed).verifying_key()).expect("a name").vkey()
    }

    /// Two of three of ours and one of two of theirs, as in the specification's example.
    fn policy() -> Policy {
        let mut text = format!("# a comment\n log\t{}\n\n", log_vkey(1));
        for seed in 11..=15 {
            writeln!(text, "witness w{seed} {} https://w{seed}.example/", witness_vkey(seed)).expect("memory");
        }
        text += "group ours 2 w11 w12 w13\ngroup theirs any w14 w15\ngroup both all ours theirs\nquorum both\n";
        Policy::parse(text.as_bytes()).expect("a policy")
    }

    fn cosigned_by(seeds: &[u8]) -> String {
        let origin = Origin::parse("ledger.example").expect("an origin");
        let checkpoint = Checkpoint { origin, size: 0, root: empty_root() };
        let mut note = checkpoint.sign(&key(1)).expect("signed");
        for seed in seeds {
            let name = format!("witness.example/{seed}");
            note += &cosign(&name, &key(*seed), u64::from(*seed), &checkpoint.body()).expect("cosigned");
        }
        note
    }

    #[test]
    fn a_quorum_is_met_or_short_by_one() {
        let policy = policy();
        let cases: &[(&[u8], bool)] = &[
            (&[], false),
            (&[11, 12], false),
            (&[11, 14], false),
            (&[14, 15], false),
            (&[11, 11, 14], false),
            (&[11, 13, 15], true),
            (&[11, 12, 13, 14, 15], true),
            (&[11, 12, 14, 99], true),
        ];
        for (seeds, met) in cases {
            let opened = policy.open(&cosigned_by(seeds)).expect("believed");
            assert_eq!(opened.quorum_met, *met, "{seeds:?}");
            let distinct: BTreeSet<_> = seeds.iter().filter(|seed| **seed < 16).collect();
            assert_eq!(opened.cosigned.len(), distinct.len());
        }
    }

    #[test]
    fn a_note_is_not_believed() {
        let policy = policy();
        let good = cosigned_by(&[11, 12, 14]);
        assert_eq!(policy.open("nothing"), Err(NotBelieved::Note(NoteProblem::NotANote)));
        let foreign = Policy::parse(format!("log {}\nquorum none", log_vkey(2)).as_bytes()).expect("a policy");
        assert!(!foreign.asks_for_witnesses());
        assert_eq!(foreign.open(&good), Err(NotBelieved::NoLog));
        let forged = cosign("witness.example/13", &key(13), 5, "other text\n").expect("cosigned");
        assert_eq!(policy.open(&(good + &forged)), Err(NotBelieved::Note(NoteProblem::BadSignature)));
    }

    #[test]
    fn what_is_no_policy_is_refused_by_its_line() {
        let (log, one, two) = (log_vkey(1), witness_vkey(11), witness_vkey(12));
        let cases = [
            (String::new(), 2),
            (format!("log {log}\nquorum w1"), 2),
            (format!("log {log}\nlog {log}\nquorum none"), 2),
            (format!("log {one}\nquorum none"), 1),
            (format!("witness w1 {log}\nquorum w1"), 1),
            (format!("witness w1 {one}\nwitness w2 {one}\nquorum w1"), 2),
            (format!("witness w1 {one}\nwitness w1 {two}\nquorum w1"), 2),
            (format!("witness none {one}\nquorum none"), 1),
            (format!("witness w1 {one}\ngroup g 2 w1\nquorum g"), 2),
            (format!("witness w1 {one}\ngroup g 0 w1\nquorum g"), 2),
            (format!("witness w1 {one}\ngroup g 01 w1\nquorum g"), 2),
            (format!("witness w1 {one}\ngroup g any\nquorum g"), 2),
            (format!("witness w1 {one}\ngroup g any w1 w1\nquorum g"), 2),
            (format!("witness w1 {one}\ngroup g any w1\ngroup h any w1\nquorum h"), 3),
            (format!("witness w1 {one}\ngroup g any g\nquorum g"), 2),
            (format!("witness w1 {one}\ngroup g any none\nquorum g"), 2),
            (format!("witness w1 {one}\nquorum w1\nquorum none"), 3),
            ("quorum none\r\n".into(), 1),
            ("quorum none extra".into(), 1),
            ("something else\nquorum none".into(), 1),
        ];
        for (text, line) in cases {
            assert_eq!(Policy::parse(text.as_bytes()).map_err(|problem| problem.line), Err(line), "{text:?}");
        }
        assert!(Policy::parse(b"quorum none").is_ok());
    }
}
