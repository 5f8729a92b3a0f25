//! What is looked at when all entries are taken: over all records of the workspace, page by page.

use crate::domain::balance::{imbalances, in_between};
use crate::domain::ids::SiteId;
use crate::domain::state::RecordKind;
use crate::ledger::audit::certified;
use crate::ledger::audit::progress::Progress;
use crate::ledger::audit::report::{Findings, Report};
use crate::limits::AUDIT_FINDINGS_MAX;
use crate::store::records::RawRecord;
use crate::store::{Database, StoreError, records, workspace};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// Rows that are read at once.
const PAGE_ROWS: i64 = 4_000;

/// Looks at balance, pools, certificates and documents.
pub(super) fn look(
    database: &mut Database,
    progress: &Progress,
    report: &mut Report,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    balance(database, progress, findings)?;
    report.certificates = certified::look(database, findings)?;
    documents(database, findings)?;
    (report.records, report.state_digest) = digest(database)?;
    Ok(())
}

fn place(site: Option<SiteId>) -> String {
    site.map_or_else(|| "no site".to_owned(), |site| format!("site {site}"))
}

fn balance(database: &mut Database, progress: &Progress, findings: &mut Findings) -> Result<(), StoreError> {
    let accounts = records::accounts(database)?;
    for (site, grams) in imbalances(&accounts) {
        findings.broken(None, format!("the accounts do not close by {grams} g at {}", place(site)));
    }
    if in_between(&accounts) != 0 {
        findings.broken(None, "what departed from sites is not what arrived at others");
    }
    for (site, grams) in progress.live().differences(&accounts) {
        findings.broken(None, format!("items and open batches at {} are {grams} g off its account", place(site)));
    }
    Ok(())
}

fn documents(database: &mut Database, findings: &mut Findings) -> Result<(), StoreError> {
    let most = i64::try_from(AUDIT_FINDINGS_MAX).unwrap_or(i64::MAX);
    for (sha256, first, last) in workspace::shared_documents(database, most)? {
        findings.notice(last, format!("it binds the file {sha256}, which entry {first} binds too"));
    }
    Ok(())
}

/// The number of records, and SHA-256 over every record and account as [`State::digest`] has it.
///
/// [`State::digest`]: crate::domain::state::State::digest
fn digest(database: &mut Database) -> Result<(u64, String), StoreError> {
    let (mut hasher, mut count) = (Sha256::new(), 0);
    let (mut after, mut same_id) = ((String::new(), String::new()), Vec::new());
    loop {
        let page = records::raw_page(database, (&after.0, &after.1), PAGE_ROWS)?;
        let Some(last) = page.last() else { break };
        after = (last.id.clone(), last.kind.clone());
        for row in page {
            count += 1;
            if same_id.first().is_some_and(|first: &RawRecord| first.id != row.id) {
                hash_records(&mut hasher, &mut same_id);
            }
            same_id.push(row);
        }
    }
    hash_records(&mut hasher, &mut same_id);
    for (account, grams) in records::accounts(database)? {
        let site = account.site.map(|site| site.to_string()).unwrap_or_default();
        hasher.update(format!("{}\n{site}\n{grams}\n", account.account));
    }
    Ok((count, HEXLOWER.encode(&hasher.finalize())))
}

/// Records of one id stand in the order of their kinds, which is not that of the kinds' names.
fn hash_records(hasher: &mut Sha256, rows: &mut Vec<RawRecord>) {
    rows.sort_by_key(|row| RecordKind::parse(&row.kind));
    for row in rows.drain(..) {
        hasher.update(format!("{}\n{}\n{}\n", row.kind, row.id, row.body));
    }
}
