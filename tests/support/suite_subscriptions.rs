//! What every store must do with durable subscriptions, beside [`super::suite`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use uuid::Uuid;
use vitaledger::model::id::OfficeCode;
use vitaledger::model::time::Timestamp;
use vitaledger::store::subscriptions::{
    AfterRefusal, Candidate, Filter, Lease, Settings, Settled, Subscription, SubscriptionState,
    Subscriptions, Taken,
};

use super::suite::Backend;

/// Longer than any test.
const HOUR: Duration = Duration::from_hours(1);
const MOST_ATTEMPTS: u32 = 3;

/// A backend with subscriptions, and statements on their tables as their owner.
#[async_trait]
pub trait Subscribed: Backend {
    fn subscriptions(&self) -> Arc<dyn Subscriptions>;
    async fn tamper_subscriptions(&self, statement: &str) -> u64;
}

/// Nothing becomes due on its own while a test runs.
fn subscription(name: &str) -> Subscription {
    Subscription {
        name: name.to_owned(),
        office: OfficeCode::parse("990101000000"),
        token: Some(Uuid::from_u128(7)),
        filter: Filter {
            kinds: vec!["birth".to_owned(), "office".to_owned()],
            office: OfficeCode::parse("990101100000"),
            officeless: false,
        },
        state: SubscriptionState::Active,
        scanned_to: 0,
        created_at: Timestamp::default(),
        settings: Settings {
            max_attempts: MOST_ATTEMPTS,
            backoff_base_ms: 3_600_000,
            backoff_cap_ms: 36_000_000,
            window: 100,
            lease_ms: 3_600_000,
        },
        endpoint: None,
    }
}

fn record(number: u8) -> Uuid {
    Uuid::from_u128(u128::from(number) + 1)
}

/// Positions from 0 on, of these records.
fn candidates(records: &[u8]) -> Vec<Candidate> {
    (0..)
        .zip(records)
        .map(|(position, number)| Candidate {
            position,
            record: record(*number),
        })
        .collect()
}

/// A subscription that has taken in positions of these records.
async fn with(backend: &dyn Subscribed, name: &str, records: &[u8]) -> Arc<dyn Subscriptions> {
    let kept = backend.subscriptions();
    assert!(kept.create_subscription(&subscription(name)).await.unwrap());
    let found = candidates(records);
    let to = found.len() as u64;
    assert!(kept.take_in(name, 0, to, &found).await.unwrap());
    kept
}

fn positions(lease: &Lease) -> Vec<u64> {
    lease.taken.iter().map(|taken| taken.position).collect()
}

async fn claim(kept: &Arc<dyn Subscriptions>, name: &str, most: u32) -> Lease {
    let lease = kept.claim(name, "one", most, HOUR).await.unwrap();
    lease.unwrap()
}

