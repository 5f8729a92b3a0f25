//! Statements that wait for what they name: stored outside the ledger, sequenced when it is there, never twice.

use crate::client::Answer;
use crate::erasure::files_hold;
use crate::harness::{
    Kind, Party, TestApp, TestDatabase, both_databases, found, given_clock, key_fields, kid, laptop_fields, new_id,
    operator_id, payload, postgres_is_here, sign_bytes, signed,
};
use crate::process::{Service, operator_of};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use loopledger::domain::ids::{EntryIndex, OrganisationId};
use loopledger::ledger::audit::audit;
use loopledger::ledger::keyring;
use loopledger::ledger::opening::{self, Settings, Sharing};
use loopledger::ledger::posting::{Mode, Outcome, Posted};
use loopledger::proof::commitment::commit;
use loopledger::proof::entry::Entry;
use loopledger::store::waiting::{self, WaitingRow};
use loopledger::store::{Store, entries, openings, records};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;
use zeroize::Zeroizing;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const POST: &str = "/v1/events?wait_for=items";

/// Posts a statement that may wait.
fn wait(app: &TestApp, party: &Party, jws: &str) -> Answer {
    app.post_body(POST, &party.token, "application/jose", jws.as_bytes())
}

/// Says something that may wait, and gives the statement.
fn say_and_wait(app: &TestApp, party: &Party, kind: &str, fields: &Value, waits_for: (&str, &str)) -> String {
    let jws = signed(party, kind, fields);
    let answer = wait(app, party, &jws);
    assert_eq!(answer.status, 202, "{}", answer.text);
    let body = answer.json();
    assert_eq!(
        (body["waits_for"]["kind"].as_str(), body["waits_for"]["id"].as_str()),
        (Some(waits_for.0), Some(waits_for.1))
    );
    assert!(body.get("index").is_none() && body.get("leaf_hash").is_none(), "no receipt: {body}");
    jws
}

/// Posts lines that may wait.
fn batch(app: &TestApp, token: &str, statements: &[String]) -> Vec<Value> {
    let lines: String = statements.iter().map(|jws| format!("{{\"statement\":\"{jws}\"}}\n")).collect();
    let path = "/v1/events/batch?mode=each&wait_for=items";
    app.post_body(path, token, "application/x-ndjson", lines.as_bytes()).lines()
}

fn statuses(lines: &[Value]) -> Vec<u64> {
    lines.iter().map(|line| line["status"].as_u64().expect("a status")).collect()
}

/// All pages of what waits.
fn listed(app: &TestApp, token: &str) -> Vec<Value> {
    let (mut all, mut path) = (Vec::new(), "/v1/waiting".to_owned());
    loop {
        let page = app.get(&path, token).json();
        all.extend(page["waiting"].as_array().expect("a list").clone());
        let Some(next) = page["next"].as_i64() else { return all };
        path = format!("/v1/waiting?after={next}");
    }
}

/// How each stands, and the code of its problem.
fn standings(app: &TestApp, token: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    listed(app, token).iter().map(|one| (text(&one["standing"]), text(&one["problem"]["code"]))).collect()
}

/// The statement's index; it is in the ledger, whoever asks again.
#[track_caller]
fn sequenced(app: &TestApp, party: &Party, jws: &str) -> u64 {
    let again = wait(app, party, jws);
    assert_eq!(again.status, 200, "{}", again.text);
    again.json()["index"].as_u64().expect("an index")
}

/// Turns go on behind the answer; a minute is plenty.
#[track_caller]
fn until_none_waits(app: &TestApp, token: &str) {
    let patience = Instant::now() + Duration::from_mins(1);
    while !listed(app, token).is_empty() {
        assert!(Instant::now() < patience, "what waits has no turn");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What is kept of the statement that was stored last.
fn last_kept(app: &TestApp) -> WaitingRow {
    let store = &app.ledger.store;
    let number = store.read(waiting::highest_number).expect("readable");
    store.read(|database| waiting::find(database, number)).expect("readable").expect("a row")
}

fn all_entries(app: &TestApp) -> Vec<Vec<u8>> {
    let page = app.ledger.store.read(|database| entries::page(database, EntryIndex(0), 100_000)).expect("readable");
    page.into_iter().map(|entry| entry.bytes).collect()
}

/// The statements of all entries but the first.
fn all_statements(app: &TestApp) -> Vec<String> {
    all_entries(app)[1..].iter().map(|entry| Entry::parse(entry).expect("an entry").statement).collect()
}

fn jws_payload(jws: &str) -> Value {
    let payload = jws.split('.').nth(1).expect("a payload");
    serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).expect("base64url")).expect("JSON")
}

fn size(app: &TestApp) -> u64 {
    app.ledger.readiness().expect("ready")
}

/// The statements of the entries, in the order in which they came out, give the same bytes on a new ledger.
fn same_bytes_in_that_order(app: &TestApp) {
    let bytes = all_entries(app);
    let statements: Vec<String> =
        bytes[1..].iter().map(|entry| Entry::parse(entry).expect("an entry").statement).collect();
    let fresh = TestApp::start(Kind::Sqlite);
    for chunk in statements.chunks(1_000) {
        let lines = fresh.post_batch(&fresh.operator.token, "each", chunk).lines();
        assert!(lines.iter().all(|line| line["status"] == 201), "{lines:?}");
    }
    assert_eq!(all_entries(&fresh), bytes);
}

fn tested(item: &str) -> Value {
    json!({"item": item, "result": "works"})
}

fn retired(item: &str) -> Value {
    json!({"item": item, "arising": {"country": "XD", "month": "2026-11"}, "counted_elsewhere": "none"})
}

/// A donor, and a centre with its site.
struct Chain {
    donor: Party,
    centre: Party,
    site: String,
}

impl Chain {
    fn new(app: &TestApp) -> Self {
        let (donor, centre) = (app.join(&["donor"]), app.join(&["recycler"]));
        let site = app.site(&centre.id);
        Self { donor, centre, site }
    }
}

