//! The donor's report: a gift from a desk in Belgium to a school in Kenya and what became of it, to the gram.

use crate::client::{Answer, RequestBuilder};
use crate::harness::{Kind, Party, TestApp, both_databases, new_id, signed};
use crate::story::audit_fields;
use loopledger::domain::composition::SourceId;
use loopledger::domain::ids::DonationId;
use loopledger::domain::state::{Record, RecordKind};
use loopledger::store::records;
use serde_json::{Value, json};

/// A donor and a scrap works in Belgium; a school, a centre and a smelter in Kenya.
struct Gift {
    app: TestApp,
    donor: Party,
    scrapper: Party,
    antwerp: String,
    school: Party,
    nakuru: String,
    centre: Party,
    nairobi: String,
    scale: String,
    smelter: Party,
    mombasa: String,
    project: String,
    donation: String,
    /// Six laptops of 2,000, 2,100, 2,200, 2,300, 1,500 and 1,700 g.
    laptops: Vec<String>,
}

const LAPTOPS_G: [i64; 6] = [2_000, 2_100, 2_200, 2_300, 1_500, 1_700];

fn site(app: &TestApp, party: &Party, country: &str, code: &str) -> String {
    let site = new_id();
    let permit = json!({
        "number": "P-1", "operations": ["R12", "R13", "R4"], "waste_codes": ["16 02 13*", "16 02 15*", "19 12 02"],
        "capacity_g_per_year": 9_000_000_000_i64, "valid_from": "2026-01-01", "valid_until": "2027-12-31",
    });
    let fields =
        json!({"organisation": party.id, "new_site": site, "country": country, "code": code, "permit": permit});
    app.say(&app.operator, "site_registered", &fields).accepted();
    site
}

fn register(app: &TestApp, holder: &Party, grams: i64, country: &str) -> String {
    let item = new_id();
    let weight = json!({"basis": "estimated", "net_g": grams});
    let fields = json!({"item": item, "kind": "device", "class": "0303", "weight": weight, "country": country});
    app.say(holder, "registered", &fields).accepted();
    item
}

impl Gift {
    /// Six laptops are given for a project in Kenya, wiped and tested; the sixth is waste.
    fn new(kind: Kind) -> Self {
        let app = TestApp::start(kind);
        let (donor, scrapper) = (app.join_in("BE", &["donor"]), app.join_in("BE", &["treater"]));
        let (school, centre) = (app.join_in("KE", &["beneficiary"]), app.join_in("KE", &["recycler"]));
        let (smelter, auditor) = (app.join_in("KE", &["treater"]), app.join(&["auditor"]));
        let (antwerp, nakuru) = (site(&app, &scrapper, "BE", "ANR"), site(&app, &school, "KE", "NAK"));
        let (nairobi, mombasa) = (site(&app, &centre, "KE", "NBO1"), site(&app, &smelter, "KE", "MBA"));
        for site in [&nairobi, &mombasa] {
            app.say(&auditor, "site_audited", &audit_fields(site, "2026-10-01", "conforms")).accepted();
        }
        let scale = app.scale(&nairobi);
        let project = new_id();
        let fields = json!({"project": project, "country": "KE", "organisation": school.id});
        app.say(&app.operator, "project_registered", &fields).accepted();
        let laptops: Vec<String> = LAPTOPS_G.iter().map(|grams| register(&app, &donor, *grams, "BE")).collect();
        let donation = new_id();
        for items in [&laptops[..4], &laptops[4..]] {
            app.say(&donor, "donated", &json!({"donation": donation, "project": project, "items": items})).accepted();
        }
        let gift = Self {
            app,
            donor,
            scrapper,
            antwerp,
            school,
            nakuru,
            centre,
            nairobi,
            scale,
            smelter,
            mombasa,
            project,
            donation,
            laptops,
        };
        gift.make_ready();
        gift
    }

    fn make_ready(&self) {
        for (position, item) in self.laptops.iter().enumerate() {
            let result = if position == 5 { "waste" } else { "works" };
            let wiped = json!({"item": item, "method": "purge", "technique": "crypto_erase", "verified": true});
            self.app.say(&self.donor, "data_sanitised", &wiped).accepted();
            self.app.say(&self.donor, "tested", &json!({"item": item, "result": result})).accepted();
            if position < 5 {
                self.app.say(&self.donor, "prepared_for_reuse", &json!({"item": item})).accepted();
            }
        }
    }

