//! Invented persons and their ID numbers.
//!
//! A pool (sex, range of birth days, region) and a number come in; the person with that number
//! goes out: name, birth day, ID number. Nothing can fail. What must stay true: no person is
//! stored, the same number always gives the same person, ID numbers follow GB 11643, and no two
//! numbers of one pool nor of two pools share an ID number. The last is arranged by lanes: of the
//! 500 sequence codes that a birth day has for each sex, every pool owns a range of its own, and
//! inside its range a bijection hands out (day, code). When a pool is larger than its range, its
//! next persons carry the next county's region code.

use chrono::{Datelike, Days, NaiveDate};

use super::dice::{Dice, Purpose, Shuffle};
use super::names::Name;

/// The unassigned region whose persons live here, and the one that strangers come from.
pub(super) const HOME_REGION: u32 = 990_101;
pub(super) const AWAY_REGION: u32 = 990_202;

/// An 18-character resident ID number.
pub(super) type IdNumber = [u8; 18];

/// GB 11643: region, birth date, sequence code (odd for men), check character.
pub(super) fn id_number(region: u32, born: NaiveDate, sequence: u32) -> IdNumber {
    let date = i64::from(born.year()) * 10_000 + i64::from(born.month() * 100 + born.day());
    let mut body = (i64::from(region) * 100_000_000 + date) * 1_000 + i64::from(sequence % 1_000);
    let mut id = [b'0'; 18];
    for place in (0..17).rev() {
        id[place] = b'0' + u8::try_from(body % 10).unwrap_or(0);
        body /= 10;
    }
    id[17] = check_character(&id);
    id
}

/// ISO 7064 MOD 11-2 over the first 17 digits.
pub(super) fn check_character(id: &IdNumber) -> u8 {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHARACTERS: &[u8; 11] = b"10X98765432";
    let digits = id.iter().map(|digit| u32::from(digit.saturating_sub(b'0')));
    let sum: u32 = digits
        .zip(WEIGHTS)
        .map(|(digit, weight)| digit * weight)
        .sum();
    CHARACTERS[(sum % 11) as usize]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: Name,
    pub(super) female: bool,
    pub(super) born: NaiveDate,
    pub(super) id: IdNumber,
}

/// The description of a pool: who is in it, and which sequence codes are its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolPlan {
    pub(super) female: bool,
    pub(super) born_from: NaiveDate,
    pub(super) born_to: NaiveDate,
    pub(super) region: u32,
    /// Range of lanes, of 0..500; two pools of one sex and region whose birth days overlap must
    /// not overlap here.
    pub(super) lanes: (u32, u32),
}

/// Persons by number.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    plan: PoolPlan,
    shuffle: Shuffle,
    names: Dice,
}

impl Pool {
    pub(super) fn new(seed: u64, part: u64, plan: PoolPlan) -> Self {
        let days = u64::try_from((plan.born_to - plan.born_from).num_days()).unwrap_or(0) + 1;
        let lanes = u64::from(plan.lanes.1 - plan.lanes.0).max(1);
        Self {
            plan,
            shuffle: Shuffle::new(seed, Purpose::Pool, part, days * lanes),
            names: Dice::new(seed, Purpose::Person, part),
        }
    }

    /// How many persons the pool can tell apart: its own region and the 98 after it.
    pub(super) const fn capacity(&self) -> u64 {
        self.shuffle
            .size()
            .saturating_mul(if self.plan.region == HOME_REGION {
                99
            } else {
                1
            })
    }

    pub(super) fn person(&self, number: u64) -> Person {
        let size = self.shuffle.size();
        let (page, slot) = (number / size, self.shuffle.forward(number % size));
        let lanes = u64::from(self.plan.lanes.1 - self.plan.lanes.0).max(1);
        let born = self
            .plan
            .born_from
            .checked_add_days(Days::new(slot / lanes));
        let born = born.unwrap_or(self.plan.born_from);
        let lane = self.plan.lanes.0 + u32::try_from(slot % lanes).unwrap_or(0);
        let sequence = 2 * lane + u32::from(!self.plan.female);
        let region = self.plan.region + u32::try_from(page).unwrap_or(0);
        Person {
            name: Name::draw(&mut self.names.roll(number), self.plan.female),
            female: self.plan.female,
            born,
            id: id_number(region, born, sequence),
        }
    }
}

/// The groups of the register. Each is disjoint from the others in its persons, and only some
/// take part in events: births fall to `Mother`, deaths to the aged, departures to `SingleWoman`
/// and `WorkingMan`. So no event contradicts another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub(super) enum Class {
    Mother,
    Wife,
    SingleWoman,
    Girl,
    MiddleWoman,
    ListedOldWoman,
    OldWoman,
    Boy,
    WorkingMan,
    ListedOldMan,
    OldMan,
}

