//! Streams of events to clients that stay (server-sent events).
//!
//! What comes in: a reader of the log's end, and for whom. What goes out: a body that ends when the
//! server stops, or the token does not work any more; a client that takes nothing for long is cut
//! by [`super::patient`]. What may fail: the log cannot be read; then the stream ends, and the client
//! comes back. What must stay true: every position is told or passed over in order, and a client
//! knows up to where: heartbeats carry the last position that was looked at as `id`, so that what
//! the client sends as `Last-Event-ID` is right also when nothing was for it; there is a limit to
//! the number of streams, of a token and in all.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream::unfold;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::problem::{Kind, Problem, Said};
use super::service::Service;
use crate::app::tokens::TokenState;
use crate::model::id::Position;
use crate::model::time::Timestamp;
use crate::subscription::feed::{Reader, Told};
use crate::subscription::gzip::{self, Piece};
use crate::subscription::{self, SubscriptionError};

/// The media type.
pub const MEDIA_TYPE: &str = "text/event-stream";
/// Milliseconds after which a client comes back that was cut off.
const RETRY_MS: u32 = 2000;

/// How many streams there may be.
#[derive(Debug, Clone, Copy)]
pub struct MostStreams {
    /// In all.
    pub in_all: usize,
    /// Of one token.
    pub of_token: usize,
}

/// The streams that there are.
#[derive(Clone, Default)]
pub struct Streams(Arc<Mutex<HashMap<Uuid, usize>>>);

/// A stream that there is; it ends with this.
pub struct Stream {
    streams: Streams,
    token: Uuid,
    gauge: prometheus_client::metrics::gauge::Gauge,
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.gauge.dec();
        let mut streams = self.streams.lock();
        if let Some(count) = streams.get_mut(&self.token) {
            *count -= 1;
            if *count == 0 {
                streams.remove(&self.token);
            }
        }
    }
}

impl Stream {
    /// Begins one, for a token.
    ///
    /// # Errors
    /// When there are too many.
    pub fn begin(service: &Service, token: Uuid) -> Result<Self, Problem> {
        let most = service.limits.streams;
        let mut streams = service.streams.lock();
        if streams.get(&token).copied().unwrap_or(0) >= most.of_token {
            let said = Said::new(
                format!(
                    "this token has {} streams already; close one, or read pages",
                    most.of_token
                ),
                format!(
                    "该令牌已有 {} 个事件流，请先关闭，或改为分页读取",
                    most.of_token
                ),
            );
            let mut problem = Problem::new(Kind::TooMany, said);
            problem.retry_after = Some(30);
            return Err(problem);
        }
        if streams.values().sum::<usize>() >= most.in_all {
            let said = Said::new(
                "the server has as many streams as it may; try again later, or read pages",
                "事件流数量已达上限，请稍后再试，或改为分页读取",
            );
            let mut problem = Problem::new(Kind::Unavailable, said);
            problem.retry_after = Some(30);
            return Err(problem);
        }
        *streams.entry(token).or_default() += 1;
        let gauge = service.metrics.streams.clone();
        gauge.inc();
        Ok(Self {
            streams: service.streams.clone(),
            token,
            gauge,
        })
    }
}

/// A stream and all that is known of it.
struct Telling {
    service: Service,
    reader: Reader,
    /// Of the token's secret.
    hash: [u8; 32],
    stopping: watch::Receiver<bool>,
    heartbeat_at: Instant,
    begun: bool,
    ended: bool,
    /// As what it is told.
    coding: Coding,
    _stream: Stream,
}

/// How a stream is coded on its way.
#[derive(Debug)]
pub enum Coding {
    /// As it is.
    Identity,
    /// In gzip.
    Gzip(gzip::Stream),
}

impl Coding {
    /// The text, coded.
    fn code(&mut self, text: String) -> subscription::Result<Bytes> {
        match self {
            Self::Identity => Ok(text.into()),
            Self::Gzip(stream) => {
                let piece = Piece::of(text.as_bytes());
                let failed = |error: std::io::Error| SubscriptionError::Packing(error.to_string());
                Ok(stream.told(&piece.map_err(failed)?))
            }
        }
    }

