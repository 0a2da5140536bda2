//! Writing walks through history for people.
//!
//! What comes in: a difference, a blame, a step of a replay. What goes out: lines for a terminal,
//! or Markdown. What may fail: nothing. What must stay true: a Chinese character takes two
//! columns; nothing that an office typed can steer a terminal; sealed values are not in what is
//! written here, so they cannot be shown.

mod blame;
mod difference;
mod frame;

pub use blame::blame;
pub use difference::{Form, difference};
pub use frame::{Course, Frame, Line, Meaning, frame};

use super::difference::Moment;
use crate::locale::{Language, text};
use crate::model::cell::{Fen, Value};

/// The public value of a field, money in yuan.
fn value_text(field: &str, value: Option<&Value>, language: Language) -> String {
    match value {
        None => text(language, "history-not-stated", &[]),
        Some(Value::Integer(fen)) if field == "amount_fen" => format!("{} 元", Fen(*fen).to_yuan()),
        Some(value) => value.to_string(),
    }
}

/// A moment in words.
fn moment_text(moment: &Moment, language: Language) -> String {
    match (moment.position, moment.recorded_at) {
        (Some(position), Some(at)) => text(
            language,
            "history-moment",
            &[("position", &position.to_string()), ("at", &at.to_string())],
        ),
        _ => text(language, "history-before-all", &[]),
    }
}

/// A whole number in groups of three.
fn whole(number: i128) -> String {
    crate::statistics::rational::Rational::whole(number).to_text(0)
}

/// A difference with its sign; nothing for none.
fn signed(number: i128) -> String {
    match number {
        0 => String::new(),
        _ if number > 0 => format!("+{}", whole(number)),
        _ => whole(number),
    }
}

/// The same for decimals.
fn signed_decimal(number: &str) -> String {
    let zero = number.bytes().all(|b| matches!(b, b'0' | b'.' | b'-'));
    if zero {
        String::new()
    } else if number.starts_with('-') {
        number.to_owned()
    } else {
        format!("+{number}")
    }
}
