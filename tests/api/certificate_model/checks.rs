//! What stands after each step, on both sides: grams, sums, and every so often every block.

use crate::certificate_model::Run;
use crate::certificate_model::model::{Block, Reason, Status, Unit};
use loopledger::domain::serial::SerialBlock;
use loopledger::domain::time::{Date, LedgerTime};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// After so many months a failing unit that nobody has replaced is unbacked.
const UNBACKED_MONTHS: u32 = 12;

fn day(ms: i64) -> Date {
    LedgerTime::from_ms(ms).and_then(LedgerTime::date).expect("a day")
}

impl Run<'_> {
    /// No gram backs two units that live, or that ended without setting it free; nor does one that backs a unit wait in a pool.
    pub fn require_disjoint(&self) {
        for (place, treatment) in self.model.treatments.iter().enumerate() {
            let waiting = self.model.pools.iter().flatten().filter(|waiting| waiting.treatment == place);
            let certified = treatment.lines.iter().flat_map(|line| &line.certified).map(|(_, from, to)| (*from, *to));
            let mut all: Vec<(i64, i64)> = certified.chain(waiting.map(|waiting| (waiting.from, waiting.to))).collect();
            all.sort_unstable();
            let is_disjoint = all.windows(2).all(|pair| pair[0].1 <= pair[1].0);
            assert!(is_disjoint, "grams of treatment {place} twice: {all:?}, {treatment:?}, {:?}", self.model.pools);
        }
    }

    /// What the pools say, and that the units are all there.
    pub fn require_sums(&self) {
        for (site, story) in self.stories.iter().enumerate() {
            let waiting: i64 = self.model.pools[site].iter().map(|waiting| waiting.to - waiting.from).sum();
            let (taken, units) = (self.model.taken_g[site], self.model.issued(site));
            if self.model.batches.iter().all(|batch| batch.site != site) {
                continue;
            }
            let pools = story.eligibility(&format!("site={}", story.centre_site));
            let pool = &pools["pools"][0];
            let said = [&pool["entered_g"], &pool["allotted_g"], &pool["units"]].map(Value::as_i64);
            assert_eq!(said, [taken + waiting, taken, units].map(Some), "{pool}");
            let totals = &pools["work"]["totals"];
            assert!(pools["next"].is_null(), "all batches stand on one page");
            let (allotted, free) = self.model.work(site);
            assert_eq!((&totals["allotted_g"], &totals["free_g"]), (&json!(allotted), &json!(free)), "{totals}");
            let of_site = self.model.blocks.iter().filter(|block| block.site == site);
            let covered: i64 = of_site.map(|block| block.last - block.first + 1).sum();
            assert_eq!(covered, units, "blocks partition the units");
        }
    }

    /// The sum rule, as everybody reads it: what was issued is what stands somewhere, and the model has it there too.
    pub fn require_sum_rule(&self) {
        let register = self.app().get("/v1/register/pools", "").json();
        let rows = |list: &str| register[list].as_array().cloned().unwrap_or_default();
        for (site, story) in self.stories.iter().enumerate() {
            if self.model.issued(site) == 0 {
                continue;
            }
            let of_site = |row: &&Value| row["site"] == story.centre_site;
            let (pools, sites) = (rows("pools"), rows("sites"));
            let (pool, cover) = (pools.iter().find(of_site), sites.iter().find(of_site));
            let pool = pool.unwrap_or_else(|| panic!("no pool: {register}"));
            let expected = self.expected_pool(site);
            for (name, units) in expected.as_object().expect("counts") {
                assert_eq!(&pool[name], units, "{name}: {pool}");
            }
            let (stock, buffer) = self.model.cover(site);
            let cover = cover.unwrap_or_else(|| panic!("no site: {register}"));
            let said = ["stock", "buffer", "failing", "deficit"].map(|name| cover[name].as_u64());
            let failing = self.model.count(site, |id, _| self.model.fails(id));
            let deficit = failing.saturating_sub(stock - self.model.backed_stock(site) + buffer);
            assert_eq!(said, [stock, buffer, failing, deficit].map(|units| u64::try_from(units).ok()), "{cover}");
        }
    }

    fn expected_pool(&self, site: usize) -> Value {
        let count = |holds: &dyn Fn(&Unit) -> bool| self.model.count(site, |_, unit| holds(unit));
        let of = |status: Status| count(&|unit: &Unit| unit.status == status && !self.is_expired(unit));
        json!({
            "issued": self.model.issued(site), "pending": of(Status::Pending), "held": of(Status::Held),
            "expired": count(&|unit| self.is_expired(unit)), "retired": of(Status::Retired),
            "cancelled": of(Status::Cancelled), "withdrawn": of(Status::Withdrawn), "buffer": of(Status::Buffer),
            "frozen": count(&|unit| unit.lives() && unit.frozen.is_some()),
            "failing": self.model.count(site, |id, _| self.model.fails(id)),
        })
    }

    /// Every block stands as the model has it.
    pub fn require_blocks(&mut self) {
        for block in self.model.blocks.clone() {
            let page = self.app().get(&format!("/v1/certificates/{}", block.serial()), "").json();
            if self.is_expired(self.model.first_of(block)) {
                self.count("expired");
            }
            let unit = self.model.first_of(block);
            let status = if self.is_expired(unit) { "expired" } else { unit.status.name() };
            assert_eq!(page["status"], status, "{block:?}");
            assert_eq!(page["frozen"].is_null(), unit.frozen.is_none(), "{block:?}");
            assert_eq!(
                page["pending"].is_null(),
                unit.status != Status::Pending && unit.pending.is_none(),
                "{block:?}"
            );
            if unit.lives() {
                let annotated = page["withdrawn"]["reason"].as_str();
                assert_eq!(annotated, unit.annotated.map(Reason::name), "{block:?}");
                self.require_failing(block, &page);
                self.require_backed(block, &page);
            }
        }
    }

    /// Which of its units fail, and which of these should have been replaced by now.
    fn require_failing(&mut self, block: Block, page: &Value) {
        let (mut failing, mut unbacked) = (BTreeSet::new(), BTreeSet::new());
        for stretch in page["failing"].as_array().into_iter().flatten() {
            let number = |end: usize| stretch["units"][end].as_i64().expect("a number");
            failing.extend(number(0)..=number(1));
            if stretch["unbacked"] == true {
                unbacked.extend(number(0)..=number(1));
            }
        }
        assert_eq!(failing, self.model.failing(block), "{block:?}");
        let today = day(self.now_ms());
        let is_late = |since| day(since).plus_months(UNBACKED_MONTHS).is_some_and(|until| today > until);
        let late: BTreeSet<i64> =
            failing.into_iter().filter(|number| self.model.fails_since((block.site, *number)).any(is_late)).collect();
        assert_eq!(unbacked, late, "{block:?}");
        if !late.is_empty() {
            self.count("unbacked");
        }
    }

    /// Which units back its own.
    fn require_backed(&self, block: Block, page: &Value) {
        let mut said = BTreeMap::new();
        for backed in page["backed"].as_array().into_iter().flatten() {
            let block = |name: &str| SerialBlock::parse(backed[name].as_str().expect("text")).expect("serial numbers");
            let (units, by) = (block("units"), block("by"));
            let site = usize::from(by.site.as_str() == "CTR2");
            said.extend((units.first..=units.last).zip((by.first..=by.last).map(|number| (site, number))));
        }
        let backed = block.ids().filter_map(|id| Some((id.1, self.model.units[&id].backed_by?)));
        assert_eq!(said, backed.collect(), "{block:?}");
    }
}
