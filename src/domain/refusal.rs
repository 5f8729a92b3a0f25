//! Why a statement is refused, or accepted with a warning.
//!
//! Refused are only bytes, signatures, roles, state and arithmetic. What physically happened is recorded even when it
//! was not allowed: it is accepted with a warning, and its mass backs no certificate until cured.

use crate::domain::fields::{codes, record, text_field};

codes! {
    /// Stable codes of refusals by the rules. One is reported, of what `apply` finds first: ledger, key and site, then
    /// role, then what the event is about, then tables and arithmetic.
    pub enum RefusalCode {
        /// Index 0 must be `ledger_opened`.
        LedgerNotOpen = "ledger_not_open",
        /// `ledger_opened` stands at index 0 and nowhere else.
        LedgerAlreadyOpen = "ledger_already_open",
        /// The ledger is closed.
        LedgerClosed = "ledger_closed",
        /// The statement was made for another ledger.
        WrongLedger = "wrong_ledger",
        /// No key of that thumbprint is registered.
        KeyUnknown = "key_unknown",
        /// The key belongs to another organisation than `org`.
        KeyOfAnotherOrganisation = "key_of_another_organisation",
        /// The key was revoked by an earlier entry.
        KeyRevoked = "key_revoked",
        /// The key is registered for another use.
        KeyNotForStatements = "key_not_for_statements",
        /// No delegation in force lets `org` say this for `on_behalf_of`.
        DelegationMissing = "delegation_missing",
        /// Nobody can say this for another.
        NotDelegable = "not_delegable",
        /// The two are related, and independence is needed.
        RelatedParties = "related_parties",
        /// `org` lacks the role, or is not the operator.
        RoleMissing = "role_missing",
        /// Nothing of that id is known.
        Unknown = "unknown",
        /// The id is taken.
        AlreadyRegistered = "already_registered",
        /// The roles exclude one another.
        RolesExclude = "roles_exclude",
        /// A list is empty, too long or names something twice.
        ListInvalid = "list_invalid",
        /// The site belongs to another organisation.
        SiteOfAnotherOrganisation = "site_of_another_organisation",
        /// The scale stands at another organisation's site.
        ScaleOfAnotherOrganisation = "scale_of_another_organisation",
        /// The item is held by another organisation.
        NotTheHolder = "not_the_holder",
        /// The item has ended.
        ItemEnded = "item_ended",
        /// The item's status does not allow it.
        WrongStatus = "wrong_status",
        /// The item is of another kind than this needs.
        WrongKind = "wrong_kind",
        /// A lot has one class.
        ClassesDiffer = "classes_differ",
        /// What joins lies in one jurisdiction.
        JurisdictionsDiffer = "jurisdictions_differ",
        /// All that goes into a batch has the same country of arising and flags.
        SourcesDiffer = "sources_differ",
        /// A lot or batch has at most 256 sources.
        TooManySources = "too_many_sources",
        /// The item is packed in a container.
        Packed = "packed",
        /// More would come out of a batch than went in, beyond the band.
        OutputsExceedInputs = "outputs_exceed_inputs",
        /// The batch is closed.
        BatchClosed = "batch_closed",
        /// An interim operation ends no mass.
        OperationNotFinal = "operation_not_final",
        /// Masses that must add up do not.
        SumDiffers = "sum_differs",
        /// A sum would leave the range of 2^53 - 1 grams.
        SumOutOfRange = "sum_out_of_range",
        /// This number of this plant or consent has been used.
        NumberTaken = "number_taken",
        /// The consent does not reach so far.
        ConsentExceeded = "consent_exceeded",
        /// Test, wipe or packing is not on the ledger.
        ProofMissing = "proof_missing",
        /// It has been said, or answers nothing.
        NothingToAnswer = "nothing_to_answer",
        /// The item's condition does not allow it.
        WrongCondition = "wrong_condition",
        /// Its class bears data and no verified wipe is recorded.
        NotSanitised = "not_sanitised",
        /// The technique does not reach the method that is claimed.
        MethodNotReached = "method_not_reached",
        /// It did not come by an accepted handover.
        NotHandedOver = "not_handed_over",
        /// Sender or receiver is not who it must be.
        WrongReceiver = "wrong_receiver",
        /// The handover was answered or withdrawn before.
        HandoverAnswered = "handover_answered",
        /// The code stands in no table of the rule set in force.
        CodeUnknown = "code_unknown",
        /// The rule set is not carried by this software, or its hash differs.
        RuleSetUnknown = "rule_set_unknown",
        /// The stated weight contradicts itself.
        WeightInvalid = "weight_invalid",
        /// The rule set has no mean mass for this class.
        NoClassMean = "no_class_mean",
        /// A time contradicts another.
        TimeInvalid = "time_invalid",
        /// It lies too far before the last event of the same item.
        BeforeLastEvent = "before_last_event",
        /// Such a statement is not corrected.
        NotCorrectable = "not_correctable",
        /// Another organisation said it.
        NotTheAuthor = "not_the_author",
        /// No commitment stands at that place of the payload.
        NoCommitment = "no_commitment",
        /// A claim's values are not erased for this reason.
        ClaimKept = "claim_kept",
        /// The value was erased by an earlier entry.
        ErasedBefore = "erased_before",
        /// An earlier correction of the same entry is not decided yet.
        CorrectionUndecided = "correction_undecided",
        /// The correction changes nothing.
        CorrectionWithoutEffect = "correction_without_effect",
        /// The correction reaches more entries than one correction may.
        CorrectionTooWide = "correction_too_wide",
        /// A later entry could not stand, or certified grams would change.
        CorrectionBlocked = "correction_blocked",
        /// Those whom the correction concerns have the first word.
        CounterpartyFirst = "counterparty_first",
        /// The operator may not issue.
        IssuerIsOperator = "issuer_is_operator",
        /// The scheme is admitted on test ledgers alone.
        SchemeTestOnly = "scheme_test_only",
        /// Another scheme is in force.
        SchemeNotInForce = "scheme_not_in_force",
        /// The pool does not have the grams, or too few for two units.
        UnitsInvalid = "units_invalid",
        /// The pool gives other grams by now: a draft is stale.
        GramsTaken = "grams_taken",
        /// The certificate was split; its parts are certificates.
        CertificateSplit = "certificate_split",
        /// The certificate waits for a second signature.
        CertificatePending = "certificate_pending",
        /// The certificate is frozen.
        CertificateFrozen = "certificate_frozen",
        /// A buyer holds the certificate.
        CertificateSold = "certificate_sold",
        /// Some of its units fail.
        UnitsFailing = "units_failing",
        /// Units are named twice.
        UnitsOverlap = "units_overlap",
        /// The issuer is related to the centre or the holder.
        IssuerRelated = "issuer_related",
        /// More would be issued than the site may treat.
        OverCapacity = "over_capacity",
        /// Units of the site fail and are neither withdrawn nor replaced.
        SiteInDeficit = "site_in_deficit",
        /// Other units come first.
        BackingOutOfTurn = "backing_out_of_turn",
        /// Others back these units, so they back none themselves.
        UnitsBacked = "units_backed",
        /// A second person signs only where the first one is named.
        PersonMissing = "person_missing",
        /// The certificate is retired, or belongs to the buffer.
        CertificateNotHeld = "certificate_not_held",
        /// The certificate's time is over.
        CertificateExpired = "certificate_expired",
        /// No organisation may be named as beneficiary of this retirement.
        BeneficiaryNotNamed = "beneficiary_not_named",
        /// The period of a retirement lies too far from the vintage.
        PeriodOutsideVintage = "period_outside_vintage",
    }
}

