//! Stories: entries that record, correct and void in any order, told to a plain fold.
//!
//! What comes in: events. What goes out: what a playback is given, and the snapshot that the rows
//! so far make when they are folded from the start.

use std::collections::{BTreeMap, HashMap};

use chrono::{Datelike, Days, NaiveDate};
use proptest::prelude::*;
use uuid::Uuid;

use crate::history::playback::{Advance, SealedDates, needs_opening};
use crate::model::cell::{Decimal, Fen, Slug};
use crate::model::code::{
    Flow, GestationBand, MaritalStatus, OfficeLevel, RegistrationKind, Sex, Source,
};
use crate::model::fields::{
    ActivityFields, AnyFields, BirthFields, DisbursementFields, PregnancyLossFields,
    RegistrationFields, ReturnFields,
};
use crate::model::id::OfficeCode;
use crate::model::office::{OfficeDirectory, OfficeFields};
use crate::model::period::Period;
use crate::model::schema::RecordKind;
use crate::model::time::Timestamp;
use crate::registers::row::{Change, RegisterRow};
use crate::registers::snapshot::{LossFacts, Snapshot};

/// One thing that happens.
#[derive(Debug, Clone)]
pub enum Event {
    /// A record is recorded, or corrected if it is there: its number, and what it says.
    State(u8, AnyFields, Option<NaiveDate>),
    /// A record is withdrawn.
    Void(u8),
    /// A village is moved below the county or the township.
    Move(bool),
    /// Something that is no record.
    Other,
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn code(text: &str) -> OfficeCode {
    OfficeCode::parse(text).unwrap()
}

pub fn resident(on: &str, reported: &str) -> AnyFields {
    registration(RegistrationKind::Resident, day(on), day(reported))
}

fn registration(kind: RegistrationKind, on: NaiveDate, reported: NaiveDate) -> AnyFields {
    AnyFields::Registration(RegistrationFields {
        kind: Some(kind),
        source: Some(Source::Village),
        office: Some(code("990101100001")),
        occurred_on: Some(on),
        reported_on: Some(reported),
        sex: Some(Sex::Female),
        marital_status: Some(MaritalStatus::Married),
        ..RegistrationFields::default()
    })
}

pub fn birth(on: &str, reported: &str) -> AnyFields {
    AnyFields::Birth(BirthFields {
        source: Some(Source::Village),
        office: Some(code("990101100001")),
        occurred_on: Some(day(on)),
        reported_on: Some(day(reported)),
        sex: Some(Sex::Male),
        ..BirthFields::default()
    })
}

pub fn line(period: &str, indicator: &str, value: &str) -> AnyFields {
    AnyFields::Return(ReturnFields {
        source: Some(Source::Village),
        office: Some(code("990101100001")),
        period: Period::parse(period),
        indicator: Some(Slug(indicator.to_owned())),
        value: Some(Decimal(value.to_owned())),
        submitted_on: Some(day("2014-06-01")),
        ..ReturnFields::default()
    })
}

/// Days around the beginning of 2014.
fn days() -> impl Strategy<Value = NaiveDate> {
    (0_u64..500).prop_map(|after| {
        day("2013-09-01")
            .checked_add_days(Days::new(after))
            .unwrap()
    })
}

fn offices() -> impl Strategy<Value = OfficeCode> {
    prop::sample::select(vec![
        "990101100000",
        "990101100001",
        "990101100002",
        "990101100901",
    ])
    .prop_map(code)
}

fn sources() -> impl Strategy<Value = Source> {
    prop::sample::select(vec![
        Source::Village,
        Source::Village,
        Source::Hospital,
        Source::Finance,
    ])
}

fn fields() -> impl Strategy<Value = AnyFields> {
    let kinds = prop::sample::select(vec![
        RegistrationKind::Household,
        RegistrationKind::Resident,
        RegistrationKind::Marriage,
        RegistrationKind::Death,
        RegistrationKind::Arrival,
        RegistrationKind::Departure,
    ]);
    let flows = prop::sample::select(vec![
        Flow::Appropriation,
        Flow::Entitlement,
        Flow::Payment,
        Flow::Reversal,
    ]);
    let parts = (
        0..6_usize,
        kinds,
        flows,
        offices(),
        sources(),
        days(),
        days(),
        1..9_i64,
    );
    parts.prop_map(
        |(which, kind, flow, office, source, on, reported, number)| {
            let said = Said {
                office: Some(office),
                source: Some(source),
                on: Some(on),
                reported: Some(reported),
                number,
            };
            match which {
                0 => said.registration(kind),
                1 => said.birth(),
                2 => AnyFields::PregnancyLoss(PregnancyLossFields {
                    month: Some(Period::Month(2014, 2)),
                    ..PregnancyLossFields::default()
                }),
                3 => said.money(flow),
                4 => said.activity(),
                _ => said.line(),
            }
        },
    )
}

/// What every record says, and a number to vary the rest by.
struct Said {
    office: Option<OfficeCode>,
    source: Option<Source>,
    on: Option<NaiveDate>,
    reported: Option<NaiveDate>,
    number: i64,
}

impl Said {
    const fn odd(&self) -> bool {
        self.number % 2 == 1
    }

