//! A report as an Excel workbook.
//!
//! What comes in: a sheet and a language, or a page of tables. What goes out: the bytes of an
//! `.xlsx` file: figures, births by month with a chart that Excel draws, indicators, notes; of a
//! page its tables and notes. What may fail: what the
//! format cannot hold, such as a text of more than 32,767 characters. What must stay true:
//! numbers are numbers with a format and never text; text stays text, whatever it begins with,
//! and is never a formula; the same sheet gives the same bytes, because the date in the file is
//! that of the last entry.

use rust_xlsxwriter::{
    Chart, ChartFormat, ChartLine, ChartSolidFill, ChartType, Color, DocProperties, ExcelDateTime,
    Format, FormatAlign, FormatBorder, Workbook, Worksheet, XlsxError,
};
use unicode_width::UnicodeWidthStr;

use super::heading::one_line;
use super::render::{harmless, head_rows, target_text};
use super::sheet::{Sheet, ShownFigure, WITHHELD};
use super::{ReportError, page};
use crate::indicators::Indicator;
use crate::locale::{Language, text};
use crate::model::time::Timestamp;
use crate::statistics::rational::Rational;

/// Widest column, in the width of a digit; longer texts are wrapped.
const WIDEST: usize = 60;
/// Whole numbers that a cell holds exactly: those below 2^53.
const EXACT: i128 = 1 << 53;
/// A4.
const PAPER: u8 = 9;
/// Columns of the sheet of months.
const MONTH_COLUMNS: u16 = 5;

/// One cell.
enum Cell {
    Text(String),
    /// A number in decimals, with as many as are written.
    Number(String),
    Empty,
}

impl Cell {
    fn text(text: impl AsRef<str>) -> Self {
        Self::Text(harmless(text.as_ref()))
    }

    /// A count, or the mark of one that is withheld.
    fn count(count: Option<i128>) -> Self {
        count.map_or_else(
            || Self::text(WITHHELD),
            |count| Self::Number(count.to_string()),
        )
    }

    fn number(number: Option<&str>) -> Self {
        number.map_or(Self::Empty, |number| Self::Number(number.to_owned()))
    }

    /// A fraction, with the decimals that say it or with four.
    fn fraction(fraction: Option<Rational>) -> Self {
        let Some(fraction) = fraction else {
            return Self::Empty;
        };
        let exact = |decimals: &u32| 10_i128.pow(*decimals) % fraction.denominator() == 0;
        Self::Number(fraction.to_decimal((0..4).find(exact).unwrap_or(4)))
    }

    /// Its number and decimals, if it is a number that a cell holds.
    fn as_number(&self) -> Option<(f64, usize)> {
        let Self::Number(text) = self else {
            return None;
        };
        let number: f64 = text.parse().ok()?;
        let whole: i128 = text.split('.').next()?.parse().ok()?;
        let decimals = text.split_once('.').map_or(0, |(_, after)| after.len());
        (whole.abs() < EXACT).then_some((number, decimals))
    }

    fn shown(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
            Self::Empty => "",
        }
    }
}

/// A sheet of the workbook: lines above its table, the table's heading, its lines.
struct Page {
    name: String,
    above: Vec<Vec<Cell>>,
    heading: Vec<String>,
    lines: Vec<Vec<Cell>>,
}

/// Writes a sheet as a workbook.
///
/// # Errors
/// When the format cannot hold it.
pub fn write(sheet: &Sheet, language: Language) -> Result<Vec<u8>, ReportError> {
    let title = title(sheet, language);
    let mut workbook = new(&title, sheet.head.recorded_at)?;
    put(workbook.add_worksheet(), &figures(sheet, &title, language))?;
    let months = months(sheet, language);
    let (worksheet, first) = put(workbook.add_worksheet(), &months)?;
    if !months.lines.is_empty() {
        let count = u32::try_from(months.lines.len()).unwrap_or(u32::MAX);
        chart(worksheet, &months, (first, first + count - 1))?;
    }
    put(workbook.add_worksheet(), &indicators(sheet, language))?;
    put(workbook.add_worksheet(), &notes(sheet, language))?;
    Ok(workbook.save_to_buffer()?)
}

