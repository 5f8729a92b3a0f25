//! What was said after the issue against what stands behind it, as far as a bundle shows it. Which units fail for it, only
//! whoever replays everything can tell.

use crate::domain::event::{Event, FindingOutcome};
use crate::domain::ids::EntryIndex;
use crate::proof::verify::shown::{Shown, ShownStatement};
use std::collections::BTreeSet;

/// Corrections that nobody's last word is against, and findings that hold something, after an entry; in words.
pub(super) fn after(shown: &Shown, issued: EntryIndex) -> Vec<String> {
    let mut disputed = BTreeSet::new();
    for said in shown.all() {
        match &said.statement.event {
            Event::CorrectionDisputed(event) => _ = disputed.insert(event.correction),
            Event::CorrectionConfirmed(event) => _ = disputed.remove(&event.correction),
            _ => {}
        }
    }
    let later = shown.all().filter(|said| said.index > issued && !disputed.contains(&said.index));
    later.filter_map(in_words).collect()
}

fn in_words(said: &ShownStatement) -> Option<String> {
    let index = said.index;
    let what = match &said.statement.event {
        Event::Corrected(event) => format!("entry {index} corrects entry {} after its issue", event.entry),
        Event::AuditFinding(event) if event.outcome == FindingOutcome::Held => {
            format!("entry {index} is an auditor's finding after its issue, which holds something")
        }
        _ => return None,
    };
    Some(format!("{what}: units that rest on that may fail; the certificate's page tells which"))
}
