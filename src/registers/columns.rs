//! The columns of a register, and the way of a row into them and back.
//!
//! What comes in: rows of one kind of record ([`builder::RowBuilder`]), or a batch of columns
//! ([`RowReader`]). What goes out: a batch with the schema of that kind ([`schema`]), or the rows
//! again. What may fail: a row of another kind, or a batch whose columns are not those of the
//! kind or hold a word that no field can be. What must stay true: a row that goes there and back
//! is the same row. So the way back does not read the text as if it were a cell of an intake
//! file (a cell has many spellings, is narrowed and may be refused); it deserialises the value as
//! it was deserialised from the entry.

pub mod builder;

use std::fmt::Display;
use std::sync::{Arc, LazyLock};

use arrow_array::{
    Array, Date32Array, FixedSizeBinaryArray, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_select::concat::concat_batches;
use chrono::NaiveDate;
use serde::de::value::{Error as CellError, MapDeserializer};
use serde::de::{Deserialize, Deserializer, Error as _, IntoDeserializer, Visitor};
use uuid::Uuid;

use super::row::{Change, RegisterRow};
use crate::model::cell::{ColumnType, Value};
use crate::model::fields::AnyFields;
use crate::model::id::Position;
use crate::model::schema::RecordKind;
use crate::model::time::{Timestamp, date_of_number};

/// Bytes of a record id and of an event id.
const ID_BYTES: i32 = 16;

/// Why rows do not become columns, or columns not rows.
#[derive(Debug, thiserror::Error)]
pub enum ColumnError {
    /// A row of another kind was pushed.
    #[error("a row of a {found} cannot go into the register of a {expected}")]
    Kind {
        /// The kind of the register.
        expected: RecordKind,
        /// The kind of the row.
        found: RecordKind,
    },
    /// A column is missing, has another type, or has gaps where there can be none.
    #[error("the column {column} is not one of the register of a {kind}")]
    Column {
        /// The kind of the register.
        kind: RecordKind,
        /// The name of the column.
        column: &'static str,
    },
    /// A value that no row can have.
    #[error("row {row} of a batch of a {kind} cannot be read: {what}")]
    Row {
        /// The kind of the register.
        kind: RecordKind,
        /// Its index in the batch.
        row: usize,
        /// What is wrong.
        what: String,
    },
    /// The columns do not make a batch.
    #[error("the columns do not make a batch: {0}")]
    Batch(#[from] ArrowError),
}

/// Shorthand.
type Result<T> = std::result::Result<T, ColumnError>;

/// The columns of the register of a kind: six that every register has, then the public fields of
/// the kind in their own order, each of which may be missing.
#[must_use]
pub fn schema(kind: RecordKind) -> SchemaRef {
    static SCHEMAS: LazyLock<[SchemaRef; RecordKind::ALL.len()]> =
        LazyLock::new(|| RecordKind::ALL.map(|kind| Arc::new(schema_of(kind))));
    Arc::clone(&SCHEMAS[kind as usize])
}

fn schema_of(kind: RecordKind) -> Schema {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let mut columns = vec![
        Field::new("record_id", DataType::FixedSizeBinary(ID_BYTES), false),
        Field::new("version", DataType::UInt64, false),
        Field::new("position", DataType::UInt64, false),
        Field::new("recorded_at", time, false),
        Field::new("change", DataType::Utf8, false),
        Field::new("event_id", DataType::FixedSizeBinary(ID_BYTES), false),
    ];
    columns.extend(AnyFields::columns(kind).iter().map(|(name, column)| {
        let data = match column {
            ColumnType::Text => DataType::Utf8,
            ColumnType::Integer => DataType::Int64,
            ColumnType::Date => DataType::Date32,
        };
        Field::new(*name, data, true)
    }));
    Schema::new(columns)
}

enum FieldColumn<'a> {
    Text(&'a StringArray),
    Integer(&'a Int64Array),
    Date(&'a Date32Array),
}

impl<'a> FieldColumn<'a> {
    fn of(kind: RecordKind, batch: &'a RecordBatch, name: &'static str) -> Result<Self> {
        let column = AnyFields::columns(kind).iter().find(|(n, _)| *n == name);
        Ok(match column {
            Some((_, ColumnType::Text)) => Self::Text(column_of(kind, batch, name)?),
            Some((_, ColumnType::Integer)) => Self::Integer(column_of(kind, batch, name)?),
            Some((_, ColumnType::Date)) => Self::Date(column_of(kind, batch, name)?),
            None => return Err(ColumnError::Column { kind, column: name }),
        })
    }

    /// `None` where nothing is stated; an error where a date is outside of what can be held.
    fn at(&self, row: usize) -> std::result::Result<Option<Cell<'a>>, &'static str> {
        Ok(match self {
            Self::Text(column) if column.is_valid(row) => Some(Cell::Text(column.value(row))),
            Self::Integer(column) if column.is_valid(row) => Some(Cell::Integer(column.value(row))),
            Self::Date(column) if column.is_valid(row) => Some(Cell::Date(
                date_of_number(column.value(row)).ok_or("a date is out of range")?,
            )),
            _ => None,
        })
    }
}

fn column_of<'a, T: 'static>(
    kind: RecordKind,
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<&'a T> {
    batch
        .column_by_name(name)
        .and_then(|column| column.as_any().downcast_ref::<T>())
        .ok_or(ColumnError::Column { kind, column: name })
}

/// A column in which every row has a value.
fn full_column_of<'a, T: Array + 'static>(
    kind: RecordKind,
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<&'a T> {
    let column: &T = column_of(kind, batch, name)?;
    if column.null_count() > 0 {
        return Err(ColumnError::Column { kind, column: name });
    }
    Ok(column)
}

/// The positions of a batch, which may be one of that column alone.
///
/// # Errors
/// When there is no such column.
pub(super) fn positions(kind: RecordKind, batch: &RecordBatch) -> Result<&UInt64Array> {
    full_column_of(kind, batch, "position")
}

/// Batches of a kind as one.
///
/// # Errors
/// When one has other columns.
pub(super) fn joined<'a>(
    kind: RecordKind,
    batches: impl IntoIterator<Item = &'a RecordBatch>,
) -> Result<RecordBatch> {
    Ok(concat_batches(&schema(kind), batches)?)
}

fn ids_of<'a>(
    kind: RecordKind,
    batch: &'a RecordBatch,
    column: &'static str,
) -> Result<&'a FixedSizeBinaryArray> {
    let ids: &FixedSizeBinaryArray = full_column_of(kind, batch, column)?;
    if ids.value_length() != ID_BYTES {
        return Err(ColumnError::Column { kind, column });
    }
    Ok(ids)
}

/// Gives the rows of a batch again.
pub struct RowReader<'a> {
    kind: RecordKind,
    record_id: &'a FixedSizeBinaryArray,
    version: &'a UInt64Array,
    position: &'a UInt64Array,
    recorded_at: &'a TimestampMicrosecondArray,
    change: &'a StringArray,
    event_id: &'a FixedSizeBinaryArray,
    fields: Vec<(&'static str, FieldColumn<'a>)>,
}

