//! Whatever is changed in the databases of a sealed ledger, `verify` says so, and where.
//!
//! What comes in: a small ledger with rows in every table. What happens: one change with a
//! database tool on a copy, past the triggers, in every column of every table; deletions, swaps,
//! truncations. What must come out: an integrity failure each time, with the position of the
//! changed row where it has one (of two swapped rows, the smaller). The columns are read from the
//! databases and compared with a list here, so that nobody adds one without looking at this.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

mod harness;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use harness::database::{Column, Database, Key, changed};
use tempfile::TempDir;
use vitaledger::app::error::exit;

/// Every table with its columns, in the order of the schema.
const TABLES: &[(&str, &str, &str)] = &[
    ("ledger.db", "checkpoint", "size note"),
    (
        "ledger.db",
        "entry",
        "position aggregate_type aggregate_id sequence leaf",
    ),
    ("ledger.db", "idempotency", "key request position"),
    ("ledger.db", "tile", "level number hashes"),
    (
        "vault.db",
        "sealed",
        "position key_id keys slots content flags erased_by mac",
    ),
    ("vault.db", "token", "position tokens"),
    ("vault.db", "vault_meta", "name value"),
    ("vault.db", "woman_token", "position year token mac"),
    ("vault.db", "year_key", "year wrapped"),
];

/// Columns in which all rows of so small a ledger are the same, or which have one row.
const NOTHING_TO_SWAP: [&str; 3] = ["tile.level", "vault_meta.name", "vault_meta.value"];

/// A ledger, and copies of it to be changed.
struct Scene {
    folder: TempDir,
    cases: usize,
    failures: Vec<String>,
}

impl Scene {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        harness::make(&folder.path().join("ledger")).await;
        let scene = Self {
            folder,
            cases: 0,
            failures: Vec::new(),
        };
        harness::assert_clean(&scene.original()).await;
        harness::copy(&scene.original(), &scene.reading());
        scene
    }

    /// A copy that is opened to see what there is, and never changed.
    fn reading(&self) -> PathBuf {
        self.folder.path().join("reading")
    }

    fn original(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    /// A fresh copy; the one before is removed.
    fn copy(&mut self) -> PathBuf {
        let path = self.folder.path().join("copy");
        if path.exists() {
            std::fs::remove_dir_all(&path).unwrap();
        }
        harness::copy(&self.original(), &path);
        self.cases += 1;
        path
    }

    /// Expects that something is found wrong, at this position if one is given.
    async fn expect(&mut self, folder: &Path, case: &str, position: Option<u64>) {
        if let Err(failure) = detected(folder, position).await {
            self.failures.push(format!("{case}: {failure}"));
        }
    }

    /// The untouched ledger is still clean, and nothing was missed.
    async fn end(self, at_least: usize) {
        harness::assert_clean(&self.original()).await;
        let failures = self.failures.join("\n");
        assert!(failures.is_empty(), "of {} cases:\n{failures}", self.cases);
        assert!(self.cases >= at_least, "only {} cases", self.cases);
    }
}

async fn detected(folder: &Path, position: Option<u64>) -> Result<(), String> {
    match harness::try_reverify(folder).await {
        Ok(report) => match report.wrong {
            None => Err("was not detected".to_owned()),
            Some(wrong) if position.is_some() && wrong.position != position => Err(format!(
                "expected position {position:?}, but it says {wrong}"
            )),
            Some(_) => Ok(()),
        },
        Err(error) if error.exit_code() != exit::INTEGRITY => {
            Err(format!("exit code {}: {error}", error.exit_code()))
        }
        // Without entry 0 there is no ledger to open; elsewhere the position must be named.
        Err(error) => match position {
            Some(position) if position > 0 => {
                let named = error.to_string().contains(&format!("position {position}:"));
                named.then_some(()).ok_or_else(|| error.to_string())
            }
            _ => Ok(()),
        },
    }
}

/// First, last, and some between; in a log of three tiles, one in each.
fn chosen(keys: &[Key]) -> Vec<Key> {
    let last = keys.len() - 1;
    let of: BTreeSet<usize> = [0, last / 4, last / 2, last * 5 / 6, last].into();
    of.into_iter().map(|index| keys[index].clone()).collect()
}

async fn columns_are_as_listed(folder: &Path) {
    for database in ["ledger.db", "vault.db"] {
        let mut opened = Database::open(&folder.join(database)).await;
        let listed: Vec<_> = TABLES.iter().filter(|table| table.0 == database).collect();
        let names: Vec<&str> = listed.iter().map(|table| table.1).collect();
        assert_eq!(opened.tables().await, names);
        for (_, table, columns) in listed {
            let found = opened.columns(table).await;
            let found: Vec<&str> = found.iter().map(|column| column.name.as_str()).collect();
            assert_eq!(found.join(" "), *columns, "{table}");
        }
        opened.close().await;
    }
}

