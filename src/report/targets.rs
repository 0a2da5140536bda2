//! Plan against reality: every indicator of an office beside its target.
//!
//! What comes in: a snapshot, an office, a period and the targets. What goes out: a
//! [`TargetsReport`]: each target with value, interval, verdict and the gap to it; what is counted
//! without a target; and the verdicts of the offices below as a matrix. What may fail: an office
//! that is not registered, a target that is no number. What must stay true: all figures are of one
//! snapshot, so denominators have one version; the report says which targets it holds them
//! against; offices stand in the order of their codes and are not ranked; what only an office
//! reported is quoted and has no verdict.

mod view;

use serde::Serialize;

use super::ReportError;
use super::heading::Head;
use super::render::Format;
use super::returns::summed;
use super::suppression::Publication;
use super::workbook;
use crate::indicators::counted::Counted;
use crate::indicators::counts::Counts;
use crate::indicators::gap::Gap;
use crate::indicators::plan::PlanSource;
use crate::indicators::targets::{Targets, Verdict};
use crate::indicators::{DEFINITIONS, Indicator, evaluate_all};
use crate::locale::{Bilingual, Language, Note};
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::registers::snapshot::Snapshot;

/// An indicator with the gap to its target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// The indicator with value, interval, target and verdict.
    #[serde(flatten)]
    pub indicator: Indicator,
    /// How far it is from the target; absent where there is no verdict or no single limit.
    pub gap: Option<Gap>,
}

impl Judged {
    fn of(indicator: Indicator) -> Self {
        Self {
            gap: indicator.gap(),
            indicator,
        }
    }
}

/// What one office below has of one indicator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MatrixCell {
    /// The indicator.
    pub id: &'static str,
    /// Its value with its decimals; absent where the data are lacking.
    pub value: Option<String>,
    /// The office's own figure, word for word.
    pub quoted: Option<String>,
    /// The verdict.
    pub verdict: Option<Verdict>,
    /// How far it is from the target.
    pub gap: Option<Gap>,
}

/// One office below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MatrixRow {
    /// Whose.
    pub office: OfficeCode,
    /// Its name.
    pub name: Bilingual,
    /// Its indicators that have a target, in the order of the report.
    pub cells: Vec<MatrixCell>,
}

/// Plan against reality.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetsReport {
    /// Name and version of this structure.
    pub format: &'static str,
    /// The smallest count that the public is shown beside 0; absent where nothing is withheld.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smallest_shown: Option<u64>,
    /// Whose, which period, as of when.
    #[serde(flatten)]
    pub head: Head,
    /// Where the targets are from.
    pub plan: PlanSource,
    /// Indicators that have a target.
    pub targets: Vec<Judged>,
    /// Indicators and counts that have none.
    pub without_target: Vec<Indicator>,
    /// The offices below, in the order of their codes; none below a village.
    pub offices: Vec<MatrixRow>,
    /// What the reader must know.
    pub notes: Vec<Note>,
}

impl TargetsReport {
    /// Builds the report from what was current at a position; for the public only with what is
    /// published of it.
    ///
    /// # Errors
    /// When the office is not registered at that position, or a target is no number.
    pub fn build(
        snapshot: &Snapshot,
        office: OfficeCode,
        period: Period,
        targets: &Targets,
        publication: Option<&Publication>,
    ) -> Result<Self, ReportError> {
        let head = Head::of(snapshot, office, period)?;
        let counts = Counts::of(snapshot, office, period, targets);
        let seen = |indicator: Indicator| match publication {
            Some(publication) => publication.indicator(office, period, &indicator),
            None => indicator,
        };
        let all = evaluate_all(&counts, targets)?.into_iter().map(seen);
        let (judged, others): (Vec<_>, Vec<_>) = all.partition(|one| one.target.is_some());
        let counted = Counted::listed().map(|one| seen(one.indicator(&counts)));
        let offices = summed(&snapshot.offices, office)
            .into_iter()
            .map(|below| matrix_row(snapshot, below, period, targets, publication))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            format: match publication {
                Some(_) => "vitaledger-targets-public/1",
                None => "vitaledger-targets/1",
            },
            smallest_shown: publication.map(|publication| publication.smallest_shown),
            notes: match publication {
                Some(publication) => public_notes(&head, &judged, publication),
                None => notes(&head, &judged),
            },
            head,
            plan: targets.source.clone(),
            targets: judged.into_iter().map(Judged::of).collect(),
            without_target: others.into_iter().chain(counted).collect(),
            offices,
        })
    }

    /// Writes the report as an Excel workbook.
    ///
    /// # Errors
    /// When the format cannot hold it.
    pub fn workbook(&self, language: Language) -> Result<Vec<u8>, ReportError> {
        workbook::of_page(&view::page(self, language), self.head.recorded_at)
    }

    /// Writes the report in a format and a language. JSON carries both languages.
    ///
    /// # Errors
    /// When a template cannot be filled.
    pub fn render(&self, format: Format, language: Language) -> Result<String, ReportError> {
        match format {
            Format::Json => Ok(serde_json::to_string_pretty(self)? + "\n"),
            _ => view::page(self, language).write(format),
        }
    }
}

fn matrix_row(
    snapshot: &Snapshot,
    office: OfficeCode,
    period: Period,
    targets: &Targets,
    publication: Option<&Publication>,
) -> Result<MatrixRow, ReportError> {
    let known = snapshot
        .offices
        .get(office)
        .ok_or(ReportError::UnknownOffice(office))?;
    let counts = Counts::of(snapshot, office, period, targets);
    let with_target = DEFINITIONS.iter().filter(|one| one.target.is_some());
    let cells = with_target.map(|definition| {
        let mut indicator = definition.evaluate(&counts, targets)?;
        if let Some(publication) = publication {
            indicator = publication.indicator(office, period, &indicator);
        }
        let said = indicator.reason.is_none();
        Ok(MatrixCell {
            id: indicator.id,
            gap: indicator.gap(),
            value: indicator.value.filter(|_| said),
            quoted: indicator.quoted,
            verdict: indicator.verdict,
        })
    });
    Ok(MatrixRow {
        office,
        name: Bilingual {
            en: known.name(false).to_owned(),
            zh: known.name(true).to_owned(),
        },
        cells: cells.collect::<Result<_, ReportError>>()?,
    })
}

/// No gap is published: it is a count like any other, and no cell of the tables.
fn public_notes(head: &Head, judged: &[Indicator], publication: &Publication) -> Vec<Note> {
    let mut notes = publication.notes(head);
    notes.push(Note::new("counting", &[]));
    if judged.iter().any(|indicator| indicator.within_chance) {
        notes.push(Note::new("within_chance", &[]));
    }
    notes
}

fn notes(head: &Head, judged: &[Indicator]) -> Vec<Note> {
    let mut notes: Vec<Note> = head.before_the_end().into_iter().collect();
    notes.push(Note::new("counting", &[]));
    notes.push(Note::new("gap", &[]));
    if judged.iter().any(|indicator| indicator.within_chance) {
        notes.push(Note::new("within_chance", &[]));
    }
    notes.push(Note::new("quoted", &[]));
    notes.push(Note::new("not_for_publication", &[]));
    notes
}
