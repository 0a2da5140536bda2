//! What someone with the database's file can do behind the ledger's back, for the demonstration.
//!
//! It is here because only this folder names tables. It is no way to write the ledger: `verify`
//! must find whatever it does.

use std::path::Path;

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Executor};

use super::sqlite::{failed, number_of};
use super::{Result, StoreError};
use crate::model::id::Position;

/// Replaces the bytes of an entry, past the trigger that refuses it, and gives the old ones.
///
/// # Errors
/// When the file cannot be opened or there is no such entry.
pub async fn overwrite_entry(folder: &Path, position: Position, bytes: &[u8]) -> Result<()> {
    let path = folder.join("ledger.db");
    let mut connection = SqliteConnection::connect(&format!("sqlite:{}", path.display()))
        .await
        .map_err(failed("open the ledger's file"))?;
    let trigger: String = sqlx::query_scalar(
        "SELECT sql FROM sqlite_master WHERE name = 'entry_is_append_only_update'",
    )
    .fetch_one(&mut connection)
    .await
    .map_err(failed("read a trigger"))?;
    connection
        .execute("DROP TRIGGER entry_is_append_only_update")
        .await
        .map_err(failed("drop a trigger"))?;
    let changed = sqlx::query("UPDATE entry SET leaf = ? WHERE position = ?")
        .bind(bytes)
        .bind(number_of(position))
        .execute(&mut connection)
        .await
        .map_err(failed("overwrite an entry"))?;
    connection
        .execute(trigger.as_str())
        .await
        .map_err(failed("put a trigger back"))?;
    connection
        .close()
        .await
        .map_err(failed("close the ledger's file"))?;
    if changed.rows_affected() == 1 {
        return Ok(());
    }
    Err(StoreError::Integrity {
        position,
        what: "there is no such entry".to_owned(),
    })
}
