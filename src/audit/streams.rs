//! The versions of streams, checked in bounded memory.
//!
//! What comes in: position, stream and version of every entry, in order. What goes out: the first
//! position whose version is not the next one of its stream. What may fail: a temporary file. What
//! must stay true: memory does not grow with the log, but for a 64th of its streams at the end; a
//! log of up to 262,144 entries touches no file.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufReader, Read, Seek, Write};

use uuid::Uuid;

use super::leaves::Wrong;
use crate::model::id::Position;

/// Parts into which streams fall, by a hash that nobody outside can steer.
const PARTS: usize = 64;
/// Bytes of one note: stream, version, position.
const NOTE_BYTES: usize = 32;
/// Notes that are held in memory: 8 MiB.
const MAX_HELD: usize = 1 << 18;

/// Notes of one part.
#[derive(Default)]
struct Part {
    held: Vec<u8>,
    /// A file without a name: it is gone when it is closed.
    spilled: Option<File>,
}

/// The versions of all streams.
pub(super) struct StreamVersions {
    hashing: RandomState,
    parts: Vec<Part>,
    held: usize,
}

impl Default for StreamVersions {
    fn default() -> Self {
        Self {
            hashing: RandomState::new(),
            parts: (0..PARTS).map(|_| Part::default()).collect(),
            held: 0,
        }
    }
}

impl StreamVersions {
    /// Notes an entry.
    pub(super) fn note(&mut self, position: Position, id: Uuid, version: u64) -> io::Result<()> {
        let part = usize::try_from(self.hashing.hash_one(id) % PARTS as u64).unwrap_or(0);
        if let Some(part) = self.parts.get_mut(part) {
            part.held.extend_from_slice(id.as_bytes());
            part.held.extend_from_slice(&version.to_be_bytes());
            part.held.extend_from_slice(&position.to_be_bytes());
        }
        self.held += 1;
        if self.held >= MAX_HELD {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        for part in &mut self.parts {
            let file = match &mut part.spilled {
                Some(file) => file,
                none => none.insert(tempfile::tempfile()?),
            };
            file.write_all(&part.held)?;
            part.held.clear();
        }
        self.held = 0;
        Ok(())
    }

    /// The first entry whose version is not the next one of its stream.
    pub(super) fn first_wrong(self) -> io::Result<Option<Wrong>> {
        let mut first: Option<(Position, String)> = None;
        for part in self.parts {
            let held = io::Cursor::new(part.held);
            let wrong = match part.spilled {
                None => first_wrong(held)?,
                Some(mut file) => {
                    file.rewind()?;
                    first_wrong(BufReader::new(file).chain(held))?
                }
            };
            first = match (first, wrong) {
                (Some(one), Some(other)) => Some(if one.0 < other.0 { one } else { other }),
                (one, other) => one.or(other),
            };
        }
        Ok(first.map(|(position, what)| Wrong::at(position, what)))
    }
}

/// The notes of one part lie in the order of positions.
fn first_wrong(mut notes: impl Read) -> io::Result<Option<(Position, String)>> {
    let mut versions: HashMap<[u8; 16], u64> = HashMap::new();
    let mut note = [0; NOTE_BYTES];
    loop {
        match notes.read_exact(&mut note) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let mut id = [0; 16];
        id.copy_from_slice(&note[..16]);
        let number = |at: usize| {
            let bytes = note.get(at..at + 8).and_then(|bytes| bytes.first_chunk());
            bytes.map_or(0, |bytes| u64::from_be_bytes(*bytes))
        };
        let (version, position) = (number(16), number(24));
        let last = versions.entry(id).or_insert(0);
        if version != *last + 1 {
            let what = format!("the stream is at version {last}, but the entry has {version}");
            return Ok(Some((position, what)));
        }
        *last = version;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(versions: impl Iterator<Item = (u128, u64)>) -> Option<u64> {
        let mut streams = StreamVersions::default();
        for (position, (id, version)) in (0..).zip(versions) {
            streams
                .note(position, Uuid::from_u128(id), version)
                .unwrap();
        }
        streams
            .first_wrong()
            .unwrap()
            .and_then(|wrong| wrong.position)
    }

    #[test]
    fn versions_count_from_one_in_every_stream() {
        assert_eq!(wrong([].into_iter()), None);
        assert_eq!(
            wrong([(1, 1), (2, 1), (1, 2), (2, 2), (1, 3)].into_iter()),
            None
        );
        assert_eq!(wrong([(1, 1), (2, 2)].into_iter()), Some(1));
        assert_eq!(wrong([(1, 1), (2, 1), (1, 1)].into_iter()), Some(2));
        assert_eq!(wrong([(1, 1), (1, 3), (2, 0)].into_iter()), Some(1));
        assert_eq!(wrong([(1, u64::MAX)].into_iter()), Some(0));
    }

    #[test]
    fn more_than_memory_holds_is_checked_alike() {
        let count = u64::try_from(MAX_HELD).unwrap() * 2 + 1000;
        let good = |count| (0..count).map(|at| (u128::from(at % 50_000), at / 50_000 + 1));
        assert_eq!(wrong(good(count)), None);
        let again = good(count).chain([(7, 1)]);
        assert_eq!(wrong(again), Some(count));
        let early = good(count)
            .map(|(id, version)| (id, if (id, version) == (9, 3) { 4 } else { version }));
        assert_eq!(wrong(early), Some(100_009));
    }
}
