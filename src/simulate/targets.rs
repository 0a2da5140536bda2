//! Which records, villages and months get the faults.
//!
//! The world and a list of faults come in, the chosen faults with the truth about them go out. A
//! fault for which the delivery has no room is refused, saying what it needs. What must stay
//! true: no record gets two faults, and no village two that could hide each other; the targets
//! depend on the seed alone; their number is bounded (18 births, 40 payments of a fault).

mod habits;

use std::collections::BTreeSet;

use chrono::Datelike;
use rand_chacha::ChaCha8Rng;

use super::SimulateError;
use super::dice::{Purpose, below, stream};
use super::events::{AGED, Birth, Events, Place};
use super::faults::{Fault, Truth};
use super::payments::Payments;
use super::people::Class;
use super::returns::{DEATHS, MARRIAGES};
use super::run::first_death_record;
use super::seeds::{Extra, ReturnChange, Seeds, Twist, Undue};
use super::world::{Resident, World, village_code};

/// Draws in search of a target before a delivery counts as too small.
const TRIES: u64 = 20_000;
/// Families that see a strange series, whichever of its faces they look at.
const SERIES: &str = "CT1 CT2 CT3 CT4 SQ1 FN1";

struct Chooser<'run> {
    world: &'run World,
    events: &'run Events,
    payments: &'run Payments,
    rng: ChaCha8Rng,
    seeds: Seeds,
    used_births: BTreeSet<u64>,
    used_members: BTreeSet<(Class, u64)>,
    used_months: BTreeSet<usize>,
    next_village: u32,
    next_birth_record: u64,
}

/// Chooses the targets of the faults.
pub(super) fn choose(
    world: &World,
    events: &Events,
    payments: &Payments,
    faults: &[Fault],
) -> Result<Seeds, SimulateError> {
    let mut faults = faults.to_vec();
    faults.sort_unstable();
    faults.dedup();
    let mut chooser = Chooser {
        world,
        events,
        payments,
        rng: stream(world.plan.seed, Purpose::Fault, 0),
        seeds: Seeds::default(),
        used_births: BTreeSet::new(),
        used_members: BTreeSet::new(),
        used_months: BTreeSet::new(),
        // Village 0 has the faults of single returns.
        next_village: 1,
        next_birth_record: world.plan.births + world.plan.births_away + 1,
    };
    // Whole villages (and the edge of the year) first, so that faults on single births stay clear of them.
    let (villages, records): (Vec<_>, Vec<_>) =
        faults.into_iter().partition(|fault| of_village(*fault));
    for fault in villages.into_iter().chain(records) {
        chooser.seed(fault)?;
    }
    Ok(chooser.seeds)
}

const fn of_village(fault: Fault) -> bool {
    use Fault::{
        Bunching, DayHeap, Edge, GirlsLate, LateReturn, Outlier, Repeats, SexFlip, Smooth,
        UnderReport, WeightHeap, ZeroRun,
    };
    matches!(
        fault,
        UnderReport
            | SexFlip
            | DayHeap
            | Bunching
            | WeightHeap
            | GirlsLate
            | Edge
            | Repeats
            | Outlier
            | ZeroRun
            | Smooth
            | LateReturn
    )
}

