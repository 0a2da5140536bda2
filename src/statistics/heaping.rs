//! Round numbers, favoured days and years.
//!
//! What comes in: ages, years, last digits. What goes out: how many fall on the favoured values,
//! of how many, and a p-value against what chance with some room gives. What may fail: nothing;
//! what cannot be asked counts as 0 of 0, whose p-value is 1. What must stay true: the null has
//! room (an edge), because clean data heaps a little.
//!
//! Sources: Whipple's index as the United Nations Demographic Yearbook defines it (ages 23 to 62);
//! the year of the dragon in Chinese births: Goodkind, Population and Development Review 17 (1991)
//! 663-686.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::binomial::binomial_exposure;
use super::gamma::chi_square_upper;
use super::{PValue, real};

/// Ages that Whipple's index looks at: from 23 to 62, four of each last digit.
const WHIPPLE_AGES: RangeInclusive<u32> = 23..=62;
/// Years of the zodiac.
const ZODIAC: i32 = 12;

/// How many of how many fall on the favoured values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heap {
    /// On the favoured values.
    pub favoured: u64,
    /// All that were looked at.
    pub all: u64,
}

impl Heap {
    /// Upper exact tail against the share `exposure` that chance gives, times `edge`.
    #[must_use]
    pub fn test(self, exposure: f64, edge: f64) -> PValue {
        binomial_exposure(self.favoured, self.all, exposure, edge)
    }

    /// Share of the favoured values by the share that chance gives them; `None` of nothing.
    #[must_use]
    pub fn ratio(self, exposure: f64) -> Option<f64> {
        (self.all > 0).then(|| real(self.favoured) / real(self.all) / exposure)
    }
}

/// Ages that end in 0 or 5 among those of 23 to 62 years; chance gives them a fifth, and 100 times
/// their [`Heap::ratio`] is Whipple's index (100: none, 500: all ages).
#[must_use]
pub fn whipple(ages: impl IntoIterator<Item = u32>) -> Heap {
    let mut heap = Heap::default();
    for age in ages {
        if WHIPPLE_AGES.contains(&age) {
            heap.all += 1;
            heap.favoured += u64::from(age.is_multiple_of(5));
        }
    }
    heap
}

/// Births of the years that leave the remainder `sign` modulo 12, among them and the years just
/// before and after; chance gives a third. Years whose neighbours lie outside the data are left
/// out; a year inside without births counts as 0. A year of the dragon leaves 8.
#[must_use]
pub fn zodiac(births: &BTreeMap<i32, u64>, sign: i32) -> Heap {
    let mut heap = Heap::default();
    let (Some((first, _)), Some((last, _))) = (births.first_key_value(), births.last_key_value())
    else {
        return heap;
    };
    let of = |year: i32| births.get(&year).copied().unwrap_or(0);
    let near = |year: &i32| [year.saturating_sub(1), *year, year.saturating_add(1)];
    // A year of the sign without births is still one: its neighbours speak.
    let years: BTreeSet<i32> = births.keys().flat_map(near).collect();
    for year in years.range(*first..=*last) {
        let inside = *first < *year && *year < *last;
        if inside && year.rem_euclid(ZODIAC) == sign.rem_euclid(ZODIAC) {
            heap.favoured += of(*year);
            heap.all += of(year - 1) + of(*year) + of(year + 1);
        }
    }
    heap
}

/// How often each last digit occurs.
#[must_use]
pub fn last_digits(figures: impl IntoIterator<Item = u64>) -> [u64; 10] {
    let mut digits = [0; 10];
    for figure in figures {
        if let Some(times) = usize::try_from(figure % 10)
            .ok()
            .and_then(|digit| digits.get_mut(digit))
        {
            *times += 1;
        }
    }
    digits
}

/// Chi-square of the last digits against equal frequencies, 9 degrees of freedom: statistic and
/// upper tail. Good from 5 figures to a digit on; 0 and 1 without figures.
#[must_use]
pub fn digit_preference(digits: [u64; 10]) -> (f64, f64) {
    let sum: f64 = digits.iter().map(|times| real(*times)).sum();
    if sum <= 0.0 {
        return (0.0, 1.0);
    }
    let expected = sum / 10.0;
    let squares: f64 = digits
        .iter()
        .map(|times| (real(*times) - expected).powi(2))
        .sum();
    let statistic = squares / expected;
    (statistic, chi_square_upper(statistic, 9))
}
