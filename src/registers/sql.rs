//! SQL over the registers as of any moment: the engine of the audit, and of whoever has a question.
//!
//! What comes in: open registers, which are pinned ([`Pinned`]), a size, that is, the number of
//! entries that count, and the text of a query. What goes out: columns of rows. What may fail: a
//! text that is no query or asks for what is not there, which says where; a query that would
//! change something; files that were changed meanwhile ([`SqlError`]). What must stay true: a
//! session answers as of its size, however the ledger grows; nothing can be written and no other
//! file be read; registers hold no sealed field, so no query can show one.
//!
//! A session ([`Session`]) has these tables: `births`, `registrations`, `pregnancy_losses`,
//! `disbursements`, `activities` and `returns` with the rows that are current as of its size;
//! `births_history` and so on with all versions and where each was superseded; and `offices`.
//!
//! ```text
//! births          [table]       what is current as of a size, in the types of SQL
//!   superseded    [holding]     for all sizes: which row has a later version, and where
//!   versions      [versions]    all rows: Parquet files, and what is in memory
//!     files       [files]       exactly the files that were pinned
//! ```
//!
//! [`Session::query`] answers as a stream, [`Session::whole`] all at once and faster.

pub mod cells;
mod engine;
mod error;
mod files;
mod holding;
mod offices;
mod record_id;
mod table;
mod versions;
mod whole;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SQLOptions, SessionContext};
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use futures_util::TryStreamExt;

pub use self::error::SqlError;
pub use self::files::Changed;
use self::holding::Superseded;
use self::offices::{OFFICES, offices};
pub use self::table::SUPERSEDED_AT;
use self::table::{RegisterTable, Rows};
use self::versions::Versions;
use super::{RegisterError, Registers};
use crate::model::office::OfficeDirectory;
use crate::model::schema::RecordKind;

/// Shorthand.
type Result<T> = std::result::Result<T, SqlError>;

/// Registers as they were at a moment, for any number of sessions.
pub struct Pinned {
    size: u64,
    /// By kind, in their order.
    versions: Vec<(RecordKind, Arc<Versions>)>,
    superseded: Arc<Superseded>,
    runtime: Arc<RuntimeEnv>,
}

/// Questions to the registers as of one size.
pub struct Session {
    size: u64,
    tables: Vec<(String, Arc<dyn TableProvider>)>,
    context: SessionContext,
    /// Tables that were made for single queries.
    made: AtomicU64,
}

/// A table that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInfo {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<ColumnInfo>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// `text`, `integer`, `date`, or `timestamp`, which is one of UTC.
    pub data: &'static str,
    /// Whether it may be null.
    pub nullable: bool,
}

/// The answer to a query.
pub struct Answer {
    rows: SendableRecordBatchStream,
}

impl Registers {
    /// A session as of the first `size` entries, with these offices. For several sizes, pin once
    /// ([`Pinned::of`]).
    ///
    /// # Errors
    /// See [`Pinned::of`] and [`Pinned::session`].
    pub fn sql_session(&self, size: u64, directory: &OfficeDirectory) -> Result<Session> {
        Pinned::of(self)?.session(size, directory)
    }
}

impl Pinned {
    /// Pins what the registers hold now.
    ///
    /// # Errors
    /// When the engine does not start.
    pub fn of(registers: &Registers) -> Result<Self> {
        let mut versions = Vec::with_capacity(RecordKind::ALL.len());
        for kind in RecordKind::ALL {
            versions.push((kind, Arc::new(Versions::of(registers, kind)?)));
        }
        Ok(Self {
            size: registers.size(),
            versions,
            superseded: Arc::new(Superseded::of(registers.succession.steps())),
            runtime: engine::runtime()?,
        })
    }

    /// Number of entries that are known.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// A session as of the first `size` entries, with the offices that there were.
    ///
    /// # Errors
    /// When so many entries are not known.
    pub fn session(&self, size: u64, directory: &OfficeDirectory) -> Result<Session> {
        if size > self.size {
            let known = self.size;
            return Err(RegisterError::Behind { size, known }.into());
        }
        let mut tables: Vec<(String, Arc<dyn TableProvider>)> = Vec::new();
        for (kind, versions) in &self.versions {
            let table = |rows| {
                let (versions, superseded) = (Arc::clone(versions), Arc::clone(&self.superseded));
                let table = RegisterTable::new(versions, superseded, self.size, size, rows);
                Arc::new(table)
            };
            tables.push((kind.file().to_owned(), table(Rows::Current)));
            tables.push((format!("{}_history", kind.file()), table(Rows::History)));
        }
        let mut session = Session::empty(size, Arc::clone(&self.runtime));
        for (name, table) in tables {
            session.add(name, table)?;
        }
        let batch = offices(directory).map_err(DataFusionError::from)?;
        session.add_rows(OFFICES, vec![batch])?;
        Ok(session)
    }
}

impl Session {
    /// A session without any table, as of the first `size` entries: for rows that are made for it.
    ///
    /// # Errors
    /// When the engine does not start.
    pub fn of_nothing(size: u64) -> Result<Self> {
        Ok(Self::empty(size, engine::runtime()?))
    }

