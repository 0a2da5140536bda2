//! Witnesses: one that is not ours cosigns our log, and a client that is not ours asks our witness.
//!
//! What comes in: `aics-witness`, see `support/their_witness.rs`, and its client. What must stay true:
//! what it cosigned our policy accepts, and with a changed bit does not; without it nothing is
//! published; an older copy of everything is found by what it remembers; our witness gives its
//! client what it demands, and cosigns no proof with a changed bit.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

mod harness;

#[path = "support/flips.rs"]
mod flips;
#[path = "support/foreign.rs"]
mod foreign;
#[path = "support/their_witness.rs"]
mod their_witness;

use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use foreign::{Cases, Program, python};
use rand_core::OsRng;
use their_witness::TheirWitness;
use tokio::sync::oneshot;
use vitaledger::app::{App, AppError};
use vitaledger::audit::exported::verify;
use vitaledger::http::witness::serve;
use vitaledger::model::code::OfficeLevel;
use vitaledger::model::id::OfficeCode;
use vitaledger::model::office::OfficeFields;
use vitaledger::seal::checkpoint::Checkpoint;
use vitaledger::seal::cosignature::CosigningKey;
use vitaledger::seal::policy::Policy;
use vitaledger::seal::witness::Witness;

/// Registers an office, or renames it, which seals and publishes.
async fn record(app: &App, name: &str) -> Result<u64, AppError> {
    let office = OfficeFields {
        code: OfficeCode::parse("990101000000").unwrap(),
        level: OfficeLevel::County,
        name_en: Some(name.to_owned()),
        name_zh: None,
        parent: None,
    };
    Ok(app.record_office(office).await?.receipt().position)
}

