//! Thousands of rows in one. The driver spends microseconds on every row and column that it hands
//! over, which is more than hashing an entry costs; so long reads ask SQLite to concatenate the
//! values of many rows, with their lengths, and cut them apart here.
//!
//! What comes in: the one row. What goes out: the rows, or `None` when lengths and values do not
//! fit, which only happens to a database that was tampered with; the caller then reads row by
//! row. What must stay true: the bytes are those that are stored.

use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use uuid::Uuid;

use super::sqlite::{failed, number_of, position_of};
use super::{EntryRow, Packed, Result, StoreError, StoredEntry, VaultRow};
use crate::model::id::Position;

/// Entries from a position on, in one row.
pub(super) const ENTRIES: &str = "
    SELECT group_concat(position, ' '), group_concat(length(leaf), ' '),
           CAST(group_concat(leaf, '') AS BLOB)
      FROM (SELECT position, leaf FROM entry WHERE position >= ? ORDER BY position LIMIT ?)";

/// The same with the columns beside the leaf.
pub(super) const ROWS: &str = "
    SELECT group_concat(position, ' '), group_concat(length(leaf), ' '),
           CAST(group_concat(leaf, '') AS BLOB),
           group_concat(aggregate_type, ' '), group_concat(sequence, ' ')
      FROM (SELECT position, aggregate_type, sequence, leaf FROM entry
             WHERE position >= ? ORDER BY position LIMIT ?)";

/// Rows of the vault from a position on, in one row.
pub(super) const SEALED: &str = "
    SELECT group_concat(position, ' '), group_concat(flags, ' '),
           group_concat(coalesce(erased_by, '-'), ' '),
           group_concat(length(key_id), ' '), CAST(group_concat(key_id, '') AS BLOB),
           group_concat(length(keys), ' '), CAST(group_concat(keys, '') AS BLOB),
           group_concat(length(slots), ' '), CAST(group_concat(slots, '') AS BLOB),
           group_concat(length(content), ' '), CAST(group_concat(content, '') AS BLOB),
           group_concat(length(mac), ' '), CAST(group_concat(mac, '') AS BLOB),
           group_concat(coalesce(length(tokens), 0), ' '),
           CAST(group_concat(coalesce(tokens, x''), '') AS BLOB)
      FROM (SELECT s.position, s.flags, s.erased_by, s.key_id, s.keys, s.slots, s.content, s.mac,
                   t.tokens
              FROM sealed s LEFT JOIN token t ON t.position = s.position
             WHERE s.position >= ? ORDER BY s.position LIMIT ?)";

/// Where versions of streams stand, in one row; the index alone answers it.
const POSITIONS: &str = "
    SELECT group_concat(j.key, ' '), group_concat(e.position, ' ')
      FROM json_each(?) j CROSS JOIN entry e
        ON e.aggregate_id = substr(j.value, 1, 36) AND e.sequence = CAST(substr(j.value, 38) AS INTEGER)";

/// Answers [`super::Store::positions_of`].
pub(super) async fn positions_of(
    pool: &SqlitePool,
    versions: &[(Uuid, u64)],
) -> Result<Vec<Option<Position>>> {
    let asked = versions
        .iter()
        .map(|(id, version)| format!("{id} {version}"));
    let asked: serde_json::Value = asked.collect();
    let row = sqlx::query(POSITIONS)
        .bind(asked.to_string())
        .fetch_one(pool)
        .await
        .map_err(failed("look up versions of streams"))?;
    let wrong = || StoreError::Integrity {
        position: 0,
        what: "the index of streams cannot be read".to_owned(),
    };
    let (indexes, positions) = numbers(&row, 0).zip(numbers(&row, 1)).ok_or_else(wrong)?;
    let mut answers = vec![None; versions.len()];
    for (index, position) in indexes.into_iter().zip(positions) {
        let answer = usize::try_from(index)
            .ok()
            .and_then(|index| answers.get_mut(index));
        *answer.ok_or_else(wrong)? = Some(position_of(position));
    }
    Ok(answers)
}

/// Runs one of these queries.
pub(super) async fn bundle(
    pool: &SqlitePool,
    query: &'static str,
    from: Position,
    limit: u64,
) -> Result<SqliteRow> {
    sqlx::query(query)
        .bind(number_of(from))
        .bind(number_of(limit))
        .fetch_one(pool)
        .await
        .map_err(failed("read many rows"))
}

