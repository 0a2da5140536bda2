//! One picture of a replay: the moment, how far it is, and the numbers with their course.
//!
//! The picture is lines of words with what each word means; how meaning looks (colours, or
//! nothing) is for whoever draws it.

use std::collections::{BTreeMap, VecDeque};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{signed, signed_decimal, whole};
use crate::history::numbers::{Numbers, counted};
use crate::history::steps::ReplayStep;
use crate::indicators::Indicator;
use crate::indicators::targets::{Target, Verdict};
use crate::locale::columns::{Side, harmless, pad};
use crate::locale::{Bilingual, Language, date_text, text};
use crate::report::half_year::Figure;
use crate::statistics::rational::Rational;

/// Steps that a course shows.
const COURSE: usize = 24;
/// Columns from which on there is room for courses and targets.
const WIDE: usize = 76;
/// Lines around the numbers.
const FRAME_LINES: usize = 8;
/// Columns of the bar that shows how far it is.
const BAR: usize = 40;
/// Bars of rising height.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Index of the tallest bar.
const TALLEST: f64 = 7.0;

/// What a word means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing in particular.
    Plain,
    /// What the picture is about.
    Main,
    /// What is beside it.
    Aside,
    /// More than at the step before.
    Up,
    /// Less than at the step before.
    Down,
    /// A target that is met.
    Met,
    /// A target that is not met.
    NotMet,
}

/// A line: words with what they mean.
pub type Line = Vec<(String, Meaning)>;

/// The latest values of every number that has any.
#[derive(Debug, Clone, Default)]
pub struct Course {
    values: BTreeMap<String, VecDeque<f64>>,
}

impl Course {
    /// Takes the values of a step.
    pub fn push(&mut self, numbers: &Numbers) {
        let all = numbers.figures.iter().chain(&numbers.activities);
        let figures = all.map(|f| (f.id.as_str(), Rational::whole(counted(f))));
        let indicators = numbers.indicators.iter();
        let indicators = indicators.filter_map(|i| Some((i.id, shown(i)?)));
        for (id, value) in figures.chain(indicators) {
            let values = self.values.entry(id.to_owned()).or_default();
            if values.len() == COURSE {
                values.pop_front();
            }
            values.push_back(value.approximate());
        }
    }

    /// Whether a number was ever other than zero.
    fn lives(&self, id: &str) -> bool {
        let values = self.values.get(id).into_iter().flatten();
        values.into_iter().any(|value| *value != 0.0)
    }

    /// As bars from the least to the greatest of them.
    fn bars(&self, id: &str) -> String {
        let Some(values) = self.values.get(id) else {
            return String::new();
        };
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let bar = |value: &f64| {
            if most <= least {
                return HEIGHTS[0];
            }
            let height = (value - least) / (most - least) * TALLEST;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "from 0 to 7"
            )]
            let height = height.round() as usize;
            HEIGHTS[height.min(HEIGHTS.len() - 1)]
        };
        values.iter().map(bar).collect()
    }
}

/// The value of an indicator, where the report shows one.
fn shown(indicator: &Indicator) -> Option<Rational> {
    indicator.exact.filter(|_| indicator.reason.is_none())
}

/// What a picture is of.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The step.
    pub step: &'a ReplayStep,
    /// The numbers of the step before, when they are of the same period.
    pub before: Option<&'a Numbers>,
    /// The name of the office.
    pub name: &'a Bilingual,
    /// Numbers of entries at which the replay begins and ends.
    pub stretch: (u64, u64),
    /// Columns and lines of the terminal.
    pub window: (usize, usize),
}

/// One row of the numbers.
struct Row {
    title: String,
    now: String,
    change: String,
    course: String,
    target: Option<(String, Meaning)>,
}