#[tokio::test(flavor = "multi_thread")]
async fn aics_witness_cosigns_our_log() {
    let place = tempfile::tempdir().unwrap();
    let ledger = place.path().join("ledger");
    let app = harness::init(&ledger).await;
    let log = app.verifier_keys[0].clone();
    let mut witness = TheirWitness::new(&place.path().join("witness"), &log);
    let (key, url) = (&witness.key, &witness.url);
    let text = format!("log {log}\nwitness theirs {key} {url}\nquorum theirs\n");
    fs::write(ledger.join("policy"), &text).unwrap();
    let policy = Policy::parse(text.as_bytes()).unwrap();

    record(&app, "A1").await.unwrap();
    let note = app.published_note().await.unwrap();
    let accepted = policy.open(&note).unwrap();
    let size = app.store().head().await.unwrap().size;
    assert_eq!(accepted.checkpoint.size(), size);
    assert_eq!(accepted.cosignatures[0].witness, "theirs");
    for (what, changed) in flips::of_all_bytes(&note) {
        assert!(policy.open(&changed).is_err(), "{what}");
    }
    let export = place.path().join("log");
    app.export_log(&export, |_| ()).await.unwrap();
    let report = verify(&export, &policy, None, |_| ()).await.unwrap();
    assert_eq!((&report.wrong, report.cosignatures.len()), (&None, 1));
    // Its own library says the same of it.
    let (log, keys) = (log.to_string(), [witness.key.to_string()]);
    let mut cases = Cases::new(&log);
    cases.checkpoint("cosigned", true, &note, &keys);
    for (what, changed) in flips::of_all_bytes(&note) {
        cases.checkpoint(&what, false, &changed, &keys);
    }
    cases.judged_by(Program::Aics, place.path());

    // Killed, it has cosigned nothing more; started again, it goes on from there.
    witness.stop();
    record(&app, "A2").await.unwrap();
    record(&app, "A3").await.unwrap();
    let published = app.publication().await.unwrap();
    assert_eq!((published.sealed, published.published), (size + 2, size));
    witness.start();
    let published = app.publish().await.unwrap().unwrap();
    assert_eq!((published.published, published.missing), (size + 2, vec![]));
    app.close().await;
    harness::assert_clean(&ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aics_witness_finds_an_older_copy_of_everything() {
    let place = tempfile::tempdir().unwrap();
    let (ledger, older) = (place.path().join("ledger"), place.path().join("older"));
    let app = harness::init(&ledger).await;
    let log = app.verifier_keys[0].clone();
    let witness = TheirWitness::new(&place.path().join("witness"), &log);
    let (key, url) = (&witness.key, &witness.url);
    let text = format!("log {log}\nwitness theirs {key} {url}\nquorum theirs\n");
    fs::write(ledger.join("policy"), text).unwrap();
    record(&app, "B1").await.unwrap();
    app.close().await;
    harness::copy(&ledger, &older);
    let app = App::open(&ledger).await.unwrap();
    record(&app, "B2").await.unwrap();
    record(&app, "B3").await.unwrap();
    app.close().await;

    let app = App::open(&older).await.unwrap();
    // Shorter than what the witness knows, as long, and longer: none of it continues the log.
    for name in ["F2", "F3", "F4"] {
        let refused = record(&app, name).await.unwrap_err();
        assert_eq!(refused.exit_code(), 11, "{name}: {refused}");
    }
    app.close().await;
    let app = App::open(&ledger).await.unwrap();
    let position = record(&app, "B4").await.unwrap();
    let published = app.publication().await.unwrap();
    assert_eq!(published.published, position + 1);
    app.close().await;
}

/// Their client, once.
fn asks(url: &str, key: &str, folder: &Path, old: u64, change: bool) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/witness_client.py");
    let mut command = python("aics");
    command.arg(script).args([url, key]).arg(folder);
    command.arg(old.to_string());
    if change {
        command.arg("change");
    }
    command.output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_aics_witness_asks_ours() {
    let place = tempfile::tempdir().unwrap();
    let app = harness::init(&place.path().join("ledger")).await;
    let (first, second) = (place.path().join("first"), place.path().join("second"));
    record(&app, "C1").await.unwrap();
    let old = app.export_log(&first, |_| ()).await.unwrap().entries;
    record(&app, "C2").await.unwrap();
    record(&app, "C3").await.unwrap();
    app.export_log(&second, |_| ()).await.unwrap();
    let logs = app.verifier_keys.clone();
    app.close().await;

    let state = place.path().join("witness");
    fs::create_dir(&state).unwrap();
    let key = CosigningKey::generate(&mut OsRng, "witness.example/ours").unwrap();
    let public = key.witness_key().clone();
    let witness = Arc::new(Witness::new(key, logs.clone(), &state));
    let (ready, address) = oneshot::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let listen = "127.0.0.1:0".parse().unwrap();
    let serving = tokio::spawn(serve(
        witness,
        listen,
        |at| ready.send(at).unwrap(),
        async {
            let _ = stopped.await;
        },
    ));
    let url = format!("http://{}", address.await.unwrap());

    let text = public.to_string();
    let cosigns = |folder: &Path, old| {
        let answer = asks(&url, &text, folder, old, false);
        let said = String::from_utf8_lossy(&answer.stderr).into_owned();
        assert!(answer.status.success(), "{said}");
        let note = fs::read(folder.join("checkpoint")).unwrap();
        let head = Checkpoint::open(&note, &logs).unwrap();
        let lines = String::from_utf8(answer.stdout).unwrap();
        assert_eq!(public.line_of(&head.body(), &lines), Some(lines));
    };
    cosigns(&first, 0);
    let refused = asks(&url, &text, &second, old, true);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("WitnessRejected") && !refused.status.success(),
        "{said}"
    );
    // Told another size than it is at, it says its own, and the client goes on from there.
    cosigns(&second, 0);
    // The same again needs no proof.
    cosigns(&second, old + 2);
    let behind = asks(&url, &text, &first, old, false);
    let said = String::from_utf8_lossy(&behind.stderr).into_owned();
    assert!(said.contains("WitnessAhead"), "{said}");
    let _ = stop.send(());
    serving.await.unwrap().unwrap();
}
