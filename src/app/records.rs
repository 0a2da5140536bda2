//! Changes of records, one or several together: record, correct, void.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{App, AppError};
use crate::ledger::history::RecordHistory;
use crate::ledger::request::{Answer, Command, LedgerError, Refusal, Request};
use crate::model::cell::CellError;
use crate::model::cell::CellReason;
use crate::model::id::OfficeCode;
use crate::model::office::{OfficeDirectory, OfficeFields};
use crate::model::record::{Draft, cells_of};
use crate::model::schema::RecordKind;
use crate::model::slot::Slot;

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

/// What is to be done with one record.
#[derive(Clone)]
pub enum Change {
    /// Record what an office reports.
    Record {
        /// The kind of record.
        kind: RecordKind,
        /// By column.
        values: Values,
    },
    /// Correct named values; an empty one clears the field.
    Correct {
        /// The kind of record.
        kind: RecordKind,
        /// Which record.
        record_id: Uuid,
        /// By column.
        values: Values,
        /// Why; sealed.
        reason: String,
        /// The version that the caller knows; any when not given.
        expected: Option<u64>,
    },
    /// Withdraw it.
    Void {
        /// The kind of record.
        kind: RecordKind,
        /// Which record.
        record_id: Uuid,
        /// Why; sealed.
        reason: String,
        /// The version that the caller knows; any when not given.
        expected: Option<u64>,
    },
}

/// A change that somebody asks for.
#[derive(Clone)]
pub struct Asked {
    /// What.
    pub change: Change,
    /// The same key with the same change gets the first receipt again.
    pub idempotency_key: Option<String>,
}

/// How often a correction is made again from a record that others changed meanwhile.
const ATTEMPTS: u32 = 8;

