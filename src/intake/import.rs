//! The import: rows become records, chunk by chunk, on all cores.
//!
//! What comes in: an opened delivery and a ledger. What goes out: counts for each file or sheet,
//! a receipt for each committed batch, and a rejects file. What may fail: the store, which stops
//! the import; what was committed before stays, and importing the same files again completes it.
//! What must stay true: rows are committed in order; every row is recorded, replayed or refused;
//! a delivered file becomes an entry of its own when all its rows have been answered.
//!
//! One thread reads rows; blocking tasks turn chunks into sealed entries; this task commits.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{Delivery, IntakeError, IntakeRow, RefusedRow, RejectsWriter, RowKind, RowReason};
use crate::ledger::aggregate::import::{Import, ImportCommand, ImportedFile};
use crate::ledger::aggregate::office::OfficeError;
use crate::ledger::execute::{Committed, Ledger, Prepared};
use crate::ledger::request::{Command, Context, For, LedgerError, Refusal};
use crate::model::cell::{CellError, CellReason, clean, narrow};
use crate::model::code::OfficeLevel;
use crate::model::id::{OfficeCode, Position};
use crate::model::office::{OfficeDirectory, OfficeFields};
use crate::model::record::Draft;
use crate::model::schema::RecordKind;
use crate::model::slot::Slot;

/// Rows that are prepared and committed together: some 20 MB of entries and sealed fields.
pub const BATCH_ROWS: usize = 8192;
/// Chunks that are prepared ahead of the one being committed.
const CHUNKS_AHEAD: usize = 2;

/// How to import.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Append nothing; say what would be.
    pub dry_run: bool,
    /// A refused row stops the import before anything is appended.
    pub strict: bool,
    /// The folder for the rejects file.
    pub rejects_folder: PathBuf,
    /// Rows that are committed together; [`BATCH_ROWS`] unless there is a reason.
    pub batch_rows: usize,
    /// Only rows of this office and those below it; all when not given.
    pub within: Option<OfficeCode>,
}

/// What became of the rows of one file or sheet.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct PartCounts {
    /// The file, and the sheet if it has several.
    pub name: String,
    /// The kind of rows.
    pub kind: &'static str,
    /// Rows read.
    pub read: u64,
    /// Rows that became entries.
    pub recorded: u64,
    /// Rows that had been recorded before.
    pub replayed: u64,
    /// Of those, records that were erased since.
    pub erased: u64,
    /// Rows that were refused.
    pub refused: u64,
}

/// What became of a delivery.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct ImportSummary {
    /// Names the import in entries and in the rejects file.
    pub import_id: Uuid,
    /// Whether nothing was appended.
    pub dry_run: bool,
    /// By file or sheet.
    pub parts: Vec<PartCounts>,
    /// Where the refused rows are, if any.
    pub rejects: Option<PathBuf>,
    /// The reading of a file ended early: what was said.
    pub stopped: Vec<String>,
}

impl ImportSummary {
    /// The sum of a count over all parts.
    #[must_use]
    pub fn total(&self, of: impl Fn(&PartCounts) -> u64) -> u64 {
        self.parts.iter().map(of).sum()
    }
}

/// That a batch is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct BatchReceipt {
    /// Rows answered so far.
    pub rows: u64,
    /// Rows recorded in this batch.
    pub recorded: u64,
    /// The last position of this batch, if anything was recorded.
    pub position: Option<Position>,
}

/// Rows of one kind of work.
enum Chunk {
    Offices(Vec<Result<IntakeRow, RefusedRow>>),
    Records(Vec<Result<IntakeRow, RefusedRow>>),
}

/// A chunk that is ready to be committed.
struct Ready {
    prepared: Vec<(Prepared, IntakeRow)>,
    refused: Vec<RefusedRow>,
}

