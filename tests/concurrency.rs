//! Four processes write one log while two others follow it.
//!
//! What comes in: a database, and commands of sixteen clients in each process: new records, the
//! same record from all clients, corrections of the same few records, withdrawals, and requests
//! that are sent again. Every process is a node: it seals beside its clients. What must stay true:
//! no gap, no duplicate, every acknowledged command exactly once; both followers saw every
//! position once and in order; all nodes signed one and the same history, and `verify` is clean.
#![expect(clippy::unwrap_used, reason = "a failure is a failed test")]

#[path = "support/nodes.rs"]
mod nodes;
#[path = "support/postgres.rs"]
mod server;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use vitaledger::app::App;
use vitaledger::audit::verify::Scope;
use vitaledger::ledger::request::{Answer, Command, Refusal, Request};
use vitaledger::model::entry::Entry;
use vitaledger::model::office::OfficeDirectory;
use vitaledger::model::schema::RecordKind;
use vitaledger::store::Store;
use vitaledger::store::location::Location;

const PROCESSES: u64 = 4;
const CLIENTS: u64 = 16;
/// Every so many commands, all clients turn to other records for their corrections.
const WINDOW: u64 = 25;
/// Records that all clients correct at about the same time.
const HOT: u64 = 16;
/// Records that every client tries to withdraw.
const WITHDRAWN: u64 = 64;

/// What a process is started for.
#[derive(Clone, Serialize, Deserialize)]
struct Part {
    follows: bool,
    node: u64,
    folder: PathBuf,
    store: String,
    commands: u64,
    out: PathBuf,
}

/// What a client was told of a command.
#[derive(Clone, Serialize, Deserialize)]
struct Told {
    node: u64,
    what: What,
    keyed: bool,
    /// Position, event and record; nothing when it was refused.
    receipt: Option<(u64, Uuid, Uuid)>,
    appended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum What {
    New,
    Same,
    Correct,
    Void,
    VoidOfAll,
    Again,
}

struct Client {
    app: Arc<App>,
    offices: Arc<OfficeDirectory>,
    node: u64,
    number: u64,
    dice: ChaCha8Rng,
    /// Own records that were not withdrawn.
    own: Vec<Uuid>,
    /// Own commands with their keys, and what was answered.
    sent: Vec<(String, Again, (u64, Uuid, Uuid))>,
    told: Vec<Told>,
}

/// What is needed to send a command again.
#[derive(Clone)]
enum Again {
    Record(String, String),
    Correct(Uuid, String, String),
    Void(Uuid),
}

impl Client {
    fn command(&self, again: &Again) -> Command {
        match again {
            Again::Record(number, mother) => {
                Command::Record(nodes::birth(&self.offices, number, mother))
            }
            Again::Correct(record_id, number, mother) => Command::Correct {
                record_id: *record_id,
                draft: nodes::birth(&self.offices, number, mother),
                reason: "misread".to_owned(),
                expected: None,
                said: None,
            },
            Again::Void(record_id) => Command::Void {
                record_id: *record_id,
                reason: "twice".to_owned(),
                expected: None,
            },
        }
    }

    fn record_id(&self, number: &str) -> Uuid {
        let keys = &self.app.ledger.keys;
        keys.record_id(RecordKind::Birth, "hospital", number)
    }

    async fn send(&self, again: &Again, key: Option<&str>) -> Result<Answer, Refusal> {
        loop {
            let request = Request {
                command: self.command(again),
                idempotency_key: key.map(str::to_owned),
            };
            let context = self.app.context(None);
            match self
                .app
                .ledger
                .execute_one(&context, request)
                .await
                .unwrap()
            {
                // It lost a race again and again; it is safe to send it once more.
                Err(Refusal::Contended { .. }) => (),
                answer => return answer,
            }
        }
    }

