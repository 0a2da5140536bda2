//! What moved the figures of closed periods.
//!
//! What comes in: an office, a period that was closed, and a number of entries. What goes out: a
//! [`Restatement`] with the figures that moved and the entries that moved them. What may fail:
//! the store, a sealed date that does not open. What must stay true: figures are those of two
//! full reports; only entries after the pin are named; a reason is shown only after an entry
//! says so.

use std::collections::HashMap;

use serde::Serialize;
use uuid::Uuid;

use super::late::Late;
use super::reading::BATCH;
use super::{App, AppError};
use crate::indicators::plan::PlanSource;
use crate::indicators::targets::Targets;
use crate::ledger::history::{AnyRecordEvent, What};
use crate::ledger::sealing::{RecordKeys, Sealer};
use crate::locale::{Bilingual, Note};
use crate::model::entry::Entry;
use crate::model::id::{OfficeCode, Position};
use crate::model::period::Period;
use crate::model::schema::RecordKind;
use crate::model::slot::{Role, Slot};
use crate::model::time::Timestamp;
use crate::registers::row::Change;
use crate::registers::views::period::Pin;
use crate::report::HalfYearReport;
use crate::report::periods::{Act, Did, PeriodLife, PeriodState};
use crate::report::restatement::{CountMoved, Moved, Pinned, judged_at, moved};

/// Whether somebody said why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A first report or a change of an office has none.
    None,
    /// It is sealed.
    Sealed,
    /// It was sealed and is erased.
    Erased,
}

/// An entry that moved a count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// Where it stands.
    pub position: Position,
    /// The record, or the stream of the office.
    pub record_id: Uuid,
    /// The kind of record, or `office`.
    pub kind: String,
    /// When the ledger learned of it.
    pub recorded_at: Timestamp,
    /// Who acted.
    pub actor: String,
    /// The office that it concerns.
    pub office: Option<String>,
    /// `recorded`, `corrected`, `voided`; of an office `changed`.
    pub change: &'static str,
    /// Whether a reason was given.
    pub reason: Reason,
    /// The reason; only when it was unsealed.
    pub reason_text: Option<String>,
    /// How the period stood when it came.
    pub period_was: PeriodState,
    /// The counts that it moved.
    pub moved: Vec<CountMoved>,
}

/// Somebody opened the period again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reopening {
    /// Where the entry stands.
    pub position: Position,
    /// When the ledger learned of it.
    pub recorded_at: Timestamp,
    /// Who acted.
    pub actor: String,
    /// Who agreed.
    pub second_actor: String,
    /// The reason; only when it was unsealed.
    pub reason_text: Option<String>,
}

/// What became of the figures of a closed period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restatement {
    /// Name and version of this structure.
    pub format: &'static str,
    /// Whose.
    pub office: OfficeCode,
    /// Its name.
    pub name: Bilingual,
    /// Which.
    pub period: Period,
    /// How the period stands.
    pub state: PeriodState,
    /// Which close it is measured from, 1-based.
    pub close: u64,
    /// What that close pinned.
    pub pinned: Pin,
    /// When it was recorded.
    pub closed_at: Timestamp,
    /// By whom.
    pub closed_by: String,
    /// The last entry that is looked at.
    pub position: Position,
    /// Whether the ledger's clock is simulated.
    pub simulated_clock: bool,
    /// What indicators and due dates are held against.
    pub plan: PlanSource,
    /// Figures that moved.
    pub figures: Vec<Moved>,
    /// Entries that moved a count, in order, also where another one moved it back.
    pub entries: Vec<Cause>,
    /// When the period was opened again since.
    pub reopenings: Vec<Reopening>,
    /// What should be known beside it.
    pub notes: Vec<Note>,
}

