//! The tables of the audit, made of a delivery of the simulator without a ledger.
//!
//! What comes in: a folder with a delivery. What goes out: the tables as the audit makes them, one
//! for each kind of record, the offices, and the moment after the last report. What may fail: a
//! delivery that is not read. What must stay true: the columns are filled by the program's own
//! [`Cases`]; only opening sealed fields is left out, which costs the ledger's time and no rule's.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use anyhow::{Context, Result};
use arrow_array::RecordBatch;
use uuid::Uuid;
use vitaledger::audit::casebook::{Holding, Piece};
use vitaledger::audit::cases::{Case, Cases};
use vitaledger::audit::run::{Moment, office_number};
use vitaledger::intake::{Delivery, IntakeRow, RowKind};
use vitaledger::ledger::keys::Prf;
use vitaledger::model::code::OfficeLevel;
use vitaledger::model::fields::AnyFields;
use vitaledger::model::id::OfficeCode;
use vitaledger::model::office::{OfficeDirectory, OfficeFields};
use vitaledger::model::schema::RecordKind;
use vitaledger::model::time::{Timestamp, day_number, month_number};
use vitaledger::registers::row::{Change, RegisterRow};

/// What a run of the audit looks at.
pub struct Tables {
    /// By name.
    pub batches: Vec<(&'static str, RecordBatch)>,
    /// The offices.
    pub directory: OfficeDirectory,
    /// The last report.
    pub moment: Moment,
}

/// The cells of a row that are filled, by the name under which an entry or the vault has them.
fn cells(row: &IntakeRow) -> HashMap<&'static str, String> {
    let columns = row.kind.columns().iter().zip(row.cells.iter());
    let filled = columns.filter(|(_, text)| !text.is_empty());
    let named = filled.map(|(column, text)| {
        // Yuan with two decimals are fen without.
        let value = match column.name {
            "amount_yuan" => text.replace('.', ""),
            _ => text.to_owned(),
        };
        (column.field(), value)
    });
    named.collect()
}

fn office(cells: &HashMap<&'static str, String>) -> Option<OfficeFields> {
    Some(OfficeFields {
        code: OfficeCode::parse(cells.get("code")?)?,
        level: OfficeLevel::parse(cells.get("level")?)?,
        name_en: None,
        name_zh: None,
        parent: cells.get("parent").and_then(|code| OfficeCode::parse(code)),
    })
}

/// Reads a delivery.
pub fn of(delivery: PathBuf) -> Result<Tables> {
    let key = Prf::new(&[7; 32]);
    let mut rows = Delivery::open(&[delivery])?.rows();
    let mut directory = OfficeDirectory::default();
    let mut known = HashSet::new();
    let mut waiting = None;
    // Offices come first.
    for row in rows.by_ref() {
        let row = row.ok().context("a row is refused")?;
        if row.kind != RowKind::Office {
            waiting = Some(row);
            break;
        }
        let office = office(&cells(&row)).context("an office is not read")?;
        known.insert(office_number(office.code));
        directory.insert(office);
    }
    let mut tables = RecordKind::ALL.map(|kind| Cases::of(kind, &key));
    let mut women = HashMap::new();
    let (mut size, mut last) = (0, None);
    while let Some(row) = waiting.take() {
        let RowKind::Record(kind) = row.kind else {
            break;
        };
        let reported = row.reported_on.context("a row without its day")?;
        last = last.max(Some(reported));
        let cells = cells(&row);
        if let Some(id) = cells.get("woman_id_no") {
            women.insert(size, key.short(&[id.as_bytes()]));
        }
        // Nothing is stated in the row itself: every cell is looked up by its name.
        let row = RegisterRow {
            record_id: Uuid::nil(),
            version: 1,
            position: size,
            recorded_at: Timestamp::end_of(reported),
            change: Change::Recorded,
            event_id: Uuid::nil(),
            fields: AnyFields::empty(kind),
        };
        tables[kind as usize].push(&Case {
            row: &row,
            sealed: &|name| cells.get(name).map(String::as_str),
            first: size,
        })?;
        size += 1;
        waiting = rows.next().transpose().ok().context("a row is refused")?;
    }
    let last = last.context("a delivery without records")?;
    let batches = as_seen(tables, size, &known, &women)?;
    Ok(Tables {
        batches,
        directory,
        moment: Moment {
            size,
            today: day_number(last).into(),
            last_month: i64::from(month_number(last)) - 2,
        },
    })
}

/// The tables of a delivery as rules see them when nothing was corrected.
fn as_seen(
    tables: [Cases<'_>; RecordKind::ALL.len()],
    size: u64,
    offices: &HashSet<i64>,
    women: &HashMap<u64, [u8; 16]>,
) -> Result<Vec<(&'static str, RecordBatch)>> {
    let mut finished = Vec::new();
    for table in tables {
        finished.push(table.finish()?);
    }
    let finished = <[RecordBatch; RecordKind::ALL.len()]>::try_from(finished);
    let piece = Piece::new(0..size, finished.ok().context("a table for each kind")?);
    let holding = Holding {
        holds: &|_| true,
        offices,
        women,
    };
    let of_kind = |kind: RecordKind| Ok((kind.file(), piece.table(kind, &holding)?));
    RecordKind::ALL.into_iter().map(of_kind).collect()
}
