//! The records of a ledger, opened for the rules of the audit.
//!
//! What comes in: entries with their rows of the vault; pieces of earlier runs. What goes out: the
//! tables of the rules as of any number of entries. What may fail: the store, a sealed field that
//! does not open. What must stay true: sealed values are opened for comparing only and leave this
//! module as codes; what a moment shows does not depend on what was kept.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;
use futures_util::stream::{FuturesOrdered, StreamExt};
use uuid::Uuid;

use super::error::failed;
use super::{App, AppError};
use crate::audit::casebook::{Casebook, Holding, PIECE, Piece};
use crate::audit::cases::{Case, Cases, Tables};
use crate::audit::run::office_number;
use crate::ledger::execute::Ledger;
use crate::ledger::history::RecordHistory;
use crate::ledger::request::LedgerError;
use crate::model::id::Position;
use crate::model::office::OfficeDirectory;
use crate::model::schema::RecordKind;
use crate::model::slot::Slot;
use crate::registers::Registers;
use crate::registers::fold::row_of;
use crate::registers::row::{Change, RegisterRow};
use crate::registers::sql::SqlError;
use crate::store::StoredEntry;

/// Pieces that are being opened at once.
const IN_FLIGHT: usize = 4;

/// Every version of every record up to a number of entries, opened.
pub struct OpenedRecords {
    size: u64,
    pieces: Vec<Piece>,
    registers: Registers,
    women: HashMap<Position, [u8; 16]>,
}

fn engine(error: &ArrowError) -> AppError {
    SqlError::Engine(error.to_string()).into()
}

impl OpenedRecords {
    /// What held as of a number of entries.
    ///
    /// # Errors
    /// When there are not so many entries.
    pub fn tables(&self, size: u64, offices: &OfficeDirectory) -> Result<Tables, AppError> {
        if size > self.size {
            let what = format!("{} entries were opened, not {size}", self.size);
            return Err(AppError::Usage(what));
        }
        let superseded = self.registers.superseded(size)?;
        let holds = |position| position < size && !superseded.contains(&position);
        self.rows(size, &holds, offices)
    }

    /// What held as of an earlier number of entries, and no longer as of a later one.
    ///
    /// # Errors
    /// When the registers cannot be read.
    pub fn gone(
        &self,
        earlier: u64,
        size: u64,
        offices: &OfficeDirectory,
    ) -> Result<Tables, AppError> {
        let (before, superseded) = (
            self.registers.superseded(earlier)?,
            self.registers.superseded(size)?,
        );
        let is_gone = |position| {
            position < earlier && superseded.contains(&position) && !before.contains(&position)
        };
        self.rows(earlier, &is_gone, offices)
    }

    /// Rows of the first so many entries.
    fn rows(
        &self,
        size: u64,
        holds: &dyn Fn(Position) -> bool,
        offices: &OfficeDirectory,
    ) -> Result<Tables, AppError> {
        let codes = offices.all().into_iter();
        let offices: HashSet<i64> = codes.map(|office| office_number(office.code)).collect();
        let holding = Holding {
            holds,
            offices: &offices,
            women: &self.women,
        };
        let pieces = || self.pieces.iter().filter(|piece| piece.range.start < size);
        let of_kind = |kind: RecordKind| {
            let mut batches = vec![RecordBatch::new_empty(crate::audit::cases::schema(kind))];
            for piece in pieces() {
                let batch = piece.table(kind, &holding);
                let batch = batch.map_err(|error| engine(&error))?;
                batches.extend((batch.num_rows() > 0).then_some(batch));
            }
            Ok((kind.file(), batches))
        };
        RecordKind::ALL.into_iter().map(of_kind).collect()
    }

    /// Number of entries that were opened.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// How many tokens of women are left of losses that were first reported among so many entries.
    #[must_use]
    pub fn women(&self, size: u64) -> u64 {
        let firsts = self.women.keys().filter(|first| **first < size);
        firsts.count() as u64
    }

    /// The record that has a row at a position.
    #[must_use]
    pub fn record_id(&self, position: Position) -> Option<Uuid> {
        let after = self
            .pieces
            .partition_point(|piece| piece.range.end <= position);
        self.pieces.get(after)?.record_id(position)
    }

    /// The registers, which know at least as many entries.
    #[must_use]
    pub const fn registers(&self) -> &Registers {
        &self.registers
    }
}

impl App {
    /// The folder of what the audit keeps between runs.
    pub(super) async fn casebook(&self) -> Result<Casebook, AppError> {
        let erasures = self.store().entries_of_type("erasure").await?.len();
        Casebook::open(&self.folder, self.ledger.id, erasures)
            .map_err(failed("clear the casebook of", &self.folder))
    }

