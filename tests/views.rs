//! The operational views, on both databases.
//!
//! What comes in: ledgers with findings, periods and samples. What goes out: views that say what
//! a fresh fold of every stream says. What may fail: a projector that is killed, one that reads a
//! version that others move on from, a row or a file that somebody removed or changed. What must
//! stay true: afterwards every event was applied exactly once, and the ledger itself is as it was.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a test fails where it stands, and its texts are short"
)]

#[path = "support/postgres.rs"]
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cqrs_es::Aggregate;
use cqrs_es::persist::{PersistenceError, ViewContext, ViewRepository};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;
use vitaledger::app::{App, InitOptions};
use vitaledger::audit::verify::Scope;
use vitaledger::ledger::aggregate::finding::{Finding, FindingCommand, FindingStage, Verdict};
use vitaledger::ledger::aggregate::period::{PeriodAggregate, PeriodCommand};
use vitaledger::ledger::aggregate::sample::{FieldVerdict, Sample, SampleCommand, SampleStage};
use vitaledger::ledger::commitment::Commitments;
use vitaledger::ledger::request::{Command, For, fold};
use vitaledger::model::id::OfficeCode;
use vitaledger::model::period::Period;
use vitaledger::model::slot::Slot;
use vitaledger::registers::views::finding::FindingCase;
use vitaledger::registers::views::projector::project;
use vitaledger::registers::views::{OperationalView, Views};
use vitaledger::store::StoredEntry;
use vitaledger::store::location::Location;
use vitaledger::store::views::{Repository, ViewTable};

/// Thirty-two bytes, as checkpoints spell them.
const ROOT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A ledger in one of the databases.
struct Home {
    folder: TempDir,
    location: Location,
    app: App,
}

