//! Writing a report in a format and a language.
//!
//! What comes in: a sheet. What goes out: text for a terminal, Markdown, a page of HTML that
//! needs nothing else, or JSON. What may fail: a template. What must stay true: all formats show
//! the same numbers, taken from one [`View`]; whatever an office typed is escaped for the format
//! and cannot steer a terminal.

mod plain;

use std::fmt::{self, Write};

use askama::Template;

use super::ReportError;
use super::chart;
use super::heading::{Head, one_line};
use super::sheet::{Sheet, ShownFigure, ShownMonth, WITHHELD};
use crate::indicators::Indicator;
use crate::indicators::targets::{Target, Verdict};
use crate::locale::columns::is_steering;
use crate::locale::{Language, text};
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

/// Writes a sheet.
pub(super) fn render(
    sheet: &Sheet,
    format: Format,
    language: Language,
) -> Result<String, ReportError> {
    let view = || View::of(sheet, language);
    let written = match format {
        Format::Json => return Ok(serde_json::to_string_pretty(sheet)? + "\n"),
        Format::Markdown => MarkdownPage { view: view() }.render()?,
        Format::Html => HtmlPage { view: view() }.render()?,
        Format::Text => plain::page(&view()),
    };
    Ok(harmless_page(&written))
}

/// A page that steers no terminal and ends in one line break.
pub(super) fn harmless_page(written: &str) -> String {
    let mut page = harmless(written);
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// Text that steers no terminal and no direction of writing.
pub(super) fn harmless(text: &str) -> String {
    text.replace(|c| c != '\n' && is_steering(c), "\u{fffd}")
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
pub(super) struct Row {
    pub(super) label: String,
    pub(super) value: String,
    remark: String,
}

/// Births of one month.
struct MonthRow {
    month: String,
    register: String,
    returned: String,
    limits: String,
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
    /// The drawing of the value beside its target; empty where there is none.
    pub(super) bar: String,
}

impl TargetRow {
    /// The verdict with its reason, in one cell.
    pub(super) fn judgement(&self, language: Language) -> String {
        match (self.verdict.as_str(), self.reason.as_str()) {
            (only, "") | ("", only) => only.to_owned(),
            (verdict, reason) => text(
                language,
                "judgement",
                &[("verdict", verdict), ("reason", reason)],
            ),
        }
    }
}

/// Everything that a format shows, in one language.
struct View {
    language: Language,
    title: String,
    warning: String,
    head: Vec<Row>,
    figures: Vec<Row>,
    activities: Vec<Row>,
    months: Vec<MonthRow>,
    /// The drawing of the months.
    months_chart: String,
    targets: Vec<TargetRow>,
    notes: Vec<String>,
}

impl View {
    fn of(sheet: &Sheet, language: Language) -> Self {
        let head = &sheet.head;
        let rows = |figures: &[ShownFigure]| {
            let rows = figures.iter().map(|figure| figure_row(figure, language));
            rows.collect()
        };
        let months: Vec<_> = sheet
            .births_by_month
            .iter()
            .map(|month| month_row(month, language))
            .collect();
        Self {
            language,
            title: head.title("report-title", language),
            warning: head.warning(language),
            head: head_rows(head, language),
            figures: rows(&sheet.figures),
            activities: rows(&sheet.activities),
            months_chart: months_chart(&sheet.births_by_month, &months, language),
            months,
            targets: sheet
                .indicators
                .iter()
                .map(|indicator| target_row(indicator, language))
                .collect(),
            notes: sheet
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
        row.judgement(self.language)
    }

    fn tag(&self) -> &'static str {
        self.language.tag()
    }
}

/// What the report is about, a line each.
pub(super) fn head_rows(head: &Head, language: Language) -> Vec<Row> {
    let row = |(label, value)| Row {
        label,
        value,
        remark: String::new(),
    };
    head.lines(language).into_iter().map(row).collect()
}

fn figure_row(figure: &ShownFigure, language: Language) -> Row {
    let remark = figure.remark.as_ref().map(|remark| remark.get(language));
    Row {
        label: one_line(figure.title.get(language)),
        value: count_text(figure.value),
        remark: remark.unwrap_or_default().to_owned(),
    }
}

/// A count, or the mark of one that is withheld.
pub(super) fn count_text(count: Option<i128>) -> String {
    count.map_or_else(
        || WITHHELD.to_owned(),
        |count| Rational::whole(count).to_text(0),
    )
}

fn month_row(month: &ShownMonth, language: Language) -> MonthRow {
    let limits = month.limits.map(|limits| {
        let (low, high) = (limits.low.to_string(), limits.high.to_string());
        text(language, "range", &[("from", &low), ("to", &high)])
    });
    MonthRow {
        month: month.month.to_string(),
        register: count_text(month.register.map(i128::from)),
        returned: month
            .returned
            .map_or_else(String::new, |births| Rational::whole(births).to_text(0)),
        limits: limits.unwrap_or_default(),
    }
}

fn months_chart(months: &[ShownMonth], rows: &[MonthRow], language: Language) -> String {
    let told = rows.iter().map(|row| {
        let args = [
            ("month", row.month.as_str()),
            ("register", &row.register),
            ("limits", &row.limits),
        ];
        let key = if row.limits.is_empty() {
            "chart-month"
        } else {
            "chart-month-limits"
        };
        text(language, key, &args)
    });
    let words = chart::Words {
        title: &text(language, "section-months", &[]),
        description: &told.collect::<Vec<_>>().join("; "),
        withheld: WITHHELD,
    };
    let drawn: Vec<_> = months
        .iter()
        .map(|month| chart::Month {
            label: month.month.to_string(),
            counted: month.register.map(i128::from),
            returned: month.returned,
            limits: month.limits.map(|l| (l.low.into(), l.high.into())),
        })
        .collect();
    chart::months(words, &drawn)
}

pub(super) fn target_row(indicator: &Indicator, language: Language) -> TargetRow {
    let t = |key: &str, args: &[(&'static str, &str)]| text(language, key, args);
    let definition = indicator.definition_of();
    let (title, unit) = (indicator.title.get(language), t(indicator.unit.key(), &[]));
    let value = match (&indicator.quoted, &indicator.value) {
        (Some(quoted), _) => one_line(quoted),
        (None, Some(value)) => grouped(value),
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
    let target = indicator
        .target
        .map_or_else(String::new, |target| target_text(target, least, language));
    TargetRow {
        title: t("title-with-unit", &[("title", title), ("unit", &unit)]),
        definition: indicator.definition.get(language).to_owned(),
        basis: basis.map_or_else(String::new, |(n, d)| {
            // Only money has fractions above the line.
            let least = if n.denominator() == 1 { 0 } else { 2 };
            let below = d.map_or_else(|| "-".to_owned(), |d| shortest(d, 0));
            format!("{} / {below}", shortest(n, least))
        }),
        interval: interval.unwrap_or_default(),
        bar: bar(indicator, &format!("{value}; {target}")).unwrap_or_default(),
        value,
        target,
        verdict,
        verdict_id,
        reason,
    }
}

/// A target in words, with at least so many decimals.
pub(super) fn target_text(target: Target, least_decimals: u32, language: Language) -> String {
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

/// Decimal text with its thousands set apart.
fn grouped(value: &str) -> String {
    let decimals = value
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.len());
    let number = Rational::of_decimal(value).zip(u32::try_from(decimals).ok());
    number.map_or_else(|| value.to_owned(), |(n, decimals)| n.to_text(decimals))
}

/// A drawing only where a value is held against a target.
fn bar(indicator: &Indicator, title: &str) -> Option<String> {
    let judged = indicator.verdict != Some(Verdict::InsufficientData);
    let value = indicator.value.as_deref().filter(|_| judged)?;
    let target = match indicator.target? {
        Target::AtMost { limit } | Target::AtLeast { limit } => (limit, limit),
        Target::Between { from, to } => (from, to),
    };
    let bar = chart::TargetBar {
        title,
        value: Rational::of_decimal(value)?,
        target,
    };
    bar.draw()
}
