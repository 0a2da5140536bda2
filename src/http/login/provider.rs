//! The provider: what it is, what it is asked, and how its answer is verified.
//!
//! What comes in: its address; a code that it gave. What goes out: where to send somebody who logs in,
//! and who they are. What may fail: a provider that is away, a code that it does not take, an ID token
//! that somebody else signed or that is of another login. What must stay true: only asymmetric
//! signatures count, by keys that the provider publishes under its address; no redirect is followed and
//! no proxy asked; what the provider sends is in no log, and neither is a secret.
//!
//! Its metadata and keys are kept for [`KEPT`]. Keys may be replaced at any time (OpenID Connect Core
//! 1.0, 10.1.1), so an unknown key has them fetched anew, at most once in [`ANEW`].

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClientAuthMethod,
    CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AsyncHttpClient, AuthType, AuthorizationCode,
    ClaimsVerificationError, Client, ClientId, ClientSecret, CsrfToken, DiscoveryError,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, IdTokenFields, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError,
    StandardErrorResponse, StandardTokenResponse, TokenResponse,
};
use reqwest::{Url, redirect};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::begun::Begun;
use super::claims::Person;
use super::options::{LoginOptions, OptionError};
use super::{away, refused};
use crate::app::AppError;
use crate::http::problem::Problem;
use crate::model::time::Timestamp;

/// For how long what is known of a provider is kept.
const KEPT: Duration = Duration::from_hours(1);
/// How often its keys are fetched anew because one is unknown.
const ANEW: Duration = Duration::from_mins(1);
/// For how long a provider is left alone that was away.
const PAUSE: Duration = Duration::from_secs(5);
/// Longest time until a connection stands, and of a whole request.
const CONNECT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(10);
/// Most of an answer; metadata, keys and tokens have some kilobytes each.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// What signs ID tokens. Not `none`, nor what is made with the client's own secret.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Claims that are not of the standard.
#[derive(Serialize, Deserialize)]
struct Others {
    #[serde(flatten)]
    all: Map<String, Value>,
}

impl AdditionalClaims for Others {}

impl std::fmt::Debug for Others {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Others")
    }
}

/// What the provider answers to a code.
type Answer = StandardTokenResponse<
    IdTokenFields<
        Others,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;
/// This server, as the provider knows it, with what it knows of the provider.
type Party = Client<
    Others,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Answer,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why a request has no answer; for the log.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{0}")]
struct NotFetched(&'static str);

impl From<reqwest::Error> for NotFetched {
    fn from(error: reqwest::Error) -> Self {
        Self(if error.is_timeout() {
            "it does not answer in time"
        } else if error.is_connect() {
            "it cannot be reached"
        } else {
            "the connection broke off, or is not permitted"
        })
    }
}

/// Sends what the library asks.
struct Http(reqwest::Client);

impl AsyncHttpClient<'_> for Http {
    type Error = NotFetched;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, NotFetched>> + Send>>;

    fn call(&self, request: HttpRequest) -> Self::Future {
        Box::pin(fetched(self.0.clone(), request))
    }
}

