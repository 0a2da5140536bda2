//! Where a server delivers events: arguments of `serve`, and what tries a webhook out.

use std::path::{Path, PathBuf};

use clap::Args;
use reqwest::Certificate;

use crate::app::AppError;
use crate::app::error::failed;
use crate::http::server::WebhookOptions;
use crate::subscription::nats::target::Target;
use crate::subscription::webhook::address::Permitted;

/// To which endpoints webhooks may go.
#[derive(Debug, Args)]
pub struct Endpoints {
    /// Also deliver webhooks to private addresses, and without TLS.
    #[arg(long)]
    allow_private_webhooks: bool,
    /// Also trust the certificate authorities of this file (PEM) for webhooks.
    #[arg(long, value_name = "FILE")]
    webhook_ca: Option<PathBuf>,
}

/// Where events go.
#[derive(Debug, Args)]
pub struct Delivering {
    #[command(flatten)]
    endpoints: Endpoints,
    /// Publish events to these servers of NATS, separated by commas, as `nats://host:4222`.
    #[arg(long, value_name = "URLS")]
    nats: Option<String>,
    /// The stream of JetStream to publish to; it is made when it is not there.
    #[arg(
        long,
        default_value = "VITALEDGER",
        value_name = "NAME",
        requires = "nats"
    )]
    nats_stream: String,
    /// What all subjects begin with.
    #[arg(
        long,
        default_value = "vitaledger",
        value_name = "PREFIX",
        requires = "nats"
    )]
    nats_subject: String,
    /// A file of credentials for NATS.
    #[arg(long, value_name = "FILE", requires = "nats")]
    nats_credentials: Option<PathBuf>,
}

/// What is permitted.
#[must_use]
pub const fn permitted(private: bool) -> Permitted {
    if private {
        Permitted::Private
    } else {
        Permitted::Public
    }
}

/// The certificates of a file.
pub(super) fn certificates(path: &Path) -> Result<Vec<Certificate>, AppError> {
    let text = std::fs::read(path).map_err(failed("read", path))?;
    let none = || AppError::Usage(format!("{} has no certificates (PEM)", path.display()));
    let found = Certificate::from_pem_bundle(&text).map_err(|_| none())?;
    if found.is_empty() {
        Err(none())
    } else {
        Ok(found)
    }
}

impl Endpoints {
    const fn permitted(&self) -> Permitted {
        permitted(self.allow_private_webhooks)
    }

    /// The options of deliveries.
    ///
    /// # Errors
    /// When the file of certificates cannot be read.
    pub fn options(&self) -> Result<WebhookOptions, AppError> {
        let trusted = self.webhook_ca.as_deref().map(certificates).transpose()?;
        Ok(WebhookOptions {
            permitted: self.permitted(),
            trusted: trusted.unwrap_or_default(),
        })
    }
}

impl Delivering {
    /// Where webhooks may go.
    ///
    /// # Errors
    /// When the file of certificates cannot be read.
    pub fn webhooks(&self) -> Result<WebhookOptions, AppError> {
        self.endpoints.options()
    }

    /// Where to publish.
    ///
    /// # Errors
    /// When a name cannot be used, or this build cannot publish.
    pub fn nats(&self) -> Result<Option<Target>, AppError> {
        let Some(servers) = &self.nats else {
            return Ok(None);
        };
        if cfg!(not(feature = "nats")) {
            return Err(AppError::Usage(
                "this build cannot publish to NATS: build it with --features nats".to_owned(),
            ));
        }
        let target = Target {
            servers: servers.clone(),
            stream: self.nats_stream.clone(),
            prefix: self.nats_subject.clone(),
            credentials: self.nats_credentials.clone(),
        };
        let checked = target.check();
        checked.map_err(|error| AppError::Usage(error.to_string()))?;
        Ok(Some(target))
    }
}