/// Numbers separated by spaces; none for an empty set of rows.
fn numbers(row: &SqliteRow, column: usize) -> Option<Vec<i64>> {
    let text: Option<&str> = row.try_get(column).ok()?;
    let Some(text) = text else {
        return Some(Vec::new());
    };
    text.split(' ').map(|number| number.parse().ok()).collect()
}

/// Values cut out of their concatenation.
struct Values<'r> {
    lengths: std::vec::IntoIter<i64>,
    bytes: &'r [u8],
    at: usize,
}

impl<'r> Values<'r> {
    /// The lengths in one column, the bytes in the next.
    fn of(row: &'r SqliteRow, column: usize) -> Option<Self> {
        let lengths = numbers(row, column)?;
        let bytes: Option<&[u8]> = row.try_get(column + 1).ok()?;
        let bytes = bytes.unwrap_or_default();
        let total: i64 = lengths.iter().sum();
        let fits = lengths.iter().all(|length| *length >= 0)
            && usize::try_from(total).is_ok_and(|total| total == bytes.len());
        fits.then(|| Self {
            lengths: lengths.into_iter(),
            bytes,
            at: 0,
        })
    }

    fn next(&mut self) -> Option<&'r [u8]> {
        let length = usize::try_from(self.lengths.next()?).ok()?;
        let value = self.bytes.get(self.at..self.at + length)?;
        self.at += length;
        Some(value)
    }
}

/// The rows of [`ENTRIES`].
pub(super) fn entries(row: &SqliteRow) -> Option<Vec<StoredEntry>> {
    let positions = numbers(row, 0)?;
    let mut leaves = Values::of(row, 1)?;
    positions
        .into_iter()
        .map(|position| {
            Some(StoredEntry {
                position: position_of(position),
                bytes: leaves.next()?.to_vec(),
            })
        })
        .collect()
}

/// The rows of [`ENTRIES`] as they came.
pub(super) fn packed(row: &SqliteRow) -> Option<Packed> {
    let positions = numbers(row, 0)?.into_iter().map(position_of);
    let lengths = numbers(row, 1)?;
    if positions.len() != lengths.len() {
        return None;
    }
    let lengths = lengths.into_iter().map(usize::try_from);
    let lengths: Vec<usize> = lengths.collect::<std::result::Result<_, _>>().ok()?;
    let bytes: Option<Vec<u8>> = row.try_get(2).ok()?;
    Packed::new(bytes.unwrap_or_default(), positions.zip(lengths))
}

/// The rows of [`ROWS`].
pub(super) fn rows(row: &SqliteRow) -> Option<Vec<EntryRow>> {
    let entries = entries(row)?;
    let types: Option<&str> = row.try_get(3).ok()?;
    let types = types.unwrap_or_default();
    let mut types = types.split(' ');
    let mut sequences = numbers(row, 4)?.into_iter();
    let rows: Option<Vec<EntryRow>> = entries
        .into_iter()
        .map(|entry| {
            Some(EntryRow {
                position: entry.position,
                aggregate_type: types.next()?.to_owned(),
                sequence: position_of(sequences.next()?),
                bytes: entry.bytes,
            })
        })
        .collect();
    // A type with a space in it would shift all that follow.
    rows.filter(|rows| rows.is_empty() || (types.next().is_none() && sequences.next().is_none()))
}

/// The rows of [`SEALED`].
pub(super) fn sealed(row: &SqliteRow) -> Option<Vec<(Position, VaultRow)>> {
    let positions = numbers(row, 0)?;
    let mut flags = numbers(row, 1)?.into_iter();
    let erased: Option<&str> = row.try_get(2).ok()?;
    let erased = erased.unwrap_or_default();
    let mut erased = erased.split(' ');
    let mut columns = [3, 5, 7, 9, 11, 13].map(|column| Values::of(row, column));
    let mut next = |index: usize| columns[index].as_mut()?.next();
    positions
        .into_iter()
        .map(|position| {
            let erased_by = match erased.next()? {
                "-" => None,
                number => Some(position_of(number.parse().ok()?)),
            };
            let sealed = VaultRow {
                key_id: next(0)?.try_into().ok()?,
                keys: next(1)?.to_vec(),
                slots: next(2)?.to_vec(),
                content: next(3)?.to_vec(),
                flags: flags.next()?,
                erased_by,
                mac: next(4)?.to_vec(),
                tokens: next(5)?.to_vec(),
            };
            Some((position_of(position), sealed))
        })
        .collect()
}
