//! Belgium, winter 2026: forty computers are given, thirty-six are made ready and leave, four end.

use crate::forty_computers::cast::{SCHOOLS, Tale, devices, file};
use crate::forty_computers::papers::weighed;
use serde_json::{Value, json};

/// Laptops are numbered from 1, desktops from 25.
const LAPTOPS: std::ops::RangeInclusive<usize> = 1..=24;
/// What the workshop could do nothing for.
const FAILING: [usize; 4] = [7, 19, 31, 38];
/// What goes to each school.
pub(super) const CRATES: [[usize; 12]; 3] = [
    [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13],
    [14, 15, 16, 17, 18, 20, 21, 22, 23, 24, 25, 26],
    [27, 28, 29, 30, 32, 33, 34, 35, 36, 37, 39, 40],
];

fn ready() -> Vec<String> {
    devices((1..=40).filter(|number| !FAILING.contains(number)))
}

fn of_each(tale: &Tale, names: &[String], more: &Value) -> Vec<Value> {
    let with_item = |id: String| {
        let mut fields = more.clone();
        fields["item"] = json!(id);
        fields
    };
    tale.all(names).into_iter().map(with_item).collect()
}

/// An insurer in Brussels gives 24 laptops and 16 desktops for a project in three Kenyan schools.
pub(super) fn forty_computers_are_given(tale: &mut Tale) {
    tale.on("2026-11-24");
    let project = tale.new_id("Computers for three schools");
    let hub = tale.id("Nairobi school hub");
    tale.operator_says("project_registered", json!({"project": project, "country": "KE", "organisation": hub}));
    let all = devices(1..=40);
    let register = |number: usize, item: String| {
        let class = if LAPTOPS.contains(&number) { "0303" } else { "0302" };
        json!({"item": item, "kind": "device", "class": class, "weight": {"basis": "class"}, "country": "BE", "year": 2021})
    };
    let each: Vec<Value> = all.iter().enumerate().map(|(at, name)| register(at + 1, tale.new_id(name))).collect();
    tale.say_of_each("Zenne Insurance", "registered", each.into_iter());
    let donation = tale.new_id("the donation of Zenne Insurance");
    let gift =
        json!({"donation": donation, "project": project, "items": tale.all(&all), "document": file("deed of gift")});
    tale.say("Zenne Insurance", "donated", gift);
    tale.on("2026-11-26");
    tale.hand_over("Zenne Insurance", "Mechelen workshop", &tale.all(&all), None);
}

/// The workshop wipes all, tests all, repairs one; 36 are ready for reuse.
pub(super) fn they_are_wiped_and_tested(tale: &mut Tale) {
    let workshop = "Mechelen workshop";
    tale.on("2026-12-01");
    let wipe = json!({"method": "purge", "technique": "block_erase", "verified": true});
    tale.say_of_each(workshop, "data_sanitised", of_each(tale, &devices(1..=40), &wipe).into_iter());
    tale.on("2026-12-02");
    let working = devices((1..=40).filter(|number| *number != 12 && !FAILING.contains(number)));
    tale.say_of_each(workshop, "tested", of_each(tale, &working, &json!({"result": "works"})).into_iter());
    tale.say(workshop, "tested", json!({"item": tale.id("device 12"), "result": "repairable"}));
    tale.say_of_each(workshop, "tested", of_each(tale, &devices(FAILING), &json!({"result": "waste"})).into_iter());
    tale.on("2026-12-04");
    tale.say(workshop, "repaired", json!({"item": tale.id("device 12")}));
    tale.say_of_each(workshop, "prepared_for_reuse", of_each(tale, &ready(), &json!({})).into_iter());
}

/// The four that failed become waste where they are, and are refined whole in Hoboken: metal is won, no certificate is.
pub(super) fn four_end_in_belgium(tale: &mut Tale) {
    let (workshop, refinery) = ("Mechelen workshop", "Hoboken refinery");
    tale.on("2026-12-10");
    let waste = json!({"arising": {"country": "BE", "month": "2026-12"}, "counted_elsewhere": "none"});
    tale.say_of_each(workshop, "retired", of_each(tale, &devices(FAILING), &waste).into_iter());
    let lots = [("failed laptops", [7, 19], 6_000, 5_300), ("failed desktops", [31, 38], 17_600, 17_250)];
    for (name, numbers, ..) in lots {
        let (inputs, lot) = (tale.all(&devices(numbers)), tale.new_id(name));
        tale.say(workshop, "merged", json!({"inputs": inputs, "lot": lot}));
    }
    tale.on("2026-12-11");
    let handover = tale.new_id("handover of the four that failed");
    let offered: Vec<Value> =
        lots.iter().map(|(name, _, sent, _)| json!({"lot": tale.id(name), "sent_g": sent})).collect();
    tale.say(workshop, "handover_offered", json!({"handover": handover, "to": tale.id(refinery), "lots": offered}));
    let received =
        |net: i64| json!({"weight": weighed(tale, refinery, net, 24_000), "accepted_g": net, "refused_g": 0});
    let answers: Vec<Value> = lots.iter().map(|(.., net)| received(*net)).collect();
    tale.say(refinery, "handover_accepted", json!({"handover": handover, "lots": answers}));
    tale.on("2026-12-18");
    for (name, .., net) in lots {
        tale.say(refinery, "treated_final", json!({"item": tale.id(name), "operation": "R4", "net_g": net}));
    }
}

/// Thirty-six leave as used equipment, tested, wiped and packed: by sea to Mombasa, by road to Nairobi.
pub(super) fn by_sea_to_kenya(tale: &mut Tale) {
    let workshop = "Mechelen workshop";
    tale.on("2026-12-21");
    let mut items = Vec::new();
    for (school, numbers) in SCHOOLS.iter().zip(CRATES) {
        let (crate_id, inside) = (tale.new_id(&format!("crate for {school}")), tale.all(&devices(numbers)));
        tale.say(
            workshop,
            "packed",
            json!({"container": crate_id, "items": inside, "seal": format!("MECH-{}", numbers[0])}),
        );
        items.push(crate_id);
        items.extend(inside);
    }
    tale.on("2026-12-22");
    let handover = tale.new_id("shipment to Kenya");
    let shipped = json!({
        "handover": handover, "to": tale.id("Nairobi school hub"), "items": items, "to_country": "KE",
        "ground": "non_waste_reuse", "carriers": tale.all(&["Scheldt Line", "Rift Haulage"]),
        "paper": {"hs_codes": ["8471.30", "8471.50"], "container_number": "SCLU 402611-7"},
        "number": "CMR-2026-5512", "document": file("test and wipe records of 36 devices"),
    });
    tale.say(workshop, "export_shipped", shipped);
    tale.on("2027-01-26");
    let sea = json!({
        "handover": handover, "mode": "S", "from": "BEANR", "to": "KEMBA", "departed": "2026-12-27",
        "arrived": "2027-01-25", "document": file("bill of lading 1"),
    });
    tale.say("Scheldt Line", "carried", sea);
    tale.on("2027-01-29");
    let road = json!({
        "handover": handover, "mode": "R", "from": "KEMBA", "to": "KENBO", "departed": "2027-01-28",
        "arrived": "2027-01-29", "vehicle": {"c": "1a".repeat(32)},
    });
    tale.say("Rift Haulage", "carried", road);
    tale.say("Nairobi school hub", "import_received", json!({"handover": handover}));
}
