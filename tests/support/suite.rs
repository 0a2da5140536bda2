//! What every store and vault must do, written against the ports alone.
//!
//! What comes in: a [`Backend`], fresh for each case. What goes out: nothing, or a failed assertion.
//! What may fail: an adapter. What must stay true: no case knows its database; what only a database
//! can do (a statement behind the ledger's back) is asked of the backend.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;
use vitaledger::ledger::aggregate::office::{Office, OfficeEvent};
use vitaledger::ledger::aggregate::record::{Record, RecordEvent};
use vitaledger::ledger::commitment::Commitments;
use vitaledger::ledger::envelope::{Envelope, Metadata};
use vitaledger::model::code::OfficeLevel;
use vitaledger::model::entry::{Entry, Unplaced};
use vitaledger::model::fields::BirthFields;
use vitaledger::model::id::OfficeCode;
use vitaledger::model::office::OfficeFields;
use vitaledger::model::time::Timestamp;
use vitaledger::store::{
    Group, Outcome, Pending, Store, StoreError, StoredEntry, StoredTile, Vault, VaultRow,
    WomanToken, access::Tokens,
};

/// A store with its vault, and the database behind both.
#[async_trait]
pub trait Backend: Send + Sync {
    fn store(&self) -> Arc<dyn Store>;
    fn vault(&self) -> Arc<dyn Vault>;
    fn tokens(&self) -> Arc<dyn Tokens>;
    fn ledger_id(&self) -> Uuid;
    /// Run a statement on tables (of the ledger, of tokens) as their owner; give what is refused.
    async fn tamper(&self, statement: &str) -> Result<u64, String>;
    async fn tamper_access(&self, statement: &str) -> Result<u64, String>;
    /// Leaves what a crash between the commits of vault and ledger leaves.
    async fn orphan(&self, position: u64);
}

/// An entry of an office (a stream that is no record).
pub fn office(stream: Uuid, sequence: u64, at: Option<Timestamp>) -> Unplaced {
    let office = OfficeFields {
        code: OfficeCode::parse("990101000000").unwrap(),
        level: OfficeLevel::County,
        name_en: Some(format!("version {sequence}")),
        name_zh: None,
        parent: None,
    };
    let metadata = Metadata::new();
    let envelope = Envelope {
        aggregate_id: stream,
        sequence,
        event_id: Uuid::now_v7(),
        metadata: &metadata,
        simulated_at: at,
    };
    envelope
        .write::<Office>(&OfficeEvent::Registered { office })
        .unwrap()
}

/// An entry of a birth.
pub fn birth(stream: Uuid, sequence: u64) -> Unplaced {
    let metadata = Metadata::new();
    let envelope = Envelope {
        aggregate_id: stream,
        sequence,
        event_id: Uuid::now_v7(),
        metadata: &metadata,
        simulated_at: None,
    };
    let event = RecordEvent::Recorded {
        commitments: Commitments::default(),
        fields: BirthFields::default(),
    };
    envelope.write::<Record<BirthFields>>(&event).unwrap()
}

/// Events that belong together, without a sealed part.
pub fn group(entries: impl IntoIterator<Item = Unplaced>) -> Group {
    let events = entries.into_iter().map(|entry| Pending {
        entry,
        vault: None,
        woman: None,
    });
    Group {
        events: events.collect(),
        idempotency: None,
    }
}

pub fn one(stream: Uuid, sequence: u64) -> Group {
    group([office(stream, sequence, None)])
}

fn keyed(stream: Uuid, key: u8, request: u8) -> Group {
    let mut group = one(stream, 1);
    group.idempotency = Some(([key; 16], [request; 16]));
    group
}

fn sealed(stream: Uuid, mark: u8, year: Option<i32>) -> Group {
    let mut group = group([birth(stream, 1)]);
    group.events[0].vault = Some(vault_row(mark));
    group.events[0].woman = year.map(|year| WomanToken {
        year,
        token: [mark; 16],
        mac: [mark ^ 0xff; 16],
    });
    group
}

