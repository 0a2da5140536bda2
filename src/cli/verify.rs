//! `verify`.

use super::args::Verify;
use super::output::Output;
use crate::app::{App, AppError};
use crate::audit::verify::{Scope, Verification};

/// Verifies and prints.
pub async fn run(app: App, args: &Verify, output: &Output) -> Result<(), AppError> {
    let scope = if args.log_only {
        Scope::Log
    } else {
        Scope::Everything
    };
    let report = check(&app, scope, output).await;
    app.close().await;
    match report?.wrong {
        None => Ok(()),
        Some(wrong) => Err(AppError::Integrity(wrong.to_string())),
    }
}

/// Verifies with a progress bar and prints what was covered.
pub async fn check(app: &App, scope: Scope, output: &Output) -> Result<Verification, AppError> {
    let head = app.ledger.store.head().await?;
    let bar = output.progress("entries", "条目", Some(head.size));
    let report = app
        .verify(scope, |entries| bar.set_position(entries))
        .await?;
    bar.finish_and_clear();
    print(&report, app.ledger.simulated, scope, output);
    Ok(report)
}

fn print(report: &Verification, simulated: bool, scope: Scope, output: &Output) {
    if output.json {
        let mut object = serde_json::json!({ "verification": report });
        object["simulated_clock"] = simulated.into();
        output.data(&object.to_string());
        return;
    }
    let rows = [
        ("entries hashed", "已哈希条目", report.entries),
        ("not sealed yet", "尚未封存", report.unsealed),
        ("checkpoints", "检查点", report.checkpoints),
        ("hash tiles", "哈希瓦片", report.tiles),
        ("commitments", "承诺", report.commitments),
        ("erased records", "已擦除记录", report.erased),
        ("register rows", "登记册行", report.register_rows),
    ];
    for (english, chinese, count) in rows {
        let of_everything = matches!(english, "commitments" | "erased records" | "register rows");
        if scope == Scope::Everything || !of_everything {
            output.data(&format!("{:<16}{count}", output.pick(english, chinese)));
        }
    }
    output.data(&format!(
        "{:<16}{}",
        output.pick("root", "根哈希"),
        report.root
    ));
    match &report.wrong {
        None => output.data(output.pick("ok: nothing is wrong", "通过：未发现任何问题")),
        Some(wrong) => output.data(&format!("{}: {wrong}", output.pick("WRONG", "错误"))),
    }
}
