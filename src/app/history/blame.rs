//! Who set what in a record.

use uuid::Uuid;

use crate::app::{App, AppError};
use crate::history::blame::Blame;

impl App {
    /// Who set what in a record, as of a number of entries. Nothing sealed is in the answer.
    ///
    /// # Errors
    /// When there was no such record by then, the store fails, or a sealed field does not open.
    pub async fn blame(&self, id: Uuid, size: u64) -> Result<Blame, AppError> {
        let histories = self.histories(&[id], size).await?;
        let history = histories
            .into_iter()
            .next()
            .ok_or_else(|| AppError::Usage(format!("there is no record {id} at this moment")))?;
        Ok(Blame::of(&history, size, self.ledger.simulated))
    }
}
