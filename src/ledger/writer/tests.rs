//! Group commit over a store that counts and fails on demand.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::*;
use crate::model::entry::Unplaced;
use crate::model::id::Position;
use crate::store::{EntryRow, Head, Pending, Repeated, StoreError, StoredEntry, StoredTile};

/// Appends when it is let, and answers each group with its own stream as the position.
struct Gate {
    let_through: Semaphore,
    appends: AtomicUsize,
    /// A stream that the store cannot append.
    poison: Option<Uuid>,
    /// Appends from this one on find the store away.
    away_from: usize,
}

#[async_trait]
impl Store for Gate {
    async fn head(&self) -> Result<Head> {
        Ok(Head::default())
    }
    async fn append(&self, groups: Vec<Group>) -> Result<Vec<Outcome>> {
        self.let_through.acquire().await.unwrap().forget();
        if self.appends.fetch_add(1, Ordering::SeqCst) >= self.away_from {
            return Err(StoreError::Unknown {
                source: sqlx::Error::PoolTimedOut,
            });
        }
        let ids = groups
            .iter()
            .map(|group| group.events[0].entry.aggregate_id);
        let ids: Vec<Uuid> = ids.collect();
        if ids.iter().any(|id| Some(*id) == self.poison) {
            return Err(StoreError::KeyRetired { number: 1 });
        }
        let conflict = |aggregate_id| Outcome::Conflict {
            aggregate_id,
            current: 7,
        };
        Ok(ids.into_iter().map(conflict).collect())
    }
    async fn entries(&self, _: Position, _: u64) -> Result<Vec<StoredEntry>> {
        Ok(Vec::new())
    }
    async fn rows(&self, _: Position, _: u64) -> Result<Vec<EntryRow>> {
        Ok(Vec::new())
    }
    async fn streams(&self, _: &[Uuid]) -> Result<HashMap<Uuid, Vec<StoredEntry>>> {
        Ok(HashMap::new())
    }
    async fn entries_of_type(&self, _: &str) -> Result<Vec<StoredEntry>> {
        Ok(Vec::new())
    }
    async fn repeated(&self, _: &[[u8; 16]]) -> Result<Repeated> {
        Ok(Repeated::new())
    }
    async fn idempotency_rows(&self) -> Result<Vec<(Vec<u8>, Vec<u8>, Position)>> {
        Ok(Vec::new())
    }
    async fn checkpoints(&self) -> Result<Vec<(u64, Vec<u8>)>> {
        Ok(Vec::new())
    }
    async fn newest_checkpoint(&self) -> Result<Option<(u64, Vec<u8>)>> {
        Ok(None)
    }
    async fn save_checkpoint(&self, _: u64, _: &[u8], _: &[StoredTile]) -> Result<()> {
        Ok(())
    }
    async fn tile(&self, _: u8, _: u64) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
    async fn tiles(&self) -> Result<Vec<StoredTile>> {
        Ok(Vec::new())
    }
    async fn complaints(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

fn group(stream: Uuid) -> Group {
    let entry = Unplaced {
        aggregate_id: stream,
        aggregate_type: "office",
        event_id: Uuid::now_v7(),
        sequence: 1,
        simulated_at: None,
        prefix: Vec::new(),
    };
    Group {
        events: vec![Pending {
            entry,
            vault: None,
            woman: None,
        }],
        idempotency: None,
    }
}

fn gate(poison: Option<Uuid>) -> (Arc<Gate>, Arc<Writer>) {
    gate_away_from(usize::MAX, poison)
}

fn gate_away_from(away_from: usize, poison: Option<Uuid>) -> (Arc<Gate>, Arc<Writer>) {
    let gate = Arc::new(Gate {
        let_through: Semaphore::new(0),
        appends: AtomicUsize::new(0),
        poison,
        away_from,
    });
    (gate.clone(), Arc::new(Writer::new(gate)))
}

/// Lets every task run until it waits.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn ask(writer: &Arc<Writer>, ids: Vec<Uuid>) -> tokio::task::JoinHandle<Vec<Uuid>> {
    let writer = writer.clone();
    tokio::spawn(async move {
        let groups = ids.into_iter().map(group).collect();
        let outcomes = writer.append(groups).await.unwrap();
        let id = |outcome| match outcome {
            Outcome::Conflict { aggregate_id, .. } => aggregate_id,
            other => panic!("{other:?}"),
        };
        outcomes.into_iter().map(id).collect()
    })
}

#[tokio::test]
async fn who_waits_is_appended_together_and_gets_its_own_answer() {
    let (gate, writer) = gate(None);
    let first = Uuid::now_v7();
    let leading = ask(&writer, vec![first]);
    settle().await;
    let wanted: Vec<Vec<Uuid>> = (1..=20)
        .map(|count| (0..=(count % 3)).map(|_| Uuid::now_v7()).collect())
        .collect();
    let waiting: Vec<_> = wanted.iter().map(|ids| ask(&writer, ids.clone())).collect();
    settle().await;
    gate.let_through.add_permits(2);
    assert_eq!(leading.await.unwrap(), [first]);
    for (ids, task) in wanted.into_iter().zip(waiting) {
        assert_eq!(task.await.unwrap(), ids);
    }
    assert_eq!(gate.appends.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_no_answer_with_it() {
    let (gate, writer) = gate(None);
    let leading = ask(&writer, vec![Uuid::now_v7()]);
    settle().await;
    let gone = ask(&writer, vec![Uuid::now_v7()]);
    let id = Uuid::now_v7();
    let other = ask(&writer, vec![id]);
    settle().await;
    gone.abort();
    leading.abort();
    settle().await;
    gate.let_through.add_permits(2);
    assert_eq!(other.await.unwrap(), [id]);
}

#[tokio::test]
async fn what_one_caller_wants_and_cannot_have_harms_no_other() {
    let poison = Uuid::now_v7();
    let (gate, writer) = gate(Some(poison));
    let leading = ask(&writer, vec![Uuid::now_v7()]);
    settle().await;
    let id = Uuid::now_v7();
    let good = ask(&writer, vec![id]);
    let bad = {
        let writer = writer.clone();
        tokio::spawn(async move { writer.append(vec![group(poison)]).await })
    };
    settle().await;
    gate.let_through.add_permits(9);
    leading.await.unwrap();
    assert_eq!(good.await.unwrap(), [id]);
    let refused = bad.await.unwrap();
    assert!(matches!(
        refused,
        Err(LedgerError::Store(StoreError::KeyRetired { number: 1 }))
    ));
}

#[tokio::test]
async fn a_store_that_is_away_is_waited_for_once() {
    let poison = Uuid::now_v7();
    // The first append is alone, the second is of all others together, the third of one of them.
    let (gate, writer) = gate_away_from(2, Some(poison));
    let leading = ask(&writer, vec![Uuid::now_v7()]);
    settle().await;
    let waiting: Vec<_> = [poison, Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7()]
        .into_iter()
        .map(|id| {
            let writer = writer.clone();
            tokio::spawn(async move { writer.append(vec![group(id)]).await })
        })
        .collect();
    settle().await;
    gate.let_through.add_permits(9);
    leading.await.unwrap();
    let mut unknown = 0;
    for task in waiting {
        match task.await.unwrap() {
            Err(LedgerError::Store(StoreError::Unknown { .. })) => unknown += 1,
            // Of these nothing was begun, and that is said.
            Err(LedgerError::Store(StoreError::Unavailable { .. })) => (),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(unknown, 1);
    assert_eq!(gate.appends.load(Ordering::SeqCst), 3);
}
