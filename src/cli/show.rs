//! `show`: the life of a record.

use std::collections::BTreeMap;

use super::args::Show;
use super::log::after_close;
use super::output::Output;
use crate::app::late::AfterClose;
use crate::app::timeline::{FieldChange, Timeline, changes};
use crate::app::{App, AppError};
use crate::ledger::history::{LifeEvent, What};
use crate::model::entry::leaf_hash;
use crate::model::slot::Slot;
use crate::store::StoredEntry;

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
        let told = Timeline::of(&history, &marks, args.unseal);
        let mut object = serde_json::to_value(told).unwrap_or_default();
        object["simulated_clock"] = app.ledger.simulated.into();
        output.data(&object.to_string());
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

fn event(life: &LifeEvent, changes: &[FieldChange], closed: &[AfterClose], output: &Output) {
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
    for FieldChange { field, old, new } in changes {
        let stated = |value: &Option<String>| {
            value
                .clone()
                .unwrap_or_else(|| output.pick("(not stated)", "（未填）").to_owned())
        };
        if first || field == "reason" {
            output.data(&format!("    {field:<26}{}", stated(new)));
        } else {
            output.data(&format!(
                "    {field:<26}{} -> {}",
                stated(old),
                stated(new)
            ));
        }
    }
}
