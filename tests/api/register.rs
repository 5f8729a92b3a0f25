//! The public register, as somebody without a token sees it.

use crate::client::{Answer, RequestBuilder};
use crate::erasure::files_hold;
use crate::harness::{Party, TestApp, both_databases, new_id};
use crate::process::run_script;
use crate::readme::{block, printed, shell};
use crate::replacements::{Error, another_site};
use crate::story::{Story, changed_retirement};
use loopledger::proof::commitment::commit;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;
use std::sync::atomic::Ordering;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Some units of the story's pool.
pub fn units(first: i64, last: i64) -> String {
    format!("ERT-XD-CTR1-202611-{first:07}-{last:07}")
}

/// What anybody gets.
fn ask(app: &TestApp, path: &str) -> Value {
    let answer = app.get(path, "");
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// The serial numbers that a search finds.
fn found(app: &TestApp, query: &str) -> Vec<String> {
    let body = ask(app, &format!("/v1/register?{query}"));
    let blocks = body["blocks"].as_array().expect("blocks").iter();
    blocks.map(|block| block["serial"].as_str().expect("serial numbers").to_owned()).collect()
}

fn listed(app: &TestApp, serial: &str) -> Value {
    ask(app, &format!("/v1/register?serial={serial}"))["blocks"][0].clone()
}

/// A party retires a block in the name of a company.
pub fn retire_for(app: &TestApp, party: &Party, serial: &str, company: &str, change: &Value) -> Answer {
    let mut change = change.clone();
    let hash = commit("/beneficiary", &[7; 32], company).expect("a commitment");
    change["beneficiary"] = json!({"c": hash});
    let (statement, mut open) = changed_retirement(party, serial, &change);
    open["/beneficiary"]["value"] = json!(company);
    app.post_json("/v1/events", &party.token, &json!({"statement": statement, "open": open}))
}

fn split(story: &Story<'_>, serial: &str, into: &[String]) {
    let fields = json!({"certificate": serial, "into": into});
    story.app.say(&story.centre, "certificate_split", &fields).accepted();
}

/// 97 units in parts: 40 with a buyer, 20 retired, 10 cancelled, the rest in stock; 3 in the buffer.
fn parts(story: &Story<'_>) -> Party {
    let buyer = story.app.join(&["buyer"]);
    story.whole_batch(100_000);
    let whole = story.issue(None);
    assert_eq!(whole, units(1, 97));
    split(story, &whole, &[units(1, 40), units(41, 60), units(61, 70), units(71, 97)]);
    let to_buyer = json!({"certificate": units(1, 40), "to": buyer.id});
    story.app.say(&story.centre, "certificate_transferred", &to_buyer).accepted();
    story.app.say(&story.centre, "certificate_cancelled", &json!({"certificate": units(61, 70)})).accepted();
    retire_for(story.app, &story.centre, &units(41, 60), "École & Sons", &json!({})).accepted();
    buyer
}

/// Runs the independent checker of the register; `None` where there is no Python for it.
fn python(arguments: &[&str]) -> Option<Output> {
    Some(run_script("check_register.py")?.args(arguments).output().expect("Python runs"))
}

both_databases! {
    fn an_outsider_searches(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let buyer = parts(&story);
        let all = [units(1, 40), units(41, 60), units(61, 70), units(71, 97), units(98, 100)];
        assert_eq!(found(&app, ""), all, "what was split is listed by its parts");
        let text = app.get("/v1/register", "").text;
        assert!(!text.contains(&buyer.id), "nobody is named while they hold");
        assert!(text.contains(&story.centre.id), "whoever retired is");
        let table: &[(&str, &[&String])] = &[
            ("serial=ERT-XD-CTR1-202611-0000050", &[&all[1]]),
            ("serial=ERT-XD-CTR1-202611-0000040-0000041", &[&all[0], &all[1]]),
            (&format!("serial={}", units(1, 97)), &[&all[0], &all[1], &all[2], &all[3]]),
            ("serial=ERT-XD-CTR1-202611-0000101", &[]),
            ("serial=ERT-XD-CTR1-202612-0000001", &[]),
            ("country=XD&site=CTR1&vintage=2026-11&status=held", &[&all[0], &all[3]]),
            ("country=KE", &[]),
            ("site=FURN", &[]),
            ("vintage=2026-10", &[]),
            ("status=retired", &[&all[1]]),
            ("status=cancelled", &[&all[2]]),
            ("status=buffer", &[&all[4]]),
            ("status=expired", &[]),
            ("status=pending", &[]),
            ("status=withdrawn", &[]),
            ("company=%C3%A9cole%20%26%20SONS", &[&all[1]]),
            ("company=%C3%A9cole", &[]),
            ("company_begins=%C3%89c", &[&all[1]]),
            ("company_begins=sons", &[]),
            ("period=2026", &[&all[1]]),
            ("period=2026-05&company_begins=E%CC%81", &[&all[1]]),
            ("period=2027", &[]),
            ("period=2025-12", &[]),
        ];
        for (query, expected) in table {
            assert_eq!(&found(&app, query).iter().collect::<Vec<_>>(), expected, "{query}");
        }
        for (query, pointer) in [
            ("serial=x", "/serial"),
            ("country=xd", "/country"),
            ("site=x", "/site"),
            ("vintage=2026", "/vintage"),
            ("status=split", "/status"),
            ("period=2026-13", "/period"),
            ("company=a&company_begins=a", "/company_begins"),
            ("after=x", "/after"),
            ("format=xml", "/format"),
        ] {
            app.get(&format!("/v1/register?{query}"), "").refused(400, "query_invalid", pointer);
        }
        let retired = listed(&app, &units(41, 60));
        assert_eq!((&retired["status"], &retired["units"]), (&json!("retired"), &json!(20)));
        let claim = &retired["retired"];
        assert_eq!((&claim["beneficiary"], &claim["holder"]), (&json!("École & Sons"), &json!(story.centre.id)));
        assert_eq!((&claim["period"], &claim["purpose_kind"]), (&json!(["2026-01-01", "2026-12-31"]), &json!("annual_footprint")));
        let held = listed(&app, &units(1, 40));
        assert_eq!((&held["expires"], &held["retired"]), (&json!("2028-11-23"), &Value::Null));
    }

    /// Their time ends by the day alone; a page of its own says how many.
    fn units_expire(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        parts(&story);
        let pool = || ask(&app, "/v1/register/pools")["pools"][0].clone();
        assert_eq!((&pool()["held"], &pool()["expired"]), (&json!(67), &json!(0)));
        app.now_ms.fetch_add(731 * DAY_MS, Ordering::SeqCst);
        assert_eq!(found(&app, "status=expired"), Vec::<String>::new(), "the last day is 2028-11-23");
        assert_eq!(pool()["held"], 67);
        app.now_ms.fetch_add(DAY_MS, Ordering::SeqCst);
        assert_eq!(found(&app, "status=expired"), [units(1, 40), units(71, 97)]);
        assert_eq!(found(&app, "status=held"), Vec::<String>::new());
        assert_eq!((&pool()["held"], &pool()["expired"]), (&json!(0), &json!(67)));
        assert_eq!(listed(&app, &units(1, 40))["status"], "expired");
        assert_eq!(listed(&app, &units(41, 60))["status"], "retired");
    }

    fn the_sums_of_pools_and_sites(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        parts(&story);
        let freeze = json!({"certificate": units(1, 40), "reason": "review"});
        let frozen = app.say(&story.auditor, "certificate_frozen", &freeze).accepted();
        let body = ask(&app, "/v1/register/pools");
        assert_eq!((&body["operator"], &body["as_of_size"]), (&json!(app.operator.id), &json!(frozen + 1)));
        let pool = json!({
            "pool": "ERT-XD-CTR1-202611", "site": story.centre_site, "vintage": "2026-11", "issued": 100, "pending": 0,
            "held": 67, "expired": 0, "retired": 20, "cancelled": 10, "withdrawn": 0, "buffer": 3, "frozen": 40, "failing": 0,
        });
        assert_eq!(body["pools"], json!([pool]));
        let site = json!({
            "site": story.centre_site, "country": "XD", "code": "CTR1", "stock": 27, "backed": 0, "buffer": 3, "failing": 0,
            "deficit": 0,
        });
        assert_eq!(body["sites"], json!([site]));
        assert_eq!(listed(&app, &units(1, 40))["frozen"], json!({"entry": frozen, "reason": "review"}));
        let lines = app.get("/v1/register/pools?format=csv", "");
        let expected = format!(
            "pool,site,vintage,issued,pending,held,expired,retired,cancelled,withdrawn,buffer,frozen,failing,site_stock,\
             site_buffer,site_failing,site_deficit,as_of_size,site_backed\r\nERT-XD-CTR1-202611,{},2026-11,100,0,67,0,20,10,0,3,40,0,27,3,\
             0,0,{},0\r\n",
            story.centre_site,
            frozen + 1,
        );
        assert_eq!(lines.text, expected);
    }

    /// What fails is listed until it is replaced in time, or as unbacked; what backs it says for whom.
    fn failing_and_backed(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let failing = story.whole_batch(10_000);
        let retired = story.issue(None);
        story.retire(&retired).accepted();
        let held = json!({
            "treatment": failing, "severity": "major", "outcome": "held",
            "document": {"sha256": "0".repeat(64), "blake3": "1".repeat(64)},
        });
        app.say(&story.auditor, "audit_finding", &held).accepted();
        assert_eq!(listed(&app, &retired)["failing"], json!([retired]));
        assert_eq!(listed(&app, &retired)["unbacked"], Value::Null);
        let lists = || [found(&app, "status=failing"), found(&app, "status=unbacked")];
        // The unit of the buffer rests on the same grams.
        let both = vec![retired.clone(), units(10, 10)];
        assert_eq!(lists(), [both.clone(), Vec::new()]);
        let site = ask(&app, "/v1/register/pools")["sites"][0].clone();
        assert_eq!((&site["failing"], &site["buffer"], &site["deficit"]), (&json!(10), &json!(0), &json!(10)));
        let annotate = json!({"certificate": retired, "reason": "not_eligible"});
        let annotated = app.say(&story.issuer, "certificate_withdrawn", &annotate).accepted();
        let body = listed(&app, &retired);
        assert_eq!(body["annotated"], json!({"entry": annotated, "reason": "not_eligible"}));
        assert_eq!((&body["status"], &body["withdrawn"]), (&json!("retired"), &Value::Null));
        app.now_ms.fetch_add(366 * DAY_MS, Ordering::SeqCst);
        assert_eq!(listed(&app, &retired)["unbacked"], json!([retired]));
        assert_eq!(lists(), [both.clone(), both]);
    }

    fn a_table_for_people(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(10_000);
        let serial = story.issue(None);
        let named = json!({"beneficiary_organisation": story.centre.id});
        let entry = retire_for(&app, &story.centre, &serial, "=HYPERLINK(\"evil\"), Ltd", &named).accepted();
        let table = RequestBuilder::new("GET", &format!("{}/v1/register?status=retired", app.url), "")
            .header("Accept", "text/csv")
            .send("")
            .expect("an answer");
        assert_eq!(table.content_type, "text/csv; charset=utf-8; header=present");
        let expected = format!(
            "serial,status,units,country,site,vintage,issued,issued_at,expires,scheme,pending,frozen,failing,unbacked,backed,\
             backed_by,backs,withdrawn,annotated,retired,retired_by,period_from,period_until,purpose_kind,beneficiary,\
             beneficiary_number,purpose,erased,beneficiary_organisation\r\n{serial},retired,9,XD,CTR1,2026-11,{},2026-11-23T12:00:00.000Z,,e-resource/1,\
             ,,,,,,,,,{entry},{},2026-01-01,2026-12-31,annual_footprint,\"'=HYPERLINK(\"\"evil\"\"), Ltd\",XD 0123.456.789,\
             \"The e-waste of our offices in 2026, by weight\",,{}\r\n",
            entry - 1,
            story.centre.id,
            story.centre.id,
        );
        assert_eq!(table.text, expected);
    }

    fn page_by_page(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(400_000);
        let whole = story.issue(None);
        assert_eq!(whole, units(1, 388));
        let mut into: Vec<String> = (1..=254).map(|unit| units(unit, unit)).collect();
        into.push(units(255, 388));
        split(&story, &whole, &into);
        into.push(units(389, 400));
        let first = app.get("/v1/register?country=XD&period=2026&status=held&format=csv", "");
        assert_eq!((first.text.lines().count(), first.link.as_str()), (1, ""));
        let first = app.get("/v1/register?country=XD&site=CTR1", "");
        let next = format!("/v1/register?country=XD&site=CTR1&after={}&format=json", units(200, 200));
        assert_eq!(first.link, format!("<{next}>; rel=\"next\""));
        let second = app.get(&next, "");
        assert_eq!(second.link, "");
        let serials = |answer: &Answer| -> Vec<String> {
            let body = answer.json();
            let blocks = body["blocks"].as_array().expect("blocks").iter();
            blocks.map(|block| block["serial"].as_str().expect("numbers").to_owned()).collect()
        };
        assert_eq!([serials(&first), serials(&second)].concat(), into);
    }

    /// What was erased is found by no search, in the same transaction; and a register written anew is the same.
    fn erased_and_written_anew(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        parts(&story);
        let other = retire_for(&app, &story.centre, &units(71, 97), "Example AG", &json!({})).accepted();
        let entry = other - 1;
        let fields = json!({"entry": entry, "pointers": ["/beneficiary"], "reason": "person_asked"});
        let by = app.say(&story.centre, "value_erased", &fields).accepted();
        assert_eq!(found(&app, "company_begins=%C3%A9"), Vec::<String>::new());
        assert_eq!(found(&app, "company=example%20ag"), [units(71, 97)]);
        let claim = listed(&app, &units(41, 60))["retired"].clone();
        assert_eq!((&claim["beneficiary"], &claim["beneficiary_number"]), (&Value::Null, &json!("XD 0123.456.789")));
        let erased = json!([{"pointer": "/beneficiary", "on": "2026-11-23", "by": by, "reason": "person_asked"}]);
        assert_eq!(claim["erased"], erased);
        let line = app.get(&format!("/v1/register?format=csv&serial={}", units(41, 60)), "").text;
        assert!(line.ends_with(",/beneficiary on 2026-11-23,\r\n"), "{line}");
        let seen = |app: &TestApp| {
            let history = format!("/v1/certificates/{}/history", units(41, 60));
            ["/v1/register", "/v1/register/pools", "/v1/register?company=example%20ag", &history].map(|path| ask(app, path))
        };
        let before = seen(&app);
        let database = app.stop();
        assert!(!files_hold(&database.url, "cole & sons"), "neither the value nor what it was found by is on the disk");
        database
            .tamper(
                "UPDATE derived SET form = 1; DELETE FROM blocks; DELETE FROM holdings; DELETE FROM account_changes; \
                 DELETE FROM companies; DELETE FROM mentions",
            )
            .expect("emptied");
        let app = TestApp::start_on(database, crate::harness::NOON_MS);
        assert_eq!(seen(&app), before);
    }

    /// What the register is searched by is audited like everything else.
    fn whoever_edits_the_register_is_found(kind) {
        let mut app = TestApp::start(kind);
        let story = Story::begin(&app);
        parts(&story);
        app.expect_damage();
        let table = [
            ("UPDATE blocks SET status = 'held' WHERE status = 'retired'", "by what ERT-XD-CTR1-202611-0000041"),
            ("UPDATE companies SET idx = idx - 1", "the register finds its company by another name"),
            ("DELETE FROM companies", "the register knows other companies"),
            ("UPDATE holdings SET until = 7 WHERE until IS NULL", "what it did to the accounts of certificates"),
            ("DELETE FROM account_changes", "the accounts of certificates hold other rows"),
        ];
        for (damage, words) in table {
            app.database.tamper(damage).expect("damaged");
            let report = app.audit();
            let found: Vec<String> = report.faults().iter().map(|fault| format!("{fault:?}")).collect();
            assert!(found.iter().any(|fault| fault.contains(words)), "{damage}: {found:?}");
        }
    }

    /// Anybody reads what was said of certificates, each entry as it stands in the ledger, and nothing else.
    fn the_entries_of_certificates(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        parts(&story);
        let lines = app.get("/v1/register/entries", "");
        assert_eq!((lines.content_type.as_str(), lines.link.as_str()), ("application/x-ndjson", ""));
        let entries = lines.lines();
        assert_eq!(entries.len(), 5);
        for (line, entry) in lines.text.lines().zip(&entries) {
            assert_eq!(app.get(&format!("/v1/entries/{}", entry["index"]), "").text, line);
            app.wait_for_checkpoint();
            assert_eq!(app.get(&format!("/v1/proofs/inclusion?index={}", entry["index"]), "").status, 200);
        }
        let last = entries[4]["index"].as_u64().expect("an index");
        assert_eq!(app.get(&format!("/v1/register/entries?from={last}"), "").lines(), entries[4..]);
        assert_eq!(app.get(&format!("/v1/register/entries?from={}", last + 1), "").text, "");
        app.get("/v1/register/entries?from=x", "").refused(400, "query_invalid", "");
    }

    /// A script without packages and without trust in our sums replays what was said, and finds what was forged.
    fn anybody_adds_the_register_up(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let buyer = parts(&story);
        story.whole_batch(20_000);
        let draft = story.draft(Some(10)).json();
        app.say(&app.operator, "certificate_issued", &draft).accepted();
        app.say(&story.issuer, "certificate_countersigned", &json!({"certificate": units(101, 109)})).accepted();
        let mistaken = json!({"certificate": units(101, 109), "part": units(104, 106), "reason": "issued_in_error"});
        app.say(&app.operator, "certificate_withdrawn", &mistaken).accepted();
        let whole = story.issue(None);
        assert_eq!(whole, units(111, 122), "the grams that were set free are issued again");
        let further = json!({"further": [units(101, 103), units(107, 109)]});
        retire_for(&app, &story.centre, &units(111, 122), "Example AG", &further).accepted();
        let two = json!({"certificate": units(71, 97), "part": units(71, 80), "reason": "not_eligible", "second": "organisation"});
        app.say(&story.issuer, "certificate_withdrawn", &two).accepted();
        app.say(&story.auditor, "certificate_countersigned", &json!({"certificate": units(71, 80)})).accepted();
        let freeze = json!({"certificate": units(1, 40), "reason": "review"});
        app.say(&story.issuer, "certificate_frozen", &freeze).accepted();
        app.say(&story.issuer, "certificate_unfrozen", &json!({"certificate": units(1, 40)})).accepted();
        // A withdrawal that nobody signs second is taken back.
        let vain = json!({"certificate": units(81, 97), "reason": "not_eligible", "second": "organisation"});
        app.say(&story.issuer, "certificate_withdrawn", &vain).accepted();
        app.say(&story.issuer, "certificate_unfrozen", &json!({"certificate": units(81, 97)})).accepted();
        let Some(checked) = python(&[&app.url]) else { return };
        let expected = format!(
            "ERT-XD-CTR1-202611 issued=123 pending=0 held=57 expired=0 retired=38 cancelled=10 withdrawn=13 buffer=5\n\
             the register adds up: 16 entries, as of {}\n",
            app.ledger.readiness().expect("ready"),
        );
        assert_eq!(printed(&checked), expected);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(printed(&shell(folder, &block("check the register"), &[("URL", &app.url)])), expected);
        forge(&app, &buyer);
    }

    /// The ledger grows from page to page, and behind the last: each page is held against what was said before it.
    fn pages_of_different_moments(kind) {
        if python(&[]).is_none() {
            return;
        }
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let buyer = parts(&story);
        another_site(&story, 20_000);
        let page = |site: &str| {
            let mut page = ask(&app, "/v1/register/pools");
            let pools = page["pools"].as_array_mut().expect("pools");
            pools.retain(|pool| pool["pool"] == format!("ERT-XD-{site}-202611"));
            page.to_string()
        };
        let first = page("CTR1");
        let cancel = |party: &Party, serial: String| _ = app.say(party, "certificate_cancelled", &json!({"certificate": serial})).accepted();
        cancel(&story.centre, units(71, 97));
        let second = page("CTR2");
        cancel(&buyer, units(1, 40));
        let told = Told::by(&app);
        let (code, said) = told.check_pages(&told.lines, &[second.clone(), first.clone()]);
        assert_eq!((code, said.lines().count()), (Some(0), 3), "{said}");
        let (code, said) = told.check_pages(&told.lines, std::slice::from_ref(&first));
        assert_eq!((code, said.contains("it tells of the pools")), (Some(1), true), "{said}");
        told.is_wrong_with(&told.lines, &page("CTR1").replace("\"held\":0", "\"held\":40"), "it tells of 40 held");
        app.now_ms.fetch_add(732 * DAY_MS, Ordering::SeqCst);
        let (code, said) = told.check_pages(&told.lines, &[first, page("CTR2")]);
        assert_eq!((code, said.contains("held=67"), said.contains("expired=19")), (Some(0), true, true), "{said}");
    }

    /// The same of units that others back, and of those whose time is over; and holders who came too late are found.
    fn anybody_adds_up_what_was_replaced_and_what_is_over(kind) {
        let app = TestApp::start(kind);
        let error = Error::after_issue(&app);
        let sold = units(1, 100);
        error.correct_to(98_200);
        error.replace(&sold, &units(99, 99), &units(103, 103), Some(&units(101, 106))).accepted();
        error.replace(&sold, &units(100, 100), &units(104, 104), Some(&units(104, 106))).accepted();
        let cancel = json!({"certificate": units(101, 102)});
        app.say(&error.story.centre, "certificate_cancelled", &cancel).accepted();
        app.now_ms.fetch_add(732 * DAY_MS, Ordering::SeqCst);
        let Some(checked) = python(&[&app.url]) else { return };
        let expected = format!(
            "ERT-XD-CTR1-202611 issued=110 pending=0 held=0 expired=2 retired=100 cancelled=2 withdrawn=2 buffer=4\n\
             the register adds up: 7 entries, as of {}\n",
            app.ledger.readiness().expect("ready"),
        );
        assert_eq!(printed(&checked), expected);
        let told = Told::by(&app);
        told.is_wrong_with(&told.with(4, &units(99, 99), &units(98, 99)), &told.sums, "as many units fail as back them");
        told.is_wrong_with(&told.with(4, &units(99, 99), &units(110, 110)), &told.sums, "are not the certificate's");
        told.is_wrong_with(&told.with(5, &units(104, 104), &units(99, 99)), &told.sums, "are not units of");
        told.is_wrong_with(&told.without(5), &told.sums, "it tells of 2 expired, the entries of 3");
        told.is_wrong_with(&told.at(6, "2028-11-24"), &told.sums, "was over on 2028-11-23");
        told.is_wrong_with(&told.lines, &told.sums.replace("\"expired\":2", "\"expired\":0"), "it tells of 0 expired");
        assert_eq!(told.check(&told.at(6, "2028-11-23"), &told.sums).0, Some(0), "the last day is included");
    }
}

/// What a service tells of its register, to be changed.
struct Told {
    folder: tempfile::TempDir,
    lines: Vec<String>,
    sums: String,
}

impl Told {
    fn by(app: &TestApp) -> Self {
        let lines = app.get("/v1/register/entries", "").text.lines().map(str::to_owned).collect();
        let sums = app.get("/v1/register/pools", "").text;
        Self { folder: tempfile::tempdir().expect("a folder"), lines, sums }
    }

    /// What the script exits with, and what it prints.
    fn check(&self, lines: &[String], sums: &str) -> (Option<i32>, String) {
        self.check_pages(lines, &[sums.to_owned()])
    }

    /// The same with the sums in pages.
    fn check_pages(&self, lines: &[String], pages: &[String]) -> (Option<i32>, String) {
        let file = |name: &str, text: &str| {
            let path = self.folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            path.display().to_string()
        };
        let entries = file("entries", &lines.join("\n"));
        let pools: Vec<String> =
            pages.iter().enumerate().map(|(number, page)| file(&format!("pools{number}"), page)).collect();
        let pools = pools.iter().map(String::as_str);
        let arguments: Vec<&str> = ["--entries", &entries, "--pools"].into_iter().chain(pools).collect();
        let output = python(&arguments).expect("Python");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn is_wrong_with(&self, lines: &[String], sums: &str, words: &str) {
        let (code, told) = self.check(lines, sums);
        assert_eq!((code, told.contains("WRONG") && told.contains(words)), (Some(1), true), "{words}: {told}");
    }

    /// An entry whose payload says something else; who reads no signatures must still see that it does not add up.
    fn with(&self, position: usize, from: &str, to: &str) -> Vec<String> {
        self.changed(position, |entry| {
            let jws = entry["statement"].as_str().expect("a statement");
            let parts: Vec<&str> = jws.split('.').collect();
            let payload = data_encoding::BASE64URL_NOPAD.decode(parts[1].as_bytes()).expect("a payload");
            let payload = String::from_utf8(payload).expect("ASCII");
            assert!(payload.contains(from), "{from} is not in {payload}");
            let payload = data_encoding::BASE64URL_NOPAD.encode(payload.replace(from, to).as_bytes());
            entry["statement"] = json!(format!("{}.{payload}.{}", parts[0], parts[2]));
        })
    }

    /// An entry that was written down on another day.
    fn at(&self, position: usize, day: &str) -> Vec<String> {
        self.changed(position, |entry| entry["time"] = json!(format!("{day}T12:00:00.000Z")))
    }

    fn changed(&self, position: usize, change: impl Fn(&mut Value)) -> Vec<String> {
        let mut entry: Value = serde_json::from_str(&self.lines[position]).expect("an entry");
        change(&mut entry);
        let mut lines = self.lines.clone();
        lines[position] = entry.to_string();
        lines
    }

    fn without(&self, position: usize) -> Vec<String> {
        [&self.lines[..position], &self.lines[position + 1..]].concat()
    }
}

/// What a service could tell that lies, and what the script says to it.
fn forge(app: &TestApp, buyer: &Party) {
    let told = Told::by(app);
    assert_eq!(told.check(&told.lines, &told.sums).0, Some(0));
    let sums = || told.sums.clone();
    let table = [
        (told.with(5, "\"from\":0,", "\"from\":1,"), sums(), "units rest on"),
        (told.with(5, &units(101, 109), &units(91, 109)), sums(), "has 100 units, and units 91 to 110 are issued"),
        (told.with(2, &buyer.id, &new_id()), sums().replace("\"held\":57", "\"held\":56"), "it tells of 56 held"),
        (told.with(3, &units(61, 70), &units(1, 40)), sums(), "disposes of it"),
        (told.with(1, &units(41, 60), &units(40, 60)), sums(), "not the block's units in order"),
        (told.without(3), sums(), "it tells of 57 held, the entries of 67"),
        (told.without(6), sums(), "there is no block"),
        (told.without(7), sums(), "back two units"),
        ([told.lines.clone(), vec![told.lines[3].clone()]].concat(), sums(), "stands behind entry"),
        (
            told.lines.clone(),
            sums().replace("\"retired\":38", "\"retired\":37"),
            "it tells of 37 retired, the entries of 38",
        ),
        (told.with(3, "certificate_cancelled", "certificate_sums"), sums(), "nothing that this script knows"),
    ];
    for (lines, sums, words) in table {
        told.is_wrong_with(&lines, &sums, words);
    }
}
