//! Statistical returns: drafted from the ledger, submitted, awaited, compared.
//!
//! What comes in: an office and a period, perhaps a file with the lines of a return. What goes
//! out: a draft; lines recorded as every other record is, each with the position that it was
//! counted from; every line beside the ledger's count. What may fail: a return of a period that has not ended, one that was submitted with other figures
//! and has no reason, a file with lines of another office. What must stay true: a second
//! submission of the same records nothing; no sealed field is opened for counting.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use chrono::NaiveDate;
use serde::Serialize;

use super::reading::AsOf;
use super::records::{Values, place, sealed_text};
use super::{App, AppError};
use crate::ledger::recording::AS_OF;
use crate::ledger::request::{Answer, Command, Refusal, Request};
use crate::model::code::{OfficeLevel, Source};
use crate::model::entry::Entry;
use crate::model::fields::{AnyFields, ReturnFields};
use crate::model::id::{OfficeCode, Position};
use crate::model::period::Period;
use crate::model::record::{Draft as RecordDraft, cells_of};
use crate::model::schema::RecordKind;
use crate::registers::Registers;
use crate::registers::row::RegisterRow;
use crate::registers::snapshot::Snapshot;
use crate::report::returns::{Comparison, Counter, Draft, LineVerdict, Lines, Sheets, totals};

/// How often another number is tried for a line whose first record was withdrawn.
const NUMBERS: u32 = 1000;

/// How a return is submitted.
#[derive(Debug, Clone, Default)]
pub struct Submission {
    /// The file with its lines; a draft is filled when there is none.
    pub from: Option<PathBuf>,
    /// The day of the submission; by default the ledger's.
    pub submitted_on: Option<NaiveDate>,
    /// Why it differs from what was submitted before; sealed.
    pub reason: Option<String>,
    /// Whether returns of offices below may be missing.
    pub incomplete: bool,
}

/// What became of one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubmittedLine {
    /// The indicator.
    pub indicator: String,
    /// What it says now.
    pub value: Option<String>,
    /// `recorded`, `corrected`, or `unchanged`.
    pub answer: &'static str,
    /// Where the entry stands.
    pub position: Position,
}

/// A return that was submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Submitted {
    /// Whose.
    pub office: OfficeCode,
    /// Which period.
    pub period: Period,
    /// The last entry that it counts.
    pub as_of: Position,
    /// Its lines.
    pub lines: Vec<SubmittedLine>,
}

impl App {
    /// Registrations, births and returns as they were current; nothing sealed is opened.
    async fn public_snapshot(
        &self,
        registers: &Registers,
        size: u64,
    ) -> Result<Snapshot, AppError> {
        let kinds = [
            RecordKind::Registration,
            RecordKind::Birth,
            RecordKind::Return,
        ];
        let mut rows = HashMap::new();
        for kind in kinds {
            rows.insert(kind, registers.current(kind, size, None)?);
        }
        Ok(Snapshot {
            size,
            simulated_clock: self.ledger.simulated,
            origin: self.origin.clone(),
            offices: self.offices(size).await?,
            rows,
            ..Snapshot::default()
        })
    }

    /// The date of the ledger at a moment.
    pub(super) async fn date_at(&self, as_of: &AsOf, size: u64) -> Result<NaiveDate, AppError> {
        let last = match as_of {
            AsOf::Head => return Ok(self.time().await?.date()),
            AsOf::Moment(moment) => return Ok(moment.date()),
            AsOf::Position(_) | AsOf::Checkpoint(_) => {
                self.ledger.store.entry(size.saturating_sub(1)).await?
            }
        };
        let entry = last
            .as_ref()
            .and_then(|stored| Entry::parse(&stored.bytes).ok());
        entry
            .map(|entry| entry.recorded_at.date())
            .ok_or_else(|| AppError::Integrity(format!("there is no entry below {size}")))
    }

    /// Fills a return from the ledger: of a village what it counts by the day of the submission,
    /// of a township the sum of its villages' returns.
    ///
    /// # Errors
    /// When the office is not registered or sends no returns, or the store fails.
    pub async fn draft_return(
        &self,
        office: OfficeCode,
        period: Period,
        as_of: AsOf,
        submitted_on: Option<NaiveDate>,
    ) -> Result<Draft, AppError> {
        let drafted = self.drafted(office, period, as_of, submitted_on).await?;
        Ok(drafted.0)
    }