struct Importing<'a> {
    ledger: Arc<Ledger>,
    context: Context,
    delivery: &'a Delivery,
    options: &'a ImportOptions,
    offices: Arc<OfficeDirectory>,
    rejects: RejectsWriter,
    summary: ImportSummary,
    index: HashMap<(usize, usize), usize>,
    /// In a dry run, what would have been recorded by now.
    seen: HashMap<Uuid, Vec<u8>>,
}

/// Why an import stopped.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The ledger or its store.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The files.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// A row was refused, and the import is strict.
    #[error("{0}; nothing was appended (--strict)")]
    Strict(RefusedRow),
}

/// Imports a delivery; `committed` is called after every durable batch.
///
/// # Errors
/// See [`ImportError`].
pub async fn import(
    ledger: Arc<Ledger>,
    mut context: Context,
    offices: OfficeDirectory,
    delivery: &Delivery,
    options: &ImportOptions,
    mut committed: impl FnMut(&BatchReceipt),
) -> Result<ImportSummary, ImportError> {
    let import_id = Uuid::now_v7();
    context.import_id = Some(import_id);
    let offices = Arc::new(offices);
    if options.strict && !options.dry_run {
        // The whole of it without appending anything; the first refusal ends it.
        let rehearsal = ImportOptions {
            dry_run: true,
            ..options.clone()
        };
        let (ledger, context) = (ledger.clone(), context.clone());
        let importing = Importing::new(ledger, context, &offices, delivery, &rehearsal, import_id);
        importing?.run(&mut |_| ()).await?;
    }
    let mut importing = Importing::new(ledger, context, &offices, delivery, options, import_id)?;
    importing.run(&mut committed).await?;
    importing.finish().await
}

fn refuse(row: &IntakeRow, error: CellError) -> RefusedRow {
    row.refuse(Some(error.column), error.into())
}

/// A row of an office that whoever imports does not report for.
fn refuse_other(row: &IntakeRow, column: &'static str) -> RefusedRow {
    let what = "is an office that you do not report for; leave its rows to those who do";
    row.refuse(Some(column), RowReason::Other(what.to_owned()))
}

/// Whether whoever reports for an office may state this of another one: of those below it, and of
/// itself only what is known already, since its place says what it may do.
fn may_state(
    office: &OfficeFields,
    known: bool,
    directory: &OfficeDirectory,
    within: Option<OfficeCode>,
) -> bool {
    let Some(top) = within else { return true };
    let is_theirs = directory.is_within(office.code, top);
    let is_below = office
        .parent
        .is_some_and(|parent| directory.is_within(parent, top));
    if known {
        return is_theirs;
    }
    let is_new = directory.get(office.code).is_none();
    office.code != top && is_below && (is_new || is_theirs)
}

fn office_of(row: &IntakeRow) -> Result<OfficeFields, Box<RefusedRow>> {
    let cell = |index: usize, column: &'static str| {
        clean(row.cells.get(index).unwrap_or_default())
            .map_err(|reason| Box::new(refuse(row, CellError { column, reason })))
    };
    let wrong = |column, reason| Box::new(refuse(row, CellError { column, reason }));
    let code = cell(0, "code")?.ok_or_else(|| wrong("code", CellReason::Missing))?;
    let code = OfficeCode::parse(&narrow(&code))
        .ok_or_else(|| wrong("code", CellReason::NotAnOfficeCode))?;
    let level = cell(3, "level")?.ok_or_else(|| wrong("level", CellReason::Missing))?;
    let level = OfficeLevel::parse(&level).ok_or_else(|| {
        let allowed = OfficeLevel::ALL
            .iter()
            .map(|l| l.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        wrong("level", CellReason::UnknownCode { allowed })
    })?;
    let parent = match cell(4, "parent")? {
        None => None,
        Some(parent) => Some(
            OfficeCode::parse(&narrow(&parent))
                .ok_or_else(|| wrong("parent", CellReason::NotAnOfficeCode))?,
        ),
    };
    Ok(OfficeFields {
        code,
        level,
        name_zh: cell(1, "name_zh")?,
        name_en: cell(2, "name_en")?,
        parent,
    })
}