pub fn vault_row(mark: u8) -> VaultRow {
    VaultRow {
        key_id: [mark; 16],
        keys: vec![mark; 60],
        slots: vec![mark; 200],
        content: vec![mark; 16],
        flags: 1,
        erased_by: None,
        mac: vec![mark; 16],
        tokens: vec![mark; 34],
    }
}

fn positions(outcome: &Outcome) -> Vec<u64> {
    match outcome {
        Outcome::Appended(entries) => entries.iter().map(|entry| entry.position).collect(),
        other => panic!("not appended: {other:?}"),
    }
}

/// Every entry, read in small batches as readers do.
async fn all(store: &dyn Store) -> Vec<StoredEntry> {
    let mut all: Vec<StoredEntry> = Vec::new();
    loop {
        let batch = store.entries(all.len() as u64, 3).await.unwrap();
        if batch.is_empty() {
            return all;
        }
        assert!(batch.len() <= 3);
        all.extend(batch);
    }
}

/// Whatever was done: the log is gapless, its entries say where and when they are, time does not
/// go back, and every stream is a sequence from 1.
async fn sound(store: &dyn Store) -> Vec<StoredEntry> {
    let head = store.head().await.unwrap();
    let all = all(store).await;
    assert_eq!(all.len() as u64, head.size);
    let mut versions: BTreeMap<Uuid, u64> = BTreeMap::new();
    let mut last = Timestamp::default();
    for (position, stored) in (0..).zip(&all) {
        let entry = Entry::parse(&stored.bytes).unwrap();
        assert_eq!((stored.position, entry.position), (position, position));
        assert!(entry.recorded_at >= last, "time goes back at {position}");
        last = entry.recorded_at;
        let version = versions.entry(entry.aggregate_id).or_default();
        *version += 1;
        assert_eq!(entry.sequence, *version, "at {position}");
    }
    assert_eq!(head.recorded_at, last);
    for (row, stored) in store.rows(0, u64::MAX).await.unwrap().iter().zip(&all) {
        let entry = Entry::parse(&stored.bytes).unwrap();
        assert_eq!((row.position, &row.bytes), (stored.position, &stored.bytes));
        assert_eq!(row.aggregate_type, entry.aggregate_type);
        assert_eq!(row.sequence, entry.sequence);
    }
    all
}

/// Positions are gapless from 0, a batch is in the order it was given, and what was acknowledged
/// is what is read.
pub async fn positions_are_gapless(backend: &dyn Backend) {
    let store = backend.store();
    assert_eq!(store.head().await.unwrap().size, 0);
    assert!(store.append(Vec::new()).await.unwrap().is_empty());
    let streams: Vec<Uuid> = (0..7).map(|_| Uuid::now_v7()).collect();
    let groups = streams.iter().map(|stream| one(*stream, 1)).collect();
    let outcomes = store.append(groups).await.unwrap();
    let appended: Vec<u64> = outcomes.iter().flat_map(positions).collect();
    assert_eq!(appended, [0, 1, 2, 3, 4, 5, 6]);
    let outcomes = store.append(vec![one(streams[0], 2)]).await.unwrap();
    assert_eq!(positions(&outcomes[0]), [7]);
    let all = sound(store.as_ref()).await;
    let Outcome::Appended(acknowledged) = &outcomes[0] else {
        unreachable!()
    };
    assert_eq!(acknowledged[..], all[7..]);
    assert_eq!(store.entry(7).await.unwrap().as_ref(), all.last());
    assert_eq!(store.entry(8).await.unwrap(), None);
    assert!(store.entries(8, 10).await.unwrap().is_empty());
    let placed = all[3].bytes.clone();
    let entry = Entry::parse(&placed).unwrap();
    assert_eq!(entry.aggregate_id, streams[3]);
}

