//! Named subscriptions, whose consumers share the work.
//!
//! A consumer claims events, deals with them, and acknowledges each under the lease it was given;
//! what it cannot deal with it refuses, and gets again later. Of a record it gets one event at a time,
//! and those that it was not there for are not lost. A subscription belongs to the office of the token
//! that made it: for tokens of other offices than that and those above it, it is not there.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::events::no_kind;
use super::{Answered, Path, Route};
use crate::app::AppError;
use crate::app::subscriptions::{Followed, NewSubscription};
use crate::http::authority::{Allowed, Authority, Permission, Reading};
use crate::http::body::{Json, Members, Node};
use crate::http::openapi::{Access, Content, In, Operation, Parameter};
use crate::http::problem::{Kind, Place, Problem, Said};
use crate::http::service::Service;
use crate::model::id::OfficeCode;
use crate::store::subscriptions::{
    AfterRefusal, Filter, Settings, Subscription, SubscriptionState,
};
use crate::subscription::durable::{Delivery, MOST, Stuck};
use crate::subscription::webhook::endpoint::Endpoint;

/// Longest that a claim may wait for events.
pub const MOST_WAIT: Duration = Duration::from_secs(30);
/// How often somebody who waits looks whether what was refused is due again.
const LOOK: Duration = Duration::from_millis(250);
/// Events that are handed out when nothing is said.
const EVENTS: u64 = 100;
/// Positions of one acknowledgement.
const MOST_POSITIONS: usize = 1000;

pub(super) const NAME: Parameter = Parameter {
    name: "name",
    place: In::Path,
    required: true,
    schema: r#"{ "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$" }"#,
    text: "The name of the subscription.",
};

pub(super) const ONE: Operation = Operation {
    method: "get",
    path: "/v1/subscriptions/{name}",
    id: "subscription",
    tag: "subscriptions",
    summary: ("A subscription, and how far it is", "订阅及其进度"),
    access: Access::Roles(Reading::ROLES),
    parameters: &[NAME],
    body: Content::Nothing,
    answers: &[(200, Content::Json("Subscription"), "As it is now.")],
    headers: &[],
    problems: &[Kind::NotFound],
};
const LIST: Operation = Operation {
    path: "/v1/subscriptions",
    id: "subscriptions",
    summary: (
        "The subscriptions of one's office and those below it",
        "本单位及下级单位的订阅",
    ),
    parameters: &[],
    answers: &[(200, Content::Json("Subscriptions"), "By name.")],
    problems: &[],
    ..ONE
};
const ACT: Operation = Operation {
    method: "post",
    problems: &[
        Kind::Malformed,
        Kind::NotFound,
        Kind::TooLarge,
        Kind::MediaType,
        Kind::InvalidValue,
    ],
    ..ONE
};
const PUT: Operation = Operation {
    method: "put",
    id: "subscribe",
    summary: (
        "Make a subscription, or change how it deals with consumers",
        "建立订阅，或修改其投递参数",
    ),
    body: Content::Json("SubscriptionAsked"),
    answers: &[
        (201, Content::Json("Subscription"), "Made."),
        (
            200,
            Content::Json("Subscription"),
            "It was there, for the same events; its settings are now these.",
        ),
    ],
    problems: &[
        Kind::Malformed,
        Kind::NotFound,
        Kind::Different,
        Kind::TooLarge,
        Kind::MediaType,
        Kind::InvalidValue,
    ],
    ..ACT
};
const DELETE: Operation = Operation {
    method: "delete",
    id: "unsubscribe",
    summary: ("Delete a subscription", "删除订阅"),
    answers: &[(204, Content::Nothing, "It is gone.")],
    ..ONE
};
const CLAIM: Operation = Operation {
    path: "/v1/subscriptions/{name}/claim",
    id: "claim",
    summary: (
        "Take events to deal with; waits until there are some",
        "领取待处理事件（可等待）",
    ),
    body: Content::Json("ClaimAsked"),
    answers: &[(
        200,
        Content::Json("Claimed"),
        "Events under a lease, in order; of each record, one. None when there were none in time.",
    )],
    problems: &[
        Kind::Malformed,
        Kind::NotFound,
        Kind::Refused,
        Kind::TooLarge,
        Kind::MediaType,
        Kind::InvalidValue,
    ],
    ..ACT
};
const ACKNOWLEDGE: Operation = Operation {
    path: "/v1/subscriptions/{name}/acknowledge",
    id: "acknowledge",
    summary: ("Say that events were dealt with", "确认事件已处理"),
    body: Content::Json("Acknowledgement"),
    answers: &[(
        200,
        Content::Json("Acknowledged"),
        "None of them comes again.",
    )],
    problems: CLAIM.problems,
    ..ACT
};
const REFUSE: Operation = Operation {
    path: "/v1/subscriptions/{name}/refuse",
    id: "refuse",
    summary: (
        "Give an event back that could not be dealt with",
        "退回无法处理的事件",
    ),
    body: Content::Json("Refusal"),
    answers: &[(
        200,
        Content::Json("Refused"),
        "It comes again later, or is parked when it came too often.",
    )],
    problems: CLAIM.problems,
    ..ACT
};
const REPLAY: Operation = Operation {
    path: "/v1/subscriptions/{name}/replay-parked",
    id: "replay_parked",
    summary: (
        "Let parked events be handed out anew",
        "重新投递已搁置的事件",
    ),
    body: Content::Json("ReplayAsked"),
    answers: &[(200, Content::Json("Replayed"), "How many they are.")],
    ..ACT
};
const RESET: Operation = Operation {
    path: "/v1/subscriptions/{name}/reset",
    id: "reset",
    summary: (
        "Begin anew at a position; forgets what was not acknowledged",
        "从某位置重新开始，未确认的一并清除",
    ),
    body: Content::Json("ResetAsked"),
    answers: ONE.answers,
    ..ACT
};
const PAUSE: Operation = Operation {
    path: "/v1/subscriptions/{name}/pause",
    id: "pause",
    summary: ("Hand out nothing for now", "暂停投递"),
    problems: ONE.problems,
    ..ACT
};
const RESUME: Operation = Operation {
    path: "/v1/subscriptions/{name}/resume",
    id: "resume",
    summary: ("Hand out again", "恢复投递"),
    ..PAUSE
};

