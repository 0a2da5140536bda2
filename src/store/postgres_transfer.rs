//! Copies of the PostgreSQL schemas: read in one transaction that sees one moment, written in one
//! transaction that creates the schemas, too.

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgConnection, PgRow, Postgres};
use sqlx::{Connection, Executor, Row as _};

use super::postgres::{
    SESSION, connect_to_new, create_tables, failed, not_there, options, schema_must_be,
};
use super::postgres_append::{number_of, position_of};
use super::transfer::{Kind, Part, Row, Source, Table, Target, Value};
use super::{Result, StoreError};

const fn schema(part: Part) -> &'static str {
    match part {
        Part::Ledger => "vitaledger.",
        Part::Vault => "vitaledger_vault.",
    }
}

/// Both schemas as of one moment.
pub(super) struct PostgresSource {
    connection: PgConnection,
    size: u64,
    note: Vec<u8>,
}

impl PostgresSource {
    pub(super) async fn open(address: &str) -> Result<Self> {
        let options = options(address)?;
        let database = options.get_database().unwrap_or_default().to_owned();
        let connecting = PgConnection::connect_with(&options).await;
        let mut connection = connecting.map_err(failed("connect to the database"))?;
        for sql in [
            SESSION,
            // The other side may pause to write for longer than an append may.
            "SET idle_in_transaction_session_timeout = 0",
            "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        ] {
            let done = connection.execute(sql).await;
            done.map_err(failed("begin to read the database"))
                .map_err(|error| not_there(error, &database))?;
        }
        let version: i64 = sqlx::query_scalar("SELECT version FROM vitaledger.schema_version")
            .fetch_one(&mut connection)
            .await
            .map_err(failed("read the schema's version"))
            .map_err(|error| not_there(error, &database))?;
        schema_must_be(version)?;
        let newest =
            sqlx::query("SELECT size, note FROM vitaledger.checkpoint ORDER BY size DESC LIMIT 1")
                .fetch_optional(&mut connection)
                .await
                .map_err(failed("read the newest checkpoint"))?;
        let read = |row: PgRow| Ok((position_of(row.try_get(0)?), row.try_get(1)?));
        let newest = newest.map(read).transpose();
        let newest = newest.map_err(failed("read the newest checkpoint"))?;
        let (size, note) = newest.unwrap_or_default();
        Ok(Self {
            connection,
            size,
            note,
        })
    }
}

fn bind<'q>(
    query: sqlx::query::Query<'q, Postgres, PgArguments>,
    value: &'q Value,
) -> sqlx::query::Query<'q, Postgres, PgArguments> {
    match value {
        Value::Number(number) => query.bind(*number),
        Value::Text(text) => query.bind(text.as_str()),
        Value::Bytes(bytes) => query.bind(bytes.as_slice()),
    }
}

fn read(table: &Table, row: &PgRow) -> sqlx::Result<Row> {
    let value = |(index, (_, kind)): (usize, &(&str, Kind))| {
        Ok(match kind {
            Kind::Number => Value::Number(row.try_get(index)?),
            Kind::Text => Value::Text(row.try_get(index)?),
            Kind::Bytes => Value::Bytes(row.try_get(index)?),
        })
    };
    table.columns.iter().enumerate().map(value).collect()
}

#[async_trait]
impl Source for PostgresSource {
    fn newest(&self) -> (u64, &[u8]) {
        (self.size, &self.note)
    }

    async fn is_unsettled(&mut self) -> Result<bool> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM vitaledger.entry
              WHERE position >= $1 AND aggregate_type IN ('erasure', 'ledger'))",
        )
        .bind(number_of(self.size))
        .fetch_one(&mut self.connection)
        .await
        .map_err(failed("look for erasures"))
    }

    async fn rows(&mut self, table: &Table, after: Option<&Row>, limit: u64) -> Result<Vec<Row>> {
        let doing = "read the rows of a table";
        let sql = table.select(schema(table.part), "::bigint", after.is_some());
        let mut query = sqlx::query(&sql);
        for value in after.iter().flat_map(|row| &row[..table.key]) {
            query = bind(query, value);
        }
        if table.below_size.is_some() {
            query = query.bind(number_of(self.size));
        }
        let query = query.bind(number_of(limit));
        let rows = query.fetch_all(&mut self.connection).await;
        let rows = rows.map_err(failed(doing))?;
        let read = |row| read(table, row).map_err(failed(doing));
        rows.iter().map(read).collect()
    }

    /// Reading holds up nothing here.
    async fn leave_vault(&mut self) -> Result<()> {
        Ok(())
    }
}

