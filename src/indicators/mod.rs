//! The indicators: what each is, how it is made of counts, and what it should be.
//!
//! What comes in: [`Counts`] and [`Targets`]. What goes out: one [`Indicator`] per definition,
//! with numerator, denominator, exact value, its decimals, an interval where small counts carry
//! it, the target and a verdict. What may fail: a target that is no number. What must stay true:
//! each indicator is defined once, in [`DEFINITIONS`]; one that lacks its data says so instead of
//! showing a number; what only an office can report is quoted and never judged.
//!
//! Rates are those of the United Nations Principles and Recommendations for a Vital Statistics
//! System: events of a year to 1,000 of the mean population. The mean population is that of the
//! first and the last day, halved (as China's statistical yearbooks take it); events of a shorter
//! period are multiplied to a year by its months.

pub mod counts;
pub mod following;
pub mod returned;
pub mod targets;

use serde::Serialize;

use self::counts::{Counts, QUOTED};
use self::targets::{Target, Targets, Verdict};
use crate::locale::{Bilingual, Note};
use crate::statistics::rational::Rational;
use crate::statistics::{
    Interval, binomial_interval_null, clopper_pearson, poisson_interval, sex_ratio_interval,
    share_of_ratio,
};

/// Why an indicator cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum IndicatorError {
    /// A target that is not a decimal number.
    #[error("target {name} is {value:?}, which is no number; write it as 15.0")]
    BadTarget {
        /// Which target.
        name: &'static str,
        /// What it says.
        value: String,
    },
}

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Of 1,000 residents in a year.
    PerMilleAYear,
    /// Of 100.
    PerCent,
    /// Boys to 100 girls.
    BoysTo100Girls,
    /// Yuan to a resident.
    YuanPerHead,
}

impl Unit {
    /// The key of its text.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::PerMilleAYear => "unit-per_mille_a_year",
            Self::PerCent => "unit-per_cent",
            Self::BoysTo100Girls => "unit-boys_to_100_girls",
            Self::YuanPerHead => "unit-yuan_per_head",
        }
    }
}

/// The target of an indicator in the table of targets.
pub type TargetOf = fn(&Targets) -> Result<Target, IndicatorError>;

/// One indicator: everything that is fixed about it. Its texts have the keys `indicator-<id>`
/// and `indicator-<id>-definition`.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// Stable name.
    pub id: &'static str,
    /// Unit of the value.
    pub unit: Unit,
    /// Decimals of the value.
    pub decimals: u32,
    /// Decimals of the interval's limits.
    pub interval_decimals: usize,
    /// Decimals of the target, at least.
    pub target_decimals: u32,
    /// The target, where the plan has one.
    pub target: Option<TargetOf>,
    /// How it is made of counts.
    pub measure: fn(&Counts, &Targets) -> Measured,
}

/// What counts say of an indicator. The value is `numerator / denominator * factor`.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    numerator: Option<Rational>,
    denominator: Option<Rational>,
    factor: Rational,
    interval: Option<(Interval, &'static str)>,
    test: Option<f64>,
    obstacle: Option<Note>,
    quoted: Option<String>,
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

    /// Share of `part` in `all` in per cent, with its Clopper-Pearson interval.
    fn share(part: u64, all: u64) -> Self {
        let interval = clopper_pearson(part, all).scaled(100.0);
        Self {
            interval: Some((interval, "clopper_pearson")),
            ..Self::ratio(whole(part), whole(all), 100)
        }
    }

    fn value(&self) -> Option<Rational> {
        self.numerator?.over(self.denominator?)?.times(self.factor)
    }
}

fn whole(count: u64) -> Rational {
    Rational::whole(i128::from(count))
}

/// Limits of an interval as text, so that no reader rounds them again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Lower limit.
    pub low: String,
    /// Upper limit; absent when there is none.
    pub high: Option<String>,
    /// Confidence in per cent.
    pub confidence: u8,
    /// `clopper_pearson` or `poisson_exact`.
    pub method: &'static str,
}

/// An exact test of the sex ratio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Test {
    /// The largest p-value over the null.
    pub p_value: String,
    /// The ratios of the null.
    pub null: Target,
    /// `binomial_small_p_values`.
    pub method: &'static str,
}

/// One indicator of one office and period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Indicator {
    /// Stable name.
    pub id: &'static str,
    /// Its name.
    pub title: Bilingual,
    /// What it is.
    pub definition: Bilingual,
    /// Numerator as counted.
    pub numerator: Option<Rational>,
    /// Denominator as counted.
    pub denominator: Option<Rational>,
    /// By what their quotient is multiplied.
    pub factor: Rational,
    /// The exact value.
    pub exact: Option<Rational>,
    /// The value with its decimals.
    pub value: Option<String>,
    /// What the value counts.
    pub unit: Unit,
    /// 95% interval.
    pub interval: Option<Limits>,
    /// Exact test.
    pub test: Option<Test>,
    /// A figure quoted from the office's own return, word for word.
    pub quoted: Option<String>,
    /// The target.
    pub target: Option<Target>,
    /// The verdict; absent where there is no target.
    pub verdict: Option<Verdict>,
    /// Why nothing can be said.
    pub reason: Option<Note>,
    /// Whether the interval reaches across the target, so that chance alone could turn the
    /// verdict.
    pub within_chance: bool,
}

