//! Policies: read, refused line by line, and enforced on notes.

use proptest::prelude::*;

use super::{Policy, PolicyError, Refusal};
use crate::seal::checkpoint::{Checkpoint, CheckpointError};
use crate::seal::cosignature::CosigningKey;
use crate::seal::keys::SigningKey;
use crate::seal::merkle::leaf_hash;

const ORIGIN: &str = "ledger.example/county";

fn log_key() -> SigningKey {
    SigningKey::generate(&mut rand_core::OsRng, ORIGIN).unwrap()
}

fn witnesses(count: usize) -> Vec<CosigningKey> {
    let key = |number| {
        let name = format!("witness.example/w{number}");
        CosigningKey::generate(&mut rand_core::OsRng, &name).unwrap()
    };
    (1..=count).map(key).collect()
}

/// A checkpoint that these witnesses cosigned, at 1000 s, 1001 s, ...
fn note(log: &SigningKey, cosigners: &[&CosigningKey]) -> Vec<u8> {
    let checkpoint = Checkpoint::new(ORIGIN, 11, leaf_hash(b"root")).unwrap();
    let mut note = checkpoint.sign(log).unwrap();
    for (time, witness) in (1000..).zip(cosigners) {
        note.extend_from_slice(witness.cosign(&checkpoint.body(), time).as_bytes());
    }
    note
}

/// The two levels of groups of the example of the specification.
fn two_levels(log: &SigningKey, all: &[CosigningKey]) -> String {
    let mut text = format!(
        "# whom we trust\n\nlog {} https://log.example/\n",
        log.verifier_key()
    );
    let lines = (0..).zip(all).map(|(index, key)| {
        let group = if index < 3 { 'X' } else { 'Y' };
        format!("\twitness {group}{} {}\n", index % 3 + 1, key.witness_key())
    });
    text.extend(lines);
    text + "group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\n\
            group X-and-Y all X-witnesses Y-witnesses\n  quorum X-and-Y \n"
}