impl Class {
    pub(super) const COUNT: usize = 11;
    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::Mother,
        Self::Wife,
        Self::SingleWoman,
        Self::Girl,
        Self::MiddleWoman,
        Self::ListedOldWoman,
        Self::OldWoman,
        Self::Boy,
        Self::WorkingMan,
        Self::ListedOldMan,
        Self::OldMan,
    ];

    /// Members among 1,000 residents; the rest of the 1,000 are working men.
    pub(super) const fn per_mille(self) -> u64 {
        match self {
            Self::Mother => 130,
            Self::Wife | Self::OldMan => 60,
            Self::SingleWoman => 70,
            Self::Girl => 75,
            Self::MiddleWoman => 55,
            Self::ListedOldWoman => 22,
            Self::OldWoman => 65,
            Self::Boy => 95,
            Self::WorkingMan => 347,
            Self::ListedOldMan => 21,
        }
    }

    /// Of 1,000 members, how many are registered as married.
    pub(super) const fn married_per_mille(self) -> u64 {
        match self {
            Self::Mother | Self::Wife => 1_000,
            Self::SingleWoman | Self::Girl | Self::Boy => 0,
            Self::MiddleWoman => 930,
            Self::WorkingMan => 815,
            Self::ListedOldWoman | Self::OldWoman => 600,
            Self::ListedOldMan | Self::OldMan => 780,
        }
    }

    /// Who belongs to the class in a delivery from `start` to `end`, both ends included.
    pub(super) fn pool(self, start: NaiveDate, end: NaiveDate) -> PoolPlan {
        let ago = |day: NaiveDate, years: u32| {
            day.checked_sub_months(chrono::Months::new(12 * years))
                .unwrap_or(day)
        };
        let next = |day: NaiveDate| day.succ_opt().unwrap_or(day);
        let before = |day: NaiveDate| day.pred_opt().unwrap_or(day);
        let (born_from, born_to) = match self {
            // From 20 on the first day to 40 on the last one.
            Self::Mother => (next(ago(end, 41)), ago(start, 20)),
            // 41 to 49 on the last day.
            Self::Wife => (next(ago(end, 50)), ago(end, 41)),
            // 15 on the first day to 49 on the last one.
            Self::SingleWoman => (next(ago(end, 50)), ago(start, 15)),
            Self::Girl => (next(ago(start, 15)), before(start)),
            // 50 on the last day to 59 on the first one.
            Self::MiddleWoman => (next(ago(start, 60)), ago(end, 50)),
            Self::ListedOldWoman | Self::OldWoman | Self::ListedOldMan | Self::OldMan => {
                (ago(start, 92), ago(start, 60))
            }
            Self::Boy => (next(ago(start, 18)), before(start)),
            Self::WorkingMan => (next(ago(start, 60)), ago(start, 18)),
        };
        let (female, lanes) = match self {
            Self::Mother | Self::ListedOldWoman => (true, (1, 101)),
            Self::Wife => (true, (101, 161)),
            Self::SingleWoman => (true, (161, 221)),
            Self::Girl | Self::MiddleWoman => (true, (221, 401)),
            Self::OldWoman => (true, (101, 401)),
            Self::Boy | Self::WorkingMan => (false, (1, 251)),
            Self::ListedOldMan => (false, (1, 101)),
            Self::OldMan => (false, (101, 251)),
        };
        PoolPlan {
            female,
            born_from,
            born_to,
            region: HOME_REGION,
            lanes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    #[test]
    fn check_characters_are_those_of_the_standard() {
        // The example of GB 11643-1999 itself.
        assert_eq!(
            &id_number(110_105, date(1949, 12, 31), 2),
            b"11010519491231002X"
        );
        assert_eq!(
            &id_number(440_524, date(1880, 1, 1), 1),
            b"440524188001010014"
        );
    }

    #[test]
    fn persons_of_all_pools_have_distinct_numbers() {
        let (start, end) = (date(2013, 10, 1), date(2016, 9, 30));
        let mut seen = std::collections::HashSet::new();
        for class in Class::ALL {
            let pool = Pool::new(1, class as u64, class.pool(start, end));
            for number in 0..5_000 {
                let person = pool.person(number);
                assert!(seen.insert(person.id), "{class:?} {number}");
                assert_eq!(person.female, person.id[16].is_multiple_of(2));
            }
        }
    }

    #[test]
    fn a_pool_that_is_full_goes_on_in_the_next_region() {
        let plan = PoolPlan {
            female: true,
            born_from: date(1990, 1, 1),
            born_to: date(1990, 1, 2),
            region: HOME_REGION,
            lanes: (1, 4),
        };
        let pool = Pool::new(1, 0, plan);
        let ids: std::collections::HashSet<_> =
            (0..12).map(|number| pool.person(number).id).collect();
        assert_eq!(ids.len(), 12);
        assert_eq!(&pool.person(6).id[..6], b"990102");
    }
}
