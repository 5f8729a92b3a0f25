//! Every statement that can be made, version 1: its type, its fields, who is named in it.

use crate::domain::codes::{
    Arising, AuditOutcome, Commitment, CountedElsewhere, Country, Document, DocumentNumber, Hash, KeyCustody, KeyUse,
    LossCause, Provenance, RefusalReason, ReleaseReason, RevocationReason, ReweighReason, Role, SanitisationMethod,
    SanitisationTechnique, SiteCode, TableCode, TestResult, WasteCode,
};
use crate::domain::fields::{
    Field, FieldClass, FieldInfo, Fields, Malformed, Record, Value, codes, record, text_field,
};
use crate::domain::ids::{
    ActorId, BatchId, EntryIndex, HandoverId, ItemId, KeyId, OrganisationId, Origin, ScaleId, SiteId, StatementId,
};
use crate::domain::mass::{Grams, Weight};
use crate::domain::registry::SiteCodeTaken;
use crate::domain::time::{Date, OccurredAt};

/// The only version of payloads so far.
pub const PAYLOAD_VERSION: i64 = 1;

fn is_compact_jws(text: &str) -> bool {
    let part_ok =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    text.split('.').count() == 3 && text.split('.').all(part_ok)
}

text_field!(
    /// A proof that the secret of a key is held: a compact JWS by that key.
    KeyProof, PublicKey, "a compact JWS", is_compact_jws
);

fn is_vkey(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    (1..=400).contains(&text.len()) && text.bytes().all(fits) && text.split('+').count() >= 3
}

text_field!(
    /// A checkpoint key in the vkey form of C2SP signed-note: name, key id and key joined by `+`.
    Vkey, PublicKey, "a C2SP vkey: name+hex+base64", is_vkey
);

impl Vkey {
    /// The 32 bytes of the public key.
    pub fn public_key(&self) -> Option<[u8; 32]> {
        let encoded = self.as_str().splitn(3, '+').nth(2)?;
        let bytes = data_encoding::BASE64.decode(encoded.as_bytes()).ok()?;
        bytes.get(1..)?.try_into().ok()
    }
}

fn is_key_coordinate(text: &str) -> bool {
    KeyId::parse(text).is_some()
}

text_field!(
    /// The 32 bytes of an Ed25519 public key in base64url without padding.
    KeyCoordinate, PublicKey, "43 characters of base64url: an Ed25519 public key", is_key_coordinate
);

codes! {
    /// The key type of RFC 8037.
    pub enum KeyType {
        /// Octet key pair.
        Okp = "OKP",
    }
}

codes! {
    /// The curve of RFC 8037.
    pub enum Curve {
        /// Edwards curve 25519.
        Ed25519 = "Ed25519",
    }
}

record! {
    /// A public key as a JWK (RFC 7517, RFC 8037).
    pub struct Jwk {
        /// Always `OKP`.
        kty: KeyType,
        /// Always `Ed25519`.
        crv: Curve,
        /// The public key.
        x: KeyCoordinate,
    }
}

record! {
    /// Which code tables, bands and scheme are in force: a version and the SHA-256 of its file.
    pub struct RuleSetName {
        /// The version.
        version: TableCode,
        /// SHA-256 of the rule set's bytes.
        sha256: Hash,
    }
}

record! {
    /// Index 0, and only there: the ledger's name, keys and first rule set. Self-signed by the first operator key.
    pub struct LedgerOpened {
        /// Two keys of the operator: the one in use, and one kept offline for recovery.
        operator_keys: Vec<Jwk>,
        /// Proof of possession by the second key.
        recovery_proof: KeyProof,
        /// The key that signs checkpoints; its name is the origin.
        checkpoint_vkey: Vkey,
        /// Whether this is a test ledger, whose certificates say so for ever.
        test: bool,
        /// The first rule set.
        rule_set: RuleSetName,
    }
}

