//! What stands behind the grams of an item, a batch or a treatment: who signed for them, when the last of it happened,
//! and what was found that keeps them from backing a certificate.

use crate::domain::apply::Context;
use crate::domain::border::{Completion, completion};
use crate::domain::fields::{codes, record};
use crate::domain::ids::{EntryIndex, KeyId};
use crate::domain::refusal::{Warning, WarningCode};
use crate::domain::signal::{HandedOn, joined};
use crate::domain::time::OccurredAt;
use crate::limits::FLAWS_MAX;
use std::collections::BTreeMap;

codes! {
    /// A fact that was accepted although it was not allowed, or not proved: its grams back no certificate until cured.
    pub enum FlawCode {
        /// No permit covered what was done, where, on that day.
        PermitNotValid = "permit_not_valid",
        /// The site had taken in more this year than its permit allows, in all or into one operation.
        OverCapacity = "over_capacity",
        /// The rule set had no such class.
        ClassUnknown = "class_unknown",
        /// Sender and receiver weighed it differently beyond the band.
        Disputed = "disputed",
        /// It left its batch later than a batch may last.
        BatchOverdue = "batch_overdue",
        /// It changed hands between two keys that the operator holds: nobody else confirmed it.
        CustodyNotConfirmed = "custody_not_confirmed",
        /// It changed hands between related parties, or one organisation spoke for both.
        RelatedParties = "related_parties",
        /// It crossed a border without the consent or paper that it needed.
        BorderNotCovered = "border_not_covered",
        /// It was kept from its destination by the law of the country of dispatch.
        ExportBanned = "export_banned",
        /// An interim treatment lost more than the band.
        InterimShort = "interim_short",
        /// It rests on papers of a plant without a key.
        Documented = "documented",
        /// An auditor's finding holds it.
        Finding = "finding",
        /// A correction of something behind it is not decided.
        Correction = "correction",
        /// A rule found it implausible.
        Signal = "signal",
        /// More flaws than are kept one by one: no cure of a few of them heals it.
        TooMany = "too_many",
    }
}

record! {
    /// A flaw and the entry that brought it.
    pub struct Flaw {
        /// Which.
        code: FlawCode,
        /// Where it was stated: what cures it names this entry.
        entry: EntryIndex,
    }
}

record! {
    /// A key that signed something of it.
    pub struct Signer {
        /// The key.
        kid: KeyId,
        /// The last entry that it signed here: one at or after which the key was compromised counts for nothing.
        last: EntryIndex,
    }
}

record! {
    /// What stands behind grams, over their whole lineage.
    pub struct Evidence {
        /// The latest time at which anything of it happened, as written: it decides the vintage.
        latest: OccurredAt,
        /// Who signed, by thumbprint.
        signers: Vec<Signer>,
        /// What was found, by code.
        flaws: Vec<Flaw>,
        /// Who has handed it on as waste, where the rule set looks for circles.
        handed_on: Option<Vec<HandedOn>>,
        /// How and until when it must end, as shipments over borders brought it, where the rule set asks.
        completions: Option<Vec<Completion>>,
    }
}

impl Evidence {
    /// That of a first statement.
    pub(crate) fn of(context: &Context<'_>) -> Self {
        let signers = vec![Signer { kid: context.signer, last: context.signed_at() }];
        let latest = context.statement.common.occurred_at.clone();
        Self { latest, signers, flaws: Vec::new(), handed_on: None, completions: None }
    }

    /// With one more statement.
    pub(crate) fn and(self, context: &Context<'_>) -> Self {
        self.join(&Self::of(context))
    }

    /// Of two that become one: the later time, every signer, every flaw, everybody who handed either on, all
    /// that is asked of their end.
    pub(crate) fn join(mut self, other: &Self) -> Self {
        self.latest = self.latest.later(&other.latest);
        let mut last: BTreeMap<KeyId, EntryIndex> =
            self.signers.iter().map(|signer| (signer.kid, signer.last)).collect();
        for signer in &other.signers {
            let known = last.entry(signer.kid).or_insert(signer.last);
            *known = (*known).max(signer.last);
        }
        self.handed_on = joined(self.handed_on.as_deref(), other.handed_on.as_deref());
        self.completions = completion::joined(self.completions.iter().chain(&other.completions).flatten());
        self.signers = last.into_iter().map(|(kid, last)| Signer { kid, last }).collect();
        other.flaws.iter().fold(self, |evidence, flaw| evidence.flawed(flaw.code, flaw.entry))
    }

    /// With a flaw that this entry brings.
    pub(crate) fn flawed(mut self, code: FlawCode, entry: EntryIndex) -> Self {
        let flaw = Flaw { code, entry };
        let at = self.flaws.binary_search_by_key(&(code, entry), |known| (known.code, known.entry));
        let Err(at) = at else { return self };
        if self.flaws.len() + 1 < FLAWS_MAX {
            self.flaws.insert(at, flaw);
        } else if self.flaws.last().is_none_or(|last| last.code != FlawCode::TooMany) {
            self.flaws.push(Flaw { code: FlawCode::TooMany, entry });
        }
        self
    }

    /// With what is asked of the end of what a shipment brought.
    pub(crate) fn bound_to(self, asked: &Completion) -> Self {
        let completions = completion::joined(self.completions.iter().flatten().chain([asked]));
        Self { completions, ..self }
    }

    /// As it goes on in what comes out of sorting.
    pub(crate) fn sorted(self) -> Self {
        let completions = completion::of_other_waste(self.completions.as_deref().unwrap_or_default());
        Self { completions, ..self }
    }

    /// As it goes on in a batch, of whose fractions nothing is asked any more: they are waste of the country.
    pub(crate) fn dismantled(self) -> Self {
        Self { completions: None, ..self }
    }

    /// With the flaws that an entry's warnings stand for.
    pub(crate) fn warned(self, warnings: &[Warning], entry: EntryIndex) -> Self {
        let codes = warnings.iter().filter_map(|warning| FlawCode::of(warning.code));
        codes.fold(self, |evidence, code| evidence.flawed(code, entry))
    }
}

impl FlawCode {
    /// What a warning means for the grams, if it means anything.
    const fn of(warning: WarningCode) -> Option<Self> {
        match warning {
            WarningCode::PermitNotValid => Some(Self::PermitNotValid),
            WarningCode::OverCapacity => Some(Self::OverCapacity),
            WarningCode::ClassUnknown => Some(Self::ClassUnknown),
            WarningCode::DifferenceBeyondBand => Some(Self::Disputed),
            WarningCode::BatchOverdue => Some(Self::BatchOverdue),
            WarningCode::BorderNotCovered => Some(Self::BorderNotCovered),
            WarningCode::ExportBanned => Some(Self::ExportBanned),
            WarningCode::InterimShort => Some(Self::InterimShort),
            WarningCode::Documented => Some(Self::Documented),
            WarningCode::SignalRaised => Some(Self::Signal),
            // A doubtful scale makes the weight an estimate and a short batch has a status of its own; a wrong or late
            // clock is no flaw, without a waste code no permit covers it, and a file that stands twice is for auditors.
            WarningCode::ClockAhead
            | WarningCode::Late
            | WarningCode::WasteCodeUnknown
            | WarningCode::BatchShort
            | WarningCode::DocumentSeen
            | WarningCode::CorrectionUndecided
            | WarningCode::StorageOverdue
            | WarningCode::ScaleOverdue
            | WarningCode::ScaleOverloaded => None,
        }
    }
}
