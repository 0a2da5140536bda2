//! Which keys sign a log, and under which origin, as the log itself says.
//!
//! In come, in their order, the changes that entries state: the key that a log begins with, keys
//! that are added and retired, and the log that goes on under another origin after its end was
//! lost. Out goes who has to sign a checkpoint of any size, and whether a note is signed so. What
//! may fail: a change that contradicts those before it, a note that lacks a signature
//! ([`RosterError`]). What must stay true: a checkpoint of `n` entries is signed by every key that
//! these `n` entries name and have not retired, and by no fewer; so whoever has stolen one of two
//! keys cannot continue the log alone; a key that was retired never signs again; at least one key
//! signs.

use thiserror::Error;

use super::checkpoint::{Checkpoint, CheckpointError};
use super::keys::{KeyError, VerifierKey};
use crate::model::id::Position;
use crate::model::time::Timestamp;

/// What an entry says of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<'a> {
    /// The log begins, with its origin and its first key.
    Opened {
        /// The origin.
        origin: &'a str,
        /// The key.
        key: &'a str,
    },
    /// Another key signs too.
    Added {
        /// The key.
        key: &'a str,
    },
    /// A key signs no more.
    Retired {
        /// The key.
        key: &'a str,
    },
    /// The log goes on under another origin and key: what the old one had after this was lost.
    Succeeded {
        /// The new origin.
        origin: &'a str,
        /// The new key.
        key: &'a str,
        /// The last checkpoint of the old origin that there is: a signed note over exactly the
        /// entries before this one.
        predecessor: &'a str,
        /// How many entries the old origin had signed, as far as that is known.
        signed: Option<u64>,
    },
}

/// A key, and since when it signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedKey {
    /// The key.
    pub key: VerifierKey,
    /// The entry that names it.
    pub since: Position,
    /// When that was recorded.
    pub since_at: Timestamp,
    /// The entry since which it signs no more, and when that was recorded.
    pub until: Option<(Position, Timestamp)>,
}

impl NamedKey {
    /// Whether it signs a checkpoint over so many entries.
    #[must_use]
    pub fn signs(&self, size: u64) -> bool {
        self.since < size && self.until.is_none_or(|(at, _)| size <= at)
    }
}

/// A stretch of a log under one origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Era {
    /// The origin.
    pub origin: String,
    /// The entry that begins it. Of the origin before, the log has exactly the entries before it.
    pub first: Position,
    /// How many entries the origin before had signed, as far as this one knows.
    pub signed_before: Option<u64>,
}

/// The keys of a log and its origins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    keys: Vec<NamedKey>,
    eras: Vec<Era>,
}

/// What contradicts the roster.
#[derive(Debug, Error)]
pub enum RosterError {
    /// What entries say of keys does not fit together.
    #[error("{what}")]
    Change {
        /// What does not.
        what: String,
    },
    /// A key is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A note is no checkpoint that a key of the log signed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint under an origin that the log does not have at that size.
    #[error("the checkpoint of {size} entries is of the log {found}, and must be of {expected}")]
    Origin {
        /// Its size.
        size: u64,
        /// Its origin.
        found: String,
        /// The origin of the log at that size.
        expected: String,
    },
    /// A key that has to sign did not.
    #[error(
        "the checkpoint of {size} entries is not signed by {key}, which signs since the entry at position {since}"
    )]
    Unsigned {
        /// The size.
        size: u64,
        /// The key.
        key: String,
        /// The entry that names it.
        since: Position,
    },
}

fn contradiction<T>(what: impl Into<String>) -> Result<T, RosterError> {
    Err(RosterError::Change { what: what.into() })
}

impl Roster {
    /// Takes the next change, at its position and time.
    ///
    /// # Errors
    /// [`RosterError`]; then nothing was taken.
    pub fn take(
        &mut self,
        position: Position,
        recorded_at: Timestamp,
        change: &Change<'_>,
    ) -> Result<(), RosterError> {
        match *change {
            Change::Opened { origin, key } => {
                if !self.eras.is_empty() || position != 0 {
                    return contradiction("a log begins once, at position 0");
                }
                self.begin(position, recorded_at, origin, key, None)
            }
            _ if self.eras.is_empty() => contradiction("the log does not begin with its keys"),
            Change::Added { key } => {
                let key: VerifierKey = key.parse()?;
                if key.name() != self.origin() {
                    return contradiction("a key is added that is not named like the log");
                }
                self.must_be_new(&key)?;
                self.name(position, recorded_at, key);
                Ok(())
            }
            Change::Retired { key } => {
                let signing = self.keys.iter().filter(|one| one.until.is_none()).count();
                let of_key =
                    |one: &&mut NamedKey| one.until.is_none() && one.key.to_string() == key;
                match self.keys.iter_mut().find(of_key) {
                    None => contradiction("a key is retired that does not sign"),
                    Some(_) if signing < 2 => contradiction("the only key is retired"),
                    Some(named) => {
                        named.until = Some((position, recorded_at));
                        Ok(())
                    }
                }
            }
            Change::Succeeded {
                origin,
                key,
                predecessor,
                signed,
            } => {
                let last = self.open(predecessor.as_bytes())?;
                if last.size() != position {
                    return contradiction(format!(
                        "it succeeds a checkpoint of {} entries, and must succeed one of {position}",
                        last.size()
                    ));
                }
                self.begin(position, recorded_at, origin, key, signed)
            }
        }
    }

