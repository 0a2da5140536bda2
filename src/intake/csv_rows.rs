//! CSV: records of a file, streamed.
//!
//! What comes in: the bytes of a CSV file after its byte order mark. What goes out: rows in the
//! schema's order of columns, each with the physical line on which it starts. What may fail: a
//! row (too many or too few cells, no text, a quote that is not closed, far too long); the next
//! line is then tried again, so that one open quote does not swallow the rest of the file. What
//! must stay true: memory is bounded by [`MAX_RECORD_BYTES`], and lines are counted as an editor
//! counts them, also within quotes and over blank lines.
//!
//! Splitting is done on bytes: none of the signs of CSV can be a later byte of a character in
//! UTF-8 or GB18030.

use std::io;
use std::sync::Arc;

use super::delivery::RowResult;
use super::encoding::Encoding;
use super::headers;
use super::refusal::{MAX_RAW_BYTES, RefusedRow, RowReason};
use super::row::{Cells, IntakeRow, Part, RowKind};
use super::window::Window;

/// Longest record: 21 cells of 200 characters need 17 kB at most; the rest is for `remark`s that
/// will be refused by name.
pub(super) const MAX_RECORD_BYTES: usize = 64 * 1024;

/// A cell in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
    /// Whether it was quoted and has to be unquoted.
    quoted: bool,
}

/// What the start of the window holds.
#[derive(Debug, PartialEq, Eq)]
enum Scan {
    /// A record of so many bytes with its line end, and the line breaks in them.
    Record { bytes: usize, lines: u64 },
    /// The record is not complete; `quoted` when its last quote is open.
    Incomplete { quoted: bool },
}

/// Finds the end of the first record and its cells.
fn scan(bytes: &[u8], delimiter: u8, ended: bool, spans: &mut Vec<Span>) -> Scan {
    spans.clear();
    let (mut start, mut at, mut lines) = (0, 0, 0);
    let mut quoted = false;
    loop {
        if at == start && bytes.get(at) == Some(&b'"') {
            quoted = true;
            at += 1;
            // To the closing quote; a doubled one stands for itself.
            loop {
                match bytes.get(at) {
                    None => return Scan::Incomplete { quoted: true },
                    Some(b'"') if bytes.get(at + 1) == Some(&b'"') => at += 1,
                    Some(b'"') if at + 1 < bytes.len() || ended => break,
                    Some(b'"') => return Scan::Incomplete { quoted: false },
                    Some(b'\n') => lines += 1,
                    Some(b'\r') if bytes.get(at + 1) != Some(&b'\n') => lines += 1,
                    Some(_) => {}
                }
                at += 1;
            }
            at += 1;
        }
        while bytes
            .get(at)
            .is_some_and(|byte| *byte != delimiter && *byte != b'\n' && *byte != b'\r')
        {
            at += 1;
        }
        let end = at;
        let step = match bytes.get(at) {
            None if !ended => return Scan::Incomplete { quoted: false },
            None => 0,
            Some(b'\r') if at + 1 == bytes.len() && !ended => {
                return Scan::Incomplete { quoted: false };
            }
            Some(b'\r') if bytes.get(at + 1) == Some(&b'\n') => 2,
            Some(_) => 1,
        };
        spans.push(Span { start, end, quoted });
        let more = bytes.get(at) == Some(&delimiter);
        at += step;
        if !more {
            let lines = lines + u64::from(step > 0);
            return Scan::Record { bytes: at, lines };
        }
        start = at;
        quoted = false;
    }
}

/// Decodes one cell; `false` when its bytes are no text.
fn decode(encoding: Encoding, bytes: &[u8], span: Span, text: &mut String) -> bool {
    let cell = bytes.get(span.start..span.end).unwrap_or_default();
    if !span.quoted {
        return encoding.decode(cell, text);
    }
    let mut plain = Vec::with_capacity(cell.len());
    let mut rest = cell.iter().skip(1).copied().peekable();
    let mut open = true;
    while let Some(byte) = rest.next() {
        if byte == b'"' && open {
            if rest.next_if_eq(&b'"').is_some() {
                plain.push(b'"');
            } else {
                // What follows the closing quote is kept as it stands.
                open = false;
            }
        } else {
            plain.push(byte);
        }
    }
    encoding.decode(&plain, text)
}

