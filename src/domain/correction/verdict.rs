//! What a correction comes to: whether it is possible, whom it concerns, and who decides.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::balance::SiteAccount;
use crate::domain::batch::Batch;
use crate::domain::codes::TableCode;
use crate::domain::correction::records::substance;
use crate::domain::correction::rerun::{Barrier, Rerun, run};
use crate::domain::correction::start::Proposal;
use crate::domain::correction::{ALONE_MS, Correction, CorrectionStatus};
use crate::domain::delegation::are_related;
use crate::domain::event::Event;
use crate::domain::evidence::{Flaw, FlawCode};
use crate::domain::hazardous::Hazardous;
use crate::domain::ids::{EntryIndex, OrganisationId, PartyId};
use crate::domain::item::Item;
use crate::domain::pool;
use crate::domain::refusal::{Refusal, RefusalCode};
use crate::domain::rule_set::RuleSet;
use crate::domain::signal::Gave;
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use crate::domain::treatment::Treatment;
use crate::limits::COUNTERPARTIES_MAX;
use std::collections::{BTreeMap, BTreeSet};

/// What a correction would bring, and what that means.
pub(super) struct Verdict {
    pub(super) rerun: Rerun,
    /// Whose word it needs: whom it concerns, beside its author and the author's relations.
    pub(super) counterparties: Vec<OrganisationId>,
    /// Whether an auditor decides: it concerns others, but none, or too many, who could be asked; or certified grams change.
    pub(super) others_decide: bool,
    /// The later entry that could not stand, or the treatment whose certified grams would change.
    pub(super) blocked_by: Option<EntryIndex>,
    /// Why that entry could not stand.
    pub(super) refusal: Option<Refusal>,
    /// Whether mass, party or code change.
    material: bool,
    /// Whether its author decides alone.
    alone: bool,
}

impl Verdict {
    /// Runs a correction and judges what comes out.
    pub(super) fn on(state: &State<'_>, context: &Context<'_>, proposal: &Proposal) -> Result<Self, Stop> {
        let rerun = run(state, context.index, proposal)?;
        let target = state.entry(proposal.target)?;
        let author = target.statement.common.party();
        let mut material = net(state, &rerun)?.values().any(|grams| *grams != 0);
        let mut concerned = rerun.speakers.clone();
        let (mut certified, mut clears) = (None, false);
        let rules = rules_in_force(state)?;
        for (id, now) in &rerun.world {
            let first = state.find(id)?;
            if is_material(rules, first, now) {
                material = true;
                concerned.extend(first.into_iter().chain([now]).flat_map(Record::owners));
            }
            clears |= first.is_some_and(|first| loses_flaw(first, now));
            certified = certified.or(certified_by(state, id, first, now)?);
        }
        material |= certified.is_some();
        // What held grams back does not go away on its author's word alone.
        material |= clears;
        if material {
            concerned.extend(sides_of(state, &target.statement.event)?);
        }
        concerned.remove(&author);
        // With a registry certified grams may change: units fail then, and are replaced. An auditor decides that.
        let touches_units = certified.is_some() && rules.scheme.registry.is_some();
        let certified = certified.filter(|_| !touches_units);
        let (blocked_by, refusal) = match &rerun.barrier {
            Some(Barrier::Refused(entry, refusal)) => (Some(*entry), Some(refusal.clone())),
            Some(Barrier::TooWide) => (Some(proposal.target), None),
            None => (certified, None),
        };
        let recent = context.time.ms() - target.time.ms() <= ALONE_MS;
        let ends = matches!(target.statement.event, Event::TreatedFinal(_));
        let alone = recent && concerned.is_empty() && !rerun.is_relied_on && !clears && !ends && !touches_units;
        let counterparties = asked(state, author, &concerned)?;
        let others_decide = touches_units || (counterparties.is_empty() && !concerned.is_empty());
        Ok(Self { rerun, counterparties, others_decide, blocked_by, refusal, material, alone })
    }