record! {
    /// An organisation joins. By the operator.
    pub struct OrganisationRegistered {
        /// Its new id.
        organisation: OrganisationId,
        /// What it may be.
        roles: Vec<Role>,
        /// Where it is established.
        country: Country,
        /// Its legal name.
        name: Option<Commitment>,
    }
}

record! {
    /// What an authority allows at a site.
    pub struct Permit {
        /// The permit's number.
        number: DocumentNumber,
        /// Operations allowed: D and R codes of the rule set.
        operations: Vec<TableCode>,
        /// Waste codes allowed.
        waste_codes: Vec<WasteCode>,
        /// Waste that may be received in a calendar year.
        capacity_g_per_year: Grams,
        /// First day.
        valid_from: Date,
        /// Last day.
        valid_until: Date,
        /// The paper itself.
        document: Option<Document>,
    }
}

record! {
    /// A place where an organisation works. By the operator.
    pub struct SiteRegistered {
        /// Whose site it is.
        organisation: OrganisationId,
        /// Its new id.
        new_site: SiteId,
        /// Where it lies.
        country: Country,
        /// Its part of certificate serials; unique in its country, never changed.
        code: SiteCode,
        /// Its address.
        address: Option<Commitment>,
        /// What is allowed there; a site that only uses or tests needs none.
        permit: Option<Permit>,
    }
}

record! {
    /// A scale, or a new verification of one. By the operator.
    pub struct ScaleRegistered {
        /// Its id; registered again with the same site and division, it records a new verification.
        new_scale: ScaleId,
        /// Where it stands.
        at_site: SiteId,
        /// Its verification scale interval.
        division_g: Grams,
        /// The most it weighs.
        capacity_g: Grams,
        /// Day of the last verification.
        verified_on: Date,
        /// Last day for which that verification holds; weighings after it count as estimated.
        verified_until: Date,
        /// The verification's paper.
        document: Option<Document>,
    }
}

record! {
    /// A key comes into force with the next entry. By the operator, or by the organisation for a further key.
    pub struct KeyRegistered {
        /// Whose key it is, for ever.
        organisation: OrganisationId,
        /// The public key.
        jwk: Jwk,
        /// Who holds the secret; never changes.
        custody: KeyCustody,
        /// What it may sign.
        r#use: KeyUse,
        /// Proof that the secret is held.
        proof: KeyProof,
    }
}

record! {
    /// A key goes out of force with the next entry. By the operator or the key's own organisation.
    pub struct KeyRevoked {
        /// The key.
        kid: KeyId,
        /// Why.
        reason: RevocationReason,
        /// `compromised`: entries from here on are held from eligibility, never voided.
        since_index: Option<EntryIndex>,
    }
}

record! {
    /// Other code tables, bands or scheme come into force with the next entry. By the operator.
    pub struct RulesAdopted {
        /// A rule set that this software carries.
        rule_set: RuleSetName,
    }
}

codes! {
    /// What can be registered.
    pub enum RegisteredKind {
        /// A whole product.
        Device = "device",
        /// A part.
        Component = "component",
    }
}

record! {
    /// A device or component comes under the ledger.
    pub struct Registered {
        /// Its new id.
        item: ItemId,
        /// What it is.
        kind: RegisteredKind,
        /// Its product class: a UNU-KEY of the rule set.
        class: TableCode,
        /// Its mass.
        weight: Weight,
        /// Where it was registered; provenance only, never where waste arose.
        country: Country,
        /// Maker's serial number.
        serial: Option<Commitment>,
        /// Maker and model.
        model: Option<Commitment>,
        /// Year of manufacture, where known.
        year: Option<Year>,
    }
}

record! {
    /// What a test found (WEEE Directive, Annex VI: a record of functionality per item).
    pub struct Tested {
        /// The device or component.
        item: ItemId,
        /// The finding.
        result: TestResult,
        /// The test's own record.
        document: Option<Document>,
        /// Remarks of whoever tested.
        note: Option<Commitment>,
    }
}

