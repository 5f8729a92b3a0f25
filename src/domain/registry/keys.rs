//! Keys: whose they are, for what, and since when they are not trusted.

use super::require_organisation;
use crate::domain::apply::{Context, refuse};
use crate::domain::codes::{KeyCustody, KeyUse, RevocationReason};
use crate::domain::event::{Jwk, KeyCoordinate, KeyRegistered, KeyRevoked};
use crate::domain::fields::record;
use crate::domain::ids::{EntryIndex, KeyId, OrganisationId};
use crate::domain::refusal::RefusalCode;
use crate::domain::state::{Record, State, Stop};

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

pub(super) fn new_key(
    jwk: &Jwk,
    organisation: OrganisationId,
    custody: KeyCustody,
    r#use: KeyUse,
    at: EntryIndex,
) -> Key {
    let kid = jwk.thumbprint();
    Key { kid, organisation, x: jwk.x.clone(), custody, r#use, registered: at, revoked: None }
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
