//! The files of a delivery.
//!
//! Rows come in, field by field; CSV files go out, with the columns of the intake in their fixed
//! order. Writing may fail as disks do, and a file that is there already is never overwritten.
//! What must stay true: every row has as many fields as its header; no field needs quoting,
//! because none holds a comma, a quotation mark or a line break; nothing but one row and the
//! files' buffers is held in memory.

use std::fs::{File, OpenOptions, create_dir_all};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use chrono::{Datelike, NaiveDate};

use super::SimulateError;
use super::names::Name;

/// The files in the order in which an import reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Kind {
    Offices,
    Registrations,
    Births,
    Losses,
    Disbursements,
    Activities,
    Returns,
    Truth,
}

const FILES: [(&str, &str); 8] = [
    ("offices.csv", "code,name_zh,name_en,level,parent"),
    (
        "registrations.csv",
        "source_record_id,source,office,kind,occurred_on,reported_on,household_no,person_name,sex,\
         born_on,id_no,marital_status,partner_name,partner_id_no,partner_born_on,place_from,\
         place_to,remark",
    ),
    (
        "births.csv",
        "source_record_id,source,office,occurred_on,reported_on,child_name,sex,\
         birth_certificate_no,plurality,weight_g,gestation_days,place,facility,mother_name,\
         mother_id_no,mother_born_on,mother_residence,father_name,father_id_no,household_no,remark",
    ),
    (
        "pregnancy_losses.csv",
        "source_record_id,source,office,occurred_on,reported_on,gestation_days,weight_g,plurality,\
         timing,facility,case_no,woman_id_no,remark",
    ),
    (
        "disbursements.csv",
        "source_record_id,source,office,flow,scheme,period,amount_yuan,occurred_on,reported_on,\
         beneficiary_name,beneficiary_id_no,beneficiary_born_on,account_no,approved_by,remark",
    ),
    (
        "activities.csv",
        "source_record_id,source,office,kind,occurred_on,reported_on,quantity,eligible,remark",
    ),
    (
        "returns.csv",
        "source_record_id,source,office,period,indicator,value,numerator,denominator,submitted_on,\
         submitted_by",
    ),
    ("truth.csv", "fault,family,keys,need,also,must,note"),
];

/// Rows written to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRows {
    /// Name of the file in the delivery's folder.
    pub file: &'static str,
    /// Rows without the header.
    pub rows: u64,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Rows by file, in the order in which an import reads them.
    pub files: Vec<FileRows>,
}

impl Summary {
    /// Rows of one file; 0 if it was not written.
    #[must_use]
    pub fn rows(&self, file: &str) -> u64 {
        self.files
            .iter()
            .find(|rows| rows.file == file)
            .map_or(0, |rows| rows.rows)
    }

    /// Rows of all files.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.files.iter().map(|rows| rows.rows).sum()
    }
}

/// One file being written.
#[derive(Debug)]
pub(super) struct Sheet {
    path: PathBuf,
    name: &'static str,
    out: BufWriter<File>,
    line: Vec<u8>,
    columns: usize,
    fields: usize,
    rows: u64,
}

impl Sheet {
    fn create(dir: &Path, name: &'static str, header: &str) -> Result<Self, SimulateError> {
        let path = dir.join(name);
        let failed = |source| SimulateError::Write {
            path: path.clone(),
            source,
        };
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(failed)?;
        let mut out = BufWriter::with_capacity(1 << 16, file);
        writeln!(out, "{header}").map_err(failed)?;
        let columns = header.split(',').count();
        Ok(Self {
            path,
            name,
            out,
            line: Vec::with_capacity(512),
            columns,
            fields: 0,
            rows: 0,
        })
    }

    fn separate(&mut self) {
        if self.fields > 0 {
            self.line.push(b',');
        }
        self.fields += 1;
    }

    pub(super) fn bytes(&mut self, text: &[u8]) -> &mut Self {
        debug_assert!(
            !text.iter().any(|byte| b",\"\r\n".contains(byte)),
            "a field needs quoting"
        );
        self.separate();
        self.line.extend_from_slice(text);
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        self.separate();
        self.digits(number, 1);
        self
    }

