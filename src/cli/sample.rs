//! `loopledger sample`: the treatments that an auditor looks at on site, drawn with a nonce that came after the checkpoint.

use crate::cli::verify::{Anchor, Trusted};
use crate::cli::{CommandError, EXIT_REFUSED, read_input};
use crate::config::Place;
use crate::domain::ids::EntryIndex;
use crate::ledger::keyring::random_secret;
use crate::ledger::sampling::{Dossier, NoSample, Step, candidates, candidates_of_export, dossier};
use crate::limits::SAMPLE_COUNT_MAX;
use crate::proof::checkpoint::Checkpoint;
use crate::proof::sample::{Candidate, Drawn, Seed};
use crate::store::Store;
use clap::{Args, ValueEnum};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Sample {
    #[command(flatten)]
    place: Place,
    /// Draw from an export instead, one entry a line: the same draw, without what stands behind each treatment.
    #[arg(long, value_name = "FILE")]
    entries: Option<PathBuf>,
    #[command(flatten)]
    anchor: Anchor,
    /// The checkpoint, signed and, under a policy, witnessed before the nonce was drawn.
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// 32 bytes in hex that nobody knew before the checkpoint was signed; else the operating system gives them.
    #[arg(long, value_name = "HEX")]
    nonce: Option<String>,
    /// How many treatments are drawn, or by mass how many grams.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=SAMPLE_COUNT_MAX))]
    count: u64,
    /// Give each gram the same chance instead of each treatment.
    #[arg(long)]
    by_mass: bool,
    /// How it is printed; of CSV the record of the draw goes to standard error.
    #[arg(long, value_enum, default_value = "words")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Words,
    Csv,
    Json,
}

/// How a sample was drawn: what belongs into the audit's report, so that anybody can draw it again.
struct Record {
    checkpoint: Checkpoint,
    note: String,
    witnesses: Vec<String>,
    nonce: [u8; 32],
    seed: Seed,
    by_mass: bool,
    count: u64,
    treatments: usize,
    grams: u128,
}

/// A treatment that was drawn; from an export without what stands behind it.
struct Listed {
    drawn: Drawn,
    dossier: Option<Dossier>,
}

/// Prints the record of the draw and what was drawn; exits 0, 1 if the ledger is not the one of the checkpoint or nobody vouches
/// for that, 2 unreadable.
pub(super) fn run(arguments: &Sample) -> Result<ExitCode, CommandError> {
    let note = String::from_utf8(read_input(&arguments.checkpoint)?).map_err(|_| "the checkpoint is not UTF-8")?;
    let (checkpoint, witnesses) = match believe(&arguments.anchor.read()?, &note)? {
        Ok(believed) => believed,
        Err(problem) => return Ok(refuse(&problem)),
    };
    let nonce = nonce(arguments.nonce.as_deref())?;
    let seed = Seed::of(&nonce, &checkpoint.root);
    match draw(arguments, &checkpoint, &seed) {
        Ok((all, listed)) => {
            let grams = all.iter().map(|candidate| u128::from(candidate.grams)).sum();
            let (by_mass, count, treatments) = (arguments.by_mass, arguments.count, all.len());
            let record = Record { checkpoint, note, witnesses, nonce, seed, by_mass, count, treatments, grams };
            print(arguments.format, &record, &listed)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(NoSample::OtherLedger(problem)) => Ok(refuse(&problem)),
        Err(other) => Err(other.into()),
    }
}

fn refuse(problem: &str) -> ExitCode {
    println!("NO SAMPLE: {problem}");
    ExitCode::from(EXIT_REFUSED)
}

type Believed = (Checkpoint, Vec<String>);

/// The checkpoint, and the policy's witnesses that saw it; the inner error says why it is not believed.
fn believe(trusted: &Trusted, note: &str) -> Result<Result<Believed, String>, CommandError> {
    Ok(match trusted {
        Trusted::Nobody => {
            return Err("give --vkey or --policy: a checkpoint that nobody vouches for fixes nothing".into());
        }
        Trusted::Key(key) => Checkpoint::open(note, key).map(|found| (found, Vec::new())).map_err(|e| e.to_string()),
        Trusted::Policy(policy) => match policy.open(note) {
            Ok(found) if found.quorum_met => {
                Ok((found.checkpoint, found.cosigned.into_iter().map(|(name, _)| name).collect()))
            }
            Ok(_) => Err("the checkpoint has not the quorum of witnesses that your policy demands".to_owned()),
            Err(problem) => Err(problem.to_string()),
        },
    })
}

fn nonce(given: Option<&str>) -> Result<[u8; 32], CommandError> {
    let Some(hex) = given else { return Ok(*random_secret()?) };
    let bytes = HEXLOWER.decode(hex.to_ascii_lowercase().as_bytes()).ok();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| "--nonce: expected 64 hex digits".into())
}