    /// The events that somebody is told, coded, and how many there are.
    fn code_events(&mut self, told: &Told<'_>) -> subscription::Result<(Bytes, usize)> {
        match self {
            Self::Identity => Ok(told.text()),
            Self::Gzip(stream) => {
                let piece = told.piece()?;
                Ok(piece.map_or_else(Default::default, |(piece, count)| {
                    (stream.told(&piece), count)
                }))
            }
        }
    }

    /// What ends it.
    fn end(&mut self) -> Bytes {
        match std::mem::replace(self, Self::Identity) {
            Self::Identity => Bytes::new(),
            Self::Gzip(stream) => stream.end(),
        }
    }
}

/// The body of a stream: what the reader is told, for a token whose secret has this hash.
pub fn body(
    service: &Service,
    stream: Stream,
    reader: Reader,
    hash: [u8; 32],
    coding: Coding,
) -> Body {
    let telling = Telling {
        service: service.clone(),
        reader,
        hash,
        stopping: service.stopping.subscribe(),
        heartbeat_at: Instant::now() + service.limits.heartbeat,
        begun: false,
        ended: false,
        coding,
        _stream: stream,
    };
    let chunks = unfold(telling, |mut telling| async move {
        let chunk = telling.chunk().await?;
        Some((Ok::<_, Infallible>(chunk), telling))
    });
    Body::from_stream(chunks)
}

/// Says how far the log was looked at: for people as a comment, for the client as an `id` without an
/// event, which it takes for its `Last-Event-ID`.
fn place(next: Position) -> String {
    match next.checked_sub(1) {
        None => ": nothing was looked at yet\n\n".to_owned(),
        Some(last) => format!(": position {last}\nid: {last}\n\n"),
    }
}

impl Telling {
    /// The next piece; nothing at the end.
    async fn chunk(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        match self.next().await {
            Ok(chunk) => Some(chunk),
            Err(error) => {
                tracing::error!(%error, "a stream ends: the log cannot be read");
                self.ended = true;
                None
            }
        }
    }

    async fn next(&mut self) -> subscription::Result<Bytes> {
        if !self.begun {
            self.begun = true;
            // At once, so that the client knows that it is heard.
            let place = place(self.reader.position());
            return self.coding.code(format!("retry: {RETRY_MS}\n{place}"));
        }
        loop {
            if *self.stopping.borrow_and_update() {
                return self.end(": the server stops");
            }
            let now = Instant::now();
            if now >= self.heartbeat_at {
                self.heartbeat_at = now + self.service.limits.heartbeat;
                if !self.may_go_on().await {
                    return self.end(": the token does not work any more");
                }
                return self.coding.code(place(self.reader.position()));
            }
            let patience = self.heartbeat_at - now;
            let told = tokio::select! {
                told = tell(&mut self.reader, &mut self.coding, patience) => told?,
                // Looked at above.
                _ = self.stopping.changed() => continue,
            };
            if let (text, count @ 1..) = told {
                self.service.metrics.delivered("stream", count as u64);
                return Ok(text);
            }
        }
    }

    fn end(&mut self, why: &str) -> subscription::Result<Bytes> {
        self.ended = true;
        let place = place(self.reader.position());
        let said = self.coding.code(format!("{place}{why}\n\n"))?;
        Ok([said, self.coding.end()].concat().into())
    }

    /// Whether the token still works. Where that cannot be told, it is asked again.
    async fn may_go_on(&self) -> bool {
        match self.service.app.token_of_hash(&self.hash).await {
            Ok(Some(token)) => TokenState::of(&token, Timestamp::now()) == TokenState::Valid,
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(%error, "whether a token still works is not known");
                true
            }
        }
    }
}

/// The next events, coded, and how many there are. It may be given up while it waits: what the
/// reader was told of is coded before it waits again.
async fn tell(
    reader: &mut Reader,
    coding: &mut Coding,
    patience: Duration,
) -> subscription::Result<(Bytes, usize)> {
    match reader.next(patience).await? {
        Some(told) => coding.code_events(&told),
        None => Ok((Bytes::new(), 0)),
    }
}
