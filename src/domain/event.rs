//! Every statement that can be made, version 1: its types, what all have in common, and how it is read.

use crate::domain::delegation::Delegation;
use crate::domain::erasure::Erased;
use crate::domain::fields::{Field, FieldClass, FieldInfo, Fields, Malformed, Record, Value, record, text_field};
use crate::domain::ids::{ActorId, HandoverId, OrganisationId, Origin, ScaleId, SiteId, StatementId};
use crate::domain::mass::Weight;
use crate::domain::registry::SiteCodeTaken;
use crate::domain::serial::SerialBlock;
use crate::domain::time::OccurredAt;
use crate::domain::treatment::Treatment;

pub use crate::domain::payload::{
    batch::*, border::*, certificate::*, correction::*, custody::*, device::*, erasure::*, evidence::*, keys::*,
    lot::*, registry::*,
};

/// The only version of payloads so far.
pub const PAYLOAD_VERSION: i64 = 1;

/// Declares the list of types once: the enum of events, its names, its decoder and its documentation.
macro_rules! events {
    ($( $name:ident = $text:literal ),* $(,)?) => {
        /// What a statement says happened.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event { $( #[doc = concat!("`", $text, "`")] $name($name) ),* }

        impl Event {
            /// Every type with its own fields, in the order of the design's event table.
            pub const TYPES: &'static [(&'static str, &'static [FieldInfo])] =
                &[ $( ($text, <$name as Record>::FIELDS) ),* ];

            /// The type as it is written.
            pub const fn type_name(&self) -> &'static str {
                match self { $( Self::$name(_) => $text ),* }
            }

            pub(crate) fn take_from(type_name: &str, fields: &mut Fields<'_>) -> Result<Self, Malformed> {
                match type_name {
                    $( $text => <$name as Record>::take_from(fields).map(Self::$name), )*
                    _ => Err(Malformed { pointer: "/type".into(), problem: "this type of event is not known".into() }),
                }
            }

            pub(crate) fn put_into(&self, members: &mut Vec<(String, Value)>) {
                match self { $( Self::$name(event) => event.put_into(members) ),* }
            }
        }
    };
}

events! {
    LedgerOpened = "ledger_opened",
    OrganisationRegistered = "organisation_registered",
    SiteRegistered = "site_registered",
    ScaleRegistered = "scale_registered",
    KeyRegistered = "key_registered",
    KeyRevoked = "key_revoked",
    RulesAdopted = "rules_adopted",
    CheckpointKeyChanged = "checkpoint_key_changed",
    LedgerClosed = "ledger_closed",
    SiteChanged = "site_changed",
    FacilityRegistered = "facility_registered",
    ProjectRegistered = "project_registered",
    TrainingHeld = "training_held",
    DelegationGranted = "delegation_granted",
    DelegationEnded = "delegation_ended",
    RelationDeclared = "relation_declared",
    Registered = "registered",
    Donated = "donated",
    Tested = "tested",
    Repaired = "repaired",
    DataSanitised = "data_sanitised",
    PreparedForReuse = "prepared_for_reuse",
    PartRemoved = "part_removed",
    PartInstalled = "part_installed",
    Packed = "packed",
    Unpacked = "unpacked",
    PutInUse = "put_in_use",
    Checked = "checked",
    Retired = "retired",
    Reweighed = "reweighed",
    Collected = "collected",
    Received = "received",
    Merged = "merged",
    Split = "split",
    Stored = "stored",
    HandoverOffered = "handover_offered",
    HandoverWithdrawn = "handover_withdrawn",
    HandoverAccepted = "handover_accepted",
    HandoverRefused = "handover_refused",
    DifferenceAgreed = "difference_agreed",
    Carried = "carried",
    ExportConsented = "export_consented",
    ExportShipped = "export_shipped",
    ImportReceived = "import_received",
    BatchOpened = "batch_opened",
    BatchFed = "batch_fed",
    Dismantled = "dismantled",
    BatchClosed = "batch_closed",
    TreatedInterim = "treated_interim",
    TreatedFinal = "treated_final",
    Released = "released",
    Lost = "lost",
    Found = "found",
    EvidenceAttached = "evidence_attached",
    EvidenceReviewed = "evidence_reviewed",
    SiteAudited = "site_audited",
    AuditFinding = "audit_finding",
    Corrected = "corrected",
    CorrectionConfirmed = "correction_confirmed",
    CorrectionDisputed = "correction_disputed",
    SiteSuspended = "site_suspended",
    SiteRestored = "site_restored",
    CertificateIssued = "certificate_issued",
    CertificateCountersigned = "certificate_countersigned",
    CertificateTransferred = "certificate_transferred",
    CertificateSplit = "certificate_split",
    CertificateRetired = "certificate_retired",
    CertificateCancelled = "certificate_cancelled",
    CertificateWithdrawn = "certificate_withdrawn",
    CertificateFrozen = "certificate_frozen",
    CertificateUnfrozen = "certificate_unfrozen",
    CertificateReplaced = "certificate_replaced",
    ValueErased = "value_erased",
}

