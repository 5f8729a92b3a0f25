//! Who takes part in the demo: made organisations in Belgium and the fictitious country XD, unrelated to one another.

use crate::cli::CommandError;
use crate::cli::demo::plan::Plan;
use crate::cli::demo::poster::{Poster, Saying};
use crate::domain::codes::KeyUse;
use crate::domain::ids::OrganisationId;
use crate::domain::state::{Record, RecordKind};
use crate::ledger::{Ledger, keyring};
use crate::proof::statement::prove_possession;
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// How an organisation signs.
#[derive(Clone)]
pub(super) enum Signer {
    /// With a key of its own, kept under the data folder.
    Own(Arc<SigningKey>),
    /// With a key that the service holds.
    Hosted,
}

/// An organisation of the demo.
#[derive(Clone)]
pub(super) struct Party {
    /// What it is called in the demo's words; names have no place on the ledger.
    pub(super) name: &'static str,
    pub(super) id: OrganisationId,
    pub(super) signer: Signer,
    /// Its site, if it has one.
    pub(super) site: Option<Uuid>,
}

/// All of them.
#[derive(Clone)]
pub(super) struct Parties {
    pub(super) operator: Party,
    pub(super) collector: Party,
    pub(super) beneficiary: Party,
    pub(super) centre: Party,
    pub(super) treater: Party,
    pub(super) auditor: Party,
    pub(super) issuer: Party,
    /// Gives laptops, and prepares them itself.
    pub(super) donor: Party,
    /// Makes the school's software, which speaks for the school.
    pub(super) vendor: Party,
    pub(super) carrier: Party,
    pub(super) refinery: Party,
    /// The company that buys a part of the certificate.
    pub(super) buyer: Party,
}

/// What is registered of a party.
struct Joining {
    name: &'static str,
    number: u64,
    country: &'static str,
    roles: &'static [&'static str],
    hosted: bool,
    /// The code of its site.
    code: Option<&'static str>,
}

const COLLECTOR: Joining = Joining {
    name: "collector",
    number: 1,
    country: "XD",
    roles: &["collector", "refurbisher"],
    hosted: true,
    code: Some("CAFE"),
};
const BENEFICIARY: Joining = Joining {
    name: "beneficiary",
    number: 2,
    country: "XD",
    roles: &["beneficiary"],
    hosted: true,
    code: Some("SCHOOL"),
};
const CENTRE: Joining = Joining {
    name: "centre",
    number: 3,
    country: "XD",
    roles: &["recycler", "exporter"],
    hosted: false,
    code: Some("DEMO"),
};
const TREATER: Joining =
    Joining { name: "treater", number: 4, country: "XD", roles: &["treater"], hosted: false, code: Some("MELT") };
const AUDITOR: Joining =
    Joining { name: "auditor", number: 5, country: "XD", roles: &["auditor"], hosted: false, code: None };
const ISSUER: Joining =
    Joining { name: "issuer", number: 6, country: "XD", roles: &["issuer"], hosted: false, code: None };
const DONOR: Joining = Joining {
    name: "donor",
    number: 7,
    country: "BE",
    roles: &["donor", "refurbisher"],
    hosted: false,
    code: Some("GIFT"),
};
const VENDOR: Joining =
    Joining { name: "vendor", number: 8, country: "XD", roles: &["refurbisher"], hosted: false, code: None };
const CARRIER: Joining =
    Joining { name: "carrier", number: 9, country: "BE", roles: &["carrier"], hosted: true, code: None };
const REFINERY: Joining =
    Joining { name: "refinery", number: 10, country: "BE", roles: &["treater"], hosted: false, code: Some("REFINE") };
const BUYER: Joining =
    Joining { name: "buyer", number: 11, country: "BE", roles: &["buyer"], hosted: false, code: None };

