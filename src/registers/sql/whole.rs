//! A query whose whole answer is wanted, as fast as memory allows.
//!
//! What comes in: a query, and the names of those of its `WITH` tables that it asks several times.
//! What goes out: all rows. What may fail: what a query may; see [`SqlError`]. What must stay true:
//! the answer is the same however it is computed.
//!
//! The engine puts the text of a `WITH` table wherever its name stands and computes it there, each
//! time anew: what is asked several times is made once, before. Joins keep one side in memory,
//! which takes half the time of sorting both; where that is too much memory, the query begins
//! anew with sorting, which can go to temporary files.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::MemTable;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Query, Statement as SqlStatement};
use futures_util::TryStreamExt;

use super::{Result, Session, SqlError, one_statement, only_reads, reads, verb};

/// How tables are joined.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Joins {
    /// One side in memory.
    InMemory,
    /// Both sides sorted.
    Sorted,
}

/// The query of a statement, where it is one.
fn query_of(statement: &mut Statement) -> Option<&mut Query> {
    match statement {
        Statement::Statement(statement) => match &mut **statement {
            SqlStatement::Query(query) => Some(query),
            _ => None,
        },
        _ => None,
    }
}

/// All rows of a table.
fn all_of(table: &str) -> Result<(Statement, Query)> {
    let mut statement = one_statement(&format!("SELECT * FROM {table}"))?;
    let query = query_of(&mut statement).map(|query| query.clone());
    let query = query.ok_or(SqlError::Empty)?;
    Ok((statement, query))
}

impl Session {
    /// All rows of the answer to a query; a batch without rows when there are none. Those tables
    /// of its `WITH` that are named in `once` are computed once, with all of their columns.
    ///
    /// # Errors
    /// As [`Session::query`]; a name that is no table of the query's `WITH` is wrong, too.
    pub async fn whole(&self, text: &str, once: &[String]) -> Result<Vec<RecordBatch>> {
        match self.attempt(text, once, Joins::InMemory).await {
            Err(SqlError::Memory(_)) => self.attempt(text, once, Joins::Sorted).await,
            answered => answered,
        }
    }

    async fn attempt(&self, text: &str, once: &[String], joins: Joins) -> Result<Vec<RecordBatch>> {
        let mut statement = one_statement(text)?;
        if !reads(&statement) {
            return Err(SqlError::NotReading(verb(&statement)));
        }
        let mut made = Vec::new();
        let answered = async {
            self.make(&mut statement, once, joins, &mut made).await?;
            self.rows(statement, joins).await
        };
        let answered = answered.await;
        for table in made {
            self.context.deregister_table(table.as_str())?;
        }
        let (schema, mut batches) = answered?;
        if batches.is_empty() {
            batches.push(RecordBatch::new_empty(schema));
        }
        Ok(batches)
    }

    /// Makes the tables that are asked several times, and lets the statement ask them.
    async fn make(
        &self,
        statement: &mut Statement,
        once: &[String],
        joins: Joins,
        made: &mut Vec<String>,
    ) -> Result<()> {
        let with = query_of(statement).and_then(|query| query.with.as_mut());
        let mut with = with.filter(|with| !with.recursive);
        let tables = with.as_ref().map_or(0, |with| with.cte_tables.len());
        let mut missing: Vec<&String> = once.iter().collect();
        for at in 0..tables {
            let Some(table) = with.as_mut().and_then(|with| with.cte_tables.get(at)) else {
                continue;
            };
            let name = table.alias.name.value.clone();
            if !once.contains(&name) {
                continue;
            }
            missing.retain(|other| **other != name);
            // What stands before it may be asked by it.
            let (mut asked, _) = all_of(&name)?;
            if let Some(query) = query_of(&mut asked) {
                query.with = with.as_ref().map(|with| {
                    let mut with = (**with).clone();
                    with.cte_tables.truncate(at + 1);
                    with
                });
            }
            let (schema, batches) = self.rows(asked, joins).await?;
            let number = self.made.fetch_add(1, Ordering::Relaxed);
            let own = format!("once_{number}");
            let rows = MemTable::try_new(schema, vec![batches])?;
            self.context.register_table(own.as_str(), Arc::new(rows))?;
            let (_, instead) = all_of(&own)?;
            made.push(own);
            if let Some(table) = with.as_mut().and_then(|with| with.cte_tables.get_mut(at)) {
                *table.query = instead;
            }
        }
        match missing.first() {
            Some(name) => Err(SqlError::Query(format!(
                "{name} is to be computed once, and is no table of the query's WITH"
            ))),
            None => Ok(()),
        }
    }

    async fn rows(
        &self,
        statement: Statement,
        joins: Joins,
    ) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let mut state = self.context.state();
        let options = state.config_mut().options_mut();
        options.optimizer.prefer_hash_join = joins == Joins::InMemory;
        let plan = state.statement_to_plan(statement).await?;
        only_reads(&plan)?;
        let rows = DataFrame::new(state, plan).execute_stream().await?;
        Ok((rows.schema(), rows.try_collect().await?))
    }
}
