//! Requests to endpoints.
//!
//! What comes in: an address, the headers and the body of a delivery. What goes out: what became of
//! it. What may fail: an outcome says so, in words that may be kept and shown. What must stay true:
//! no redirect is followed and no proxy asked, since both would go past what [`super::address`] has
//! judged; of an answer nothing is kept but its status and `Retry-After`; nothing waits longer than
//! [`PATIENCE`].

use std::error::Error;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Certificate, Response, StatusCode, redirect};
use tokio_rustls::rustls;

use super::address::{NotPermitted, Permitted, Resolver};
use super::schedule;
use crate::model::time::Timestamp;

/// Longest time of a delivery, from the first packet to the end of the answer.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Longest time until a connection stands.
const CONNECT: Duration = Duration::from_secs(10);
/// So much of an answer is read, so that its connection can be used again; what is longer costs it.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`.
    pub unix_seconds: i64,
    /// `webhook-signature`.
    pub signature: &'a str,
    /// The media type of the body.
    pub media_type: &'static str,
    /// The body.
    pub body: &'a [u8],
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint has it.
    Accepted,
    /// The endpoint wants no more, ever.
    Gone,
    /// It is to be tried again.
    Failed {
        /// Why, in words that name no content of an answer.
        reason: String,
        /// What the endpoint asked for.
        retry_after: Option<Duration>,
        /// Whether the endpoint as a whole cannot take deliveries now, and not just this one.
        overloaded: bool,
    },
}

impl Outcome {
    fn failed(reason: impl Into<String>, overloaded: bool) -> Self {
        Self::Failed {
            reason: reason.into(),
            retry_after: None,
            overloaded,
        }
    }
}

/// Sends requests to endpoints.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    permitted: Permitted,
}

impl Client {
    /// A client; `trusted` are certificates of authorities beside the well-known ones.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(permitted: Permitted, trusted: Vec<Certificate>) -> Result<Self, reqwest::Error> {
        let mut builder = reqwest::Client::builder()
            .dns_resolver(std::sync::Arc::new(Resolver(permitted)))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            .pool_idle_timeout(Duration::from_secs(30))
            .https_only(permitted == Permitted::Public);
        for certificate in trusted {
            builder = builder.add_root_certificate(certificate);
        }
        let http = builder.build()?;
        Ok(Self { http, permitted })
    }

    /// To which addresses it sends.
    #[must_use]
    pub const fn permitted(&self) -> Permitted {
        self.permitted
    }

    /// Sends a delivery to the endpoint at `url`.
    pub async fn deliver(&self, url: &str, message: Message<'_>) -> Outcome {
        // Judged again: what was permitted when the subscription was made may not be any more.
        let url = match self.permitted.endpoint(url) {
            Ok(url) => url,
            Err(error) => return Outcome::failed(error.to_string(), true),
        };
        let agent = HeaderValue::from_static(concat!("vitaledger/", env!("CARGO_PKG_VERSION")));
        let request = self
            .http
            .post(url)
            .header(USER_AGENT, agent)
            .header(CONTENT_TYPE, message.media_type)
            .header("webhook-id", message.id)
            .header("webhook-timestamp", message.unix_seconds)
            .header("webhook-signature", message.signature)
            .body(message.body.to_vec());
        match request.send().await {
            Ok(answer) => {
                let outcome = outcome_of(&answer);
                drain(answer).await;
                outcome
            }
            Err(error) => Outcome::failed(reason_of(&error), true),
        }
    }
}

/// What a status means (Standard Webhooks, "Delivery success and failure").
fn outcome_of(answer: &Response) -> Outcome {
    let status = answer.status();
    if status.is_success() {
        return Outcome::Accepted;
    }
    if status == StatusCode::GONE {
        return Outcome::Gone;
    }
    let asked = answer.headers().get(RETRY_AFTER);
    let asked = asked.and_then(|value| value.to_str().ok());
    let redirected = if status.is_redirection() {
        ", and redirects are not followed"
    } else {
        ""
    };
    Outcome::Failed {
        reason: format!("the endpoint answers {}{redirected}", status.as_u16()),
        retry_after: asked.and_then(|value| schedule::retry_after(value, Timestamp::now())),
        overloaded: status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
    }
}

/// Reads an answer to its end, if that is near.
async fn drain(mut answer: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = answer.chunk().await {
        read += chunk.len();
        if read > MAX_ANSWER_BYTES {
            return;
        }
    }
}

/// What TLS found, if it was that: it is inside of errors of input and output.
fn tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let inner = error.downcast_ref::<std::io::Error>()?.get_ref()?;
    inner.downcast_ref().or_else(|| tls(inner))
}

/// Why a request failed. The library's own texts name addresses and what lies behind them, which is
/// nothing for whoever made the subscription.
fn reason_of(error: &reqwest::Error) -> String {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(one) = cause {
        if one.is::<NotPermitted>() {
            return NotPermitted.to_string();
        }
        if let Some(error) = tls(one) {
            return match error {
                rustls::Error::InvalidCertificate(_) => {
                    "the certificate of the endpoint is not trusted"
                }
                _ => "the endpoint does not speak TLS as it should",
            }
            .to_owned();
        }
        cause = one.source();
    }
    let what = if error.is_timeout() {
        "the endpoint does not answer in time"
    } else if error.is_connect() {
        "the endpoint cannot be reached"
    } else {
        "the connection to the endpoint broke off"
    };
    what.to_owned()
}