    /// The draft, and what it was counted from.
    async fn drafted(
        &self,
        office: OfficeCode,
        period: Period,
        as_of: AsOf,
        submitted_on: Option<NaiveDate>,
    ) -> Result<(Draft, Snapshot), AppError> {
        let size = self.size_at(as_of.clone()).await?;
        let known = self.known_office(office, size).await?;
        if known.level == OfficeLevel::Facility {
            return Err(AppError::Usage(format!(
                "office {office} is a facility, which sends no statistical returns"
            )));
        }
        let day = match submitted_on {
            Some(day) => day,
            None => self.date_at(&as_of, size).await?,
        };
        let registers = self.registers().await?;
        let snapshot = self.public_snapshot(&registers, size).await?;
        Ok((Draft::fill(&snapshot, office, period, day), snapshot))
    }

    /// Submits a return: each line becomes a record, or a correction of what was submitted.
    ///
    /// # Errors
    /// When the period had not ended, a line cannot be read or is of another return, figures
    /// differ from those submitted before and there is no reason, or the store fails.
    pub async fn submit_return(
        &self,
        office: OfficeCode,
        period: Period,
        submission: &Submission,
    ) -> Result<Submitted, AppError> {
        let (draft, snapshot) = self
            .drafted(office, period, AsOf::Head, submission.submitted_on)
            .await?;
        let as_of = draft
            .as_of
            .ok_or_else(|| AppError::Integrity("the log is empty".to_owned()))?;
        let rows = match &submission.from {
            Some(path) => self.rows_of_file(path, office, period)?,
            None => self.rows_of_draft(&draft, submission.incomplete)?,
        };
        let sheets = Sheets::of(&snapshot);
        let before = sheets.lines(office, period);
        let reason = submission.reason.as_deref();
        let reason = reason.map(|text| sealed_text("reason", text)).transpose()?;
        let mut lines = Vec::with_capacity(rows.len());
        let mut requests: Vec<Request> = Vec::new();
        for row in &rows {
            let planned = self
                .plan_line(row, before, &snapshot, reason.as_deref())
                .await?;
            lines.push(planned.line);
            requests.extend(planned.command.map(Request::from));
        }
        check_reason(&lines, before, reason.is_some())?;
        let mut context = self.context(None);
        context.as_of = Some(as_of);
        let answers = self.ledger.execute(&context, requests).await?;
        self.seal().await?;
        let mut answers = answers.into_iter();
        for line in lines.iter_mut().filter(|line| line.answer != "unchanged") {
            let Some(answer) = answers.next() else { break };
            let answer = answer?;
            line.position = answer.receipt().position;
            if matches!(answer, Answer::Replayed { .. }) {
                line.answer = "unchanged";
            }
        }
        Ok(Submitted {
            office,
            period,
            as_of,
            lines,
        })
    }

    /// The cells of a draft's lines.
    fn rows_of_draft(&self, draft: &Draft, incomplete: bool) -> Result<Vec<Values>, AppError> {
        if !incomplete && !draft.is_complete() {
            let names = |codes: &[OfficeCode]| {
                let names: Vec<String> = codes.iter().map(ToString::to_string).collect();
                names.join(", ")
            };
            let mut missing: Vec<OfficeCode> = draft.missing.clone();
            missing.extend(draft.lines.iter().flat_map(|line| &line.without));
            missing.sort_unstable();
            missing.dedup();
            return Err(AppError::Usage(format!(
                "returns of {} for {} are missing or lack lines: {}; wait for them, or submit the sum of the others with --incomplete",
                draft.office,
                draft.period,
                names(&missing)
            )));
        }
        Ok(draft_rows(draft, &self.actor))
    }

