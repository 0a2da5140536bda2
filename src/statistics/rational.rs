//! Exact fractions, and how they are written with decimals.
//!
//! What comes in: whole numbers and decimal text. What goes out: fractions in lowest terms and
//! their decimals, rounded half away from zero by whole-number arithmetic. What may fail: a zero
//! denominator, and numbers beyond 127 bits, give `None`. What must stay true: no floating-point
//! number takes part, so a figure on the edge (2.345) is rounded as a clerk would round it.

use std::cmp::Ordering;

use crate::model::cell::{Decimal, FieldType};

/// A fraction in lowest terms with a positive denominator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rational {
    numerator: i128,
    denominator: i128,
}

impl Rational {
    /// `numerator / denominator`; `None` when the denominator is zero.
    #[must_use]
    pub fn new(numerator: i128, denominator: i128) -> Option<Self> {
        if denominator == 0 || numerator == i128::MIN || denominator == i128::MIN {
            return None;
        }
        let divisor = common_divisor(numerator.unsigned_abs(), denominator.unsigned_abs());
        let divisor = i128::try_from(divisor).ok()? * denominator.signum();
        Some(Self {
            numerator: numerator / divisor,
            denominator: denominator / divisor,
        })
    }

    /// A whole number.
    #[must_use]
    pub const fn whole(number: i128) -> Self {
        Self {
            numerator: number,
            denominator: 1,
        }
    }

    /// Reads decimal text such as `84.6`.
    #[must_use]
    pub fn of_decimal(text: &str) -> Option<Self> {
        let Decimal(canonical) = Decimal::read(text).ok()?;
        let (whole, fraction) = canonical.split_once('.').unwrap_or((&canonical, ""));
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        Self::new(digits, scale)
    }

    /// The numerator in lowest terms.
    #[must_use]
    pub const fn numerator(self) -> i128 {
        self.numerator
    }

    /// The denominator in lowest terms, positive.
    #[must_use]
    pub const fn denominator(self) -> i128 {
        self.denominator
    }

    /// The product.
    #[must_use]
    pub fn times(self, other: Self) -> Option<Self> {
        Self::new(
            self.numerator.checked_mul(other.numerator)?,
            self.denominator.checked_mul(other.denominator)?,
        )
    }

    /// The difference.
    #[must_use]
    pub fn minus(self, other: Self) -> Option<Self> {
        let left = self.numerator.checked_mul(other.denominator)?;
        let right = other.numerator.checked_mul(self.denominator)?;
        Self::new(
            left.checked_sub(right)?,
            self.denominator.checked_mul(other.denominator)?,
        )
    }

    /// The quotient; `None` when the divisor is zero.
    #[must_use]
    pub fn over(self, divisor: Self) -> Option<Self> {
        Self::new(
            self.numerator.checked_mul(divisor.denominator)?,
            self.denominator.checked_mul(divisor.numerator)?,
        )
    }

    /// Nearest floating-point number, for drawings and for a place in an interval; never printed.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "drawings and intervals need no more"
    )]
    pub fn approximate(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }

    /// With that many decimals, rounded half away from zero; grouped in thousands by commas.
    #[must_use]
    pub fn to_text(self, decimals: u32) -> String {
        let plain = self.to_decimal(decimals);
        let (sign, digits) = plain
            .strip_prefix('-')
            .map_or(("", plain.as_str()), |d| ("-", d));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let mut grouped = String::new();
        for (i, digit) in whole.chars().enumerate() {
            if i > 0 && (whole.len() - i).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        let dot = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{grouped}{dot}{fraction}")
    }

    /// With that many decimals, rounded half away from zero, for machines.
    #[must_use]
    pub fn to_decimal(self, decimals: u32) -> String {
        let magnitude = self.numerator.unsigned_abs();
        let denominator = self.denominator.unsigned_abs();
        let mut whole = magnitude / denominator;
        let mut rest = magnitude % denominator;
        let mut digits = Vec::new();
        // Long division digit by digit cannot overflow where a product with 10^d could.
        for _ in 0..decimals {
            let (digit, left) = ten_times(rest, denominator);
            digits.push(digit);
            rest = left;
        }
        if rest >= denominator - rest {
            let mut place = digits.len();
            loop {
                if place == 0 {
                    whole += 1;
                    break;
                }
                place -= 1;
                if digits[place] < 9 {
                    digits[place] += 1;
                    break;
                }
                digits[place] = 0;
            }
        }
        let zero = whole == 0 && digits.iter().all(|d| *d == 0);
        let sign = if self.numerator < 0 && !zero { "-" } else { "" };
        let fraction: String = digits.iter().map(|d| char::from(b'0' + d)).collect();
        let dot = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{whole}{dot}{fraction}")
    }
}

