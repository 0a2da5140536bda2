//! What a run found: a rule, whom it concerns, the numbers, and what the office is asked.
//!
//! What comes in: a row of a rule, and what the multiplicity control decided. What goes out: a
//! [`Finding`] with an id that is the same in every run. What may fail: nothing. What must stay
//! true: a finding on a person's record names the record, never the person; its id depends on the
//! rule and on what it is about, and on nothing that changes while that stays.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::catalogue::{About, Rule};
use super::rows::{Found, Number, Says, Tested};
use crate::ledger::aggregate::finding::Verdict;
use crate::locale::Bilingual;
use crate::model::id::{OfficeCode, Position, uuid_of_hash};
use crate::model::period::Period;
use crate::statistics::PValue;
use crate::statistics::multiplicity::Decision;

/// One finding of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The rule.
    pub rule: String,
    /// The rule with its part.
    pub rule_name: String,
    /// The rule's version.
    pub rule_version: u32,
    /// What it says.
    pub verdict: Verdict,
    /// The office that is asked.
    pub office: OfficeCode,
    /// The period, for a finding about one.
    pub period: Option<Period>,
    /// Positions of the current rows of the records that it speaks of, ascending.
    pub records: Vec<Position>,
    /// What tells it apart from others of the same rule, office and period.
    pub subject: Vec<(String, String)>,
    /// The p-values of a signal.
    pub p: Option<PValue>,
    /// Its p over the whole run: at most the false discovery rate.
    pub q: Option<f64>,
    /// What was computed.
    pub numbers: Vec<(String, Number)>,
    /// What the office is asked.
    pub message: Bilingual,
    about: About,
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// A finding.
    Finding,
    /// Something to look at.
    Review,
    /// Too few data to say.
    Insufficient,
    /// A test that did not signal.
    Quiet,
}

impl Judged {
    /// The word, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Finding => "finding",
            Self::Review => "review",
            Self::Insufficient => "insufficient",
            Self::Quiet => "quiet",
        }
    }
}

impl Finding {
    /// Of a row, with what was decided of its test; and what becomes of it.
    #[must_use]
    pub fn of(rule: &Rule, row: &Found, decision: Option<&Decision>) -> (Judged, Self) {
        let signalled = decision.is_some_and(|decision| decision.signalled);
        let (judged, verdict) = match row.says {
            Says::Review => (Judged::Review, rule.verdict),
            Says::Verdict(Verdict::Insufficient) => (Judged::Insufficient, Verdict::Insufficient),
            Says::Verdict(Verdict::Signal) if !signalled => (Judged::Quiet, Verdict::Signal),
            Says::Verdict(verdict) => (Judged::Finding, verdict),
        };
        let subject = rule.subject.iter().filter_map(|name| {
            let number = row.number(name)?;
            Some((name.clone(), number.to_string()))
        });
        let finding = Self {
            rule: rule.id.clone(),
            rule_name: rule.name(),
            rule_version: rule.version,
            verdict,
            office: row.office,
            period: row.period,
            records: row.records.clone(),
            subject: subject.collect(),
            p: row.test.map(|Tested { p, .. }| p),
            q: decision.map(|decision| decision.adjusted),
            numbers: row.numbers.clone(),
            message: Bilingual {
                en: filled(&rule.ask.en, row),
                zh: filled(&rule.ask.zh, row),
            },
            about: rule.about,
        };
        (judged, finding)
    }

    /// Its id in a ledger: of the rule and of the records that it speaks of, or of the office, the
    /// period and the subject.
    #[must_use]
    pub fn id(&self, ledger: Uuid, record_id: impl Fn(Position) -> Option<Uuid>) -> Uuid {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(b"vitaledger/v1/finding");
        part(ledger.as_bytes());
        part(self.rule_name.as_bytes());
        match self.about {
            About::Records => {
                let mut ids: Vec<Uuid> = self
                    .records
                    .iter()
                    .filter_map(|at| record_id(*at))
                    .collect();
                ids.sort_unstable();
                for id in ids {
                    part(id.as_bytes());
                }
            }
            About::Office => {
                part(self.office.as_str().as_bytes());
                part(
                    self.period
                        .map(|period| period.to_string())
                        .unwrap_or_default()
                        .as_bytes(),
                );
                for (name, value) in &self.subject {
                    part(name.as_bytes());
                    part(value.as_bytes());
                }
            }
        }
        uuid_of_hash(&hash.finalize().into())
    }
}

/// The text with `{column}` replaced by its value; `{period}`, `{p}` and `{p_mid}` are known, too.
#[must_use]
pub fn filled(text: &str, row: &Found) -> String {
    filled_with(text, row, ToString::to_string)
}

/// The same with so many digits that a reader can compute it again.
#[must_use]
pub fn worked(text: &str, row: &Found) -> String {
    filled_with(text, row, Number::exactly)
}

fn filled_with(text: &str, row: &Found, shown: impl Fn(&Number) -> String) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            filled.push('{');
            rest = after;
            continue;
        };
        let value = match name {
            "period" => row.period.map(|period| period.to_string()),
            "p" => row.test.map(|test| format!("{:.3e}", test.p.exact)),
            "p_mid" => row.test.map(|test| format!("{:.3e}", test.p.mid)),
            name => row.number(name).map(&shown),
        };
        filled.push_str(value.as_deref().unwrap_or("-"));
        rest = behind;
    }
    filled + rest
}
