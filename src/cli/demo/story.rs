//! What happens in the demo: a gift to a school and what of it comes home; a repair café, from its devices to a certificate.

use crate::cli::CommandError;
use crate::cli::demo::certifying::Issued;
use crate::cli::demo::composition::Compositions;
use crate::cli::demo::devices::Device;
use crate::cli::demo::papers::permit;
use crate::cli::demo::parties::Parties;
use crate::cli::demo::plan::Plan;
use crate::cli::demo::poster::Poster;
use crate::domain::rule_set::RuleSet;
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use uuid::Uuid;

/// Items that one statement names, at most.
pub(super) const ITEMS_MAX: usize = 256;
/// The largest mass on the bench scale, in grams.
pub(super) const BENCH_G: i64 = 30_000;

/// A lot with its class or fraction and its grams.
#[derive(Clone)]
pub(super) struct Lot {
    pub(super) id: Uuid,
    pub(super) class: String,
    pub(super) grams: i64,
}

/// The demo at work.
pub(super) struct Story<'a, 'p> {
    pub(super) poster: &'p mut Poster<'a>,
    pub(super) plan: &'p Plan,
    pub(super) rules: &'p RuleSet,
    pub(super) compositions: Compositions,
    pub(super) parties: Parties,
    pub(super) scales: BTreeMap<&'static str, [Uuid; 2]>,
    pub(super) lots: u64,
}

impl<'a, 'p> Story<'a, 'p> {
    /// Everybody joins, with permits, scales and audits that hold in the demo's month.
    pub(super) fn begin(
        poster: &'p mut Poster<'a>,
        plan: &'p Plan,
        rules: &'p RuleSet,
        keys: &Path,
        operator_key: SigningKey,
    ) -> Result<Self, CommandError> {
        let permits = |name: &str| permit(plan, rules, name);
        let parties = Parties::join(poster, plan, keys, operator_key, &permits)?;
        let compositions = Compositions::read()?;
        let mut story = Self { poster, plan, rules, compositions, parties, scales: BTreeMap::new(), lots: 0 };
        for party in [story.parties.collector.clone(), story.parties.centre.clone(), story.parties.treater.clone()] {
            story.register_scales(&party)?;
        }
        let audited = plan.moment(100)?;
        for site in [story.parties.centre.site, story.parties.treater.site] {
            story.audit(site, &audited)?;
        }
        Ok(story)
    }

    /// The whole road, and beside it that of a gift; gives the certificate and the grams of boards that came home.
    pub(super) fn tell(&mut self, devices: &[Device]) -> Result<(Issued, i64), CommandError> {
        let registration = self.give()?;
        let boards_g = self.come_home()?;
        self.erase_serial(registration)?;
        self.register(devices)?;
        self.reuse(devices)?;
        let lots = self.gather(devices)?;
        let lots = self.change_hands(&lots, &self.parties.collector.clone(), &self.parties.centre.clone(), 300)?;
        let fractions = self.dismantle(&lots)?;
        let fractions =
            self.change_hands(&fractions, &self.parties.centre.clone(), &self.parties.treater.clone(), 720)?;
        self.treat(&fractions)?;
        self.try_what_must_fail(&fractions)?;
        Ok((self.certify()?, boards_g))
    }

    pub(super) fn item(&self, number: usize) -> Uuid {
        self.plan.id("device", u64::try_from(number).unwrap_or(0))
    }

    pub(super) fn new_lot(&mut self, class: &str, grams: i64) -> Lot {
        self.lots += 1;
        Lot { id: self.plan.id("lot", self.lots), class: class.to_owned(), grams }
    }

    /// A weight from the scale of a party that fits.
    pub(super) fn weigh(&self, party: &str, grams: i64) -> Result<Value, CommandError> {
        let [floor, bench] = self.scales.get(party).ok_or("a party without scales")?;
        let (scale, tare) = if grams < BENCH_G / 2 { (bench, 500) } else { (floor, 25_000) };
        Ok(json!({"basis": "weighed", "gross_g": grams + tare, "tare_g": tare, "scale": scale.to_string()}))
    }
}
