//! How each indicator is made of counts.
//!
//! What comes in: [`Counts`] and [`Targets`]. What goes out: numerator, denominator, factor, and
//! what small numbers demand beside them: an exact interval, an exact test, a reason why nothing
//! can be said. What may fail: nothing. What must stay true: numbers are exact fractions; a part
//! of a whole has the interval of Clopper and Pearson, a rate of events that of Garwood.

use super::counted::Counted;
use super::counts::{Counts, QUOTED};
use super::targets::Targets;
use crate::locale::Note;
use crate::statistics::rational::Rational;
use crate::statistics::{
    Interval, binomial_interval_null, clopper_pearson, poisson_interval, sex_ratio_interval,
    share_of_ratio,
};

/// What counts say of an indicator. The value is `numerator / denominator * factor`.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    pub(super) numerator: Option<Rational>,
    pub(super) denominator: Option<Rational>,
    pub(super) factor: Rational,
    /// With the name of its method.
    pub(super) interval: Option<(Interval, &'static str)>,
    /// The p-value of the exact test.
    pub(super) test: Option<f64>,
    /// Why nothing can be said.
    pub(super) obstacle: Option<Note>,
    /// The office's own figure, word for word.
    pub(super) quoted: Option<String>,
}

impl Measured {
    fn ratio(numerator: Rational, denominator: Rational, factor: i128) -> Self {
        Self {
            numerator: Some(numerator),
            denominator: Some(denominator),
            factor: Rational::whole(factor),
            interval: None,
            test: None,
            obstacle: None,
            quoted: None,
        }
    }

    fn nothing(obstacle: Note) -> Self {
        Self {
            numerator: None,
            denominator: None,
            factor: Rational::whole(1),
            interval: None,
            test: None,
            obstacle: Some(obstacle),
            quoted: None,
        }
    }

    /// Share of `part` in `all` in so many (100 for per cent), with its Clopper-Pearson interval.
    fn share(part: u64, all: u64, in_so_many: u32) -> Self {
        let interval = clopper_pearson(part, all).scaled(f64::from(in_so_many));
        Self {
            interval: Some((interval, "clopper_pearson")),
            ..Self::ratio(whole(part), whole(all), i128::from(in_so_many))
        }
    }

    pub(super) fn value(&self) -> Option<Rational> {
        self.numerator?.over(self.denominator?)?.times(self.factor)
    }
}

fn whole(count: u64) -> Rational {
    Rational::whole(i128::from(count))
}

/// Months of the period, by which its events are multiplied to a year.
fn months(counts: &Counts) -> i128 {
    counts.months.len().max(1) as i128
}

/// Events to 1,000 of the mean population in a year.
fn annual_rate(counts: &Counts, events: i128) -> Measured {
    if counts.residents_first_day <= 0 {
        return Measured::nothing(Note::new("register_starts_later", &[]));
    }
    let sum = counts.residents_first_day + counts.get(Counted::Residents);
    let mean = Rational::new(sum, 2).unwrap_or(Rational::whole(0));
    Measured {
        factor: Rational::new(12_000, months(counts)).unwrap_or(Rational::whole(1000)),
        ..Measured::ratio(Rational::whole(events), mean, 1)
    }
}

pub(super) fn crude_birth_rate(counts: &Counts, _: &Targets) -> Measured {
    let births = counts.count_of(Counted::Births);
    let measured = annual_rate(counts, i128::from(births));
    let to_rate = measured
        .denominator
        .and_then(|mean| measured.factor.over(mean))
        .map(Rational::approximate);
    Measured {
        interval: to_rate.map(|f| (poisson_interval(births).scaled(f), "poisson_exact")),
        ..measured
    }
}

pub(super) fn natural_increase(counts: &Counts, _: &Targets) -> Measured {
    annual_rate(
        counts,
        counts.get(Counted::Births) - counts.get(Counted::Deaths),
    )
}

pub(super) fn sex_ratio_at_birth(counts: &Counts, targets: &Targets) -> Measured {
    let boys = counts.count_of(Counted::BirthsMale);
    let girls = counts.count_of(Counted::BirthsFemale);
    let births = boys + girls;
    let interval = sex_ratio_interval(boys, girls);
    let number = |cell: &crate::model::cell::Decimal| {
        Rational::of_decimal(&cell.0).map(Rational::approximate)
    };
    let null = number(&targets.sex_ratio_at_birth_from).zip(number(&targets.sex_ratio_at_birth_to));
    let least = targets.sex_ratio_least_births;
    let obstacle = match (interval, null) {
        _ if births < least => Some(Note::new(
            "too_few_births",
            &[
                ("births", &births.to_string()),
                ("least", &least.to_string()),
            ],
        )),
        // Outside the range, but chance alone could have put it there: nothing is shown.
        (Some(interval), Some((from, to))) => {
            let share = interval.low <= to && from <= interval.high;
            let outside = !(from..=to).contains(&approximate_ratio(boys, girls));
            (share && outside).then(|| Note::new("sex_ratio_within_chance", &[]))
        }
        _ => None,
    };
    let test = null.filter(|_| births > 0).map(|(from, to)| {
        binomial_interval_null(boys, births, share_of_ratio(from), share_of_ratio(to))
    });
    Measured {
        interval: interval.map(|interval| (interval, "clopper_pearson")),
        test,
        obstacle,
        ..Measured::ratio(whole(boys), whole(girls), 100)
    }
}

