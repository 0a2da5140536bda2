//! Periods and returns of a ledger, from the opening to the second close, on both databases and
//! both clocks; and the commands.
//!
//! What comes in: reports of two villages, in time and late. What goes out: what a close pins, what
//! moves its figures, what a return says and how it stands to the ledger. What may fail: a close
//! too early, one person in place of two, a return with other figures and no reason. What must
//! stay true: nothing is refused because a period is closed; what came later is no error.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a test fails where it stands, and its texts are short"
)]

#[path = "support/program.rs"]
mod program;
#[path = "support/postgres.rs"]
mod server;

use std::path::Path;

use program::{Home, OFFICES};
use tempfile::TempDir;
use uuid::Uuid;
use vitaledger::app::erase::Approval;
use vitaledger::app::periods::{CloseAt, PeriodFilter};
use vitaledger::app::reading::AsOf;
use vitaledger::app::records::Values;
use vitaledger::app::restatements::{Reason, Restatement};
use vitaledger::app::return_status::ReturnState;
use vitaledger::app::returns::Submission;
use vitaledger::app::{App, AppError, InitOptions};
use vitaledger::audit::verify::Scope;
use vitaledger::model::entry::Entry;
use vitaledger::model::id::{OfficeCode, Position};
use vitaledger::model::office::OfficeFields;
use vitaledger::model::period::Period;
use vitaledger::model::schema::RecordKind;
use vitaledger::report::periods::PeriodState;
use vitaledger::report::returns::LineVerdict;
use vitaledger::store::location::Location;

const COUNTY: &str = "990101000000";
const TOWNSHIP: &str = "990101100000";
const FIRST: &str = "990101100001";
const SECOND: &str = "990101100002";

fn office(code: &str) -> OfficeCode {
    OfficeCode::parse(code).unwrap()
}

fn period(text: &str) -> Period {
    Period::parse(text).unwrap()
}

