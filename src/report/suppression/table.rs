//! Which cells of a table are withheld, so that no small count can be found.
//!
//! What comes in: counts; cells, which are sums of counts and may be published or follow from what
//! is; equations between counts; the smallest count that is shown. What goes out: for each cell
//! whether it is withheld. What may fail: nothing; where the arithmetic gives up, everything that
//! touches the small count is withheld, which needs none. What must stay true: of every small
//! cell, published or not, the tables that agree with what is shown give at least
//! `smallest - 1` neighbouring values, from the least that the zeros shown leave to it on
//! (1 to 9 in the usual case); a zero is shown; nothing depends on the order of a hash.
//!
//! This is the cell suppression problem (Fischetti and Salazar, Management Science 47 (2001)
//! 1008-1027), with the audit done by exact linear programming and the further cells chosen one
//! at a time: the cheapest of the sums that bound the small cell (those with a multiplier other
//! than 0 in the optimum), until it can move far enough; those that did not move are shown again.
//!
//! The reader is taken to know that zeros are always shown, so that every withheld cell is at
//! least 1, and more than can be known: which of its parts holds that 1.

use std::collections::{BTreeSet, HashMap};

use super::space::{Form, Moved, Space};
use crate::statistics::rational::Rational;

/// A cell of the table that was asked for; several may be one sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellId(usize);

/// A cell as it was added.
#[derive(Debug, Clone)]
struct Cell {
    parts: Vec<(usize, i64)>,
    /// What it costs readers to lose it; `None` where it is never published, but could be found.
    cost: Option<u64>,
}

/// Counts, and the cells that are sums of them.
#[derive(Debug, Clone)]
pub struct Table {
    smallest_shown: i64,
    counts: Vec<i64>,
    equations: Vec<Vec<(usize, i64)>>,
    cells: Vec<Cell>,
}

impl Table {
    /// An empty table in which counts from this one on are shown.
    #[must_use]
    pub const fn new(smallest_shown: i64) -> Self {
        Self {
            smallest_shown,
            counts: Vec::new(),
            equations: Vec::new(),
            cells: Vec::new(),
        }
    }

    /// Adds a count; gives its number.
    pub fn count(&mut self, value: i64) -> usize {
        self.counts.push(value);
        self.counts.len() - 1
    }

    /// Adds an equation: the sum of these counts, with their signs, is known to everybody.
    pub fn equation(&mut self, parts: Vec<(usize, i64)>) {
        self.equations.push(parts);
    }

    /// Adds a cell that is published unless it must be withheld, which costs so much.
    pub fn published(&mut self, parts: Vec<usize>, cost: u64) -> CellId {
        self.cell(parts, Some(cost))
    }

    /// Adds a cell that nobody publishes, but that must not be found either.
    pub fn unpublished(&mut self, parts: Vec<usize>) -> CellId {
        self.cell(parts, None)
    }

    fn cell(&mut self, parts: Vec<usize>, cost: Option<u64>) -> CellId {
        let mut parts: Vec<_> = parts.into_iter().map(|part| (part, 1)).collect();
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
        Pattern {
            withheld: withheld.collect(),
            steps: work.space.steps(),
        }
    }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    withheld: Vec<bool>,
    /// Steps of the linear programmes that it took.
    pub steps: usize,
}

impl Pattern {
    /// Whether the cell is withheld.
    #[must_use]
    pub fn withholds(&self, cell: CellId) -> bool {
        self.withheld.get(cell.0).copied().unwrap_or(true)
    }
}

/// A sum of counts that is not zero; all cells that are this sum share it.
struct Sum {
    parts: Vec<(usize, i64)>,
    value: i64,
    /// What it costs to withhold all its cells; `None` where none is published.
    cost: Option<u64>,
    /// Its variable among the published sums.
    variable: Option<usize>,
    withheld: bool,
}

