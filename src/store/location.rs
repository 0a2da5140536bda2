//! Where a ledger's databases are: in its folder, or on a PostgreSQL server.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

use super::postgres::{PATIENCE, PostgresStore};
use super::sqlite::SqliteStore;
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
}
