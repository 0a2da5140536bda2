//! What happens to whom.
//!
//! The number of an event comes in; the event goes out: its day, its reports, its persons.
//! Nothing can fail. What must stay true: an event can be derived again at any time; a mother
//! bears once in a delivery (twins apart), so that intervals hold; nobody dies or leaves who is
//! to bear or is on a list of the living; the events of one kind fall at random.

use chrono::NaiveDate;

use super::calendar::Calendar;
use super::dice::{Dice, Purpose, Roll, Shuffle};
use super::names::{Name, surname};
use super::people::{Class, IdNumber, Person};
use super::world::{Resident, World};

/// The aged, of whom some die.
pub(super) const AGED: [Class; 4] = [
    Class::ListedOldWoman,
    Class::ListedOldMan,
    Class::OldWoman,
    Class::OldMan,
];
/// Those who may leave.
const MOVERS: [Class; 2] = [Class::SingleWoman, Class::WorkingMan];

/// Longest delay of a report, in days.
pub(super) const LONGEST_DELAY: i64 = 30;

/// Reports of a village per 1,000 by days of delay (1 to 30): median 9, few beyond 25.
const DELAYS: [u64; 30] = [
    29, 49, 61, 67, 70, 70, 67, 64, 60, 55, 51, 46, 41, 37, 33, 29, 26, 23, 20, 17, 15, 13, 11, 10,
    9, 7, 6, 6, 5, 3,
];

/// Median weight in grams by completed week from 20 (Hadlock), for fetal deaths.
const MEDIAN_WEIGHTS: [u64; 22] = [
    331, 399, 478, 568, 670, 785, 913, 1_055, 1_210, 1_379, 1_559, 1_751, 1_953, 2_162, 2_377,
    2_595, 2_813, 3_028, 3_236, 3_435, 3_619, 3_787,
];

/// Where a child is born.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the township's hospital, which reports too.
    Hospital,
    /// In a hospital that sends no file here.
    Elsewhere,
    Home,
}

/// A birth as one report states it.
#[derive(Clone, Debug)]
pub(super) struct Birth {
    pub(super) number: u64,
    pub(super) day: i64,
    pub(super) reported: i64,
    /// Day of the hospital's own report.
    pub(super) copied: i64,
    pub(super) village: u32,
    pub(super) female: bool,
    pub(super) plurality: u64,
    pub(super) weight_g: u64,
    pub(super) gestation_days: u64,
    pub(super) place: Place,
    pub(super) certificate: Option<[u8; 10]>,
    pub(super) child: Name,
    pub(super) mother: Person,
    pub(super) mother_id: Option<IdNumber>,
    pub(super) mother_born: NaiveDate,
    pub(super) father: Name,
    pub(super) household: Option<u64>,
}

#[derive(Clone, Debug)]
pub(super) struct Loss {
    pub(super) number: u64,
    pub(super) day: i64,
    pub(super) reported: i64,
    pub(super) copied: i64,
    pub(super) village: u32,
    pub(super) gestation_days: u64,
    pub(super) weight_g: Option<u64>,
    pub(super) timing: &'static str,
    pub(super) place: Place,
    pub(super) woman_id: IdNumber,
}

/// A death, a departure, an arrival or a marriage.
#[derive(Clone, Debug)]
pub(super) struct Registration {
    pub(super) day: i64,
    pub(super) reported: i64,
    /// Day of the police's own report of a death.
    pub(super) copied: i64,
    pub(super) village: u32,
    pub(super) person: Person,
    pub(super) household: Option<u64>,
    pub(super) partner: Option<Person>,
}

/// The events of a delivery.
#[derive(Clone, Debug)]
pub(super) struct Events {
    pub(super) births: Calendar,
    pub(super) away: Calendar,
    pub(super) losses: Calendar,
    pub(super) deaths: Calendar,
    pub(super) marriages: Calendar,
    pub(super) arrivals: Calendar,
    pub(super) departures: Calendar,
    dice: [Dice; 7],
    mothers: Shuffle,
    /// Mothers of the register set aside for births; the others are for losses.
    bearing: u64,
    certificates: Shuffle,
    dying: Shuffle,
    leaving: Shuffle,
}

