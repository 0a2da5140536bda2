//! The day loop.
//!
//! A plan and a list of faults come in; the files of the delivery go out. The disk may fail, and
//! a fault may find no room. What must stay true: a row is written on the day on which it is
//! reported, so each file is in that order and the counts of the returns are simply what has been
//! written before; between its day and its report an event is one number in the bucket of a day.

use std::collections::BTreeMap;
use std::path::Path;

use super::SimulateError;
use super::delivery::{Delivery, Kind, Summary};
use super::events::{Events, LONGEST_DELAY, Place};
use super::faults::Fault;
use super::payments::Payments;
use super::plan::Plan;
use super::returns::{ARRIVALS, DEATHS, DEPARTURES, MARRIAGES, Returns};
use super::rows::{self, Reporter};
use super::seeds::{Outcome, Seeds, Twist};
use super::targets;
use super::world::{World, village_code};

/// Days by which events are looked at ahead of their day, so that a report can come before.
const AHEAD: i64 = 20;
/// Buckets of days: more than the days ahead and the 81 days that girls of a faulty village wait.
const BUCKETS: i64 = 128;
/// Rows between two calls of `progress`.
const PROGRESS_ROWS: u64 = 20_000;

/// A report that is due.
#[derive(Clone, Copy, Debug)]
enum Report {
    Birth(u64),
    BirthCopy(u64),
    Away(u64),
    Extra(usize),
    ExtraCopy(usize),
    Loss(u64),
    LossCopy(u64),
    LossAgain(u64),
    Death(u64),
    DeathCopy(u64),
    Marriage(u64),
    Arrival(u64),
    Departure(u64),
}

struct Run {
    world: World,
    events: Events,
    seeds: Seeds,
    payments: Payments,
    returns: Returns,
    delivery: Delivery,
    day: i64,
    buckets: Vec<Vec<Report>>,
    /// The few reports that come later than the buckets reach: seeded faults only.
    later: BTreeMap<i64, Vec<Report>>,
    /// The last day on which something is reported, as far as is known.
    last: i64,
}

pub(super) fn run(
    dir: &Path,
    plan: Plan,
    faults: &[Fault],
    progress: &mut dyn FnMut(u64),
) -> Result<Summary, SimulateError> {
    let mut run = Run::new(dir, plan, faults)?;
    run.opening(progress)?;
    run.days(progress)?;
    for truth in run.seeds.verdicts(&run.world) {
        truth.write(&mut run.delivery)?;
    }
    progress(run.delivery.rows());
    run.delivery.finish()
}

impl Run {
    fn new(dir: &Path, plan: Plan, faults: &[Fault]) -> Result<Self, SimulateError> {
        let world = World::new(plan)?;
        let events = Events::new(&world);
        let payments = Payments::new(&world);
        // Before the first file is made, so that a refusal leaves nothing behind.
        let seeds = targets::choose(&world, &events, &payments, faults)?;
        Ok(Self {
            // Events and returns of the last month, and the money.
            last: payments
                .last_day()
                .max(i64::from(world.plan.span.days()) + LONGEST_DELAY),
            returns: Returns::new(&world),
            delivery: Delivery::create(dir, !faults.is_empty())?,
            world,
            events,
            seeds,
            payments,
            day: 0,
            buckets: vec![Vec::new(); usize::try_from(BUCKETS).unwrap_or(0)],
            later: BTreeMap::new(),
        })
    }

