//! Asking the rules without saying anything: what they would find in the state as it is now.

use crate::domain::refusal::Refusal;
use crate::domain::state::{LEDGER_RECORD, State, Stop, Wanted};
use crate::limits::ASK_ROUNDS_MAX;
use crate::store::{Database, StoreError, records};

/// Why a question has no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// The rules refuse what is asked for.
    Refused(Box<Refusal>),
    /// No quorum of witnesses has seen what a certificate would rest on.
    NotWitnessed,
    /// The database.
    Store(StoreError),
}

impl From<StoreError> for Unanswered {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Puts a question to the rules over the database; what they ask for is loaded and they are asked again. Call it within
/// one snapshot.
pub fn ask<T>(database: &mut Database, question: impl Fn(&State<'_>) -> Result<T, Stop>) -> Result<T, Unanswered> {
    let mut state = State::partial();
    let mut wanted = vec![Wanted::Record(LEDGER_RECORD.to_owned())];
    for _ in 0..ASK_ROUNDS_MAX {
        // Questions are about what stands now; none of them asks for the past.
        let record = |wanted| match wanted {
            Wanted::Record(id) => Ok(id),
            other => Err(StoreError::damaged(format!("a question asked for {other:?}"))),
        };
        let ids = std::mem::take(&mut wanted).into_iter().map(record).collect::<Result<Vec<_>, _>>()?;
        for (record, stamp) in records::load_stamped(database, &ids)? {
            state.put_stored(record, stamp);
        }
        state.mark_loaded(ids);
        match question(&state) {
            Ok(answer) => return Ok(answer),
            Err(Stop::Refused(refusal)) => return Err(Unanswered::Refused(Box::new(refusal))),
            Err(Stop::Load(more)) => wanted = more,
        }
    }
    Err(StoreError::damaged("the rules ask for more state without end").into())
}
