//! The tree against known answers, against the `ct-merkle` crate as a second opinion, and at sizes
//! that nobody will ever store.

use std::iter;

use ct_merkle::digest::array::Array;
use ct_merkle::digest::{FixedOutput, HashMarker, OutputSizeUser, Update};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use proptest::prelude::*;
use sha2::Digest as _;

use super::{
    Frontier, Hash, HashError, HashSource, LeafHashes, MAX_TREE_SIZE, ProofError, TreeError,
    empty_root, leaf_hash, leaf_range, node_hash, root_of_leaves, split, verify_consistency,
    verify_inclusion,
};

/// Our SHA-256 with the hashing traits of the newer family that `ct-merkle` uses.
#[derive(Clone, Default)]
struct Sha256(sha2::Sha256);

impl HashMarker for Sha256 {}

impl OutputSizeUser for Sha256 {
    type OutputSize = ct_merkle::digest::consts::U32;
}

impl Update for Sha256 {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
}

impl FixedOutput for Sha256 {
    fn finalize_into(self, out: &mut Array<u8, Self::OutputSize>) {
        out.copy_from_slice(&self.0.finalize());
    }
}

type Second = MemoryBackedTree<Sha256, Vec<u8>>;

/// The same tree twice: the second opinion's, and our leaf hashes.
fn trees(size: u64) -> (Second, Vec<Hash>) {
    let mut second = Second::new();
    let mut leaves = Vec::new();
    for index in 0..size {
        let leaf = format!("entry {index}").into_bytes();
        leaves.push(leaf_hash(&leaf));
        second.push(leaf);
    }
    (second, leaves)
}

fn hashes(bytes: &[u8]) -> Vec<Hash> {
    bytes
        .chunks(32)
        .map(|hash| Hash::try_from(hash).unwrap())
        .collect()
}

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

fn second_root(hash: Hash, size: u64) -> RootHash<Sha256> {
    RootHash::new(Array(hash.0), size)
}

/// An endless log in which every entry is the same, so that all subtrees of a level are equal and
/// a tree of any size costs nothing.
struct Monotonous {
    levels: Vec<Hash>,
}

impl Monotonous {
    fn new() -> Self {
        let levels = iter::successors(Some(leaf_hash(b"same")), |hash| Some(node_hash(hash, hash)));
        Self {
            levels: levels.take(64).collect(),
        }
    }
}

impl HashSource for Monotonous {
    fn subtree(&self, level: u32, index: u64) -> Result<Hash, TreeError> {
        assert!(
            leaf_range(level, index).is_some(),
            "subtree {index} of level {level}"
        );
        Ok(self.levels[usize::try_from(level).unwrap()])
    }
}

#[test]
fn known_roots() {
    // The eight inputs and roots of RFC 6962's reference test data.
    let inputs = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut frontier = Frontier::new();
    assert_eq!(format!("{:x}", frontier.root()), roots[0]);
    for (input, root) in inputs.into_iter().zip(&roots[1..]) {
        frontier.push(leaf_hash(&hex::decode(input).unwrap()));
        assert_eq!(format!("{:x}", frontier.root()), *root);
    }
    assert_eq!(empty_root(), Frontier::new().root());
}

#[test]
fn hashes_have_one_spelling() {
    let hash = leaf_hash(b"x");
    let text = hash.to_string();
    assert_eq!(Hash::from_base64(&text), Ok(hash));
    // The last character before the padding carries two unused bits.
    let stray_bits = format!("{}{}=", &text[..42], char::from(text.as_bytes()[42] + 1));
    for refused in [
        "",
        &text[..43],
        &format!("{text}="),
        &stray_bits,
        &text.replace('=', "A"),
    ] {
        let refusal = Hash::from_base64(refused);
        assert!(refusal.is_err(), "{refused:?}: {refusal:?}");
    }
    assert!(matches!(
        Hash::try_from(&[0; 31][..]),
        Err(HashError::Length { bytes: 31, .. })
    ));
}

