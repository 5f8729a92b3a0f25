//! The frame of the OpenAPI document, and the pages that show it.

use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, Info, OpenApi, OpenApiBuilder};
use utoipa_swagger_ui::SwaggerUi;

const ABOUT: &str = "An append-only, hash-chained ledger of every component's path from donor through reuse to local \
recycling or return to Europe. Every write is a signed statement; every refusal is problem+json with a stable code \
and a pointer; a retry gets the first receipt.";

/// Title, description and the way to authenticate.
pub(super) fn frame() -> OpenApi {
    let bearer =
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A token of this service.")).build();
    let components = ComponentsBuilder::new().security_scheme("token", SecurityScheme::Http(bearer)).build();
    let mut info = Info::new("Loopledger", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// Serves `/openapi.json` and, for people, `/docs/`.
pub(super) fn serve_documents(config: &mut ServiceConfig, document: OpenApi) {
    let redirect = || async { HttpResponse::MovedPermanently().insert_header(("Location", "/docs/")).finish() };
    config
        .route("/docs", web::get().to(redirect))
        .service(SwaggerUi::new("/docs/{_:.*}").url("/openapi.json", document));
}
