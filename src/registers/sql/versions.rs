//! Every row of a register, as the query engine scans it: the Parquet files and the tail.
//!
//! What comes in: open registers. What goes out: a table of all versions of all records of a kind,
//! with the columns of the files. What may fail: a file that was changed. What must stay true: it
//! holds what the registers held when they were pinned.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::arrow::compute::cast;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;

use super::super::columns::schema;
use super::super::{RegisterError, Registers};
use super::files::{PinnedFile, PinnedFiles};
use crate::model::schema::RecordKind;

/// Where the engine believes the files to be. There is nothing there: [`PinnedFiles`] reads.
pub(super) const NOWHERE: &str = "registers://pinned";

/// The register of a kind, pinned.
#[derive(Debug)]
pub(super) struct Versions {
    schema: SchemaRef,
    files: Vec<Arc<PinnedFile>>,
    rows_in_files: usize,
    tail: RecordBatch,
}

/// The columns of a register with text as views: most words repeat, and a view of a word in a
/// file's dictionary is not copied.
fn viewed(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        let field = field.as_ref().clone();
        match field.data_type() {
            DataType::Utf8 => field.with_data_type(DataType::Utf8View),
            _ => field,
        }
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

impl Versions {
    /// Pins the register of a kind.
    ///
    /// # Errors
    /// When what is in memory does not make a batch, which would be an error of this program.
    pub(super) fn of(
        registers: &Registers,
        kind: RecordKind,
    ) -> std::result::Result<Self, RegisterError> {
        let schema = viewed(&schema(kind));
        let stated = registers.segments.iter();
        let stated = stated.filter_map(|segment| segment.file(kind));
        let files = stated
            .map(|(path, stated)| Arc::new(PinnedFile::new(&registers.folder, path, stated)))
            .collect();
        let tail = registers.tail(kind)?;
        let columns = tail.columns().iter().zip(schema.fields());
        let columns = columns.map(|(column, field)| cast(column, field.data_type()));
        let columns = columns.collect::<std::result::Result<_, _>>();
        let tail = columns.and_then(|columns| RecordBatch::try_new(Arc::clone(&schema), columns));
        Ok(Self {
            schema,
            files,
            rows_in_files: usize::try_from(registers.rows_in_files(kind)).unwrap_or(usize::MAX),
            tail: tail.map_err(super::super::columns::ColumnError::from)?,
        })
    }

    /// A scan of the files, in as many parts as can run at once.
    fn scan_files(
        &self,
        parts: usize,
        projection: Option<&Vec<usize>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let source = ParquetSource::new(Arc::clone(&self.schema))
            .with_parquet_file_reader_factory(Arc::new(PinnedFiles));
        let each = self.files.len().div_ceil(parts).max(1);
        let groups = self.files.chunks(each).map(|files| {
            let files = files.iter().map(|file| {
                let path = file.path().display().to_string();
                PartitionedFile::new(path, file.bytes()).with_extension(Arc::clone(file))
            });
            FileGroup::new(files.collect())
        });
        let statistics = Statistics {
            num_rows: Precision::Exact(self.rows_in_files),
            ..Statistics::new_unknown(&self.schema)
        };
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(NOWHERE)?, Arc::new(source))
            .with_file_groups(groups.collect())
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

#[async_trait]
impl TableProvider for Versions {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters stay above the scan; the optimizer moves them into it where that pays.
    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let tail = [vec![self.tail.clone()]];
        let tail: Arc<dyn ExecutionPlan> =
            MemorySourceConfig::try_new_exec(&tail, self.schema(), projection.cloned())?;
        if self.files.is_empty() {
            return Ok(tail);
        }
        let parts = state.config().target_partitions();
        UnionExec::try_new(vec![self.scan_files(parts, projection)?, tail])
    }
}