/// A small cell, and which ends of its range have been reached by some table.
struct Small {
    sum: usize,
    low: i64,
    high: i64,
    down: bool,
    up: bool,
}

struct Work<'t> {
    table: &'t Table,
    /// The least that each count is known to be.
    least: Vec<i64>,
    sums: Vec<Sum>,
    /// The sum of each cell; `None` for a zero.
    sum_of: Vec<Option<usize>>,
    space: Space,
    /// The sum of each variable of the space that stands for one.
    of_variable: HashMap<usize, usize>,
}

impl<'t> Work<'t> {
    fn of(table: &'t Table) -> Self {
        let value = |parts: &[(usize, i64)]| -> i64 {
            parts
                .iter()
                .map(|(part, by)| by * table.counts[*part])
                .sum()
        };
        // What lies in a zero that is shown is a zero that is known.
        let shown = table.cells.iter().filter(|cell| cell.cost.is_some());
        let zeros = shown.filter(|cell| value(&cell.parts) == 0);
        let negative = |cell: &&Cell| cell.parts.iter().any(|(part, _)| table.counts[*part] < 0);
        let zeros: BTreeSet<usize> = zeros
            .filter(|cell| !negative(cell))
            .flat_map(|cell| cell.parts.iter().map(|(part, _)| *part))
            .collect();
        let mut work = Self {
            table,
            least: table.counts.iter().map(|count| (*count).min(0)).collect(),
            sums: Vec::new(),
            sum_of: Vec::new(),
            space: Space::default(),
            of_variable: HashMap::new(),
        };
        let mut known: HashMap<Vec<(usize, i64)>, usize> = HashMap::new();
        for cell in &table.cells {
            let mut parts = cell.parts.clone();
            parts.retain(|(part, _)| !zeros.contains(part));
            if parts.is_empty() {
                work.sum_of.push(None);
                continue;
            }
            let next = work.sums.len();
            let sum = *known.entry(parts.clone()).or_insert(next);
            if sum == next {
                work.sums.push(Sum {
                    value: value(&parts),
                    parts,
                    cost: None,
                    variable: None,
                    withheld: false,
                });
            }
            let own = &mut work.sums[sum];
            own.cost = own.cost.max(cell.cost);
            work.sum_of.push(Some(sum));
        }
        work.bound_from_below();
        work.fill_space();
        work
    }

    /// Of each sum that is published or withheld one part is taken to be known to be at least 1,
    /// from the shortest sums on; longer ones hold one of those.
    fn bound_from_below(&mut self) {
        let mut order: Vec<usize> = (0..self.sums.len()).collect();
        order.retain(|sum| self.sums[*sum].cost.is_some() && self.sums[*sum].value > 0);
        order.sort_by_key(|sum| (self.sums[*sum].parts.len(), *sum));
        for sum in order {
            let parts = &self.sums[sum].parts;
            if parts.iter().all(|(part, _)| self.least[*part] < 1) {
                let counts = &self.table.counts;
                let largest = parts.iter().max_by_key(|(part, _)| counts[*part]);
                if let Some((part, _)) = largest.filter(|(part, _)| counts[*part] > 0) {
                    self.least[*part] = 1;
                }
            }
        }
    }

    fn fill_space(&mut self) {
        for (count, least) in self.table.counts.iter().zip(&self.least) {
            self.space.count(count - least);
        }
        for equation in &self.table.equations {
            self.space.published(equation);
        }
        for (index, sum) in self.sums.iter_mut().enumerate() {
            sum.withheld = (1..self.table.smallest_shown).contains(&sum.value);
            if sum.cost.is_some() && !sum.withheld {
                let variable = self.space.published(&sum.parts);
                sum.variable = Some(variable);
                self.of_variable.insert(variable, index);
            }
        }
    }

