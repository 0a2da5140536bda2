//! The rejects file: every row that was refused, with its reason, so that it can be corrected and
//! delivered again.
//!
//! What comes in: [`RefusedRow`]s, of this stage and of the one that reads cells. What goes out:
//! `rejects-<import id>.csv` with the columns file, sheet, line, column, reason and row, the last
//! being the whole row as the file had it. What may fail: writing. What must stay true: it is made
//! with the first refusal only and never over another file; it holds personal values and can be
//! read by its owner alone; a refusal that was counted is on its way to the disk.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use super::refusal::{IntakeError, RefusedRow};

/// Writes the refused rows of one import.
pub struct RejectsWriter {
    path: PathBuf,
    file: Option<csv::Writer<File>>,
    counts: BTreeMap<usize, u64>,
}

impl RejectsWriter {
    /// For an import, in a folder. Nothing is written yet.
    pub fn new(folder: &Path, import_id: &str) -> Result<Self, IntakeError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if import_id.is_empty() || import_id.len() > 64 || !import_id.bytes().all(allowed) {
            return Err(IntakeError::ImportId);
        }
        Ok(Self {
            path: folder.join(format!("rejects-{import_id}.csv")),
            file: None,
            counts: BTreeMap::new(),
        })
    }

    /// Writes and counts a refused row.
    pub fn write(&mut self, refused: &RefusedRow) -> Result<(), IntakeError> {
        if let Err(source) = self.try_write(refused) {
            let path = self.path.clone();
            return Err(IntakeError::Rejects { path, source });
        }
        *self.counts.entry(refused.source.file).or_default() += 1;
        Ok(())
    }

    fn try_write(&mut self, refused: &RefusedRow) -> std::io::Result<()> {
        if self.file.is_none() {
            let mut file = csv::Writer::from_writer(create(&self.path)?);
            file.write_record(["file", "sheet", "line", "column", "reason", "row"])?;
            self.file = Some(file);
        }
        if let Some(file) = &mut self.file {
            let part = refused.part();
            file.write_record([
                part.file_name.as_str(),
                part.sheet.as_deref().unwrap_or_default(),
                refused.source.line.to_string().as_str(),
                refused.column.unwrap_or_default(),
                refused.reason.to_string().as_str(),
                refused.raw(),
            ])?;
            // A refusal must outlive a crash of this process.
            file.flush()?;
        }
        Ok(())
    }

    /// The rejects file, if there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|_| self.path.as_path())
    }

    /// How many rows of a file were refused.
    #[must_use]
    pub fn count(&self, file: usize) -> u64 {
        self.counts.get(&file).copied().unwrap_or(0)
    }

    /// How many rows were refused in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Brings everything to the disk; gives the path if there is a rejects file.
    pub fn finish(mut self) -> Result<Option<PathBuf>, IntakeError> {
        let Some(mut file) = self.file.take() else {
            return Ok(None);
        };
        let synced = file.flush().and_then(|()| file.get_ref().sync_all());
        match synced {
            Ok(()) => Ok(Some(self.path)),
            Err(source) => Err(IntakeError::Rejects {
                path: self.path,
                source,
            }),
        }
    }
}

fn create(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}