impl Events {
    pub(super) fn new(world: &World) -> Self {
        let plan = &world.plan;
        let (seed, days) = (plan.seed, plan.event_days);
        let spread = |part, total| Calendar::spread(seed, part, total, days);
        let births = plan.fixed_births.as_ref().map_or_else(
            || Calendar::spread(seed, 0, plan.births, plan.span.days()),
            |births| Calendar::fixed(births.iter().map(|birth| birth.day), plan.span.days()),
        );
        let size = |classes: &[Class]| classes.iter().map(|class| world.class_size(*class)).sum();
        let mothers = world.class_size(Class::Mother);
        let purposes = [
            Purpose::Birth,
            Purpose::Child,
            Purpose::Loss,
            Purpose::Death,
            Purpose::Marriage,
            Purpose::Arrival,
            Purpose::Departure,
        ];
        Self {
            births,
            away: spread(1, plan.births_away),
            losses: spread(2, plan.losses),
            deaths: spread(3, plan.deaths),
            marriages: spread(4, plan.marriages),
            arrivals: spread(5, plan.arrivals),
            departures: spread(6, plan.departures),
            dice: purposes.map(|purpose| Dice::new(seed, purpose, 0)),
            mothers: Shuffle::new(seed, Purpose::Mothers, 0, mothers),
            bearing: mothers * 4 / 5,
            certificates: Shuffle::new(seed, Purpose::Certificates, 0, 1_000_000_000),
            dying: Shuffle::new(seed, Purpose::Death, 1, size(&AGED)),
            leaving: Shuffle::new(seed, Purpose::Departure, 1, size(&MOVERS)),
        }
    }

    fn roll(&self, purpose: Purpose, number: u64) -> Roll {
        let place = match purpose {
            Purpose::Child => 1,
            Purpose::Loss => 2,
            Purpose::Death => 3,
            Purpose::Marriage => 4,
            Purpose::Arrival => 5,
            Purpose::Departure => 6,
            _ => 0,
        };
        self.dice[place].roll(number)
    }

    /// The first child of the delivery that `number` belongs to, and whether it is one of twins.
    fn lead(&self, world: &World, number: u64) -> (u64, bool) {
        let first = number & !1;
        // Twins are two neighbours, the first of them even, who are born on one day.
        let paired = world.plan.fixed_births.is_none()
            && self.roll(Purpose::Birth, first).per_mille(20)
            && first + 1 < self.births.total()
            && self.births.day_of(first) == self.births.day_of(first + 1);
        if paired {
            (first, true)
        } else {
            (number, false)
        }
    }

    /// A resident mother where the register has enough of them, else one who is registered
    /// elsewhere. Resident mothers are spread evenly over the births, each of them once.
    fn mother(&self, world: &World, lead: u64) -> Option<Resident> {
        let total = self.births.total();
        let member = if total <= self.bearing {
            lead
        } else {
            let share = |births: u64| {
                let mothers = u128::from(births) * u128::from(self.bearing) / u128::from(total);
                u64::try_from(mothers).unwrap_or(0)
            };
            if share(lead + 1) == share(lead) {
                return None;
            }
            share(lead)
        };
        Some(world.member(Class::Mother, self.mothers.forward(member)))
    }

