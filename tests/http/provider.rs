//! An OpenID Connect provider that lies when it is told to; one that does not is in `login`.
//!
//! It checks what a good one checks of a client, PKCE and its secret among it, and signs with ES256.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{RawForm, RawQuery, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use vitaledger::model::time::Timestamp;

use crate::running::tls;

/// What it knows the server by.
pub const CLIENT: &str = "county ledger";
pub const SECRET: &str = "a secret: with/signs+of=URLs";

/// What is wrong with an ID token, or with what comes in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    None,
    OtherNonce,
    NoNonce,
    OtherKey,
    Unsigned,
    SignedWithTheSecret,
    OtherAudience,
    OneAudienceMore,
    OtherIssuer,
    Expired,
    OtherAccessToken,
    OtherPresenter,
    NoIdToken,
    NoJson,
    Elsewhere,
    TooLong,
    Broken,
}

fn new_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let bytes = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let bytes = bytes.as_ref();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes, &random).unwrap()
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

struct Kept {
    issuer: String,
    key: EcdsaKeyPair,
    key_name: String,
    lie: Lie,
    claims: Value,
    /// The nonce and the challenge of each code that was not taken yet.
    codes: HashMap<String, (String, String)>,
    codes_made: usize,
    keys_fetched: usize,
}

type Shared = State<Arc<Mutex<Kept>>>;

fn pairs(text: &[u8]) -> HashMap<String, String> {
    form_urlencoded::parse(text).into_owned().collect()
}

async fn metadata(State(kept): Shared) -> Response {
    let issuer = kept.lock().unwrap().issuer.clone();
    let text = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
    });
    as_json(&text)
}

fn as_json(value: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

async fn keys(State(kept): Shared) -> Response {
    let mut kept = kept.lock().unwrap();
    kept.keys_fetched += 1;
    let point = kept.key.public_key().as_ref()[1..].to_vec();
    let (x, y) = point.split_at(32);
    let key = json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
        "kid": kept.key_name, "x": encoded(x), "y": encoded(y),
    });
    as_json(&json!({ "keys": [key] }))
}

/// Whoever comes is known; they are sent back at once.
async fn authorize(State(kept): Shared, RawQuery(query): RawQuery) -> Response {
    let asked = pairs(query.unwrap().as_bytes());
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(asked[name], value, "{name}");
    }
    assert!(asked["scope"].split(' ').any(|scope| scope == "openid"));
    let mut kept = kept.lock().unwrap();
    kept.codes_made += 1;
    let code = format!("code-{}", kept.codes_made);
    let kept_of_it = (asked["nonce"].clone(), asked["code_challenge"].clone());
    kept.codes.insert(code.clone(), kept_of_it);
    let mut back = reqwest::Url::parse(&asked["redirect_uri"]).unwrap();
    back.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", &asked["state"])
        .append_pair("iss", &kept.issuer)
        .append_pair("session_state", "of no concern");
    (StatusCode::FOUND, [(LOCATION, back.to_string())]).into_response()
}

impl Kept {
    fn signed(&self, header: &Value, claims: &Value) -> String {
        let text = format!(
            "{}.{}",
            encoded(header.to_string()),
            encoded(claims.to_string())
        );
        let signature = match self.lie {
            Lie::Unsigned => Vec::new(),
            Lie::SignedWithTheSecret => {
                let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
                mac.update(text.as_bytes());
                mac.finalize().into_bytes().to_vec()
            }
            lie => {
                let other = (lie == Lie::OtherKey).then(new_key);
                let key = other.as_ref().unwrap_or(&self.key);
                let signature = key.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
                signature.as_ref().to_vec()
            }
        };
        format!("{text}.{}", encoded(signature))
    }

    fn id_token(&self, nonce: &str, access_token: &str) -> String {
        let now = Timestamp::now().micros() / 1_000_000;
        let half = |text: &str| encoded(&Sha256::digest(text)[..16]);
        let mut claims = self.claims.clone();
        for (name, value) in [
            ("iss", json!(self.issuer)),
            ("aud", json!(CLIENT)),
            ("iat", json!(now)),
            ("exp", json!(now + 300)),
            ("nonce", json!(nonce)),
            ("at_hash", json!(half(access_token))),
            ("azp", json!(CLIENT)),
        ] {
            claims[name] = value;
        }
        let algorithm = match self.lie {
            Lie::Unsigned => "none",
            Lie::SignedWithTheSecret => "HS256",
            _ => "ES256",
        };
        match self.lie {
            Lie::OtherNonce => claims["nonce"] = "other".into(),
            Lie::NoNonce => drop(claims.as_object_mut().unwrap().remove("nonce")),
            Lie::OtherAudience => claims["aud"] = "other".into(),
            Lie::OneAudienceMore => claims["aud"] = json!([CLIENT, "other"]),
            Lie::OtherIssuer => claims["iss"] = "http://127.0.0.1:1".into(),
            Lie::Expired => claims["exp"] = (now - 1).into(),
            Lie::OtherAccessToken => claims["at_hash"] = half("other").into(),
            Lie::OtherPresenter => claims["azp"] = "other".into(),
            _ => {}
        }
        let header = json!({ "alg": algorithm, "kid": self.key_name, "typ": "JWT" });
        self.signed(&header, &claims)
    }
}