    fn at_school(&self, kind: &str, mut fields: Value) -> Answer {
        fields["site"] = json!(self.nakuru);
        self.app.say(&self.school, kind, &fields)
    }

    fn at_centre(&self, kind: &str, mut fields: Value) -> Answer {
        fields["site"] = json!(self.nairobi);
        self.app.say(&self.centre, kind, &fields)
    }

    fn weighed(&self, grams: i64) -> Value {
        json!({"basis": "weighed", "gross_g": grams, "tare_g": 0, "scale": self.scale})
    }

    /// The sixth laptop ends as a whole where it failed.
    fn end_in_belgium(&self) {
        let item = &self.laptops[5];
        let waste =
            json!({"item": item, "arising": {"country": "BE", "month": "2026-11"}, "counted_elsewhere": "none"});
        self.app.say(&self.donor, "retired", &waste).accepted();
        let handover = new_id();
        let offer = json!({"handover": handover, "to": self.scrapper.id, "items": [item]});
        self.app.say(&self.donor, "handover_offered", &offer).accepted();
        let taken = json!({"handover": handover, "site": self.antwerp});
        self.app.say(&self.scrapper, "handover_accepted", &taken).accepted();
        let end = json!({"item": item, "operation": "R4", "net_g": 1_700, "site": self.antwerp});
        self.app.say(&self.scrapper, "treated_final", &end).accepted();
    }

    /// Four laptops go to Kenya, packed; three are used, from the fourth a drive is taken, and then it is lost.
    fn use_in_kenya(&self) -> String {
        let (container, handover) = (new_id(), new_id());
        let packed = json!({"container": container, "items": self.laptops[..4]});
        self.app.say(&self.donor, "packed", &packed).accepted();
        let mut items = vec![container.clone()];
        items.extend_from_slice(&self.laptops[..4]);
        let shipped = self.app.say(&self.donor, "export_shipped", &json!({
            "handover": handover, "to": self.school.id, "items": items, "to_country": "KE", "ground": "non_waste_reuse",
        }));
        shipped.accepted();
        assert!(shipped.warnings().is_empty(), "{}", shipped.text);
        self.at_school("import_received", json!({"handover": handover})).accepted();
        self.at_school("unpacked", json!({"container": container})).accepted();
        for (item, day) in self.laptops[..3].iter().zip(["2026-11-03", "2026-11-03", "2026-11-13"]) {
            let began = format!("{day}T09:00:00+03:00");
            let fields = json!({"item": item, "country": "KE", "project": self.project, "occurred_at": began});
            self.at_school("put_in_use", fields).accepted();
        }
        let drive = new_id();
        self.at_school(
            "part_removed",
            json!({
                "item": self.laptops[3], "component": drive, "class": "HDD", "media_left": "none",
                "weight": {"basis": "estimated", "net_g": 300},
            }),
        )
        .accepted();
        self.at_school("lost", json!({"item": self.laptops[3], "cause": "stolen"})).accepted();
        self.at_school(
            "training_held",
            json!({
                "project": self.project, "donation": self.donation, "topic": "use", "participants": 24,
                "from": "2026-11-02", "until": "2026-11-03",
            }),
        )
        .accepted();
        drive
    }

    /// Two laptops die and are merged with one of the centre's own; the lot is weighed and split.
    fn retire_in_kenya(&self) -> (String, String) {
        let own = register(&self.app, &self.centre, 1_000, "KE");
        let missing = json!([{"part": "batteries", "count": 1}]);
        let arising = json!({"country": "KE", "month": "2026-11"});
        let waste =
            |item: &str| json!({"item": item, "arising": arising, "counted_elsewhere": "none", "missing": missing});
        self.at_centre("retired", waste(&own)).accepted();
        for item in &self.laptops[..2] {
            self.at_school("retired", waste(item)).accepted();
        }
        let handover = new_id();
        let offer = json!({"handover": handover, "to": self.centre.id, "items": self.laptops[..2]});
        self.at_school("handover_offered", offer).accepted();
        self.at_centre("handover_accepted", json!({"handover": handover})).accepted();
        let (lot, to_dismantle, rest) = (new_id(), new_id(), new_id());
        let inputs = json!([self.laptops[0], self.laptops[1], own]);
        self.at_centre("merged", json!({"inputs": inputs, "lot": lot})).accepted();
        self.at_centre("reweighed", json!({"item": lot, "weight": self.weighed(5_000), "reason": "measured"}))
            .accepted();
        let parts = json!([{"lot": to_dismantle, "net_g": 4_000}, {"lot": rest, "net_g": 1_000}]);
        self.at_centre("split", json!({"lot": lot, "parts": parts})).accepted();
        (to_dismantle, rest)
    }

