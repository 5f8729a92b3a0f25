//! A year's statement as it is sent, in JSON and as CSV.

use crate::domain::certificate::UNIT_G;
use crate::domain::codes::CalendarYear;
use crate::domain::ids::{EntryIndex, OrganisationId};
use crate::domain::time::Date;
use crate::http::get_certificate::NOT_PERMITTED;
use crate::http::problem::Problem;
use crate::http::register_body::BlockBody;
use crate::http::table::csv_of;
use crate::ledger::year_statement::{Claimed, YearStatement};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A year's statement.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatementBody {
    /// For whom it was retired.
    organisation: String,
    /// The year in which the periods end.
    year: String,
    /// Entries of the ledger from which it was made.
    as_of_size: u64,
    /// The sums over all blocks of the year; on the first page alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    sums: Option<StatementSumsBody>,
    /// What nobody may say with it.
    not_permitted: Vec<&'static str>,
    /// The retirements whose first block stands on this page, each with all its kilograms and the only sentence that it permits.
    retirements: Vec<YearRetirementBody>,
    /// A page of the blocks, by the last day of their period, as the register shows them.
    blocks: Vec<BlockBody>,
    /// Of these the blocks whose period begins before the year: they count here alone.
    begin_before_the_year: Vec<String>,
    /// Pass it as `after` for the next page of blocks; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What a year's statement adds up to, over all its pages.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatementSumsBody {
    /// Kilograms: one unit each.
    net_kg: i64,
    /// The same in grams.
    net_g: i64,
    /// Grams by country in which the waste arose.
    by_country_of_arising_g: BTreeMap<String, i64>,
    /// Grams by country of treatment.
    by_country_of_treatment_g: BTreeMap<String, i64>,
    /// Grams by final operation, R (recovered) and D (disposed of).
    by_operation_g: BTreeMap<String, i64>,
    /// Grams by waste code where the waste lay.
    by_waste_code_g: BTreeMap<String, i64>,
    /// Grams by fraction.
    by_fraction_g: BTreeMap<String, i64>,
    /// Hazardous grams among them.
    hazardous_g: i64,
    /// What the figures rest on.
    assurance: AssuranceBody,
    /// The only sentence that it permits; it names the company if all was retired in the name of one.
    sentence: String,
}

/// One retirement, with all its blocks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct YearRetirementBody {
    /// Its entry.
    entry: u64,
    /// Kilograms: one unit each.
    net_kg: i64,
    /// The only sentence that it permits.
    sentence: String,
}

/// What the figures rest on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AssuranceBody {
    /// Grams whose every handover both sides signed: neither related parties, nor two keys that the operator holds, nor papers of a
    /// plant without a key.
    confirmed_g: i64,
    /// Grams that rest on papers of a plant without a key, which somebody else reviewed.
    documented_g: i64,
    /// Grams that changed hands between related parties on their way.
    related_parties_g: i64,
    /// Grams behind which at least one statement is signed by a key that the operator holds.
    hosted_keys_g: i64,
    /// Units whose grams fail, and that nothing backs yet.
    failing_kg: i64,
}

impl StatementBody {
    /// The statement on a day, under a rule set that gives so many months to replace failing units.
    pub(super) fn of(
        organisation: OrganisationId,
        year: &CalendarYear,
        statement: &YearStatement,
        today: &Date,
        months: Option<u32>,
    ) -> Self {
        let YearStatement { size, whole, blocks, retirements, next } = statement;
        let retired = |(entry, claimed): (&EntryIndex, &Claimed)| YearRetirementBody {
            entry: entry.0,
            net_kg: claimed.units,
            sentence: claimed.sums.sentence(claimed.units, claimed.company()),
        };
        let first_day = format!("{year}-01-01");
        let begins_before = blocks.iter().filter(|block| {
            let retired = block.certificate.retired.as_ref();
            retired.is_some_and(|retired| retired.period.from.as_str() < first_day.as_str())
        });
        Self {
            organisation: organisation.to_string(),
            year: year.to_string(),
            as_of_size: *size,
            sums: whole.as_ref().map(StatementSumsBody::of),
            not_permitted: NOT_PERMITTED.to_vec(),
            retirements: retirements.iter().map(retired).collect(),
            blocks: blocks.iter().map(|block| BlockBody::of(block, today, months)).collect(),
            begin_before_the_year: begins_before.map(|block| block.certificate.serial.to_string()).collect(),
            next: next.as_ref().map(ToString::to_string),
        }
    }

