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
use futures_util::{StreamExt, stream};
use serde::Serialize;

use super::cases::Tables;
use super::catalogue::{Catalogue, Rule, RuleFault};
use super::finding::{Finding, Judged};
use super::functions;
use super::near::{Earlier, Given, Near, digest_of};
use super::rows::{Found, found_in};
use crate::model::code::OfficeLevel;
use crate::model::id::{OfficeCode, Position};
use crate::model::office::OfficeDirectory;
use crate::model::schema::RecordKind;
use crate::registers::sql::{Session, SqlError};
use crate::statistics::multiplicity::{Test, decide};

/// False discovery rate of a run.
pub const Q: f64 = 0.10;
/// What the exact p of a signal must be below, unless its rule has a parameter `level`.
const LEVEL: f64 = 0.001;
/// Rules that are asked at once: while one is planned or finished by one thread, the engine's
/// threads work for the other.
const AT_ONCE: usize = 2;

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
    /// What is no finding: to look at, too few to say, tests that did not signal. In that order.
    pub others: Vec<(Judged, Finding)>,
    /// In order of rule.
    pub rules: Vec<RuleOutcome>,
    /// Rules that could not be read or run.
    pub faults: Vec<RuleFault>,
    /// Rules of which a part did not run, so that a finding that is not there says nothing.
    pub unheard: BTreeSet<String>,
    /// What rules gave that look at what is near a record only, for the next run.
    pub given: Earlier,
    /// How many of them were asked only of what changed.
    pub asked_again: u64,
    /// Whether every rule could be read.
    pub complete: bool,
    /// False discovery rate inside the rules that were chosen.
    pub level: f64,
}

/// The tables and functions that rules see.
pub struct Examination {
    session: Session,
    moment: Moment,
    /// Views that could not be made.
    faults: Vec<RuleFault>,
    /// The tables of records.
    records: Tables,
    /// All other tables.
    others: Vec<(String, Vec<RecordBatch>)>,
    changed: Option<Changed>,
}

/// What a rule answered.
struct Asked {
    /// Whether only what changed was asked.
    again: bool,
    /// Of the rule and what else it reads, if it looks at what is near a record only.
    digest: Option<String>,
    rows: Result<Vec<Found>, RuleFault>,
    took: Duration,
}

