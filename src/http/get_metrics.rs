//! `GET /metrics`: numbers for monitoring, in the OpenMetrics text format.

use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::pulse::Pulse;
use actix_web::{HttpResponse, get, web};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The media type of OpenMetrics 1.0.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Read the node's numbers.
///
/// OpenMetrics text for Prometheus and its kin: entries, checkpoint, whether it appends. Public, and nothing in it is secret.
#[utoipa::path(
    tag = "health",
    responses((status = 200, description = "The numbers.", body = String, content_type = "application/openmetrics-text")),
)]
#[get("/metrics")]
pub(super) async fn get_metrics(ledger: web::Data<Ledger>) -> Result<HttpResponse, Problem> {
    let pulse = blocking(move || ledger.pulse()).await?;
    let mut text = String::new();
    // Writing to a String cannot fail.
    encode(&mut text, &numbers(&pulse)).map_err(|_| Problem::internal("the numbers cannot be written"))?;
    Ok(HttpResponse::Ok().content_type(OPENMETRICS).body(text))
}

fn numbers(pulse: &Pulse) -> Registry {
    let mut registry = Registry::with_prefix("loopledger");
    let mut say = |name: &str, help: &str, value: u64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    };
    say("ready", "1 if the node appends", u64::from(pulse.ready));
    say("halted", "1 if the ledger has halted and a person must look", u64::from(pulse.halted));
    if let Some(entries) = pulse.entries {
        say("entries", "Entries of the ledger", entries);
    }
    say("checkpoint_entries", "Entries that the newest checkpoint covers", pulse.checkpoint_entries);
    if let Some((age_s, entries)) = pulse.clean_pass {
        say("self_audit_age_seconds", "Time since the last pass of the self-audit that found nothing", age_s);
        say("self_audit_entries", "Entries that it covered", entries);
    }
    registry
}
