//! The schemas of named subscriptions.

use serde_json::{Value, json};

use super::{count, id, list, object, office, or_null, text, time};
use crate::store::subscriptions::Settings;

/// How a subscription deals with its consumers; what is not said is as it was or as here.
fn settings() -> [(&'static str, Value); 5] {
    let usual = Settings::default();
    let with = |mut schema: Value, usual: u32| {
        schema["default"] = usual.into();
        schema
    };
    [
        (
            "max_attempts",
            with(
                count("How often an event is handed out before it is parked; 1 to 1000."),
                usual.max_attempts,
            ),
        ),
        (
            "backoff_base_ms",
            with(
                count(
                    "Milliseconds that a refused event waits the first time; twice as long each time after that, with chance.",
                ),
                usual.backoff_base_ms,
            ),
        ),
        (
            "backoff_cap_ms",
            with(
                count("Most milliseconds that it waits, up to a day."),
                usual.backoff_cap_ms,
            ),
        ),
        (
            "window",
            with(
                count("Events that are taken in at a time; 1 to 10,000."),
                usual.window,
            ),
        ),
        (
            "lease_ms",
            with(
                count(
                    "Milliseconds that a consumer has for what it was handed; a second to an hour.",
                ),
                usual.lease_ms,
            ),
        ),
    ]
}

pub fn asked() -> Value {
    let mut members = vec![
        (
            "kinds",
            list(&text(
                "Only these types of streams, as birth or office; all when there is none.",
            )),
        ),
        ("only_office", office()),
        (
            "from",
            count("The first position; the end of the log when nothing is said."),
        ),
    ];
    members.extend(settings());
    object(&members, 0)
}

pub fn subscription() -> Value {
    let consumer = object(
        &[
            ("name", text("What it calls itself.")),
            ("seen_at", time("When it last asked.")),
        ],
        2,
    );
    let mut members = vec![
        ("name", text("Its name.")),
        (
            "state",
            json!({ "type": "string", "enum": ["active", "paused", "disabled"] }),
        ),
        ("office", or_null(office())),
        ("kinds", list(&text("A type of streams."))),
        ("only_office", or_null(office())),
        ("created_at", time("When it was made.")),
        ("head", count("Entries of the log.")),
        (
            "scanned_to",
            count("The first position that it has not looked at."),
        ),
        (
            "lag",
            count("Entries that it has not looked at, and events that are not acknowledged."),
        ),
        ("ready", count("Events that can be handed out now.")),
        ("leased", count("Events that consumers work on.")),
        (
            "waiting",
            count("Events that were refused and will come again."),
        ),
        (
            "behind",
            count("Events that stand behind another one of their record."),
        ),
        (
            "parked",
            count("Events that were refused too often; replay them when the cause is mended."),
        ),
        (
            "held",
            count("Events that stand behind a parked one of their record."),
        ),
        (
            "oldest",
            or_null(count("The first position that is not acknowledged.")),
        ),
        (
            "oldest_age_ms",
            or_null(count("For how many milliseconds it is known.")),
        ),
        (
            "stuck",
            json!({ "type": ["string", "null"], "enum": ["parked", "waits", null], "description": "Why somebody must look at it." }),
        ),
        ("consumers", list(&consumer)),
        (
            "endpoint",
            or_null(text("Where the server itself delivers to.")),
        ),
    ];
    members.extend(settings());
    let required = members.len();
    object(&members, required)
}

pub fn claim_asked() -> Value {
    object(
        &[
            (
                "consumer",
                json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$", "description": "What the consumer calls itself." }),
            ),
            (
                "most",
                json!({ "type": "integer", "minimum": 1, "maximum": 500, "default": 100, "description": "Most events." }),
            ),
            (
                "wait_s",
                json!({ "type": "integer", "minimum": 0, "maximum": 30, "default": 0, "description": "Seconds to wait when there are none." }),
            ),
        ],
        1,
    )
}

pub fn claimed() -> Value {
    let event = object(
        &[
            ("position", count("Where it stands in the log.")),
            (
                "attempt",
                count("How often it was handed out, with this time."),
            ),
            (
                "event",
                json!({ "type": "object", "description": "A CloudEvent 1.0." }),
            ),
        ],
        3,
    );
    object(
        &[
            (
                "lease",
                id("To be said when events are acknowledged or refused."),
            ),
            ("until", time("Until when nobody else gets the same.")),
            ("events", list(&event)),
        ],
        3,
    )
}

pub fn acknowledgement() -> Value {
    let positions = json!({ "type": "array", "minItems": 1, "maxItems": 1000, "items": count("A position."), "description": "What was dealt with." });
    object(
        &[
            ("lease", id("Under which it was handed out.")),
            ("positions", positions),
        ],
        2,
    )
}

pub fn acknowledged() -> Value {
    object(
        &[
            (
                "acknowledged",
                list(&count("A position that is forgotten now.")),
            ),
            (
                "gone",
                list(&count("A position that was acknowledged before.")),
            ),
        ],
        2,
    )
}

pub fn refusal() -> Value {
    object(
        &[
            ("lease", id("Under which it was handed out.")),
            ("position", count("What could not be dealt with.")),
            (
                "reason",
                text("Why, for whoever looks at parked events; name no person."),
            ),
            (
                "retry_after_s",
                count("Seconds that it waits at least, up to a day."),
            ),
        ],
        2,
    )
}

pub fn refused() -> Value {
    object(
        &[
            (
                "state",
                json!({ "type": "string", "enum": ["waiting", "parked"] }),
            ),
            ("until", time("When it comes again.")),
        ],
        1,
    )
}

pub fn replay_asked() -> Value {
    object(&[("record_id", id("Only those of this record."))], 0)
}

pub fn replayed() -> Value {
    object(&[("replayed", count("Events that come again."))], 1)
}

pub fn reset_asked() -> Value {
    object(&[("to", count("The first position."))], 1)
}