    async fn act(&mut self, n: u64) {
        let tag = format!("{}-{}-{n}", self.node, self.number);
        let what = match self.dice.random_range(0..100) {
            _ if n.is_multiple_of(8) => What::Same,
            0..25 => What::Correct,
            25..31 if !self.own.is_empty() => What::Void,
            31..34 => What::VoidOfAll,
            34..42 if !self.sent.is_empty() => What::Again,
            _ => What::New,
        };
        if what == What::Again {
            let (key, again, first) = self.sent[self.dice.random_range(0..self.sent.len())].clone();
            let answer = self.send(&again, Some(&key)).await.unwrap();
            assert!(matches!(answer, Answer::Replayed { .. }), "{answer:?}");
            assert_eq!(receipt(&answer), first, "the first answer again");
            return self.tell(what, true, Some(&answer));
        }
        let again = match what {
            What::Same => Again::Record(format!("S{n}"), "甲某某".to_owned()),
            What::Correct => {
                let number = format!("T{}", n / WINDOW * HOT + self.dice.random_range(0..HOT));
                Again::Correct(self.record_id(&number), number, format!("乙{tag}"))
            }
            What::Void => {
                let at = self.dice.random_range(0..self.own.len());
                Again::Void(self.own.swap_remove(at))
            }
            What::VoidOfAll => {
                let number = format!("V{}", self.dice.random_range(0..WITHDRAWN));
                Again::Void(self.record_id(&number))
            }
            _ => Again::Record(format!("N{tag}"), format!("丙{tag}")),
        };
        let key = matches!(what, What::New | What::Correct | What::Void).then_some(tag);
        let answer = self.send(&again, key.as_deref()).await;
        match (&answer, what) {
            (Ok(Answer::Appended(_)), _) | (Ok(_), What::Same) => (),
            (Err(_), What::VoidOfAll) => return self.tell(what, false, None),
            (other, _) => panic!("{other:?}"),
        }
        let answer = answer.unwrap();
        self.tell(what, key.is_some(), Some(&answer));
        if what == What::New {
            self.own.push(answer.receipt().aggregate_id);
        }
        if let Some(key) = key {
            // An own record that was withdrawn since answers its key all the same.
            self.sent.push((key, again, receipt(&answer)));
        }
    }

