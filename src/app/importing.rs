//! Importing a delivery into an open ledger.

use std::path::PathBuf;

use crate::intake::{BatchReceipt, Delivery, ImportError, ImportOptions, ImportSummary, import};
use crate::model::time::Timestamp;

use super::{App, AppError};

impl App {
    /// Imports files or a folder, and seals.
    ///
    /// # Errors
    /// When files cannot be read, the store fails, or a row is refused and the import is strict.
    pub async fn import(
        &self,
        paths: &[PathBuf],
        options: &ImportOptions,
        until: Option<Timestamp>,
        committed: impl FnMut(&BatchReceipt),
    ) -> Result<ImportSummary, AppError> {
        let delivery = Delivery::open(paths)?;
        let head = self.ledger.store.head().await?;
        let offices = self.offices(head.size).await?;
        let imported = import(
            self.ledger.clone(),
            self.context(until),
            offices,
            &delivery,
            options,
            committed,
        )
        .await;
        let summary = imported.map_err(|error| match error {
            ImportError::Ledger(error) => AppError::from(error),
            ImportError::Intake(error) => error.into(),
            ImportError::Strict(refused) => {
                AppError::Strict(format!("{refused}; nothing was appended (--strict)"))
            }
        })?;
        if !options.dry_run {
            self.seal().await?;
        }
        Ok(summary)
    }
}
