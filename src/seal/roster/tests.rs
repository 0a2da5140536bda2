//! Who signs at which size: additions, retirements, successions, and what contradicts them.

use super::*;
use crate::seal::keys::SigningKey;
use crate::seal::merkle::leaf_hash;

const LOG: &str = "ledger.example/county";
const SUCCESSOR: &str = "ledger.example/county/2";

fn key(name: &str) -> SigningKey {
    SigningKey::generate(&mut rand_core::OsRng, name).unwrap()
}

fn text(key: &SigningKey) -> String {
    key.verifier_key().to_string()
}

fn note(origin: &str, size: u64, keys: &[&SigningKey]) -> Vec<u8> {
    let root = leaf_hash(&size.to_be_bytes());
    Checkpoint::new(origin, size, root)
        .unwrap()
        .sign_all(keys)
        .unwrap()
}

struct Scene {
    old: SigningKey,
    new: SigningKey,
    roster: Roster,
}

/// A log with a key that signs from 0 to 20, and one that signs since 10.
fn scene() -> Scene {
    let (old, new) = (key(LOG), key(LOG));
    let mut roster = Roster::default();
    let mut take = |at: u64, change: Change<'_>| {
        let taken = roster.take(at, Timestamp::default(), &change);
        taken.unwrap();
    };
    take(
        0,
        Change::Opened {
            origin: LOG,
            key: &text(&old),
        },
    );
    take(10, Change::Added { key: &text(&new) });
    take(20, Change::Retired { key: &text(&old) });
    Scene { old, new, roster }
}

fn refused(roster: &Roster, at: u64, change: &Change<'_>) -> String {
    let mut roster = roster.clone();
    let before = roster.clone();
    let error = roster.take(at, Timestamp::default(), change).unwrap_err();
    assert_eq!(roster, before, "a refused change leaves nothing");
    error.to_string()
}

#[test]
fn every_key_signs_what_its_entry_is_in_and_no_more_after_its_retirement() {
    let Scene { old, new, roster } = scene();
    let signers =
        |size| -> Vec<String> { roster.at(size).map(|one| one.key.to_string()).collect() };
    assert_eq!(signers(1), [text(&old)]);
    assert_eq!(signers(10), [text(&old)]);
    assert_eq!(signers(11), [text(&old), text(&new)]);
    assert_eq!(signers(20), [text(&old), text(&new)]);
    assert_eq!(signers(21), [text(&new)]);
    assert_eq!(roster.signing(), [new.verifier_key().clone()]);
    for (size, keys) in [
        (1, vec![&old]),
        (10, vec![&old]),
        (11, vec![&old, &new]),
        (20, vec![&new, &old]),
        (21, vec![&new]),
        (21, vec![&old, &new]),
    ] {
        assert_eq!(roster.open(&note(LOG, size, &keys)).unwrap().size(), size);
    }
    for (size, keys) in [
        (10, vec![&new]),
        (11, vec![&old]),
        (11, vec![&new]),
        (20, vec![&new]),
        (21, vec![&old]),
    ] {
        let error = roster.open(&note(LOG, size, &keys)).unwrap_err();
        assert!(
            matches!(error, RosterError::Unsigned { .. }),
            "{size}: {error}"
        );
    }
    let stranger = key(LOG);
    let error = roster.open(&note(LOG, 5, &[&stranger])).unwrap_err();
    assert!(matches!(error, RosterError::Checkpoint(_)), "{error}");
}

#[test]
fn a_reader_is_told_of_a_key_that_may_not_speak() {
    let Scene { old, new, roster } = scene();
    let (old, new) = (old.verifier_key().clone(), new.verifier_key().clone());
    roster.speaks(std::slice::from_ref(&old), 20).unwrap();
    roster.speaks(&[old.clone(), new], 21).unwrap();
    let retired = roster.speaks(&[old], 21).unwrap_err().to_string();
    assert!(retired.contains("position 20 retired"), "{retired}");
    let stranger = [key(LOG).verifier_key().clone()];
    let unknown = roster.speaks(&stranger, 5).unwrap_err().to_string();
    assert!(unknown.contains("do not name"), "{unknown}");
}

