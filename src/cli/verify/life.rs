//! What became of a certificate since its issue, in words.

use crate::cli::verify::words::line;
use crate::proof::verify::{CertificateFacts, PendingFacts};

/// Where its units came from, whose it is, what stops it, what backs it.
pub(super) fn write_life(out: &mut String, certificate: &CertificateFacts) {
    let life = &certificate.life;
    if !life.split_from.is_empty() {
        line(out, "split from", life.split_from.join(", a part of "));
    }
    write_standing(out, certificate);
    if let Some(holder) = &certificate.holder {
        let hands = match life.hands {
            1 => "the first account that it was issued to".to_owned(),
            hands => format!("the {hands} accounts it has been in follow one from the other"),
        };
        line(out, "holder", format!("{holder} since entry {}: {hands}", life.held_since));
    }
    if let Some(pending) = &life.pending {
        line(out, "WAITS", in_words(pending));
    }
    if let Some(frozen) = &life.frozen {
        let words = format!("entry {} froze it ({}): it is neither handed on nor retired", frozen.entry, frozen.reason);
        line(out, "FROZEN", words);
    }
    for (first, last) in &life.failing {
        line(out, "FAILING", format!("units {first} to {last}: nothing backs them"));
    }
    for backed in &life.backed {
        let words = format!("the grams of {} back {} since entry {}", backed.by, backed.units, backed.entry);
        line(out, "replaced", words);
    }
    if let Some(backs) = &life.backs {
        line(out, "backs", format!("its grams back {backs}; nobody may claim these units themselves"));
    }
}

fn write_standing(out: &mut String, certificate: &CertificateFacts) {
    let life = &certificate.life;
    if let Some(retired) = &certificate.retired {
        let (from, until) = &retired.period;
        let words = format!("entry {}, for {from} to {until}, {}", retired.entry, retired.purpose_kind);
        line(out, "retired", words);
        if !life.retired_with.is_empty() {
            line(out, "under the same claim", life.retired_with.join(", "));
        }
        if let Some(withdrawn) = &life.withdrawn {
            let words = format!("entry {}, its issuer: {}; the claim stands", withdrawn.entry, withdrawn.reason);
            line(out, "ANNOTATED", words);
        }
        return;
    }
    match life.status.as_str() {
        "buffer" => line(out, "buffer", "it covers later errors and belongs to nobody"),
        "held" => line(out, "held", "not retired in what is shown: nobody may claim it yet"),
        "pending" => line(out, "PENDING", "it is not issued yet, and worth nothing until its second signature"),
        "split" => line(out, "SPLIT", format!("it is no certificate any more; its parts are {}", life.into.join(", "))),
        "cancelled" => {
            let entry = life.cancelled.unwrap_or_default();
            line(out, "CANCELLED", format!("entry {entry}: its holder gave it up, and nobody may claim it"));
        }
        _ => {
            let (entry, reason) = life.withdrawn.as_ref().map_or((0, ""), |end| (end.entry, end.reason.as_str()));
            line(out, "WITHDRAWN", format!("entry {entry}, its issuer: {reason}; nobody may claim it"));
        }
    }
}

fn in_words(pending: &PendingFacts) -> String {
    let what = if pending.is_issue { "issue" } else { "withdrawal" };
    let whose = if pending.by_organisation { "another organisation's" } else { "another person's" };
    format!("its {what} by entry {} counts with {whose} signature, which is not shown", pending.entry)
}
