//! What was refused to whom, on its way to the ledger.
//!
//! What comes in: refused requests of known tokens. What goes out: now and then one entry for each
//! token, in its stream. What may fail: the store; what was not put down then is kept for the next
//! time. What must stay true: memory is bounded: of each token so many refusals are kept as an
//! entry lists, and of the others their number. Requests without a working token are no entry:
//! anybody could make the log grow by them. They are counted and in the server's own log.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::app::{App, AppError};
use crate::ledger::aggregate::access::{Access, RefusedRequest};

/// Of one token.
#[derive(Default)]
struct Kept {
    count: u64,
    first: Vec<RefusedRequest>,
}

/// Refusals that are not on the ledger yet.
#[derive(Default)]
pub struct Refusals(Mutex<HashMap<Uuid, Kept>>);

impl Refusals {
    /// Keeps one.
    pub fn keep(&self, token: Uuid, refused: RefusedRequest) {
        self.add(token, 1, vec![refused]);
    }

    fn add(&self, token: Uuid, count: u64, refused: Vec<RefusedRequest>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.entry(token).or_default();
        kept.count += count;
        let room = Access::MAX_REFUSALS.saturating_sub(kept.first.len());
        kept.first.extend(refused.into_iter().take(room));
    }

    fn take(&self) -> HashMap<Uuid, Kept> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts them on the ledger.
    ///
    /// # Errors
    /// When the store fails; what is left is put down the next time.
    pub async fn put_down(&self, app: &App) -> Result<(), AppError> {
        let mut failed = Ok(());
        for (token, kept) in self.take() {
            if failed.is_err() {
                self.add(token, kept.count, kept.first);
                continue;
            }
            let first = kept.first.clone();
            let done = app.log_refusals(token, kept.count, first).await;
            match done {
                Ok(()) => {}
                // A token of another ledger's file: nothing can be put down, now or later.
                Err(error) if error.is_of_one_request() => {
                    tracing::error!(%error, %token, "a refusal cannot be put on the ledger");
                }
                Err(error) => {
                    self.add(token, kept.count, kept.first);
                    failed = Err(error);
                }
            }
        }
        failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    #[test]
    fn memory_is_bounded_and_nothing_is_uncounted() {
        let refusals = Refusals::default();
        let token = Uuid::from_u128(1);
        for _ in 0..250 {
            refusals.keep(
                token,
                RefusedRequest {
                    at: Timestamp::default(),
                    method: "GET".to_owned(),
                    problem: "not-permitted".to_owned(),
                    route: "/v1/findings".to_owned(),
                },
            );
        }
        let kept = refusals.take().remove(&token).unwrap();
        assert_eq!((kept.count, kept.first.len()), (250, Access::MAX_REFUSALS));
        assert!(refusals.take().is_empty());
    }
}
