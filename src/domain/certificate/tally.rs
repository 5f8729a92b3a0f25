//! Counting units: how many of a pool and of a site stand where, kept with every certificate that is written.
//!
//! Whatever writes a certificate writes it here, so no count can drift; the audit adds the certificates up and compares.

use crate::domain::certificate::{Certificate, CertificateStatus, UNIT_G, Withdrawal};
use crate::domain::codes::{CalendarYear, Month};
use crate::domain::event::WithdrawalReason;
use crate::domain::fields::record;
use crate::domain::ids::{OrganisationId, SiteId};
use crate::domain::pool::{self, Span};
use crate::domain::serial::SerialBlock;
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::Date;
use std::collections::{BTreeMap, BTreeSet};

record! {
    /// Units of a pool by where they stand. All of them together are the units that were ever issued: the sum rule.
    pub struct PoolTally {
        /// The pool's site.
        site: SiteId,
        /// The pool's month.
        vintage: Month,
        /// Waiting for a second signature.
        pending: i64,
        /// In somebody's account, also those whose time is over.
        held: i64,
        /// Retired.
        retired: i64,
        /// Cancelled.
        cancelled: i64,
        /// Withdrawn.
        withdrawn: i64,
        /// In the buffer.
        buffer: i64,
        /// Of the others, those that are frozen.
        frozen: i64,
        /// Of the others, those whose grams fail and that nothing backs.
        failing: i64,
    }
}

impl PoolTally {
    /// How the ids of all tallies begin.
    pub const PREFIX: &'static str = "tally/";

    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(&self.site, &self.vintage)
    }

    /// The id of a pool's tally.
    pub fn id_of(site: &SiteId, vintage: &Month) -> String {
        format!("tally/{site}/{vintage}")
    }

    /// Units that were ever issued.
    pub const fn issued(&self) -> i64 {
        self.pending + self.held + self.retired + self.cancelled + self.withdrawn + self.buffer
    }
}

record! {
    /// Held units of a pool whose time is over after a day.
    pub struct Expiring {
        /// The pool's site.
        site: SiteId,
        /// The pool's month.
        vintage: Month,
        /// The last day on which they can be retired.
        until: Date,
        /// How many.
        held: i64,
    }
}

impl Expiring {
    /// The record's id.
    pub fn id(&self) -> String {
        format!("{}{}", Self::prefix_of(&self.site, &self.vintage), self.until)
    }

    /// How the ids of a pool's records begin.
    pub fn prefix_of(site: &SiteId, vintage: &Month) -> String {
        format!("expiring/{site}/{vintage}/")
    }
}

record! {
    /// What covers an error of a site, and what is to be covered.
    pub struct SiteTally {
        /// The site.
        site: SiteId,
        /// Sound units that its own centre holds: unsold stock, also when its time is over.
        stock: i64,
        /// Sound units of its buffer.
        buffer: i64,
        /// Units that fail and that nothing backs.
        failing: i64,
        /// Of the stock, units that others back: these cover no error.
        backed: i64,
    }
}

impl SiteTally {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(&self.site)
    }

    /// The id of a site's tally.
    pub fn id_of(site: &SiteId) -> String {
        format!("site_tally/{site}")
    }

    /// None of a site.
    pub const fn none(site: SiteId) -> Self {
        Self { site, stock: 0, buffer: 0, failing: 0, backed: 0 }
    }

    /// Failing units that neither the site's stock nor its buffer can cover.
    pub fn deficit(&self) -> i64 {
        (self.failing - (self.stock - self.backed) - self.buffer).max(0)
    }
}

record! {
    /// Units that were issued of one year's vintages of a site.
    pub struct IssuedYear {
        /// The site.
        site: SiteId,
        /// The year.
        year: CalendarYear,
        /// How many, less those that were issued in error.
        units: i64,
    }
}

impl IssuedYear {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(&self.site, &self.year)
    }

    /// The id of a site's year.
    pub fn id_of(site: &SiteId, year: &CalendarYear) -> String {
        format!("issued_year/{site}/{year}")
    }

    /// Grams of these units.
    pub const fn grams(&self) -> i64 {
        self.units * UNIT_G
    }
}

/// What one certificate adds to the counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Units {
    /// By status: pending, held, retired, cancelled, withdrawn, buffer.
    pub by_status: [i64; 6],
    /// Frozen.
    pub frozen: i64,
    /// Failing and not backed.
    pub failing: i64,
    /// Not failing and within reach, in the hands of its own centre.
    pub stock: i64,
    /// Not failing and within reach, in the buffer.
    pub sound_buffer: i64,
    /// Of the stock, those that others back.
    pub backed_stock: i64,
}