    fn empty(size: u64, runtime: Arc<RuntimeEnv>) -> Self {
        Self {
            size,
            tables: Vec::new(),
            context: engine::context(runtime),
            made: AtomicU64::new(0),
        }
    }

    fn add(&mut self, name: String, table: Arc<dyn TableProvider>) -> Result<()> {
        let added = Arc::clone(&table);
        self.context.register_table(name.as_str(), added)?;
        self.tables.push((name, table));
        Ok(())
    }

    /// Adds a table of these rows, in memory; none where there is not even a batch without rows.
    ///
    /// # Errors
    /// When the batches have different columns.
    pub fn add_rows(&mut self, name: &str, batches: Vec<RecordBatch>) -> Result<()> {
        let Some(schema) = batches.first().map(RecordBatch::schema) else {
            return Ok(());
        };
        let table = MemTable::try_new(schema, vec![batches])?;
        self.add(name.to_owned(), Arc::new(table))
    }

    /// The number of entries that count.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The engine, to register functions with.
    #[must_use]
    pub const fn context(&self) -> &SessionContext {
        &self.context
    }

    /// The tables.
    #[must_use]
    pub fn tables(&self) -> Vec<TableInfo> {
        let columns = |table: &Arc<dyn TableProvider>| {
            let schema = table.schema();
            let columns = schema.fields().iter().map(|field| ColumnInfo {
                name: field.name().clone(),
                data: word(field.data_type()),
                nullable: field.is_nullable(),
            });
            columns.collect()
        };
        let tables = self.tables.iter().map(|(name, table)| TableInfo {
            name: name.clone(),
            columns: columns(table),
        });
        tables.collect()
    }

    /// Begins to answer a query.
    ///
    /// # Errors
    /// When it is none, or none that can be answered; see [`SqlError`].
    pub async fn query(&self, text: &str) -> Result<Answer> {
        let rows = self.rows(reading(text)?, Joins::Sorted).await?;
        Ok(Answer { rows })
    }

    /// The rows that a statement asks for.
    async fn rows(&self, statement: Statement, joins: Joins) -> Result<SendableRecordBatchStream> {
        let mut state = self.context.state();
        let options = state.config_mut().options_mut();
        options.optimizer.prefer_hash_join = joins == Joins::InMemory;
        let plan = state.statement_to_plan(statement).await?;
        only_reads(&plan)?;
        Ok(DataFrame::new(state, plan).execute_stream().await?)
    }
}

impl Answer {
    /// Its columns.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    /// The next rows; `None` at the end.
    ///
    /// # Errors
    /// When a row cannot be computed, or a file was changed.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        Ok(self.rows.try_next().await?)
    }

    /// All rows that are still to come.
    ///
    /// # Errors
    /// See [`Answer::next`].
    pub async fn collect(self) -> Result<Vec<RecordBatch>> {
        Ok(self.rows.try_collect().await?)
    }
}

/// The name of a type of the tables.
fn word(data: &DataType) -> &'static str {
    match data {
        DataType::Int64 => "integer",
        DataType::Date32 => "date",
        DataType::Timestamp(..) => "timestamp",
        _ => "text",
    }
}

/// How tables are joined.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Joins {
    /// One side in memory.
    InMemory,
    /// Both sides sorted, which can go to temporary files.
    Sorted,
}

/// The statement of a text, which must read and do nothing else.
fn reading(text: &str) -> Result<Statement> {
    let statement = one_statement(text)?;
    if reads(&statement) {
        Ok(statement)
    } else {
        Err(SqlError::NotReading(verb(&statement)))
    }
}

fn one_statement(text: &str) -> Result<Statement> {
    let mut statements = DFParserBuilder::new(text).build()?.parse_statements()?;
    match (statements.pop_front(), statements.len()) {
        (Some(statement), 0) => Ok(statement),
        (None, _) => Err(SqlError::Empty),
        (Some(_), more) => Err(SqlError::Several(more + 1)),
    }
}

/// Refuses what the words do not show: SELECT ... INTO makes a table.
fn only_reads(plan: &LogicalPlan) -> Result<()> {
    let only_reading = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    let checked = only_reading.verify_plan(plan);
    checked.map_err(|error| SqlError::NotReading(error.message().into_owned()))
}

fn reads(statement: &Statement) -> bool {
    match statement {
        Statement::Statement(statement) => matches!(
            **statement,
            SqlStatement::Query(_)
                | SqlStatement::ExplainTable { .. }
                | SqlStatement::ShowTables { .. }
                | SqlStatement::ShowColumns { .. }
                | SqlStatement::ShowFunctions { .. }
                | SqlStatement::ShowVariable { .. }
        ),
        Statement::Explain(explained) => reads(&explained.statement),
        _ => false,
    }
}

/// The first words of a statement.
fn verb(statement: &Statement) -> String {
    let text = statement.to_string();
    let words = text.split_whitespace().take(2);
    words.collect::<Vec<_>>().join(" ")
}