    fn begin(
        &mut self,
        position: Position,
        recorded_at: Timestamp,
        origin: &str,
        key: &str,
        signed_before: Option<u64>,
    ) -> Result<(), RosterError> {
        let key: VerifierKey = key.parse()?;
        if key.name() != origin {
            return contradiction("the key of the log is not named like the log");
        }
        if self.eras.iter().any(|era| era.origin == origin) {
            return contradiction("the log had this origin before");
        }
        self.must_be_new(&key)?;
        for named in self.keys.iter_mut().filter(|one| one.until.is_none()) {
            named.until = Some((position, recorded_at));
        }
        self.eras.push(Era {
            origin: origin.to_owned(),
            first: position,
            signed_before,
        });
        self.name(position, recorded_at, key);
        Ok(())
    }

    fn must_be_new(&self, key: &VerifierKey) -> Result<(), RosterError> {
        // Notes tell keys apart by name and identifier alone.
        let same = |one: &NamedKey| {
            one.key.name() == key.name()
                && (one.key.key_id() == key.key_id() || one.key.point() == key.point())
        };
        if self.keys.iter().any(same) {
            return contradiction("a key is added that signed before");
        }
        Ok(())
    }

    fn name(&mut self, position: Position, recorded_at: Timestamp, key: VerifierKey) {
        self.keys.push(NamedKey {
            key,
            since: position,
            since_at: recorded_at,
            until: None,
        });
    }

    /// Every key that the log ever named, oldest first.
    #[must_use]
    pub fn keys(&self) -> &[NamedKey] {
        &self.keys
    }

    /// The same, without their times.
    #[must_use]
    pub fn verifier_keys(&self) -> Vec<VerifierKey> {
        self.keys.iter().map(|named| named.key.clone()).collect()
    }

    /// The keys that sign now.
    #[must_use]
    pub fn signing(&self) -> Vec<VerifierKey> {
        self.at(u64::MAX).map(|named| named.key.clone()).collect()
    }

    /// The keys that sign a checkpoint over so many entries, oldest first.
    pub fn at(&self, size: u64) -> impl Iterator<Item = &NamedKey> {
        self.keys.iter().filter(move |named| named.signs(size))
    }

    /// The stretches of the log, oldest first.
    #[must_use]
    pub fn eras(&self) -> &[Era] {
        &self.eras
    }

    /// The origin now.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.eras.last().map_or("", |era| era.origin.as_str())
    }

    /// The origin of a checkpoint over so many entries.
    #[must_use]
    pub fn origin_at(&self, size: u64) -> &str {
        let mut eras = self.eras.iter().rev();
        let era = eras.find(|era| era.first < size);
        era.or(self.eras.first())
            .map_or("", |era| era.origin.as_str())
    }

    /// The origin before this one, if there was one, and how many of its entries this log has.
    #[must_use]
    pub fn succeeds(&self) -> Option<(String, u64)> {
        match self.eras.as_slice() {
            [.., before, last] => Some((before.origin.clone(), last.first)),
            _ => None,
        }
    }

    /// Of an origin that this log succeeded: how many of its entries this log has, and how many it
    /// had signed, as far as is known.
    #[must_use]
    pub fn taken_over(&self, origin: &str) -> Option<(u64, Option<u64>)> {
        let mut pairs = self.eras.windows(2);
        let found = pairs.find(|pair| pair[0].origin == origin)?;
        Some((found[1].first, found[1].signed_before))
    }

    /// Reads a note of this log, and demands the origin and every signature that it must have at
    /// its size. Signatures of others are ignored.
    ///
    /// # Errors
    /// [`RosterError`].
    pub fn open(&self, note: &[u8]) -> Result<Checkpoint, RosterError> {
        let opened = Checkpoint::open_all(note, &self.verifier_keys())?;
        let checkpoint = opened.checkpoint;
        let size = checkpoint.size();
        let expected = self.origin_at(size);
        if checkpoint.origin() != expected {
            return Err(RosterError::Origin {
                size,
                found: checkpoint.origin().to_owned(),
                expected: expected.to_owned(),
            });
        }
        let missing = self
            .at(size)
            .find(|named| !opened.signed_by.contains(&named.key));
        match missing {
            None => Ok(checkpoint),
            Some(named) => Err(RosterError::Unsigned {
                size,
                key: named.key.to_string(),
                since: named.since,
            }),
        }
    }

    /// What is known of a key that the log names or named.
    #[must_use]
    pub fn named(&self, key: &VerifierKey) -> Option<&NamedKey> {
        self.keys.iter().find(|named| named.key == *key)
    }

    /// Reads a note that these keys, which its reader trusts, signed over so many entries: one of
    /// them has to be among those who must, and all who must have signed.
    ///
    /// # Errors
    /// See [`Self::speaks`] and [`Self::open`].
    pub fn open_by(
        &self,
        note: &[u8],
        trusted: &[VerifierKey],
        size: u64,
    ) -> Result<Checkpoint, RosterError> {
        self.speaks(trusted, size)?;
        self.open(note)
    }

    /// Whether one of these keys, which signed a checkpoint over so many entries, is one that has
    /// to; if not, what is to be said of the first.
    ///
    /// # Errors
    /// When it was retired before, or the log never named it.
    pub fn speaks(&self, keys: &[VerifierKey], size: u64) -> Result<(), RosterError> {
        if self.at(size).any(|named| keys.contains(&named.key)) {
            return Ok(());
        }
        let known = keys.first().and_then(|key| self.named(key));
        let key = keys.first().map(ToString::to_string).unwrap_or_default();
        match known.and_then(|named| named.until) {
            Some((at, _)) => contradiction(format!(
                "the checkpoint of {size} entries is signed by {key}, which the entry at position {at} retired"
            )),
            None => contradiction(format!(
                "the checkpoint of {size} entries is signed by {key}, which these entries do not name"
            )),
        }
    }
}

#[cfg(test)]
mod tests;
