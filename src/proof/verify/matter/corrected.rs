//! Corrections before an issue: one that replaces figures of a statement is followed, any other keeps everything behind it from
//! being taken for valid.

use crate::domain::codes::Role;
use crate::domain::event::{Corrected, Event, Statement};
use crate::domain::fields::Value;
use crate::domain::ids::{BatchId, EntryIndex, HandoverId, ItemId};
use crate::domain::time::OccurredAt;
use crate::proof::verify::matter::Matter;
use crate::proof::verify::matter::flaw::{Flaw, What, is_independent};
use crate::proof::verify::shown::{Shown, ShownStatement};
use std::collections::{BTreeMap, BTreeSet};

/// A correction that nobody's last word is against.
struct Correction<'a> {
    said: &'a ShownStatement,
    event: &'a Corrected,
    /// Since when an auditor's last word on it is that it is right, if that is shown.
    confirmed: Option<OccurredAt>,
}

/// The corrections before an issue, by what they correct, oldest first.
pub(super) struct Corrections<'a>(BTreeMap<EntryIndex, Vec<Correction<'a>>>);

impl<'a> Corrections<'a> {
    /// Gathers them. One whose target is not shown may concern anything, so nothing can be said.
    pub(super) fn before(shown: &'a Shown, until: EntryIndex) -> Result<Self, String> {
        let mut words: BTreeMap<EntryIndex, &ShownStatement> = BTreeMap::new();
        for said in shown.before(until) {
            match &said.statement.event {
                Event::CorrectionDisputed(event) => _ = words.insert(event.correction, said),
                Event::CorrectionConfirmed(event) => _ = words.insert(event.correction, said),
                _ => {}
            }
        }
        let mut found: BTreeMap<EntryIndex, Vec<Correction<'_>>> = BTreeMap::new();
        for said in shown.before(until) {
            let Event::Corrected(event) = &said.statement.event else { continue };
            let word = words.get(&said.index).copied();
            if word.is_some_and(|word| matches!(word.statement.event, Event::CorrectionDisputed(_))) {
                continue;
            }
            if shown.statement(event.entry).is_none_or(|target| target.index >= said.index) {
                return Err(format!("entry {} corrects entry {}, which is not shown", said.index, event.entry));
            }
            let is_auditors = |word: &&ShownStatement| {
                word.index > said.index
                    && shown.has_role(&word.statement.common.org, &[Role::Auditor])
                    && is_independent(shown, word, said.party())
                    && !shown.is_compromised(&word.signer, word.index, until)
            };
            let confirmed = word.filter(is_auditors).map(|word| word.statement.common.occurred_at.clone());
            found.entry(event.entry).or_default().push(Correction { said, event, confirmed });
        }
        Ok(Self(found))
    }
}

impl Matter<'_> {
    /// What is said takes effect, as it was corrected.
    pub(super) fn take_corrected(
        &mut self,
        said: &ShownStatement,
        corrections: &Corrections<'_>,
    ) -> Result<(), String> {
        let of_it = corrections.0.get(&said.index).map_or(&[][..], Vec::as_slice);
        let Some(last) = of_it.last() else { return self.take(said) };
        let right = last.event.in_place_of(&said.statement.common);
        let right = right.filter(|right| last.said.party() == said.party() && has_other_figures_only(said, right));
        if let (Some(right), Some(confirmed)) = (right, &last.confirmed) {
            let (index, time, signer) = (said.index, said.time, last.said.signer);
            self.take(&ShownStatement { index, time, signer, statement: right, links: said.links.clone() })?;
            self.mark_named(&said.statement, &Mark::Followed(said.index, confirmed.clone()));
            return Ok(());
        }
        self.take(said)?;
        let flaw = said.flaw(What::Corrected);
        let rights = of_it.iter().filter_map(|correction| correction.event.in_place_of(&said.statement.common));
        for statement in [said.statement.clone()].into_iter().chain(rights) {
            if !self.mark_named(&statement, &Mark::Flaw(flaw)) {
                return Err(format!("entry {} corrects it, which {}", last.said.index, What::Corrected.words()));
            }
        }
        if let Some(lot) = self.treated.get_mut(&said.index) {
            lot.flaws.insert(flaw);
        }
        Ok(())
    }

    /// Marks every item and batch that a statement names; gives whether there is one.
    fn mark_named(&mut self, statement: &Statement, mark: &Mark) -> bool {
        let mut members = Vec::new();
        statement.event.put_into(&mut members);
        let mut texts = BTreeSet::new();
        gather(&Value::Object(members), &mut texts);
        let mut items: BTreeSet<ItemId> = texts.iter().filter_map(|text| ItemId::parse(text)).collect();
        for offer in texts.iter().filter_map(|text| self.shown.offer(&HandoverId::parse(text)?)) {
            items.extend(offer.lots.iter().chain(&offer.items));
        }
        let mut is_any = false;
        for id in items {
            if let Some(lot) = self.items.get_mut(&id) {
                let followed = mark.put(&mut lot.flaws, &mut lot.latest);
                lot.followed = followed.or(lot.followed);
                is_any = true;
            }
        }
        for id in texts.iter().filter_map(|text| BatchId::parse(text)) {
            if let Some(batch) = self.batches.get_mut(&id) {
                mark.put(&mut batch.flaws, &mut batch.latest);
                is_any = true;
            }
        }
        is_any
    }
}

/// What a correction leaves on things.
enum Mark {
    /// It is not followed.
    Flaw(Flaw),
    /// That of an entry is, since then.
    Followed(EntryIndex, OccurredAt),
}

impl Mark {
    /// Gives the entry whose correction is followed.
    fn put(&self, flaws: &mut BTreeSet<Flaw>, latest: &mut OccurredAt) -> Option<EntryIndex> {
        match self {
            Self::Flaw(flaw) => {
                flaws.insert(*flaw);
                None
            }
            Self::Followed(entry, since) => {
                *latest = latest.clone().later(since);
                Some(*entry)
            }
        }
    }
}

/// Whether a correction replaces nothing but the mass of a lot: then what follows from that, follows.
fn has_other_figures_only(said: &ShownStatement, right: &Statement) -> bool {
    let (was, is) = (&said.statement.common, &right.common);
    let is_there = was.site == is.site && was.occurred_at == is.occurred_at;
    let is_same = match (&said.statement.event, &right.event) {
        (Event::Received(was), Event::Received(is)) => {
            let mut is = is.clone();
            is.weight.clone_from(&was.weight);
            *was == is
        }
        (Event::Collected(was), Event::Collected(is)) => {
            let mut is = is.clone();
            is.weight.clone_from(&was.weight);
            *was == is
        }
        (Event::Reweighed(was), Event::Reweighed(is)) => was.item == is.item,
        (Event::Dismantled(was), Event::Dismantled(is)) => {
            let mut is = is.clone();
            is.weight.clone_from(&was.weight);
            *was == is
        }
        _ => false,
    };
    is_there && is_same
}

fn gather(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(_, value)| gather(value, texts)),
        Value::List(elements) => elements.iter().for_each(|element| gather(element, texts)),
        Value::Text(text) => _ = texts.insert(text.clone()),
        Value::Integer(_) | Value::Bool(_) => {}
    }
}
