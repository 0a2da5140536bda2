//! Playbacks and tallies against full counts, and the texts.

mod rules;
mod stories;

use proptest::prelude::*;

use self::stories::{Event, Story, event};
use super::difference::{years_counted, years_touched};
use super::movement::Movement;
use super::numbers::{Numbers, counted};
use super::playback::Playback;
use super::tally::Tally;
use super::text::{Course, Frame, frame};
use crate::history::steps::ReplayStep;
use crate::indicators::counts::Counts;
use crate::indicators::targets::Targets;
use crate::locale::{Bilingual, Language, known_text};
use crate::model::id::OfficeCode;
use crate::model::period::Period;

fn office(code: &str) -> OfficeCode {
    OfficeCode::parse(code).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens, in steps of whatever length: what is current is what the rows say, and
    /// what is counted step by step is what is counted in full.
    #[test]
    fn steps_count_what_a_full_count_counts(
        events in proptest::collection::vec(event(), 1..120),
        lengths in proptest::collection::vec(1_usize..20, 1..30),
        top in proptest::sample::select(vec!["990101000000", "990101100000", "990101100001"]),
        period in proptest::sample::select(vec!["2014", "2014-H1", "2014-02", "2014S"]),
    ) {
        let (office, period) = (office(top), Period::parse(period).unwrap());
        let targets = Targets::default();
        let mut story = Story::new();
        let mut playback = Playback::of(story.snapshot());
        let mut tally = Tally::of(&playback, office, period, &targets);
        let mut events: &[Event] = &events;
        for length in lengths.into_iter().cycle() {
            let (step, rest) = events.split_at(length.min(events.len()));
            events = rest;
            let advance = story.tell(step);
            let mut changed = playback.advance(advance, &story.sealed);
            tally.follow(&mut playback, &mut changed);
            let full = story.snapshot();
            let mut current = playback.snapshot().rows.clone();
            current.retain(|_, rows| !rows.is_empty());
            prop_assert_eq!(&current, &full.rows);
            prop_assert_eq!(&playback.snapshot().born_on, &full.born_on);
            prop_assert_eq!(&playback.snapshot().losses, &full.losses);
            prop_assert_eq!(&playback.snapshot().offices, &full.offices);
            let counted = Counts::of(&full, office, period, &targets);
            prop_assert_eq!(format!("{:?}", tally.counts()), format!("{counted:?}"));
            if events.is_empty() {
                break;
            }
        }
    }

    /// The difference of every number is that of two full counts.
    #[test]
    fn what_moved_is_the_difference_of_two_full_counts(
        before in proptest::collection::vec(event(), 0..80),
        after in proptest::collection::vec(event(), 0..80),
    ) {
        let (office, period) = (office("990101000000"), Period::Year(2014));
        let targets = Targets::default();
        let mut story = Story::new();
        let numbers = |story: &Story| {
            let counts = Counts::of(&story.snapshot(), office, period, &targets);
            Numbers::of(&counts, &targets).unwrap()
        };
        story.tell(&before);
        let earlier = numbers(&story);
        story.tell(&after);
        let later = numbers(&story);
        let name = Bilingual { en: String::new(), zh: String::new() };
        let moved = Movement::between(office, name, period, &earlier, later.clone());
        for figure in moved.figures.iter().chain(&moved.activities) {
            let of = |numbers: &Numbers| {
                let mut all = numbers.figures.iter().chain(&numbers.activities);
                all.find(|other| other.id == figure.id).map_or(0, counted)
            };
            prop_assert_eq!(figure.before, of(&earlier));
            prop_assert_eq!(figure.after, of(&later));
            prop_assert_eq!(figure.difference, of(&later) - of(&earlier));
        }
        for indicator in &moved.indicators {
            if let (Some(before), Some(after), Some(difference)) = (
                indicator.before.exact, indicator.after.exact, indicator.exact_difference,
            ) {
                // before + difference = after, exactly.
                let (n, d) = (before.numerator(), before.denominator());
                let (m, e) = (difference.numerator(), difference.denominator());
                let sum = crate::statistics::rational::Rational::new(n * e + m * d, d * e);
                prop_assert_eq!(sum, Some(after));
            } else {
                prop_assert!(indicator.difference.is_none());
            }
        }
    }

    /// No line of a picture is wider than the window, and no picture higher.
    #[test]
    fn a_picture_fits_its_window(
        events in proptest::collection::vec(event(), 1..60),
        width in 1_usize..160,
        height in 9_usize..60,
        chinese in any::<bool>(),
    ) {
        let language = if chinese { Language::Zh } else { Language::En };
        let step = step_of(&events);
        let mut course = Course::default();
        course.push(&step.numbers);
        let name = Bilingual { en: "Sample\u{1b}[2J County".to_owned(), zh: "示范县".to_owned() };
        let picture = Frame {
            step: &step,
            before: Some(&step.numbers),
            name: &name,
            stretch: (0, 1000),
            window: (width, height),
        };
        let lines = frame(&picture, &course, language);
        prop_assert!(lines.len() < height, "{} lines in {height}", lines.len());
        for line in lines {
            let line: String = line.into_iter().map(|(word, _)| word).collect();
            prop_assert!(unicode_width::UnicodeWidthStr::width(line.as_str()) <= width, "{line}");
            prop_assert!(!line.contains(char::is_control), "{line:?}");
        }
    }
}

