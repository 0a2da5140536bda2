//! A road to a PostgreSQL server that can be cut exactly at a COMMIT.
//!
//! What comes in: the address of a server. What goes out: the address of the proxy before it. What
//! must stay true: until it is told otherwise, every byte passes; a cut happens at the next
//! COMMIT, either before the server gets it, or after the server has answered it and before the
//! client reads that. The protocol: PostgreSQL's documentation, "Message Formats".
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses a part, and stops at the first thing that is not as it should"
)]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Where the road is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The server does not get the COMMIT.
    BeforeServer,
    /// The client does not get the answer.
    BeforeClient,
}

#[derive(Default)]
struct Road {
    cut: Mutex<Option<(Cut, bool)>>,
    /// Nothing passes; connections are dropped.
    away: AtomicBool,
    cuts: AtomicU32,
}

pub struct Proxy {
    road: Arc<Road>,
    port: u16,
}

/// A startup message of protocol 3.0; others before it ask for encryption.
const STARTUP: u32 = 196_608;

impl Proxy {
    /// Before a server at `HOST:PORT`.
    pub fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let road = Arc::new(Road::default());
        let server = server.to_owned();
        let accepting = road.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                if accepting.away.load(Ordering::SeqCst) {
                    continue;
                }
                connect(&accepting, client, TcpStream::connect(&server).unwrap());
            }
        });
        Self { road, port }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the road at the next COMMIT; `stays` leaves it cut until [`Self::mend`].
    pub fn cut(&self, cut: Cut, stays: bool) {
        *self.road.cut.lock().unwrap() = Some((cut, stays));
    }

    pub fn mend(&self) {
        self.road.away.store(false, Ordering::SeqCst);
    }

    /// How often it was cut.
    pub fn cuts(&self) -> u32 {
        self.road.cuts.load(Ordering::SeqCst)
    }
}

fn connect(road: &Arc<Road>, client: TcpStream, server: TcpStream) {
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let swallow = Arc::new(AtomicBool::new(false));
    let (to_client, from_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let swallowing = swallow.clone();
    thread::spawn(move || answers(from_server, to_client, &swallowing));
    let road = road.clone();
    thread::spawn(move || {
        let both = [client.try_clone().unwrap(), server.try_clone().unwrap()];
        // Whoever goes away ends both.
        if !requests(&road, client, server, &swallow).unwrap_or_default() {
            close(&both);
        }
    });
}

fn close(both: &[TcpStream; 2]) {
    for stream in both {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// From the server to the client; an answer that is swallowed ends the connection.
fn answers(mut server: TcpStream, mut client: TcpStream, swallow: &AtomicBool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length) = server.read(&mut buffer) {
        if length == 0
            || swallow.load(Ordering::SeqCst)
            || client.write_all(&buffer[..length]).is_err()
        {
            break;
        }
    }
    close(&[server, client]);
}

/// From the client to the server, message by message. `true` when the answer is what is cut.
fn requests(
    road: &Road,
    mut client: TcpStream,
    mut server: TcpStream,
    swallow: &AtomicBool,
) -> std::io::Result<bool> {
    let mut started = false;
    loop {
        let mut message = Vec::new();
        if started {
            message.resize(1, 0);
            client.read_exact(&mut message)?;
        }
        let mut length = [0; 4];
        client.read_exact(&mut length)?;
        let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
        client.read_exact(&mut body)?;
        if !started {
            started = body.starts_with(&STARTUP.to_be_bytes());
        }
        let commits = message == b"Q" && body.starts_with(b"COMMIT");
        message.extend(length);
        message.extend(&body);
        let cut = commits.then(|| road.cut.lock().unwrap().take()).flatten();
        if let Some((cut, stays)) = cut {
            road.away.store(stays, Ordering::SeqCst);
            road.cuts.fetch_add(1, Ordering::SeqCst);
            if cut == Cut::BeforeServer {
                return Ok(false);
            }
            swallow.store(true, Ordering::SeqCst);
            server.write_all(&message)?;
            return Ok(true);
        }
        // Connections that were open before go the same way.
        if road.away.load(Ordering::SeqCst) {
            return Ok(false);
        }
        server.write_all(&message)?;
    }
}
