//! Which entries moved a count of a closed period.
//!
//! What comes in: offices and periods with what their figures are pinned to, and a number of
//! entries. What goes out: the entries after the pin that moved a count, each with the counts.
//! What may fail: the store, a sealed date that does not open. What must stay true: entries are
//! taken in order, records and offices as they were then; sealed dates are opened for counting
//! alone and do not leave here.

use std::collections::{BTreeSet, HashMap};

use chrono::NaiveDate;
use serde::Serialize;
use uuid::Uuid;

use super::reading::{BATCH, office_of_row};
use super::{App, AppError};
use crate::indicators::counts::Counts;
use crate::indicators::targets::Targets;
use crate::ledger::history::RecordHistory;
use crate::model::code::{GestationBand, RegistrationKind, Source};
use crate::model::entry::Entry;
use crate::model::fields::AnyFields;
use crate::model::id::{OfficeCode, Position};
use crate::model::office::{OfficeDirectory, OfficeFields};
use crate::model::period::Period;
use crate::model::schema::RecordKind;
use crate::model::slot::Slot;
use crate::model::time::parse_date;
use crate::registers::Registers;
use crate::registers::row::{Change, RegisterRow};
use crate::registers::snapshot::{LossFacts, Snapshot};
use crate::report::periods::{PeriodLife, PeriodState};
use crate::report::restatement::{
    CountMoved, Pinned, State, Step, Tracker, counts_moved, judged_at, may_count,
};
use crate::store::StoredEntry;

/// Positions that are read at once: 16 segments of the registers.
const WINDOW: u64 = 1 << 20;

/// An entry that moved a count of one of several periods.
pub(super) struct Late {
    /// Which of them.
    pub(super) pinned: usize,
    pub(super) position: Position,
    pub(super) moved: Vec<CountMoved>,
}

/// An office that became another.
struct OfficeChange {
    position: Position,
    before: Option<OfficeFields>,
    after: OfficeFields,
}

/// A closed period into which an entry came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AfterClose {
    /// Whose period.
    pub office: OfficeCode,
    /// Which.
    pub period: Period,
}

/// The periods that were ever closed, and the offices.
pub struct Closes {
    lives: Vec<PeriodLife>,
    /// One for each, from its first close on.
    pinned: Vec<Pinned>,
    offices: OfficeDirectory,
}

/// Steps that wait for their facts, with the periods that they may concern.
type Waiting = Vec<(Step, Vec<usize>)>;

/// The birth date of a resident, the facts of a pregnancy loss; as far as they open.
type Facts = (Option<NaiveDate>, Option<LossFacts>);

impl App {
    /// How many entries moved a count of each of these periods.
    pub(super) async fn count_late_entries(
        &self,
        pinned: &[Pinned],
        size: u64,
    ) -> Result<Vec<u64>, AppError> {
        let mut counts = vec![0; pinned.len()];
        if pinned.iter().any(|one| one.from < size) {
            let registers = self.registers().await?;
            let targets = self.targets(None)?;
            let late = self.late_entries(&registers, pinned, size, &targets);
            for late in late.await? {
                counts[late.pinned] += 1;
            }
        }
        Ok(counts)
    }

