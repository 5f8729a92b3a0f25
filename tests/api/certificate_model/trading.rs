//! Issue, and what holders do: split, hand on, retire, cancel.

use crate::certificate_model::Run;
use crate::certificate_model::model::{Block, Status, Unit};
use crate::harness::Party;
use crate::story::changed_retirement;
use serde_json::{Value, json};

const MONTHS_24_MS: i64 = 730 * 86_400_000;

impl Run<'_> {
    pub fn is_expired(&self, unit: &Unit) -> bool {
        unit.status == Status::Held && self.now_ms() > unit.issued_ms + MONTHS_24_MS
    }

    pub fn issue(&mut self, site: usize, wanted: i64, second: bool) {
        let draft = self.stories[site].draft(Some(wanted));
        let front = self.model.front(site, wanted);
        let units = front.iter().map(|waiting| waiting.to - waiting.from).sum::<i64>() / 1_000;
        let has_pool = self.model.batches.iter().any(|batch| batch.site == site);
        let fails = self.model.count(site, |id, _| self.model.fails(id)) > 0;
        let refusal = match (has_pool, fails, units < 2) {
            (false, ..) => Some("units_invalid"),
            (_, true, _) => Some("site_in_deficit"),
            (_, _, true) => Some("units_invalid"),
            _ => None,
        };
        if let Some(code) = refusal {
            assert_eq!(draft.json()["code"], code, "{}", draft.text);
            return self.count(if code == "site_in_deficit" { "in deficit" } else { "refused" });
        }
        let mut draft = draft.json();
        let entry = |treatment: usize| self.model.treatments[treatment].entry;
        let said: Vec<Value> = front
            .iter()
            .map(|taken| json!({"treatment": entry(taken.treatment), "from": taken.from, "to": taken.to}))
            .collect();
        assert_eq!(draft["allotments"], json!(said), "{:?}", self.model.pools);
        let first = self.model.issued(site) + 1;
        let buffer = (units * 3 + 99) / 100;
        let own = Block { site, first, last: first + units - buffer - 1 };
        let blocks = [own, Block { site, first: own.last + 1, last: first + units - 1 }];
        assert_eq!((&draft["certificate"], &draft["buffer"]), (&json!(own.serial()), &json!(blocks[1].serial())));
        if second {
            draft["second"] = json!("organisation");
        }
        self.app().say(&self.stories[0].issuer, "certificate_issued", &draft).accepted();
        let now_ms = self.now_ms();
        self.model.issue(&front, blocks, second, now_ms);
        self.count(if second { "issued in part" } else { "issued" });
    }

    fn holder_of(&self, block: Block) -> Party {
        self.parties[self.model.first_of(block).holder.unwrap_or(0)].clone()
    }

    /// Why a holder cannot use its block.
    fn holders_refusal(&self, block: Block) -> Option<&'static str> {
        let unit = self.model.first_of(block);
        match unit.status {
            Status::Held => {}
            Status::Pending => return Some("certificate_pending"),
            _ => return Some("certificate_not_held"),
        }
        if self.is_expired(unit) {
            Some("certificate_expired")
        } else if unit.frozen.is_some() {
            Some("certificate_frozen")
        } else if unit.pending.is_some() {
            Some("certificate_pending")
        } else if self.model.failing(block).is_empty() {
            None
        } else {
            Some("units_failing")
        }
    }

    pub fn split(&mut self, place: usize, at: i64) {
        let Some(block) = self.block(place).filter(|block| block.first < block.last) else { return };
        let last = block.first + at % (block.last - block.first);
        let (one, other) = (Block { last, ..block }, Block { first: last + 1, ..block });
        let fields = json!({"certificate": block.serial(), "into": [one.serial(), other.serial()]});
        let answer = self.app().say(&self.holder_of(block), "certificate_split", &fields);
        // What fails may be cut away.
        let refusal = self.holders_refusal(block).filter(|code| *code != "units_failing");
        if self.expect("split", &answer, refusal) {
            self.model.cut(block, one);
        }
    }

    pub fn transfer(&mut self, place: usize, to: usize) {
        let Some(block) = self.block(place) else { return };
        let (from, to) = (self.holder_of(block), to % 3);
        let fields = json!({"certificate": block.serial(), "to": self.parties[to].id});
        let answer = self.app().say(&from, "certificate_transferred", &fields);
        let same = self.model.first_of(block).holder == Some(to);
        let refusal = self.holders_refusal(block).or(same.then_some("wrong_receiver"));
        if self.expect("transferred", &answer, refusal) {
            self.model.change(block, |unit| unit.holder = Some(to));
        }
    }

    pub fn end(&mut self, place: usize, retire: bool) {
        let Some(block) = self.block(place) else { return };
        let holder = self.holder_of(block);
        let answer = if retire {
            let (statement, open) = changed_retirement(&holder, &block.serial(), &json!({}));
            self.app().post_json("/v1/events", &holder.token, &json!({"statement": statement, "open": open}))
        } else {
            self.app().say(&holder, "certificate_cancelled", &json!({"certificate": block.serial()}))
        };
        let (what, status) = if retire { ("retired", Status::Retired) } else { ("cancelled", Status::Cancelled) };
        let refusal = self.holders_refusal(block);
        if self.expect(what, &answer, refusal) {
            self.model.change(block, |unit| unit.status = status);
        }
    }
}
