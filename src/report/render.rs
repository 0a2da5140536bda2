//! Writing a report in a format and a language.
//!
//! What comes in: a report. What goes out: text for a terminal, Markdown, a page of HTML that
//! needs nothing else, or JSON. What may fail: a template. What must stay true: all formats show
//! the same numbers, taken from one [`View`]; whatever an office typed is escaped for the format
//! and cannot steer a terminal.

mod plain;

use std::fmt::{self, Write};

use askama::Template;

use super::ReportError;
use super::half_year::{Figure, HalfYearReport};
use crate::indicators::Indicator;
use crate::indicators::targets::{Target, Verdict};
use crate::locale::columns::is_steering;
use crate::locale::{Language, date_text, level_text, text};
use crate::statistics::rational::Rational;

/// A format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Aligned for a terminal.
    Text,
    /// Markdown with tables (`CommonMark` with the table extension).
    Markdown,
    /// One page without outside resources, fit for printing.
    Html,
    /// The structure itself, with stable keys and both languages.
    Json,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Text, Self::Markdown, Self::Html, Self::Json];

    /// The word on the command line, which is also the usual end of a file's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Json => "json",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == word)
    }
}

/// Writes the report.
pub(super) fn render(
    report: &HalfYearReport,
    format: Format,
    language: Language,
) -> Result<String, ReportError> {
    if format == Format::Json {
        return Ok(serde_json::to_string_pretty(report)? + "\n");
    }
    let view = View::of(report, language);
    let written = match format {
        Format::Markdown => MarkdownPage { view }.render()?,
        Format::Html => HtmlPage { view }.render()?,
        Format::Text | Format::Json => plain::page(&view),
    };
    Ok(harmless_page(&written))
}

/// A page without characters that steer a terminal, which ends in one line break.
pub(super) fn harmless_page(written: &str) -> String {
    let mut harmless = written.replace(|c| c != '\n' && is_steering(c), "\u{fffd}");
    harmless.truncate(harmless.trim_end().len());
    harmless.push('\n');
    harmless
}

#[derive(Template)]
#[template(path = "half_year.md", config = "src/report/askama.toml")]
struct MarkdownPage {
    view: View,
}

#[derive(Template)]
#[template(path = "half_year.html", config = "src/report/askama.toml")]
struct HtmlPage {
    view: View,
}

/// Escapes text that stands in Markdown, also inside a cell of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MarkdownText;

