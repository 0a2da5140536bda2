//! Why a query is not answered.

use std::error::Error;

use datafusion::common::Diagnostic;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;

use super::files::Changed;
use crate::registers::RegisterError;

/// Why a query is not answered.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// There is no statement.
    #[error("there is no query; write one as SELECT office, count(*) FROM births GROUP BY office")]
    Empty,
    /// More than one statement.
    #[error("there are {0} statements, and one query is answered at a time")]
    Several(usize),
    /// A statement that would change something, or reach out of the registers.
    #[error(
        "{0} is not answered: registers are read with SELECT, EXPLAIN, SHOW and DESCRIBE, and nothing else"
    )]
    NotReading(String),
    /// The text is no query, or asks for something that is not there.
    #[error("line {line}, column {column} of the query: {what}")]
    Text {
        /// 1-based line.
        line: u64,
        /// 1-based character of the line.
        column: u64,
        /// What is wrong.
        what: String,
    },
    /// The same, when the engine does not say where.
    #[error("the query cannot be answered: {0}")]
    Query(String),
    /// It would take too much memory, though it went to temporary files where it could.
    #[error("the query needs too much memory: {0}; ask for fewer rows or columns at once")]
    Memory(String),
    /// A file of the registers is not the one it was.
    #[error(transparent)]
    Changed(#[from] Changed),
    /// The registers cannot be read.
    #[error(transparent)]
    Registers(#[from] RegisterError),
    /// The engine fails otherwise.
    #[error("the registers cannot be queried: {0}")]
    Engine(String),
}

impl SqlError {
    /// Whether another query could be answered.
    #[must_use]
    pub const fn is_of_the_query(&self) -> bool {
        matches!(
            self,
            Self::Empty
                | Self::Several(_)
                | Self::NotReading(_)
                | Self::Text { .. }
                | Self::Query(_)
                | Self::Memory(_)
        )
    }
}

impl From<DataFusionError> for SqlError {
    fn from(error: DataFusionError) -> Self {
        if let Some(changed) = changed(&error) {
            return Self::Changed(changed);
        }
        if let Some(diagnostic) = error.diagnostic()
            && let Some(located) = at_span(diagnostic)
        {
            return located;
        }
        match error.find_root() {
            DataFusionError::SQL(parser, _) => of_parser(parser),
            DataFusionError::ResourcesExhausted(what) => Self::Memory(what.clone()),
            root @ (DataFusionError::ParquetError(_)
            | DataFusionError::IoError(_)
            | DataFusionError::ObjectStore(_)
            | DataFusionError::Internal(_)) => Self::Engine(root.strip_backtrace()),
            root => Self::Query(root.message().into_owned()),
        }
    }
}

/// The error of [`super::files`], however deep the engine has put it.
fn changed(error: &DataFusionError) -> Option<Changed> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(changed) = error.downcast_ref() {
            return Some(Changed::clone(changed));
        }
        cause = match error.downcast_ref() {
            Some(DataFusionError::Shared(shared)) => Some(shared.as_ref()),
            _ => error.source(),
        };
    }
    None
}

fn at_span(diagnostic: &Diagnostic) -> Option<SqlError> {
    let start = diagnostic.span?.start;
    let notes = diagnostic.notes.iter().map(|note| &note.message);
    let helps = diagnostic.helps.iter().map(|help| &help.message);
    let mut what = diagnostic.message.clone();
    for more in notes.chain(helps) {
        what.push_str("; ");
        what.push_str(more);
    }
    Some(SqlError::Text {
        line: start.line,
        column: start.column,
        what,
    })
}

/// The parser writes places at the end of its text: ` at Line: 1, Column: 8`.
fn of_parser(error: &ParserError) -> SqlError {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => "it is nested too deep",
    };
    let place = text.rsplit_once(" at Line: ").and_then(|(what, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        let column: String = column.chars().take_while(char::is_ascii_digit).collect();
        Some(SqlError::Text {
            line: line.parse().ok()?,
            column: column.parse().ok()?,
            what: what.to_owned(),
        })
    });
    place.unwrap_or_else(|| SqlError::Query(text.to_owned()))
}
