//! Restatement: which figures of a closed period moved, and which entries moved them.
//!
//! What comes in: the report of a period as of its close and as of a later moment; and, one by
//! one, what happened to records in between ([`Step`]). What goes out: the figures that moved
//! ([`moved`]), and for each step the counts that it moved ([`Tracker::step`]). What may fail:
//! counts that cannot be written as JSON, which would be an error of this program. What must stay
//! true: what moved is the difference of two full counts; nothing is named here one by one, so a
//! figure or count that is added elsewhere is compared as well; a step that moves no count is no
//! restatement.
//!
//! A step is judged by counting its record alone, before and after, beside the records that its
//! count hangs together with: appropriations (per head), the other payments of a scheme and
//! period, the other lines of a return. Counting everything again for each step would say the
//! same and cost the size of the register each time.

use std::collections::{BTreeMap, HashMap};

use chrono::{Days, NaiveDate};
use serde::Serialize;
use uuid::Uuid;

use super::HalfYearReport;
use crate::indicators::counts::Counts;
use crate::indicators::targets::Targets;
use crate::locale::Bilingual;
use crate::model::cell::Value;
use crate::model::code::Flow;
use crate::model::fields::{AnyFields, FieldColumn, PublicFields};
use crate::model::id::{OfficeCode, Position};
use crate::model::office::OfficeDirectory;
use crate::model::period::Period;
use crate::model::schema::RecordKind;
use crate::model::time::Timestamp;
use crate::registers::row::{Change, RegisterRow};
use crate::registers::snapshot::{LossFacts, Snapshot};
use crate::statistics::rational::Rational;
use crate::with_fields;

/// A figure that moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Its stable name in the report; of a month, `births/2014-06`.
    pub id: String,
    /// Its name.
    pub title: Bilingual,
    /// What it was; absent when nothing could be said.
    pub before: Option<String>,
    /// What it is.
    pub after: Option<String>,
    /// By how much it moved.
    pub difference: Option<String>,
    /// The same in per cent of what it was, one decimal.
    pub per_cent: Option<String>,
}

/// One figure as a report shows it.
struct Reading {
    id: String,
    title: Bilingual,
    shown: Option<String>,
    exact: Option<Rational>,
}

impl Reading {
    fn whole(id: String, title: Bilingual, value: Option<i128>) -> Self {
        Self {
            id,
            title,
            shown: value.map(|value| value.to_string()),
            exact: value.map(Rational::whole),
        }
    }
}

/// Every figure and indicator of a report.
fn readings(report: &HalfYearReport) -> Vec<Reading> {
    let counted = report.figures.iter().chain(&report.activities);
    let mut readings: Vec<Reading> = counted
        .map(|figure| Reading::whole(figure.id.clone(), figure.title.clone(), Some(figure.value)))
        .collect();
    // The months of a month are the period itself.
    for month in report
        .births_by_month
        .iter()
        .skip_while(|_| report.births_by_month.len() < 2)
    {
        let text = month.month.to_string();
        let titled = |key: &str| Bilingual::of(key, &[("month", &text)]);
        let register = Some(i128::from(month.register));
        let id = |name: &str| format!("{name}/{text}");
        readings.push(Reading::whole(
            id("births"),
            titled("moved-births-month"),
            register,
        ));
        let title = titled("moved-returns-month");
        readings.push(Reading::whole(
            id("births_in_returns"),
            title,
            month.returned,
        ));
    }
    readings.extend(report.indicators.iter().map(|indicator| {
        // What lacks its data shows no number, and so moves none.
        let said = indicator.reason.is_none();
        let value = indicator.value.clone().filter(|_| said);
        Reading {
            id: indicator.id.to_owned(),
            title: indicator.title.clone(),
            shown: value.or_else(|| indicator.quoted.clone()),
            exact: indicator.exact.filter(|_| said),
        }
    }));
    readings
}

