//! Corrections before an issue. One that makes figures of a lot otherwise is followed where an auditor decided for it, or its author
//! alone could make it: what is right takes effect in place of what was said first. Any other keeps everything behind it from being
//! taken for valid, for whoever runs a ledger could issue on what the rules hold.

use crate::domain::codes::Role;
use crate::domain::correction::ALONE_MS;
use crate::domain::event::{Corrected, Event, Statement};
use crate::domain::fields::Value;
use crate::domain::ids::{BatchId, EntryIndex, HandoverId, ItemId};
use crate::domain::lineage::Node;
use crate::domain::time::OccurredAt;
use crate::proof::verify::matter::Matter;
use crate::proof::verify::matter::flaw::{What, is_independent};
use crate::proof::verify::shown::{Shown, ShownStatement};
use std::collections::{BTreeMap, BTreeSet};

/// A correction that was neither taken back nor decided against.
struct Correction<'a> {
    said: &'a ShownStatement,
    event: &'a Corrected,
    word: Word,
}

/// What others said of a correction, as far as shown.
enum Word {
    /// Nothing.
    None,
    /// An independent auditor decided for it, by this entry and then.
    Decided(EntryIndex, OccurredAt),
    /// Something, and no auditor has decided.
    Open,
}

/// The corrections before an issue, by what they correct, oldest first.
pub(super) struct Corrections<'a>(BTreeMap<EntryIndex, Vec<Correction<'a>>>);

/// Since when a correction counts.
struct Counting {
    /// The entry by which it did.
    by: EntryIndex,
    /// When that was said.
    since: OccurredAt,
    /// What nobody can tell of that from here.
    untold: Option<String>,
}

impl<'a> Corrections<'a> {
    /// Gathers them. One whose target is not shown may concern anything, so nothing can be said.
    pub(super) fn before(shown: &'a Shown, until: EntryIndex) -> Result<Self, String> {
        let mut words: BTreeMap<EntryIndex, Vec<&ShownStatement>> = BTreeMap::new();
        for said in shown.before(until) {
            match &said.statement.event {
                Event::CorrectionDisputed(event) => words.entry(event.correction).or_default().push(said),
                Event::CorrectionConfirmed(event) => words.entry(event.correction).or_default().push(said),
                _ => {}
            }
        }
        let mut found: BTreeMap<EntryIndex, Vec<Correction<'_>>> = BTreeMap::new();
        for said in shown.before(until) {
            let Event::Corrected(event) = &said.statement.event else { continue };
            let words = words.remove(&said.index).unwrap_or_default();
            let Some(word) = last_word(shown, until, said, &words) else { continue };
            if shown.statement(event.entry).is_none_or(|target| target.index >= said.index) {
                return Err(format!("entry {} corrects entry {}, which is not shown", said.index, event.entry));
            }
            found.entry(event.entry).or_default().push(Correction { said, event, word });
        }
        Ok(Self(found))
    }
}

/// What it came to; nothing, if its author took it back or an auditor decided against it.
fn last_word(shown: &Shown, until: EntryIndex, said: &ShownStatement, words: &[&ShownStatement]) -> Option<Word> {
    let mut last = Word::None;
    for word in words.iter().filter(|word| word.index > said.index) {
        let is_auditors = shown.has_role(&word.party(), &[Role::Auditor]);
        let counts =
            is_independent(shown, word, said.party()) && !shown.is_compromised(&word.signer, word.index, until);
        let at = word.statement.common.occurred_at.clone();
        last = match &word.statement.event {
            Event::CorrectionDisputed(_) if is_auditors || word.party() == said.party() => return None,
            Event::CorrectionConfirmed(_) if is_auditors && counts => Word::Decided(word.index, at),
            _ => Word::Open,
        };
    }
    Some(last)
}

