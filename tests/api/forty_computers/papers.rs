//! Permits, scales and audits: what must hold on a day so that what is done on it counts.

use crate::forty_computers::cast::{Tale, file};
use serde_json::{Value, json};

fn permit(number: &str, operations: &[&str], waste_codes: &[&str], years: [u16; 2]) -> Value {
    let [first, last] = years;
    json!({
        "number": number, "operations": operations, "waste_codes": waste_codes, "capacity_g_per_year": 500_000_000,
        "valid_from": format!("{first}-01-01"), "valid_until": format!("{last}-12-31"),
    })
}

/// Dismantling and storage of computers and of what they consist of.
fn permit_of_the_centre(years: [u16; 2]) -> Value {
    let codes = ["16 02 13*", "16 02 14", "16 02 15*", "16 02 16", "16 06 05", "19 12 02", "19 12 03", "19 12 04"];
    permit(&format!("NEMA/{}/88", years[0]), &["R12", "R13"], &codes, years)
}

/// Metals out of whole computers, boards and, by their code of December 2026, lithium batteries.
fn permit_of_the_refinery(years: [u16; 2]) -> Value {
    permit(&format!("OVAM/{}/17", years[0]), &["R4"], &["16 02 13*", "16 02 15*", "16 06 07*"], years)
}

/// Two sites have a permit and a scale from the beginning.
pub(super) fn the_first(tale: &mut Tale) {
    let permits = [
        ("Nairobi centre", permit_of_the_centre([2026, 2028])),
        ("Hoboken refinery", permit_of_the_refinery([2025, 2028])),
    ];
    for (name, permit) in permits {
        let changed = json!({"changed_site": tale.id(&format!("site of {name}")), "permit": permit});
        tale.operator_says("site_changed", changed);
        tale.new_id(&format!("scale of {name}"));
    }
    scales_are_verified(tale, 2026);
}

/// Every November: verified scales, fresh tokens, and in 2028 further permits.
pub(super) fn every_november(tale: &mut Tale, year: u16) {
    tale.on(&format!("{year}-11-02"));
    tale.renew_tokens();
    scales_are_verified(tale, year);
    if year == 2028 {
        let permits = [
            ("Nairobi centre", permit_of_the_centre([2029, 2031])),
            ("Hoboken refinery", permit_of_the_refinery([2029, 2032])),
        ];
        for (name, permit) in permits {
            let changed = json!({"changed_site": tale.id(&format!("site of {name}")), "permit": permit});
            tale.operator_says("site_changed", changed);
        }
    }
}

fn scales_are_verified(tale: &Tale, year: u16) {
    for name in ["Nairobi centre", "Hoboken refinery"] {
        let fields = json!({
            "new_scale": tale.id(&format!("scale of {name}")), "at_site": tale.id(&format!("site of {name}")),
            "division_g": 50, "capacity_g": 600_000,
            "verified_on": format!("{year}-11-02"), "verified_until": format!("{}-11-30", year + 1),
        });
        tale.operator_says("scale_registered", fields);
    }
}

/// The auditor was at a site, and found that it does what it says.
pub(super) fn an_audit(tale: &Tale, site: &str, on: &str) {
    let fields = json!({
        "audited_site": tale.id(site), "on": on, "outcome": "conforms", "document": file(&format!("{site}, {on}")),
    });
    tale.say("Savanna Audit", "site_audited", fields);
}

/// A steel furnace with a line for plastics. It has no key: whoever brings it something shows its papers.
pub(super) fn a_furnace_without_a_key(tale: &mut Tale) {
    let facility = tale.new_id("Athi furnace");
    let permit = permit("NEMA/2029/301", &["R3", "R4"], &["19 12 02", "19 12 04"], [2029, 2031]);
    let fields = json!({
        "facility": facility, "country": "KE", "code": "ATHI", "permit": permit, "audit_basis": file("ISO 14001 of Athi"),
    });
    tale.operator_says("facility_registered", fields);
}

/// What the scale of somebody shows, cage and all.
pub(super) fn weighed(tale: &Tale, name: &str, net_g: i64, tare_g: i64) -> Value {
    let scale = tale.id(&format!("scale of {name}"));
    json!({"basis": "weighed", "gross_g": net_g + tare_g, "tare_g": tare_g, "scale": scale})
}
