//! Conditions on figures and indicators: `births >= 10`, `residents < 7000 and not deaths > 3`.
//!
//! What comes in: the text of a condition ([`rule_text`](super::rule_text) reads it), and counts.
//! What goes out: whether it holds, and what the numbers in it were. What may fail: text that is
//! no condition, which says where and what was expected; a name that no report has, which lists
//! near ones. What must stay true: comparisons are exact, on unrounded values; a number that lacks
//! its data makes a comparison unknown, never false, and what is unknown does not hold.
//!
//! ```text
//! condition  = term { "or" term }
//! term       = factor { "and" factor }
//! factor     = "not" factor | "(" condition ")" | operand comparison operand
//! comparison = "<" | "<=" | ">" | ">=" | "=" | "==" | "!=" | "<>"
//! operand    = the name of a figure or an indicator | a decimal number
//! ```

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Serialize;

use super::numbers::{Numbers, Reading, reading_of};
use super::rule_text;
use crate::indicators::IndicatorError;
use crate::indicators::counts::Counts;
use crate::indicators::targets::Targets;
use crate::statistics::rational::Rational;

/// Why a condition cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Something else was expected.
    #[error(
        "the condition cannot be read at character {at}: expected {expected}, found {found}; write it as `births >= 10 and sex_ratio_at_birth > 120`"
    )]
    Unexpected {
        /// 1-based character.
        at: usize,
        /// What could stand there.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// A name that no report has.
    #[error("there is no figure or indicator {name:?}; {}", hint(near, known))]
    UnknownName {
        /// What was written.
        name: String,
        /// Names that are like it, best first.
        near: Vec<String>,
        /// All names.
        known: Vec<String>,
    },
    /// More parentheses or negations inside one another than anybody writes.
    #[error("the condition is nested more than {0} deep")]
    TooDeep(usize),
    /// A condition without any name is always the same.
    #[error("the condition names no figure and no indicator, so it never changes")]
    Constant,
}

fn hint(near: &[String], known: &[String]) -> String {
    if near.is_empty() {
        format!("there are {}", known.join(", "))
    } else {
        format!("did you mean {}?", near.join(", "))
    }
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// It does.
    True,
    /// It does not.
    False,
    /// A number that it needs has no value.
    Unknown,
}

impl Truth {
    /// Whether it holds; what is unknown does not.
    #[must_use]
    pub const fn holds(self) -> bool {
        matches!(self, Self::True)
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::True, Self::True) => Self::True,
            _ => Self::Unknown,
        }
    }

    fn negated(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }

    fn or(self, other: Self) -> Self {
        self.negated().and(other.negated()).negated()
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// How two numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
    NotEqual,
}

impl Comparison {
    fn of(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::More => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
        }
    }
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operand {
    Name(String),
    Number(Rational),
}

/// A condition as a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Compare(Operand, Comparison, Operand),
    Not(Box<Node>),
    /// Joined by `and`.
    All(Vec<Node>),
    /// Joined by `or`.
    Any(Vec<Node>),
}

impl Node {
    fn names(&self, names: &mut Vec<String>) {
        match self {
            Self::Compare(left, _, right) => {
                for operand in [left, right] {
                    if let Operand::Name(name) = operand
                        && !names.contains(name)
                    {
                        names.push(name.clone());
                    }
                }
            }
            Self::Not(inner) => inner.names(names),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.names(names)),
        }
    }

    fn truth(&self, values: &BTreeMap<&str, Option<Rational>>) -> Truth {
        match self {
            Self::Compare(left, comparison, right) => {
                let value = |operand: &Operand| match operand {
                    Operand::Name(name) => values.get(name.as_str()).copied().flatten(),
                    Operand::Number(number) => Some(*number),
                };
                match (value(left), value(right)) {
                    (Some(left), Some(right)) => comparison.of(left.cmp(&right)).into(),
                    _ => Truth::Unknown,
                }
            }
            Self::Not(inner) => inner.truth(values).negated(),
            Self::All(parts) => {
                let truths = parts.iter().map(|part| part.truth(values));
                truths.fold(Truth::True, Truth::and)
            }
            Self::Any(parts) => {
                let truths = parts.iter().map(|part| part.truth(values));
                truths.fold(Truth::False, Truth::or)
            }
        }
    }
}

/// A condition that can be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    text: String,
    node: Node,
    names: Vec<String>,
}

/// What a condition came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evaluation {
    /// Whether it holds.
    pub truth: Truth,
    /// What its numbers were.
    pub readings: Vec<Reading>,
}

impl Rule {
    /// Reads a condition.
    ///
    /// # Errors
    /// See [`RuleError`].
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let node = rule_text::parse(text)?;
        let mut names = Vec::new();
        node.names(&mut names);
        let known = Numbers::names();
        if let Some(name) = names.iter().find(|name| !known.contains(name)) {
            return Err(RuleError::UnknownName {
                name: name.clone(),
                near: near(name, &known),
                known,
            });
        }
        if names.is_empty() {
            return Err(RuleError::Constant);
        }
        Ok(Self {
            text: text.trim().to_owned(),
            node,
            names,
        })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names of the figures and indicators in it, in order of their first use.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether it holds for these counts.
    ///
    /// # Errors
    /// When the target of one of its indicators is no number.
    pub fn evaluate(
        &self,
        counts: &Counts,
        targets: &Targets,
    ) -> Result<Evaluation, IndicatorError> {
        let mut readings = Vec::with_capacity(self.names.len());
        for name in &self.names {
            readings.extend(reading_of(counts, targets, name)?);
        }
        let values = readings
            .iter()
            .map(|reading| (reading.name.as_str(), reading.exact))
            .collect();
        Ok(Evaluation {
            truth: self.node.truth(&values),
            readings,
        })
    }
}

/// Likeness from which on a name is offered in place of another.
const ALIKE: f64 = 0.75;
/// Names that are offered at most.
const MOST_OFFERED: usize = 4;

/// Known names that are like another, best first.
fn near(name: &str, known: &[String]) -> Vec<String> {
    let name = name.to_lowercase();
    let mut alike: Vec<(f64, &String)> = known
        .iter()
        .map(|other| {
            let part = other.split('_').any(|part| part == name) || other.starts_with(&name);
            let likeness = strsim::jaro_winkler(&name, other);
            (if part { 1.0 } else { likeness }, other)
        })
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|(a, x), (b, y)| b.total_cmp(a).then_with(|| x.cmp(y)));
    let best = alike.into_iter().take(MOST_OFFERED);
    best.map(|(_, other)| other.clone()).collect()
}
