//! A record that is sent again: the same content is a replay, another one is refused.
//!
//! What comes in: a draft whose record exists. What goes out: the receipt of the event with that
//! content, or the names of the columns that differ. What may fail: the store. What must stay
//! true: an erased record stays erased, whatever is sent.

use std::collections::HashMap;

use uuid::Uuid;

use super::execute::{Committed, Ledger, Prepared};
use super::history::RecordHistory;
use super::request::{Answer, LedgerError, Receipt, Refusal};
use crate::model::fields::AnyFields;
use crate::model::record::Draft;
use crate::model::schema::RecordKind;

impl Ledger {
    /// Reads and opens a record.
    ///
    /// # Errors
    /// When the store fails or the record cannot be read.
    pub async fn history(&self, record_id: Uuid) -> Result<Option<RecordHistory>, LedgerError> {
        let mut streams = self.store.streams(&[record_id]).await?;
        let stream = streams.remove(&record_id).unwrap_or_default();
        let positions: Vec<_> = stream.iter().map(|entry| entry.position).collect();
        let rows = self.vault.sealed_at(&positions).await?;
        Ok(RecordHistory::read(self.id, &self.master, stream, rows)?)
    }

    /// What [`Self::commit_records`] would answer now; appends nothing. `seen` holds the digest of
    /// the content of every record that was asked about before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn would_commit(
        &self,
        prepared: Vec<Prepared>,
        seen: &mut HashMap<Uuid, Vec<u8>>,
    ) -> Result<Vec<Result<Committed, Refusal>>, LedgerError> {
        let ids: Vec<Uuid> = prepared.iter().filter_map(Prepared::stream).collect();
        let known = self.store.streams(&ids).await?;
        let mut answers = Vec::with_capacity(ids.len());
        for (id, one) in ids.into_iter().zip(prepared) {
            if let Some(draft) = one.draft.as_ref().filter(|_| known.contains_key(&id)) {
                let replayed = self.replay(draft).await?;
                answers.push(replayed.map(Committed::of));
                continue;
            }
            let content = one.content();
            answers.push(match seen.get(&id) {
                None => {
                    seen.insert(id, content);
                    Ok(Committed::Recorded { position: 0 })
                }
                Some(first) if *first == content => Ok(Committed::Replayed { erased_by: None }),
                Some(_) => Err(Refusal::Twice),
            });
        }
        Ok(answers)
    }

    /// A draft whose record exists: the same content is a replay, another one is refused.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn replay(&self, draft: &Draft) -> Result<Result<Answer, Refusal>, LedgerError> {
        let Some(history) = self.history(self.record_id(draft)).await? else {
            return Err(LedgerError::CutOff(
                "a stream was there and is gone".to_owned(),
            ));
        };
        let digest = self.keys.content(&draft.content_hash());
        let same = history.events.iter().find(|life| {
            history
                .rows
                .get(&life.position)
                .is_some_and(|row| row.content == digest)
        });
        let first = history
            .events
            .first()
            .ok_or_else(|| LedgerError::CutOff("empty".into()))?;
        let life = match (same, history.erased_by) {
            (Some(life), _) => life,
            (None, Some(_)) => first,
            (None, None) => {
                let columns = differences(&history, draft);
                return Ok(Err(Refusal::Different {
                    position: first.position,
                    columns,
                }));
            }
        };
        let stored = crate::store::StoredEntry {
            position: life.position,
            bytes: life.bytes.clone(),
        };
        Ok(Ok(Answer::Replayed {
            receipt: Receipt::of(&stored)?,
            erased_by: history.erased_by,
        }))
    }
}

/// Names of the columns in which a draft differs from the current state of its record.
fn differences(history: &RecordHistory, draft: &Draft) -> Vec<String> {
    let before = history.fields();
    let kind: RecordKind = history.kind;
    let public = AnyFields::columns(kind)
        .iter()
        .filter(|(name, _)| before.and_then(|fields| fields.get(name)) != draft.fields.get(name));
    let mut names: Vec<String> = public.map(|(name, _)| (*name).to_owned()).collect();
    for (slot, value) in &draft.sealed {
        if history.value(*slot).map(|text| text.as_str()) != value.as_deref() {
            names.push(slot.name().to_owned());
        }
    }
    if names.is_empty() {
        names.push("woman_id_no".to_owned());
    }
    names.sort_unstable();
    names.dedup();
    names
}
