//! Certificates: blocks of 1 kg units that rest on named grams of named treatments (rules.md §7).

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::codes::{Country, Month, Role, SchemeName, SiteCode};
use crate::domain::event::{Allotment, CertificateIssued, CertificateRetired, Period, PurposeKind, RuleSetName};
use crate::domain::fields::{codes, record};
use crate::domain::ids::{EntryIndex, OrganisationId, SiteId};
use crate::domain::mass::Grams;
use crate::domain::pool::{self, Pool, PoolRange};
use crate::domain::refusal::{Refusal, RefusalCode};
use crate::domain::registry::Site;
use crate::domain::rule_set::RuleSet;
use crate::domain::serial::SerialBlock;
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use crate::domain::time::{Date, LedgerTime};
use crate::limits::ALLOTMENTS_MAX;

/// Grams of one unit.
pub const UNIT_G: i64 = 1_000;
const PPM: i64 = 1_000_000;

codes! {
    /// Where a certificate stands.
    pub enum CertificateStatus {
        /// Its holder may still retire it.
        Held = "held",
        /// It was retired in somebody's name, for ever.
        Retired = "retired",
        /// It covers later errors and is never sold.
        Buffer = "buffer",
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
    }
}

record! {
    /// A certificate.
    pub struct Certificate {
        /// Its serial numbers: its id.
        serial: SerialBlock,
        /// Where it stands.
        status: CertificateStatus,
        /// Who holds it; nobody holds the buffer.
        holder: Option<OrganisationId>,
        /// Who issued it.
        issuer: OrganisationId,
        /// The site of the batches.
        site: SiteId,
        /// The entry that issued it.
        issued: EntryIndex,
        /// When the ledger wrote that down; from then on it is valid for 24 months.
        issued_at: LedgerTime,
        /// The scheme under which it was issued.
        scheme: SchemeName,
        /// The rule set that was in force.
        rule_set: RuleSetName,
        /// Its own grams, in the order of its units.
        allotments: Vec<Allotment>,
        /// Its retirement.
        retired: Option<Retirement>,
    }
}

impl Certificate {
    /// The last day on which it can be retired: expiry is no event but a function of the issue's time.
    pub fn expires(&self, months: u32) -> Option<Date> {
        self.issued_at.date().and_then(|day| day.plus_months(months))
    }
}

/// Units that go to the buffer of an issue: the scheme's share, rounded up.
pub fn buffer_units(units: i64, buffer_ppm: i64) -> i64 {
    let share = i128::from(units) * i128::from(buffer_ppm);
    i64::try_from((share + i128::from(PPM) - 1) / i128::from(PPM)).unwrap_or(units)
}

/// The two blocks of an issue: the holder's, and with the highest numbers the buffer's; `None` if there are too few
/// units for two.
pub fn blocks(
    (country, site): (&Country, &SiteCode),
    vintage: &Month,
    test: bool,
    before: i64,
    units: i64,
    ppm: i64,
) -> Option<[SerialBlock; 2]> {
    let buffer = buffer_units(units, ppm);
    let (first, last) = (before.checked_add(1)?, before.checked_add(units)?);
    let block = |first, last| SerialBlock {
        test,
        country: country.clone(),
        site: site.clone(),
        vintage: vintage.clone(),
        first,
        last,
    };
    let split = last - buffer;
    (first <= split && buffer >= 1).then(|| [block(first, split), block(split + 1, last)])
}

/// The allotments of the units from `skip` grams on, `take` grams long: a certificate's own part of an issue.
pub fn part_of(allotments: &[Allotment], skip: i64, take: i64) -> Vec<Allotment> {
    let (mut at, mut part) = (0, Vec::new());
    for allotment in allotments {
        let grams = allotment.to.get() - allotment.from.get();
        let from = (skip - at).clamp(0, grams);
        let to = (skip + take - at).clamp(0, grams);
        let bound = |offset: i64| Grams::new(allotment.from.get() + offset);
        if let (true, Some(from), Some(to)) = (from < to, bound(from), bound(to)) {
            part.push(Allotment { treatment: allotment.treatment, from, to });
        }
        at += grams;
    }
    part
}

/// What an issue of at most so many units would take now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// What the issuer would sign.
    pub issue: CertificateIssued,
    taken: Vec<(PoolRange, Allotment)>,
    pool: Pool,
}

