//! What an audit sorts in its workspace so that it adds up in bounded memory: stretches of grams, shares of sums, and units
//! that others back.

use crate::domain::adding_up::{Replaced, Share, Side, Stretch, StretchKind, shares_of};
use crate::domain::ids::EntryIndex;
use crate::domain::serial::SerialBlock;
use crate::domain::state::Record;
use crate::store::backend::Database;
use crate::store::schema::stretches;
use crate::store::{StoreError, StoreResult, database_number, read_index};
use diesel::sql_types::{BigInt, Text};
use diesel::{
    Connection as _, ExpressionMethods, OptionalExtension, QueryDsl, QueryableByName, RunQueryDsl, sql_query,
};

/// Rows that are read at once.
const PAGE_ROWS: i64 = 1_000;

/// Forgets what an earlier look sorted in.
pub fn clear(database: &mut Database) -> StoreResult<()> {
    let tables = ["stretches", "shares", "replaced", "replaced_units"];
    tables.iter().try_for_each(|table| sql_query(format!("DELETE FROM {table}")).execute(database).map(drop))?;
    Ok(())
}

/// Sorts in what a page of records says, all of it or nothing.
pub fn add(database: &mut Database, page: &[Record]) -> StoreResult<()> {
    database.transaction(|database| {
        for record in page {
            add_stretches(database, &Stretch::of(record))?;
            add_shares(database, &shares_of(record))?;
            add_replaced(database, &Replaced::of(record))?;
        }
        Ok(())
    })
}

/// Sorts stretches in by treatment and first gram.
fn add_stretches(database: &mut Database, new: &[Stretch]) -> StoreResult<()> {
    for stretch in new {
        let row = (
            stretches::treatment.eq(database_number(stretch.treatment.0)?),
            stretches::from_g.eq(stretch.from),
            stretches::of_id.eq(&stretch.of),
            stretches::to_g.eq(stretch.to),
            stretches::kind.eq(stretch.kind.as_str()),
        );
        diesel::insert_into(stretches::table).values(row).execute(database)?;
    }
    Ok(())
}

/// The stretches of the first treatment behind an entry, in the order of their first grams.
pub fn stretches_behind(database: &mut Database, after: Option<EntryIndex>) -> StoreResult<Vec<Stretch>> {
    let after = after.map_or(Ok(-1), |after| database_number(after.0))?;
    let next: Option<i64> = stretches::table
        .filter(stretches::treatment.gt(after))
        .order(stretches::treatment.asc())
        .select(stretches::treatment)
        .first(database)
        .optional()?;
    let Some(next) = next else { return Ok(Vec::new()) };
    let rows: Vec<(i64, i64, String, i64, String)> = stretches::table
        .filter(stretches::treatment.eq(next))
        .order((stretches::from_g.asc(), stretches::of_id.asc()))
        .load(database)?;
    let read = |(treatment, from, of, to, kind): (i64, i64, String, i64, String)| {
        let kind = StretchKind::parse(&kind).ok_or_else(|| StoreError::damaged("an unknown kind of stretch"))?;
        Ok(Stretch { treatment: read_index(treatment)?, from, to, kind, of })
    };
    rows.into_iter().map(read).collect()
}

fn add_shares(database: &mut Database, new: &[Share]) -> StoreResult<()> {
    let query = "INSERT INTO shares (of_what, amount) VALUES (?, ?) \
                 ON CONFLICT (of_what) DO UPDATE SET amount = amount + excluded.amount";
    for share in new {
        sql_query(query).bind::<Text, _>(&share.of).bind::<BigInt, _>(share.amount).execute(database)?;
    }
    Ok(())
}

#[derive(QueryableByName)]
struct OfWhat {
    #[diesel(sql_type = Text)]
    of_what: String,
}

/// Sums whose parts are not what is kept, up to `count`: of what they are.
pub fn differing_sums(database: &mut Database, count: i64) -> StoreResult<Vec<String>> {
    let query = "SELECT of_what FROM shares WHERE amount <> 0 ORDER BY of_what LIMIT ?";
    let rows: Vec<OfWhat> = sql_query(query).bind::<BigInt, _>(count).load(database)?;
    Ok(rows.into_iter().map(|row| row.of_what).collect())
}

const fn name(side: Side) -> &'static str {
    match side {
        Side::Backed => "backed",
        Side::Giving => "giving",
    }
}

fn add_replaced(database: &mut Database, new: &[Replaced]) -> StoreResult<()> {
    for replaced in new {
        let Replaced { side, units, by, entry } = replaced;
        sql_query("INSERT INTO replaced (side, pool, first_unit, by_units, units, idx) VALUES (?, ?, ?, ?, ?, ?)")
            .bind::<Text, _>(name(*side))
            .bind::<Text, _>(by.pool())
            .bind::<BigInt, _>(by.first)
            .bind::<Text, _>(by.to_string())
            .bind::<Text, _>(units.to_string())
            .bind::<BigInt, _>(database_number(entry.0)?)
            .execute(database)?;
        for (unit, more) in [(units.first, 1), (units.last + 1, -1)] {
            let (giving, backed) = if *side == Side::Giving { (more, 0) } else { (0, more) };
            add_ends(database, &units.pool(), unit, (giving, backed))?;
        }
    }
    Ok(())
}

