//! Multi-row inserts. The driver spends some 30 microseconds on every statement, whatever its
//! size, so rows go in by hundreds. `OR ROLLBACK`: a conflict here is a bug, and ends the whole
//! transaction; then SQLite need not be able to undo the statement alone, which costs a copy of
//! every page it touches.

use sqlx::QueryBuilder;
use sqlx::sqlite::{Sqlite, SqliteConnection};

use super::placing::placed;
use super::sqlite::{failed, number_of};
use super::{Group, Outcome, Pending, Result, StoredEntry};
use crate::model::id::Position;

/// Rows in one statement: a few thousand bound values, far below SQLite's limit of 32,766.
const ROWS: usize = 500;

pub(super) async fn insert_entries(
    ledger: &mut SqliteConnection,
    groups: &[Group],
    outcomes: &[Outcome],
) -> Result<()> {
    for rows in placed(groups, outcomes).chunks(ROWS) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT OR ROLLBACK INTO entry (position, aggregate_type, sequence, leaf) ",
        );
        query.push_values(rows, |mut row, (event, entry)| {
            row.push_bind(number_of(entry.position))
                .push_bind(event.entry.aggregate_type)
                .push_bind(number_of(event.entry.sequence))
                .push_bind(entry.bytes.as_slice());
        });
        let full = rows.len() == ROWS;
        query
            .build()
            .persistent(full)
            .execute(&mut *ledger)
            .await
            .map_err(failed("insert entries"))?;
    }
    Ok(())
}

pub(super) async fn insert_idempotency(
    ledger: &mut SqliteConnection,
    groups: &[Group],
    outcomes: &[Outcome],
) -> Result<()> {
    for (group, outcome) in groups.iter().zip(outcomes) {
        let (Some((key, request)), Outcome::Appended(entries)) = (&group.idempotency, outcome)
        else {
            continue;
        };
        let position = entries.first().map_or(0, |entry| entry.position);
        sqlx::query("INSERT INTO idempotency (key, request, position) VALUES (?, ?, ?)")
            .bind(key.as_slice())
            .bind(request.as_slice())
            .bind(number_of(position))
            .execute(&mut *ledger)
            .await
            .map_err(failed("keep an idempotency key"))?;
    }
    Ok(())
}

/// Sweeps what a crash left at or after `head`, then inserts the sealed parts.
pub(super) async fn insert_vault(
    vault: &mut SqliteConnection,
    head: Position,
    groups: &[Group],
    outcomes: &[Outcome],
) -> Result<()> {
    for sweep in [
        "DELETE FROM sealed WHERE position >= ?",
        "DELETE FROM token WHERE position >= ?",
        "DELETE FROM woman_token WHERE position >= ?",
    ] {
        sqlx::query(sweep)
            .bind(number_of(head))
            .execute(&mut *vault)
            .await
            .map_err(failed("sweep the vault"))?;
    }
    let placed = placed(groups, outcomes);
    let sealed: Vec<_> = placed
        .iter()
        .filter_map(|(event, entry)| Some((event.vault.as_ref()?, entry.position)))
        .collect();
    for rows in sealed.chunks(ROWS) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT OR ROLLBACK INTO sealed (position, key_id, keys, slots, content, flags, mac) ",
        );
        query.push_values(rows, |mut row, (sealed, position)| {
            row.push_bind(number_of(*position))
                .push_bind(sealed.key_id.as_slice())
                .push_bind(sealed.keys.as_slice())
                .push_bind(sealed.slots.as_slice())
                .push_bind(sealed.content.as_slice())
                .push_bind(sealed.flags)
                .push_bind(sealed.mac.as_slice());
        });
        let full = rows.len() == ROWS;
        query
            .build()
            .persistent(full)
            .execute(&mut *vault)
            .await
            .map_err(failed("insert sealed fields"))?;
    }
    let with_tokens: Vec<_> = sealed
        .iter()
        .filter(|(sealed, _)| !sealed.tokens.is_empty())
        .collect();
    for rows in with_tokens.chunks(ROWS) {
        let mut query =
            QueryBuilder::<Sqlite>::new("INSERT OR ROLLBACK INTO token (position, tokens) ");
        query.push_values(rows, |mut row, (sealed, position)| {
            row.push_bind(number_of(*position))
                .push_bind(sealed.tokens.as_slice());
        });
        let full = rows.len() == ROWS;
        query
            .build()
            .persistent(full)
            .execute(&mut *vault)
            .await
            .map_err(failed("insert tokens"))?;
    }
    insert_woman_tokens(vault, &placed).await
}

/// Inserts the tokens of pregnancy losses, of which there are few.
async fn insert_woman_tokens(
    vault: &mut SqliteConnection,
    placed: &[(&Pending, &StoredEntry)],
) -> Result<()> {
    for (event, entry) in placed {
        let Some(woman) = &event.woman else { continue };
        sqlx::query("INSERT INTO woman_token (position, year, token, mac) VALUES (?, ?, ?, ?)")
            .bind(number_of(entry.position))
            .bind(i64::from(woman.year))
            .bind(woman.token.as_slice())
            .bind(woman.mac.as_slice())
            .execute(&mut *vault)
            .await
            .map_err(failed("insert a token of a year"))?;
    }
    Ok(())
}
