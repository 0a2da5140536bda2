//! Segments: the rows of a fixed range of positions, as files.
//!
//! What comes in: the rows of positions `[k * S, (k + 1) * S)`, S being [`SEGMENT_EVENTS`]. What
//! goes out: one Parquet file for each kind of record that occurs among them,
//! `<kind>/<k as 8 digits>.parquet`; what supersedes what, `succession/<k>.steps`; and the
//! manifest `segments/<k>.json`. What may fail: the file system; or a file that is not what the
//! manifest says ([`Fault`]). What must stay true: the manifest is written last, so a segment with
//! a manifest is complete; nothing here is needed to rebuild it.

use std::collections::BTreeMap;
use std::fs::File;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::columns::builder::RowBuilder;
use super::encoding::columns_digest;
pub use super::file::Fault;
use super::file::{Folder, Stated, failed, remove, write_durably};
use super::fold::Tail;
use super::row::RegisterRow;
use super::succession::{self, Step};
use super::{RegisterError, Result};
use crate::model::id::Position;
use crate::model::schema::RecordKind;

/// Positions in a segment: a file has a few megabytes, and the tail in memory that grows into the
/// next segment some tens of them.
pub const SEGMENT_EVENTS: u64 = 65_536;
/// Rows in a row group: what is read at least when a few rows are.
const ROW_GROUP_ROWS: usize = 8192;
/// Version of the manifest and of what it says about files.
const FORMAT: u32 = 2;
/// Folder of the manifests.
const MANIFESTS: &str = "segments";
/// Folder of the steps.
const STEPS: &str = "succession";

/// A segment that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("segment {segment} of the registers is unusable: {fault}")]
pub struct Damage {
    /// Its number.
    pub segment: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// The manifest of a segment: `segments/<k>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Segment {
    pub(super) format: u32,
    pub(super) ledger_id: Uuid,
    pub(super) number: u64,
    /// First position in it.
    pub(super) first: Position,
    /// First position after it.
    pub(super) end: Position,
    /// Digest of the columns of all kinds, as this program has them.
    pub(super) columns_sha256: String,
    /// SHA-256 over all entries in it, each preceded by its length as a big-endian u32.
    pub(super) entries_sha256: String,
    /// RFC 6962 leaf hash of its last entry. Event ids are fresh for every append, so one look at
    /// the store tells a segment of a ledger that went another way; a changed entry in the middle
    /// is found by the check, which reads them all.
    pub(super) last_leaf_sha256: String,
    /// By kind.
    pub(super) files: BTreeMap<String, Stated>,
    /// The file that says which row supersedes which.
    pub(super) succession: Stated,
    /// What that file says, until it is taken over.
    #[serde(skip)]
    pub(super) steps: Vec<Step>,
}

fn manifest_path(number: u64) -> PathBuf {
    Path::new(MANIFESTS).join(format!("{number:08}.json"))
}

fn steps_path(number: u64) -> PathBuf {
    Path::new(STEPS).join(format!("{number:08}.steps"))
}

fn rows_path(kind: RecordKind, number: u64) -> PathBuf {
    Path::new(kind.as_str()).join(format!("{number:08}.parquet"))
}

fn properties() -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_created_by("vitaledger registers".to_owned());
    // Values that never repeat: a dictionary of them is larger than they are.
    for column in ["record_id", "event_id", "position", "recorded_at"] {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(column), false);
    }
    for column in ["position", "recorded_at"] {
        properties =
            properties.set_column_encoding(ColumnPath::from(column), Encoding::DELTA_BINARY_PACKED);
    }
    properties.build()
}

/// One Parquet file of these rows, with the columns of the kind.
///
/// # Errors
/// When the rows are of another kind, or cannot be written.
pub fn parquet_of(kind: RecordKind, rows: &[RegisterRow]) -> Result<Vec<u8>> {
    encode(kind, &RowBuilder::batch_of(kind, rows)?)
}

fn encode(kind: RecordKind, batch: &RecordBatch) -> Result<Vec<u8>> {
    let write = || -> std::result::Result<Vec<u8>, ParquetError> {
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties()))?;
        writer.write(batch)?;
        writer.into_inner()
    };
    write().map_err(|source| RegisterError::Parquet { kind, source })
}

/// Writes the segment of a complete tail: its files, then its manifest.
pub(super) fn write(folder: &Path, ledger_id: Uuid, number: u64, tail: &Tail) -> Result<Segment> {
    let mut files = BTreeMap::new();
    for kind in RecordKind::ALL {
        let path = rows_path(kind, number);
        let rows = tail.rows(kind);
        if rows == 0 {
            // What a segment of another ledger left behind.
            remove(&folder.join(&path))?;
            continue;
        }
        let bytes = encode(kind, &tail.batch(kind)?)?;
        let stated = Stated::write(folder, &path, &bytes, rows)?;
        files.insert(kind.as_str().to_owned(), stated);
    }
    let (steps, path) = (tail.steps(), steps_path(number));
    let succession = Stated::write(folder, &path, &succession::encode(steps), steps.len())?;
    let segment = Segment {
        format: FORMAT,
        ledger_id,
        number,
        first: tail.first,
        end: tail.next,
        columns_sha256: hex::encode(columns_digest()),
        entries_sha256: hex::encode(tail.entries_digest()),
        last_leaf_sha256: hex::encode(tail.last_leaf().0),
        files,
        succession,
        steps: Vec::new(),
    };
    let manifests = folder.join(MANIFESTS);
    std::fs::create_dir_all(&manifests).map_err(failed("create", &manifests))?;
    let text = serde_json::to_string_pretty(&segment).map_err(RegisterError::Manifest)?;
    write_durably(&folder.join(manifest_path(number)), text.as_bytes())?;
    Ok(segment)
}