impl App {
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
        let values = values.clone();
        self.apply_one(Change::Record { kind, values }, idempotency_key)
            .await
    }

    /// Registers an office, or changes what is known of it, and seals.
    ///
    /// # Errors
    /// When the ledger refuses or the store fails.
    pub async fn record_office(&self, office: OfficeFields) -> Result<Answer, AppError> {
        let request = Request::from(Command::Office(office));
        let context = self.context(None);
        let answer = self.ledger.execute_one(&context, request).await??;
        self.seal().await?;
        Ok(answer)
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
        let change = Change::Correct {
            kind,
            record_id,
            values: values.clone(),
            reason: reason.to_owned(),
            expected: None,
        };
        self.apply_one(change, idempotency_key).await
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
        let change = Change::Void {
            kind,
            record_id,
            reason: reason.to_owned(),
            expected: None,
        };
        self.apply_one(change, idempotency_key).await
    }

    async fn apply_one(
        &self,
        change: Change,
        idempotency_key: Option<String>,
    ) -> Result<Answer, AppError> {
        let asked = Asked {
            change,
            idempotency_key,
        };
        let reach = Reach {
            offices: self.offices_now().await?,
            within: None,
        };
        let mut answers = self.apply(&[asked], &reach).await?;
        let none = || LedgerError::CutOff("no answer".to_owned());
        answers.pop().ok_or_else(none)?
    }

    /// Applies changes together, and seals: each is answered on its own, in their order. Records
    /// that are beyond the reach are as if they were not there.
    ///
    /// # Errors
    /// When the store fails; nothing was acknowledged then.
    pub async fn apply(
        &self,
        asked: &[Asked],
        reach: &Reach,
    ) -> Result<Vec<Result<Answer, AppError>>, AppError> {
        let mut answers: Vec<Option<Result<Answer, AppError>>> = Vec::new();
        answers.resize_with(asked.len(), || None);
        let mut open: Vec<usize> = (0..asked.len()).collect();
        for attempt in 1..=ATTEMPTS {
            let (mut requests, mut waiting) = (Vec::new(), Vec::new());
            for index in open {
                match self.request(&asked[index], reach).await {
                    Ok(request) => {
                        requests.push(request);
                        waiting.push(index);
                    }
                    Err(error) if error.is_of_one_request() => answers[index] = Some(Err(error)),
                    Err(error) => return Err(error),
                }
            }
            let answered = self.ledger.execute(&self.context(None), requests).await?;
            open = Vec::new();
            for (index, answer) in waiting.into_iter().zip(answered) {
                let again = !asked[index].change.expects() && attempt < ATTEMPTS;
                match answer {
                    // Others changed it between the reading and the writing.
                    Err(Refusal::Changed { .. }) if again => open.push(index),
                    answer => answers[index] = Some(answer.map_err(AppError::from)),
                }
            }
            if open.is_empty() {
                break;
            }
        }
        self.seal().await?;
        let unanswered = || Err(Refusal::Contended { attempts: ATTEMPTS }.into());
        Ok(answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(unanswered))
            .collect())
    }

    /// The ledger's request for what was asked.
    async fn request(&self, asked: &Asked, reach: &Reach) -> Result<Request, AppError> {
        let command = match &asked.change {
            Change::Record { kind, values } => {
                let mut cells = vec![String::new(); kind.columns().len()];
                place(*kind, &mut cells, values)?;
                Command::Record(reach.draft(*kind, &cells)?)
            }
            Change::Correct {
                kind,
                record_id,
                values,
                reason,
                expected,
            } => {
                let history = self.changeable(*kind, *record_id, reach).await?;
                if let Some(erasure) = history.erased_by {
                    return Err(Refusal::Erased(erasure).into());
                }
                let fields = history
                    .fields()
                    .ok_or_else(|| AppError::Integrity(format!("{record_id} has no state")))?;
                let mut cells = cells_of(*kind, fields, |slot| {
                    history.value(slot).map(|text| text.to_string())
                });
                place(*kind, &mut cells, values)?;
                Command::Correct {
                    record_id: *record_id,
                    draft: reach.draft(*kind, &cells)?,
                    reason: sealed_text("reason", reason)?,
                    expected: expected.or(Some(history.version())),
                    said: Some(said(values)),
                }
            }
            Change::Void {
                kind,
                record_id,
                reason,
                expected,
            } => {
                self.changeable(*kind, *record_id, reach).await?;
                Command::Void {
                    record_id: *record_id,
                    reason: sealed_text("reason", reason)?,
                    expected: *expected,
                }
            }
        };
        Ok(Request {
            command,
            idempotency_key: asked.idempotency_key.clone(),
        })
    }

    /// The record of that kind, if it is within reach.
    async fn changeable(
        &self,
        kind: RecordKind,
        record_id: Uuid,
        reach: &Reach,
    ) -> Result<RecordHistory, AppError> {
        let none = || format!("there is no {kind} {record_id}");
        let history = self.ledger.history(record_id).await?;
        let history = history
            .filter(|history| history.kind == kind)
            .ok_or_else(|| AppError::Unknown(none()))?;
        if reach.has(&history) {
            Ok(history)
        } else {
            Err(AppError::Hidden(none()))
        }
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

impl Change {
    /// Whether it is for one version of a record only.
    const fn expects(&self) -> bool {
        match self {
            Self::Record { .. } => false,
            Self::Correct { expected, .. } | Self::Void { expected, .. } => expected.is_some(),
        }
    }
}

/// The offices, and those of them that may be acted for.
pub struct Reach {
    /// All of them.
    pub offices: Arc<OfficeDirectory>,
    /// This one and those below it: only their records can be recorded or changed. All when not
    /// given.
    pub within: Option<OfficeCode>,
}

impl Reach {
    fn is_allowed(&self, office: OfficeCode) -> bool {
        self.within
            .is_none_or(|top| self.offices.is_within(office, top))
    }

    fn has(&self, history: &RecordHistory) -> bool {
        office_of_record(history).map_or(self.within.is_none(), |office| self.is_allowed(office))
    }

    fn draft(&self, kind: RecordKind, cells: &[String]) -> Result<Box<Draft>, AppError> {
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        let draft = Draft::read(kind, &cells, &self.offices)?;
        if self.is_allowed(draft.office) {
            return Ok(Box::new(draft));
        }
        let office = draft.office;
        Err(AppError::OtherOffice { office })
    }
}

/// The office that reported a record; of a pregnancy loss it is sealed, and read here only to
/// decide who may see the record. Of one that was erased, what is public is left: its township.
#[must_use]
pub fn office_of_record(history: &RecordHistory) -> Option<OfficeCode> {
    let public = |name| history.fields()?.get(name).map(|value| value.to_string());
    let sealed = || {
        let value = history.value(Slot::of_name("office")?)?;
        Some(value.to_string())
    };
    let office = public("office")
        .or_else(sealed)
        .or_else(|| public("township"));
    OfficeCode::parse(&office?)
}

/// A digest of named values, by which the same request is known again.
fn said(values: &Values) -> [u8; 32] {
    let mut hash = Sha256::new();
    for text in values.iter().flat_map(|(name, value)| [name, value]) {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().into()
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
