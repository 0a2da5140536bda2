//! The way of rows into columns.
//!
//! What comes in: rows of one kind, whole ([`RegisterRow`]) or as cells that are borrowed from an
//! entry ([`RowCells`]). What goes out: a batch with the schema of the kind. What may fail: a row
//! of another kind, or a cell of another type than its column. What must stay true: a row is
//! there in full or not at all, so it is looked at before any column grows.

use std::sync::Arc;

use arrow_array::builder::{
    Date32Builder, FixedSizeBinaryBuilder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use uuid::Uuid;

use super::{Cell, ColumnError, ID_BYTES, Result, schema};
use crate::model::cell::{ColumnType, Value};
use crate::model::fields::AnyFields;
use crate::model::id::Position;
use crate::model::schema::RecordKind;
use crate::model::time::{Timestamp, day_number};
use crate::registers::row::{Change, RegisterRow};

/// Most public fields that a kind of record has.
pub(in crate::registers) const MAX_FIELDS: usize = {
    let (mut most, mut at) = (0, 0);
    while at < RecordKind::ALL.len() {
        let fields = AnyFields::columns(RecordKind::ALL[at]).len();
        if fields > most {
            most = fields;
        }
        at += 1;
    }
    most
};

/// A row whose texts lie elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::registers) struct RowCells<'a> {
    pub(in crate::registers) kind: RecordKind,
    pub(in crate::registers) record_id: Uuid,
    pub(in crate::registers) version: u64,
    pub(in crate::registers) position: Position,
    pub(in crate::registers) recorded_at: Timestamp,
    pub(in crate::registers) change: Change,
    pub(in crate::registers) event_id: Uuid,
    /// In the order of the kind's columns; the rest is empty.
    pub(in crate::registers) fields: [Option<Cell<'a>>; MAX_FIELDS],
}

enum FieldBuilder {
    Text(StringBuilder),
    Integer(Int64Builder),
    Date(Date32Builder),
}

impl FieldBuilder {
    fn new(column: ColumnType) -> Self {
        match column {
            ColumnType::Text => Self::Text(StringBuilder::new()),
            ColumnType::Integer => Self::Integer(Int64Builder::new()),
            ColumnType::Date => Self::Date(Date32Builder::new()),
        }
    }

    const fn takes(&self, cell: Option<&Cell<'_>>) -> bool {
        matches!(
            (self, cell),
            (_, None)
                | (Self::Text(_), Some(Cell::Text(_)))
                | (Self::Integer(_), Some(Cell::Integer(_)))
                | (Self::Date(_), Some(Cell::Date(_)))
        )
    }

    /// What is not of the column's type is not stated; see [`Self::takes`].
    fn push(&mut self, cell: Option<&Cell<'_>>) {
        match (self, cell) {
            (Self::Text(column), Some(Cell::Text(text))) => column.append_value(text),
            (Self::Integer(column), Some(Cell::Integer(number))) => column.append_value(*number),
            (Self::Date(column), Some(Cell::Date(date))) => column.append_value(day_number(*date)),
            (Self::Text(column), _) => column.append_null(),
            (Self::Integer(column), _) => column.append_null(),
            (Self::Date(column), _) => column.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(column) => Arc::new(column.finish()),
            Self::Integer(column) => Arc::new(column.finish()),
            Self::Date(column) => Arc::new(column.finish()),
        }
    }

    fn copied(&self) -> ArrayRef {
        match self {
            Self::Text(column) => Arc::new(column.finish_cloned()),
            Self::Integer(column) => Arc::new(column.finish_cloned()),
            Self::Date(column) => Arc::new(column.finish_cloned()),
        }
    }
}

/// Gathers rows of one kind into a batch.
pub struct RowBuilder {
    kind: RecordKind,
    record_id: FixedSizeBinaryBuilder,
    version: UInt64Builder,
    position: UInt64Builder,
    recorded_at: TimestampMicrosecondBuilder,
    change: StringBuilder,
    event_id: FixedSizeBinaryBuilder,
    fields: Vec<FieldBuilder>,
    rows: usize,
}

impl RowBuilder {
    /// No rows yet.
    #[must_use]
    pub fn new(kind: RecordKind) -> Self {
        let columns = AnyFields::columns(kind).iter();
        Self {
            kind,
            record_id: FixedSizeBinaryBuilder::new(ID_BYTES),
            version: UInt64Builder::new(),
            position: UInt64Builder::new(),
            recorded_at: TimestampMicrosecondBuilder::new().with_timezone("UTC"),
            change: StringBuilder::new(),
            event_id: FixedSizeBinaryBuilder::new(ID_BYTES),
            fields: columns
                .map(|(_, column)| FieldBuilder::new(*column))
                .collect(),
            rows: 0,
        }
    }

    /// A batch of these rows.
    ///
    /// # Errors
    /// See [`RowBuilder::push`].
    pub fn batch_of(kind: RecordKind, rows: &[RegisterRow]) -> Result<RecordBatch> {
        let mut builder = Self::new(kind);
        rows.iter().try_for_each(|row| builder.push(row))?;
        builder.finish()
    }

    /// Number of rows so far.
    pub(in crate::registers) const fn len(&self) -> usize {
        self.rows
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When it is of another kind; nothing is added then.
    pub fn push(&mut self, row: &RegisterRow) -> Result<()> {
        let kind = row.kind();
        let names = AnyFields::columns(kind).iter();
        let values: Vec<Option<Value>> = names.map(|(name, _)| row.fields.get(name)).collect();
        let mut fields = [None; MAX_FIELDS];
        for (cell, value) in fields.iter_mut().zip(&values) {
            *cell = value.as_ref().map(Cell::of);
        }
        self.push_cells(&RowCells {
            kind,
            record_id: row.record_id,
            version: row.version,
            position: row.position,
            recorded_at: row.recorded_at,
            change: row.change,
            event_id: row.event_id,
            fields,
        })
    }

    /// Adds a row by its cells.
    ///
    /// # Errors
    /// When it is of another kind, or a cell of another type than its column; nothing is added
    /// then.
    pub(in crate::registers) fn push_cells(&mut self, row: &RowCells<'_>) -> Result<()> {
        let kind = self.kind;
        if row.kind != kind {
            let (expected, found) = (kind, row.kind);
            return Err(ColumnError::Kind { expected, found });
        }
        let cells = || row.fields.iter().map(Option::as_ref);
        let wrong = self
            .fields
            .iter()
            .zip(cells())
            .position(|(f, c)| !f.takes(c));
        if let Some(at) = wrong {
            let column = AnyFields::columns(kind)[at].0;
            return Err(ColumnError::Column { kind, column });
        }
        // Both are as long as the columns are wide, so neither fails.
        self.record_id.append_value(row.record_id.as_bytes())?;
        self.event_id.append_value(row.event_id.as_bytes())?;
        self.version.append_value(row.version);
        self.position.append_value(row.position);
        self.recorded_at.append_value(row.recorded_at.micros());
        self.change.append_value(row.change.as_str());
        for (column, cell) in self.fields.iter_mut().zip(cells()) {
            column.push(cell);
        }
        self.rows += 1;
        Ok(())
    }

    /// The batch of the rows so far; the builder is empty afterwards.
    ///
    /// # Errors
    /// When the columns do not make a batch, which would be an error of this program.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.record_id.finish()),
            Arc::new(self.version.finish()),
            Arc::new(self.position.finish()),
            Arc::new(self.recorded_at.finish()),
            Arc::new(self.change.finish()),
            Arc::new(self.event_id.finish()),
        ];
        columns.extend(self.fields.iter_mut().map(FieldBuilder::finish));
        self.rows = 0;
        Ok(RecordBatch::try_new(schema(self.kind), columns)?)
    }

    /// A copy of the rows so far; the builder goes on.
    ///
    /// # Errors
    /// See [`RowBuilder::finish`].
    pub(in crate::registers) fn copied(&self) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.record_id.finish_cloned()),
            Arc::new(self.version.finish_cloned()),
            Arc::new(self.position.finish_cloned()),
            Arc::new(self.recorded_at.finish_cloned()),
            Arc::new(self.change.finish_cloned()),
            Arc::new(self.event_id.finish_cloned()),
        ];
        columns.extend(self.fields.iter().map(FieldBuilder::copied));
        Ok(RecordBatch::try_new(schema(self.kind), columns)?)
    }
}
