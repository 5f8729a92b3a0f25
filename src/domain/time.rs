//! Two times: when something happened, as its author wrote it, and when the ledger wrote it down.

use crate::domain::codes::{CalendarYear, Month};
use crate::domain::fields::{Field, FieldClass, Malformed, Value, text_field};
use chrono::{DateTime, Days, Months, NaiveDate, SecondsFormat, TimeZone, Utc};
use std::fmt;

/// Milliseconds of one minute.
pub const MINUTE_MS: i64 = 60 * 1_000;
/// Milliseconds of one day.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// The ledger's time: milliseconds since 1970 in UTC, within the years 1970 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LedgerTime(i64);

impl LedgerTime {
    /// Accepts times whose RFC 3339 form has 24 characters.
    pub fn from_ms(ms: i64) -> Option<Self> {
        const YEAR_10000_MS: i64 = 253_402_300_800_000;
        (0..YEAR_10000_MS).contains(&ms).then_some(Self(ms))
    }

    /// Milliseconds since 1970.
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// The day in UTC.
    pub fn date(self) -> Option<Date> {
        self.to_string().get(..10).and_then(Date::parse)
    }

    /// Reads `2026-11-23T05:31:00.123Z`, exactly 24 characters.
    pub fn parse(text: &str) -> Option<Self> {
        let time = DateTime::parse_from_rfc3339(text).ok().and_then(|t| Self::from_ms(t.timestamp_millis()))?;
        (time.to_string() == text).then_some(time)
    }
}

impl fmt::Display for LedgerTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Utc.timestamp_millis_opt(self.0).single().unwrap_or_default();
        out.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Field for LedgerTime {
    const CLASS: FieldClass = FieldClass::Time;

    fn read(value: &Value) -> Result<Self, Malformed> {
        let time = match value {
            Value::Text(text) => Self::parse(text),
            _ => None,
        };
        time.ok_or_else(|| Malformed::here("expected a time such as 2026-11-23T05:31:00.123Z"))
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Text(self.to_string()))
    }
}

/// When something happened, as written: RFC 3339 with offset, up to milliseconds.
///
/// Codes, vintages and capacities use the date as written, so the text is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OccurredAt {
    text: String,
    ms: i64,
}

impl OccurredAt {
    /// Reads `2026-11-23T08:31:00+03:00`; seconds may have one to three decimals.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let offset_at = if text.ends_with('Z') { text.len() - 1 } else { text.len().checked_sub(6)? };
        let decimals = bytes.get(19..offset_at)?;
        let plain = bytes.get(10) == Some(&b'T') && matches!(decimals.len(), 0 | 2..=4) && !text.ends_with("-00:00");
        let time = DateTime::parse_from_rfc3339(text).ok()?;
        let leap_second = bytes.get(17..19) == Some(b"60");
        let ms = LedgerTime::from_ms(time.timestamp_millis())?.ms();
        (plain && !leap_second).then(|| Self { text: text.to_owned(), ms })
    }

    /// Milliseconds since 1970 in UTC.
    pub const fn ms(&self) -> i64 {
        self.ms
    }

    /// The later of two; of equal ones this.
    #[must_use]
    pub fn later(self, other: &Self) -> Self {
        if other.ms > self.ms { other.clone() } else { self }
    }

    /// The date as written, whatever the offset.
    pub fn date(&self) -> Option<Date> {
        self.text.get(..10).and_then(Date::parse)
    }

    /// The month as written, whatever the offset.
    pub fn month(&self) -> Option<Month> {
        self.text.get(..7).and_then(Month::parse)
    }
}

impl fmt::Display for OccurredAt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl Field for OccurredAt {
    const CLASS: FieldClass = FieldClass::Time;

    fn read(value: &Value) -> Result<Self, Malformed> {
        let time = match value {
            Value::Text(text) => Self::parse(text),
            _ => None,
        };
        time.ok_or_else(|| Malformed::here("expected an RFC 3339 time with offset, such as 2026-11-23T08:31:00+03:00"))
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Text(self.text.clone()))
    }
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok_and(|d| d.to_string() == text)
}

text_field!(
    /// A day of the calendar, `2026-11-23`; days compare as their text does.
    Date, Time, "a date such as 2026-11-23", is_date
);

