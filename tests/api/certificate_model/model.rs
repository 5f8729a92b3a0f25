//! What is known without asking the service: units one by one, and grams as plain stretches.
//!
//! Which units fail is worked out anew after each step, from the grams alone.

use std::collections::{BTreeMap, BTreeSet};

/// A site and the number of a unit.
pub type Id = (usize, i64);

/// Grams of a treatment, from the first to before the last.
pub type Grams = (usize, i64, i64);

/// A block of units of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    pub site: usize,
    pub first: i64,
    pub last: i64,
}

impl Block {
    pub fn ids(self) -> impl Iterator<Item = Id> {
        (self.first..=self.last).map(move |number| (self.site, number))
    }

    pub fn holds(self, id: Id) -> bool {
        self.site == id.0 && (self.first..=self.last).contains(&id.1)
    }

    pub fn serial(self) -> String {
        format!("ERT-XD-CTR{}-202611-{:07}-{:07}", self.site + 1, self.first, self.last)
    }
}

/// A batch that became steel as a whole; it backs as much as went into it.
#[derive(Debug)]
pub struct Batch {
    pub site: usize,
    pub lot: String,
    pub receipt: u64,
    pub total: i64,
    pub input: i64,
    pub closed: bool,
}

/// Grams of a treatment that came from one batch.
#[derive(Debug)]
pub struct Line {
    pub batch: usize,
    pub from: i64,
    pub to: i64,
    /// Certified grams in the order of their issue, with its number.
    pub certified: Vec<(usize, i64, i64)>,
    /// How many of these the batch covers.
    pub covered: i64,
    /// Whether grams of it entered a pool since it was last taken out.
    pub entered: bool,
    /// Whether grams of it were set free since.
    pub reopened: bool,
}

impl Line {
    pub fn new(batch: usize, from: i64, to: i64) -> Self {
        Self { batch, from, to, certified: Vec::new(), covered: 0, entered: false, reopened: false }
    }

    fn certified_g(&self) -> i64 {
        self.certified.iter().map(|(_, from, to)| to - from).sum()
    }
}

/// A treatment of one batch or of two.
#[derive(Debug)]
pub struct Treatment {
    pub entry: u64,
    pub lines: Vec<Line>,
    /// The finding that holds it.
    pub held: Option<u64>,
}

/// Grams that wait in a pool.
#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    pub treatment: usize,
    pub line: usize,
    pub from: i64,
    pub to: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Pending,
    Held,
    Buffer,
    Retired,
    Cancelled,
    Withdrawn,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Buffer => "buffer",
            Self::Retired => "retired",
            Self::Cancelled => "cancelled",
            Self::Withdrawn => "withdrawn",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Error,
    NotEligible,
    Fraud,
}

impl Reason {
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "issued_in_error",
            Self::NotEligible => "not_eligible",
            Self::Fraud => "fraud",
        }
    }
}

/// Who stopped a block, and whether for fraud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    pub by_auditor: bool,
    pub for_fraud: bool,
}

#[derive(Debug, Clone)]
pub struct Unit {
    pub grams: Vec<Grams>,
    pub status: Status,
    /// Nobody holds the buffer; the centre is 0.
    pub holder: Option<usize>,
    pub frozen: Option<Stopped>,
    /// A withdrawal that waits for a second signature.
    pub pending: Option<Reason>,
    /// Why its retirement was annotated.
    pub annotated: Option<Reason>,
    pub tainted: bool,
    pub issued_ms: i64,
    /// The other block of its issue.
    pub issued_with: Block,
    /// The unit whose grams back it instead of its own.
    pub backed_by: Option<Id>,
}

impl Unit {
    pub fn lives(&self) -> bool {
        !matches!(self.status, Status::Cancelled | Status::Withdrawn)
    }
}

/// Why a unit fails: grams of a treatment that do not hold, or fraud.
pub type Cause = Option<usize>;

/// The whole of what is known.
#[derive(Debug, Default)]
pub struct Model {
    pub batches: Vec<Batch>,
    pub treatments: Vec<Treatment>,
    pub pools: [Vec<Waiting>; 2],
    pub units: BTreeMap<Id, Unit>,
    /// Blocks that exist.
    pub blocks: Vec<Block>,
    pub taken_g: [i64; 2],
    issues: usize,
    /// Which units fail, why, and since when.
    failing: BTreeMap<Id, BTreeMap<Cause, i64>>,
}

