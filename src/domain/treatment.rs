//! Treatment: the end of mass by a final operation, and the audits of the sites where it happens.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::balance::{Account, flow_out};
use crate::domain::batch::Batch;
use crate::domain::codes::{Arising, ItemStatus, Month, Role, TableCode, WasteCode};
use crate::domain::eligibility::{self, Gap};
use crate::domain::event::{SiteAudited, TreatedFinal};
use crate::domain::evidence::Evidence;
use crate::domain::fields::record;
use crate::domain::ids::{BatchId, EntryIndex, ItemId, OrganisationId, SiteId};
use crate::domain::item::{Item, own_item};
use crate::domain::lot::{arrive, each_once, permit_warning};
use crate::domain::mass::{Grams, WeightBasis};
use crate::domain::pool::{self, Pool, PoolPlace};
use crate::domain::refusal::{RefusalCode, Warning};
use crate::domain::registry::{Site, SiteAudit};
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::Date;

record! {
    /// A final treatment: grams that have ended, each of them in one batch's name.
    pub struct Treatment {
        /// The entry that states it: its id.
        entry: EntryIndex,
        /// What ended.
        item: ItemId,
        /// Its fraction or class.
        class: TableCode,
        /// Its waste code where it lay.
        waste_code: Option<WasteCode>,
        /// The batch that it left; whole equipment left none.
        batch: Option<BatchId>,
        /// Who treated it.
        organisation: OrganisationId,
        /// Where.
        site: SiteId,
        /// The final operation.
        operation: TableCode,
        /// How much.
        grams: Grams,
        /// What the mass rests on.
        basis: WeightBasis,
        /// Where it became waste.
        arising: Option<Arising>,
        /// The day, as written.
        day: Date,
        /// What stands behind it.
        evidence: Evidence,
        /// Where its eligible grams wait, once they are eligible.
        pool: Option<PoolPlace>,
    }
}

impl Treatment {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(self.entry)
    }

    /// The batch that it left, if it left one.
    pub(crate) fn batch_in<'s>(&self, state: &'s State<'_>) -> Result<Option<&'s Batch>, Stop> {
        match &self.batch {
            Some(batch) => state.batch(batch),
            None => Ok(None),
        }
    }

    /// The id of the treatment that an entry states.
    pub fn id_of(entry: EntryIndex) -> String {
        format!("treatment/{entry}")
    }
}

record! {
    /// Treatments of one month that wait for an audit of a site.
    pub struct AuditWait {
        /// The site.
        site: SiteId,
        /// The month of their days.
        month: Month,
        /// Their entries, in order.
        treatments: Vec<EntryIndex>,
    }
}

impl AuditWait {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(&self.site, &self.month)
    }

    /// The id of a site's month.
    pub fn id_of(site: &SiteId, month: &Month) -> String {
        format!("audit_wait/{site}/{month}")
    }
}

/// The account in which an operation ends mass; an interim one ends none.
fn account_of(state: &State<'_>, operation: &TableCode) -> Result<Account, Stop> {
    let code = operation.as_str();
    match rules_in_force(state)?.operation(code) {
        None => refuse(RefusalCode::CodeUnknown, "/operation", "expected D1 to D15 or R1 to R13"),
        Some(known) if !known.r#final => {
            let detail = format!("{code} is interim ({}): it ends no mass", known.name);
            refuse(RefusalCode::OperationNotFinal, "/operation", detail)
        }
        Some(known) if known.kind == "recovery" => Ok(Account::Recovered(operation.clone())),
        Some(_) => Ok(Account::Disposed(operation.clone())),
    }
}

