//! A log as a folder of static files, at the paths of C2SP tlog-tiles.
//!
//! What comes in: the path of a folder, and files of a log. What goes out: their bytes, bounded by
//! what such a file can have. What may fail: the file system, a file that is missing or has
//! another length ([`FolderError`] names it). What must stay true: a file appears under its name
//! only when all of it is written; nothing outside the folder is read or written; what is read is
//! believed by nobody before its hashes led to a checkpoint.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::checkpoint::MAX_NOTE_BYTES;
use super::entries::{LogFile, MAX_BUNDLE_BYTES};
use super::merkle::HASH_BYTES;
use super::tiles::{PathError, TILE_BYTES, TILE_WIDTH};

/// The name of the signed note.
pub const CHECKPOINT: &str = "checkpoint";
/// The folder of hash tiles and bundles.
pub const TILE: &str = "tile";
/// What a file is called until all of it is written.
const UNFINISHED: &str = "unfinished";

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The file system fails.
    #[error("failed to {doing} {path}: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file of the log is not there.
    #[error("{path} is missing")]
    Missing {
        /// Its path below the folder.
        path: String,
    },
    /// A file has a length that it cannot have.
    #[error("{path} has {bytes} bytes instead of {expected}")]
    Length {
        /// Its path below the folder.
        path: String,
        /// What it has.
        bytes: u64,
        /// What it should have.
        expected: String,
    },
    /// A file that cannot be.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Another program writes to the folder.
    #[error("another program is writing to {path}")]
    Locked {
        /// The folder.
        path: String,
    },
}

impl FolderError {
    /// Whether it is what the folder holds that is wrong, not the way to it.
    #[must_use]
    pub const fn is_integrity(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. } | Self::Length { .. } | Self::Path(_)
        )
    }
}

/// The folder of a log.
#[derive(Debug, Clone)]
pub struct LogFolder {
    path: PathBuf,
}

/// Bytes that were read, and whether they came from the file that was asked for: a full tile
/// stands in for a partial one, whose hashes are its first.
pub struct Found {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether they are those of the very file.
    pub is_exact: bool,
}

impl LogFolder {
    /// At this path.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the folder looks like a log: it has a checkpoint and tiles.
    #[must_use]
    pub fn is_log(&self) -> bool {
        self.path.join(CHECKPOINT).is_file() && self.path.join(TILE).is_dir()
    }

    /// The signed note; none when there is none.
    ///
    /// # Errors
    /// When it cannot be read or is longer than a note can be.
    pub fn checkpoint(&self) -> Result<Option<Vec<u8>>, FolderError> {
        let longest = MAX_NOTE_BYTES as u64;
        let Some(mut file) = self.open_file(CHECKPOINT)? else {
            return Ok(None);
        };
        let read = bounded(&mut file, longest);
        let bytes = read.map_err(|source| self.failed("read", CHECKPOINT, source))?;
        if bytes.len() as u64 > longest {
            return Err(FolderError::Length {
                path: CHECKPOINT.to_owned(),
                bytes: bytes.len() as u64,
                expected: format!("at most {longest}"),
            });
        }
        Ok(Some(bytes))
    }

    /// A hash tile or a bundle; a full one where the partial one is gone, as the specification
    /// allows.
    ///
    /// # Errors
    /// When neither is there, or it has a length that it cannot have.
    pub fn read(&self, file: LogFile) -> Result<Found, FolderError> {
        let path = file.path()?;
        if let Some(bytes) = self.read_at(&path, file)? {
            return Ok(Found {
                bytes,
                is_exact: true,
            });
        }
        let full = LogFile {
            width: TILE_WIDTH,
            ..file
        };
        let instead = if full == file {
            None
        } else {
            self.read_at(&full.path()?, full)?
        };
        let bytes = instead.ok_or(FolderError::Missing { path })?;
        Ok(Found {
            bytes,
            is_exact: false,
        })
    }

    fn read_at(&self, path: &str, file: LogFile) -> Result<Option<Vec<u8>>, FolderError> {
        let Some(mut opened) = self.open_file(path)? else {
            return Ok(None);
        };
        let most = if file.level.is_some() {
            TILE_BYTES as u64
        } else {
            MAX_BUNDLE_BYTES as u64
        };
        let read = bounded(&mut opened, most);
        let bytes = read.map_err(|source| self.failed("read", path, source))?;
        let hashes = file.width * HASH_BYTES;
        let fits = match file.level {
            Some(_) => bytes.len() == hashes,
            None => bytes.len() as u64 <= most,
        };
        if fits {
            return Ok(Some(bytes));
        }
        Err(FolderError::Length {
            path: path.to_owned(),
            bytes: bytes.len() as u64,
            expected: match file.level {
                Some(_) => hashes.to_string(),
                None => format!("at most {most}"),
            },
        })
    }

