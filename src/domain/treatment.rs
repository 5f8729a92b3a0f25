//! Treatment: the end of mass by a final operation, and the audits of the sites where it happens.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::arrival::arrive;
use crate::domain::balance::{Account, flow_out};
use crate::domain::batch::{Batch, Residual};
use crate::domain::border::completion;
use crate::domain::capacity;
use crate::domain::codes::{Arising, Document, DocumentNumber, ItemStatus, Month, Role, TableCode, WasteCode};
use crate::domain::composition::{Composition, SourceId};
use crate::domain::delegation::are_related;
use crate::domain::eligibility::{self, Gap, Standing, e_resource_1};
use crate::domain::event::{SiteAudited, TreatedFinal};
use crate::domain::evidence::{Evidence, FlawCode};
use crate::domain::fields::record;
use crate::domain::finding::{self, CureWait};
use crate::domain::hazardous;
use crate::domain::ids::{BatchId, EntryIndex, ItemId, OrganisationId, PartyId, SiteId};
use crate::domain::item::{Item, own_item};
use crate::domain::mass::{Grams, WeightBasis};
use crate::domain::permit::permit_warning;
use crate::domain::pool::{self, Certified, Pool, PoolPlace};
use crate::domain::refusal::each_once;
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::registry::{Site, SiteAudit};
use crate::domain::signal::{self, TallyKind};
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use crate::domain::storage::storage_warning;
use crate::domain::time::{Date, LedgerTime};

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
        /// Who stated it.
        organisation: OrganisationId,
        /// Where: a site of the author, or a facility whose papers it shows.
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
        /// The donations behind its grams; empty if nothing of it was donated.
        given: Composition,
        /// Its gram line: its sources in order, each a range.
        lines: Vec<Line>,
    }
}

record! {
    /// A stretch of a treatment's grams, all of one source.
    pub struct Line {
        /// Where they come from: a batch, or waste that was never dismantled.
        source: SourceId,
        /// The first gram.
        from: Grams,
        /// The gram behind the last.
        to: Grams,
        /// Where its grams entered pools, once they were eligible.
        places: Vec<PoolPlace>,
        /// Its grams that wait in a pool or are certified: they use up what its batch can back.
        covered: Grams,
        /// Whether certified grams of it were set free again, and have not entered a pool since.
        reopened: bool,
    }
}

impl Line {
    /// How many grams.
    pub fn grams(&self) -> Grams {
        self.to.minus(self.from).unwrap_or(Grams::ZERO)
    }

    /// Whether it may still enter a pool: it never did, or grams of it were set free.
    pub fn waits(&self) -> bool {
        self.places.is_empty() || self.reopened
    }

    /// The batch that these grams left, if they left one.
    pub(crate) fn batch_in<'s>(&self, state: &'s State<'_>) -> Result<Option<&'s Batch>, Stop> {
        match self.source.batch() {
            Some(batch) => state.batch(&batch),
            None => Ok(None),
        }
    }
}

/// The gram line of a composition.
fn lines_of(sources: &Composition) -> Vec<Line> {
    let (mut lines, mut from) = (Vec::with_capacity(sources.shares().len()), Grams::ZERO);
    for share in sources.shares() {
        let to = from.plus(share.grams).unwrap_or(from);
        lines.push(Line {
            source: share.source.clone(),
            from,
            to,
            places: Vec::new(),
            covered: Grams::ZERO,
            reopened: false,
        });
        from = to;
    }
    lines
}

