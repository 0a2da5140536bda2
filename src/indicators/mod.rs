//! The indicators: what each is, how it is made of counts, and what it should be.
//!
//! What comes in: [`Counts`](counts::Counts) and [`Targets`]. What goes out: one [`Indicator`] per
//! definition, with numerator, denominator, exact value, its decimals, an interval where small
//! counts carry it, the target and a verdict. What may fail: a target that is no number. What must
//! stay true: what is counted is defined once, in [`Counted`], and each indicator once, in
//! [`DEFINITIONS`]; one that lacks its data says so instead of showing a number; what only an
//! office can report is quoted and never judged.
//!
//! | module | what it says |
//! |---|---|
//! | [`counted`] | what is counted, record by record |
//! | [`counts`], [`money`] | everything that is counted for one office and period |
//! | [`monthly`] | the same month by month |
//! | [`returned`] | which lines a return has |
//! | [`definitions`], `measures` | the indicators, and how they are made of counts |
//! | [`targets`], [`plan`] | what they should be, and the file that says so |
//! | [`gap`] | how far they are from it |
//! | [`following`] | counts that follow a ledger entry by entry |
//!
//! Rates are those of the United Nations Principles and Recommendations for a Vital Statistics
//! System: events of a year to 1,000 of the mean population. The mean population is that of the
//! first and the last day, halved (as China's statistical yearbooks take it); events of a shorter
//! period are multiplied to a year by its months. Stillbirth rates are the World Health
//! Organization's: stillbirths to 1,000 live births and stillbirths.

pub mod counted;
pub mod counts;
pub mod definitions;
pub mod following;
pub mod gap;
mod measures;
pub mod money;
pub mod monthly;
pub mod plan;
pub mod returned;
pub mod targets;

use serde::Serialize;

use self::counted::Counted;
use self::counts::Counts;
pub use self::definitions::{DEFINITIONS, Definition, Unit};
use self::targets::{Target, Targets, Verdict};
use crate::locale::{Bilingual, Language, Note, known_text};
use crate::statistics::Interval;
use crate::statistics::rational::Rational;

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
    /// The verdict; absent where there is a value and no target.
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
        let verdict = match (&reason, target, exact) {
            (Some(_), _, _) | (None, _, None) => Some(Verdict::InsufficientData),
            (None, Some(target), Some(value)) if target.is_met_by(value) => Some(Verdict::Met),
            (None, Some(_), Some(_)) => Some(Verdict::NotMet),
            (None, None, Some(_)) => None,
        };
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

impl Indicator {
    /// Its definition in the table; a plain count has none there.
    #[must_use]
    pub fn definition_of(&self) -> Option<&'static Definition> {
        DEFINITIONS.iter().find(|d| d.id == self.id)
    }

    /// Decimals of its value.
    #[must_use]
    pub fn decimals(&self) -> u32 {
        match self.unit {
            Unit::Count => 0,
            _ => self
                .definition_of()
                .map_or(2, |definition| definition.decimals),
        }
    }
}

impl Counted {
    /// The count as an indicator: a numerator, and nothing to divide it by.
    #[must_use]
    pub fn indicator(self, counts: &Counts) -> Indicator {
        let value = Rational::whole(counts.get(self));
        let general = if self.is_stock() {
            "counted-stock-definition"
        } else if self.is_returned() {
            "counted-returned-definition"
        } else {
            "counted-flow-definition"
        };
        let own = format!("figure-{}-definition", self.id());
        let of = |language| {
            known_text(language, &own, &[])
                .or_else(|| known_text(language, general, &[]))
                .unwrap_or_default()
        };
        Indicator {
            id: self.id(),
            title: self.title(),
            definition: Bilingual {
                en: of(Language::En),
                zh: of(Language::Zh),
            },
            numerator: Some(value),
            denominator: None,
            factor: Rational::whole(1),
            exact: Some(value),
            value: Some(value.to_decimal(0)),
            unit: Unit::Count,
            interval: None,
            test: None,
            quoted: None,
            target: None,
            verdict: None,
            reason: None,
            within_chance: false,
        }
    }
}

/// Every indicator of the table.
///
/// # Errors
/// When a target is no number.
pub fn evaluate_all(counts: &Counts, targets: &Targets) -> Result<Vec<Indicator>, IndicatorError> {
    DEFINITIONS
        .iter()
        .map(|definition| definition.evaluate(counts, targets))
        .collect()
}
