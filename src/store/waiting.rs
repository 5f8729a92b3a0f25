//! Statements that wait outside the ledger. Every write here is made under the head's lock.

use crate::limits::QUERY_BINDS_MAX;
use crate::proof::commitment::Opening;
use crate::store::entries::Identity;
use crate::store::schema::waiting;
use crate::store::{Database, StoreError, StoreResult};
use data_encoding::HEXLOWER;
use diesel::sql_types::{BigInt, Text};
use diesel::{
    BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, QueryableByName,
    RunQueryDsl, Selectable, SelectableHelper, sql_query,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// It waits for something.
pub const WAITS: &str = "waiting";
/// What it waited for is there; its turn comes with the next transaction.
pub const DUE: &str = "due";
/// It was refused at its turn. Statement and openings are gone; what is left tells why.
pub const REFUSED: &str = "refused";
/// What it waited for did not come in time. Statement and openings are gone.
pub const EXPIRED: &str = "expired";

/// A statement outside the ledger, with what it says.
#[derive(Debug, Clone, PartialEq, Eq, Insertable, Queryable, Selectable)]
#[diesel(table_name = waiting)]
pub struct WaitingRow {
    /// What is read without what it says.
    #[diesel(embed)]
    pub head: WaitingHead,
    /// The compact JWS; empty once it is refused or has expired.
    pub jws: String,
    /// Its openings, as [`write_openings`] writes them; empty like the JWS.
    pub openings: String,
}

/// A statement outside the ledger, without what it says.
#[derive(Debug, Clone, PartialEq, Eq, Insertable, Queryable, Selectable)]
#[diesel(table_name = waiting)]
pub struct WaitingHead {
    /// Its place in the order in which they were posted.
    pub number: i64,
    /// Who says it.
    pub organisation: String,
    /// Its id.
    pub statement_id: String,
    /// Its type.
    pub type_name: String,
    /// SHA-256 of its payload.
    pub payload_sha256: Vec<u8>,
    /// Bytes of statement and openings.
    pub bytes: i64,
    /// The organisation whose token posted it.
    pub posted_by: String,
    /// Ledger time at which it was posted, in milliseconds since 1970.
    pub posted_ms: i64,
    /// Ledger time at which it expires, in milliseconds since 1970.
    pub until_ms: i64,
    /// [`WAITS`], [`DUE`], [`REFUSED`] or [`EXPIRED`].
    pub standing: String,
    /// Turns at which it found an item that had still to move.
    pub turns: i64,
    /// The kind of the record that it waits for, or waited for last.
    pub awaited_kind: String,
    /// That record's id.
    pub awaited_id: String,
    /// JSON Pointer to where it names it.
    pub awaited_pointer: String,
    /// The code of its refusal; empty if it was not refused.
    pub problem_code: String,
    /// JSON Pointer to the field to blame.
    pub problem_pointer: String,
    /// The refusal in words.
    pub problem_detail: String,
}

/// An opening as it is kept beside a waiting statement.
#[derive(Serialize, Deserialize)]
struct KeptOpening {
    pointer: String,
    salt: String,
    value: String,
}

/// Openings as text.
pub fn write_openings(openings: &[Opening]) -> StoreResult<String> {
    let keep = |opening: &Opening| KeptOpening {
        pointer: opening.pointer.clone(),
        salt: HEXLOWER.encode(&opening.salt),
        value: opening.value.clone(),
    };
    let kept: Vec<KeptOpening> = openings.iter().map(keep).collect();
    serde_json::to_string(&kept).map_err(|error| StoreError::damaged(error.to_string()))
}

/// The openings of a row.
pub fn read_openings(row: &WaitingRow) -> StoreResult<Vec<Opening>> {
    let damaged =
        || StoreError::damaged(format!("the openings of waiting statement {} cannot be read", row.head.number));
    let kept: Vec<KeptOpening> = serde_json::from_str(&row.openings).map_err(|_| damaged())?;
    let read = |kept: KeptOpening| {
        let salt = HEXLOWER.decode(kept.salt.as_bytes()).ok().and_then(|salt| salt.try_into().ok());
        Ok(Opening { pointer: kept.pointer, salt: salt.ok_or_else(damaged)?, value: kept.value })
    };
    kept.into_iter().map(read).collect()
}

/// Whether nothing waits.
pub fn is_empty(database: &mut Database) -> StoreResult<bool> {
    let first: Option<i64> = waiting::table.select(waiting::number).first(database).optional()?;
    Ok(first.is_none())
}

/// The highest number; 0 if there is none.
pub fn highest_number(database: &mut Database) -> StoreResult<i64> {
    let query = waiting::table.order(waiting::number.desc()).select(waiting::number);
    Ok(query.first(database).optional()?.unwrap_or(0))
}

/// The row of a number.
pub fn find(database: &mut Database, number: i64) -> StoreResult<Option<WaitingRow>> {
    Ok(waiting::table.find(number).select(WaitingRow::as_select()).first(database).optional()?)
}

/// What is kept under these identities.
pub fn find_by_identity(database: &mut Database, identities: &[Identity]) -> StoreResult<Vec<WaitingHead>> {
    let mut found = Vec::new();
    for chunk in identities.chunks(QUERY_BINDS_MAX) {
        let ids: Vec<String> = chunk.iter().map(|(_, statement)| statement.to_string()).collect();
        let query = waiting::table.filter(waiting::statement_id.eq_any(ids)).select(WaitingHead::as_select());
        found.extend(query.load(database)?);
    }
    Ok(found)
}

/// What waits at a time for a record of one of these ids: number, kind and id.
pub fn awaiting(database: &mut Database, ids: &[String], at_ms: i64) -> StoreResult<Vec<(i64, String, String)>> {
    let mut found = Vec::new();
    for chunk in ids.chunks(QUERY_BINDS_MAX) {
        let query = waiting::table
            .filter(waiting::awaited_id.eq_any(chunk))
            .filter(waiting::standing.eq(WAITS))
            .filter(waiting::until_ms.gt(at_ms))
            .select((waiting::number, waiting::awaited_kind, waiting::awaited_id));
        found.extend(query.load(database)?);
    }
    Ok(found)
}

/// The first numbers whose turn it is. What they waited for came in time, so their time does not matter any more.
pub fn due(database: &mut Database, count: i64) -> StoreResult<Vec<i64>> {
    let query = waiting::table
        .filter(waiting::standing.eq(DUE))
        .order(waiting::number.asc())
        .limit(count)
        .select(waiting::number);
    Ok(query.load(database)?)
}

/// Stores a statement that waits.
pub fn insert(database: &mut Database, row: &WaitingRow) -> StoreResult<()> {
    diesel::insert_into(waiting::table).values(row).execute(database)?;
    Ok(())
}

/// Writes how a statement stands now: what it waits for, or why it was refused.
pub fn update(database: &mut Database, row: &WaitingHead) -> StoreResult<()> {
    diesel::update(waiting::table.find(row.number))
        .set((
            waiting::standing.eq(&row.standing),
            waiting::turns.eq(row.turns),
            waiting::awaited_kind.eq(&row.awaited_kind),
            waiting::awaited_id.eq(&row.awaited_id),
            waiting::awaited_pointer.eq(&row.awaited_pointer),
            waiting::problem_code.eq(&row.problem_code),
            waiting::problem_pointer.eq(&row.problem_pointer),
            waiting::problem_detail.eq(&row.problem_detail),
        ))
        .execute(database)?;
    Ok(())
}

/// Takes what a statement says out of its row.
pub fn empty(database: &mut Database, number: i64) -> StoreResult<()> {
    let nothing = (waiting::jws.eq(""), waiting::openings.eq(""), waiting::bytes.eq(0));
    diesel::update(waiting::table.find(number)).set(nothing).execute(database)?;
    Ok(())
}

/// Writes down what has expired by a time, and takes what it says out of its rows; gives whose statements these were. What
/// is due does not expire.
pub fn expire(database: &mut Database, at_ms: i64) -> StoreResult<Vec<String>> {
    let over = || waiting::table.filter(waiting::standing.eq(WAITS)).filter(waiting::until_ms.le(at_ms));
    let whose: Vec<String> = over().select(waiting::organisation).distinct().load(database)?;
    if !whose.is_empty() {
        let dead = (waiting::standing.eq(EXPIRED), waiting::jws.eq(""), waiting::openings.eq(""), waiting::bytes.eq(0));
        let these = waiting::standing.eq(WAITS).and(waiting::until_ms.le(at_ms));
        diesel::update(waiting::table.filter(these)).set(dead).execute(database)?;
    }
    Ok(whose)
}

/// Removes an organisation's refused and expired statements but for the newest.
pub fn keep_newest_dead(database: &mut Database, organisation: &str, count: i64) -> StoreResult<()> {
    let dead = waiting::organisation.eq(organisation).and(waiting::standing.eq_any([REFUSED, EXPIRED]));
    let query = waiting::table.filter(dead).order(waiting::number.desc()).offset(count).select(waiting::number);
    let Some(newest_to_go) = query.first::<i64>(database).optional()? else { return Ok(()) };
    let dead = waiting::organisation.eq(organisation).and(waiting::standing.eq_any([REFUSED, EXPIRED]));
    diesel::delete(waiting::table.filter(dead.and(waiting::number.le(newest_to_go)))).execute(database)?;
    Ok(())
}

/// Says that it is these statements' turn.
pub fn mark_due(database: &mut Database, numbers: &[i64]) -> StoreResult<()> {
    for chunk in numbers.chunks(QUERY_BINDS_MAX) {
        let these = waiting::table.filter(waiting::number.eq_any(chunk));
        diesel::update(these).set(waiting::standing.eq(DUE)).execute(database)?;
    }
    Ok(())
}

/// Removes a statement with its openings.
pub fn remove(database: &mut Database, number: i64) -> StoreResult<()> {
    diesel::delete(waiting::table.find(number)).execute(database)?;
    Ok(())
}

/// Removes a statement by its identity; tells whether there was one.
pub fn take_back(database: &mut Database, organisation: &str, statement_id: &str) -> StoreResult<bool> {
    let target =
        waiting::table.filter(waiting::statement_id.eq(statement_id)).filter(waiting::organisation.eq(organisation));
    Ok(diesel::delete(target).execute(database)? == 1)
}

/// Removes what had expired by a time, and what was refused and whose time was over by then.
pub fn forget(database: &mut Database, expired_by_ms: i64) -> StoreResult<()> {
    let shown_long_enough = waiting::until_ms.le(expired_by_ms).and(waiting::standing.ne(DUE));
    diesel::delete(waiting::table.filter(shown_long_enough)).execute(database)?;
    Ok(())
}

/// A page in the order of the numbers, without what the statements say: an organisation's, or everybody's; without what had
/// expired by a time.
pub fn page(
    database: &mut Database,
    organisation: Option<&str>,
    after: i64,
    expired_by_ms: i64,
    count: i64,
) -> StoreResult<Vec<WaitingHead>> {
    let mut query = waiting::table
        .filter(waiting::number.gt(after))
        .filter(waiting::until_ms.gt(expired_by_ms).or(waiting::standing.eq(DUE)))
        .order(waiting::number.asc())
        .limit(count)
        .select(WaitingHead::as_select())
        .into_boxed();
    if let Some(organisation) = organisation {
        query = query.filter(waiting::organisation.eq(organisation.to_owned()));
    }
    Ok(query.load(database)?)
}

/// How much waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Statements.
    pub statements: i64,
    /// Bytes of statements and openings.
    pub bytes: i64,
}

#[derive(QueryableByName)]
struct KeptRow {
    #[diesel(sql_type = Text)]
    organisation: String,
    #[diesel(sql_type = BigInt)]
    statements: i64,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

/// How much of each organisation waits or is due; what was refused or has expired takes nobody's room.
pub fn kept(database: &mut Database) -> StoreResult<BTreeMap<String, Kept>> {
    let query = "SELECT organisation, COUNT(*) AS statements, CAST(SUM(bytes) AS BIGINT) AS bytes FROM waiting \
                 WHERE standing IN ('waiting', 'due') GROUP BY organisation";
    let rows: Vec<KeptRow> = sql_query(query).load(database)?;
    let read = |row: KeptRow| (row.organisation, Kept { statements: row.statements, bytes: row.bytes });
    Ok(rows.into_iter().map(read).collect())
}