impl<'a> RowReader<'a> {
    /// Finds the columns of the kind by their names.
    ///
    /// # Errors
    /// When one is missing or has another type.
    pub fn new(kind: RecordKind, batch: &'a RecordBatch) -> Result<Self> {
        let fields = AnyFields::columns(kind)
            .iter()
            .map(|(name, _)| Ok((*name, FieldColumn::of(kind, batch, name)?)));
        Ok(Self {
            kind,
            record_id: ids_of(kind, batch, "record_id")?,
            version: full_column_of(kind, batch, "version")?,
            position: positions(kind, batch)?,
            recorded_at: full_column_of(kind, batch, "recorded_at")?,
            change: full_column_of(kind, batch, "change")?,
            event_id: ids_of(kind, batch, "event_id")?,
            fields: fields.collect::<Result<_>>()?,
        })
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.position.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The record of a row; the index must be below [`RowReader::len`].
    #[must_use]
    pub fn record_id(&self, row: usize) -> Uuid {
        Uuid::from_slice(self.record_id.value(row)).unwrap_or_default()
    }

    /// The position of a row; the index must be below [`RowReader::len`].
    #[must_use]
    pub fn position(&self, row: usize) -> Position {
        self.position.value(row)
    }

    /// A row; the index must be below [`RowReader::len`].
    ///
    /// # Errors
    /// When a value is none that a row can have.
    pub fn row(&self, row: usize) -> Result<RegisterRow> {
        let failed = |what: &dyn Display| ColumnError::Row {
            kind: self.kind,
            row,
            what: what.to_string(),
        };
        let micros = self.recorded_at.value(row);
        let word = self.change.value(row);
        let mut cells = Vec::with_capacity(self.fields.len());
        for (name, column) in &self.fields {
            if let Some(cell) = column.at(row).map_err(|what| failed(&what))? {
                cells.push((*name, cell));
            }
        }
        Ok(RegisterRow {
            record_id: self.record_id(row),
            version: self.version.value(row),
            position: self.position(row),
            recorded_at: Timestamp::from_micros(micros)
                .ok_or_else(|| failed(&"a time is out of range"))?,
            change: Change::parse(word).ok_or_else(|| failed(&"there is no such change"))?,
            event_id: Uuid::from_slice(self.event_id.value(row)).map_err(|e| failed(&e))?,
            fields: fields_of(self.kind, cells).map_err(|e| failed(&e))?,
        })
    }

    /// Every row, in order.
    ///
    /// # Errors
    /// See [`RowReader::row`].
    #[must_use = "rows are read as they are asked for"]
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = Result<RegisterRow>> + '_ {
        (0..self.len()).map(|row| self.row(row))
    }
}