record! {
    /// A repair was done; the item works.
    pub struct Repaired {
        /// The device or component.
        item: ItemId,
        /// The workshop's record.
        document: Option<Document>,
        /// What was done.
        note: Option<Commitment>,
    }
}

record! {
    /// The data on an item was put out of reach (NIST SP 800-88 r2).
    pub struct DataSanitised {
        /// The device or component.
        item: ItemId,
        /// How far.
        method: SanitisationMethod,
        /// How.
        technique: SanitisationTechnique,
        /// Whether it was verified afterwards; what was not verified does not count.
        verified: bool,
        /// The tool's own certificate.
        document: Option<Document>,
    }
}

record! {
    /// The item is ready for reuse.
    pub struct PreparedForReuse {
        /// The device or component.
        item: ItemId,
        /// The record of the preparation (EN 50614).
        document: Option<Document>,
    }
}

record! {
    /// A beneficiary uses an item that was handed over to it.
    pub struct PutInUse {
        /// The device or component.
        item: ItemId,
        /// The country of use.
        country: Country,
        /// The room, the class, the ward.
        place: Option<Commitment>,
    }
}

record! {
    /// An item becomes waste, there and then, in whatever condition it is.
    pub struct Retired {
        /// The item.
        item: ItemId,
        /// Where and when it became waste.
        arising: Arising,
        /// Whether another scheme counts it.
        counted_elsewhere: CountedElsewhere,
    }
}

codes! {
    /// What can be collected.
    pub enum CollectedKind {
        /// One device.
        Device = "device",
        /// A lot of one class, known by weight.
        Lot = "lot",
    }
}

record! {
    /// Waste from outside the scheme comes under the ledger where it is gathered.
    pub struct Collected {
        /// Its new id.
        item: ItemId,
        /// A device or a lot.
        kind: CollectedKind,
        /// Its product class.
        class: TableCode,
        /// Its mass.
        weight: Weight,
        /// How many pieces a lot has.
        pieces: Option<Count>,
        /// Where and when it became waste.
        arising: Arising,
        /// Where it came from, and whether another scheme counts it.
        provenance: Provenance,
        /// Who gave it.
        supplier: Option<Commitment>,
    }
}

record! {
    /// Waste from outside the scheme is received at a centre's gate.
    pub struct Received {
        /// The new lot's id.
        item: ItemId,
        /// Its product class.
        class: TableCode,
        /// Its mass.
        weight: Weight,
        /// How many pieces it has.
        pieces: Option<Count>,
        /// Where and when it became waste.
        arising: Arising,
        /// Where it came from, and whether another scheme counts it.
        provenance: Provenance,
        /// Who delivered it.
        supplier: Commitment,
        /// The number of the weighbridge ticket or gate receipt.
        number: DocumentNumber,
        /// The ticket itself.
        document: Option<Document>,
    }
}

record! {
    /// Devices or lots become one lot.
    pub struct Merged {
        /// What goes in.
        inputs: Vec<ItemId>,
        /// The new lot's id.
        lot: ItemId,
    }
}

record! {
    /// A part of a lot.
    pub struct LotPart {
        /// The new lot's id.
        lot: ItemId,
        /// Its mass.
        net_g: Grams,
    }
}

record! {
    /// A lot becomes several, exactly.
    pub struct Split {
        /// The lot.
        lot: ItemId,
        /// Its parts.
        parts: Vec<LotPart>,
    }
}

record! {
    /// A lot in an offer.
    pub struct OfferedLot {
        /// The lot.
        lot: ItemId,
        /// What the sender says it weighs.
        sent_g: Grams,
    }
}

record! {
    /// What became of an offered lot at the receiver's.
    pub struct ReceivedLot {
        /// What was received, on the receiver's scale.
        weight: Weight,
        /// What of it is taken.
        accepted_g: Grams,
        /// What of it is not; it goes back to the sender.
        refused_g: Grams,
        /// The new id of the refused part.
        refused_as: Option<ItemId>,
        /// Why it is refused.
        reason: Option<RefusalReason>,
    }
}

