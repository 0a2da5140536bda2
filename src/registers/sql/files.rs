//! The files of a register as they were when it was pinned, and the way of the query engine to
//! them.
//!
//! What comes in: the segments of open registers, whose digests were checked when they were
//! opened. What goes out: bytes of exactly these files. What may fail: a file that was replaced or
//! changed since, as by a rebuild ([`Replaced`]). What must stay true: rows of two states of the
//! registers never meet in one answer; the engine gets no other file than these.

use std::fs::{File, Metadata};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

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

use super::super::file::failed;

/// A file of the registers is not the one that was pinned.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "{path} was replaced while the registers were being queried, as a rebuild does; run the query again"
)]
pub struct Replaced {
    /// Which file.
    pub path: String,
}

/// What tells one file from another that took its name. Files of registers are never written in
/// place: a new one is renamed over the old one and so is another file to the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    bytes: u64,
    modified: Option<SystemTime>,
    /// Device and number, where files have numbers.
    number: Option<(u64, u64)>,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let number = {
            use std::os::unix::fs::MetadataExt;
            Some((metadata.dev(), metadata.ino()))
        };
        #[cfg(not(unix))]
        let number = None;
        Self {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            number,
        }
    }
}

/// One Parquet file of a register, pinned.
#[derive(Debug)]
pub(super) struct PinnedFile {
    path: PathBuf,
    identity: Identity,
    /// What its footer says; read once for all queries.
    footer: OnceLock<Arc<ParquetMetaData>>,
}

impl PinnedFile {
    /// Pins the file that is there now.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub(super) fn new(path: PathBuf) -> super::super::Result<Self> {
        let metadata = std::fs::metadata(&path).map_err(failed("look at", &path))?;
        Ok(Self {
            identity: Identity::of(&metadata),
            path,
            footer: OnceLock::new(),
        })
    }

    /// Size of the file.
    pub(super) const fn bytes(&self) -> u64 {
        self.identity.bytes
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file, if it is still the one that was pinned. What is open stays what it is.
    fn open(&self) -> ParquetResult<File> {
        let replaced = || {
            let path = self.path.display().to_string();
            ParquetError::External(Box::new(Replaced { path }))
        };
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(replaced()),
            opened => opened?,
        };
        if Identity::of(&file.metadata()?) == self.identity {
            Ok(file)
        } else {
            Err(replaced())
        }
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
/// the path is attached to.
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