    fn registration(self, kind: RegistrationKind) -> AnyFields {
        AnyFields::Registration(RegistrationFields {
            kind: Some(kind),
            sex: self.odd().then_some(Sex::Female),
            source: self.source,
            office: self.office,
            occurred_on: self.on,
            reported_on: self.reported,
            marital_status: Some(MaritalStatus::Married),
            ..RegistrationFields::default()
        })
    }

    fn birth(self) -> AnyFields {
        AnyFields::Birth(BirthFields {
            sex: Some(if self.odd() { Sex::Male } else { Sex::Female }),
            source: self.source,
            office: self.office,
            occurred_on: self.on,
            reported_on: self.reported,
            ..BirthFields::default()
        })
    }

    fn money(self, flow: Flow) -> AnyFields {
        let scheme = if flow == Flow::Appropriation {
            "programme_funding"
        } else {
            "family_support"
        };
        AnyFields::Disbursement(DisbursementFields {
            flow: Some(flow),
            source: self.source,
            office: self.office,
            occurred_on: self.on,
            reported_on: self.reported,
            scheme: Some(Slug(scheme.to_owned())),
            period: Some(Period::Year(2014)),
            amount_fen: Some(Fen(self.number * 100)),
            approved_by: None,
        })
    }

    fn activity(self) -> AnyFields {
        let kind = if self.odd() {
            "banner"
        } else {
            "preconception_checkup"
        };
        AnyFields::Activity(ActivityFields {
            kind: Some(Slug(kind.to_owned())),
            source: self.source,
            office: self.office,
            occurred_on: self.on,
            reported_on: self.reported,
            quantity: Some(self.number),
            eligible: Some(9),
        })
    }

    fn line(self) -> AnyFields {
        AnyFields::Return(ReturnFields {
            source: self.source,
            office: self.office,
            period: Some(Period::Month(2014, 2)),
            indicator: Some(Slug("births".to_owned())),
            value: Some(Decimal(self.number.to_string())),
            submitted_on: self.reported,
            ..ReturnFields::default()
        })
    }
}

/// Any event, of one of a few records of each kind, so that many are corrected.
pub fn event() -> impl Strategy<Value = Event> {
    let sealed = prop::option::of(days().prop_map(|day| day - chrono::Duration::days(7_500)));
    prop_oneof![
        12 => (0_u8..40, fields(), sealed).prop_map(|(n, fields, on)| Event::State(n, fields, on)),
        2 => (0_u8..40).prop_map(Event::Void),
        1 => any::<bool>().prop_map(Event::Move),
        1 => Just(Event::Other),
    ]
}

fn record(number: u8) -> Uuid {
    Uuid::from_u128(u128::from(number) + 1)
}

/// What was told so far.
pub struct Story {
    rows: Vec<RegisterRow>,
    offices: OfficeDirectory,
    size: u64,
    recorded_at: Timestamp,
    /// The sealed dates of every version.
    pub sealed: SealedDates,
    /// The kind of each number.
    kinds: HashMap<u8, RecordKind>,
}

impl Story {
    /// The offices are there, and nothing else.
    pub fn new() -> Self {
        let mut offices = OfficeDirectory::default();
        for (text, level, parent) in [
            ("990101000000", OfficeLevel::County, None),
            ("990101100000", OfficeLevel::Township, Some("990101000000")),
            ("990101100001", OfficeLevel::Village, Some("990101100000")),
            ("990101100002", OfficeLevel::Village, Some("990101100000")),
            ("990101100901", OfficeLevel::Facility, Some("990101100000")),
        ] {
            offices.insert(village(text, level, parent));
        }
        Self {
            rows: Vec::new(),
            offices,
            size: 5,
            recorded_at: Timestamp::simulated(day("2013-09-01")),
            sealed: SealedDates::default(),
            kinds: HashMap::new(),
        }
    }

    /// Records one new record.
    pub fn put(&mut self, fields: AnyFields) {
        let number = u8::try_from(self.rows.len()).unwrap();
        self.tell(&[Event::State(number, fields, None)]);
    }

