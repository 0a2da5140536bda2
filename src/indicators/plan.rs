//! The targets file: a published plan as JSON.
//!
//! What comes in: the bytes of a file. What goes out: [`Targets`] that know which file they are
//! from, by its SHA-256. What may fail: text that is no such object, a member that is not known, a
//! target that is no number or no possible one, a due date that some year lacks ([`PlanError`]).
//! What must stay true: a member that is left out has its default; what [`Targets::to_file`]
//! writes reads back as the same targets.
//!
//! ```json
//! { "crude_birth_rate_at_most": "12.5",
//!   "reward_schemes": [{ "scheme": "family_support", "due_month": 8, "due_day": 31 }] }
//! ```
//!
//! Numbers stand in quotes: they are decimals and are compared exactly.

use chrono::NaiveDate;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::targets::{RewardScheme, Targets};
use crate::locale::Note;
use crate::model::cell::Decimal;
use crate::statistics::rational::Rational;

/// A year without a 29 February: a due date must be in every year.
const SHORT_YEAR: i32 = 2001;

/// Where targets are from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum PlanSource {
    /// The defaults.
    #[default]
    Defaults,
    /// A file with these bytes.
    File {
        /// Their SHA-256 in hexadecimal digits.
        sha256: String,
    },
}

impl PlanSource {
    /// What readers are told.
    #[must_use]
    pub fn note(&self) -> Note {
        match self {
            Self::Defaults => Note::new("plan_defaults", &[]),
            Self::File { sha256 } => Note::new("plan_file", &[("sha256", sha256)]),
        }
    }

    /// In one word, for machines: `defaults` or `sha256:` and the digits.
    #[must_use]
    pub fn word(&self) -> String {
        match self {
            Self::Defaults => "defaults".to_owned(),
            Self::File { sha256 } => format!("sha256:{sha256}"),
        }
    }
}

/// Why a targets file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Not an object of the known members.
    #[error(
        "the targets are no JSON object of the known members, as is seen at line {line}, column {column}: {what}; numbers stand in quotes, as \"15.0\", and `report targets --print-file` prints a file to edit"
    )]
    Unreadable {
        /// 1-based line.
        line: usize,
        /// 1-based column.
        column: usize,
        /// What the reader says.
        what: String,
    },
    /// A target that is no number.
    #[error("{name} is {value:?}, which is no number; write it as \"15.0\"")]
    NoNumber {
        /// Which member.
        name: &'static str,
        /// What it says.
        value: String,
    },
    /// A target that nothing can ever be.
    #[error("{name} is {value}; write a number from 0 to {most}")]
    OutOfRange {
        /// Which member.
        name: &'static str,
        /// What it says.
        value: String,
        /// The largest number that it could be.
        most: i128,
    },
    /// A range whose ends are the wrong way round.
    #[error("sex_ratio_at_birth_from is {from}, above sex_ratio_at_birth_to, {to}; swap them")]
    Turned {
        /// Lower end.
        from: String,
        /// Upper end.
        to: String,
    },
    /// A day that some year lacks.
    #[error(
        "the scheme {scheme:?} is due in month {month} on day {day}; write a day that every year has"
    )]
    NoDay {
        /// Which scheme.
        scheme: String,
        /// Its month.
        month: u32,
        /// Its day.
        day: u32,
    },
    /// A scheme without a name of its own.
    #[error("the scheme {0:?} is named twice or not at all in reward_schemes; name each once")]
    Scheme(String),
}

/// The largest possible per cent, per mille, boys to 100 girls, and yuan to a resident.
const PER_CENT: i128 = 100;
const PER_MILLE: i128 = 1000;
const YUAN: i128 = 1_000_000;