    /// Opens a file for reading, unless it is not there or is something else than a file.
    fn open_file(&self, path: &str) -> Result<Option<File>, FolderError> {
        let full = self.path.join(path);
        match fs::metadata(&full) {
            Ok(found) if found.is_file() => {}
            Ok(_) => return Ok(None),
            Err(error) if is_absent(&error) => return Ok(None),
            Err(source) => return Err(self.failed("read", path, source)),
        }
        let file = File::open(&full).map_err(|source| self.failed("open", path, source))?;
        Ok(Some(file))
    }

    fn failed(&self, doing: &'static str, path: &str, source: std::io::Error) -> FolderError {
        FolderError::File {
            doing,
            path: self.path.join(path).display().to_string(),
            source,
        }
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// Reads a file up to one byte more than it may have.
fn bounded(file: &mut File, most: u64) -> std::io::Result<Vec<u8>> {
    let stated = file.metadata()?.len().min(most);
    let mut bytes = Vec::with_capacity(usize::try_from(stated).unwrap_or(0) + 1);
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes to the folder of a log. While it lives, no other does.
pub struct FolderWriter {
    folder: LogFolder,
    /// Held open for its lock.
    lock: File,
    /// Written, and not yet known to be on the disk.
    unflushed: Vec<PathBuf>,
    /// Files that were written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Files that are flushed together: one by one, each would wait for the disk by itself.
const FLUSH_FILES: usize = 512;

impl FolderWriter {
    /// Makes the folder, if it is not there, and locks it.
    ///
    /// # Errors
    /// When the file system fails, or another writer holds it.
    pub fn open(folder: LogFolder) -> Result<Self, FolderError> {
        fs::create_dir_all(&folder.path).map_err(|error| folder.failed("create", "", error))?;
        let lock = File::open(&folder.path).map_err(|error| folder.failed("open", "", error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let path = folder.path.display().to_string();
                return Err(FolderError::Locked { path });
            }
            Err(fs::TryLockError::Error(error)) => return Err(folder.failed("lock", "", error)),
        }
        Ok(Self {
            folder,
            lock,
            unflushed: Vec::new(),
            files: 0,
            bytes: 0,
        })
    }

    /// Writes a hash tile or a bundle.
    ///
    /// # Errors
    /// When the file system fails.
    pub fn write(&mut self, file: LogFile, bytes: &[u8]) -> Result<(), FolderError> {
        self.put(&file.path()?, bytes)?;
        if self.unflushed.len() >= FLUSH_FILES {
            self.flush()?;
        }
        Ok(())
    }

    /// Replaces the checkpoint, after everything that was written is on the disk.
    ///
    /// # Errors
    /// When the file system fails; the old checkpoint holds then.
    pub fn publish(&mut self, note: &[u8]) -> Result<(), FolderError> {
        self.flush()?;
        self.put(CHECKPOINT, note)?;
        self.flush()
    }

    /// Removes the partial forms of a file whose full form is there.
    ///
    /// # Errors
    /// When the file system fails.
    pub fn remove_partial(&self, file: LogFile) -> Result<(), FolderError> {
        let full = LogFile {
            width: TILE_WIDTH,
            ..file
        };
        let path = format!("{}.p", full.path()?);
        match fs::remove_dir_all(self.folder.path.join(&path)) {
            Err(error) if !is_absent(&error) => Err(self.folder.failed("remove", &path, error)),
            _ => Ok(()),
        }
    }

    /// Writes beside, and renames.
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let target = self.folder.path.join(path);
        let beside = target.with_extension(UNFINISHED);
        let failed = |doing| {
            let folder = &self.folder;
            move |error| folder.failed(doing, path, error)
        };
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(failed("create the folder of"))?;
        }
        let mut file = File::create(&beside).map_err(failed("create"))?;
        file.write_all(bytes).map_err(failed("write"))?;
        if path == CHECKPOINT {
            file.sync_all().map_err(failed("flush"))?;
        }
        fs::rename(&beside, &target).map_err(failed("name"))?;
        self.unflushed.push(target);
        self.files += 1;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Waits until what was written, and the folders that name it, are on the disk.
    fn flush(&mut self) -> Result<(), FolderError> {
        let mut folders = BTreeSet::new();
        let flush = |path: &Path| {
            let flushed = File::open(path).and_then(|file| file.sync_all());
            flushed.map_err(|source| FolderError::File {
                doing: "flush",
                path: path.display().to_string(),
                source,
            })
        };
        for path in std::mem::take(&mut self.unflushed) {
            flush(&path)?;
            let above = path.ancestors().skip(1);
            let inside = above.take_while(|above| above.starts_with(&self.folder.path));
            folders.extend(inside.map(Path::to_owned));
        }
        folders.iter().try_for_each(|folder| flush(folder))
    }
}

impl Drop for FolderWriter {
    fn drop(&mut self) {
        // Closing the file would release it too; failing to here changes nothing.
        let _ = self.lock.unlock();
    }
}
