//! Locks between processes that use the same registers.
//!
//! What comes in: folders. What goes out: locks on files, given back when they are dropped, also
//! by the end of the process. What may fail: the file system; and a second rebuild, which is
//! refused. What must stay true: while one process builds the registers anew, another one that
//! opens them takes neither the unfinished folder away nor half of a swap for the whole.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::file::failed;
use super::{RegisterError, Result, beside};

/// In an unfinished folder: locked by who fills it.
pub(super) const FILLING: &str = "filling.lock";

fn open(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed("create", parent))?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    options.open(path).map_err(failed("create", path))
}

/// Waits for the right to rename the folder of the registers, which is held for as long as that
/// takes.
pub(super) fn swap(folder: &Path) -> Result<File> {
    let path = beside(folder, "lock");
    let file = open(&path)?;
    file.lock().map_err(failed("lock", &path))?;
    Ok(file)
}

/// The right to fill an unfinished folder.
///
/// # Errors
/// [`RegisterError::Rebuilding`] while another process, or another part of this one, has it.
pub(super) fn fill(unfinished: &Path) -> Result<File> {
    let path = unfinished.join(FILLING);
    let file = open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RegisterError::Rebuilding),
        Err(TryLockError::Error(error)) => Err(failed("lock", &path)(error)),
    }
}
