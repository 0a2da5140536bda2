//! Which cells of a table are withheld, so that no small count can be found.
//!
//! What comes in: counts in blocks; cells, which are sums of counts and may be published or follow
//! from what is; the smallest count that is shown. What goes out: for each cell whether it is
//! withheld. What may fail: nothing; where the arithmetic gives up, everything that touches the
//! small count is withheld, which needs none. What must stay true: of every small cell, published
//! or not, the tables that agree with what is shown give at least `smallest - 1` neighbouring
//! values, from the least that the zeros shown leave to it on (1 to 9 in the usual case); a zero
//! is shown; nothing depends on the order of a hash.
//!
//! This is the cell suppression problem (Fischetti and Salazar, Management Science 47 (2001)
//! 1008-1027), with the audit done by exact linear programming and the further cells chosen one
//! at a time: the cheapest of the sums that bound the small cell (those with a multiplier other
//! than 0 in the optimum), until it can move far enough; those that did not move are shown again.
//!
//! The reader is taken to know that zeros are always shown, so that every withheld cell is at
//! least 1, and more than can be known: which of its parts holds that 1. Tables are sought that
//! differ from the truth in one block only; sums that reach into others keep their share of each.
//! Both leave out tables that the reader cannot rule out, so both only withhold more.

use std::collections::{BTreeSet, HashMap};

use super::space::{Moved, Space};
use crate::statistics::rational::Rational;

/// A cell of the table that was asked for; several may be one sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellId(usize);

/// A cell as it was added.
#[derive(Debug, Clone)]
struct Cell {
    parts: Vec<usize>,
    /// What it costs readers to lose it; `None` where it is never published, but could be found.
    cost: Option<u64>,
}

/// What a change of counts in one block would show in a number that is published: a sum in which
/// some counts are taken off, of which only the change matters.
#[derive(Debug, Clone)]
struct Tie {
    block: usize,
    parts: Vec<(usize, i64)>,
    /// What it costs readers to lose that number.
    cost: u64,
}

/// A tie that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TieId(usize);

/// A count, and where it stands.
#[derive(Debug, Clone, Copy)]
struct Count {
    value: i64,
    block: usize,
}

/// Counts, and the cells that are sums of them.
#[derive(Debug, Clone)]
pub struct Table {
    smallest_shown: i64,
    counts: Vec<Count>,
    cells: Vec<Cell>,
    ties: Vec<Tie>,
}

impl Table {
    /// An empty table in which counts from this one on are shown.
    #[must_use]
    pub const fn new(smallest_shown: i64) -> Self {
        Self {
            smallest_shown,
            counts: Vec::new(),
            cells: Vec::new(),
            ties: Vec::new(),
        }
    }

    /// Adds a count to a block; gives its number.
    pub fn count(&mut self, value: i64, block: usize) -> usize {
        self.counts.push(Count { value, block });
        self.counts.len() - 1
    }

    /// Adds a cell that is published unless it must be withheld, which costs so much.
    pub fn published(&mut self, parts: Vec<usize>, cost: u64) -> CellId {
        self.cell(parts, Some(cost))
    }

    /// Adds a cell that nobody publishes, but that must not be found either.
    pub fn unpublished(&mut self, parts: Vec<usize>) -> CellId {
        self.cell(parts, None)
    }

    /// Adds a number that is published and moves as these counts of one block do, each with its
    /// sign. It is withheld at that cost.
    pub fn tie(&mut self, parts: Vec<(usize, i64)>, cost: u64) -> TieId {
        let block = parts
            .first()
            .map_or(0, |(part, _)| self.counts[*part].block);
        self.ties.push(Tie { block, parts, cost });
        TieId(self.ties.len() - 1)
    }

    fn cell(&mut self, mut parts: Vec<usize>, cost: Option<u64>) -> CellId {
        parts.sort_unstable();
        self.cells.push(Cell { parts, cost });
        CellId(self.cells.len() - 1)
    }