/// A CSV file that is being read.
pub(super) struct CsvReader {
    window: Window,
    encoding: Encoding,
    delimiter: u8,
    /// The line on which the window starts.
    line: u64,
    spans: Vec<Span>,
}

impl CsvReader {
    pub fn new(input: Box<dyn io::Read + Send>, encoding: Encoding) -> Self {
        Self {
            window: Window::new(input),
            encoding,
            delimiter: b',',
            line: 1,
            spans: Vec::new(),
        }
    }

    /// Reads the first line that is not blank. A header that is no text, or never ends, has no
    /// names, which its reader will refuse.
    pub fn header(&mut self, kind: RowKind) -> io::Result<Vec<String>> {
        loop {
            while !self.window.ended() && self.window.bytes().len() <= MAX_RECORD_BYTES {
                self.window.fill()?;
            }
            let encoding = self.encoding;
            let bytes = self.window.bytes();
            let ended = self.window.ended();
            let split = |delimiter: u8| {
                let mut spans = Vec::new();
                match scan(bytes, delimiter, ended, &mut spans) {
                    Scan::Record { .. } => spans
                        .iter()
                        .map(|span| {
                            let mut name = String::new();
                            decode(encoding, bytes, *span, &mut name);
                            name
                        })
                        .collect(),
                    Scan::Incomplete { .. } => Vec::new(),
                }
            };
            let delimiter = headers::delimiter(kind, split);
            let names = split(delimiter);
            self.delimiter = delimiter;
            let Scan::Record {
                bytes: count,
                lines,
            } = scan(bytes, delimiter, ended, &mut self.spans)
            else {
                return Ok(Vec::new());
            };
            self.window.consume(count);
            self.line += lines;
            let blank = names.iter().all(|name| name.trim().is_empty());
            if !blank || count == 0 {
                return Ok(names);
            }
        }
    }

    /// The next row; `None` at the end of the file.
    pub fn next(&mut self, part: &Arc<Part>) -> io::Result<Option<RowResult>> {
        loop {
            let bytes = self.window.bytes();
            let ended = self.window.ended();
            let looked_at = bytes.get(..=MAX_RECORD_BYTES).unwrap_or(bytes);
            let whole = ended && looked_at.len() == bytes.len();
            match scan(looked_at, self.delimiter, whole, &mut self.spans) {
                Scan::Record { bytes: 0, .. } => return Ok(None),
                Scan::Record {
                    bytes: count,
                    lines,
                } => {
                    let row = self.row(part, count);
                    self.window.consume(count);
                    self.line += lines;
                    if row.is_some() {
                        return Ok(row);
                    }
                }
                Scan::Incomplete { quoted } => {
                    if whole || looked_at.len() > MAX_RECORD_BYTES {
                        return self.refuse_line(part, quoted).map(Some);
                    }
                    self.window.fill()?;
                }
            }
        }
    }