/// The columns that can be written, of the tables of one database.
async fn writable(database: &str, folder: &Path) -> Vec<(&'static str, Column)> {
    let mut opened = Database::open(&folder.join(database)).await;
    let mut all = Vec::new();
    for (_, table, _) in TABLES.iter().filter(|table| table.0 == database) {
        for column in opened.columns(table).await {
            if column.generated {
                let write = format!("UPDATE {table} SET {} = ''", column.name);
                assert!(opened.run(&write).await.is_err(), "{write}");
            } else {
                all.push((*table, column));
            }
        }
    }
    opened.close().await;
    all
}

/// Changes single values: in one row every way, in the others one way each.
async fn change_values(database: &str) -> Scene {
    let mut scene = Scene::new().await;
    let at = scene.reading();
    columns_are_as_listed(&at).await;
    for (table, column) in writable(database, &at).await {
        let mut opened = Database::open(&at.join(database)).await;
        let keys = chosen(&opened.keys(table).await);
        let mut changes = Vec::new();
        for (number, key) in keys.iter().enumerate() {
            let old = opened.value(table, &column.name, key).await;
            let others = changed(&old, column.in_key);
            let all_of_them = number == keys.len() / 2;
            let kept: Vec<String> = if all_of_them {
                others
            } else {
                vec![others[number % others.len()].clone()]
            };
            changes.extend(kept.into_iter().map(|other| (key.clone(), other)));
        }
        opened.close().await;
        for (key, other) in changes {
            let folder = scene.copy();
            let mut opened = Database::open(&folder.join(database)).await;
            opened.set(table, &column.name, &key, &other).await;
            opened.close().await;
            let other: String = other.chars().take(40).collect();
            let case = format!("{table}.{} = {other} where {}", column.name, key.condition);
            let position = key.position.filter(|_| table != "idempotency");
            scene.expect(&folder, &case, position).await;
        }
    }
    scene
}

#[tokio::test]
async fn a_changed_value_in_the_ledger_is_found() {
    change_values("ledger.db").await.end(60).await;
}

#[tokio::test]
async fn a_changed_value_in_the_vault_is_found() {
    change_values("vault.db").await.end(90).await;
}

/// Rows that differ from others: erased, corrected, disclosed, withdrawn.
#[tokio::test]
async fn a_changed_row_of_a_change_is_found() {
    let mut scene = Scene::new().await;
    let at = scene.reading();
    let mut opened = Database::open(&at.join("vault.db")).await;
    let last = opened
        .texts("SELECT CAST(max(position) AS TEXT) FROM sealed")
        .await;
    let tail: u64 = last[0].parse::<u64>().unwrap() - 16;
    let columns = opened.columns("sealed").await;
    let keys = opened.keys("sealed").await;
    let mut changes = Vec::new();
    for key in keys
        .iter()
        .filter(|key| key.position.is_some_and(|at| at > tail))
    {
        for column in columns.iter().filter(|column| !column.in_key) {
            let old = opened.value("sealed", &column.name, key).await;
            let others = changed(&old, false);
            // NULL, too: as if it had not been erased.
            let revived = (column.name == "erased_by" && old != "NULL").then(|| "NULL".to_owned());
            let other = revived.unwrap_or_else(|| others[0].clone());
            changes.push((key.clone(), column.name.clone(), other));
        }
    }
    opened.close().await;
    for (key, column, other) in changes {
        let folder = scene.copy();
        let mut opened = Database::open(&folder.join("vault.db")).await;
        opened.set("sealed", &column, &key, &other).await;
        opened.close().await;
        let case = format!("sealed.{column} where {}", key.condition);
        scene.expect(&folder, &case, key.position).await;
    }
    scene.end(60).await;
}