impl Targets {
    /// Reads a file.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn of_file(bytes: &[u8]) -> Result<Self, PlanError> {
        let unreadable = |line, column, what: String| PlanError::Unreadable { line, column, what };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + before.split(|byte| *byte == b'\n').skip(1).count();
            let column = 1 + before
                .rsplit(|byte| *byte == b'\n')
                .next()
                .map_or(0, <[u8]>::len);
            unreadable(line, column, "the text is not UTF-8".to_owned())
        })?;
        // Editors of some systems begin a file with a mark of its encoding.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut targets: Self = serde_json::from_str(text)
            .map_err(|error| unreadable(error.line(), error.column(), error.to_string()))?;
        targets.check()?;
        targets.source = PlanSource::File {
            sha256: hex::encode(Sha256::digest(bytes)),
        };
        Ok(targets)
    }

    /// The targets as a file to edit, every member in it.
    ///
    /// # Errors
    /// When they do not become JSON.
    pub fn to_file(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    fn check(&self) -> Result<(), PlanError> {
        for (name, cell, most) in self.numbers() {
            let no_number = || PlanError::NoNumber {
                name,
                value: cell.0.clone(),
            };
            let number = Rational::of_decimal(&cell.0).ok_or_else(no_number)?;
            if !(Rational::whole(0)..=Rational::whole(most)).contains(&number) {
                let value = cell.0.clone();
                return Err(PlanError::OutOfRange { name, value, most });
            }
        }
        let ends = [&self.sex_ratio_at_birth_from, &self.sex_ratio_at_birth_to];
        if let [Some(from), Some(to)] = ends.map(|cell| Rational::of_decimal(&cell.0))
            && from > to
        {
            let [from, to] = ends.map(|cell| cell.0.clone());
            return Err(PlanError::Turned { from, to });
        }
        let mut known = std::collections::BTreeSet::new();
        for scheme in &self.reward_schemes {
            check_scheme(scheme)?;
            if !known.insert(&scheme.scheme) {
                return Err(PlanError::Scheme(scheme.scheme.clone()));
            }
        }
        Ok(())
    }

    /// Every number of the plan with its name and the largest that it could be.
    fn numbers(&self) -> [(&'static str, &Decimal, i128); 14] {
        macro_rules! number {
            ($name:ident, $most:expr) => {
                (stringify!($name), &self.$name, $most)
            };
        }
        [
            number!(crude_birth_rate_at_most, PER_MILLE),
            number!(natural_increase_at_most, PER_MILLE),
            number!(sex_ratio_at_birth_from, PER_MILLE),
            number!(sex_ratio_at_birth_to, PER_MILLE),
            number!(preconception_check_coverage_at_least, PER_CENT),
            number!(reward_fulfilment_at_least, PER_CENT),
            number!(programme_funding_per_head_at_least, YUAN),
            number!(statistical_accuracy_at_least, PER_CENT),
            number!(satisfaction_at_least, PER_CENT),
            number!(policy_compliance_at_least, PER_CENT),
            number!(share_outside_policy_at_most, PER_CENT),
            number!(association_good_first_class_at_least, PER_CENT),
            number!(association_good_qualified_at_least, PER_CENT),
            number!(association_good_general_at_least, PER_CENT),
        ]
    }
}

fn check_scheme(scheme: &RewardScheme) -> Result<(), PlanError> {
    if scheme.scheme.trim().is_empty() {
        return Err(PlanError::Scheme(scheme.scheme.clone()));
    }
    let (month, day) = (scheme.due_month, scheme.due_day);
    let known = NaiveDate::from_ymd_opt(SHORT_YEAR, month, day);
    known.map(|_| ()).ok_or_else(|| PlanError::NoDay {
        scheme: scheme.scheme.clone(),
        month,
        day,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Targets::of_file(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_printed_reads_back() {
        let printed = Targets::default().to_file().unwrap();
        let read = Targets::of_file(printed.as_bytes()).unwrap();
        // SHA-256 of the printed defaults: of the very bytes.
        let sha256 = hex::encode(Sha256::digest(printed.as_bytes()));
        assert_eq!(read.source, PlanSource::File { sha256 });
        let source = PlanSource::Defaults;
        assert_eq!(Targets { source, ..read }, Targets::default());
        // Every member stands in it, so that there is nothing to look up.
        let object: serde_json::Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(object.as_object().unwrap().len(), 16);
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let text = "\u{feff}{\"natural_increase_at_most\": \"6.5\"}";
        let targets = Targets::of_file(text.as_bytes()).unwrap();
        assert_eq!(targets.natural_increase_at_most.0, "6.5");
        assert_eq!(targets.crude_birth_rate_at_most.0, "15.0");
    }

    #[test]
    fn a_wrong_file_is_refused_with_place_and_remedy() {
        let unknown = refused("{\n  \"rank_at_most\": \"1\"\n}");
        assert!(
            unknown.contains("line 2") && unknown.contains("rank_at_most"),
            "{unknown}"
        );
        assert!(unknown.contains("--print-file"));
        let unquoted = refused("{\"crude_birth_rate_at_most\": 15.0}");
        assert!(
            unquoted.contains("line 1") && unquoted.contains("in quotes"),
            "{unquoted}"
        );
        assert!(refused("{\"source\": {}}").contains("unknown field"));
        assert_eq!(
            refused("{\"satisfaction_at_least\": \"high\"}"),
            "satisfaction_at_least is \"high\", which is no number; write it as \"15.0\""
        );
        assert!(refused("{\"satisfaction_at_least\": \"101\"}").contains("from 0 to 100"));
        assert!(refused("{\"natural_increase_at_most\": \"-1\"}").contains("from 0"));
        assert!(refused("{\"sex_ratio_at_birth_from\": \"108\"}").contains("swap"));
        let scheme = |month: u32, day: u32| {
            let one = format!("{{\"scheme\":\"s\",\"due_month\":{month},\"due_day\":{day}}}");
            format!("{{\"reward_schemes\":[{one},{one}]}}")
        };
        assert!(refused(&scheme(2, 29)).contains("every year"));
        assert!(refused(&scheme(2, 28)).contains("twice"));
        let latin = Targets::of_file(b"{\n \"a\xe9").unwrap_err().to_string();
        assert!(
            latin.contains("line 2, column 4") && latin.contains("UTF-8"),
            "{latin}"
        );
    }
}
