//! What the public is shown of the figures of a ledger.
//!
//! What comes in: a snapshot, and the smallest count that is shown. What goes out: a
//! [`Publication`], which says of every figure of every office and period whether it is shown.
//! What may fail: nothing. What must stay true: it is decided once for a position and for all
//! offices, periods and figures together, so that no reports of that position can be set against
//! each other; a small count can be found neither in a cell nor as a difference of cells.
//!
//! Cells are office x period x figure. What ties them is in the table: months add up to quarters,
//! half-years, years and statistical years; offices to the offices above them; boys, girls and
//! births without a stated sex to births; checks done and missed to checks that were due.
//! Residents of two days differ by births, arrivals, deaths and departures, where the reader is
//! taken to know how many reports came late; of offices without offices below they are shown at
//! the ends of half-years only, which leaves room for more of everything else.
//!
//! The smallest published unit is an office and a month, of boys and girls an office and a quarter.
//!
//! Not protected is: what a later position adds to an earlier one (a late report moves a shown sum
//! by one); what is published with different smallest counts; how many reports came late; the
//! growth of the numbers of households and married women, which are no events; a count against
//! those who are themselves counted; against a reader who repeats this very choice of cells for
//! every table that he thinks possible. A period that is not over is not published at all,
//! because it changes daily.

mod space;
mod table;
mod tally;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use self::table::{CellId, Pattern, Table, TieId};
use self::tally::{Part, Stock, Tally};
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::model::time::month_number;
use crate::registers::snapshot::Snapshot;

/// The smallest count that is shown, unless another is asked for.
pub const SMALLEST_SHOWN: u64 = 10;
/// The figures of an activity begin with this.
const ACTIVITY: &str = "activity/";
/// What a stock of one office is worth to readers: more than most of what happens there in a year.
const STOCK_COST: u64 = 100;

/// A figure: its name, what it is the sum of, and what it costs readers to lose it in one office
/// and month; no cost where it is not published, but could be found.
struct Figure {
    name: String,
    parts: Vec<Part>,
    cost: Option<u64>,
    /// Months of the shortest period for which it is published.
    shortest: u32,
}

/// Office, figure, first and last month. A stock has the month of its day.
type Place = (OfficeCode, usize, i32, i32);

/// What is shown of a position.
#[derive(Debug)]
pub struct Publication {
    /// The smallest count that is shown; 0 is shown, too.
    pub smallest_shown: u64,
    /// Figures by name.
    figures: HashMap<String, usize>,
    /// The months that the shortest published period of a figure has, by name.
    shortest: HashMap<String, u32>,
    /// From the first month that has any record to the last that is over.
    months: (i32, i32),
    /// Cells that are not zero.
    cells: HashMap<Place, CellId>,
    pattern: Pattern,
    /// How the residents of an office and a month's end are tied to what happened in the year.
    ties: BTreeMap<(OfficeCode, i32), TieId>,
    /// Offices in which more than one reports anything.
    with_parts: BTreeSet<OfficeCode>,
}

impl Publication {
    /// Decides for everything that a snapshot holds.
    #[must_use]
    pub fn of(snapshot: &Snapshot, smallest_shown: u64) -> Self {
        let tally = Tally::of(snapshot);
        let mut plan = Plan::new(snapshot, &tally, smallest_shown);
        plan.flows();
        plan.ties();
        plan.stocks();
        let with_parts = plan.scopes.iter().filter(|(_, within)| within.len() > 1);
        Self {
            smallest_shown,
            with_parts: with_parts.map(|(office, _)| *office).collect(),
            figures: plan.figures,
            shortest: plan.shortest,
            months: tally.months,
            pattern: plan.table.decide(),
            cells: plan.cells,
            ties: plan.ties,
        }
    }

