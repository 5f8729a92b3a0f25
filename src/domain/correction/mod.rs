//! Corrections: what an author said wrong, said again rightly, and what follows down the lineage (rules.md §4).
//!
//! Nothing is changed in place. A correction names an earlier entry and what should stand there instead; `rerun` applies
//! the entries behind it once more, as if it had been said so from the start, and `effect` brings what differs into force.
//! Where mass, party or code change, those whom it concerns have a word; until it is decided the grams are held.

mod brought;
mod effect;
mod intake;
mod records;
mod rerun;
mod start;
mod verdict;

use crate::domain::apply::{Context, refuse};
use crate::domain::balance::Account;
use crate::domain::codes::{CalendarYear, Role, TableCode};
use crate::domain::delegation::{self, DELEGABLE};
use crate::domain::event::{Corrected, CorrectionConfirmed, CorrectionDisputed, CorrectionReason};
use crate::domain::fields::{codes, record, text_field};
use crate::domain::finding::require_unrelated;
use crate::domain::ids::{EntryIndex, OrganisationId, SiteId};
use crate::domain::mass::SignedGrams;
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::signal::Tally;
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use crate::domain::time::{DAY_MS, LedgerTime};
use crate::limits::CORRECTIONS_MAX;
pub(crate) use brought::Brought;
use start::Proposal;
use verdict::Verdict;

codes! {
    /// Where a correction stands.
    pub enum CorrectionStatus {
        /// Those whom it concerns have not all answered.
        Open = "open",
        /// One of them contradicts; an auditor decides.
        Disputed = "disputed",
        /// A later entry could not stand with it, certified grams would change, or more are concerned than can be asked: an
        /// auditor looks at it.
        Review = "review",
        /// It counts.
        InEffect = "in_effect",
        /// It counted, until a later correction of the same entry.
        Superseded = "superseded",
        /// An auditor decided against it.
        Rejected = "rejected",
        /// Its author took it back.
        Withdrawn = "withdrawn",
    }
}

fn is_name(text: &str) -> bool {
    (1..=200).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}

text_field!(
    /// The id of a record, of whatever kind.
    RecordName, Identifier, "the id of a record", is_name
);

record! {
    /// A record that a correction holds or changes.
    pub struct Touched {
        /// What it is about.
        kind: RecordKind,
        /// Its id.
        id: RecordName,
    }
}

impl Touched {
    fn of(id: &RecordId) -> Option<Self> {
        RecordName::parse(&id.id).map(|name| Self { kind: id.kind, id: name })
    }

    fn id(&self) -> RecordId {
        RecordId { id: self.id.as_str().to_owned(), kind: self.kind }
    }
}

record! {
    /// What a correction booked.
    pub struct Booking {
        /// In which account.
        account: Account,
        /// At which site.
        site: Option<SiteId>,
        /// How much more or less.
        grams: SignedGrams,
    }
}

record! {
    /// By how much a correction changed what a site took in during a year.
    pub struct Intake {
        /// The site.
        site: SiteId,
        /// The year.
        year: CalendarYear,
        /// How much more or less.
        grams: SignedGrams,
        /// The operation into which it went; absent of all that came to the site.
        operation: Option<TableCode>,
    }
}

record! {
    /// By how much a correction changed what adds up at a site.
    pub struct Recount {
        /// What adds up.
        tally: Tally,
        /// How much more or less.
        grams: SignedGrams,
    }
}

