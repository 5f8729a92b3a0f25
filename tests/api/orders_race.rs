//! Two hundred buyers at once for the last 1,000 kg: exactly these go, each kilogram once, on whatever node it is bought.

use crate::client::Answer;
use crate::harness::{Kind, Party, TestApp, both_databases, new_id, postgres_is_here, signed};
use crate::orders::{block, certificate, deliver, kg, order_of, pay, place, read, units};
use crate::story::Story;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};

both_databases! {
    /// Two hundred buyers want far more than the last 1,000 kg.
    fn two_hundred_buyers_race(kind) {
        let app = TestApp::start(kind);
        race(&app, &[&app]);
    }

    /// A centre sells past the orders while these come in: each kilogram goes one way.
    fn the_centre_sells_beside_the_orders(kind) {
        let app = TestApp::start(kind);
        sell_beside(&app, &app);
    }
}

/// The same on two nodes: one arbiter for both.
#[test]
fn two_hundred_buyers_race_on_two_nodes() {
    if !postgres_is_here() {
        return;
    }
    let app = TestApp::start(Kind::Postgres);
    let second = app.second_node();
    race(&app, &[&app, &second]);
}

/// The same with the orders on another node: they see what the centre's node appended, and the other way round.
#[test]
fn the_centre_sells_on_one_node_and_orders_come_on_another() {
    if !postgres_is_here() {
        return;
    }
    let app = TestApp::start(Kind::Postgres);
    let second = app.second_node();
    sell_beside(&app, &second);
}

fn sell_beside(app: &TestApp, orders_at: &TestApp) {
    let story = Story::begin(app);
    story.whole_batch(100_000);
    let into: Vec<String> = (1..=97).map(|unit| block(unit, unit)).collect();
    app.say(&story.centre, "certificate_split", &json!({"certificate": story.issue(None), "into": into})).accepted();
    let direct = app.join(&["buyer"]);
    let buyers: Vec<Party> = (0..6).map(|_| app.join(&["buyer"])).collect();
    let bought: Mutex<Vec<(usize, String)>> = Mutex::new(Vec::new());
    // All begin at once, with the oldest units.
    let begin = Barrier::new(buyers.len() + 1);
    let sold = std::thread::scope(|scope| {
        for (number, buyer) in buyers.iter().enumerate() {
            let (seller, bought, begin) = (&story.centre, &bought, &begin);
            scope.spawn(move || {
                begin.wait();
                while let Some(id) = buy(orders_at, buyer, seller, 1) {
                    bought.lock().expect("orders").push((number, id));
                }
            });
        }
        let centre = scope.spawn(|| {
            begin.wait();
            let sell = |serial: &&String| {
                let fields = json!({"certificate": serial, "to": direct.id});
                let answer = patiently(|| app.say(&story.centre, "certificate_transferred", &fields));
                let is_sold = answer.status == 201;
                if !is_sold {
                    answer.refused(409, "units_reserved", "/certificate");
                }
                is_sold
            };
            into.iter().filter(sell).count()
        });
        centre.join().expect("the centre")
    });
    let bought = bought.into_inner().expect("orders");
    for (number, id) in &bought {
        deliver_among_others(app, &story.centre, id);
        assert_eq!(read(app, &buyers[*number], id)["status"], "delivered");
    }
    assert!(sold > 0 && !bought.is_empty(), "{sold} sold beside {} ordered: no race", bought.len());
    assert_eq!(sold + bought.len(), 97, "{sold} sold beside {} ordered", bought.len());
}

const BUYERS: usize = 200;

/// Organisations that order and sign nothing: they need a token and no key.
fn buyers(app: &TestApp) -> Vec<Party> {
    let ids: Vec<String> = (0..BUYERS).map(|_| new_id()).collect();
    let register = |id: &String| {
        let fields = json!({"organisation": id, "roles": ["buyer"], "country": "XD"});
        signed(&app.operator, "organisation_registered", &fields)
    };
    let answer = app.post_batch(&app.operator.token, "all", &ids.iter().map(register).collect::<Vec<_>>());
    assert!(answer.lines().iter().all(|line| line["status"] == 201), "{}", answer.text);
    let party = |id: String| Party { token: app.token(&id, &["post", "read"]), id, key: app.operator.key.clone() };
    ids.into_iter().map(party).collect()
}

