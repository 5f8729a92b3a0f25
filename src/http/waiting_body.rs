//! A statement that waits, as it is answered and listed.

use crate::ledger::posting::Waiting;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a statement may wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum WaitFor {
    /// For what it names and nobody has said yet: items, batches, handovers, consents, donations, projects.
    Items,
}

/// A statement that is not in the ledger, because it names what nobody has said yet. It has no receipt: when what it waits
/// for is there it is sequenced by the rules of that moment, and the same statement posted again gets its receipt.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WaitingBody {
    /// The statement's id.
    id: String,
    /// Who says it.
    organisation: String,
    /// Its type.
    #[schema(example = "handover_accepted")]
    r#type: String,
    /// When it was posted, in ledger time.
    #[schema(example = "2026-11-23T05:31:00.123Z")]
    posted: String,
    /// Until when it waits, in ledger time; then it expires.
    #[schema(example = "2026-12-23T05:31:00.123Z")]
    until: String,
    /// What it waits for: until it is there, or if it is an item that is there, until that changes hands, status or container.
    /// The rules name one thing at a time; then this may be another.
    waits_for: AwaitedBody,
}

/// What nobody has said yet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AwaitedBody {
    /// What it is: `item`, `batch`, `handover`, `consent`, `donation` or `project`.
    #[schema(example = "handover")]
    kind: &'static str,
    /// Its id.
    id: String,
    /// JSON Pointer to where the statement names it.
    #[schema(example = "/handover")]
    pointer: String,
}

impl From<Waiting> for WaitingBody {
    fn from(waiting: Waiting) -> Self {
        let (organisation, id) = waiting.identity;
        let awaited = waiting.awaited;
        Self {
            id: id.to_string(),
            organisation: organisation.to_string(),
            r#type: waiting.type_name,
            posted: waiting.posted.to_string(),
            until: waiting.until.to_string(),
            waits_for: AwaitedBody {
                kind: awaited.subject.kind.as_str(),
                id: awaited.subject.id,
                pointer: awaited.pointer,
            },
        }
    }
}
