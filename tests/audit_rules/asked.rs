//! One rule, asked over tables that a test makes.
//!
//! What comes in: rows that name only the columns that matter; a row without an office is of the
//! first village, one without a day of report was reported on the day itself. What goes out: what
//! the rule said. What may fail: a column that there is not, or a rule that does not run, which
//! stops the test. What must stay true: this is the only file that knows how a run is made.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow_schema::{DataType, Field, Schema};
use vitaledger::audit::cases::schema;
use vitaledger::audit::catalogue::{Catalogue, Rule};
use vitaledger::audit::finding::Finding;
use vitaledger::audit::rows::Found;
use vitaledger::audit::run::{Examination, Moment};
use vitaledger::ledger::aggregate::finding::Verdict;
use vitaledger::model::code::OfficeLevel;
use vitaledger::model::id::OfficeCode;
use vitaledger::model::office::{OfficeDirectory, OfficeFields};
use vitaledger::model::period::Period;
use vitaledger::model::schema::RecordKind;
use vitaledger::model::time::{date_of_number, day_number, month_number, parse_date};

pub use crate::heard::{Heard, office, real, records, word};

/// The county.
pub const COUNTY: i64 = 990_101_000_000;
/// Its first township.
pub const TOWNSHIP: i64 = 990_101_100_000;
/// Its second township.
pub const OTHER_TOWNSHIP: i64 = 990_101_200_000;
/// The first village.
pub const VILLAGE: i64 = TOWNSHIP + 1;
/// A hospital of the county.
pub const HOSPITAL: i64 = 990_101_900_001;

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Whole(i64),
    Real(f64),
    Text(String),
    Truth(bool),
    Null,
}

impl From<i64> for Cell {
    fn from(whole: i64) -> Self {
        Self::Whole(whole)
    }
}