record! {
    /// A stretch of dismantling begins at the statement's site; it lasts 31 days at most.
    pub struct BatchOpened {
        /// The new batch's id.
        batch: BatchId,
    }
}

record! {
    /// Waste goes into a batch.
    pub struct BatchFed {
        /// The batch.
        batch: BatchId,
        /// Lots and devices.
        items: Vec<ItemId>,
    }
}

record! {
    /// A fraction leaves a batch, weighed when its cage is full.
    pub struct Dismantled {
        /// The batch.
        batch: BatchId,
        /// The new lot's id.
        lot: ItemId,
        /// What it is: a fraction of the rule set.
        fraction: TableCode,
        /// Its mass.
        weight: Weight,
    }
}

record! {
    /// What was fed into a batch and not dismantled.
    pub struct RemainingStock {
        /// The new lot's id.
        lot: ItemId,
        /// Its product class, one of those fed in.
        class: TableCode,
        /// Its mass.
        weight: Weight,
    }
}

record! {
    /// A batch ends. What no figure explains is booked as difference; nobody types it.
    pub struct BatchClosed {
        /// The batch.
        batch: BatchId,
        /// Dust and spills.
        loss_g: Grams,
        /// Packaging, pallets, dirt, water.
        out_of_scope_g: Grams,
        /// What was not dismantled.
        remaining: Option<Vec<RemainingStock>>,
    }
}

record! {
    /// The end of mass: a final operation at the statement's site.
    pub struct TreatedFinal {
        /// The lot or device.
        item: ItemId,
        /// A final R or D operation.
        operation: TableCode,
        /// The number of the treatment's certificate.
        number: Option<DocumentNumber>,
        /// The certificate.
        document: Option<Document>,
    }
}

record! {
    /// An auditor was on site.
    pub struct SiteAudited {
        /// The site.
        audited_site: SiteId,
        /// The day.
        on: Date,
        /// What was found.
        outcome: AuditOutcome,
        /// The report.
        document: Document,
    }
}

/// A number of pieces, 1 to a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(i64);

impl Field for Count {
    const CLASS: FieldClass = FieldClass::Quantity;

    fn read(value: &Value) -> Result<Self, Malformed> {
        match value {
            Value::Integer(count @ 1..=1_000_000) => Ok(Self(*count)),
            _ => Err(Malformed::here("expected a number of pieces, 1 to 1000000")),
        }
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Integer(self.0))
    }
}

record! {
    /// An item was weighed again.
    pub struct Reweighed {
        /// The item.
        item: ItemId,
        /// What it weighs; `class` does not fit here.
        weight: Weight,
        /// Why.
        reason: ReweighReason,
    }
}

record! {
    /// An item leaves the scheme alive.
    pub struct Released {
        /// The item.
        item: ItemId,
        /// How.
        reason: ReleaseReason,
        /// The invoice or receipt.
        document: Option<Document>,
    }
}

record! {
    /// An item is gone and nobody has it.
    pub struct Lost {
        /// The item.
        item: ItemId,
        /// How.
        cause: LossCause,
        /// A police report or the like.
        document: Option<Document>,
    }
}

record! {
    /// Items are offered to a receiver; until it answers, custody stays with the sender.
    pub struct HandoverOffered {
        /// The new id of the handover.
        handover: HandoverId,
        /// The receiver.
        to: OrganisationId,
        /// The devices and components that are offered.
        items: Option<Vec<ItemId>>,
        /// The lots that are offered.
        lots: Option<Vec<OfferedLot>>,
        /// Who carries it.
        carrier: Option<OrganisationId>,
        /// The number of the paper that goes with it.
        number: Option<DocumentNumber>,
        /// The paper.
        document: Option<Document>,
    }
}

record! {
    /// The sender takes an offer back.
    pub struct HandoverWithdrawn {
        /// The handover.
        handover: HandoverId,
    }
}

