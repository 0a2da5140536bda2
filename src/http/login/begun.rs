//! A login that is under way: what the browser keeps of it in a cookie.
//!
//! What comes in: state, nonce and verifier, random each. What goes out: a cookie, and from it the
//! same. What may fail: a cookie of another ledger or provider, one that was changed, one that is too
//! old: there is no telling which, and it is as if there were none. What must stay true: the browser
//! carries the verifier and cannot read it; the key is derived from the ledger's, so that every node
//! opens what any has sealed.
//!
//! ```text
//! cookie = base64url(nonce, XChaCha20-Poly1305(key, nonce, aad = issuer, client, redirect; JSON))
//! key    = HMAC-SHA256(HKDF(ledger.key, "login"), "cookie")
//! nonce  = 24 random bytes
//! ```

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rand_core::{OsRng, RngCore};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::options::{LoginOptions, OptionError};
use crate::ledger::cipher::EventCipher;
use crate::ledger::keys::Prf;
use crate::model::time::Timestamp;

/// The bytes of the nonce: what goes into the subkey, and the rest.
const START_BYTES: usize = 16;
const NONCE_BYTES: usize = START_BYTES + 8;

/// A login that is under way.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// Ties the answer to this browser (RFC 6749, 10.12).
    pub state: String,
    /// Ties the ID token to this login (OpenID Connect Core 1.0, 3.1.2.1).
    pub nonce: String,
    /// Proves that the code is ours (RFC 7636, 4.1).
    pub verifier: String,
    /// Microseconds since 1970, until when it may end.
    pub until: i64,
}

impl Begun {
    /// Whether the provider answers to this one. Hashes are compared, which take the same time whatever
    /// is equal in the texts.
    #[must_use]
    pub fn is_of(&self, state: &str) -> bool {
        Sha256::digest(&self.state) == Sha256::digest(state)
    }
}

/// Makes cookies and reads them.
pub struct Cookies {
    name: &'static str,
    attributes: String,
    /// What a cookie is for: none is opened for anything else.
    of: Vec<u8>,
}

impl Cookies {
    /// For a provider, and where people come back from it.
    ///
    /// # Errors
    /// When nothing comes back there.
    pub fn new(options: &LoginOptions) -> Result<Self, OptionError> {
        let (path, in_clear) = options.cookie_path()?;
        // Browsers take a cookie of such a name over TLS only (RFC 6265bis, 4.1.3.1).
        let (name, secure) = if in_clear {
            ("vitaledger_login", "")
        } else {
            ("__Secure-vitaledger_login", "; Secure")
        };
        let parts = [&options.issuer, &options.client, &options.redirect];
        Ok(Self {
            name,
            attributes: format!("; Path={path}; HttpOnly; SameSite=Lax{secure}"),
            of: parts.map(String::as_str).join("\n").into_bytes(),
        })
    }

    fn cipher(secrets: &Prf, start: &[u8; START_BYTES]) -> EventCipher {
        let key = Zeroizing::new(secrets.of(&[b"cookie"]));
        EventCipher::new(&key, start)
    }

    fn header(&self, value: &str, max_age: u64) -> Option<HeaderValue> {
        let (name, attributes) = (self.name, &self.attributes);
        let text = format!("{name}={value}{attributes}; Max-Age={max_age}");
        let mut header = HeaderValue::from_str(&text).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    /// The cookie of a login (`Set-Cookie`), which browsers forget after `max_age` seconds; nothing when
    /// it cannot be written, which is never.
    #[must_use]
    pub fn seal(&self, secrets: &Prf, begun: &Begun, max_age: u64) -> Option<HeaderValue> {
        let mut bytes = [0; NONCE_BYTES];
        OsRng.fill_bytes(&mut bytes);
        let (start, end) = bytes.split_first_chunk::<START_BYTES>()?;
        let text = Zeroizing::new(serde_json::to_string(begun).ok()?);
        let cipher = Self::cipher(secrets, start);
        let mut sealed = bytes.to_vec();
        cipher.seal_onto(*end.first_chunk()?, &self.of, text.as_bytes(), &mut sealed);
        self.header(&BASE64_URL_SAFE_NO_PAD.encode(sealed), max_age)
    }

    /// Lets browsers forget it.
    #[must_use]
    pub fn forget(&self) -> Option<HeaderValue> {
        self.header("", 0)
    }

    fn open(&self, secrets: &Prf, value: &str) -> Option<Begun> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(value).ok()?;
        let (start, rest) = bytes.split_first_chunk::<START_BYTES>()?;
        let (end, sealed) = rest.split_first_chunk()?;
        let opened = Self::cipher(secrets, start).open(*end, &self.of, sealed)?;
        serde_json::from_slice(&opened).ok()
    }

