//! A difference for people.

use super::{moment_text, signed, signed_decimal, value_text, whole};
use crate::history::difference::{Difference, MASK, OfficeChange, Outcome, RecordDifference};
use crate::history::movement::{self, FigureMove, IndicatorMove, Movement};
use crate::indicators::targets::Verdict;
use crate::locale::columns::{GAP, Side, harmless, pad, table};
use crate::locale::{Language, text};
use crate::model::office::OfficeFields;

/// What it is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For a terminal.
    Text,
    /// Markdown with tables.
    Markdown,
}

/// Which of its parts are written, and how.
struct Page {
    language: Language,
    form: Form,
    lines: Vec<String>,
}

/// Writes a difference, with its records or with the numbers alone.
#[must_use]
pub fn difference(
    difference: &Difference,
    records: bool,
    form: Form,
    language: Language,
) -> String {
    let mut page = Page {
        language,
        form,
        lines: Vec::new(),
    };
    let moments = [
        moment_text(&difference.from, language),
        moment_text(&difference.to, language),
    ];
    let title = page.t(
        "history-diff-title",
        &[("from", &moments[0]), ("to", &moments[1])],
    );
    page.title(&title);
    if difference.simulated_clock {
        let warning = page.t("simulated-clock", &[]);
        page.lines.push(format!("*** {warning} ***"));
        page.lines.push(String::new());
    }
    if records {
        page.records(difference);
    }
    page.offices(&difference.offices);
    for movement in &difference.movements {
        page.movement(movement);
    }
    page.summary(difference);
    let mut text = page.lines.join("\n");
    text.push('\n');
    text
}