    /// Entries up to `size` that moved a count of one of these periods, in order of position.
    pub(super) async fn late_entries(
        &self,
        registers: &Registers,
        pinned: &[Pinned],
        size: u64,
        targets: &Targets,
    ) -> Result<Vec<Late>, AppError> {
        let Some(from) = pinned.iter().map(|one| one.from).min() else {
            return Ok(Vec::new());
        };
        let (first, last) = (self.offices(from).await?, self.offices(size).await?);
        let concerning = Concerning::new(pinned, [&first, &last]);
        let mut bound = Vec::new();
        for kind in [RecordKind::Disbursement, RecordKind::Return] {
            let wanted = |row: &RegisterRow| !concerning.near(row).is_empty();
            bound.extend(registers.current(kind, from, Some(&wanted))?);
        }
        let mut tracker = Tracker::new(first.clone(), bound, targets);
        let changes = self.office_changes(from, size).await?;
        let mut passed = changes.iter().peekable();
        let mut late = Vec::new();
        for start in (from..size).step_by(usize::try_from(WINDOW).unwrap_or(usize::MAX)) {
            let end = size.min(start.saturating_add(WINDOW));
            let mut steps = concerning.steps(registers, start, end)?;
            self.open_facts(&mut steps, end).await?;
            for (step, of) in steps {
                while let Some(change) = passed.next_if(|change| change.position < step.position) {
                    tracker.offices().insert(change.after.clone());
                }
                let asked: Vec<Pinned> = of.iter().map(|index| pinned[*index]).collect();
                let moved = tracker
                    .step(&step, &asked)
                    .map_err(|error| unwritable(&error))?;
                let moved = of.into_iter().zip(moved);
                late.extend(
                    moved
                        .filter(|(_, moved)| !moved.is_empty())
                        .map(|(pinned, moved)| Late {
                            pinned,
                            position: step.position,
                            moved,
                        }),
                );
            }
        }
        late.extend(
            self.moved_by_offices(registers, pinned, first, &changes, size, targets)
                .await?,
        );
        late.sort_by_key(|one| one.position);
        Ok(late)
    }

    /// What [`Self::after_a_close`] needs to know; it holds until a period is closed or opened.
    ///
    /// # Errors
    /// When the store fails, or an entry is no event of a period.
    pub async fn closes(&self) -> Result<Closes, AppError> {
        let lives = self.period_lives(u64::MAX).await?;
        let (lives, pinned) = lives.into_iter().filter_map(first_close).unzip();
        Ok(Closes {
            lives,
            pinned,
            offices: self.offices(u64::MAX).await?,
        })
    }

    /// Which of these entries moved a count of a period that was closed when they came, by
    /// position. Only public fields are looked at, so that it can stand in a list: of a payment,
    /// whether it fell into the period; of a birth date, the year.
    ///
    /// # Errors
    /// When the store fails, or an entry is none.
    pub async fn after_a_close(
        &self,
        closes: &Closes,
        entries: &[StoredEntry],
    ) -> Result<HashMap<Position, Vec<AfterClose>>, AppError> {
        let Closes {
            lives,
            pinned,
            offices,
        } = closes;
        let mut marks = HashMap::new();
        let from = pinned.iter().map(|one| one.from).min();
        let mut rows = Vec::new();
        for stored in entries {
            if from.is_some_and(|from| stored.position >= from) {
                rows.extend(row_of(stored)?);
            }
        }
        if rows.is_empty() {
            return Ok(marks);
        }
        let concerning = Concerning::new(pinned, [offices, offices]);
        let targets = self.targets(None)?;
        let mut tracker = Tracker::new(offices.clone(), [], &targets);
        let changed = rows.iter().filter(|row| row.version > 1);
        let mut ids: Vec<Uuid> = changed.map(|row| row.record_id).collect();
        ids.dedup();
        let streams = self.ledger.store.streams(&ids).await?;
        for row in &rows {
            let before = match streams.get(&row.record_id) {
                Some(stream) => state_before(stream, row.position)?,
                None => None,
            };
            let mut step = Step::of(before.map(State::unopened), row);
            for state in step.before.iter_mut().chain(step.after.iter_mut()) {
                guess_facts(state);
            }
            let mut of = concerning.of(&step);
            of.retain(|index| lives[*index].state_at(row.position) == PeriodState::Closed);
            let asked: Vec<Pinned> = of.iter().map(|index| pinned[*index]).collect();
            let moved = tracker
                .step(&step, &asked)
                .map_err(|error| unwritable(&error))?;
            for (one, moved) in asked.into_iter().zip(moved) {
                if !moved.is_empty() || is_payment_of(&step, one.period) {
                    let (office, period) = (one.office, one.period);
                    let of_entry: &mut Vec<_> = marks.entry(row.position).or_default();
                    of_entry.push(AfterClose { office, period });
                }
            }
        }
        Ok(marks)
    }

    /// What happened to offices between two numbers of entries.
    async fn office_changes(&self, from: u64, to: u64) -> Result<Vec<OfficeChange>, AppError> {
        let mut known = OfficeDirectory::default();
        let mut changes = Vec::new();
        for (position, after) in self.office_events(to).await? {
            if position >= from {
                let before = known.get(after.code).cloned();
                changes.push(OfficeChange {
                    position,
                    before,
                    after: after.clone(),
                });
            }
            known.insert(after);
        }
        Ok(changes)
    }

