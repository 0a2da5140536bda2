//! Foreign bytes at every parser of proofs: notes, checkpoints, keys, tiles, bundles, proofs,
//! policies, requests to a witness, evidence, exported logs.
//!
//! What comes in: valid inputs that were changed, and bytes of chance; how many is said by
//! `VITALEDGER_FUZZ_CASES` (default 500: seconds; 100000 for a night). What must stay true: no
//! panic, no unbounded memory; what is accepted is written back as the same bytes; what was signed
//! is never read as anything else.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

mod harness;
#[path = "support/mutate.rs"]
mod mutate;

use mutate::{fuzz, hostile, within_memory};
use proptest::prelude::*;
use tempfile::TempDir;
use vitaledger::app::App;
use vitaledger::audit::evidence::{check, pack, unpack};
use vitaledger::audit::exported::verify;
use vitaledger::seal::checkpoint::Checkpoint;
use vitaledger::seal::cosignature::{CosigningKey, WitnessKey};
use vitaledger::seal::entries::{LogFile, bundle, files, unbundle};
use vitaledger::seal::keys::{SigningKey, VerifierKey};
use vitaledger::seal::merkle::{HashSource, LeafHashes, leaf_hash};
use vitaledger::seal::policy::Policy;
use vitaledger::seal::proof::TlogProof;
use vitaledger::seal::witness::{AddCheckpoint, Verdict, Witness};

const ORIGIN: &str = "ledger.example/county";

struct Signed {
    log: SigningKey,
    witness: CosigningKey,
    note: Vec<u8>,
    policy: String,
}

fn signed() -> Signed {
    let log = SigningKey::generate(&mut rand_core::OsRng, ORIGIN).unwrap();
    let witness = CosigningKey::generate(&mut rand_core::OsRng, "witness.example/w1").unwrap();
    let checkpoint = Checkpoint::new(ORIGIN, 11, leaf_hash(b"root")).unwrap();
    let mut note = checkpoint.sign(&log).unwrap();
    note.extend_from_slice(witness.cosign(&checkpoint.body(), 1_700_000_000).as_bytes());
    let policy = format!(
        "# whom we trust\nlog {} https://{ORIGIN}\nwitness w1 {}\ngroup g 1 w1\nquorum g\n",
        log.verifier_key(),
        witness.witness_key()
    );
    Signed {
        log,
        witness,
        note,
        policy,
    }
}

#[test]
fn notes_and_checkpoints() {
    let signed = signed();
    let keys = [signed.log.verifier_key().clone()];
    let policy = Policy::parse(signed.policy.as_bytes()).unwrap();
    let original = Checkpoint::open(&signed.note, &keys).unwrap();
    fuzz(1, &hostile(vec![signed.note.clone()]), |bytes| {
        // Lines of others may have changed; what the log signed has not.
        if let Ok(opened) = Checkpoint::open(&bytes, &keys) {
            prop_assert_eq!(&opened, &original);
        }
        if let Ok(accepted) = policy.open(&bytes) {
            prop_assert_eq!(&accepted.checkpoint, &original);
            prop_assert_eq!(accepted.cosignatures[0].timestamp, 1_700_000_000);
        }
        Ok(())
    });
    fuzz(1, &hostile(vec![original.body().into_bytes()]), |bytes| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Ok(read) = Checkpoint::from_body(&text) {
            prop_assert_eq!(read.body(), text);
        }
        Ok(())
    });
}

#[test]
fn keys() {
    let signed = signed();
    let texts = [
        signed.log.verifier_key().to_string(),
        signed.witness.witness_key().to_string(),
        signed.log.encoded().to_string(),
    ];
    let seeds = texts.map(String::into_bytes).to_vec();
    fuzz(1, &hostile(seeds), |bytes| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Ok(key) = text.parse::<VerifierKey>() {
            prop_assert_eq!(key.to_string().parse::<VerifierKey>().unwrap(), key);
        }
        if let Ok(key) = text.parse::<WitnessKey>() {
            prop_assert_eq!(key.to_string().parse::<WitnessKey>().unwrap(), key);
        }
        if let Ok(key) = SigningKey::parse(&text) {
            prop_assert_eq!(key.encoded().to_string(), text);
        }
        Ok(())
    });
}

