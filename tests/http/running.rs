//! A server with a ledger of its own, and clients with tokens.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;
use vitaledger::app::records::office_of;
use vitaledger::app::tokens::{MadeToken, NewToken};
use vitaledger::app::{App, AppError, InitOptions};
use vitaledger::audit::verify::Scope;
use vitaledger::http::server::{
    Limits, MostStreams, ServeOptions, TlsFiles, WebhookOptions, serve,
};
use vitaledger::model::id::OfficeCode;
use vitaledger::model::time::Timestamp;
use vitaledger::store::access::TokenRole;
use vitaledger::store::location::Location;
use vitaledger::subscription::webhook::address::Permitted;

use crate::database;

/// A county, its township and villages; and another county.
pub const COUNTY: &str = "990101000000";
pub const TOWNSHIP: &str = "990101100000";
pub const VILLAGE: &str = "990101100001";
pub const NEIGHBOUR: &str = "990101100002";
pub const FOREIGN_COUNTY: &str = "990202000000";
pub const FOREIGN: &str = "990202100001";

/// How long something is waited for that the server does on its own.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server.
pub struct Running {
    pub folder: TempDir,
    location: Location,
    pub address: SocketAddr,
    client: reqwest::Client,
    scheme: &'static str,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<Result<(), AppError>>>,
}

/// Somebody with a token.
pub struct Client<'a> {
    running: &'a Running,
    pub secret: String,
    pub token: Uuid,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| {
            panic!(
                "{error}: {} {}",
                self.status,
                String::from_utf8_lossy(&self.bytes)
            )
        })
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts the status; gives the JSON.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{}",
            String::from_utf8_lossy(&self.bytes)
        );
        self.json()
    }

    /// Asserts a problem of this status and word; gives it.
    pub fn problem(self, status: u16, word: &str) -> Value {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{}",
            String::from_utf8_lossy(&self.bytes)
        );
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["type"], format!("/v1/problems/{word}"), "{problem}");
        assert_eq!(problem["status"], status);
        for name in ["title", "title_zh", "detail", "detail_zh"] {
            assert!(
                !problem[name].as_str().unwrap().is_empty(),
                "{name}: {problem}"
            );
        }
        let instance = format!("urn:vitaledger:request:{}", self.header("x-request-id"));
        assert_eq!(problem["instance"], instance);
        problem
    }
}

/// Limits that no test meets by accident.
pub fn limits() -> Limits {
    Limits {
        body_bytes: 1 << 20,
        upload_bytes: 4 << 20,
        patience: Duration::from_mins(1),
        long_patience: Duration::from_mins(2),
        rate_per_second: 10_000,
        streams: MostStreams {
            in_all: 100,
            of_token: 20,
        },
        heartbeat: Duration::from_secs(15),
        stall: Duration::from_secs(30),
    }
}

pub fn options() -> ServeOptions {
    ServeOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: None,
        limits: limits(),
        seal_interval: Duration::from_millis(50),
        log_interval: Duration::from_millis(100),
        grace: Duration::from_secs(10),
        webhooks: WebhookOptions {
            permitted: Permitted::Private,
            trusted: Vec::new(),
        },
        nats: None,
        login: None,
    }
}

/// Registers an office; a county has no parent.
pub async fn register(app: &App, code: &str, level: &str, parent: &str) {
    let values = [
        ("code", code),
        ("level", level),
        ("parent", parent),
        ("name_zh", "某单位"),
    ];
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let office = office_of(&values.into_iter().collect()).unwrap();
    app.record_office(office).await.unwrap();
}

/// A ledger with offices.
pub async fn make(folder: &Path, location: &Location) {
    let options = InitOptions {
        store: location.clone(),
        ..InitOptions::default()
    };
    let app = App::init(folder, &options).await.unwrap();
    for (code, level, parent) in [
        (COUNTY, "county", ""),
        (TOWNSHIP, "township", COUNTY),
        (VILLAGE, "village", TOWNSHIP),
        (NEIGHBOUR, "village", TOWNSHIP),
        (FOREIGN_COUNTY, "county", ""),
        (FOREIGN, "village", FOREIGN_COUNTY),
    ] {
        register(&app, code, level, parent).await;
    }
    app.close().await;
}

impl Running {
    pub async fn on_sqlite() -> Self {
        Self::on(Location::Folder, options()).await
    }

    pub async fn on_postgres() -> Self {
        Self::on(database::database().await.parse().unwrap(), options()).await
    }

    pub async fn on(location: Location, options: ServeOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        make(&folder.path().join("ledger"), &location).await;
        let mut running = Self {
            folder,
            location,
            address: options.listen,
            client: reqwest::Client::new(),
            scheme: "http",
            stop: None,
            served: None,
        };
        running.start(options).await;
        running
    }

    pub fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    pub async fn open(&self) -> App {
        App::open_at(&self.ledger(), &self.location).await.unwrap()
    }

