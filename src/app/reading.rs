//! Reading: moments, snapshots, disclosures.

use std::path::Path;

use uuid::Uuid;

use super::error::failed;
use super::history::to_open;
use super::records::sealed_text;
use super::{App, AppError};
use crate::audit::verify::{Scope, Verification, Verifier};
use crate::history::playback::SealedDates;
use crate::ledger::aggregate::NamedRecords;
use crate::ledger::aggregate::disclosure::{Disclosure, DisclosureCommand};
use crate::ledger::history::RecordHistory;
use crate::ledger::request::{For, Receipt};
use crate::model::entry::leaf_hash;
use crate::model::fields::AnyFields;
use crate::model::id::OfficeCode;
use crate::model::slot::Slot;
use crate::model::time::Timestamp;
use crate::registers::Registers;
use crate::registers::fold::size_at;
use crate::registers::row::RegisterRow;
use crate::registers::snapshot::Snapshot;
use crate::seal::checkpoint::MAX_NOTE_BYTES;
use crate::seal::merkle::{Hash, root_of_leaves};
use crate::seal::policy::Policy;
use crate::seal::sealer::SealError;
use crate::seal::state::SignedState;

/// Records whose sealed fields are opened at once.
pub(super) const BATCH: usize = 2048;

/// A moment in the history of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AsOf {
    /// Now.
    Head,
    /// Including the entry at this position.
    Position(u64),
    /// Including what was recorded by then.
    Moment(Timestamp),
    /// What a checkpoint covers that somebody kept: a signed note, not looked at yet.
    Checkpoint(Vec<u8>),
}

impl AsOf {
    /// Reads a position, an RFC 3339 time, a date, which means the end of that day, or the name of
    /// a file with a checkpoint; a file whose name is one of the others is written `./NAME`.
    ///
    /// # Errors
    /// When it is none of them, or the file cannot be read.
    pub fn named(text: &str) -> Result<Self, AppError> {
        let is_position = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let read = if is_position {
            text.parse().ok().map(Self::Position)
        } else {
            Timestamp::parse_moment(text).map(Self::Moment)
        };
        if let Some(read) = read {
            return Ok(read);
        }
        let path = Path::new(text);
        if path.is_file() {
            return read_at_most(path, MAX_NOTE_BYTES).map(Self::Checkpoint);
        }
        Err(AppError::Usage(format!(
            "{text} is neither a position nor a time, and no file of a checkpoint; write 1234, 2014-06-30, 2014-06-30T12:00:00+08:00 or checkpoint-2014-06-30.note"
        )))
    }
}

/// Reads a file, up to one byte more than it may have: whoever reads it refuses that.
///
/// # Errors
/// When the file system fails.
pub fn read_at_most(path: &Path, most: usize) -> Result<Vec<u8>, AppError> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(failed("read", path))?;
    let mut bytes = Vec::new();
    let read = file.take(most as u64 + 1).read_to_end(&mut bytes);
    read.map_err(failed("read", path))?;
    Ok(bytes)
}

/// Records as an entry names them: by their ids, or by the root over them when they are many.
pub(super) fn named_records(ids: Vec<Uuid>) -> NamedRecords {
    NamedRecords::of(ids, |ids| {
        let leaves = ids.iter().map(|id| Hash(leaf_hash(id.as_bytes())));
        root_of_leaves(&leaves.collect::<Vec<_>>()).0
    })
}

impl App {
    /// How many entries there were at a moment.
    ///
    /// # Errors
    /// When the store fails, the position is beyond the end, or the checkpoint is not one of this
    /// log ([`AppError::Integrity`]).
    pub async fn size_at(&self, as_of: AsOf) -> Result<u64, AppError> {
        let head = self.ledger.store.head().await?;
        match as_of {
            AsOf::Head => Ok(head.size),
            AsOf::Position(position) if position < head.size => Ok(position + 1),
            AsOf::Position(position) => Err(AppError::Usage(format!(
                "position {position} is beyond the end of the log, which has {} entries",
                head.size
            ))),
            AsOf::Moment(moment) => Ok(size_at(self.ledger.store.as_ref(), moment).await?),
            AsOf::Checkpoint(note) => self.size_of_kept(&note).await,
        }
    }

    /// How many entries a kept checkpoint covers. It has to be signed by every key that signs at
    /// its size, and its root to be that of the first so many entries, by the stored tiles.
    async fn size_of_kept(&self, note: &[u8]) -> Result<u64, AppError> {
        let policy = Policy::of_logs(self.named_now().await?);
        let extended = self.extends(note, &policy).await?;
        let opened = self.sealer.roster().await?.open(note);
        opened.map_err(|error| AppError::Integrity(format!("the kept checkpoint: {error}")))?;
        Ok(extended.size)
    }

