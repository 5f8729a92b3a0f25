//! Indexes serve what is searched under the head's lock: the very queries that the store sends, as both databases plan them.

use crate::harness::{Kind, TestDatabase, both_databases};
use diesel::connection::InstrumentationEvent;
use diesel::sql_types::Text;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use loopledger::store::stock::{self, StockFilter};
use loopledger::store::{Database, DatabaseUrl, Store, records};
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// So much that to read all of it costs more than to look up a page.
const ROWS: &str = "
    INSERT INTO stock (serial, pool, first_unit, last_unit, seller, country, vintage, issuer, expires)
        WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)
        SELECT 'S' || n, 'P' || n / 40, n, n, 'S', 'XD', 24322, 'I', '2028-11-23' FROM numbers;
    INSERT INTO order_units (order_id, pool, first_unit, last_unit, seller, expires, entry)
        SELECT 'O' || first_unit, pool, first_unit, last_unit, seller, expires, -1 FROM stock WHERE first_unit % 2 = 1;
    INSERT INTO records (id, kind, body, since)
        SELECT serial, 'site', '{\"organisation\":\"O' || first_unit || '\"}', 0 FROM stock;
    ANALYZE;";

type Sent = Arc<Mutex<Vec<String>>>;

fn listening(sent: &Sent) -> impl FnMut(InstrumentationEvent<'_>) + Send + 'static {
    let sent = Arc::clone(sent);
    move |event| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            sent.lock().expect("queries").push(query.to_string());
        }
    }
}

fn connect(database: &TestDatabase, sent: &Sent) -> Database {
    match &database.url {
        DatabaseUrl::Sqlite(path) => {
            let mut connection = SqliteConnection::establish(&path.to_string_lossy()).expect("the database");
            connection.set_instrumentation(listening(sent));
            Database::Sqlite(connection)
        }
        DatabaseUrl::Postgres(url) => {
            let mut connection = PgConnection::establish(url).expect("the database");
            connection.set_instrumentation(listening(sent));
            Database::Postgres(connection)
        }
    }
}

/// A query as it was sent, with the values that it binds in their places.
fn complete(sent: &str) -> String {
    let (query, binds) = sent.split_once(" -- binds: ").expect("binds");
    let binds: Vec<Value> = serde_json::from_str(binds).expect("values");
    let value = |bind: &Value| bind.as_str().map_or_else(|| bind.to_string(), |text| format!("'{text}'"));
    let mut query = query.to_owned();
    for (position, bind) in binds.iter().enumerate().rev() {
        query = query.replace(&format!("${}", position + 1), &value(bind));
    }
    for bind in &binds {
        query = query.replacen('?', &value(bind), 1);
    }
    query
}

#[derive(QueryableByName)]
struct OfPostgres {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

#[derive(QueryableByName)]
struct OfSqlite {
    #[diesel(sql_type = Text)]
    detail: String,
}

fn plan(connection: &mut Database, query: &str) -> String {
    let lines: Vec<String> = match connection {
        Database::Postgres(connection) => {
            let lines: Vec<OfPostgres> = sql_query(format!("EXPLAIN {query}")).load(connection).expect("a plan");
            lines.into_iter().map(|line| line.line).collect()
        }
        Database::Sqlite(connection) => {
            let lines: Vec<OfSqlite> =
                sql_query(format!("EXPLAIN QUERY PLAN {query}")).load(connection).expect("a plan");
            lines.into_iter().map(|line| line.detail).collect()
        }
    };
    lines.join("\n")
}

both_databases! {
    fn an_index_serves_what_orders_search(kind) {
        let database = TestDatabase::new(kind);
        drop(Store::open(&database.url, 1).expect("the database opens"));
        database.tamper(ROWS).expect("rows");
        let sent = Sent::default();
        let mut connection = connect(&database, &sent);
        for unpaid_too in [false, true] {
            for seller in ["", "S"] {
                let filter = StockFilter { seller: seller.into(), on: "2026-11-23".into(), unpaid_too, ..StockFilter::default() };
                stock::page(&mut connection, &filter, None, 200).expect("a page");
                stock::page(&mut connection, &filter, Some(&(24_322, "P7".into(), 300)), 200).expect("a page");
            }
        }
        records::sites_of(&mut connection, "nobody", 1_000).expect("no sites");
        let queries = std::mem::take(&mut *sent.lock().expect("queries"));
        assert_eq!(queries.len(), 9);
        for query in queries {
            let is_stock = query.contains("stock");
            let plan = plan(&mut connection, &complete(&query));
            // Both databases name the index, and by what it is asked.
            let words: &[&str] = match (kind, is_stock) {
                (Kind::Sqlite, true) => &["USING INDEX stock_", "SEARCH order_units USING INDEX order_units_pool (pool=?"],
                (Kind::Postgres, true) => &["Index Cond:", "pool = stock.pool"],
                (Kind::Sqlite, false) => &["USING INDEX records_sites_of ("],
                (Kind::Postgres, false) => &["records_sites_of"],
            };
            assert!(words.iter().all(|word| plan.contains(word)), "{query}\n{plan}");
        }
    }
}
