//! What lots and batches become: followed once, asked many times.

use crate::domain::batch::{Batch, BatchStatus};
use crate::domain::codes::Country;
use crate::domain::ids::{BatchId, DonationId, EntryIndex, ItemId, SiteId};
use crate::domain::item::Item;
use crate::domain::lineage::Node;
use crate::domain::mass::Grams;
use crate::domain::registry::Site;
use crate::domain::state::Record;
use crate::domain::whereabouts::{Place, Whereabouts, grams_in_batch, grams_in_item, lagging};
use crate::ledger::lookup::links_of;
use crate::limits::{DONATION_NODES_MAX, LINEAGE_NODES_MAX};
use crate::store::{Database, StoreError, records};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A lot or a batch as it is now, and what came out of it.
#[derive(Debug)]
struct Station {
    stand: Stand,
    next: BTreeSet<Node>,
}

/// What a node is.
#[derive(Debug)]
enum Stand {
    Item(Box<Item>),
    Batch(Box<Batch>),
}

/// What a lot or a batch has reached, itself included, nearest first.
#[derive(Debug, Clone, Default)]
pub struct Reached {
    /// Lots.
    pub lots: Vec<ItemId>,
    /// Batches.
    pub batches: Vec<BatchId>,
    /// Entries of interim treatments.
    pub interim: Vec<EntryIndex>,
    /// Entries of final treatments.
    pub treatments: Vec<EntryIndex>,
    /// Whether that is all; a lineage is followed to a bound.
    pub complete: bool,
}

/// Lots and batches and all that they became.
#[derive(Debug, Default)]
pub(crate) struct Downstream {
    stations: BTreeMap<Node, Station>,
    countries: BTreeMap<SiteId, Country>,
    lasts: BTreeMap<Node, Option<Place>>,
    /// Whether it was followed to its ends.
    pub(crate) complete: bool,
}

impl Downstream {
    /// Follows some lots and batches to their ends.
    pub(crate) fn follow(database: &mut Database, starts: impl IntoIterator<Item = Node>) -> Result<Self, StoreError> {
        let mut found = Self { complete: true, ..Self::default() };
        let mut wave: BTreeSet<Node> = starts.into_iter().collect();
        while !wave.is_empty() && found.complete {
            wave = found.advance(database, &wave)?;
        }
        let sites = found.batches().map(|batch| batch.site).collect();
        found.countries = site_countries(database, &sites)?;
        found.find_lasts();
        Ok(found)
    }

    /// Reads the nodes of a wave; gives those that they became and that were not read yet.
    fn advance(&mut self, database: &mut Database, wave: &BTreeSet<Node>) -> Result<BTreeSet<Node>, StoreError> {
        let ids: Vec<String> = wave.iter().map(|node| id_of(*node)).collect();
        for record in records::load(database, &ids)? {
            let (node, stand) = match record {
                Record::Item(item) => (Node::Item(item.id), Stand::Item(Box::new(item))),
                Record::Batch(batch) => (Node::Batch(batch.id), Stand::Batch(Box::new(batch))),
                _ => continue,
            };
            if !wave.contains(&node) {
                continue;
            }
            if self.stations.len() == DONATION_NODES_MAX {
                self.complete = false;
                break;
            }
            let next = links_of(database, None, node)?.iter().flat_map(|link| link.down(node).to_vec()).collect();
            self.stations.insert(node, Station { stand, next });
        }
        let reached = wave.iter().filter_map(|node| self.stations.get(node)).flat_map(|station| station.next.iter());
        Ok(reached.filter(|node| !self.stations.contains_key(node)).copied().collect())
    }

    fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.stations.values().filter_map(|station| match &station.stand {
            Stand::Batch(batch) => Some(&**batch),
            Stand::Item(_) => None,
        })
    }

    /// For each node where the last of it is: after all that it became, without recursion, for lineages are long.
    fn find_lasts(&mut self) {
        let mut entered = BTreeSet::new();
        for start in self.stations.keys() {
            let mut path = vec![*start];
            while let Some(node) = path.last().copied() {
                let next = self.stations.get(&node).map(|station| &station.next);
                let unknown = || next.into_iter().flatten().filter(|node| !self.lasts.contains_key(node)).copied();
                if entered.insert(node) && unknown().next().is_some() {
                    path.extend(unknown());
                    continue;
                }
                path.pop();
                let of_next = next.into_iter().flatten().filter_map(|node| self.lasts.get(node).cloned().flatten());
                let last = self.own_place(node).into_iter().chain(of_next).reduce(lagging);
                self.lasts.insert(node, last);
            }
        }
    }

    /// Where a node itself is, if something of it is still in it or ended with it.
    fn own_place(&self, node: Node) -> Option<Place> {
        match &self.stations.get(&node)?.stand {
            Stand::Item(item) => Whereabouts::of_item(item).map(|place| (place, item.lies_in.clone())),
            Stand::Batch(batch) if batch.status == BatchStatus::Open => {
                Some((Whereabouts::InBatch, self.countries.get(&batch.site).cloned()))
            }
            Stand::Batch(_) => None,
        }
    }

    /// Where the last of a node is: of all that it became, what lags furthest behind.
    pub(crate) fn last_place(&self, node: Node) -> Place {
        self.lasts.get(&node).cloned().flatten().unwrap_or((Whereabouts::Dispersed, None))
    }

    /// Grams of a donation in every node that has some, with its place.
    pub(crate) fn grams_of(&self, donation: DonationId) -> Vec<(Place, Grams)> {
        let in_station = |(node, station): (&Node, &Station)| {
            let grams = match &station.stand {
                Stand::Item(item) => grams_in_item(item, &donation),
                Stand::Batch(batch) => grams_in_batch(batch, &donation),
            };
            Some((self.own_place(*node)?, grams)).filter(|_| grams > Grams::ZERO)
        };
        self.stations.iter().filter_map(in_station).collect()
    }

    /// Everything that a node reached.
    pub(crate) fn reached(&self, start: Node) -> Reached {
        let mut reached = Reached { complete: true, ..Reached::default() };
        let (mut left, mut seen) = (VecDeque::from([start]), BTreeSet::from([start]));
        while let Some(node) = left.pop_front() {
            let Some(station) = self.stations.get(&node).filter(|_| seen.len() <= LINEAGE_NODES_MAX) else {
                reached.complete = false;
                return reached;
            };
            match &station.stand {
                Stand::Item(item) => {
                    reached.lots.push(item.id);
                    reached.interim.extend(item.interim.filter(|entry| !reached.interim.contains(entry)));
                    reached.treatments.extend(item.treated);
                }
                Stand::Batch(batch) => reached.batches.push(batch.id),
            }
            left.extend(station.next.iter().filter(|next| seen.insert(**next)));
        }
        reached
    }
}

fn id_of(node: Node) -> String {
    match node {
        Node::Item(item) => item.to_string(),
        Node::Batch(batch) => batch.to_string(),
    }
}

/// The countries in which some sites lie.
pub(crate) fn site_countries(
    database: &mut Database,
    sites: &BTreeSet<SiteId>,
) -> Result<BTreeMap<SiteId, Country>, StoreError> {
    let ids: Vec<String> = sites.iter().map(ToString::to_string).collect();
    let found: Vec<Site> = records::load_of(database, &ids)?;
    Ok(found.into_iter().map(|site| (site.id, site.country)).collect())
}
