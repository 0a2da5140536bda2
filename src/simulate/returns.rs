//! Monthly returns and the counts behind them.
//!
//! Village reports come in one by one, in the order of their days; on a return's day its figures
//! go out. Only the disk can fail. What must stay true: a village's return counts what happened
//! in its month and had been reported by the day it left, which is simply what has been counted
//! up to that moment; a township's return is the sum of its villages' returns; the population is
//! residents + births + arrivals - deaths - departures up to the month's end. The counts are one
//! row for each village and month.

use super::SimulateError;
use super::delivery::{Delivery, Kind};
use super::faults::Truth;
use super::seeds::Seeds;
use super::world::{World, township_code, township_of, village_code};

/// Figures of one return, in the order of [`INDICATORS`].
pub(super) type Line = [i64; 8];

const INDICATORS: [&str; 8] = [
    "births",
    "births_male",
    "births_female",
    "marriages",
    "deaths",
    "arrivals",
    "departures",
    "population",
];
pub(super) const BIRTHS: usize = 0;
pub(super) const BOYS: usize = 1;
pub(super) const GIRLS: usize = 2;
pub(super) const MARRIAGES: usize = 3;
pub(super) const DEATHS: usize = 4;
pub(super) const ARRIVALS: usize = 5;
pub(super) const DEPARTURES: usize = 6;
pub(super) const POPULATION: usize = 7;

/// Days after the month's end: villages on the 1st, townships on the 3rd, the late on the 12th.
const TOWNSHIP_DAY: i64 = 2;
const LATE_DAY: i64 = 11;

/// Counts and the returns that wait.
#[derive(Clone, Debug)]
pub(super) struct Returns {
    /// By village and month.
    counts: Vec<Line>,
    residents: Vec<i64>,
    months: usize,
    /// Sums of the returns of the month that is being returned, by township.
    sums: Vec<Line>,
    next_record: u64,
}

impl Returns {
    pub(super) fn new(world: &World) -> Self {
        let months = world.plan.span.month_count();
        let villages = world.plan.villages as usize;
        Self {
            counts: vec![[0; 8]; villages * months],
            residents: vec![0; villages],
            months,
            sums: vec![[0; 8]; world.townships() as usize],
            next_record: 1,
        }
    }

    pub(super) fn resident(&mut self, village: u32) {
        if let Some(residents) = self.residents.get_mut(village as usize) {
            *residents += 1;
        }
    }

    /// Counts a village's report of something that happened on `day`.
    pub(super) fn count(&mut self, world: &World, village: u32, day: i64, indicator: usize) {
        let month = world.plan.span.month_of(day).min(self.months - 1);
        if let Some(line) = self.counts.get_mut(village as usize * self.months + month) {
            line[indicator] += 1;
        }
    }

    /// Counts a village's report of a birth.
    pub(super) fn birth(&mut self, world: &World, village: u32, day: i64, female: bool) {
        self.count(world, village, day, BIRTHS);
        self.count(world, village, day, if female { GIRLS } else { BOYS });
    }

    /// Residents of a township as reported so far.
    pub(super) fn population(&self, world: &World, township: u32) -> i64 {
        let villages = world.villages_of(township);
        villages
            .map(|village| self.balance(village, self.months - 1))
            .sum()
    }

    fn balance(&self, village: u32, month: usize) -> i64 {
        let first = village as usize * self.months;
        let lines = self.counts.get(first..=first + month).unwrap_or_default();
        let change = |line: &Line| line[BIRTHS] + line[ARRIVALS] - line[DEATHS] - line[DEPARTURES];
        self.residents.get(village as usize).copied().unwrap_or(0)
            + lines.iter().map(change).sum::<i64>()
    }

    fn figures(&self, village: u32, month: usize) -> Line {
        let mut line = self.counts[village as usize * self.months + month];
        line[POPULATION] = self.balance(village, month);
        line
    }

