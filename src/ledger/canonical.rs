//! RFC 8785 canonical JSON (JCS), restricted to what entries use.
//!
//! What comes in: a value to write, or bytes to check. What goes out: bytes, or the assurance
//! that bytes are canonical. What may fail: [`CanonicalError`] names the offset and what is
//! wrong. What must stay true: `check(bytes)` holds exactly when parsing the bytes and writing
//! them canonically gives the same bytes, and they use only objects, arrays, strings in NFC,
//! integers up to 2^53, `true`, `false` and `null`, with ASCII keys (so that the UTF-16 order of
//! RFC 8785 section 3.2.3 is byte order).

use std::ops::Range;

use serde::Serialize;
use unicode_normalization::is_nfc;

/// Why bytes are not canonical.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// The bytes differ from their canonical form.
    #[error("not canonical at byte {offset}: {what}")]
    NotCanonical {
        /// Where, in bytes from the start.
        offset: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// The value cannot be written as JSON at all.
    #[error("cannot be written as JSON: {0}")]
    Unwritable(String),
}

/// Members that an entry has.
const OUTERMOST: usize = 11;

/// Deepest nesting of an entry.
const MAX_DEPTH: u8 = 24;

/// Writes a value whose types serialise canonically (fields in byte order, no floats).
///
/// # Errors
/// When they do not: that is a bug in the type, found by its first use.
pub fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    let mut bytes = Vec::with_capacity(1536);
    serde_json::to_writer(&mut bytes, value)
        .map_err(|error| CanonicalError::Unwritable(error.to_string()))?;
    check(&bytes)?;
    Ok(bytes)
}

/// Checks that the bytes are canonical.
///
/// # Errors
/// The first place at which they are not.
pub fn check(bytes: &[u8]) -> Result<(), CanonicalError> {
    members(bytes).map(|_| ())
}

/// The outermost object of canonical bytes, as text, and where its values lie in it.
pub struct Members<'a> {
    /// The whole.
    pub text: &'a str,
    /// Keys and their values, in order; none when the whole is no object.
    pub values: Vec<(&'a str, Range<usize>)>,
}

/// Checks that the bytes are canonical, and says what lies where.
///
/// # Errors
/// The first place at which they are not.
pub fn members(bytes: &[u8]) -> Result<Members<'_>, CanonicalError> {
    let text = std::str::from_utf8(bytes).map_err(|error| CanonicalError::NotCanonical {
        offset: error.valid_up_to(),
        what: "not UTF-8",
    })?;
    let mut scan = Scan {
        text,
        bytes,
        at: 0,
        outermost: Vec::new(),
    };
    scan.value(0)?;
    if scan.at == bytes.len() {
        let values = scan.outermost;
        Ok(Members { text, values })
    } else {
        Err(scan.wrong("something after the value"))
    }
}

/// Bytes that stand for themselves in a string: printing ASCII (and DEL) but quote and backslash.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x20;
    while byte < 0x80 {
        plain[byte] = byte != b'"' as usize && byte != b'\\' as usize;
        byte += 1;
    }
    plain
};

/// How many plain bytes there are before the first that is not: eight at a time.
fn plain_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    const TOPS: u64 = ONES << 7;
    let mut at = 0;
    while let Some(eight) = bytes[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*eight);
        // The top bit of each byte that is below `byte`; exact up to the first such byte.
        let below = |word: u64, byte: u8| word.wrapping_sub(ONES * u64::from(byte)) & !word;
        let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        let found = (word | below(word, 0x20) | is(b'"') | is(b'\\')) & TOPS;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes[at..].iter();
    at + rest.take_while(|byte| PLAIN[usize::from(**byte)]).count()
}

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// See [`Members::values`].
    outermost: Vec<(&'a str, Range<usize>)>,
}

