//! The log in PostgreSQL: what is read of it, what is signed of it, and who may sign.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;
use tokio::time::Instant;
use uuid::Uuid;

use super::placing::{head_after, size_after};
use super::postgres::{PostgresStore, failed};
use super::postgres_append::{number_of, position_of};
use super::postgres_check::complaints;
use super::views::ViewStore;
use super::{
    Database, EntryRow, Group, Head, Outcome, Repeated, Result, Signed, Store, StoreError,
    StoredEntry, StoredTile,
};
use crate::model::id::Position;

/// How often a waiting reader looks for itself: notifications can be lost with a connection.
const LOOK: Duration = Duration::from_secs(1);

fn entry(row: &PgRow) -> sqlx::Result<StoredEntry> {
    Ok(StoredEntry {
        position: position_of(row.try_get(0)?),
        bytes: row.try_get(1)?,
    })
}

fn note(row: &PgRow) -> sqlx::Result<(u64, Vec<u8>)> {
    Ok((position_of(row.try_get(0)?), row.try_get(1)?))
}

fn tile(row: &PgRow) -> sqlx::Result<StoredTile> {
    Ok(StoredTile {
        level: u8::try_from(row.try_get::<i16, _>(0)?).unwrap_or(u8::MAX),
        number: position_of(row.try_get(1)?),
        hashes: row.try_get(2)?,
    })
}

/// Rows, each read by a function.
pub(super) fn each<T>(
    doing: &'static str,
    rows: &[PgRow],
    read: impl Fn(&PgRow) -> sqlx::Result<T>,
) -> Result<Vec<T>> {
    rows.iter()
        .map(|row| read(row).map_err(failed(doing)))
        .collect()
}

fn root_of(bytes: &[u8]) -> Result<[u8; 32]> {
    bytes.try_into().map_err(|_| StoreError::Integrity {
        position: 0,
        what: "the root that the nodes agreed on is no hash".to_owned(),
    })
}

#[async_trait]
impl Database for PostgresStore {
    fn place(&self) -> String {
        let options = self.pool.connect_options();
        let database = options.get_database().unwrap_or("postgres");
        format!(
            "{database} at {}:{}",
            options.get_host(),
            options.get_port()
        )
    }

    async fn views(&self) -> Result<ViewStore> {
        Ok(ViewStore::on_server(self))
    }

