//! Certificates: blocks of 1 kg units that rest on named grams of named treatments (rules.md §7).
//!
//! `issue` makes them, `trade` moves, splits and cancels them, `retirement` ends them in somebody's name, `oversight` stops
//! and withdraws them, `failing` marks the units whose grams turn out otherwise, `occasions` says after what, `concerned` finds them, `replacement` gives these other
//! grams, `tally` counts, so that the sum rule can be read off at any time, and `account` tells each holder what happened.

mod account;
mod blocks;
mod concerned;
mod failing;
mod issue;
mod occasions;
mod oversight;
mod replacement;
mod retirement;
mod tally;
mod trade;
mod yearly;

pub use account::{AccountChange, AccountChangeKind, account_of};
pub use blocks::{blocks, buffer_units, part_of};
pub use concerned::{Limit, Resting, resting_on};
pub use failing::standing_at_issue;
pub use issue::{Proposal, certificate_issued, propose};
pub use oversight::{certificate_countersigned, certificate_frozen, certificate_unfrozen, certificate_withdrawn};
pub use replacement::certificate_replaced;
pub use retirement::{certificate_retired, period_fits};
pub use tally::{Expiring, IssuedYear, PoolTally, SiteTally, TallySums, Units};
pub use trade::{certificate_cancelled, certificate_split, certificate_transferred};
pub use yearly::{draft, room_units};

pub(crate) use account::account_changes;
pub(crate) use concerned::by_root;
pub(crate) use failing::judge;
pub(crate) use issue::put_issued;
pub(crate) use occasions::{judge_after, judge_moved_batches, judges_after};
pub(crate) use replacement::replaced_as_shown;
pub(crate) use retirement::require_distinct;

use crate::domain::apply::{Context, refuse};
use crate::domain::codes::SchemeName;
use crate::domain::event::{
    Allotment, FreezeReason, Period, PurposeKind, RuleSetName, SecondSignature, WithdrawalReason,
};
use crate::domain::fields::{codes, record};
use crate::domain::ids::{ActorId, EntryIndex, OrganisationId, SiteId};
use crate::domain::refusal::RefusalCode;
use crate::domain::serial::SerialBlock;
use crate::domain::state::{State, Stop};
use crate::domain::time::{Date, LedgerTime};

/// Grams of one unit.
pub const UNIT_G: i64 = 1_000;

codes! {
    /// Where a certificate stands. That its time is over is no status: it follows from the day.
    pub enum CertificateStatus {
        /// It waits for a second signature; its grams are reserved.
        Pending = "pending",
        /// Its holder may still hand it on or retire it.
        Held = "held",
        /// It was retired in somebody's name, for ever.
        Retired = "retired",
        /// Its holder ended it without a claim.
        Cancelled = "cancelled",
        /// Its issuer withdrew it, or its grams back other units.
        Withdrawn = "withdrawn",
        /// Its units are those of the blocks into which it was split.
        Split = "split",
        /// It covers later errors and is never sold.
        Buffer = "buffer",
    }
}

codes! {
    /// What waits for a second signature.
    pub enum PendingKind {
        /// The issue.
        Issue = "issue",
        /// The withdrawal.
        Withdrawal = "withdrawal",
    }
}

record! {
    /// That something waits for a second signature.
    pub struct Pending {
        /// What.
        what: PendingKind,
        /// The entry with the first signature.
        entry: EntryIndex,
        /// Whose it must be.
        second: SecondSignature,
        /// Whose the first one is.
        organisation: OrganisationId,
        /// The person who gave it.
        actor: Option<ActorId>,
        /// Why it shall be withdrawn.
        reason: Option<WithdrawalReason>,
    }
}

record! {
    /// How a certificate was retired.
    pub struct Retirement {
        /// The entry.
        entry: EntryIndex,
        /// The time that it is for.
        period: Period,
        /// For what.
        purpose_kind: PurposeKind,
        /// The organisation that is its beneficiary, where one is named.
        beneficiary: Option<OrganisationId>,
    }
}

record! {
    /// That a certificate is stopped.
    pub struct Frozen {
        /// The entry.
        entry: EntryIndex,
        /// Why.
        reason: FreezeReason,
        /// Who stopped it.
        organisation: OrganisationId,
    }
}

record! {
    /// A withdrawal: the end of unsold units, an annotation on retired ones.
    pub struct Withdrawal {
        /// The entry.
        entry: EntryIndex,
        /// Why.
        reason: WithdrawalReason,
    }
}

record! {
    /// Units whose grams back them no more.
    pub struct Failing {
        /// The entry with which they failed.
        cause: EntryIndex,
        /// When the ledger wrote that down.
        since: LedgerTime,
        /// The treatment whose grams they lost; absent after fraud, which taints all of them.
        treatment: Option<EntryIndex>,
        /// The first unit.
        first: i64,
        /// The last.
        last: i64,
    }
}

