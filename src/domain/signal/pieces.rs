//! What pieces weigh: clay in phones that are sold by weight, and bricks in computers.

use crate::domain::apply::{Context, rules_in_force};
use crate::domain::codes::ItemKind;
use crate::domain::event::Count;
use crate::domain::item::Item;
use crate::domain::mass::{Grams, WeightBasis};
use crate::domain::refusal::Warning;
use crate::domain::rule_set::{RuleSet, part_of};
use crate::domain::signal::{Figures, SignalCode, Taking, raise};
use crate::domain::state::{RecordId, RecordKind, State, Stop};

/// What so many pieces of a class weigh at least and at most, in grams, where the rule set says so.
fn band_g(rules: &RuleSet, item: &Item) -> Option<(Grams, Grams)> {
    let (signals, pieces) = (rules.signals.as_ref()?, item.pieces?);
    let mean = rules.class(item.class.as_str())?.mean_g?;
    let of_all = mean.checked_mul(pieces.get())?;
    let share = |ppm| Grams::new(part_of(of_all, ppm));
    share(signals.piece_min_ppm).zip(share(signals.piece_max_ppm))
}

/// The band that the weighed pieces of a lot lie outside of, if they do; on its edge they do not.
fn outside(rules: &RuleSet, item: &Item) -> Option<(Grams, Grams)> {
    let is_weighed = item.kind == ItemKind::Lot && item.basis == WeightBasis::Weighed;
    band_g(rules, item).filter(|(least, most)| is_weighed && !(*least..=*most).contains(&item.grams))
}

/// The signal of a lot that comes in with a count.
pub(crate) fn of_count(state: &mut State<'_>, context: &Context<'_>, item: &Item) -> Result<Option<Warning>, Stop> {
    of_lot(state, context, item, "/pieces")
}

fn of_lot(state: &mut State<'_>, context: &Context<'_>, item: &Item, pointer: &str) -> Result<Option<Warning>, Stop> {
    let Some((least, most)) = outside(rules_in_force(state)?, item) else { return Ok(None) };
    let figures = Figures {
        site: item.site,
        found_g: Some(item.grams.get()),
        least_g: Some(least),
        most_g: Some(most),
        pieces: item.pieces,
        ..Figures::default()
    };
    let about = RecordId::new(RecordKind::Item, &item.id);
    Ok(raise(state, context, SignalCode::MassPerPieceImplausible, &about, figures, pointer))
}

/// The signal of a lot that is weighed again: once its pieces are implausible, further weighings say nothing new.
pub(super) fn of_weighing(
    state: &mut State<'_>,
    context: &Context<'_>,
    taking: &Taking<'_>,
) -> Result<Option<Warning>, Stop> {
    of_lots(state, context, taking.before, taking.after, taking.pointer)
}

/// The same for the lot before and after a weighing.
pub(crate) fn of_lots(
    state: &mut State<'_>,
    context: &Context<'_>,
    before: &Item,
    after: &Item,
    pointer: &str,
) -> Result<Option<Warning>, Stop> {
    let was_so = outside(rules_in_force(state)?, before).is_some();
    if was_so { Ok(None) } else { of_lot(state, context, after, pointer) }
}

/// How many pieces the inputs of a merger are together, where the rule set asks and all of them are counted.
pub(crate) fn of_all(rules: &RuleSet, inputs: &[Item]) -> Option<Count> {
    rules.signals.as_ref()?;
    let count = |item: &Item| match item.kind {
        ItemKind::Lot => item.pieces.map(Count::get),
        _ => Some(1),
    };
    inputs.iter().map(count).sum::<Option<i64>>().and_then(Count::new)
}
