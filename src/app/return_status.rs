//! Which returns are there, which are late, which are missing.
//!
//! What comes in: offices and periods, and a moment. What goes out: one [`ReturnStatus`] for each
//! return that is owed. What may fail: a wrong calendar, the store. What must stay true: a return
//! that was corrected is as late as it was when it was submitted first; nothing is missing before
//! its grace has passed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use serde::Serialize;
use uuid::Uuid;

use super::periods::{PeriodFilter, office_name};
use super::reading::AsOf;
use super::{App, AppError};
use crate::indicators::counts::months_of;
use crate::locale::Bilingual;
use crate::model::calendar::Calendar;
use crate::model::entry::Entry;
use crate::model::fields::AnyFields;
use crate::model::id::{OfficeCode, Position};
use crate::model::office::OfficeFields;
use crate::model::period::Period;
use crate::model::schema::RecordKind;
use crate::registers::row::RegisterRow;
use crate::registers::snapshot::Snapshot;
use crate::report::returns::{Lines, Sheets};

/// How the return of an office and period stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReturnState {
    /// It is there, and was in time.
    InTime,
    /// It is there, and was late.
    Late,
    /// Lines that the office sends in other periods are not there, and the grace has passed.
    Incomplete,
    /// It is not there, and the grace has passed.
    Missing,
    /// It is not there yet, and need not be.
    Awaited,
}

impl ReturnState {
    /// The word, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InTime => "in_time",
            Self::Late => "late",
            Self::Incomplete => "incomplete",
            Self::Missing => "missing",
            Self::Awaited => "awaited",
        }
    }
}

/// The return of an office and period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReturnStatus {
    /// Whose.
    pub office: OfficeCode,
    /// Its name.
    pub name: Bilingual,
    /// Which period.
    pub period: Period,
    /// When it is due.
    pub due_on: NaiveDate,
    /// When its first line was submitted, as claimed.
    pub submitted_on: Option<NaiveDate>,
    /// When its last line was submitted for the first time, as claimed.
    pub completed_on: Option<NaiveDate>,
    /// Days after the due date, when the grace had passed; of what is missing, until now.
    pub late_by: Option<i64>,
    /// How it stands.
    pub state: ReturnState,
    /// Lines that the office sends in other periods and not in this one.
    pub missing: Vec<String>,
    /// The last entry that it counts, where it says so.
    pub as_of: Option<Position>,
}

impl App {
    /// The returns that an office and those below it owe: by month, from the first that any of
    /// them sent to the last that has ended; with a longer period, its months and itself.
    ///
    /// # Errors
    /// When the calendar is wrong or the store fails.
    pub async fn return_status(
        &self,
        filter: PeriodFilter,
        as_of: AsOf,
    ) -> Result<Vec<ReturnStatus>, AppError> {
        let calendar = self.calendar()?;
        let size = self.size_at(as_of.clone()).await?;
        let today = self.date_at(&as_of, size).await?;
        let registers = self.registers().await?;
        let returns = registers.current(RecordKind::Return, size, None)?;
        let snapshot = Snapshot {
            size,
            offices: self.offices(size).await?,
            rows: HashMap::from([(RecordKind::Return, returns)]),
            ..Snapshot::default()
        };
        let sheets = Sheets::of(&snapshot);
        let first = self.first_submissions(&snapshot).await?;
        let all = snapshot.offices.all().into_iter();
        let within = |code| {
            let top = filter.office;
            top.is_none_or(|top| snapshot.offices.is_within(code, top))
        };
        let owing: Vec<&OfficeFields> = all.filter(|office| within(office.code)).collect();
        let usual = usual(&sheets);
        let mut status = Vec::new();
        for period in periods_owed(&sheets, filter.period, today, within) {
            for office in &owing {
                let Some(due_on) = calendar.due_on(office.level, period) else {
                    continue;
                };
                let lines = sheets.lines(office.code, period);
                let is_own_month = matches!(period, Period::Month(..));
                if lines.is_none() && !is_own_month {
                    continue;
                }
                let positions = lines.into_iter().flat_map(Lines::values);
                let newest = positions.map(|(row, _)| row.position).max();
                let sent = |name: &&str| lines.is_some_and(|lines| lines.contains_key(*name));
                let names = usual.get(&(office.code, period.months()));
                let names = names.into_iter().flatten().copied();
                let missing = names.filter(|name| !sent(name)).map(str::to_owned);
                let days = lines.into_iter().flat_map(Lines::values);
                let days: Vec<NaiveDate> = days
                    .filter_map(|(row, fields)| {
                        let corrected = first.get(&row.record_id).copied();
                        corrected.or(fields.submitted_on)
                    })
                    .collect();
                let one = ReturnStatus {
                    office: office.code,
                    name: office_name(office),
                    period,
                    due_on,
                    submitted_on: days.iter().min().copied(),
                    completed_on: days.iter().max().copied(),
                    late_by: None,
                    state: ReturnState::Awaited,
                    missing: missing.collect(),
                    as_of: match newest {
                        Some(position) => self.counted_from(position).await?,
                        None => None,
                    },
                };
                status.push(judged(one, &calendar, today));
            }
        }
        Ok(status)
    }