/// What donor and centre say of a device from its registration to the end of a batch, in order.
fn story(chain: &Chain) -> Vec<(bool, String)> {
    let (item, handover, batch, lot) = (new_id(), new_id(), new_id(), new_id());
    let by_donor = |kind, fields: Value| (true, signed(&chain.donor, kind, &fields));
    let by_centre = |kind, mut fields: Value| {
        fields["site"] = json!(chain.site);
        (false, signed(&chain.centre, kind, &fields))
    };
    let weight = json!({"basis": "estimated", "net_g": 1_500});
    vec![
        by_donor("registered", laptop_fields(&item)),
        by_donor("retired", retired(&item)),
        by_donor("handover_offered", json!({"handover": handover, "to": chain.centre.id, "items": [item]})),
        by_centre("handover_accepted", json!({"handover": handover})),
        by_centre("batch_opened", json!({"batch": batch})),
        by_centre("batch_fed", json!({"batch": batch, "items": [item]})),
        by_centre("dismantled", json!({"batch": batch, "lot": lot, "fraction": "FE", "weight": weight})),
        by_centre("batch_closed", json!({"batch": batch, "loss_g": 100, "out_of_scope_g": 50})),
    ]
}

/// Grams by account, and every record without what depends on where its entries stand.
fn end_state(app: &TestApp) -> (Value, Vec<String>) {
    let balance = app.get("/v1/balance", &app.operator.token).json();
    assert_eq!(balance["closes"], true);
    let (mut left, mut items) = ((String::new(), String::new()), Vec::new());
    loop {
        let page = app.ledger.store.read(|database| records::raw_page(database, (&left.0, &left.1), 1_000));
        let page = page.expect("readable");
        let Some(last) = page.last() else { return (balance, items) };
        left = (last.id.clone(), last.kind.clone());
        items.extend(page.iter().map(|row| without_places(&serde_json::from_str(&row.body).expect("JSON"))));
    }
}

/// A record without the indexes of entries.
fn without_places(record: &Value) -> String {
    match record {
        Value::Object(members) => {
            let kept =
                members.iter().filter(|(name, value)| !value.is_number() || name.ends_with("_g") || *name == "grams");
            kept.map(|(name, value)| format!("{name}={};", without_places(value))).collect()
        }
        Value::Array(elements) => elements.iter().map(|element| without_places(element) + ",").collect(),
        other => other.to_string(),
    }
}

