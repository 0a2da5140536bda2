//! Proofs as texts: written, read, verified, and refused when anything about them is changed.

use proptest::prelude::*;

use super::{
    MAX_EXTRA_BYTES, MAX_PROOF_BYTES, MAX_PROOF_HASHES, PROOF_HEADER, TlogProof, TlogProofError,
};
use crate::seal::checkpoint::{Checkpoint, CheckpointError, MAX_NOTE_BYTES};
use crate::seal::keys::{SigningKey, VerifierKey};
use crate::seal::merkle::{Hash, HashSource, LeafHashes, ProofError, leaf_hash};

const ORIGIN: &str = "ledger.example/county";
const SIZE: u64 = 11;

fn leaf(index: u64) -> Vec<u8> {
    format!("{{\"position\":{index}}}").into_bytes()
}

/// A log of eleven entries, its signed checkpoint and the key that an auditor trusts.
fn log() -> (Vec<Hash>, Vec<u8>, Vec<VerifierKey>) {
    let key = SigningKey::generate(&mut rand_core::OsRng, ORIGIN).unwrap();
    let leaves: Vec<Hash> = (0..SIZE).map(|index| leaf_hash(&leaf(index))).collect();
    let root = LeafHashes(&leaves).root_of(SIZE).unwrap();
    let note = Checkpoint::new(ORIGIN, SIZE, root)
        .unwrap()
        .sign(&key)
        .unwrap();
    (leaves, note, vec![key.verifier_key().clone()])
}

fn proof(leaves: &[Hash], note: &[u8], index: u64, extra: Option<&[u8]>) -> TlogProof {
    let hashes = LeafHashes(leaves).inclusion_proof(index, SIZE).unwrap();
    TlogProof::new(index, hashes, extra.map(<[u8]>::to_vec), note).unwrap()
}

#[test]
fn the_text_has_the_lines_of_the_specification() {
    let (first, second) = (leaf_hash(b"first"), leaf_hash(b"second"));
    let proof = |extra| TlogProof::new(5, vec![first, second], extra, b"checkpoint\n").unwrap();
    let expected = format!("c2sp.org/tlog-proof@v1\nindex 5\n{first}\n{second}\n\ncheckpoint\n");
    assert_eq!(proof(None).to_string(), expected);
    let expected = format!(
        "c2sp.org/tlog-proof@v1\nextra ZXh0cmE=\nindex 5\n{first}\n{second}\n\ncheckpoint\n"
    );
    assert_eq!(proof(Some(b"extra".to_vec())).to_string(), expected);
    let alone = TlogProof::new(0, vec![], None, b"checkpoint\n").unwrap();
    assert_eq!(
        alone.to_string(),
        "c2sp.org/tlog-proof@v1\nindex 0\n\ncheckpoint\n"
    );
}

#[test]
fn every_entry_is_proved_to_whoever_trusts_the_key() {
    let (leaves, note, keys) = log();
    for index in 0..SIZE {
        for extra in [None, Some(&b"\x00\xff"[..])] {
            let text = proof(&leaves, &note, index, extra).to_string();
            let read = TlogProof::parse(text.as_bytes()).unwrap();
            assert_eq!(read.to_string(), text);
            assert_eq!((read.index(), read.extra()), (index, extra));
            assert_eq!(read.checkpoint_note().as_bytes(), note);
            let checkpoint = read.verify(&leaf(index), &keys).unwrap();
            assert_eq!((checkpoint.origin(), checkpoint.size()), (ORIGIN, SIZE));
        }
    }
}

#[test]
fn another_entry_or_another_key_is_refused() {
    let (leaves, note, keys) = log();
    let proof = proof(&leaves, &note, 4, None);
    let refusal = proof.verify(&leaf(5), &keys).unwrap_err();
    let is_mismatch = matches!(
        refusal,
        TlogProofError::Inclusion(ProofError::RootMismatch { .. })
    );
    assert!(is_mismatch, "{refusal}");
    let (_, _, strangers) = log();
    let refusal = proof.verify(&leaf(4), &strangers).unwrap_err();
    let is_unknown = matches!(
        refusal,
        TlogProofError::Checkpoint(CheckpointError::UnknownKey { .. })
    );
    assert!(is_unknown, "{refusal}");
    let outside = TlogProof::new(SIZE, proof.hashes().to_vec(), None, &note).unwrap();
    let refusal = outside.verify(&leaf(4), &keys).unwrap_err();
    let expected = ProofError::IndexOutsideTree {
        index: SIZE,
        size: SIZE,
    };
    assert!(matches!(&refusal, TlogProofError::Inclusion(found) if *found == expected));
}

#[test]
fn every_flipped_bit_is_refused() {
    let (leaves, note, keys) = log();
    let text = proof(&leaves, &note, 4, None).to_string().into_bytes();
    for bit in 0..text.len() * 8 {
        let mut changed = text.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let verdict = TlogProof::parse(&changed).and_then(|proof| proof.verify(&leaf(4), &keys));
        assert!(verdict.is_err(), "bit {bit}: {verdict:?}");
    }
    for end in 0..text.len() {
        let verdict =
            TlogProof::parse(&text[..end]).and_then(|proof| proof.verify(&leaf(4), &keys));
        assert!(verdict.is_err(), "cut at {end}");
    }
}

