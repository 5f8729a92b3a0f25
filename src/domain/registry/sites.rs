//! Sites and plants: where they lie, what their permits allow, who audited or suspended them.

use super::require_organisation;
use crate::domain::apply::{Context, refuse};
use crate::domain::capacity;
use crate::domain::codes::{AuditOutcome, Commitment, Country, SiteCode, TableCode};
use crate::domain::event::{FacilityRegistered, Permit, SiteChanged, SiteRegistered, SuspensionReason};
use crate::domain::fields::record;
use crate::domain::ids::{EntryIndex, KeyId, OrganisationId, SiteId};
use crate::domain::refusal::{RefusalCode, Warning};
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::{Date, OccurredAt};
use crate::limits::SITE_HISTORY_MAX;

record! {
    /// An audit of a site.
    pub struct SiteAudit {
        /// The auditor.
        by: OrganisationId,
        /// The day on site.
        on: Date,
        /// What was found.
        outcome: AuditOutcome,
        /// When it was reported, as written.
        occurred_at: OccurredAt,
        /// The key that signed the report.
        signer: KeyId,
        /// The entry that reported it.
        entry: EntryIndex,
    }
}

record! {
    /// A suspension.
    pub struct Suspension {
        /// The entry from which nothing of the site backs a new certificate.
        from: EntryIndex,
        /// Why.
        reason: SuspensionReason,
        /// The entry that ended it.
        until: Option<EntryIndex>,
    }
}

record! {
    /// A site, or a facility: a plant without an organisation here.
    pub struct Site {
        /// Its id.
        id: SiteId,
        /// Whose it is; a facility is nobody's.
        organisation: Option<OrganisationId>,
        /// Where it lies.
        country: Country,
        /// Its part of certificate serials.
        code: SiteCode,
        /// Its address.
        address: Option<Commitment>,
        /// What is and was allowed there, oldest first; each permit has its days.
        permits: Vec<Permit>,
        /// Its audits, oldest first.
        audits: Vec<SiteAudit>,
        /// Its suspensions, oldest first.
        suspensions: Vec<Suspension>,
        /// The entry that registered it.
        registered: EntryIndex,
        /// The entries that changed it.
        changed: Vec<EntryIndex>,
    }
}

record! {
    /// A site code that is taken in its country.
    pub struct SiteCodeTaken {
        /// The country.
        country: Country,
        /// The code.
        code: SiteCode,
        /// By which site.
        site: SiteId,
    }
}

impl SiteAudit {
    /// Whether the visit was not more than so many months before or after a day.
    pub fn is_around(&self, day: &Date, months: u32) -> bool {
        day.minus_months(months).is_some_and(|from| from <= self.on)
            && day.plus_months(months).is_some_and(|until| self.on <= until)
    }
}

impl Site {
    /// Whether nothing of it backs a new certificate now.
    pub fn is_suspended(&self) -> bool {
        self.suspensions.iter().any(|suspension| suspension.until.is_none())
    }
}

impl SiteCodeTaken {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(&self.country, &self.code)
    }

    /// The id that a code has in a country.
    pub fn id_of(country: &Country, code: &SiteCode) -> String {
        format!("{country}-{code}")
    }
}

/// A site joins; its code is its own in its country for ever, because certificate serials carry it.
pub fn site_registered(state: &mut State<'_>, context: &Context<'_>, event: &SiteRegistered) -> Result<(), Stop> {
    context.require_operator(state)?;
    require_organisation(state, &event.organisation)?;
    let organisation = Some(event.organisation);
    let (country, code) = (event.country.clone(), event.code.clone());
    let site = new_site(context, event.new_site, organisation, country, code, event.address.clone());
    put_site(state, site, event.permit.as_ref(), "/new_site")
}

/// A site without permits, audits and suspensions.
fn new_site(
    context: &Context<'_>,
    id: SiteId,
    organisation: Option<OrganisationId>,
    country: Country,
    code: SiteCode,
    address: Option<Commitment>,
) -> Site {
    let (permits, audits, suspensions) = (Vec::new(), Vec::new(), Vec::new());
    let (registered, changed) = (context.index, Vec::new());
    Site { id, organisation, country, code, address, permits, audits, suspensions, registered, changed }
}

fn put_site(state: &mut State<'_>, site: Site, permit: Option<&Permit>, pointer: &str) -> Result<(), Stop> {
    if state.site(&site.id)?.is_some() {
        return refuse(RefusalCode::AlreadyRegistered, pointer, "a site of this id is registered");
    }
    let taken = SiteCodeTaken { country: site.country.clone(), code: site.code.clone(), site: site.id };
    if state.site_code_taken(&taken.id())? {
        let detail = format!("another site in {} has this code", site.country);
        return refuse(RefusalCode::AlreadyRegistered, "/code", detail);
    }
    if let Some(permit) = permit {
        require_sound_permit(state, permit)?;
    }
    state.put(Record::SiteCode(taken));
    state.put(Record::Site(Site { permits: permit.cloned().into_iter().collect(), ..site }));
    Ok(())
}

/// A plant without a key joins: others will show its papers.
pub fn facility_registered(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &FacilityRegistered,
) -> Result<(), Stop> {
    context.require_operator(state)?;
    let (country, code) = (event.country.clone(), event.code.clone());
    let site = new_site(context, event.facility, None, country, code, event.address.clone());
    put_site(state, site, Some(&event.permit), "/facility")
}

/// A site has a further permit or another address, or declares what it does outside the ledger.
pub fn site_changed(state: &mut State<'_>, context: &Context<'_>, event: &SiteChanged) -> Result<Vec<Warning>, Stop> {
    context.require_operator(state)?;
    let Some(mut site) = state.site(&event.changed_site)?.cloned() else {
        return refuse(RefusalCode::Unknown, "/changed_site", "no site of this id is registered");
    };
    if event.permit.is_none() && event.address.is_none() && event.outside_work.is_none() {
        return refuse(RefusalCode::ListInvalid, "", "say what changed: permit, address or outside_work");
    }
    if let Some(permit) = &event.permit {
        require_sound_permit(state, permit)?;
        site.permits.push(permit.clone());
    }
    let declared = event.outside_work.as_ref();
    let over = declared.map(|work| capacity::declare_outside(state, &site, work)).transpose()?.flatten();
    if site.changed.len() >= SITE_HISTORY_MAX {
        return refuse(RefusalCode::ListInvalid, "/changed_site", "a site changes at most 256 times");
    }
    site.changed.push(context.index);
    let address = event.address.clone().or_else(|| site.address.clone());
    state.put(Record::Site(Site { address, ..site }));
    Ok(over.into_iter().collect())
}

fn require_sound_permit(state: &State<'_>, permit: &Permit) -> Result<(), Stop> {
    let rules = crate::domain::apply::rules_in_force(state)?;
    let unknown = |code: &TableCode| rules.operation(code.as_str()).is_none();
    if let Some(position) = permit.operations.iter().position(unknown) {
        let pointer = format!("/permit/operations/{position}");
        return refuse(RefusalCode::CodeUnknown, pointer, "expected D1 to D15 or R1 to R13");
    }
    if permit.valid_from > permit.valid_until {
        return refuse(RefusalCode::TimeInvalid, "/permit/valid_until", "the permit ends before it begins");
    }
    capacity::require_sound(permit)
}
