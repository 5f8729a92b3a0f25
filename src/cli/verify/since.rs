//! What was said since of a certificate, as a service tells it: each entry proved, in words.

use crate::cli::verify::memory::Memory;
use crate::cli::verify::proofs::{Proofs, fetch};
use crate::cli::verify::words::witnessed;
use crate::cli::verify::{Outcome, Verified, contradicted, remember, say_invalid};
use crate::cli::{CommandError, read_input};
use crate::proof::verify::Trust;
use crate::proof::verify::history::Agreement;
use crate::proof::verify::since::{Since, check};
use std::path::Path;

/// Reads an answer from a file, or asks the service for it; checks and tells it.
pub(super) fn tell(
    file: Option<&Path>,
    verified: &Verified,
    trust: Trust<'_>,
    proofs: &Proofs,
    memory: Option<&Memory>,
) -> Result<Outcome, CommandError> {
    let answer = match (file, &proofs.url) {
        (Some(file), _) => read_input(file)?,
        (None, Some(url)) => {
            let url = format!("{}/v1/certificates/{}/status", url.trim_end_matches('/'), verified.bundle.certificate);
            match fetch(&url)? {
                Ok(answer) => answer,
                Err(problem) => {
                    println!("What was said since is not known: {url}: {problem}.");
                    return Ok(Outcome::Unproved);
                }
            }
        }
        (None, None) => return Ok(Outcome::Valid),
    };
    let since = match check(&answer, &verified.bundle, &verified.verdict, trust) {
        Ok(since) => since,
        Err(rejection) => return say_invalid("the status of the certificate", rejection),
    };
    let outcome = match proofs.compare(&verified.verdict.checkpoint, &since.checkpoint)? {
        Ok(agreement) => print(verified, &since, agreement),
        Err(found) => return contradicted(&found, [&verified.bundle.checkpoint, &since.note], memory),
    };
    match memory.filter(|_| since.missed.is_none()) {
        Some(memory) => Ok(outcome.max(remember(memory, &since.checkpoint, &since.note, proofs)?)),
        None => Ok(outcome),
    }
}

fn print(verified: &Verified, since: &Since, agreement: Agreement) -> Outcome {
    let (size, shown) = (since.checkpoint.size, verified.verdict.checkpoint.size);
    let is_proved = agreement != Agreement::NotProved;
    println!("SINCE: as of {size} entries, {}.", witnessed(&since.seen));
    if let Some(missed) = &since.missed {
        println!("Not proved: {missed}; ask again when it has found its witnesses.");
    }
    if size < shown {
        println!(
            "Not proved: what was said last; this answer is older than the bundle, which stands under {shown} entries."
        );
    }
    if !is_proved {
        println!("Not proved: that the {size} entries extend the {shown} of the bundle: give --url or --tiles DIR.");
    }
    for told in &since.told {
        let word = if told.shown {
            ""
        } else {
            " (that there is such an entry is proved; what it says is the service's word)"
        };
        println!("{} {}{word}.", if told.changes { "Since:" } else { "Known:" }, told.words);
    }
    if !since.told.iter().any(|told| told.changes) {
        println!("Since: nothing is told that changes what the bundle shows.");
    }
    if !since.complete {
        println!("Not proved: that this is all; the service tells only the first of it.");
    }
    println!(
        "That nothing else was said, only whoever replays everything can tell; signatures of these entries are not checked here."
    );
    let is_all = since.complete && size >= shown;
    if is_proved && is_all && since.missed.is_none() { Outcome::Valid } else { Outcome::Unproved }
}
