//! A delivery: the files of one hand-over, and their rows in file order.
//!
//! What comes in: paths of folders or files. What goes out: a [`Delivery`] with a
//! [`DeliveredFile`] for each, and [`Rows`]. What may fail: opening, with everything that is
//! wrong with the headers of all files at once, before any row is read. Later failures (a file
//! that was changed or taken away) end the rows of that file with a refusal that says so. What
//! must stay true: offices come first; a file of a folder that was not taken is listed as
//! skipped; and the rows are those of the bytes whose SHA-256 is stated.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::csv_rows::CsvReader;
use super::encoding::{self, Encoding, Examined, Stamp};
use super::headers::{HeaderFault, Layout};
use super::json_rows::JsonReader;
use super::recognise;
use super::refusal::{IntakeError, RefusedRow, RowReason};
use super::row::{IntakeRow, Part, RowKind};
use super::xlsx_limits::{self, Limits};
use super::xlsx_rows::{self, SheetRows};

/// What a row comes out as.
pub(super) type RowResult = Result<IntakeRow, RefusedRow>;

/// How a file holds its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-, semicolon- or tab-separated values.
    Csv,
    /// A workbook, one sheet per kind.
    Xlsx,
    /// One JSON object a line.
    JsonLines,
}

/// A file of a delivery.
#[derive(Debug)]
pub struct DeliveredFile {
    /// Display name: the name without its folder.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// How it holds its rows.
    pub format: Format,
    /// Its size.
    pub size_bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Its rows by kind: one part, or one for each sheet of a workbook.
    pub parts: Vec<Arc<Part>>,
    encoding: Encoding,
    stamp: Stamp,
}

/// A file or sheet that was found but is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Display name of the file.
    pub name: String,
    /// The sheet, when only a sheet of it is skipped.
    pub sheet: Option<String>,
    /// Why.
    pub reason: &'static str,
}

/// The files of one hand-over.
#[derive(Debug)]
pub struct Delivery {
    /// What is read, offices first.
    pub files: Arc<[DeliveredFile]>,
    /// What was found in a folder and is not read.
    pub skipped: Vec<Skipped>,
}

impl Delivery {
    /// Opens folders and files: recognises, hashes and reads the headers, but no row.
    pub fn open(paths: &[PathBuf]) -> Result<Self, IntakeError> {
        let mut opening = Opening::default();
        for (order, path) in paths.iter().enumerate() {
            if path.is_dir() {
                opening.folder(order, path)?;
            } else {
                opening.file(order, path, true)?;
            }
        }
        opening.finish(paths)
    }

    /// The rows of all files in file order, offices first: for a ledger that runs by the clock.
    #[must_use]
    pub fn rows(&self) -> Rows {
        Rows::new(&self.files, self.parts(|_| true))
    }

    /// The rows of one file or sheet.
    #[must_use]
    pub fn rows_of(&self, part: &Part) -> Rows {
        let wanted = (part.file, part.index);
        Rows::new(
            &self.files,
            self.parts(|other| (other.file, other.index) == wanted),
        )
    }

    /// The parts that are wanted, those of offices first.
    pub(super) fn parts(&self, wanted: impl Fn(&Part) -> bool) -> Vec<Arc<Part>> {
        let mut parts: Vec<_> = self
            .files
            .iter()
            .flat_map(|file| &file.parts)
            .filter(|part| wanted(part))
            .map(Arc::clone)
            .collect();
        parts.sort_by_key(|part| part.kind != RowKind::Office);
        parts
    }
}

/// A file whose place among the others is not known yet.
struct Found {
    /// Offices first, then as named; in a folder by kind and name.
    rank: (bool, usize, RowKind, String),
    path: PathBuf,
    format: Format,
    examined: Examined,
    parts: Vec<(Option<String>, RowKind, Layout)>,
}

