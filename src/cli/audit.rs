//! `audit`: the rules, run, explained, and held against a known truth.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::log::office_code;
use super::output::Output;
use super::registers::as_of;
use crate::app::audit::Audited;
use crate::app::error::failed;
use crate::app::{App, AppError};
use crate::audit::catalogue::Catalogue;
use crate::audit::finding::{Finding, Judged};
use crate::audit::score::{Flagged, Score, read_truth, score};
use crate::ledger::aggregate::finding::Verdict;

/// What to do with the rules.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Run the rules; findings are raised and cleared on the ledger.
    Run(RunArgs),
    /// List the rules with their parameters.
    Rules(RulesArgs),
    /// Explain a finding: the rule, its SQL, the arithmetic, the records, the question.
    Explain(super::explain::ExplainArgs),
    /// Tell what rules would have said at the end of every month of the past.
    Backtest(super::backtest::BacktestArgs),
    /// Hold a run against the truth of a delivery with seeded faults: recall and precision.
    Score(ScoreArgs),
}

/// Which rules.
#[derive(Debug, Args)]
pub struct Which {
    /// A folder with rules of your own, which take the place of built-in ones of the same name,
    /// and with `parameters.json`.
    #[arg(long, value_name = "FOLDER")]
    rules: Option<PathBuf>,
    /// This rule alone; may be given several times.
    #[arg(long, value_name = "ID")]
    rule: Vec<String>,
}

/// From which verdict on a run fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Arithmetic or logic does not hold.
    Fail,
    /// A statistic is out of the ordinary, too.
    Signal,
}

/// What a run gives that is no finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Other {
    /// To look at; needs no answer and is not counted.
    Review,
    /// Too few data to say.
    Insufficient,
    /// Tests that did not signal.
    Quiet,
}

impl Other {
    fn is(self, judged: Judged) -> bool {
        matches!(
            (self, judged),
            (Self::Review, Judged::Review)
                | (Self::Insufficient, Judged::Insufficient)
                | (Self::Quiet, Judged::Quiet)
        )
    }
}

/// Arguments of `audit run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    which: Which,
    /// As of a moment of the past; nothing is written then.
    #[arg(long, value_name = "POSITION|TIME")]
    as_of: Option<String>,
    /// Findings of this office and those below it alone.
    #[arg(long, value_name = "CODE")]
    office: Option<String>,
    /// Write nothing on the ledger.
    #[arg(long)]
    dry_run: bool,
    /// Also list what is no finding: rows to look at, units with too few data to say (with the
    /// smallest effect that so many would show), tests that did not signal.
    #[arg(long, value_name = "WHAT")]
    list: Vec<Other>,
    /// Ask every rule of all records, also those of which the last run can tell what they say of
    /// records that nothing has changed since.
    #[arg(long)]
    whole: bool,
    /// Exit with 10 when there is such a finding.
    #[arg(long, value_name = "VERDICT")]
    fail_on: Option<FailOn>,
}

/// Arguments of `audit rules`.
#[derive(Debug, Args)]
pub struct RulesArgs {
    #[command(flatten)]
    which: Which,
}

/// Arguments of `audit score`.
#[derive(Debug, Args)]
pub struct ScoreArgs {
    #[command(flatten)]
    which: Which,
    /// The truth.
    #[arg(long, value_name = "FILE")]
    truth: PathBuf,
}

/// Does it.
pub async fn run(app: App, audit: &Audit, output: &Output) -> Result<(), AppError> {
    let done = match audit {
        Audit::Run(args) => examine(&app, args, output).await,
        Audit::Rules(args) => list(args, output),
        Audit::Explain(args) => super::explain::run(&app, args, output).await,
        Audit::Backtest(args) => super::backtest::run(&app, args, output).await,
        Audit::Score(args) => judge(&app, args, output).await,
    };
    app.close().await;
    done
}

/// The rules that are meant.
pub(super) fn catalogue(which: &Which) -> Result<Catalogue, AppError> {
    let mut catalogue = match &which.rules {
        Some(folder) => Catalogue::with_folder(folder).map_err(failed("read", folder))?,
        None => Catalogue::built_in(),
    };
    if !which.rule.is_empty() {
        catalogue.keep(&which.rule).map_err(|id| {
            AppError::Usage(format!(
                "there is no rule {id}; `vitaledger audit rules` lists them"
            ))
        })?;
    }
    Ok(catalogue)
}