#[test]
fn policies() {
    let signed = signed();
    fuzz(
        1,
        &hostile(vec![signed.policy.clone().into_bytes()]),
        |bytes| {
            if let Ok(policy) = Policy::parse(&bytes) {
                prop_assert!(bytes.ends_with(b"\n"));
                let _ = policy.open(&signed.note);
            }
            Ok(())
        },
    );
}

#[test]
fn proofs() {
    let signed = signed();
    let policy = Policy::parse(signed.policy.as_bytes()).unwrap();
    let hashes: Vec<_> = (0..4u8).map(|byte| leaf_hash(&[byte])).collect();
    let text = |extra: Option<Vec<u8>>| {
        let proof = TlogProof::new(5, hashes.clone(), extra, &signed.note).unwrap();
        proof.to_string().into_bytes()
    };
    let seeds = vec![text(None), text(Some(b"extra".to_vec()))];
    fuzz(1, &hostile(seeds), |bytes| {
        if let Ok(proof) = TlogProof::parse(&bytes) {
            prop_assert_eq!(proof.to_string().into_bytes(), bytes);
            // Its path leads nowhere, whatever was done to it.
            prop_assert!(proof.verify(b"entry", policy.logs()).is_err());
        }
        Ok(())
    });
}

/// The body of a witness's `add-checkpoint`: whatever is asked, what was cosigned once is only ever
/// extended, and nothing but a checkpoint that the log signed is cosigned.
#[test]
fn requests_to_a_witness() {
    let signed = signed();
    let all: Vec<_> = (0..40u8).map(|number| leaf_hash(&[number])).collect();
    let note = |size: u64| {
        let root = LeafHashes(&all).root_of(size).unwrap();
        let checkpoint = Checkpoint::new(ORIGIN, size, root).unwrap();
        checkpoint.sign(&signed.log).unwrap()
    };
    let body = |old_size: u64, size: u64| {
        let proof = LeafHashes(&all).consistency_proof(old_size, size);
        let request = AddCheckpoint {
            old_size,
            proof: proof.unwrap_or_default(),
            note: note(size),
        };
        request.write()
    };
    let folder = tempfile::tempdir().unwrap();
    let key = CosigningKey::parse(&signed.witness.encoded()).unwrap();
    let logs = vec![signed.log.verifier_key().clone()];
    let witness = Witness::new(key, logs.clone(), folder.path());
    let first = witness.add_checkpoint(&body(0, 20), 1_700_000_000).unwrap();
    assert_eq!(first.status(), 200, "{first:?}");
    let seeds = vec![body(0, 20), body(20, 20), body(20, 40), body(7, 30)];
    let last = std::cell::Cell::new(20);
    let seen = std::cell::RefCell::new(std::collections::BTreeMap::new());
    fuzz(1, &hostile(seeds), |bytes| {
        let parsed = AddCheckpoint::parse(&bytes);
        if let Ok(request) = &parsed {
            prop_assert_eq!(&request.write(), &bytes);
        }
        let verdict = witness.add_checkpoint(&bytes, 1_700_000_000).unwrap();
        prop_assert!([200, 400, 403, 404, 409, 422].contains(&verdict.status()));
        *seen.borrow_mut().entry(verdict.status()).or_insert(0) += 1;
        prop_assert!(verdict.body().ends_with('\n') && verdict.body().len() < 2_000);
        prop_assert_eq!(parsed.is_err() && verdict.status() != 400, false);
        let Verdict::Cosigned(line) = &verdict else {
            return Ok(());
        };
        let request = parsed.unwrap();
        let checkpoint = Checkpoint::open(&request.note, &logs).unwrap();
        // It begins where the witness was, is the log's own, and the line holds for it.
        prop_assert_eq!(request.old_size, last.get());
        prop_assert!(checkpoint.size() >= last.get());
        let root = LeafHashes(&all).root_of(checkpoint.size()).unwrap();
        prop_assert_eq!(checkpoint.root(), &root);
        let key = signed.witness.witness_key();
        prop_assert!(key.line_of(&checkpoint.body(), line).is_some());
        last.set(checkpoint.size());
        Ok(())
    });
    // Not all of it ends at the first line, and what is right is still cosigned.
    let seen = seen.into_inner();
    assert!(seen.contains_key(&400) && seen.len() > 2, "{seen:?}");
    let after = witness.add_checkpoint(&body(last.get(), 40), 1_700_000_000);
    assert_eq!(after.unwrap().status(), 200, "{seen:?}");
}

