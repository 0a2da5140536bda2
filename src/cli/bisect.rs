//! `bisect`: since when a condition holds.

use clap::Args;
use serde_json::json;

use super::log::office_code;
use super::output::Output;
use super::period::period_of;
use super::plan::Plan;
use super::replay::every;
use crate::app::history::{
    Bisection, Condition, Ends, Evaluation, QueryCondition, RuleCondition, Turn, bisect, turns,
};
use crate::app::{App, AppError};
use crate::history::difference::Moment;
use crate::history::rule::{Rule, Truth};

/// Arguments of `bisect`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  vitaledger bisect --rule 'births >= 10' --office 990101100001 --period 2014-H1\n  vitaledger bisect --rule 'residents < 7000 and not deaths <= 3' --from 2014-01-31\n  vitaledger bisect --rule 'crude_birth_rate > 15.0' --every day      # every change, day by day\n  vitaledger bisect --rule \"SELECT count(*) >= 10, count(*) FROM births WHERE sex = 'F'\"\n\nA condition compares figures and indicators, by their names in reports' JSON, with numbers or with\none another: < <= > >= = !=, and, or, not, parentheses. Values are exact. An indicator that lacks\nits data is unknown, and what is unknown does not hold.\nA query (SELECT, WITH; see `vitaledger sql --tables`) is a condition when its first column is true\nor false; its other columns are shown as what was seen.\nWithout --every the search by halves finds one change from not holding to holding, in about\nlog2(entries) evaluations; it looks at a few other places and says so when there must be more."
)]
pub struct Bisect {
    /// The condition, or a query in SQL.
    #[arg(long, value_name = "CONDITION|QUERY")]
    rule: String,
    /// Whose numbers; by default the office that has none above it.
    #[arg(long, value_name = "CODE")]
    office: Option<String>,
    /// Of which period; by default the calendar year in which the last record was reported.
    #[arg(long, value_name = "PERIOD")]
    period: Option<String>,
    /// The moment at which it does not hold: a position, an RFC 3339 time, a date (its end),
    /// or the file of a checkpoint. By default before the first entry.
    #[arg(long, value_name = "POSITION|TIME|FILE")]
    from: Option<String>,
    /// The moment at which it holds. By default now.
    #[arg(long, value_name = "POSITION|TIME|FILE")]
    to: Option<String>,
    /// Do not search by halves: look after every `day`, `week`, `month`, `entry` or number of
    /// entries, and list every change.
    #[arg(long, value_name = "STEP")]
    every: Option<String>,
    #[command(flatten)]
    plan: Plan,
}

/// Searches.
pub async fn run(app: App, args: &Bisect, output: &Output) -> Result<(), AppError> {
    let found = search(&app, args, output).await;
    app.close().await;
    found
}

async fn search(app: &App, args: &Bisect, output: &Output) -> Result<(), AppError> {
    let from = match &args.from {
        Some(text) => app.size_named(text).await?,
        None => 0,
    };
    let to = match &args.to {
        Some(text) => app.size_named(text).await?,
        None => app.ledger.store.head().await?.size,
    };
    let mut subject = json!({ "simulated_clock": app.ledger.simulated });
    if QueryCondition::is_query(&args.rule) {
        if args.office.is_some() || args.period.is_some() {
            let what = "a query says itself which office and period it is about; leave --office and --period out";
            return Err(AppError::Usage(what.to_owned()));
        }
        if !output.json {
            output.data(args.rule.trim());
        }
        let mut condition = QueryCondition::new(app, &args.rule).await?;
        return find(app, &mut condition, args, (from, to), subject, output).await;
    }
    let rule = Rule::parse(&args.rule).map_err(|error| AppError::Usage(error.to_string()))?;
    let office = args.office.as_deref().map(office_code).transpose()?;
    let period = args.period.as_deref().map(period_of).transpose()?;
    let targets = args.plan.read(app)?;
    let mut condition = RuleCondition::new(app, rule, office, period, to, targets).await?;
    subject["office"] = json!(condition.office);
    subject["period"] = json!(condition.period);
    if !output.json {
        output.data(&format!(
            "{}  ({} {}, {})",
            args.rule.trim(),
            condition.office,
            condition.name.get(output.locale()),
            condition.period
        ));
    }
    find(app, &mut condition, args, (from, to), subject, output).await
}

/// Finds the change, or every one, and prints.
async fn find(
    app: &App,
    condition: &mut dyn Condition,
    args: &Bisect,
    (from, to): (u64, u64),
    subject: serde_json::Value,
    output: &Output,
) -> Result<(), AppError> {
    if let Some(step) = args.every.as_deref() {
        let step = every(step)?;
        let (ends, turns, evaluations) = turns(app, condition, from, to, step).await?;
        return list(&ends, &turns, evaluations, subject, output);
    }
    let bisection = bisect(app, condition, from, to).await?;
    report(&bisection, subject, output)
}

/// Prints an object with what it is about.
fn object<T: serde::Serialize>(
    part: &T,
    mut subject: serde_json::Value,
    output: &Output,
) -> Result<(), AppError> {
    let part = serde_json::to_value(part).map_err(crate::report::ReportError::from)?;
    if let (Some(all), serde_json::Value::Object(part)) = (subject.as_object_mut(), part) {
        all.extend(part);
    }
    output.data(&subject.to_string());
    Ok(())
}

