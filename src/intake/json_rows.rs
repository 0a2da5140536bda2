//! JSON Lines: one object a line.
//!
//! What comes in: the bytes of a file, one object a line, whose keys are names of columns in
//! English or Chinese. What goes out: rows in the schema's order of columns; numbers keep the
//! digits that the line has. What may fail: a row (no JSON, no object, an unknown or doubled key,
//! a nested value, a line past [`MAX_LINE_BYTES`]). What must stay true: memory is bounded by one
//! line, and a message names a key but never a value.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;

use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::delivery::RowResult;
use super::encoding::Encoding;
use super::headers::{closest, column, quoted};
use super::refusal::{MAX_RAW_BYTES, RefusedRow, RowReason};
use super::row::{Cells, IntakeRow, Part, RowKind};
use super::window::Window;
use crate::model::cell::{CellReason, refused_topic};

/// Longest line.
pub(super) const MAX_LINE_BYTES: usize = 1024 * 1024;

/// What is wrong with a line: the column it is about, and the reason.
type LineFault = (Option<&'static str>, RowReason);

/// A JSON Lines file that is being read.
pub(super) struct JsonReader {
    window: Window,
    encoding: Encoding,
    line: u64,
}

impl JsonReader {
    pub fn new(input: Box<dyn io::Read + Send>, encoding: Encoding) -> Self {
        Self {
            window: Window::new(input),
            encoding,
            line: 1,
        }
    }

    /// The next row; `None` at the end of the file.
    pub fn next(&mut self, part: &Arc<Part>) -> io::Result<Option<RowResult>> {
        loop {
            let line = self.line;
            let Some(end) = self.window.line_end(MAX_LINE_BYTES)? else {
                let raw = self.window.skip_line(MAX_RAW_BYTES)?;
                self.line += 1;
                let raw = self.encoding.decode_lossy(&raw);
                let limit = MAX_LINE_BYTES;
                let reason = RowReason::TooLong { limit };
                return Ok(Some(Err(RefusedRow::new(part, line, None, reason, raw))));
            };
            let bytes = self.window.bytes().get(..end.at).unwrap_or_default();
            if end.length == 0 && bytes.is_empty() {
                return Ok(None);
            }
            let blank = bytes.trim_ascii().is_empty();
            let row = read_line(part, line, bytes, self.encoding);
            self.window.consume(end.at + end.length);
            self.line += 1;
            if !blank {
                return Ok(Some(row));
            }
        }
    }
}

fn read_line(part: &Arc<Part>, line: u64, bytes: &[u8], encoding: Encoding) -> RowResult {
    let refuse = |(column, reason), raw| Err(RefusedRow::new(part, line, column, reason, raw));
    let mut text = String::with_capacity(bytes.len());
    if !encoding.decode(bytes, &mut text) {
        let encoding_name = encoding.name();
        let reason = RowReason::Undecodable {
            encoding: encoding_name,
        };
        return refuse((None, reason), encoding.decode_lossy(bytes));
    }
    match read_object(part.kind, &text) {
        Ok(cells) => Ok(IntakeRow::new(part, line, cells).with_original(&text)),
        Err(fault) => refuse(fault, text),
    }
}

/// Reads the object of a line into cells.
fn read_object(kind: RowKind, text: &str) -> Result<Cells, LineFault> {
    let mut object = Object {
        kind,
        values: vec![None; kind.columns().len()],
        fault: None,
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = json.deserialize_map(&mut object).and_then(|()| json.end());
    if let Some(fault) = object.fault {
        return Err(fault);
    }
    if let Err(error) = read {
        // The text of the error is not used: it may quote a value.
        let reason = if error.is_data() {
            RowReason::NotAnObject
        } else {
            RowReason::NotJson {
                position: error.column(),
            }
        };
        return Err((None, reason));
    }
    let bytes = object
        .values
        .iter()
        .flatten()
        .map(|value| value.len())
        .sum();
    let mut cells = Cells::with_capacity(bytes, object.values.len());
    for value in &object.values {
        cells.push(value.as_deref().unwrap_or_default());
    }
    Ok(cells)
}

/// The object of a line, while its keys are read.
struct Object<'a> {
    kind: RowKind,
    values: Vec<Option<Cow<'a, str>>>,
    /// Kept here and not in the error, which could carry text only.
    fault: Option<LineFault>,
}

impl<'a> Object<'a> {
    fn take(&mut self, key: &str, value: &'a RawValue) -> Result<(), LineFault> {
        let Some(index) = column(self.kind, key) else {
            return Err(if refused_topic(key) {
                let text = format!("has {}, which {}", quoted(key), CellReason::RefusedTopic);
                (None, RowReason::Other(text))
            } else {
                let suggestion = closest(self.kind, key);
                let key = quoted(key);
                (None, RowReason::UnknownKey { key, suggestion })
            });
        };
        let name = self.kind.columns().get(index).map(|column| column.name);
        let Some(slot) = self.values.get_mut(index) else {
            return Ok(());
        };
        if slot.is_some() {
            return Err((name, RowReason::DuplicateKey));
        }
        let raw = value.get();
        *slot = Some(match raw.as_bytes().first() {
            Some(b'{' | b'[') => return Err((name, RowReason::Nested)),
            Some(b'"') => {
                serde_json::from_str::<Text<'a>>(raw)
                    .map_err(|_| (name, RowReason::NotJson { position: 1 }))?
                    .0
            }
            Some(b'n') => Cow::Borrowed(""),
            _ => Cow::Borrowed(raw),
        });
        Ok(())
    }
}

/// A string of JSON, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Visitor<'a> for &mut Object<'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            let value: &'a RawValue = map.next_value()?;
            if let Err(fault) = self.take(&key, value) {
                self.fault = Some(fault);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schema::RecordKind;

    fn read(text: &str) -> Result<Cells, LineFault> {
        read_object(RowKind::Record(RecordKind::Birth), text)
    }

    #[test]
    fn values_keep_their_digits() {
        let text = r#"{"来源编号":"B\u00311","weight_g":3100.0,"mother_id_no":990101197811222225,
            "remark":null,"Sex":"男","plurality":true}"#;
        let cells = read(text).unwrap();
        assert_eq!(cells.get(0), Some("B11"));
        assert_eq!(cells.get(6), Some("男"));
        assert_eq!(cells.get(8), Some("true"));
        assert_eq!(cells.get(9), Some("3100.0"));
        assert_eq!(cells.get(14), Some("990101197811222225"));
        assert_eq!(cells.get(20), Some(""));
        assert_eq!(cells.len(), 21);
    }

    #[test]
    fn what_is_refused() {
        let fault = |text| {
            let (column, reason) = read(text).unwrap_err();
            format!("{} {reason}", column.unwrap_or("the row"))
        };
        assert!(fault(r#"{"weigth_g":1}"#).contains("did you mean weight_g?"));
        assert!(fault(r#"{"准生证":1}"#).contains("refuses to hold"));
        assert!(fault(r#"{"sex":1,"性别":2}"#).starts_with("sex stands twice"));
        assert!(fault(r#"{"sex":[1]}"#).starts_with("sex is an object or a list"));
        assert!(fault(r#"{"sex":{"a":1}}"#).starts_with("sex is an object or a list"));
        for text in ["[1]", "\"张三\"", "1", "null"] {
            assert!(fault(text).contains("is not a JSON object"), "{text}");
        }
        for text in [
            r#"{"sex":1"#,
            r#"{"sex":1} x"#,
            "{sex:1}",
            "x",
            r#"{"sex":"\x"}"#,
        ] {
            assert!(fault(text).contains("is not JSON"), "{text}");
        }
    }
}
