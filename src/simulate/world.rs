//! Who lives where.
//!
//! A plan comes in; residents by number, their households, villages and offices go out. The only
//! thing that can fail is a plan with more persons than there are ID numbers. What must stay
//! true: the world holds keys and totals, never persons, so its size does not depend on the
//! population; a resident's number leads to the class and back.

use chrono::{Months, NaiveDate};

use super::SimulateError;
use super::dice::{Dice, Purpose, Shuffle};
use super::people::{AWAY_REGION, Class, HOME_REGION, Person, Pool, PoolPlan};
use super::plan::{Plan, VILLAGES_PER_TOWNSHIP};

/// A resident: the class and the number in it say who, the household says where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resident {
    pub(super) number: u64,
    pub(super) class: Class,
    pub(super) member: u64,
    pub(super) household: u64,
    pub(super) village: u32,
}

/// Persons who are in no resident record.
#[derive(Clone, Debug)]
pub(super) struct Strangers {
    /// Mothers who live here and are registered elsewhere: where births outnumber the mothers of
    /// the register.
    pub(super) mothers: Pool,
    pub(super) away_mothers: Pool,
    pub(super) grooms: Pool,
    pub(super) brides: Pool,
    /// Arrivals, men and women.
    pub(super) arrivals: [Pool; 2],
    /// Men who do not exist, for the faults that need one.
    pub(super) ghosts: Pool,
}

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) strangers: Strangers,
    pools: [Pool; Class::COUNT],
    /// Order of the classes' members on the list of residents.
    seating: Shuffle,
    bounds: [u64; Class::COUNT + 1],
    households: Dice,
    traits: Dice,
    accounts: Shuffle,
    adults_born_by: NaiveDate,
}

impl World {
    pub(super) fn new(plan: Plan) -> Result<Self, SimulateError> {
        let start = plan.span.start();
        let end = plan.span.date(i64::from(plan.span.days()) - 1);
        let seed = plan.seed;
        let pools = Class::ALL.map(|class| Pool::new(seed, class as u64, class.pool(start, end)));
        let strangers = strangers(seed, start, end);
        let demands = Class::ALL.map(|class| plan.classes[class as usize]);
        let crowded = pools
            .iter()
            .zip(demands)
            .any(|(pool, demand)| pool.capacity() < demand);
        if crowded
            || strangers.mothers.capacity() < plan.births + plan.losses
            || strangers.away_mothers.capacity() < plan.births_away
            || strangers.arrivals[0].capacity() < plan.arrivals
            || strangers.brides.capacity() < plan.marriages
        {
            return Err(SimulateError::TooManyPersons);
        }
        let mut bounds = [0; Class::COUNT + 1];
        for (place, count) in plan.classes.iter().enumerate() {
            bounds[place + 1] = bounds[place] + count;
        }
        Ok(Self {
            seating: Shuffle::new(seed, Purpose::Seating, 0, plan.residents()),
            households: Dice::new(seed, Purpose::Household, 0),
            traits: Dice::new(seed, Purpose::Household, 1),
            // Twelve digits after the bank's four.
            accounts: Shuffle::new(seed, Purpose::Account, 0, 1_000_000_000_000),
            adults_born_by: start
                .checked_sub_months(Months::new(12 * 22))
                .unwrap_or(start),
            plan,
            strangers,
            pools,
            bounds,
        })
    }

    /// The resident with this number on the list.
    pub(super) fn resident(&self, number: u64) -> Resident {
        let seat = self.seating.forward(number);
        let place = self
            .bounds
            .partition_point(|bound| *bound <= seat)
            .saturating_sub(1);
        let place = place.min(Class::COUNT - 1);
        self.seated(number, Class::ALL[place], seat - self.bounds[place])
    }

    /// The resident who is this member of the class.
    pub(super) fn member(&self, class: Class, member: u64) -> Resident {
        let seat = self.bounds[class as usize] + member;
        self.seated(self.seating.inverse(seat), class, member)
    }

    fn seated(&self, number: u64, class: Class, member: u64) -> Resident {
        // Every household has a first member; the others are spread at random.
        let household = if number < self.plan.households {
            number
        } else {
            self.households.roll(number).below(self.plan.households)
        };
        let village = self.village_of_household(household);
        Resident {
            number,
            class,
            member,
            household,
            village,
        }
    }

    pub(super) fn village_of_household(&self, household: u64) -> u32 {
        u32::try_from(household % u64::from(self.plan.villages)).unwrap_or(0)
    }

    pub(super) fn person(&self, resident: &Resident) -> Person {
        self.pools[resident.class as usize].person(resident.member)
    }

