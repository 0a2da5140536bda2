//! The container of an evidence bundle: a ZIP file in one permitted form.
//!
//! What comes in: named parts, or the bytes of a file that somebody sent. What goes out: the
//! bytes, or the parts. What may fail: bytes that are not exactly what [`pack`] writes for the
//! parts that they hold ([`PackError`]). What must stay true: everything in the file is one of its
//! parts: nothing lies between, before or behind them, no name stands twice, no part is larger
//! than it says, and two programs that unpack it see the same. Parts are stored, not compressed, so
//! that reading needs no more memory than the file has bytes.

use thiserror::Error;

/// The longest file that is read or written: 64 MiB, some 40,000 entries.
pub const MAX_PACK_BYTES: usize = 64 << 20;
/// The most parts: what the format's 16-bit count takes.
const MAX_PARTS: usize = 10_000;
/// The longest name.
const MAX_NAME_BYTES: usize = 100;

/// Signatures of the three records (APPNOTE.TXT 4.3.7, 4.3.12, 4.3.16).
const LOCAL: &[u8; 4] = b"PK\x03\x04";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const END: &[u8; 4] = b"PK\x05\x06";
/// Version 2.0 suffices to read it, and names are UTF-8 (bit 11).
const VERSION: [u8; 2] = [20, 0];
const FLAGS: [u8; 2] = [0, 8];
/// 1 January 1980, 00:00: a bundle says nothing of when it was packed.
const TIME_AND_DATE: [u8; 4] = [0, 0, 33, 0];
/// Length of a local header without its name.
const LOCAL_BYTES: usize = 30;

/// Why bytes are no bundle.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PackError {
    /// Too long, or too many parts.
    #[error("a bundle has at most {MAX_PACK_BYTES} bytes and {MAX_PARTS} parts")]
    TooLarge,
    /// A name that no part has.
    #[error("{name:?} cannot be the name of a part")]
    Name {
        /// The name, or its beginning.
        name: String,
    },
    /// A name stands twice.
    #[error("the part {name} is there twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// Another form than the permitted one.
    #[error(
        "the file is not packed as evidence is: it was cut off, changed or packed again; ask for the file as it was made"
    )]
    Form,
}

/// A name and what it names.
pub type Part = (String, Vec<u8>);

/// Names are relative, in lower case but for the README, and cannot leave a folder.
fn is_name(name: &str) -> bool {
    let segment = |segment: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
        !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(allowed)
    };
    name.len() <= MAX_NAME_BYTES && name.split('/').all(segment)
}

/// Packs parts in this order.
///
/// # Errors
/// [`PackError::TooLarge`], [`PackError::Name`], [`PackError::Twice`].
pub fn pack(parts: &[Part]) -> Result<Vec<u8>, PackError> {
    let mut seen = std::collections::HashSet::new();
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    if parts.len() > MAX_PARTS {
        return Err(PackError::TooLarge);
    }
    for (name, data) in parts {
        if !is_name(name) {
            let name = name.chars().take(MAX_NAME_BYTES).collect();
            return Err(PackError::Name { name });
        }
        if !seen.insert(name) {
            return Err(PackError::Twice { name: name.clone() });
        }
        let offset = word(bytes.len())?;
        let described = describe(name, data)?;
        bytes.extend_from_slice(LOCAL);
        bytes.extend_from_slice(&described);
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(data);
        directory.extend_from_slice(CENTRAL);
        directory.extend_from_slice(&VERSION);
        directory.extend_from_slice(&described);
        // No comment, first disk, no attributes.
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&offset);
        directory.extend_from_slice(name.as_bytes());
        if bytes.len() + directory.len() > MAX_PACK_BYTES {
            return Err(PackError::TooLarge);
        }
    }
    let (start, length) = (word(bytes.len())?, word(directory.len())?);
    bytes.extend_from_slice(&directory);
    bytes.extend_from_slice(END);
    bytes.extend_from_slice(&[0; 4]);
    let count = u16::try_from(parts.len()).map_err(|_| PackError::TooLarge)?;
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&start);
    bytes.extend_from_slice(&[0; 2]);
    Ok(bytes)
}