    /// The login to which the provider answers with a state; nothing when none of this browser is under
    /// way any more.
    #[must_use]
    pub fn find(
        &self,
        secrets: &Prf,
        headers: &HeaderMap,
        state: &str,
        now: Timestamp,
    ) -> Option<Begun> {
        let all = headers.get_all(COOKIE).into_iter();
        all.filter_map(|header| header.to_str().ok())
            .flat_map(|header| header.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.name)
            .filter_map(|(_, value)| self.open(secrets, value))
            .find(|begun| begun.is_of(state) && now.micros() < begun.until)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn cookies(client: &str, redirect: &str) -> Cookies {
        let options = LoginOptions {
            issuer: "https://id.example".to_owned(),
            client: client.to_owned(),
            password: None,
            redirect: redirect.to_owned(),
            role_claim: "role".to_owned(),
            office_claim: "office".to_owned(),
            lifetime: Duration::from_hours(8),
            under_way: Duration::from_mins(10),
            trusted: Vec::new(),
        };
        Cookies::new(&options).unwrap()
    }

    const BACK: &str = "https://ledger.example/v1/login/callback";

    fn begun(until: i64) -> Begun {
        Begun {
            state: "state".to_owned(),
            nonce: "nonce".to_owned(),
            verifier: "verifier".to_owned(),
            until,
        }
    }

    /// What a browser sends for a `Set-Cookie`.
    fn sent(header: &HeaderValue) -> String {
        let text = header.to_str().unwrap();
        text.split(';').next().unwrap().to_owned()
    }

    fn headers(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, text.parse().unwrap())])
    }

    #[test]
    fn what_is_sealed_is_opened_for_the_same_and_until_its_end() {
        let (secrets, own) = (Prf::new(&[1; 32]), cookies("a", BACK));
        let header = own.seal(&secrets, &begun(1000), 600).unwrap();
        let text = header.to_str().unwrap();
        assert!(text.starts_with("__Secure-vitaledger_login="), "{text}");
        assert!(text.ends_with("; Path=/v1/login; HttpOnly; SameSite=Lax; Secure; Max-Age=600"));
        let cookie = sent(&header);
        let at = |micros| Timestamp::from_micros(micros).unwrap();
        let find = |by: &Cookies, secrets: &Prf, cookie: &str, state: &str, now| {
            let found = by.find(secrets, &headers(cookie), state, at(now));
            found.map(|found| found.verifier.clone())
        };
        let verifier = Some("verifier".to_owned());
        assert_eq!(find(&own, &secrets, &cookie, "state", 999), verifier);
        let among = format!("x=1; {cookie}; __Secure-vitaledger_login=AAAA");
        assert_eq!(find(&own, &secrets, &among, "state", 999), verifier);
        assert_eq!(find(&own, &secrets, &cookie, "state", 1000), None);
        assert_eq!(find(&own, &secrets, &cookie, "other", 999), None);
        assert_eq!(find(&own, &Prf::new(&[2; 32]), &cookie, "state", 999), None);
        assert_eq!(
            find(&cookies("b", BACK), &secrets, &cookie, "state", 999),
            None
        );
        // One character changed, anywhere.
        let start = cookie.find('=').unwrap() + 1;
        for place in start..cookie.len() - 1 {
            let mut changed = cookie.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(
                find(&own, &secrets, &changed, "state", 999),
                None,
                "{place}"
            );
        }
        for text in ["", "AAAA", "%", &"A".repeat(32), &"A".repeat(100)] {
            let cookie = format!("__Secure-vitaledger_login={text}");
            assert_eq!(find(&own, &secrets, &cookie, "state", 999), None, "{text}");
        }
    }

    #[test]
    fn no_two_cookies_are_alike_and_none_can_be_read() {
        let (secrets, own) = (Prf::new(&[1; 32]), cookies("a", BACK));
        let make = || sent(&own.seal(&secrets, &begun(1000), 600).unwrap());
        let (one, other) = (make(), make());
        assert_ne!(one, other);
        let bytes = BASE64_URL_SAFE_NO_PAD
            .decode(one.split_once('=').unwrap().1)
            .unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("verifier"));
    }

    #[test]
    fn on_this_machine_it_goes_in_clear() {
        let own = cookies("a", "http://127.0.0.1:8080/v1/login/callback");
        let text = own.forget().unwrap();
        let expected = "vitaledger_login=; Path=/v1/login; HttpOnly; SameSite=Lax; Max-Age=0";
        assert_eq!(text.to_str().unwrap(), expected);
    }
}
