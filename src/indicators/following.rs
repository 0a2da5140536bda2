//! Counts that follow a ledger: what is added when records come, and taken off when they go.
//!
//! What comes in: the counts of a part of the records. What goes out: the counts of the whole.
//! What may fail: nothing. What must stay true: registrations, births and pregnancy losses are
//! counted one by one, so the counts of parts add up to those of the whole; what depends on
//! several records at once is taken from a count of all of them.

use super::counted::Counted;
use super::counts::{Counts, MonthOfBirths};
use super::money::Funding;

impl Counts {
    /// Takes what is not counted record by record from counts of everything but registrations,
    /// births and pregnancy losses.
    pub fn take_others(&mut self, new: Self) {
        let old = self;
        for (month, of_new) in old.months.iter_mut().zip(new.months) {
            month.returned = of_new.returned;
        }
        for counted in Counted::ALL.iter().filter(|one| one.is_returned()) {
            old.figures.set(*counted, new.figures.get(*counted));
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
            figures,
            residents_first_day,
            months,
            returns: _,
            activities: _,
            checks: _,
            rewards: _,
            funding,
            quoted: _,
        } = part;
        let own = self;
        own.figures.add(figures, sign);
        own.residents_first_day += sign * residents_first_day;
        if let (Some(own), Some(part)) = (&mut own.funding, funding) {
            own.residents += sign * part.residents;
        }
        for (own, MonthOfBirths { register, .. }) in own.months.iter_mut().zip(months) {
            own.register = if sign < 0 {
                own.register.saturating_sub(*register)
            } else {
                own.register + register
            };
        }
    }
}
