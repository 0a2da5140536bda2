//! What an identity number or a certificate number says of itself.
//!
//! What comes in: a number as it was written. What goes out: the region, birth date and sex that
//! it encodes, or the first thing that is wrong with it. What may fail: the number. What must stay
//! true: no error repeats any part of the number.
//!
//! Sources: GB 11643-1999 (18 characters: region, birth date, sequence, check by ISO 7064 MOD
//! 11-2) and GB 11643-1989 (15 digits: two digits of the year, no check); the birth certificate
//! number is a letter and nine digits.

use chrono::{Datelike, NaiveDate};

/// Weights of the 17 digits: 2^(17 - i) modulo 11.
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
/// The check character of each remainder.
const CHECKS: [u8; 11] = *b"10X98765432";
/// Digits before the check character.
const BODY: usize = 17;
/// Digits of the first generation.
const FIRST_GENERATION: usize = 15;

/// Which standard a number follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Generation {
    /// 15 digits, without a check character; no longer issued since 1999.
    First,
    /// 18 characters.
    Second,
}

/// What a resident ID number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResidentNumber {
    /// Its standard.
    pub generation: Generation,
    /// The six digits of the county that issued it.
    pub region: u32,
    /// Birth date. In the first generation the century is the 20th, as all but the oldest had it.
    pub born: NaiveDate,
    /// Whether the sequence is odd, which means a man.
    pub male: bool,
}

/// The first thing that is wrong with a resident ID number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NumberFault {
    /// Neither 18 nor 15 characters.
    #[error("a resident ID number has 18 characters, this one has {0}")]
    Length(usize),
    /// A character that is no digit (the last of 18 may be X).
    #[error("character {0} of the resident ID number is no digit")]
    Character(usize),
    /// A birth date that the calendar does not have.
    #[error("characters 7 to 14 of the resident ID number are no date")]
    BirthDate,
    /// A check character that the digits do not give.
    #[error("the check character does not fit the other 17 characters")]
    Check,
}

/// The check character of 17 digits (ISO 7064 MOD 11-2), `None` where one is no digit.
#[must_use]
pub fn check_character(body: &[u8; BODY]) -> Option<u8> {
    if !body.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = body.iter().map(|digit| u32::from(digit - b'0'));
    let sum: u32 = digits.zip(WEIGHTS).map(|(d, weight)| d * weight).sum();
    CHECKS.get((sum % 11) as usize).copied()
}

/// Reads a resident ID number; spaces around it are no fault, and x is X.
///
/// # Errors
/// The first fault, in the order of [`NumberFault`].
pub fn resident_number(text: &str) -> Result<ResidentNumber, NumberFault> {
    let characters: Vec<char> = text.trim().chars().collect();
    let generation = match characters.len() {
        FIRST_GENERATION => Generation::First,
        18 => Generation::Second,
        other => return Err(NumberFault::Length(other)),
    };
    let body = characters.len().min(BODY);
    let digits: Vec<u8> = characters
        .iter()
        .enumerate()
        .map(|(at, c)| match c {
            '0'..='9' => Ok(*c as u8),
            'x' | 'X' if at == BODY => Ok(b'X'),
            _ => Err(NumberFault::Character(at + 1)),
        })
        .collect::<Result<_, _>>()?;
    let number = |from: usize, to: usize| {
        let value = |sum, digit: &u8| sum * 10 + u32::from(digit - b'0');
        digits[from..to].iter().fold(0, value)
    };
    let (year, rest) = match generation {
        Generation::First => (1900 + number(6, 8), 8),
        Generation::Second => (number(6, 10), 10),
    };
    let date = i32::try_from(year).ok().and_then(|year| {
        NaiveDate::from_ymd_opt(year, number(rest, rest + 2), number(rest + 2, rest + 4))
    });
    let born = date
        .filter(|date| date.year() > 0)
        .ok_or(NumberFault::BirthDate)?;
    if let Some((check, body)) = digits
        .split_last()
        .filter(|_| generation == Generation::Second)
    {
        let expected = body.try_into().ok().and_then(check_character);
        if expected != Some(*check) {
            return Err(NumberFault::Check);
        }
    }
    Ok(ResidentNumber {
        generation,
        region: number(0, 6),
        born,
        // The sequence is the last three digits before the check character.
        male: digits[body - 1] % 2 == 1,
    })
}

/// The number as it is compared: a first-generation number becomes the 18 characters that its
/// holder was given later, x becomes X.
///
/// # Errors
/// As [`resident_number`].
pub fn compared_number(text: &str) -> Result<String, NumberFault> {
    let read = resident_number(text)?;
    let written = text.trim().to_ascii_uppercase();
    if read.generation == Generation::Second {
        return Ok(written);
    }
    let (region, rest) = written.split_at(6);
    let body = format!("{region}19{rest}");
    let check = body.as_bytes().try_into().ok().and_then(check_character);
    let check = check.ok_or(NumberFault::Check)?;
    Ok(format!("{body}{}", char::from(check)))
}

/// Whether a birth certificate number has its form: a capital letter and nine digits.
#[must_use]
pub fn is_certificate_number(text: &str) -> bool {
    matches!(
        text.as_bytes().split_first(),
        Some((letter, digits))
            if letter.is_ascii_uppercase() && digits.len() == 9
                && digits.iter().all(u8::is_ascii_digit)
    )
}