#[derive(Default)]
struct Opening {
    seen: HashSet<PathBuf>,
    found: Vec<Found>,
    skipped: Vec<Skipped>,
    faults: Vec<HeaderFault>,
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

fn io_error(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> IntakeError {
    let path = path.to_owned();
    move |source| IntakeError::Io { verb, path, source }
}

impl Opening {
    fn folder(&mut self, order: usize, folder: &Path) -> Result<(), IntakeError> {
        let failed = || io_error("list", folder);
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed())? {
            paths.push(entry.map_err(failed())?.path());
        }
        paths.sort_unstable();
        for path in paths {
            if path.is_dir() {
                self.skip(&path, None, "it is a folder");
            } else {
                self.file(order, &path, false)?;
            }
        }
        Ok(())
    }

    fn skip(&mut self, path: &Path, sheet: Option<String>, reason: &'static str) {
        let name = name_of(path);
        self.skipped.push(Skipped {
            name,
            sheet,
            reason,
        });
    }

    /// Takes a file, or says why not: as an error for one that was named.
    fn file(&mut self, order: usize, path: &Path, named: bool) -> Result<(), IntakeError> {
        let name = name_of(path);
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let kind = recognise::kind(&stem);
        let format = recognise::format(path);
        let metadata = fs::metadata(path);
        let reason = match (format, kind) {
            // Reading a pipe would wait for ever, and could not be done twice.
            _ if metadata.as_ref().is_ok_and(|found| !found.is_file()) => "it is not a plain file",
            _ if !named && recognise::is_left_over(&name) => "it is a hidden or temporary file",
            (None, _) => "its extension is not known",
            (Some(Format::Csv | Format::JsonLines), None) => {
                "its name says no kind of rows, or more than one"
            }
            (Some(format), _) => return self.take(order, path, named, format, kind),
        };
        if named {
            // A file that is not there is a better answer than a name that is not known.
            metadata.map_err(io_error("open", path))?;
            return Err(IntakeError::NotRecognised { name, reason });
        }
        self.skip(path, None, reason);
        Ok(())
    }

    fn take(
        &mut self,
        order: usize,
        path: &Path,
        named: bool,
        format: Format,
        kind: Option<RowKind>,
    ) -> Result<(), IntakeError> {
        let path = path.canonicalize().map_err(io_error("open", path))?;
        if !self.seen.insert(path.clone()) {
            return Ok(());
        }
        let examined = encoding::examine(&path).map_err(io_error("read", &path))?;
        let parts = match (format, kind) {
            (Format::Xlsx, kind) => self.sheets(&path, kind, named)?,
            (Format::JsonLines, Some(kind)) => vec![(None, kind, Layout::of_kind(kind))],
            (Format::Csv, Some(kind)) => {
                let header =
                    csv_header(&path, kind, examined.encoding).map_err(io_error("read", &path))?;
                let layout = Layout::read(kind, &header, &name_of(&path), None);
                self.layout(layout)
                    .map(|layout| (None, kind, layout))
                    .into_iter()
                    .collect()
            }
            (_, None) => Vec::new(),
        };
        if let Some(first) = parts.iter().map(|(_, kind, _)| *kind).min() {
            let name = name_of(&path);
            let rank = (first != RowKind::Office, order, first, name);
            self.found.push(Found {
                rank,
                path,
                format,
                examined,
                parts,
            });
        }
        Ok(())
    }

    fn layout(&mut self, layout: Result<Layout, HeaderFault>) -> Option<Layout> {
        layout.map_err(|fault| self.faults.push(fault)).ok()
    }

    /// The sheets of a workbook that are ours.
    fn sheets(
        &mut self,
        path: &Path,
        kind: Option<RowKind>,
        named: bool,
    ) -> Result<Vec<(Option<String>, RowKind, Layout)>, IntakeError> {
        let file = name_of(path);
        let sheets = match open_sheets(path, &file) {
            Ok(sheets) => sheets,
            // A workbook of a folder that does not even claim to be ours.
            Err(IntakeError::Workbook { .. } | IntakeError::TooLarge { .. })
                if !named && kind.is_none() =>
            {
                self.skip(path, None, "it is no workbook that can be read");
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let filled = sheets
            .iter()
            .filter(|sheet| !sheet.names.is_empty())
            .count();
        let named_sheets = sheets
            .iter()
            .any(|sheet| recognise::kind(&sheet.name).is_some());
        let mut parts = Vec::new();
        let mut ours = false;
        for sheet in sheets {
            // One sheet with any name has the kind that the name of the file says.
            let alone = (!named_sheets && filled == 1).then_some(kind).flatten();
            let kind = recognise::kind(&sheet.name).or(alone);
            let Some(kind) = kind else {
                let reason = "its name says no kind of rows, or more than one";
                self.skip(path, Some(sheet.name), reason);
                continue;
            };
            ours = true;
            if sheet.names.is_empty() {
                self.skip(path, Some(sheet.name), "it is empty");
                continue;
            }
            if sheet.too_long {
                let what = format!(
                    "sheet {} has more than {} rows",
                    sheet.name,
                    xlsx_rows::MAX_ROWS
                );
                return Err(IntakeError::TooLarge { file, what });
            }
            let layout = Layout::read(kind, &sheet.names, &file, Some(&sheet.name));
            if let Some(layout) = self.layout(layout) {
                parts.push((Some(sheet.name), kind, layout));
            }
        }
        if named && !ours {
            let reason = "none of its sheets is named as a kind of rows";
            return Err(IntakeError::NotRecognised { name: file, reason });
        }
        Ok(parts)
    }

    fn finish(mut self, paths: &[PathBuf]) -> Result<Delivery, IntakeError> {
        if !self.faults.is_empty() {
            return Err(IntakeError::Headers(self.faults));
        }
        if self.found.is_empty() {
            let place = paths.iter().map(|path| path.display().to_string());
            let place = place.collect::<Vec<_>>().join(", ");
            return Err(IntakeError::NothingRecognised { place });
        }
        self.found.sort_by(|a, b| a.rank.cmp(&b.rank));
        let files = self.found.into_iter().enumerate();
        Ok(Delivery {
            files: files.map(|(index, found)| found.into_file(index)).collect(),
            skipped: self.skipped,
        })
    }
}

impl Found {
    fn into_file(self, file: usize) -> DeliveredFile {
        let (.., name) = self.rank;
        let parts = self.parts.into_iter().enumerate();
        let parts = parts.map(|(index, (sheet, kind, layout))| {
            let file_name = name.clone();
            Arc::new(Part {
                file,
                index,
                file_name,
                sheet,
                kind,
                layout,
            })
        });
        DeliveredFile {
            parts: parts.collect(),
            name,
            path: self.path,
            format: self.format,
            size_bytes: self.examined.stamp.size_bytes,
            sha256: self.examined.sha256,
            encoding: self.examined.encoding,
            stamp: self.examined.stamp,
        }
    }
}

fn open_sheets(path: &Path, file: &str) -> Result<Vec<xlsx_rows::Sheet>, IntakeError> {
    xlsx_limits::check(path, file, Limits::default())?;
    let opened = File::open(path).map_err(io_error("open", path))?;
    xlsx_rows::sheets(opened).map_err(|what| IntakeError::Workbook {
        file: file.to_owned(),
        what,
    })
}

fn csv_header(path: &Path, kind: RowKind, encoding: Encoding) -> io::Result<Vec<String>> {
    let input = encoding::reader(File::open(path)?, encoding)?;
    CsvReader::new(input, encoding).header(kind)
}

/// Rows of a delivery, one part after the other.
pub struct Rows {
    files: Arc<[DeliveredFile]>,
    parts: std::vec::IntoIter<Arc<Part>>,
    current: Option<PartRows>,
}

impl Rows {
    pub(super) fn new(files: &Arc<[DeliveredFile]>, parts: Vec<Arc<Part>>) -> Self {
        Self {
            files: Arc::clone(files),
            parts: parts.into_iter(),
            current: None,
        }
    }
}

impl Iterator for Rows {
    type Item = Result<IntakeRow, RefusedRow>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.current.as_mut().and_then(PartRows::next) {
                return Some(row);
            }
            let part = self.parts.next()?;
            self.current = Some(PartRows::open(self.files.get(part.file)?, &part));
        }
    }
}

/// The rows of one file or sheet.
pub(super) struct PartRows {
    part: Arc<Part>,
    reader: Reader,
    /// A second hold on the file, by which it is seen whether it was changed.
    held: Option<File>,
    stamp: Stamp,
    line: u64,
}

enum Reader {
    Csv(CsvReader),
    Json(JsonReader),
    Sheet(SheetRows),
    /// Could not be opened, for this reason.
    Failed(String),
    Ended,
}

const CHANGED: &str = "the file was changed while it was read";

impl PartRows {
    pub fn open(file: &DeliveredFile, part: &Arc<Part>) -> Self {
        let opened = Self::reader(file, part);
        let (reader, held) = match opened {
            Ok((reader, held)) => (reader, Some(held)),
            Err(error) => (Reader::Failed(error.to_string()), None),
        };
        Self {
            part: Arc::clone(part),
            reader,
            held,
            stamp: file.stamp,
            line: 0,
        }
    }

