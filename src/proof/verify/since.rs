//! What a service says was said since of a certificate: an answer of `/v1/certificates/{serial}/status`, checked against a
//! bundle. Of the service's word nothing counts but what the checkpoint proves.

use crate::domain::event::{Event, Replacement};
use crate::domain::serial::SerialBlock;
use crate::limits::STATUS_TEXT_MAX;
use crate::proof::bundle::Bundle;
use crate::proof::checkpoint::Checkpoint;
use crate::proof::entry::Entry;
use crate::proof::merkle::{TreeHash, check_inclusion, leaf_hash};
use crate::proof::statement::Unverified;
use crate::proof::verify::signed::{Newer, open_newer};
use crate::proof::verify::{Rejection, Seen, Trust, Verdict, invalid};
use data_encoding::HEXLOWER;
use serde::Deserialize;

/// An answer as it is written; what it repeats of the checkpoint is not looked at.
#[derive(Deserialize)]
struct Written {
    serial: String,
    checkpoint: String,
    events: Vec<WrittenEvent>,
    complete: bool,
}

#[derive(Deserialize)]
struct WrittenEvent {
    index: u64,
    time: String,
    r#type: String,
    concerns: Vec<WrittenConcern>,
    entry: Option<String>,
    leaf_hash: String,
    hashes: Vec<String>,
}

#[derive(Deserialize)]
struct WrittenConcern {
    kind: String,
    id: String,
    since_index: Option<u64>,
}

/// An answer that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// The checkpoint under which it stands.
    pub checkpoint: Checkpoint,
    /// Its note.
    pub note: String,
    /// The trusted witnesses that saw it.
    pub seen: Vec<Seen>,
    /// What the verifier's policy misses on it, in words: the newest checkpoint may not have found its witnesses yet.
    pub missed: Option<String>,
    /// What was said since, in words, in the order of the ledger.
    pub told: Vec<Told>,
    /// Whether the service says that this is all.
    pub complete: bool,
}

/// One later entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its place.
    pub index: u64,
    /// What it says and changes, in words.
    pub words: String,
    /// Whether its bytes were given and say so. If not, that there is such an entry is proved, and what it says is the service's
    /// word.
    pub shown: bool,
    /// Whether it changes what the bundle shows.
    pub changes: bool,
}

/// Checks an answer about the certificate of a verified bundle.
pub fn check(answer: &[u8], bundle: &Bundle, verdict: &Verdict, trust: Trust<'_>) -> Result<Since, Rejection> {
    let written: Written = serde_json::from_slice(answer)
        .map_err(|error| Rejection::Unreadable(format!("the status of the certificate cannot be read: {error}")))?;
    require_plain(&written)?;
    if written.serial != bundle.certificate {
        return invalid(format!("the status is of another certificate, {}", written.serial));
    }
    let Newer { checkpoint, seen, missed } = open_newer(bundle, trust, &written.checkpoint)?;
    if checkpoint.origin != verdict.checkpoint.origin {
        return invalid(format!("the status is of another ledger, {}", checkpoint.origin));
    }
    let mut told: Vec<Told> = Vec::with_capacity(written.events.len());
    for event in &written.events {
        let index = event.index;
        if told.last().is_some_and(|last| last.index >= index) {
            return invalid(format!("the status: entry {index} is not in the order of the ledger"));
        }
        let entry = check_event(event, &checkpoint)?;
        let is_known = bundle.entries.iter().any(|entry| entry.index == index);
        let (words, changes) = in_words(event, entry.as_ref(), &bundle.certificate, is_known)?;
        told.push(Told { index, words, shown: entry.is_some(), changes });
    }
    Ok(Since { checkpoint, note: written.checkpoint, seen, missed, told, complete: written.complete })
}

/// What is printed of a service's words is short and draws nothing on a terminal.
fn require_plain(written: &Written) -> Result<(), Rejection> {
    let of_event = |event: &'_ WrittenEvent| {
        let concerns = event.concerns.iter().flat_map(|concern| [&concern.kind, &concern.id]);
        [&event.time, &event.r#type].into_iter().chain(concerns).all(|text| is_plain(text))
    };
    if is_plain(&written.serial) && written.events.iter().all(of_event) {
        return Ok(());
    }
    invalid(format!("the status has a text that is no printable ASCII, or longer than {STATUS_TEXT_MAX} bytes"))
}