    fn send(&self, lot: &str, to: &Party, site: &str, sent: i64, received: i64) {
        let handover = new_id();
        let offer = json!({"handover": handover, "to": to.id, "lots": [{"lot": lot, "sent_g": sent}]});
        self.at_centre("handover_offered", offer).accepted();
        let weight = json!({"basis": "estimated", "net_g": received});
        let weight = if to.id == self.smelter.id { self.weighed_at_smelter(received) } else { weight };
        let answer = json!({"weight": weight, "accepted_g": received, "refused_g": 0});
        let taken = json!({"handover": handover, "site": site, "lots": [answer]});
        self.app.say(to, "handover_accepted", &taken).accepted();
    }

    fn weighed_at_smelter(&self, grams: i64) -> Value {
        json!({"basis": "weighed", "gross_g": grams, "tare_g": 0, "scale": self.app.scale(&self.mombasa)})
    }

    fn report(&self) -> Value {
        let answer = self.app.get(&format!("/v1/donations/{}/report", self.donation), &self.donor.token);
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    /// Grams of the donation in everything that the ledger knows, found by looking at every record.
    fn grams_everywhere(&self) -> i64 {
        let donation = DonationId::parse(&self.donation).expect("an id");
        let source = SourceId::of_donation(Some(&donation));
        let records = self
            .app
            .ledger
            .store
            .snapshot(|database| records::page_of_kinds(database, RecordKind::ALL, ("", ""), 10_000));
        let grams = |record: Record| match record {
            Record::Item(item) if item.arising.is_some() => item.given.grams_of(&source).get(),
            Record::Item(item) if item.donation == Some(donation) => {
                item.lost_g.or(item.released_g).unwrap_or(item.grams).get()
            }
            Record::Treatment(treatment) => treatment.given.grams_of(&source).get(),
            _ => 0,
        };
        records.expect("records").into_iter().map(grams).sum()
    }
}

/// Whereabouts, country, devices, parts and grams of every line of the totals.
fn places(report: &Value) -> Vec<(String, String, u64, u64, i64)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let number = |value: &Value| value.as_u64().expect("a count");
    let lines = report["totals"]["whereabouts"].as_array().expect("places").iter();
    lines
        .map(|line| {
            let grams = line["grams_g"].as_i64().expect("grams");
            let (place, country) = (text(&line["whereabouts"]), text(&line["country"]));
            (place, country, number(&line["devices"]), number(&line["parts"]), grams)
        })
        .collect()
}

fn place(whereabouts: &str, country: &str, devices: u64, parts: u64, grams: i64) -> (String, String, u64, u64, i64) {
    (whereabouts.to_owned(), country.to_owned(), devices, parts, grams)
}

/// A cell of the CSV.
fn cell(csv: &str, item: &str, column: &str) -> String {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let position = reader.headers().expect("names").iter().position(|name| name == column).expect("a column");
    let line = reader.records().map(|line| line.expect("a line")).find(|line| &line[0] == item);
    line.expect("the item's line")[position].to_owned()
}

