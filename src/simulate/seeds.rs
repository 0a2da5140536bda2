//! The faults of one delivery: what they change.
//!
//! The faults that were chosen (see [`super::targets`]) are held here; an event or a return comes
//! in and goes out as the faulty report states it. Nothing can fail. What must stay true: the
//! number of faults on single records is bounded, and faults of a whole village are decided
//! birth by birth from its number, so a delivery with faults needs no more memory than a clean
//! one; what is changed is exactly what the truth says.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{Datelike, Days, Months};

use super::dice::{Dice, Purpose};
use super::events::{Birth, Events, Place};
use super::faults::{Fault, Truth};
use super::names::Name;
use super::people::{Class, HOME_REGION, Person, id_number};
use super::returns::{BIRTHS, BOYS, GIRLS, Line, POPULATION};
use super::world::{Resident, World, township_code, township_of, village_code};

/// How an additional report of a birth differs from the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twist {
    Same,
    ChildName,
    NoId,
    OtherOffice,
    /// Not the same birth but a second one of that mother, on the day given.
    SecondBirth(i64),
}

/// An additional village report (and, for a second birth, the hospital's copy).
#[derive(Clone, Copy, Debug)]
pub(super) struct Extra {
    pub(super) of: u64,
    pub(super) record: u64,
    pub(super) reported: i64,
    pub(super) twist: Twist,
}

/// A change of a village's return of one month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReturnChange {
    Births(i64),
    OneMoreBoy,
    OneMoreGirlUncounted,
    Population,
    Late,
}

/// A payment that no list entry, or no right, stands behind.
#[derive(Clone, Copy, Debug)]
pub(super) enum Undue {
    Ghost(Person, u32),
    Dead(Resident),
    /// Listed as well.
    Early(Resident),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Seeds {
    pub(super) births: HashMap<u64, Fault>,
    pub(super) extras: Vec<Extra>,
    pub(super) villages: BTreeMap<u32, Fault>,
    /// Births of each of those villages: all, and changed.
    tallies: BTreeMap<u32, (u64, u64)>,
    /// Whether the first township moves births across the end of the statistical year.
    pub(super) edge: bool,
    /// Reports within five days before that edge and after it, as the township's villages state
    /// them, and births moved across it.
    edge_tally: [u64; 3],
    pub(super) deaths_first: BTreeSet<u64>,
    /// Losses reported twice, with the number of the second record.
    pub(super) losses_again: BTreeMap<u64, u64>,
    /// Residents who carry the ID number of another.
    pub(super) shared_ids: HashMap<u64, Resident>,
    pub(super) payments: HashMap<(i32, u64), Fault>,
    pub(super) undue: Vec<(i32, Undue)>,
    pub(super) underfunded: Option<i32>,
    pub(super) returns: BTreeMap<(u32, usize), (Fault, ReturnChange)>,
    /// Villages that leave out marriages, and from which day on.
    pub(super) few_marriages: BTreeMap<u32, i64>,
    /// A village in which ages are estimated.
    pub(super) age_heap: Option<u32>,
    /// A village that returns rates, and the months in which they have different populations.
    pub(super) rate_bases: Option<(u32, BTreeSet<usize>)>,
    /// Lines of a township's return that are off.
    pub(super) townships: BTreeMap<(u32, usize), usize>,
    pub(super) truth: Vec<Truth>,
}

/// What the faults did to a village's report of a birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    AsItWas,
    Changed,
    /// The village does not report it.
    LeftOut,
}

impl Seeds {
    /// Changes the village's report of a birth as its faults demand.
    pub(super) fn alter(&self, world: &World, birth: &mut Birth) -> Outcome {
        if self.births.is_empty() && self.villages.is_empty() && !self.edge {
            return Outcome::AsItWas;
        }
        if let Some(fault) = self.births.get(&birth.number) {
            return alter_one(*fault, world, birth);
        }
        match self.villages.get(&birth.village) {
            Some(fault) => alter_village(*fault, world, birth),
            None if self.edge && township_of(birth.village) == 0 => alter_edge(world, birth),
            None => Outcome::AsItWas,
        }
    }

    /// Whether the village does not report a marriage of that number and day.
    pub(super) fn leaves_out_marriage(
        &self,
        world: &World,
        village: u32,
        day: i64,
        number: u64,
    ) -> bool {
        let from = self.few_marriages.get(&village);
        let mut roll = Dice::new(world.plan.seed, Purpose::Fault, 5).roll(number);
        from.is_some_and(|from| day >= *from) && roll.per_mille(850)
    }

