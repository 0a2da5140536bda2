//! What the SQL of a rule gives, read.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use serde::{Deserialize, Serialize};

use super::catalogue::{About, Rule};
use crate::ledger::aggregate::finding::Verdict;
use crate::model::id::{OfficeCode, Position};
use crate::model::period::Period;
use crate::statistics::PValue;

/// A value that a rule computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Number {
    /// A whole number.
    Whole(i64),
    /// A number.
    Real(f64),
    /// A word.
    Word(String),
    /// True or false.
    Truth(bool),
    /// Nothing.
    Null,
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(number) => write!(f, "{number}"),
            Self::Real(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                write!(f, "{number:.0}")
            }
            Self::Real(number) if number.abs() >= 0.01 => write!(f, "{number:.2}"),
            Self::Real(number) => write!(f, "{number:.2e}"),
            Self::Word(word) => f.write_str(word),
            Self::Truth(truth) => write!(f, "{truth}"),
            Self::Null => f.write_str("-"),
        }
    }
}

impl Number {
    /// With six digits that count, so that it can be computed with.
    #[must_use]
    pub fn exactly(&self) -> String {
        match self {
            Self::Real(number) if number.fract() != 0.0 && number.abs() >= 1e-4 => {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "an order of magnitude is between -4 and 308"
                )]
                let order = number.abs().log10().floor() as i32;
                let decimals = usize::try_from(5 - order).unwrap_or(0);
                let text = format!("{number:.decimals$}");
                if text.contains('.') {
                    text.trim_end_matches('0').trim_end_matches('.').to_owned()
                } else {
                    text
                }
            }
            Self::Real(number) if number.fract() != 0.0 => format!("{number:.5e}"),
            other => other.to_string(),
        }
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Whole(number) => (*number).into(),
            Self::Real(number) => (*number).into(),
            Self::Word(word) => word.as_str().into(),
            Self::Truth(truth) => (*truth).into(),
            Self::Null => serde_json::Value::Null,
        }
    }
}

/// A test, before the multiplicity control.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    /// Its p-values.
    pub p: PValue,
    /// Whether the effect is as large as the rule asks for.
    pub passes: bool,
}

/// What a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Says {
    /// It is a finding, or a signal if its test holds.
    Verdict(Verdict),
    /// Something to look at.
    Review,
}

/// A row of a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Whose.
    pub office: OfficeCode,
    /// Of which period.
    pub period: Option<Period>,
    /// The positions of the records that it speaks of.
    pub records: Vec<Position>,
    /// What it says.
    pub says: Says,
    /// The test, if it is one.
    pub test: Option<Tested>,
    /// What was computed, by name.
    pub numbers: Vec<(String, Number)>,
}

impl Found {
    /// What tells the findings of a rule apart, in their order.
    #[must_use]
    pub fn order(&self) -> (OfficeCode, Option<String>, &[Position], String) {
        let period = self.period.map(|period| period.to_string());
        let numbers: Vec<String> = self.numbers.iter().map(|(_, n)| n.to_string()).collect();
        (self.office, period, &self.records, numbers.join("|"))
    }

    /// A number by its name.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<&Number> {
        self.numbers
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, number)| number)
    }
}

/// The columns of a batch that every rule has, and the others.
struct Columns<'b> {
    batch: &'b RecordBatch,
}

impl Columns<'_> {
    fn named(&self, name: &str, data: &DataType) -> Result<Option<ArrayRef>, String> {
        let Some(column) = self.batch.column_by_name(name) else {
            return Ok(None);
        };
        let cast = cast(column, data);
        cast.map(Some)
            .map_err(|error| format!("the column {name}: {error}"))
    }
}

