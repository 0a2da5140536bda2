//! The registers in motion: what is current, brought forward entry by entry.
//!
//! What comes in: a snapshot as of some number of entries, and what the entries after it did.
//! What goes out: the snapshot as of a later number, and for each step the rows that went and the
//! rows that came. What may fail: nothing. What must stay true: after any number of steps the
//! snapshot is the one that the registers would give: rows in order of position, voided records
//! left out, sealed dates as of the version that is current.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::NaiveDate;
use uuid::Uuid;

use crate::ledger::history::{LifeEvent, RecordHistory};
use crate::model::code::{RegistrationKind, Source};
use crate::model::fields::AnyFields;
use crate::model::id::Position;
use crate::model::office::OfficeFields;
use crate::model::schema::RecordKind;
use crate::model::slot::Slot;
use crate::model::time::{Timestamp, parse_date};
use crate::registers::row::{Change, RegisterRow};
use crate::registers::snapshot::{LossFacts, Snapshot};

/// Kinds whose records are counted one by one, whatever the others are.
pub(super) const EVENTS: [RecordKind; 3] = [
    RecordKind::Registration,
    RecordKind::Birth,
    RecordKind::PregnancyLoss,
];

/// Versions of a fact by the position that set it; `None` where it was cleared.
type Versions<T> = BTreeMap<Position, Option<T>>;

/// The sealed dates that counts need, of every version of the records that were opened.
#[derive(Debug, Clone, Default)]
pub struct SealedDates {
    pub(super) born_on: HashMap<Uuid, Versions<NaiveDate>>,
    pub(super) losses: HashMap<Uuid, Versions<LossFacts>>,
    /// Number of entries up to which the versions of a record are known.
    known_to: HashMap<Uuid, u64>,
}

/// Whether counts need the sealed dates of the record: residents by age, and pregnancy losses.
#[must_use]
pub fn needs_opening(fields: &AnyFields) -> bool {
    match fields {
        AnyFields::Registration(fields) => {
            fields.kind == Some(RegistrationKind::Resident)
                && fields.source == Some(Source::Village)
        }
        AnyFields::PregnancyLoss(_) => true,
        _ => false,
    }
}

impl SealedDates {
    /// Whether every version of a record up to a number of entries is known.
    #[must_use]
    pub fn knows(&self, id: Uuid, size: u64) -> bool {
        self.known_to.get(&id).is_some_and(|known| *known >= size)
    }

    /// Takes what the opened history of the entries up to a number says; of an erased record that
    /// is nothing.
    pub fn learn(&mut self, history: &RecordHistory, size: u64) {
        self.known_to.insert(history.record_id, size);
        if history.kind == RecordKind::PregnancyLoss {
            let facts = (0..history.events.len()).map(|at| {
                let so_far = &history.events[..=at];
                (
                    history.events[at].position,
                    LossFacts::of(|name| value(so_far, name)),
                )
            });
            self.losses.insert(history.record_id, facts.collect());
        } else {
            let born = (0..history.events.len()).map(|at| {
                let text = value(&history.events[..=at], "born_on");
                (history.events[at].position, text.and_then(parse_date))
            });
            self.born_on.insert(history.record_id, born.collect());
        }
    }

    /// Puts the sealed dates of a snapshot's current records as of its size into it.
    pub fn put_into(&self, snapshot: &mut Snapshot) {
        let size = snapshot.size;
        for kind in [RecordKind::Registration, RecordKind::PregnancyLoss] {
            let ids: Vec<Uuid> = snapshot
                .of(kind)
                .iter()
                .filter(|row| needs_opening(&row.fields))
                .map(|row| row.record_id)
                .collect();
            for id in ids {
                self.put_one(snapshot, id, size);
            }
        }
    }

    fn put_one(&self, snapshot: &mut Snapshot, id: Uuid, size: u64) {
        match last_before(self.born_on.get(&id), size) {
            Some(born) => snapshot.born_on.insert(id, born),
            None => snapshot.born_on.remove(&id),
        };
        match last_before(self.losses.get(&id), size) {
            Some(facts) => snapshot.losses.insert(id, facts),
            None => snapshot.losses.remove(&id),
        };
    }
}

fn last_before<T: Clone>(versions: Option<&Versions<T>>, size: u64) -> Option<T> {
    versions?.range(..size).next_back()?.1.clone()
}

/// The value of a slot after these events.
fn value<'a>(events: &'a [LifeEvent], name: &str) -> Option<&'a str> {
    let slot = Slot::of_name(name)?;
    let life = events
        .iter()
        .rev()
        .find(|life| life.event.commitments.get(slot).is_some())?;
    let opened = life.opened.as_ref()?.iter().find(|o| o.slot == slot)?;
    opened.value.as_ref().map(|text| text.as_str())
}

