//! Cosignatures of witnesses (C2SP tlog-cosignature, <https://c2sp.org/tlog-cosignature>, version
//! `cosignature/v1`: Ed25519 with a time).
//!
//! In comes the text of a checkpoint and a signature line of a witness; out goes the time at which
//! the witness says that this was the largest consistent tree it had seen. A line is refused when
//! the witness's key did not make it. What must stay true: the signed message is the header, the
//! time and the whole text of the note; a witness's key is no key of a log, and the other way
//! round, because the type of a key is part of its identifier.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{PUBLIC_KEY_LENGTH, Signature, Signer as _, Verifier as _, VerifyingKey};
use rand_core::CryptoRngCore;
use signed_note::VerifierError;

use super::excerpt;
use super::keys::{KeyError, is_name};

/// Signature type identifier of a timestamped Ed25519 cosignature (C2SP signed-note).
const COSIGNATURE_V1: u8 = 0x04;
/// The time: seconds since 1970, big-endian.
const TIME_BYTES: usize = 8;
/// The header line of the signed message, for domain separation.
const HEADER: &str = "cosignature/v1";

/// Of the encoding of secret keys that the note tools of Go use.
const SECRET_PREFIX: &str = "PRIVATE+KEY+";

/// What a witness signs: the header, the time, and the whole text of the checkpoint.
fn message(body: &str, timestamp: u64) -> Vec<u8> {
    format!("{HEADER}\ntime {timestamp}\n{body}").into_bytes()
}

/// The public key of a witness: `<name>+<key id as 8 hexadecimal digits>+<base64>`.
#[derive(Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    key_id: u32,
    point: VerifyingKey,
}

impl WitnessKey {
    fn new(name: &str, point: VerifyingKey) -> Result<Self, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Name {
                name: excerpt(name),
            });
        }
        let key_id = signed_note::key_id(name, &typed(&point));
        let key = Self {
            name: name.to_owned(),
            key_id,
            point,
        };
        if key.point.is_weak() {
            let text = key.to_string();
            return Err(KeyError::Weak { text });
        }
        Ok(key)
    }

    /// The name of the key, as it stands in signature lines.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The short identifier that stands in a signature line.
    #[must_use]
    pub const fn key_id(&self) -> u32 {
        self.key_id
    }

    /// The key itself, without name and type.
    #[must_use]
    pub fn point(&self) -> [u8; PUBLIC_KEY_LENGTH] {
        self.point.to_bytes()
    }

    /// The signature line of this key, with its newline, among lines that a witness gave, if it
    /// holds for this text.
    #[must_use]
    pub fn line_of(&self, body: &str, lines: &str) -> Option<String> {
        let own = format!("— {} ", self.name);
        lines.lines().find_map(|line| {
            let encoded = line.strip_prefix(&own)?;
            let bytes = BASE64_STANDARD.decode(encoded).ok()?;
            let (key_id, signature) = bytes.split_first_chunk::<4>()?;
            (u32::from_be_bytes(*key_id) == self.key_id).then_some(())?;
            self.verify(body, signature)?;
            Some(format!("{line}\n"))
        })
    }

    /// The time of the cosignature, in seconds since 1970, if this key made it over this text.
    /// `signature` is what follows the key identifier in the line.
    #[must_use]
    pub fn verify(&self, body: &str, signature: &[u8]) -> Option<u64> {
        let (time, signature) = signature.split_first_chunk::<TIME_BYTES>()?;
        let timestamp = u64::from_be_bytes(*time);
        let signature = Signature::from_slice(signature).ok()?;
        // The specification ends time at 2^63 - 1.
        i64::try_from(timestamp).ok()?;
        let verified = self.point.verify(&message(body, timestamp), &signature);
        verified.is_ok().then_some(timestamp)
    }
}

/// A public key with its type in front, as it is encoded and identified.
fn typed(point: &VerifyingKey) -> [u8; 1 + PUBLIC_KEY_LENGTH] {
    let mut bytes = [COSIGNATURE_V1; 1 + PUBLIC_KEY_LENGTH];
    bytes[1..].copy_from_slice(point.as_bytes());
    bytes
}