fn values(pairs: &[(&str, &str)]) -> Values {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// A ledger with a township of two villages.
struct Ledger {
    _folder: TempDir,
    app: App,
}

impl Ledger {
    async fn new(store: Location, simulated_clock: bool) -> Self {
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

    async fn simulated() -> Self {
        Self::new(Location::Folder, true).await
    }

    async fn office(&self, code: &str, level: &str, parent: &str) {
        let fields = OfficeFields {
            code: office(code),
            level: vitaledger::model::code::OfficeLevel::parse(level).unwrap(),
            name_en: Some(format!("Office {code}")),
            name_zh: None,
            parent: OfficeCode::parse(parent),
        };
        self.app.record_office(fields).await.unwrap();
    }

    async fn record(&self, kind: RecordKind, pairs: &[(&str, &str)]) -> Position {
        let answer = self.app.record(kind, &values(pairs), None).await.unwrap();
        answer.receipt().position
    }

    async fn birth(&self, number: &str, of: &str, on: &str, reported: &str) -> Position {
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

    async fn registration(&self, number: &str, kind: &str, of: &str, on: &str) -> Position {
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

    async fn correct(&self, number: &str, pairs: &[(&str, &str)], why: &str) -> Position {
        let id = self.id(number);
        let values = values(pairs);
        let answer = self
            .app
            .correct(RecordKind::Birth, id, &values, why, None)
            .await;
        answer.unwrap().receipt().position
    }

    fn id(&self, number: &str) -> Uuid {
        self.app
            .record_named(&format!("birth/village/{number}"))
            .unwrap()
    }

    async fn size(&self) -> u64 {
        self.app.store().head().await.unwrap().size
    }

    async fn open_and_close(&self, of: &str, when: &str) -> Position {
        let (of, when) = (office(of), period(when));
        self.app.open_period(of, when).await.unwrap();
        self.close(of, when).await.unwrap()
    }

    async fn close(&self, of: OfficeCode, when: Period) -> Result<Position, AppError> {
        let at = CloseAt::Moment(AsOf::Head);
        let (receipt, pin) = self.app.close_period(of, when, at).await?;
        assert!(pin.position < receipt.position && pin.size > pin.position);
        Ok(receipt.position)
    }

    async fn restatement(&self, of: &str, when: &str) -> Restatement {
        self.since(of, when, None).await
    }

    async fn since(&self, of: &str, when: &str, close: Option<u64>) -> Restatement {
        let size = self.size().await;
        let found = self
            .app
            .restatement(office(of), period(when), close, size)
            .await;
        found.unwrap()
    }
}

fn figures<'a>(found: &'a Restatement) -> Vec<(&'a str, &'a str, &'a str)> {
    let shown = |value: &'a Option<String>| value.as_deref().unwrap_or_default();
    let figures = found.figures.iter();
    figures
        .map(|one| (one.id.as_str(), shown(&one.before), shown(&one.after)))
        .collect()
}

fn positions(found: &Restatement) -> Vec<Position> {
    found.entries.iter().map(|cause| cause.position).collect()
}

fn said(error: &AppError) -> String {
    assert_eq!(
        error.exit_code(),
        vitaledger::app::error::exit::USAGE,
        "{error}"
    );
    error.to_string()
}

/// Births of May and June, reported by the 25th.
async fn reports(ledger: &Ledger) {
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

/// From the opening to the second close; the same on every database and clock.
async fn story(store: Location, simulated: bool) {
    let ledger = Ledger::new(store, simulated).await;
    let (of, when) = (office(FIRST), period("2014-06"));
    reports(&ledger).await;
    let error = ledger.close(of, when).await.unwrap_err();
    if simulated {
        assert!(
            said(&error).contains("simulated clock stands at 2014-06-25"),
            "{error}"
        );
    } else {
        assert!(said(&error).contains("never opened"), "{error}");
    }
    // The clock of a simulated ledger is moved by what is reported in July.
    ledger.birth("B4", FIRST, "2014-07-01", "2014-07-02").await;
    let close = ledger.open_and_close(FIRST, "2014-06").await;
    assert!(said(&ledger.close(of, when).await.unwrap_err()).contains("closed already"));
    assert_eq!(ledger.restatement(FIRST, "2014-06").await.figures, []);

    let late = ledger.birth("B5", FIRST, "2014-06-29", "2014-07-10").await;
    ledger
        .correct("B1", &[("weight_g", "3000")], "misread scale")
        .await;
    let sex = ledger
        .correct("B1", &[("sex", "M")], "the clerk mistook it")
        .await;
    let mut found = ledger.restatement(FIRST, "2014-06").await;
    let expected = [("births", "2", "3"), ("births_male", "0", "1")];
    assert_eq!(figures(&found)[..2], expected);
    assert_eq!(positions(&found), [late, sex]);
    let [first, second] = &found.entries[..] else {
        panic!("two entries")
    };
    assert_eq!((first.change, first.reason), ("recorded", Reason::None));
    assert_eq!(
        (second.change, second.reason),
        ("corrected", Reason::Sealed)
    );
    assert_eq!(second.record_id, ledger.id("B1"));
    assert!(
        found
            .entries
            .iter()
            .all(|cause| cause.period_was == PeriodState::Closed)
    );
    assert!(
        found
            .entries
            .iter()
            .all(|cause| cause.office.as_deref() == Some(FIRST))
    );
    marks(&ledger, close, &[late, sex]).await;

    reopen(&ledger, of, when).await;
    let third = ledger.birth("B6", FIRST, "2014-06-30", "2014-07-12").await;
    found = ledger.restatement(FIRST, "2014-06").await;
    assert_eq!(found.entries[2].period_was, PeriodState::Reopened);
    marks(&ledger, close, &[late, sex]).await;
    reasons(&ledger, &mut found).await;

    let early = CloseAt::Moment(AsOf::Position(late));
    let pinned = ledger.app.close_period(of, when, early).await;
    // A moment between the first close and now is no going back.
    assert_eq!(pinned.unwrap().1.position, late);
    assert_eq!(
        positions(&ledger.restatement(FIRST, "2014-06").await),
        [sex, third]
    );
    assert_eq!(
        positions(&ledger.since(FIRST, "2014-06", Some(1)).await),
        [late, sex, third]
    );
    status(&ledger).await;
    let report = ledger.app.verify(Scope::Everything, |_| ()).await.unwrap();
    assert_eq!(report.wrong, None);
}

/// Which entries since the close are marked in a list.
async fn marks(ledger: &Ledger, from: Position, expected: &[Position]) {
    let entries = ledger.app.store().entries(from, 1000).await.unwrap();
    let closes = ledger.app.closes().await.unwrap();
    let marks = ledger.app.after_a_close(&closes, &entries).await.unwrap();
    let mut marked: Vec<Position> = marks.keys().copied().collect();
    marked.sort_unstable();
    assert_eq!(marked, expected);
    assert!(
        marks
            .values()
            .flatten()
            .all(|mark| mark.period == period("2014-06"))
    );
}

async fn reopen(ledger: &Ledger, of: OfficeCode, when: Period) {
    let app = &ledger.app;
    let size = ledger.size().await;
    let alone = app
        .reopen_period(of, when, "a list came late", "operator")
        .await;
    assert!(said(&alone.unwrap_err()).contains("two different people"));
    let silent = app.reopen_period(of, when, " ", "head-2").await;
    assert!(said(&silent.unwrap_err()).contains("reason"));
    assert_eq!(ledger.size().await, size);
    app.reopen_period(of, when, "a list came late", "head-2")
        .await
        .unwrap();
    let twice = app.reopen_period(of, when, "again", "head-2").await;
    assert!(said(&twice.unwrap_err()).contains("not closed"));
}

/// Reasons are shown only after an entry that says so.
async fn reasons(ledger: &Ledger, found: &mut Restatement) {
    let text = serde_json::to_string(found).unwrap();
    assert!(!text.contains("mistook") && !text.contains("came late"));
    let size = ledger.size().await;
    assert!(ledger.app.unseal_reasons(found, "").await.is_err());
    assert_eq!(ledger.size().await, size);
    let position = ledger.app.unseal_reasons(found, "audit 7").await.unwrap();
    assert_eq!(position, size);
    assert_eq!(found.entries[0].reason_text, None);
    assert_eq!(
        found.entries[1].reason_text.as_deref(),
        Some("the clerk mistook it")
    );
    let reopening = &found.reopenings[0];
    assert_eq!(reopening.reason_text.as_deref(), Some("a list came late"));
    assert_eq!(
        (reopening.actor.as_str(), reopening.second_actor.as_str()),
        ("operator", "head-2")
    );
}

async fn status(ledger: &Ledger) {
    let size = ledger.size().await;
    let all = PeriodFilter::default();
    let status = ledger.app.period_status(all, size).await.unwrap();
    let [one] = &status[..] else {
        panic!("one period")
    };
    assert_eq!((one.state, one.times_closed), (PeriodState::Closed, 2));
    assert_eq!(
        (one.restatements, one.agreed_by.as_deref()),
        (Some(2), Some("head-2"))
    );
    assert_eq!(one.return_due_on, "2014-07-01".parse().ok());
    // As it stood before anything was opened, and of another office.
    assert_eq!(ledger.app.period_status(all, 5).await.unwrap(), []);
    let other = PeriodFilter {
        office: Some(office(SECOND)),
        period: None,
    };
    assert_eq!(ledger.app.period_status(other, size).await.unwrap(), []);
    let county = PeriodFilter {
        office: Some(office(COUNTY)),
        period: Some(period("2014-06")),
    };
    assert_eq!(
        ledger.app.period_status(county, size).await.unwrap().len(),
        1
    );
}

#[tokio::test]
async fn a_period_lives_on_sqlite_by_a_simulated_clock() {
    story(Location::Folder, true).await;
}

#[tokio::test]
async fn a_period_lives_on_sqlite_by_a_live_clock() {
    story(Location::Folder, false).await;
}

#[tokio::test]
async fn a_period_lives_on_postgres_by_a_simulated_clock() {
    story(Location::Postgres(server::database().await), true).await;
}

#[tokio::test]
async fn a_close_pins_a_moment_after_the_end() {
    let ledger = Ledger::simulated().await;
    let (of, when) = (office(FIRST), period("2014-06"));
    reports(&ledger).await;
    ledger.app.open_period(of, when).await.unwrap();
    let last = ledger.size().await - 1;
    let before = ledger.birth("B7", FIRST, "2014-06-26", "2014-06-30").await;
    let after = ledger.birth("B8", FIRST, "2014-06-27", "2014-07-01").await;
    // The log stood at `last` only until 30 June; at `before` until the morning of 1 July.
    let at = |position| CloseAt::Moment(AsOf::Position(position));
    let error = ledger
        .app
        .close_period(of, when, at(last))
        .await
        .unwrap_err();
    assert!(said(&error).contains("only until 2014-06-30"), "{error}");
    let beyond = ledger.app.close_period(of, when, at(after + 50)).await;
    assert!(said(&beyond.unwrap_err()).contains("beyond the end"));
    let (_, pin) = ledger.app.close_period(of, when, at(before)).await.unwrap();
    assert_eq!(pin.position, before);
    assert_eq!(
        positions(&ledger.restatement(FIRST, "2014-06").await),
        [after]
    );
    // A longer period goes on.
    let half = period("2014");
    ledger.app.open_period(of, half).await.unwrap();
    let error = ledger
        .app
        .close_period(of, half, CloseAt::Checkpoint)
        .await
        .unwrap_err();
    assert!(
        said(&error).contains("close it as of 2015-01-01 or later"),
        "{error}"
    );
    let unknown = ledger.app.open_period(office("990101100077"), when).await;
    assert!(said(&unknown.unwrap_err()).contains("not registered"));
}

#[tokio::test]
async fn offices_count_with_those_below_and_take_their_records_along() {
    let ledger = Ledger::simulated().await;
    reports(&ledger).await;
    ledger.birth("B4", FIRST, "2014-07-01", "2014-07-02").await;
    ledger.open_and_close(TOWNSHIP, "2014-06").await;
    ledger.open_and_close(SECOND, "2014-06").await;
    // From one village to the other: nothing for the township, one more for the second.
    let moved = ledger
        .correct("B1", &[("office", SECOND)], "she lives there")
        .await;
    assert_eq!(ledger.restatement(TOWNSHIP, "2014-06").await.entries, []);
    assert_eq!(
        positions(&ledger.restatement(SECOND, "2014-06").await),
        [moved]
    );
    // The second village goes to the county, with its two births.
    ledger.office(SECOND, "village", COUNTY).await;
    let gone = ledger.size().await - 1;
    let found = ledger.restatement(TOWNSHIP, "2014-06").await;
    assert_eq!(
        figures(&found)[..2],
        [("residents", "6", "4"), ("births", "3", "1")]
    );
    assert_eq!(positions(&found), [gone]);
    assert_eq!(
        (found.entries[0].kind.as_str(), found.entries[0].change),
        ("office", "changed")
    );
    assert_eq!(
        positions(&ledger.restatement(SECOND, "2014-06").await),
        [moved]
    );
}

#[tokio::test]
async fn residents_count_by_their_sealed_dates_and_an_erased_reason_is_said_to_be() {
    let ledger = Ledger::simulated().await;
    reports(&ledger).await;
    ledger.birth("B4", FIRST, "2014-07-01", "2014-07-02").await;
    ledger.open_and_close(FIRST, "2014-06").await;
    let id = ledger.app.record_named("registration/village/R1").unwrap();
    let born = values(&[("born_on", "1930-05-05")]);
    let kind = RecordKind::Registration;
    let answer = ledger
        .app
        .correct(kind, id, &born, "an older card", None)
        .await;
    let position = answer.unwrap().receipt().position;
    let found = ledger.restatement(FIRST, "2014-06").await;
    assert_eq!(figures(&found), [("married_women_15_49", "3", "2")]);
    assert_eq!(positions(&found), [position]);
    assert_eq!(found.entries[0].reason, Reason::Sealed);

    let voided = ledger
        .app
        .void(RecordKind::Birth, ledger.id("B2"), "entered twice", None)
        .await;
    let voided = voided.unwrap().receipt().position;
    let plan = ledger.app.plan_erasure(&[ledger.id("B2")]).await.unwrap();
    let approval = Approval {
        legal_basis: "PIPL-47".to_owned(),
        approved_by: ["a".to_owned(), "b".to_owned()],
    };
    ledger.app.erase(&plan, &approval).await.unwrap();
    let found = ledger.restatement(FIRST, "2014-06").await;
    assert_eq!(positions(&found), [position, voided]);
    assert_eq!(
        (found.entries[1].change, found.entries[1].reason),
        ("voided", Reason::Erased)
    );
    assert!(figures(&found).contains(&("births", "2", "1")));
}

async fn submit(
    ledger: &Ledger,
    of: &str,
    day: &str,
    why: Option<&str>,
) -> Result<Vec<String>, AppError> {
    let submission = Submission {
        submitted_on: day.parse().ok(),
        reason: why.map(str::to_owned),
        ..Submission::default()
    };
    let submitted = ledger
        .app
        .submit_return(office(of), period("2014-06"), &submission)
        .await?;
    let lines = submitted.lines.into_iter();
    Ok(lines
        .filter(|line| line.answer != "unchanged")
        .map(|line| format!("{} {} {}", line.indicator, line.value.unwrap(), line.answer))
        .collect())
}

#[tokio::test]
async fn a_return_is_submitted_once_corrected_with_a_reason_and_pins_its_position() {
    let ledger = Ledger::simulated().await;
    reports(&ledger).await;
    let error = submit(&ledger, FIRST, "2014-06-30", None)
        .await
        .unwrap_err();
    assert!(
        said(&error).contains("period 2014-06 ends on 2014-06-30"),
        "{error}"
    );
    let size = ledger.size().await;
    let lines = submit(&ledger, FIRST, "2014-07-01", None).await.unwrap();
    assert_eq!((lines.len(), lines[0].as_str()), (9, "births 2 recorded"));
    let stored = ledger.app.store().entry(size).await.unwrap().unwrap();
    let entry = Entry::parse(&stored.bytes).unwrap();
    assert_eq!(
        entry.metadata("as_of"),
        Some((size - 1).to_string().as_str())
    );
    // The next day says the same.
    assert_eq!(
        submit(&ledger, FIRST, "2014-07-02", None).await.unwrap(),
        [""; 0]
    );
    assert_eq!(ledger.size().await, size + 9);
    ledger.birth("B5", FIRST, "2014-06-29", "2014-07-10").await;
    let error = submit(&ledger, FIRST, "2014-07-10", None)
        .await
        .unwrap_err();
    assert!(said(&error).contains("births 2 -> 3"), "{error}");
    assert_eq!(ledger.size().await, size + 10);
    compare_and_status(&ledger).await;
    let lines = submit(&ledger, FIRST, "2014-07-10", Some("one was late"))
        .await
        .unwrap();
    assert_eq!(
        lines,
        [
            "births 3 corrected",
            "births_female 3 corrected",
            "population 6 corrected"
        ]
    );
    // A corrected return is as late as it was first.
    let all = PeriodFilter {
        office: Some(office(FIRST)),
        period: Some(period("2014-06")),
    };
    let status = ledger.app.return_status(all, AsOf::Head).await.unwrap();
    assert_eq!(
        (status[0].state, status[0].as_of),
        (ReturnState::InTime, Some(size + 9))
    );
    withdrawn(&ledger).await;
}

async fn compare_and_status(ledger: &Ledger) {
    let size = ledger.size().await;
    let found = ledger
        .app
        .compare_returns(office(FIRST), period("2014-06"), size)
        .await
        .unwrap();
    let births = &found.lines[0];
    assert_eq!(
        (births.counted, births.now, births.came_later),
        (Some(2), Some(3), Some(1))
    );
    assert_eq!(births.verdict, LineVerdict::Restated);
    assert!(
        found
            .lines
            .iter()
            .all(|line| line.verdict != LineVerdict::Error)
    );
    let all = PeriodFilter::default();
    let status = ledger.app.return_status(all, AsOf::Head).await.unwrap();
    let seen: Vec<_> = status
        .iter()
        .map(|one| (one.office.to_string(), one.state, one.late_by))
        .collect();
    let line = |code: &str, state, late| (code.to_owned(), state, late);
    assert_eq!(
        seen,
        [
            line(TOWNSHIP, ReturnState::Missing, Some(7)),
            line(FIRST, ReturnState::InTime, None),
            line(SECOND, ReturnState::Missing, Some(9)),
        ]
    );
    // A later meeting, by the calendar of the folder.
    let file = ledger.app.folder.join("calendar");
    std::fs::write(&file, r#"{"village_day": 9, "township_day": 9}"#).unwrap();
    let status = ledger.app.return_status(all, AsOf::Head).await.unwrap();
    assert!(status.iter().all(|one| one.state != ReturnState::Missing));
    std::fs::write(&file, r#"{"village_day": 0}"#).unwrap();
    let wrong = ledger.app.return_status(all, AsOf::Head).await.unwrap_err();
    assert!(said(&wrong).contains("village_day is 0"));
    std::fs::remove_file(&file).unwrap();
}

/// A line that was withdrawn is recorded anew, under the next number.
async fn withdrawn(ledger: &Ledger) {
    let name = format!("return/village/return-{FIRST}-2014-06-deaths");
    let id = ledger.app.record_named(&name).unwrap();
    ledger
        .app
        .void(RecordKind::Return, id, "sent in error", None)
        .await
        .unwrap();
    for (times, expected) in [(1, vec!["deaths 0 recorded".to_owned()]), (2, Vec::new())] {
        let lines = submit(ledger, FIRST, "2014-07-11", None).await.unwrap();
        // An office's own form has lost the line with it; a file brings it back.
        assert_eq!(lines, [""; 0], "{times}");
        let path = ledger.app.folder.join("june.csv");
        let header = "source_record_id,source,office,period,indicator,value,submitted_on";
        let number = format!("return-{FIRST}-2014-06-deaths");
        let row = format!("{number},village,{FIRST},2014-06,deaths,0,2014-07-11");
        std::fs::write(&path, format!("{header}\n{row}\n")).unwrap();
        let again = file(ledger, &path).await.unwrap();
        assert_eq!(again, expected, "{times}");
    }
}

async fn file(ledger: &Ledger, path: &Path) -> Result<Vec<String>, AppError> {
    let submission = Submission {
        from: Some(path.to_owned()),
        ..Submission::default()
    };
    let submitted = ledger
        .app
        .submit_return(office(FIRST), period("2014-06"), &submission)
        .await?;
    let lines = submitted.lines.into_iter();
    Ok(lines
        .filter(|line| line.answer != "unchanged")
        .map(|line| format!("{} {} {}", line.indicator, line.value.unwrap(), line.answer))
        .collect())
}

#[tokio::test]
async fn a_file_is_refused_as_a_whole_and_a_sum_waits_for_its_villages() {
    let ledger = Ledger::simulated().await;
    reports(&ledger).await;
    let size = ledger.size().await;
    let header = "source_record_id,source,office,period,indicator,value,submitted_on";
    let good = format!("Q1,village,{FIRST},2014-06,births,2,2014-07-01");
    let path = ledger.app.folder.join("june.csv");
    for (row, what) in [
        (
            format!("Q2,village,{SECOND},2014-06,deaths,0,2014-07-01"),
            "line 3 is not of office",
        ),
        (
            format!("Q2,village,{FIRST},2014-05,deaths,0,2014-07-01"),
            "line 3 is not of office",
        ),
        (
            format!("Q2,village,{FIRST},2014-06,births,3,2014-07-01"),
            "stands there twice",
        ),
        (
            format!("Q2,village,{FIRST},2014-06,deaths,many,2014-07-01"),
            "value",
        ),
        (
            format!("Q2,police,{FIRST},2014-06,deaths,0,2014-07-01"),
            "source village",
        ),
        (
            format!("Q2,village,{FIRST},2014-06,deaths,0,"),
            "submitted_on",
        ),
    ] {
        std::fs::write(&path, format!("{header}\n{good}\n{row}\n")).unwrap();
        let error = file(&ledger, &path).await.unwrap_err();
        assert!(said(&error).contains(what), "{error}");
    }
    std::fs::write(&path, format!("{header},mood\n{good},fine\n")).unwrap();
    assert!(said(&file(&ledger, &path).await.unwrap_err()).contains("mood"));
    std::fs::write(&path, format!("{header}\n")).unwrap();
    assert!(said(&file(&ledger, &path).await.unwrap_err()).contains("no line"));
    assert_eq!(ledger.size().await, size);
    std::fs::write(&path, format!("{header}\n{good}\n")).unwrap();
    assert_eq!(file(&ledger, &path).await.unwrap(), ["births 2 recorded"]);

    let error = submit(&ledger, TOWNSHIP, "2014-07-03", None)
        .await
        .unwrap_err();
    assert!(said(&error).contains(SECOND), "{error}");
    submit(&ledger, SECOND, "2014-07-02", None).await.unwrap();
    // The first village sends births alone.
    let error = submit(&ledger, TOWNSHIP, "2014-07-03", None)
        .await
        .unwrap_err();
    assert!(said(&error).contains(FIRST), "{error}");
    let submission = Submission {
        submitted_on: "2014-07-03".parse().ok(),
        incomplete: true,
        ..Submission::default()
    };
    let sum = ledger
        .app
        .submit_return(office(TOWNSHIP), period("2014-06"), &submission)
        .await;
    assert_eq!(sum.unwrap().lines[0].value.as_deref(), Some("3"));
    let facility =
        ledger
            .app
            .draft_return(office("990101100901"), period("2014-06"), AsOf::Head, None);
    assert!(said(&facility.await.unwrap_err()).contains("facility"));
}

#[test]
fn the_commands_tell_what_came_later_in_the_sample() {
    let home = Home::empty();
    let delivery = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/half-year-extract");
    home.run(&["init", "--simulated-clock"]).ok();
    home.run(&[
        "import",
        delivery.to_str().unwrap(),
        "--until",
        "2014-07-31",
    ])
    .ok();
    let compare = [
        "return", "compare", "--office", FIRST, "--period", "2014-H1",
    ];
    let found = home.run(&[&compare[..], &["--json"]].concat()).ok().json();
    let births = &found["comparison"]["totals"]["births"];
    let number = |name: &str| births[name].as_i64().unwrap();
    assert_eq!(
        (number("value"), number("counted"), number("now")),
        (11, 11, 14)
    );
    assert_eq!((number("came_later"), number("errors")), (3, 0));
    let shown = home.run(&[&compare[..], &["--lang", "zh"]].concat()).ok();
    assert!(
        shown.out.contains("其后重述") && shown.out.contains("2014-06"),
        "{}",
        shown.out
    );

    let which = ["--office", FIRST, "--period", "2014-06"];
    let run = |args: &[&str], more: &[&str]| home.run(&[args, &which[..], more].concat());
    assert!(
        run(&["return", "draft"], &[])
            .ok()
            .out
            .starts_with("source_record_id,source,office,")
    );
    let submitted = run(&["return", "submit"], &[]);
    // The extract has fewer residents than its returns say, so the population differs.
    assert!(submitted.ends(2).err.contains("population 7523 -> "));
    assert!(home.run(&["return", "status"]).ok().out.contains("in time"));
    run(&["period", "open"], &[]).ok();
    let closed = run(&["period", "close"], &["--json"]).ok().json();
    assert!(closed["pinned"]["position"].is_u64() && closed["pinned"]["root"].is_string());
    let sex = "correct|birth|birth/village/B0011098|sex=F|--reason|misread";
    home.run(&sex.split('|').collect::<Vec<_>>()).ok();
    let found = run(&["period", "restatements"], &["--json"]).ok().json();
    assert_eq!(found["figures"][0]["id"], "births_male");
    assert_eq!(found["entries"][0]["reason"], "sealed");
    let shown = run(&["period", "restatements"], &[]).ok().out;
    assert!(
        shown.contains("Live births, boys") && shown.contains("births.boys 1 -> 0"),
        "{shown}"
    );
    let asked = ["--unseal", "--purpose", "audit 7"];
    assert!(
        run(&["period", "restatements"], &asked)
            .ok()
            .out
            .contains("misread")
    );
    assert!(
        home.run(&["show", "birth/village/B0011098"])
            .ok()
            .out
            .contains("after the close of 2014-06")
    );
    let log = home.run(&["log", "--kind", "birth"]).ok().out;
    assert_eq!(
        log.lines()
            .filter(|line| line.contains("after the close of"))
            .count(),
        1,
        "{log}"
    );
    let alone = ["--reason", "x", "--second-actor", "operator"];
    assert!(
        run(&["period", "reopen"], &alone)
            .ends(2)
            .err
            .contains("two different people")
    );
    run(
        &["period", "reopen"],
        &["--reason", "x", "--second-actor", "head-2"],
    )
    .ok();
    run(&["period", "close"], &["--as-of", "checkpoint"]).ok();
    let status = home.run(&["period", "status", "--lang", "zh"]).ok().out;
    assert!(
        status.contains("已结账") && status.contains("2014-07-01"),
        "{status}"
    );
}
