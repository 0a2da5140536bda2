//! Periods of offices: opened, closed at a checkpoint, opened again by two people.
//!
//! What comes in: an office, a period, and the moment at which its figures become final. What
//! goes out: entries of the period's stream, and how every period stands. What may fail: a close
//! before the period has ended, a step out of turn, a wrong calendar. What must stay true: a
//! close pins a state of the log that held after the period's end and that a signed checkpoint
//! covers; nothing is refused because a period is closed.

use std::io::ErrorKind;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{Days, NaiveDate};
use serde::Serialize;

use super::error::failed;
use super::history::name_of;
use super::reading::AsOf;
use super::records::sealed_text;
use super::{App, AppError};
use crate::ledger::aggregate::period::{PeriodAggregate, PeriodCommand};
use crate::ledger::commitment::Commitments;
use crate::ledger::request::{For, Receipt};
use crate::locale::Bilingual;
use crate::model::calendar::Calendar;
use crate::model::entry::Entry;
use crate::model::id::OfficeCode;
use crate::model::office::OfficeFields;
use crate::model::period::Period;
use crate::model::slot::Slot;
use crate::model::time::Timestamp;
use crate::registers::views::period::Pin;
use crate::report::periods::{Did, PeriodLife, PeriodState, lives};
use crate::report::restatement::Pinned;
use crate::seal::checkpoint::Checkpoint;

/// The file of the calendar, in the ledger's folder.
const CALENDAR: &str = "calendar";

/// What a close pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseAt {
    /// The log as it was at a moment; it is sealed first.
    Moment(AsOf),
    /// What the newest checkpoint covers.
    Checkpoint,
}

/// Which periods are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PeriodFilter {
    /// Of this office and those below it.
    pub office: Option<OfficeCode>,
    /// This period alone.
    pub period: Option<Period>,
}

/// How a period of an office stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PeriodStatus {
    /// Whose.
    pub office: OfficeCode,
    /// Its name.
    pub name: Bilingual,
    /// Which.
    pub period: Period,
    /// Open, closed or opened again.
    pub state: PeriodState,
    /// What the last close pinned.
    pub pinned: Option<Pin>,
    /// When that was recorded.
    pub closed_at: Option<Timestamp>,
    /// By whom.
    pub closed_by: Option<String>,
    /// How often it was closed.
    pub times_closed: u64,
    /// When it was opened again last.
    pub reopened_at: Option<Timestamp>,
    /// By whom.
    pub reopened_by: Option<String>,
    /// Who agreed to that.
    pub agreed_by: Option<String>,
    /// Entries that moved a count since the last close; absent when it was never closed.
    pub restatements: Option<u64>,
    /// When its return is due; counties and facilities send none.
    pub return_due_on: Option<NaiveDate>,
}

/// The name of an office in both languages.
#[must_use]
pub fn office_name(office: &OfficeFields) -> Bilingual {
    Bilingual {
        en: office.name(false).to_owned(),
        zh: office.name(true).to_owned(),
    }
}

