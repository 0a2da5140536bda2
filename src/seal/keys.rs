//! Keys that sign and verify notes (C2SP signed-note, <https://c2sp.org/signed-note>).
//!
//! In come encoded keys or a source of randomness; out go a [`SigningKey`], which stays with the
//! sealer, and its [`VerifierKey`], which everybody may know and which an auditor writes into their
//! policy. Parsing fails with a [`KeyError`]. What must stay true: the name of a key is the origin
//! of its log; and the secret leaves a [`SigningKey`] only through [`SigningKey::encoded`], never
//! through `Debug` or an error message, and is wiped from memory when dropped.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{SECRET_KEY_LENGTH, SignatureError, Signer as _, VerifyingKey};
use rand_core::CryptoRngCore;
use signed_note::{Signer, StandardVerifier, Verifier, VerifierError};
use thiserror::Error;
use zeroize::Zeroizing;

use super::excerpt;

/// The longest name of a key or log, in bytes: cosignatures give it one byte for its length.
pub const MAX_NAME_BYTES: usize = 255;

/// Signature type identifier of plain Ed25519 (C2SP signed-note).
const ED25519: u8 = 0x01;
/// What an encoded signing key begins with.
const SIGNING_KEY_PREFIX: &str = "PRIVATE+KEY+";

/// Why a key cannot be used. No variant repeats anything of a signing key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The name is empty, too long, or has spaces, plus signs or control characters.
    #[error(
        "{name:?} cannot name a key: 1 to 255 bytes without spaces, plus signs and control characters"
    )]
    Name {
        /// The name, or its beginning.
        name: String,
    },
    /// Not `<name>+<key id>+<base64 key>`, or an algorithm other than Ed25519.
    #[error("not a verifier key: {text:?}")]
    Verifier {
        /// The text, or its beginning.
        text: String,
        /// What does not fit.
        source: VerifierError,
    },
    /// A point of small order: it would accept signatures that nobody made.
    #[error("weak verifier key: {text:?}")]
    Weak {
        /// The encoded key.
        text: String,
    },
    /// Not `PRIVATE+KEY+<name>+<key id>+<base64 key>`.
    #[error("not a signing key: {reason}")]
    Signing {
        /// What does not fit, in words that do not repeat the key.
        reason: &'static str,
    },
}

/// Whether this can be the name of a key, and so the origin of a log.
pub(super) fn is_name(name: &str) -> bool {
    signed_note::is_key_name_valid(name)
        && name.len() <= MAX_NAME_BYTES
        && !name.contains(char::is_control)
}

/// A public key with its name: `<name>+<key id as 8 hexadecimal digits>+<base64>`.
#[derive(Clone)]
pub struct VerifierKey {
    verifier: StandardVerifier,
    /// The one canonical spelling, so that equal keys are equal texts.
    text: String,
}

impl VerifierKey {
    fn new(name: &str, key: &VerifyingKey) -> Result<Self, KeyError> {
        let text = signed_note::new_ed25519_verifier_key(name, key);
        if key.is_weak() {
            return Err(KeyError::Weak { text });
        }
        let verifier = StandardVerifier::new(&text).map_err(|source| KeyError::Verifier {
            text: excerpt(&text),
            source,
        })?;
        Ok(Self { verifier, text })
    }

    /// The name of the key, which is the origin of its log.
    #[must_use]
    pub fn name(&self) -> &str {
        self.verifier.name()
    }

    /// The short identifier that stands in a signature line. It is a hint, not a fingerprint.
    #[must_use]
    pub fn key_id(&self) -> u32 {
        self.verifier.key_id()
    }

    /// The key itself with its type, without its name: base64.
    pub(super) fn point(&self) -> &str {
        self.text.splitn(3, '+').nth(2).unwrap_or_default()
    }

    /// The key for use with notes.
    pub(super) const fn verifier(&self) -> &StandardVerifier {
        &self.verifier
    }
}

