//! Which batches are a site's, so that they are found by it.

use crate::domain::fields::record;
use crate::domain::ids::{BatchId, SiteId};
use crate::domain::state::{Record, RecordKind, State, Stop};

record! {
    /// That a batch is one of a site's: what is found by the site.
    pub struct BatchAt {
        /// The site.
        site: SiteId,
        /// The batch.
        batch: BatchId,
    }
}

impl BatchAt {
    /// The record's id.
    pub fn id(&self) -> String {
        format!("{}{}", Self::prefix_of(&self.site), self.batch)
    }

    /// How the ids of a site's batches begin.
    pub fn prefix_of(site: &SiteId) -> String {
        format!("batch_at/{site}/")
    }
}

/// Notes at which site a batch is that is new, or whose site was corrected.
pub(crate) fn note(state: &mut State<'_>) -> Result<(), Stop> {
    let mut notes = Vec::new();
    for (id, record) in state.records().iter().filter(|(id, _)| id.kind == RecordKind::Batch) {
        let Record::Batch(now) = record else { continue };
        let was_there = matches!(state.before(id)?, Some(Record::Batch(before)) if before.site == now.site);
        if !was_there {
            notes.push(BatchAt { site: now.site, batch: now.id });
        }
    }
    state.require_loaded(notes.iter().map(BatchAt::id))?;
    for note in notes {
        state.put(Record::BatchAt(note));
    }
    Ok(())
}
