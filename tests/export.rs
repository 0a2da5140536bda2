//! The log as static files: written, brought up to date, verified, and refused when changed.
//!
//! What comes in: a ledger with every kind of entry, and logs that are made of its entries with a
//! key of the test. What must stay true: a second export writes what is new and no more; a folder
//! of another log is left as it is; every changed byte and every missing file is found, at the
//! right position; and a log whose signature is right but whose entries are not is refused too.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

mod harness;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use vitaledger::app::{App, AppError};
use vitaledger::audit::exported::{ExportVerification, verify};
use vitaledger::model::schema::RecordKind;
use vitaledger::seal::checkpoint::Checkpoint;
use vitaledger::seal::entries::{LogFile, bundle, files, unbundle};
use vitaledger::seal::export::ExportError;
use vitaledger::seal::folder::{FolderWriter, LogFolder};
use vitaledger::seal::keys::SigningKey;
use vitaledger::seal::merkle::leaf_hash;
use vitaledger::seal::policy::Policy;
use vitaledger::seal::tiles::{HashTiles, TILE_WIDTH};

/// Every file below a folder with its bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut open = vec![folder.to_owned()];
    let mut found = BTreeMap::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|one| one.unwrap().path()));
        } else {
            let name = path.strip_prefix(folder).unwrap().to_owned();
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

async fn checked(folder: &Path, policy: &Policy) -> ExportVerification {
    verify(folder, policy, None, |_| ()).await.unwrap()
}

/// Opens a ledger, exports it, closes it.
async fn export(ledger: &Path, to: &Path) -> Result<(u64, u64, Policy), AppError> {
    let app = App::open(ledger).await?;
    let exported = app.export_log(to, |_| ()).await;
    let policy = app.own_policy();
    app.close().await;
    exported.map(|exported| (exported.new_entries, exported.files, policy))
}

async fn add_birth(ledger: &Path, number: &str) {
    let app = App::open(ledger).await.unwrap();
    let values = harness::birth(number, "3000");
    app.record(RecordKind::Birth, &values, None).await.unwrap();
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_export_writes_what_is_new() {
    let place = tempfile::tempdir().unwrap();
    let (ledger, out) = (place.path().join("ledger"), place.path().join("out"));
    harness::make(&ledger).await;
    let (new, written, policy) = export(&ledger, &out).await.unwrap();
    let first = contents(&out);
    assert_eq!(written, first.len() as u64);
    let report = checked(&out, &policy).await;
    assert_eq!((report.wrong, report.entries), (None, new));
    assert!(report.simulated_clock);
    // Exactly the files that a log of this size has.
    let mut expected: Vec<PathBuf> = files(new).map(|file| file.path().unwrap().into()).collect();
    expected.push("checkpoint".into());
    expected.sort();
    assert_eq!(first.keys().cloned().collect::<Vec<_>>(), expected);
    // Nothing new: nothing written.
    assert_eq!(export(&ledger, &out).await.unwrap().1, 0);
    assert_eq!(contents(&out), first);
    // One entry: its bundle, its tiles, the checkpoint; the rest is not touched.
    add_birth(&ledger, "E1").await;
    let (new, written, _) = export(&ledger, &out).await.unwrap();
    assert_eq!(new, 1);
    assert!(written <= 4, "{written} files");
    let second = contents(&out);
    for (name, bytes) in &first {
        assert!(name.as_os_str() == "checkpoint" || second[name] == *bytes);
    }
    // Over the edge of a tile: partial files give way to the full one.
    let app = App::open(&ledger).await.unwrap();
    for number in 0..256 {
        let values = harness::birth(&format!("Q{number}"), "3000");
        app.record(RecordKind::Birth, &values, None).await.unwrap();
    }
    app.close().await;
    export(&ledger, &out).await.unwrap();
    let report = checked(&out, &policy).await;
    assert_eq!(report.wrong, None);
    let fresh = place.path().join("fresh");
    export(&ledger, &fresh).await.unwrap();
    let (out, fresh) = (contents(&out), contents(&fresh));
    assert!(fresh.iter().all(|(name, bytes)| out[name] == *bytes));
    // What older checkpoints need stays: narrower forms of the one tile that is not full yet.
    let older: Vec<&PathBuf> = out
        .keys()
        .filter(|name| !fresh.contains_key(*name))
        .collect();
    assert_eq!(older, [Path::new("tile/1/000.p/2")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_of_something_else_are_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    harness::make(&at("ledger")).await;
    harness::copy(&at("ledger"), &at("older"));
    harness::copy(&at("ledger"), &at("fork"));
    add_birth(&at("ledger"), "E1").await;
    add_birth(&at("fork"), "E2").await;
    export(&at("ledger"), &at("out")).await.unwrap();
    let before = contents(&at("out"));
    let refused = export(&at("older"), &at("out")).await.unwrap_err();
    assert!(matches!(
        refused,
        AppError::Export(ExportError::Longer { .. })
    ));
    assert_eq!(refused.exit_code(), 11);
    for _ in 0..2 {
        let refused = export(&at("fork"), &at("out")).await.unwrap_err();
        let forked = matches!(refused, AppError::Export(ExportError::NotExtended { .. }));
        assert!(forked, "{refused}");
        assert_eq!(refused.exit_code(), 11);
        add_birth(&at("fork"), "E3").await;
    }
    harness::init(&at("stranger")).await.close().await;
    let refused = export(&at("stranger"), &at("out")).await.unwrap_err();
    assert!(matches!(
        refused,
        AppError::Export(ExportError::OtherLog { .. })
    ));
    assert_eq!(contents(&at("out")), before);
    fs::create_dir(at("papers")).unwrap();
    fs::write(at("papers").join("letter.txt"), "dear").unwrap();
    let refused = export(&at("ledger"), &at("papers")).await.unwrap_err();
    assert!(matches!(
        refused,
        AppError::Export(ExportError::Occupied { .. })
    ));
    assert_eq!(refused.exit_code(), 2);
    assert_eq!(contents(&at("papers")).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_was_broken_off_is_taken_up_again() {
    let place = tempfile::tempdir().unwrap();
    let (ledger, out) = (place.path().join("ledger"), place.path().join("out"));
    harness::make(&ledger).await;
    let (_, _, policy) = export(&ledger, &out).await.unwrap();
    let whole = contents(&out);
    // Killed before its end: some tiles, one of them not all of it, and no checkpoint.
    fs::remove_file(out.join("checkpoint")).unwrap();
    fs::remove_file(out.join("tile/0/001")).unwrap();
    fs::write(out.join("tile/0/001.unfinished"), b"half").unwrap();
    assert!(checked(&out, &policy).await.wrong.is_some());
    export(&ledger, &out).await.unwrap();
    assert_eq!(checked(&out, &policy).await.wrong, None);
    assert_eq!(
        contents(&out)[Path::new("checkpoint")],
        whole[Path::new("checkpoint")]
    );
    // Killed before the end of a later one: everything new is there but the checkpoint.
    for number in 0..3 {
        add_birth(&ledger, &format!("K{number}")).await;
    }
    let newer = place.path().join("newer");
    export(&ledger, &newer).await.unwrap();
    for (name, bytes) in contents(&newer) {
        if name.as_os_str() != "checkpoint" {
            fs::create_dir_all(out.join(&name).parent().unwrap()).unwrap();
            fs::write(out.join(&name), bytes).unwrap();
        }
    }
    let report = checked(&out, &policy).await;
    assert!(report.wrong.is_none() && report.size < checked(&newer, &policy).await.size);
    export(&ledger, &out).await.unwrap();
    assert_eq!(checked(&out, &policy).await, checked(&newer, &policy).await);
    // While another one writes, nobody else does.
    let writer = FolderWriter::open(LogFolder::new(&out)).unwrap();
    add_birth(&ledger, "E1").await;
    let refused = export(&ledger, &out).await.unwrap_err();
    assert!(refused.to_string().contains("another program"), "{refused}");
    drop(writer);
    export(&ledger, &out).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_ledger_replaces_no_checkpoint() {
    let place = tempfile::tempdir().unwrap();
    let (ledger, out) = (place.path().join("ledger"), place.path().join("out"));
    harness::make(&ledger).await;
    let (sealed, _, policy) = export(&ledger, &out).await.unwrap();
    let before = contents(&out);
    add_birth(&ledger, "E1").await;
    let app = App::open(&ledger).await.unwrap();
    let entry = app.store().entry(sealed).await.unwrap().unwrap();
    app.close().await;
    let changed = String::from_utf8(entry.bytes).unwrap();
    let changed = changed.replace("\"weight_g\":3000", "\"weight_g\":3001");
    vitaledger::store::sqlite_tamper::overwrite_entry(&ledger, sealed, changed.as_bytes())
        .await
        .unwrap();
    let refused = export(&ledger, &out).await.unwrap_err();
    assert_eq!(refused.exit_code(), 11, "{refused}");
    let after = contents(&out);
    assert_eq!(
        after[Path::new("checkpoint")],
        before[Path::new("checkpoint")]
    );
    assert_eq!(checked(&out, &policy).await.wrong, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_changed_or_missing_file_is_found_where_it_is() {
    let place = tempfile::tempdir().unwrap();
    let (ledger, out) = (place.path().join("ledger"), place.path().join("out"));
    harness::make(&ledger).await;
    let (size, _, policy) = export(&ledger, &out).await.unwrap();
    for file in files(size) {
        let path = out.join(file.path().unwrap());
        let good = fs::read(&path).unwrap();
        let leaves = 256_u64.pow(u32::from(file.level.unwrap_or(0)));
        let start = file.index * 256 * leaves;
        let range = start..start + 256 * leaves;
        let mut offsets: Vec<usize> = (0..good.len()).step_by(good.len() / 7 + 1).collect();
        offsets.push(good.len() - 1);
        for offset in offsets {
            let mut changed = good.clone();
            changed[offset] ^= 0x20;
            fs::write(&path, &changed).unwrap();
            let wrong = checked(&out, &policy).await.wrong.unwrap();
            let position = wrong.position.unwrap();
            assert!(range.contains(&position), "{path:?} {offset}: {wrong}");
        }
        for changed in [&good[..good.len() - 1], &[&good[..], b"x"].concat()] {
            fs::write(&path, changed).unwrap();
            let wrong = checked(&out, &policy).await.wrong.unwrap();
            assert!(wrong.position.is_some(), "{path:?}: {wrong}");
        }
        fs::remove_file(&path).unwrap();
        let wrong = checked(&out, &policy).await.wrong.unwrap();
        assert_eq!(wrong.position, Some(start), "{path:?}: {wrong}");
        assert!(wrong.what.contains("missing"), "{wrong}");
        fs::write(&path, &good).unwrap();
    }
    assert_eq!(checked(&out, &policy).await.wrong, None);
    let note = fs::read_to_string(out.join("checkpoint")).unwrap();
    for (from, to) in [
        (&*size.to_string(), "1"),
        ("vitaledger", "Vitaledger"),
        ("\n\n", "\n"),
    ] {
        fs::write(out.join("checkpoint"), note.replacen(from, to, 1)).unwrap();
        let wrong = checked(&out, &policy).await.wrong.unwrap();
        assert!(wrong.what.contains("checkpoint"), "{wrong}");
    }
    fs::remove_file(out.join("checkpoint")).unwrap();
    assert!(checked(&out, &policy).await.wrong.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_entry_is_named_exactly() {
    let place = tempfile::tempdir().unwrap();
    let (ledger, out) = (place.path().join("ledger"), place.path().join("out"));
    harness::make(&ledger).await;
    let (size, _, policy) = export(&ledger, &out).await.unwrap();
    let last = files(size)
        .filter(|file| file.level.is_none())
        .last()
        .unwrap();
    let path = out.join(last.path().unwrap());
    let good = fs::read(&path).unwrap();
    let entries = unbundle(&good, last.width, true).unwrap();
    let is_birth = |entry: &[u8]| String::from_utf8_lossy(entry).contains("\"weight_g\":3");
    let births: Vec<(u64, usize)> = (last.index * 256..)
        .zip(0..)
        .zip(&entries)
        .filter_map(|(place, entry)| is_birth(entry).then_some(place))
        .collect();
    let (first, second) = (births[0], births[births.len() - 1]);
    assert!(first.0 < second.0);
    let mut changed: Vec<Vec<u8>> = entries.iter().map(|entry| entry.to_vec()).collect();
    let heavier = String::from_utf8(changed[first.1].clone()).unwrap();
    changed[first.1] = heavier
        .replace("\"weight_g\":3", "\"weight_g\":4")
        .into_bytes();
    // A later one is not even canonical any more: the first one is still what is named.
    changed[second.1].insert(1, b' ');
    let bytes = bundle(changed.iter().map(Vec::as_slice)).unwrap();
    fs::write(&path, bytes).unwrap();
    let wrong = checked(&out, &policy).await.wrong.unwrap();
    assert_eq!(wrong.position, Some(first.0), "{wrong}");
}

/// The entries of a ledger, in order.
async fn entries(ledger: &Path) -> Vec<Vec<u8>> {
    let app = App::open(ledger).await.unwrap();
    let stored = app.store().entries(0, 100_000).await.unwrap();
    app.close().await;
    stored.into_iter().map(|entry| entry.bytes).collect()
}

/// Any entries as a signed log: what an operator with a fault, or a false one, could publish.
fn write_log(folder: &Path, entries: &[Vec<u8>], key: &SigningKey) {
    let mut writer = FolderWriter::open(LogFolder::new(folder)).unwrap();
    let mut tree = HashTiles::new();
    let mut tiles = tree.append(entries.iter().map(|entry| leaf_hash(entry)));
    tiles.extend(tree.partial_tiles());
    for tile in tiles {
        let (level, index, width) = (Some(tile.level), tile.index, tile.width());
        let file = LogFile {
            level,
            index,
            width,
        };
        writer.write(file, &tile.bytes).unwrap();
    }
    for (index, chunk) in (0..).zip(entries.chunks(TILE_WIDTH)) {
        let (level, width) = (None, chunk.len());
        let bytes = bundle(chunk.iter().map(Vec::as_slice)).unwrap();
        let file = LogFile {
            level,
            index,
            width,
        };
        writer.write(file, &bytes).unwrap();
    }
    let origin = key.verifier_key().name();
    let checkpoint = Checkpoint::new(origin, tree.size(), tree.root()).unwrap();
    writer.publish(&checkpoint.sign(key).unwrap()).unwrap();
}

/// The entries of a ledger, with another key in entry 0.
async fn founded_anew(ledger: &Path) -> (Vec<Vec<u8>>, SigningKey) {
    let mut entries = entries(ledger).await;
    let app = App::open(ledger).await.unwrap();
    let key = SigningKey::generate(&mut rand_core::OsRng, &app.origin).unwrap();
    let (own, other) = (app.verifier_keys[0].to_string(), key.verifier_key());
    let founding = String::from_utf8(entries[0].clone()).unwrap();
    assert!(founding.contains(&own));
    entries[0] = founding.replace(&own, &other.to_string()).into_bytes();
    app.close().await;
    (entries, key)
}

/// A key does not speak for a log that does not name it, whoever trusts it.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_log_does_not_name_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let ledger = place.path().join("ledger");
    harness::make(&ledger).await;
    let (_, key) = founded_anew(&ledger).await;
    let folder = place.path().join("out");
    write_log(&folder, &entries(&ledger).await, &key);
    let policy = Policy::of_logs(vec![key.verifier_key().clone()]);
    let wrong = checked(&folder, &policy).await.wrong.unwrap();
    assert!(wrong.what.contains("do not name"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_does_not_make_entries_right() {
    let place = tempfile::tempdir().unwrap();
    let ledger = place.path().join("ledger");
    harness::make(&ledger).await;
    let (good, key) = founded_anew(&ledger).await;
    let policy = Policy::of_logs(vec![key.verifier_key().clone()]);
    let text = |at: usize| String::from_utf8(good[at].clone()).unwrap();
    let at = |position: usize, bytes: String| {
        let mut changed = good.clone();
        changed[position] = bytes.into_bytes();
        changed
    };
    let last = good.len() - 1;
    let mut without = good.clone();
    without.remove(300);
    let mut swapped = good.clone();
    swapped.swap(299, 300);
    let later = text(300).replace("\"recorded_at\":\"2013", "\"recorded_at\":\"2113");
    let version = text(300).replace("\"sequence\":1}", "\"sequence\":2}");
    let again = text(299).replace("\"position\":299", "\"position\":300");
    let founding = text(0).replace("\"simulated_clock\":true", "\"simulated_clock\":\"no\"");
    let cases = [
        ("whole", good.clone(), None),
        ("a gap", without, Some(300)),
        ("swapped", swapped, Some(299)),
        ("a time that goes back", at(300, later), Some(301)),
        ("a version that is skipped", at(300, version), Some(300)),
        ("an entry twice", at(300, again), Some(300)),
        (
            "a space",
            at(300, text(300).replacen(':', ": ", 1)),
            Some(300),
        ),
        ("no JSON", at(last, "entry".to_owned()), Some(last as u64)),
        ("another founding", at(0, founding), Some(0)),
    ];

    for (number, (name, entries, expected)) in cases.into_iter().enumerate() {
        let folder = place.path().join(number.to_string());
        write_log(&folder, &entries, &key);
        let wrong = checked(&folder, &policy).await.wrong;
        let is_whole = wrong.is_none();
        let position = wrong.as_ref().and_then(|wrong| wrong.position);
        assert_eq!(
            (is_whole, position),
            (expected.is_none(), expected),
            "{name}: {wrong:?}"
        );
    }
    // Entries and tiles that were changed together do not give the root that was signed before.
    let folder = place.path().join("0");
    let note = fs::read(folder.join("checkpoint")).unwrap();
    let heavier = text(last).replace("\"weight_g\":2900", "\"weight_g\":2901");
    write_log(&folder, &at(last, heavier), &key);
    fs::write(folder.join("checkpoint"), note).unwrap();
    let wrong = checked(&folder, &policy).await.wrong.unwrap();
    assert!(
        wrong.what.contains("do not give the signed root"),
        "{wrong}"
    );
}
