//! What a delivery is to hold, in numbers.
//!
//! Options come in, a plan goes out: offices, totals of persons and events, and, for the half-year
//! of the known figures, the exact births. Options outside their limits are refused with the limit
//! named. What must stay true: a plan says how many, never who; it is small whatever the size of
//! the delivery.

use chrono::{Datelike, NaiveDate};

use super::SimulateError;
use super::calendar::Span;
use super::dice::{Purpose, below, stream};
use super::faults::Fault;
use super::people::Class;

/// What [`super::write`] is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The same seed and options give the same bytes.
    pub seed: u64,
    /// Resident records at the start.
    pub population: u64,
    /// Length of the delivery.
    pub months: u32,
    /// First day, the first of a month.
    pub start: NaiveDate,
    /// Births that the villages report; by default 12.2 a year for 1,000 residents.
    pub births: Option<u64>,
    /// Village communities; up to 30 make a township.
    pub villages: u32,
    /// Faults to seed; none makes a clean delivery.
    pub faults: Vec<Fault>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            population: 60_000,
            months: 36,
            start: NaiveDate::from_ymd_opt(2013, 10, 1).unwrap_or_default(),
            births: None,
            villages: 12,
            faults: Vec::new(),
        }
    }
}

/// Villages of one township.
pub(super) const VILLAGES_PER_TOWNSHIP: u32 = 30;

/// A birth of a plan that fixes each one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FixedBirth {
    /// Day of birth; the plan keeps births in the order of their days.
    pub(super) day: i64,
    /// Days until the village reports it.
    pub(super) delay: i64,
    pub(super) female: bool,
}

/// The numbers of a delivery.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) seed: u64,
    pub(super) span: Span,
    pub(super) villages: u32,
    pub(super) households: u64,
    pub(super) classes: [u64; Class::COUNT],
    /// Births that villages report.
    pub(super) births: u64,
    /// Each birth, where the plan fixes them.
    pub(super) fixed_births: Option<Vec<FixedBirth>>,
    /// Births of mothers who live elsewhere, which only the hospital reports.
    pub(super) births_away: u64,
    pub(super) losses: u64,
    pub(super) deaths: u64,
    pub(super) marriages: u64,
    pub(super) arrivals: u64,
    pub(super) departures: u64,
    /// Days on which events other than births may fall, from the start.
    pub(super) event_days: u32,
}

impl Plan {
    /// Resident records.
    #[must_use]
    pub fn residents(&self) -> u64 {
        self.classes.iter().sum()
    }

    /// Household records.
    #[must_use]
    pub const fn households(&self) -> u64 {
        self.households
    }

    /// Births that villages report.
    #[must_use]
    pub const fn births(&self) -> u64 {
        self.births
    }

    pub(super) fn from_options(options: &Options) -> Result<Self, SimulateError> {
        check(options)?;
        let span = Span::new(options.start, options.months);
        let population = options.population;
        let mut classes = Class::ALL.map(|class| population * class.per_mille() / 1_000);
        // What rounding leaves over goes to the largest class.
        classes[Class::WorkingMan as usize] += population - classes.iter().sum::<u64>();
        let months = u64::from(options.months);
        // Events of all months at a yearly rate in 1,000,000 residents.
        let events = |rate: u64| population * rate * months / 12_000_000;
        let births = options.births.unwrap_or_else(|| events(12_200));
        let aged = classes[Class::ListedOldWoman as usize]
            + classes[Class::OldWoman as usize]
            + classes[Class::ListedOldMan as usize]
            + classes[Class::OldMan as usize];
        let movers = classes[Class::SingleWoman as usize] + classes[Class::WorkingMan as usize];
        Ok(Self {
            seed: options.seed,
            event_days: span.days(),
            span,
            villages: options.villages,
            households: (population * 3_564 / 7_509).max(u64::from(options.villages)),
            classes,
            births,
            fixed_births: None,
            births_away: births / 50,
            losses: births / 15,
            deaths: events(5_900).min(aged / 2),
            marriages: events(5_600),
            arrivals: events(3_300),
            departures: events(3_200).min(movers / 2),
        })
    }
}

fn check(options: &Options) -> Result<(), SimulateError> {
    let limits = [
        ("population", options.population, 100, 50_000_000),
        ("months", u64::from(options.months), 1, 120),
        ("villages", u64::from(options.villages), 1, 1_500),
        // A certificate number has nine digits.
        ("births", options.births.unwrap_or(0), 0, 500_000_000),
        (
            "population for each village",
            options.population / u64::from(options.villages.max(1)),
            20,
            50_000_000,
        ),
    ];
    for (option, value, least, most) in limits {
        if !(least..=most).contains(&value) {
            return Err(SimulateError::OutOfRange {
                option,
                value,
                least,
                most,
            });
        }
    }
    if options.start.day() != 1 || !(1990..=2090).contains(&options.start.year()) {
        return Err(SimulateError::Start {
            start: options.start,
        });
    }
    Ok(())
}

