//! How alike two names or two dates are.
//!
//! What comes in: names as they were written, dates. What goes out: similarities from 0 to 1,
//! numbers of edits, days, and the slips of the pen that explain a difference. What may fail:
//! nothing; an empty name is like no other. What must stay true: a name is compared by its
//! characters, never by its bytes; the comparison is symmetric; nothing of a name is kept.
//!
//! Sources: Jaro, JASA 84 (1989) 414-420; Winkler, Proceedings of the Section on Survey Research
//! Methods, ASA (1990) 354-359 (prefix of at most 4, weight 0.1, from a similarity of 0.7 on).

use chrono::{Datelike, NaiveDate};
use unicode_normalization::UnicodeNormalization;

/// A name as it is compared: compatibility forms and case folded (NFKC, lower case), without
/// spaces and without the dots that join the parts of a translated name (· ・ • ‧).
#[must_use]
pub fn compared_name(name: &str) -> String {
    name.nfkc()
        .flat_map(char::to_lowercase)
        .filter(|c| !c.is_whitespace() && !matches!(c, '·' | '・' | '•' | '‧' | '.'))
        .collect()
}

/// Jaro's similarity by characters: 1 for equal texts, 0 when nothing agrees or one is empty.
#[must_use]
pub fn jaro(one: &str, other: &str) -> f64 {
    if one.is_empty() || other.is_empty() {
        return 0.0;
    }
    // The search window is the same from both sides, but the greedy assignment is not always.
    strsim::jaro(one, other).max(strsim::jaro(other, one))
}

/// Winkler's form of it, which gives more weight to a common beginning.
#[must_use]
pub fn jaro_winkler(one: &str, other: &str) -> f64 {
    /// Longest beginning that counts, its weight, and the similarity from which it does.
    const PREFIX: usize = 4;
    const WEIGHT: f64 = 0.1;
    const FROM: f64 = 0.7;
    let similarity = jaro(one, other);
    if similarity <= FROM {
        return similarity;
    }
    let common = one.chars().zip(other.chars()).take(PREFIX);
    let common = common.take_while(|(a, b)| a == b).count();
    similarity + WEIGHT * super::number(common) * (1.0 - similarity)
}

/// How two names differ, by their characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameDifference {
    /// The same characters in the same order.
    None,
    /// The same characters in another order.
    Order,
    /// One character is another one, missing, or too many.
    OneCharacter,
    /// More than that.
    More,
}

/// How two names differ, after [`compared_name`]. `None` where one of them is empty: unknown is
/// neither alike nor different.
#[must_use]
pub fn name_difference(one: &str, other: &str) -> Option<NameDifference> {
    let (one, other) = (compared_name(one), compared_name(other));
    if one.is_empty() || other.is_empty() {
        return None;
    }
    if one == other {
        return Some(NameDifference::None);
    }
    let sorted = |name: &str| {
        let mut characters: Vec<char> = name.chars().collect();
        characters.sort_unstable();
        characters
    };
    Some(if sorted(&one) == sorted(&other) {
        NameDifference::Order
    } else if strsim::osa_distance(&one, &other) == 1 {
        NameDifference::OneCharacter
    } else {
        NameDifference::More
    })
}

/// Edits between two names by the characters of the longer: 0 for the same name, 1 for two without
/// a common character. An edit replaces, drops or adds a character or swaps two neighbours. `None`
/// where one of them is empty.
#[must_use]
pub fn name_distance(one: &str, other: &str) -> Option<f64> {
    let (one, other) = (compared_name(one), compared_name(other));
    if one.is_empty() || other.is_empty() {
        return None;
    }
    let longer = one.chars().count().max(other.chars().count());
    Some(super::number(strsim::osa_distance(&one, &other)) / super::number(longer))
}

/// Days between two dates, whichever is first.
#[must_use]
pub fn days_apart(one: NaiveDate, other: NaiveDate) -> u64 {
    one.signed_duration_since(other).num_days().unsigned_abs()
}

/// How two dates differ, the most telling explanation first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DateDifference {
    /// The same day.
    None,
    /// Day and month are exchanged, in the same year.
    Transposed,
    /// One of the eight digits of the date differs.
    OneDigit,
    /// Two neighbouring digits are exchanged.
    SwappedDigits,
    /// None of these.
    More,
}

/// The eight digits of a date; years outside 0 to 9999 have none.
fn digits(date: NaiveDate) -> Option<[u8; 8]> {
    let mut rest = u32::try_from(date.year())
        .ok()
        .filter(|year| *year <= 9999)?
        * 10_000
        + date.month() * 100
        + date.day();
    let mut digits = [0; 8];
    for digit in digits.iter_mut().rev() {
        *digit = u8::try_from(rest % 10).ok()?;
        rest /= 10;
    }
    Some(digits)
}

/// How two dates differ.
#[must_use]
pub fn date_difference(one: NaiveDate, other: NaiveDate) -> DateDifference {
    if one == other {
        return DateDifference::None;
    }
    let same_year = one.year() == other.year();
    if same_year && one.month() == other.day() && one.day() == other.month() {
        return DateDifference::Transposed;
    }
    let (Some(a), Some(b)) = (digits(one), digits(other)) else {
        return DateDifference::More;
    };
    let differing: Vec<usize> = (0..a.len()).filter(|at| a[*at] != b[*at]).collect();
    match differing.as_slice() {
        [_] => DateDifference::OneDigit,
        [first, second]
            if second - first == 1 && a[*first] == b[*second] && a[*second] == b[*first] =>
        {
            DateDifference::SwappedDigits
        }
        _ => DateDifference::More,
    }
}
