//! Issue: units on the grams that a pool gives next, by an issuer who is independent of the centre.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::certificate::{
    Certificate, CertificateStatus, Pending, PendingKind, SiteTally, UNIT_G, blocks, part_of, tally, yearly,
};
use crate::domain::codes::{Month, Role, SchemeName};
use crate::domain::delegation::are_related;
use crate::domain::event::{Allotment, CertificateIssued, SecondSignature};
use crate::domain::ids::{EntryIndex, OrganisationId, PartyId, SiteId};
use crate::domain::mass::Grams;
use crate::domain::pool::{self, Available, Pool, PoolRange};
use crate::domain::refusal::RefusalCode;
use crate::domain::registry::Site;
use crate::domain::rule_set::RuleSet;
use crate::domain::serial::SerialBlock;
use crate::domain::state::{RecordId, RecordKind, State, Stop};
use crate::domain::time::LedgerTime;
use crate::limits::ALLOTMENTS_MAX;

/// What an issue of at most so many units would take now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// What the issuer would sign.
    pub issue: CertificateIssued,
    available: Available,
    pool: Pool,
}

impl Proposal {
    /// The last entry that wrote to the ranges of these grams: it put them into their pool, or others of the same range into
    /// an earlier certificate.
    pub fn rests_on(&self, state: &State<'_>) -> Option<EntryIndex> {
        let stamp = |range: &PoolRange| state.stamp(&RecordId::new(RecordKind::PoolRange, &range.id()));
        self.available.taken.iter().filter_map(|(range, _)| stamp(range)).map(|stamp| stamp.since).max()
    }
}

/// The site and the pool of an issue.
fn site_and_pool(state: &State<'_>, id: &SiteId, vintage: &Month) -> Result<(Site, OrganisationId, Pool), Stop> {
    let site = state.site(id)?.cloned();
    let Some((site, centre)) = site.and_then(|site| site.organisation.map(|centre| (site, centre))) else {
        return refuse(RefusalCode::Unknown, "/pool_site", "no site of an organisation has this id");
    };
    match state.pool(&Pool::id_of(id, vintage))?.cloned() {
        Some(pool) => Ok((site, centre, pool)),
        None => refuse(RefusalCode::UnitsInvalid, "/vintage", "this site has no eligible grams of this month"),
    }
}

/// Works out an issue from the front of the pool as it stands at a ledger time: as many units as wanted, or as there are up to
/// that.
pub fn propose(
    state: &State<'_>,
    site: &SiteId,
    vintage: &Month,
    units_max: Option<i64>,
    now: LedgerTime,
) -> Result<Proposal, Stop> {
    let rules = rules_in_force(state)?;
    let test = state.ledger()?.is_some_and(|ledger| ledger.test);
    let (site, centre, pool) = site_and_pool(state, site, vintage)?;
    require_no_failing(state, &site.id)?;
    let all = pool.entered_g.minus(pool.allotted_g).unwrap_or(Grams::ZERO);
    let wanted = units_max.and_then(|units| units.checked_mul(UNIT_G)).and_then(Grams::new);
    let available = front_of(state, &pool, wanted.unwrap_or(all).min(all), now)?;
    let found = available.grams();
    let units = found / UNIT_G;
    let scheme = &rules.scheme;
    let blocks = blocks((&site.country, &site.code), vintage, test, pool.units, units, scheme.buffer_ppm);
    let (Some([certificate, buffer]), Some(name)) = (blocks, SchemeName::parse(&scheme.name)) else {
        let detail = format!("this gives {found} g; an issue has at least two units of 1 kg, the buffer's included");
        return refuse(RefusalCode::UnitsInvalid, "/vintage", detail);
    };
    let available = cut(available, units * UNIT_G);
    let issue = CertificateIssued {
        certificate,
        buffer,
        holder: centre,
        pool_site: site.id,
        vintage: vintage.clone(),
        scheme: name,
        allotments: available.taken.iter().map(|(_, allotment)| allotment.clone()).collect(),
        second: None,
    };
    Ok(Proposal { issue, available, pool })
}

