//! Programme funding, the list of the family support, and its payments.
//!
//! A day comes in; the money that is reported on it goes out. Only the disk can fail. What must
//! stay true: the list of a year holds everybody of the two listed classes (a quarter of those
//! who were 60 at the start) who is alive on 20 February; whoever is alive on the day of payment
//! gets 960 yuan once, net of reversals; a township gets 8.90 yuan a head. The list is walked
//! person by person and never held.

use super::SimulateError;
use super::delivery::{Delivery, Kind};
use super::dice::{Dice, Purpose};
use super::events::{AGED, Events};
use super::faults::{Fault, Truth};
use super::people::{Class, Person};
use super::returns::Returns;
use super::seeds::{Seeds, Undue};
use super::world::{Resident, World, township_code, village_code};

const SCHEME: &str = "family_support";
const RATE_FEN: u64 = 96_000;
/// Above the 8.50 yuan of the targets.
const FUNDING_PER_HEAD_FEN: u64 = 890;
/// One account for all persons who do not exist.
const GHOST_ACCOUNT: u64 = 6_217_999_900_001_111;
/// Days from the report of the payments to that of a second one.
const SECOND_DAYS: i64 = 9;
/// The register may be paid out after the last month; reports of events come as late as that.
const TAIL_DAYS: i64 = 30;

#[derive(Clone, Copy, Debug)]
struct Year {
    label: i32,
    funding: Option<i64>,
    list: Option<i64>,
    paid: Option<i64>,
}

/// What a row of money says.
struct Row<'row> {
    record: (char, u64),
    village: u32,
    flow: &'static str,
    year: i32,
    amount_fen: u64,
    occurred: i64,
    reported: i64,
    person: &'row Person,
    account: u64,
}

/// The money of a delivery.
#[derive(Clone, Debug)]
pub(super) struct Payments {
    years: Vec<Year>,
    listed: u64,
    dice: Dice,
}

impl Payments {
    pub(super) fn new(world: &World) -> Self {
        let span = &world.plan.span;
        let year = |year: i32| {
            let list = span.find(year, 2, 20, 0);
            // Who was not listed in this delivery is not paid in it.
            let paid = list.and_then(|_| span.find(year, 8, 30, TAIL_DAYS));
            Year {
                label: year,
                funding: span.find(year, 1, 22, 0),
                list,
                paid,
            }
        };
        Self {
            years: span.years().map(year).collect(),
            listed: world.class_size(Class::ListedOldWoman) + world.class_size(Class::ListedOldMan),
            dice: Dice::new(world.plan.seed, Purpose::Payment, 0),
        }
    }

