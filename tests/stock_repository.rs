//! The ledger read by the stock repositories of `sqlite-es` and `postgres-es`, over the view
//! `events`.
//!
//! What comes in: a ledger that our own append wrote. What goes out: the same events and states
//! that our own reading gives. What may fail: the view, when it shows other columns or values
//! than such a repository expects. What must stay true: whoever knows `cqrs-es` and nothing of
//! this program can read the ledger with it, and cannot write it. Each case is written once, for
//! every [`Stock`].

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a test fails where it stands, and its texts are short"
)]

#[path = "support/postgres.rs"]
mod server;

use std::str::FromStr;
use std::sync::Arc;

use cqrs_es::persist::{PersistedEventRepository, PersistenceError, SerializedEvent};
use cqrs_es::{Aggregate, DomainEvent};
use postgres_es::PostgresEventRepository;
use serde::de::DeserializeOwned;
use sqlite_es::SqliteEventRepository;
use sqlx::Executor;
use sqlx::postgres::{PgConnectOptions, PgPool};
use tempfile::TempDir;
use uuid::Uuid;
use vitaledger::app::records::Values;
use vitaledger::app::{App, InitOptions};
use vitaledger::audit::verify::Scope;
use vitaledger::ledger::aggregate::disclosure::Disclosure;
use vitaledger::ledger::aggregate::log::Log;
use vitaledger::ledger::aggregate::office::Office;
use vitaledger::ledger::aggregate::record::Record;
use vitaledger::ledger::request::fold;
use vitaledger::model::code::OfficeLevel;
use vitaledger::model::entry::Entry;
use vitaledger::model::fields::{BirthFields, PregnancyLossFields};
use vitaledger::model::id::OfficeCode;
use vitaledger::model::office::OfficeFields;
use vitaledger::model::schema::RecordKind;
use vitaledger::model::slot::Slot;
use vitaledger::store::location::Location;
use vitaledger::store::postgres::{PATIENCE, PostgresStore};
use vitaledger::store::sqlite::SqliteStore;
use vitaledger::store::{Store, StoredEntry};

/// A database with the repository that others made for it.
trait Stock: Sized {
    type Repository: PersistedEventRepository;
    /// What it says to whoever inserts.
    const REFUSAL: &str;

    /// Where a new ledger goes.
    async fn location() -> Location;
    /// The database of that ledger.
    async fn open(folder: &std::path::Path, location: &Location) -> Self;
    /// Repositories as somebody sets them up who has the database and read the manual.
    fn repositories(&self) -> Vec<Self::Repository>;
    /// Runs a statement; gives what the database refuses.
    async fn run(&self, statement: &str) -> Result<(), String>;
}

struct Sqlite(SqliteStore);

impl Stock for Sqlite {
    type Repository = SqliteEventRepository;
    const REFUSAL: &str = "cannot modify events because it is a view";

    async fn location() -> Location {
        Location::Folder
    }

    async fn open(folder: &std::path::Path, _: &Location) -> Self {
        Self(SqliteStore::open(folder).await.unwrap())
    }

    fn repositories(&self) -> Vec<SqliteEventRepository> {
        vec![SqliteEventRepository::new(self.0.ledger_pool().clone())]
    }

    async fn run(&self, statement: &str) -> Result<(), String> {
        let done = self.0.ledger_pool().execute(statement).await;
        done.map(|_| ()).map_err(|error| error.to_string())
    }
}

/// The store's own pool, which acts as the service; and one of the owner of the tables, whose
/// search path is the ledger's schema.
struct Postgres {
    store: PostgresStore,
    owner: PgPool,
}

impl Stock for Postgres {
    type Repository = PostgresEventRepository;
    const REFUSAL: &str = "cannot insert into column \"aggregate_id\" of view \"events\"";

    async fn location() -> Location {
        Location::Postgres(server::database().await)
    }

    async fn open(_: &std::path::Path, location: &Location) -> Self {
        let Location::Postgres(address) = location else {
            panic!("not on a server");
        };
        let options = PgConnectOptions::from_str(address).unwrap();
        Self {
            store: PostgresStore::open(address, PATIENCE).await.unwrap(),
            owner: PgPool::connect_lazy_with(options.options([("search_path", "vitaledger")])),
        }
    }

    fn repositories(&self) -> Vec<PostgresEventRepository> {
        let service = PostgresEventRepository::new(self.store.pool().clone());
        vec![
            service.with_tables("vitaledger.events", "vitaledger.snapshots"),
            PostgresEventRepository::new(self.owner.clone()),
        ]
    }