/// What changed since an earlier run.
struct Changed {
    earlier: Earlier,
    near: Near,
    /// The same tables, with only those rows of records that are near what changed.
    session: Session,
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

/// These tables, and the functions that rules see.
fn session_of(
    size: u64,
    records: &Tables,
    others: &[(String, Vec<RecordBatch>)],
) -> Result<Session, SqlError> {
    let mut session = Session::of_nothing(size)?;
    functions::register(session.context());
    for (name, batches) in records {
        session.add_rows(name, batches.clone())?;
    }
    for (name, batches) in others {
        session.add_rows(name, batches.clone())?;
    }
    Ok(session)
}

impl Examination {
    /// With these tables, by name, as of a moment; and what those views of the catalogue make of
    /// them that its rules ask. A table of no batch at all is left out.
    ///
    /// # Errors
    /// When the tables cannot be registered. A view that does not run is a fault of the run.
    pub async fn of(
        tables: Vec<(&'static str, Vec<RecordBatch>)>,
        directory: &OfficeDirectory,
        moment: Moment,
        catalogue: &Catalogue,
    ) -> Result<Self, SqlError> {
        Self::over(tables, offices(directory)?, moment, catalogue).await
    }

    /// The same with the offices as [`offices`] makes them.
    ///
    /// # Errors
    /// See [`Examination::of`].
    pub async fn over(
        tables: Vec<(&'static str, Vec<RecordBatch>)>,
        offices: RecordBatch,
        moment: Moment,
        catalogue: &Catalogue,
    ) -> Result<Self, SqlError> {
        let is_of_records = |name: &str| RecordKind::ALL.iter().any(|kind| kind.file() == name);
        let (records, other): (Tables, Tables) = tables
            .into_iter()
            .partition(|(name, _)| is_of_records(name));
        let other = other
            .into_iter()
            .map(|(name, rows)| (name.to_owned(), rows));
        let mut others: Vec<(String, Vec<RecordBatch>)> = other.collect();
        others.push(("offices".to_owned(), vec![offices]));
        others.push(("moment".to_owned(), vec![moment_table(moment)?]));
        let mut session = session_of(moment.size, &records, &others)?;
        let mut faults = Vec::new();
        for view in catalogue
            .views
            .iter()
            .filter(|view| catalogue.asks(&view.name))
        {
            match session.whole(&view.sql, &view.once).await {
                Ok(batches) => {
                    session.add_rows(&view.name, batches.clone())?;
                    others.push((view.name.clone(), batches));
                }
                Err(error) => faults.push(view.fault(&error)),
            }
        }
        Ok(Self {
            session,
            moment,
            faults,
            records,
            others,
            changed: None,
        })
    }

    /// With what rules gave at an earlier moment, and the rows of records that have been superseded
    /// since: rules that look at what is near a record only are asked of what changed.
    ///
    /// # Errors
    /// When the tables cannot be registered.
    pub fn after(
        &mut self,
        earlier: Earlier,
        gone: &Tables,
        catalogue: &Catalogue,
    ) -> Result<(), SqlError> {
        let named = catalogue.rules.values().flat_map(|rule| &rule.near);
        let classes: BTreeSet<&str> = named.map(String::as_str).collect();
        let near = Near::of(&self.records, gone, earlier.size, &classes);
        if let Some(near) = near.map_err(DataFusionError::from)? {
            let session = session_of(self.moment.size, &near.tables, &self.others)?;
            self.changed = Some(Changed {
                earlier,
                near,
                session,
            });
        }
        Ok(())
    }

    /// What a query over the tables gives.
    ///
    /// # Errors
    /// When it cannot be answered.
    pub async fn answer(&self, sql: &str) -> Result<Vec<RecordBatch>, SqlError> {
        self.session.whole(sql, &[]).await
    }

    /// Runs the rules.
    pub async fn run(&self, catalogue: &Catalogue) -> Run {
        let mut run = Run {
            position: self.moment.size.checked_sub(1),
            rules_digest: catalogue.digest(),
            findings: Vec::new(),
            others: Vec::new(),
            rules: Vec::new(),
            faults: [catalogue.faults.as_slice(), &self.faults].concat(),
            unheard: BTreeSet::new(),
            given: Earlier {
                size: self.moment.size,
                ..Earlier::default()
            },
            asked_again: 0,
            complete: catalogue.faults.is_empty() && self.faults.is_empty(),
            level: 0.0,
        };
        let mut all = Vec::new();
        let mut asked = Vec::new();
        for rule in catalogue.rules.values() {
            asked.push(self.asked(rule));
        }
        let answers: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
        for (rule, answer) in catalogue.rules.values().zip(answers) {
            run.asked_again += u64::from(answer.again);
            match answer.rows {
                Ok(rows) => {
                    if let Some(digest) = answer.digest {
                        let rows = rows.clone();
                        run.given.rules.insert(rule.name(), Given { digest, rows });
                    }
                    all.push((rule, rows, answer.took));
                }
                Err(fault) => {
                    run.unheard.insert(rule.id.clone());
                    run.faults.push(fault);
                }
            }
        }
        conclude(&mut run, all);
        run
    }

    /// Asks a rule, of what changed alone if it may be.
    async fn asked(&self, rule: &Rule) -> Asked {
        let begun = Instant::now();
        let digest = (!rule.near.is_empty()).then(|| digest_of(rule, &self.others));
        let given = digest.as_deref().map(|digest| self.given(rule, digest));
        let again = given.flatten();
        let rows = match again {
            Some((changed, given)) => changed.rows(rule, given).await,
            None => self.rows(rule).await,
        };
        Asked {
            again: again.is_some(),
            digest,
            rows,
            took: begun.elapsed(),
        }
    }

    /// What the SQL of a rule gives, in order, before the multiplicity control.
    ///
    /// # Errors
    /// When it does not run or gives other columns than it must.
    pub async fn rows(&self, rule: &Rule) -> Result<Vec<Found>, RuleFault> {
        let mut rows = rows_of(&self.session, rule).await?;
        sort(&mut rows);
        Ok(rows)
    }

    /// What a rule gave, where nothing but records changed since.
    fn given(&self, rule: &Rule, digest: &str) -> Option<(&Changed, &Given)> {
        let changed = self.changed.as_ref()?;
        let given = changed.earlier.rules.get(&rule.name())?;
        (given.digest == digest).then_some((changed, given))
    }
}

impl Changed {
    async fn rows(&self, rule: &Rule, given: &Given) -> Result<Vec<Found>, RuleFault> {
        let now = rows_of(&self.session, rule).await?;
        let mut rows = self.near.rows(&given.rows, now);
        sort(&mut rows);
        Ok(rows)
    }
}

/// The rows of a rule over the tables of a session, in no order.
async fn rows_of(session: &Session, rule: &Rule) -> Result<Vec<Found>, RuleFault> {
    let answered = session.whole(&rule.sql, &rule.once).await;
    let batches = answered.map_err(|error| rule.fault(&error))?;
    let mut rows = Vec::new();
    for batch in &batches {
        found_in(batch, rule, &mut rows).map_err(|what| rule.fault_of(1, what))?;
    }
    Ok(rows)
}

fn sort(rows: &mut [Found]) {
    rows.sort_by(|a, b| a.order().cmp(&b.order()));
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
            let (judged, finding) = Finding::of(rule, row, decision);
            match judged {
                Judged::Finding => outcome.findings += 1,
                Judged::Review => outcome.review += 1,
                Judged::Insufficient => outcome.insufficient += 1,
                Judged::Quiet => (),
            }
            if judged == Judged::Finding {
                run.findings.push(finding);
            } else {
                run.others.push((judged, finding));
            }
        }
        run.rules.push(outcome);
    }
}
