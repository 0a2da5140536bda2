//! What moves a closed period's figures, and that the steps add up to the whole.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::cell::{Decimal, Fen, Slug};
use crate::model::code::{
    GestationBand, MaritalStatus, OfficeLevel, RegistrationKind, Sex, Source,
};
use crate::model::fields::{
    ActivityFields, BirthFields, DisbursementFields, PregnancyLossFields, RegistrationFields,
    ReturnFields,
};
use crate::model::office::OfficeFields;

const TOWNSHIP: &str = "990101100000";
const VILLAGES: [&str; 2] = ["990101100001", "990101100002"];

fn office(code: &str) -> OfficeCode {
    OfficeCode::parse(code).unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn offices() -> OfficeDirectory {
    let mut directory = OfficeDirectory::default();
    for (code, level, parent) in [
        ("990101000000", OfficeLevel::County, None),
        (TOWNSHIP, OfficeLevel::Township, Some("990101000000")),
        (VILLAGES[0], OfficeLevel::Village, Some(TOWNSHIP)),
        (VILLAGES[1], OfficeLevel::Village, Some(TOWNSHIP)),
    ] {
        directory.insert(OfficeFields {
            code: office(code),
            level,
            name_en: None,
            name_zh: None,
            parent: parent.map(office),
        });
    }
    directory
}

/// A register that is written step by step, and the steps since its figures were pinned.
#[derive(Default)]
struct Book {
    current: Vec<Option<State>>,
    entries: u64,
    steps: Vec<Step>,
}

impl Book {
    fn put(&mut self, record: usize, change: Change, state: Option<State>) {
        let position = self.entries;
        self.entries += 1;
        let record_id = Uuid::from_u128(record as u128 + 1);
        let before = self.current[record].take();
        let like = state.as_ref().or(before.as_ref()).unwrap();
        let row = RegisterRow {
            record_id,
            version: 1,
            position,
            recorded_at: Timestamp::simulated(day("2014-08-01")),
            change,
            event_id: record_id,
            fields: like.row.fields.clone(),
        };
        let after = state.map(|state| State {
            row: row.clone(),
            ..state
        });
        let step = Step {
            after: after.clone(),
            ..Step::of(before, &row)
        };
        self.current[record] = after;
        self.steps.push(step);
    }

    fn record(&mut self, state: State) -> usize {
        self.current.push(None);
        let record = self.current.len() - 1;
        self.put(record, Change::Recorded, Some(state));
        record
    }

    fn snapshot(&self) -> Snapshot {
        let mut states: Vec<&State> = self.current.iter().flatten().collect();
        states.sort_by_key(|state| state.row.position);
        let mut snapshot = Snapshot {
            size: self.entries,
            recorded_at: judged_at(Timestamp::default(), Period::Year(2014)),
            offices: offices(),
            ..Snapshot::default()
        };
        for state in states {
            let id = state.row.record_id;
            snapshot.born_on.extend(state.born_on.map(|day| (id, day)));
            snapshot
                .losses
                .extend(state.loss.clone().map(|loss| (id, loss)));
            let rows = snapshot.rows.entry(state.row.kind()).or_default();
            rows.push(state.row.clone());
        }
        snapshot
    }
}

fn unsealed(fields: AnyFields) -> State {
    let id = Uuid::nil();
    State::unopened(RegisterRow {
        record_id: id,
        version: 1,
        position: 0,
        recorded_at: Timestamp::default(),
        change: Change::Recorded,
        event_id: id,
        fields,
    })
}

fn birth(of: &str, source: Source, sex: Sex, on: &str, reported: &str, weight_g: i64) -> State {
    unsealed(AnyFields::Birth(BirthFields {
        source: Some(source),
        office: Some(office(of)),
        sex: Some(sex),
        occurred_on: Some(day(on)),
        reported_on: Some(day(reported)),
        weight_g: Some(weight_g),
        ..BirthFields::default()
    }))
}

fn pinned(of: &str, period: &str) -> Pinned {
    Pinned {
        office: office(of),
        period: Period::parse(period).unwrap(),
        from: 0,
    }
}

/// The counts that the steps since `pinned.from` move, by position.
fn judge(book: &Book, start: &Snapshot, pinned: &Pinned) -> Vec<(Position, Vec<CountMoved>)> {
    let targets = Targets::default();
    let current = [RecordKind::Disbursement, RecordKind::Return]
        .into_iter()
        .flat_map(|kind| start.of(kind).to_vec());
    let mut tracker = Tracker::new(offices(), current, &targets);
    let late = book
        .steps
        .iter()
        .filter(|step| step.position >= pinned.from);
    late.filter_map(|step| {
        let asked = step
            .states()
            .any(|state| may_count(&state.row.fields, pinned.period));
        let asked: &[Pinned] = if asked { &[*pinned] } else { &[] };
        let moved = tracker.step(step, asked).unwrap().pop().unwrap_or_default();
        (!moved.is_empty()).then_some((step.position, moved))
    })
    .collect()
}

fn named(moved: &[(Position, Vec<CountMoved>)]) -> Vec<(Position, Vec<&str>)> {
    moved
        .iter()
        .map(|(at, counts)| (*at, counts.iter().map(|one| one.count.as_str()).collect()))
        .collect()
}

#[test]
fn a_late_report_that_counts_nowhere_in_the_period_is_none() {
    let mut book = Book::default();
    let village =
        |of, on, reported, weight_g| birth(of, Source::Village, Sex::Male, on, reported, weight_g);
    let own = VILLAGES[0];
    let first = book.record(village(own, "2014-06-03", "2014-06-05", 3000));
    let start = book.snapshot();
    let pinned = Pinned {
        from: book.entries,
        ..pinned(own, "2014-06")
    };
    // A weight, the hospital's copy, a birth of July, a birth of May, one of another village.
    let corrected = village(own, "2014-06-03", "2014-06-05", 3100);
    book.put(first, Change::Corrected, Some(corrected));
    let (on, reported) = ("2014-06-03", "2014-07-05");
    let copy = birth(own, Source::Hospital, Sex::Male, on, reported, 3000);
    book.record(copy);
    book.record(village(own, "2014-07-01", reported, 3000));
    book.record(village(own, "2014-05-31", reported, 3000));
    book.record(village(VILLAGES[1], "2014-06-09", reported, 3000));
    assert_eq!(named(&judge(&book, &start, &pinned)), []);
    // The same for the township: the other village's birth counts for it.
    let pinned = Pinned {
        office: office(TOWNSHIP),
        ..pinned
    };
    let moved = judge(&book, &start, &pinned);
    let births = [
        "births",
        "births_male",
        "births_reported_within_30_days",
        "births_reported_within_one_year",
        "months.2014-06.register",
    ];
    assert_eq!(named(&moved), [(5, births.to_vec())]);
    assert_eq!(
        (moved[0].1[0].before.as_str(), moved[0].1[0].after.as_str()),
        ("0", "1")
    );
}

#[test]
fn a_correction_that_moves_a_birth_counts_for_both_offices_and_both_periods() {
    let mut book = Book::default();
    let village = Source::Village;
    let state = |of: &str, on: &str| birth(of, village, Sex::Female, on, "2014-06-30", 3000);
    let record = book.record(state(VILLAGES[0], "2014-06-03"));
    let start = book.snapshot();
    let from = book.entries;
    book.put(
        record,
        Change::Corrected,
        Some(state(VILLAGES[1], "2014-05-03")),
    );
    book.put(record, Change::Voided, None);
    let total = |of: &str, period: &str| -> Vec<(Position, String, String)> {
        let pinned = Pinned {
            from,
            ..pinned(of, period)
        };
        let moved = judge(&book, &start, &pinned);
        let totals = moved.into_iter().flat_map(|(at, counts)| {
            let own = counts.into_iter().filter(|one| one.count == "births");
            own.map(move |one| (at, one.before, one.after))
        });
        totals.collect()
    };
    let (gone, came) = (
        ("1".to_owned(), "0".to_owned()),
        ("0".to_owned(), "1".to_owned()),
    );
    assert_eq!(
        total(VILLAGES[0], "2014-06"),
        [(1, gone.0.clone(), gone.1.clone())]
    );
    let both = [(1, came.0, came.1), (2, gone.0.clone(), gone.1.clone())];
    assert_eq!(total(VILLAGES[1], "2014-05"), both);
    assert_eq!(total(TOWNSHIP, "2014-06"), [(1, gone.0, gone.1)]);
    assert_eq!(total(VILLAGES[1], "2014-06"), []);
}

#[test]
fn figures_that_moved_say_from_what_to_what_and_by_how_much() {
    let mut book = Book::default();
    let targets = Targets::default();
    let village = Source::Village;
    for on in ["2014-01-05", "2014-02-05", "2014-02-06", "2014-06-05"] {
        book.record(birth(VILLAGES[0], village, Sex::Male, on, on, 3000));
    }
    let half = Period::Half(2014, 1);
    let report = |book: &Book| {
        HalfYearReport::build(&book.snapshot(), office(TOWNSHIP), half, &targets).unwrap()
    };
    let before = report(&book);
    assert_eq!(moved(&before, &report(&book)), []);
    book.record(birth(
        VILLAGES[0],
        village,
        Sex::Male,
        "2014-02-09",
        "2014-09-09",
        3000,
    ));
    let figures = moved(&before, &report(&book));
    let shown: Vec<_> = figures
        .iter()
        .map(|one| {
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            (
                one.id.as_str(),
                text(&one.before),
                text(&one.after),
                text(&one.per_cent),
            )
        })
        .collect();
    let line = |id, before: &str, after: &str, share: &str| {
        (id, before.to_owned(), after.to_owned(), share.to_owned())
    };
    assert_eq!(
        shown,
        [
            line("births", "4", "5", "25.0"),
            line("births_male", "4", "5", "25.0"),
            line("births/2014-02", "2", "3", "50.0"),
            // Reported in time: 4 of 4, then 4 of 5.
            line("timeliness", "100.0", "80.0", "-20.0"),
        ]
    );
    assert_eq!(figures[3].difference.as_deref(), Some("-20.0"));
}

#[test]
fn time_alone_moves_nothing() {
    let state = unsealed(AnyFields::Disbursement(DisbursementFields {
        flow: Some(Flow::Entitlement),
        source: Some(Source::Village),
        scheme: Some(Slug("family_support".to_owned())),
        period: Some(Period::Year(2014)),
        amount_fen: Some(Fen(96_000)),
        office: Some(office(VILLAGES[0])),
        occurred_on: Some(day("2014-02-20")),
        reported_on: Some(day("2014-02-20")),
        approved_by: None,
    }));
    let mut book = Book::default();
    book.record(state);
    let (period, targets) = (Period::Month(2014, 8), Targets::default());
    // Due on the last day of August; nothing was recorded since February, or something is.
    let [quiet, later] = ["2014-02-20", "2015-01-09"].map(|on| {
        let mut snapshot = book.snapshot();
        snapshot.recorded_at = judged_at(Timestamp::simulated(day(on)), period);
        HalfYearReport::build(&snapshot, office(VILLAGES[0]), period, &targets).unwrap()
    });
    assert_eq!(moved(&quiet, &later), []);
    assert_eq!(
        quiet
            .indicator("reward_fulfilment")
            .unwrap()
            .value
            .as_deref(),
        Some("0.0")
    );
}

/// What a proposed record is made of.
type Seeds = (u8, u8, u16, u16, u8);

fn registration(kind: RegistrationKind, seeds: Seeds, on: NaiveDate, reported: NaiveDate) -> State {
    let (_, of, _, _, a) = seeds;
    let mut state = unsealed(AnyFields::Registration(RegistrationFields {
        kind: Some(kind),
        source: Some(source(a)),
        office: Some(office(VILLAGES[usize::from(of) % 2])),
        sex: Some(Sex::Female),
        marital_status: Some(MaritalStatus::Married),
        occurred_on: Some(on),
        reported_on: Some(reported),
        ..RegistrationFields::default()
    }));
    state.born_on = (a % 3 > 0).then(|| {
        day(if a % 2 == 0 {
            "1980-01-01"
        } else {
            "1930-01-01"
        })
    });
    state
}

const fn source(a: u8) -> Source {
    match a {
        0 => Source::Hospital,
        1 => Source::Finance,
        _ => Source::Village,
    }
}

fn money((_, of, _, delay, a): Seeds, on: NaiveDate, reported: NaiveDate) -> State {
    let flows = [
        Flow::Entitlement,
        Flow::Payment,
        Flow::Reversal,
        Flow::Appropriation,
    ];
    let flow = flows[usize::from(delay % 4)];
    let (scheme, by) = if flow == Flow::Appropriation {
        ("programme_funding", Source::Finance)
    } else {
        ("family_support", source(a))
    };
    unsealed(AnyFields::Disbursement(DisbursementFields {
        flow: Some(flow),
        source: Some(by),
        scheme: Some(Slug(scheme.to_owned())),
        period: Some(Period::Year(2014)),
        amount_fen: Some(Fen(i64::from(delay) * 100)),
        office: Some(office(VILLAGES[usize::from(of) % 2])),
        occurred_on: Some(on),
        reported_on: Some(reported),
        approved_by: None,
    }))
}

fn state(seeds: Seeds) -> State {
    let (kind, of, on, delay, a) = seeds;
    let start = day("2013-12-01");
    let on = start.checked_add_days(Days::new(u64::from(on))).unwrap();
    let reported = on.checked_add_days(Days::new(u64::from(delay))).unwrap();
    let own = office(VILLAGES[usize::from(of) % 2]);
    let by = Some(source(a));
    match kind {
        0 => registration(RegistrationKind::Resident, seeds, on, reported),
        1 => registration(RegistrationKind::Departure, seeds, on, reported),
        2 => registration(RegistrationKind::Marriage, seeds, on, reported),
        3 => unsealed(AnyFields::Activity(ActivityFields {
            kind: Some(Slug(
                ["leaflet", "preconception_checkup"][usize::from(a % 2)].to_owned(),
            )),
            source: by,
            office: Some(own),
            occurred_on: Some(on),
            reported_on: Some(reported),
            quantity: Some(i64::from(a)),
            eligible: Some(5),
        })),
        4 => unsealed(AnyFields::Return(ReturnFields {
            source: Some(Source::Village),
            office: Some(own),
            period: Some(Period::Month(2014, 1 + u32::from(a % 3))),
            indicator: Some(Slug("births".to_owned())),
            value: Some(Decimal((delay % 7).to_string())),
            submitted_on: Some(reported),
            ..ReturnFields::default()
        })),
        5 | 6 => money(seeds, on, reported),
        7 => {
            let mut state = unsealed(AnyFields::PregnancyLoss(PregnancyLossFields {
                month: Some(Period::parse(&on.format("%Y-%m").to_string()).unwrap()),
                township: Some(office(TOWNSHIP)),
                ..PregnancyLossFields::default()
            }));
            state.loss = Some(LossFacts {
                source: source(a),
                office: own,
                occurred_on: on,
                reported_on: reported,
                gestation: GestationBand::ALL[usize::from(a) % GestationBand::ALL.len()],
            });
            state
        }
        _ => {
            let (on, reported) = (on.to_string(), reported.to_string());
            let sex = if delay % 2 == 0 {
                Sex::Male
            } else {
                Sex::Female
            };
            birth(own.as_str(), source(a), sex, &on, &reported, 3000)
        }
    }
}

/// What may be proposed: a record, or a change of the record of that number.
#[derive(Debug, Clone, Copy)]
enum Proposed {
    Record(Seeds),
    Correct(usize, Seeds),
    Void(usize),
}

fn seeds() -> impl Strategy<Value = Seeds> {
    (0_u8..12, 0_u8..2, 0_u16..420, 0_u16..60, 0_u8..6)
}

fn proposed() -> impl Strategy<Value = Proposed> {
    prop_oneof![
        4 => seeds().prop_map(Proposed::Record),
        2 => (any::<usize>(), seeds()).prop_map(|(at, seeds)| Proposed::Correct(at, seeds)),
        1 => any::<usize>().prop_map(Proposed::Void),
    ]
}

impl Book {
    fn take(&mut self, proposed: Proposed) {
        let there: Vec<usize> = (0..self.current.len())
            .filter(|record| self.current[*record].is_some())
            .collect();
        let chosen = |at: usize| there.get(at % there.len().max(1)).copied();
        match proposed {
            Proposed::Record(seeds) => {
                self.record(state(seeds));
            }
            Proposed::Correct(at, (_, of, on, delay, a)) => {
                let Some(record) = chosen(at) else { return };
                let Some(before) = &self.current[record] else {
                    return;
                };
                // The kind of a record never changes.
                let like = |kind: u8| state((kind, of, on, delay, a));
                let of_kind = (0..12)
                    .map(like)
                    .find(|state| state.row.kind() == before.row.kind());
                self.put(record, Change::Corrected, of_kind);
            }
            Proposed::Void(at) => {
                if let Some(record) = chosen(at) {
                    self.put(record, Change::Voided, None);
                }
            }
        }
    }
}

/// Numbers of counts by name; what is not there is none.
fn numbers(counts: &Counts) -> BTreeMap<String, i128> {
    let mut flat = BTreeMap::new();
    flatten("", &serde_json::to_value(counts).unwrap(), &mut flat);
    flat.retain(|name, _| !name.starts_with("funding."));
    flat.into_iter()
        .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
        .collect()
}

fn change(
    before: &BTreeMap<String, i128>,
    after: &BTreeMap<String, i128>,
) -> BTreeMap<String, i128> {
    let mut change = after.clone();
    for (name, value) in before {
        *change.entry(name.clone()).or_default() -= value;
    }
    change.retain(|_, by| *by != 0);
    change
}

fn sums(moved: &[(Position, Vec<CountMoved>)]) -> BTreeMap<String, i128> {
    let mut sums: BTreeMap<String, i128> = BTreeMap::new();
    for one in moved.iter().flat_map(|(_, counts)| counts) {
        let number = |text: &str| text.parse::<i128>().unwrap_or_default();
        *sums.entry(one.count.clone()).or_default() += number(&one.after) - number(&one.before);
    }
    sums.retain(|name, by| *by != 0 && !name.starts_with("funding."));
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// The steps add up to the difference of two full counts; what differs has a cause; and the
    /// figures that moved are those of the two reports that differ, no more and no fewer.
    #[test]
    fn steps_add_up_to_the_difference_of_two_full_counts(
        base in prop::collection::vec(proposed(), 0..25),
        late in prop::collection::vec(proposed(), 0..25),
        of in 0_usize..3,
        when in 0_usize..4,
    ) {
        let of = [VILLAGES[0], VILLAGES[1], TOWNSHIP][of];
        let when = ["2014", "2014-H1", "2014-02", "2014S"][when];
        let mut book = Book::default();
        for one in base {
            book.take(one);
        }
        let start = book.snapshot();
        let pinned = Pinned { from: book.entries, ..pinned(of, when) };
        for one in late {
            book.take(one);
        }
        let end = book.snapshot();

        let targets = Targets::default();
        let count = |snapshot: &Snapshot| Counts::of(snapshot, pinned.office, pinned.period, &targets);
        let (was, is) = (count(&start), count(&end));
        let steps = judge(&book, &start, &pinned);
        prop_assert_eq!(sums(&steps), change(&numbers(&was), &numbers(&is)));
        let differs = !counts_moved(&was, &is).unwrap().is_empty();
        prop_assert!(!differs || !steps.is_empty());

        let report = |snapshot: &Snapshot| {
            HalfYearReport::build(snapshot, pinned.office, pinned.period, &targets).unwrap()
        };
        let (before, after) = (report(&start), report(&end));
        let figures = moved(&before, &after);
        for figure in before.figures.iter().chain(&before.activities) {
            let now = after.figure(&figure.id).map(|figure| figure.value);
            let found = figures.iter().find(|one| one.id == figure.id);
            prop_assert_eq!(found.is_some(), now != Some(figure.value), "{}", &figure.id);
            if let (Some(found), Some(now)) = (found, now) {
                prop_assert_eq!(found.before.clone(), Some(figure.value.to_string()));
                prop_assert_eq!(found.after.clone(), Some(now.to_string()));
                prop_assert_eq!(found.difference.clone(), Some((now - figure.value).to_string()));
            }
        }
        prop_assert!(figures.is_empty() || !steps.is_empty());
    }
}
