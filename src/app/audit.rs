//! The audit of a ledger: the rules run over its records, and what follows written down.
//!
//! What comes in: the rules, and the moment to which a run is pinned. What goes out: a run with
//! its findings, and the entries that raise and clear them. What may fail: the store, a sealed
//! field that does not open. What must stay true: running again raises nothing twice and clears
//! what is gone; a run as of the past writes nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chrono::Days;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::error::failed;
use super::opening::OpenedRecords;
use super::reading::{BATCH, named_records};
use super::{App, AppError};
use crate::audit::casebook::Casebook;
use crate::audit::catalogue::Catalogue;
use crate::audit::finding::Finding;
use crate::audit::near::Earlier;
use crate::audit::run::{Examination, Moment, Run};
use crate::ledger::aggregate::finding::{
    Finding as FindingAggregate, FindingCommand, FindingStage, Step,
};
use crate::ledger::request::{For, Request};
use crate::model::id::{OfficeCode, Position};
use crate::model::office::OfficeDirectory;
use crate::model::slot::Slot;
use crate::model::time::{Timestamp, day_number, month_number};

/// Days after which the reports of a month are in.
const REPORTS_ARE_IN: u64 = 31;

/// The name of what rules gave in the casebook.
const GIVEN: &str = "given.sealed";

/// What rules gave, and what else their tables were made of.
#[derive(Serialize, Deserialize)]
struct Kept {
    beside: Beside,
    given: Earlier,
}

/// What changes rows of records that stand where they stood.
#[derive(PartialEq, Serialize, Deserialize)]
struct Beside {
    /// Tokens of women that were left.
    women: u64,
    /// Offices that there were; there are never fewer.
    offices: u64,
}

/// A run, with what it takes to name its records.
pub struct Audited {
    /// The run.
    pub run: Run,
    /// Number of entries that counted.
    pub size: u64,
    /// The offices that there were.
    pub offices: OfficeDirectory,
    /// The office whose findings, with those of the offices below it, are meant; all without one.
    within: Option<OfficeCode>,
    /// What was asked.
    pub examination: Examination,
    ledger: Uuid,
    opened: Arc<OpenedRecords>,
}

/// What a run changed on the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settled {
    /// Findings that were raised, or raised again.
    pub raised: u64,
    /// Findings that fire no more.
    pub cleared: u64,
    /// Findings that stand as they were.
    pub standing: u64,
}

impl Audited {
    /// Leaves the findings of other offices out. The rules saw all of them.
    pub fn keep_within(&mut self, top: OfficeCode) {
        self.within = Some(top);
        let offices = &self.offices;
        let is_within = |finding: &Finding| offices.is_within(finding.office, top);
        self.run.findings.retain(is_within);
    }

    /// Whether findings of the office are meant.
    fn concerns(&self, office: OfficeCode) -> bool {
        self.within
            .is_none_or(|top| self.offices.is_within(office, top))
    }

    /// The record whose current row is at a position.
    #[must_use]
    pub fn record_id(&self, position: Position) -> Option<Uuid> {
        self.opened.record_id(position)
    }

    /// The id of a finding.
    #[must_use]
    pub fn id(&self, finding: &Finding) -> Uuid {
        finding.id(self.ledger, |position| self.record_id(position))
    }

