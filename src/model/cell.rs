//! One cell: what its text may be, and why it cannot be read.
//!
//! What comes in: the text of one cell. What goes out: a canonical value. What may fail: a
//! [`CellReason`], which never quotes the value. What must stay true: reading the canonical text
//! of a value gives the same value again.

use chrono::NaiveDate;
use unicode_normalization::{UnicodeNormalization, is_nfc_quick};

use super::code::{
    BirthPlace, Flow, GestationBand, LossTiming, MaritalStatus, RegistrationKind, Sex, Source,
};
use super::id::OfficeCode;

/// Longest value of a cell, in characters.
pub const MAX_CELL_CHARS: usize = 200;
/// Largest integer that every JSON reader keeps exactly (RFC 8785 3.2.2.3).
pub const MAX_INTEGER: i64 = 1 << 53;

/// Why a cell cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CellReason {
    /// A required cell is empty.
    #[error("is empty, but is required; state it")]
    Missing,
    /// Not one of the accepted spellings of a date.
    #[error("is not a date that can be read; write it as 2014-06-30")]
    NotADate,
    /// Not a whole number.
    #[error("is not a whole number; write digits only")]
    NotANumber,
    /// Not a decimal number.
    #[error("is not a number; write it as 1234.56")]
    NotADecimal,
    /// Not an amount in yuan.
    #[error("is not an amount in yuan; write it as 960.00, with at most two decimals")]
    NotAnAmount,
    /// The number does not fit the 53 bits that entries allow.
    #[error("is a number too large to be kept exactly (53 bits)")]
    TooLarge,
    /// Not 12 digits.
    #[error("is not an office code; write its 12 digits")]
    NotAnOfficeCode,
    /// No such office is registered.
    #[error("names an office that is not registered; import its row in the offices file first")]
    UnknownOffice,
    /// A word that is in no code list.
    #[error("is none of: {allowed}")]
    UnknownCode {
        /// The words of the list.
        allowed: String,
    },
    /// Not a period.
    #[error("is not a period; write 2014-06, 2014-Q2, 2014-H1, 2014 or 2014S")]
    NotAPeriod,
    /// Not made of letters, digits, `_`, `-` and `.`.
    #[error("may have letters, digits, '_', '-' and '.' only, 64 at most")]
    NotASlug,
    /// More than [`MAX_CELL_CHARS`] characters.
    #[error("is longer than {MAX_CELL_CHARS} characters; shorten it")]
    TooLong,
    /// A control character.
    #[error("has a control character; remove it")]
    ControlCharacter,
    /// Something that this ledger refuses to hold.
    #[error(
        "is about something this ledger refuses to hold (permission or in-plan labels, contraceptive status, fines, risk scores, rankings); remove it"
    )]
    RefusedTopic,
}

/// A cell that cannot be read: which column, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{column} {reason}")]
pub struct CellError {
    /// The English name of the column.
    pub column: &'static str,
    /// What is wrong.
    pub reason: CellReason,
}

/// Trims, folds to NFC and checks length and control characters. `None` for an empty cell.
pub fn clean(text: &str) -> Result<Option<String>, CellReason> {
    let trimmed = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if trimmed.is_empty() {
        return Ok(None);
    }
    if trimmed.chars().any(char::is_control) {
        return Err(CellReason::ControlCharacter);
    }
    let nfc = if trimmed.is_ascii()
        || is_nfc_quick(trimmed.chars()) == unicode_normalization::IsNormalized::Yes
    {
        trimmed.to_owned()
    } else {
        trimmed.nfc().collect()
    };
    if nfc.len() > MAX_CELL_CHARS && nfc.chars().count() > MAX_CELL_CHARS {
        return Err(CellReason::TooLong);
    }
    Ok(Some(nfc))
}

/// Full-width digits and signs to ASCII, for numbers, dates and codes.
#[must_use]
pub fn narrow(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            other => other,
        })
        .collect()
}

/// A value of a public field, as registers and reports read it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Text: codes, slugs, periods, decimals.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A date.
    Date(NaiveDate),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Date(date) => write!(f, "{date}"),
        }
    }
}

impl Value {
    /// As a JSON value: numbers stay numbers, dates become text.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.clone().into(),
            Self::Integer(number) => (*number).into(),
            Self::Date(date) => date.to_string().into(),
        }
    }
}

/// The type of a register column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// UTF-8 text.
    Text,
    /// 64-bit integer.
    Integer,
    /// Days since 1970.
    Date,
}

