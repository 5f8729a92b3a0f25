//! Summer and autumn 2030: two companies buy what the centre and the refinery have done; then a cage turns out heavier than
//! it was said to be, and what that takes away is made good.

use crate::forty_computers::cast::{Tale, file};
use crate::harness::{Party, signed};
use loopledger::proof::commitment::commit;
use serde_json::{Value, json};

const CENTRE: &str = "Nairobi centre";
const REFINERY: &str = "Hoboken refinery";
const OFFICE: &str = "Certificate office";
const AUDITOR: &str = "Savanna Audit";
/// Holds what it buys, and retires later.
const TEXTILES: &str = "Leie Textiles";
/// Retires at once.
const BANK: &str = "Meuse Bank";

/// A block by the numbers of its first and last unit.
fn part(serial: &str, first: usize, last: usize) -> String {
    let pool = serial.rsplitn(3, '-').last().expect("a pool");
    format!("{pool}-{first:07}-{last:07}")
}

/// The numbers of its first and last unit.
fn numbers(serial: &str) -> (usize, usize) {
    let mut ends = serial.rsplit('-').map(|number| number.parse().expect("a number"));
    let last = ends.next().expect("a last unit");
    (ends.next().expect("a first unit"), last)
}

/// What was issued of a month: the centre's block and the buffer's.
pub(super) struct Issue {
    pub(super) serial: String,
    pub(super) buffer: String,
}

fn draft(tale: &Tale, vintage: &str) -> Value {
    let site = tale.id("site of Nairobi centre");
    let path = format!("/v1/certificates/draft?site={site}&vintage={vintage}");
    tale.app.get(&path, &tale.party(OFFICE).token).json()
}

fn issue(tale: &Tale, vintage: &str) -> Issue {
    let draft = draft(tale, vintage);
    tale.say(OFFICE, "certificate_issued", draft.clone());
    let text = |field: &str| draft[field].as_str().unwrap_or_else(|| panic!("{draft}")).to_owned();
    Issue { serial: text("certificate"), buffer: text("buffer") }
}

/// The centre cuts a block in two.
fn split(tale: &Tale, who: &str, serial: &str, at: usize) -> [String; 2] {
    let (first, last) = numbers(serial);
    let parts = [part(serial, first, at), part(serial, at + 1, last)];
    tale.say(who, "certificate_split", json!({"certificate": serial, "into": parts}));
    parts
}

fn sell(tale: &Tale, from: &str, serial: &str, to: &str) {
    tale.say(from, "certificate_transferred", json!({"certificate": serial, "to": tale.id(to)}));
}

/// A company claims what it financed; the wording stays outside the ledger and is public in the register.
fn retire(tale: &Tale, (company, number): (&str, &str), serial: &str, [from, until]: [&str; 2]) {
    let mut fields = json!({
        "certificate": serial, "period": {"from": from, "until": until}, "purpose_kind": "annual_footprint",
    });
    let mut open = json!({});
    for (field, value) in [
        ("beneficiary", company),
        ("beneficiary_number", number),
        ("purpose", "As much e-waste as our offices leave behind in a year"),
    ] {
        let (pointer, salt) = (format!("/{field}"), [9; 32]);
        fields[field] = json!({"c": commit(&pointer, &salt, value).expect("a commitment")});
        open[pointer] = json!({"salt": data_encoding::HEXLOWER.encode(&salt), "value": value});
    }
    let party: &Party = tale.party(company);
    let statement = signed(party, "certificate_retired", &tale.dated(company, fields));
    let answer = tale.app.post_json("/v1/events", &party.token, &json!({"statement": statement, "open": open}));
    answer.accepted();
}

/// Two months are issued. A textile maker takes all but two units of the first and holds them; a bank takes the whole of the
/// second and retires it.
pub(super) fn two_companies_buy(tale: &mut Tale) -> [Issue; 2] {
    tale.on("2030-07-22");
    tale.joins(TEXTILES, "BE", &["buyer"]);
    tale.joins(BANK, "BE", &["buyer"]);
    let issues = ["2030-05", "2030-06"].map(|vintage| issue(tale, vintage));
    tale.on("2030-08-01");
    let (_, last) = numbers(&issues[0].serial);
    let [sold, _] = split(tale, CENTRE, &issues[0].serial, last - 2);
    sell(tale, CENTRE, &sold, TEXTILES);
    sell(tale, CENTRE, &issues[1].serial, BANK);
    tale.on("2030-08-14");
    retire(tale, (BANK, "BE 0403.170.701"), &issues[1].serial, ["2030-01-01", "2030-12-31"]);
    issues
}

