//! Proofs of entries and of consistency, as an auditor uses them.
//!
//! What comes in: a ledger with every kind of entry, copies of it that went another way, and
//! checkpoints that were kept. What must stay true: every sealed entry is proved, to another
//! implementation too; a log extends every checkpoint that it gave; and a rollback, a fork and a
//! rewritten history are told apart, in a ledger and in an exported log.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

mod harness;

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};
use vitaledger::app::{App, AppError};
use vitaledger::audit::exported::verify;
use vitaledger::model::schema::RecordKind;
use vitaledger::seal::checkpoint::Checkpoint;
use vitaledger::seal::cosignature::CosigningKey;
use vitaledger::seal::policy::Policy;
use vitaledger::seal::proof::TlogProof;
use vitaledger::seal::prover::Prover;

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let hash = parts.iter().fold(Sha256::new(), Digest::chain_update);
    hash.finalize().into()
}

/// The root to which a path leads, as RFC 6962, section 2.1.1, defines paths: from the leaf up, a
/// tree of `size` leaves is split at the largest power of two below its size.
fn leads_to(leaf: &[u8], index: u64, size: u64, path: &[[u8; 32]]) -> [u8; 32] {
    let Some((last, rest)) = path.split_last() else {
        assert_eq!((index, size), (0, 1));
        return sha256(&[&[0], leaf]);
    };
    let left = size.next_power_of_two() / 2;
    if index < left {
        sha256(&[&[1], &leads_to(leaf, index, left, rest), last])
    } else {
        sha256(&[&[1], last, &leads_to(leaf, index - left, size - left, rest)])
    }
}

async fn add(ledger: &Path, number: &str) {
    let app = App::open(ledger).await.unwrap();
    let values = harness::birth(number, "3000");
    app.record(RecordKind::Birth, &values, None).await.unwrap();
    app.close().await;
}

async fn newest(ledger: &Path) -> Vec<u8> {
    let app = App::open(ledger).await.unwrap();
    let (_, note) = app.store().newest_checkpoint().await.unwrap().unwrap();
    app.close().await;
    note
}

