//! `loopledger verify`: a certificate's bundle, checked offline; two of them beside one another, and beside what was seen before.

mod extract;
mod life;
mod memory;
mod proofs;
mod since;
mod words;

pub(super) use words::in_words;

use crate::cli::{CommandError, EXIT_REFUSED, EXIT_UNTRUSTED, read_input};
use crate::proof::bundle::Bundle;
use crate::proof::checkpoint::Checkpoint;
use crate::proof::note::NoteVerifier;
use crate::proof::policy::Policy;
use crate::proof::verify::history::{Agreement, Contradiction, compare_entries};
use crate::proof::verify::{self, Rejection, Trust, Verdict};
use clap::Args;
use memory::{Memory, Observed};
use proofs::Proofs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The bundle; - reads standard input. Of two, both are verified and must be of one history.
    #[arg(required = true, num_args = 1..=2, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,
    #[command(flatten)]
    anchor: Anchor,
    #[command(flatten)]
    proofs: Proofs,
    /// What was said since of the certificate, as `/v1/certificates/{serial}/status` answers; with --url it is asked for.
    #[arg(long, value_name = "FILE")]
    status: Option<PathBuf>,
    /// Remember the last checkpoint of each ledger here, demand that every other one is of the same history, and keep the notes
    /// as evidence if one is not.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Write a C2SP .tlog-proof and the bytes of each entry of the bundle here; nothing is overwritten.
    #[arg(long, value_name = "DIR")]
    extract: Option<PathBuf>,
}

/// Whom the verifier trusts; had by another road than what is verified.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(in crate::cli) struct Anchor {
    /// The ledger's key: the vkey's text or a file that holds it, or both keys while one takes the place of the other.
    #[arg(long, value_name = "KEY")]
    vkey: Option<String>,
    /// A C2SP tlog-policy: which logs sign, and which witnesses must have seen it.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// An anchor that was read.
pub(in crate::cli) enum Trusted {
    Nobody,
    Key(NoteVerifier),
    Policy(Policy),
}

impl Anchor {
    /// Whether a policy is given, which may ask for witnesses.
    pub(in crate::cli) const fn is_policy(&self) -> bool {
        self.policy.is_some()
    }

    pub(in crate::cli) fn read(&self) -> Result<Trusted, CommandError> {
        if let Some(given) = &self.vkey {
            let text = if Path::new(given).exists() { std::fs::read_to_string(given)? } else { given.clone() };
            let keys: Vec<&str> = text.split_whitespace().collect();
            if keys.len() > 1 {
                // While one key takes the place of another the ledger has two: either may have signed.
                let logs: String = keys.iter().flat_map(|key| ["log ", key, "\n"]).collect();
                let policy = Policy::parse(format!("{logs}quorum none\n").as_bytes());
                return Ok(Trusted::Policy(policy.map_err(|problem| format!("--vkey: {problem}"))?));
            }
            let key = NoteVerifier::parse(text.trim()).map_err(|problem| format!("--vkey: {problem}"))?;
            return Ok(Trusted::Key(key));
        }
        let Some(file) = &self.policy else { return Ok(Trusted::Nobody) };
        let policy = Policy::parse(&read_input(file)?).map_err(|problem| format!("--policy: {problem}"))?;
        Ok(Trusted::Policy(policy))
    }
}

impl Trusted {
    pub(super) const fn as_trust(&self) -> Trust<'_> {
        match self {
            Self::Nobody => Trust::Nobody,
            Self::Key(key) => Trust::Key(key),
            Self::Policy(policy) => Trust::Policy(policy),
        }
    }
}

/// What verification came to, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// All of it holds.
    Valid,
    /// Nothing contradicts; but nobody vouches for it, or something was not proved.
    Unproved,
    /// It does not hold.
    Invalid,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Valid => Self::SUCCESS,
            Outcome::Unproved => Self::from(EXIT_UNTRUSTED),
            Outcome::Invalid => Self::from(EXIT_REFUSED),
        }
    }
}

/// A bundle that was verified.
struct Verified {
    bundle: Bundle,
    verdict: Verdict,
}