    /// Whether the residents of a month's end say nothing of what is withheld.
    fn is_harmless(&self, office: OfficeCode, month: i32) -> bool {
        let loose = |month: i32| {
            let tie = self.ties.get(&(office, month));
            tie.is_some_and(|tie| self.pattern.loosens(*tie))
        };
        // Where a whole year is open, so is every number after it.
        let years = (self.months.0..=month).filter(|month| is_december(*month));
        (self.with_parts.contains(&office) || is_half_year(month))
            && !loose(month)
            && !years.into_iter().any(loose)
    }

    /// What is no cell is zero, and shown.
    fn is_shown(&self, place: Place) -> bool {
        let cell = self.cells.get(&place);
        cell.is_none_or(|cell| !self.pattern.withholds(*cell))
    }

    /// Whether a period is over at this position; one that is not is not published.
    #[must_use]
    pub fn is_over(&self, period: Period) -> bool {
        month_number(period.last_day()) <= self.months.1
    }

    /// Whether the figure of an office and its period is shown; of a stock, that of the last day.
    #[must_use]
    pub fn shows(&self, office: OfficeCode, figure: &str, period: Period) -> bool {
        if !self.is_over(period) {
            return false;
        }
        let Some(number) = self.figures.get(figure) else {
            // Of a kind of activity without a record there is nothing to hide.
            return figure.starts_with(ACTIVITY);
        };
        let is_stock = Stock::ALL.iter().any(|stock| stock.as_str() == figure);
        let shortest = self.shortest.get(figure);
        if shortest.is_some_and(|shortest| period.months() < *shortest) {
            return false;
        }
        let end = month_number(period.last_day());
        let start = if is_stock {
            end
        } else {
            month_number(period.first_day()).max(self.months.0)
        };
        let harmless = figure != Stock::Residents.as_str() || self.is_harmless(office, end);
        harmless && self.is_shown((office, *number, start, end))
    }

    /// Whether the quantity of an activity is shown. Things that an office makes and meetings that
    /// it holds are no counts of persons; every other kind is taken for one.
    #[must_use]
    pub fn shows_activity(&self, office: OfficeCode, kind: &str, period: Period) -> bool {
        const THINGS: [&str; 8] = [
            "blackboard",
            "banner",
            "leaflet",
            "campaign",
            "couplet",
            "training",
            "association_study",
            "association_event",
        ];
        THINGS.contains(&kind) || self.shows(office, &format!("{ACTIVITY}{kind}"), period)
    }
}

/// The table as it is put together.
struct Plan<'t> {
    tally: &'t Tally,
    table: Table,
    figures: HashMap<String, usize>,
    shortest: HashMap<String, u32>,
    cells: HashMap<Place, CellId>,
    /// Each office with the offices in it that report anything.
    scopes: Vec<(OfficeCode, Vec<OfficeCode>)>,
    /// The count of a part, an office and a month; there is none where it is zero.
    counts: HashMap<(&'t Part, OfficeCode, i32), usize>,
    /// How many blocks the table has.
    blocks: usize,
    ties: BTreeMap<(OfficeCode, i32), TieId>,
}

impl<'t> Plan<'t> {
    fn new(snapshot: &Snapshot, tally: &'t Tally, smallest_shown: u64) -> Self {
        let directory = &snapshot.offices;
        let reporting = tally.offices();
        let scopes = directory.all().into_iter().map(|office| {
            let within = reporting.iter().copied();
            let within = within.filter(|own| directory.is_within(*own, office.code));
            (office.code, within.collect::<Vec<_>>())
        });
        let mut table = Table::new(i64::try_from(smallest_shown).unwrap_or(i64::MAX / 2));
        let mut counts = HashMap::new();
        let mut blocks: HashMap<(&Part, i32), usize> = HashMap::new();
        for ((part, office, month), value) in &tally.flows {
            if (tally.months.0..=tally.months.1).contains(month) && *value != 0 {
                let next = blocks.len();
                let block = *blocks
                    .entry((family(part), month.div_euclid(12)))
                    .or_insert(next);
                counts.insert((part, *office, *month), table.count(*value, block));
            }
        }
        Self {
            tally,
            table,
            figures: HashMap::new(),
            shortest: HashMap::new(),
            cells: HashMap::new(),
            blocks: blocks.len(),
            ties: BTreeMap::new(),
            scopes: scopes.filter(|(_, within)| !within.is_empty()).collect(),
            counts,
        }
    }

