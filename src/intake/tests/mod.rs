//! The stage as a whole, on files in temporary folders.

mod formats;
mod hostile;
mod order;
mod refusals;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Delivery, IntakeError, IntakeRow, RefusedRow, Rows};

pub(super) const HEADER: &str = "source_record_id,source,office,occurred_on,reported_on,remark";

/// A folder with these files.
pub(super) fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

pub(super) fn open(folder: &TempDir) -> Result<Delivery, IntakeError> {
    Delivery::open(&[folder.path().to_owned()])
}

pub(super) fn open_text(name: &str, text: &str) -> (TempDir, Delivery) {
    let folder = folder(&[(name, text.as_bytes())]);
    let delivery = open(&folder).unwrap();
    (folder, delivery)
}

/// Rows and refusals apart.
pub(super) fn split(
    rows: impl Iterator<Item = Result<IntakeRow, RefusedRow>>,
) -> (Vec<IntakeRow>, Vec<RefusedRow>) {
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for row in rows {
        match row {
            Ok(row) => taken.push(row),
            Err(row) => refused.push(row),
        }
    }
    (taken, refused)
}

pub(super) fn cells(rows: Rows) -> Vec<Vec<String>> {
    rows.map(|row| row.unwrap().cells.iter().map(str::to_owned).collect())
        .collect()
}

pub(super) fn ids(rows: impl Iterator<Item = Result<IntakeRow, RefusedRow>>) -> Vec<String> {
    rows.map(|row| match row {
        Ok(row) => row.cells.get(0).unwrap().to_owned(),
        Err(refused) => format!("!{}", refused.source.line),
    })
    .collect()
}

pub(super) fn extract() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/half-year-extract")
}