    async fn close(self: Arc<Self>) {
        self.stop().await;
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn head(&self) -> Result<Head> {
        let doing = "read the head";
        let row = self
            .retrying(doing, || {
                sqlx::query(
                    "SELECT position, leaf FROM vitaledger.entry ORDER BY position DESC LIMIT 1",
                )
                .fetch_optional(&self.pool)
            })
            .await?;
        match row {
            None => Ok(Head::default()),
            Some(row) => {
                let last = entry(&row).map_err(failed(doing))?;
                head_after(last.position, &last.bytes)
            }
        }
    }

    async fn append(&self, groups: Vec<Group>) -> Result<Vec<Outcome>> {
        let outcomes = self.append_groups(&groups).await?;
        // Sooner than the server tells this node, as it tells all.
        if let Some(size) = size_after(&outcomes) {
            self.tell_grown(size);
        }
        Ok(outcomes)
    }

    async fn entries(&self, from: Position, limit: u64) -> Result<Vec<StoredEntry>> {
        let doing = "read entries";
        let rows = self
            .retrying(doing, || {
                sqlx::query(
                    "SELECT position, leaf FROM vitaledger.entry
                      WHERE position >= $1 ORDER BY position LIMIT $2",
                )
                .bind(number_of(from))
                .bind(number_of(limit))
                .fetch_all(&self.pool)
            })
            .await?;
        each(doing, &rows, entry)
    }

    async fn rows(&self, from: Position, limit: u64) -> Result<Vec<EntryRow>> {
        let doing = "read entries";
        let rows = self
            .retrying(doing, || {
                sqlx::query(
                    "SELECT position, leaf, aggregate_type, sequence FROM vitaledger.entry
                      WHERE position >= $1 ORDER BY position LIMIT $2",
                )
                .bind(number_of(from))
                .bind(number_of(limit))
                .fetch_all(&self.pool)
            })
            .await?;
        each(doing, &rows, |row| {
            let StoredEntry { position, bytes } = entry(row)?;
            Ok(EntryRow {
                position,
                bytes,
                aggregate_type: row.try_get(2)?,
                sequence: position_of(row.try_get(3)?),
            })
        })
    }

    async fn streams(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Vec<StoredEntry>>> {
        let doing = "read streams";
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let rows = self
            .retrying(doing, || {
                sqlx::query(
                    "SELECT position, leaf, aggregate_id FROM vitaledger.entry
                      WHERE aggregate_id = ANY ($1) ORDER BY aggregate_id, sequence",
                )
                .bind(&ids)
                .fetch_all(&self.pool)
            })
            .await?;
        let mut streams: HashMap<Uuid, Vec<StoredEntry>> = HashMap::new();
        for (id, stored) in each(doing, &rows, |row| Ok((row.try_get(2)?, entry(row)?)))? {
            streams.entry(id).or_default().push(stored);
        }
        Ok(streams)
    }

    async fn positions_of(&self, versions: &[(Uuid, u64)]) -> Result<Vec<Option<Position>>> {
        let doing = "look up versions of streams";
        let (ids, sequences): (Vec<Uuid>, Vec<i64>) = versions
            .iter()
            .map(|(id, version)| (*id, number_of(*version)))
            .unzip();
        let rows = self
            .retrying(doing, || {
                sqlx::query(
                    "SELECT e.position
                       FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS asked (id, version, rank)
                       LEFT JOIN vitaledger.entry e
                         ON e.aggregate_id = asked.id AND e.sequence = asked.version
                      ORDER BY asked.rank",
                )
                .bind(&ids)
                .bind(&sequences)
                .fetch_all(&self.pool)
            })
            .await?;
        let position = |row: &PgRow| Ok(row.try_get::<Option<i64>, _>(0)?.map(position_of));
        each(doing, &rows, position)
    }

    async fn entries_of_type(&self, aggregate_type: &str) -> Result<Vec<StoredEntry>> {
        self.entries_of_type_from(aggregate_type, 0, u64::MAX).await
    }

    async fn entries_of_type_from(
        &self,
        aggregate_type: &str,
        from: Position,
        limit: u64,
    ) -> Result<Vec<StoredEntry>> {
        let doing = "read entries of a type";
        let rows = self
            .retrying(doing, || {
                // The condition of the partial index is repeated for the planner.
                sqlx::query(
                    "SELECT position, leaf FROM vitaledger.entry
                      WHERE aggregate_type = $1
                        AND aggregate_type NOT IN ('registration', 'birth', 'pregnancy_loss',
                                                   'disbursement', 'activity', 'return')
                        AND position >= $2
                      ORDER BY position LIMIT $3",
                )
                .bind(aggregate_type)
                .bind(number_of(from))
                .bind(number_of(limit))
                .fetch_all(&self.pool)
            })
            .await?;
        each(doing, &rows, entry)
    }

    async fn entries_of_types_from(
        &self,
        aggregate_types: &[&str],
        from: Position,
    ) -> Result<Vec<StoredEntry>> {
        let doing = "read entries of types";
        let rows = self
            .retrying(doing, || {
                sqlx::query(
                    "SELECT position, leaf FROM vitaledger.entry
                      WHERE aggregate_type = ANY($1)
                        AND aggregate_type NOT IN ('registration', 'birth', 'pregnancy_loss',
                                                   'disbursement', 'activity', 'return')
                        AND position >= $2
                      ORDER BY position",
                )
                .bind(aggregate_types)
                .bind(number_of(from))
                .fetch_all(&self.pool)
            })
            .await?;
        each(doing, &rows, entry)
    }

    async fn repeated(&self, keys: &[[u8; 16]]) -> Result<Repeated> {
        let doing = "look up idempotency keys";
        let wanted: Vec<&[u8]> = keys.iter().map(<[u8; 16]>::as_slice).collect();
        let rows = self
            .retrying(doing, || {
                sqlx::query(
                    "SELECT key, position, request FROM vitaledger.idempotency
                      WHERE key = ANY ($1)",
                )
                .bind(&wanted)
                .fetch_all(&self.pool)
            })
            .await?;
        let short = |bytes: Vec<u8>| <[u8; 16]>::try_from(bytes.as_slice()).unwrap_or_default();
        let read = each(doing, &rows, |row| {
            let answer = (position_of(row.try_get(1)?), short(row.try_get(2)?));
            Ok((short(row.try_get(0)?), answer))
        })?;
        Ok(read.into_iter().collect())
    }

    async fn idempotency_rows(&self) -> Result<Vec<(Vec<u8>, Vec<u8>, Position)>> {
        let doing = "read idempotency keys";
        let rows = self
            .retrying(doing, || {
                sqlx::query(
                    "SELECT key, request, position FROM vitaledger.idempotency ORDER BY position",
                )
                .fetch_all(&self.pool)
            })
            .await?;
        each(doing, &rows, |row| {
            Ok((
                row.try_get(0)?,
                row.try_get(1)?,
                position_of(row.try_get(2)?),
            ))
        })
    }

    async fn checkpoints(&self) -> Result<Vec<(u64, Vec<u8>)>> {
        self.checkpoints_above(-1).await
    }

    async fn checkpoints_after(&self, size: u64) -> Result<Vec<(u64, Vec<u8>)>> {
        self.checkpoints_above(number_of(size)).await
    }

    async fn newest_checkpoint(&self) -> Result<Option<(u64, Vec<u8>)>> {
        let doing = "read the newest checkpoint";
        let row = self
            .retrying(doing, || {
                sqlx::query(
                    "SELECT size, note FROM vitaledger.checkpoint ORDER BY size DESC LIMIT 1",
                )
                .fetch_optional(&self.pool)
            })
            .await?;
        row.map(|row| note(&row).map_err(failed(doing))).transpose()
    }

    async fn save_checkpoint(&self, size: u64, note: &[u8], tiles: &[StoredTile]) -> Result<()> {
        let levels: Vec<i16> = tiles.iter().map(|tile| i16::from(tile.level)).collect();
        let numbers: Vec<i64> = tiles.iter().map(|tile| number_of(tile.number)).collect();
        let hashes: Vec<&[u8]> = tiles.iter().map(|tile| tile.hashes.as_slice()).collect();
        // One statement, so one transaction; what is there already stays, so it can be repeated.
        self.retrying("keep a checkpoint", || {
            sqlx::query(
                "WITH tiles AS (
                     INSERT INTO vitaledger.tile (level, number, hashes)
                     SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])
                     ON CONFLICT DO NOTHING
                 )
                 INSERT INTO vitaledger.checkpoint (size, note) VALUES ($4, $5)
                 ON CONFLICT DO NOTHING",
            )
            .bind(&levels)
            .bind(&numbers)
            .bind(&hashes)
            .bind(number_of(size))
            .bind(note)
            .execute(&self.pool)
        })
        .await?;
        Ok(())
    }

    async fn tile(&self, level: u8, number: u64) -> Result<Option<Vec<u8>>> {
        self.retrying("read a tile", || {
            sqlx::query_scalar(
                "SELECT hashes FROM vitaledger.tile WHERE level = $1 AND number = $2",
            )
            .bind(i16::from(level))
            .bind(number_of(number))
            .fetch_optional(&self.pool)
        })
        .await
    }

    async fn tiles(&self) -> Result<Vec<StoredTile>> {
        let doing = "read tiles";
        let rows = self
            .retrying(doing, || {
                sqlx::query(
                    "SELECT level, number, hashes FROM vitaledger.tile ORDER BY level, number",
                )
                .fetch_all(&self.pool)
            })
            .await?;
        each(doing, &rows, tile)
    }

    async fn grown(&self, beyond: u64, patience: Duration) -> Result<Head> {
        self.listen();
        let mut told = self.grown.subscribe();
        let end = Instant::now() + patience;
        loop {
            let head = self.head().await?;
            let left = end.saturating_duration_since(Instant::now());
            if head.size > beyond || left.is_zero() {
                return Ok(head);
            }
            // Whether told, not told or no longer told: the head is read again.
            let _ =
                tokio::time::timeout(LOOK.min(left), told.wait_for(|size| *size > beyond)).await;
        }
    }

    async fn hold_signing(&self, holder: Uuid, term: Duration) -> Result<bool> {
        let held = self
            .retrying("hold the right to sign", || {
                sqlx::query(
                    "UPDATE vitaledger.signing
                        SET holder = $1, held_until = clock_timestamp() + $2 * interval '1 second'
                      WHERE holder IS NULL OR holder = $1 OR held_until < clock_timestamp()",
                )
                .bind(holder)
                .bind(term.as_secs_f64())
                .execute(&self.pool)
            })
            .await?;
        Ok(held.rows_affected() == 1)
    }

    async fn signed(&self) -> Result<Option<Signed>> {
        let doing = "read what was signed";
        let row = self
            .retrying(doing, || {
                sqlx::query("SELECT size, root FROM vitaledger.signing").fetch_optional(&self.pool)
            })
            .await?;
        let Some(row) = row else { return Ok(None) };
        let (size, root) = note(&row).map_err(failed(doing))?;
        Ok(Some((size, root_of(&root)?)))
    }

    async fn agree_to_sign(&self, holder: Uuid, from: Signed, to: Signed) -> Result<bool> {
        // Not tried again: an answer that was lost may have been a yes, and then `from` is no
        // longer what was agreed on. The next tick finds that out.
        let agreed = sqlx::query(
            "UPDATE vitaledger.signing SET size = $4, root = $5
              WHERE size = $2 AND root = $3 AND holder = $1 AND held_until >= clock_timestamp()",
        )
        .bind(holder)
        .bind(number_of(from.0))
        .bind(from.1.as_slice())
        .bind(number_of(to.0))
        .bind(to.1.as_slice())
        .execute(&self.pool)
        .await
        .map_err(failed("agree on what to sign"))?;
        Ok(agreed.rows_affected() == 1)
    }

    async fn release_signing(&self, holder: Uuid) -> Result<()> {
        self.retrying("release the right to sign", || {
            sqlx::query(
                "UPDATE vitaledger.signing SET holder = NULL, held_until = NULL WHERE holder = $1",
            )
            .bind(holder)
            .execute(&self.pool)
        })
        .await?;
        Ok(())
    }

    async fn complaints(&self) -> Result<Vec<String>> {
        complaints(self).await
    }
}

impl PostgresStore {
    async fn checkpoints_above(&self, size: i64) -> Result<Vec<(u64, Vec<u8>)>> {
        let doing = "read checkpoints";
        let rows = self
            .retrying(doing, || {
                sqlx::query(
                    "SELECT size, note FROM vitaledger.checkpoint WHERE size > $1 ORDER BY size",
                )
                .bind(size)
                .fetch_all(&self.pool)
            })
            .await?;
        each(doing, &rows, note)
    }
}