/// The figures of two reports of one office and period that differ.
#[must_use]
pub fn moved(before: &HalfYearReport, after: &HalfYearReport) -> Vec<Moved> {
    let mut was: HashMap<String, Reading> = readings(before)
        .into_iter()
        .map(|reading| (reading.id.clone(), reading))
        .collect();
    let mut pairs: Vec<(Option<Reading>, Option<Reading>)> = readings(after)
        .into_iter()
        .map(|reading| (was.remove(&reading.id), Some(reading)))
        .collect();
    // Kinds of activities that are not named any more; in order, so that two runs say the same.
    let mut gone: Vec<Reading> = was.into_values().collect();
    gone.sort_by(|one, other| one.id.cmp(&other.id));
    pairs.extend(gone.into_iter().map(|reading| (Some(reading), None)));
    pairs
        .into_iter()
        .filter_map(|(before, after)| difference(before, after))
        .collect()
}

fn difference(before: Option<Reading>, after: Option<Reading>) -> Option<Moved> {
    let exact = |reading: &Option<Reading>| reading.as_ref().and_then(|reading| reading.exact);
    let shown =
        |reading: &Option<Reading>| reading.as_ref().and_then(|reading| reading.shown.clone());
    let (was, is) = (exact(&before), exact(&after));
    if was == is && shown(&before) == shown(&after) {
        return None;
    }
    let (was_shown, is_shown) = (shown(&before), shown(&after));
    let decimals = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or_default();
        let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
        u32::try_from(fraction.len()).unwrap_or(0)
    };
    let places = decimals(&was_shown).max(decimals(&is_shown));
    let by = was.zip(is).and_then(|(was, is)| is.minus(was));
    let per_cent = by
        .zip(was)
        .and_then(|(by, was)| by.over(was)?.times(Rational::whole(100)));
    let named = after.or(before)?;
    Some(Moved {
        id: named.id,
        title: named.title,
        before: was_shown,
        after: is_shown,
        difference: by.map(|by| by.to_decimal(places)),
        per_cent: per_cent.map(|share| share.to_decimal(1)),
    })
}

/// An office and period with what its figures are pinned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned {
    /// Whose, with the offices below it.
    pub office: OfficeCode,
    /// Which.
    pub period: Period,
    /// Entries from this position on came after what the figures are pinned to.
    pub from: u64,
}

/// A state of a record, with the sealed facts that its count needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Its row.
    pub row: RegisterRow,
    /// The birth date of a resident, if it opens.
    pub born_on: Option<NaiveDate>,
    /// The facts of a pregnancy loss, if they open.
    pub loss: Option<LossFacts>,
}

impl State {
    /// A row whose sealed facts are not opened.
    #[must_use]
    pub const fn unopened(row: RegisterRow) -> Self {
        Self {
            row,
            born_on: None,
            loss: None,
        }
    }
}

/// What one entry did to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its state before; `None` when it was not there.
    pub before: Option<State>,
    /// Its state after; `None` when it was withdrawn.
    pub after: Option<State>,
    /// Where the entry stands.
    pub position: Position,
    /// When the ledger learned of it.
    pub recorded_at: Timestamp,
    /// The record.
    pub record_id: Uuid,
    /// The kind of record.
    pub kind: RecordKind,
    /// What happened.
    pub change: Change,
}

impl Step {
    /// What a row did to the state before it.
    #[must_use]
    pub fn of(before: Option<State>, row: &RegisterRow) -> Self {
        Self {
            before,
            after: (row.change != Change::Voided).then(|| State::unopened(row.clone())),
            position: row.position,
            recorded_at: row.recorded_at,
            record_id: row.record_id,
            kind: row.kind(),
            change: row.change,
        }
    }

    /// The states before and after, as far as there are any.
    pub fn states(&self) -> impl Iterator<Item = &State> {
        self.before.iter().chain(&self.after)
    }
}

/// A count that a step moved, under its name in [`Counts`], as `births`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CountMoved {
    /// Its name.
    pub count: String,
    /// What it was for this record alone, or the records it hangs together with.
    pub before: String,
    /// What it is.
    pub after: String,
}