/// An item ends; its grams are recovered or disposed of, by operation. What the permit does not cover happened all the
/// same: it is recorded with a warning.
pub fn treated_final(state: &mut State<'_>, context: &Context<'_>, event: &TreatedFinal) -> Result<Vec<Warning>, Stop> {
    context.require_role(state, &[Role::Treater, Role::Recycler])?;
    let common = &context.statement.common;
    let (Some(site), Some(day)) = (common.site, common.occurred_at.date()) else {
        return refuse(RefusalCode::Unknown, "/site", "a treatment names the site where it happened");
    };
    let item = own_item(state, context, &event.item, "/item", &[ItemStatus::Held])?;
    if item.arising.is_none() {
        return refuse(RefusalCode::WrongCondition, "/item", "only waste is treated; say retired first");
    }
    let account = account_of(state, &event.operation)?;
    if event.net_g != item.grams {
        let detail = format!("this item has {} on the ledger; say reweighed first if it weighs otherwise", item.grams);
        return refuse(RefusalCode::SumDiffers, "/net_g", detail);
    }
    let (item, mut warnings) = arrive(state, context, item, Some(site))?;
    let permit = state.site(&site)?.and_then(|site| site.permit.clone());
    let operation = Some(event.operation.as_str());
    warnings.extend(permit_warning(permit.as_ref(), Some(&day), item.waste_code.as_ref(), operation));
    let warnings = each_once(warnings);
    flow_out(state, Some(site), account, item.grams);
    let item = item.touched(context)?;
    let treatment = Treatment {
        entry: context.index,
        item: item.id,
        class: item.class.clone(),
        waste_code: item.waste_code.clone(),
        batch: item.batch,
        organisation: common.org,
        site,
        operation: event.operation.clone(),
        grams: item.grams,
        basis: item.basis,
        arising: item.arising.clone(),
        day,
        evidence: item.evidence.clone().warned(&warnings, context.index),
        pool: None,
    };
    state.put(Record::Item(Item { treated: Some(context.index), ..item }.ended()));
    enter_batch(state, &treatment)?;
    state.put(Record::Treatment(treatment));
    settle_all(state, &[context.index])?;
    Ok(warnings)
}

/// The batch remembers what was treated of it: closing it may be what these grams wait for.
fn enter_batch(state: &mut State<'_>, treatment: &Treatment) -> Result<(), Stop> {
    let Some(id) = treatment.batch else { return Ok(()) };
    if let Some(mut batch) = state.batch(&id)?.cloned() {
        batch.treatments.push(treatment.entry);
        state.put(Record::Batch(batch));
    }
    Ok(())
}

/// Looks at a treatment that is in no pool: its grams enter one if they meet every rule now; if they lack an audit
/// alone, or a closed batch besides, they wait.
fn settle(state: &mut State<'_>, treatment: Treatment) -> Result<(), Stop> {
    if treatment.pool.is_some() {
        return Ok(());
    }
    let standing = eligibility::standing(state, &treatment)?;
    if standing.gaps.is_empty() {
        return pool::enter(state, treatment, &standing.latest);
    }
    if standing.gaps.iter().all(|gap| gap.may_still_close()) {
        if standing.gaps.contains(&Gap::TreatmentSiteNotAudited) {
            wait_for_audit(state, &treatment, treatment.site)?;
        }
        let batch_site = treatment.batch_in(state)?.map(|batch| batch.site);
        if let Some(site) = batch_site.filter(|_| standing.gaps.contains(&Gap::BatchSiteNotAudited)) {
            wait_for_audit(state, &treatment, site)?;
        }
    }
    state.put(Record::Treatment(treatment));
    Ok(())
}

fn wait_for_audit(state: &mut State<'_>, treatment: &Treatment, site: SiteId) -> Result<(), Stop> {
    let Some(month) = treatment.day.month() else { return Ok(()) };
    let waiting = state.audit_wait(&AuditWait::id_of(&site, &month))?.cloned();
    let mut waiting = waiting.unwrap_or(AuditWait { site, month, treatments: Vec::new() });
    if !waiting.treatments.contains(&treatment.entry) {
        waiting.treatments.push(treatment.entry);
    }
    state.put(Record::AuditWait(waiting));
    Ok(())
}