both_databases! {
    /// A gift is followed to the gram, step by step, and the places of all grams add up to what was given and what changed.
    fn a_gift_is_followed_to_the_gram(kind) {
        let gift = Gift::new(kind);
        let report = gift.report();
        assert_eq!(places(&report), [place("held", "BE", 6, 0, 11_800)]);
        assert_eq!((&report["totals"]["brought_g"], &report["totals"]["changed_g"]), (&json!(11_800), &json!(0)));
        assert_eq!((&report["project"], &report["project_country"], &report["donor"]), (&json!(gift.project), &json!("KE"), &json!(gift.donor.id)));
        gift.end_in_belgium();
        let drive = gift.use_in_kenya();
        let (to_dismantle, rest) = gift.retire_in_kenya();
        // 4,100 of 5,100 g were given; weighed, the lot has 5,000: 4,020 of them given, 3,216 and 804 after the split.
        let report = gift.report();
        let until_here = [
            place("held", "BE", 1, 0, 1_500), place("held", "KE", 0, 1, 300), place("in_use", "KE", 1, 0, 2_200),
            place("in_lot", "KE", 2, 0, 4_020), place("treated", "BE", 1, 0, 1_700), place("lost", "KE", 1, 0, 2_000),
        ];
        assert_eq!(places(&report), until_here);
        assert_eq!(report["totals"]["changed_g"], -80);
        assert_eq!(gift.grams_everywhere(), 11_720);
        let (batch, steel, boards) = (new_id(), new_id(), new_id());
        gift.at_centre("batch_opened", json!({"batch": batch})).accepted();
        gift.at_centre("batch_fed", json!({"batch": batch, "items": [to_dismantle]})).accepted();
        for (lot, fraction, grams) in [(&steel, "FE", 2_500), (&boards, "PWB_HIGH", 400)] {
            let fields = json!({"batch": batch, "lot": lot, "fraction": fraction, "weight": gift.weighed(grams)});
            gift.at_centre("dismantled", fields).accepted();
        }
        // In the batch 1,100 of 4,000 g are left, 884 of them given; in lots 804, 2,010 of the steel and 322 of the boards.
        let report = gift.report();
        let lines = places(&report);
        assert!(lines.contains(&place("in_batch", "KE", 0, 0, 884)), "{lines:?}");
        assert!(lines.contains(&place("in_lot", "KE", 2, 0, 3_136)), "{lines:?}");
        assert_eq!(report["totals"]["changed_g"], -80);
        let closed = json!({"batch": batch, "loss_g": 100, "out_of_scope_g": 0, "counted_elsewhere": "none"});
        gift.at_centre("batch_closed", closed).accepted();
        gift.send(&steel, &gift.smelter, &gift.mombasa, 2_500, 2_500);
        gift.send(&boards, &gift.scrapper, &gift.antwerp, 400, 390);
        let end = |party: &Party, lot: &str, grams: i64, site: &str| {
            gift.app.say(party, "treated_final", &json!({"item": lot, "operation": "R4", "net_g": grams, "site": site})).accepted()
        };
        let of_steel = end(&gift.smelter, &steel, 2_500, &gift.mombasa);
        let of_boards = end(&gift.scrapper, &boards, 390, &gift.antwerp);
        gift.at_centre("released", json!({"item": rest, "reason": "commodity_sale"})).accepted();
        gift.at_school("released", json!({"item": drive, "reason": "part_sale"})).accepted();
        // The batch lost 884 of what was given, the boards 8 on their way.
        let report = gift.report();
        let at_the_end = [
            place("held", "BE", 1, 0, 1_500), place("in_use", "KE", 1, 0, 2_200), place("treated", "-", 2, 0, 0),
            place("treated", "BE", 1, 0, 2_014), place("treated", "KE", 0, 0, 2_010), place("released", "KE", 0, 1, 1_104),
            place("lost", "KE", 1, 0, 2_000),
        ];
        assert_eq!(places(&report), at_the_end);
        assert_eq!((&report["totals"]["changed_g"], &report["totals"]["complete"]), (&json!(-972), &json!(true)));
        assert_eq!(gift.grams_everywhere(), 10_828);
        let treated = |country: &str, class: &str, grams: i64| {
            json!({"country": country, "operation": "R4", "class": class, "treatments": 1, "grams_g": grams})
        };
        let expected = json!([treated("BE", "0303", 1_700), treated("BE", "PWB_HIGH", 314), treated("KE", "FE", 2_010)]);
        assert_eq!(report["totals"]["treated"], expected);
        each_device_is_followed(&gift, &report, &batch, [of_steel, of_boards]);
        the_csv_says_the_same(&gift, &batch, [of_steel, of_boards]);
    }

    /// Refused parts of a lot, interim treatment and parts that go into others' devices lose no gram unsaid.
    fn by_ways_are_followed(kind) {
        let gift = Gift::new(kind);
        let (app, donor) = (&gift.app, &gift.donor);
        let (own, drive, lot, back, steel, handover) = (register(app, donor, 1_000, "BE"), new_id(), new_id(), new_id(), new_id(), new_id());
        let estimated = |grams: i64| json!({"basis": "estimated", "net_g": grams});
        let removed = json!({"item": gift.laptops[2], "component": drive, "class": "HDD", "weight": estimated(300)});
        app.say(donor, "part_removed", &removed).accepted();
        app.say(donor, "part_installed", &json!({"item": own, "component": drive})).accepted();
        for item in &gift.laptops[..2] {
            let waste = json!({"item": item, "arising": {"country": "BE", "month": "2026-11"}, "counted_elsewhere": "none"});
            app.say(donor, "retired", &waste).accepted();
        }
        app.say(donor, "merged", &json!({"inputs": gift.laptops[..2], "lot": lot})).accepted();
        let offer = json!({"handover": handover, "to": gift.scrapper.id, "lots": [{"lot": lot, "sent_g": 4_100}]});
        app.say(donor, "handover_offered", &offer).accepted();
        let answer = json!({
            "weight": estimated(4_000), "accepted_g": 3_000, "refused_g": 1_000, "refused_as": back, "reason": "damaged",
        });
        let taken = json!({"handover": handover, "site": gift.antwerp, "lots": [answer]});
        app.say(&gift.scrapper, "handover_accepted", &taken).accepted();
        let output = json!({"lot": steel, "fraction": "FE", "weight": estimated(2_900)});
        let interim = app.say(&gift.scrapper, "treated_interim", &json!({
            "inputs": [lot], "operation": "R12", "outputs": [output], "loss_g": 60, "out_of_scope_g": 0, "site": gift.antwerp,
        })).accepted();
        let report = gift.report();
        let expected = [place("held", "BE", 4, 0, 7_400), place("in_lot", "BE", 2, 0, 3_900), place("installed", "BE", 0, 1, 0)];
        assert_eq!(places(&report), expected);
        // Out went 100 g by the receiver's scale, 100 g in interim treatment, and a drive of 300 g.
        assert_eq!((&report["totals"]["changed_g"], gift.grams_everywhere()), (&json!(-500), 11_300));
        let onward = &report["onward"][0];
        assert_eq!((&onward["of"], &onward["interim"], &onward["treatments"]), (&json!(lot), &json!([interim]), &json!([])));
        let mut lots: Vec<&str> = onward["lots"].as_array().expect("lots").iter().filter_map(Value::as_str).collect();
        lots.sort_unstable();
        let mut reached = [lot.as_str(), back.as_str(), steel.as_str()];
        reached.sort_unstable();
        assert_eq!(lots, reached);
    }

    /// Found to be repairable and then repaired: the test stands, and beside it why the device works.
    fn a_repair_stands_beside_the_test(kind) {
        let gift = Gift::new(kind);
        let item = &gift.laptops[4];
        let told = |field: &str| {
            let report = gift.report();
            let device = report["devices"].as_array().expect("devices").iter().find(|device| device["item"] == *item);
            device.expect("a device")[field].clone()
        };
        gift.app.say(&gift.donor, "tested", &json!({"item": item, "result": "repairable"})).accepted();
        assert_eq!(told("repaired"), Value::Null);
        let entry = gift.app.say(&gift.donor, "repaired", &json!({"item": item})).accepted();
        assert_eq!((&told("tested")["result"], told("condition")), (&json!("repairable"), json!("works")));
        assert_eq!(told("repaired"), json!({"entry": entry, "day": "2026-11-23"}));
        let csv = gift.app.get(&format!("/v1/donations/{}/report?format=csv", gift.donation), &gift.donor.token);
        let cells = ["repaired_entry", "repaired_day"].map(|column| cell(&csv.text, item, column));
        assert_eq!(cells, [entry.to_string(), "2026-11-23".to_owned()]);
        assert_eq!(cell(&csv.text, &gift.laptops[0], "repaired_entry"), "");
    }

    fn only_the_donor_and_auditors_read_it(kind) {
        let gift = Gift::new(kind);
        let path = format!("/v1/donations/{}/report", gift.donation);
        let ask = |path: &str, token: &str| gift.app.get(path, token);
        for other in [&gift.school, &gift.centre] {
            ask(&path, &other.token).refused(404, "not_found", "");
        }
        ask(&path, "").refused(401, "token_invalid", "");
        ask(&path, &gift.app.token(&gift.donor.id, &["post"])).refused(403, "scope_missing", "");
        ask(&format!("/v1/donations/{}/report", new_id()), &gift.donor.token).refused(404, "not_found", "");
        ask("/v1/donations/x/report", &gift.donor.token).refused(404, "not_found", "");
        ask(&format!("/v1/donations/{}/report", gift.laptops[0]), &gift.donor.token).refused(404, "not_found", "");
        ask(&format!("{path}?format=xml"), &gift.donor.token).refused(400, "query_invalid", "/format");
        ask(&format!("{path}?from=x"), &gift.donor.token).refused(400, "query_invalid", "");
        assert_eq!(ask(&path, &gift.app.operator.token).json()["donation"], gift.donation);
    }

    /// A large gift comes page by page; its totals are of all of it. No cell of its CSV is a formula.
    fn many_devices_come_in_pages(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let project = new_id();
        app.say(&app.operator, "project_registered", &json!({"project": project, "country": "KE"})).accepted();
        let items: Vec<String> = (0..261).map(|_| new_id()).collect();
        let statements: Vec<String> = items.iter().enumerate().map(|(position, item)| {
            let class = if position == 260 { "-A1" } else { "0303" };
            let weight = json!({"basis": "estimated", "net_g": 1_000});
            let fields = json!({"item": item, "kind": "device", "class": class, "weight": weight, "country": "XD"});
            signed(&donor, "registered", &fields)
        }).collect();
        assert_eq!(app.post_batch(&donor.token, "all", &statements).status, 200);
        let donation = new_id();
        for items in [&items[..200], &items[200..260], &items[260..]] {
            app.say(&donor, "donated", &json!({"donation": donation, "project": project, "items": items})).accepted();
        }
        let path = format!("/v1/donations/{donation}/report");
        let first = app.get(&path, &donor.token);
        let (body, next) = (first.json(), first.json()["next"].as_u64().expect("a next page"));
        assert_eq!(places(&body), [place("held", "XD", 261, 0, 261_000)]);
        assert_eq!(body["devices"].as_array().expect("devices").len(), 260);
        assert_eq!(first.link, format!("<{path}?from={next}&format=json>; rel=\"next\""));
        let second = app.get(&format!("{path}?from={next}"), &donor.token);
        assert_eq!(second.json()["devices"][0]["item"], items[260]);
        assert_eq!((&second.json()["totals"], &second.json()["next"], second.link.as_str()), (&Value::Null, &Value::Null, ""));
        let csv = app.get(&format!("{path}?format=csv"), &donor.token);
        assert_eq!((csv.status, csv.text.lines().count()), (200, 261));
        assert_eq!(csv.link, format!("<{path}?from={next}&format=csv>; rel=\"next\""));
        let csv = app.get(&format!("{path}?from={next}&format=csv"), &donor.token);
        assert_eq!(cell(&csv.text, &items[260], "class"), "'-A1");
    }
}