both_databases! {
    fn without_the_parameter_nothing_waits(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        app.say(&donor, "tested", &tested(&new_id())).refused(422, "unknown", "/item");
        assert!(listed(&app, &donor.token).is_empty());
    }

    /// Only what parties bring with their own statements is waited for; everything else is refused as before.
    fn what_cannot_come_is_refused_at_once(kind) {
        let app = TestApp::start(kind);
        let (donor, other) = (app.join(&["donor"]), app.join(&["donor"]));
        let item = app.laptop(&donor);
        let refuse = |party: &Party, kind: &str, fields: Value| wait(&app, party, &signed(party, kind, &fields));
        let mut elsewhere = tested(&new_id());
        elsewhere["site"] = json!(new_id());
        refuse(&donor, "tested", elsewhere).refused(422, "unknown", "/site");
        let offer = json!({"handover": new_id(), "to": new_id(), "items": [item]});
        refuse(&donor, "handover_offered", offer).refused(422, "unknown", "/to");
        refuse(&other, "tested", tested(&item)).refused(403, "not_the_holder", "/item");
        let stranger = app.register(&["donor"]);
        refuse(&stranger, "tested", tested(&new_id())).refused(422, "key_unknown", "/kid");
        let mut forged = signed(&donor, "tested", &tested(&new_id()));
        forged.replace_range(forged.len() - 8..forged.len() - 4, "AAAA");
        wait(&app, &donor, &forged).refused(422, "signature_invalid", "");
        let theirs = signed(&donor, "tested", &tested(&new_id()));
        wait(&app, &other, &theirs).refused(403, "token_of_another_organisation", "/org");
        app.post_body("/v1/events?wait_for=rain", &donor.token, "application/jose", theirs.as_bytes())
            .refused(400, "query_invalid", "");
        assert!(listed(&app, &app.operator.token).is_empty());
    }

    fn it_waits_and_has_its_turn_right_behind(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let (item, before) = (new_id(), size(&app));
        let jws = say_and_wait(&app, &donor, "tested", &tested(&item), ("item", &item));
        assert_eq!(size(&app), before, "it is no entry");
        let again = wait(&app, &donor, &jws);
        assert_eq!((again.status, again.json()["waits_for"]["pointer"].as_str()), (202, Some("/item")));
        let hasty = app.post_jws(&donor.token, &jws);
        assert_eq!((hasty.status, hasty.json()), (202, again.json()), "it waits on, whoever asks");
        let list = listed(&app, &donor.token);
        assert_eq!((list.len(), &list[0]["standing"], &list[0]["type"]), (1, &json!("waiting"), &json!("tested")));
        assert_eq!(list[0]["posted"], "2026-11-23T12:00:00.000Z");
        assert_eq!(list[0]["until"], "2026-12-23T12:00:00.000Z");
        assert_eq!((&list[0]["organisation"], &list[0]["posted_by"]), (&json!(donor.id), &json!(donor.id)));
        let registered = app.say(&donor, "registered", &laptop_fields(&item)).accepted();
        assert_eq!(sequenced(&app, &donor, &jws), registered + 1);
        assert_eq!(app.post_jws(&donor.token, &jws).status, 200);
        assert_eq!(size(&app), registered + 2);
        assert!(listed(&app, &donor.token).is_empty());
        same_bytes_in_that_order(&app);
    }

    /// Whatever arrives first, the end is the same: every gram, and every record but for where its entries stand.
    fn out_of_order_ends_as_in_order(kind) {
        let app = TestApp::start(kind);
        let chain = Chain::new(&app);
        let story = story(&chain);
        let token = |by_donor: bool| if by_donor { &chain.donor.token } else { &chain.centre.token };
        // The receiver is online before the sender, and says what it fed before it says into what.
        for at in [3, 5, 6, 7, 1, 2] {
            let (by_donor, jws) = &story[at];
            let answer = app.post_body(POST, token(*by_donor), "application/jose", jws.as_bytes());
            assert_eq!(answer.status, 202, "{at}: {}", answer.text);
        }
        assert_eq!(listed(&app, &app.operator.token).len(), 6);
        for at in [0, 4] {
            app.post_jws(token(story[at].0), &story[at].1).accepted();
        }
        assert_eq!(listed(&app, &app.operator.token), Vec::<Value>::new());
        same_bytes_in_that_order(&app);
        let ordered = TestApp::start(kind);
        let setting_up: Vec<String> = all_entries(&app)[1..]
            .iter()
            .map(|entry| Entry::parse(entry).expect("an entry").statement)
            .filter(|jws| story.iter().all(|(_, said)| said != jws))
            .collect();
        ordered.post_batch(&ordered.operator.token, "all", &setting_up);
        for (_, jws) in &story {
            ordered.post_jws(&ordered.operator.token, jws).accepted();
        }
        assert_eq!(end_state(&app), end_state(&ordered));
        assert_eq!(size(&app), size(&ordered));
    }

    /// The receiver is online before the sender, and the batch is open already: what it says of items that it does not have
    /// yet waits until they move, however the sender uploads.
    fn the_receiver_speaks_before_the_sender(kind) {
        for in_one_request in [true, false] {
            let app = TestApp::start(kind);
            let chain = Chain::new(&app);
            let story = story(&chain);
            let (other, handover) = (new_id(), new_id());
            let offer = json!({"handover": handover, "to": chain.centre.id, "items": [other]});
            let [registered, retired, offered, accepted, opened, fed] = [0, 1, 2, 3, 4, 5].map(|at| story[at].1.clone());
            let sender = [
                registered,
                signed(&chain.donor, "registered", &laptop_fields(&other)),
                retired,
                offered,
                signed(&chain.donor, "handover_offered", &offer),
            ];
            let test = signed(&chain.centre, "tested", &tested(&other));
            let accepted_too = signed(&chain.centre, "handover_accepted", &json!({"handover": handover}));
            let mut receiver = [accepted, accepted_too, test, fed];
            app.post_jws(&chain.centre.token, &opened).accepted();
            if !in_one_request {
                receiver.rotate_left(2);
            }
            for jws in &receiver {
                assert_eq!(wait(&app, &chain.centre, jws).status, 202);
            }
            for request in sender.chunks(if in_one_request { 5 } else { 3 }) {
                assert_eq!(standings(&app, &chain.centre.token), vec![("waiting".into(), String::new()); 4]);
                let answers = app.post_batch(&chain.donor.token, "each", request).lines();
                assert!(statuses(&answers).iter().all(|status| *status == 201), "{answers:?}");
            }
            assert_eq!(listed(&app, &app.operator.token), Vec::<Value>::new());
            for (_, jws) in &story[6..] {
                app.post_jws(&chain.centre.token, jws).accepted();
            }
            same_bytes_in_that_order(&app);
            receiver.sort_by_key(|jws| jws_payload(jws)["type"] != "handover_accepted");
            let rest = story[6..].iter().map(|(_, jws)| jws.clone());
            let said: Vec<String> = sender.into_iter().chain([opened]).chain(receiver).chain(rest).collect();
            let setting_up: Vec<String> = all_statements(&app).into_iter().filter(|jws| !said.contains(jws)).collect();
            let ordered = TestApp::start(kind);
            ordered.post_batch(&ordered.operator.token, "all", &setting_up);
            for jws in &said {
                ordered.post_jws(&ordered.operator.token, jws).accepted();
            }
            assert_eq!(end_state(&app), end_state(&ordered));
            assert_eq!(size(&app), size(&ordered));
        }
    }

    /// A receiver's word about what is still packed waits until it says that it has unpacked it.
    fn what_is_packed_waits_too(kind) {
        let app = TestApp::start(kind);
        let (donor, workshop) = (app.join(&["donor"]), app.join(&["refurbisher"]));
        let (item, container, handover) = (new_id(), new_id(), new_id());
        let test = say_and_wait(&app, &workshop, "tested", &tested(&item), ("item", &item));
        let unpack = say_and_wait(&app, &workshop, "unpacked", &json!({"container": container}), ("item", &container));
        let accept = json!({"handover": handover});
        let accept = say_and_wait(&app, &workshop, "handover_accepted", &accept, ("handover", &handover));
        app.say(&donor, "registered", &laptop_fields(&item)).accepted();
        app.say(&donor, "packed", &json!({"container": container, "items": [item]})).accepted();
        let offer = json!({"handover": handover, "to": workshop.id, "items": [container, item]});
        let offered = app.say(&donor, "handover_offered", &offer).accepted();
        assert_eq!(sequenced(&app, &workshop, &accept), offered + 1);
        assert_eq!(sequenced(&app, &workshop, &unpack), offered + 2);
        assert_eq!(sequenced(&app, &workshop, &test), offered + 3);
    }

    /// What is kept outside the ledger cannot halt it: a row that cannot be read is refused, and everything goes on.
    fn a_damaged_row_halts_nothing(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let item = new_id();
        for damage in ["openings = 'x'", "organisation = 'nobody'", "jws = 'a.b'", "posted_ms = -1"] {
            say_and_wait(&app, &donor, "tested", &tested(&item), ("item", &item));
            let number = last_kept(&app).head.number;
            app.database.tamper(&format!("UPDATE waiting SET {damage} WHERE number = {number}")).expect("damaged");
        }
        let registered = app.say(&donor, "registered", &laptop_fields(&item)).accepted();
        assert_eq!(app.ledger.health.halted(), None);
        let problems: Vec<String> = standings(&app, &donor.token).into_iter().map(|(_, code)| code).collect();
        assert_eq!(problems, ["waiting_damaged", "jws_malformed"]);
        assert_eq!(size(&app), registered + 2, "a row that says when it was posted as nobody can is sequenced");
        app.laptop(&donor);
    }

    /// What was refused or has expired takes nobody's room; of it the newest are kept, without what they say.
    fn what_waited_in_vain_takes_no_room(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let item = new_id();
        let many: Vec<String> = (0..1_000).map(|_| signed(&donor, "tested", &tested(&item))).collect();
        assert!(statuses(&batch(&app, &donor.token, &many)).iter().all(|status| *status == 202));
        let first = last_kept(&app);
        assert!(!first.jws.is_empty());
        app.now_ms.fetch_add(31 * DAY_MS, Ordering::SeqCst);
        let again: Vec<String> = (0..1_000).map(|_| signed(&donor, "tested", &tested(&item))).collect();
        assert!(statuses(&batch(&app, &donor.token, &again)).iter().all(|status| *status == 202));
        let list = standings(&app, &donor.token);
        let expired = list.iter().filter(|(standing, _)| standing == "expired").count();
        assert_eq!((list.len(), expired), (1_200, 200));
        let find = |database: &mut _| waiting::find(database, first.head.number);
        let kept = app.ledger.store.read(find).expect("readable").expect("the newest of them");
        assert_eq!((kept.jws.as_str(), kept.openings.as_str()), ("", ""));
    }

    /// What came in time has its turn, also if that comes later; it has one when the ledger is opened.
    fn what_is_due_has_its_turn_at_opening(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let item = new_id();
        let jws = say_and_wait(&app, &donor, "tested", &tested(&item), ("item", &item));
        app.database.tamper("UPDATE waiting SET awaited_id = 'aside'").expect("as before it was brought");
        let registered = app.say(&donor, "registered", &laptop_fields(&item)).accepted();
        app.database.tamper("UPDATE waiting SET standing = 'due'").expect("as the transaction left it");
        let now_ms = app.now_ms.load(Ordering::SeqCst) + 40 * DAY_MS;
        let app = TestApp::start_on(app.stop(), now_ms);
        until_none_waits(&app, &app.operator.token);
        assert_eq!(size(&app), registered + 2);
        assert_eq!(sequenced(&app, &donor, &jws), registered + 1);
    }

    /// One upload in the wrong order: what could go within it is answered with its receipt.
    fn one_upload_in_the_wrong_order(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let (item, absent) = (new_id(), new_id());
        let lines = [
            signed(&donor, "tested", &tested(&item)),
            signed(&donor, "tested", &tested(&absent)),
            signed(&donor, "registered", &laptop_fields(&item)),
            signed(&donor, "registered", &json!({"item": new_id()})),
        ];
        let answers = batch(&app, &donor.token, &lines);
        assert_eq!(statuses(&answers), [201, 202, 201, 422]);
        assert_eq!(answers[0]["receipt"]["index"].as_u64(), answers[2]["receipt"]["index"].as_u64().map(|index| index + 1));
        assert_eq!(answers[1]["waiting"]["waits_for"], json!({"kind": "item", "id": absent, "pointer": "/item"}));
        assert!(answers[1].get("receipt").is_none());
        assert_eq!(listed(&app, &donor.token).len(), 1);
        let lines: String = lines.iter().map(|jws| format!("{{\"statement\":\"{jws}\"}}\n")).collect();
        let path = "/v1/events/batch?mode=all&wait_for=items";
        app.post_body(path, &donor.token, "application/x-ndjson", lines.as_bytes()).refused(400, "query_invalid", "/wait_for");
    }

    /// A waits for B, which waits for C.
    fn chains_of_waiting(kind) {
        let app = TestApp::start(kind);
        let (donor, workshop) = (app.join(&["donor"]), app.join(&["refurbisher"]));
        let (item, part, handover) = (new_id(), new_id(), new_id());
        let weight = json!({"basis": "estimated", "net_g": 200});
        let test = say_and_wait(&app, &workshop, "tested", &tested(&part), ("item", &part));
        let removed = json!({"item": item, "component": part, "class": "0303", "weight": weight});
        let accept = say_and_wait(&app, &workshop, "handover_accepted", &json!({"handover": handover}), ("handover", &handover));
        let offer = json!({"handover": handover, "to": workshop.id, "items": [item]});
        let offer = say_and_wait(&app, &donor, "handover_offered", &offer, ("item", &item));
        let registered = app.say(&donor, "registered", &laptop_fields(&item)).accepted();
        assert_eq!(sequenced(&app, &donor, &offer), registered + 1);
        assert_eq!(sequenced(&app, &workshop, &accept), registered + 2);
        assert_eq!(listed(&app, &workshop.token).len(), 1);
        let removal = app.say(&workshop, "part_removed", &removed).accepted();
        assert_eq!(sequenced(&app, &workshop, &test), removal + 1);
        same_bytes_in_that_order(&app);
    }

    /// What lacks several things waits for one after the other, in whatever order they come.
    fn it_may_lack_several_things(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let (workshop, handover) = (app.join(&["refurbisher"]), new_id());
        let items: Vec<String> = (0..3).map(|_| new_id()).collect();
        let fields = json!({"handover": handover, "to": workshop.id, "items": items});
        let jws = say_and_wait(&app, &donor, "handover_offered", &fields, ("item", &items[0]));
        for (item, next) in [(2, Some(0)), (0, Some(1))] {
            app.say(&donor, "registered", &laptop_fields(&items[item])).accepted();
            let list = listed(&app, &donor.token);
            assert_eq!(list[0]["waits_for"]["id"].as_str(), next.map(|next: usize| items[next].as_str()));
            assert_eq!(list[0]["waits_for"]["pointer"].as_str(), next.map(|next| format!("/items/{next}")).as_deref());
        }
        let last = app.say(&donor, "registered", &laptop_fields(&items[1])).accepted();
        assert_eq!(sequenced(&app, &donor, &jws), last + 1);
    }

    /// Refused, withdrawn, offered again, answered before it is offered: one holder, one item, no gram more.
    fn nothing_doubles_however_a_handover_goes(kind) {
        let app = TestApp::start(kind);
        let (donor, workshop) = (app.join(&["donor"]), app.join(&["refurbisher"]));
        let item = app.laptop(&donor);
        let grams = |app: &TestApp| app.get("/v1/balance", &app.operator.token).json()["accounts_g"].clone();
        let before = grams(&app);
        let offer = |handover: &str| {
            let fields = json!({"handover": handover, "to": workshop.id, "items": [item]});
            signed(&donor, "handover_offered", &fields)
        };
        let holder = || app.get(&format!("/v1/items/{item}"), &app.operator.token).json()["holder"].as_str().expect("a holder").to_owned();
        // Refused before it was offered; then nothing is left to accept.
        let (first, second, third) = (new_id(), new_id(), new_id());
        let refusal = json!({"handover": first, "reason": "no_capacity"});
        let refusal = say_and_wait(&app, &workshop, "handover_refused", &refusal, ("handover", &first));
        let late = json!({"handover": first});
        let late = say_and_wait(&app, &workshop, "handover_accepted", &late, ("handover", &first));
        let offered = app.post_jws(&donor.token, &offer(&first)).accepted();
        assert_eq!(sequenced(&app, &workshop, &refusal), offered + 1);
        assert_eq!(standings(&app, &workshop.token), [("refused".into(), "handover_answered".into())]);
        wait(&app, &workshop, &late).refused(409, "handover_answered", "/handover");
        assert_eq!(holder(), donor.id);
        // Withdrawn before it was offered, and accepted too late.
        let withdrawal = say_and_wait(&app, &donor, "handover_withdrawn", &json!({"handover": second}), ("handover", &second));
        let accept = say_and_wait(&app, &workshop, "handover_accepted", &json!({"handover": second}), ("handover", &second));
        let offered = app.post_jws(&donor.token, &offer(&second)).accepted();
        assert_eq!(sequenced(&app, &donor, &withdrawal), offered + 1);
        wait(&app, &workshop, &accept).refused(409, "handover_answered", "/handover");
        assert_eq!(holder(), donor.id);
        // Offered again, and accepted before that; every statement again is the same entry.
        let accept = say_and_wait(&app, &workshop, "handover_accepted", &json!({"handover": third}), ("handover", &third));
        let again = offer(&third);
        let offered = app.post_jws(&donor.token, &again).accepted();
        assert_eq!(sequenced(&app, &workshop, &accept), offered + 1);
        assert_eq!(app.post_jws(&donor.token, &again).status, 200);
        app.post_jws(&donor.token, &offer(&new_id())).refused(403, "not_the_holder", "/items/0");
        assert_eq!((holder(), size(&app), grams(&app)), (workshop.id.clone(), offered + 2, before));
        same_bytes_in_that_order(&app);
    }

    fn other_content_under_the_id_of_what_waits_is_a_conflict(kind) {
        let app = TestApp::start(kind);
        let (donor, other) = (app.join(&["donor"]), app.join(&["donor"]));
        let id = new_id();
        let say = |party: &Party, item: &str| {
            let mut fields = tested(item);
            fields["id"] = json!(id);
            signed(party, "tested", &fields)
        };
        let item = new_id();
        assert_eq!(wait(&app, &donor, &say(&donor, &item)).status, 202);
        wait(&app, &donor, &say(&donor, &new_id())).refused(409, "id_taken", "/id");
        let mine = app.laptop(&donor);
        app.post_jws(&donor.token, &say(&donor, &mine)).refused(409, "id_taken", "/id");
        let lines = app.post_batch(&donor.token, "all", &[say(&donor, &mine)]).lines();
        assert_eq!(lines[0]["problem"]["code"], "id_taken");
        assert_eq!(wait(&app, &other, &say(&other, &item)).status, 202, "an id is an organisation's own");
        assert_eq!(listed(&app, &app.operator.token).len(), 2);
    }

    /// Refused at its turn it is kept with the problem, so that its author can read it; the id is free again.
    fn refused_at_its_turn(kind) {
        let app = TestApp::start(kind);
        let (donor, workshop) = (app.join(&["donor"]), app.join(&["refurbisher"]));
        let (item, handover) = (new_id(), new_id());
        let jws = say_and_wait(&app, &workshop, "tested", &tested(&item), ("item", &item));
        app.database.tamper("UPDATE waiting SET turns = 126").expect("as if the item had moved to and fro");
        app.say(&donor, "registered", &laptop_fields(&item)).accepted();
        assert_eq!(standings(&app, &workshop.token), [("waiting".into(), String::new())]);
        app.say(&donor, "tested", &tested(&item)).accepted();
        assert_eq!(last_kept(&app).head.turns, 127, "a test moves nothing");
        let offer = json!({"handover": handover, "to": workshop.id, "items": [item]});
        app.say(&donor, "handover_offered", &offer).accepted();
        let list = listed(&app, &workshop.token);
        assert_eq!((&list[0]["standing"], &list[0]["problem"]["code"]), (&json!("refused"), &json!("not_the_holder")));
        let kept = last_kept(&app);
        assert_eq!((kept.jws.as_str(), kept.openings.as_str(), kept.head.bytes), ("", "", 0));
        assert_eq!(list[0]["problem"]["pointer"], "/item");
        assert!(list[0]["problem"]["detail"].as_str().is_some_and(|words| !words.is_empty()));
        wait(&app, &workshop, &jws).refused(403, "not_the_holder", "/item");
        assert_eq!(listed(&app, &workshop.token).len(), 1);
        app.say(&workshop, "handover_accepted", &json!({"handover": handover})).accepted();
        assert_eq!(wait(&app, &workshop, &jws).status, 201, "the cause is gone");
        assert!(listed(&app, &workshop.token).is_empty());
    }

    /// A key is asked for when the statement is sequenced, not when it is posted.
    fn a_key_that_was_revoked_meanwhile(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let newer = Party { key: keyring::generate().expect("randomness"), ..donor.clone() };
        app.say(&donor, "key_registered", &key_fields(&donor.id, &newer.key)).accepted();
        let item = new_id();
        say_and_wait(&app, &donor, "tested", &tested(&item), ("item", &item));
        app.say(&newer, "key_revoked", &json!({"kid": kid(&donor.key), "reason": "superseded"})).accepted();
        app.say(&newer, "registered", &laptop_fields(&item)).accepted();
        assert_eq!(standings(&app, &donor.token), [("refused".into(), "key_revoked".into())]);
    }

    fn its_openings_come_with_it(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let (salt, value, item) = ([7_u8; 32], "Serië \"Ä\" \\ 7", new_id());
        let part = json!({
            "item": item, "component": new_id(), "class": "0303", "weight": {"basis": "estimated", "net_g": 10},
            "serial": {"c": commit("/serial", &salt, value).expect("short")},
        });
        let jws = signed(&donor, "part_removed", &part);
        let open = |value: &str| {
            let body = json!({"statement": jws, "open": {"/serial": {"salt": HEXLOWER.encode(&salt), "value": value}}});
            app.post_json(POST, &donor.token, &body)
        };
        open("another").refused(422, "opening_invalid", "/open/~1serial");
        assert_eq!(open(value).status, 202);
        app.say(&donor, "registered", &laptop_fields(&item)).accepted();
        let index = sequenced(&app, &donor, &jws);
        let kept = app.ledger.store.read(|database| openings::of_entry(database, EntryIndex(index))).expect("readable");
        assert_eq!((kept.len(), kept[0].value.as_str()), (1, value));
    }

    /// After the offline window it waits no more. It is shown as expired for 30 days, then it is gone.
    fn it_expires(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let (item, later) = (new_id(), |days: i64| app.now_ms.fetch_add(days * DAY_MS, Ordering::SeqCst));
        let jws = say_and_wait(&app, &donor, "tested", &tested(&item), ("item", &item));
        later(30);
        assert_eq!(standings(&app, &donor.token), [("expired".into(), String::new())]);
        let registered = app.say(&donor, "registered", &laptop_fields(&item)).accepted();
        assert_eq!(size(&app), registered + 1, "its time was over");
        later(29);
        assert_eq!(standings(&app, &donor.token), [("expired".into(), String::new())]);
        later(1);
        assert!(listed(&app, &donor.token).is_empty());
        app.laptop(&donor);
        let is_empty = app.ledger.store.read(loopledger::store::waiting::is_empty);
        assert!(is_empty.expect("readable"), "its row went with the next transaction");
        assert_eq!(wait(&app, &donor, &jws).status, 201, "nothing was remembered against it");
    }

    /// What has expired may be posted anew, and waits anew.
    fn what_has_expired_may_be_posted_anew(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let item = new_id();
        let jws = say_and_wait(&app, &donor, "tested", &tested(&item), ("item", &item));
        app.now_ms.fetch_add(31 * DAY_MS, Ordering::SeqCst);
        let again = wait(&app, &donor, &jws);
        assert_eq!((again.status, again.json()["until"].as_str()), (202, Some("2027-01-23T12:00:00.000Z")));
        assert_eq!(standings(&app, &donor.token), [("waiting".into(), String::new())]);
        let registered = app.say(&donor, "registered", &laptop_fields(&item)).accepted();
        assert_eq!(sequenced(&app, &donor, &jws), registered + 1);
    }

    /// A thousand wait for one thing and not one more; when it is there all have their turns, more than one transaction
    /// gives, in the order in which they were posted.
    fn a_thousand_wait_and_not_one_more(kind) {
        let app = TestApp::start(kind);
        let (donor, other) = (app.join(&["donor"]), app.join(&["donor"]));
        let item = new_id();
        let thousand: Vec<String> = (0..1_000).map(|_| signed(&donor, "tested", &tested(&item))).collect();
        assert!(statuses(&batch(&app, &donor.token, &thousand)).iter().all(|status| *status == 202));
        let more = signed(&donor, "tested", &tested(&item));
        wait(&app, &donor, &more).refused(409, "waiting_full", "");
        assert_eq!(wait(&app, &donor, &thousand[7]).status, 202, "what waits goes on waiting");
        let hundred: Vec<String> = (0..100).map(|_| signed(&other, "tested", &tested(&item))).collect();
        assert!(statuses(&batch(&app, &other.token, &hundred)).iter().all(|status| *status == 202));
        let list = listed(&app, &donor.token);
        assert_eq!(list.len(), 1_000, "over several pages");
        let path = format!("/v1/waiting/{}", list[999]["id"].as_str().expect("an id"));
        assert_eq!(app.delete(&path, &donor.token).status, 204);
        assert_eq!(wait(&app, &donor, &more).status, 202, "there is room again");
        let registered = app.say(&donor, "registered", &laptop_fields(&item)).accepted();
        until_none_waits(&app, &donor.token);
        assert_eq!(standings(&app, &app.operator.token), vec![("waiting".into(), String::new()); 100], "not theirs yet");
        let said: Vec<String> = all_entries(&app)[usize::try_from(registered).expect("small")..]
            .iter()
            .map(|entry| Entry::parse(entry).expect("an entry").statement)
            .collect();
        let expected: Vec<&String> = thousand[..999].iter().chain([&more]).collect();
        assert_eq!(said[1..1_001].iter().collect::<Vec<_>>(), expected);
        assert_eq!(said.len(), 1_001);
    }

    /// Bytes are bounded too: of one organisation, and of all.
    fn bytes_are_bounded_too(kind) {
        let app = TestApp::start(kind);
        let (donor, other) = (app.join(&["donor"]), app.join(&["donor"]));
        let item = new_id();
        let post = |party: &Party| wait(&app, party, &signed(party, "tested", &tested(&item)));
        assert_eq!(post(&donor).status, 202);
        app.database.tamper("UPDATE waiting SET bytes = 8 * 1024 * 1024 - 10").expect("as if it were long");
        post(&donor).refused(409, "waiting_full", "");
        assert_eq!(post(&other).status, 202);
        app.database.tamper("UPDATE waiting SET bytes = 127 * 1024 * 1024").expect("as if they were many");
        let full = post(&app.join(&["donor"]));
        full.refused(503, "waiting_full", "");
        assert_eq!(full.retry_after, "1");
    }

    /// A request that comes while many are due waits for the turns of two transactions at most.
    fn requests_come_before_turns_that_are_left(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let item = new_id();
        let many: Vec<String> = (0..400).map(|_| signed(&donor, "tested", &tested(&item))).collect();
        assert!(statuses(&batch(&app, &donor.token, &many)).iter().all(|status| *status == 202));
        let post = |item: &str| {
            let jws = signed(&donor, "registered", &laptop_fields(item));
            app.ledger.post(vec![app.ledger.prepare(&jws, Vec::new()).expect("sound")], Mode::Each)
        };
        let (first, second) = (post(&item), post(&new_id()));
        let both = async { tokio::join!(first, second) };
        let (first, second) = actix_web::rt::System::new().block_on(both);
        let index = |outcomes: Vec<Outcome>| match &outcomes[0] {
            Outcome::Accepted(receipt) => receipt.index.0,
            other => panic!("{other:?}"),
        };
        let (first, second) = (index(first.expect("posted")), index(second.expect("posted")));
        assert!(second - first <= 3 * 64 + 1, "{first}, {second}");
        until_none_waits(&app, &donor.token);
        assert_eq!(size(&app), first + 402);
    }

    /// What is taken back, refused or expired is gone from SQLite's files, its log among them, before anybody is told.
    fn what_goes_is_gone_from_the_files(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let say = |value: &str| {
            let (salt, item) = ([7_u8; 32], new_id());
            let part = json!({
                "item": item, "component": new_id(), "class": "0303", "weight": {"basis": "estimated", "net_g": 10},
                "serial": {"c": commit("/serial", &salt, value).expect("short")},
            });
            let jws = signed(&donor, "part_removed", &part);
            let body = json!({"statement": jws, "open": {"/serial": {"salt": HEXLOWER.encode(&salt), "value": value}}});
            assert_eq!(app.post_json(POST, &donor.token, &body).status, 202);
            assert_eq!(files_hold(&app.database.url, value), kind == Kind::Sqlite);
            item
        };
        say("taken-back-7f3a");
        let id = listed(&app, &donor.token)[0]["id"].as_str().expect("an id").to_owned();
        assert_eq!(app.delete(&format!("/v1/waiting/{id}"), &donor.token).status, 204);
        assert!(!files_hold(&app.database.url, "taken-back-7f3a"));
        let other = app.join(&["donor"]);
        let item = say("refused-7f3a");
        app.database.tamper("UPDATE waiting SET turns = 127").expect("as if the item had moved to and fro");
        app.say(&other, "registered", &laptop_fields(&item)).accepted();
        assert_eq!(standings(&app, &donor.token), [("refused".into(), "not_the_holder".into())]);
        assert!(!files_hold(&app.database.url, "refused-7f3a"));
        say("expired-7f3a");
        app.now_ms.fetch_add(31 * DAY_MS, Ordering::SeqCst);
        app.laptop(&donor);
        assert!(!files_hold(&app.database.url, "expired-7f3a"));
    }

    /// A payload that a hosted key signs may wait as well; the same payload again is the same statement.
    fn a_hosted_key_signs_what_waits(kind) {
        let app = TestApp::start(kind);
        let school = app.register(&["donor"]);
        let created = app.post_json("/v1/hosted-keys", &app.operator.token, &json!({"organisation": school.id}));
        app.say(&app.operator, "key_registered", &created.json()).accepted();
        let item = new_id();
        let say = |kind: &str, fields: &Value| json!({"statement": payload(&school.id, kind, fields)});
        let test = say("tested", &tested(&item));
        let first = app.post_json(POST, &school.token, &test);
        assert_eq!((first.status, app.post_json(POST, &school.token, &test).json()), (202, first.json()));
        let registered = app.post_json(POST, &school.token, &say("registered", &laptop_fields(&item))).accepted();
        let again = app.post_json(POST, &school.token, &test);
        assert_eq!((again.status, again.json()["index"].as_u64()), (200, Some(registered + 1)));
    }

    fn someone_elses_token_neither_sees_nor_takes_it_back(kind) {
        let app = TestApp::start(kind);
        let (donor, other) = (app.join(&["donor"]), app.join(&["donor"]));
        let item = new_id();
        let jws = say_and_wait(&app, &donor, "tested", &tested(&item), ("item", &item));
        let id = listed(&app, &donor.token)[0]["id"].as_str().expect("an id").to_owned();
        let path = format!("/v1/waiting/{id}");
        assert!(listed(&app, &other.token).is_empty());
        app.delete(&path, &other.token).refused(404, "not_found", "");
        app.delete(&path, &app.operator.token).refused(404, "not_found", "");
        let (reading, auditing) = (app.token(&donor.id, &["read"]), app.token(&other.id, &["audit"]));
        app.delete(&path, &reading).refused(403, "scope_missing", "");
        assert_eq!(listed(&app, &auditing).len(), 1);
        app.get("/v1/waiting", &app.token(&donor.id, &["post"])).refused(403, "scope_missing", "");
        assert_eq!(app.delete(&path, &donor.token).status, 204);
        app.delete(&path, &donor.token).refused(404, "not_found", "");
        assert!(listed(&app, &auditing).is_empty());
        let registered = app.say(&donor, "registered", &laptop_fields(&item)).accepted();
        assert_eq!(size(&app), registered + 1, "what was taken back has no turn");
        app.post_jws(&donor.token, &jws).accepted();
    }

    /// A relay posts what others signed; it is theirs.
    fn what_a_relay_posts_is_its_authors(kind) {
        let app = TestApp::start(kind);
        let (donor, relay) = (app.join(&["donor"]), app.join(&["collector"]));
        let relaying = Party { token: app.token(&relay.id, &["relay", "read"]), ..relay };
        let item = new_id();
        let jws = signed(&donor, "tested", &tested(&item));
        assert_eq!(wait(&app, &relaying, &jws).status, 202);
        assert!(listed(&app, &relaying.token).is_empty());
        assert_eq!(listed(&app, &donor.token)[0]["posted_by"], relaying.id);
    }

    /// An offer that completes a claim brings what the claim named: the part that the receiver refused.
    fn a_completed_claim_brings_what_it_named(kind) {
        let app = TestApp::start(kind);
        let (sender, receiver) = (app.join(&["recycler"]), app.join(&["recycler"]));
        let (lot, back, handover) = (new_id(), new_id(), new_id());
        let weight = json!({"basis": "estimated", "net_g": 10_000});
        let at_the_gate = json!({
            "item": lot, "class": "0303", "weight": weight, "arising": {"country": "XD", "month": "2026-10"},
            "provenance": {"kind": "business", "counted_elsewhere": "none"}, "supplier": {"c": "ab".repeat(32)},
            "number": "WB-1", "site": app.site(&sender.id),
        });
        app.say(&sender, "received", &at_the_gate).accepted();
        let jws = say_and_wait(&app, &sender, "lost", &json!({"item": back, "cause": "missing"}), ("item", &back));
        let claim = json!({
            "handover": handover, "unoffered": {"from": sender.id, "lots": [lot]}, "site": app.site(&receiver.id),
            "lots": [{"weight": weight, "accepted_g": 8_000, "refused_g": 2_000, "refused_as": back, "reason": "damaged"}],
        });
        let claimed = app.say(&receiver, "handover_accepted", &claim).accepted();
        let offer = json!({
            "handover": handover, "to": receiver.id, "lots": [{"lot": lot, "sent_g": 10_000}], "completes": claimed,
        });
        let offered = app.say(&sender, "handover_offered", &offer).accepted();
        assert_eq!(sequenced(&app, &sender, &jws), offered + 1);
    }

    fn a_halted_ledger_stores_nothing(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let item = new_id();
        say_and_wait(&app, &donor, "tested", &tested(&item), ("item", &item));
        let id = listed(&app, &donor.token)[0]["id"].as_str().expect("an id").to_owned();
        app.ledger.health.halt("for this test");
        wait(&app, &donor, &signed(&donor, "tested", &tested(&item))).refused(503, "ledger_halted", "");
        app.delete(&format!("/v1/waiting/{id}"), &donor.token).refused(503, "ledger_halted", "");
        assert_eq!(listed(&app, &donor.token).len(), 1);
    }

    fn it_survives_a_restart(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let item = new_id();
        let jws = say_and_wait(&app, &donor, "tested", &tested(&item), ("item", &item));
        let now_ms = app.now_ms.load(Ordering::SeqCst);
        let app = TestApp::start_on(app.stop(), now_ms);
        assert_eq!(standings(&app, &donor.token), [("waiting".into(), String::new())]);
        let registered = app.say(&donor, "registered", &laptop_fields(&item)).accepted();
        assert_eq!(sequenced(&app, &donor, &jws), registered + 1);
    }

    /// A crash between the transaction that brings something and the next: what is due is written down, and whatever is
    /// appended next begins with it.
    fn what_is_due_comes_first(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let item = new_id();
        let jws = say_and_wait(&app, &donor, "tested", &tested(&item), ("item", &item));
        let aside = "UPDATE waiting SET awaited_id = 'aside'";
        app.database.tamper(aside).expect("as before it was brought");
        app.say(&donor, "registered", &laptop_fields(&item)).accepted();
        app.database.tamper("UPDATE waiting SET standing = 'due'").expect("as the transaction left it");
        assert_eq!(standings(&app, &donor.token), [("waiting".into(), String::new())]);
        let before = size(&app);
        app.laptop(&donor);
        assert_eq!(sequenced(&app, &donor, &jws), before);
    }
}

