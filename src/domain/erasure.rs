//! Erasure: that the value behind a commitment is gone, by whose word and since which day.
//!
//! The rule looks at what the earlier entry said and at nothing that can be erased, so replay finds the same for ever.
//! That the openings themselves go is an effect outside the rules, in the transaction that appends the entry.

use crate::domain::apply::{Context, refuse};
use crate::domain::codes::Commitment;
use crate::domain::event::{CommitmentPointer, ErasureReason, Event, ValueErased};
use crate::domain::fields::{Field, Value, record};
use crate::domain::finding::require_earlier;
use crate::domain::ids::EntryIndex;
use crate::domain::refusal::RefusalCode;
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use crate::domain::time::Date;
use std::collections::BTreeSet;

record! {
    /// A value that was erased.
    pub struct ErasedValue {
        /// Its commitment in the payload of the entry.
        pointer: CommitmentPointer,
        /// The entry that erased it.
        by: EntryIndex,
        /// The day of that entry, UTC.
        on: Date,
        /// Why.
        reason: ErasureReason,
    }
}

record! {
    /// What was erased of an entry's values.
    pub struct Erased {
        /// The entry.
        entry: EntryIndex,
        /// The values, in the order in which they were erased.
        values: Vec<ErasedValue>,
    }
}

impl Erased {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(self.entry)
    }

    /// The id of what was erased of an entry.
    pub fn id_of(entry: EntryIndex) -> String {
        format!("erased/{entry}")
    }
}

/// Values of an earlier entry are erased, by whoever said it or by the operator.
pub fn value_erased(state: &mut State<'_>, context: &Context<'_>, event: &ValueErased) -> Result<(), Stop> {
    require_earlier(context, event.entry, "/entry")?;
    let said = state.entry(event.entry)?.statement.clone();
    let own = said.common.on_behalf_of.unwrap_or(said.common.org);
    let is_operators = state.ledger()?.is_some_and(|ledger| ledger.operator == context.statement.common.org);
    if own != context.party() && !is_operators {
        let detail = "values are erased by whoever they were said for, or by the operator";
        return refuse(RefusalCode::NotTheAuthor, "/entry", detail);
    }
    require_claim_kept(&said.event, event.reason)?;
    require_commitments(&said.to_value(), event)?;
    let known = state.erased(&Erased::id_of(event.entry))?.cloned();
    let mut erased = known.unwrap_or(Erased { entry: event.entry, values: Vec::new() });
    require_there(&erased, event)?;
    let distinct: BTreeSet<&CommitmentPointer> = event.pointers.iter().collect();
    if event.pointers.is_empty() || distinct.len() != event.pointers.len() {
        return refuse(RefusalCode::ListInvalid, "/pointers", "name at least one commitment, and each once");
    }
    let Some(on) = context.time.date() else {
        return refuse(RefusalCode::TimeInvalid, "", "the ledger's time has no day");
    };
    let value = |pointer: &CommitmentPointer| ErasedValue {
        pointer: pointer.clone(),
        by: context.index,
        on: on.clone(),
        reason: event.reason,
    };
    erased.values.extend(event.pointers.iter().map(value));
    state.put(Record::Erased(erased));
    // Whoever said it, and for whom, learns that it is gone; its records are as they were.
    for organisation in [Some(said.common.org), said.common.on_behalf_of].into_iter().flatten() {
        state.mention(RecordId::new(RecordKind::Organisation, &organisation));
    }
    Ok(())
}

/// A claim is never erased: who used up a certificate and why stays readable, but for the right of a person and an order.
fn require_claim_kept(said: &Event, reason: ErasureReason) -> Result<(), Stop> {
    let is_owed = matches!(reason, ErasureReason::PersonAsked | ErasureReason::Ordered);
    if matches!(said, Event::CertificateRetired(_)) && !is_owed {
        let detail = "a retirement is a claim, and a claim is never erased: its values go only where the person whom they \
                      are about asked (person_asked) or an authority ordered it (ordered)";
        return refuse(RefusalCode::ClaimKept, "/reason", detail);
    }
    Ok(())
}

/// Each pointer leads to a commitment, also one inside what stands in place of a corrected statement.
fn require_commitments(payload: &Value, event: &ValueErased) -> Result<(), Stop> {
    let is_commitment =
        |pointer: &CommitmentPointer| payload.at(pointer.as_str()).is_some_and(|value| Commitment::read(value).is_ok());
    match event.pointers.iter().position(|pointer| !is_commitment(pointer)) {
        None => Ok(()),
        Some(position) => {
            let detail = format!("the payload of entry {} has no commitment at this pointer", event.entry);
            refuse(RefusalCode::NoCommitment, format!("/pointers/{position}"), detail)
        }
    }
}

/// What is gone is not erased again: the day that the pages show is the day on which it went.
fn require_there(erased: &Erased, event: &ValueErased) -> Result<(), Stop> {
    for (position, pointer) in event.pointers.iter().enumerate() {
        if let Some(before) = erased.values.iter().find(|value| value.pointer == *pointer) {
            let detail = format!("entry {} erased this value on {}", before.by, before.on);
            return refuse(RefusalCode::ErasedBefore, format!("/pointers/{position}"), detail);
        }
    }
    Ok(())
}
