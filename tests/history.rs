//! Walks through the history of a whole ledger, against what the reports count.
//!
//! What comes in: a ledger with an import, corrections, withdrawals, pregnancy losses, an erasure,
//! an office that was moved, and money. What happens: it is replayed, told apart between moments,
//! searched for turns, and asked who set what. What must come out: always a report's numbers.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

mod harness;

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use vitaledger::app::App;
use vitaledger::app::history::{
    Condition, DiffOptions, QueryCondition, Replay, ReplayOptions, RuleCondition, bisect, turns,
};
use vitaledger::app::reading::AsOf;
use vitaledger::history::blame::Blame;
use vitaledger::history::difference::Outcome;
use vitaledger::history::rule::Rule;
use vitaledger::history::steps::Every;
use vitaledger::indicators::targets::Targets;
use vitaledger::model::code::OfficeLevel;
use vitaledger::model::id::OfficeCode;
use vitaledger::model::office::OfficeFields;
use vitaledger::model::period::Period;
use vitaledger::model::schema::RecordKind;
use vitaledger::registers::Registers;
use vitaledger::report::HalfYearReport;

const COUNTY: &str = "990101000000";
const TOWNSHIP: &str = "990101100000";

fn office(code: &str) -> OfficeCode {
    OfficeCode::parse(code).unwrap()
}

fn period(text: &str) -> Period {
    Period::parse(text).unwrap()
}

/// The small ledger of all tests, with money and a moved office besides.
async fn make(folder: &Path) -> harness::Facts {
    let facts = harness::make(folder).await;
    let app = App::open(folder).await.unwrap();
    let kind = RecordKind::Disbursement;
    for (number, source, flow, of, scheme, fen) in [
        (
            "D900001",
            "finance",
            "appropriation",
            TOWNSHIP,
            "programme_funding",
            "9000",
        ),
        (
            "D900002",
            "village",
            "entitlement",
            harness::VILLAGE,
            "family_support",
            "960",
        ),
        (
            "D900003",
            "finance",
            "payment",
            harness::VILLAGE,
            "family_support",
            "960",
        ),
    ] {
        let values = harness::values(&[
            ("source_record_id", number),
            ("source", source),
            ("flow", flow),
            ("office", of),
            ("scheme", scheme),
            ("period", "2013"),
            ("amount_yuan", fen),
            ("occurred_on", "2013-10-01"),
            ("reported_on", "2013-10-28"),
        ]);
        app.record(kind, &values, None).await.unwrap();
    }
    // A village moves from the township to the county, and a birth of it comes after that.
    let offices = app.offices(u64::MAX).await.unwrap();
    let moved = offices.get(office(harness::VILLAGE)).unwrap().clone();
    assert_eq!(moved.level, OfficeLevel::Village);
    let moved = OfficeFields {
        parent: Some(office(COUNTY)),
        ..moved
    };
    app.record_office(moved).await.unwrap();
    app.record(RecordKind::Birth, &harness::birth("X5", "3300"), None)
        .await
        .unwrap();
    app.close().await;
    facts
}

struct Scene {
    home: TempDir,
    app: App,
    facts: harness::Facts,
    size: u64,
}

async fn scene() -> Scene {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("ledger");
    let facts = make(&folder).await;
    let app = App::open(&folder).await.unwrap();
    let size = app.store().head().await.unwrap().size;
    Scene {
        home,
        app,
        facts,
        size,
    }
}

/// The report of the office as of so many entries, when it was registered by then.
async fn report(
    app: &App,
    registers: &Registers,
    size: u64,
    of: &str,
    period: Period,
) -> Option<HalfYearReport> {
    let snapshot = app.snapshot(registers, size).await.unwrap();
    let known = snapshot.offices.get(office(of)).is_some();
    let targets = Targets::default();
    known.then(|| HalfYearReport::build(&snapshot, office(of), period, &targets).unwrap())
}

