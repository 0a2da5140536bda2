//! `subscription`: named subscriptions to the events of the ledger.

use clap::{Args, Subcommand};
use serde_json::Value;
use uuid::Uuid;

use super::delivering::permitted;
use super::log::office_code;
use super::output::Output;
use super::webhook::{self, WebhookCommand};
use crate::app::subscriptions::{Followed, NewSubscription};
use crate::app::{App, AppError, webhooks};
use crate::http::api::subscriptions::shown;
use crate::store::subscriptions::{Filter, Settings, SubscriptionState};

/// Parked events that are shown.
const MOST_PARKED: u32 = 1000;

/// What can be done with subscriptions.
#[derive(Debug, Subcommand)]
pub enum SubscriptionCommand {
    /// Make a subscription, or change how it deals with its consumers.
    #[command(
        after_help = "Examples:\n  vitaledger subscription create registry --office 990101000000 --kind birth --from 0\n  vitaledger subscription create archive\n  vitaledger subscription create county --webhook https://county.example/events\n\nIt belongs to the office, whose tokens use it; without one, it is of the whole ledger, and for\nwebhooks and this command alone."
    )]
    Create(Create),
    /// List subscriptions.
    #[command(after_help = "Example:\n  vitaledger subscription list --json")]
    List,
    /// Show a subscription: how far it is, who consumes it, what is parked and why.
    #[command(after_help = "Example:\n  vitaledger subscription show registry")]
    Show {
        /// Its name.
        name: String,
    },
    /// Show how far subscriptions are behind the log.
    #[command(after_help = "Example:\n  vitaledger subscription lag registry")]
    Lag {
        /// Its name; all of them without one.
        name: Option<String>,
    },
    /// Hand out nothing for now.
    #[command(after_help = "Example:\n  vitaledger subscription pause registry")]
    Pause {
        /// Its name.
        name: String,
    },
    /// Hand out again.
    #[command(after_help = "Example:\n  vitaledger subscription resume registry")]
    Resume {
        /// Its name.
        name: String,
    },
    /// Let parked events be handed out anew, with what they hold back after them.
    #[command(
        after_help = "Example:\n  vitaledger subscription replay-parked registry --record 018f..."
    )]
    ReplayParked {
        /// Its name.
        name: String,
        /// Only those of this record.
        #[arg(long, value_name = "ID")]
        record: Option<Uuid>,
    },
    /// Begin anew at a position; what was not acknowledged is forgotten.
    #[command(after_help = "Example:\n  vitaledger subscription reset registry --to 0")]
    Reset {
        /// Its name.
        name: String,
        /// The first position.
        #[arg(long, value_name = "POSITION")]
        to: u64,
    },
    /// Delete a subscription and all that it knew.
    #[command(after_help = "Example:\n  vitaledger subscription delete registry")]
    Delete {
        /// Its name.
        name: String,
    },
    /// Webhooks.
    #[command(flatten)]
    Webhook(WebhookCommand),
}

/// Arguments of `subscription create`.
#[derive(Debug, Args)]
pub struct Create {
    /// Its name: letters, digits, '-', '_' and '.'.
    name: String,
    /// Whose it is: events of this office and those below it, for tokens of it and those above.
    #[arg(long, value_name = "CODE")]
    office: Option<String>,
    /// Only these types of streams, as birth or office; may be given several times.
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// The first position; the end of the log when nothing is said.
    #[arg(long, value_name = "POSITION")]
    from: Option<u64>,
    /// How often an event is handed out before it is parked.
    #[arg(long, value_name = "N", default_value_t = Settings::default().max_attempts)]
    max_attempts: u32,
    /// Milliseconds that a consumer has for what it was handed.
    #[arg(long, value_name = "MS", default_value_t = Settings::default().lease_ms)]
    lease: u32,
    /// Milliseconds that a refused event waits the first time.
    #[arg(long, value_name = "MS", default_value_t = Settings::default().backoff_base_ms)]
    backoff: u32,
    /// Most milliseconds that it waits.
    #[arg(long, value_name = "MS", default_value_t = Settings::default().backoff_cap_ms)]
    backoff_cap: u32,
    /// Events that are taken in at a time.
    #[arg(long, value_name = "N", default_value_t = Settings::default().window)]
    window: u32,
    /// Deliver to this endpoint, by the schedule of webhooks, instead of waiting for consumers.
    #[arg(long, value_name = "URL", conflicts_with_all = ["max_attempts", "lease", "backoff", "backoff_cap"])]
    webhook: Option<String>,
    /// Also permit a private address, and one without TLS; the server must do so, too.
    #[arg(long, requires = "webhook")]
    allow_private_webhooks: bool,
}

/// Does it.
pub async fn run(app: App, command: &SubscriptionCommand, output: &Output) -> Result<(), AppError> {
    let done = act(&app, command, output).await;
    app.close().await;
    done
}

