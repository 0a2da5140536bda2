//! `erase`.

use std::io::{BufRead, IsTerminal};

use super::args::Erase;
use super::output::Output;
use crate::app::erase::{Approval, PlannedRecord};
use crate::app::{App, AppError};

/// Lists what would be erased, asks, and erases.
pub async fn run(app: App, args: &Erase, output: &Output) -> Result<(), AppError> {
    let done = erase(&app, args, output).await;
    app.close().await;
    done
}

async fn erase(app: &App, args: &Erase, output: &Output) -> Result<(), AppError> {
    let approved_by: [String; 2] = args.approved_by.clone().try_into().map_err(|_| {
        AppError::Usage("an erasure needs --approved-by twice, two different persons".to_owned())
    })?;
    let ids = match &args.person_of {
        Some(record) => app.records_of_person(app.record_named(record)?).await?,
        None => args
            .records
            .iter()
            .map(|name| app.record_named(name))
            .collect::<Result<Vec<_>, _>>()?,
    };
    let plan = app.plan_erasure(&ids).await?;
    list(&plan, output);
    confirm(plan.len(), args.confirm, output)?;
    let approval = Approval {
        legal_basis: args.legal_basis.clone(),
        approved_by,
    };
    let receipts = app.erase(&plan, &approval).await?;
    if output.json {
        let object = serde_json::json!({
            "erased": plan.len(),
            "receipts": receipts,
            "simulated_clock": app.ledger.simulated,
        });
        output.data(&object.to_string());
        return Ok(());
    }
    for receipt in &receipts {
        output.data(&format!(
            "{} {}  {}",
            output.pick("erased by the entry at", "已擦除，条目位置"),
            receipt.position,
            receipt.leaf_hash
        ));
    }
    output.say(
        "Backups of the vault still hold what was sealed; restoring one applies this erasure again.\nEvidence that was handed out cannot be recalled.",
        "保险库的旧备份中仍有密封内容；恢复备份时会重新执行本次擦除。\n已经交出的证据无法收回。",
    );
    Ok(())
}

fn list(plan: &[PlannedRecord], output: &Output) {
    if output.json {
        if let Ok(text) = serde_json::to_string(plan) {
            output.data(&format!("{{\"plan\":{text}}}"));
        }
        return;
    }
    let heading = if output.chinese() {
        ["记录", "类别", "条目", "密封字段"]
    } else {
        ["record", "kind", "entries", "sealed fields"]
    };
    let rows: Vec<Vec<String>> = plan
        .iter()
        .map(|record| {
            let positions: Vec<String> = record.positions.iter().map(ToString::to_string).collect();
            vec![
                record.record_id.to_string(),
                record.kind.clone(),
                positions.join(" "),
                record.slots.join(" "),
            ]
        })
        .collect();
    output.table(&heading, &rows);
}

fn confirm(listed: usize, given: Option<usize>, output: &Output) -> Result<(), AppError> {
    let refused = |what: String| Err(AppError::Usage(format!("{what}; nothing was erased")));
    if listed == 0 {
        return refused("there is nothing to erase".to_owned());
    }
    if let Some(number) = given {
        if number == listed {
            return Ok(());
        }
        return refused(format!(
            "{listed} records are listed, but --confirm={number} was given"
        ));
    }
    if !std::io::stdin().is_terminal() {
        return refused(format!(
            "this cannot be undone; confirm with --confirm={listed}"
        ));
    }
    output.say(
        &format!("This cannot be undone. Type {listed} to erase:"),
        &format!("此操作无法撤销。输入 {listed} 以擦除："),
    );
    let mut line = String::new();
    let _ = std::io::stdin().lock().read_line(&mut line);
    if line.trim() == listed.to_string() {
        Ok(())
    } else {
        refused("not confirmed".to_owned())
    }
}