    /// A birth of a mother who lives here, as her village reports it.
    pub(super) fn birth(&self, world: &World, number: u64) -> Birth {
        let (lead, twin) = self.lead(world, number);
        // What twins share is drawn from the first one's numbers.
        let mut shared = self.roll(Purpose::Birth, lead);
        let _paired = shared.word();
        let mut delay = delay(&mut shared);
        let copy_delay = shared.days(4);
        let mut place = place(&mut shared);
        let fallback = shared.below(u64::from(world.plan.villages));
        let resident = self.mother(world, lead);
        let mother = resident.map_or_else(
            || world.strangers.mothers.person(lead),
            |resident| world.person(&resident),
        );
        let village = resident.map_or_else(
            || u32::try_from(fallback).unwrap_or(0),
            |resident| resident.village,
        );
        let father = Name::draw(&mut shared, false);
        let mut own = self.roll(Purpose::Child, number);
        let mut female = female(&mut own);
        let day = self.births.day_of(number);
        let fixed = world.plan.fixed_births.as_ref();
        let fixed = fixed
            .zip(usize::try_from(number).ok())
            .and_then(|(all, at)| all.get(at));
        if let Some(fixed) = fixed {
            (delay, female, place) = (fixed.delay, fixed.female, Place::Hospital);
        }
        let (weight_g, gestation_days) = size_at_birth(&mut own, &mut shared, twin);
        Birth {
            number,
            day,
            reported: day + delay,
            copied: day + copy_delay.min(delay),
            village,
            female,
            plurality: if twin { 2 } else { 1 },
            weight_g,
            gestation_days,
            place,
            certificate: Some(certificate(b'Z', self.certificates.forward(number))),
            child: Name::child(&mut own, father.surname, female),
            mother,
            mother_id: Some(mother.id),
            mother_born: mother.born,
            father,
            household: resident.map(|resident| resident.household),
        }
    }

    /// A birth in the hospital here of a mother who lives elsewhere.
    pub(super) fn birth_away(&self, world: &World, number: u64) -> Birth {
        // Numbers beyond those of the births proper.
        let mut roll = self.roll(Purpose::Child, self.births.total() + number);
        let mother = world.strangers.away_mothers.person(number);
        let female = female(&mut roll);
        let mut shared = roll;
        let (weight_g, gestation_days) = size_at_birth(&mut roll, &mut shared, false);
        let day = self.away.day_of(number);
        let reported = day + roll.days(4);
        let family = surname(&mut roll);
        Birth {
            number: self.births.total() + number,
            day,
            reported,
            copied: reported,
            village: u32::try_from(roll.below(u64::from(world.plan.villages))).unwrap_or(0),
            female,
            plurality: 1,
            weight_g,
            gestation_days,
            place: Place::Hospital,
            certificate: Some(certificate(b'Y', self.certificates.forward(number))),
            child: Name::child(&mut roll, family, female),
            mother,
            mother_id: Some(mother.id),
            mother_born: mother.born,
            father: Name::child(&mut roll, family, false),
            household: None,
        }
    }

    pub(super) fn loss(&self, world: &World, number: u64) -> Loss {
        let mut roll = self.roll(Purpose::Loss, number);
        let member = self.bearing + number;
        let fallback = roll.below(u64::from(world.plan.villages));
        let (woman, village) = if member < self.mothers.size() {
            let resident = world.member(Class::Mother, self.mothers.forward(member));
            (world.person(&resident), resident.village)
        } else {
            let person = world.strangers.mothers.person(self.births.total() + number);
            (person, u32::try_from(fallback).unwrap_or(0))
        };
        let weeks = match roll.below(100) {
            0..80 => 5 + roll.below(15),
            80..94 => 20 + roll.below(8),
            _ => 28 + roll.below(13),
        };
        let timing = match roll.below(10) {
            0..7 if weeks >= 28 => "antepartum",
            7..9 if weeks >= 28 => "intrapartum",
            _ => "unknown",
        };
        let median = weeks
            .checked_sub(20)
            .and_then(|week| usize::try_from(week).ok());
        let median = median.and_then(|week| MEDIAN_WEIGHTS.get(week));
        let day = self.losses.day_of(number);
        let delay = delay(&mut roll);
        Loss {
            number,
            day,
            reported: day + delay,
            copied: day + roll.days(4).min(delay),
            village,
            gestation_days: 7 * weeks + roll.below(7),
            weight_g: median.map(|median| median * (70 + roll.below(46)) / 100),
            timing,
            place: if roll.per_mille(950) {
                Place::Hospital
            } else {
                Place::Elsewhere
            },
            woman_id: woman.id,
        }
    }

    pub(super) fn death(&self, world: &World, number: u64) -> Registration {
        let mut roll = self.roll(Purpose::Death, number);
        let resident = self.dead(world, number);
        // The plan never has more deaths than half the aged; member 0 is not reached.
        let resident = resident.unwrap_or_else(|| world.member(Class::OldMan, 0));
        let mut death = of_resident(world, &resident, self.deaths.day_of(number), &mut roll);
        death.copied = death.day + roll.days(6);
        death
    }