/// Boys to 100 girls; infinite where there are none.
fn approximate_ratio(boys: u64, girls: u64) -> f64 {
    whole(boys)
        .over(whole(girls))
        .map_or(f64::INFINITY, |ratio| 100.0 * ratio.approximate())
}

pub(super) fn preconception_check_coverage(counts: &Counts, _: &Targets) -> Measured {
    let Some(checks) = counts.checks else {
        return Measured::nothing(Note::new("no_checks", &[]));
    };
    // Only a part of a whole has an interval; more checks than persons due is shown as it is.
    match (u64::try_from(checks.done), u64::try_from(checks.eligible)) {
        (Ok(done), Ok(eligible)) if done <= eligible => Measured::share(done, eligible, 100),
        _ => Measured::ratio(
            Rational::whole(checks.done),
            Rational::whole(checks.eligible),
            100,
        ),
    }
}

pub(super) fn reward_fulfilment(counts: &Counts, _: &Targets) -> Measured {
    let rewards = &counts.rewards;
    if rewards.due_fen > 0 {
        let yuan = |fen| Rational::new(fen, 100).unwrap_or(Rational::whole(0));
        // A sum in which one person is paid twice can hide another who is not paid at all.
        let more = rewards.paid_fen > rewards.due_fen;
        return Measured {
            obstacle: more.then(|| Note::new("more_paid_than_due", &[])),
            ..Measured::ratio(yuan(rewards.paid_fen), yuan(rewards.due_fen), 100)
        };
    }
    Measured::nothing(rewards.next_due.map_or_else(
        || Note::new("nothing_due", &[]),
        |due| Note::dated("not_due_until", due),
    ))
}

pub(super) fn programme_funding_per_head(counts: &Counts, _: &Targets) -> Measured {
    let Some(funding) = counts.funding else {
        return Measured::nothing(Note::new("no_appropriation", &[]));
    };
    if funding.residents <= 0 {
        return Measured::nothing(Note::new("register_starts_later", &[]));
    }
    let yuan = Rational::new(funding.amount_fen, 100).unwrap_or(Rational::whole(0));
    Measured::ratio(yuan, Rational::whole(funding.residents), 1)
}

/// Births of the period that were reported in time, of those that are known.
fn reported_in_time(counts: &Counts, in_time: Counted) -> Measured {
    let births = counts.count_of(Counted::Births);
    if births == 0 {
        return Measured::nothing(Note::new("no_births", &[]));
    }
    Measured::share(counts.count_of(in_time), births, 100)
}

pub(super) fn timeliness(counts: &Counts, _: &Targets) -> Measured {
    reported_in_time(counts, Counted::BirthsTimely)
}

pub(super) fn timeliness_one_year(counts: &Counts, _: &Targets) -> Measured {
    reported_in_time(counts, Counted::BirthsWithinAYear)
}

/// Stillbirths to 1,000 live births and stillbirths.
fn stillbirth_rate(counts: &Counts, stillbirths: Counted) -> Measured {
    let still = counts.count_of(stillbirths);
    let all = counts.count_of(Counted::Births) + still;
    if all == 0 {
        return Measured::nothing(Note::new("no_births", &[]));
    }
    // A loss whose gestation nobody stated may be a stillbirth or not: the rate is not known.
    let unknown = counts.count_of(Counted::LossesOfUnknownGestation);
    let known = (unknown > 0).then(|| {
        let losses = counts.count_of(Counted::PregnancyLosses).to_string();
        Note::new(
            "gestation_not_known",
            &[("unknown", &unknown.to_string()), ("losses", &losses)],
        )
    });
    Measured {
        obstacle: known,
        ..Measured::share(still, all, 1000)
    }
}

pub(super) fn stillbirth_rate_28_weeks(counts: &Counts, _: &Targets) -> Measured {
    stillbirth_rate(counts, Counted::StillbirthsFrom28Weeks)
}

pub(super) fn stillbirth_rate_22_weeks(counts: &Counts, _: &Targets) -> Measured {
    stillbirth_rate(counts, Counted::StillbirthsFrom22Weeks)
}

pub(super) fn statistical_accuracy(_: &Counts, _: &Targets) -> Measured {
    Measured::nothing(Note::new("needs_field_verification", &[]))
}

/// A figure that an office reports of itself, by its place in [`QUOTED`].
pub(super) fn quoted<const AT: usize>(counts: &Counts, _: &Targets) -> Measured {
    let figure = counts.quoted.get(QUOTED[AT]).cloned();
    let reason = if figure.is_some() {
        "reported_only"
    } else {
        "not_reported"
    };
    Measured {
        quoted: figure,
        ..Measured::nothing(Note::new(reason, &[]))
    }
}
