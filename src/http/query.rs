//! Queries, cursors, moments.
//!
//! What comes in: what stands after the `?`. What goes out: values that are taken one after the
//! other, so that a misspelt name is refused and not passed over. What may fail: each value; the
//! message names it. What must stay true: a cursor is opaque, is for the same question only, and
//! holds the size of the log at which the first page was read, so that pages fit together.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::problem::Problem;
use super::service::Service;
use crate::app::App;
use crate::app::reading::AsOf;
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::model::time::Timestamp;

/// Most rows of a page, and how many there are when nothing is said.
const MOST_ROWS: u64 = 1000;
const ROWS: u64 = 100;

/// The query of a request.
#[derive(Debug, Clone, Default)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl FromRequestParts<Service> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Service) -> Result<Self, Problem> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl Query {
    /// Reads a query (`application/x-www-form-urlencoded`).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let pairs = form_urlencoded::parse(text.as_bytes());
        let pairs = pairs.map(|(name, value)| (name.into_owned(), value.into_owned()));
        Self {
            pairs: pairs.collect(),
        }
    }

    /// Takes every value of a name.
    pub fn all(&mut self, name: &str) -> Vec<String> {
        let (taken, left): (Vec<_>, Vec<_>) =
            self.pairs.drain(..).partition(|(other, _)| other == name);
        self.pairs = left;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    /// Takes a value; nothing when there is none, or it is empty.
    ///
    /// # Errors
    /// When it is given twice.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut all = self.all(name);
        if all.len() > 1 {
            return Err(Problem::parameter(name, "is given twice", "重复"));
        }
        Ok(all.pop().filter(|value| !value.is_empty()))
    }

    /// Takes an office.
    ///
    /// # Errors
    /// When it is no code.
    pub fn office(&mut self) -> Result<Option<OfficeCode>, Problem> {
        let wrong = || {
            Problem::parameter(
                "office",
                "is no office code of 12 digits",
                "不是 12 位单位代码",
            )
        };
        let text = self.text("office")?;
        text.map(|text| OfficeCode::parse(&text).ok_or_else(wrong))
            .transpose()
    }

    /// Takes a period.
    ///
    /// # Errors
    /// When it is none.
    pub fn period(&mut self) -> Result<Option<Period>, Problem> {
        let wrong = || {
            Problem::parameter(
                "period",
                "is no period; write 2014-06, 2014-Q2, 2014-H1, 2014 or 2014S",
                "不是期间，请写作 2014-06、2014-Q2、2014-H1、2014 或 2014S",
            )
        };
        let text = self.text("period")?;
        text.map(|text| Period::parse(&text).ok_or_else(wrong))
            .transpose()
    }

    /// Takes yes or no; no when nothing is said.
    ///
    /// # Errors
    /// When it is neither `true` nor `false`.
    pub fn flag(&mut self, name: &str) -> Result<bool, Problem> {
        match self.text(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::parameter(
                name,
                "is neither true nor false",
                "须为 true 或 false",
            )),
        }
    }

    /// Takes a whole number.
    ///
    /// # Errors
    /// When it is none.
    pub fn count(&mut self, name: &str) -> Result<Option<u64>, Problem> {
        let wrong = || Problem::parameter(name, "is no whole number", "不是整数");
        let text = self.text(name)?;
        text.map(|text| crate::seal::decimal(&text).ok_or_else(wrong))
            .transpose()
    }

    /// Takes how many rows a page has.
    ///
    /// # Errors
    /// When it is no number from 1 to [`MOST_ROWS`].
    pub fn limit(&mut self) -> Result<u64, Problem> {
        match self.count("limit")? {
            None => Ok(ROWS),
            Some(limit @ 1..=MOST_ROWS) => Ok(limit),
            Some(_) => Err(Problem::parameter(
                "limit",
                "is not between 1 and 1000",
                "须在 1 到 1000 之间",
            )),
        }
    }

    /// Takes the moment that is asked about, and gives the size of the log then.
    ///
    /// # Errors
    /// When it is neither a position nor a time, or is beyond the end of the log.
    pub async fn size(&mut self, app: &App) -> Result<u64, Problem> {
        let Some(text) = self.text("as_of")? else {
            return Ok(app.size_at(AsOf::Head).await?);
        };
        let as_of = match crate::seal::decimal(&text) {
            Some(position) => Some(AsOf::Position(position)),
            None => Timestamp::parse_moment(&text).map(AsOf::Moment),
        };
        let Some(as_of) = as_of else {
            return Err(Problem::parameter(
                "as_of",
                "is neither a position nor a time; write 1234, 2014-06-30 or 2014-06-30T12:00:00+08:00",
                "既不是位置也不是时间，请写作 1234、2014-06-30 或 2014-06-30T12:00:00+08:00",
            ));
        };
        if let AsOf::Position(position) = as_of
            && position >= app.store().head().await?.size
        {
            return Err(Problem::parameter(
                "as_of",
                "is beyond the end of the log",
                "超出日志末尾",
            ));
        }
        Ok(app.size_at(as_of).await?)
    }

    /// Refuses what is left.
    ///
    /// # Errors
    /// When something is.
    pub fn finish(self) -> Result<(), Problem> {
        match self.pairs.first() {
            None => Ok(()),
            Some((name, _)) => Err(Problem::parameter(
                name,
                "is not known here; remove it or correct its name",
                "不是此处的参数，请删除或更正名称",
            )),
        }
    }
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Entries that count.
    pub size: u64,
    /// The position of the last row that was given.
    pub after: u64,
}

