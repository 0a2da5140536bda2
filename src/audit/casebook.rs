//! The tables of the audit and what its last run said, kept between runs.
//!
//! What comes in: the rows of a range of entries ([`super::cases`]), made once, of every version
//! of every record. What goes out: a [`Piece`], from a file or as it was made, and of it the rows
//! that held at a moment. What may fail: a file that is not there, not whole, of another ledger or
//! of another version of these tables; then there is no piece, and its rows are made again. What
//! must stay true: files hold nothing in clear; what was opened before an erasure is discarded by
//! the next opening of the ledger; the codes of women are never kept.
//!
//! A file is the number of a master key in 4 bytes, 16 random bytes, then six Arrow streams, each
//! after its length in 8 bytes, encrypted as the keys of an event are that had the random bytes as
//! its id. What it is of is authenticated with it. Files lie in a folder named after the number of
//! erasures, and cannot be read when the master key is gone.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, Int64Array, RecordBatch,
};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::CompressionType;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use tempfile::NamedTempFile;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::cases::{Changing, changing, kept_schema, number_of, schema};
use crate::ledger::master::MasterKeys;
use crate::model::id::Position;
use crate::model::schema::RecordKind;

/// Entries of a piece. A whole one is kept, the rest of the log is read anew.
pub const PIECE: u64 = 8192;
/// Raised whenever a column means something else; new names and types are noticed anyway.
const VERSION: u32 = 1;
const FOLDER: &str = "casebook";
/// Nothing else is encrypted with the same key and the same start of the nonce.
const NONCE_END: [u8; 8] = [0; 8];

/// What held at a moment.
pub struct Holding<'h> {
    /// Whether the row of a position did.
    pub holds: &'h dyn Fn(Position) -> bool,
    /// The numbers of the offices that there were.
    pub offices: &'h HashSet<i64>,
    /// The tokens of women that are not destroyed, by the first position of the loss.
    pub women: &'h HashMap<Position, [u8; 16]>,
}

/// The rows of a range of entries.
pub struct Piece {
    /// Their positions.
    pub range: Range<Position>,
    /// By kind, each in order of position.
    tables: [RecordBatch; RecordKind::ALL.len()],
}

fn number(position: i64) -> Position {
    u64::try_from(position).unwrap_or_default()
}

impl Piece {
    /// Of these tables, one for each kind in its order.
    #[must_use]
    pub const fn new(range: Range<Position>, tables: [RecordBatch; RecordKind::ALL.len()]) -> Self {
        Self { range, tables }
    }

    /// Of a kind, the rows that held, as rules see them.
    ///
    /// # Errors
    /// When the columns do not fit, which would be an error of this program.
    pub fn table(
        &self,
        kind: RecordKind,
        holding: &Holding<'_>,
    ) -> Result<RecordBatch, ArrowError> {
        let all = &self.tables[kind as usize];
        let positions = all.column(0).as_primitive::<Int64Type>();
        let holds = |position: &i64| (holding.holds)(number(*position));
        let mask: BooleanArray = positions.values().iter().map(holds).map(Some).collect();
        let whole = mask.true_count() == mask.len();
        let held = if whole {
            all.clone()
        } else {
            filter_record_batch(all, &mask)?
        };
        let rules = schema(kind);
        let mut columns = held.columns().to_vec();
        columns.truncate(rules.fields().len());
        let firsts = columns[1].as_primitive::<Int64Type>().clone();
        for (index, what) in changing(kind) {
            let column: Int64Array = match what {
                Changing::Woman => {
                    let token = |first: &i64| holding.women.get(&number(*first));
                    let tokens = firsts.values().iter().map(token);
                    tokens.map(|token| token.map(number_of)).collect()
                }
                Changing::Office => {
                    let known = |code: &i64| holding.offices.contains(code);
                    let codes = columns[index].as_primitive::<Int64Type>().iter();
                    codes.map(|code| code.filter(known)).collect()
                }
            };
            columns[index] = Arc::new(column) as ArrayRef;
        }
        RecordBatch::try_new(rules, columns)
    }

    /// The record that has a row at a position.
    #[must_use]
    pub fn record_id(&self, position: Position) -> Option<Uuid> {
        let wanted = i64::try_from(position).ok()?;
        self.tables.iter().find_map(|table| {
            let positions = table.column(0).as_primitive::<Int64Type>().values();
            let row = positions.binary_search(&wanted).ok()?;
            let ids = table.columns().last()?.as_any();
            let ids = ids.downcast_ref::<FixedSizeBinaryArray>()?;
            Uuid::from_slice(ids.value(row)).ok()
        })
    }

