//! `GET /v1/certificates/{serial}/bundle`: one file that proves a certificate offline.

use crate::domain::ids::{EntryIndex, OrganisationId};
use crate::domain::serial::SerialBlock;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::certificates::Registered;
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
        (status = 503, description = "No checkpoint covers it yet.", body = Problem, content_type = "application/problem+json"),
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
    let last = last_entry(&registered);
    let pending = || {
        let detail = "no checkpoint covers this certificate yet; ask again in a moment";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "proof_pending", "", detail)
    };
    let checkpoint =
        ledger.checkpoint_over(last, Duration::from_millis(PROOF_WAIT_MS_MAX)).await.ok_or_else(pending)?;
    let name = format!("attachment; filename=\"{serial}.json\"");
    let bundle = blocking(move || ledger.bundle(&serial, &checkpoint)).await??.ok_or_else(pending)?;
    let bytes = bundle.to_bytes();
    if bytes.len() > BUNDLE_BYTES_MAX {
        return Err(Problem::internal("a bundle is longer than a verifier reads"));
    }
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "application/json")).insert_header((CONTENT_DISPOSITION, name));
    Ok(response.body(bytes))
}

/// The last entry that the bundle cannot do without: what erased a value tells why it is not there.
fn last_entry(registered: &Registered) -> EntryIndex {
    let Registered { certificate, erased, .. } = registered;
    let retired = certificate.retired.as_ref().map(|retired| retired.entry);
    retired.into_iter().chain(erased.iter().map(|value| value.by)).max().unwrap_or(certificate.issued)
}

fn may_have(reader: Reader, holder: Option<OrganisationId>) -> bool {
    match reader {
        Reader::All => true,
        Reader::Organisation(own) => holder == Some(own),
    }
}
