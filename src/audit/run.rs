//! A run of the audit: every rule over the records as of a position.
//!
//! What comes in: the tables of the records ([`super::cases`]), the offices, the rules, and the
//! moment to which all of it is pinned. What goes out: a [`Run`]: the findings, and for each rule
//! what it looked at. What may fail: a rule whose SQL does not run or gives other columns than it
//! must, which stops that rule alone. What must stay true: the same tables, moment and rules give
//! the same findings in the same order; a signal has passed the gate of its rule and the
//! multiplicity control over the whole run; what could not be tested is said.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::error::DataFusionError;
use serde::Serialize;

use super::catalogue::{Catalogue, Rule, RuleFault};
use super::finding::Finding;
use super::functions;
use super::rows::{Found, found_in};
use crate::model::code::OfficeLevel;
use crate::model::id::{OfficeCode, Position};
use crate::model::office::OfficeDirectory;
use crate::registers::sql::{Session, SqlError};
use crate::statistics::multiplicity::{Test, decide};

/// False discovery rate of a run.
pub const Q: f64 = 0.10;
/// What the exact p of a signal must be below, unless its rule has a parameter `level`.
const LEVEL: f64 = 0.001;

/// The moment to which a run is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Number of entries that count.
    pub size: u64,
    /// The day of the last of them, as a day number.
    pub today: i64,
    /// The month of the day 31 days before, which is the last whose reports are in.
    pub last_month: i64,
}

/// What a rule did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleOutcome {
    /// The rule, with its part.
    pub rule: String,
    /// The rule alone.
    #[serde(skip)]
    pub id: String,
    /// Findings of it.
    pub findings: u64,
    /// Statistical tests, for a rule that makes them.
    pub tests: u64,
    /// Tests that passed the gate, before the multiplicity control.
    pub before: u64,
    /// Simes' p over its tests.
    pub simes: Option<f64>,
    /// Rows to look at that are no findings.
    pub review: u64,
    /// Units with too few data to say.
    pub insufficient: u64,
    /// How long it took.
    #[serde(skip)]
    pub took: Duration,
}

/// What a run found.
#[derive(Debug, Clone)]
pub struct Run {
    /// The last entry that was taken into account.
    pub position: Option<Position>,
    /// Of the rules.
    pub rules_digest: String,
    /// In order of rule, office, period and records.
    pub findings: Vec<Finding>,
    /// In order of rule.
    pub rules: Vec<RuleOutcome>,
    /// Rules that could not be read or run.
    pub faults: Vec<RuleFault>,
    /// Rules of which a part did not run, so that a finding that is not there says nothing.
    pub unheard: BTreeSet<String>,
    /// Whether every rule could be read.
    pub complete: bool,
    /// False discovery rate inside the rules that were chosen.
    pub level: f64,
}

/// The tables and functions that rules see.
pub struct Examination {
    session: Session,
    moment: Moment,
}

/// A code of 12 digits as a number.
#[must_use]
pub fn office_number(code: OfficeCode) -> i64 {
    code.as_str().parse().unwrap_or_default()
}

/// The offices as the rules see them: each with its township and county.
///
/// # Errors
/// When the columns make no batch, which would be an error of this program.
pub fn offices(directory: &OfficeDirectory) -> Result<RecordBatch, DataFusionError> {
    let all = directory.all();
    let number = |code: Option<OfficeCode>| code.map(office_number);
    let above = |code: OfficeCode, level: OfficeLevel| {
        let mut path = directory.path(code);
        path.find(|office| office.level == level)
            .map(|office| office.code)
    };
    let column = |of: &dyn Fn(OfficeCode) -> Option<OfficeCode>| {
        let numbers = all.iter().map(|office| number(of(office.code)));
        Arc::new(numbers.collect::<Int64Array>())
    };
    let levels: StringArray = all
        .iter()
        .map(|office| Some(office.level.as_str()))
        .collect();
    let whole = |name| Field::new(name, DataType::Int64, true);
    let schema = Schema::new(vec![
        whole("office"),
        Field::new("level", DataType::Utf8, true),
        whole("parent"),
        whole("township"),
        whole("county"),
    ]);
    let parent = |code: OfficeCode| directory.get(code).and_then(|office| office.parent);
    Ok(RecordBatch::try_new(
        Arc::new(schema),
        vec![
            column(&|code| Some(code)),
            Arc::new(levels),
            column(&parent),
            column(&|code| above(code, OfficeLevel::Township)),
            column(&|code| above(code, OfficeLevel::County)),
        ],
    )?)
}

fn moment_table(moment: Moment) -> Result<RecordBatch, DataFusionError> {
    let schema = Schema::new(vec![
        Field::new("today", DataType::Int64, false),
        Field::new("last_month", DataType::Int64, false),
    ]);
    let one = |number| Arc::new(Int64Array::from(vec![number]));
    Ok(RecordBatch::try_new(
        Arc::new(schema),
        vec![one(moment.today), one(moment.last_month)],
    )?)
}