/// The counts of two moments that differ, by their names.
///
/// # Errors
/// When counts cannot be written as JSON.
pub fn counts_moved(before: &Counts, after: &Counts) -> Result<Vec<CountMoved>, serde_json::Error> {
    let (mut was, mut is) = (BTreeMap::new(), BTreeMap::new());
    flatten("", &serde_json::to_value(before)?, &mut was);
    flatten("", &serde_json::to_value(after)?, &mut is);
    let names: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let value = |of: &BTreeMap<String, String>, name: &String| {
        of.get(name).cloned().unwrap_or_else(|| "-".to_owned())
    };
    Ok(names
        .into_iter()
        .filter(|name| was.get(*name) != is.get(*name))
        .map(|name| CountMoved {
            count: name.clone(),
            before: value(&was, name),
            after: value(&is, name),
        })
        .collect())
}

/// Values by their path. Members of a list stand under the name that their first text gives them.
fn flatten(path: &str, value: &serde_json::Value, into: &mut BTreeMap<String, String>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match value {
        serde_json::Value::Object(members) => {
            for (name, member) in members {
                flatten(&below(name), member, into);
            }
        }
        serde_json::Value::Array(members) => {
            for (index, member) in members.iter().enumerate() {
                let mut texts = member
                    .as_object()
                    .into_iter()
                    .flat_map(|object| object.values());
                let named = texts.find_map(serde_json::Value::as_str);
                let index = index.to_string();
                flatten(&below(named.unwrap_or(&index)), member, into);
            }
        }
        serde_json::Value::Null => {}
        serde_json::Value::String(text) => {
            into.insert(path.to_owned(), text.clone());
        }
        other => {
            into.insert(path.to_owned(), other.to_string());
        }
    }
}

/// Whether what happened on any day that the record states could count in the period or before
/// its end: the earliest day or period in it begins no later than the period ends.
#[must_use]
pub fn may_count(fields: &AnyFields, period: Period) -> bool {
    let columns = with_fields!(fields, typed => columns_of(typed));
    let starts = columns
        .iter()
        .filter_map(|(name, _)| match fields.get(name)? {
            Value::Date(day) => Some(day),
            Value::Text(text) if matches!(*name, "period" | "month") => {
                Period::parse(&text).map(Period::first_day)
            }
            _ => None,
        });
    starts.min().is_some_and(|first| first <= period.last_day())
}

const fn columns_of<F: PublicFields>(_: &F) -> &'static [FieldColumn] {
    F::COLUMNS
}

/// Records whose counts hang together: a payment is judged by the others of its scheme and
/// period, a line of a return by the one that it replaces.
fn bond(fields: &AnyFields) -> Option<String> {
    let text = |name: &str| {
        fields
            .get(name)
            .map(|value| value.to_string())
            .unwrap_or_default()
    };
    match fields {
        AnyFields::Disbursement(_) => Some(format!("{}/{}", text("scheme"), text("period"))),
        AnyFields::Return(_) => Some(format!(
            "{}/{}/{}",
            text("office"),
            text("period"),
            text("indicator")
        )),
        _ => None,
    }
}

/// Judges steps one after the other.
pub struct Tracker<'a> {
    targets: &'a Targets,
    /// Everything a count needs but the rows.
    bare: Snapshot,
    /// Current rows of the kinds whose counts hang together.
    bound: HashMap<(RecordKind, String), BTreeMap<Position, RegisterRow>>,
}

impl<'a> Tracker<'a> {
    /// Begins with the offices and the disbursements and returns that were current then.
    #[must_use]
    pub fn new(
        offices: OfficeDirectory,
        current: impl IntoIterator<Item = RegisterRow>,
        targets: &'a Targets,
    ) -> Self {
        let mut tracker = Self {
            targets,
            bare: Snapshot {
                offices,
                ..Snapshot::default()
            },
            bound: HashMap::new(),
        };
        for row in current {
            tracker.keep(row);
        }
        tracker
    }