/// What some consecutive entries did.
#[derive(Debug, Clone, Default)]
pub struct Advance {
    /// Number of entries after them.
    pub size: u64,
    /// When the last of them was recorded.
    pub recorded_at: Timestamp,
    /// Rows of records, in order of position.
    pub rows: Vec<RegisterRow>,
    /// Offices that were registered or changed, in order.
    pub offices: Vec<OfficeFields>,
}

/// What a step did to what is current: for counts that are kept up to date.
#[derive(Debug, Clone, Default)]
pub struct Changed {
    /// Rows that were current and are so no more, with the dates and offices of before.
    pub gone: Snapshot,
    /// Rows that are current now and were not, with the dates and offices of now.
    pub come: Snapshot,
    /// Whether the tree of offices is another.
    pub offices: bool,
}

/// What is current, moving forward.
#[derive(Debug, Clone, Default)]
pub struct Playback {
    snapshot: Snapshot,
    /// Where the current row of each record stands.
    places: HashMap<Uuid, Position>,
}

impl Playback {
    /// From a snapshot on.
    #[must_use]
    pub fn of(snapshot: Snapshot) -> Self {
        let rows = snapshot.rows.values().flatten();
        let places = rows.map(|row| (row.record_id, row.position)).collect();
        Self { snapshot, places }
    }

    /// What is current.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Number of entries that it is as of.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.snapshot.size
    }

    /// Goes on by what some entries did; `sealed` knows the dates of every record among them
    /// that [`needs_opening`].
    pub fn advance(&mut self, advance: Advance, sealed: &SealedDates) -> Changed {
        let mut changed = Changed {
            offices: !advance.offices.is_empty(),
            ..Changed::default()
        };
        // Of several rows of one record the last one counts.
        let mut last: HashMap<Uuid, RegisterRow> = HashMap::with_capacity(advance.rows.len());
        for row in advance.rows {
            last.insert(row.record_id, row);
        }
        self.take_out(&last, &mut changed.gone);
        self.snapshot.size = advance.size;
        self.snapshot.recorded_at = advance.recorded_at;
        for office in advance.offices {
            self.snapshot.offices.insert(office);
        }
        let mut come: Vec<RegisterRow> = last.into_values().collect();
        come.retain(|row| row.change != Change::Voided);
        come.sort_unstable_by_key(|row| row.position);
        for row in come {
            self.places.insert(row.record_id, row.position);
            if needs_opening(&row.fields) {
                sealed.put_one(&mut self.snapshot, row.record_id, advance.size);
            }
            copy_dates(&self.snapshot, &mut changed.come, row.record_id);
            let rows = |snapshot: &mut Snapshot, row: RegisterRow| {
                snapshot.rows.entry(row.kind()).or_default().push(row);
            };
            rows(&mut changed.come, row.clone());
            rows(&mut self.snapshot, row);
        }
        changed
    }

    /// Takes the current rows of these records out, with their dates.
    fn take_out(&mut self, records: &HashMap<Uuid, RegisterRow>, gone: &mut Snapshot) {
        let mut kinds = HashSet::new();
        for (id, row) in records {
            if self.places.remove(id).is_some() {
                kinds.insert(row.kind());
            }
        }
        for kind in kinds {
            let rows = self.snapshot.rows.entry(kind).or_default();
            let out = rows.extract_if(.., |row| records.contains_key(&row.record_id));
            gone.rows.insert(kind, out.collect());
        }
        for id in records.keys() {
            copy_dates(&self.snapshot, gone, *id);
            self.snapshot.born_on.remove(id);
            self.snapshot.losses.remove(id);
        }
    }
}

fn copy_dates(from: &Snapshot, to: &mut Snapshot, id: Uuid) {
    if let Some(born) = from.born_on.get(&id) {
        to.born_on.insert(id, *born);
    }
    if let Some(facts) = from.losses.get(&id) {
        to.losses.insert(id, facts.clone());
    }
}

impl Playback {
    /// Looks at the snapshot without registrations, births and pregnancy losses.
    pub(super) fn without_events<R>(&mut self, look: impl FnOnce(&Snapshot) -> R) -> R {
        let aside = EVENTS.map(|kind| (kind, self.snapshot.rows.remove(&kind)));
        let losses = std::mem::take(&mut self.snapshot.losses);
        let seen = look(&self.snapshot);
        self.snapshot.losses = losses;
        for (kind, rows) in aside {
            self.snapshot.rows.extend(rows.map(|rows| (kind, rows)));
        }
        seen
    }

    /// Looks at a part of the records as if it were all, under the offices and the time of now.
    pub(super) fn part<R>(&mut self, part: &mut Snapshot, look: impl FnOnce(&Snapshot) -> R) -> R {
        part.recorded_at = self.snapshot.recorded_at;
        std::mem::swap(&mut part.offices, &mut self.snapshot.offices);
        let seen = look(part);
        std::mem::swap(&mut part.offices, &mut self.snapshot.offices);
        seen
    }
}
