//! Reads an entry of a record in place, straight to the cells of its row.
//!
//! What comes in: the bytes of an entry. What goes out: the cells of the row, with texts borrowed
//! from the bytes, or nothing. What may fail: nothing; where anything is not as the envelope and
//! the canonical form (RFC 8785) write it (escapes, another order, a stream that is no record, no
//! entry at all), the answer is `None`, and the entry is then read by [`Entry::parse`] and
//! [`RegisterRow::of`], which say what is wrong with it. What must stay true: every row that is
//! given here is the one that they give. So whatever they check is checked here, too, also where
//! no column comes of it: metadata, commitments, the names of slots.
//!
//! [`Entry::parse`]: crate::model::entry::Entry::parse
//! [`RegisterRow::of`]: super::row::RegisterRow::of

use chrono::NaiveDate;
use uuid::Uuid;

use super::columns::Cell;
use super::columns::builder::{MAX_FIELDS, RowCells};
use super::row::Change;
use crate::model::cell::ColumnType;
use crate::model::fields::AnyFields;
use crate::model::schema::RecordKind;
use crate::model::slot::Slot;
use crate::model::time::Timestamp;

/// Digits of a UUID with its hyphens.
const UUID_CHARS: usize = 36;
/// Characters of 32 bytes in base64url without padding.
const COMMITMENT_CHARS: usize = 43;
/// Digits of a number that fits 63 bits whatever they are.
const MAX_DIGITS: usize = 18;

/// The row of an entry; `None` when it must be read the careful way.
pub(super) fn scan(bytes: &[u8]) -> Option<RowCells<'_>> {
    // Without escapes and control characters, a text ends at the next quotation mark.
    let unusual = |byte: &u8| *byte < b' ' || *byte == b'\\';
    if bytes.iter().fold(false, |any, byte| any | unusual(byte)) {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let mut at = Scanner { text, at: 0 };
    at.literal(b"{\"aggregate_id\":\"")?;
    let record_id = at.uuid()?;
    at.literal(b"\",\"aggregate_type\":\"")?;
    let kind = RecordKind::of_type(at.text()?)?;
    at.literal(b",\"event_id\":\"")?;
    let event_id = at.uuid()?;
    at.literal(b"\",\"event_type\":\"")?;
    at.text()?;
    at.literal(b",\"event_version\":\"")?;
    at.text()?;
    at.literal(b",\"format\":1,\"metadata\":")?;
    at.map(|at, _| {
        at.literal(b"\"")?;
        at.text().map(drop)
    })?;
    at.literal(b",\"payload\":{\"")?;
    let (change, fields) = at.event(kind)?;
    at.literal(b"},\"position\":")?;
    let position = at.number()?;
    at.literal(b",\"recorded_at\":\"")?;
    let recorded_at = Timestamp::parse_canonical(at.text()?)?;
    at.literal(b",\"sequence\":")?;
    let version = at.number()?;
    at.literal(b"}")?;
    (at.at == text.len()).then_some(RowCells {
        kind,
        record_id,
        version,
        position,
        recorded_at,
        change,
        event_id,
        fields,
    })
}

type Fields<'a> = [Option<Cell<'a>>; MAX_FIELDS];

