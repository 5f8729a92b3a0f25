//! Bundles that show what became of certificates since their issue: parts, hands, second signatures, ends, replacement.

use crate::bundles::anchor;
use crate::client::Answer;
use crate::harness::{Kind, Party, TestApp, both_databases};
use crate::replacements::{Error, another_site, units};
use crate::story::{Story, changed_retirement};
use crate::tampering::unhook;
use crate::verifying::{Desk, bundle_now};
use loopledger::proof::verify::{LifeFacts, Verdict, verify};
use serde_json::{Value, json};

/// What the bundle of a block proves.
#[track_caller]
pub fn proved(app: &TestApp, serial: &str) -> Verdict {
    verify(&bundle_now(app, serial), Some(&anchor())).unwrap_or_else(|problem| panic!("{serial}: {problem}"))
}

#[track_caller]
fn life(app: &TestApp, serial: &str) -> LifeFacts {
    proved(app, serial).certificate.life
}

pub fn split(app: &TestApp, holder: &Party, block: &str, into: &[String]) {
    app.say(holder, "certificate_split", &json!({"certificate": block, "into": into})).accepted();
}

pub fn sell(app: &TestApp, seller: &Party, block: &str, to: &Party) {
    app.say(seller, "certificate_transferred", &json!({"certificate": block, "to": to.id})).accepted();
}

/// A retirement of a block and further ones of the same holder.
pub fn retire(app: &TestApp, holder: &Party, block: &str, further: &[String]) -> Answer {
    let change = if further.is_empty() { json!({}) } else { json!({"further": further}) };
    let (statement, open) = changed_retirement(holder, block, &change);
    app.post_json("/v1/events", &holder.token, &json!({"statement": statement, "open": open}))
}

fn say(app: &TestApp, party: &Party, kind: &str, certificate: &str, mut fields: Value) {
    fields["certificate"] = json!(certificate);
    app.say(party, kind, &fields).accepted();
}