impl Definition {
    /// The indicator for these counts.
    ///
    /// # Errors
    /// When its target is no number.
    pub fn evaluate(
        &self,
        counts: &Counts,
        targets: &Targets,
    ) -> Result<Indicator, IndicatorError> {
        let measured = (self.measure)(counts, targets);
        let target = self.target.map(|target| target(targets)).transpose()?;
        let exact = measured.value();
        let reason = match (&measured.obstacle, exact) {
            (Some(obstacle), _) => Some(obstacle.clone()),
            (None, None) => Some(Note::new("no_denominator", &[])),
            (None, Some(_)) => None,
        };
        let verdict = target.map(|target| match (&reason, exact) {
            (None, Some(value)) if target.is_met_by(value) => Verdict::Met,
            (None, Some(_)) => Verdict::NotMet,
            _ => Verdict::InsufficientData,
        });
        let crosses = |limit: Rational| {
            let interval = measured.interval.as_ref();
            interval.is_some_and(|(interval, _)| interval.contains(limit.approximate()))
        };
        let within_chance = reason.is_none()
            && match target {
                Some(Target::AtMost { limit } | Target::AtLeast { limit }) => crosses(limit),
                Some(Target::Between { .. }) | None => false,
            };
        let key = format!("indicator-{}", self.id);
        Ok(Indicator {
            id: self.id,
            title: Bilingual::of(&key, &[]),
            definition: Bilingual::of(&format!("{key}-definition"), &[]),
            numerator: measured.numerator,
            denominator: measured.denominator,
            factor: measured.factor,
            exact,
            value: exact.map(|value| value.to_decimal(self.decimals)),
            unit: self.unit,
            // Boys without a girl have no ratio, but an interval.
            interval: measured
                .interval
                .filter(|_| exact.is_some() || measured.test.is_some())
                .map(|(interval, method)| limits(interval, self.interval_decimals, method)),
            test: measured.test.zip(target).map(|(p, null)| Test {
                p_value: p_text(p),
                null,
                method: "binomial_small_p_values",
            }),
            quoted: measured.quoted,
            target,
            verdict,
            reason,
            within_chance,
        })
    }
}

fn limits(interval: Interval, decimals: usize, method: &'static str) -> Limits {
    Limits {
        low: format!("{:.decimals$}", interval.low),
        high: interval
            .high
            .is_finite()
            .then(|| format!("{:.decimals$}", interval.high)),
        confidence: 95,
        method,
    }
}

/// A p-value with two significant places, as journals print it.
fn p_text(p: f64) -> String {
    if p < 0.001 {
        "<0.001".to_owned()
    } else if p < 0.1 {
        format!("{p:.3}")
    } else {
        format!("{p:.2}")
    }
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
    let sum = counts.residents_first_day + counts.residents;
    let mean = Rational::new(sum, 2).unwrap_or(Rational::whole(0));
    Measured {
        factor: Rational::new(12_000, months(counts)).unwrap_or(Rational::whole(1000)),
        ..Measured::ratio(Rational::whole(events), mean, 1)
    }
}