#[test]
fn frontiers_are_restored_only_from_fitting_parts() {
    let frontier = |size, hashes| Frontier::from_parts(size, vec![empty_root(); hashes]);
    assert_eq!(
        frontier(5, 1),
        Err(TreeError::FrontierLength {
            size: 5,
            expected: 2,
            found: 1
        })
    );
    assert!(frontier(MAX_TREE_SIZE, 63).is_ok());
    let size = MAX_TREE_SIZE + 1;
    assert_eq!(frontier(size, 1), Err(TreeError::SizeTooLarge { size }));
}

#[test]
fn splits_are_the_largest_power_of_two_below() {
    let cases = [
        (2, 1),
        (3, 2),
        (4, 2),
        (5, 4),
        (u64::MAX, 1 << 63),
        ((1 << 63) + 1, 1 << 63),
    ];
    for (width, left_width) in cases {
        assert_eq!(split(width), left_width, "{width}");
    }
}

#[test]
fn proofs_that_make_no_sense_are_not_made() {
    let leaves = [empty_root(); 4];
    let source = LeafHashes(&leaves);
    assert_eq!(
        source.inclusion_proof(4, 4),
        Err(TreeError::IndexOutsideTree { index: 4, size: 4 })
    );
    assert_eq!(
        source.consistency_proof(0, 4),
        Err(TreeError::FromEmptyTree)
    );
    let reversed = TreeError::SizesReversed {
        old_size: 4,
        new_size: 3,
    };
    assert_eq!(source.consistency_proof(4, 3), Err(reversed));
    assert_eq!(
        source.root_of(5),
        Err(TreeError::SubtreeUnavailable { level: 0, index: 4 })
    );
    assert_eq!(
        source.root_of(8),
        Err(TreeError::SubtreeUnavailable { level: 3, index: 0 })
    );
    assert!(source.subtree(64, 0).is_err() && source.subtree(63, u64::MAX).is_err());
}

#[test]
fn all_small_trees_prove_every_leaf_and_every_past() {
    let (_, leaves) = trees(40);
    let source = LeafHashes(&leaves);
    let roots: Vec<Hash> = (0..=40).map(|size| source.root_of(size).unwrap()).collect();
    for new_size in 1..=40_u64 {
        let new_root = &roots[usize::try_from(new_size).unwrap()];
        for (index, leaf) in (0..new_size).zip(&leaves) {
            let proof = source.inclusion_proof(index, new_size).unwrap();
            verify_inclusion(leaf, index, new_size, &proof, new_root).unwrap();
        }
        for (old_size, old_root) in (1..=new_size).zip(&roots[1..]) {
            let proof = source.consistency_proof(old_size, new_size).unwrap();
            verify_consistency(old_size, old_root, new_size, new_root, &proof).unwrap();
        }
    }
}

