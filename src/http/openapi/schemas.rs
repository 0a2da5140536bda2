//! The schemas of what is sent and answered (JSON Schema 2020-12, as `OpenAPI` 3.1 has it).
//!
//! Those of records are made from [`crate::model::schema`], which is also what reads them.

mod answers;
mod subscriptions;
mod webhooks;

use serde_json::{Map, Value, json};

use crate::model::schema::{CellType, Column, OFFICE, Placement, RecordKind};

/// A reference to a schema by its name.
pub fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The name of the schema of the values of a kind.
fn values_of(kind: RecordKind) -> String {
    let mut words = String::new();
    for word in kind.as_str().split('_') {
        let mut letters = word.chars();
        words.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        words.push_str(letters.as_str());
    }
    words + "Values"
}

/// Every schema by its name.
pub fn all() -> Value {
    let mut all = Map::new();
    for kind in RecordKind::ALL {
        let columns = kind.columns();
        all.insert(values_of(kind), values(columns, kind.as_str(), kind.zh()));
    }
    all.insert("OfficeValues".into(), values(OFFICE, "office", "单位"));
    let any = RecordKind::ALL.map(|kind| reference(&values_of(kind)));
    all.insert("RecordValues".into(), json!({ "anyOf": any }));
    for (name, schema) in [
        ("Problem", answers::problem()),
        ("Receipt", answers::receipt()),
        ("Correction", correction()),
        ("Reason", reason()),
        ("Unsealing", unsealing()),
        ("Unsealed", answers::unsealed()),
        ("Batch", batch()),
        ("BatchAnswer", answers::batch_answer()),
        ("Record", answers::record()),
        ("Timeline", answers::timeline()),
        ("RegisterPage", answers::register_page()),
        ("Offices", answers::offices()),
        ("Indicators", answers::indicators()),
        ("Finding", answers::finding()),
        ("Findings", list_of("findings", &reference("Finding"))),
        ("Answer", one_text("text", "The answer; sealed.")),
        ("OptionalReason", optional_reason()),
        ("Waiver", waiver()),
        ("AuditAsked", audit_asked()),
        ("AuditRun", answers::audit_run()),
        ("Import", answers::import()),
        ("EntryPage", answers::entry_page()),
        ("EvidenceAsked", evidence_asked()),
        ("Me", answers::me()),
        ("LoggedIn", answers::logged_in()),
        ("Ready", answers::ready()),
        ("Subscription", subscriptions::subscription()),
        (
            "Subscriptions",
            list_of("subscriptions", &reference("Subscription")),
        ),
        ("SubscriptionAsked", subscriptions::asked()),
        ("ClaimAsked", subscriptions::claim_asked()),
        ("Claimed", subscriptions::claimed()),
        ("Acknowledgement", subscriptions::acknowledgement()),
        ("Acknowledged", subscriptions::acknowledged()),
        ("Refusal", subscriptions::refusal()),
        ("Refused", subscriptions::refused()),
        ("ReplayAsked", subscriptions::replay_asked()),
        ("Replayed", subscriptions::replayed()),
        ("ResetAsked", subscriptions::reset_asked()),
        ("Webhook", webhooks::webhook()),
        ("WebhookAsked", webhooks::webhook_asked()),
        ("WebhookTested", webhooks::webhook_tested()),
    ] {
        all.insert(name.into(), schema);
    }
    Value::Object(all)
}

/// The values of a record, by column. A correction may hold any of them.
fn values(columns: &[Column], name: &str, zh: &str) -> Value {
    let property = |column: &Column| {
        let placement = match column.placement {
            Placement::Public => "public",
            Placement::Sealed(_) => "sealed",
            Placement::Token => "token",
        };
        let mut schema = json!({
            "title": column.zh,
            "x-placement": placement,
            "type": ["string", "number", "null"],
        });
        match column.cell {
            CellType::Date => schema["description"] = "A date, as 2014-06-30.".into(),
            CellType::Integer => schema["description"] = "A whole number.".into(),
            CellType::Number => schema["description"] = "A number of a document.".into(),
            CellType::Text | CellType::LooseDate | CellType::Field => {}
        }
        (column.name.to_owned(), schema)
    };
    let required: Vec<_> = columns
        .iter()
        .filter(|column| column.required)
        .map(|column| column.name)
        .collect();
    json!({
        "type": "object",
        "title": zh,
        "description": format!("The columns of a {name}. `x-placement` says whether a value stands in the log in clear, is sealed, or becomes a token and is dropped. Chinese names of columns are accepted, too."),
        "properties": columns.iter().map(property).collect::<Map<_, _>>(),
        "x-required-to-record": required,
    })
}

