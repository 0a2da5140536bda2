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
use datafusion::datasource::MemTable;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Query, Statement as SqlStatement};
use futures_util::TryStreamExt;

use super::{Joins, Result, Session, SqlError, one_statement, reading};

/// The query of a statement, where it is one.
fn query_of(statement: &mut Statement) -> Option<&mut Query> {
    let Statement::Statement(statement) = statement else {
        return None;
    };
    match &mut **statement {
        SqlStatement::Query(query) => Some(query),
        _ => None,
    }
}

/// The query for all rows of a table.
fn all_of(table: &str) -> Result<Query> {
    let mut statement = one_statement(&format!("SELECT * FROM {table}"))?;
    query_of(&mut statement).cloned().ok_or(SqlError::Empty)
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
        let mut statement = reading(text)?;
        let mut made = Vec::new();
        let answered = async {
            self.make(&mut statement, once, joins, &mut made).await?;
            self.all_rows(statement, joins).await
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
        let mut missing: Vec<&String> = once.iter().collect();
        let with = query_of(statement).and_then(|query| query.with.as_mut());
        if let Some(with) = with.filter(|with| !with.recursive) {
            // What stands before a table may be asked by it.
            let mut before = with.clone();
            before.cte_tables.clear();
            for table in &mut with.cte_tables {
                let name = table.alias.name.value.clone();
                before.cte_tables.push(table.clone());
                if !once.contains(&name) {
                    continue;
                }
                missing.retain(|other| **other != name);
                let mut asked = all_of(&name)?;
                asked.with = Some(before.clone());
                let asked = SqlStatement::Query(Box::new(asked));
                let asked = Statement::Statement(Box::new(asked));
                let (schema, batches) = self.all_rows(asked, joins).await?;
                let number = self.made.fetch_add(1, Ordering::Relaxed);
                let own = format!("once_{number}");
                let rows = MemTable::try_new(schema, vec![batches])?;
                self.context.register_table(own.as_str(), Arc::new(rows))?;
                *table.query = all_of(&own)?;
                made.push(own);
                before.cte_tables.pop();
                before.cte_tables.push(table.clone());
            }
        }
        match missing.first() {
            Some(name) => Err(SqlError::Query(format!(
                "{name} is to be computed once, and is no table of the query's WITH"
            ))),
            None => Ok(()),
        }
    }

    async fn all_rows(
        &self,
        statement: Statement,
        joins: Joins,
    ) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let rows = self.rows(statement, joins).await?;
        Ok((rows.schema(), rows.try_collect().await?))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array};
    use datafusion::execution::memory_pool::FairSpillPool;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;

    use super::*;

    /// `numbers(number, half)` with so many rows, and so much memory for what is joined.
    fn session(rows: i64, bytes: usize) -> Session {
        let pool = Arc::new(FairSpillPool::new(bytes));
        // Two at a time: the sort that is first at its last step must leave the others theirs.
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(pool)
            .with_max_spill_merge_fan_in(2);
        let mut session = Session::empty(1, runtime.build_arc().unwrap());
        let numbers: ArrayRef = Arc::new((0..rows).collect::<Int64Array>());
        let halves: ArrayRef = Arc::new((0..rows).map(|row| row / 2).collect::<Int64Array>());
        let all = RecordBatch::try_from_iter([("number", numbers), ("half", halves)]).unwrap();
        let pieces = (0..all.num_rows()).step_by(8192);
        let pieces = pieces.map(|from| all.slice(from, 8192.min(all.num_rows() - from)));
        session.add_rows("numbers", pieces.collect()).unwrap();
        session
    }

    fn only(batches: &[RecordBatch]) -> i64 {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(rows, 1);
        let full = batches.iter().find(|batch| batch.num_rows() == 1).unwrap();
        full.column(0).as_primitive::<Int64Type>().value(0)
    }

    const PAIRS: &str = "
        WITH even AS (SELECT number, half FROM numbers WHERE number % 2 = 0),
             pairs AS (SELECT half, count(*) AS n FROM even GROUP BY half)
        SELECT sum(e.number) + sum(p.n) FROM even e JOIN pairs p ON e.half = p.half";

    #[tokio::test]
    async fn what_is_made_once_gives_the_same_and_is_gone_afterwards() {
        let session = session(1_000, 1 << 26);
        let expected = only(&session.whole(PAIRS, &[]).await.unwrap());
        assert_eq!(expected, (0..1_000).step_by(2).sum::<i64>() + 500);
        let once = ["even".to_owned(), "pairs".to_owned()];
        for _ in 0..2 {
            assert_eq!(only(&session.whole(PAIRS, &once).await.unwrap()), expected);
        }
        let left = session.whole("SELECT * FROM once_0", &[]).await;
        assert!(matches!(
            left,
            Err(SqlError::Text { .. } | SqlError::Query(_))
        ));
    }

    #[tokio::test]
    async fn errors_say_where_also_in_what_is_made_once() {
        let session = session(10, 1 << 26);
        let wrong = "WITH a AS (SELECT number\nFROM numbers WHERE nombre > 1) SELECT * FROM a";
        let error = session.whole(wrong, &["a".to_owned()]).await.unwrap_err();
        assert!(matches!(error, SqlError::Text { line: 2, .. }), "{error}");
        let error = session.whole(PAIRS, &["odd".to_owned()]).await.unwrap_err();
        assert!(error.to_string().contains("odd"), "{error}");
        let writes = "CREATE TABLE x AS SELECT 1 AS a";
        let error = session.whole(writes, &[]).await.unwrap_err();
        assert!(matches!(error, SqlError::NotReading(_)), "{error}");
    }

    #[tokio::test]
    async fn without_rows_there_are_columns() {
        let session = session(10, 1 << 26);
        let asked = session.whole("SELECT number FROM numbers WHERE number > 10", &[]);
        let batches = asked.await.unwrap();
        assert_eq!(batches[0].schema().field(0).name(), "number");
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    }

    #[tokio::test]
    async fn a_join_that_does_not_fit_is_sorted_instead() {
        const JOINED: &str =
            "SELECT count(*) FROM numbers a JOIN numbers b ON a.number = b.half + 1";
        let (rows, bytes) = (1_000_000, 12 << 20);
        let session = session(rows, bytes);
        {
            // What each sort keeps free for its last step, which is of no less for few rows: two
            // batches at a time, read ahead. With less, a sort has to find the rest in what the
            // others leave.
            let state = session.context.state_ref();
            let mut state = state.write();
            let execution = &mut state.config_mut().options_mut().execution;
            execution.sort_spill_reservation_bytes = 512 << 10;
            execution.target_partitions = 2;
        }
        let fits = session.attempt(JOINED, &[], Joins::InMemory).await;
        assert!(matches!(fits, Err(SqlError::Memory(_))));
        let found = only(&session.whole(JOINED, &[]).await.unwrap());
        assert_eq!(found, rows);
    }
}
