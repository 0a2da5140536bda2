//! Clients of streams that note when they were told of what, and nothing else.
//!
//! What comes in: a server, tokens, how many. What goes out: of each client, at which moments it was
//! told up to which position. What may fail: a stream that is refused or ends. What must stay true:
//! they are plain and cheap, so that they are not what is measured: of what comes, only the lines
//! with a position are looked at; positions that were left out or told twice are counted.

use std::io::BufRead;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::served::STREAMS_OF_TOKEN;

/// Bytes that are taken at once: more than a batch of events at a thousand a second.
const ROOM: usize = 32 * 1024;
/// Streams that are opened at a time.
const OPENING: usize = 32;

/// A client whose stream was accepted.
pub struct Subscriber {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of a line that has not ended.
    kept: usize,
    /// The last position.
    last: Option<u64>,
    /// Where it began.
    pub first: Option<u64>,
    /// When it was told up to where, after that.
    pub told: Vec<(Instant, u64)>,
    /// Positions that were left out, or told twice.
    pub wrong: u64,
}

impl Subscriber {
    /// Opens a stream from a position on, or `now`.
    pub async fn open(address: SocketAddr, secret: &str, from: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!(
            "GET /v1/events?from={from} HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\
             Authorization: Bearer {secret}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        // One byte after the other, so that nothing of what follows is taken with it.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head);
        ensure!(head.starts_with("HTTP/1.1 200 "), "no stream: {head}");
        Ok(Self {
            stream,
            buffer: vec![0; ROOM],
            kept: 0,
            last: None,
            first: None,
            told: Vec::new(),
            wrong: 0,
        })
    }

    /// Takes what came; gives the last position.
    async fn take(&mut self) -> Result<Option<u64>> {
        let count = self.stream.read(&mut self.buffer[self.kept..]).await?;
        ensure!(count > 0, "the server ended a stream");
        let now = Instant::now();
        let (before, filled) = (self.last, self.kept + count);
        let mut at = 0;
        loop {
            let mut rest = &self.buffer[at..filled];
            // The search of the standard library takes many bytes at a time.
            let length = rest.skip_until(b'\n')?;
            let Some(line) = self.buffer[at..at + length].strip_suffix(b"\n") else {
                break;
            };
            if let Some(number) = line.strip_prefix(b"id: ") {
                let position: u64 = std::str::from_utf8(number)?.parse()?;
                // A heartbeat has the last position once more.
                let is_next = |last| position == last || position == last + 1;
                self.wrong += u64::from(!self.last.is_none_or(is_next));
                self.last = Some(position);
            }
            at += length;
        }
        // The line that has not ended.
        self.buffer.copy_within(at..filled, 0);
        self.kept = filled - at;
        if self.first.is_none() {
            self.first = self.last;
        } else if let Some(last) = self.last.filter(|_| before != self.last) {
            self.told.push((now, last));
        }
        Ok(self.last)
    }
}

/// Opens so many streams, spread over tokens.
pub async fn open(
    address: SocketAddr,
    secrets: &[String],
    count: usize,
) -> Result<Vec<Subscriber>> {
    ensure!(count <= secrets.len() * STREAMS_OF_TOKEN, "too few tokens");
    let mut opening = JoinSet::new();
    let mut open = Vec::with_capacity(count);
    for number in 0..count {
        if opening.len() >= OPENING {
            open.push(opening.join_next().await.context("none")???);
        }
        let secret = secrets[number % secrets.len()].clone();
        opening.spawn(async move { Subscriber::open(address, &secret, "now").await });
    }
    while let Some(one) = opening.join_next().await {
        open.push(one??);
    }
    Ok(open)
}

/// Clients that take what comes, until they are asked to stop.
pub struct Taking {
    running: JoinSet<Result<Subscriber>>,
    /// How far each is.
    reached: Vec<Arc<AtomicU64>>,
    stop: watch::Sender<bool>,
}

impl Taking {
    /// Lets them take.
    pub fn begin(subscribers: Vec<Subscriber>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (mut running, mut reached) = (JoinSet::new(), Vec::new());
        for mut one in subscribers {
            let (far, mut stopped) = (Arc::new(AtomicU64::new(0)), stopped.clone());
            reached.push(far.clone());
            running.spawn(async move {
                loop {
                    tokio::select! {
                        last = one.take() => far.store(last?.unwrap_or(0), Ordering::Relaxed),
                        _ = stopped.changed() => return Ok(one),
                    }
                }
            });
        }
        Self {
            running,
            reached,
            stop,
        }
    }

    /// Waits until all were told of a position, or the patience ends; gives them, and how many were
    /// not told of it.
    pub async fn end(
        mut self,
        position: u64,
        patience: Duration,
    ) -> Result<(Vec<Subscriber>, usize)> {
        let end = Instant::now() + patience;
        let behind = |reached: &[Arc<AtomicU64>]| {
            let far = reached.iter().map(|far| far.load(Ordering::Relaxed));
            far.filter(|far| *far < position).count()
        };
        while behind(&self.reached) > 0 && Instant::now() < end {
            if let Some(ended) = self.running.try_join_next() {
                bail!("a client ended early: {:?}", ended?.err());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let late = behind(&self.reached);
        self.stop.send_replace(true);
        let mut all = Vec::with_capacity(self.reached.len());
        while let Some(one) = self.running.join_next().await {
            all.push(one??);
        }
        Ok((all, late))
    }
}

/// Reads everything from the start up to a position over one stream; gives how long that took.
pub async fn catch_up(address: SocketAddr, secret: &str, position: u64) -> Result<Duration> {
    let started = Instant::now();
    let mut one = Subscriber::open(address, secret, "0").await?;
    // Nothing was told before the first position.
    while one.take().await?.is_none_or(|last| last < position) {}
    ensure!(one.wrong == 0, "{} positions were left out", one.wrong);
    Ok(started.elapsed())
}
