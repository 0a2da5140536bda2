//! Exactly what was appended: eight writers, six subscribers of every kind, two nodes and a server of
//! NATS over one PostgreSQL; all but the database are killed at random for a minute, and in the end
//! nobody has missed anything, and nobody was told of anything that is not in the log.
//!
//! What may fail: a promise of delivery. The seed of what is killed is printed; what the nodes said is
//! printed when the test fails.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use vitaledger::app::subscriptions::NewSubscription;
use vitaledger::app::webhooks::settings;
use vitaledger::app::{App, InitOptions};
use vitaledger::audit::verify::Scope;
use vitaledger::model::entry::{Entry, leaf_hash};
use vitaledger::store::access::TokenRole;
use vitaledger::store::location::Location;
use vitaledger::store::subscriptions::Filter;
use vitaledger::subscription::webhook::address::Permitted;

use crate::actors::{Heard, Hook, Node, Nodes, Told, Worked, consume, follow, write};
use crate::database;
use crate::nats::{Nats, assert_whole, free_port};
use crate::nodes::node;
use crate::running::{COUNTY, TOWNSHIP, VILLAGE, made_token, register, with_json};

/// How long everything is killed.
const CHAOS: Duration = Duration::from_mins(1);
/// Who writes.
const WRITERS: usize = 8;
/// The subscription that consumers share, and the one with an endpoint.
const WORK: &str = "work";
const HOOK: &str = "hook";
/// How long everything may take to be delivered in the end: a delivery that a node was killed over is
/// taken up again after a minute.
const SETTLING: Duration = Duration::from_mins(3);
/// After a delivery has failed, it is tried again in five seconds, and then not for five minutes: an
/// endpoint that is killed again in between would be waited for for that long.
const BETWEEN_KILLS_OF_HOOK: Duration = Duration::from_secs(15);

/// A subscriber that can be killed.
struct Subscriber {
    start: Box<dyn Fn() -> JoinHandle<()> + Send>,
    task: JoinHandle<()>,
}

impl Subscriber {
    fn new(start: impl Fn() -> JoinHandle<()> + Send + 'static) -> Self {
        let task = start();
        Self {
            start: Box::new(start),
            task,
        }
    }

