//! Asking the rules without saying anything: what they would find in the state as it is now.

use crate::domain::refusal::Refusal;
use crate::domain::state::{LEDGER_RECORD, State, Stop};
use crate::limits::ASK_ROUNDS_MAX;
use crate::store::{Database, StoreError, records};

/// Why a question has no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// The rules refuse what is asked for.
    Refused(Box<Refusal>),
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
    let mut wanted = vec![LEDGER_RECORD.to_owned()];
    for _ in 0..ASK_ROUNDS_MAX {
        for record in records::load(database, &wanted)? {
            state.put(record);
        }
        state.mark_loaded(std::mem::take(&mut wanted));
        match question(&state) {
            Ok(answer) => return Ok(answer),
            Err(Stop::Refused(refusal)) => return Err(Unanswered::Refused(Box::new(refusal))),
            Err(Stop::Load(ids)) => wanted = ids,
        }
    }
    Err(StoreError::damaged("the rules ask for more state without end").into())
}