    /// From these offices on, those that went below another one, or changed their level, take their records with them.
    async fn moved_by_offices(
        &self,
        registers: &Registers,
        pinned: &[Pinned],
        mut offices: OfficeDirectory,
        changes: &[OfficeChange],
        size: u64,
        targets: &Targets,
    ) -> Result<Vec<Late>, AppError> {
        let went = |change: &OfficeChange| {
            let before = change.before.as_ref();
            before.is_some_and(|before| {
                before.parent != change.after.parent || before.level != change.after.level
            })
        };
        let mut late = Vec::new();
        let mut snapshot: Option<Snapshot> = None;
        for change in changes {
            let before = went(change).then(|| offices.clone());
            offices.insert(change.after.clone());
            let Some(before) = before else {
                continue;
            };
            if snapshot.is_none() {
                snapshot = Some(self.snapshot(registers, size).await?);
            }
            let Some(snapshot) = &mut snapshot else {
                continue;
            };
            for (index, one) in pinned.iter().enumerate() {
                if one.from > change.position {
                    continue;
                }
                let [was, is] = [&before, &offices].map(|offices| {
                    snapshot.offices.clone_from(offices);
                    snapshot.recorded_at = judged_at(snapshot.recorded_at, one.period);
                    Counts::of(snapshot, one.office, one.period, targets)
                });
                let moved = counts_moved(&was, &is).map_err(|error| unwritable(&error))?;
                if !moved.is_empty() {
                    late.push(Late {
                        pinned: index,
                        position: change.position,
                        moved,
                    });
                }
            }
        }
        Ok(late)
    }

    /// Opens the dates that counts of residents and pregnancy losses need.
    async fn open_facts(&self, steps: &mut Waiting, size: u64) -> Result<(), AppError> {
        let mut ids: Vec<Uuid> = steps
            .iter()
            .filter(|(step, of)| !of.is_empty() && has_sealed_facts(step))
            .map(|(step, _)| step.record_id)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let mut facts: HashMap<Position, Facts> = HashMap::new();
        for part in ids.chunks(BATCH) {
            for history in self.histories(part, size).await? {
                facts.extend(facts_by_position(&history));
            }
        }
        for (step, _) in steps {
            for state in step.before.iter_mut().chain(step.after.iter_mut()) {
                if let Some((born_on, loss)) = facts.get(&state.row.position) {
                    state.born_on = *born_on;
                    state.loss.clone_from(loss);
                }
            }
        }
        Ok(())
    }
}

fn unwritable(error: &serde_json::Error) -> AppError {
    AppError::Integrity(format!("counts cannot be written: {error}"))
}

/// A period with the entries since its first close.
fn first_close(life: PeriodLife) -> Option<(PeriodLife, Pinned)> {
    let from = life.closes().next()?.0.position + 1;
    let pinned = Pinned {
        office: life.office,
        period: life.period,
        from,
    };
    Some((life, pinned))
}

fn row_of(stored: &StoredEntry) -> Result<Option<RegisterRow>, AppError> {
    let wrong = |what: String| AppError::Integrity(format!("position {}: {what}", stored.position));
    let entry = Entry::parse(&stored.bytes).map_err(|error| wrong(error.to_string()))?;
    RegisterRow::of(&entry).map_err(|error| wrong(error.to_string()))
}

/// The last row of a record before a position.
fn state_before(
    stream: &[StoredEntry],
    position: Position,
) -> Result<Option<RegisterRow>, AppError> {
    let before = stream
        .iter()
        .rev()
        .find(|stored| stored.position < position);
    let row = before.map(row_of).transpose()?.flatten();
    Ok(row.filter(|row| row.change != Change::Voided))
}

/// The facts of a state as far as its public fields tell them.
fn guess_facts(state: &mut State) {
    match &state.row.fields {
        AnyFields::Registration(fields) => {
            let year = fields.born_year.and_then(|year| i32::try_from(year).ok());
            state.born_on = year.and_then(|year| NaiveDate::from_ymd_opt(year, 1, 1));
        }
        AnyFields::PregnancyLoss(fields) => {
            let month = fields.month.map(Period::first_day);
            state.loss = fields.township.zip(month).map(|(office, day)| LossFacts {
                source: Source::Village,
                office,
                occurred_on: day,
                reported_on: day,
                gestation: fields.gestation_band.unwrap_or(GestationBand::NotStated),
            });
        }
        _ => {}
    }
}