    /// The record at the start of the window; `None` for a blank one.
    fn row(&self, part: &Arc<Part>, count: usize) -> Option<RowResult> {
        let bytes = self.window.bytes().get(..count).unwrap_or_default();
        let expected = part.layout.of_file.len();
        let filled = |span: &Span| {
            let cell = bytes.get(span.start..span.end).unwrap_or_default();
            !cell.trim_ascii().is_empty()
        };
        let found = match self.spans.len() {
            count if count > expected => self
                .spans
                .iter()
                .rposition(filled)
                .map_or(0, |last| last + 1)
                .max(expected),
            count => count,
        };
        let refuse = |column, reason| {
            let raw = self.encoding.decode_lossy(bytes.trim_ascii_end());
            Some(Err(RefusedRow::new(part, self.line, column, reason, raw)))
        };
        if found != expected {
            if !self.spans.iter().any(filled) {
                return None;
            }
            return refuse(
                None,
                if found > expected {
                    RowReason::TooManyCells { found, expected }
                } else {
                    RowReason::TooFewCells { found, expected }
                },
            );
        }
        let mut cells = Cells::with_capacity(count, part.layout.of_schema.len());
        for (index, at) in part.layout.of_schema.iter().enumerate() {
            if let Some(span) = at.and_then(|at| self.spans.get(at))
                && !decode(self.encoding, bytes, *span, cells.text_mut())
            {
                let column = part.kind.columns().get(index).map(|column| column.name);
                let encoding = self.encoding.name();
                return refuse(column, RowReason::Undecodable { encoding });
            }
            cells.end();
        }
        if cells.are_blank() {
            return None;
        }
        Some(Ok(IntakeRow::new(part, self.line, cells)))
    }

    /// Refuses the first line of a record that has no end, and goes on after that line.
    fn refuse_line(&mut self, part: &Arc<Part>, quoted: bool) -> io::Result<RowResult> {
        let limit = MAX_RECORD_BYTES;
        let (raw, reason) = if let Some(end) = self.window.line_end(limit)? {
            let raw = self
                .window
                .bytes()
                .get(..end.at)
                .unwrap_or_default()
                .to_vec();
            self.window.consume(end.at + end.length);
            let reason = if quoted {
                RowReason::UnclosedQuote
            } else {
                RowReason::TooLong { limit }
            };
            (raw, reason)
        } else {
            let raw = self.window.skip_line(MAX_RAW_BYTES)?;
            (raw, RowReason::TooLong { limit })
        };
        let line = self.line;
        self.line += 1;
        let raw = self.encoding.decode_lossy(&raw);
        Ok(Err(RefusedRow::new(part, line, None, reason, raw)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<(u64, Vec<String>)> {
        let mut rest = text.as_bytes();
        let (mut line, mut found, mut spans) = (1, Vec::new(), Vec::new());
        while let Scan::Record { bytes, lines } = scan(rest, b',', true, &mut spans) {
            if bytes == 0 {
                break;
            }
            let record = spans.iter().map(|span| {
                let mut cell = String::new();
                assert!(decode(Encoding::Utf8, rest, *span, &mut cell));
                cell
            });
            found.push((line, record.collect()));
            rest = &rest[bytes..];
            line += lines;
        }
        found
    }

    #[test]
    fn records_are_split_as_rfc_4180_says() {
        let found = cells("a,\"b \"\"x\"\"\"\r\n\r\n\"1\n2\",5\" tall\r3,\n,");
        let expected: Vec<(u64, Vec<&str>)> = vec![
            (1, vec!["a", "b \"x\""]),
            (2, vec![""]),
            (3, vec!["1\n2", "5\" tall"]),
            (5, vec!["3", ""]),
            (6, vec!["", ""]),
        ];
        let expected: Vec<(u64, Vec<String>)> = expected
            .into_iter()
            .map(|(line, record)| (line, record.into_iter().map(str::to_owned).collect()))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(cells("\"a\"b,c")[0].1, ["ab", "c"]);
    }

    #[test]
    fn a_record_that_may_go_on_is_incomplete() {
        let mut spans = Vec::new();
        for (text, quoted) in [
            ("a,b", false),
            ("a\r", false),
            ("\"a\"", false),
            ("\"a\n", true),
        ] {
            let scanned = scan(text.as_bytes(), b',', false, &mut spans);
            assert_eq!(scanned, Scan::Incomplete { quoted }, "{text}");
        }
        let ended = scan(b"\"a\n", b',', true, &mut spans);
        assert_eq!(ended, Scan::Incomplete { quoted: true });
    }
}
