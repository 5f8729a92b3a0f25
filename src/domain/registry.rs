//! Who takes part: the ledger itself, organisations, sites, scales, keys, rule sets.

use crate::domain::apply::{Context, refuse};
use crate::domain::capacity;
use crate::domain::codes::{
    AuditOutcome, Commitment, Country, Hash, KeyCustody, KeyUse, RevocationReason, Role, SiteCode, TableCode,
};
use crate::domain::event::{
    CheckpointKeyChanged, Curve, FacilityRegistered, Jwk, KeyCoordinate, KeyRegistered, KeyRevoked, KeyType,
    LedgerClosed, LedgerOpened, OrganisationRegistered, Permit, RuleSetName, RulesAdopted, ScaleRegistered,
    SiteChanged, SiteRegistered, SuspensionReason, Vkey,
};
use crate::domain::fields::record;
use crate::domain::ids::{EntryIndex, KeyId, OrganisationId, Origin, ScaleId, SiteId};
use crate::domain::mass::Grams;
use crate::domain::refusal::{Refusal, RefusalCode, Warning};
use crate::domain::rule_set;
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::{Date, OccurredAt};
use crate::limits::SITE_HISTORY_MAX;

record! {
    /// The ledger itself.
    pub struct Ledger {
        /// Its name.
        origin: Origin,
        /// Who runs it.
        operator: OrganisationId,
        /// Whether its certificates are for tests only.
        test: bool,
        /// The rule set in force.
        rule_set: RuleSetName,
        /// The key that signs checkpoints.
        checkpoint_vkey: Vkey,
        /// The one before, which may still sign where the new one has not yet been put in place.
        former_vkey: Option<Vkey>,
        /// Set once nothing more is taken.
        closed: Option<Closing>,
    }
}

record! {
    /// That the ledger is closed.
    pub struct Closing {
        /// The entry.
        entry: EntryIndex,
        /// The ledger that goes on.
        successor: Option<Origin>,
    }
}

record! {
    /// An organisation.
    pub struct Organisation {
        /// Its id.
        id: OrganisationId,
        /// What it may be.
        roles: Vec<Role>,
        /// Where it is established; unknown for the operator of a new ledger.
        country: Option<Country>,
        /// Its legal name.
        name: Option<Commitment>,
        /// The entry that registered it.
        registered: EntryIndex,
    }
}

record! {
    /// That a key went out of force.
    pub struct Revocation {
        /// The entry that revoked it; the key signs nothing after it.
        at: EntryIndex,
        /// Why.
        reason: RevocationReason,
        /// The entry that gave the reason: a later one, if a superseded key turned out to be compromised.
        reported: EntryIndex,
        /// From where on its entries are held from eligibility.
        since: Option<EntryIndex>,
    }
}

record! {
    /// A key.
    pub struct Key {
        /// Its thumbprint.
        kid: KeyId,
        /// Whose it is, for ever.
        organisation: OrganisationId,
        /// The public key.
        x: KeyCoordinate,
        /// Who holds the secret.
        custody: KeyCustody,
        /// What it may sign.
        r#use: KeyUse,
        /// The entry that registered it; it signs what comes after.
        registered: EntryIndex,
        /// Set once it is out of force.
        revoked: Option<Revocation>,
    }
}

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