    fn kill_and_start(&mut self) {
        self.task.abort();
        self.task = (self.start)();
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A ledger of one county on PostgreSQL; the folders of two nodes.
async fn ledger(folder: &Path, store: &str) -> (App, [PathBuf; 2]) {
    let first = folder.join("first");
    let options = InitOptions {
        store: store.parse::<Location>().unwrap(),
        ..InitOptions::default()
    };
    let app = App::init(&first, &options).await.unwrap();
    for (code, level, parent) in [
        (COUNTY, "county", ""),
        (TOWNSHIP, "township", COUNTY),
        (VILLAGE, "village", TOWNSHIP),
    ] {
        register(&app, code, level, parent).await;
    }
    let second = node(&first, &folder.join("second"));
    (app, [first, second])
}

async fn token(app: &App, role: TokenRole, office: &str) -> String {
    made_token(app, role, office).await.secret.to_string()
}

async fn hooked(app: &App, hook: &Hook) {
    hook.start();
    let url = hook.url();
    let endpoint = app.endpoint(HOOK, &url, Permitted::Private);
    let new = NewSubscription {
        name: HOOK.to_owned(),
        office: None,
        token: None,
        filter: Filter::everything(),
        from: Some(0),
        settings: settings(1000),
        endpoint: Some(endpoint.await.unwrap()),
    };
    app.subscribe(new).await.unwrap();
}

/// Waits until a node answers; makes the subscription that consumers share.
async fn shared(nodes: &Nodes, secret: &str) {
    let body = json!({ "from": 0, "lease_ms": 3000 });
    let path = format!("/v1/subscriptions/{WORK}");
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        let request = nodes.request(Method::PUT, &path, secret);
        if let Ok(answer) = with_json(request, &body).send().await {
            assert!(answer.status().is_success(), "{}", answer.status());
            return;
        }
        assert!(Instant::now() < end, "no node answers");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Kills everything, in an order that the seed gives, and starts it again.
async fn kill_at_random(
    seed: u64,
    nodes: &Nodes,
    nats: &mut Nats,
    folder: &Path,
    hook: &Hook,
    subscribers: &mut [Subscriber],
) -> BTreeMap<&'static str, u32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut killed = BTreeMap::new();
    let begun = Instant::now();
    let mut hook_until = begun + BETWEEN_KILLS_OF_HOOK / 2;
    while begun.elapsed() < CHAOS {
        sleep(Duration::from_millis(random.random_range(500..2500))).await;
        let down = Duration::from_millis(random.random_range(50..1500));
        let name = match random.random_range(0..10) {
            0..3 => {
                let node = &nodes.all[random.random_range(0..nodes.all.len())];
                node.kill();
                sleep(down).await;
                node.start();
                "node"
            }
            3 => {
                // The whole service is away.
                nodes.all.iter().for_each(Node::kill);
                sleep(down).await;
                nodes.all.iter().for_each(Node::start);
                "both nodes"
            }
            4 => {
                nats.kill();
                sleep(down).await;
                *nats = Nats::start(folder, nats.port);
                "NATS"
            }
            5 if Instant::now() > hook_until => {
                hook_until = Instant::now() + BETWEEN_KILLS_OF_HOOK;
                hook.kill();
                sleep(down.min(Duration::from_secs(1))).await;
                hook.start();
                "endpoint"
            }
            _ => {
                let index = random.random_range(0..subscribers.len());
                subscribers[index].kill_and_start();
                "subscriber"
            }
        };
        *killed.entry(name).or_default() += 1;
    }
    killed
}

/// Waits until everybody was told of everything; gives the size of the log.
async fn settled(app: &App, nodes: &Nodes, heard: &[Arc<Mutex<Heard>>]) -> u64 {
    let end = Instant::now() + SETTLING;
    loop {
        let size = app.store().head().await.unwrap().size;
        let hook = app.followed(HOOK).await.unwrap();
        let work = app.followed(WORK).await.unwrap();
        let last = Some(size - 1);
        let streams = heard.iter().all(|one| one.lock().unwrap().last() == last);
        let mut streamed = false;
        for node in &nodes.all {
            let url = format!("http://{}/metrics", node.address);
            if let Ok(answer) = reqwest::get(url).await {
                let text = answer.text().await.unwrap_or_default();
                streamed |= text.contains(&format!("vitaledger_streamed_events {size}\n"));
            }
        }
        if hook.lag() == 0 && work.lag() == 0 && streams && streamed {
            return size;
        }
        assert!(
            Instant::now() < end,
            "of {size}: streams {streams}, NATS {streamed}, {work:?}, {hook:?}"
        );
        sleep(Duration::from_millis(200)).await;
    }
}

/// What the log says, in the words of an event.
struct Logged {
    whole: Vec<Told>,
    /// What is of an office.
    of_offices: Vec<Told>,
    /// The positions of what was said of births.
    births: Vec<u64>,
}

async fn log(app: &App, head: u64) -> Logged {
    let mut log = Logged {
        whole: Vec::new(),
        of_offices: Vec::new(),
        births: Vec::new(),
    };
    for stored in app.store().entries(0, head).await.unwrap() {
        let entry = Entry::parse(&stored.bytes).unwrap();
        let told = Told {
            position: stored.position,
            id: entry.event_id.to_string(),
            leaf_hash: hex::encode(leaf_hash(&stored.bytes)),
            record: entry.aggregate_id.to_string(),
            version: entry.sequence,
        };
        if entry.aggregate_type == "office" || entry.metadata("office").is_some() {
            log.of_offices.push(told.clone());
        }
        if entry.aggregate_type == "birth" {
            log.births.push(stored.position);
        }
        log.whole.push(told);
    }
    log
}

async fn assert_verified(app: App) {
    app.seal_now().await.unwrap();
    let report = app.verify(Scope::Everything, |_| ()).await.unwrap();
    assert_eq!((report.wrong, report.unsealed), (None, 0));
    app.close().await;
}

/// Each time that somebody came, everything followed from where it had left off, without a gap.
fn assert_followed(heard: &Heard, log: &[Told]) {
    let mut told_to = 0;
    for (saved, told) in &heard.times {
        let first = saved.map_or(0, |saved| saved + 1);
        for (told, position) in told.iter().zip(first..) {
            assert_eq!(told, &log[usize::try_from(position).unwrap()]);
        }
        told_to = told_to.max(first + told.len() as u64);
    }
    assert_eq!(told_to, log.len() as u64);
}

/// Everything was told at least once, as it is in the log; what was told twice is dropped by its id.
fn assert_all(who: &str, told: &[Told], expected: &[Told]) {
    let mut once: BTreeMap<u64, &Told> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for one in told {
        if ids.insert(&one.id) {
            let before = once.insert(one.position, one);
            assert_eq!(before, None, "{who}: two ids");
        }
    }
    let once: Vec<&Told> = once.into_values().collect();
    let expected: Vec<&Told> = expected.iter().collect();
    assert_eq!(once.len(), expected.len(), "{who}");
    assert_eq!(once, expected, "{who}");
}

/// The events of each record come in its order; `again` when one may come twice in a row.
fn assert_ordered(who: &str, told: &[Told], again: bool) {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for one in told {
        let before = last.insert(&one.record, one.version);
        let in_order =
            before.is_none_or(|before| before < one.version || (again && before == one.version));
        assert!(in_order, "{who}: {before:?} before {one:?}");
    }
}

/// Two subscribers of streams, and two consumers of one subscription.
fn start(
    nodes: &Arc<Nodes>,
    secret: &str,
    heard: &[Arc<Mutex<Heard>>],
    worked: &Arc<Mutex<Worked>>,
) -> Vec<Subscriber> {
    let mut subscribers = Vec::new();
    for (heard, coding) in heard.iter().zip(["identity", "gzip"]) {
        let (nodes, secret, heard) = (nodes.clone(), secret.to_owned(), heard.clone());
        subscribers.push(Subscriber::new(move || {
            let (nodes, secret, heard) = (nodes.clone(), secret.clone(), heard.clone());
            tokio::spawn(follow(nodes, secret, coding, heard))
        }));
    }
    for name in ["one", "two"] {
        let (nodes, secret, worked) = (nodes.clone(), secret.to_owned(), worked.clone());
        subscribers.push(Subscriber::new(move || {
            let (nodes, secret, worked) = (nodes.clone(), secret.clone(), worked.clone());
            tokio::spawn(consume(nodes, secret, WORK, name, worked))
        }));
    }
    subscribers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_told_exactly_what_was_appended_whatever_is_killed() {
    let seed = rand::rng().random();
    println!("seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let store = database::database().await;
    let (app, folders) = ledger(folder.path(), &store).await;
    let auditor = token(&app, TokenRole::Auditor, COUNTY).await;
    let registrar = token(&app, TokenRole::Registrar, VILLAGE).await;
    let hook = Hook::new(free_port());
    hooked(&app, &hook).await;
    let mut nats = Nats::start(folder.path(), free_port());
    let all = folders.map(|folder| Node::new(folder, &store, &nats.url(), free_port()));
    let nodes = Arc::new(Nodes::new(all));
    nodes.all.iter().for_each(Node::start);
    shared(&nodes, &auditor).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| tokio::spawn(write(nodes.clone(), number, registrar.clone())))
        .collect();
    let heard: [Arc<Mutex<Heard>>; 2] = Default::default();
    let worked = Arc::<Mutex<Worked>>::default();
    let mut subscribers = start(&nodes, &auditor, &heard, &worked);
    let killing = kill_at_random(
        seed,
        &nodes,
        &mut nats,
        folder.path(),
        &hook,
        &mut subscribers,
    );
    let killed = killing.await;
    nodes.is_enough.store(true, Ordering::Relaxed);
    let mut receipts = Vec::new();
    for writer in writers {
        receipts.extend(writer.await.unwrap());
    }
    let size = settled(&app, &nodes, &heard).await;
    drop(subscribers);
    let messages = tokio::task::block_in_place(|| nats.read("county.events.>", size));
    nodes.all.iter().for_each(Node::kill);
    println!(
        "{size} entries, {} receipts, killed {killed:?}",
        receipts.len()
    );

    // The log has what was written, each once, and nothing else.
    assert_eq!(app.store().head().await.unwrap().size, size);
    let log = log(&app, size).await;
    receipts.sort_unstable();
    assert_eq!(receipts, log.births);
    for one in &heard {
        assert_followed(&one.lock().unwrap(), &log.whole);
    }
    // A subscription that was made with a token is told what is of the offices of that token.
    {
        let worked = worked.lock().unwrap();
        assert_all("consumers", &worked.told, &log.of_offices);
        assert_ordered("consumers", &worked.acknowledged, false);
    }
    assert_all("endpoint", &hook.told(), &log.whole);
    assert_ordered("endpoint", &hook.told(), true);
    // NATS has each exactly once.
    assert_whole(&messages);
    for (message, told) in messages.iter().zip(&log.whole) {
        assert_eq!(message["leafhash"], told.leaf_hash);
    }
    assert!(killed.len() >= 4, "{killed:?}");
    assert_verified(app).await;
    database::forget(&store).await;
}
