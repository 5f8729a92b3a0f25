//! What happens in the demo, from the repair café to the certificate.

use crate::cli::CommandError;
use crate::cli::demo::composition::{Compositions, OPERATIONS, waste_codes};
use crate::cli::demo::devices::{Device, Outcome};
use crate::cli::demo::parties::{Parties, Party};
use crate::cli::demo::plan::Plan;
use crate::cli::demo::poster::{Poster, Saying};
use crate::domain::fields::Field;
use crate::domain::ids::{EntryIndex, OrganisationId, SiteId, StatementId};
use crate::domain::rule_set::RuleSet;
use crate::domain::serial::SerialBlock;
use crate::proof::commitment::{Opening, commit};
use crate::store::entries;
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use uuid::Uuid;

/// Items that one statement names, at most.
const ITEMS_MAX: usize = 256;
/// Lots that change hands at once; their weights must fit into one payload.
const LOTS_MAX: usize = 40;
/// What a batch takes in before it is closed, in grams.
const BATCH_G: i64 = 2_000_000;
/// The largest mass on the bench scale, in grams.
const BENCH_G: i64 = 30_000;

/// A lot with its class or fraction and its grams.
#[derive(Clone)]
struct Lot {
    id: Uuid,
    class: String,
    grams: i64,
}

/// The demo at work.
pub(super) struct Story<'a, 'p> {
    poster: &'p mut Poster<'a>,
    plan: &'p Plan,
    rules: &'p RuleSet,
    compositions: Compositions,
    parties: Parties,
    scales: BTreeMap<&'static str, [Uuid; 2]>,
    lots: u64,
}