    /// Years in which the list is paid.
    pub(super) fn paid_years(&self) -> impl Iterator<Item = i32> + '_ {
        self.years
            .iter()
            .filter(|year| year.paid.is_some())
            .map(|year| year.label)
    }

    pub(super) fn funded_years(&self) -> impl Iterator<Item = i32> + '_ {
        self.years
            .iter()
            .filter(|year| year.funding.is_some())
            .map(|year| year.label)
    }

    /// The latest day on which something is reported.
    pub(super) fn last_day(&self) -> i64 {
        let paid = self.years.iter().filter_map(|year| year.paid);
        paid.max().map_or(0, |day| day + SECOND_DAYS)
    }

    /// Number of the records of a list entry: entry, payment and reversal share it.
    fn record(&self, at: usize, listed: u64) -> u64 {
        at as u64 * self.listed + listed + 1
    }

    /// Number of a second payment.
    fn second_record(&self, at: usize, listed: u64) -> u64 {
        self.years.len() as u64 * self.listed + self.record(at, listed)
    }

    /// Number of an undue payment (and list entry).
    fn undue_record(&self, place: usize) -> u64 {
        2 * self.years.len() as u64 * self.listed + place as u64 + 1
    }

    pub(super) fn report(
        &self,
        world: &World,
        events: &Events,
        seeds: &Seeds,
        returns: &Returns,
        delivery: &mut Delivery,
        day: i64,
    ) -> Result<(), SimulateError> {
        for (at, year) in self.years.iter().enumerate() {
            if year.funding == Some(day) {
                fund(world, seeds, returns, delivery, (at, year.label), day)?;
            }
            let Some(list) = year.list else { continue };
            if list == day {
                self.list(world, events, delivery, (at, year.label), day)?;
                self.undue(world, seeds, delivery, year.label, (day, true))?;
            }
            let Some(paid) = year.paid else { continue };
            if paid == day {
                for step in 0..3 {
                    // First the payments, then what came back, then what was paid again; in the
                    // order of the list within each, as they carry one date of report.
                    self.pay(world, events, seeds, delivery, (at, *year), step)?;
                }
                self.undue(world, seeds, delivery, year.label, (day, false))?;
            }
            if paid + SECOND_DAYS == day {
                self.pay_twice(world, seeds, delivery, (at, year.label), day)?;
            }
        }
        Ok(())
    }

    /// Alive on `day`, as far as the truth of the events goes.
    fn alive(events: &Events, listed: u64, day: i64) -> bool {
        events.day_of_death(listed).is_none_or(|death| death > day)
    }

    fn list(
        &self,
        world: &World,
        events: &Events,
        delivery: &mut Delivery,
        (at, year): (usize, i32),
        day: i64,
    ) -> Result<(), SimulateError> {
        for listed in 0..self.listed {
            if !Self::alive(events, listed, day) {
                continue;
            }
            let Some(resident) = world.chained(&AGED, listed) else {
                continue;
            };
            let row = Row {
                record: ('E', self.record(at, listed)),
                village: resident.village,
                flow: "entitlement",
                year,
                amount_fen: RATE_FEN,
                occurred: day,
                reported: day,
                person: &world.person(&resident),
                account: world.account(&resident),
            };
            write(world, delivery, &row)?;
        }
        Ok(())
    }

    fn pay(
        &self,
        world: &World,
        events: &Events,
        seeds: &Seeds,
        delivery: &mut Delivery,
        (at, year): (usize, Year),
        step: i64,
    ) -> Result<(), SimulateError> {
        let (Some(list), Some(paid)) = (year.list, year.paid) else {
            return Ok(());
        };
        for listed in 0..self.listed {
            let mut roll = self.dice.roll(self.record(at, listed));
            // 5 to 21 August.
            let occurred = paid - 25 + roll.days(17);
            // One payment in 400 comes back from the bank and is made again.
            let returned = roll.below(400) == 0;
            let fault = seeds.payments.get(&(year.label, listed)).copied();
            if (step > 0 && !(returned && fault.is_none()))
                || fault == Some(Fault::Unpaid)
                || !Self::alive(events, listed, list)
                || !Self::alive(events, listed, occurred + 5)
            {
                continue;
            }
            let Some(resident) = world.chained(&AGED, listed) else {
                continue;
            };
            let (letter, number) = match step {
                0 => ('P', self.record(at, listed)),
                1 => ('V', self.record(at, listed)),
                _ => ('P', self.second_record(at, listed)),
            };
            let row = Row {
                record: (letter, number),
                village: resident.village,
                flow: if step == 1 { "reversal" } else { "payment" },
                year: year.label,
                amount_fen: match fault {
                    Some(Fault::WrongAmount) if roll.per_mille(500) => RATE_FEN / 2,
                    Some(Fault::WrongAmount) => RATE_FEN + 100_000,
                    _ => RATE_FEN,
                },
                occurred: occurred + 2 * step,
                reported: paid,
                person: &world.person(&resident),
                account: world.account(&resident),
            };
            write(world, delivery, &row)?;
        }
        Ok(())
    }

    fn pay_twice(
        &self,
        world: &World,
        seeds: &Seeds,
        delivery: &mut Delivery,
        (at, year): (usize, i32),
        day: i64,
    ) -> Result<(), SimulateError> {
        let twice = seeds
            .payments
            .iter()
            .filter(|(key, fault)| key.0 == year && **fault == Fault::DupPayment);
        let mut twice: Vec<u64> = twice.map(|(key, _)| key.1).collect();
        twice.sort_unstable();
        for listed in twice {
            let Some(resident) = world.chained(&AGED, listed) else {
                continue;
            };
            let row = Row {
                record: ('P', self.second_record(at, listed)),
                village: resident.village,
                flow: "payment",
                year,
                amount_fen: RATE_FEN,
                occurred: day - 3,
                reported: day,
                person: &world.person(&resident),
                account: world.account(&resident),
            };
            write(world, delivery, &row)?;
        }
        Ok(())
    }

    /// List entries, or payments, that ought not to be.
    fn undue(
        &self,
        world: &World,
        seeds: &Seeds,
        delivery: &mut Delivery,
        year: i32,
        (day, listing): (i64, bool),
    ) -> Result<(), SimulateError> {
        for (place, (of, undue)) in seeds.undue.iter().enumerate() {
            let early = matches!(undue, Undue::Early(_));
            if *of != year || (listing && !early) {
                continue;
            }
            let of_resident = |resident: &Resident| {
                (
                    world.person(resident),
                    resident.village,
                    world.account(resident),
                )
            };
            let (person, village, account) = match undue {
                Undue::Ghost(person, village) => (*person, *village, GHOST_ACCOUNT),
                Undue::Dead(resident) | Undue::Early(resident) => of_resident(resident),
            };
            let row = Row {
                record: (if listing { 'E' } else { 'P' }, self.undue_record(place)),
                village,
                flow: if listing { "entitlement" } else { "payment" },
                year,
                amount_fen: RATE_FEN,
                occurred: if listing { day } else { day - 18 },
                reported: day,
                person: &person,
                account,
            };
            write(world, delivery, &row)?;
        }
        Ok(())
    }

    /// The truth about payments.
    pub(super) fn truth(&self, seeds: &Seeds) -> Vec<Truth> {
        let mut truth = Vec::new();
        let mut faults: Vec<_> = seeds.payments.iter().collect();
        faults.sort_unstable();
        for ((year, listed), fault) in faults {
            let Some(at) = self.years.iter().position(|known| known.label == *year) else {
                continue;
            };
            let number = self.record(at, *listed);
            let key = format!("P{number:07}");
            truth.push(match fault {
                Fault::DupPayment => {
                    let second = self.second_record(at, *listed);
                    let keys = format!("{key} P{second:07}");
                    Truth::all(fault.name(), "PY1", keys).also("PY5")
                }
                Fault::Unpaid => Truth::any(fault.name(), "PY7", format!("E{number:07}")),
                _ => Truth::any(fault.name(), "PY5", key),
            });
        }
        let mut ghosts = Vec::new();
        for (place, (_, undue)) in seeds.undue.iter().enumerate() {
            let key = format!("P{:07}", self.undue_record(place));
            match undue {
                Undue::Ghost(..) => {
                    truth.push(Truth::any("ghost", "PY3", key.clone()));
                    truth.push(Truth::any("ghost_unlisted", "PY9", key.clone()));
                    ghosts.push(key);
                }
                Undue::Dead(_) => {
                    truth.push(Truth::any("dead_paid", "PY2", key.clone()));
                    truth.push(Truth::any("dead_unlisted", "PY9", key));
                }
                Undue::Early(_) => {
                    let entry = format!("E{:07}", self.undue_record(place));
                    truth.push(Truth::any("early_pay", "PY4", key));
                    truth.push(Truth::any("early_pay", "PY4", entry));
                }
            }
        }
        if ghosts.len() >= 3 {
            let shared = Truth::any("shared_account", "PY6", ghosts.join(" "));
            truth.push(shared.note("one account for all of them"));
        }
        truth
    }
}