/// What was kept is read back; a name stands for one; states and settings change; it can go.
pub async fn subscriptions_are_kept_and_changed(backend: &dyn Subscribed) {
    let kept = backend.subscriptions();
    assert!(kept.subscriptions().await.unwrap().is_empty());
    let own = subscription("b");
    let all = Subscription {
        name: "a".to_owned(),
        office: None,
        token: None,
        filter: Filter::everything(),
        endpoint: Some("https://example.org/hook?x=1".to_owned()),
        ..subscription("a")
    };
    assert!(kept.create_subscription(&own).await.unwrap());
    assert!(kept.create_subscription(&all).await.unwrap());
    assert!(!kept.create_subscription(&own).await.unwrap());
    let read = kept.subscription("b").await.unwrap().unwrap();
    assert!(read.created_at > Timestamp::default());
    let created_at = read.created_at;
    assert_eq!(read, Subscription { created_at, ..own });
    let names = kept.subscriptions().await.unwrap();
    let names: Vec<_> = names.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let settings = Settings {
        window: 5,
        ..Settings::default()
    };
    assert!(kept.alter_subscription("a", settings, None).await.unwrap());
    let paused = SubscriptionState::Paused;
    assert!(kept.set_subscription_state("a", paused).await.unwrap());
    let read = kept.subscription("a").await.unwrap().unwrap();
    assert_eq!((read.settings, read.endpoint), (settings, None));
    assert_eq!((read.state, read.filter), (paused, Filter::everything()));
    // What is not active hands nothing out; what is not there is said not to be.
    assert_eq!(kept.claim("a", "one", 9, HOUR).await.unwrap(), None);
    assert!(kept.delete_subscription("b").await.unwrap());
    assert!(!kept.delete_subscription("b").await.unwrap());
    assert_eq!(kept.subscription("b").await.unwrap(), None);
    assert_eq!(kept.claim("b", "one", 9, HOUR).await.unwrap(), None);
    assert_eq!(kept.progress("b").await.unwrap(), None);
    assert_eq!(
        kept.acknowledge("b", Uuid::nil(), &[1]).await.unwrap(),
        None
    );
    assert_eq!(kept.replay_parked("b", None).await.unwrap(), None);
    assert!(!kept.reset_subscription("b", 0).await.unwrap());
    assert!(!kept.take_in("b", 0, 1, &[]).await.unwrap());
}

/// Of two who looked at the same part of the log, one is believed.
pub async fn a_part_of_the_log_is_taken_in_once(backend: &dyn Subscribed) {
    let kept = with(backend, "s", &[0, 1]).await;
    assert!(!kept.take_in("s", 0, 2, &candidates(&[0, 1])).await.unwrap());
    assert!(kept.take_in("s", 2, 9, &[]).await.unwrap());
    let progress = kept.progress("s").await.unwrap().unwrap();
    assert_eq!((progress.scanned_to, progress.ready), (9, 2));
    assert_eq!(progress.oldest.map(|(position, _)| position), Some(0));
    let lookers = (0..8).map(|_| {
        let kept = kept.clone();
        async move { kept.take_in("s", 9, 10, &[]).await.unwrap() }
    });
    let believed = futures_util::future::join_all(lookers).await;
    assert_eq!(believed.iter().filter(|won| **won).count(), 1);
}

/// An event is with one consumer at a time, and those of a record one after the other.
pub async fn consumers_share_the_work_record_by_record(backend: &dyn Subscribed) {
    let kept = with(backend, "s", &[0, 1, 0, 2, 1]).await;
    let first = claim(&kept, "s", 2).await;
    assert_eq!(positions(&first), [0, 1]);
    let other = kept.claim("s", "two", 9, HOUR).await.unwrap().unwrap();
    assert_eq!(positions(&other), [3]);
    let progress = kept.progress("s").await.unwrap().unwrap();
    assert_eq!(
        (progress.leased, progress.behind, progress.ready),
        (3, 2, 0)
    );
    let names: BTreeSet<_> = progress.consumers.iter().map(|one| &*one.name).collect();
    assert_eq!(names, ["one", "two"].into());
    // Of another's lease, nothing is acknowledged.
    let settled = kept.acknowledge("s", other.id, &[0, 3, 77]).await.unwrap();
    let expected = Settled {
        acknowledged: vec![3],
        gone: vec![77],
        lost: vec![0],
    };
    assert_eq!(settled, Some(expected));
    kept.acknowledge("s", first.id, &[0]).await.unwrap();
    assert_eq!(positions(&claim(&kept, "s", 9).await), [2]);
    // Many at once: each gets what nobody else has.
    let kept = with(backend, "many", &(0..40).collect::<Vec<u8>>()).await;
    let claims = (0..8).map(|_| claim(&kept, "many", 5));
    let leases = futures_util::future::join_all(claims).await;
    let all: BTreeSet<u64> = leases.iter().flat_map(positions).collect();
    assert_eq!(all, (0..40).collect());
}