/// A group is appended as a whole or not at all, and one that is not harms no other.
pub async fn a_loser_fails_alone_and_as_a_whole(backend: &dyn Backend) {
    let store = backend.store();
    let [a, b, c] = [(); 3].map(|()| Uuid::now_v7());
    store.append(vec![one(a, 1)]).await.unwrap();
    // The second event of the group comes too early: nothing of the group may stay.
    let half = group([office(b, 1, None), office(a, 3, None)]);
    let stale = one(a, 1);
    let whole = group([office(c, 1, None), office(c, 2, None), office(a, 2, None)]);
    let outcomes = store
        .append(vec![one(Uuid::now_v7(), 1), half, stale, whole])
        .await
        .unwrap();
    assert_eq!(positions(&outcomes[0]), [1]);
    let conflict = |aggregate_id, current| Outcome::Conflict {
        aggregate_id,
        current,
    };
    assert_eq!(outcomes[1], conflict(a, 1));
    assert_eq!(outcomes[2], conflict(a, 1));
    assert_eq!(positions(&outcomes[3]), [2, 3, 4]);
    assert_eq!(sound(store.as_ref()).await.len(), 5);
    assert!(store.streams(&[b]).await.unwrap().is_empty());
}

/// The version that a group expects is that after the groups before it in the same batch.
pub async fn versions_conflict_within_and_across_batches(backend: &dyn Backend) {
    let store = backend.store();
    let a = Uuid::now_v7();
    let batch = vec![one(a, 1), one(a, 1), one(a, 2), one(a, 4), one(a, 3)];
    let outcomes = store.append(batch).await.unwrap();
    let current = |outcome: &Outcome| match outcome {
        Outcome::Conflict { current, .. } => Some(*current),
        _ => None,
    };
    let found: Vec<Option<u64>> = outcomes.iter().map(current).collect();
    assert_eq!(found, [None, Some(1), None, Some(2), None]);
    let outcomes = store.append(vec![one(a, 3), one(a, 5)]).await.unwrap();
    assert_eq!(
        outcomes.iter().map(current).collect::<Vec<_>>(),
        [Some(3), Some(3)]
    );
    assert_eq!(sound(store.as_ref()).await.len(), 3);
}

/// A key is answered once, with the digest of the request that it was used for first.
pub async fn a_key_is_used_once(backend: &dyn Backend) {
    let store = backend.store();
    let [a, b, c, d] = [(); 4].map(|()| Uuid::now_v7());
    let repeated = |position, request: u8| Outcome::Repeated {
        position,
        request: [request; 16],
    };
    let outcomes = store
        .append(vec![keyed(a, 1, 1), keyed(b, 1, 1), keyed(c, 1, 9)])
        .await
        .unwrap();
    assert_eq!(positions(&outcomes[0]), [0]);
    assert_eq!(outcomes[1..], [repeated(0, 1), repeated(0, 1)]);
    // A key is looked up before versions: a retry of what was appended is no conflict.
    let outcomes = store
        .append(vec![keyed(a, 1, 1), keyed(d, 2, 2)])
        .await
        .unwrap();
    assert_eq!(outcomes[0], repeated(0, 1));
    assert_eq!(positions(&outcomes[1]), [1]);
    // A key whose request lost is free again, also later in the same batch.
    let outcomes = store
        .append(vec![keyed(a, 3, 3), keyed(b, 3, 4)])
        .await
        .unwrap();
    assert!(matches!(outcomes[0], Outcome::Conflict { .. }));
    assert_eq!(positions(&outcomes[1]), [2]);
    let known = store.repeated(&[[1; 16], [2; 16], [3; 16], [4; 16]]).await;
    let known: BTreeMap<_, _> = known.unwrap().into_iter().collect();
    let expected = [(1, 0, 1), (2, 1, 2), (3, 2, 4)];
    let expected = expected.map(|(key, position, request)| ([key; 16], (position, [request; 16])));
    assert_eq!(known, BTreeMap::from(expected));
    let rows = store.idempotency_rows().await.unwrap();
    let row = |key: u8, request: u8, position| (vec![key; 16], vec![request; 16], position);
    assert_eq!(rows, [row(1, 1, 0), row(2, 2, 1), row(3, 4, 2)]);
    sound(store.as_ref()).await;
}

