//! Lineage: what an event makes out of what. One function says it, for paths, bundles and whoever verifies.

use crate::domain::event::Event;
use crate::domain::ids::{BatchId, ItemId};

/// Something that grams are in: an item or a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// An item.
    Item(ItemId),
    /// A batch.
    Batch(BatchId),
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
        Event::HandoverAccepted(event) => {
            let answers = event.lots.iter().flatten().zip(offered_lots);
            let refused = answers.filter_map(|(answer, lot)| Some((answer.refused_as?, *lot)));
            refused.map(|(part, lot)| Link { inputs: vec![Node::Item(lot)], outputs: vec![Node::Item(part)] }).collect()
        }
        _ => Vec::new(),
    }
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