/// Asks again until the service has time.
fn patiently(ask: impl Fn() -> Answer) -> Answer {
    loop {
        let answer = ask();
        if answer.status != 503 {
            return answer;
        }
        std::thread::yield_now();
    }
}

/// A buyer takes what it wants, or less, or nothing once not even one kilogram is left. Gives its orders' ids.
fn buy(app: &TestApp, buyer: &Party, seller: &Party, wanted: i64) -> Option<String> {
    let mut wanted = wanted;
    while wanted > 0 {
        let body = order_of(wanted, &json!({}));
        let answer = patiently(|| place(app, buyer, &body));
        if answer.status == 409 {
            answer.refused(409, "not_in_stock", "");
            wanted /= 2;
            continue;
        }
        // Placed twice if the first answer was lost: the same order.
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
        let id = body["id"].as_str().expect("an id").to_owned();
        let paid = patiently(|| pay(app, seller, &id, "RF18"));
        assert_eq!(paid.json()["status"], "paid", "{}", paid.text);
        return Some(id);
    }
    None
}

/// A centre's clerk delivers; another clerk may have split the block since the draft, then the draft is asked for again.
fn deliver_among_others(app: &TestApp, seller: &Party, id: &str) {
    loop {
        let answer = patiently(|| deliver(app, seller, id));
        let lines = answer.lines();
        if lines.iter().all(|line| line["status"] == 201) {
            return;
        }
        let is_stale = |line: &Value| {
            let code = line["problem"]["code"].as_str().or(line["code"].as_str()).unwrap_or_default();
            matches!(code, "certificate_split" | "not_posted" | "unknown" | "not_committed" | "outcome_unknown")
        };
        assert!(lines.iter().all(is_stale), "{}", answer.text);
    }
}

fn race(app: &TestApp, nodes: &[&TestApp]) {
    let story = Story::begin(app);
    story.whole_batch(1_031_000);
    let whole = story.issue(None);
    assert_eq!(whole, block(1, 1_000));
    let buyers = buyers(app);
    let bought: Mutex<Vec<(usize, String)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (number, buyer) in buyers.iter().enumerate() {
            let (node, seller, bought) = (nodes[number % nodes.len()], &story.centre, &bought);
            let wanted = i64::try_from(number * 7 % 31).expect("small") + 1;
            scope.spawn(move || {
                if let Some(id) = buy(node, buyer, seller, wanted) {
                    bought.lock().expect("orders").push((number, id));
                }
            });
        }
    });
    let bought = bought.into_inner().expect("orders");
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for node in nodes.iter().chain(nodes) {
            let (next, bought, seller) = (&next, &bought, &story.centre);
            scope.spawn(move || {
                while let Some((_, id)) = bought.get(next.fetch_add(1, Ordering::SeqCst)) {
                    deliver_among_others(node, seller, id);
                }
            });
        }
    });
    let mut owners: BTreeMap<i64, usize> = BTreeMap::new();
    let mut on_pages = 0;
    for (number, id) in &bought {
        let order = read(app, &buyers[*number], id);
        assert_eq!(
            (order["status"].as_str(), kg(&order["delivered"])),
            (Some("delivered"), order["kg"].as_i64().unwrap_or(0))
        );
        for units in units(&order["delivered"]) {
            let mut ends = units.rsplit('-').take(2).map(|end| end.parse::<i64>().expect("a number"));
            let (last, first) = (ends.next().expect("last"), ends.next().expect("first"));
            for unit in first..=last {
                assert_eq!(owners.insert(unit, *number), None, "unit {unit} went twice");
            }
            let page = certificate(app, &units);
            assert_eq!(page["status"], "held", "{page}");
            on_pages += page["net_kg"].as_i64().expect("kg");
        }
    }
    assert!(owners.keys().copied().eq(1..=1_000), "not every unit went");
    assert_eq!(on_pages, 1_000);
    assert!(bought.len() < BUYERS, "somebody came too late");
    place(app, &buyers[0], &order_of(1, &json!({}))).refused(409, "not_in_stock", "");
}