    async fn run(&self, statement: &str) -> Result<(), String> {
        let done = self.owner.execute(statement).await;
        done.map(|_| ()).map_err(|error| error.to_string())
    }
}

struct Sample<S> {
    /// Removed at the end.
    _folder: TempDir,
    app: App,
    stock: S,
    office: Uuid,
    birth: Uuid,
    loss: Uuid,
    disclosure: Uuid,
}

fn office(name: &str) -> OfficeFields {
    OfficeFields {
        code: OfficeCode::parse("990101000000").unwrap(),
        level: OfficeLevel::County,
        name_en: Some(name.to_owned()),
        name_zh: Some("示范县".to_owned()),
        parent: None,
    }
}

fn values(pairs: &[(&str, &str)]) -> Values {
    let owned = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    owned.collect()
}

async fn sample<S: Stock>() -> Sample<S> {
    let folder = tempfile::tempdir().unwrap();
    let options = InitOptions {
        store: S::location().await,
        ..InitOptions::default()
    };
    let app = App::init(folder.path(), &options).await.unwrap();
    let stock = S::open(folder.path(), &options.store).await;
    let registered = app.record_office(office("Sample")).await.unwrap();
    app.record_office(office("Sample County")).await.unwrap();
    let birth = values(&[
        ("source_record_id", "B1"),
        ("source", "hospital"),
        ("office", "990101000000"),
        ("occurred_on", "2014-06-01"),
        ("reported_on", "2014-06-03"),
        ("child_name", "李花"),
        ("sex", "F"),
        ("weight_g", "3100"),
    ]);
    let born = app.record(RecordKind::Birth, &birth, None).await.unwrap();
    let birth = born.receipt().aggregate_id;
    let weight = values(&[("weight_g", "3200"), ("child_name", "李华")]);
    app.correct(RecordKind::Birth, birth, &weight, "misread", None)
        .await
        .unwrap();
    app.void(RecordKind::Birth, birth, "entered twice", None)
        .await
        .unwrap();
    let loss = values(&[
        ("source_record_id", "M1"),
        ("source", "hospital"),
        ("office", "990101000000"),
        ("occurred_on", "2014-06-01"),
        ("reported_on", "2014-06-03"),
        ("gestation_days", "180"),
    ]);
    let recorded = app
        .record(RecordKind::PregnancyLoss, &loss, None)
        .await
        .unwrap();
    let slots = vec![Slot::must("child_name")];
    let shown = app.disclose(vec![birth], slots, "complaint").await.unwrap();
    Sample {
        _folder: folder,
        stock,
        office: registered.receipt().aggregate_id,
        birth,
        loss: recorded.receipt().aggregate_id,
        disclosure: shown.aggregate_id,
        app,
    }
}

/// Applies events as the framework does.
fn refold<A: Aggregate>(events: &[SerializedEvent]) -> A
where
    A::Event: DeserializeOwned,
{
    let mut aggregate = A::default();
    for event in events {
        let payload: A::Event = serde_json::from_value(event.payload.clone()).unwrap();
        assert_eq!(payload.event_type(), event.event_type);
        assert_eq!(payload.event_version(), event.event_version);
        aggregate.apply(payload);
    }
    aggregate
}

/// Reads a stream in all three ways; each must give what the store gives, and fold to one state.
async fn reads<A, S>(sample: &Sample<S>, id: Uuid, versions: usize) -> A
where
    A: Aggregate + PartialEq + std::fmt::Debug,
    A::Event: DeserializeOwned,
    S: Stock,
{
    let store: Arc<dyn Store> = sample.app.store();
    let ours = store.streams(&[id]).await.unwrap().remove(&id).unwrap();
    assert_eq!(ours.len(), versions);
    for repository in sample.stock.repositories() {
        read_with::<A>(&repository, &id.to_string(), &ours).await;
    }
    fold::<A>(&ours).unwrap()
}