    /// What stands before the first day: offices, households, residents, the truth about single
    /// records.
    fn opening(&mut self, progress: &mut dyn FnMut(u64)) -> Result<(), SimulateError> {
        rows::offices(&mut self.delivery, &self.world)?;
        for household in 0..self.world.plan.households {
            rows::household(&mut self.delivery, &self.world, household)?;
            if household % PROGRESS_ROWS == 0 {
                progress(self.delivery.rows());
            }
        }
        for number in 0..self.world.plan.residents() {
            let resident = self.world.resident(number);
            let mut person = self.world.person(&resident);
            if let Some(other) = self.seeds.shared_ids.get(&number) {
                let other = self.world.person(other);
                (person.id, person.born) = (other.id, other.born);
            }
            let estimated = self.seeds.estimated(&self.world, &self.events, &resident);
            let id = estimated.is_none().then_some(person.id);
            let person = estimated.unwrap_or(person);
            let (world, delivery) = (&self.world, &mut self.delivery);
            rows::resident(delivery, world, &resident, &person, id.as_ref())?;
            self.returns.resident(resident.village);
            if number % PROGRESS_ROWS == 0 {
                progress(self.delivery.rows());
            }
        }
        for truth in self
            .seeds
            .truth
            .iter()
            .chain(&self.payments.truth(&self.seeds))
        {
            truth.write(&mut self.delivery)?;
        }
        Ok(())
    }

    fn days(&mut self, progress: &mut dyn FnMut(u64)) -> Result<(), SimulateError> {
        for (place, extra) in self.seeds.extras.clone().iter().enumerate() {
            self.due(extra.reported, Report::Extra(place));
            if let Twist::SecondBirth(day) = extra.twist {
                self.due(day + 2, Report::ExtraCopy(place));
            }
        }
        for ahead in 0..AHEAD {
            self.happen(ahead)?;
        }
        let mut told = 0;
        while self.day <= self.last {
            self.happen(self.day + AHEAD)?;
            self.report()?;
            self.day += 1;
            if self.delivery.rows() - told >= PROGRESS_ROWS {
                told = self.delivery.rows();
                progress(told);
            }
        }
        Ok(())
    }

    /// Puts a report into the bucket of its day.
    fn due(&mut self, day: i64, report: Report) {
        let day = day.max(self.day);
        self.last = self.last.max(day);
        if day - self.day >= BUCKETS {
            self.later.entry(day).or_default().push(report);
        } else if let Some(bucket) = bucket_mut(&mut self.buckets, day) {
            bucket.push(report);
        }
    }

    /// Looks at the events of a day and notes when they are reported.
    fn happen(&mut self, day: i64) -> Result<(), SimulateError> {
        for number in self.events.births.on(day) {
            self.birth(number)?;
        }
        for number in self.events.away.on(day) {
            let reported = self.events.birth_away(&self.world, number).reported;
            self.due(reported, Report::Away(number));
        }
        for number in self.events.losses.on(day) {
            let loss = self.events.loss(&self.world, number);
            if loss.place == Place::Hospital {
                self.due(loss.copied, Report::LossCopy(number));
            }
            self.due(loss.reported, Report::Loss(number));
            if self.seeds.losses_again.contains_key(&number) {
                self.due(loss.reported + 28, Report::LossAgain(number));
            }
        }
        for number in self.events.deaths.on(day) {
            let death = self.events.death(&self.world, number);
            self.due(death.copied, Report::DeathCopy(number));
            self.due(death.reported, Report::Death(number));
        }
        for number in self.events.marriages.on(day) {
            let marriage = self.events.marriage(&self.world, number);
            if !self
                .seeds
                .leaves_out_marriage(&self.world, marriage.village, day, number)
            {
                self.due(marriage.reported, Report::Marriage(number));
            }
        }
        for number in self.events.arrivals.on(day) {
            let reported = self.events.arrival(&self.world, number).reported;
            self.due(reported, Report::Arrival(number));
        }
        for number in self.events.departures.on(day) {
            let reported = self.events.departure(&self.world, number).reported;
            self.due(reported, Report::Departure(number));
        }
        Ok(())
    }

    fn birth(&mut self, number: u64) -> Result<(), SimulateError> {
        let birth = self.events.birth(&self.world, number);
        let mut altered = birth.clone();
        let outcome = self.seeds.alter(&self.world, &mut altered);
        if let Some(truth) = self.seeds.tally(&self.world, &birth, &altered, outcome) {
            truth.write(&mut self.delivery)?;
        }
        if birth.place == Place::Hospital
            && self.seeds.births.get(&number) != Some(&Fault::Fabricated)
        {
            self.due(birth.copied, Report::BirthCopy(number));
        }
        if outcome != Outcome::LeftOut {
            self.due(altered.reported, Report::Birth(number));
        }
        Ok(())
    }