    /// The resident's record as a village that estimates ages states it; none where it does not.
    pub(super) fn estimated(
        &self,
        world: &World,
        events: &Events,
        resident: &Resident,
    ) -> Option<Person> {
        let unnumbered = self.age_heap == Some(resident.village)
            && matches!(resident.class, Class::Wife | Class::WorkingMan)
            // Whom other records name by the number keeps it.
            && !events.leaves(world, resident)
            && !self.shared_ids.contains_key(&resident.number)
            && !self.shared_ids.values().any(|other| other.number == resident.number);
        let mut roll = Dice::new(world.plan.seed, Purpose::Fault, 6).roll(resident.number);
        unnumbered.then(|| {
            let mut person = world.person(resident);
            let age = world
                .plan
                .span
                .start()
                .years_since(person.born)
                .unwrap_or(0);
            if roll.per_mille(600) {
                // To the nearest age that ends in 0 or 5; the day of the year stays.
                let told = (age + 2) / 5 * 5;
                let born = if told > age {
                    person
                        .born
                        .checked_sub_months(Months::new(12 * (told - age)))
                } else {
                    person
                        .born
                        .checked_add_months(Months::new(12 * (age - told)))
                };
                person.born = born.unwrap_or(person.born);
            }
            person
        })
    }

    /// Counts a birth of a faulty village and tells the truth about it, if it is owed one of its
    /// own: the hospital's copy contradicts it.
    pub(super) fn tally(
        &mut self,
        world: &World,
        birth: &Birth,
        altered: &Birth,
        outcome: Outcome,
    ) -> Option<Truth> {
        let span = &world.plan.span;
        let at_edge = self.edge && township_of(altered.village) == 0;
        if at_edge && outcome != Outcome::LeftOut && span.is_near_edge(altered.day) {
            self.edge_tally[usize::from(span.edge_before(altered.day).is_some())] += 1;
        }
        if self.births.contains_key(&birth.number) {
            return None;
        }
        if self.edge && !self.villages.contains_key(&birth.village) {
            return self.tally_edge(birth, altered, outcome);
        }
        let fault = *self.villages.get(&birth.village)?;
        let tally = self.tallies.entry(birth.village).or_default();
        tally.0 += 1;
        if outcome == Outcome::AsItWas {
            return None;
        }
        tally.1 += 1;
        let number = birth.number + 1;
        let copied = birth.place == Place::Hospital;
        let both = format!("B{number:07} C{number:07}");
        match fault {
            Fault::SexFlip if copied => Some(Truth::any(fault.name(), "XS5", both)),
            Fault::DayHeap if copied && (birth.day - altered.day).abs() > 3 => {
                // Of twins, one may have been moved and the other not.
                Some(Truth::any(fault.name(), "XS5", both).also("PL2"))
            }
            Fault::UnderReport if copied => {
                let passed = birth.day + 90 <= i64::from(world.plan.span.days());
                let truth = Truth::any(Fault::Omitted.name(), "XS1", format!("C{number:07}"));
                Some(truth.owed(passed))
            }
            _ => None,
        }
    }

    fn tally_edge(&mut self, birth: &Birth, altered: &Birth, outcome: Outcome) -> Option<Truth> {
        if township_of(birth.village) != 0 {
            return None;
        }
        if outcome == Outcome::AsItWas {
            return None;
        }
        self.edge_tally[2] += 1;
        let told = birth.place == Place::Hospital && birth.day - altered.day > 3;
        let number = birth.number + 1;
        let keys = format!("B{number:07} C{number:07}");
        told.then(|| Truth::any(Fault::Edge.name(), "XS5", keys).also("PL2"))
    }

    /// The truth about the township that moved births. It is tested as a whole only where no
    /// village has the 30 births at the edge that would have it tested alone. Villages with another
    /// fault move none and dilute it, so what is owed hangs on what the reports say: four standard
    /// errors above the 0.55 that need no explanation.
    #[expect(clippy::cast_precision_loss, reason = "counts of births")]
    fn edge_verdict(&self, world: &World) -> Option<Truth> {
        let [before, after, moved] = self.edge_tally;
        let villages = world.villages_of(0);
        let (total, number) = (before + after, u64::from(villages.end).max(1));
        let keys: Vec<String> = std::iter::once(township_code(0))
            .chain(villages.map(village_code))
            .map(|code| code.to_string())
            .collect();
        let truth = Truth::any(Fault::Edge.name(), "BN2", keys.join(" "));
        let usual = 0.55 * total as f64;
        let shown = before as f64 >= usual + 4.0 * (0.45 * usual).sqrt();
        let owed = total >= 40 && total / number < 15 && shown;
        let note = format!("{moved} births moved; {before} of {total} at the edge before it");
        self.edge
            .then(|| truth.also("CT1 SQ1").owed(owed).note(note))
    }

