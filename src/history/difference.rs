//! What changed between two moments, record by record, and how the numbers moved because of it.
//!
//! What comes in: the changes that the registers tell apart, what the entries between say of who
//! made them, and the numbers as of both moments. What goes out: a [`Difference`]. What may fail:
//! nothing. What must stay true: every record with an entry between is in it once; a sealed field
//! is named when a correction changed it, and no value of it is in here at all.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::Datelike;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::movement::Movement;
use crate::ledger::history::What;
use crate::model::cell::Value;
use crate::model::code::RegistrationKind;
use crate::model::fields::AnyFields;
use crate::model::id::{OfficeCode, Position};
use crate::model::office::{OfficeDirectory, OfficeFields};
use crate::model::period::Period;
use crate::model::schema::RecordKind;
use crate::model::slot::Slot;
use crate::model::time::Timestamp;
use crate::registers::changes::RecordChange;
use crate::registers::row::RegisterRow;

/// What stands for a sealed value.
pub const MASK: &str = "••••";
/// Years that are counted when nobody names a period: the latest ones.
pub const MOST_YEARS: usize = 12;

/// A moment, as it was found in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// Number of entries.
    pub size: u64,
    /// The last of them.
    pub position: Option<Position>,
    /// When it was recorded.
    pub recorded_at: Option<Timestamp>,
}

/// What an entry says beside the row that it became.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EntryFacts {
    /// Pseudonymous id of who made it.
    pub actor: Option<String>,
    /// The office of its metadata.
    pub office: Option<String>,
    /// The import that it came in.
    pub import: Option<String>,
    /// Names of the fields that a correction changed; sealed ones among them.
    pub changed: Vec<String>,
}

impl EntryFacts {
    /// Of the metadata of an entry, and of what its event did.
    #[must_use]
    pub fn of<'a>(metadata: impl Fn(&str) -> Option<&'a str>, what: &What) -> Self {
        let owned = |name: &str| metadata(name).map(str::to_owned);
        Self {
            actor: owned("actor"),
            office: owned("office"),
            import: owned("import"),
            changed: match what {
                What::Corrected(names) => names.clone(),
                What::Recorded | What::Voided => Vec::new(),
            },
        }
    }
}

/// What became of a record between the two moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was not there before.
    Recorded,
    /// It says something else now.
    Corrected,
    /// It is withdrawn.
    Voided,
    /// It was recorded and withdrawn again: it stands at neither moment.
    RecordedAndVoided,
}

impl Outcome {
    /// Every one, in the order of the summary.
    pub const ALL: [Self; 4] = [
        Self::Recorded,
        Self::Corrected,
        Self::Voided,
        Self::RecordedAndVoided,
    ];

    /// The word, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Corrected => "corrected",
            Self::Voided => "voided",
            Self::RecordedAndVoided => "recorded_and_voided",
        }
    }
}

/// A public field that is other than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// Its name.
    pub field: &'static str,
    /// At the first moment.
    pub old: Option<Value>,
    /// At the second.
    pub new: Option<Value>,
}

/// One entry of a record between the moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where it stands.
    pub position: Position,
    /// When the ledger learned of it.
    pub recorded_at: Timestamp,
    /// `recorded`, `corrected` or `voided`.
    pub change: &'static str,
    /// Who made it.
    pub facts: EntryFacts,
}

/// What happened to one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordDifference {
    /// Its kind.
    pub kind: RecordKind,
    /// The record.
    pub record_id: Uuid,
    /// What became of it.
    pub outcome: Outcome,
    /// Public fields that are other than before; of a new record, all that it states.
    pub fields: Vec<FieldChange>,
    /// Names of sealed fields that corrections changed.
    pub sealed: BTreeSet<String>,
    /// Its entries, in order.
    pub steps: Vec<Step>,
}

impl RecordDifference {
    /// Of a change; facts by position.
    #[must_use]
    pub fn of(
        kind: RecordKind,
        change: &RecordChange,
        facts: &mut HashMap<Position, EntryFacts>,
    ) -> Self {
        let get = |row: &Option<RegisterRow>, name| row.as_ref().and_then(|r| r.fields.get(name));
        let fields: Vec<FieldChange> = AnyFields::columns(kind)
            .iter()
            .map(|(field, _)| FieldChange {
                field,
                old: get(&change.before, field),
                new: get(&change.after, field),
            })
            .filter(|field| field.old != field.new)
            .collect();
        let steps: Vec<Step> = change
            .rows
            .iter()
            .map(|row| Step {
                position: row.position,
                recorded_at: row.recorded_at,
                change: row.change.as_str(),
                facts: facts.remove(&row.position).unwrap_or_default(),
            })
            .collect();
        let is_sealed = |name: &&String| {
            let slot = Slot::of_name(name);
            let of_kind = |slot| kind.slots().iter().any(|(other, _)| *other == slot);
            let public = AnyFields::columns(kind)
                .iter()
                .any(|(other, _)| other == name);
            slot.is_some_and(of_kind) && !public
        };
        let named = steps.iter().flat_map(|step| &step.facts.changed);
        Self {
            kind,
            record_id: change.record_id,
            outcome: match (&change.before, &change.after) {
                (None, Some(_)) => Outcome::Recorded,
                (Some(_), Some(_)) => Outcome::Corrected,
                (Some(_), None) => Outcome::Voided,
                (None, None) => Outcome::RecordedAndVoided,
            },
            fields,
            sealed: named.filter(is_sealed).cloned().collect(),
            steps,
        }
    }