async fn examine(app: &App, args: &RunArgs, output: &Output) -> Result<(), AppError> {
    let catalogue = catalogue(&args.which)?;
    let office = args.office.as_deref().map(office_code).transpose()?;
    let size = app.size_at(as_of(args.as_of.as_deref())?).await?;
    let mut audited = if args.whole {
        app.audit_whole(&catalogue, size).await?
    } else {
        app.audit(&catalogue, size).await?
    };
    if let Some(top) = office {
        audited.keep_within(top);
    }
    for fault in &audited.run.faults {
        output.say(
            &format!("rule not run: {fault}"),
            &format!("规则未运行：{fault}"),
        );
    }
    if !args.dry_run && args.as_of.is_none() {
        let settled = app.settle(&audited).await?;
        app.keep_details(&audited).await?;
        output.say(
            &format!(
                "{} findings raised, {} cleared, {} stand",
                settled.raised, settled.cleared, settled.standing
            ),
            &format!(
                "新提出{}项，消除{}项，仍存{}项",
                settled.raised, settled.cleared, settled.standing
            ),
        );
    }
    print(&audited, output);
    list_others(&audited, &args.list, output);
    let worst = |verdict| {
        audited
            .run
            .findings
            .iter()
            .any(|finding| finding.verdict == verdict)
    };
    let failed = match args.fail_on {
        None => false,
        Some(FailOn::Fail) => worst(Verdict::Fail),
        Some(FailOn::Signal) => worst(Verdict::Fail) || worst(Verdict::Signal),
    };
    if failed {
        return Err(AppError::Findings(audited.run.findings.len() as u64));
    }
    Ok(())
}

fn print(audited: &Audited, output: &Output) {
    let run = &audited.run;
    if output.json {
        let rules = serde_json::to_value(&run.rules).unwrap_or_default();
        let report = json!({
            "position": run.position,
            "rules_digest": run.rules_digest,
            "level": run.level,
            "rules_asked_of_changes": run.asked_again,
            "rules": rules,
            "faults": run.faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        });
        output.data(&report.to_string());
        return;
    }
    let rows: Vec<Vec<String>> = run
        .rules
        .iter()
        .map(|rule| {
            let simes = rule.simes.filter(|_| rule.tests > 0);
            vec![
                rule.rule.clone(),
                rule.findings.to_string(),
                rule.review.to_string(),
                rule.tests.to_string(),
                rule.before.to_string(),
                rule.insufficient.to_string(),
                simes.map_or_else(String::new, |p| format!("{p:.2e}")),
                format!("{:.1}", rule.took.as_secs_f64() * 1e3),
            ]
        })
        .collect();
    let names = [
        "rule",
        "findings",
        "review",
        "tests",
        "before",
        "insufficient",
        "simes",
        "ms",
    ];
    output.table(&names, &rows);
    let (tests, before) = run.rules.iter().fold((0, 0), |(tests, before), rule| {
        (tests + rule.tests, before + rule.before)
    });
    let signals = run
        .findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Signal)
        .count();
    output.say(
        &format!("{tests} tests, {before} below their gate, {signals} signals at q = 0.10"),
        &format!("检验{tests}项，低于门限{before}项，q = 0.10时信号{signals}项"),
    );
    if run.asked_again > 0 {
        output.say(
            &format!(
                "{} rules were asked only of what changed since the last run (--whole: of everything)",
                run.asked_again
            ),
            &format!("{}条规则仅核查上次运行后的变动（--whole：核查全部）", run.asked_again),
        );
    }
}

/// Lists rows that are no findings. Records are named by their ids, so nothing is disclosed.
fn list_others(audited: &Audited, wanted: &[Other], output: &Output) {
    let others = audited.run.others.iter();
    let others = others.filter(|(judged, _)| wanted.iter().any(|other| other.is(*judged)));
    for (judged, row) in others {
        let numbers: serde_json::Map<_, _> = row
            .numbers
            .iter()
            .map(|(name, number)| (name.clone(), number.to_json()))
            .collect();
        if output.json {
            let line = json!({
                "is": judged.as_str(), "rule": row.rule_name, "office": row.office.to_string(),
                "period": row.period.map(|period| period.to_string()),
                "records": audited.record_ids(row), "p": row.p.map(|p| p.exact),
                "numbers": numbers,
            });
            output.data(&line.to_string());
            continue;
        }
        let period = row.period.map(|period| format!(" {period}"));
        let numbers: Vec<String> = row
            .numbers
            .iter()
            .map(|(name, number)| format!("{name}={number}"))
            .collect();
        output.data(&format!(
            "{} {} {}{} {}",
            judged.as_str(),
            row.rule_name,
            row.office,
            period.unwrap_or_default(),
            numbers.join(" ")
        ));
    }
}