/// What a public field can be: read from a cell, given to a register.
pub trait FieldType: Sized {
    /// The type of its register column.
    const COLUMN: ColumnType;
    /// Reads the text of a cell that is not empty.
    fn read(text: &str) -> Result<Self, CellReason>;
    /// The value for a register.
    fn value(&self) -> Value;
    /// The variant that says "there was text, but it is in no code list", where there is one.
    #[must_use]
    fn unreadable() -> Option<Self> {
        None
    }
    /// Whether a text of an entry is a value of this type, spelled as [`FieldType::value`] spells
    /// it. Never of a type whose column is not text. It may say no to a text that reads all the
    /// same, but never yes to one that does not.
    #[must_use]
    fn is_spelled(_text: &str) -> bool {
        false
    }
}

fn words<T: Copy>(all: &[T], word: fn(T) -> &'static str) -> CellReason {
    let allowed = all
        .iter()
        .map(|code| word(*code))
        .collect::<Vec<_>>()
        .join(", ");
    CellReason::UnknownCode { allowed }
}

macro_rules! code_fields {
    ($($name:ident $(else $unreadable:ident)?;)+) => {$(
        impl FieldType for $name {
            const COLUMN: ColumnType = ColumnType::Text;
            fn read(text: &str) -> Result<Self, CellReason> {
                $name::parse(text).ok_or_else(|| words($name::ALL, $name::as_str))
            }
            fn value(&self) -> Value {
                Value::Text(self.as_str().to_owned())
            }
            fn is_spelled(text: &str) -> bool {
                $name::ALL.iter().any(|code| code.as_str() == text)
            }
            $(fn unreadable() -> Option<Self> {
                Some($name::$unreadable)
            })?
        }
    )+};
}

code_fields! {
    Source;
    RegistrationKind;
    Flow;
    GestationBand;
    Sex else Unreadable;
    MaritalStatus else Unreadable;
    BirthPlace else Unreadable;
    LossTiming else Unreadable;
}

impl FieldType for NaiveDate {
    const COLUMN: ColumnType = ColumnType::Date;
    fn read(text: &str) -> Result<Self, CellReason> {
        super::time::parse_date(text).ok_or(CellReason::NotADate)
    }
    fn value(&self) -> Value {
        Value::Date(*self)
    }
}

impl FieldType for i64 {
    const COLUMN: ColumnType = ColumnType::Integer;
    fn read(text: &str) -> Result<Self, CellReason> {
        let whole = text.strip_suffix(".0").unwrap_or(text);
        let digits = whole.strip_prefix('-').unwrap_or(whole);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(CellReason::NotANumber);
        }
        let number: Self = whole.parse().map_err(|_| CellReason::TooLarge)?;
        (number.abs() <= MAX_INTEGER)
            .then_some(number)
            .ok_or(CellReason::TooLarge)
    }
    fn value(&self) -> Value {
        Value::Integer(*self)
    }
}

/// Money in fen (1/100 yuan); a cell gives decimal yuan.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Fen(pub i64);

impl Fen {
    /// Decimal yuan with two decimals, as a cell has it.
    #[must_use]
    pub fn to_yuan(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let fen = self.0.unsigned_abs();
        format!("{sign}{}.{:02}", fen / 100, fen % 100)
    }
}

impl FieldType for Fen {
    const COLUMN: ColumnType = ColumnType::Integer;
    fn read(text: &str) -> Result<Self, CellReason> {
        let decimal = Decimal::read(text).map_err(|_| CellReason::NotAnAmount)?;
        let (whole, fraction) = decimal.0.split_once('.').unwrap_or((&decimal.0, ""));
        if fraction.len() > 2 {
            return Err(CellReason::NotAnAmount);
        }
        let fen: i64 = format!("{whole}{fraction:0<2}")
            .parse()
            .map_err(|_| CellReason::TooLarge)?;
        (fen.abs() <= MAX_INTEGER)
            .then_some(Self(fen))
            .ok_or(CellReason::TooLarge)
    }
    fn value(&self) -> Value {
        Value::Integer(self.0)
    }
}

/// A decimal number as canonical text (`-?digits[.digits]`, no superfluous zeros): entries hold
/// no floating-point numbers.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Decimal(pub String);