#[test]
fn bundles_and_paths() {
    let entries: Vec<Vec<u8>> = (0..20u8).map(|n| vec![n; usize::from(n) * 7]).collect();
    let good = bundle(entries.iter().map(Vec::as_slice)).unwrap();
    fuzz(1, &hostile(vec![good]), |bytes| {
        for count in [0, 1, 20, 256] {
            let read = unbundle(&bytes, count, true);
            if let Ok(read) = read {
                prop_assert_eq!(read.len(), count);
                prop_assert_eq!(bundle(read).unwrap(), bytes.clone());
            }
        }
        Ok(())
    });
    let paths = [1, 300, 70_000, 300_000_000];
    let paths = paths.map(|size| files(size).last().unwrap().path().unwrap().into_bytes());
    let more =
        ["tile/entries/x001/x234/067.p/8", "checkpoint"].map(|path| path.as_bytes().to_vec());
    fuzz(
        1,
        &hostile([paths.to_vec(), more.to_vec()].concat()),
        |bytes| {
            let path = String::from_utf8_lossy(&bytes).into_owned();
            if let Some(file) = LogFile::of_path(&path) {
                prop_assert_eq!(file.path().unwrap(), path);
            }
            Ok(())
        },
    );
}

/// A small ledger, opened.
async fn ledger(place: &TempDir) -> (App, harness::Facts) {
    let folder = place.path().join("ledger");
    let facts = harness::make(&folder).await;
    (App::open(&folder).await.unwrap(), facts)
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence() {
    let place = tempfile::tempdir().unwrap();
    let (app, facts) = ledger(&place).await;
    let slots = [vitaledger::model::slot::Slot::must("mother_name")];
    let id = facts.corrected.to_string();
    let made = app
        .evidence(&id, &slots, "complaint 12", None)
        .await
        .unwrap()
        .bytes;
    let policy = app.own_policy();
    app.close().await;
    fuzz(1, &hostile(vec![made.clone()]), |bytes| {
        prop_assert!(bytes == made || check(&bytes, Some(&policy), None).is_err());
        Ok(())
    });
    // Past the container: each part by itself.
    let parts = unpack(&made).unwrap();
    for (index, (name, data)) in parts.iter().enumerate() {
        fuzz(4, &hostile(vec![data.clone()]), |bytes| {
            let is_same = bytes == *data;
            let mut parts = parts.clone();
            parts[index].1 = bytes;
            let checked = check(&pack(&parts).unwrap(), Some(&policy), None);
            // The sender's policy is shown and not believed: it may say anything that reads.
            prop_assert!(is_same || name == "policy" || checked.is_err(), "{}", name);
            let _ = check(&pack(&parts).unwrap(), None, None);
            Ok(())
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exported_logs() {
    let place = tempfile::tempdir().unwrap();
    let (app, _) = ledger(&place).await;
    let out = place.path().join("out");
    let exported = app.export_log(&out, |_| ()).await.unwrap();
    let policy = app.own_policy();
    app.close().await;
    let mut names: Vec<String> = files(exported.entries)
        .map(|file| file.path().unwrap())
        .collect();
    names.push("checkpoint".to_owned());
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        for name in &names {
            let path = out.join(name);
            let good = std::fs::read(&path).unwrap();
            fuzz(25, &hostile(vec![good.clone()]), |bytes| {
                std::fs::write(&path, &bytes).unwrap();
                let report = runtime
                    .block_on(verify(&out, &policy, None, |_| ()))
                    .unwrap();
                // Lines of others under the checkpoint may say anything.
                let may_pass = bytes == good || name == "checkpoint";
                prop_assert!(may_pass || report.wrong.is_some(), "{}", name);
                Ok(())
            });
            std::fs::write(&path, good).unwrap();
        }
    });
    within_memory();
}
