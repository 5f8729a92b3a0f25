//! What a refused statement names that nobody has said yet, and that a later statement can bring.
//!
//! A rule that meets an unknown id refuses with the code `unknown` and a pointer to it. The statement can wait for it if
//! three things hold: the field names something that parties bring with their own statements, its text is there, and no
//! record of that kind and id is known. An item of a known handover, or a site, is refused at that pointer too; for these
//! there is nothing to wait for.
//!
//! Once it has waited it may find an item that is there, but not yet where the statement needs it: the sender's handover is
//! still to come. Then it waits for that item to move. A statement that is posted is refused for this, because a mistyped id
//! looks the same.

use crate::domain::fields::Value;
use crate::domain::refusal::{Refusal, RefusalCode};
use crate::domain::state::{Record, RecordId, RecordKind, State};

/// Something that is not known yet, or an item that has not moved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// The record that will be new when it is known, or will be written when it moves.
    pub subject: RecordId,
    /// JSON Pointer to where the statement names it.
    pub pointer: String,
}

/// What a field of this name names, if it can be awaited.
///
/// Who may act, where, with which key and scale (organisations, sites, facilities, keys, scales) is registered by the
/// operator before anybody works with it: a mistyped one would wait in vain, so it is refused at once. Certificates and
/// entries are named by what the ledger gave them, so whoever can name one has seen it.
fn kind_named(field: &str) -> Option<RecordKind> {
    match field {
        "item" | "items" | "lot" | "lots" | "inputs" | "component" | "container" => Some(RecordKind::Item),
        "batch" => Some(RecordKind::Batch),
        "handover" => Some(RecordKind::Handover),
        "consent" => Some(RecordKind::Consent),
        "donation" => Some(RecordKind::Donation),
        "project" => Some(RecordKind::Project),
        _ => None,
    }
}

/// Whether statements wait for records of this kind.
pub const fn can_be_awaited(kind: RecordKind) -> bool {
    use RecordKind::{Batch, Consent, Donation, Handover, Item, Project};
    matches!(kind, Item | Batch | Handover | Consent | Donation | Project)
}

/// What a statement lacks that was refused in this state; `None` if waiting would not help.
///
/// The rules name one thing at a time. When it is there the statement is asked again, and may lack another.
pub fn awaited(state: &State<'_>, payload: &Value, refusal: &Refusal) -> Option<Awaited> {
    if refusal.code != RefusalCode::Unknown {
        return None;
    }
    // The rule asked for exactly this record, so it was looked up; what was not is not awaited.
    blamed(payload, refusal).filter(|found| !state.knows(&found.subject).unwrap_or(true))
}

/// The item that must move before a statement can stand that was refused at its turn; `None` if that would not help.
///
/// Refused for who holds the item, for its status or for the container that it is in: all three change when a handover that
/// was late, or its receiver's own `unpacked`, follows. What has ended does not come back by a handover. A handover's parties
/// are named once and its answer is final, so `wrong_receiver` and `handover_answered` stay as they are; `not_handed_over` is
/// told to whoever holds the item already, because it registered it itself: no sender is late.
pub fn must_move(state: &State<'_>, payload: &Value, refusal: &Refusal) -> Option<Awaited> {
    if !matches!(refusal.code, RefusalCode::NotTheHolder | RefusalCode::WrongStatus | RefusalCode::Packed) {
        return None;
    }
    let is_item = |found: &Awaited| found.subject.kind == RecordKind::Item;
    blamed(payload, refusal).filter(is_item).filter(|found| state.knows(&found.subject).unwrap_or(false))
}

/// The record that a refusal's pointer names.
fn blamed(payload: &Value, refusal: &Refusal) -> Option<Awaited> {
    let is_position = |step: &&str| step.bytes().all(|byte| byte.is_ascii_digit());
    let field = refusal.pointer.rsplit('/').find(|step| !is_position(step))?;
    let Value::Text(id) = payload.at(&refusal.pointer)? else { return None };
    Some(Awaited { subject: RecordId::new(kind_named(field)?, id), pointer: refusal.pointer.clone() })
}

