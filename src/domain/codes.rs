//! Code patterns and closed code lists that are no policy: countries, roles, document numbers, hashes.

use crate::domain::fields::{codes, record, text_field};

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase())
}

text_field!(
    /// A country, ISO 3166-1 alpha-2; `XD` is the fictitious country of demonstrations.
    Country, Code, "two capital letters (ISO 3166-1 alpha-2)", is_country
);

fn is_site_code(text: &str) -> bool {
    (2..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

text_field!(
    /// The site's part of a certificate's serial: `[A-Z0-9]{2,8}`, unique in its country, never changed.
    SiteCode, Code, "two to eight capital letters or digits", is_site_code
);

fn is_document_number(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'/' | b'.' | b'_' | b' ');
    (1..=64).contains(&text.len()) && text.bytes().all(fits) && text.trim() == text
}

text_field!(
    /// The number of a permit, a ticket or another business document.
    DocumentNumber, DocumentNumber, "1 to 64 letters, digits, spaces or -/._", is_document_number
);

fn is_code(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

text_field!(
    /// A code from a table of the rule set: a product class, a fraction, an operation.
    TableCode, Code, "a code of 1 to 32 letters, digits or -_.", is_code
);

fn is_scheme(text: &str) -> bool {
    text.len() <= 32 && text.split_once('/').is_some_and(|(name, version)| is_code(name) && is_code(version))
}

text_field!(
    /// The name of a scheme of certificates with its version.
    SchemeName, Code, "a scheme such as e-resource/0", is_scheme
);

fn is_waste_code(text: &str) -> bool {
    let digits = text.strip_suffix('*').unwrap_or(text);
    let bytes = digits.as_bytes();
    let digit_at = |at: usize| bytes[at].is_ascii_digit();
    bytes.len() == 8 && bytes[2] == b' ' && bytes[5] == b' ' && [0, 1, 3, 4, 6, 7].into_iter().all(digit_at)
}

text_field!(
    /// A List of Waste code (Decision 2000/532/EC), `16 02 13*`; the asterisk is part of it.
    WasteCode, Code, "a waste code such as 16 02 14 or 16 02 13*", is_waste_code
);

codes! {
    /// Why another waste code than the tables give.
    pub enum OverrideReason {
        /// It comes from households, or from municipal collection.
        Household = "household",
        /// An analysis or data sheet shows otherwise.
        Analysis = "analysis",
        /// The authority says so.
        Authority = "authority",
        /// It holds a component that its class usually lacks, or lacks one that it usually has.
        Content = "content",
    }
}

record! {
    /// Another waste code than the tables give, by a person.
    pub struct WasteCodeOverride {
        /// The code; it must stand in the list of the place on the day.
        code: WasteCode,
        /// Why.
        reason: OverrideReason,
        /// What shows it.
        document: Option<Document>,
    }
}

fn is_basel_code(text: &str) -> bool {
    let digits = text.get(1..).unwrap_or_default();
    text.starts_with(['A', 'B', 'Y']) && (1..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

text_field!(
    /// An entry of the Basel Convention: Annex VIII (A1181), IX (B1010), I and II (Y49).
    BaselCode, Code, "a Basel entry such as A1181 or Y49", is_basel_code
);

fn is_place(text: &str) -> bool {
    let bytes = text.as_bytes();
    let code = |b: &u8| b.is_ascii_uppercase() || matches!(b, b'2'..=b'9');
    bytes.len() == 5 && bytes[..2].iter().all(u8::is_ascii_uppercase) && bytes[2..].iter().all(code)
}

text_field!(
    /// A place of trade and transport, UN/LOCODE: `BEANR` is Antwerp, `KEMBA` Mombasa.
    Place, Code, "a UN/LOCODE such as BEANR", is_place
);

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

text_field!(
    /// A hash of 32 bytes as 64 lower-case hex digits.
    Hash, Digest, "64 lower-case hex digits", is_hash
);

record! {
    /// A document that stays outside the ledger, bound by two hashes of its bytes.
    pub struct Document {
        /// SHA-256 of the bytes.
        sha256: Hash,
        /// BLAKE3 of the bytes.
        blake3: Hash,
    }
}

text_field!(
    /// The salted hash inside a commitment.
    CommitmentHash, Commitment, "64 lower-case hex digits", is_hash
);

record! {
    /// A value that stays outside the ledger and can be erased there: name, serial number, contact, note.
    ///
    /// `c` = SHA-256("loopledger/commitment/v1" || 0x00 || salt || uint16be(len field) || field || value).
    pub struct Commitment {
        /// The salted hash.
        c: CommitmentHash,
    }
}

codes! {
    /// What an organisation may be.
    pub enum Role {
        /// Gives equipment.
        Donor = "donor",
        /// Gathers equipment or waste.
        Collector = "collector",
        /// Tests, repairs and prepares for reuse.
        Refurbisher = "refurbisher",
        /// Uses equipment: a school, a hospital, a project.
        Beneficiary = "beneficiary",
        /// Moves goods for others.
        Carrier = "carrier",
        /// Dismantles.
        Recycler = "recycler",
        /// Does the final treatment.
        Treater = "treater",
        /// Sends waste across borders.
        Exporter = "exporter",
        /// Issues certificates.
        Issuer = "issuer",
        /// Buys and retires certificates.
        Buyer = "buyer",
        /// Verifies; excludes every other role.
        Auditor = "auditor",
        /// Runs the service.
        Operator = "operator",
    }
}

codes! {
    /// Who holds a key's secret.
    pub enum KeyCustody {
        /// The organisation itself.
        Own = "own",
        /// The service, for those who cannot.
        Hosted = "hosted",
    }
}

impl WasteCode {
    /// Whether it is hazardous: the asterisk says so.
    pub fn is_hazardous(&self) -> bool {
        self.as_str().ends_with('*')
    }
}

/// Countries in which the EU's List of Waste applies: the member states.
const EU_MEMBERS: &[&str] = &[
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
    "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
];

impl Country {
    /// The jurisdiction whose code tables apply there.
    pub fn jurisdiction(&self) -> &str {
        if EU_MEMBERS.contains(&self.as_str()) { "EU" } else { self.as_str() }
    }
}

codes! {
    /// What a key may sign.
    pub enum KeyUse {
        /// Statements of this ledger.
        Statement = "statement",
        /// Credentials outside the ledger.
        Credential = "credential",
    }
}

codes! {
    /// Why a key was revoked.
    pub enum RevocationReason {
        /// Another key takes its place.
        Superseded = "superseded",
        /// Its secret is or may be known to others.
        Compromised = "compromised",
    }
}

codes! {
    /// What an item is.
    pub enum ItemKind {
        /// A whole product, with a product class.
        Device = "device",
        /// A part that is reused or leaves alone.
        Component = "component",
        /// Anything known by weight.
        Lot = "lot",
        /// What others are packed in; it has no mass of its own here.
        Container = "container",
    }
}

codes! {
    /// Where waste came from.
    pub enum SourceKind {
        /// From reuse under this ledger.
        Reuse = "reuse",
        /// From homes.
        Household = "household",
        /// From firms.
        Business = "business",
        /// From schools, hospitals, offices of the state.
        PublicBody = "public_body",
        /// From repairers.
        Repair = "repair",
        /// From waste pickers and informal traders.
        InformalCollector = "informal_collector",
        /// From manufacturing; never eligible.
        Manufacturing = "manufacturing",
    }
}

codes! {
    /// What an auditor found on site.
    pub enum AuditOutcome {
        /// The site does what it says.
        Conforms = "conforms",
        /// It does not; details are findings.
        DoesNotConform = "does_not_conform",
    }
}

codes! {
    /// Whether the same mass is counted by another scheme.
    pub enum CountedElsewhere {
        /// It is not, as far as the declaring party knows.
        None = "none",
        /// Producer responsibility.
        Epr = "epr",
        /// A plastic credit.
        PlasticCredit = "plastic_credit",
        /// A carbon credit.
        CarbonCredit = "carbon_credit",
        /// Another compensation.
        Other = "other",
    }
}

record! {
    /// What is declared of waste when it comes to be, or comes in.
    pub struct Provenance {
        /// Where it came from.
        kind: SourceKind,
        /// Whether another scheme counts it.
        counted_elsewhere: CountedElsewhere,
    }
}

codes! {
    /// A part that equipment should hold, and whose absence the receipt counts.
    pub enum Part {
        /// Batteries and accumulators.
        Batteries = "batteries",
        /// Printed circuit boards.
        Boards = "boards",
        /// Backlights with mercury.
        Backlights = "backlights",
        /// Toner and ink cartridges.
        Toner = "toner",
    }
}

impl<'de> serde::Deserialize<'de> for Part {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("{text} is no part")))
    }
}

impl serde::Serialize for Part {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

codes! {
    /// Where an item stands in its life.
    pub enum ItemStatus {
        /// With its holder.
        Held = "held",
        /// Offered to a receiver who has not answered.
        Offered = "offered",
        /// Used by its holder.
        InUse = "in_use",
        /// Part of an open batch.
        InBatch = "in_batch",
        /// Gone: treated, dismantled, merged, released or lost.
        Ended = "ended",
    }
}

codes! {
    /// What is known of a device's state.
    pub enum Condition {
        /// Nobody has tested it.
        Untested = "untested",
        /// It does what it should.
        Works = "works",
        /// It could work after a repair.
        Repairable = "repairable",
        /// It works, is wiped where its class bears data, and is ready for reuse.
        Prepared = "prepared",
        /// It has ended its life as a product.
        Waste = "waste",
    }
}

codes! {
    /// What a test can find (WEEE Directive, Annex VI).
    pub enum TestResult {
        /// It does what it should.
        Works = "works",
        /// It could work after a repair.
        Repairable = "repairable",
        /// It is at the end of its life; bars reuse.
        Waste = "waste",
    }
}

codes! {
    /// How far the data on a medium was put out of reach (NIST SP 800-88 r2).
    pub enum SanitisationMethod {
        /// Out of reach of the ordinary ways to read it.
        Clear = "clear",
        /// Out of reach of a laboratory; the medium can be used again.
        Purge = "purge",
        /// The medium is destroyed.
        Destroy = "destroy",
    }
}

codes! {
    /// How it was done.
    pub enum SanitisationTechnique {
        /// Overwritten; on flash it only clears.
        Overwrite = "overwrite",
        /// Reset to the factory's state.
        FactoryReset = "factory_reset",
        /// The medium's own command to erase all blocks.
        BlockErase = "block_erase",
        /// The key of an encrypted medium was erased.
        CryptoErase = "crypto_erase",
        /// Demagnetised; since revision 2 it purges and does not count as destruction.
        Degauss = "degauss",
        /// Shredded.
        Shred = "shred",
        /// Ground to particles.
        Pulverise = "pulverise",
        /// Burnt.
        Incinerate = "incinerate",
        /// Molten.
        Melt = "melt",
    }
}

impl SanitisationTechnique {
    /// The strongest that the technique can claim (NIST SP 800-88 r2).
    pub const fn reaches(self) -> SanitisationMethod {
        match self {
            Self::Overwrite | Self::FactoryReset => SanitisationMethod::Clear,
            Self::BlockErase | Self::CryptoErase | Self::Degauss => SanitisationMethod::Purge,
            Self::Shred | Self::Pulverise | Self::Incinerate | Self::Melt => SanitisationMethod::Destroy,
        }
    }
}

codes! {
    /// Why an item was weighed again.
    pub enum ReweighReason {
        /// A better scale, or the first weighing at all.
        Measured = "measured",
        /// It dried.
        Dried = "dried",
        /// Something that does not belong to it was taken away.
        Cleaned = "cleaned",
        /// The weight before was wrong.
        WasWrong = "was_wrong",
    }
}

codes! {
    /// How an item left the scheme alive.
    pub enum ReleaseReason {
        /// Sold to be used.
        ReuseSale = "reuse_sale",
        /// Sold as a part.
        PartSale = "part_sale",
        /// Sold as a commodity.
        CommoditySale = "commodity_sale",
        /// Given back to whoever supplied it.
        ReturnedToSupplier = "returned_to_supplier",
    }
}

codes! {
    /// How an item was lost.
    pub enum LossCause {
        /// Nobody knows.
        Missing = "missing",
        /// Stolen.
        Stolen = "stolen",
        /// Destroyed by fire, water or accident.
        Destroyed = "destroyed",
    }
}

codes! {
    /// Why a receiver refuses.
    pub enum RefusalReason {
        /// Something else than offered.
        NotAsOffered = "not_as_offered",
        /// Broken, wet, mixed or dirty.
        Damaged = "damaged",
        /// The receiver may not take it.
        NotPermitted = "not_permitted",
        /// It never came.
        NotReceived = "not_received",
        /// The receiver has no room.
        NoCapacity = "no_capacity",
    }
}

fn is_month(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| bytes[range].iter().all(u8::is_ascii_digit);
    bytes.len() == 7 && bytes[4] == b'-' && digits(0..4) && digits(5..7) && ("01"..="12").contains(&&text[5..])
}

text_field!(
    /// A month of the calendar, `2026-11`; months compare as their text does.
    Month, Time, "a month such as 2026-11", is_month
);

impl Month {
    /// The year in which it lies.
    pub fn year(&self) -> Option<CalendarYear> {
        self.as_str().get(..4).and_then(CalendarYear::parse)
    }
}

fn is_calendar_year(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit())
}

text_field!(
    /// A year of the calendar, `2026`.
    CalendarYear, Time, "a year such as 2026", is_calendar_year
);

record! {
    /// Where and when an item became waste.
    pub struct Arising {
        /// The country.
        country: Country,
        /// The month.
        month: Month,
    }
}

impl From<TestResult> for Condition {
    fn from(result: TestResult) -> Self {
        match result {
            TestResult::Works => Self::Works,
            TestResult::Repairable => Self::Repairable,
            TestResult::Waste => Self::Waste,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_strict_and_the_asterisk_is_part_of_a_waste_code() {
        for good in ["16 02 14", "16 02 13*"] {
            assert!(WasteCode::parse(good).is_some(), "{good}");
        }
        assert!(Month::parse("2026-11").is_some());
        for bad in ["2026-13", "2026-00", "26-11", "2026-1x", "2026_11", "é026-1"] {
            assert!(Month::parse(bad).is_none(), "{bad}");
        }
        for bad in ["160214", "16 02 1", "16 02 14**", "16-02-14", "é6 02 14", "16 02 14 *"] {
            assert!(WasteCode::parse(bad).is_none(), "{bad}");
        }
    }
}
