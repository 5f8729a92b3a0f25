//! The frauds of the trade, each told as its fraudster would do it, and where it stops; beside each the honest work that looks
//! like it, and passes.

use crate::bundles::{openings_of, small};
use crate::client::Answer;
use crate::forging::Workshop;
use crate::harness::{Kind, Party, TestApp, both_databases, new_id};
use crate::process::run;
use crate::signals::{all, later, listed, paper, small_centre, taken_apart, told, with};
use crate::story::{Story, permitted_site};
use crate::tampering::unhook;
use crate::verifying::{Desk, bundle_now, grow};
use loopledger::domain::ids::EntryIndex;
use serde_json::{Value, json};

const NONE: [&str; 0] = [];

/// A lot goes from one centre to another, who weighs it.
pub fn hand(app: &TestApp, from: &Party, to: (&Party, &str, &str), lot: &str, grams: i64) -> Answer {
    let (party, site, scale) = to;
    let handover = new_id();
    let offer = json!({"handover": handover, "to": party.id, "lots": [{"lot": lot, "sent_g": grams}]});
    app.say(from, "handover_offered", &offer).accepted();
    let weight = json!({"basis": "weighed", "gross_g": grams, "tare_g": 0, "scale": scale});
    let lots = json!([{"weight": weight, "accepted_g": grams, "refused_g": 0}]);
    app.say(party, "handover_accepted", &json!({"handover": handover, "site": site, "lots": lots}))
}

/// Both sites may take phones and what is in them.
fn allow_phones(story: &Story<'_>) {
    for site in [&story.centre_site, &story.smelter_site] {
        let permit = json!({
            "number": "XD/2026/18", "operations": ["R12", "R4", "R3"],
            "waste_codes": ["16 02 14", "16 02 13*", "16 02 15*", "16 06 05", "16 06 07*", "19 12 02", "19 12 04"],
            "capacity_g_per_year": 5_000_000_000_i64, "valid_from": "2026-01-01", "valid_until": "2026-12-31",
        });
        let fields = json!({"changed_site": site, "permit": permit});
        story.app.say(&story.app.operator, "site_changed", &fields).accepted();
    }
}

