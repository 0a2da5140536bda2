//! The endpoint of a subscription: its address and its keys, as they are kept.
//!
//! What comes in: an address, the secrets of the ledger, the text that the store keeps. What goes
//! out: that text, the keys to sign with. What may fail: a text that is none or that somebody else
//! wrote ([`KeptError`]). What must stay true: the text holds no secret. The keys are derived from the
//! ledger's key and from random bytes in it, so that every node that has the ledger's key signs alike,
//! a new subscription of an old name has new keys, and whoever has the database alone can neither
//! sign nor send what is delivered elsewhere.

use std::time::Duration;

use rand::RngCore;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::signature::EndpointKey;
use crate::ledger::keys::Prf;
use crate::model::time::Timestamp;

/// For how long the key before signs, too, after it was replaced.
pub const OVERLAP: Duration = Duration::from_hours(24);

/// Why what is kept is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeptError {
    /// It does not read.
    #[error("what is kept as the endpoint of {0} does not read")]
    Malformed(String),
    /// Its authenticator is of something else.
    #[error("the endpoint of {0} was not written by this ledger, or was changed")]
    Changed(String),
}

/// A key that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replaced {
    key: String,
    /// Microseconds since 1970, until when it signs.
    until: i64,
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Where it is.
    pub url: String,
    /// Random: which key signs.
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replaced: Option<Replaced>,
    mac: String,
}

