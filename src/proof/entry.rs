//! Entries: one statement in its place. One line of JSON, one byte form.
//!
//! `prev` is the plain BLAKE3 of the previous entry's bytes, so that anyone walks an export with `b3sum` and `jq`.

use crate::domain::ids::{EntryIndex, Origin};
use crate::domain::time::LedgerTime;
use crate::limits::ENTRY_BYTES_MAX;
use data_encoding::HEXLOWER;

/// A BLAKE3 hash of an entry's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHash(pub [u8; 32]);

impl ChainHash {
    /// What stands before index 0.
    pub const START: Self = Self([0; 32]);

    /// The hash of an entry's bytes.
    pub fn of(entry: &[u8]) -> Self {
        Self(*blake3::hash(entry).as_bytes())
    }
}

impl std::fmt::Display for ChainHash {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// One statement in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The ledger.
    pub ledger: Origin,
    /// Its place.
    pub index: EntryIndex,
    /// When the ledger wrote it down.
    pub time: LedgerTime,
    /// BLAKE3 of the entry before.
    pub prev: ChainHash,
    /// The compact JWS.
    pub statement: String,
}

/// Bytes that are no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an entry: {0}")]
pub struct NotAnEntry(pub &'static str);

impl Entry {
    /// The one byte form, without line feed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { ledger, index, time, prev, statement } = self;
        let head = format!(r#"{{"v":1,"ledger":"{ledger}","index":{index},"time":"{time}","prev":"{prev}""#);
        format!(r#"{head},"statement":"{statement}"}}"#).into_bytes()
    }

    /// Reads the one byte form: what is read is written again and compared, so no other bytes pass.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotAnEntry> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(NotAnEntry("longer than 65535 bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| NotAnEntry("not ASCII"))?;
        let mut rest = text;
        let ledger = take(&mut rest, r#"{"v":1,"ledger":""#, r#"","index":"#)?;
        let index = take(&mut rest, "", r#","time":""#)?;
        let time = take(&mut rest, "", r#"","prev":""#)?;
        let prev = take(&mut rest, "", r#"","statement":""#)?;
        let statement = take(&mut rest, "", r#""}"#)?;
        let is_jws = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !statement.bytes().all(is_jws) {
            return Err(NotAnEntry("the statement is not a compact JWS"));
        }
        let prev = HEXLOWER.decode(prev.as_bytes()).ok().and_then(|hash| hash.try_into().ok());
        let entry = Self {
            ledger: Origin::parse(ledger).ok_or(NotAnEntry("the ledger's origin is ill-formed"))?,
            index: EntryIndex(index.parse().map_err(|_| NotAnEntry("the index is no whole number"))?),
            time: LedgerTime::parse(time).ok_or(NotAnEntry("the time has not the 24-character form"))?,
            prev: ChainHash(prev.ok_or(NotAnEntry("prev is not 64 lower-case hex digits"))?),
            statement: statement.to_owned(),
        };
        if !rest.is_empty() || entry.to_bytes() != bytes {
            return Err(NotAnEntry("the bytes differ from the one form of this entry"));
        }
        Ok(entry)
    }
}

fn take<'a>(rest: &mut &'a str, before: &str, after: &str) -> Result<&'a str, NotAnEntry> {
    let problem = NotAnEntry("expected v, ledger, index, time, prev, statement in this order, without white space");
    let start = rest.strip_prefix(before).ok_or(problem.clone())?;
    let (value, left) = start.split_once(after).ok_or(problem)?;
    *rest = left;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_one_byte_form() {
        let entry = Entry {
            ledger: Origin::parse("ledger.example/1a2b3c4d").expect("an origin"),
            index: EntryIndex(41),
            time: LedgerTime::parse("2026-11-23T05:31:00.123Z").expect("a time"),
            prev: ChainHash::of(b"before"),
            statement: "a.b.c".into(),
        };
        let bytes = entry.to_bytes();
        assert_eq!(Entry::parse(&bytes), Ok(entry));
        let text = String::from_utf8(bytes.clone()).expect("ASCII");
        let others = [
            text.replace(":41", ":041"),
            text.replace(":41", ":+41"),
            text.replace("\"v\":1", "\"v\": 1"),
            format!("{text}\n"),
            text.replace(".123Z", ".123z"),
            text.to_uppercase(),
            text.replace("{\"v\":1,", "{"),
        ];
        for other in others {
            assert!(Entry::parse(other.as_bytes()).is_err(), "{other}");
        }
    }
}