    fn figure(&mut self, name: &str) -> usize {
        let next = self.figures.len();
        *self.figures.entry(name.to_owned()).or_insert(next)
    }

    /// Every figure of every office and period, from the earliest period on.
    fn flows(&mut self) {
        let figures = figures(self.tally);
        let scopes = self.scopes.clone();
        for figure in &figures {
            let number = self.figure(&figure.name);
            self.shortest.insert(figure.name.clone(), figure.shortest);
            let periods = periods(self.tally.months, figure.shortest);
            let parts: Vec<&'t Part> = figure
                .parts
                .iter()
                .filter_map(|part| self.tally.part(part))
                .collect();
            for (first, last) in &periods {
                let worth = worth(*first, *last);
                for (office, within) in &scopes {
                    let sum = self.sum(&parts, within, (*first, *last));
                    // What an office reports itself is what its parts leave of it.
                    if within.len() > 1 && within.contains(office) {
                        let own = self.sum(&parts, &[*office], (*first, *last));
                        self.hidden(own);
                    }
                    let offices = u64::try_from(within.len()).unwrap_or(1);
                    match figure.cost {
                        None => self.hidden(sum),
                        Some(_) if sum.is_empty() => {}
                        Some(cost) => {
                            let cell = self.table.published(sum, cost * worth * offices);
                            self.cells.insert((*office, number, *first, *last), cell);
                        }
                    }
                }
            }
        }
    }

    fn hidden(&mut self, sum: Vec<usize>) {
        if !sum.is_empty() {
            self.table.unpublished(sum);
        }
    }

