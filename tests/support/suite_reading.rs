//! What every store must give to those who read the log, beside [`super::suite`].

use std::time::Duration;

use uuid::Uuid;
use vitaledger::ledger::aggregate::access::{Access, AccessEvent};
use vitaledger::ledger::envelope::{Envelope, Metadata};
use vitaledger::model::entry::{Entry, Unplaced};

use super::suite::{Backend, birth, group, one};

/// An entry of a token.
fn refused(stream: Uuid) -> Unplaced {
    let metadata = Metadata::new();
    let envelope = Envelope {
        aggregate_id: stream,
        sequence: 1,
        event_id: Uuid::now_v7(),
        metadata: &metadata,
        simulated_at: None,
    };
    let event = AccessEvent::Refused {
        count: 1,
        refusals: Vec::new(),
    };
    envelope.write::<Access>(&event).unwrap()
}

/// Streams come in the order of their versions, unknown ones not at all.
pub async fn streams_are_in_order(backend: &dyn Backend) {
    let store = backend.store();
    let [a, b, unknown] = [(); 3].map(|()| Uuid::now_v7());
    for sequence in 1..=12 {
        let groups = vec![one(a, sequence), one(b, sequence)];
        store.append(groups).await.unwrap();
    }
    let streams = store.streams(&[b, a, unknown, a]).await.unwrap();
    assert_eq!(streams.len(), 2);
    for (first, id) in (0..).zip([a, b]) {
        let expected: Vec<u64> = (0..12).map(|version| first + 2 * version).collect();
        let found: Vec<u64> = streams[&id].iter().map(|entry| entry.position).collect();
        assert_eq!(found, expected);
        let last = Entry::parse(&streams[&id][11].bytes).unwrap();
        assert_eq!((last.aggregate_id, last.sequence), (id, 12));
    }
    assert!(store.streams(&[]).await.unwrap().is_empty());
    let asked = [(b, 3), (unknown, 1), (a, 12), (a, 13), (b, 0), (b, 3)];
    let expected = [Some(5), None, Some(22), None, None, Some(5)];
    assert_eq!(store.positions_of(&asked).await.unwrap(), expected);
    assert!(store.positions_of(&[]).await.unwrap().is_empty());
}

/// Entries of a type that is no record are found by it, in order.
pub async fn entries_are_found_by_type(backend: &dyn Backend) {
    let store = backend.store();
    for _ in 0..3 {
        let groups = vec![group([birth(Uuid::now_v7(), 1)]), one(Uuid::now_v7(), 1)];
        store.append(groups).await.unwrap();
    }
    let offices = store.entries_of_type("office").await.unwrap();
    let found: Vec<u64> = offices.iter().map(|entry| entry.position).collect();
    assert_eq!(found, [1, 3, 5]);
    assert!(store.entries_of_type("import").await.unwrap().is_empty());
    store
        .append(vec![
            group([refused(Uuid::now_v7())]),
            one(Uuid::now_v7(), 1),
        ])
        .await
        .unwrap();
    for (types, from, expected) in [
        (["access", "office"].as_slice(), 0, vec![1, 3, 5, 6, 7]),
        (&["office", "access"], 4, vec![5, 6, 7]),
        (&["access"], 0, vec![6]),
        (&["office", "access"], 8, vec![]),
        (&["import"], 0, vec![]),
        (&[], 0, vec![]),
    ] {
        let found = store.entries_of_types_from(types, from).await.unwrap();
        let found: Vec<u64> = found.iter().map(|entry| entry.position).collect();
        assert_eq!(found, expected, "{types:?} from {from}");
    }
}

/// Whoever waits for the log to grow is told when it has.
pub async fn who_waits_is_told(backend: &dyn Backend) {
    let store = backend.store();
    let none = store.grown(0, Duration::from_millis(30)).await.unwrap();
    assert_eq!(none.size, 0);
    let waits = |beyond| {
        let store = store.clone();
        tokio::spawn(async move { store.grown(beyond, Duration::from_mins(1)).await })
    };
    let (next, after) = (waits(0), waits(1));
    store.append(vec![one(Uuid::now_v7(), 1)]).await.unwrap();
    assert_eq!(next.await.unwrap().unwrap().size, 1);
    assert!(!after.is_finished());
    store.append(vec![one(Uuid::now_v7(), 1)]).await.unwrap();
    assert_eq!(after.await.unwrap().unwrap().size, 2);
    assert_eq!(waits(0).await.unwrap().unwrap().size, 2);
}
