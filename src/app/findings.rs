//! Findings on the ledger: where each stands, what it said, and the steps of people.
//!
//! What comes in: the cases of the operational views, and the details of the last run, which are
//! kept in a file beside the registers. What goes out: one [`FindingLine`] for each finding. What
//! may fail: the store; a step out of turn. What must stay true: the file is derived: without it
//! a finding still has its rule, verdict, state and records, and the next run writes it again; it
//! holds no personal field.

use std::collections::HashMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::audit::{Audited, finding_command};
use super::error::failed;
use super::records::sealed_text;
use super::{App, AppError};
use crate::ledger::aggregate::finding::{FindingCommand, FindingStage};
use crate::ledger::request::{Answer, Request};
use crate::model::id::{OfficeCode, Position};
use crate::model::period::Period;
use crate::model::slot::Slot;
use crate::model::time::Timestamp;
use crate::registers::views::finding::{FindingCase, Raised};

/// The name of the details in the casebook.
const DETAILS: &str = "findings.sealed";

/// What the last run said of a finding, beyond what is on the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// The finding.
    pub id: Uuid,
    /// The rule with its part.
    pub rule_name: String,
    /// Exact p of a signal.
    pub p: Option<f64>,
    /// Its p over the whole run.
    pub q: Option<f64>,
    /// The numbers that the rule computed, by name.
    pub numbers: serde_json::Map<String, serde_json::Value>,
    /// All its records.
    pub record_ids: Vec<Uuid>,
    /// What the office is asked, in English.
    pub message_en: String,
    /// The same in Chinese.
    pub message_zh: String,
}

/// A finding as it is listed.
#[derive(Debug, Clone, Serialize)]
pub struct FindingLine {
    /// Its stream.
    pub id: Uuid,
    /// The rule.
    pub rule: String,
    /// `fail` or `signal`.
    pub verdict: &'static str,
    /// Where it stands.
    pub state: String,
    /// The office that is asked.
    pub office: OfficeCode,
    /// The period, for a finding about one.
    pub period: Option<Period>,
    /// Its records: the numbers that their sources gave them, or their ids.
    pub records: Vec<String>,
    /// Exact p of a signal.
    pub p: Option<f64>,
    /// Its p over the whole run.
    pub q: Option<f64>,
    /// The last entry that the run took into account.
    pub position: Position,
    /// What the office is asked, in Chinese.
    pub message_zh: Option<String>,
    /// The same in English.
    pub message_en: Option<String>,
    /// The numbers that the rule computed.
    pub numbers: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(skip)]
    record_ids: Vec<Uuid>,
}

/// Which findings.
#[derive(Debug, Clone, Default)]
pub struct FindingFilter {
    /// Of this office and those below it.
    pub office: Option<OfficeCode>,
    /// Of these rules; all when empty.
    pub rules: Vec<String>,
    /// In these states, by their first word; open ones (not cleared, dismissed) when empty.
    pub states: Vec<String>,
}

/// What somebody does with a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingStep {
    /// Asks the office.
    Ask,
    /// Answers for the office.
    Answer(String),
    /// Finds it true.
    Confirm(Option<String>),
    /// Finds that nothing is wrong.
    Dismiss(String),
    /// Lets it rest until the end of a day.
    Waive(NaiveDate, String),
}

