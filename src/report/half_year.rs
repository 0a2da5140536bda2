//! The half-year report of an office.
//!
//! What comes in: a snapshot, an office, a period (any; the half-year is the usual one) and the
//! targets. What goes out: a [`HalfYearReport`], which holds every figure with its texts in both
//! languages and serialises to JSON with stable keys, and from which all formats are written.
//! What may fail: an office that is not registered, a target that is no number. What must stay
//! true: the same snapshot gives the same report; nothing is read from a clock; the report says
//! which position it is as of, whether the clock is simulated, and what it cannot say.

use serde::Serialize;

use super::ReportError;
use super::heading::Head;
use super::monthly::{MonthLimits, month_limits};
use super::render::Format;
use super::sheet::Sheet;
use crate::indicators::counted::Counted;
use crate::indicators::counts::{Counts, MonthOfBirths, MonthlyReturns};
use crate::indicators::plan::PlanSource;
use crate::indicators::targets::Targets;
use crate::indicators::{Indicator, evaluate_all};
use crate::locale::{Bilingual, Language, Note, known_text, text};
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::registers::snapshot::Snapshot;
use crate::statistics::rational::Rational;

/// Activities that every report lists, in this order; other kinds follow by name.
pub const ACTIVITIES: [&str; 8] = [
    "blackboard",
    "banner",
    "leaflet",
    "campaign",
    "couplet",
    "association_study",
    "association_event",
    "relief_visit",
];

/// One counted figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// Stable name.
    pub id: String,
    /// Its name.
    pub title: Bilingual,
    /// The count.
    pub value: i128,
    /// What should be known beside it.
    pub remark: Option<Bilingual>,
}

/// Births of one month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedMonth {
    /// The month.
    pub month: Period,
    /// Births that happened in it.
    pub register: u64,
    /// Births in the monthly returns; absent when no office sent one.
    pub returned: Option<i128>,
    /// What chance alone gives; absent where too few other months are over.
    pub limits: Option<MonthLimits>,
}

/// Everything that is known of an office for a period, as of a position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HalfYearReport {
    /// Name and version of this structure.
    pub format: &'static str,
    /// What it is about.
    #[serde(flatten)]
    pub head: Head,
    /// Where the targets are from.
    pub plan: PlanSource,
    /// Counts.
    pub figures: Vec<Figure>,
    /// Quantities of activities by kind.
    pub activities: Vec<Figure>,
    /// Births by month.
    pub births_by_month: Vec<ReportedMonth>,
    /// The monthly returns.
    pub monthly_returns: MonthlyReturns,
    /// Indicators with targets and verdicts.
    pub indicators: Vec<Indicator>,
    /// What the reader must know.
    pub notes: Vec<Note>,
}

impl HalfYearReport {
    /// Builds the report of an office for a period from what was current at a position.
    ///
    /// # Errors
    /// When the office is not registered at that position, or a target is no number.
    pub fn build(
        snapshot: &Snapshot,
        office: OfficeCode,
        period: Period,
        targets: &Targets,
    ) -> Result<Self, ReportError> {
        let head = Head::of(snapshot, office, period)?;
        let counts = Counts::of(snapshot, office, period, targets);
        let indicators = evaluate_all(&counts, targets)?;
        let births_by_month = months(&head, &counts.months);
        let has_limits = births_by_month.iter().any(|month| month.limits.is_some());
        let source = &targets.source;
        Ok(Self {
            format: "vitaledger-half-year/1",
            plan: source.clone(),
            figures: figures(&counts),
            activities: activities(&counts),
            notes: notes(&head, &counts, &indicators, source, has_limits),
            births_by_month,
            head,
            monthly_returns: counts.returns,
            indicators,
        })
    }

    /// Writes the report in a format and a language. JSON carries both languages.
    ///
    /// # Errors
    /// When a template cannot be filled.
    pub fn render(&self, format: Format, language: Language) -> Result<String, ReportError> {
        if format == Format::Json {
            return Ok(serde_json::to_string_pretty(self)? + "\n");
        }
        Sheet::of(self).render(format, language)
    }

    /// Writes the report as an Excel workbook.
    ///
    /// # Errors
    /// When the format cannot hold it.
    pub fn workbook(&self, language: Language) -> Result<Vec<u8>, ReportError> {
        Sheet::of(self).workbook(language)
    }

    /// The figure of that name.
    #[must_use]
    pub fn figure(&self, id: &str) -> Option<&Figure> {
        let mut all = self.figures.iter().chain(&self.activities);
        all.find(|figure| figure.id == id)
    }

    /// The indicator of that name.
    #[must_use]
    pub fn indicator(&self, id: &str) -> Option<&Indicator> {
        self.indicators.iter().find(|indicator| indicator.id == id)
    }
}

/// Each month with the limits that the others give it.
fn months(head: &Head, months: &[MonthOfBirths]) -> Vec<ReportedMonth> {
    let births: Vec<_> = months.iter().map(|m| (m.month, m.register)).collect();
    let limits = month_limits(&births, head.recorded_at.date());
    months
        .iter()
        .zip(limits)
        .map(|(month, limits)| ReportedMonth {
            month: month.month,
            register: month.register,
            returned: month.returned,
            limits: limits.map(MonthLimits::from),
        })
        .collect()
}

