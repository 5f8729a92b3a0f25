//! What keeps grams from backing a certificate, and what cured it before the issue.

use crate::domain::codes::Role;
use crate::domain::event::{Event, FindingOutcome, ReviewOutcome};
use crate::domain::ids::{EntryIndex, HandoverId, OrganisationId};
use crate::domain::time::OccurredAt;
use crate::proof::verify::shown::{Shown, ShownStatement};
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong with grams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::proof::verify) enum What {
    Unweighed,
    Hosted,
    Disputed,
    Overdue,
    Unpermitted,
    InterimUnpermitted,
    InterimShort,
    UnknownClass,
    Papers,
    BorderNotCovered,
    ExportBanned,
    Compromised,
}

impl What {
    pub(in crate::proof::verify) const fn words(self) -> &'static str {
        match self {
            Self::Unweighed => "something that went in was not weighed on a verified scale",
            Self::Hosted => "it changed hands between two keys that the operator holds",
            Self::Disputed => "sender and receiver weighed it differently beyond the band",
            Self::Overdue => "it left its batch later than a batch may last",
            Self::Unpermitted => "no permit covers dismantling at its site on that day",
            Self::InterimUnpermitted => "no permit covers its interim treatment on that day",
            Self::InterimShort => "an interim treatment lost more than the band",
            Self::UnknownClass => "its class stands in no table of the rule set",
            Self::Papers => "it rests on papers of a plant without a key that nobody is shown to have reviewed",
            Self::BorderNotCovered => "it crossed a border without the consent or paper that it needed",
            Self::ExportBanned => "the law of the country of dispatch keeps it from where it went",
            Self::Compromised => "a key that signed for it was reported compromised before the issue",
        }
    }

    /// Whether an auditor's finding about the entry clears it.
    const fn is_clearable(self) -> bool {
        !matches!(self, Self::Unweighed | Self::Papers | Self::Compromised)
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

impl Cures {
    /// Gathers them; what a compromised key signed cures nothing.
    pub(super) fn before(shown: &Shown, until: EntryIndex) -> Self {
        let (mut cures, mut answers, mut agreeing) = (Self::default(), BTreeMap::new(), BTreeMap::new());
        for said in shown.before(until) {
            match &said.statement.event {
                Event::HandoverAccepted(event) => _ = answers.insert(event.handover, (said.index, said.party())),
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
            Event::AuditFinding(event) if event.outcome == FindingOutcome::Cleared => {
                let author = event.entry.and_then(|entry| shown.statement(entry)).map(ShownStatement::party);
                if let (Some(entry), true) = (event.entry, shown.has_role(&common.org, &[Role::Auditor]))
                    && author != Some(said.party())
                {
                    self.cleared.entry(entry).or_insert(at);
                }
            }
            Event::EvidenceReviewed(event) if event.outcome == ReviewOutcome::Accepted => {
                let poster = shown.statement(event.entry).map(ShownStatement::party);
                let may = shown.has_role(&common.org, &[Role::Auditor, Role::Operator]);
                if may && poster.is_some_and(|poster| poster != said.party()) {
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
