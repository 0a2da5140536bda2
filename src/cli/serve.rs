//! `serve`: the network interface, until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::delivering::Delivering;
use super::login::LoggingIn;
use super::output::Output;
use super::stopping::stopped;
use crate::app::error::failed;
use crate::app::{App, AppError};
use crate::http::server::{self, Limits, MostStreams, ServeOptions, TlsFiles};

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen; port 0 takes a free one and prints it.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The certificate with its chain (PEM); without it, the server speaks plain HTTP.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Largest body of a request, in KiB; imports have a limit of their own.
    #[arg(long, default_value_t = 1024, value_name = "KIB", value_parser = clap::value_parser!(u64).range(1..=65_536))]
    max_body: u64,
    /// Largest upload of an import, in MiB.
    #[arg(long, default_value_t = 256, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=16_384))]
    max_upload: u64,
    /// Longest that a request may take, in seconds; reports, audits and imports have ten times that.
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Requests a second that one client address may make, in the long run; twice as many at once.
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// Streams of events at a time, in all.
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = streams)]
    max_streams: usize,
    /// Longest that entries wait before they are sealed, in milliseconds.
    #[arg(long, default_value_t = 500, value_name = "MS", value_parser = clap::value_parser!(u64).range(10..=60_000))]
    seal_interval: u64,
    /// How often refusals are put on the ledger, in milliseconds.
    #[arg(long, default_value_t = 10_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(10..=3_600_000))]
    log_interval: u64,
    /// Longest that requests which run are waited for when the server stops, in seconds.
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=3600))]
    grace: u64,
    #[command(flatten)]
    delivering: Delivering,
    #[command(flatten)]
    logging_in: LoggingIn,
}

/// Streams of events of one token at a time.
const STREAMS_OF_TOKEN: usize = 50;
/// Proxies close what is silent for a minute; half of them for thirty seconds.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A client whose network is away for longer comes back on its own.
const STALL: Duration = Duration::from_secs(30);

fn streams(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=9000) => Ok(number),
        _ => Err("a number from 1 to 9000".to_owned()),
    }
}

impl Serve {
    fn options(&self) -> Result<ServeOptions, AppError> {
        let bytes =
            |number: u64, shift: u32| usize::try_from(number << shift).unwrap_or(usize::MAX);
        Ok(ServeOptions {
            listen: self.listen,
            tls: self
                .tls_cert
                .clone()
                .zip(self.tls_key.clone())
                .map(|(certificate, key)| TlsFiles { certificate, key }),
            limits: Limits {
                body_bytes: bytes(self.max_body, 10),
                upload_bytes: bytes(self.max_upload, 20),
                patience: Duration::from_secs(self.timeout),
                long_patience: Duration::from_secs(self.timeout * 10),
                rate_per_second: self.rate,
                streams: MostStreams {
                    in_all: self.max_streams,
                    of_token: STREAMS_OF_TOKEN.min(self.max_streams),
                },
                heartbeat: HEARTBEAT,
                stall: STALL,
            },
            seal_interval: Duration::from_millis(self.seal_interval),
            log_interval: Duration::from_millis(self.log_interval),
            grace: Duration::from_secs(self.grace),
            webhooks: self.delivering.webhooks()?,
            nats: self.delivering.nats()?,
            login: self.logging_in.options()?,
        })
    }
}

/// Serves until SIGINT or SIGTERM.
pub async fn run(app: App, args: &Serve, output: &Output) -> Result<(), AppError> {
    let options = args.options()?;
    let scheme = if options.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let stop = stopped().map_err(failed("listen to", std::path::Path::new("signals")))?;
    let ready = |address: SocketAddr| {
        if output.json {
            output.data(&serde_json::json!({ "listen": address.to_string() }).to_string());
        } else {
            output.data(&format!("{scheme}://{address}"));
        }
    };
    server::serve(app, options, ready, stop).await
}