/// The counted figures, in the order of the report.
#[must_use]
pub fn figures(counts: &Counts) -> Vec<Figure> {
    Counted::listed().map(|one| figure(counts, one)).collect()
}

/// One counted figure.
#[must_use]
pub fn figure(counts: &Counts, counted: Counted) -> Figure {
    let returns = &counts.returns;
    let received = (returns.received.to_string(), returns.expected.to_string());
    Figure {
        id: counted.id().to_owned(),
        title: counted.title(),
        value: counts.get(counted),
        remark: counted.is_returned().then(|| {
            let args = [("received", received.0.as_str()), ("expected", &received.1)];
            Bilingual::of("returns-received", &args)
        }),
    }
}

/// The activities: those of [`ACTIVITIES`], then other kinds by name.
#[must_use]
pub fn activities(counts: &Counts) -> Vec<Figure> {
    let listed = ACTIVITIES.into_iter().map(str::to_owned);
    let others = counts.activities.keys().cloned();
    let others = others.filter(|kind| !ACTIVITIES.contains(&kind.as_str()));
    listed
        .chain(others)
        .map(|kind| {
            let key = format!("activity-{kind}");
            // Offices may name kinds that no text knows; they stand under their own word.
            let name = |language| known_text(language, &key, &[]).unwrap_or_else(|| kind.clone());
            Figure {
                title: Bilingual {
                    en: name(Language::En),
                    zh: name(Language::Zh),
                },
                value: counts.activities.get(&kind).copied().unwrap_or_default(),
                remark: None,
                id: kind,
            }
        })
        .collect()
}

fn notes(
    head: &Head,
    counts: &Counts,
    indicators: &[Indicator],
    plan: &PlanSource,
    has_limits: bool,
) -> Vec<Note> {
    let mut notes: Vec<Note> = head.before_the_end().into_iter().collect();
    notes.push(Note::new("counting", &[]));
    let returns = &counts.returns;
    let sent = returns.received > 0;
    let births = counts.count_of(Counted::Births);
    if sent && returns.births != i128::from(births) {
        notes.push(Note::new(
            "returns_differ",
            &[
                ("returned", &returns.births.to_string()),
                ("register", &births.to_string()),
            ],
        ));
    }
    let of_sex = [Counted::BirthsMale, Counted::BirthsFemale];
    let stated: u64 = of_sex.into_iter().map(|sex| counts.count_of(sex)).sum();
    if stated < births {
        let missing = (births - stated).to_string();
        notes.push(Note::new("sex_not_stated", &[("births", &missing)]));
    }
    let women = counts.count_of(Counted::WomenOfUnknownAge);
    if women > 0 {
        let women = women.to_string();
        notes.push(Note::new("age_not_known", &[("women", &women)]));
    }
    notes.extend(sex_ratio_note(stated, indicators));
    if has_limits {
        notes.push(Note::new("control_limits", &[]));
    }
    notes.push(annualised(counts));
    if indicators.iter().any(|indicator| indicator.within_chance) {
        notes.push(Note::new("within_chance", &[]));
    }
    notes.push(plan.note());
    notes.push(Note::new("quoted", &[]));
    notes.push(Note::new("not_for_publication", &[]));
    notes
}

/// What may be said of the sex ratio: with too few births nothing, and that in so many words.
fn sex_ratio_note(births: u64, indicators: &[Indicator]) -> Option<Note> {
    let ratio = indicators.iter().find(|i| i.id == "sex_ratio_at_birth")?;
    let (test, limits) = (ratio.test.as_ref()?, ratio.interval.as_ref());
    let few = ratio
        .reason
        .as_ref()
        .is_some_and(|r| r.id == "too_few_births");
    let id = if few { "sex_ratio_few" } else { "sex_ratio" };
    // Without girls there is no ratio; the interval of the share still has a lower end.
    let (low, high) = limits.map_or((None, None), |l| (Some(&l.low), l.high.as_ref()));
    let of = |language| {
        let open = text(language, "no-limit", &[]);
        text(
            language,
            &format!("note-{id}"),
            &[
                ("births", &births.to_string()),
                ("p", &test.p_value),
                ("low", low.unwrap_or(&open)),
                ("high", high.unwrap_or(&open)),
            ],
        )
    };
    Some(Note {
        id,
        text: Bilingual {
            en: of(Language::En),
            zh: of(Language::Zh),
        },
    })
}

fn annualised(counts: &Counts) -> Note {
    let months = counts.months.len().max(1);
    let factor = Rational::new(12, months as i128).map_or_else(String::new, |f| f.to_string());
    let mean = Rational::new(
        counts.residents_first_day + counts.get(Counted::Residents),
        2,
    )
    .map_or_else(String::new, |mean| mean.to_text(1));
    Note::new(
        "annualised",
        &[
            ("months", &months.to_string()),
            ("factor", &factor),
            ("mean", mean.strip_suffix(".0").unwrap_or(&mean)),
        ],
    )
}
