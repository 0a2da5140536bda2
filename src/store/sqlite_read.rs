//! What is read for an append, under the lock or outside it: the head, versions, keys.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use sqlx::sqlite::{Sqlite, SqliteConnection, SqliteRow};
use sqlx::{Column, Decode, Row, Type};
use uuid::Uuid;

use super::placing::head_after;
use super::sqlite::{failed, position_of};
use super::{Group, Head, Repeated, Result, StoreError};

/// A column of a row. A value of another type than the schema's cannot have come from here.
pub(super) fn get<'r, T>(row: &'r SqliteRow, index: usize) -> Result<T>
where
    T: Decode<'r, Sqlite> + Type<Sqlite>,
{
    row.try_get(index).map_err(|error| StoreError::Integrity {
        // Most rows begin with their position.
        position: row.try_get(0).map_or(0, position_of),
        what: format!(
            "the column {} cannot be read: {error}",
            row.column(index).name()
        ),
    })
}

pub(super) async fn head_of(connection: &mut SqliteConnection) -> Result<Head> {
    let last = sqlx::query("SELECT position, leaf FROM entry ORDER BY position DESC LIMIT 1")
        .fetch_optional(connection)
        .await
        .map_err(failed("read the head"))?;
    let Some(row) = last else {
        return Ok(Head::default());
    };
    let bytes: Vec<u8> = get(&row, 1)?;
    head_after(position_of(get(&row, 0)?), &bytes)
}

/// The versions at which the streams of these groups stand.
pub(super) async fn versions(
    connection: &mut SqliteConnection,
    groups: &[Group],
) -> Result<HashMap<Uuid, u64>> {
    let ids: Vec<Uuid> = groups
        .iter()
        .flat_map(|group| &group.events)
        .map(|event| event.entry.aggregate_id)
        .collect();
    let rows = sqlx::query(
        "SELECT aggregate_id, max(sequence) FROM entry
          WHERE aggregate_id IN (SELECT value FROM json_each(?)) GROUP BY aggregate_id",
    )
    .bind(json_list(&ids))
    .fetch_all(connection)
    .await
    .map_err(failed("read versions"))?;
    let version = |row: &SqliteRow| {
        let id: String = get(row, 0)?;
        let id = Uuid::from_str(&id).unwrap_or_default();
        Ok((id, position_of(get(row, 1)?)))
    };
    rows.iter().map(version).collect()
}

pub(super) fn json_list(ids: &[Uuid]) -> String {
    let mut list = String::with_capacity(ids.len() * 39 + 2);
    list.push('[');
    for (index, id) in ids.iter().enumerate() {
        if index > 0 {
            list.push(',');
        }
        list.push('"');
        list.push_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        list.push('"');
    }
    list.push(']');
    list
}

pub(super) async fn repeated_keys(
    connection: &mut SqliteConnection,
    keys: &[[u8; 16]],
) -> Result<Repeated> {
    let mut found = Repeated::new();
    for key in keys {
        let row = sqlx::query("SELECT position, request FROM idempotency WHERE key = ?")
            .bind(key.as_slice())
            .fetch_optional(&mut *connection)
            .await
            .map_err(failed("look up an idempotency key"))?;
        if let Some(row) = row {
            let request: Vec<u8> = get(&row, 1)?;
            let request = <[u8; 16]>::try_from(request.as_slice()).unwrap_or_default();
            found.insert(*key, (position_of(get(&row, 0)?), request));
        }
    }
    Ok(found)
}

/// Keys of records that these groups change and that were erased; under the vault's lock.
pub(super) async fn erased_keys(
    vault: &mut SqliteConnection,
    groups: &[Group],
) -> Result<HashSet<[u8; 16]>> {
    let rows = groups.iter().flat_map(|group| &group.events);
    let rows = rows.filter_map(|event| event.vault.as_ref());
    let mut erased = HashSet::new();
    // A row with keys of its own begins its record, which nobody can have erased.
    for row in rows.filter(|row| row.keys.is_empty()) {
        let found: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM sealed WHERE erased_by IS NOT NULL AND key_id = ?",
        )
        .bind(row.key_id.as_slice())
        .fetch_one(&mut *vault)
        .await
        .map_err(failed("look for erased keys"))?;
        if found > 0 {
            erased.insert(row.key_id);
        }
    }
    Ok(erased)
}
