//! `subscription key` and `subscription test`: the webhook of a subscription.

use clap::{Args, Subcommand};

use super::delivering::Endpoints;
use super::output::Output;
use crate::app::{App, AppError};
use crate::subscription::webhook::client::Outcome;
use crate::subscription::webhook::signature::EndpointKey;

/// What can be done with webhooks.
#[derive(Debug, Subcommand)]
pub enum WebhookCommand {
    /// Deliver the events of a subscription to an endpoint.
    #[command(
        after_help = "Example:\n  vitaledger subscription webhook registry https://registry.example/events"
    )]
    Webhook {
        /// The subscription.
        name: String,
        /// The address of the endpoint; without one, nothing is delivered any more.
        url: Option<String>,
        /// Also permit a private address, and one without TLS; the server must do so, too.
        #[arg(long)]
        allow_private_webhooks: bool,
    },
    /// Show the keys by which an endpoint verifies what it is sent, the newest first.
    #[command(after_help = "Example:\n  vitaledger subscription key registry")]
    Key(Key),
    /// Send an event that says nothing to the endpoint.
    #[command(after_help = "Example:\n  vitaledger subscription test registry")]
    Test {
        /// The subscription.
        name: String,
        #[command(flatten)]
        endpoints: Endpoints,
    },
}

/// Arguments of `subscription key`.
#[derive(Debug, Args)]
pub struct Key {
    /// The subscription.
    name: String,
    /// Show the shared secret, for endpoints that verify with HMAC: whoever has it can sign, too.
    #[arg(long)]
    secret: bool,
    /// Replace the key; the one before signs, too, for a day.
    #[arg(long)]
    replace: bool,
}

/// Does it.
pub async fn run(app: &App, command: &WebhookCommand, output: &Output) -> Result<(), AppError> {
    match command {
        WebhookCommand::Webhook {
            name,
            url: Some(url),
            allow_private_webhooks,
        } => {
            let permitted = super::delivering::permitted(*allow_private_webhooks);
            app.set_webhook(name, url, permitted).await?;
            show_keys(app, name, false, output).await
        }
        WebhookCommand::Webhook { name, .. } => {
            app.remove_webhook(name).await?;
            output.say(
                &format!("nothing is delivered of {name} any more; its consumers fetch"),
                &format!("订阅 {name} 不再推送，由消费者领取"),
            );
            Ok(())
        }
        WebhookCommand::Key(key) => {
            if key.replace {
                app.replace_webhook_key(&key.name).await?;
                output.say(
                    "the key is replaced; the one before signs, too, for a day",
                    "密钥已更换，旧密钥继续使用一天",
                );
            }
            show_keys(app, &key.name, key.secret, output).await
        }
        WebhookCommand::Test { name, endpoints } => test(app, name, endpoints, output).await,
    }
}

async fn show_keys(app: &App, name: &str, secret: bool, output: &Output) -> Result<(), AppError> {
    let (url, keys) = app.webhook(name).await?;
    if output.json {
        let public: Vec<String> = keys.iter().map(EndpointKey::public).collect();
        let mut object = serde_json::json!({ "name": name, "url": url, "public_keys": public });
        if secret {
            let secrets: Vec<String> = keys.iter().map(|key| key.secret().to_string()).collect();
            object["secrets"] = secrets.into();
        }
        output.data(&object.to_string());
        return Ok(());
    }
    for key in &keys {
        if secret {
            output.data(&key.secret());
        } else {
            output.data(&key.public());
        }
    }
    Ok(())
}

async fn test(
    app: &App,
    name: &str,
    endpoints: &Endpoints,
    output: &Output,
) -> Result<(), AppError> {
    let sender = endpoints.options()?.client()?;
    let refused = |reason: String| AppError::Endpoint(format!("{name}: {reason}"));
    match app.ping(&sender, name).await? {
        Outcome::Accepted => {
            if output.json {
                output.data(&serde_json::json!({ "name": name, "accepted": true }).to_string());
            }
            output.say("the endpoint accepted it", "推送地址已接收");
            Ok(())
        }
        Outcome::Gone => Err(refused("the endpoint answers 410".to_owned())),
        Outcome::Failed { reason, .. } => Err(refused(reason)),
    }
}