    fn tell(&mut self, what: What, keyed: bool, answer: Option<&Answer>) {
        self.told.push(Told {
            node: self.node,
            what,
            keyed,
            receipt: answer.map(receipt),
            appended: matches!(answer, Some(Answer::Appended(_))),
        });
    }
}

fn receipt(answer: &Answer) -> (u64, Uuid, Uuid) {
    let receipt = answer.receipt();
    (receipt.position, receipt.event_id, receipt.aggregate_id)
}

/// The part of a process that writes, and seals meanwhile.
async fn write(part: Part) {
    let location: Location = part.store.parse().unwrap();
    let app = Arc::new(App::open_at(&part.folder, &location).await.unwrap());
    let offices = nodes::offices(&app).await;
    let ended = Arc::new(AtomicBool::new(false));
    let sealing = tokio::spawn({
        let (app, ended) = (app.clone(), ended.clone());
        async move {
            let mut sealed = 0;
            while !ended.load(Ordering::Relaxed) {
                sealed += u64::from(app.sealer.tick().await.unwrap().is_some());
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
            sealed
        }
    });
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let mut client = Client {
            app: app.clone(),
            offices: offices.clone(),
            node: part.node,
            number,
            dice: ChaCha8Rng::seed_from_u64(part.node * 100 + number),
            own: Vec::new(),
            sent: Vec::new(),
            told: Vec::new(),
        };
        let commands = part.commands;
        clients.push(tokio::spawn(async move {
            for n in 0..commands {
                client.act(n).await;
            }
            client.told
        }));
    }
    let mut told = Vec::new();
    for client in clients {
        told.extend(client.await.unwrap());
    }
    ended.store(true, Ordering::Relaxed);
    let sealed = sealing.await.unwrap();
    fs::write(&part.out, serde_json::to_string(&(told, sealed)).unwrap()).unwrap();
    Arc::into_inner(app).unwrap().close().await;
}

/// The part of a process that follows until the log has the size that the file `end` says.
async fn follow(part: Part) {
    let location: Location = part.store.parse().unwrap();
    let store = location.open(&part.folder).await.unwrap();
    let end = part.out.with_extension("end");
    let mut hash = Sha256::new();
    let mut next = 0;
    loop {
        let entries = store.entries(next, 512).await.unwrap();
        for entry in &entries {
            assert_eq!(entry.position, next, "once and in order");
            hash.update(&entry.bytes);
            next += 1;
        }
        let size = fs::read_to_string(&end).ok().and_then(|it| it.parse().ok());
        if size.is_some_and(|size: u64| next >= size) {
            break;
        }
        store.grown(next, Duration::from_millis(500)).await.unwrap();
    }
    let seen = format!("{next} {}", hex::encode(hash.finalize()));
    fs::write(&part.out, seen).unwrap();
    store.close().await;
}

/// Runs the part of this process, if it was started for one.
async fn took_part() -> bool {
    let Some(part) = nodes::part() else {
        return false;
    };
    let part: Part = serde_json::from_value(part).unwrap();
    if part.follows {
        follow(part).await;
    } else {
        write(part).await;
    }
    true
}

/// The records that all clients change.
async fn prepare(app: &App, commands: u64) {
    let offices = nodes::offices(app).await;
    let hot = (0..commands.div_ceil(WINDOW) * HOT).map(|number| format!("T{number}"));
    let withdrawn = (0..WITHDRAWN).map(|number| format!("V{number}"));
    let numbers: Vec<String> = hot.chain(withdrawn).collect();
    let requests = numbers
        .iter()
        .map(|number| Command::Record(nodes::birth(&offices, number, "丁某某")).into());
    let context = app.context(None);
    let answers = app.ledger.execute(&context, requests.collect()).await;
    assert!(answers.unwrap().iter().all(Result::is_ok));
    app.seal().await.unwrap();
}

fn ended(mut child: Child) {
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");
}

/// The whole: prepares, lets all processes run, and looks at what they left. Gives what to say.
async fn run(test: &str, address: &str, commands: u64) -> String {
    let root = tempfile::tempdir().unwrap();
    let location: Location = address.parse().unwrap();
    let first = root.path().join("node0");
    let app = nodes::init(&first, &location).await;
    prepare(&app, commands).await;
    let base = app.store().head().await.unwrap().size;
    app.close().await;
    let folder = |node: u64| match location {
        // SQLite's nodes are processes on one folder.
        Location::Folder => first.clone(),
        Location::Postgres(_) => root.path().join(format!("node{node}")),
    };
    for node in 1..=PROCESSES {
        if folder(node) != first {
            nodes::node(&first, &folder(node));
        }
    }
    let part = |follows, node| Part {
        follows,
        node,
        folder: folder(node),
        store: address.to_owned(),
        commands,
        out: root.path().join(format!("out{node}")),
    };
    let start = |part: &Part| nodes::start(test, &serde_json::to_value(part).unwrap());
    let follower = part(true, PROCESSES);
    let following = start(&follower);
    let printed = root.path().join("printed");
    let log = start_log(&folder(PROCESSES), address, &printed);
    let begun = Instant::now();
    let parts: Vec<Part> = (0..PROCESSES).map(|node| part(false, node)).collect();
    let writing: Vec<Child> = parts.iter().map(start).collect();
    writing.into_iter().for_each(ended);
    let took = begun.elapsed();

    let app = App::open_at(&first, &location).await.unwrap();
    let entries = Entries::read(app.store().as_ref()).await;
    let end = follower.out.with_extension("end");
    fs::write(end, entries.size().to_string()).unwrap();
    ended(following);
    let seen = fs::read_to_string(&follower.out).unwrap();
    assert_eq!(seen, format!("{} {}", entries.size(), entries.digest));
    assert_printed(log, &printed, &entries);

    let mut told = Vec::new();
    let mut sealed = Vec::new();
    for part in &parts {
        let written = fs::read(&part.out).unwrap();
        let (one, seals): (Vec<Told>, u64) = serde_json::from_slice(&written).unwrap();
        assert_eq!(one.len() as u64, CLIENTS * commands);
        told.extend(one);
        sealed.push(seals);
    }
    assert_exactly_once(&told, &entries, base);
    assert_keys(app.store().as_ref(), &told).await;
    app.close().await;
    let folders: BTreeSet<PathBuf> = (0..PROCESSES).map(folder).collect();
    assert_one_history(&folders, &location, entries.size()).await;
    format!(
        "{} commands in {took:?}: {} entries; checkpoints by node: {sealed:?}",
        told.len(),
        entries.size()
    )
}

/// `log --follow --json`, printing to a file.
fn start_log(folder: &Path, address: &str, printed: &Path) -> Child {
    Process::new(env!("CARGO_BIN_EXE_vitaledger"))
        .args(["--json", "log", "--follow", "--dir"])
        .arg(folder)
        .env("VITALEDGER_STORE", address)
        .env_remove("VITALEDGER_DIR")
        .stdin(Stdio::null())
        .stdout(fs::File::create(printed).unwrap())
        .spawn()
        .unwrap()
}

/// Waits until everything was printed: exactly the log, a line an entry.
fn assert_printed(mut log: Child, printed: &Path, entries: &Entries) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while fs::metadata(printed).unwrap().len() < entries.bytes && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    log.kill().unwrap();
    log.wait().unwrap();
    let mut hash = Sha256::new();
    let text = fs::read(printed).unwrap();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        hash.update(line.strip_suffix(b"\n").unwrap_or(line));
    }
    assert_eq!(text.len() as u64, entries.bytes);
    assert_eq!(hex::encode(hash.finalize()), entries.digest);
}

