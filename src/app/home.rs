//! The folder of a ledger.
//!
//! ```text
//! ledger/ledger.db         entries, checkpoints, hash tiles       } or both in a database of a
//! ledger/vault.db          sealed fields, tokens                  } PostgreSQL server
//! ledger/registers/        derived; may be deleted
//! ledger/access.db         tokens of the network interface; on a server, the schema vitaledger_access
//! ledger/subscriptions.db  who is told of what, and how far; on a server, vitaledger_subscription
//! ledger/views.db          derived; may be deleted; on a server, the schema vitaledger_views
//! ledger/keys/ledger.key   record ids, tokens, authenticators      0600
//! ledger/keys/master.keys  wrap the records' keys (see `keys`)     0600
//! ledger/keys/signing.key  signs checkpoints (see `signing`)        0600
//! ledger/keys/signed.json  what was signed last                    0600
//! ledger/keys/retired.vkeys  public halves of the signing keys that were destroyed here
//! ledger/log.vkey          the public keys that sign now, to hand out
//! ledger/policy            the witnesses to ask (C2SP tlog-policy); made by the operator
//! ledger/cosigned/         checkpoints with the cosignatures of a quorum of them
//! ```
//!
//! What comes in: the path. What goes out: an open ledger. What may fail: files that are missing
//! or do not belong together. What must stay true: `init` never overwrites anything.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand_core::OsRng;
use tokio::sync::Notify;
use uuid::Uuid;

use super::AppError;
use super::error::failed;
use super::keys::{MasterFile, master_keys_text, new_master_key, read_master_keys};
use super::log_files::parsed;
use super::shelf::Shelf;
use crate::audit::keys::roster;
use crate::ledger::aggregate::log::{Log, LogCommand};
use crate::ledger::aggregate::office::office_after;
use crate::ledger::execute::Ledger;
use crate::ledger::keys::{LedgerKeys, Secret};
use crate::ledger::master::MasterKeys;
use crate::ledger::request::{Context, For, fold};
use crate::ledger::years::year_key_ends;
use crate::model::entry::Entry;
use crate::model::id::Position;
use crate::model::office::{OfficeDirectory, OfficeFields};
use crate::model::time::Timestamp;
use crate::registers::Registers;
use crate::registers::fold::CatchUp;
use crate::registers::views::Views;
use crate::seal::checkpoint::Checkpoint;
use crate::seal::keys::{SigningKey, VerifierKey};
use crate::seal::ring::{FIRST, KeyRing};
use crate::seal::sealer::{SealError, Sealer};
use crate::seal::state::{SignedState, StateFile};
use crate::store::access::Tokens;
use crate::store::location::Location;
use crate::store::{Database, Store, StoreError, Vault};

/// How often it is looked whether another node has sealed, and the pause in between.
const SEAL_WAITS: u32 = 100;
const SEAL_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// How a ledger is to be.
#[derive(Debug, Clone, Default)]
pub struct InitOptions {
    /// Whether times come from the reports: demonstrations, training, tests.
    pub simulated_clock: bool,
    /// The origin line of its checkpoints; made up from its id when not given.
    pub origin: Option<String>,
    /// Where its databases are to be.
    pub store: Location,
}

/// An open ledger with everything that belongs to it.
pub struct App {
    /// The folder.
    pub folder: PathBuf,
    /// The ledger.
    pub ledger: Arc<Ledger>,
    /// Signs checkpoints.
    pub sealer: Arc<Sealer>,
    /// What was signed last.
    pub state: StateFile,
    /// The origin of the log.
    pub origin: String,
    /// The keys that signed when it was opened, as entries name them.
    pub verifier_keys: Vec<VerifierKey>,
    /// Every key that entries named until then: older checkpoints are signed with these.
    pub named_keys: Vec<VerifierKey>,
    /// The acting person or system.
    pub actor: String,
    /// Whether the log has erasures that are applied only once they are sealed.
    pub(super) erasures_wait: Arc<AtomicBool>,
    /// Told that something was appended, where somebody else seals it.
    later: Option<Arc<Notify>>,
    pub(super) shelf: Arc<Shelf>,
    store: Arc<dyn Database>,
}

/// Writes a new file that only its owner can read; refuses to overwrite.
pub(super) fn write_secret(path: &Path, text: &str) -> Result<(), AppError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed("create", path))?;
    file.write_all(text.as_bytes())
        .map_err(failed("write", path))?;
    file.sync_all().map_err(failed("flush", path))
}

