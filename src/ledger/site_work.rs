//! What lies between a site's gate and its certificates, gram by gram: batch after batch, and what each still lacks.

use crate::domain::apply::rules_in_force;
use crate::domain::balance::{Account, SiteAccount};
use crate::domain::batch::{Batch, BatchStatus};
use crate::domain::certificate::{UNIT_G, room_units};
use crate::domain::eligibility::{self, Figure, Gap, figures};
use crate::domain::ids::{BatchId, SiteId};
use crate::domain::pool::{self, Pool};
use crate::domain::site_batches::BatchAt;
use crate::domain::state::{Record, RecordKind, State, Stop};
use crate::domain::time::LedgerTime;
use crate::ledger::Ledger;
use crate::ledger::asking::{Unanswered, ask};
use crate::ledger::eligibility::{TreatmentStanding, lines_of};
use crate::ledger::lookup::Reader;
use crate::limits::{PAGE_ROWS_MAX, SITE_BATCHES_MAX, SITE_TREATMENTS_MAX};
use crate::store::{Database, StoreError, records};
use std::collections::{BTreeMap, BTreeSet};

/// Where the grams of a batch are, in grams.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// In the open batch.
    pub in_batch_g: i64,
    /// In lots that came out and are not treated yet; what later scales showed otherwise is in it too.
    pub untreated_g: i64,
    /// Treated: the sum of the next three.
    pub treated_g: i64,
    /// Eligible, and in no certificate.
    pub free_g: i64,
    /// Behind certificates.
    pub allotted_g: i64,
    /// Backing nothing yet, or never.
    pub waiting_g: i64,
    /// The same by what they lack; grams that lack several things count under each.
    pub lacking_g: BTreeMap<Gap, i64>,
}

impl Work {
    /// Adds those of another batch.
    pub fn add(&mut self, other: &Self) {
        self.in_batch_g += other.in_batch_g;
        self.untreated_g += other.untreated_g;
        self.treated_g += other.treated_g;
        self.free_g += other.free_g;
        self.allotted_g += other.allotted_g;
        self.waiting_g += other.waiting_g;
        for (gap, grams) in &other.lacking_g {
            *self.lacking_g.entry(*gap).or_default() += grams;
        }
    }

    /// The part of a treatment's line.
    fn add_line(&mut self, standing: &TreatmentStanding, allotted_g: i64) {
        let grams = standing.line.grams().get();
        let free_g = (standing.eligible.get() - allotted_g).max(0);
        let waiting_g = grams - allotted_g - free_g;
        self.treated_g += grams;
        self.free_g += free_g;
        self.allotted_g += allotted_g;
        self.waiting_g += waiting_g;
        for gap in standing.gaps.iter().filter(|_| waiting_g > 0) {
            *self.lacking_g.entry(*gap).or_default() += waiting_g;
        }
    }
}

/// A batch of a site.
#[derive(Debug, Clone)]
pub struct BatchWork {
    /// The batch.
    pub batch: BatchId,
    /// Where it stands.
    pub status: BatchStatus,
    /// What went in, less what remained.
    pub input_g: i64,
    /// Where its grams are.
    pub work: Work,
    /// What all of it lacks already, while some of it is not treated.
    pub lacks: BTreeSet<Gap>,
    /// Where a rule counts: what it found of the batch.
    pub figures: Vec<Figure>,
}

/// A pool of a site.
#[derive(Debug, Clone)]
pub struct PoolWork {
    /// The pool.
    pub pool: Pool,
    /// What may still be certified of its year's vintages within the site's capacity, in grams, where the scheme has a bound.
    pub room_g: Option<i64>,
}

impl PoolWork {
    /// The same where it holds some of the pool's grams back.
    pub fn bound_g(&self) -> Option<i64> {
        let free_g = self.pool.entered_g.get() - self.pool.allotted_g.get();
        self.room_g.filter(|room| free_g / UNIT_G > room / UNIT_G)
    }
}

/// A page of a site's work.
#[derive(Debug, Clone)]
pub struct SiteWork {
    /// Its pools, oldest vintage first.
    pub pools: Vec<PoolWork>,
    /// All that lies there, in lots, devices and open batches.
    pub live_g: i64,
    /// Its batches, in the order of their ids.
    pub batches: Vec<BatchWork>,
    /// The last of them, if there are more.
    pub next: Option<BatchId>,
}

impl Ledger {
    /// A page of what lies between a site's gate and its certificates, from behind a batch on; for whoever has the site, and for
    /// auditors. `None` if there is no such site, or it is another's.
    pub fn site_work(
        &self,
        reader: Reader,
        site: SiteId,
        after: Option<BatchId>,
    ) -> Result<Option<SiteWork>, Unanswered> {
        let now = self.now()?;
        self.store.snapshot(|database| {
            let found = records::load(database, &[site.to_string()])?;
            let owner = found.into_iter().find_map(|record| match record {
                Record::Site(site) => Some(site.organisation),
                _ => None,
            });
            let Some(owner) = owner else { return Ok(None) };
            if reader != Reader::All && owner.map(Reader::Organisation) != Some(reader) {
                return Ok(None);
            }
            let (batches, next) = batches_of(database, site, after)?;
            let works = batches.iter().map(|batch| work_of(database, batch, now)).collect::<Result<_, _>>()?;
            Ok(Some(SiteWork { pools: pools_of(database, site)?, live_g: live(database, site)?, batches: works, next }))
        })
    }
}

