//! What grams can lack, each with its code, the rule in words, what to do about it, and where the rule comes from.

use crate::domain::evidence::FlawCode;

/// Declares every gap once: code, rule in words, what to do, source.
macro_rules! gaps {
    ($( $(#[$about:meta])* $gap:ident = $code:literal, $reason:literal, $todo:literal, $source:literal; )*) => {
        crate::domain::fields::codes! {
            /// A rule that a treatment's grams do not meet, or not yet.
            pub enum Gap { $( $(#[$about])* $gap = $code ),* }
        }

        impl Gap {
            /// The rule, in words for whoever runs a centre.
            pub const fn reason(self) -> &'static str {
                match self { $( Self::$gap => $reason ),* }
            }

            /// What to do about it, in the same words.
            pub const fn todo(self) -> &'static str {
                match self { $( Self::$gap => $todo ),* }
            }

            /// Where the rule comes from.
            pub const fn source(self) -> &'static str {
                match self { $( Self::$gap => $source ),* }
            }
        }
    };
}

gaps! {
    /// Whole equipment, or waste that was not dismantled under the ledger.
    NotFromBatch = "not_from_batch",
        "only fractions of a batch back a certificate: dismantle first, then treat",
        "Feed waste into a batch and treat what comes out. What was treated whole backs nothing.",
        "WF-RepTool: only final fractions that enter a final technology count";
    /// The treated lot, or what went into its batch, was estimated or taken from a mean.
    NotWeighed = "not_weighed",
        "only weighed mass counts, at the batch's input and at treatment: use a registered, verified scale",
        "Weigh on a registered scale whose verification holds. If it was weighed and said otherwise, correct the statement.",
        "UK WEEE evidence and India's EPR rules: evidence rests on weighed tonnes";
    /// The batch is still open.
    BatchOpen = "batch_open",
        "its batch is still open: close the batch",
        "Weigh what is in the last cages, then post batch_closed.",
        "mass balance per batch (EN 50625-1)";
    /// The batch closed with less than went in, beyond the band.
    BatchShort = "batch_short",
        "its batch lost more than the band: an auditor must look at it",
        "Look for a lot that was not posted, or a weight typed wrong, and correct it. Else ask an auditor for a finding.",
        "mass balance per batch (EN 50625-1)";
    /// More came out of the batch than went in; this lies beyond its input.
    BeyondBatchInput = "beyond_batch_input",
        "a batch backs no more grams than went into it",
        "Nothing, if the scales merely differ. If an input was weighed too low, correct its weight.",
        "UK WEEE evidence: never more than the tonnes received";
    /// The site of the batch was not audited, or it did not conform.
    BatchSiteNotAudited = "batch_site_not_audited",
        "the site of dismantling needs a conforming audit around the day of treatment, within the months that /v1/reference/scheme gives",
        "Invite an independent auditor to your site; the audit counts for treatments of so many months before and after.",
        "TCO Certified Edge: collectors are audited by independent verifiers";
    /// The site of the treatment was not audited, or it did not conform.
    TreatmentSiteNotAudited = "treatment_site_not_audited",
        "the site of treatment needs a conforming audit around the day of treatment, within the months that /v1/reference/scheme gives",
        "Ask the plant that treats for an audit by an independent auditor, or send to one that has been audited.",
        "TCO Certified Edge: collectors are audited by independent verifiers";
    /// No permit covered some step on its day.
    PermitNotValid = "permit_not_valid",
        "the permit of a site did not cover operation, waste code and day",
        "If the permit covered it and was not on the ledger, have the operator register it and ask an auditor to clear the entry.",
        "Directive 2008/98/EC, article 23; WEEE Directive, article 9";
    /// A site on the way had taken in more than its permit allows, in all or into one operation.
    OverCapacity = "over_capacity",
        "a site had taken in more that year than its permit allows, in all or into one operation, with declared work outside",
        "Ask the authority for a larger permit before taking in more; an auditor can clear what was within it after all.",
        "plastic EPR certificates above plant capacity in India; UK WEEE evidence";
    /// A class that the rule set does not know.
    ClassUnknown = "class_unknown",
        "the class stands in no table of the rule set",
        "Correct the class or fraction to one of /v1/reference/classes or /v1/reference/fractions, or ask an auditor to clear the entry.",
        "the code tables of the rule set";
    /// A fraction left its batch later than a batch may last.
    BatchOverdue = "batch_overdue",
        "it left its batch later than a batch may last",
        "Open a new batch before the days of the rule set are over. An auditor can clear what left late.",
        "the batch of this ledger, and how long it lasts";
    /// A handover is in dispute.
    Disputed = "disputed",
        "sender and receiver weighed it differently beyond the band",
        "Agree with the other side: both post difference_agreed, or whoever weighed wrong corrects. An auditor can clear the entry of the answer.",
        "weighing bands of the rule set";
    /// It changed hands between two keys that the operator holds.
    CustodyNotConfirmed = "custody_not_confirmed",
        "it changed hands between two hosted keys: one side needs a key of its own",
        "Get a key of your own for the next handover. An auditor can clear this one.",
        "two parties, two statements";
    /// It changed hands between related parties, or one organisation spoke for both.
    RelatedParties = "related_parties",
        "it changed hands between related parties: an auditor must look at it",
        "Ask an auditor who is related to neither for a finding about the handover.",
        "ISO/IEC 17065: impartiality";
    /// It crossed a border without the consent or paper that it needed.
    BorderNotCovered = "border_not_covered",
        "it crossed a border, or ended behind it, without the consent or paper that it needed",
        "Ship under a consent or Annex VII papers, receive it in the country and at the plant that they name, and treat it by their operation and in time. An auditor can clear the entry.",
        "Basel Convention, articles 6 and 9; Regulation (EU) 2024/1157";
    /// The law of the country of dispatch kept it from its destination.
    ExportBanned = "export_banned",
        "the law of the country of dispatch keeps such waste from that destination",
        "Treat such waste at home or in a country to which it may go. If that destination was lawful after all, an auditor can clear the entry.",
        "Regulation (EU) 2024/1157, article 39";
    /// An interim treatment lost more than the band.
    InterimShort = "interim_short",
        "an interim treatment lost more than the band: an auditor must look at it",
        "Look for an output that was not posted and correct it, or ask an auditor for a finding.",
        "mass balance per batch (EN 50625-1)";
    /// It rests on papers of a plant without a key that nobody has reviewed.
    NotReviewed = "not_reviewed",
        "it rests on papers of a plant without a key: somebody else must review them",
        "Ask an auditor or the operator to review the papers and post evidence_reviewed.",
        "documented counterparties: evidence is reviewed by somebody else";
    /// An auditor's finding holds it.
    HeldByFinding = "held_by_finding",
        "an auditor's finding holds it",
        "Give the auditor what the finding asks for; the auditor clears it.",
        "audit findings of this ledger";
    /// A rule found something behind it implausible, and no auditor has cleared it.
    SignalRaised = "signal_raised",
        "something behind it is implausible: an auditor must look at it, or it must be corrected",
        "Read the signal at /v1/signals. If something was typed wrong, correct it; else ask an auditor for a finding.",
        "the frauds of other registries; thresholds are a policy of the rule set";
    /// A correction of something behind it is not decided.
    CorrectionUndecided = "correction_undecided",
        "a correction of something behind it is not decided: confirm it, or dispute it",
        "Whoever is asked posts correction_confirmed or correction_disputed; after 30 days an auditor decides.",
        "corrections of this ledger";
    /// The site of the batch or of the treatment is suspended.
    SiteSuspended = "site_suspended",
        "the site is suspended: nothing of it backs a new certificate until it is restored",
        "Cure what the suspension names and ask whoever suspended the site to restore it.",
        "suspension by auditor or operator";
    /// More flaws than can be cured one by one.
    TooManyFlaws = "too_many_flaws",
        "more was wrong behind it than can be cured piece by piece",
        "These grams stay out. Make smaller lots, and keep apart what has something wrong with it.",
        "the bound of this ledger on flaws";
    /// Something behind it was signed by a key at or after the entry from which it was compromised.
    KeyCompromised = "key_compromised",
        "a key that signed for it was reported compromised from an earlier entry on",
        "These grams stay out: nobody can know who signed for them. Tell the operator at once when a key is lost.",
        "key rules of this ledger";
    /// It did not become waste in a country of the scheme.
    CountryNotListed = "country_not_listed",
        "only waste that arose in a country on the scheme's list backs a certificate (/v1/reference/scheme)",
        "Nothing, if it arose there. If the country was typed wrong at the receipt, correct the receipt.",
        "additionality: waste that would otherwise not be formally collected (Closing the Loop)";
    /// It did not become waste in the country in which it was dismantled.
    Imported = "imported",
        "waste is dismantled in the country in which it arose: what was brought in over a border backs nothing",
        "Dismantle what arose in your own country in batches of its own. If the country was typed wrong, correct the receipt.",
        "no imported waste just to claim (registry rules, eligibility of mass)";
    /// Scrap of a factory.
    ManufacturingScrap = "manufacturing_scrap",
        "scrap of manufacturing is no end-of-life equipment",
        "Keep production scrap in batches of its own. If the kind of source was typed wrong, correct the receipt.",
        "no manufacturing scrap (registry rules, eligibility of mass)";
    /// It came in as something else than equipment.
    NotEquipment = "not_equipment",
        "only end-of-life equipment counts: what came in as scrap, parts or fractions backs nothing",
        "Take in whole equipment under its class. If the class was typed wrong, correct the receipt.",
        "end-of-life equipment of the 54 UNU-KEYS";
    /// The supplier said that another scheme counts it, or did not say that none does.
    CountedElsewhere = "counted_elsewhere",
        "its supplier, or the centre, declared that another scheme counts it: producer responsibility, plastic, carbon or other",
        "Mass counts once. Keep what is counted elsewhere in batches of its own; correct the declaration if it was wrong.",
        "EECS: the certificate is the entire benefit of the unit; other instruments exclude it";
    /// The centre has not said whether it has it counted elsewhere.
    CentreNotDeclared = "centre_not_declared",
        "the centre has not declared that it has the batch counted nowhere else",
        "Say counted_elsewhere in batch_closed; for a batch that is closed, correct that statement.",
        "EECS: the certificate is the entire benefit of the unit; other instruments exclude it";
    /// The operation ends no fraction under the scheme.
    OperationNotAdmitted = "operation_not_admitted",
        "fractions end by R3 to R6; R1, D5, D9, D10 and D12 are for residues and hazardous outputs, all else never counts",
        "Send it to a plant that recycles it. If the operation was typed wrong, correct the treatment.",
        "Directive 2008/98/EC, annexes I and II; disposal only for hazardous residues";
    /// Residual operations ended more than their share of the batch.
    ResidualShareExceeded = "residual_share_exceeded",
        "energy recovery and disposal count for at most the share of what went into a batch that /v1/reference/scheme gives",
        "This treatment and later ones of the same batch by these operations back nothing: recycle more of the batch.",
        "share of the scheme, a policy of the rule set (/v1/reference/scheme)";
    /// The hazardous grams of the batch are not where they belong.
    BatchIncomplete = "batch_incomplete",
        "of a batch's hazardous grams the share that /v1/reference/scheme gives must be accepted by a site that may treat them, the rest stored and weighed, and not for longer than it says",
        "Hand over the hazardous lots of the batch (boards, batteries, lamps) to plants permitted for them, weighed; look for what was lost.",
        "100 % environmentally sound treatment of all fractions, valuable and hazardous (WorldLoop)";
    /// What the equipment should have held did not come out, or too little of it.
    PartsNotAccountedFor = "parts_not_accounted_for",
        "batteries, boards, backlights and toner that the equipment should hold are among a batch's outputs, at least the share that /v1/reference/scheme names, if it names one, or its receipt counted them missing",
        "If some of the fraction was not posted, take back the closing by a correction, post it, and close again. If pieces came without it, correct the receipt: pieces and missing; where no share is named, only what all of them lack counts.",
        "WEEE Directive, annex VII; boards taken out of phones sold by weight (Recell, Ghana)";
    /// What kept it back is gone without a word about it: a key that signed against it was reported compromised.
    NotLookedAt = "not_looked_at",
        "it meets every rule by now, and waits to be looked at again",
        "Ask an auditor for a finding that clears the treatment; the next audit of its site has it looked at too.",
        "pools of this ledger: grams enter by an entry";
}

impl Gap {
    /// Whether a later statement under this very scheme can close it; what only a correction can is none of these.
    pub(crate) const fn may_still_close(self) -> bool {
        !matches!(
            self,
            Self::NotFromBatch | Self::NotWeighed | Self::BeyondBatchInput | Self::KeyCompromised | Self::TooManyFlaws
        ) && (!self.is_new_with_1() || matches!(self, Self::BatchIncomplete))
    }

    /// Whether it is a rule of `e-resource/1` that its predecessor had not.
    pub const fn is_new_with_1(self) -> bool {
        matches!(
            self,
            Self::CountryNotListed
                | Self::Imported
                | Self::ManufacturingScrap
                | Self::NotEquipment
                | Self::CountedElsewhere
                | Self::CentreNotDeclared
                | Self::OperationNotAdmitted
                | Self::ResidualShareExceeded
                | Self::BatchIncomplete
                | Self::PartsNotAccountedFor
        )
    }

    /// Whether it keeps grams out of a pool. A suspension does not: it completes nothing, it only stops the issue.
    pub(crate) const fn bars_entry(self) -> bool {
        !matches!(self, Self::SiteSuspended)
    }

    /// Whether units fail that rest on such grams already. What is undecided, only implausible or only in doubt, or stops new
    /// issues alone, fails none: an auditor's finding says it.
    pub const fn fails_units(self) -> bool {
        !matches!(
            self,
            Self::SiteSuspended
                | Self::CorrectionUndecided
                | Self::SignalRaised
                | Self::KeyCompromised
                | Self::BatchSiteNotAudited
                | Self::TreatmentSiteNotAudited
        )
    }

    pub(crate) const fn of(flaw: FlawCode) -> Self {
        match flaw {
            FlawCode::PermitNotValid => Self::PermitNotValid,
            FlawCode::OverCapacity => Self::OverCapacity,
            FlawCode::ClassUnknown => Self::ClassUnknown,
            FlawCode::Disputed => Self::Disputed,
            FlawCode::BatchOverdue => Self::BatchOverdue,
            FlawCode::CustodyNotConfirmed => Self::CustodyNotConfirmed,
            FlawCode::RelatedParties => Self::RelatedParties,
            FlawCode::BorderNotCovered => Self::BorderNotCovered,
            FlawCode::ExportBanned => Self::ExportBanned,
            FlawCode::InterimShort => Self::InterimShort,
            FlawCode::Documented => Self::NotReviewed,
            FlawCode::Finding => Self::HeldByFinding,
            FlawCode::Correction => Self::CorrectionUndecided,
            FlawCode::Signal => Self::SignalRaised,
            FlawCode::TooMany => Self::TooManyFlaws,
        }
    }
}