fn new_key() -> String {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

impl Endpoint {
    /// Of a subscription that is made, or that is to deliver elsewhere.
    #[must_use]
    pub fn new(secrets: &Prf, subscription: &str, url: &Url) -> Self {
        let endpoint = Self {
            url: url.to_string(),
            key: new_key(),
            replaced: None,
            mac: String::new(),
        };
        endpoint.authenticated(secrets, subscription)
    }

    /// The same with a new key. The one before signs, too, for [`OVERLAP`].
    #[must_use]
    pub fn with_new_key(&self, secrets: &Prf, subscription: &str, now: Timestamp) -> Self {
        let overlap = i64::try_from(OVERLAP.as_micros()).unwrap_or(i64::MAX);
        let endpoint = Self {
            url: self.url.clone(),
            key: new_key(),
            replaced: Some(Replaced {
                key: self.key.clone(),
                until: now.micros().saturating_add(overlap),
            }),
            mac: String::new(),
        };
        endpoint.authenticated(secrets, subscription)
    }

    fn authenticated(mut self, secrets: &Prf, subscription: &str) -> Self {
        self.mac = hex::encode(self.mac_of(secrets, subscription));
        self
    }

    fn mac_of(&self, secrets: &Prf, subscription: &str) -> [u8; 32] {
        let (old, until) = match &self.replaced {
            Some(replaced) => (replaced.key.as_str(), replaced.until),
            None => ("", 0),
        };
        secrets.of(&[
            b"endpoint",
            subscription.as_bytes(),
            self.url.as_bytes(),
            self.key.as_bytes(),
            old.as_bytes(),
            &until.to_be_bytes(),
        ])
    }

    /// Reads what the store keeps.
    ///
    /// # Errors
    /// When it is no endpoint, or was not written with these secrets for this subscription.
    pub fn read(secrets: &Prf, subscription: &str, text: &str) -> Result<Self, KeptError> {
        let read: Self = serde_json::from_str(text)
            .map_err(|_| KeptError::Malformed(subscription.to_owned()))?;
        // Whoever could learn something from how long this takes has the database already.
        if read.mac != hex::encode(read.mac_of(secrets, subscription)) {
            return Err(KeptError::Changed(subscription.to_owned()));
        }
        Ok(read)
    }

    /// The address in what the store keeps, to be shown; whether we wrote it is another question.
    #[must_use]
    pub fn url_of(text: &str) -> Option<String> {
        let read: Self = serde_json::from_str(text).ok()?;
        Some(read.url)
    }

    /// What the store is to keep.
    ///
    /// # Errors
    /// Never: there is nothing in it that JSON cannot say.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The keys that sign now, the newest first.
    #[must_use]
    pub fn signing(&self, secrets: &Prf, subscription: &str, now: Timestamp) -> Vec<EndpointKey> {
        let replaced = self.replaced.as_ref();
        let replaced = replaced.filter(|replaced| now.micros() < replaced.until);
        let names = [
            Some(self.key.as_str()),
            replaced.map(|old| old.key.as_str()),
        ];
        let keys = names.into_iter().flatten().map(|name| {
            let derived = |scheme: &[u8]| {
                let parts = [scheme, subscription.as_bytes(), name.as_bytes()];
                Zeroizing::new(secrets.of(&parts))
            };
            EndpointKey::new(&derived(b"ed25519"), &derived(b"hmac"))
        });
        keys.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url() -> Url {
        "https://hooks.example/in?a=b".parse().unwrap()
    }

    fn public(keys: &[EndpointKey]) -> Vec<String> {
        keys.iter().map(EndpointKey::public).collect()
    }

    #[test]
    fn what_is_kept_is_read_again_by_whoever_has_the_secrets_and_gives_the_same_keys() {
        let secrets = Prf::new(&[1; 32]);
        let endpoint = Endpoint::new(&secrets, "county", &url());
        let text = endpoint.text().unwrap();
        let read = Endpoint::read(&Prf::new(&[1; 32]), "county", &text).unwrap();
        assert_eq!(read, endpoint);
        let now = Timestamp::now();
        let keys = |endpoint: &Endpoint| public(&endpoint.signing(&secrets, "county", now));
        assert_eq!(keys(&read), keys(&endpoint));
        let other = Endpoint::new(&secrets, "county", &url());
        assert_ne!(keys(&other), keys(&endpoint), "each has keys of its own");
        let secret = endpoint.signing(&secrets, "county", now)[0].secret();
        assert!(!text.contains(&secret["whsec_".len()..]));
    }

    #[test]
    fn what_somebody_else_wrote_is_refused() {
        let secrets = Prf::new(&[1; 32]);
        let text = Endpoint::new(&secrets, "county", &url()).text().unwrap();
        let changed = Err(KeptError::Changed("county".to_owned()));
        assert_eq!(Endpoint::url_of(&text), Some(url().to_string()));
        let elsewhere = text.replace("hooks.example", "hooks.invalid");
        assert_ne!(text, elsewhere);
        assert_eq!(Endpoint::read(&secrets, "county", &elsewhere), changed);
        assert_eq!(
            Endpoint::read(&Prf::new(&[2; 32]), "county", &text),
            changed
        );
        let of_other = Endpoint::read(&secrets, "town", &text);
        assert_eq!(of_other, Err(KeptError::Changed("town".to_owned())));
        for text in ["", "https://hooks.example/", "{}", "[]"] {
            let read = Endpoint::read(&secrets, "county", text);
            assert_eq!(read, Err(KeptError::Malformed("county".to_owned())));
        }
    }

    #[test]
    fn a_replaced_key_signs_for_a_day_and_no_longer() {
        let secrets = Prf::new(&[1; 32]);
        let old = Endpoint::new(&secrets, "county", &url());
        let now = Timestamp::now();
        let new = old.with_new_key(&secrets, "county", now);
        let text = new.text().unwrap();
        assert_eq!(Endpoint::read(&secrets, "county", &text), Ok(new.clone()));
        let keys = public(&new.signing(&secrets, "county", now));
        let before = public(&old.signing(&secrets, "county", now));
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[1], before[0]);
        let later = now.micros() + 24 * 3_600_000_000;
        let later = Timestamp::from_micros(later).unwrap();
        assert_eq!(public(&new.signing(&secrets, "county", later)), keys[..1]);
    }
}
