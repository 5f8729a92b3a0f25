//! Who takes part: the ledger itself and its rule set here, organisations, sites, scales and keys in files of their own.

use crate::domain::apply::{Context, refuse};
use crate::domain::codes::{Hash, KeyCustody, KeyUse, Role, TableCode};
use crate::domain::event::{
    CheckpointKeyChanged, Curve, Jwk, KeyCoordinate, KeyType, LedgerClosed, LedgerOpened, RuleSetName, RulesAdopted,
    Vkey,
};
use crate::domain::fields::record;
use crate::domain::ids::{EntryIndex, OrganisationId, Origin};
use crate::domain::refusal::RefusalCode;
use crate::domain::rule_set;
use crate::domain::state::{Record, State, Stop};

mod keys;
mod organisations;
mod scales;
mod sites;

pub use keys::{Key, Revocation, key_registered, key_revoked};
pub use organisations::{Organisation, organisation_registered};
pub use scales::{Scale, Verification, scale_registered};
pub use sites::{Site, SiteAudit, SiteCodeTaken, Suspension, facility_registered, site_changed, site_registered};

use keys::new_key;
pub(crate) use organisations::{compatible_roles, require_organisation};

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

impl Ledger {
    /// The keys that may sign checkpoints: the one in force, and the one before it.
    pub fn checkpoint_vkeys(&self) -> impl Iterator<Item = &Vkey> {
        [&self.checkpoint_vkey].into_iter().chain(&self.former_vkey)
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

fn require_rule_set(name: &RuleSetName) -> Result<(), Stop> {
    if rule_set::find(name).is_none() {
        let carried: Vec<_> = rule_set::all().iter().map(|set| format!("{} ({})", set.version, set.sha256)).collect();
        let detail = format!("this software carries the rule sets {}", carried.join(", "));
        return refuse(RefusalCode::RuleSetUnknown, "/rule_set", detail);
    }
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
