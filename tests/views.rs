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

#[path = "support/casework.rs"]
mod casework;
#[path = "support/postgres.rs"]
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use casework::{Home, ROOT, office};
use cqrs_es::persist::{PersistenceError, ViewContext, ViewRepository};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;
use vitaledger::app::App;
use vitaledger::audit::verify::Scope;
use vitaledger::ledger::aggregate::finding::{Finding, FindingCommand, FindingStage};
use vitaledger::ledger::aggregate::sample::SampleStage;
use vitaledger::registers::views::finding::FindingCase;
use vitaledger::registers::views::projector::project;
use vitaledger::store::StoredEntry;
use vitaledger::store::location::Location;
use vitaledger::store::views::{Repository, ViewTable};

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