/// What a question is about, in short: a cursor is for the same question only.
fn mark(question: &str) -> [u8; 4] {
    let hash: [u8; 32] = Sha256::digest(question.as_bytes()).into();
    [hash[0], hash[1], hash[2], hash[3]]
}

impl Cursor {
    /// As text, for a question.
    #[must_use]
    pub fn to_text(self, question: &str) -> String {
        let mut bytes = mark(question).to_vec();
        bytes.extend_from_slice(&self.size.to_be_bytes());
        bytes.extend_from_slice(&self.after.to_be_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads the text.
    ///
    /// # Errors
    /// When it is no cursor, or one of another question.
    pub fn parse(text: &str, question: &str) -> Result<Self, Problem> {
        let wrong = || {
            Problem::parameter(
                "cursor",
                "is not one that this question was answered with; begin anew without it",
                "不是该查询给出的游标，请去掉后重新开始",
            )
        };
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        let bytes: [u8; 20] = bytes.try_into().map_err(|_| wrong())?;
        let number = |from: usize| {
            let part = bytes.get(from..from + 8).and_then(<[u8]>::first_chunk);
            part.map_or(0, |part| u64::from_be_bytes(*part))
        };
        if bytes[..4] != mark(question) {
            return Err(wrong());
        }
        Ok(Self {
            size: number(4),
            after: number(12),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_of_one_question() {
        let cursor = Cursor { size: 7, after: 3 };
        let text = cursor.to_text("births of 990101000000");
        assert_eq!(Cursor::parse(&text, "births of 990101000000"), Ok(cursor));
        assert!(Cursor::parse(&text, "births of 990102000000").is_err());
        assert!(Cursor::parse("", "").is_err());
        assert!(Cursor::parse("AAAA", "").is_err());
    }

    #[test]
    fn values_are_taken_once_and_the_rest_is_refused() {
        let mut query = Query::parse("limit=5&rule=A&rule=B&office=1&typo=x&deep=true");
        assert_eq!(query.limit(), Ok(5));
        assert_eq!(query.all("rule"), ["A", "B"]);
        assert!(query.office().is_err());
        assert_eq!(query.flag("deep"), Ok(true));
        assert!(query.finish().is_err());
        assert!(Query::parse("limit=1001").limit().is_err());
        assert!(Query::parse("a=1&a=2").text("a").is_err());
        assert_eq!(Query::parse("").limit(), Ok(ROWS));
    }
}
