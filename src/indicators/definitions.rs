//! The table of the indicators.
//!
//! What comes in: nothing. What goes out: [`DEFINITIONS`], and of each indicator everything that
//! is fixed about it. What may fail: nothing. What must stay true: each indicator stands here once;
//! its texts have the keys `indicator-<id>` and `indicator-<id>-definition`.

use serde::Serialize;

use super::IndicatorError;
use super::counts::{Counts, QUOTED};
use super::measures::{self, Measured};
use super::targets::{Target, Targets};
use crate::model::cell::Decimal;

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// As it is counted.
    Count,
    /// Of 1,000 residents in a year.
    PerMilleAYear,
    /// Of 1,000 live births and stillbirths.
    PerMilleOfBirths,
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
            Self::Count => "unit-count",
            Self::PerMilleOfBirths => "unit-per_mille_of_births",
            Self::PerMilleAYear => "unit-per_mille_a_year",
            Self::PerCent => "unit-per_cent",
            Self::BoysTo100Girls => "unit-boys_to_100_girls",
            Self::YuanPerHead => "unit-yuan_per_head",
        }
    }
}

/// What a numerator counts, so that a gap can be told in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// Live births.
    Births,
    /// Live births less deaths.
    Increase,
    /// Boys among live births.
    Boys,
    /// Stillbirths.
    Stillbirths,
    /// Checks.
    Checks,
    /// Yuan, counted in fen.
    Yuan,
    /// Records.
    Records,
}

impl Item {
    /// The key of its text.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Births => "item-births",
            Self::Increase => "item-increase",
            Self::Boys => "item-boys",
            Self::Stillbirths => "item-stillbirths",
            Self::Checks => "item-checks",
            Self::Yuan => "item-yuan",
            Self::Records => "item-records",
        }
    }
}

/// The target of an indicator in the table of targets.
pub type TargetOf = fn(&Targets) -> Result<Target, IndicatorError>;

/// How an indicator is made of counts.
pub(super) type Measure = fn(&Counts, &Targets) -> Measured;

/// One indicator: everything that is fixed about it.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// Stable name.
    pub id: &'static str,
    /// Unit of the value.
    pub unit: Unit,
    /// What the numerator counts.
    pub item: Item,
    /// Decimals of the value.
    pub decimals: u32,
    /// Decimals of the interval's limits.
    pub interval_decimals: usize,
    /// Decimals of the target, at least.
    pub target_decimals: u32,
    /// The target, where the plan has one.
    pub target: Option<TargetOf>,
    /// How it is made of counts.
    pub(super) measure: Measure,
}

/// A definition with the decimals of most shares.
const fn per_cent(id: &'static str, item: Item, measure: Measure) -> Definition {
    Definition {
        id,
        unit: Unit::PerCent,
        item,
        decimals: 1,
        interval_decimals: 1,
        target_decimals: 0,
        target: None,
        measure,
    }
}

const fn annual(id: &'static str, item: Item, measure: Measure) -> Definition {
    Definition {
        unit: Unit::PerMilleAYear,
        decimals: 2,
        interval_decimals: 2,
        target_decimals: 1,
        ..per_cent(id, item, measure)
    }
}

const fn of_births(id: &'static str, measure: Measure) -> Definition {
    Definition {
        unit: Unit::PerMilleOfBirths,
        decimals: 1,
        interval_decimals: 1,
        ..per_cent(id, Item::Stillbirths, measure)
    }
}

/// A figure that is only quoted, by its place in [`QUOTED`], with the target it is not held to.
const fn quoted<const AT: usize>(target: TargetOf) -> Definition {
    Definition {
        target: Some(target),
        ..per_cent(QUOTED[AT], Item::Records, measures::quoted::<AT>)
    }
}

/// The target of a table's cell, under the cell's name.
macro_rules! target {
    ($comparison:ident $cell:ident) => {
        |targets: &Targets| {
            let cell: &Decimal = &targets.$cell;
            Target::$comparison(stringify!($cell), cell)
        }
    };
}

/// Every indicator, in the order of the report.
pub const DEFINITIONS: &[Definition] = &[
    Definition {
        target: Some(target!(at_most crude_birth_rate_at_most)),
        ..annual("crude_birth_rate", Item::Births, measures::crude_birth_rate)
    },
    Definition {
        target: Some(target!(at_most natural_increase_at_most)),
        ..annual(
            "natural_increase",
            Item::Increase,
            measures::natural_increase,
        )
    },
    Definition {
        id: "sex_ratio_at_birth",
        unit: Unit::BoysTo100Girls,
        item: Item::Boys,
        decimals: 1,
        interval_decimals: 0,
        target_decimals: 0,
        target: Some(|t| {
            let (from, to) = (&t.sex_ratio_at_birth_from, &t.sex_ratio_at_birth_to);
            Target::between("sex_ratio_at_birth", from, to)
        }),
        measure: measures::sex_ratio_at_birth,
    },
    of_births(
        "stillbirth_rate_28_weeks",
        measures::stillbirth_rate_28_weeks,
    ),
    of_births(
        "stillbirth_rate_22_weeks",
        measures::stillbirth_rate_22_weeks,
    ),
    Definition {
        target: Some(target!(at_least preconception_check_coverage_at_least)),
        ..per_cent(
            "preconception_check_coverage",
            Item::Checks,
            measures::preconception_check_coverage,
        )
    },
    Definition {
        target: Some(target!(at_least reward_fulfilment_at_least)),
        ..per_cent("reward_fulfilment", Item::Yuan, measures::reward_fulfilment)
    },
    Definition {
        id: "programme_funding_per_head",
        unit: Unit::YuanPerHead,
        item: Item::Yuan,
        decimals: 2,
        interval_decimals: 2,
        target_decimals: 2,
        target: Some(target!(at_least programme_funding_per_head_at_least)),
        measure: measures::programme_funding_per_head,
    },
    per_cent("timeliness", Item::Births, measures::timeliness),
    per_cent(
        "timeliness_one_year",
        Item::Births,
        measures::timeliness_one_year,
    ),
    Definition {
        target: Some(target!(at_least statistical_accuracy_at_least)),
        ..per_cent(
            "statistical_accuracy",
            Item::Records,
            measures::statistical_accuracy,
        )
    },
    quoted::<0>(target!(at_least satisfaction_at_least)),
    quoted::<1>(target!(at_least policy_compliance_at_least)),
    quoted::<2>(target!(at_most share_outside_policy_at_most)),
    quoted::<3>(target!(at_least association_good_first_class_at_least)),
    quoted::<4>(target!(at_least association_good_qualified_at_least)),
    quoted::<5>(target!(at_least association_good_general_at_least)),
];
