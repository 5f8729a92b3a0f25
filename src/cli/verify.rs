//! `loopledger verify`: a certificate's bundle, checked offline.

use crate::cli::{CommandError, EXIT_REFUSED, EXIT_UNREADABLE, EXIT_UNTRUSTED, read_input};
use crate::proof::note::NoteVerifier;
use crate::proof::verify::{Rejection, Verdict, verify};
use clap::Args;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The bundle; - reads standard input.
    bundle: PathBuf,
    /// The ledger's key: the vkey's text or a file that holds it. Have it by another road than the bundle.
    #[arg(long, value_name = "KEY")]
    vkey: Option<String>,
}

/// Prints the verdict in words; exits 0 valid, 1 invalid, 2 unreadable, 3 consistent with itself but trusted by nobody.
pub(super) fn run(arguments: &Verify) -> Result<ExitCode, CommandError> {
    let anchor = arguments.vkey.as_deref().map(anchor).transpose()?;
    let bundle = read_input(&arguments.bundle)?;
    Ok(match verify(&bundle, anchor.as_ref()) {
        Ok(verdict) => {
            print!("{}", in_words(&verdict));
            if verdict.trusted { ExitCode::SUCCESS } else { ExitCode::from(EXIT_UNTRUSTED) }
        }
        Err(Rejection::Invalid(problem)) => {
            println!("INVALID: {problem}");
            println!("Do not rely on this file; ask whoever gave it to you for another.");
            ExitCode::from(EXIT_REFUSED)
        }
        Err(Rejection::Unreadable(problem)) => {
            eprintln!("loopledger: {problem}");
            ExitCode::from(EXIT_UNREADABLE)
        }
    })
}

fn anchor(given: &str) -> Result<NoteVerifier, CommandError> {
    let text = if Path::new(given).exists() { std::fs::read_to_string(given)? } else { given.to_owned() };
    NoteVerifier::parse(text.trim()).map_err(|problem| format!("--vkey: {problem}").into())
}

fn line(out: &mut String, name: &str, value: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{name:<22} {value}");
}

/// The verdict in plain words: what was checked, what was not.
pub(super) fn in_words(verdict: &Verdict) -> String {
    let mut out = String::new();
    let certificate = &verdict.certificate;
    out.push_str(if verdict.trusted {
        "VALID\n"
    } else {
        "CONSISTENT WITH ITSELF, TRUSTED BY NOBODY: give the ledger's key with --vkey\n"
    });
    line(&mut out, "certificate", &certificate.serial);
    if certificate.is_test {
        line(&mut out, "TEST LEDGER", "this certificate is worth nothing outside a test");
    }
    line(&mut out, "net", format!("{} kg, one unit each", certificate.units));
    line(&mut out, "dismantled at", format!("{}, vintage {}", certificate.site, certificate.vintage));
    write_shares(&mut out, verdict);
    line(&mut out, "scheme", format!("{} under rule set {}", certificate.scheme, certificate.rule_set));
    line(&mut out, "issued", format!("entry {} by {}", certificate.issued, certificate.issuer));
    match (&certificate.retired, certificate.is_buffer) {
        (Some(retired), _) => {
            let (from, until) = &retired.period;
            let words = format!("entry {}, for {from} to {until}, {}", retired.entry, retired.purpose_kind);
            line(&mut out, "retired", words);
        }
        (None, true) => line(&mut out, "buffer", "it covers later errors and belongs to nobody"),
        (None, false) => line(&mut out, "held", "not retired in what is shown: nobody may claim it yet"),
    }
    for (pointer, value) in &verdict.openings {
        line(&mut out, &in_plain(pointer), value);
    }
    for erased in &verdict.erased {
        line(&mut out, &in_plain(&erased.pointer), format!("erased on {} by entry {}", erased.on, erased.by));
    }
    line(&mut out, "ledger", format!("{}, {} entries under the checkpoint", verdict.origin, verdict.size));
    let words = format!("{} of {} statements rest on keys that the operator holds", verdict.hosted, verdict.shown);
    line(&mut out, "hosted keys", words);
    write_scope(&mut out, verdict);
    out
}

fn in_plain(pointer: &str) -> String {
    pointer.replace('/', "  ").replace('_', " ")
}

fn write_shares(out: &mut String, verdict: &Verdict) {
    let mut by_operation: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let (mut hazardous, mut total) = (0, 0);
    for share in &verdict.certificate.shares {
        *by_operation.entry((&share.operation, &share.operation_name)).or_default() += share.grams;
        total += share.grams;
        hazardous += if share.hazardous { share.grams } else { 0 };
    }
    for ((operation, name), grams) in by_operation {
        line(out, "treated", format!("{operation} {name}: {}", kilograms(grams)));
    }
    line(out, "hazardous", format!("{} of {}", kilograms(hazardous), kilograms(total)));
    let days = || verdict.certificate.shares.iter().map(|share| share.day.as_str());
    let sites: std::collections::BTreeSet<&str> = verdict.certificate.shares.iter().map(|s| s.site.as_str()).collect();
    let (from, until) = (days().min().unwrap_or_default(), days().max().unwrap_or_default());
    let sites: Vec<&str> = sites.into_iter().collect();
    line(out, "treated at", format!("{}, {from} to {until}", sites.join(", ")));
    let arising = &verdict.certificate.arising;
    line(out, "arose in", if arising.is_empty() { "not shown".to_owned() } else { arising.join(", ") });
}

fn kilograms(grams: i64) -> String {
    format!("{}.{:03} kg", grams / 1_000, grams % 1_000)
}

fn write_scope(out: &mut String, verdict: &Verdict) {
    out.push_str(
        "Checked: the file's one form; the checkpoint's signature; that each entry shown is in the ledger; every\n",
    );
    out.push_str("signature under keys registered before it; issuer, centre, treater and auditor in their roles; serial numbers;\n");
    out.push_str("that the units rest on exactly their grams of final treatments, none twice in this issue; weights on verified\n");
    out.push_str("scales; custody from hand to hand since the batch; the closed batch; permit and audits on the day of treatment.\n");
    for words in &verdict.not_shown {
        let _ = writeln!(out, "Not shown: {words}.");
    }
    for words in &verdict.remarks {
        let _ = writeln!(out, "Take note: {words}.");
    }
    let _ = writeln!(
        out,
        "Not checked, because no file can prove it: that nothing was corrected, revoked or sold twice elsewhere in the\n\
         ledger, that no site took in more than its permit allows, and that no batch closed short. As of {} only whoever replayed all of it can say so; this file names no such audit.",
        verdict.as_of
    );
}
