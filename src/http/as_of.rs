//! `?as_of=`: an earlier place in the ledger.

use crate::http::problem::Problem;
use crate::ledger::as_of::{AsOf, NoPlace};

/// Reads the parameter.
pub(super) fn read(as_of: Option<&str>) -> Result<Option<AsOf>, Problem> {
    let read = |text| AsOf::parse(text).ok_or_else(expected);
    as_of.map(read).transpose()
}

fn expected() -> Problem {
    let detail = "expected the index of an entry, or a time with its offset such as 2026-11-23T12:00:00Z";
    Problem::bad_request("query_invalid", "/as_of", detail)
}

impl From<NoPlace> for Problem {
    fn from(missing: NoPlace) -> Self {
        let detail = match missing {
            NoPlace::BeforeTheFirst => "the ledger had no entry yet at this time",
            NoPlace::NotYet => "the ledger has not come so far: entries may still be written before this",
            NoPlace::Store(error) => return error.into(),
        };
        Self::bad_request("query_invalid", "/as_of", detail)
    }
}
