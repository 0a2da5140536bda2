//! A witness that is asked in every order.

use rand_core::OsRng;
use tempfile::TempDir;

use super::*;
use crate::seal::keys::SigningKey;
use crate::seal::merkle::{HashSource, LeafHashes, leaf_hash};

const ORIGIN: &str = "ledger.example/county";

struct Scene {
    folder: TempDir,
    log: SigningKey,
    secret: String,
}

impl Scene {
    fn new() -> Self {
        let key = CosigningKey::generate(&mut OsRng, "witness.example/w1").unwrap();
        Self {
            folder: TempDir::new().unwrap(),
            log: SigningKey::generate(&mut OsRng, ORIGIN).unwrap(),
            secret: key.encoded().to_string(),
        }
    }

    /// The witness as it is after a start.
    fn witness(&self) -> Witness {
        let key = CosigningKey::parse(&self.secret).unwrap();
        Witness::new(
            key,
            vec![self.log.verifier_key().clone()],
            self.folder.path(),
        )
    }

    fn note(&self, leaves: &[Hash], size: u64) -> Vec<u8> {
        let root = LeafHashes(leaves).root_of(size).unwrap();
        let checkpoint = Checkpoint::new(ORIGIN, size, root).unwrap();
        checkpoint.sign(&self.log).unwrap()
    }

    fn ask(&self, leaves: &[Hash], old: u64, size: u64) -> Verdict {
        let proof = if old == 0 || old > size {
            Vec::new()
        } else {
            LeafHashes(leaves).consistency_proof(old, size).unwrap()
        };
        self.ask_with(old, proof, self.note(leaves, size))
    }

    fn ask_with(&self, old_size: u64, proof: Vec<Hash>, note: Vec<u8>) -> Verdict {
        let request = AddCheckpoint {
            old_size,
            proof,
            note,
        };
        let body = request.write();
        assert_eq!(AddCheckpoint::parse(&body).unwrap(), request);
        self.witness().add_checkpoint(&body, 1_700_000_000).unwrap()
    }
}

fn leaves(count: u64, changed: Option<u64>) -> Vec<Hash> {
    let leaf = |index| {
        let of = if changed == Some(index) {
            "other"
        } else {
            "leaf"
        };
        leaf_hash(format!("{of} {index}").as_bytes())
    };
    (0..count).map(leaf).collect()
}

/// Asserts a cosignature that holds for the checkpoint.
fn cosigned(scene: &Scene, verdict: &Verdict, note: &[u8]) {
    let Verdict::Cosigned(line) = verdict else {
        panic!("{verdict:?}");
    };
    let policy = format!(
        "log {}\nwitness w {}\nquorum w\n",
        scene.log.verifier_key(),
        scene.witness().key().witness_key()
    );
    let policy = crate::seal::policy::Policy::parse(policy.as_bytes()).unwrap();
    let accepted = policy.open(&[note, line.as_bytes()].concat()).unwrap();
    assert_eq!(accepted.cosignatures[0].timestamp, 1_700_000_000);
}

#[test]
fn what_extends_is_cosigned_also_after_a_restart() {
    let (scene, all) = (Scene::new(), leaves(300, None));
    let mut old = 0;
    for size in [1, 1, 2, 7, 256, 257, 300, 300] {
        let verdict = scene.ask(&all, old, size);
        cosigned(&scene, &verdict, &scene.note(&all, size));
        old = size;
    }
}

