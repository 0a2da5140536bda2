//! What is counted: every figure of the ledger, each defined once.
//!
//! What comes in: the records of a snapshot and, for each count that is wanted, a [`Window`] of
//! days. What goes out: [`Figures`], one number for every [`Counted`]. What may fail: nothing; what
//! is not stated is not counted. What must stay true: reports, returns, conditions, exports and
//! indicators take their counts from this table and from nowhere else; the reports of the offices
//! themselves (source `village`) are the count of record; a flow is what happened in the window, a
//! stock what had happened and had been reported by its day; records are counted one by one, so
//! the figures of parts add up to those of the whole; however many windows there are, the records
//! are gone through once.

use std::collections::HashSet;

use chrono::NaiveDate;
use serde::Serialize;
use serde::ser::SerializeMap;

use crate::locale::Bilingual;
use crate::model::code::{GestationBand, MaritalStatus, RegistrationKind, Sex, Source};
use crate::model::fields::{BirthFields, RegistrationFields};
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::model::time::age_in_years;
use crate::registers::snapshot::{LossFacts, Snapshot};

/// Days after a birth within which its report is in time (from 31 days on it is late).
pub const TIMELY_DAYS: i64 = 30;
/// Days after a birth within which its report comes within one year.
pub const YEAR_DAYS: i64 = 365;
/// Ages of the married women that are counted, both included.
pub const WOMEN_AGES: std::ops::RangeInclusive<i64> = 15..=49;

/// A record that is counted one by one.
#[derive(Debug, Clone, Copy)]
enum Event<'a> {
    Birth(&'a BirthFields),
    /// With the birth date of a resident, unless it is erased or not stated.
    Registration(&'a RegistrationFields, Option<NaiveDate>),
    Loss(&'a LossFacts),
}

/// How a figure comes about.
#[derive(Clone, Copy)]
enum How {
    /// Records that happened in the window.
    Flow(fn(&Event<'_>) -> bool),
    /// What each record that had happened and had been reported by the day adds.
    Stock(fn(&Event<'_>, NaiveDate) -> i128),
    /// No record: the sum of this line over the villages' monthly returns.
    Returned,
}

macro_rules! counted {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $listed:literal, $how:expr;)+) => {
        /// Everything that is counted. Its text has the key `figure-<id>`, where reports list it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Counted { $($(#[$doc])* $name,)+ }

        impl Counted {
            /// All of it, in the order of the reports.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Stable name.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)+ }
            }

            /// Whether reports list it as a figure; the others are parts of indicators.
            #[must_use]
            pub const fn is_listed(self) -> bool {
                match self { $(Self::$name => $listed,)+ }
            }

            const fn how(self) -> How {
                match self { $(Self::$name => $how,)+ }
            }
        }
    };
}

counted! {
    /// Households.
    Households = "households", true, How::Stock(|event, _| of_kind(event, RegistrationKind::Household));
    /// Resident records, births and arrivals less deaths and departures.
    Residents = "residents", true, How::Stock(|event, _| residents(event));
    /// Married women of [`WOMEN_AGES`], by their resident records.
    MarriedWomen = "married_women_15_49", true, How::Stock(|event, day| {
        let age = born_on(event).and_then(|born| age_in_years(born, day));
        let counted = is_married_woman(event) && age.is_some_and(|years| WOMEN_AGES.contains(&years));
        i128::from(counted)
    });
    /// Married women whose birth date is erased or not stated.
    WomenOfUnknownAge = "married_women_of_unknown_age", false, How::Stock(|event, _| {
        i128::from(is_married_woman(event) && born_on(event).is_none())
    });
    /// Live births.
    Births = "births", true, How::Flow(|event| matches!(event, Event::Birth(_)));
    /// Boys among them.
    BirthsMale = "births_male", true, How::Flow(|event| is_of_sex(event, Sex::Male));
    /// Girls among them.
    BirthsFemale = "births_female", true, How::Flow(|event| is_of_sex(event, Sex::Female));
    /// Those that were reported within [`TIMELY_DAYS`].
    BirthsTimely = "births_reported_within_30_days", false, How::Flow(|event| {
        is_reported_within(event, TIMELY_DAYS)
    });
    /// Those that were reported within [`YEAR_DAYS`].
    BirthsWithinAYear = "births_reported_within_one_year", false, How::Flow(|event| {
        is_reported_within(event, YEAR_DAYS)
    });
    /// Births in the villages' monthly returns.
    BirthsInReturns = "births_in_returns", true, How::Returned;
    /// Deaths.
    Deaths = "deaths", true, How::Flow(|event| is_of_kind(event, RegistrationKind::Death));
    /// Marriages.
    Marriages = "marriages", true, How::Flow(|event| is_of_kind(event, RegistrationKind::Marriage));
    /// Divorces.
    Divorces = "divorces", true, How::Flow(|event| is_of_kind(event, RegistrationKind::Divorce));
    /// Arrivals.
    Arrivals = "arrivals", true, How::Flow(|event| is_of_kind(event, RegistrationKind::Arrival));
    /// Departures.
    Departures = "departures", true, How::Flow(|event| {
        is_of_kind(event, RegistrationKind::Departure)
    });
    /// Pregnancy losses of any gestation.
    PregnancyLosses = "pregnancy_losses", true, How::Flow(|event| matches!(event, Event::Loss(_)));
    /// Those of 28 completed weeks or more.
    StillbirthsFrom28Weeks = "stillbirths_28_weeks", false, How::Flow(|event| {
        is_of_gestation(event, &[GestationBand::From28])
    });
    /// Those of 22 completed weeks or more.
    StillbirthsFrom22Weeks = "stillbirths_22_weeks", false, How::Flow(|event| {
        is_of_gestation(event, &[GestationBand::From28, GestationBand::From22To27])
    });
    /// Those of which neither days nor weight are stated.
    LossesOfUnknownGestation = "pregnancy_losses_of_unknown_gestation", false, How::Flow(|event| {
        is_of_gestation(event, &[GestationBand::NotStated])
    });
}

/// How many there are.
const NUMBER: usize = Counted::ALL.len();

impl Counted {
    /// Those that reports list, in order.
    pub fn listed() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|one| one.is_listed())
    }

    /// The one of that name.
    #[must_use]
    pub fn of_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.id() == id)
    }

    /// Its name, in both languages.
    #[must_use]
    pub fn title(self) -> Bilingual {
        Bilingual::of(&format!("figure-{}", self.id()), &[])
    }

    /// Whether it is counted on a day: stocks do not add up over periods.
    #[must_use]
    pub const fn is_stock(self) -> bool {
        matches!(self.how(), How::Stock(_))
    }

    /// Whether it is counted from the villages' returns instead of records.
    #[must_use]
    pub const fn is_returned(self) -> bool {
        matches!(self.how(), How::Returned)
    }
}

