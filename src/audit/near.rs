//! What rules about records need not be asked again.
//!
//! What comes in: the rows that such rules gave at an earlier moment, the tables as they are now,
//! and the rows that have been superseded since. What goes out: tables of the rows that what
//! changed can matter to, and of the earlier rows of a rule those that stand. What may fail:
//! nothing; a rule of which anything else changed, or a change of much, is asked whole. What must
//! stay true: a rule gives the same rows as if it had been asked of everything.
//!
//! A rule whose head says `near: person, certificate` promises that every row it gives is about
//! records that share a code of one of these classes, and depends on nothing but all records with
//! that code, and on tables that are not of records. `near: record` promises that it looks at one
//! record at a time. So, of records that are new or superseded, take all with one of their codes:
//! these are *touched*. All with a code of one that is touched are what rules are asked of. A row
//! about a touched record is complete then, and is taken; one about none is as it was.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use datafusion::arrow::array::{Array, AsArray, BooleanArray, Int64Array, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::cases::{Tables, coded, schema};
use super::catalogue::Rule;
use super::rows::Found;
use crate::model::id::Position;
use crate::model::schema::RecordKind;

/// Raised whenever a function that rules call, or the reading of their rows, changes.
const VERSION: u32 = 1;
/// A rule is asked whole when it would be asked of more than one row in so many otherwise.
const WORTH: usize = 4;

/// What a rule gave, and of what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Given {
    /// SHA-256 over the rule and over what it asked besides records.
    pub digest: String,
    /// What it gave.
    pub rows: Vec<Found>,
}

/// What rules gave at a moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Earlier {
    /// Number of entries that counted.
    pub size: u64,
    /// By rule.
    pub rules: BTreeMap<String, Given>,
}

/// The classes of codes that rules name in their heads; `record` is no code.
#[must_use]
pub fn classes() -> BTreeSet<&'static str> {
    let kinds = RecordKind::ALL.into_iter();
    let coded = kinds.flat_map(|kind| coded(kind).into_iter().map(|(_, class)| class));
    coded.chain(["record"]).collect()
}

/// What a rule depends on besides records: itself, and tables of another kind by name.
#[must_use]
pub fn digest_of(rule: &Rule, others: &[(String, Vec<RecordBatch>)]) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(&VERSION.to_be_bytes());
    part(rule.sql.as_bytes());
    part(rule.near.join(" ").as_bytes());
    for (name, batches) in others.iter().filter(|(name, _)| rule.asks(name)) {
        part(name.as_bytes());
        let mut lines: Vec<String> = batches.iter().flat_map(lines_of).collect();
        lines.sort_unstable();
        for line in lines {
            part(line.as_bytes());
        }
    }
    hex::encode(hash.finalize())
}

/// Every row as text.
fn lines_of(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("null");
    let columns = batch.columns().iter();
    let columns: Vec<_> = columns
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).ok())
        .collect();
    let cell = |column: &Option<ArrayFormatter<'_>>, row| {
        let text = column.as_ref().map(|column| column.value(row).to_string());
        format!("{:?}", text.unwrap_or_default())
    };
    let line = |row| {
        let cells: Vec<String> = columns.iter().map(|column| cell(column, row)).collect();
        cells.join(",")
    };
    (0..batch.num_rows()).map(line).collect()
}

/// The columns of codes of a table, of some classes.
struct Coded {
    kind: RecordKind,
    columns: Vec<usize>,
}

impl Coded {
    /// `None` for a table that is not of records.
    fn of(table: &str, classes: &BTreeSet<&str>) -> Option<Self> {
        let kind = RecordKind::ALL.into_iter().find(|k| k.file() == table)?;
        let columns = coded(kind).into_iter();
        let columns = columns.filter(|(_, class)| classes.contains(class));
        Some(Self {
            kind,
            columns: columns.map(|(column, _)| column).collect(),
        })
    }

    fn arrays<'b>(&self, batch: &'b RecordBatch) -> Vec<&'b Int64Array> {
        let columns = self.columns.iter();
        let arrays = columns.map(|at| batch.column(*at).as_primitive::<Int64Type>());
        arrays.collect()
    }
}