/// The front of the pool, as far as one issue can hold it. Should it be crumbs that do not fill two units together, they
/// are passed over and stay: nobody can bar a pool by treating grams one by one.
fn front_of(state: &State<'_>, pool: &Pool, wanted: Grams, now: LedgerTime) -> Result<Available, Stop> {
    let found = pool::available(state, pool, wanted, ALLOTMENTS_MAX, Grams::ZERO, now)?;
    if found.taken.len() < ALLOTMENTS_MAX || found.grams() >= 2 * UNIT_G {
        return Ok(found);
    }
    let share = i64::try_from(ALLOTMENTS_MAX).ok().and_then(|count| Grams::new((2 * UNIT_G + count - 1) / count));
    pool::available(state, pool, wanted, ALLOTMENTS_MAX, share.unwrap_or(Grams::ZERO), now)
}

/// Less than 1 kg stays in the pool.
fn cut(available: Available, grams: i64) -> Available {
    let Available { taken, passed } = available;
    let allotments: Vec<Allotment> = taken.iter().map(|(_, allotment)| allotment.clone()).collect();
    let kept = part_of(&allotments, 0, grams);
    let taken = taken.into_iter().zip(kept).map(|((range, _), allotment)| (range, allotment)).collect();
    Available { taken, passed }
}

/// Units are issued. The statement must say what the pool gives now; a draft that others overtook is stale.
pub fn certificate_issued(state: &mut State<'_>, context: &Context<'_>, event: &CertificateIssued) -> Result<(), Stop> {
    let rules = rules_in_force(state)?;
    let second = require_issuer(state, context, event, rules)?;
    let units = event.certificate.units().checked_add(event.buffer.units());
    let proposal = propose(state, &event.pool_site, &event.vintage, units, context.time)?;
    require_as_proposed(event, &proposal.issue)?;
    require_unrelated_issuer(state, context, event, rules)?;
    let units = event.certificate.units() + event.buffer.units();
    yearly::count(state, event)?;
    let roots = put_blocks(state, context, event, rules, second)?;
    pool::take(state, proposal.pool, &proposal.available, &roots, units)
}

/// The two blocks of an issue come into being, issued by whoever may. For whoever sees a part of the ledger alone: what the
/// pool gives and the site may receive, [`certificate_issued`] asks.
pub(crate) fn put_issued(state: &mut State<'_>, context: &Context<'_>, event: &CertificateIssued) -> Result<(), Stop> {
    let rules = rules_in_force(state)?;
    let second = require_issuer(state, context, event, rules)?;
    require_unrelated_issuer(state, context, event, rules)?;
    put_blocks(state, context, event, rules, second).map(drop)
}

/// The statement says what the pool gives; whose second signature it waits for is its author's to say.
fn require_as_proposed(event: &CertificateIssued, proposed: &CertificateIssued) -> Result<(), Stop> {
    if event.scheme != proposed.scheme {
        let detail = format!("the scheme in force is {}", proposed.scheme);
        return refuse(RefusalCode::SchemeNotInForce, "/scheme", detail);
    }
    if event.holder != proposed.holder {
        return refuse(RefusalCode::WrongReceiver, "/holder", "the centre whose site it is holds the units first");
    }
    if (CertificateIssued { second: None, ..event.clone() }) != *proposed {
        let detail = "the pool gives other grams or serial numbers by now; ask /v1/certificates/draft again";
        return refuse(RefusalCode::GramsTaken, "/allotments", detail);
    }
    Ok(())
}