fn crude_birth_rate(counts: &Counts, _: &Targets) -> Measured {
    let births = counts.births.total;
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

fn natural_increase(counts: &Counts, _: &Targets) -> Measured {
    annual_rate(
        counts,
        i128::from(counts.births.total) - i128::from(counts.deaths),
    )
}

fn sex_ratio_at_birth(counts: &Counts, targets: &Targets) -> Measured {
    let (boys, girls) = (counts.births.boys, counts.births.girls);
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
            let outside = !(from..=to).contains(&Measured::approximate_ratio(boys, girls));
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

impl Measured {
    fn approximate_ratio(boys: u64, girls: u64) -> f64 {
        whole(boys)
            .over(whole(girls))
            .map_or(f64::INFINITY, |ratio| 100.0 * ratio.approximate())
    }
}

fn preconception_check_coverage(counts: &Counts, _: &Targets) -> Measured {
    let Some(checks) = counts.checks else {
        return Measured::nothing(Note::new("no_checks", &[]));
    };
    // Only a part of a whole has an interval; more checks than persons due is shown as it is.
    match (u64::try_from(checks.done), u64::try_from(checks.eligible)) {
        (Ok(done), Ok(eligible)) if done <= eligible => Measured::share(done, eligible),
        _ => Measured::ratio(
            Rational::whole(checks.done),
            Rational::whole(checks.eligible),
            100,
        ),
    }
}

fn reward_fulfilment(counts: &Counts, _: &Targets) -> Measured {
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

fn programme_funding_per_head(counts: &Counts, _: &Targets) -> Measured {
    let Some(funding) = counts.funding else {
        return Measured::nothing(Note::new("no_appropriation", &[]));
    };
    if funding.residents <= 0 {
        return Measured::nothing(Note::new("register_starts_later", &[]));
    }
    let yuan = Rational::new(funding.amount_fen, 100).unwrap_or(Rational::whole(0));
    Measured::ratio(yuan, Rational::whole(funding.residents), 1)
}

fn timeliness(counts: &Counts, _: &Targets) -> Measured {
    if counts.births.total == 0 {
        return Measured::nothing(Note::new("no_births", &[]));
    }
    Measured::share(counts.births.timely, counts.births.total)
}

fn statistical_accuracy(_: &Counts, _: &Targets) -> Measured {
    Measured::nothing(Note::new("needs_field_verification", &[]))
}

fn quoted(counts: &Counts, name: &'static str) -> Measured {
    let figure = counts.quoted.get(name).cloned();
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

/// A definition with the decimals of most shares.
const fn per_cent(id: &'static str, measure: fn(&Counts, &Targets) -> Measured) -> Definition {
    Definition {
        id,
        unit: Unit::PerCent,
        decimals: 1,
        interval_decimals: 1,
        target_decimals: 0,
        target: None,
        measure,
    }
}

const fn annual(id: &'static str, measure: fn(&Counts, &Targets) -> Measured) -> Definition {
    Definition {
        id,
        unit: Unit::PerMilleAYear,
        decimals: 2,
        interval_decimals: 2,
        target_decimals: 1,
        target: None,
        measure,
    }
}

/// Every indicator, in the order of the report.
pub const DEFINITIONS: &[Definition] = &[
    Definition {
        target: Some(|t| Target::at_most("crude_birth_rate_at_most", &t.crude_birth_rate_at_most)),
        ..annual("crude_birth_rate", crude_birth_rate)
    },
    Definition {
        target: Some(|t| Target::at_most("natural_increase_at_most", &t.natural_increase_at_most)),
        ..annual("natural_increase", natural_increase)
    },
    Definition {
        id: "sex_ratio_at_birth",
        unit: Unit::BoysTo100Girls,
        decimals: 1,
        interval_decimals: 0,
        target_decimals: 0,
        target: Some(|t| {
            let (from, to) = (&t.sex_ratio_at_birth_from, &t.sex_ratio_at_birth_to);
            Target::between("sex_ratio_at_birth", from, to)
        }),
        measure: sex_ratio_at_birth,
    },
    Definition {
        target: Some(|t| {
            let least = &t.preconception_check_coverage_at_least;
            Target::at_least("preconception_check_coverage_at_least", least)
        }),
        ..per_cent("preconception_check_coverage", preconception_check_coverage)
    },
    Definition {
        target: Some(|t| {
            Target::at_least("reward_fulfilment_at_least", &t.reward_fulfilment_at_least)
        }),
        ..per_cent("reward_fulfilment", reward_fulfilment)
    },
    Definition {
        id: "programme_funding_per_head",
        unit: Unit::YuanPerHead,
        decimals: 2,
        interval_decimals: 2,
        target_decimals: 2,
        target: Some(|t| {
            let least = &t.programme_funding_per_head_at_least;
            Target::at_least("programme_funding_per_head_at_least", least)
        }),
        measure: programme_funding_per_head,
    },
    per_cent("timeliness", timeliness),
    Definition {
        target: Some(|t| {
            let least = &t.statistical_accuracy_at_least;
            Target::at_least("statistical_accuracy_at_least", least)
        }),
        ..per_cent("statistical_accuracy", statistical_accuracy)
    },
    Definition {
        target: Some(|t| Target::at_least("satisfaction_at_least", &t.satisfaction_at_least)),
        ..per_cent(QUOTED[0], |counts, _| quoted(counts, QUOTED[0]))
    },
    Definition {
        target: Some(|t| {
            let least = &t.policy_compliance_at_least;
            Target::at_least("policy_compliance_at_least", least)
        }),
        ..per_cent(QUOTED[1], |counts, _| quoted(counts, QUOTED[1]))
    },
    Definition {
        target: Some(|t| {
            let most = &t.share_outside_policy_at_most;
            Target::at_most("share_outside_policy_at_most", most)
        }),
        ..per_cent(QUOTED[2], |counts, _| quoted(counts, QUOTED[2]))
    },
];

impl Indicator {
    /// Its definition in the table.
    #[must_use]
    pub fn definition_of(&self) -> Option<&'static Definition> {
        DEFINITIONS.iter().find(|d| d.id == self.id)
    }
}