impl FieldType for Decimal {
    const COLUMN: ColumnType = ColumnType::Text;
    fn read(text: &str) -> Result<Self, CellReason> {
        let (sign, digits) = text
            .strip_prefix('-')
            .map_or(("", text), |rest| ("-", rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let ascii = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty()
            || whole.len() > 15
            || fraction.len() > 15
            || !ascii(whole)
            || !ascii(fraction)
        {
            return Err(CellReason::NotADecimal);
        }
        let whole = whole.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        let fraction = fraction.trim_end_matches('0');
        let sign = if whole == "0" && fraction.is_empty() {
            ""
        } else {
            sign
        };
        let dot = if fraction.is_empty() { "" } else { "." };
        Ok(Self(format!("{sign}{whole}{dot}{fraction}")))
    }
    fn value(&self) -> Value {
        Value::Text(self.0.clone())
    }
    fn is_spelled(_text: &str) -> bool {
        true
    }
}

impl FieldType for OfficeCode {
    const COLUMN: ColumnType = ColumnType::Text;
    fn read(text: &str) -> Result<Self, CellReason> {
        Self::parse(text).ok_or(CellReason::NotAnOfficeCode)
    }
    fn value(&self) -> Value {
        Value::Text(self.as_str().to_owned())
    }
    fn is_spelled(text: &str) -> bool {
        Self::parse(text).is_some()
    }
}

/// A short machine word: schemes, indicators, kinds of activity, clerks, periods.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Slug(pub String);

impl FieldType for Slug {
    const COLUMN: ColumnType = ColumnType::Text;
    fn read(text: &str) -> Result<Self, CellReason> {
        if refused_topic(text) {
            return Err(CellReason::RefusedTopic);
        }
        let text = super::schema::slug_of_chinese(text).unwrap_or(text);
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        if text.len() > 64 || text.is_empty() || !text.bytes().all(allowed) {
            return Err(CellReason::NotASlug);
        }
        Ok(Self(text.to_owned()))
    }
    fn value(&self) -> Value {
        Value::Text(self.0.clone())
    }
    fn is_spelled(_text: &str) -> bool {
        true
    }
}

/// Whether a column or a machine word is about something that this ledger refuses to hold.
#[must_use]
pub fn refused_topic(word: &str) -> bool {
    const TOPICS: &[&str] = &[
        "in_plan",
        "inplan",
        "out_of_plan",
        "permit",
        "permission",
        "计划内",
        "计划外",
        "政策内",
        "政策外",
        "准生",
        "生育证",
        "contracepti",
        "避孕",
        "节育",
        "上环",
        "结扎",
        "fine",
        "social_maintenance_fee",
        "社会抚养费",
        "罚款",
        "risk_score",
        "风险评分",
        "风险等级",
        "ranking",
        "排名",
    ];
    let word = word.to_lowercase();
    TOPICS.iter().any(|topic| {
        if topic.is_ascii() && topic.len() <= 6 {
            word.split(['_', '-', '.', ' '])
                .any(|part| part == *topic || part == format!("{topic}s"))
        } else {
            word.contains(topic)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(i64::read("3100"), Ok(3100));
        assert_eq!(i64::read("3100.0"), Ok(3100));
        assert_eq!(i64::read("3100.5"), Err(CellReason::NotANumber));
        assert_eq!(i64::read("9007199254740993"), Err(CellReason::TooLarge));
        assert_eq!(Fen::read("66954.70"), Ok(Fen(6_695_470)));
        assert_eq!(Fen::read("960"), Ok(Fen(96_000)));
        assert_eq!(Fen::read("-0.5").map(Fen::to_yuan), Ok("-0.50".into()));
        assert_eq!(Fen::read("1.005"), Err(CellReason::NotAnAmount));
        assert_eq!(Decimal::read("-007.50").map(|d| d.0), Ok("-7.5".into()));
        assert_eq!(Decimal::read("1e5"), Err(CellReason::NotADecimal));
    }

    #[test]
    fn cells_are_cleaned() {
        assert_eq!(clean("  \u{3000}"), Ok(None));
        assert_eq!(clean(" 张三\u{3000}"), Ok(Some("张三".into())));
        assert_eq!(clean("a\u{7}b"), Err(CellReason::ControlCharacter));
        assert_eq!(clean(&"x".repeat(201)), Err(CellReason::TooLong));
        assert_eq!(clean("e\u{301}"), Ok(Some("é".into())));
        assert_eq!(narrow("２０１４"), "2014");
    }

    #[test]
    fn refused_topics() {
        assert!(refused_topic("in_plan"));
        assert!(refused_topic("计划内"));
        assert!(refused_topic("fine"));
        assert!(!refused_topic("refined_count"));
        assert!(!refused_topic("births"));
    }
}