fn is_type_name(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

text_field!(
    /// The name of an event's type.
    TypeName, Code, "the name of a type, such as registered", is_type_name
);

/// The version of a payload's field list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(i64);

impl Version {
    /// The only version so far.
    pub const ONE: Self = Self(PAYLOAD_VERSION);
}

impl Field for Version {
    const CLASS: FieldClass = FieldClass::Quantity;

    fn read(value: &Value) -> Result<Self, Malformed> {
        match value {
            Value::Integer(PAYLOAD_VERSION) => Ok(Self::ONE),
            _ => Err(Malformed::here("expected 1, the only version so far")),
        }
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Integer(self.0))
    }
}

record! {
    /// What every statement says, whatever its type.
    pub struct Common {
        /// The version of the field list.
        v: Version,
        /// The ledger for which it is made; it cannot be replayed to another.
        ledger: Origin,
        /// Its id, chosen by its author.
        id: StatementId,
        /// The organisation that says it.
        org: OrganisationId,
        /// For whom it is said, if the author speaks under a delegation; then that organisation is the one that acts.
        on_behalf_of: Option<OrganisationId>,
        /// The person who acted, by an id that only the organisation can resolve.
        actor: Option<ActorId>,
        /// The organisation's site where it happened.
        site: Option<SiteId>,
        /// What kind of thing happened.
        r#type: TypeName,
        /// When it happened.
        occurred_at: OccurredAt,
    }
}

impl Common {
    /// Who acts: the author, or whoever it speaks for under a delegation.
    pub fn party(&self) -> OrganisationId {
        self.on_behalf_of.unwrap_or(self.org)
    }
}

/// A decoded payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The common part.
    pub common: Common,
    /// The part that its type decides.
    pub event: Event,
}

