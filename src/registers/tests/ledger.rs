//! A ledger in memory, whose entries a test can change behind the registers' back, and the slow
//! fold that says what must come out.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::NaiveDate;
use uuid::Uuid;

use super::super::row::{Change, RegisterRow};
use crate::ledger::aggregate::record::RecordEvent;
use crate::ledger::commitment::Commitments;
use crate::model::entry::{Entry, Unplaced};
use crate::model::fields::{AnyFields, BirthFields, PublicFields};
use crate::model::id::{OfficeCode, Position};
use crate::model::schema::RecordKind;
use crate::model::time::Timestamp;
use crate::store::{
    EntryRow, Group, Head, Outcome, Result as Stored, Store, StoredEntry, StoredTile,
};
use crate::with_fields;

/// One entry is recorded every second from here on.
pub(super) const START_MICROS: i64 = 1_400_000_000_000_000;

/// A store of entries that a test can change.
#[derive(Default)]
pub(super) struct Memory(Mutex<Vec<Vec<u8>>>);

impl Memory {
    pub(super) fn read<T>(&self, answer: impl FnOnce(&[Vec<u8>]) -> T) -> T {
        answer(&self.0.lock().unwrap())
    }

    pub(super) fn change(&self, position: usize, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.0.lock().unwrap()[position]);
    }

    pub(super) fn cut(&self, size: usize) {
        self.0.lock().unwrap().truncate(size);
    }

    pub(super) fn rows(&self) -> Vec<RegisterRow> {
        self.read(|entries| {
            let rows = entries.iter().map(|bytes| {
                let entry = Entry::parse(bytes).unwrap();
                RegisterRow::of(&entry).unwrap()
            });
            rows.flatten().collect()
        })
    }

    /// What must be current, the slow way.
    pub(super) fn current(&self, kind: RecordKind, size: u64) -> Vec<RegisterRow> {
        let mut last = HashMap::new();
        for row in self.rows().into_iter().filter(|row| row.position < size) {
            last.insert(row.record_id, row);
        }
        let mut rows: Vec<_> = last
            .into_values()
            .filter(|row| row.kind() == kind && row.change != Change::Voided)
            .collect();
        rows.sort_by_key(|row| row.position);
        rows
    }

    pub(super) fn append(&self, aggregate_type: &'static str, id: u128, payload: &str) {
        let mut entries = self.0.lock().unwrap();
        let of_stream = entries.iter().filter(|bytes| {
            let entry = Entry::parse(bytes).unwrap();
            entry.aggregate_id.as_u128() == id
        });
        let sequence = of_stream.count() as u64 + 1;
        let position = entries.len() as u64;
        let (aggregate_id, event_id) = (
            Uuid::from_u128(id),
            Uuid::from_u128(0xe0 + u128::from(position)),
        );
        let prefix = format!(
            r#"{{"aggregate_id":"{aggregate_id}","aggregate_type":"{aggregate_type}","event_id":"{event_id}","event_type":"T","event_version":"1","format":1,"metadata":{{"note":"a"}},"payload":{payload},"position":"#
        );
        let unplaced = Unplaced {
            aggregate_id,
            aggregate_type,
            event_id,
            sequence,
            simulated_at: None,
            prefix: prefix.into_bytes(),
        };
        entries.push(unplaced.place(position, at(position)));
    }

    /// So many activities at once, in an empty ledger.
    pub(super) fn report_many(&self, count: u64) {
        let one = Self::default();
        one.report(Change::Recorded, 0xa0, &activity());
        let text = one.read(|entries| String::from_utf8(entries[0].clone()).unwrap());
        let id = Uuid::from_u128(0xa0).to_string();
        let entry = |position: u64| {
            let own = Uuid::from_u128(0x1_0000 + u128::from(position)).to_string();
            let text = text.replacen(&id, &own, 1);
            let text = text.replace("\"position\":0", &format!("\"position\":{position}"));
            text.into_bytes()
        };
        *self.0.lock().unwrap() = (0..count).map(entry).collect();
    }

    pub(super) fn report(&self, change: Change, id: u128, fields: &AnyFields) {
        let payload = with_fields!(fields, fields => event(change, fields));
        let kind = with_fields!(fields, fields => kind_of(fields));
        self.append(kind.as_str(), id, &payload);
    }
}

fn kind_of<F: PublicFields>(_: &F) -> RecordKind {
    F::KIND
}

fn event<F: PublicFields>(change: Change, fields: &F) -> String {
    let (fields, commitments) = (fields.clone(), Commitments::default());
    let event = match change {
        Change::Recorded => RecordEvent::Recorded {
            commitments,
            fields,
        },
        Change::Corrected => RecordEvent::Corrected {
            changed: Vec::new(),
            commitments,
            fields,
            set_by: BTreeMap::new(),
        },
        Change::Voided => RecordEvent::Voided { commitments },
    };
    serde_json::to_string(&event).unwrap()
}