impl Chooser<'_> {
    fn seed(&mut self, fault: Fault) -> Result<(), SimulateError> {
        match fault {
            Fault::DupExact | Fault::DupFuzzy | Fault::Interval => self.extra_births(fault),
            Fault::BadId
            | Fault::Backdated
            | Fault::BeforeEvent
            | Fault::MotherAge
            | Fault::WeightTypo
            | Fault::CertFormat
            | Fault::Omitted
            | Fault::Fabricated => self.altered_births(fault),
            Fault::UnderReport
            | Fault::SexFlip
            | Fault::DayHeap
            | Fault::Bunching
            | Fault::WeightHeap
            | Fault::GirlsLate => {
                let village = self.village(fault)?;
                self.seeds.villages.insert(village, fault);
                Ok(())
            }
            Fault::Edge => {
                if !self.world.plan.span.has_edge() {
                    return Err(no_room(
                        fault,
                        "a 30 September with five days on either side",
                    ));
                }
                self.seeds.edge = true;
                Ok(())
            }
            Fault::Repeats | Fault::Outlier | Fault::ZeroRun | Fault::Smooth => self.series(fault),
            Fault::LateReturn => self.late_return(fault),
            Fault::ReturnMismatch | Fault::ReturnSum | Fault::PopulationJump => {
                self.single_returns(fault)
            }
            Fault::TownshipSum => self.township_sums(fault),
            Fault::SharedId => self.shared_ids(fault),
            Fault::DeathFirst => self.deaths_first(fault),
            Fault::LossDup => self.losses_again(fault),
            Fault::DupPayment | Fault::WrongAmount | Fault::Unpaid => self.payments(fault),
            Fault::Ghost | Fault::DeadPaid | Fault::EarlyPay => self.undue(fault),
            Fault::FewMarriages | Fault::Slide => self.few_marriages(fault),
            Fault::AgeHeap => {
                self.age_heap(fault);
                Ok(())
            }
            Fault::RateBases => {
                self.rate_bases();
                Ok(())
            }
            Fault::Funding => {
                let year = self.payments.funded_years().last();
                self.seeds.underfunded = Some(year.ok_or_else(|| no_room(fault, "a 22 January"))?);
                Ok(())
            }
        }
    }

    fn draw(&mut self, bound: u64) -> u64 {
        below(&mut self.rng, bound)
    }

    fn small(&mut self, bound: usize) -> usize {
        usize::try_from(self.draw(bound as u64)).unwrap_or(0)
    }

    /// A birth in the hospital here, not one of twins, of a village without a fault of its own,
    /// that nothing else is wrong with; at least `after` days before the end.
    fn birth(&mut self, fault: Fault, after: i64) -> Result<Birth, SimulateError> {
        let days = i64::from(self.world.plan.span.days());
        for _ in 0..TRIES {
            let number = self.draw(self.world.plan.births);
            if self.world.plan.births == 0 || self.used_births.contains(&number) {
                continue;
            }
            // The first days are spared: a report can come 15 days before its event.
            let day = self.events.births.day_of(number);
            if !(25..=days - after).contains(&day) {
                continue;
            }
            let birth = self.events.birth(self.world, number);
            if birth.place == Place::Hospital
                && birth.plurality == 1
                && !self.seeds.villages.contains_key(&birth.village)
                && !(self.seeds.edge && self.world.plan.span.edge_before(day).is_some())
            {
                self.used_births.insert(number);
                return Ok(birth);
            }
        }
        Err(no_room(fault, "more births or more months"))
    }

    /// How many births get a fault: one in 250, at least 3, at most 18.
    fn birth_count(&self) -> u64 {
        (self.world.plan.births / 250).clamp(3, 18)
    }

    fn altered_births(&mut self, fault: Fault) -> Result<(), SimulateError> {
        let (family, also, after) = match fault {
            Fault::BadId => ("ID1", "", 31),
            Fault::Backdated => ("TM2", "XS1", 360),
            Fault::BeforeEvent => ("TM1", "", 31),
            Fault::MotherAge => ("PL1", "XS5", 31),
            Fault::WeightTypo => ("PL3", "", 31),
            Fault::CertFormat => ("ID2", "", 31),
            // The other file is waited for 90 days.
            _ => ("XS1", "", 125),
        };
        for _ in 0..self.birth_count() {
            let birth = self.birth(fault, after)?;
            let letter = if fault == Fault::Omitted { 'C' } else { 'B' };
            let key = format!("{letter}{:07}", birth.number + 1);
            self.seeds
                .truth
                .push(Truth::any(fault.name(), family, key).also(also));
            self.seeds.births.insert(birth.number, fault);
        }
        Ok(())
    }

    fn extra_births(&mut self, fault: Fault) -> Result<(), SimulateError> {
        // The second report comes at most 90 or 100 days after the birth, a second birth and its
        // report within 180.
        let after = match fault {
            Fault::Interval => 185,
            Fault::DupExact => 92,
            _ => 102,
        };
        for place in 0..self.birth_count() {
            let birth = self.birth(fault, after)?;
            let record = self.next_birth_record;
            self.next_birth_record += 1;
            let first = birth.number + 1;
            let later = i64::try_from(self.draw(50)).unwrap_or(0);
            let (twist, reported, truth) = match fault {
                Fault::Interval => {
                    let day = birth.day + 60 + later * 9 / 5;
                    let keys = format!("B{first:07} B{record:07} C{first:07} C{record:07}");
                    let truth = Truth::any(fault.name(), "PL2", keys);
                    (Twist::SecondBirth(day), day + 5 + later / 3, truth)
                }
                Fault::DupExact => {
                    let keys = format!("B{first:07} B{record:07}");
                    let truth = Truth::all(fault.name(), "DU", keys).also("ID2 TM2");
                    (Twist::Same, birth.reported + 10 + later, truth)
                }
                _ => {
                    let (twist, note) = match place % 3 {
                        0 => (Twist::ChildName, "child_name"),
                        1 => (Twist::NoId, "no_id"),
                        _ if self.world.plan.villages > 1 => (Twist::OtherOffice, "cross_office"),
                        _ => (Twist::ChildName, "child_name"),
                    };
                    let keys = format!("B{first:07} B{record:07}");
                    let truth = Truth::all(fault.name(), "DU", keys)
                        .also("XS1 TM2")
                        .note(note);
                    (twist, birth.reported + 20 + later, truth)
                }
            };
            self.seeds.truth.push(truth);
            self.seeds.extras.push(Extra {
                of: birth.number,
                record,
                reported,
                twist,
            });
        }
        Ok(())
    }

    /// The next village without a fault.
    fn village(&mut self, fault: Fault) -> Result<u32, SimulateError> {
        let village = self.next_village;
        if village >= self.world.plan.villages {
            return Err(no_room(
                fault,
                "a village of its own; ask for more villages",
            ));
        }
        self.next_village += 1;
        Ok(village)
    }

    /// A village's returned births, month by month, made to look strange.
    fn series(&mut self, fault: Fault) -> Result<(), SimulateError> {
        let months = self.world.plan.span.month_count();
        if months < 14 {
            return Err(no_room(fault, "14 months"));
        }
        let village = self.village(fault)?;
        let plan = &self.world.plan;
        // Two thirds of a month's births are reported when its return leaves.
        let share = 3 * u64::from(plan.villages) * months as u64;
        let usual = i64::try_from((2 * plan.births + share / 2) / share).unwrap_or(0);
        let usual = usual.max(1);
        let first = (months - 10) / 2;
        let (family, range, note) = match fault {
            Fault::Repeats => (
                "CT2",
                first..first + 10,
                format!("{usual} ten months in a row"),
            ),
            Fault::ZeroRun => (
                "CT3",
                first..first + 8,
                "8 months without a birth".to_owned(),
            ),
            Fault::Outlier => (
                "CT1",
                first..first + 1,
                format!("{} in one month", 6 * usual + 6),
            ),
            _ => ("CT4", 0..months, String::new()),
        };
        for month in range {
            let births = match fault {
                Fault::Repeats => usual,
                Fault::ZeroRun => 0,
                Fault::Outlier => 6 * usual + 6,
                _ => usual + i64::from(month % 3 == 0),
            };
            self.seeds
                .returns
                .insert((village, month), (fault, ReturnChange::Births(births)));
        }
        let truth = Truth::any(fault.name(), family, village_code(village).to_string());
        // A run of zeros is held against the mean of the other months, which must be 1.5 at least.
        let least = if fault == Fault::ZeroRun { 3 } else { 2 };
        self.seeds
            .truth
            .push(truth.also(SERIES).owed(usual >= least).note(note));
        Ok(())
    }

    /// A month that no other fault of single returns has.
    fn month(&mut self, fault: Fault) -> Result<usize, SimulateError> {
        let months = self.world.plan.span.month_count();
        for _ in 0..TRIES {
            let month = self.small(months);
            if self.used_months.insert(month) {
                return Ok(month);
            }
        }
        Err(no_room(fault, "more months"))
    }

    fn late_return(&mut self, fault: Fault) -> Result<(), SimulateError> {
        let village = self.village(fault)?;
        let months = self.world.plan.span.month_count();
        let chosen = BTreeSet::from([months / 5, months / 2]);
        for month in chosen {
            let key = format!(
                "{}@{}",
                village_code(village),
                self.world.plan.span.period(month)
            );
            self.seeds.truth.push(Truth::any(fault.name(), "TM3", key));
            self.seeds
                .returns
                .insert((village, month), (fault, ReturnChange::Late));
        }
        Ok(())
    }

    fn single_returns(&mut self, fault: Fault) -> Result<(), SimulateError> {
        let (change, count) = match fault {
            Fault::ReturnMismatch => (ReturnChange::OneMoreBoy, 2),
            Fault::ReturnSum => (ReturnChange::OneMoreGirlUncounted, 1),
            _ => (ReturnChange::Population, 1),
        };
        for _ in 0..count {
            let month = self.month(fault)?;
            self.seeds.returns.insert((0, month), (fault, change));
        }
        Ok(())
    }

    fn township_sums(&mut self, fault: Fault) -> Result<(), SimulateError> {
        for indicator in [DEATHS, MARRIAGES] {
            let month = self.month(fault)?;
            self.seeds.townships.insert((0, month), indicator);
        }
        Ok(())
    }

    /// A member of a class whom no other fault and no event touches.
    fn member(
        &mut self,
        fault: Fault,
        class: Class,
        fits: impl Fn(&Self, &Resident) -> bool,
    ) -> Result<Resident, SimulateError> {
        for _ in 0..TRIES {
            let number = self.draw(self.world.class_size(class));
            if self.world.class_size(class) == 0 || self.used_members.contains(&(class, number)) {
                continue;
            }
            let resident = self.world.member(class, number);
            if fits(self, &resident) {
                self.used_members.insert((class, number));
                return Ok(resident);
            }
        }
        Err(no_room(fault, "more residents"))
    }

    fn shared_ids(&mut self, fault: Fault) -> Result<(), SimulateError> {
        let class = Class::WorkingMan;
        for _ in 0..3 {
            let stays = |chooser: &Self, resident: &Resident| {
                !chooser.events.leaves(chooser.world, resident)
            };
            let one = self.member(fault, class, stays)?;
            let name = self.world.person(&one).name;
            let other = self.member(fault, class, |chooser, resident| {
                stays(chooser, resident)
                    && resident.household != one.household
                    && chooser.world.person(resident).name != name
            })?;
            let record = |resident: &Resident| self.world.plan.households + resident.number + 1;
            let keys = format!("R{:07} R{:07}", record(&one), record(&other));
            self.seeds
                .truth
                .push(Truth::all(fault.name(), "ID3", keys).also("DU"));
            self.seeds.shared_ids.insert(one.number, other);
        }
        Ok(())
    }

    fn deaths_first(&mut self, fault: Fault) -> Result<(), SimulateError> {
        let deaths = self.world.plan.deaths;
        if deaths == 0 {
            return Err(no_room(fault, "a death"));
        }
        for _ in 0..(deaths / 300).clamp(1, 5) {
            let number = self.draw(deaths);
            if self.seeds.deaths_first.insert(number) {
                let key = format!("R{:07}", first_death_record(self.world) + number);
                self.seeds
                    .truth
                    .push(Truth::any(fault.name(), "TM1", key).also("ID1"));
            }
        }
        Ok(())
    }

    fn losses_again(&mut self, fault: Fault) -> Result<(), SimulateError> {
        let losses = self.world.plan.losses;
        if losses == 0 {
            return Err(no_room(fault, "a pregnancy loss"));
        }
        for again in 0..(losses / 100).clamp(1, 5) {
            let number = self.draw(losses);
            let record = losses + again + 1;
            if self.seeds.losses_again.contains_key(&number) {
                continue;
            }
            self.seeds.losses_again.insert(number, record);
            let keys = format!("L{:07} L{record:07}", number + 1);
            self.seeds
                .truth
                .push(Truth::all(fault.name(), "DU", keys).also("TM2"));
        }
        Ok(())
    }

    /// A year in which the list is paid, drawn.
    fn paid_year(&mut self, fault: Fault) -> Result<i32, SimulateError> {
        let years: Vec<i32> = self.payments.paid_years().collect();
        let place = self.small(years.len());
        years
            .get(place)
            .copied()
            .ok_or_else(|| no_room(fault, "a 20 February and its 30 August"))
    }

    fn payment_count(&self) -> u64 {
        let listed = self.world.class_size(Class::ListedOldWoman)
            + self.world.class_size(Class::ListedOldMan);
        (listed / 60).clamp(3, 40)
    }

    fn payments(&mut self, fault: Fault) -> Result<(), SimulateError> {
        for _ in 0..self.payment_count() {
            let year = self.paid_year(fault)?;
            let class = if self.draw(2) == 0 {
                Class::ListedOldWoman
            } else {
                Class::ListedOldMan
            };
            let lives = |chooser: &Self, resident: &Resident| {
                chooser
                    .events
                    .day_of_death(chooser.listed(resident))
                    .is_none()
            };
            let resident = self.member(fault, class, lives)?;
            let listed = self.listed(&resident);
            self.seeds.payments.insert((year, listed), fault);
        }
        Ok(())
    }

    /// The place of a member of the listed classes on the list.
    fn listed(&self, resident: &Resident) -> u64 {
        let before = if resident.class == AGED[0] {
            0
        } else {
            self.world.class_size(AGED[0])
        };
        before + resident.member
    }

    fn undue(&mut self, fault: Fault) -> Result<(), SimulateError> {
        for _ in 0..self.payment_count() {
            let year = self.paid_year(fault)?;
            let undue = match fault {
                Fault::Ghost => {
                    let number = self.seeds.undue.len() as u64;
                    let village = self.draw(u64::from(self.world.plan.villages));
                    let ghost = self.world.strangers.ghosts.person(number);
                    Some((
                        year,
                        Undue::Ghost(ghost, u32::try_from(village).unwrap_or(0)),
                    ))
                }
                Fault::EarlyPay => {
                    let young = |chooser: &Self, resident: &Resident| {
                        chooser.world.person(resident).born.year() + 60 > year
                    };
                    let resident = self.member(fault, Class::MiddleWoman, young)?;
                    Some((year, Undue::Early(resident)))
                }
                _ => self.dead(fault)?,
            };
            self.seeds.undue.extend(undue);
        }
        Ok(())
    }

    /// Somebody who died before a year in which there are payments.
    fn dead(&mut self, fault: Fault) -> Result<Option<(i32, Undue)>, SimulateError> {
        let needs = "deaths in a year before one with payments";
        let year = self
            .payments
            .paid_years()
            .last()
            .ok_or_else(|| no_room(fault, needs))?;
        for _ in 0..TRIES {
            let number = self.draw(self.world.plan.deaths);
            let day = self.events.deaths.day_of(number);
            if self.world.plan.deaths == 0 || self.world.plan.span.date(day).year() >= year {
                continue;
            }
            let Some(resident) = self.events.dead(self.world, number) else {
                continue;
            };
            if self.used_members.insert((resident.class, resident.member)) {
                return Ok(Some((year, Undue::Dead(resident))));
            }
        }
        Err(no_room(fault, needs))
    }
}

const fn no_room(fault: Fault, needs: &'static str) -> SimulateError {
    SimulateError::NoRoom { fault, needs }
}