    /// What is to be done with a line: nothing, a record, or a correction.
    async fn plan_line(
        &self,
        row: &Values,
        before: Option<&Lines<'_>>,
        snapshot: &Snapshot,
        reason: Option<&str>,
    ) -> Result<Planned, AppError> {
        const KIND: RecordKind = RecordKind::Return;
        let offices = &snapshot.offices;
        let read = |cells: &[String]| {
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            RecordDraft::read(KIND, &cells, offices)
        };
        let mut cells = vec![String::new(); KIND.columns().len()];
        place(KIND, &mut cells, row)?;
        let draft = read(&cells)?;
        let AnyFields::Return(fields) = draft.fields.clone() else {
            return Err(AppError::Integrity("a return is no return".to_owned()));
        };
        check_ended(&fields)?;
        if draft.source != Source::Village {
            let what = "a return has the source village: what others report is no return";
            return Err(AppError::Usage(what.to_owned()));
        }
        let line = SubmittedLine {
            indicator: fields
                .indicator
                .as_ref()
                .map_or_else(String::new, |slug| slug.0.clone()),
            value: fields.value.as_ref().map(|value| value.0.clone()),
            answer: "recorded",
            position: 0,
        };
        let Some((known, submitted)) = before.and_then(|lines| lines.get(line.indicator.as_str()))
        else {
            let command = Some(self.record_anew(draft, cells, read).await?);
            return Ok(Planned { line, command });
        };
        if same_figures(&fields, submitted) {
            let line = SubmittedLine {
                answer: "unchanged",
                position: known.position,
                ..line
            };
            return Ok(Planned {
                line,
                command: None,
            });
        }
        let line = SubmittedLine {
            answer: "corrected",
            position: known.position,
            ..line
        };
        let Some(reason) = reason else {
            // Refused as a whole, when all lines are known.
            return Ok(Planned {
                line,
                command: None,
            });
        };
        let cells = self.corrected_cells(known, submitted, row).await?;
        let command = Some(Command::correct(
            known.record_id,
            Box::new(read(&cells)?),
            reason,
        ));
        Ok(Planned { line, command })
    }

    /// The cells of a line that was submitted, with those of the new one in their place.
    async fn corrected_cells(
        &self,
        known: &RegisterRow,
        submitted: &ReturnFields,
        row: &Values,
    ) -> Result<Vec<String>, AppError> {
        let record_id = known.record_id;
        let history = self.ledger.history(record_id).await?;
        let history = history
            .ok_or_else(|| AppError::Integrity(format!("there is no record {record_id}")))?;
        if let Some(erasure) = history.erased_by {
            return Err(Refusal::Erased(erasure).into());
        }
        let state = AnyFields::Return(submitted.clone());
        let mut cells = cells_of(RecordKind::Return, &state, |slot| {
            history.value(slot).map(|text| text.to_string())
        });
        // It stays the record that it is, and keeps its remark unless there is another.
        let mut changed = row.clone();
        changed.retain(|name, value| match name.as_str() {
            "source_record_id" => false,
            "remark" => !value.is_empty(),
            _ => true,
        });
        place(RecordKind::Return, &mut cells, &changed)?;
        Ok(cells)
    }

    /// Records a line. Where a record of its number was withdrawn, it takes the next number.
    async fn record_anew(
        &self,
        draft: RecordDraft,
        mut cells: Vec<String>,
        read: impl Fn(&[String]) -> Result<RecordDraft, crate::model::cell::CellError>,
    ) -> Result<Command, AppError> {
        let mut draft = draft;
        let first = draft.source_record_id.clone();
        for number in 2..NUMBERS {
            let known = self.ledger.history(self.ledger.record_id(&draft)).await?;
            if known.is_none_or(|history| !history.voided()) {
                break;
            }
            let next = Values::from([("source_record_id".to_owned(), format!("{first}-{number}"))]);
            place(RecordKind::Return, &mut cells, &next)?;
            draft = read(&cells)?;
        }
        Ok(Command::Record(Box::new(draft)))
    }

    /// The last entry that a line says it was counted from.
    pub(super) async fn counted_from(
        &self,
        position: Position,
    ) -> Result<Option<Position>, AppError> {
        let stored = self.ledger.store.entry(position).await?;
        let entry = stored
            .as_ref()
            .and_then(|one| Entry::parse(&one.bytes).ok());
        Ok(entry.and_then(|entry| entry.metadata(AS_OF)?.parse().ok()))
    }