record! {
    /// A correction.
    pub struct Correction {
        /// The entry that states it: its id.
        entry: EntryIndex,
        /// The entry that was wrong.
        target: EntryIndex,
        /// How.
        reason: CorrectionReason,
        /// Who said both.
        author: OrganisationId,
        /// When those whom it concerns were asked last: from then on silence is counted.
        asked: LedgerTime,
        /// Where it stands.
        status: CorrectionStatus,
        /// Whom it concerns.
        counterparties: Vec<OrganisationId>,
        /// Who of them has agreed.
        confirmed: Vec<OrganisationId>,
        /// The entry that stands in its way.
        blocked_by: Option<EntryIndex>,
        /// What it holds from eligibility until it is decided.
        held: Vec<Touched>,
        /// The entry that brought it into force.
        effect: Option<EntryIndex>,
        /// What it changed.
        changed: Vec<Touched>,
        /// What it booked.
        bookings: Vec<Booking>,
        /// What it changed of yearly sums.
        intakes: Vec<Intake>,
        /// What it changed of sums at sites, where the rule set looks at them.
        recounts: Option<Vec<Recount>>,
        /// Earlier corrections whose effects it took into account.
        over: Vec<EntryIndex>,
        /// The later correction that took this one's effects into account.
        absorbed: Option<EntryIndex>,
    }
}

impl Correction {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(self.entry)
    }

    /// The id of the correction that an entry states.
    pub fn id_of(entry: EntryIndex) -> String {
        format!("correction/{entry}")
    }

    /// Its author and whom it concerns.
    pub fn parties(&self) -> impl Iterator<Item = OrganisationId> {
        [self.author].into_iter().chain(self.counterparties.iter().copied())
    }

    /// The entries of the treatments that it changed.
    pub fn treatments(&self) -> impl Iterator<Item = EntryIndex> {
        let changed = self.changed.iter().filter(|touched| touched.kind == RecordKind::Treatment);
        changed.filter_map(|touched| touched.id.as_str().rsplit('/').next()?.parse().ok().map(EntryIndex))
    }

    /// Whether it waits for somebody's word.
    pub const fn is_undecided(&self) -> bool {
        matches!(self.status, CorrectionStatus::Open | CorrectionStatus::Disputed | CorrectionStatus::Review)
    }
}

record! {
    /// The corrections of one entry, in order.
    pub struct CorrectionsOf {
        /// The entry.
        target: EntryIndex,
        /// The entries that correct it.
        corrections: Vec<EntryIndex>,
    }
}

impl CorrectionsOf {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(self.target)
    }

    /// The id of an entry's corrections.
    pub fn id_of(target: EntryIndex) -> String {
        format!("corrections/{target}")
    }
}

/// What is said of things by whoever has them, and yet never corrected: an agreement, a file and a training are said anew, and of
/// a correction it is the first statement that is corrected again.
const SAID_ANEW: &[&str] = &[
    "difference_agreed",
    "evidence_attached",
    "training_held",
    "corrected",
    "correction_confirmed",
    "correction_disputed",
];

/// Types that can be corrected: what happened to things. What is registered is changed by an event of its own, keys are
/// revoked, findings cleared, and certificates have statements of their own.
fn correctable() -> impl Iterator<Item = &'static str> {
    DELEGABLE.iter().copied().filter(|name| !SAID_ANEW.contains(name))
}

fn is_correctable(name: &str) -> bool {
    correctable().any(|known| known == name)
}

/// Within this time an author alone corrects what nobody else rests on, in milliseconds (rules.md §4: 72 hours).
pub(crate) const ALONE_MS: i64 = 3 * DAY_MS;
/// After this silence of those concerned an auditor decides, in milliseconds of ledger time (rules.md §4: 30 days).
const SILENCE_MS: i64 = 30 * DAY_MS;