impl App {
    /// What became of the figures of a period since a close of it, by default the last.
    ///
    /// # Errors
    /// When it was never closed, or not so often, the store fails, or a sealed date does not open.
    pub async fn restatement(
        &self,
        office: OfficeCode,
        period: Period,
        close: Option<u64>,
        size: u64,
        targets: &Targets,
    ) -> Result<Restatement, AppError> {
        let life = self.period_life(office, period, size).await?;
        let (number, act, pin) = close_of(&life, close)?;
        let pinned = Pinned {
            office,
            period,
            from: pin.position + 1,
        };
        let registers = self.registers().await?;
        let mut snapshots = self.both_snapshots(&registers, [pinned.from, size]).await?;
        for snapshot in &mut snapshots {
            snapshot.recorded_at = judged_at(snapshot.recorded_at, period);
        }
        let [start, end] = &snapshots;
        let before = HalfYearReport::build(start, office, period, targets)?;
        let after = HalfYearReport::build(end, office, period, targets)?;
        let township = end.offices.township_of(office);
        let figures = moved(&before, &after);
        let late = self
            .late_entries(&registers, &[pinned], size, targets)
            .await?;
        let mut entries = self.causes(&life, late).await?;
        let mut notes = after.notes;
        notes.retain(|note| note.id == "age_not_known");
        if township != office {
            notes.extend(without_losses(&mut entries));
        }
        Ok(Restatement {
            format: "vitaledger-restatement/1",
            office,
            name: after.head.office.name,
            period,
            state: life.state(),
            close: number,
            pinned: pin.clone(),
            closed_at: act.recorded_at,
            closed_by: act.actor.clone(),
            position: size.saturating_sub(1),
            simulated_clock: self.ledger.simulated,
            plan: targets.source.clone(),
            figures,
            entries,
            reopenings: reopenings(&life, act.position),
            notes,
        })
    }

    /// Says beside each entry what its line in a restatement needs.
    async fn causes(&self, life: &PeriodLife, late: Vec<Late>) -> Result<Vec<Cause>, AppError> {
        let positions: Vec<u64> = late.iter().map(|one| one.position).collect();
        let mut causes = Vec::with_capacity(late.len());
        let mut rows = HashMap::new();
        for part in positions.chunks(BATCH) {
            rows.extend(self.ledger.vault.sealed_at(part).await?);
        }
        for one in late {
            let position = one.position;
            let wrong = |what: String| AppError::Integrity(format!("position {position}: {what}"));
            let stored = self.ledger.store.entry(position).await?;
            let stored = stored.ok_or_else(|| wrong("there is no entry".to_owned()))?;
            let entry = Entry::parse(&stored.bytes).map_err(|error| wrong(error.to_string()))?;
            let erased = rows
                .get(&position)
                .is_some_and(|row| row.erased_by.is_some());
            let (change, reason) = what_happened(&entry, erased).map_err(wrong)?;
            causes.push(Cause {
                position,
                record_id: entry.aggregate_id,
                kind: entry.aggregate_type.to_string(),
                recorded_at: entry.recorded_at,
                actor: entry.metadata("actor").unwrap_or_default().to_owned(),
                office: entry.metadata("office").map(str::to_owned),
                change,
                reason,
                reason_text: None,
                period_was: life.state_at(position),
                moved: one.moved,
            });
        }
        Ok(causes)
    }

    /// Shows the reasons of a restatement, after an entry that says so.
    ///
    /// # Errors
    /// When there is no purpose, a reason does not open, or the store fails.
    pub async fn unseal_reasons(
        &self,
        restatement: &mut Restatement,
        purpose: &str,
    ) -> Result<Position, AppError> {
        let life = self
            .period_life(restatement.office, restatement.period, u64::MAX)
            .await?;
        let sealed = restatement.entries.iter();
        let mut ids: Vec<Uuid> = sealed
            .filter(|cause| cause.reason == Reason::Sealed)
            .map(|cause| cause.record_id)
            .collect();
        if !restatement.reopenings.is_empty() {
            ids.push(life.id);
        }
        if ids.is_empty() {
            let what = "no entry of this restatement has a reason that could be shown";
            return Err(AppError::Usage(what.to_owned()));
        }
        ids.sort_unstable();
        ids.dedup();
        let shown = self
            .disclose(ids.clone(), vec![Slot::REASON], purpose)
            .await?;
        let mut reasons: HashMap<Position, String> = HashMap::new();
        ids.retain(|id| *id != life.id);
        for part in ids.chunks(BATCH) {
            for history in self.histories(part, u64::MAX).await? {
                for event in &history.events {
                    let opened = event.opened.iter().flatten();
                    let mut own = opened.filter(|opened| opened.slot == Slot::REASON);
                    if let Some(text) = own.next().and_then(|reason| reason.value.as_ref()) {
                        reasons.insert(event.position, text.to_string());
                    }
                }
            }
        }
        for cause in &mut restatement.entries {
            cause.reason_text = reasons.remove(&cause.position);
        }
        for reopening in &mut restatement.reopenings {
            let act = life
                .acts
                .iter()
                .find(|act| act.position == reopening.position);
            if let Some(act) = act {
                reopening.reason_text = self.reason_of(act).await?;
            }
        }
        Ok(shown.position)
    }