#[test]
fn misspelled_texts_are_refused_by_name() {
    let hash = leaf_hash(b"x").to_string();
    let parse = |text: String| TlogProof::parse(text.as_bytes()).unwrap_err();
    let head = |lines: &str| parse(format!("{PROOF_HEADER}\n{lines}"));

    let refusal = parse("c2sp.org/tlog-proof@v2\nindex 0\n\nx\n".to_owned());
    assert!(
        matches!(refusal, TlogProofError::Header { .. }),
        "{refusal}"
    );
    let refusal = parse(format!("{PROOF_HEADER}\r\nindex 0\n\nx\n"));
    assert!(
        matches!(refusal, TlogProofError::Header { .. }),
        "{refusal}"
    );
    for text in ["", PROOF_HEADER] {
        let refusal = parse(text.to_owned());
        assert!(
            matches!(refusal, TlogProofError::MissingLine { line: "first line" }),
            "{refusal}"
        );
    }
    for index in [
        "index", "index ", "index 01", "index -1", "index  1", "index 1 ", "Index 1", "",
    ] {
        let refusal = head(&format!("{index}\n\nx\n"));
        assert!(
            matches!(refusal, TlogProofError::Index { .. }),
            "{index:?}: {refusal}"
        );
    }
    let refusal = head("index 18446744073709551616\n\nx\n");
    assert!(matches!(refusal, TlogProofError::Index { .. }), "{refusal}");
    let refusal = head("extra eA==\nextra eA==\nindex 1\n\nx\n");
    assert!(
        matches!(refusal, TlogProofError::Index { .. }),
        "extra twice: {refusal}"
    );
    for extra in ["extra !", "extra eA", "extra eB==", "extra  eA=="] {
        let refusal = head(&format!("{extra}\nindex 1\n\nx\n"));
        assert!(
            matches!(refusal, TlogProofError::Extra { .. }),
            "{extra:?}: {refusal}"
        );
    }
    let refusal = head("extra \nindex 1\n\nx\n");
    assert!(
        matches!(refusal, TlogProofError::ExtraLength { bytes: 0 }),
        "{refusal}"
    );
    let refusal = head(&format!("index 1\n{hash}\n{hash}x\n\nx\n"));
    assert!(
        matches!(refusal, TlogProofError::Hash { number: 2, .. }),
        "{refusal}"
    );
    let refusal = head(&format!("index 1\n{hash}\n"));
    assert!(
        matches!(refusal, TlogProofError::MissingLine { line: "checkpoint" }),
        "{refusal}"
    );
    let refusal = TlogProof::parse(b"c2sp\xff").unwrap_err();
    assert!(
        matches!(refusal, TlogProofError::NotUtf8 { .. }),
        "{refusal}"
    );
}

#[test]
fn limits_are_kept_when_writing_and_when_reading() {
    let hash = leaf_hash(b"x");
    let most = TlogProof::new(0, vec![hash; MAX_PROOF_HASHES], None, b"x\n").unwrap();
    assert_eq!(TlogProof::parse(most.to_string().as_bytes()).unwrap(), most);
    let refusal = TlogProof::new(0, vec![hash; MAX_PROOF_HASHES + 1], None, b"x\n").unwrap_err();
    assert!(
        matches!(refusal, TlogProofError::TooManyHashes { hashes: 64 }),
        "{refusal}"
    );
    let text = most
        .to_string()
        .replacen("\n\n", &format!("\n{hash}\n\n"), 1);
    let refusal = TlogProof::parse(text.as_bytes()).unwrap_err();
    assert!(
        matches!(refusal, TlogProofError::TooManyHashes { hashes: 64 }),
        "{refusal}"
    );

    let extra = |bytes| TlogProof::new(0, vec![], Some(vec![7; bytes]), b"x\n");
    let long = extra(MAX_EXTRA_BYTES).unwrap();
    assert_eq!(TlogProof::parse(long.to_string().as_bytes()).unwrap(), long);
    let refusal = extra(MAX_EXTRA_BYTES + 1).unwrap_err();
    assert!(
        matches!(refusal, TlogProofError::ExtraLength { bytes: 65_537 }),
        "{refusal}"
    );

    let longest = vec![b'x'; MAX_NOTE_BYTES];
    let full = TlogProof::new(
        u64::MAX,
        vec![hash; MAX_PROOF_HASHES],
        Some(vec![7; MAX_EXTRA_BYTES]),
        &longest,
    );
    let full = full.unwrap();
    assert_eq!(TlogProof::parse(full.to_string().as_bytes()).unwrap(), full);
    let refusal = TlogProof::new(0, vec![], None, &[longest, vec![b'x']].concat()).unwrap_err();
    assert!(
        matches!(refusal, TlogProofError::CheckpointTooLong { .. }),
        "{refusal}"
    );
    let refusal = TlogProof::parse(&vec![b'x'; MAX_PROOF_BYTES + 1]).unwrap_err();
    assert!(
        matches!(refusal, TlogProofError::TooLong { .. }),
        "{refusal}"
    );
}

proptest! {
    #[test]
    fn what_is_read_is_written_alike(
        lines in "(extra [A-Za-z]{0,4}=?\n)?index (0|[0-9]{1,3})\n([A-Za-z0-9+/]{42,43}=\n){0,3}\n[ -~\n]{0,9}"
    ) {
        let text = format!("{PROOF_HEADER}\n{lines}");
        if let Ok(proof) = TlogProof::parse(text.as_bytes()) {
            prop_assert_eq!(proof.to_string(), text);
        }
    }

    #[test]
    fn noise_does_not_panic(noise in any::<Vec<u8>>()) {
        prop_assert!(TlogProof::parse(&noise).is_err());
    }
}