codes! {
    /// Stable codes of warnings, which are part of the derived state: replay finds the same ones.
    pub enum WarningCode {
        /// `occurred_at` lies in the future of the ledger's time: a clock is wrong.
        ClockAhead = "clock_ahead",
        /// It was posted later than the offline window after it happened.
        Late = "late",
        /// The class stands in no table of the rule set in force.
        ClassUnknown = "class_unknown",
        /// No table gives a waste code for this class where it lies.
        WasteCodeUnknown = "waste_code_unknown",
        /// The site's permit does not cover this on that day, or it has none.
        PermitNotValid = "permit_not_valid",
        /// The site has taken in more that year than its permit allows, in all or into one operation.
        OverCapacity = "over_capacity",
        /// Less came out of the batch than went in, beyond the band.
        BatchShort = "batch_short",
        /// A fraction left the batch later than a batch may last.
        BatchOverdue = "batch_overdue",
        /// Sender and receiver weighed it differently beyond the band; until both agree it is in dispute.
        DifferenceBeyondBand = "difference_beyond_band",
        /// It crossed a border without the consent or paper that it needed.
        BorderNotCovered = "border_not_covered",
        /// The law of the country of dispatch keeps such waste from that destination.
        ExportBanned = "export_banned",
        /// More went into an interim treatment than came out, beyond the band.
        InterimShort = "interim_short",
        /// It rests on papers of a plant without a key, and nobody has reviewed them yet.
        Documented = "documented",
        /// A rule finds it implausible; until a finding clears it, it backs no certificate.
        SignalRaised = "signal_raised",
        /// The same file is bound to an earlier entry.
        DocumentSeen = "document_seen",
        /// The correction waits for those whom it concerns, or for an auditor; until then the grams are held.
        CorrectionUndecided = "correction_undecided",
        /// It has been stored longer than it may.
        StorageOverdue = "storage_overdue",
        /// The scale's verification does not hold on the day; the weight counts as estimated.
        ScaleOverdue = "scale_overdue",
        /// The weight exceeds what the scale can weigh; it counts as estimated.
        ScaleOverloaded = "scale_overloaded",
    }
}

