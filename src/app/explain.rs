//! A finding, explained: the rule, what it computed, the rows behind it.
//!
//! What comes in: the id of a finding. What goes out: an [`Explanation`], made by running the
//! rules again as of the position to which the finding is pinned. What may fail: no such finding
//! there, because there never was or because records were erased since. What must stay true: the
//! arithmetic is that of the run; records are named and their public fields shown, and no sealed
//! one.

use std::collections::BTreeMap;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use serde::Serialize;
use uuid::Uuid;

use super::audit::Audited;
use super::{App, AppError};
use crate::audit::catalogue::{Catalogue, Rule};
use crate::audit::finding::{Finding, worked};
use crate::audit::rows::Found;
use crate::locale::Bilingual;
use crate::model::fields::AnyFields;
use crate::model::id::{OfficeCode, Position};
use crate::model::schema::RecordKind;
use crate::registers::fold::row_of;

/// Records whose fields are shown.
const MOST_RECORDS: usize = 50;

/// A record that a finding speaks of.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedRecord {
    /// The record.
    pub record_id: Uuid,
    /// The number that its source gave it; its id after an erasure.
    pub source_record_id: String,
    /// Its kind.
    pub kind: &'static str,
    /// The entry that the rule saw.
    pub position: Position,
    /// Its public fields.
    pub fields: BTreeMap<String, String>,
}

/// A point of the chart of a finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// What stands below it.
    pub at: String,
    /// How many.
    pub value: f64,
    /// How many were expected, where that is known.
    pub expected: Option<f64>,
}

/// All that there is to say about a finding.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// Name and version of this structure.
    pub format: &'static str,
    /// The finding.
    pub id: Uuid,
    /// The rule with its part.
    pub rule: String,
    /// The rule's version.
    pub rule_version: u32,
    /// Its name.
    pub title: Bilingual,
    /// What became of the row: `finding`, `review`, `insufficient` or `quiet`.
    pub judged: &'static str,
    /// `fail`, `signal` or `insufficient`.
    pub verdict: &'static str,
    /// The office that is asked.
    pub office: OfficeCode,
    /// Its name.
    pub office_name: Bilingual,
    /// The period, for a finding about one.
    pub period: Option<String>,
    /// The last entry that counted.
    pub position: Position,
    /// Of the rules that ran now.
    pub rules_digest: String,
    /// Of the rules that raised it, if it was raised by others.
    pub raised_by: Option<String>,
    /// What the office is asked.
    pub question: Bilingual,
    /// The arithmetic, spelled out.
    pub arithmetic: Bilingual,
    /// Exact p of a test.
    pub p: Option<f64>,
    /// Its mid-p.
    pub p_mid: Option<f64>,
    /// Its p over the whole run.
    pub q: Option<f64>,
    /// Parameters of the rule.
    pub parameters: BTreeMap<String, String>,
    /// What the rule computed.
    pub numbers: serde_json::Map<String, serde_json::Value>,
    /// How many records it speaks of.
    pub record_count: usize,
    /// The first of them.
    pub records: Vec<ExplainedRecord>,
    /// The chart, where the rule has one.
    pub chart: Vec<Point>,
    /// The SQL that ran, with the parameters.
    pub sql: String,
}

impl App {
    /// The finding that is meant by an id or by the first characters of one.
    ///
    /// # Errors
    /// When none or several begin so, or the store fails.
    pub async fn finding_named(&self, name: &str) -> Result<Uuid, AppError> {
        if let Ok(id) = Uuid::parse_str(name) {
            return Ok(id);
        }
        let wanted = name.to_ascii_lowercase();
        let cases = self.views().await?.cases().await?.into_iter();
        let begins = |id: &Uuid| !wanted.is_empty() && id.to_string().starts_with(&wanted);
        let found: Vec<Uuid> = cases.map(|case| case.id).filter(begins).collect();
        match found.as_slice() {
            [id] => Ok(*id),
            [] => Err(AppError::Usage(format!(
                "no finding begins with {name}; `vitaledger findings` lists them"
            ))),
            several => Err(AppError::Usage(format!(
                "{} findings begin with {name}; write more of it",
                several.len()
            ))),
        }
    }

