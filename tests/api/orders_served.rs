//! Who is served when stock appears: the line of that centre alone, so much in one transaction, and nobody is forgotten.

use crate::halts::{Backup, is_halted};
use crate::harness::{
    Kind, NOON_MS, Party, TestApp, TestDatabase, both_databases, given_clock, new_id, operator_id, signed,
};
use crate::orders::{order_of, pay, place, placed, read};
use crate::story::Story;
use diesel::connection::InstrumentationEvent;
use diesel::{Connection, PgConnection, SqliteConnection};
use loopledger::domain::ids::Origin;
use loopledger::ledger::append::append;
use loopledger::ledger::demands::Demands;
use loopledger::ledger::posting::{Group, Mode, Outcome};
use loopledger::ledger::tokens::{self, Scope};
use loopledger::store::{Database, DatabaseUrl};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

const HOUR_MS: i64 = 3_600_000;
/// Looks at an idle ledger after which we give up: far more than the second between two looks of the node has room for.
const IDLE_LOOKS_MAX: usize = 20_000;

/// Orders of 1 kg that are paid and wait, dealt out to some centres in turn; gives their ids.
fn wait_in_line(app: &TestApp, kind: Kind, buyer: &Party, sellers: &[String], count: usize) -> Vec<String> {
    let sha = match kind {
        Kind::Sqlite => format!("x'{}'", "00".repeat(32)),
        Kind::Postgres => format!("decode('{}', 'hex')", "00".repeat(32)),
    };
    let ids: Vec<String> = (0..count).map(|_| new_id()).collect();
    let row = |(position, id): (usize, &String)| {
        let (number, seller) = (position + 1, &sellers[position % sellers.len()]);
        let buyer = &buyer.id;
        format!(
            "({number}, '{id}', {sha}, '{buyer}', '{seller}', 1, '', '', '', '', '', 'transfer', '', '', '', 1, \
             'waiting', {NOON_MS}, {NOON_MS}, {number}, {NOON_MS}, 'RF18')"
        )
    };
    let rows: Vec<String> = ids.iter().enumerate().map(row).collect();
    let columns = "number, id, content_sha256, buyer, seller, units, devices, country, centre, vintage_from, \
                   vintage_until, delivery, period_from, period_until, purpose_kind, advance, standing, created_ms, \
                   until_ms, paid_number, paid_ms, payment";
    app.database.tamper(&format!("INSERT INTO orders ({columns}) VALUES {}", rows.join(", "))).expect("orders");
    ids
}