/// Reads rows on a thread of its own and hands them over in chunks, offices apart.
fn read_chunks(delivery: &Delivery, by_report: bool, batch_rows: usize) -> mpsc::Receiver<Chunk> {
    let (sender, receiver) = mpsc::channel(2);
    let rows: Box<dyn Iterator<Item = Result<IntakeRow, RefusedRow>> + Send> = if by_report {
        Box::new(delivery.rows_in_order_of_report())
    } else {
        Box::new(delivery.rows())
    };
    tokio::task::spawn_blocking(move || {
        let mut chunk = Vec::with_capacity(batch_rows);
        let mut of_offices = true;
        let wrap = |of_offices: bool, rows| {
            if of_offices {
                Chunk::Offices(rows)
            } else {
                Chunk::Records(rows)
            }
        };
        for row in rows {
            let is_office = match &row {
                Ok(row) => row.kind == RowKind::Office,
                Err(refused) => refused.part().kind == RowKind::Office,
            };
            if (is_office != of_offices && !chunk.is_empty()) || chunk.len() == batch_rows {
                let full = std::mem::replace(&mut chunk, Vec::with_capacity(batch_rows));
                // The receiver is gone when the import failed: nothing is left to do here.
                if sender.blocking_send(wrap(of_offices, full)).is_err() {
                    return;
                }
            }
            of_offices = is_office;
            chunk.push(row);
        }
        let _ = sender.blocking_send(wrap(of_offices, chunk));
    });
    receiver
}

impl<'a> Importing<'a> {
    fn new(
        ledger: Arc<Ledger>,
        context: Context,
        offices: &Arc<OfficeDirectory>,
        delivery: &'a Delivery,
        options: &'a ImportOptions,
        import_id: Uuid,
    ) -> Result<Self, ImportError> {
        let mut importing = Self {
            rejects: RejectsWriter::new(&options.rejects_folder, &import_id.to_string())?,
            ledger,
            context,
            delivery,
            options,
            offices: offices.clone(),
            summary: ImportSummary {
                import_id,
                dry_run: options.dry_run,
                ..ImportSummary::default()
            },
            index: HashMap::new(),
            seen: HashMap::new(),
        };
        for (file, delivered) in delivery.files.iter().enumerate() {
            for (part, of_file) in delivered.parts.iter().enumerate() {
                let parts = &mut importing.summary.parts;
                importing.index.insert((file, part), parts.len());
                parts.push(PartCounts {
                    name: of_file.place(),
                    kind: of_file.kind.file(),
                    ..PartCounts::default()
                });
            }
        }
        Ok(importing)
    }

    async fn run(&mut self, committed: &mut impl FnMut(&BatchReceipt)) -> Result<(), ImportError> {
        let mut chunks = read_chunks(
            self.delivery,
            self.ledger.simulated,
            self.options.batch_rows.clamp(1, BATCH_ROWS),
        );
        let mut first_records = None;
        while let Some(chunk) = chunks.recv().await {
            match chunk {
                Chunk::Offices(rows) => self.offices(rows).await?,
                Chunk::Records(rows) => {
                    first_records = Some(rows);
                    break;
                }
            }
        }
        let Some(first) = first_records else {
            return Ok(());
        };
        let within = self.options.within;
        let work = (
            self.ledger.clone(),
            self.context.clone(),
            self.offices.clone(),
        );
        let mut ready = stream::iter([first])
            .chain(stream::unfold(chunks, |mut chunks| async {
                match chunks.recv().await {
                    Some(Chunk::Records(rows) | Chunk::Offices(rows)) => Some((rows, chunks)),
                    None => None,
                }
            }))
            .map(move |rows| {
                let (ledger, context, offices) = work.clone();
                tokio::task::spawn_blocking(move || {
                    prepare(&ledger, &context, (&offices, within), rows)
                })
            })
            .buffered(CHUNKS_AHEAD)
            .boxed();
        let mut rows = 0;
        while let Some(joined) = ready.next().await {
            let ready = joined.map_err(|error| LedgerError::CutOff(error.to_string()))??;
            let mut receipt = self.commit(ready).await?;
            rows += receipt.rows;
            receipt.rows = rows;
            committed(&receipt);
        }
        Ok(())
    }