#[test]
fn changes_that_contradict_are_refused() {
    let Scene { old, new, roster } = scene();
    let (other, foreign) = (text(&key(LOG)), text(&key("ledger.example/other")));
    for (change, said) in [
        (
            Change::Opened {
                origin: LOG,
                key: &other,
            },
            "begins once",
        ),
        (Change::Added { key: &text(&old) }, "signed before"),
        (Change::Added { key: &text(&new) }, "signed before"),
        (Change::Added { key: &foreign }, "not named like the log"),
        (Change::Retired { key: &text(&old) }, "does not sign"),
        (Change::Retired { key: &other }, "does not sign"),
        (Change::Retired { key: &text(&new) }, "only key"),
        (Change::Added { key: "key" }, "not a verifier key"),
    ] {
        let told = refused(&roster, 30, &change);
        assert!(told.contains(said), "{change:?}: {told}");
    }
    let empty = Roster::default();
    let late = Change::Opened {
        origin: LOG,
        key: &other,
    };
    assert!(refused(&empty, 1, &late).contains("position 0"));
    assert!(refused(&empty, 0, &Change::Added { key: &other }).contains("begin"));
    let wrong = Change::Opened {
        origin: "ledger.example/other",
        key: &other,
    };
    assert!(refused(&empty, 0, &wrong).contains("not named like the log"));
}

#[test]
fn a_successor_begins_where_the_checkpoint_that_it_names_ends() {
    let Scene { old, new, roster } = scene();
    let next = key(SUCCESSOR);
    let key_text = text(&next);
    let succeeded = |origin, note: &Vec<u8>, at| {
        let predecessor = String::from_utf8(note.clone()).unwrap();
        let mut roster = roster.clone();
        let change = Change::Succeeded {
            origin,
            key: &key_text,
            predecessor: &predecessor,
            signed: Some(40),
        };
        roster
            .take(at, Timestamp::default(), &change)
            .map(|()| roster)
            .map_err(|error| error.to_string())
    };
    let last = note(LOG, 30, &[&new]);
    let after = succeeded(SUCCESSOR, &last, 30).unwrap();
    assert_eq!((after.origin_at(30), after.origin_at(31)), (LOG, SUCCESSOR));
    assert_eq!((after.origin_at(0), after.origin()), (LOG, SUCCESSOR));
    assert_eq!(after.taken_over(LOG), Some((30, Some(40))));
    assert_eq!(after.taken_over(SUCCESSOR), None);
    assert_eq!(after.succeeds(), Some((LOG.to_owned(), 30)));
    assert_eq!(roster.succeeds(), None);
    assert_eq!(after.signing(), [next.verifier_key().clone()]);
    after.open(&last).unwrap();
    after.open(&note(SUCCESSOR, 31, &[&next])).unwrap();
    // The old origin ends there, and the new one does not begin before.
    let beyond = after.open(&note(LOG, 31, &[&new])).unwrap_err();
    assert!(matches!(beyond, RosterError::Origin { .. }), "{beyond}");
    let early = after.open(&note(SUCCESSOR, 30, &[&next])).unwrap_err();
    assert!(matches!(early, RosterError::Origin { .. }), "{early}");
    for (origin, note, at, said) in [
        (SUCCESSOR, &last, 31, "must succeed one of 31"),
        (SUCCESSOR, &last, 29, "must succeed one of 29"),
        (SUCCESSOR, &note(LOG, 30, &[&old]), 30, "not signed by"),
        (
            SUCCESSOR,
            &note(LOG, 30, &[&key(LOG)]),
            30,
            "none of the trusted",
        ),
        ("ledger.example/other", &last, 30, "not named like the log"),
    ] {
        let told = succeeded(origin, note, at).unwrap_err();
        assert!(told.contains(said), "{told}");
    }
}
