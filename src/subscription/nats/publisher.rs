//! Publishes the log to its stream, for as long as the server runs.
//!
//! What comes in: the end of the log, the address of NATS, the name of a stream. What goes out:
//! messages that the stream has acknowledged. What may fail: a connection, which is made again; a
//! stream that is not of this log ([`PublishError`]), to which nothing is published. What must stay
//! true: where to go on is asked of the stream, and that its last message is the entry of that
//! position is checked before anything follows it.
//!
//! Every node may publish. Whichever is behind is refused, asks the stream again where to go on, and
//! waits a little: so one goes ahead, and the others take over when it stops.

use std::sync::Arc;
use std::time::Duration;

use async_nats::ConnectOptions;
use async_nats::connection::State;
use async_nats::jetstream::context::{PublishAckFuture, PublishErrorKind};
use async_nats::jetstream::stream::{Config, LastRawMessageErrorKind, Stream};
use async_nats::jetstream::{self, Context};
use rand::Rng;
use tokio::sync::watch;
use uuid::Uuid;

use super::message::{leaf_hash_of, message_of, sequence_of, subject_of};
use super::target::Target;
use crate::model::entry::leaf_hash;
use crate::model::id::Position;
use crate::store::{Store, StoreError};
use crate::subscription::SubscriptionError;
use crate::subscription::feed::Feed;
use crate::subscription::filter::Filter;

/// How long a connection, or an answer of the stream, is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long is waited for new events before it is looked whether the server stops.
const LOOK: Duration = Duration::from_secs(1);
/// First pause after something failed; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// For how long the stream itself looks for doubles: longer than any answer is waited for.
const DUPLICATE_WINDOW: Duration = Duration::from_mins(2);

/// Why nothing is published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The servers cannot be reached, or refuse.
    #[error("NATS: {0}")]
    Nats(String),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] SubscriptionError),
    /// The stream has messages of something else.
    #[error("the stream {0} has messages that are not of this log; name another stream")]
    Foreign(String),
    /// The stream has more than the log.
    #[error(
        "the stream {stream} has {messages} events, and the log only {entries}: is this an older copy of the ledger?"
    )]
    Ahead {
        /// The stream.
        stream: String,
        /// Its last sequence.
        messages: u64,
        /// Entries of the log.
        entries: u64,
    },
}

impl From<StoreError> for PublishError {
    fn from(error: StoreError) -> Self {
        Self::Log(error.into())
    }
}

fn nats(error: impl std::fmt::Display) -> PublishError {
    PublishError::Nats(error.to_string())
}

/// Publishes the log of a ledger.
pub struct Publisher {
    /// The end of the log.
    pub feed: Feed,
    /// The log.
    pub store: Arc<dyn Store>,
    /// Whose log it is.
    pub ledger: Uuid,
    /// Where to.
    pub target: Target,
    /// Becomes true when the server stops.
    pub stopping: watch::Receiver<bool>,
}

/// Why a session ended without an error.
enum Ended {
    /// The server stops.
    Stopped,
    /// Somebody else is ahead.
    Behind,
}

