//! A store whose caller is held up at one step of the signing.
//!
//! What comes in: a store and a step. What goes out: the same store, which at the first time that
//! the step is reached says so and waits until it may go on. What must stay true: everything else
//! passes through.
#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use uuid::Uuid;
use vitaledger::model::id::Position;
use vitaledger::store::{
    EntryRow, Group, Head, Outcome, Repeated, Result, Signed, Store, StoredEntry, StoredTile,
};

/// Where the caller is held up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    BeforeHead,
    BeforeNewest,
    BeforeAgree,
    AfterAgree,
    BeforeSave,
}

pub struct Interrupted {
    inner: Arc<dyn Store>,
    at: Step,
    was_there: AtomicBool,
    reached: Semaphore,
    may_go_on: Semaphore,
}

impl Interrupted {
    pub fn new(inner: Arc<dyn Store>, at: Step) -> Self {
        Self {
            inner,
            at,
            was_there: AtomicBool::new(false),
            reached: Semaphore::new(0),
            may_go_on: Semaphore::new(0),
        }
    }

    /// Waits until the step is reached.
    pub async fn reached(&self) {
        self.reached.acquire().await.unwrap().forget();
    }

    pub fn go_on(&self) {
        self.may_go_on.add_permits(1);
    }

    async fn pass(&self, step: Step) {
        if step == self.at && !self.was_there.swap(true, Ordering::SeqCst) {
            self.reached.add_permits(1);
            self.may_go_on.acquire().await.unwrap().forget();
        }
    }
}

#[async_trait]
impl Store for Interrupted {
    async fn head(&self) -> Result<Head> {
        self.pass(Step::BeforeHead).await;
        self.inner.head().await
    }
    async fn append(&self, groups: Vec<Group>) -> Result<Vec<Outcome>> {
        self.inner.append(groups).await
    }
    async fn entries(&self, from: Position, limit: u64) -> Result<Vec<StoredEntry>> {
        self.inner.entries(from, limit).await
    }
    async fn rows(&self, from: Position, limit: u64) -> Result<Vec<EntryRow>> {
        self.inner.rows(from, limit).await
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
        self.pass(Step::BeforeNewest).await;
        self.inner.newest_checkpoint().await
    }
    async fn save_checkpoint(&self, size: u64, note: &[u8], tiles: &[StoredTile]) -> Result<()> {
        self.pass(Step::BeforeSave).await;
        self.inner.save_checkpoint(size, note, tiles).await
    }
    async fn tile(&self, level: u8, number: u64) -> Result<Option<Vec<u8>>> {
        self.inner.tile(level, number).await
    }
    async fn tiles(&self) -> Result<Vec<StoredTile>> {
        self.inner.tiles().await
    }
    async fn checkpoints_after(&self, size: u64) -> Result<Vec<(u64, Vec<u8>)>> {
        self.inner.checkpoints_after(size).await
    }
    async fn hold_signing(&self, holder: Uuid, term: Duration) -> Result<bool> {
        self.inner.hold_signing(holder, term).await
    }
    async fn signed(&self) -> Result<Option<Signed>> {
        self.inner.signed().await
    }
    async fn agree_to_sign(&self, holder: Uuid, from: Signed, to: Signed) -> Result<bool> {
        self.pass(Step::BeforeAgree).await;
        let agreed = self.inner.agree_to_sign(holder, from, to).await?;
        self.pass(Step::AfterAgree).await;
        Ok(agreed)
    }
    async fn release_signing(&self, holder: Uuid) -> Result<()> {
        self.inner.release_signing(holder).await
    }
    async fn complaints(&self) -> Result<Vec<String>> {
        self.inner.complaints().await
    }
}
