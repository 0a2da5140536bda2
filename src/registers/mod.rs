//! The registers: what holds now, or held at any position, rebuilt from the entries.
//!
//! What comes in: entries of record streams. What goes out: rows, one per event, with the full
//! public state after the change, and snapshots of what was current at a position. What may
//! fail: an entry that does not read as an event of its kind; a file of a segment that is not
//! what it was ([`RegisterError`]). What must stay true: everything here is disposable and is
//! rebuilt from the ledger; it holds entry data only; what is known is gapless from position 0.
//!
//! A row goes this way: `scan` reads it from an entry, and [`fold`] keeps it as [`columns`] in the
//! tail; when the tail has reached the end of a segment, [`segment`] writes it to a file;
//! `succession` knows what it supersedes; [`read`] gives it back from the tail or the file;
//! [`changes`] tells two moments apart; [`sql`] answers questions; [`check`] compares it with a
//! fresh fold; [`status`] says how much there is of all that.

pub mod changes;
pub mod check;
pub mod columns;
mod encoding;
mod file;
pub mod fold;
mod lock;
mod pieces;
pub mod read;
pub mod row;
mod scan;
pub mod segment;
pub mod snapshot;
pub mod sql;
pub mod status;
mod succession;
#[cfg(test)]
mod tests;
pub mod views;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::errors::ParquetError;
use uuid::Uuid;

use self::columns::ColumnError;
use self::file::{Folder, failed, flush_folder};
use self::fold::{CatchUp, Closing, Reading, Tail};
use self::row::RowError;
use self::segment::{Damage, SEGMENT_EVENTS, Segment};
use self::succession::Succession;
use crate::model::id::Position;
use crate::model::schema::RecordKind;
use crate::store::{Store, StoreError};