#[tokio::test]
async fn every_step_of_a_replay_is_the_report_of_that_moment() {
    let scene = scene().await;
    let registers = scene.app.registers().await.unwrap();
    for (of, every, asked, from) in [
        (COUNTY, Every::Entries(61), Some(period("2013")), 0),
        (TOWNSHIP, Every::Week, None, 0),
        // The last entries one by one: corrections, a void, an erasure, money, the moved office.
        (
            TOWNSHIP,
            Every::Entries(1),
            Some(period("2013-H2")),
            scene.size - 40,
        ),
        (
            harness::VILLAGE,
            Every::Entries(7),
            Some(period("2013S")),
            scene.size - 90,
        ),
    ] {
        let options = ReplayOptions {
            from,
            to: scene.size,
            every: Some(every),
            office: Some(office(of)),
            period: asked,
            targets: Targets::default(),
        };
        let mut replay = Replay::start(&scene.app, &options).await.unwrap();
        let (mut end, mut steps) = (from, 0);
        while let Some(step) = replay.next().await.unwrap() {
            assert_eq!(
                step.position + 1,
                end + step.entries,
                "steps follow one another"
            );
            assert_eq!(step.entries_by_type.values().sum::<u64>(), step.entries);
            end = step.position + 1;
            steps += 1;
            assert_eq!(step.step, steps);
            let full = report(&scene.app, &registers, end, of, step.period).await;
            let Some(full) = full else { continue };
            assert_eq!(step.recorded_at, full.head.recorded_at);
            assert_eq!(step.numbers.figures, full.figures, "{of} at {end}");
            assert_eq!(step.numbers.activities, full.activities, "{of} at {end}");
            assert_eq!(step.numbers.indicators, full.indicators, "{of} at {end}");
        }
        assert_eq!(end, scene.size);
        assert!(steps > 5, "{steps} steps");
    }
    scene.app.close().await;
}

#[test]
fn moved_counts_are_the_difference_of_two_full_counts() {
    let runtime = Runtime::new().unwrap();
    let scene = runtime.block_on(scene());
    let registers = runtime.block_on(scene.app.registers()).unwrap();
    let moments = (0..=scene.size, 0..=scene.size);
    let offices = proptest::sample::select(vec![COUNTY, TOWNSHIP, harness::VILLAGE]);
    let mut runner = TestRunner::new(Config::with_cases(24));
    let tested = runner.run(&(moments, offices), |((a, b), of)| {
        let (a, b) = (a.min(b), a.max(b));
        runtime.block_on(async {
            let period = period("2013");
            let before = report(&scene.app, &registers, a, of, period).await;
            let after = report(&scene.app, &registers, b, of, period).await;
            let (Some(before), Some(after)) = (before, after) else {
                return Ok(());
            };
            let options = DiffOptions {
                office: Some(office(of)),
                period: Some(period),
                ..DiffOptions::default()
            };
            let told = scene.app.diff(a, b, &options).await.unwrap();
            let moved = &told.movements[0];
            for figure in moved.figures.iter().chain(&moved.activities) {
                let value = |report: &HalfYearReport| report.figure(&figure.id).map(|f| f.value);
                let (earlier, later) = (value(&before).unwrap_or(0), value(&after).unwrap_or(0));
                prop_assert_eq!(figure.before, earlier);
                prop_assert_eq!(figure.after, later);
                prop_assert_eq!(figure.difference, later - earlier);
            }
            for indicator in &moved.indicators {
                let full = after.indicator(indicator.id).unwrap();
                prop_assert_eq!(&indicator.after.verdict, &full.verdict);
                prop_assert_eq!(&indicator.after.reason, &full.reason);
                let shown = full.value.clone().filter(|_| full.reason.is_none());
                prop_assert_eq!(&indicator.after.value, &shown);
            }
            Ok(())
        })
    });
    tested.unwrap();
    runtime.block_on(scene.app.close());
}