pub(super) fn at(position: u64) -> Timestamp {
    Timestamp::from_micros(START_MICROS + i64::try_from(position).unwrap() * 1_000_000).unwrap()
}

#[async_trait]
impl Store for Memory {
    async fn head(&self) -> Stored<Head> {
        let size = self.read(<[_]>::len) as u64;
        Ok(Head {
            size,
            recorded_at: size.checked_sub(1).map_or_else(Timestamp::default, at),
        })
    }
    async fn append(&self, groups: Vec<Group>) -> Stored<Vec<Outcome>> {
        Ok(groups
            .iter()
            .map(|_| Outcome::Appended(Vec::new()))
            .collect())
    }
    async fn repeated(&self, _: &[[u8; 16]]) -> Stored<crate::store::Repeated> {
        Ok(crate::store::Repeated::new())
    }
    async fn entries(&self, from: Position, limit: u64) -> Stored<Vec<StoredEntry>> {
        Ok(self.read(|entries| {
            // Of few entries never more than three at once: batches need not be full.
            let most = if entries.len() < 1000 { 3 } else { limit };
            let limit = usize::try_from(limit.min(most)).unwrap();
            let entries = (0..).zip(entries).skip(usize::try_from(from).unwrap());
            let stored = entries.take(limit).map(|(position, bytes)| StoredEntry {
                position,
                bytes: bytes.clone(),
            });
            stored.collect()
        }))
    }
    async fn rows(&self, _: Position, _: u64) -> Stored<Vec<EntryRow>> {
        Ok(Vec::new())
    }
    async fn streams(&self, ids: &[Uuid]) -> Stored<HashMap<Uuid, Vec<StoredEntry>>> {
        let mut streams: HashMap<Uuid, Vec<StoredEntry>> = HashMap::new();
        self.read(|entries| {
            for (position, bytes) in (0..).zip(entries) {
                // An entry that a test spoiled is of no stream.
                let id = Entry::parse(bytes).map(|entry| entry.aggregate_id);
                if let Some(id) = id.ok().filter(|id| ids.contains(id)) {
                    let bytes = bytes.clone();
                    let stored = StoredEntry { position, bytes };
                    streams.entry(id).or_default().push(stored);
                }
            }
        });
        Ok(streams)
    }
    async fn entries_of_type(&self, _: &str) -> Stored<Vec<StoredEntry>> {
        Ok(Vec::new())
    }
    async fn idempotency_rows(&self) -> Stored<Vec<(Vec<u8>, Vec<u8>, Position)>> {
        Ok(Vec::new())
    }
    async fn checkpoints(&self) -> Stored<Vec<(u64, Vec<u8>)>> {
        Ok(Vec::new())
    }
    async fn newest_checkpoint(&self) -> Stored<Option<(u64, Vec<u8>)>> {
        Ok(None)
    }
    async fn save_checkpoint(&self, _: u64, _: &[u8], _: &[StoredTile]) -> Stored<()> {
        Ok(())
    }
    async fn tile(&self, _: u8, _: u64) -> Stored<Option<Vec<u8>>> {
        Ok(None)
    }
    async fn tiles(&self) -> Stored<Vec<StoredTile>> {
        Ok(Vec::new())
    }
    async fn complaints(&self) -> Stored<Vec<String>> {
        Ok(Vec::new())
    }
}

pub(super) fn office(number: u64) -> OfficeCode {
    OfficeCode::parse(&format!("{number:012}")).unwrap()
}

pub(super) fn birth(weight_g: i64, of: u64) -> AnyFields {
    AnyFields::Birth(BirthFields {
        weight_g: Some(weight_g),
        office: Some(office(of)),
        occurred_on: NaiveDate::from_ymd_opt(2014, 6, 30),
        ..BirthFields::default()
    })
}

pub(super) fn activity() -> AnyFields {
    AnyFields::empty(RecordKind::Activity)
}

/// Ten entries: two segments of four and a tail of two.
///
/// ```text
/// 0 ledger | 1 birth A | 2 birth B | 3 activity C || 4 A corrected | 5 birth D | 6 office
/// | 7 B voided || 8 A corrected | 9 activity E
/// ```
pub(super) fn story() -> Arc<Memory> {
    let memory = Memory::default();
    memory.append("ledger", 1, "{}");
    memory.report(Change::Recorded, 0xa, &birth(3000, 1));
    memory.report(Change::Recorded, 0xb, &birth(3100, 1));
    memory.report(Change::Recorded, 0xc, &activity());
    memory.report(Change::Corrected, 0xa, &birth(3001, 2));
    memory.report(Change::Recorded, 0xd, &birth(3300, 2));
    memory.append("office", 2, "{}");
    memory.report(Change::Voided, 0xb, &birth(0, 1));
    memory.report(Change::Corrected, 0xa, &birth(3002, 3));
    memory.report(Change::Recorded, 0xe, &activity());
    Arc::new(memory)
}
