//! `loopledger demo`: an embedded ledger, filled with simulated data, with a certificate that verifies offline.

mod afterwards;
mod attempts;
mod cafe;
mod certifying;
mod composition;
mod devices;
mod dismantling;
mod gift;
mod homecoming;
mod papers;
mod parties;
mod plan;
mod poster;
mod progress;
mod report;
mod selling;
mod story;
mod summary;

use crate::cli::ledger_folder::{KeyFiles, found, operator_scopes, publishing, sealing_key};
use crate::cli::{CommandError, serve, verify};
use crate::config::{GuardPlace, Place, Serving, Witnessing};
use crate::http;
use crate::ledger::clock::Clock;
use crate::ledger::export::entries_of_last_checkpoint;
use crate::ledger::opening::{self, Settings, Sharing};
use crate::ledger::tokens::{self, Scope};
use crate::ledger::tree::EntriesFor;
use crate::ledger::{Ledger, keyring};
use crate::proof::note::NoteVerifier;
use crate::store::{DatabaseUrl, Store};
use certifying::Issued;
use clap::Args;
use devices::Device;
use plan::Plan;
use poster::Poster;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufWriter;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use story::Story;

/// Days for which a demo's tokens hold.
const TOKEN_DAYS: i64 = 30;

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Folder of the demo's ledger; one that holds another ledger is refused.
    #[arg(long, default_value = "./loopledger-data", value_name = "DIR")]
    data: PathBuf,
    /// Real devices: a file of the Open Repair Data Standard; without it a small made set.
    #[arg(long, value_name = "FILE")]
    open_repair: Option<PathBuf>,
    /// What weights and ids are drawn from.
    #[arg(long, default_value_t = 20_261_123)]
    seed: u64,
    /// End instead of serving.
    #[arg(long)]
    exit: bool,
    /// Address and port.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    listen: String,
}

/// The files that a demo leaves in its folder.
struct DemoFiles(PathBuf);

impl DemoFiles {
    fn plan(&self) -> PathBuf {
        self.0.join("plan.json")
    }

    /// Exists from the moment on at which the demo's own ledger does.
    fn founded(&self) -> PathBuf {
        self.0.join("founded")
    }

    fn finished(&self) -> PathBuf {
        self.0.join("finished")
    }

    fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    fn bundle(&self) -> PathBuf {
        self.0.join("bundle.json")
    }

    fn vkey(&self) -> PathBuf {
        self.0.join("vkey.txt")
    }

    fn entries(&self) -> PathBuf {
        self.0.join("entries.jsonl")
    }
}

/// Makes the demo, or goes on with an interrupted one; a finished one is only served.
pub(super) fn run(arguments: &Demo) -> Result<ExitCode, CommandError> {
    let files = DemoFiles(arguments.data.join("demo"));
    let serving = serving(arguments);
    // Openings and keys lie here: nobody else may look.
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&arguments.data)?;
    let plan = plan_of(arguments, &files, &serving)?;
    let is_finished = files.finished().exists();
    let ledger = Arc::new(open(&serving, &files)?);
    if !is_finished {
        fill(&ledger, &plan, arguments, &files)?;
    }
    println!("DEMO DATA: bundle.json, vkey.txt and entries.jsonl lie in {}", files.0.display());
    if arguments.exit {
        return Ok(ExitCode::SUCCESS);
    }
    print_tokens(&ledger, &plan)?;
    let listener = TcpListener::bind(&arguments.listen)?;
    serve::announce(&ledger, &listener, &serving.place.database())?;
    http::serve_until_told_to_end(ledger, listener, usize::from(serving.workers))?;
    Ok(ExitCode::SUCCESS)
}

fn serving(arguments: &Demo) -> Serving {
    Serving {
        place: Place { data: arguments.data.clone(), database_url: None },
        listen: arguments.listen.clone(),
        workers: 2,
        guard: GuardPlace { guard: None },
        origin: None,
        test_ledger: true,
        sealing_key: None,
        entries: EntriesFor::default(),
        publish_to: None,
        second_signature: None,
        self_audit_rate: 0,
        witnessing: Witnessing::NOBODY,
    }
}

/// The plan of the folder, or a new one for a folder that holds no ledger. An interrupted demo goes on only as it began.
fn plan_of(arguments: &Demo, files: &DemoFiles, serving: &Serving) -> Result<Plan, CommandError> {
    let now_ms = Clock::system().now_ms();
    let asked = Plan::new(arguments.seed, arguments.open_repair.as_deref(), now_ms)?;
    let folder = arguments.data.display();
    match Plan::read(&files.plan())? {
        Some(plan) if files.finished().exists() => Ok(plan),
        Some(plan) if (plan.seed, &plan.open_repair_sha256) == (asked.seed, &asked.open_repair_sha256) => Ok(plan),
        Some(plan) => {
            let cure = "give the same --open-repair and --seed to go on, or another --data";
            Err(format!("{folder} holds an interrupted demo with the seed {} and other input: {cure}", plan.seed)
                .into())
        }
        None => {
            let keys = KeyFiles::of(&arguments.data);
            let database = serving.place.database();
            let has_file = matches!(&database, DatabaseUrl::Sqlite(file) if file.exists());
            if keys.operator().exists() || has_file {
                return Err(format!("{folder} holds another ledger; give an empty folder with --data").into());
            }
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&files.0)?;
            asked.write(&files.plan())?;
            Ok(asked)
        }
    }
}

