//! The monthly report as tables.
//!
//! What comes in: a report and a language. What goes out: a page. What may fail: nothing. What must
//! stay true: a month that the ledger has not come to shows no zeros that could be taken for counts.

use super::{Month, MonthlyReport, Point};
use crate::indicators::counted::Counted;
use crate::locale::{Language, text};
use crate::report::chart;
use crate::report::page::{Cell, Column, Page, Section, Tone};
use crate::statistics::rational::Rational;

/// The columns of the first table.
const FLOWS: [Counted; 8] = [
    Counted::Births,
    Counted::BirthsMale,
    Counted::BirthsFemale,
    Counted::Deaths,
    Counted::Marriages,
    Counted::Divorces,
    Counted::Arrivals,
    Counted::Departures,
];
/// Where there is no number.
const NONE: &str = "-";

/// The page.
pub(super) fn page(report: &MonthlyReport, language: Language) -> Page {
    let mut page = Page::new(&report.head, "monthly-title", &report.notes, language);
    let sections = [
        events(&page, rows(report, &page), |month, one| counted(month, one)),
        returns(report, &page),
        limits(report, &page),
    ];
    page.sections.extend(sections);
    page
}

fn number(value: i128) -> String {
    Rational::whole(value).to_text(0)
}

/// The short name of what is counted, for a column.
fn short(page: &Page, id: &str) -> Column {
    Column {
        title: page.t(&format!("short-{id}")),
        numbers: true,
    }
}

/// The months and, where there are several, the whole.
fn rows<'a>(report: &'a MonthlyReport, page: &Page) -> Vec<(String, &'a Month)> {
    let months = report.months.iter();
    let mut rows: Vec<_> = months
        .map(|month| (month.period.to_string(), month))
        .collect();
    if rows.len() > 1 {
        rows.push((page.t("row-total"), &report.total));
    }
    rows
}

/// Whatever a faulty report put into a month to come is shown.
fn counted(month: &Month, one: Counted) -> String {
    let value = month.figures.get(one);
    if month.begun || (value != 0 && !one.is_stock()) {
        number(value)
    } else {
        NONE.to_owned()
    }
}

/// What happened, a month a row; `text` is what stands for a count.
pub(super) fn events<M>(
    page: &Page,
    rows: Vec<(String, M)>,
    text: impl Fn(&M, Counted) -> String,
) -> Section {
    let mut columns = vec![page.column("month", false)];
    columns.extend(FLOWS.iter().map(|one| short(page, one.id())));
    columns.push(short(page, Counted::Residents.id()));
    let cells = |(name, month): (String, M)| {
        let counted = FLOWS.iter().chain(&[Counted::Residents]);
        let numbers = counted.map(|one| Cell::of(text(&month, *one)));
        std::iter::once(Cell::of(name)).chain(numbers).collect()
    };
    Section {
        title: page.t("section-monthly-events"),
        columns,
        rows: rows.into_iter().map(cells).collect(),
        drawing: String::new(),
        below: Vec::new(),
    }
}

fn returns(report: &MonthlyReport, page: &Page) -> Section {
    let columns = vec![
        page.column("month", false),
        page.column("register", true),
        page.column("returns", true),
        page.column("received", true),
        page.column("timely", true),
        page.column("timely-share", true),
    ];
    let cells = |(name, month): (String, &Month)| {
        let known = |text: String| if month.begun { text } else { NONE.to_owned() };
        let births = month.figures.get(Counted::Births);
        let args = [month.returns.received, month.returns.expected].map(|n| n.to_string());
        let args = [("part", args[0].as_str()), ("all", &args[1])];
        let share = month.timeliness.as_ref().map(|share| format!("{share} %"));
        vec![
            Cell::of(name),
            Cell::of(known(number(births))),
            Cell::of(month.returns.births.map_or_else(|| NONE.to_owned(), number)),
            Cell::of(known(text(page.language, "part-of", &args))),
            Cell::of(known(number(month.figures.get(Counted::BirthsTimely)))),
            Cell::of(known(share.unwrap_or_else(|| NONE.to_owned()))),
        ]
    };
    Section {
        title: page.t("section-monthly-returns"),
        columns,
        rows: rows(report, page).into_iter().map(cells).collect(),
        drawing: births_chart(report, page),
        below: Vec::new(),
    }
}

/// Births of the register beside the returns, the limits of chance behind them.
fn births_chart(report: &MonthlyReport, page: &Page) -> String {
    let births = report.series_of(Counted::Births.id());
    let points = births.map_or(&[][..], |series| &series.points);
    let told = points.iter().map(|point| {
        let value = limits_text(point, page);
        let args = [("month", point.month.to_string()), ("register", value)];
        let args = args.each_ref().map(|(name, value)| (*name, value.as_str()));
        text(page.language, "chart-month", &args)
    });
    let title = page.t("section-monthly-returns");
    let words = chart::Words {
        title: &title,
        description: &told.collect::<Vec<_>>().join("; "),
        withheld: NONE,
    };
    let months: Vec<_> = points
        .iter()
        .zip(&report.months)
        .map(|(point, month)| chart::Month {
            label: point.month.to_string(),
            counted: month.begun.then_some(point.value.into()),
            returned: month.returns.births,
            limits: point
                .low
                .zip(point.high)
                .map(|(low, high)| (low.into(), high.into())),
        })
        .collect();
    chart::months(words, &months)
}

fn limits(report: &MonthlyReport, page: &Page) -> Section {
    let mut columns = vec![page.column("month", false)];
    columns.extend(report.series.iter().map(|series| short(page, series.id)));
    let cells = |(at, month): (usize, &Month)| {
        let points = report.series.iter().map(|series| &series.points[at]);
        let cells = points.map(|point| limit_cell(point, month.begun, page));
        std::iter::once(Cell::of(month.period.to_string()))
            .chain(cells)
            .collect()
    };
    Section {
        title: page.t("section-monthly-limits"),
        columns,
        rows: report.months.iter().enumerate().map(cells).collect(),
        drawing: String::new(),
        below: vec![page.t("limits-legend")],
    }
}

/// `12 (5 to 21)`, or the count alone where there are no limits.
fn limits_text(point: &Point, page: &Page) -> String {
    let value = number(i128::from(point.value));
    let (Some(low), Some(high)) = (point.low, point.high) else {
        return value;
    };
    let [low, high] = [low, high].map(|limit| number(i128::from(limit)));
    let args = [("value", value.as_str()), ("low", &low), ("high", &high)];
    text(page.language, "count-with-limits", &args)
}

/// The count with its limits, marked where it lies outside.
fn limit_cell(point: &Point, begun: bool, page: &Page) -> Cell {
    if !begun {
        return Cell::of(NONE);
    }
    let text = limits_text(point, page);
    if point.outside == Some(true) {
        return Cell {
            text: format!("! {text}"),
            tone: Tone::Bad,
            ..Cell::default()
        };
    }
    Cell::of(text)
}
