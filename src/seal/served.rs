//! The files of a log, one at a time, as a server hands them out.
//!
//! What comes in: a store, the size of a published checkpoint, and which file (C2SP tlog-tiles).
//! What goes out: its bytes, or nothing where the tree of that size has no such file. What may
//! fail: the store, or tiles that are not there though they were signed. What must stay true: no
//! hash beyond the published size leaves; a partial file is a prefix of what it becomes, so every
//! width that was ever published is still served.

use super::entries::{LogFile, bundle};
use super::merkle::HASH_BYTES;
use super::sealer::{SealError, tree_at};
use super::tiles::{TILE_HEIGHT, TILE_WIDTH};
use crate::store::Store;

/// A file of the log under a checkpoint of `size` entries.
///
/// # Errors
/// When the store fails, or has not what was signed.
pub async fn log_file(
    store: &dyn Store,
    size: u64,
    file: LogFile,
) -> Result<Option<Vec<u8>>, SealError> {
    let width = TILE_WIDTH as u64;
    let Some(first) = file.index.checked_mul(width) else {
        return Ok(None);
    };
    let shift = u32::from(file.level.unwrap_or(0)) * TILE_HEIGHT;
    let there = size.checked_shr(shift).unwrap_or(0).saturating_sub(first);
    if there < file.width as u64 {
        return Ok(None);
    }
    let missing = |what: &str| SealError::Integrity {
        what: format!("{what} {} of the log is missing", file.index),
    };
    let Some(level) = file.level else {
        let entries = store.entries(first, file.width as u64).await?;
        let gapless = (first..).zip(&entries).all(|(at, one)| one.position == at);
        if entries.len() != file.width || !gapless {
            return Err(missing("a part of the bundle"));
        }
        let bytes = bundle(entries.iter().map(|entry| entry.bytes.as_slice()));
        let wrong = |error| SealError::Integrity {
            what: format!("the bundle {}: {error}", file.index),
        };
        return bytes.map(Some).map_err(wrong);
    };
    let mut bytes = if there >= width {
        store.tile(level, file.index).await?
    } else {
        let partial = tree_at(store, size).await?.partial_tiles().into_iter();
        let mut partial = partial.filter(|tile| tile.level == level && tile.index == file.index);
        partial.next().map(|tile| tile.bytes)
    };
    let length = file.width * HASH_BYTES;
    match &mut bytes {
        Some(bytes) if bytes.len() >= length => bytes.truncate(length),
        _ => return Err(missing("the hash tile")),
    }
    Ok(bytes)
}
