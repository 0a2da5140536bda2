//! The numbers of an office and a period: the figures and indicators of the reports, by name.
//!
//! What comes in: counts and targets. What goes out: every figure and indicator under the id that
//! reports give it, and one of them by name. What may fail: a target that is no number. What must
//! stay true: no number is made here; an indicator that lacks its data has no value but a reason.

use serde::Serialize;

use crate::indicators::counted::Counted;
use crate::indicators::counts::Counts;
use crate::indicators::targets::Targets;
use crate::indicators::{DEFINITIONS, Indicator, IndicatorError, evaluate_all};
use crate::locale::Bilingual;
use crate::report::half_year::{ACTIVITIES, Figure, activities, figure, figures};
use crate::statistics::rational::Rational;

/// Every number, as the reports' JSON has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Numbers {
    /// Counts.
    pub figures: Vec<Figure>,
    /// Quantities of activities by kind.
    pub activities: Vec<Figure>,
    /// Indicators with targets and verdicts.
    pub indicators: Vec<Indicator>,
}

/// The value of a figure of a full report.
#[must_use]
pub const fn counted(figure: &Figure) -> i128 {
    figure.value
}

/// One number, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Stable name.
    pub name: String,
    /// The exact value.
    pub exact: Option<Rational>,
    /// The value with its decimals.
    pub value: Option<String>,
    /// Why there is no value.
    pub reason: Option<Bilingual>,
}

impl Numbers {
    /// All of them.
    ///
    /// # Errors
    /// When a target is no number.
    pub fn of(counts: &Counts, targets: &Targets) -> Result<Self, IndicatorError> {
        Ok(Self {
            figures: figures(counts),
            activities: activities(counts),
            indicators: evaluate_all(counts, targets)?,
        })
    }

    /// The names of all numbers that every report has, in the order of the report.
    #[must_use]
    pub fn names() -> Vec<String> {
        let counted = Counted::listed().map(Counted::id);
        let counted = counted.chain(ACTIVITIES).map(str::to_owned);
        let indicators = DEFINITIONS.iter().map(|d| d.id.to_owned());
        counted.chain(indicators).collect()
    }
}

/// One number by name, without the cost of all others; `None` when no report has it.
///
/// # Errors
/// When its target is no number.
pub fn reading_of(
    counts: &Counts,
    targets: &Targets,
    name: &str,
) -> Result<Option<Reading>, IndicatorError> {
    if let Some(definition) = DEFINITIONS.iter().find(|d| d.id == name) {
        return Ok(Some(indicator(definition.evaluate(counts, targets)?)));
    }
    let own = Counted::of_id(name).filter(|one| one.is_listed());
    let found = own.map_or_else(
        || activities(counts).into_iter().find(|one| one.id == name),
        |own| Some(figure(counts, own)),
    );
    Ok(found.map(|figure| {
        let exact = Rational::whole(counted(&figure));
        Reading {
            name: figure.id,
            exact: Some(exact),
            value: Some(exact.to_string()),
            reason: None,
        }
    }))
}

/// A figure that only an office reports is read as it quotes it, where that is a number.
fn indicator(indicator: Indicator) -> Reading {
    let name = indicator.id.to_owned();
    if let Some(quoted) = indicator.quoted {
        return Reading {
            name,
            exact: Rational::of_decimal(&quoted),
            value: Some(quoted),
            reason: indicator.reason.map(|note| note.text),
        };
    }
    match indicator.reason {
        Some(note) => Reading {
            name,
            exact: None,
            value: None,
            reason: Some(note.text),
        },
        None => Reading {
            name,
            exact: indicator.exact,
            value: indicator.value,
            reason: None,
        },
    }
}