/// An author corrects an earlier statement.
pub fn corrected(state: &mut State<'_>, context: &Context<'_>, event: &Corrected) -> Result<Vec<Warning>, Stop> {
    require_sound(state, context, event)?;
    let earlier = require_decided(state, event.entry)?;
    let proposal = Proposal::of(state, context.index, context.signer, event)?;
    if start::in_force(state, event.entry)? == proposal.replaced.statement {
        let detail = "this is what counts as said already";
        return refuse(RefusalCode::CorrectionWithoutEffect, "/instead", detail);
    }
    let verdict = Verdict::on(state, context, &proposal)?;
    verdict.require_possible(&proposal)?;
    let correction = Correction {
        entry: context.index,
        target: event.entry,
        reason: event.reason,
        author: context.party(),
        asked: context.time,
        status: verdict.status(),
        counterparties: verdict.counterparties.clone(),
        confirmed: Vec::new(),
        blocked_by: verdict.blocked_by,
        held: Vec::new(),
        effect: None,
        changed: Vec::new(),
        bookings: Vec::new(),
        intakes: Vec::new(),
        recounts: None,
        over: Vec::new(),
        absorbed: None,
    };
    let mut corrections = earlier.map_or_else(Vec::new, |earlier| earlier.corrections);
    corrections.push(context.index);
    state.put(Record::CorrectionsOf(CorrectionsOf { target: event.entry, corrections }));
    if correction.status == CorrectionStatus::InEffect {
        let raised = verdict.rerun.raises_signal(state)?;
        effect::bring_into_force(state, context, correction, verdict.rerun)?;
        return Ok(raised.into_iter().collect());
    }
    effect::hold(state, context, correction, &verdict.rerun)?;
    Ok(Warning::new(WarningCode::CorrectionUndecided, "/entry").into_iter().collect())
}

/// The earlier statement is the author's own and of a type that can be corrected, and what should stand instead is of the
/// same type, at a site of the author.
fn require_sound(state: &State<'_>, context: &Context<'_>, event: &Corrected) -> Result<(), Stop> {
    if event.entry >= context.index {
        return refuse(RefusalCode::Unknown, "/entry", "there is no entry of this index yet");
    }
    let earlier = &state.entry(event.entry)?.statement.common;
    if earlier.party() != context.party() {
        let detail = "only whoever said it corrects it; others contradict by a finding or a dispute";
        return refuse(RefusalCode::NotTheAuthor, "/entry", detail);
    }
    let known = earlier.r#type.as_str();
    if !is_correctable(known) {
        let detail = format!("{known} is not corrected; these are: {}", correctable().collect::<Vec<_>>().join(", "));
        return refuse(RefusalCode::NotCorrectable, "/entry", detail);
    }
    match (event.reason, &event.instead) {
        (CorrectionReason::DidNotOccur, None) => Ok(()),
        (CorrectionReason::DidNotOccur, Some(_)) => {
            refuse(RefusalCode::ListInvalid, "/instead", "nothing stands in place of what did not occur")
        }
        (CorrectionReason::IncorrectData, None) => {
            refuse(RefusalCode::ListInvalid, "/instead", "say what should stand in its place, complete")
        }
        (CorrectionReason::IncorrectData, Some(instead)) if instead.r#type.as_str() != known => {
            let detail = format!("entry {} is {known}, and so is what stands in its place", event.entry);
            refuse(RefusalCode::NotCorrectable, "/instead/type", detail)
        }
        (CorrectionReason::IncorrectData, Some(instead)) => require_own_site(state, context, instead.site),
    }?;
    let sites = [Some(earlier.site), event.instead.as_ref().map(|instead| instead.site)];
    let covered = |site| delegation::require_covered(state, context, &earlier.r#type, site, "/entry");
    sites.into_iter().flatten().try_for_each(covered)
}

fn require_own_site(state: &State<'_>, context: &Context<'_>, site: Option<SiteId>) -> Result<(), Stop> {
    let Some(site) = site else { return Ok(()) };
    match state.site(&site)? {
        None => refuse(RefusalCode::Unknown, "/instead/site", "no site of this id is registered"),
        Some(site) if site.organisation != Some(context.party()) => {
            let detail = "this site belongs to another organisation";
            refuse(RefusalCode::SiteOfAnotherOrganisation, "/instead/site", detail)
        }
        Some(_) => Ok(()),
    }
}

