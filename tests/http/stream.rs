//! The blocks of a stream of server-sent events, as they come: plain, or in gzip.
//!
//! What comes in: bytes, in whatever pieces the network makes of them. What goes out: blocks, each as
//! soon as it is whole. What may fail: bytes that are not what the stream said that they were. What
//! must stay true: a block that was cut off is none.

use flate2::{Decompress, FlushDecompress};

/// Bytes of a gzip header that has no name in it (RFC 1952, 2.3).
const HEADER: usize = 10;

/// What a client has of a stream and has not read.
#[derive(Default)]
pub struct Blocks {
    /// Of a stream in gzip: how much of its header is missing, and what it is unpacked with.
    gzip: Option<(usize, Decompress)>,
    bytes: Vec<u8>,
}

impl Blocks {
    /// Of the stream of an answer, by its headers.
    pub fn of(answer: &reqwest::Response) -> Self {
        let coding = answer.headers().get("content-encoding");
        let gzip = coding.map(|coding| {
            assert_eq!(coding, "gzip");
            (HEADER, Decompress::new(false))
        });
        Self {
            gzip,
            bytes: Vec::new(),
        }
    }

    /// Takes what came.
    pub fn take(&mut self, mut came: &[u8]) {
        let Some((missing, inflate)) = &mut self.gzip else {
            self.bytes.extend_from_slice(came);
            return;
        };
        let of_header = came.len().min(*missing);
        *missing -= of_header;
        came = &came[of_header..];
        loop {
            // There is room for more after each turn: then nothing is held back.
            self.bytes.reserve(4096);
            let (read, room) = (inflate.total_in(), self.bytes.capacity());
            inflate
                .decompress_vec(came, &mut self.bytes, FlushDecompress::Sync)
                .unwrap();
            came = &came[usize::try_from(inflate.total_in() - read).unwrap()..];
            if self.bytes.len() < room {
                return;
            }
        }
    }

    /// The next block that is whole.
    pub fn next(&mut self) -> Option<String> {
        let end = self.bytes.windows(2).position(|two| two == b"\n\n")?;
        let block = self.bytes.drain(..end + 2).take(end).collect();
        Some(String::from_utf8(block).unwrap())
    }
}

/// A field of a block.
pub fn field<'a>(block: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = block.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