#[test]
fn nothing_else_is() {
    let (scene, all, other) = (Scene::new(), leaves(300, None), leaves(300, Some(3)));
    cosigned(&scene, &scene.ask(&all, 0, 100), &scene.note(&all, 100));
    // A log that is not where the witness is, before or behind.
    for (old, size) in [(0, 200), (50, 200), (101, 200), (0, 50), (50, 50)] {
        assert_eq!(
            scene.ask(&all, old, size),
            Verdict::Conflict(100),
            "{old} {size}"
        );
    }
    // A fork of the same size, and one that grew.
    assert_eq!(scene.ask(&other, 100, 100), Verdict::Conflict(100));
    let forked = scene.ask(&other, 100, 200);
    assert_eq!(forked.status(), 422, "{forked:?}");
    // A larger old size than the checkpoint's.
    assert_eq!(scene.ask(&all, 100, 50).status(), 400);
    // A proof of something else, and none.
    let proof = LeafHashes(&all).consistency_proof(100, 201).unwrap();
    assert_eq!(
        scene.ask_with(100, proof, scene.note(&all, 200)).status(),
        422
    );
    assert_eq!(
        scene.ask_with(100, vec![], scene.note(&all, 200)).status(),
        422
    );
    // Another key, another log, another text.
    let stranger = SigningKey::generate(&mut OsRng, ORIGIN).unwrap();
    let root = LeafHashes(&all).root_of(200).unwrap();
    let checkpoint = Checkpoint::new(ORIGIN, 200, root).unwrap();
    let note = checkpoint.sign(&stranger).unwrap();
    assert_eq!(scene.ask_with(100, vec![], note).status(), 403);
    let elsewhere = SigningKey::generate(&mut OsRng, "ledger.example/other").unwrap();
    let checkpoint = Checkpoint::new("ledger.example/other", 200, root).unwrap();
    let note = checkpoint.sign(&elsewhere).unwrap();
    assert_eq!(scene.ask_with(100, vec![], note).status(), 404);
    let mut note = scene.note(&all, 200);
    let digit = note.iter().position(u8::is_ascii_digit).unwrap();
    note[digit] = b'3';
    assert_eq!(scene.ask_with(100, vec![], note).status(), 403);
    for body in [
        "",
        "old 1\n",
        "old x\n\n",
        "old 01\n\n",
        "new 1\n\n",
        "old 0\n!\n\n",
    ] {
        let verdict = scene.witness().add_checkpoint(body.as_bytes(), 0).unwrap();
        assert_eq!(verdict.status(), 400, "{body:?}");
    }
    // None of it moved the witness.
    cosigned(&scene, &scene.ask(&all, 100, 300), &scene.note(&all, 300));
}

#[test]
fn without_its_state_it_cosigns_nothing() {
    let (scene, all) = (Scene::new(), leaves(10, None));
    scene.ask(&all, 0, 5);
    let state = scene.folder.path().join(state_name(ORIGIN));
    fs::write(&state, "{").unwrap();
    let body = AddCheckpoint {
        old_size: 5,
        proof: LeafHashes(&all).consistency_proof(5, 10).unwrap(),
        note: scene.note(&all, 10),
    };
    let refused = scene.witness().add_checkpoint(&body.write(), 0);
    assert!(matches!(refused, Err(WitnessError::Malformed { .. })));
}

#[test]
fn of_two_forks_at_once_one_is_cosigned() {
    let (scene, all, other) = (Scene::new(), leaves(300, None), leaves(300, Some(3)));
    scene.ask(&all, 0, 2);
    for round in 3..40 {
        let old = round - 1;
        let (scene, all, other) = (&scene, &all, &other);
        let both = std::thread::scope(|scope| {
            // The fork is of another last leaf, so that both extend what was cosigned.
            let mut forked = all[..usize::try_from(old).unwrap()].to_vec();
            forked.push(other[3]);
            let first = scope.spawn(move || scene.ask(all, old, round));
            let second = scope.spawn(move || scene.ask(&forked, old, round));
            [first.join().unwrap(), second.join().unwrap()]
        });
        let won = both
            .iter()
            .filter(|one| matches!(one, Verdict::Cosigned(_)));
        assert_eq!(won.count(), 1, "{both:?}");
        if matches!(both[1], Verdict::Cosigned(_)) {
            // The fork won: what follows cannot extend it.
            assert_eq!(scene.ask(all, round, round + 1).status(), 422);
            return;
        }
    }
}
