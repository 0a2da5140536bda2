//! A condition in SQL: a query whose first column says whether it holds.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use async_trait::async_trait;

use super::bisect::{Condition, Evaluation};
use crate::app::{App, AppError};
use crate::history::numbers::Reading;
use crate::history::rule::Truth;
use crate::registers::sql::Pinned;
use crate::registers::sql::cells::texts;

/// A query, asked of registers that are read once.
pub struct QueryCondition<'a> {
    app: &'a App,
    pinned: Pinned,
    text: String,
}

impl<'a> QueryCondition<'a> {
    /// Whether a text is meant as a query.
    #[must_use]
    pub fn is_query(text: &str) -> bool {
        let word = text
            .split(|c: char| !c.is_ascii_alphabetic())
            .find(|word| !word.is_empty());
        word.is_some_and(|word| {
            word.eq_ignore_ascii_case("select") || word.eq_ignore_ascii_case("with")
        })
    }

    /// Pins the registers as they are now.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn new(app: &'a App, text: &str) -> Result<Self, AppError> {
        let registers = app.registers().await?;
        Ok(Self {
            app,
            pinned: Pinned::of(&registers)?,
            text: text.trim().to_owned(),
        })
    }
}

#[async_trait(?Send)]
impl Condition for QueryCondition<'_> {
    fn text(&self) -> &str {
        &self.text
    }

    /// The first column of the first row; without a row, or when it is null, it is unknown. The
    /// other columns are what was seen.
    async fn evaluate(&mut self, size: u64) -> Result<Evaluation, AppError> {
        let session = self.app.sql_session_of(&self.pinned, size).await?;
        let mut rows = session.query(&self.text).await?;
        let schema = rows.schema();
        let is_condition = |field: &arrow_schema::FieldRef| *field.data_type() == DataType::Boolean;
        if !schema.fields().first().is_some_and(is_condition) {
            return Err(AppError::Usage(
                "the first column of the query has to be true or false; write it as SELECT count(*) >= 10 FROM births".to_owned(),
            ));
        }
        let mut evaluation = Evaluation {
            truth: Truth::Unknown,
            readings: Vec::new(),
        };
        while let Some(batch) = rows.next().await? {
            let first = batch.slice(0, batch.num_rows().min(1));
            let Some(cells) = texts(&first)?.pop() else {
                continue;
            };
            let column = first.column(0).as_boolean();
            if column.is_valid(0) {
                evaluation.truth = column.value(0).into();
            }
            let seen = schema.fields().iter().zip(cells).skip(1);
            evaluation.readings = seen
                .map(|(field, cell)| Reading {
                    name: field.name().clone(),
                    exact: None,
                    value: Some(cell).filter(|cell| !cell.is_empty()),
                    reason: None,
                })
                .collect();
            break;
        }
        Ok(evaluation)
    }
}