impl Proposal {
    /// The last entry that wrote to the ranges of these grams: it put them into their pool, or others of the same range into
    /// an earlier certificate.
    pub fn rests_on(&self, state: &State<'_>) -> Option<EntryIndex> {
        let stamp = |range: &PoolRange| state.stamp(&RecordId::new(RecordKind::PoolRange, &range.id()));
        self.taken.iter().filter_map(|(range, _)| stamp(range)).map(|stamp| stamp.since).max()
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
    let all = pool.entered_g.minus(pool.allotted_g).unwrap_or(Grams::ZERO);
    let wanted = units_max.and_then(|units| units.checked_mul(UNIT_G)).and_then(Grams::new);
    let taken = front_of(state, &pool, wanted.unwrap_or(all).min(all), now)?;
    let found = grams_of(&taken);
    let units = found / UNIT_G;
    let scheme = &rules.scheme;
    let blocks = blocks((&site.country, &site.code), vintage, test, pool.units, units, scheme.buffer_ppm);
    let (Some([certificate, buffer]), Some(name)) = (blocks, SchemeName::parse(&scheme.name)) else {
        let detail = format!("this gives {found} g; an issue has at least two units of 1 kg, the buffer's included");
        return refuse(RefusalCode::UnitsInvalid, "/vintage", detail);
    };
    let taken = cut(taken, units * UNIT_G);
    let issue = CertificateIssued {
        certificate,
        buffer,
        holder: centre,
        pool_site: site.id,
        vintage: vintage.clone(),
        scheme: name,
        allotments: taken.iter().map(|(_, allotment)| allotment.clone()).collect(),
    };
    Ok(Proposal { issue, taken, pool })
}

/// The front of the pool, as far as one issue can hold it. Should it be crumbs that do not fill two units together, they
/// are passed over and stay: nobody can bar a pool by treating grams one by one.
fn front_of(
    state: &State<'_>,
    pool: &Pool,
    wanted: Grams,
    now: LedgerTime,
) -> Result<Vec<(PoolRange, Allotment)>, Stop> {
    let taken = pool::available(state, pool, wanted, ALLOTMENTS_MAX, Grams::ZERO, now)?;
    if taken.len() < ALLOTMENTS_MAX || grams_of(&taken) >= 2 * UNIT_G {
        return Ok(taken);
    }
    let share = i64::try_from(ALLOTMENTS_MAX).ok().and_then(|count| Grams::new((2 * UNIT_G + count - 1) / count));
    pool::available(state, pool, wanted, ALLOTMENTS_MAX, share.unwrap_or(Grams::ZERO), now)
}

fn grams_of(taken: &[(PoolRange, Allotment)]) -> i64 {
    taken.iter().map(|(_, taken)| taken.to.get() - taken.from.get()).sum()
}

/// Less than 1 kg stays in the pool.
fn cut(taken: Vec<(PoolRange, Allotment)>, grams: i64) -> Vec<(PoolRange, Allotment)> {
    let allotments: Vec<Allotment> = taken.iter().map(|(_, allotment)| allotment.clone()).collect();
    let kept = part_of(&allotments, 0, grams);
    taken.into_iter().zip(kept).map(|((range, _), allotment)| (range, allotment)).collect()
}

/// Units are issued. The statement must say what the pool gives now; a draft that others overtook is stale.
pub fn certificate_issued(state: &mut State<'_>, context: &Context<'_>, event: &CertificateIssued) -> Result<(), Stop> {
    let rules = rules_in_force(state)?;
    require_issuer(state, context, rules)?;
    let units = event.certificate.units().checked_add(event.buffer.units());
    let proposal = propose(state, &event.pool_site, &event.vintage, units, context.time)?;
    if event.scheme != proposal.issue.scheme {
        let detail = format!("the scheme in force is {}", proposal.issue.scheme);
        return refuse(RefusalCode::SchemeNotInForce, "/scheme", detail);
    }
    if event.holder != proposal.issue.holder {
        return refuse(RefusalCode::WrongReceiver, "/holder", "the centre whose site it is holds the units first");
    }
    if *event != proposal.issue {
        let detail = "the pool gives other grams or serial numbers by now; ask /v1/certificates/draft again";
        return refuse(RefusalCode::GramsTaken, "/allotments", detail);
    }
    let Some(ledger) = state.ledger()?.cloned() else {
        return refuse(RefusalCode::LedgerNotOpen, "/type", "the first entry of a ledger is ledger_opened");
    };
    let holders_g = event.certificate.units() * UNIT_G;
    let certificate = |serial: &SerialBlock, status, holder, from, grams| Certificate {
        serial: serial.clone(),
        status,
        holder,
        issuer: context.party(),
        site: event.pool_site,
        issued: context.index,
        issued_at: context.time,
        scheme: event.scheme.clone(),
        rule_set: ledger.rule_set.clone(),
        allotments: part_of(&event.allotments, from, grams),
        retired: None,
    };
    let (held, buffer) = (&event.certificate, &event.buffer);
    let of_holder = certificate(held, CertificateStatus::Held, Some(event.holder), 0, holders_g);
    let of_buffer = certificate(buffer, CertificateStatus::Buffer, None, holders_g, buffer.units() * UNIT_G);
    state.put(Record::Certificate(of_holder));
    state.put(Record::Certificate(of_buffer));
    pool::take(state, proposal.pool, &proposal.taken, held.units() + buffer.units())
}

/// Who issues must be an issuer, and not the operator: whoever runs the ledger would vouch for itself.
fn require_issuer(state: &State<'_>, context: &Context<'_>, rules: &RuleSet) -> Result<(), Stop> {
    let ledger = state.ledger()?;
    if ledger.is_some_and(|ledger| ledger.operator == context.party()) {
        let detail = "the operator issues nothing until another organisation can countersign";
        return refuse(RefusalCode::IssuerIsOperator, "/org", detail);
    }
    context.require_role(state, &[Role::Issuer])?;
    if rules.scheme.test_only && !ledger.is_some_and(|ledger| ledger.test) {
        let detail =
            format!("the scheme {} is admitted on ledgers that were opened for tests alone", rules.scheme.name);
        return refuse(RefusalCode::SchemeTestOnly, "/scheme", detail);
    }
    Ok(())
}

/// The holder ends its whole block in the name of a legal entity. Nobody ever uses it again.
pub fn certificate_retired(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &CertificateRetired,
) -> Result<(), Stop> {
    let Some(certificate) = state.certificate(&event.certificate.to_string())?.cloned() else {
        let detail = "no certificate has exactly these serial numbers";
        return refuse(RefusalCode::Unknown, "/certificate", detail);
    };
    match certificate.status {
        CertificateStatus::Held => {}
        CertificateStatus::Retired => {
            return refuse(RefusalCode::CertificateNotHeld, "/certificate", "this certificate is retired already");
        }
        CertificateStatus::Buffer => {
            let detail = "the buffer covers later errors; it is never retired";
            return refuse(RefusalCode::CertificateNotHeld, "/certificate", detail);
        }
    }
    if certificate.holder != Some(context.party()) {
        return refuse(RefusalCode::NotTheHolder, "/certificate", "another organisation holds this certificate");
    }
    let scheme = &rules_in_force(state)?.scheme;
    require_not_expired(context, &certificate, scheme.valid_months)?;
    period_fits(&event.certificate, &event.period, scheme.period_months)?;
    let retired =
        Some(Retirement { entry: context.index, period: event.period.clone(), purpose_kind: event.purpose_kind });
    state.put(Record::Certificate(Certificate { status: CertificateStatus::Retired, retired, ..certificate }));
    Ok(())
}

/// Expiry is no event: it is a function of the issue's time and of this entry's.
fn require_not_expired(context: &Context<'_>, certificate: &Certificate, months: u32) -> Result<(), Stop> {
    let until = certificate.expires(months);
    if context.time.date().zip(until).is_none_or(|(now, until)| now > until) {
        let detail = format!("a certificate is valid for {months} months from its issue");
        return refuse(RefusalCode::CertificateExpired, "/certificate", detail);
    }
    Ok(())
}

/// Whether the period of a retirement is one, and lies near enough to the vintage.
pub fn period_fits(certificate: &SerialBlock, period: &Period, months: i64) -> Result<(), Refusal> {
    let refusal = |code, pointer: &str, detail: String| Err(Refusal { code, pointer: pointer.to_owned(), detail });
    let Period { from, until } = period;
    if from > until {
        return refusal(RefusalCode::TimeInvalid, "/period/until", "the period ends before it begins".to_owned());
    }
    let vintage = certificate.vintage.number();
    let distance = |day: &Date| day.month().map_or(i64::MAX, |month| (month.number() - vintage).abs());
    for (day, pointer) in [(from, "/period/from"), (until, "/period/until")] {
        if distance(day) > months {
            let detail = format!("a period lies within {months} months of the vintage {}", certificate.vintage);
            return refusal(RefusalCode::PeriodOutsideVintage, pointer, detail);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_in_a_hundred_go_to_the_buffer_rounded_up() {
        for (units, buffer) in [(1, 1), (2, 1), (33, 1), (34, 2), (100, 3), (101, 4), (1_000_000, 30_000)] {
            assert_eq!(buffer_units(units, 30_000), buffer, "{units}");
        }
    }

    #[test]
    fn parts_of_an_issue_cut_its_allotments_by_grams() {
        let grams = |grams| Grams::new(grams).expect("grams");
        let allotment =
            |treatment, from, to| Allotment { treatment: EntryIndex(treatment), from: grams(from), to: grams(to) };
        let whole = [allotment(7, 500, 1_700), allotment(9, 0, 2_800)];
        assert_eq!(part_of(&whole, 0, 4_000), whole);
        assert_eq!(part_of(&whole, 0, 1_200), whole[..1]);
        assert_eq!(part_of(&whole, 1_000, 2_000), [allotment(7, 1_500, 1_700), allotment(9, 0, 1_800)]);
        assert_eq!(part_of(&whole, 3_000, 1_000), [allotment(9, 1_800, 2_800)]);
    }
}