    /// The offices from now on.
    pub const fn offices(&mut self) -> &mut OfficeDirectory {
        &mut self.bare.offices
    }

    fn keep(&mut self, row: RegisterRow) {
        if let Some(name) = bond(&row.fields) {
            let rows = self.bound.entry((row.kind(), name)).or_default();
            rows.insert(row.position, row);
        }
    }

    fn drop_row(&mut self, row: &RegisterRow) {
        if let Some(name) = bond(&row.fields)
            && let Some(rows) = self.bound.get_mut(&(row.kind(), name))
        {
            rows.remove(&row.position);
        }
    }

    /// The counts that the step moves, for each of these; then takes the step.
    ///
    /// # Errors
    /// When counts cannot be written as JSON.
    pub fn step(
        &mut self,
        step: &Step,
        pinned: &[Pinned],
    ) -> Result<Vec<Vec<CountMoved>>, serde_json::Error> {
        if let Some(before) = &step.before {
            self.drop_row(&before.row);
        }
        let mut moved = Vec::with_capacity(pinned.len());
        if !pinned.is_empty() {
            let beside = self.beside(step);
            for one in pinned {
                let was = self.count(step.kind, step.before.as_ref(), &beside, one);
                let is = self.count(step.kind, step.after.as_ref(), &beside, one);
                moved.push(counts_moved(&was, &is)?);
            }
        }
        if let Some(after) = &step.after {
            self.keep(after.row.clone());
        }
        Ok(moved)
    }

    /// The records that the step's count hangs together with, in order of position.
    fn beside(&self, step: &Step) -> Vec<RegisterRow> {
        let bonds = step.states().filter_map(|state| bond(&state.row.fields));
        let mut names: Vec<String> = bonds.collect();
        names.sort_unstable();
        names.dedup();
        let mut rows: Vec<RegisterRow> = if names.is_empty() {
            let money = self
                .bound
                .iter()
                .filter(|((kind, _), _)| *kind == RecordKind::Disbursement);
            let appropriation = |row: &&RegisterRow| match &row.fields {
                AnyFields::Disbursement(fields) => fields.flow == Some(Flow::Appropriation),
                _ => false,
            };
            let rows = money.flat_map(|(_, rows)| rows.values());
            rows.filter(appropriation).cloned().collect()
        } else {
            let bound = names
                .into_iter()
                .filter_map(|name| self.bound.get(&(step.kind, name)));
            bound.flat_map(|rows| rows.values().cloned()).collect()
        };
        rows.sort_by_key(|row| row.position);
        rows
    }

    fn count(
        &mut self,
        kind: RecordKind,
        state: Option<&State>,
        beside: &[RegisterRow],
        pinned: &Pinned,
    ) -> Counts {
        let bare = &mut self.bare;
        bare.rows.clear();
        bare.born_on.clear();
        bare.losses.clear();
        bare.recorded_at = judged_at(Timestamp::default(), pinned.period);
        for row in beside {
            bare.rows.entry(row.kind()).or_default().push(row.clone());
        }
        if let Some(state) = state {
            let id = state.row.record_id;
            bare.born_on.extend(state.born_on.map(|day| (id, day)));
            bare.losses
                .extend(state.loss.clone().map(|loss| (id, loss)));
            let rows = bare.rows.entry(kind).or_default();
            let place = rows.partition_point(|row| row.position < state.row.position);
            rows.insert(place, state.row.clone());
        }
        Counts::of(bare, pinned.office, pinned.period, self.targets)
    }
}

/// The time at which figures of a period are judged: what a snapshot says, but after the period's
/// end, as its close was. So nothing moves by the passing of time alone.
#[must_use]
pub fn judged_at(recorded_at: Timestamp, period: Period) -> Timestamp {
    let after = period.last_day().checked_add_days(Days::new(1));
    recorded_at.max(Timestamp::end_of(after.unwrap_or(period.last_day())))
}

#[cfg(test)]
mod tests;