    fn counts(&mut self, row: &super::RowSource) -> &mut PartCounts {
        let index = self
            .index
            .get(&(row.file, row.part))
            .copied()
            .unwrap_or_default();
        &mut self.summary.parts[index]
    }

    fn refused(&mut self, refused: &RefusedRow) -> Result<(), ImportError> {
        if self.options.strict && self.options.dry_run {
            return Err(ImportError::Strict(refused.clone()));
        }
        if refused.stops_file() {
            self.summary.stopped.push(refused.to_string());
        }
        let counts = self.counts(&refused.source);
        counts.read += 1;
        counts.refused += 1;
        Ok(self.rejects.write(refused)?)
    }

    async fn offices(
        &mut self,
        rows: Vec<Result<IntakeRow, RefusedRow>>,
    ) -> Result<(), ImportError> {
        let mut directory = OfficeDirectory::clone(&self.offices);
        for row in rows {
            let row = match row {
                Ok(row) => row,
                Err(refused) => {
                    self.refused(&refused)?;
                    continue;
                }
            };
            let office = match office_of(&row) {
                Ok(office) => office,
                Err(refused) => {
                    self.refused(&refused)?;
                    continue;
                }
            };
            let known = directory.get(office.code) == Some(&office);
            if !may_state(&office, known, &directory, self.options.within) {
                self.refused(&refuse_other(&row, "code"))?;
                continue;
            }
            directory.insert(office.clone());
            let answer = if known {
                Err(Refusal::Aggregate(OfficeError::NothingChanged.to_string()))
            } else if self.options.dry_run {
                let counts = self.counts(&row.source);
                counts.read += 1;
                counts.recorded += 1;
                continue;
            } else {
                self.ledger
                    .execute_one(&self.context, Command::Office(office))
                    .await?
            };
            match answer {
                Ok(_) => {
                    let counts = self.counts(&row.source);
                    counts.read += 1;
                    counts.recorded += 1;
                }
                Err(Refusal::Aggregate(said))
                    if said == OfficeError::NothingChanged.to_string() =>
                {
                    let counts = self.counts(&row.source);
                    counts.read += 1;
                    counts.replayed += 1;
                }
                Err(refusal) => {
                    self.refused(&row.refuse(None, RowReason::Ledger(refusal.to_string())))?;
                }
            }
        }
        self.offices = Arc::new(directory);
        Ok(())
    }

    async fn commit(&mut self, ready: Ready) -> Result<BatchReceipt, ImportError> {
        let mut receipt = BatchReceipt {
            rows: 0,
            recorded: 0,
            position: None,
        };
        receipt.rows += ready.refused.len() as u64;
        for refused in &ready.refused {
            self.refused(refused)?;
        }
        let (prepared, rows): (Vec<_>, Vec<_>) = ready.prepared.into_iter().unzip();
        receipt.rows += rows.len() as u64;
        let answers = if self.options.dry_run {
            self.ledger.would_commit(prepared, &mut self.seen).await?
        } else {
            self.ledger.commit_records(&self.context, prepared).await?
        };
        for (row, answer) in rows.iter().zip(answers) {
            match answer {
                Ok(Committed::Recorded { position }) => {
                    receipt.recorded += 1;
                    receipt.position = Some(position);
                    let counts = self.counts(&row.source);
                    counts.read += 1;
                    counts.recorded += 1;
                }
                Ok(Committed::Replayed { erased_by }) => {
                    let counts = self.counts(&row.source);
                    counts.read += 1;
                    counts.replayed += 1;
                    counts.erased += u64::from(erased_by.is_some());
                }
                Err(refusal) => {
                    self.refused(&row.refuse(None, RowReason::Ledger(refusal.to_string())))?;
                }
            }
        }
        Ok(receipt)
    }

