//! The plan of a demo: a seed and a moment, from which every id, draw and time follows. An interrupted demo that goes on
//! says the same statements again, and the ledger knows them.

use crate::cli::CommandError;
use crate::domain::codes::Month;
use crate::domain::time::{DAY_MS, Date, LedgerTime};
use crate::ledger::keyring;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use uuid::{Builder, Uuid};

/// What a demo is made of; written before anything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    /// What everything is drawn from; printed.
    pub(super) seed: u64,
    /// SHA-256 of the Open Repair file; none for the made set.
    pub(super) open_repair_sha256: Option<String>,
    /// When the demo was begun, in milliseconds since 1970: it plays in that month.
    pub(super) began_ms: i64,
}

impl Plan {
    /// A new plan.
    pub(super) fn new(seed: u64, open_repair: Option<&Path>, now_ms: i64) -> Result<Self, CommandError> {
        let open_repair_sha256 = open_repair.map(sha256_of).transpose()?;
        Ok(Self { seed, open_repair_sha256, began_ms: now_ms })
    }

    /// Reads the plan of a folder, if there is one.
    pub(super) fn read(file: &Path) -> Result<Option<Self>, CommandError> {
        if !file.exists() {
            return Ok(None);
        }
        let plan = serde_json::from_slice(&fs::read(file)?);
        plan.map(Some).map_err(|error| format!("{}: {error}", file.display()).into())
    }

    /// Writes it, whole or not at all.
    pub(super) fn write(&self, file: &Path) -> Result<(), CommandError> {
        Ok(keyring::write_private(file, &(serde_json::to_string_pretty(self)? + "\n"))?)
    }

    fn digest(&self, what: &str, number: u64) -> [u8; 32] {
        Sha256::digest(format!("loopledger demo {} {what} {number}", self.seed)).into()
    }

    /// A number drawn for a purpose: the same one every time.
    pub(super) fn draw(&self, what: &str, number: u64) -> u64 {
        let digest = self.digest(what, number);
        digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
    }

    /// An amount within so many parts per million of another, drawn.
    pub(super) fn around(&self, amount: i64, ppm: i64, what: &str, number: u64) -> i64 {
        // Thousandths of the spread, from -1,000 to 1,000.
        let part = i64::try_from(self.draw(what, number) % 2_001).unwrap_or(1_000) - 1_000;
        amount + amount * ppm / 1_000_000 * part / 1_000
    }

    /// The salt of a commitment.
    pub(super) fn salt(&self, what: &str) -> [u8; 32] {
        self.digest(what, 0)
    }

    /// The id of a thing: a UUIDv7 that rises with its number, as the databases like it.
    pub(super) fn id(&self, what: &str, number: u64) -> Uuid {
        let digest = self.digest(what, number);
        let random = digest.first_chunk().copied().unwrap_or_default();
        let ms = u64::try_from(self.began_ms).unwrap_or(0).saturating_add(number);
        Builder::from_unix_timestamp_millis(ms, &random).into_uuid()
    }

    /// A moment of the demo's own month: so many thousandths of the way from its first second to the demo's beginning.
    pub(super) fn moment(&self, thousandths: i64) -> Result<String, CommandError> {
        let first = LedgerTime::parse(&format!("{}-01T00:00:00.000Z", self.month()?)).map(LedgerTime::ms);
        let first = first.ok_or("this month has no first day")?;
        let ms = first + (self.began_ms - first) * thousandths / 1_000;
        Ok(LedgerTime::from_ms(ms).ok_or("the clock is absurd")?.to_string())
    }

    /// The month in which it plays.
    pub(super) fn month(&self) -> Result<Month, CommandError> {
        let month = self.day_before(0).and_then(|day| day.month());
        month.ok_or_else(|| "the clock is absurd".into())
    }

    /// An hour of a day.
    pub(super) fn hour(day: &Date, hour: u8) -> String {
        format!("{day}T{hour:02}:00:00Z")
    }

    /// A day before the demo was begun, or that day itself.
    pub(super) fn day_before(&self, days: u64) -> Option<Date> {
        let ms = self.began_ms - i64::try_from(days).ok()?.checked_mul(DAY_MS)?;
        LedgerTime::from_ms(ms).and_then(LedgerTime::date)
    }
}

fn sha256_of(path: &Path) -> Result<String, CommandError> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(data_encoding::HEXLOWER.encode(&Sha256::digest(bytes)))
}
