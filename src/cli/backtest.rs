//! `audit backtest`: what rules would have said over history.

use clap::Args;

use super::audit::{Which, catalogue};
use super::log::office_code;
use super::output::Output;
use super::registers::as_of;
use crate::app::backtest::BacktestStep;
use crate::app::{App, AppError};
use crate::history::steps::Every;

/// Arguments of `audit backtest`.
#[derive(Debug, Args)]
pub struct BacktestArgs {
    #[command(flatten)]
    which: Which,
    /// How long a step is: day, week, month, or a number of entries.
    #[arg(long, default_value = "month", value_name = "STEP")]
    every: String,
    /// Findings of this office and those below it alone.
    #[arg(long, value_name = "CODE")]
    office: Option<String>,
    /// Up to a moment of the past.
    #[arg(long, value_name = "POSITION|TIME")]
    as_of: Option<String>,
}

/// Does it.
pub(super) async fn run(app: &App, args: &BacktestArgs, output: &Output) -> Result<(), AppError> {
    let every = Every::parse(&args.every).ok_or_else(|| {
        AppError::Usage(format!(
            "{} is no step; write day, week, month, or a number of entries",
            args.every
        ))
    })?;
    let rules = catalogue(&args.which)?;
    for fault in &rules.faults {
        output.say(
            &format!("rule not run: {fault}"),
            &format!("规则未运行：{fault}"),
        );
    }
    let office = args.office.as_deref().map(office_code).transpose()?;
    let until = app.size_at(as_of(args.as_of.as_deref())?).await?;
    let mut steps = Vec::new();
    let each = |step: &BacktestStep| {
        if output.json {
            output.data(&serde_json::to_string(step).unwrap_or_default());
        } else {
            steps.push(step.clone());
        }
    };
    app.backtest(&rules, every, office, until, each).await?;
    if !output.json {
        show(&steps, output);
    }
    Ok(())
}

fn show(steps: &[BacktestStep], output: &Output) {
    let names = [
        "until",
        "position",
        "findings",
        "new",
        "gone",
        "review",
        "tests",
        "before",
        "insufficient",
    ];
    let row = |step: &BacktestStep| {
        let day = step.recorded_at.map(|at| at.date().to_string());
        vec![
            day.unwrap_or_default(),
            step.position.to_string(),
            step.findings.to_string(),
            step.brought.len().to_string(),
            step.gone.to_string(),
            step.review.to_string(),
            step.tests.to_string(),
            step.before.to_string(),
            step.insufficient.to_string(),
        ]
    };
    output.table(&names, &steps.iter().map(row).collect::<Vec<_>>());
    for step in steps {
        for finding in &step.brought {
            let day = step.recorded_at.map(|at| at.date().to_string());
            let period = finding.period.as_deref().unwrap_or_default();
            let question = output.pick(&finding.message_en, &finding.message_zh);
            output.data(&format!(
                "{} {} {} {period} {question}",
                day.unwrap_or_default(),
                finding.rule,
                finding.office
            ));
        }
    }
}
