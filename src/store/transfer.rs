//! Everything that a ledger's databases hold, as rows that go from one kind of store to another.
//!
//! What comes in: a [`Source`], which sees both databases as of one moment, and a [`Target`],
//! which is empty. What goes out: the same rows in the target, up to the newest checkpoint. What
//! may fail: either database. What must stay true: what is not covered by a checkpoint is left
//! out, since nothing would tell whether it was changed on the way; memory does not grow with the
//! log; the list of tables is complete (a test compares it with the migrations).

use async_trait::async_trait;

use super::{Head, Result, StoredEntry};
use crate::model::entry::Unplaced;
use crate::model::time::Timestamp;

/// Rows that are read and written at once; a row of the log has at most 64 KiB, mostly 1.5.
const BATCH: u64 = 1000;

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// An integer; `None` where the column may be empty.
    Number(Option<i64>),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// The values of a row, in the order of [`Table::columns`].
pub type Row = Vec<Value>;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An integer, or nothing.
    Number,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// In which of the two databases a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The log.
    Ledger,
    /// The vault.
    Vault,
}

/// A table that is transferred.
#[derive(Debug)]
pub struct Table {
    /// Its name, without a schema.
    pub name: &'static str,
    /// Where it is.
    pub part: Part,
    /// Its columns, those of the primary key first; generated ones are not among them.
    pub columns: &'static [(&'static str, Kind)],
    /// How many columns the primary key has.
    pub key: usize,
    /// The column that must be below the size that is transferred.
    pub below_size: Option<&'static str>,
}

use Kind::{Bytes, Number, Text};

/// Every table, those of the vault first: what an erasure overwrites there waits for readers.
pub const TABLES: [Table; 9] = [
    Table {
        name: "vault_meta",
        part: Part::Vault,
        columns: &[("name", Text), ("value", Text)],
        key: 1,
        below_size: None,
    },
    Table {
        name: "year_key",
        part: Part::Vault,
        columns: &[("year", Number), ("wrapped", Bytes)],
        key: 1,
        below_size: None,
    },
    Table {
        name: "sealed",
        part: Part::Vault,
        columns: &[
            ("position", Number),
            ("key_id", Bytes),
            ("keys", Bytes),
            ("slots", Bytes),
            ("content", Bytes),
            ("flags", Number),
            ("erased_by", Number),
            ("mac", Bytes),
        ],
        key: 1,
        below_size: Some("position"),
    },
    Table {
        name: "token",
        part: Part::Vault,
        columns: &[("position", Number), ("tokens", Bytes)],
        key: 1,
        below_size: Some("position"),
    },
    Table {
        name: "woman_token",
        part: Part::Vault,
        columns: &[
            ("position", Number),
            ("year", Number),
            ("token", Bytes),
            ("mac", Bytes),
        ],
        key: 1,
        below_size: Some("position"),
    },
    Table {
        name: "entry",
        part: Part::Ledger,
        columns: &[
            ("position", Number),
            ("aggregate_type", Text),
            ("sequence", Number),
            ("leaf", Bytes),
        ],
        key: 1,
        below_size: Some("position"),
    },
    Table {
        name: "idempotency",
        part: Part::Ledger,
        columns: &[("key", Bytes), ("request", Bytes), ("position", Number)],
        key: 1,
        below_size: Some("position"),
    },
    Table {
        name: "checkpoint",
        part: Part::Ledger,
        columns: &[("size", Number), ("note", Bytes)],
        key: 1,
        below_size: None,
    },
    Table {
        name: "tile",
        part: Part::Ledger,
        columns: &[("level", Number), ("number", Number), ("hashes", Bytes)],
        key: 2,
        below_size: None,
    },
];

impl Table {
    /// The query of the rows after a key (`$1` ...), or of the first ones, in the order of keys.
    /// The last parameter is the limit, the one before it the size, where that bounds the rows.
    pub(super) fn select(&self, schema: &str, cast: &str, after: bool) -> String {
        let name = |column: &(&'static str, Kind)| match column.1 {
            Kind::Number => format!("{}{cast}", column.0),
            Kind::Text | Kind::Bytes => column.0.to_owned(),
        };
        let columns: Vec<String> = self.columns.iter().map(name).collect();
        let keys: Vec<&str> = self.columns[..self.key].iter().map(|c| c.0).collect();
        let mut next = 1;
        let mut parameter = || {
            next += 1;
            format!("${}", next - 1)
        };
        let mut conditions = Vec::new();
        if after {
            let values: Vec<String> = keys.iter().map(|_| parameter()).collect();
            conditions.push(format!("({}) > ({})", keys.join(", "), values.join(", ")));
        }
        if let Some(column) = self.below_size {
            conditions.push(format!("{column} < {}", parameter()));
        }
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", conditions.join(" AND "))
        };
        format!(
            "SELECT {} FROM {schema}{} {filter} ORDER BY {} LIMIT {}",
            columns.join(", "),
            self.name,
            keys.join(", "),
            parameter()
        )
    }

    /// The names of the columns, for an insert.
    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.0).collect();
        names.join(", ")
    }
}