impl FromStr for WitnessKey {
    type Err = KeyError;

    /// Reads a verifier key of type 0x04 and checks that its identifier belongs to it.
    ///
    /// # Errors
    /// [`KeyError::Verifier`], [`KeyError::Name`], [`KeyError::Weak`].
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let refused = |source| KeyError::Verifier {
            text: excerpt(text),
            source,
        };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refused(VerifierError::Format));
        };
        let decoded = BASE64_STANDARD
            .decode(key)
            .map_err(|_| refused(VerifierError::Format))?;
        let Some((&COSIGNATURE_V1, point)) = decoded.split_first() else {
            return Err(refused(VerifierError::Alg));
        };
        let point = VerifyingKey::try_from(point).map_err(|_| refused(VerifierError::Format))?;
        let key = Self::new(name, point)?;
        if id.len() != 8 || u32::from_str_radix(id, 16) != Ok(key.key_id) {
            return Err(refused(VerifierError::Id));
        }
        Ok(key)
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = BASE64_STANDARD.encode(typed(&self.point));
        write!(formatter, "{}+{:08x}+{key}", self.name, self.key_id)
    }
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "WitnessKey({self})")
    }
}

/// The secret key of a witness.
pub struct CosigningKey {
    /// Wiped on drop by its own crate.
    secret: ed25519_dalek::SigningKey,
    key: WitnessKey,
}

impl CosigningKey {
    /// Makes a key from randomness, which has to come from a cryptographic generator.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn generate<R>(randomness: &mut R, name: &str) -> Result<Self, KeyError>
    where
        R: CryptoRngCore + ?Sized,
    {
        let secret = ed25519_dalek::SigningKey::generate(randomness);
        let key = WitnessKey::new(name, secret.verifying_key())?;
        Ok(Self { secret, key })
    }

    /// Reads what [`Self::encoded`] wrote.
    ///
    /// # Errors
    /// [`KeyError::Signing`], [`KeyError::Name`].
    pub fn parse(encoded: &str) -> Result<Self, KeyError> {
        let malformed = || KeyError::Signing {
            reason: "expected PRIVATE+KEY+<name>+<key id>+<base64 of a witness's key>",
        };
        let rest = encoded.strip_prefix(SECRET_PREFIX).ok_or_else(malformed)?;
        let mut parts = rest.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed());
        };
        let decoded = BASE64_STANDARD.decode(key).map(zeroize::Zeroizing::new);
        let decoded = decoded.map_err(|_| malformed())?;
        let Some((&COSIGNATURE_V1, seed)) = decoded.split_first() else {
            return Err(malformed());
        };
        let seed = seed.try_into().map_err(|_| malformed())?;
        let secret = ed25519_dalek::SigningKey::from_bytes(seed);
        let key = WitnessKey::new(name, secret.verifying_key())?;
        if u32::from_str_radix(id, 16) != Ok(key.key_id) {
            return Err(malformed());
        }
        Ok(Self { secret, key })
    }

    /// The whole key in clear, to be written to a protected file. Wiped when dropped.
    #[must_use]
    pub fn encoded(&self) -> zeroize::Zeroizing<String> {
        let mut key = zeroize::Zeroizing::new([COSIGNATURE_V1; 33]);
        key[1..].copy_from_slice(self.secret.as_bytes());
        let base64 = zeroize::Zeroizing::new(BASE64_STANDARD.encode(key.as_slice()));
        let (name, key_id) = (&self.key.name, self.key.key_id);
        zeroize::Zeroizing::new(format!("{SECRET_PREFIX}{name}+{key_id:08x}+{}", *base64))
    }

    /// The public half.
    #[must_use]
    pub const fn witness_key(&self) -> &WitnessKey {
        &self.key
    }

    /// The signature line, with its newline, that this witness adds to a checkpoint whose text is
    /// `body`. Whoever calls this has checked that the checkpoint extends the last one.
    #[must_use]
    pub fn cosign(&self, body: &str, timestamp: u64) -> String {
        let signature = self.secret.sign(&message(body, timestamp)).to_bytes();
        let key_id = self.key.key_id.to_be_bytes();
        let all = [&key_id[..], &timestamp.to_be_bytes(), &signature].concat();
        format!("— {} {}\n", self.key.name, BASE64_STANDARD.encode(all))
    }
}