impl Units {
    /// Counts a certificate; `is_stock` says whether its holder is the centre of its site.
    pub fn of(certificate: &Certificate, is_stock: bool) -> Self {
        let units = certificate.serial.units();
        let only = |holds: bool| if holds { units } else { 0 };
        let status = certificate.status;
        let lives = matches!(
            status,
            CertificateStatus::Pending
                | CertificateStatus::Held
                | CertificateStatus::Retired
                | CertificateStatus::Buffer
        );
        let failing = certificate.failing_count();
        let sound = |counts: bool| if counts && !certificate.is_out_of_reach() { units - failing } else { 0 };
        let is_stock = is_stock && status == CertificateStatus::Held;
        Self {
            by_status: [
                only(status == CertificateStatus::Pending),
                only(status == CertificateStatus::Held),
                only(status == CertificateStatus::Retired),
                only(status == CertificateStatus::Cancelled),
                only(status == CertificateStatus::Withdrawn),
                only(status == CertificateStatus::Buffer),
            ],
            frozen: only(lives && certificate.frozen.is_some()),
            failing: if lives { failing } else { 0 },
            stock: sound(is_stock),
            sound_buffer: sound(status == CertificateStatus::Buffer),
            backed_stock: if sound(is_stock) > 0 { sound_and_backed(certificate) } else { 0 },
        }
    }
}

/// Units of a certificate that others back, and that do not fail.
fn sound_and_backed(certificate: &Certificate) -> i64 {
    let backed: Vec<Span> =
        certificate.backing.iter().map(|backing| (backing.units.first, backing.units.last + 1)).collect();
    let failing: Vec<Span> = certificate.failing_units().into_iter().map(|(first, last)| (first, last + 1)).collect();
    pool::without(&backed, &failing).into_iter().map(|(first, end)| end - first).sum()
}

/// Writes a certificate and counts it instead of what it was.
pub(super) fn put(state: &mut State<'_>, certificate: Certificate) -> Result<(), Stop> {
    let Certificate { serial, site, .. } = &certificate;
    let id = serial.to_string();
    let (pool_id, site_id) = (PoolTally::id_of(site, &serial.vintage), SiteTally::id_of(site));
    let expiring_id = certificate.expires.as_ref().map(|until| {
        let (site, vintage) = (*site, serial.vintage.clone());
        Expiring { site, vintage, until: until.clone(), held: 0 }.id()
    });
    let wanted = [id.clone(), pool_id.clone(), site_id.clone(), site.to_string()];
    state.require_loaded(wanted.into_iter().chain(expiring_id))?;
    let centre = state.site(site)?.and_then(|site| site.organisation);
    let is_stock = |certificate: &Certificate| centre.is_some() && certificate.holder == centre;
    let count = |certificate: &Certificate| Units::of(certificate, is_stock(certificate));
    let before = state.certificate(&id)?.map(count).unwrap_or_default();
    let after = count(&certificate);
    count_in_pool(state, &certificate, &pool_id, before, after)?;
    count_at_site(state, *site, &site_id, before, after)?;
    count_expiring(state, &certificate, after.by_status[1] - before.by_status[1])?;
    state.put(Record::Certificate(certificate));
    Ok(())
}

fn count_in_pool(
    state: &mut State<'_>,
    certificate: &Certificate,
    id: &str,
    before: Units,
    after: Units,
) -> Result<(), Stop> {
    let tally = state.pool_tally(id)?.cloned().unwrap_or(PoolTally {
        site: certificate.site,
        vintage: certificate.serial.vintage.clone(),
        pending: 0,
        held: 0,
        retired: 0,
        cancelled: 0,
        withdrawn: 0,
        buffer: 0,
        frozen: 0,
        failing: 0,
    });
    let more = |position: usize| after.by_status[position] - before.by_status[position];
    state.put(Record::PoolTally(PoolTally {
        pending: tally.pending + more(0),
        held: tally.held + more(1),
        retired: tally.retired + more(2),
        cancelled: tally.cancelled + more(3),
        withdrawn: tally.withdrawn + more(4),
        buffer: tally.buffer + more(5),
        frozen: tally.frozen + after.frozen - before.frozen,
        failing: tally.failing + after.failing - before.failing,
        ..tally
    }));
    Ok(())
}

fn count_at_site(state: &mut State<'_>, site: SiteId, id: &str, before: Units, after: Units) -> Result<(), Stop> {
    let tally = state.site_tally(id)?.cloned().unwrap_or(SiteTally::none(site));
    state.put(Record::SiteTally(SiteTally {
        stock: tally.stock + after.stock - before.stock,
        buffer: tally.buffer + after.sound_buffer - before.sound_buffer,
        failing: tally.failing + after.failing - before.failing,
        backed: tally.backed + after.backed_stock - before.backed_stock,
        ..tally
    }));
    Ok(())
}

