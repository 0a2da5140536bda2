//! The signing keys of the log: what there is, a new one beside the old, the end of the old.
//!
//! What comes in: a ledger and the keys of this node. What goes out: the log's own entries that
//! name keys, and checkpoints that every named key signed. What may fail: a node that lacks a key,
//! a retirement before everybody can have the new key, the last key. What must stay true: a new key
//! is durable before an entry names it; a secret half is destroyed only after a checkpoint that it
//! did not sign is stored; cut off anywhere, the ledger opens, and the next command goes on.
//!
//! The order of a rotation: `keys/signing-ID.key` is durable (`--prepare` ends here, so that the
//! file can be copied to other nodes); `KeyAdded` is appended; from that entry on both keys sign
//! every checkpoint. The overlap ends with `KeyRetired`; the first checkpoint over that is signed by
//! the new key alone; then each node destroys its secret half of the old one.

use std::fs;
use std::io::Write;

use rand_core::OsRng;

use super::error::failed;
use super::keys::lock;
use super::{App, AppError};
use crate::ledger::aggregate::log::{Log, LogCommand};
use crate::ledger::request::{For, Receipt};
use crate::model::id::Position;
use crate::model::time::Timestamp;
use crate::seal::keys::{SigningKey, VerifierKey, key_lines, key_texts};
use crate::seal::ring::file_name;
use crate::seal::roster::{Change, NamedKey, Roster};
use crate::seal::sealer::SealError;

/// For how many days both keys sign, at least, unless something else is asked for.
pub const OVERLAP_DAYS: u32 = 30;
const MICROS_OF_A_DAY: i64 = 86_400_000_000;

/// Where a signing key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It is in the folder, and the log does not name it yet.
    Prepared,
    /// It signs every checkpoint.
    Signs,
    /// It signs no more.
    Retired,
}

/// A signing key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SigningKeyInfo {
    /// Its public half, as it is handed out.
    pub verifier_key: String,
    /// Where it is in its life.
    pub state: KeyState,
    /// The entry that names it, and when that was recorded.
    pub since: Option<(Position, String)>,
    /// The entry since which it signs no more, and when that was recorded.
    pub until: Option<(Position, String)>,
    /// The file of its secret half, if this node has it.
    pub file: Option<String>,
}

/// What a rotation of the signing key did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SigningRotation {
    /// The public half of the new key.
    pub verifier_key: String,
    /// The file of its secret half.
    pub file: String,
    /// The entry that names it; none when it was only prepared.
    pub receipt: Option<Receipt>,
    /// The keys that sign from now on.
    pub signing: Vec<String>,
}

/// What the end of a key did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Retirement {
    /// The public half of the key that signs no more.
    pub verifier_key: String,
    /// The entry that says so; none when an earlier run wrote it.
    pub receipt: Option<Receipt>,
    /// Whether this node had its secret half and destroyed it.
    pub destroyed: bool,
    /// The keys that sign from now on.
    pub signing: Vec<String>,
}

impl App {
    /// Every signing key that the log names or named, and those in the folder that it does not.
    pub(super) fn signing_keys(&self, roster: &Roster) -> Result<Vec<SigningKeyInfo>, AppError> {
        let held = self.sealer.ring().read().map_err(SealError::from)?;
        let file_of = |key: &VerifierKey| {
            let found = held.iter().find(|(_, one)| one.verifier_key() == key);
            found.map(|(path, _)| path.display().to_string())
        };
        let when = |(at, time): (Position, Timestamp)| (at, time.to_string());
        let named = roster.keys().iter().map(|named| SigningKeyInfo {
            verifier_key: named.key.to_string(),
            state: if named.until.is_some() {
                KeyState::Retired
            } else {
                KeyState::Signs
            },
            since: Some(when((named.since, named.since_at))),
            until: named.until.map(when),
            file: file_of(&named.key),
        });
        let prepared = held.iter().map(|(_, key)| key.verifier_key());
        let prepared = prepared.filter(|key| roster.named(key).is_none());
        let prepared = prepared.map(|key| SigningKeyInfo {
            verifier_key: key.to_string(),
            state: KeyState::Prepared,
            since: None,
            until: None,
            file: file_of(key),
        });
        Ok(named.chain(prepared).collect())
    }

    /// Whether this node can sign what is there now.
    ///
    /// # Errors
    /// [`SealError::KeyMissing`], which names the file to copy.
    pub async fn must_sign(&self) -> Result<(), AppError> {
        let head = self.ledger.store.head().await?;
        Ok(self.sealer.can_sign(head.size).await?)
    }

