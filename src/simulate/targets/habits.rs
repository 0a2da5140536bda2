//! Faults of what a village usually does: its marriages, its ages, its rates.
//!
//! A fault comes in; the village that has it, with the truth about it, goes to the seeds. A fault
//! without room is refused. What must stay true: they touch neither births nor the counts of
//! returns, so they lie in the first village or the last, whatever else these have.

use std::collections::BTreeSet;

use super::super::SimulateError;
use super::super::faults::{Fault, Truth};
use super::super::people::Class;
use super::super::world::{township_code, township_of, village_code};
use super::{Chooser, SERIES, no_room};

impl Chooser<'_> {
    /// Villages whose marriages are missing. Where the rest of a village is too little, its
    /// township is looked at instead.
    pub(super) fn few_marriages(&mut self, fault: Fault) -> Result<(), SimulateError> {
        let plan = &self.world.plan;
        let (months, villages) = (plan.span.month_count(), u64::from(plan.villages));
        let expected = plan.marriages / villages;
        let (family, village, from, owed) = if fault == Fault::FewMarriages {
            // What ten units and their scatter show.
            ("FN1", 0, 0, villages >= 10 && expected >= 40)
        } else {
            // Two thirds are returned in time. Cumulative sums show such a fall in three years from
            // some 8 a month on nearly always, at 3 a month in a third of the cases.
            let monthly = expected / months as u64;
            (
                "SQ1",
                plan.villages - 1,
                months / 2,
                months >= 36 && monthly >= 8,
            )
        };
        if self.seeds.few_marriages.contains_key(&village) || plan.marriages == 0 {
            return Err(no_room(fault, "two villages and some marriages"));
        }
        self.seeds
            .few_marriages
            .insert(village, plan.span.first_of(from));
        let keys = format!(
            "{} {}",
            village_code(village),
            township_code(township_of(village))
        );
        let note = format!("about {expected} marriages expected");
        let truth = Truth::any(fault.name(), family, keys).also(SERIES);
        self.seeds.truth.push(truth.owed(owed).note(note));
        Ok(())
    }

    pub(super) fn age_heap(&mut self, fault: Fault) {
        let plan = &self.world.plan;
        let adults = self.world.class_size(Class::Wife) + self.world.class_size(Class::WorkingMan);
        let here = adults / u64::from(plan.villages);
        self.seeds.age_heap = Some(0);
        let keys = format!("{} {}", village_code(0), township_code(0));
        let note = format!("about {here} adults without an ID number");
        // 500 ages between 23 and 62 are needed; a tenth of the adults is younger or leaves.
        let truth = Truth::any(fault.name(), "HP3", keys).owed(here >= 650);
        self.seeds.truth.push(truth.note(note));
    }

    /// The first village returns rates, in two months with two populations.
    pub(super) fn rate_bases(&mut self) {
        let months = self.world.plan.span.month_count();
        let wrong = BTreeSet::from([months / 3, months / 2]);
        self.seeds.rate_bases = Some((0, wrong));
    }
}