/// Reads the rows of a batch.
pub(super) fn found_in(
    batch: &RecordBatch,
    rule: &Rule,
    rows: &mut Vec<Found>,
) -> Result<(), String> {
    let columns = Columns { batch };
    let must = |name: &str, column: Option<ArrayRef>| {
        column.ok_or_else(|| format!("the rule gives no column {name}"))
    };
    let offices = must("office", columns.named("office", &DataType::Int64)?)?;
    let offices = offices.as_primitive::<Int64Type>();
    let periods = columns.named("period", &DataType::Utf8)?;
    let verdicts = columns.named("verdict", &DataType::Utf8)?;
    let records = batch.column_by_name("records");
    if rule.about == About::Records && records.is_none() {
        return Err("the rule is about records and gives no column records".to_owned());
    }
    let tests = Tests::of(&columns, rule)?;
    let others: Vec<(String, ArrayRef)> = batch
        .schema()
        .fields()
        .iter()
        .zip(batch.columns())
        .filter(|(field, _)| !is_of_every_rule(field.name()))
        .map(|(field, column)| (field.name().clone(), column.clone()))
        .collect();
    for row in 0..batch.num_rows() {
        let office = offices.is_valid(row).then(|| offices.value(row));
        let office = office.and_then(|number| OfficeCode::parse(&format!("{number:012}")));
        // A record of no office is no office's business.
        let Some(office) = office else { continue };
        let word = |column: &Option<ArrayRef>| {
            let column = column.as_ref()?.as_string::<i32>();
            column.is_valid(row).then(|| column.value(row).to_owned())
        };
        rows.push(Found {
            office,
            period: word(&periods).and_then(|text| Period::parse(&text)),
            records: records.map_or_else(|| Ok(Vec::new()), |column| positions(column, row))?,
            says: says(word(&verdicts).as_deref(), rule)?,
            test: tests.as_ref().and_then(|tests| tests.at(row)),
            numbers: others
                .iter()
                .map(|(name, column)| (name.clone(), number(column, row)))
                .collect(),
        });
    }
    Ok(())
}

fn is_of_every_rule(name: &str) -> bool {
    matches!(
        name,
        "office" | "period" | "verdict" | "records" | "p" | "p_mid" | "passes"
    )
}

fn says(word: Option<&str>, rule: &Rule) -> Result<Says, String> {
    Ok(match word {
        None => Says::Verdict(rule.verdict),
        Some("fail") => Says::Verdict(Verdict::Fail),
        Some("signal") => Says::Verdict(Verdict::Signal),
        Some("insufficient") => Says::Verdict(Verdict::Insufficient),
        Some("review") => Says::Review,
        Some(other) => {
            return Err(format!(
                "the verdict {other} is none of fail, signal, insufficient and review"
            ));
        }
    })
}

fn positions(column: &ArrayRef, row: usize) -> Result<Vec<Position>, String> {
    let list = column
        .as_list_opt::<i32>()
        .ok_or("the column records is no list; write make_array(record)")?;
    if list.is_null(row) {
        return Ok(Vec::new());
    }
    let values = list.value(row);
    let numbers = values
        .as_primitive_opt::<Int64Type>()
        .ok_or("the column records holds no records")?;
    let mut positions: Vec<Position> = numbers
        .iter()
        .flatten()
        .filter_map(|number| u64::try_from(number).ok())
        .collect();
    positions.sort_unstable();
    positions.dedup();
    Ok(positions)
}

fn number(column: &ArrayRef, row: usize) -> Number {
    if column.is_null(row) {
        return Number::Null;
    }
    let wide = |data: &DataType| cast(&column.slice(row, 1), data).ok();
    match column.data_type() {
        DataType::Boolean => Number::Truth(column.as_boolean().value(row)),
        data if data.is_integer() => wide(&DataType::Int64).map_or(Number::Null, |one| {
            Number::Whole(one.as_primitive::<Int64Type>().value(0))
        }),
        data if data.is_numeric() => wide(&DataType::Float64).map_or(Number::Null, |one| {
            Number::Real(one.as_primitive::<Float64Type>().value(0))
        }),
        _ => wide(&DataType::Utf8).map_or(Number::Null, |one| {
            Number::Word(one.as_string::<i32>().value(0).to_owned())
        }),
    }
}

/// The columns of a rule that tests.
struct Tests {
    p: ArrayRef,
    p_mid: ArrayRef,
    passes: ArrayRef,
}

impl Tests {
    fn of(columns: &Columns<'_>, rule: &Rule) -> Result<Option<Self>, String> {
        if rule.verdict != Verdict::Signal {
            return Ok(None);
        }
        let must = |name: &str, data: &DataType| {
            let column = columns.named(name, data)?;
            column.ok_or_else(|| format!("the rule signals and gives no column {name}"))
        };
        Ok(Some(Self {
            p: must("p", &DataType::Float64)?,
            p_mid: must("p_mid", &DataType::Float64)?,
            passes: must("passes", &DataType::Boolean)?,
        }))
    }

    fn at(&self, row: usize) -> Option<Tested> {
        let p = self.p.as_primitive::<Float64Type>();
        let mid = self.p_mid.as_primitive::<Float64Type>();
        let passes = self.passes.as_boolean();
        p.is_valid(row).then(|| Tested {
            p: PValue {
                exact: p.value(row),
                mid: if mid.is_valid(row) {
                    mid.value(row)
                } else {
                    p.value(row)
                },
            },
            passes: passes.is_valid(row) && passes.value(row),
        })
    }
}