    /// Writes all that is reported today.
    fn report(&mut self) -> Result<(), SimulateError> {
        let bucket = bucket_mut(&mut self.buckets, self.day).map(std::mem::take);
        let mut bucket = bucket.unwrap_or_default();
        for report in &bucket {
            self.write(*report)?;
        }
        // The bucket keeps its memory for a later day.
        bucket.clear();
        if let Some(place) = bucket_mut(&mut self.buckets, self.day) {
            *place = bucket;
        }
        for report in self.later.remove(&self.day).unwrap_or_default() {
            self.write(report)?;
        }
        activities(&self.world, &mut self.delivery, self.day)?;
        self.payments.report(
            &self.world,
            &self.events,
            &self.seeds,
            &self.returns,
            &mut self.delivery,
            self.day,
        )?;
        self.returns
            .submit(&self.world, &self.seeds, &mut self.delivery, self.day)
    }

    fn write(&mut self, report: Report) -> Result<(), SimulateError> {
        match report {
            Report::Birth(number) => {
                let mut birth = self.events.birth(&self.world, number);
                self.seeds.alter(&self.world, &mut birth);
                self.village_birth(number + 1, &birth)
            }
            Report::Extra(place) => {
                let extra = self.seeds.extras[place];
                let birth = Seeds::extra(&self.world, &self.events, &extra);
                self.village_birth(extra.record, &birth)
            }
            Report::BirthCopy(number) => {
                let birth = self.events.birth(&self.world, number);
                self.hospital_birth(number + 1, &birth, false)
            }
            Report::ExtraCopy(place) => {
                let extra = self.seeds.extras[place];
                let birth = Seeds::extra(&self.world, &self.events, &extra);
                self.hospital_birth(extra.record, &birth, false)
            }
            Report::Away(number) => {
                let birth = self.events.birth_away(&self.world, number);
                self.hospital_birth(birth.number + 1, &birth, true)
            }
            Report::Loss(number) => self.loss(Reporter::Village, number, number + 1, 0),
            Report::LossCopy(number) => self.loss(Reporter::Hospital, number, number + 1, 0),
            Report::LossAgain(number) => {
                let record = self
                    .seeds
                    .losses_again
                    .get(&number)
                    .copied()
                    .unwrap_or(number + 1);
                self.loss(Reporter::Village, number, record, 28)
            }
            _ => self.registration(report),
        }
    }

    fn village_birth(
        &mut self,
        record: u64,
        birth: &super::events::Birth,
    ) -> Result<(), SimulateError> {
        self.returns
            .birth(&self.world, birth.village, birth.day, birth.female);
        rows::birth(
            &mut self.delivery,
            &self.world,
            Reporter::Village,
            record,
            birth,
            false,
        )
    }

    fn hospital_birth(
        &mut self,
        record: u64,
        birth: &super::events::Birth,
        away: bool,
    ) -> Result<(), SimulateError> {
        rows::birth(
            &mut self.delivery,
            &self.world,
            Reporter::Hospital,
            record,
            birth,
            away,
        )
    }

    fn loss(
        &mut self,
        reporter: Reporter,
        number: u64,
        record: u64,
        later: i64,
    ) -> Result<(), SimulateError> {
        let mut loss = self.events.loss(&self.world, number);
        loss.reported += later;
        rows::loss(&mut self.delivery, &self.world, reporter, record, &loss)
    }

