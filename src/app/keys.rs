//! The keys of a ledger: what there is, and the rotation of the master key.
//!
//! ```text
//! 1 6a0f...e1 2026-10-25      number, 64 hexadecimal digits, the day on which it was made
//! 2 93bc...07 2026-11-24      the newest wraps; an older one stays only while a rotation lasts
//! ```
//!
//! What comes in: the file of master keys. What goes out: their numbers and ages, never a secret;
//! and after a rotation, the vault under a new key, with the older ones destroyed. What may fail:
//! a file that does not read, a rotation that is not due or runs already, a row of the vault that
//! is not authentic. What must stay true: a key is destroyed only after the vault refuses it and
//! nothing is wrapped under it; a rotation that was cut off anywhere is completed by the next.
//!
//! The order of a rotation: the new key is durable in the file; all keys are wrapped anew; an
//! entry says so; under its write lock the vault finds no row under an older key, and refuses
//! such rows from then on; the older lines are removed. Other processes look at the file before
//! they wrap, and what they had wrapped in between is refused and decided again.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use super::error::failed;
use super::home::{keys_folder, read_file};
use super::signing::SigningKeyInfo;
use super::{App, AppError};
use crate::ledger::aggregate::log::{Log, LogCommand};
use crate::ledger::keys::Secret;
use crate::ledger::master::{KeySet, KeySource, MasterKey};
use crate::ledger::request::{For, Receipt, fold};
use crate::model::id::Position;
use crate::model::time::{Timestamp, parse_date};
use crate::seal::keys::key_texts;

/// How often the vault is gone through again when others go on writing under an older key.
const MAX_ROUNDS: u32 = 32;

/// A master key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MasterKeyInfo {
    /// Its number.
    pub number: u32,
    /// The day on which it was made, if that is known.
    pub made_on: Option<NaiveDate>,
    /// How many wrapped keys of records and years lie under it.
    pub wraps: u64,
}

/// The keys of a ledger, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct KeysInfo {
    /// The origin of the log.
    pub origin: String,
    /// The keys that sign, as they are handed out.
    pub verifier_keys: Vec<String>,
    /// Every signing key that the log ever named, and those that wait for that.
    pub signing_keys: Vec<SigningKeyInfo>,
    /// The master keys in the file, and those that only the vault still names.
    pub master_keys: Vec<MasterKeyInfo>,
    /// The day of the next rotation; none when it is due because the age is unknown.
    pub rotate_on: Option<NaiveDate>,
    /// Whether it is due, or was begun and not completed.
    pub rotation_due: bool,
}

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Rotation {
    /// The number of the master key before.
    pub from: u32,
    /// The number of the new one.
    pub to: u32,
    /// Keys of records and years that this run wrapped anew.
    pub rewrapped: u64,
    /// The numbers that were destroyed.
    pub destroyed: Vec<u32>,
    /// The entry that says so; none when an earlier run wrote it.
    pub receipt: Option<Receipt>,
}

fn master_path(folder: &Path) -> PathBuf {
    keys_folder(folder).join("master.keys")
}

/// Reads the file: see the head of this module. Without a day, the age of a key is unknown.
pub(super) fn read_master_keys(path: &Path) -> Result<KeySet, AppError> {
    let text = read_file(path)?;
    let mut keys = KeySet::new();
    for (line, row) in (1..).zip(text.lines()) {
        if row.trim().is_empty() {
            continue;
        }
        let key = parse_line(row).filter(|(number, _)| !keys.contains_key(number));
        let (number, key) = key
            .ok_or_else(|| AppError::Usage(format!("{} line {line} is no key", path.display())))?;
        keys.insert(number, key);
    }
    if keys.is_empty() {
        return Err(AppError::Usage(format!("{} has no key", path.display())));
    }
    Ok(keys)
}

fn parse_line(row: &str) -> Option<(u32, MasterKey)> {
    let mut parts = row.split_ascii_whitespace();
    let number = parts.next()?.parse().ok().filter(|number| *number > 0)?;
    let secret = Secret::from_hex(parts.next()?)?;
    let made_on = match parts.next() {
        Some(day) => Some(parse_date(day)?),
        None => None,
    };
    let key = MasterKey { secret, made_on };
    parts.next().is_none().then_some((number, key))
}

/// The text of the file.
pub(super) fn master_keys_text(keys: &KeySet) -> zeroize::Zeroizing<String> {
    let mut text = zeroize::Zeroizing::new(String::with_capacity(keys.len() * 96));
    for (number, key) in keys {
        text.push_str(&number.to_string());
        text.push(' ');
        text.push_str(&key.secret.to_hex());
        if let Some(day) = key.made_on {
            text.push(' ');
            text.push_str(&day.to_string());
        }
        text.push('\n');
    }
    text
}