both_databases! {
    /// A centre and its issuer have one load of 20 kg and want 40 kg of certificates: they issue the same draft twice, give a copy
    /// of the lot its id, and treat the same lot once more under another statement. Each gram lies in one place, so each stops.
    fn the_same_kilogram_sold_twice(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let batch = story.batch(20_000);
        let steel = story.fraction(&batch, "FE", 20_000);
        story.send(&steel, 20_000, 20_000);
        story.treat(&steel, 20_000);
        story.close(&batch).accepted();
        let draft = story.draft(None).json();
        story.issue(None);
        app.say(&story.issuer, "certificate_issued", &draft).refused(422, "units_invalid", "/vintage");
        story.treat_by(&steel, 20_000, "R4").refused(409, "item_ended", "/item");
        let copied = with(story.received_fields(&steel, 20_000), &json!({"number": "WB-copy"}));
        app.say(&story.centre, "received", &copied).refused(409, "already_registered", "/item");
        // The honest twin: a second load, of other grams.
        story.whole_batch(20_000);
        app.say(&story.issuer, "certificate_issued", &draft).refused(409, "grams_taken", "/allotments");
        let second = story.issue(None);
        assert!(second.contains("-0000021-"), "{second}: the next serial numbers");
        assert_eq!(all(&app), Vec::new());
    }

    /// A plant that is allowed 5,000 t a year issues for more: it receives on paper what it never could. What lies beyond its
    /// permit is recorded, and backs nothing.
    fn certificates_above_capacity(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let work = json!({"year": "2026", "received_g": 4_999_989_000_i64});
        app.say(&app.operator, "site_changed", &json!({"changed_site": story.centre_site, "outside_work": work})).accepted();
        let within = story.whole_batch(9_000);
        assert_eq!(story.gaps(within), (Vec::new(), 9_000));
        let beyond = story.whole_batch(9_000);
        let (gaps, eligible) = story.gaps(beyond);
        assert!(gaps.contains(&"over_capacity".to_owned()), "{gaps:?}");
        assert_eq!(eligible, 0);
        assert!(story.issue(None).contains("-0000001-0000008"), "nine units, one of them the buffer's");
        story.draft(None).refused(422, "units_invalid", "/vintage");
    }

    /// A plant that exists on paper alone: nobody was there, so it backs nothing; no permit covers it; and when its books are
    /// written, a year's work fits into a day. What goes beyond a month's work in one day is in doubt.
    fn a_plant_that_does_not_exist(kind) {
        let app = TestApp::start(kind);
        let story = Story::unaudited(&app);
        let treatment = story.whole_batch(9_000);
        let (gaps, _) = story.gaps(treatment);
        assert!(gaps.contains(&"batch_site_not_audited".to_owned()), "{gaps:?}");
        assert!(gaps.contains(&"treatment_site_not_audited".to_owned()), "{gaps:?}");
        let (ghost, site, scale) = small_centre(&app, 12_000_000);
        let centre = (&ghost, site.as_str(), scale.as_str());
        let day = "2026-11-20T09:00:00+02:00";
        let honest = taken_apart(&app, centre, day, 1_000_000);
        assert_eq!(told(&honest), NONE, "a cage that took a month to fill");
        let ghostly = taken_apart(&app, centre, day, 1_000_000);
        assert_eq!(told(&ghostly), ["/occurred_at"]);
        let found = &listed(&app, &ghost.token, "")[0];
        assert_eq!((&found["code"], &found["found_g"]), (&json!("throughput_implausible"), &json!(2_000_000)));
        assert_eq!(found["most_g"], json!(12_000_000_i64 * 31 / 365));
        // The steel that went beyond is held wherever it goes, and no other.
        let held = [&honest, &ghostly].map(|answer| {
            let said = app.get(&format!("/v1/events?from={}", answer.accepted()), &app.operator.token).json();
            let lot = said["events"][0]["payload"]["lot"].as_str().expect("a lot").to_owned();
            let smelter = (&story.smelter, story.smelter_site.as_str(), story.smelter_scale.as_str());
            hand(&app, &ghost, smelter, &lot, 1_000_000).accepted();
            let path = format!("/v1/eligibility?treatment={}", story.treat(&lot, 1_000_000));
            app.get(&path, &app.operator.token).text.contains("\"signal_raised\"")
        });
        assert_eq!(held, [false, true]);
        // Without any permit.
        let bare = app.site(&ghost.id);
        let bare_scale = app.scale(&bare);
        let answer = taken_apart(&app, (&ghost, &bare, &bare_scale), day, 9_000);
        let received = app.get(&format!("/v1/events?site={bare}&type=received"), &app.operator.token).json();
        assert_eq!(received["events"][0]["warnings"][0]["code"], "permit_not_valid");
        assert_eq!(told(&answer), NONE);
    }

    /// Phones are bought by weight, so people put clay into them and take the boards out. A thousand phones of 400 g each are
    /// recorded, and so is that no board came out of them; both hold the grams until an auditor has looked.
    fn clay_in_phones(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        allow_phones(&story);
        let phones = |grams: i64| {
            let weight = story.weighed(grams);
            story.gate_with(grams, &json!({"class": "0306", "pieces": 1_000, "weight": weight}))
        };
        let (lot, received) = phones(400_000);
        assert_eq!(told(&received), ["/pieces"]);
        let found = &listed(&app, &story.centre.token, "")[0];
        assert_eq!((&found["code"], &found["pieces"]), (&json!("mass_per_piece_implausible"), &json!(1_000)));
        assert_eq!((&found["found_g"], &found["most_g"]), (&json!(400_000), &json!(300_000)));
        let (batch, out, closed) = story.batch_into(&[lot], &[("PLAST_CLEAN", 310_000), ("BAT_LI", 90_000)]);
        assert_eq!(told(&closed), ["/batch"]);
        let found = &listed(&app, &story.centre.token, "code=composition_implausible")[0];
        let figures = ["part", "found_g", "least_g", "subject"].map(|name| found[name].clone());
        assert_eq!(figures, [json!("boards"), json!(0), json!(20_000), json!(batch)]);
        story.send(&out[0], 310_000, 310_000);
        let treatment = story.treat_by(&out[0], 310_000, "R3").accepted();
        assert!(story.is_held(treatment));
        story.find(&json!({"batch": batch}), "noted").accepted();
        assert!(story.is_held(treatment), "noted is not cleared");
        story.find(&json!({"entry": received.accepted()}), "cleared").accepted();
        assert!(story.is_held(treatment), "the boards are still missing");
        story.find(&json!({"entry": closed.accepted()}), "cleared").accepted();
        assert!(!story.is_held(treatment));
        // The honest twin.
        let (lot, received) = phones(150_000);
        assert_eq!(told(&received), NONE);
        let fractions = [("PWB_HIGH", 30_000), ("BAT_LI", 33_000), ("PLAST_CLEAN", 87_000)];
        let (_, out, closed) = story.batch_into(&[lot], &fractions);
        assert_eq!(told(&closed), NONE);
        story.send(&out[2], 87_000, 87_000);
        assert!(!story.is_held(story.treat_by(&out[2], 87_000, "R3").accepted()));
    }

    /// Boards are worth the most, so somebody else's are weighed in with a batch of desktops: it gives more than desktops hold.
    fn boards_from_elsewhere(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let desktops = || story.gate_with(200_000, &json!({"class": "0302", "pieces": 22})).0;
        let (_, _, closed) = story.batch_into(&[desktops()], &[("PWB_HIGH", 60_000), ("FE", 140_000)]);
        assert_eq!(told(&closed), ["/batch"]);
        let found = &listed(&app, &app.operator.token, "")[0];
        assert_eq!((&found["found_g"], &found["most_g"]), (&json!(60_000), &json!(50_000)));
        let (_, _, closed) = story.batch_into(&[desktops()], &[("PWB_HIGH", 20_000), ("FE", 180_000)]);
        assert_eq!(told(&closed), NONE);
    }

    /// A centre takes 300 kg of laptops apart and sells the batteries, which nobody wants to pay for, out of the back door: none
    /// ever leaves the batch. An auditor who finds where they are sets the grams free.
    fn batteries_that_never_appear(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        allow_phones(&story);
        let laptops = || story.gate_with(300_000, &json!({"pieces": 110})).0;
        let (batch, out, closed) = story.batch_into(&[laptops()], &[("PWB_HIGH", 30_000), ("FE", 270_000)]);
        assert_eq!(told(&closed), ["/batch"]);
        let found = &listed(&app, &app.operator.token, "")[0];
        let figures = ["part", "found_g", "least_g", "most_g"].map(|name| found[name].clone());
        assert_eq!(figures, [json!("batteries"), json!(0), json!(6_000), json!(90_000)]);
        story.send(&out[1], 270_000, 270_000);
        let treatment = story.treat(&out[1], 270_000);
        assert!(story.is_held(treatment));
        story.find(&json!({"batch": batch}), "cleared").accepted();
        assert!(!story.is_held(treatment));
        let fractions = [("PWB_HIGH", 30_000), ("BAT_LI", 36_000), ("FE", 234_000)];
        let (_, _, closed) = story.batch_into(&[laptops()], &fractions);
        assert_eq!(told(&closed), NONE);
    }

    /// Waste is put on a shelf and sold as recycled. Storage ends no mass, nor does any interim operation; a site that may only
    /// store treats nothing, whatever it writes; and what lies too long is told.
    fn interim_storage_passed_off_as_recycling(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let batch = story.batch(9_000);
        let steel = story.fraction(&batch, "FE", 9_000);
        story.close(&batch).accepted();
        let shelf = permitted_site(&app, &story.centre, "SHELF", &["R13"]);
        let end = |operation: &str, site: &str| {
            let fields = json!({"item": steel, "operation": operation, "net_g": 9_000, "site": site});
            app.say(&story.centre, "treated_final", &fields)
        };
        for operation in ["R12", "R13", "D13", "D14", "D15"] {
            end(operation, &shelf).refused(422, "operation_not_final", "/operation");
        }
        let shuffled = json!({
            "inputs": [steel], "operation": "R13", "loss_g": 0, "out_of_scope_g": 0,
            "outputs": [{"lot": new_id(), "fraction": "FE", "weight": story.weighed(9_000)}],
        });
        story.at_centre("treated_interim", shuffled).refused(422, "code_unknown", "/operation");
        let treated = end("R4", &shelf);
        assert!(treated.warnings().contains(&"permit_not_valid".to_owned()));
        let (gaps, eligible) = story.gaps(treated.accepted());
        assert!(gaps.contains(&"permit_not_valid".to_owned()), "{gaps:?}");
        assert_eq!(eligible, 0);
        assert_eq!(story.gaps(story.whole_batch(9_000)), (Vec::new(), 9_000));
    }

    /// Scrap leaves Kenya for Belgium as "used equipment", as a sale between friends, or as nothing at all. Used equipment is
    /// tested, wiped and packed; waste has a consent; and what turns up behind a border without papers is held.
    fn waste_exported_as_used_equipment(kind) {
        let app = TestApp::start(kind);
        let exporter = app.join_in("KE", &["recycler", "exporter", "refurbisher"]);
        let friend = app.join_in("BE", &["treater"]);
        let site = new_id();
        let at = json!({"organisation": exporter.id, "new_site": site, "country": "KE", "code": "NBO1"});
        app.say(&app.operator, "site_registered", &at).accepted();
        let say = |kind: &str, fields: Value| app.say(&exporter, kind, &with(fields, &json!({"site": site})));
        let laptop = || {
            let item = new_id();
            say("registered", json!({
                "item": item, "kind": "device", "class": "0303", "weight": {"basis": "class"}, "country": "KE",
            }))
            .accepted();
            item
        };
        let ship = |items: Value| {
            say("export_shipped", json!({
                "handover": new_id(), "to": friend.id, "items": items, "to_country": "BE", "ground": "non_waste_reuse",
            }))
        };
        let scrap = laptop();
        ship(json!([scrap])).refused(409, "proof_missing", "/items/0");
        say("tested", json!({"item": scrap, "result": "waste"})).accepted();
        ship(json!([scrap])).refused(409, "wrong_condition", "/items/0");
        let offer = json!({"handover": new_id(), "to": friend.id, "items": [scrap]});
        say("handover_offered", offer.clone()).accepted();
        let hoboken = new_id();
        let at = json!({"organisation": friend.id, "new_site": hoboken, "country": "BE", "code": "HOB"});
        app.say(&app.operator, "site_registered", &at).accepted();
        let taken = app.say(&friend, "handover_accepted", &json!({"handover": offer["handover"], "site": hoboken}));
        taken.accepted();
        assert!(taken.warnings().contains(&"border_not_covered".to_owned()));
        // The honest twin works, is wiped, and leaves packed.
        let good = laptop();
        say("tested", json!({"item": good, "result": "works"})).accepted();
        let wiped = json!({"item": good, "method": "purge", "technique": "crypto_erase", "verified": true});
        say("data_sanitised", wiped).accepted();
        say("prepared_for_reuse", json!({"item": good})).accepted();
        let container = new_id();
        say("packed", json!({"container": container, "items": [good]})).accepted();
        ship(json!([container, good])).accepted();
    }

    /// Whoever runs the service writes history anew. As an administrator it cannot, or the audit names the row; as the operator,
    /// with every key, it can sign another ledger, and whoever holds an earlier certificate sees two histories.
    fn history_rewritten_afterwards(kind) {
        let mut app = TestApp::start(kind);
        app.expect_damage();
        let story = Story::begin(&app);
        let (serial, held) = small(&story);
        let desk = Desk::new();
        desk.put("held", &held);
        let mut other = Workshop::of(&story, &serial, openings_of(&held));
        other.first("received")["number"] = json!("WB-2");
        // The honest twin: the ledger grows, and both bundles are of one history.
        grow(&app, 3);
        desk.put("grown", &bundle_now(&app, &serial));
        desk.expect(&format!("@grown @held --vkey @vkey --url {}", app.url), 0, &["VALID"]);
        desk.put("rewritten", &other.bundle(|_| true));
        desk.expect("@rewritten --vkey @vkey", 0, &["VALID"]);
        desk.expect("@held @rewritten --vkey @vkey", 1, &["NOT ONE HISTORY"]);
        // An auditor replays all of it through the service, before and after somebody edits a row.
        let (key, token) = (desk.path("vkey"), desk.put("token", app.operator.token.as_bytes()));
        let audit = || run(&["audit", "--url", &app.url, "--vkey", &key, "--token-file", &token]);
        assert_eq!(audit().status.code(), Some(0));
        let change = match kind {
            Kind::Sqlite => "UPDATE entries SET bytes = CAST(replace(bytes, '2026', '2025') AS BLOB) WHERE idx = 7",
            Kind::Postgres => {
                "UPDATE entries SET bytes = convert_to(replace(convert_from(bytes, 'UTF8'), '2026', '2025'), 'UTF8') WHERE idx = 7"
            },
        };
        let refused = app.database.tamper(change).err();
        assert!(refused.is_some_and(|words| words.contains("append-only")));
        app.database.tamper(&format!("{}{change}", unhook(kind, "entries"))).expect("an administrator can");
        assert_eq!(audit().status.code(), Some(2), "the service gives nothing that is not as it was signed");
        assert!(app.ledger.health.halted().is_some(), "and it halts");
        assert_eq!(app.get("/health/ready", "").status, 503);
        let found = app.audit().findings;
        assert!(found.iter().any(|finding| finding.index == Some(EntryIndex(7))), "{found:?}");
    }

    /// Two centres of one owner hand the same lot to and fro, so that each has received it, again and again. Declared, their
    /// handovers prove nothing; hidden, the lot that comes back gives them away, also in parts and mixed with other waste.
    fn circular_trade_between_related_centres(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let twin = app.join(&["recycler"]);
        let twin_site = permitted_site(&app, &twin, "TWIN", &["R12"]);
        let twin_scale = app.scale(&twin_site);
        let centre = (&story.centre, story.centre_site.as_str(), story.centre_scale.as_str());
        let other = (&twin, twin_site.as_str(), twin_scale.as_str());
        let honest = hand(&app, &story.centre, other, &story.gate(20_000).0, 20_000);
        assert_eq!(told(&honest), NONE);
        let (lot, _) = story.gate(40_000);
        assert_eq!(told(&hand(&app, &story.centre, other, &lot, 40_000)), NONE);
        // Half of it comes back, and the other half in another lot.
        let (half, rest, mixed) = (new_id(), new_id(), new_id());
        let parts = json!([{"lot": half, "net_g": 15_000}, {"lot": rest, "net_g": 25_000}]);
        app.say(&twin, "split", &json!({"lot": lot, "parts": parts, "site": twin_site})).accepted();
        let own = new_id();
        let fields = json!({"item": own, "site": twin_site, "number": "TW-1", "weight": {
            "basis": "weighed", "gross_g": 5_000, "tare_g": 0, "scale": twin_scale,
        }});
        app.say(&twin, "received", &with(story.received_fields(&own, 5_000), &fields)).accepted();
        app.say(&twin, "merged", &json!({"inputs": [rest, own], "lot": mixed, "site": twin_site})).accepted();
        assert_eq!(told(&hand(&app, &twin, centre, &half, 15_000)), ["/lots/0"]);
        assert_eq!(told(&hand(&app, &twin, centre, &mixed, 30_000)), ["/lots/0"]);
        let (_, steel, _) = story.batch_into(&[half], &[("FE", 15_000)]);
        story.send(&steel[0], 15_000, 15_000);
        let treatment = story.treat(&steel[0], 15_000);
        assert!(story.is_held(treatment));
        // They are found to be related.
        app.say(&twin, "relation_declared", &json!({"other": story.centre.id, "kind": "ownership"})).accepted();
        let (related, _) = story.gate(8_000);
        hand(&app, &story.centre, other, &related, 8_000).accepted();
        assert_eq!(told(&hand(&app, &twin, centre, &related, 8_000)), ["/lots/0"]);
        let (_, steel, _) = story.batch_into(&[related], &[("FE", 8_000)]);
        story.send(&steel[0], 8_000, 8_000);
        let (gaps, _) = story.gaps(story.treat(&steel[0], 8_000));
        assert!(gaps.contains(&"related_parties".to_owned()) && gaps.contains(&"signal_raised".to_owned()), "{gaps:?}");
        // After half a year it is another trade.
        let (old, _) = story.gate(7_000);
        hand(&app, &story.centre, other, &old, 7_000).accepted();
        later(&app, 200);
        let handover = new_id();
        let offer = json!({"handover": handover, "to": story.centre.id, "lots": [{"lot": old, "sent_g": 7_000}]});
        let day = json!({"occurred_at": "2027-06-10T09:00:00+02:00"});
        app.say(&twin, "handover_offered", &with(offer, &day)).accepted();
        let lots = json!([{"weight": story.weighed(7_000), "accepted_g": 7_000, "refused_g": 0}]);
        let taken = json!({"handover": handover, "site": story.centre_site, "lots": lots});
        assert_eq!(told(&app.say(&story.centre, "handover_accepted", &with(taken, &day))), NONE);
    }

    /// A lorry drives over the weighbridge once, and its ticket stands for two loads: by its number, or as a photograph under
    /// another number. Sorted into its classes on the day, it is one load.
    fn one_weighbridge_ticket_for_two_loads(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let gate = |change: Value| told(&story.gate_with(9_000, &change).1);
        assert_eq!(gate(json!({"number": "T-1", "document": paper('a')})), NONE);
        assert_eq!(gate(json!({"number": "T-1", "class": "0302"})), NONE, "the desktops of the same load");
        assert_eq!(gate(json!({"number": "T-1"})), ["/number"]);
        assert_eq!(gate(json!({"number": "T-2", "document": paper('a')})), ["/document"]);
        let yesterday = json!({"number": "T-1", "class": "0304", "occurred_at": "2026-11-22T13:00:00+02:00"});
        assert_eq!(gate(yesterday), ["/number"]);
        assert_eq!(gate(json!({"number": "T-3"})), NONE);
        // A receiver's tickets are its own, and one is for one load too.
        let accept = |grams: i64, number: &str| {
            let (lot, handover) = (story.gate(grams).0, new_id());
            let offer = json!({"handover": handover, "to": story.smelter.id, "lots": [{"lot": lot, "sent_g": grams}]});
            app.say(&story.centre, "handover_offered", &offer).accepted();
            let weight = json!({"basis": "weighed", "gross_g": grams, "tare_g": 0, "scale": story.smelter_scale});
            let lots = json!([{"weight": weight, "accepted_g": grams, "refused_g": 0}]);
            told(&app.say(&story.smelter, "handover_accepted", &json!({
                "handover": handover, "site": story.smelter_site, "lots": lots, "number": number,
            })))
        };
        assert_eq!(accept(9_000, "T-1"), NONE);
        assert_eq!(accept(8_000, "T-1"), ["/number"]);
        // A year on, the printer has begun anew.
        later(&app, 364);
        assert_eq!(gate(json!({"number": "T-3", "occurred_at": "2027-11-22T09:00:00+02:00"})), ["/number"]);
        assert_eq!(gate(json!({"number": "T-1", "occurred_at": "2027-11-23T09:00:00+02:00"})), NONE);
    }
}