impl Publisher {
    /// Publishes until the server stops; `told` is given how many events the stream has, again and
    /// again while all is well, and nothing when it is not.
    pub async fn run(mut self, told: impl Fn(Option<u64>)) {
        let mut pause = FIRST_PAUSE;
        loop {
            let mut went_on = false;
            let ended = self.session(&mut went_on, &told).await;
            if went_on {
                pause = FIRST_PAUSE;
            }
            match ended {
                Ok(Ended::Stopped) => return,
                Ok(Ended::Behind) => {
                    tracing::debug!("another node publishes");
                    // At random, so that nodes do not keep each other from it.
                    pause = FIRST_PAUSE.mul_f64(rand::rng().random_range(1.0..4.0));
                }
                Err(error) => {
                    told(None);
                    let again_in = pause.as_millis();
                    tracing::error!(%error, again_in, "events are not published");
                }
            }
            let stops = self.stopping.wait_for(|stops| *stops);
            if tokio::time::timeout(pause, stops).await.is_ok() {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Connects, and publishes until something ends it.
    async fn session(
        &mut self,
        went_on: &mut bool,
        told: &impl Fn(Option<u64>),
    ) -> Result<Ended, PublishError> {
        let context = self.connect().await?;
        let mut stream = self.stream(&context).await?;
        let from = self.place(&mut stream).await?;
        told(Some(from));
        let mut reader = self.feed.reader(from, Filter::everything()).await?;
        loop {
            if *self.stopping.borrow() {
                return Ok(Ended::Stopped);
            }
            let Some(batch) = reader.next(LOOK).await? else {
                if context.client().connection_state() != State::Connected {
                    return Err(PublishError::Nats("the connection broke off".to_owned()));
                }
                continue;
            };
            let mut sent: Vec<(Position, PublishAckFuture)> = Vec::new();
            for event in batch.events() {
                let message = message_of(self.ledger, &self.target.stream, event);
                let subject = subject_of(&self.target.prefix, event);
                // All of a batch are under way at once; if one is refused, so are those behind it.
                let future = context.send_publish(subject, message).await.map_err(nats)?;
                sent.push((event.position, future));
            }
            for (position, future) in sent {
                match future.await {
                    Ok(ack) if ack.sequence != sequence_of(position) => {
                        return Err(PublishError::Foreign(self.target.stream.clone()));
                    }
                    Ok(ack) if ack.duplicate => return Ok(Ended::Behind),
                    Ok(_) => {
                        *went_on = true;
                        told(Some(sequence_of(position)));
                    }
                    Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {
                        return Ok(Ended::Behind);
                    }
                    Err(error) => return Err(nats(error)),
                }
            }
        }
    }

    async fn connect(&self) -> Result<Context, PublishError> {
        let target = &self.target;
        let mut options = ConnectOptions::new()
            .name("vitaledger")
            .connection_timeout(PATIENCE);
        if let Some(file) = &target.credentials {
            options = options.credentials_file(file).await.map_err(nats)?;
        }
        let servers: Vec<&str> = target.servers.split(',').map(str::trim).collect();
        let client = options.connect(servers).await.map_err(nats)?;
        let mut context = jetstream::new(client);
        context.set_timeout(PATIENCE);
        Ok(context)
    }

    /// The stream; whoever wants replicas or limits for it makes it before.
    async fn stream(&self, context: &Context) -> Result<Stream, PublishError> {
        let target = &self.target;
        let config = Config {
            name: target.stream.clone(),
            subjects: vec![format!("{}.>", target.prefix)],
            description: Some(self.description()),
            duplicate_window: DUPLICATE_WINDOW,
            // What was published stays as it is.
            deny_delete: true,
            num_replicas: 1,
            ..Config::default()
        };
        context.get_or_create_stream(config).await.map_err(nats)
    }

    /// By this a stream that we made is known, also when its messages are gone.
    fn description(&self) -> String {
        format!("events of the vitaledger {}", self.ledger)
    }

    /// Where to go on: after the last message, which must be the entry of its position.
    async fn place(&self, stream: &mut Stream) -> Result<Position, PublishError> {
        let name = || self.target.stream.clone();
        let info = stream.info().await.map_err(nats)?;
        let last = info.state.last_sequence;
        let ours = info.config.description.as_deref() == Some(self.description().as_str());
        let Some(position) = last.checked_sub(1) else {
            return Ok(0);
        };
        let Some(entry) = self.store.entry(position).await? else {
            let entries = self.store.head().await?.size;
            return Err(PublishError::Ahead {
                stream: name(),
                messages: last,
                entries,
            });
        };
        match stream.get_raw_message(last).await {
            Ok(message) if leaf_hash_of(&message.payload) == Some(leaf_hash(&entry.bytes)) => {
                Ok(last)
            }
            Ok(_) => Err(PublishError::Foreign(name())),
            // Its limits have removed it.
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound && ours => {
                Ok(last)
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                Err(PublishError::Foreign(name()))
            }
            Err(error) => Err(nats(error)),
        }
    }
}
