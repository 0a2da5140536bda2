//! What moved behind closed doors, as tables for the rules: restatements and overrides.
//!
//! What comes in: the periods of a ledger and the entries that came into closed ones. What goes
//! out: the tables `restatements`, `closed_periods` and `overrides`, each only when a rule asks
//! it. What may fail: the store, a sealed date that does not open. What must stay true: figures
//! are those of the reports; a reason is counted and never shown.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{Field, Schema};

use super::opening::OpenedRecords;
use super::restatements::{Reason, Restatement};
use super::{App, AppError};
use crate::audit::cases::Tables;
use crate::audit::catalogue::Catalogue;
use crate::audit::run::office_number;
use crate::model::id::OfficeCode;
use crate::model::time::day_number;
use crate::registers::sql::SqlError;
use crate::report::periods::{Did, PeriodLife, PeriodState};
use crate::report::restatement::Pinned;

/// A column: its name and its values.
type Column = (&'static str, ArrayRef);

fn table(columns: Vec<Column>) -> Result<Vec<RecordBatch>, AppError> {
    let of = |(name, values): &Column| Field::new(*name, values.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(of).collect::<Vec<_>>());
    let values = columns.into_iter().map(|(_, values)| values).collect();
    let batch = RecordBatch::try_new(Arc::new(schema), values);
    Ok(vec![batch.map_err(|error| {
        AppError::from(SqlError::Engine(error.to_string()))
    })?])
}

fn wholes(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.collect::<Int64Array>())
}