proptest! {
    #[test]
    fn the_second_opinion_agrees(size in 1..600_u64, index in any::<u64>(), old in any::<u64>()) {
        let (index, old_size) = (index % size, 1 + old % size);
        let (second, leaves) = trees(size);
        let source = LeafHashes(&leaves);
        let root = source.root_of(size).unwrap();
        let old_root = source.root_of(old_size).unwrap();
        prop_assert_eq!(root.0, second.root().as_bytes().0);
        prop_assert_eq!(root, root_of_leaves(&leaves));

        // We accept its proofs, it accepts ours, and they are the same.
        let proof = source.inclusion_proof(index, size).unwrap();
        let place = usize::try_from(index).unwrap();
        prop_assert_eq!(&proof, &hashes(second.prove_inclusion(place).as_bytes()));
        verify_inclusion(&leaves[place], index, size, &proof, &root).unwrap();
        let theirs = InclusionProof::<Sha256>::try_from_bytes(bytes(&proof)).unwrap();
        let leaf = format!("entry {index}").into_bytes();
        second_root(root, size).verify_inclusion(&leaf, index, &theirs).unwrap();

        let proof = source.consistency_proof(old_size, size).unwrap();
        let added = usize::try_from(size - old_size).unwrap();
        prop_assert_eq!(&proof, &hashes(second.prove_consistency(added).as_bytes()));
        verify_consistency(old_size, &old_root, size, &root, &proof).unwrap();
        let theirs = ConsistencyProof::<Sha256>::try_from_bytes(bytes(&proof)).unwrap();
        second_root(root, size)
            .verify_consistency(&second_root(old_root, old_size), &theirs)
            .unwrap();
    }

    #[test]
    fn a_frontier_is_the_tree_at_every_size(size in 0..300_u64, more in 0..300_u64) {
        let (_, leaves) = trees(size + more);
        let mut frontier = Frontier::new();
        frontier.extend(leaves[..usize::try_from(size).unwrap()].iter().copied());
        let mut restored =
            Frontier::from_parts(frontier.size(), frontier.subtrees().to_vec()).unwrap();
        prop_assert_eq!(restored.root(), LeafHashes(&leaves).root_of(size).unwrap());
        restored.extend(leaves[usize::try_from(size).unwrap()..].iter().copied());
        prop_assert_eq!(restored.size(), size + more);
        prop_assert_eq!(restored.root(), root_of_leaves(&leaves));
    }

    #[test]
    fn trees_of_any_size_are_proved(size in 1..=u64::MAX, index in any::<u64>(), old in any::<u64>()) {
        let (index, old_size) = (index % size, 1 + old % size);
        let source = Monotonous::new();
        let root = source.root_of(size).unwrap();
        let proof = source.inclusion_proof(index, size).unwrap();
        verify_inclusion(&leaf_hash(b"same"), index, size, &proof, &root).unwrap();
        let old_root = source.root_of(old_size).unwrap();
        let proof = source.consistency_proof(old_size, size).unwrap();
        verify_consistency(old_size, &old_root, size, &root, &proof).unwrap();
    }

    #[test]
    fn no_input_panics_or_passes(
        index in any::<u64>(),
        size in any::<u64>(),
        proof in prop::collection::vec(any::<[u8; 32]>().prop_map(Hash), 0..80),
        root in any::<[u8; 32]>().prop_map(Hash),
    ) {
        let leaf = leaf_hash(b"x");
        prop_assert!(verify_inclusion(&leaf, index, size, &proof, &root).is_err());
        prop_assert!(verify_consistency(index, &leaf, size, &root, &proof).is_err());
    }

    #[test]
    fn a_changed_proof_is_refused(size in 2..200_u64, index in any::<u64>(), bit in any::<usize>()) {
        let index = index % size;
        let (_, leaves) = trees(size);
        let source = LeafHashes(&leaves);
        let root = source.root_of(size).unwrap();
        let leaf = leaves[usize::try_from(index).unwrap()];
        let good = source.inclusion_proof(index, size).unwrap();

        let mut flipped = bytes(&good);
        let place = bit % (flipped.len() * 8);
        flipped[place / 8] ^= 1 << (place % 8);
        let refusal = verify_inclusion(&leaf, index, size, &hashes(&flipped), &root);
        let is_mismatch = matches!(refusal, Err(ProofError::RootMismatch { .. }));
        prop_assert!(is_mismatch, "{:?}", refusal);

        for other in 0..size {
            if other != index {
                prop_assert!(verify_inclusion(&leaf, other, size, &good, &root).is_err());
            }
        }
        let short = verify_inclusion(&leaf, index, size, &good[1..], &root);
        let expected = ProofError::Length { expected: good.len(), found: good.len() - 1 };
        prop_assert_eq!(short, Err(expected));
    }
}

#[test]
fn the_largest_sizes_are_within_reach() {
    let source = Monotonous::new();
    for size in [
        MAX_TREE_SIZE,
        1 << 63,
        (1 << 63) + 1,
        u64::MAX - 1,
        u64::MAX,
    ] {
        let root = source.root_of(size).unwrap();
        for index in [0, 1, size / 2, size - 2, size - 1] {
            let proof = source.inclusion_proof(index, size).unwrap();
            assert!(proof.len() <= 64);
            verify_inclusion(&leaf_hash(b"same"), index, size, &proof, &root).unwrap();
        }
        for old_size in [1, 2, 3, size / 2, 1 << 62, size - 1, size] {
            let old_root = source.root_of(old_size).unwrap();
            let proof = source.consistency_proof(old_size, size).unwrap();
            verify_consistency(old_size, &old_root, size, &root, &proof).unwrap();
        }
    }
}