/// How far a text has been read.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn literal<const N: usize>(&mut self, expected: &[u8; N]) -> Option<()> {
        (self.rest().first_chunk::<N>() == Some(expected)).then(|| {
            self.at += N;
        })
    }

    /// So many bytes, if they are whole characters.
    fn take(&mut self, bytes: usize) -> Option<&'a str> {
        let taken = self.text.get(self.at..self.at + bytes)?;
        self.at += bytes;
        Some(taken)
    }

    /// Up to the quotation mark, which is passed.
    fn text(&mut self) -> Option<&'a str> {
        let length = self.rest().iter().position(|byte| *byte == b'"')?;
        let text = self.take(length)?;
        self.at += 1;
        Some(text)
    }

    fn uuid(&mut self) -> Option<Uuid> {
        Uuid::try_parse(self.take(UUID_CHARS)?).ok()
    }

    /// A whole number without a sign, spelled as JSON demands.
    fn number(&mut self) -> Option<u64> {
        let rest = self.rest();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > MAX_DIGITS || (digits > 1 && rest[0] == b'0') {
            return None;
        }
        self.at += digits;
        let number = rest[..digits].iter();
        Some(number.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
    }

    fn integer(&mut self) -> Option<i64> {
        if self.literal(b"-").is_none() {
            return i64::try_from(self.number()?).ok();
        }
        // JSON readers take -0 for a fraction.
        let number = self.number().filter(|number| *number > 0)?;
        i64::try_from(number).ok().map(|number| -number)
    }

    /// `YYYY-MM-DD`, with the quotation mark after it.
    fn date(&mut self) -> Option<NaiveDate> {
        let bytes: &[u8; 10] = self.text()?.as_bytes().try_into().ok()?;
        let number = |from: usize, to: usize| {
            bytes[from..to].iter().try_fold(0, |number: u32, digit| {
                let digit = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
                Some(number * 10 + digit)
            })
        };
        if bytes[4] != b'-' || bytes[7] != b'-' {
            return None;
        }
        let year = i32::try_from(number(0, 4)?).ok()?;
        NaiveDate::from_ymd_opt(year, number(5, 7)?, number(8, 10)?)
    }

    /// An object; `value` reads a value and is told its name.
    fn map(&mut self, mut value: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.literal(b"{")?;
        if self.literal(b"}").is_some() {
            return Some(());
        }
        loop {
            self.literal(b"\"")?;
            let name = self.text()?;
            self.literal(b":")?;
            value(self, name)?;
            if self.literal(b",").is_none() {
                return self.literal(b"}");
            }
        }
    }

    /// An event of a record, from its name to its end.
    fn event(&mut self, kind: RecordKind) -> Option<(Change, Fields<'a>)> {
        match self.text()? {
            "Recorded" => {
                self.literal(b":{\"commitments\":")?;
                self.commitments()?;
                self.literal(b",\"fields\":")?;
                let fields = self.fields(kind)?;
                self.literal(b"}")?;
                Some((Change::Recorded, fields))
            }
            "Corrected" => {
                self.literal(b":{\"changed\":[")?;
                self.texts()?;
                self.literal(b",\"commitments\":")?;
                self.commitments()?;
                self.literal(b",\"fields\":")?;
                let fields = self.fields(kind)?;
                self.literal(b",\"set_by\":")?;
                self.map(|at, name| {
                    Slot::of_name(name)?;
                    at.literal(b"\"")?;
                    at.uuid()?;
                    at.literal(b"\"")
                })?;
                self.literal(b"}")?;
                Some((Change::Corrected, fields))
            }
            "Voided" => {
                self.literal(b":{\"commitments\":")?;
                self.commitments()?;
                self.literal(b"}")?;
                Some((Change::Voided, [None; MAX_FIELDS]))
            }
            _ => None,
        }
    }

    /// The texts of a list, from after its bracket to its end.
    fn texts(&mut self) -> Option<()> {
        if self.literal(b"]").is_some() {
            return Some(());
        }
        loop {
            self.literal(b"\"")?;
            self.text()?;
            if self.literal(b",").is_none() {
                return self.literal(b"]");
            }
        }
    }

    /// Slots in order, each with 32 bytes in base64url.
    fn commitments(&mut self) -> Option<()> {
        let mut last = None;
        self.map(|at, name| {
            let slot = Slot::of_name_after(last, name)?;
            let in_order = last.replace(slot).is_none_or(|last| last < slot);
            at.literal(b"\"")?;
            let taken = at.take(COMMITMENT_CHARS)?;
            at.literal(b"\"")?;
            (in_order && is_commitment(taken.as_bytes())).then_some(())
        })
    }

    /// Public fields in the order of the columns; what is not stated is left out.
    fn fields(&mut self, kind: RecordKind) -> Option<Fields<'a>> {
        let (columns, spellings) = (AnyFields::columns(kind), AnyFields::spellings(kind));
        let mut fields = [None; MAX_FIELDS];
        let mut next = 0;
        self.map(|at, name| {
            let found = columns[next..]
                .iter()
                .position(|(other, _)| *other == name)?;
            let column = next + found;
            next = column + 1;
            fields[column] = Some(match columns[column].1 {
                ColumnType::Integer => Cell::Integer(at.integer()?),
                ColumnType::Date => {
                    at.literal(b"\"")?;
                    Cell::Date(at.date()?)
                }
                ColumnType::Text => {
                    at.literal(b"\"")?;
                    let text = at.text()?;
                    if !spellings[column](text) {
                        return None;
                    }
                    Cell::Text(text)
                }
            });
            Some(())
        })?;
        Some(fields)
    }
}

/// The six bits of each character of base64url (RFC 4648 section 5); [`NO_DIGIT`] for others.
const BASE64URL: [u8; 256] = {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut values = [NO_DIGIT; 256];
    let mut at = 0;
    while at < digits.len() {
        #[expect(clippy::cast_possible_truncation, reason = "there are 64 digits")]
        let value = at as u8;
        values[digits[at] as usize] = value;
        at += 1;
    }
    values
};
/// More than six bits.
const NO_DIGIT: u8 = 0x80;

/// Whether the characters are 32 bytes: 42 of them hold six bits, the last one four and two zeros.
fn is_commitment(text: &[u8]) -> bool {
    let Some((last, others)) = text.split_last() else {
        return false;
    };
    let value = |byte: &u8| BASE64URL[usize::from(*byte)];
    let all = others.iter().fold(0, |all, byte| all | value(byte));
    all & NO_DIGIT == 0 && value(last) & (NO_DIGIT | 0b11) == 0
}

#[cfg(test)]
mod tests;
