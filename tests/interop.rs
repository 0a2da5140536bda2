//! Other programs and we: what we hand out they accept, what they make we accept, and neither
//! accepts it with a changed bit.
//!
//! What comes in: a ledger with every kind of entry; programs that are not ours, see
//! `support/foreign.rs`. What may fail: a program that could not be installed fails its own tests.
//! What must stay true: none of it rests on our own reading of the specifications alone.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

mod harness;

#[path = "support/flips.rs"]
mod flips;
#[path = "support/foreign.rs"]
mod foreign;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use foreign::{Cases, Made, Program};
use rand_core::OsRng;
use tempfile::TempDir;
use vitaledger::app::App;
use vitaledger::audit::evidence::unpack;
use vitaledger::audit::exported::verify;
use vitaledger::seal::checkpoint::Checkpoint;
use vitaledger::seal::cosignature::CosigningKey;
use vitaledger::seal::entries::LogFile;
use vitaledger::seal::keys::SigningKey;
use vitaledger::seal::policy::Policy;
use vitaledger::seal::proof::TlogProof;

const README: &str = include_str!("../README.md");

/// An exported log of a ledger with more than two full tiles, and what belongs to it.
struct Scene {
    place: TempDir,
    log: PathBuf,
    /// The file of its secret key.
    secret: PathBuf,
    /// Its origin, which is the name of its key.
    origin: String,
    key: String,
    size: u64,
    /// Position, proof and entry of some.
    proofs: Vec<(u64, Vec<u8>, Vec<u8>)>,
    /// The checkpoint with the lines of two witnesses, and their keys.
    cosigned: String,
    witnesses: [CosigningKey; 2],
}

