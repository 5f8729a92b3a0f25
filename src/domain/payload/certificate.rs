//! What is said of certificates: their issue, their way from holder to holder, their end in somebody's name, and what
//! follows when the grams behind them turn out otherwise.

use crate::domain::codes::{Commitment, Document, Month, SchemeName};
use crate::domain::fields::{Field, FieldClass, Malformed, Value, codes, record, text_field};
use crate::domain::ids::{EntryIndex, OrderId, OrganisationId, SiteId};
use crate::domain::mass::Grams;
use crate::domain::serial::SerialBlock;
use crate::domain::time::Date;
use crate::limits::INTEGER_MAX;

record! {
    /// Grams of one treatment on which units rest.
    pub struct Allotment {
        /// The entry of the treatment.
        treatment: EntryIndex,
        /// The first gram of the treatment.
        from: Grams,
        /// The gram behind the last.
        to: Grams,
    }
}

codes! {
    /// Whose second signature a statement waits for before it counts.
    pub enum SecondSignature {
        /// Another person of the same organisation: another `actor`.
        Person = "person",
        /// Another organisation.
        Organisation = "organisation",
    }
}

record! {
    /// Units are issued: a block for the centre and, with the highest numbers, one for the buffer.
    ///
    /// Which grams they take is not chosen: the pool gives them in its order (rules.md §7), and this statement repeats
    /// what `GET /v1/certificates/draft` proposes.
    pub struct CertificateIssued {
        /// The holder's block.
        certificate: SerialBlock,
        /// The buffer's block, which follows.
        buffer: SerialBlock,
        /// Who holds it first: the centre whose site it is.
        holder: OrganisationId,
        /// The site of the batches.
        pool_site: SiteId,
        /// The month of the pool.
        vintage: Month,
        /// The scheme under which the grams are eligible.
        scheme: SchemeName,
        /// The grams, in the order of the units; unit i of both blocks together rests on grams [1000 i, 1000 i + 1000).
        allotments: Vec<Allotment>,
        /// Whose second signature it waits for; what the operator issues always waits for another organisation's.
        second: Option<SecondSignature>,
    }
}

record! {
    /// The second signature under an issue or a withdrawal: from here on it counts.
    pub struct CertificateCountersigned {
        /// The block; of an issue the holder's block, and the buffer's with it.
        certificate: SerialBlock,
    }
}

fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase())
}

text_field!(
    /// A currency, ISO 4217.
    Currency, Code, "three capital letters (ISO 4217)", is_currency
);

/// An amount in the smallest unit of its currency: cents of EUR, shillings of UGX.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinorUnits(pub i64);

impl Field for MinorUnits {
    const CLASS: FieldClass = FieldClass::Quantity;

    fn read(value: &Value) -> Result<Self, Malformed> {
        match value {
            Value::Integer(amount @ 1..=INTEGER_MAX) => Ok(Self(*amount)),
            _ => Err(Malformed::here("expected an amount in the currency's smallest unit, 1 or more")),
        }
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Integer(self.0))
    }
}

record! {
    /// What the centre was paid. Pages show it only where the centre says it, and with the paper that proves it.
    pub struct Payment {
        /// How much, in the currency's smallest unit.
        amount: MinorUnits,
        /// In which currency.
        currency: Currency,
        /// The paper: an invoice that was paid, a bank's advice.
        document: Option<Document>,
    }
}

record! {
    /// A whole block goes to another account. Who wants to hand on a part splits the block first.
    pub struct CertificateTransferred {
        /// The whole block.
        certificate: SerialBlock,
        /// The organisation that holds it from now on.
        to: OrganisationId,
        /// The order that this delivers.
        order: Option<OrderId>,
        /// What the centre was paid for it.
        paid: Option<Payment>,
    }
}

record! {
    /// A block becomes several, which have all its units and nothing else; it is itself no certificate any more.
    pub struct CertificateSplit {
        /// The whole block.
        certificate: SerialBlock,
        /// Its parts in the order of their numbers, two or more.
        into: Vec<SerialBlock>,
    }
}

record! {
    /// The holder ends a block without a claim: nobody may say that it financed the treatment.
    pub struct CertificateCancelled {
        /// The whole block.
        certificate: SerialBlock,
    }
}

codes! {
    /// Why the issuer withdraws units.
    pub enum WithdrawalReason {
        /// They should not have been issued like this; their grams go back to the pool, if they still meet every rule.
        IssuedInError = "issued_in_error",
        /// The grams behind them do not meet the rules.
        NotEligible = "not_eligible",
        /// They were obtained by deceit.
        Fraud = "fraud",
    }
}