    /// The day on which the member of the aged dies, if that happens within the delivery.
    pub(super) fn day_of_death(&self, chained: u64) -> Option<i64> {
        let number = self.dying.inverse(chained);
        (number < self.deaths.total()).then(|| self.deaths.day_of(number))
    }

    /// Who dies.
    pub(super) fn dead(&self, world: &World, number: u64) -> Option<Resident> {
        world.chained(&AGED, self.dying.forward(number))
    }

    pub(super) fn departure(&self, world: &World, number: u64) -> Registration {
        let mut roll = self.roll(Purpose::Departure, number);
        let resident = world.chained(&MOVERS, self.leaving.forward(number));
        let resident = resident.unwrap_or_else(|| world.member(Class::WorkingMan, 0));
        of_resident(world, &resident, self.departures.day_of(number), &mut roll)
    }

    pub(super) fn leaves(&self, world: &World, resident: &Resident) -> bool {
        let chained = match resident.class {
            Class::SingleWoman => resident.member,
            Class::WorkingMan => world.class_size(Class::SingleWoman) + resident.member,
            _ => return false,
        };
        self.leaving.inverse(chained) < self.departures.total()
    }

    pub(super) fn arrival(&self, world: &World, number: u64) -> Registration {
        let mut roll = self.roll(Purpose::Arrival, number);
        let sex = usize::from(roll.per_mille(500));
        let person = world.strangers.arrivals[sex].person(number);
        of_stranger(world, person, None, self.arrivals.day_of(number), &mut roll)
    }

    pub(super) fn marriage(&self, world: &World, number: u64) -> Registration {
        let mut roll = self.roll(Purpose::Marriage, number);
        let groom = world.strangers.grooms.person(number);
        let bride = world.strangers.brides.person(number);
        of_stranger(
            world,
            groom,
            Some(bride),
            self.marriages.day_of(number),
            &mut roll,
        )
    }
}

fn of_resident(world: &World, resident: &Resident, day: i64, roll: &mut Roll) -> Registration {
    let reported = day + delay(roll);
    Registration {
        day,
        reported,
        copied: reported,
        village: resident.village,
        person: world.person(resident),
        household: Some(resident.household),
        partner: None,
    }
}

fn of_stranger(
    world: &World,
    person: Person,
    partner: Option<Person>,
    day: i64,
    roll: &mut Roll,
) -> Registration {
    let village = u32::try_from(roll.below(u64::from(world.plan.villages))).unwrap_or(0);
    let reported = day + delay(roll);
    Registration {
        day,
        reported,
        copied: reported,
        village,
        person,
        household: None,
        partner,
    }
}

fn delay(roll: &mut Roll) -> i64 {
    let mut left = roll.below(1_000);
    let mut days = 0;
    for share in DELAYS {
        days += 1;
        if left < share {
            break;
        }
        left -= share;
    }
    days
}

fn place(roll: &mut Roll) -> Place {
    match roll.below(1_000) {
        0..960 => Place::Hospital,
        960..985 => Place::Elsewhere,
        _ => Place::Home,
    }
}

/// 105.5 boys to 100 girls.
fn female(roll: &mut Roll) -> bool {
    roll.below(2_055) < 1_000
}

/// Weight and gestation. Twins share the gestation; weights are read to 10 g by most scales.
fn size_at_birth(own: &mut Roll, shared: &mut Roll, twin: bool) -> (u64, u64) {
    let early = if twin { 20 } else { 0 };
    let gestation = 278 - early + shared.bell(9);
    let weight = if twin { 2_480 } else { 3_290 } + own.bell(390);
    let weight = if own.per_mille(600) {
        weight / 10 * 10
    } else {
        weight
    };
    (
        u64::try_from(weight).unwrap_or(3_290),
        u64::try_from(gestation).unwrap_or(278),
    )
}

/// A letter and nine digits.
pub(super) fn certificate(letter: u8, number: u64) -> [u8; 10] {
    let mut text = [letter; 10];
    let mut left = number;
    for place in (1..10).rev() {
        text[place] = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
    }
    text
}