/// What was refused waits longer each time, then is parked, and holds back its record alone.
pub async fn refused_too_often_is_parked(backend: &dyn Subscribed) {
    let kept = with(backend, "s", &[0, 0, 1]).await;
    let mut waits = Vec::new();
    for attempt in 1..=MOST_ATTEMPTS {
        let lease = claim(&kept, "s", 1).await;
        let taken = Taken {
            position: 0,
            record: record(0),
            attempt,
        };
        assert_eq!(lease.taken, [taken]);
        let refused = kept
            .refuse("s", lease.id, 0, "no disk", Duration::ZERO, 1000)
            .await;
        match refused.unwrap().unwrap() {
            AfterRefusal::Waiting(until) => waits.push(until.micros()),
            after => assert_eq!((attempt, after), (MOST_ATTEMPTS, AfterRefusal::Parked)),
        }
        let due = "UPDATE delivery_window SET next_at = 0 WHERE state = 'waiting'";
        backend.tamper_subscriptions(due).await;
    }
    let hours = |micros: i64| micros / 3_600_000_000;
    let now = kept.progress("s").await.unwrap().unwrap().now.micros();
    let hours: Vec<i64> = waits
        .iter()
        .map(|until| hours(until - now + 60_000_000))
        .collect();
    assert_eq!(hours, [1, 2], "they double");
    assert_eq!(positions(&claim(&kept, "s", 9).await), [2]);
    let parked = kept.parked("s", 9).await.unwrap();
    let parked: Vec<_> = parked
        .iter()
        .map(|one| (one.position, one.record, one.attempts, &*one.last_error))
        .collect();
    assert_eq!(parked, [(0, record(0), MOST_ATTEMPTS, "no disk")]);
    let progress = kept.progress("s").await.unwrap().unwrap();
    assert_eq!((progress.parked, progress.held, progress.leased), (1, 1, 1));
    assert_eq!(
        kept.replay_parked("s", Some(record(1))).await.unwrap(),
        Some(0)
    );
    assert_eq!(
        kept.replay_parked("s", Some(record(0))).await.unwrap(),
        Some(1)
    );
    let lease = claim(&kept, "s", 9).await;
    assert_eq!((lease.taken[0].position, lease.taken[0].attempt), (0, 1));
    // Whoever refuses may say how long it wants to be left alone.
    let day = Duration::from_hours(24);
    let refused = kept.refuse("s", lease.id, 0, "later", day, 0).await;
    let AfterRefusal::Waiting(until) = refused.unwrap().unwrap() else {
        panic!("it is parked");
    };
    assert!(until.micros() - now > 23 * 3_600_000_000);
    let again = kept.refuse("s", lease.id, 0, "", day, 0).await.unwrap();
    assert_eq!(again, Some(AfterRefusal::Lost));
}

/// A lease that ended is an attempt; who had it can acknowledge until somebody else has it.
pub async fn leases_end(backend: &dyn Subscribed) {
    let kept = with(backend, "s", &[0]).await;
    let ends = "UPDATE delivery_window SET lease_until = 0 WHERE state = 'leased'";
    let first = claim(&kept, "s", 1).await;
    assert!(first.until.micros() > 0);
    backend.tamper_subscriptions(ends).await;
    assert_eq!(kept.progress("s").await.unwrap().unwrap().ready, 1);
    let second = claim(&kept, "s", 1).await;
    assert_eq!(second.taken[0].attempt, 2);
    let lost = kept
        .acknowledge("s", first.id, &[0])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(lost.lost, [0]);
    backend.tamper_subscriptions(ends).await;
    // Late, but nobody else has it.
    let late = kept
        .acknowledge("s", second.id, &[0])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(late.acknowledged, [0]);
    let kept = with(backend, "t", &[0]).await;
    for _ in 0..MOST_ATTEMPTS {
        assert_eq!(positions(&claim(&kept, "t", 1).await), [0]);
        backend.tamper_subscriptions(ends).await;
    }
    assert_eq!(positions(&claim(&kept, "t", 1).await), [0; 0]);
    assert_eq!(kept.parked("t", 9).await.unwrap().len(), 1);
    // Begun anew, it is forgotten, and what was handed out is gone.
    assert!(kept.reset_subscription("t", 0).await.unwrap());
    let progress = kept.progress("t").await.unwrap().unwrap();
    assert_eq!(
        (progress.scanned_to, progress.parked, progress.oldest),
        (0, 0, None)
    );
    let gone = kept
        .acknowledge("t", second.id, &[0])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(gone.gone, [0]);
}

