//! XLSX: the rows of a sheet, streamed from a thread of its own.
//!
//! What comes in: a workbook that is within [`super::xlsx_limits`]. What goes out: the sheets with
//! the names of their first rows, and the rows of one sheet. What may fail: a workbook that is no
//! workbook; a row with a value that is no statement; a sheet that breaks off, which ends with a
//! refusal that says so. What must stay true: a panic of the workbook reader, which reads what
//! strangers wrote, ends that sheet and never the program; and a reader that is dropped half-way
//! ends its thread.

use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use calamine::{DataRef, Reader, Xlsx, XlsxError};

use super::delivery::RowResult;
use super::headers::MAX_COLUMNS;
use super::refusal::{MAX_RAW_BYTES, RefusedRow, RowReason};
use super::row::{Cells, IntakeRow, Part, csv_line};
use super::xlsx_cells;

/// Most rows of a sheet; Excel itself has 1,048,576.
pub(super) const MAX_ROWS: u32 = 1_100_000;
/// Rows that travel together between the threads.
const BATCH_ROWS: usize = 256;
/// Batches that wait, at most.
const BATCHES: usize = 4;

type Workbook = Xlsx<BufReader<File>>;

/// A sheet and the texts of its first row that has any.
pub(super) struct Sheet {
    pub name: String,
    pub names: Vec<String>,
    /// Whether it states more than [`MAX_ROWS`].
    pub too_long: bool,
}

/// The sheets of a workbook. The error says what is wrong with it.
pub(super) fn sheets(file: File) -> Result<Vec<Sheet>, String> {
    let reader = thread::Builder::new()
        .name("workbook".to_owned())
        .spawn(move || read_sheets(file))
        .map_err(|error| error.to_string())?;
    // A panic in there is the workbook's fault.
    reader.join().unwrap_or_else(|_| Err(DAMAGED.to_owned()))
}

const DAMAGED: &str = "it is damaged";

/// What is wrong, without the reader's own words, which may quote a cell.
fn describe(error: &XlsxError) -> String {
    match error {
        XlsxError::Io(error) => error.to_string(),
        XlsxError::Password => "it is protected by a password".to_owned(),
        _ => DAMAGED.to_owned(),
    }
}

fn open(file: File) -> Result<Workbook, String> {
    Xlsx::new(BufReader::new(file)).map_err(|error| describe(&error))
}

fn read_sheets(file: File) -> Result<Vec<Sheet>, String> {
    let mut workbook = open(file)?;
    let mut sheets = Vec::new();
    for name in workbook.sheet_names() {
        let mut cells = match workbook.worksheet_cells_reader(&name) {
            Ok(cells) => cells,
            // A chart, or an entry without a sheet behind it.
            Err(XlsxError::NotAWorksheet(_) | XlsxError::WorksheetNotFound(_)) => continue,
            Err(error) => return Err(describe(&error)),
        };
        let too_long = cells.dimensions().end.0 >= MAX_ROWS;
        let mut names: Vec<String> = Vec::new();
        let mut first = None;
        while let Some(cell) = cells.next_cell().map_err(|error| describe(&error))? {
            let (row, column) = cell.get_position();
            if first.is_some_and(|first| first != row) {
                break;
            }
            // An error value stands for a name that is unknown, so that its row is still the header.
            let text = xlsx_cells::text(cell.get_value(), None, false).unwrap_or("#".into());
            if text.trim().is_empty() {
                continue;
            }
            first = Some(row);
            // One past the limit is enough for the header to be refused.
            let at = (column as usize).min(MAX_COLUMNS);
            if names.len() <= at {
                names.resize(at + 1, String::new());
            }
            if let Some(slot) = names.get_mut(at) {
                slot.push_str(&text);
            }
        }
        drop(cells);
        sheets.push(Sheet {
            name,
            names,
            too_long,
        });
    }
    Ok(sheets)
}

/// The rows of a sheet.
pub(super) struct SheetRows {
    batches: Receiver<Vec<RowResult>>,
    batch: std::vec::IntoIter<RowResult>,
    part: Arc<Part>,
    last_line: u64,
    ended: bool,
}

impl SheetRows {
    pub fn open(file: File, part: &Arc<Part>) -> std::io::Result<Self> {
        let (sender, batches) = sync_channel(BATCHES);
        let of_thread = Arc::clone(part);
        thread::Builder::new()
            .name("workbook".to_owned())
            .spawn(move || send_rows(file, &of_thread, sender))?;
        Ok(Self {
            batches,
            batch: Vec::new().into_iter(),
            part: Arc::clone(part),
            last_line: 0,
            ended: false,
        })
    }

    /// The next row; `None` at the end of the sheet.
    pub fn next(&mut self) -> Option<RowResult> {
        while !self.ended {
            if let Some(row) = self.batch.next() {
                self.last_line = match &row {
                    Ok(row) => row.source.line,
                    Err(refused) => refused.source.line,
                };
                return Some(row);
            }
            match self.batches.recv() {
                // An empty batch is the end; without one the thread has died.
                Ok(batch) if batch.is_empty() => self.ended = true,
                Ok(batch) => self.batch = batch.into_iter(),
                Err(_) => {
                    self.ended = true;
                    return Some(Err(stopped(&self.part, self.last_line + 1, DAMAGED)));
                }
            }
        }
        None
    }
}

fn stopped(part: &Arc<Part>, line: u64, what: &str) -> RefusedRow {
    let what = what.to_owned();
    RefusedRow::new(part, line, None, RowReason::Stopped { what }, String::new())
}