/// What local and central header say alike: from the version needed to the length of the extras.
fn describe(name: &str, data: &[u8]) -> Result<Vec<u8>, PackError> {
    let size = word(data.len())?;
    let length = u16::try_from(name.len()).map_err(|_| PackError::TooLarge)?;
    let stored = [0; 2];
    let checksum = crc32fast::hash(data).to_le_bytes();
    Ok([
        &VERSION[..],
        &FLAGS,
        &stored,
        &TIME_AND_DATE,
        &checksum,
        &size,
        &size,
        &length.to_le_bytes(),
        &[0; 2],
    ]
    .concat())
}

fn word(number: usize) -> Result<[u8; 4], PackError> {
    let number = u32::try_from(number).map_err(|_| PackError::TooLarge)?;
    Ok(number.to_le_bytes())
}

/// Reads the parts, in their order.
///
/// # Errors
/// See [`PackError`].
pub fn unpack(bytes: &[u8]) -> Result<Vec<Part>, PackError> {
    if bytes.len() > MAX_PACK_BYTES {
        return Err(PackError::TooLarge);
    }
    let mut parts = Vec::new();
    let mut rest = bytes;
    while rest.starts_with(LOCAL) {
        let header = rest.first_chunk::<LOCAL_BYTES>().ok_or(PackError::Form)?;
        let size = u32::from_le_bytes([header[18], header[19], header[20], header[21]]);
        let name_length = usize::from(u16::from_le_bytes([header[26], header[27]]));
        let (name, after) = rest
            .get(LOCAL_BYTES..)
            .and_then(|after| after.split_at_checked(name_length))
            .ok_or(PackError::Form)?;
        let size = usize::try_from(size).map_err(|_| PackError::Form)?;
        let (data, after) = after.split_at_checked(size).ok_or(PackError::Form)?;
        let name = str::from_utf8(name).map_err(|_| PackError::Form)?;
        if parts.len() >= MAX_PARTS {
            return Err(PackError::TooLarge);
        }
        parts.push((name.to_owned(), data.to_vec()));
        rest = after;
    }
    // One form: whatever else the bytes say is compared with what these parts give.
    if pack(&parts)? == bytes {
        Ok(parts)
    } else {
        Err(PackError::Form)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn parts() -> Vec<Part> {
        vec![
            ("README.md".to_owned(), b"how to check".to_vec()),
            ("entries/7.json".to_owned(), vec![]),
            ("summary.html".to_owned(), vec![0; 300]),
        ]
    }

    #[test]
    fn other_programs_read_what_is_packed() {
        let bytes = pack(&parts()).unwrap();
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&bytes)).unwrap();
        assert_eq!(archive.len(), 3);
        for (name, data) in parts() {
            let mut found = Vec::new();
            let mut part = archive.by_name(&name).unwrap();
            part.read_to_end(&mut found).unwrap();
            assert_eq!(found, data, "{name}");
        }
        assert_eq!(unpack(&bytes).unwrap(), parts());
    }

    #[test]
    fn every_changed_byte_is_refused_or_is_of_a_part() {
        let bytes = pack(&parts()).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                // Data has its checksum; so no change is read at all.
                assert!(unpack(&changed).is_err(), "byte {at} bit {bit}");
            }
        }
        for length in 0..bytes.len() {
            assert!(unpack(&bytes[..length]).is_err(), "{length} bytes");
        }
        assert!(unpack(&[&bytes[..], b"x"].concat()).is_err());
        assert!(unpack(&[b"x", &bytes[..]].concat()).is_err());
    }

    #[test]
    fn names_that_leave_the_folder_or_stand_twice_are_refused() {
        for name in [
            "", "/a", "a/", "a//b", "../a", "a/../b", ".a", "a\\b", "a b", "ä", "C:a",
        ] {
            let refused = pack(&[(name.to_owned(), vec![])]).unwrap_err();
            assert!(
                matches!(refused, PackError::Name { .. }),
                "{name}: {refused}"
            );
        }
        let twice = [parts()[0].clone(), parts()[0].clone()];
        assert!(matches!(pack(&twice), Err(PackError::Twice { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            start in 0..2usize, bytes in prop::collection::vec(any::<u8>(), 0..200)
        ) {
            let bytes = [&LOCAL[..start * 4], &bytes].concat();
            prop_assert!(unpack(&bytes).is_err());
        }
    }
}