    fn encode(&self) -> Result<Vec<u8>, ArrowError> {
        let mut bytes = Vec::new();
        for table in &self.tables {
            let options = IpcWriteOptions::default()
                .try_with_compression(Some(CompressionType::LZ4_FRAME))?;
            let mut stream = Vec::new();
            let mut writer =
                StreamWriter::try_new_with_options(&mut stream, &table.schema(), options)?;
            writer.write(table)?;
            writer.finish()?;
            drop(writer);
            bytes.extend_from_slice(&(stream.len() as u64).to_be_bytes());
            bytes.extend_from_slice(&stream);
        }
        Ok(bytes)
    }

    fn decode(range: Range<Position>, mut bytes: &[u8]) -> Option<Self> {
        let mut tables = Vec::new();
        for kind in RecordKind::ALL {
            let (length, rest) = bytes.split_first_chunk::<8>()?;
            let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
            let (stream, rest) = rest.split_at_checked(length)?;
            bytes = rest;
            let mut reader = StreamReader::try_new(stream, None).ok()?;
            let table = reader.next()?.ok()?;
            if table.schema() != kept_schema(kind) {
                return None;
            }
            tables.push(table);
        }
        Some(Self::new(range, tables.try_into().ok()?))
    }
}

/// The folder of a ledger's pieces.
pub struct Casebook {
    folder: PathBuf,
    ledger: Uuid,
}

impl Casebook {
    /// Of a ledger in a folder that has seen so many erasures. What was kept before the last of
    /// them is discarded.
    ///
    /// # Errors
    /// When something that must go cannot be removed.
    pub fn open(folder: &Path, ledger: Uuid, erasures: usize) -> io::Result<Self> {
        discard(folder, Some(erasures))?;
        Ok(Self {
            folder: folder.join(FOLDER).join(erasures.to_string()),
            ledger,
        })
    }

    fn described(range: &Range<Position>) -> String {
        let columns = RecordKind::ALL.map(|kind| format!("{:?}", kept_schema(kind).fields()));
        let columns = columns.join("\n");
        let Range { start, end } = range;
        format!("{start}\n{end}\n{columns}")
    }

    fn about(&self, what: &str) -> String {
        format!("vitaledger casebook {VERSION}\n{}\n{what}", self.ledger)
    }

    /// The piece of a range, if it was kept and is what it was.
    #[must_use]
    pub fn piece(&self, range: &Range<Position>, master: &MasterKeys) -> Option<Piece> {
        let clear = self.read(&piece_name(range), &Self::described(range), master)?;
        Piece::decode(range.clone(), &clear)
    }

    /// Keeps a piece.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_piece(&self, piece: &Piece, master: &MasterKeys) -> io::Result<()> {
        let clear = Zeroizing::new(piece.encode().map_err(io::Error::other)?);
        let (name, what) = (piece_name(&piece.range), Self::described(&piece.range));
        self.keep(&name, &what, &clear, master)
    }

    /// What was kept under a name, if it is of what it was.
    #[must_use]
    pub fn read(&self, name: &str, what: &str, master: &MasterKeys) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = std::fs::read(self.folder.join(name)).ok()?;
        let (number, rest) = bytes.split_first_chunk::<4>()?;
        let (event, sealed) = rest.split_first_chunk::<16>()?;
        let (number, event) = (u32::from_be_bytes(*number), Uuid::from_bytes(*event));
        let cipher = master.cipher(number, event).ok()?;
        cipher.open(NONCE_END, self.about(what).as_bytes(), sealed)
    }

    /// Keeps something under a name, as of something.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(
        &self,
        name: &str,
        what: &str,
        clear: &[u8],
        master: &MasterKeys,
    ) -> io::Result<()> {
        let (number, event) = (master.newest(), Uuid::from_bytes(rand::random()));
        let cipher = master.cipher(number, event).map_err(io::Error::other)?;
        let sealed = cipher.seal(NONCE_END, self.about(what).as_bytes(), clear);
        std::fs::create_dir_all(&self.folder)?;
        // A file of its own that only its owner reads, put in place whole.
        let mut file = NamedTempFile::new_in(&self.folder)?;
        file.write_all(&number.to_be_bytes())?;
        file.write_all(event.as_bytes())?;
        file.write_all(&sealed)?;
        let placed = file.persist(self.folder.join(name));
        placed.map(drop).map_err(|error| error.error)
    }
}

fn piece_name(range: &Range<Position>) -> String {
    format!("{:012}.sealed", range.start)
}

/// Removes what was kept with another number of erasures, or all.
///
/// # Errors
/// When it cannot be removed.
pub fn discard(folder: &Path, but: Option<usize>) -> io::Result<()> {
    let kept = match std::fs::read_dir(folder.join(FOLDER)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read?,
    };
    let but = but.map(|erasures| erasures.to_string());
    for found in kept {
        let found = found?;
        if but.as_deref() != found.file_name().to_str() {
            std::fs::remove_dir_all(found.path())?;
        }
    }
    Ok(())
}