impl Ledger {
    /// The keys that may sign checkpoints: the one in force, and the one before it.
    pub fn checkpoint_vkeys(&self) -> impl Iterator<Item = &Vkey> {
        [&self.checkpoint_vkey].into_iter().chain(&self.former_vkey)
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

impl Key {
    /// Whether it was compromised when it signed an entry; without a first index, all that it signed is in doubt.
    pub fn is_compromised_at(&self, entry: EntryIndex) -> bool {
        self.revoked.as_ref().is_some_and(|revocation| {
            let in_doubt = revocation.since.is_none_or(|since| since <= entry);
            revocation.reason == RevocationReason::Compromised && in_doubt
        })
    }

    /// Whether its end was reported before an entry.
    pub fn is_revoked_before(&self, entry: EntryIndex) -> bool {
        self.revoked.as_ref().is_some_and(|revocation| revocation.reported < entry)
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

record! {
    /// A period for which a scale was verified.
    pub struct Verification {
        /// First day.
        on: Date,
        /// Last day.
        until: Date,
        /// The entry that reported it.
        entry: EntryIndex,
    }
}

record! {
    /// A scale with its verifications: a weighing that is posted late counts by the one of its own day.
    pub struct Scale {
        /// Its id.
        id: ScaleId,
        /// Whose it is.
        organisation: OrganisationId,
        /// Where it stands.
        site: SiteId,
        /// Its verification scale interval.
        division_g: Grams,
        /// The most it weighs.
        capacity_g: Grams,
        /// Its verifications, oldest first.
        verifications: Vec<Verification>,
        /// The entry that recorded it last.
        registered: EntryIndex,
    }
}

/// Index 0: creates the operator with two keys, names the checkpoint key and the first rule set.
pub fn ledger_opened(state: &mut State<'_>, context: &Context<'_>, event: &LedgerOpened) -> Result<(), Stop> {
    if state.ledger()?.is_some() {
        return refuse(RefusalCode::LedgerAlreadyOpen, "/type", "ledger_opened stands at index 0 and nowhere else");
    }
    let [first, second] = event.operator_keys.as_slice() else {
        return refuse(RefusalCode::ListInvalid, "/operator_keys", "two keys belong here: in use, and for recovery");
    };
    if first == second {
        return refuse(RefusalCode::ListInvalid, "/operator_keys", "the two keys must differ");
    }
    if first.thumbprint() != context.signer {
        return refuse(RefusalCode::KeyUnknown, "/operator_keys/0", "the first operator key signs this statement");
    }
    require_rule_set(&event.rule_set)?;
    let operator = context.party();
    state.put(Record::Ledger(Ledger {
        origin: context.statement.common.ledger.clone(),
        operator,
        test: event.test,
        rule_set: event.rule_set.clone(),
        checkpoint_vkey: event.checkpoint_vkey.clone(),
        former_vkey: None,
        closed: None,
    }));
    state.put(Record::Organisation(Organisation {
        id: operator,
        roles: vec![Role::Operator],
        country: None,
        name: None,
        registered: context.index,
    }));
    for jwk in [first, second] {
        state.put(Record::Key(new_key(jwk, operator, KeyCustody::Own, KeyUse::Statement, context.index)));
    }
    Ok(())
}

fn new_key(jwk: &Jwk, organisation: OrganisationId, custody: KeyCustody, r#use: KeyUse, at: EntryIndex) -> Key {
    let kid = jwk.thumbprint();
    Key { kid, organisation, x: jwk.x.clone(), custody, r#use, registered: at, revoked: None }
}

fn require_rule_set(name: &RuleSetName) -> Result<(), Stop> {
    if rule_set::find(name).is_none() {
        let carried: Vec<_> = rule_set::all().iter().map(|set| format!("{} ({})", set.version, set.sha256)).collect();
        let detail = format!("this software carries the rule sets {}", carried.join(", "));
        return refuse(RefusalCode::RuleSetUnknown, "/rule_set", detail);
    }
    Ok(())
}

/// Roles exclude one another where independence needs it: an auditor is nothing else; an issuer neither recycles,
/// treats nor buys. The operator is created by `ledger_opened` alone.
pub fn compatible_roles(roles: &[Role]) -> Result<(), Refusal> {
    let refuse = |code, pointer: &str, detail: &str| {
        Err(Refusal { code, pointer: pointer.to_owned(), detail: detail.to_owned() })
    };
    let distinct: std::collections::BTreeSet<_> = roles.iter().collect();
    if roles.is_empty() || distinct.len() != roles.len() {
        return refuse(RefusalCode::ListInvalid, "/roles", "name at least one role, and each once");
    }
    let has = |role| roles.contains(&role);
    if has(Role::Operator) {
        return refuse(RefusalCode::RolesExclude, "/roles", "the operator is created by ledger_opened alone");
    }
    if has(Role::Auditor) && roles.len() > 1 {
        return refuse(RefusalCode::RolesExclude, "/roles", "an auditor has no other role");
    }
    if has(Role::Issuer) && (has(Role::Recycler) || has(Role::Treater) || has(Role::Buyer)) {
        return refuse(RefusalCode::RolesExclude, "/roles", "an issuer is no recycler, treater or buyer");
    }
    Ok(())
}

/// An organisation joins.
pub fn organisation_registered(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &OrganisationRegistered,
) -> Result<(), Stop> {
    context.require_operator(state)?;
    if state.organisation(&event.organisation)?.is_some() {
        return refuse(RefusalCode::AlreadyRegistered, "/organisation", "an organisation of this id is registered");
    }
    compatible_roles(&event.roles)?;
    state.put(Record::Organisation(Organisation {
        id: event.organisation,
        roles: event.roles.clone(),
        country: Some(event.country.clone()),
        name: event.name.clone(),
        registered: context.index,
    }));
    Ok(())
}

pub(crate) fn require_organisation(state: &State<'_>, id: &OrganisationId) -> Result<(), Stop> {
    match state.organisation(id)? {
        Some(_) => Ok(()),
        None => refuse(RefusalCode::Unknown, "/organisation", "no organisation of this id is registered"),
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

/// A scale joins, or a scale that is known was verified again.
pub fn scale_registered(state: &mut State<'_>, context: &Context<'_>, event: &ScaleRegistered) -> Result<(), Stop> {
    context.require_operator(state)?;
    let Some(organisation) = state.site(&event.at_site)?.and_then(|site| site.organisation) else {
        return refuse(RefusalCode::Unknown, "/at_site", "no site of an organisation has this id");
    };
    let known = state.scale(&event.new_scale)?.cloned();
    if let Some(known) = &known {
        if known.site != event.at_site || known.division_g != event.division_g {
            let detail = "a scale of this id is registered at another site or with another division";
            return refuse(RefusalCode::AlreadyRegistered, "/new_scale", detail);
        }
        if let Some(last) = known.verifications.iter().find(|held| event.verified_on <= held.on) {
            let detail = format!("the verification of {} is recorded already", last.on);
            return refuse(RefusalCode::TimeInvalid, "/verified_on", detail);
        }
    }
    if event.division_g == Grams::ZERO || event.capacity_g < event.division_g {
        let detail = "a scale has a division of at least 1 g and a capacity of at least one division";
        return refuse(RefusalCode::WeightInvalid, "/division_g", detail);
    }
    if event.verified_on > event.verified_until {
        return refuse(RefusalCode::TimeInvalid, "/verified_until", "the verification ends before it begins");
    }
    let mut verifications = known.map(|scale| scale.verifications).unwrap_or_default();
    verifications.push(Verification {
        on: event.verified_on.clone(),
        until: event.verified_until.clone(),
        entry: context.index,
    });
    state.put(Record::Scale(Scale {
        id: event.new_scale,
        organisation,
        site: event.at_site,
        division_g: event.division_g,
        capacity_g: event.capacity_g,
        verifications,
        registered: context.index,
    }));
    Ok(())
}

/// A key comes into force with the next entry. That its secret is held was proved when the statement was opened.
pub fn key_registered(state: &mut State<'_>, context: &Context<'_>, event: &KeyRegistered) -> Result<(), Stop> {
    let org = context.party();
    if org != event.organisation {
        context.require_operator(state)?;
    }
    require_organisation(state, &event.organisation)?;
    let key = new_key(&event.jwk, event.organisation, event.custody, event.r#use, context.index);
    let vkeys = state.ledger()?.map(|ledger| [Some(ledger.checkpoint_vkey.clone()), ledger.former_vkey.clone()]);
    let mut checkpoint_keys = vkeys.into_iter().flatten().flatten().filter_map(|vkey| vkey.public_key());
    if checkpoint_keys.any(|known| Some(known) == KeyId::parse(key.x.as_str()).map(|x| x.0)) {
        return refuse(RefusalCode::AlreadyRegistered, "/jwk", "the checkpoint key signs checkpoints and nothing else");
    }
    if state.key(&key.kid)?.is_some() {
        let detail = "this key is registered; a key belongs to one organisation for ever and is never registered twice";
        return refuse(RefusalCode::AlreadyRegistered, "/jwk", detail);
    }
    state.put(Record::Key(key));
    Ok(())
}

/// A key goes out of force with the next entry; what it signed before stays valid.
pub fn key_revoked(state: &mut State<'_>, context: &Context<'_>, event: &KeyRevoked) -> Result<(), Stop> {
    use RevocationReason::{Compromised, Superseded};
    let Some(key) = state.key(&event.kid)?.cloned() else {
        return refuse(RefusalCode::Unknown, "/kid", "no key of this thumbprint is registered");
    };
    if key.organisation != context.party() {
        context.require_operator(state)?;
    }
    // A key that was superseded may turn out to have been compromised; nothing else is said twice.
    let earlier = key.revoked.as_ref().map(|revocation| (revocation.at, revocation.reason));
    if earlier.is_some_and(|(_, reason)| (reason, event.reason) != (Superseded, Compromised)) {
        return refuse(RefusalCode::KeyRevoked, "/kid", "this key is revoked already");
    }
    match (event.reason, event.since_index) {
        (Superseded, Some(_)) => {
            return refuse(RefusalCode::TimeInvalid, "/since_index", "only a compromised key has since_index");
        }
        (Compromised, Some(since)) if since > context.index => {
            return refuse(RefusalCode::TimeInvalid, "/since_index", "this index does not exist yet");
        }
        _ => {}
    }
    let at = earlier.map_or(context.index, |(at, _)| at);
    let revoked = Some(Revocation { at, reason: event.reason, reported: context.index, since: event.since_index });
    state.put(Record::Key(Key { revoked, ..key }));
    Ok(())
}

/// Another rule set comes into force with the next entry.
pub fn rules_adopted(state: &mut State<'_>, context: &Context<'_>, event: &RulesAdopted) -> Result<(), Stop> {
    let ledger = context.require_operator(state)?.clone();
    require_rule_set(&event.rule_set)?;
    state.put(Record::Ledger(Ledger { rule_set: event.rule_set.clone(), ..ledger }));
    Ok(())
}

/// Another key signs checkpoints; the one before may until it does.
pub fn checkpoint_key_changed(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &CheckpointKeyChanged,
) -> Result<(), Stop> {
    let ledger = context.require_operator(state)?.clone();
    let named = event.vkey.as_str().split('+').next();
    let Some(public) = event.vkey.public_key().filter(|_| named == Some(ledger.origin.as_str())) else {
        let detail = format!("a checkpoint key is an Ed25519 key whose name is the origin, {}", ledger.origin);
        return refuse(RefusalCode::WrongLedger, "/vkey", detail);
    };
    if ledger.checkpoint_vkey == event.vkey || ledger.former_vkey.as_ref() == Some(&event.vkey) {
        return refuse(RefusalCode::AlreadyRegistered, "/vkey", "this key signs, or signed, checkpoints");
    }
    let statement_key = KeyCoordinate::parse(&data_encoding::BASE64URL_NOPAD.encode(&public))
        .map(|x| Jwk { kty: KeyType::Okp, crv: Curve::Ed25519, x }.thumbprint());
    if let Some(kid) = statement_key
        && state.key(&kid)?.is_some()
    {
        return refuse(RefusalCode::AlreadyRegistered, "/vkey", "this key signs statements and nothing else");
    }
    let former_vkey = Some(ledger.checkpoint_vkey.clone());
    state.put(Record::Ledger(Ledger { checkpoint_vkey: event.vkey.clone(), former_vkey, ..ledger }));
    Ok(())
}

/// Nothing more is taken after this.
pub fn ledger_closed(state: &mut State<'_>, context: &Context<'_>, event: &LedgerClosed) -> Result<(), Stop> {
    let ledger = context.require_operator(state)?.clone();
    if event.successor.as_ref() == Some(&ledger.origin) {
        return refuse(RefusalCode::WrongLedger, "/successor", "a ledger does not succeed itself");
    }
    let closed = Some(Closing { entry: context.index, successor: event.successor.clone() });
    state.put(Record::Ledger(Ledger { closed, ..ledger }));
    Ok(())
}

/// The name of the newest rule set that this software carries.
pub fn newest_rule_set() -> Option<RuleSetName> {
    let newest = rule_set::all().last()?;
    Some(RuleSetName { version: TableCode::parse(&newest.version)?, sha256: Hash::parse(&newest.sha256)? })
}