/// The log as it is at the end.
struct Entries {
    /// Event and record by position.
    events: Vec<(Uuid, Uuid)>,
    /// Over all leaves.
    digest: String,
    /// Of all leaves, with a line end each.
    bytes: u64,
}

impl Entries {
    async fn read(store: &dyn Store) -> Self {
        let mut events = Vec::new();
        let mut hash = Sha256::new();
        let mut bytes = 0;
        loop {
            let batch = store.entries(events.len() as u64, 4096).await.unwrap();
            if batch.is_empty() {
                break;
            }
            for stored in batch {
                assert_eq!(stored.position, events.len() as u64, "a gap");
                let entry = Entry::parse(&stored.bytes).unwrap();
                assert_eq!(entry.position, stored.position);
                events.push((entry.event_id, entry.aggregate_id));
                hash.update(&stored.bytes);
                bytes += stored.bytes.len() as u64 + 1;
            }
        }
        let digest = hex::encode(hash.finalize());
        Self {
            events,
            digest,
            bytes,
        }
    }

    fn size(&self) -> u64 {
        self.events.len() as u64
    }
}

/// Every acknowledged command is one entry, and every entry was acknowledged as new once.
fn assert_exactly_once(told: &[Told], entries: &Entries, base: u64) {
    let mut places = BTreeMap::new();
    for one in told.iter().filter(|one| one.appended) {
        let (position, event, record) = one.receipt.unwrap();
        let index = usize::try_from(position).unwrap();
        assert_eq!(entries.events[index], (event, record));
        assert!(places.insert(position, one).is_none(), "{position} twice");
    }
    let positions: Vec<u64> = places.keys().copied().collect();
    assert_eq!(positions, (base..entries.size()).collect::<Vec<u64>>());
    let mut correctors: HashMap<Uuid, BTreeSet<u64>> = HashMap::new();
    let mut same: HashMap<Uuid, u64> = HashMap::new();
    for one in told {
        let Some((position, event, record)) = one.receipt else {
            continue;
        };
        // An answer that was given again is that of the entry.
        assert_eq!(places[&position].receipt, Some((position, event, record)));
        if one.what == What::Correct {
            correctors.entry(record).or_default().insert(one.node);
        }
        if one.what == What::Same {
            *same.entry(record).or_default() += u64::from(one.appended);
        }
    }
    assert!(same.values().all(|appended| *appended == 1));
    let withdrawn = told
        .iter()
        .filter(|one| one.what == What::VoidOfAll && one.appended);
    assert!(withdrawn.count() as u64 <= WITHDRAWN);
    // They did work on the same records.
    assert!(
        correctors
            .values()
            .any(|nodes| nodes.len() as u64 == PROCESSES),
        "no record was corrected by all"
    );
}

/// Every idempotency key stands once, at the entry of its first answer.
async fn assert_keys(store: &dyn Store, told: &[Told]) {
    let rows = store.idempotency_rows().await.unwrap();
    let kept: BTreeSet<u64> = rows.iter().map(|(_, _, position)| *position).collect();
    assert_eq!(kept.len(), rows.len());
    let keyed = told.iter().filter(|one| one.keyed && one.appended);
    let keyed: BTreeSet<u64> = keyed.map(|one| one.receipt.unwrap().0).collect();
    assert_eq!(kept, keyed);
}

/// Every node, once it has looked, knows the same checkpoints; the first checks everything.
async fn assert_one_history(folders: &BTreeSet<PathBuf>, location: &Location, size: u64) {
    let mut states = Vec::new();
    for folder in folders {
        let app = App::open_at(folder, location).await.unwrap();
        app.seal().await.unwrap();
        // What the others took over was hashed again and is compared below.
        if states.is_empty() {
            let report = app.verify(Scope::Everything, |_| {}).await.unwrap();
            assert_eq!(report.wrong, None);
            assert_eq!((report.entries, report.unsealed), (size, 0));
        }
        states.push(app.state.read().unwrap());
        app.close().await;
    }
    assert!(states.iter().all(|state| *state == states[0]), "{states:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_write_one_log_on_a_server() {
    if took_part().await {
        return;
    }
    let address = server::database().await;
    let said = run("processes_write_one_log_on_a_server", &address, 2000).await;
    println!("{said}");
    server::forget(&address).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_write_one_log_in_a_folder() {
    if took_part().await {
        return;
    }
    let said = run("processes_write_one_log_in_a_folder", "sqlite", 150).await;
    println!("{said}");
}
