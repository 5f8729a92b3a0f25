//! Accounts: what an entry means for whoever holds or retired a block.
//!
//! It follows from the block before and after the entry alone, so whoever holds units that fail learns that, and nothing of
//! others' entries that made them fail.

use crate::domain::certificate::{Certificate, CertificateStatus, PendingKind};
use crate::domain::fields::codes;
use crate::domain::ids::{EntryIndex, OrganisationId};
use crate::domain::pool::{Span, without};
use crate::domain::serial::SerialBlock;

codes! {
    /// What happened to a block.
    pub enum AccountChangeKind {
        /// It was issued into this account.
        Issued = "issued",
        /// The second signature is there: it may be used.
        Countersigned = "countersigned",
        /// It came from another account.
        Received = "received",
        /// It came into being as a part of a block of this account.
        Part = "part",
        /// It went to another account.
        HandedOn = "handed_on",
        /// It was split; its units are those of its parts.
        Split = "split",
        /// It was retired.
        Retired = "retired",
        /// It was cancelled.
        Cancelled = "cancelled",
        /// Its withdrawal waits for a second signature.
        WithdrawalPending = "withdrawal_pending",
        /// Its issuer took that withdrawal back before anybody signed second.
        WithdrawalTakenBack = "withdrawal_taken_back",
        /// It was withdrawn.
        Withdrawn = "withdrawn",
        /// Its retirement was annotated, perhaps once more: the claim stays, its grams do not hold.
        Annotated = "annotated",
        /// It was stopped.
        Frozen = "frozen",
        /// It may be used again.
        Unfrozen = "unfrozen",
        /// These units lost the grams behind them.
        Failing = "failing",
        /// The grams behind these units hold again.
        Sound = "sound",
        /// Grams of others back these units from now on.
        Backed = "backed",
    }
}

impl AccountChangeKind {
    /// Whether the block is in the account from here on.
    pub const fn begins(self) -> bool {
        matches!(self, Self::Issued | Self::Received | Self::Part)
    }

    /// Whether it has left the account, or ended in it without a claim.
    pub const fn ends(self) -> bool {
        matches!(self, Self::HandedOn | Self::Split | Self::Cancelled | Self::Withdrawn)
    }
}

/// What an entry did to a block of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountChange {
    /// The entry.
    pub entry: EntryIndex,
    /// In whose account the block is, or was before the entry.
    pub holder: OrganisationId,
    /// The block.
    pub serial: SerialBlock,
    /// What happened.
    pub kind: AccountChangeKind,
    /// Its units that are meant, in order.
    pub units: Vec<SerialBlock>,
}

/// In whose account a block is: also what waits for a second signature, and what its holder retired.
pub fn account_of(certificate: &Certificate) -> Option<OrganisationId> {
    let is_there =
        matches!(certificate.status, CertificateStatus::Pending | CertificateStatus::Held | CertificateStatus::Retired);
    certificate.holder.filter(|_| is_there)
}

/// What an entry did, by the block before it and after.
pub(crate) fn account_changes(
    entry: EntryIndex,
    before: Option<&Certificate>,
    after: &Certificate,
) -> Vec<AccountChange> {
    let change = |holder, kind, units: Vec<SerialBlock>| AccountChange {
        entry,
        holder,
        serial: after.serial.clone(),
        kind,
        units,
    };
    let whole = |holder, kind| change(holder, kind, vec![after.serial.clone()]);
    let (was, is) = (before.and_then(account_of), account_of(after));
    let mut changes = Vec::new();
    if was != is {
        changes.extend(was.map(|holder| whole(holder, way_out(after))));
        changes.extend(is.map(|holder| whole(holder, way_in(before, after))));
    }
    // A part that ends in the entry that cut it was never a block of the account.
    if before.is_none() && after.status == CertificateStatus::Withdrawn {
        changes.extend(after.holder.map(|holder| whole(holder, AccountChangeKind::Withdrawn)));
    }
    let Some(holder) = is else { return changes };
    changes.extend(turns(before, after).into_iter().map(|kind| whole(holder, kind)));
    if let Some(before) = before {
        changes.extend(of_units(before, after).into_iter().map(|(kind, units)| change(holder, kind, units)));
    }
    changes
}

