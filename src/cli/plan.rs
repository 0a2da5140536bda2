//! `--targets`: what indicators are held against.

use std::path::PathBuf;

use clap::Args;

use crate::app::{App, AppError};
use crate::indicators::targets::Targets;

/// The plan.
#[derive(Debug, Clone, Default, Args)]
pub struct Plan {
    /// The targets, a JSON file; by default the file `targets.json` of the ledger's folder, or
    /// the defaults. `report targets --print-file` prints one to edit.
    #[arg(long, value_name = "FILE")]
    targets: Option<PathBuf>,
}

impl Plan {
    /// The targets in effect.
    pub fn read(&self, app: &App) -> Result<Targets, AppError> {
        app.targets(self.targets.as_deref())
    }
}