/// Writes a page of tables as a workbook, a worksheet for each table.
///
/// # Errors
/// When the format cannot hold it.
pub fn of_page(page: &page::Page, recorded_at: Timestamp) -> Result<Vec<u8>, ReportError> {
    let mut workbook = new(&harmless(&page.title), recorded_at)?;
    for (section, at) in page.sections.iter().zip(0..) {
        let columns = section.columns.iter();
        let line = |row: &Vec<page::Cell>| {
            let columns = section.columns.iter();
            columns
                .zip(row)
                .map(|(column, cell)| of_cell(column, cell))
                .collect()
        };
        let table = Page {
            name: sheet_name(&section.title),
            above: if at == 0 { above(page) } else { Vec::new() },
            heading: columns.map(|column| harmless(&column.title)).collect(),
            lines: section.rows.iter().map(line).collect(),
        };
        put(workbook.add_worksheet(), &table)?;
    }
    let notes = Page {
        name: page.t("section-notes"),
        above: Vec::new(),
        heading: vec![page.t("column-note")],
        lines: page
            .notes
            .iter()
            .map(|note| vec![Cell::text(note)])
            .collect(),
    };
    put(workbook.add_worksheet(), &notes)?;
    Ok(workbook.save_to_buffer()?)
}

/// Writes one table as a workbook; columns of these numbers hold numbers, the others text.
///
/// # Errors
/// When the format cannot hold it.
pub fn of_table(
    title: &str,
    heading: &[&str],
    numbers: &[usize],
    rows: &[Vec<String>],
    recorded_at: Timestamp,
) -> Result<Vec<u8>, ReportError> {
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate();
        let cell = |(column, text): (usize, &String)| match text.parse::<f64>() {
            Ok(_) if numbers.contains(&column) => Cell::Number(text.clone()),
            _ => Cell::text(text),
        };
        cells.map(cell).collect()
    };
    let table = Page {
        name: sheet_name(title),
        above: Vec::new(),
        heading: heading.iter().map(|name| harmless(name)).collect(),
        lines: rows.iter().map(line).collect(),
    };
    let mut workbook = new(&harmless(title), recorded_at)?;
    put(workbook.add_worksheet(), &table)?;
    Ok(workbook.save_to_buffer()?)
}

/// A workbook that says when its last entry was recorded, and not when it was made.
fn new(title: &str, recorded_at: Timestamp) -> Result<Workbook, XlsxError> {
    let mut workbook = Workbook::new();
    let seconds = recorded_at.micros().div_euclid(1_000_000);
    let properties = DocProperties::new()
        .set_title(title)
        .set_creation_datetime(&ExcelDateTime::from_timestamp(seconds)?);
    workbook.set_properties(&properties);
    Ok(workbook)
}

/// Title, warning and head of a page.
fn above(page: &page::Page) -> Vec<Vec<Cell>> {
    let mut above = vec![vec![Cell::text(&page.title)]];
    if !page.warning.is_empty() {
        above.push(vec![Cell::text(&page.warning)]);
    }
    let head = page.head.iter();
    above.extend(head.map(|(label, value)| vec![Cell::text(label), Cell::text(value)]));
    above.push(Vec::new());
    above
}

/// A cell of a page; in a column of numbers what reads as a number is one.
fn of_cell(column: &page::Column, cell: &page::Cell) -> Cell {
    let plain = cell.text.replace(',', "");
    if column.numbers && Rational::of_decimal(&plain).is_some() {
        Cell::Number(plain)
    } else if cell.small.is_empty() {
        Cell::text(&cell.text)
    } else {
        Cell::text(format!("{}\n{}", cell.text, cell.small))
    }
}

/// At most 31 characters, none of which the format forbids.
fn sheet_name(title: &str) -> String {
    let allowed = |c: &char| !"[]:*?/\\'".contains(*c);
    harmless(title).chars().filter(allowed).take(31).collect()
}

fn title(sheet: &Sheet, language: Language) -> String {
    harmless(&sheet.head.title("report-title", language))
}

fn heading(keys: &[&str], language: Language) -> Vec<String> {
    keys.iter().map(|key| text(language, key, &[])).collect()
}

