//! People log in at the OpenID Connect provider of their county, and get a token of a few hours.
//!
//! What comes in: whoever begins a login, and the answer of the provider that their browser brings
//! back. What goes out: the address of the provider with a sealed cookie, then a token like any other,
//! so that everything that holds for tokens holds for it. What may fail: the provider is away, says no,
//! or says who somebody is but nothing of what they may. What must stay true: a login ends in the
//! browser in which it began and within minutes; a server keeps nothing of it in between, so that any
//! node ends what another one began; of what the provider says nothing is taken but the role, the office
//! and a name, and nothing of that is in a log.
//!
//! ```text
//! GET /v1/login            303 to the provider, with state, nonce and the challenge of PKCE (S256);
//!                          the cookie holds state, nonce and verifier, sealed
//! GET /v1/login/callback   state = that of the cookie -> the code and the verifier go to the provider
//!                          -> ID token: signature, issuer, audience, expiry, nonce, at_hash
//!                          -> claims: role and office -> a token
//! ```
//!
//! Sources: OpenID Connect Core 1.0, section 3.1 (the authorization code flow) and 3.1.3.7 (what of an
//! ID token is checked); RFC 6749, section 4.1; RFC 7636 (PKCE); RFC 9207 (`iss` in the answer).
//!
//! Only a build with the feature `oidc` knows how; another one says so when it is told of a provider.

#[cfg(not(feature = "oidc"))]
mod absent;
#[cfg(feature = "oidc")]
mod begun;
#[cfg(feature = "oidc")]
mod claims;
#[cfg(feature = "oidc")]
mod flow;
pub mod options;
#[cfg(feature = "oidc")]
mod provider;

#[cfg(not(feature = "oidc"))]
pub use absent::Login;
#[cfg(feature = "oidc")]
pub use flow::Login;

use axum::http::HeaderValue;

use super::problem::Problem;
#[cfg(feature = "oidc")]
use super::problem::{Kind, Said};

/// Where the login of a person goes on.
pub struct Going {
    /// At the provider (`Location`).
    pub to: HeaderValue,
    /// What their browser keeps meanwhile (`Set-Cookie`).
    pub cookie: HeaderValue,
}

/// What a provider answers by way of the browser (OpenID Connect Core 1.0, 3.1.2.5 and 3.1.2.6).
#[derive(Default)]
pub struct ProviderAnswer {
    /// A code for a token of the provider.
    pub code: Option<String>,
    /// What it was given when the login began.
    pub state: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
    /// Who answers (RFC 9207).
    pub issuer: Option<String>,
}

/// No provider is set up.
#[must_use]
pub fn not_set_up() -> Problem {
    Problem::not_found(
        "nobody logs in here: no identity provider is set up; whoever runs the server makes tokens",
        "此处未配置身份提供方，不能登录；请向运维人员索取令牌",
    )
}

/// A provider that cannot be asked.
#[cfg(feature = "oidc")]
fn away() -> Problem {
    let said = Said::new(
        "the identity provider cannot be asked now; log in again in a moment",
        "身份提供方暂时无法访问，请稍后重新登录",
    );
    let mut problem = Problem::new(Kind::ProviderAway, said);
    problem.retry_after = Some(5);
    problem
}

/// A login that does not end in a token.
#[cfg(feature = "oidc")]
fn refused(en: impl Into<String>, zh: impl Into<String>) -> Problem {
    Problem::new(Kind::LoginRefused, Said::new(en, zh))
}