/// What happens to a subscription.
#[derive(Debug, Clone)]
enum Act {
    Claim(u32),
    Acknowledge(usize),
    Refuse(usize),
    LeaseEnds(usize),
    WaitingIsDue,
    Replay,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1..6_u32).prop_map(Act::Claim),
        3 => (0..9_usize).prop_map(Act::Acknowledge),
        3 => (0..9_usize).prop_map(Act::Refuse),
        2 => (0..9_usize).prop_map(Act::LeaseEnds),
        1 => Just(Act::WaitingIsDue),
        1 => Just(Act::Replay),
    ]
}

/// What a position is, in the model.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Ready,
    Leased(Uuid),
    Waiting,
    Parked,
}

/// The simplest thing that keeps the promise: a list.
struct Model {
    rows: BTreeMap<u64, (u8, State, u32)>,
    /// What was acknowledged, in the order in which it was.
    done: Vec<(u8, u64)>,
}

impl Model {
    fn free(&self, most: u32) -> Vec<u64> {
        let mut seen = BTreeSet::new();
        let rows = self
            .rows
            .iter()
            .filter(|(_, (number, state, _))| seen.insert(*number) && *state == State::Ready);
        rows.map(|(position, _)| *position)
            .take(most as usize)
            .collect()
    }

    fn leased(&self, which: usize) -> Option<(u64, Uuid)> {
        let leased = self
            .rows
            .iter()
            .filter_map(|(position, (_, state, _))| match state {
                State::Leased(lease) => Some((*position, *lease)),
                _ => None,
            });
        let leased: Vec<_> = leased.collect();
        leased.get(which % leased.len().max(1)).copied()
    }

    fn give_back(&mut self, position: u64, otherwise: State) -> State {
        let row = self.rows.get_mut(&position).unwrap();
        row.1 = if row.2 >= MOST_ATTEMPTS {
            State::Parked
        } else {
            otherwise
        };
        row.1
    }
}

/// One act, on both; whatever is answered is what the model says.
async fn both(
    backend: &dyn Subscribed,
    kept: &Arc<dyn Subscriptions>,
    name: &str,
    model: &mut Model,
    act: &Act,
) -> Result<(), TestCaseError> {
    match act {
        Act::Claim(most) => {
            let lease = claim(kept, name, *most).await;
            prop_assert_eq!(positions(&lease), model.free(*most));
            for taken in &lease.taken {
                let row = model.rows.get_mut(&taken.position).unwrap();
                (row.1, row.2) = (State::Leased(lease.id), row.2 + 1);
                prop_assert_eq!(taken.attempt, row.2);
            }
        }
        Act::Acknowledge(which) => {
            let Some((position, lease)) = model.leased(*which) else {
                return Ok(());
            };
            let settled = kept.acknowledge(name, lease, &[position]).await.unwrap();
            prop_assert_eq!(settled.unwrap().acknowledged, [position]);
            let (number, ..) = model.rows.remove(&position).unwrap();
            model.done.push((number, position));
        }
        Act::Refuse(which) => {
            let Some((position, lease)) = model.leased(*which) else {
                return Ok(());
            };
            let refused = kept
                .refuse(name, lease, position, "no", Duration::ZERO, 0)
                .await;
            let is_parked = refused.unwrap() == Some(AfterRefusal::Parked);
            prop_assert_eq!(
                is_parked,
                model.give_back(position, State::Waiting) == State::Parked
            );
        }
        Act::LeaseEnds(_) | Act::WaitingIsDue | Act::Replay => {
            later(backend, kept, name, model, act).await?;
        }
    }
    Ok(())
}

