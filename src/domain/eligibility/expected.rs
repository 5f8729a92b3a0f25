//! What classes should hold has come out of their batch, or their receipts counted it missing: batteries, boards, backlights,
//! toner. How much is asked is the rule set's: any one gram, or at least a share of what was fed in.

use crate::domain::batch::Batch;
use crate::domain::codes::{Part, TableCode};
use crate::domain::fed::FedClass;
use crate::domain::lacks::{grams_that_may_hold, may_hold};
use crate::domain::mass::Grams;
use crate::domain::parts_table::ExpectedRule;
use crate::domain::rule_set::{Conditions, part_of};
use crate::domain::signal::Gave;

/// What came out of a batch, as far as that is known.
#[derive(Debug, Clone, Copy)]
pub struct CameOut<'a> {
    /// The fractions, each once or more often.
    pub outputs: &'a [TableCode],
    /// How much of each, where that was counted.
    pub gave: &'a [Gave],
    /// Fractions of which some came out while nobody counted.
    pub uncounted: &'a [TableCode],
}

/// A part of which too little came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Short {
    /// Which.
    pub part: Part,
    /// How much did, in grams.
    pub found_g: i64,
    /// How much should have, at least.
    pub least_g: i64,
}

impl<'a> CameOut<'a> {
    /// What came out of a batch of the ledger.
    pub(crate) fn of(batch: &'a Batch) -> Self {
        let (gave, uncounted) = (batch.gave.as_deref(), batch.uncounted.as_deref());
        Self { outputs: &batch.outputs, gave: gave.unwrap_or_default(), uncounted: uncounted.unwrap_or_default() }
    }

    /// Grams of some fractions. What came out before anybody counted is enough, whatever it was and whatever is counted of it later.
    fn grams_of(&self, fractions: &[String]) -> i64 {
        let is_such = |code: &TableCode| fractions.iter().any(|fraction| fraction == code.as_str());
        if self.uncounted.iter().any(is_such) {
            return i64::MAX;
        }
        let mut sum = 0_i64;
        for gave in self.gave.iter().filter(|gave| is_such(&gave.fraction)) {
            sum = sum.saturating_add(gave.grams.get());
        }
        sum
    }

    fn has_any(&self, fractions: &[String]) -> bool {
        self.outputs.iter().any(|output| fractions.iter().any(|fraction| fraction == output.as_str()))
    }
}

/// How much of a rule's part the fed classes hold at least, in grams; `None` if none of them need hold any.
fn least_g(rule: &ExpectedRule, fed: &[FedClass]) -> Option<i64> {
    let holding = fed.iter().filter(|fed| {
        let is_of_rule = rule.classes.iter().any(|class| class == fed.class.as_str());
        is_of_rule && fed.grams > Grams::ZERO && may_hold(&fed.lacks, rule.part)
    });
    let least = |fed: &FedClass| {
        let share = rule.least_ppm.get(fed.class.as_str()).copied().unwrap_or(0);
        part_of(grams_that_may_hold(fed.grams, &fed.lacks, rule.part), share)
    };
    holding.map(least).reduce(i64::saturating_add)
}

