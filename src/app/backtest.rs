//! What a rule would have said over history.
//!
//! What comes in: rules and a step, such as a month. What goes out: for the end of each step of
//! the log what a run would have found then. What may fail: the store, a sealed field that does
//! not open. What must stay true: each step is a run of its own, pinned to the last entry of the
//! step; nothing is written.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{Datelike, Days, NaiveDate};
use serde::Serialize;
use uuid::Uuid;

use super::{App, AppError};
use crate::audit::catalogue::Catalogue;
use crate::history::steps::Every;
use crate::model::id::{OfficeCode, Position};
use crate::model::period::Period;
use crate::model::time::Timestamp;
use crate::registers::fold::size_at;

/// A finding that a step brought.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Brought {
    /// Its id, as a run on the ledger would give it.
    pub id: Uuid,
    /// The rule with its part.
    pub rule: String,
    /// `fail` or `signal`.
    pub verdict: &'static str,
    /// The office that is asked.
    pub office: OfficeCode,
    /// The period, for a finding about one.
    pub period: Option<String>,
    /// Exact p of a signal.
    pub p: Option<f64>,
    /// What the office is asked, in English.
    pub message_en: String,
    /// The same in Chinese.
    pub message_zh: String,
}

/// A run as of the end of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BacktestStep {
    /// The last entry that counted.
    pub position: Position,
    /// When it was recorded.
    pub recorded_at: Option<Timestamp>,
    /// Findings at the end of the step.
    pub findings: u64,
    /// Those that the step before did not have.
    pub brought: Vec<Brought>,
    /// Those of the step before that are gone.
    pub gone: u64,
    /// Statistical tests.
    pub tests: u64,
    /// Tests below their gate, before the multiplicity control.
    pub before: u64,
    /// Rows to look at that are no findings.
    pub review: u64,
    /// Units with too few data to say.
    pub insufficient: u64,
}

/// The last day of the step that a day lies in.
fn last_day(every: Every, day: NaiveDate) -> NaiveDate {
    match every {
        Every::Month => Period::month_of(day).last_day(),
        Every::Week => {
            let to_go = 6 - u64::from(day.weekday().num_days_from_monday());
            day.checked_add_days(Days::new(to_go)).unwrap_or(day)
        }
        Every::Day | Every::Entries(_) => day,
    }
}

impl App {
    /// Numbers of entries at the ends of the steps of the log, ascending.
    async fn ends_of_steps(&self, every: Every, until: u64) -> Result<Vec<u64>, AppError> {
        // The first entry founds the ledger.
        let (mut ends, mut size) = (Vec::new(), 1);
        while size < until {
            let begun = self.moment(size + 1).await?.recorded_at;
            let next = match (every, begun) {
                (Every::Entries(number), _) => size.saturating_add(number),
                (every, Some(begun)) => {
                    let end = Timestamp::end_of(last_day(every, begun.date()));
                    size_at(self.store().as_ref(), end).await?
                }
                (_, None) => until,
            };
            size = next.clamp(size + 1, until);
            ends.push(size);
        }
        Ok(ends)
    }

    /// Runs rules as of the end of every step up to a number of entries, and gives each step to
    /// `each`. Records are opened once.
    ///
    /// # Errors
    /// When the store fails, or a sealed field does not open.
    pub async fn backtest(
        &self,
        catalogue: &Catalogue,
        every: Every,
        within: Option<OfficeCode>,
        until: u64,
        mut each: impl FnMut(&BacktestStep),
    ) -> Result<(), AppError> {
        let opened = Arc::new(self.open_records(until).await?);
        let mut standing: BTreeSet<Uuid> = BTreeSet::new();
        for size in self.ends_of_steps(every, until).await? {
            let mut audited = self.audit_of(&opened, catalogue, size).await?;
            if let Some(top) = within {
                audited.keep_within(top);
            }
            let (mut now, mut brought) = (BTreeSet::new(), Vec::new());
            for finding in &audited.run.findings {
                let id = audited.id(finding);
                if now.insert(id) && !standing.contains(&id) {
                    brought.push(Brought {
                        id,
                        rule: finding.rule_name.clone(),
                        verdict: finding.verdict.as_str(),
                        office: finding.office,
                        period: finding.period.map(|period| period.to_string()),
                        p: finding.p.map(|p| p.exact),
                        message_en: finding.message.en.clone(),
                        message_zh: finding.message.zh.clone(),
                    });
                }
            }
            let sum = |of: fn(&crate::audit::run::RuleOutcome) -> u64| -> u64 {
                audited.run.rules.iter().map(of).sum()
            };
            let step = BacktestStep {
                position: size - 1,
                recorded_at: self.moment(size).await?.recorded_at,
                findings: now.len() as u64,
                brought,
                gone: standing.difference(&now).count() as u64,
                tests: sum(|rule| rule.tests),
                before: sum(|rule| rule.before),
                review: sum(|rule| rule.review),
                insufficient: sum(|rule| rule.insufficient),
            };
            each(&step);
            standing = now;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_end_where_calendars_say() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let ends = |every, from| last_day(every, day(from)).to_string();
        assert_eq!(ends(Every::Month, "2014-02-03"), "2014-02-28");
        // 30 December 2013 is a Monday.
        assert_eq!(ends(Every::Week, "2013-12-30"), "2014-01-05");
        assert_eq!(ends(Every::Week, "2014-01-05"), "2014-01-05");
        assert_eq!(ends(Every::Day, "2014-01-05"), "2014-01-05");
    }
}