impl askama::filters::Escaper for MarkdownText {
    fn write_escaped_str<W: Write>(&self, mut dest: W, string: &str) -> fmt::Result {
        for c in string.chars() {
            match c {
                '<' => dest.write_str("&lt;")?,
                '>' => dest.write_str("&gt;")?,
                '&' => dest.write_str("&amp;")?,
                '\n' | '\r' => dest.write_char(' ')?,
                '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' => {
                    dest.write_char('\\')?;
                    dest.write_char(c)?;
                }
                _ => dest.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A label and a value.
struct Row {
    label: String,
    value: String,
    remark: String,
}

/// Births of one month, with the heights of its two bars.
struct MonthRow {
    month: String,
    register: String,
    returned: String,
    /// Left edge of the pair of bars.
    x: u32,
    register_height: u32,
    returned_height: u32,
}

/// One indicator as it is shown.
pub(super) struct TargetRow {
    pub(super) title: String,
    pub(super) definition: String,
    pub(super) value: String,
    pub(super) basis: String,
    pub(super) interval: String,
    pub(super) target: String,
    pub(super) verdict: String,
    verdict_id: &'static str,
    pub(super) reason: String,
    bar: Option<Bar>,
}

/// A drawing of a value beside its target, in units of which the target's limit is [`TARGET_X`].
struct Bar {
    value: u32,
    from: u32,
    to: u32,
}

impl Bar {
    fn band(&self) -> u32 {
        (self.to - self.from).max(2)
    }
}

/// Where the limit of a target stands in its drawing.
const TARGET_X: i128 = 100;
/// Where drawings of targets end.
const BAR_END: u32 = 160;
/// Height of the tallest bar of a month.
const MONTH_HEIGHT: i128 = 80;
/// Width of the place of one month.
const MONTH_WIDTH: u32 = 56;

/// Everything that a format shows, in one language.
struct View {
    language: Language,
    title: String,
    warning: String,
    head: Vec<Row>,
    figures: Vec<Row>,
    activities: Vec<Row>,
    months: Vec<MonthRow>,
    targets: Vec<TargetRow>,
    notes: Vec<String>,
}

impl View {
    fn of(report: &HalfYearReport, language: Language) -> Self {
        let office = one_line(report.office.name.get(language));
        let period = report.period.to_string();
        let title = [("office", office.as_str()), ("period", period.as_str())];
        let warning = report.simulated_clock_note.as_ref();
        let warning = warning.map_or_else(String::new, |note| note.get(language).to_owned());
        let rows = |figures: &[Figure]| figures.iter().map(|f| figure_row(f, language)).collect();
        Self {
            language,
            title: text(language, "report-title", &title),
            warning,
            head: head(report, language),
            figures: rows(&report.figures),
            activities: rows(&report.activities),
            months: months(report),
            targets: report
                .indicators
                .iter()
                .map(|indicator| target_row(indicator, language))
                .collect(),
            notes: report
                .notes
                .iter()
                .map(|note| note.text.get(language).to_owned())
                .collect(),
        }
    }

    /// A fixed text.
    fn t(&self, key: &str) -> String {
        text(self.language, key, &[])
    }

    /// The verdict with its reason, in one cell.
    fn judgement(&self, row: &TargetRow) -> String {
        match (row.verdict.as_str(), row.reason.as_str()) {
            (only, "") | ("", only) => only.to_owned(),
            (verdict, reason) => text(
                self.language,
                "judgement",
                &[("verdict", verdict), ("reason", reason)],
            ),
        }
    }

    fn tag(&self) -> &'static str {
        self.language.tag()
    }

    fn months_width(&self) -> u32 {
        u32::try_from(self.months.len()).unwrap_or(u32::MAX / MONTH_WIDTH) * MONTH_WIDTH
    }
}

fn one_line(typed: &str) -> String {
    typed.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn head(report: &HalfYearReport, language: Language) -> Vec<Row> {
    let t = |key: &str, args: &[(&'static str, &str)]| text(language, key, args);
    let days = [
        ("from", date_text(language, report.first_day)),
        ("to", date_text(language, report.last_day)),
    ];
    let position = report.position.map_or_else(
        || t("no-entry", &[]),
        |position| {
            let position = position.to_string();
            let at = report.recorded_at.to_string();
            t("as-of-value", &[("position", &position), ("at", &at)])
        },
    );
    let below = report.office.offices_below.to_string();
    let level = level_text(language, report.office.level);
    let office = [
        ("name", one_line(report.office.name.get(language))),
        ("code", report.office.code.to_string()),
    ];
    let office = t(
        "office-value",
        &[
            (office[0].0, &office[0].1),
            (office[1].0, &office[1].1),
            ("level", level),
            ("below", &below),
        ],
    );
    let period = t(
        "period-value",
        &[
            ("period", &report.period.to_string()),
            (days[0].0, &days[0].1),
            (days[1].0, &days[1].1),
        ],
    );
    let row = |key, value| Row {
        label: t(key, &[]),
        value,
        remark: String::new(),
    };
    vec![
        row("head-office", office),
        row("head-period", period),
        row("head-as-of", position),
        row("head-origin", one_line(&report.origin)),
    ]
}

fn figure_row(figure: &Figure, language: Language) -> Row {
    let remark = figure.remark.as_ref().map(|remark| remark.get(language));
    Row {
        label: one_line(figure.title.get(language)),
        value: Rational::whole(figure.value).to_text(0),
        remark: remark.unwrap_or_default().to_owned(),
    }
}

fn months(report: &HalfYearReport) -> Vec<MonthRow> {
    let months = &report.births_by_month;
    let highest = months
        .iter()
        .map(|month| i128::from(month.register).max(month.returned.unwrap_or(0)))
        .max()
        .unwrap_or(0);
    let height = |births: i128| {
        let scale = Rational::new(MONTH_HEIGHT, highest.max(1));
        scale.map_or(0, |scale| {
            pixels(Rational::whole(births).times(scale), u32::MAX)
        })
    };
    months
        .iter()
        .zip(0..)
        .map(|(month, i): (_, u32)| MonthRow {
            month: month.month.to_string(),
            register: Rational::whole(i128::from(month.register)).to_text(0),
            returned: month
                .returned
                .map_or_else(String::new, |births| Rational::whole(births).to_text(0)),
            x: i * MONTH_WIDTH,
            register_height: height(i128::from(month.register)),
            returned_height: height(month.returned.unwrap_or(0)),
        })
        .collect()
}

/// Whole units of a drawing, from 0 to `end`.
fn pixels(length: Option<Rational>, end: u32) -> u32 {
    let length = length.filter(|l| *l > Rational::whole(0));
    length.map_or(0, |l| l.to_decimal(0).parse().unwrap_or(end).min(end))
}

pub(super) fn target_row(indicator: &Indicator, language: Language) -> TargetRow {
    let t = |key: &str, args: &[(&'static str, &str)]| text(language, key, args);
    let definition = indicator.definition_of();
    let decimals = indicator.decimals();
    let (title, unit) = (indicator.title.get(language), t(indicator.unit.key(), &[]));
    let value = match (&indicator.quoted, indicator.exact) {
        (Some(quoted), _) => one_line(quoted),
        (None, Some(exact)) => exact.to_text(decimals),
        (None, None) => String::new(),
    };
    let basis = indicator.numerator.map(|n| (n, indicator.denominator));
    let interval = indicator.interval.as_ref().map(|limits| {
        let open = t("no-limit", &[]);
        let high = limits.high.as_ref().unwrap_or(&open);
        t("range", &[("from", &limits.low), ("to", high)])
    });
    let (verdict_id, verdict) = match indicator.verdict {
        Some(verdict) => (
            verdict.as_str(),
            t(&format!("verdict-{}", verdict.as_str()), &[]),
        ),
        None => ("none", String::new()),
    };
    let reason = match &indicator.reason {
        Some(reason) => reason.text.get(language).to_owned(),
        None if indicator.within_chance => t("within-chance", &[]),
        None => String::new(),
    };
    let least = definition.map_or(0, |d| d.target_decimals);
    TargetRow {
        title: t("title-with-unit", &[("title", title), ("unit", &unit)]),
        definition: indicator.definition.get(language).to_owned(),
        value,
        basis: basis.map_or_else(String::new, |(n, d)| {
            // Only money has fractions above the line.
            let least = if n.denominator() == 1 { 0 } else { 2 };
            let below = d.map_or_else(|| "-".to_owned(), |d| shortest(d, 0));
            format!("{} / {below}", shortest(n, least))
        }),
        interval: interval.unwrap_or_default(),
        target: indicator
            .target
            .map_or_else(String::new, |target| target_text(target, least, language)),
        verdict,
        verdict_id,
        reason,
        bar: bar(indicator),
    }
}

fn target_text(target: Target, least_decimals: u32, language: Language) -> String {
    let number = |limit| shortest(limit, least_decimals);
    match target {
        Target::AtMost { limit } => text(language, "at-most", &[("limit", &number(limit))]),
        Target::AtLeast { limit } => text(language, "at-least", &[("limit", &number(limit))]),
        Target::Between { from, to } => text(
            language,
            "range",
            &[("from", &number(from)), ("to", &number(to))],
        ),
    }
}

/// With as few decimals as say it exactly, from `least` to 4.
fn shortest(number: Rational, least: u32) -> String {
    let exact = |decimals: &u32| 10_i128.pow(*decimals) % number.denominator() == 0;
    let decimals = (least..4).find(exact).unwrap_or(least.max(4));
    number.to_text(decimals)
}

/// A drawing only where a value is held against a target.
fn bar(indicator: &Indicator) -> Option<Bar> {
    let judged = indicator.verdict != Some(Verdict::InsufficientData);
    let (value, target) = (indicator.exact.filter(|_| judged)?, indicator.target?);
    let (from, limit) = match target {
        Target::AtMost { limit } | Target::AtLeast { limit } => (limit, limit),
        Target::Between { from, to } => (from, to),
    };
    let scale = Rational::whole(TARGET_X).over(limit)?;
    let x = |length: Rational| pixels(length.times(scale), BAR_END);
    Some(Bar {
        value: x(value),
        from: x(from),
        to: x(limit),
    })
}
