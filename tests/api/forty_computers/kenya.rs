//! Kenya, 2027 to 2030: a class is trained, three schools use the computers, and one after the other they die.

use crate::forty_computers::belgium::CRATES;
use crate::forty_computers::cast::{SCHOOLS, Tale, devices, file};
use serde_json::{Value, json};

/// Before any is in use, the hub trains 24 people in their use, for a week.
pub(super) fn a_class_is_trained(tale: &mut Tale) {
    tale.on("2027-02-12");
    let held = json!({
        "project": tale.id("Computers for three schools"), "donation": tale.id("the donation of Zenne Insurance"),
        "topic": "use", "participants": 24, "from": "2027-02-08", "until": "2027-02-12", "document": file("attendance list"),
    });
    tale.say("Nairobi school hub", "training_held", held);
}

/// Each school gets its crate, unpacks it, and puts twelve computers in use.
pub(super) fn in_three_schools(tale: &mut Tale) {
    let days = ["2027-02-15", "2027-02-17", "2027-02-19"];
    for ((school, numbers), day) in SCHOOLS.into_iter().zip(CRATES).zip(days) {
        tale.on(day);
        let (crate_id, inside) = (tale.id(&format!("crate for {school}")), tale.all(&devices(numbers)));
        let items: Vec<String> = [crate_id.clone()].into_iter().chain(inside.clone()).collect();
        tale.hand_over("Nairobi school hub", school, &items, None);
        tale.say(school, "unpacked", json!({"container": crate_id}));
        let project = tale.id("Computers for three schools");
        let used = inside.into_iter().map(|item| json!({"item": item, "country": "KE", "project": project}));
        tale.say_of_each(school, "put_in_use", used);
    }
}

/// In the second year somebody looks: all are there but one, which was stolen.
pub(super) fn in_the_second_year(tale: &mut Tale) {
    tale.on("2028-06-14");
    for (school, numbers) in SCHOOLS.into_iter().zip(CRATES) {
        let seen = devices(numbers.into_iter().filter(|number| *number != 22));
        let each = tale.all(&seen).into_iter().map(|item| json!({"item": item, "finding": "in_use"}));
        tale.say_of_each(school, "checked", each);
    }
    let stolen = tale.id("device 22");
    tale.say("Kisumu school", "checked", json!({"item": stolen, "finding": "not_found"}));
    let lost = json!({"item": stolen, "cause": "stolen", "document": file("police report")});
    tale.say("Kisumu school", "lost", lost);
}

/// A school's computers die: they are waste from now on, and that is where and when they arose.
pub(super) fn they_die(tale: &Tale, school: &str, numbers: &[usize], month: &str) {
    let waste =
        |item: String| json!({"item": item, "arising": {"country": "KE", "month": month}, "counted_elsewhere": "none"});
    let each: Vec<Value> = tale.all(&devices(numbers.iter().copied())).into_iter().map(waste).collect();
    tale.say_of_each(school, "retired", each.into_iter());
}

/// The centre's haulier fetches them.
pub(super) fn they_are_collected(tale: &mut Tale, school: &str, numbers: &[usize], from: &str, day: &str) {
    let items = tale.all(&devices(numbers.iter().copied()));
    let handover = tale.hand_over(school, "Nairobi centre", &items, Some("Rift Haulage"));
    let leg = json!({
        "handover": handover, "mode": "R", "from": from, "to": "KENBO", "departed": day, "arrived": day,
        "vehicle": {"c": "2b".repeat(32)},
    });
    tale.say("Rift Haulage", "carried", leg);
}
