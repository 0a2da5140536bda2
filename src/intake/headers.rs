//! Headers: which column of a file is which column of the schema.
//!
//! What comes in: the names of the first line. What goes out: a [`Layout`], by which readers put
//! the cells of every row into the schema's order. What may fail: a [`HeaderFault`], which lists
//! everything that is wrong at once. What must stay true: nothing is guessed, an unknown column is
//! refused by name; and a first line that is no header, but a row of persons, is never quoted.

use std::collections::HashMap;

use super::refusal::did_you_mean;
use super::row::{RowKind, place};
use crate::model::cell::{CellReason, narrow, refused_topic};
use crate::model::schema::Column;

/// Most columns that a header may have.
pub(super) const MAX_COLUMNS: usize = 200;

/// Where the schema's columns stand in a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Layout {
    /// For each column of the schema, where the file has it.
    pub of_schema: Vec<Option<usize>>,
    /// For each column of the file, which column of the schema it is.
    pub of_file: Vec<usize>,
    /// The column of the schema with the day of the report.
    pub reported: Option<usize>,
}

impl Layout {
    /// The layout of a file without a header, whose rows name their columns themselves.
    pub fn of_kind(kind: RowKind) -> Self {
        let count = kind.columns().len();
        Self::new(kind, (0..count).collect())
    }

    fn new(kind: RowKind, of_file: Vec<usize>) -> Self {
        let mut of_schema = vec![None; kind.columns().len()];
        for (at, index) in of_file.iter().enumerate() {
            if let Some(slot) = of_schema.get_mut(*index) {
                *slot = Some(at);
            }
        }
        let reported = kind
            .columns()
            .iter()
            .position(|column| matches!(column.name, "reported_on" | "submitted_on"));
        Self {
            of_schema,
            of_file,
            reported,
        }
    }

    /// Reads the names of a first line.
    pub fn read(
        kind: RowKind,
        names: &[String],
        file: &str,
        sheet: Option<&str>,
    ) -> Result<Self, HeaderFault> {
        let width = names
            .iter()
            .rposition(|name| !normalised(name).is_empty())
            .map_or(0, |last| last + 1);
        let names = names.get(..width).unwrap_or_default();
        let mut fault = HeaderFault::new(kind, file, sheet);
        if width > MAX_COLUMNS {
            fault.problems.push(format!(
                "has {width} columns, but no intake file has more than {MAX_COLUMNS}"
            ));
            return Err(fault);
        }
        let known: Vec<Option<usize>> = names.iter().map(|name| column(kind, name)).collect();
        if known.iter().all(Option::is_none) {
            // Names are not quoted: this may be a row of persons.
            fault.problems.push(if width == 0 {
                "has no header; write the names of the columns in the first line".to_owned()
            } else {
                format!(
                    "has no header: none of the {width} cells of its first line is the name of a \
                     column; write the names in the first line"
                )
            });
            fault.name_columns();
            return Err(fault);
        }
        fault.check(names, &known);
        if fault.problems.is_empty() {
            Ok(Self::new(kind, known.into_iter().flatten().collect()))
        } else {
            Err(fault)
        }
    }
}

/// The delimiter by which most names of the header are known; a comma when in doubt.
pub(super) fn delimiter(kind: RowKind, split: impl Fn(u8) -> Vec<String>) -> u8 {
    let mut best = (0, b',');
    for delimiter in [b',', b';', b'\t'] {
        let names = split(delimiter);
        let known = names
            .iter()
            .filter(|name| column(kind, name).is_some())
            .count();
        if known > best.0 {
            best = (known, delimiter);
        }
    }
    best.1
}

/// A name as it is compared: trimmed, without BOM, full-width letters narrowed, lower case.
fn normalised(name: &str) -> String {
    narrow(name.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')).to_lowercase()
}

/// The column of the schema that a name means.
pub(super) fn column(kind: RowKind, name: &str) -> Option<usize> {
    let columns = kind.columns();
    let exact = columns
        .iter()
        .position(|column| column.name == name || column.zh == name);
    exact.or_else(|| {
        let name = normalised(name);
        columns
            .iter()
            .position(|column| column.name == name || column.zh == name)
    })
}

/// The known name that is closest to an unknown one, if one is close.
pub(super) fn closest(kind: RowKind, name: &str) -> Option<&'static str> {
    let name: Vec<char> = normalised(name).chars().take(64).collect();
    let candidates = kind
        .columns()
        .iter()
        .flat_map(|column| [column.name, column.zh]);
    let (far, found) = candidates
        .map(|known| (distance(&name, known), known))
        .min_by_key(|(far, _)| *far)?;
    // A third of the letters may differ, and at least one must not.
    let most = (found.chars().count() / 3).max(1);
    (far <= most && far < found.chars().count()).then_some(found)
}