impl Examination {
    /// With these tables of records, by name, as of a moment; and what the catalogue's views make
    /// of them.
    ///
    /// # Errors
    /// When the tables cannot be registered. A view that does not run is a fault of the catalogue.
    pub async fn of(
        tables: Vec<(&'static str, RecordBatch)>,
        directory: &OfficeDirectory,
        moment: Moment,
        catalogue: &mut Catalogue,
    ) -> Result<Self, SqlError> {
        Self::over(tables, offices(directory)?, moment, catalogue).await
    }

    /// The same with the offices as [`offices`] makes them.
    ///
    /// # Errors
    /// See [`Examination::of`].
    pub async fn over(
        tables: Vec<(&'static str, RecordBatch)>,
        offices: RecordBatch,
        moment: Moment,
        catalogue: &mut Catalogue,
    ) -> Result<Self, SqlError> {
        let mut session = Session::of_nothing(moment.size)?;
        functions::register(session.context());
        for (name, batch) in tables {
            session.add_rows(name, vec![batch])?;
        }
        session.add_rows("offices", vec![offices])?;
        session.add_rows("moment", vec![moment_table(moment)?])?;
        for view in &catalogue.views {
            match session.rows(&view.sql).await {
                Ok(batches) => session.add_rows(&view.name, batches)?,
                Err(error) => catalogue.faults.push(view.fault(&error)),
            }
        }
        Ok(Self { session, moment })
    }

    /// Runs the rules.
    pub async fn run(&self, catalogue: &Catalogue) -> Run {
        let mut run = Run {
            position: self.moment.size.checked_sub(1),
            rules_digest: catalogue.digest(),
            findings: Vec::new(),
            rules: Vec::new(),
            faults: catalogue.faults.clone(),
            unheard: BTreeSet::new(),
            complete: catalogue.faults.is_empty(),
            level: 0.0,
        };
        let mut all = Vec::new();
        for rule in catalogue.rules.values() {
            let begun = Instant::now();
            match self.rows(rule).await {
                Ok(rows) => all.push((rule, rows, begun.elapsed())),
                Err(fault) => {
                    run.unheard.insert(rule.id.clone());
                    run.faults.push(fault);
                }
            }
        }
        conclude(&mut run, all);
        run
    }

    /// What the SQL of a rule gives, before the multiplicity control.
    ///
    /// # Errors
    /// When it does not run or gives other columns than it must.
    pub async fn rows(&self, rule: &Rule) -> Result<Vec<Found>, RuleFault> {
        let answered = self.session.rows(&rule.sql).await;
        let batches = answered.map_err(|error| rule.fault(&error))?;
        let mut rows = Vec::new();
        for batch in &batches {
            found_in(batch, rule, &mut rows).map_err(|what| rule.fault_of(1, what))?;
        }
        rows.sort_by(|a, b| a.order().cmp(&b.order()));
        Ok(rows)
    }
}

impl Run {
    /// Whether a finding of the rule that is not among the findings is gone: all of the rule was
    /// read and ran.
    #[must_use]
    pub fn heard(&self, rule: &str) -> bool {
        self.complete
            && !self.unheard.contains(rule)
            && self.rules.iter().any(|outcome| outcome.id == rule)
    }
}

/// Tells signals from tests that are none, and makes findings of what is left.
fn conclude(run: &mut Run, all: Vec<(&Rule, Vec<Found>, Duration)>) {
    let level_of = |rule: &Rule| match rule.parameters.get("level") {
        Some(super::catalogue::Parameter::Number(level)) => level.parse().unwrap_or(LEVEL),
        _ => LEVEL,
    };
    let tested = all.iter().flat_map(|(rule, rows, _)| {
        let tests = rows.iter().filter_map(|row| row.test);
        tests.map(move |test| Test {
            rule: &rule.id,
            p: test.p,
            gate: if test.passes { level_of(rule) } else { 0.0 },
        })
    });
    let tests: Vec<Test<'_>> = tested.collect();
    let decided = decide(&tests, Q);
    run.level = decided.level;
    let mut decisions = decided.tests.iter();
    let mut simes: BTreeMap<&str, f64> = BTreeMap::new();
    simes.extend(decided.rules.iter().map(|(rule, of)| (*rule, of.simes)));
    for (rule, rows, took) in all {
        let mut outcome = RuleOutcome {
            rule: rule.name(),
            id: rule.id.clone(),
            findings: 0,
            tests: 0,
            before: 0,
            simes: simes.get(rule.id.as_str()).copied(),
            review: 0,
            insufficient: 0,
            took,
        };
        for row in &rows {
            let decision = row.test.and_then(|test| {
                outcome.tests += 1;
                let passes = test.passes && test.p.exact < level_of(rule);
                outcome.before += u64::from(passes);
                decisions.next()
            });
            match Finding::of(rule, row, decision) {
                super::finding::Judged::Finding(finding) => {
                    outcome.findings += 1;
                    run.findings.push(*finding);
                }
                super::finding::Judged::Review => outcome.review += 1,
                super::finding::Judged::Insufficient => outcome.insufficient += 1,
                super::finding::Judged::Nothing => {}
            }
        }
        run.rules.push(outcome);
    }
}