fn step_of(events: &[Event]) -> ReplayStep {
    let mut story = Story::new();
    story.tell(events);
    let (office, period) = (office("990101000000"), Period::Year(2014));
    let targets = Targets::default();
    let snapshot = story.snapshot();
    let counts = Counts::of(&snapshot, office, period, &targets);
    ReplayStep {
        step: 1,
        position: snapshot.size - 1,
        recorded_at: snapshot.recorded_at,
        entries: events.len() as u64,
        entries_by_type: [("birth".to_owned(), 3), ("return".to_owned(), 2)].into(),
        office,
        period,
        simulated_clock: true,
        numbers: Numbers::of(&counts, &targets).unwrap(),
    }
}

#[test]
fn both_languages_have_the_same_keys() {
    const EN: &str = include_str!("../locale/texts/en/history.ftl");
    const ZH: &str = include_str!("../locale/texts/zh/history.ftl");
    let keys = |file: &'static str| -> Vec<(&str, Vec<&str>)> {
        let lines = file.lines().filter_map(|line| line.split_once(" = "));
        let args = |text: &'static str| {
            let args = text.split("{ $").skip(1);
            let mut args: Vec<_> = args.filter_map(|rest| rest.split(' ').next()).collect();
            args.sort_unstable();
            args
        };
        lines.map(|(key, text)| (key, args(text))).collect()
    };
    assert_eq!(keys(EN), keys(ZH));
    for (key, names) in keys(EN) {
        let args: Vec<(&'static str, &str)> = names.into_iter().map(|name| (name, "7")).collect();
        for language in Language::ALL {
            let text = known_text(language, key, &args).unwrap();
            assert!(!text.contains(['{', '$']), "{key}");
        }
    }
}

#[test]
fn years_are_those_that_a_row_is_counted_in() {
    let mut story = Story::new();
    let years = |story: &Story| {
        let snapshot = story.snapshot();
        let mut rows = snapshot.rows.into_values().flatten();
        years_touched(&rows.next().unwrap())
    };
    story.put(stories::resident("1987-03-02", "2014-01-05"));
    // A stock: it counts from its report on, not from when somebody moved in.
    assert_eq!(years(&story), [2014].into());
    let mut story = Story::new();
    story.put(stories::birth("2013-12-30", "2014-01-05"));
    assert_eq!(years(&story), [2013].into());
    let mut story = Story::new();
    story.put(stories::line("2013-12", "births", "3"));
    assert_eq!(years(&story), [2013].into());
}

#[test]
fn the_latest_years_are_counted() {
    let years = (1990..2014).chain([9999]).collect();
    let (periods, left_out) = years_counted(&years);
    assert_eq!(left_out, 13);
    // No period is of the year 9999: a slip of the pen.
    assert_eq!(periods.first(), Some(&Period::Year(2003)));
    assert_eq!(periods.last(), Some(&Period::Year(2013)));
}
