//! How people log in: where, as whom this server is known there, and what its claims are called.
//!
//! What comes in: what was asked of `serve`. What goes out: the same, checked. What may fail: an
//! address that would send secrets in clear ([`OptionError`]). What must stay true: everything goes over
//! TLS, but to this machine itself.

use std::fmt;
use std::time::Duration;

use reqwest::{Certificate, Url};
use zeroize::Zeroizing;

/// What a build without the feature says.
pub const NOT_BUILT: &str = "this build cannot log people in: build it with --features oidc";
/// For how long a login may be under way; its cookie says so, too.
pub const UNDER_WAY: Duration = Duration::from_mins(10);
/// Where providers send people back to, below the address of the server.
const CALLBACK: &str = "/v1/login/callback";

/// What a provider knows this server by, beside its name.
#[derive(Clone)]
pub struct ClientPassword(pub Zeroizing<String>);

impl fmt::Debug for ClientPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientPassword")
    }
}

/// How people log in.
#[derive(Debug, Clone)]
pub struct LoginOptions {
    /// The provider, as its metadata name it (OpenID Connect Discovery 1.0, section 3).
    pub issuer: String,
    /// What this server is called there (`client_id`).
    pub client: String,
    /// The secret that goes with that; a public client has none.
    pub password: Option<ClientPassword>,
    /// Where the provider sends people back to: `/v1/login/callback` of this server, as they reach it.
    pub redirect: String,
    /// The claim that holds the role.
    pub role_claim: String,
    /// The claim that holds the code of the office.
    pub office_claim: String,
    /// For how long a token works.
    pub lifetime: Duration,
    /// For how long a login may be under way.
    pub under_way: Duration,
    /// Certificates of authorities beside the well-known ones.
    pub trusted: Vec<Certificate>,
}

/// Why nobody could log in like that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// The provider.
    #[error(
        "the issuer is no address of a provider: write https://..., without a query; http only on this machine"
    )]
    Issuer,
    /// The way back.
    #[error(
        "the address to come back to must be https://.../v1/login/callback, without a query; http only on this machine"
    )]
    Redirect,
    /// Our name there.
    #[error("the provider must know this server by a name")]
    Client,
    /// A claim without a name.
    #[error("the claims of the role and of the office are two, and have names")]
    Claims,
}

/// An address to which secrets may go: over TLS, or to this machine; without what a query, a fragment
/// or a user would add.
fn address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?;
    let is_here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    let is_plain = url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_here);
    (is_plain && is_safe).then_some(url)
}

impl LoginOptions {
    /// Whether people can log in like that.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn check(&self) -> Result<(), OptionError> {
        address(&self.issuer).ok_or(OptionError::Issuer)?;
        self.cookie_path()?;
        if self.client.is_empty() {
            return Err(OptionError::Client);
        }
        let (role, office) = (&self.role_claim, &self.office_claim);
        if role.is_empty() || office.is_empty() || role == office {
            return Err(OptionError::Claims);
        }
        Ok(())
    }

    /// The path for which browsers keep the cookie: that of the login, as they reach it; and whether
    /// they may send it in clear.
    ///
    /// # Errors
    /// When nothing comes back there.
    pub fn cookie_path(&self) -> Result<(String, bool), OptionError> {
        let url = address(&self.redirect).ok_or(OptionError::Redirect)?;
        let path = url.path();
        let before = path.strip_suffix(CALLBACK).ok_or(OptionError::Redirect)?;
        // What would end the attribute of a cookie.
        if before.contains([';', ',']) {
            return Err(OptionError::Redirect);
        }
        Ok((format!("{before}/v1/login"), url.scheme() == "http"))
    }

    /// Whether the provider is asked over TLS, and nothing that it names is asked otherwise.
    #[must_use]
    pub fn is_over_tls(&self) -> bool {
        self.issuer.starts_with("https://")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(issuer: &str, redirect: &str) -> LoginOptions {
        LoginOptions {
            issuer: issuer.to_owned(),
            client: "vitaledger".to_owned(),
            password: None,
            redirect: redirect.to_owned(),
            role_claim: "role".to_owned(),
            office_claim: "office".to_owned(),
            lifetime: Duration::from_hours(8),
            under_way: UNDER_WAY,
            trusted: Vec::new(),
        }
    }

    #[test]
    fn secrets_go_over_tls_or_nowhere_else() {
        let back = "https://ledger.example/v1/login/callback";
        for issuer in [
            "https://id.example",
            "https://id.example/realms/county",
            "http://127.0.0.1:9400",
            "http://localhost:9400",
            "http://[::1]:9400",
        ] {
            assert_eq!(options(issuer, back).check(), Ok(()), "{issuer}");
        }
        for issuer in [
            "",
            "id.example",
            "http://id.example",
            "http://127.0.0.1.example",
            "https://id.example?x=1",
            "https://id.example#x",
            "https://a:b@id.example",
            "file:///etc/passwd",
        ] {
            let refused = options(issuer, back).check();
            assert_eq!(refused, Err(OptionError::Issuer), "{issuer}");
        }
    }

    #[test]
    fn the_cookie_is_for_where_people_come_back() {
        let path = |redirect| options("https://id.example", redirect).cookie_path();
        for (redirect, expected) in [
            (
                "https://ledger.example/v1/login/callback",
                ("/v1/login", false),
            ),
            (
                "https://ledger.example/a/v1/login/callback",
                ("/a/v1/login", false),
            ),
            (
                "http://127.0.0.1:8080/v1/login/callback",
                ("/v1/login", true),
            ),
        ] {
            let (path, in_clear) = path(redirect).unwrap();
            assert_eq!((path.as_str(), in_clear), expected);
        }
        for redirect in [
            "https://ledger.example/",
            "https://ledger.example/v1/login",
            "https://ledger.example/v1/login/callback/",
            "https://ledger.example/a;b/v1/login/callback",
            "http://ledger.example/v1/login/callback",
        ] {
            assert_eq!(path(redirect), Err(OptionError::Redirect), "{redirect}");
        }
    }

    #[test]
    fn two_claims_have_names_and_so_has_the_client() {
        let good = options("https://id.example", "https://a.example/v1/login/callback");
        let without = |change: fn(&mut LoginOptions)| {
            let mut other = good.clone();
            change(&mut other);
            other.check()
        };
        assert_eq!(without(|o| o.client.clear()), Err(OptionError::Client));
        assert_eq!(without(|o| o.role_claim.clear()), Err(OptionError::Claims));
        let same: fn(&mut LoginOptions) = |o| o.office_claim.clone_from(&o.role_claim);
        assert_eq!(without(same), Err(OptionError::Claims));
    }

    #[test]
    fn a_password_is_not_printed() {
        let mut options = options("https://id.example", "https://a.example/v1/login/callback");
        options.password = Some(ClientPassword(Zeroizing::new("hunter2".to_owned())));
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