impl<'a> Scan<'a> {
    fn wrong(&self, what: &'static str) -> CanonicalError {
        CanonicalError::NotCanonical {
            offset: self.at,
            what,
        }
    }

    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn take(&mut self, byte: u8, what: &'static str) -> Result<(), CanonicalError> {
        if self.peek() != byte {
            return Err(self.wrong(what));
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: u8) -> Result<(), CanonicalError> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("nested too deeply"));
        }
        match self.peek() {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(|_| ()),
            b'-' | b'0'..=b'9' => self.integer(),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => Err(self.wrong("no value")),
        }
    }

    fn word(&mut self, word: &'static str) -> Result<(), CanonicalError> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.wrong("no value"));
        }
        self.at += word.len();
        Ok(())
    }

    fn object(&mut self, depth: u8) -> Result<(), CanonicalError> {
        self.at += 1;
        if self.peek() == b'}' {
            self.at += 1;
            return Ok(());
        }
        let mut last: Option<&'a [u8]> = None;
        loop {
            if self.peek() != b'"' {
                return Err(self.wrong("no key"));
            }
            let key_at = self.at + 1;
            let key = self.string()?;
            if !key.iter().all(|byte| PLAIN[usize::from(*byte)]) {
                return Err(self.wrong("a key that is not plain ASCII"));
            }
            if last.is_some_and(|last| last >= key) {
                return Err(self.wrong("keys out of order or twice"));
            }
            last = Some(key);
            self.take(b':', "no colon")?;
            let value_at = self.at;
            self.value(depth + 1)?;
            if depth == 0 {
                let key = &self.text[key_at..key_at + key.len()];
                if self.outermost.is_empty() {
                    self.outermost.reserve(OUTERMOST);
                }
                self.outermost.push((key, value_at..self.at));
            }
            match self.peek() {
                b',' => self.at += 1,
                b'}' => break,
                _ => return Err(self.wrong("neither comma nor closing brace")),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn array(&mut self, depth: u8) -> Result<(), CanonicalError> {
        self.at += 1;
        if self.peek() == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            match self.peek() {
                b',' => self.at += 1,
                b']' => break,
                _ => return Err(self.wrong("neither comma nor closing bracket")),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Passes over a string and gives what stands between the quotes.
    fn string(&mut self) -> Result<&'a [u8], CanonicalError> {
        let start = self.at + 1;
        let mut ascii = true;
        self.at = start;
        loop {
            self.at += plain_bytes(&self.bytes[self.at..]);
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(0..=0x1f) => return Err(self.wrong("a control character")),
                Some(_) => {
                    ascii = false;
                    self.at += 1;
                }
                None => return Err(self.wrong("a string without an end")),
            }
        }
        if !ascii && !is_nfc(&self.text[start..self.at]) {
            return Err(self.wrong("a string that is not in NFC"));
        }
        self.at += 1;
        Ok(&self.bytes[start..self.at - 1])
    }

    /// RFC 8785 3.2.2.2: only these escapes, and `\u00xx` in lower case for the other controls.
    fn escape(&mut self) -> Result<(), CanonicalError> {
        let rest = &self.bytes[self.at + 1..];
        match rest.first() {
            Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let code = rest.get(1..5).unwrap_or_default();
                let plain = code.len() == 4
                    && code.starts_with(b"00")
                    && matches!(code[2], b'0' | b'1')
                    && matches!(code[3], b'0'..=b'9' | b'a'..=b'f')
                    && !matches!(code, b"0008" | b"0009" | b"000a" | b"000c" | b"000d");
                if !plain {
                    return Err(self.wrong("an escape that is not needed"));
                }
                self.at += 6;
            }
            _ => return Err(self.wrong("an escape that is not needed")),
        }
        Ok(())
    }

    fn integer(&mut self) -> Result<(), CanonicalError> {
        let negative = self.peek() == b'-';
        let start = self.at + usize::from(negative);
        self.at = start;
        let mut number: u64 = 0;
        while let digit @ b'0'..=b'9' = self.peek() {
            number = number
                .saturating_mul(10)
                .saturating_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let digits = self.at - start;
        if digits == 0 || (self.bytes[start] == b'0' && (digits > 1 || negative)) {
            return Err(self.wrong("a number with a leading zero or no digits"));
        }
        if matches!(self.peek(), b'.' | b'e' | b'E') {
            return Err(self.wrong("a number that is not an integer"));
        }
        if number > 1 << 53 {
            return Err(self.wrong("an integer above 2^53"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The plain way: parse, sort, write. Slow, and independent of the scanner.
    fn rewritten(bytes: &[u8]) -> Option<Vec<u8>> {
        let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
        Some(value.to_string().into_bytes())
    }

    #[test]
    fn canonical_bytes_pass() {
        for text in [
            r"{}",
            r"[]",
            r#"{"a":1,"b":[true,false,null,"é\n\u001f"],"c":-5,"d":9007199254740992}"#,
        ] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            r#"{"b":1,"a":1}"#,
            r#"{"a":1,"a":1}"#,
            r#"{ "a":1}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e3}"#,
            r#"{"a":01}"#,
            r#"{"a":-0}"#,
            r#"{"a":9007199254740993}"#,
            r#"{"a":"\u00e9"}"#,
            r#"{"a":"\/"}"#,
            r#"{"a":"\u000a"}"#,
            r#"{"a":"\u001F"}"#,
            "{\"a\":\"e\u{301}\"}",
            r#"{"a":1}x"#,
            r#"{"a":1"#,
            r#"{"é":1}"#,
            "",
        ] {
            assert!(check(text.as_bytes()).is_err(), "{text}");
        }
        assert!(check(&[b'"', 0xff, b'"']).is_err());
        assert!(check("[".repeat(1000).as_bytes()).is_err());
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            (-(1i64 << 53)..=(1i64 << 53)).prop_map(Into::into),
            "\\PC{0,12}|[\\x00-\\x7f]{0,12}".prop_map(|text: String| {
                use unicode_normalization::UnicodeNormalization;
                text.nfc().collect::<String>().into()
            }),
        ];
        leaf.prop_recursive(4, 24, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map("[a-z_]{1,6}", inner, 0..6)
                    .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_sorted_passes(value in json()) {
            prop_assert_eq!(check(value.to_string().as_bytes()), Ok(()));
        }

        #[test]
        fn a_changed_byte_passes_only_when_it_is_canonical_again(
            value in json(), at in any::<prop::sample::Index>(), byte in any::<u8>()
        ) {
            let mut bytes = value.to_string().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if check(&bytes).is_ok() {
                prop_assert_eq!(rewritten(&bytes), Some(bytes));
            }
        }

        #[test]
        fn plain_bytes_are_counted_as_one_by_one(
            bytes in prop::collection::vec(prop_oneof![9 => 0x20u8..0x7f, 1 => any::<u8>()], 0..64)
        ) {
            let plain = bytes.iter().take_while(|byte| PLAIN[usize::from(**byte)]).count();
            prop_assert_eq!(plain_bytes(&bytes), plain);
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = check(&bytes);
        }
    }
}