fn figures(sheet: &Sheet, title: &str, language: Language) -> Page {
    let warning = sheet.head.simulated_clock_note.as_ref();
    let mut above = vec![vec![Cell::text(title)]];
    above.extend(warning.map(|note| vec![Cell::text(note.get(language))]));
    let head = head_rows(&sheet.head, language).into_iter();
    above.extend(head.map(|row| vec![Cell::text(row.label), Cell::text(row.value)]));
    above.push(Vec::new());
    let line = |figure: &ShownFigure| {
        let remark = figure.remark.as_ref().map(|remark| remark.get(language));
        vec![
            Cell::text(one_line(figure.title.get(language))),
            Cell::count(figure.value),
            Cell::text(remark.unwrap_or_default()),
            Cell::text(&figure.id),
        ]
    };
    let all = sheet.figures.iter().chain(&sheet.activities);
    Page {
        name: text(language, "section-figures", &[]),
        above,
        heading: heading(
            &[
                "column-figure",
                "column-value",
                "column-remark",
                "column-id",
            ],
            language,
        ),
        lines: all.map(line).collect(),
    }
}

fn months(sheet: &Sheet, language: Language) -> Page {
    let lines = sheet.births_by_month.iter().map(|month| {
        let limits = month.limits;
        let limit = |limit: Option<u64>| Cell::number(limit.map(|l| l.to_string()).as_deref());
        vec![
            Cell::text(month.month.to_string()),
            Cell::count(month.register.map(i128::from)),
            Cell::number(month.returned.map(|births| births.to_string()).as_deref()),
            limit(limits.map(|l| l.low)),
            limit(limits.map(|l| l.high)),
        ]
    });
    Page {
        name: text(language, "section-months", &[]),
        above: Vec::new(),
        heading: heading(
            &[
                "column-month",
                "column-register",
                "column-returns",
                "column-limit-low",
                "column-limit-high",
            ],
            language,
        ),
        lines: lines.collect(),
    }
}

fn indicators(sheet: &Sheet, language: Language) -> Page {
    let line = |indicator: &Indicator| {
        let limits = indicator.interval.as_ref();
        let least = indicator.definition_of().map_or(0, |d| d.target_decimals);
        let target = indicator.target;
        let target = target.map(|target| target_text(target, least, language));
        let verdict = indicator.verdict.map(|verdict| {
            let key = format!("verdict-{}", verdict.as_str());
            text(language, &key, &[])
        });
        let value = match &indicator.quoted {
            // What an office wrote is no number of ours.
            Some(quoted) => Cell::text(one_line(quoted)),
            None => Cell::number(indicator.value.as_deref()),
        };
        let reason = indicator
            .reason
            .as_ref()
            .map(|note| note.text.get(language));
        vec![
            Cell::text(indicator.title.get(language)),
            value,
            Cell::text(text(language, indicator.unit.key(), &[])),
            Cell::fraction(indicator.numerator),
            Cell::fraction(indicator.denominator),
            Cell::number(limits.map(|limits| limits.low.as_str())),
            Cell::number(limits.and_then(|limits| limits.high.as_deref())),
            Cell::text(target.unwrap_or_default()),
            Cell::text(verdict.unwrap_or_default()),
            Cell::text(reason.unwrap_or_default()),
            Cell::text(indicator.definition.get(language)),
            Cell::text(indicator.id),
        ]
    };
    let keys = [
        "column-indicator",
        "column-value",
        "column-unit",
        "column-numerator",
        "column-denominator",
        "column-interval-low",
        "column-interval-high",
        "column-target",
        "column-verdict",
        "column-reason",
        "column-definition",
        "column-id",
    ];
    Page {
        name: text(language, "section-targets", &[]),
        above: Vec::new(),
        heading: heading(&keys, language),
        lines: sheet.indicators.iter().map(line).collect(),
    }
}

fn notes(sheet: &Sheet, language: Language) -> Page {
    let line =
        |note: &crate::locale::Note| vec![Cell::text(note.text.get(language)), Cell::text(note.id)];
    Page {
        name: text(language, "section-notes", &[]),
        above: Vec::new(),
        heading: heading(&["column-note", "column-id"], language),
        lines: sheet.notes.iter().map(line).collect(),
    }
}

