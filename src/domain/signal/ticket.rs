//! Weighbridge tickets and movement documents: one for one load.

use crate::domain::apply::{Context, rules_in_force};
use crate::domain::codes::{Document, DocumentNumber, Hash, TableCode};
use crate::domain::custody::Handover;
use crate::domain::event::{HandoverAccepted, Received};
use crate::domain::fields::{record, text_field};
use crate::domain::ids::{ConsentId, EntryIndex, SiteId};
use crate::domain::refusal::Warning;
use crate::domain::signal::{Figures, SignalCode, raise};
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use crate::domain::time::Date;
use crate::limits::TICKET_USES_MAX;
use std::collections::BTreeSet;
use std::fmt::Display;

fn is_ticket(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\')
}

text_field!(
    /// A number of an organisation's tickets, or a file's hash.
    TicketName, Identifier, "the name of a ticket", is_ticket
);

record! {
    /// A load for which a ticket stands.
    pub struct TicketUse {
        /// The entry.
        entry: EntryIndex,
        /// The day, as written.
        on: Date,
        /// A class of the load.
        class: TableCode,
    }
}

record! {
    /// A ticket, and the loads for which it stands.
    pub struct Ticket {
        /// Which.
        name: TicketName,
        /// The last of its uses, in order.
        uses: Vec<TicketUse>,
    }
}

impl Ticket {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(&self.name)
    }

    fn id_of(name: &TicketName) -> String {
        format!("ticket/{name}")
    }

    /// The ticket without what one entry says, or with what its correction says instead.
    pub(crate) fn corrected(mut self, target: EntryIndex, instead: Option<&Self>) -> Self {
        self.uses.retain(|used| used.entry != target);
        self.uses.extend(instead.iter().flat_map(|now| &now.uses).filter(|used| used.entry == target).cloned());
        self.uses.sort_by_key(|used| used.entry);
        self
    }
}

/// What a receipt shows of its load.
struct Load<'a> {
    classes: BTreeSet<TableCode>,
    number: Option<&'a DocumentNumber>,
    document: Option<&'a Document>,
    about: RecordId,
    site: Option<SiteId>,
}

/// The signals of a gate receipt's ticket.
pub(crate) fn of_load(state: &mut State<'_>, context: &Context<'_>, event: &Received) -> Result<Vec<Warning>, Stop> {
    let load = Load {
        classes: BTreeSet::from([event.class.clone()]),
        number: Some(&event.number),
        document: event.document.as_ref(),
        about: RecordId::new(RecordKind::Item, &event.item),
        site: context.statement.common.site,
    };
    of_tickets(state, context, &load)
}

/// The signals of the ticket with which a receiver takes lots. A plant's own papers have numbers that serve once anyway.
pub(crate) fn of_receipt(
    state: &mut State<'_>,
    context: &Context<'_>,
    handover: &Handover,
    event: &HandoverAccepted,
) -> Result<Vec<Warning>, Stop> {
    let load = Load {
        classes: classes_of(state, handover)?,
        number: event.number.as_ref().filter(|_| handover.facility.is_none()),
        document: event.document.as_ref(),
        about: RecordId::new(RecordKind::Handover, &handover.id),
        site: handover.facility.or(context.statement.common.site),
    };
    of_tickets(state, context, &load)
}

/// The signal of a movement document that travels with a second load of a consent. Its number belongs to the consent; the file
/// comes again with the receipt, so it says nothing.
pub(crate) fn of_shipment(
    state: &mut State<'_>,
    context: &Context<'_>,
    (consent, number): (&ConsentId, &DocumentNumber),
    handover: &Handover,
) -> Result<Vec<Warning>, Stop> {
    let load = Load {
        classes: classes_of(state, handover)?,
        number: Some(number),
        document: None,
        about: RecordId::new(RecordKind::Handover, &handover.id),
        site: context.statement.common.site,
    };
    let names = name_of_number(consent, number).map(|name| (name, "/number"));
    of_names(state, context, &load, names.into_iter().collect())
}

fn classes_of(state: &State<'_>, handover: &Handover) -> Result<BTreeSet<TableCode>, Stop> {
    let mut classes = BTreeSet::new();
    for lot in &handover.lots {
        classes.extend(state.item(lot)?.map(|lot| lot.class.clone()));
    }
    Ok(classes)
}