/// The plan of the known half-year: one community, January to June 2014, nothing reported after
/// its last day but the returns themselves.
#[must_use]
pub fn half_year(seed: u64) -> Plan {
    let start = NaiveDate::from_ymd_opt(2014, 1, 1).unwrap_or_default();
    let span = Span::new(start, 6);
    let mut classes = [0; Class::COUNT];
    // 867 married women of 15 to 49: mothers (20 to 40) and older wives (41 to 49).
    classes[Class::Mother as usize] = 598;
    classes[Class::Wife as usize] = 269;
    classes[Class::SingleWoman as usize] = 880;
    classes[Class::Girl as usize] = 640;
    classes[Class::MiddleWoman as usize] = 560;
    // The list of the family support has 404 names.
    classes[Class::ListedOldWoman as usize] = 207;
    classes[Class::OldWoman as usize] = 601;
    classes[Class::Boy as usize] = 820;
    classes[Class::ListedOldMan as usize] = 197;
    classes[Class::OldMan as usize] = 561;
    classes[Class::WorkingMan as usize] = 7_509 - classes.iter().sum::<u64>();
    let births = half_year_births(seed, &span);
    Plan {
        seed,
        villages: 1,
        households: 3_564,
        classes,
        births: births.len() as u64,
        fixed_births: Some(births),
        births_away: 0,
        losses: 0,
        deaths: 0,
        marriages: 4,
        arrivals: 0,
        departures: 0,
        // A marriage is reported within 30 days, and nothing after 30 June.
        event_days: span.days() - 31,
        span,
    }
}

/// Fourteen births, six boys and eight girls. Three of them, in the first five months, come too
/// late for their month's return, so that the six returns say eleven.
fn half_year_births(seed: u64, span: &Span) -> Vec<FixedBirth> {
    let mut rng = stream(seed, Purpose::Schedule, 0);
    let mut draw = |from: u64, to: u64| {
        i64::try_from(from + below(&mut rng, to - from + 1)).unwrap_or_default()
    };
    // The months of eleven births in time, at least one in each, then those of the three late.
    let mut timely: Vec<usize> = (0..6).collect();
    timely.extend((0..5).map(|_| usize::try_from(draw(0, 5)).unwrap_or(0)));
    let late: Vec<usize> = (0..3)
        .map(|_| usize::try_from(draw(0, 4)).unwrap_or(0))
        .collect();
    let mut births = Vec::new();
    for month in timely {
        // Born by the 15th and reported within 13 days: before the month is over.
        let day = span.first_of(month) + draw(0, 14);
        births.push(FixedBirth {
            day,
            delay: draw(3, 13),
            female: false,
        });
    }
    for month in late {
        // Born from the 20th on; 14 to 28 days later the next month's first day is past.
        let day = span.first_of(month) + draw(19, 26);
        births.push(FixedBirth {
            day,
            delay: draw(14, 28),
            female: false,
        });
    }
    births.sort_by_key(|birth| (birth.day, birth.delay));
    let mut girls = 0;
    while girls < 8 {
        let place = usize::try_from(draw(0, 13)).unwrap_or(0);
        if let Some(birth) = births.get_mut(place).filter(|birth| !birth.female) {
            birth.female = true;
            girls += 1;
        }
    }
    births
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_half_year_has_its_known_figures_for_every_seed() {
        for seed in 0..50 {
            let plan = half_year(seed);
            assert_eq!(
                (plan.households(), plan.residents(), plan.births()),
                (3_564, 7_509, 14)
            );
            let births = plan.fixed_births.unwrap();
            assert_eq!(births.iter().filter(|birth| birth.female).count(), 8);
            let in_time = births.iter().filter(|birth| {
                let next = plan.span.first_of(plan.span.month_of(birth.day) + 1);
                birth.day + birth.delay <= next
            });
            assert_eq!(in_time.count(), 11, "seed {seed}");
            assert!(births.iter().all(|birth| birth.day + birth.delay < 181));
        }
    }

    #[test]
    fn options_outside_their_limits_are_refused() {
        let refused = |options: Options| Plan::from_options(&options).is_err();
        assert!(!refused(Options::default()));
        assert!(refused(Options {
            population: 0,
            ..Options::default()
        }));
        assert!(refused(Options {
            months: 0,
            ..Options::default()
        }));
        assert!(refused(Options {
            villages: 0,
            ..Options::default()
        }));
        let start = NaiveDate::from_ymd_opt(2014, 1, 2).unwrap();
        assert!(refused(Options {
            start,
            ..Options::default()
        }));
    }
}