    /// The truth about the faulty villages, when all births are counted.
    pub(super) fn verdicts(&self, world: &World) -> Vec<Truth> {
        let verdict = |(village, (total, changed)): (&u32, &(u64, u64))| {
            let fault = *self.villages.get(village)?;
            // Enough births for the rule to see the fault, by its own precondition.
            let (family, also, least) = match fault {
                Fault::SexFlip => ("SR1", "", 150),
                Fault::DayHeap => ("HP1", "TM2", 100),
                Fault::Bunching => ("BN1", "FN1 TM2", 50),
                Fault::WeightHeap => ("HP2", "", 50),
                Fault::GirlsLate => ("SR2", "TM2", 130),
                _ => ("XS2", "FN1 SQ1 CT1 CT3", 60),
            };
            let owed = *total >= least;
            let mut keys = village_code(*village).to_string();
            if !owed {
                // It is seen with its neighbours, if at all.
                keys = format!("{keys} {}", township_code(township_of(*village)));
            }
            let truth = Truth::any(fault.name(), family, keys);
            let note = format!("{changed} of {total} births changed");
            Some(truth.also(also).owed(owed).note(note))
        };
        self.tallies
            .iter()
            .filter_map(verdict)
            .chain(self.edge_verdict(world))
            .collect()
    }

    /// The birth that an additional report states.
    pub(super) fn extra(world: &World, events: &Events, extra: &Extra) -> Birth {
        let mut birth = events.birth(world, extra.of);
        let mut roll = Dice::new(world.plan.seed, Purpose::Fault, 1).roll(extra.record);
        birth.reported = extra.reported;
        if extra.twist != Twist::Same && !matches!(extra.twist, Twist::SecondBirth(_)) {
            // A certificate would make the duplicate a certain one.
            birth.certificate = None;
        }
        match extra.twist {
            Twist::Same => {}
            Twist::ChildName => {
                let family = birth.child.surname;
                let first = birth.child;
                while birth.child == first {
                    birth.child = Name::child(&mut roll, family, birth.female);
                }
            }
            Twist::NoId => birth.mother_id = None,
            Twist::OtherOffice => {
                let township = township_of(birth.village);
                let villages = world.villages_of(township);
                let next = birth.village + 1;
                birth.village = if villages.contains(&next) {
                    next
                } else {
                    villages.start
                };
                birth.household = None;
            }
            Twist::SecondBirth(day) => {
                birth.day = day;
                birth.copied = day + 2;
                birth.child = Name::child(&mut roll, birth.father.surname, birth.female);
                birth.certificate = Some(super::events::certificate(b'X', extra.record));
                birth.weight_g = 3_000 + roll.below(600);
            }
        }
        birth
    }

    /// Changes a return; tells the truth about it with the numbers of its lines.
    pub(super) fn alter_return(
        &self,
        village: u32,
        month: usize,
        values: &mut Line,
        first: u64,
    ) -> Option<Truth> {
        let (fault, change) = self.returns.get(&(village, month))?;
        let key = |line: usize| format!("Q{:07}", first + line as u64);
        let births = format!("{} {} {}", key(BIRTHS), key(BOYS), key(GIRLS));
        match change {
            ReturnChange::Births(_) if values[BIRTHS] == stated(change, values) => None,
            ReturnChange::Births(_) => {
                let births_stated = stated(change, values);
                values[BIRTHS] = births_stated;
                values[BOYS] = births_stated.div_euclid(2);
                values[GIRLS] = births_stated - values[BOYS];
                Some(Truth::any(rows_name(*fault), "AR1", births))
            }
            ReturnChange::OneMoreBoy => {
                values[BIRTHS] += 1;
                values[BOYS] += 1;
                Some(Truth::any(fault.name(), "AR1", births))
            }
            ReturnChange::OneMoreGirlUncounted => {
                values[GIRLS] += 1;
                Some(Truth::any(fault.name(), "AR1", births))
            }
            ReturnChange::Population => {
                values[POPULATION] += (values[POPULATION] / 20).max(2);
                Some(Truth::any(fault.name(), "AR2", key(POPULATION)).also("AR1"))
            }
            ReturnChange::Late => None,
        }
    }