#[tokio::test]
async fn every_record_with_an_entry_between_is_told_once() {
    let Scene {
        app,
        facts,
        size,
        home: _home,
    } = scene().await;
    let registers = app.registers().await.unwrap();
    for (from, to) in [(0, size), (size - 40, size), (size - 20, size - 5), (9, 9)] {
        let told = app.diff(from, to, &DiffOptions::default()).await.unwrap();
        let mut expected = 0;
        for kind in RecordKind::ALL {
            expected += registers.changes(kind, from, to).unwrap().len();
        }
        assert_eq!(told.records.len(), expected);
        assert_eq!(told.entries.values().sum::<u64>(), to - from);
        let lines = told.lines(true).unwrap();
        assert_eq!(
            lines.len(),
            expected + told.offices.len() + told.movements.len() + 1
        );
        let text = lines.join("\n");
        assert!(!text.contains("某某"), "a sealed name is shown");
    }
    let told = app
        .diff(size - 40, size, &DiffOptions::default())
        .await
        .unwrap();
    let of = |id| {
        told.records
            .iter()
            .find(|record| record.record_id == id)
            .unwrap()
    };
    assert_eq!(of(facts.voided).outcome, Outcome::Voided);
    // Recorded and corrected between: it is new, with what it says last.
    let corrected = of(facts.corrected);
    assert_eq!(corrected.outcome, Outcome::Recorded);
    assert_eq!(corrected.steps.len(), 2);
    assert_eq!(corrected.steps[1].facts.actor.as_deref(), Some("operator"));
    // From between the two entries on it is a correction, with the old value and the new one.
    let first = corrected.steps[0].position + 1;
    let told = app
        .diff(first, size, &DiffOptions::default())
        .await
        .unwrap();
    let mut records = told.records.iter();
    let corrected = records.find(|r| r.record_id == facts.corrected).unwrap();
    assert_eq!(corrected.outcome, Outcome::Corrected);
    let weight = &corrected.fields[0];
    assert_eq!(weight.field, "weight_g");
    assert_eq!(weight.old.as_ref().unwrap().to_string(), "3100");
    assert_eq!(weight.new.as_ref().unwrap().to_string(), "3200");
    assert!(
        corrected.sealed.contains("mother_name"),
        "{:?}",
        corrected.sealed
    );
    // The moved village.
    assert_eq!(told.offices.len(), 1);
    assert_eq!(told.offices[0].after.parent, Some(office(COUNTY)));
    assert!(app.diff(9, 8, &DiffOptions::default()).await.is_err());
    app.close().await;
}

#[tokio::test]
async fn a_search_by_halves_finds_what_a_linear_scan_finds() {
    let Scene {
        app,
        size,
        home: _home,
        ..
    } = scene().await;
    let mut once = 0;
    for (text, of) in [
        ("births >= 3", COUNTY),
        ("residents > 100 and households > 20", COUNTY),
        ("married_women_15_49 >= 30", TOWNSHIP),
        ("pregnancy_losses > 0", COUNTY),
        ("births > births_female", harness::VILLAGE),
        // It holds, and ceases to when the village has moved away.
        ("births = 0 or births > 2", TOWNSHIP),
        ("programme_funding_per_head > 1", TOWNSHIP),
        ("deaths > 1000", COUNTY),
    ] {
        let rule = Rule::parse(text).unwrap();
        let asked = Some(period("2013"));
        let mut condition = RuleCondition::new(
            &app,
            rule,
            Some(office(of)),
            asked,
            size,
            Targets::default(),
        )
        .await
        .unwrap();
        let found = bisect(&app, &mut condition, 0, size).await.unwrap();
        let every = Every::Entries(1);
        let (ends, all, evaluations) = turns(&app, &mut condition, 0, size, every).await.unwrap();
        assert_eq!(evaluations, size + 1);
        assert_eq!(ends, found.ends, "{text}");
        let expected = !ends.at_from.truth.holds() && ends.at_to.truth.holds();
        assert_eq!(found.found.is_some(), expected, "{text}");
        let Some(turn) = found.found else { continue };
        let begins: Vec<_> = all
            .iter()
            .filter(|turn| turn.after.truth.holds() && !turn.before.truth.holds())
            .collect();
        // The same entry, with the same values on both sides of it.
        assert!(begins.contains(&&turn), "{text}: {turn:?}");
        assert!(
            found.evaluations <= 2 + u64::from(size.ilog2()) + 1,
            "{text}"
        );
        if all.len() == 1 {
            once += 1;
            assert!(found.contradictions.is_empty(), "{text}");
        }
    }
    assert!(once >= 3, "only {once} conditions turned once");
    app.close().await;
}

