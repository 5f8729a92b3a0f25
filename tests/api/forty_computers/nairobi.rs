//! Nairobi, 2029 and 2030: dismantled in two batches; steel and plastic end there, boards and batteries leave for Belgium.

use crate::forty_computers::cast::{Tale, devices, file};
use crate::forty_computers::papers::weighed;
use serde_json::{Value, json};

const CENTRE: &str = "Nairobi centre";
/// The cage on the centre's scale.
const CAGE_G: i64 = 12_500;

/// A fraction and what it weighs.
type Fraction = (&'static str, &'static str, i64);

/// What goes into a batch and what comes out of it.
pub(super) struct Batch {
    pub(super) name: &'static str,
    pub(super) laptops: &'static [usize],
    pub(super) laptops_g: i64,
    pub(super) desktops: &'static [usize],
    pub(super) desktops_g: i64,
    pub(super) fractions: [Fraction; 7],
    pub(super) dust_g: i64,
}

/// 2029: fifteen laptops, two desktops.
pub(super) const FIRST: Batch = Batch {
    name: "batch 1",
    laptops: &[1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16],
    laptops_g: 39_600,
    desktops: &[25, 26],
    desktops_g: 17_900,
    fractions: [
        ("steel", "FE", 17_500),
        ("plastic", "PLAST_CLEAN", 14_600),
        ("boards", "PWB_HIGH", 7_300),
        ("batteries", "BAT_LI", 4_600),
        ("aluminium", "AL", 5_200),
        ("panels", "LCD_PANEL", 5_900),
        ("cables", "CABLE", 1_200),
    ],
    dust_g: 300,
};

/// 2030: six laptops, ten desktops.
pub(super) const SECOND: Batch = Batch {
    name: "batch 2",
    laptops: &[17, 18, 20, 21, 23, 24],
    laptops_g: 15_900,
    desktops: &[27, 28, 29, 30, 32, 33, 34, 35, 36, 37],
    desktops_g: 91_300,
    fractions: [
        ("steel", "FE", 59_400),
        ("plastic", "PLAST_CLEAN", 14_100),
        ("boards", "PWB_HIGH", 13_900),
        ("batteries", "BAT_LI", 1_850),
        ("aluminium", "AL", 7_900),
        ("panels", "LCD_PANEL", 2_400),
        ("cables", "CABLE", 6_850),
    ],
    dust_g: 400,
};

impl Batch {
    /// The lot of one of its fractions.
    pub(super) fn lot(&self, fraction: &str) -> String {
        format!("{fraction} of {}", self.name)
    }
}

/// Devices become lots by class, and the scale says what they weigh; until then it was the mean of their class.
pub(super) fn they_are_weighed(tale: &mut Tale, batch: &Batch) {
    let classes = [("laptops", batch.laptops, batch.laptops_g), ("desktops", batch.desktops, batch.desktops_g)];
    for (class, numbers, net_g) in classes {
        let (inputs, lot) = (tale.all(&devices(numbers.iter().copied())), tale.new_id(&batch.lot(class)));
        tale.say(CENTRE, "merged", json!({"inputs": inputs, "lot": lot}));
        let weight = weighed(tale, CENTRE, net_g, CAGE_G);
        tale.say(CENTRE, "reweighed", json!({"item": lot, "weight": weight, "reason": "measured"}));
    }
}

/// A batch is opened, and the lots go in.
pub(super) fn a_batch_is_opened(tale: &mut Tale, batch: &Batch) {
    let id = tale.new_id(batch.name);
    tale.say(CENTRE, "batch_opened", json!({"batch": id}));
    let items = tale.all(&[batch.lot("laptops"), batch.lot("desktops")]);
    tale.say(CENTRE, "batch_fed", json!({"batch": id, "items": items}));
}

/// Seven fractions are weighed, the batch is closed, and what is treated elsewhere later is stored.
pub(super) fn they_are_dismantled(tale: &mut Tale, batch: &Batch) {
    let id = tale.id(batch.name);
    for (name, fraction, net_g) in batch.fractions {
        let lot = tale.new_id(&batch.lot(name));
        let weight = weighed(tale, CENTRE, net_g, CAGE_G);
        tale.say(CENTRE, "dismantled", json!({"batch": id, "lot": lot, "fraction": fraction, "weight": weight}));
    }
    let closed = json!({"batch": id, "loss_g": batch.dust_g, "out_of_scope_g": 0, "counted_elsewhere": "none"});
    tale.say(CENTRE, "batch_closed", closed);
    let kept = ["boards", "batteries", "aluminium", "panels", "cables"].map(|name| batch.lot(name));
    tale.say(CENTRE, "stored", json!({"items": tale.all(&kept), "operation": "R13"}));
}

/// The furnace in Athi has no key. The centre shows its certificates; gives their entries, steel first.
pub(super) fn steel_and_plastic_end_at_the_furnace(tale: &Tale, batch: &Batch) -> [u64; 2] {
    let treat = |fraction: &str, operation: &str| {
        let lot = batch.lot(fraction);
        let net_g = batch.fractions.iter().find(|(name, ..)| *name == fraction).map(|(.., net_g)| *net_g);
        let fields = json!({
            "item": tale.id(&lot), "operation": operation, "net_g": net_g, "facility": tale.id("Athi furnace"),
            "number": format!("ATHI/{}/{fraction}", batch.name), "document": file(&format!("certificate over {lot}")),
        });
        tale.say_warned(CENTRE, "treated_final", fields, &["documented"])
    };
    [treat("steel", "R4"), treat("plastic", "R3")]
}