async fn fetched(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, NotFetched> {
    let mut answer = http.execute(request.try_into()?).await?;
    if answer.status().is_server_error() {
        return Err(NotFetched("it has an error of its own"));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(NotFetched("its answer is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = HttpResponse::new(body);
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}

/// Why an ID token does not count; for the log.
enum NotVerified {
    /// Its key is not among those that are known.
    Key,
    /// Something else, for good.
    Other(&'static str),
}

/// What is known of the provider.
#[derive(Default)]
struct Known {
    party: Option<(Arc<Party>, Instant)>,
    failed: Option<Instant>,
    anew: Option<Instant>,
}

/// The provider.
pub struct Provider {
    http: Http,
    issuer: IssuerUrl,
    is_over_tls: bool,
    client: ClientId,
    password: Option<ClientSecret>,
    redirect: RedirectUrl,
    known: Mutex<Known>,
}

/// A login to be begun.
pub struct Asked {
    /// Where.
    pub to: Url,
    /// What is needed to end it.
    pub begun: Begun,
}

impl Provider {
    /// A provider; nothing is asked of it yet.
    ///
    /// # Errors
    /// When its address cannot be used, or the TLS library cannot be set up.
    pub fn new(options: &LoginOptions) -> Result<Self, AppError> {
        let usage = |error: OptionError| AppError::Usage(error.to_string());
        let issuer = IssuerUrl::new(options.issuer.clone());
        let redirect = RedirectUrl::new(options.redirect.clone());
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("vitaledger/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            .https_only(options.is_over_tls());
        for certificate in &options.trusted {
            builder = builder.add_root_certificate(certificate.clone());
        }
        let http = builder.build();
        let password = options.password.as_ref();
        Ok(Self {
            http: http
                .map(Http)
                .map_err(|error| AppError::Usage(format!("the HTTP client of logins: {error}")))?,
            issuer: issuer.map_err(|_| usage(OptionError::Issuer))?,
            is_over_tls: options.is_over_tls(),
            client: ClientId::new(options.client.clone()),
            password: password.map(|password| ClientSecret::new(password.0.to_string())),
            redirect: redirect.map_err(|_| usage(OptionError::Redirect))?,
            known: Mutex::default(),
        })
    }

    /// This server as the provider described itself (OpenID Connect Discovery 1.0, section 4).
    async fn discover(&self) -> Result<Party, &'static str> {
        let found = CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http).await;
        let metadata = found.map_err(|error| match error {
            DiscoveryError::Request(NotFetched(reason)) => reason,
            DiscoveryError::Validation(_) => "it says that it is another issuer",
            DiscoveryError::Parse(_) => "what it says of itself does not read",
            _ => "it says nothing of itself",
        })?;
        let login = metadata.authorization_endpoint().url();
        if self.is_over_tls && login.scheme() != "https" {
            return Err("people would log in without TLS");
        }
        if metadata.token_endpoint().is_none() {
            return Err("it takes no codes");
        }
        let methods = metadata.token_endpoint_auth_methods_supported();
        let takes = |method| methods.is_none_or(|all| all.contains(&method));
        // Without a word, the first is what a provider knows (OpenID Connect Core 1.0, section 9).
        let is_basic = takes(CoreClientAuthMethod::ClientSecretBasic)
            || !takes(CoreClientAuthMethod::ClientSecretPost);
        let by = if is_basic {
            AuthType::BasicAuth
        } else {
            AuthType::RequestBody
        };
        let password = self.password.clone();
        let party = Party::from_provider_metadata(metadata, self.client.clone(), password);
        let party = party.set_redirect_uri(self.redirect.clone());
        Ok(party.set_auth_type(by))
    }

    async fn discovered(&self, known: &mut Known) -> Result<Arc<Party>, Problem> {
        match self.discover().await {
            Ok(party) => {
                let party = Arc::new(party);
                known.party = Some((party.clone(), Instant::now()));
                known.failed = None;
                Ok(party)
            }
            Err(reason) => {
                tracing::warn!(reason, "the identity provider cannot be asked");
                known.failed = Some(Instant::now());
                Err(away())
            }
        }
    }

    /// What is known, fetched when nothing is. Whoever comes meanwhile waits, and has it, too.
    async fn party(&self) -> Result<Arc<Party>, Problem> {
        let mut known = self.known.lock().await;
        if let Some((party, at)) = &known.party
            && at.elapsed() < KEPT
        {
            return Ok(party.clone());
        }
        if known.failed.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(away());
        }
        self.discovered(&mut known).await
    }

    /// The same with other keys than these, if there may be any.
    async fn party_anew(&self, old: &Arc<Party>) -> Result<Option<Arc<Party>>, Problem> {
        let mut known = self.known.lock().await;
        if let Some((party, _)) = &known.party
            && !Arc::ptr_eq(party, old)
        {
            return Ok(Some(party.clone()));
        }
        if known.anew.is_some_and(|at| at.elapsed() < ANEW) {
            return Ok(None);
        }
        known.anew = Some(Instant::now());
        self.discovered(&mut known).await.map(Some)
    }

    /// Where somebody logs in, and what only they may bring back; it may be ended until a moment.
    ///
    /// # Errors
    /// When the provider is away.
    pub async fn ask(&self, until: i64) -> Result<Asked, Problem> {
        let party = self.party().await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let (to, state, nonce) = party
            .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
            .add_scope(Scope::new("profile".to_owned()))
            .set_pkce_challenge(challenge)
            .url();
        let begun = Begun {
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
            until,
        };
        Ok(Asked { to, begun })
    }

    /// Who logged in, by the code that they brought back.
    ///
    /// # Errors
    /// When the provider is away, does not take the code, or cannot be believed.
    pub async fn person(&self, code: String, begun: &Begun) -> Result<Person, Problem> {
        let party = self.party().await?;
        let request = party.exchange_code(AuthorizationCode::new(code));
        let request = request.map_err(|_| away())?;
        let proof = PkceCodeVerifier::new(begun.verifier.clone());
        let answer = request.set_pkce_verifier(proof);
        let answer = answer.request_async(&self.http).await.map_err(not_taken)?;
        let nonce = Nonce::new(begun.nonce.clone());
        let mut verified = self.verified(&party, &answer, &nonce);
        if let Err(NotVerified::Key) = verified
            && let Some(party) = self.party_anew(&party).await?
        {
            verified = self.verified(&party, &answer, &nonce);
        }
        verified.map_err(|why| {
            let reason = match why {
                NotVerified::Key => "no key that the provider publishes has signed it",
                NotVerified::Other(reason) => reason,
            };
            tracing::error!(reason, "an ID token does not count");
            refused(
                "what the identity provider says of you cannot be verified: log in again; if that does not help, whoever runs the server finds the reason in its log",
                "无法验证身份提供方的答复：请重新登录；如仍不行，请运维人员查看服务器日志",
            )
        })
    }

    /// Verifies an ID token (OpenID Connect Core 1.0, 3.1.3.7 and 3.1.3.8).
    fn verified(
        &self,
        party: &Party,
        answer: &Answer,
        nonce: &Nonce,
    ) -> Result<Person, NotVerified> {
        let token = answer.id_token();
        let token = token.ok_or(NotVerified::Other("there is none"))?;
        let verifier = party.id_token_verifier();
        let verifier = verifier.set_allowed_algs(ALGORITHMS).set_time_fn(now);
        let claims = token.claims(&verifier, nonce).map_err(|error| {
            use SignatureVerificationError::{
                CryptoError, DisallowedAlg, NoMatchingKey, NoSignature,
            };
            NotVerified::Other(match error {
                // A key may have been replaced under its old name, or have none.
                ClaimsVerificationError::SignatureVerification(NoMatchingKey | CryptoError(_)) => {
                    return NotVerified::Key;
                }
                ClaimsVerificationError::SignatureVerification(NoSignature | DisallowedAlg(_)) => {
                    "it is not signed with an asymmetric key"
                }
                ClaimsVerificationError::SignatureVerification(_) => "its signature is not good",
                ClaimsVerificationError::Expired(_) => "it has expired",
                ClaimsVerificationError::InvalidAudience(_) => "it is for another client",
                ClaimsVerificationError::InvalidIssuer(_) => "it is of another issuer",
                ClaimsVerificationError::InvalidNonce(_) => "its nonce is of another login",
                _ => "it does not read",
            })
        })?;
        if let Some(expected) = claims.access_token_hash() {
            let known = "the algorithm of at_hash is not known";
            let algorithm = token.signing_alg().map_err(|_| NotVerified::Other(known))?;
            let key = token.signing_key(&verifier);
            let key = key.map_err(|_| NotVerified::Key)?;
            let actual = AccessTokenHash::from_token(answer.access_token(), algorithm, key);
            if actual.map_err(|_| NotVerified::Other(known))? != *expected {
                return Err(NotVerified::Other("at_hash is of another access token"));
            }
        }
        let presenter = claims.authorized_party();
        if presenter.is_some_and(|presenter| *presenter != self.client) {
            return Err(NotVerified::Other("another client is to present it"));
        }
        let username = claims.preferred_username();
        Ok(Person {
            subject: claims.subject().as_str().to_owned(),
            username: username.map(|username| username.as_str().to_owned()),
            others: claims.additional_claims().all.clone(),
        })
    }
}

/// The clock of the ledger, as the library wants it. Later than any token when it cannot be said.
fn now() -> DateTime<Utc> {
    let now = DateTime::from_timestamp_micros(Timestamp::now().micros());
    now.unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Why a code has no answer. The words of RFC 6749, 5.2, are for the log; what a provider adds is not.
fn not_taken(
    error: RequestTokenError<NotFetched, StandardErrorResponse<CoreErrorResponseType>>,
) -> Problem {
    use openidconnect::core::CoreErrorResponseType as Word;
    let (reason, is_ours) = match error {
        RequestTokenError::Request(NotFetched(reason)) => {
            tracing::warn!(reason, "the identity provider cannot be asked");
            return away();
        }
        RequestTokenError::ServerResponse(response) => match response.error() {
            Word::InvalidGrant => ("invalid_grant", false),
            Word::InvalidClient => ("invalid_client", true),
            Word::UnauthorizedClient => ("unauthorized_client", true),
            Word::InvalidRequest => ("invalid_request", true),
            _ => ("another error", true),
        },
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            ("no answer that reads", true)
        }
    };
    if is_ours {
        tracing::error!(
            reason,
            "the identity provider does not take codes from here"
        );
        return refused(
            "the identity provider does not take codes from this server; whoever runs it finds the reason in its log",
            "身份提供方不接受本服务器的授权码，请运维人员查看服务器日志",
        );
    }
    refused(
        "the identity provider does not take this code, which works once and for minutes: log in again",
        "身份提供方不接受该授权码（只能使用一次且很快失效），请重新登录",
    )
}