/// Puts a page into a worksheet; gives it back with the row of the first line.
fn put<'w>(
    worksheet: &'w mut Worksheet,
    page: &Page,
) -> Result<(&'w mut Worksheet, u32), XlsxError> {
    worksheet.set_name(&page.name)?;
    let bold = Format::new().set_bold();
    let top = Format::new()
        .set_bold()
        .set_background_color(Color::RGB(0x00E4_E8ED))
        .set_border_bottom(FormatBorder::Thin)
        .set_align(FormatAlign::Top)
        .set_text_wrap();
    let (mut row, mut widths) = (0, vec![8; page.heading.len()]);
    for line in &page.above {
        for (cell, column) in line.iter().zip(0..) {
            let plain = Format::new();
            let format = if column == 0 { &bold } else { &plain };
            worksheet.write_string_with_format(row, column, cell.shown(), format)?;
        }
        row += 1;
    }
    for (name, column) in page.heading.iter().zip(0..) {
        worksheet.write_string_with_format(row, column, name, &top)?;
        widen(&mut widths, column, name);
    }
    worksheet.set_freeze_panes(row + 1, 0)?;
    worksheet.set_repeat_rows(row, row)?;
    let first = row + 1;
    for (line, row) in page.lines.iter().zip(first..) {
        for (cell, column) in line.iter().zip(0..) {
            put_cell(worksheet, (row, column), cell)?;
            widen(&mut widths, column, cell.shown());
        }
    }
    for (width, column) in widths.into_iter().zip(0..) {
        // One digit beside the text, so that nothing touches the line.
        worksheet.set_column_width(column, u32::try_from(width + 1).unwrap_or(u32::MAX))?;
    }
    worksheet.set_paper_size(PAPER).set_landscape();
    worksheet.set_print_fit_to_pages(1, 0);
    Ok((worksheet, first))
}

/// A Chinese character is as wide as two digits.
fn widen(widths: &mut [usize], column: u16, shown: &str) {
    if let Some(width) = widths.get_mut(usize::from(column)) {
        *width = (*width).max(shown.width().min(WIDEST));
    }
}

fn put_cell(worksheet: &mut Worksheet, at: (u32, u16), cell: &Cell) -> Result<(), XlsxError> {
    let format = Format::new().set_align(FormatAlign::Top);
    if let Some((number, decimals)) = cell.as_number() {
        let places = if decimals == 0 {
            "#,##0".to_owned()
        } else {
            format!("#,##0.{}", "0".repeat(decimals))
        };
        let format = format.set_num_format(places);
        worksheet.write_number_with_format(at.0, at.1, number, &format)?;
    } else if !cell.shown().is_empty() {
        let format = match cell.shown() {
            WITHHELD => format.set_align(FormatAlign::Right),
            _ => format.set_text_wrap(),
        };
        worksheet.write_string_with_format(at.0, at.1, cell.shown(), &format)?;
    }
    Ok(())
}

/// Columns of births and returns, and lines of the limits.
fn chart(
    worksheet: &mut Worksheet,
    page: &Page,
    (first, last): (u32, u32),
) -> Result<(), XlsxError> {
    let sheet = page.name.clone();
    let mut bars = Chart::new(ChartType::Column);
    let mut lines = Chart::new(ChartType::Line);
    let series = [
        (1, 0x003B_6EA5),
        (2, 0x00B7_C6D8),
        (3, 0x00B0_8D3C),
        (4, 0x00B0_8D3C),
    ];
    for (column, colour) in series {
        let of = if column < 3 { &mut bars } else { &mut lines };
        let series = of.add_series();
        series
            .set_categories((sheet.as_str(), first, 0, last, 0))
            .set_values((sheet.as_str(), first, column, last, column))
            .set_name((sheet.as_str(), first - 1, column));
        let mut format = ChartFormat::new();
        if column < 3 {
            format.set_solid_fill(ChartSolidFill::new().set_color(Color::RGB(colour)));
        } else {
            format.set_line(ChartLine::new().set_color(Color::RGB(colour)));
        }
        series.set_format(&mut format);
    }
    bars.combine(&lines);
    bars.title().set_name(&sheet);
    bars.set_width(760).set_height(320);
    bars.set_alt_text(&sheet);
    worksheet.insert_chart(0, MONTH_COLUMNS + 1, &bars)?;
    Ok(())
}
