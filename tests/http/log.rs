//! The log over HTTP: an auditor who trusts nothing but the verifier key.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vitaledger::audit::evidence::check;
use vitaledger::model::entry::leaf_hash;
use vitaledger::seal::checkpoint::Checkpoint;
use vitaledger::seal::entries::{files, unbundle};
use vitaledger::seal::keys::VerifierKey;
use vitaledger::seal::merkle::{Hash, root_of_leaves};
use vitaledger::seal::policy::Policy;
use vitaledger::seal::proof::TlogProof;

use crate::on_both;
use crate::running::{Client, Running, birth};

on_both! {
    the_log_can_be_recomputed_from_what_is_served
    a_receipt_is_proven
    evidence_is_checked_without_the_ledger
}

fn keys(running: &Running) -> Vec<VerifierKey> {
    let text = std::fs::read_to_string(running.ledger().join("log.vkey")).unwrap();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

/// Records so many births in batches.
async fn births(client: &Client<'_>, count: usize) -> Vec<Value> {
    let mut receipts = Vec::new();
    for first in (0..count).step_by(100) {
        let changes: Vec<Value> = (first..count.min(first + 100))
            .map(|n| json!({ "do": "record", "kind": "birth", "values": birth(&format!("B{n}")) }))
            .collect();
        let answer = client
            .post("/v1/batches", &json!({ "changes": changes }))
            .await;
        let answer = answer.expect(200);
        assert_eq!(answer["refused"], 0, "{answer}");
        receipts.extend(answer["answers"].as_array().unwrap().clone());
    }
    receipts
}

async fn the_log_can_be_recomputed_from_what_is_served(mut running: Running) {
    let client = running.registrar().await;
    let receipts = births(&client, 300).await;
    let last = receipts.last().unwrap()["proof"].as_str().unwrap();
    assert_eq!(client.get_sealed(last).await.status.as_u16(), 200);
    let auditor = running.auditor().await;
    let note = running.get("/checkpoint").await;
    assert_eq!(note.header("content-type"), "text/plain; charset=utf-8");
    let checkpoint = Checkpoint::open(&note.bytes, &keys(&running)).unwrap();
    assert!(checkpoint.size() > 300, "{}", checkpoint.size());
    let mut leaves: Vec<Hash> = Vec::new();
    let mut hashes: Vec<u8> = Vec::new();
    for file in files(checkpoint.size()) {
        let path = format!("/{}", file.path().unwrap());
        let answer = match file.level {
            None => auditor.get(&path).await,
            Some(_) => running.get(&path).await,
        };
        assert_eq!(answer.status.as_u16(), 200, "{path}");
        let full = file.width == 256;
        let immutable = answer.header("cache-control").contains("immutable");
        assert_eq!(immutable, full && file.level.is_some(), "{path}");
        match file.level {
            None => {
                let entries = unbundle(&answer.bytes, file.width, true).unwrap();
                leaves.extend(entries.iter().map(|entry| Hash(leaf_hash(entry))));
            }
            Some(0) => hashes.extend(&answer.bytes),
            Some(_) => assert_eq!(answer.bytes.len(), file.width * 32),
        }
    }
    assert_eq!(leaves.len() as u64, checkpoint.size());
    assert_eq!(root_of_leaves(&leaves), *checkpoint.root());
    let leaves: Vec<u8> = leaves.iter().flat_map(|leaf| leaf.0).collect();
    assert_eq!(leaves, hashes);
    // A partial tile of an older checkpoint is a prefix of what is there now.
    let partial = running.get("/tile/0/000.p/7").await;
    assert_eq!(partial.bytes, hashes[..7 * 32]);
    for path in [
        "/tile/0/999",
        "/tile/0/0",
        "/tile/9/000",
        "/tile/0/001.p/255",
        "/tile/x/000",
    ] {
        running.get(path).await.problem(404, "not-found");
    }
    running.stop_and_verify().await.close().await;
}

async fn a_receipt_is_proven(mut running: Running) {
    let client = running.registrar().await;
    let receipt = births(&client, 3).await.remove(1);
    let path = receipt["proof"].as_str().unwrap();
    let proof = client.get_sealed(path).await;
    assert_eq!(proof.header("content-type"), "text/plain; charset=utf-8");
    let proof = TlogProof::parse(&proof.bytes).unwrap();
    assert_eq!(proof.index(), receipt["position"].as_u64().unwrap());
    let auditor = running.auditor().await;
    let entry = auditor
        .get(&format!("/v1/entries/{}", receipt["position"]))
        .await;
    assert_eq!(entry.status.as_u16(), 200);
    proof.verify(&entry.bytes, &keys(&running)).unwrap();
    let digest = Sha256::new()
        .chain_update([0])
        .chain_update(&entry.bytes)
        .finalize();
    assert_eq!(hex::encode(digest), receipt["leaf_hash"]);
    auditor
        .get("/v1/entries/99999")
        .await
        .problem(404, "not-found");
    auditor
        .get("/v1/entries/01")
        .await
        .problem(404, "not-found");
    running.stop_and_verify().await.close().await;
}

async fn evidence_is_checked_without_the_ledger(mut running: Running) {
    let client = running.registrar().await;
    let id = client.birth("B1").await;
    let path = format!("/v1/records/birth/{id}/evidence");
    let auditor = running.auditor().await;
    let asked = json!({ "fields": ["mother_name"] });
    auditor
        .post(&path, &asked)
        .await
        .problem(422, "invalid-value");
    let asked = json!({ "fields": ["mother_name"], "purpose": "complaint 12" });
    let bundle = auditor.sealed(|| auditor.post(&path, &asked)).await;
    assert_eq!(bundle.header("content-type"), "application/zip");
    let policy = Policy::of_logs(keys(&running));
    let verdict = check(&bundle.bytes, Some(&policy), Some(id.parse().unwrap())).unwrap();
    assert!(!verdict.trust_root_came_with_the_bundle);
    let disclosed = &verdict.facts.events[0].disclosed;
    let disclosed: Vec<_> = disclosed.iter().map(|field| field.value.as_str()).collect();
    assert_eq!(disclosed, ["甲某某"]);
    running.stop_and_verify().await.close().await;
}