/// Going through the tickets of 2030 the centre finds that the steel of the second batch was typed wrong: 71.900 kg with the
/// cage, where the scale had printed 70.400 kg. The steel is long melted, and the furnace has no key to confirm it, so an
/// auditor looks at the ticket.
pub(super) fn a_weight_is_found_wrong(tale: &mut Tale) {
    let (batch, lot) = (tale.id(SECOND.name), tale.id(&SECOND.lot("steel")));
    let events = tale.read(&format!("/v1/events?batch={batch}"));
    let is_it = |event: &&Value| event["type"] == "dismantled" && event["payload"]["lot"] == lot.as_str();
    let wrong = events["events"].as_array().expect("events").iter().find(is_it).expect("the steel").clone();
    tale.on("2030-07-08");
    let mut instead = json!({
        "type": "dismantled", "occurred_at": wrong["payload"]["occurred_at"], "site": wrong["payload"]["site"],
        "batch": batch, "lot": lot, "fraction": "FE", "weight": wrong["payload"]["weight"],
    });
    instead["weight"]["gross_g"] = json!(70_400);
    let fields = json!({
        "entry": wrong["index"], "reason": "incorrect_data", "instead": instead, "document": file("scale ticket"),
    });
    let correction = tale.say_warned(CENTRE, "corrected", fields, &["correction_undecided"]);
    tale.on("2030-07-15");
    let word = json!({"correction": correction, "document": file("review of the scale ticket")});
    tale.say("Savanna Audit", "correction_confirmed", word);
}

/// Somebody other than the centre looks at the furnace's papers.
pub(super) fn papers_are_reviewed(tale: &Tale, entry: u64, outcome: &str) {
    let fields = json!({"entry": entry, "outcome": outcome, "document": file(&format!("review of entry {entry}"))});
    tale.say("Savanna Audit", "evidence_reviewed", fields);
}

/// What the four authorities on the way consent to.
pub(super) fn belgium_and_kenya_consent(tale: &mut Tale) {
    let consent = tale.new_id("consent KE 2030/004");
    let fields = json!({
        "consent": consent, "number": "KE 2030/004", "from_country": "KE", "to_country": "BE",
        "transit": [{"country": "EG", "on": "2030-02-20"}, {"country": "FR"}],
        "waste_codes": ["16 02 15*", "16 06 05"], "basel_codes": ["A1181", "A1170"], "operation": "R4",
        "facility": tale.id("site of Hoboken refinery"), "quantity_g": 2_000_000, "shipments": 4,
        "valid_from": "2030-03-01", "valid_until": "2031-02-28", "guarantee": "GB-30-118",
        "contract": file("contract with the refinery"), "document": file("consents of KE, EG, FR, BE"),
    });
    tale.say(CENTRE, "export_consented", fields);
}

/// Lots of both batches, and what the refinery weighs of each.
const SHIPPED: [(&str, i64, i64); 4] = [
    ("boards of batch 1", 7_300, 7_250),
    ("batteries of batch 1", 4_600, 4_600),
    ("boards of batch 2", 13_900, 13_950),
    ("batteries of batch 2", 1_850, 1_800),
];

/// The first shipment under the consent: by road to Mombasa, by sea to Antwerp.
pub(super) fn boards_and_batteries_are_shipped(tale: &mut Tale) {
    tale.on("2030-04-02");
    let handover = tale.new_id("shipment to Belgium");
    let lots: Vec<Value> =
        SHIPPED.iter().map(|(name, sent, _)| json!({"lot": tale.id(name), "sent_g": sent})).collect();
    let shipped = json!({
        "handover": handover, "to": tale.id("Hoboken refinery"), "lots": lots, "to_country": "BE", "ground": "consent",
        "under": {"consent": tale.id("consent KE 2030/004"), "sequence": 1},
        "carriers": tale.all(&["Rift Haulage", "Scheldt Line"]),
        "paper": {
            "un_numbers": ["UN3480"], "hazard_properties": ["HP3", "HP14"], "hs_codes": ["8549.21", "8549.13"],
            "container_number": "SCLU 700234-0",
        },
        "number": "KE 2030/004-1", "document": file("movement document 1"),
    });
    tale.say(CENTRE, "export_shipped", shipped);
    tale.on("2030-04-05");
    let road = json!({
        "handover": handover, "mode": "R", "from": "KENBO", "to": "KEMBA", "departed": "2030-04-03",
        "arrived": "2030-04-04", "vehicle": {"c": "3c".repeat(32)},
    });
    tale.say("Rift Haulage", "carried", road);
    tale.on("2030-05-13");
    let sea = json!({
        "handover": handover, "mode": "S", "from": "KEMBA", "to": "BEANR", "departed": "2030-04-09",
        "arrived": "2030-05-11", "document": file("bill of lading 2"),
    });
    tale.say("Scheldt Line", "carried", sea);
}

/// The refinery weighs each lot again, and that is what counts; a month later metal is won from all of them.
pub(super) fn they_are_refined_in_hoboken(tale: &mut Tale) {
    let refinery = "Hoboken refinery";
    tale.on("2030-05-14");
    let received =
        |net: i64| json!({"weight": weighed(tale, refinery, net, 24_000), "accepted_g": net, "refused_g": 0});
    let answers: Vec<Value> = SHIPPED.iter().map(|(.., net)| received(*net)).collect();
    let receipt = json!({
        "handover": tale.id("shipment to Belgium"), "lots": answers, "number": "HOB-30-0514", "document": file("receipt"),
    });
    tale.say(refinery, "import_received", receipt);
    tale.on("2030-06-18");
    for (name, _, net) in SHIPPED {
        tale.say(refinery, "treated_final", json!({"item": tale.id(name), "operation": "R4", "net_g": net}));
    }
}