impl fmt::Debug for CosigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CosigningKey({}, secret withheld)", self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification: the log's own line and that of one witness.
    const BODY: &str =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    fn key() -> CosigningKey {
        CosigningKey::generate(&mut rand_core::OsRng, "witness.example/w1").unwrap()
    }

    fn signature(line: &str) -> Vec<u8> {
        let encoded = line.trim_end().rsplit(' ').next().unwrap();
        BASE64_STANDARD.decode(encoded).unwrap()[4..].to_vec()
    }

    #[test]
    fn the_message_is_the_one_of_the_specification() {
        let expected = format!("cosignature/v1\ntime 1679315147\n{BODY}");
        assert_eq!(message(BODY, 1_679_315_147), expected.into_bytes());
    }

    /// A checkpoint of a public log, as a public witness cosigned it on 2 August 2026.
    #[test]
    fn a_cosignature_of_a_public_witness_is_verified() {
        let witness: WitnessKey = "witness.navigli.sunlight.geomys.org+a3e00fe2+BNy/co4C1Hn1p+INwJrfUlgz7W55dSZReusH/GhUhJ/G".parse().unwrap();
        let body = "coachandhorses2026h1.staging.certificate.transparency.goog\n185550722\nYXAM0VmnrfvLaBCOOYSJhCaE5F10oGBOo+hkbDa1kng=\n";
        let line = "— witness.navigli.sunlight.geomys.org o+AP4gAAAABqb7DzNrGFRJnQ9vrJ8xpnwZytnr/ZYczDIsvwvouiSjwOjn7a72ccxBk+lKnZ7dKqkYKER1s/KxLTaVwQD7lJZTC/CQ==\n";
        assert_eq!(witness.verify(body, &signature(line)), Some(1_785_704_691));
        let other = body.replace("185550722", "185550723");
        assert_eq!(witness.verify(&other, &signature(line)), None);
    }

    #[test]
    fn a_cosignature_tells_its_time_and_holds_for_its_text_alone() {
        let witness = key();
        let line = witness.cosign(BODY, 1_679_315_147);
        assert!(line.starts_with("— witness.example/w1 ") && line.ends_with('\n'));
        let made = signature(&line);
        let public = witness.witness_key();
        assert_eq!(public.verify(BODY, &made), Some(1_679_315_147));
        assert_eq!(public.verify(&BODY.replace("63", "64"), &made), None);
        assert_eq!(key().witness_key().verify(BODY, &made), None);
        for bit in 0..made.len() * 8 {
            let mut changed = made.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(public.verify(BODY, &changed), None, "bit {bit}");
        }
        for length in 0..made.len() {
            assert_eq!(public.verify(BODY, &made[..length]), None);
        }
        assert_eq!(public.verify(BODY, &[&made[..], &[0]].concat()), None);
        let late = signature(&witness.cosign(BODY, u64::MAX));
        assert_eq!(public.verify(BODY, &late), None, "time ends at 2^63 - 1");
    }

    #[test]
    fn keys_survive_writing_and_others_are_refused() {
        let public = key().witness_key().clone();
        let text = public.to_string();
        assert_eq!(text.parse::<WitnessKey>().unwrap(), public);
        let log = crate::seal::keys::SigningKey::generate(&mut rand_core::OsRng, "log.example");
        let log = log.unwrap().verifier_key().to_string();
        for refused in [
            "",
            "witness.example/w1",
            &text.replace("w1", "w2"),
            &text[..text.len() - 1],
            &format!("{text}A"),
            &log,
        ] {
            assert!(refused.parse::<WitnessKey>().is_err(), "{refused:?}");
        }
        assert!(!format!("{:?}", key()).contains("SigningKey {"));
    }
}
