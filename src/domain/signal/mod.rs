//! Signals of fraud: what the rules find implausible in what was said (rules.md §1 and §2). Nobody types one.
//!
//! What is implausible may be true, so it is recorded like any fact, with a warning; the grams behind it back no certificate
//! until an auditor's finding clears it, or a correction shows that it was said wrongly. Thresholds stand in the rule set;
//! one without them raises no signal. Each kind of signal has a file here; late posting is none, since every one of them
//! goes by the day as written.

mod circle;
mod pieces;
mod tally;
mod ticket;
mod r#yield;

pub(crate) use circle::{HandedOn, joined};
pub(crate) use pieces::{of_all, of_count, of_lots};
pub use tally::{Tally, TallyKind, day_limit_g, year_band_g};
pub(crate) use tally::{of_difference, of_throughput, recount};
pub use ticket::Ticket;
pub(crate) use ticket::{of_load, of_receipt, of_shipment, said_again};
pub use r#yield::Gave;
pub(crate) use r#yield::{of_closing, with_output};

use crate::domain::apply::Context;
use crate::domain::codes::TableCode;
use crate::domain::event::Count;
use crate::domain::evidence::Evidence;
use crate::domain::fields::{codes, record, text_field};
use crate::domain::ids::{EntryIndex, OrganisationId, SiteId};
use crate::domain::item::Item;
use crate::domain::mass::{Grams, SignedGrams};
use crate::domain::refusal::{Warning, WarningCode};
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};

codes! {
    /// What is implausible.
    pub enum SignalCode {
        /// The pieces of a weighed lot are far heavier or lighter than pieces of its class are: clay in phones.
        MassPerPieceImplausible = "mass_per_piece_implausible",
        /// A batch gave more, or less, of something than its classes hold: boards that somebody took out before, batteries that
        /// never appear.
        CompositionImplausible = "composition_implausible",
        /// One weighbridge ticket, by its number or its file, stands for two loads.
        TicketReused = "ticket_reused",
        /// Waste came back to an organisation that had handed it on.
        CircularTrade = "circular_trade",
        /// A site took apart or treated more in a day than it can: the books of a plant that does not exist.
        ThroughputImplausible = "throughput_implausible",
        /// What no weighing of a site explains adds up, over a year, to more than its scales are off.
        DifferenceOfYear = "difference_of_year",
    }
}

fn is_subject(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'/'))
}

text_field!(
    /// The id of an item, batch, handover or treatment.
    SubjectId, Identifier, "the id of what it is about", is_subject
);

record! {
    /// A signal.
    pub struct Signal {
        /// Whose thing it was then: mostly whoever said what raised it.
        organisation: OrganisationId,
        /// The entry that raised it: a finding about it clears the signal.
        entry: EntryIndex,
        /// What is implausible.
        code: SignalCode,
        /// What kind of thing it is about.
        about: RecordKind,
        /// Which.
        subject: SubjectId,
        /// Of a batch: what it gave too much or too little of.
        part: Option<TableCode>,
        /// Where.
        site: Option<SiteId>,
        /// What was found, in grams; of a year's difference signed.
        found_g: Option<SignedGrams>,
        /// What it should be at least.
        least_g: Option<Grams>,
        /// What it should be at most.
        most_g: Option<Grams>,
        /// Of how many pieces.
        pieces: Option<Count>,
        /// The entry before, where two do not go together.
        earlier: Option<EntryIndex>,
        /// The correction by which it was never raised.
        lifted: Option<EntryIndex>,
    }
}

impl Signal {
    /// The record's id: an organisation's stand in the order of their entries.
    pub fn id(&self) -> String {
        let Self { entry: EntryIndex(entry), code, subject, .. } = self;
        let part = self.part.as_ref().map(|part| format!("/{part}")).unwrap_or_default();
        format!("{}{entry:016}/{code}/{subject}{part}", Self::prefix_of(&self.organisation))
    }

    /// How the ids of an organisation's begin.
    pub fn prefix_of(organisation: &OrganisationId) -> String {
        format!("{}{organisation}/", Self::PREFIX)
    }

    /// How the ids of all begin.
    pub const PREFIX: &str = "signal/";
}

/// What a signal says beside its code.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    /// Whose thing it is, if not the author's.
    pub(crate) whose: Option<OrganisationId>,
    pub(crate) part: Option<TableCode>,
    pub(crate) site: Option<SiteId>,
    pub(crate) found_g: Option<i64>,
    pub(crate) least_g: Option<Grams>,
    pub(crate) most_g: Option<Grams>,
    pub(crate) pieces: Option<Count>,
    pub(crate) earlier: Option<EntryIndex>,
}

/// Raises a signal about something, which its poster is told; whoever calls this marks the evidence of the grams with the
/// warning ([`Evidence::warned`]).
fn raise(
    state: &mut State<'_>,
    context: &Context<'_>,
    code: SignalCode,
    about: &RecordId,
    figures: Figures,
    pointer: &str,
) -> Option<Warning> {
    let subject = SubjectId::parse(&about.id)?;
    let Figures { whose, part, site, found_g, least_g, most_g, pieces, earlier } = figures;
    let found_g = found_g.map(SignedGrams);
    state.put(Record::Signal(Signal {
        organisation: whose.unwrap_or_else(|| context.party()),
        entry: context.index,
        code,
        about: about.kind,
        subject,
        part,
        site,
        found_g,
        least_g,
        most_g,
        pieces,
        earlier,
        lifted: None,
    }));
    Warning::new(WarningCode::SignalRaised, pointer)
}

/// What a receiver takes of a lot or item.
pub(crate) struct Taking<'a> {
    /// Who handed it over.
    pub(crate) from: OrganisationId,
    /// Who has it now; nobody, if it is a plant without a key.
    pub(crate) to: Option<OrganisationId>,
    /// It as its sender had it.
    pub(crate) before: &'a Item,
    /// It as its receiver has it, at its site.
    pub(crate) after: &'a Item,
    /// What the receiver's weighing found more or less, in grams.
    pub(crate) change_g: i64,
    /// Where the answer speaks of it.
    pub(crate) pointer: &'a str,
}

/// What is implausible of something that changes hands: that it comes back, what its pieces weigh, and what the receiver's
/// year comes to. Gives the evidence behind it, with the memory of who handed it on.
pub(crate) fn of_taking(
    state: &mut State<'_>,
    context: &Context<'_>,
    evidence: Evidence,
    taking: &Taking<'_>,
) -> Result<(Evidence, Vec<Warning>), Stop> {
    let about = RecordId::new(RecordKind::Item, &taking.after.id);
    let mut warnings: Vec<Warning> = pieces::of_weighing(state, context, taking)?.into_iter().collect();
    let bases = [taking.before.basis, taking.after.basis];
    warnings.extend(of_difference(state, context, taking.after.site, taking.change_g, &bases, &about)?);
    let (evidence, circle) = circle::of_taking(state, context, evidence, taking)?;
    warnings.extend(circle);
    Ok((evidence.warned(&warnings, context.index), warnings))
}