/// The ids of the records that settling a treatment may write, so that many are loaded at once.
fn records_of_settling(state: &State<'_>, treatment: &Treatment) -> Result<Vec<String>, Stop> {
    let standing = eligibility::standing(state, treatment)?;
    let batch = treatment.batch_in(state)?;
    let sites = || batch.map(|batch| batch.site).into_iter();
    let pools =
        standing.latest.month().into_iter().flat_map(|month| sites().map(move |site| Pool::id_of(&site, &month)));
    let waits = treatment.day.month().into_iter().flat_map(|month| {
        sites().chain([treatment.site]).map(move |site| AuditWait::id_of(&site, &month)).collect::<Vec<_>>()
    });
    Ok(pools.chain(waits).collect())
}

/// Looks at several treatments again, in their order.
pub(crate) fn settle_all(state: &mut State<'_>, treatments: &[EntryIndex]) -> Result<(), Stop> {
    eligibility::require_loaded(state, treatments)?;
    let mut concerned = Vec::new();
    for entry in treatments {
        if let Some(treatment) = state.treatment(*entry)? {
            concerned.extend(records_of_settling(state, treatment)?);
        }
    }
    state.require_loaded(concerned)?;
    for entry in treatments {
        if let Some(treatment) = state.treatment(*entry)?.cloned() {
            settle(state, treatment)?;
        }
    }
    Ok(())
}

/// An independent auditor was on site; treatments that waited for it may become eligible.
pub fn site_audited(state: &mut State<'_>, context: &Context<'_>, event: &SiteAudited) -> Result<(), Stop> {
    context.require_role(state, &[Role::Auditor])?;
    let Some(site) = state.site(&event.audited_site)?.cloned() else {
        return refuse(RefusalCode::Unknown, "/audited_site", "no site of this id is registered");
    };
    // Somewhere on earth it is tomorrow already; no clock that runs ahead reaches further.
    let tomorrow = context.time.date().and_then(|day| day.plus_days(1));
    let told = context.statement.common.occurred_at.date();
    if [told, tomorrow].into_iter().flatten().any(|day| event.on > day) {
        return refuse(RefusalCode::TimeInvalid, "/on", "the audit lies after the day on which it is reported");
    }
    let mut audits = site.audits;
    audits.push(SiteAudit {
        by: context.statement.common.org,
        on: event.on.clone(),
        outcome: event.outcome,
        occurred_at: context.statement.common.occurred_at.clone(),
        signer: context.signer,
        entry: context.index,
    });
    state.put(Record::Site(Site { audits, ..site }));
    end_waiting(state, &event.audited_site, &event.on)
}

/// Settles what waited for an audit on such a day, and keeps waiting what still waits.
fn end_waiting(state: &mut State<'_>, site: &SiteId, on: &Date) -> Result<(), Stop> {
    let reach = i64::from(rules_in_force(state)?.scheme.audit_months);
    let Some(month) = on.month() else { return Ok(()) };
    let ids = (-reach..=reach).filter_map(|months| month.plus(months)).map(|month| AuditWait::id_of(site, &month));
    let ids: Vec<String> = ids.collect();
    state.require_loaded(ids.iter().cloned())?;
    let mut waits: Vec<AuditWait> = Vec::new();
    for id in &ids {
        waits.extend(state.audit_wait(id)?.cloned());
    }
    let mut treatments: Vec<EntryIndex> = waits.iter().flat_map(|wait| wait.treatments.iter().copied()).collect();
    treatments.sort_unstable();
    settle_all(state, &treatments)?;
    for wait in waits {
        let mut left = Vec::new();
        for entry in &wait.treatments {
            if state.treatment(*entry)?.is_some_and(|treatment| treatment.pool.is_none()) {
                left.push(*entry);
            }
        }
        state.put(Record::AuditWait(AuditWait { treatments: left, ..wait }));
    }
    Ok(())
}