/// Two nodes on one PostgreSQL: what one of them stored has its turn when the other one accepts what it waits for.
#[test]
fn two_nodes_share_what_waits() {
    if !postgres_is_here() {
        return;
    }
    let app = TestApp::start(Kind::Postgres);
    let second = app.second_node();
    let donor = app.join(&["donor"]);
    let item = new_id();
    let jws = say_and_wait(&app, &donor, "tested", &tested(&item), ("item", &item));
    assert_eq!(wait(&second, &donor, &jws).status, 202);
    assert_eq!(listed(&second, &donor.token).len(), 1);
    let registered = second.say(&donor, "registered", &laptop_fields(&item)).accepted();
    assert_eq!(sequenced(&app, &donor, &jws), registered + 1);
    assert!(listed(&app, &donor.token).is_empty());
}

/// Told 202 is on disk: a kill right after it loses nothing.
#[test]
fn what_waits_survives_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut service = Service::start(&[], &data, None);
    let operator = operator_of(&service, &data);
    let ready = service.client.get("/health/ready", "").expect("an answer").json();
    let id = new_id();
    let fields = json!({
        "id": id, "ledger": ready["ledger"], "project": new_id(), "topic": "use", "participants": 3,
        "from": "2026-11-01", "until": "2026-11-02",
    });
    let jws = sign_bytes(&operator.key, payload(&operator.id, "training_held", &fields).to_string().as_bytes());
    let post = |service: &Service| {
        let url = format!("{}{POST}", service.client.url);
        let request = crate::client::RequestBuilder::new("POST", &url, &operator.token);
        request.header("Content-Type", "application/jose").send(&jws).expect("an answer")
    };
    let answer = post(&service);
    assert_eq!(answer.status, 202, "{}", answer.text);
    service.kill();
    let service = Service::start(&[], &data, None);
    let list = service.client.get("/v1/waiting", &operator.token).expect("an answer").json();
    assert_eq!(list["waiting"][0]["id"], id);
    assert_eq!(post(&service).json()["posted"], answer.json()["posted"]);
}