    /// Lets a new key sign beside the one that does, or completes a rotation that was cut off;
    /// `prepare` only makes the key.
    ///
    /// # Errors
    /// When two keys sign already, this node lacks a key, or file or store fail. What was done stays
    /// done, and the next call goes on from there.
    pub async fn rotate_signing(&self, prepare: bool) -> Result<SigningRotation, AppError> {
        let _lock = lock(&self.folder)?;
        self.must_sign().await?;
        self.seal_or_wait().await?;
        self.keep_keys().await?;
        let roster = self.sealer.roster().await?;
        if let [_, newest, ..] = roster.signing().as_slice() {
            return Err(AppError::Usage(format!(
                "the log is changing its key already: {newest} signs too; end that first with `keys retire`"
            )));
        }
        let (file, key) = self.prepared(&roster)?;
        let done = |receipt, signing: &[VerifierKey]| SigningRotation {
            verifier_key: key.to_string(),
            file: file.clone(),
            receipt,
            signing: key_texts(signing),
        };
        if prepare {
            return Ok(done(None, &roster.signing()));
        }
        let verifier_key = key.to_string();
        let receipt = self
            .of_log(move || LogCommand::AddKey {
                verifier_key: verifier_key.clone(),
            })
            .await?;
        self.seal_or_wait().await?;
        self.keep_keys().await?;
        self.seal().await?;
        let signing = self.sealer.roster().await?.signing();
        Ok(done(Some(receipt), &signing))
    }

    /// The key that the log does not name yet, made if there is none: durable, with its file.
    fn prepared(&self, roster: &Roster) -> Result<(String, VerifierKey), AppError> {
        let ring = self.sealer.ring();
        let now = Timestamp::now();
        let fits = |key: &VerifierKey| {
            let text = key.to_string();
            let mut after = roster.clone();
            after
                .take(Position::MAX, now, &Change::Added { key: &text })
                .is_ok()
        };
        let held = ring.read().map_err(SealError::from)?;
        let waiting = held.iter().find(|(_, key)| fits(key.verifier_key()));
        if let Some((path, key)) = waiting {
            return Ok((path.display().to_string(), key.verifier_key().clone()));
        }
        loop {
            let key = SigningKey::generate(&mut OsRng, roster.origin())
                .map_err(|error| AppError::Usage(error.to_string()))?;
            // Identifiers have 32 bits.
            if fits(key.verifier_key()) {
                let path = ring.add(&key).map_err(SealError::from)?;
                return Ok((path.display().to_string(), key.verifier_key().clone()));
            }
        }
    }

    /// Ends the overlap: a key, by default the oldest, signs no more, and its secret half is
    /// destroyed. `which` is the key, or `NAME+ID`, or its identifier; `force` does so before the
    /// overlap lasted `overlap_days`, and although the ledger's own policy does not know the others.
    ///
    /// # Errors
    /// When it is too early, it is the last key, this node lacks one of the others, or file or
    /// store fail. What was done stays done.
    pub async fn retire_signing(
        &self,
        which: Option<&str>,
        overlap_days: u32,
        force: bool,
    ) -> Result<Retirement, AppError> {
        let _lock = lock(&self.folder)?;
        let before = self.sealer.roster().await?;
        let held = self.sealer.ring().read().map_err(SealError::from)?;
        let is_unsealed = |named: &&NamedKey| {
            named.until.is_some() && held.iter().any(|(_, key)| *key.verifier_key() == named.key)
        };
        if let Some(named) = before.keys().iter().find(is_unsealed) {
            // An earlier run was cut off after its entry.
            return self.complete_retirement(&named.key, None).await;
        }
        let key = chosen(&before, which)?;
        let others: Vec<&NamedKey> = before
            .at(u64::MAX)
            .filter(|named| named.key != key)
            .collect();
        self.may_retire(&before, &key, &others, overlap_days, force)
            .await?;
        let verifier_key = key.to_string();
        let receipt = self
            .of_log(move || LogCommand::RetireKey {
                verifier_key: verifier_key.clone(),
            })
            .await?;
        self.complete_retirement(&key, Some(receipt)).await
    }

    async fn complete_retirement(
        &self,
        key: &VerifierKey,
        receipt: Option<Receipt>,
    ) -> Result<Retirement, AppError> {
        self.seal_or_wait().await?;
        let destroyed = self.keep_keys().await?;
        self.seal().await?;
        Ok(Retirement {
            verifier_key: key.to_string(),
            receipt,
            destroyed: destroyed.contains(key),
            signing: key_texts(&self.sealer.roster().await?.signing()),
        })
    }

