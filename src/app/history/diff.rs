//! Two moments told apart.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::Datelike;
use uuid::Uuid;

use super::{known_office, name_of, to_open, top_offices};
use crate::app::reading::office_of_row;
use crate::app::{App, AppError};
use crate::history::difference::{
    Difference, EntryFacts, RecordDifference, office_changes, years_counted, years_touched,
};
use crate::history::movement::Movement;
use crate::history::numbers::Numbers;
use crate::history::playback::SealedDates;
use crate::indicators::counts::Counts;
use crate::indicators::targets::Targets;
use crate::ledger::history::AnyRecordEvent;
use crate::model::entry::Entry;
use crate::model::id::{OfficeCode, Position};
use crate::model::office::OfficeDirectory;
use crate::model::period::Period;
use crate::model::schema::RecordKind;
use crate::registers::Registers;
use crate::registers::changes::RecordChange;
use crate::registers::snapshot::Snapshot;
use crate::report::ReportError;

/// Entries that are read at once.
const BATCH_ENTRIES: u64 = 2048;

/// What of a difference is asked for.
#[derive(Debug, Clone, Default)]
pub struct DiffOptions {
    /// Records of this office and those below it, and its numbers; all records and the numbers of
    /// the offices that have none above them when there is none.
    pub office: Option<OfficeCode>,
    /// Records of this kind only.
    pub kind: Option<RecordKind>,
    /// The period that is counted; the years that the changes touch when there is none.
    pub period: Option<Period>,
    /// What indicators are held against.
    pub targets: Targets,
}

/// What the entries of a stretch say beside their rows.
#[derive(Default)]
struct Between {
    facts: HashMap<Position, EntryFacts>,
    entries: BTreeMap<String, u64>,
}

impl App {
    /// What is other at the second number of entries than at the first, which is not larger.
    ///
    /// # Errors
    /// When the first is larger, the office is not known at the second, the store fails, or a
    /// sealed date does not open.
    pub async fn diff(
        &self,
        from: u64,
        to: u64,
        options: &DiffOptions,
    ) -> Result<Difference, AppError> {
        if from > to {
            return Err(AppError::Usage(format!(
                "the first moment ({from} entries) is after the second ({to} entries); give the earlier one first"
            )));
        }
        let registers = self.registers().await?;
        let (before, after) = (self.offices(from).await?, self.offices(to).await?);
        if let Some(office) = options.office {
            known_office(&after, office)?;
        }
        let mut between = self.between(from, to).await?;
        let mut records = Vec::new();
        let mut years = BTreeSet::new();
        for kind in RecordKind::ALL {
            if options.kind.is_some_and(|wanted| wanted != kind) {
                continue;
            }
            for change in registers.changes(kind, from, to)? {
                if takes(&change, options.office, [&before, &after]) {
                    let sides = change.before.iter().chain(&change.after);
                    years.extend(sides.flat_map(years_touched));
                    records.push(RecordDifference::of(kind, &change, &mut between.facts));
                }
            }
        }
        records.sort_by_key(RecordDifference::position);
        let offices = office_changes(&before, &after);
        let (from_moment, to_moment) = (self.moment(from).await?, self.moment(to).await?);
        // Offices that moved take their numbers along, whether or not a record changed.
        if years.is_empty() && !offices.is_empty() {
            years.extend(to_moment.recorded_at.map(|at| at.date().year()));
        }
        let (periods, years_left_out) = match options.period {
            Some(period) => (vec![period], 0),
            None => years_counted(&years),
        };
        let tops = options
            .office
            .map_or_else(|| top_offices(&after), |o| vec![o]);
        let movements = self
            .movements(&registers, [from, to], &tops, &periods, &options.targets)
            .await?;
        Ok(Difference {
            from: from_moment,
            to: to_moment,
            records,
            offices,
            entries: between.entries,
            movements,
            years_left_out,
            simulated_clock: self.ledger.simulated,
        })
    }

    /// Reads the entries of a stretch once.
    async fn between(&self, from: u64, to: u64) -> Result<Between, AppError> {
        let mut between = Between::default();
        let mut next = from;
        while next < to {
            let limit = BATCH_ENTRIES.min(to - next);
            let stored = self.ledger.store.entries(next, limit).await?;
            if stored.is_empty() {
                let what = format!("there is no entry at position {next}");
                return Err(AppError::Integrity(what));
            }
            for stored in stored {
                let wrong = |error: serde_json::Error| {
                    AppError::Integrity(format!("position {}: {error}", stored.position))
                };
                let entry = Entry::parse(&stored.bytes).map_err(wrong)?;
                let kind = RecordKind::of_type(&entry.aggregate_type);
                if let Some(kind) = kind {
                    let event = AnyRecordEvent::parse(kind, entry.payload.get()).map_err(wrong)?;
                    let facts = EntryFacts::of(|name| entry.metadata(name), &event.what);
                    between.facts.insert(stored.position, facts);
                }
                *between
                    .entries
                    .entry(entry.aggregate_type.into_owned())
                    .or_default() += 1;
                next = stored.position + 1;
            }
        }
        Ok(between)
    }

    /// The numbers of offices and periods at both moments.
    async fn movements(
        &self,
        registers: &Registers,
        sizes: [u64; 2],
        offices: &[OfficeCode],
        periods: &[Period],
        targets: &Targets,
    ) -> Result<Vec<Movement>, AppError> {
        if offices.is_empty() || periods.is_empty() {
            return Ok(Vec::new());
        }
        let [before, after] = self.both_snapshots(registers, sizes).await?;
        let numbers = |snapshot: &Snapshot, office, period| {
            let counts = Counts::of(snapshot, office, period, targets);
            Numbers::of(&counts, targets).map_err(ReportError::from)
        };
        let mut movements = Vec::new();
        for office in offices {
            for period in periods {
                let name = name_of(&after.offices, *office);
                let earlier = numbers(&before, *office, *period)?;
                let later = numbers(&after, *office, *period)?;
                movements.push(Movement::between(*office, name, *period, &earlier, later));
            }
        }
        Ok(movements)
    }

    /// Both snapshots, with every sealed date opened once.
    pub(in crate::app) async fn both_snapshots(
        &self,
        registers: &Registers,
        [from, to]: [u64; 2],
    ) -> Result<[Snapshot; 2], AppError> {
        let mut before = self.bare_snapshot(registers, from).await?;
        let mut after = self.bare_snapshot(registers, to).await?;
        let ids: BTreeSet<Uuid> = [&before, &after].into_iter().flat_map(to_open).collect();
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let mut sealed = SealedDates::default();
        self.open_dates(&ids, to, &mut sealed).await?;
        sealed.put_into(&mut before);
        sealed.put_into(&mut after);
        Ok([before, after])
    }
}

/// Whether a change is of an office or one below it, at either moment or in between.
fn takes(
    change: &RecordChange,
    office: Option<OfficeCode>,
    directories: [&OfficeDirectory; 2],
) -> bool {
    let Some(top) = office else {
        return true;
    };
    let mut rows = change.before.iter().chain(&change.rows);
    rows.any(|row| {
        let own = office_of_row(row);
        let within = |own| directories.into_iter().any(|d| d.is_within(own, top));
        own.is_some_and(within)
    })
}
