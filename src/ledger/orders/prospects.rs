//! What may still come for orders: sites, what lies there, and who may issue it.

use super::Order;
use super::stock::{MayHold, Wanted, is_within_reach};
use crate::domain::certificate::UNIT_G;
use crate::domain::codes::{Country, Month, Role};
use crate::domain::hindrance::{Hindrance, too_old};
use crate::domain::ids::{OrganisationId, SiteId};
use crate::domain::order::{DeliveryKind, Preferences};
use crate::domain::pool::Pool;
use crate::domain::registry::{Ledger as LedgerRecord, Organisation, Site};
use crate::domain::rule_set::RuleSet;
use crate::domain::state::{LEDGER_RECORD, RecordKind};
use crate::domain::time::Date;
use crate::ledger::rules::rules_in_force;
use crate::limits::{ADVANCE_POOL_MONTHS, ADVANCE_SITES_MAX, ISSUERS_READ_MAX, PAGE_ROWS_MAX};
use crate::store::{Database, StoreError, records};
use std::collections::{BTreeMap, BTreeSet};

/// Whose sites are asked for.
pub(super) enum Asked<'a> {
    /// Those of some centres.
    Of(Vec<OrganisationId>),
    /// Those of all centres that lie in a country, or anywhere.
    In(Option<&'a Country>),
}

impl<'a> Asked<'a> {
    /// From where an order may be served.
    pub(super) fn by(preferences: &'a Preferences) -> Self {
        match preferences.centre {
            Some(centre) => Self::Of(vec![centre]),
            None => Self::In(preferences.country.as_ref()),
        }
    }

    /// Sites, and whose there are more than were looked at: this is read under the head's lock.
    fn read(&self, database: &mut Database) -> Result<(Vec<Site>, Unread), StoreError> {
        match self {
            Self::Of(centres) => of_centres(database, centres),
            Self::In(country) => anywhere(database, *country),
        }
    }
}

/// Whose sites were not all read.
enum Unread {
    /// Anybody's.
    Anybodys,
    /// Those of some centres, or of none.
    Of(BTreeSet<OrganisationId>),
}

fn of_centres(database: &mut Database, centres: &[OrganisationId]) -> Result<(Vec<Site>, Unread), StoreError> {
    let (mut sites, mut unread) = (Vec::new(), BTreeSet::new());
    for centre in centres {
        let left = ADVANCE_SITES_MAX - sites.len();
        let mut own = records::sites_of(database, &centre.to_string(), left + 1)?;
        if own.len() > left {
            own.truncate(left);
            unread.insert(*centre);
        }
        sites.extend(own);
    }
    Ok((sites, Unread::Of(unread)))
}

fn anywhere(database: &mut Database, country: Option<&Country>) -> Result<(Vec<Site>, Unread), StoreError> {
    let (mut sites, mut read, mut after) = (Vec::new(), 0, String::new());
    while read <= ADVANCE_SITES_MAX {
        let page = records::page(database, RecordKind::Site, &after, PAGE_ROWS_MAX)?;
        let Some(last) = page.last() else { return Ok((sites, Unread::Of(BTreeSet::new()))) };
        (after, read) = (last.id().id, read + page.len());
        let known = page.into_iter().filter_map(|record| Site::try_from(record).ok());
        sites.extend(known.filter(|site| country.is_none_or(|country| *country == site.country)));
    }
    Ok((sites, Unread::Anybodys))
}

/// Those of some sites at which batches may be: elsewhere nothing arises that is sold.
fn of_recyclers(database: &mut Database, mut sites: Vec<Site>) -> Result<Vec<Site>, StoreError> {
    let owners: BTreeSet<String> = sites.iter().filter_map(|site| site.organisation).map(|id| id.to_string()).collect();
    let owners: Vec<Organisation> = records::load_of(database, &owners.into_iter().collect::<Vec<_>>())?;
    let recyclers = owners.into_iter().filter(|owner| owner.roles.contains(&Role::Recycler)).map(|owner| owner.id);
    let recyclers: BTreeSet<OrganisationId> = recyclers.collect();
    sites.retain(|site| site.organisation.is_some_and(|owner| recyclers.contains(&owner)));
    Ok(sites)
}

