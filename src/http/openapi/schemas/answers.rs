//! The schemas of what is answered.

use serde_json::{Value, json};

use super::{count, flag, id, list, object, office, or_null, reference, text, time};
use crate::http::problem::Kind;

pub fn receipt() -> Value {
    object(
        &[
            (
                "answer",
                json!({ "type": "string", "enum": ["recorded", "replayed"], "description": "`replayed`: the same was recorded before, and this is its first receipt." }),
            ),
            (
                "position",
                count("Where the entry stands in the log, from 0."),
            ),
            ("record_id", id("The record, or the stream.")),
            ("event_id", id("The event.")),
            ("version", count("The version of the record, from 1.")),
            ("recorded_at", time("When the ledger learned of it.")),
            (
                "leaf_hash",
                text("RFC 6962 leaf hash of the entry, 64 hexadecimal digits."),
            ),
            (
                "proof",
                text("Where the proof will be, once a checkpoint covers the entry."),
            ),
            (
                "erased_by",
                or_null(count("The entry that erased the content since.")),
            ),
        ],
        8,
    )
}

pub fn unsealed() -> Value {
    object(
        &[
            ("record_id", id("The record.")),
            ("version", count("Its version.")),
            (
                "disclosure",
                count("The entry that says that this was shown."),
            ),
            (
                "values",
                json!({ "type": "object", "additionalProperties": { "type": ["string", "null"] } }),
            ),
        ],
        4,
    )
}

pub fn batch_answer() -> Value {
    let one = json!({ "anyOf": [reference("Receipt"), reference("Problem")] });
    object(
        &[
            (
                "recorded",
                count("Changes that were recorded, now or before."),
            ),
            (
                "refused",
                count("Changes that were refused; the others were recorded."),
            ),
            ("answers", list(&one)),
        ],
        3,
    )
}

pub fn record() -> Value {
    object(
        &[
            ("record_id", id("The record.")),
            ("kind", text("Its kind.")),
            ("version", count("Its version, from 1.")),
            ("position", count("The entry of that version.")),
            (
                "recorded_at",
                time("When the ledger learned of that version."),
            ),
            ("voided", flag("Whether it was withdrawn.")),
            (
                "erased_by",
                or_null(count("The entry that erased its content.")),
            ),
            ("as_of", count("Entries that count.")),
            (
                "public",
                json!({ "type": "object", "description": "What stands in the log in clear.", "additionalProperties": { "type": ["string", "number"] } }),
            ),
            ("sealed", list(&text("A sealed column that is stated."))),
        ],
        10,
    )
}

pub fn timeline() -> Value {
    let change = object(
        &[
            ("field", text("The column.")),
            ("old", or_null(text("What it was."))),
            (
                "new",
                or_null(text("What it is; sealed values are masked.")),
            ),
        ],
        3,
    );
    let event = object(
        &[
            ("position", count("Where it stands.")),
            ("version", count("The version of the record after it.")),
            ("recorded_at", time("When the ledger learned of it.")),
            ("event_id", id("The event.")),
            (
                "event",
                json!({ "type": "string", "enum": ["Recorded", "Corrected", "Voided"] }),
            ),
            (
                "metadata",
                json!({ "type": "object", "additionalProperties": { "type": "string" } }),
            ),
            ("leaf_hash", text("RFC 6962 leaf hash, hexadecimal.")),
            ("changes", list(&change)),
            ("after_close_of", list(&json!({ "type": "object" }))),
        ],
        9,
    );
    object(
        &[
            ("record_id", id("The record.")),
            ("kind", text("Its kind.")),
            ("voided", flag("Whether it was withdrawn.")),
            (
                "erased_by",
                or_null(count("The entry that erased its content.")),
            ),
            ("events", list(&event)),
        ],
        5,
    )
}

pub fn register_page() -> Value {
    object(
        &[
            ("kind", text("The kind of record.")),
            ("as_of", count("Entries that count.")),
            ("office", office()),
            (
                "rows",
                list(
                    &json!({ "type": "object", "description": "position, record_id, version, recorded_at, and the public columns." }),
                ),
            ),
            ("next", or_null(text("The cursor of the next page."))),
        ],
        4,
    )
}

pub fn offices() -> Value {
    let one = object(
        &[
            ("code", office()),
            ("level", text("county, township, village or facility.")),
            ("name_zh", text("Its Chinese name.")),
            ("name_en", text("Its English name.")),
            ("parent", office()),
        ],
        2,
    );
    object(
        &[
            ("as_of", count("Entries that count.")),
            ("offices", list(&one)),
        ],
        2,
    )
}

pub fn indicators() -> Value {
    object(
        &[
            ("office", json!({ "type": "object" })),
            ("period", json!({})),
            ("as_of", count("Entries that count.")),
            ("figures", list(&json!({ "type": "object" }))),
            ("indicators", list(&json!({ "type": "object" }))),
            ("notes", list(&json!({ "type": "object" }))),
        ],
        6,
    )
}