impl Model {
    /// Grams of a line on which units can rest: those that were certified first, as far as it is covered.
    fn sound(&self, treatment: usize, line: &Line) -> Vec<(i64, i64)> {
        let is_held = self.treatments[treatment].held.is_some();
        let (mut left, mut sound) = (if is_held { 0 } else { line.covered }, Vec::new());
        for (_, from, to) in &line.certified {
            let grams = (to - from).min(left);
            sound.push((*from, from + grams));
            left -= grams;
        }
        sound
    }

    /// Works out anew which units fail.
    pub fn look_again(&mut self, now_ms: i64) {
        let of_treatment = |(place, treatment): (usize, &Treatment)| {
            treatment.lines.iter().flat_map(|line| self.sound(place, line)).collect::<Vec<_>>()
        };
        let sound: Vec<Vec<(i64, i64)>> = self.treatments.iter().enumerate().map(of_treatment).collect();
        let holds = |(treatment, from, to): &Grams| {
            let held = sound[*treatment].iter().map(|(first, end)| (end.min(to) - first.max(from)).max(0)).sum::<i64>();
            held == to - from
        };
        let mut failing: BTreeMap<Id, BTreeMap<Cause, i64>> = BTreeMap::new();
        for (id, unit) in self.units.iter().filter(|(_, unit)| unit.lives()) {
            let rests_on = unit.backed_by.map_or(unit, |by| &self.units[&by]);
            let broken = rests_on.grams.iter().filter(|grams| !holds(grams)).map(|grams| Some(grams.0));
            let causes: BTreeSet<Cause> = broken.chain(unit.tainted.then_some(None)).collect();
            let since = |cause: &Cause| self.failing.get(id).and_then(|known| known.get(cause)).copied();
            let causes: BTreeMap<Cause, i64> =
                causes.into_iter().map(|cause| (cause, since(&cause).unwrap_or(now_ms))).collect();
            if !causes.is_empty() {
                failing.insert(*id, causes);
            }
        }
        self.failing = failing;
    }

    pub fn fails(&self, id: Id) -> bool {
        self.failing.contains_key(&id)
    }

    /// When each cause for which a unit fails began.
    pub fn fails_since(&self, id: Id) -> impl Iterator<Item = i64> {
        self.failing.get(&id).into_iter().flat_map(|causes| causes.values().copied())
    }

    pub fn failing(&self, block: Block) -> BTreeSet<i64> {
        block.ids().filter(|id| self.fails(*id)).map(|(_, number)| number).collect()
    }

    pub fn count(&self, site: usize, holds: impl Fn(Id, &Unit) -> bool) -> usize {
        self.units.iter().filter(|(id, unit)| id.0 == site && holds(**id, unit)).count()
    }

    /// What a batch still backs.
    fn left_of(&self, batch: usize) -> i64 {
        let lines = self.treatments.iter().flat_map(|treatment| &treatment.lines);
        let covered: i64 = lines.filter(|line| line.batch == batch).map(|line| line.covered).sum();
        let is_of = |waiting: &&Waiting| self.treatments[waiting.treatment].lines[waiting.line].batch == batch;
        let waiting: i64 = self.pools.iter().flatten().filter(is_of).map(|waiting| waiting.to - waiting.from).sum();
        self.batches[batch].input - covered - waiting
    }

    /// Grams of a site behind certificates, and those that are eligible beyond them, as its work is told.
    pub fn work(&self, site: usize) -> (i64, i64) {
        let (mut allotted, mut free) = (0, 0);
        for (place, treatment) in self.treatments.iter().enumerate() {
            for (line, known) in treatment.lines.iter().enumerate() {
                if self.batches[known.batch].site != site {
                    continue;
                }
                let is_of = |waiting: &&Waiting| (waiting.treatment, waiting.line) == (place, line);
                let waiting: i64 = self.pools[site].iter().filter(is_of).map(|waiting| waiting.to - waiting.from).sum();
                let eligible = if treatment.held.is_some() { 0 } else { known.covered + waiting };
                allotted += known.certified_g();
                free += (eligible - known.certified_g()).max(0);
            }
        }
        (allotted, free)
    }

    /// Lines of a treatment that wait enter the pool, if nothing holds them.
    pub fn settle(&mut self, treatment: usize) {
        for place in 0..self.treatments[treatment].lines.len() {
            let line = &self.treatments[treatment].lines[place];
            let waits = !line.entered || line.reopened;
            if waits && self.treatments[treatment].held.is_none() && self.batches[line.batch].closed {
                self.enter(treatment, place);
            }
        }
    }