impl Scene {
    async fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let (ledger, log) = (place.path().join("ledger"), place.path().join("log"));
        harness::make(&ledger).await;
        let app = App::open(&ledger).await.unwrap();
        app.export_log(&log, |_| ()).await.unwrap();
        let note = app.published_note().await.unwrap();
        let head = Checkpoint::open(&note, &app.verifier_keys).unwrap();
        let mut proofs = Vec::new();
        // Both ends, both sides of the edge of a tile, and the middle of one.
        for position in [0, 255, 256, 300, head.size() - 1] {
            let proven = app.prove(&position.to_string()).await.unwrap();
            let proof = proven.proof.to_string().into_bytes();
            proofs.push((position, proof, proven.entry.bytes));
        }
        let key = app.verifier_keys[0].to_string();
        app.close().await;
        let witness = |number: u8| {
            CosigningKey::generate(&mut OsRng, &format!("witness.example/w{number}")).unwrap()
        };
        let witnesses = [witness(1), witness(2)];
        let lines = witnesses
            .iter()
            .zip([1_767_000_000, 1_767_000_001])
            .map(|(witness, time)| witness.cosign(&head.body(), time));
        let cosigned = String::from_utf8(note).unwrap() + &lines.collect::<String>();
        Self {
            place,
            log,
            secret: ledger.join("keys/signing.key"),
            origin: head.origin().to_owned(),
            key,
            size: head.size(),
            proofs,
            cosigned,
            witnesses,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn witness_keys(&self) -> Vec<String> {
        let keys = self.witnesses.iter();
        keys.map(|one| one.witness_key().to_string()).collect()
    }

    /// Changed texts that a program must refuse. One is as strict as the specifications and refuses
    /// every byte; of the others only the content is asked (Go passes over bits of base64 that mean
    /// nothing), and of sigstore no cosignatures.
    fn changed(&self, program: Program, text: &str) -> Vec<(String, Vec<u8>)> {
        let witnesses = self.witnesses.iter().map(|one| one.witness_key().name());
        match program {
            Program::Aics => flips::of_all_bytes(text.as_bytes()),
            Program::Sigstore => flips::of_content(text, &[&self.origin]),
            Program::Go | Program::Scales => {
                let signers = witnesses.chain([self.origin.as_str()]);
                flips::of_content(text, &signers.collect::<Vec<_>>())
            }
        }
    }
}

/// The log, proofs and the cosigned checkpoint, as they are and with one bit changed.
async fn checks_what_we_hand_out(program: Program) {
    let scene = Scene::new().await;
    let mut cases = Cases::new(&scene.key);
    cases.log("the log", true, &scene.log);
    let files = flips::files(&scene.log);
    for (what, changed) in flips::of_log(&scene.log, &files, scene.place.path()) {
        cases.log(&format!("the log, {what}"), false, &changed);
    }
    for (position, proof, entry) in &scene.proofs {
        cases.proof(&format!("proof {position}"), true, proof, entry);
    }
    let (position, proof, entry) = &scene.proofs[3];
    let text = std::str::from_utf8(proof).unwrap();
    for (what, changed) in scene.changed(program, text) {
        cases.proof(&format!("proof {position}, {what}"), false, &changed, entry);
    }
    for (what, changed) in flips::of_all_bytes(entry) {
        cases.proof(&format!("entry {position}, {what}"), false, proof, &changed);
    }
    let keys = scene.witness_keys();
    let note = scene.cosigned.as_bytes();
    cases.checkpoint("the cosigned checkpoint", true, note, &keys);
    for (what, changed) in scene.changed(program, &scene.cosigned) {
        let what = format!("the cosigned checkpoint, {what}");
        cases.checkpoint(&what, false, &changed, &keys);
    }
    cases.judged_by(program, scene.place.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn aics_tlog_checks_what_we_hand_out() {
    checks_what_we_hand_out(Program::Aics).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tlog_scales_checks_what_we_hand_out() {
    checks_what_we_hand_out(Program::Scales).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigstore_checks_what_we_hand_out() {
    checks_what_we_hand_out(Program::Sigstore).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn go_checks_what_we_hand_out() {
    checks_what_we_hand_out(Program::Go).await;
}

/// Our program in a folder; gives its exit code.
fn ours(folder: &Path, args: &[&str]) -> i32 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitaledger"));
    let output = command.args(args).current_dir(folder).output().unwrap();
    output.status.code().unwrap()
}

/// Proofs of the log that tlog-scales gives on the command line.
fn generated(log: &Path, position: u64) -> String {
    let mut command = Command::new(foreign::installed("scales").join("bin/tlog-tiles"));
    command.arg("gen-proof").arg(log).arg(position.to_string());
    String::from_utf8(foreign::done(&mut command).stdout).unwrap()
}

/// A log of our entries that a program made, signed with the key that they name.
async fn makes_what_we_check(program: Program) {
    let scene = Scene::new().await;
    let theirs = scene.at("theirs");
    let positions: Vec<u64> = scene
        .proofs
        .iter()
        .map(|(position, ..)| *position)
        .collect();
    let mut made = program.make(&scene.log, &theirs, &scene.secret, &positions);
    if program == Program::Scales {
        made.proofs = positions
            .iter()
            .map(|position| (*position, generated(&theirs, *position)))
            .collect();
    }
    assert_eq!(made.key, scene.key);
    // The same entries are the same tiles, whoever writes them.
    let files = flips::files(&scene.log);
    for file in &files {
        let bytes = fs::read(scene.log.join(file)).unwrap();
        let found = fs::read(theirs.join(file));
        assert!(
            found.is_ok_and(|found| found == bytes),
            "{}",
            file.display()
        );
    }
    let policy = |key: &str| Policy::parse(format!("log {key}\nquorum none\n").as_bytes()).unwrap();
    let stranger = SigningKey::generate(&mut OsRng, &scene.origin).unwrap();
    let other = policy(&stranger.verifier_key().to_string());
    let own = policy(&made.key);
    let checked = async |folder: &Path, policy| {
        let report = verify(folder, policy, None, |_| ()).await.unwrap();
        (report.wrong.is_none(), report.entries)
    };
    assert_eq!(checked(&theirs, &own).await, (true, scene.size));
    assert!(!checked(&theirs, &other).await.0, "the key of another log");
    // Narrower tiles of smaller sizes may lie there too; no one needs them.
    for (what, changed) in flips::of_log(&theirs, &files, scene.place.path()) {
        assert!(!checked(&changed, &own).await.0, "{what}");
    }
    let note = fs::read(theirs.join("checkpoint")).unwrap();
    assert!(own.open(&note).is_ok());
    for (what, changed) in flips::of_all_bytes(&note) {
        assert!(own.open(&changed).is_err(), "their checkpoint, {what}");
    }
    proofs_are_checked(&scene, &made, &own);
    on_the_command_line(&scene, &made);
}

fn proofs_are_checked(scene: &Scene, made: &Made, policy: &Policy) {
    let holds = |proof: &[u8], entry: &[u8]| {
        TlogProof::parse(proof).is_ok_and(|proof| proof.verify(entry, policy.logs()).is_ok())
    };
    for (position, ours, entry) in &scene.proofs {
        let proof = made.proofs[position].as_bytes();
        assert!(holds(proof, entry), "their proof of {position}");
        assert!(holds(ours, entry), "our proof of {position}");
        for (what, changed) in flips::of_all_bytes(proof) {
            assert!(!holds(&changed, entry), "their proof, {what}");
        }
        for (what, changed) in flips::of_all_bytes(entry) {
            assert!(!holds(proof, &changed), "the entry, {what}");
        }
    }
}

fn on_the_command_line(scene: &Scene, made: &Made) {
    let write = |name: &str, bytes: &[u8]| fs::write(scene.at(name), bytes).unwrap();
    let run = |args: &[&str]| ours(scene.place.path(), args);
    write("their.vkey", made.key.as_bytes());
    let key = ["--key", "their.vkey"];
    let log = |folder: &str| run(&["verify", folder, key[0], key[1]]);
    assert_eq!((log("theirs"), log("changed-0")), (0, 11));
    let (position, _, entry) = &scene.proofs[3];
    let proof = &made.proofs[position];
    write("their.tlog-proof", proof.as_bytes());
    write("entry.json", entry);
    let changed = proof.replacen(&format!("index {position}"), "index 301", 1);
    write("changed.tlog-proof", changed.as_bytes());
    let check = |file: &str| run(&["check-proof", file, "--entry", "entry.json", key[0], key[1]]);
    let codes = (check("their.tlog-proof"), check("changed.tlog-proof"));
    assert_eq!(codes, (0, 11));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_aics_tlog_is_verified() {
    makes_what_we_check(Program::Aics).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_tlog_scales_is_verified() {
    makes_what_we_check(Program::Scales).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_go_is_verified() {
    makes_what_we_check(Program::Go).await;
}

/// Shell lines with these folders first on the path; whether all of them succeed, and what is said.
fn shell(folder: &Path, first: &[PathBuf], script: &str) -> (bool, String) {
    let path = std::env::var_os("PATH").unwrap();
    let path = first.iter().cloned().chain(std::env::split_paths(&path));
    let mut command = Command::new("bash");
    let output = command
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(folder)
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("VITALEDGER_DIR")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.success(), said)
}

/// The block of this language that follows a heading.
fn block<'a>(text: &'a str, heading: &str, language: &str) -> &'a str {
    let section = text.split_once(heading).unwrap().1;
    let start = format!("```{language}\n");
    let body = section.split_once(start.as_str()).unwrap().1;
    body.split_once("```").unwrap().0
}

#[test]
fn the_commands_of_the_readme_run() {
    let place = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_vitaledger"))
        .parent()
        .unwrap();
    let bins = ["aics", "scales"].map(|name| foreign::installed(name).join("bin"));
    let path = [program.to_owned(), bins[0].clone(), bins[1].clone()];
    let run = |script: &str| shell(place.path(), &path, script);
    let record = "vitaledger record birth source=village office=990101100001 occurred_on=2014-06-01 reported_on=2014-06-03 sex=F";
    let offices = "code,name_zh,name_en,level,parent\n990101100001,第一社区,Community 1,village,\n";
    fs::write(place.path().join("offices.csv"), offices).unwrap();
    let made = run(&format!(
        "vitaledger init\nvitaledger import offices.csv\nvitaledger checkpoint > kept.note
         {record} source_record_id=B1 weight_g=3100\n{record} source_record_id=B2 weight_g=3200"
    ));
    assert!(made.0, "{}", made.1);
    let commands = block(README, "## Checked with tools we did not write", "sh");
    let (installs, commands) = commands.split_once('\n').unwrap();
    assert!(installs.starts_with("pip install aics-tlog==0.2.1 tlog-scales==0.0.3 "));
    let (good, said) = run(commands);
    assert!(good, "{said}");
    assert_eq!(said.matches("\"ok\": true}\n").count(), 3, "{said}");
    let whole = README
        .split_once("Every tile and every entry: `")
        .unwrap()
        .1;
    let whole = whole.split_once('`').unwrap().0;
    let root = concat!("python3 ", env!("CARGO_MANIFEST_DIR"), "/");
    let (good, said) = run(&whole.replacen("python3 ", root, 1));
    assert!(good && said.ends_with(" entries: accepted\n"), "{said}");
    let check = commands
        .lines()
        .find(|line| line.contains("verify-inclusion"));
    let check = check.unwrap().replace("$position", "$((position + 1))");
    let position = commands.lines().find(|line| line.starts_with("position="));
    let (good, said) = run(&format!("{}\n{check}", position.unwrap()));
    assert!(!good && said.contains("is not included"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_readme_of_a_bundle_names_works() {
    let place = tempfile::tempdir().unwrap();
    let ledger = place.path().join("ledger");
    let facts = harness::make(&ledger).await;
    let app = App::open(&ledger).await.unwrap();
    let id = facts.corrected.to_string();
    let bundle = app.evidence(&id, &[], "", None).await.unwrap();
    let key = app.verifier_keys[0].to_string();
    app.close().await;
    let folder = place.path().join("bundle");
    for (name, bytes) in unpack(&bundle.bytes).unwrap() {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let position = bundle.positions[0].to_string();
    let aics = block(&readme, "## 3. With aics-tlog", "sh")
        .replace("VKEY", &key)
        .replace("/N.", &format!("/{position}."))
        .replace("--index N", &format!("--index {position}"));
    let bin = foreign::installed("aics").join("bin");
    fs::write(
        folder.join("check.go"),
        block(&readme, "## 4. With Go", "go"),
    )
    .unwrap();
    let checks = || {
        let mut run = foreign::go();
        run.args(["run", "check.go", &key, &position]);
        let go = run.current_dir(&folder).output().unwrap();
        let said = String::from_utf8_lossy(&go.stdout).into_owned();
        assert_eq!(go.status.success(), said.starts_with("entry "), "{go:?}");
        (
            shell(&folder, std::slice::from_ref(&bin), &aics).0,
            go.status.success(),
        )
    };
    assert_eq!(checks(), (true, true));
    for (name, from, to) in [
        (format!("entries/{position}.json"), "3100", "3101"),
        (format!("proofs/{position}.tlog-proof"), "=\n", "\n"),
    ] {
        let path = folder.join(name);
        let good = fs::read_to_string(&path).unwrap();
        fs::write(&path, good.replacen(from, to, 1)).unwrap();
        assert_eq!(checks(), (false, false), "{}", path.display());
        fs::write(&path, good).unwrap();
    }
    assert_eq!(checks(), (true, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn tlog_scales_makes_the_proofs_that_we_make() {
    let scene = Scene::new().await;
    for (position, proof, _) in &scene.proofs {
        assert_eq!(generated(&scene.log, *position).as_bytes(), proof);
    }
}

#[test]
fn go_has_tiles_where_we_have_them() {
    let scratch = tempfile::tempdir().unwrap();
    let mut tiles = Vec::new();
    for level in [-1, 0, 1, 2, 7] {
        for index in [0, 1, 999, 1000, 123_456, 999_999, 1_000_000, 1_234_567_890] {
            tiles.extend([1, 9, 255, 256].map(|width| (level, index, width)));
        }
    }
    let theirs = Program::paths(scratch.path(), &tiles);
    assert_eq!(theirs.len(), tiles.len());
    for ((level, index, width), theirs) in tiles.into_iter().zip(theirs) {
        let level = u8::try_from(level).ok();
        let ours = LogFile {
            level,
            index,
            width,
        };
        assert_eq!(ours.path().unwrap(), theirs);
    }
}
