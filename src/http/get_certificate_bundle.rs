//! `GET /v1/certificates/{serial}/bundle`: one file that proves a certificate offline.

use crate::domain::ids::{EntryIndex, OrganisationId};
use crate::domain::serial::SerialBlock;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::cosigned::Cosigned;
use crate::ledger::lookup::Reader;
use crate::limits::{BUNDLE_BYTES_MAX, PROOF_WAIT_MS_MAX};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpResponse, get, web};
use std::time::Duration;

/// Get a certificate's bundle.
///
/// It shows the entries that the certificate rests on, so it is for its holder and for tokens with the scope `audit`;
/// whoever has it may give it to anybody, who checks it with `loopledger verify` and the ledger's key. Of a value that was
/// erased it shows the statement that says so.
#[utoipa::path(
    tag = "certificates",
    params(("serial" = String, Path, description = "Its serial numbers.")),
    responses(
        (status = 200, description = "The bundle, in its one byte form.", body = Object),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "No checkpoint covers it yet, or none that the witnesses cosigned.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("token" = ["audit"])),
)]
#[get("/v1/certificates/{serial}/bundle")]
pub(super) async fn get_certificate_bundle(
    caller: Authenticated,
    serial: web::Path<String>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let reader = caller.require_reader()?;
    let missing =
        || Problem::not_found("no certificate has exactly these serial numbers, or this token does not hold it");
    let serial = SerialBlock::parse(&serial).ok_or_else(missing)?;
    let (asked, of_ledger) = (serial.clone(), ledger.clone());
    let registered = blocking(move || of_ledger.certificate(&asked)).await??.ok_or_else(missing)?;
    let holder = registered.certificate.holder;
    if !may_have(reader, holder) {
        return Err(missing());
    }
    let last = registered.last_entry();
    let cosigned = checkpoint_over(&ledger, last).await?;
    let name = format!("attachment; filename=\"{serial}.json\"");
    let bundle = blocking(move || ledger.bundle(&serial, &cosigned)).await??.ok_or_else(proof_pending)?;
    let bytes = bundle.to_bytes();
    if bytes.len() > BUNDLE_BYTES_MAX {
        return Err(Problem::internal("a bundle is longer than a verifier reads"));
    }
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "application/json")).insert_header((CONTENT_DISPOSITION, name));
    Ok(response.body(bytes))
}

/// The newest checkpoint that a quorum of the witnesses cosigned; the newest at all only where certificates need no quorum
/// and that one does not cover the entry yet.
async fn checkpoint_over(ledger: &Ledger, last: EntryIndex) -> Result<Cosigned, Problem> {
    let patience = Duration::from_millis(PROOF_WAIT_MS_MAX);
    let mut witnessed = ledger.witnessed().filter(|witnessed| witnessed.size() > last.0);
    if witnessed.is_none() && ledger.certificates_need_quorum() {
        let pending = || {
            let detail =
                "the witnesses have not cosigned a checkpoint over this certificate yet; ask again in a moment";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_witnessed", "", detail)
        };
        witnessed = Some(ledger.witnessed_over(last, patience).await.ok_or_else(pending)?);
    }
    match witnessed {
        Some(witnessed) => Ok(witnessed.cosigned),
        None => ledger.checkpoint_over(last, patience).await.map(Cosigned::from).ok_or_else(proof_pending),
    }
}

fn proof_pending() -> Problem {
    let detail = "no checkpoint covers this certificate yet; ask again in a moment";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "proof_pending", "", detail)
}

fn may_have(reader: Reader, holder: Option<OrganisationId>) -> bool {
    match reader {
        Reader::All => true,
        Reader::Organisation(own) => holder == Some(own),
    }
}
