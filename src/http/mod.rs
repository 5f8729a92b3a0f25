//! Floor 4: the JSON API. One endpoint a file (the registry's eight, which differ in a word, are
//! one); this list is its table of contents.

mod as_of;
mod ask_refund;
mod auth;
mod body;
mod cancel_order;
mod certificate_claims;
mod certificate_life;
mod create_hosted_key;
mod create_order;
mod create_token;
mod donation_body;
mod donation_csv;
mod eligibility_body;
mod end_refund_request;
mod get_account;
mod get_balance;
mod get_certificate;
mod get_certificate_bundle;
mod get_certificate_draft;
mod get_certificate_history;
mod get_certificate_status;
mod get_checkpoint;
mod get_consistency;
mod get_correction;
mod get_donation_report;
mod get_eligibility;
mod get_entry;
mod get_entry_bundle;
mod get_inclusion;
mod get_item;
mod get_item_path;
mod get_metrics;
mod get_order;
mod get_order_delivery;
mod get_reference;
mod get_tile;
mod get_witnessed_checkpoint;
mod get_year_statement;
mod health;
mod list_account_changes;
mod list_doubts;
mod list_events;
mod list_orders;
mod list_overdue;
mod list_register;
mod list_register_entries;
mod list_register_pools;
mod list_signals;
mod list_tokens;
mod list_waiting;
mod openapi;
mod order_body;
mod order_reference;
mod pay_order;
mod post_batch;
mod post_event;
pub mod problem;
mod receipt;
mod refund_order;
mod register_body;
mod registry;
mod revoke_token;
mod site_work_body;
mod table;
mod waiting_body;
mod withdraw_waiting;
pub mod witness_service;
mod year_statement_body;

use crate::ledger::Ledger;
use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};
use problem::Problem;
use std::net::TcpListener;
use std::sync::Arc;
use utoipa_actix_web::AppExt;
use utoipa_actix_web::service_config::ServiceConfig;

/// Every documented endpoint.
fn endpoints(config: &mut ServiceConfig<'_>) {
    config
        .service(post_event::post_event)
        .service(post_batch::post_batch)
        .service(list_waiting::list_waiting)
        .service(withdraw_waiting::withdraw_waiting)
        .service(list_events::list_events)
        .service(get_entry::get_entry)
        .service(get_item::get_item)
        .service(get_item_path::get_item_path)
        .service(get_correction::get_correction)
        .service(get_donation_report::get_donation_report)
        .service(get_balance::get_balance)
        .service(list_overdue::list_overdue)
        .service(list_signals::list_signals)
        .service(list_doubts::list_doubts)
        .service(get_eligibility::get_eligibility)
        .service(get_certificate_draft::get_certificate_draft)
        .service(get_certificate::get_certificate)
        .service(get_certificate_bundle::get_certificate_bundle)
        .service(get_certificate_status::get_certificate_status)
        .service(create_order::create_order)
        .service(list_orders::list_orders)
        .service(get_order::get_order)
        .service(cancel_order::cancel_order)
        .service(pay_order::pay_order)
        .service(refund_order::refund_order)
        .service(ask_refund::ask_refund)
        .service(end_refund_request::end_refund_request)
        .service(get_order_delivery::get_order_delivery)
        .service(get_certificate_history::get_certificate_history)
        .service(list_register::list_register)
        .service(list_register_pools::list_register_pools)
        .service(list_register_entries::list_register_entries)
        .service(get_account::get_account)
        .service(list_account_changes::list_account_changes)
        .service(get_year_statement::get_year_statement)
        .service(registry::list_organisations)
        .service(registry::get_organisation)
        .service(registry::list_sites)
        .service(registry::get_site)
        .service(registry::list_scales)
        .service(registry::get_scale)
        .service(registry::list_keys)
        .service(registry::get_key)
        .service(get_reference::get_reference)
        .service(get_checkpoint::get_checkpoint)
        .service(get_entry_bundle::get_entry_bundle)
        .service(get_tile::get_tile)
        .service(get_witnessed_checkpoint::get_witnessed_checkpoint)
        .service(get_inclusion::get_inclusion)
        .service(get_consistency::get_consistency)
        .service(create_token::create_token)
        .service(list_tokens::list_tokens)
        .service(revoke_token::revoke_token)
        .service(create_hosted_key::create_hosted_key)
        .service(get_metrics::get_metrics)
        .service(health::live)
        .service(health::ready);
}

/// The OpenAPI document of every endpoint, as it is served and committed.
pub fn openapi_document() -> utoipa::openapi::OpenApi {
    App::new().into_utoipa_app().openapi(openapi::frame()).configure(endpoints).split_for_parts().1
}

/// Serves a ledger on a listener with a number of workers, until it is stopped.
pub fn serve(ledger: Arc<Ledger>, listener: TcpListener, workers: usize) -> std::io::Result<Server> {
    let ledger = web::Data::from(ledger);
    let server = HttpServer::new(move || {
        let (app, document) =
            App::new().into_utoipa_app().openapi(openapi::frame()).configure(endpoints).split_for_parts();
        app.app_data(ledger.clone())
            .app_data(web::PathConfig::default().error_handler(|error, _| Problem::bad_path(&error).into()))
            .app_data(web::QueryConfig::default().error_handler(|error, _| Problem::bad_query(&error).into()))
            .configure(|config| openapi::serve_documents(config, document))
            .default_service(web::to(|| async { Problem::no_such_page() }))
    });
    Ok(server.workers(workers).listen(listener)?.run())
}

/// Serves until the process gets SIGTERM or SIGINT; requests under way are finished first.
pub fn serve_until_told_to_end(ledger: Arc<Ledger>, listener: TcpListener, workers: usize) -> std::io::Result<()> {
    actix_web::rt::System::new().block_on(async move { serve(ledger, listener, workers)?.await })
}

/// Runs blocking work (database, signatures) away from the thread that answers requests.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    web::block(work).await.map_err(|_| Problem::internal("a worker thread is gone"))
}