impl Parties {
    /// Registers everybody: organisations, keys, sites.
    pub(super) fn join(
        poster: &mut Poster<'_>,
        plan: &Plan,
        keys: &Path,
        operator_key: SigningKey,
        permits: &dyn Fn(&str) -> Option<Value>,
    ) -> Result<Self, CommandError> {
        let operator = Party {
            name: "operator",
            id: poster.ledger.operator,
            signer: Signer::Own(Arc::new(operator_key)),
            site: None,
        };
        let mut join = |joining: &Joining| join_one(poster, plan, keys, &operator, joining, permits(joining.name));
        let (collector, beneficiary, centre) = (join(&COLLECTOR)?, join(&BENEFICIARY)?, join(&CENTRE)?);
        let (treater, auditor, issuer) = (join(&TREATER)?, join(&AUDITOR)?, join(&ISSUER)?);
        let (donor, vendor, carrier, refinery) = (join(&DONOR)?, join(&VENDOR)?, join(&CARRIER)?, join(&REFINERY)?);
        let buyer = join(&BUYER)?;
        Ok(Self {
            operator,
            collector,
            beneficiary,
            centre,
            treater,
            auditor,
            issuer,
            donor,
            vendor,
            carrier,
            refinery,
            buyer,
        })
    }
}

fn join_one(
    poster: &mut Poster<'_>,
    plan: &Plan,
    keys: &Path,
    operator: &Party,
    joining: &Joining,
    permit: Option<Value>,
) -> Result<Party, CommandError> {
    let at = plan.moment(0)?;
    let id = OrganisationId(plan.id("organisation", joining.number));
    let fields = json!({"organisation": id.to_string(), "roles": joining.roles, "country": joining.country});
    poster.say(operator, Saying::new("organisation_registered", &at, fields))?;
    poster.flush()?;
    let signer = if joining.hosted {
        host_key(poster, operator, id, &at)?;
        Signer::Hosted
    } else {
        Signer::Own(Arc::new(own_key(poster, operator, id, &keys.join(format!("{}.json", joining.name)), &at)?))
    };
    let site = joining.code.map(|_| plan.id("site", joining.number));
    if let (Some(site), Some(code)) = (site, joining.code) {
        let mut fields = json!({
            "organisation": id.to_string(), "new_site": site.to_string(), "country": joining.country, "code": code,
        });
        if let Some(permit) = permit {
            fields["permit"] = permit;
        }
        poster.say(operator, Saying::new("site_registered", &at, fields))?;
    }
    poster.flush()?;
    Ok(Party { name: joining.name, id, signer, site })
}

/// A hosted key, unless an interrupted demo has registered one.
fn host_key(poster: &mut Poster<'_>, operator: &Party, id: OrganisationId, at: &str) -> Result<(), CommandError> {
    let number = poster.next_number();
    if has_hosted_key(poster.ledger, id)? {
        *poster.said.entry("key_registered").or_default() += 1;
        return Ok(());
    }
    let ledger = poster.ledger;
    let key = ledger.vault.create(&ledger.origin, id, KeyUse::Statement, ledger.clock.now_ms())?;
    let fields = json!({
        "organisation": id.to_string(), "jwk": {"kty": "OKP", "crv": "Ed25519", "x": key.jwk.x.as_str()},
        "custody": "hosted", "use": "statement", "proof": key.proof.as_str(),
    });
    poster.say_as(operator, Saying::new("key_registered", at, fields), number)
}

fn has_hosted_key(ledger: &Ledger, id: OrganisationId) -> Result<bool, CommandError> {
    use crate::domain::codes::KeyCustody;
    let keys = ledger.registry(RecordKind::Key, "", crate::limits::PAGE_ROWS_MAX)?;
    let is_its = |record: &Record| match record {
        Record::Key(key) => key.organisation == id && key.custody == KeyCustody::Hosted,
        _ => false,
    };
    Ok(keys.iter().any(is_its))
}

/// An own key: made once, kept in a file.
fn own_key(
    poster: &mut Poster<'_>,
    operator: &Party,
    id: OrganisationId,
    file: &Path,
    at: &str,
) -> Result<SigningKey, CommandError> {
    if !file.exists() {
        keyring::write_key(file, &keyring::generate()?)?;
    }
    let key = keyring::read_key(file)?;
    let jwk = keyring::public_jwk(&key)?;
    let proof = prove_possession(&key, &poster.ledger.origin, id, KeyUse::Statement).ok_or("a key proves nothing")?;
    let fields = json!({
        "organisation": id.to_string(), "jwk": {"kty": "OKP", "crv": "Ed25519", "x": jwk.x.as_str()},
        "custody": "own", "use": "statement", "proof": proof.as_str(),
    });
    poster.say(operator, Saying::new("key_registered", at, fields))?;
    Ok(key)
}