/// Its operations.
pub fn routes() -> Vec<Route> {
    vec![
        (LIST, get(list)),
        (ONE, get(one)),
        (PUT, axum::routing::put(subscribe)),
        (DELETE, axum::routing::delete(unsubscribe)),
        (CLAIM, post(claim)),
        (ACKNOWLEDGE, post(acknowledge)),
        (REFUSE, post(refuse)),
        (REPLAY, post(replay)),
        (RESET, post(reset)),
        (PAUSE, post(pause)),
        (RESUME, post(resume)),
    ]
}

fn is_theirs(who: &Authority, subscription: &Subscription) -> bool {
    subscription.office.is_some_and(|office| who.sees(office))
}

/// The subscription of a path, if it is of an office of theirs.
pub(super) async fn own(who: &Authority, path: &Path) -> Result<Subscription, Problem> {
    let (en, zh) = ("there is no such subscription", "没有该订阅");
    let kept = who.app.subscriptions();
    let found = kept.subscription(path.text("name")).await?;
    let subscription = found.ok_or_else(|| Problem::not_found(en, zh))?;
    if is_theirs(who, &subscription) {
        return Ok(subscription);
    }
    Err(who.hidden(en, zh))
}

/// A subscription as JSON, for the network and the command line.
#[must_use]
pub fn shown(followed: &Followed) -> Value {
    let Followed {
        subscription,
        progress,
        head,
        stuck,
    } = followed;
    let settings = subscription.settings;
    let consumers = progress.consumers.iter();
    let consumers: Vec<_> = consumers
        .map(|one| json!({ "name": one.name, "seen_at": one.seen_at }))
        .collect();
    json!({
        "name": subscription.name,
        "state": subscription.state.as_str(),
        "office": subscription.office,
        "kinds": subscription.filter.kinds,
        "only_office": subscription.filter.office,
        "created_at": subscription.created_at,
        "max_attempts": settings.max_attempts,
        "backoff_base_ms": settings.backoff_base_ms,
        "backoff_cap_ms": settings.backoff_cap_ms,
        "window": settings.window,
        "lease_ms": settings.lease_ms,
        "endpoint": subscription.endpoint.as_deref().and_then(Endpoint::url_of),
        "head": head,
        "scanned_to": progress.scanned_to,
        "lag": followed.lag(),
        "ready": progress.ready,
        "leased": progress.leased,
        "waiting": progress.waiting,
        "behind": progress.behind,
        "parked": progress.parked,
        "held": progress.held,
        "oldest": progress.oldest.map(|(position, _)| position),
        "oldest_age_ms": followed.age().map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        "stuck": stuck.map(|stuck| match stuck {
            Stuck::Parked(_) => "parked",
            Stuck::Waits(_) => "waits",
        }),
        "consumers": consumers,
    })
}

