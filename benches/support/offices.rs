//! Offices and records that were never in a ledger, as the rules of the audit see them.
//!
//! What comes in: how many offices, and columns of records. What goes out: a directory, tables of
//! the schema that the audit makes of a ledger, and what a rule says of them. What may fail: a
//! rule that does not run. What must stay true: a column that nobody filled is null, and every
//! table is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    new_null_array,
};
use arrow_schema::DataType;
use vitaledger::audit::cases::schema;
use vitaledger::audit::catalogue::Catalogue;
use vitaledger::audit::rows::Found;
use vitaledger::audit::run::{Examination, Moment};
use vitaledger::model::code::OfficeLevel;
use vitaledger::model::id::OfficeCode;
use vitaledger::model::office::{OfficeDirectory, OfficeFields};
use vitaledger::model::schema::RecordKind;
use vitaledger::model::time::{date_of_number, month_number};

/// 1 January 2010, on which simulated data begins.
pub const FIRST_DAY: i64 = 14_610;
/// The month of that day.
pub const FIRST_MONTH: i64 = 2010 * 12;
/// 1 January 2030, as of which it is looked at.
const TODAY: i64 = 21_915;

/// Counties of townships of villages.
pub struct Land {
    /// Every office.
    pub directory: OfficeDirectory,
    /// The villages, a township after the other.
    pub villages: Vec<i64>,
}

impl Land {
    /// So many counties, townships in each and villages in each of these.
    pub fn of(counties: u32, townships: u32, villages: u32) -> Self {
        let mut land = Self {
            directory: OfficeDirectory::default(),
            villages: Vec::new(),
        };
        for county in 0..counties {
            let county = (100_000 + i64::from(county)) * 1_000_000;
            land.add(county, OfficeLevel::County, None);
            for township in 1..=townships {
                let township = county + i64::from(township) * 1_000;
                land.add(township, OfficeLevel::Township, Some(county));
                for village in 1..=villages {
                    let village = township + i64::from(village);
                    land.add(village, OfficeLevel::Village, Some(township));
                    land.villages.push(village);
                }
            }
        }
        land
    }

    fn add(&mut self, number: i64, level: OfficeLevel, parent: Option<i64>) {
        let code = |number: i64| OfficeCode::parse(&format!("{number:012}"));
        let Some(code_of) = code(number) else { return };
        self.directory.insert(OfficeFields {
            code: code_of,
            level,
            name_en: None,
            name_zh: None,
            parent: parent.and_then(code),
        });
    }

    /// The tables as the rules see them, long after everything in them.
    pub async fn examine(&self, filled: Vec<Table>, catalogue: &Catalogue) -> Result<Examination> {
        let mut tables: BTreeMap<&'static str, RecordBatch> = BTreeMap::new();
        for kind in RecordKind::ALL {
            tables.insert(kind.file(), Table::of(kind, 0).batch()?);
        }
        for table in filled {
            tables.insert(table.kind.file(), table.batch()?);
        }
        let moment = Moment {
            size: 1,
            today: TODAY,
            last_month: month_of(TODAY) - 1,
        };
        let tables = tables.into_iter().map(|(name, batch)| (name, vec![batch]));
        let tables = tables.collect();
        Ok(Examination::of(tables, &self.directory, moment, catalogue).await?)
    }

    /// What one rule, by its name, says of the tables.
    pub async fn ask(&self, filled: Vec<Table>, rule: &str) -> Result<Vec<Found>> {
        let catalogue = Catalogue::built_in();
        let examination = self.examine(filled, &catalogue).await?;
        let rule = catalogue.rules.get(rule).context("no such rule")?;
        examination
            .rows(rule)
            .await
            .map_err(|fault| anyhow!("{fault}"))
    }
}

/// 12 times the year plus the month less 1, of a day number.
pub fn month_of(day: i64) -> i64 {
    let date = i32::try_from(day).ok().and_then(date_of_number);
    date.map_or(0, |date| month_number(date).into())
}

