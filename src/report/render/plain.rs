//! Plain text for a terminal.
//!
//! What comes in: a view. What goes out: lines in aligned columns. What may fail: nothing. What
//! must stay true: a Chinese character takes two columns, so widths are those of the terminal
//! and not the number of characters.

use unicode_width::UnicodeWidthStr;

use super::{Row, View};
use crate::locale::columns::{Side, table};

/// The whole report.
pub(super) fn page(view: &View) -> String {
    let mut page = Vec::new();
    page.push(view.title.clone());
    page.push("=".repeat(view.title.width()));
    if !view.warning.is_empty() {
        page.push(String::new());
        page.push(format!("*** {} ***", view.warning));
    }
    page.push(String::new());
    page.extend(rows(&view.head, Side::Left));
    section(&mut page, &view.t("section-targets"), targets(view));
    section(
        &mut page,
        &view.t("section-figures"),
        rows(&view.figures, Side::Right),
    );
    section(&mut page, &view.t("section-months"), months(view));
    section(
        &mut page,
        &view.t("section-activities"),
        rows(&view.activities, Side::Right),
    );
    let notes = view.notes.iter().map(|note| format!("- {note}")).collect();
    section(&mut page, &view.t("section-notes"), notes);
    page.join("\n")
}

fn section(page: &mut Vec<String>, title: &str, lines: Vec<String>) {
    page.push(String::new());
    page.push(title.to_owned());
    page.push("-".repeat(title.width()));
    page.extend(lines);
}

fn rows(rows: &[Row], side: Side) -> Vec<String> {
    let cells: Vec<_> = rows
        .iter()
        .map(|row| vec![row.label.clone(), row.value.clone(), row.remark.clone()])
        .collect();
    table(&cells, &[Side::Left, side, Side::Left])
}

fn months(view: &View) -> Vec<String> {
    let mut cells = vec![vec![
        view.t("column-month"),
        view.t("column-register"),
        view.t("column-returns"),
        view.t("column-limits"),
    ]];
    for month in &view.months {
        let returned = if month.returned.is_empty() {
            "-"
        } else {
            &month.returned
        };
        cells.push(vec![
            month.month.clone(),
            month.register.clone(),
            returned.to_owned(),
            month.limits.clone(),
        ]);
    }
    let sides = [Side::Left, Side::Right, Side::Right, Side::Left];
    table(&cells, &sides)
}

fn targets(view: &View) -> Vec<String> {
    let mut cells = vec![
        [
            "column-indicator",
            "column-value",
            "column-interval",
            "column-target",
            "column-verdict",
        ]
        .map(|key| view.t(key))
        .to_vec(),
    ];
    for row in &view.targets {
        let value = if row.value.is_empty() {
            "-"
        } else {
            &row.value
        };
        cells.push(vec![
            row.title.clone(),
            value.to_owned(),
            row.interval.clone(),
            row.target.clone(),
            view.judgement(row),
        ]);
    }
    let sides = [Side::Left, Side::Right, Side::Left, Side::Left, Side::Left];
    table(&cells, &sides)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_characters_take_two_columns() {
        let cells = vec![
            vec!["户数".to_owned(), "3,564".to_owned()],
            vec!["ab".to_owned(), "7".to_owned()],
        ];
        let lines = table(&cells, &[Side::Left, Side::Right]);
        assert_eq!(lines, ["户数  3,564", "ab        7"]);
    }
}