async fn list(who: Allowed<Reading>) -> Result<Response, Problem> {
    let mut subscriptions = Vec::new();
    for subscription in who.app.subscriptions().subscriptions().await? {
        if is_theirs(&who, &subscription) {
            subscriptions.push(shown(&who.app.followed(&subscription.name).await?));
        }
    }
    Ok(Answered(json!({ "subscriptions": subscriptions })).into_response())
}

async fn one(who: Allowed<Reading>, path: Path) -> Result<Response, Problem> {
    let name = own(&who, &path).await?.name;
    Ok(Answered(shown(&who.app.followed(&name).await?)).into_response())
}

fn settings(members: &mut Members) -> Result<Settings, Problem> {
    let mut settings = Settings::default();
    for (name, value) in [
        ("max_attempts", &mut settings.max_attempts),
        ("backoff_base_ms", &mut settings.backoff_base_ms),
        ("backoff_cap_ms", &mut settings.backoff_cap_ms),
        ("window", &mut settings.window),
        ("lease_ms", &mut settings.lease_ms),
    ] {
        if let Some(stated) = members.count(name)? {
            // What is too large here is refused with what is allowed.
            *value = u32::try_from(stated).unwrap_or(u32::MAX);
        }
    }
    Ok(settings)
}

async fn subscribe(who: Allowed<Reading>, path: Path, body: Json) -> Result<Response, Problem> {
    let mut members = body.0.members("")?;
    let names = members.texts("kinds")?.unwrap_or_default();
    let only = members.text("only_office")?;
    let from = members.count("from")?;
    let settings = settings(&mut members)?;
    members.finish()?;
    let (en, zh) = ("is no office code of 12 digits", "不是 12 位单位代码");
    let wrong = || Problem::member("/only_office".to_owned(), en, zh);
    let only = only.map(|text| OfficeCode::parse(&text).ok_or_else(wrong));
    let filter = Filter {
        kinds: Vec::new(),
        office: Some(who.top(only.transpose()?)?),
        // Consumers of one subscription may have tokens of any role.
        officeless: false,
    };
    let kinds = Place::Pointer("/kinds".to_owned());
    let filter = filter.with_kinds(&names).map_err(no_kind(kinds))?;
    let name = path.text("name");
    let there = who.app.subscriptions().subscription(name).await?;
    let new = NewSubscription {
        name: name.to_owned(),
        // Whoever is above changes it, and it stays whose it is.
        office: match &there {
            Some(there) if is_theirs(&who, there) => there.office,
            _ => Some(who.office),
        },
        token: Some(who.token),
        filter,
        from,
        settings,
        endpoint: there.and_then(|there| there.endpoint),
    };
    let (subscription, made) = who.app.subscribe(new).await?;
    let status = if made {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let followed = who.app.followed(&subscription.name).await?;
    Ok((status, Answered(shown(&followed))).into_response())
}

async fn unsubscribe(who: Allowed<Reading>, path: Path) -> Result<Response, Problem> {
    let name = own(&who, &path).await?.name;
    who.app.unsubscribe(&name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What was handed out, with the events as they are.
#[derive(Serialize)]
struct Claimed<'a> {
    lease: Uuid,
    until: String,
    events: Vec<ClaimedEvent<'a>>,
}

#[derive(Serialize)]
struct ClaimedEvent<'a> {
    position: u64,
    attempt: u32,
    event: &'a RawValue,
}

fn claimed(delivery: &Delivery) -> Result<Response, Problem> {
    let events = delivery.events.iter().map(|(taken, event)| {
        let event: &RawValue = serde_json::from_str(&event.json)?;
        Ok(ClaimedEvent {
            position: taken.position,
            attempt: taken.attempt,
            event,
        })
    });
    let events: Result<Vec<_>, serde_json::Error> = events.collect();
    let broken = |error: serde_json::Error| AppError::Integrity(error.to_string());
    let claimed = Claimed {
        lease: delivery.lease.id,
        until: delivery.lease.until.to_string(),
        events: events.map_err(broken)?,
    };
    Ok(Answered(claimed).into_response())
}

fn not_active() -> Problem {
    let said = Said::new(
        "the subscription is paused; resume it first",
        "订阅已暂停，请先恢复",
    );
    Problem::new(Kind::Refused, said)
}

async fn claim(
    State(service): State<Service>,
    who: Allowed<Reading>,
    path: Path,
    body: Json,
) -> Result<Response, Problem> {
    let name = own(&who, &path).await?.name;
    let mut members = body.0.members("")?;
    let consumer = members.required_text("consumer")?;
    let most = members.count("most")?.unwrap_or(EVENTS);
    let wait = members.count("wait_s")?.unwrap_or(0);
    members.finish()?;
    if !(1..=u64::from(MOST)).contains(&most) {
        let (en, zh) = (
            format!("is not between 1 and {MOST}"),
            format!("须在 1 到 {MOST} 之间"),
        );
        return Err(Problem::member("/most".to_owned(), &en, &zh));
    }
    if wait > MOST_WAIT.as_secs() {
        let (en, zh) = ("is more than 30 seconds", "超过 30 秒");
        return Err(Problem::member("/wait_s".to_owned(), en, zh));
    }
    let most = u32::try_from(most).unwrap_or(MOST);
    let end = Instant::now() + Duration::from_secs(wait);
    let store = who.app.store();
    let mut stopping = service.stopping.subscribe();
    loop {
        let head = store.head().await?.size;
        let delivery = who.app.claim(&name, &consumer, most).await?;
        let delivery = delivery.ok_or_else(not_active)?;
        let left = end.saturating_duration_since(Instant::now());
        if !delivery.events.is_empty() || left.is_zero() || *stopping.borrow_and_update() {
            let count = delivery.events.len() as u64;
            service.metrics.delivered("claim", count);
            return claimed(&delivery);
        }
        tokio::select! {
            grown = store.grown(head, LOOK.min(left)) => { grown?; }
            _ = stopping.changed() => {}
        }
    }
}

/// The lease that is named in a body.
fn lease(members: &mut Members) -> Result<Uuid, Problem> {
    let place = members.place("lease");
    let wrong = |_| Problem::member(place, "is no id of a lease", "不是领取编号");
    members.required_text("lease")?.parse().map_err(wrong)
}

/// What was not theirs any more.
fn lost(positions: &[u64]) -> Problem {
    let said = Said::new(
        "the lease ended before this was said: what is in `lost` is with another consumer, or will come again; do nothing more about it",
        "领取已过期：lost 中的事件已由其他消费者领取或将再次投递，请勿再处理",
    );
    let mut problem = Problem::new(Kind::Refused, said);
    problem.more.push(("lost", json!(positions)));
    problem
}

async fn acknowledge(who: Allowed<Reading>, path: Path, body: Json) -> Result<Response, Problem> {
    let name = own(&who, &path).await?.name;
    let mut members = body.0.members("")?;
    let lease = lease(&mut members)?;
    let place = members.place("positions");
    let (en, zh) = ("is no list of 1 to 1000 positions", "须为 1 到 1000 个位置");
    let wrong = || Problem::member(place.clone(), en, zh);
    let Node::List(list) = members.required("positions")? else {
        return Err(wrong());
    };
    members.finish()?;
    if !(1..=MOST_POSITIONS).contains(&list.len()) {
        return Err(wrong());
    }
    let position = |node| match node {
        Node::Number(number) => number.as_u64(),
        _ => None,
    };
    let positions: Option<Vec<u64>> = list.into_iter().map(position).collect();
    let positions = positions.ok_or_else(wrong)?;
    let settled = who.app.acknowledge(&name, lease, &positions).await?;
    if !settled.lost.is_empty() {
        let mut problem = lost(&settled.lost);
        let acknowledged = ("acknowledged", json!(settled.acknowledged));
        problem
            .more
            .extend([acknowledged, ("gone", json!(settled.gone))]);
        return Err(problem);
    }
    let body = json!({ "acknowledged": settled.acknowledged, "gone": settled.gone });
    Ok(Answered(body).into_response())
}

async fn refuse(who: Allowed<Reading>, path: Path, body: Json) -> Result<Response, Problem> {
    let name = own(&who, &path).await?.name;
    let mut members = body.0.members("")?;
    let lease = lease(&mut members)?;
    let (en, zh) = ("is missing; state it", "缺失，请填写");
    let missing = Problem::member(members.place("position"), en, zh);
    let position = members.count("position")?.ok_or(missing)?;
    let reason = members.text("reason")?.unwrap_or_default();
    let retry_after = members.count("retry_after_s")?.unwrap_or(0);
    members.finish()?;
    // At most a day: a mistyped number must not hide an event for ever.
    let retry_after = Duration::from_secs(retry_after.min(86_400));
    let refused = who
        .app
        .refuse(&name, lease, position, &reason, retry_after)
        .await?;
    let body = match refused {
        AfterRefusal::Waiting(until) => json!({ "state": "waiting", "until": until }),
        AfterRefusal::Parked => json!({ "state": "parked" }),
        AfterRefusal::Lost => return Err(lost(&[position])),
    };
    Ok(Answered(body).into_response())
}

async fn replay(who: Allowed<Reading>, path: Path, body: Json) -> Result<Response, Problem> {
    let name = own(&who, &path).await?.name;
    let mut members = body.0.members("")?;
    let place = members.place("record_id");
    let record = members.text("record_id")?;
    members.finish()?;
    let wrong = |_| Problem::member(place, "is no id of a record", "不是记录编号");
    let record = record.map(|text| text.parse::<Uuid>()).transpose();
    let replayed = who.app.replay_parked(&name, record.map_err(wrong)?).await?;
    Ok(Answered(json!({ "replayed": replayed })).into_response())
}

async fn reset(who: Allowed<Reading>, path: Path, body: Json) -> Result<Response, Problem> {
    let name = own(&who, &path).await?.name;
    let mut members = body.0.members("")?;
    let (en, zh) = ("is missing; state it", "缺失，请填写");
    let missing = Problem::member(members.place("to"), en, zh);
    let to = members.count("to")?.ok_or(missing)?;
    members.finish()?;
    who.app.reset_subscription(&name, to).await?;
    Ok(Answered(shown(&who.app.followed(&name).await?)).into_response())
}

async fn set(who: &Authority, path: &Path, state: SubscriptionState) -> Result<Response, Problem> {
    let name = own(who, path).await?.name;
    who.app.set_subscription(&name, state).await?;
    Ok(Answered(shown(&who.app.followed(&name).await?)).into_response())
}

async fn pause(who: Allowed<Reading>, path: Path) -> Result<Response, Problem> {
    set(&who, &path, SubscriptionState::Paused).await
}

async fn resume(who: Allowed<Reading>, path: Path) -> Result<Response, Problem> {
    set(&who, &path, SubscriptionState::Active).await
}
