//! What an entry says of itself beside its payload, read off bytes that were found canonical.
//!
//! What comes in: the members of the outermost object ([`Members`]). What goes out: an
//! [`Outline`]. What may fail: anything unusual (an escape in a name, another spelling of an id)
//! gives `None`, and [`Entry::parse`] decides. What must stay true: an outline is what
//! [`Entry::parse`] would have read; parsing a second time costs more than hashing.

use std::borrow::Cow;
use std::ops::Range;

use uuid::Uuid;

use crate::ledger::canonical::Members;
use crate::model::entry::Entry;
use crate::model::id::Position;
use crate::model::time::Timestamp;

/// Length of the one spelling of ids that is written: hyphenated.
const ID_BYTES: usize = 36;

/// An [`Entry`] without its payload, of which the place is known, and without other metadata.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outline<'a> {
    pub(super) aggregate_id: Uuid,
    pub(super) aggregate_type: Cow<'a, str>,
    pub(super) event_id: Uuid,
    pub(super) event_type: Cow<'a, str>,
    pub(super) format: u8,
    pub(super) idempotency: Option<Cow<'a, str>>,
    pub(super) payload: Range<usize>,
    pub(super) position: Position,
    pub(super) recorded_at: Timestamp,
    pub(super) sequence: u64,
}

/// The names of the members, in order.
const NAMES: [&str; 11] = [
    "aggregate_id",
    "aggregate_type",
    "event_id",
    "event_type",
    "event_version",
    "format",
    "metadata",
    "payload",
    "position",
    "recorded_at",
    "sequence",
];

impl<'a> Outline<'a> {
    /// Reads the members of an entry.
    pub(super) fn of(members: &Members<'a>) -> Option<Self> {
        let names = members.values.iter().map(|(name, _)| *name);
        if !names.eq(NAMES) {
            return None;
        }
        let value = |index: usize| {
            let (_, at) = members.values.get(index)?;
            members.text.get(at.clone())
        };
        plain(value(4)?)?;
        Some(Self {
            aggregate_id: id(value(0)?)?,
            aggregate_type: Cow::Borrowed(plain(value(1)?)?),
            event_id: id(value(2)?)?,
            event_type: Cow::Borrowed(plain(value(3)?)?),
            format: value(5)?.parse().ok()?,
            idempotency: idempotency(value(6)?)?.map(Cow::Borrowed),
            payload: members.values.get(7)?.1.clone(),
            position: value(8)?.parse().ok()?,
            recorded_at: Timestamp::parse_canonical(plain(value(9)?)?)?,
            sequence: value(10)?.parse().ok()?,
        })
    }

    /// The same of an entry that was parsed from them.
    pub(super) fn of_entry(members: &Members<'a>, mut entry: Entry<'a>) -> Self {
        let mut values = members.values.iter();
        let payload = values.find(|(name, _)| *name == "payload");
        Self {
            aggregate_id: entry.aggregate_id,
            aggregate_type: entry.aggregate_type,
            event_id: entry.event_id,
            event_type: entry.event_type,
            format: entry.format,
            idempotency: entry.metadata.remove("idempotency"),
            payload: payload.map_or(0..0, |(_, at)| at.clone()),
            position: entry.position,
            recorded_at: entry.recorded_at,
            sequence: entry.sequence,
        }
    }
}

/// The content of a string without escapes.
fn plain(value: &str) -> Option<&str> {
    let content = value.strip_prefix('"')?.strip_suffix('"')?;
    (!content.contains('\\')).then_some(content)
}

fn id(value: &str) -> Option<Uuid> {
    let text = plain(value).filter(|text| text.len() == ID_BYTES)?;
    Uuid::try_parse(text).ok()
}

/// The idempotency key of metadata, which is an object of strings.
#[expect(clippy::option_option, reason = "unusual metadata, or no key in it")]
fn idempotency(metadata: &str) -> Option<Option<&str>> {
    let mut rest = metadata.strip_prefix('{')?.strip_suffix('}')?;
    if rest.contains('\\') {
        return None;
    }
    let mut found = None;
    while !rest.is_empty() {
        let (name, after) = rest.strip_prefix('"')?.split_once('"')?;
        let (value, after) = after.strip_prefix(":\"")?.split_once('"')?;
        if name == "idempotency" {
            found = Some(value);
        }
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::canonical;

    const ENTRY: &str = concat!(
        r#"{"aggregate_id":"0190a1b2-c3d4-8e5f-8a6b-7c8d9e0f1a2b","aggregate_type":"birth","#,
        r#""event_id":"0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b","event_type":"Recorded","#,
        r#""event_version":"1","format":1,"metadata":{"actor":"a","idempotency":"0f","office":""},"#,
        r#""payload":{"Recorded":{"fields":{"n":1}}},"position":17,"#,
        r#""recorded_at":"2026-01-02T03:04:05.678901Z","sequence":1}"#
    );

    /// Whatever is canonical and has an outline is an entry, and the same one.
    fn agrees(bytes: &[u8]) -> bool {
        let Ok(members) = canonical::members(bytes) else {
            return false;
        };
        let Some(outline) = Outline::of(&members) else {
            return false;
        };
        let entry = Entry::parse(bytes).unwrap();
        let payload = entry.payload.get().to_owned();
        assert_eq!(outline, Outline::of_entry(&members, entry));
        assert_eq!(members.text[outline.payload], payload);
        true
    }

    #[test]
    fn an_outline_is_what_the_parser_reads() {
        assert!(agrees(ENTRY.as_bytes()));
        let mut agreed = 0;
        for at in 0..ENTRY.len() {
            for byte in (b' '..=b'~').chain([0x1f, 0x7f, 0xc3]) {
                let mut changed = ENTRY.as_bytes().to_vec();
                changed[at] = byte;
                agreed += usize::from(agrees(&changed));
                let mut longer = ENTRY.as_bytes().to_vec();
                longer.insert(at, byte);
                agreed += usize::from(agrees(&longer));
            }
            let mut shorter = ENTRY.as_bytes().to_vec();
            shorter.remove(at);
            agreed += usize::from(agrees(&shorter));
        }
        assert!(agreed > 1000, "{agreed}");
    }

    #[test]
    fn what_is_unusual_is_left_to_the_parser() {
        let id = r#""0190a1b2-c3d4-8e5f-8a6b-7c8d9e0f1a2b""#;
        for (from, to) in [
            (r#""actor":"a""#, r#""actor":1"#),
            (r#""actor":"a""#, r#""actor":"\n""#),
            (r#""actor":"a""#, r#""actor":{}"#),
            (r#""format":1"#, r#""format":256"#),
            (r#""format":1"#, r#""format":-1"#),
            (r#""format":1"#, r#""format":"1""#),
            (r#""event_version":"1""#, r#""event_version":1"#),
            (":17", r#":"17""#),
            (r#","sequence":1"#, ""),
            (r#","sequence":1"#, r#","sequence":1,"z":1"#),
            (id, &id.replace('-', "")),
        ] {
            let changed = ENTRY.replacen(from, to, 1);
            assert_ne!(changed, ENTRY);
            let members = canonical::members(changed.as_bytes()).unwrap();
            assert_eq!(Outline::of(&members), None, "{to}");
        }
    }
}