#[test]
fn a_quorum_of_two_levels_is_enforced() {
    let (log, all) = (log_key(), witnesses(6));
    let policy = Policy::parse(two_levels(&log, &all).as_bytes()).unwrap();
    assert!(policy.asks_witnesses());
    for subset in 0..64u32 {
        let chosen: Vec<usize> = (0..6).filter(|bit| subset >> bit & 1 == 1).collect();
        let cosigners: Vec<&CosigningKey> = chosen.iter().map(|index| &all[*index]).collect();
        let enough = chosen.iter().filter(|index| **index < 3).count() >= 2
            && chosen.iter().any(|index| *index >= 3);
        let opened = policy.open(&note(&log, &cosigners));
        match opened {
            Ok(accepted) => {
                assert!(enough, "{chosen:?}");
                assert_eq!(accepted.checkpoint.size(), 11);
                assert_eq!(accepted.cosignatures.len(), chosen.len());
                assert_eq!(accepted.cosignatures[0].timestamp, 1000);
            }
            Err(Refusal::Quorum { quorum, cosigned }) => {
                assert!(!enough, "{chosen:?}");
                assert_eq!((quorum.as_str(), cosigned.len()), ("X-and-Y", chosen.len()));
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn lines_of_witnesses_are_verified_whether_or_not_they_are_needed() {
    let (log, all) = (log_key(), witnesses(2));
    let text = format!(
        "log {}\nwitness w1 {}\nwitness w2 {}\nquorum none\n",
        log.verifier_key(),
        all[0].witness_key(),
        all[1].witness_key()
    );
    let policy = Policy::parse(text.as_bytes()).unwrap();
    assert!(!policy.asks_witnesses());
    let mut cosigned = note(&log, &[&all[0]]);
    assert_eq!(policy.open(&cosigned).unwrap().cosignatures.len(), 1);
    // A line of the second witness, made over another text.
    let other = "ledger.example/county\n12\nAAAA\n";
    cosigned.extend_from_slice(all[1].cosign(other, 1).as_bytes());
    let refusal = policy.open(&cosigned).unwrap_err();
    assert!(
        matches!(&refusal, Refusal::BadCosignature { witness } if witness == "w2"),
        "{refusal}"
    );
    // The same line of a stranger neither helps nor harms.
    let mut of_stranger = note(&log, &[]);
    of_stranger.extend_from_slice(witnesses(3)[2].cosign(other, 1).as_bytes());
    assert_eq!(policy.open(&of_stranger).unwrap().cosignatures.len(), 0);
}

#[test]
fn a_witness_that_signs_twice_counts_once_and_by_its_first_time() {
    let (log, all) = (log_key(), witnesses(2));
    let text = format!(
        "log {}\nwitness w1 {}\nwitness w2 {}\ngroup both all w1 w2\nquorum both\n",
        log.verifier_key(),
        all[0].witness_key(),
        all[1].witness_key()
    );
    let policy = Policy::parse(text.as_bytes()).unwrap();
    let twice = note(&log, &[&all[0], &all[0]]);
    assert!(matches!(policy.open(&twice), Err(Refusal::Quorum { .. })));
    let both = policy
        .open(&note(&log, &[&all[1], &all[0], &all[1]]))
        .unwrap();
    assert_eq!(both.cosignatures[1].timestamp, 1000);
}

#[test]
fn a_log_may_change_its_key_and_strangers_are_refused() {
    let (old, new) = (log_key(), log_key());
    let keys = vec![old.verifier_key().clone(), new.verifier_key().clone()];
    let text = Policy::text_of_logs(&keys);
    let policy = Policy::parse(text.as_bytes()).unwrap();
    assert_eq!(policy.logs(), keys);
    for key in [&old, &new] {
        assert!(policy.open(&note(key, &[])).is_ok());
    }
    let refusal = policy.open(&note(&log_key(), &[])).unwrap_err();
    let unknown = matches!(
        refusal,
        Refusal::Checkpoint(CheckpointError::UnknownKey { .. })
    );
    assert!(unknown, "{refusal}");
    let none = Policy::parse(b"quorum none\n").unwrap();
    assert!(matches!(none.open(&note(&old, &[])), Err(Refusal::NoLog)));
}

#[test]
fn files_that_are_no_policy_are_refused_by_line() {
    let (log, all) = (log_key(), witnesses(2));
    let (log, w1, w2) = (
        log.verifier_key(),
        all[0].witness_key(),
        all[1].witness_key(),
    );
    let elsewhere = log.to_string().replace("county", "other");
    let cases = [
        ("", 0),
        ("log\nquorum none\n", 1),
        (&format!("log {w1}\nquorum none\n"), 1),
        (&format!("log {elsewhere}\nquorum none\n"), 1),
        (&format!("log {log}\nlog {log}\nquorum none\n"), 2),
        (&format!("witness w {log}\nquorum none\n"), 1),
        (
            &format!("witness w1 {w1}\nwitness w2 {w1}\nquorum none\n"),
            2,
        ),
        (&format!("witness w {w1}\nwitness w {w2}\nquorum none\n"), 2),
        (&format!("witness none {w1}\nquorum none\n"), 1),
        (&format!("witness w {w1}\ngroup g 2 w\nquorum g\n"), 2),
        (&format!("witness w {w1}\ngroup g 0 w\nquorum g\n"), 2),
        (&format!("witness w {w1}\ngroup g 01 w\nquorum g\n"), 2),
        (&format!("witness w {w1}\ngroup g all\nquorum g\n"), 2),
        (&format!("witness w {w1}\ngroup g any w w\nquorum g\n"), 2),
        (
            &format!("witness w {w1}\ngroup g any w\ngroup h any w\nquorum g\n"),
            3,
        ),
        (&format!("witness w {w1}\ngroup g any none\nquorum g\n"), 2),
        (&format!("group g any w\nwitness w {w1}\nquorum g\n"), 1),
        ("group g any g\nquorum g\n", 1),
        (&format!("quorum w\nwitness w {w1}\n"), 1),
        ("quorum none\nquorum none\n", 2),
        ("quorum none none\n", 1),
        ("trust none\n", 1),
        ("# only a comment\n", 0),
        ("quorum none\r\n", 1),
        ("\u{b}quorum none\n", 1),
        ("quorum none", 0),
    ];
    for (text, line) in cases {
        let error = Policy::parse(text.as_bytes()).unwrap_err();
        let found = match &error {
            PolicyError::Line { line, .. }
            | PolicyError::Key { line, .. }
            | PolicyError::ControlCharacter { line } => *line,
            _ => 0,
        };
        assert_eq!(found, line, "{text:?}: {error}");
    }
}

#[test]
fn names_are_octets() {
    let all = witnesses(2);
    let mut text = format!("witness \u{212a} {}\n", all[0].witness_key()).into_bytes();
    text.extend_from_slice(format!("witness K {}\nwitness ", all[1].witness_key()).as_bytes());
    text.extend_from_slice(b"\xff ");
    text.extend_from_slice(
        format!("{}\nquorum \u{212a}\n", witnesses(1)[0].witness_key()).as_bytes(),
    );
    assert!(Policy::parse(&text).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Policy::parse(&bytes);
    }
}