/// Changes that leave an entry well-formed, so that only the tree can tell.
#[tokio::test]
async fn a_changed_entry_that_stays_well_formed_is_found_where_it_is() {
    let edits = [
        ("\"actor\":\"operator\"", "\"actor\":\"inspector\""),
        ("\"event_id\":\"0", "\"event_id\":\"1"),
        ("\"recorded_at\":\"2013", "\"recorded_at\":\"2016"),
        ("\"recorded_at\":\"2013", "\"recorded_at\":\"2012"),
        ("{\"aggregate_id\":\"", "{\"aggregate_id\":\"f"),
        ("\"sequence\":1", "\"sequence\":2"),
        ("\"weight_g\":3100", "\"weight_g\":3200"),
        ("\"legal_basis\":\"PIPL-47\"", "\"legal_basis\":\"PIPL-48\""),
        ("\"reported_on\":\"2013-08-", "\"reported_on\":\"2013-07-"),
    ];
    let mut scene = Scene::new().await;
    let at = scene.reading();
    let mut opened = Database::open(&at.join("ledger.db")).await;
    let keys = opened.keys("entry").await;
    let last = keys.len() - 1;
    let mut positions: BTreeSet<usize> = [0, 3, 8, 255, 256, 400, 511, 512].into();
    positions.extend(last - 16..=last);
    let mut changes = Vec::new();
    for position in positions {
        let leaf = format!("SELECT CAST(leaf AS TEXT) FROM entry WHERE position = {position}");
        let old = opened.texts(&leaf).await.remove(0);
        for (from, to) in edits.iter().filter(|(from, _)| old.contains(from)) {
            let mut new = old.replacen(from, to, 1);
            if to.ends_with("\"f") {
                // One digit replaced, not added.
                new.remove(to.len());
            }
            if new != old {
                changes.push((keys[position].clone(), hex::encode(new)));
            }
        }
    }
    opened.close().await;
    for (number, (key, leaf)) in changes.into_iter().enumerate() {
        let folder = scene.copy();
        let mut opened = Database::open(&folder.join("ledger.db")).await;
        opened
            .set("entry", "leaf", &key, &format!("X'{leaf}'"))
            .await;
        opened.close().await;
        let case = format!("edit {number} where {}", key.condition);
        scene.expect(&folder, &case, key.position).await;
    }
    scene.end(100).await;
}

/// Two rows of a column whose values differ and can be swapped, swapped.
async fn swap_somewhere(opened: &mut Database, table: &str, column: &Column) -> Option<(Key, Key)> {
    let keys = opened.keys(table).await;
    // Not from the first on: entry 0 is no record.
    let from = keys.len() / 3;
    let mut values = Vec::with_capacity(keys.len());
    for key in &keys {
        values.push(opened.value(table, &column.name, key).await);
    }
    for i in (from..keys.len()).chain(0..from) {
        for j in (i + 1)..keys.len() {
            let rows = [&keys[i], &keys[j]];
            if values[i] != values[j] && opened.swap(table, column, rows).await {
                return Some((keys[i].clone(), keys[j].clone()));
            }
        }
    }
    None
}

#[tokio::test]
async fn swapped_values_are_found() {
    let mut scene = Scene::new().await;
    let mut without = Vec::new();
    for database in ["ledger.db", "vault.db"] {
        for (table, column) in writable(database, &scene.reading()).await {
            let folder = scene.copy();
            let mut opened = Database::open(&folder.join(database)).await;
            let swapped = swap_somewhere(&mut opened, table, &column).await;
            opened.close().await;
            let Some((first, second)) = swapped else {
                without.push(format!("{table}.{}", column.name));
                continue;
            };
            let case = format!(
                "{table}.{} swapped where {} and {}",
                column.name, first.condition, second.condition
            );
            let position = first.position.filter(|_| table != "idempotency");
            scene.expect(&folder, &case, position).await;
        }
    }
    assert_eq!(without, NOTHING_TO_SWAP);
    scene.end(20).await;
}

#[tokio::test]
async fn a_deleted_row_is_found() {
    let mut scene = Scene::new().await;
    for (database, table, _) in TABLES {
        let at = scene.reading();
        let mut opened = Database::open(&at.join(database)).await;
        let keys = chosen(&opened.keys(table).await);
        opened.close().await;
        for key in keys {
            let folder = scene.copy();
            let mut opened = Database::open(&folder.join(database)).await;
            opened.delete(table, &key).await;
            opened.close().await;
            let case = format!("{table} without {}", key.condition);
            scene.expect(&folder, &case, key.position).await;
        }
    }
    scene.end(25).await;
}

#[tokio::test]
async fn a_truncated_table_is_found() {
    let mut scene = Scene::new().await;
    for (database, table, _) in TABLES {
        for keep in [2, 3] {
            let folder = scene.copy();
            let mut opened = Database::open(&folder.join(database)).await;
            let keys = opened.keys(table).await;
            let cut = &keys[keys.len() * (keep - 1) / keep..];
            for key in cut {
                opened.delete(table, key).await;
            }
            opened.close().await;
            let case = format!("{table} without its last {} rows", cut.len());
            scene.expect(&folder, &case, cut[0].position).await;
        }
    }
    scene.end(18).await;
}