impl App {
    /// The calendar of meetings: the file `calendar` of the folder, or the defaults.
    ///
    /// # Errors
    /// When the file cannot be read or is no calendar.
    pub fn calendar(&self) -> Result<Calendar, AppError> {
        let path = self.folder.join(CALENDAR);
        match std::fs::read_to_string(&path) {
            Ok(text) => Calendar::parse(&text)
                .map_err(|error| AppError::Usage(format!("{}: {error}", path.display()))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Calendar::default()),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    /// The ledger's time: on a simulated clock that of the last entry.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn time(&self) -> Result<Timestamp, AppError> {
        let head = self.ledger.store.head().await?.recorded_at;
        Ok(if self.ledger.simulated {
            head
        } else {
            head.max(Timestamp::now())
        })
    }

    /// The periods of all offices as of a number of entries, in order of office and period.
    ///
    /// # Errors
    /// When the store fails, or an entry is no event of a period.
    pub async fn period_lives(&self, size: u64) -> Result<Vec<PeriodLife>, AppError> {
        let entries = self.ledger.store.entries_of_type("period").await?;
        lives(&entries, size).map_err(|error| AppError::Integrity(error.to_string()))
    }

    /// The period of an office.
    ///
    /// # Errors
    /// As [`Self::period_lives`]; when it was never opened.
    pub async fn period_life(
        &self,
        office: OfficeCode,
        period: Period,
        size: u64,
    ) -> Result<PeriodLife, AppError> {
        let lives = self.period_lives(size).await?;
        let mut own = lives.into_iter();
        own.find(|life| life.office == office && life.period == period)
            .ok_or_else(|| {
                AppError::Usage(format!(
                    "period {period} of office {office} was never opened; open it first"
                ))
            })
    }

    /// What is known of an office as of a number of entries.
    ///
    /// # Errors
    /// When it is not registered, or the store fails.
    pub(super) async fn known_office(
        &self,
        office: OfficeCode,
        size: u64,
    ) -> Result<OfficeFields, AppError> {
        let offices = self.offices(size).await?;
        offices.get(office).cloned().ok_or_else(|| {
            AppError::Usage(format!(
                "office {office} is not registered as of {size} entries; check its 12 digits"
            ))
        })
    }

    async fn send_to_period(
        &self,
        (office, period): (OfficeCode, Period),
        reason: Option<String>,
        build: impl Fn(Commitments) -> PeriodCommand + Send + Sync + 'static,
    ) -> Result<Receipt, AppError> {
        let name = format!("{office}/{period}");
        let stream = self.ledger.keys.stream_id("period", &name);
        let command = For::<PeriodAggregate>::new(stream, build)
            .with_sealed(reason.map(|text| (Slot::REASON, text)))
            .of_office(office)
            .command();
        let context = self.context(None);
        let answer = self.ledger.execute_one(&context, command).await??;
        self.seal().await?;
        Ok(answer.receipt().clone())
    }

    /// Opens a period: reports for it are expected.
    ///
    /// # Errors
    /// When the office is not registered, the period was opened before, or the store fails.
    pub async fn open_period(
        &self,
        office: OfficeCode,
        period: Period,
    ) -> Result<Receipt, AppError> {
        let head = self.ledger.store.head().await?;
        self.known_office(office, head.size).await?;
        let open = move |_| PeriodCommand::Open { office, period };
        self.send_to_period((office, period), None, open).await
    }

    /// Closes a period: its figures are final, as of the log at that moment.
    ///
    /// # Errors
    /// When the period had not ended then, it is not open, no checkpoint covers the moment, or
    /// the store fails.
    pub async fn close_period(
        &self,
        office: OfficeCode,
        period: Period,
        at: CloseAt,
    ) -> Result<(Receipt, Pin), AppError> {
        // First what can be said without signing anything.
        self.known_office(office, self.ledger.store.head().await?.size)
            .await?;
        let (position, checkpoint) = self.place_of_close(at).await?;
        self.known_office(office, position + 1).await?;
        self.check_ended(period, position).await?;
        let pin = Pin {
            position,
            size: checkpoint.size(),
            root: BASE64_STANDARD.encode(checkpoint.root().0),
        };
        let (actor, pinned) = (self.actor.clone(), pin.clone());
        let close = move |_| PeriodCommand::Close {
            actor: actor.clone(),
            position: pinned.position,
            root: pinned.root.clone(),
            size: pinned.size,
        };
        let receipt = self.send_to_period((office, period), None, close).await?;
        Ok((receipt, pin))
    }

    /// The last entry that counts, and a checkpoint that covers it.
    async fn place_of_close(&self, at: CloseAt) -> Result<(u64, Checkpoint), AppError> {
        let size = match at {
            CloseAt::Checkpoint => None,
            CloseAt::Moment(as_of) => {
                let size = self.size_at(as_of).await?;
                self.seal().await?;
                Some(size)
            }
        };
        let newest = self.ledger.store.newest_checkpoint().await?;
        let (_, note) = newest.ok_or_else(|| {
            AppError::Usage("there is no checkpoint yet; run `vitaledger checkpoint`".to_owned())
        })?;
        // Keys may have been rotated since this ledger was opened.
        let roster = self.sealer.roster().await?;
        let checkpoint = roster
            .open(&note)
            .map_err(|error| AppError::Integrity(format!("the newest checkpoint: {error}")))?;
        let size = size.unwrap_or(checkpoint.size());
        if size > checkpoint.size() {
            return Err(AppError::Usage(format!(
                "the log is sealed up to {} entries only, since another node is sealing; try again",
                checkpoint.size()
            )));
        }
        let position = size.checked_sub(1).ok_or_else(|| {
            AppError::Usage("nothing had been recorded at that moment; take a later one".to_owned())
        })?;
        Ok((position, checkpoint))
    }

    /// Refuses a state of the log that was over before the period ended: its figures would be
    /// those of a part of it.
    async fn check_ended(&self, period: Period, position: u64) -> Result<(), AppError> {
        let next = self.ledger.store.entry(position + 1).await?;
        let until = match &next {
            Some(stored) => {
                Entry::parse(&stored.bytes)
                    .map_err(|error| {
                        AppError::Integrity(format!("position {}: {error}", position + 1))
                    })?
                    .recorded_at
            }
            None => self.time().await?,
        };
        let last = period.last_day();
        if until.date() > last {
            return Ok(());
        }
        let from = last.checked_add_days(Days::new(1)).unwrap_or(last);
        let what = if next.is_some() {
            format!("the log stood at position {position} only until {until}")
        } else if self.ledger.simulated {
            format!("this ledger's simulated clock stands at {until}")
        } else {
            format!("it is {until}")
        };
        Err(AppError::Usage(format!(
            "period {period} ends on {last}, and {what}; close it as of {from} or later"
        )))
    }

    /// Opens a closed period again.
    ///
    /// # Errors
    /// When it is not closed, the two people are one, there is no reason, or the store fails.
    pub async fn reopen_period(
        &self,
        office: OfficeCode,
        period: Period,
        reason: &str,
        second_actor: &str,
    ) -> Result<Receipt, AppError> {
        let reason = sealed_text("reason", reason)?;
        let (actor, second_actor) = (self.actor.clone(), second_actor.to_owned());
        let reopen = move |commitments| PeriodCommand::Reopen {
            actor: actor.clone(),
            commitments,
            second_actor: second_actor.clone(),
        };
        self.send_to_period((office, period), Some(reason), reopen)
            .await
    }

    /// How every period that was ever opened stands, as of a number of entries.
    ///
    /// # Errors
    /// When the calendar is wrong, the store fails, or a sealed date does not open.
    pub async fn period_status(
        &self,
        filter: PeriodFilter,
        size: u64,
    ) -> Result<Vec<PeriodStatus>, AppError> {
        let calendar = self.calendar()?;
        let offices = self.offices(size).await?;
        let mut lives = self.period_lives(size).await?;
        lives.retain(|life| {
            let within = filter
                .office
                .is_none_or(|top| offices.is_within(life.office, top));
            within && filter.period.is_none_or(|period| period == life.period)
        });
        let pinned: Vec<Option<Pinned>> = lives
            .iter()
            .map(|life| {
                let (_, pin) = life.last_close()?;
                Some(Pinned {
                    office: life.office,
                    period: life.period,
                    from: pin.position + 1,
                })
            })
            .collect();
        let closed: Vec<Pinned> = pinned.iter().flatten().copied().collect();
        let mut counts = self.count_late_entries(&closed, size).await?.into_iter();
        let mut status = Vec::with_capacity(lives.len());
        for (life, pinned) in lives.iter().zip(pinned) {
            let restatements = pinned.and_then(|_| counts.next());
            let office = offices.get(life.office);
            status.push(PeriodStatus {
                name: name_of(&offices, life.office),
                restatements,
                return_due_on: office.and_then(|office| calendar.due_on(office.level, life.period)),
                ..status_of(life)
            });
        }
        Ok(status)
    }
}

/// What a period's stream says of it.
fn status_of(life: &PeriodLife) -> PeriodStatus {
    let close = life.last_close();
    let reopening = life.acts.iter().rev().find_map(|act| match &act.did {
        Did::Reopened { second_actor, .. } => Some((act, second_actor.clone())),
        Did::Opened | Did::Closed(_) => None,
    });
    PeriodStatus {
        office: life.office,
        name: Bilingual {
            en: String::new(),
            zh: String::new(),
        },
        period: life.period,
        state: life.state(),
        pinned: close.map(|(_, pin)| pin.clone()),
        closed_at: close.map(|(act, _)| act.recorded_at),
        closed_by: close.map(|(act, _)| act.actor.clone()),
        times_closed: life.closes().count() as u64,
        reopened_at: reopening.as_ref().map(|(act, _)| act.recorded_at),
        reopened_by: reopening.as_ref().map(|(act, _)| act.actor.clone()),
        agreed_by: reopening.map(|(_, second)| second),
        restatements: None,
        return_due_on: None,
    }
}
