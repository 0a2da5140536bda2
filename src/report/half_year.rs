//! The half-year report of an office.
//!
//! What comes in: a snapshot, an office, a period (any; the half-year is the usual one) and the
//! targets. What goes out: a [`HalfYearReport`], which holds every figure with its texts in both
//! languages and serialises to JSON with stable keys, and from which all formats are written.
//! What may fail: an office that is not registered, a target that is no number. What must stay
//! true: the same snapshot gives the same report; nothing is read from a clock; the report says
//! which position it is as of, whether the clock is simulated, and what it cannot say.

use chrono::NaiveDate;
use serde::Serialize;

use super::ReportError;
use super::render::{self, Format};
use crate::indicators::counted::Counted;
use crate::indicators::counts::{Counts, MonthOfBirths, MonthlyReturns};
use crate::indicators::plan::PlanSource;
use crate::indicators::targets::Targets;
use crate::indicators::{Indicator, evaluate_all};
use crate::locale::{Bilingual, Language, Note, known_text, text};
use crate::model::code::OfficeLevel;
use crate::model::id::{OfficeCode, Position};
use crate::model::period::Period;
use crate::model::time::Timestamp;
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

/// The office that a report is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedOffice {
    /// Its 12 digits.
    pub code: OfficeCode,
    /// Its name.
    pub name: Bilingual,
    /// Its level.
    pub level: OfficeLevel,
    /// Offices below it that are counted with it.
    pub offices_below: u64,
}

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

/// Everything that is known of an office for a period, as of a position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HalfYearReport {
    /// Name and version of this structure.
    pub format: &'static str,
    /// The office.
    pub office: ReportedOffice,
    /// The period.
    pub period: Period,
    /// Its first day.
    pub first_day: NaiveDate,
    /// Its last day.
    pub last_day: NaiveDate,
    /// The last entry that is in it; absent when the ledger was empty.
    pub position: Option<Position>,
    /// When that entry was recorded.
    pub recorded_at: Timestamp,
    /// The log's origin.
    pub origin: String,
    /// Whether the ledger's clock is simulated.
    pub simulated_clock: bool,
    /// What a simulated clock means for the reader; absent on a measured one.
    pub simulated_clock_note: Option<Bilingual>,
    /// Where the targets are from.
    pub plan: PlanSource,
    /// Counts.
    pub figures: Vec<Figure>,
    /// Quantities of activities by kind.
    pub activities: Vec<Figure>,
    /// Births by month.
    pub births_by_month: Vec<MonthOfBirths>,
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
        let known = snapshot
            .offices
            .get(office)
            .ok_or(ReportError::UnknownOffice(office))?;
        let counts = Counts::of(snapshot, office, period, targets);
        let indicators = evaluate_all(&counts, targets)?;
        let all = snapshot.offices.all();
        let within = all
            .iter()
            .filter(|other| snapshot.offices.is_within(other.code, office));
        Ok(Self {
            format: "vitaledger-half-year/1",
            office: ReportedOffice {
                code: office,
                name: Bilingual {
                    en: known.name(false).to_owned(),
                    zh: known.name(true).to_owned(),
                },
                level: known.level,
                offices_below: (within.count() as u64).saturating_sub(1),
            },
            period,
            first_day: period.first_day(),
            last_day: period.last_day(),
            position: snapshot.position(),
            recorded_at: snapshot.recorded_at,
            origin: snapshot.origin.clone(),
            simulated_clock: snapshot.simulated_clock,
            simulated_clock_note: snapshot
                .simulated_clock
                .then(|| Bilingual::of("simulated-clock", &[])),
            plan: targets.source.clone(),
            figures: figures(&counts),
            activities: activities(&counts),
            notes: notes(snapshot, &counts, &indicators, &targets.source),
            births_by_month: counts.months,
            monthly_returns: counts.returns,
            indicators,
        })
    }

    /// Writes the report in a format and a language. JSON carries both languages.
    ///
    /// # Errors
    /// When a template cannot be filled.
    pub fn render(&self, format: Format, language: Language) -> Result<String, ReportError> {
        render::render(self, format, language)
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
    snapshot: &Snapshot,
    counts: &Counts,
    indicators: &[Indicator],
    plan: &PlanSource,
) -> Vec<Note> {
    let mut notes = Vec::new();
    if snapshot.recorded_at.date() < counts.period.last_day() {
        notes.push(Note::dated("before_the_end", snapshot.recorded_at.date()));
    }
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