/// Payments count only beside others, which are not looked at here: the day must do.
fn is_payment_of(step: &Step, period: Period) -> bool {
    step.states().any(|state| match &state.row.fields {
        AnyFields::Disbursement(fields) => {
            fields.occurred_on.is_some_and(|day| period.contains(day))
        }
        _ => false,
    })
}

/// Whether a count of the record needs what is sealed.
fn has_sealed_facts(step: &Step) -> bool {
    step.states().any(|state| match &state.row.fields {
        AnyFields::PregnancyLoss(_) => true,
        AnyFields::Registration(fields) => fields.kind == Some(RegistrationKind::Resident),
        _ => false,
    })
}

/// The sealed facts of a record after each of its events.
fn facts_by_position(history: &RecordHistory) -> Vec<(Position, Facts)> {
    let mut values: HashMap<Slot, Option<&str>> = HashMap::new();
    let mut facts = Vec::with_capacity(history.events.len());
    for event in &history.events {
        for opened in event.opened.iter().flatten() {
            let value = opened.value.as_ref().map(|text| text.as_str());
            values.insert(opened.slot, value);
        }
        let value = |slot: Slot| values.get(&slot).copied().flatten();
        let born_on = value(Slot::must("born_on")).and_then(parse_date);
        facts.push((
            event.position,
            (born_on, LossFacts::of(|name| value(Slot::must(name)))),
        ));
    }
    facts
}

/// Which of several periods a record may count for.
struct Concerning<'a> {
    pinned: &'a [Pinned],
    /// By the office whose records may count for them: its township, since programme money is
    /// judged there, or itself.
    below: HashMap<OfficeCode, Vec<usize>>,
    offices: [&'a OfficeDirectory; 2],
}

impl<'a> Concerning<'a> {
    fn new(pinned: &'a [Pinned], offices: [&'a OfficeDirectory; 2]) -> Self {
        let mut below: HashMap<OfficeCode, Vec<usize>> = HashMap::new();
        for (index, one) in pinned.iter().enumerate() {
            for directory in offices {
                let at = below.entry(directory.township_of(one.office)).or_default();
                if at.last() != Some(&index) {
                    at.push(index);
                }
            }
        }
        Self {
            pinned,
            below,
            offices,
        }
    }

    /// The periods that records of the row's office may count for.
    fn near(&self, row: &RegisterRow) -> BTreeSet<usize> {
        let Some(office) = office_of_row(row) else {
            return BTreeSet::new();
        };
        let above = self
            .offices
            .iter()
            .flat_map(|directory| directory.path(office));
        let found = above.filter_map(|office| self.below.get(&office.code));
        found.flatten().copied().collect()
    }

    fn of(&self, step: &Step) -> Vec<usize> {
        let mut of = BTreeSet::new();
        for state in step.states() {
            of.extend(self.near(&state.row).into_iter().filter(|index| {
                let one = &self.pinned[*index];
                one.from <= step.position && may_count(&state.row.fields, one.period)
            }));
        }
        of.into_iter().collect()
    }

    /// What happened between two numbers of entries that may count, in order of position.
    fn steps(&self, registers: &Registers, from: u64, to: u64) -> Result<Waiting, AppError> {
        let mut steps = Vec::new();
        for kind in RecordKind::ALL {
            let bound = matches!(kind, RecordKind::Disbursement | RecordKind::Return);
            for change in registers.changes(kind, from, to)? {
                let mut before = change.before.map(State::unopened);
                for row in &change.rows {
                    let step = Step::of(before.take(), row);
                    before.clone_from(&step.after);
                    let of = self.of(&step);
                    // Whatever others of its kind hang together with is kept up to date.
                    if bound || !of.is_empty() {
                        steps.push((step, of));
                    }
                }
            }
        }
        steps.sort_by_key(|(step, _)| step.position);
        Ok(steps)
    }
}
