//! What goes wrong around orders: connections that break, software that is too old, units that are lost in part.

use crate::harness::{Kind, TestApp, both_databases, new_id, postgres_is_here};
use crate::orders::{block, kg, order_of, pay, place, placed, read, status, units};
use crate::story::Story;
use serde_json::json;

/// After the database was restarted nothing can have been written over the connections that it cut: an order is simply placed.
#[test]
fn a_connection_that_broke_while_idle() {
    if !postgres_is_here() {
        return;
    }
    let app = TestApp::start(Kind::Postgres);
    let story = Story::begin(&app);
    story.whole_batch(100_000);
    story.issue(None);
    let buyer = app.join(&["buyer"]);
    for _ in 0..3 {
        app.database.cut_connections();
        placed(&app, &buyer, &order_of(1, &json!({})));
    }
}

both_databases! {
    /// A node that does not carry the rules in force takes no orders, and stops nobody who does.
    fn rules_that_this_software_lacks(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        story.issue(None);
        let buyer = app.join(&["buyer"]);
        let order = order_of(1, &json!({}));
        app.database.rename_rules("", "9");
        place(&app, &buyer, &order).refused(503, "not_committed", "");
        // It appends nothing either, and refuses nothing for good: not even what asks for no rule set.
        let split = json!({"certificate": block(1, 97), "into": [block(1, 50), block(51, 97)]});
        let part = || app.say(&story.centre, "certificate_split", &split);
        part().refused(503, "not_committed", "");
        app.say(&story.centre, "batch_opened", &json!({"batch": new_id()})).refused(503, "not_committed", "");
        assert_eq!(app.ledger.health.halted(), None);
        app.database.rename_rules("9", "");
        placed(&app, &buyer, &order);
        part().accepted();
    }

    /// Of many orders that lose units at once, one loses a part of what lay side by side, and those beside it nothing.
    fn a_stretch_that_is_lost_in_part(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        let into = [block(1, 15), block(16, 97)];
        app.say(&story.centre, "certificate_split", &json!({"certificate": story.issue(None), "into": into})).accepted();
        let buyer = app.join(&["buyer"]);
        let ids: Vec<String> = (0..6).map(|_| placed(&app, &buyer, &order_of(4, &json!({})))).collect();
        assert_eq!(units(&read(&app, &buyer, &ids[3])["reserved"]), [block(13, 15), block(16, 16)]);
        // All but the first have paid.
        for id in &ids[1..] {
            assert_eq!(pay(&app, &story.centre, id, "A").status, 200);
        }
        app.say(&story.issuer, "certificate_frozen", &json!({"certificate": block(1, 15), "reason": "review"})).accepted();
        assert_eq!(status(&app, &buyer, &ids[0]), "lapsed");
        let reserved = |position: usize| units(&read(&app, &buyer, &ids[position])["reserved"]);
        assert_eq!((reserved(1), reserved(2)), (vec![block(25, 28)], vec![block(29, 32)]));
        assert_eq!(reserved(3), [block(16, 16), block(33, 35)], "it keeps what it did not lose");
        assert_eq!((reserved(4), reserved(5)), (vec![block(17, 20)], vec![block(21, 24)]));
        assert_eq!(kg(&read(&app, &buyer, &ids[3])["reserved"]), 4);
    }

    /// Of what a buyer gave up the newest 200 orders can be read.
    fn orders_that_were_given_up_are_forgotten(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        story.issue(None);
        let (buyer, other) = (app.join(&["buyer"]), app.join(&["buyer"]));
        let others = placed(&app, &other, &order_of(1, &json!({})));
        assert_eq!(app.delete(&format!("/v1/orders/{others}"), &other.token).status, 204);
        let kept = placed(&app, &buyer, &order_of(1, &json!({})));
        let give_up = |_| {
            let id = placed(&app, &buyer, &order_of(1, &json!({})));
            assert_eq!(app.delete(&format!("/v1/orders/{id}"), &buyer.token).status, 204);
            id
        };
        let ids: Vec<String> = (0..202).map(give_up).collect();
        for id in &ids[..2] {
            app.get(&format!("/v1/orders/{id}"), &buyer.token).refused(404, "not_found", "");
        }
        assert_eq!((status(&app, &buyer, &ids[2]).as_str(), status(&app, &buyer, &kept).as_str()), ("cancelled", "reserved"));
        assert_eq!(status(&app, &other, &others), "cancelled", "each buyer's are counted by themselves");
    }
}
