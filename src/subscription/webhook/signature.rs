//! Signatures by which an endpoint knows that a delivery is ours (Standard Webhooks 1.0).
//!
//! ```text
//! webhook-id: 018f...             the id of the event; the same in every attempt
//! webhook-timestamp: 1764324000   when this attempt was made
//! webhook-signature: v1a,<Ed25519> v1,<HMAC-SHA256>
//! ```
//!
//! What comes in: a seed for each scheme, the id, time and body of a delivery. What goes out: the
//! value of `webhook-signature`, and the keys as endpoints are given them. What may fail: nothing.
//! What must stay true: what is signed is `id.time.body`, and no id has a full stop; secrets are
//! wiped from memory and never shown by `Debug`.
//!
//! An endpoint that holds the public key (`v1a`) can verify but not forge. The libraries that most
//! endpoints verify with know the older scheme alone, which shares a secret (`v1`). Every delivery is
//! signed in both; an endpoint demands the one that it has a key for. While a key is replaced, there
//! are signatures by the old one, too.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What a public key begins with.
const PUBLIC_PREFIX: &str = "whpk_";
/// What a shared secret begins with.
const SECRET_PREFIX: &str = "whsec_";

/// The keys of one endpoint.
pub struct EndpointKey {
    /// Wiped on drop by its own crate.
    signing: SigningKey,
    shared: Zeroizing<[u8; 32]>,
}

impl EndpointKey {
    /// From 32 secret bytes for each scheme.
    #[must_use]
    pub fn new(seed: &[u8; 32], shared: &[u8; 32]) -> Self {
        Self {
            signing: SigningKey::from_bytes(seed),
            shared: Zeroizing::new(*shared),
        }
    }

    /// The public key, to be handed to the endpoint: it verifies `v1a`.
    #[must_use]
    pub fn public(&self) -> String {
        let point = self.signing.verifying_key();
        format!("{PUBLIC_PREFIX}{}", BASE64_STANDARD.encode(point))
    }

    /// The shared secret, to be handed to the endpoint and to nobody else: it verifies `v1`, and
    /// whoever has it can make such signatures.
    #[must_use]
    pub fn secret(&self) -> Zeroizing<String> {
        let encoded = Zeroizing::new(BASE64_STANDARD.encode(self.shared.as_slice()));
        Zeroizing::new(format!("{SECRET_PREFIX}{}", *encoded))
    }

    fn signatures(&self, signed: &[u8]) -> [String; 2] {
        let asymmetric = self.signing.sign(signed).to_bytes();
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(self.shared.as_slice())
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        mac.update(signed);
        let symmetric = mac.finalize().into_bytes();
        [
            format!("v1a,{}", BASE64_STANDARD.encode(asymmetric)),
            format!("v1,{}", BASE64_STANDARD.encode(symmetric)),
        ]
    }
}

impl std::fmt::Debug for EndpointKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EndpointKey({}, secrets withheld)", self.public())
    }
}

/// The value of `webhook-signature`: two signatures by each key, the newest key first.
#[must_use]
pub fn sign(keys: &[EndpointKey], id: &str, unix_seconds: i64, body: &[u8]) -> String {
    debug_assert!(!id.contains('.'), "an id with a full stop is ambiguous");
    let mut signed = format!("{id}.{unix_seconds}.").into_bytes();
    signed.extend_from_slice(body);
    let signatures = keys.iter().flat_map(|key| key.signatures(&signed));
    signatures.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIME: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn bytes(text: &str) -> [u8; 32] {
        BASE64_STANDARD.decode(text).unwrap().try_into().unwrap()
    }

    /// The example of the reference implementation for `v1a`.
    #[test]
    fn the_known_ed25519_signature_is_made() {
        let seed = bytes("VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=");
        let key = EndpointKey::new(&seed, &[0; 32]);
        let header = sign(&[key], ID, TIME, BODY);
        assert_eq!(
            header.split(' ').next().unwrap(),
            "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="
        );
    }

    /// The example of the reference implementations for `v1`, whose secret has 24 bytes: ours have
    /// 32, and HMAC fills a key up with zeros.
    #[test]
    fn the_known_hmac_signature_is_made() {
        let mut shared = [0; 32];
        let secret = BASE64_STANDARD
            .decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            .unwrap();
        shared[..24].copy_from_slice(&secret);
        let header = sign(&[EndpointKey::new(&[1; 32], &shared)], ID, TIME, BODY);
        let symmetric = header.split(' ').nth(1).unwrap();
        assert_eq!(symmetric, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn while_a_key_is_replaced_both_sign() {
        let new = || EndpointKey::new(&[1; 32], &[2; 32]);
        let old = || EndpointKey::new(&[3; 32], &[4; 32]);
        let both = sign(&[new(), old()], ID, TIME, BODY);
        let (one, other) = (
            sign(&[new()], ID, TIME, BODY),
            sign(&[old()], ID, TIME, BODY),
        );
        assert_eq!(both, format!("{one} {other}"));
        assert_eq!(both.split(' ').count(), 4);
    }

    #[test]
    fn keys_are_written_as_endpoints_expect_them_and_secrets_are_not_shown() {
        let key = EndpointKey::new(&[1; 32], &[2; 32]);
        assert!(key.public().starts_with("whpk_") && key.public().len() == 5 + 44);
        assert_eq!(
            *key.secret(),
            format!("whsec_{}", BASE64_STANDARD.encode([2; 32]))
        );
        let shown = format!("{key:?}");
        assert!(shown.contains(&key.public()), "{shown}");
        assert!(!shown.contains(&key.secret()["whsec_".len()..]), "{shown}");
    }
}
