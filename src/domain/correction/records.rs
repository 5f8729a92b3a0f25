//! Records as a correction sees and marks them: what there is of one beside pools, what never was, what is held.

use crate::domain::batch::{Batch, BatchStatus};
use crate::domain::border::Consent;
use crate::domain::codes::ItemStatus;
use crate::domain::composition::Composition;
use crate::domain::custody::{Handover, HandoverStatus};
use crate::domain::donation::Donation;
use crate::domain::evidence::{Evidence, FlawCode};
use crate::domain::ids::EntryIndex;
use crate::domain::item::Item;
use crate::domain::mass::{Grams, SignedGrams};
use crate::domain::signal::{Signal, SignalCode};
use crate::domain::state::Record;
use crate::domain::treatment::{Line, Treatment};

/// A record without what pools made of it, which a correction leaves to the end.
pub(super) fn substance(record: &Record) -> Record {
    match record.clone() {
        Record::Batch(batch) => Record::Batch(Batch { eligible_g: Grams::ZERO, ..batch }),
        Record::Treatment(treatment) => {
            let (places, covered, reopened) = (Vec::new(), Grams::ZERO, false);
            let bare = |line| Line { places: places.clone(), covered, reopened, ..line };
            let lines = treatment.lines.into_iter().map(bare).collect();
            Record::Treatment(Treatment { lines, ..treatment })
        }
        // What a site had received by then is known otherwise by now; the signal is the same one.
        Record::Signal(signal) if signal.code == SignalCode::DifferenceOfYear => {
            Record::Signal(Signal { found_g: None, most_g: None, ..signal })
        }
        other => other,
    }
}

/// What something is that never was: its id is used, its grams are nowhere.
pub(super) fn voided(record: &Record, by: EntryIndex) -> Record {
    match record.clone() {
        Record::Item(item) => Record::Item(Item {
            voided: Some(by),
            status: ItemStatus::Ended,
            contents: None,
            packed_in: None,
            claimed: None,
            fed: None,
            lost_g: None,
            released_g: None,
            ..item.ended()
        }),
        Record::Handover(handover) => Record::Handover(Handover { status: HandoverStatus::Void, ..handover }),
        Record::Batch(batch) => {
            let (input_g, left_g) = (Grams::ZERO, SignedGrams(0));
            Record::Batch(Batch { status: BatchStatus::Void, input_g, left_g, given: Composition::default(), ..batch })
        }
        Record::Treatment(treatment) => {
            let (grams, lines) = (Grams::ZERO, Vec::new());
            Record::Treatment(Treatment { grams, lines, given: Composition::default(), ..treatment })
        }
        Record::Consent(consent) => Record::Consent(Consent { quantity_g: consent.shipped_g, ..consent }),
        Record::Signal(signal) => Record::Signal(Signal { lifted: Some(by), ..signal }),
        Record::Donation(donation) => Record::Donation(Donation { items: 0, brought_g: Grams::ZERO, ..donation }),
        other => other,
    }
}

/// A record held by an undecided correction.
pub(super) fn flawed(record: Record, entry: EntryIndex) -> Record {
    with_evidence(record, |evidence| evidence.flawed(FlawCode::Correction, entry))
}

/// A record that a correction holds no more.
pub(super) fn unflawed(record: Record, entry: EntryIndex) -> Record {
    with_evidence(record, |mut evidence| {
        evidence.flaws.retain(|flaw| (flaw.code, flaw.entry) != (FlawCode::Correction, entry));
        evidence
    })
}

fn with_evidence(record: Record, held: impl Fn(Evidence) -> Evidence) -> Record {
    match record {
        Record::Item(item) => Record::Item(Item { evidence: held(item.evidence), ..item }),
        Record::Batch(batch) => Record::Batch(Batch { evidence: held(batch.evidence), ..batch }),
        Record::Treatment(treatment) => {
            Record::Treatment(Treatment { evidence: held(treatment.evidence), ..treatment })
        }
        other => other,
    }
}