impl Treatment {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(self.entry)
    }

    /// What ends stands on the path of every donation behind it.
    pub(crate) fn mention_donations(&self, state: &mut State<'_>) {
        for donation in self.given.shares().iter().filter_map(|share| share.source.donation()) {
            state.mention(RecordId::new(RecordKind::Donation, &donation));
        }
    }

    /// The batches that its grams left, each once.
    pub fn batches(&self) -> impl Iterator<Item = BatchId> {
        self.lines.iter().filter_map(|line| line.source.batch())
    }

    /// Whether some of its grams are in no pool.
    pub fn waits(&self) -> bool {
        self.lines.iter().any(Line::waits)
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

/// Where a final treatment happened: at a site of whoever treats, or by its papers at a plant without a key.
fn place_of(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &TreatedFinal,
) -> Result<(SiteId, Vec<Warning>), Stop> {
    let Some(facility) = &event.facility else {
        context.require_role(state, &[Role::Treater, Role::Recycler])?;
        return match context.statement.common.site {
            Some(site) => Ok((site, Vec::new())),
            None => refuse(RefusalCode::Unknown, "/site", "a treatment names the site where it happened"),
        };
    };
    let warnings = documented(state, context, facility, event.number.as_ref(), event.document.as_ref(), "/facility")?;
    Ok((*facility, warnings))
}

/// Takes the papers of a plant without a key: complete, of a number that serves once, and to be reviewed.
pub(crate) fn documented(
    state: &mut State<'_>,
    context: &Context<'_>,
    facility: &SiteId,
    number: Option<&DocumentNumber>,
    document: Option<&Document>,
    pointer: &str,
) -> Result<Vec<Warning>, Stop> {
    if state.site(facility)?.is_none_or(|site| site.organisation.is_some()) {
        let detail = "no facility of this id is registered; who has a key speaks for itself";
        return refuse(RefusalCode::Unknown, pointer, detail);
    }
    let (Some(number), Some(_)) = (number, document) else {
        let detail = "what a plant without a key did is shown by its paper: number and document belong here";
        return refuse(RefusalCode::ProofMissing, "/number", detail);
    };
    finding::document(state, context, *facility, number)?;
    Ok(Warning::new(WarningCode::Documented, pointer).into_iter().collect())
}

/// An item ends; its grams are recovered or disposed of, by operation. What the permit does not cover happened all the
/// same: it is recorded with a warning.
pub fn treated_final(state: &mut State<'_>, context: &Context<'_>, event: &TreatedFinal) -> Result<Vec<Warning>, Stop> {
    let (site, mut warnings) = place_of(state, context, event)?;
    let Some(day) = context.day() else {
        return refuse(RefusalCode::TimeInvalid, "/occurred_at", "a treatment has a day");
    };
    let item = own_item(state, context, &event.item, "/item", &[ItemStatus::Held])?;
    if item.arising.is_none() {
        return refuse(RefusalCode::WrongCondition, "/item", "only waste is treated; say retired first");
    }
    let account = account_of(state, &event.operation)?;
    if event.net_g != item.grams && !context.follows_figures() {
        let detail = format!("this item has {} on the ledger; say reweighed first if it weighs otherwise", item.grams);
        return refuse(RefusalCode::SumDiffers, "/net_g", detail);
    }
    warnings.extend(storage_warning(state, context, &item, "/item")?);
    let (item, found) = arrive(state, context, item, Some(site))?;
    warnings.extend(found);
    let permits = state.site(&site)?.map(|site| site.permits.clone()).unwrap_or_default();
    let operation = Some(event.operation.as_str());
    warnings.extend(permit_warning(&permits, Some(&day), item.waste_code.as_ref(), operation));
    warnings.extend(completion_warnings(&item, event, &day));
    let into = (site, event.operation.as_str());
    warnings.extend(capacity::take_into(state, context, into, item.grams, "/operation")?);
    let done = RecordId::new(RecordKind::Treatment, &Treatment::id_of(context.index));
    warnings.extend(signal::of_throughput(state, context, (TallyKind::Treated, site), item.grams, &done)?);
    let warnings = each_once(warnings);
    flow_out(state, Some(site), account, item.grams);
    let item = item.touched(context)?;
    let related = event.facility.is_some() && are_related(state, PartyId(item.holder.0), PartyId(site.0))?;
    let evidence = item.evidence.clone().warned(&warnings, context.index);
    let evidence = if related { evidence.flawed(FlawCode::RelatedParties, context.index) } else { evidence };
    // Whoever ends what is hazardous has accepted it, with whatever is in doubt about that.
    let ending = Item { evidence: evidence.clone(), ..item.clone() };
    let owed = hazardous::accept(state, context, ending, Some(site), operation)?.owed;
    let item = Item { owed, ..item };
    let treatment = Treatment {
        entry: context.index,
        item: item.id,
        class: item.class.clone(),
        waste_code: item.waste_code.clone(),
        organisation: context.party(),
        site,
        operation: event.operation.clone(),
        grams: item.grams,
        basis: item.basis,
        arising: item.arising.clone(),
        day,
        evidence,
        given: item.given.clone(),
        lines: lines_of(&item.sources),
    };
    treatment.mention_donations(state);
    state.put(Record::Item(Item { treated: Some(context.index), ..item }.ended()));
    enter_batches(state, &treatment)?;
    state.put(Record::Treatment(treatment));
    settle_all(state, context, &[context.index])?;
    Ok(warnings)
}

/// What a shipment brought ends by another operation than its consent says, or too late.
fn completion_warnings(item: &Item, event: &TreatedFinal, day: &Date) -> Vec<Warning> {
    let asked = item.evidence.completions.as_deref().unwrap_or_default();
    let otherwise = completion::ends_otherwise(asked, &event.operation).then_some("/operation");
    let late = completion::ends_late(asked, day).then_some("/occurred_at");
    let pointers = otherwise.into_iter().chain(late);
    pointers.filter_map(|pointer| Warning::new(WarningCode::BorderNotCovered, pointer)).collect()
}

/// Batches remember what was treated of them: closing one may be what these grams wait for.
fn enter_batches(state: &mut State<'_>, treatment: &Treatment) -> Result<(), Stop> {
    state.require_loaded(treatment.batches().map(|batch| batch.to_string()))?;
    let conditions = rules_in_force(state)?.scheme.conditions.as_ref();
    let is_residual =
        conditions.is_some_and(|conditions| e_resource_1::is_residual(conditions, treatment.operation.as_str()));
    for id in treatment.batches() {
        if let Some(mut batch) = state.batch(&id)?.cloned() {
            batch.treatments.push(treatment.entry);
            if is_residual {
                let before = batch.residual.last().map_or(Grams::ZERO, |ended| ended.to);
                let own = treatment.lines.iter().find(|line| line.source.batch() == Some(id)).map(Line::grams);
                let to = before.plus(own.unwrap_or(Grams::ZERO)).unwrap_or(before);
                batch.residual.push(Residual { treatment: treatment.entry, to });
            }
            state.put(Record::Batch(batch));
        }
    }
    Ok(())
}

/// Looks at a treatment: grams of a line that is in no pool enter one if they meet every rule now; if what they lack can
/// still be made good, they wait for it.
fn settle(state: &mut State<'_>, mut treatment: Treatment, now: LedgerTime) -> Result<(), Stop> {
    for position in 0..treatment.lines.len() {
        let Some(line) = treatment.lines.get(position).filter(|line| line.waits()).cloned() else { continue };
        let standing = eligibility::standing(state, rules_in_force(state)?, (&treatment, &line), now)?;
        if standing.gaps.iter().all(|gap| !gap.bars_entry()) {
            treatment = pool::enter(state, treatment, position, &standing.latest)?;
        } else if standing.gaps.iter().all(|gap| gap.may_still_close()) {
            wait(state, &treatment, &line, &standing)?;
        }
    }
    state.put(Record::Treatment(treatment));
    Ok(())
}

/// Notes for what a line waits: audits of its sites, cures of its flaws. That a batch is closed is asked of the batch.
fn wait(state: &mut State<'_>, treatment: &Treatment, line: &Line, standing: &Standing) -> Result<(), Stop> {
    if standing.gaps.contains(&Gap::TreatmentSiteNotAudited) {
        wait_for_audit(state, treatment, treatment.site)?;
    }
    let batch_site = line.batch_in(state)?.map(|batch| batch.site);
    if let Some(site) = batch_site.filter(|_| standing.gaps.contains(&Gap::BatchSiteNotAudited)) {
        wait_for_audit(state, treatment, site)?;
    }
    finding::wait_for_cures(state, treatment.entry, &standing.uncured)
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
fn records_of_settling(state: &State<'_>, treatment: &Treatment, now: LedgerTime) -> Result<Vec<String>, Stop> {
    let mut ids = Vec::new();
    for line in &treatment.lines {
        let standing = eligibility::standing(state, rules_in_force(state)?, (treatment, line), now)?;
        let site = line.batch_in(state)?.map(|batch| batch.site);
        ids.extend(standing.latest.month().zip(site).map(|(month, site)| Pool::id_of(&site, &month)));
        let sites = site.into_iter().chain([treatment.site]);
        let month = treatment.day.month();
        ids.extend(sites.filter_map(|site| month.as_ref().map(|month| AuditWait::id_of(&site, month))));
        ids.extend(standing.uncured.iter().map(|entry| CureWait::id_of(*entry)));
    }
    ids.push(Certified::id_of(treatment.entry));
    Ok(ids)
}

/// Looks at several treatments again, in their order. What is applied once more settles nothing: its correction does, at
/// the end.
pub(crate) fn settle_all(state: &mut State<'_>, context: &Context<'_>, treatments: &[EntryIndex]) -> Result<(), Stop> {
    if context.again.is_some() {
        return Ok(());
    }
    eligibility::require_loaded(state, treatments)?;
    let mut concerned = Vec::new();
    for entry in treatments {
        if let Some(treatment) = state.treatment(*entry)? {
            concerned.extend(records_of_settling(state, treatment, context.time)?);
        }
    }
    state.require_loaded(concerned)?;
    for entry in treatments {
        if let Some(treatment) = state.treatment(*entry)?.cloned() {
            settle(state, treatment, context.time)?;
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
    // The first rule set asked for the role alone; what was said under it stays.
    if rules_in_force(state)?.borders.is_some() {
        finding::require_independent(state, context, &site)?;
    }
    // Somewhere on earth it is tomorrow already; no clock that runs ahead reaches further.
    let tomorrow = context.time.date().and_then(|day| day.plus_days(1));
    let told = context.statement.common.occurred_at.date();
    if [told, tomorrow].into_iter().flatten().any(|day| event.on > day) {
        return refuse(RefusalCode::TimeInvalid, "/on", "the audit lies after the day on which it is reported");
    }
    let mut audits = site.audits;
    audits.push(SiteAudit {
        by: context.party(),
        on: event.on.clone(),
        outcome: event.outcome,
        occurred_at: context.statement.common.occurred_at.clone(),
        signer: context.signer,
        entry: context.index,
    });
    state.put(Record::Site(Site { audits, ..site }));
    end_waiting(state, context, &event.audited_site, &event.on)
}

/// Settles what waited for an audit on such a day, and keeps waiting what still waits.
fn end_waiting(state: &mut State<'_>, context: &Context<'_>, site: &SiteId, on: &Date) -> Result<(), Stop> {
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
    settle_all(state, context, &treatments)?;
    for wait in waits {
        let mut left = Vec::new();
        for entry in &wait.treatments {
            if state.treatment(*entry)?.is_some_and(Treatment::waits) {
                left.push(*entry);
            }
        }
        state.put(Record::AuditWait(AuditWait { treatments: left, ..wait }));
    }
    Ok(())
}
