//! `keys`: what keys there are, and the rotation of the master key.

use super::args::Keys;
use super::output::Output;
use crate::app::keys::{KeysInfo, Rotation};
use crate::app::{App, AppError};

/// Shows the keys, or rotates the master key.
pub async fn run(app: App, what: &Keys, output: &Output) -> Result<(), AppError> {
    let done = match what {
        Keys::Show => app.keys().await.map(|keys| show(&keys, &app, output)),
        Keys::RotateMaster { force } => {
            let rotated = app.rotate_master(*force).await;
            rotated.map(|rotation| rotated_to(&rotation, &app, output))
        }
    };
    app.close().await;
    done
}

fn show(keys: &KeysInfo, app: &App, output: &Output) {
    if output.json {
        let object = serde_json::json!({ "keys": keys, "simulated_clock": app.ledger.simulated });
        output.data(&object.to_string());
        return;
    }
    let line = |english, chinese, value: &str| {
        let name = output.pick(english, chinese);
        output.table(&[name, value], &[]);
    };
    line("origin", "日志来源", &keys.origin);
    for key in &keys.verifier_keys {
        line("verifier key", "验证公钥", key);
    }
    let unknown = || output.pick("unknown", "未知").to_owned();
    let rows: Vec<Vec<String>> = keys
        .master_keys
        .iter()
        .map(|key| {
            let made_on = key.made_on.map_or_else(unknown, |day| day.to_string());
            vec![key.number.to_string(), made_on, key.wraps.to_string()]
        })
        .collect();
    let heading = if output.chinese() {
        ["主密钥", "创建日期", "所封装的密钥数"]
    } else {
        ["master key", "made on", "wraps keys"]
    };
    output.table(&heading, &rows);
    let due = match (keys.rotation_due, keys.rotate_on) {
        (false, Some(day)) => day.to_string(),
        _ => output.pick("due now", "已到期").to_owned(),
    };
    line("next rotation", "下次轮换", &due);
}

fn rotated_to(rotation: &Rotation, app: &App, output: &Output) {
    if output.json {
        let object =
            serde_json::json!({ "rotation": rotation, "simulated_clock": app.ledger.simulated });
        output.data(&object.to_string());
        return;
    }
    let (to, rewrapped) = (rotation.to, rotation.rewrapped);
    let destroyed: Vec<String> = rotation.destroyed.iter().map(u32::to_string).collect();
    let destroyed = destroyed.join(", ");
    output.data(output.pick(
        &format!("master key {to} wraps {rewrapped} keys anew; destroyed: {destroyed}"),
        &format!("主密钥 {to} 已重新封装 {rewrapped} 个密钥；已销毁：{destroyed}"),
    ));
    output.say(
        "Renew the copy that you keep of the keys' folder: an older one opens nothing any more.",
        "请更新您另行保存的密钥文件夹副本：旧副本已无法打开任何密封内容。",
    );
}