async fn read_with<A>(repository: &impl PersistedEventRepository, name: &str, ours: &[StoredEntry])
where
    A: Aggregate + PartialEq + std::fmt::Debug,
    A::Event: DeserializeOwned,
{
    let events = repository.get_events::<A>(name).await.unwrap();
    assert_eq!(events.len(), ours.len());
    for ((number, event), stored) in (1..).zip(&events).zip(ours) {
        let entry = Entry::parse(&stored.bytes).unwrap();
        assert_eq!(event.aggregate_id, name);
        assert_eq!(event.aggregate_type, A::TYPE);
        assert_eq!(event.sequence, number);
        assert_eq!(event.event_type, entry.event_type);
        assert_eq!(event.event_version, entry.event_version);
        let payload: serde_json::Value = serde_json::from_str(entry.payload.get()).unwrap();
        assert_eq!(event.payload, payload);
        assert_eq!(
            event.metadata,
            serde_json::to_value(&entry.metadata).unwrap()
        );
    }
    let last = repository.get_last_events::<A>(name, 1).await.unwrap();
    assert_eq!(last, events[1..]);
    let mut stream = repository.stream_events::<A>(name).await.unwrap();
    let mut streamed = A::default();
    let mut count = 0;
    while let Some(envelope) = stream.next::<A>(&[]).await {
        let envelope = envelope.unwrap();
        count += 1;
        assert_eq!(
            (envelope.sequence, envelope.aggregate_id.as_str()),
            (count, name)
        );
        assert_eq!(envelope.metadata["actor"], "operator");
        streamed.apply(envelope.payload);
    }
    assert_eq!(count, ours.len());
    let state = fold::<A>(ours).unwrap();
    assert_eq!(refold::<A>(&events), state);
    assert_eq!(streamed, state);
}

async fn every_kind_of_stream_is_read<S: Stock>() {
    let sample = sample::<S>().await;
    let birth: Record<BirthFields> = reads(&sample, sample.birth, 3).await;
    assert!(birth.voided);
    assert_eq!(birth.fields.unwrap().weight_g, Some(3200));
    let loss: Record<PregnancyLossFields> = reads(&sample, sample.loss, 1).await;
    assert!(loss.fields.unwrap().township.is_some());
    let county: Office = reads(&sample, sample.office, 2).await;
    assert_eq!(county.office, Some(office("Sample County")));
    let log: Log = reads(&sample, sample.app.ledger.id, 1).await;
    assert_eq!(log.ledger_id, Some(sample.app.ledger.id));
    let _: Disclosure = reads(&sample, sample.disclosure, 1).await;
}

async fn a_type_is_streamed_whole<S: Stock>() {
    let sample = sample::<S>().await;
    for repository in sample.stock.repositories() {
        let mut stream = repository.stream_all_events::<Office>().await.unwrap();
        let mut offices = 0;
        while let Some(envelope) = stream.next::<Office>(&[]).await {
            assert_eq!(envelope.unwrap().aggregate_id, sample.office.to_string());
            offices += 1;
        }
        assert_eq!(offices, 2);
        let unknown = Uuid::now_v7().to_string();
        let none = repository.get_events::<Office>(&unknown).await.unwrap();
        assert!(none.is_empty());
        // A stream is of one type: under another it is not there.
        let birth = sample.birth.to_string();
        let none = repository.get_events::<Office>(&birth).await.unwrap();
        assert!(none.is_empty());
    }
}

async fn nothing_is_written<S: Stock>() {
    let sample = sample::<S>().await;
    let before = sample.app.store().head().await.unwrap();
    let name = sample.birth.to_string();
    for repository in sample.stock.repositories() {
        let events = repository
            .get_events::<Record<BirthFields>>(&name)
            .await
            .unwrap();
        let mut next = events[2].clone();
        next.sequence = 4;
        let refused = repository
            .persist::<Record<BirthFields>>(&[next], None)
            .await
            .unwrap_err();
        assert!(
            matches!(&refused, PersistenceError::UnknownError(error) | PersistenceError::ConnectionError(error)
                if error.to_string().contains(S::REFUSAL)),
            "{refused:?}"
        );
    }
    for statement in ["DELETE FROM events", "UPDATE events SET sequence = 9"] {
        let refused = sample.stock.run(statement).await.unwrap_err();
        assert!(
            refused.contains("append-only") || refused.contains(S::REFUSAL),
            "{statement}: {refused}"
        );
    }
    assert_eq!(sample.app.store().head().await.unwrap(), before);
    let report = sample.app.verify(Scope::Everything, |_| ()).await.unwrap();
    assert!(report.wrong.is_none(), "{:?}", report.wrong);
}

/// A test per case and database.
macro_rules! each_database {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case::<super::Sqlite>().await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case::<super::Postgres>().await;
                }
            )+
        }
    };
}

each_database!(
    every_kind_of_stream_is_read,
    a_type_is_streamed_whole,
    nothing_is_written,
);