fn each_device_is_followed(gift: &Gift, report: &Value, batch: &str, [of_steel, of_boards]: [u64; 2]) {
    let devices = report["devices"].as_array().expect("devices");
    assert_eq!(devices.len(), 7, "six laptops and a drive");
    let of = |item: &str| devices.iter().find(|device| device["item"] == item).expect("a device");
    let (merged, used, stolen, failed) =
        (of(&gift.laptops[0]), of(&gift.laptops[2]), of(&gift.laptops[3]), of(&gift.laptops[5]));
    assert_eq!(
        (&merged["whereabouts"], &merged["eligibility"], merged.get("grams_g")),
        (&json!("treated"), &json!("open"), None)
    );
    assert_eq!((&merged["wiped"]["method"], &merged["wiped"]["day"]), (&json!("purge"), &json!("2026-11-23")));
    assert_eq!((&merged["tested"]["result"], &merged["retired"]["month"]), (&json!("works"), &json!("2026-11")));
    let time = &merged["uses"][0];
    assert_eq!(
        (&time["country"], &time["project"], &time["site"]),
        (&json!("KE"), &json!(gift.project), &json!(gift.nakuru))
    );
    assert_eq!(
        (&time["from"], &time["until"], &time["days"]),
        (&json!("2026-11-03"), &json!("2026-11-23"), &json!(20))
    );
    assert_eq!((&used["uses"][0]["days"], used["uses"][0].get("until")), (&json!(10), None));
    assert_eq!(
        (&used["status"], &used["holder"], &used["eligibility"]),
        (&json!("in_use"), &json!(gift.school.id), &json!("open"))
    );
    // It was opened since: the test stands no more.
    assert_eq!(
        (&stolen["whereabouts"], &stolen["grams_g"], stolen.get("tested")),
        (&json!("lost"), &json!(2_000), None)
    );
    // What fails and ends in Europe is in the report, and never eligible.
    assert_eq!((&failed["tested"]["result"], &failed["retired"]["country"]), (&json!("waste"), &json!("BE")));
    assert_eq!((&failed["eligibility"], &failed["site"]), (&json!("never"), &json!(gift.antwerp)));
    let onward = &report["onward"][0];
    assert_eq!(
        (&onward["of"], &onward["batches"], &onward["complete"]),
        (&merged["lot"], &json!([batch]), &json!(true))
    );
    let mut reached: Vec<u64> =
        onward["treatments"].as_array().expect("treatments").iter().filter_map(Value::as_u64).collect();
    reached.sort_unstable();
    assert_eq!(reached, [of_steel, of_boards]);
    let eligible = |entry: u64| {
        let found = report["treatments"].as_array().expect("treatments").iter().find(|found| found["entry"] == entry);
        found.expect("a treatment")["eligibility"].clone()
    };
    // The boards crossed a border without papers, and were estimated. Until an auditor clears the border, the steel waits too:
    // what is hazardous of its batch is not where it should be.
    assert_eq!((eligible(of_steel), eligible(of_boards)), (json!("open"), json!("never")));
    let training = &report["totals"]["trainings"][0];
    assert_eq!(
        (&training["organisation"], &training["people"], &training["until"]),
        (&json!(gift.school.id), &json!(24), &json!("2026-11-03"))
    );
    assert_eq!((&report["totals"]["trainings_held"], &report["totals"]["people_trained"]), (&json!(1), &json!(24)));
    assert_eq!(report["as_of"]["size"], gift.app.ledger.readiness().expect("ready"));
}