#[tokio::test(flavor = "multi_thread")]
async fn every_entry_is_proved_to_others() {
    let place = tempfile::tempdir().unwrap();
    let ledger = place.path().join("ledger");
    harness::make(&ledger).await;
    let app = App::open(&ledger).await.unwrap();
    let store = app.store();
    let mut prover = Prover::open(store.as_ref(), &app.verifier_keys)
        .await
        .unwrap();
    let entries = store.entries(0, 100_000).await.unwrap();
    let size = prover.checkpoint().size();
    assert_eq!(size, entries.len() as u64);
    for entry in &entries {
        let text = prover.prove(entry).await.unwrap().to_string();
        let proof = TlogProof::parse(text.as_bytes()).unwrap();
        assert_eq!(proof.index(), entry.position);
        let opened = proof.verify(&entry.bytes, &app.verifier_keys).unwrap();
        assert_eq!(&opened, prover.checkpoint());
        let path: Vec<[u8; 32]> = proof.hashes().iter().map(|hash| hash.0).collect();
        let root = leads_to(&entry.bytes, entry.position, size, &path);
        assert_eq!(root, opened.root().0, "position {}", entry.position);
        // Every other byte string is not in the log.
        assert!(
            proof
                .verify(&[&entry.bytes[..], b" "].concat(), &app.verifier_keys)
                .is_err()
        );
    }
    // An entry that is not the one that was sealed gets no proof.
    let mut other = entries[300].clone();
    other.bytes[10] ^= 1;
    assert!(prover.prove(&other).await.unwrap_err().is_integrity());
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_extends_every_checkpoint_that_it_gave() {
    let place = tempfile::tempdir().unwrap();
    let (ledger, out) = (place.path().join("ledger"), place.path().join("out"));
    harness::make(&ledger).await;
    let app = App::open(&ledger).await.unwrap();
    app.export_log(&out, |_| ()).await.unwrap();
    let policy = app.own_policy();
    let notes = app.store().checkpoints().await.unwrap();
    assert!(notes.len() > 10);
    for (size, note) in notes {
        assert_eq!(app.extends(&note, &policy).await.unwrap().size, size);
        let report = verify(&out, &policy, Some(&note), |_| ()).await.unwrap();
        let extended = report.extends.map(|one| one.size);
        assert_eq!((report.wrong, extended), (None, Some(size)));
    }
    app.close().await;
}

/// What `verify --since` says of a ledger and of its export.
async fn since(ledger: &Path, place: &Path, kept: &[u8]) -> [String; 2] {
    let app = App::open(ledger).await.unwrap();
    let policy = app.own_policy();
    let error = app.extends(kept, &policy).await.unwrap_err();
    assert_eq!(error.exit_code(), 11, "{error}");
    let out = tempfile::tempdir_in(place).unwrap();
    app.export_log(out.path(), |_| ()).await.unwrap();
    app.close().await;
    let report = verify(out.path(), &policy, Some(kept), |_| ())
        .await
        .unwrap();
    let AppError::Integrity(of_ledger) = error else {
        panic!("{error}");
    };
    [of_ledger, report.wrong.unwrap().what]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_a_fork_and_a_rewritten_history_are_told_apart() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    harness::make(&at("ledger")).await;
    harness::copy(&at("ledger"), &at("older"));
    harness::copy(&at("ledger"), &at("fork"));
    add(&at("ledger"), "E1").await;
    let kept = newest(&at("ledger")).await;
    for what in since(&at("older"), place.path(), &kept).await {
        assert!(what.starts_with("rollback:"), "{what}");
    }
    // The same key signed another entry at the same place.
    add(&at("fork"), "E2").await;
    for what in since(&at("fork"), place.path(), &kept).await {
        assert!(what.starts_with("fork:"), "{what}");
    }
    // And went on from there.
    for number in ["E3", "E4"] {
        add(&at("fork"), number).await;
        for what in since(&at("fork"), place.path(), &kept).await {
            assert!(what.starts_with("rewritten history:"), "{what}");
        }
    }
    // A checkpoint that was changed, or is of another log, is none.
    harness::init(&at("stranger")).await.close().await;
    let strange = newest(&at("stranger")).await;
    let changed = String::from_utf8(kept.clone())
        .unwrap()
        .replacen("\n5", "\n6", 1);
    for note in [strange.as_slice(), changed.as_bytes(), b"", b"\n\n"] {
        for what in since(&at("ledger"), place.path(), note).await {
            assert!(what.starts_with("the kept checkpoint:"), "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_is_asked_of_an_exported_log() {
    let place = tempfile::tempdir().unwrap();
    let (ledger, out) = (place.path().join("ledger"), place.path().join("out"));
    harness::make(&ledger).await;
    let app = App::open(&ledger).await.unwrap();
    app.export_log(&out, |_| ()).await.unwrap();
    let witness = CosigningKey::generate(&mut rand_core::OsRng, "witness.example/w1").unwrap();
    let text = format!(
        "log {}\nwitness w1 {}\nquorum w1\n",
        app.verifier_keys[0],
        witness.witness_key()
    );
    let policy = Policy::parse(text.as_bytes()).unwrap();
    let judged = async || verify(&out, &policy, None, |_| ()).await.unwrap();
    let wrong = judged().await.wrong.unwrap();
    assert!(wrong.what.contains("quorum w1"), "{wrong}");
    let note = fs::read_to_string(out.join("checkpoint")).unwrap();
    let body = Checkpoint::open(note.as_bytes(), &app.verifier_keys)
        .unwrap()
        .body();
    let cosigned = note.clone() + &witness.cosign(&body, 1_700_000_000);
    fs::write(out.join("checkpoint"), &cosigned).unwrap();
    let report = judged().await;
    assert_eq!((report.wrong, report.cosignatures.len()), (None, 1));
    let late = note.clone() + &witness.cosign(&body.replacen('\n', "x\n", 1), 1);
    fs::write(out.join("checkpoint"), late).unwrap();
    let wrong = judged().await.wrong.unwrap();
    assert!(wrong.what.contains("cosignature of witness w1"), "{wrong}");
    app.close().await;
}
