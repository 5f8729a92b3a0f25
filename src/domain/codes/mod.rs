//! Code patterns and closed code lists that are no policy: countries, roles, document numbers, hashes.

use crate::domain::fields::{codes, record, text_field};

mod life;
mod parties;

pub use life::{
    Condition, ItemKind, ItemStatus, LossCause, RefusalReason, ReleaseReason, ReweighReason, SanitisationMethod,
    SanitisationTechnique, TestResult,
};
pub use parties::{AuditOutcome, KeyCustody, KeyUse, RevocationReason, Role};

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