    /// Grams of a line that are neither certified nor in the pool enter it, in order, as far as the batch reaches.
    fn enter(&mut self, treatment: usize, place: usize) {
        let line = &self.treatments[treatment].lines[place];
        let (batch, mut at, end) = (line.batch, line.from, line.to);
        let mut left = self.left_of(batch);
        let pool = &mut self.pools[self.batches[batch].site];
        let mut taken: Vec<(i64, i64)> = line.certified.iter().map(|(_, from, to)| (*from, *to)).collect();
        let is_of = |waiting: &&Waiting| (waiting.treatment, waiting.line) == (treatment, place);
        taken.extend(pool.iter().filter(is_of).map(|waiting| (waiting.from, waiting.to)));
        taken.sort_unstable();
        let mut entered = false;
        for (from, to) in taken.into_iter().chain([(end, end)]) {
            let grams = (from - at).min(left);
            if grams > 0 {
                pool.push(Waiting { treatment, line: place, from: at, to: at + grams });
                (left, entered) = (left - grams, true);
            }
            at = at.max(to);
        }
        let line = &mut self.treatments[treatment].lines[place];
        (line.entered, line.reopened) = (line.entered || entered, false);
    }

    /// A batch turns out to have had another input: what is certified is covered first, in the order of its issue.
    pub fn correct(&mut self, batch: usize, input: i64) {
        let of_batch = |line: &Line| line.batch == batch;
        let treatments = &self.treatments;
        let is_of = |waiting: &Waiting| of_batch(&treatments[waiting.treatment].lines[waiting.line]);
        self.pools.iter_mut().for_each(|pool| pool.retain(|waiting| !is_of(waiting)));
        self.batches[batch].input = input;
        let mut claims = Vec::new();
        for (treatment, known) in self.treatments.iter_mut().enumerate() {
            for (place, line) in known.lines.iter_mut().enumerate().filter(|(_, line)| of_batch(line)) {
                (line.covered, line.entered, line.reopened) = (0, false, false);
                claims.extend(line.certified.iter().map(|(issue, from, to)| (*issue, treatment, *from, *to, place)));
            }
        }
        claims.sort_unstable();
        let mut left = input;
        for (_, treatment, from, to, place) in claims {
            let grams = (to - from).min(left);
            self.treatments[treatment].lines[place].covered += grams;
            left -= grams;
        }
        for treatment in 0..self.treatments.len() {
            if self.treatments[treatment].lines.iter().any(of_batch) {
                self.settle(treatment);
            }
        }
    }

    /// Grams of these units are certified no more, and may enter the pool again.
    pub fn free(&mut self, units: Block) {
        let freed: Vec<Grams> = units.ids().flat_map(|id| self.units[&id].grams.clone()).collect();
        let concerned: BTreeSet<usize> = freed.iter().map(|grams| grams.0).collect();
        for treatment in concerned {
            let mut holes: Vec<(i64, i64)> =
                freed.iter().filter(|grams| grams.0 == treatment).map(|(_, from, to)| (*from, *to)).collect();
            holes.sort_unstable();
            for line in &mut self.treatments[treatment].lines {
                line.certified = without(&line.certified, &holes);
                let certified = line.certified_g();
                if certified < line.covered {
                    (line.covered, line.reopened) = (certified, true);
                }
            }
            self.settle(treatment);
        }
    }

    /// The front of the pool: grams of so many units at most, in whole units. What a finding holds is passed over.
    pub fn front(&self, site: usize, units: i64) -> Vec<Waiting> {
        let free = || self.pools[site].iter().filter(|waiting| self.treatments[waiting.treatment].held.is_none());
        let all: i64 = free().map(|waiting| waiting.to - waiting.from).sum();
        let (mut left, mut front) = ((units * 1_000).min(all) / 1_000 * 1_000, Vec::new());
        for waiting in free() {
            let grams = (waiting.to - waiting.from).min(left);
            if grams > 0 {
                front.push(Waiting { to: waiting.from + grams, ..*waiting });
                left -= grams;
            }
        }
        front
    }