record! {
    /// A device or component that the receiver does not take.
    pub struct RefusedItem {
        /// The item.
        item: ItemId,
        /// Why.
        reason: RefusalReason,
    }
}

record! {
    /// The receiver takes what was offered, or a part of it.
    pub struct HandoverAccepted {
        /// The handover.
        handover: HandoverId,
        /// Devices and components that it does not take; all others it takes.
        refused: Option<Vec<RefusedItem>>,
        /// What became of the lots, in the offer's order.
        lots: Option<Vec<ReceivedLot>>,
        /// The weighbridge ticket or receipt.
        document: Option<Document>,
    }
}

record! {
    /// The receiver takes nothing.
    pub struct HandoverRefused {
        /// The handover.
        handover: HandoverId,
        /// Why.
        reason: RefusalReason,
    }
}

/// A year of manufacture, 1950 to 2199.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Year(i64);

impl Field for Year {
    const CLASS: FieldClass = FieldClass::Time;

    fn read(value: &Value) -> Result<Self, Malformed> {
        match value {
            Value::Integer(year @ 1950..=2199) => Ok(Self(*year)),
            _ => Err(Malformed::here("expected a year from 1950 to 2199")),
        }
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Integer(self.0))
    }
}

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

            fn take_from(type_name: &str, fields: &mut Fields<'_>) -> Result<Self, Malformed> {
                match type_name {
                    $( $text => <$name as Record>::take_from(fields).map(Self::$name), )*
                    _ => Err(Malformed { pointer: "/type".into(), problem: "this type of event is not known".into() }),
                }
            }

            fn put_into(&self, members: &mut Vec<(String, Value)>) {
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
    Registered = "registered",
    Tested = "tested",
    Repaired = "repaired",
    DataSanitised = "data_sanitised",
    PreparedForReuse = "prepared_for_reuse",
    PutInUse = "put_in_use",
    Retired = "retired",
    Reweighed = "reweighed",
    Collected = "collected",
    Received = "received",
    Merged = "merged",
    Split = "split",
    HandoverOffered = "handover_offered",
    HandoverWithdrawn = "handover_withdrawn",
    HandoverAccepted = "handover_accepted",
    HandoverRefused = "handover_refused",
    BatchOpened = "batch_opened",
    BatchFed = "batch_fed",
    Dismantled = "dismantled",
    BatchClosed = "batch_closed",
    TreatedFinal = "treated_final",
    Released = "released",
    Lost = "lost",
    SiteAudited = "site_audited",
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

    /// Every identifier that stands in it: what a partial state should hold before the rules are asked.
    pub fn identifiers(&self) -> Vec<String> {
        let mut members = Vec::new();
        self.common.put_into(&mut members);
        self.event.put_into(&mut members);
        let mut found = Vec::new();
        let mut left = vec![Value::Object(members)];
        while let Some(value) = left.pop() {
            match value {
                Value::Object(members) => left.extend(members.into_iter().map(|(_, value)| value)),
                Value::List(elements) => left.extend(elements),
                // A UUID has 36 characters, a key's thumbprint 43.
                Value::Text(text) if matches!(text.len(), 36 | 43) => found.push(text),
                _ => {}
            }
        }
        match &self.event {
            Event::KeyRegistered(event) => found.push(event.jwk.thumbprint().to_string()),
            Event::LedgerOpened(event) => {
                found.extend(event.operator_keys.iter().map(|jwk| jwk.thumbprint().to_string()));
            }
            Event::SiteRegistered(event) => found.push(SiteCodeTaken::id_of(&event.country, &event.code)),
            _ => {}
        }
        found
    }

    /// The payload as compact JSON, for those who author statements with this library.
    pub fn to_payload(&self) -> String {
        let mut members = Vec::new();
        self.common.put_into(&mut members);
        self.event.put_into(&mut members);
        Value::Object(members).to_string()
    }
}
