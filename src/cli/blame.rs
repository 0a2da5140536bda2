//! `blame`: who set each field of a record.

use clap::Args;

use super::output::Output;
use super::registers::as_of;
use crate::app::{App, AppError};
use crate::history::text;

/// Arguments of `blame`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  vitaledger blame birth/village/B0011074\n  vitaledger blame 018f... --as-of 2014-03-31 --json\n\nOne line a field: its value, the entry that set it, and by what change. Below, those entries: when\nthe ledger learned of each and when the office says that it reported, who, for which office, in\nwhich import. Sealed values are masked; `show --unseal` shows them and says so in the log."
)]
pub struct Blame {
    /// Its id, or `KIND/SOURCE/SOURCE_RECORD_ID`.
    id: String,
    /// A position, an RFC 3339 time, a date (its end), or the file of a checkpoint.
    #[arg(long, value_name = "POSITION|TIME|FILE")]
    as_of: Option<String>,
}

/// Says who set what.
pub async fn run(app: App, args: &Blame, output: &Output) -> Result<(), AppError> {
    let told = tell(&app, args, output).await;
    app.close().await;
    output.raw(told?.as_bytes())
}

async fn tell(app: &App, args: &Blame, output: &Output) -> Result<String, AppError> {
    let id = app.record_named(&args.id)?;
    let size = app.size_at(as_of(args.as_of.as_deref())?).await?;
    let blame = app.blame(id, size).await?;
    if output.json {
        let json = serde_json::to_string(&blame).map_err(crate::report::ReportError::from)?;
        return Ok(json + "\n");
    }
    Ok(text::blame(&blame, output.locale()))
}
