//! The targets of a published plan, and how a figure is held against one.
//!
//! What comes in: a table of decimal numbers, by default those of a township's published plan,
//! otherwise those of a file ([`plan`](super::plan)).
//! What goes out: a [`Target`] per indicator, and the verdict of a value against it. What may
//! fail: a target that is no decimal number. What must stay true: the comparison is exact, on the
//! unrounded value, and a target is never compared with a figure that only an office reported.

use serde::{Deserialize, Serialize};

use super::IndicatorError;
use super::plan::PlanSource;
use crate::model::cell::Decimal;
use crate::statistics::rational::Rational;

/// The targets, by indicator. Each can be set in a targets file; what is left out has its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Targets {
    /// Live births to 1,000 residents in a year, at most.
    pub crude_birth_rate_at_most: Decimal,
    /// Births less deaths to 1,000 residents in a year, at most.
    pub natural_increase_at_most: Decimal,
    /// Lower end of what the sex ratio at birth tends to, boys to 100 girls.
    pub sex_ratio_at_birth_from: Decimal,
    /// Upper end of it.
    pub sex_ratio_at_birth_to: Decimal,
    /// Preconception checks done of those due, per cent, at least.
    pub preconception_check_coverage_at_least: Decimal,
    /// Rewards paid of those due, per cent, at least.
    pub reward_fulfilment_at_least: Decimal,
    /// Programme funding to a resident, yuan a year, at least.
    pub programme_funding_per_head_at_least: Decimal,
    /// Records found right in the field, per cent, at least.
    pub statistical_accuracy_at_least: Decimal,
    /// Satisfaction as an office reports it, per cent, at least.
    pub satisfaction_at_least: Decimal,
    /// Policy compliance as an office reports it, per cent, at least. Never computed here.
    pub policy_compliance_at_least: Decimal,
    /// Share outside policy as an office reports it, per cent, at most. Never computed here.
    pub share_outside_policy_at_most: Decimal,
    /// Association groups of the first class rated good, as an office reports it, per cent.
    pub association_good_first_class_at_least: Decimal,
    /// Association groups of the class "qualified" rated good, as an office reports it, per cent.
    pub association_good_qualified_at_least: Decimal,
    /// Association groups of the general class rated good, as an office reports it, per cent.
    pub association_good_general_at_least: Decimal,
    /// Births below which no sex ratio is judged (the n of the audit's rule).
    pub sex_ratio_least_births: u64,
    /// The reward schemes and the day of the year by which they must be paid.
    pub reward_schemes: Vec<RewardScheme>,
    /// Where they are from; no member of the file.
    #[serde(skip)]
    pub source: PlanSource,
}

/// A reward scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardScheme {
    /// Its name in the disbursements.
    pub scheme: String,
    /// Month by whose day it must be paid.
    pub due_month: u32,
    /// Day of that month.
    pub due_day: u32,
}

impl Default for Targets {
    fn default() -> Self {
        let number = |text: &str| Decimal(text.to_owned());
        Self {
            crude_birth_rate_at_most: number("15.0"),
            natural_increase_at_most: number("8"),
            sex_ratio_at_birth_from: number("103"),
            sex_ratio_at_birth_to: number("107"),
            preconception_check_coverage_at_least: number("80"),
            reward_fulfilment_at_least: number("100"),
            programme_funding_per_head_at_least: number("8.50"),
            statistical_accuracy_at_least: number("95"),
            satisfaction_at_least: number("90"),
            policy_compliance_at_least: number("84.6"),
            share_outside_policy_at_most: number("2.4"),
            association_good_first_class_at_least: number("70"),
            association_good_qualified_at_least: number("50"),
            association_good_general_at_least: number("25"),
            sex_ratio_least_births: 100,
            reward_schemes: vec![RewardScheme {
                scheme: "family_support".to_owned(),
                due_month: 8,
                due_day: 31,
            }],
            source: PlanSource::Defaults,
        }
    }
}

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "comparison", rename_all = "snake_case")]
pub enum Target {
    /// Not above.
    AtMost {
        /// The limit.
        limit: Rational,
    },
    /// Not below.
    AtLeast {
        /// The limit.
        limit: Rational,
    },
    /// From one to the other, both included.
    Between {
        /// Lower end.
        from: Rational,
        /// Upper end.
        to: Rational,
    },
}

impl Target {
    /// Whether the value is as it should be.
    #[must_use]
    pub fn is_met_by(self, value: Rational) -> bool {
        match self {
            Self::AtMost { limit } => value <= limit,
            Self::AtLeast { limit } => value >= limit,
            Self::Between { from, to } => (from..=to).contains(&value),
        }
    }

    /// "At most" of a table's cell.
    ///
    /// # Errors
    /// When the cell is no number.
    pub fn at_most(name: &'static str, cell: &Decimal) -> Result<Self, IndicatorError> {
        number(name, cell).map(|limit| Self::AtMost { limit })
    }

    /// "At least" of a table's cell.
    ///
    /// # Errors
    /// When the cell is no number.
    pub fn at_least(name: &'static str, cell: &Decimal) -> Result<Self, IndicatorError> {
        number(name, cell).map(|limit| Self::AtLeast { limit })
    }

    /// "Between" of two cells.
    ///
    /// # Errors
    /// When a cell is no number.
    pub fn between(
        name: &'static str,
        from: &Decimal,
        to: &Decimal,
    ) -> Result<Self, IndicatorError> {
        Ok(Self::Between {
            from: number(name, from)?,
            to: number(name, to)?,
        })
    }
}

fn number(name: &'static str, cell: &Decimal) -> Result<Rational, IndicatorError> {
    Rational::of_decimal(&cell.0).ok_or_else(|| IndicatorError::BadTarget {
        name,
        value: cell.0.clone(),
    })
}

/// How a value stands to its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Met,
    /// Not as it should be.
    NotMet,
    /// Nothing can be said; the reason stands beside it.
    InsufficientData,
}

impl Verdict {
    /// The word, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "not_met",
            Self::InsufficientData => "insufficient_data",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comparison_is_exact_and_limits_are_included() {
        let targets = Targets::default();
        let most = Target::at_most("x", &targets.crude_birth_rate_at_most).unwrap();
        assert!(most.is_met_by(Rational::whole(15)));
        // 15.0004 prints as 15.00 and is above all the same.
        assert!(!most.is_met_by(Rational::of_decimal("15.0004").unwrap()));
        let least = Target::at_least("x", &targets.programme_funding_per_head_at_least).unwrap();
        assert!(least.is_met_by(Rational::of_decimal("8.5").unwrap()));
        let between = Target::between(
            "x",
            &targets.sex_ratio_at_birth_from,
            &targets.sex_ratio_at_birth_to,
        )
        .unwrap();
        assert!(between.is_met_by(Rational::whole(107)) && !between.is_met_by(Rational::whole(75)));
    }

    #[test]
    fn a_targets_file_may_name_some_only() {
        let targets: Targets =
            serde_json::from_str(r#"{"natural_increase_at_most": "6.5"}"#).unwrap();
        assert_eq!(targets.natural_increase_at_most.0, "6.5");
        assert_eq!(targets.satisfaction_at_least.0, "90");
        let bad = Target::at_most("x", &Decimal("many".into())).unwrap_err();
        assert_eq!(
            bad.to_string(),
            r#"target x is "many", which is no number; write it as 15.0"#
        );
    }
}