/// The births that an office and those below it reported, counted twice.
#[tokio::test]
async fn a_query_turns_where_the_same_rule_turns() {
    let Scene {
        app,
        size,
        home: _home,
        ..
    } = scene().await;
    for least in [1, 3] {
        let rule = Rule::parse(&format!("births >= {least}")).unwrap();
        let mut by_rule = RuleCondition::new(
            &app,
            rule,
            Some(office(COUNTY)),
            Some(period("2013")),
            size,
            Targets::default(),
        )
        .await
        .unwrap();
        let query = format!(
            "SELECT count(*) >= {least}, count(*) AS births FROM births JOIN offices ON code = office \
             WHERE county = '{COUNTY}' AND source = 'village' AND extract(year FROM occurred_on) = 2013"
        );
        assert!(QueryCondition::is_query(&query));
        let mut by_query = QueryCondition::new(&app, &query).await.unwrap();
        let rule = bisect(&app, &mut by_rule, 0, size).await.unwrap();
        let query = bisect(&app, &mut by_query, 0, size).await.unwrap();
        assert_eq!(rule.evaluations, query.evaluations);
        let (rule, query) = (rule.found.unwrap(), query.found.unwrap());
        assert_eq!(rule.moment, query.moment);
        for (rule, query) in [(rule.before, query.before), (rule.after, query.after)] {
            assert_eq!(rule.truth, query.truth);
            assert_eq!(rule.readings[0].value, query.readings[0].value);
            assert_eq!(query.readings[0].name, "births");
        }
    }
    let no_condition = QueryCondition::new(&app, "SELECT count(*) FROM births").await;
    no_condition.unwrap().evaluate(size).await.unwrap_err();
    app.close().await;
}

#[tokio::test]
async fn a_kept_checkpoint_is_a_moment() {
    let Scene {
        app, size, home, ..
    } = scene().await;
    let notes = app.store().checkpoints().await.unwrap();
    assert!(notes.len() > 3, "{}", notes.len());
    for (covers, note) in &notes {
        let moment = AsOf::Checkpoint(note.clone());
        assert_eq!(app.size_at(moment).await.unwrap(), *covers);
    }
    // By its file, wherever a moment is written.
    let file = home.path().join("kept.note");
    let (covers, note) = &notes[notes.len() / 2];
    std::fs::write(&file, note).unwrap();
    let named = file.to_str().unwrap();
    assert_eq!(app.size_named(named).await.unwrap(), *covers);
    let options = DiffOptions::default();
    let (from, to) = (app.size_named(named).await.unwrap(), size);
    assert!(
        !app.diff(from, to, &options)
            .await
            .unwrap()
            .records
            .is_empty()
    );
    app.size_named("nowhere.note").await.unwrap_err();

    let refused = async |app: &App, note: &[u8]| {
        let error = app
            .size_at(AsOf::Checkpoint(note.to_vec()))
            .await
            .unwrap_err();
        assert_eq!(error.exit_code(), 11, "{error}");
        error.to_string()
    };
    // Another log's.
    let other = harness::init(&home.path().join("other")).await;
    let (_, foreign) = other.store().newest_checkpoint().await.unwrap().unwrap();
    let said = refused(&app, &foreign).await;
    assert!(said.contains("the kept checkpoint"), "{said}");
    // Of this log, but changed; and no note at all.
    let changed = String::from_utf8(note.clone()).unwrap();
    let changed = changed.replacen(&format!("\n{covers}\n"), &format!("\n{}\n", covers - 1), 1);
    refused(&app, changed.as_bytes()).await;
    refused(&app, b"births 3\n").await;
    other.close().await;
    app.close().await;
}

#[tokio::test]
async fn a_checkpoint_beyond_the_end_says_that_the_end_is_lost() {
    let home = TempDir::new().unwrap();
    let (folder, older) = (home.path().join("ledger"), home.path().join("older"));
    harness::make(&folder).await;
    harness::copy(&folder, &older);
    let app = App::open(&folder).await.unwrap();
    app.record(RecordKind::Birth, &harness::birth("X9", "3300"), None)
        .await
        .unwrap();
    let (_, note) = app.store().newest_checkpoint().await.unwrap().unwrap();
    app.close().await;
    let app = App::open(&older).await.unwrap();
    let error = app.size_at(AsOf::Checkpoint(note)).await.unwrap_err();
    assert_eq!(error.exit_code(), 11);
    assert!(error.to_string().contains("rollback"), "{error}");
    app.close().await;
}