    /// The reason for which a period was opened again.
    async fn reason_of(&self, act: &Act) -> Result<Option<String>, AppError> {
        let Did::Reopened { commitments, .. } = &act.did else {
            return Ok(None);
        };
        let wrong =
            |what: String| AppError::Integrity(format!("position {}: {what}", act.position));
        let mut rows = self.ledger.vault.sealed_at(&[act.position]).await?;
        let row = rows
            .remove(&act.position)
            .ok_or_else(|| wrong("the vault has no row for it".to_owned()))?;
        if row.erased_by.is_some() {
            return Ok(None);
        }
        let (ledger, event) = (self.ledger.id, act.event_id);
        let keys = RecordKeys::open(&row.keys, &self.ledger.master, ledger, event)
            .map_err(|error| wrong(error.to_string()))?;
        let opened = Sealer::new(ledger, event)
            .open(&keys, |_| Role::Record, commitments, &row.slots)
            .map_err(|error| wrong(error.to_string()))?;
        let reason = opened
            .into_iter()
            .find(|opened| opened.slot == Slot::REASON);
        Ok(reason.and_then(|reason| reason.value.map(|text| text.to_string())))
    }
}

/// The close that is meant, its number and its pin.
fn close_of(life: &PeriodLife, close: Option<u64>) -> Result<(u64, &Act, &Pin), AppError> {
    let times = life.closes().count() as u64;
    let number = close.unwrap_or(times);
    let (office, period) = (life.office, life.period);
    let found = usize::try_from(number)
        .ok()
        .and_then(|number| number.checked_sub(1))
        .and_then(|index| life.closes().nth(index));
    let (act, pin) = found.ok_or_else(|| {
        AppError::Usage(if times == 0 {
            format!("period {period} of office {office} was never closed, so nothing is restated")
        } else {
            format!("period {period} of office {office} was closed {times} times; there is no close {number}")
        })
    })?;
    Ok((number, act, pin))
}

/// Takes out entries of pregnancy losses: which office below the township reported one is sealed,
/// and naming it in that office's restatement would tell.
fn without_losses(entries: &mut Vec<Cause>) -> Option<Note> {
    let before = entries.len();
    entries.retain(|cause| cause.kind != RecordKind::PregnancyLoss.as_str());
    let taken = before - entries.len();
    (taken > 0).then(|| Note::new("losses_not_named", &[("entries", &taken.to_string())]))
}

fn reopenings(life: &PeriodLife, after: Position) -> Vec<Reopening> {
    let since = life.acts.iter().filter(|act| act.position > after);
    since
        .filter_map(|act| match &act.did {
            Did::Reopened { second_actor, .. } => Some(Reopening {
                position: act.position,
                recorded_at: act.recorded_at,
                actor: act.actor.clone(),
                second_actor: second_actor.clone(),
                reason_text: None,
            }),
            Did::Opened | Did::Closed(_) => None,
        })
        .collect()
}

/// What an entry did, and whether it says why.
fn what_happened(entry: &Entry<'_>, erased: bool) -> Result<(&'static str, Reason), String> {
    let Some(kind) = RecordKind::of_type(&entry.aggregate_type) else {
        return Ok(("changed", Reason::None));
    };
    let event = AnyRecordEvent::parse(kind, entry.payload.get()).map_err(|e| e.to_string())?;
    let reason = match event.commitments.get(Slot::REASON) {
        None => Reason::None,
        Some(_) if erased => Reason::Erased,
        Some(_) => Reason::Sealed,
    };
    let change = match event.what {
        What::Recorded => Change::Recorded,
        What::Corrected(_) => Change::Corrected,
        What::Voided => Change::Voided,
    };
    Ok((change.as_str(), reason))
}
