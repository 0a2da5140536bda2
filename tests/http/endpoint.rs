//! An endpoint of webhooks: it keeps what it is sent, and answers as it is told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use crate::running::tls;

/// How long something is waited for that the server does on its own.
const PATIENCE: Duration = Duration::from_mins(1);

/// What was sent.
#[derive(Debug, Clone)]
pub struct Received {
    pub at: Instant,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }
}

#[derive(Default)]
struct Kept {
    received: Vec<Received>,
    /// Answers to the next requests; after them, 204.
    answers: VecDeque<(u16, Vec<(&'static str, String)>)>,
    pause: Duration,
}

/// An endpoint.
pub struct Endpoint {
    scheme: &'static str,
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    task: JoinHandle<()>,
}

async fn receive(
    State(kept): State<Arc<Mutex<Kept>>>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let pause = kept.lock().unwrap().pause;
    tokio::time::sleep(pause).await;
    let mut kept = kept.lock().unwrap();
    kept.received.push(Received {
        at: Instant::now(),
        headers,
        bytes: bytes.to_vec(),
    });
    let Some((status, headers)) = kept.answers.pop_front() else {
        return StatusCode::NO_CONTENT.into_response();
    };
    let mut answer = StatusCode::from_u16(status).unwrap().into_response();
    for (name, value) in headers {
        answer.headers_mut().insert(name, value.parse().unwrap());
    }
    answer
}

/// A listener that speaks TLS with the certificate of the tests.
struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl TlsListener {
    async fn bind() -> Self {
        let certificates = CertificateDer::pem_file_iter(tls().join("server.pem")).unwrap();
        let certificates = certificates.map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(tls().join("server.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth();
        let config = config.with_single_cert(certificates, key).unwrap();
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, peer) = self.listener.accept().await.unwrap();
            // Whoever does not trust the certificate goes away again.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Endpoint {
    pub async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), "http")
    }

    /// One that speaks TLS, with a certificate of the tests' authority.
    pub async fn start_with_tls() -> Self {
        Self::on(TlsListener::bind().await, "https")
    }

    fn on(listener: impl Listener<Addr = SocketAddr>, scheme: &'static str) -> Self {
        let address = listener.local_addr().unwrap();
        let kept = Arc::<Mutex<Kept>>::default();
        let router = Router::new().fallback(receive).with_state(kept.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            scheme,
            address,
            kept,
            task,
        }
    }

    pub fn url(&self) -> String {
        format!("{}://{}/hook", self.scheme, self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What to answer to the next request that has no answer yet.
    pub fn answer(&self, status: u16, headers: &[(&'static str, &str)]) {
        let owned = |(name, value): &(&'static str, &str)| (*name, (*value).to_owned());
        let headers = headers.iter().map(owned).collect();
        self.kept
            .lock()
            .unwrap()
            .answers
            .push_back((status, headers));
    }

    /// How long to wait before each answer.
    pub fn pause(&self, pause: Duration) {
        self.kept.lock().unwrap().pause = pause;
    }

    pub fn received(&self) -> Vec<Received> {
        self.kept.lock().unwrap().received.clone()
    }

    /// Waits until so many requests came; gives them.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        let end = Instant::now() + PATIENCE;
        loop {
            let received = self.received();
            if received.len() >= count {
                return received;
            }
            assert!(
                Instant::now() < end,
                "only {} of {count} deliveries came",
                received.len()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}