#[tokio::test]
async fn a_condition_that_turns_often_is_told_from_one_that_turns_once() {
    let Scene {
        app,
        size,
        home: _home,
        ..
    } = scene().await;
    let (asked, county) = (Some(period("2013")), Some(office(COUNTY)));
    let condition = async |text: &str| {
        let rule = Rule::parse(text).unwrap();
        RuleCondition::new(&app, rule, county, asked, size, Targets::default())
            .await
            .unwrap()
    };
    // How many births there are after each entry.
    let mut counting = condition("births >= 1").await;
    let mut births = Vec::new();
    for at in 0..=size {
        let seen = counting.evaluate(at).await.unwrap();
        births.push(seen.readings[0].exact.unwrap().numerator());
    }
    let from = births.iter().rposition(|births| *births == 0).unwrap() as u64;
    let middle = births[usize::try_from(from.midpoint(size)).unwrap()];
    let last = *births.last().unwrap();
    assert!(middle > 1 && last > middle + 1, "{births:?}");
    // It holds from the first birth to the middle, not after that, and again at the end.
    let text = format!("births >= 1 and births <= {middle} or births >= {last}");
    let mut twice = condition(&text).await;
    let every = Every::Entries(1);
    let (_, all, _) = turns(&app, &mut twice, from, size, every).await.unwrap();
    assert_eq!(all.len(), 3);
    let found = bisect(&app, &mut twice, from, size).await.unwrap();
    assert!(all.contains(&found.found.unwrap()));
    assert!(!found.contradictions.is_empty());
    for position in found.contradictions {
        assert!((from..size).contains(&position));
    }
    // Day by day there are fewer changes or as many, each at the end of a day.
    let (_, daily, _) = turns(&app, &mut twice, from, size, Every::Day)
        .await
        .unwrap();
    assert!(!daily.is_empty() && daily.len() <= 3, "{daily:?}");
    app.close().await;
}

fn field<'a>(blame: &'a Blame, name: &str) -> &'a vitaledger::history::blame::FieldBlame {
    blame
        .fields
        .iter()
        .find(|field| field.field == name)
        .unwrap()
}

#[tokio::test]
async fn each_field_names_the_entry_that_set_it() {
    let Scene {
        app,
        facts,
        size,
        home: _home,
    } = scene().await;
    let history = app.ledger.history(facts.corrected).await.unwrap().unwrap();
    let positions: Vec<u64> = history.positions().collect();
    let blame = app.blame(facts.corrected, size).await.unwrap();
    for (name, version, times) in [
        ("weight_g", 1, 2),
        ("mother_name", 1, 2),
        ("sex", 0, 1),
        ("mother_id_no", 0, 1),
        ("reason", 1, 1),
    ] {
        let field = field(&blame, name);
        assert_eq!(field.set_by.position, positions[version], "{name}");
        assert_eq!(field.times_set, times, "{name}");
        assert_eq!(field.set_by.actor.as_deref(), Some("operator"));
        assert_eq!(field.set_by.office.as_deref(), Some(harness::VILLAGE));
        assert_eq!(field.set_by.reported_on.as_deref(), Some("2013-10-25"));
    }
    assert_eq!(field(&blame, "weight_g").value, Some(3200.into()));
    assert!(
        blame
            .fields
            .iter()
            .all(|field| field.field != "mother_age" || field.value.is_some())
    );
    // Sealed values are masked, in JSON, too.
    let json = serde_json::to_string(&blame).unwrap();
    assert!(!json.contains("某某") && json.contains("••••"), "{json}");
    // Before the correction the first entry set everything; before the first there is nothing.
    let earlier = app.blame(facts.corrected, positions[1]).await.unwrap();
    assert_eq!(field(&earlier, "weight_g").value, Some(3100.into()));
    assert_eq!(field(&earlier, "weight_g").set_by.position, positions[0]);
    assert!(app.blame(facts.corrected, positions[0]).await.is_err());

    let voided = app.blame(facts.voided, size).await.unwrap();
    let by = voided.voided_by.as_ref().unwrap();
    assert_eq!(
        (by.change, by.actor.as_deref()),
        ("voided", Some("operator"))
    );
    assert!(
        voided
            .fields
            .iter()
            .any(|field| !field.sealed && field.value.is_some())
    );
    assert_eq!(
        app.blame(facts.voided, by.position)
            .await
            .unwrap()
            .voided_by,
        None
    );

    let erased = app.blame(facts.erased, size).await.unwrap();
    assert_eq!(erased.erased_by, Some(facts.erasure));
    let name = field(&erased, "mother_name");
    assert!(name.erased && name.value.is_none());
    assert_eq!(field(&erased, "weight_g").value, Some(3200.into()));
    app.close().await;
}
