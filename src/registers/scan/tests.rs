//! Both ways of reading an entry, on entries of every kind and on damaged ones.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::model::entry::Entry;
use crate::model::fields::AnyFields;
use crate::registers::columns::builder::RowBuilder;
use crate::registers::columns::tests::any_fields;
use crate::registers::row::RegisterRow;
use crate::with_fields;

/// What the careful way gives, as columns.
fn carefully(bytes: &[u8]) -> Option<arrow_array::RecordBatch> {
    let row = RegisterRow::of(&Entry::parse(bytes).ok()?).ok()??;
    RowBuilder::batch_of(row.kind(), &[row]).ok()
}

fn in_place(bytes: &[u8]) -> Option<arrow_array::RecordBatch> {
    let row = scan(bytes)?;
    let mut builder = RowBuilder::new(row.kind);
    builder.push_cells(&row).unwrap();
    builder.finish().ok()
}

/// JSON as canonical entries have it: the fields of the structs are in order.
fn json_of(fields: &AnyFields) -> String {
    with_fields!(fields, fields => serde_json::to_string(fields).unwrap())
}

fn any_commitments() -> impl Strategy<Value = String> {
    let slots = select(vec![
        "born_on",
        "id_no",
        "reason",
        "remark",
        "source_record_id",
    ]);
    let text = prop_oneof![
        8 => "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]",
        1 => "[A-Za-z0-9_-]{43}",
        1 => "[A-Za-z0-9+/=_-]{40,44}",
    ];
    prop::collection::vec((slots, text), 0..4).prop_map(|mut pairs| {
        pairs.sort();
        let pairs = pairs
            .iter()
            .map(|(slot, text)| format!("\"{slot}\":\"{text}\""));
        format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
    })
}

/// Whole numbers, dates and texts as they are, and such as are no value of any field.
fn any_field_text(kind: RecordKind) -> BoxedStrategy<String> {
    let strange = select(vec![
        r#"{"plurality":-0}"#,
        r#"{"plurality":01}"#,
        r#"{"plurality":1.0}"#,
        r#"{"plurality":9223372036854775807}"#,
        r#"{"plurality":null}"#,
        r#"{"plurality":1,"plurality":1}"#,
        r#"{"occurred_on":"2014-6-03"}"#,
        r#"{"occurred_on":"2014-02-29"}"#,
        r#"{"occurred_on":"+2014-01-01"}"#,
        r#"{"occurred_on":"0000-01-01"}"#,
        r#"{"period":"2014-+1"}"#,
        r#"{"period":"2014-Q1"}"#,
        r#"{"month":"2014-+1"}"#,
        r#"{"sex":"F"}"#,
        r#"{"sex":"female"}"#,
        r#"{"office":"99010110000"}"#,
        r#"{"source":"village","office":"990101100001"}"#,
        "{ }",
        "{}",
    ]);
    let regular = any_fields(kind).prop_map(|fields| json_of(&fields));
    prop_oneof![4 => regular, 1 => strange.prop_map(str::to_owned)].boxed()
}