    fn reader(file: &DeliveredFile, part: &Arc<Part>) -> io::Result<(Reader, File)> {
        let opened = File::open(&file.path)?;
        if Stamp::of(&opened)? != file.stamp {
            return Err(io::Error::other(CHANGED));
        }
        let held = opened.try_clone()?;
        let encoding = file.encoding;
        let reader = match file.format {
            Format::Csv => {
                let mut csv = CsvReader::new(encoding::reader(opened, encoding)?, encoding);
                csv.header(part.kind)?;
                Reader::Csv(csv)
            }
            Format::JsonLines => Reader::Json(JsonReader::new(
                encoding::reader(opened, encoding)?,
                encoding,
            )),
            Format::Xlsx => Reader::Sheet(SheetRows::open(opened, part)?),
        };
        Ok((reader, held))
    }

    pub fn next(&mut self) -> Option<RowResult> {
        let part = &self.part;
        let read = match &mut self.reader {
            Reader::Csv(csv) => csv.next(part),
            Reader::Json(json) => json.next(part),
            Reader::Sheet(sheet) => Ok(sheet.next()),
            Reader::Failed(what) => Err(io::Error::other(std::mem::take(what))),
            Reader::Ended => return None,
        };
        match read {
            Ok(Some(row)) => {
                self.line = match &row {
                    Ok(row) => row.source.line,
                    Err(refused) => refused.source.line,
                };
                Some(row)
            }
            Ok(None) => {
                self.reader = Reader::Ended;
                let now = self.held.as_ref().and_then(|file| Stamp::of(file).ok());
                (now != Some(self.stamp)).then(|| self.stopped(CHANGED.to_owned()))
            }
            Err(error) => {
                self.reader = Reader::Ended;
                Some(self.stopped(error.to_string()))
            }
        }
    }

    fn stopped(&self, what: String) -> RowResult {
        let reason = RowReason::Stopped { what };
        let line = self.line + 1;
        Err(RefusedRow::new(
            &self.part,
            line,
            None,
            reason,
            String::new(),
        ))
    }
}