/// Time is the database's, and never goes back.
pub async fn recorded_at_is_the_clock_and_monotone(backend: &dyn Backend) {
    let store = backend.store();
    let before = Timestamp::now();
    for _ in 0..5 {
        store.append(vec![one(Uuid::now_v7(), 1)]).await.unwrap();
    }
    let after = Timestamp::now();
    let all = sound(store.as_ref()).await;
    // A database on another machine may be off by what the ledger bridges.
    let slack = 5_000_000;
    for stored in &all {
        let at = Entry::parse(&stored.bytes).unwrap().recorded_at.micros();
        assert!(at >= before.micros() - slack && at <= after.micros() + slack);
    }
}

/// A simulated time is taken, never back; and a real append after a future one is refused.
pub async fn simulated_times_are_taken_and_bounded(backend: &dyn Backend) {
    let store = backend.store();
    let at = |day: &str| Timestamp::parse_moment(&format!("{day}T00:00:00Z")).unwrap();
    let simulated = |day: &str| group([office(Uuid::now_v7(), 1, Some(at(day)))]);
    let days = ["2014-03-01", "2014-05-01", "2014-04-01", "2014-06-01"];
    store
        .append(days.map(simulated).into_iter().collect())
        .await
        .unwrap();
    let all = sound(store.as_ref()).await;
    let times = all
        .iter()
        .map(|stored| Entry::parse(&stored.bytes).unwrap().recorded_at);
    let expected = ["2014-03-01", "2014-05-01", "2014-05-01", "2014-06-01"].map(at);
    assert_eq!(times.collect::<Vec<_>>(), expected);
    store.append(vec![simulated("2999-01-01")]).await.unwrap();
    let refused = store.append(vec![one(Uuid::now_v7(), 1)]).await;
    match refused {
        Err(StoreError::ClockBehind { ahead_micros }) => assert!(ahead_micros > 5_000_000),
        other => panic!("not refused: {other:?}"),
    }
    assert_eq!(sound(store.as_ref()).await.len(), 5);
}

/// Checkpoints and tiles are kept once, and stay what they were.
pub async fn checkpoints_and_tiles_stay(backend: &dyn Backend) {
    let store = backend.store();
    assert_eq!(store.newest_checkpoint().await.unwrap(), None);
    let tile = |level, number, byte| StoredTile {
        level,
        number,
        hashes: vec![byte; 8192],
    };
    store.save_checkpoint(1, b"one", &[]).await.unwrap();
    let tiles = [tile(0, 0, 1), tile(0, 1, 2), tile(1, 0, 3)];
    store.save_checkpoint(600, b"two", &tiles).await.unwrap();
    // A second note of a size is one that was signed again after a crash: the first stays.
    let other = [tile(0, 1, 9)];
    store.save_checkpoint(600, b"other", &other).await.unwrap();
    store.save_checkpoint(20, b"late", &[]).await.unwrap();
    let notes = store.checkpoints().await.unwrap();
    let note = |size, text: &[u8]| (size, text.to_vec());
    assert_eq!(
        notes,
        [note(1, b"one"), note(20, b"late"), note(600, b"two")]
    );
    assert_eq!(
        store.newest_checkpoint().await.unwrap(),
        Some(note(600, b"two"))
    );
    assert_eq!(store.tiles().await.unwrap(), tiles);
    assert_eq!(store.tile(0, 1).await.unwrap(), Some(vec![2; 8192]));
    assert_eq!(store.tile(2, 0).await.unwrap(), None);
}

/// The database itself refuses to change what the ledger holds.
pub async fn nothing_is_updated_or_deleted(backend: &dyn Backend) {
    let store = backend.store();
    store
        .append(vec![keyed(Uuid::now_v7(), 1, 1), one(Uuid::now_v7(), 1)])
        .await
        .unwrap();
    let tile = StoredTile {
        level: 0,
        number: 0,
        hashes: vec![0; 8192],
    };
    store.save_checkpoint(2, b"note", &[tile]).await.unwrap();
    let before = all(store.as_ref()).await;
    for (table, column) in [
        ("entry", "sequence"),
        ("entry", "position"),
        ("idempotency", "position"),
        ("checkpoint", "size"),
        ("tile", "number"),
    ] {
        for statement in [
            format!("UPDATE {table} SET {column} = {column} + 7"),
            format!("DELETE FROM {table}"),
        ] {
            let refused = backend.tamper(&statement).await.unwrap_err();
            assert!(refused.contains("append-only"), "{statement}: {refused}");
        }
    }
    assert_eq!(all(store.as_ref()).await, before);
    assert_eq!(store.checkpoints().await.unwrap().len(), 1);
    assert_eq!(store.tiles().await.unwrap().len(), 1);
    assert_eq!(store.idempotency_rows().await.unwrap().len(), 1);
    assert_eq!(store.complaints().await.unwrap(), [""; 0]);
}