pub fn finding() -> Value {
    object(
        &[
            ("id", id("The finding.")),
            ("rule", text("The rule.")),
            (
                "verdict",
                json!({ "type": "string", "enum": ["fail", "signal"] }),
            ),
            ("state", text("Where it stands.")),
            ("office", office()),
            (
                "period",
                json!({ "description": "The period, for a finding about one." }),
            ),
            ("records", list(&id("A record."))),
            ("p", json!({ "type": ["number", "null"] })),
            ("q", json!({ "type": ["number", "null"] })),
            (
                "position",
                count("The last entry that the run took into account."),
            ),
            ("message_en", or_null(text("What the office is asked."))),
            ("message_zh", or_null(text("The same in Chinese."))),
            ("numbers", json!({ "type": ["object", "null"] })),
        ],
        7,
    )
}

pub fn audit_run() -> Value {
    object(
        &[
            (
                "position",
                or_null(count("The last entry that was taken into account.")),
            ),
            ("rules_digest", text("SHA-256 of the rules.")),
            (
                "findings",
                count("Findings of the office of the token and those below it."),
            ),
            ("raised", count("Put on the ledger now.")),
            ("cleared", count("No longer found.")),
            ("standing", count("On the ledger before.")),
            ("rules", list(&json!({ "type": "object" }))),
            ("faults", list(&text("A rule that could not be run."))),
        ],
        3,
    )
}

pub fn import() -> Value {
    let part = object(
        &[
            ("name", text("The file or sheet.")),
            ("kind", text("What its rows are.")),
            ("read", count("Rows that were read.")),
            ("recorded", count("Rows that were recorded.")),
            ("replayed", count("Rows that were recorded before.")),
            ("erased", count("Of these, those that were erased since.")),
            ("refused", count("Rows that were refused.")),
        ],
        7,
    );
    object(
        &[
            ("import_id", id("The import.")),
            ("dry_run", flag("Whether nothing was appended.")),
            ("parts", list(&part)),
            (
                "stopped",
                list(&text("A file whose reading ended early, and why.")),
            ),
            (
                "rejects",
                or_null(text(
                    "Every refused row with its reason, as comma-separated values.",
                )),
            ),
        ],
        4,
    )
}

pub fn entry_page() -> Value {
    let one = object(
        &[
            ("position", count("Where it stands.")),
            ("recorded_at", time("When the ledger learned of it.")),
            ("aggregate_type", text("The type of its stream.")),
            ("aggregate_id", id("Its stream.")),
            ("sequence", count("The version of its stream.")),
            ("event_type", text("What happened.")),
            ("office", or_null(office())),
            ("leaf_hash", text("RFC 6962 leaf hash, hexadecimal.")),
        ],
        8,
    );
    object(
        &[
            ("as_of", count("Entries that there are.")),
            ("entries", list(&one)),
            ("next", or_null(text("The cursor of the next page."))),
        ],
        2,
    )
}

pub fn me() -> Value {
    let roles = crate::store::access::TokenRole::ALL.map(crate::store::access::TokenRole::as_str);
    object(
        &[
            ("token", id("The token.")),
            ("role", json!({ "type": "string", "enum": roles })),
            ("office", office()),
            ("expires_at", time("From when on it is void.")),
        ],
        4,
    )
}

pub fn logged_in() -> Value {
    let roles = crate::store::access::TokenRole::ALL.map(crate::store::access::TokenRole::as_str);
    object(
        &[
            (
                "token",
                text("The secret of the token, as `Authorization: Bearer` takes it."),
            ),
            ("role", json!({ "type": "string", "enum": roles })),
            ("office", office()),
            ("expires_at", time("From when on it is void.")),
        ],
        4,
    )
}

pub fn ready() -> Value {
    object(
        &[
            ("ready", flag("Whether all is well.")),
            ("complaints", list(&text("What is not."))),
            (
                "entries",
                or_null(count(
                    "Entries of the log; `null` when the store cannot be reached.",
                )),
            ),
            (
                "sealed",
                count("Entries under the newest checkpoint, at the last look."),
            ),
            (
                "published",
                count("Entries under the checkpoint that is handed out."),
            ),
            (
                "simulated_clock",
                flag("Whether times come from the reports and prove nothing."),
            ),
        ],
        6,
    )
}

pub fn problem() -> Value {
    let words: Vec<_> = Kind::ALL
        .iter()
        .map(|kind| format!("/v1/problems/{}", kind.word()))
        .collect();
    let wrong = object(
        &[
            ("detail", text("What is wrong there, and what to do.")),
            ("detail_zh", text("The same in Chinese.")),
            (
                "pointer",
                text("Where: a JSON Pointer (RFC 6901) into the body."),
            ),
            ("parameter", text("Where: a parameter of the query.")),
            ("header", text("Where: a header.")),
        ],
        2,
    );
    let mut schema = object(
        &[
            (
                "type",
                json!({ "type": "string", "format": "uri-reference", "enum": words }),
            ),
            ("title", text("The kind of problem.")),
            ("title_zh", text("The same in Chinese.")),
            ("status", count("The status of the response.")),
            ("detail", text("What is wrong, and what to do.")),
            ("detail_zh", text("The same in Chinese.")),
            (
                "instance",
                text("The request, as the log of the server names it."),
            ),
            ("errors", list(&wrong)),
            ("position", count("The entry that it is about.")),
            ("version", count("The version that the record has.")),
            ("allow", text("The methods that there are.")),
            ("erased_by", count("The entry that erased the content.")),
        ],
        6,
    );
    schema["description"] = "RFC 9457. No value of the request is repeated.".into();
    schema
}