impl Date {
    /// The year.
    pub fn year(&self) -> Option<CalendarYear> {
        self.as_str().get(..4).and_then(CalendarYear::parse)
    }

    /// The month.
    pub fn month(&self) -> Option<Month> {
        self.as_str().get(..7).and_then(Month::parse)
    }

    /// So many days later; `None` beyond the calendar's years.
    pub fn plus_days(&self, days: u64) -> Option<Self> {
        let day = NaiveDate::parse_from_str(self.as_str(), "%Y-%m-%d").ok()?;
        Self::parse(&day.checked_add_days(Days::new(days))?.to_string())
    }

    /// So many days earlier; `None` beyond the calendar's years.
    pub fn minus_days(&self, days: u64) -> Option<Self> {
        let day = NaiveDate::parse_from_str(self.as_str(), "%Y-%m-%d").ok()?;
        Self::parse(&day.checked_sub_days(Days::new(days))?.to_string())
    }

    /// Days from this day to another; negative if that lies before.
    pub fn days_until(&self, other: &Self) -> Option<i64> {
        let day = |date: &Self| NaiveDate::parse_from_str(date.as_str(), "%Y-%m-%d").ok();
        Some(day(other)?.signed_duration_since(day(self)?).num_days())
    }

    /// The same day some months later, or the month's last where it is shorter; `None` beyond the calendar's years.
    pub fn plus_months(&self, months: u32) -> Option<Self> {
        let day = NaiveDate::parse_from_str(self.as_str(), "%Y-%m-%d").ok()?;
        Self::parse(&day.checked_add_months(Months::new(months))?.to_string())
    }

    /// The same day some months earlier.
    pub fn minus_months(&self, months: u32) -> Option<Self> {
        let day = NaiveDate::parse_from_str(self.as_str(), "%Y-%m-%d").ok()?;
        Self::parse(&day.checked_sub_months(Months::new(months))?.to_string())
    }
}

impl Month {
    /// Months since the year 0.
    pub fn number(&self) -> i64 {
        let part = |range| self.as_str().get(range).and_then(|digits: &str| digits.parse::<i64>().ok()).unwrap_or(0);
        part(0..4) * 12 + part(5..7) - 1
    }

    /// The month so many months later, or earlier; `None` outside the years 0 to 9999.
    pub fn plus(&self, months: i64) -> Option<Self> {
        let number = self.number() + months;
        Self::parse(&format!("{:04}-{:02}", number.div_euclid(12), number.rem_euclid(12) + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_counted_over_the_end_of_a_year() {
        let month = Month::parse("2026-11").expect("a month");
        assert_eq!(month.plus(2), Month::parse("2027-01"));
        assert_eq!(month.plus(-11), Month::parse("2025-12"));
        let day = Date::parse("2028-02-29").expect("a day");
        assert_eq!((day.plus_months(12), day.minus_months(12)), (Date::parse("2029-02-28"), Date::parse("2027-02-28")));
    }

    #[test]
    fn ledger_time_has_24_characters() {
        let text = "2026-11-23T05:31:00.123Z";
        assert_eq!(LedgerTime::parse(text).map(|t| t.to_string()).as_deref(), Some(text));
        for bad in ["2026-11-23T05:31:00Z", "2026-11-23T05:31:00.123+00:00", "2026-11-23 05:31:00.123Z", ""] {
            assert!(LedgerTime::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn occurred_at_keeps_what_was_written() {
        for good in ["2026-11-23T08:31:00+03:00", "2026-11-23T05:31:00Z", "2026-11-23T05:31:00.5-01:30"] {
            assert_eq!(OccurredAt::parse(good).map(|t| t.to_string()).as_deref(), Some(good));
        }
        let bad = [
            "2026-11-23T08:31:00",
            "2026-11-23",
            "2026-02-30T08:31:00Z",
            "2026-11-23T08:31:60Z",
            "",
            "2026-11-23T08:31:00.1234Z",
            "2026-11-23t08:31:00Z",
            "2026-11-23T08:31:00-00:00",
            "0001-01-01T00:00:00Z",
        ];
        for bad in bad {
            assert!(OccurredAt::parse(bad).is_none(), "{bad}");
        }
        let late_evening = OccurredAt::parse("2026-12-08T23:30:00-03:00");
        assert_eq!(late_evening.and_then(|t| t.date()).as_ref().map(Date::as_str), Some("2026-12-08"));
    }
}
