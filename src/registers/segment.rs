//! Segments: the rows of a fixed range of positions, as files.
//!
//! What comes in: the rows of positions `[k * S, (k + 1) * S)`, S being [`SEGMENT_EVENTS`]. What
//! goes out: one Parquet file for each kind of record that occurs among them,
//! `<kind>/<k as 8 digits>.parquet`, and the manifest `segments/<k>.json`. What may fail: the
//! file system; or a file that is not what the manifest says ([`Fault`]). What must stay true: the
//! manifest is written last, so a segment with a manifest is complete; a file is only read after
//! its size and digest were compared with the manifest; nothing here is needed to rebuild it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::columns::{RowBuilder, RowReader};
use super::encoding::columns_digest;
use super::fold::Tail;
use super::row::RegisterRow;
use super::{RegisterError, Result};
use crate::model::id::Position;
use crate::model::schema::RecordKind;

/// Positions in a segment: a file has a few megabytes, and the tail in memory that grows into the
/// next segment some tens of them.
pub const SEGMENT_EVENTS: u64 = 65_536;
/// Version of the manifest and of what it says about files.
const FORMAT: u32 = 1;
/// Folder of the manifests.
const MANIFESTS: &str = "segments";

/// What is wrong with a segment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The manifest is no manifest.
    #[error("its manifest cannot be read: {0}")]
    Manifest(String),
    /// The manifest was written by a program with other columns, segments or manifests.
    #[error("it was written by another version of this program")]
    Version,
    /// It is of another ledger.
    #[error("it belongs to the ledger {0}")]
    Foreign(Uuid),
    /// It is of this ledger, but not of these entries.
    #[error("it was built from other entries")]
    Entries,
    /// A file is missing or cannot be read.
    #[error("{file} cannot be read: {what}")]
    Unreadable {
        /// Path within the folder.
        file: String,
        /// What the system says.
        what: String,
    },
    /// A file has another size, as after a crash or a full disk.
    #[error("{file} has {found} bytes instead of {expected}")]
    Size {
        /// Path within the folder.
        file: String,
        /// As stated.
        expected: u64,
        /// As found.
        found: u64,
    },
    /// A file of the right size was changed.
    #[error("{file} was changed: its digest is not the one in the manifest")]
    Digest {
        /// Path within the folder.
        file: String,
    },
    /// A file has other rows than the manifest says, though its digest is right.
    #[error("{file} does not hold the rows that the manifest states: {what}")]
    Rows {
        /// Path within the folder.
        file: String,
        /// What is wrong.
        what: String,
    },
}

/// A segment that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("segment {segment} of the registers is unusable: {fault}")]
pub struct Damage {
    /// Its number.
    pub segment: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What a manifest says of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileOfKind {
    pub(super) bytes: u64,
    pub(super) rows: u64,
    pub(super) sha256: String,
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
    pub(super) files: BTreeMap<String, FileOfKind>,
}

fn manifest_path(number: u64) -> PathBuf {
    Path::new(MANIFESTS).join(format!("{number:08}.json"))
}

fn rows_path(kind: RecordKind, number: u64) -> PathBuf {
    Path::new(kind.as_str()).join(format!("{number:08}.parquet"))
}

/// Names a file and what was being done with it when the system failed.
pub(super) fn failed(doing: &'static str, path: &Path) -> impl Fn(std::io::Error) -> RegisterError {
    let path = path.display().to_string();
    move |source| RegisterError::File {
        doing,
        path: path.clone(),
        source,
    }
}

/// Writes a file so that after a crash it is there in full or not at all.
fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new).map_err(failed("create", &new))?;
    file.write_all(bytes).map_err(failed("write", &new))?;
    file.sync_all().map_err(failed("flush", &new))?;
    drop(file);
    std::fs::rename(&new, path).map_err(failed("put in place", path))?;
    path.parent().map_or(Ok(()), flush_folder)
}

/// Makes a rename in the folder durable, where the system can flush folders at all.
pub(super) fn flush_folder(folder: &Path) -> Result<()> {
    match File::open(folder) {
        Ok(opened) if cfg!(unix) => opened.sync_all().map_err(failed("flush", folder)),
        _ => Ok(()),
    }
}

/// Removes a file, if there is one.
pub(super) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", path)(e)),
        _ => Ok(()),
    }
}

fn properties() -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
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
    let batch = RowBuilder::batch_of(kind, rows)?;
    let write = || -> std::result::Result<Vec<u8>, ParquetError> {
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties()))?;
        writer.write(&batch)?;
        writer.into_inner()
    };
    write().map_err(|source| RegisterError::Parquet { kind, source })
}

