//! What keeps grams from backing a certificate, and what cured it before the issue.

use crate::domain::codes::Role;
use crate::domain::eligibility::Gap;
use crate::domain::event::{Event, ReviewOutcome};
use crate::domain::ids::{EntryIndex, HandoverId, OrganisationId, PartyId};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::OccurredAt;
use crate::proof::verify::matter::Matter;
use crate::proof::verify::shown::{Shown, ShownStatement};
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong with grams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::proof::verify) enum What {
    Unweighed,
    Hosted,
    Related,
    Held,
    Short,
    Disputed,
    Overdue,
    Unpermitted,
    ArrivalUnpermitted,
    TreatmentUnpermitted,
    InterimUnpermitted,
    InterimShort,
    UnknownClass,
    Papers,
    BorderNotCovered,
    ExportBanned,
    Compromised,
    Corrected,
}

impl What {
    pub(in crate::proof::verify) const fn words(self) -> &'static str {
        match self {
            Self::Unweighed => "something that went in was not weighed on a verified scale",
            Self::Hosted => "it changed hands between two keys that the operator holds",
            Self::Related => "it changed hands between related parties, or one signed for both",
            Self::Held => "a finding holds it",
            Self::Short => "less came out of it than went in, beyond the band, which nobody is shown to have explained",
            Self::Disputed => "sender and receiver weighed it differently beyond the band",
            Self::Overdue => "it left its batch later than a batch may last",
            Self::Unpermitted => "no permit covers dismantling at its site on that day",
            Self::ArrivalUnpermitted => "no permit of the site to which it came covers its waste code on that day",
            Self::TreatmentUnpermitted => "no permit of its site covers operation, waste code and day",
            Self::InterimUnpermitted => "no permit covers its interim treatment on that day",
            Self::InterimShort => "an interim treatment lost more than the band",
            Self::UnknownClass => "its class stands in no table of the rule set",
            Self::Papers => "it rests on papers of a plant without a key that nobody is shown to have reviewed",
            Self::BorderNotCovered => Gap::BorderNotCovered.reason(),
            Self::ExportBanned => "the law of the country of dispatch keeps it from where it went",
            Self::Compromised => "a key that signed for it was reported compromised before the issue",
            Self::Corrected => {
                "a statement behind it was corrected otherwise than this verifier follows: figures of a lot, for which an auditor decided, or which their author could correct alone"
            }
        }
    }

    /// Whether an auditor's finding about the entry clears it.
    const fn is_clearable(self) -> bool {
        !matches!(self, Self::Unweighed | Self::Short | Self::Papers | Self::Compromised | Self::Corrected)
    }
}

/// Something wrong, and the entry that brought it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::proof::verify) struct Flaw {
    pub(in crate::proof::verify) entry: EntryIndex,
    pub(in crate::proof::verify) what: What,
}

/// What was said to cure something.
struct Cured {
    /// The entry.
    by: EntryIndex,
    at: OccurredAt,
    /// Whether the key that signed it is not known to be stolen.
    holds: bool,
}

/// Cures by the entry that brought the flaws, in order.
#[derive(Default)]
struct CuredEntries(BTreeMap<EntryIndex, Vec<Cured>>);

impl CuredEntries {
    fn add(&mut self, entry: EntryIndex, said: &ShownStatement, holds: bool) {
        let at = said.statement.common.occurred_at.clone();
        self.0.entry(entry).or_default().push(Cured { by: said.index, at, holds });
    }

    /// When the flaws of an entry were cured, if one of the cures holds: also one that turned out void set grams free once, and
    /// these keep that month.
    fn since(&self, entry: EntryIndex) -> Option<&OccurredAt> {
        let cures = self.0.get(&entry).filter(|cures| cures.iter().any(|cured| cured.holds))?;
        cures.first().map(|cured| &cured.at)
    }

    fn forget_before(&mut self, entry: EntryIndex, until: EntryIndex) {
        self.0.entry(entry).and_modify(|cures| cures.retain(|cured| cured.by > until));
    }
}

/// What was said before the issue that cures flaws.
#[derive(Default)]
pub(super) struct Cures {
    /// Findings that clear an entry.
    cleared: CuredEntries,
    /// Findings that clear a thing: what findings held of it, and what a batch lacked.
    explained: CuredEntries,
    /// Reviews that accept papers.
    reviewed: CuredEntries,
    /// Answers to whose weight both sides agreed.
    agreed: CuredEntries,
    /// Until which entry nothing cures what stands at another: it was corrected then.
    forgotten: BTreeMap<EntryIndex, EntryIndex>,
}

/// Whether whoever says something is neither another party nor declared to be related to it.
pub(super) fn is_independent(shown: &Shown, said: &ShownStatement, other: OrganisationId) -> bool {
    is_stranger(shown, said, PartyId(other.0))
}

fn is_stranger(shown: &Shown, said: &ShownStatement, other: PartyId) -> bool {
    let own = PartyId(said.party().0);
    other != own && !shown.are_related(own, other, said.index)
}

/// The other side of what is said: who signed it for its author, both sides of its handover, and the plant without a key.
fn other_side(shown: &Shown, about: &ShownStatement) -> Vec<PartyId> {
    let event = &about.statement.event;
    let offer = event.handover().and_then(|handover| shown.offer(&handover));
    let sender = offer.and_then(|offer| shown.statement(offer.index)).map(ShownStatement::party);
    let sides = [about.statement.common.org].into_iter().chain(sender).chain(offer.and_then(|offer| offer.to));
    let treated_at = if let Event::TreatedFinal(event) = event { event.facility } else { None };
    let plants = offer.and_then(|offer| offer.facility).into_iter().chain(treated_at);
    sides.map(|side| PartyId(side.0)).chain(plants.map(|plant| PartyId(plant.0))).collect()
}

