//! What the repository promises about itself: the OpenAPI file, the floors, the schema twins, the field classes.

use crate::harness::{Kind, TestApp, TestDatabase};
use diesel::{Connection, QueryableByName, RunQueryDsl, sql_query, sql_types::Text};
use loopledger::domain::event::{Common, Event};
use loopledger::domain::fields::{FieldClass, FieldInfo, Record};
use loopledger::store::{DatabaseUrl, Store};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares with a committed file; `LOOPLEDGER_UPDATE=1` writes it instead.
pub fn committed(path: &str, current: &str) {
    let file = root().join(path);
    if std::env::var_os("LOOPLEDGER_UPDATE").is_some() {
        fs::write(&file, current).expect("writable");
    }
    let stored = fs::read_to_string(&file).unwrap_or_default();
    assert!(stored == current, "{path} is not what the code says; run the tests with LOOPLEDGER_UPDATE=1 and look");
}

#[test]
fn the_openapi_file_is_what_is_served() {
    let document = loopledger::http::openapi_document().to_pretty_json().expect("JSON") + "\n";
    committed("openapi/loopledger.json", &document);
    let app = TestApp::start(Kind::Sqlite);
    let served: serde_json::Value = app.get("/openapi.json", "").json();
    assert_eq!(served, serde_json::from_str::<serde_json::Value>(&document).expect("JSON"));
    let docs = app.get("/docs/", "");
    assert_eq!((docs.status, docs.text.contains("swagger-ui")), (200, true));
}

/// Schemas are known by their names alone: of two types with one name the document would describe one, wherever it means the
/// other.
#[test]
fn no_two_schemas_share_a_name() {
    let mut names = std::collections::BTreeMap::<String, Vec<String>>::new();
    for file in sources(&root().join("src/http")) {
        let text = fs::read_to_string(&file).expect("readable");
        for declared in text.split("ToSchema").skip(1).filter_map(name_of_next_type) {
            names.entry(declared).or_default().push(file.display().to_string());
        }
    }
    assert!(names.len() > 50, "they were found");
    names.retain(|_, files| files.len() > 1);
    assert!(names.is_empty(), "{names:?}");
}

/// The name of the type that what follows a derived `ToSchema` declares; the `use` lines declare none.
fn name_of_next_type(rest: &str) -> Option<String> {
    let is_derived = rest.split(['\n', ';']).next().is_some_and(|line| line.trim_end().ends_with(")]"));
    let mut words = rest
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .skip_while(|word| !["struct", "enum"].contains(word));
    words.nth(1).filter(|_| is_derived).map(str::to_owned)
}

#[test]
fn every_operation_says_what_it_does() {
    let document = serde_json::to_value(loopledger::http::openapi_document()).expect("JSON");
    let mut silent = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            if operation["summary"].as_str().is_none_or(str::is_empty) {
                silent.push(format!("{method} {path}"));
            }
        }
    }
    assert_eq!(silent, Vec::<String>::new());
}

/// Every field of every type with its class: whoever adds one shows here that it carries nothing personal.
#[test]
fn every_field_has_a_class() {
    let mut list = String::from("# Every field of every payload, version 1, and what kind of information it carries\n");
    describe(&mut list, "every type", Common::FIELDS);
    for (name, fields) in Event::TYPES {
        describe(&mut list, name, fields);
    }
    committed("tests/vectors/payload_fields_v1.txt", &list);
}

fn describe(list: &mut String, name: &str, fields: &[FieldInfo]) {
    writeln!(list, "\n{name}").expect("memory");
    describe_under(list, "", fields);
}

