//! The schemas of webhooks.

use serde_json::{Value, json};

use super::{flag, list, object, or_null, text};

pub fn webhook() -> Value {
    object(
        &[
            ("url", text("Where the events are delivered.")),
            (
                "public_keys",
                list(&text(
                    "A key by which signatures of the scheme `v1a` of Standard Webhooks are verified: `whpk_` and base64. The newest is first; after a replacement, the one before is there for a day.",
                )),
            ),
        ],
        2,
    )
}

pub fn webhook_asked() -> Value {
    object(
        &[(
            "url",
            json!({ "type": "string", "format": "uri", "maxLength": 2048, "description": "The address of the endpoint, https://host/path. It has to be a public one, unless the server permits others." }),
        )],
        1,
    )
}

pub fn webhook_tested() -> Value {
    object(
        &[
            ("accepted", flag("Whether the endpoint took it.")),
            ("reason", or_null(text("Why it did not."))),
        ],
        2,
    )
}
