//! Plan against reality as tables.
//!
//! What comes in: a report and a language. What goes out: a page. What may fail: nothing. What must
//! stay true: the matrix names its columns by the numbers of the first table, so that it fits a
//! page; a mark stands beside a value and never alone says more than the verdict.

use super::{Judged, MatrixCell, TargetsReport};
use crate::indicators::gap::Gap;
use crate::indicators::targets::Verdict;
use crate::locale::{Language, text};
use crate::report::heading::one_line;
use crate::report::page::{Cell, Column, Page, Section, Tone};
use crate::report::render::target_row;

/// The page.
pub(super) fn page(report: &TargetsReport, language: Language) -> Page {
    let mut page = Page::new(&report.head, "targets-title", &report.notes, language);
    let plan = report.plan.note().text;
    page.head
        .push((page.t("head-plan"), plan.get(language).to_owned()));
    page.sections.push(targets(report, &page));
    if !report.offices.is_empty() {
        page.sections.push(matrix(report, &page));
    }
    page.sections.push(without_target(report, &page));
    page
}

const fn tone(verdict: Option<Verdict>) -> Tone {
    match verdict {
        Some(Verdict::Met) => Tone::Good,
        Some(Verdict::NotMet) => Tone::Bad,
        Some(Verdict::InsufficientData) | None => Tone::Plain,
    }
}

const fn mark(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Met) => "✓",
        Some(Verdict::NotMet) => "✗",
        Some(Verdict::InsufficientData) | None => "?",
    }
}

fn gap_text(gap: Gap, language: Language) -> String {
    let item = text(language, gap.item.key(), &[]);
    let args = [("amount", gap.amount_text()), ("item", item)];
    let args = args.each_ref().map(|(name, value)| (*name, value.as_str()));
    text(language, gap.key(), &args)
}

fn or_none(text: String) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

fn targets(report: &TargetsReport, page: &Page) -> Section {
    let columns = vec![
        page.column("number", false),
        page.column("indicator", false),
        page.column("value", true),
        page.column("basis", true),
        page.column("interval", false),
        page.column("target", false),
        page.column("verdict", false),
        page.column("gap", false),
    ];
    let cells = |(at, judged): (usize, &Judged)| {
        let row = target_row(&judged.indicator, page.language);
        let verdict = judged.indicator.verdict;
        let judgement = row.judgement(page.language);
        vec![
            Cell::of((at + 1).to_string()),
            Cell {
                text: row.title,
                small: row.definition,
                ..Cell::default()
            },
            Cell::of(or_none(row.value)),
            Cell::of(or_none(row.basis)),
            Cell::of(or_none(row.interval)),
            Cell {
                drawing: row.bar,
                ..Cell::of(row.target)
            },
            Cell {
                text: format!("{} {judgement}", mark(verdict)),
                tone: tone(verdict),
                ..Cell::default()
            },
            Cell::of(
                judged
                    .gap
                    .map_or_else(|| "-".to_owned(), |gap| gap_text(gap, page.language)),
            ),
        ]
    };
    Section {
        title: page.t("section-targets"),
        columns,
        rows: report.targets.iter().enumerate().map(cells).collect(),
        drawing: String::new(),
        below: Vec::new(),
    }
}

fn matrix(report: &TargetsReport, page: &Page) -> Section {
    let numbered = (1..=report.targets.len()).map(|number| Column {
        title: number.to_string(),
        numbers: true,
    });
    let mut columns = vec![page.column("office", false)];
    columns.extend(numbered);
    let rows = report.offices.iter().map(|row| {
        let name = Cell {
            text: one_line(row.name.get(page.language)),
            small: row.office.to_string(),
            ..Cell::default()
        };
        std::iter::once(name)
            .chain(row.cells.iter().map(matrix_cell))
            .collect()
    });
    Section {
        title: page.t("section-matrix"),
        columns,
        rows: rows.collect(),
        drawing: String::new(),
        below: vec![page.t("matrix-legend")],
    }
}

fn matrix_cell(cell: &MatrixCell) -> Cell {
    let shown = cell.value.as_ref().or(cell.quoted.as_ref());
    let mark = mark(cell.verdict);
    Cell {
        text: shown.map_or_else(
            || mark.to_owned(),
            |shown| format!("{} {mark}", one_line(shown)),
        ),
        tone: tone(cell.verdict),
        ..Cell::default()
    }
}

fn without_target(report: &TargetsReport, page: &Page) -> Section {
    let columns = vec![
        page.column("indicator", false),
        page.column("value", true),
        page.column("basis", true),
        page.column("interval", false),
        page.column("remark", false),
    ];
    let rows = report.without_target.iter().map(|indicator| {
        let row = target_row(indicator, page.language);
        vec![
            Cell {
                text: row.title,
                small: row.definition,
                ..Cell::default()
            },
            Cell::of(or_none(row.value)),
            Cell::of(or_none(row.basis)),
            Cell::of(or_none(row.interval)),
            Cell::of(or_none(row.reason)),
        ]
    });
    Section {
        title: page.t("section-without-target"),
        columns,
        rows: rows.collect(),
        drawing: String::new(),
        below: Vec::new(),
    }
}
