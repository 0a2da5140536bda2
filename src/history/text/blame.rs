//! A blame for people: one line a field, and below one line for each entry that set any.

use std::collections::BTreeMap;

use crate::history::blame::{Blame, FieldBlame, Origin};
use crate::locale::columns::{Side, harmless, table};
use crate::locale::{Language, text};
use crate::model::cell::Fen;
use crate::model::schema::RecordKind;

/// Writes a blame.
#[must_use]
pub fn blame(blame: &Blame, language: Language) -> String {
    let kind = match (language, RecordKind::parse(blame.kind)) {
        (Language::Zh, Some(kind)) => kind.zh(),
        _ => blame.kind,
    };
    let id = blame.record_id.to_string();
    let size = blame.size.to_string();
    let mut lines = vec![text(
        language,
        "history-blame-title",
        &[("kind", kind), ("id", &id), ("size", &size)],
    )];
    if let Some(voided) = &blame.voided_by {
        lines.push(text(
            language,
            "history-blame-voided",
            &[
                ("position", &voided.position.to_string()),
                ("at", &voided.recorded_at.to_string()),
                ("actor", voided.actor.as_deref().unwrap_or("-")),
            ],
        ));
    }
    if let Some(position) = blame.erased_by {
        let position = position.to_string();
        let args = [("position", position.as_str())];
        lines.push(text(language, "history-blame-erased", &args));
    }
    lines.push(String::new());
    lines.extend(fields(blame, language));
    lines.push(String::new());
    lines.push(text(language, "history-entries", &[]));
    lines.extend(entries(blame, language));
    let mut written = lines.join("\n");
    written.push('\n');
    written
}

fn heading(columns: &[&str], language: Language) -> Vec<String> {
    let key = |column: &&str| text(language, &format!("history-column-{column}"), &[]);
    columns.iter().map(key).collect()
}

fn harmless_table(mut cells: Vec<Vec<String>>, sides: &[Side]) -> Vec<String> {
    for cell in cells.iter_mut().flatten() {
        *cell = harmless(cell);
    }
    table(&cells, sides)
}

/// Each field, and the entry that set it.
fn fields(blame: &Blame, language: Language) -> Vec<String> {
    let mut cells = vec![heading(&["field", "value", "set-at", "change"], language)];
    cells.extend(blame.fields.iter().map(|field| {
        let change = field.set_by.change;
        let change = text(language, &format!("history-outcome-{change}"), &[]);
        let change = if field.times_set > 1 {
            let times = field.times_set.to_string();
            let args = [("times", times.as_str())];
            let often = text(language, "history-blame-set-times", &args);
            format!("{change}, {often}")
        } else {
            change
        };
        vec![
            field.field.clone(),
            value(field, language),
            format!("#{}", field.set_by.position),
            change,
        ]
    }));
    harmless_table(cells, &[Side::Left, Side::Left, Side::Right, Side::Left])
}

/// The entries that are named above, once each.
fn entries(blame: &Blame, language: Language) -> Vec<String> {
    let columns = [
        "set-at",
        "recorded-at",
        "reported-on",
        "actor",
        "office",
        "import",
    ];
    let mut cells = vec![heading(&columns, language)];
    let set = blame.fields.iter().map(|field| &field.set_by);
    let origins: BTreeMap<_, &Origin> = set
        .chain(&blame.voided_by)
        .map(|origin| (origin.position, origin))
        .collect();
    let dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    cells.extend(origins.into_values().map(|by| {
        vec![
            format!("#{}", by.position),
            by.recorded_at.to_string(),
            dash(&by.reported_on),
            dash(&by.actor),
            dash(&by.office),
            dash(&by.import),
        ]
    }));
    let mut sides = [Side::Left; 6];
    sides[0] = Side::Right;
    harmless_table(cells, &sides)
}

fn value(field: &FieldBlame, language: Language) -> String {
    use serde_json::Value;
    if field.erased {
        return text(language, "history-erased", &[]);
    }
    match &field.value {
        None => text(language, "history-not-stated", &[]),
        Some(Value::Number(fen)) if field.field == "amount_fen" => {
            format!("{} 元", Fen(fen.as_i64().unwrap_or_default()).to_yuan())
        }
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}