impl App {
    /// Keeps the details of a run for lists, sealed; findings of offices or rules that the run was
    /// not about keep theirs.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn keep_details(&self, audited: &Audited) -> Result<(), AppError> {
        let mut details = self.details().await?;
        for finding in &audited.run.findings {
            let numbers = finding.numbers.iter();
            let of = Details {
                id: audited.id(finding),
                rule_name: finding.rule_name.clone(),
                p: finding.p.map(|p| p.exact),
                q: finding.q.filter(|_| finding.p.is_some()),
                numbers: numbers
                    .map(|(name, number)| (name.clone(), number.to_json()))
                    .collect(),
                record_ids: audited.record_ids(finding),
                message_en: finding.message.en.clone(),
                message_zh: finding.message.zh.clone(),
            };
            details.insert(of.id, of);
        }
        let mut lines: Vec<&Details> = details.values().collect();
        lines.sort_unstable_by_key(|details| details.id);
        let mut text = Zeroizing::new(String::new());
        for details in lines {
            *text += &serde_json::to_string(details).unwrap_or_default();
            text.push('\n');
        }
        let casebook = self.casebook().await?;
        let kept = casebook.keep(DETAILS, DETAILS, text.as_bytes(), &self.ledger.master);
        kept.map_err(failed("keep the findings in", &self.folder))
    }

    async fn details(&self) -> Result<HashMap<Uuid, Details>, AppError> {
        let casebook = self.casebook().await?;
        let kept = casebook.read(DETAILS, DETAILS, &self.ledger.master);
        let kept = kept.unwrap_or_default();
        let lines = std::str::from_utf8(&kept).unwrap_or_default().lines();
        let lines = lines.filter_map(|line| serde_json::from_str::<Details>(line).ok());
        Ok(lines.map(|details| (details.id, details)).collect())
    }

    /// Lists findings, in the order in which they were first raised.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn findings(&self, filter: &FindingFilter) -> Result<Vec<FindingLine>, AppError> {
        let head = self.store().head().await?;
        let offices = self.offices(head.size).await?;
        let mut details = self.details().await?;
        let today = self
            .moment(head.size)
            .await?
            .recorded_at
            .map(Timestamp::date);
        let mut lines = Vec::new();
        for case in self.views().await?.cases().await? {
            let Some(raised) = &case.raised else { continue };
            let within = |top| offices.is_within(raised.office, top);
            let state = state_word(&case, today);
            let is_wanted = filter.office.is_none_or(within)
                && (filter.rules.is_empty() || filter.rules.contains(&raised.rule))
                && if filter.states.is_empty() {
                    !matches!(state.as_str(), "cleared" | "dismissed")
                } else {
                    filter
                        .states
                        .iter()
                        .any(|wanted| state.split(' ').next() == Some(wanted))
                };
            if is_wanted {
                lines.push(line(&case, raised, state, details.remove(&case.id)));
            }
        }
        Ok(lines)
    }

    /// One finding, wherever it stands; nothing when there is none of that id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finding(&self, id: Uuid) -> Result<Option<FindingLine>, AppError> {
        let Some(case) = self.views().await?.case(id).await? else {
            return Ok(None);
        };
        let Some(raised) = &case.raised else {
            return Ok(None);
        };
        let size = self.store().head().await?.size;
        let today = self.moment(size).await?.recorded_at.map(Timestamp::date);
        let state = state_word(&case, today);
        let details = self.details().await?.remove(&case.id);
        Ok(Some(line(&case, raised, state, details)))
    }

    /// Names the records of findings by the numbers that their sources gave them. That these were
    /// shown is an entry of its own.
    ///
    /// # Errors
    /// When the store fails, or a sealed field does not open.
    pub async fn name_records(
        &self,
        lines: &mut [FindingLine],
        purpose: &str,
    ) -> Result<(), AppError> {
        let mut ids: Vec<Uuid> = lines
            .iter()
            .flat_map(|line| line.record_ids.clone())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let size = self.store().head().await?.size;
        let named = self.source_record_ids(&ids, size, purpose).await?;
        for line in lines {
            let shown = line.record_ids.iter().map(|id| {
                // An erased record has no number any more; its id says which it was.
                named.get(id).cloned().unwrap_or_else(|| id.to_string())
            });
            line.records = shown.collect();
        }
        Ok(())
    }

    /// Does something with a finding, and seals. Asked again with the same idempotency key, it is
    /// answered with the first receipt.
    ///
    /// # Errors
    /// When the step is out of turn, a reason is missing, the key was used for something else, or the
    /// store fails.
    pub async fn take_step(
        &self,
        id: Uuid,
        step: FindingStep,
        idempotency_key: Option<String>,
    ) -> Result<Answer, AppError> {
        let actor = self.actor.clone();
        let said = Zeroizing::new(format!("{step:?}"));
        let reason = match &step {
            FindingStep::Ask | FindingStep::Confirm(None) => None,
            FindingStep::Answer(text)
            | FindingStep::Confirm(Some(text))
            | FindingStep::Dismiss(text)
            | FindingStep::Waive(_, text) => Some((Slot::REASON, sealed_text("reason", text)?)),
        };
        let command = finding_command(id, reason, move |commitments| {
            let actor = actor.clone();
            match &step {
                FindingStep::Ask => FindingCommand::Ask { actor },
                FindingStep::Answer(_) => FindingCommand::Answer { commitments },
                FindingStep::Confirm(_) => FindingCommand::Confirm { actor, commitments },
                FindingStep::Dismiss(_) => FindingCommand::Dismiss { actor, commitments },
                FindingStep::Waive(until, _) => FindingCommand::Waive {
                    actor,
                    commitments,
                    until: *until,
                },
            }
        });
        let said = Sha256::digest(said.as_bytes()).into();
        let request = Request {
            command: command.with_said(said).command(),
            idempotency_key,
        };
        let context = self.context(None);
        let answer = self.ledger.execute_one(&context, request).await??;
        self.seal().await?;
        Ok(answer)
    }
}

/// Where a finding stands today: a waiver whose day has passed is open again.
fn state_word(case: &FindingCase, today: Option<NaiveDate>) -> String {
    match case.state.stage {
        FindingStage::Waived(until) if today.is_some_and(|today| today > until) => {
            "open".to_owned()
        }
        stage => stage.to_string(),
    }
}

fn line(
    case: &FindingCase,
    raised: &Raised,
    state: String,
    details: Option<Details>,
) -> FindingLine {
    let record_ids = match &details {
        Some(details) => details.record_ids.clone(),
        None => raised.record_ids.clone(),
    };
    FindingLine {
        id: case.id,
        rule: raised.rule.clone(),
        verdict: raised.verdict.as_str(),
        state,
        office: raised.office,
        period: raised.period,
        records: record_ids.iter().map(ToString::to_string).collect(),
        p: details.as_ref().and_then(|of| of.p),
        q: details.as_ref().and_then(|of| of.q),
        position: raised.position,
        message_zh: details.as_ref().map(|of| of.message_zh.clone()),
        message_en: details.as_ref().map(|of| of.message_en.clone()),
        numbers: details.map(|of| of.numbers),
        record_ids,
    }
}
