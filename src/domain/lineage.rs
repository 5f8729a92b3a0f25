//! Lineage: what an event makes out of what. One function says it, for paths, bundles and whoever verifies.

use crate::domain::event::{Event, ReceivedLot};
use crate::domain::ids::{BatchId, ItemId};

/// Something that grams are in: an item or a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// An item.
    Item(ItemId),
    /// A batch.
    Batch(BatchId),
}

impl Node {
    /// The item, if it is one.
    pub fn item(self) -> Option<ItemId> {
        if let Self::Item(item) = self { Some(item) } else { None }
    }

    /// The batch, if it is one.
    pub fn batch(self) -> Option<BatchId> {
        if let Self::Batch(batch) = self { Some(batch) } else { None }
    }
}

/// What an event turns into what: every output comes out of every input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// What goes in.
    pub inputs: Vec<Node>,
    /// What comes out.
    pub outputs: Vec<Node>,
}

/// The links of an event. A handover names its lots in the offer alone, so whoever asks about an acceptance brings the
/// offered lots; without them a refused part has no known origin.
pub fn links(event: &Event, offered_lots: &[ItemId]) -> Vec<Link> {
    let items = |ids: &[ItemId]| ids.iter().copied().map(Node::Item).collect::<Vec<_>>();
    match event {
        Event::Merged(event) => vec![Link { inputs: items(&event.inputs), outputs: vec![Node::Item(event.lot)] }],
        Event::Split(event) => {
            let outputs = event.parts.iter().map(|part| Node::Item(part.lot)).collect();
            vec![Link { inputs: vec![Node::Item(event.lot)], outputs }]
        }
        Event::BatchFed(event) => vec![Link { inputs: items(&event.items), outputs: vec![Node::Batch(event.batch)] }],
        Event::Dismantled(event) => {
            vec![Link { inputs: vec![Node::Batch(event.batch)], outputs: vec![Node::Item(event.lot)] }]
        }
        Event::BatchClosed(event) => {
            let outputs = event.remaining.iter().flatten().map(|stock| Node::Item(stock.lot)).collect();
            vec![Link { inputs: vec![Node::Batch(event.batch)], outputs }]
        }
        Event::TreatedInterim(event) => {
            let outputs = event.outputs.iter().map(|output| Node::Item(output.lot)).collect();
            vec![Link { inputs: items(&event.inputs), outputs }]
        }
        Event::PartRemoved(event) => vec![one_to_one(event.item, event.component)],
        Event::PartInstalled(event) => vec![one_to_one(event.component, event.item)],
        Event::HandoverAccepted(event) => refused_parts(event.lots.as_deref().unwrap_or_default(), offered_lots),
        Event::ImportReceived(event) => refused_parts(event.lots.as_deref().unwrap_or_default(), offered_lots),
        _ => Vec::new(),
    }
}

fn one_to_one(from: ItemId, to: ItemId) -> Link {
    Link { inputs: vec![Node::Item(from)], outputs: vec![Node::Item(to)] }
}

/// A part that a receiver refuses has a new id.
fn refused_parts(answers: &[ReceivedLot], offered_lots: &[ItemId]) -> Vec<Link> {
    let parts = answers.iter().zip(offered_lots).filter_map(|(answer, lot)| Some((answer.refused_as?, *lot)));
    parts.map(|(part, lot)| one_to_one(lot, part)).collect()
}

impl Link {
    /// What a node came from by this link.
    pub fn up(&self, node: Node) -> &[Node] {
        if self.outputs.contains(&node) { &self.inputs } else { &[] }
    }

    /// What a node became by this link.
    pub fn down(&self, node: Node) -> &[Node] {
        if self.inputs.contains(&node) { &self.outputs } else { &[] }
    }
}
