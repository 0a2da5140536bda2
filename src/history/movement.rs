//! How the numbers of an office and a period moved from one moment to another.
//!
//! What comes in: the numbers as of both. What goes out: each of them before, after, and the
//! difference. What may fail: nothing. What must stay true: differences are exact, and rounded
//! only when they are written; where one side has no value there is no difference.

use serde::Serialize;

use super::numbers::{Numbers, counted};
use crate::indicators::targets::Verdict;
use crate::indicators::{Indicator, Unit};
use crate::locale::{Bilingual, Note};
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::report::half_year::Figure;
use crate::statistics::rational::Rational;

/// One counted figure at both moments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FigureMove {
    /// Stable name.
    pub id: String,
    /// Its name.
    pub title: Bilingual,
    /// At the first moment.
    pub before: i128,
    /// At the second.
    pub after: i128,
    /// The second less the first.
    pub difference: i128,
}

/// An indicator at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The value with its decimals; absent where the data are lacking.
    pub value: Option<String>,
    /// The exact value.
    pub exact: Option<Rational>,
    /// A figure quoted from the office's own return, word for word.
    pub quoted: Option<String>,
    /// The verdict; absent where there is no target.
    pub verdict: Option<Verdict>,
    /// Why nothing can be said.
    pub reason: Option<Note>,
}

/// One indicator at both moments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IndicatorMove {
    /// Stable name.
    pub id: &'static str,
    /// Its name.
    pub title: Bilingual,
    /// What its values count.
    pub unit: Unit,
    /// At the first moment.
    pub before: Side,
    /// At the second.
    pub after: Side,
    /// The second less the first, with the decimals of the value.
    pub difference: Option<String>,
    /// The same, exact.
    pub exact_difference: Option<Rational>,
}

/// The numbers of an office and a period at both moments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Movement {
    /// The office.
    pub office: OfficeCode,
    /// Its name.
    pub name: Bilingual,
    /// The period.
    pub period: Period,
    /// Counts.
    pub figures: Vec<FigureMove>,
    /// Quantities of activities by kind.
    pub activities: Vec<FigureMove>,
    /// Indicators.
    pub indicators: Vec<IndicatorMove>,
}

impl FigureMove {
    /// Whether it is another number than before.
    #[must_use]
    pub const fn moved(&self) -> bool {
        self.difference != 0
    }
}

impl IndicatorMove {
    /// Whether anything of it is other than before.
    #[must_use]
    pub fn moved(&self) -> bool {
        self.before != self.after
    }
}

impl Movement {
    /// From the numbers before to those after.
    #[must_use]
    pub fn between(
        office: OfficeCode,
        name: Bilingual,
        period: Period,
        before: &Numbers,
        after: Numbers,
    ) -> Self {
        let indicators = after.indicators.into_iter().map(|after| {
            let earlier = before.indicators.iter().find(|other| other.id == after.id);
            indicator(earlier, after)
        });
        Self {
            office,
            name,
            period,
            figures: figures(&before.figures, after.figures),
            activities: figures(&before.activities, after.activities),
            indicators: indicators.collect(),
        }
    }

    /// How many figures, activities and indicators moved.
    #[must_use]
    pub fn moved(&self) -> usize {
        let counted = self.figures.iter().chain(&self.activities);
        let indicators = self.indicators.iter();
        counted.filter(|figure| figure.moved()).count()
            + indicators.filter(|indicator| indicator.moved()).count()
    }
}

/// A figure that only one side has is zero on the other: kinds of activities come and go.
fn figures(before: &[Figure], after: Vec<Figure>) -> Vec<FigureMove> {
    let went = before
        .iter()
        .filter(|figure| after.iter().all(|other| other.id != figure.id))
        .map(|figure| FigureMove {
            id: figure.id.clone(),
            title: figure.title.clone(),
            before: counted(figure),
            after: 0,
            difference: -counted(figure),
        })
        .collect::<Vec<_>>();
    let stayed = after.into_iter().map(|figure| {
        let earlier = before.iter().find(|other| other.id == figure.id);
        let before = earlier.map_or(0, counted);
        FigureMove {
            before,
            after: counted(&figure),
            difference: counted(&figure) - before,
            id: figure.id,
            title: figure.title,
        }
    });
    stayed.chain(went).collect()
}

fn side(indicator: &Indicator) -> Side {
    // Where the data are lacking, the report shows the reason and no value; so does this.
    let shown = indicator.reason.is_none();
    Side {
        value: indicator.value.clone().filter(|_| shown),
        exact: indicator.exact.filter(|_| shown),
        quoted: indicator.quoted.clone(),
        verdict: indicator.verdict,
        reason: indicator.reason.clone(),
    }
}

fn indicator(before: Option<&Indicator>, after: Indicator) -> IndicatorMove {
    let later = side(&after);
    let earlier = before.map_or_else(
        || Side {
            value: None,
            exact: None,
            quoted: None,
            verdict: None,
            reason: None,
        },
        side,
    );
    let exact_difference = earlier
        .exact
        .zip(later.exact)
        .and_then(|(earlier, later)| later.minus(earlier));
    let decimals = after.definition_of().map_or(2, |d| d.decimals);
    IndicatorMove {
        id: after.id,
        title: after.title,
        unit: after.unit,
        before: earlier,
        after: later,
        difference: exact_difference.map(|exact| exact.to_decimal(decimals)),
        exact_difference,
    }
}
