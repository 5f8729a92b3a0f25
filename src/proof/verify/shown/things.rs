//! Things that statements put in force, as a bundle shows them.

use crate::domain::codes::{Country, KeyCustody, KeyUse, RevocationReason, SiteCode};
use crate::domain::event::{Permit, Statement, TypeName};
use crate::domain::ids::{EntryIndex, ItemId, KeyId, OrganisationId, SiteId};
use crate::domain::lineage::Link;
use crate::domain::time::{Date, LedgerTime};
use crate::proof::verify::matter::{Flaw, What};
use ed25519_dalek::VerifyingKey;

/// A key in force.
pub(super) struct ShownKey {
    pub(super) organisation: OrganisationId,
    pub(super) custody: KeyCustody,
    pub(super) r#use: KeyUse,
    pub(super) key: VerifyingKey,
    pub(super) revoked: Option<ShownRevocation>,
    /// Whether the operator registered it for an organisation that had a key already.
    pub(super) added: bool,
}

/// What was said last of a key's end.
pub(super) struct ShownRevocation {
    pub(super) at: EntryIndex,
    pub(super) reason: RevocationReason,
    pub(super) since: Option<EntryIndex>,
}

/// A site or facility as it is shown.
pub(in crate::proof::verify) struct ShownSite {
    pub(in crate::proof::verify) organisation: Option<OrganisationId>,
    pub(in crate::proof::verify) country: Country,
    pub(in crate::proof::verify) code: SiteCode,
    pub(super) permits: Vec<(EntryIndex, Permit)>,
    /// Entries that suspended it, and those that ended that.
    pub(super) suspensions: Vec<(EntryIndex, Option<EntryIndex>)>,
}

impl ShownSite {
    /// The permits that were on the ledger before an entry.
    pub(in crate::proof::verify) fn permits_before(&self, index: EntryIndex) -> Vec<Permit> {
        self.permits.iter().filter(|(stated, _)| *stated < index).map(|(_, permit)| permit.clone()).collect()
    }

    /// Whether a suspension was in force at an entry.
    pub(in crate::proof::verify) fn is_suspended_at(&self, index: EntryIndex) -> bool {
        self.suspensions.iter().any(|(from, until)| *from < index && until.is_none_or(|until| until > index))
    }
}

/// What was offered to whom, within a country or over a border.
pub(in crate::proof::verify) struct ShownOffer {
    /// The entry.
    pub(in crate::proof::verify) index: EntryIndex,
    pub(in crate::proof::verify) to: Option<OrganisationId>,
    /// A plant without a key.
    pub(in crate::proof::verify) facility: Option<SiteId>,
    pub(in crate::proof::verify) items: Vec<ItemId>,
    pub(in crate::proof::verify) lots: Vec<ItemId>,
    /// Where to, if it crosses a border as a shipment.
    pub(in crate::proof::verify) shipped_to: Option<Country>,
}

/// What one organisation lets another say.
pub(super) struct ShownDelegation {
    pub(super) types: Vec<TypeName>,
    pub(super) sites: Option<Vec<SiteId>>,
    pub(super) until: Date,
    pub(super) ended: bool,
}

/// A statement that is shown.
pub(in crate::proof::verify) struct ShownStatement {
    pub(in crate::proof::verify) index: EntryIndex,
    pub(in crate::proof::verify) time: LedgerTime,
    pub(in crate::proof::verify) signer: KeyId,
    pub(in crate::proof::verify) statement: Statement,
    /// What it turned into what.
    pub(in crate::proof::verify) links: Vec<Link>,
}

impl ShownStatement {
    /// Who acts in it: its author, or whoever the author speaks for.
    pub(in crate::proof::verify) fn party(&self) -> OrganisationId {
        let common = &self.statement.common;
        common.on_behalf_of.unwrap_or(common.org)
    }

    /// When it happened, as far as that can be: a clock that runs ahead reaches no further than the entry.
    pub(in crate::proof::verify) fn occurred_by_now_ms(&self) -> i64 {
        self.statement.common.occurred_at.ms().min(self.time.ms())
    }

    /// A flaw that it brings.
    pub(in crate::proof::verify) const fn flaw(&self, what: What) -> Flaw {
        Flaw { entry: self.index, what }
    }
}