/// An object whose members are these, of which the first `required` must be there.
pub(super) fn object(members: &[(&str, Value)], required: usize) -> Value {
    let names: Vec<_> = members
        .iter()
        .take(required)
        .map(|(name, _)| *name)
        .collect();
    let properties = members
        .iter()
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()));
    json!({
        "type": "object",
        "properties": properties.collect::<Map<_, _>>(),
        "required": names,
    })
}

pub(super) fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

pub(super) fn count(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}

pub(super) fn id(description: &str) -> Value {
    json!({ "type": "string", "format": "uuid", "description": description })
}

pub(super) fn time(description: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": description })
}

pub(super) fn flag(description: &str) -> Value {
    json!({ "type": "boolean", "description": description })
}

pub(super) fn or_null(mut schema: Value) -> Value {
    if let Some(kind) = schema.get("type").cloned() {
        schema["type"] = json!([kind, "null"]);
    }
    schema
}

pub(super) fn list(items: &Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn list_of(name: &str, items: &Value) -> Value {
    object(&[(name, list(items))], 1)
}

pub(super) fn office() -> Value {
    json!({ "type": "string", "pattern": "^[0-9]{12}$", "description": "The 12 digits of an office." })
}

fn one_text(name: &str, description: &str) -> Value {
    object(&[(name, text(description))], 1)
}

fn correction() -> Value {
    object(
        &[
            ("values", reference("RecordValues")),
            ("reason", text("Why; sealed.")),
        ],
        2,
    )
}

fn reason() -> Value {
    one_text("reason", "Why; sealed.")
}

fn optional_reason() -> Value {
    object(&[("reason", text("Why; sealed."))], 0)
}

fn waiver() -> Value {
    object(
        &[
            (
                "until",
                json!({ "type": "string", "format": "date", "description": "The last day on which the finding rests." }),
            ),
            ("reason", text("Why; sealed.")),
        ],
        2,
    )
}

fn unsealing() -> Value {
    object(
        &[
            (
                "purpose",
                text("What for; sealed. The entry that says so is appended first."),
            ),
            (
                "fields",
                list(&text("A sealed column; all when none is named.")),
            ),
        ],
        1,
    )
}

fn change() -> Value {
    let kinds: Vec<_> = RecordKind::ALL.iter().map(|kind| kind.as_str()).collect();
    object(
        &[
            (
                "do",
                json!({ "type": "string", "enum": ["record", "correct", "void"] }),
            ),
            ("kind", json!({ "type": "string", "enum": kinds })),
            ("id", id("Which record, to correct or void.")),
            ("values", reference("RecordValues")),
            ("reason", text("Why, to correct or void; sealed.")),
            (
                "version",
                count("The version that is changed; any when not given."),
            ),
        ],
        2,
    )
}

fn batch() -> Value {
    let mut changes = list(&change());
    changes["minItems"] = 1.into();
    changes["maxItems"] = crate::http::api::MOST_CHANGES.into();
    object(&[("changes", changes)], 1)
}

fn audit_asked() -> Value {
    object(
        &[
            ("rules", list(&text("Only these rules."))),
            ("dry_run", flag("Compute, and put nothing on the ledger.")),
        ],
        0,
    )
}

fn evidence_asked() -> Value {
    object(
        &[
            ("fields", list(&text("A sealed column that is opened."))),
            ("purpose", text("What for, when a field is opened; sealed.")),
        ],
        0,
    )
}