fn any_payload(kind: RecordKind) -> BoxedStrategy<String> {
    let id = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    let set_by = select(vec!["born_on", "remark", "no_slot"]);
    let set_by = prop_oneof![
        Just("{}".to_owned()),
        (set_by, id).prop_map(|(slot, id)| format!("{{\"{slot}\":\"{id}\"}}")),
    ];
    let changed = select(vec!["[]", r#"["sex"]"#, r#"["sex","remark"]"#, "[1]"]);
    (any_commitments(), any_field_text(kind), changed, set_by)
        .prop_flat_map(|(commitments, fields, changed, set_by)| {
            select(vec![
                format!(r#"{{"Recorded":{{"commitments":{commitments},"fields":{fields}}}}}"#),
                format!(
                    r#"{{"Corrected":{{"changed":{changed},"commitments":{commitments},"fields":{fields},"set_by":{set_by}}}}}"#
                ),
                format!(r#"{{"Voided":{{"commitments":{commitments}}}}}"#),
                format!(r#"{{"Voided":{{"commitments":{commitments},"fields":{fields}}}}}"#),
            ])
        })
        .boxed()
}

fn any_entry() -> impl Strategy<Value = String> {
    let kind = select(RecordKind::ALL.to_vec());
    let parts = (
        any::<[u8; 16]>(),
        any::<[u8; 16]>(),
        0..1_u64 << 53,
        0..100_u64,
    );
    let micros = -62_135_596_800_000_000..253_402_300_800_000_000_i64;
    let metadata = select(vec![
        "{}",
        r#"{"actor":"a"}"#,
        r#"{"actor":"a","note":"村"}"#,
        r#"{"actor":"a\n"}"#,
        r#"{"actor":1}"#,
    ]);
    (kind, parts, micros, metadata).prop_flat_map(|(kind, parts, micros, metadata)| {
        let (record, event, position, sequence) = parts;
        let (record, event) = (Uuid::from_bytes(record), Uuid::from_bytes(event));
        let at = Timestamp::from_micros(micros).unwrap();
        any_payload(kind).prop_map(move |payload| {
            format!(
                r#"{{"aggregate_id":"{record}","aggregate_type":"{kind}","event_id":"{event}","event_type":"T","event_version":"1","format":1,"metadata":{metadata},"payload":{payload},"position":{position},"recorded_at":"{at}","sequence":{sequence}}}"#
            )
        })
    })
}

/// An entry with some bytes changed, cut out or put in.
fn any_damaged() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), select(b"\"\\{}[],:0-+ 9zA\n".to_vec())];
    let damage = (any::<Index>(), byte, 0..3_u8);
    (any_entry(), prop::collection::vec(damage, 1..3)).prop_map(|(entry, damages)| {
        let mut bytes = entry.into_bytes();
        for (index, byte, how) in damages {
            let at = index.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// What is read in place is what the careful way gives.
    #[test]
    fn both_ways_give_the_same_row(entry in any_entry()) {
        if let Some(row) = in_place(entry.as_bytes()) {
            prop_assert_eq!(Some(row), carefully(entry.as_bytes()));
        }
    }

    #[test]
    fn nothing_is_read_in_place_that_the_careful_way_refuses(bytes in any_damaged()) {
        if let Some(row) = in_place(&bytes) {
            prop_assert_eq!(Some(row), carefully(&bytes));
        }
    }

    /// An entry of the canonical form is read in place, so that the careful way is the exception.
    #[test]
    fn entries_as_they_are_written_are_read_in_place(
        (kind, fields) in select(RecordKind::ALL.to_vec())
            .prop_flat_map(|kind| (Just(kind), any_fields(kind))),
    ) {
        let fields = json_of(&fields);
        let id = Uuid::from_u128(7);
        let entry = format!(
            r#"{{"aggregate_id":"{id}","aggregate_type":"{kind}","event_id":"{id}","event_type":"Recorded","event_version":"1","format":1,"metadata":{{"actor":"a"}},"payload":{{"Recorded":{{"commitments":{{}},"fields":{fields}}}}},"position":7,"recorded_at":"2014-06-30T09:00:00.000000Z","sequence":1}}"#
        );
        let careful = carefully(entry.as_bytes());
        prop_assert!(careful.is_some());
        // Escapes, numbers of 19 digits and years of five are left to the careful way.
        let usual = fields.bytes().all(|byte| byte != b'\\')
            && !fields.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > 18)
            && !fields.contains("\"+")
            && !fields.contains("\"-");
        if usual {
            prop_assert_eq!(in_place(entry.as_bytes()), careful);
        }
    }
}

#[test]
fn thirty_two_bytes_are_forty_three_characters() {
    assert!(is_commitment(&[b'A'; 43]));
    for (at, byte) in [(42, b'B'), (0, b'='), (5, b'+'), (42, b'/')] {
        let mut text = [b'A'; 43];
        text[at] = byte;
        assert!(!is_commitment(&text), "{at} {byte}");
    }
}
