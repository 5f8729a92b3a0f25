//! Histories that the ledger accepts, told to their end: the offline verifier agrees with every certificate of them.

use crate::corrections::instead;
use crate::findings::finding;
use crate::harness::{Kind, Party, TestApp, both_databases, kid, new_id, signed};
use crate::long_ways::{bundle, valid};
use crate::signals::paper;
use crate::story::Story;
use loopledger::domain::event::Event;
use loopledger::proof::bundle::Bundle;
use loopledger::proof::entry::Entry;
use loopledger::proof::statement::Unverified;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const DAY_MS: i64 = 24 * 3_600 * 1_000;
const IN_DECEMBER: &str = "2026-12-03T13:00:00+02:00";

/// Ten days go by, into December.
fn until_december(story: &mut Story<'_>, others: &mut [&mut Party]) {
    story.app.now_ms.fetch_add(10 * DAY_MS, Ordering::SeqCst);
    story.renew_tokens();
    for party in others {
        party.renew_token(story.app);
    }
}

/// What somebody says in December.
fn say_in_december(app: &TestApp, party: &Party, kind: &str, mut fields: Value) {
    fields["occurred_at"] = json!(IN_DECEMBER);
    app.say(party, kind, &fields).accepted();
}

fn has(bundle: &Bundle, is_it: impl Fn(&Event) -> bool) -> bool {
    bundle.entries.iter().any(|entry| {
        let entry = Entry::parse(&entry.bytes).expect("an entry");
        is_it(&Unverified::read(&entry.statement).expect("a statement").statement.event)
    })
}

both_databases! {
    /// Grams keep the month in which they entered their pool, when an auditor holds them for a while after.
    fn held_for_a_while(kind) {
        let app = TestApp::start(kind);
        let mut story = Story::begin(&app);
        let (batch, treatment) = story.treated_of(10_000, 10_000);
        story.close(&batch).accepted();
        let subjects = [json!({"batch": batch}), json!({"treatment": treatment})];
        for about in &subjects {
            app.say(&story.auditor, "audit_finding", &finding(about, "held")).accepted();
        }
        until_december(&mut story, &mut []);
        for about in &subjects {
            say_in_december(&app, &story.auditor, "audit_finding", finding(about, "cleared"));
        }
        assert_eq!(valid(&bundle(&story, &story.issue(None))).certificate.vintage, "2026-11");
    }

    /// Papers that were reviewed with a key that somebody had stolen are reviewed again, and their grams keep their month.
    fn reviewed_again(kind) {
        let app = TestApp::start(kind);
        let mut story = Story::begin(&app);
        let furnace = story.furnace();
        story.audit(&furnace, "2026-10-03", "conforms").accepted();
        let steel = story.steel(9_000);
        let treated = story.at_centre("treated_final", json!({
            "item": steel, "operation": "R4", "net_g": 9_000, "facility": furnace, "number": "C-1", "document": paper('0'),
        })).accepted();
        let [mut first, mut other] = [app.join(&["auditor"]), app.join(&["auditor"])];
        let review = json!({"entry": treated, "outcome": "accepted"});
        let reviewed = app.say(&first, "evidence_reviewed", &review).accepted();
        until_december(&mut story, &mut [&mut first, &mut other]);
        let mut operator = app.operator.clone();
        operator.renew_token(&app);
        let lost = json!({"kid": kid(&first.key), "reason": "compromised", "since_index": reviewed});
        app.say(&operator, "key_revoked", &lost).accepted();
        assert_eq!(story.gaps(treated).0, ["not_reviewed"]);
        say_in_december(&app, &other, "evidence_reviewed", review);
        assert_eq!(valid(&bundle(&story, &story.issue(None))).certificate.vintage, "2026-11");
    }

    /// Drives are taken out of devices, each weighed: one goes into another device, one becomes waste by itself.
    fn weighed_parts_of_weighed_devices(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let [first, second, third, drive, other] = [new_id(), new_id(), new_id(), new_id(), new_id()];
        for device in [&first, &second, &third] {
            story.at_centre("registered", json!({
                "item": device, "kind": "device", "class": "0303", "weight": story.weighed(5_000), "country": "XD",
            })).accepted();
        }
        for (device, drive) in [(&first, &drive), (&third, &other)] {
            let removed = json!({"item": device, "component": drive, "class": "HDD", "weight": story.weighed(1_000)});
            assert_eq!(story.at_centre("part_removed", removed).warnings(), Vec::<String>::new());
        }
        story.at_centre("part_installed", json!({"item": second, "component": drive})).accepted();
        let all = [first, second, third, other];
        for item in &all {
            story.at_centre("retired", json!({
                "item": item, "arising": {"country": "XD", "month": "2026-11"}, "counted_elsewhere": "none",
                "missing": [{"part": "batteries", "count": 1}, {"part": "boards", "count": 1}],
                "waste_code": {"code": "16 02 13*", "reason": "analysis"},
            })).accepted();
        }
        let batch = new_id();
        story.at_centre("batch_opened", json!({"batch": batch})).accepted();
        story.at_centre("batch_fed", json!({"batch": batch, "items": all})).accepted();
        let steel = story.fraction(&batch, "FE", 15_000);
        story.send(&steel, 15_000, 15_000);
        let treatment = story.treat(&steel, 15_000);
        story.close(&batch).accepted();
        story.is_eligible(treatment, 15_000);
        let verdict = valid(&bundle(&story, &story.issue(None)));
        assert_eq!((verdict.certificate.units, verdict.not_shown), (14, Vec::new()));
    }

    /// A relation that an auditor declares only after its visit says nothing of that visit; whoever verifies sees when.
    fn an_auditor_that_is_related_since(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(10_000);
        let related = json!({"other": story.centre.id, "kind": "ownership"});
        app.say(&story.auditor, "relation_declared", &related).accepted();
        let bundle = bundle(&story, &story.issue(None));
        assert!(has(&bundle, |event| matches!(event, Event::RelationDeclared(_))));
        valid(&bundle);
    }
}