    /// What was current at a moment, for reports. Sealed dates are opened for counting only and
    /// do not leave the snapshot's reader.
    ///
    /// # Errors
    /// When the store fails or a sealed field does not open.
    pub async fn snapshot(&self, registers: &Registers, size: u64) -> Result<Snapshot, AppError> {
        let mut snapshot = self.bare_snapshot(registers, size).await?;
        let mut sealed = SealedDates::default();
        self.open_dates(&to_open(&snapshot), size, &mut sealed)
            .await?;
        sealed.put_into(&mut snapshot);
        Ok(snapshot)
    }

    /// The history of a record up to a number of entries, opened; nothing when there was none.
    ///
    /// # Errors
    /// When the store fails or a sealed field does not open.
    pub async fn history_at(&self, id: Uuid, size: u64) -> Result<Option<RecordHistory>, AppError> {
        Ok(self.histories(&[id], size).await?.pop())
    }

    /// The histories of records up to a number of entries, opened.
    pub(super) async fn histories(
        &self,
        ids: &[Uuid],
        size: u64,
    ) -> Result<Vec<RecordHistory>, AppError> {
        match self.read_histories(ids, size).await {
            // Perhaps rotated out between the reading of the rows and their opening.
            Err(AppError::History(error)) if error.is_of_a_key_that_is_gone() => {
                self.read_histories(ids, size).await
            }
            read => read,
        }
    }

    async fn read_histories(
        &self,
        ids: &[Uuid],
        size: u64,
    ) -> Result<Vec<RecordHistory>, AppError> {
        let streams = self.ledger.store.streams(ids).await?;
        let positions: Vec<u64> = streams
            .values()
            .flatten()
            .map(|entry| entry.position)
            .collect();
        let mut rows = self.ledger.vault.sealed_at(&positions).await?;
        let mut histories = Vec::with_capacity(ids.len());
        for mut stream in streams.into_values() {
            stream.retain(|entry| entry.position < size);
            let of_stream = stream
                .iter()
                .filter_map(|entry| Some((entry.position, rows.remove(&entry.position)?)))
                .collect();
            let ledger = &self.ledger;
            histories.extend(RecordHistory::read(
                ledger.id,
                &ledger.master,
                stream,
                of_stream,
            )?);
        }
        Ok(histories)
    }

    /// Records that sealed fields of these records are shown, and for what purpose.
    ///
    /// # Errors
    /// When there is no purpose, or the store fails.
    pub async fn disclose(
        &self,
        ids: Vec<Uuid>,
        slots: Vec<Slot>,
        purpose: &str,
    ) -> Result<Receipt, AppError> {
        let actor = self.actor.clone();
        let records = named_records(ids);
        let purpose = sealed_text("purpose", purpose)?;
        let disclose = For::<Disclosure>::new(Uuid::new_v8(rand::random()), move |commitments| {
            DisclosureCommand::Disclose {
                actor: actor.clone(),
                commitments,
                records: records.clone(),
                slots: slots.clone(),
            }
        });
        let disclose = disclose.with_sealed(Some((Slot::PURPOSE, purpose)));
        let context = self.context(None);
        let answer = self.ledger.execute_one(&context, disclose.command());
        let answer = answer.await??;
        self.seal().await?;
        Ok(answer.receipt().clone())
    }

    /// What was signed last, with the notes that the store had at that moment: read until no seal
    /// came in between.
    ///
    /// # Errors
    /// When the state or the store cannot be read.
    pub async fn signed(&self) -> Result<(SignedState, Vec<(u64, Vec<u8>)>), AppError> {
        let read = || self.state.read().map_err(SealError::from);
        let mut signed = read()?;
        loop {
            let checkpoints = self.ledger.store.checkpoints().await?;
            let before = std::mem::replace(&mut signed, read()?);
            if before == signed {
                return Ok((signed, checkpoints));
            }
        }
    }

    /// Checks everything that can be checked.
    ///
    /// # Errors
    /// When something cannot be read at all.
    pub async fn verify(
        &self,
        scope: Scope,
        progress: impl FnMut(u64),
    ) -> Result<Verification, AppError> {
        let (signed, checkpoints) = self.signed().await?;
        // What is compared is what readers see, so the registers are brought up to date first. If
        // that fails, the log is checked all the same: it says best what is wrong.
        let registers = match scope {
            Scope::Everything => Some(self.registers().await),
            Scope::Log => None,
        };
        let cosigned = self.cosigned()?;
        let verifier = Verifier {
            ledger: self.ledger.clone(),
            signed: &signed,
            checkpoints: &checkpoints,
            cosigned: Some(&cosigned),
            registers: registers.as_ref().and_then(|opened| opened.as_ref().ok()),
        };
        let report = verifier.run(scope, progress).await?;
        match registers {
            Some(Err(error)) if report.wrong.is_none() => Err(error),
            _ => Ok(report),
        }
    }
}

/// The office of a row, for filters: of a pregnancy loss, its township.
#[must_use]
pub fn office_of_row(row: &RegisterRow) -> Option<OfficeCode> {
    let name = if matches!(row.fields, AnyFields::PregnancyLoss(_)) {
        "township"
    } else {
        "office"
    };
    row.fields
        .get(name)
        .and_then(|value| OfficeCode::parse(&value.to_string()))
}