impl From<f64> for Cell {
    fn from(real: f64) -> Self {
        Self::Real(real)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Cell {
    fn from(truth: bool) -> Self {
        Self::Truth(truth)
    }
}

/// The columns of a row, by name; days may be written as dates under a shorter name.
macro_rules! row {
    ($($name:ident: $value:expr),* $(,)?) => {
        vec![$((stringify!($name), $crate::asked::Cell::from($value))),*]
    };
}

/// Short names of days, which are written as dates.
const DAYS: [(&str, &str); 5] = [
    ("on", "occurred_day"),
    ("reported", "reported_day"),
    ("recorded", "recorded_day"),
    ("submitted", "submitted_day"),
    ("born", "born_day"),
];

/// The day number of a date.
pub fn day(date: &str) -> i64 {
    day_number(parse_date(date).unwrap()).into()
}

fn month_of(day: i64) -> i64 {
    let date = date_of_number(i32::try_from(day).unwrap()).unwrap();
    month_number(date).into()
}

type Row = BTreeMap<&'static str, Cell>;

/// Records of one kind.
pub struct Table {
    kind: RecordKind,
    /// As the test said it, and completed.
    given: Vec<Vec<(&'static str, Cell)>>,
    rows: Vec<Row>,
}

pub fn births() -> Table {
    Table::of(RecordKind::Birth)
}

pub fn registrations() -> Table {
    Table::of(RecordKind::Registration)
}

pub fn losses() -> Table {
    Table::of(RecordKind::PregnancyLoss)
}

pub fn payments() -> Table {
    Table::of(RecordKind::Disbursement)
}

pub fn returns() -> Table {
    Table::of(RecordKind::Return)
}

impl Table {
    const fn of(kind: RecordKind) -> Self {
        Self {
            kind,
            given: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// With one more row. Records are numbered from 1, registrations from 100,001, losses from
    /// 200,001, payments from 300,001 and lines of returns from 500,001.
    pub fn row(mut self, cells: Vec<(&'static str, Cell)>) -> Self {
        self.push(cells);
        self
    }

    /// With one more row for each.
    pub fn rows<T>(
        mut self,
        of: impl IntoIterator<Item = T>,
        row: impl Fn(T) -> Vec<(&'static str, Cell)>,
    ) -> Self {
        for one in of {
            self.push(row(one));
        }
        self
    }

    /// The same with more columns for each row, by its number from 0.
    pub fn filled(mut self, mut more: impl FnMut(i64) -> Vec<(&'static str, Cell)>) -> Self {
        let rows = std::mem::take(&mut self.given);
        self.rows.clear();
        for (number, mut cells) in (0..).zip(rows) {
            cells.extend(more(number));
            self.push(cells);
        }
        self
    }

    /// Adds a row.
    pub fn push(&mut self, cells: Vec<(&'static str, Cell)>) {
        self.given.push(cells.clone());
        let mut row = Row::new();
        for (name, cell) in cells {
            let long = DAYS.iter().find(|(short, _)| *short == name);
            let (name, cell) = match (long, cell) {
                (Some((_, long)), Cell::Text(date)) => (*long, Cell::Whole(day(&date))),
                (Some((_, long)), cell) => (*long, cell),
                (None, cell) => (name, cell),
            };
            row.insert(name, cell);
        }
        self.complete(&mut row);
        self.rows.push(row);
    }

    /// Puts in what follows from what was said.
    fn complete(&self, row: &mut Row) {
        let base = match self.kind {
            RecordKind::Birth => 0,
            RecordKind::Registration => 100_000,
            RecordKind::PregnancyLoss => 200_000,
            RecordKind::Disbursement => 300_000,
            RecordKind::Activity => 400_000,
            RecordKind::Return => 500_000,
        };
        let number = base + 1 + i64::try_from(self.rows.len()).unwrap();
        let mut default = |name: &'static str, cell: Option<Cell>| {
            if let Some(cell) = cell {
                row.entry(name).or_insert(cell);
            }
            row.get(name).cloned()
        };
        let record = default("record", Some(Cell::Whole(number)));
        default("first_position", record);
        default("office", Some(VILLAGE.into()));
        default("source", Some("village".into()));
        let occurred = default("occurred_day", None);
        let reported = default("reported_day", occurred.clone());
        let submitted = default("submitted_day", None);
        let days = [reported.clone(), submitted, occurred.clone()].into_iter();
        let mut days = days.flatten().filter(|day| *day != Cell::Null);
        let known = days.next().or(Some(Cell::Whole(0)));
        default("recorded_day", known);
        if let Some(Cell::Whole(day)) = occurred {
            default("occurred_on", Some(Cell::Whole(day)));
            default("occurred_month", Some(Cell::Whole(month_of(day))));
        }
        default("reported_on", reported);
        let Some(Cell::Text(period)) = default("period", None) else {
            return;
        };
        let period = Period::parse(&period).unwrap();
        let last = i64::from(day_number(period.last_day()));
        let first = i64::from(day_number(period.first_day()));
        default("period_first_day", Some(first.into()));
        default("period_last_day", Some(last.into()));
        if self.kind == RecordKind::Return {
            let month = matches!(period, Period::Month(..));
            let kind = if month { "month" } else { "longer" };
            default("period_last_month", Some(month_of(last).into()));
            default("period_kind", Some(kind.into()));
        }
    }

    fn batch(&self) -> RecordBatch {
        let schema = schema(self.kind);
        for name in self.rows.iter().flat_map(BTreeMap::keys) {
            let there = schema.column_with_name(name).is_some();
            let by_default = ["reported_day", "reported_on"].contains(name);
            assert!(there || by_default, "{} have no {name}", self.kind.file());
        }
        let column = |field: &Arc<Field>| -> ArrayRef {
            let cells = || self.rows.iter().map(|row| row.get(field.name().as_str()));
            let whole = |cell: Option<&Cell>| match cell {
                Some(Cell::Whole(whole)) => Some(*whole),
                None | Some(Cell::Null) => None,
                Some(other) => panic!("{other:?} in {}", field.name()),
            };
            match field.data_type() {
                DataType::Int64 => Arc::new(cells().map(whole).collect::<Int64Array>()),
                DataType::Date32 => {
                    let days = cells().map(whole);
                    let days = days.map(|day| day.map(|day| i32::try_from(day).unwrap()));
                    Arc::new(days.collect::<Date32Array>())
                }
                DataType::Float64 => {
                    let reals = cells().map(|cell| match cell {
                        Some(Cell::Real(real)) => Some(*real),
                        #[expect(clippy::cast_precision_loss, reason = "small counts")]
                        Some(Cell::Whole(whole)) => Some(*whole as f64),
                        _ => None,
                    });
                    Arc::new(reals.collect::<Float64Array>())
                }
                DataType::Boolean => {
                    let truths = cells().map(|cell| match cell {
                        Some(Cell::Truth(truth)) => Some(*truth),
                        _ => None,
                    });
                    Arc::new(truths.collect::<BooleanArray>())
                }
                _ => {
                    let texts = cells().map(|cell| match cell {
                        Some(Cell::Text(text)) => Some(text.as_str()),
                        None | Some(Cell::Null) => None,
                        Some(other) => panic!("{other:?} in {}", field.name()),
                    });
                    Arc::new(texts.collect::<StringArray>())
                }
            }
        };
        let columns = schema.fields().iter().map(column).collect();
        RecordBatch::try_new(schema, columns).unwrap()
    }
}

/// When an office's period was closed, by positions.
pub struct Closed {
    pub office: i64,
    pub period: &'static str,
    pub from: i64,
    pub until: Option<i64>,
}

fn closings(closed: &[Closed]) -> RecordBatch {
    let whole = |name| Field::new(name, DataType::Int64, true);
    let schema = Schema::new(vec![
        whole("office"),
        Field::new("period", DataType::Utf8, true),
        whole("first_day"),
        whole("last_day"),
        whole("closed_from"),
        whole("closed_until"),
    ]);
    let wholes = |of: &dyn Fn(&Closed) -> Option<i64>| -> ArrayRef {
        Arc::new(closed.iter().map(of).collect::<Int64Array>())
    };
    let period = |one: &Closed| Period::parse(one.period).unwrap();
    let periods: StringArray = closed.iter().map(|one| Some(one.period)).collect();
    let columns = vec![
        wholes(&|one| Some(one.office)),
        Arc::new(periods),
        wholes(&|one| Some(day_number(period(one).first_day()).into())),
        wholes(&|one| Some(day_number(period(one).last_day()).into())),
        wholes(&|one| Some(one.from)),
        wholes(&|one| one.until),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

/// A rule that is to be asked.
pub struct Asked {
    rule: String,
    catalogue: Catalogue,
    tables: Vec<Table>,
    closed: Vec<Closed>,
    today: i64,
    villages: i64,
}

/// A built-in rule by its name, with its part: as of 1 January 2030, in a county of two townships
/// of three villages each and a hospital.
pub fn ask(rule: &str) -> Asked {
    Asked::of(rule, Catalogue::built_in())
}

impl Asked {
    /// A rule of a catalogue.
    pub fn of(rule: &str, mut catalogue: Catalogue) -> Self {
        catalogue.rules.retain(|name, _| name == rule);
        Self {
            rule: rule.to_owned(),
            catalogue,
            tables: Vec::new(),
            closed: Vec::new(),
            today: day("2030-01-01"),
            villages: 3,
        }
    }

    /// With more records; of one kind they are numbered on.
    pub fn with(mut self, table: Table) -> Self {
        let of_kind = |other: &&mut Table| other.kind == table.kind;
        match self.tables.iter_mut().find(of_kind) {
            Some(before) => table.given.into_iter().for_each(|row| before.push(row)),
            None => self.tables.push(table),
        }
        self
    }

    pub fn closed(mut self, closed: Closed) -> Self {
        self.closed.push(closed);
        self
    }

    /// As of another day.
    pub fn on(mut self, date: &str) -> Self {
        self.today = day(date);
        self
    }

    /// With so many villages in each township.
    pub const fn villages(mut self, villages: i64) -> Self {
        self.villages = villages;
        self
    }

    fn directory(&self) -> OfficeDirectory {
        let mut directory = OfficeDirectory::default();
        let mut add = |number: i64, level, parent: Option<i64>| {
            let code = |number: i64| OfficeCode::parse(&format!("{number:012}")).unwrap();
            directory.insert(OfficeFields {
                code: code(number),
                level,
                name_en: None,
                name_zh: None,
                parent: parent.map(code),
            });
        };
        add(COUNTY, OfficeLevel::County, None);
        add(HOSPITAL, OfficeLevel::Facility, Some(COUNTY));
        for township in [TOWNSHIP, OTHER_TOWNSHIP] {
            add(township, OfficeLevel::Township, Some(COUNTY));
            for village in 1..=self.villages {
                add(township + village, OfficeLevel::Village, Some(township));
            }
        }
        directory
    }

    async fn examination(&self) -> Examination {
        let mut tables: BTreeMap<&'static str, Vec<RecordBatch>> = BTreeMap::new();
        for kind in RecordKind::ALL {
            tables.insert(kind.file(), vec![Table::of(kind).batch()]);
        }
        for table in &self.tables {
            let batches = tables.get_mut(table.kind.file()).unwrap();
            batches.push(table.batch());
        }
        tables.insert("closed_periods", vec![closings(&self.closed)]);
        let moment = Moment {
            size: 1_000_000,
            today: self.today,
            last_month: month_of(self.today - 31) - 1,
        };
        let tables = tables.into_iter().collect();
        Examination::of(tables, &self.directory(), moment, &self.catalogue)
            .await
            .unwrap()
    }

    /// What the rule says.
    pub fn hear(&self) -> Heard {
        let heard = self.hear_faults();
        assert_eq!(heard.run.faults, [], "{}", self.rule);
        let others = heard.run.others.iter().map(|(_, other)| other);
        for finding in heard.run.findings.iter().chain(others) {
            self.texts_know(finding);
            // What is not tested takes no part in the multiplicity control.
            let untested = finding.verdict == Verdict::Insufficient;
            assert!(!untested || finding.p.is_none(), "{finding:?}");
        }
        heard
    }

    /// What the office is asked and the arithmetic name nothing that the rule does not give.
    fn texts_know(&self, finding: &Finding) {
        let rule = self.rule();
        let known = |name: &str| {
            ["period", "p", "p_mid"].contains(&name)
                || finding.numbers.iter().any(|(own, _)| own == name)
        };
        for text in [&rule.ask.en, &rule.ask.zh, &rule.work.en, &rule.work.zh] {
            let names = text
                .split('{')
                .skip(1)
                .filter_map(|rest| rest.split('}').next());
            for name in names {
                assert!(known(name), "{}: {{{name}}} in {text}", self.rule);
            }
        }
    }

    /// The rows of the rule.
    pub fn rows(&self) -> Vec<Found> {
        wait(async { self.examination().await.rows(self.rule()).await.unwrap() })
    }

    /// The same with rules that do not run.
    pub fn hear_faults(&self) -> Heard {
        let run = wait(async { self.examination().await.run(&self.catalogue).await });
        Heard { run }
    }

    /// The rows of the rule, and what the chart of each gives: (at, value, expected).
    pub fn charts(&self) -> Vec<(Found, Vec<Bar>)> {
        wait(async {
            let examination = self.examination().await;
            let rule = self.rule();
            let mut drawn = Vec::new();
            for row in examination.rows(rule).await.unwrap() {
                let sql = rule.chart_sql(&row).expect("the rule has a chart");
                let batches = examination.answer(&sql).await.unwrap();
                drawn.push((row, batches.iter().flat_map(bars).collect()));
            }
            drawn
        })
    }

    /// The rule.
    pub fn rule(&self) -> &Rule {
        &self.catalogue.rules[&self.rule]
    }
}

/// A bar of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    pub at: String,
    pub value: f64,
    pub expected: Option<f64>,
}

fn bars(batch: &RecordBatch) -> Vec<Bar> {
    use datafusion::arrow::compute::cast;
    let column =
        |name: &str, data: &DataType| Some(cast(batch.column_by_name(name)?, data).unwrap());
    let at = column("at", &DataType::Utf8).unwrap();
    let at = at.as_any().downcast_ref::<StringArray>().unwrap();
    let reals = |column: &ArrayRef| {
        let reals = column.as_any().downcast_ref::<Float64Array>().unwrap();
        reals.iter().collect::<Vec<Option<f64>>>()
    };
    let value = reals(&column("value", &DataType::Float64).unwrap());
    let expected = column("expected", &DataType::Float64).map(|column| reals(&column));
    let bar = |row: usize| Bar {
        at: at.value(row).to_owned(),
        value: value[row].unwrap(),
        expected: expected.as_ref().and_then(|expected| expected[row]),
    };
    (0..batch.num_rows()).map(bar).collect()
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(work)
}
