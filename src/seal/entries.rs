//! Entry bundles and the files of a log (C2SP tlog-tiles, <https://c2sp.org/tlog-tiles>).
//!
//! In come entries; out goes a bundle: up to 256 of them, each after its length as two bytes,
//! big-endian. The other way: in come the bytes of a bundle and the number of entries that the
//! checkpoint demands; out go the entries. A bundle that ends early, goes on, or has another
//! number of entries is refused with a [`BundleError`]. What must stay true: a bundle is read only
//! with a number of entries that comes from a checkpoint; and the files of a log follow from its
//! size alone ([`files`]).

use thiserror::Error;

use super::tiles::{PathError, TILE_HEIGHT, TILE_WIDTH, entries_path, tile_path};

/// The longest entry: its length has 16 bits.
pub const MAX_BUNDLED_ENTRY_BYTES: usize = u16::MAX as usize;
/// The longest bundle: 256 entries of 65,535 bytes with their lengths, 16 MiB.
pub const MAX_BUNDLE_BYTES: usize = TILE_WIDTH * (2 + MAX_BUNDLED_ENTRY_BYTES);

/// Why bytes are no bundle of so many entries.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BundleError {
    /// An entry is too long to be bundled.
    #[error("an entry of a bundle has at most 65535 bytes, not {bytes}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The bundle ends within or before an entry.
    #[error("the bundle ends before its entry {entry} of {expected} does")]
    Short {
        /// 0-based number of the entry within the bundle.
        entry: usize,
        /// How many there should be.
        expected: usize,
    },
    /// There is more behind the last entry.
    #[error("the bundle has {bytes} bytes behind its last entry")]
    Long {
        /// How many.
        bytes: usize,
    },
}

/// Writes a bundle.
///
/// # Errors
/// [`BundleError::TooLong`].
pub fn bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, BundleError> {
    let mut bytes = Vec::new();
    for entry in entries {
        let length =
            u16::try_from(entry.len()).map_err(|_| BundleError::TooLong { bytes: entry.len() })?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// Reads the first `count` entries of a bundle that has exactly `count`, or, when it is a full
/// bundle that stands in for a partial one, at least as many.
///
/// # Errors
/// [`BundleError::Short`], [`BundleError::Long`].
pub fn unbundle(bytes: &[u8], count: usize, is_exact: bool) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::with_capacity(count.min(TILE_WIDTH));
    let mut rest = bytes;
    for entry in 0..count {
        let short = BundleError::Short {
            entry,
            expected: count,
        };
        let (length, after) = rest.split_first_chunk::<2>().ok_or(short.clone())?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (found, after) = after.split_at_checked(length).ok_or(short)?;
        entries.push(found);
        rest = after;
    }
    if is_exact && !rest.is_empty() {
        return Err(BundleError::Long { bytes: rest.len() });
    }
    Ok(entries)
}

/// A file of a log: a hash tile or a bundle of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogFile {
    /// The level of a hash tile; none for a bundle of entries.
    pub level: Option<u8>,
    /// Its index within its level.
    pub index: u64,
    /// Hashes or entries: 256 in a full one.
    pub width: usize,
}

impl LogFile {
    /// Its path below the log's prefix.
    ///
    /// # Errors
    /// [`PathError`], never for a file of [`files`].
    pub fn path(&self) -> Result<String, PathError> {
        match self.level {
            Some(level) => tile_path(level, self.index, self.width),
            None => entries_path(self.index, self.width),
        }
    }

    /// The file that a path below the log's prefix names; `None` for any other spelling.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let level = if kind == "entries" {
            None
        } else {
            Some(u8::try_from(super::decimal(kind)?).ok()?)
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, usize::try_from(super::decimal(width)?).ok()?),
            None => (rest, TILE_WIDTH),
        };
        let mut index: u64 = 0;
        for group in number.split('/') {
            let digits = group.trim_start_matches('x');
            let three = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
            let group = three.then(|| digits.parse::<u64>().ok()).flatten()?;
            index = index.checked_mul(1000)?.checked_add(group)?;
        }
        let file = Self {
            level,
            index,
            width,
        };
        // One spelling each: what is written again is what was read.
        (file.path().ok()? == path).then_some(file)
    }
}