    /// Decides for every cell. Cells that are not published count as withheld.
    #[must_use]
    pub fn decide(&self) -> Pattern {
        let mut work = Work::of(self);
        work.protect();
        let withheld = self.cells.iter().zip(&work.sum_of).map(|(cell, sum)| {
            cell.cost.is_none() || sum.is_some_and(|sum| work.sums[sum].withheld)
        });
        let first_tie = work.sums.len() - self.ties.len();
        Pattern {
            withheld: withheld.collect(),
            loosened: work.sums[first_tie..]
                .iter()
                .map(|tie| tie.withheld)
                .collect(),
        }
    }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    withheld: Vec<bool>,
    loosened: Vec<bool>,
}

impl Pattern {
    /// Whether the number that is tied so is withheld.
    #[must_use]
    pub fn loosens(&self, tie: TieId) -> bool {
        self.loosened.get(tie.0).copied().unwrap_or(true)
    }

    /// Whether the cell is withheld.
    #[must_use]
    pub fn withholds(&self, cell: CellId) -> bool {
        self.withheld.get(cell.0).copied().unwrap_or(true)
    }
}

/// The share of a sum that lies in one block.
#[derive(Debug, Clone)]
struct Share {
    block: usize,
    /// Variables of the block's space, each taken once.
    form: Vec<(usize, i64)>,
    /// The variable that stands for the share, if the sum is published.
    variable: Option<usize>,
    /// The least that it is known to be.
    least: i64,
    value: i64,
}

/// A sum of counts that is not zero; all cells that are this sum share it.
struct Sum {
    parts: Vec<usize>,
    value: i64,
    /// What it costs to withhold all its cells; `None` where none is published.
    cost: Option<u64>,
    withheld: bool,
    shares: Vec<Share>,
}

/// A small cell's share of a block, with the ends of the range that some table must show.
struct Small {
    sum: usize,
    share: usize,
    low: i64,
    high: i64,
    down: bool,
    up: bool,
}

/// One block: its space, and which sum each variable of it stands for.
#[derive(Default)]
struct Block {
    space: Space,
    of_variable: HashMap<usize, usize>,
}

struct Work<'t> {
    table: &'t Table,
    sums: Vec<Sum>,
    /// The sum of each cell; `None` for a zero.
    sum_of: Vec<Option<usize>>,
    blocks: Vec<Block>,
}

impl<'t> Work<'t> {
    fn of(table: &'t Table) -> Self {
        let value =
            |parts: &[usize]| -> i64 { parts.iter().map(|part| table.counts[*part].value).sum() };
        // What lies in a zero that is shown is a zero that is known.
        let mut zeros = BTreeSet::new();
        for cell in table.cells.iter().filter(|cell| cell.cost.is_some()) {
            let negative = cell.parts.iter().any(|part| table.counts[*part].value < 0);
            if value(&cell.parts) == 0 && !negative {
                zeros.extend(cell.parts.iter().copied());
            }
        }
        let mut work = Self {
            table,
            sums: Vec::new(),
            sum_of: Vec::new(),
            blocks: Vec::new(),
        };
        let mut known: HashMap<Vec<usize>, usize> = HashMap::new();
        for cell in &table.cells {
            let mut parts = cell.parts.clone();
            parts.retain(|part| !zeros.contains(part));
            if parts.is_empty() {
                work.sum_of.push(None);
                continue;
            }
            let next = work.sums.len();
            let sum = *known.entry(parts.clone()).or_insert(next);
            if sum == next {
                let value = value(&parts);
                work.sums.push(Sum {
                    withheld: (1..table.smallest_shown).contains(&value),
                    value,
                    parts,
                    cost: None,
                    shares: Vec::new(),
                });
            }
            let own = &mut work.sums[sum];
            own.cost = own.cost.max(cell.cost);
            work.sum_of.push(Some(sum));
        }
        let least = work.least();
        work.fill_blocks(&least);
        work
    }

