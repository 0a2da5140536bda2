//! What can go wrong, and the exit code that says so.

use std::path::Path;

use crate::audit::evidence::EvidenceError;
use crate::audit::exported::ExportedError;
use crate::audit::verify::VerifyError;
use crate::intake::IntakeError;
use crate::ledger::history::HistoryError;
use crate::ledger::request::{LedgerError, Refusal};
use crate::model::cell::CellError;
use crate::model::id::{OfficeCode, Position};
use crate::registers::RegisterError;
use crate::registers::sql::SqlError;
use crate::registers::views::ViewError;
use crate::report::ReportError;
use crate::report::exchange::ExchangeError;
use crate::seal::export::ExportError;
use crate::seal::ring::RingError;
use crate::seal::sealer::SealError;
use crate::simulate::SimulateError;
use crate::store::StoreError;
use crate::subscription::SubscriptionError;

/// Everything that a command can fail with.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sealer.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A history.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// One request.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A cell of a single record.
    #[error(transparent)]
    Cell(#[from] CellError),
    /// Files that were delivered.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// The registers.
    #[error(transparent)]
    Registers(#[from] RegisterError),
    /// A query over them.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The operational views.
    #[error(transparent)]
    Views(#[from] ViewError),
    /// A report.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Figures for other systems.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The generator.
    #[error(transparent)]
    Simulate(#[from] SimulateError),
    /// The check itself could not run.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// An export.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The check of an export could not run.
    #[error(transparent)]
    Exported(#[from] ExportedError),
    /// A bundle is no evidence.
    #[error("evidence refused: {0}")]
    Evidence(#[from] EvidenceError),
    /// A proof does not hold.
    #[error("proof refused: {0}")]
    Proof(String),
    /// Everything agrees, but nobody said whom to trust.
    #[error("{0}")]
    SelfTrusted(String),
    /// The command was used wrongly.
    #[error("{0}")]
    Usage(String),
    /// What is asked for is not there, or not for whoever asks.
    #[error("{0}")]
    Unknown(String),
    /// What is asked for is there, but not for whoever asks, who is told that it is not.
    #[error("{0}")]
    Hidden(String),
    /// An entry that no checkpoint covers yet.
    #[error(
        "the entry at {position} is not sealed yet: the newest checkpoint covers {sealed} entries"
    )]
    NotSealed {
        /// The entry.
        position: Position,
        /// Entries under the newest checkpoint.
        sealed: u64,
    },
    /// A record of an office that whoever asks does not act for.
    #[error("{office} is not an office that you report for")]
    OtherOffice {
        /// The office.
        office: OfficeCode,
    },
    /// The log is not what it must be.
    #[error("integrity failure: {0}")]
    Integrity(String),
    /// No checkpoint has the cosignatures that the policy asks for.
    #[error(
        "no checkpoint has a quorum of cosignatures yet, so none is handed out: see whether the witnesses of the file `policy` can be reached"
    )]
    Unpublished,
    /// Some rows were refused; everything else was recorded.
    #[error("{refused} rows were refused; they are in {file}")]
    RowsRefused {
        /// How many.
        refused: u64,
        /// Where they are.
        file: String,
    },
    /// A strict import met a row that is refused.
    #[error("{0}")]
    Strict(String),
    /// The reading of a delivered file ended early.
    #[error("{0}; the rows after it were not read: mend the file and import it again")]
    Stopped(String),
    /// A subscription.
    #[error(transparent)]
    Subscription(#[from] SubscriptionError),
    /// A name stands for something else already.
    #[error("{0}")]
    Taken(String),
    /// A run of the audit has findings at or above the level that was asked.
    #[error("there are {0} findings")]
    Findings(u64),
    /// The endpoint of a webhook.
    #[error("the endpoint of {0}")]
    Endpoint(String),
    /// A file.
    #[error("failed to {doing} {path}: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Exit codes, one meaning each.
pub mod exit {
    /// An error that no other code names.
    pub const UNEXPECTED: u8 = 1;
    /// The command was used wrongly.
    pub const USAGE: u8 = 2;
    /// Findings at or above the asked level.
    pub const FINDINGS: u8 = 10;
    /// The log is not what it must be.
    pub const INTEGRITY: u8 = 11;
    /// Some rows were refused.
    pub const ROWS_REFUSED: u8 = 12;
    /// What was checked agrees with itself, but the trust root came with it.
    pub const SELF_TRUSTED: u8 = 13;
    /// The store cannot be reached.
    pub const UNAVAILABLE: u8 = 20;
    /// The caller may not do this.
    pub const NOT_PERMITTED: u8 = 21;
}

/// Names a file and what was being done with it when the system failed.
pub fn failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> AppError {
    let path = path.display().to_string();
    move |source| AppError::File {
        doing,
        path,
        source,
    }
}

impl AppError {
    /// Whether it is about what one caller wants: others of the same batch are not concerned.
    #[must_use]
    pub const fn is_of_one_request(&self) -> bool {
        matches!(
            self,
            Self::Refused(_)
                | Self::Cell(_)
                | Self::Usage(_)
                | Self::Unknown(_)
                | Self::Hidden(_)
                | Self::OtherOffice { .. }
                | Self::Taken(_)
        )
    }

    /// The exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Intake(error) if error.is_of_the_delivery() => exit::USAGE,
            Self::Sql(error) if error.is_of_the_query() => exit::USAGE,
            Self::Simulate(SimulateError::Write { .. }) => exit::UNEXPECTED,
            Self::Simulate(_)
            | Self::Usage(_)
            | Self::Unknown(_)
            | Self::Taken(_)
            | Self::NotSealed { .. }
            | Self::Cell(_)
            | Self::Refused(_)
            | Self::Report(ReportError::UnknownOffice(_))
            | Self::Exchange(_) => exit::USAGE,
            Self::Integrity(_)
            | Self::History(_)
            | Self::Ledger(LedgerError::History(_))
            | Self::Evidence(_)
            | Self::Proof(_)
            | Self::Views(ViewError::Entry { .. })
            | Self::Subscription(SubscriptionError::Event(_) | SubscriptionError::Gap(_)) => {
                exit::INTEGRITY
            }
            Self::Seal(error) if error.is_integrity() => exit::INTEGRITY,
            Self::Seal(SealError::KeyMissing { .. } | SealError::Ring(RingError::Key { .. })) => {
                exit::USAGE
            }
            Self::OtherOffice { .. } | Self::Hidden(_) => exit::NOT_PERMITTED,
            Self::SelfTrusted(_) => exit::SELF_TRUSTED,
            Self::Export(error) => export_code(error),
            Self::Findings(_) => exit::FINDINGS,
            Self::RowsRefused { .. } | Self::Strict(_) | Self::Stopped(_) => exit::ROWS_REFUSED,
            Self::Unpublished => exit::UNAVAILABLE,
            Self::Store(error)
            | Self::Ledger(LedgerError::Store(error))
            | Self::Seal(SealError::Store(error))
            | Self::Registers(RegisterError::Store(error))
            | Self::Sql(SqlError::Registers(RegisterError::Store(error)))
            | Self::Views(ViewError::Store(error))
            | Self::Subscription(SubscriptionError::Store(error))
            | Self::Verify(
                VerifyError::Store(error)
                | VerifyError::Ledger(LedgerError::Store(error))
                | VerifyError::Registers(RegisterError::Store(error)),
            ) => store_code(error),
            _ => exit::UNEXPECTED,
        }
    }
}

fn export_code(error: &ExportError) -> u8 {
    match error {
        ExportError::Store(error) | ExportError::Seal(SealError::Store(error)) => store_code(error),
        ExportError::Occupied { .. } | ExportError::OtherLog { .. } => exit::USAGE,
        error if error.is_integrity() => exit::INTEGRITY,
        _ => exit::UNEXPECTED,
    }
}

fn store_code(error: &StoreError) -> u8 {
    match error {
        error if error.is_integrity() => exit::INTEGRITY,
        StoreError::Missing { .. } | StoreError::Exists { .. } | StoreError::Address { .. } => {
            exit::USAGE
        }
        _ => exit::UNAVAILABLE,
    }
}
