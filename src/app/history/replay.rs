//! History step by step, with the numbers moving.

use std::collections::BTreeMap;

use super::player::Player;
use super::{name_of, one_office};
use crate::app::{App, AppError};
use crate::history::difference::Moment;
use crate::history::numbers::Numbers;
use crate::history::steps::{Every, ReplayStep};
use crate::history::tally::Tally;
use crate::indicators::targets::Targets;
use crate::locale::Bilingual;
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::report::ReportError;
use chrono::{Datelike, NaiveDate};

/// What is to be replayed.
#[derive(Debug, Clone, Default)]
pub struct ReplayOptions {
    /// Number of entries at which it begins.
    pub from: u64,
    /// Number of entries at which it ends.
    pub to: u64,
    /// How far a step goes; what suits the stretch when nothing is said.
    pub every: Option<Every>,
    /// Whose numbers; the office that has none above it when nothing is said.
    pub office: Option<OfficeCode>,
    /// Of which period; the calendar year in which most records of each step were reported when
    /// nothing is said, so that the numbers begin anew with the year.
    pub period: Option<Period>,
    /// What indicators are held against.
    pub targets: Targets,
}

/// A replay in progress.
pub struct Replay<'a> {
    player: Player<'a>,
    tally: Option<Tally>,
    every: Every,
    office: OfficeCode,
    name: Bilingual,
    period: Option<Period>,
    targets: Targets,
    from: u64,
    to: u64,
    steps: u64,
    simulated_clock: bool,
}

impl<'a> Replay<'a> {
    /// Before its first step.
    ///
    /// # Errors
    /// When there is nothing between the moments, the office is not known at the end of them, the
    /// store fails, or a sealed date does not open.
    pub async fn start(app: &'a App, options: &ReplayOptions) -> Result<Self, AppError> {
        let (from, to) = (options.from, options.to);
        if from >= to {
            return Err(AppError::Usage(format!(
                "there is nothing to replay: from {from} entries to {to}"
            )));
        }
        let offices = app.offices(to).await?;
        let office = one_office(&offices, options.office)?;
        let every = match options.every {
            Some(every) => every,
            None => suiting(app, from, to).await?,
        };
        let registers = app.registers().await?;
        Ok(Self {
            player: Player::at(app, &registers, from, to).await?,
            tally: None,
            every,
            office,
            name: name_of(&offices, office),
            period: options.period,
            targets: options.targets.clone(),
            from,
            to,
            steps: 0,
            simulated_clock: app.ledger.simulated,
        })
    }

    /// The name of the office.
    #[must_use]
    pub const fn name(&self) -> &Bilingual {
        &self.name
    }

    /// Numbers of entries at which it begins and ends.
    #[must_use]
    pub const fn stretch(&self) -> (u64, u64) {
        (self.from, self.to)
    }

    /// The next step; `None` at the end.
    ///
    /// # Errors
    /// When the store fails, an entry does not read, or a sealed date does not open.
    pub async fn next(&mut self) -> Result<Option<ReplayStep>, AppError> {
        let Some(mut taken) = self.player.step(self.every).await? else {
            return Ok(None);
        };
        self.steps += 1;
        let period = self.period_of(&taken.reported_on);
        let playback = self.player.playback_mut();
        match &mut self.tally {
            Some(tally) if tally.period() == period => tally.follow(playback, &mut taken.changed),
            tally => *tally = Some(Tally::of(playback, self.office, period, &self.targets)),
        }
        let counts = self.tally.as_ref().map(Tally::counts);
        let counts = counts.ok_or_else(|| AppError::Integrity("nothing was counted".to_owned()))?;
        let numbers = Numbers::of(counts, &self.targets).map_err(ReportError::from)?;
        let snapshot = self.player.playback().snapshot();
        Ok(Some(ReplayStep {
            step: self.steps,
            position: snapshot.size.saturating_sub(1),
            recorded_at: snapshot.recorded_at,
            entries: taken.entries.values().sum(),
            entries_by_type: taken.entries,
            office: self.office,
            period,
            simulated_clock: self.simulated_clock,
            numbers,
        }))
    }

    /// The period that was asked for, or the year in which most of these reports were made; with
    /// none of them, the one before, or that of the clock.
    fn period_of(&self, reported_on: &[NaiveDate]) -> Period {
        if let Some(period) = self.period {
            return period;
        }
        let recorded_on = self.player.playback().snapshot().recorded_at.date();
        year_of_most(reported_on)
            .or_else(|| self.tally.as_ref().map(Tally::period))
            .unwrap_or(Period::Year(recorded_on.year()))
    }
}

/// What suits the entries between two numbers of them.
async fn suiting(app: &App, from: u64, to: u64) -> Result<Every, AppError> {
    let (first, last) = (app.moment(from + 1).await?, app.moment(to).await?);
    let day = |moment: Moment| moment.recorded_at.unwrap_or_default().date();
    Ok(Every::suiting(day(first), day(last), to - from))
}

/// The year of most days, of two the later; none when there is no day.
pub(super) fn year_of_most(days: &[NaiveDate]) -> Option<Period> {
    let mut years: BTreeMap<i32, u64> = BTreeMap::new();
    for day in days {
        *years.entry(day.year()).or_default() += 1;
    }
    let most = years.into_iter().max_by_key(|(year, days)| (*days, *year));
    most.map(|(year, _)| Period::Year(year))
}
