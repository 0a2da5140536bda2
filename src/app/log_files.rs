//! The published log, as a server hands it out: the checkpoint, tiles, bundles, single entries.
//!
//! What comes in: a path of C2SP tlog-tiles, or a position. What goes out: bytes. What may fail:
//! the store; nothing published yet. What must stay true: nothing beyond the published checkpoint
//! leaves, so that witnesses have seen the tree of whatever is handed out.

use super::{App, AppError};
use crate::model::entry::Entry;
use crate::model::id::Position;
use crate::seal::checkpoint::Checkpoint;
use crate::seal::entries::LogFile;
use crate::seal::served;
use crate::store::StoredEntry;

impl App {
    /// The note that is handed out, and what it says.
    ///
    /// # Errors
    /// When there is none yet, or it is not of this log.
    pub async fn published(&self) -> Result<(Vec<u8>, Checkpoint), AppError> {
        let note = self.published_note().await?;
        let checkpoint = Checkpoint::open(&note, &self.named_now().await?)
            .map_err(|error| AppError::Integrity(error.to_string()))?;
        Ok((note, checkpoint))
    }

    /// A file of the published log; nothing when the log has no such file.
    ///
    /// # Errors
    /// When nothing is published yet, the store fails, or it has not what was signed.
    pub async fn log_file(&self, file: LogFile) -> Result<Option<Vec<u8>>, AppError> {
        let (_, checkpoint) = self.published().await?;
        let store = self.store();
        Ok(served::log_file(store.as_ref(), checkpoint.size(), file).await?)
    }
}

/// Reads a stored entry.
///
/// # Errors
/// When its bytes are none.
pub fn parsed(stored: &StoredEntry) -> Result<Entry<'_>, AppError> {
    let position: Position = stored.position;
    Entry::parse(&stored.bytes)
        .map_err(|error| AppError::Integrity(format!("position {position}: {error}")))
}
