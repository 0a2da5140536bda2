//! The targets in effect: a file that was named, the ledger's own, or the defaults.

use std::io::ErrorKind;
use std::path::Path;

use super::error::failed;
use super::{App, AppError};
use crate::indicators::targets::Targets;

/// The file of the ledger's targets, in its folder.
pub const TARGETS: &str = "targets.json";

impl App {
    /// The targets of this file; without one, those of the file `targets.json` of the ledger's
    /// folder; without that, the defaults.
    ///
    /// # Errors
    /// When the file cannot be read, or its content is no plan.
    pub fn targets(&self, file: Option<&Path>) -> Result<Targets, AppError> {
        let own = self.folder.join(TARGETS);
        let path = file.unwrap_or(&own);
        match std::fs::read(path) {
            Ok(bytes) => Targets::of_file(&bytes)
                .map_err(|error| AppError::Usage(format!("{}: {error}", path.display()))),
            Err(error) if file.is_none() && error.kind() == ErrorKind::NotFound => {
                Ok(Targets::default())
            }
            Err(error) => Err(failed("read", path)(error)),
        }
    }
}