/// Sealed parts lie at the position of their entry; losers leave none.
pub async fn sealed_parts_lie_at_their_entries(backend: &dyn Backend) {
    let (store, vault) = (backend.store(), backend.vault());
    assert_eq!(vault.vault_of().await.unwrap(), Some(backend.ledger_id()));
    let [a, b] = [(); 2].map(|()| Uuid::now_v7());
    let groups = vec![
        one(Uuid::now_v7(), 1),
        sealed(a, 1, Some(2014)),
        sealed(a, 2, Some(2014)),
    ];
    store.append(groups).await.unwrap();
    store.append(vec![sealed(b, 3, None)]).await.unwrap();
    let expected = vec![(1, vault_row(1)), (2, vault_row(3))];
    assert_eq!(vault.sealed(0, 10).await.unwrap(), expected);
    assert_eq!(vault.sealed(0, 1).await.unwrap(), expected[..1]);
    assert_eq!(vault.sealed(2, 10).await.unwrap(), expected[1..]);
    let at: BTreeMap<_, _> = vault
        .sealed_at(&[0, 1, 2, 9])
        .await
        .unwrap()
        .into_iter()
        .collect();
    assert_eq!(at.into_iter().collect::<Vec<_>>(), expected);
    let token = WomanToken {
        year: 2014,
        token: [1; 16],
        mac: [1 ^ 0xff; 16],
    };
    assert_eq!(vault.woman_tokens().await.unwrap(), [(1, token)]);
}

/// What a crash left in the vault goes before its position is used.
pub async fn orphans_are_swept(backend: &dyn Backend) {
    let (store, vault) = (backend.store(), backend.vault());
    store
        .append(vec![sealed(Uuid::now_v7(), 1, None)])
        .await
        .unwrap();
    for position in [1, 2, 5] {
        backend.orphan(position).await;
    }
    assert_eq!(vault.sealed(0, 10).await.unwrap().len(), 4);
    store
        .append(vec![sealed(Uuid::now_v7(), 2, None)])
        .await
        .unwrap();
    let expected = [(0, vault_row(1)), (1, vault_row(2))];
    assert_eq!(vault.sealed(0, 10).await.unwrap(), expected);
    assert!(vault.woman_tokens().await.unwrap().is_empty());
    sound(store.as_ref()).await;
}

/// Erasure leaves what it is given, without tokens, and touches nothing else.
pub async fn erasure_empties_rows(backend: &dyn Backend) {
    let (store, vault) = (backend.store(), backend.vault());
    let groups = (1..=3).map(|mark| sealed(Uuid::now_v7(), mark, Some(2014)));
    store.append(groups.collect()).await.unwrap();
    let left = VaultRow {
        key_id: [2; 16],
        flags: 1,
        erased_by: Some(77),
        mac: vec![9; 16],
        ..VaultRow::default()
    };
    vault.erase(vec![(1, left.clone())]).await.unwrap();
    let expected = [(0, vault_row(1)), (1, left), (2, vault_row(3))];
    assert_eq!(vault.sealed(0, 10).await.unwrap(), expected);
    let tokens = vault.woman_tokens().await.unwrap();
    let at: Vec<u64> = tokens.iter().map(|(position, _)| *position).collect();
    assert_eq!(at, [0, 2]);
}

