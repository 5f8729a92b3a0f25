//! `loopledger serve`: a ledger, and on the first start its making.

use crate::cli::CommandError;
use crate::cli::ledger_folder::{KeyFiles, found, operator_scopes, publishing, sealing_key};
use crate::config::{Serving, Witnessing, object_store_environment};
use crate::domain::ids::{OrganisationId, Origin};
use crate::domain::registry::Ledger as LedgerRecord;
use crate::http;
use crate::ledger::Ledger;
use crate::ledger::clock::Clock;
use crate::ledger::mirror::Mirroring;
use crate::ledger::objects::Objects;
use crate::ledger::opening::{self, Settings, Sharing};
use crate::ledger::self_audit::SelfAuditing;
use crate::ledger::tokens;
use crate::ledger::witnessing::WitnessSettings;
use crate::limits::{SELF_AUDIT_PAUSE_MS, TOKEN_DAYS_DEFAULT, WITNESS_TIMEOUT_MS};
use crate::proof::policy::{Log, Policy};
use crate::store::{DatabaseUrl, Store};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Opens or makes the ledger and serves it until the process is told to end.
pub(super) fn run(serving: &Serving) -> Result<ExitCode, CommandError> {
    // Openings and keys lie here: nobody else may look.
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&serving.place.data)?;
    let database = serving.place.database();
    let store = Arc::new(Store::open(&database, u32::from(serving.workers) + 4)?);
    let keys = KeyFiles::of(&serving.place.data);
    let clock = Clock::system();
    let (origin, is_new) = match opening::ledger_in(&store)? {
        Some(ledger) => (ledger.origin, false),
        None => match found_and_announce(&store, &clock, serving, &keys) {
            Ok(origin) => (origin, true),
            // Of nodes that start at once on an empty database one makes the ledger, and the others follow it.
            Err(error) => (opening::ledger_in(&store)?.ok_or(error)?.origin, false),
        },
    };
    let sealing_key = sealing_key(serving, &origin, is_new)?;
    let publishing = publishing(serving, &keys, &origin)?;
    let listener = TcpListener::bind(&serving.listen)?;
    let sharing = sharing(serving)?;
    let witnesses = witnesses(&serving.witnessing, &store)?;
    let ledger = opening::open(
        store,
        Settings {
            clock,
            sealing_key,
            publishing,
            sharing,
            witnesses,
            self_audit: self_auditing(serving),
            second_signature: serving.second_signature,
        },
    )?;
    announce(&ledger, &listener, &database)?;
    http::serve_until_told_to_end(Arc::new(ledger), listener, usize::from(serving.workers))?;
    Ok(ExitCode::SUCCESS)
}

fn sharing(serving: &Serving) -> Result<Sharing, CommandError> {
    let place = serving.publish_to.as_ref();
    let objects = place.map(|url| Objects::open(url, object_store_environment())).transpose()?;
    Ok(Sharing { entries_for: serving.entries, mirror: objects.map(Mirroring::to) })
}

/// A new ledger and the operator's token, which is printed this once. If we crash before that, `loopledger token` makes
/// another.
fn found_and_announce(
    store: &Store,
    clock: &Clock,
    serving: &Serving,
    keys: &KeyFiles,
) -> Result<Origin, CommandError> {
    let (origin, operator): (Origin, OrganisationId) = found(store, clock, serving, keys)?;
    let token = tokens::create(store, clock, operator, &operator_scopes(), TOKEN_DAYS_DEFAULT)?;
    println!("A new ledger: {origin}");
    println!("operator organisation  {operator}");
    println!("operator token         {}  (shown this once)", token.token);
    println!(
        "recovery key           {}  (move it to a safe place that is not this machine)",
        keys.recovery().display()
    );
    Ok(origin)
}

fn self_auditing(serving: &Serving) -> Option<SelfAuditing> {
    let folder = serving.place.data.join("self-audit");
    let (entries_per_s, pause) = (serving.self_audit_rate, Duration::from_millis(SELF_AUDIT_PAUSE_MS));
    (entries_per_s > 0).then_some(SelfAuditing { folder, entries_per_s, pause })
}

/// Reads the policy. Of logs it names this ledger or none: a policy for another ledger is a mistake.
fn witnesses(witnessing: &Witnessing, store: &Store) -> Result<Option<WitnessSettings>, CommandError> {
    let Some(file) = &witnessing.policy else { return Ok(None) };
    let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let policy = Policy::parse(&bytes).map_err(|problem| format!("{}: {problem}", file.display()))?;
    let ledger = opening::ledger_in(store)?;
    let is_ours = |log: &Log| {
        ledger.iter().flat_map(LedgerRecord::checkpoint_vkeys).any(|vkey| vkey.as_str() == log.verifier.vkey())
    };
    if !policy.logs.is_empty() && !policy.logs.iter().any(is_ours) {
        return Err(format!("{}: the policy names other logs, but not this ledger", file.display()).into());
    }
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    Ok(Some(WitnessSettings {
        policy,
        pause: seconds(witnessing.witness_pause),
        refresh: seconds(witnessing.witness_refresh),
        timeout: Duration::from_millis(WITNESS_TIMEOUT_MS),
        certificates_need_quorum: witnessing.certificates_need_quorum,
    }))
}

/// Says where it serves.
pub(super) fn announce(ledger: &Ledger, listener: &TcpListener, database: &DatabaseUrl) -> std::io::Result<()> {
    let kind = match database {
        DatabaseUrl::Postgres(_) => "PostgreSQL".to_owned(),
        DatabaseUrl::Sqlite(path) => path.display().to_string(),
    };
    println!("Serving {} on http://{} from {kind}", ledger.origin, listener.local_addr()?);
    println!("API for people: http://{}/docs/", listener.local_addr()?);
    Ok(())
}