/// Why no more is sent.
enum End {
    /// Nobody listens any more.
    Dropped,
    /// The sheet cannot be read further.
    Broken(String),
}

fn send_rows(file: File, part: &Arc<Part>, sender: SyncSender<Vec<RowResult>>) {
    let mut sending = Sending {
        sender,
        batch: Vec::with_capacity(BATCH_ROWS),
        row: Row::new(part),
        header_seen: false,
    };
    let ended = read_rows(file, part, &mut sending);
    let line = sending.row.line() + 1;
    let ended = match ended {
        Err(End::Broken(what)) => sending.push(Err(stopped(part, line, &what))),
        other => other,
    };
    if ended.is_ok() && sending.flush().is_ok() {
        // Whether this one is still listened to makes no difference.
        let _ = sending.sender.send(Vec::new());
    }
}

fn read_rows(file: File, part: &Arc<Part>, sending: &mut Sending) -> Result<(), End> {
    let broken = |error: XlsxError| End::Broken(describe(&error));
    let mut workbook = open(file).map_err(End::Broken)?;
    let is_1904 = workbook.has_1904_epoch();
    let sheet = part.sheet.as_deref().unwrap_or_default();
    let mut cells = workbook.worksheet_cells_reader(sheet).map_err(broken)?;
    while let Some(cell) = cells.next_cell().map_err(broken)? {
        let (row, column) = cell.get_position();
        if row != sending.row.index {
            sending.finish_row()?;
            if row >= MAX_ROWS {
                let what = format!("the sheet has more than {MAX_ROWS} rows");
                return Err(End::Broken(what));
            }
            sending.row.index = row;
        }
        sending.row.cell(column, cell.get_value(), is_1904);
    }
    sending.finish_row()
}

/// Rows on their way to the other thread.
struct Sending {
    sender: SyncSender<Vec<RowResult>>,
    batch: Vec<RowResult>,
    row: Row,
    header_seen: bool,
}

impl Sending {
    fn finish_row(&mut self) -> Result<(), End> {
        if self.row.is_blank() {
            self.row.clear();
            return Ok(());
        }
        // The first row that has any text is the header, which was read before.
        let row = self.header_seen.then(|| self.row.finish());
        self.header_seen = true;
        self.row.clear();
        row.map_or(Ok(()), |row| self.push(row))
    }

    fn push(&mut self, row: RowResult) -> Result<(), End> {
        self.batch.push(row);
        if self.batch.len() >= BATCH_ROWS {
            return self.flush();
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), End> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH_ROWS));
        self.sender.send(batch).map_err(|_| End::Dropped)
    }
}

/// The row that is being read, in the sheet's order of columns.
struct Row {
    part: Arc<Part>,
    index: u32,
    texts: Vec<String>,
    bytes: usize,
    /// Cells with text up to here.
    width: usize,
    fault: Option<(Option<&'static str>, RowReason)>,
}

impl Row {
    fn new(part: &Arc<Part>) -> Self {
        Self {
            part: Arc::clone(part),
            index: 0,
            texts: vec![String::new(); part.layout.of_file.len()],
            bytes: 0,
            width: 0,
            fault: None,
        }
    }

    fn line(&self) -> u64 {
        u64::from(self.index) + 1
    }

    fn is_blank(&self) -> bool {
        self.width == 0 && self.fault.is_none()
    }

    fn clear(&mut self) {
        self.texts.iter_mut().for_each(String::clear);
        self.bytes = 0;
        self.width = 0;
        self.fault = None;
    }

    fn cell(&mut self, at: u32, value: &DataRef<'_>, is_1904: bool) {
        let at = at as usize;
        let index = self.part.layout.of_file.get(at);
        let column = index.and_then(|index| self.part.kind.columns().get(*index));
        let text = match xlsx_cells::text(value, column, is_1904) {
            Ok(text) => text,
            Err(reason) => {
                self.width = self.width.max(at + 1);
                let column = column.map(|column| column.name);
                self.fault.get_or_insert((column, reason));
                return;
            }
        };
        if text.trim().is_empty() {
            return;
        }
        self.width = self.width.max(at + 1);
        self.bytes += text.len();
        if self.bytes > MAX_RAW_BYTES {
            let limit = MAX_RAW_BYTES;
            self.fault
                .get_or_insert((None, RowReason::TooLong { limit }));
            return;
        }
        if let Some(slot) = self.texts.get_mut(at) {
            // A cell that a hostile sheet gives twice: the last one, as Excel takes it.
            slot.clear();
            slot.push_str(&text);
        }
    }

    fn finish(&mut self) -> RowResult {
        let expected = self.texts.len();
        if self.width > expected {
            let found = self.width;
            let reason = RowReason::TooManyCells { found, expected };
            self.fault.get_or_insert((None, reason));
        }
        if let Some((column, reason)) = self.fault.take() {
            let raw = csv_line(self.texts.iter().map(String::as_str));
            return Err(RefusedRow::new(
                &self.part,
                self.line(),
                column,
                reason,
                raw,
            ));
        }
        let of_schema = &self.part.layout.of_schema;
        let mut cells = Cells::with_capacity(self.bytes, of_schema.len());
        for at in of_schema {
            let text = at.and_then(|at| self.texts.get(at));
            cells.push(text.map_or("", String::as_str));
        }
        Ok(IntakeRow::new(&self.part, self.line(), cells))
    }
}
