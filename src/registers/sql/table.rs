//! The tables that queries see: what is current as of a size, and every version below it.
//!
//! What comes in: a pinned register and a size. What goes out: tables with the columns of the
//! register in types that are at home in SQL: ids as text, numbers as 64-bit integers, dates,
//! moments in UTC, words as text. What may fail: a file that was changed. What must stay true:
//! rows at or after the size have no influence; a query that filters, or wants few columns, reads
//! no more than it would from the files themselves.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::logical_expr::{
    Expr, LogicalPlanBuilder, ScalarUDF, TableProviderFilterPushDown, TableType, cast,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{col, lit};

use super::holding::{Superseded, SupersededAt};
use super::record_id::IdText;
use super::versions::Versions;
use crate::registers::row::Change;

/// Column of a history: the position at which a row is superseded, null while it is not.
pub const SUPERSEDED_AT: &str = "superseded_at";

/// Which rows a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// The last of each record, if that is no void.
    Current,
    /// All.
    History,
}

/// A register as of a size.
#[derive(Debug)]
pub(super) struct RegisterTable {
    versions: Arc<Versions>,
    superseded: Arc<Superseded>,
    /// Whether the size is less than what the register holds.
    is_past: bool,
    size: u64,
    rows: Rows,
    schema: SchemaRef,
}

impl RegisterTable {
    /// `known` is how many entries the registers know.
    pub(super) fn new(
        versions: Arc<Versions>,
        superseded: Arc<Superseded>,
        known: u64,
        size: u64,
        rows: Rows,
    ) -> Self {
        let columns = versions.schema();
        let mut fields: Vec<Field> = columns.fields().iter().map(|f| shown(f)).collect();
        if rows == Rows::History {
            fields.push(Field::new(SUPERSEDED_AT, DataType::Int64, true));
        }
        Self {
            versions,
            superseded,
            is_past: size < known,
            size,
            rows,
            schema: Arc::new(Schema::new(fields)),
        }
    }

    /// The rows of the table as a plan over all versions.
    fn plan(&self) -> Result<LogicalPlanBuilder> {
        let source = provider_as_source(Arc::<Versions>::clone(&self.versions));
        let mut plan = LogicalPlanBuilder::scan("versions", source, None)?;
        if self.is_past {
            plan = plan.filter(col("position").lt(lit(self.size)))?;
        }
        let superseded = Arc::clone(&self.superseded);
        let at = ScalarUDF::from(SupersededAt::as_of(superseded, self.size));
        let at = at.call(vec![col("position")]);
        let mut columns: Vec<Expr> = Vec::with_capacity(self.schema.fields().len());
        for field in self.versions.schema().fields() {
            let value = match field.data_type() {
                DataType::FixedSizeBinary(_) => {
                    ScalarUDF::from(IdText::new()).call(vec![col(field.name())])
                }
                DataType::UInt64 => cast(col(field.name()), DataType::Int64),
                _ => col(field.name()),
            };
            columns.push(value.alias(field.name()));
        }
        match self.rows {
            Rows::Current => {
                plan = plan
                    .filter(at.is_null())?
                    .filter(col("change").not_eq(lit(Change::Voided.as_str())))?;
            }
            Rows::History => columns.push(at.alias(SUPERSEDED_AT)),
        }
        plan.project(columns)
    }
}

/// A column of the files as SQL sees it.
fn shown(field: &Field) -> Field {
    let data = match field.data_type() {
        DataType::FixedSizeBinary(_) => DataType::Utf8View,
        DataType::UInt64 => DataType::Int64,
        other => other.clone(),
    };
    field.clone().with_data_type(data)
}

#[async_trait]
impl TableProvider for RegisterTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Exact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut plan = self.plan()?;
        if let Some(filter) = filters.iter().cloned().reduce(Expr::and) {
            plan = plan.filter(filter)?;
        }
        if let Some(projection) = projection {
            let wanted = projection.iter();
            plan = plan.project(wanted.map(|index| col(self.schema.field(*index).name())))?;
        }
        if limit.is_some() {
            plan = plan.limit(0, limit)?;
        }
        state.create_physical_plan(&plan.build()?).await
    }
}