fn way_out(after: &Certificate) -> AccountChangeKind {
    match after.status {
        CertificateStatus::Split => AccountChangeKind::Split,
        CertificateStatus::Cancelled => AccountChangeKind::Cancelled,
        CertificateStatus::Withdrawn => AccountChangeKind::Withdrawn,
        CertificateStatus::Pending
        | CertificateStatus::Held
        | CertificateStatus::Retired
        | CertificateStatus::Buffer => AccountChangeKind::HandedOn,
    }
}

fn way_in(before: Option<&Certificate>, after: &Certificate) -> AccountChangeKind {
    match (before, &after.split_from) {
        (Some(_), _) => AccountChangeKind::Received,
        (None, Some(_)) => AccountChangeKind::Part,
        (None, None) => AccountChangeKind::Issued,
    }
}

/// What changed of the whole block that is in an account after the entry.
fn turns(before: Option<&Certificate>, after: &Certificate) -> Vec<AccountChangeKind> {
    let had = |fact: fn(&Certificate) -> bool| before.is_some_and(fact);
    let awaits_withdrawal = |certificate: &Certificate| {
        certificate.pending.as_ref().is_some_and(|pending| pending.what == PendingKind::Withdrawal)
    };
    let withdrawn_by = |certificate: &Certificate| certificate.withdrawn.as_ref().map(|withdrawn| withdrawn.entry);
    let is_withdrawn_anew = withdrawn_by(after).is_some() && before.and_then(withdrawn_by) != withdrawn_by(after);
    let is_retired = |certificate: &Certificate| certificate.status == CertificateStatus::Retired;
    let is_pending = |certificate: &Certificate| certificate.status == CertificateStatus::Pending;
    let facts = [
        (AccountChangeKind::Countersigned, had(is_pending) && !is_pending(after)),
        (AccountChangeKind::Retired, !had(is_retired) && is_retired(after)),
        (AccountChangeKind::WithdrawalPending, !had(awaits_withdrawal) && awaits_withdrawal(after)),
        (
            AccountChangeKind::WithdrawalTakenBack,
            had(awaits_withdrawal) && !awaits_withdrawal(after) && !is_withdrawn_anew,
        ),
        (AccountChangeKind::Annotated, is_withdrawn_anew),
        (
            AccountChangeKind::Frozen,
            before.is_some() && !had(|before| before.frozen.is_some()) && after.frozen.is_some(),
        ),
        (AccountChangeKind::Unfrozen, had(|before| before.frozen.is_some()) && after.frozen.is_none()),
    ];
    facts.into_iter().filter(|(_, happened)| *happened).map(|(kind, _)| kind).collect()
}

/// Which units fail, hold again, or are backed by others, other than before.
fn of_units(before: &Certificate, after: &Certificate) -> Vec<(AccountChangeKind, Vec<SerialBlock>)> {
    let failing = |certificate: &Certificate| -> Vec<Span> {
        certificate.failing_units().into_iter().map(|(first, last)| (first, last + 1)).collect()
    };
    let backed: Vec<Span> = after
        .backing
        .iter()
        .filter(|backing| before.backing.iter().all(|known| known.entry != backing.entry))
        .map(|backing| (backing.units.first, backing.units.last + 1))
        .collect();
    let (was, is) = (failing(before), failing(after));
    let kinds = [
        (AccountChangeKind::Failing, without(&is, &was)),
        (AccountChangeKind::Sound, without(&without(&was, &is), &backed)),
        (AccountChangeKind::Backed, backed),
    ];
    let block = |span: &Span| after.serial.shared_with(span.0, span.1 - 1);
    let named = kinds.into_iter().map(|(kind, spans)| (kind, spans.iter().filter_map(block).collect::<Vec<_>>()));
    named.filter(|(_, units)| !units.is_empty()).collect()
}