/// Why the registers cannot be brought up to date or read.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry that is none.
    #[error("the entry at position {position} cannot be read: {source}")]
    Entry {
        /// Where.
        position: Position,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// An entry of a record that is no event of it.
    #[error(transparent)]
    Row(#[from] RowError),
    /// The store gave another entry than the next.
    #[error("the entry at position {position} says that its position is {found}")]
    Order {
        /// Where.
        position: Position,
        /// What it says, or what the store says of it.
        found: Position,
    },
    /// A version of a record without the one before it.
    #[error(
        "the entry at position {position} is version {version} of its record, but version {} does not stand before it",
        .version - 1
    )]
    NoPredecessor {
        /// Where.
        position: Position,
        /// Which version; at least 2.
        version: u64,
    },
    /// The store has no entry below its head.
    #[error("there is no entry at position {position}")]
    Missing {
        /// Where.
        position: Position,
    },
    /// The ledger lost entries while the registers were open.
    #[error("the ledger has {size} entries, but the registers know {known} already")]
    Shrunk {
        /// As the registers know.
        known: u64,
        /// As the store has.
        size: u64,
    },
    /// What is asked for is not known yet.
    #[error("the registers know {known} entries, not {size} yet; catch up first")]
    Behind {
        /// What was asked.
        size: u64,
        /// What is known.
        known: u64,
    },
    /// A segment was damaged since it was opened; open anew, or rebuild.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// Rows do not become columns, or columns not rows.
    #[error(transparent)]
    Columns(#[from] ColumnError),
    /// Columns do not become a file.
    #[error("failed to write the register of a {kind}: {source}")]
    Parquet {
        /// Of which kind.
        kind: RecordKind,
        /// What is wrong.
        source: ParquetError,
    },
    /// A manifest does not become text.
    #[error("failed to write a manifest: {0}")]
    Manifest(serde_json::Error),
    /// A thread that read entries, or read or wrote a segment, did not finish.
    #[error("reading or writing the registers was interrupted")]
    Interrupted,
    /// Two rebuilds at a time would each take the other's folder.
    #[error("the registers are being rebuilt by another process; wait until that has ended")]
    Rebuilding,
    /// The file system does not do what it is asked.
    #[error("failed to {doing} {path}: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// With what.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Shorthand.
pub type Result<T> = std::result::Result<T, RegisterError>;

/// The registers of one ledger in one folder, which no other process uses at the same time.
pub struct Registers {
    folder: Arc<Folder>,
    ledger_id: Uuid,
    store: Arc<dyn Store>,
    segment_events: u64,
    /// Segments 0, 1, ... without a gap.
    segments: Vec<Segment>,
    /// What comes after them and is being written as the next one.
    closing: Option<Closing>,
    /// What comes after that.
    tail: Tail,
    /// What the store reads meanwhile.
    reading: Option<Reading>,
    /// Of every row in the three.
    succession: Succession,
    /// Sound segments that are not yet compared with the store, or lie beyond a damaged one.
    ahead: BTreeMap<u64, Segment>,
    damaged: Vec<Damage>,
}

impl Registers {
    /// Opens the registers in a folder that is theirs alone, and creates it if there is none.
    /// Every file in it is checked; what is damaged or foreign is given up and will be rebuilt.
    /// Nothing is known before the first [`Registers::catch_up`].
    ///
    /// # Errors
    /// When the folder cannot be listed or written.
    pub fn open(folder: PathBuf, ledger_id: Uuid, store: Arc<dyn Store>) -> Result<Self> {
        Self::open_with(folder, ledger_id, store, SEGMENT_EVENTS)
    }

    /// The same with segments of another size, which is part of what is on the disk: a folder is
    /// always opened with the size it was made with.
    ///
    /// # Errors
    /// When the folder cannot be listed or written.
    pub fn open_with(
        folder: PathBuf,
        ledger_id: Uuid,
        store: Arc<dyn Store>,
        segment_events: u64,
    ) -> Result<Self> {
        {
            let _swap = lock::swap(&folder)?;
            finish_swap(&folder)?;
            std::fs::create_dir_all(&folder).map_err(failed("create", &folder))?;
        }
        Self::of_folder(folder, ledger_id, store, segment_events)
    }

    fn of_folder(
        folder: PathBuf,
        ledger_id: Uuid,
        store: Arc<dyn Store>,
        segment_events: u64,
    ) -> Result<Self> {
        let folder = Arc::new(Folder::new(folder));
        let (ahead, damaged) = segment::find(&folder, ledger_id, segment_events)?;
        let mut registers = Self {
            folder,
            ledger_id,
            store,
            segment_events,
            segments: Vec::new(),
            closing: None,
            tail: Tail::at(0),
            reading: None,
            succession: Succession::default(),
            ahead,
            damaged: Vec::new(),
        };
        for damage in damaged {
            registers.discard(damage.segment, damage.fault)?;
        }
        Ok(registers)
    }

    /// Number of entries that are known: those at positions below it.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.tail.known()
    }

    /// Segments that were found unusable since opening, and are or will be rebuilt.
    #[must_use]
    pub fn damaged(&self) -> &[Damage] {
        &self.damaged
    }

    /// Builds everything anew from the entries in a folder beside this one, and puts it in the
    /// place of this one when it is complete. Until then this one stays as it is, also when
    /// the rebuild fails or the process ends.
    ///
    /// # Errors
    /// See [`Registers::catch_up`]; when the folders cannot be swapped, or another process does
    /// the same.
    pub async fn rebuild(&mut self) -> Result<CatchUp> {
        let store = Arc::clone(&self.store);
        // Under a name that is not taken for complete until it is.
        let (unfinished, new) = (
            beside(self.folder.path(), UNFINISHED),
            beside(self.folder.path(), "rebuilt"),
        );
        let filling = {
            let _swap = lock::swap(self.folder.path())?;
            finish_swap(self.folder.path())?;
            lock::fill(&unfinished)?
        };
        let mut rebuilt = Self::of_folder(
            unfinished.clone(),
            self.ledger_id,
            store,
            self.segment_events,
        )?;
        let done = rebuilt.catch_up().await?;
        let _swap = lock::swap(self.folder.path())?;
        file::remove(&unfinished.join(lock::FILLING))?;
        std::fs::rename(&unfinished, &new).map_err(failed("rename", &unfinished))?;
        drop(filling);
        finish_swap(self.folder.path())?;
        rebuilt.folder = Arc::new(rebuilt.folder.moved_to(self.folder.path()));
        *self = rebuilt;
        Ok(done)
    }
}

/// Beside the folder: what a rebuild has made so far.
const UNFINISHED: &str = "unfinished";

fn beside(folder: &Path, word: &str) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(".");
    name.push(word);
    PathBuf::from(name)
}

fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", folder)(e)),
        _ => Ok(()),
    }
}

/// Puts a complete rebuild in its place: the last step of [`Registers::rebuild`], or what a crash
/// left of it. Removes what is of no use any more.
fn finish_swap(folder: &Path) -> Result<()> {
    let (new, old) = (beside(folder, "rebuilt"), beside(folder, "replaced"));
    if new.exists() {
        remove_folder(&old)?;
        match std::fs::rename(folder, &old) {
            // A crash between the two renames.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => (),
            renamed => renamed.map_err(failed("set aside", folder))?,
        }
        std::fs::rename(&new, folder).map_err(failed("put in place", folder))?;
        folder.parent().map_or(Ok(()), flush_folder)?;
    }
    remove_folder(&old)?;
    let unfinished = beside(folder, UNFINISHED);
    if !unfinished.exists() {
        return Ok(());
    }
    match lock::fill(&unfinished) {
        // A rebuild of somebody else, which goes on.
        Err(RegisterError::Rebuilding) => Ok(()),
        left_behind => {
            left_behind?;
            remove_folder(&unfinished)
        }
    }
}