record! {
    /// Units whose grams failed, and the units whose grams back them now.
    pub struct Backing {
        /// Units of this certificate.
        units: SerialBlock,
        /// As many units that were withdrawn for them.
        by: SerialBlock,
        /// The entry.
        entry: EntryIndex,
    }
}

record! {
    /// For which units a withdrawn block gives its grams.
    pub struct Backs {
        /// The certificate as it was when it was replaced.
        certificate: SerialBlock,
        /// Its units.
        units: SerialBlock,
    }
}

record! {
    /// The numbers of some units.
    pub struct UnitNumbers {
        /// The first.
        first: i64,
        /// The last.
        last: i64,
    }
}

record! {
    /// Where the units of a block that was split are looked for: in its parts, and instead of a part that was split in the parts of
    /// that, as long as they are few. So a block that is sold piece by piece has its pieces a few steps away, not thousands.
    pub struct PartsListed {
        /// The block.
        of: SerialBlock,
        /// Blocks that have all its units, each once.
        parts: Vec<SerialBlock>,
    }
}

impl PartsListed {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(&self.of)
    }

    /// The id of a block's list.
    pub fn id_of(block: &SerialBlock) -> String {
        format!("parts/{block}")
    }
}

record! {
    /// A certificate.
    pub struct Certificate {
        /// Its serial numbers: its id.
        serial: SerialBlock,
        /// Where it stands.
        status: CertificateStatus,
        /// Who holds it, or held it last; nobody holds the buffer.
        holder: Option<OrganisationId>,
        /// The entry since which it is held by them.
        held_since: EntryIndex,
        /// Who issued it.
        issuer: OrganisationId,
        /// The site of the batches.
        site: SiteId,
        /// The entry that issued it.
        issued: EntryIndex,
        /// When the ledger wrote that down.
        issued_at: LedgerTime,
        /// The last day on which it can be retired; the buffer has none.
        expires: Option<Date>,
        /// The other block of its issue.
        issued_with: SerialBlock,
        /// The scheme under which it was issued.
        scheme: SchemeName,
        /// The rule set that was in force.
        rule_set: RuleSetName,
        /// Its own grams, in the order of its units.
        allotments: Vec<Allotment>,
        /// The block of which it is a part.
        split_from: Option<SerialBlock>,
        /// The blocks into which it was split.
        into: Vec<SerialBlock>,
        /// First and last unit of the block under which it is listed.
        listed_in: Option<UnitNumbers>,
        /// What of it waits for a second signature.
        pending: Option<Pending>,
        /// That it is stopped.
        frozen: Option<Frozen>,
        /// Its retirement.
        retired: Option<Retirement>,
        /// Its withdrawal; on a retired one an annotation.
        withdrawn: Option<Withdrawal>,
        /// The entry by which its holder cancelled it.
        cancelled: Option<EntryIndex>,
        /// Its units that fail.
        failing: Vec<Failing>,
        /// Its units that others back.
        backing: Vec<Backing>,
        /// The units for which it was withdrawn.
        backs: Option<Backs>,
    }
}

impl Certificate {
    /// Whether its time is over on a day. Expiry is no event: it is a function of the issue's time and the entry's.
    pub fn is_expired(&self, on: &Date) -> bool {
        self.status == CertificateStatus::Held && self.expires.as_ref().is_some_and(|until| on > until)
    }

    /// Whether some of its own grams are of a treatment.
    pub fn rests_on(&self, treatment: EntryIndex) -> bool {
        self.allotments.iter().any(|allotment| allotment.treatment == treatment)
    }

    /// The units that fail, each once: first and last of every stretch, in order.
    pub fn failing_units(&self) -> Vec<(i64, i64)> {
        stretches(self.failing.iter())
    }

    /// Those of its failing units that nothing has backed for so many months, on a day (rules.md §7).
    pub fn unbacked_units(&self, on: &Date, months: u32) -> Vec<(i64, i64)> {
        let is_late = |failing: &&Failing| {
            failing.since.date().and_then(|since| since.plus_months(months)).is_some_and(|until| *on > until)
        };
        stretches(self.failing.iter().filter(is_late))
    }

    /// The first day on which units of it failed that still do; of what was withdrawn or cancelled nobody has to replace any.
    pub fn failing_since(&self) -> Option<Date> {
        let is_over = matches!(self.status, CertificateStatus::Withdrawn | CertificateStatus::Cancelled);
        self.failing.iter().filter(|_| !is_over).filter_map(|failing| failing.since.date()).min()
    }

    /// The first day on which units may have failed that are still in time to be replaced on a day: those that failed before are
    /// unbacked.
    pub fn first_in_time(on: &Date, months: u32) -> Option<Date> {
        // Months are not alike: the same day so many months ago is late for none, and a day or two before it perhaps neither.
        let mut day = on.minus_months(months)?.minus_days(4)?;
        while day.plus_months(months).is_some_and(|until| *on > until) {
            day = day.plus_days(1)?;
        }
        Some(day)
    }