impl Home {
    async fn new(location: Location) -> Self {
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

    async fn sqlite() -> Self {
        Self::new(Location::Folder).await
    }

    async fn postgres() -> Self {
        Self::new(Location::Postgres(server::database().await)).await
    }

    /// Another node over the same databases, whose views are as they were left.
    async fn node(&self) -> Views {
        let database = self.location.open(self.folder.path()).await.unwrap();
        let kept = database.views().await.unwrap();
        Views::new(self.app.ledger.id, database, kept)
    }

    /// A statement of somebody else over the tables of the views.
    async fn change(&self, statement: &str) {
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

    async fn send<A>(
        &self,
        stream: Uuid,
        reason: Option<&str>,
        build: impl Fn(Commitments) -> A::Command + Send + Sync + 'static,
    ) where
        A: Aggregate<Services = ()> + 'static,
        A::Command: Send,
        A::Event: 'static,
    {
        let command = For::<A> {
            stream,
            sealed: reason.map(|text| (Slot::REASON, text.to_owned())),
            build: Box::new(build),
        };
        let command = Command::Stream(Box::new(command));
        let context = self.app.context(None);
        let answer = self.app.ledger.execute_one(&context, command).await;
        answer.unwrap().unwrap();
    }

    async fn raise(&self, stream: Uuid) {
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
    async fn correspond(&self, stream: Uuid, times: u32) {
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

    async fn close_period(&self, stream: Uuid, position: u64) {
        self.send::<PeriodAggregate>(stream, None, move |_| PeriodCommand::Close {
            actor: "head-1".to_owned(),
            position,
            root: ROOT.to_owned(),
            size: position + 1,
        })
        .await;
    }

    /// A period that was opened, closed, opened again and closed again.
    async fn period(&self, stream: Uuid) {
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
    async fn sample(&self, stream: Uuid) {
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

    async fn stream(&self, id: Uuid) -> Vec<StoredEntry> {
        let mut streams = self.app.store().streams(&[id]).await.unwrap();
        streams.remove(&id).unwrap()
    }

    /// The ids of the streams of a type, in the order in which they began.
    async fn streams_of<A: Aggregate>(&self) -> Vec<Uuid> {
        let mut ids = Vec::new();
        for stored in self.app.store().entries_of_type(A::TYPE).await.unwrap() {
            let entry = vitaledger::model::entry::Entry::parse(&stored.bytes).unwrap();
            if !ids.contains(&entry.aggregate_id) {
                ids.push(entry.aggregate_id);
            }
        }
        ids
    }

    /// Every view of a kind is what its stream says; there is one for each stream.
    async fn are_as_folded<V>(&self, views: &[V], state: impl Fn(&V) -> (Uuid, &V::Of))
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
    async fn check(&self, views: &Views) {
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

fn office() -> OfficeCode {
    OfficeCode::parse("990101100001").unwrap()
}

async fn views_say_what_the_log_says(home: Home) {
    let [finding, other, period, sample] = [1, 2, 3, 4].map(Uuid::from_u128);
    home.raise(finding).await;
    home.correspond(finding, 1).await;
    let views = home.app.views().await.unwrap();
    home.check(&views).await;
    assert!(views.periods().await.unwrap().is_empty());
    assert_eq!(views.case(other).await.unwrap(), None);

    home.raise(other).await;
    home.period(period).await;
    home.sample(sample).await;
    home.send::<Finding>(finding, Some("it is so"), |commitments| {
        let actor = "auditor-2".to_owned();
        FindingCommand::Confirm { actor, commitments }
    })
    .await;
    // What was not caught up is as it was.
    let before = views.case(finding).await.unwrap().unwrap();
    assert_eq!(before.state.stage, FindingStage::Answered);
    let done = views.catch_up().await.unwrap();
    assert_eq!((done.events, done.rebuilt), (12, false));
    assert_eq!(done.size, home.app.store().head().await.unwrap().size);
    home.check(&views).await;

    let case = views.case(finding).await.unwrap().unwrap();
    assert_eq!(case.state.stage, FindingStage::Confirmed);
    let raised = case.raised.unwrap();
    assert_eq!((raised.rule.as_str(), raised.office), ("B3", office()));
    assert_eq!(case.asked.unwrap().actor.as_deref(), Some("auditor-1"));
    assert_eq!(case.answered.unwrap().actor.as_deref(), Some("operator"));
    let decided = case.decided.unwrap();
    assert_eq!(decided.actor.as_deref(), Some("auditor-2"));
    assert_eq!(decided.at, case.trail.recorded_at);

    let shown = views.period(period).await.unwrap().unwrap();
    assert!(shown.state.closed);
    assert_eq!(shown.office, Some(office()));
    let pin = shown.pinned.unwrap();
    assert_eq!((pin.position, pin.size, pin.root.as_str()), (5, 6, ROOT));
    assert_eq!((shown.times_closed, shown.times_reopened), (2, 1));
    assert_eq!(shown.reopening_agreed_by.as_deref(), Some("head-2"));

    let shown = views.sample(sample).await.unwrap().unwrap();
    assert_eq!(shown.state.stage, SampleStage::Concluded);
    assert_eq!((shown.verified, shown.errors), (3, 1));
    let concluded = shown.concluded.unwrap();
    assert_eq!((concluded.verified, concluded.errors), (3, 1));
    assert_eq!(shown.population.unwrap().size, 40);
    assert_eq!(shown.drawn.unwrap().seed, "ef".repeat(32));

    // Derived data is no part of the ledger.
    let report = home.app.verify(Scope::Everything, |_| ()).await.unwrap();
    assert!(report.wrong.is_none(), "{:?}", report.wrong);
    assert_eq!(views.catch_up().await.unwrap().events, 0);
}

/// Several nodes project while the log grows, some of them killed at any moment.
async fn many_projectors_apply_each_event_once(home: Home) {
    const NODES: u64 = 4;
    let findings = [1, 2, 3].map(Uuid::from_u128);
    for id in findings {
        home.raise(id).await;
    }
    home.sample(Uuid::from_u128(9)).await;
    let home = Arc::new(home);
    let mut nodes = Vec::new();
    for number in 0..NODES {
        let views = home.node().await;
        nodes.push(tokio::spawn(async move {
            for round in 0..40 {
                let one = async { views.catch_up().await.unwrap() };
                // A future that is dropped is a projector that is killed between two steps.
                let patience = Duration::from_millis(round % 7 * (number + 1));
                let _ = tokio::time::timeout(patience, one).await;
            }
            views.catch_up().await.unwrap();
        }));
    }
    for _ in 0..20 {
        for id in findings {
            home.correspond(id, 1).await;
        }
    }
    for node in nodes {
        node.await.unwrap();
    }
    let views = home.app.views().await.unwrap();
    home.check(&views).await;
    for case in views.cases().await.unwrap() {
        assert_eq!((case.times_asked, case.times_answered), (20, 20));
    }
}

/// All at once over a long log that no one has projected yet: every node meets every event.
async fn projectors_that_start_together_agree(home: Home) {
    let findings = [1, 2, 3, 4].map(Uuid::from_u128);
    for id in findings {
        home.raise(id).await;
        home.correspond(id, 10).await;
    }
    home.period(Uuid::from_u128(8)).await;
    let mut nodes = Vec::new();
    for number in 0..5 {
        let views = home.node().await;
        nodes.push(tokio::spawn(async move {
            // One of them also makes everything anew while the others project.
            let done = match number {
                0 => views.rebuild().await,
                _ => views.catch_up().await,
            };
            done.unwrap()
        }));
    }
    let size = home.app.store().head().await.unwrap().size;
    for node in nodes {
        assert_eq!(node.await.unwrap().size, size);
    }
    let views = home.app.views().await.unwrap();
    home.check(&views).await;
    assert!(views.case(findings[0]).await.unwrap().is_some());
}

/// Wherever it was killed: views that are ahead of the place that was put down, or behind it.
async fn a_torn_state_heals(home: Home) {
    let [first, second] = [1, 2].map(Uuid::from_u128);
    home.raise(first).await;
    let views = home.app.views().await.unwrap();
    home.correspond(first, 2).await;
    home.raise(second).await;
    // Killed after some views were written, before the place was put down.
    let database = home.location.open(home.folder.path()).await.unwrap();
    let kept = database.views().await.unwrap();
    let repository: Repository<FindingCase, Finding> = kept.repository(ViewTable::Findings);
    let stream = home.stream(first).await;
    let store = home.app.store();
    let applied = project(&repository, store.as_ref(), first, &stream[1..4]).await;
    assert_eq!(applied.unwrap(), 3);
    let done = views.catch_up().await.unwrap();
    assert_eq!((done.events, done.rebuilt), (2, false));
    home.check(&views).await;

    // A view is gone, and the place says that it was written: the next event finds out.
    home.change("DELETE FROM finding_case").await;
    home.correspond(first, 1).await;
    home.correspond(second, 1).await;
    assert!(!views.catch_up().await.unwrap().rebuilt);
    home.check(&views).await;

    // The place is gone.
    home.change("DELETE FROM projector").await;
    assert!(views.catch_up().await.unwrap().rebuilt);
    home.check(&views).await;

    // All views are gone, and no event follows: a rebuild is asked for.
    home.change("DELETE FROM finding_case").await;
    assert_eq!(views.catch_up().await.unwrap().events, 0);
    assert!(views.cases().await.unwrap().is_empty());
    assert_eq!(views.rebuild().await.unwrap().events, 10);
    home.check(&views).await;

    // A view of another form.
    home.change("UPDATE finding_case SET payload = '{\"id\": 7}'")
        .await;
    assert!(views.cases().await.is_err());
    home.correspond(first, 1).await;
    assert!(views.catch_up().await.unwrap().rebuilt);
    home.check(&views).await;
}

/// Views that are of another log, although of the same length, are not continued.
async fn views_of_another_log_are_made_anew(home: Home) {
    home.raise(Uuid::from_u128(1)).await;
    let views = home.app.views().await.unwrap();
    // As if the last entry that was projected had been another one; as if there had been more.
    for (field, value) in [("last", "\"00\""), ("size", "9000")] {
        let payload = match home.location {
            Location::Folder => format!("json_set(payload, '$.{field}', json('{value}'))"),
            Location::Postgres(_) => {
                format!("jsonb_set(payload::jsonb, '{{{field}}}', '{value}')::json")
            }
        };
        home.change(&format!("UPDATE projector SET payload = {payload}"))
            .await;
        let done = views.catch_up().await.unwrap();
        assert!(done.rebuilt, "{field}");
        assert_eq!(done.events, 1);
        home.check(&views).await;
    }
}

/// A repository in which others are always faster, so often.
struct Overtaken<'a> {
    inner: Repository<FindingCase, Finding>,
    home: &'a Home,
    stream: Vec<StoredEntry>,
    left: AtomicU32,
    conflicts: AtomicU32,
}

impl ViewRepository<FindingCase, Finding> for Overtaken<'_> {
    async fn load(&self, view_id: &str) -> Result<Option<FindingCase>, PersistenceError> {
        self.inner.load(view_id).await
    }

    async fn load_with_context(
        &self,
        view_id: &str,
    ) -> Result<Option<(FindingCase, ViewContext)>, PersistenceError> {
        let found = self.inner.load_with_context(view_id).await?;
        let left = self.left.load(Ordering::SeqCst);
        if left > 0 {
            // Another node applies one more event between this reading and the writing.
            self.left.store(left - 1, Ordering::SeqCst);
            let known = found.as_ref().map_or(0, |(view, _)| view.trail.sequence);
            let next = usize::try_from(known).unwrap();
            let store = self.home.app.store();
            let id = Uuid::parse_str(view_id).unwrap();
            let events = &self.stream[next..=next];
            let applied = project(&self.inner, store.as_ref(), id, events).await;
            assert_eq!(applied.unwrap(), 1);
        }
        Ok(found)
    }

    async fn update_view(
        &self,
        view: FindingCase,
        context: ViewContext,
    ) -> Result<(), PersistenceError> {
        let done = self.inner.update_view(view, context).await;
        if matches!(done, Err(PersistenceError::OptimisticLockError)) {
            self.conflicts.fetch_add(1, Ordering::SeqCst);
        }
        done
    }
}

async fn a_stale_version_is_read_again(home: Home) {
    let id = Uuid::from_u128(1);
    home.raise(id).await;
    home.correspond(id, 2).await;
    let stream = home.stream(id).await;
    let database = home.location.open(home.folder.path()).await.unwrap();
    let kept = database.views().await.unwrap();
    let overtaken = Overtaken {
        inner: kept.repository(ViewTable::Findings),
        home: &home,
        stream: stream.clone(),
        left: AtomicU32::new(3),
        conflicts: AtomicU32::new(0),
    };
    let store = home.app.store();
    // The first conflict is between two insertions, the others between two updates.
    let applied = project(&overtaken, store.as_ref(), id, &stream).await;
    assert_eq!(applied.unwrap(), 2);
    assert_eq!(overtaken.conflicts.load(Ordering::SeqCst), 3);
    let views = home.app.views().await.unwrap();
    home.check(&views).await;
    // A version that nobody reads again is refused.
    let (view, context) = overtaken
        .inner
        .load_with_context(&id.to_string())
        .await
        .unwrap()
        .unwrap();
    let stale = ViewContext::new(id.to_string(), context.version - 1);
    let refused = overtaken.inner.update_view(view, stale).await.unwrap_err();
    assert!(matches!(refused, PersistenceError::OptimisticLockError));
}

/// A test per case and database.
macro_rules! each_database {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case(super::Home::sqlite().await).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case(super::Home::postgres().await).await;
                }
            )+
        }
    };
}

each_database!(
    views_say_what_the_log_says,
    many_projectors_apply_each_event_once,
    projectors_that_start_together_agree,
    a_torn_state_heals,
    views_of_another_log_are_made_anew,
    a_stale_version_is_read_again,
);

/// The file is derived: gone, damaged or of another version, it is made anew.
#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_the_views_may_be_deleted() {
    let home = Home::sqlite().await;
    home.raise(Uuid::from_u128(1)).await;
    home.check(&home.app.views().await.unwrap()).await;
    let Home {
        folder,
        location,
        app,
    } = home;
    app.close().await;
    let path = folder.path().join("views.db");
    for damage in 0..3 {
        match damage {
            0 => std::fs::remove_file(&path).unwrap(),
            1 => std::fs::write(&path, "no database ".repeat(100)).unwrap(),
            _ => {
                let options = SqliteConnectOptions::new().filename(&path);
                let mut other = SqliteConnection::connect_with(&options).await.unwrap();
                other.execute("PRAGMA user_version = 99").await.unwrap();
                other.close().await.unwrap();
            }
        }
        let app = App::open(folder.path()).await.unwrap();
        let home = Home {
            folder: tempfile::tempdir().unwrap(),
            location: location.clone(),
            app,
        };
        let views = home.app.views().await.unwrap();
        home.check(&views).await;
        assert_eq!(views.cases().await.unwrap().len(), 1);
        #[cfg(unix)]
        {
            let mode = std::fs::metadata(&path).unwrap().permissions();
            let mode = std::os::unix::fs::PermissionsExt::mode(&mode);
            assert_eq!(mode & 0o777, 0o600);
        }
        drop(views);
        home.app.close().await;
    }
}

/// The service may change the views and nothing else; a reader of the log does not see them.
#[tokio::test(flavor = "multi_thread")]
async fn rights_end_at_the_views() {
    let home = Home::postgres().await;
    let Location::Postgres(address) = &home.location else {
        panic!("not on a server");
    };
    let mut connection = PgConnection::connect(address).await.unwrap();
    for (role, statement, allowed) in [
        (
            "vitaledger_service",
            "DELETE FROM vitaledger_views.finding_case",
            true,
        ),
        (
            "vitaledger_service",
            "TRUNCATE vitaledger_views.finding_case",
            false,
        ),
        (
            "vitaledger_service",
            "DROP TABLE vitaledger_views.finding_case",
            false,
        ),
        (
            "vitaledger_service",
            "CREATE TABLE vitaledger_views.more (one bigint)",
            false,
        ),
        ("vitaledger_service", "DELETE FROM vitaledger.entry", false),
        (
            "vitaledger_reader",
            "SELECT * FROM vitaledger_views.finding_case",
            false,
        ),
    ] {
        let as_role = format!("SET ROLE {role}; {statement}; RESET ROLE");
        let done = connection.execute(as_role.as_str()).await;
        assert_eq!(done.is_ok(), allowed, "{role}: {statement}");
        connection.execute("RESET ROLE").await.unwrap();
    }
}
