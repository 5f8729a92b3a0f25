//! The verdict on a bundle in plain words: what was checked, what was not, and as of when.

use crate::cli::verify::life::write_life;
use crate::domain::sums::{Described, Sums, Weakness};
use crate::domain::time::Date;
use crate::proof::verify::{CertificateFacts, Seen, Verdict};
use std::fmt::Write as _;

pub(super) fn line(out: &mut String, name: &str, value: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{name:<22} {value}");
}

/// The verdict in plain words: what was checked, what was not.
pub(in crate::cli) fn in_words(verdict: &Verdict) -> String {
    let mut out = String::new();
    let certificate = &verdict.certificate;
    out.push_str(if verdict.trusted {
        "VALID\n"
    } else {
        "CONSISTENT WITH ITSELF, TRUSTED BY NOBODY: give the ledger's key with --vkey, or --policy\n"
    });
    line(&mut out, "certificate", &certificate.serial);
    if certificate.is_test {
        line(&mut out, "TEST LEDGER", "this certificate is worth nothing outside a test");
    }
    line(&mut out, "net", format!("{} kg, one unit each", certificate.units));
    line(&mut out, "dismantled at", format!("{}, vintage {}", certificate.site, certificate.vintage));
    write_shares(&mut out, certificate);
    line(&mut out, "scheme", format!("{} under rule set {}", certificate.scheme, certificate.rule_set));
    line(&mut out, "issued", format!("entry {} by {}", certificate.issued, certificate.issuer));
    write_life(&mut out, certificate);
    for (pointer, value) in &verdict.openings {
        line(&mut out, &in_plain(pointer), value);
    }
    for erased in &verdict.erased {
        line(&mut out, &in_plain(&erased.pointer), format!("erased on {} by entry {}", erased.on, erased.by));
    }
    let (origin, size) = (&verdict.checkpoint.origin, verdict.checkpoint.size);
    line(&mut out, "ledger", format!("{origin}, {size} entries under the checkpoint"));
    line(&mut out, "as of", freshness(verdict));
    let words = format!("{} of {} statements rest on keys that the operator holds", verdict.hosted, verdict.shown);
    line(&mut out, "hosted keys", words);
    write_scope(&mut out, verdict);
    out
}

/// How far the history reaches that the bundle shows, and who saw that it is the one that everybody sees.
fn freshness(verdict: &Verdict) -> String {
    let size = verdict.checkpoint.size;
    if verdict.seen.is_empty() {
        let unnamed = match verdict.unnamed {
            0 => String::new(),
            count => format!(" ({count} cosignatures are of witnesses that you have not named: give --policy)"),
        };
        return format!(
            "{size} entries; nobody witnessed it: whoever runs the ledger may have withheld what came since, or shown \
             others another history{unnamed}"
        );
    }
    format!("{size} entries, {}", witnessed(&verdict.seen))
}

/// When witnesses saw a checkpoint, and who they are.
pub(super) fn witnessed(seen: &[Seen]) -> String {
    let names: Vec<&str> = seen.iter().map(|seen| seen.by.as_str()).collect();
    let times = || seen.iter().map(|seen| seen.at);
    match (times().min(), times().max()) {
        (Some(first), Some(last)) if first != last => {
            format!("witnessed between {first} and {last} by {}", names.join(", "))
        }
        (Some(only), _) => format!("witnessed at {only} by {}", names.join(", ")),
        (None, _) => "witnessed by nobody".to_owned(),
    }
}

fn in_plain(pointer: &str) -> String {
    pointer.replace('/', "  ").replace('_', " ")
}

/// What a certificate's page adds up too, of the grams that a bundle shows.
fn sums_of(certificate: &CertificateFacts) -> Sums {
    let mut sums = Sums::default();
    for share in &certificate.shares {
        let described = Described {
            operation: &share.operation,
            fraction: &share.fraction,
            waste_code: None,
            hazardous: share.hazardous,
            arising: None,
            place: share.site.split_once('-'),
            day: share.day.clone(),
            weakness: Weakness::default(),
        };
        sums.count(share.grams, &described);
    }
    sums
}

fn write_shares(out: &mut String, certificate: &CertificateFacts) {
    let sums = sums_of(certificate);
    for (operation, grams) in &sums.by_operation {
        let share = certificate.shares.iter().find(|share| share.operation == *operation);
        let name = share.map(|share| share.operation_name.as_str()).unwrap_or_default();
        line(out, "treated", format!("{operation} {name}: {}", kilograms(*grams)));
    }
    line(out, "hazardous", format!("{} of {}", kilograms(sums.hazardous), kilograms(sums.total)));
    let day = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
    let sites: Vec<&str> = sums.sites.iter().map(String::as_str).collect();
    line(out, "treated at", format!("{}, {} to {}", sites.join(", "), day(sums.from), day(sums.until)));
    let arising = &certificate.arising;
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
    out.push_str("scales; custody from hand to hand since the batch; the closed batch; permit and audits on the day of treatment;\n");
    out.push_str("permits wherever waste came in;\n");
    out.push_str("that each step of its life was its holder's, its issuer's or an auditor's to take, and none is missing in between.\n");
    for words in &verdict.not_shown {
        let _ = writeln!(out, "Not shown: {words}.");
    }
    for words in &verdict.remarks {
        let _ = writeln!(out, "Take note: {words}.");
    }
    let _ = writeln!(
        out,
        "Not checked, because no file can prove it: that nothing overlaps, was corrected, revoked or sold twice elsewhere in\n\
         the ledger, that no site took in more than its permit allows, that no batch closed short of which not every entry\n\
         is shown, and that nothing raised a signal of fraud that nobody cleared. As of {} only whoever replayed all of it\n\
         can say so; this file names no such audit, so who did it last is not known from here.",
        verdict.as_of
    );
}
