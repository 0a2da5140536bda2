//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), with the subkey of an event computed once.
//!
//! What comes in: a 32-byte key, the first 16 bytes of the 24-byte nonce (the event id), and for
//! each message the last 8. What goes out: ciphertext and tag, exactly those of
//! XChaCha20-Poly1305: its subkey depends on the key and the first 16 bytes alone. What may fail:
//! opening what was changed. What must stay true: a (key, nonce) pair is used once.

use chacha20::hchacha;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use zeroize::{Zeroize, Zeroizing};

/// Length of the tag.
pub const TAG_BYTES: usize = 16;

/// The cipher of one key and one event.
pub struct EventCipher(LessSafeKey);

impl EventCipher {
    /// Derives the subkey (`HChaCha20`).
    #[must_use]
    pub fn new(key: &[u8; 32], nonce_start: &[u8; 16]) -> Self {
        let mut subkey = hchacha::<chacha20::cipher::consts::U10>(key.into(), nonce_start.into());
        // The key has the length that the algorithm demands, so this is never the other branch.
        let unbound = UnboundKey::new(&CHACHA20_POLY1305, &subkey)
            .unwrap_or_else(|_| unreachable!("a key of 32 bytes"));
        subkey.as_mut_slice().zeroize();
        Self(LessSafeKey::new(unbound))
    }

    fn nonce(end: [u8; 8]) -> Nonce {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&end);
        Nonce::assume_unique_for_key(nonce)
    }

    /// Encrypts; gives ciphertext and tag.
    #[must_use]
    pub fn seal(&self, nonce_end: [u8; 8], aad: &[u8], message: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(message.len() + TAG_BYTES);
        self.seal_onto(nonce_end, aad, message, &mut sealed);
        sealed
    }

    /// Encrypts; puts ciphertext and tag at the end of `sealed`.
    pub fn seal_onto(&self, nonce_end: [u8; 8], aad: &[u8], message: &[u8], sealed: &mut Vec<u8>) {
        let start = sealed.len();
        sealed.extend_from_slice(message);
        let (nonce, aad) = (Self::nonce(nonce_end), Aad::from(aad));
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, aad, &mut sealed[start..]);
        // Encryption fails only for messages of 256 GiB and more.
        match tag {
            Ok(tag) => sealed.extend_from_slice(tag.as_ref()),
            Err(_) => sealed.truncate(start),
        }
    }

    /// Decrypts; `None` when anything was changed.
    #[must_use]
    pub fn open(
        &self,
        nonce_end: [u8; 8],
        aad: &[u8],
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let mut buffer = Zeroizing::new(Vec::with_capacity(sealed.len()));
        let length = self.open_into(nonce_end, aad, sealed, &mut buffer)?.len();
        buffer.truncate(length);
        Some(buffer)
    }

    /// Decrypts into a buffer, whose content is replaced; `None` when anything was changed. A
    /// buffer with room enough is not moved, so what wipes it wipes all.
    pub fn open_into<'b>(
        &self,
        nonce_end: [u8; 8],
        aad: &[u8],
        sealed: &[u8],
        buffer: &'b mut Vec<u8>,
    ) -> Option<&'b [u8]> {
        buffer.clear();
        buffer.extend_from_slice(sealed);
        let nonce = Self::nonce(nonce_end);
        let clear = self.0.open_in_place(nonce, Aad::from(aad), buffer).ok()?;
        Some(clear)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20poly1305::aead::{Aead, KeyInit, Payload};
    use chacha20poly1305::{XChaCha20Poly1305, XNonce};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_xchacha20_poly1305(
            key: [u8; 32], nonce: [u8; 24],
            aad in prop::collection::vec(any::<u8>(), 0..100),
            message in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let (start, end) = (nonce.first_chunk::<16>().unwrap(), nonce.last_chunk::<8>().unwrap());
            let ours = EventCipher::new(&key, start);
            let theirs = XChaCha20Poly1305::new((&key).into());
            let payload = Payload { msg: message.as_slice(), aad: aad.as_slice() };
            let sealed = theirs.encrypt(XNonce::from_slice(&nonce), payload).unwrap();
            prop_assert_eq!(&ours.seal(*end, &aad, &message), &sealed);
            let opened = ours.open(*end, &aad, &sealed);
            prop_assert_eq!(opened.as_deref(), Some(&message));
        }
    }

    /// The example of draft-irtf-cfrg-xchacha-03, appendix A.3.1.
    #[test]
    fn the_example_of_the_draft() {
        let key: [u8; 32] = std::array::from_fn(|i| 0x80 + u8::try_from(i).unwrap());
        let start: [u8; 16] = std::array::from_fn(|i| 0x40 + u8::try_from(i).unwrap());
        let end: [u8; 8] = std::array::from_fn(|i| 0x50 + u8::try_from(i).unwrap());
        let aad = hex::decode("50515253c0c1c2c3c4c5c6c7").unwrap();
        let message = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let sealed = EventCipher::new(&key, &start).seal(end, &aad, message);
        assert_eq!(
            hex::encode(&sealed[..16]),
            "bd6d179d3e83d43b9576579493c0e939"
        );
        assert_eq!(
            hex::encode(&sealed[message.len()..]),
            "c0875924c1c7987947deafd8780acf49"
        );
    }
}
