//! A ledger with a township of two villages, in either database and by either clock.
//!
//! What comes in: where the databases are to be, and whether times come from the reports. What
//! goes out: an open ledger, reports in it, and what a period's restatement says. What may fail:
//! the application. What must stay true: every record goes the way that a clerk's would.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "each test file uses a part of it, and stops at the first thing that is not as it should"
)]

use tempfile::TempDir;
use uuid::Uuid;
use vitaledger::app::periods::CloseAt;
use vitaledger::app::reading::AsOf;
use vitaledger::app::records::Values;
use vitaledger::app::restatements::Restatement;
use vitaledger::app::{App, AppError, InitOptions};
use vitaledger::indicators::targets::Targets;
use vitaledger::model::code::OfficeLevel;
use vitaledger::model::id::{OfficeCode, Position};
use vitaledger::model::office::OfficeFields;
use vitaledger::model::period::Period;
use vitaledger::model::schema::RecordKind;
use vitaledger::store::location::Location;

use crate::program::OFFICES;

pub const COUNTY: &str = "990101000000";
pub const TOWNSHIP: &str = "990101100000";
pub const FIRST: &str = "990101100001";
pub const SECOND: &str = "990101100002";

pub fn office(code: &str) -> OfficeCode {
    OfficeCode::parse(code).unwrap()
}

pub fn period(text: &str) -> Period {
    Period::parse(text).unwrap()
}

pub fn values(pairs: &[(&str, &str)]) -> Values {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// A ledger with a township of two villages.
pub struct Ledger {
    _folder: TempDir,
    pub app: App,
}

impl Ledger {
    pub async fn new(store: Location, simulated_clock: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = InitOptions {
            simulated_clock,
            store,
            ..InitOptions::default()
        };
        let app = App::init(folder.path(), &options).await.unwrap();
        let ledger = Self {
            _folder: folder,
            app,
        };
        for row in OFFICES.lines().skip(1) {
            let cells: Vec<&str> = row.split(',').collect();
            ledger.office(cells[0], cells[3], cells[4]).await;
        }
        ledger
    }

    pub async fn simulated() -> Self {
        Self::new(Location::Folder, true).await
    }

    pub async fn office(&self, code: &str, level: &str, parent: &str) {
        let fields = OfficeFields {
            code: office(code),
            level: OfficeLevel::parse(level).unwrap(),
            name_en: Some(format!("Office {code}")),
            name_zh: None,
            parent: OfficeCode::parse(parent),
        };
        self.app.record_office(fields).await.unwrap();
    }

    pub async fn record(&self, kind: RecordKind, pairs: &[(&str, &str)]) -> Position {
        let answer = self.app.record(kind, &values(pairs), None).await.unwrap();
        answer.receipt().position
    }

    pub async fn birth(&self, number: &str, of: &str, on: &str, reported: &str) -> Position {
        let pairs = [
            ("source_record_id", number),
            ("source", "village"),
            ("office", of),
            ("occurred_on", on),
            ("reported_on", reported),
            ("sex", "F"),
            ("weight_g", "3100"),
            ("child_name", "张小花"),
        ];
        self.record(RecordKind::Birth, &pairs).await
    }

    pub async fn registration(&self, number: &str, kind: &str, of: &str, on: &str) -> Position {
        let pairs = [
            ("source_record_id", number),
            ("source", "village"),
            ("office", of),
            ("kind", kind),
            ("occurred_on", on),
            ("reported_on", on),
            ("sex", "F"),
            ("marital_status", "married"),
            ("born_on", "1980-05-05"),
        ];
        self.record(RecordKind::Registration, &pairs).await
    }

    pub async fn correct(&self, number: &str, pairs: &[(&str, &str)], why: &str) -> Position {
        let id = self.id(number);
        let values = values(pairs);
        let answer = self
            .app
            .correct(RecordKind::Birth, id, &values, why, None)
            .await;
        answer.unwrap().receipt().position
    }

    pub fn id(&self, number: &str) -> Uuid {
        self.app
            .record_named(&format!("birth/village/{number}"))
            .unwrap()
    }

    pub async fn size(&self) -> u64 {
        self.app.store().head().await.unwrap().size
    }

    pub async fn open_and_close(&self, of: &str, when: &str) -> Position {
        let (of, when) = (office(of), period(when));
        self.app.open_period(of, when).await.unwrap();
        self.close(of, when).await.unwrap()
    }

    pub async fn close(&self, of: OfficeCode, when: Period) -> Result<Position, AppError> {
        let at = CloseAt::Moment(AsOf::Head);
        let (receipt, pin) = self.app.close_period(of, when, at).await?;
        assert!(pin.position < receipt.position && pin.size > pin.position);
        Ok(receipt.position)
    }

    pub async fn restatement(&self, of: &str, when: &str) -> Restatement {
        self.since(of, when, None).await
    }

    pub async fn since(&self, of: &str, when: &str, close: Option<u64>) -> Restatement {
        let size = self.size().await;
        let found = self
            .app
            .restatement(office(of), period(when), close, size, &Targets::default())
            .await;
        found.unwrap()
    }
}

pub fn said(error: &AppError) -> String {
    assert_eq!(
        error.exit_code(),
        vitaledger::app::error::exit::USAGE,
        "{error}"
    );
    error.to_string()
}

/// Births of May and June, reported by the 25th.
pub async fn reports(ledger: &Ledger) {
    for number in 1..=3 {
        let name = format!("R{number}");
        ledger
            .registration(&name, "resident", FIRST, "2014-01-01")
            .await;
    }
    ledger.birth("B1", FIRST, "2014-06-02", "2014-06-04").await;
    ledger.birth("B2", FIRST, "2014-06-20", "2014-06-25").await;
    ledger.birth("B3", SECOND, "2014-06-03", "2014-06-25").await;
}
