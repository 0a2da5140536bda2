//! Fisher's exact test of two shares.
//!
//! What comes in: a table of two rows (with the property, without it) of two groups. What goes
//! out: p-values given the table's margins. What may fail: nothing; an empty margin allows no
//! statement and gives 1. What must stay true: both tails are sums of the probabilities
//! themselves, so the smaller one keeps its digits.
//!
//! Source: Fisher, Journal of the Royal Statistical Society 98 (1935) 39-82. Two-sided: the
//! tables that are no more probable than the observed one, as R's `fisher.test` does.

use std::cmp::Ordering;

use super::mass::hypergeometric;
use super::{NEGLIGIBLE, PValue, real};

/// Probabilities that differ by less than this share are one value (as in R's `fisher.test`).
const TIE: f64 = 1e-7;

/// `with` and `without` the property in the first group and in the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// First group: with the property.
    pub with: u64,
    /// First group: without it.
    pub without: u64,
    /// Second group: with the property.
    pub other_with: u64,
    /// Second group: without it.
    pub other_without: u64,
}

/// How many are marked, are not, and are drawn; and how many of the drawn are marked.
#[derive(Clone, Copy)]
struct Margins {
    marked: u64,
    others: u64,
    drawn: u64,
}

impl Margins {
    fn least(self) -> u64 {
        self.drawn.saturating_sub(self.others)
    }

    fn most(self) -> u64 {
        self.drawn.min(self.marked)
    }

    fn mass(self, k: u64) -> f64 {
        hypergeometric(k, self.marked, self.others, self.drawn)
    }

    /// P(k) / P(k - 1).
    fn ratio(self, k: u64) -> f64 {
        let absent = self.others + k - self.drawn;
        real(self.marked - k + 1) / real(k) * (real(self.drawn - k + 1) / real(absent))
    }

    /// How P(k) compares with P(k - 1), without rounding: two modes side by side are a tie.
    fn step(self, k: u64) -> Ordering {
        let absent = self.others + k - self.drawn;
        let product = |one: u64, other: u64| u128::from(one) * u128::from(other);
        product(self.marked - k + 1, self.drawn - k + 1).cmp(&product(k, absent))
    }

    fn mean(self) -> f64 {
        real(self.drawn) * (real(self.marked) / (real(self.marked) + real(self.others)))
    }

    fn below(self, k: u64) -> f64 {
        let mut term = self.mass(k);
        let mut sum = term;
        for i in (self.least() + 1..=k).rev() {
            term /= self.ratio(i);
            sum += term;
            if term <= sum * NEGLIGIBLE {
                break;
            }
        }
        sum.min(1.0)
    }

    fn above(self, k: u64) -> f64 {
        let mut term = self.mass(k);
        let mut sum = term;
        for i in k + 1..=self.most() {
            term *= self.ratio(i);
            sum += term;
            if term <= sum * NEGLIGIBLE {
                break;
            }
        }
        sum.min(1.0)
    }

    fn at_most(self, k: u64) -> f64 {
        if k >= self.most() {
            1.0
        } else if real(k) <= self.mean() {
            self.below(k)
        } else {
            1.0 - self.above(k + 1)
        }
    }

    fn at_least(self, k: u64) -> f64 {
        if k <= self.least() {
            1.0
        } else if real(k) >= self.mean() {
            self.above(k)
        } else {
            1.0 - self.below(k - 1)
        }
    }
}

impl Table {
    /// `None` where a margin is empty or the sum has no place in 64 bits.
    fn margins(self) -> Option<Margins> {
        let marked = self.with.checked_add(self.other_with)?;
        let others = self.without.checked_add(self.other_without)?;
        let drawn = self.with.checked_add(self.without)?;
        let all = marked.checked_add(others)?;
        let stands = marked > 0 && others > 0 && drawn > 0 && drawn < all;
        stands.then_some(Margins {
            marked,
            others,
            drawn,
        })
    }

    /// Is the property more frequent in the first group? Upper tail at an odds ratio of 1.
    #[must_use]
    pub fn more_frequent(self) -> PValue {
        self.margins().map_or(PValue::ONE, |margins| {
            PValue::of_tail(margins.at_least(self.with), margins.mass(self.with))
        })
    }

    /// Is it less frequent in the first group? Lower tail.
    #[must_use]
    pub fn less_frequent(self) -> PValue {
        self.margins().map_or(PValue::ONE, |margins| {
            PValue::of_tail(margins.at_most(self.with), margins.mass(self.with))
        })
    }

    /// Is it not as frequent? The probability of every table that is no more probable.
    #[must_use]
    pub fn two_sided(self) -> f64 {
        let Some(margins) = self.margins() else {
            return 1.0;
        };
        let observed = margins.mass(self.with) * (1.0 + TIE);
        let as_rare = |k: u64| margins.mass(k) <= observed;
        // The masses rise to the mode and fall beyond it, so each border is found by halving.
        let (least, most) = (margins.least(), margins.most());
        let tails = if real(self.with) <= margins.mean() {
            let (mut low, mut high) = (self.with, most + 1);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                let past_mode = middle > least && margins.step(middle).is_le();
                if past_mode && as_rare(middle) {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            let far = if high > most {
                0.0
            } else {
                margins.at_least(high)
            };
            margins.at_most(self.with) + far
        } else {
            // One below `low` stands for "no such table"; shifted by one to stay unsigned.
            let (mut low, mut high) = (least, self.with + 1);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                let before_mode = middle - 1 < most && margins.step(middle).is_ge();
                if before_mode && as_rare(middle - 1) {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            let far = if low == least {
                0.0
            } else {
                margins.at_most(low - 1)
            };
            margins.at_least(self.with) + far
        };
        tails.min(1.0)
    }

    /// The share of the first group by that of the second; infinite where only the first has it,
    /// `None` where neither has it or a group is empty.
    #[must_use]
    pub fn ratio_of_shares(self) -> Option<f64> {
        let group = self.with.checked_add(self.without)?;
        let other = self.other_with.checked_add(self.other_without)?;
        if group == 0 || other == 0 || (self.with == 0 && self.other_with == 0) {
            return None;
        }
        Some(real(self.with) / real(group) * real(other) / real(self.other_with))
    }
}