/// The picture of a step; no line is wider than the window, and it is not higher.
#[must_use]
pub fn frame(frame: &Frame<'_>, course: &Course, language: Language) -> Vec<Line> {
    let step = frame.step;
    let (width, height) = frame.window;
    let mut lines = head(frame, language);
    let numbers = &step.numbers;
    let figures: Vec<Row> = numbers
        .figures
        .iter()
        .filter(|figure| course.lives(&figure.id))
        .map(|figure| figure_row(figure, frame.before, course, language))
        .collect();
    let indicators: Vec<Row> = numbers
        .indicators
        .iter()
        .filter(|indicator| shown(indicator).is_some() || indicator.quoted.is_some())
        .map(|indicator| indicator_row(indicator, frame.before, course, language))
        .collect();
    let activities: Vec<Row> = numbers
        .activities
        .iter()
        .filter(|figure| course.lives(&figure.id))
        .map(|figure| figure_row(figure, frame.before, course, language))
        .collect();
    let room = height.saturating_sub(FRAME_LINES);
    let all = figures.len() + indicators.len() + activities.len();
    // Where not all fit, the activities stand back first.
    let mut rows: Vec<Row> = figures.into_iter().chain(indicators).collect();
    rows.truncate(room);
    rows.extend(activities.into_iter().take(room.saturating_sub(rows.len())));
    let hidden = all - rows.len();
    lines.extend(numbers_lines(rows, width >= WIDE, language));
    if hidden > 0 {
        let rows = hidden.to_string();
        let more = text(language, "history-more-rows", &[("rows", &rows)]);
        lines.push(vec![(more, Meaning::Aside)]);
    }
    lines.into_iter().map(|line| cut(line, width)).collect()
}

/// What it is, when it is, how far it is, and what came in.
fn head(frame: &Frame<'_>, language: Language) -> Vec<Line> {
    let step = frame.step;
    let title = format!(
        "{} ({})  {}",
        harmless(frame.name.get(language)),
        step.office,
        step.period
    );
    let mut first = vec![(title, Meaning::Main)];
    if step.simulated_clock {
        let clock = text(language, "history-clock", &[]);
        first.push((format!("  [{clock}]"), Meaning::Aside));
    }
    let (from, to) = frame.stretch;
    let done = (step.position + 1).saturating_sub(from);
    let all = (to - from).max(1);
    let filled = usize::try_from(done * BAR as u64 / all)
        .unwrap_or(BAR)
        .min(BAR);
    let bar = format!("{}{}", "█".repeat(filled), "░".repeat(BAR - filled));
    let number = step.step.to_string();
    let date = date_text(language, step.recorded_at.date());
    let position = whole(i128::from(step.position));
    let args = [("date", date.as_str()), ("position", position.as_str())];
    let types: Vec<String> = step
        .entries_by_type
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    let types = harmless(&types.join(", "));
    let entries = whole(i128::from(step.entries));
    let came = [("entries", entries.as_str()), ("types", types.as_str())];
    vec![
        first,
        vec![(text(language, "history-as-of", &args), Meaning::Main)],
        vec![
            (bar, Meaning::Plain),
            (format!(" {:>3}%  ", done * 100 / all), Meaning::Plain),
            (
                text(language, "history-step", &[("step", &number)]),
                Meaning::Aside,
            ),
        ],
        vec![(
            text(language, "history-step-entries", &came),
            Meaning::Aside,
        )],
        Vec::new(),
    ]
}

fn figure_row(
    figure: &Figure,
    before: Option<&Numbers>,
    course: &Course,
    language: Language,
) -> Row {
    let earlier = before.and_then(|numbers| {
        let mut all = numbers.figures.iter().chain(&numbers.activities);
        all.find(|other| other.id == figure.id)
    });
    Row {
        title: harmless(figure.title.get(language)),
        now: whole(counted(figure)),
        change: earlier.map_or_else(String::new, |other| {
            signed(counted(figure) - counted(other))
        }),
        course: course.bars(&figure.id),
        target: None,
    }
}