/// Everything that could be drawn, and what was.
fn draw(arguments: &Sample, checkpoint: &Checkpoint, seed: &Seed) -> Result<(Vec<Candidate>, Vec<Listed>), NoSample> {
    let pick = |all: &[Candidate]| {
        let count = usize::try_from(arguments.count).unwrap_or(usize::MAX);
        if arguments.by_mass { seed.draw_by_mass(all, arguments.count) } else { seed.draw_by_rank(all, count) }
    };
    if let Some(file) = &arguments.entries {
        let all = candidates_of_export(BufReader::new(File::open(file)?), checkpoint)?;
        let listed = pick(&all).into_iter().map(|drawn| Listed { drawn, dossier: None }).collect();
        return Ok((all, listed));
    }
    let store = Store::open_to_read(&arguments.place.database())?;
    store.snapshot(|database| {
        let all = candidates(database, checkpoint)?;
        let mut listed = Vec::new();
        for drawn in pick(&all) {
            let found = dossier(database, EntryIndex(drawn.candidate.index), checkpoint)?;
            listed.push(Listed { drawn, dossier: Some(found) });
        }
        Ok((all, listed))
    })
}

fn print(format: Format, record: &Record, listed: &[Listed]) -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    match format {
        Format::Words => {
            let words: String = listed.iter().map(in_words).collect();
            write!(out, "{}{words}", record_in_words(record))?;
        }
        Format::Csv => {
            eprint!("{}", record_in_words(record));
            write_csv(out, listed)?;
        }
        Format::Json => {
            let drawn: Vec<Value> = listed.iter().map(in_json).collect();
            writeln!(out, "{:#}", json!({"record": record_in_json(record), "drawn": drawn}))?;
        }
    }
    Ok(())
}

const fn method(by_mass: bool) -> &'static str {
    if by_mass { "by mass: each gram with the same chance" } else { "by rank: each treatment with the same chance" }
}

fn record_in_words(record: &Record) -> String {
    let Checkpoint { origin, size, root } = &record.checkpoint;
    let witnesses = match record.witnesses.as_slice() {
        [] => "nobody: who signs could have chosen among checkpoints, had it known the nonce".to_owned(),
        names => names.join(", "),
    };
    let (nonce, seed) = (HEXLOWER.encode(&record.nonce), HEXLOWER.encode(&record.seed.0));
    let lines = [
        ("ledger", origin.to_string()),
        ("entries", size.to_string()),
        ("root", root.to_string()),
        ("witnessed by", witnesses),
        ("nonce", nonce),
        ("seed", format!("{seed} = SHA-256(nonce || root)")),
        ("drawn", format!("{}, {}", record.count, method(record.by_mass))),
        ("from", format!("{} treatments of {} g", record.treatments, record.grams)),
    ];
    let mut out = "RECORD OF THE DRAW, for the audit's report\n".to_owned();
    for (name, value) in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name:<14} {value}");
    }
    let _ = writeln!(out, "checkpoint\n{}", record.note.trim_end());
    out + "\n"
}

fn in_words(listed: &Listed) -> String {
    let Drawn { candidate, hits } = &listed.drawn;
    let times = if *hits > 1 { format!(", hit {hits} times") } else { String::new() };
    let mut out = format!("TREATMENT entry {}, {} g{times}\n", candidate.index, candidate.grams);
    let Some(found) = &listed.dossier else { return out };
    let site = found.site.as_deref().unwrap_or(&found.site_id);
    let mut write = |text: String| {
        let _ = writeln!(out, "    {text}");
    };
    write(format!("{} of {} at {site} on {}, by {}", found.operation, found.class, found.day, found.organisation));
    write(format!("batch {}", if found.batches.is_empty() { "none".to_owned() } else { found.batches.join(", ") }));
    found.steps.iter().for_each(|step| write(step_in_words(step)));
    for (entry, on, outcome) in &found.audits {
        write(format!("entry {entry}: audit of the site on {on}: {outcome}"));
    }
    if found.shortened {
        write("more was said of it than is listed here".to_owned());
    }
    out
}

