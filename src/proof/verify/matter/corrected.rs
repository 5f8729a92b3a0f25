//! Corrections before an issue. One that counts is followed as on the ledger: what is right takes effect in place of what was said
//! first. One that nobody whom it concerns is shown to have agreed to keeps everything behind it from being taken for valid.

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
    /// Somebody whom it concerns agreed last, then.
    Agreed(OccurredAt),
    /// An independent auditor decided for it, then.
    Decided(OccurredAt),
    /// Somebody contradicts, and no auditor has decided.
    Contradicted,
}

/// The corrections before an issue, by what they correct, oldest first.
pub(super) struct Corrections<'a>(BTreeMap<EntryIndex, Vec<Correction<'a>>>);

/// Since when a correction counts.
struct Counting {
    /// When it was decided, if it makes anything otherwise that decides what grams back.
    since: Option<OccurredAt>,
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
            Event::CorrectionDisputed(_) => Word::Contradicted,
            _ if !counts => last,
            _ if is_auditors => Word::Decided(at),
            _ if matches!(last, Word::Contradicted) => last,
            _ => Word::Agreed(at),
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
        match self.counting(said, last, right.as_ref()) {
            Some(counting) => self.follow(said, last, right, counting),
            None => self.hold(said, of_it),
        }
    }

    /// What is right takes effect; what did not occur takes none. What was cleared or reviewed of the first statement says
    /// nothing of the right one.
    fn follow(
        &mut self,
        said: &ShownStatement,
        last: &Correction<'_>,
        right: Option<Statement>,
        counting: Counting,
    ) -> Result<(), String> {
        let (index, time, signer) = (said.index, said.time, last.said.signer);
        self.untold.extend(counting.untold);
        self.cures.forget_before(index, last.said.index);
        if let Some(statement) = right {
            self.take(&ShownStatement { index, time, signer, statement, links: said.links.clone() })?;
        }
        let named = self.named_by(&said.statement);
        let stolen = self.shown.is_compromised(&signer, last.said.index, self.until);
        let flaw = stolen.then(|| last.said.flaw(What::Compromised));
        for id in &named.items {
            let Some(lot) = self.items.get_mut(id) else { continue };
            lot.flaws.extend(flaw);
            lot.otherwise = counting.since.clone().or(lot.otherwise.take());
        }
        for id in &named.batches {
            let Some(batch) = self.batches.get_mut(id) else { continue };
            batch.flaws.extend(flaw);
            if let Some(since) = &counting.since {
                batch.latest = batch.latest.clone().later(since);
            }
        }
        if let (Some(lot), Some(since)) = (self.treated.get_mut(&index), &counting.since) {
            lot.latest = lot.latest.clone().later(since);
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

    /// Whether a correction counts, as far as that is shown: an auditor decided, somebody whom it concerns agreed, it changes
    /// nothing that grams rest on, or it is one that an author makes alone.
    fn counting(&self, said: &ShownStatement, last: &Correction<'_>, right: Option<&Statement>) -> Option<Counting> {
        let of = format!("the correction of entry {} by entry {}", said.index, last.said.index);
        if registers_offer(&said.statement.event) {
            let untold = Some(format!("{of}, which this version of the verifier does not follow"));
            return Some(Counting { since: None, untold });
        }
        match &last.word {
            Word::Decided(at) => Some(Counting { since: Some(at.clone()), untold: None }),
            Word::Agreed(at) => {
                let untold = Some(format!("that everybody whom {of} concerns has agreed to it"));
                Some(Counting { since: Some(at.clone()), untold })
            }
            Word::None if right.is_some_and(|right| is_immaterial(&said.statement, right)) => {
                Some(Counting { since: None, untold: None })
            }
            Word::None if self.is_alone(said, last.said) => {
                let since = Some(last.said.statement.common.occurred_at.clone());
                Some(Counting { since, untold: Some(format!("that {of} concerned nobody but its author")) })
            }
            Word::None | Word::Contradicted => None,
        }
    }

    /// Whether an author may make a correction alone: within 72 hours, and of what nobody is shown to have accepted or treated.
    fn is_alone(&self, said: &ShownStatement, correction: &ShownStatement) -> bool {
        let concerns_others = matches!(
            said.statement.event,
            Event::TreatedFinal(_) | Event::HandoverAccepted(_) | Event::HandoverRefused(_) | Event::ImportReceived(_)
        );
        let is_recent = correction.time.ms() - said.time.ms() <= ALONE_MS;
        is_recent && !concerns_others && !self.is_relied_on(said, correction.index)
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

/// Whether what others answer to is read off a statement before corrections are.
const fn registers_offer(event: &Event) -> bool {
    matches!(event, Event::HandoverOffered(_) | Event::ExportShipped(_) | Event::ExportConsented(_))
}

/// Whether a correction changes nothing that grams rest on: a number, a paper, whose word it was.
fn is_immaterial(was: &Statement, is: &Statement) -> bool {
    const IMMATERIAL: &[&str] = &["number", "document", "supplier", "reason"];
    let members = |statement: &Statement| {
        let mut members = Vec::new();
        statement.event.put_into(&mut members);
        members.retain(|(name, _)| !IMMATERIAL.contains(&name.as_str()));
        members
    };
    let treats = matches!(was.event, Event::TreatedFinal(_));
    let is_then = was.common.occurred_at == is.common.occurred_at || !treats;
    is_then && was.common.site == is.common.site && members(was) == members(is)
}

fn gather(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(_, value)| gather(value, texts)),
        Value::List(elements) => elements.iter().for_each(|element| gather(element, texts)),
        Value::Text(text) => _ = texts.insert(text.clone()),
        Value::Integer(_) | Value::Bool(_) => {}
    }
}
