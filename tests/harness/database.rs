//! What someone does who has the files of a ledger and a database tool, but no key.
//!
//! What comes in: the path of one of the two databases. What goes out: its tables, columns and
//! rows, and changes to them. Values are SQL literals, as `quote()` gives them, and a row is named
//! by the condition that selects it, so that one code serves every table. What must stay true:
//! the triggers that refuse changes are dropped first and put back at the end, word for word, so
//! that what `verify` finds is the change and not the way to it.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Executor, Row};

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub in_key: bool,
    /// Computed from others; cannot be written.
    pub generated: bool,
}

/// A row: the condition that selects it, and its number where it has a position.
#[derive(Debug, Clone)]
pub struct Key {
    pub condition: String,
    pub position: Option<u64>,
}

/// An opened database whose triggers are off.
pub struct Database {
    pub connection: SqliteConnection,
    triggers: Vec<String>,
}

impl Database {
    pub async fn open(path: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(path);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let list = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name";
        let mut triggers = Vec::new();
        for row in connection.fetch_all(list).await.unwrap() {
            let drop = format!("DROP TRIGGER {}", row.get::<String, _>(0));
            connection.execute(drop.as_str()).await.unwrap();
            triggers.push(row.get(1));
        }
        Self {
            connection,
            triggers,
        }
    }

    /// Does not put the trigger of this name back.
    pub fn forget_trigger(&mut self, name: &str) {
        let heading = format!("CREATE TRIGGER {name} ");
        let before = self.triggers.len();
        self.triggers.retain(|sql| !sql.starts_with(&heading));
        assert_eq!(self.triggers.len() + 1, before, "{name}");
    }

    /// Puts the triggers back and closes the file.
    pub async fn close(mut self) {
        for trigger in &self.triggers {
            self.connection.execute(trigger.as_str()).await.unwrap();
        }
        self.connection.close().await.unwrap();
    }

    pub async fn run(&mut self, sql: &str) -> Result<u64, sqlx::Error> {
        Ok(self.connection.execute(sql).await?.rows_affected())
    }

    /// Exactly one row must change.
    pub async fn change_one(&mut self, sql: &str) {
        assert_eq!(self.run(sql).await.unwrap(), 1, "{sql}");
    }

    pub async fn texts(&mut self, sql: &str) -> Vec<String> {
        let rows = self.connection.fetch_all(sql).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub async fn tables(&mut self) -> Vec<String> {
        self.texts("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            .await
    }

    pub async fn columns(&mut self, table: &str) -> Vec<Column> {
        let sql = format!("PRAGMA table_xinfo({table})");
        let rows = self.connection.fetch_all(sql.as_str()).await.unwrap();
        let column = |row: &sqlx::sqlite::SqliteRow| Column {
            name: row.get("name"),
            in_key: row.get::<i64, _>("pk") > 0,
            generated: row.get::<i64, _>("hidden") > 0,
        };
        rows.iter().map(column).collect()
    }

    /// The rows of a table in the order of their keys.
    pub async fn keys(&mut self, table: &str) -> Vec<Key> {
        let columns = self.columns(table).await;
        let in_key = || columns.iter().filter(|column| column.in_key);
        let parts: Vec<String> = in_key()
            .map(|column| format!("'{0} = ' || quote({0})", column.name))
            .collect();
        let order: Vec<&str> = in_key().map(|column| column.name.as_str()).collect();
        let sql = format!(
            "SELECT {} FROM {table} ORDER BY {}",
            parts.join(" || ' AND ' || "),
            order.join(", ")
        );
        let conditions = self.texts(&sql).await;
        let key = |condition: String| Key {
            position: condition
                .strip_prefix("position = ")
                .and_then(|number| number.parse().ok()),
            condition,
        };
        conditions.into_iter().map(key).collect()
    }

    /// A value as a literal.
    pub async fn value(&mut self, table: &str, column: &str, key: &Key) -> String {
        let sql = format!(
            "SELECT quote({column}) FROM {table} WHERE {}",
            key.condition
        );
        self.texts(&sql).await.remove(0)
    }

    pub async fn set(&mut self, table: &str, column: &str, key: &Key, literal: &str) {
        let sql = set_sql(table, column, key, literal);
        self.change_one(&sql).await;
    }

    pub async fn delete(&mut self, table: &str, key: &Key) {
        let sql = format!("DELETE FROM {table} WHERE {}", key.condition);
        self.change_one(&sql).await;
    }

    /// Swaps the values of two rows in one column; `false` when a constraint forbids it.
    pub async fn swap(&mut self, table: &str, column: &Column, rows: [&Key; 2]) -> bool {
        let [first, second] = rows;
        let name = column.name.as_str();
        let one = self.value(table, name, first).await;
        let other = self.value(table, name, second).await;
        // Something that no row has, since the column may be unique.
        let aside = match one.as_bytes()[0] {
            b'X' => "X'00'",
            b'\'' => "'aside'",
            _ => "987654321",
        };
        // A row whose key was changed has another condition now.
        let moved = |literal: &str, key: &Key| {
            let old = format!("{name} = {}", if literal == aside { &one } else { &other });
            let new = format!("{name} = {literal}");
            let condition = key.condition.replacen(&old, &new, 1);
            Key {
                condition,
                position: None,
            }
        };
        let aside_key = if column.in_key {
            moved(aside, first)
        } else {
            first.clone()
        };
        let steps = [
            set_sql(table, name, first, aside),
            set_sql(table, name, second, &one),
            set_sql(table, name, &aside_key, &other),
        ];
        self.run("BEGIN").await.unwrap();
        for step in &steps {
            if self.run(step).await.is_err() {
                self.run("ROLLBACK").await.unwrap();
                return false;
            }
        }
        self.run("COMMIT").await.unwrap();
        true
    }
}

fn set_sql(table: &str, column: &str, key: &Key, literal: &str) -> String {
    format!(
        "UPDATE {table} SET {column} = {literal} WHERE {}",
        key.condition
    )
}

/// Other values for a literal: every way in which one value can be changed without a key.
pub fn changed(literal: &str, in_key: bool) -> Vec<String> {
    if literal == "NULL" {
        return vec!["5".to_owned()];
    }
    if let Some(hex) = literal
        .strip_prefix("X'")
        .and_then(|rest| rest.strip_suffix('\''))
    {
        if hex.is_empty() {
            return vec!["X'00'".to_owned()];
        }
        let flip = |at: usize| {
            let digit = u8::from_str_radix(&hex[at..=at], 16).unwrap() ^ 1;
            format!("X'{}{digit:X}{}'", &hex[..at], &hex[at + 1..])
        };
        return vec![
            flip(hex.len() / 2),
            format!("X'{}'", &hex[..hex.len() - 2]),
            format!("X'{hex}00'"),
            "X''".to_owned(),
            flip(0),
            flip(hex.len() - 1),
        ];
    }
    if let Some(text) = literal
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
    {
        let mut others = vec![format!("'{text}x'"), "''".to_owned()];
        // Another spelling, and another word that is known.
        for other in [text.to_uppercase(), "disbursement".to_owned()] {
            if other != text {
                others.push(format!("'{other}'"));
            }
        }
        return others;
    }
    let number: i64 = literal.parse().unwrap();
    if in_key {
        let far = number + 1_000_000;
        return vec![far.to_string(), (-7 - number).to_string()];
    }
    vec![(number + 1).to_string(), "-1".to_owned()]
}