/// The two blocks of an issue, each with its own part of the grams.
fn put_blocks(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &CertificateIssued,
    rules: &RuleSet,
    second: Option<SecondSignature>,
) -> Result<[Certificate; 2], Stop> {
    let Some(ledger) = state.ledger()?.cloned() else {
        return refuse(RefusalCode::LedgerNotOpen, "/type", "the first entry of a ledger is ledger_opened");
    };
    let pending = second.map(|second| Pending {
        what: PendingKind::Issue,
        entry: context.index,
        second,
        organisation: context.party(),
        actor: context.statement.common.actor,
        reason: None,
    });
    let (held, buffer) = (&event.certificate, &event.buffer);
    let expires = context.time.date().and_then(|day| day.plus_months(rules.scheme.valid_months));
    let block = |serial: &SerialBlock, other: &SerialBlock, status, skip: i64| Certificate {
        serial: serial.clone(),
        status: if pending.is_some() { CertificateStatus::Pending } else { status },
        holder: None,
        held_since: context.index,
        issuer: context.party(),
        site: event.pool_site,
        issued: context.index,
        issued_at: context.time,
        expires: None,
        issued_with: other.clone(),
        scheme: event.scheme.clone(),
        rule_set: ledger.rule_set.clone(),
        allotments: part_of(&event.allotments, skip * UNIT_G, serial.units() * UNIT_G),
        split_from: None,
        into: Vec::new(),
        listed_in: None,
        pending: pending.clone(),
        frozen: None,
        retired: None,
        withdrawn: None,
        cancelled: None,
        failing: Vec::new(),
        backing: Vec::new(),
        backs: None,
    };
    let of_holder =
        Certificate { holder: Some(event.holder), expires, ..block(held, buffer, CertificateStatus::Held, 0) };
    let of_buffer = block(buffer, held, CertificateStatus::Buffer, held.units());
    tally::put(state, of_holder.clone())?;
    tally::put(state, of_buffer.clone())?;
    Ok([of_holder, of_buffer])
}

/// Who issues is an issuer. What the operator issues waits for another organisation: whoever runs the ledger must not vouch
/// for itself. Gives whose second signature is awaited.
fn require_issuer(
    state: &State<'_>,
    context: &Context<'_>,
    event: &CertificateIssued,
    rules: &RuleSet,
) -> Result<Option<SecondSignature>, Stop> {
    let ledger = state.ledger()?;
    let is_operator = ledger.is_some_and(|ledger| ledger.operator == context.party());
    if is_operator && rules.scheme.registry.is_none() {
        let detail = "the operator issues nothing under this rule set, which knows no second signature";
        return refuse(RefusalCode::IssuerIsOperator, "/org", detail);
    }
    if !is_operator {
        context.require_role(state, &[Role::Issuer])?;
    }
    if rules.scheme.test_only && !ledger.is_some_and(|ledger| ledger.test) {
        let detail =
            format!("the scheme {} is admitted on ledgers that were opened for tests alone", rules.scheme.name);
        return refuse(RefusalCode::SchemeTestOnly, "/scheme", detail);
    }
    let second = if is_operator { Some(SecondSignature::Organisation) } else { event.second };
    require_person(context, second)?;
    Ok(second)
}

/// Where another person shall sign too, the first one is known.
pub(super) fn require_person(context: &Context<'_>, second: Option<SecondSignature>) -> Result<(), Stop> {
    if second == Some(SecondSignature::Person) && context.statement.common.actor.is_none() {
        let detail = "a second person signs only where the first one is known: name the actor";
        return refuse(RefusalCode::PersonMissing, "/actor", detail);
    }
    Ok(())
}

/// The issuer has nothing to do with the centre.
fn require_unrelated_issuer(
    state: &State<'_>,
    context: &Context<'_>,
    event: &CertificateIssued,
    rules: &RuleSet,
) -> Result<(), Stop> {
    // Under rule sets without a registry the first scheme's issues stand as they were accepted.
    if rules.scheme.registry.is_none() {
        return Ok(());
    }
    let (issuer, centre) = (context.party(), event.holder);
    if issuer == centre || are_related(state, PartyId(issuer.0), PartyId(centre.0))? {
        let detail = "the issuer is related to the centre that would hold the units; another issuer is needed";
        return refuse(RefusalCode::IssuerRelated, "/org", detail);
    }
    Ok(())
}

/// While units of a site fail, it issues nothing.
fn require_no_failing(state: &State<'_>, site: &SiteId) -> Result<(), Stop> {
    let failing = state.site_tally(&SiteTally::id_of(site))?.map_or(0, |tally| tally.failing);
    if failing > 0 {
        let detail = format!(
            "{failing} units of this site fail and are neither withdrawn nor replaced; it issues nothing until they are"
        );
        return refuse(RefusalCode::SiteInDeficit, "/pool_site", detail);
    }
    Ok(())
}
