//! Since when a condition holds.
//!
//! A [`Condition`] is anything that is true or false as of a number of entries. One on figures
//! and indicators is a [`RuleCondition`]; others need only say how they are evaluated.

use async_trait::async_trait;
use serde::Serialize;

use super::player::Player;
use super::replay::year_of_most;
use super::{name_of, one_office};
use crate::app::{App, AppError};
use crate::history::difference::Moment;
pub use crate::history::rule::Evaluation;
use crate::history::rule::Rule;
use crate::history::search::{Search, spread};
use crate::history::steps::Every;
use crate::history::tally::Tally;
use crate::indicators::targets::Targets;
use crate::locale::Bilingual;
use crate::model::entry::Entry;
use crate::model::id::{OfficeCode, Position};
use crate::model::period::Period;
use crate::registers::Registers;
use crate::report::ReportError;

/// Numbers of entries on either side of what was found at which it is looked for other changes.
const PROBES: u64 = 8;
/// Entries that are read at once.
const BATCH_ENTRIES: u64 = 4096;

/// What is true or false as of a number of entries.
#[async_trait(?Send)]
pub trait Condition {
    /// As it was written.
    fn text(&self) -> &str;
    /// Whether it holds as of the first `size` entries, and what it saw. Cheapest when sizes grow.
    ///
    /// # Errors
    /// When it cannot be evaluated there.
    async fn evaluate(&mut self, size: u64) -> Result<Evaluation, AppError>;
}

/// A condition on the numbers of an office and a period.
pub struct RuleCondition<'a> {
    app: &'a App,
    registers: Registers,
    rule: Rule,
    /// Whose numbers.
    pub office: OfficeCode,
    /// Its name.
    pub name: Bilingual,
    /// Of which period.
    pub period: Period,
    targets: Targets,
    /// The last number of entries that can be asked for.
    until: u64,
    /// Where it is: `None` only while it moves.
    at: Option<(Player<'a>, Tally)>,
}

impl<'a> RuleCondition<'a> {
    /// For numbers of entries up to `until`. Without a period it is the calendar year in which
    /// the last record of them was reported.
    ///
    /// # Errors
    /// When the office is not known at the end, the store fails, or a sealed date does not open.
    pub async fn new(
        app: &'a App,
        rule: Rule,
        office: Option<OfficeCode>,
        period: Option<Period>,
        until: u64,
        targets: Targets,
    ) -> Result<Self, AppError> {
        let offices = app.offices(until).await?;
        let office = one_office(&offices, office)?;
        let registers = app.registers().await?;
        let player = Player::at(app, &registers, until, until).await?;
        let period = period.unwrap_or_else(|| latest_year(&player));
        let tally = Tally::of(player.playback(), office, period, &targets);
        Ok(Self {
            app,
            registers,
            rule,
            office,
            name: name_of(&offices, office),
            period,
            targets,
            until,
            at: Some((player, tally)),
        })
    }

    /// Goes to a number of entries, forward from where it is or anew from the registers.
    async fn go_to(&mut self, size: u64) -> Result<(Player<'a>, Tally), AppError> {
        match self.at.take() {
            Some((mut player, mut tally)) if player.playback().size() <= size => {
                if let Some(mut taken) = player.go_to(size).await? {
                    tally.follow(player.playback_mut(), &mut taken.changed);
                }
                Ok((player, tally))
            }
            other => {
                let sealed = other.map(|(player, _)| player.into_sealed());
                let sealed = sealed.unwrap_or_default();
                let (app, until) = (self.app, self.until);
                let player = Player::knowing(app, &self.registers, size, until, sealed).await?;
                let tally = Tally::of(player.playback(), self.office, self.period, &self.targets);
                Ok((player, tally))
            }
        }
    }
}

#[async_trait(?Send)]
impl Condition for RuleCondition<'_> {
    fn text(&self) -> &str {
        self.rule.text()
    }

    async fn evaluate(&mut self, size: u64) -> Result<Evaluation, AppError> {
        let (player, tally) = self.go_to(size).await?;
        let evaluation = self.rule.evaluate(tally.counts(), &self.targets);
        self.at = Some((player, tally));
        Ok(evaluation.map_err(ReportError::from)?)
    }
}

fn latest_year(player: &Player<'_>) -> Period {
    use chrono::Datelike;
    let snapshot = player.playback().snapshot();
    let rows = snapshot.rows.values().filter_map(|rows| rows.last());
    let last = rows.max_by_key(|row| row.position);
    let reported: Vec<_> = last.and_then(super::player::reported).into_iter().collect();
    year_of_most(&reported).unwrap_or(Period::Year(snapshot.recorded_at.date().year()))
}

/// The condition at both ends of a stretch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ends {
    /// The first moment.
    pub from: Moment,
    /// What it is there.
    pub at_from: Evaluation,
    /// The second moment.
    pub to: Moment,
    /// What it is there.
    pub at_to: Evaluation,
}

/// A change of a condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Turn {
    /// The first moment at which it is another than at the one before.
    pub moment: Moment,
    /// What the last entry of the moment is of.
    pub aggregate_type: String,
    /// What that entry did.
    pub event_type: String,
    /// The stream of that entry.
    pub aggregate_id: uuid::Uuid,
    /// Who made it.
    pub actor: Option<String>,
    /// At the moment before.
    pub before: Evaluation,
    /// At this one.
    pub after: Evaluation,
}

