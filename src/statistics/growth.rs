//! Fetal weight that is possible at a gestation.
//!
//! What comes in: days of gestation and grams. What goes out: the median of Hadlock's reference
//! (Hadlock, Harrist and Martinez-Poyer, Radiology 181 (1991) 129-133: ln g = 0.578 + 0.332 w -
//! 0.00354 w^2, w in weeks) and whether a weight lies within its bounds. What may fail: gestations
//! below 20 weeks have no reference and give `None`. What must stay true: beyond 42 weeks the
//! median of 42 weeks stands, since the curve is not meant to go on.

use super::Interval;

/// The reference begins here.
pub const FROM_DAYS: u32 = 20 * 7;
/// Beyond this it no longer grows.
const UNTIL_DAYS: u32 = 42 * 7;
/// Bounds of what is possible, as factors of the median.
pub const POSSIBLE: Interval = Interval {
    low: 0.35,
    high: 2.2,
};

/// Hadlock's median weight in grams; days count as parts of a week. `None` below 20 weeks.
#[must_use]
pub fn hadlock_median_g(gestation_days: u32) -> Option<f64> {
    if gestation_days < FROM_DAYS {
        return None;
    }
    let weeks = f64::from(gestation_days.min(UNTIL_DAYS)) / 7.0;
    Some((0.578 + 0.332 * weeks - 0.00354 * weeks * weeks).exp())
}

/// The weights in grams that are possible at this gestation; `None` below 20 weeks.
#[must_use]
pub fn possible_weights_g(gestation_days: u32, factors: Interval) -> Option<Interval> {
    hadlock_median_g(gestation_days).map(|median| factors.scaled(median))
}
