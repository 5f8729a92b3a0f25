//! Certificates anew, whichever rules wrote them: pools, counts and sums, the grams of every treatment, and replaced units from
//! both sides.

use crate::domain::adding_up::{PoolSums, replaced_differ, stretches_differ};
use crate::domain::certificate::TallySums;
use crate::domain::state::{Record, RecordKind};
use crate::ledger::audit::derived::{each_of, each_page_of};
use crate::ledger::audit::report::Findings;
use crate::limits::AUDIT_FINDINGS_MAX;
use crate::store::{Database, StoreError, audit_sums};

/// What is added up.
const KINDS: &[RecordKind] = &[
    RecordKind::Batch,
    RecordKind::Treatment,
    RecordKind::Pool,
    RecordKind::PoolRange,
    RecordKind::PoolTally,
    RecordKind::SiteTally,
    RecordKind::Expiring,
    RecordKind::IssuedYear,
    RecordKind::Certified,
    RecordKind::CertifiedStretch,
    RecordKind::Certificate,
];

/// Looks at all of it, page by page; gives how many certificates there are.
pub(super) fn look(database: &mut Database, findings: &mut Findings) -> Result<u64, StoreError> {
    let (mut sums, mut tallies, mut count) = (PoolSums::default(), TallySums::default(), 0);
    audit_sums::clear(database)?;
    // A certificate counts as unsold by whose its site is, and the ids of certificates come before those of many sites.
    each_of(database, &[RecordKind::Site], |site| {
        tallies.add(&site);
        Ok(())
    })?;
    each_page_of(database, KINDS, |database, page| {
        for record in &page {
            sums.add(record);
            tallies.add(record);
            count += u64::from(matches!(record, Record::Certificate(_)));
        }
        audit_sums::add(database, &page)
    })?;
    for pool in sums.differing() {
        findings.broken(None, format!("the grams of {pool} are not those of its treatments and certificates"));
    }
    for tally in tallies.differing() {
        findings.broken(None, format!("{tally} does not count the units that there are"));
    }
    kept_sums(database, findings)?;
    stretches(database, findings)?;
    replaced(database, findings)?;
    Ok(count)
}

fn kept_sums(database: &mut Database, findings: &mut Findings) -> Result<(), StoreError> {
    let most = i64::try_from(AUDIT_FINDINGS_MAX).unwrap_or(i64::MAX);
    for sum in audit_sums::differing_sums(database, most)? {
        findings.broken(None, format!("{sum} are not the sum of what the records say"));
    }
    Ok(())
}

/// Whether every gram behind certificates was given away by a pool, is certified once, and is what its treatment has as certified.
fn stretches(database: &mut Database, findings: &mut Findings) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let of_one = audit_sums::stretches_behind(database, after)?;
        let Some(first) = of_one.first() else { return Ok(()) };
        if let Some(problem) = stretches_differ(&of_one) {
            findings.broken(first.treatment, problem);
        }
        after = Some(first.treatment);
    }
}

/// Whether certificates and the blocks that back their units say the same of each other.
fn replaced(database: &mut Database, findings: &mut Findings) -> Result<(), StoreError> {
    audit_sums::each_backed(database, |backed, giving| {
        if let Some(problem) = replaced_differ(backed, giving) {
            findings.broken(backed.entry, problem);
        }
    })?;
    for (pool, unit) in audit_sums::units_on_one_side(database, AUDIT_FINDINGS_MAX)? {
        let problem = format!("from unit {unit} of {pool} on, what is backed is not what others were withdrawn for");
        findings.broken(None, problem);
    }
    Ok(())
}
