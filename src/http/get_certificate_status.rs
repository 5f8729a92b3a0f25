//! `GET /v1/certificates/{serial}/status`: what was said since of a certificate and of what stands behind it.

use crate::domain::serial::SerialBlock;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::status::{CertificateStatus, Concern, LaterEvent};
use crate::limits::PROOF_WAIT_MS_MAX;
use actix_web::http::StatusCode;
use actix_web::{get, web};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// A certificate's later life, as of a checkpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CertificateStatusBody {
    /// Its serial numbers.
    serial: String,
    /// pending, held, retired, cancelled, withdrawn, split or buffer, as of now.
    status: &'static str,
    /// Entries under the checkpoint.
    size: u64,
    /// Their root, in hex.
    root: String,
    /// The signed note, with the cosignatures that it has.
    checkpoint: String,
    /// Later entries about it, in the order of the ledger.
    events: Vec<LaterEventBody>,
    /// Whether these are all.
    complete: bool,
}

/// A later entry.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LaterEventBody {
    /// Its place.
    index: u64,
    /// When the ledger wrote it down.
    time: String,
    /// Its type.
    r#type: &'static str,
    /// What it is about.
    concerns: Vec<ConcernBody>,
    /// Its bytes, if anybody may read them.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<String>,
    /// Its hash in the tree, in hex.
    leaf_hash: String,
    /// RFC 9162 §2.1.3, the leaf's sibling first, in hex.
    hashes: Vec<String>,
}

/// What a later entry is about.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConcernBody {
    /// certificate (or a block of which it was a part, or that is a part of it), treatment (its batch, or what either rests on),
    /// key (reported compromised) or site (suspended now, or audited since and not found to conform).
    kind: &'static str,
    /// Its serial numbers, entry, thumbprint or id.
    id: String,
    /// The first entry by the key that is held from eligibility.
    #[serde(skip_serializing_if = "Option::is_none")]
    since_index: Option<u64>,
}

/// Read what was said since of a certificate.
///
/// Public. As of the newest checkpoint that a quorum of the witnesses cosigned, or of the newest at all if none covers it. Later
/// events of the certificate (handed on, split, frozen, retired, withdrawn, replaced, values erased), of the blocks of which it
/// was a part as far as they concern its units, and of its parts; corrections, findings and cures about the treatments behind it and
/// behind what backs it, keys that signed behind it (custody before the batch, acceptances, cures and audits too) and were reported
/// compromised, sites that are suspended now or that an audit found otherwise: each with the proof that its entry is under the checkpoint. `loopledger verify BUNDLE --url` asks for it and checks it. That there is nothing
/// else, only replaying everything can show.
#[utoipa::path(
    tag = "certificates",
    params(("serial" = String, Path, description = "Its serial numbers.")),
    responses(
        (status = 200, description = "What was said since.", body = CertificateStatusBody),
        (status = 404, description = "No such certificate.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "No checkpoint covers it yet.", body = Problem, content_type = "application/problem+json"),
    ),
)]
#[get("/v1/certificates/{serial}/status")]
pub(super) async fn get_certificate_status(
    serial: web::Path<String>,
    ledger: web::Data<Ledger>,
) -> Result<web::Json<CertificateStatusBody>, Problem> {
    let missing = || Problem::not_found("no certificate has exactly these serial numbers");
    let serial = SerialBlock::parse(&serial).ok_or_else(missing)?;
    let (asked, of_ledger) = (serial.clone(), ledger.clone());
    let registered = blocking(move || of_ledger.certificate(&asked)).await??.ok_or_else(missing)?;
    let pending = || {
        let detail = "no checkpoint covers this certificate yet; ask again in a moment";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "proof_pending", "", detail)
    };
    let issued = registered.certificate.issued;
    let patience = Duration::from_millis(PROOF_WAIT_MS_MAX);
    let covering = match ledger.witnessed().filter(|witnessed| witnessed.size() > issued.0) {
        Some(witnessed) => witnessed.cosigned.checkpoint,
        None => ledger.checkpoint_over(issued, patience).await.ok_or_else(pending)?,
    };
    let status = blocking(move || ledger.certificate_status(&serial, covering)).await??.ok_or_else(pending)?;
    Ok(web::Json(body_of(status)))
}

fn body_of(status: CertificateStatus) -> CertificateStatusBody {
    let serial = status.certificate.serial.to_string();
    CertificateStatusBody {
        status: status.certificate.status.as_str(),
        size: status.checkpoint.size,
        root: status.checkpoint.root.to_string(),
        checkpoint: status.checkpoint.note,
        events: status.events.into_iter().map(event_body).collect(),
        complete: status.complete,
        serial,
    }
}

fn event_body(event: LaterEvent) -> LaterEventBody {
    LaterEventBody {
        index: event.index.0,
        time: event.time.to_string(),
        r#type: event.type_name,
        concerns: event.concerns.into_iter().map(concern_body).collect(),
        // Entries are ASCII, as every payload's profile has it.
        entry: event.bytes.and_then(|bytes| String::from_utf8(bytes).ok()),
        leaf_hash: event.leaf_hash.to_string(),
        hashes: event.hashes.iter().map(ToString::to_string).collect(),
    }
}

fn concern_body(concern: Concern) -> ConcernBody {
    let (kind, id, since) = match concern {
        Concern::Certificate(serial) => ("certificate", serial, None),
        Concern::Treatment(entry) => ("treatment", entry.to_string(), None),
        Concern::Key { kid, since } => ("key", kid, since),
        Concern::Site(site) => ("site", site, None),
    };
    ConcernBody { kind, id, since_index: since.map(|since| since.0) }
}
