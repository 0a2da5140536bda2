//! Sealing: personal values become commitments in the entry and ciphertexts in the vault.
//!
//! What comes in: the values of an event's slots and the keys of the record's roles. What goes
//! out: [`Commitments`] and packed ciphertexts; and back again, slot by slot. What may fail:
//! opening what was changed, moved or erased ([`OpenError`]). What must stay true: the
//! commitment is checked after every decryption, since XChaCha20-Poly1305 does not commit to its
//! key; the nonce of a slot never repeats under a key, since it is the event id and the slot.
//!
//! ```text
//! salt       = HKDF-SHA256(ikm = role key, info = "vitaledger/v1/salt" 00 event_id slot), 32 bytes
//! commitment = HMAC-SHA256(salt, "vitaledger/v1/commit" 00 event_id len(slot) slot presence
//!              u32be(len(value)) value)
//! ```
//! `event_id` is the 36 characters that stand in the entry; `presence` is 1 or 0.

use std::sync::LazyLock;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::cipher::{EventCipher, TAG_BYTES};
use super::commitment::{Commitment, Commitments};
use super::keys::{Secret, UnwrapError, WRAPPED_KEY_BYTES, unwrap, wrap};
use super::master::MasterKeys;
use crate::model::schema::RecordKind;
use crate::model::slot::{Role, Slot};

type HmacSha256 = Hmac<Sha256>;

/// Bytes before each ciphertext of a packed row: slot number and length.
const PART_HEAD_BYTES: usize = 3;
/// Room for ledger, event, slot name and commitment.
const AAD_BYTES: usize = 96;

/// The keys of a record's roles.
#[derive(Debug, Clone)]
pub struct RecordKeys(Vec<(Role, Secret)>);

impl RecordKeys {
    /// Fresh keys for the roles of a kind.
    pub fn generate(roles: &[Role], rng: &mut impl rand::CryptoRng) -> Self {
        Self(
            roles
                .iter()
                .map(|role| (*role, Secret::generate(rng)))
                .collect(),
        )
    }

    /// The key of a role.
    #[must_use]
    pub fn get(&self, role: Role) -> Option<&Secret> {
        self.0
            .iter()
            .find(|(other, _)| *other == role)
            .map(|(_, key)| key)
    }

    /// Wrapped for the vault: the master key's number, then role and wrapped key, each.
    ///
    /// # Errors
    /// When there is no master key.
    pub fn wrapped(
        &self,
        master: &MasterKeys,
        ledger: Uuid,
        event: Uuid,
    ) -> Result<Vec<u8>, UnwrapError> {
        let number = master.newest();
        let cipher = master.cipher(number, event)?;
        let mut packed = Vec::with_capacity(4 + self.0.len() * (1 + WRAPPED_KEY_BYTES));
        packed.extend_from_slice(&number.to_be_bytes());
        for (role, key) in &self.0 {
            packed.push(*role as u8);
            packed.extend_from_slice(&wrap(&cipher, ledger, event, *role, key));
        }
        Ok(packed)
    }