    /// The least that each count is known to be. Of each sum that is published or withheld one
    /// part is taken to be known to be at least 1, from the shortest sums on; longer ones hold one
    /// of those.
    fn least(&self) -> Vec<i64> {
        let counts = &self.table.counts;
        let mut least: Vec<i64> = counts.iter().map(|count| count.value.min(0)).collect();
        let mut order: Vec<usize> = (0..self.sums.len()).collect();
        order.retain(|sum| self.sums[*sum].cost.is_some() && self.sums[*sum].value > 0);
        order.sort_by_key(|sum| (self.sums[*sum].parts.len(), *sum));
        for sum in order {
            let parts = &self.sums[sum].parts;
            if parts.iter().all(|part| least[*part] < 1) {
                let largest = parts.iter().max_by_key(|part| counts[**part].value);
                if let Some(part) = largest.filter(|part| counts[**part].value > 0) {
                    least[*part] = 1;
                }
            }
        }
        least
    }

    fn fill_blocks(&mut self, least: &[i64]) {
        let counts = &self.table.counts;
        let blocks = counts
            .iter()
            .map(|count| count.block + 1)
            .max()
            .unwrap_or(0);
        self.blocks.resize_with(blocks, Block::default);
        let mut variables = Vec::new();
        for (count, least) in counts.iter().zip(least) {
            variables.push(self.blocks[count.block].space.count(count.value - least));
        }
        for (index, sum) in self.sums.iter_mut().enumerate() {
            for part in &sum.parts {
                let count = counts[*part];
                let at = sum
                    .shares
                    .iter()
                    .position(|share| share.block == count.block);
                let at = at.unwrap_or_else(|| {
                    sum.shares.push(Share {
                        block: count.block,
                        form: Vec::new(),
                        variable: None,
                        least: 0,
                        value: 0,
                    });
                    sum.shares.len() - 1
                });
                let share = &mut sum.shares[at];
                share.form.push((variables[*part], 1));
                share.least += least[*part];
                share.value += count.value;
            }
            for share in sum
                .shares
                .iter_mut()
                .filter(|_| sum.cost.is_some() && !sum.withheld)
            {
                let block = &mut self.blocks[share.block];
                let variable = block.space.published(&share.form);
                share.variable = Some(variable);
                block.of_variable.insert(variable, index);
            }
        }
        for tie in &self.table.ties {
            let form: Vec<_> = tie
                .parts
                .iter()
                .map(|(part, by)| (variables[*part], *by))
                .collect();
            let block = &mut self.blocks[tie.block];
            let variable = block.space.published(&form);
            block.of_variable.insert(variable, self.sums.len());
            self.sums.push(Sum {
                parts: tie.parts.iter().map(|(part, _)| *part).collect(),
                value: 0,
                cost: Some(tie.cost),
                withheld: false,
                shares: vec![Share {
                    block: tie.block,
                    form,
                    variable: Some(variable),
                    least: 0,
                    value: 0,
                }],
            });
        }
    }

    /// What must be reached of every small sum: each share down to the least that it is known to
    /// be (the whole sum is at least 1), and its largest share up.
    fn small(&self) -> Vec<Small> {
        let mut small = Vec::new();
        for (index, sum) in self.sums.iter().enumerate().filter(|(_, sum)| sum.withheld) {
            let least: i64 = sum.shares.iter().map(|share| share.least).sum();
            let spare = (1 - least).max(0);
            let high = least + spare + self.table.smallest_shown - 2;
            let largest = (0..sum.shares.len()).max_by_key(|share| sum.shares[*share].value);
            for (at, share) in sum.shares.iter().enumerate() {
                let raised = Some(at) == largest;
                let low = if raised {
                    share.least + spare
                } else {
                    share.least
                };
                let high = share.value + high - sum.value;
                small.push(Small {
                    sum: index,
                    share: at,
                    low,
                    high,
                    down: share.value <= low,
                    up: !raised || share.value >= high,
                });
            }
        }
        // What is withheld for a large sum also protects the small ones in it.
        small.sort_by_key(|one| (std::cmp::Reverse(self.sums[one.sum].parts.len()), one.sum));
        small
    }

