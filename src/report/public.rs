//! The sheet for the public: small counts, and what would give them away, are not in it.
//!
//! What comes in: a report, and what is shown of its position. What goes out: a sheet. What may
//! fail: nothing. What must stay true: a derived figure is shown only where every count that it is
//! made of is shown, and with so few decimals that a number of residents which is not published
//! itself stays uncertain by more than a small count; no interval, test, verdict or note remains
//! of a figure that is withheld.
//!
//! A verdict is a bound on its figure (at most 15 per mille of 500 residents are at most 3 births
//! in a half-year), so it goes with the figure. What an office only reported is not published:
//! what was not counted here cannot be protected here. The returns are not published beside the
//! register, because their difference is the number of reports that came late.

use super::half_year::{Figure, HalfYearReport, ReportedMonth};
use super::heading::Head;
use super::sheet::{Sheet, ShownFigure, ShownMonth};
use super::suppression::Publication;
use crate::indicators::targets::Verdict;
use crate::indicators::{Indicator, Limits, Unit};
use crate::locale::Note;
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::statistics::rational::Rational;

/// How many figures are rounded from one unpublished number of residents: two rates and the two
/// ends of an interval.
const READINGS: i128 = 4;
/// Notes that hold for any reader; they name no count.
const KEPT: [&str; 4] = ["before_the_end", "counting", "plan_defaults", "plan_file"];

/// What an indicator is made of, and whether it can be published.
enum Basis {
    /// Nothing is computed: what it says of itself holds for any reader.
    Words,
    /// A ratio of counts that are all among the figures.
    Counts(&'static [&'static str]),
    /// The same by a number of residents that is not published.
    ToResidents(&'static [&'static str]),
    /// A share of a count of which only all can be said: the rest is mostly small, and no figure.
    AllOf(&'static str),
    /// A share of money that is the same for each person: only all or nothing can be said.
    AllOrNothing,
    /// What an office reported, or what is made of counts that are not decided on: births reported
    /// within a year, stillbirths.
    Quoted,
}

/// Unknown indicators are taken to be quoted, which is never published.
fn basis(id: &str) -> Basis {
    match id {
        "crude_birth_rate" => Basis::ToResidents(&["births"]),
        "natural_increase" => Basis::ToResidents(&["births", "deaths"]),
        "sex_ratio_at_birth" => Basis::Counts(&["births_male", "births_female"]),
        "preconception_check_coverage" => {
            Basis::Counts(&["checks_due", "checks_done", "checks_missed"])
        }
        "timeliness" | "timeliness_one_year" => Basis::AllOf("births"),
        "programme_funding_per_head" => Basis::ToResidents(&[]),
        "reward_fulfilment" => Basis::AllOrNothing,
        "statistical_accuracy" => Basis::Words,
        _ => Basis::Quoted,
    }
}

/// What is shown of one office and period.
struct Shown<'p> {
    publication: &'p Publication,
    office: OfficeCode,
    period: Period,
}

impl Shown<'_> {
    fn all(&self, figures: &[&str]) -> bool {
        let shows = |figure: &&str| self.publication.shows(self.office, figure, self.period);
        figures.iter().all(shows)
    }

    fn figure(&self, figure: &Figure) -> ShownFigure {
        // Returns are never among the figures that are decided on.
        published(figure, self.all(&[figure.id.as_str()]))
    }

    fn activity(&self, figure: &Figure) -> ShownFigure {
        let shows = self
            .publication
            .shows_activity(self.office, &figure.id, self.period);
        published(figure, shows)
    }

    fn month(&self, month: &ReportedMonth) -> ShownMonth {
        let shows = self.publication.shows(self.office, "births", month.month);
        ShownMonth {
            month: month.month,
            register: Some(month.register).filter(|_| shows),
            returned: None,
            // The limits come from the births of the other months, which are those of the period
            // less its own.
            limits: month.limits.filter(|_| shows && self.all(&["births"])),
            withheld: !shows,
        }
    }

    fn indicator(&self, indicator: &Indicator) -> Indicator {
        if indicator.unit == Unit::Count {
            // A figure by itself.
            let shows = self.all(&[indicator.id]);
            return if shows {
                indicator.clone()
            } else {
                withheld(indicator)
            };
        }
        match basis(indicator.id) {
            Basis::Words => Some(indicator.clone()),
            Basis::Counts(figures) => self.all(figures).then(|| indicator.clone()),
            Basis::ToResidents(figures) => {
                let known = self.all(figures).then_some(indicator);
                known.and_then(|indicator| self.rounded(indicator))
            }
            Basis::AllOf(figure) => {
                let all = indicator
                    .exact
                    .is_none_or(|exact| exact == Rational::whole(100));
                (all && self.all(&[figure])).then(|| indicator.clone())
            }
            Basis::AllOrNothing => {
                let said = indicator.exact.is_none_or(|exact| {
                    exact == Rational::whole(0) || exact == Rational::whole(100)
                });
                said.then(|| Indicator {
                    numerator: None,
                    denominator: None,
                    exact: None,
                    ..indicator.clone()
                })
            }
            Basis::Quoted if indicator.quoted.is_none() && indicator.numerator.is_none() => {
                Some(indicator.clone())
            }
            Basis::Quoted => None,
        }
        .unwrap_or_else(|| withheld(indicator))
    }

    /// The rate without its denominator, with the most decimals that leave the denominator
    /// uncertain by [`READINGS`] times what is to be hidden; `None` where no decimal is few enough.
    ///
    /// A value v = f n / d, rounded to a unit u, leaves d between f n / (v + u/2) and
    /// f n / (v - u/2), which is d u / v wide.
    fn rounded(&self, indicator: &Indicator) -> Option<Indicator> {
        let (Some(exact), Some(residents)) = (indicator.exact, indicator.denominator) else {
            return Some(indicator.clone());
        };
        let hidden = i128::from(self.publication.smallest_shown).saturating_sub(1);
        let needed = Rational::whole(hidden.saturating_mul(READINGS));
        let most = indicator.definition_of().map_or(0, |d| d.decimals);
        let wide = |decimals: &u32| {
            let unit = Rational::new(1, 10_i128.pow(*decimals));
            let spread = unit.and_then(|unit| residents.times(unit)?.over(exact));
            // A rate of 0 says nothing of its denominator.
            spread.is_none_or(|spread| {
                spread >= needed || spread <= Rational::whole(0).minus(needed).unwrap_or(needed)
            })
        };
        let decimals = (0..=most).rev().find(wide)?;
        Some(Indicator {
            denominator: None,
            exact: None,
            value: Some(exact.to_decimal(decimals)),
            interval: indicator
                .interval
                .as_ref()
                .map(|limits| coarser(limits, decimals)),
            ..indicator.clone()
        })
    }
}

