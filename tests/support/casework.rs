//! A ledger with findings, periods and samples, in either database.
//!
//! What comes in: where the databases are to be. What goes out: an open ledger, streams in it, and
//! the judgement whether its operational views say what a fresh fold of every stream says. What
//! must stay true: what is expected is folded from the log, never read from a view.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

use cqrs_es::Aggregate;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;
use vitaledger::app::{App, InitOptions};
use vitaledger::ledger::aggregate::finding::{Finding, FindingCommand, Verdict};
use vitaledger::ledger::aggregate::period::{PeriodAggregate, PeriodCommand};
use vitaledger::ledger::aggregate::sample::{FieldVerdict, Sample, SampleCommand};
use vitaledger::ledger::commitment::Commitments;
use vitaledger::ledger::request::{For, fold};
use vitaledger::model::entry::Entry;
use vitaledger::model::id::OfficeCode;
use vitaledger::model::period::Period;
use vitaledger::model::slot::Slot;
use vitaledger::registers::views::{OperationalView, Views};
use vitaledger::store::StoredEntry;
use vitaledger::store::location::Location;

use crate::server;

/// Thirty-two bytes, as checkpoints spell them.
pub const ROOT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A ledger in one of the databases.
pub struct Home {
    pub folder: TempDir,
    pub location: Location,
    pub app: App,
}