/// Prints the verdict in words; exits 0 valid, 1 invalid, 2 unreadable, 3 when nothing contradicts but nobody vouches for it or
/// something was not proved.
pub(super) fn run(arguments: &Verify) -> Result<ExitCode, CommandError> {
    let trusted = arguments.anchor.read()?;
    let memory = arguments.state.as_deref().map(|folder| Memory::open(folder, trusted.as_trust())).transpose()?;
    if arguments.bundles.len() > 1 && (arguments.extract.is_some() || arguments.status.is_some()) {
        return Err("--extract and --status take one bundle".into());
    }
    let mut all = Vec::with_capacity(arguments.bundles.len());
    for file in &arguments.bundles {
        let read = verify::read(&read_input(file)?);
        let verified = read.and_then(|bundle| {
            let verdict = verify::verify_bundle(&bundle, trusted.as_trust())?;
            Ok(Verified { bundle, verdict })
        });
        match verified {
            Ok(verified) => {
                print!("{}", in_words(&verified.verdict));
                all.push(verified);
            }
            Err(rejection) => return say_invalid(&file.display().to_string(), rejection).map(ExitCode::from),
        }
    }
    let mut outcome = if matches!(trusted, Trusted::Nobody) { Outcome::Unproved } else { Outcome::Valid };
    if let [one, other] = all.as_slice() {
        outcome = outcome.max(side_by_side(one, other, &arguments.proofs, memory.as_ref())?);
    }
    if let Some(memory) = &memory {
        // The smaller one first, so that the larger one is what is remembered.
        all.sort_by_key(|verified| verified.verdict.checkpoint.size);
        for verified in &all {
            let (checkpoint, note) = (&verified.verdict.checkpoint, &verified.bundle.checkpoint);
            outcome = outcome.max(remember(memory, checkpoint, note, &arguments.proofs)?);
        }
    }
    if let [verified] = all.as_slice() {
        let (status, trust) = (arguments.status.as_deref(), trusted.as_trust());
        outcome = outcome.max(since::tell(status, verified, trust, &arguments.proofs, memory.as_ref())?);
    }
    if let (Some(folder), [verified]) = (&arguments.extract, all.as_slice()) {
        let count = extract::write(&verified.bundle, folder)?;
        println!("Written to {}: {count} entries, a .tlog-proof each.", folder.display());
    }
    Ok(outcome.into())
}

/// Says what is wrong with a file; ends with an error if it cannot be read at all.
fn say_invalid(what: &str, rejection: Rejection) -> Result<Outcome, CommandError> {
    match rejection {
        Rejection::Invalid(problem) => {
            println!("INVALID: {problem}");
            println!("Do not rely on this file; ask whoever gave it to you for another.");
            Ok(Outcome::Invalid)
        }
        Rejection::Unreadable(problem) => Err(format!("{what}: {problem}").into()),
    }
}

/// Whether one history can be behind two bundles.
fn side_by_side(
    one: &Verified,
    other: &Verified,
    proofs: &Proofs,
    memory: Option<&Memory>,
) -> Result<Outcome, CommandError> {
    let checkpoints = [&one.verdict.checkpoint, &other.verdict.checkpoint];
    let compared = match compare_entries(&one.bundle, &other.bundle) {
        Ok(shared) => proofs.compare(checkpoints[0], checkpoints[1])?.map(|agreement| (agreement, shared)),
        Err(found) => Err(found),
    };
    let sizes = checkpoints.map(|checkpoint| checkpoint.size);
    match compared {
        Ok((Agreement::Same, _)) => {
            println!("ONE HISTORY: both stand under the same {} entries.", sizes[0]);
            Ok(Outcome::Valid)
        }
        Ok((Agreement::Proved, shared)) => {
            println!(
                "ONE HISTORY: {} and {} entries, one proved to extend the other; {shared} entries stand in both.",
                sizes[0], sizes[1]
            );
            Ok(Outcome::Valid)
        }
        Ok((Agreement::NotProved, shared)) => {
            println!(
                "CONSISTENT AS FAR AS BOTH SHOW: the same {shared} entries at the same places, under {} and {} entries. That one \
                 extends the other is not proved: give --url or --tiles DIR.",
                sizes[0], sizes[1]
            );
            Ok(Outcome::Unproved)
        }
        Err(found) => {
            let notes = [one, other].map(|verified| verified.bundle.checkpoint.as_str());
            contradicted(&found, notes, memory)
        }
    }
}

/// Says that two views cannot be of one history, and keeps both notes.
fn contradicted(found: &Contradiction, notes: [&str; 2], memory: Option<&Memory>) -> Result<Outcome, CommandError> {
    println!("NOT ONE HISTORY: {found}.");
    match memory {
        Some(memory) => {
            for file in memory.keep_evidence(notes)? {
                println!("Evidence kept: {}", file.display());
            }
            println!("Show both files to the ledger's witnesses, to auditors, and to whoever gave you the bundles.");
        }
        None => {
            println!("Keep both files: together they are the evidence. With --state DIR the notes are kept for you.");
        }
    }
    Ok(Outcome::Invalid)
}

/// Compares a believed checkpoint with what is remembered of its ledger.
fn remember(memory: &Memory, checkpoint: &Checkpoint, note: &str, proofs: &Proofs) -> Result<Outcome, CommandError> {
    let size = checkpoint.size;
    Ok(match memory.observe(checkpoint, note, proofs)? {
        Observed::First => {
            println!("Remembered: {size} entries, the first of this ledger.");
            Outcome::Valid
        }
        Observed::Same => {
            println!("Remembered before: the same {size} entries.");
            Outcome::Valid
        }
        Observed::Extends(before) => {
            println!("Remembered: {size} entries, proved to extend the {before} that were remembered.");
            Outcome::Valid
        }
        Observed::Older(newest) => {
            println!("Still remembered: {newest} entries; these {size} are proved to be their beginning.");
            Outcome::Valid
        }
        Observed::NotProved(remembered) => {
            println!(
                "NOT REMEMBERED: that {size} and the remembered {remembered} entries are of one history is not proved: give \
                 --url or --tiles DIR."
            );
            Outcome::Unproved
        }
        Observed::Contradicted(found, remembered) => contradicted(&found, [&remembered, note], Some(memory))?,
    })
}