    fn registration(&mut self, report: Report) -> Result<(), SimulateError> {
        let (world, plan) = (&self.world, &self.world.plan);
        let deaths = first_death_record(world);
        let marriages = deaths + plan.deaths;
        let arrivals = marriages + plan.marriages;
        let departures = arrivals + plan.arrivals;
        let (kind, record, event, indicator) = match report {
            Report::Death(number) | Report::DeathCopy(number) => {
                let mut death = self.events.death(world, number);
                let copy = matches!(report, Report::DeathCopy(_));
                if self.seeds.deaths_first.contains(&number) && !copy {
                    death.person.born = plan.span.date(death.day + 200);
                }
                let letter = if copy { 'D' } else { 'R' };
                ("death", (letter, deaths + number), death, DEATHS)
            }
            Report::Marriage(number) => {
                let event = self.events.marriage(world, number);
                ("marriage", ('R', marriages + number), event, MARRIAGES)
            }
            Report::Arrival(number) => (
                "arrival",
                ('R', arrivals + number),
                self.events.arrival(world, number),
                ARRIVALS,
            ),
            Report::Departure(number) => {
                let event = self.events.departure(world, number);
                ("departure", ('R', departures + number), event, DEPARTURES)
            }
            // The others are births and losses.
            _ => return Ok(()),
        };
        if record.0 == 'R' {
            self.returns
                .count(world, event.village, event.day, indicator);
        }
        rows::registration(&mut self.delivery, world, kind, record, &event)
    }
}

fn bucket_mut(buckets: &mut [Vec<Report>], day: i64) -> Option<&mut Vec<Report>> {
    usize::try_from(day.rem_euclid(BUCKETS))
        .ok()
        .and_then(|place| buckets.get_mut(place))
}

/// Number of the record of the first death: households and residents come before.
pub(super) fn first_death_record(world: &World) -> u64 {
    world.plan.households + world.plan.residents() + 1
}

/// Activities of each village and half-year: kind, quantity, eligible persons.
const ACTIVITIES: [(&str, u64, Option<u64>); 9] = [
    ("blackboard", 6, None),
    ("banner", 2, None),
    ("leaflet", 1_000, None),
    ("campaign", 3, None),
    ("couplet", 60, None),
    ("association_study", 2, None),
    ("association_event", 4, None),
    ("relief_visit", 2, None),
    ("preconception_checkup", 8, Some(9)),
];

/// Writes the activities that are reported on `day`: in every sixth month one each 12 days, told
/// of on the day after.
fn activities(world: &World, delivery: &mut Delivery, day: i64) -> Result<(), SimulateError> {
    let span = &world.plan.span;
    let month = span.month_of(day) / 6 * 6;
    let since = day - span.first_of(month) - 6;
    let place = usize::try_from(since / 12).unwrap_or(usize::MAX);
    let Some((kind, quantity, eligible)) = ACTIVITIES.get(place) else {
        return Ok(());
    };
    if since < 0 || since % 12 != 0 || day >= i64::from(span.days()) {
        return Ok(());
    }
    let half_year = (month / 6) as u64;
    for village in 0..world.plan.villages {
        let before = half_year * 9 + place as u64;
        let number = before * u64::from(world.plan.villages) + u64::from(village) + 1;
        let sheet = delivery.sheet(Kind::Activities);
        sheet
            .code('A', number, 7)
            .text("village")
            .number(village_code(village))
            .text(kind);
        sheet
            .date(span.date(day - 1))
            .date(span.date(day))
            .number(*quantity);
        sheet.optional(*eligible).blank(1).end()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::plan::Options;
    use super::*;

    #[test]
    fn what_waits_is_bounded_by_the_events_of_a_month() {
        // Three years and six: twice the births, and no more of them wait at a time.
        for months in [36, 72] {
            let births = Some(1_000 * u64::from(months));
            let options = Options {
                population: 2_000,
                months,
                births,
                ..Options::default()
            };
            let dir = tempfile::tempdir().unwrap();
            let plan = Plan::from_options(&options).unwrap();
            let mut run = Run::new(dir.path(), plan, &[]).unwrap();
            let mut most = 0;
            while run.day < i64::from(run.world.plan.span.days()) {
                run.happen(run.day + AHEAD).unwrap();
                run.report().unwrap();
                run.day += 1;
                most = most.max(run.buckets.iter().map(Vec::len).sum::<usize>());
            }
            // 33 births a day: 20 days ahead, 10 of delay, and the hospital's copies.
            assert!(
                (1_000..2_600).contains(&most),
                "{most} wait in {months} months"
            );
            assert!(run.later.is_empty());
        }
    }
}
