//! What an audit found.

use crate::domain::fields::codes;
use crate::domain::ids::EntryIndex;
use crate::limits::AUDIT_FINDINGS_MAX;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

codes! {
    /// How bad a finding is.
    pub enum Severity {
        /// The log contradicts itself, its rules, or what was signed.
        Broken = "broken",
        /// Derived data or rows beside the entries are not what the entries give.
        Wrong = "wrong",
        /// Nothing is wrong by itself; an auditor looks at it.
        Notice = "notice",
    }
}

/// Something that is not as the entries say, or that is worth a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The entry that it is about, if it is about one.
    pub index: Option<EntryIndex>,
    /// What differs, with the column, tile, record or file.
    pub problem: String,
}

/// A finding as it is written down between two runs.
#[derive(Clone, Serialize, Deserialize)]
struct Written {
    severity: String,
    index: Option<u64>,
    problem: String,
}

impl From<Written> for Finding {
    fn from(Written { severity, index, problem }: Written) -> Self {
        let severity = Severity::parse(&severity).unwrap_or(Severity::Broken);
        Self { severity, index: index.map(EntryIndex), problem }
    }
}

impl From<Finding> for Written {
    fn from(Finding { severity, index, problem }: Finding) -> Self {
        Self { severity: severity.to_string(), index: index.map(|index| index.0), problem }
    }
}

/// The findings of an audit, each severity up to a number that nobody reads further than.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    kept: Vec<Finding>,
    left_out: u64,
}

impl Findings {
    /// Adds what contradicts the log itself.
    pub(crate) fn broken(&mut self, index: impl Into<Option<EntryIndex>>, problem: impl Into<String>) {
        self.add(Severity::Broken, index.into(), problem.into());
    }

    /// Adds what is not as the entries give it.
    pub(crate) fn wrong(&mut self, index: impl Into<Option<EntryIndex>>, problem: impl Into<String>) {
        self.add(Severity::Wrong, index.into(), problem.into());
    }

    /// Adds what is worth a look.
    pub(crate) fn notice(&mut self, index: impl Into<Option<EntryIndex>>, problem: impl Into<String>) {
        self.add(Severity::Notice, index.into(), problem.into());
    }

    fn add(&mut self, severity: Severity, index: Option<EntryIndex>, problem: String) {
        let before = self.kept.iter().filter(|finding| finding.severity == severity).count();
        if before < AUDIT_FINDINGS_MAX {
            self.kept.push(Finding { severity, index, problem });
        } else {
            self.left_out += 1;
        }
    }
}

/// Who says that the checkpoints are the ledger's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// A key that came by another road.
    Anchor,
    /// Whoever asks runs the database.
    OwnDatabase,
    /// A key that came by another road, but fewer witnesses than the policy demands have cosigned the newest checkpoint: others
    /// may be shown another ledger.
    Unwitnessed,
    /// The ledger itself: it is consistent, and could still be another one than everybody else sees.
    Nobody,
}

/// What an audit checked and found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The ledger.
    pub origin: String,
    /// Where it was read.
    pub source: String,
    /// Entries that the source holds.
    pub held: u64,
    /// Entries that were replayed, in this run and in those before it.
    pub entries: u64,
    /// Of these, entries that an earlier run had replayed: their bytes were not read again.
    pub replayed_before: u64,
    /// Root over them, in hex.
    pub root: String,
    /// BLAKE3 of the last, in hex.
    pub chain_hash: String,
    /// Checkpoints of the source that were compared.
    pub checkpoints: u64,
    /// Entries that the newest of them covers.
    pub covered: u64,
    /// Checkpoints of earlier runs that were compared.
    pub remembered: u64,
    /// Tiles that were compared.
    pub tiles: u64,
    /// Records of the derived state.
    pub records: u64,
    /// Certificates among them.
    pub certificates: u64,
    /// Statements that rest on keys whose secrets the service holds.
    pub hosted_statements: u64,
    /// SHA-256 over the whole derived state, in hex.
    pub state_digest: String,
    /// Who vouches for the checkpoints.
    pub trust: Trust,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Findings beyond those that are kept.
    pub left_out: u64,
}

impl Report {
    pub(super) fn add(&mut self, findings: Findings) {
        self.findings.extend(findings.kept);
        self.left_out += findings.left_out;
    }

    /// What is broken or wrong: all findings but notices.
    pub fn faults(&self) -> Vec<&Finding> {
        self.findings.iter().filter(|finding| finding.severity != Severity::Notice).collect()
    }

    /// Whether nothing is broken or wrong.
    pub fn is_clean(&self) -> bool {
        self.faults().is_empty()
    }

    /// The report as JSON.
    pub fn to_json(&self) -> Value {
        let finding = |finding: &Finding| {
            json!({
                "severity": finding.severity.as_str(), "index": finding.index.map(|index| index.0),
                "problem": finding.problem,
            })
        };
        let trust = match self.trust {
            Trust::Anchor => "anchor",
            Trust::OwnDatabase => "own_database",
            Trust::Unwitnessed => "unwitnessed",
            Trust::Nobody => "nobody",
        };
        json!({
            "ledger": self.origin,
            "source": self.source,
            "clean": self.is_clean(),
            "trust": trust,
            "entries_held": self.held,
            "entries_replayed": self.entries,
            "entries_replayed_before": self.replayed_before,
            "root": self.root,
            "chain_hash": self.chain_hash,
            "checkpoints": self.checkpoints,
            "newest_checkpoint": self.covered,
            "remembered_checkpoints": self.remembered,
            "tiles": self.tiles,
            "records": self.records,
            "certificates": self.certificates,
            "state_digest": self.state_digest,
            "statements_by_hosted_keys": self.hosted_statements,
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
            "findings_left_out": self.left_out,
        })
    }
}