/// What a search by halves came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bisection {
    /// The condition, as it was written.
    pub condition: String,
    /// Both ends.
    #[serde(flatten)]
    pub ends: Ends,
    /// Where it began to hold; absent when it is not false at the first moment and true at the
    /// second.
    pub found: Option<Turn>,
    /// Times that it was evaluated for the search, both ends included.
    pub evaluations: u64,
    /// Times that it was evaluated besides, to see whether it turned elsewhere, too.
    pub probes: u64,
    /// Positions at which it is not what it should be if it had turned only once.
    pub contradictions: Vec<Position>,
}

/// Finds an entry from which on a condition holds, between two numbers of entries.
///
/// # Errors
/// When the first number is not smaller, or the condition cannot be evaluated.
pub async fn bisect(
    app: &App,
    condition: &mut dyn Condition,
    from: u64,
    to: u64,
) -> Result<Bisection, AppError> {
    let mut search = Search::between(from, to).ok_or_else(|| {
        AppError::Usage(format!(
            "there is nothing between the moments: from {from} entries to {to}"
        ))
    })?;
    let ends = Ends {
        at_to: condition.evaluate(to).await?,
        at_from: condition.evaluate(from).await?,
        from: app.moment(from).await?,
        to: app.moment(to).await?,
    };
    let mut bisection = Bisection {
        condition: condition.text().to_owned(),
        found: None,
        evaluations: 2,
        probes: 0,
        contradictions: Vec::new(),
        ends,
    };
    if bisection.ends.at_from.truth.holds() || !bisection.ends.at_to.truth.holds() {
        return Ok(bisection);
    }
    let mut before = bisection.ends.at_from.clone();
    let mut after = bisection.ends.at_to.clone();
    while let Some(at) = search.next() {
        let evaluation = condition.evaluate(at).await?;
        bisection.evaluations += 1;
        search.learn(at, evaluation.truth.holds());
        if evaluation.truth.holds() {
            after = evaluation;
        } else {
            before = evaluation;
        }
    }
    let found = search.found();
    bisection.found = Some(turn(app, found, before, after).await?);
    let below = spread(from, found - 1, PROBES).into_iter();
    let above = spread(found, to, PROBES).into_iter();
    let probes = below
        .map(|at| (at, false))
        .chain(above.map(|at| (at, true)));
    for (at, expected) in probes {
        bisection.probes += 1;
        if condition.evaluate(at).await?.truth.holds() != expected {
            bisection.contradictions.extend(at.checked_sub(1));
        }
    }
    Ok(bisection)
}

/// Every change of a condition between two numbers of entries, looked at after every step; the
/// number of evaluations with it.
///
/// # Errors
/// When the store fails, or the condition cannot be evaluated.
pub async fn turns(
    app: &App,
    condition: &mut dyn Condition,
    from: u64,
    to: u64,
    every: Every,
) -> Result<(Ends, Vec<Turn>, u64), AppError> {
    let at_from = condition.evaluate(from).await?;
    let mut before = at_from.clone();
    let mut turns = Vec::new();
    let ends = step_ends(app, from, to, every).await?;
    for size in &ends {
        let after = condition.evaluate(*size).await?;
        if after.truth != before.truth {
            turns.push(turn(app, *size, before, after.clone()).await?);
        }
        before = after;
    }
    let evaluations = ends.len() as u64 + 1;
    let ends = Ends {
        from: app.moment(from).await?,
        at_from,
        to: app.moment(to).await?,
        at_to: before,
    };
    Ok((ends, turns, evaluations))
}

/// Numbers of entries after each step.
async fn step_ends(app: &App, from: u64, to: u64, every: Every) -> Result<Vec<u64>, AppError> {
    if let Every::Entries(number) = every {
        // Where such a step ends does not depend on what is in it.
        let after = |end: &u64| Some(end.saturating_add(number)).filter(|_| *end < to);
        let ends = std::iter::successors(Some(from), after).skip(1);
        return Ok(ends.map(|end| end.min(to)).collect());
    }
    let mut ends = Vec::new();
    let (mut next, mut taken, mut first) = (from, 0, None);
    while next < to {
        let stored = app
            .ledger
            .store
            .entries(next, BATCH_ENTRIES.min(to - next))
            .await?;
        if stored.is_empty() {
            let what = format!("there is no entry at position {next}");
            return Err(AppError::Integrity(what));
        }
        for stored in stored {
            let day = parsed(stored.position, &stored.bytes)?.recorded_at.date();
            if !every.takes(*first.get_or_insert(day), taken, day) {
                ends.push(stored.position);
                (first, taken) = (Some(day), 0);
            }
            taken += 1;
            next = stored.position + 1;
        }
    }
    if next > from {
        ends.push(next);
    }
    Ok(ends)
}

fn parsed(position: Position, bytes: &[u8]) -> Result<Entry<'_>, AppError> {
    Entry::parse(bytes)
        .map_err(|error| AppError::Integrity(format!("position {position}: {error}")))
}

/// What the last of so many entries is, and the condition before and after it.
async fn turn(
    app: &App,
    size: u64,
    before: Evaluation,
    after: Evaluation,
) -> Result<Turn, AppError> {
    let position = size.saturating_sub(1);
    let stored =
        app.ledger.store.entry(position).await?.ok_or_else(|| {
            AppError::Integrity(format!("there is no entry at position {position}"))
        })?;
    let entry = parsed(position, &stored.bytes)?;
    Ok(Turn {
        moment: Moment {
            size,
            position: Some(position),
            recorded_at: Some(entry.recorded_at),
        },
        aggregate_id: entry.aggregate_id,
        actor: entry.metadata("actor").map(str::to_owned),
        aggregate_type: entry.aggregate_type.into_owned(),
        event_type: entry.event_type.into_owned(),
        before,
        after,
    })
}