/// Keys as they are handed out.
#[must_use]
pub fn key_texts(keys: &[VerifierKey]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

/// Keys as they stand in a file: one a line.
#[must_use]
pub fn key_lines(keys: &[VerifierKey]) -> String {
    keys.iter().fold(String::new(), |mut text, key| {
        text.push_str(&key.text);
        text.push('\n');
        text
    })
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    /// Reads a verifier key and checks that its identifier belongs to it.
    ///
    /// # Errors
    /// [`KeyError::Verifier`], [`KeyError::Name`], [`KeyError::Weak`].
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let refused = |source| KeyError::Verifier {
            text: excerpt(text),
            source,
        };
        // The crate checks form, algorithm and identifier; it keeps the point to itself, so that
        // it is decoded a second time here.
        let verifier = StandardVerifier::new(text).map_err(refused)?;
        if !is_name(verifier.name()) {
            return Err(KeyError::Name {
                name: excerpt(verifier.name()),
            });
        }
        let encoded = text.splitn(3, '+').nth(2).unwrap_or_default();
        let decoded = BASE64_STANDARD.decode(encoded).unwrap_or_default();
        let point = decoded
            .get(1..)
            .and_then(|point| VerifyingKey::try_from(point).ok());
        let point = point.ok_or_else(|| refused(VerifierError::Format))?;
        Self::new(verifier.name(), &point)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "VerifierKey({})", self.text)
    }
}

impl PartialEq for VerifierKey {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for VerifierKey {}

/// A secret key with its name.
pub struct SigningKey {
    /// Wiped on drop by its own crate.
    secret: ed25519_dalek::SigningKey,
    verifier_key: VerifierKey,
}

impl SigningKey {
    /// Makes a key from randomness, which has to come from a cryptographic generator.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn generate<R>(randomness: &mut R, name: &str) -> Result<Self, KeyError>
    where
        R: CryptoRngCore + ?Sized,
    {
        Self::new(name, ed25519_dalek::SigningKey::generate(randomness))
    }

    /// Reads `PRIVATE+KEY+<name>+<key id>+<base64>`, the encoding of the note tools of Go.
    ///
    /// # Errors
    /// [`KeyError::Signing`], [`KeyError::Name`].
    pub fn parse(encoded: &str) -> Result<Self, KeyError> {
        let form = KeyError::Signing {
            reason: "expected PRIVATE+KEY+<name>+<key id>+<base64>",
        };
        let parts = encoded.strip_prefix(SIGNING_KEY_PREFIX).and_then(|rest| {
            let (name, rest) = rest.split_once('+')?;
            let (key_id, key) = rest.split_once('+')?;
            Some((name, key_id, key))
        });
        let Some((name, key_id, key)) = parts else {
            return Err(form);
        };
        let decoded = BASE64_STANDARD
            .decode(key)
            .map(Zeroizing::new)
            .map_err(|_| KeyError::Signing {
                reason: "the key is not base64",
            })?;
        let Some((&ED25519, seed)) = decoded.split_first() else {
            return Err(KeyError::Signing {
                reason: "the algorithm is not Ed25519",
            });
        };
        let secret = ed25519_dalek::SigningKey::try_from(seed).map_err(|_| KeyError::Signing {
            reason: "the key is not 32 bytes long",
        })?;
        let key = Self::new(name, secret)?;
        if key_id != format!("{:08x}", key.verifier_key.key_id()) {
            return Err(KeyError::Signing {
                reason: "the key id belongs to another key or name",
            });
        }
        Ok(key)
    }

    fn new(name: &str, secret: ed25519_dalek::SigningKey) -> Result<Self, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Name {
                name: excerpt(name),
            });
        }
        let verifier_key = VerifierKey::new(name, &secret.verifying_key())?;
        Ok(Self {
            secret,
            verifier_key,
        })
    }

    /// The whole key in clear, to be written to a protected file. Wiped when dropped.
    #[must_use]
    pub fn encoded(&self) -> Zeroizing<String> {
        let mut key = Zeroizing::new([ED25519; 1 + SECRET_KEY_LENGTH]);
        key[1..].copy_from_slice(self.secret.as_bytes());
        let base64 = Zeroizing::new(BASE64_STANDARD.encode(key.as_slice()));
        let (name, key_id) = (self.verifier_key.name(), self.verifier_key.key_id());
        Zeroizing::new(format!(
            "{SIGNING_KEY_PREFIX}{name}+{key_id:08x}+{}",
            *base64
        ))
    }

    /// The public half.
    #[must_use]
    pub const fn verifier_key(&self) -> &VerifierKey {
        &self.verifier_key
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "SigningKey({}, secret withheld)",
            self.verifier_key.text
        )
    }
}