fn of_kind(event: &Event<'_>, kind: RegistrationKind) -> i128 {
    i128::from(is_of_kind(event, kind))
}

fn is_of_kind(event: &Event<'_>, kind: RegistrationKind) -> bool {
    matches!(event, Event::Registration(fields, _) if fields.kind == Some(kind))
}

fn is_of_sex(event: &Event<'_>, sex: Sex) -> bool {
    matches!(event, Event::Birth(fields) if fields.sex == Some(sex))
}

fn is_of_gestation(event: &Event<'_>, bands: &[GestationBand]) -> bool {
    matches!(event, Event::Loss(facts) if bands.contains(&facts.gestation))
}

fn is_reported_within(event: &Event<'_>, days: i64) -> bool {
    let Event::Birth(fields) = event else {
        return false;
    };
    let pair = fields.occurred_on.zip(fields.reported_on);
    pair.is_some_and(|(on, reported)| (0..=days).contains(&(reported - on).num_days()))
}

/// A birth needs no resident record of its own.
fn residents(event: &Event<'_>) -> i128 {
    let kind = match event {
        Event::Birth(_) => return 1,
        Event::Registration(fields, _) => fields.kind,
        Event::Loss(_) => None,
    };
    match kind {
        Some(RegistrationKind::Resident | RegistrationKind::Arrival) => 1,
        Some(RegistrationKind::Death | RegistrationKind::Departure) => -1,
        _ => 0,
    }
}

/// Whether a resident record is that of a married woman.
///
/// A death or departure cannot be linked to the resident record without names, so the resident
/// records stand as they are, as the intake description counts them.
fn is_married_woman(event: &Event<'_>) -> bool {
    matches!(event, Event::Registration(fields, _)
        if fields.kind == Some(RegistrationKind::Resident)
            && fields.sex == Some(Sex::Female)
            && fields.marital_status == Some(MaritalStatus::Married))
}

const fn born_on(event: &Event<'_>) -> Option<NaiveDate> {
    match event {
        Event::Registration(_, born_on) => *born_on,
        Event::Birth(_) | Event::Loss(_) => None,
    }
}

/// Which reports a count takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First day of the flows.
    from: NaiveDate,
    /// Last day of the flows.
    to: NaiveDate,
    /// The day of the stocks.
    day: NaiveDate,
    /// Flows that were reported by then; all that are known when there is none.
    flows_by: Option<NaiveDate>,
    /// Stocks that were reported by then; all that are known when there is none.
    stocks_by: Option<NaiveDate>,
}

impl Window {
    /// A period as reports count it: the flows that are known, the stocks of its last day as they
    /// had been reported by then.
    #[must_use]
    pub fn of(period: Period) -> Self {
        let (from, to) = (period.first_day(), period.last_day());
        Self {
            from,
            to,
            day: to,
            flows_by: None,
            stocks_by: Some(to),
        }
    }

    /// The stocks of a day as they had been reported by then, and the flows of that day.
    #[must_use]
    pub const fn on(day: NaiveDate) -> Self {
        Self {
            from: day,
            to: day,
            day,
            flows_by: None,
            stocks_by: Some(day),
        }
    }