/// A batch whose path fills a bundle shows a correction of a receipt that would not fit any more: it is shown all the same.
#[test]
fn a_correction_of_what_does_not_fit() {
    let app = TestApp::start(Kind::Sqlite);
    let story = Story::begin(&app);
    let (batch, mut lots) = (new_id(), Vec::new());
    story.at_centre("batch_opened", json!({"batch": batch})).accepted();
    for _ in 0..30 {
        lots.push(story.gate(3_000));
    }
    let ids: Vec<&String> = lots.iter().map(|(lot, _)| lot).collect();
    story.at_centre("batch_fed", json!({"batch": batch, "items": ids})).accepted();
    let (late, entry) = lots.last().expect("a lot");
    let right = instead(*entry, "received", &story.received_fields(late, 3_010));
    assert_eq!(app.say(&story.centre, "corrected", &right).warnings(), Vec::<String>::new());
    let crumb = || {
        let (weight, site) = (story.weighed(10), &story.centre_site);
        let fields = json!({"batch": batch, "lot": new_id(), "fraction": "FE", "weight": weight, "site": site});
        signed(&story.centre, "dismantled", &fields)
    };
    for count in [400, 400, 400, 400, 384] {
        let page: Vec<String> = (0..count).map(|_| crumb()).collect();
        assert_eq!(app.post_batch(&story.centre.token, "all", &page).status, 200);
    }
    let steel = story.fraction(&batch, "FE", 70_000);
    story.send(&steel, 70_000, 70_000);
    story.treat(&steel, 70_000);
    story.close(&batch).accepted();
    let bundle = bundle(&story, &story.issue(Some(50)));
    assert!(has(&bundle, |event| matches!(event, Event::Corrected(_))), "the path of the batch is shown");
    let shows =
        |item: &str| has(&bundle, |event| matches!(event, Event::Received(event) if event.item.to_string() == item));
    assert!(lots.iter().any(|(lot, _)| !shows(lot)), "nothing is left out");
    assert!(shows(late));
    valid(&bundle);
}
