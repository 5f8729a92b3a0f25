//! Tables, as JSON for programs or as CSV (RFC 4180) for people: what the caller prefers, safe to open in a spreadsheet.

use crate::http::problem::Problem;
use actix_web::http::header::{ACCEPT, Accept, CONTENT_DISPOSITION, Header, LINK, Quality, VARY};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use std::fmt::Write as _;

/// In which form a table is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Csv,
}

impl Format {
    /// What is asked for by name, else what the caller prefers among the two.
    pub(super) fn of(named: Option<&str>, request: &HttpRequest) -> Result<Self, Problem> {
        match named {
            Some("json") => return Ok(Self::Json),
            Some("csv") => return Ok(Self::Csv),
            Some(_) => return Err(Problem::bad_request("query_invalid", "/format", "expected json or csv")),
            None => {}
        }
        let mut accept = Accept::parse(request).unwrap_or(Accept(Vec::new()));
        accept.0.retain(|range| range.quality > Quality::ZERO);
        let known = accept.ranked().iter().find_map(|range| match range.essence_str() {
            "text/csv" | "text/*" => Some(Self::Csv),
            "application/json" | "application/*" | "*/*" => Some(Self::Json),
            _ => None,
        });
        Ok(known.unwrap_or(Self::Json))
    }

    /// Its name in a query.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }

    /// The head of an answer in whichever form was preferred, with the address of the next page.
    pub(super) fn answer(next: Option<&str>) -> HttpResponseBuilder {
        let mut response = HttpResponse::Ok();
        response.insert_header((VARY, ACCEPT.as_str()));
        if let Some(next) = next {
            response.insert_header((LINK, format!("<{next}>; rel=\"next\"")));
        }
        response
    }
}

/// Sends lines of CSV under the name of a file.
pub(super) fn send_csv(mut response: HttpResponseBuilder, name: &str, lines: Vec<u8>) -> HttpResponse {
    response.insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")));
    response.content_type("text/csv; charset=utf-8; header=present").body(lines)
}

/// Lines of CSV below the names of the columns.
pub(super) fn csv_of(columns: &[&str], lines: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<u8>, Problem> {
    let mut written =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::with_capacity(64 * 1024));
    written.write_record(columns).map_err(Problem::internal)?;
    for line in lines {
        written.write_record(line.iter().map(|text| cell(text))).map_err(Problem::internal)?;
    }
    written.into_inner().map_err(Problem::internal)
}

/// A cell that no spreadsheet takes for a formula: names and codes of whoever posted may begin like one.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula { format!("'{text}") } else { text.to_owned() }
}

/// What is there as text, else nothing.
pub(super) fn text<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Several things in one cell.
pub(super) fn listed<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(" ")
}

/// The query of a next page: what is given, percent-encoded (RFC 3986).
pub(super) fn query_of(parts: &[(&str, Option<&str>)]) -> String {
    let given = parts.iter().filter_map(|(name, value)| value.map(|value| format!("{name}={}", encoded(value))));
    given.collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (text, expected) in [("-1", "'-1"), ("=A1", "'=A1"), ("@x", "'@x"), ("+1", "'+1"), ("0303", "0303")] {
            assert_eq!(cell(text), expected);
        }
    }

    #[test]
    fn a_query_is_encoded() {
        assert_eq!(
            query_of(&[("a", Some("\u{c9}x & y")), ("b", None), ("c", Some("2026-11"))]),
            "a=%C3%89x%20%26%20y&c=2026-11"
        );
    }
}