    /// The day on which lines that were corrected since were submitted first.
    async fn first_submissions(
        &self,
        snapshot: &Snapshot,
    ) -> Result<HashMap<Uuid, NaiveDate>, AppError> {
        let rows = snapshot.of(RecordKind::Return).iter();
        let corrected = rows.filter(|row| row.version > 1).map(|row| row.record_id);
        let ids: Vec<Uuid> = corrected.collect();
        let mut first = HashMap::new();
        for (id, stream) in self.ledger.store.streams(&ids).await? {
            let Some(stored) = stream.first() else {
                continue;
            };
            let wrong =
                |what: String| AppError::Integrity(format!("position {}: {what}", stored.position));
            let entry = Entry::parse(&stored.bytes).map_err(|error| wrong(error.to_string()))?;
            let row = RegisterRow::of(&entry).map_err(|error| wrong(error.to_string()))?;
            if let Some(AnyFields::Return(fields)) = row.map(|row| row.fields) {
                first.extend(fields.submitted_on.map(|day| (id, day)));
            }
        }
        Ok(first)
    }
}

/// The periods for which returns are listed.
fn periods_owed(
    sheets: &Sheets<'_>,
    asked: Option<Period>,
    today: NaiveDate,
    within: impl Fn(OfficeCode) -> bool,
) -> Vec<Period> {
    if let Some(period) = asked {
        let mut periods: BTreeMap<_, Period> = months_of(period)
            .map(|month| ((month.last_day(), 0), month))
            .collect();
        periods.insert((period.last_day(), u32::from(period.months() > 1)), period);
        return periods.into_values().collect();
    }
    let sent = sheets.all().filter(|((office, _), _)| within(*office));
    let first = sent.map(|((_, period), _)| period.first_day()).min();
    std::iter::successors(first.map(Period::month_of), |month| {
        month.last_day().succ_opt().map(Period::month_of)
    })
    .take_while(|month| month.last_day() < today)
    .collect()
}

/// The lines that each office sends, by the length of the period in months.
fn usual<'a>(sheets: &'a Sheets<'_>) -> HashMap<(OfficeCode, u32), BTreeSet<&'a str>> {
    let mut usual: HashMap<_, BTreeSet<&str>> = HashMap::new();
    for ((office, period), lines) in sheets.all() {
        let names = usual.entry((*office, period.months())).or_default();
        names.extend(lines.keys().copied());
    }
    usual
}

/// Says how a return stands on a day.
fn judged(mut one: ReturnStatus, calendar: &Calendar, today: NaiveDate) -> ReturnStatus {
    let overdue = calendar.late_by(one.due_on, today);
    (one.state, one.late_by) = match one.completed_on {
        None if overdue.is_some() => (ReturnState::Missing, overdue),
        None => (ReturnState::Awaited, None),
        Some(_) if !one.missing.is_empty() && overdue.is_some() => {
            (ReturnState::Incomplete, overdue)
        }
        Some(day) => match calendar.late_by(one.due_on, day) {
            Some(days) => (ReturnState::Late, Some(days)),
            None => (ReturnState::InTime, None),
        },
    };
    one
}
