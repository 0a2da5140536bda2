//! The digest of a register: what two registers must agree on to be the same.
//!
//! What comes in: the rows of one kind, in order of position. What goes out: a SHA-256. What may
//! fail: nothing. What must stay true: the digest depends on the rows alone, not on segments, on
//! Parquet, on compression or on the version of a library. It is the SHA-256 of
//!
//! ```text
//! "vitaledger/v1/register" 0x00
//! kind                      u8 length || its word
//! number of public fields   u8
//! each field                u8 length || its name || type (0 text, 1 integer, 2 date)
//! each row                  record_id (16) || version (u64) || position (u64)
//!                           || recorded_at (i64 microseconds since 1970, UTC)
//!                           || change (0 recorded, 1 corrected, 2 voided) || event_id (16)
//!   each field of the row   0x00 when it is not stated, else 0x01 and
//!                             text     u32 length || UTF-8
//!                             integer  i64
//!                             date     i32 days since 1970-01-01
//! ```
//!
//! All numbers are big-endian. Every part has a fixed length or says its length, so two different
//! sequences of rows have different encodings.

use sha2::{Digest, Sha256};

use super::row::{Change, RegisterRow};
use crate::model::cell::{ColumnType, Value};
use crate::model::fields::AnyFields;
use crate::model::schema::RecordKind;
use crate::model::time::day_number;

const DOMAIN: &[u8] = b"vitaledger/v1/register\0";

/// A digest of rows in the making.
pub(super) struct RowsDigest {
    kind: RecordKind,
    hash: Sha256,
    /// The encoding of one row, reused.
    row: Vec<u8>,
}

impl RowsDigest {
    /// Of no rows yet.
    pub(super) fn new(kind: RecordKind) -> Self {
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        hash.update(header(kind));
        Self {
            kind,
            hash,
            row: Vec::new(),
        }
    }

    /// Adds a row of the kind.
    pub(super) fn push(&mut self, row: &RegisterRow) {
        debug_assert_eq!(row.kind(), self.kind);
        self.row.clear();
        encode(row, &mut self.row);
        self.hash.update(&self.row);
    }

    /// The digest of the rows so far.
    pub(super) fn finish(self) -> [u8; 32] {
        self.hash.finalize().into()
    }
}

/// Digest of the columns of every register. A segment that was written with other columns is
/// stale, also when its ledger and its entries are the right ones.
pub(super) fn columns_digest() -> [u8; 32] {
    let mut hash = Sha256::new();
    for kind in RecordKind::ALL {
        hash.update(header(kind));
    }
    hash.finalize().into()
}

/// Names are static and short; a longer one would be cut here, and its length with it.
fn short(bytes: &mut Vec<u8>, text: &str) {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    bytes.push(length);
    bytes.extend_from_slice(&text.as_bytes()[..usize::from(length)]);
}

fn header(kind: RecordKind) -> Vec<u8> {
    let mut bytes = Vec::new();
    short(&mut bytes, kind.as_str());
    let columns = AnyFields::columns(kind);
    bytes.push(u8::try_from(columns.len()).unwrap_or(u8::MAX));
    for (name, column) in columns {
        short(&mut bytes, name);
        bytes.push(match column {
            ColumnType::Text => 0,
            ColumnType::Integer => 1,
            ColumnType::Date => 2,
        });
    }
    bytes
}

fn encode(row: &RegisterRow, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(row.record_id.as_bytes());
    bytes.extend_from_slice(&row.version.to_be_bytes());
    bytes.extend_from_slice(&row.position.to_be_bytes());
    bytes.extend_from_slice(&row.recorded_at.micros().to_be_bytes());
    bytes.push(match row.change {
        Change::Recorded => 0,
        Change::Corrected => 1,
        Change::Voided => 2,
    });
    bytes.extend_from_slice(row.event_id.as_bytes());
    for (name, _) in AnyFields::columns(row.kind()) {
        let Some(value) = row.fields.get(name) else {
            bytes.push(0);
            continue;
        };
        bytes.push(1);
        match value {
            Value::Text(text) => {
                // An entry has at most 65,535 bytes, so its texts are shorter.
                let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                bytes.extend_from_slice(&length.to_be_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
            Value::Integer(number) => bytes.extend_from_slice(&number.to_be_bytes()),
            Value::Date(date) => bytes.extend_from_slice(&day_number(date).to_be_bytes()),
        }
    }
}