/// A refusal: nothing changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code.
    pub code: RefusalCode,
    /// JSON Pointer to the field that is to blame.
    pub pointer: String,
    /// What was wrong and what to do, in words.
    pub detail: String,
}

fn is_pointer(text: &str) -> bool {
    text.is_empty() || text.starts_with('/')
}

text_field!(
    /// A JSON Pointer (RFC 6901).
    Pointer, Code, "a JSON Pointer", is_pointer
);

record! {
    /// Something that does not keep the statement out, but that others will see.
    pub struct Warning {
        /// The stable code.
        code: WarningCode,
        /// The field that is to blame.
        pointer: Pointer,
    }
}

impl Warning {
    /// A warning about a field.
    pub fn new(code: WarningCode, pointer: &str) -> Option<Self> {
        Pointer::parse(pointer).map(|pointer| Self { code, pointer })
    }
}

/// A warning each, however many items it is about.
pub(crate) fn each_once(warnings: Vec<Warning>) -> Vec<Warning> {
    let mut once: Vec<Warning> = Vec::new();
    for warning in warnings {
        if !once.contains(&warning) {
            once.push(warning);
        }
    }
    once
}

impl WarningCode {
    /// What it means, in words.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::ClockAhead => "occurred_at lies in the future of the ledger's time; check the clock of the device",
            Self::WasteCodeUnknown => "no table gives a waste code for this class where it lies",
            Self::PermitNotValid => {
                "no permit of the site covers this on that day; it backs no certificate until cured"
            }
            Self::OverCapacity => {
                "the site has taken in more that year than its permit allows, in all or into this operation; the whole \
                 statement backs no certificate until cured, and of a batch that is fed the whole batch"
            }
            Self::BorderNotCovered => {
                "it crossed a border without the consent or paper that it needed; it backs no certificate until cured"
            }
            Self::ExportBanned => "the law of the country of dispatch keeps such waste from that destination",
            Self::InterimShort => {
                "less came out of the interim treatment than went in, beyond the band; an auditor must look at it"
            }
            Self::Documented => "it rests on papers of a plant without a key; somebody else must review them",
            Self::CorrectionUndecided => {
                "it waits for those whom it concerns, or for an auditor; until then nothing of it backs a certificate"
            }
            Self::SignalRaised => {
                "this is implausible; it backs no certificate until an auditor has looked, or it is corrected"
            }
            Self::DocumentSeen => "the same file is bound to an earlier entry; is this another load?",
            Self::StorageOverdue => "it was stored longer than it may be",
            Self::BatchOverdue => "the batch has lasted longer than a batch may; close it and open another",
            Self::BatchShort => "less came out than went in, beyond the band; not eligible until an auditor has looked",
            Self::DifferenceBeyondBand => {
                "sender and receiver differ beyond the band; until both agree it is in dispute"
            }
            Self::Late => "posted later than the offline window after it happened",
            Self::ClassUnknown => "the rule set in force has no such class; the mass backs no certificate until cured",
            Self::ScaleOverdue => "the scale's verification does not hold on that day; the weight counts as estimated",
            Self::ScaleOverloaded => "the gross weight exceeds the scale's capacity; the weight counts as estimated",
        }
    }
}
