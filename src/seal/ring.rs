//! The signing keys of a node, as files in its folder of keys.
//!
//! ```text
//! signing.key            the key that the log began with   0600
//! signing-c74f20a3.key   a later one, by its identifier    0600
//! retired.vkeys          public halves of those whose secret half was destroyed here, one a line
//! ```
//!
//! What comes in: the folder, new keys, keys that are to be destroyed. What goes out: the keys
//! that are there. What may fail: a file ([`RingError`]), never with anything of a secret. What
//! must stay true: a new key is durable before anybody is told of it and overwrites nothing; before
//! a secret half is destroyed, its public half is durable, so that a backup from its time can still
//! be told from a forged one.

use std::fs;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use super::keys::{KeyError, SigningKey, VerifierKey, key_lines};

/// The file of the key that a log begins with.
pub const FIRST: &str = "signing.key";
/// Public halves of the keys that were destroyed here.
const RETIRED: &str = "retired.vkeys";

/// Why the keys cannot be read or changed.
#[derive(Debug, Error)]
pub enum RingError {
    /// The file system fails.
    #[error("failed to {doing} {path}: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file holds no key.
    #[error("{path}: {source}")]
    Key {
        /// Which file.
        path: String,
        /// What is wrong, without the key.
        source: KeyError,
    },
}