/// Whether a record that was written gives those that wait for it their turn: it is new, or it is an item that has moved.
pub fn gives_turns(before: Option<&Record>, after: &Record) -> bool {
    match (before, after) {
        (None, _) => true,
        (Some(Record::Item(before)), Record::Item(after)) => {
            before.holder != after.holder
                || before.status != after.status
                || before.packed_in != after.packed_in
                || before.claimed != after.claimed
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Common, Event};
    use crate::domain::fields::{FieldClass, FieldInfo, Record};
    use std::collections::BTreeSet;

    /// Identifiers for which no statement waits: who acts and where, what the statement itself brings, and what the
    /// ledger gives.
    const NOT_AWAITED: &[&str] = &[
        "actor",
        "at_site",
        "audited_site",
        "backing",
        "beneficiary_organisation",
        "buffer",
        "carrier",
        "carriers",
        "certificate",
        "changed_site",
        "cut_from",
        "facility",
        "failed",
        "found_site",
        "from",
        "further",
        "holder",
        "id",
        "interim_facility",
        "into",
        "kid",
        "ledger",
        "new_scale",
        "new_site",
        "on_behalf_of",
        "order",
        "org",
        "organisation",
        "other",
        "part",
        "pool_site",
        "refused_as",
        "restored_site",
        "scale",
        "site",
        "sites",
        "successor",
        "suspended_site",
        "to",
        "to_facility",
    ];

    fn identifiers(fields: &[FieldInfo], found: &mut BTreeSet<&'static str>) {
        for field in fields {
            match field.class {
                FieldClass::Identifier => {
                    found.insert(field.name);
                }
                FieldClass::Structure(inner) => identifiers(inner, found),
                _ => {}
            }
        }
    }

    /// Whoever adds a field that names something says here whether a statement can wait for it.
    #[test]
    fn every_identifier_is_awaited_or_is_not() {
        let mut found = BTreeSet::new();
        identifiers(Common::FIELDS, &mut found);
        for (_, fields) in Event::TYPES {
            identifiers(fields, &mut found);
        }
        let not_awaited: BTreeSet<&str> = found.iter().copied().filter(|name| kind_named(name).is_none()).collect();
        let awaited = || found.iter().filter_map(|name| kind_named(name));
        assert!(awaited().all(can_be_awaited));
        assert_eq!(not_awaited, NOT_AWAITED.iter().copied().collect());
    }

    #[test]
    fn only_what_is_unknown_is_awaited() {
        let state = State::empty();
        let text = |text: &str| Value::Text(text.into());
        let payload = Value::Object(vec![
            ("lots".into(), Value::List(vec![Value::Object(vec![("lot".into(), text("a"))])])),
            ("inputs".into(), Value::List(vec![text("b"), text("c")])),
            ("site".into(), text("d")),
        ]);
        let refusal = |code, pointer: &str| Refusal { code, pointer: pointer.into(), detail: String::new() };
        let lacks =
            |code, pointer| awaited(&state, &payload, &refusal(code, pointer)).map(|found| found.subject.subject());
        assert_eq!(lacks(RefusalCode::Unknown, "/lots/0/lot"), Some("item/a".into()));
        assert_eq!(lacks(RefusalCode::Unknown, "/inputs/1"), Some("item/c".into()));
        assert_eq!(lacks(RefusalCode::Unknown, "/inputs/2"), None);
        assert_eq!(lacks(RefusalCode::Unknown, "/site"), None);
        assert_eq!(lacks(RefusalCode::WrongStatus, "/inputs/1"), None);
        let unasked = awaited(&State::partial(), &payload, &refusal(RefusalCode::Unknown, "/inputs/1"));
        assert_eq!(unasked, None);
    }
}