    /// Withholds further cells until every small one is protected.
    fn protect(&mut self) {
        let mut of_blocks: Vec<Vec<Small>> = Vec::new();
        of_blocks.resize_with(self.blocks.len(), Vec::new);
        for one in self.small() {
            of_blocks[self.sums[one.sum].shares[one.share].block].push(one);
        }
        for small in &mut of_blocks {
            for at in 0..small.len() {
                if !small[at].up {
                    self.reach(&small[at], true);
                    self.note(&mut small[at..]);
                }
                if !small[at].down {
                    self.reach(&small[at], false);
                    self.note(&mut small[at..]);
                }
            }
        }
    }

    /// Notes which ends of their ranges the table that is held shows for small cells.
    fn note(&self, small: &mut [Small]) {
        for one in small.iter_mut().filter(|one| !(one.up && one.down)) {
            let share = &self.sums[one.sum].shares[one.share];
            if let Some(held) = self.blocks[share.block].space.value(&share.form) {
                let goal = |end: i64| Rational::whole(i128::from(end) - i128::from(share.least));
                one.up |= held >= goal(one.high);
                one.down |= held <= goal(one.low);
            }
        }
    }

    /// Withholds cells until some table has the small cell at one end of its range.
    fn reach(&mut self, small: &Small, up: bool) {
        let share = self.sums[small.sum].shares[small.share].clone();
        let (form, goal): (Vec<_>, i64) = if up {
            (share.form, small.high - share.least)
        } else {
            let turned = share.form.into_iter().map(|(part, by)| (part, -by));
            (turned.collect(), share.least - small.low)
        };
        let mut new: Vec<usize> = Vec::new();
        loop {
            let space = &mut self.blocks[share.block].space;
            match space.raise(&form, Rational::whole(goal.into())) {
                Moved::Reached => break,
                Moved::Stuck(published) => {
                    let Some(cheapest) = self.cheapest(share.block, &published) else {
                        self.withhold_around(small.sum);
                        break;
                    };
                    self.withhold(cheapest);
                    new.push(cheapest);
                }
                Moved::Unknown => {
                    self.withhold_around(small.sum);
                    break;
                }
            }
        }
        // A table that leaves a sum as it is needs not withhold it.
        for sum in new {
            self.show_again(sum, share.block);
            self.forget(sum);
        }
    }

    fn withhold(&mut self, sum: usize) {
        self.sums[sum].withheld = true;
        for share in &self.sums[sum].shares {
            if let Some(variable) = share.variable {
                self.blocks[share.block].space.withhold(variable);
            }
        }
    }

    /// Shows a sum again that was withheld for a table of this block, unless that table moves it.
    fn show_again(&mut self, sum: usize, block: usize) {
        let own = &mut self.sums[sum];
        let moved = |share: &Share| {
            let space = &self.blocks[share.block].space;
            share.block == block && share.variable.is_some_and(|own| space.has_moved(own))
        };
        if own.shares.iter().any(moved) {
            return;
        }
        own.withheld = false;
        for share in &own.shares {
            if let Some(variable) = share.variable {
                self.blocks[share.block].space.publish(variable);
            }
        }
    }

    /// A sum that is still withheld stays so.
    fn forget(&mut self, sum: usize) {
        let own = &self.sums[sum];
        for share in own.shares.iter().filter(|_| own.withheld) {
            if let Some(variable) = share.variable {
                self.blocks[share.block].space.forget(variable);
            }
        }
    }

    /// Of the sums with these variables the one whose loss costs least; of equals the later one,
    /// because earlier ones may have been published before.
    fn cheapest(&self, block: usize, variables: &[usize]) -> Option<usize> {
        let of_variable = &self.blocks[block].of_variable;
        let sums = variables.iter().filter_map(|v| of_variable.get(v)).copied();
        sums.min_by_key(|sum| (self.sums[*sum].cost, std::cmp::Reverse(*sum)))
    }

    /// Withholds every sum that shares a count with this one: then its counts can take any value.
    fn withhold_around(&mut self, sum: usize) {
        let around: BTreeSet<usize> = self.sums[sum].parts.iter().copied().collect();
        for other in 0..self.sums.len() {
            if self.sums[other]
                .parts
                .iter()
                .any(|part| around.contains(part))
            {
                self.withhold(other);
                self.forget(other);
            }
        }
    }
}
