//! What orders cost: neither many statements about the same units, nor many orders that lose theirs, take more queries than
//! one, and no page of the stock reads all that is reserved.

use crate::harness::{Kind, NOON_MS, Party, TestApp, TestDatabase, both_databases, postgres_is_here, signed};
use crate::orders::{order_of, pay, placed, status};
use crate::orders_served::append_counting;
use crate::story::Story;
use loopledger::ledger::orders::OrderCode;
use loopledger::ledger::posting::{Outcome, Refused};
use loopledger::store::Store;
use serde_json::json;

/// Somebody who holds nothing and the centre both give the same units away so many times, of which some are reserved. Gives
/// the queries about orders that this took.
fn queries_of_claims(kind: Kind, count: usize) -> usize {
    let app = TestApp::start(kind);
    let story = Story::begin(&app);
    story.whole_batch(100_000);
    let whole = story.issue(None);
    let (buyer, stranger) = (app.join(&["buyer"]), app.join(&["buyer"]));
    for _ in 0..10 {
        placed(&app, &buyer, &order_of(5, &json!({})));
    }
    let claim =
        |party: &Party| signed(party, "certificate_transferred", &json!({"certificate": whole, "to": buyer.id}));
    let statements: Vec<String> = (0..count).flat_map(|_| [claim(&stranger), claim(&story.centre)]).collect();
    let (outcomes, queries, _database) = append_counting(app, &statements);
    assert_eq!(outcomes.len(), 2 * count);
    for pair in outcomes.chunks(2) {
        let [Outcome::Refused(Refused::Rules(_)), Outcome::Refused(Refused::Order(refusal))] = pair else {
            panic!("{pair:?}");
        };
        assert_eq!(refusal.code, OrderCode::UnitsReserved);
    }
    queries
}

/// All stock is frozen while so many orders hold a unit of it, each second one paid; gives the queries that this took.
fn queries_of_a_loss(kind: Kind, count: usize) -> usize {
    let app = TestApp::start(kind);
    let story = Story::begin(&app);
    story.whole_batch(100_000);
    let whole = story.issue(None);
    let buyer = app.join(&["buyer"]);
    let ids: Vec<String> = (0..count).map(|_| placed(&app, &buyer, &order_of(1, &json!({})))).collect();
    for id in ids.iter().step_by(2) {
        assert_eq!(pay(&app, &story.centre, id, "A").status, 200);
    }
    let freeze = signed(&story.issuer, "certificate_frozen", &json!({"certificate": whole, "reason": "review"}));
    let (outcomes, queries, database) = append_counting(app, &[freeze]);
    assert!(matches!(outcomes[0], Outcome::Accepted(_)), "{outcomes:?}");
    let app = TestApp::start_on(database, NOON_MS);
    for pair in ids.chunks(2) {
        let standing = [status(&app, &buyer, &pair[0]), status(&app, &buyer, &pair[1])];
        assert_eq!(standing, ["waiting", "lapsed"]);
    }
    queries
}

both_databases! {
    /// What is reserved is read where the rules let a statement through, and once for all that name the same units.
    fn what_is_reserved_is_read_once(kind) {
        let (one, many) = (queries_of_claims(kind, 1), queries_of_claims(kind, 40));
        println!("queries of an append with 2 claims to units: {one}, with 80: {many}");
        assert_eq!(one, many);
    }

    /// Orders that lose their units in one entry are written as one.
    fn orders_lose_their_units_as_one(kind) {
        let (few, many) = (queries_of_a_loss(kind, 4), queries_of_a_loss(kind, 40));
        println!("queries of an append in which 4 orders lose their units: {few}, 40: {many}");
        assert_eq!(few, many);
    }
}

/// Stock and what is reserved of it are joined by an index: they sort pools alike.
#[test]
fn an_index_serves_the_stock() {
    if !postgres_is_here() {
        return;
    }
    let database = TestDatabase::new(Kind::Postgres);
    drop(Store::open(&database.url, 1).expect("the database opens"));
    // So many that to read all of them costs more than to look up those of a page.
    let check = "
        INSERT INTO stock (serial, pool, first_unit, last_unit, seller, country, vintage, issuer, expires)
            SELECT 'S' || n, 'P' || n / 40, n, n, 'S', 'XD', 24322, 'I', '2028-11-23' FROM generate_series(1, 20000) n;
        INSERT INTO order_units (order_id, pool, first_unit, last_unit, seller, expires, entry)
            SELECT 'O' || n, 'P' || n / 40, n, n, 'S', '2028-11-23', -1 FROM generate_series(1, 20000, 2) n;
        ANALYZE stock; ANALYZE order_units;
        DO $$
        DECLARE line TEXT; plan TEXT := ''; is_served BOOLEAN := FALSE;
        BEGIN
            FOR line IN EXECUTE 'EXPLAIN SELECT serial FROM stock WHERE NOT EXISTS (SELECT 1 FROM order_units
                WHERE order_units.pool = stock.pool AND order_units.entry = -1
                AND order_units.first_unit <= stock.first_unit AND order_units.last_unit >= stock.last_unit)
                ORDER BY vintage, pool, first_unit LIMIT 200'
            LOOP
                plan := plan || line || chr(10);
                is_served := is_served OR line LIKE '%Index Cond:%pool = stock.pool%';
            END LOOP;
            IF NOT is_served THEN RAISE EXCEPTION '%', plan; END IF;
        END $$;";
    database.tamper(check).expect("a plan that looks pools up");
}