    /// Records the delivered files themselves, and closes the rejects file.
    async fn finish(mut self) -> Result<ImportSummary, ImportError> {
        if !self.options.dry_run {
            for (index, file) in self.delivery.files.iter().enumerate() {
                let parts = (0..file.parts.len()).filter_map(|part| self.index.get(&(index, part)));
                let counts: Vec<&PartCounts> =
                    parts.map(|part| &self.summary.parts[*part]).collect();
                let sum = |of: fn(&PartCounts) -> u64| counts.iter().map(|part| of(part)).sum();
                let imported = ImportedFile {
                    sha256: hex::encode(file.sha256),
                    kinds: file
                        .parts
                        .iter()
                        .map(|part| part.kind.file().to_owned())
                        .collect(),
                    read: sum(|part| part.read),
                    recorded: sum(|part| part.recorded),
                    refused: sum(|part| part.refused),
                    replayed: sum(|part| part.replayed),
                    size_bytes: file.size_bytes,
                };
                let finish = move |commitments| ImportCommand::Finish {
                    commitments,
                    file: imported.clone(),
                };
                let finish = For::<Import>::new(Uuid::new_v8(rand::random()), finish);
                let finish = finish.with_sealed(Some((Slot::FILE_NAME, file.name.clone())));
                let answer = self
                    .ledger
                    .execute_one(&self.context, finish.command())
                    .await?;
                answer.map_err(|refusal| LedgerError::CutOff(refusal.to_string()))?;
            }
        }
        self.summary.rejects = self.rejects.finish()?;
        Ok(self.summary)
    }
}

/// Turns rows into sealed entries. Runs on a blocking thread.
fn prepare(
    ledger: &Ledger,
    context: &Context,
    (offices, within): (&OfficeDirectory, Option<OfficeCode>),
    rows: Vec<Result<IntakeRow, RefusedRow>>,
) -> Result<Ready, LedgerError> {
    let mut ready = Ready {
        prepared: Vec::with_capacity(rows.len()),
        refused: Vec::new(),
    };
    let mut drafts: Vec<(Box<Draft>, IntakeRow)> = Vec::with_capacity(rows.len());
    for row in rows {
        let row = match row {
            Ok(row) => row,
            Err(refused) => {
                ready.refused.push(refused);
                continue;
            }
        };
        let RowKind::Record(kind) = row.kind else {
            let reason = RowReason::Other("offices come before everything else".to_owned());
            ready.refused.push(row.refuse(None, reason));
            continue;
        };
        match Draft::read(kind, &row.cells.to_vec(), offices) {
            Ok(draft) if within.is_some_and(|top| !offices.is_within(draft.office, top)) => {
                ready.refused.push(refuse_other(&row, "office"));
            }
            Ok(draft) => drafts.push((Box::new(draft), row)),
            Err(error) => ready.refused.push(refuse(&row, error)),
        }
    }
    if drafts
        .iter()
        .any(|(draft, _)| draft.kind() == RecordKind::PregnancyLoss)
    {
        let years = ledger.prepare_years(drafts.iter().map(|(draft, _)| draft.as_ref()));
        tokio::runtime::Handle::current().block_on(years)?;
    }
    ledger.master.refresh();
    for (draft, row) in drafts {
        match ledger.prepare_record(context, &draft, None) {
            Ok(prepared) => ready.prepared.push((prepared.with_draft(draft), row)),
            Err(refusal) => {
                ready
                    .refused
                    .push(row.refuse(None, RowReason::Ledger(refusal.to_string())));
            }
        }
    }
    Ok(ready)
}