/// The codes of a row.
fn codes<'a>(arrays: &'a [&Int64Array], row: usize) -> impl Iterator<Item = i64> + 'a {
    let arrays = arrays.iter().filter(move |array| array.is_valid(row));
    arrays.map(move |array| array.value(row))
}

fn position(batch: &RecordBatch, row: usize) -> Position {
    let positions = batch.column(0).as_primitive::<Int64Type>();
    u64::try_from(positions.value(row)).unwrap_or_default()
}

fn rows_in(tables: &Tables) -> usize {
    let batches = tables.iter().flat_map(|(_, batches)| batches);
    batches.map(RecordBatch::num_rows).sum()
}

/// The rows that are touched or have one of these codes.
fn asked_of(
    tables: &Tables,
    touched: &HashSet<Position>,
    seen: &HashSet<i64>,
    classes: &BTreeSet<&str>,
) -> Result<Tables, ArrowError> {
    let mut asked = Tables::new();
    for (name, batches) in tables {
        let Some(coded) = Coded::of(name, classes) else {
            continue;
        };
        let mut own = vec![RecordBatch::new_empty(schema(coded.kind))];
        for batch in batches {
            let arrays = coded.arrays(batch);
            let is_asked = |row| {
                touched.contains(&position(batch, row))
                    || codes(&arrays, row).any(|code| seen.contains(&code))
            };
            let mask: BooleanArray = (0..batch.num_rows()).map(is_asked).map(Some).collect();
            if mask.true_count() > 0 {
                own.push(filter_record_batch(batch, &mask)?);
            }
        }
        asked.push((*name, own));
    }
    Ok(asked)
}

/// What changed since an earlier moment, and whom it can matter to.
pub struct Near {
    /// The tables of records, with nothing else in them.
    pub tables: Tables,
    touched: HashSet<Position>,
}

impl Near {
    /// Of the tables as they are, the rows that have been superseded since so many entries, and the
    /// classes that rules name. `None` when so much changed that rules are asked whole.
    ///
    /// # Errors
    /// When a column does not fit, which would be an error of this program.
    pub fn of(
        tables: &Tables,
        gone: &Tables,
        size: u64,
        classes: &BTreeSet<&str>,
    ) -> Result<Option<Self>, ArrowError> {
        let all = rows_in(tables);
        let each = |tables: &Tables, see: &mut dyn FnMut(&RecordBatch, &[&Int64Array])| {
            for (name, batches) in tables {
                let Some(coded) = Coded::of(name, classes) else {
                    continue;
                };
                for batch in batches {
                    see(batch, &coded.arrays(batch));
                }
            }
        };
        let (mut seen, mut touched) = (HashSet::new(), HashSet::new());
        each(gone, &mut |batch, arrays| {
            for row in 0..batch.num_rows() {
                touched.insert(position(batch, row));
                seen.extend(codes(arrays, row));
            }
        });
        each(tables, &mut |batch, arrays| {
            for row in (0..batch.num_rows()).filter(|row| position(batch, *row) >= size) {
                touched.insert(position(batch, row));
                seen.extend(codes(arrays, row));
            }
        });
        if touched.len() > all / WORTH {
            return Ok(None);
        }
        let mut further = seen.clone();
        each(tables, &mut |batch, arrays| {
            for row in 0..batch.num_rows() {
                if codes(arrays, row).any(|code| seen.contains(&code)) {
                    touched.insert(position(batch, row));
                    further.extend(codes(arrays, row));
                }
            }
        });
        let near = Self {
            tables: asked_of(tables, &touched, &further, classes)?,
            touched,
        };
        Ok((rows_in(&near.tables) <= all / WORTH).then_some(near))
    }

    /// Whether a row of a rule is about a record that is touched.
    fn touches(&self, row: &Found) -> bool {
        row.records.iter().any(|at| self.touched.contains(at))
    }

    /// What a rule gives now: of what it gave then what is not touched, and of what it gives of
    /// these tables what is.
    #[must_use]
    pub fn rows(&self, then: &[Found], now: Vec<Found>) -> Vec<Found> {
        let stands = then.iter().filter(|row| !self.touches(row)).cloned();
        let now = now.into_iter().filter(|row| self.touches(row));
        stands.chain(now).collect()
    }
}
