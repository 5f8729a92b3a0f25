//! Samples for auditors: which treatments a draw picks, and what stands behind each, from the database or from an export.
//!
//! What is drawn from is read from the entries as they were signed, so that anybody with an export draws the same.

use crate::domain::event::{Event as DomainEvent, TreatedFinal};
use crate::domain::ids::{EntryIndex, ItemId};
use crate::domain::lineage::Node;
use crate::domain::mass::Grams;
use crate::domain::registry::Site;
use crate::domain::state::RecordKind;
use crate::domain::treatment::Treatment;
use crate::ledger::lookup::{Event, links_of, read_event, subject_of_node};
use crate::limits::{ENTRY_BYTES_MAX, PAGE_ROWS_MAX, SAMPLE_LOTS_MAX, SAMPLE_TREATMENTS_MAX};
use crate::proof::checkpoint::Checkpoint;
use crate::proof::entry::Entry;
use crate::proof::merkle::{Frontier, TreeHash, check_inclusion, leaf_hash};
use crate::proof::sample::Candidate;
use crate::proof::statement::Unverified;
use crate::proof::tiles::Prover;
use crate::store::tiles::StoredTiles;
use crate::store::{Database, StoreError, entries, head, mentions, records};
use std::collections::{BTreeSet, VecDeque};
use std::io::{self, BufRead, Read};

/// Why nothing can be drawn.
#[derive(Debug, thiserror::Error)]
pub enum NoSample {
    /// The ledger is not the one of the checkpoint.
    #[error("{0}")]
    OtherLedger(String),
    /// There are more treatments than are held in memory.
    #[error("there are more than {SAMPLE_TREATMENTS_MAX} treatments: draw from a ledger or a checkpoint with fewer")]
    TooMany,
    /// The export.
    #[error("the entries cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A treatment with what an auditor looks for on site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dossier {
    /// The entry that states it.
    pub entry: EntryIndex,
    /// Country and code of the site, if the site is known.
    pub site: Option<String>,
    /// The id of the site.
    pub site_id: String,
    /// Who stated it.
    pub organisation: String,
    /// The final operation.
    pub operation: String,
    /// Its fraction or class.
    pub class: String,
    /// Its waste code.
    pub waste_code: Option<String>,
    /// Its mass as signed, in grams.
    pub grams: u64,
    /// The day, as written.
    pub day: String,
    /// What ended.
    pub item: String,
    /// The batches that its grams left.
    pub batches: Vec<String>,
    /// Everything that was said of what ended and of the lots that it came from, back to its batch, in the order of the ledger.
    pub steps: Vec<Step>,
    /// Audits of the site: entry, day, outcome.
    pub audits: Vec<(EntryIndex, String, String)>,
    /// Whether steps were left out: there are more lots behind it than are followed, or more was said of one than a page holds.
    pub shortened: bool,
}

/// One entry on the way to a treatment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The entry.
    pub entry: EntryIndex,
    /// Its type.
    pub type_name: &'static str,
    /// Who said it.
    pub organisation: String,
    /// When it happened, as written.
    pub occurred_at: String,
    /// Scales on which something was weighed in it.
    pub scales: Vec<String>,
    /// Grams that were read from a scale in it, net.
    pub weighed_g: Vec<i64>,
    /// The number of its paper.
    pub number: Option<String>,
    /// SHA-256 of its paper.
    pub document: Option<String>,
    /// What kind of evidence was attached.
    pub evidence: Option<String>,
}

fn other_ledger<T>(problem: impl Into<String>) -> Result<T, NoSample> {
    Err(NoSample::OtherLedger(problem.into()))
}