    /// Grams leave the pool, unit by unit; units that wait for a second signature are pending.
    pub fn issue(&mut self, front: &[Waiting], [own, buffer]: [Block; 2], is_pending: bool, issued_ms: i64) {
        let mut grams =
            front.iter().flat_map(|waiting| (waiting.from..waiting.to).map(|gram| (waiting.treatment, gram)));
        for id in own.ids().chain(buffer.ids()) {
            let mut rests_on: Vec<Grams> = Vec::new();
            for (treatment, gram) in grams.by_ref().take(1_000) {
                match rests_on.last_mut() {
                    Some(last) if last.0 == treatment && last.2 == gram => last.2 += 1,
                    _ => rests_on.push((treatment, gram, gram + 1)),
                }
            }
            let is_buffer = buffer.holds(id);
            let status = match (is_pending, is_buffer) {
                (true, _) => Status::Pending,
                (false, true) => Status::Buffer,
                (false, false) => Status::Held,
            };
            let unit = Unit {
                grams: rests_on,
                status,
                holder: (!is_buffer).then_some(0),
                frozen: None,
                pending: None,
                annotated: None,
                tainted: false,
                issued_ms,
                issued_with: if is_buffer { own } else { buffer },
                backed_by: None,
            };
            self.units.insert(id, unit);
        }
        self.issues += 1;
        let pool = &mut self.pools[own.site];
        let is_last = |waiting: &Waiting| {
            front.last().is_some_and(|last| {
                (last.treatment, last.line, last.from) == (waiting.treatment, waiting.line, waiting.from)
            })
        };
        let end = pool.iter().position(is_last).unwrap_or(0);
        for taken in front {
            let line = &mut self.treatments[taken.treatment].lines[taken.line];
            line.certified.push((self.issues, taken.from, taken.to));
            line.covered += taken.to - taken.from;
            self.taken_g[own.site] += taken.to - taken.from;
            // A range that was just used up begins where its neighbour does.
            let is_it = |waiting: &&mut Waiting| {
                let same = (waiting.treatment, waiting.line, waiting.from) == (taken.treatment, taken.line, taken.from);
                same && waiting.from < waiting.to
            };
            pool.iter_mut().find(is_it).expect("a range").from = taken.to;
        }
        // What was passed over has its turn at the end.
        let is_held = |waiting: &Waiting| self.treatments[waiting.treatment].held.is_some();
        let passed: Vec<Waiting> = pool.iter().take(end).filter(|waiting| is_held(waiting)).copied().collect();
        let mut place = 0;
        pool.retain(|waiting| {
            place += 1;
            waiting.from < waiting.to && (place > end || !is_held(waiting))
        });
        pool.extend(passed);
        self.blocks.extend([own, buffer]);
        self.blocks.sort_unstable();
    }

    /// A block is cut around a part of it.
    pub fn cut(&mut self, block: Block, part: Block) {
        self.blocks.retain(|known| *known != block);
        let pieces = [Block { last: part.first - 1, ..block }, part, Block { first: part.last + 1, ..block }];
        self.blocks.extend(pieces.into_iter().filter(|piece| piece.first <= piece.last));
        self.blocks.sort_unstable();
    }

    /// Units that were ever issued at a site: the last number.
    pub fn issued(&self, site: usize) -> i64 {
        self.units.range((site, 0)..(site + 1, 0)).next_back().map_or(0, |((_, number), _)| *number)
    }

    pub fn first_of(&self, block: Block) -> &Unit {
        &self.units[&(block.site, block.first)]
    }

    pub fn change(&mut self, block: Block, change: impl Fn(&mut Unit)) {
        for id in block.ids() {
            change(self.units.get_mut(&id).expect("a unit"));
        }
    }

    /// Whether an error cannot be said of a block: an auditor stopped it, or fraud taints some of it.
    pub fn is_tainted(&self, block: Block) -> bool {
        let by_auditor = self.first_of(block).frozen.is_some_and(|frozen| frozen.by_auditor);
        by_auditor || block.ids().any(|id| self.units[&id].tainted)
    }

    /// Fraud taints the units that rest on their own grams.
    pub fn taint(&mut self, block: Block) {
        self.change(block, |unit| unit.tainted |= unit.backed_by.is_none());
    }

    /// A withdrawal takes effect.
    pub fn withdraw(&mut self, block: Block, reason: Reason) {
        self.change(block, |unit| unit.pending = None);
        if self.first_of(block).status == Status::Retired {
            self.change(block, |unit| unit.annotated = Some(reason));
            if reason == Reason::Fraud {
                self.taint(block);
            }
            return;
        }
        self.change(block, |unit| (unit.status, unit.frozen) = (Status::Withdrawn, None));
        if reason == Reason::Error {
            self.free(block);
        }
    }
}

/// What of certified stretches is left without some holes, which are in order.
fn without(certified: &[(usize, i64, i64)], holes: &[(i64, i64)]) -> Vec<(usize, i64, i64)> {
    let mut left = Vec::new();
    for (issue, from, to) in certified {
        let mut at = *from;
        for (first, end) in holes.iter().filter(|(first, end)| first < to && from < end) {
            left.push((*issue, at, *first));
            at = *end;
        }
        left.push((*issue, at, *to));
    }
    left.retain(|(_, from, to)| from < to);
    left
}
