//! `keys`: what keys there are, and the rotation of the signing key and of the master key.

use clap::Args;

use super::args::Keys;
use super::output::Output;
use crate::app::keys::{KeysInfo, Rotation};
use crate::app::signing::{KeyState, OVERLAP_DAYS, Retirement, SigningKeyInfo, SigningRotation};
use crate::app::{App, AppError};

/// Arguments of `keys rotate`.
#[derive(Debug, Args)]
pub struct Rotate {
    /// Only make the key: its file can be copied to other nodes before the log names it.
    #[arg(long)]
    pub prepare: bool,
}

/// Arguments of `keys retire`.
#[derive(Debug, Args)]
pub struct Retire {
    /// The key: NAME+ID, its identifier, or all of it; by default the oldest that signs.
    #[arg(long, value_name = "NAME+ID")]
    pub key: Option<String>,
    /// For how many days both keys have to sign before.
    #[arg(
        long,
        env = "VITALEDGER_KEY_OVERLAP_DAYS",
        default_value_t = OVERLAP_DAYS,
        value_name = "DAYS"
    )]
    pub overlap_days: u32,
    /// Before that, and although the file `policy` of the ledger knows no other key.
    #[arg(long)]
    pub force: bool,
}

/// Shows the keys, or rotates one.
pub async fn run(app: App, what: &Keys, output: &Output) -> Result<(), AppError> {
    let done = match what {
        Keys::Show => app.keys().await.map(|keys| show(&keys, &app, output)),
        Keys::Rotate(args) => {
            let rotated = app.rotate_signing(args.prepare).await;
            rotated.map(|rotation| signs_too(&rotation, &app, output))
        }
        Keys::Retire(args) => {
            let key = args.key.as_deref();
            let retired = app.retire_signing(key, args.overlap_days, args.force).await;
            retired.map(|retired| signs_no_more(&retired, &app, output))
        }
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
    signing_keys(&keys.signing_keys, output);
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

fn signing_keys(keys: &[SigningKeyInfo], output: &Output) {
    let row = |key: &SigningKeyInfo| {
        let state = match key.state {
            KeyState::Prepared => output.pick("prepared", "已备"),
            KeyState::Signs => output.pick("signs", "签名中"),
            KeyState::Retired => output.pick("retired", "已停用"),
        };
        let when = |at: &Option<(u64, String)>| {
            let told = at
                .as_ref()
                .map(|(position, time)| format!("#{position} {time}"));
            told.unwrap_or_else(|| "-".to_owned())
        };
        vec![
            state.to_owned(),
            when(&key.since),
            when(&key.until),
            output
                .pick(
                    if key.file.is_some() { "here" } else { "-" },
                    if key.file.is_some() { "本机" } else { "-" },
                )
                .to_owned(),
            key.verifier_key.clone(),
        ]
    };
    let heading = if output.chinese() {
        ["签名密钥", "起", "止", "私钥", "验证公钥"]
    } else {
        ["signing key", "since", "until", "secret", "verifier key"]
    };
    let rows: Vec<Vec<String>> = keys.iter().map(row).collect();
    output.table(&heading, &rows);
}

fn signs_too(rotation: &SigningRotation, app: &App, output: &Output) {
    if output.json {
        let object =
            serde_json::json!({ "rotation": rotation, "simulated_clock": app.ledger.simulated });
        output.data(&object.to_string());
        return;
    }
    let (key, file) = (&rotation.verifier_key, &rotation.file);
    let Some(receipt) = &rotation.receipt else {
        output.data(&output.pick_owned(
            format!("prepared {key}\nin {file}"),
            format!("已备 {key}\n位于 {file}"),
        ));
        output.say(
            "Copy that file to the keys of every other node, then run `vitaledger keys rotate`.",
            "请将该文件复制到其他各节点的密钥文件夹，然后运行 `vitaledger keys rotate`。",
        );
        return;
    };
    let position = receipt.position;
    output.data(&output.pick_owned(
        format!("{key} signs too since the entry at {position}; its secret is in {file}"),
        format!("自位置 {position} 的条目起，{key} 一并签名；私钥位于 {file}"),
    ));
    let vkey = app.folder.join("log.vkey");
    let vkey = vkey.display();
    output.say(
        &format!(
            "Hand out {vkey}, which has both keys, and give other nodes {file}: one that lacks it\nsigns nothing. Renew the copy that you keep of the keys' folder. After {OVERLAP_DAYS} days, `vitaledger keys retire`."
        ),
        &format!(
            "请分发 {vkey}（含两把公钥），并将 {file} 复制到其他节点：缺少它的节点不再签名。\n请更新您另行保存的密钥文件夹副本。{OVERLAP_DAYS} 天后运行 `vitaledger keys retire`。"
        ),
    );
}

fn signs_no_more(retired: &Retirement, app: &App, output: &Output) {
    if output.json {
        let object =
            serde_json::json!({ "retirement": retired, "simulated_clock": app.ledger.simulated });
        output.data(&object.to_string());
        return;
    }
    let (key, signing) = (&retired.verifier_key, retired.signing.join(", "));
    output.data(&output.pick_owned(
        format!("{key} signs no more; signing: {signing}"),
        format!("{key} 不再签名；签名公钥：{signing}"),
    ));
    if retired.destroyed {
        output.say(
            "Its secret half was destroyed here; other nodes destroy theirs when they are next used.\nDestroy your own copies of it.",
            "本机的私钥已销毁；其他节点将在下次使用时销毁。请销毁您另存的副本。",
        );
    }
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