/// Both databases of a ledger as of one moment.
#[async_trait]
pub trait Source: Send {
    /// Size and note of the newest checkpoint, up to which rows are given.
    fn newest(&self) -> (u64, &[u8]);
    /// Whether entries that no checkpoint covers say something that the vault may have done
    /// already: erasures, rotations. Then the two do not fit without those entries.
    async fn is_unsettled(&mut self) -> Result<bool>;
    /// Rows of a table after a row, in the order of keys, at most `limit`.
    async fn rows(&mut self, table: &Table, after: Option<&Row>, limit: u64) -> Result<Vec<Row>>;
    /// Lets the vault go: nothing more is read of it.
    async fn leave_vault(&mut self) -> Result<()>;
}

/// New databases that nothing sees before they are complete.
#[async_trait]
pub trait Target: Send {
    /// Adds rows of a table.
    async fn put(&mut self, table: &Table, rows: Vec<Row>) -> Result<()>;
    /// Makes everything durable and visible. `signed` is the size and the root of the newest
    /// checkpoint: what nodes that sign have to agree on.
    async fn finish(self: Box<Self>, signed: (u64, [u8; 32])) -> Result<()>;
}

/// Copies everything; `progress` is told the tables as they come, and how many rows of each are
/// done.
///
/// # Errors
/// When either side fails.
pub async fn copy(
    source: &mut dyn Source,
    target: &mut dyn Target,
    progress: &mut (dyn FnMut(&'static str, u64) + Send),
) -> Result<()> {
    let mut part = Part::Vault;
    for table in &TABLES {
        if table.part != part {
            part = table.part;
            source.leave_vault().await?;
        }
        let mut done = 0;
        let mut rows = source.rows(table, None, BATCH).await?;
        while let Some(last) = rows.last().cloned() {
            done += rows.len() as u64;
            let is_last = (rows.len() as u64) < BATCH;
            let following = async {
                if is_last {
                    return Ok(Vec::new());
                }
                source.rows(table, Some(&last), BATCH).await
            };
            let (following, put) = tokio::join!(following, target.put(table, rows));
            put?;
            rows = following?;
            progress(table.name, done);
        }
    }
    Ok(())
}

/// Adds an entry behind what was copied, which ended at `head`; `now` is its time unless the clock
/// is simulated. It becomes visible with everything else.
///
/// # Errors
/// When the target fails.
pub async fn append(
    target: &mut dyn Target,
    head: Head,
    entry: &Unplaced,
    now: Timestamp,
) -> Result<StoredEntry> {
    let at = head.recorded_at.max(entry.simulated_at.unwrap_or(now));
    let (position, bytes) = (head.size, entry.place(head.size, at));
    let number = |number: u64| Value::Number(i64::try_from(number).ok());
    for table in TABLES.iter().filter(|table| table.name == "entry") {
        let row = vec![
            number(position),
            Value::Text(entry.aggregate_type.to_owned()),
            number(entry.sequence),
            Value::Bytes(bytes.clone()),
        ];
        target.put(table, vec![row]).await?;
    }
    Ok(StoredEntry { position, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a restored database gets otherwise: by its schema, by triggers, or by the sealer.
    const NOT_TRANSFERRED: [&str; 3] = ["head", "signing", "schema_version"];

    /// The columns of the tables of a migration, generated ones left out.
    fn tables_of(migration: &str) -> Vec<(String, Vec<String>)> {
        let mut tables = Vec::new();
        for statement in migration.split("CREATE TABLE ").skip(1) {
            let (name, rest) = statement.split_once(" (").unwrap();
            let mut columns = Vec::new();
            let mut before = "";
            for line in rest.lines().skip(1) {
                if line.starts_with(')') {
                    break;
                }
                let word = line.split_whitespace().next().unwrap_or_default();
                if line.contains("GENERATED") && word == "GENERATED" {
                    columns.retain(|column| column != before);
                } else if word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                    && !word.is_empty()
                    && !line.contains("GENERATED")
                {
                    columns.push(word.to_owned());
                    before = word;
                }
            }
            tables.push((name.to_owned(), columns));
        }
        tables
    }

    #[test]
    fn every_table_and_column_of_the_migrations_is_transferred() {
        for (migration, count) in [
            (include_str!("../../migrations/sqlite/ledger.sql"), 4),
            (include_str!("../../migrations/sqlite/vault.sql"), 5),
            (include_str!("../../migrations/postgres/ledger.sql"), 4),
            (include_str!("../../migrations/postgres/vault.sql"), 5),
        ] {
            let mut found = tables_of(migration);
            found.retain(|(name, _)| !NOT_TRANSFERRED.contains(&name.as_str()));
            assert_eq!(found.len(), count, "{found:?}");
            for (name, mut columns) in found {
                let table = TABLES.iter().find(|table| table.name == name);
                let table = table.unwrap_or_else(|| panic!("{name} is not transferred"));
                let mut known: Vec<&str> = table.columns.iter().map(|column| column.0).collect();
                known.sort_unstable();
                columns.sort_unstable();
                assert_eq!(columns, known, "{name}");
            }
        }
    }

    #[test]
    fn queries_go_on_after_a_key() {
        let of = |name| TABLES.iter().find(|table| table.name == name).unwrap();
        assert_eq!(
            of("tile").select("s.", "::bigint", true),
            "SELECT level::bigint, number::bigint, hashes FROM s.tile \
             WHERE (level, number) > ($1, $2) ORDER BY level, number LIMIT $3"
        );
        assert_eq!(
            of("token").select("", "", false),
            "SELECT position, tokens FROM token WHERE position < $1 ORDER BY position LIMIT $2"
        );
    }
}
