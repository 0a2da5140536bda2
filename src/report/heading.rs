//! What every report says of itself: whose, which period, as of which entry.
//!
//! What comes in: a snapshot, an office, a period. What goes out: a [`Head`], whose members
//! stand at the top of a report's JSON, and its lines for readers. What may fail: an office that
//! is not registered. What must stay true: one report has one head, so all of its figures are
//! of one office, period and position; nothing is read from a clock.

use chrono::NaiveDate;
use serde::Serialize;

use super::ReportError;
use crate::locale::{Bilingual, Language, Note, date_text, level_text, text};
use crate::model::code::OfficeLevel;
use crate::model::id::{OfficeCode, Position};
use crate::model::period::Period;
use crate::model::time::Timestamp;
use crate::registers::snapshot::Snapshot;

/// The office that a report is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedOffice {
    /// Its 12 digits.
    pub code: OfficeCode,
    /// Its name.
    pub name: Bilingual,
    /// Its level.
    pub level: OfficeLevel,
    /// Offices below it that are counted with it.
    pub offices_below: u64,
}

/// What a report is about, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Head {
    /// The office.
    pub office: ReportedOffice,
    /// The period.
    pub period: Period,
    /// Its first day.
    pub first_day: NaiveDate,
    /// Its last day.
    pub last_day: NaiveDate,
    /// The last entry that is in it; absent when the ledger was empty.
    pub position: Option<Position>,
    /// When that entry was recorded.
    pub recorded_at: Timestamp,
    /// The log's origin.
    pub origin: String,
    /// Whether the ledger's clock is simulated.
    pub simulated_clock: bool,
    /// What a simulated clock means for the reader; absent on a measured one.
    pub simulated_clock_note: Option<Bilingual>,
}

impl Head {
    /// Of an office and a period, as of the snapshot's position.
    ///
    /// # Errors
    /// When the office is not registered at that position.
    pub fn of(
        snapshot: &Snapshot,
        office: OfficeCode,
        period: Period,
    ) -> Result<Self, ReportError> {
        let known = snapshot
            .offices
            .get(office)
            .ok_or(ReportError::UnknownOffice(office))?;
        let all = snapshot.offices.all();
        let within = all
            .iter()
            .filter(|other| snapshot.offices.is_within(other.code, office));
        Ok(Self {
            office: ReportedOffice {
                code: office,
                name: Bilingual {
                    en: known.name(false).to_owned(),
                    zh: known.name(true).to_owned(),
                },
                level: known.level,
                offices_below: (within.count() as u64).saturating_sub(1),
            },
            period,
            first_day: period.first_day(),
            last_day: period.last_day(),
            position: snapshot.position(),
            recorded_at: snapshot.recorded_at,
            origin: snapshot.origin.clone(),
            simulated_clock: snapshot.simulated_clock,
            simulated_clock_note: snapshot
                .simulated_clock
                .then(|| Bilingual::of("simulated-clock", &[])),
        })
    }

    /// The note that the period goes on after the last entry, where it does.
    #[must_use]
    pub fn before_the_end(&self) -> Option<Note> {
        let on = self.recorded_at.date();
        (on < self.last_day).then(|| Note::dated("before_the_end", on))
    }

    /// A title that names the office and the period.
    #[must_use]
    pub fn title(&self, key: &str, language: Language) -> String {
        let office = one_line(self.office.name.get(language));
        let period = self.period.to_string();
        text(language, key, &[("office", &office), ("period", &period)])
    }

    /// What a simulated clock means; empty on a measured one.
    #[must_use]
    pub fn warning(&self, language: Language) -> String {
        let note = self.simulated_clock_note.as_ref();
        note.map_or_else(String::new, |note| note.get(language).to_owned())
    }

    /// Labels and values for readers: office, period, position, log.
    #[must_use]
    pub fn lines(&self, language: Language) -> Vec<(String, String)> {
        let t = |key: &str, args: &[(&'static str, &str)]| text(language, key, args);
        let name = one_line(self.office.name.get(language));
        let (code, below) = (
            self.office.code.to_string(),
            self.office.offices_below.to_string(),
        );
        let office = t(
            "office-value",
            &[
                ("name", &name),
                ("code", &code),
                ("level", level_text(language, self.office.level)),
                ("below", &below),
            ],
        );
        let period = t(
            "period-value",
            &[
                ("period", &self.period.to_string()),
                ("from", &date_text(language, self.first_day)),
                ("to", &date_text(language, self.last_day)),
            ],
        );
        let position = self.position.map_or_else(
            || t("no-entry", &[]),
            |position| {
                let (position, at) = (position.to_string(), self.recorded_at.to_string());
                t("as-of-value", &[("position", &position), ("at", &at)])
            },
        );
        vec![
            (t("head-office", &[]), office),
            (t("head-period", &[]), period),
            (t("head-as-of", &[]), position),
            (t("head-origin", &[]), one_line(&self.origin)),
        ]
    }
}

/// Text that an office typed, on one line.
#[must_use]
pub fn one_line(typed: &str) -> String {
    typed.split_whitespace().collect::<Vec<_>>().join(" ")
}
