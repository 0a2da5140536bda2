//! Births that come in at a fixed rate, in batches, whatever the server does.
//!
//! What comes in: a server, a rate. What goes out: of each batch, when it was sent and answered, and
//! its positions. What may fail: a batch that is not recorded whole. What must stay true: a batch is
//! sent when it is due, not when the last was answered, as long as a connection is free; what is sent
//! late for that reason lowers the rate, which is told. The threads are not those of the subscribers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use uuid::Uuid;

use super::served::{TAILS, Target};

/// A batch each.
const PACE: Duration = Duration::from_millis(20);
/// Batches in a second.
pub const BATCHES: u32 = 50;
/// Batches that may be under way.
const CONNECTIONS: u32 = 4;

/// A connection that stays open.
pub struct Connection {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
    secret: String,
}

/// An answer.
pub struct Answer {
    /// Lines of the head, in small letters.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub fn new(address: SocketAddr, secret: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            address,
            stream: BufReader::new(stream),
            secret: secret.to_owned(),
        })
    }

    /// Asks, with a body or without.
    pub fn ask(&mut self, method: &str, target: &str, body: &str) -> Result<Answer> {
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            self.secret,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let count = self.stream.read_line(&mut head)?;
            ensure!(count > 0, "the server closed the connection");
        }
        let head = head.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.context("no length")?.parse()?];
        self.stream.read_exact(&mut body)?;
        let is_good = head.starts_with("http/1.1 20");
        ensure!(is_good, "{head}{}", String::from_utf8_lossy(&body));
        Ok(Answer { head, body })
    }
}

/// A batch that was recorded.
pub struct Written {
    /// When it was sent: not later than the commit.
    pub sent: Instant,
    /// When its answer was here: not before the commit.
    pub answered: Instant,
    /// Its entries.
    pub positions: Vec<u64>,
}

/// Sends so many births a second for some time; gives the batches by their time.
pub fn write(target: &Target, rate: u32, time: Duration) -> Result<Vec<Written>> {
    let tails = std::fs::read_to_string(target.births.join(TAILS))?;
    let tails: Arc<Vec<String>> = Arc::new(tails.lines().map(str::to_owned).collect());
    let (next, begin) = (Arc::new(AtomicU32::new(0)), Instant::now());
    let run = Uuid::now_v7().simple().to_string();
    let mut threads = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::new(target.address, &target.registrar)?;
        let (tails, next, run) = (tails.clone(), next.clone(), run.clone());
        threads.push(std::thread::spawn(move || -> Result<Vec<Written>> {
            let mut written = Vec::new();
            loop {
                let tick = next.fetch_add(1, Ordering::Relaxed);
                let due = begin + PACE * tick;
                if due.max(Instant::now()) >= begin + time {
                    return Ok(written);
                }
                let body = batch(&tails, &run, tick, rate / BATCHES);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                let sent = Instant::now();
                let answer = connection.ask("POST", "/v1/batches", &body)?;
                let answered = Instant::now();
                written.push(Written {
                    sent,
                    answered,
                    positions: positions(&answer.body)?,
                });
            }
        }));
    }
    let mut written = Vec::new();
    for thread in threads {
        let part = thread.join().ok().context("a writer panicked")?;
        written.extend(part?);
    }
    written.sort_by_key(|one| one.answered);
    Ok(written)
}

fn batch(tails: &[String], run: &str, tick: u32, size: u32) -> String {
    let mut changes = Vec::new();
    for number in tick * size..(tick + 1) * size {
        let tail = &tails[number as usize % tails.len()];
        let values = format!("{{\"source_record_id\":\"{run}-{number}\"{tail}");
        changes.push(format!(
            "{{\"do\":\"record\",\"kind\":\"birth\",\"values\":{values}}}"
        ));
    }
    format!("{{\"changes\":[{}]}}", changes.join(","))
}

/// Where the births of a batch are; all must have been recorded.
fn positions(body: &[u8]) -> Result<Vec<u64>> {
    let answer: Value = serde_json::from_slice(body)?;
    let answers = answer["answers"].as_array().context("no answers")?;
    let position = |one: &Value| {
        let recorded = one["answer"] == "recorded";
        let position = one["position"].as_u64().filter(|_| recorded);
        position.with_context(|| format!("a birth was not recorded: {one}"))
    };
    answers.iter().map(position).collect()
}

/// Reads everything from the start up to a position page by page; gives how long that took, and how
/// many bytes it was.
pub fn catch_up(address: SocketAddr, secret: &str, position: u64) -> Result<(Duration, usize)> {
    let mut connection = Connection::new(address, secret)?;
    let (started, mut bytes) = (Instant::now(), 0);
    let mut target = "/v1/events?from=0&limit=1000".to_owned();
    loop {
        let answer = connection.ask("GET", &target, "")?;
        bytes += answer.body.len();
        let link = answer
            .head
            .lines()
            .find_map(|line| line.strip_prefix("link: <"));
        let (next, _) = link
            .and_then(|link| link.split_once('>'))
            .context("no link")?;
        next.clone_into(&mut target);
        let from = target.rsplit_once("from=").context("no position")?.1;
        if from.parse::<u64>()? > position {
            return Ok((started.elapsed(), bytes));
        }
    }
}