/// Destroys the manifest of a segment, which makes its files meaningless.
pub(super) fn discard(folder: &Path, number: u64) -> Result<()> {
    remove(&folder.join(manifest_path(number)))
}

/// What lies in a folder: sound segments, and what is wrong with the others.
pub(super) type Found = (BTreeMap<u64, Segment>, Vec<Damage>);

/// Looks through a folder and checks every file of every segment in it, on all cores: hashing the
/// files is what opening costs.
pub(super) fn find(folder: &Folder, ledger_id: Uuid, segment_events: u64) -> Result<Found> {
    let numbers = numbers(folder.path())?;
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let check = |number: &u64| {
        let checked = Segment::check(folder, *number, ledger_id, segment_events);
        checked.map_err(|fault| Damage {
            segment: *number,
            fault,
        })
    };
    let checked = std::thread::scope(|scope| {
        let shares = numbers.chunks(numbers.len().div_ceil(cores).max(1));
        let threads = shares.map(|share| scope.spawn(move || share.iter().map(check).collect()));
        let threads: Vec<_> = threads.collect();
        let checked = threads.into_iter().map(|thread| thread.join().ok());
        checked.collect::<Option<Vec<Vec<_>>>>()
    });
    let (mut sound, mut damaged) = (BTreeMap::new(), Vec::new());
    for checked in checked
        .ok_or(RegisterError::Interrupted)?
        .into_iter()
        .flatten()
    {
        match checked {
            Ok(segment) => drop(sound.insert(segment.number, segment)),
            Err(damage) => damaged.push(damage),
        }
    }
    Ok((sound, damaged))
}

/// The numbers of the manifests in a folder, in order.
fn numbers(folder: &Path) -> Result<Vec<u64>> {
    let manifests = folder.join(MANIFESTS);
    let listing = match std::fs::read_dir(&manifests) {
        Ok(listing) => listing,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed("list", &manifests)(e)),
    };
    let mut numbers = Vec::new();
    for found in listing {
        let path = found.map_err(failed("list", &manifests))?.path();
        let name = path.file_stem().and_then(|stem| stem.to_str());
        let number = name.and_then(|name| name.parse().ok());
        // Another name is that of a file that a crash left unfinished; the next write of its
        // segment replaces it.
        numbers.extend(number.filter(|number| path == folder.join(manifest_path(*number))));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

impl Segment {
    fn check(
        folder: &Folder,
        number: u64,
        ledger_id: Uuid,
        segment_events: u64,
    ) -> std::result::Result<Self, Fault> {
        let text = std::fs::read_to_string(folder.path().join(manifest_path(number)))
            .map_err(|e| Fault::Manifest(e.to_string()))?;
        let mut segment: Self =
            serde_json::from_str(&text).map_err(|e| Fault::Manifest(e.to_string()))?;
        if segment.ledger_id != ledger_id {
            return Err(Fault::Foreign(segment.ledger_id));
        }
        let first = number.checked_mul(segment_events);
        let end = first.and_then(|first| first.checked_add(segment_events));
        if segment.format != FORMAT
            || segment.columns_sha256 != hex::encode(columns_digest())
            || segment.number != number
            || (Some(segment.first), Some(segment.end)) != (first, end)
        {
            return Err(Fault::Version);
        }
        for kind in RecordKind::ALL {
            segment.open(folder, kind)?;
        }
        segment.steps = segment.read_steps(folder)?;
        Ok(segment)
    }

    fn read_steps(&self, folder: &Folder) -> std::result::Result<Vec<Step>, Fault> {
        let path = steps_path(self.number);
        let steps = succession::decode(&folder.read(&path, &self.succession)?);
        let is_mine = |step: &Step| {
            (self.first..self.end).contains(&step.position)
                && step.before.is_none_or(|before| before < step.position)
        };
        let steps = steps.filter(|steps| {
            steps.len() as u64 == self.succession.rows && steps.iter().all(is_mine)
        });
        steps.ok_or_else(|| Fault::Rows {
            file: path.display().to_string(),
            what: "it has other steps".to_owned(),
        })
    }

    /// What the manifest says of the file of a kind, if the kind occurs, and where it lies.
    pub(super) fn file(&self, kind: RecordKind) -> Option<(PathBuf, &Stated)> {
        let stated = self.files.get(kind.as_str())?;
        Some((rows_path(kind, self.number), stated))
    }

    /// Opens the file of a kind, compared with the manifest.
    pub(super) fn open(
        &self,
        folder: &Folder,
        kind: RecordKind,
    ) -> std::result::Result<Option<File>, Fault> {
        let file = self.file(kind);
        file.map(|(path, stated)| folder.open(&path, stated))
            .transpose()
    }
}