    /// Every line that the office sent for the period, and for those inside it, beside the ledger.
    ///
    /// # Errors
    /// When the office is not registered, or the store fails.
    pub async fn compare_returns(
        &self,
        office: OfficeCode,
        period: Period,
        size: u64,
    ) -> Result<Comparison, AppError> {
        self.known_office(office, size).await?;
        let registers = self.registers().await?;
        let snapshot = self.public_snapshot(&registers, size).await?;
        let mut now = Counter::new(&snapshot, office);
        let mut lines = now.lines(period);
        // What does not fit the ledger now may have fitted it when it was counted.
        let sheets = now.sheets();
        let mut wrong: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (index, line) in lines.iter().enumerate() {
            if line.verdict == LineVerdict::Error {
                let own = sheets.lines(office, line.period);
                let positions = own.into_iter().flat_map(Lines::values);
                let first = positions.map(|(row, _)| row.position).min();
                let counted = self.counted_from(line.position).await?;
                let then = counted.map_or(first.unwrap_or_default(), |position| position + 1);
                wrong.entry(then.min(size)).or_default().push(index);
            }
        }
        for (then, indexes) in wrong {
            let then = self.public_snapshot(&registers, then).await?;
            let mut then = Counter::new(&then, office);
            for index in indexes {
                then.excuse(&mut lines[index]);
            }
        }
        Ok(Comparison {
            office,
            period,
            as_of: snapshot.position(),
            totals: totals(&lines),
            lines,
        })
    }
}

/// A line with what is to be done.
struct Planned {
    line: SubmittedLine,
    command: Option<Command>,
}

/// The cells of a draft, as the intake file has them.
#[must_use]
pub fn draft_rows(draft: &Draft, submitted_by: &str) -> Vec<Values> {
    let row = |indicator: &str, value: i128| {
        let (office, period) = (draft.office, draft.period);
        let cells = [
            (
                "source_record_id",
                format!("return-{office}-{period}-{indicator}"),
            ),
            ("source", "village".to_owned()),
            ("office", office.to_string()),
            ("period", period.to_string()),
            ("indicator", indicator.to_owned()),
            ("value", value.to_string()),
            ("submitted_on", draft.submitted_on.to_string()),
            ("submitted_by", submitted_by.to_owned()),
        ];
        cells.map(|(name, value)| (name.to_owned(), value)).into()
    };
    let lines = draft.lines.iter();
    lines.map(|line| row(&line.indicator, line.value)).collect()
}

fn same_figures(one: &ReturnFields, other: &ReturnFields) -> bool {
    one.value == other.value
        && one.numerator == other.numerator
        && one.denominator == other.denominator
}

/// A return of a period that goes on cannot be right.
fn check_ended(fields: &ReturnFields) -> Result<(), AppError> {
    let (Some(period), Some(day)) = (fields.period, fields.submitted_on) else {
        return Ok(());
    };
    if day > period.last_day() {
        return Ok(());
    }
    Err(AppError::Usage(format!(
        "period {period} ends on {}, and the return would be submitted on {day}; submit it after the end, or name the day with --submitted-on",
        period.last_day()
    )))
}

/// Figures that differ from those submitted before need a reason.
fn check_reason(
    lines: &[SubmittedLine],
    before: Option<&Lines<'_>>,
    has_reason: bool,
) -> Result<(), AppError> {
    let differing: Vec<String> = lines
        .iter()
        .filter(|line| line.answer == "corrected")
        .map(|line| {
            let known = before.and_then(|lines| lines.get(line.indicator.as_str()));
            let was = known.and_then(|(_, fields)| fields.value.as_ref());
            let was = was.map_or("-", |value| value.0.as_str());
            format!(
                "{} {was} -> {}",
                line.indicator,
                line.value.as_deref().unwrap_or("-")
            )
        })
        .collect();
    if has_reason || differing.is_empty() {
        return Ok(());
    }
    Err(AppError::Usage(format!(
        "this return was submitted with other figures: {}; nothing was recorded; to correct it, give a --reason",
        differing.join(", ")
    )))
}