fn error(word: &str) -> Response {
    let answer = as_json(&json!({ "error": word }));
    (StatusCode::BAD_REQUEST, answer).into_response()
}

async fn token(State(kept): Shared, headers: HeaderMap, RawForm(form): RawForm) -> Response {
    let asked = pairs(&form);
    let mut kept = kept.lock().unwrap();
    // RFC 6749, 2.3.1: both are encoded as in a form before.
    let quoted = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let expected = BASE64_STANDARD.encode(format!("{}:{}", quoted(CLIENT), quoted(SECRET)));
    let by = headers
        .get(AUTHORIZATION)
        .map(|value| value.to_str().unwrap());
    if by != Some(format!("Basic {expected}").as_str()) {
        return error("invalid_client");
    }
    let Some((nonce, challenge)) = kept.codes.remove(&asked["code"]) else {
        return error("invalid_grant");
    };
    if asked["grant_type"] != "authorization_code"
        || encoded(Sha256::digest(&asked["code_verifier"])) != challenge
    {
        return error("invalid_grant");
    }
    let access_token = "an access token";
    let mut answer =
        json!({ "access_token": access_token, "token_type": "Bearer", "expires_in": 60 });
    match kept.lie {
        Lie::NoIdToken => {}
        Lie::NoJson => return "<html>".into_response(),
        Lie::Elsewhere => {
            let to = format!("{}/elsewhere", kept.issuer);
            return (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, to)]).into_response();
        }
        Lie::TooLong => return as_json(&json!({ "x": "x".repeat(2 << 20) })),
        Lie::Broken => return StatusCode::BAD_GATEWAY.into_response(),
        _ => answer["id_token"] = kept.id_token(&nonce, access_token).into(),
    }
    as_json(&answer)
}

/// A provider.
pub struct Provider {
    kept: Arc<Mutex<Kept>>,
    tasks: Vec<JoinHandle<()>>,
}

async fn bound() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Takes TLS off what comes.
async fn take_tls_off(listener: TcpListener, to: SocketAddr) {
    let chain = CertificateDer::pem_file_iter(tls().join("server.pem")).unwrap();
    let chain = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(tls().join("server.key")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(chain, key).unwrap()));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // Whoever does not trust the certificate goes away.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let mut inner = TcpStream::connect(to).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut inner).await;
        });
    }
}

impl Provider {
    /// In clear.
    pub async fn start() -> Self {
        let (listener, address) = bound().await;
        Self::serving(listener, format!("http://{address}"), Vec::new())
    }

    /// Over TLS, with the certificate of the tests.
    pub async fn over_tls() -> Self {
        let (listener, inner) = bound().await;
        let (outer, address) = bound().await;
        let task = tokio::spawn(take_tls_off(outer, inner));
        let issuer = format!("https://localhost:{}", address.port());
        Self::serving(listener, issuer, vec![task])
    }

    fn serving(listener: TcpListener, issuer: String, mut tasks: Vec<JoinHandle<()>>) -> Self {
        let kept = Arc::new(Mutex::new(Kept {
            issuer,
            key: new_key(),
            key_name: "first".to_owned(),
            lie: Lie::None,
            claims: json!({ "sub": "5f83e0ca" }),
            codes: HashMap::new(),
            codes_made: 0,
            keys_fetched: 0,
        }));
        // Whoever follows a redirect is told something else than whoever does not.
        let elsewhere = || async { StatusCode::BAD_GATEWAY };
        let router: Router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/elsewhere", post(elsewhere))
            .with_state(kept.clone());
        let serve = async move { axum::serve(listener, router).await.unwrap() };
        tasks.push(tokio::spawn(serve));
        Self { kept, tasks }
    }

    pub fn issuer(&self) -> String {
        self.kept.lock().unwrap().issuer.clone()
    }

    /// What it says of whoever logs in from now on.
    pub fn say(&self, claims: &Value) {
        self.kept.lock().unwrap().claims = claims.clone();
    }

    pub fn lie(&self, lie: Lie) {
        self.kept.lock().unwrap().lie = lie;
    }

    /// Replaces its key; the one before is not published any more.
    pub fn replace_key(&self, name: &str) {
        let mut kept = self.kept.lock().unwrap();
        kept.key = new_key();
        name.clone_into(&mut kept.key_name);
    }

    /// How often its keys were fetched.
    pub fn keys_fetched(&self) -> usize {
        self.kept.lock().unwrap().keys_fetched
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