/// Every file that a log of this size has, besides its checkpoint: full and partial ones, bundles
/// first, then the tiles from level 0 upwards.
pub fn files(size: u64) -> impl Iterator<Item = LogFile> {
    let width = TILE_WIDTH as u64;
    let levels = (0..=63u8).map(Some);
    [None].into_iter().chain(levels).flat_map(move |level| {
        let shift = u32::from(level.unwrap_or(0)) * TILE_HEIGHT;
        let hashes = size.checked_shr(shift).unwrap_or(0);
        (0..hashes.div_ceil(width)).map(move |index| LogFile {
            level,
            index,
            width: usize::try_from((hashes - index * width).min(width)).unwrap_or(TILE_WIDTH),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_specification() {
        let of = |size| {
            let mut counts = std::collections::BTreeMap::new();
            for file in files(size) {
                *counts.entry((file.level, file.width)).or_insert(0) += 1;
            }
            counts.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(
            of(70_000),
            [
                ((None, 112), 1),
                ((None, 256), 273),
                ((Some(0), 112), 1),
                ((Some(0), 256), 273),
                ((Some(1), 17), 1),
                ((Some(1), 256), 1),
                ((Some(2), 1), 1),
            ]
        );
        assert_eq!(
            of(256),
            [((None, 256), 1), ((Some(0), 256), 1), ((Some(1), 1), 1)]
        );
        assert_eq!(of(0), []);
        let file = LogFile::of_path("tile/entries/x001/x234/067.p/8").unwrap();
        assert_eq!((file.level, file.index, file.width), (None, 1_234_067, 8));
    }

    #[test]
    fn paths_have_one_spelling() {
        for size in [1, 255, 256, 257, 70_000, 256_001] {
            for file in files(size) {
                assert_eq!(LogFile::of_path(&file.path().unwrap()), Some(file));
            }
        }
        for refused in [
            "",
            "checkpoint",
            "tile/0",
            "tile/0/",
            "tile/00/000",
            "tile/64/000",
            "tile/0/00",
            "tile/0/0000",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/xx001/000",
            "tile/0/x001/x000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/1/",
            "tile/0/000/",
            "tile/0/../000",
            "/tile/0/000",
            "tile/data/000",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
        ] {
            assert_eq!(LogFile::of_path(refused), None, "{refused}");
        }
    }

    proptest! {
        #[test]
        fn bundles_are_read_as_written(
            entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)
        ) {
            let bytes = bundle(entries.iter().map(Vec::as_slice)).unwrap();
            let read = unbundle(&bytes, entries.len(), true).unwrap();
            prop_assert_eq!(read, entries.iter().map(Vec::as_slice).collect::<Vec<_>>());
            if let Some(fewer) = entries.len().checked_sub(1) {
                prop_assert!(unbundle(&bytes, fewer, true).is_err());
                prop_assert_eq!(unbundle(&bytes, fewer, false).unwrap().len(), fewer);
                prop_assert!(unbundle(&bytes[..bytes.len() - 1], entries.len(), false).is_err());
            }
            prop_assert!(unbundle(&bytes, entries.len() + 1, true).is_err());
        }

        #[test]
        fn any_path_is_read_or_refused(path in "(tile/)?([0-9a-z./]{0,30}|entries/[0-9x/.p]{0,30})") {
            if let Some(file) = LogFile::of_path(&path) {
                prop_assert_eq!(file.path().unwrap(), path);
            }
        }
    }

    #[test]
    fn an_entry_that_is_too_long_is_refused() {
        let long = vec![0; 65_536];
        let refused = bundle([long.as_slice()]);
        assert_eq!(refused, Err(BundleError::TooLong { bytes: 65_536 }));
    }
}