    /// Explains a finding, as of the position that it is pinned to; one that was never raised, as
    /// of now. That the numbers of its records were shown is an entry of its own.
    ///
    /// # Errors
    /// When there is no such finding, the store fails, or a sealed field does not open.
    pub async fn explain(
        &self,
        catalogue: &Catalogue,
        id: Uuid,
        purpose: &str,
    ) -> Result<Explanation, AppError> {
        let case = self.views().await?.case(id).await?;
        let raised = case.and_then(|case| case.raised);
        let size = match &raised {
            Some(raised) => raised.position + 1,
            None => self.store().head().await?.size,
        };
        let audited = self.audit(catalogue, size).await?;
        let (judged, finding) = audited.found(id).ok_or_else(|| {
            AppError::Usage(format!(
                "the rules do not give finding {id} as of position {}; it was raised by other rules, or records were erased since",
                size.saturating_sub(1)
            ))
        })?;
        let rule = catalogue
            .rules
            .get(&finding.rule_name)
            .ok_or_else(|| AppError::Usage(format!("there is no rule {}", finding.rule_name)))?;
        let row = audited.row_of(rule, id).await?;
        let other_rules = raised.filter(|raised| raised.rules_digest != audited.run.rules_digest);
        let office = audited.offices.get(finding.office);
        let bilingual = |of: &dyn Fn(bool) -> String| Bilingual {
            en: of(false),
            zh: of(true),
        };
        let numbers = finding.numbers.iter();
        let parameters = rule.parameters.iter();
        Ok(Explanation {
            format: "vitaledger-explanation/1",
            id,
            rule: finding.rule_name.clone(),
            rule_version: finding.rule_version,
            title: rule.title.clone(),
            judged,
            verdict: finding.verdict.as_str(),
            office: finding.office,
            office_name: bilingual(&|zh| {
                office.map_or_else(String::new, |o| o.name(zh).to_owned())
            }),
            period: finding.period.map(|period| period.to_string()),
            position: size.saturating_sub(1),
            rules_digest: audited.run.rules_digest.clone(),
            raised_by: other_rules.map(|raised| raised.rules_digest),
            question: finding.message.clone(),
            arithmetic: Bilingual {
                en: worked(&rule.work.en, &row),
                zh: worked(&rule.work.zh, &row),
            },
            p: finding.p.map(|p| p.exact),
            p_mid: finding.p.map(|p| p.mid),
            q: finding.q.filter(|_| finding.p.is_some()),
            parameters: parameters
                .map(|(name, value)| (name.clone(), value.literal()))
                .collect(),
            numbers: numbers
                .map(|(name, number)| (name.clone(), number.to_json()))
                .collect(),
            record_count: finding.records.len(),
            records: self.explained_records(&audited, finding, purpose).await?,
            chart: audited.chart_of(rule, &row).await?,
            sql: rule.sql.clone(),
        })
    }

    async fn explained_records(
        &self,
        audited: &Audited,
        finding: &Finding,
        purpose: &str,
    ) -> Result<Vec<ExplainedRecord>, AppError> {
        let shown = &finding.records[..finding.records.len().min(MOST_RECORDS)];
        let ids: Vec<Uuid> = shown
            .iter()
            .filter_map(|at| audited.record_id(*at))
            .collect();
        let numbers = self.source_record_ids(&ids, audited.size, purpose).await?;
        let mut records = Vec::with_capacity(shown.len());
        for position in shown {
            let stored = self.store().entry(*position).await?;
            let row = match &stored {
                Some(stored) => row_of(*position, &stored.bytes)?,
                None => None,
            };
            let Some(row) = row else { continue };
            let kind: RecordKind = row.kind();
            let fields = AnyFields::columns(kind).iter().filter_map(|(name, _)| {
                let value = row.fields.get(name)?;
                Some(((*name).to_owned(), value.to_string()))
            });
            records.push(ExplainedRecord {
                record_id: row.record_id,
                source_record_id: numbers
                    .get(&row.record_id)
                    .cloned()
                    .unwrap_or_else(|| row.record_id.to_string()),
                kind: kind.as_str(),
                position: *position,
                fields: fields.collect(),
            });
        }
        Ok(records)
    }
}

impl Audited {
    /// What became of the row that has an id, and the finding that it is or would be.
    fn found(&self, id: Uuid) -> Option<(&'static str, &Finding)> {
        let others = self.run.others.iter();
        let others = others.map(|(judged, other)| (judged.as_str(), other));
        let all = self.run.findings.iter().map(|finding| ("finding", finding));
        let mut all = all.chain(others);
        all.find(|(_, finding)| self.id(finding) == id)
    }

    /// The row of a rule that a finding came of.
    async fn row_of(&self, rule: &Rule, id: Uuid) -> Result<Found, AppError> {
        let rows = self.examination.rows(rule).await;
        let rows = rows.map_err(|fault| AppError::Usage(fault.to_string()))?;
        let mut rows = rows.into_iter();
        let of_finding = |row: &Found| self.id(&Finding::of(rule, row, None).1) == id;
        rows.find(of_finding)
            .ok_or_else(|| AppError::Integrity(format!("rule {} gave other rows", rule.name())))
    }

    async fn chart_of(&self, rule: &Rule, row: &Found) -> Result<Vec<Point>, AppError> {
        let Some(sql) = rule.chart_sql(row) else {
            return Ok(Vec::new());
        };
        let mut points = Vec::new();
        for batch in self.examination.answer(&sql).await? {
            points.extend(points_of(&batch).unwrap_or_default());
        }
        Ok(points)
    }
}

/// The points in the columns `at`, `value` and, where there is one, `expected`.
fn points_of(batch: &RecordBatch) -> Option<Vec<Point>> {
    let column = |name: &str, data| cast(batch.column_by_name(name)?, data).ok();
    let (at, value) = (
        column("at", &DataType::Utf8)?,
        column("value", &DataType::Float64)?,
    );
    let (at, value) = (at.as_string::<i32>(), value.as_primitive::<Float64Type>());
    let expected = column("expected", &DataType::Float64);
    let expected = expected.as_ref().map(AsArray::as_primitive::<Float64Type>);
    let point = |row: usize| Point {
        at: at.value(row).to_owned(),
        value: value.value(row),
        expected: expected
            .filter(|column| column.is_valid(row))
            .map(|column| column.value(row)),
    };
    Some((0..batch.num_rows()).map(point).collect())
}