/// Statements of some stories, so mixed that much of them waits, chains, re-waits and is refused at its turn.
fn mixed(mut seed: u64) -> Vec<String> {
    let app = TestApp::start(Kind::Sqlite);
    let chain = Chain::new(&app);
    let mut said: Vec<String> = (0..6).flat_map(|_| story(&chain)).map(|(_, jws)| jws).collect();
    for at in (1..said.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(seed >> 33).expect("small") % (at + 1);
        said.swap(at, other);
    }
    let mut all: Vec<String> =
        all_entries(&app)[1..].iter().map(|entry| Entry::parse(entry).expect("an entry").statement).collect();
    all.append(&mut said);
    all
}

/// Posts statements that may wait in groups, and gives every entry.
fn run(kind: Kind, statements: &[String], group: usize) -> (Vec<Vec<u8>>, String) {
    let database = TestDatabase::new(kind);
    let clock = given_clock(&Arc::new(AtomicI64::new(crate::harness::NOON_MS)));
    let store = Arc::new(Store::open(&database.url, 4).expect("the database opens"));
    found(&store, &clock, operator_id());
    let settings = Settings {
        clock,
        sealing_key: Zeroizing::new([9; 32]),
        publishing: None,
        sharing: Sharing::default(),
        witnesses: None,
        self_audit: None,
        second_signature: None,
    };
    let ledger = opening::open(store, settings).expect("the ledger opens");
    let relay = OrganisationId(Uuid::from_u128(1));
    for group in statements.chunks(group) {
        let prepare = |jws: &String| {
            let prepared = ledger.prepare(jws, Vec::new()).expect("sound");
            Posted { patient: Some(relay), ..prepared }
        };
        let posted = group.iter().map(prepare).collect();
        actix_web::rt::System::new().block_on(ledger.post(posted, Mode::Each)).expect("posted");
    }
    let all = ledger.store.read(|database| entries::page(database, EntryIndex(0), 100_000)).expect("readable");
    let report = ledger.store.snapshot(|database| audit(database, |_, _| {})).expect("readable");
    assert!(report.is_clean(), "{:?}", report.findings);
    (all.into_iter().map(|entry| entry.bytes).collect(), report.state_digest)
}

/// What waits changes nothing about it: in any batching, on both databases, the same statements give the same bytes.
#[test]
fn any_batching_gives_the_same_bytes() {
    let kinds: &[Kind] = if postgres_is_here() { &[Kind::Sqlite, Kind::Postgres] } else { &[Kind::Sqlite] };
    for seed in [20_261_123, 7, 42] {
        let statements = mixed(seed);
        let (one_by_one, state) = run(Kind::Sqlite, &statements, 1);
        assert!(one_by_one.len() > statements.len() / 2, "{} of {}", one_by_one.len(), statements.len());
        for kind in kinds {
            for group in [1, 7, 1_000] {
                let grouped = run(*kind, &statements, group);
                assert_eq!(grouped, (one_by_one.clone(), state.clone()), "{kind:?}, {group}, seed {seed}");
            }
        }
    }
}
