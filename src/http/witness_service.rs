//! The service of a witness (C2SP tlog-witness): `POST /add-checkpoint` and `GET /{hash of the origin}/checkpoint`, in plain
//! text. It stands alone: a witness that a ledger's operator runs beside the ledger witnesses nothing.

use crate::ledger::witness::{Unanswered, Witness};
use crate::limits::WITNESS_REQUEST_BYTES_MAX;
use crate::proof::add_checkpoint::{NotCosigned, SIZE_TYPE};
use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{App, HttpResponse, HttpServer, get, post, web};
use std::net::TcpListener;
use std::sync::Arc;

const TEXT: &str = "text/plain; charset=utf-8";

/// Serves a witness on a listener with a number of workers, until it is stopped.
pub fn serve(witness: Arc<Witness>, listener: TcpListener, workers: usize) -> std::io::Result<Server> {
    let witness = web::Data::from(witness);
    let server = HttpServer::new(move || {
        App::new().app_data(witness.clone()).service(add_checkpoint).service(checkpoint).default_service(web::to(
            || async { words(StatusCode::NOT_FOUND, "there is no such page; see c2sp.org/tlog-witness") },
        ))
    });
    Ok(server.workers(workers).listen(listener)?.run())
}

/// Serves until the process gets SIGTERM or SIGINT; requests under way are finished first.
pub fn serve_until_told_to_end(witness: Arc<Witness>, listener: TcpListener, workers: usize) -> std::io::Result<()> {
    actix_web::rt::System::new().block_on(async move { serve(witness, listener, workers)?.await })
}

#[post("/add-checkpoint")]
async fn add_checkpoint(body: web::Payload, witness: web::Data<Witness>) -> HttpResponse {
    let body = match body.to_bytes_limited(WITNESS_REQUEST_BYTES_MAX).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return words(StatusCode::BAD_REQUEST, "the upload broke off"),
        Err(_) => return words(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long"),
    };
    let answered = web::block(move || {
        let body = std::str::from_utf8(&body).map_err(|_| NotCosigned::Malformed)?;
        witness.add_checkpoint(body)
    });
    match answered.await {
        Ok(Ok(line)) => text(StatusCode::OK, TEXT, line),
        Ok(Err(unanswered)) => refuse(&unanswered),
        Err(_) => words(StatusCode::INTERNAL_SERVER_ERROR, "a worker thread is gone"),
    }
}

#[get("/{origin_hash}/checkpoint")]
async fn checkpoint(origin_hash: web::Path<String>, witness: web::Data<Witness>) -> HttpResponse {
    match web::block(move || witness.checkpoint(&origin_hash)).await {
        Ok(Ok(Some(note))) => text(StatusCode::OK, TEXT, note),
        Ok(Ok(None)) => words(StatusCode::NOT_FOUND, "this witness has cosigned nothing of such a log"),
        Ok(Err(error)) => refuse(&error.into()),
        Err(_) => words(StatusCode::INTERNAL_SERVER_ERROR, "a worker thread is gone"),
    }
}

/// Every refusal with the status that the specification gives it.
fn refuse(unanswered: &Unanswered) -> HttpResponse {
    let status = match unanswered {
        Unanswered::Refused(NotCosigned::OtherSize(size)) => {
            return text(StatusCode::CONFLICT, SIZE_TYPE, format!("{size}\n"));
        }
        Unanswered::Refused(NotCosigned::Malformed | NotCosigned::OldLarger) => StatusCode::BAD_REQUEST,
        Unanswered::Refused(NotCosigned::UnknownOrigin) => StatusCode::NOT_FOUND,
        Unanswered::Refused(NotCosigned::NotSigned) => StatusCode::FORBIDDEN,
        Unanswered::Refused(NotCosigned::Inconsistent) => StatusCode::UNPROCESSABLE_ENTITY,
        Unanswered::Clock(_) | Unanswered::Io(_) => {
            tracing::error!(%unanswered, "nothing was cosigned");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    words(status, &unanswered.to_string())
}

fn words(status: StatusCode, words: &str) -> HttpResponse {
    text(status, TEXT, format!("{words}\n"))
}

fn text(status: StatusCode, content_type: &str, body: String) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    response.insert_header((CONTENT_TYPE, content_type)).insert_header((CACHE_CONTROL, "no-cache"));
    response.body(body)
}
