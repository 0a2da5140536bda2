//! Periods of a ledger, from the opening to the second close, on both databases and both clocks;
//! and the commands.
//!
//! What comes in: reports of two villages, in time and late. What goes out: what a close pins and
//! what moves its figures. What may fail: a close too early, one person in place of two. What must
//! stay true: nothing is refused because a period is closed.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a test fails where it stands, and its texts are short"
)]

#[path = "support/program.rs"]
mod program;
#[path = "support/postgres.rs"]
mod server;
#[path = "support/villages.rs"]
mod villages;

use std::path::Path;

use program::Home;
use villages::{COUNTY, FIRST, Ledger, SECOND, TOWNSHIP, office, period, reports, said, values};
use vitaledger::app::erase::Approval;
use vitaledger::app::periods::{CloseAt, PeriodFilter};
use vitaledger::app::reading::AsOf;
use vitaledger::app::restatements::{Cause, Reason, Restatement};
use vitaledger::audit::verify::Scope;
use vitaledger::model::id::{OfficeCode, Position};
use vitaledger::model::period::Period;
use vitaledger::model::schema::RecordKind;
use vitaledger::report::periods::PeriodState;
use vitaledger::store::location::Location;

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

    let [late, sex] = late_entries(&ledger, close).await;
    reopen(&ledger, of, when).await;
    let third = ledger.birth("B6", FIRST, "2014-06-30", "2014-07-12").await;
    let mut found = ledger.restatement(FIRST, "2014-06").await;
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

/// A late birth, and a correction that moves a figure beside one that does not.
async fn late_entries(ledger: &Ledger, close: Position) -> [Position; 2] {
    let late = ledger.birth("B5", FIRST, "2014-06-29", "2014-07-10").await;
    ledger
        .correct("B1", &[("weight_g", "3000")], "misread scale")
        .await;
    let sex = ledger
        .correct("B1", &[("sex", "M")], "the clerk mistook it")
        .await;
    let found = ledger.restatement(FIRST, "2014-06").await;
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
    let own = |cause: &Cause| {
        cause.period_was == PeriodState::Closed && cause.office.as_deref() == Some(FIRST)
    };
    assert!(found.entries.iter().all(own));
    marks(ledger, close, &[late, sex]).await;
    [late, sex]
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

#[tokio::test]
async fn a_pregnancy_loss_is_named_for_the_township_alone() {
    let ledger = Ledger::simulated().await;
    reports(&ledger).await;
    ledger.birth("B4", FIRST, "2014-07-01", "2014-07-02").await;
    ledger.open_and_close(FIRST, "2014-06").await;
    ledger.open_and_close(TOWNSHIP, "2014-06").await;
    let pairs = [
        ("source_record_id", "L1"),
        ("source", "village"),
        ("office", FIRST),
        ("occurred_on", "2014-06-09"),
        ("reported_on", "2014-07-09"),
        ("gestation_days", "150"),
    ];
    let loss = ledger.record(RecordKind::PregnancyLoss, &pairs).await;
    let own = ledger.restatement(FIRST, "2014-06").await;
    assert_eq!(figures(&own), [("pregnancy_losses", "0", "1")]);
    assert_eq!(
        (own.entries.len(), own.notes[0].id),
        (0, "losses_not_named")
    );
    assert!(
        !serde_json::to_string(&own)
            .unwrap()
            .contains("pregnancy_loss\"")
    );
    let above = ledger.restatement(TOWNSHIP, "2014-06").await;
    assert_eq!((positions(&above), above.notes.len()), (vec![loss], 0));
    // In a list it is marked for the township's period, which its entry names anyway.
    let entries = ledger.app.store().entries(loss, 1).await.unwrap();
    let closes = ledger.app.closes().await.unwrap();
    let marks = ledger.app.after_a_close(&closes, &entries).await.unwrap();
    assert_eq!(marks[&loss].len(), 1);
    assert_eq!(marks[&loss][0].office, office(TOWNSHIP));
}

#[tokio::test]
async fn a_period_closes_though_keys_were_rotated_since_the_ledger_was_opened() {
    let ledger = Ledger::simulated().await;
    reports(&ledger).await;
    ledger.birth("B4", FIRST, "2014-07-01", "2014-07-02").await;
    ledger.app.rotate_signing(false).await.unwrap();
    ledger.app.retire_signing(None, 0, true).await.unwrap();
    ledger.open_and_close(FIRST, "2014-06").await;
}

#[test]
fn the_commands_tell_what_moved() {
    let home = Home::empty();
    let delivery = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/half-year-extract");
    home.run(&["init", "--simulated-clock"]).ok();
    let delivery = delivery.to_str().unwrap();
    home.run(&["import", delivery, "--until", "2014-07-31"])
        .ok();
    let which = ["--office", FIRST, "--period", "2014-06"];
    let run = |args: &[&str], more: &[&str]| home.run(&[args, &which[..], more].concat());
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
        shown.contains("Live births, boys") && shown.contains("births_male 1 -> 0"),
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
    again(&home, &which);
}

/// Opened again, and closed again.
fn again(home: &Home, which: &[&str]) {
    let run = |args: &[&str], more: &[&str]| home.run(&[args, which, more].concat());
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