fn the_csv_says_the_same(gift: &Gift, batch: &str, [of_steel, of_boards]: [u64; 2]) {
    let url = format!("{}/v1/donations/{}/report", gift.app.url, gift.donation);
    let ask = |accept: &str| {
        let request = RequestBuilder::new("GET", &url, &gift.donor.token).header("Accept", accept);
        request.send("").expect("an answer")
    };
    for json in ["application/json, text/csv;q=0.5", "text/html,*/*;q=0.8", "image/png", "text/csv;q=0"] {
        assert_eq!(ask(json).content_type, "application/json", "{json}");
    }
    let csv = ask("text/csv");
    assert_eq!((csv.status, csv.content_type.as_str()), (200, "text/csv; charset=utf-8; header=present"));
    assert_eq!(csv.text.lines().count(), 8);
    let merged = |column: &str| cell(&csv.text, &gift.laptops[0], column);
    assert_eq!((merged("batches_reached").as_str(), merged("treated_in").as_str()), (batch, "BE KE"));
    assert_eq!(merged("treatments_reached"), format!("{of_steel} {of_boards}"));
    assert_eq!((merged("days_of_use").as_str(), merged("grams_g").as_str()), ("20", ""));
    let failed = |column: &str| cell(&csv.text, &gift.laptops[5], column);
    assert_eq!((failed("treated_in").as_str(), failed("treated_operations").as_str()), ("BE", "R4"));
    // What was dismantled was treated as fractions, the other as what it was.
    assert_eq!((merged("treated_as").as_str(), failed("treated_as").as_str()), ("FE PWB_HIGH", "0303"));
    assert_eq!((merged("wiped_method").as_str(), merged("wiped_technique").as_str()), ("purge", "crypto_erase"));
    assert_eq!((failed("eligibility").as_str(), failed("uses").as_str()), ("never", "0"));
    let mut reader = csv::Reader::from_reader(csv.text.as_bytes());
    for line in reader.records() {
        let line = line.expect("a line");
        assert!(line.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@'])), "{line:?}");
    }
}
