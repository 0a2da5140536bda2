//! Evidence: made of a record, checked by an outsider, and refused for each way to cheat.
//!
//! What comes in: a ledger with every kind of entry. What goes out: bundles, and bundles that were
//! changed part by part and packed again. What must stay true: nothing that a bundle supplies is
//! trusted; every way to cheat has a message of its own; a bundle opens what was asked for and
//! nothing else; and other programs (Python and OpenSSL) come to the same verdict.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

mod harness;

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use uuid::Uuid;
use vitaledger::app::App;
use vitaledger::audit::evidence::{
    Disclosed, EvidenceError, PackError, Part, Verdict, check, pack, unpack,
};
use vitaledger::model::slot::Slot;
use vitaledger::seal::cosignature::CosigningKey;
use vitaledger::seal::policy::{Policy, Refusal};
use vitaledger::seal::proof::TlogProof;

struct Case {
    place: TempDir,
    facts: harness::Facts,
    /// The corrected birth, with its mother's name opened.
    bundle: Vec<u8>,
    /// What an outsider trusts.
    policy: Policy,
    key: String,
}

async fn case() -> Case {
    let place = tempfile::tempdir().unwrap();
    let ledger = place.path().join("ledger");
    let facts = harness::make(&ledger).await;
    let app = App::open(&ledger).await.unwrap();
    let bundle = bundle(&app, facts.corrected, &["mother_name"]).await;
    let (policy, key) = (app.own_policy(), app.verifier_keys[0].to_string());
    app.close().await;
    Case {
        place,
        facts,
        bundle,
        policy,
        key,
    }
}

async fn bundle(app: &App, id: Uuid, slots: &[&'static str]) -> Vec<u8> {
    let slots: Vec<Slot> = slots
        .iter()
        .map(|name| Slot::of_name(name).unwrap())
        .collect();
    let made = app
        .evidence(&id.to_string(), &slots, "complaint 12", None)
        .await;
    made.unwrap().bytes
}

impl Case {
    fn verdict(&self) -> Verdict {
        check(&self.bundle, Some(&self.policy), None).unwrap()
    }

    /// What is said of the bundle after its parts were changed.
    fn after(&self, change: impl FnOnce(&mut Vec<Part>)) -> EvidenceError {
        let mut parts = unpack(&self.bundle).unwrap();
        change(&mut parts);
        let bytes = pack(&parts).unwrap();
        check(&bytes, Some(&self.policy), None).unwrap_err()
    }

    fn after_edit(&self, name: &str, from: &str, to: &str) -> EvidenceError {
        self.after(|parts| edit(parts, name, from, to))
    }

    /// Positions of the record.
    fn positions(&self) -> Vec<u64> {
        let events = self.verdict().facts.events;
        events.iter().map(|event| event.position).collect()
    }
}

fn part<'a>(parts: &'a mut [Part], name: &str) -> &'a mut Vec<u8> {
    let found = parts.iter_mut().find(|(other, _)| other == name);
    &mut found.unwrap_or_else(|| panic!("no part {name}")).1
}