    /// Takes some events as entries; gives what a playback is told of them.
    pub fn tell(&mut self, events: &[Event]) -> Advance {
        let mut advance = Advance::default();
        for event in events {
            let position = self.size;
            self.size += 1;
            // Three entries a day.
            if position.is_multiple_of(3) {
                let next = self.recorded_at.date().succ_opt().unwrap();
                self.recorded_at = Timestamp::simulated(next);
            }
            match event {
                Event::State(number, fields, sealed) => {
                    advance
                        .rows
                        .extend(self.state(position, *number, fields, *sealed));
                }
                Event::Void(number) => advance.rows.extend(self.void(position, *number)),
                Event::Move(up) => {
                    let parent = if *up { "990101000000" } else { "990101100000" };
                    let moved = village("990101100002", OfficeLevel::Village, Some(parent));
                    self.offices.insert(moved.clone());
                    advance.offices.push(moved);
                }
                Event::Other => (),
            }
        }
        advance.size = self.size;
        advance.recorded_at = self.recorded_at;
        advance
    }

    fn last(&self, number: u8) -> Option<&RegisterRow> {
        let id = record(number);
        self.rows.iter().rev().find(|row| row.record_id == id)
    }

    fn push(
        &mut self,
        position: u64,
        number: u8,
        change: Change,
        fields: AnyFields,
    ) -> RegisterRow {
        let row = RegisterRow {
            record_id: record(number),
            version: self.last(number).map_or(1, |row| row.version + 1),
            position,
            recorded_at: self.recorded_at,
            change,
            event_id: Uuid::from_u128(u128::from(position)),
            fields,
        };
        self.rows.push(row.clone());
        row
    }

    /// A record keeps its kind, and what was voided stays so: such events say nothing.
    fn state(
        &mut self,
        position: u64,
        number: u8,
        fields: &AnyFields,
        sealed: Option<NaiveDate>,
    ) -> Option<RegisterRow> {
        let last = self.last(number).map(|row| row.change);
        let change = match last {
            None => Change::Recorded,
            Some(Change::Voided) => return None,
            Some(_) => Change::Corrected,
        };
        let row = self.push(position, number, change, fields.clone());
        if *self.kinds.entry(number).or_insert(row.kind()) != row.kind() {
            self.rows.pop();
            return None;
        }
        let id = record(number);
        if row.kind() == RecordKind::PregnancyLoss {
            let facts = sealed.map(|on| LossFacts {
                source: Source::Village,
                office: code("990101100001"),
                occurred_on: on + chrono::Duration::days(7_500),
                reported_on: on + chrono::Duration::days(7_510),
                gestation: GestationBand::ALL[on.day0() as usize % GestationBand::ALL.len()],
            });
            let versions: &mut BTreeMap<_, _> = self.sealed.losses.entry(id).or_default();
            versions.insert(position, facts);
        } else {
            let versions: &mut BTreeMap<_, _> = self.sealed.born_on.entry(id).or_default();
            versions.insert(position, sealed);
        }
        Some(row)
    }

    fn void(&mut self, position: u64, number: u8) -> Option<RegisterRow> {
        let kind = *self.kinds.get(&number)?;
        let stands = self.last(number)?.change != Change::Voided;
        stands.then(|| self.push(position, number, Change::Voided, AnyFields::empty(kind)))
    }

    /// The last row of each record, voided ones left out, folded from the start.
    pub fn snapshot(&self) -> Snapshot {
        let mut last: BTreeMap<Uuid, &RegisterRow> = BTreeMap::new();
        for row in &self.rows {
            last.insert(row.record_id, row);
        }
        let mut current: Vec<&RegisterRow> = last.into_values().collect();
        current.retain(|row| row.change != Change::Voided);
        current.sort_by_key(|row| row.position);
        let mut snapshot = Snapshot {
            size: self.size,
            recorded_at: self.recorded_at,
            offices: self.offices.clone(),
            ..Snapshot::default()
        };
        for row in current {
            let id = row.record_id;
            if needs_opening(&row.fields) {
                let born = self.sealed.born_on.get(&id).and_then(|v| v.values().last());
                snapshot
                    .born_on
                    .extend(born.copied().flatten().map(|day| (id, day)));
                let facts = self.sealed.losses.get(&id).and_then(|v| v.values().last());
                snapshot
                    .losses
                    .extend(facts.cloned().flatten().map(|facts| (id, facts)));
            }
            snapshot
                .rows
                .entry(row.kind())
                .or_default()
                .push(row.clone());
        }
        snapshot
    }
}

fn village(text: &str, level: OfficeLevel, parent: Option<&str>) -> OfficeFields {
    OfficeFields {
        code: code(text),
        level,
        name_en: None,
        name_zh: None,
        parent: parent.map(code),
    }
}
