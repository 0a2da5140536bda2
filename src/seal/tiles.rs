//! Hash tiles: the Merkle tree as static files (C2SP tlog-tiles, <https://c2sp.org/tlog-tiles>).
//!
//! A tile of level L holds up to 256 consecutive hashes of tree height 8 L; a full tile never
//! changes again, and its own root is one hash of a tile at level L + 1. In come leaf hashes, in
//! order. Out go full tiles as they are completed, the partial tiles of the current size, the root,
//! and, together with a reader of full tiles, every older root and every proof. A reader may fail
//! to give a tile, or give one of the wrong length: [`TreeError`] names it. What must stay true: a
//! partial tile is never hashed into the level above; and tiles that were read are believed only
//! as far as the root that comes out of them equals the root of a checkpoint, which is the caller's
//! to compare.

use thiserror::Error;

use super::merkle::{
    HASH_BYTES, Hash, HashSource, MAX_TREE_SIZE, TreeError, empty_root, leaf_range, node_hash,
    root_of_leaves,
};

/// Height of the subtree that a full tile spans.
pub const TILE_HEIGHT: u32 = 8;
/// Hashes in a full tile: 2^8.
pub const TILE_WIDTH: usize = 1 << TILE_HEIGHT;
/// Bytes of a full tile: 256 hashes of 32 bytes.
pub const TILE_BYTES: usize = TILE_WIDTH * HASH_BYTES;
/// The highest level that a path may name (C2SP tlog-tiles). Our trees end at level 7.
const MAX_TILE_LEVEL: u8 = 63;
/// Index groups of a path have three digits.
const PATH_GROUP: u64 = 1000;

/// One hash tile, full or partial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// 0 for a tile of leaf hashes.
    pub level: u8,
    /// Index of the tile within its level.
    pub index: u64,
    /// The hashes one after the other; 8192 bytes in a full tile.
    pub bytes: Vec<u8>,
}

impl Tile {
    fn new(level: u8, index: u64, hashes: &[Hash]) -> Self {
        let mut bytes = Vec::with_capacity(hashes.len() * HASH_BYTES);
        for hash in hashes {
            bytes.extend_from_slice(hash.as_bytes());
        }
        Self {
            level,
            index,
            bytes,
        }
    }

    /// The number of hashes: 256 in a full tile.
    #[must_use]
    pub fn width(&self) -> usize {
        self.bytes.len() / HASH_BYTES
    }

    /// Where the tile is served, see [`tile_path`].
    ///
    /// # Errors
    /// As [`tile_path`]; never for a tile that came from [`HashTiles`].
    pub fn path(&self) -> Result<String, PathError> {
        tile_path(self.level, self.index, self.width())
    }
}

/// The right edge of a growing tree, tile by tile: the partial tile of every level. It takes at
/// most 8 * 255 hashes (64 KiB) and is what a sealer keeps in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HashTiles {
    size: u64,
    /// The hashes of the unfinished tile of each level, `(size >> (8 * level)) % 256` of them.
    edge: Vec<Vec<Hash>>,
}

impl HashTiles {
    /// The tiles of the empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Restores the edge of a tree of `size` leaves from its full tiles and the leaf hashes beyond
    /// the last full tile. Reads at most 255 tiles for each level above the first.
    ///
    /// `read` gives a full tile by level and index.
    ///
    /// # Errors
    /// [`TreeError::SizeTooLarge`], [`TreeError::TailLength`], [`TreeError::TileUnavailable`],
    /// [`TreeError::TileLength`].
    pub fn load<F>(size: u64, tail: &[Hash], read: F) -> Result<Self, TreeError>
    where
        F: Fn(u8, u64) -> Option<Vec<u8>>,
    {
        if size > MAX_TREE_SIZE {
            return Err(TreeError::SizeTooLarge { size });
        }
        let expected = edge_width(size, 0);
        if tail.len() as u64 != expected {
            return Err(TreeError::TailLength {
                size,
                expected,
                found: tail.len(),
            });
        }
        let mut edge = vec![tail.to_vec()];
        for level in 1..=MAX_TILE_LEVEL {
            let hashes = hashes_at(size, level);
            if hashes == 0 {
                break;
            }
            let first = hashes - edge_width(size, level);
            let roots = (first..hashes)
                .map(|index| Ok(root_of_leaves(&read_tile(&read, level - 1, index)?)));
            edge.push(roots.collect::<Result<_, TreeError>>()?);
        }
        Ok(Self { size, edge })
    }

