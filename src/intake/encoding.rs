//! Bytes to text: what a file is encoded in, and its SHA-256, in one pass.
//!
//! What comes in: a file. What goes out: its size, SHA-256 and [`Encoding`], and later its bytes
//! without the byte order mark. What may fail: reading; and a cell whose bytes are no text in the
//! encoding of the file, which is for the row to say. What must stay true: no more than one
//! buffer of the file is in memory, and one broken byte does not turn a UTF-8 file into GB18030,
//! which would read every name of it wrongly without a word.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use encoding_rs::{CoderResult, Decoder, GB18030, UTF_16BE, UTF_16LE};
use sha2::{Digest, Sha256};

const BUFFER_BYTES: usize = 128 * 1024;

/// What the text of a file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Gb18030,
    Utf16Le,
    Utf16Be,
}

impl Encoding {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Gb18030 => "GB18030",
            Self::Utf16Le | Self::Utf16Be => "UTF-16",
        }
    }

    /// Adds the text of a cell; `false` when its bytes are no text.
    pub fn decode(self, bytes: &[u8], text: &mut String) -> bool {
        match self {
            Self::Gb18030 if !bytes.is_ascii() => {
                let decoded = GB18030.decode_without_bom_handling_and_without_replacement(bytes);
                decoded.is_some_and(|decoded| {
                    text.push_str(&decoded);
                    true
                })
            }
            _ => std::str::from_utf8(bytes).is_ok_and(|decoded| {
                // The transcoder marks what it could not read with U+FFFD.
                let whole = matches!(self, Self::Utf8 | Self::Gb18030)
                    || !decoded.contains(char::REPLACEMENT_CHARACTER);
                text.push_str(decoded);
                whole
            }),
        }
    }

    /// The text of a row for the rejects file, whatever its bytes are.
    pub fn decode_lossy(self, bytes: &[u8]) -> String {
        match self {
            Self::Gb18030 => GB18030.decode_without_bom_handling(bytes).0.into_owned(),
            _ => String::from_utf8_lossy(bytes).into_owned(),
        }
    }
}

/// How a file stood on the disk; another stamp means another content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub size_bytes: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    pub fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            size_bytes: metadata.len(),
            modified: metadata.modified().ok(),
        })
    }
}

/// What one pass over a file tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Examined {
    pub stamp: Stamp,
    pub sha256: [u8; 32],
    pub encoding: Encoding,
}

/// Hashes a file and tells its encoding.
pub(super) fn examine(path: &Path) -> io::Result<Examined> {
    let mut file = File::open(path)?;
    let mut stamp = Stamp::of(&file)?;
    let mut hash = Sha256::new();
    let mut evidence = Evidence::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut size_bytes = 0;
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        hash.update(bytes);
        evidence.add(bytes);
        size_bytes += count as u64;
    }
    // The size that was hashed: a file that grew meanwhile no longer fits its stamp.
    stamp.size_bytes = size_bytes;
    Ok(Examined {
        stamp,
        sha256: hash.finalize().into(),
        encoding: evidence.encoding(),
    })
}

/// What speaks for UTF-8 and against it.
#[derive(Default)]
struct Evidence {
    start: Vec<u8>,
    carried: Vec<u8>,
    /// Characters of three bytes and more, as every Chinese one has in UTF-8; two bytes that are
    /// valid UTF-8 by chance are common in GB18030.
    wide: u64,
    errors: u64,
}

impl Evidence {
    fn add(&mut self, bytes: &[u8]) {
        let missing = 3usize.saturating_sub(self.start.len());
        self.start.extend(bytes.iter().take(missing));
        if self.carried.is_empty() {
            self.count(bytes);
        } else {
            // A character that lies across two buffers: at most three bytes wait for the next.
            let mut joined = std::mem::take(&mut self.carried);
            joined.extend_from_slice(bytes);
            self.count(&joined);
        }
    }

    fn count(&mut self, mut bytes: &[u8]) {
        let leads = |valid: &[u8]| valid.iter().filter(|byte| **byte >= 0xe0).count() as u64;
        loop {
            match std::str::from_utf8(bytes) {
                Ok(_) => {
                    self.wide += leads(bytes);
                    return;
                }
                Err(error) => {
                    let (valid, rest) = bytes.split_at(error.valid_up_to());
                    self.wide += leads(valid);
                    let Some(skipped) = error.error_len() else {
                        self.carried = rest.to_vec();
                        return;
                    };
                    self.errors += 1;
                    bytes = rest.get(skipped..).unwrap_or_default();
                }
            }
        }
    }

    fn encoding(&self) -> Encoding {
        if self.start.starts_with(&[0xff, 0xfe]) {
            return Encoding::Utf16Le;
        }
        if self.start.starts_with(&[0xfe, 0xff]) {
            return Encoding::Utf16Be;
        }
        let errors = self.errors + u64::from(!self.carried.is_empty());
        // Chinese text in GB18030 has an error in nearly every character when it is read as
        // UTF-8; a UTF-8 file with broken bytes has fewer errors than characters.
        if self.start.starts_with(&[0xef, 0xbb, 0xbf]) || errors == 0 || errors <= self.wide {
            Encoding::Utf8
        } else {
            Encoding::Gb18030
        }
    }
}

