//! What is asked for every answer: the offices, and what a token may do.
//!
//! What comes in: the log as it grows, the table of the tokens. What goes out: offices and tokens as
//! they are now. What may fail: the store. What must stay true: what the log said before somebody
//! asked holds for the answer, so that a token that was revoked by any node works nowhere once that
//! has returned; what the table alone says, as it may after a crash or a change by somebody else's
//! hand, holds after [`ROW_AGE`]; only tokens that the ledger's key authenticates are kept.
//!
//! Entries that were read once are not read again: each answer costs one look for what is new in
//! the streams of offices and tokens, and who asks at once looks together ([`Joint`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cqrs_es::Aggregate;
use uuid::Uuid;

use super::joint::Joint;
use super::{App, AppError};
use crate::ledger::aggregate::access::{Access, AccessEvent};
use crate::ledger::aggregate::office::{Office, office_after};
use crate::ledger::request::fold;
use crate::model::entry::Entry;
use crate::model::id::Position;
use crate::model::office::OfficeDirectory;
use crate::model::time::Timestamp;
use crate::store::access::Token;
use crate::store::{Store, StoreError, StoredEntry};

/// How long a row of the tokens' table is taken for what it was.
pub const ROW_AGE: Duration = Duration::from_secs(2);
/// Longest that a look may take, which all wait for: more than the store's own patience, so that
/// only a connection of which nothing is heard any more ends by it.
const LONGEST_LOOK: Duration = Duration::from_secs(25);
/// Most tokens that are kept in mind; with more, it begins anew.
const MOST_TOKENS: usize = 4096;

/// What is known to all who answer.
#[derive(Default)]
pub struct Known {
    looking: Joint<Result<(), Arc<StoreError>>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The first position that was not looked at, of entries of offices and tokens; absent before
    /// the first look.
    next: Option<Position>,
    offices: Arc<OfficeDirectory>,
    /// By the hash of the secret.
    tokens: HashMap<[u8; 32], KnownToken>,
}

/// A token, authenticated.
struct KnownToken {
    row: Token,
    read_at: Instant,
    /// What the ledger says of it.
    access: Access,
}

impl KnownToken {
    /// As it is, unless its row is to be read again.
    fn current(&self) -> Option<&Token> {
        let is_told = self.row.revoked_at.is_some() || !self.access.revoked;
        (is_told && self.read_at.elapsed() < ROW_AGE).then_some(&self.row)
    }
}

fn unreadable(stored: &StoredEntry) -> impl Fn(serde_json::Error) -> StoreError {
    let position = stored.position;
    move |error| StoreError::Integrity {
        position,
        what: error.to_string(),
    }
}

impl State {
    /// Takes note of entries of offices and tokens.
    fn note(&mut self, newer: &[StoredEntry]) -> Result<(), StoreError> {
        let mut offices = None;
        let mut of_tokens: Vec<(Uuid, serde_json::Result<AccessEvent>)> = Vec::new();
        for stored in newer {
            let entry = Entry::parse(&stored.bytes).map_err(unreadable(stored))?;
            if let Some(office) = office_after(&entry).map_err(unreadable(stored))? {
                let offices = offices.get_or_insert_with(|| self.offices.as_ref().clone());
                offices.insert(office);
            } else {
                of_tokens.push((
                    entry.aggregate_id,
                    serde_json::from_str(entry.payload.get()),
                ));
            }
        }
        // All of it, or nothing: what does not read is read again.
        if let Some(offices) = offices {
            self.offices = Arc::new(offices);
        }
        for (id, event) in of_tokens {
            let Ok(event) = event else {
                // As of a later version of this program: whoever comes with that token is told so
                // when its stream is read, and nobody else.
                self.tokens.retain(|_, token| token.row.id != id);
                continue;
            };
            let mut tokens = self.tokens.values_mut();
            if let Some(token) = tokens.find(|token| token.row.id == id) {
                token.access.apply(event);
            }
        }
        Ok(())
    }
}