    /// Refuses what can never come into force: a right statement that the rules refuse, or one that reaches too far.
    pub(super) fn require_possible(&self, proposal: &Proposal) -> Result<(), Stop> {
        match &self.rerun.barrier {
            Some(Barrier::TooWide) => {
                let detail = "it reaches more entries than one correction may; correct later entries instead";
                refuse(RefusalCode::CorrectionTooWide, "/entry", detail)
            }
            Some(Barrier::Refused(entry, refusal)) if *entry == proposal.target => {
                refuse(refusal.code, format!("/instead{}", refusal.pointer), refusal.detail.clone())
            }
            _ => Ok(()),
        }
    }

    /// What stands in its way, in words.
    pub(super) fn obstacle(&self) -> &str {
        match (&self.rerun.barrier, &self.refusal) {
            (Some(Barrier::TooWide), _) => "it reaches more entries than one correction may",
            (_, Some(refusal)) => &refusal.detail,
            _ => "certified grams would change",
        }
    }

    /// Where it stands when it is posted.
    pub(super) fn status(&self) -> CorrectionStatus {
        if self.blocked_by.is_some() {
            CorrectionStatus::Review
        } else if self.material && !self.alone {
            CorrectionStatus::Open
        } else {
            CorrectionStatus::InEffect
        }
    }
}

/// By how much the accounts move against what stands.
pub(super) fn net(state: &State<'_>, rerun: &Rerun) -> Result<BTreeMap<SiteAccount, i64>, Stop> {
    let mut moved = rerun.moved.clone();
    for entry in &rerun.met {
        for booking in state.correction(&Correction::id_of(*entry))?.into_iter().flat_map(|met| &met.bookings) {
            let account = SiteAccount { account: booking.account.clone(), site: booking.site };
            *moved.entry(account).or_default() -= booking.grams.0;
        }
    }
    Ok(moved)
}

/// The two sides of a handover that was answered, if a statement is about one.
fn sides_of(state: &State<'_>, event: &Event) -> Result<Vec<OrganisationId>, Stop> {
    let Some(handover) = event.handover() else { return Ok(Vec::new()) };
    let answered = state.handover(&handover)?.filter(|handover| handover.answered.is_some());
    Ok(answered.map(|handover| [handover.from].into_iter().chain(handover.to).collect()).unwrap_or_default())
}

/// Whether something that held grams back is not there any more.
fn loses_flaw(first: &Record, now: &Record) -> bool {
    let after = flaws_of(now);
    flaws_of(first).iter().any(|flaw| !after.contains(flaw))
}

/// What holds the grams of a record back, but for corrections.
pub(super) fn flaws_of(record: &Record) -> Vec<Flaw> {
    let mut flaws = match record {
        Record::Item(item) => item.evidence.flaws.clone(),
        Record::Batch(batch) => batch.evidence.flaws.clone(),
        Record::Treatment(treatment) => treatment.evidence.flaws.clone(),
        _ => Vec::new(),
    };
    flaws.retain(|flaw| flaw.code != FlawCode::Correction);
    flaws
}

/// Who of those concerned is asked. The word of a relation of the author is nobody else's; more than a few are not asked one
/// by one.
fn asked(
    state: &State<'_>,
    author: OrganisationId,
    concerned: &BTreeSet<OrganisationId>,
) -> Result<Vec<OrganisationId>, Stop> {
    let mut asked = Vec::new();
    for party in concerned {
        if !are_related(state, PartyId(author.0), PartyId(party.0))? {
            asked.push(*party);
        }
    }
    Ok(if asked.len() > COUNTERPARTIES_MAX { Vec::new() } else { asked })
}

