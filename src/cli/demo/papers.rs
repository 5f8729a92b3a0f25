//! What holds on a day: permits, verified scales, audits.

use crate::cli::CommandError;
use crate::cli::demo::composition::{OPERATIONS, waste_codes};
use crate::cli::demo::parties::Party;
use crate::cli::demo::plan::Plan;
use crate::cli::demo::poster::Saying;
use crate::cli::demo::story::{BENCH_G, Story};
use crate::domain::rule_set::RuleSet;
use serde_json::{Value, json};
use uuid::Uuid;

impl Story<'_, '_> {
    /// Two scales at a party's site, a large and a small one.
    pub(super) fn register_scales(&mut self, party: &Party) -> Result<(), CommandError> {
        let Some(site) = party.site else { return Ok(()) };
        let at = self.plan.moment(0)?;
        let month = self.plan.month()?;
        let (on, until) = (month.plus(-3), month.plus(9));
        let (on, until) = on.zip(until).ok_or("the clock is absurd")?;
        let mut scales = Vec::new();
        for (number, division_g, capacity_g) in [(1_u64, 500, 5_000_000), (2, 1, BENCH_G)] {
            let scale = self.plan.id(party.name, number);
            scales.push(scale);
            let fields = json!({
                "new_scale": scale.to_string(), "at_site": site.to_string(), "division_g": division_g,
                "capacity_g": capacity_g, "verified_on": format!("{on}-01"), "verified_until": format!("{until}-01"),
            });
            self.poster.say(&self.parties.operator, Saying::new("scale_registered", &at, fields))?;
        }
        if let [floor, bench] = scales[..] {
            self.scales.insert(party.name, [floor, bench]);
        }
        Ok(())
    }

    /// The auditor was at a site at that time, and found that it does what it says.
    pub(super) fn audit(&mut self, site: Option<Uuid>, at: &str) -> Result<(), CommandError> {
        let Some(site) = site else { return Ok(()) };
        let fields = json!({
            "audited_site": site.to_string(), "on": at.get(..10), "outcome": "conforms",
            "document": {"sha256": "0".repeat(64), "blake3": "0".repeat(64)},
        });
        self.poster.say(&self.parties.auditor, Saying::new("site_audited", at, fields))
    }
}

/// The permit of a party's site, for all that the demo does there.
pub(super) fn permit(plan: &Plan, rules: &RuleSet, name: &str) -> Option<Value> {
    let operations: &[&str] = match name {
        "centre" | "south" => &["R12", "R13"],
        "treater" => OPERATIONS,
        "refinery" | "furnace" => &["R4"],
        _ => return None,
    };
    let month = plan.month().ok()?;
    let (first, last) = (month.plus(-12)?, month);
    Some(json!({
        "number": format!("XD/{}/1", last.as_str().get(..4)?), "operations": operations,
        "waste_codes": waste_codes(rules), "capacity_g_per_year": 1_000_000_000_i64,
        "valid_from": format!("{}-01-01", first.as_str().get(..4)?),
        "valid_until": format!("{}-12-31", last.as_str().get(..4)?),
    }))
}