/// Opens the demo's ledger; the first time it is made.
fn open(serving: &Serving, files: &DemoFiles) -> Result<Ledger, CommandError> {
    let store = Arc::new(Store::open(&serving.place.database(), 6)?);
    let keys = KeyFiles::of(&serving.place.data);
    let clock = Clock::system();
    let folder = serving.place.data.display();
    let is_founded = files.founded().exists();
    let origin = if let Some(ledger) = opening::ledger_in(&store)? {
        if !ledger.test {
            return Err(format!("{folder} holds a ledger that is no demo; give another --data").into());
        }
        ledger.origin
    } else if is_founded {
        return Err(format!("the database of the demo in {folder} is gone; put it back, or give another --data").into());
    } else {
        // A demo that was interrupted between keys and ledger: nothing was ever signed with them.
        for file in [keys.operator(), keys.recovery(), keys.checkpoint()] {
            if file.exists() {
                fs::remove_file(file)?;
            }
        }
        found(&store, &clock, serving, &keys)?.0
    };
    fs::write(files.founded(), "")?;
    let sealing_key = sealing_key(serving, &origin, !files.finished().exists())?;
    let publishing = publishing(serving, &keys, &origin)?;
    Ok(opening::open(
        store,
        Settings {
            clock,
            sealing_key,
            publishing,
            sharing: Sharing::default(),
            witnesses: None,
            self_audit: None,
            second_signature: None,
        },
    )?)
}

fn fill(ledger: &Ledger, plan: &Plan, arguments: &Demo, files: &DemoFiles) -> Result<(), CommandError> {
    let devices: Vec<Device> = match &arguments.open_repair {
        Some(file) => devices::read_open_repair(file)?,
        None => devices::made(plan),
    };
    let rules = ledger.rules_in_force()?;
    let operator_key = keyring::read_key(&KeyFiles::of(&arguments.data).operator())?;
    let progress = progress::bar(&devices, rules);
    let mut poster = Poster::new(ledger, plan, progress.clone())?;
    let (issued, boards_g) = Story::begin(&mut poster, plan, rules, &files.keys(), operator_key)?.tell(&devices)?;
    progress.finish_and_clear();
    summary::print(&poster, plan, &devices, boards_g)?;
    write_files(ledger, &poster, &issued, files)?;
    verify_offline(files)?;
    fs::write(files.finished(), "")?;
    Ok(())
}

/// Leaves the certificate's bundle, the ledger's key and all entries for whoever wants to look.
fn write_files(ledger: &Ledger, poster: &Poster<'_>, issued: &Issued, files: &DemoFiles) -> Result<(), CommandError> {
    let checkpoint = poster.wait_for_checkpoint(issued.retired)?;
    let bundle =
        ledger.bundle(&issued.serial, &checkpoint.into())?.ok_or("the certificate is not under the checkpoint")?;
    fs::write(files.bundle(), bundle.to_bytes())?;
    let vkey = opening::ledger_in(&ledger.store)?.ok_or("the ledger is gone")?.checkpoint_vkey;
    fs::write(files.vkey(), format!("{vkey}\n"))?;
    let mut out = BufWriter::new(File::create(files.entries())?);
    ledger.store.snapshot(|database| entries_of_last_checkpoint(database, &mut out))?;
    Ok(())
}

/// Reads the two files back and verifies one with the other, as anybody could elsewhere.
fn verify_offline(files: &DemoFiles) -> Result<(), CommandError> {
    let anchor = NoteVerifier::parse(fs::read_to_string(files.vkey())?.trim())?;
    let verdict = crate::proof::verify::verify(&fs::read(files.bundle())?, Some(&anchor))?;
    println!();
    println!("DEMO DATA: loopledger verify {} --vkey {}", files.bundle().display(), files.vkey().display());
    print!("{}", verify::in_words(&verdict));
    println!();
    Ok(())
}

/// New tokens every time that the demo is served: they are kept nowhere.
fn print_tokens(ledger: &Ledger, plan: &Plan) -> Result<(), CommandError> {
    use crate::domain::ids::OrganisationId;
    let centre = OrganisationId(plan.id("organisation", 3));
    let auditor = OrganisationId(plan.id("organisation", 5));
    let reading: BTreeSet<Scope> = [Scope::Post, Scope::Read].into();
    let auditing: BTreeSet<Scope> = [Scope::Post, Scope::Read, Scope::Audit].into();
    let parties = [
        ("operator", ledger.operator, operator_scopes()),
        ("centre", centre, reading.clone()),
        ("auditor", auditor, auditing),
        ("donor", report::donor(plan), reading),
    ];
    println!("DEMO DATA: tokens for {TOKEN_DAYS} days, shown this once");
    for (name, organisation, scopes) in parties {
        let token = tokens::create(&ledger.store, &ledger.clock, organisation, &scopes, TOKEN_DAYS)?;
        println!("{name:<10} {organisation}  {}", token.token);
    }
    println!("DEMO DATA: the donor's token reads {}, and {0}?format=csv", report::path(plan));
    Ok(())
}