fn describe_under(list: &mut String, above: &str, fields: &[FieldInfo]) {
    for field in fields {
        let (path, optional) = (format!("{above}/{}", field.name), if field.required { "" } else { " (optional)" });
        let class = match field.class {
            FieldClass::Structure(_) => "Structure".to_owned(),
            other => format!("{other:?}"),
        };
        writeln!(list, "  {path}: {class}{optional}").expect("memory");
        // A commitment is a structure of one field; its class says it all.
        if let FieldClass::Structure(inner) = field.class {
            describe_under(list, &path, inner);
        }
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

/// The floor of a source file; what stands beside the folders is known to all.
fn floor_of(module: &str) -> Option<usize> {
    const FLOORS: &[&[&str]] = &[&["domain"], &["proof"], &["store"], &["ledger"], &["http", "web"], &["cli"]];
    FLOORS.iter().position(|floor| floor.contains(&module))
}

#[test]
fn floors_point_down() {
    let source = root().join("src");
    let mut breaches = Vec::new();
    for file in sources(&source) {
        let relative = file.strip_prefix(&source).expect("inside").to_owned();
        let own = relative.components().next().and_then(|first| first.as_os_str().to_str()).unwrap_or_default();
        let Some(floor) = floor_of(own) else { continue };
        for (number, line) in fs::read_to_string(&file).expect("readable").lines().enumerate() {
            let named = line
                .split("crate::")
                .skip(1)
                .filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next());
            for module in named {
                if floor_of(module).is_some_and(|theirs| theirs > floor || (theirs == floor && module != own)) {
                    breaches.push(format!("{}:{} uses {module}", relative.display(), number + 1));
                }
            }
        }
    }
    assert_eq!(breaches, Vec::<String>::new());
}

/// What may stand where: each line of the table is a word and the folders that may use it.
#[test]
fn words_stay_on_their_floor() {
    let table: [(&str, &[&str], &str); 9] = [
        ("diesel::", &["store"], "SQL stays in store"),
        ("actix_web::", &["http", "web"], "HTTP stays in http and web"),
        ("utoipa::", &["http", "web"], "OpenAPI stays in http and web"),
        ("SystemTime::now", &["ledger/clock.rs"], "pass a Clock"),
        ("env::var", &["config.rs"], "config reads the environment"),
        ("on_conflict", &[], "look up under the head's lock, then insert"),
        ("for_update", &[], "head::lock locks by a write"),
        (".unwrap()", &[], "return an error, or name the invariant"),
        ("println!", &["cli"], "log with tracing"),
    ];
    let source = root().join("src");
    let mut breaches = Vec::new();
    for file in sources(&source) {
        let relative = file.strip_prefix(&source).expect("inside").to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).expect("readable");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (word, places, instead) in &table {
            let here = places.iter().any(|place| relative.starts_with(place)) || relative == "main.rs";
            if code.contains(word) && !here {
                breaches.push(format!("{relative} has {word}: {instead}"));
            }
        }
    }
    assert_eq!(breaches, Vec::<String>::new());
}

#[derive(QueryableByName, PartialEq, Eq, Debug)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
}

/// After migrating, both databases have the same tables, columns, types and nullability.
#[test]
fn the_schemas_are_twins() {
    if !crate::harness::postgres_is_here() {
        return;
    }
    let (sqlite, postgres) = (TestDatabase::new(Kind::Sqlite), TestDatabase::new(Kind::Postgres));
    for database in [&sqlite, &postgres] {
        Store::open(&database.url, 1).expect("migrated");
    }
    let DatabaseUrl::Sqlite(path) = &sqlite.url else { unreachable!("made as SQLite") };
    let DatabaseUrl::Postgres(url) = &postgres.url else { unreachable!("made as PostgreSQL") };
    let of_sqlite: Vec<Column> = sql_query(
        "SELECT t.name || '.' || c.name AS name, upper(c.type) || CASE WHEN c.\"notnull\" THEN '' ELSE ' NULL' END AS kind \
         FROM sqlite_schema t JOIN pragma_table_info(t.name) c \
         WHERE t.type = 'table' AND t.name NOT LIKE '\\_\\_%' ESCAPE '\\' ORDER BY 1",
    )
    .load(&mut diesel::SqliteConnection::establish(&path.to_string_lossy()).expect("SQLite"))
    .expect("columns");
    let of_postgres: Vec<Column> = sql_query(
        "SELECT table_name || '.' || column_name AS name, \
         CASE data_type WHEN 'bytea' THEN 'BLOB' ELSE upper(data_type) END \
         || CASE is_nullable WHEN 'NO' THEN '' ELSE ' NULL' END AS kind \
         FROM information_schema.columns \
         WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_\\_%' ORDER BY (table_name || '.' || column_name) COLLATE \"C\"",
    )
    .load(&mut diesel::PgConnection::establish(url).expect("PostgreSQL"))
    .expect("columns");
    assert!(of_sqlite.len() > 30);
    assert_eq!(of_sqlite, of_postgres);
}

#[test]
fn migration_folders_are_twins() {
    let names = |database: &str| {
        let folder = root().join("migrations").join(database);
        let mut names: Vec<_> =
            fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
}