/// The parts of which too little came out. Where the rule set names no share, any fraction of it is enough; and so much there must
/// be of the least thing: what weighs less than a gram is shown by its fraction.
pub fn short_of(conditions: &Conditions, fed: &[FedClass], came_out: &CameOut<'_>) -> Vec<Short> {
    let mut short = Vec::new();
    for rule in &conditions.expected {
        let Some(least_g) = least_g(rule, fed) else { continue };
        let is_there = came_out.has_any(&rule.fractions);
        let found_g = if rule.least_ppm.is_empty() { 0 } else { came_out.grams_of(&rule.fractions) };
        if !is_there || found_g < least_g {
            short.push(Short { part: rule.part, found_g, least_g: least_g.max(1) });
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::lacks::Lack;
    use crate::domain::rule_set;

    fn code(code: &str) -> TableCode {
        TableCode::parse(code).expect("a code")
    }

    fn grams(grams: i64) -> Grams {
        Grams::new(grams).expect("grams")
    }

    fn conditions(version: &str) -> &'static Conditions {
        let set = rule_set::all().iter().find(|set| set.version == version).expect("a rule set");
        set.scheme.conditions.as_ref().expect("conditions")
    }

    fn fed(class: &str, fed_g: i64, lacks: &[(Part, i64)]) -> FedClass {
        let lacks = lacks.iter().map(|(part, ppm)| Lack { part: *part, ppm: *ppm }).collect();
        FedClass { class: code(class), grams: grams(fed_g), lacks }
    }

    /// The parts that are short, with what was found and what is the least.
    fn short(version: &str, fed: &[FedClass], out: &[(&str, i64)]) -> Vec<(Part, i64, i64)> {
        let outputs: Vec<TableCode> = out.iter().map(|(fraction, _)| code(fraction)).collect();
        let gave: Vec<Gave> = out.iter().map(|(one, g)| Gave { fraction: code(one), grams: grams(*g) }).collect();
        let found = short_of(conditions(version), fed, &CameOut { outputs: &outputs, gave: &gave, uncounted: &[] });
        found.into_iter().map(|short| (short.part, short.found_g, short.least_g)).collect()
    }

    const ALL: i64 = 1_000_000;

    #[test]
    fn one_gram_was_enough() {
        let laptops = || fed("0303", 100_000, &[]);
        assert_eq!(short("3", &[laptops()], &[("FE", 99_998), ("BAT_LI", 1), ("PWB_LOW", 1)]), []);
        assert_eq!(short("3", &[laptops()], &[("FE", 100_000), ("BAT_LI", 1)]), [(Part::Boards, 0, 1)]);
        let only = |part| Part::ALL.iter().filter(|known| **known != part).map(|part| (*part, ALL)).collect::<Vec<_>>();
        assert_eq!(short("3", &[fed("0303", 9, &only(Part::Boards))], &[("PWB_HIGH", 1)]), []);
        assert_eq!(short("3", &[fed("0309", 9, &[])], &[("PWB_MED", 1)]), [(Part::Backlights, 0, 1)]);
        assert_eq!(short("3", &[fed("0309", 9, &[])], &[("PWB_MED", 1), ("CCFL_HG", 1)]), []);
        assert_eq!(short("3", &[fed("0304", 9, &[])], &[("PWB_MED", 1), ("INK", 0)]), []);
        assert_eq!(short("3", &[fed("0104", 9, &[]), fed("0303", 0, &[])], &[("FE", 9)]), [], "all laptops remained");
    }

    #[test]
    fn a_share_is_asked_of_what_may_hold_it() {
        let laptops = |lacks: &[(Part, i64)]| fed("0303", 100_000, lacks);
        let out = |batteries_g: i64| [("BAT_LI", batteries_g), ("PWB_HIGH", 9_000)];
        assert_eq!(short("4", &[laptops(&[])], &out(499)), [(Part::Batteries, 499, 500)]);
        assert_eq!(short("4", &[laptops(&[])], &out(500)), [], "at a boundary the milder side holds");
        let counted = [(Part::Batteries, 975_000)];
        assert_eq!(short("4", &[laptops(&counted)], &out(12)), [], "39 of 40 came without: 12.5 g of the last");
        assert_eq!(short("4", &[laptops(&counted)], &out(11)), [(Part::Batteries, 11, 12)]);
        assert_eq!(short("4", &[laptops(&[(Part::Batteries, ALL)])], &[("PWB_HIGH", 500)]), []);
        let two = [laptops(&[]), fed("0306", 10_000, &[])];
        assert_eq!(short("4", &two, &[("BAT_LI", 625), ("PWB_HIGH", 624)]), [(Part::Boards, 624, 625)]);
        let kinds = [("BAT_LI", 250), ("BAT_MIX", 250), ("PWB_LOW", 250), ("CPU_RAM", 250)];
        assert_eq!(short("4", &[laptops(&[])], &kinds), [], "in whatever fractions");
    }

    #[test]
    fn a_single_device_with_a_clock_cell_passes() {
        for (class, mass_g) in [("0302", 15_000), ("0702", 4_000), ("0402", 200), ("0406", 600), ("0303", 600)] {
            let out = [("BAT_LI", 3), ("PWB_MED", mass_g / 10), ("FE", mass_g / 2)];
            assert_eq!(short("4", &[fed(class, mass_g, &[])], &out), [], "{class}");
            let none = [("PWB_MED", mass_g / 10)];
            let parts: Vec<Part> = short("4", &[fed(class, mass_g, &[])], &none).iter().map(|short| short.0).collect();
            assert_eq!(parts, [Part::Batteries], "{class} without any");
        }
    }

    #[test]
    fn what_nobody_counted_is_enough() {
        let outputs = [code("BAT_LI"), code("PWB_LOW")];
        let boards = Gave { fraction: code("PWB_LOW"), grams: grams(600) };
        let few = Gave { fraction: code("BAT_LI"), grams: grams(1) };
        for gave in [vec![boards.clone()], vec![boards, few]] {
            let came_out = CameOut { outputs: &outputs, gave: &gave, uncounted: &[code("BAT_LI")] };
            assert_eq!(short_of(conditions("4"), &[fed("0303", 100_000, &[])], &came_out), []);
        }
    }
}