    /// Withholds further cells until every small one is protected.
    fn protect(&mut self) {
        let mut small: Vec<Small> = Vec::new();
        for (index, sum) in self.sums.iter().enumerate() {
            if sum.withheld {
                let least: i64 = sum.parts.iter().map(|(part, _)| self.least[*part]).sum();
                let low = least.max(1);
                small.push(Small {
                    sum: index,
                    low,
                    high: low + self.table.smallest_shown - 2,
                    down: sum.value <= low,
                    up: sum.value >= low + self.table.smallest_shown - 2,
                });
            }
        }
        // What is withheld for a large sum also protects the small ones in it.
        small.sort_by_key(|one| (std::cmp::Reverse(self.sums[one.sum].parts.len()), one.sum));
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

    /// The value of a sum in the table that is held.
    fn held(&self, sum: usize) -> Option<Rational> {
        let parts = &self.sums[sum].parts;
        let least: i64 = parts.iter().map(|(part, by)| by * self.least[*part]).sum();
        let below = Rational::whole(-i128::from(least));
        self.space.value(parts)?.minus(below)
    }

    /// Notes which ends of their ranges the table that is held shows for small cells.
    fn note(&self, small: &mut [Small]) {
        for one in small.iter_mut().filter(|one| !(one.up && one.down)) {
            if let Some(held) = self.held(one.sum) {
                one.up |= held >= Rational::whole(one.high.into());
                one.down |= held <= Rational::whole(one.low.into());
            }
        }
    }

    /// Withholds cells until some table has the small cell at one end of its range.
    fn reach(&mut self, small: &Small, up: bool) {
        let parts = self.sums[small.sum].parts.clone();
        let least: i64 = parts.iter().map(|(part, by)| by * self.least[*part]).sum();
        let (form, goal): (Vec<_>, i64) = if up {
            (parts, small.high - least)
        } else {
            let turned = parts.into_iter().map(|(part, by)| (part, -by)).collect();
            (turned, least - small.low)
        };
        let mut new: Vec<usize> = Vec::new();
        loop {
            match self.space.raise(&form, Rational::whole(goal.into())) {
                Moved::Reached => break,
                Moved::Stuck(published) => {
                    let Some(cheapest) = self.cheapest(&published) else {
                        // Only what everybody knows stands in the way.
                        break;
                    };
                    self.withhold(cheapest);
                    new.push(cheapest);
                }
                Moved::Unknown => {
                    self.withhold_around(&form);
                    break;
                }
            }
        }
        // A table that leaves a sum as it is needs not withhold it.
        for sum in new {
            if let Some(variable) = self.sums[sum].variable
                && self.space.publish_again(variable)
            {
                self.sums[sum].withheld = false;
            }
        }
    }

    fn withhold(&mut self, sum: usize) {
        if let Some(variable) = self.sums[sum].variable {
            self.space.withhold(variable);
            self.sums[sum].withheld = true;
        }
    }

    /// Of the sums with these variables the one whose loss costs least; of equals the later one,
    /// because earlier ones may have been published before.
    fn cheapest(&self, variables: &[usize]) -> Option<usize> {
        let sums = variables.iter().filter_map(|v| self.of_variable.get(v));
        let cost = |sum: &usize| (self.sums[*sum].cost, std::cmp::Reverse(*sum));
        sums.copied().min_by_key(|sum| cost(sum))
    }

    /// Withholds every sum that shares a count with the form, or one that an equation ties to it:
    /// then each of its counts can take any value.
    fn withhold_around(&mut self, form: &Form) {
        let mut around: BTreeSet<usize> = form.iter().map(|(part, _)| *part).collect();
        loop {
            let before = around.len();
            for equation in &self.table.equations {
                if equation.iter().any(|(part, _)| around.contains(part)) {
                    around.extend(equation.iter().map(|(part, _)| *part));
                }
            }
            if around.len() == before {
                break;
            }
        }
        for sum in 0..self.sums.len() {
            let touches = |(part, _): &(usize, i64)| around.contains(part);
            if self.sums[sum].parts.iter().any(touches) {
                self.withhold(sum);
            }
        }
    }
}