    /// Opens what [`Self::wrapped`] packed for the record's first event.
    ///
    /// # Errors
    /// When the bytes were changed, belong elsewhere, or their master key is gone.
    pub fn open(
        packed: &[u8],
        master: &MasterKeys,
        ledger: Uuid,
        event: Uuid,
    ) -> Result<Self, UnwrapError> {
        let (number, rest) = packed
            .split_first_chunk::<4>()
            .ok_or(UnwrapError::Changed)?;
        let cipher = master.cipher(u32::from_be_bytes(*number), event)?;
        if rest.len() % (1 + WRAPPED_KEY_BYTES) != 0 {
            return Err(UnwrapError::Changed);
        }
        let open = |part: &[u8]| {
            let role = Role::of_number(part[0]).ok_or(UnwrapError::Changed)?;
            Ok((role, unwrap(&cipher, ledger, event, role, &part[1..])?))
        };
        rest.chunks_exact(1 + WRAPPED_KEY_BYTES)
            .map(open)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Why a slot does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// A key does not unwrap.
    #[error(transparent)]
    Key(#[from] UnwrapError),
    /// The packed ciphertexts are cut off or name an unknown slot.
    #[error("the sealed fields of this event cannot be read: the row was changed")]
    Malformed,
    /// The ciphertext was changed or moved.
    #[error("the sealed field {0} does not open: it was changed or belongs elsewhere")]
    Ciphertext(Slot),
    /// It opens, but to another value than the entry commits to.
    #[error("the sealed field {0} is not what the entry commits to")]
    Commitment(Slot),
}

/// Commits to and encrypts the slots of one event.
pub struct Sealer {
    ledger: Uuid,
    event: Uuid,
    event_text: [u8; 36],
}

impl Sealer {
    /// For one event of one ledger.
    #[must_use]
    pub fn new(ledger: Uuid, event: Uuid) -> Self {
        let mut event_text = [0; 36];
        event.hyphenated().encode_lower(&mut event_text);
        Self {
            ledger,
            event,
            event_text,
        }
    }

    /// The salt that opens the commitment of one slot.
    fn salt(&self, prk: &HmacSha256, slot: Slot) -> [u8; 32] {
        // HKDF-Expand for one block is HMAC(PRK, info || 0x01).
        let mut mac = prk.clone();
        mac.update(b"vitaledger/v1/salt\0");
        mac.update(&self.event_text);
        mac.update(slot.name().as_bytes());
        mac.update(&[1]);
        mac.finalize().into_bytes().into()
    }

    fn commit(&self, salt: &[u8; 32], slot: Slot, value: Option<&str>) -> Commitment {
        commit(salt, &self.event_text, slot, value)
    }

    /// The end of the nonce; `aad` becomes what the ciphertext is bound to.
    fn cipher_context(&self, slot: Slot, commitment: &Commitment, aad: &mut Vec<u8>) -> [u8; 8] {
        aad.clear();
        aad.extend_from_slice(self.ledger.as_bytes());
        aad.extend_from_slice(self.event.as_bytes());
        aad.extend_from_slice(slot.name().as_bytes());
        aad.extend_from_slice(&commitment.0);
        [0, 0, 0, 0, 0, 0, 0, slot.number()]
    }

    /// Commits to every given slot, and encrypts those that have a value.
    #[must_use]
    pub fn seal(
        &self,
        keys: &RecordKeys,
        role_of: impl Fn(Slot) -> Role,
        values: &[(Slot, Option<&str>)],
    ) -> (Commitments, Vec<u8>) {
        let mut commitments = Vec::with_capacity(values.len());
        let stated = values.iter().filter_map(|(_, value)| *value);
        let length = stated.map(|value| PART_HEAD_BYTES + value.len() + TAG_BYTES);
        let mut packed = Vec::with_capacity(length.sum());
        let mut aad = Vec::with_capacity(AAD_BYTES);
        let mut of_role: Vec<(Role, HmacSha256, EventCipher)> = Vec::with_capacity(4);
        for (slot, value) in values {
            let role = role_of(*slot);
            if !of_role.iter().any(|(other, ..)| *other == role) {
                let Some(key) = keys.get(role) else { continue };
                of_role.push((
                    role,
                    extract(key),
                    EventCipher::new(key.as_bytes(), self.event.as_bytes()),
                ));
            }
            let Some((_, prk, cipher)) = of_role.iter().find(|(other, ..)| *other == role) else {
                continue;
            };
            let commitment = self.commit(&self.salt(prk, *slot), *slot, *value);
            commitments.push((*slot, commitment));
            if let Some(value) = value {
                let nonce_end = self.cipher_context(*slot, &commitment, &mut aad);
                packed.push(slot.number());
                // Cells have at most 200 characters, remarks a few times that.
                let length = u16::try_from(value.len() + TAG_BYTES).unwrap_or(u16::MAX);
                packed.extend_from_slice(&length.to_be_bytes());
                cipher.seal_onto(nonce_end, &aad, value.as_bytes(), &mut packed);
            }
        }
        (Commitments::new(commitments), packed)
    }

    /// Opens every slot that the event committed to and checks it against its commitment.
    ///
    /// # Errors
    /// The first slot that does not open.
    pub fn open(
        &self,
        keys: &RecordKeys,
        role_of: impl Fn(Slot) -> Role,
        commitments: &Commitments,
        packed: &[u8],
    ) -> Result<Vec<OpenedSlot>, OpenError> {
        let mut opened = Vec::with_capacity(commitments.len());
        self.each(keys, role_of, commitments, packed, |slot, value, salt| {
            let value = value.map(|text| Zeroizing::new(text.to_owned()));
            opened.push(OpenedSlot { slot, value, salt });
        })?;
        Ok(opened)
    }

    /// The same without keeping what was opened.
    ///
    /// # Errors
    /// The first slot that does not open.
    pub fn check(
        &self,
        keys: &RecordKeys,
        role_of: impl Fn(Slot) -> Role,
        commitments: &Commitments,
        packed: &[u8],
    ) -> Result<(), OpenError> {
        self.each(keys, role_of, commitments, packed, |_, _, _| ())
    }

    /// Opens and checks slot by slot, and shows each with its salt.
    fn each(
        &self,
        keys: &RecordKeys,
        role_of: impl Fn(Slot) -> Role,
        commitments: &Commitments,
        packed: &[u8],
        mut show: impl FnMut(Slot, Option<&str>, [u8; 32]),
    ) -> Result<(), OpenError> {
        let mut parts = unpack(packed)?;
        let longest = parts.iter().map(|(_, sealed)| sealed.len()).max();
        let mut clear = Zeroizing::new(Vec::with_capacity(longest.unwrap_or(0)));
        let mut aad = Vec::with_capacity(AAD_BYTES);
        let mut of_role: Vec<(Role, HmacSha256, EventCipher)> = Vec::with_capacity(4);
        for (slot, commitment) in commitments.iter() {
            let role = role_of(slot);
            if !of_role.iter().any(|(other, ..)| *other == role) {
                let key = keys.get(role).ok_or(OpenError::Malformed)?;
                of_role.push((
                    role,
                    extract(key),
                    EventCipher::new(key.as_bytes(), self.event.as_bytes()),
                ));
            }
            let (_, prk, cipher) = of_role
                .iter()
                .find(|(other, ..)| *other == role)
                .ok_or(OpenError::Malformed)?;
            let found = parts.iter().position(|(other, _)| *other == slot);
            let value = match found.map(|index| parts.swap_remove(index)) {
                None => None,
                Some((_, sealed)) => {
                    let nonce_end = self.cipher_context(slot, &commitment, &mut aad);
                    let text = cipher
                        .open_into(nonce_end, &aad, sealed, &mut clear)
                        .ok_or(OpenError::Ciphertext(slot))?;
                    Some(std::str::from_utf8(text).map_err(|_| OpenError::Malformed)?)
                }
            };
            let salt = self.salt(prk, slot);
            if self.commit(&salt, slot, value) != commitment {
                return Err(OpenError::Commitment(slot));
            }
            show(slot, value, salt);
        }
        if parts.is_empty() {
            Ok(())
        } else {
            Err(OpenError::Malformed)
        }
    }
}

/// A slot that was opened: its value, and the salt that lets anyone check it.
pub struct OpenedSlot {
    /// Which slot.
    pub slot: Slot,
    /// Its value, if stated.
    pub value: Option<Zeroizing<String>>,
    /// Opens the commitment of this slot alone.
    pub salt: [u8; 32],
}

/// HKDF-Extract with an empty salt (RFC 5869 2.2), ready for HKDF-Expand.
fn extract(key: &Secret) -> HmacSha256 {
    static NO_SALT: LazyLock<HmacSha256> = LazyLock::new(|| keyed(&[0; 32]));
    let mut mac = NO_SALT.clone();
    mac.update(key.as_bytes());
    keyed(&mac.finalize().into_bytes().into())
}

fn keyed(key: &[u8; 32]) -> HmacSha256 {
    <HmacSha256 as Mac>::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"))
}

/// The commitment that a disclosed salt and value give; anyone can compute it.
#[must_use]
pub fn commit(salt: &[u8; 32], event_id: &[u8; 36], slot: Slot, value: Option<&str>) -> Commitment {
    let name = slot.name().as_bytes();
    let text = value.unwrap_or_default().as_bytes();
    let mut mac = keyed(salt);
    mac.update(b"vitaledger/v1/commit\0");
    mac.update(event_id);
    mac.update(&[u8::try_from(name.len()).unwrap_or(u8::MAX)]);
    mac.update(name);
    mac.update(&[u8::from(value.is_some())]);
    mac.update(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    mac.update(text);
    Commitment(mac.finalize().into_bytes().into())
}

/// The parts of a packed row: slot number, length, ciphertext, each.
fn unpack(mut packed: &[u8]) -> Result<Vec<(Slot, &[u8])>, OpenError> {
    let mut parts = Vec::with_capacity(12);
    while let Some((head, rest)) = packed.split_first_chunk::<3>() {
        let slot = Slot::of_number(head[0]).ok_or(OpenError::Malformed)?;
        let length = usize::from(u16::from_be_bytes([head[1], head[2]]));
        let (sealed, rest) = rest.split_at_checked(length).ok_or(OpenError::Malformed)?;
        parts.push((slot, sealed));
        packed = rest;
    }
    if packed.is_empty() {
        Ok(parts)
    } else {
        Err(OpenError::Malformed)
    }
}

/// The role whose key seals a slot of a kind; slots of changes (reasons) are the record's.
#[must_use]
pub fn role_of(kind: RecordKind, slot: Slot) -> Role {
    let found = kind.slots().iter().find(|(other, _)| *other == slot);
    found.map_or(Role::Record, |(_, role)| *role)
}

#[cfg(test)]
mod tests {
    use super::super::master::MasterKey;
    use super::*;

    fn setup() -> (Sealer, RecordKeys, Vec<(Slot, Option<&'static str>)>) {
        let sealer = Sealer::new(Uuid::from_u128(1), Uuid::from_u128(2));
        let keys = RecordKeys::generate(RecordKind::Birth.roles(), &mut rand::rng());
        let values = RecordKind::Birth
            .slots()
            .iter()
            .map(|(slot, _)| (*slot, (slot.name() == "child_name").then_some("某某")))
            .collect();
        (sealer, keys, values)
    }

    fn role(slot: Slot) -> Role {
        role_of(RecordKind::Birth, slot)
    }

    #[test]
    fn what_is_sealed_opens_and_its_salt_checks_alone() {
        let (sealer, keys, values) = setup();
        let (commitments, packed) = sealer.seal(&keys, role, &values);
        let opened = sealer.open(&keys, role, &commitments, &packed).unwrap();
        assert_eq!(opened.len(), RecordKind::Birth.slots().len());
        for slot in &opened {
            let value = slot.value.as_ref().map(|text| text.as_str());
            assert_eq!(value, (slot.slot.name() == "child_name").then_some("某某"));
            let again = commit(&slot.salt, &sealer.event_text, slot.slot, value);
            assert_eq!(commitments.get(slot.slot), Some(again));
        }
        let distinct: std::collections::HashSet<_> = opened.iter().map(|slot| slot.salt).collect();
        assert_eq!(distinct.len(), opened.len());
    }

    #[test]
    fn the_salt_is_hkdf() {
        let (sealer, keys, values) = setup();
        let (commitments, packed) = sealer.seal(&keys, role, &values);
        let opened = sealer.open(&keys, role, &commitments, &packed).unwrap();
        for slot in opened {
            let key = keys.get(role(slot.slot)).unwrap();
            let mut info = b"vitaledger/v1/salt\0".to_vec();
            info.extend_from_slice(&sealer.event_text);
            info.extend_from_slice(slot.slot.name().as_bytes());
            let mut salt = [0; 32];
            hkdf::Hkdf::<Sha256>::new(None, key.as_bytes())
                .expand(&info, &mut salt)
                .unwrap();
            assert_eq!(salt, slot.salt);
        }
    }

    #[test]
    fn every_flipped_bit_of_the_row_is_found() {
        let (sealer, keys, values) = setup();
        let (commitments, packed) = sealer.seal(&keys, role, &values);
        for bit in 0..packed.len() * 8 {
            let mut changed = packed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(
                sealer.open(&keys, role, &commitments, &changed).is_err(),
                "bit {bit}"
            );
        }
        assert!(sealer.open(&keys, role, &commitments, &[]).is_err());
        let elsewhere = Sealer::new(Uuid::from_u128(1), Uuid::from_u128(3));
        assert!(elsewhere.open(&keys, role, &commitments, &packed).is_err());
    }

    #[test]
    fn wrapped_keys_open_only_in_their_place() {
        let (_, keys, _) = setup();
        let secrets = |byte| {
            let secret = Secret::new([byte; 32]);
            let made_on = None;
            [(1, MasterKey { secret, made_on })].into()
        };
        let master = MasterKeys::new(secrets(7)).unwrap();
        let (ledger, event) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let packed = keys.wrapped(&master, ledger, event).unwrap();
        let opened = RecordKeys::open(&packed, &master, ledger, event).unwrap();
        for role in RecordKind::Birth.roles() {
            assert_eq!(
                opened.get(*role).map(Secret::as_bytes),
                keys.get(*role).map(Secret::as_bytes)
            );
        }
        assert!(RecordKeys::open(&packed, &master, ledger, Uuid::from_u128(3)).is_err());
        let other = MasterKeys::new(secrets(8)).unwrap();
        assert!(RecordKeys::open(&packed, &other, ledger, event).is_err());
        for index in 0..packed.len() {
            let mut changed = packed.clone();
            changed[index] ^= 1;
            assert!(
                RecordKeys::open(&changed, &master, ledger, event).is_err(),
                "byte {index}"
            );
        }
    }
}