/// The earlier corrections of an entry, all of them decided.
fn require_decided(state: &State<'_>, target: EntryIndex) -> Result<Option<CorrectionsOf>, Stop> {
    let earlier = state.corrections(&CorrectionsOf::id_of(target))?.cloned();
    let entries = earlier.iter().flat_map(|earlier| &earlier.corrections);
    state.require_loaded(entries.map(|entry| Correction::id_of(*entry)))?;
    if earlier.as_ref().is_some_and(|earlier| earlier.corrections.len() >= CORRECTIONS_MAX) {
        let detail = format!("an entry is corrected at most {CORRECTIONS_MAX} times");
        return refuse(RefusalCode::ListInvalid, "/entry", detail);
    }
    for entry in earlier.iter().flat_map(|earlier| &earlier.corrections) {
        if state.correction(&Correction::id_of(*entry))?.is_some_and(Correction::is_undecided) {
            let detail = format!("the correction in entry {entry} is not decided yet; it can be withdrawn");
            return refuse(RefusalCode::CorrectionUndecided, "/entry", detail);
        }
    }
    Ok(earlier)
}

/// Who speaks about a correction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voice {
    Author,
    Counterparty,
    Auditor,
}

/// The undecided correction that a statement is about, and as whom its author speaks.
fn undecided(state: &State<'_>, context: &Context<'_>, entry: EntryIndex) -> Result<(Correction, Voice), Stop> {
    let Some(correction) = state.correction(&Correction::id_of(entry))?.cloned() else {
        return refuse(RefusalCode::Unknown, "/correction", "no correction stands at this index");
    };
    let party = context.party();
    let is_auditor = state.organisation(&party)?.is_some_and(|known| known.roles.contains(&Role::Auditor));
    let voice = if party == correction.author {
        Voice::Author
    } else if correction.counterparties.contains(&party) {
        Voice::Counterparty
    } else if is_auditor {
        Voice::Auditor
    } else {
        let detail = "only its author, those whom it concerns and auditors speak about a correction";
        return refuse(RefusalCode::WrongReceiver, "/correction", detail);
    };
    if !correction.is_undecided() {
        let detail = format!("this correction is {} already", correction.status);
        return refuse(RefusalCode::NothingToAnswer, "/correction", detail);
    }
    if voice == Voice::Auditor {
        if context.statement.common.on_behalf_of.is_some() {
            let detail = "an auditor decides in its own name";
            return refuse(RefusalCode::NotDelegable, "/on_behalf_of", detail);
        }
        require_turn_of_auditor(state, context, &correction)?;
    }
    Ok((correction, voice))
}

/// A word about a correction stands on the path of everything that it holds.
fn mention_held(state: &mut State<'_>, correction: &Correction) {
    for touched in &correction.held {
        state.mention(touched.id());
    }
}

/// An auditor, independent of everybody concerned, decides what is disputed or blocked, what concerns nobody else, and
/// what those concerned are silent about for 30 days.
fn require_turn_of_auditor(state: &State<'_>, context: &Context<'_>, correction: &Correction) -> Result<(), Stop> {
    for party in correction.parties() {
        require_unrelated(state, context, party)?;
    }
    let silent = context.time.ms() - correction.asked.ms() >= SILENCE_MS;
    let is_open = correction.status == CorrectionStatus::Open;
    if is_open && !correction.counterparties.is_empty() && !silent {
        let detail = "those whom it concerns have 30 days to confirm or dispute; an auditor decides after that";
        return refuse(RefusalCode::CounterpartyFirst, "/correction", detail);
    }
    Ok(())
}