/// Whether mass, party or code of something differ, or what else the rule set in force looks at.
fn is_material(rules: &RuleSet, first: Option<&Record>, now: &Record) -> bool {
    let Some(first) = first else { return true };
    match (first, now) {
        (Record::Item(one), Record::Item(other)) => {
            let mass = (one.grams, one.basis, &one.sources, &one.given)
                != (other.grams, other.basis, &other.sources, &other.given);
            let party = (one.holder, one.site, one.status, one.donation)
                != (other.holder, other.site, other.status, other.donation);
            let code = |item: &Item| {
                (item.class.clone(), item.waste_code.clone(), item.overridden.clone(), item.arising.clone())
            };
            let code = code(one) != code(other);
            mass || party || code
        }
        (Record::Batch(one), Record::Batch(other)) => {
            let mass = (one.input_g, one.left_g, &one.fed, &one.given)
                != (other.input_g, other.left_g, &other.fed, &other.given);
            // What became of its hazardous grams and which parts came out decide what its other grams back.
            let became = |batch: &Batch| {
                let hazardous = Hazardous { since: None, evidence: None, ..batch.hazardous.clone() };
                (hazardous, batch.outputs.clone(), batch.residual.clone())
            };
            mass || (&one.flags, one.status, one.site) != (&other.flags, other.status, other.site)
                || became(one) != became(other)
                || (rules.weighs_parts() && parts_of(rules, one) != parts_of(rules, other))
        }
        (Record::Handover(one), Record::Handover(other)) => {
            let what = (&one.items, &one.lots, one.status, one.disputed)
                != (&other.items, &other.lots, other.status, other.disputed);
            let way = (&one.shipment, &one.carriers) != (&other.shipment, &other.carriers);
            what || way || (one.from, one.to, one.facility) != (other.from, other.to, other.facility)
        }
        (Record::Treatment(one), Record::Treatment(other)) => {
            let alike = Treatment { evidence: one.evidence.clone(), lines: one.lines.clone(), ..other.clone() };
            alike != *one || !pool::same_lines(one, other)
        }
        _ => substance(first) != substance(now),
    }
}

/// How much came out of a batch of fractions that its classes should hold.
fn parts_of<'a>(rules: &RuleSet, batch: &'a Batch) -> (Vec<&'a Gave>, Vec<&'a TableCode>) {
    let is_part =
        |code: &TableCode| rules.parts.iter().flat_map(|row| &row.fractions).any(|part| part == code.as_str());
    let gave = batch.gave.iter().flatten().filter(|gave| is_part(&gave.fraction)).collect();
    (gave, batch.uncounted.iter().flatten().filter(|code| is_part(code)).collect())
}

/// The treatment whose certified grams would change with a record, if some would: its own, or of what its batch brought.
fn certified_by(
    state: &State<'_>,
    id: &RecordId,
    first: Option<&Record>,
    now: &Record,
) -> Result<Option<EntryIndex>, Stop> {
    let Some(first) = first else { return Ok(None) };
    if !touches_grams(rules_in_force(state)?, first, now) {
        return Ok(None);
    }
    let treatments = match first {
        Record::Treatment(treatment) => vec![treatment.entry],
        Record::Batch(batch) => batch.treatments.clone(),
        _ => return Ok(None),
    };
    state.require_loaded(treatments.iter().map(|entry| Treatment::id_of(*entry)))?;
    for entry in treatments {
        let Some(treatment) = state.treatment(entry)? else { continue };
        for line in &treatment.lines {
            let is_its_own =
                id.kind == RecordKind::Treatment || line.source.batch().is_some_and(|batch| batch.to_string() == id.id);
            if is_its_own && pool::certified_of(state, entry, line)? > 0 {
                return Ok(Some(entry));
            }
        }
    }
    Ok(None)
}

/// Whether more of a treatment or batch differs than who signed and when, and that a correction held it.
pub(super) fn touches_grams(rules: &RuleSet, first: &Record, now: &Record) -> bool {
    is_material(rules, Some(first), now) || flaws_of(first) != flaws_of(now)
}