    /// Starts to serve.
    pub async fn start(&mut self, options: ServeOptions) {
        if let Some(TlsFiles { .. }) = options.tls {
            self.scheme = "https";
            let root = std::fs::read(tls().join("ca.pem")).unwrap();
            let root = reqwest::Certificate::from_pem(&root).unwrap();
            let client = reqwest::Client::builder().add_root_certificate(root);
            self.client = client.build().unwrap();
        }
        let app = self.open().await;
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, address) = oneshot::channel();
        let served = tokio::spawn(serve(
            app,
            options,
            move |address| ready.send(address).unwrap(),
            async move {
                let _ = stopped.await;
            },
        ));
        self.address = address.await.unwrap();
        self.stop = Some(stop);
        self.served = Some(served);
    }

    /// Stops to serve, and asserts that everything is in order.
    pub async fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
        self.served.take().unwrap().await.unwrap().unwrap();
    }

    /// Stops, and checks the whole ledger.
    pub async fn stop_and_verify(&mut self) -> App {
        self.stop().await;
        let app = self.open().await;
        let report = app.verify(Scope::Everything, |_| ()).await.unwrap();
        assert_eq!(report.wrong, None);
        assert_eq!(report.unsealed, 0);
        app
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}{path}", self.scheme, self.address.port())
    }

    /// Removes every token, as the owner of the tables can who drops what protects them.
    pub async fn drop_tokens(&self) {
        match &self.location {
            Location::Folder => {
                let file = self.ledger().join("access.db");
                let options = SqliteConnectOptions::new().filename(file);
                let mut owner = SqliteConnection::connect_with(&options).await.unwrap();
                let all = "DROP TRIGGER api_token_is_kept_delete; DELETE FROM api_token;
                    CREATE TRIGGER api_token_is_kept_delete BEFORE DELETE ON api_token
                    BEGIN SELECT RAISE(ABORT, 'tokens are kept'); END";
                owner.execute(all).await.unwrap();
            }
            Location::Postgres(address) => {
                let mut owner = PgConnection::connect(address).await.unwrap();
                let all = "SET session_replication_role = replica;
                    DELETE FROM vitaledger_access.api_token";
                owner.execute(all).await.unwrap();
            }
        }
    }

    /// Puts a view in the place of the tokens that says of each that its secret is another, when it is
    /// asked for that, and what it is, when it is read (SQLite).
    pub async fn pretend_secret(&self, hash: &[u8; 32]) {
        let file = self.ledger().join("access.db");
        let options = SqliteConnectOptions::new().filename(file);
        let mut owner = SqliteConnection::connect_with(&options).await.unwrap();
        let view = format!(
            "ALTER TABLE api_token RENAME TO real_token;
             CREATE VIEW api_token AS SELECT id,
                CASE WHEN random() & 1 THEN hash ELSE x'{}' END AS hash,
                role, office, name, created_at, expires_at, revoked_at, mac FROM real_token",
            hex::encode(hash)
        );
        owner.execute(view.as_str()).await.unwrap();
    }

    /// A token, made beside the running server as the command does.
    pub async fn token(&self, role: TokenRole, office: &str) -> Client<'_> {
        let app = self.open().await;
        let made = made_token(&app, role, office).await;
        app.close().await;
        Client {
            running: self,
            secret: made.secret.to_string(),
            token: made.token.id,
        }
    }

    pub async fn registrar(&self) -> Client<'_> {
        self.token(TokenRole::Registrar, VILLAGE).await
    }

    pub async fn auditor(&self) -> Client<'_> {
        self.token(TokenRole::Auditor, COUNTY).await
    }

    /// Without a token.
    pub async fn get(&self, path: &str) -> Answer {
        send(self.client.get(self.url(path))).await
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.url(path))
    }
}

/// A token that works for long.
pub async fn made_token(app: &App, role: TokenRole, office: &str) -> MadeToken {
    let new = NewToken {
        role,
        office: OfficeCode::parse(office).unwrap(),
        expires_at: Timestamp::parse_moment("2999-12-31").unwrap(),
        name: None,
    };
    app.create_token(&new).await.unwrap()
}

/// The certificates of the tests.
pub fn tls() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls")
}

pub async fn send(request: reqwest::RequestBuilder) -> Answer {
    let answer = request.send().await.unwrap();
    Answer {
        status: answer.status(),
        headers: answer.headers().clone(),
        bytes: answer.bytes().await.unwrap().to_vec(),
    }
}

impl Client<'_> {
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.running.request(method, path);
        request.bearer_auth(&self.secret)
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        send(with_json(self.request(method, path), body)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, body).await
    }

    /// Records a birth of the village; gives its id.
    pub async fn birth(&self, number: &str) -> String {
        let receipt = self
            .post("/v1/records/birth", &birth(number))
            .await
            .expect(201);
        receipt["record_id"].as_str().unwrap().to_owned()
    }

    /// Asks until the answer is no longer that something is not sealed yet.
    pub async fn get_sealed(&self, path: &str) -> Answer {
        self.sealed(|| self.get(path)).await
    }

    pub async fn sealed(&self, ask: impl AsyncFn() -> Answer) -> Answer {
        let end = std::time::Instant::now() + PATIENCE;
        loop {
            let answer = ask().await;
            if answer.status != StatusCode::CONFLICT {
                return answer;
            }
            assert_eq!(answer.header("retry-after"), "1");
            assert!(
                std::time::Instant::now() < end,
                "{path}",
                path = "it is never sealed"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

pub fn with_json(request: reqwest::RequestBuilder, body: &Value) -> reqwest::RequestBuilder {
    let request = request.header("content-type", "application/json");
    request.body(body.to_string())
}

/// A birth of the village.
pub fn birth(number: &str) -> Value {
    birth_in(number, VILLAGE)
}

pub fn birth_in(number: &str, office: &str) -> Value {
    json!({
        "source_record_id": number, "source": "village", "office": office,
        "occurred_on": "2014-06-01", "reported_on": "2014-06-03", "sex": "F", "weight_g": 3100,
        "mother_name": "甲某某", "mother_id_no": "99010119880101122X",
    })
}