    /// Whether the resident record says married; of the men, nobody below 22 is.
    pub(super) fn married(&self, resident: &Resident, person: &Person) -> bool {
        let adult = person.female || person.born <= self.adults_born_by;
        adult
            && self
                .traits
                .roll(resident.number)
                .per_mille(resident.class.married_per_mille())
    }

    /// Account number of a resident, 16 digits.
    pub(super) fn account(&self, resident: &Resident) -> u64 {
        6_217_000_000_000_000 + self.accounts.forward(resident.number)
    }

    pub(super) const fn class_size(&self, class: Class) -> u64 {
        self.plan.classes[class as usize]
    }

    /// The member `number` of several classes set end to end.
    pub(super) fn chained(&self, classes: &[Class], mut number: u64) -> Option<Resident> {
        for class in classes {
            let size = self.class_size(*class);
            if number < size {
                return Some(self.member(*class, number));
            }
            number -= size;
        }
        None
    }

    pub(super) const fn townships(&self) -> u32 {
        self.plan.villages.div_ceil(VILLAGES_PER_TOWNSHIP)
    }

    /// The villages of a township.
    pub(super) fn villages_of(&self, township: u32) -> std::ops::Range<u32> {
        let first = township * VILLAGES_PER_TOWNSHIP;
        first..(first + VILLAGES_PER_TOWNSHIP).min(self.plan.villages)
    }
}

/// Office codes: region, township, village or facility.
pub(super) const COUNTY: u64 = 990_101_000_000;

pub(super) const fn township_of(village: u32) -> u32 {
    village / VILLAGES_PER_TOWNSHIP
}

pub(super) const fn township_code(township: u32) -> u64 {
    COUNTY + (100 + township as u64) * 1_000
}

pub(super) const fn village_code(village: u32) -> u64 {
    township_code(township_of(village)) + (village % VILLAGES_PER_TOWNSHIP) as u64 + 1
}

pub(super) const fn hospital_code(township: u32) -> u64 {
    township_code(township) + 901
}

pub(super) const fn police_code(township: u32) -> u64 {
    township_code(township) + 902
}

/// A hospital and a village outside the offices of the delivery.
pub(super) const AWAY_HOSPITAL: u64 = 990_202_100_901;
pub(super) const AWAY_VILLAGE: u64 = 990_202_100_001;

fn strangers(seed: u64, start: NaiveDate, end: NaiveDate) -> Strangers {
    let mothers = Class::Mother.pool(start, end);
    let ago = |years: u32| {
        start
            .checked_sub_months(Months::new(12 * years))
            .unwrap_or(start)
    };
    let aged = |female, from: u32, to: u32, region, lanes| PoolPlan {
        female,
        born_from: ago(from),
        born_to: ago(to),
        region,
        lanes,
    };
    // Lanes 221 to 400 belong to girls and middle-aged women, who are never as old as mothers.
    let unlisted = PoolPlan {
        lanes: (221, 401),
        ..mothers
    };
    let away = PoolPlan {
        lanes: (251, 500),
        region: AWAY_REGION,
        ..mothers
    };
    let pool = |part: u64, plan| Pool::new(seed, 100 + part, plan);
    Strangers {
        mothers: pool(0, unlisted),
        away_mothers: pool(1, away),
        grooms: pool(2, aged(false, 38, 22, HOME_REGION, (251, 351))),
        brides: pool(3, aged(true, 34, 20, HOME_REGION, (401, 451))),
        arrivals: [
            pool(4, aged(false, 45, 18, AWAY_REGION, (1, 251))),
            pool(5, aged(true, 45, 18, AWAY_REGION, (1, 251))),
        ],
        ghosts: pool(6, aged(false, 85, 65, HOME_REGION, (451, 499))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Options, half_year};
    use super::*;

    #[test]
    fn a_resident_and_the_member_lead_to_each_other() {
        let world = World::new(half_year(4)).unwrap();
        let mut counts = [0; Class::COUNT];
        for number in 0..world.plan.residents() {
            let resident = world.resident(number);
            counts[resident.class as usize] += 1;
            assert_eq!(world.member(resident.class, resident.member).number, number);
        }
        assert_eq!(counts, world.plan.classes);
    }

    #[test]
    fn codes_have_the_form_of_the_samples() {
        assert_eq!(village_code(0), 990_101_100_001);
        assert_eq!(village_code(30), 990_101_101_001);
        assert_eq!(hospital_code(0), 990_101_100_901);
        assert_eq!(police_code(0), 990_101_100_902);
    }

    #[test]
    fn more_persons_than_id_numbers_are_refused() {
        let options = Options {
            births: Some(400_000_000),
            ..Options::default()
        };
        let world = World::new(Plan::from_options(&options).unwrap());
        assert!(matches!(world, Err(SimulateError::TooManyPersons)));
    }
}