fn step_in_words(step: &Step) -> String {
    let mut out = format!("entry {}: {}, {}, by {}", step.entry, step.type_name, step.occurred_at, step.organisation);
    for (scale, grams) in step.scales.iter().zip(&step.weighed_g) {
        let _ = write!(out, "; {grams} g on scale {scale}");
    }
    let papers = [("evidence", &step.evidence), ("number", &step.number), ("document", &step.document)];
    for (name, value) in papers {
        if let Some(value) = value {
            let _ = write!(out, "; {name} {value}");
        }
    }
    out
}

fn record_in_json(record: &Record) -> Value {
    json!({
        "ledger": record.checkpoint.origin.as_str(), "size": record.checkpoint.size,
        "root": record.checkpoint.root.to_string(), "checkpoint": record.note, "witnesses": record.witnesses,
        "nonce": HEXLOWER.encode(&record.nonce), "seed": HEXLOWER.encode(&record.seed.0),
        "method": if record.by_mass { "by_mass" } else { "by_rank" }, "count": record.count,
        "treatments": record.treatments, "grams": record.grams.to_string(),
    })
}

fn in_json(listed: &Listed) -> Value {
    let Drawn { candidate, hits } = &listed.drawn;
    let mut drawn = json!({"entry": candidate.index, "grams": candidate.grams, "hits": hits});
    let Some(found) = &listed.dossier else { return drawn };
    let step = |step: &Step| {
        json!({
            "entry": step.entry.0, "type": step.type_name, "organisation": step.organisation,
            "occurred_at": step.occurred_at, "scales": step.scales, "weighed_g": step.weighed_g,
            "number": step.number, "document_sha256": step.document, "evidence": step.evidence,
        })
    };
    let audit =
        |(entry, on, outcome): &(EntryIndex, String, String)| json!({"entry": entry.0, "on": on, "outcome": outcome});
    drawn["site"] = json!(found.site);
    drawn["site_id"] = json!(found.site_id);
    drawn["organisation"] = json!(found.organisation);
    drawn["operation"] = json!(found.operation);
    drawn["class"] = json!(found.class);
    drawn["waste_code"] = json!(found.waste_code);
    drawn["day"] = json!(found.day);
    drawn["item"] = json!(found.item);
    drawn["batches"] = json!(found.batches);
    drawn["steps"] = found.steps.iter().map(step).collect();
    drawn["audits"] = found.audits.iter().map(audit).collect();
    drawn["shortened"] = json!(found.shortened);
    drawn
}

/// One line a treatment; lists within a field are separated by spaces.
fn write_csv(out: impl Write, listed: &[Listed]) -> Result<(), CommandError> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record([
        "entry",
        "grams",
        "hits",
        "site",
        "organisation",
        "operation",
        "class",
        "waste_code",
        "day",
        "item",
        "batches",
        "weighings",
        "scales",
        "acceptances",
        "numbers",
        "documents",
        "evidence",
        "audits",
    ])?;
    for listed in listed {
        csv.write_record(csv_fields(listed))?;
    }
    csv.flush()?;
    Ok(())
}

fn csv_fields(listed: &Listed) -> Vec<String> {
    let Drawn { candidate, hits } = &listed.drawn;
    let mut fields = vec![candidate.index.to_string(), candidate.grams.to_string(), hits.to_string()];
    let Some(found) = &listed.dossier else {
        fields.resize(18, String::new());
        return fields;
    };
    let entries_where = |is_wanted: fn(&Step) -> bool| -> String {
        let entries: Vec<String> =
            found.steps.iter().filter(|step| is_wanted(step)).map(|step| step.entry.to_string()).collect();
        entries.join(" ")
    };
    let all = |values: fn(&Step) -> Vec<String>| -> String {
        found.steps.iter().flat_map(values).collect::<Vec<_>>().join(" ")
    };
    let audits: Vec<String> = found.audits.iter().map(|(entry, _, _)| entry.to_string()).collect();
    fields.extend([
        found.site.clone().unwrap_or_else(|| found.site_id.clone()),
        found.organisation.clone(),
        found.operation.clone(),
        found.class.clone(),
        found.waste_code.clone().unwrap_or_default(),
        found.day.clone(),
        found.item.clone(),
        found.batches.join(" "),
        entries_where(|step| !step.scales.is_empty()),
        all(|step| step.scales.clone()),
        entries_where(|step| step.type_name == "handover_accepted"),
        all(|step| step.number.iter().cloned().collect()),
        all(|step| step.document.iter().cloned().collect()),
        entries_where(|step| step.evidence.is_some()),
        audits.join(" "),
    ]);
    fields
}
