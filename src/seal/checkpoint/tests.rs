//! Checkpoints against the specifications' examples, and against whoever changes a bit.

use proptest::prelude::*;
use signed_note::{Note, Signer};

use super::{Checkpoint, CheckpointError, MAX_NOTE_BYTES};
use crate::seal::keys::{SigningKey, VerifierKey};
use crate::seal::merkle::{Hash, empty_root, leaf_hash};

const ORIGIN: &str = "ledger.example/county";
const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

fn key(name: &str) -> SigningKey {
    SigningKey::generate(&mut rand_core::OsRng, name).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint::new(ORIGIN, 20_852_163, Hash::from_base64(ROOT).unwrap()).unwrap()
}

/// Any text, signed: what a log with a fault could publish.
fn signed(body: &str, signers: &[&dyn Signer]) -> Vec<u8> {
    let mut note = Note::new(body.as_bytes(), &[]).unwrap();
    note.add_sigs(signers).unwrap();
    note.to_bytes()
}

fn trusted(keys: &[&SigningKey]) -> Vec<VerifierKey> {
    keys.iter().map(|key| key.verifier_key().clone()).collect()
}

#[test]
fn the_body_is_the_one_of_the_specification() {
    let root = Hash::from_base64(ROOT).unwrap();
    let checkpoint = Checkpoint::new("example.com/behind-the-sofa", 20_852_163, root).unwrap();
    let body = format!("example.com/behind-the-sofa\n20852163\n{ROOT}\n");
    assert_eq!(checkpoint.body(), body);
    assert_eq!(Checkpoint::from_body(&body).unwrap(), checkpoint);
}