/// What is read once for some orders.
pub(super) struct Prospects<'a> {
    today: &'a Date,
    pub(super) rules: &'static RuleSet,
    /// Sites of centres from which these orders may be served.
    sites: Vec<Site>,
    /// Whose there are more than were read.
    unread: Unread,
    is_closed: bool,
    /// Organisations that issue; `None` as long as nobody asked.
    issuers: Option<Vec<OrganisationId>>,
    may_hold: MayHold,
}

impl<'a> Prospects<'a> {
    /// Reads the sites that are asked for.
    pub(super) fn of(database: &mut Database, today: &'a Date, asked: &Asked<'_>) -> Result<Self, StoreError> {
        let rules = rules_in_force(database)?;
        let ledger: Option<LedgerRecord> = records::find(database, LEDGER_RECORD)?;
        let is_closed = ledger.is_some_and(|ledger| ledger.closed.is_some());
        let (sites, unread) = asked.read(database)?;
        let sites = of_recyclers(database, sites)?;
        Ok(Self { today, rules, sites, unread, is_closed, issuers: None, may_hold: MayHold::default() })
    }

    /// Whether there are more sites that could serve an order than were read.
    pub(super) fn is_cut(&self, wanted: &Wanted<'_>) -> bool {
        match &self.unread {
            Unread::Anybodys => true,
            Unread::Of(centres) => wanted.seller.map_or(!centres.is_empty(), |seller| centres.contains(&seller)),
        }
    }

    /// What stands in the way of an order that waits, as if nothing but time passed; `None` if what it wants may come.
    pub(super) fn hindrance(
        &mut self,
        database: &mut Database,
        wanted: &Wanted<'_>,
    ) -> Result<Option<Hindrance>, StoreError> {
        if self.is_closed {
            return Ok(Some(Hindrance::LedgerClosed));
        }
        // What was not read may have what those that were read have not.
        if self.is_cut(wanted) {
            return Ok(None);
        }
        let sites = self.sites_for(wanted);
        if sites.is_empty() {
            return Ok(Some(Hindrance::NoSite));
        }
        if !self.has_issuer(database, wanted, &sites)? {
            return Ok(Some(Hindrance::BuyerRelated));
        }
        let (months, first) = (self.rules.scheme.period_months, self.first_to_come());
        let Some(too_old) = too_old(wanted.preferences, wanted.period, months, first) else { return Ok(None) };
        let grams = self.in_pools(database, &sites, wanted)?;
        Ok((!grams.values().any(|grams| *grams >= UNIT_G)).then_some(too_old))
    }

    /// What stands in the way of an order that lacks units, of which its centre has not enough in stock either: free, or held
    /// for those who have not paid and may lapse.
    pub(super) fn hindrance_of(
        &mut self,
        database: &mut Database,
        order: &Order,
        missing: i64,
    ) -> Result<Option<Hindrance>, StoreError> {
        let wanted = Wanted::by(order, missing);
        let found = self.hindrance(database, &wanted)?;
        match found {
            None | Some(Hindrance::LedgerClosed) => Ok(found),
            Some(_) if is_within_reach(database, &wanted, self.today)? => Ok(None),
            Some(_) => Ok(found),
        }
    }

    /// Grams that may come for an order, by centre: what lies at its sites, and in their pools without units that rest on it.
    pub(super) fn provisional(
        &mut self,
        database: &mut Database,
        wanted: &Wanted<'_>,
    ) -> Result<BTreeMap<OrganisationId, i64>, StoreError> {
        let mut sites = self.sites_for(wanted);
        let mut barred = Vec::new();
        for site in &sites {
            if !self.has_issuer(database, wanted, std::slice::from_ref(site))? {
                barred.push(site.id);
            }
        }
        sites.retain(|site| !barred.contains(&site.id));
        let (months, first) = (self.rules.scheme.period_months, self.first_to_come());
        let live = match too_old(wanted.preferences, wanted.period, months, first) {
            None => records::live_at(database, &sites.iter().map(|site| site.id.to_string()).collect::<Vec<_>>())?,
            Some(_) => BTreeMap::new(),
        };
        let in_pools = self.in_pools(database, &sites, wanted)?;
        let mut grams: BTreeMap<OrganisationId, i64> = BTreeMap::new();
        for site in &sites {
            let Some(centre) = site.organisation else { continue };
            let at_site = live.get(&site.id.to_string()).copied().unwrap_or(0).max(0);
            *grams.entry(centre).or_default() += at_site + in_pools.get(&site.id).copied().unwrap_or(0);
        }
        Ok(grams)
    }