fn pools_of(database: &mut Database, site: SiteId) -> Result<Vec<PoolWork>, Unanswered> {
    let found = records::page_under(database, RecordKind::Pool, &Pool::prefix_of(&site), PAGE_ROWS_MAX)?;
    let pools: Vec<Pool> = found.into_iter().filter_map(|record| Pool::try_from(record).ok()).collect();
    ask(database, |state| {
        let with_room = |pool: &Pool| -> Result<PoolWork, Stop> {
            let room = room_units(state, &site, &pool.vintage)?;
            Ok(PoolWork { pool: pool.clone(), room_g: room.map(|units| units * UNIT_G) })
        };
        pools.iter().map(with_room).collect()
    })
}

fn live(database: &mut Database, site: SiteId) -> Result<i64, StoreError> {
    let account = SiteAccount { account: Account::Live, site: Some(site) };
    Ok(records::accounts(database)?.get(&account).copied().unwrap_or(0))
}

/// Batches of a site, as many as a page bears; and the last of them, if there may be more.
fn batches_of(
    database: &mut Database,
    site: SiteId,
    after: Option<BatchId>,
) -> Result<(Vec<Batch>, Option<BatchId>), StoreError> {
    let prefix = BatchAt::prefix_of(&site);
    let from = after.map_or_else(|| prefix.clone(), |batch| BatchAt { site, batch }.id());
    // A batch's id begins with a hexadecimal digit, so all of them stand before this.
    let end = format!("{prefix}g");
    let found = records::page_between(database, RecordKind::BatchAt, (&from, &end), SITE_BATCHES_MAX)?;
    let ids: Vec<BatchId> =
        found.into_iter().filter_map(|record| BatchAt::try_from(record).ok()).map(|note| note.batch).collect();
    let is_full = i64::try_from(ids.len()).is_ok_and(|count| count == SITE_BATCHES_MAX);
    let mut next = ids.last().copied().filter(|_| is_full);
    let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let mut loaded: Vec<Batch> = records::load_of(database, &names)?;
    loaded.sort_by_key(|batch| ids.iter().position(|id| *id == batch.id));
    let (mut batches, mut treatments) = (Vec::with_capacity(loaded.len()), 0);
    for batch in loaded {
        treatments += batch.treatments.len();
        if treatments > SITE_TREATMENTS_MAX && !batches.is_empty() {
            next = batches.last().map(|last: &Batch| last.id);
            break;
        }
        batches.push(batch);
    }
    // What was corrected away, or is at another site by its correction, is none of this site's.
    batches.retain(|batch| batch.site == site && batch.status != BatchStatus::Void);
    Ok((batches, next))
}

fn work_of(database: &mut Database, batch: &Batch, now: LedgerTime) -> Result<BatchWork, Unanswered> {
    let mut work = ask(database, |state| work_in(state, batch, now))?;
    work.in_batch_g = batch.left_g.0;
    work.untreated_g = (batch.out_g.get() - work.treated_g).max(0);
    let is_waiting = work.in_batch_g > 0 || work.untreated_g > 0;
    let (lacks, figures) = ask(database, |state| lacking(state, batch, now))?;
    let lacks = if is_waiting { lacks } else { BTreeSet::new() };
    Ok(BatchWork { batch: batch.id, status: batch.status, input_g: batch.input_g.get(), work, lacks, figures })
}

/// What all of a batch lacks, whatever is treated of it, and the figures of that.
fn lacking(state: &State<'_>, batch: &Batch, now: LedgerTime) -> Result<(BTreeSet<Gap>, Vec<Figure>), Stop> {
    eligibility::require_untreated(state, &[], &[batch.id])?;
    let rules = rules_in_force(state)?;
    let gaps = eligibility::of_batch(state, rules, batch, now)?;
    let conditions = rules.scheme.conditions.as_ref();
    let figures = conditions.map(|conditions| figures(conditions, batch, None, &gaps)).unwrap_or_default();
    Ok((gaps, figures))
}

/// What was treated of a batch: of each treatment its own lines alone.
fn work_in(state: &State<'_>, batch: &Batch, now: LedgerTime) -> Result<Work, Stop> {
    let lines = lines_of(state, &batch.treatments, now)?.unwrap_or_default();
    let own: Vec<TreatmentStanding> =
        lines.into_iter().filter(|standing| standing.line.source.batch() == Some(batch.id)).collect();
    let (mut work, mut wanted) = (Work::default(), Vec::new());
    for standing in &own {
        match pool::certified_of(state, standing.treatment.entry, &standing.line) {
            Ok(certified_g) => work.add_line(standing, certified_g),
            // All of them are loaded at once.
            Err(Stop::Load(more)) => wanted.extend(more),
            Err(refused) => return Err(refused),
        }
    }
    if wanted.is_empty() { Ok(work) } else { Err(Stop::Load(wanted)) }
}
