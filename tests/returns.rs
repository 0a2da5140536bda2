//! Returns: drafted, submitted once, corrected with a reason, awaited, held against the ledger.
//!
//! What comes in: reports of two villages, in time and late; files of returns. What goes out: what
//! a return says, when it was due, how its lines stand to the ledger. What may fail: a return of
//! a period that goes on, other figures without a reason, a file of another return. What must
//! stay true: a second submission of the same records nothing; what came later is no error.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a test fails where it stands, and its texts are short"
)]

#[path = "support/program.rs"]
mod program;
#[path = "support/villages.rs"]
mod villages;

use std::path::Path;

use program::Home;
use villages::{FIRST, Ledger, SECOND, TOWNSHIP, office, period, reports, said};
use vitaledger::app::AppError;
use vitaledger::app::periods::PeriodFilter;
use vitaledger::app::reading::AsOf;
use vitaledger::app::return_status::ReturnState;
use vitaledger::app::returns::Submission;
use vitaledger::model::entry::Entry;
use vitaledger::model::schema::RecordKind;
use vitaledger::report::returns::LineVerdict;

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
    answers(ledger, of, &submission).await
}

/// What is said of each line that is not as it was.
async fn answers(
    ledger: &Ledger,
    of: &str,
    submission: &Submission,
) -> Result<Vec<String>, AppError> {
    let submitted = ledger
        .app
        .submit_return(office(of), period("2014-06"), submission)
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
    answers(ledger, FIRST, &submission).await
}

#[tokio::test]
async fn a_file_is_refused_as_a_whole() {
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
}

#[tokio::test]
async fn a_sum_waits_for_the_returns_of_its_villages() {
    let ledger = Ledger::simulated().await;
    reports(&ledger).await;
    let header = "source_record_id,source,office,period,indicator,value,submitted_on";
    let path = ledger.app.folder.join("june.csv");
    let row = format!("Q1,village,{FIRST},2014-06,births,2,2014-07-01");
    std::fs::write(&path, format!("{header}\n{row}\n")).unwrap();
    file(&ledger, &path).await.unwrap();
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
    let delivery = delivery.to_str().unwrap();
    home.run(&["import", delivery, "--until", "2014-07-31"])
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
}