/// Somebody whom a correction concerns agrees, or an auditor decides for it; with the last word it comes into force.
pub fn correction_confirmed(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &CorrectionConfirmed,
) -> Result<(), Stop> {
    let (mut correction, voice) = undecided(state, context, event.correction)?;
    mention_held(state, &correction);
    let party = context.party();
    match voice {
        Voice::Author => {
            let detail = "nobody confirms its own correction";
            return refuse(RefusalCode::WrongReceiver, "/correction", detail);
        }
        Voice::Counterparty if correction.confirmed.contains(&party) => {
            return refuse(RefusalCode::NothingToAnswer, "/correction", "your organisation has agreed before");
        }
        Voice::Counterparty => {
            require_other_mouth(state, context, &correction)?;
            correction.confirmed.push(party);
        }
        Voice::Auditor => {}
    }
    let all = correction.counterparties.iter().all(|party| correction.confirmed.contains(party));
    let ripe = voice == Voice::Auditor || (all && correction.status == CorrectionStatus::Open);
    if !ripe {
        state.put(Record::Correction(correction));
        return Ok(());
    }
    decide_for(state, context, correction, voice)
}

/// Whoever speaks for both sides under delegations has one word, not two.
fn require_other_mouth(state: &State<'_>, context: &Context<'_>, correction: &Correction) -> Result<(), Stop> {
    if state.entry(correction.entry)?.statement.common.org == context.statement.common.org {
        let detail = "your organisation has stated the correction for its author; somebody else confirms it";
        return refuse(RefusalCode::RelatedParties, "/org", detail);
    }
    Ok(())
}

/// Runs the lineage again as it is by now. What blocks an auditor's word is told to the auditor; what blocks the last word of
/// those concerned leaves the correction to one.
fn decide_for(state: &mut State<'_>, context: &Context<'_>, correction: Correction, voice: Voice) -> Result<(), Stop> {
    let proposal = Proposal::stated(state, correction.entry)?;
    let verdict = Verdict::on(state, context, &proposal)?;
    if verdict.blocked_by.is_none() && correction.status != CorrectionStatus::Disputed {
        if verdict.others_decide && voice != Voice::Auditor {
            state.put(Record::Correction(Correction { status: CorrectionStatus::Review, ..correction }));
            return Ok(());
        }
        // Whoever came to rest on it since it was posted is asked too.
        let is_new = |party: &&OrganisationId| !correction.counterparties.contains(party);
        let new: Vec<OrganisationId> = verdict.counterparties.iter().filter(is_new).copied().collect();
        if !new.is_empty() {
            return effect::ask(state, context, correction, &new);
        }
    }
    match (verdict.blocked_by, voice) {
        (None, _) => effect::bring_into_force(state, context, correction, verdict.rerun),
        (Some(entry), Voice::Auditor) => {
            let detail = format!("entry {entry} could not stand with it: {}", verdict.obstacle());
            refuse(RefusalCode::CorrectionBlocked, "/correction", detail)
        }
        (blocked_by, _) => {
            let status = CorrectionStatus::Review;
            state.put(Record::Correction(Correction { status, blocked_by, ..correction }));
            Ok(())
        }
    }
}

/// A correction is contradicted, taken back, or decided against; then everything stays as it was said first.
pub fn correction_disputed(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &CorrectionDisputed,
) -> Result<(), Stop> {
    let (correction, voice) = undecided(state, context, event.correction)?;
    mention_held(state, &correction);
    let status = match voice {
        Voice::Author => CorrectionStatus::Withdrawn,
        Voice::Auditor => CorrectionStatus::Rejected,
        Voice::Counterparty if correction.status == CorrectionStatus::Open => CorrectionStatus::Disputed,
        Voice::Counterparty => {
            let detail = format!("this correction is {} already; an auditor decides", correction.status);
            return refuse(RefusalCode::NothingToAnswer, "/correction", detail);
        }
    };
    if status == CorrectionStatus::Disputed {
        state.put(Record::Correction(Correction { status, ..correction }));
        return Ok(());
    }
    let (entry, held) = (correction.entry, correction.held.clone());
    state.put(Record::Correction(Correction { status, held: Vec::new(), ..correction }));
    effect::let_go(state, context, entry, &held)
}
