//! What a command is told: arguments and environment, validated once.

use crate::domain::event::SecondSignature;
use crate::domain::ids::Origin;
use crate::ledger::guard::GuardUrl;
use crate::ledger::objects::ObjectsUrl;
use crate::ledger::tree::EntriesFor;
use crate::store::DatabaseUrl;
use crate::store::backend::sqlite_in;
use clap::Args;
use std::path::PathBuf;

fn parse_database_url(text: &str) -> Result<DatabaseUrl, String> {
    let expected = "expected postgres://…, postgresql://… or sqlite:FILE";
    DatabaseUrl::parse(text).ok_or_else(|| expected.to_owned())
}

fn parse_origin(text: &str) -> Result<Origin, String> {
    Origin::parse(text).ok_or_else(|| "expected a name such as ledger.example/1a2b3c4d".to_owned())
}

fn parse_entries_for(text: &str) -> Result<EntriesFor, String> {
    EntriesFor::parse(text).ok_or_else(|| "expected public or auditors".to_owned())
}

fn parse_second_signature(text: &str) -> Result<SecondSignature, String> {
    SecondSignature::parse(text).ok_or_else(|| "expected person or organisation".to_owned())
}

fn parse_objects_url(text: &str) -> Result<ObjectsUrl, String> {
    ObjectsUrl::parse(text).ok_or_else(|| "expected a folder or s3://BUCKET/PREFIX".to_owned())
}

fn parse_guard(text: &str) -> Result<GuardUrl, String> {
    let expected = "expected a file, s3://BUCKET/PATH, postgres://… or sqlite:FILE";
    GuardUrl::parse(text).ok_or_else(|| expected.to_owned())
}

/// The environment's settings of an object store: credentials, region, endpoint.
pub fn object_store_environment() -> Vec<(String, String)> {
    let settings =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    settings.filter(|(name, _)| name.starts_with("AWS_")).collect()
}

/// Where a ledger lies.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// Folder of the keys and, without --database-url, of the SQLite file.
    #[arg(long, env = "LOOPLEDGER_DATA", default_value = "./loopledger-data", value_name = "DIR")]
    pub data: PathBuf,
    /// A PostgreSQL database, or another SQLite file.
    #[arg(long, env = "LOOPLEDGER_DATABASE_URL", hide_env_values = true, value_parser = parse_database_url)]
    pub database_url: Option<DatabaseUrl>,
}

impl Place {
    /// The database.
    pub fn database(&self) -> DatabaseUrl {
        self.database_url.clone().unwrap_or_else(|| sqlite_in(&self.data))
    }
}

/// Where its guard lies.
#[derive(Debug, Clone, Args)]
pub struct GuardPlace {
    /// The guard: a file, s3://BUCKET/PATH, or another database (postgres://… or sqlite:FILE); by default a file beside the
    /// data folder, never in it, so that no backup of the one has the other.
    #[arg(long, env = "LOOPLEDGER_GUARD", hide_env_values = true, value_name = "PLACE", value_parser = parse_guard)]
    pub guard: Option<GuardUrl>,
}

/// How to serve.
#[derive(Debug, Clone, Args)]
pub struct Serving {
    /// Where the ledger lies.
    #[command(flatten)]
    pub place: Place,
    /// Address and port.
    #[arg(long, env = "LOOPLEDGER_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    pub listen: String,
    /// Threads that answer requests.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
    /// Where the guard lies.
    #[command(flatten)]
    pub guard: GuardPlace,
    /// A new ledger's name, for ever; by default loopledger.local/ and 8 random hex digits.
    #[arg(long, value_parser = parse_origin)]
    pub origin: Option<Origin>,
    /// Make the new ledger a test ledger: its certificates say so for ever.
    #[arg(long)]
    pub test_ledger: bool,
    /// 32 bytes in hex that open the hosted keys; by default a file beside the data folder.
    #[arg(long, env = "LOOPLEDGER_SEALING_KEY", hide_env_values = true, value_name = "HEX")]
    pub sealing_key: Option<String>,
    /// Who may read all entries in bulk at /log/tile/entries: public, or auditors, who have a token with the scope audit.
    #[arg(long, env = "LOOPLEDGER_ENTRIES", default_value = "auditors", value_parser = parse_entries_for)]
    pub entries: EntriesFor,
    /// Keep a copy of the tree there, for anybody to serve: hash tiles, checkpoint, and entries if they are public.
    /// Credentials of a bucket and its endpoint come from the environment (AWS_ACCESS_KEY_ID and so on).
    #[arg(long, env = "LOOPLEDGER_PUBLISH_TO", value_name = "DIR|s3://BUCKET/PREFIX", value_parser = parse_objects_url)]
    pub publish_to: Option<ObjectsUrl>,
    /// Entries that the service audits in a second, of its own and again and again; 0: none. It takes about two and a half
    /// times the bytes of the entries in the data folder.
    #[arg(long, default_value_t = 500, value_name = "ENTRIES")]
    pub self_audit_rate: u32,
    /// Issue and withdraw certificates only under a second signature: of another person of the same organisation, or of
    /// another organisation. Statements that ask for less are refused.
    #[arg(long, value_name = "person|organisation", value_parser = parse_second_signature)]
    pub second_signature: Option<SecondSignature>,
    /// Who witnesses.
    #[command(flatten)]
    pub witnessing: Witnessing,
}

/// How a ledger is witnessed.
#[derive(Debug, Clone, Args)]
pub struct Witnessing {
    /// A C2SP policy: the witnesses, and which of them are a quorum. The node that publishes asks those that have an address;
    /// give every node the same.
    #[arg(long, env = "LOOPLEDGER_POLICY", value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Least seconds between two checkpoints that witnesses are asked to cosign.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=86_400), value_name = "SECONDS")]
    pub witness_pause: u32,
    /// Seconds after which witnesses cosign the same checkpoint again while nothing is appended.
    #[arg(long, default_value_t = 3_600, value_parser = clap::value_parser!(u32).range(60..=604_800), value_name = "SECONDS")]
    pub witness_refresh: u32,
    /// Issue certificates only on what a quorum of the witnesses has seen.
    #[arg(long, requires = "policy")]
    pub certificates_need_quorum: bool,
}

impl Witnessing {
    /// Nobody witnesses.
    pub const NOBODY: Self =
        Self { policy: None, witness_pause: 5, witness_refresh: 3_600, certificates_need_quorum: false };
}
