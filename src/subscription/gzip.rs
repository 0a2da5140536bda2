//! A gzip stream (RFC 1952) of pieces, each of which is made once and told to many.
//!
//! What comes in: text. What goes out: a piece that may follow any other piece of any stream; what
//! stands before and after all of them. What may fail: nothing but the library. What must stay true:
//! a piece refers to nothing before it and ends at the border of a byte (RFC 1951, 3.2.4), so that
//! whoever has it can read it at once; the checksum at the end is that of what this stream was told.
//!
//! A compressor for each stream would take some 250 kB of memory, and the time of each.

use bytes::Bytes;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use std::io::{Result, Write};

/// What a stream begins with: deflate, no name, no time, no system (RFC 1952, 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// The last block, which is empty (RFC 1951, 3.2.3 and 3.2.6).
const LAST: [u8; 2] = [3, 0];

/// A piece of any number of streams.
#[derive(Debug)]
pub struct Piece {
    bytes: Bytes,
    /// Of the text, with its length.
    crc: Crc,
}

impl Piece {
    /// Of a text.
    ///
    /// # Errors
    /// When the library fails.
    pub fn of(text: &[u8]) -> Result<Self> {
        let mut crc = Crc::new();
        crc.update(text);
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
        deflate.write_all(text)?;
        // Up to the border of a byte, and not the last.
        deflate.flush()?;
        let bytes = std::mem::take(deflate.get_mut()).into();
        Ok(Self { bytes, crc })
    }

    /// How many bytes it takes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it takes none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// A stream.
#[derive(Debug, Default)]
pub struct Stream {
    /// Of all that it was told.
    crc: Crc,
    begun: bool,
}

impl Stream {
    /// The next bytes of the stream: those of a piece, after the beginning if it is the first.
    pub fn told(&mut self, piece: &Piece) -> Bytes {
        self.crc.combine(&piece.crc);
        if self.begun {
            return piece.bytes.clone();
        }
        self.begun = true;
        [HEADER.as_slice(), &piece.bytes].concat().into()
    }

    /// The last bytes of the stream.
    #[must_use]
    pub fn end(self) -> Bytes {
        let begin = if self.begun { &[][..] } else { &HEADER };
        let (sum, length) = (self.crc.sum(), self.crc.amount());
        let (sum, length) = (sum.to_le_bytes(), length.to_le_bytes());
        [begin, &LAST, &sum, &length].concat().into()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use flate2::{Decompress, FlushDecompress};
    use proptest::prelude::*;

    use super::*;

    fn unpacked(bytes: &[u8]) -> String {
        let mut text = String::new();
        // It checks the sum and the length.
        GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
        text
    }

    proptest! {
        #[test]
        fn streams_share_pieces(texts in prop::collection::vec("(a{0,300}|[ -~]{0,40})", 1..6), order in prop::collection::vec(0usize..100, 0..12)) {
            let pieces: Vec<Piece> = texts.iter().map(|text| Piece::of(text.as_bytes()).unwrap()).collect();
            for from in 0..=order.len() {
                let (mut stream, mut bytes, mut expected) = (Stream::default(), Vec::new(), String::new());
                for at in &order[from..] {
                    let at = at % texts.len();
                    bytes.extend_from_slice(&stream.told(&pieces[at]));
                    expected.push_str(&texts[at]);
                }
                bytes.extend_from_slice(&stream.end());
                prop_assert_eq!(unpacked(&bytes), expected);
            }
        }
    }

    #[test]
    fn a_piece_is_read_as_soon_as_it_is_there() {
        let mut reader = Decompress::new(false);
        let mut stream = Stream::default();
        for (number, text) in ["id: 1\n\n", "id: 1\n\n", "", "id: 2\n\n"]
            .iter()
            .enumerate()
        {
            let bytes = stream.told(&Piece::of(text.as_bytes()).unwrap());
            let bytes = if number == 0 {
                &bytes[10..]
            } else {
                &bytes[..]
            };
            let mut read = Vec::with_capacity(100);
            reader
                .decompress_vec(bytes, &mut read, FlushDecompress::Sync)
                .unwrap();
            assert_eq!(read, text.as_bytes());
        }
    }

    #[test]
    fn long_and_repeated_texts_become_short() {
        let lines: Vec<String> = (0..2_000).map(|line| format!("data: {line}\n")).collect();
        let text = lines.concat();
        let piece = Piece::of(text.as_bytes()).unwrap();
        assert!(piece.len() < text.len() / 2 && !piece.is_empty());
        let mut stream = Stream::default();
        let bytes = [stream.told(&piece), stream.told(&piece), stream.end()].concat();
        assert_eq!(unpacked(&bytes), text.repeat(2));
    }

    #[test]
    fn what_cannot_be_made_short_is_whole() {
        // Longer, packed, than what the library holds at a time.
        for length in [20_000, 32_768, 50_000, 100_000] {
            let bytes: Vec<u8> = (0..length).map(|_| rand::random()).collect();
            let text = hex::encode(bytes);
            let piece = Piece::of(text.as_bytes()).unwrap();
            let mut stream = Stream::default();
            let told = [stream.told(&piece), stream.told(&piece), stream.end()].concat();
            assert!(unpacked(&told) == text.repeat(2), "{length}");
        }
    }
}
