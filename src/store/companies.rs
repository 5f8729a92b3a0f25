//! The companies in whose names certificates were retired, as they are looked for. A row stands and goes with its opening.

use crate::domain::event::CertificateRetired;
use crate::domain::ids::EntryIndex;
use crate::proof::commitment::Opening;
use crate::store::schema::{companies, openings};
use crate::store::{Database, StoreResult, database_number};
use diesel::{BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};
use unicode_normalization::UnicodeNormalization;

/// Rows that are read at once.
const PAGE_ROWS: i64 = 1_000;

/// What is looked for, as bytes: both databases compare those alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// This name.
    Whole(Vec<u8>),
    /// Names from this one on that lie before that one.
    Beginning(Vec<u8>, Vec<u8>),
}

impl Name {
    /// A whole name, in whatever case.
    pub fn whole(name: &str) -> Self {
        Self::Whole(folded(name))
    }

    /// Names that begin so, in whatever case.
    pub fn beginning(begin: &str) -> Self {
        let from = folded(begin);
        let mut to = from.clone();
        // No byte of UTF-8 is the highest one, so there is a next.
        match to.last_mut() {
            Some(last) => *last = last.saturating_add(1),
            None => to.push(u8::MAX),
        }
        Self::Beginning(from, to)
    }
}

/// A name without the difference of capital and small letters.
fn folded(name: &str) -> Vec<u8> {
    name.trim().nfc().flat_map(char::to_lowercase).nfc().collect::<String>().into_bytes()
}

/// Stores the names among the openings of new entries.
pub fn insert(database: &mut Database, new: &[(EntryIndex, Opening)]) -> StoreResult<()> {
    for (index, opening) in new.iter().filter(|(_, opening)| opening.pointer == CertificateRetired::COMPANY) {
        insert_name(database, database_number(index.0)?, &opening.value)?;
    }
    Ok(())
}

fn insert_name(database: &mut Database, idx: i64, name: &str) -> StoreResult<()> {
    let row = (companies::name.eq(folded(name)), companies::idx.eq(idx));
    diesel::insert_into(companies::table).values(row).execute(database)?;
    Ok(())
}

/// Deletes the name that an entry opened.
pub fn erase(database: &mut Database, entry: EntryIndex) -> StoreResult<()> {
    diesel::delete(companies::table.filter(companies::idx.eq(database_number(entry.0)?))).execute(database)?;
    Ok(())
}

/// Writes all names anew from the openings that are there.
pub fn write_anew(database: &mut Database) -> StoreResult<()> {
    diesel::delete(companies::table).execute(database)?;
    let mut after = -1;
    loop {
        let page: Vec<(i64, String)> = openings::table
            .filter(openings::idx.gt(after))
            .filter(openings::pointer.eq(CertificateRetired::COMPANY))
            .order(openings::idx.asc())
            .limit(PAGE_ROWS)
            .select((openings::idx, openings::value))
            .load(database)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        page.iter().try_for_each(|(idx, name)| insert_name(database, *idx, name))?;
    }
}

/// Whether an entry is found by the name that it opened, and by no other: none if it opened none. For the audit.
pub fn follows(database: &mut Database, entry: EntryIndex, opened: Option<&str>) -> StoreResult<bool> {
    let idx = database_number(entry.0)?;
    let mut other = companies::table.filter(companies::idx.eq(idx)).select(companies::idx).into_boxed();
    let Some(opened) = opened.map(folded) else {
        return Ok(other.first::<i64>(database).optional()?.is_none());
    };
    other = other.filter(companies::name.ne(opened.clone()));
    let has_other = other.first::<i64>(database).optional()?.is_some();
    let own = companies::table.filter(companies::name.eq(opened).and(companies::idx.eq(idx))).select(companies::idx);
    Ok(!has_other && own.first::<i64>(database).optional()?.is_some())
}

/// Whether there are as many names as openings of names, for the audit.
pub fn are_as_many(database: &mut Database) -> StoreResult<bool> {
    let opened = openings::table.filter(openings::pointer.eq(CertificateRetired::COMPANY)).count();
    let (names, opened): (i64, i64) = (companies::table.count().get_result(database)?, opened.get_result(database)?);
    Ok(names == opened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_alike_in_whatever_case() {
        assert_eq!(folded(" Example TEXTILES Ltd "), folded("example textiles ltd"));
        assert_eq!(folded("\u{c9}COLE"), folded("e\u{301}cole"));
        assert_eq!(Name::beginning("Ab"), Name::Beginning(b"ab".to_vec(), b"ac".to_vec()));
        assert_ne!(Name::whole("A"), Name::whole("B"));
    }
}