/// Records of one kind, column by column.
pub struct Table {
    kind: RecordKind,
    rows: usize,
    columns: BTreeMap<&'static str, ArrayRef>,
}

impl Table {
    /// So many records of the villages, numbered, of which nothing is known.
    pub fn of(kind: RecordKind, rows: usize) -> Self {
        let table = Self {
            kind,
            rows,
            columns: BTreeMap::new(),
        };
        let numbers = (0..).take(rows).collect();
        table
            .whole("record", numbers)
            .whole("recorded_day", vec![TODAY; rows])
            .text("source", vec!["village"; rows])
    }

    /// Events, of which day and office are known.
    pub fn events(kind: RecordKind, offices: Vec<i64>, days: Vec<i64>) -> Self {
        Self::of(kind, offices.len())
            .whole("office", offices)
            .whole(
                "occurred_month",
                days.iter().map(|day| month_of(*day)).collect(),
            )
            .dates("occurred_on", &days)
            .whole("occurred_day", days)
    }

    /// The days on which they were reported.
    pub fn reported(self, days: Vec<i64>) -> Self {
        self.dates("reported_on", &days).whole("reported_day", days)
    }

    /// A column of whole numbers.
    pub fn whole(mut self, name: &'static str, values: Vec<i64>) -> Self {
        self.columns
            .insert(name, Arc::new(Int64Array::from(values)));
        self
    }

    /// A column of words.
    pub fn text(mut self, name: &'static str, values: Vec<&str>) -> Self {
        self.columns
            .insert(name, Arc::new(StringArray::from(values)));
        self
    }

    /// A column of what is true or not.
    pub fn truth(mut self, name: &'static str, values: Vec<bool>) -> Self {
        let values = BooleanArray::from(values);
        self.columns.insert(name, Arc::new(values));
        self
    }

    /// A column of numbers.
    pub fn real(mut self, name: &'static str, values: Vec<f64>) -> Self {
        self.columns
            .insert(name, Arc::new(Float64Array::from(values)));
        self
    }

    fn dates(mut self, name: &'static str, days: &[i64]) -> Self {
        let days = days.iter().map(|day| i32::try_from(*day).ok());
        let days: Date32Array = days.collect();
        self.columns.insert(name, Arc::new(days));
        self
    }

    /// Returns of the villages: of each the counts of an indicator, month after month.
    pub fn returns(series: &[Series]) -> Self {
        let (mut offices, mut months, mut values, mut names) = (vec![], vec![], vec![], vec![]);
        for one in series {
            for (month, count) in (FIRST_MONTH..).zip(&one.counts) {
                offices.push(one.office);
                months.push(month);
                names.push(one.indicator);
                #[expect(clippy::cast_precision_loss, reason = "counts of a month")]
                values.push(*count as f64);
            }
        }
        let rows = offices.len();
        Self::of(RecordKind::Return, rows)
            .whole("office", offices)
            .whole("period_last_month", months)
            .text("indicator", names)
            .text("period_kind", vec!["month"; rows])
            .real("value", values)
    }

    /// As the engine takes it.
    pub fn batch(mut self) -> Result<RecordBatch> {
        let schema = schema(self.kind);
        let columns = schema.fields().iter().map(|field| {
            let filled = self.columns.remove(field.name().as_str());
            let filled = filled.unwrap_or_else(|| new_null_array(field.data_type(), self.rows));
            debug_assert!(filled.data_type() != &DataType::Null);
            filled
        });
        let columns: Vec<ArrayRef> = columns.collect();
        if let Some(name) = self.columns.keys().next() {
            return Err(anyhow!("{} have no column {name}", self.kind.file()));
        }
        Ok(RecordBatch::try_new(schema, columns)?)
    }
}

/// What an office returned of one indicator, from the first month on.
pub struct Series {
    /// Which office.
    pub office: i64,
    /// Which indicator.
    pub indicator: &'static str,
    /// By month.
    pub counts: Vec<u64>,
}