/// Makes the ledger's secrets and writes them beside the signing key.
fn write_keys(keys: &Path, signing: &SigningKey) -> Result<(), AppError> {
    let secret = Secret::generate(&mut rand::rng());
    write_secret(
        &keys.join("ledger.key"),
        &format!("{}\n", secret.to_hex().as_str()),
    )?;
    write_secret(
        &keys.join("master.keys"),
        &master_keys_text(&[(1, new_master_key())].into()),
    )?;
    write_secret(
        &keys.join(FIRST),
        &format!("{}\n", signing.encoded().as_str()),
    )
}

pub(super) fn read_file(path: &Path) -> Result<zeroize::Zeroizing<String>, AppError> {
    fs::read_to_string(path)
        .map(zeroize::Zeroizing::new)
        .map_err(failed("read", path))
}

pub(super) fn keys_folder(folder: &Path) -> PathBuf {
    folder.join("keys")
}

impl App {
    /// Creates a ledger, its vault and its keys, and opens it.
    ///
    /// # Errors
    /// When there is something already, or the folder cannot be written.
    pub async fn init(folder: &Path, options: &InitOptions) -> Result<Self, AppError> {
        let keys = keys_folder(folder);
        for path in [
            keys.clone(),
            folder.join("ledger.db"),
            folder.join("vault.db"),
        ] {
            if path.exists() {
                let path = path.display().to_string();
                return Err(StoreError::Exists { path }.into());
            }
        }
        let ledger_id = Uuid::new_v8(rand::random());
        let origin = options.origin.clone().unwrap_or_else(|| {
            let clock = if options.simulated_clock {
                "simulated/"
            } else {
                ""
            };
            format!("vitaledger.invalid/{clock}{}", ledger_id.simple())
        });
        let signing = SigningKey::generate(&mut OsRng, &origin)
            .map_err(|error| AppError::Usage(format!("the origin cannot be used: {error}")))?;
        // Before any key: a server may refuse, and a database may hold a ledger already.
        fs::create_dir_all(folder).map_err(failed("create", folder))?;
        options.store.create(folder, ledger_id).await?;
        fs::create_dir_all(&keys).map_err(failed("create", &keys))?;
        #[cfg(unix)]
        fs::set_permissions(&keys, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .map_err(failed("protect", &keys))?;
        write_keys(&keys, &signing)?;
        let vkey = folder.join("log.vkey");
        fs::write(&vkey, format!("{}\n", signing.verifier_key()))
            .map_err(failed("write", &vkey))?;
        StateFile::new(keys.join("signed.json"))
            .write(&SignedState::new(&origin))
            .map_err(|error| AppError::Usage(error.to_string()))?;
        let store = options.store.open(folder).await?;
        let simulated = options.simulated_clock;
        let mut app = Self::of_parts(folder, ledger_id, simulated, origin.clone(), store)?;
        let verifier_key = signing.verifier_key().to_string();
        app.verifier_keys = vec![signing.verifier_key().clone()];
        app.named_keys.clone_from(&app.verifier_keys);
        let simulated_clock = options.simulated_clock;
        let open = For::<Log>::new(ledger_id, move |_| LogCommand::Open {
            ledger_id,
            origin: origin.clone(),
            simulated_clock,
            verifier_key: verifier_key.clone(),
        });
        let context = app.context(None);
        app.ledger.execute_one(&context, open.command()).await??;
        app.seal().await?;
        Ok(app)
    }

    /// Opens a ledger whose databases are in its folder; see [`Self::open_at`].
    ///
    /// # Errors
    /// As [`Self::open_at`].
    pub async fn open(folder: &Path) -> Result<Self, AppError> {
        Self::open_at(folder, &Location::Folder).await
    }

    /// Opens a ledger. What its entries say was erased is erased again in a vault that still has it.
    ///
    /// # Errors
    /// When there is none, files are missing, or they do not belong together.
    pub async fn open_at(folder: &Path, location: &Location) -> Result<Self, AppError> {
        let app = Self::of_store(folder, location.open(folder).await?).await?;
        app.reapply_erasures().await?;
        if let Err(error) = app.keep_keys().await {
            // A folder that cannot be written can still be read.
            tracing::warn!(%error, "retired keys are destroyed at the next opening");
        }
        Ok(app)
    }

    /// The ledger in a store, with the keys in a folder; nothing is written.
    pub(super) async fn of_store(
        folder: &Path,
        store: Arc<dyn Database>,
    ) -> Result<Self, AppError> {
        let first = store.entry(0).await?.ok_or_else(|| {
            AppError::Integrity("entry 0, which names the ledger, is missing".to_owned())
        })?;
        let entry = Entry::parse(&first.bytes)
            .map_err(|error| AppError::Integrity(format!("entry 0 cannot be read: {error}")))?;
        let ledger_id = entry.aggregate_id;
        let stream = store
            .streams(&[ledger_id])
            .await?
            .remove(&ledger_id)
            .unwrap_or_default();
        let log: Log = fold(&stream).map_err(AppError::Integrity)?;
        let named = store.vault_of().await?;
        if log.ledger_id != Some(ledger_id) || named != Some(ledger_id) {
            let what = "the ledger and the vault are not of the same ledger";
            return Err(AppError::Integrity(what.to_owned()));
        }
        let origin = log.origin.unwrap_or_default();
        let mut app = Self::of_parts(folder, ledger_id, log.simulated_clock, origin, store)?;
        let roster = roster(&stream).map_err(AppError::Integrity)?;
        app.verifier_keys = roster.signing();
        app.named_keys = roster.verifier_keys();
        Ok(app)
    }

    fn of_parts(
        folder: &Path,
        ledger_id: Uuid,
        simulated: bool,
        origin: String,
        store: Arc<dyn Database>,
    ) -> Result<Self, AppError> {
        let keys = keys_folder(folder);
        let ledger_key = keys.join("ledger.key");
        let secret = Secret::from_hex(&read_file(&ledger_key)?)
            .ok_or_else(|| AppError::Usage(format!("{} is no key", ledger_key.display())))?;
        // Read once for its errors; what the ledger holds is read again when it is replaced.
        read_master_keys(&keys.join("master.keys"))?;
        let master = MasterKeys::kept(Box::new(MasterFile::of(folder)));
        let master = master.ok_or_else(|| AppError::Usage("there is no master key".to_owned()))?;
        let ring = KeyRing::new(keys.clone());
        // Read for its errors; a key that is missing is told when something is to be signed.
        ring.read().map_err(SealError::from)?;
        let state = StateFile::new(keys.join("signed.json"));
        let sealer = Sealer::new(store.clone(), ring, roster, state.clone());
        let ledger = Ledger::new(
            ledger_id,
            simulated,
            store.clone(),
            store.clone(),
            LedgerKeys::new(&secret),
            master,
        );
        Ok(Self {
            folder: folder.to_owned(),
            ledger: Arc::new(ledger),
            sealer: Arc::new(sealer),
            state,
            origin,
            verifier_keys: Vec::new(),
            named_keys: Vec::new(),
            actor: "operator".to_owned(),
            erasures_wait: Arc::default(),
            later: None,
            shelf: Arc::default(),
            store,
        })
    }

    /// The store, as the port.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// The vault, as the port.
    #[must_use]
    pub fn vault(&self) -> Arc<dyn Vault> {
        self.store.clone()
    }

    /// Closes the databases, so that their write-ahead logs are folded in.
    pub async fn close(self) {
        let Self {
            ledger,
            sealer,
            store,
            ..
        } = self;
        drop((ledger, sealer));
        store.close().await;
    }

    /// The frame of a request; `until` bounds a simulated clock.
    #[must_use]
    pub fn context(&self, until: Option<Timestamp>) -> Context {
        let until = until.unwrap_or_else(Timestamp::now);
        Context {
            actor: self.actor.clone(),
            import_id: None,
            as_of: None,
            until,
        }
    }

    /// The same ledger for somebody else who acts on it. What is appended is not sealed at once:
    /// `later` is told, and whoever waits for that seals what many have appended
    /// ([`Self::seal_now`]).
    #[must_use]
    pub fn acting(&self, actor: String, later: Arc<Notify>) -> Self {
        Self {
            folder: self.folder.clone(),
            ledger: self.ledger.clone(),
            sealer: self.sealer.clone(),
            state: self.state.clone(),
            origin: self.origin.clone(),
            verifier_keys: self.verifier_keys.clone(),
            named_keys: self.named_keys.clone(),
            actor,
            erasures_wait: self.erasures_wait.clone(),
            later: Some(later),
            shelf: self.shelf.clone(),
            store: self.store.clone(),
        }
    }

    /// The store with everything beside it.
    pub(super) fn database(&self) -> Arc<dyn Database> {
        self.store.clone()
    }

    /// The tokens of the network interface, as the port.
    #[must_use]
    pub fn tokens(&self) -> Arc<dyn Tokens> {
        self.store.clone()
    }

    /// Seals what was appended, or tells whoever does.
    ///
    /// # Errors
    /// See [`Self::seal_now`].
    pub async fn seal(&self) -> Result<Option<Checkpoint>, AppError> {
        if let Some(later) = &self.later {
            later.notify_one();
            return Ok(None);
        }
        self.seal_now().await
    }

    /// Seals what was appended, applies erasures that waited for it, and destroys keys of
    /// statistical years whose time has passed, and signing keys that were retired. A node that
    /// lacks a key seals nothing: another one does.
    ///
    /// # Errors
    /// When the log is not what was signed before, or the store fails.
    pub async fn seal_now(&self) -> Result<Option<Checkpoint>, AppError> {
        let sealed = match self.seal_or_wait().await {
            Err(AppError::Seal(error @ SealError::KeyMissing { .. })) => {
                tracing::warn!(%error, "what was appended is not sealed here");
                None
            }
            sealed => sealed?,
        };
        let own_keys = self.sealer.ring().read().map_err(SealError::from)?;
        if own_keys.len() > 1 {
            self.keep_keys().await?;
        }
        if let Some(publication) = self.publish().await?
            && publication.published < publication.sealed
        {
            let missing = publication.missing.join("; ");
            tracing::warn!(%missing, "a quorum of witnesses is missing; what is new is not published");
        }
        if self.erasures_wait.load(Ordering::Relaxed) {
            self.reapply_erasures().await?;
        }
        let head = self.store.head().await?;
        let today = if self.ledger.simulated {
            head.recorded_at.date()
        } else {
            Timestamp::now().date()
        };
        for year in self.store.years().await? {
            if today > year_key_ends(year) {
                self.store.destroy_year(year).await?;
            }
        }
        Ok(sealed)
    }

    /// Seals, or waits until another node has sealed what is there now; not for long: then what was
    /// appended is sealed with what comes next.
    pub(super) async fn seal_or_wait(&self) -> Result<Option<Checkpoint>, AppError> {
        let size = self.store.head().await?.size;
        for _ in 0..SEAL_WAITS {
            let sealed = self.sealer.tick().await?;
            let newest = self.store.newest_checkpoint().await?;
            if sealed.is_some() || newest.is_some_and(|(sealed, _)| sealed >= size) {
                return Ok(sealed);
            }
            tokio::time::sleep(SEAL_PAUSE).await;
        }
        tracing::warn!("other nodes are sealing; what was appended is sealed after them");
        Ok(None)
    }

    /// The offices as of a number of entries.
    ///
    /// # Errors
    /// When the store fails or an entry does not read.
    pub async fn offices(&self, size: u64) -> Result<OfficeDirectory, AppError> {
        let mut directory = OfficeDirectory::default();
        for (_, office) in self.office_events(size).await? {
            directory.insert(office);
        }
        Ok(directory)
    }

    /// What offices became by entries below a size, with their positions, in order.
    pub(super) async fn office_events(
        &self,
        size: u64,
    ) -> Result<Vec<(Position, OfficeFields)>, AppError> {
        let mut events = Vec::new();
        for stored in self.store.entries_of_type("office").await? {
            if stored.position >= size {
                break;
            }
            let position = stored.position;
            let office = office_after(&parsed(&stored)?)
                .map_err(|error| AppError::Integrity(format!("position {position}: {error}")))?;
            events.extend(office.map(|office| (position, office)));
        }
        Ok(events)
    }

    /// The registers, caught up.
    ///
    /// # Errors
    /// When the store fails or an entry does not read.
    pub async fn registers(&self) -> Result<Registers, AppError> {
        Ok(self.registers_caught_up().await?.0)
    }

    /// The registers, and what catching up did.
    pub(super) async fn registers_caught_up(&self) -> Result<(Registers, CatchUp), AppError> {
        let folder = self.folder.join("registers");
        let mut registers = Registers::open(folder, self.ledger.id, self.store())?;
        let done = registers.catch_up().await?;
        Ok((registers, done))
    }

    /// The operational views (findings, periods, samples), caught up.
    ///
    /// # Errors
    /// When the store fails or an entry is no event of its stream.
    pub async fn views(&self) -> Result<Views, AppError> {
        let kept = self.store.views().await?;
        let views = Views::new(self.ledger.id, self.store(), kept);
        views.catch_up().await?;
        Ok(views)
    }
}
