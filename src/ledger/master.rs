//! The master keys: numbered, and replaced while others work.
//!
//! What comes in: where the keys are kept ([`KeySource`]). What goes out: the cipher of a master
//! key for the keys of one event. What may fail: a number that is not kept any more. What must
//! stay true: the newest key wraps; a process that opened before a rotation takes up the new keys
//! before it wraps anything ([`MasterKeys::refresh`]) and when it meets a number that it does not
//! know. What it wrapped in between is refused by the vault, once the old key is retired there.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use chrono::NaiveDate;
use uuid::Uuid;

use super::cipher::EventCipher;
use super::keys::{Secret, UnwrapError};

/// Days after which a master key is replaced.
pub const MASTER_KEY_DAYS: i64 = 30;

/// A master key.
#[derive(Debug, Clone)]
pub struct MasterKey {
    /// The key.
    pub secret: Secret,
    /// The day on which it was made; unknown of keys that were kept without.
    pub made_on: Option<NaiveDate>,
}

impl MasterKey {
    /// The day from which it is to be replaced; none when its age is unknown, which is at once.
    #[must_use]
    pub fn ends_on(&self) -> Option<NaiveDate> {
        self.made_on?
            .checked_add_signed(chrono::Duration::days(MASTER_KEY_DAYS))
    }

    /// Whether it is to be replaced.
    #[must_use]
    pub fn is_due(&self, today: NaiveDate) -> bool {
        self.ends_on().is_none_or(|end| today >= end)
    }
}

/// Master keys by number.
pub type KeySet = BTreeMap<u32, MasterKey>;

/// Where master keys are kept.
pub trait KeySource: Send + Sync {
    /// Another one after every replacement of the keys; cheap.
    fn stamp(&self) -> Option<(u64, u128)>;
    /// The keys; none when they cannot be read now.
    fn read(&self) -> Option<KeySet>;
}

struct Known {
    keys: KeySet,
    stamp: Option<(u64, u128)>,
}

/// The master keys by number; the newest wraps.
pub struct MasterKeys {
    known: RwLock<Known>,
    source: Option<Box<dyn KeySource>>,
}

impl MasterKeys {
    /// From given keys; `None` when there is none.
    #[must_use]
    pub fn new(keys: KeySet) -> Option<Self> {
        (!keys.is_empty()).then_some(Self {
            known: RwLock::new(Known { keys, stamp: None }),
            source: None,
        })
    }

    /// From where they are kept; `None` when there is none.
    #[must_use]
    pub fn kept(source: Box<dyn KeySource>) -> Option<Self> {
        // The stamp first: what is replaced in between is then read again.
        let stamp = source.stamp();
        let keys = source.read().filter(|keys| !keys.is_empty())?;
        Some(Self {
            known: RwLock::new(Known { keys, stamp }),
            source: Some(source),
        })
    }

    fn with<T>(&self, read: impl FnOnce(&KeySet) -> T) -> T {
        read(
            &self
                .known
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .keys,
        )
    }

    /// The number of the key that wraps.
    #[must_use]
    pub fn newest(&self) -> u32 {
        self.with(|keys| keys.last_key_value().map_or(0, |(number, _)| *number))
    }

    /// The key that wraps.
    #[must_use]
    pub fn newest_key(&self) -> Option<(u32, MasterKey)> {
        self.with(|keys| {
            let (number, key) = keys.last_key_value()?;
            Some((*number, key.clone()))
        })
    }

    /// Takes up keys that were replaced since they were read; says whether there were any. Costs
    /// a look at the file when there were none.
    pub fn refresh(&self) -> bool {
        let Some(source) = &self.source else {
            return false;
        };
        let stamp = source.stamp();
        let unchanged = |known: &Known| known.stamp == stamp;
        if unchanged(&self.known.read().unwrap_or_else(PoisonError::into_inner)) {
            return false;
        }
        let Some(keys) = source.read().filter(|keys| !keys.is_empty()) else {
            return false;
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = Known { keys, stamp };
        true
    }

    /// The cipher of a master key for the keys of one event.
    ///
    /// # Errors
    /// When there is no key of that number, also not among those that were replaced since.
    pub fn cipher(&self, number: u32, event: Uuid) -> Result<EventCipher, UnwrapError> {
        let find = |keys: &KeySet| {
            let key = keys.get(&number)?;
            Some(EventCipher::new(key.secret.as_bytes(), event.as_bytes()))
        };
        if let Some(cipher) = self.with(find) {
            return Ok(cipher);
        }
        self.refresh();
        self.with(find).ok_or(UnwrapError::NoMasterKey(number))
    }
}

/// The number of the master key under which keys were wrapped; 0 when nothing is wrapped.
#[must_use]
pub fn wrapped_under(packed: &[u8]) -> u32 {
    packed
        .first_chunk::<4>()
        .map_or(0, |number| u32::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn key(byte: u8) -> MasterKey {
        MasterKey {
            secret: Secret::new([byte; 32]),
            made_on: NaiveDate::from_ymd_opt(2026, 1, 1),
        }
    }

    /// Keeps as many keys as it is told.
    struct Kept(std::sync::Arc<AtomicU32>);

    impl KeySource for Kept {
        fn stamp(&self) -> Option<(u64, u128)> {
            Some((u64::from(self.0.load(Ordering::Relaxed)), 0))
        }

        fn read(&self) -> Option<KeySet> {
            let numbers = 1..=self.0.load(Ordering::Relaxed);
            Some(numbers.map(|number| (number, key(7))).collect())
        }
    }

    #[test]
    fn replaced_keys_are_taken_up() {
        let count = std::sync::Arc::new(AtomicU32::new(1));
        let keys = MasterKeys::kept(Box::new(Kept(count.clone()))).unwrap();
        assert_eq!(keys.newest(), 1);
        assert!(!keys.refresh());
        assert!(keys.cipher(2, Uuid::nil()).is_err());
        count.store(2, Ordering::Relaxed);
        assert_eq!(keys.newest(), 1);
        assert!(keys.cipher(2, Uuid::nil()).is_ok());
        assert_eq!(keys.newest(), 2);
        count.store(3, Ordering::Relaxed);
        assert!(keys.refresh() && !keys.refresh());
        assert_eq!(keys.newest_key().unwrap().0, 3);
        // A file that is gone for a moment takes nothing away.
        count.store(0, Ordering::Relaxed);
        assert!(!keys.refresh());
        assert_eq!(keys.newest(), 3);
    }

    #[test]
    fn a_key_is_due_after_thirty_days_or_when_its_age_is_unknown() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert!(!key(1).is_due(day("2026-01-30")));
        assert!(key(1).is_due(day("2026-01-31")));
        let unknown = MasterKey {
            made_on: None,
            ..key(1)
        };
        assert!(unknown.is_due(day("2026-01-01")));
    }
}