impl Page {
    fn t(&self, key: &str, args: &[(&'static str, &str)]) -> String {
        text(self.language, key, args)
    }

    fn title(&mut self, title: &str) {
        match self.form {
            Form::Text => self.lines.push(harmless(title)),
            Form::Markdown => self.lines.push(format!("# {}", self.escaped(title))),
        }
        self.lines.push(String::new());
    }

    fn section(&mut self, title: &str) {
        match self.form {
            Form::Text => self.lines.push(harmless(title)),
            Form::Markdown => {
                self.lines.push(format!("## {}", self.escaped(title)));
                self.lines.push(String::new());
            }
        }
    }

    /// Escaped where the form needs it.
    fn escaped(&self, cell: &str) -> String {
        let cell = harmless(cell);
        if self.form == Form::Text {
            return cell;
        }
        let mut escaped = String::new();
        for c in cell.chars() {
            match c {
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '&' => escaped.push_str("&amp;"),
                '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' => {
                    escaped.push('\\');
                    escaped.push(c);
                }
                _ => escaped.push(c),
            }
        }
        escaped
    }

    /// A table with its heading.
    fn table(&mut self, cells: &[Vec<String>], sides: &[Side]) {
        let cells: Vec<Vec<String>> = cells
            .iter()
            .map(|line| line.iter().map(|cell| self.escaped(cell)).collect())
            .collect();
        if self.form == Form::Text {
            let lines = table(&cells, sides);
            self.lines
                .extend(lines.into_iter().map(|line| format!("{GAP}{line}")));
        } else {
            for (number, line) in cells.iter().enumerate() {
                self.lines.push(format!("| {} |", line.join(" | ")));
                if number == 0 {
                    let rule = sides.iter().map(|side| match side {
                        Side::Left => "---",
                        Side::Right => "---:",
                    });
                    let rule: Vec<_> = rule.collect();
                    self.lines.push(format!("| {} |", rule.join(" | ")));
                }
            }
        }
        self.lines.push(String::new());
    }

    fn records(&mut self, difference: &Difference) {
        let title = self.t("history-records", &[]);
        self.section(&title);
        if difference.records.is_empty() {
            let none = self.t("history-no-records", &[]);
            self.lines.push(format!("{GAP}{none}"));
        }
        for record in &difference.records {
            self.record(record);
        }
        self.lines.push(String::new());
    }

    fn record(&mut self, record: &RecordDifference) {
        let mark = match record.outcome {
            Outcome::Recorded => '+',
            Outcome::Corrected => '~',
            Outcome::Voided => '-',
            Outcome::RecordedAndVoided => 'x',
        };
        let kind = match self.language {
            Language::En => record.kind.as_str(),
            Language::Zh => record.kind.zh(),
        };
        let outcome = format!("history-outcome-{}", record.outcome.as_str());
        let outcome = self.t(&outcome, &[]);
        let head = format!("{kind} {}  {outcome}", record.record_id);
        self.item(mark, &head);
        for step in &record.steps {
            let facts = &step.facts;
            let mut parts = vec![
                format!("#{}", step.position),
                self.t(&format!("history-outcome-{}", step.change), &[]),
                step.recorded_at.to_string(),
            ];
            if let Some(actor) = &facts.actor {
                parts.push(self.t("history-by", &[("actor", actor)]));
            }
            if let Some(office) = &facts.office {
                parts.push(self.t("history-office-of", &[("office", office)]));
            }
            if let Some(import) = &facts.import {
                parts.push(self.t("history-in-import", &[("import", import)]));
            }
            self.below(&parts.join(GAP));
        }
        self.fields(record);
    }

    fn fields(&mut self, record: &RecordDifference) {
        let language = self.language;
        let shown = |field: &str, value| value_text(field, value, language);
        if record.outcome == Outcome::Corrected {
            for field in &record.fields {
                let (old, new) = (
                    shown(field.field, field.old.as_ref()),
                    shown(field.field, field.new.as_ref()),
                );
                let name = pad(field.field, 24, Side::Left);
                self.below(&format!("{name}{GAP}{old} -> {new}"));
            }
        } else {
            // All that a new record states, or a withdrawn one stated, on one line.
            let stated = record.fields.iter().filter_map(|field| {
                let value = field.new.as_ref().or(field.old.as_ref())?;
                let value = shown(field.field, Some(value));
                Some(format!("{}={value}", field.field))
            });
            let stated: Vec<_> = stated.collect();
            if !stated.is_empty() {
                self.below(&stated.join(" "));
            }
        }
        for name in &record.sealed {
            let name = pad(name, 24, Side::Left);
            self.below(&format!("{name}{GAP}{MASK} -> {MASK}"));
        }
    }

    /// What is listed, with its mark; in Markdown the mark would begin a list of its own.
    fn item(&mut self, mark: char, line: &str) {
        let mark = if self.form == Form::Markdown {
            '-'
        } else {
            mark
        };
        self.lines.push(format!("{mark} {}", self.escaped(line)));
    }

    fn below(&mut self, line: &str) {
        let bullet = if self.form == Form::Markdown {
            "  - "
        } else {
            "    "
        };
        self.lines.push(format!("{bullet}{}", self.escaped(line)));
    }

    fn offices(&mut self, offices: &[OfficeChange]) {
        if offices.is_empty() {
            return;
        }
        let title = self.t("history-offices", &[]);
        self.section(&title);
        for office in offices {
            let (mark, key) = match office.before {
                None => ('+', "history-office-new"),
                Some(_) => ('~', "history-office-changed"),
            };
            let word = self.t(key, &[]);
            let after = self.office(&office.after);
            let said = match &office.before {
                None => format!("{word}{GAP}{after}"),
                Some(before) => format!("{word}{GAP}{} -> {after}", self.office(before)),
            };
            self.item(mark, &said);
        }
        self.lines.push(String::new());
    }

    fn office(&self, office: &OfficeFields) -> String {
        let name = office.name(self.language == Language::Zh);
        let level = crate::locale::level_text(self.language, office.level);
        let above = office
            .parent
            .map_or_else(String::new, |p| format!(" < {p}"));
        format!("{} {name} ({level}){above}", office.code)
    }

    fn movement(&mut self, movement: &Movement) {
        let title = self.t(
            "history-numbers",
            &[
                ("office", movement.name.get(self.language)),
                ("code", movement.office.as_str()),
                ("period", &movement.period.to_string()),
            ],
        );
        self.section(&title);
        let mut cells = vec![
            [
                "history-column-number",
                "history-column-before",
                "history-column-after",
                "history-column-difference",
            ]
            .map(|key| self.t(key, &[]))
            .to_vec(),
        ];
        let counted = movement.figures.iter().chain(&movement.activities);
        cells.extend(counted.filter(|f| f.moved()).map(|f| self.figure(f)));
        let indicators = movement.indicators.iter();
        cells.extend(indicators.filter(|i| i.moved()).map(|i| self.indicator(i)));
        if cells.len() == 1 {
            let none = self.t("history-nothing-moved", &[]);
            self.lines.push(format!("{GAP}{none}"));
            self.lines.push(String::new());
            return;
        }
        self.table(&cells, &[Side::Left, Side::Right, Side::Right, Side::Right]);
    }

    fn figure(&self, figure: &FigureMove) -> Vec<String> {
        vec![
            figure.title.get(self.language).to_owned(),
            whole(figure.before),
            whole(figure.after),
            signed(figure.difference),
        ]
    }

    fn indicator(&self, indicator: &IndicatorMove) -> Vec<String> {
        let unit = self.t(indicator.unit.key(), &[]);
        let title = self.t(
            "title-with-unit",
            &[
                ("title", indicator.title.get(self.language)),
                ("unit", &unit),
            ],
        );
        let difference = indicator.difference.as_deref();
        vec![
            title,
            self.side(&indicator.before),
            self.side(&indicator.after),
            difference.map(signed_decimal).unwrap_or_default(),
        ]
    }

    /// The value and its verdict, or why there is none.
    fn side(&self, side: &movement::Side) -> String {
        let value = side.quoted.as_ref().or(side.value.as_ref());
        let Some(value) = value else {
            let reason = side.reason.as_ref();
            return reason.map_or_else(|| "-".to_owned(), |r| r.text.get(self.language).to_owned());
        };
        match side.verdict {
            Some(verdict) if verdict != Verdict::InsufficientData => {
                let verdict = self.t(&format!("verdict-{}", verdict.as_str()), &[]);
                let args = [("value", value.as_str()), ("verdict", verdict.as_str())];
                self.t("history-judged", &args)
            }
            _ => value.clone(),
        }
    }

    fn summary(&mut self, difference: &Difference) {
        if difference.years_left_out > 0 {
            let years = difference.years_left_out.to_string();
            let line = self.t("history-years-left-out", &[("years", &years)]);
            self.lines.push(line);
        }
        let number = |outcome| difference.number(outcome).to_string();
        let moved: usize = difference.movements.iter().map(Movement::moved).sum();
        let line = self.t(
            "history-summary",
            &[
                (
                    "entries",
                    &(difference.to.size - difference.from.size).to_string(),
                ),
                ("recorded", &number(Outcome::Recorded)),
                ("corrected", &number(Outcome::Corrected)),
                ("voided", &number(Outcome::Voided)),
                ("both", &number(Outcome::RecordedAndVoided)),
                ("moved", &moved.to_string()),
            ],
        );
        self.lines.push(line);
    }
}