    fn sum(&self, parts: &[&'t Part], offices: &[OfficeCode], months: (i32, i32)) -> Vec<usize> {
        let mut sum = Vec::new();
        for office in offices {
            for month in months.0..=months.1 {
                let of_month = parts.iter().map(|part| (*part, *office, month));
                sum.extend(of_month.filter_map(|key| self.counts.get(&key)));
            }
        }
        sum
    }

    /// What the residents of an office show of the year until a month's end.
    fn ties(&mut self) {
        let parts = self.tally.parts();
        let moving: Vec<(&'t Part, i64)> = parts
            .filter_map(|part| Some((part, part.adds_residents()?)))
            .collect();
        let scopes = self.scopes.clone();
        for month in self.tally.months.0..=self.tally.months.1 {
            let january = month - month.rem_euclid(12);
            for (office, within) in &scopes {
                if within.len() == 1 && !is_half_year(month) {
                    continue;
                }
                let mut tied = Vec::new();
                for (part, by) in &moving {
                    let counts = self.sum(&[*part], within, (january, month));
                    tied.extend(counts.into_iter().map(|count| (count, *by)));
                }
                if tied.is_empty() {
                    continue;
                }
                // To lose the end of a year is to lose all that come after it.
                let years = if is_december(month) { 100 } else { 1 };
                let offices = u64::try_from(within.len()).unwrap_or(1);
                let tie = self.table.tie(tied, STOCK_COST * years * offices);
                self.ties.insert((*office, month), tie);
            }
        }
    }

    /// The stocks of every month's last day.
    fn stocks(&mut self) {
        let scopes = self.scopes.clone();
        for stock in Stock::ALL {
            let number = self.figure(stock.as_str());
            for month in self.tally.months.0..=self.tally.months.1 {
                let mut now = BTreeMap::new();
                for office in self.tally.offices() {
                    let value = self.tally.stock(stock, office, month);
                    if value != 0 {
                        now.insert(office, self.table.count(value, self.blocks));
                    }
                }
                self.blocks += 1;
                for (office, within) in &scopes {
                    let sum: Vec<usize> = within
                        .iter()
                        .filter_map(|own| now.get(own))
                        .copied()
                        .collect();
                    if within.len() > 1 {
                        self.hidden(now.get(office).copied().into_iter().collect());
                    }
                    if !sum.is_empty() {
                        let offices = u64::try_from(within.len()).unwrap_or(1);
                        let cell = self.table.published(sum, STOCK_COST * offices);
                        self.cells.insert((*office, number, month, month), cell);
                    }
                }
            }
        }
    }
}

/// The last month of a year, of which January is 0.
fn is_december(month: i32) -> bool {
    month.rem_euclid(12) == 11
}

/// June or December.
fn is_half_year(month: i32) -> bool {
    month.rem_euclid(6) == 5
}

/// Parts that are summed up together anywhere, or move the same number, stand in one block.
fn family(part: &Part) -> &Part {
    match part {
        part if part.adds_residents().is_some() => &Part::Births(tally::MALE),
        Part::Checks { .. } => &Part::Checks { done: true },
        part => part,
    }
}

/// The figures that are sums of what happened, with those that could be found from them.
fn figures(tally: &Tally) -> Vec<Figure> {
    let figure = |name: &str, cost, parts: Vec<Part>| Figure {
        name: name.to_owned(),
        parts,
        cost,
        shortest: 1,
    };
    // By month, the zeros among boys and girls alone would give away too much of their sums.
    let of_sex = |name: &str, cost, parts| Figure {
        shortest: 3,
        ..figure(name, cost, parts)
    };
    let births = |sexes: &[&'static str]| sexes.iter().map(|sex| Part::Births(sex)).collect();
    let sexes = [tally::MALE, tally::FEMALE, tally::UNSTATED];
    let mut figures = vec![
        figure("births", Some(6), births(&sexes)),
        of_sex("births_male", Some(2), births(&sexes[..1])),
        of_sex("births_female", Some(2), births(&sexes[1..2])),
        of_sex("births_unstated", None, births(&sexes[2..])),
        figure("pregnancy_losses", Some(4), vec![Part::Losses]),
        figure("checks_done", Some(2), vec![Part::Checks { done: true }]),
        figure("checks_missed", Some(1), vec![Part::Checks { done: false }]),
        figure(
            "checks_due",
            Some(2),
            vec![Part::Checks { done: true }, Part::Checks { done: false }],
        ),
    ];
    for (kind, name) in tally::EVENTS {
        figures.push(figure(name, Some(4), vec![Part::Events(kind)]));
    }
    for part in tally.parts() {
        if let Part::Activity(kind) = part {
            let name = format!("{ACTIVITY}{kind}");
            figures.push(figure(&name, Some(2), vec![part.clone()]));
        }
    }
    figures
}

/// What a period is worth to readers: longer ones more, but a statistical year, which ends in
/// September and ties two calendar years together, less than their halves.
fn worth(first: i32, last: i32) -> u64 {
    match last - first + 1 {
        1 => 1,
        2..=3 => 2,
        7.. if last.rem_euclid(12) == 8 => 3,
        4..=6 => 6,
        _ => 8,
    }
}

/// First and last month of every period that is published and not shorter than that, without the
/// months before the first record; in order of their ends.
fn periods((first, last): (i32, i32), shortest: u32) -> Vec<(i32, i32)> {
    let mut periods: Vec<(i32, i32)> = Vec::new();
    for month in first..=last {
        // A year ends with December (11), a statistical year with September (8).
        let of_year = month.rem_euclid(12);
        let lengths = [
            (1, true),
            (3, of_year % 3 == 2),
            (6, of_year % 6 == 5),
            (12, of_year == 11 || of_year == 8),
        ];
        let shortest = i32::try_from(shortest).unwrap_or(i32::MAX);
        let long = lengths
            .into_iter()
            .filter(|(length, _)| *length >= shortest);
        for (length, _) in long.filter(|(_, ends)| *ends) {
            periods.push(((month - length + 1).max(first), month));
        }
    }
    periods.sort_unstable_by_key(|(first, last)| (*last, -*first));
    periods.dedup();
    periods
}

#[cfg(test)]
mod tests;