    pub(super) fn optional(&mut self, number: Option<u64>) -> &mut Self {
        match number {
            Some(number) => self.number(number),
            None => self.blank(1),
        }
    }

    /// A prefix and a number of at least `width` digits: record, household and case numbers.
    pub(super) fn code(&mut self, prefix: char, number: u64, width: usize) -> &mut Self {
        self.separate();
        self.line
            .extend_from_slice(prefix.encode_utf8(&mut [0; 4]).as_bytes());
        self.digits(number, width);
        self
    }

    pub(super) fn name(&mut self, name: &Name) -> &mut Self {
        self.separate();
        for part in name.parts() {
            self.line.extend_from_slice(part.as_bytes());
        }
        self
    }

    pub(super) fn date(&mut self, date: NaiveDate) -> &mut Self {
        self.separate();
        self.digits(u64::try_from(date.year()).unwrap_or(0), 4);
        self.line.push(b'-');
        self.digits(u64::from(date.month()), 2);
        self.line.push(b'-');
        self.digits(u64::from(date.day()), 2);
        self
    }

    /// Yuan with two decimals.
    pub(super) fn yuan(&mut self, amount_fen: u64) -> &mut Self {
        self.separate();
        self.digits(amount_fen / 100, 1);
        self.line.push(b'.');
        self.digits(amount_fen % 100, 2);
        self
    }

    pub(super) fn blank(&mut self, fields: usize) -> &mut Self {
        for _ in 0..fields {
            self.separate();
        }
        self
    }

    fn digits(&mut self, number: u64, width: usize) {
        let mut text = [b'0'; 20];
        let mut place = text.len();
        let mut left = number;
        while left > 0 || text.len() - place < width {
            place -= 1;
            text[place] = b'0' + u8::try_from(left % 10).unwrap_or(0);
            left /= 10;
        }
        self.line.extend_from_slice(&text[place..]);
    }

    /// Ends the row and writes it.
    pub(super) fn end(&mut self) -> Result<(), SimulateError> {
        debug_assert_eq!(
            self.fields, self.columns,
            "a row of {} has a wrong length",
            self.name
        );
        self.line.push(b'\n');
        let written = self.out.write_all(&self.line);
        written.map_err(|source| SimulateError::Write {
            path: self.path.clone(),
            source,
        })?;
        self.line.clear();
        self.fields = 0;
        self.rows += 1;
        Ok(())
    }
}

/// All files of a delivery.
#[derive(Debug)]
pub(super) struct Delivery {
    sheets: Vec<Sheet>,
}

impl Delivery {
    /// Makes the folder if needed, and the files, which must not be there; `truth.csv` only for a
    /// delivery with faults.
    pub(super) fn create(dir: &Path, with_truth: bool) -> Result<Self, SimulateError> {
        create_dir_all(dir).map_err(|source| SimulateError::Write {
            path: dir.to_path_buf(),
            source,
        })?;
        let files = if with_truth {
            &FILES[..]
        } else {
            &FILES[..FILES.len() - 1]
        };
        let sheets = files
            .iter()
            .map(|(name, header)| Sheet::create(dir, name, header));
        Ok(Self {
            sheets: sheets.collect::<Result<_, _>>()?,
        })
    }

    /// The sheet of a kind; a delivery without faults writes its (never used) truth to no file of
    /// its own, so the caller asks for `Kind::Truth` only when it has faults.
    pub(super) fn sheet(&mut self, kind: Kind) -> &mut Sheet {
        let last = self.sheets.len() - 1;
        &mut self.sheets[(kind as usize).min(last)]
    }

    pub(super) fn rows(&self) -> u64 {
        self.sheets.iter().map(|sheet| sheet.rows).sum()
    }

    /// Writes what is left in the buffers.
    pub(super) fn finish(mut self) -> Result<Summary, SimulateError> {
        for sheet in &mut self.sheets {
            let flushed = sheet.out.flush();
            flushed.map_err(|source| SimulateError::Write {
                path: sheet.path.clone(),
                source,
            })?;
        }
        let rows = |sheet: &Sheet| FileRows {
            file: sheet.name,
            rows: sheet.rows,
        };
        Ok(Summary {
            files: self.sheets.iter().map(rows).collect(),
        })
    }
}
