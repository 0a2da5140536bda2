//! Events of records of every kind, as the ledger writes them, without persons.
//!
//! What comes in: how many. What goes out: entries that wait for their places, in batches. What
//! must stay true: the envelope and the events are the ledger's own; of a hundred events some
//! three correct or withdraw an earlier one; the same number gives the same events, but for the
//! salts, which are random here as they are there.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::{Days, NaiveDate};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;
use vitaledger::ledger::aggregate::record::{Record, RecordEvent};
use vitaledger::ledger::commitment::{Commitment, Commitments};
use vitaledger::ledger::envelope::{Envelope, Metadata};
use vitaledger::model::cell::{Decimal, Fen, Slug};
use vitaledger::model::code::{
    BirthPlace, Flow, GestationBand, LossTiming, MaritalStatus, RegistrationKind, Sex, Source,
};
use vitaledger::model::fields::{
    ActivityFields, AnyFields, BirthFields, DisbursementFields, PregnancyLossFields, PublicFields,
    RegistrationFields, ReturnFields,
};
use vitaledger::model::id::{OfficeCode, uuid_of_hash};
use vitaledger::model::period::Period;
use vitaledger::model::slot::Slot;
use vitaledger::store::{Group, Pending};
use vitaledger::with_fields;

/// Records that may be corrected; a new one takes the place of an older one.
const KEPT: usize = 100_000;
/// Offices that report.
const OFFICES: u64 = 3_000;

struct Known {
    id: Uuid,
    version: u64,
    event_id: Uuid,
    fields: AnyFields,
}

/// Makes events.
pub struct Events {
    random: ChaCha8Rng,
    known: Vec<Known>,
    import: String,
}

impl Events {
    /// None yet.
    pub fn new() -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let import = uuid_of_hash(&random.random()).to_string();
        Self {
            random,
            known: Vec::new(),
            import,
        }
    }

    /// The next so many, each a group of its own.
    pub fn batch(&mut self, count: usize) -> Result<Vec<Group>> {
        let mut groups = Vec::with_capacity(count);
        for _ in 0..count {
            let event = match self.random.random_range(0..1000) {
                0..25 if !self.known.is_empty() => self.correct()?,
                25..32 if !self.known.is_empty() => self.void()?,
                _ => self.record()?,
            };
            groups.push(Group {
                events: vec![event],
                idempotency: None,
            });
        }
        Ok(groups)
    }

    fn record(&mut self) -> Result<Pending> {
        let known = Known {
            id: uuid_of_hash(&self.random.random()),
            version: 1,
            event_id: Uuid::now_v7(),
            fields: any_fields(&mut self.random),
        };
        let pending = with_fields!(&known.fields, fields => {
            let commitments = self.commitments(slots_of(fields));
            self.pending(&known, RecordEvent::Recorded { commitments, fields: fields.clone() })
        })?;
        if self.known.len() < KEPT {
            self.known.push(known);
        } else {
            let at = self.random.random_range(0..KEPT);
            self.known[at] = known;
        }
        Ok(pending)
    }

    fn correct(&mut self) -> Result<Pending> {
        let at = self.random.random_range(0..self.known.len());
        let mut known = self.known.swap_remove(at);
        let before = std::mem::replace(&mut known.event_id, Uuid::now_v7());
        known.version += 1;
        let other = any_fields(&mut self.random);
        if std::mem::discriminant(&other) == std::mem::discriminant(&known.fields) {
            known.fields = other;
        }
        let commitments = self.commitments(vec![Slot::REASON]);
        let pending = with_fields!(&known.fields, fields => {
            let set_by = slots_of(fields).into_iter().map(|slot| (slot, before));
            let event = RecordEvent::Corrected {
                changed: vec!["reason".to_owned(), "reported_on".to_owned()],
                commitments,
                fields: fields.clone(),
                set_by: set_by.collect::<BTreeMap<_, _>>(),
            };
            self.pending(&known, event)
        })?;
        self.known.push(known);
        Ok(pending)
    }

    fn void(&mut self) -> Result<Pending> {
        let at = self.random.random_range(0..self.known.len());
        let mut known = self.known.swap_remove(at);
        known.version += 1;
        known.event_id = Uuid::now_v7();
        let commitments = self.commitments(vec![Slot::REASON]);
        with_fields!(&known.fields, fields => self.pending(&known, voided(fields, commitments)))
    }

    fn commitments(&mut self, slots: Vec<Slot>) -> Commitments {
        let slots = slots.into_iter();
        let pairs = slots.map(|slot| (slot, Commitment(self.random.random())));
        Commitments::new(pairs.collect())
    }

    fn pending<F: PublicFields>(&self, known: &Known, event: RecordEvent<F>) -> Result<Pending> {
        let value = |name: &str| known.fields.get(name).map(|value| value.to_string());
        let mut metadata = Metadata::new();
        metadata.insert("actor".into(), "importer".to_owned());
        metadata.insert("import".into(), self.import.clone());
        for name in ["office", "source"] {
            metadata.extend(value(name).map(|value| (name.into(), value)));
        }
        let envelope = Envelope {
            aggregate_id: known.id,
            sequence: known.version,
            event_id: known.event_id,
            metadata: &metadata,
            simulated_at: None,
        };
        Ok(Pending {
            entry: envelope.write::<Record<F>>(&event)?,
            vault: None,
            woman: None,
        })
    }
}