fn edit(parts: &mut [Part], name: &str, from: &str, to: &str) {
    let data = part(parts, name);
    let text = String::from_utf8(data.clone()).unwrap();
    assert!(text.contains(from), "{name} has no {from}: {text}");
    *data = text.replacen(from, to, 1).into_bytes();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_shows_a_record_and_opens_only_what_was_asked_for() {
    let case = case().await;
    let verdict = case.verdict();
    assert!(!verdict.trust_root_came_with_the_bundle);
    let facts = &verdict.facts;
    assert_eq!(facts.record_id, case.facts.corrected);
    assert!(facts.simulated_clock);
    let shown: Vec<_> = facts
        .events
        .iter()
        .map(|event| (event.what, event.version))
        .collect();
    assert_eq!(shown, [("recorded", 1), ("corrected", 2)]);
    let opened = |event: usize| {
        let fields = &facts.events[event].disclosed;
        fields
            .iter()
            .map(|field| (field.name.as_str(), field.value.as_str()))
            .collect::<Vec<_>>()
    };
    assert_eq!(opened(0), [("mother_name", "甲某某")]);
    assert_eq!(opened(1), [("mother_name", "乙某某")]);
    assert!(facts.events[0].closed.contains(&"mother_id_no"));
    // The number and the household stay closed: neither they nor any salt of theirs is there.
    let all = String::from_utf8_lossy(&case.bundle).into_owned();
    assert!(!all.contains("99010119880101122X") && !all.contains("H900001"));
    let mut parts = unpack(&case.bundle).unwrap();
    let disclosed: Vec<Disclosed> =
        serde_json::from_slice(part(&mut parts, "disclosed.json")).unwrap();
    assert_eq!(disclosed.len(), 2);
    let page = String::from_utf8(part(&mut parts, "summary.html").clone()).unwrap();
    for text in [
        "甲某某",
        "乙某某",
        "mother_name",
        "Simulated clock",
        "3200",
        "体重",
        "记录证据",
    ] {
        assert!(page.contains(text), "{text} in {page}");
    }
    // The opening is on the ledger.
    let app = App::open(&case.place.path().join("ledger")).await.unwrap();
    let disclosures = app.store().entries_of_type("disclosure").await.unwrap();
    let last = String::from_utf8(disclosures.last().unwrap().bytes.clone()).unwrap();
    assert!(last.contains("mother_name") && last.contains(&case.facts.corrected.to_string()));
    // Without fields nothing is opened and nothing recorded.
    let before = app.store().head().await.unwrap().size;
    let closed = bundle(&app, case.facts.corrected, &[]).await;
    assert_eq!(app.store().head().await.unwrap().size, before);
    let verdict = check(&closed, Some(&case.policy), Some(case.facts.corrected)).unwrap();
    assert!(
        verdict
            .facts
            .events
            .iter()
            .all(|event| event.disclosed.is_empty())
    );
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn voided_and_erased_records_have_evidence_too() {
    let case = case().await;
    let app = App::open(&case.place.path().join("ledger")).await.unwrap();
    let voided = bundle(&app, case.facts.voided, &["reason"]).await;
    let verdict = check(&voided, Some(&case.policy), None).unwrap();
    let last = verdict.facts.events.last().unwrap();
    assert_eq!(
        (last.what, last.disclosed[0].value.as_str()),
        ("voided", "entered twice")
    );
    let erased = bundle(&app, case.facts.erased, &[]).await;
    assert!(check(&erased, Some(&case.policy), None).is_ok());
    let slots = [Slot::must("mother_name")];
    let id = case.facts.erased.to_string();
    let refused = app.evidence(&id, &slots, "complaint 12", None).await;
    let Err(refused) = refused else {
        panic!("an erased field was opened")
    };
    assert!(refused.to_string().contains("erased"), "{refused}");
    // A field that the record does not have; and no purpose. Nothing is recorded for either.
    let before = app.store().head().await.unwrap().size;
    let id = case.facts.corrected.to_string();
    for (slot, purpose) in [("person_name", "complaint 12"), ("mother_name", " ")] {
        let slots = [Slot::of_name(slot).unwrap()];
        assert!(
            app.evidence(&id, &slots, purpose, None).await.is_err(),
            "{slot}"
        );
    }
    assert_eq!(app.store().head().await.unwrap().size, before);
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edited_fields_are_refused() {
    let case = case().await;
    let [first, second] = case.positions()[..] else {
        panic!()
    };
    let entry = format!("entries/{first}.json");
    let refused = case.after_edit(&entry, "\"weight_g\":3100", "\"weight_g\":3500");
    assert!(matches!(refused, EvidenceError::NotIncluded { position, .. } if position == first));
    let refused = case.after_edit(&entry, "{", "{ ");
    assert!(matches!(refused, EvidenceError::Entry { .. }), "{refused}");
    let changed = |refused: EvidenceError, at: u64| {
        let named = matches!(&refused, EvidenceError::Disclosed { position, slot } if (*position, slot.name()) == (at, "mother_name"));
        assert!(named, "{refused}");
    };
    let json = "disclosed.json";
    changed(case.after_edit(json, "甲某某", "丙某某"), first);
    changed(case.after_edit(json, "\"乙某某\"", "null"), second);
    let parts = unpack(&case.bundle).unwrap();
    let text = String::from_utf8(part(&mut parts.clone(), json).clone()).unwrap();
    let salt = text
        .split("\"salt\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    changed(case.after_edit(json, salt, &"0".repeat(64)), first);
    changed(case.after_edit(json, salt, &salt.to_uppercase()), first);
    changed(
        case.after_edit(json, &format!("\"position\":{first}"), "\"position\":0"),
        0,
    );
    let refused = case.after_edit(json, "mother_name", "father_name");
    assert!(
        matches!(&refused, EvidenceError::Disclosed { slot, .. } if slot.name() == "father_name")
    );
    for (from, to) in [
        ("[", "[ "),
        ("mother_name", "mothers_name"),
        ("[", ""),
        ("\"salt\"", "\"sugar\""),
    ] {
        let refused = case.after_edit(json, from, to);
        assert!(
            matches!(refused, EvidenceError::DisclosedForm(_)),
            "{from}: {refused}"
        );
    }
    let refused = case.after(|parts| {
        let data = part(parts, json);
        let mut fields: Vec<Disclosed> = serde_json::from_slice(data).unwrap();
        fields.push(fields[1].clone());
        *data = serde_json::to_string(&fields).unwrap().into_bytes();
    });
    assert!(
        matches!(refused, EvidenceError::DisclosedForm(_)),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_the_instructions_say_what_follows() {
    let case = case().await;
    let refused = case.after_edit("summary.html", "3100", "3500");
    assert!(matches!(
        refused,
        EvidenceError::Derived {
            part: "summary.html"
        }
    ));
    let refused = case.after_edit("README.md", "python3 check.py", "sh check.sh");
    assert!(matches!(
        refused,
        EvidenceError::Derived { part: "README.md" }
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_of_other_records_are_refused() {
    let case = case().await;
    let wanted = Some(case.facts.voided);
    let refused = check(&case.bundle, Some(&case.policy), wanted).unwrap_err();
    assert!(
        matches!(refused, EvidenceError::AnotherRecord { .. }),
        "{refused}"
    );
    let app = App::open(&case.place.path().join("ledger")).await.unwrap();
    // Made of one checkpoint, so that only the records differ.
    let own = bundle(&app, case.facts.corrected, &[]).await;
    let other = unpack(&bundle(&app, case.facts.erased, &[]).await).unwrap();
    app.close().await;
    let judged =
        |parts: &[Part]| check(&pack(parts).unwrap(), Some(&case.policy), None).unwrap_err();
    // The second version of another record in the place of the own one.
    let mut parts = unpack(&own).unwrap();
    let tail = parts.len() - 2;
    parts.truncate(tail);
    parts.extend_from_slice(&other[tail..]);
    let refused = judged(&parts);
    assert!(
        matches!(refused, EvidenceError::OtherRecord { .. }),
        "{refused}"
    );
    // Its first version left out; its entries left out; entry 0 left out.
    let [own_first, ..] = case.positions()[..] else {
        panic!()
    };
    let without = |from: usize, count: usize| {
        let mut parts = unpack(&own).unwrap();
        parts.drain(from..from + count);
        judged(&parts)
    };
    let refused = without(7, 2);
    assert!(
        matches!(
            refused,
            EvidenceError::Versions {
                version: 2,
                expected: 1,
                ..
            }
        ),
        "{refused}"
    );
    assert!(matches!(without(7, 4), EvidenceError::NoRecord));
    assert!(matches!(without(5, 2), EvidenceError::Founding));
    assert!(matches!(without(3, 1), EvidenceError::Part { .. }));
    // The last version left out cannot be seen from a bundle, but the page is another one.
    assert!(matches!(without(9, 2), EvidenceError::Derived { .. }));
    let refused = case.after(|parts| parts.push(("extra.txt".to_owned(), vec![])));
    assert!(matches!(refused, EvidenceError::Part { .. }), "{refused}");
    let refused = case.after(|parts| {
        let last = parts.len() - 2;
        let moved = (format!("entries/0{own_first}.json"), parts[last].1.clone());
        parts[last] = moved;
    });
    assert!(matches!(refused, EvidenceError::Part { .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_of_other_entries_are_refused() {
    let case = case().await;
    let [first, second] = case.positions()[..] else {
        panic!()
    };
    let (one, two) = (
        format!("proofs/{first}.tlog-proof"),
        format!("proofs/{second}.tlog-proof"),
    );
    // Swapped as they are; and swapped with their index put right.
    let swapped = |parts: &mut Vec<Part>| {
        let (a, b) = (part(parts, &one).clone(), part(parts, &two).clone());
        *part(parts, &one) = b;
        *part(parts, &two) = a;
    };
    let refused = case.after(swapped);
    assert!(
        matches!(refused, EvidenceError::SwappedProof { position, found } if (position, found) == (first, second))
    );
    let refused = case.after(|parts| {
        swapped(parts);
        edit(
            parts,
            &one,
            &format!("index {second}"),
            &format!("index {first}"),
        );
        edit(
            parts,
            &two,
            &format!("index {first}"),
            &format!("index {second}"),
        );
    });
    assert!(
        matches!(refused, EvidenceError::NotIncluded { .. }),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_of_other_sizes_are_refused() {
    let case = case().await;
    let first = case.positions()[0];
    let one = format!("proofs/{first}.tlog-proof");
    let app = App::open(&case.place.path().join("ledger")).await.unwrap();
    let before = app.prove(&first.to_string()).await.unwrap().proof;
    let values = harness::birth("E1", "3000");
    app.record(vitaledger::model::schema::RecordKind::Birth, &values, None)
        .await
        .unwrap();
    let later: TlogProof = app.prove(&first.to_string()).await.unwrap().proof;
    app.close().await;
    let refused = case.after(|parts| *part(parts, &one) = later.to_string().into_bytes());
    assert!(
        matches!(refused, EvidenceError::OtherCheckpoint { .. }),
        "{refused}"
    );
    // The path of the other size under the bundle's checkpoint.
    let path = TlogProof::new(
        first,
        later.hashes().to_vec(),
        None,
        before.checkpoint_note().as_bytes(),
    )
    .unwrap();
    let refused = case.after(|parts| *part(parts, &one) = path.to_string().into_bytes());
    assert!(
        matches!(refused, EvidenceError::NotIncluded { .. }),
        "{refused}"
    );
    // The later checkpoint for the whole bundle: proofs are against the earlier one.
    let note = later.checkpoint_note().as_bytes().to_vec();
    let refused = case.after(|parts| *part(parts, "checkpoint") = note);
    assert!(
        matches!(refused, EvidenceError::OtherCheckpoint { .. }),
        "{refused}"
    );
    let refused = case.after_edit(&one, "c2sp.org", "example.org");
    assert!(matches!(refused, EvidenceError::Proof { .. }), "{refused}");
}

/// The same bundle with a cosignature of each of these witnesses in every note.
fn cosigned(bundle: &[u8], witnesses: &[&CosigningKey]) -> Vec<u8> {
    let mut parts = unpack(bundle).unwrap();
    let note = String::from_utf8(part(&mut parts, "checkpoint").clone()).unwrap();
    let body = &note[..=note.rfind("\n\n").unwrap()];
    let lines: String = witnesses
        .iter()
        .map(|key| key.cosign(body, 1_700_000_000))
        .collect();
    for (name, data) in &mut parts {
        if name == "checkpoint" || name.starts_with("proofs/") {
            data.extend_from_slice(lines.as_bytes());
        }
    }
    pack(&parts).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_quorums_are_the_readers() {
    let case = case().await;
    // Another log with the same name: its bundle agrees with itself, and is refused.
    let stranger = case.place.path().join("stranger");
    let options = vitaledger::app::InitOptions {
        simulated_clock: true,
        origin: Some(case.verdict().facts.origin),
        ..vitaledger::app::InitOptions::default()
    };
    let app = App::init(&stranger, &options).await.unwrap();
    let answer = app
        .record(
            vitaledger::model::schema::RecordKind::Birth,
            &harness::birth("X1", "3100"),
            None,
        )
        .await;
    assert!(answer.is_err(), "the village is not known there");
    let strangers = app.own_policy();
    app.close().await;
    let refused = check(&case.bundle, Some(&strangers), None).unwrap_err();
    let unknown = refused
        .to_string()
        .contains("none of the trusted keys signed");
    assert!(matches!(refused, EvidenceError::Checkpoint(Refusal::Checkpoint(_))) && unknown);
    // No key of the reader's own: it agrees with itself, and says no more.
    assert!(
        check(&case.bundle, None, None)
            .unwrap()
            .trust_root_came_with_the_bundle
    );
    // An edited policy in the bundle is trusted by nobody who brings his own.
    let witness = |name| CosigningKey::generate(&mut rand_core::OsRng, name).unwrap();
    let (w1, w2) = (witness("witness.example/w1"), witness("witness.example/w2"));
    let text = format!(
        "log {}\nwitness w1 {}\nwitness w2 {}\ngroup both all w1 w2\nquorum both\n",
        case.key,
        w1.witness_key(),
        w2.witness_key()
    );
    let policy = Policy::parse(text.as_bytes()).unwrap();
    for some in [&[][..], &[&w1], &[&w1, &w1]] {
        let refused = check(&cosigned(&case.bundle, some), Some(&policy), None).unwrap_err();
        assert!(
            matches!(refused, EvidenceError::Checkpoint(Refusal::Quorum { .. })),
            "{refused}"
        );
    }
    let both = cosigned(&case.bundle, &[&w1, &w2]);
    let verdict = check(&both, Some(&policy), None).unwrap();
    assert_eq!(verdict.cosignatures.len(), 2);
    assert_eq!(verdict.cosignatures[0].timestamp, 1_700_000_000);
    assert!(
        check(&both, Some(&case.policy), None)
            .unwrap()
            .cosignatures
            .is_empty()
    );
    // A cosignature that was made over another checkpoint.
    let mut parts = unpack(&case.bundle).unwrap();
    let line = w1.cosign("ledger.example/other\n1\n", 1);
    part(&mut parts, "checkpoint").extend_from_slice(line.as_bytes());
    let refused = check(&pack(&parts).unwrap(), Some(&policy), None).unwrap_err();
    assert!(matches!(
        refused,
        EvidenceError::Checkpoint(Refusal::BadCosignature { .. })
    ));
    let refused = case.after(|parts| *part(parts, "policy") = b"trust me\n".to_vec());
    assert!(matches!(refused, EvidenceError::Policy(_)), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_changed_byte_passes() {
    let case = case().await;
    for at in (0..case.bundle.len()).step_by(3) {
        let mut changed = case.bundle.clone();
        changed[at] ^= 1 << (at % 8);
        let refused = check(&changed, Some(&case.policy), None).unwrap_err();
        assert!(
            matches!(
                refused,
                EvidenceError::Pack(
                    PackError::Form | PackError::Name { .. } | PackError::Twice { .. }
                )
            ),
            "byte {at}: {refused}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_programs_come_to_the_same_verdict() {
    let case = case().await;
    let folder = case.place.path().join("unpacked");
    let write = |name: &str, data: &[u8]| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, data).unwrap();
    };
    let mut parts = unpack(&case.bundle).unwrap();
    for (name, data) in &parts {
        write(name, data);
    }
    let readme = String::from_utf8(part(&mut parts, "README.md").clone()).unwrap();
    let script = readme
        .split("```python\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    write("check.py", script.as_bytes());
    let command = readme
        .lines()
        .find_map(|line| line.strip_prefix("`python3 check.py VKEY"));
    let command = command.unwrap().trim_end_matches('`');
    let run = || {
        shell(
            &folder,
            &format!("python3 check.py '{}'{command}", case.key),
        )
    };
    assert!(run(), "the bundle is good");
    let entry = case.positions()[0];
    for (name, from, to) in [
        (format!("entries/{entry}.json"), "3100", "3500"),
        ("disclosed.json".to_owned(), "甲", "丙"),
        ("checkpoint".to_owned(), "\n", "x\n"),
        (format!("proofs/{entry}.tlog-proof"), "index ", "index 1"),
    ] {
        let good = String::from_utf8(part(&mut parts, &name).clone()).unwrap();
        write(&name, good.replacen(from, to, 1).as_bytes());
        assert!(!run(), "{name} was changed");
        write(&name, good.as_bytes());
    }
    assert!(run());
}

fn shell(folder: &Path, script: &str) -> bool {
    let mut command = Command::new("bash");
    let output = command
        .args(["-c", script])
        .current_dir(folder)
        .output()
        .unwrap();
    output.status.success()
}