    /// Opens the records of the first so many entries.
    ///
    /// # Errors
    /// When the store fails, or a sealed field does not open.
    pub async fn open_records(&self, size: u64) -> Result<OpenedRecords, AppError> {
        let registers = self.registers().await?;
        let known = registers.size();
        let casebook = Arc::new(self.casebook().await?);
        let tokens = self.ledger.vault.woman_tokens().await?.into_iter();
        let women = tokens.map(|(position, woman)| (position, woman.token));
        let mut ranges = (0..size)
            .step_by(usize::try_from(PIECE).unwrap_or(usize::MAX))
            .map(|start| start..known.min(start + PIECE));
        let (mut pieces, mut in_flight) = (Vec::new(), FuturesOrdered::new());
        loop {
            while in_flight.len() < IN_FLIGHT
                && let Some(range) = ranges.next()
            {
                let piece = piece(self.ledger.clone(), casebook.clone(), range);
                in_flight.push_back(tokio::spawn(piece));
            }
            let Some(done) = in_flight.next().await else {
                break;
            };
            pieces.push(done.map_err(|error| LedgerError::CutOff(error.to_string()))??);
        }
        Ok(OpenedRecords {
            size,
            pieces,
            women: women.collect(),
            registers,
        })
    }
}

/// A piece as it was kept, or made anew and kept if it is whole.
async fn piece(
    ledger: Arc<Ledger>,
    casebook: Arc<Casebook>,
    range: Range<Position>,
) -> Result<Piece, AppError> {
    let whole = range.end - range.start == PIECE;
    if whole && let Some(piece) = casebook.piece(&range, &ledger.master) {
        return Ok(piece);
    }
    let piece = match opened(&ledger, range.clone()).await {
        // Perhaps rotated out between the reading of the rows and their opening.
        Err(AppError::History(error)) if error.is_of_a_key_that_is_gone() => {
            opened(&ledger, range).await?
        }
        opened => opened?,
    };
    if whole && let Err(error) = casebook.keep_piece(&piece, &ledger.master) {
        // It is made again the next time.
        tracing::warn!(%error, "what was opened for the audit could not be kept");
    }
    Ok(piece)
}

/// Opens every version of a record in a range.
async fn opened(ledger: &Ledger, range: Range<Position>) -> Result<Piece, AppError> {
    let limit = range.end - range.start;
    let entries = ledger.store.entries(range.start, limit).await?;
    let rows = ledger.vault.sealed(range.start, limit).await?;
    let mut rows: HashMap<Position, _> = rows.into_iter().collect();
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for stored in entries {
        let row = row_of(stored.position, &stored.bytes)?;
        match row.filter(|row| row.change != Change::Voided) {
            Some(row) if row.version == 1 => first.push((row, stored)),
            Some(row) => later.push(row),
            None => (),
        }
    }
    let changed = histories_until(ledger, &later).await?;
    let key = ledger.keys.cases();
    let mut tables = RecordKind::ALL.map(|kind| Cases::of(kind, key));
    for (row, stored) in first {
        let own = rows.remove(&row.position);
        let own = own.map(|own| (row.position, own)).into_iter().collect();
        let history = RecordHistory::read(ledger.id, &ledger.master, vec![stored], own)?;
        if let Some(history) = history {
            push(&mut tables, &row, &history)?;
        }
    }
    for (row, history) in later.iter().zip(&changed) {
        push(&mut tables, row, history)?;
    }
    let mut finished = Vec::with_capacity(tables.len());
    for table in tables {
        finished.push(table.finish().map_err(|error| engine(&error))?);
    }
    let tables = <[RecordBatch; RecordKind::ALL.len()]>::try_from(finished);
    let tables = tables.map_err(|_| AppError::Integrity("a table for each kind".to_owned()))?;
    Ok(Piece::new(range, tables))
}

fn push(
    tables: &mut [Cases<'_>],
    row: &RegisterRow,
    history: &RecordHistory,
) -> Result<(), AppError> {
    let sealed = |name: &str| {
        let value = history.value(Slot::of_name(name)?)?;
        Some(value.as_str())
    };
    let case = Case {
        row,
        sealed: &sealed,
        first: history.positions().next().unwrap_or(row.position),
    };
    let pushed = tables[row.kind() as usize].push(&case);
    pushed.map_err(|error| engine(&error))
}

/// The history of the record of each row up to that row, in their order.
async fn histories_until(
    ledger: &Ledger,
    rows: &[RegisterRow],
) -> Result<Vec<RecordHistory>, AppError> {
    let ids: HashSet<Uuid> = rows.iter().map(|row| row.record_id).collect();
    let ids: Vec<Uuid> = ids.into_iter().collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let streams = ledger.store.streams(&ids).await?;
    let all = streams.values().flatten();
    let positions: Vec<Position> = all.map(|stored| stored.position).collect();
    let vault = ledger.vault.sealed_at(&positions).await?;
    let mut histories = Vec::with_capacity(rows.len());
    for row in rows {
        let stream = streams.get(&row.record_id).into_iter().flatten();
        let until = stream.filter(|stored| stored.position <= row.position);
        let until: Vec<StoredEntry> = until.cloned().collect();
        let own = until.iter().filter_map(|stored| {
            let own = vault.get(&stored.position)?;
            Some((stored.position, own.clone()))
        });
        let own = own.collect();
        let history = RecordHistory::read(ledger.id, &ledger.master, until, own)?;
        histories.push(history.ok_or_else(|| {
            AppError::Integrity(format!("position {}: no stream has it", row.position))
        })?);
    }
    Ok(histories)
}
