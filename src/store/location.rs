//! Where a ledger's databases are: in its folder, or on a PostgreSQL server.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

use super::postgres::{PATIENCE, PostgresStore};
use super::postgres_transfer::{PostgresSource, PostgresTarget};
use super::sqlite::SqliteStore;
use super::sqlite_transfer::{SqliteSource, SqliteTarget};
use super::transfer::{Source, Target};
use super::{Database, Result, StoreError};

/// Where the databases of a ledger are.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Location {
    /// Two SQLite files in the ledger's folder.
    #[default]
    Folder,
    /// A database of a PostgreSQL server, by its address.
    Postgres(String),
}

impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may hold a password.
        f.write_str(match self {
            Self::Folder => "Folder",
            Self::Postgres(_) => "Postgres",
        })
    }
}

impl FromStr for Location {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "sqlite" | "" => Ok(Self::Folder),
            text if text.starts_with("postgres://") || text.starts_with("postgresql://") => {
                Ok(Self::Postgres(text.to_owned()))
            }
            _ => Err(StoreError::Address {
                what: "it is `sqlite`, or postgres://USER:PASSWORD@HOST:PORT/DATABASE".to_owned(),
            }),
        }
    }
}

impl Location {
    /// Creates the databases of a new ledger.
    ///
    /// # Errors
    /// When there is one already, or the place cannot be used.
    pub async fn create(&self, folder: &Path, ledger_id: Uuid) -> Result<()> {
        match self {
            Self::Folder => SqliteStore::create(folder, ledger_id).await,
            Self::Postgres(address) => PostgresStore::create(address, ledger_id).await,
        }
    }

    /// Opens them.
    ///
    /// # Errors
    /// When there are none, or they are of another version.
    pub async fn open(&self, folder: &Path) -> Result<Arc<dyn Database>> {
        Ok(match self {
            Self::Folder => Arc::new(SqliteStore::open(folder).await?),
            Self::Postgres(address) => Arc::new(PostgresStore::open(address, PATIENCE).await?),
        })
    }

    /// The kind of store, as a word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Folder => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// Both databases as of now, beside others that write them.
    ///
    /// # Errors
    /// When there are none, or they cannot be reached.
    pub async fn snapshot(&self, folder: &Path) -> Result<Box<dyn Source>> {
        Ok(match self {
            Self::Folder => Box::new(SqliteSource::open(folder).await?),
            Self::Postgres(address) => Box::new(PostgresSource::open(address).await?),
        })
    }

    /// Refuses a place where there is a ledger, or a part of one.
    ///
    /// # Errors
    /// When there is, or the place cannot be reached.
    pub async fn must_be_free(&self, folder: &Path) -> Result<()> {
        match self {
            Self::Folder => SqliteTarget::must_be_free(folder),
            Self::Postgres(address) => PostgresTarget::must_be_free(address).await,
        }
    }

    /// New databases where there is no ledger, to be filled.
    ///
    /// # Errors
    /// When there is one already, or the place cannot be used.
    pub async fn fresh(&self, folder: &Path) -> Result<Box<dyn Target>> {
        Ok(match self {
            Self::Folder => Box::new(SqliteTarget::in_ledger(folder).await?),
            Self::Postgres(address) => Box::new(PostgresTarget::create(address).await?),
        })
    }
}

/// A copy of a ledger's databases: two SQLite files in a folder, whatever they were copied from.
pub struct Copy<'a>(pub &'a Path);

impl Copy<'_> {
    /// New files in this folder.
    ///
    /// # Errors
    /// When they are there already, or the folder cannot be written.
    pub async fn fresh(&self) -> Result<Box<dyn Target>> {
        Ok(Box::new(SqliteTarget::in_new_folder(self.0).await?))
    }

    /// The files, which stay as they are.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn snapshot(&self) -> Result<Box<dyn Source>> {
        Ok(Box::new(SqliteSource::open_unchanged(self.0).await?))
    }

    /// The files as a ledger that can only be read.
    ///
    /// # Errors
    /// When they are missing, or of another version.
    pub async fn open(&self) -> Result<Arc<dyn Database>> {
        Ok(Arc::new(SqliteStore::open_unchanged(self.0).await?))
    }
}