/// What came out of it.
pub(super) struct Issued {
    /// The holder's serial numbers.
    pub(super) serial: SerialBlock,
    /// The entry of its retirement.
    pub(super) retired: EntryIndex,
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
        for site in [story.parties.centre.site, story.parties.treater.site] {
            story.audit(site)?;
        }
        Ok(story)
    }

    fn register_scales(&mut self, party: &Party) -> Result<(), CommandError> {
        let Some(site) = party.site else { return Ok(()) };
        let at = self.plan.moment(0)?;
        let month = self.plan.month()?;
        let (on, until) = (month.plus(-1), month.plus(11));
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

    fn audit(&mut self, site: Option<Uuid>) -> Result<(), CommandError> {
        let Some(site) = site else { return Ok(()) };
        let at = self.plan.moment(100)?;
        let fields = json!({
            "audited_site": site.to_string(), "on": at.get(..10), "outcome": "conforms",
            "document": {"sha256": "0".repeat(64), "blake3": "0".repeat(64)},
        });
        self.poster.say(&self.parties.auditor, Saying::new("site_audited", &at, fields))
    }

    /// The whole road.
    pub(super) fn tell(&mut self, devices: &[Device]) -> Result<Issued, CommandError> {
        self.register(devices)?;
        self.reuse(devices)?;
        let lots = self.gather(devices)?;
        let lots = self.change_hands(&lots, &self.parties.collector.clone(), &self.parties.centre.clone(), 300)?;
        let fractions = self.dismantle(&lots)?;
        let fractions =
            self.change_hands(&fractions, &self.parties.centre.clone(), &self.parties.treater.clone(), 720)?;
        self.treat(&fractions)?;
        self.try_what_must_fail(&fractions)?;
        self.certify()
    }

    fn item(&self, number: usize) -> Uuid {
        self.plan.id("device", u64::try_from(number).unwrap_or(0))
    }

    fn new_lot(&mut self, class: &str, grams: i64) -> Lot {
        self.lots += 1;
        Lot { id: self.plan.id("lot", self.lots), class: class.to_owned(), grams }
    }

    /// What the file says: every device is registered, and tested as it was found; what was fixed is repaired.
    fn register(&mut self, devices: &[Device]) -> Result<(), CommandError> {
        let collector = self.parties.collector.clone();
        for (number, device) in devices.iter().enumerate() {
            let item = self.item(number).to_string();
            let fields = json!({
                "item": item, "kind": "device", "class": device.class, "weight": {"basis": "class"}, "country": "XD",
            });
            let hour = |hour| Plan::hour(&device.day, hour);
            self.poster.say(&collector, Saying::new("registered", &hour(9), fields).at(collector.site))?;
            let result = match device.outcome {
                Outcome::Unknown => continue,
                Outcome::Fixed | Outcome::Repairable => "repairable",
                Outcome::EndOfLife => "waste",
            };
            let fields = json!({"item": item, "result": result});
            self.poster.say(&collector, Saying::new("tested", &hour(10), fields).at(collector.site))?;
            match device.outcome {
                Outcome::Fixed => {
                    let fields = json!({"item": item});
                    self.poster.say(&collector, Saying::new("repaired", &hour(11), fields).at(collector.site))?;
                }
                Outcome::EndOfLife => {
                    let month = device.day.month().ok_or("a day without a month")?;
                    let arising = json!({"country": "XD", "month": month.as_str()});
                    let fields = json!({"item": item, "arising": arising, "counted_elsewhere": "none"});
                    self.poster.say(&collector, Saying::new("retired", &hour(11), fields).at(collector.site))?;
                }
                Outcome::Repairable | Outcome::Unknown => {}
            }
        }
        Ok(())
    }

    /// Simulated from here: what was fixed is wiped, prepared, handed over, and put in use.
    fn reuse(&mut self, devices: &[Device]) -> Result<(), CommandError> {
        let (collector, beneficiary) = (self.parties.collector.clone(), self.parties.beneficiary.clone());
        let (wiped, prepared) = (self.plan.moment(110)?, self.plan.moment(120)?);
        let (offered, accepted, used) = (self.plan.moment(150)?, self.plan.moment(160)?, self.plan.moment(200)?);
        let fixed: Vec<usize> =
            devices.iter().enumerate().filter(|(_, d)| d.outcome == Outcome::Fixed).map(|(number, _)| number).collect();
        for (handover, chunk) in fixed.chunks(ITEMS_MAX).enumerate() {
            for number in chunk {
                let item = self.item(*number).to_string();
                let class = devices.get(*number).and_then(|device| self.rules.class(&device.class));
                if class.is_none_or(|class| class.data_bearing) {
                    let fields = json!({"item": item, "method": "purge", "technique": "block_erase", "verified": true});
                    self.poster.say(&collector, Saying::new("data_sanitised", &wiped, fields).at(collector.site))?;
                }
                let fields = json!({"item": item});
                self.poster.say(&collector, Saying::new("prepared_for_reuse", &prepared, fields).at(collector.site))?;
            }
            let handover = self.plan.id("donation", u64::try_from(handover)?).to_string();
            let items: Vec<String> = chunk.iter().map(|number| self.item(*number).to_string()).collect();
            let offer = json!({"handover": handover, "to": beneficiary.id.to_string(), "items": items});
            self.poster.say(&collector, Saying::new("handover_offered", &offered, offer).at(collector.site))?;
            let answer = json!({"handover": handover});
            self.poster.say(&beneficiary, Saying::new("handover_accepted", &accepted, answer))?;
            for item in items {
                let fields = json!({"item": item, "country": "XD"});
                self.poster.say(&beneficiary, Saying::new("put_in_use", &used, fields))?;
            }
        }
        Ok(())
    }

    /// What reached its end is gathered in lots by class and weighed.
    fn gather(&mut self, devices: &[Device]) -> Result<Vec<Lot>, CommandError> {
        let collector = self.parties.collector.clone();
        let (merged, weighed) = (self.plan.moment(250)?, self.plan.moment(260)?);
        let mut by_class: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, device) in devices.iter().enumerate().filter(|(_, d)| d.outcome == Outcome::EndOfLife) {
            by_class.entry(&device.class).or_default().push(number);
        }
        let mut lots = Vec::new();
        for (class, numbers) in by_class {
            let mean = self.rules.class(class).and_then(|class| class.mean_g).ok_or("a class without a mean")?;
            for chunk in numbers.chunks(ITEMS_MAX) {
                let expected = mean * i64::try_from(chunk.len())?;
                let grams = self.plan.around(expected, 150_000, "lot weight", self.lots);
                let lot = self.new_lot(class, grams);
                let inputs: Vec<String> = chunk.iter().map(|number| self.item(*number).to_string()).collect();
                let fields = json!({"inputs": inputs, "lot": lot.id.to_string()});
                self.poster.say(&collector, Saying::new("merged", &merged, fields).at(collector.site))?;
                let weight = self.weigh("collector", lot.grams)?;
                let fields = json!({"item": lot.id.to_string(), "weight": weight, "reason": "measured"});
                self.poster.say(&collector, Saying::new("reweighed", &weighed, fields).at(collector.site))?;
                lots.push(lot);
            }
        }
        Ok(lots)
    }

    /// A weight from the scale of a party that fits.
    fn weigh(&self, party: &str, grams: i64) -> Result<Value, CommandError> {
        let [floor, bench] = self.scales.get(party).ok_or("a party without scales")?;
        let (scale, tare) = if grams < BENCH_G / 2 { (bench, 500) } else { (floor, 25_000) };
        Ok(json!({"basis": "weighed", "gross_g": grams + tare, "tare_g": tare, "scale": scale.to_string()}))
    }

    /// Lots go from hand to hand; the receiver weighs them a little differently. Gives them as received.
    fn change_hands(&mut self, lots: &[Lot], from: &Party, to: &Party, moment: i64) -> Result<Vec<Lot>, CommandError> {
        let (offered, accepted) = (self.plan.moment(moment)?, self.plan.moment(moment + 20)?);
        let mut received = Vec::with_capacity(lots.len());
        for (number, chunk) in lots.chunks(LOTS_MAX).enumerate() {
            let handover = self.plan.id(to.name, 1_000 + u64::try_from(number)?).to_string();
            let sent: Vec<Value> =
                chunk.iter().map(|lot| json!({"lot": lot.id.to_string(), "sent_g": lot.grams})).collect();
            let offer = json!({"handover": handover, "to": to.id.to_string(), "lots": sent});
            self.poster.say(from, Saying::new("handover_offered", &offered, offer).at(from.site))?;
            let mut answers = Vec::with_capacity(chunk.len());
            for lot in chunk {
                let grams = self.plan.around(lot.grams, 4_000, to.name, lot.id.as_u64_pair().1);
                let weight = self.weigh(to.name, grams)?;
                answers.push(json!({"weight": weight, "accepted_g": grams, "refused_g": 0}));
                received.push(Lot { grams, ..lot.clone() });
            }
            let answer = json!({"handover": handover, "lots": answers});
            self.poster.say(to, Saying::new("handover_accepted", &accepted, answer).at(to.site))?;
        }
        Ok(received)
    }

    /// Batch after batch is opened, fed, dismantled into weighed fractions, and closed.
    fn dismantle(&mut self, lots: &[Lot]) -> Result<Vec<Lot>, CommandError> {
        let mut fractions = Vec::new();
        let (mut batch, mut grams, mut number) = (Vec::new(), 0, 0);
        for lot in lots {
            grams += lot.grams;
            batch.push(lot.clone());
            if grams >= BATCH_G {
                number += 1;
                fractions.extend(self.dismantle_batch(number, &std::mem::take(&mut batch))?);
                grams = 0;
            }
        }
        if !batch.is_empty() {
            fractions.extend(self.dismantle_batch(number + 1, &batch)?);
        }
        Ok(fractions)
    }

    fn dismantle_batch(&mut self, number: u64, lots: &[Lot]) -> Result<Vec<Lot>, CommandError> {
        let centre = self.parties.centre.clone();
        let batch = self.plan.id("batch", number).to_string();
        let (opened, fed) = (self.plan.moment(400)?, self.plan.moment(410)?);
        let (taken, closed) = (self.plan.moment(600)?, self.plan.moment(700)?);
        let fields = json!({"batch": batch});
        self.poster.say(&centre, Saying::new("batch_opened", &opened, fields).at(centre.site))?;
        let items: Vec<String> = lots.iter().map(|lot| lot.id.to_string()).collect();
        for chunk in items.chunks(ITEMS_MAX) {
            let fields = json!({"batch": batch, "items": chunk});
            self.poster.say(&centre, Saying::new("batch_fed", &fed, fields).at(centre.site))?;
        }
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for lot in lots {
            for (fraction, ppm) in self.compositions.of_class(&lot.class)? {
                *sums.entry(fraction.clone()).or_default() += lot.grams * ppm / 1_000_000;
            }
        }
        let mut fractions = Vec::with_capacity(sums.len());
        for (fraction, grams) in sums.into_iter().filter(|(_, grams)| *grams > 0) {
            let grams = self.plan.around(grams, 10_000, "fraction weight", self.lots);
            let lot = self.new_lot(&fraction, grams);
            let weight = self.weigh("centre", lot.grams)?;
            let fields = json!({"batch": batch, "lot": lot.id.to_string(), "fraction": fraction, "weight": weight});
            self.poster.say(&centre, Saying::new("dismantled", &taken, fields).at(centre.site))?;
            fractions.push(lot);
        }
        let input: i64 = lots.iter().map(|lot| lot.grams).sum();
        let fields = json!({"batch": batch, "loss_g": input * 4 / 1_000, "out_of_scope_g": 0});
        self.poster.say(&centre, Saying::new("batch_closed", &closed, fields).at(centre.site))?;
        Ok(fractions)
    }

    /// Each fraction ends by its final operation.
    fn treat(&mut self, fractions: &[Lot]) -> Result<(), CommandError> {
        let treater = self.parties.treater.clone();
        let at = self.plan.moment(800)?;
        for lot in fractions {
            let fields = self.end_of(lot)?;
            self.poster.say(&treater, Saying::new("treated_final", &at, fields).at(treater.site))?;
        }
        self.poster.flush()
    }

    fn end_of(&self, lot: &Lot) -> Result<Value, CommandError> {
        let operation = self.compositions.operation_of(&lot.class)?;
        Ok(json!({"item": lot.id.to_string(), "operation": operation, "net_g": lot.grams}))
    }

    /// What somebody might try, and what the ledger refuses.
    fn try_what_must_fail(&mut self, fractions: &[Lot]) -> Result<(), CommandError> {
        let at = self.plan.moment(900)?;
        let (treater, centre) = (self.parties.treater.clone(), self.parties.centre.clone());
        let lot = fractions.first().ok_or("nothing was dismantled")?;
        let again = Saying::new("treated_final", &at, self.end_of(lot)?).at(treater.site);
        self.poster.try_in_vain(&treater, again)?;
        let handover = self.plan.id(treater.name, 1_000).to_string();
        let withdrawn = Saying::new("handover_withdrawn", &at, json!({"handover": handover}));
        self.poster.try_in_vain(&centre, withdrawn)?;
        let foreign = json!({"item": self.item(0).to_string(), "cause": "missing"});
        self.poster.try_in_vain(&centre, Saying::new("lost", &at, foreign))?;
        let audit = json!({
            "audited_site": centre.site.map(|site| site.to_string()), "on": at.get(..10), "outcome": "conforms",
            "document": {"sha256": "0".repeat(64), "blake3": "0".repeat(64)},
        });
        self.poster.try_in_vain(&centre, Saying::new("site_audited", &at, audit))
    }

    /// The issuer issues what the pool gives, and the centre retires its block for a made company.
    fn certify(&mut self) -> Result<Issued, CommandError> {
        let (issuer, centre) = (self.parties.issuer.clone(), self.parties.centre.clone());
        let number = self.poster.next_number();
        let (issued_at, retired_at) = (self.plan.moment(950)?, self.plan.moment(970)?);
        let issue = match self.said_before(issuer.id, number)? {
            Some(payload) => payload,
            None => self.draft()?,
        };
        let serial = issue.get("certificate").and_then(Value::as_str).and_then(SerialBlock::parse);
        let serial = serial.ok_or("the issue names no serial numbers")?;
        self.poster.say_as(&issuer, Saying::new("certificate_issued", &issued_at, issue.clone()), number)?;
        self.poster.flush()?;
        self.poster.try_in_vain(&issuer, Saying::new("certificate_issued", &issued_at, issue))?;
        let number = self.poster.next_number();
        let (fields, openings) = self.retirement(&serial)?;
        self.poster.say_as(
            &centre,
            Saying::new("certificate_retired", &retired_at, fields.clone()).opened(openings.clone()),
            number,
        )?;
        self.poster.flush()?;
        let again = Saying::new("certificate_retired", &retired_at, fields).opened(openings);
        self.poster.try_in_vain(&centre, again)?;
        let retired = self.entry_of(centre.id, number)?.ok_or("the retirement is not in the ledger")?.index;
        Ok(Issued { serial, retired })
    }

    fn draft(&self) -> Result<Value, CommandError> {
        let site = SiteId(self.parties.centre.site.ok_or("the centre has no site")?);
        let draft = self.poster.ledger.draft(site, &self.plan.month()?, None);
        let draft = draft.map_err(|unanswered| format!("there is nothing to issue: {unanswered:?}"))?;
        let fields = draft.write().map(|fields| fields.to_string()).unwrap_or_default();
        Ok(serde_json::from_str(&fields)?)
    }

    fn entry_of(&self, org: OrganisationId, number: u64) -> Result<Option<entries::StoredEntry>, CommandError> {
        let identity = (org, StatementId(self.poster.statement_id(number)));
        let found = self.poster.ledger.store.read(|database| entries::find_by_identity(database, &[identity]))?;
        Ok(found.into_values().next())
    }

    /// The fields of a statement that an interrupted demo has made already: a draft is another one once it was used.
    fn said_before(&self, org: OrganisationId, number: u64) -> Result<Option<Value>, CommandError> {
        let Some(stored) = self.entry_of(org, number)? else { return Ok(None) };
        let entry = crate::proof::entry::Entry::parse(&stored.bytes)?;
        let payload = crate::proof::keys::CompactJws::parse(&entry.statement)?.payload;
        Ok(Some(serde_json::from_slice(&payload)?))
    }

    fn retirement(&self, serial: &SerialBlock) -> Result<(Value, Vec<Opening>), CommandError> {
        let month = self.plan.month()?;
        let year = month.as_str().get(..4).ok_or("a month without a year")?.to_owned();
        let mut fields = json!({
            "certificate": serial.to_string(), "purpose_kind": "annual_footprint",
            "period": {"from": format!("{year}-01-01"), "until": format!("{year}-12-31")},
        });
        let mut openings = Vec::new();
        let values = [
            ("beneficiary", "Demo Buyer Ltd (a made company)"),
            ("beneficiary_number", "XD 0000.000.000"),
            ("purpose", "DEMO DATA: a year of e-waste, by weight"),
        ];
        for (name, value) in values {
            let pointer = format!("/{name}");
            // A real salt is random; this one must be the same when an interrupted demo goes on.
            let salt = self.plan.salt(name);
            let hash = commit(&pointer, &salt, value).ok_or("a commitment cannot be made")?;
            fields[name] = json!({"c": hash});
            openings.push(Opening { pointer, salt, value: value.to_owned() });
        }
        Ok((fields, openings))
    }
}

/// The permit of a party's site: valid in the demo's year, for all that the demo does there.
fn permit(plan: &Plan, rules: &RuleSet, name: &str) -> Option<Value> {
    let operations: &[&str] = match name {
        "centre" => &["R12", "R13"],
        "treater" => OPERATIONS,
        _ => return None,
    };
    let month = plan.month().ok()?;
    let year = month.as_str().get(..4)?;
    Some(json!({
        "number": format!("XD/{year}/1"), "operations": operations, "waste_codes": waste_codes(rules),
        "capacity_g_per_year": 1_000_000_000_i64, "valid_from": format!("{year}-01-01"),
        "valid_until": format!("{year}-12-31"),
    }))
}