/// The treatments below a checkpoint that the database holds, in the order of their entries. The root over the database's own
/// leaves must be the checkpoint's.
pub fn candidates(database: &mut Database, checkpoint: &Checkpoint) -> Result<Vec<Candidate>, NoSample> {
    let size = head::read(database)?.size();
    if size < checkpoint.size {
        return other_ledger(format!("the database holds {size} entries, the checkpoint covers {}", checkpoint.size));
    }
    let mut source = StoredTiles(database);
    let root = Prover::new(&mut source, checkpoint.size).frontier().map_err(StoreError::from)?.root();
    require_root(&root, checkpoint)?;
    // Every treatment's id comes behind this, and their entries' own order is restored below.
    let (mut found, mut after) = (Vec::new(), "treatment/".to_owned());
    loop {
        let page = records::page(database, RecordKind::Treatment, &after, PAGE_ROWS_MAX)?;
        let Some(last) = page.last() else { break };
        after = last.id().id;
        let treatments = page.into_iter().filter_map(|record| Treatment::try_from(record).ok());
        let below: Vec<EntryIndex> =
            treatments.map(|treatment| treatment.entry).filter(|entry| entry.0 < checkpoint.size).collect();
        for stored in entries::find_many(database, &below)? {
            found.extend(candidate_of(&stored.bytes).map(|(_, candidate)| candidate));
        }
        if found.len() > SAMPLE_TREATMENTS_MAX {
            return Err(NoSample::TooMany);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The treatments of an export, one entry a line. Every line up to the checkpoint's size is hashed; the root must be the
/// checkpoint's.
pub fn candidates_of_export(mut export: impl BufRead, checkpoint: &Checkpoint) -> Result<Vec<Candidate>, NoSample> {
    let (mut found, mut frontier) = (Vec::new(), Frontier::default());
    while frontier.size() < checkpoint.size {
        let Some(bytes) = next_line(&mut export)? else { break };
        frontier.push(leaf_hash(&bytes));
        found.extend(candidate_of(&bytes).map(|(_, candidate)| candidate));
        if found.len() > SAMPLE_TREATMENTS_MAX {
            return Err(NoSample::TooMany);
        }
    }
    if frontier.size() < checkpoint.size {
        let size = frontier.size();
        return other_ledger(format!("the export holds {size} entries, the checkpoint covers {}", checkpoint.size));
    }
    require_root(&frontier.root(), checkpoint)?;
    Ok(found)
}

/// The next line without its line feed; none is longer than an entry can be.
fn next_line(export: &mut impl BufRead) -> Result<Option<Vec<u8>>, NoSample> {
    let mut line = Vec::new();
    let longest = u64::try_from(ENTRY_BYTES_MAX).unwrap_or(u64::MAX);
    if export.take(longest + 1).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.pop_if(|byte| *byte == b'\n').is_none() && line.len() > ENTRY_BYTES_MAX {
        return other_ledger("a line of the export is longer than an entry can be");
    }
    Ok(Some(line))
}

fn require_root(root: &TreeHash, checkpoint: &Checkpoint) -> Result<(), NoSample> {
    if *root == checkpoint.root {
        return Ok(());
    }
    let (size, theirs) = (checkpoint.size, &checkpoint.root);
    other_ledger(format!("the root over the first {size} entries is {root}, the checkpoint's is {theirs}: keep both"))
}

/// What an entry says, if it states a final treatment.
fn candidate_of(bytes: &[u8]) -> Option<(TreatedFinal, Candidate)> {
    let entry = Entry::parse(bytes).ok()?;
    let DomainEvent::TreatedFinal(treated) = Unverified::read(&entry.statement).ok()?.statement.event else {
        return None;
    };
    let grams = u64::try_from(treated.net_g.get()).ok()?;
    Some((treated, Candidate { index: entry.index.0, grams }))
}

/// What stands behind a treatment, as of a checkpoint.
pub fn dossier(database: &mut Database, entry: EntryIndex, checkpoint: &Checkpoint) -> Result<Dossier, NoSample> {
    let damaged = || StoreError::damaged(format!("the treatment of entry {entry} cannot be read"));
    let stored = entries::find(database, entry)?.ok_or_else(damaged)?;
    require_in_tree(database, &stored.bytes, entry, checkpoint)?;
    let (treated, candidate) = candidate_of(&stored.bytes).ok_or_else(damaged)?;
    let common = read_event(stored)?.statement.common;
    let treatment: Treatment = records::find(database, &Treatment::id_of(entry))?.ok_or_else(damaged)?;
    let site: Option<Site> = records::find(database, &treatment.site.to_string())?;
    let mut way = Way { database, size: checkpoint.size, entries: BTreeSet::new(), shortened: false };
    way.back_to_batch(treated.item)?;
    let (steps, shortened) = (way.steps()?, way.shortened);
    let audits = site.iter().flat_map(|site| &site.audits).filter(|audit| audit.entry.0 < checkpoint.size);
    Ok(Dossier {
        entry,
        site: site.as_ref().map(|site| format!("{}-{}", site.country, site.code)),
        site_id: treatment.site.to_string(),
        organisation: common.on_behalf_of.unwrap_or(common.org).to_string(),
        operation: treated.operation.to_string(),
        class: treatment.class.to_string(),
        waste_code: treatment.waste_code.as_ref().map(ToString::to_string),
        grams: candidate.grams,
        day: common.occurred_at.date().map(|day| day.to_string()).unwrap_or_default(),
        item: treated.item.to_string(),
        batches: treatment.batches().map(|batch| batch.to_string()).collect(),
        steps,
        audits: audits.map(|audit| (audit.entry, audit.on.to_string(), audit.outcome.to_string())).collect(),
        shortened,
    })
}

/// The bytes that the database gives are those under the checkpoint.
fn require_in_tree(
    database: &mut Database,
    bytes: &[u8],
    entry: EntryIndex,
    checkpoint: &Checkpoint,
) -> Result<(), NoSample> {
    let mut source = StoredTiles(database);
    let path = Prover::new(&mut source, checkpoint.size).inclusion(entry.0).map_err(StoreError::from)?;
    match check_inclusion(&leaf_hash(bytes), entry.0, checkpoint.size, &path, &checkpoint.root) {
        Ok(()) => Ok(()),
        Err(problem) => other_ledger(format!("entry {entry} is not under the checkpoint: {problem}")),
    }
}

/// The way of a treated lot, back to the batch that it left.
struct Way<'a> {
    database: &'a mut Database,
    size: u64,
    entries: BTreeSet<EntryIndex>,
    shortened: bool,
}

impl Way<'_> {
    fn back_to_batch(&mut self, item: ItemId) -> Result<(), StoreError> {
        let (mut left, mut seen) = (VecDeque::from([Node::Item(item)]), BTreeSet::from([Node::Item(item)]));
        while let Some(node) = left.pop_front() {
            let page = mentions::of_subject(self.database, &subject_of_node(node), 0, PAGE_ROWS_MAX)?;
            self.shortened |= i64::try_from(page.len()).is_ok_and(|count| count == PAGE_ROWS_MAX);
            self.entries.extend(page.into_iter().filter(|entry| entry.0 < self.size));
            let links = links_of(self.database, None, node)?;
            let parents = links.iter().flat_map(|link| link.up(node)).copied();
            for parent in parents.filter(|parent| matches!(parent, Node::Item(_))) {
                if seen.len() == SAMPLE_LOTS_MAX {
                    self.shortened = true;
                } else if seen.insert(parent) {
                    left.push_back(parent);
                }
            }
        }
        Ok(())
    }

    fn steps(&mut self) -> Result<Vec<Step>, StoreError> {
        let indexes: Vec<EntryIndex> = self.entries.iter().copied().collect();
        entries::find_many(self.database, &indexes)?
            .into_iter()
            .map(|stored| Ok(step_of(&read_event(stored)?)))
            .collect()
    }
}

fn step_of(event: &Event) -> Step {
    let common = &event.statement.common;
    // Numbers and papers bear the same names in every type; the payload was read strictly when it came in.
    let payload: serde_json::Value = serde_json::from_str(&event.payload).unwrap_or_default();
    let text = |pointer: &str| payload.pointer(pointer).and_then(serde_json::Value::as_str).map(str::to_owned);
    let weights = event.statement.event.weights();
    let weighed = weights.iter().filter(|weight| weight.scale.is_some());
    Step {
        entry: event.index,
        type_name: event.statement.event.type_name(),
        organisation: common.on_behalf_of.unwrap_or(common.org).to_string(),
        occurred_at: common.occurred_at.to_string(),
        scales: event.statement.event.scales().iter().map(ToString::to_string).collect(),
        weighed_g: weighed.filter_map(|weight| weight.net().ok().flatten()).map(Grams::get).collect(),
        number: text("/number"),
        document: text("/document/sha256"),
        evidence: matches!(event.statement.event, DomainEvent::EvidenceAttached(_)).then(|| text("/kind")).flatten(),
    }
}