fn slots_of<F: PublicFields>(_: &F) -> Vec<Slot> {
    F::KIND.slots().iter().map(|(slot, _)| *slot).collect()
}

fn voided<F: PublicFields>(_: &F, commitments: Commitments) -> RecordEvent<F> {
    RecordEvent::Voided { commitments }
}

fn one<T: Copy>(random: &mut ChaCha8Rng, all: &[T]) -> Option<T> {
    all.get(random.random_range(0..all.len())).copied()
}

fn slug(text: &str) -> Option<Slug> {
    Some(Slug(text.to_owned()))
}

fn office(random: &mut ChaCha8Rng) -> Option<OfficeCode> {
    OfficeCode::parse(&format!("990101{:06}", random.random_range(0..OFFICES)))
}

/// A day of ten years.
fn day(random: &mut ChaCha8Rng) -> Option<NaiveDate> {
    let first = NaiveDate::from_ymd_opt(2014, 1, 1)?;
    first.checked_add_days(Days::new(random.random_range(0..3650)))
}

fn any_fields(random: &mut ChaCha8Rng) -> AnyFields {
    match random.random_range(0..100) {
        0..35 => registration(random),
        35..65 => birth(random),
        65..70 => AnyFields::PregnancyLoss(PregnancyLossFields {
            gestation_band: one(random, GestationBand::ALL),
            month: day(random).map(Period::month_of),
            plurality: Some(1),
            timing: one(random, LossTiming::ALL),
            township: office(random),
        }),
        70..90 => disbursement(random),
        90..95 => AnyFields::Activity(ActivityFields {
            eligible: Some(random.random_range(0..500)),
            kind: one(random, &["counselling", "home_visit", "screening"]).and_then(slug),
            occurred_on: day(random),
            office: office(random),
            quantity: Some(random.random_range(0..500)),
            reported_on: day(random),
            source: Some(Source::Village),
        }),
        _ => AnyFields::Return(ReturnFields {
            denominator: None,
            indicator: one(random, &["births", "deaths", "marriages"]).and_then(slug),
            numerator: None,
            office: office(random),
            period: day(random).map(Period::month_of),
            source: Some(Source::Village),
            submitted_by: slug("clerk-7"),
            submitted_on: day(random),
            value: Some(Decimal(random.random_range(0..500).to_string())),
        }),
    }
}

fn registration(random: &mut ChaCha8Rng) -> AnyFields {
    AnyFields::Registration(RegistrationFields {
        born_year: Some(random.random_range(1930..2014)),
        kind: one(random, RegistrationKind::ALL),
        marital_status: one(random, MaritalStatus::ALL),
        occurred_on: day(random),
        office: office(random),
        place_from_county: None,
        place_to_county: slug("990101"),
        reported_on: day(random),
        sex: one(random, Sex::ALL),
        source: one(random, Source::ALL),
    })
}

fn birth(random: &mut ChaCha8Rng) -> AnyFields {
    let facility = random.random_range(0..40);
    AnyFields::Birth(BirthFields {
        facility: slug(&format!("H{facility:04}")),
        gestation_days: Some(random.random_range(240..295)),
        mother_age: Some(random.random_range(18..45)),
        mother_residence_county: slug("990101"),
        occurred_on: day(random),
        office: office(random),
        place: one(random, BirthPlace::ALL),
        plurality: Some(1),
        reported_on: day(random),
        sex: one(random, Sex::ALL),
        source: one(random, Source::ALL),
        weight_g: Some(random.random_range(2000..4500)),
    })
}

fn disbursement(random: &mut ChaCha8Rng) -> AnyFields {
    AnyFields::Disbursement(DisbursementFields {
        amount_fen: Some(Fen(random.random_range(1_000..200_000))),
        approved_by: slug("clerk-7"),
        flow: one(random, Flow::ALL),
        occurred_on: day(random),
        office: office(random),
        period: day(random).map(Period::month_of),
        reported_on: day(random),
        scheme: one(random, &["one_child", "elderly", "special"]).and_then(slug),
        source: one(random, Source::ALL),
    })
}
