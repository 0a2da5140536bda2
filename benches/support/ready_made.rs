//! A server that does nothing but tell subscribers of ready-made events: what this machine gives.
//!
//! What comes in: batches of births, of which only their number is looked at. What goes out: to every
//! stream the same bytes, made once a batch; to the writer the positions. What may fail: a
//! connection, alone. What must stay true: the requests, the answers and the size of the events are
//! those of the ledger, so that the same clients measure both.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, broadcast};

use super::served::{Process, Target};

/// Batches that a stream may be behind before it is cut.
const BEHIND: usize = 4_096;

/// It, in a process of its own.
pub struct ReadyMade {
    child: Child,
    address: SocketAddr,
}

impl ReadyMade {
    /// Starts it, with events of so many bytes.
    pub fn start(bytes: usize) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--child", &bytes.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = child.stdout.take().context("no output")?;
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(said), &mut line)?;
        let address = line.trim().parse()?;
        Ok(Self { child, address })
    }

    /// As what is measured; the folder has the births.
    pub fn target(&self, folder: &Path, streams: usize) -> Target {
        Target {
            births: folder.to_owned(),
            address: self.address,
            process: Process(self.child.id()),
            registrar: "nobody".to_owned(),
            auditors: vec!["nobody".to_owned(); streams],
        }
    }
}

impl Drop for ReadyMade {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Log {
    next: Mutex<u64>,
    told: broadcast::Sender<Arc<[u8]>>,
    data: String,
}

/// Serves until it is killed.
pub async fn serve(bytes: usize) -> Result<()> {
    let door = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", door.local_addr()?);
    let log = Arc::new(Log {
        next: Mutex::new(1),
        told: broadcast::Sender::new(BEHIND),
        data: "x".repeat(bytes),
    });
    loop {
        let (stream, _) = door.accept().await?;
        let log = log.clone();
        tokio::spawn(async move {
            // A client that goes away is no fault.
            let _ = log.answer(stream).await;
        });
    }
}

impl Log {
    async fn answer(&self, stream: TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        loop {
            head.clear();
            while !head.ends_with("\r\n\r\n") {
                if stream.read_line(&mut head).await? == 0 {
                    return Ok(());
                }
            }
            if head.starts_with("GET ") {
                return self.tell(stream.into_inner()).await;
            }
            let mut lines = head.lines();
            let length = lines.find_map(|line| line.strip_prefix("Content-Length: "));
            let mut body = vec![0; length.context("no length")?.parse()?];
            stream.read_exact(&mut body).await?;
            let count = String::from_utf8(body)?.matches("\"do\":").count();
            let answers = self.append(count).await.join(",");
            let body = format!("{{\"answers\":[{answers}]}}");
            let length = body.len();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await?;
        }
    }

    /// Appends so many; tells of them, and gives the answers.
    async fn append(&self, count: usize) -> Vec<String> {
        let mut next = self.next.lock().await;
        let (mut text, mut answers) = (String::new(), Vec::with_capacity(count));
        for _ in 0..count {
            // Writing to a string cannot fail.
            let _ = write!(text, "id: {next}\nevent: birth\ndata: {}\n\n", self.data);
            answers.push(format!("{{\"answer\":\"recorded\",\"position\":{next}}}"));
            *next += 1;
        }
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        // Nobody may listen.
        let _ = self.told.send(chunk.into_bytes().into());
        answers
    }

    async fn tell(&self, mut stream: TcpStream) -> Result<()> {
        let mut told = {
            let next = self.next.lock().await;
            let told = self.told.subscribe();
            let place = format!("id: {}\n\n", *next - 1);
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let begin = format!("{head}{:x}\r\n{place}\r\n", place.len());
            stream.write_all(begin.as_bytes()).await?;
            told
        };
        loop {
            let chunk = told.recv().await?;
            stream.write_all(&chunk).await?;
        }
    }
}