impl Statement {
    /// Reads a payload's tree; every unknown, missing or ill-formed field is named by its pointer.
    pub fn read(value: &Value) -> Result<Self, Malformed> {
        let mut fields = Fields::of(value)?;
        let common = Common::take_from(&mut fields)?;
        let event = Event::take_from(common.r#type.as_str(), &mut fields)?;
        fields.finish()?;
        Ok(Self { common, event })
    }

    /// Whether it counts as one person's of two: it asks for another person's signature, or signs second and says who does. A
    /// second signature of another organisation needs no actor.
    pub const fn rests_on_a_person(&self) -> bool {
        match &self.event {
            Event::CertificateIssued(event) => matches!(event.second, Some(SecondSignature::Person)),
            Event::CertificateWithdrawn(event) => matches!(event.second, Some(SecondSignature::Person)),
            Event::CertificateCountersigned(_) => self.common.actor.is_some(),
            _ => false,
        }
    }

    /// Every identifier that stands in it: what a partial state should hold before the rules are asked.
    pub fn identifiers(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut left = vec![self.to_value()];
        while let Some(value) = left.pop() {
            match value {
                Value::Object(members) => left.extend(members.into_iter().map(|(_, value)| value)),
                Value::List(elements) => left.extend(elements),
                // A UUID has 36 characters, a key's thumbprint 43.
                Value::Text(text) if matches!(text.len(), 36 | 43) => found.push(text),
                _ => {}
            }
        }
        if let Some(from) = &self.common.on_behalf_of {
            found.push(Delegation::id_of(from, &self.common.org));
        }
        match &self.event {
            Event::KeyRegistered(event) => found.push(event.jwk.thumbprint().to_string()),
            Event::LedgerOpened(event) => {
                found.extend(event.operator_keys.iter().map(|jwk| jwk.thumbprint().to_string()));
            }
            Event::SiteRegistered(event) => found.push(SiteCodeTaken::id_of(&event.country, &event.code)),
            Event::CertificateIssued(event) => {
                found.extend(event.allotments.iter().map(|allotment| Treatment::id_of(allotment.treatment)));
            }
            Event::ValueErased(event) => found.push(Erased::id_of(event.entry)),
            event => found.extend(event.certificates().into_iter().map(SerialBlock::to_string)),
        }
        found
    }

    /// The payload's tree, its members in the order of the declarations.
    pub fn to_value(&self) -> Value {
        let mut members = Vec::new();
        self.common.put_into(&mut members);
        self.event.put_into(&mut members);
        Value::Object(members)
    }

    /// The payload as compact JSON, for those who author statements with this library.
    pub fn to_payload(&self) -> String {
        self.to_value().to_string()
    }
}

impl Event {
    /// The weights that are stated in it.
    pub fn weights(&self) -> Vec<&Weight> {
        match self {
            Self::Registered(event) => vec![&event.weight],
            Self::Reweighed(event) => vec![&event.weight],
            Self::Collected(event) => vec![&event.weight],
            Self::Received(event) => vec![&event.weight],
            Self::Dismantled(event) => vec![&event.weight],
            Self::HandoverAccepted(event) => {
                event.lots.iter().flatten().filter_map(|lot| lot.weight.as_ref()).collect()
            }
            Self::ImportReceived(event) => event.lots.iter().flatten().filter_map(|lot| lot.weight.as_ref()).collect(),
            Self::PartRemoved(event) => vec![&event.weight],
            Self::TreatedInterim(event) => event.outputs.iter().map(|output| &output.weight).collect(),
            Self::BatchClosed(event) => event.remaining.iter().flatten().map(|stock| &stock.weight).collect(),
            _ => Vec::new(),
        }
    }

    /// The handover that it offers, ships or answers.
    pub const fn handover(&self) -> Option<HandoverId> {
        match self {
            Self::HandoverOffered(event) => Some(event.handover),
            Self::HandoverAccepted(event) => Some(event.handover),
            Self::HandoverRefused(event) => Some(event.handover),
            Self::HandoverWithdrawn(event) => Some(event.handover),
            Self::ExportShipped(event) => Some(event.handover),
            Self::ImportReceived(event) => Some(event.handover),
            _ => None,
        }
    }

    /// The certificates that are named in it, but those that it issues.
    pub fn certificates(&self) -> Vec<&SerialBlock> {
        match self {
            Self::CertificateCountersigned(event) => vec![&event.certificate],
            Self::CertificateTransferred(event) => vec![&event.certificate],
            Self::CertificateSplit(event) => [&event.certificate].into_iter().chain(&event.into).collect(),
            Self::CertificateRetired(event) => event.blocks().collect(),
            Self::CertificateCancelled(event) => vec![&event.certificate],
            Self::CertificateWithdrawn(event) => [&event.certificate].into_iter().chain(&event.part).collect(),
            Self::CertificateFrozen(event) => vec![&event.certificate],
            Self::CertificateUnfrozen(event) => vec![&event.certificate],
            Self::CertificateReplaced(event) => {
                let backing = event.replacements.iter().flat_map(|one| [&one.backing].into_iter().chain(&one.cut_from));
                [&event.certificate].into_iter().chain(backing).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The scales on which something was weighed in it.
    pub fn scales(&self) -> Vec<ScaleId> {
        self.weights().into_iter().filter_map(|weight| weight.scale).collect()
    }
}