/// Writes the segment of a complete tail: its files, then its manifest.
pub(super) fn write(folder: &Path, ledger_id: Uuid, number: u64, tail: &Tail) -> Result<Segment> {
    let mut files = BTreeMap::new();
    for kind in RecordKind::ALL {
        let path = folder.join(rows_path(kind, number));
        let rows = tail.rows(kind);
        if rows.is_empty() {
            // What a segment of another ledger left behind.
            remove(&path)?;
            continue;
        }
        let parent = folder.join(kind.as_str());
        std::fs::create_dir_all(&parent).map_err(failed("create", &parent))?;
        let bytes = parquet_of(kind, rows)?;
        write_durably(&path, &bytes)?;
        let file = FileOfKind {
            bytes: bytes.len() as u64,
            rows: rows.len() as u64,
            sha256: hex::encode(Sha256::digest(&bytes)),
        };
        files.insert(kind.as_str().to_owned(), file);
    }
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

/// Looks through a folder and checks every file of every segment in it.
pub(super) fn find(folder: &Path, ledger_id: Uuid, segment_events: u64) -> Result<Found> {
    let manifests = folder.join(MANIFESTS);
    let (mut sound, mut damaged) = (BTreeMap::new(), Vec::new());
    let listing = match std::fs::read_dir(&manifests) {
        Ok(listing) => listing,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok((sound, damaged)),
        Err(e) => return Err(failed("list", &manifests)(e)),
    };
    for found in listing {
        let path = found.map_err(failed("list", &manifests))?.path();
        let name = path.file_stem().and_then(|stem| stem.to_str());
        let Some(number) = name.and_then(|name| name.parse().ok()) else {
            continue;
        };
        if path != folder.join(manifest_path(number)) {
            // A file that a crash left unfinished; the next write of this segment replaces it.
            continue;
        }
        match Segment::check(folder, number, ledger_id, segment_events) {
            Ok(segment) => drop(sound.insert(number, segment)),
            Err(fault) => damaged.push(Damage {
                segment: number,
                fault,
            }),
        }
    }
    damaged.sort_unstable_by_key(|damage| damage.segment);
    Ok((sound, damaged))
}

impl Segment {
    fn check(
        folder: &Path,
        number: u64,
        ledger_id: Uuid,
        segment_events: u64,
    ) -> std::result::Result<Self, Fault> {
        let text = std::fs::read_to_string(folder.join(manifest_path(number)))
            .map_err(|e| Fault::Manifest(e.to_string()))?;
        let segment: Self =
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
        Ok(segment)
    }

    /// Number of rows of a kind.
    pub(super) fn rows(&self, kind: RecordKind) -> u64 {
        self.files.get(kind.as_str()).map_or(0, |file| file.rows)
    }

    /// The file of a kind, if the kind occurs.
    pub(super) fn path(&self, folder: &Path, kind: RecordKind) -> Option<PathBuf> {
        self.files.get(kind.as_str())?;
        Some(folder.join(rows_path(kind, self.number)))
    }

    /// Opens the file of a kind and compares its size and digest with the manifest.
    fn open(&self, folder: &Path, kind: RecordKind) -> std::result::Result<Option<File>, Fault> {
        let Some(expected) = self.files.get(kind.as_str()) else {
            return Ok(None);
        };
        let path = rows_path(kind, self.number);
        let name = || path.display().to_string();
        let unreadable = |e: std::io::Error| Fault::Unreadable {
            file: name(),
            what: e.to_string(),
        };
        let mut file = File::open(folder.join(&path)).map_err(unreadable)?;
        let found = file.metadata().map_err(unreadable)?.len();
        if found != expected.bytes {
            return Err(Fault::Size {
                file: name(),
                expected: expected.bytes,
                found,
            });
        }
        let mut hash = Sha256::new();
        let mut piece = vec![0; 65_536];
        loop {
            let read = file.read(&mut piece).map_err(unreadable)?;
            if read == 0 {
                break;
            }
            hash.update(&piece[..read]);
        }
        if hex::encode(hash.finalize()) != expected.sha256 {
            return Err(Fault::Digest { file: name() });
        }
        file.rewind().map_err(unreadable)?;
        Ok(Some(file))
    }

    /// The rows of a kind as columns, checked again; of the record ids alone, if only they are
    /// wanted.
    pub(super) fn batches(
        &self,
        folder: &Path,
        kind: RecordKind,
        only_record_ids: bool,
    ) -> std::result::Result<Vec<RecordBatch>, Damage> {
        let damage = |fault| Damage {
            segment: self.number,
            fault,
        };
        let Some(file) = self.open(folder, kind).map_err(damage)? else {
            return Ok(Vec::new());
        };
        let fault = |what: String| Fault::Rows {
            file: rows_path(kind, self.number).display().to_string(),
            what,
        };
        let batches = read(file, only_record_ids).map_err(|e| damage(fault(e.to_string())))?;
        let rows: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        if rows != self.rows(kind) {
            return Err(damage(fault(format!("it has {rows}"))));
        }
        Ok(batches)
    }

    /// The rows of a kind, checked again.
    pub(super) fn load(&self, folder: &Path, kind: RecordKind) -> Result<Vec<RegisterRow>> {
        let mut rows = Vec::new();
        for batch in self.batches(folder, kind, false)? {
            for row in RowReader::new(kind, &batch)?.rows() {
                rows.push(row?);
            }
        }
        Ok(rows)
    }
}

fn read(file: File, only_record_ids: bool) -> std::result::Result<Vec<RecordBatch>, ParquetError> {
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(8192);
    if only_record_ids {
        let mask = ProjectionMask::columns(reader.parquet_schema(), ["record_id"]);
        reader = reader.with_projection(mask);
    }
    Ok(reader.build()?.collect::<std::result::Result<_, _>>()?)
}