fn count_expiring(state: &mut State<'_>, certificate: &Certificate, more: i64) -> Result<(), Stop> {
    let Some(until) = certificate.expires.clone().filter(|_| more != 0) else { return Ok(()) };
    let (site, vintage) = (certificate.site, certificate.serial.vintage.clone());
    let new = Expiring { site, vintage, until, held: 0 };
    let known = state.expiring(&new.id())?.cloned().unwrap_or(new);
    let held = known.held + more;
    state.put(Record::Expiring(Expiring { held, ..known }));
    Ok(())
}

/// The year of a block's vintage.
fn year_of(serial: &SerialBlock) -> Option<CalendarYear> {
    serial.vintage.as_str().get(..4).and_then(CalendarYear::parse)
}

/// Takes units that were issued in error out of their year's count.
pub(super) fn count_back(state: &mut State<'_>, certificate: &Certificate) -> Result<(), Stop> {
    let Some(year) = year_of(&certificate.serial) else { return Ok(()) };
    if let Some(known) = state.issued_year(&IssuedYear::id_of(&certificate.site, &year))?.cloned() {
        let units = known.units - certificate.serial.units();
        state.put(Record::IssuedYear(IssuedYear { units, ..known }));
    }
    Ok(())
}

/// The counts that certificates add up to, beside those that are kept. Fed with sites first, then with the rest.
#[derive(Debug, Clone, Default)]
pub struct TallySums {
    centres: BTreeMap<SiteId, OrganisationId>,
    kept: BTreeMap<String, Vec<i64>>,
    counted: BTreeMap<String, Vec<i64>>,
}

impl TallySums {
    /// Counts a record in.
    pub fn add(&mut self, record: &Record) {
        match record {
            Record::Site(site) => self.centres.extend(site.organisation.map(|centre| (site.id, centre))),
            Record::PoolTally(tally) => {
                let PoolTally { pending, held, retired, cancelled, withdrawn, buffer, frozen, failing, .. } = tally;
                let counts = [pending, held, retired, cancelled, withdrawn, buffer, frozen, failing];
                self.kept.insert(tally.id(), counts.map(|count| *count).to_vec());
            }
            Record::SiteTally(tally) => {
                self.kept.insert(tally.id(), vec![tally.stock, tally.buffer, tally.failing, tally.backed]);
            }
            Record::IssuedYear(issued) => _ = self.kept.insert(issued.id(), vec![issued.units]),
            Record::Expiring(expiring) => _ = self.kept.insert(expiring.id(), vec![expiring.held]),
            Record::Certificate(certificate) => self.count(certificate),
            _ => {}
        }
    }

    fn count(&mut self, certificate: &Certificate) {
        let Certificate { serial, site, .. } = certificate;
        let is_stock = certificate.holder.is_some() && certificate.holder == self.centres.get(site).copied();
        let units = Units::of(certificate, is_stock);
        let mut pool = units.by_status.to_vec();
        pool.extend([units.frozen, units.failing]);
        self.sum(PoolTally::id_of(site, &serial.vintage), &pool);
        let Units { stock, sound_buffer, failing, backed_stock, .. } = units;
        self.sum(SiteTally::id_of(site), &[stock, sound_buffer, failing, backed_stock]);
        let in_error = |withdrawn: &Withdrawal| withdrawn.reason == WithdrawalReason::IssuedInError;
        if let Some(year) = year_of(serial).filter(|_| !certificate.withdrawn.as_ref().is_some_and(in_error)) {
            self.sum(IssuedYear::id_of(site, &year), &[units.by_status.iter().sum()]);
        }
        if let Some(until) = &certificate.expires {
            let prefix = Expiring::prefix_of(site, &serial.vintage);
            self.sum(format!("{prefix}{until}"), &[units.by_status[1]]);
        }
    }

    fn sum(&mut self, id: String, more: &[i64]) {
        let sums = self.counted.entry(id).or_insert_with(|| vec![0; more.len()]);
        for (sum, more) in sums.iter_mut().zip(more) {
            *sum += more;
        }
    }

    /// The ids of counts that are not what the certificates add up to.
    pub fn differing(&self) -> impl Iterator<Item = &str> {
        let ids: BTreeSet<&String> = self.kept.keys().chain(self.counted.keys()).collect();
        let is_nothing = |counts: Option<&Vec<i64>>| counts.is_none_or(|counts| counts.iter().all(|count| *count == 0));
        let differs = move |id: &&String| {
            let (kept, counted) = (self.kept.get(*id), self.counted.get(*id));
            kept != counted && !(is_nothing(kept) && is_nothing(counted))
        };
        ids.into_iter().filter(differs).map(String::as_str)
    }
}
