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
use flate2::{Decompress, FlushDecompress};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::served::STREAMS_OF_TOKEN;

/// Bytes that are taken at once: more than a batch of events at a thousand a second.
const ROOM: usize = 32 * 1024;
/// Bytes of a gzip header that has no name in it (RFC 1952, 2.3).
const GZIP_HEADER: usize = 10;
/// Streams that are opened at a time.
const OPENING: usize = 32;

/// As what a stream is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Plain,
    Gzip,
}

/// What a stream in gzip is unpacked with.
struct Unpacking {
    inflate: Decompress,
    bytes: Vec<u8>,
}

/// A client whose stream was accepted.
pub struct Subscriber {
    stream: TcpStream,
    unpacking: Option<Unpacking>,
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
    /// Bytes that came, as they came.
    pub bytes: u64,
}

impl Subscriber {
    /// Opens a stream from a position on, or `now`.
    pub async fn open(
        address: SocketAddr,
        secret: &str,
        from: &str,
        coding: Coding,
    ) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        // Of version 1.0, so that nothing stands between the pieces of a stream in gzip.
        let (version, accept) = match coding {
            Coding::Plain => ("1.1", ""),
            Coding::Gzip => ("1.0", "Accept-Encoding: gzip\r\n"),
        };
        let request = format!(
            "GET /v1/events?from={from} HTTP/{version}\r\nHost: bench\r\n{accept}\
             Accept: text/event-stream\r\nAuthorization: Bearer {secret}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        // One byte after the other, so that nothing of what follows is taken with it.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head);
        let is_accepted = head.split(' ').nth(1) == Some("200");
        ensure!(is_accepted, "no stream: {head}");
        let unpacking = if coding == Coding::Gzip {
            ensure!(head.contains("content-encoding: gzip"), "no gzip: {head}");
            stream.read_exact(&mut [0; GZIP_HEADER]).await?;
            Some(Unpacking {
                inflate: Decompress::new(false),
                bytes: vec![0; ROOM],
            })
        } else {
            None
        };
        Ok(Self {
            stream,
            unpacking,
            buffer: vec![0; ROOM],
            kept: 0,
            last: None,
            first: None,
            told: Vec::new(),
            wrong: 0,
            bytes: 0,
        })
    }

    /// Takes what came; gives the last position.
    async fn take(&mut self) -> Result<Option<u64>> {
        let before = self.last;
        let now = if let Some(unpacking) = &mut self.unpacking {
            let count = self.stream.read(&mut unpacking.bytes).await?;
            let now = self.arrived(count)?;
            self.unpack(count)?;
            now
        } else {
            let count = self.stream.read(&mut self.buffer[self.kept..]).await?;
            let now = self.arrived(count)?;
            self.look(self.kept + count)?;
            now
        };
        if self.first.is_none() {
            self.first = self.last;
        } else if let Some(last) = self.last.filter(|_| before != self.last) {
            self.told.push((now, last));
        }
        Ok(self.last)
    }

    /// Takes note that so many bytes came, now.
    fn arrived(&mut self, count: usize) -> Result<Instant> {
        ensure!(count > 0, "the server ended a stream");
        self.bytes += count as u64;
        Ok(Instant::now())
    }

    /// Unpacks so many bytes, as far as there is room at a time, and looks at them.
    fn unpack(&mut self, count: usize) -> Result<()> {
        let mut at = 0;
        loop {
            let unpacking = self.unpacking.as_mut().context("not in gzip")?;
            let inflate = &mut unpacking.inflate;
            let (read, written) = (inflate.total_in(), inflate.total_out());
            let room = &mut self.buffer[self.kept..];
            let full = room.len();
            inflate.decompress(&unpacking.bytes[at..count], room, FlushDecompress::Sync)?;
            at += usize::try_from(inflate.total_in() - read)?;
            let written = usize::try_from(inflate.total_out() - written)?;
            self.look(self.kept + written)?;
            if at == count && written < full {
                return Ok(());
            }
        }
    }

    /// Looks at the lines of what the buffer is filled with.
    fn look(&mut self, filled: usize) -> Result<()> {
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
        Ok(())
    }
}

/// Opens so many streams, spread over tokens.
pub async fn open(
    address: SocketAddr,
    secrets: &[String],
    count: usize,
    coding: Coding,
) -> Result<Vec<Subscriber>> {
    ensure!(count <= secrets.len() * STREAMS_OF_TOKEN, "too few tokens");
    let mut opening = JoinSet::new();
    let mut open = Vec::with_capacity(count);
    for number in 0..count {
        if opening.len() >= OPENING {
            open.push(opening.join_next().await.context("none")???);
        }
        let secret = secrets[number % secrets.len()].clone();
        opening.spawn(async move { Subscriber::open(address, &secret, "now", coding).await });
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
    let mut one = Subscriber::open(address, secret, "0", Coding::Plain).await?;
    // Nothing was told before the first position.
    while one.take().await?.is_none_or(|last| last < position) {}
    ensure!(one.wrong == 0, "{} positions were left out", one.wrong);
    Ok(started.elapsed())
}