/// The bytes of a file without its byte order mark; UTF-16 comes out as UTF-8.
pub(super) fn reader(
    mut input: impl Read + Send + 'static,
    encoding: Encoding,
) -> io::Result<Box<dyn Read + Send>> {
    let mut start = Vec::with_capacity(3);
    input.by_ref().take(3).read_to_end(&mut start)?;
    let mark = match encoding {
        Encoding::Utf8 if start.starts_with(&[0xef, 0xbb, 0xbf]) => 3,
        Encoding::Gb18030 | Encoding::Utf8 => 0,
        Encoding::Utf16Le | Encoding::Utf16Be => 2.min(start.len()),
    };
    start.drain(..mark);
    let input = io::Cursor::new(start).chain(input);
    Ok(match encoding {
        Encoding::Utf8 | Encoding::Gb18030 => Box::new(input),
        Encoding::Utf16Le => Box::new(Transcoder::new(input, UTF_16LE)),
        Encoding::Utf16Be => Box::new(Transcoder::new(input, UTF_16BE)),
    })
}

/// Reads UTF-16 and gives UTF-8.
struct Transcoder<R> {
    input: R,
    decoder: Decoder,
    raw: Vec<u8>,
    raw_at: usize,
    text: Vec<u8>,
    text_at: usize,
    ended: bool,
}

impl<R: Read> Transcoder<R> {
    fn new(input: R, encoding: &'static encoding_rs::Encoding) -> Self {
        Self {
            input,
            decoder: encoding.new_decoder_without_bom_handling(),
            raw: Vec::new(),
            raw_at: 0,
            text: Vec::new(),
            text_at: 0,
            ended: false,
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        if self.raw_at >= self.raw.len() {
            self.raw.clear();
            self.raw_at = 0;
            let limit = BUFFER_BYTES as u64;
            let count = self.input.by_ref().take(limit).read_to_end(&mut self.raw)?;
            self.ended = count == 0;
        }
        self.text.resize(BUFFER_BYTES, 0);
        let raw = self.raw.get(self.raw_at..).unwrap_or_default();
        let (result, read, written, _) =
            self.decoder.decode_to_utf8(raw, &mut self.text, self.ended);
        self.raw_at += read;
        self.text.truncate(written);
        self.text_at = 0;
        if result == CoderResult::OutputFull {
            // What is left in `raw` comes with the next call, also when the input has ended.
            self.ended = false;
        }
        Ok(())
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.text_at >= self.text.len() {
            if self.ended {
                return Ok(0);
            }
            self.refill()?;
        }
        let ready = self.text.get(self.text_at..).unwrap_or_default();
        let count = ready.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..count), ready.get(..count)) {
            to.copy_from_slice(from);
        }
        self.text_at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(parts: &[&[u8]]) -> Encoding {
        let mut evidence = Evidence::default();
        for part in parts {
            evidence.add(part);
        }
        evidence.encoding()
    }

    #[test]
    fn valid_utf8_wins_and_a_broken_byte_does_not_change_that() {
        let text = "来源编号,姓名\nB1,张三\n".as_bytes();
        assert_eq!(detect(&[text]), Encoding::Utf8);
        for cut in 0..text.len() {
            assert_eq!(
                detect(&[&text[..cut], &text[cut..]]),
                Encoding::Utf8,
                "{cut}"
            );
        }
        assert_eq!(detect(&[text, b"\xff\xd5\xc5,x"]), Encoding::Utf8);
        assert_eq!(detect(&[b"\xef\xbb\xbfa,\xd5\xc5\xc8\xfd"]), Encoding::Utf8);
        let (gb, ..) = GB18030.encode("source_record_id,姓名\nB1,张三\n");
        assert_eq!(detect(&[&gb]), Encoding::Gb18030);
        assert_eq!(detect(&[b""]), Encoding::Utf8);
    }

    #[test]
    fn utf16_is_read_across_buffers() {
        let text = "来源,张三🙂\n".repeat(40_000);
        let mut bytes = vec![0xff, 0xfe];
        bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(detect(&[&bytes[..5]]), Encoding::Utf16Le);
        let mut read = String::new();
        let mut input = reader(io::Cursor::new(bytes), Encoding::Utf16Le).unwrap();
        input.read_to_string(&mut read).unwrap();
        assert!(read == text);
        let cut = io::Cursor::new(b"\xff\xfea\0\x00\xd8".to_vec());
        let mut read = String::new();
        reader(cut, Encoding::Utf16Le)
            .unwrap()
            .read_to_string(&mut read)
            .unwrap();
        assert_eq!(read, "a\u{fffd}");
    }
}