/// New schemas in a database that has none; they are there when the transaction is.
pub(super) struct PostgresTarget {
    connection: PgConnection,
}

impl PostgresTarget {
    pub(super) async fn must_be_free(address: &str) -> Result<()> {
        let closed = connect_to_new(address).await?.close().await;
        closed.map_err(failed("close a connection"))
    }

    pub(super) async fn create(address: &str) -> Result<Self> {
        let mut connection = connect_to_new(address).await?;
        let begun = connection.execute("BEGIN").await;
        begun.map_err(failed("begin a transaction"))?;
        create_tables(&mut connection).await?;
        Ok(Self { connection })
    }
}

/// The values of a column, as an array that is sent whole.
enum Column {
    Numbers(Vec<Option<i64>>),
    Texts(Vec<String>),
    Bytes(Vec<Vec<u8>>),
}

impl Column {
    fn of(kind: Kind, rows: usize) -> Self {
        match kind {
            Kind::Number => Self::Numbers(Vec::with_capacity(rows)),
            Kind::Text => Self::Texts(Vec::with_capacity(rows)),
            Kind::Bytes => Self::Bytes(Vec::with_capacity(rows)),
        }
    }

    fn push(&mut self, value: Value) -> Result<()> {
        match (self, value) {
            (Self::Numbers(column), Value::Number(number)) => column.push(number),
            (Self::Texts(column), Value::Text(text)) => column.push(text),
            (Self::Bytes(column), Value::Bytes(bytes)) => column.push(bytes),
            _ => {
                let what = "a row has a value of another type than its column".to_owned();
                return Err(StoreError::Integrity { position: 0, what });
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Target for PostgresTarget {
    async fn put(&mut self, table: &Table, rows: Vec<Row>) -> Result<()> {
        let kinds = table.columns.iter().map(|(_, kind)| *kind);
        let of_kind = |kind| Column::of(kind, rows.len());
        let mut columns: Vec<Column> = kinds.clone().map(of_kind).collect();
        for row in rows {
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value)?;
            }
        }
        let types = kinds.zip(1..).map(|(kind, number)| match kind {
            Kind::Number => format!("${number}::bigint[]"),
            Kind::Text => format!("${number}::text[]"),
            Kind::Bytes => format!("${number}::bytea[]"),
        });
        let types: Vec<String> = types.collect();
        let sql = format!(
            "INSERT INTO {}{} ({}) SELECT * FROM unnest({})",
            schema(table.part),
            table.name,
            table.names(),
            types.join(", ")
        );
        let mut query = sqlx::query(&sql);
        for column in columns {
            query = match column {
                Column::Numbers(column) => query.bind(column),
                Column::Texts(column) => query.bind(column),
                Column::Bytes(column) => query.bind(column),
            };
        }
        let done = query.execute(&mut self.connection).await;
        done.map_err(failed("write the rows of a table"))?;
        Ok(())
    }

    async fn finish(mut self: Box<Self>, signed: (u64, [u8; 32])) -> Result<()> {
        sqlx::query("UPDATE vitaledger.signing SET size = $1, root = $2")
            .bind(number_of(signed.0))
            .bind(signed.1.as_slice())
            .execute(&mut self.connection)
            .await
            .map_err(failed("say what was signed"))?;
        let committed = self.connection.execute("COMMIT").await;
        committed.map_err(failed("commit the copy"))?;
        let closed = self.connection.close().await;
        closed.map_err(failed("close a connection"))
    }
}
