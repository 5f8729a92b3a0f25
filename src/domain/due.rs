//! What is due on a day: an index of days, nothing more. Whether it was done is asked of the thing itself.

use crate::domain::correction::Correction;
use crate::domain::fields::{codes, record};
use crate::domain::ids::{EntryIndex, OrganisationId};
use crate::domain::state::{Record, RecordId, RecordKind, State};
use crate::domain::time::Date;

codes! {
    /// What is due.
    pub enum DueKind {
        /// A shipment's receipt.
        Receipt = "receipt",
        /// The final treatment of what a shipment brought.
        Completion = "completion",
        /// The treatment of what is stored pending it.
        Storage = "storage",
        /// The word of those whom a correction concerns.
        Correction = "correction",
    }
}

record! {
    /// Something that is due.
    pub struct Due {
        /// Whom it concerns.
        organisation: OrganisationId,
        /// The last day on which it is in time.
        on: Date,
        /// What.
        kind: DueKind,
        /// The handover or item, by its id.
        subject: DueSubject,
        /// The entry from which it follows.
        entry: EntryIndex,
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
}

crate::domain::fields::text_field!(
    /// The id of a handover or item, or of a correction's statement.
    DueSubject, Identifier, "an id", is_uuid
);

impl Due {
    /// The record's id: an organisation's stand in the order of their days.
    pub fn id(&self) -> String {
        format!("{}{}/{}/{}", Self::prefix_of(&self.organisation), self.on, self.kind, self.subject)
    }

    /// How the ids of an organisation's begin.
    pub fn prefix_of(organisation: &OrganisationId) -> String {
        format!("due/{organisation}/")
    }
}

/// Notes that something is due so many days after a day, for each of some organisations.
pub(crate) fn note(
    state: &mut State<'_>,
    organisations: &[OrganisationId],
    (day, days): (&Date, i64),
    kind: DueKind,
    subject: &impl ToString,
    entry: EntryIndex,
) {
    let on = u64::try_from(days).ok().and_then(|days| day.plus_days(days));
    let (Some(on), Some(subject)) = (on, DueSubject::parse(&subject.to_string())) else { return };
    for organisation in organisations {
        let due = Due { organisation: *organisation, on: on.clone(), kind, subject: subject.clone(), entry };
        state.put(Record::Due(due));
    }
}

/// The record of what is due, by kind; a correction is named by its entry.
pub fn subject_of(due: &Due) -> RecordId {
    match due.kind {
        DueKind::Receipt | DueKind::Completion => RecordId::new(RecordKind::Handover, &due.subject),
        DueKind::Storage => RecordId::new(RecordKind::Item, &due.subject),
        DueKind::Correction => RecordId::new(RecordKind::Correction, &Correction::id_of(due.entry)),
    }
}
