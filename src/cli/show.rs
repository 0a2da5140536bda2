//! `show`: the life of a record.

use std::collections::{BTreeMap, HashMap};

use super::args::Show;
use super::log::after_close;
use super::output::Output;
use crate::app::late::AfterClose;
use crate::app::{App, AppError};
use crate::ledger::history::{LifeEvent, RecordHistory, What};
use crate::model::cell::Value;
use crate::model::entry::leaf_hash;
use crate::model::fields::AnyFields;
use crate::model::id::Position;
use crate::model::schema::RecordKind;
use crate::model::slot::Slot;
use crate::store::StoredEntry;

/// What stands for a sealed value that is not shown.
const MASK: &str = "••••";

/// Shows a record.
pub async fn run(app: App, args: &Show, output: &Output) -> Result<(), AppError> {
    let shown = show(&app, args, output).await;
    app.close().await;
    shown
}

async fn show(app: &App, args: &Show, output: &Output) -> Result<(), AppError> {
    let id = app.record_named(&args.id)?;
    let history = app
        .ledger
        .history(id)
        .await?
        .ok_or_else(|| AppError::Usage(format!("there is no record {id}")))?;
    if args.unseal {
        let slots: Vec<Slot> = history
            .events
            .iter()
            .flat_map(|life| life.event.commitments.slots())
            .collect();
        let purpose = args.purpose.as_deref().unwrap_or_default();
        let receipt = app.disclose(vec![id], slots, purpose).await?;
        let position = receipt.position;
        output.say(
            &format!("sealed fields are shown; the entry at {position} says so"),
            &format!("已显示密封字段，并记入位置 {position} 的条目"),
        );
    }
    let entries: Vec<StoredEntry> = history
        .events
        .iter()
        .map(|life| StoredEntry {
            position: life.position,
            bytes: life.bytes.clone(),
        })
        .collect();
    let marks = app.after_a_close(&app.closes().await?, &entries).await?;
    if output.json {
        output.data(&json(app, &history, &marks, args.unseal).to_string());
        return Ok(());
    }
    let kind = if output.chinese() {
        history.kind.zh()
    } else {
        history.kind.as_str()
    };
    output.data(&format!("{kind} {id}"));
    if let Some(position) = history.erased_by {
        output.data(&format!(
            "{} {position}",
            output.pick(
                "valid; content erased by the entry at",
                "有效；内容已由该位置的条目擦除："
            )
        ));
    }
    let mut state = BTreeMap::new();
    for life in &history.events {
        let changes = changes(history.kind, &mut state, life, args.unseal);
        let closed = marks.get(&life.position).map_or(&[][..], Vec::as_slice);
        event(life, &changes, closed, output);
    }
    Ok(())
}

/// A change of one field: its name, the old and the new text.
type Change = (String, Option<String>, Option<String>);

/// The fields that an event changed; `state` is brought up to it.
fn changes(
    kind: RecordKind,
    state: &mut BTreeMap<String, Option<String>>,
    life: &LifeEvent,
    unseal: bool,
) -> Vec<Change> {
    let mut after: Vec<(String, Option<String>)> = Vec::new();
    if let Some(fields) = &life.event.fields {
        for (name, _) in AnyFields::columns(kind) {
            after.push((
                (*name).to_owned(),
                fields.get(name).map(|value| text(name, &value)),
            ));
        }
    }
    for slot in life.event.commitments.slots() {
        let value = match &life.opened {
            None => Some("(erased)".to_owned()),
            Some(opened) => opened
                .iter()
                .find(|opened| opened.slot == slot)
                .and_then(|opened| opened.value.as_ref())
                .map(|value| {
                    if unseal {
                        value.to_string()
                    } else {
                        MASK.to_owned()
                    }
                }),
        };
        after.push((slot.name().to_owned(), value));
    }
    let named: Option<&[String]> = match &life.event.what {
        What::Corrected(names) => Some(names),
        What::Recorded | What::Voided => None,
    };
    let mut changed = Vec::new();
    for (name, value) in after {
        let before = state.insert(name.clone(), value.clone()).flatten();
        // A masked value that changed looks the same before and after: the event names it.
        let differs = named.map_or(value.is_some(), |names| names.contains(&name));
        if differs || name == "reason" {
            changed.push((name, before, value));
        }
    }
    changed
}

fn text(name: &str, value: &Value) -> String {
    match value {
        Value::Integer(fen) if name == "amount_fen" => {
            format!("{} 元", crate::model::cell::Fen(*fen).to_yuan())
        }
        other => other.to_string(),
    }
}

fn event(life: &LifeEvent, changes: &[Change], closed: &[AfterClose], output: &Output) {
    let metadata = |name: &str| {
        let found = life.metadata.iter().find(|(other, _)| other == name);
        found.map_or("-", |(_, value)| value.as_str())
    };
    let what = match life.event.what {
        What::Recorded => output.pick("recorded", "入账"),
        What::Corrected(_) => output.pick("corrected", "更正"),
        What::Voided => output.pick("voided", "作废"),
    };
    output.data(&format!(
        "\n#{}  {what}  v{}  {}  {} {}  {} {}  {} {}",
        life.position,
        life.version,
        life.recorded_at,
        output.pick("by", "操作人"),
        metadata("actor"),
        output.pick("office", "单位"),
        metadata("office"),
        output.pick("source", "来源"),
        metadata("source"),
    ));
    output.data(&format!(
        "    {} {}",
        output.pick("leaf", "叶哈希"),
        hex::encode(leaf_hash(&life.bytes))
    ));
    if let Some(mark) = after_close(closed, output) {
        output.data(&format!("    {mark}"));
    }
    let first = matches!(life.event.what, What::Recorded);
    for (name, before, after) in changes {
        let stated = |value: &Option<String>| {
            value
                .clone()
                .unwrap_or_else(|| output.pick("(not stated)", "（未填）").to_owned())
        };
        if first || name == "reason" {
            output.data(&format!("    {name:<26}{}", stated(after)));
        } else {
            output.data(&format!(
                "    {name:<26}{} -> {}",
                stated(before),
                stated(after)
            ));
        }
    }
}

fn json(
    app: &App,
    history: &RecordHistory,
    marks: &HashMap<Position, Vec<AfterClose>>,
    unseal: bool,
) -> serde_json::Value {
    let mut state = BTreeMap::new();
    let events: Vec<serde_json::Value> = history
        .events
        .iter()
        .map(|life| {
            let changes: Vec<serde_json::Value> =
                changes(history.kind, &mut state, life, unseal)
                    .into_iter()
                    .map(|(field, before, after)| {
                        serde_json::json!({ "field": field, "old": before, "new": after })
                    })
                    .collect();
            let metadata: serde_json::Map<String, serde_json::Value> = life
                .metadata
                .iter()
                .map(|(name, value)| (name.clone(), value.clone().into()))
                .collect();
            serde_json::json!({
                "position": life.position,
                "version": life.version,
                "recorded_at": life.recorded_at,
                "event_id": life.event_id,
                "event": match life.event.what {
                    What::Recorded => "Recorded",
                    What::Corrected(_) => "Corrected",
                    What::Voided => "Voided",
                },
                "metadata": metadata,
                "leaf_hash": hex::encode(leaf_hash(&life.bytes)),
                "changes": changes,
                "after_close_of": marks.get(&life.position).map_or(&[][..], Vec::as_slice),
            })
        })
        .collect();
    serde_json::json!({
        "record_id": history.record_id,
        "kind": history.kind.as_str(),
        "voided": history.voided(),
        "erased_by": history.erased_by,
        "simulated_clock": app.ledger.simulated,
        "events": events,
    })
}
