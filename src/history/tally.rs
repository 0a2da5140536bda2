//! Counts that follow a playback without counting everything anew at each step.
//!
//! What comes in: a playback, and for each step what went and what came. What goes out: the
//! counts of an office and a period. What may fail: nothing. What must stay true: they are those
//! that [`Counts::of`] gives for the whole snapshot. Registrations, births and pregnancy losses,
//! which are nearly all records, are counted one by one, so those that went are counted and taken
//! off, and those that came are counted and added. What depends on several records at once
//! (returns sent again, payments by scheme, appropriations) is counted anew where one of its
//! records or the day changed; a change of the offices, or of an appropriation, whose day decides
//! at which day residents are counted, counts everything anew.

use super::playback::{Changed, EVENTS, Playback};
use crate::indicators::counts::Counts;
use crate::indicators::targets::Targets;
use crate::model::code::Flow;
use crate::model::fields::AnyFields;
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::model::schema::RecordKind;
use crate::registers::row::RegisterRow;
use crate::registers::snapshot::Snapshot;

/// Counts of one office and period that are kept up to date.
#[derive(Debug, Clone)]
pub struct Tally {
    office: OfficeCode,
    period: Period,
    targets: Targets,
    counts: Counts,
    /// Every current appropriation: they decide on which day residents are counted for them.
    appropriations: Vec<RegisterRow>,
    /// When it was counted last.
    day: chrono::NaiveDate,
}

fn is_appropriation(row: &RegisterRow) -> bool {
    matches!(&row.fields, AnyFields::Disbursement(fields) if fields.flow == Some(Flow::Appropriation))
}

fn has_appropriation(part: &Snapshot) -> bool {
    part.of(RecordKind::Disbursement)
        .iter()
        .any(is_appropriation)
}

/// Whether a part has records that are not counted one by one.
fn has_others(part: &Snapshot) -> bool {
    [
        RecordKind::Disbursement,
        RecordKind::Activity,
        RecordKind::Return,
    ]
    .into_iter()
    .any(|kind| !part.of(kind).is_empty())
}

/// Whether a part has records that are counted one by one.
fn has_events(part: &Snapshot) -> bool {
    let mut kinds = EVENTS.into_iter();
    kinds.any(|kind| !part.of(kind).is_empty())
}

impl Tally {
    /// Counts everything.
    #[must_use]
    pub fn of(playback: &Playback, office: OfficeCode, period: Period, targets: &Targets) -> Self {
        let snapshot = playback.snapshot();
        let disbursements = snapshot.of(RecordKind::Disbursement).iter();
        Self {
            office,
            period,
            targets: targets.clone(),
            counts: Counts::of(snapshot, office, period, targets),
            appropriations: disbursements
                .filter(|row| is_appropriation(row))
                .cloned()
                .collect(),
            day: snapshot.recorded_at.date(),
        }
    }

    /// What is counted.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The period that is counted.
    #[must_use]
    pub const fn period(&self) -> Period {
        self.period
    }

    /// Follows the playback, which has just made the step that changed this.
    pub fn follow(&mut self, playback: &mut Playback, changed: &mut Changed) {
        let (gone, come) = (&changed.gone, &changed.come);
        if changed.offices || has_appropriation(gone) || has_appropriation(come) {
            *self = Self::of(playback, self.office, self.period, &self.targets);
            return;
        }
        let day = playback.snapshot().recorded_at.date();
        let (office, period) = (self.office, self.period);
        if day != self.day || has_others(gone) || has_others(come) {
            let counted =
                playback.without_events(|rest| Counts::of(rest, office, period, &self.targets));
            self.counts.take_others(counted);
            self.day = day;
        }
        for (part, sign) in [(&mut changed.gone, -1), (&mut changed.come, 1)] {
            if has_events(part) {
                let counted = self.count_part(playback, part);
                self.counts.add_events(&counted, sign);
            }
        }
    }

    /// Counts a part of the records, residents on the day of the appropriations among them.
    fn count_part(&self, playback: &mut Playback, part: &mut Snapshot) -> Counts {
        let appropriations = self.appropriations.clone();
        let others = part
            .rows
            .insert(RecordKind::Disbursement, appropriations)
            .unwrap_or_default();
        let counted = playback.part(part, |part| {
            Counts::of(part, self.office, self.period, &self.targets)
        });
        part.rows.insert(RecordKind::Disbursement, others);
        counted
    }
}