    /// How many of its units fail.
    pub fn failing_count(&self) -> i64 {
        self.failing_units().iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether it covers nothing until somebody else acts: its issue waits for a second signature, or somebody other than its issuer froze it.
    /// What the issuer itself stopped it can let go, and comes first all the same.
    pub fn is_out_of_reach(&self) -> bool {
        let issue = |pending: &Pending| pending.what == PendingKind::Issue;
        self.pending.as_ref().is_some_and(issue)
            || self.frozen.as_ref().is_some_and(|frozen| frozen.organisation != self.issuer)
    }

    /// Whether it is stopped as a whole: a second signature is awaited, or it is frozen.
    pub const fn is_stopped(&self) -> bool {
        self.pending.is_some() || self.frozen.is_some()
    }
}

/// Units that fail, each once and in order, as first and last of every stretch.
fn stretches<'a>(failing: impl Iterator<Item = &'a Failing>) -> Vec<(i64, i64)> {
    let mut found: Vec<(i64, i64)> = failing.map(|failing| (failing.first, failing.last)).collect();
    found.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::with_capacity(found.len());
    for (first, last) in found {
        match joined.last_mut() {
            Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
            _ => joined.push((first, last)),
        }
    }
    joined
}

/// The certificate that a statement names; one that was split names its parts.
fn named(state: &State<'_>, serial: &SerialBlock, pointer: &str) -> Result<Certificate, Stop> {
    let Some(certificate) = state.certificate(&serial.to_string())?.cloned() else {
        return refuse(RefusalCode::Unknown, pointer, "no certificate has exactly these serial numbers");
    };
    if certificate.status == CertificateStatus::Split {
        let parts: Vec<String> = certificate.into.iter().take(3).map(SerialBlock::to_string).collect();
        let detail = format!("this certificate was split; its parts are {} and on", parts.join(", "));
        return refuse(RefusalCode::CertificateSplit, pointer, detail);
    }
    Ok(certificate)
}

/// The certificate that its holder disposes of: held by the author, in time, and stopped by nothing.
fn held_by_author(
    state: &State<'_>,
    context: &Context<'_>,
    serial: &SerialBlock,
    pointer: &str,
) -> Result<Certificate, Stop> {
    let certificate = named(state, serial, pointer)?;
    require_held(&certificate, pointer)?;
    if certificate.holder != Some(context.party()) {
        return refuse(RefusalCode::NotTheHolder, pointer, "another organisation holds this certificate");
    }
    if context.time.date().is_none_or(|today| certificate.is_expired(&today)) {
        let until = certificate.expires.as_ref().map(Date::to_string).unwrap_or_default();
        let detail = format!("this certificate was valid until {until}, 24 months from its issue");
        return refuse(RefusalCode::CertificateExpired, pointer, detail);
    }
    require_unstopped(&certificate, pointer)?;
    Ok(certificate)
}

fn require_held(certificate: &Certificate, pointer: &str) -> Result<(), Stop> {
    let detail = match certificate.status {
        CertificateStatus::Held | CertificateStatus::Split => return Ok(()),
        CertificateStatus::Buffer => "the buffer covers later errors; it is never handed on or retired",
        CertificateStatus::Retired => "this certificate is retired already",
        CertificateStatus::Cancelled => "its holder has cancelled this certificate",
        CertificateStatus::Withdrawn => "its issuer has withdrawn this certificate",
        CertificateStatus::Pending => {
            return refuse(RefusalCode::CertificatePending, pointer, "it waits for a second signature");
        }
    };
    refuse(RefusalCode::CertificateNotHeld, pointer, detail)
}

fn require_unstopped(certificate: &Certificate, pointer: &str) -> Result<(), Stop> {
    if let Some(frozen) = &certificate.frozen {
        let detail = format!("entry {} froze this certificate ({})", frozen.entry, frozen.reason);
        return refuse(RefusalCode::CertificateFrozen, pointer, detail);
    }
    if certificate.pending.is_some() {
        let detail = "its withdrawal waits for a second signature";
        return refuse(RefusalCode::CertificatePending, pointer, detail);
    }
    if let Some(failing) = certificate.failing.first() {
        let detail = format!(
            "units {} to {} fail since entry {}: their issuer replaces them, or split the block and use the others",
            failing.first, failing.last, failing.cause
        );
        return refuse(RefusalCode::UnitsFailing, pointer, detail);
    }
    Ok(())
}

/// The certificate, if the author is who issued it.
fn issued_by_author(
    state: &State<'_>,
    context: &Context<'_>,
    serial: &SerialBlock,
    pointer: &str,
) -> Result<Certificate, Stop> {
    let certificate = named(state, serial, pointer)?;
    if certificate.issuer != context.party() {
        return refuse(RefusalCode::NotTheAuthor, pointer, "another organisation issued this certificate");
    }
    Ok(certificate)
}
