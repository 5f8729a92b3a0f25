//! Shares: numbers that a record keeps as the sum of what other records say. Written side by side and added up by what they are
//! of, all of them are zero.

use crate::domain::ids::{BatchId, EntryIndex};
use crate::domain::state::Record;
use crate::domain::treatment::Line;

/// A share of a sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Of what, in words.
    pub of: String,
    /// Up if it is one of the parts, down if it is the sum that is kept.
    pub amount: i64,
}

/// What a batch backs, by name.
fn eligible(batch: &BatchId) -> String {
    format!("the eligible grams of batch {batch}")
}

/// The certified stretches of a treatment, by name.
fn stretches(treatment: EntryIndex) -> String {
    format!("the certified stretches of treatment {treatment}")
}

/// The shares of a record: what a batch backs is what the lines of treatments cover of it, and a treatment counts its certified
/// stretches.
pub fn shares_of(record: &Record) -> Vec<Share> {
    match record {
        Record::Batch(batch) => vec![Share { of: eligible(&batch.id), amount: -batch.eligible_g.get() }],
        Record::Treatment(treatment) => {
            let covered = |line: &Line| {
                line.source.batch().map(|batch| Share { of: eligible(&batch), amount: line.covered.get() })
            };
            treatment.lines.iter().filter_map(covered).collect()
        }
        Record::Certified(certified) => {
            vec![Share { of: stretches(certified.treatment), amount: -certified.stretches }]
        }
        Record::CertifiedStretch(stretch) => vec![Share { of: stretches(stretch.treatment), amount: 1 }],
        _ => Vec::new(),
    }
}