fn indicator_row(
    indicator: &Indicator,
    before: Option<&Numbers>,
    course: &Course,
    language: Language,
) -> Row {
    let unit = text(language, indicator.unit.key(), &[]);
    let title = text(
        language,
        "title-with-unit",
        &[("title", indicator.title.get(language)), ("unit", &unit)],
    );
    let earlier = before
        .and_then(|numbers| numbers.indicators.iter().find(|i| i.id == indicator.id))
        .and_then(shown);
    let decimals = indicator.definition_of().map_or(2, |d| d.decimals);
    let change = shown(indicator)
        .zip(earlier)
        .and_then(|(now, earlier)| now.minus(earlier))
        .map(|difference| signed_decimal(&difference.to_decimal(decimals)));
    let value = indicator.quoted.as_ref().or(indicator.value.as_ref());
    Row {
        title,
        now: value.map(|value| harmless(value)).unwrap_or_default(),
        change: change.unwrap_or_default(),
        course: course.bars(indicator.id),
        target: target(indicator, language),
    }
}

/// The target and the verdict, of what is judged at all.
fn target(indicator: &Indicator, language: Language) -> Option<(String, Meaning)> {
    let verdict = indicator.verdict?;
    let meaning = match verdict {
        Verdict::Met => Meaning::Met,
        Verdict::NotMet => Meaning::NotMet,
        Verdict::InsufficientData => return None,
    };
    let places = indicator.definition_of().map_or(0, |d| d.target_decimals);
    let number = |limit: Rational| {
        let exact = limit.to_decimal(places);
        let same = Rational::of_decimal(&exact) == Some(limit);
        if same {
            exact
        } else {
            limit.to_decimal(places + 2)
        }
    };
    let target = match indicator.target? {
        Target::AtMost { limit } => text(language, "at-most", &[("limit", &number(limit))]),
        Target::AtLeast { limit } => text(language, "at-least", &[("limit", &number(limit))]),
        Target::Between { from, to } => text(
            language,
            "range",
            &[("from", &number(from)), ("to", &number(to))],
        ),
    };
    let verdict = text(language, &format!("verdict-{}", verdict.as_str()), &[]);
    Some((format!("{target}: {verdict}"), meaning))
}

/// The rows under their heading, in columns.
fn numbers_lines(rows: Vec<Row>, wide: bool, language: Language) -> Vec<Line> {
    let heading = ["figure", "now", "since", "course", "target"]
        .map(|name| text(language, &format!("history-column-{name}"), &[]));
    let width = |of: fn(&Row) -> &str, heading: &str| {
        let widths = rows.iter().map(|row| of(row).width());
        widths.chain([heading.width()]).max().unwrap_or(0)
    };
    let title = width(|row| &row.title, &heading[0]);
    let now = width(|row| &row.now, &heading[1]).max(7);
    let change = width(|row| &row.change, &heading[2]).max(6);
    let [first, second, third, fourth, fifth] = &heading;
    let mut top = format!(
        "{}  {}  {}",
        pad(first, title, Side::Left),
        pad(second, now, Side::Right),
        pad(third, change, Side::Right)
    );
    if wide {
        top = format!("{top}  {}  {fifth}", pad(fourth, COURSE, Side::Right));
    }
    let mut lines = vec![vec![(top, Meaning::Aside)]];
    for row in rows {
        let meaning = match row.change.chars().next() {
            Some('+') => Meaning::Up,
            Some(_) => Meaning::Down,
            None => Meaning::Plain,
        };
        let mut line = vec![
            (pad(&row.title, title, Side::Left), Meaning::Plain),
            (
                format!("  {}", pad(&row.now, now, Side::Right)),
                Meaning::Main,
            ),
            (
                format!("  {}", pad(&row.change, change, Side::Right)),
                meaning,
            ),
        ];
        if wide {
            line.push((
                format!("  {}", pad(&row.course, COURSE, Side::Right)),
                Meaning::Aside,
            ));
            line.extend(row.target.map(|(text, met)| (format!("  {text}"), met)));
        }
        lines.push(line);
    }
    lines
}

/// Cuts what does not fit into the width.
fn cut(line: Line, width: usize) -> Line {
    let mut left = width;
    let mut kept = Vec::with_capacity(line.len());
    for (word, meaning) in line {
        let mut fits = String::new();
        for c in word.chars() {
            let columns = c.width().unwrap_or(0);
            if columns > left {
                left = 0;
                break;
            }
            left -= columns;
            fits.push(c);
        }
        kept.push((fits, meaning));
    }
    kept
}