/// Edits between two words (Levenshtein).
fn distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut left = i + 1;
        let mut diagonal = i;
        for (to, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let above = *cell;
            let changed = diagonal + usize::from(from != to);
            left = changed.min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// A name for a message. Long numbers may be those of persons and are not quoted.
pub(super) fn quoted(name: &str) -> String {
    let name = name.trim();
    let digits = name.chars().filter(|c| c.is_numeric()).count();
    if digits > 4 || name.chars().any(char::is_control) {
        return "a name that is not shown because it may be a value".to_owned();
    }
    let short: String = name.chars().take(40).collect();
    let more = if short.len() < name.len() { "…" } else { "" };
    format!("\"{short}{more}\"")
}

/// A header that cannot be read, for which the whole file or sheet is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is refused, no row of it was taken: it {}", place(.file, .sheet.as_deref()), .problems.join("; it "))]
pub struct HeaderFault {
    /// Display name of the file.
    pub file: String,
    /// The sheet, for a workbook.
    pub sheet: Option<String>,
    /// What its rows should be.
    pub kind: RowKind,
    /// What is wrong and what to do, one sentence part each.
    pub problems: Vec<String>,
}

impl HeaderFault {
    pub(super) fn new(kind: RowKind, file: &str, sheet: Option<&str>) -> Self {
        Self {
            file: file.to_owned(),
            sheet: sheet.map(str::to_owned),
            kind,
            problems: Vec::new(),
        }
    }

    fn check(&mut self, names: &[String], known: &[Option<usize>]) {
        let columns = self.kind.columns();
        let mut seen: HashMap<usize, usize> = HashMap::new();
        let mut unknown = false;
        for (at, (name, index)) in names.iter().zip(known).enumerate() {
            let at = at + 1;
            match index {
                Some(index) => {
                    if let Some(first) = seen.insert(*index, at) {
                        let name = columns.get(*index).map_or("", |column| column.name);
                        self.problems.push(format!(
                            "has the column {name} twice (columns {first} and {at}); keep one"
                        ));
                    }
                }
                None if normalised(name).is_empty() => self
                    .problems
                    .push(format!("has no name for column {at}; name it or remove it")),
                None if refused_topic(&normalised(name)) => self.problems.push(format!(
                    "has column {at} ({}), which {}",
                    quoted(name),
                    CellReason::RefusedTopic
                )),
                None => {
                    unknown = true;
                    self.problems.push(format!(
                        "has column {at} ({}), which is unknown{}; remove it or correct its name",
                        quoted(name),
                        did_you_mean(closest(self.kind, name))
                    ));
                }
            }
        }
        let missing: Vec<_> = columns
            .iter()
            .enumerate()
            .filter(|(index, column)| column.required && !seen.contains_key(index))
            .map(|(_, column)| both_names(column))
            .collect();
        if !missing.is_empty() {
            self.problems.push(format!(
                "lacks the required {} {}; add what is missing",
                if missing.len() == 1 {
                    "column"
                } else {
                    "columns"
                },
                missing.join(", ")
            ));
        }
        if unknown {
            self.name_columns();
        }
    }

    fn name_columns(&mut self) {
        let names: Vec<_> = self.kind.columns().iter().map(both_names).collect();
        self.problems
            .push(format!("may have the columns {}", names.join(", ")));
    }
}

fn both_names(column: &Column) -> String {
    format!("{} ({})", column.name, column.zh)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::model::schema::RecordKind;

    const BIRTH: RowKind = RowKind::Record(RecordKind::Birth);

    fn read(names: &str) -> Result<Layout, String> {
        let names: Vec<_> = names.split(',').map(str::to_owned).collect();
        Layout::read(BIRTH, &names, "births.csv", None).map_err(|fault| fault.to_string())
    }

    #[test]
    fn names_are_unique_in_each_kind() {
        for kind in RowKind::ALL {
            let names: Vec<_> = kind.columns().iter().flat_map(|c| [c.name, c.zh]).collect();
            let unique: HashSet<_> = names.iter().collect();
            assert_eq!(unique.len(), names.len(), "{kind:?}");
        }
    }

    #[test]
    fn any_order_language_and_case() {
        let layout =
            read("\u{feff}上报日期, Source ,office,occurred_on,来源编号,ＳＥＸ,,").unwrap();
        assert_eq!(layout.of_file, [4, 1, 2, 3, 0, 6]);
        assert_eq!(layout.of_schema[4], Some(0));
        assert_eq!(layout.reported, Some(4));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let text = read("来源编号,source,source,office,weigth_g,,in_plan,reported_on").unwrap_err();
        for part in [
            "births.csv is refused",
            "has the column source twice (columns 2 and 3)",
            "column 5 (\"weigth_g\"), which is unknown (did you mean weight_g?)",
            "has no name for column 6",
            "column 7 (\"in_plan\"), which is about something this ledger refuses to hold",
            "lacks the required column occurred_on (发生日期)",
        ] {
            assert!(text.contains(part), "{part} not in {text}");
        }
    }

    #[test]
    fn a_row_of_persons_is_not_quoted() {
        let text = read("B1,village,990101100001,张三,990101197811222225").unwrap_err();
        assert!(
            text.contains("has no header") && !text.contains("张三"),
            "{text}"
        );
        let text = read("source,990101197811222225").unwrap_err();
        assert!(!text.contains("990101197811222225"), "{text}");
        assert!(read("").unwrap_err().contains("has no header"));
        let wide = read(&"x,".repeat(300)).unwrap_err();
        assert!(wide.contains("has 300 columns, but no intake file has more than 200"));
    }

    #[test]
    fn the_delimiter_is_the_one_that_splits_names() {
        for (line, expected) in [
            ("source;office", b';'),
            ("source\toffice", b'\t'),
            ("x", b','),
        ] {
            let split = |by: u8| line.split(char::from(by)).map(str::to_owned).collect();
            assert_eq!(delimiter(BIRTH, split), expected);
        }
    }
}