/// Digit and rest of `10 * rest / denominator`, where `rest < denominator`.
fn ten_times(rest: u128, denominator: u128) -> (u8, u128) {
    let (mut digit, mut left) = (0, 0);
    for _ in 0..10 {
        // left + rest < 2 * denominator, which fits: both come from 127 bits.
        left += rest;
        if left >= denominator {
            left -= denominator;
            digit += 1;
        }
    }
    (digit, left)
}

fn common_divisor(a: u128, b: u128) -> u128 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

impl PartialOrd for Rational {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rational {
    /// By continued fractions, so that no product can overflow.
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut a, mut b) = (*self, *other);
        let mut turned = false;
        loop {
            let parts = |r: Self| {
                (
                    r.numerator.div_euclid(r.denominator),
                    r.numerator.rem_euclid(r.denominator),
                )
            };
            let ((whole_a, rest_a), (whole_b, rest_b)) = (parts(a), parts(b));
            let order = whole_a.cmp(&whole_b).then_with(|| match (rest_a, rest_b) {
                (0, 0) => Ordering::Equal,
                (0, _) => Ordering::Less,
                (_, 0) => Ordering::Greater,
                _ => Ordering::Equal,
            });
            if order != Ordering::Equal || rest_a == 0 {
                return if turned { order.reverse() } else { order };
            }
            // Both rests lie between 0 and 1: compare their reciprocals the other way round.
            let reciprocal = |rest: i128, r: Self| Self {
                numerator: r.denominator,
                denominator: rest,
            };
            (a, b) = (reciprocal(rest_a, a), reciprocal(rest_b, b));
            turned = !turned;
        }
    }
}

impl std::fmt::Display for Rational {
    /// Exact: `7` or `7/3`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.denominator == 1 {
            write!(f, "{}", self.numerator)
        } else {
            write!(f, "{}/{}", self.numerator, self.denominator)
        }
    }
}

impl serde::Serialize for Rational {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fraction(numerator: i128, denominator: i128) -> Rational {
        Rational::new(numerator, denominator).unwrap()
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        for (numerator, denominator, decimals, text) in [
            (1, 8, 2, "0.13"),
            (-1, 8, 2, "-0.13"),
            (2345, 1000, 2, "2.35"),
            (1005, 1000, 2, "1.01"),
            (-1, 1000, 2, "0.00"),
            (9995, 1000, 2, "10.00"),
            (1, 2, 0, "1"),
            (7523, 1, 0, "7,523"),
            (-1_234_567, 1, 1, "-1,234,567.0"),
            (999, 1, 0, "999"),
        ] {
            assert_eq!(fraction(numerator, denominator).to_text(decimals), text);
        }
    }

    #[test]
    fn decimals_are_read_exactly() {
        assert_eq!(Rational::of_decimal("84.60"), Some(fraction(423, 5)));
        assert_eq!(Rational::of_decimal("-0.5"), Some(fraction(-1, 2)));
        assert_eq!(Rational::of_decimal("8,5"), None);
        assert_eq!(Rational::new(1, 0), None);
        assert_eq!(fraction(6, -8).to_string(), "-3/4");
        assert_eq!(fraction(1, 2).over(Rational::whole(0)), None);
        let huge = Rational::whole(i128::MAX);
        assert_eq!(huge.times(huge), None);
        // Products would overflow here; the order is found all the same.
        assert!(fraction(i128::MAX, i128::MAX - 1) < fraction(i128::MAX - 1, i128::MAX - 2));
    }

    proptest! {
        /// |10^d value - printed| <= 1/2, with equality only where it was rounded away from zero.
        #[test]
        fn what_is_printed_is_the_nearest(
            numerator in -1_000_000_000_i128..1_000_000_000,
            denominator in 1_i128..100_000,
            decimals in 0_u32..6,
        ) {
            let value = fraction(numerator, denominator);
            let printed: i128 = value.to_decimal(decimals).replace('.', "").parse().unwrap();
            let scaled = numerator.abs() * 10_i128.pow(decimals);
            let twice_error = 2 * (printed.abs() * denominator - scaled);
            prop_assert!(twice_error <= denominator && twice_error > -denominator);
            prop_assert!(printed == 0 || (printed < 0) == (numerator < 0));
            prop_assert_eq!(value.to_text(decimals).replace(',', ""), value.to_decimal(decimals));
        }

        #[test]
        fn order_is_that_of_cross_products(
            a in -10_000_i128..10_000, b in 1_i128..10_000,
            c in -10_000_i128..10_000, d in 1_i128..10_000,
        ) {
            prop_assert_eq!(fraction(a, b).cmp(&fraction(c, d)), (a * d).cmp(&(c * b)));
        }
    }
}