fn words(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn count(number: usize) -> Option<i64> {
    i64::try_from(number).ok()
}

impl App {
    /// The tables of this kind that rules of the catalogue ask.
    ///
    /// # Errors
    /// When the store fails, or a sealed date does not open.
    pub(super) async fn override_tables(
        &self,
        catalogue: &Catalogue,
        opened: &OpenedRecords,
        size: u64,
    ) -> Result<Tables, AppError> {
        let mut tables = Vec::new();
        let asked = ["restatements", "closed_periods", "overrides"];
        if !asked.iter().any(|name| catalogue.asks(name)) {
            return Ok(tables);
        }
        let lives = self.period_lives(size).await?;
        if catalogue.asks("restatements") {
            let all = self.all_restatements(&lives, opened, size).await?;
            tables.push(("restatements", restatements(&all)?));
        }
        if catalogue.asks("closed_periods") {
            tables.push(("closed_periods", closed(&lives)?));
        }
        if catalogue.asks("overrides") {
            let top = self.offices(size).await?;
            let all = top.all();
            let top = all.iter().find(|office| office.parent.is_none());
            let simulated = top.filter(|_| self.ledger.simulated);
            tables.push((
                "overrides",
                overrides(&lives, simulated.map(|top| top.code))?,
            ));
        }
        Ok(tables)
    }

    /// The restatement of every period into which an entry came after its last close.
    async fn all_restatements(
        &self,
        lives: &[PeriodLife],
        opened: &OpenedRecords,
        size: u64,
    ) -> Result<Vec<Restatement>, AppError> {
        let pinned = lives.iter().filter_map(|life| {
            let (_, pin) = life.closes().next()?;
            let (office, period) = (life.office, life.period);
            let from = pin.position + 1;
            (from < size).then_some(Pinned {
                office,
                period,
                from,
            })
        });
        let pinned: Vec<Pinned> = pinned.collect();
        if pinned.is_empty() {
            return Ok(Vec::new());
        }
        let targets = self.targets(None)?;
        let late = self.late_entries(opened.registers(), &pinned, size, &targets);
        let moved: BTreeSet<usize> = late.await?.iter().map(|late| late.pinned).collect();
        let mut all = Vec::new();
        for index in moved {
            let Pinned { office, period, .. } = pinned[index];
            let since_first = Some(1);
            let one = self.restatement(office, period, since_first, size, &targets);
            all.push(one.await?);
        }
        Ok(all)
    }
}

/// One row for each period whose figures moved.
fn restatements(all: &[Restatement]) -> Result<Vec<RecordBatch>, AppError> {
    let largest = |one: &Restatement| {
        let moved = one.figures.iter().filter_map(|figure| {
            let share: f64 = figure.per_cent.as_ref()?.parse().ok()?;
            Some((share.abs(), figure.id.clone()))
        });
        moved.max_by(|one, other| one.0.total_cmp(&other.0))
    };
    let of = |what: fn(&Restatement) -> usize| wholes(all.iter().map(|one| count(what(one))));
    let figures = all.iter().map(|one| {
        let named = largest(one).map(|(_, id)| id);
        named.or_else(|| one.figures.first().map(|figure| figure.id.clone()))
    });
    let shares: Float64Array = all
        .iter()
        .map(|one| largest(one).map(|(share, _)| share))
        .collect();
    table(vec![
        ("office", offices(all.iter().map(|one| one.office))),
        (
            "period",
            words(all.iter().map(|one| Some(one.period.to_string()))),
        ),
        ("figures", of(|one| one.figures.len())),
        ("figure", words(figures)),
        ("largest", Arc::new(shares)),
        ("entries", of(|one| one.entries.len())),
        (
            "without_reason",
            of(|one| {
                let none = one
                    .entries
                    .iter()
                    .filter(|cause| cause.reason == Reason::None);
                none.count()
            }),
        ),
        (
            "while_closed",
            of(|one| {
                let closed = |state| state == PeriodState::Closed;
                let entries = one.entries.iter();
                entries.filter(|cause| closed(cause.period_was)).count()
            }),
        ),
        (
            "actors",
            of(|one| {
                let actors: BTreeSet<&str> = one
                    .entries
                    .iter()
                    .map(|cause| cause.actor.as_str())
                    .collect();
                actors.len()
            }),
        ),
    ])
}

fn offices(codes: impl Iterator<Item = OfficeCode>) -> ArrayRef {
    wholes(codes.map(office_number).map(Some))
}

/// When each period was closed: from the entry that closed it to the one that opened it again.
fn closed(lives: &[PeriodLife]) -> Result<Vec<RecordBatch>, AppError> {
    let mut spans = Vec::new();
    for life in lives {
        let mut from = None;
        for act in &life.acts {
            match (&act.did, from) {
                (Did::Closed(pin), None) => from = Some(pin.position),
                (Did::Reopened { .. }, Some(since)) => {
                    spans.push((life, since, Some(act.position)));
                    from = None;
                }
                _ => (),
            }
        }
        spans.extend(from.map(|since| (life, since, None)));
    }
    let whole = |position: u64| i64::try_from(position).ok();
    let days = |of: fn(&PeriodLife) -> chrono::NaiveDate| {
        wholes(
            spans
                .iter()
                .map(|(life, ..)| Some(day_number(of(life)).into())),
        )
    };
    table(vec![
        (
            "office",
            offices(spans.iter().map(|(life, ..)| life.office)),
        ),
        (
            "period",
            words(spans.iter().map(|(life, ..)| Some(life.period.to_string()))),
        ),
        ("first_day", days(|life| life.period.first_day())),
        ("last_day", days(|life| life.period.last_day())),
        (
            "closed_from",
            wholes(spans.iter().map(|(_, since, _)| whole(*since))),
        ),
        (
            "closed_until",
            wholes(spans.iter().map(|(.., until)| until.and_then(whole))),
        ),
    ])
}

/// A row of the table `overrides`.
struct Override {
    office: OfficeCode,
    period: Option<String>,
    name: &'static str,
    actor: Option<String>,
    second_actor: Option<String>,
    times: Option<i64>,
}

/// One row for each period that was opened again, and one for a clock that is simulated.
fn overrides(
    lives: &[PeriodLife],
    simulated: Option<OfficeCode>,
) -> Result<Vec<RecordBatch>, AppError> {
    let mut rows = Vec::new();
    for life in lives {
        let again = life.acts.iter().filter_map(|act| match &act.did {
            Did::Reopened { second_actor, .. } => Some((act.actor.clone(), second_actor.clone())),
            Did::Opened | Did::Closed(_) => None,
        });
        let again: Vec<(String, String)> = again.collect();
        let times = count(again.len());
        rows.extend(again.into_iter().last().map(|(actor, second)| Override {
            office: life.office,
            period: Some(life.period.to_string()),
            name: "reopened_period",
            actor: Some(actor),
            second_actor: Some(second),
            times,
        }));
    }
    rows.extend(simulated.map(|office| Override {
        office,
        period: None,
        name: "simulated_clock",
        actor: None,
        second_actor: None,
        times: Some(1),
    }));
    let name = |row: &Override| Some(row.name.to_owned());
    table(vec![
        ("office", offices(rows.iter().map(|row| row.office))),
        ("period", words(rows.iter().map(|row| row.period.clone()))),
        ("override", words(rows.iter().map(name))),
        ("actor", words(rows.iter().map(|row| row.actor.clone()))),
        (
            "second_actor",
            words(rows.iter().map(|row| row.second_actor.clone())),
        ),
        ("times", wholes(rows.iter().map(|row| row.times))),
    ])
}
