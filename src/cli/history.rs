//! The commands that walk through history.

use clap::Subcommand;

use super::output::Output;
use super::{bisect, blame, diff, replay};
use crate::app::{App, AppError};

/// What can be asked of the past.
#[derive(Debug, Subcommand)]
pub enum History {
    /// Tell two moments apart: what changed, record by record, and how the numbers moved.
    Diff(diff::Diff),
    /// Say who set each field of a record, when, and in which entry.
    Blame(blame::Blame),
    /// Walk through history step by step, with the numbers moving.
    Replay(replay::Replay),
    /// Find the entry from which on a condition holds.
    Bisect(bisect::Bisect),
}

/// Answers it.
pub async fn run(app: App, asked: &History, output: &Output) -> Result<(), AppError> {
    match asked {
        History::Diff(args) => diff::run(app, args, output).await,
        History::Blame(args) => blame::run(app, args, output).await,
        History::Replay(args) => replay::run(app, args, output).await,
        History::Bisect(args) => bisect::run(app, args, output).await,
    }
}
