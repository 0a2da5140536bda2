//! The ledger behind `cqrs_es::CqrsFramework`.
//!
//! What must stay true: commands that go through the framework are placed, hashed and sealed like
//! all others; two that race for a version conflict; an event with sealed fields is refused when
//! its sealed part was not handed over.
#![expect(clippy::unwrap_used, reason = "a failure is a failed test")]

use cqrs_es::persist::PersistedEventRepository;
use cqrs_es::{AggregateContext, AggregateError, CqrsFramework, EventStore};
use uuid::Uuid;
use vitaledger::app::{App, InitOptions};
use vitaledger::audit::verify::Scope;
use vitaledger::ledger::aggregate::office::{Office, OfficeCommand, OfficeEvent};
use vitaledger::ledger::aggregate::record::{Record, RecordEvent};
use vitaledger::ledger::commitment::{Commitment, Commitments};
use vitaledger::ledger::event_store::LedgerEventStore;
use vitaledger::model::code::OfficeLevel;
use vitaledger::model::fields::BirthFields;
use vitaledger::model::id::OfficeCode;
use vitaledger::model::office::OfficeFields;
use vitaledger::model::schema::RecordKind;

fn office(name: &str) -> OfficeFields {
    OfficeFields {
        code: OfficeCode::parse("990101100001").unwrap(),
        level: OfficeLevel::Village,
        name_en: Some(name.to_owned()),
        name_zh: None,
        parent: None,
    }
}

async fn ledger() -> (tempfile::TempDir, App) {
    let folder = tempfile::tempdir().unwrap();
    let app = App::init(&folder.path().join("ledger"), &InitOptions::default())
        .await
        .unwrap();
    (folder, app)
}

fn store(app: &App) -> LedgerEventStore {
    LedgerEventStore::new(app.ledger.clone(), app.context(None))
}

#[tokio::test]
async fn the_framework_executes_on_the_ledger() {
    let (_folder, app) = ledger().await;
    let framework = CqrsFramework::<Office, _>::new(store(&app), vec![], ());
    let id = app
        .ledger
        .keys
        .stream_id("office", "990101100001")
        .to_string();
    let register = OfficeCommand::Register {
        office: office("One"),
    };
    framework.execute(&id, register.clone()).await.unwrap();
    let again = framework.execute(&id, register).await;
    assert!(
        matches!(again, Err(AggregateError::UserError(_))),
        "{again:?}"
    );
    framework
        .execute(
            &id,
            OfficeCommand::Change {
                office: office("Two"),
            },
        )
        .await
        .unwrap();

    let events = EventStore::<Office>::load_events(&store(&app), &id)
        .await
        .unwrap();
    assert_eq!(
        events
            .iter()
            .map(|event| event.sequence)
            .collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(events[1].metadata["actor"], "operator");
    let read = store(&app).get_last_events::<Office>(&id, 1).await.unwrap();
    assert_eq!(read.len(), 1);
    app.seal().await.unwrap();
    let report = app.verify(Scope::Everything, |_| {}).await.unwrap();
    assert_eq!(report.wrong, None);
    let directory = app.offices(report.entries).await.unwrap();
    assert_eq!(directory.all()[0].name(false), "Two");
}

#[tokio::test]
async fn a_version_is_taken_once() {
    let (_folder, app) = ledger().await;
    let id = app
        .ledger
        .keys
        .stream_id("office", "990101100001")
        .to_string();
    let (one, two) = (store(&app), store(&app));
    let mut first = EventStore::<Office>::load_aggregate(&one, &id)
        .await
        .unwrap();
    let second = EventStore::<Office>::load_aggregate(&two, &id)
        .await
        .unwrap();
    assert_eq!(first.aggregate(), &Office::default());
    let event = || {
        vec![OfficeEvent::Registered {
            office: office("One"),
        }]
    };
    let none = std::collections::HashMap::new;
    EventStore::<Office>::commit(&one, event(), first, none())
        .await
        .unwrap();
    let lost = EventStore::<Office>::commit(&two, event(), second, none()).await;
    assert!(
        matches!(lost, Err(AggregateError::AggregateConflict)),
        "{lost:?}"
    );
}

#[tokio::test]
async fn sealed_fields_come_with_their_sealed_part_or_not_at_all() {
    let (_folder, app) = ledger().await;
    let slots = RecordKind::Birth
        .slots()
        .iter()
        .map(|(slot, _)| (*slot, Commitment([1; 32])));
    let event = RecordEvent::Recorded {
        commitments: Commitments::new(slots.collect()),
        fields: BirthFields::default(),
    };
    let store = store(&app);
    let id = Uuid::new_v8([7; 16]).to_string();
    let context = EventStore::<Record<BirthFields>>::load_aggregate(&store, &id)
        .await
        .unwrap();
    let none = std::collections::HashMap::new();
    let refused =
        EventStore::<Record<BirthFields>>::commit(&store, vec![event], context, none).await;
    assert!(
        matches!(refused, Err(AggregateError::UnexpectedError(_))),
        "{refused:?}"
    );
}
