//! What orders cost: neither many statements about the same units, nor many orders that lose theirs, take more queries than one.

use crate::harness::{Kind, NOON_MS, Party, TestApp, both_databases, signed};
use crate::orders::{block, order_of, pay, placed, status};
use crate::orders_served::append_counting;
use crate::story::Story;
use loopledger::ledger::orders::OrderCode;
use loopledger::ledger::posting::{Outcome, Refused};
use serde_json::json;

/// So many statements of somebody who holds nothing, each of which the rules refuse; gives the queries about orders.
fn queries_of_vain_claims(kind: Kind, count: usize) -> usize {
    let app = TestApp::start(kind);
    let story = Story::begin(&app);
    story.whole_batch(100_000);
    let whole = story.issue(None);
    let (buyer, stranger) = (app.join(&["buyer"]), app.join(&["buyer"]));
    placed(&app, &buyer, &order_of(5, &json!({})));
    // Of what others hold, and of what nobody ever issued.
    let claim = |position: usize| {
        let block = if position.is_multiple_of(2) {
            whole.clone()
        } else {
            block(1_000 + i64::try_from(position).expect("small"), 2_000)
        };
        signed(&stranger, "certificate_transferred", &json!({"certificate": block, "to": buyer.id}))
    };
    let (outcomes, queries, _database) = append_counting(app, &(0..count).map(claim).collect::<Vec<_>>());
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Refused(Refused::Rules(_)))), "{outcomes:?}");
    queries
}

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

    /// For a statement that the rules refuse nothing is read of what is reserved.
    fn nothing_is_read_for_who_holds_nothing(kind) {
        assert_eq!(queries_of_vain_claims(kind, 0), queries_of_vain_claims(kind, 40));
    }

    /// Orders that lose their units in one entry are written as one.
    fn orders_lose_their_units_as_one(kind) {
        let (few, many) = (queries_of_a_loss(kind, 4), queries_of_a_loss(kind, 40));
        println!("queries of an append in which 4 orders lose their units: {few}, 40: {many}");
        assert_eq!(few, many);
    }
}
