//! `?as_of=`: an earlier place in the ledger.

use crate::http::problem::Problem;
use crate::ledger::as_of::AsOf;

/// Reads the parameter.
pub(super) fn read(as_of: Option<&str>) -> Result<Option<AsOf>, Problem> {
    let read = |text| AsOf::parse(text).ok_or_else(expected);
    as_of.map(read).transpose()
}

fn expected() -> Problem {
    let detail = "expected the index of an entry, or a time with its offset such as 2026-11-23T12:00:00Z";
    Problem::bad_request("query_invalid", "/as_of", detail)
}

/// The ledger had no entry then, or has not come so far.
pub(super) fn nothing_there() -> Problem {
    Problem::bad_request("query_invalid", "/as_of", "the ledger has no entry of this index, or had none at this time")
}