fn report(
    bisection: &Bisection,
    subject: serde_json::Value,
    output: &Output,
) -> Result<(), AppError> {
    if output.json {
        object(bisection, subject, output)?;
    }
    let Some(turn) = &bisection.found else {
        return Err(AppError::Usage(not_between(&bisection.ends, output)));
    };
    if output.json {
        return Ok(());
    }
    output.data(&turn_line(turn, output));
    if let Some(sides) = sides(turn, output) {
        output.data(&format!("  {sides}"));
    }
    let (evaluations, probes) = (bisection.evaluations, bisection.probes);
    output.say(
        &format!("{evaluations} evaluations"),
        &format!("求值 {evaluations} 次"),
    );
    if bisection.contradictions.is_empty() {
        output.say(
            &format!("note: this is a change, not necessarily the only one; none showed at {probes} other places. --every day lists all"),
            &format!("注意：这是一次变化，未必是唯一一次；另查 {probes} 处未见异常。--every day 可列出全部"),
        );
    } else {
        let at: Vec<_> = bisection
            .contradictions
            .iter()
            .map(ToString::to_string)
            .collect();
        let at = at.join(", ");
        output.say(
            &format!("warning: the condition turned more than once: it is not what one change would make it at position {at}. --every day lists all changes"),
            &format!("警告：条件不止变化一次：在位置 {at} 处与单次变化不符。--every day 可列出全部变化"),
        );
    }
    Ok(())
}

/// Why a search by halves has nothing to find, with the values at both ends.
fn not_between(ends: &Ends, output: &Output) -> String {
    let from = end_line(&ends.from, &ends.at_from, output);
    let to = end_line(&ends.to, &ends.at_to, output);
    let turned = ends.at_from.truth.holds() && !ends.at_to.truth.holds();
    let (hint, hint_zh) = if turned {
        (
            "; put `not (...)` around it to find where it ceased to hold",
            "；如要查找何时不再成立，请写作 `not (...)`",
        )
    } else {
        (
            "; --every day lists every change between",
            "；--every day 可列出其间全部变化",
        )
    };
    output.pick_owned(
        format!("the condition must not hold at the first moment and hold at the second, but {from}, and {to}{hint}"),
        format!("条件须在起点不成立、在终点成立，但{from}，{to}{hint_zh}"),
    )
}

fn list(
    ends: &Ends,
    turns: &[Turn],
    evaluations: u64,
    subject: serde_json::Value,
    output: &Output,
) -> Result<(), AppError> {
    if output.json {
        for turn in turns {
            object(turn, json!({ "type": "turn" }), output)?;
        }
        let mut summary = subject;
        summary["type"] = "summary".into();
        summary["turns"] = turns.len().into();
        summary["evaluations"] = evaluations.into();
        return object(ends, summary, output);
    }
    output.data(&end_line(&ends.from, &ends.at_from, output));
    for turn in turns {
        output.data(&turn_line(turn, output));
        if let Some(sides) = sides(turn, output) {
            output.data(&format!("  {sides}"));
        }
    }
    let number = turns.len();
    output.say(
        &format!("{number} changes, {evaluations} evaluations"),
        &format!("{number} 次变化，求值 {evaluations} 次"),
    );
    Ok(())
}

/// Where it turned, and what the entry there is.
fn turn_line(turn: &Turn, output: &Output) -> String {
    let actor = turn.actor.as_deref().unwrap_or("-");
    format!(
        "{} {}  {} {} {}  {} {actor}",
        moment_words(&turn.moment, output),
        truth(turn.after.truth, output),
        turn.aggregate_type,
        turn.event_type,
        turn.aggregate_id,
        output.pick("by", "操作人"),
    )
}

/// What a moment says, with the numbers that were looked at; a query has none.
fn end_line(moment: &Moment, evaluation: &Evaluation, output: &Output) -> String {
    let said = format!(
        "{} {}",
        moment_words(moment, output),
        truth(evaluation.truth, output)
    );
    match readings(evaluation, output).as_str() {
        "" => said,
        numbers => format!("{said} ({numbers})"),
    }
}

/// The numbers on both sides, where there are any.
fn sides(turn: &Turn, output: &Output) -> Option<String> {
    let (before, after) = (
        readings(&turn.before, output),
        readings(&turn.after, output),
    );
    (!before.is_empty() || !after.is_empty()).then(|| format!("{before} -> {after}"))
}

fn moment_words(moment: &Moment, output: &Output) -> String {
    match (moment.position, moment.recorded_at) {
        (Some(position), Some(at)) => output.pick_owned(
            format!("at position {position} ({at})"),
            format!("位置 {position}（{at}）"),
        ),
        _ => output
            .pick("before the first entry", "首条条目之前")
            .to_owned(),
    }
}

fn truth(truth: Truth, output: &Output) -> &'static str {
    match (truth, output.chinese()) {
        (Truth::True, false) => "it holds",
        (Truth::False, false) => "it does not hold",
        (Truth::Unknown, false) => "it is unknown",
        (Truth::True, true) => "成立",
        (Truth::False, true) => "不成立",
        (Truth::Unknown, true) => "未知",
    }
}

/// The numbers that were looked at.
fn readings(evaluation: &Evaluation, output: &Output) -> String {
    let words = evaluation.readings.iter().map(|reading| {
        let value = reading.value.as_deref();
        let reason = reading.reason.as_ref().map(|r| r.get(output.locale()));
        let said = match (value, reading.exact, reason) {
            (Some(value), Some(_), _) => value,
            (_, _, Some(reason)) => reason,
            (value, _, None) => value.unwrap_or("-"),
        };
        format!("{} = {said}", reading.name)
    });
    words.collect::<Vec<_>>().join(", ")
}