/// Counts where stretches of units begin and end, on each side.
fn add_ends(database: &mut Database, pool: &str, unit: i64, (giving, backed): (i64, i64)) -> StoreResult<()> {
    let query = "INSERT INTO replaced_units (pool, unit, giving, backed) VALUES (?, ?, ?, ?) \
                 ON CONFLICT (pool, unit) DO UPDATE SET giving = giving + excluded.giving, backed = backed + excluded.backed";
    sql_query(query)
        .bind::<Text, _>(pool)
        .bind::<BigInt, _>(unit)
        .bind::<BigInt, _>(giving)
        .bind::<BigInt, _>(backed)
        .execute(database)?;
    Ok(())
}

#[derive(QueryableByName)]
struct ReplacedRow {
    #[diesel(sql_type = Text)]
    pool: String,
    #[diesel(sql_type = BigInt)]
    first_unit: i64,
    #[diesel(sql_type = Text)]
    by_units: String,
    #[diesel(sql_type = Text)]
    units: String,
    #[diesel(sql_type = BigInt)]
    idx: i64,
}

impl ReplacedRow {
    fn read(self, side: Side) -> StoreResult<Replaced> {
        let block = |text: &str| SerialBlock::parse(text).ok_or_else(|| StoreError::damaged("no serial numbers"));
        Ok(Replaced { side, units: block(&self.units)?, by: block(&self.by_units)?, entry: read_index(self.idx)? })
    }
}

/// Looks at all units that others back, each with the block that should give its grams for them.
pub fn each_backed(database: &mut Database, mut look: impl FnMut(&Replaced, Option<&Replaced>)) -> StoreResult<()> {
    // Each unit backs one other at most, so what backs tells rows apart.
    let query = "SELECT pool, first_unit, by_units, units, idx FROM replaced WHERE side = 'backed' \
                 AND (pool, first_unit, units) > (?, ?, ?) ORDER BY pool, first_unit, units LIMIT ?";
    let mut after = (String::new(), 0, String::new());
    loop {
        let rows: Vec<ReplacedRow> = sql_query(query)
            .bind::<Text, _>(&after.0)
            .bind::<BigInt, _>(after.1)
            .bind::<Text, _>(&after.2)
            .bind::<BigInt, _>(PAGE_ROWS)
            .load(database)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = (last.pool.clone(), last.first_unit, last.units.clone());
        for row in rows {
            let backed = row.read(Side::Backed)?;
            let giving = giving_of(database, &backed.by)?;
            look(&backed, giving.as_ref());
        }
    }
}

/// The withdrawn block that begins last before or with some units.
fn giving_of(database: &mut Database, by: &SerialBlock) -> StoreResult<Option<Replaced>> {
    let query = "SELECT pool, first_unit, by_units, units, idx FROM replaced WHERE side = 'giving' AND pool = ? \
                 AND first_unit <= ? ORDER BY first_unit DESC LIMIT 1";
    let rows: Vec<ReplacedRow> =
        sql_query(query).bind::<Text, _>(by.pool()).bind::<BigInt, _>(by.first).load(database)?;
    rows.into_iter().next().map(|row| row.read(Side::Giving)).transpose()
}

#[derive(QueryableByName)]
struct EndsRow {
    #[diesel(sql_type = Text)]
    pool: String,
    #[diesel(sql_type = BigInt)]
    unit: i64,
    #[diesel(sql_type = BigInt)]
    giving: i64,
    #[diesel(sql_type = BigInt)]
    backed: i64,
}

/// Where units are backed though no block was withdrawn for them, are not though one was, or are backed twice: the first unit of
/// each such stretch, up to `count`.
pub fn units_on_one_side(database: &mut Database, count: usize) -> StoreResult<Vec<(String, i64)>> {
    let query = "SELECT pool, unit, giving, backed FROM replaced_units WHERE (pool, unit) > (?, ?) \
                 ORDER BY pool, unit LIMIT ?";
    let (mut found, mut after, mut over) = (Vec::new(), (String::new(), -1), (0, 0));
    while found.len() < count {
        let rows: Vec<EndsRow> = sql_query(query)
            .bind::<Text, _>(&after.0)
            .bind::<BigInt, _>(after.1)
            .bind::<BigInt, _>(PAGE_ROWS)
            .load(database)?;
        let Some(last) = rows.last() else { break };
        after = (last.pool.clone(), last.unit);
        for row in rows {
            over = (over.0 + row.giving, over.1 + row.backed);
            if over.1 > 1 || (over.0 > 0) != (over.1 > 0) {
                found.push((row.pool, row.unit));
            }
        }
    }
    found.truncate(count);
    Ok(found)
}