impl Matter<'_> {
    /// Whether whoever clears an entry has nothing to do with its author; where the rule set of that time asks it, nor with the
    /// other side, or with the centres whose grams it ended.
    pub(super) fn may_clear(&self, entry: EntryIndex, said: &ShownStatement) -> bool {
        let Some(about) = self.shown.statement(entry) else { return true };
        let mut parties = vec![PartyId(about.party().0)];
        if self.shown.rules_at(said.index).is_some_and(RuleSet::cures_by_strangers_alone) {
            parties.extend(other_side(self.shown, about));
            let batches = self.treated.get(&entry).into_iter().flat_map(|lot| lot.sources.batches());
            let centres = batches.filter_map(|batch| self.batches.get(&batch)).map(|batch| batch.organisation);
            parties.extend(centres.map(|centre| PartyId(centre.0)));
        }
        parties.into_iter().all(|party| is_stranger(self.shown, said, party))
    }
}

impl Cures {
    /// Gathers them, but for findings, which are taken as they come.
    pub(super) fn before(shown: &Shown, until: EntryIndex) -> Self {
        let (mut cures, mut answers, mut agreeing) = (Self::default(), BTreeMap::new(), BTreeMap::new());
        for said in shown.before(until) {
            match &said.statement.event {
                // A claim is answered with the offer that completes it.
                Event::HandoverAccepted(event) if event.unoffered.is_some() => {}
                Event::HandoverAccepted(event) => _ = answers.insert(event.handover, (said.index, said.party())),
                Event::HandoverOffered(event) if event.completes.is_some() => {
                    answers.extend(event.to.map(|to| (event.handover, (said.index, to))));
                }
                Event::ImportReceived(event) => _ = answers.insert(event.handover, (said.index, said.party())),
                _ => {
                    let holds = !shown.is_compromised(&said.signer, said.index, until);
                    cures.take(shown, (said, holds), &answers, &mut agreeing);
                }
            }
        }
        cures
    }

    fn take(
        &mut self,
        shown: &Shown,
        (said, holds): (&ShownStatement, bool),
        answers: &BTreeMap<HandoverId, (EntryIndex, OrganisationId)>,
        agreeing: &mut BTreeMap<HandoverId, BTreeSet<OrganisationId>>,
    ) {
        let common = &said.statement.common;
        match &said.statement.event {
            Event::EvidenceReviewed(event) if event.outcome == ReviewOutcome::Accepted => {
                let papers = shown.statement(event.entry).filter(|papers| papers.index < said.index);
                let poster = papers.map(ShownStatement::party);
                let may = shown.has_role(&common.org, &[Role::Auditor, Role::Operator]);
                if may && poster.is_some_and(|poster| is_independent(shown, said, poster)) {
                    self.reviewed.add(event.entry, said, holds);
                }
            }
            Event::DifferenceAgreed(event) => {
                let sender = shown.offer(&event.handover).and_then(|offer| shown.statement(offer.index));
                let (Some(sender), Some((answer, receiver))) = (sender, answers.get(&event.handover)) else { return };
                let agreed = agreeing.entry(event.handover).or_default();
                agreed.insert(said.party());
                if agreed.contains(&sender.party()) && agreed.contains(receiver) {
                    self.agreed.add(*answer, said, holds);
                }
            }
            _ => {}
        }
    }

    /// What cured an entry's flaws before another says nothing of what stands there since.
    pub(super) fn forget_before(&mut self, entry: EntryIndex, until: EntryIndex) {
        for cures in [&mut self.cleared, &mut self.reviewed, &mut self.agreed] {
            cures.forget_before(entry, until);
        }
        self.forgotten.insert(entry, until);
    }

    /// A finding clears what an entry brought, if it has seen what stands there.
    pub(super) fn clear(&mut self, entry: EntryIndex, said: &ShownStatement, holds: bool) {
        if self.forgotten.get(&entry).is_none_or(|until| said.index > *until) {
            self.cleared.add(entry, said, holds);
        }
    }

    /// A finding about a thing clears what findings held of it, and explains what a batch lacked.
    pub(super) fn clear_of_thing(&mut self, flaws: &BTreeSet<Flaw>, said: &ShownStatement, holds: bool) {
        for flaw in flaws.iter().filter(|flaw| matches!(flaw.what, What::Held | What::Short)) {
            self.explained.add(flaw.entry, said, holds);
        }
    }

    /// When a flaw was cured, if it was.
    fn of(&self, flaw: &Flaw) -> Option<&OccurredAt> {
        let special = match flaw.what {
            What::Held | What::Short => self.explained.since(flaw.entry),
            What::Papers => self.reviewed.since(flaw.entry),
            What::Disputed => self.agreed.since(flaw.entry),
            _ => None,
        };
        special.or_else(|| self.cleared.since(flaw.entry).filter(|_| flaw.what.is_clearable()))
    }

    /// When flaws were cured, as far as that was a condition of grams that entered their pool no earlier than an entry: what was
    /// held only since then keeps its month. In words, the first flaw that nobody is shown to have cured.
    pub(super) fn settle(&self, flaws: &BTreeSet<Flaw>, entered: EntryIndex) -> Result<Vec<OccurredAt>, String> {
        let mut conditions = Vec::new();
        for flaw in flaws {
            let cured = self.of(flaw).ok_or_else(|| flaw.what.words().to_owned())?;
            if flaw.what != What::Held || flaw.entry < entered {
                conditions.push(cured.clone());
            }
        }
        Ok(conditions)
    }
}
