//! `replay`: history step by step, as a picture that moves or as lines of JSON.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use console::{Style, Term};

use super::log::office_code;
use super::output::Output;
use super::period::period_of;
use super::plan::Plan;
use crate::app::history::{Replay as Playing, ReplayOptions, ReplayStep};
use crate::app::{App, AppError};
use crate::history::numbers::Numbers;
use crate::history::steps::Every;
use crate::history::text::{Course, Frame, Line, Meaning, frame};
use crate::report::ReportError;

/// Arguments of `replay`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  vitaledger replay\n  vitaledger replay --every week --office 990101100001 --period 2014-H1 --speed 4\n  vitaledger replay --from 2014-01-01 --to 2014-03-31 --every month --json | jq .recorded_at\n\nOn a terminal: the date, the position, and every number with its change since the step before\nand its course over the latest steps. Ctrl-C ends it; NO_COLOR takes the colours away.\nElsewhere, and with --json: one object a step with position, recorded_at, entries, and the\nfigures, activities and indicators as reports have them."
)]
pub struct Replay {
    /// Where it begins: a position, an RFC 3339 time, a date (its end), or the file of a
    /// checkpoint. By default before the first entry.
    #[arg(long, value_name = "POSITION|TIME|FILE")]
    from: Option<String>,
    /// Where it ends. By default now.
    #[arg(long, value_name = "POSITION|TIME|FILE")]
    to: Option<String>,
    /// How far a step goes: `day`, `week`, `month` (of the ledger's time, UTC), `entry`, or a
    /// number of entries. By default days, or 60 steps for a log of few days.
    #[arg(long, value_name = "STEP")]
    every: Option<String>,
    /// Steps a second on a terminal.
    #[arg(long, default_value_t = 8.0, value_name = "X")]
    speed: f64,
    /// Whose numbers; by default the office that has none above it.
    #[arg(long, value_name = "CODE")]
    office: Option<String>,
    /// Of which period; by default the calendar year in which most records of a step were
    /// reported, so that the numbers begin anew with the year.
    #[arg(long, value_name = "PERIOD")]
    period: Option<String>,
    #[command(flatten)]
    plan: Plan,
}

/// Reads `--every`.
pub fn every(text: &str) -> Result<Every, AppError> {
    Every::parse(text).ok_or_else(|| {
        AppError::Usage(format!(
            "--every {text} is no step; write day, week, month, entry, or a number of entries"
        ))
    })
}

/// Replays.
pub async fn run(app: App, args: &Replay, output: &Output) -> Result<(), AppError> {
    let replayed = replay(&app, args, output).await;
    app.close().await;
    replayed
}

async fn replay(app: &App, args: &Replay, output: &Output) -> Result<(), AppError> {
    if !(args.speed > 0.0 && args.speed <= 1000.0) {
        return Err(AppError::Usage(
            "--speed is a number of steps a second, above 0 and at most 1000".to_owned(),
        ));
    }
    let moment = async |text: &Option<String>| match text {
        Some(text) => app.size_named(text).await.map(Some),
        None => Ok(None),
    };
    let head = app.ledger.store.head().await?.size;
    let options = ReplayOptions {
        from: moment(&args.from).await?.unwrap_or(0),
        to: moment(&args.to).await?.unwrap_or(head),
        every: args.every.as_deref().map(every).transpose()?,
        office: args.office.as_deref().map(office_code).transpose()?,
        period: args.period.as_deref().map(period_of).transpose()?,
        targets: args.plan.read(app)?,
    };
    let mut playing = Playing::start(app, &options).await?;
    if output.json || !std::io::stdout().is_terminal() {
        return lines(&mut playing).await;
    }
    picture(&mut playing, args.speed, output).await
}

/// One object a step. A reader that closes the pipe has seen enough.
async fn lines(playing: &mut Playing<'_>) -> Result<(), AppError> {
    let mut out = std::io::BufWriter::new(std::io::stdout());
    while let Some(step) = playing.next().await? {
        let line = serde_json::to_string(&step).map_err(ReportError::from)?;
        if writeln!(out, "{line}").is_err() {
            return Ok(());
        }
    }
    let _ = out.flush();
    Ok(())
}

/// Gives the cursor back, however the replay ends.
struct Hidden<'a>(&'a Term);

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        let _ = self.0.show_cursor();
    }
}

/// Draws each step over the one before.
async fn picture(playing: &mut Playing<'_>, speed: f64, output: &Output) -> Result<(), AppError> {
    let term = Term::stdout();
    let _ = term.hide_cursor();
    let hidden = Hidden(&term);
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / speed));
    // A slow step delays the next ones; they do not come in a rush afterwards.
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut course = Course::default();
    let mut before: Option<(ReplayStep, Numbers)> = None;
    let mut drawn = 0;
    loop {
        let next = async {
            let step = playing.next().await;
            tick.tick().await;
            step
        };
        let step = tokio::select! {
            biased;
            _ = &mut interrupted => break,
            step = next => step?,
        };
        let Some(step) = step else { break };
        course.push(&step.numbers);
        let (height, width) = term.size();
        let earlier = before
            .as_ref()
            .filter(|(other, _)| other.period == step.period);
        let lines = frame(
            &Frame {
                step: &step,
                before: earlier.map(|(_, numbers)| numbers),
                name: playing.name(),
                stretch: playing.stretch(),
                window: (usize::from(width), usize::from(height)),
            },
            &course,
            output.locale(),
        );
        let _ = term.write_str(&painted(&lines, drawn));
        let _ = term.flush();
        drawn = lines.len();
        let numbers = step.numbers.clone();
        before = Some((step, numbers));
    }
    drop(hidden);
    let steps = before.map_or(0, |(step, _)| step.step);
    output.say(&format!("{steps} steps"), &format!("共 {steps} 步"));
    Ok(())
}

/// The lines with their colours, over as many that were drawn before. Each line is written whole
/// and only its rest is cleared, so that nothing flickers.
fn painted(lines: &[Line], drawn: usize) -> String {
    let mut picture = String::new();
    if drawn > 0 {
        let _ = write!(picture, "\x1b[{drawn}A");
    }
    for line in lines {
        picture.push('\r');
        for (word, meaning) in line {
            let _ = write!(picture, "{}", style(*meaning).apply_to(word));
        }
        picture.push_str("\x1b[K\n");
    }
    picture.push_str("\x1b[J");
    picture
}

/// How a meaning looks; nothing at all where `NO_COLOR` is set.
fn style(meaning: Meaning) -> Style {
    match meaning {
        Meaning::Plain => Style::new(),
        Meaning::Main => Style::new().bold(),
        Meaning::Aside => Style::new().dim(),
        Meaning::Up => Style::new().cyan(),
        Meaning::Down => Style::new().yellow(),
        Meaning::Met => Style::new().green(),
        Meaning::NotMet => Style::new().red(),
    }
}