    /// The number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends leaf hashes and returns the full tiles that they complete, in an order in which a
    /// tile comes after those below it. For 65,536 leaves that are 257 tiles of 8 KiB.
    ///
    /// A caller that fails to store them has to [`HashTiles::load`] anew: this value is ahead of its
    /// storage then.
    #[must_use = "full tiles are returned only once and have to be stored"]
    pub fn append<I: IntoIterator<Item = Hash>>(&mut self, leaves: I) -> Vec<Tile> {
        let mut completed = Vec::new();
        for leaf in leaves {
            self.push(leaf, &mut completed);
        }
        completed
    }

    fn push(&mut self, leaf: Hash, completed: &mut Vec<Tile>) {
        let mut hash = leaf;
        for level in 0..=MAX_TILE_LEVEL {
            if self.edge.len() == usize::from(level) {
                self.edge.push(Vec::with_capacity(TILE_WIDTH));
            }
            let index = hashes_at(self.size, level) >> TILE_HEIGHT;
            let unfinished = &mut self.edge[usize::from(level)];
            unfinished.push(hash);
            if unfinished.len() < TILE_WIDTH {
                break;
            }
            completed.push(Tile::new(level, index, unfinished));
            hash = root_of_leaves(unfinished);
            unfinished.clear();
        }
        self.size += 1;
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        for hashes in &self.edge {
            // From the right, where the smallest complete subtree lies, to the left.
            let mut rest = hashes.len();
            while rest != 0 {
                let width = 1 << rest.trailing_zeros();
                let left = root_of_leaves(&hashes[rest - width..rest]);
                root = Some(root.map_or(left, |right| node_hash(&left, &right)));
                rest -= width;
            }
        }
        root.unwrap_or_else(empty_root)
    }

    /// The partial tiles that belong to the current size, those with at least one hash.
    #[must_use]
    pub fn partial_tiles(&self) -> Vec<Tile> {
        let levels = (0..=MAX_TILE_LEVEL).zip(&self.edge);
        levels
            .filter(|(_, hashes)| !hashes.is_empty())
            .map(|(level, hashes)| {
                Tile::new(level, hashes_at(self.size, level) >> TILE_HEIGHT, hashes)
            })
            .collect()
    }

    /// These tiles as a source of roots and proofs for every size up to the current one.
    ///
    /// `read` gives a full tile by level and index. A proof asks for the same tile up to eight
    /// times in a row; a reader that goes to disk should remember the last one.
    pub const fn source<F>(&self, read: F) -> TileSource<'_, F>
    where
        F: Fn(u8, u64) -> Option<Vec<u8>>,
    {
        TileSource { tiles: self, read }
    }
}

/// A [`HashSource`] over stored full tiles and the edge in memory, see [`HashTiles::source`].
#[derive(Debug)]
pub struct TileSource<'a, F> {
    tiles: &'a HashTiles,
    read: F,
}