/// Counts the queries about orders and stock that go over a connection.
fn counted(queries: &Arc<AtomicUsize>) -> impl FnMut(InstrumentationEvent<'_>) + Send + 'static {
    let queries = Arc::clone(queries);
    move |event| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            if ["order", "stock", "unserved"].iter().any(|table| text.contains(table)) {
                queries.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

fn connect(database: &TestDatabase, queries: &Arc<AtomicUsize>) -> Database {
    match &database.url {
        DatabaseUrl::Sqlite(path) => {
            let mut connection = SqliteConnection::establish(&path.to_string_lossy()).expect("the database");
            connection.set_instrumentation(counted(queries));
            Database::Sqlite(connection)
        }
        DatabaseUrl::Postgres(url) => {
            let mut connection = PgConnection::establish(url).expect("the database");
            connection.set_instrumentation(counted(queries));
            Database::Postgres(connection)
        }
    }
}

/// Appends statements in one transaction, as a node would, and then stops without another word. Gives what became of them,
/// the queries about orders that the append made, and the database.
pub fn append_counting(app: TestApp, statements: &[String]) -> (Vec<Outcome>, usize, TestDatabase) {
    let prepare = |jws: &String| app.ledger.prepare(jws, Vec::new()).expect("a statement");
    let group = Group { posted: statements.iter().map(prepare).collect(), mode: Mode::Each };
    let (origin, now_ms): (Origin, _) = (app.ledger.origin.clone(), app.now_ms.load(Ordering::SeqCst));
    let database = app.stop();
    let queries = Arc::new(AtomicUsize::new(0));
    let mut connection = connect(&database, &queries);
    let clock = given_clock(&Arc::new(AtomicI64::new(now_ms)));
    let appended = connection.transaction(|connection| {
        let appended = append(connection, &origin, &clock, None, Demands::default(), &[&group]);
        appended.map_err(|_| diesel::result::Error::RollbackTransaction)
    });
    let mut outcomes = appended.expect("appended").outcomes;
    (outcomes.remove(0), queries.load(Ordering::SeqCst), database)
}

/// Issues what a batch gave; gives the queries about orders that the append made, and the database.
fn append_the_issue(app: TestApp, jws: &str) -> (usize, TestDatabase) {
    let (outcomes, queries, database) = append_counting(app, &[jws.to_owned()]);
    assert!(matches!(outcomes[0], Outcome::Accepted(_)), "{outcomes:?}");
    (queries, database)
}

fn paid(app: &TestApp, buyer: &Party, ids: &[String]) -> usize {
    ids.iter().filter(|id| read(app, buyer, id)["status"] == "paid").count()
}

/// An issue at one of so many centres, each with 20 orders in its line; gives the queries that it took.
fn queries_beside(kind: Kind, centres: usize) -> usize {
    let app = TestApp::start(kind);
    let story = Story::begin(&app);
    story.whole_batch(30_000);
    let buyer = app.join(&["buyer"]);
    let jws = signed(&story.issuer, "certificate_issued", &story.draft(None).json());
    let sellers: Vec<String> = [story.centre.id.clone()].into_iter().chain((1..centres).map(|_| new_id())).collect();
    let ids = wait_in_line(&app, kind, &buyer, &sellers, 20 * centres);
    let (queries, database) = append_the_issue(app, &jws);
    let app = TestApp::start_on(database, NOON_MS);
    let own: Vec<String> = ids.iter().step_by(centres).cloned().collect();
    assert_eq!((paid(&app, &buyer, &own), own.len()), (20, 20), "the line of the centre is served");
    queries
}

both_databases! {
    /// What an append costs does not depend on who waits for other centres.
    fn only_the_centre_whose_stock_changed_is_served(kind) {
        let (alone, among_fifty) = (queries_beside(kind, 1), queries_beside(kind, 50));
        println!("queries of an append that serves 20 orders: {alone} alone, {among_fifty} with 980 orders of 49 others");
        assert_eq!(alone, among_fifty);
        // Two for each order, which get their units and are complete, and a handful for all of them.
        assert!(alone <= 2 * 20 + 20, "{alone}");
    }

    /// More wait than one transaction serves: the next ones go on, also if we crash in between.
    fn a_long_line_is_served_in_steps(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(250_000);
        let (buyer, other) = (app.join(&["buyer"]), app.join(&["buyer"]));
        let jws = signed(&story.issuer, "certificate_issued", &story.draft(None).json());
        let ids = wait_in_line(&app, kind, &buyer, std::slice::from_ref(&story.centre.id), 200);
        let (queries, database) = append_the_issue(app, &jws);
        println!("queries of an append that serves 64 orders of 200: {queries}");
        assert!(queries <= 2 * 64 + 20, "{queries}");
        let app = TestApp::start_on(database, NOON_MS);
        // Whoever comes next finds all of them served before.
        place(&app, &other, &order_of(43, &json!({}))).refused(409, "not_in_stock", "");
        assert_eq!(paid(&app, &buyer, &ids), 200);
        assert_eq!(place(&app, &other, &order_of(42, &json!({}))).status, 201);
    }

    /// Who waits for something else at the head of a line does not keep the others from theirs.
    fn who_wants_something_else_is_passed_over(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(30_000);
        let buyer = app.join(&["buyer"]);
        let jws = signed(&story.issuer, "certificate_issued", &story.draft(None).json());
        let ids = wait_in_line(&app, kind, &buyer, std::slice::from_ref(&story.centre.id), 320);
        app.database.tamper("UPDATE orders SET vintage_from = '2027-01' WHERE number <= 300").expect("SQL");
        let (queries, database) = append_the_issue(app, &jws);
        println!("queries of an append that serves 20 orders behind 300 others: {queries}");
        assert!(queries <= 2 * 20 + 24, "{queries}");
        let app = TestApp::start_on(database, NOON_MS);
        assert_eq!((paid(&app, &buyer, &ids[..300]), paid(&app, &buyer, &ids[300..])), (0, 20));
    }

    /// On a ledger where nothing happens any more, what is due is settled all the same.
    fn an_idle_ledger_settles_what_is_due(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        story.issue(None);
        let buyer = app.join(&["buyer"]);
        let wish = json!({"deliver": {
            "how": "retire", "period": {"from": "2026-01-01", "until": "2026-12-31"}, "purpose_kind": "other",
            "beneficiary": "Example Textiles Ltd", "beneficiary_number": "XD 0123.456.789", "purpose": "Our offices",
        }});
        let body = order_of(10, &wish);
        assert_eq!(place(&app, &buyer, &body).status, 201);
        let id = body["id"].as_str().expect("an id");
        app.now_ms.fetch_add(72 * HOUR_MS, Ordering::SeqCst);
        // The row's key refuses a second value as long as the first one is there.
        let check = format!("INSERT INTO order_values (order_id, pointer, value) VALUES ('{id}', '/purpose', 'x')");
        // It looks once a second, and each of our looks that fails takes the database a moment.
        let is_gone = (0..IDLE_LOOKS_MAX).any(|_| {
            std::thread::yield_now();
            app.database.tamper(&check).is_ok()
        });
        assert!(is_gone, "what is personal of an order that lapsed is still there after {IDLE_LOOKS_MAX} looks");
        assert_eq!(read(&app, &buyer, id)["status"], "lapsed");
    }

    /// A row that cannot be read halts the ledger, as it does where statements are appended.
    fn an_order_that_cannot_be_read(kind) {
        let mut app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        story.issue(None);
        let buyer = app.join(&["buyer"]);
        let id = placed(&app, &buyer, &order_of(1, &json!({})));
        app.database.tamper("UPDATE orders SET delivery = 'by mail'").expect("SQL");
        pay(&app, &story.centre, &id, "A").refused(503, "ledger_halted", "");
        is_halted(&app, "order 1 cannot be read");
        app.expect_damage();
    }

    /// A database that went back gives no units away: they may be sold in the history that others have seen.
    fn no_order_on_a_database_that_went_back(kind) {
        let mut app = TestApp::unpublished(kind);
        let scopes = Scope::ALL.iter().copied().collect();
        let token = tokens::create(&app.ledger.store, &app.ledger.clock, operator_id(), &scopes, 1).expect("a token");
        app.operator.token = token.token;
        let buyer = app.join(&["buyer"]);
        let backup = Backup::take(&app.database);
        app.join(&["donor"]);
        place(&app, &buyer, &order_of(1, &json!({}))).refused(409, "not_in_stock", "");
        backup.put_back(&app.database);
        place(&app, &buyer, &order_of(1, &json!({}))).refused(503, "ledger_halted", "");
        is_halted(&app, "the database went back");
        app.expect_damage();
    }
}