fn fields_of(
    kind: RecordKind,
    cells: Vec<(&'static str, Cell<'_>)>,
) -> std::result::Result<AnyFields, CellError> {
    let cells = MapDeserializer::new(cells.into_iter());
    match kind {
        RecordKind::Registration => Deserialize::deserialize(cells).map(AnyFields::Registration),
        RecordKind::Birth => Deserialize::deserialize(cells).map(AnyFields::Birth),
        RecordKind::PregnancyLoss => Deserialize::deserialize(cells).map(AnyFields::PregnancyLoss),
        RecordKind::Disbursement => Deserialize::deserialize(cells).map(AnyFields::Disbursement),
        RecordKind::Activity => Deserialize::deserialize(cells).map(AnyFields::Activity),
        RecordKind::Return => Deserialize::deserialize(cells).map(AnyFields::Return),
    }
}

/// A value of a column in the shape in which the entry's JSON had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell<'a> {
    Text(&'a str),
    Integer(i64),
    Date(NaiveDate),
}

impl<'a> Cell<'a> {
    /// Of the value of a field.
    pub(super) fn of(value: &'a Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(text),
            Value::Integer(number) => Self::Integer(*number),
            Value::Date(date) => Self::Date(*date),
        }
    }
}

impl<'de> IntoDeserializer<'de> for Cell<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Cell<'de> {
    type Error = CellError;

    fn deserialize_any<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> std::result::Result<V::Value, CellError> {
        match self {
            Self::Text(text) => visitor.visit_borrowed_str(text),
            Self::Integer(number) => visitor.visit_i64(number),
            Self::Date(date) => visitor.visit_string(date.to_string()),
        }
    }

    /// A cell that is there is stated; one that is not stated is left out before.
    fn deserialize_option<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> std::result::Result<V::Value, CellError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> std::result::Result<V::Value, CellError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> std::result::Result<V::Value, CellError> {
        match self {
            Self::Text(word) => visitor.visit_enum(word.into_deserializer()),
            _ => Err(CellError::custom("a word of a code list is not text")),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
pub(super) mod tests;