impl Known {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what is new.
    async fn catch_up(&self, store: &dyn Store) -> Result<(), StoreError> {
        let next = self.lock().next;
        let (newer, end) = if let Some(next) = next {
            let types = [Access::TYPE, Office::TYPE];
            (store.entries_of_types_from(&types, next).await?, next)
        } else {
            // No token is known yet, so that nothing of tokens is new.
            let size = store.head().await?.size;
            (store.entries_of_type(Office::TYPE).await?, size)
        };
        let end = newer.last().map_or(end, |last| end.max(last.position + 1));
        let mut state = self.lock();
        state.note(&newer)?;
        state.next = Some(end);
        Ok(())
    }

    /// Puts a row that was read in the place of an older one of the same token; gives what the
    /// ledger says of it, if that is known.
    fn read_again(&self, row: &Token, read_at: Instant) -> Option<Access> {
        let mut state = self.lock();
        let token = state.tokens.get_mut(&row.hash)?;
        if token.row.id != row.id {
            return None;
        }
        if token.read_at < read_at {
            token.row = row.clone();
            token.read_at = read_at;
        }
        Some(token.access.clone())
    }

    /// Keeps a token whose stream was read when everything before `next` was known.
    fn keep(&self, row: Token, read_at: Instant, access: Access, next: Option<Position>) {
        let mut state = self.lock();
        // Otherwise what came meanwhile may be of this token, and is in neither. What is in both, as
        // what came after the last look, says the same when it is applied twice.
        if state.next != next {
            return;
        }
        if state.tokens.len() >= MOST_TOKENS {
            state.tokens.clear();
        }
        let token = KnownToken {
            row,
            read_at,
            access,
        };
        state.tokens.insert(token.row.hash, token);
    }
}

impl App {
    async fn look(&self) -> Result<(), AppError> {
        let known = &self.shelf.known;
        let store = self.store();
        let look = || async {
            let looked = tokio::time::timeout(LONGEST_LOOK, known.catch_up(store.as_ref())).await;
            let late = |_| StoreError::late("look for what is new of offices and tokens");
            looked.map_err(late).flatten().map_err(Arc::new)
        };
        let looked = known.looking.ask(look).await;
        looked.map_err(|error| {
            let what = error.to_string();
            let told = if error.is_integrity() {
                StoreError::Integrity { position: 0, what }
            } else {
                error.told_again()
            };
            told.into()
        })
    }

    /// The offices as they are now. Entries that were read once are not read again.
    ///
    /// # Errors
    /// When the store fails or an entry does not read.
    pub async fn offices_now(&self) -> Result<Arc<OfficeDirectory>, AppError> {
        self.look().await?;
        Ok(self.offices_known())
    }

    /// The offices as they were when they were last looked at, as for the token of a request.
    #[must_use]
    pub fn offices_known(&self) -> Arc<OfficeDirectory> {
        self.shelf.known.lock().offices.clone()
    }

    /// The token whose secret has this hash, whether it works or not; nothing when there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn token_of_hash(&self, hash: &[u8; 32]) -> Result<Option<Token>, AppError> {
        self.look().await?;
        let known = &self.shelf.known;
        let next = {
            let state = known.lock();
            let token = state.tokens.get(hash).and_then(KnownToken::current);
            if let Some(token) = token {
                return Ok(Some(token.clone()));
            }
            state.next
        };
        let read_at = Instant::now();
        let Some(mut token) = self.tokens().token_of_hash(hash).await? else {
            return Ok(None);
        };
        let id = token.id;
        // Whether it is the one that was asked for is not the database's to say.
        if token.hash != *hash || !self.is_authentic(&token) {
            tracing::error!(token = %id, "this token was not made by this ledger, or was changed");
            return Ok(None);
        }
        let access = if let Some(access) = known.read_again(&token, read_at) {
            access
        } else {
            let stream = self.store().streams(&[id]).await?.remove(&id);
            let access: Access = fold(&stream.unwrap_or_default()).map_err(AppError::Integrity)?;
            if !access.created {
                tracing::error!(token = %id, "the ledger does not know this token");
                return Ok(None);
            }
            known.keep(token.clone(), read_at, access.clone(), next);
            access
        };
        if access.revoked && token.revoked_at.is_none() {
            tracing::error!(token = %id, "the ledger says that this token was revoked");
            token.revoked_at = Some(Timestamp::now());
        }
        Ok(Some(token))
    }
}
