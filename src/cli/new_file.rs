//! Files that commands write: new ones, whole or not at all.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::app::AppError;
use crate::app::error::failed;

/// A new file; removed again unless all of it was written.
pub struct NewFile {
    path: PathBuf,
    file: File,
    written: bool,
}

impl NewFile {
    /// Nothing is overwritten.
    pub fn create(path: &Path) -> Result<Self, AppError> {
        let file = File::create_new(path).map_err(failed("create", path))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            written: false,
        })
    }

    /// All of it, durably.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), AppError> {
        let written = self.file.write_all(bytes);
        let flushed = written.and_then(|()| self.file.sync_all());
        flushed.map_err(failed("write", &self.path))?;
        self.written = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.written {
            // What cannot be removed stays empty.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