impl<F> HashSource for TileSource<'_, F>
where
    F: Fn(u8, u64) -> Option<Vec<u8>>,
{
    fn subtree(&self, level: u32, index: u64) -> Result<Hash, TreeError> {
        let unavailable = TreeError::SubtreeUnavailable { level, index };
        match leaf_range(level, index) {
            Some((_, end)) if end <= self.tiles.size => {}
            _ => return Err(unavailable),
        }
        // The subtree is `width` neighbouring hashes of one tile.
        let first = index << (level % TILE_HEIGHT);
        let width = 1_usize << (level % TILE_HEIGHT);
        let (Ok(tile_level), Ok(offset)) = (
            u8::try_from(level / TILE_HEIGHT),
            usize::try_from(first % TILE_WIDTH as u64),
        ) else {
            return Err(unavailable);
        };
        let tile_index = first >> TILE_HEIGHT;
        let is_unfinished = tile_index == hashes_at(self.tiles.size, tile_level) >> TILE_HEIGHT;
        let stored;
        let hashes = if is_unfinished {
            self.tiles.edge.get(usize::from(tile_level))
        } else {
            stored = read_tile(&self.read, tile_level, tile_index)?;
            Some(&stored)
        };
        hashes
            .and_then(|hashes| hashes.get(offset..offset + width))
            .map(root_of_leaves)
            .ok_or(unavailable)
    }
}

/// The number of hashes that a tree has at a tile level.
fn hashes_at(size: u64, level: u8) -> u64 {
    size.checked_shr(u32::from(level) * TILE_HEIGHT)
        .unwrap_or(0)
}

/// The number of those that lie beyond the last full tile.
fn edge_width(size: u64, level: u8) -> u64 {
    hashes_at(size, level) % TILE_WIDTH as u64
}

/// Reads one full tile and refuses one of another length.
fn read_tile<F>(read: &F, level: u8, index: u64) -> Result<Vec<Hash>, TreeError>
where
    F: Fn(u8, u64) -> Option<Vec<u8>>,
{
    let bytes = read(level, index).ok_or(TreeError::TileUnavailable { level, index })?;
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    if hashes.len() != TILE_WIDTH || !rest.is_empty() {
        return Err(TreeError::TileLength {
            level,
            index,
            bytes: bytes.len(),
        });
    }
    Ok(hashes.iter().copied().map(Hash).collect())
}

/// Why there is no such path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PathError {
    /// A tile has 1 to 256 hashes; an empty tile is never served.
    #[error("a tile or an entry bundle has a width of 1 to 256, not {width}")]
    Width {
        /// The width asked for.
        width: usize,
    },
    /// Levels run from 0 to 63.
    #[error("a tile has a level of 0 to 63, not {level}")]
    Level {
        /// The level asked for.
        level: u8,
    },
}

/// The path of a hash tile, relative to the log's prefix: `tile/<L>/<N>`, for a partial tile
/// `tile/<L>/<N>.p/<W>`, with N in groups of three digits of which all but the last begin with an
/// `x`: tile 1234067 of level 0 is `tile/0/x001/x234/067`.
///
/// # Errors
/// [`PathError`] when the width is not within 1 to 256 or the level not within 0 to 63.
pub fn tile_path(level: u8, index: u64, width: usize) -> Result<String, PathError> {
    if level > MAX_TILE_LEVEL {
        return Err(PathError::Level { level });
    }
    resource_path(&level.to_string(), index, width)
}

/// The path of a bundle of entries, relative to the log's prefix: `tile/entries/<N>[.p/<W>]`, with
/// N and W as in [`tile_path`]. Bundle N holds the entries whose hashes are in tile N of level 0.
///
/// # Errors
/// [`PathError::Width`] when the width is not within 1 to 256.
pub fn entries_path(index: u64, width: usize) -> Result<String, PathError> {
    resource_path("entries", index, width)
}

fn resource_path(kind: &str, index: u64, width: usize) -> Result<String, PathError> {
    if width == 0 || width > TILE_WIDTH {
        return Err(PathError::Width { width });
    }
    let mut path = format!("{:03}", index % PATH_GROUP);
    let mut higher_groups = index / PATH_GROUP;
    while higher_groups != 0 {
        path = format!("x{:03}/{path}", higher_groups % PATH_GROUP);
        higher_groups /= PATH_GROUP;
    }
    let partial = if width == TILE_WIDTH {
        String::new()
    } else {
        format!(".p/{width}")
    };
    Ok(format!("tile/{kind}/{path}{partial}"))
}

#[cfg(test)]
mod tests;