    /// A period as its return counts it: both as far as they had been reported by the day of its
    /// submission, or all that is known.
    #[must_use]
    pub fn as_returned(period: Period, by: Option<NaiveDate>) -> Self {
        Self {
            flows_by: by,
            stocks_by: by,
            ..Self::of(period)
        }
    }
}

/// A record with who reported it and when.
struct Report<'a> {
    source: Option<Source>,
    office: Option<OfficeCode>,
    occurred_on: Option<NaiveDate>,
    reported_on: Option<NaiveDate>,
    event: Event<'a>,
}

fn reports(snapshot: &Snapshot) -> impl Iterator<Item = Report<'_>> {
    let births = snapshot.births().map(|(_, fields)| Report {
        source: fields.source,
        office: fields.office,
        occurred_on: fields.occurred_on,
        reported_on: fields.reported_on,
        event: Event::Birth(fields),
    });
    let registrations = snapshot.registrations().map(|(row, fields)| Report {
        source: fields.source,
        office: fields.office,
        occurred_on: fields.occurred_on,
        reported_on: fields.reported_on,
        event: Event::Registration(fields, snapshot.born_on.get(&row.record_id).copied()),
    });
    let losses = snapshot.losses.values().map(|facts| Report {
        source: Some(facts.source),
        office: Some(facts.office),
        occurred_on: Some(facts.occurred_on),
        reported_on: Some(facts.reported_on),
        event: Event::Loss(facts),
    });
    births.chain(registrations).chain(losses)
}

/// One number for every [`Counted`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures([i128; NUMBER]);

impl Default for Figures {
    fn default() -> Self {
        Self([0; NUMBER])
    }
}

impl Figures {
    /// Counts the records of these offices for each window, in one pass.
    #[must_use]
    pub fn count(
        snapshot: &Snapshot,
        offices: &HashSet<OfficeCode>,
        windows: &[Window],
    ) -> Vec<Self> {
        let mut all = vec![Self::default(); windows.len()];
        for report in reports(snapshot) {
            let counts = report.source == Some(Source::Village)
                && report.office.is_some_and(|code| offices.contains(&code));
            if let (Some(on), true) = (report.occurred_on, counts) {
                for (figures, window) in all.iter_mut().zip(windows) {
                    figures.add_report(&report, on, window);
                }
            }
        }
        all
    }

    fn add_report(&mut self, report: &Report<'_>, on: NaiveDate, window: &Window) {
        let by = |limit: Option<NaiveDate>| {
            limit.is_none_or(|limit| report.reported_on.is_some_and(|day| day <= limit))
        };
        let flows = (window.from..=window.to).contains(&on) && by(window.flows_by);
        let stocks = on <= window.day && by(window.stocks_by);
        if !flows && !stocks {
            return;
        }
        for (figure, counted) in self.0.iter_mut().zip(Counted::ALL) {
            match counted.how() {
                How::Flow(takes) if flows => *figure += i128::from(takes(&report.event)),
                How::Stock(adds) if stocks => *figure += adds(&report.event, window.day),
                How::Flow(_) | How::Stock(_) | How::Returned => {}
            }
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(&self, counted: Counted) -> i128 {
        self.0[counted as usize]
    }

    /// A number that cannot be negative.
    #[must_use]
    pub fn count_of(&self, counted: Counted) -> u64 {
        u64::try_from(self.get(counted)).unwrap_or(0)
    }

    /// Sets the number of what is counted from returns.
    pub(super) const fn set(&mut self, counted: Counted, value: i128) {
        self.0[counted as usize] = value;
    }

    /// Adds the records of a part (`sign` 1), or takes them off (-1); what is counted from returns
    /// stays as it is.
    pub fn add(&mut self, part: &Self, sign: i128) {
        for counted in Counted::ALL.iter().filter(|one| !one.is_returned()) {
            self.0[*counted as usize] += sign * part.get(*counted);
        }
    }
}

impl Serialize for Figures {
    /// An object with the names as keys.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(NUMBER))?;
        for counted in Counted::ALL {
            map.serialize_entry(counted.id(), &self.get(*counted))?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locale::{Language, known_text};

    #[test]
    fn every_figure_that_is_listed_has_its_text_and_a_name_of_its_own() {
        let mut ids: Vec<_> = Counted::ALL.iter().map(|one| one.id()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), NUMBER);
        for counted in Counted::listed() {
            for language in Language::ALL {
                let key = format!("figure-{}", counted.id());
                assert!(known_text(language, &key, &[]).is_some(), "{key}");
            }
        }
        assert!(
            Counted::ALL
                .iter()
                .all(|one| Counted::of_id(one.id()) == Some(*one))
        );
    }

    #[test]
    fn parts_are_added_and_taken_off_and_returns_stay() {
        let mut all = Figures::default();
        let mut part = Figures::default();
        for counted in Counted::ALL {
            part.set(*counted, 3);
        }
        all.set(Counted::BirthsInReturns, 7);
        all.add(&part, 1);
        assert_eq!(all.get(Counted::Births), 3);
        assert_eq!(all.get(Counted::BirthsInReturns), 7);
        all.add(&part, -1);
        assert_eq!(all.get(Counted::Residents), 0);
    }
}