impl Signer for SigningKey {
    fn name(&self) -> &str {
        self.verifier_key.name()
    }

    fn key_id(&self) -> u32 {
        self.verifier_key.key_id()
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(self.secret.try_sign(text)?.to_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyError, SigningKey, VerifierKey};

    /// The example keys of Go's note package and of the `signed_note` crate.
    const SECRET: &str =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn the_known_example_is_read_and_written() {
        let key = SigningKey::parse(SECRET).unwrap();
        assert_eq!(*key.encoded(), SECRET);
        assert_eq!(key.verifier_key().to_string(), PUBLIC);
        assert_eq!(*key.verifier_key(), PUBLIC.parse().unwrap());
        assert_eq!(key.verifier_key().key_id(), 0xc74f_20a3);
    }

    #[test]
    fn generated_keys_survive_writing_and_differ() {
        let mut randomness = rand_core::OsRng;
        let key = SigningKey::generate(&mut randomness, "log.example/county").unwrap();
        let read = SigningKey::parse(&key.encoded()).unwrap();
        assert_eq!(read.verifier_key(), key.verifier_key());
        let other = SigningKey::generate(&mut randomness, "log.example/county").unwrap();
        assert_ne!(other.verifier_key(), key.verifier_key());
    }

    #[test]
    fn debug_and_errors_withhold_the_secret() {
        let shown = format!("{:?}", SigningKey::parse(SECRET).unwrap());
        assert!(
            shown.contains(PUBLIC) && !shown.contains("AYEKFALVFGyNhPJEMzD1QIDr"),
            "{shown}"
        );
        for broken in [
            SECRET.replace("c74f20a3", "c74f20a4"),
            SECRET.replace("c74f20a3", "C74F20A3"),
            SECRET.replace("PeterNeumann", "Peter"),
            SECRET.replace("PeterNeumann", "Peter Neumann"),
            SECRET.replace("+AYE", "+BYE"),
            SECRET.replace("KEY+", "KEY"),
            format!("{SECRET}\n"),
            SECRET[..SECRET.len() - 4].to_owned(),
        ] {
            let error = SigningKey::parse(&broken).unwrap_err();
            let told = format!("{error} {error:?}");
            assert!(!told.contains("KFALVFGyNhPJEMzD1QIDr"), "{told}");
        }
    }

    #[test]
    fn names_that_cannot_be_origins_are_refused() {
        let mut randomness = rand_core::OsRng;
        let long = "x".repeat(256);
        for name in [
            "",
            "a b",
            "a+b",
            "a\nb",
            "a\u{3000}b",
            "a\u{1}b",
            "a\u{7f}b",
            &long,
        ] {
            let error = SigningKey::generate(&mut randomness, name).unwrap_err();
            assert!(matches!(error, KeyError::Name { .. }), "{name:?}: {error}");
        }
    }

    #[test]
    fn verifier_keys_that_do_not_fit_are_refused() {
        for broken in [
            "",
            "PeterNeumann",
            "PeterNeumann+c74f20a3",
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "Peter+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T",
            "PeterNeumann+c74f20a3+BBpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        ] {
            let error = broken.parse::<VerifierKey>().unwrap_err();
            assert!(
                matches!(error, KeyError::Verifier { .. }),
                "{broken:?}: {error}"
            );
        }
    }

    #[test]
    fn a_key_of_small_order_is_refused() {
        // The neutral element: y = 1.
        let mut point = [0; 32];
        point[0] = 1;
        let point = ed25519_dalek::VerifyingKey::from_bytes(&point).unwrap();
        let text = signed_note::new_ed25519_verifier_key("log.example", &point);
        let error = text.parse::<VerifierKey>().unwrap_err();
        assert!(matches!(error, KeyError::Weak { .. }), "{error}");
    }
}