    /// Where its first entry between the moments stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.steps.first().map_or(0, |step| step.position)
    }

    /// As a JSON object.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let value = |value: &Option<Value>| value.as_ref().map(Value::to_json);
        let fields: Vec<_> = self
            .fields
            .iter()
            .map(|f| json!({ "field": f.field, "old": value(&f.old), "new": value(&f.new) }))
            .collect();
        let steps: Vec<_> = self
            .steps
            .iter()
            .map(|step| {
                json!({
                    "position": step.position,
                    "recorded_at": step.recorded_at,
                    "change": step.change,
                    "actor": step.facts.actor,
                    "office": step.facts.office,
                    "import": step.facts.import,
                })
            })
            .collect();
        json!({
            "type": "record",
            "kind": self.kind.as_str(),
            "record_id": self.record_id,
            "outcome": self.outcome,
            "fields": fields,
            "sealed_changed": self.sealed,
            "entries": steps,
        })
    }
}

/// An office whose registration changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfficeChange {
    /// Its code.
    pub code: OfficeCode,
    /// What was known before; `None` for a new one.
    pub before: Option<OfficeFields>,
    /// What is known after.
    pub after: OfficeFields,
}

/// Offices that are other than before; none is ever taken away.
#[must_use]
pub fn office_changes(before: &OfficeDirectory, after: &OfficeDirectory) -> Vec<OfficeChange> {
    after
        .all()
        .into_iter()
        .filter(|office| before.get(office.code) != Some(office))
        .map(|office| OfficeChange {
            code: office.code,
            before: before.get(office.code).cloned(),
            after: office.clone(),
        })
        .collect()
}

/// Everything that is other between two moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The first moment.
    pub from: Moment,
    /// The second.
    pub to: Moment,
    /// Records, in order of their first entry between.
    pub records: Vec<RecordDifference>,
    /// Offices.
    pub offices: Vec<OfficeChange>,
    /// Entries between by type of stream, of every office.
    pub entries: BTreeMap<String, u64>,
    /// Numbers of the offices and periods that were asked for.
    pub movements: Vec<Movement>,
    /// Earlier years that were touched, too, and are not counted.
    pub years_left_out: usize,
    /// Whether the ledger's clock is simulated.
    pub simulated_clock: bool,
}

impl Difference {
    /// How many records came to what, by kind.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<(Outcome, &'static str), u64> {
        let mut counts = BTreeMap::new();
        for record in &self.records {
            let key = (record.outcome, record.kind.as_str());
            *counts.entry(key).or_default() += 1;
        }
        counts
    }

    /// Number of records with an outcome.
    #[must_use]
    pub fn number(&self, outcome: Outcome) -> u64 {
        let of = self.records.iter().filter(|r| r.outcome == outcome);
        of.count() as u64
    }

    /// Lines of JSON: one for each record (when they are wanted), office and movement, and last
    /// the summary, which counts the records in any case.
    ///
    /// # Errors
    /// When a number does not become JSON, which would be an error of this program.
    pub fn lines(&self, records: bool) -> Result<Vec<String>, serde_json::Error> {
        let told = self.records.iter().filter(|_| records);
        let mut lines: Vec<String> = told.map(|r| r.to_json().to_string()).collect();
        for office in &self.offices {
            lines.push(tagged("office", office)?);
        }
        for movement in &self.movements {
            lines.push(tagged("movement", movement)?);
        }
        let mut by_outcome: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for ((outcome, kind), number) in self.counts() {
            let kinds = by_outcome.entry(outcome.as_str()).or_default();
            kinds.insert(kind, number);
        }
        let summary = json!({
            "type": "summary",
            "from": self.from,
            "to": self.to,
            "entries": self.to.size - self.from.size,
            "entries_by_type": self.entries,
            "records": self.records.len(),
            "records_by_outcome": by_outcome,
            "offices": self.offices.len(),
            "numbers_moved": self.movements.iter().map(Movement::moved).sum::<usize>(),
            "years_left_out": self.years_left_out,
            "simulated_clock": self.simulated_clock,
        });
        lines.push(summary.to_string());
        Ok(lines)
    }
}

/// An object with its type first.
fn tagged<T: Serialize>(name: &'static str, object: &T) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Tagged<'a, T> {
        r#type: &'static str,
        #[serde(flatten)]
        object: &'a T,
    }
    serde_json::to_string(&Tagged {
        r#type: name,
        object,
    })
}

/// The calendar years whose counts a row can move: the year of an event or of the period that it
/// is for; of a resident or a household, which are counted as a stock, the year of the report.
#[must_use]
pub fn years_touched(row: &RegisterRow) -> BTreeSet<i32> {
    let mut years = BTreeSet::new();
    let stock = match &row.fields {
        AnyFields::Registration(fields) => matches!(
            fields.kind,
            Some(RegistrationKind::Resident | RegistrationKind::Household)
        ),
        _ => false,
    };
    let names: &[&str] = if stock {
        &["reported_on"]
    } else {
        &["occurred_on"]
    };
    for name in names {
        if let Some(Value::Date(day)) = row.fields.get(name) {
            years.insert(day.year());
        }
    }
    for name in ["period", "month"] {
        let period = row.fields.get(name).map(|value| value.to_string());
        let period = period.as_deref().and_then(Period::parse);
        years.extend(period.map(|period| period.last_day().year()));
    }
    years
}

/// The latest of the years, as periods in order, and how many were left out.
#[must_use]
pub fn years_counted(years: &BTreeSet<i32>) -> (Vec<Period>, usize) {
    let left_out = years.len().saturating_sub(MOST_YEARS);
    // A year that no period can be of is a slip of the pen in a date, and is not counted.
    let periods = years.iter().skip(left_out).copied();
    let periods = periods.filter(|year| Period::parse(&year.to_string()).is_some());
    (periods.map(Period::Year).collect(), left_out)
}
