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
    Disputed,
    Overdue,
    Unpermitted,
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
            Self::Disputed => "sender and receiver weighed it differently beyond the band",
            Self::Overdue => "it left its batch later than a batch may last",
            Self::Unpermitted => "no permit covers dismantling at its site on that day",
            Self::TreatmentUnpermitted => "no permit of its site covers operation, waste code and day",
            Self::InterimUnpermitted => "no permit covers its interim treatment on that day",
            Self::InterimShort => "an interim treatment lost more than the band",
            Self::UnknownClass => "its class stands in no table of the rule set",
            Self::Papers => "it rests on papers of a plant without a key that nobody is shown to have reviewed",
            Self::BorderNotCovered => Gap::BorderNotCovered.reason(),
            Self::ExportBanned => "the law of the country of dispatch keeps it from where it went",
            Self::Compromised => "a key that signed for it was reported compromised before the issue",
            Self::Corrected => {
                "a statement behind it was corrected, in a way that this version of the verifier does not follow down the lineage"
            }
        }
    }

    /// Whether an auditor's finding about the entry clears it.
    const fn is_clearable(self) -> bool {
        !matches!(self, Self::Unweighed | Self::Papers | Self::Compromised | Self::Corrected)
    }
}

/// Something wrong, and the entry that brought it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::proof::verify) struct Flaw {
    pub(in crate::proof::verify) entry: EntryIndex,
    pub(in crate::proof::verify) what: What,
}

/// What was said before the issue that cures flaws, by the entry that brought them.
#[derive(Default)]
pub(super) struct Cures {
    /// Findings that clear an entry.
    cleared: BTreeMap<EntryIndex, OccurredAt>,
    /// Reviews that accept papers.
    reviewed: BTreeMap<EntryIndex, OccurredAt>,
    /// Answers to whose weight both sides agreed.
    agreed: BTreeMap<EntryIndex, OccurredAt>,
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
    /// Gathers them, but for findings, which are taken as they come; what a compromised key signed cures nothing.
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
                _ if shown.is_compromised(&said.signer, said.index, until) => {}
                _ => cures.take(shown, said, &answers, &mut agreeing),
            }
        }
        cures
    }

    fn take(
        &mut self,
        shown: &Shown,
        said: &ShownStatement,
        answers: &BTreeMap<HandoverId, (EntryIndex, OrganisationId)>,
        agreeing: &mut BTreeMap<HandoverId, BTreeSet<OrganisationId>>,
    ) {
        let common = &said.statement.common;
        let at = common.occurred_at.clone();
        match &said.statement.event {
            Event::EvidenceReviewed(event) if event.outcome == ReviewOutcome::Accepted => {
                let papers = shown.statement(event.entry).filter(|papers| papers.index < said.index);
                let poster = papers.map(ShownStatement::party);
                let may = shown.has_role(&common.org, &[Role::Auditor, Role::Operator]);
                if may && poster.is_some_and(|poster| is_independent(shown, said, poster)) {
                    self.reviewed.entry(event.entry).or_insert(at);
                }
            }
            Event::DifferenceAgreed(event) => {
                let sender = shown.offer(&event.handover).and_then(|offer| shown.statement(offer.index));
                let (Some(sender), Some((answer, receiver))) = (sender, answers.get(&event.handover)) else { return };
                let agreed = agreeing.entry(event.handover).or_default();
                agreed.insert(said.party());
                if agreed.contains(&sender.party()) && agreed.contains(receiver) {
                    self.agreed.entry(*answer).or_insert(at);
                }
            }
            _ => {}
        }
    }

    /// A finding clears what an entry brought.
    pub(super) fn clear(&mut self, entry: EntryIndex, said: &ShownStatement) {
        self.cleared.entry(entry).or_insert_with(|| said.statement.common.occurred_at.clone());
    }

    /// A finding about a thing that carries flaws clears those that findings brought.
    pub(super) fn clear_held(&mut self, flaws: &BTreeSet<Flaw>, said: &ShownStatement) {
        for flaw in flaws.iter().filter(|flaw| flaw.what == What::Held) {
            self.clear(flaw.entry, said);
        }
    }

    /// When a flaw was cured, if it was.
    fn of(&self, flaw: &Flaw) -> Option<&OccurredAt> {
        let special = match flaw.what {
            What::Papers => self.reviewed.get(&flaw.entry),
            What::Disputed => self.agreed.get(&flaw.entry),
            _ => None,
        };
        special.or_else(|| self.cleared.get(&flaw.entry).filter(|_| flaw.what.is_clearable()))
    }

    /// When the last of some flaws was cured; in words, the first that nobody is shown to have cured.
    pub(super) fn settle(&self, flaws: &BTreeSet<Flaw>) -> Result<Vec<OccurredAt>, String> {
        flaws.iter().map(|flaw| self.of(flaw).cloned().ok_or_else(|| flaw.what.words().to_owned())).collect()
    }
}