fn fund(
    world: &World,
    seeds: &Seeds,
    returns: &Returns,
    delivery: &mut Delivery,
    (at, year): (usize, i32),
    day: i64,
) -> Result<(), SimulateError> {
    for township in 0..world.townships() {
        let heads = u64::try_from(returns.population(world, township)).unwrap_or(0);
        let number = at as u64 * u64::from(world.townships()) + u64::from(township) + 1;
        let mut amount_fen = heads * FUNDING_PER_HEAD_FEN;
        if seeds.underfunded == Some(year) && township == 0 {
            amount_fen = amount_fen * 9 / 10;
            Truth::any("funding", "PY8", format!("F{number:07}")).write(delivery)?;
        }
        let span = &world.plan.span;
        let sheet = delivery.sheet(Kind::Disbursements);
        sheet
            .code('F', number, 7)
            .text("finance")
            .number(township_code(township));
        sheet
            .text("appropriation")
            .text("programme_funding")
            .number(u64::try_from(year).unwrap_or(0));
        sheet
            .yuan(amount_fen)
            .date(span.date(day - 2))
            .date(span.date(day))
            .blank(6)
            .end()?;
    }
    Ok(())
}

fn write(world: &World, delivery: &mut Delivery, row: &Row) -> Result<(), SimulateError> {
    let span = &world.plan.span;
    let entry = row.flow == "entitlement";
    let sheet = delivery.sheet(Kind::Disbursements);
    sheet
        .code(row.record.0, row.record.1, 7)
        .text(if entry { "village" } else { "finance" });
    sheet
        .number(village_code(row.village))
        .text(row.flow)
        .text(SCHEME);
    sheet
        .number(u64::try_from(row.year).unwrap_or(0))
        .yuan(row.amount_fen);
    sheet
        .date(span.date(row.occurred))
        .date(span.date(row.reported));
    sheet
        .name(&row.person.name)
        .bytes(&row.person.id)
        .date(row.person.born)
        .number(row.account);
    if entry {
        let township = super::world::township_of(row.village);
        sheet.text(&format!("town-clerk-{}", township + 1));
    } else {
        sheet.blank(1);
    }
    sheet.blank(1).end()
}
