//! A window on a file: the bytes that are being looked at.
//!
//! What comes in: a stream of bytes. What goes out: the bytes that are loaded, more on demand. What
//! may fail: reading. What must stay true: the window never holds more than its limit, whatever
//! the file is.

use std::io::{self, Read};

/// One step of reading; the window grows by this when nothing in it can be given up.
const STEP_BYTES: usize = 256 * 1024;

/// Bytes of a stream, from a position that only moves forward.
pub(super) struct Window {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
}

/// The end of a line: how many bytes come before it, and how long it is itself.
pub(super) struct LineEnd {
    pub at: usize,
    pub length: usize,
}

impl Window {
    pub fn new(input: Box<dyn Read + Send>) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            start: 0,
            ended: false,
        }
    }

    /// What is loaded and not yet consumed.
    pub fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Whether nothing follows what is loaded.
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// Gives up the first bytes.
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.buffer.len());
    }

    /// Loads more.
    pub fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let limit = STEP_BYTES as u64;
        let count = self
            .input
            .by_ref()
            .take(limit)
            .read_to_end(&mut self.buffer)?;
        self.ended = count == 0;
        Ok(())
    }

    /// Finds the end of the first line within `limit` bytes, loading what is needed.
    pub fn line_end(&mut self, limit: usize) -> io::Result<Option<LineEnd>> {
        let mut searched = 0;
        loop {
            let bytes = self.bytes();
            let rest = bytes.get(searched..).unwrap_or_default();
            if let Some(found) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
                let at = searched + found;
                let known = at + 1 < bytes.len() || self.ended;
                if known {
                    let pair = bytes.get(at..at + 2) == Some(b"\r\n".as_slice());
                    let length = if pair { 2 } else { 1 };
                    return Ok((at <= limit).then_some(LineEnd { at, length }));
                }
                searched = at;
            } else {
                searched = bytes.len();
                if self.ended {
                    let end = LineEnd {
                        at: searched,
                        length: 0,
                    };
                    return Ok((searched <= limit).then_some(end));
                }
            }
            if searched > limit {
                return Ok(None);
            }
            self.fill()?;
        }
    }

    /// Gives up a line whose end is too far away; returns its first bytes.
    pub fn skip_line(&mut self, keep: usize) -> io::Result<Vec<u8>> {
        let bytes = self.bytes();
        let kept = bytes.get(..keep).unwrap_or(bytes).to_vec();
        loop {
            if let Some(end) = self.line_end(STEP_BYTES)? {
                self.consume(end.at + end.length);
                return Ok(kept);
            }
            self.consume(STEP_BYTES);
        }
    }
}