async fn act(app: &App, command: &SubscriptionCommand, output: &Output) -> Result<(), AppError> {
    match command {
        SubscriptionCommand::Create(new) => create(app, new, output).await,
        SubscriptionCommand::Show { name } => show(app, name, output).await,
        SubscriptionCommand::Lag { name: Some(name) } => {
            table(&[app.followed(name).await?], output);
            Ok(())
        }
        SubscriptionCommand::List | SubscriptionCommand::Lag { name: None } => {
            table(&all(app).await?, output);
            Ok(())
        }
        SubscriptionCommand::Pause { name } => {
            set(app, name, SubscriptionState::Paused, output).await
        }
        SubscriptionCommand::Resume { name } => {
            set(app, name, SubscriptionState::Active, output).await
        }
        SubscriptionCommand::ReplayParked { name, record } => {
            let replayed = app.replay_parked(name, *record).await?;
            if output.json {
                output.data(&serde_json::json!({ "replayed": replayed }).to_string());
            }
            output.say(
                &format!("{replayed} parked events are handed out anew"),
                &format!("{replayed} 条搁置事件将重新投递"),
            );
            Ok(())
        }
        SubscriptionCommand::Reset { name, to } => {
            app.reset_subscription(name, *to).await?;
            table(&[app.followed(name).await?], output);
            Ok(())
        }
        SubscriptionCommand::Delete { name } => {
            app.unsubscribe(name).await?;
            output.say(
                &format!("subscription {name} is deleted"),
                &format!("订阅 {name} 已删除"),
            );
            Ok(())
        }
        SubscriptionCommand::Webhook(command) => webhook::run(app, command, output).await,
    }
}

async fn all(app: &App) -> Result<Vec<Followed>, AppError> {
    let mut all = Vec::new();
    for subscription in app.subscriptions().subscriptions().await? {
        all.push(app.followed(&subscription.name).await?);
    }
    Ok(all)
}

async fn create(app: &App, new: &Create, output: &Output) -> Result<(), AppError> {
    let office = new.office.as_deref().map(office_code).transpose()?;
    let filter = Filter {
        kinds: Vec::new(),
        office,
        // What is of no office is the operator's.
        officeless: office.is_none(),
    };
    let filter = filter
        .with_kinds(&new.kinds)
        .map_err(|error| AppError::Usage(error.to_string()))?;
    let (settings, endpoint) = delivered(app, new).await?;
    let subscription = NewSubscription {
        name: new.name.clone(),
        office,
        token: None,
        filter,
        from: new.from,
        settings,
        endpoint,
    };
    let (made, _) = app.subscribe(subscription).await?;
    table(&[app.followed(&made.name).await?], output);
    Ok(())
}

/// How it deals with its consumers, and the endpoint that it is delivered to; the one that it has
/// stays unless another one is named.
async fn delivered(app: &App, new: &Create) -> Result<(Settings, Option<String>), AppError> {
    if let Some(url) = &new.webhook {
        let permitted = permitted(new.allow_private_webhooks);
        let endpoint = app.endpoint(&new.name, url, permitted).await?;
        return Ok((webhooks::settings(new.window), Some(endpoint)));
    }
    let settings = Settings {
        max_attempts: new.max_attempts,
        backoff_base_ms: new.backoff,
        backoff_cap_ms: new.backoff_cap,
        window: new.window,
        lease_ms: new.lease,
    };
    let there = app.subscriptions().subscription(&new.name).await?;
    Ok((settings, there.and_then(|there| there.endpoint)))
}

async fn set(
    app: &App,
    name: &str,
    state: SubscriptionState,
    output: &Output,
) -> Result<(), AppError> {
    app.set_subscription(name, state).await?;
    table(&[app.followed(name).await?], output);
    Ok(())
}

async fn show(app: &App, name: &str, output: &Output) -> Result<(), AppError> {
    let followed = app.followed(name).await?;
    let parked = app.subscriptions().parked(name, MOST_PARKED).await?;
    if output.json {
        let mut object = shown(&followed);
        let parked = parked.iter().map(|one| {
            serde_json::json!({
                "position": one.position,
                "record_id": one.record,
                "attempts": one.attempts,
                "last_error": one.last_error,
            })
        });
        object["parked_events"] = Value::Array(parked.collect());
        output.data(&object.to_string());
        return Ok(());
    }
    table(std::slice::from_ref(&followed), output);
    for consumer in &followed.progress.consumers {
        output.data(&format!("{}  {}", consumer.name, consumer.seen_at));
    }
    for one in &parked {
        output.data(&format!(
            "{} {}  {}  {}",
            one.position, one.record, one.attempts, one.last_error
        ));
    }
    Ok(())
}

fn state(state: SubscriptionState, output: &Output) -> &'static str {
    match state {
        SubscriptionState::Active => output.pick("active", "启用"),
        SubscriptionState::Paused => output.pick("paused", "已暂停"),
        SubscriptionState::Disabled => output.pick("disabled", "已停用"),
    }
}

/// Subscriptions and how far they are; as JSON, an object a line.
fn table(all: &[Followed], output: &Output) {
    if output.json {
        for followed in all {
            output.data(&shown(followed).to_string());
        }
        return;
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|followed| {
            let progress = &followed.progress;
            let subscription = &followed.subscription;
            let office = subscription.office.map(|office| office.to_string());
            vec![
                subscription.name.clone(),
                state(subscription.state, output).to_owned(),
                office.unwrap_or_else(|| "-".to_owned()),
                followed.lag().to_string(),
                progress.ready.to_string(),
                progress.leased.to_string(),
                progress.waiting.to_string(),
                progress.parked.to_string(),
                (progress.held + progress.behind).to_string(),
            ]
        })
        .collect();
    let heading = if output.chinese() {
        [
            "订阅",
            "状态",
            "单位",
            "滞后",
            "可领取",
            "处理中",
            "等待重试",
            "已搁置",
            "排队",
        ]
    } else {
        [
            "subscription",
            "state",
            "office",
            "lag",
            "ready",
            "leased",
            "waiting",
            "parked",
            "held",
        ]
    };
    output.table(&heading, &rows);
}