    /// Writes the returns that leave at the end of `day`.
    pub(super) fn submit(
        &mut self,
        world: &World,
        seeds: &Seeds,
        delivery: &mut Delivery,
        day: i64,
    ) -> Result<(), SimulateError> {
        let span = &world.plan.span;
        for month in 0..self.months {
            let due = span.first_of(month + 1);
            if day == due {
                self.sums.fill([0; 8]);
            }
            if day == due || day == due + LATE_DAY {
                for village in 0..world.plan.villages {
                    if seeds.is_late(village, month) == (day != due) {
                        self.village(world, seeds, delivery, (village, month), day)?;
                    }
                }
            }
            if day == due + TOWNSHIP_DAY || day == due + LATE_DAY {
                for township in 0..world.townships() {
                    let late = |village| seeds.is_late(village, month);
                    let waits = world.villages_of(township).any(late);
                    if waits == (day == due + LATE_DAY) {
                        self.township(world, seeds, delivery, (township, month))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn village(
        &mut self,
        world: &World,
        seeds: &Seeds,
        delivery: &mut Delivery,
        (village, month): (u32, usize),
        day: i64,
    ) -> Result<(), SimulateError> {
        let mut line = self.figures(village, month);
        if let Some(truth) = seeds.alter_return(village, month, &mut line, self.next_record) {
            truth.write(delivery)?;
        }
        if let Some(sum) = self.sums.get_mut(township_of(village) as usize) {
            for (sum, value) in sum.iter_mut().zip(line) {
                *sum += value;
            }
        }
        let clerk = format!("clerk-{:03}", village + 1);
        self.write(
            world,
            delivery,
            village_code(village),
            month,
            (day, &clerk),
            &line,
        )?;
        match &seeds.rate_bases {
            Some((own, wrong)) if *own == village => self.rates(
                world,
                delivery,
                (village, month),
                (day, &clerk),
                (&line, wrong.contains(&month)),
            ),
            _ => Ok(()),
        }
    }

    /// Writes two rates of a return, `wrong` ones with two populations.
    fn rates(
        &mut self,
        world: &World,
        delivery: &mut Delivery,
        (village, month): (u32, usize),
        (day, clerk): (i64, &str),
        (line, wrong): (&Line, bool),
    ) -> Result<(), SimulateError> {
        let first = self.next_record;
        let population = line[POPULATION].max(1);
        for (indicator, place) in [("crude_birth_rate", BIRTHS), ("crude_death_rate", DEATHS)] {
            let other = if wrong && place == DEATHS {
                population / 10 + 1
            } else {
                0
            };
            let (events, population) = (line[place], population + other);
            // A year's events of 1,000, to two decimals.
            let hundredths = 1_200_000 * events / population;
            let whole = |number: i64| u64::try_from(number).unwrap_or(0);
            let sheet = delivery.sheet(Kind::Returns);
            sheet
                .code('Q', self.next_record, 7)
                .text("village")
                .number(village_code(village))
                .text(&world.plan.span.period(month))
                .text(indicator)
                .text(&format!("{}.{:02}", hundredths / 100, hundredths % 100))
                .number(whole(events))
                .number(whole(population));
            sheet.date(world.plan.span.date(day)).text(clerk).end()?;
            self.next_record += 1;
        }
        if wrong {
            let keys = format!("Q{first:07} Q{:07}", first + 1);
            Truth::all("rate_bases", "AR3", keys).write(delivery)?;
        }
        Ok(())
    }

    fn township(
        &mut self,
        world: &World,
        seeds: &Seeds,
        delivery: &mut Delivery,
        (township, month): (u32, usize),
    ) -> Result<(), SimulateError> {
        let mut line = self
            .sums
            .get(township as usize)
            .copied()
            .unwrap_or_default();
        if let Some(indicator) = seeds.townships.get(&(township, month)) {
            line[*indicator] += 4;
            let key = format!("Q{:07}", self.next_record + *indicator as u64);
            Truth::any("township_sum", "AR1", key).write(delivery)?;
        }
        let clerk = format!("town-clerk-{}", township + 1);
        let day = world.plan.span.first_of(month + 1) + TOWNSHIP_DAY;
        self.write(
            world,
            delivery,
            township_code(township),
            month,
            (day, &clerk),
            &line,
        )
    }

    fn write(
        &mut self,
        world: &World,
        delivery: &mut Delivery,
        office: u64,
        month: usize,
        (day, clerk): (i64, &str),
        line: &Line,
    ) -> Result<(), SimulateError> {
        let sheet = delivery.sheet(Kind::Returns);
        let period = world.plan.span.period(month);
        for (indicator, value) in INDICATORS.iter().zip(line) {
            sheet
                .code('Q', self.next_record, 7)
                .text("village")
                .number(office)
                .text(&period);
            sheet
                .text(indicator)
                .number(u64::try_from(*value).unwrap_or(0))
                .blank(2);
            sheet.date(world.plan.span.date(day)).text(clerk).end()?;
            self.next_record += 1;
        }
        Ok(())
    }
}