    pub(super) fn is_late(&self, village: u32, month: usize) -> bool {
        matches!(
            self.returns.get(&(village, month)),
            Some((_, ReturnChange::Late))
        )
    }
}

fn stated(change: &ReturnChange, values: &Line) -> i64 {
    match change {
        ReturnChange::Births(births) => *births,
        _ => values[BIRTHS],
    }
}

/// The name under which the changed rows of a series stand in the truth; the series itself is
/// another line.
const fn rows_name(fault: Fault) -> &'static str {
    match fault {
        Fault::Repeats => "repeats_rows",
        Fault::ZeroRun => "zero_rows",
        Fault::Smooth => "smooth_rows",
        _ => "outlier_row",
    }
}

fn alter_one(fault: Fault, world: &World, birth: &mut Birth) -> Outcome {
    let mut roll = Dice::new(world.plan.seed, Purpose::Fault, 2).roll(birth.number);
    match fault {
        Fault::BadId => {
            if let Some(id) = &mut birth.mother_id {
                id[17] = if id[17] == b'0' { b'1' } else { b'0' };
            }
        }
        Fault::CertFormat => {
            if let Some(certificate) = &mut birth.certificate {
                certificate[0] = b'0' + u8::try_from(roll.below(10)).unwrap_or(0);
            }
        }
        Fault::Backdated => birth.reported = birth.day + 366 + roll.days(20),
        Fault::BeforeEvent => birth.reported = birth.day - 3 - roll.days(12),
        Fault::MotherAge => {
            let years = if roll.per_mille(500) {
                9
            } else {
                58 + u32::try_from(roll.below(5)).unwrap_or(0)
            };
            let born = world
                .plan
                .span
                .date(birth.day)
                .checked_sub_months(Months::new(12 * years));
            let born = born.and_then(|day| day.checked_sub_days(Days::new(roll.below(300))));
            // Lane 499 belongs to nobody else; both dates differ from birth to birth.
            birth.mother_born = born.unwrap_or(birth.mother_born);
            birth.mother_id = Some(id_number(HOME_REGION, birth.mother_born, 998));
        }
        Fault::WeightTypo => {
            let lost = roll.per_mille(500);
            birth.weight_g = if lost {
                birth.weight_g / 10
            } else {
                birth.weight_g * 10
            };
        }
        Fault::Omitted => return Outcome::LeftOut,
        _ => return Outcome::AsItWas,
    }
    Outcome::Changed
}

/// Moves a birth of the first half of October to the last five days of September.
fn alter_edge(world: &World, birth: &mut Birth) -> Outcome {
    let mut roll = Dice::new(world.plan.seed, Purpose::Fault, 4).roll(birth.number);
    let edge = world
        .plan
        .span
        .edge_before(birth.day)
        .filter(|_| roll.per_mille(700));
    let Some(edge) = edge else {
        return Outcome::AsItWas;
    };
    birth.day = edge - 1 - roll.days(5);
    birth.reported = birth.reported.min(birth.day + super::events::LONGEST_DELAY);
    Outcome::Changed
}

fn alter_village(fault: Fault, world: &World, birth: &mut Birth) -> Outcome {
    let mut roll = Dice::new(world.plan.seed, Purpose::Fault, 3).roll(birth.number);
    let chosen = roll.below(100);
    let span = &world.plan.span;
    match fault {
        Fault::SexFlip if birth.female && chosen < 50 => {
            birth.female = false;
        }
        Fault::DayHeap if chosen < 40 => {
            let into = i64::from(span.date(birth.day).day()) - 1;
            let back = if into >= 14 { into - 14 } else { into };
            if back == 0 {
                return Outcome::AsItWas;
            }
            birth.day -= back;
            birth.reported = birth.reported.min(birth.day + super::events::LONGEST_DELAY);
        }
        Fault::Bunching if chosen < 80 => {
            let next = span.first_of(span.month_of(birth.day) + 1);
            let last = next - 1 - roll.days(2);
            if last < birth.day {
                return Outcome::AsItWas;
            }
            birth.reported = last;
        }
        Fault::GirlsLate if birth.female && chosen < 50 => {
            birth.reported = birth.day + 32 + roll.days(50);
        }
        Fault::WeightHeap if chosen < 70 => {
            birth.weight_g = (birth.weight_g + 250) / 500 * 500;
        }
        Fault::UnderReport if chosen < 35 => return Outcome::LeftOut,
        _ => return Outcome::AsItWas,
    }
    Outcome::Changed
}