fn of_tickets(state: &mut State<'_>, context: &Context<'_>, load: &Load<'_>) -> Result<Vec<Warning>, Stop> {
    let by_number = load.number.map(|number| (name_of_number(&context.party(), number), "/number"));
    let by_file = load.document.map(|document| (name_of_file(&document.sha256), "/document"));
    let names = [by_number, by_file].into_iter().flatten().filter_map(|(name, pointer)| Some((name?, pointer)));
    of_names(state, context, load, names.collect())
}

fn of_names(
    state: &mut State<'_>,
    context: &Context<'_>,
    load: &Load<'_>,
    names: Vec<(TicketName, &str)>,
) -> Result<Vec<Warning>, Stop> {
    if rules_in_force(state)?.signals.is_some() {
        state.require_loaded(names.iter().map(|(name, _)| Ticket::id_of(name)))?;
    }
    let mut warnings = Vec::new();
    for (name, pointer) in names {
        let Some(earlier) = used_before(state, context, load, name)? else { continue };
        let figures = Figures { site: load.site, earlier: Some(earlier), ..Figures::default() };
        warnings.extend(raise(state, context, SignalCode::TicketReused, &load.about, figures, pointer));
    }
    Ok(warnings)
}

/// A number counts as the same one however it is written: `WB 12`, `wb-12`.
fn name_of_number(of: &impl Display, number: &DocumentNumber) -> Option<TicketName> {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '-' };
    let number: String = number.as_str().chars().map(plain).collect();
    TicketName::parse(&format!("{of}/{number}"))
}

fn name_of_file(sha256: &Hash) -> Option<TicketName> {
    TicketName::parse(&format!("sha256/{sha256}"))
}

/// Notes that a ticket stands for a load; gives the other load for which it has stood, if it has. Lots of several classes that
/// came in on one day may be one load, sorted; and where numbers begin anew, they do so after the rule set's days.
fn used_before(
    state: &mut State<'_>,
    context: &Context<'_>,
    load: &Load<'_>,
    name: TicketName,
) -> Result<Option<EntryIndex>, Stop> {
    let signals = rules_in_force(state)?.signals.as_ref();
    let (Some(signals), Some(day)) = (signals, context.day()) else { return Ok(None) };
    let known = state.ticket(&Ticket::id_of(&name))?.cloned();
    let mut ticket = known.unwrap_or(Ticket { name, uses: Vec::new() });
    let is_other = |used: &&TicketUse| {
        let days = used.on.days_until(&day).unwrap_or(0);
        let apart = used.on != day || load.classes.contains(&used.class);
        used.entry != context.index && days.abs() < signals.ticket_days && apart
    };
    let earlier = ticket.uses.iter().find(is_other).map(|used| used.entry);
    let now =
        load.classes.iter().map(|class| TicketUse { entry: context.index, on: day.clone(), class: class.clone() });
    ticket.uses.extend(now);
    let surplus = ticket.uses.len().saturating_sub(TICKET_USES_MAX);
    ticket.uses.drain(..surplus);
    state.put(Record::Ticket(ticket));
    Ok(earlier)
}

/// A ticket whose entry was corrected: what the first statement said of it is gone, what the right one says stands.
pub(crate) fn said_again(
    state: &mut State<'_>,
    target: EntryIndex,
    (id, instead): (&RecordId, Option<&Ticket>),
) -> Result<(), Stop> {
    let known = match state.find(id)? {
        Some(Record::Ticket(known)) => Some(known.clone()),
        _ => instead.map(|now| Ticket { name: now.name.clone(), uses: Vec::new() }),
    };
    if let Some(known) = known {
        state.put(Record::Ticket(known.corrected(target, instead)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correction_takes_its_own_place_alone() {
        let used = |entry, class: &str| TicketUse {
            entry: EntryIndex(entry),
            on: Date::parse("2026-11-23").expect("a day"),
            class: TableCode::parse(class).expect("a class"),
        };
        let ticket =
            |uses: &[TicketUse]| Ticket { name: TicketName::parse("x/T-1").expect("a name"), uses: uses.to_vec() };
        let (first, second, third) = (used(4, "0303"), used(7, "0303"), used(9, "0302"));
        let all = ticket(&[first.clone(), second.clone(), third.clone()]);
        let freed = all.clone().corrected(EntryIndex(7), None);
        assert_eq!(freed.uses, [first.clone(), third.clone()]);
        let other = used(7, "0304");
        let right = ticket(&[first.clone(), other.clone()]);
        let corrected = all.corrected(EntryIndex(7), Some(&right));
        assert_eq!(corrected.uses, [first.clone(), other.clone(), third.clone()]);
        assert_eq!(corrected.clone().corrected(EntryIndex(7), Some(&right)), corrected, "twice is once");
    }
}