/// The first key of a year holds; with it go the tokens of that year alone.
pub async fn years_have_one_key_each(backend: &dyn Backend) {
    let (store, vault) = (backend.store(), backend.vault());
    assert_eq!(vault.year_key(2014).await.unwrap(), None);
    assert_eq!(vault.keep_year_key(2014, b"first").await.unwrap(), b"first");
    assert_eq!(vault.keep_year_key(2014, b"other").await.unwrap(), b"first");
    assert_eq!(vault.keep_year_key(2013, b"older").await.unwrap(), b"older");
    assert_eq!(vault.years().await.unwrap(), [2013, 2014]);
    let groups = [2013, 2014].map(|year| sealed(Uuid::now_v7(), 1, Some(year)));
    store.append(groups.into_iter().collect()).await.unwrap();
    vault.destroy_year(2013).await.unwrap();
    assert_eq!(vault.year_key(2013).await.unwrap(), None);
    assert_eq!(vault.years().await.unwrap(), [2014]);
    let tokens = vault.woman_tokens().await.unwrap();
    assert_eq!(tokens.len(), 1);
    assert_eq!((tokens[0].0, tokens[0].1.year), (1, 2014));
    assert_eq!(vault.sealed(0, 10).await.unwrap().len(), 2);
}

/// Eight writers at once, each on a stream of its own and all on one: nothing is lost, doubled or
/// out of order, and for every version of the contended stream there is exactly one winner.
pub async fn concurrent_appends_are_one_order(backend: &dyn Backend) {
    const TASKS: u8 = 8;
    const ROUNDS: u64 = 12;
    let contended = Uuid::now_v7();
    let mut tasks = Vec::new();
    for task in 0..TASKS {
        let store = backend.store();
        tasks.push(tokio::spawn(async move {
            let own = Uuid::now_v7();
            let (mut acknowledged, mut next) = (Vec::new(), 1);
            for round in 1..=ROUNDS {
                let mut first = one(own, round);
                first.idempotency = Some(([task; 16], [0; 16])).filter(|_| round == 1);
                let outcomes = store
                    .append(vec![first, one(contended, next)])
                    .await
                    .unwrap();
                acknowledged.extend(positions(&outcomes[0]));
                match &outcomes[1] {
                    Outcome::Appended(entries) => {
                        acknowledged.push(entries[0].position);
                        next += 1;
                    }
                    Outcome::Conflict { current, .. } => next = current + 1,
                    Outcome::Repeated { .. } => unreachable!("no key was given"),
                }
            }
            (own, acknowledged)
        }));
    }
    let (mut owns, mut positions) = (Vec::new(), Vec::new());
    for task in tasks {
        let (own, acknowledged) = task.await.unwrap();
        owns.push(own);
        positions.extend(acknowledged);
    }
    let store = backend.store();
    let all = sound(store.as_ref()).await;
    let distinct: BTreeSet<u64> = positions.iter().copied().collect();
    assert_eq!(
        distinct.len(),
        positions.len(),
        "a position was given twice"
    );
    assert_eq!(distinct, (0..all.len() as u64).collect());
    let streams = store.streams(&owns).await.unwrap();
    assert!(streams.values().all(|stream| stream.len() as u64 == ROUNDS));
    let winners = store.streams(&[contended]).await.unwrap()[&contended].len();
    assert_eq!(winners + owns.len() * 12, all.len());
    assert!(winners >= 12, "the contended stream has {winners} versions");
    assert_eq!(
        store.idempotency_rows().await.unwrap().len(),
        usize::from(TASKS)
    );
}

/// The same request from eight writers at once is appended once.
pub async fn a_key_has_one_winner(backend: &dyn Backend) {
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let store = backend.store();
        let group = keyed(Uuid::now_v7(), 5, 5);
        tasks.push(tokio::spawn(async move {
            store.append(vec![group]).await.unwrap()
        }));
    }
    let (position, request) = (0, [5; 16]);
    let repeated = Outcome::Repeated { position, request };
    let mut appended = 0;
    for task in tasks {
        match &task.await.unwrap()[0] {
            Outcome::Appended(_) => appended += 1,
            other => assert_eq!(*other, repeated),
        }
    }
    assert_eq!(appended, 1);
    assert_eq!(sound(backend.store().as_ref()).await.len(), 1);
}
