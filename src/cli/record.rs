//! `record`, `correct`, `void`.

use std::io::Read;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::args::{Change, Record, VoidRecord};
use super::output::Output;
use crate::app::records::{Values, office_of};
use crate::app::{App, AppError};
use crate::ledger::request::Answer;
use crate::model::schema::RecordKind;

fn kind(name: &str) -> Result<RecordKind, AppError> {
    RecordKind::parse(name).ok_or_else(|| {
        let known: Vec<_> = RecordKind::ALL.iter().map(|kind| kind.as_str()).collect();
        AppError::Usage(format!(
            "there is no kind {name}; there are {}",
            known.join(", ")
        ))
    })
}

/// The members of a JSON object in their order, also those with one name.
struct Members(Vec<(String, serde_json::Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Reads a JSON object; the message says where it ends to be one, and quotes nothing of it.
fn object(text: &str) -> Result<Vec<(String, serde_json::Value)>, AppError> {
    let wrong = |error: serde_json::Error| {
        AppError::Usage(format!(
            "standard input is no JSON object, as is seen at line {}, column {}",
            error.line(),
            error.column()
        ))
    };
    Ok(serde_json::from_str::<Members>(text).map_err(wrong)?.0)
}

/// Values from COLUMN=VALUE arguments, or from a JSON object on standard input.
fn values(arguments: &[String]) -> Result<Values, AppError> {
    let mut values = Values::new();
    if arguments == ["-"] {
        let mut text = String::new();
        let read = std::io::stdin()
            .lock()
            .take(1 << 20)
            .read_to_string(&mut text);
        read.map_err(|source| AppError::File {
            doing: "read",
            path: "standard input".to_owned(),
            source,
        })?;
        for (name, value) in object(&text)? {
            let text = match value {
                serde_json::Value::String(text) => text,
                serde_json::Value::Number(number) => number.to_string(),
                serde_json::Value::Null => String::new(),
                _ => {
                    return Err(AppError::Usage(format!(
                        "{name} is neither text nor number"
                    )));
                }
            };
            if values.insert(name.clone(), text).is_some() {
                return Err(AppError::Usage(format!("{name} is given twice")));
            }
        }
        return Ok(values);
    }
    for (number, argument) in (1..).zip(arguments) {
        // It may be a personal value whose column was forgotten: it is not repeated.
        let (name, value) = argument
            .split_once('=')
            .ok_or_else(|| AppError::Usage(format!("value {number} is not COLUMN=VALUE")))?;
        if values.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(AppError::Usage(format!("{name} is given twice")));
        }
    }
    Ok(values)
}

/// Records one record or office.
pub async fn record(app: App, args: &Record, output: &Output) -> Result<(), AppError> {
    let values = values(&args.values)?;
    let answer = if matches!(args.kind.as_str(), "office" | "offices" | "单位") {
        app.record_office(office_of(&values)?).await
    } else {
        app.record(kind(&args.kind)?, &values, args.idempotency_key.clone())
            .await
    };
    finish(app, answer, output).await
}

/// Corrects one record.
pub async fn correct(app: App, args: &Change, output: &Output) -> Result<(), AppError> {
    let id = app.record_named(&args.id)?;
    let key = args.idempotency_key.clone();
    let values = values(&args.values)?;
    let answer = app
        .correct(kind(&args.kind)?, id, &values, &args.reason, key)
        .await;
    finish(app, answer, output).await
}

/// Withdraws one record.
pub async fn void(app: App, args: &VoidRecord, output: &Output) -> Result<(), AppError> {
    let id = app.record_named(&args.id)?;
    let key = args.idempotency_key.clone();
    let answer = app.void(kind(&args.kind)?, id, &args.reason, key).await;
    finish(app, answer, output).await
}

async fn finish(
    app: App,
    answer: Result<Answer, AppError>,
    output: &Output,
) -> Result<(), AppError> {
    let simulated = app.ledger.simulated;
    app.close().await;
    let answer = answer?;
    let (state, erased_by) = match &answer {
        Answer::Appended(_) => ("recorded", None),
        Answer::Replayed { erased_by, .. } => ("replayed", *erased_by),
    };
    let receipt = answer.receipt();
    if output.json {
        let object = serde_json::json!({
            "answer": state,
            "erased_by": erased_by,
            "receipt": receipt,
            "simulated_clock": simulated,
        });
        output.data(&object.to_string());
        return Ok(());
    }
    let state = match state {
        "recorded" => output.pick("recorded", "已入账"),
        _ => output.pick("replayed: recorded before", "重复：此前已入账"),
    };
    let labels = if output.chinese() {
        ["位置", "记录", "版本", "入账时间", "叶哈希"]
    } else {
        ["position", "record", "version", "recorded at", "leaf hash"]
    };
    output.data(&format!(
        "{state}\n{}  {}\n{}  {}\n{}  {}\n{}  {}\n{}  {}",
        labels[0],
        receipt.position,
        labels[1],
        receipt.aggregate_id,
        labels[2],
        receipt.sequence,
        labels[3],
        receipt.recorded_at,
        labels[4],
        receipt.leaf_hash
    ));
    if let Some(erasure) = erased_by {
        output.say(
            &format!("its content was erased by the entry at {erasure}; nothing was restored"),
            &format!("其内容已由位置 {erasure} 的条目擦除，未恢复任何内容"),
        );
    }
    Ok(())
}