fn is_plain(text: &str) -> bool {
    text.len() <= STATUS_TEXT_MAX && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

/// The entry is under the checkpoint; gives what it says, if it was given.
fn check_event(event: &WrittenEvent, checkpoint: &Checkpoint) -> Result<Option<(Entry, Event)>, Rejection> {
    let index = event.index;
    let wrong = |problem: &str| Rejection::Invalid(format!("the status: entry {index} {problem}"));
    let hash = |hex: &String| TreeHash::from_slice(&HEXLOWER.decode(hex.as_bytes()).ok()?);
    let hashes: Option<Vec<TreeHash>> = event.hashes.iter().map(hash).collect();
    let (Some(hashes), Some(leaf)) = (hashes, hash(&event.leaf_hash)) else {
        return Err(wrong("has a hash that is not 64 hex digits"));
    };
    if let Err(problem) = check_inclusion(&leaf, index, checkpoint.size, &hashes, &checkpoint.root) {
        return Err(wrong(&format!("is not in the ledger of its checkpoint: {problem}")));
    }
    let Some(bytes) = &event.entry else { return Ok(None) };
    if leaf_hash(bytes.as_bytes()) != leaf {
        return Err(wrong("does not have the bytes that are given"));
    }
    let entry = Entry::parse(bytes.as_bytes()).map_err(|_| wrong("is no entry"))?;
    let said = Unverified::read(&entry.statement).map_err(|_| wrong("says nothing that can be read"))?.statement.event;
    if entry.index.0 != index || entry.ledger != checkpoint.origin || said.type_name() != event.r#type {
        return Err(wrong("is another entry than the status says"));
    }
    Ok(Some((entry, said)))
}

/// What a later entry means for whoever holds the bundle, and whether it changes what that shows.
fn in_words(
    event: &WrittenEvent,
    shown: Option<&(Entry, Event)>,
    serial: &str,
    is_known: bool,
) -> Result<(String, bool), Rejection> {
    let WrittenEvent { index, r#type: kind, .. } = event;
    let time = shown.map_or_else(|| event.time.clone(), |(entry, _)| entry.time.to_string());
    let head = format!("entry {index}, {time}, {kind}");
    if is_known {
        return Ok((format!("{head}: the bundle shows it too"), false));
    }
    let about = SerialBlock::parse(serial);
    let meaning = match shown.map(|(_, said)| said) {
        Some(Event::CertificateRetired(retired)) => {
            let is_about = |block: &&SerialBlock| about.as_ref().is_some_and(|about| about.overlaps(block));
            let Some(block) = retired.blocks().find(is_about) else {
                return invalid(format!("the status: entry {index} retires another certificate"));
            };
            let (from, until) = (&retired.period.from, &retired.period.until);
            format!("{} RETIRED, for {from} to {until}: nobody else may claim it", was(block, serial))
        }
        Some(Event::ValueErased(erased)) => format!("values of entry {} were erased", erased.entry),
        said => said.and_then(|said| step_of(said, serial)).unwrap_or_else(|| {
            let meanings: Vec<String> =
                event.concerns.iter().map(|concern| meaning_of(concern, kind, serial)).collect();
            meanings.join("; ")
        }),
    };
    Ok((format!("{head}: {meaning}"), true))
}

/// The certificate, or a block of which it is a part or that is a part of it.
fn was(block: &SerialBlock, serial: &str) -> String {
    let block = block.to_string();
    if block == serial { "the certificate was".to_owned() } else { format!("{block} was") }
}

/// A step in a certificate's life.
fn step_of(said: &Event, serial: &str) -> Option<String> {
    Some(match said {
        Event::CertificateCountersigned(event) => format!("{} signed a second time", was(&event.certificate, serial)),
        Event::CertificateTransferred(event) => {
            format!("{} handed on to {}", was(&event.certificate, serial), event.to)
        }
        Event::CertificateSplit(event) => {
            let parts: Vec<String> = event.into.iter().map(ToString::to_string).collect();
            format!("{} split into {}", was(&event.certificate, serial), parts.join(", "))
        }
        Event::CertificateCancelled(event) => {
            format!("{} GIVEN UP by its holder: nobody may claim it", was(&event.certificate, serial))
        }
        Event::CertificateWithdrawn(event) => {
            let (units, reason) = (event.part.as_ref().unwrap_or(&event.certificate), event.reason);
            format!("{} WITHDRAWN by its issuer, or annotated if it is retired ({reason})", was(units, serial))
        }
        Event::CertificateFrozen(event) => format!("{} FROZEN ({})", was(&event.certificate, serial), event.reason),
        Event::CertificateUnfrozen(event) => format!("{} let go again", was(&event.certificate, serial)),
        Event::CertificateReplaced(event) => {
            let pair = |one: &Replacement| format!("{} by {}", one.failed, one.backing);
            let pairs: Vec<String> = event.replacements.iter().map(pair).collect();
            format!("units that fail are backed by others: {}", pairs.join(", "))
        }
        _ => return None,
    })
}

fn meaning_of(concern: &WrittenConcern, kind: &str, serial: &str) -> String {
    let id = &concern.id;
    match concern.kind.as_str() {
        "certificate" if id == serial => "it is about the certificate".to_owned(),
        "certificate" => format!("it is about {id}, of which it is a part or that is a part of it"),
        "treatment" => format!("it is about the treatment of entry {id} or its batch: what was certified may not hold"),
        "key" => {
            let since = concern.since_index.map_or_else(|| "the first".to_owned(), |since| since.to_string());
            format!("the key {id}, which signed behind it, was reported compromised from entry {since} on")
        }
        "site" if kind == "site_suspended" => format!("the site {id} is suspended"),
        "site" if kind == "site_audited" => format!("an auditor found that the site {id} does not conform"),
        other => format!("it concerns the {other} {id}"),
    }
}