/// A new master key, made today.
pub(super) fn new_master_key() -> MasterKey {
    MasterKey {
        secret: Secret::generate(&mut rand::rng()),
        made_on: Some(Timestamp::now().date()),
    }
}

/// Replaces the file: written beside, flushed, renamed, the folder flushed. The bytes of the old
/// one are overwritten, as far as the file system writes in place.
fn replace_master_keys(path: &Path, keys: &KeySet) -> Result<(), AppError> {
    let beside = path.with_extension("next");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside).map_err(failed("create", &beside))?;
    file.write_all(master_keys_text(keys).as_bytes())
        .map_err(failed("write", &beside))?;
    file.sync_all().map_err(failed("flush", &beside))?;
    let old = fs::OpenOptions::new().write(true).open(path);
    let mut old = old.map_err(failed("open", path))?;
    let length = old.metadata().map_err(failed("read", path))?.len();
    fs::rename(&beside, path).map_err(failed("replace", path))?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed("flush", folder))?;
    let blank = vec![b'0'; usize::try_from(length).unwrap_or_default()];
    old.rewind()
        .and_then(|()| old.write_all(&blank))
        .and_then(|()| old.sync_all())
        .map_err(failed("overwrite", path))
}

/// The file of master keys, for processes that run while it is replaced.
pub(super) struct MasterFile(PathBuf);

impl MasterFile {
    pub(super) fn of(folder: &Path) -> Self {
        Self(master_path(folder))
    }
}

impl KeySource for MasterFile {
    fn stamp(&self) -> Option<(u64, u128)> {
        let metadata = fs::metadata(&self.0).ok()?;
        let modified = metadata.modified().ok()?;
        let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let number = metadata.len();
        Some((number, since.as_nanos()))
    }

    fn read(&self) -> Option<KeySet> {
        read_master_keys(&self.0).ok()
    }
}

/// One rotation at a time: the lock goes with the process.
pub(super) fn lock(folder: &Path) -> Result<fs::File, AppError> {
    let path = keys_folder(folder).join("rotation.lock");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let file = options.open(&path).map_err(failed("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(AppError::Usage(
            "a key of this ledger is being rotated by another process".to_owned(),
        )),
        Err(fs::TryLockError::Error(error)) => Err(failed("lock", &path)(error)),
    }
}

impl App {
    /// The keys that there are, without anything secret.
    ///
    /// # Errors
    /// When the file or the vault cannot be read.
    pub async fn keys(&self) -> Result<KeysInfo, AppError> {
        let file = read_master_keys(&master_path(&self.folder))?;
        let mut wraps = self.ledger.vault.wrapped_under().await?;
        wraps.retain(|number, _| *number > 0);
        let mut numbers: BTreeMap<u32, Option<NaiveDate>> = BTreeMap::new();
        numbers.extend(wraps.keys().map(|number| (*number, None)));
        numbers.extend(file.iter().map(|(number, key)| (*number, key.made_on)));
        let info = |(number, made_on)| MasterKeyInfo {
            number,
            made_on,
            wraps: wraps.get(&number).copied().unwrap_or(0),
        };
        let newest = file.last_key_value().map(|(_, key)| key);
        let roster = self.sealer.roster().await?;
        Ok(KeysInfo {
            origin: roster.origin().to_owned(),
            verifier_keys: key_texts(&roster.signing()),
            signing_keys: self.signing_keys(&roster)?,
            master_keys: numbers.into_iter().map(info).collect(),
            rotate_on: newest.and_then(MasterKey::ends_on),
            rotation_due: is_due(&file),
        })
    }

    /// Whether the master key is to be rotated, or a rotation was not completed.
    #[must_use]
    pub fn rotation_is_due(&self) -> bool {
        read_master_keys(&master_path(&self.folder)).is_ok_and(|keys| is_due(&keys))
    }