fn list(args: &RulesArgs, output: &Output) -> Result<(), AppError> {
    let catalogue = catalogue(&args.which)?;
    for fault in &catalogue.faults {
        output.say(&fault.to_string(), &fault.to_string());
    }
    let mut rows = Vec::new();
    for (name, rule) in &catalogue.rules {
        let parameters: Vec<String> = rule
            .parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", value.literal()))
            .collect();
        if output.json {
            output.data(
                &json!({
                    "rule": rule.id, "name": name, "version": rule.version,
                    "verdict": rule.verdict.as_str(),
                    "title_en": rule.title.en, "title_zh": rule.title.zh,
                    "parameters": parameters,
                })
                .to_string(),
            );
        }
        rows.push(vec![
            name.clone(),
            rule.verdict.as_str().to_owned(),
            rule.title.get(output.locale()).to_owned(),
            parameters.join(" "),
        ]);
    }
    if !output.json {
        output.table(&["rule", "verdict", "title", "parameters"], &rows);
    }
    Ok(())
}

/// The keys of a finding, as the truth names them.
async fn flagged(app: &App, audited: &Audited) -> Result<Vec<Flagged>, AppError> {
    let findings = || {
        let all = audited.run.findings.iter();
        all.filter(|finding| finding.verdict != Verdict::Insufficient)
    };
    let mut ids: Vec<_> = findings()
        .flat_map(|finding| audited.record_ids(finding))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let numbers = app
        .source_record_ids(&ids, audited.size, "score of the audit")
        .await?;
    let keys = |finding: &Finding| {
        let records = audited.record_ids(finding);
        let mut keys: BTreeSet<String> = records
            .iter()
            .filter_map(|id| numbers.get(id).cloned())
            .collect();
        keys.insert(finding.office.to_string());
        keys.extend(
            finding
                .period
                .map(|period| format!("{}@{period}", finding.office)),
        );
        keys
    };
    Ok(findings()
        .map(|finding| Flagged {
            rule: finding.rule.clone(),
            keys: keys(finding),
        })
        .collect())
}

async fn judge(app: &App, args: &ScoreArgs, output: &Output) -> Result<(), AppError> {
    let file = std::fs::File::open(&args.truth).map_err(failed("open", &args.truth))?;
    let truth = read_truth(file).map_err(|error| {
        AppError::Usage(format!("{} is no truth: {error}", args.truth.display()))
    })?;
    let size = app.size_at(crate::app::reading::AsOf::Head).await?;
    let audited = app.audit(&catalogue(&args.which)?, size).await?;
    for fault in &audited.run.faults {
        output.say(
            &format!("rule not run: {fault}"),
            &format!("规则未运行：{fault}"),
        );
    }
    let result = score(&truth, &flagged(app, &audited).await?);
    show(&result, output);
    Ok(())
}

fn show(result: &Score, output: &Output) {
    if output.json {
        output.data(&serde_json::to_string(result).unwrap_or_default());
        return;
    }
    let share = |part: u64, all: u64| {
        let rational = crate::statistics::rational::Rational::new(part.into(), all.into());
        rational.map_or_else(String::new, |share| share.to_decimal(3))
    };
    let rows: Vec<Vec<String>> = result
        .recall
        .iter()
        .map(|((family, fault), recall)| {
            vec![
                family.clone(),
                fault.clone(),
                recall.owed.to_string(),
                recall.found.to_string(),
                share(recall.found, recall.owed),
            ]
        })
        .collect();
    output.table(&["family", "fault", "owed", "found", "recall"], &rows);
    output.data("");
    let rows: Vec<Vec<String>> = result
        .precision
        .iter()
        .map(|(rule, precision)| {
            vec![
                rule.clone(),
                precision.flagged.to_string(),
                precision.right.to_string(),
                share(precision.right, precision.flagged),
            ]
        })
        .collect();
    output.table(&["rule", "findings", "right", "precision"], &rows);
    for missed in &result.missed {
        output.say(&format!("missed: {missed}"), &format!("未发现：{missed}"));
    }
    for unexplained in &result.unexplained {
        output.say(
            &format!("unexplained: {unexplained}"),
            &format!("无对应差错：{unexplained}"),
        );
    }
}
