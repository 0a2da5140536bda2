//! A report as a page of tables, in one language.
//!
//! What comes in: a [`Page`] that a report filled. What goes out: text for a terminal, Markdown, or
//! HTML that needs nothing else. What may fail: a template. What must stay true: all forms show the
//! same cells; whatever an office typed is escaped for the form and cannot steer a terminal.

use askama::Template;
use unicode_width::UnicodeWidthStr;

use super::ReportError;
use super::heading::Head;
use super::render::{Format, harmless_page};
use crate::locale::columns::{Side, table};
use crate::locale::{Language, Note, text};

/// What a cell means, for its colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing in particular.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Not as it should be, or out of limits.
    Bad,
}

/// One cell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// What is said below it in small print, where there is room.
    pub small: String,
    /// What it means.
    pub tone: Tone,
    /// A drawing as SVG, for HTML alone; empty when there is none.
    pub drawing: String,
}

impl Cell {
    /// A cell with nothing else to it.
    #[must_use]
    pub fn of(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    fn class(&self) -> &'static str {
        match self.tone {
            Tone::Plain => "",
            Tone::Good => "met",
            Tone::Bad => "not_met",
        }
    }
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub title: String,
    /// Whether it holds numbers.
    pub numbers: bool,
}

impl Column {
    const fn side(&self) -> Side {
        if self.numbers {
            Side::Right
        } else {
            Side::Left
        }
    }

    const fn class(&self) -> &'static str {
        if self.numbers { "number" } else { "" }
    }
}

/// A heading with a table below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// The columns; the first one names the rows.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// A drawing as SVG, for HTML alone; empty when there is none.
    pub drawing: String,
    /// What must be said of the table.
    pub below: Vec<String>,
}

/// A report in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The language.
    pub language: Language,
    /// Its title.
    pub title: String,
    /// What stands above everything; empty when there is nothing.
    pub warning: String,
    /// Labels and values.
    pub head: Vec<(String, String)>,
    /// The tables.
    pub sections: Vec<Section>,
    /// What the reader must know.
    pub notes: Vec<String>,
}

#[derive(Template)]
#[template(path = "page.md", config = "src/report/askama.toml")]
struct MarkdownPage<'a> {
    page: &'a Page,
}

#[derive(Template)]
#[template(path = "page.html", config = "src/report/askama.toml")]
struct HtmlPage<'a> {
    page: &'a Page,
}

impl Page {
    /// A page with the head of a report and its notes.
    #[must_use]
    pub fn new(head: &Head, title: &str, notes: &[Note], language: Language) -> Self {
        let notes = notes.iter().map(|note| note.text.get(language).to_owned());
        Self {
            language,
            title: head.title(title, language),
            warning: head.warning(language),
            head: head.lines(language),
            sections: Vec::new(),
            notes: notes.collect(),
        }
    }

    /// A fixed text.
    #[must_use]
    pub fn t(&self, key: &str) -> String {
        text(self.language, key, &[])
    }

    /// A column with the text of `column-<name>`.
    #[must_use]
    pub fn column(&self, name: &str, numbers: bool) -> Column {
        Column {
            title: self.t(&format!("column-{name}")),
            numbers,
        }
    }

    fn tag(&self) -> &'static str {
        self.language.tag()
    }

    /// Writes it.
    ///
    /// # Errors
    /// When a template cannot be filled.
    pub fn write(&self, format: Format) -> Result<String, ReportError> {
        let written = match format {
            Format::Markdown => MarkdownPage { page: self }.render()?,
            Format::Html => HtmlPage { page: self }.render()?,
            Format::Text | Format::Json => self.plain(),
        };
        Ok(harmless_page(&written))
    }

    fn plain(&self) -> String {
        let mut lines = vec![self.title.clone(), "=".repeat(self.title.width())];
        if !self.warning.is_empty() {
            lines.extend([String::new(), format!("*** {} ***", self.warning)]);
        }
        lines.push(String::new());
        let head = self.head.iter();
        let head: Vec<_> = head
            .map(|(label, value)| vec![label.clone(), value.clone()])
            .collect();
        lines.extend(table(&head, &[Side::Left, Side::Left]));
        for section in &self.sections {
            underlined(&mut lines, &section.title);
            lines.extend(section.plain());
        }
        underlined(&mut lines, &self.t("section-notes"));
        lines.extend(self.notes.iter().map(|note| format!("- {note}")));
        lines.join("\n")
    }
}

fn underlined(lines: &mut Vec<String>, title: &str) {
    lines.extend([String::new(), title.to_owned(), "-".repeat(title.width())]);
}

impl Section {
    fn class_of(&self, column: usize) -> &'static str {
        self.columns.get(column).map_or("", Column::class)
    }

    fn plain(&self) -> Vec<String> {
        let titles = self.columns.iter().map(|column| column.title.clone());
        let mut cells: Vec<Vec<String>> = vec![titles.collect()];
        let texts = |row: &Vec<Cell>| row.iter().map(|cell| cell.text.clone()).collect();
        cells.extend(self.rows.iter().map(texts));
        let sides: Vec<_> = self.columns.iter().map(Column::side).collect();
        let mut lines = table(&cells, &sides);
        lines.extend(self.below.iter().cloned());
        lines
    }
}
