//! Deliveries of more pieces than one statement names.

use crate::harness::{Kind, Party, TestApp, both_databases};
use crate::orders::{block, deliver, order_of, pay, place, placed, read, retire, status};
use crate::story::Story;
use serde_json::{Value, json};

const UNITS: i64 = 350;
const PIECES: i64 = 160;

/// A paid order whose units are every second one of a block.
fn in_pieces(app: &TestApp, story: &Story<'_>, change: &Value) -> (Party, String) {
    story.whole_batch(361_000);
    assert_eq!(story.issue(None), block(1, UNITS));
    let buyers: Vec<Party> = (0..UNITS / 50).map(|_| app.join(&["buyer"])).collect();
    let small: Vec<(&Party, String)> = buyers
        .iter()
        .flat_map(|buyer| (0..50).map(move |_| (buyer, placed(app, buyer, &order_of(1, &json!({}))))))
        .collect();
    story.batch(300_000);
    let buyer = app.join(&["buyer"]);
    let mut body = order_of(PIECES, change);
    body["advance"] = json!(true);
    let id = placed(app, &buyer, &body);
    assert_eq!(pay(app, &story.centre, &id, "A").json()["status"], "waiting");
    for (owner, order) in small.iter().skip(1).step_by(2) {
        assert_eq!(app.delete(&format!("/v1/orders/{order}"), &owner.token).status, 204);
    }
    let pieces: Vec<Value> = (1..=PIECES).map(|piece| json!({"units": block(2 * piece, 2 * piece), "kg": 1})).collect();
    let order = read(app, &buyer, &id);
    assert_eq!((&order["status"], &order["reserved"]), (&json!("paid"), &json!(pieces)));
    (buyer, id)
}

/// Delivers an order in two steps, whose drafts have these types of statements.
fn in_two_steps(kind: Kind, change: &Value, last: &str, counts: [usize; 2]) {
    let app = TestApp::start(kind);
    let story = Story::begin(&app);
    let (buyer, id) = in_pieces(&app, &story, change);
    for (left, count) in [60, 0].into_iter().zip(counts) {
        assert_eq!(status(&app, &buyer, &id), "paid");
        let draft = app.get(&format!("/v1/orders/{id}/delivery"), &story.centre.token).json();
        let types: Vec<&str> = draft["statements"]
            .as_array()
            .expect("statements")
            .iter()
            .filter_map(|said| said["type"].as_str())
            .collect();
        assert_eq!((draft["left_kg"].as_i64(), types.len()), (Some(left), 1 + count));
        assert!(types[0] == "certificate_split" && types[1..].iter().all(|said| *said == last), "{types:?}");
        let answer = deliver(&app, &story.centre, &id);
        assert!(answer.lines().iter().all(|line| line["status"] == 201), "{}", answer.text);
    }
    let order = read(&app, &buyer, &id);
    assert_eq!((order["status"].as_str(), order["reserved"].as_array().map(Vec::len)), (Some("delivered"), Some(0)));
    assert_eq!(order["delivered"].as_array().map(Vec::len), Some(160));
    let end = app.get(&format!("/v1/certificates/{}", block(320, 320)), "").json();
    assert_eq!(end["status"], if last == "certificate_retired" { "retired" } else { "held" });
    assert_eq!(app.get(&format!("/v1/certificates/{}", block(321, UNITS)), "").json()["status"], "held");
}

both_databases! {
    /// Units that come back in more pieces than one turn gives go to who waits all the same, before anybody new.
    fn more_pieces_than_one_turn_gives(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(361_000);
        let whole = story.issue(None);
        assert_eq!(whole, block(1, UNITS));
        let (one, two, three) = (app.join(&["buyer"]), app.join(&["buyer"]), app.join(&["buyer"]));
        let first = placed(&app, &one, &order_of(UNITS, &json!({})));
        assert_eq!(pay(&app, &story.centre, &first, "A").json()["status"], "paid");
        let into: Vec<String> = (1..=200).map(|unit| block(unit, unit)).chain([block(201, UNITS)]).collect();
        app.say(&story.centre, "certificate_split", &json!({"certificate": whole, "into": into})).accepted();
        story.batch(300_000);
        let second = placed(&app, &two, &order_of(150, &json!({"advance": true})));
        assert_eq!(pay(&app, &story.centre, &second, "B").json()["status"], "waiting");
        let back = json!({"reference": "A"});
        assert_eq!(app.post_json(&format!("/v1/orders/{first}/refund"), &story.centre.token, &back).status, 200);
        let answer = place(&app, &three, &order_of(201, &json!({})));
        answer.refused(409, "not_in_stock", "");
        assert!(answer.text.contains("200 kg that match are free"), "{}", answer.text);
        let order = read(&app, &two, &second);
        assert_eq!((&order["status"], order["reserved"].as_array().map(Vec::len)), (&json!("paid"), Some(150)));
    }

    fn transfers_in_steps(kind) {
        in_two_steps(kind, &json!({}), "certificate_transferred", [100, 60]);
    }

    fn retirements_in_steps(kind) {
        let wish = json!({"deliver": retire(("2026-01-01", "2026-12-31"))});
        in_two_steps(kind, &wish, "certificate_retired", [1, 1]);
    }
}