    /// Rotates the master key, or completes a rotation that was cut off; `force` does so before
    /// it is due. See the head of this module.
    ///
    /// # Errors
    /// When it is not due, another runs, a row is not authentic, or file or store fail. What was
    /// done stays done, and the next call goes on from there.
    pub async fn rotate_master(&self, force: bool) -> Result<Rotation, AppError> {
        let _lock = lock(&self.folder)?;
        let path = master_path(&self.folder);
        let mut keys = read_master_keys(&path)?;
        let retired = self.ledger.vault.oldest_master_key().await?;
        let log = self.log().await?;
        let newest = last(&keys);
        if newest < retired.max(log.master_key.unwrap_or(0)) {
            return Err(AppError::Usage(format!(
                "{} is an older copy: its newest key has number {newest}, and the ledger was rotated to a later one; restore the newest file",
                path.display()
            )));
        }
        if keys.len() == 1 {
            if !force && !is_due(&keys) {
                let what = "the master key is not due for rotation; `keys show` says when, --force rotates it now";
                return Err(AppError::Usage(what.to_owned()));
            }
            let number = newest.checked_add(1);
            let number = number.ok_or_else(|| AppError::Usage("no number is left".to_owned()))?;
            keys.insert(number, new_master_key());
            replace_master_keys(&path, &keys)?;
        }
        self.ledger.master.refresh();
        let to = last(&keys);
        if self.ledger.master.newest() != to {
            let what = format!("{} changed while it was read; try again", path.display());
            return Err(AppError::Usage(what));
        }
        let from = keys.keys().rev().nth(1).copied().unwrap_or(to);
        let (rewrapped, receipt) = self.rewrap_and_retire(&log, from, to).await?;
        let kept = keys.split_off(&to);
        replace_master_keys(&path, &kept)?;
        self.ledger.master.refresh();
        self.seal().await?;
        Ok(Rotation {
            from,
            to,
            rewrapped,
            destroyed: keys.into_keys().collect(),
            receipt,
        })
    }

    async fn rewrap_and_retire(
        &self,
        log: &Log,
        from: u32,
        to: u32,
    ) -> Result<(u64, Option<Receipt>), AppError> {
        let (mut rewrapped, mut receipt) = (0, None);
        let mut said = log.master_key == Some(to);
        let mut up_to: Position = 0;
        for _ in 0..MAX_ROUNDS {
            let done = self.ledger.rewrap(up_to).await?;
            rewrapped += done.keys;
            up_to = done.up_to;
            if let Some(position) = done.doubtful {
                return Err(AppError::Integrity(format!(
                    "position {position}: the row of the vault is not authentic; it was left as it is, and no master key was destroyed: run verify"
                )));
            }
            if !said {
                receipt = Some(self.say_rotated(from, to).await?);
                said = true;
            }
            if self.ledger.vault.retire_master_keys(to, up_to).await? == 0 {
                return Ok((rewrapped, receipt));
            }
        }
        Err(AppError::Usage(
            "others went on writing under an older master key; no key was destroyed: try again"
                .to_owned(),
        ))
    }

    /// Appends the entry that says so.
    async fn say_rotated(&self, from: u32, to: u32) -> Result<Receipt, AppError> {
        let wraps = self.ledger.vault.wrapped_under().await?;
        let records = wraps.get(&to).copied().unwrap_or(0);
        let rotate = move |_| LogCommand::RotateMasterKey { from, records, to };
        let command = For::<Log>::new(self.ledger.id, rotate).command();
        let context = self.context(None);
        let answer = self.ledger.execute_one(&context, command).await??;
        Ok(answer.receipt().clone())
    }

    async fn log(&self) -> Result<Log, AppError> {
        let id = self.ledger.id;
        let mut streams = self.ledger.store.streams(&[id]).await?;
        fold(&streams.remove(&id).unwrap_or_default()).map_err(AppError::Integrity)
    }
}

fn last(keys: &KeySet) -> u32 {
    keys.last_key_value().map_or(0, |(number, _)| *number)
}

fn is_due(keys: &KeySet) -> bool {
    let today = Timestamp::now().date();
    let newest = keys.last_key_value();
    keys.len() > 1 || newest.is_some_and(|(_, key)| key.is_due(today))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys_of(text: &str) -> Result<KeySet, AppError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.keys");
        fs::write(&path, text).unwrap();
        read_master_keys(&path)
    }

    #[test]
    fn a_line_is_a_number_a_key_and_perhaps_a_day() {
        let hex = "0123456789abcdef".repeat(4);
        let text = format!("1 {hex}\n\n7 {hex} 2026-11-24\n");
        let keys = keys_of(&text).unwrap();
        assert_eq!(keys[&1].made_on, None);
        assert_eq!(keys[&7].made_on, NaiveDate::from_ymd_opt(2026, 11, 24));
        assert_eq!(*master_keys_text(&keys), text.replace("\n\n", "\n"));
        for wrong in [
            String::new(),
            format!("0 {hex}"),
            format!("x {hex}"),
            format!("1 {hex} 2026-13-01"),
            format!("1 {hex} 2026-11-24 more"),
            format!("1 {hex}\n1 {hex}"),
            format!("1 {}", &hex[1..]),
        ] {
            let error = keys_of(&wrong).unwrap_err().to_string();
            assert!(!error.contains(&hex[1..]), "{error}");
        }
    }
}
