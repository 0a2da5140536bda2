//! The files of a register as they were when it was pinned, and the way of the query engine to
//! them.
//!
//! What comes in: what the manifests of open registers say of their files. What goes out: bytes of
//! exactly these files. What may fail: a file that is not what was stated of it any more
//! ([`Changed`]). What must stay true: rows of two states of the registers never meet in one answer,
//! also when they are rebuilt meanwhile; the engine gets no other file than these.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::ChunkReader;

use crate::registers::file::{Fault, Folder, Stated};

/// A file of the registers is not what it was when they were opened.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "a file of the registers is not what it was when they were opened: {0}; run the query again"
)]
pub struct Changed(pub Fault);

/// One Parquet file of a register, pinned.
#[derive(Debug)]
pub(super) struct PinnedFile {
    folder: Arc<Folder>,
    /// Within the folder.
    path: PathBuf,
    stated: Stated,
    /// What its footer says; read once for all queries.
    footer: OnceLock<Arc<ParquetMetaData>>,
}

impl PinnedFile {
    /// The file of this path, as stated.
    pub(super) fn new(folder: &Arc<Folder>, path: PathBuf, stated: &Stated) -> Self {
        Self {
            folder: Arc::clone(folder),
            path,
            stated: stated.clone(),
            footer: OnceLock::new(),
        }
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.stated.bytes
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file, if it is what was stated. What is open stays what it is.
    fn open(&self) -> ParquetResult<File> {
        let opened = self.folder.open(&self.path, &self.stated);
        opened.map_err(|fault| ParquetError::External(Box::new(Changed(fault))))
    }

    fn footer(&self, file: &File) -> ParquetResult<Arc<ParquetMetaData>> {
        if let Some(footer) = self.footer.get() {
            return Ok(Arc::clone(footer));
        }
        let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
        let footer = Arc::new(reader.parse_and_finish(file)?);
        Ok(Arc::clone(self.footer.get_or_init(|| footer)))
    }
}

/// Gives the engine readers of pinned files. It names a file by its path, but gets the file that
/// is attached to the path.
#[derive(Debug)]
pub(super) struct PinnedFiles;

impl ParquetFileReaderFactory for PinnedFiles {
    fn create_reader(
        &self,
        _partition: usize,
        file: PartitionedFile,
        _hint: Option<usize>,
        _metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let pinned = file.extension::<Arc<PinnedFile>>().cloned();
        let pinned = pinned.ok_or_else(|| {
            DataFusionError::Internal("a file that is none of the registers".to_owned())
        })?;
        Ok(Box::new(Reader { pinned, file: None }))
    }
}

/// Reads one pinned file, on threads that may block.
struct Reader {
    pinned: Arc<PinnedFile>,
    file: Option<Arc<File>>,
}

impl Reader {
    async fn with<T: Send + 'static>(
        &mut self,
        read: impl FnOnce(&PinnedFile, &File) -> ParquetResult<T> + Send + 'static,
    ) -> ParquetResult<T> {
        let (pinned, open) = (Arc::clone(&self.pinned), self.file.clone());
        let work = move || {
            let file = match open {
                Some(file) => file,
                None => Arc::new(pinned.open()?),
            };
            Ok((read(&pinned, &file)?, file))
        };
        let done: ParquetResult<_> = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| ParquetError::External(Box::new(error)))?;
        let (answer, file) = done?;
        self.file = Some(file);
        Ok(answer)
    }
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.with(move |_, file| bytes(file, &range)).boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        let read = move |_: &PinnedFile, file: &File| {
            let read = ranges.iter().map(|range| bytes(file, range));
            read.collect()
        };
        self.with(read).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        self.with(PinnedFile::footer).boxed()
    }
}

fn bytes(file: &File, range: &Range<u64>) -> ParquetResult<Bytes> {
    let length = usize::try_from(range.end - range.start)?;
    file.get_bytes(range.start, length)
}