both_databases! {
    /// Through three accounts and two splits, and retired together with its neighbour.
    fn from_issue_to_retirement(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        let (buyer, other) = (app.join(&["buyer"]), app.join(&["buyer"]));
        let whole = story.issue(None);
        split(&app, &story.centre, &whole, &[units(1, 40), units(41, 97)]);
        sell(&app, &story.centre, &units(1, 40), &buyer);
        split(&app, &buyer, &units(1, 40), &[units(1, 10), units(11, 40)]);
        sell(&app, &buyer, &units(1, 10), &other);
        sell(&app, &buyer, &units(11, 40), &other);
        retire(&app, &other, &units(1, 10), &[units(11, 40)]).accepted();
        let verdict = proved(&app, &units(1, 10));
        let found = &verdict.certificate;
        assert_eq!((found.units, found.shares.iter().map(|share| share.grams).sum::<i64>()), (10, 10_000));
        assert_eq!(found.life.split_from, [units(1, 40), whole.clone()]);
        assert_eq!((found.life.hands, found.holder.as_ref()), (3, Some(&other.id)));
        assert_eq!((found.life.retired_with.as_slice(), verdict.openings.len()), (&[units(11, 40)][..], 3));
        assert_eq!(verdict.not_shown, Vec::<String>::new());
        let beside = proved(&app, &units(11, 40));
        assert_eq!((beside.certificate.life.retired_with, beside.openings), (vec![units(1, 10)], verdict.openings));
        // Whoever holds a block now has its bundle, and nobody who held it before.
        let bundle = |party: &Party, serial: &str| {
            app.get(&format!("/v1/certificates/{serial}/bundle"), &party.token).status
        };
        let asked = [&other, &buyer, &story.centre].map(|party| bundle(party, &units(1, 10)));
        assert_eq!(asked, [200, 404, 404]);
        assert_eq!((bundle(&story.centre, &units(41, 97)), bundle(&buyer, &units(41, 97))), (200, 404));
        for (serial, status, hands) in [(whole, "split", 1), (units(41, 97), "held", 1), (units(98, 100), "buffer", 0)] {
            let life = life(&app, &serial);
            assert_eq!((life.status.as_str(), life.hands), (status, hands), "{serial}");
        }
        let desk = Desk::new();
        desk.put("bundle", &bundle_now(&app, &units(1, 10)));
        let expected = ["split from", "the 3 accounts it has been in", &other.id, "under the same claim", "Example Textiles"];
        desk.expect("@bundle --vkey @vkey", 0, &expected);
    }

    /// What waits, is stopped, or has ended otherwise.
    fn second_signatures_and_other_ends(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        let draft = story.draft(Some(40)).json();
        app.say(&app.operator, "certificate_issued", &draft).accepted();
        let whole = units(1, 38);
        let waits = life(&app, &whole);
        assert_eq!(waits.status, "pending");
        assert!(waits.pending.is_some_and(|pending| pending.is_issue && pending.by_organisation));
        say(&app, &story.issuer, "certificate_countersigned", &whole, json!({}));
        let counts = life(&app, &whole);
        assert_eq!((counts.status.as_str(), counts.pending), ("held", None));
        assert_eq!(life(&app, &units(39, 40)).status, "buffer");
        say(&app, &story.auditor, "certificate_frozen", &whole, json!({"reason": "review"}));
        let frozen = life(&app, &whole).frozen.expect("frozen");
        assert_eq!(frozen.reason, "review");
        let desk = Desk::new();
        desk.put("bundle", &bundle_now(&app, &whole));
        desk.expect("@bundle --vkey @vkey", 0, &["FROZEN", "neither handed on nor retired"]);
        say(&app, &story.auditor, "certificate_unfrozen", &whole, json!({}));
        assert_eq!(life(&app, &whole).frozen, None);
        // The operator takes some of its units back; another organisation agrees.
        let fields = json!({"part": units(4, 6), "reason": "issued_in_error", "second": "organisation"});
        say(&app, &app.operator, "certificate_withdrawn", &whole, fields);
        let waits = life(&app, &units(4, 6));
        assert_eq!((waits.status.as_str(), waits.split_from.as_slice()), ("held", &[whole.clone()][..]));
        assert!(waits.pending.is_some_and(|pending| !pending.is_issue));
        say(&app, &story.issuer, "certificate_countersigned", &units(4, 6), json!({}));
        assert_eq!(life(&app, &units(4, 6)).status, "withdrawn");
        // Its grams are issued again, and are in one bundle's certificate alone.
        app.say(&story.issuer, "certificate_issued", &story.draft(None).json()).accepted();
        assert_eq!(life(&app, &units(7, 38)).status, "held");
        say(&app, &story.centre, "certificate_cancelled", &units(1, 3), json!({}));
        assert!(life(&app, &units(1, 3)).cancelled.is_some());
        retire(&app, &story.centre, &units(7, 38), &[]).accepted();
        say(&app, &app.operator, "certificate_withdrawn", &units(7, 38), json!({"reason": "fraud"}));
        let annotated = life(&app, &units(7, 38));
        assert_eq!((annotated.status.as_str(), annotated.failing.as_slice()), ("retired", &[(7, 38)][..]));
        desk.put("bundle", &bundle_now(&app, &units(7, 38)));
        desk.expect("@bundle --vkey @vkey", 0, &["ANNOTATED", "the claim stands", "units 7 to 38: nothing backs them"]);
    }

    /// After an error: the bundle says which units rest on whose grams now, stock and buffer of the same issue.
    fn replaced_by_stock_and_buffer(kind) {
        let app = TestApp::start(kind);
        let error = Error::after_issue(&app);
        let (sold, stock, buffer) = (units(1, 100), units(101, 106), units(107, 110));
        error.correct_to(98_200);
        let failing = proved(&app, &sold);
        assert!(failing.remarks.iter().any(|words| words.contains("after its issue")), "{:?}", failing.remarks);
        error.replace(&sold, &units(99, 99), &units(103, 103), Some(&stock)).accepted();
        for block in [units(101, 102), units(104, 106)] {
            sell(&app, &error.story.centre, &block, &error.buyer);
        }
        error.replace(&sold, &units(100, 100), &units(110, 110), Some(&buffer)).accepted();
        let verdict = proved(&app, &sold);
        let backed = &verdict.certificate.life.backed;
        let backed: Vec<(&str, &str)> = backed.iter().map(|one| (one.units.as_str(), one.by.as_str())).collect();
        assert_eq!(backed, [(&*units(99, 99), &*units(103, 103)), (&*units(100, 100), &*units(110, 110))]);
        let of = |entry: u64| -> i64 {
            let shares = verdict.certificate.shares.iter().filter(|share| share.treatment == entry);
            shares.map(|share| share.grams).sum()
        };
        assert_eq!((of(error.treatment), verdict.certificate.units), (98_000, 100));
        let given = life(&app, &units(103, 103));
        assert_eq!((given.status.as_str(), given.backs), ("withdrawn", Some(units(99, 99))));
        for serial in [units(101, 102), units(104, 106), units(107, 109), stock] {
            proved(&app, &serial);
        }
        let desk = Desk::new();
        desk.put("bundle", &bundle_now(&app, &sold));
        desk.expect("@bundle --vkey @vkey", 0, &["replaced", &units(110, 110), "retired"]);
    }

    /// Another site gives: its issue, made after the correction, is shown and checked too.
    fn replaced_by_another_site(kind) {
        let app = TestApp::start(kind);
        let error = Error::after_issue(&app);
        let sold = units(1, 100);
        error.withdraw(&sold, None, "fraud").accepted();
        error.correct_to(98_500);
        let other = another_site(&error.story, 120_000);
        let given = other.replace("-0000116", "-0000100");
        error.replace(&sold, &sold, &given, Some(&other)).accepted();
        let verdict = proved(&app, &sold);
        assert_eq!(verdict.certificate.life.backed[0].by, given);
        assert!(verdict.certificate.shares.iter().all(|share| share.treatment > error.treatment));
        assert_eq!(verdict.certificate.life.failing, []);
        proved(&app, &given);
    }

    /// Whoever has an old bundle is told what became of the block and of its parts, and of nothing that concerns others.
    fn what_was_said_since(kind) {
        let app = TestApp::start(kind);
        let error = Error::after_issue(&app);
        let story = &error.story;
        let (whole, sold, stock) = (units(1, 106), units(1, 100), units(101, 106));
        let desk = Desk::new();
        let told = |serial: &str| -> Vec<(String, bool)> {
            app.wait_for_checkpoint();
            let status = app.get(&format!("/v1/certificates/{serial}/status"), "").json();
            let events = status["events"].as_array().unwrap_or_else(|| panic!("{status}"));
            events.iter().map(|event| (event["type"].as_str().expect("a type").to_owned(), event["entry"].is_string())).collect()
        };
        let public = |kinds: &[&str]| -> Vec<(String, bool)> {
            kinds.iter().map(|kind| (format!("certificate_{kind}"), true)).collect()
        };
        desk.put("stock", &bundle_now(&app, &stock));
        desk.put("sold", &bundle_now(&app, &sold));
        desk.put("whole", &bundle_now(&app, &whole));
        assert_eq!(told(&whole), public(&["split", "transferred", "retired"]));
        assert_eq!(told(&stock), public(&["split"]), "the sale of the other part is others' business");
        say(&app, &story.auditor, "certificate_frozen", &stock, json!({"reason": "review"}));
        say(&app, &story.auditor, "certificate_unfrozen", &stock, json!({}));
        error.correct_to(98_200);
        error.replace(&sold, &units(99, 99), &units(103, 103), Some(&stock)).accepted();
        let status = |serial: &str| app.get(&format!("/v1/certificates/{serial}/status"), "").text;
        app.wait_for_checkpoint();
        desk.put("since", status(&sold).as_bytes());
        let expected = ["units that fail are backed by others", "correction_confirmed: ", "what it says is the service's word"];
        let said = desk.expect("@sold --vkey @vkey --status @since", 3, &expected);
        assert!(!said.contains("FROZEN"), "{said}");
        desk.put("since", status(&stock).as_bytes());
        let expected = ["the certificate was FROZEN (review)", "let go again", "units that fail are backed by others"];
        let said = desk.expect("@stock --vkey @vkey --status @since", 3, &expected);
        assert!(!said.contains("RETIRED"), "{said}");
        desk.put("since", status(&whole).as_bytes());
        desk.expect("@whole --vkey @vkey --status @since", 3, &[&format!("{sold} was RETIRED"), &format!("{stock} was FROZEN")]);
        let rest = told(&units(104, 106));
        assert!(rest.iter().all(|(kind, _)| kind != "certificate_transferred" && kind != "certificate_retired"), "{rest:?}");
        assert!(rest.contains(&("certificate_replaced".to_owned(), true)), "it cut the block");
        assert!(told(&whole).contains(&("certificate_retired".to_owned(), true)));
    }

    /// Of each site the permits of then, also after a renewal, and its audits.
    fn the_page_shows_each_site(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(10_000);
        let serial = story.issue(None);
        for site in [&story.centre_site, &story.smelter_site] {
            let permit = json!({
                "number": "XD/2030/1", "operations": ["R4", "R12", "R13"], "waste_codes": ["19 12 02"],
                "capacity_g_per_year": 5_000_000_000_i64, "valid_from": "2030-01-01", "valid_until": "2034-12-31",
            });
            app.say(&app.operator, "site_changed", &json!({"changed_site": site, "permit": permit})).accepted();
        }
        let page = app.get(&format!("/v1/certificates/{serial}"), "").json();
        let audits = |on: &str| json!([format!("{on} conforms by {}", story.auditor.id)]);
        let site = |name: &str, audited: &str| {
            json!({"site": name, "permits": ["XD/2026/17 until 2026-12-31"], "audits": audits(audited)})
        };
        let sites = page["sites"].as_array().expect("sites");
        assert!(sites.len() == 2 && sites.contains(&site("XD-CTR1", "2026-10-01")) && sites.contains(&site("XD-FURN", "2026-10-02")), "{page}");
    }

    /// The page asks what the centre was paid of what the centre gave away: an entry between others, which nobody can read any
    /// more, is none of it.
    fn the_page_reads_no_hands_between_others(kind) {
        let mut app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(10_000);
        let whole = story.issue(None);
        let (buyer, trader) = (app.join(&["buyer"]), app.join(&["buyer"]));
        let hand_on = |from: &Party, to: &Party| {
            app.say(from, "certificate_transferred", &json!({"certificate": whole, "to": to.id})).accepted()
        };
        hand_on(&story.centre, &buyer);
        let between = hand_on(&buyer, &trader);
        let page = app.get(&format!("/v1/certificates/{whole}"), "");
        assert_eq!(page.status, 200);
        let nothing = match kind {
            Kind::Sqlite => "x'00'",
            Kind::Postgres => "decode('00', 'hex')",
        };
        let damage = format!("{} UPDATE entries SET bytes = {nothing} WHERE idx = {between};", unhook(kind, "entries"));
        app.database.tamper(&damage).expect("damaged");
        assert_eq!(app.get(&format!("/v1/certificates/{whole}"), "").json(), page.json());
        app.expect_damage();
    }

    /// The page says what a claim must not hide, and what was paid where papers show it; of units that others back, what is
    /// true of those.
    fn the_page_says_all(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        let buyer = app.join(&["buyer"]);
        let whole = story.issue(None);
        split(&app, &story.centre, &whole, &[units(1, 40), units(41, 97)]);
        let page = |serial: &str| app.get(&format!("/v1/certificates/{serial}"), "").json();
        let paid = json!({"amount": 40_000, "currency": "EUR"});
        let sale = json!({"certificate": units(1, 40), "to": buyer.id, "paid": paid});
        let sold = app.say(&story.centre, "certificate_transferred", &sale).accepted();
        let held = page(&units(1, 40));
        assert!(held.get("paid").is_none() && held.get("seller").is_none(), "a word alone is told to nobody: {held}");
        let document = json!({"sha256": "5".repeat(64), "blake3": "6".repeat(64)});
        let invoice = json!({"about": sold, "kind": "commercial", "document": document});
        let papers = app.say(&buyer, "evidence_attached", &invoice).accepted();
        // What is paid to others later is none of what the centre was paid.
        let (trader, document) = (app.join(&["buyer"]), json!({"sha256": "7".repeat(64), "blake3": "8".repeat(64)}));
        let more = json!({"amount": 90_000, "currency": "EUR", "document": document});
        let resale = json!({"certificate": units(1, 40), "to": trader.id, "paid": more});
        app.say(&buyer, "certificate_transferred", &resale).accepted();
        let back = json!({"certificate": units(1, 40), "to": buyer.id});
        app.say(&trader, "certificate_transferred", &back).accepted();
        retire(&app, &buyer, &units(1, 40), &[]).accepted();
        let page = page(&units(1, 40));
        let expected = json!([{
            "entry": sold, "by": story.centre.id, "units": [units(1, 40)], "amount": 40_000, "currency": "EUR", "papers": [papers],
        }]);
        assert_eq!((&page["paid"], &page["seller"]), (&expected, &json!(story.centre.id)));
        assert_eq!(page["auditors"], json!([story.auditor.id]));
        let grams = |name: &str| page[format!("{name}_g")].as_i64().unwrap_or_else(|| panic!("{name}: {page}"));
        for (name, expected) in [
            ("recycled", 40_000), ("otherwise_recovered", 0), ("disposed", 0), ("confirmed", 40_000), ("documented", 0),
            ("related_party", 0), ("hosted_keys", 0), ("treated_locally", 40_000), ("treated_in_europe", 0),
            ("treated_elsewhere", 0), ("hazardous", 0),
        ] {
            assert_eq!(grams(name), expected, "{name}");
        }
        assert_eq!((&page["issuer"], &page["operator"]), (&json!(story.issuer.id), &json!(app.operator.id)));
        assert_eq!((&page["treated"], page["not_permitted"].as_array().map(Vec::len)), (&json!(["2026-11-23", "2026-11-23"]), Some(5)));
        assert!(page["sentence"].as_str().is_some_and(|words| words.contains("were treated at") && !words.contains("recycled")));
    }
}
