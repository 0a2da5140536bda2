//! Tiles against the plain tree, at the sizes of the specification's examples and at random ones.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{HashTiles, PathError, TILE_BYTES, Tile, entries_path, tile_path};
use crate::seal::merkle::{
    Frontier, Hash, HashSource, LeafHashes, TreeError, leaf_hash, root_of_leaves,
};

/// Stored full tiles, by level and index.
type Stored = HashMap<(u8, u64), Vec<u8>>;

fn leaves(size: u64) -> Vec<Hash> {
    (0..size)
        .map(|index| leaf_hash(&index.to_be_bytes()))
        .collect()
}

fn store(stored: &mut Stored, completed: Vec<Tile>) {
    for tile in completed {
        assert_eq!(tile.bytes.len(), TILE_BYTES);
        let before = stored.insert((tile.level, tile.index), tile.bytes);
        assert_eq!(before, None, "a full tile is completed once");
    }
}

/// The tiles of a tree, built in two steps of any size.
fn built(leaves: &[Hash], first: usize) -> (HashTiles, Stored) {
    let (mut tiles, mut stored) = (HashTiles::new(), Stored::new());
    let (early, late) = leaves.split_at(first);
    store(&mut stored, tiles.append(early.iter().copied()));
    store(&mut stored, tiles.append(late.iter().copied()));
    (tiles, stored)
}

fn reader(stored: &Stored) -> impl Fn(u8, u64) -> Option<Vec<u8>> {
    |level, index| stored.get(&(level, index)).cloned()
}

#[test]
fn paths_are_those_of_the_specification() {
    let cases = [
        (0, 0, 256, "tile/0/000"),
        (0, 273, 112, "tile/0/273.p/112"),
        (1, 1, 17, "tile/1/001.p/17"),
        (2, 0, 1, "tile/2/000.p/1"),
        (63, 999, 255, "tile/63/999.p/255"),
        (0, 1000, 256, "tile/0/x001/000"),
        (0, 1_234_067, 256, "tile/0/x001/x234/067"),
        (3, 1_000_000, 1, "tile/3/x001/x000/000.p/1"),
        (0, u64::MAX, 256, "tile/0/x018/x446/x744/x073/x709/x551/615"),
    ];
    for (level, index, width, path) in cases {
        assert_eq!(tile_path(level, index, width).as_deref(), Ok(path));
    }
    assert_eq!(
        entries_path(1_234_067, 256).as_deref(),
        Ok("tile/entries/x001/x234/067")
    );
    assert_eq!(entries_path(5, 7).as_deref(), Ok("tile/entries/005.p/7"));
}

#[test]
fn paths_that_are_never_served_are_refused() {
    assert_eq!(tile_path(0, 0, 0), Err(PathError::Width { width: 0 }));
    assert_eq!(tile_path(0, 0, 257), Err(PathError::Width { width: 257 }));
    assert_eq!(tile_path(64, 0, 1), Err(PathError::Level { level: 64 }));
    assert_eq!(entries_path(0, 0), Err(PathError::Width { width: 0 }));
}

#[test]
fn a_tree_of_70000_leaves_has_the_tiles_of_the_specification() {
    let leaves = leaves(70_000);
    let (tiles, stored) = built(&leaves, 12_345);
    let full = |level| stored.keys().filter(|(found, _)| *found == level).count();
    assert_eq!((full(0), full(1), full(2)), (273, 1, 0));
    let partial: Vec<String> = tiles
        .partial_tiles()
        .iter()
        .map(|tile| tile.path().unwrap())
        .collect();
    assert_eq!(
        partial,
        ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]
    );

    let mut frontier = Frontier::new();
    frontier.extend(leaves.iter().copied());
    assert_eq!(tiles.root(), frontier.root());

    let source = tiles.source(reader(&stored));
    let plain = LeafHashes(&leaves);
    for size in [1, 255, 256, 257, 65_535, 65_536, 65_537, 69_888, 70_000] {
        assert_eq!(source.root_of(size), plain.root_of(size), "{size}");
        for index in [0, size / 3, size - 1] {
            assert_eq!(
                source.inclusion_proof(index, size),
                plain.inclusion_proof(index, size)
            );
        }
        assert_eq!(
            source.consistency_proof(size, 70_000),
            plain.consistency_proof(size, 70_000)
        );
    }
}