record! {
    /// The issuer takes back unsold units or units of the buffer; on a retired certificate it is an annotation, and the claim
    /// stays.
    pub struct CertificateWithdrawn {
        /// The block.
        certificate: SerialBlock,
        /// Of these the units that are meant; all if absent.
        part: Option<SerialBlock>,
        /// Why.
        reason: WithdrawalReason,
        /// Whose second signature it waits for.
        second: Option<SecondSignature>,
    }
}

codes! {
    /// Why a certificate is frozen.
    pub enum FreezeReason {
        /// Something is being looked at.
        Review = "review",
        /// It was obtained by deceit: it must be replaced from other sites.
        Fraud = "fraud",
    }
}

record! {
    /// The issuer or an auditor stops a block: it is neither handed on nor retired until it is unfrozen.
    pub struct CertificateFrozen {
        /// The whole block.
        certificate: SerialBlock,
        /// Why.
        reason: FreezeReason,
    }
}

record! {
    /// A block may be handed on again. What an auditor froze, an auditor unfreezes.
    pub struct CertificateUnfrozen {
        /// The whole block.
        certificate: SerialBlock,
    }
}

record! {
    /// Units that fail, and as many that take their place.
    pub struct Replacement {
        /// Units of the certificate.
        failed: SerialBlock,
        /// The units whose grams back them from now on.
        backing: SerialBlock,
        /// The block of which these are a part, if they are not a whole one.
        cut_from: Option<SerialBlock>,
    }
}

impl Replacement {
    /// The block that gives the backing units: they are a part of it, or all.
    pub fn block(&self) -> &SerialBlock {
        self.cut_from.as_ref().unwrap_or(&self.backing)
    }
}

record! {
    /// The issuer replaces units whose grams failed: after an error from the site's unsold stock, then from its buffer, then
    /// from other sites; after fraud from other sites alone (rules.md §7).
    pub struct CertificateReplaced {
        /// The certificate of which units fail; it stays where it is, held or retired.
        certificate: SerialBlock,
        /// Its failing units and those that back them.
        replacements: Vec<Replacement>,
    }
}

codes! {
    /// For what a certificate is retired.
    pub enum PurposeKind {
        /// Products that were sold.
        ProductSold = "product_sold",
        /// Devices in use at a company.
        DeviceFleet = "device_fleet",
        /// Devices that were donated.
        ItDonation = "it_donation",
        /// The e-waste of a year.
        AnnualFootprint = "annual_footprint",
        /// Anything else, in the words of the purpose.
        Other = "other",
    }
}

record! {
    /// The time that a retirement is for, both days included.
    pub struct Period {
        /// First day.
        from: Date,
        /// Last day.
        until: Date,
    }
}

record! {
    /// The holder ends a certificate in the name of a legal entity, for ever.
    ///
    /// The openings of its three commitments are required at posting and public in the register.
    pub struct CertificateRetired {
        /// The whole block.
        certificate: SerialBlock,
        /// The time that it is for.
        period: Period,
        /// For what.
        purpose_kind: PurposeKind,
        /// The legal entity that may say that it financed the treatment.
        beneficiary: Commitment,
        /// Its number in a public register.
        beneficiary_number: Commitment,
        /// The wording of the purpose.
        purpose: Commitment,
        /// Further blocks of the same holder that end with it, under the same claim.
        further: Option<Vec<SerialBlock>>,
        /// The order that this delivers, if a centre retires for its buyer.
        order: Option<OrderId>,
        /// The organisation that is the legal entity, if it wants to be known here: the author itself, or the buyer of the order.
        /// The retirement stands in its year's statement then. From rule set 4 on.
        beneficiary_organisation: Option<OrganisationId>,
        /// What the centre was paid for it.
        paid: Option<Payment>,
    }
}

impl CertificateRetired {
    /// The commitments whose openings belong to it.
    pub const OPENED: &'static [&'static str] = &["/beneficiary", "/beneficiary_number", "/purpose"];

    /// The one of them that names the company.
    pub const COMPANY: &'static str = "/beneficiary";

    /// Every block that it ends, as stated.
    pub fn blocks(&self) -> impl Iterator<Item = &SerialBlock> {
        [&self.certificate].into_iter().chain(self.further.iter().flatten())
    }
}