fn coarser(limits: &Limits, decimals: u32) -> Limits {
    let round = |limit: &String| {
        Rational::of_decimal(limit).map_or_else(String::new, |limit| limit.to_decimal(decimals))
    };
    Limits {
        low: round(&limits.low),
        high: limits.high.as_ref().map(round),
        ..limits.clone()
    }
}

fn published(figure: &Figure, shows: bool) -> ShownFigure {
    ShownFigure {
        id: figure.id.clone(),
        title: figure.title.clone(),
        value: Some(figure.value).filter(|_| shows),
        withheld: !shows,
        remark: None,
    }
}

/// The indicator without anything that was counted.
fn withheld(indicator: &Indicator) -> Indicator {
    Indicator {
        numerator: None,
        denominator: None,
        exact: None,
        value: None,
        interval: None,
        test: None,
        quoted: None,
        verdict: indicator.target.map(|_| Verdict::InsufficientData),
        reason: Some(Note::new("withheld", &[])),
        within_chance: false,
        ..indicator.clone()
    }
}

impl Publication {
    /// An indicator as far as it is published.
    #[must_use]
    pub fn indicator(&self, office: OfficeCode, period: Period, full: &Indicator) -> Indicator {
        let shown = Shown {
            publication: self,
            office,
            period,
        };
        let public = shown.indicator(full);
        // How far it is from its target is a count of its own, which its parts would give away.
        Indicator {
            numerator: None,
            denominator: None,
            ..public
        }
    }

    /// What stands above the notes of everything that is published.
    #[must_use]
    pub fn notes(&self, head: &Head) -> Vec<Note> {
        let most = self.smallest_shown.saturating_sub(1).to_string();
        let mut notes = vec![Note::new("published", &[("most", &most)])];
        if !self.is_over(head.period) {
            notes.push(Note::new("not_over", &[]));
        }
        notes
    }
}

impl Sheet {
    /// What the public is shown of a report.
    #[must_use]
    pub fn public(report: &HalfYearReport, publication: &Publication) -> Self {
        let shown = Shown {
            publication,
            office: report.head.office.code,
            period: report.head.period,
        };
        let mut months: Vec<_> = report
            .births_by_month
            .iter()
            .map(|m| shown.month(m))
            .collect();
        // The limits of a month come from the others, so they are shown with all of them.
        if months.iter().all(|month| !month.withheld) {
            for (shown, full) in months.iter_mut().zip(&report.births_by_month) {
                shown.limits = full.limits;
            }
        }
        let indicators: Vec<_> = report
            .indicators
            .iter()
            .map(|i| shown.indicator(i))
            .collect();
        let mut notes = publication.notes(&report.head);
        let sex_ratio = shown.all(&["births_male", "births_female"]);
        notes.extend(
            report
                .notes
                .iter()
                .filter(|note| match note.id {
                    "sex_ratio" | "sex_ratio_few" => sex_ratio,
                    "control_limits" => months.iter().any(|month| month.limits.is_some()),
                    id => KEPT.contains(&id),
                })
                .cloned(),
        );
        notes.push(annualised(report));
        if indicators.iter().any(|indicator| indicator.within_chance) {
            notes.push(Note::new("within_chance", &[]));
        }
        Self {
            format: "vitaledger-half-year-public/1",
            smallest_shown: Some(publication.smallest_shown),
            head: report.head.clone(),
            plan: report.plan.clone(),
            figures: report.figures.iter().map(|f| shown.figure(f)).collect(),
            activities: report
                .activities
                .iter()
                .map(|f| shown.activity(f))
                .collect(),
            births_by_month: months,
            indicators,
            notes,
        }
    }
}

/// How rates are made, without the number of residents.
fn annualised(report: &HalfYearReport) -> Note {
    let months = report.births_by_month.len().max(1);
    let factor = Rational::new(12, months as i128).map_or_else(String::new, |f| f.to_string());
    Note::new(
        "annualised_public",
        &[("months", &months.to_string()), ("factor", &factor)],
    )
}