/// What happens by itself, or is done by an operator.
async fn later(
    backend: &dyn Subscribed,
    kept: &Arc<dyn Subscriptions>,
    name: &str,
    model: &mut Model,
    act: &Act,
) -> Result<(), TestCaseError> {
    match act {
        Act::LeaseEnds(which) => {
            let Some((position, lease)) = model.leased(*which) else {
                return Ok(());
            };
            let ends = format!(
                "UPDATE delivery_window SET lease_until = 0 WHERE name = '{name}' AND position = {position}"
            );
            backend.tamper_subscriptions(&ends).await;
            // Whoever asks next takes it back; here, nothing is handed out with that.
            prop_assert!(claim(kept, name, 0).await.taken.is_empty());
            model.give_back(position, State::Ready);
            let lost = kept.acknowledge(name, lease, &[position]).await.unwrap();
            prop_assert_eq!(lost.unwrap().lost, [position]);
        }
        Act::WaitingIsDue => {
            let due = format!(
                "UPDATE delivery_window SET next_at = 0 WHERE name = '{name}' AND state = 'waiting'"
            );
            backend.tamper_subscriptions(&due).await;
            for (_, state, _) in model.rows.values_mut() {
                if *state == State::Waiting {
                    *state = State::Ready;
                }
            }
        }
        Act::Replay => {
            let replayed = kept.replay_parked(name, None).await.unwrap().unwrap();
            let mut parked = 0;
            for row in model.rows.values_mut() {
                if row.1 == State::Parked {
                    (row.1, row.2) = (State::Ready, 0);
                    parked += 1;
                }
            }
            prop_assert_eq!(replayed, parked);
        }
        Act::Claim(_) | Act::Acknowledge(_) | Act::Refuse(_) => {}
    }
    Ok(())
}

/// Whatever consumers do, each record's events are acknowledged in order, and none is lost.
pub async fn the_order_of_each_record_holds(backend: &dyn Subscribed) {
    let cases = (
        proptest::collection::vec(0..4_u8, 1..12),
        proptest::collection::vec(act(), 1..40),
    );
    let runtime = tokio::runtime::Handle::current();
    let config = Config {
        cases: 40,
        failure_persistence: None,
        ..Config::default()
    };
    let run = || {
        TestRunner::new(config).run(&cases, |(records, acts)| {
            let name = Uuid::now_v7().simple().to_string();
            runtime.block_on(async {
                let kept = with(backend, &name, &records).await;
                let rows = (0..).zip(records.iter().map(|n| (*n, State::Ready, 0)));
                let mut model = Model {
                    rows: rows.collect(),
                    done: Vec::new(),
                };
                for act in &acts {
                    both(backend, &kept, &name, &mut model, act).await?;
                    let progress = kept.progress(&name).await.unwrap().unwrap();
                    let counted = progress.ready
                        + progress.leased
                        + progress.waiting
                        + progress.parked
                        + progress.held
                        + progress.behind;
                    prop_assert_eq!(counted, model.rows.len() as u64, "{:?}", progress);
                }
                // To its end: all that is left is done.
                let wanted = Act::Acknowledge(0);
                while !model.rows.is_empty() {
                    for act in [Act::Replay, Act::WaitingIsDue, Act::Claim(1)] {
                        both(backend, &kept, &name, &mut model, &act).await?;
                    }
                    both(backend, &kept, &name, &mut model, &wanted).await?;
                }
                let mut last = BTreeMap::new();
                for (number, position) in &model.done {
                    let before = last.insert(*number, *position);
                    prop_assert!(before.is_none_or(|before| before < *position));
                }
                prop_assert_eq!(model.done.len(), records.len());
                Ok(())
            })
        })
    };
    tokio::task::block_in_place(run).unwrap();
}