/// The folder of a node's keys.
#[derive(Debug, Clone)]
pub struct KeyRing {
    folder: PathBuf,
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RingError {
    let path = path.display().to_string();
    move |source| RingError::File {
        doing,
        path,
        source,
    }
}

fn wrong(path: &Path) -> impl Fn(KeyError) -> RingError {
    let path = path.display().to_string();
    move |source| RingError::Key {
        path: path.clone(),
        source,
    }
}

/// The name of the file of a later key.
#[must_use]
pub fn file_name(key: &VerifierKey) -> String {
    format!("signing-{:08x}.key", key.key_id())
}

fn is_ours(name: &str) -> bool {
    let later = |rest: &str| {
        rest.strip_suffix(".key")
            .is_some_and(|id| id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    name == FIRST || name.strip_prefix("signing-").is_some_and(later)
}

impl KeyRing {
    /// In this folder, which need not be there yet.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The keys that are there, each with its file, by the name of the file.
    ///
    /// # Errors
    /// When a file cannot be read or holds no key.
    pub fn read(&self) -> Result<Vec<(PathBuf, SigningKey)>, RingError> {
        let mut files = Vec::new();
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("read", &self.folder)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed("read", &self.folder))?;
            if is_ours(&entry.file_name().to_string_lossy()) {
                files.push(entry.path());
            }
        }
        files.sort();
        let mut keys = Vec::with_capacity(files.len());
        for path in files {
            let text = match fs::read_to_string(&path) {
                Ok(text) => Zeroizing::new(text),
                // Destroyed by another process since the folder was read.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed("read", &path)(error)),
            };
            let key = SigningKey::parse(text.trim()).map_err(wrong(&path))?;
            keys.push((path, key));
        }
        Ok(keys)
    }

    /// Public halves of the keys that are there, or were until they were destroyed.
    ///
    /// # Errors
    /// When a file cannot be read or holds no key.
    pub fn known(&self) -> Result<Vec<VerifierKey>, RingError> {
        let held = self.read()?;
        let mut known: Vec<VerifierKey> = held
            .iter()
            .map(|(_, key)| key.verifier_key().clone())
            .collect();
        known.extend(self.retired()?);
        Ok(known)
    }

    fn retired(&self) -> Result<Vec<VerifierKey>, RingError> {
        let path = self.folder.join(RETIRED);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("read", &path)(error)),
        };
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines
            .map(|line| line.parse().map_err(wrong(&path)))
            .collect()
    }

    /// Keeps a new key in a file of its own, durable when this returns. Gives the file.
    ///
    /// # Errors
    /// When the file is there already, or cannot be written.
    pub fn add(&self, key: &SigningKey) -> Result<PathBuf, RingError> {
        let path = self.folder.join(file_name(key.verifier_key()));
        // Beside, so that a crash leaves no half of a key under a name that is read.
        let beside = path.with_extension("next");
        self.write(&beside, &format!("{}\n", key.encoded().as_str()))?;
        // Unlike a renaming, a link refuses to overwrite.
        fs::hard_link(&beside, &path).map_err(failed("create", &path))?;
        fs::remove_file(&beside).map_err(failed("remove", &beside))?;
        self.flush()?;
        Ok(path)
    }

    /// Destroys the secret half of a key that is there; its public half is kept. The bytes of the
    /// file are overwritten, as far as the file system writes in place.
    ///
    /// # Errors
    /// When a file cannot be written; then it can be done again.
    pub fn destroy(&self, path: &Path, key: &VerifierKey) -> Result<(), RingError> {
        let mut retired = self.retired()?;
        if !retired.contains(key) {
            retired.push(key.clone());
            let text = key_lines(&retired);
            let target = self.folder.join(RETIRED);
            let beside = target.with_extension("next");
            self.write(&beside, &text)?;
            fs::rename(&beside, &target).map_err(failed("replace", &target))?;
            self.flush()?;
        }
        let mut file = match fs::OpenOptions::new().write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed("open", path)(error)),
        };
        let length = file.metadata().map_err(failed("read", path))?.len();
        fs::remove_file(path).map_err(failed("remove", path))?;
        self.flush()?;
        // After the removal: a crash in between leaves a key, and not a file that is none.
        let blank = vec![b'0'; usize::try_from(length).unwrap_or_default()];
        file.rewind()
            .and_then(|()| file.write_all(&blank))
            .and_then(|()| file.sync_all())
            .map_err(failed("overwrite", path))
    }

    /// Writes a file that only its owner can read, over what a crash left of it.
    #[expect(clippy::unused_self, reason = "only files of this folder are written")]
    fn write(&self, path: &Path, text: &str) -> Result<(), RingError> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed("create", path))?;
        file.write_all(text.as_bytes())
            .map_err(failed("write", path))?;
        file.sync_all().map_err(failed("flush", path))
    }

    fn flush(&self) -> Result<(), RingError> {
        fs::File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed("flush", &self.folder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> (tempfile::TempDir, KeyRing) {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::new(folder.path().to_owned());
        (folder, ring)
    }

    fn key() -> SigningKey {
        SigningKey::generate(&mut rand_core::OsRng, "ledger.example/county").unwrap()
    }

    #[test]
    fn keys_come_and_their_public_halves_stay() {
        let (folder, ring) = ring();
        assert!(ring.read().unwrap().is_empty());
        let (first, later) = (key(), key());
        let text = format!("{}\n", first.encoded().as_str());
        fs::write(folder.path().join(FIRST), text).unwrap();
        let path = ring.add(&later).unwrap();
        assert!(ring.add(&later).is_err(), "nothing is overwritten");
        let held = ring.read().unwrap();
        assert_eq!(held.len(), 2);
        let of = |path: &Path| {
            let found = held.iter().find(|(at, _)| at == path);
            found.map(|(_, key)| key.verifier_key().clone())
        };
        assert_eq!(of(&path).as_ref(), Some(later.verifier_key()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let first_path = folder.path().join(FIRST);
        ring.destroy(&first_path, first.verifier_key()).unwrap();
        ring.destroy(&first_path, first.verifier_key()).unwrap();
        assert!(!first_path.exists());
        assert_eq!(ring.read().unwrap().len(), 1);
        let known = ring.known().unwrap();
        assert_eq!(
            known,
            [later.verifier_key().clone(), first.verifier_key().clone()]
        );
    }

    #[test]
    fn other_files_are_no_keys_and_a_broken_one_is_told_without_its_content() {
        let (folder, ring) = ring();
        for name in [
            "master.keys",
            "signing-c74f20a3.next",
            "signing-zz.key",
            "signing.key.old",
        ] {
            fs::write(folder.path().join(name), "no key").unwrap();
        }
        assert!(ring.read().unwrap().is_empty());
        let secret = key().encoded().replace("PRIVATE+KEY", "PRIVATE+LOCK");
        fs::write(folder.path().join("signing-c74f20a3.key"), &secret).unwrap();
        let told = ring.read().unwrap_err().to_string();
        assert!(told.contains("signing-c74f20a3.key"), "{told}");
        let hidden = secret.splitn(5, '+').last().unwrap();
        assert!(hidden.len() > 40 && !told.contains(hidden), "{told}");
    }
}
