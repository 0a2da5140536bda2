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
        match RecordHistory::read(self.id, &self.master, stream.clone(), rows) {
            Err(error) if error.is_of_a_key_that_is_gone() => {
                // Perhaps rotated out between the reading of the row and its opening.
                let rows = self.vault.sealed_at(&positions).await?;
                Ok(RecordHistory::read(self.id, &self.master, stream, rows)?)
            }
            read => Ok(read?),
        }
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
        let of_known =
            |(id, one): (&Uuid, &Prepared)| known.contains_key(id) && one.draft.is_some();
        let again: Vec<bool> = ids.iter().zip(&prepared).map(of_known).collect();
        let drafts = prepared.iter().zip(&again).filter(|(_, again)| **again);
        let drafts: Vec<&Draft> = drafts.filter_map(|(one, _)| one.draft.as_deref()).collect();
        let mut replays = self.replays(&drafts).await?.into_iter();
        let mut answers = Vec::with_capacity(ids.len());
        for ((id, one), again) in ids.into_iter().zip(&prepared).zip(again) {
            if again {
                answers.push(replays.next().ok_or_else(gone)?.map(Committed::of));
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
        let mut answers = self.replays(&[draft]).await?;
        answers.pop().ok_or_else(gone)
    }

    /// The same for many drafts, with two reads for all of them. Sealed fields are opened only to
    /// name the columns that differ.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn replays(
        &self,
        drafts: &[&Draft],
    ) -> Result<Vec<Result<Answer, Refusal>>, LedgerError> {
        let ids: Vec<Uuid> = drafts.iter().map(|draft| self.record_id(draft)).collect();
        let streams = self.store.streams(&ids).await?;
        let positions: Vec<_> = streams
            .values()
            .flatten()
            .map(|entry| entry.position)
            .collect();
        let rows = self.vault.sealed_at(&positions).await?;
        let mut answers = Vec::with_capacity(drafts.len());
        for (id, draft) in ids.iter().zip(drafts) {
            let stream = streams.get(id).ok_or_else(gone)?;
            let first = stream.first().ok_or_else(gone)?;
            let digest = self.keys.content(&draft.content_hash());
            let same = stream.iter().find(|entry| {
                rows.get(&entry.position)
                    .is_some_and(|row| row.content == digest)
            });
            let erased_by = rows.get(&first.position).and_then(|row| row.erased_by);
            let Some(entry) = same.or(erased_by.map(|_| first)) else {
                let history = self.history(*id).await?.ok_or_else(gone)?;
                let mut columns = differences(&history, draft);
                // Of another office's record nothing more is told: whoever guesses its number must
                // not learn by trying which values it has.
                if let Some(office) = columns.iter().position(|column| column == "office") {
                    columns = vec![columns.swap_remove(office)];
                }
                answers.push(Err(Refusal::Different {
                    position: first.position,
                    columns,
                }));
                continue;
            };
            answers.push(Ok(Answer::Replayed {
                receipt: Receipt::of(entry)?,
                erased_by,
            }));
        }
        Ok(answers)
    }
}

fn gone() -> LedgerError {
    LedgerError::CutOff("a stream was there and is gone".to_owned())
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
