//! `GET /log/tile/{level}/{n}`: the hash tiles of C2SP tlog-tiles.

use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::proof::tile_path::TilePath;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, get, web};

/// A tile of one path never changes.
pub(super) const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Read hashes of the tree.
///
/// A tile of C2SP tlog-tiles: up to 256 hashes of 32 bytes. Public. Each is checked up to the root that the newest
/// checkpoint signs before it is served. `n` stands in groups of three digits, all but the last with an `x` before it, as in
/// `x001/x234/067`; a partial tile ends in `.p/` and its width, and stays there when the full one exists.
#[utoipa::path(
    tag = "proofs",
    params(
        ("level" = u32, Path, description = "0 for leaf hashes; a hash of the next level stands for 256 of this one."),
        ("n" = String, Path, description = "The number of the tile in groups, as in `x001/067`, with `.p/` and a width if it is partial."),
    ),
    responses(
        (status = 200, description = "The hashes, one behind the other.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 400, description = "Not the path of a tile.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The newest checkpoint does not reach so far.", body = Problem, content_type = "application/problem+json"),
    ),
)]
#[get("/log/tile/{level}/{n:.*}")]
pub(super) async fn get_tile(request: HttpRequest, ledger: web::Data<Ledger>) -> Result<HttpResponse, Problem> {
    let tile = read(requested(&request)?, ledger).await?;
    let mut response = octets();
    Ok(response.insert_header((CACHE_CONTROL, FOR_EVER)).body(tile))
}

/// The tile that a request asks for: its path as it was sent, so that no tile has a second address.
pub(super) fn requested(request: &HttpRequest) -> Result<TilePath, Problem> {
    let tile = request.path().strip_prefix("/log/").and_then(TilePath::parse);
    tile.ok_or_else(|| {
        let detail = "not the path of a tile; they read tile/0/x001/234, tile/0/x001/235.p/17, tile/entries/x001/234";
        Problem::bad_request("tile_path_invalid", "", detail)
    })
}

/// The bytes of a tile that the newest checkpoint covers.
pub(super) async fn read(tile: TilePath, ledger: web::Data<Ledger>) -> Result<Vec<u8>, Problem> {
    let bytes = blocking(move || ledger.tile(tile)).await??;
    bytes.ok_or_else(|| Problem::not_found(format!("the newest checkpoint does not reach {tile}")))
}

/// An answer of plain bytes.
pub(super) fn octets() -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "application/octet-stream"));
    response
}
