//! Counts that follow a ledger: what is added when records come, and taken off when they go.
//!
//! What comes in: the counts of a part of the records. What goes out: the counts of the whole.
//! What may fail: nothing. What must stay true: registrations, births and pregnancy losses are
//! counted one by one, so the counts of parts add up to those of the whole; what depends on
//! several records at once is taken from a count of all of them.

use super::counts::{Births, Counts, Funding, MonthOfBirths};

impl Counts {
    /// Takes what is not counted record by record from counts of everything but registrations,
    /// births and pregnancy losses.
    pub fn take_others(&mut self, new: Self) {
        let old = self;
        for (month, of_new) in old.months.iter_mut().zip(new.months) {
            month.returned = of_new.returned;
        }
        old.returns = new.returns;
        old.activities = new.activities;
        old.checks = new.checks;
        old.rewards = new.rewards;
        old.quoted = new.quoted;
        old.funding = new.funding.map(|funding| Funding {
            residents: old.funding.map_or(0, |old| old.residents),
            ..funding
        });
    }

    /// Adds the registrations, births and pregnancy losses of a part (`sign` 1), or takes them off
    /// (-1). The part was counted with the appropriations of the whole.
    pub fn add_events(&mut self, part: &Self, sign: i128) {
        // Every field by name: whoever adds one decides here how it follows.
        let Self {
            period: _,
            households,
            residents_first_day,
            residents,
            married_women,
            women_of_unknown_age,
            births,
            months,
            returns: _,
            deaths,
            marriages,
            arrivals,
            departures,
            losses,
            activities: _,
            checks: _,
            rewards: _,
            funding,
            quoted: _,
        } = part;
        let own = self;
        own.residents_first_day += sign * residents_first_day;
        own.residents += sign * residents;
        if let (Some(own), Some(part)) = (&mut own.funding, funding) {
            own.residents += sign * part.residents;
        }
        let add = |own: &mut u64, part: &u64| {
            *own = if sign < 0 {
                own.saturating_sub(*part)
            } else {
                *own + part
            };
        };
        add(&mut own.households, households);
        add(&mut own.married_women, married_women);
        add(&mut own.women_of_unknown_age, women_of_unknown_age);
        add(&mut own.deaths, deaths);
        add(&mut own.marriages, marriages);
        add(&mut own.arrivals, arrivals);
        add(&mut own.departures, departures);
        add(&mut own.losses, losses);
        let Births {
            total,
            boys,
            girls,
            timely,
        } = births;
        add(&mut own.births.total, total);
        add(&mut own.births.boys, boys);
        add(&mut own.births.girls, girls);
        add(&mut own.births.timely, timely);
        for (own, MonthOfBirths { register, .. }) in own.months.iter_mut().zip(months) {
            add(&mut own.register, register);
        }
    }
}