    async fn may_retire(
        &self,
        roster: &Roster,
        key: &VerifierKey,
        others: &[&NamedKey],
        overlap_days: u32,
        force: bool,
    ) -> Result<(), AppError> {
        let Some(oldest) = others.iter().map(|named| named.since_at).min() else {
            let what =
                "this is the only key that signs; let another one sign first, with `keys rotate`";
            return Err(AppError::Usage(what.to_owned()));
        };
        let held = self.sealer.ring().read().map_err(SealError::from)?;
        for named in others {
            if !held.iter().any(|(_, one)| *one.verifier_key() == named.key) {
                return Err(AppError::Usage(format!(
                    "this node does not have the key {}, which is to sign alone: copy {} from the keys of a node that has it, or retire the key there",
                    named.key,
                    file_name(&named.key)
                )));
            }
        }
        let began = roster
            .named(key)
            .map_or(oldest, |named| named.since_at.max(oldest));
        let now = if self.ledger.simulated {
            self.ledger.store.head().await?.recorded_at
        } else {
            Timestamp::now()
        };
        let lasted = (now.micros() - began.micros()) / MICROS_OF_A_DAY;
        if !force && lasted < i64::from(overlap_days) {
            return Err(AppError::Usage(format!(
                "both keys sign since {began}, and should for {overlap_days} days, so that everybody who checks can get the new one; it has been {lasted}; --force ends it now"
            )));
        }
        let is_known = |policy: &crate::seal::policy::Policy| {
            let logs = policy.logs();
            logs.is_empty() || others.iter().any(|named| logs.contains(&named.key))
        };
        if !force && self.policy()?.is_some_and(|policy| !is_known(&policy)) {
            let what = "the file `policy` of this ledger has no log line for a key that goes on signing: add one, or nothing would be published; --force retires the key all the same";
            return Err(AppError::Usage(what.to_owned()));
        }
        Ok(())
    }

    async fn of_log(
        &self,
        build: impl Fn() -> LogCommand + Send + Sync + 'static,
    ) -> Result<Receipt, AppError> {
        let command = For::<Log>::new(self.ledger.id, move |_| build()).command();
        let context = self.context(None);
        let answer = self.ledger.execute_one(&context, command).await??;
        Ok(answer.receipt().clone())
    }

    /// Destroys the secret halves in this folder of keys that were retired, once a checkpoint over
    /// that is stored, and brings `log.vkey` up to date. Gives what was destroyed.
    ///
    /// # Errors
    /// When file or store fail.
    pub async fn keep_keys(&self) -> Result<Vec<VerifierKey>, AppError> {
        let roster = self.sealer.roster().await?;
        let newest = self.store().newest_checkpoint().await?;
        let sealed = newest.map_or(0, |(size, _)| size);
        let ring = self.sealer.ring();
        let mut destroyed = Vec::new();
        for (path, key) in ring.read().map_err(SealError::from)? {
            let key = key.verifier_key();
            let until = roster.named(key).and_then(|named| named.until);
            if until.is_some_and(|(at, _)| at < sealed) {
                ring.destroy(&path, key).map_err(SealError::from)?;
                destroyed.push(key.clone());
            }
        }
        // As far as it is sealed: what was put behind that may be anybody's.
        let signing = roster.at(sealed.max(1)).map(|named| named.key.clone());
        let text = key_lines(&signing.collect::<Vec<_>>());
        let path = self.folder.join("log.vkey");
        if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            let written = tempfile::NamedTempFile::new_in(&self.folder).and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.as_file().sync_all()?;
                #[cfg(unix)]
                fs::set_permissions(
                    file.path(),
                    std::os::unix::fs::PermissionsExt::from_mode(0o644),
                )?;
                file.persist(&path).map_err(|error| error.error)
            });
            written.map_err(failed("write", &path))?;
        }
        Ok(destroyed)
    }
}

/// The key that was asked for, or the oldest that signs.
fn chosen(roster: &Roster, which: Option<&str>) -> Result<VerifierKey, AppError> {
    let signing = roster.signing();
    let Some(which) = which else {
        let oldest = signing.into_iter().next();
        return oldest.ok_or_else(|| AppError::Integrity("no key signs".to_owned()));
    };
    let is_it = |key: &&VerifierKey| {
        let id = format!("{:08x}", key.key_id());
        which == key.to_string() || which == id || which == format!("{}+{id}", key.name())
    };
    let mut found = signing.iter().filter(is_it);
    match (found.next(), found.next()) {
        (Some(key), None) => Ok(key.clone()),
        _ => Err(AppError::Usage(format!(
            "{which} names none of the keys that sign, which are {}",
            key_texts(&signing).join(", ")
        ))),
    }
}