    fn sites_for(&self, wanted: &Wanted<'_>) -> Vec<Site> {
        let is_wanted = |site: &&Site| {
            site.organisation.is_some_and(|centre| {
                centre != wanted.buyer
                    && wanted.seller.is_none_or(|seller| seller == centre)
                    && wanted.preferences.admit_place(centre, &site.country)
            })
        };
        self.sites.iter().filter(is_wanted).cloned().collect()
    }

    /// The first vintage that what is said from now on may have: nobody is later than the offline window, but for a few, on whom
    /// no order shall rest. Months since the year 0.
    fn first_to_come(&self) -> i64 {
        let days = u64::try_from(self.rules.offline_window_days).unwrap_or(0);
        let month = self.today.minus_days(days).and_then(|day| day.month());
        month.as_ref().map_or(0, Month::number)
    }

    /// Grams in the pools of the last months on which no units rest yet, of vintages that an order admits, by site.
    fn in_pools(
        &self,
        database: &mut Database,
        sites: &[Site],
        wanted: &Wanted<'_>,
    ) -> Result<BTreeMap<SiteId, i64>, StoreError> {
        let Some((first, last)) = wanted.window(self.rules) else { return Ok(BTreeMap::new()) };
        let Some(month) = self.today.month() else { return Ok(BTreeMap::new()) };
        let months = (0..ADVANCE_POOL_MONTHS).filter_map(|back| month.plus(-back));
        let months: Vec<Month> = months.filter(|vintage| (first..=last).contains(&vintage.number())).collect();
        let of_site = |site: &Site| months.iter().map(|vintage| Pool::id_of(&site.id, vintage)).collect::<Vec<_>>();
        let ids: Vec<String> = sites.iter().flat_map(of_site).collect();
        let mut grams: BTreeMap<SiteId, i64> = BTreeMap::new();
        for pool in records::load_of::<Pool>(database, &ids)? {
            *grams.entry(pool.site).or_default() += pool.entered_g.get() - pool.allotted_g.get();
        }
        Ok(grams)
    }

    /// Whether somebody of those who may issue for some sites, because their centres are not related to them, is not related
    /// to the buyer either; unless the units never come to its account. Where nobody may issue yet, somebody may come.
    fn has_issuer(&mut self, database: &mut Database, wanted: &Wanted<'_>, sites: &[Site]) -> Result<bool, StoreError> {
        if wanted.delivery == DeliveryKind::Retire {
            return Ok(true);
        }
        let Some(issuers) = self.issuers(database)? else { return Ok(true) };
        let mut is_there_any = false;
        for issuer in issuers {
            for centre in sites.iter().filter_map(|site| site.organisation) {
                if self.may_hold.ask(database, centre, issuer)? {
                    is_there_any = true;
                    if self.may_hold.ask(database, wanted.buyer, issuer)? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(!is_there_any)
    }

    /// All organisations that issue; `None` if there are so many organisations that not all are looked at.
    fn issuers(&mut self, database: &mut Database) -> Result<Option<Vec<OrganisationId>>, StoreError> {
        if self.issuers.is_none() {
            let (mut issuers, mut after, mut read) = (Vec::new(), String::new(), 0);
            loop {
                let page = records::page(database, RecordKind::Organisation, &after, PAGE_ROWS_MAX)?;
                let Some(last) = page.last() else { break };
                (after, read) = (last.id().id, read + page.len());
                if read > ISSUERS_READ_MAX {
                    return Ok(None);
                }
                let known = page.into_iter().filter_map(|record| Organisation::try_from(record).ok());
                issuers.extend(known.filter(|known| known.roles.contains(&Role::Issuer)).map(|known| known.id));
            }
            self.issuers = Some(issuers);
        }
        Ok(self.issuers.clone())
    }
}