impl Matter<'_> {
    /// What is said takes effect, as it was corrected.
    pub(super) fn take_corrected(
        &mut self,
        said: &ShownStatement,
        corrections: &Corrections<'_>,
    ) -> Result<(), String> {
        let of_it = corrections.0.get(&said.index).map_or(&[][..], Vec::as_slice);
        let Some(last) = of_it.last().filter(|_| bears_on_grams(&said.statement.event)) else { return self.take(said) };
        let right = last.event.in_place_of(&said.statement.common);
        let right = right.filter(|right| last.said.party() == said.party() && has_other_figures_only(said, right));
        match right.and_then(|right| Some((self.counting(said, of_it)?, right))) {
            Some((counting, right)) => self.follow(said, last.said, right, counting),
            None => self.hold(said, of_it),
        }
    }

    /// What is right takes effect. What was cleared or reviewed of the first statement says nothing of the right one.
    fn follow(
        &mut self,
        said: &ShownStatement,
        correction: &ShownStatement,
        statement: Statement,
        counting: Counting,
    ) -> Result<(), String> {
        let (index, time, signer) = (said.index, said.time, correction.signer);
        self.untold.extend(counting.untold);
        self.cures.forget_before(index, counting.by);
        self.take(&ShownStatement { index, time, signer, statement, links: said.links.clone() })?;
        let named = self.named_by(&said.statement);
        let stolen = self.shown.is_compromised(&signer, correction.index, self.until);
        let flaw = stolen.then(|| correction.flaw(What::Compromised));
        for id in &named.items {
            let Some(lot) = self.items.get_mut(id) else { continue };
            lot.flaws.extend(flaw);
            lot.otherwise = Some(counting.since.clone());
        }
        for id in &named.batches {
            let Some(batch) = self.batches.get_mut(id) else { continue };
            batch.flaws.extend(flaw);
            batch.latest = batch.latest.clone().later(&counting.since);
        }
        Ok(())
    }

    /// It may count or not: what it is about, by either statement, backs nothing.
    fn hold(&mut self, said: &ShownStatement, of_it: &[Correction<'_>]) -> Result<(), String> {
        self.take(said)?;
        let flaw = said.flaw(What::Corrected);
        let rights = of_it.iter().filter_map(|correction| correction.event.in_place_of(&said.statement.common));
        for statement in [said.statement.clone()].into_iter().chain(rights) {
            let named = self.named_by(&statement);
            let items = named.items.iter().filter(|id| self.items.contains_key(id)).count();
            let batches = named.batches.iter().filter(|id| self.batches.contains_key(id)).count();
            if items + batches == 0 {
                return Err(format!("entry {}: {}", said.index, What::Corrected.words()));
            }
            for id in &named.items {
                self.items.entry(*id).and_modify(|lot| _ = lot.flaws.insert(flaw));
            }
            for id in &named.batches {
                self.batches.entry(*id).and_modify(|batch| _ = batch.flaws.insert(flaw));
            }
        }
        if let Some(lot) = self.treated.get_mut(&said.index) {
            lot.flaws.insert(flaw);
        }
        Ok(())
    }

    /// Whether the last correction of an entry counts, as far as that is shown: an auditor decided for it, or it is the only one
    /// and such that its author makes it alone.
    fn counting(&self, said: &ShownStatement, of_it: &[Correction<'_>]) -> Option<Counting> {
        let Correction { said: correction, word, .. } = of_it.last()?;
        match word {
            Word::Decided(by, at) => Some(Counting { by: *by, since: at.clone(), untold: None }),
            Word::None if of_it.len() == 1 && self.is_alone(said, correction) => {
                let (index, by) = (said.index, correction.index);
                let untold =
                    format!("that the correction of entry {index} by entry {by} concerned nobody but its author");
                let since = correction.statement.common.occurred_at.clone();
                Some(Counting { by, since, untold: Some(untold) })
            }
            Word::None | Word::Open => None,
        }
    }

    /// Whether an author may make a correction alone: within 72 hours, and of what nobody is shown to have accepted or treated.
    fn is_alone(&self, said: &ShownStatement, correction: &ShownStatement) -> bool {
        let is_recent = correction.time.ms() - said.time.ms() <= ALONE_MS;
        is_recent && !self.is_relied_on(said, correction.index)
    }

    /// Whether somebody accepted what a statement is about, or treated what came of it, before an entry.
    fn is_relied_on(&self, said: &ShownStatement, until: EntryIndex) -> bool {
        let items = self.named_by(&said.statement).items.into_iter().map(Node::Item);
        // What left a batch weighs what it weighs, whatever went in; that it was treated counts all the same.
        let (mut carried, mut behind): (BTreeSet<Node>, BTreeSet<Node>) = (items.collect(), BTreeSet::new());
        for later in self.shown.before(until).filter(|later| later.index > said.index) {
            let accepted = match &later.statement.event {
                Event::HandoverAccepted(event) => self.shown.offer(&event.handover),
                Event::ImportReceived(event) => self.shown.offer(&event.handover),
                Event::TreatedFinal(event)
                    if carried.contains(&Node::Item(event.item)) || behind.contains(&Node::Item(event.item)) =>
                {
                    return true;
                }
                _ => None,
            };
            let is_carried = |id: &ItemId| carried.contains(&Node::Item(*id));
            if accepted.is_some_and(|offer| offer.lots.iter().chain(&offer.items).any(is_carried)) {
                return true;
            }
            for link in &later.links {
                let (from_batch, into_batch) = (
                    link.inputs.iter().any(|node| node.batch().is_some()),
                    link.outputs.iter().any(|node| node.batch().is_some()),
                );
                if link.inputs.iter().any(|node| carried.contains(node)) && !into_batch && !from_batch {
                    carried.extend(link.outputs.iter().copied());
                } else if link.inputs.iter().any(|node| carried.contains(node) || behind.contains(node)) {
                    behind.extend(link.outputs.iter().copied());
                }
            }
        }
        false
    }

    /// Every item and batch that a statement names.
    fn named_by(&self, statement: &Statement) -> Named {
        let mut members = Vec::new();
        statement.event.put_into(&mut members);
        let mut texts = BTreeSet::new();
        gather(&Value::Object(members), &mut texts);
        let mut items: BTreeSet<ItemId> = texts.iter().filter_map(|text| ItemId::parse(text)).collect();
        for offer in texts.iter().filter_map(|text| self.shown.offer(&HandoverId::parse(text)?)) {
            items.extend(offer.lots.iter().chain(&offer.items));
        }
        Named { items, batches: texts.iter().filter_map(|text| BatchId::parse(text)).collect() }
    }
}

/// What a statement names, each text by whatever it may be the id of.
struct Named {
    items: BTreeSet<ItemId>,
    batches: BTreeSet<BatchId>,
}

/// Whether a statement is looked at here at all: a test or a leg of a transport moves no grams.
const fn bears_on_grams(event: &Event) -> bool {
    matches!(
        event,
        Event::Registered(_)
            | Event::Collected(_)
            | Event::Received(_)
            | Event::Retired(_)
            | Event::Reweighed(_)
            | Event::Merged(_)
            | Event::Split(_)
            | Event::HandoverOffered(_)
            | Event::HandoverAccepted(_)
            | Event::HandoverWithdrawn(_)
            | Event::HandoverRefused(_)
            | Event::ExportConsented(_)
            | Event::ExportShipped(_)
            | Event::ImportReceived(_)
            | Event::BatchOpened(_)
            | Event::BatchFed(_)
            | Event::Dismantled(_)
            | Event::BatchClosed(_)
            | Event::TreatedInterim(_)
            | Event::TreatedFinal(_)
            | Event::PartRemoved(_)
            | Event::PartInstalled(_)
            | Event::Released(_)
            | Event::Lost(_)
            | Event::Found(_)
    )
}

/// Whether a correction makes nothing otherwise but figures of a lot and what was declared of them: neither place nor day, nor
/// anything by which it could have been allowed or confirmed.
fn has_other_figures_only(said: &ShownStatement, right: &Statement) -> bool {
    let figures: &[&str] = match (&said.statement.event, &right.event) {
        (Event::Received(_), Event::Received(_)) | (Event::Collected(_), Event::Collected(_)) => {
            &["weight", "pieces", "missing", "provenance", "number", "document", "supplier"]
        }
        (Event::Retired(_), Event::Retired(_)) => &["pieces", "missing", "counted_elsewhere"],
        (Event::Reweighed(_), Event::Reweighed(_)) => &["weight", "reason", "document"],
        (Event::Dismantled(_), Event::Dismantled(_)) => &["weight"],
        (Event::BatchClosed(_), Event::BatchClosed(_)) => &["counted_elsewhere"],
        _ => return false,
    };
    let others = |statement: &Statement| {
        let mut members = Vec::new();
        statement.event.put_into(&mut members);
        members.retain(|(name, _)| !figures.contains(&name.as_str()));
        members
    };
    let (was, is) = (&said.statement.common, &right.common);
    was.site == is.site && was.occurred_at == is.occurred_at && others(&said.statement) == others(right)
}

fn gather(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(_, value)| gather(value, texts)),
        Value::List(elements) => elements.iter().for_each(|element| gather(element, texts)),
        Value::Text(text) => _ = texts.insert(text.clone()),
        Value::Integer(_) | Value::Bool(_) => {}
    }
}