#[test]
fn the_known_note_is_signed_and_opened_alike() {
    // The example of Go's note package and of the `signed_note` crate: same key, text, signature.
    let secret = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let text = "If you think cryptography is the answer to your problem,\n\
                then you don't know what your problem is.\n";
    let note = format!(
        "{text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    );
    let key = SigningKey::parse(secret).unwrap();
    assert_eq!(signed(text, &[&key]), note.as_bytes());
    // The signature is accepted; the text is no checkpoint.
    let refusal = Checkpoint::open(note.as_bytes(), &trusted(&[&key])).unwrap_err();
    assert!(
        matches!(refusal, CheckpointError::MissingLine { line: "root" }),
        "{refusal}"
    );
}

#[test]
fn what_was_signed_is_opened() {
    let key = key(ORIGIN);
    let note = checkpoint().sign(&key).unwrap();
    assert_eq!(
        Checkpoint::open(&note, &trusted(&[&key])).unwrap(),
        checkpoint()
    );
    // The key as an auditor has it: as a text.
    let as_text: VerifierKey = key.verifier_key().to_string().parse().unwrap();
    assert_eq!(Checkpoint::open(&note, &[as_text]).unwrap(), checkpoint());
}

#[test]
fn every_flipped_bit_is_refused() {
    let key = key(ORIGIN);
    let note = checkpoint().sign(&key).unwrap();
    let keys = trusted(&[&key]);
    for bit in 0..note.len() * 8 {
        let mut changed = note.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let opened = Checkpoint::open(&changed, &keys);
        assert!(opened.is_err(), "bit {bit}: {opened:?}");
    }
    for end in 0..note.len() {
        assert!(
            Checkpoint::open(&note[..end], &keys).is_err(),
            "cut at {end}"
        );
    }
}

#[test]
fn unknown_keys_neither_help_nor_harm() {
    let (log, witness, stranger) = (key(ORIGIN), key("witness.example"), key(ORIGIN));
    let body = checkpoint().body();
    let note = signed(&body, &[&witness, &log, &stranger]);
    assert_eq!(
        Checkpoint::open(&note, &trusted(&[&log])).unwrap(),
        checkpoint()
    );

    let note = signed(&body, &[&witness, &stranger]);
    let refusal = Checkpoint::open(&note, &trusted(&[&log])).unwrap_err();
    assert!(
        matches!(refusal, CheckpointError::UnknownKey { .. }),
        "{refusal}"
    );
    assert!(
        refusal
            .to_string()
            .contains(&log.verifier_key().to_string())
    );
    assert!(matches!(
        Checkpoint::open(&note, &[]),
        Err(CheckpointError::UnknownKey { .. })
    ));
}

#[test]
fn a_changed_key_is_trusted_beside_the_old_one() {
    let (old, new) = (key(ORIGIN), key(ORIGIN));
    let keys = trusted(&[&old, &new, &new]);
    for key in [&old, &new] {
        let note = checkpoint().sign(key).unwrap();
        assert_eq!(Checkpoint::open(&note, &keys).unwrap(), checkpoint());
    }
}

#[test]
fn a_key_speaks_for_its_own_log_only() {
    let (other, own) = (key("other.example"), key(ORIGIN));
    let refusal = checkpoint().sign(&other).unwrap_err();
    assert!(
        matches!(refusal, CheckpointError::WrongOrigin { .. }),
        "{refusal}"
    );
    let note = signed(&checkpoint().body(), &[&other]);
    let refusal = Checkpoint::open(&note, &trusted(&[&other, &own])).unwrap_err();
    let CheckpointError::WrongOrigin { origin, keys } = refusal else {
        panic!("{refusal}")
    };
    assert_eq!(
        (origin.as_str(), keys),
        (ORIGIN, vec!["other.example".to_owned()])
    );
}

#[test]
fn a_wrong_signature_beside_a_good_one_is_refused() {
    let (old, new) = (key(ORIGIN), key(ORIGIN));
    let good = String::from_utf8(checkpoint().sign(&old).unwrap()).unwrap();
    let later = Checkpoint::new(ORIGIN, 20_852_164, Hash::from_base64(ROOT).unwrap()).unwrap();
    let later = String::from_utf8(later.sign(&new).unwrap()).unwrap();
    let foreign_line = later.lines().last().unwrap();
    let refusal = Checkpoint::open(
        format!("{good}{foreign_line}\n").as_bytes(),
        &trusted(&[&old, &new]),
    );
    let refusal = refusal.unwrap_err();
    let key_id = new.verifier_key().key_id();
    assert!(
        matches!(&refusal, CheckpointError::BadSignature { key_id: found, .. } if *found == key_id),
        "{refusal}"
    );
}

#[test]
fn bodies_that_are_signed_and_still_wrong() {
    let key = key(ORIGIN);
    let open = |body: &str| {
        assert!(Checkpoint::from_body(body).is_err(), "{body:?}");
        Checkpoint::open(&signed(body, &[&key]), &trusted(&[&key])).unwrap_err()
    };
    for size in [
        "",
        "01",
        "-1",
        "+1",
        "1 ",
        "0x1",
        "18446744073709551616",
        "1e3",
    ] {
        let refusal = open(&format!("{ORIGIN}\n{size}\n{ROOT}\n"));
        assert!(
            matches!(refusal, CheckpointError::Size { .. }),
            "{size:?}: {refusal}"
        );
    }
    let stray_bits = ROOT.replace("2I=", "2J=");
    for root in [
        "",
        "x",
        &ROOT[..43],
        &ROOT.replace('/', "_"),
        &stray_bits,
        "AAAA",
    ] {
        let refusal = open(&format!("{ORIGIN}\n5\n{root}\n"));
        assert!(
            matches!(refusal, CheckpointError::Root { .. }),
            "{root:?}: {refusal}"
        );
    }
    for origin in ["", "a b", "a+b"] {
        let refusal = open(&format!("{origin}\n5\n{ROOT}\n"));
        assert!(
            matches!(refusal, CheckpointError::Origin { .. }),
            "{origin:?}: {refusal}"
        );
    }
    let refusal = open(&format!("{ORIGIN}\n0\n{ROOT}\n"));
    assert!(
        matches!(refusal, CheckpointError::EmptyTreeRoot { .. }),
        "{refusal}"
    );
    let refusal = open(&format!("{ORIGIN}\n5\n{ROOT}\n\nx\n"));
    assert!(
        matches!(refusal, CheckpointError::Extension { .. }),
        "{refusal}"
    );
    let refusal = open(&format!("{ORIGIN}\n5\n"));
    assert!(
        matches!(refusal, CheckpointError::MissingLine { line: "root" }),
        "{refusal}"
    );
    assert!(Checkpoint::from_body(&format!("{ORIGIN}\r\n5\r\n{ROOT}\r\n")).is_err());
    assert!(Checkpoint::from_body(&format!("{ORIGIN}\n5\n{ROOT}")).is_err());
}

#[test]
fn extension_lines_are_kept_and_ignored() {
    let key = key(ORIGIN);
    let body = format!("{ORIGIN}\n5\n{ROOT}\nfirst 1\n二 \n");
    let checkpoint = Checkpoint::open(&signed(&body, &[&key]), &trusted(&[&key])).unwrap();
    assert_eq!(
        (checkpoint.size(), checkpoint.root().to_string().as_str()),
        (5, ROOT)
    );
    assert_eq!(checkpoint.extensions(), ["first 1", "二 "]);
    assert_eq!(checkpoint.body(), body);
}

#[test]
fn sizes_reach_to_the_end_of_the_integers() {
    let empty = Checkpoint::new(ORIGIN, 0, empty_root()).unwrap();
    assert_eq!(Checkpoint::from_body(&empty.body()).unwrap(), empty);
    let full = Checkpoint::new(ORIGIN, u64::MAX, leaf_hash(b"x")).unwrap();
    assert_eq!(Checkpoint::from_body(&full.body()).unwrap(), full);
}

#[test]
fn notes_are_limited() {
    let key = key(ORIGIN);
    let long = vec![b'x'; MAX_NOTE_BYTES + 1];
    let refusal = Checkpoint::open(&long, &trusted(&[&key])).unwrap_err();
    assert!(
        matches!(refusal, CheckpointError::TooLong { bytes: 1_000_001 }),
        "{refusal}"
    );

    // The specification demands at least sixteen signatures.
    let note = String::from_utf8(checkpoint().sign(&key).unwrap()).unwrap();
    let strangers = |count: usize| {
        let lines = (0..count).map(|_| {
            let note = signed(&checkpoint().body(), &[&self::key("witness.example")]);
            String::from_utf8(note)
                .unwrap()
                .lines()
                .last()
                .unwrap()
                .to_owned()
                + "\n"
        });
        format!("{note}{}", lines.collect::<String>())
    };
    assert!(Checkpoint::open(strangers(16).as_bytes(), &trusted(&[&key])).is_ok());
    let refusal = Checkpoint::open(strangers(100).as_bytes(), &trusted(&[&key])).unwrap_err();
    assert!(
        matches!(refusal, CheckpointError::Malformed { .. }),
        "{refusal}"
    );
}

#[test]
fn errors_do_not_repeat_a_megabyte() {
    let body = format!("{ORIGIN}\n{}\n{ROOT}\n", "9".repeat(900_000));
    let refusal = Checkpoint::from_body(&body).unwrap_err();
    assert!(refusal.to_string().len() < 200);
}

proptest! {
    #[test]
    fn bodies_are_written_as_they_were_read(
        body in "[a-z.+ ]{0,6}\n(0|[1-9][0-9]{0,20}|0[0-9]?)\n[A-Za-z0-9+/]{42,43}=\n([ -~]{0,5}\n){0,3}"
    ) {
        if let Ok(checkpoint) = Checkpoint::from_body(&body) {
            prop_assert_eq!(checkpoint.body(), body);
        }
    }

    #[test]
    fn noise_does_not_panic(noise in any::<Vec<u8>>()) {
        prop_assert!(Checkpoint::open(&noise, &[]).is_err());
    }
}
