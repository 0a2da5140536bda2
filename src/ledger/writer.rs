//! Group commit: whoever waits is appended together.
//!
//! What comes in: the groups of many callers at once. What goes out: to each the outcomes of its
//! own. What may fail: the store; then each caller is told, and a failure that may be of one
//! caller's making is found out by appending each alone. What must stay true: a commit is paid
//! once for all who wait for it, and no caller waits for more than the commit before its own; a
//! caller that goes away takes nobody else's answer with it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedMutexGuard, oneshot};

use super::request::LedgerError;
use crate::store::{Group, Outcome, Result, Store, StoreError};

/// Most groups that are appended together, unless one caller alone has more.
const MOST: usize = 4096;

struct Waiting {
    groups: Vec<Group>,
    answer: oneshot::Sender<Result<Vec<Outcome>>>,
}

/// The one place of a process from which a store is appended to.
pub struct Writer {
    store: Arc<dyn Store>,
    queue: Mutex<Vec<Waiting>>,
    /// Held by the append that is under way: the next one takes all who came meanwhile.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Writer {
    /// Before a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            queue: Mutex::default(),
            turn: Arc::default(),
        }
    }

    /// Appends these groups with those of others who wait.
    ///
    /// # Errors
    /// When the store fails; see [`Store::append`].
    pub async fn append(
        &self,
        groups: Vec<Group>,
    ) -> std::result::Result<Vec<Outcome>, LedgerError> {
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let (answer, mut answered) = oneshot::channel();
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Waiting { groups, answer });
        let turn = tokio::select! {
            turn = self.turn.clone().lock_owned() => turn,
            outcomes = &mut answered => return taken(outcomes),
        };
        let callers = self.next();
        if callers.is_empty() {
            // Somebody else took these in the moment before the turn came.
            drop(turn);
        } else {
            // On a task of its own: this caller may go away, and others wait for the same.
            tokio::spawn(append_all(self.store.clone(), callers, turn));
        }
        taken(answered.await)
    }

    /// Those whose turn it is.
    fn next(&self) -> Vec<Waiting> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever went away before its turn wants nothing any more.
        queue.retain(|waiting| !waiting.answer.is_closed());
        let mut most = MOST;
        let mut count = 0;
        for waiting in queue.iter() {
            if count > 0 && waiting.groups.len() > most {
                break;
            }
            most = most.saturating_sub(waiting.groups.len());
            count += 1;
        }
        queue.drain(..count).collect()
    }
}

fn taken(
    answered: std::result::Result<Result<Vec<Outcome>>, oneshot::error::RecvError>,
) -> std::result::Result<Vec<Outcome>, LedgerError> {
    let cut_off = |_| LedgerError::CutOff("the append was cut off; send it again".to_owned());
    Ok(answered.map_err(cut_off)??)
}

async fn append_all(store: Arc<dyn Store>, callers: Vec<Waiting>, turn: OwnedMutexGuard<()>) {
    let mut counts = Vec::with_capacity(callers.len());
    let mut answers = Vec::with_capacity(callers.len());
    let mut all = Vec::new();
    for Waiting { groups, answer } in callers {
        counts.push(groups.len());
        answers.push(answer);
        all.extend(groups);
    }
    let alone = counts.len() == 1;
    let again = (!alone).then(|| all.clone());
    let outcomes = match (store.append(all).await, again) {
        (Ok(outcomes), _) => {
            let mut outcomes = outcomes.into_iter();
            let own = |count: &usize| Ok(outcomes.by_ref().take(*count).collect());
            counts.iter().map(own).collect()
        }
        (Err(error), Some(all)) if error.may_be_of_one_caller() => {
            append_each(store.as_ref(), all, &counts).await
        }
        (Err(error), _) => {
            let others = counts.iter().skip(1).map(|_| Err(error.told_again()));
            let mut each: Vec<Result<Vec<Outcome>>> = others.collect();
            each.push(Err(error));
            each
        }
    };
    // Before the answers: who has got one may close the store.
    drop((store, turn));
    for (answer, outcomes) in answers.into_iter().zip(outcomes) {
        // A caller that went away wants no answer.
        let _ = answer.send(outcomes);
    }
}

/// Appends for each caller alone. Once the store itself is what fails, the rest are told so at
/// once: it was waited for already.
async fn append_each(
    store: &dyn Store,
    all: Vec<Group>,
    counts: &[usize],
) -> Vec<Result<Vec<Outcome>>> {
    let mut groups = all.into_iter();
    let mut each: Vec<Result<Vec<Outcome>>> = Vec::with_capacity(counts.len());
    let mut away: Option<StoreError> = None;
    for count in counts {
        let own: Vec<Group> = groups.by_ref().take(*count).collect();
        let outcomes = match &away {
            Some(error) => Err(error.not_begun()),
            None => store.append(own).await,
        };
        if let Err(error) = &outcomes
            && !error.may_be_of_one_caller()
        {
            away = Some(error.told_again());
        }
        each.push(outcomes);
    }
    each
}

#[cfg(test)]
mod tests;
