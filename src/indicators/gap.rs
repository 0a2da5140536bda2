//! The gap to a target, told in what the numerator counts.
//!
//! What comes in: an evaluated indicator. What goes out: by how many births, checks or yuan it
//! would just meet its target, or could still move and meet it. What may fail: nothing; without a
//! verdict, and for a range such as that of the sex ratio, which is no plan for births of one sex,
//! there is no gap. What must stay true: it is a whole number, exact: one less would not meet the
//! target, or one more would not; the denominator is taken as it is.

use serde::Serialize;

use super::Indicator;
use super::definitions::Item;
use super::targets::{Target, Verdict};
use crate::statistics::rational::Rational;

/// Fen to a yuan.
const FEN: i128 = 100;

/// Which way the numerator moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Up.
    More,
    /// Down.
    Fewer,
}

/// How far an indicator is from its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Whole items; of money, fen.
    pub amount: i128,
    /// What is counted.
    pub item: Item,
    /// Which way.
    pub direction: Direction,
    /// Whether so many are needed to meet the target; otherwise so many are left within it.
    pub needed: bool,
}

impl Gap {
    /// The key of its text.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match (self.needed, self.direction) {
            _ if self.amount == 0 => "gap-none",
            (true, Direction::More) => "gap-needed-more",
            (true, Direction::Fewer) => "gap-needed-fewer",
            (false, Direction::More) => "gap-left-more",
            (false, Direction::Fewer) => "gap-left-fewer",
        }
    }

    /// The amount as people write it: money in yuan.
    #[must_use]
    pub fn amount_text(self) -> String {
        match self.item {
            Item::Yuan => {
                Rational::new(self.amount, FEN).map_or_else(String::new, |y| y.to_text(2))
            }
            _ => Rational::whole(self.amount).to_text(0),
        }
    }
}

impl Indicator {
    /// How far it is from its target; `None` where there is no verdict or no single limit.
    #[must_use]
    pub fn gap(&self) -> Option<Gap> {
        if !matches!(self.verdict, Some(Verdict::Met | Verdict::NotMet)) {
            return None;
        }
        let item = self.definition_of()?.item;
        let step = if item == Item::Yuan { FEN } else { 1 };
        let step = Rational::whole(step);
        let now = self.numerator?.times(step)?;
        let now = (now.denominator() == 1).then(|| now.numerator())?;
        // The value is numerator / denominator * factor, so this numerator is on the limit.
        let on_limit = |limit: Rational| {
            limit
                .times(self.denominator?)?
                .over(self.factor)?
                .times(step)
        };
        let (spare, direction) = match self.target? {
            Target::AtMost { limit } => (floor(on_limit(limit)?) - now, Direction::More),
            Target::AtLeast { limit } => (now - ceiling(on_limit(limit)?), Direction::Fewer),
            Target::Between { .. } => return None,
        };
        let needed = spare < 0;
        Some(Gap {
            amount: spare.abs(),
            item,
            needed,
            direction: match direction {
                Direction::More if needed => Direction::Fewer,
                Direction::Fewer if needed => Direction::More,
                same => same,
            },
        })
    }
}

fn floor(number: Rational) -> i128 {
    number.numerator().div_euclid(number.denominator())
}

fn ceiling(number: Rational) -> i128 {
    -((-number.numerator()).div_euclid(number.denominator()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::indicators::DEFINITIONS;
    use crate::indicators::counted::Counted;
    use crate::indicators::counts::Counts;
    use crate::indicators::targets::Targets;
    use crate::model::id::OfficeCode;
    use crate::model::period::Period;
    use crate::registers::snapshot::Snapshot;

    /// An indicator of the table with this numerator, denominator and factor, judged.
    fn judged(
        id: &str,
        numerator: i128,
        denominator: i128,
        factor: Rational,
        target: Target,
    ) -> Indicator {
        let nowhere = OfficeCode::parse("990101100001").unwrap();
        let counts = Counts::of(
            &Snapshot::default(),
            nowhere,
            Period::Year(2014),
            &Targets::default(),
        );
        let definition = DEFINITIONS.iter().find(|one| one.id == id).unwrap();
        let step = if definition.item == Item::Yuan {
            FEN
        } else {
            1
        };
        let numerator = Rational::new(numerator, step).unwrap();
        let value = numerator.over(Rational::whole(denominator)).unwrap();
        let value = value.times(factor).unwrap();
        let met = target.is_met_by(value);
        Indicator {
            id: definition.id,
            numerator: Some(numerator),
            denominator: Some(Rational::whole(denominator)),
            factor,
            exact: Some(value),
            target: Some(target),
            verdict: Some(if met { Verdict::Met } else { Verdict::NotMet }),
            reason: None,
            ..Counted::Births.indicator(&counts)
        }
    }

    proptest! {
        /// Moved by its gap, an indicator meets its target; moved by one more, it does not.
        #[test]
        fn the_gap_ends_where_the_verdict_turns(
            id in proptest::sample::select(vec!["crude_birth_rate", "natural_increase", "reward_fulfilment"]),
            numerator in -500_i128..5_000,
            denominator in 1_i128..20_000,
            factor in 1_i128..2_000,
            limit in 0_i128..40_000,
            most: bool,
        ) {
            let factor = Rational::new(factor, 7).unwrap();
            let limit = Rational::new(limit, 100).unwrap();
            let target = if most { Target::AtMost { limit } } else { Target::AtLeast { limit } };
            let before = judged(id, numerator, denominator, factor, target);
            let gap = before.gap().unwrap();
            prop_assert_eq!(gap.needed, before.verdict == Some(Verdict::NotMet));
            let by = if gap.direction == Direction::More { gap.amount } else { -gap.amount };
            let edge = numerator + by;
            let verdict = |numerator| judged(id, numerator, denominator, factor, target).verdict;
            prop_assert_eq!(verdict(edge), Some(Verdict::Met));
            let beyond = if most { edge + 1 } else { edge - 1 };
            prop_assert_eq!(verdict(beyond), Some(Verdict::NotMet));
        }
    }
}