#[test]
fn a_tree_of_256_leaves_has_one_full_tile_and_one_hash_above() {
    let (tiles, stored) = built(&leaves(256), 256);
    assert_eq!(stored.keys().collect::<Vec<_>>(), [&(0, 0)]);
    let partial = tiles.partial_tiles();
    assert_eq!(partial[0].path().as_deref(), Ok("tile/1/000.p/1"));
    assert_eq!(partial[0].bytes, tiles.root().as_bytes());
    assert_eq!(partial.len(), 1);
    assert_eq!(HashTiles::new().partial_tiles(), []);
    assert_eq!(HashTiles::new().root(), Frontier::new().root());
}

#[test]
fn lost_and_shortened_tiles_are_named() {
    let leaves = leaves(1000);
    let (tiles, mut stored) = built(&leaves, 0);
    stored.get_mut(&(0, 1)).unwrap().pop();
    stored.remove(&(0, 2));
    let source = tiles.source(reader(&stored));
    let shortened = TreeError::TileLength {
        level: 0,
        index: 1,
        bytes: TILE_BYTES - 1,
    };
    assert_eq!(source.inclusion_proof(300, 1000), Err(shortened.clone()));
    let lost = TreeError::TileUnavailable { level: 0, index: 2 };
    assert_eq!(source.inclusion_proof(600, 1000), Err(lost));
    assert!(
        source.inclusion_proof(900, 1000).is_ok(),
        "not needed for this proof"
    );
    let beyond = TreeError::SubtreeUnavailable {
        level: 0,
        index: 1000,
    };
    assert_eq!(source.root_of(1001), Err(beyond));

    assert_eq!(
        HashTiles::load(1000, &leaves[768..], reader(&stored)),
        Err(shortened)
    );
    let tail = TreeError::TailLength {
        size: 1000,
        expected: 232,
        found: 231,
    };
    assert_eq!(
        HashTiles::load(1000, &leaves[769..], reader(&stored)),
        Err(tail)
    );
    let size = 1 << 63;
    let too_large = Err(TreeError::SizeTooLarge { size });
    assert_eq!(HashTiles::load(size, &[], reader(&stored)), too_large);
}

#[test]
fn subtrees_outside_the_tree_are_refused() {
    let (tiles, stored) = built(&leaves(600), 0);
    let source = tiles.source(reader(&stored));
    for (level, index) in [
        (0, 600),
        (3, 75),
        (9, 1),
        (10, 0),
        (63, 1),
        (64, 0),
        (u32::MAX, u64::MAX),
    ] {
        let refused = Err(TreeError::SubtreeUnavailable { level, index });
        assert_eq!(source.subtree(level, index), refused);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn tiles_are_the_plain_tree(
        size in 1..3000_usize,
        first in any::<prop::sample::Index>(),
        index in any::<u64>(),
        older in any::<u64>(),
    ) {
        let leaves = leaves(size as u64);
        let (tiles, stored) = built(&leaves, first.index(size + 1));
        prop_assert_eq!(tiles.size(), size as u64);
        prop_assert_eq!(tiles.root(), root_of_leaves(&leaves));

        let source = tiles.source(reader(&stored));
        let plain = LeafHashes(&leaves);
        let older = 1 + older % size as u64;
        let index = index % older;
        prop_assert_eq!(source.root_of(older), plain.root_of(older));
        prop_assert_eq!(
            source.inclusion_proof(index, older),
            plain.inclusion_proof(index, older)
        );
        let size = size as u64;
        prop_assert_eq!(
            source.consistency_proof(older, size),
            plain.consistency_proof(older, size)
        );
    }

    #[test]
    fn a_restart_loses_nothing(size in 0..3000_usize, more in 0..1000_usize) {
        let leaves = leaves((size + more) as u64);
        let (tiles, stored) = built(&leaves[..size], 0);
        let tail = &leaves[size - size % 256..size];
        let mut restored = HashTiles::load(size as u64, tail, reader(&stored)).unwrap();
        prop_assert_eq!(restored.root(), tiles.root());
        prop_assert_eq!(restored.partial_tiles(), tiles.partial_tiles());

        let mut undisturbed = tiles;
        let added = leaves[size..].iter().copied();
        prop_assert_eq!(restored.append(added.clone()), undisturbed.append(added));
        prop_assert_eq!(restored.root(), root_of_leaves(&leaves));
    }
}