/// Reweighing its cages the refinery finds that the one of May weighs 950 g more than was painted on it: each of the four lots
/// was so much lighter. The centre sees it from the photographs; grams are certified on them, so the auditor decides.
pub(super) fn a_cage_was_heavier(tale: &mut Tale) {
    const MORE_G: i64 = 950;
    tale.on("2030-09-03");
    let receipt = tale.read(&format!("/v1/events?org={}&type=import_received", tale.id(REFINERY)));
    let receipt = receipt["events"].as_array().expect("events").last().expect("a receipt").clone();
    let mut instead = json!({"type": "import_received"});
    for field in ["occurred_at", "site", "handover", "lots", "number", "document"] {
        instead[field] = receipt["payload"][field].clone();
    }
    for lot in instead["lots"].as_array_mut().expect("lots") {
        lot["weight"]["tare_g"] = json!(lot["weight"]["tare_g"].as_i64().expect("grams") + MORE_G);
        lot["accepted_g"] = json!(lot["accepted_g"].as_i64().expect("grams") - MORE_G);
    }
    let fields = json!({
        "entry": receipt["index"], "reason": "incorrect_data", "instead": instead, "document": file("cage on the scale"),
    });
    let correction = tale.say_warned(REFINERY, "corrected", fields, &["correction_undecided"]);
    tale.on("2030-09-10");
    tale.say(CENTRE, "correction_confirmed", json!({"correction": correction}));
    tale.on("2030-09-17");
    let word = json!({"correction": correction, "document": file("photographs of the cage")});
    tale.say(AUDITOR, "correction_confirmed", word);
}

/// The units of a block that fail, as its page says.
fn failing(tale: &Tale, serial: &str) -> Vec<usize> {
    let page = tale.app.get(&format!("/v1/certificates/{serial}"), "").json();
    let number = |value: &Value| usize::try_from(value.as_i64().expect("a number")).expect("a number");
    let stretches = page["failing"].as_array().into_iter().flatten();
    stretches.flat_map(|failing| number(&failing["units"][0])..=number(&failing["units"][1])).collect()
}

/// What fails in the buffer itself is withdrawn. For the bank's units the centre's last two unsold ones stand in, then what
/// is left of the buffer; then the centre is in deficit, and nothing of it is issued.
pub(super) fn stock_and_buffer_stand_in(tale: &mut Tale, [first, second]: &[Issue; 2]) {
    tale.on("2030-09-24");
    for unit in failing(tale, &second.buffer) {
        let fields = json!({
            "certificate": second.buffer, "part": part(&second.buffer, unit, unit), "reason": "not_eligible",
        });
        tale.say(OFFICE, "certificate_withdrawn", fields);
    }
    let (_, last) = numbers(&first.serial);
    let stock = part(&first.serial, last - 1, last);
    let given = [(part(&stock, last - 1, last - 1), Some(&stock)), (part(&stock, last, last), None)];
    for (backing, cut_from) in given.into_iter().chain([(first.buffer.clone(), None)]) {
        replace(tale, &second.serial, &backing, cut_from);
    }
    let refused = draft(tale, "2030-07");
    assert_eq!(refused["code"], "site_in_deficit", "{refused}");
}

/// The first failing unit of a certificate is backed by another.
fn replace(tale: &Tale, certificate: &str, backing: &str, cut_from: Option<&String>) {
    let unit = failing(tale, certificate)[0];
    let mut replacement = json!({"failed": part(certificate, unit, unit), "backing": backing});
    if let Some(block) = cut_from {
        replacement["cut_from"] = json!(block);
    }
    tale.say(OFFICE, "certificate_replaced", json!({"certificate": certificate, "replacements": [replacement]}));
}

/// The centre buys back what is missing from the textile maker, who retires the rest; then it may issue again.
pub(super) fn the_centre_buys_back(tale: &mut Tale, [first, second]: &[Issue; 2]) -> Issue {
    tale.on("2030-10-07");
    let missing = failing(tale, &second.serial).len();
    let (_, last) = numbers(&first.serial);
    let sold = part(&first.serial, 1, last - 2);
    let [kept, back] = split(tale, TEXTILES, &sold, last - 2 - missing);
    sell(tale, TEXTILES, &back, CENTRE);
    let mut rest = Some(back.clone());
    for unit in numbers(&back).0..=numbers(&back).1 {
        let backing = part(&back, unit, unit);
        let block = rest.take().filter(|block| *block != backing);
        replace(tale, &second.serial, &backing, block.as_ref());
        rest = (unit < numbers(&back).1).then(|| part(&back, unit + 1, numbers(&back).1));
    }
    retire(tale, (TEXTILES, "BE 0442.824.497"), &kept, ["2029-07-01", "2030-06-30"]);
    tale.on("2030-10-14");
    issue(tale, "2030-07")
}
