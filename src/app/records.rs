//! One record at a time: record, correct, void.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{App, AppError};
use crate::ledger::request::{Answer, Command, Request};
use crate::model::cell::CellError;
use crate::model::cell::CellReason;
use crate::model::id::OfficeCode;
use crate::model::office::OfficeFields;
use crate::model::record::{Draft, cells_of};
use crate::model::schema::RecordKind;

/// Values by English or Chinese column name.
pub type Values = BTreeMap<String, String>;

/// Puts named values in the order of the columns of a kind.
pub(super) fn place(
    kind: RecordKind,
    cells: &mut [String],
    values: &Values,
) -> Result<(), AppError> {
    for (name, value) in values {
        let index = kind
            .columns()
            .iter()
            .position(|column| column.name == name || column.zh == name)
            .ok_or_else(|| {
                if crate::model::cell::refused_topic(name) {
                    return AppError::Usage(format!("{name} {}", CellReason::RefusedTopic));
                }
                let known: Vec<_> = kind.columns().iter().map(|column| column.name).collect();
                AppError::Usage(format!(
                    "{kind} has no column {name}; it has {}",
                    known.join(", ")
                ))
            })?;
        cells[index].clone_from(value);
    }
    Ok(())
}

impl App {
    async fn draft(&self, kind: RecordKind, cells: &[String]) -> Result<Box<Draft>, AppError> {
        let head = self.ledger.store.head().await?;
        let offices = self.offices(head.size).await?;
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        Ok(Box::new(Draft::read(kind, &cells, &offices)?))
    }

    /// Records one record from named values, and seals.
    ///
    /// # Errors
    /// When a value cannot be read, the ledger refuses, or the store fails.
    pub async fn record(
        &self,
        kind: RecordKind,
        values: &Values,
        idempotency_key: Option<String>,
    ) -> Result<Answer, AppError> {
        let mut cells = vec![String::new(); kind.columns().len()];
        place(kind, &mut cells, values)?;
        let draft = self.draft(kind, &cells).await?;
        self.answer(Request {
            command: Command::Record(draft),
            idempotency_key,
        })
        .await
    }

    /// Registers an office, or changes what is known of it, and seals.
    ///
    /// # Errors
    /// When the ledger refuses or the store fails.
    pub async fn record_office(&self, office: OfficeFields) -> Result<Answer, AppError> {
        self.answer(Command::Office(office).into()).await
    }

    /// Corrects named values of a record, and seals. An empty value clears the field.
    ///
    /// # Errors
    /// When there is no such record, a value cannot be read, the ledger refuses, or the store fails.
    pub async fn correct(
        &self,
        kind: RecordKind,
        record_id: Uuid,
        values: &Values,
        reason: &str,
        idempotency_key: Option<String>,
    ) -> Result<Answer, AppError> {
        let history = self
            .ledger
            .history(record_id)
            .await?
            .filter(|history| history.kind == kind)
            .ok_or_else(|| AppError::Usage(format!("there is no {kind} {record_id}")))?;
        if let Some(erasure) = history.erased_by {
            return Err(crate::ledger::request::Refusal::Erased(erasure).into());
        }
        let fields = history
            .fields()
            .ok_or_else(|| AppError::Integrity(format!("{record_id} has no state")))?;
        let mut cells = cells_of(kind, fields, |slot| {
            history.value(slot).map(|text| text.to_string())
        });
        place(kind, &mut cells, values)?;
        let draft = self.draft(kind, &cells).await?;
        let reason = sealed_text("reason", reason)?;
        let command = Command::Correct {
            record_id,
            draft,
            reason,
        };
        self.answer(Request {
            command,
            idempotency_key,
        })
        .await
    }

    /// Withdraws a record, and seals.
    ///
    /// # Errors
    /// When the ledger refuses or the store fails.
    pub async fn void(
        &self,
        kind: RecordKind,
        record_id: Uuid,
        reason: &str,
        idempotency_key: Option<String>,
    ) -> Result<Answer, AppError> {
        let known = self.ledger.history(record_id).await?;
        if known.is_none_or(|history| history.kind != kind) {
            return Err(AppError::Usage(format!("there is no {kind} {record_id}")));
        }
        let command = Command::Void {
            record_id,
            reason: sealed_text("reason", reason)?,
        };
        self.answer(Request {
            command,
            idempotency_key,
        })
        .await
    }

    async fn answer(&self, request: Request) -> Result<Answer, AppError> {
        let answer = self
            .ledger
            .execute_one(&self.context(None), request)
            .await??;
        self.seal().await?;
        Ok(answer)
    }

    /// The record that is meant: its id, or `kind/source/source_record_id`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn record_named(&self, name: &str) -> Result<Uuid, AppError> {
        if let Ok(id) = name.parse() {
            return Ok(id);
        }
        let mut parts = name.splitn(3, '/');
        let (kind, source, number) = (parts.next(), parts.next(), parts.next());
        match (kind.and_then(RecordKind::parse), source, number) {
            (Some(kind), Some(source), Some(number)) => {
                Ok(self.ledger.keys.record_id(kind, source, number))
            }
            // It may hold a number of a record, which is sealed: it is not repeated.
            _ => Err(AppError::Usage(
                "a record is named by its id or by KIND/SOURCE/SOURCE_RECORD_ID, as birth/village/B0011074"
                    .to_owned(),
            )),
        }
    }
}

/// A reason or purpose that can be sealed: it says something, and is no longer than a cell.
pub(super) fn sealed_text(column: &'static str, text: &str) -> Result<String, AppError> {
    let wrong = |reason| AppError::Cell(CellError { column, reason });
    crate::model::cell::clean(text)
        .map_err(wrong)?
        .ok_or_else(|| wrong(CellReason::Missing))
}

/// An office from named values.
///
/// # Errors
/// When a value cannot be read.
pub fn office_of(values: &Values) -> Result<OfficeFields, AppError> {
    let columns = crate::model::schema::OFFICE;
    for name in values.keys() {
        if !columns
            .iter()
            .any(|column| column.name == name || column.zh == name)
        {
            return Err(AppError::Usage(format!("an office has no column {name}")));
        }
    }
    let value = |name: &str| {
        let column = columns.iter().find(|column| column.name == name);
        let found = column.and_then(|c| values.get(c.name).or_else(|| values.get(c.zh)));
        found
            .map(String::as_str)
            .filter(|text| !text.trim().is_empty())
    };
    let code = |column: &'static str| {
        value(column)
            .map(|text| {
                OfficeCode::parse(text.trim()).ok_or(AppError::Cell(CellError {
                    column,
                    reason: CellReason::NotAnOfficeCode,
                }))
            })
            .transpose()
    };
    let missing = |column| {
        AppError::Cell(CellError {
            column,
            reason: CellReason::Missing,
        })
    };
    let level = value("level").ok_or_else(|| missing("level"))?;
    let level = crate::model::code::OfficeLevel::parse(level.trim()).ok_or_else(|| {
        let allowed = "county, township, village, facility".to_owned();
        AppError::Cell(CellError {
            column: "level",
            reason: CellReason::UnknownCode { allowed },
        })
    })?;
    Ok(OfficeFields {
        code: code("code")?.ok_or_else(|| missing("code"))?,
        level,
        name_en: value("name_en").map(str::to_owned),
        name_zh: value("name_zh").map(str::to_owned),
        parent: code("parent")?,
    })
}
