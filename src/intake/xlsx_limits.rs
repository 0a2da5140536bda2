//! What a workbook may unpack to.
//!
//! What comes in: an XLSX file, which is a ZIP archive from outside. What goes out: nothing, when
//! it is within the limits. What may fail: an archive that unpacks to more than memory holds, or
//! whose table of texts asks for more room than it has texts. What must stay true: sizes are
//! measured by unpacking, because the sizes that an archive states are its author's.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::refusal::IntakeError;

/// Most bytes of all parts together.
const MAX_UNPACKED_BYTES: u64 = 2 << 30;
/// Most bytes of the parts that are held in memory: texts and styles. Sheets are streamed.
const MAX_HELD_BYTES: u64 = 512 << 20;
/// Most parts: a workbook of this intake has about twenty.
const MAX_PARTS: usize = 10_000;
/// An attribute by which the reader reserves room before it reads.
const RESERVES: &[u8] = b"uniqueCount";

/// The limits, apart from the constants so that tests need no archive of 2 GB.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub unpacked_bytes: u64,
    pub held_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked_bytes: MAX_UNPACKED_BYTES,
            held_bytes: MAX_HELD_BYTES,
        }
    }
}

/// Unpacks every part of a workbook, keeping nothing, and counts.
pub(super) fn check(path: &Path, file: &str, limits: Limits) -> Result<(), IntakeError> {
    let damaged = |what: String| IntakeError::Workbook {
        file: file.to_owned(),
        what,
    };
    let large = |what: String| IntakeError::TooLarge {
        file: file.to_owned(),
        what,
    };
    let opened = File::open(path).map_err(|source| IntakeError::Io {
        verb: "open",
        path: path.to_owned(),
        source,
    })?;
    let mut archive = zip::ZipArchive::new(BufReader::new(opened))
        .map_err(|_| damaged("it is no ZIP archive, or is protected by a password".to_owned()))?;
    if archive.len() > MAX_PARTS {
        return Err(large(format!("it has more than {MAX_PARTS} parts")));
    }
    let (mut unpacked, mut held) = (0, 0);
    for index in 0..archive.len() {
        let part = archive
            .by_index(index)
            .map_err(|_| damaged("one of its parts cannot be unpacked".to_owned()))?;
        let name = part.name().to_lowercase();
        // The table of texts is told by its name wherever it lies, as the reader finds it.
        let texts = name.contains("sharedstrings");
        let streamed = name.contains("worksheets/") && !texts && !name.contains("styles");
        let mut count = Count::default();
        let left = (limits.unpacked_bytes - unpacked).saturating_add(1);
        count
            .read(part.take(left))
            .map_err(|_| damaged("one of its parts cannot be unpacked".to_owned()))?;
        unpacked += count.bytes;
        held += if streamed { 0 } else { count.bytes };
        if unpacked > limits.unpacked_bytes {
            let most = limits.unpacked_bytes;
            return Err(large(format!("it unpacks to more than {most} bytes")));
        }
        if held > limits.held_bytes {
            let most = limits.held_bytes;
            return Err(large(format!(
                "its texts and styles unpack to more than {most} bytes"
            )));
        }
        // The shortest text of a table of texts is `<si/>`.
        if texts && count.reserved > count.bytes / 5 + 1 {
            return Err(damaged(
                "its table of texts states more texts than it has".to_owned(),
            ));
        }
    }
    Ok(())
}

/// Bytes of one part, and the largest room that it asks for.
#[derive(Default)]
struct Count {
    bytes: u64,
    reserved: u64,
}

impl Count {
    fn read(&mut self, mut part: impl Read) -> std::io::Result<()> {
        // The end of a buffer is looked at again with the next, in case the attribute lies across.
        const KEPT: usize = 128;
        let mut buffer = vec![0; 64 * 1024];
        let mut kept = 0;
        loop {
            let read = part.read(buffer.get_mut(kept..).unwrap_or_default())?;
            if read == 0 {
                return Ok(());
            }
            self.bytes += read as u64;
            let end = kept + read;
            self.look(buffer.get(..end).unwrap_or_default());
            kept = end.min(KEPT);
            buffer.copy_within(end - kept..end, 0);
        }
    }

    fn look(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| *byte == b'u') {
            rest = rest.get(at..).unwrap_or_default();
            if let Some(after) = rest.strip_prefix(RESERVES) {
                let digits = after
                    .iter()
                    .skip_while(|byte| {
                        matches!(
                            byte,
                            b' ' | b'=' | b'"' | b'\'' | b'\t' | b'\n' | b'\r' | b'+'
                        )
                    })
                    .take_while(|byte| byte.is_ascii_digit());
                let number = digits.fold(0u64, |number, digit| {
                    number
                        .saturating_mul(10)
                        .saturating_add(u64::from(digit - b'0'))
                });
                self.reserved = self.reserved.max(number);
            }
            rest = rest.get(1..).unwrap_or_default();
        }
    }
}
