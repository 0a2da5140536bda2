//! A blame for people: one line a field.

use super::{Side, harmless, table};
use crate::history::blame::{Blame, FieldBlame, Origin};
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
    let mut written = lines.join("\n");
    written.push('\n');
    written
}

fn fields(blame: &Blame, language: Language) -> Vec<String> {
    let heading = [
        "field",
        "value",
        "set-at",
        "change",
        "recorded-at",
        "reported-on",
        "actor",
        "office",
        "import",
    ]
    .map(|column| text(language, &format!("history-column-{column}"), &[]));
    let mut cells = vec![heading.to_vec()];
    cells.extend(blame.fields.iter().map(|field| line(field, language)));
    for cell in cells.iter_mut().flatten() {
        *cell = harmless(cell);
    }
    let mut sides = [Side::Left; 9];
    sides[2] = Side::Right;
    table(&cells, &sides)
}

fn line(field: &FieldBlame, language: Language) -> Vec<String> {
    let by: &Origin = &field.set_by;
    let dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let change = text(language, &format!("history-outcome-{}", by.change), &[]);
    let change = if field.times_set > 1 {
        let times = field.times_set.to_string();
        let args = [("times", times.as_str())];
        format!("{change} ({})", text(language, "history-blame-set-times", &args))
    } else {
        change
    };
    vec![
        field.field.clone(),
        value(field, language),
        format!("#{}", by.position),
        change,
        by.recorded_at.to_string(),
        dash(&by.reported_on),
        dash(&by.actor),
        dash(&by.office),
        dash(&by.import),
    ]
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