    /// Behind which block the next page begins.
    pub(super) fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// The name of its file.
    pub(super) fn file_name(&self) -> String {
        format!("statement-{}-{}", self.year, self.organisation)
    }
}

impl StatementSumsBody {
    fn of(whole: &Claimed) -> Self {
        let Claimed { sums, units, failing, .. } = whole;
        Self {
            net_kg: *units,
            net_g: sums.total,
            by_country_of_arising_g: sums.by_arising.clone(),
            by_country_of_treatment_g: sums.by_country.clone(),
            by_operation_g: sums.by_operation.clone(),
            by_waste_code_g: sums.by_waste_code.clone(),
            by_fraction_g: sums.by_fraction.clone(),
            hazardous_g: sums.hazardous,
            assurance: AssuranceBody {
                confirmed_g: sums.confirmed,
                documented_g: sums.documented,
                related_parties_g: sums.related,
                hosted_keys_g: sums.hosted,
                failing_kg: *failing,
            },
            sentence: if *units == 0 {
                "nothing was retired for this year".to_owned()
            } else {
                sums.sentence(*units, whole.company())
            },
        }
    }

    /// A line of the table for each sum: what it is of, for which code, and grams.
    fn lines(&self) -> Vec<(&'static str, String, i64)> {
        let AssuranceBody { confirmed_g, documented_g, related_parties_g, hosted_keys_g, failing_kg } = &self.assurance;
        let singles = [
            ("net", self.net_g),
            ("hazardous", self.hazardous_g),
            ("confirmed", *confirmed_g),
            ("documented", *documented_g),
            ("related_parties", *related_parties_g),
            ("hosted_keys", *hosted_keys_g),
            ("failing", failing_kg * UNIT_G),
        ];
        let maps = [
            ("country_of_arising", &self.by_country_of_arising_g),
            ("country_of_treatment", &self.by_country_of_treatment_g),
            ("operation", &self.by_operation_g),
            ("waste_code", &self.by_waste_code_g),
            ("fraction", &self.by_fraction_g),
        ];
        let mut lines: Vec<_> = singles.into_iter().map(|(what, grams)| (what, String::new(), grams)).collect();
        for (what, grams) in maps {
            lines.extend(grams.iter().map(|(of, grams)| (what, of.clone(), *grams)));
        }
        lines
    }
}

/// The columns: what is counted, for which code or block, and how much.
const COLUMNS: &[&str] =
    &["organisation", "year", "as_of_size", "what", "of", "grams", "retired", "period_from", "period_until"];

/// The statement as CSV: on the first page a line for each sum, then one for each block; so that pages add up.
pub(super) fn csv_of_statement(body: StatementBody) -> Result<Vec<u8>, Problem> {
    let head = [body.organisation, body.year, body.as_of_size.to_string()];
    let line = |what: &str, of: &str, grams: i64, more: [String; 3]| {
        let cells = [what.to_owned(), of.to_owned(), grams.to_string()];
        head.iter().cloned().chain(cells).chain(more).collect::<Vec<String>>()
    };
    let sums = body.sums.iter().flat_map(StatementSumsBody::lines);
    let mut lines: Vec<Vec<String>> =
        sums.map(|(what, of, grams)| line(what, &of, grams, [const { String::new() }; 3])).collect();
    lines.extend(body.blocks.iter().map(|block| {
        let (serial, grams, retired) = block.as_retired();
        line("block", serial, grams, retired)
    }));
    csv_of(COLUMNS, lines)
}