impl Home {
    pub async fn new(location: Location) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = InitOptions {
            store: location.clone(),
            ..InitOptions::default()
        };
        let app = App::init(folder.path(), &options).await.unwrap();
        Self {
            folder,
            location,
            app,
        }
    }

    pub async fn sqlite() -> Self {
        Self::new(Location::Folder).await
    }

    pub async fn postgres() -> Self {
        Self::new(Location::Postgres(server::database().await)).await
    }

    /// Another node over the same databases, whose views are as they were left.
    pub async fn node(&self) -> Views {
        let database = self.location.open(self.folder.path()).await.unwrap();
        let kept = database.views().await.unwrap();
        Views::new(self.app.ledger.id, database, kept)
    }

    /// A statement of somebody else over the tables of the views.
    pub async fn change(&self, statement: &str) {
        match &self.location {
            Location::Folder => {
                let path = self.folder.path().join("views.db");
                let options = SqliteConnectOptions::new().filename(path);
                let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
                connection.execute(statement).await.unwrap();
                connection.close().await.unwrap();
            }
            Location::Postgres(address) => {
                let mut connection = PgConnection::connect(address).await.unwrap();
                let path = "SET search_path = vitaledger_views";
                connection.execute(path).await.unwrap();
                connection.execute(statement).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }

    pub async fn send<A>(
        &self,
        stream: Uuid,
        reason: Option<&str>,
        build: impl Fn(Commitments) -> A::Command + Send + Sync + 'static,
    ) where
        A: Aggregate<Services = ()> + 'static,
        A::Command: Send,
        A::Event: 'static,
    {
        let reason = reason.map(|text| (Slot::REASON, text.to_owned()));
        let command = For::<A>::new(stream, build).with_sealed(reason).command();
        let context = self.app.context(None);
        let answer = self.app.ledger.execute_one(&context, command).await;
        answer.unwrap().unwrap();
    }

    pub async fn raise(&self, stream: Uuid) {
        let position = self.app.store().head().await.unwrap().size - 1;
        self.send::<Finding>(stream, None, move |_| FindingCommand::Raise {
            office: office(),
            period: Some(Period::Year(2014)),
            position,
            record_count: 1,
            record_ids: vec![Uuid::from_u128(7)],
            records_root: None,
            rule: "B3".to_owned(),
            rule_version: 1,
            rules_digest: "ab".repeat(32),
            verdict: Verdict::Signal,
        })
        .await;
    }

    /// Asks the office so often, and lets it answer.
    pub async fn correspond(&self, stream: Uuid, times: u32) {
        for _ in 0..times {
            self.send::<Finding>(stream, None, |_| FindingCommand::Ask {
                actor: "auditor-1".to_owned(),
            })
            .await;
            let answer = "counted again";
            self.send::<Finding>(stream, Some(answer), |commitments| FindingCommand::Answer {
                commitments,
            })
            .await;
        }
    }

    pub async fn close_period(&self, stream: Uuid, position: u64) {
        self.send::<PeriodAggregate>(stream, None, move |_| PeriodCommand::Close {
            actor: "head-1".to_owned(),
            position,
            root: ROOT.to_owned(),
            size: position + 1,
        })
        .await;
    }

    /// A period that was opened, closed, opened again and closed again.
    pub async fn period(&self, stream: Uuid) {
        self.send::<PeriodAggregate>(stream, None, |_| PeriodCommand::Open {
            office: office(),
            period: Period::Year(2014),
        })
        .await;
        self.close_period(stream, 3).await;
        let why = "late returns";
        self.send::<PeriodAggregate>(stream, Some(why), |commitments| PeriodCommand::Reopen {
            actor: "head-1".to_owned(),
            commitments,
            second_actor: "head-2".to_owned(),
        })
        .await;
        self.close_period(stream, 5).await;
    }

    /// A sample of which three records are verified and one is wrong.
    pub async fn sample(&self, stream: Uuid) {
        self.send::<Sample>(stream, None, |_| SampleCommand::Announce {
            checkpoint_root: ROOT.to_owned(),
            checkpoint_size: 1,
            office: office(),
            period: Period::Year(2014),
            population_size: 40,
            sample_size: 4,
        })
        .await;
        self.send::<Sample>(stream, None, |_| SampleCommand::Draw {
            record_root: "cd".repeat(32),
            seed: "ef".repeat(32),
        })
        .await;
        for (number, verdict) in [
            (1, FieldVerdict::Confirmed),
            (2, FieldVerdict::Wrong),
            (3, FieldVerdict::Confirmed),
        ] {
            self.send::<Sample>(stream, None, move |_| SampleCommand::Verify {
                commitments: None,
                record_id: Uuid::from_u128(number),
                verdict,
            })
            .await;
        }
        self.send::<Sample>(stream, None, |_| SampleCommand::Conclude)
            .await;
    }

    pub async fn stream(&self, id: Uuid) -> Vec<StoredEntry> {
        let mut streams = self.app.store().streams(&[id]).await.unwrap();
        streams.remove(&id).unwrap()
    }

    /// The ids of the streams of a type, in the order in which they began.
    pub async fn streams_of<A: Aggregate>(&self) -> Vec<Uuid> {
        let mut ids = Vec::new();
        for stored in self.app.store().entries_of_type(A::TYPE).await.unwrap() {
            let entry = Entry::parse(&stored.bytes).unwrap();
            if !ids.contains(&entry.aggregate_id) {
                ids.push(entry.aggregate_id);
            }
        }
        ids
    }

    /// Every view of a kind is what its stream says; there is one for each stream.
    pub async fn are_as_folded<V>(&self, views: &[V], state: impl Fn(&V) -> (Uuid, &V::Of))
    where
        V: OperationalView,
        V::Of: PartialEq + std::fmt::Debug,
    {
        let ids: Vec<Uuid> = views.iter().map(|view| state(view).0).collect();
        assert_eq!(ids, self.streams_of::<V::Of>().await);
        for view in views {
            let (id, folded) = state(view);
            let stream = self.stream(id).await;
            assert_eq!(folded, &fold::<V::Of>(&stream).unwrap());
            assert_eq!(view.trail().sequence, stream.len() as u64);
            assert_eq!(view.trail().first, stream[0].position);
            assert_eq!(view.trail().position, stream[stream.len() - 1].position);
        }
    }

    /// All views are what the log says, whatever was done to them before.
    pub async fn check(&self, views: &Views) {
        let cases = views.cases().await.unwrap();
        self.are_as_folded(&cases, |case| (case.id, &case.state))
            .await;
        for case in &cases {
            // One event to raise it; what is counted tells an event that was applied twice.
            let steps = case.times_asked + case.times_answered;
            let decided = u64::from(case.decided.is_some());
            assert_eq!(case.trail.sequence, 1 + steps + decided);
        }
        let periods = views.periods().await.unwrap();
        self.are_as_folded(&periods, |period| (period.id, &period.state))
            .await;
        let samples = views.samples().await.unwrap();
        self.are_as_folded(&samples, |sample| (sample.id, &sample.state))
            .await;
    }
}

pub fn office() -> OfficeCode {
    OfficeCode::parse("990101100001").unwrap()
}
