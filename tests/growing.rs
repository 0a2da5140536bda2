//! A ledger that grows while it is checked is not blamed for it.
//!
//! What comes in: a small sealed ledger. What happens: `verify` runs again and again while others
//! record, correct, withdraw, erase and seal; and once, an import crosses the end of a batch
//! exactly between the reading of that batch and of the next. What must come out: nothing wrong,
//! each time; and what is wrong is still found.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

mod harness;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::sync::Notify;
use uuid::Uuid;
use vitaledger::app::App;
use vitaledger::audit::verify::{Scope, Verifier};
use vitaledger::model::id::Position;
use vitaledger::model::schema::RecordKind;
use vitaledger::simulate;
use vitaledger::store::{
    EntryRow, Group, Head, Outcome, Repeated, Result, Store, StoredEntry, StoredTile,
};

/// Entries that the check reads at once.
const BATCH: u64 = 4096;

/// What others do at the same time, one round: every kind of change that there is.
async fn change(app: &App, round: u32) {
    let kind = RecordKind::Birth;
    let number = format!("G{round}");
    let key = Some(format!("grow-{round}"));
    let answer = app
        .record(kind, &harness::birth(&number, "3100"), key)
        .await;
    let id = answer.unwrap().receipt().aggregate_id;
    let changed = harness::values(&[("weight_g", "3300"), ("mother_name", "丁某某")]);
    app.correct(kind, id, &changed, "misread", None)
        .await
        .unwrap();
    let stillbirth = harness::loss(&format!("L{}", round + 10), "2013-10-21");
    let answer = app
        .record(RecordKind::PregnancyLoss, &stillbirth, None)
        .await;
    let lost = answer.unwrap().receipt().aggregate_id;
    match round % 3 {
        0 => drop(app.void(kind, id, "twice", None).await.unwrap()),
        1 => {
            let plan = app.plan_erasure(&[id, lost]).await.unwrap();
            app.erase(&plan, &harness::approval()).await.unwrap();
        }
        _ => (),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_ledger_that_others_write_is_clean() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("ledger");
    harness::make(&folder).await;
    let ended = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (folder, ended) = (folder.clone(), ended.clone());
        async move {
            let app = App::open(&folder).await.unwrap();
            let mut round = 0;
            while !ended.load(Ordering::Relaxed) {
                change(&app, round).await;
                round += 1;
            }
            app.close().await;
            round
        }
    });
    let app = App::open(&folder).await.unwrap();
    let mut sizes = Vec::new();
    for _ in 0..25 {
        let report = app.verify(Scope::Everything, |_| ()).await.unwrap();
        assert_eq!(report.wrong, None);
        sizes.push(report.entries);
    }
    app.close().await;
    ended.store(true, Ordering::Relaxed);
    let rounds = writing.await.unwrap();
    // It did grow meanwhile, and what it is now is right.
    assert!(rounds > 3, "{rounds} rounds");
    assert!(sizes.is_sorted() && sizes[0] < sizes[24], "{sizes:?}");
    harness::assert_clean(&folder).await;
}

/// A store behind which an import happens between the reading of the first batch and of the next.
struct Growing {
    inner: Arc<dyn Store>,
    first_was_read: Notify,
    writer: App,
    delivery: std::path::PathBuf,
}

#[async_trait]
impl Store for Growing {
    async fn rows(&self, from: Position, limit: u64) -> Result<Vec<EntryRow>> {
        if from == BATCH {
            self.first_was_read.notified().await;
            harness::import(&self.writer, &self.delivery).await;
        }
        let rows = self.inner.rows(from, limit).await?;
        if from == 0 {
            self.first_was_read.notify_one();
        }
        Ok(rows)
    }

    async fn head(&self) -> Result<Head> {
        self.inner.head().await
    }
    async fn append(&self, groups: Vec<Group>) -> Result<Vec<Outcome>> {
        self.inner.append(groups).await
    }
    async fn entries(&self, from: Position, limit: u64) -> Result<Vec<StoredEntry>> {
        self.inner.entries(from, limit).await
    }
    async fn streams(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Vec<StoredEntry>>> {
        self.inner.streams(ids).await
    }
    async fn entries_of_type(&self, aggregate_type: &str) -> Result<Vec<StoredEntry>> {
        self.inner.entries_of_type(aggregate_type).await
    }
    async fn repeated(&self, keys: &[[u8; 16]]) -> Result<Repeated> {
        self.inner.repeated(keys).await
    }
    async fn idempotency_rows(&self) -> Result<Vec<(Vec<u8>, Vec<u8>, Position)>> {
        self.inner.idempotency_rows().await
    }
    async fn checkpoints(&self) -> Result<Vec<(u64, Vec<u8>)>> {
        self.inner.checkpoints().await
    }
    async fn newest_checkpoint(&self) -> Result<Option<(u64, Vec<u8>)>> {
        self.inner.newest_checkpoint().await
    }
    async fn save_checkpoint(&self, size: u64, note: &[u8], tiles: &[StoredTile]) -> Result<()> {
        self.inner.save_checkpoint(size, note, tiles).await
    }
    async fn tile(&self, level: u8, number: u64) -> Result<Option<Vec<u8>>> {
        self.inner.tile(level, number).await
    }
    async fn tiles(&self) -> Result<Vec<StoredTile>> {
        self.inner.tiles().await
    }
    async fn complaints(&self) -> Result<Vec<String>> {
        self.inner.complaints().await
    }
}

/// A delivery of more than a batch of residents.
fn large_delivery(folder: &Path) {
    simulate::write(folder, &harness::options(4_200, 1), &mut |_| ()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_batch_that_is_filled_after_it_was_read_is_not_missing() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("ledger");
    harness::init(&folder).await.close().await;
    let delivery = home.path().join("large");
    large_delivery(&delivery);
    let mut app = App::open(&folder).await.unwrap();
    let (signed, checkpoints) = app.signed().await.unwrap();
    let growing = Growing {
        inner: app.store(),
        first_was_read: Notify::new(),
        writer: App::open(&folder).await.unwrap(),
        delivery,
    };
    // The ledger as it is, over the store that grows.
    let ledger = Arc::get_mut(&mut app.ledger).unwrap();
    ledger.store = Arc::new(growing);
    let verifier = Verifier {
        ledger: app.ledger.clone(),
        cosigned: None,
        signed: &signed,
        checkpoints: &checkpoints,
        registers: None,
    };
    let report = verifier.run(Scope::Everything, |_| ()).await.unwrap();
    assert_eq!(report.wrong, None);
    assert_eq!(report.entries, 1);
    let head = app.ledger.store.head().await.unwrap();
    assert!(head.size > BATCH, "{} entries", head.size);
    drop(verifier);
    app.close().await;
    harness::assert_clean(&folder).await;
}
