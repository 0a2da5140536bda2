//! How events are spread over days, and what day it is.
//!
//! A total and a number of days come in; for every day the numbers of its events go out, and for
//! every event its day. Nothing can fail. What must stay true: a calendar holds one number for a
//! day, however many events there are, and the events are spread as a Poisson process with that
//! total is (each falls on any day with the same probability).

use std::ops::Range;

use chrono::{Datelike, Months, NaiveDate};

use super::dice::{Purpose, below, stream};

/// Events numbered in the order of their days.
#[derive(Clone, Debug)]
pub(super) struct Calendar {
    /// `first[day]` is the number of the day's first event; one more entry than days.
    first: Vec<u64>,
}

impl Calendar {
    /// Spreads `total` events evenly, and at random, over `days` days (at least one).
    pub(super) fn spread(seed: u64, part: u64, total: u64, days: u32) -> Self {
        let mut rng = stream(seed, Purpose::Calendar, part);
        let mut counts = vec![0_u64; days.max(1) as usize];
        let bound = counts.len() as u64;
        for _ in 0..total {
            if let Some(count) =
                counts.get_mut(usize::try_from(below(&mut rng, bound)).unwrap_or(0))
            {
                *count += 1;
            }
        }
        Self::from_counts(&counts)
    }

    /// A calendar whose events fall on the given days of `0..days`.
    pub(super) fn fixed(on: impl Iterator<Item = i64>, days: u32) -> Self {
        let mut counts = vec![0_u64; days.max(1) as usize];
        for day in on {
            if let Some(count) = usize::try_from(day)
                .ok()
                .and_then(|day| counts.get_mut(day))
            {
                *count += 1;
            }
        }
        Self::from_counts(&counts)
    }

    fn from_counts(counts: &[u64]) -> Self {
        let mut first = Vec::with_capacity(counts.len() + 1);
        let mut sum = 0;
        first.push(0);
        for count in counts {
            sum += count;
            first.push(sum);
        }
        Self { first }
    }

    pub(super) fn total(&self) -> u64 {
        self.first.last().copied().unwrap_or(0)
    }

    /// The numbers of the events on `day`; empty outside the calendar.
    pub(super) fn on(&self, day: i64) -> Range<u64> {
        let bounds = usize::try_from(day)
            .ok()
            .and_then(|day| self.first.get(day..day + 2));
        bounds.map_or(0..0, |bounds| bounds[0]..bounds[1])
    }

    /// The day of an event.
    pub(super) fn day_of(&self, event: u64) -> i64 {
        let passed = self.first.partition_point(|first| *first <= event);
        i64::try_from(passed).unwrap_or(1) - 1
    }
}

/// The months of a delivery. Days are counted from its first day, which is day 0.
#[derive(Clone, Debug)]
pub(super) struct Span {
    start: NaiveDate,
    /// First day of each month; the last entry is the day after the end.
    months: Vec<i64>,
}

impl Span {
    /// `start` must be the first of a month; the caller has checked that.
    pub(super) fn new(start: NaiveDate, months: u32) -> Self {
        let days = (0..=months).map(|month| {
            let first = start
                .checked_add_months(Months::new(month))
                .unwrap_or(start);
            (first - start).num_days()
        });
        Self {
            start,
            months: days.collect(),
        }
    }

    pub(super) fn days(&self) -> u32 {
        self.months
            .last()
            .and_then(|day| u32::try_from(*day).ok())
            .unwrap_or(0)
    }

    pub(super) fn month_count(&self) -> usize {
        self.months.len() - 1
    }

    /// First day of a month; of the month after the last one, the day after the end.
    pub(super) fn first_of(&self, month: usize) -> i64 {
        self.months
            .get(month)
            .copied()
            .unwrap_or_else(|| i64::from(self.days()))
    }

    /// The month that holds `day`; days before the start count to the first month.
    pub(super) fn month_of(&self, day: i64) -> usize {
        self.months
            .partition_point(|first| *first <= day)
            .saturating_sub(1)
    }

    pub(super) fn date(&self, day: i64) -> NaiveDate {
        self.start
            .checked_add_signed(chrono::TimeDelta::days(day))
            .unwrap_or(self.start)
    }

    pub(super) fn start(&self) -> NaiveDate {
        self.start
    }

    /// `2014-06`.
    pub(super) fn period(&self, month: usize) -> String {
        self.date(self.first_of(month)).format("%Y-%m").to_string()
    }

    /// The day of month and day in a year, if it lies within the delivery and `tail` days more.
    pub(super) fn find(&self, year: i32, month: u32, day: u32, tail: i64) -> Option<i64> {
        let date = NaiveDate::from_ymd_opt(year, month, day)?;
        let day = (date - self.start).num_days();
        (0..i64::from(self.days()) + tail)
            .contains(&day)
            .then_some(day)
    }

    /// For a day from 1 to 15 October, the day of that 1 October, if the five days on either side
    /// of the statistical year's end are inside.
    pub(super) fn edge_before(&self, day: i64) -> Option<i64> {
        let date = self.date(day);
        let edge = day - i64::from(date.day0());
        let inside = edge >= 5 && edge + 5 <= i64::from(self.days());
        (date.month() == 10 && date.day() <= 15 && inside).then_some(edge)
    }

    /// Whether the day is one of the five before or after such an end of a statistical year.
    pub(super) fn is_near_edge(&self, day: i64) -> bool {
        let near = |ahead: i64| self.edge_before(day + ahead) == Some(day + ahead);
        (1..=5).any(near) || self.edge_before(day).is_some_and(|edge| day - edge < 5)
    }

    /// Whether the end of a statistical year lies inside, with five days on either side.
    pub(super) fn has_edge(&self) -> bool {
        (0..self.month_count()).any(|month| self.edge_before(self.first_of(month)).is_some())
    }

    /// The calendar years that the delivery touches.
    pub(super) fn years(&self) -> std::ops::RangeInclusive<i32> {
        self.start.year()..=self.date(i64::from(self.days()) - 1).year()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calendar_holds_every_event_once() {
        let calendar = Calendar::spread(1, 0, 5_000, 365);
        assert_eq!(calendar.total(), 5_000);
        let mut next = 0;
        for day in 0..365 {
            for event in calendar.on(day) {
                assert_eq!(event, next);
                assert_eq!(calendar.day_of(event), day);
                next += 1;
            }
        }
        assert_eq!(next, 5_000);
        assert!(calendar.on(-1).is_empty() && calendar.on(365).is_empty());
    }

    #[test]
    fn a_span_knows_its_months() {
        let span = Span::new(NaiveDate::from_ymd_opt(2014, 1, 1).unwrap(), 6);
        assert_eq!(span.days(), 181);
        assert_eq!(span.month_of(30), 0);
        assert_eq!(span.month_of(31), 1);
        assert_eq!(span.period(5), "2014-06");
        assert_eq!(span.find(2014, 2, 20, 0), Some(50));
        assert_eq!(span.find(2014, 8, 30, 30), None);
    }
}