    /// The records of a finding, ascending.
    #[must_use]
    pub fn record_ids(&self, finding: &Finding) -> Vec<Uuid> {
        let ids = finding.records.iter().filter_map(|at| self.record_id(*at));
        let mut ids: Vec<Uuid> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

impl App {
    /// Runs the rules over what was current as of a number of entries. Nothing is written.
    ///
    /// # Errors
    /// When the store fails, or a sealed field does not open.
    pub async fn audit(&self, catalogue: &Catalogue, size: u64) -> Result<Audited, AppError> {
        let opened = Arc::new(self.open_records(size).await?);
        let earlier = self.earlier(&opened, size).await?;
        self.audit_after(&opened, catalogue, size, earlier).await
    }

    /// The same, and every rule is asked of everything.
    ///
    /// # Errors
    /// See [`App::audit`].
    pub async fn audit_whole(&self, catalogue: &Catalogue, size: u64) -> Result<Audited, AppError> {
        let opened = Arc::new(self.open_records(size).await?);
        self.audit_of(&opened, catalogue, size).await
    }

    /// The same of records that were opened before, as of at most as many entries.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn audit_of(
        &self,
        opened: &Arc<OpenedRecords>,
        catalogue: &Catalogue,
        size: u64,
    ) -> Result<Audited, AppError> {
        self.audit_after(opened, catalogue, size, None).await
    }

    async fn audit_after(
        &self,
        opened: &Arc<OpenedRecords>,
        catalogue: &Catalogue,
        size: u64,
        earlier: Option<Earlier>,
    ) -> Result<Audited, AppError> {
        let offices = self.offices(size).await?;
        let mut tables = opened.tables(size, &offices)?;
        tables.extend(self.override_tables(catalogue, opened, size).await?);
        let moment = self.audit_moment(size).await?;
        let mut examination = Examination::of(tables, &offices, moment, catalogue).await?;
        if let Some(earlier) = earlier {
            let gone = opened.gone(earlier.size, size, &offices)?;
            examination.after(earlier, &gone, catalogue)?;
        }
        Ok(Audited {
            run: examination.run(catalogue).await,
            examination,
            size,
            offices,
            within: None,
            ledger: self.ledger.id,
            opened: opened.clone(),
        })
    }

    /// What rules gave at the last run, if it was of as many entries or fewer.
    async fn earlier(
        &self,
        opened: &OpenedRecords,
        size: u64,
    ) -> Result<Option<Earlier>, AppError> {
        let kept = self.kept(&self.casebook().await?);
        let Some(Kept { beside, given }) = kept.filter(|kept| kept.given.size <= size) else {
            return Ok(None);
        };
        let stands = self.beside(opened, given.size).await? == beside;
        Ok(stands.then_some(given))
    }

    fn kept(&self, casebook: &Casebook) -> Option<Kept> {
        let text = casebook.read(GIVEN, GIVEN, &self.ledger.master)?;
        serde_json::from_slice(&text).ok()
    }

    /// As of the records that were opened, of those that were there as of a number of entries.
    async fn beside(&self, opened: &OpenedRecords, size: u64) -> Result<Beside, AppError> {
        Ok(Beside {
            women: opened.women(size),
            offices: self.offices(opened.size()).await?.all().len() as u64,
        })
    }

    /// Keeps what rules gave for the next run, sealed; not what a run of a few of them gave where
    /// more of those that the program carries are kept.
    async fn keep_given(&self, audited: &Audited) -> Result<(), AppError> {
        let casebook = self.casebook().await?;
        let given = audited.run.given.clone();
        let before = self.kept(&casebook);
        if let Some(before) = before {
            let carried = Catalogue::built_in();
            let mut kept = before.given.rules.keys();
            if kept.any(|rule| carried.rules.contains_key(rule) && !given.rules.contains_key(rule))
            {
                return Ok(());
            }
        }
        let beside = self.beside(&audited.opened, given.size).await?;
        let kept = Kept { beside, given };
        let text = Zeroizing::new(serde_json::to_string(&kept).unwrap_or_default());
        let done = casebook.keep(GIVEN, GIVEN, text.as_bytes(), &self.ledger.master);
        done.map_err(failed("keep what the rules gave in", &self.folder))
    }

    async fn audit_moment(&self, size: u64) -> Result<Moment, AppError> {
        let recorded_at = self.moment(size).await?.recorded_at;
        let today = recorded_at.unwrap_or_else(Timestamp::now).date();
        let before = today
            .checked_sub_days(Days::new(REPORTS_ARE_IN))
            .unwrap_or(today);
        // The month before the one that this day lies in has ended by then.
        Ok(Moment {
            size,
            today: day_number(today).into(),
            last_month: (month_number(before) - 1).into(),
        })
    }

    /// Raises what a run found and clears what it did not find any more, and seals.
    ///
    /// # Errors
    /// When the ledger refuses or the store fails.
    pub async fn settle(&self, audited: &Audited) -> Result<Settled, AppError> {
        let cases = self.views().await?.cases().await?;
        let stages: HashMap<Uuid, FindingStage> = cases
            .iter()
            .map(|case| (case.id, case.state.stage))
            .collect();
        let mut settled = Settled::default();
        let mut requests: Vec<Request> = Vec::new();
        let mut fired = HashSet::new();
        for finding in &audited.run.findings {
            let id = audited.id(finding);
            if !fired.insert(id) {
                continue;
            }
            let stage = stages.get(&id).copied().unwrap_or_default();
            if matches!(
                stage,
                FindingStage::Unknown | FindingStage::Cleared | FindingStage::Unrepeatable
            ) {
                settled.raised += 1;
                requests.push(Self::raise(audited, finding, id));
            } else {
                settled.standing += 1;
            }
        }
        let position = audited.size.saturating_sub(1);
        for case in &cases {
            let Some(raised) = &case.raised else { continue };
            let of_this_run = audited.run.heard(&raised.rule) && audited.concerns(raised.office);
            if of_this_run
                && !fired.contains(&case.id)
                && Step::Clear.is_allowed_in(case.state.stage)
            {
                settled.cleared += 1;
                let clear = move |_| FindingCommand::Clear { position };
                requests.push(finding_command(case.id, None, clear).command().into());
            }
        }
        let context = self.context(None);
        while !requests.is_empty() {
            let rest = requests.split_off(requests.len().min(BATCH));
            for answer in self.ledger.execute(&context, requests).await? {
                answer?;
            }
            requests = rest;
        }
        self.seal().await?;
        self.keep_given(audited).await?;
        Ok(settled)
    }

    fn raise(audited: &Audited, finding: &Finding, id: Uuid) -> Request {
        let ids = audited.record_ids(finding);
        let records = named_records(ids);
        let (finding, digest) = (finding.clone(), audited.run.rules_digest.clone());
        let position = audited.size.saturating_sub(1);
        let raise = finding_command(id, None, move |_| FindingCommand::Raise {
            office: finding.office,
            period: finding.period,
            position,
            record_count: records.count,
            record_ids: records.ids.clone(),
            records_root: records.root.clone(),
            rule: finding.rule.clone(),
            rule_version: finding.rule_version,
            rules_digest: digest.clone(),
            verdict: finding.verdict,
        });
        raise.command().into()
    }

    /// The numbers that offices gave records, by record: what an auditor looks them up by. That
    /// they were shown, and for what, is an entry of its own.
    ///
    /// # Errors
    /// When the store fails, a sealed field does not open, or there is no purpose.
    pub async fn source_record_ids(
        &self,
        ids: &[Uuid],
        size: u64,
        purpose: &str,
    ) -> Result<BTreeMap<Uuid, String>, AppError> {
        let mut named = BTreeMap::new();
        if ids.is_empty() {
            return Ok(named);
        }
        self.disclose(ids.to_vec(), vec![Slot::SOURCE_RECORD_ID], purpose)
            .await?;
        for ids in ids.chunks(BATCH) {
            for history in self.histories(ids, size).await? {
                if let Some(value) = history.value(Slot::SOURCE_RECORD_ID) {
                    named.insert(history.record_id, value.as_str().to_owned());
                }
            }
        }
        Ok(named)
    }
}

/// A command of a finding.
pub(super) fn finding_command(
    id: Uuid,
    sealed: Option<(Slot, String)>,
    build: impl Fn(crate::ledger::commitment::Commitments) -> FindingCommand + Send + Sync + 'static,
) -> For<FindingAggregate> {
    For::new(id, build).with_sealed(sealed)
}
