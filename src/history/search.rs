//! The search by halves for where a condition began to hold.
//!
//! What comes in: two numbers of entries, at the first of which the condition does not hold and
//! at the second of which it does, and the answers at the numbers that are asked for. What goes
//! out: the smallest pair of neighbours between which it turned. What may fail: nothing. What
//! must stay true: it does not hold at the lower end and holds at the upper end after every
//! answer, so what is found is a change, whether or not there are others between.

/// A search in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    /// It does not hold here.
    low: u64,
    /// It holds here.
    high: u64,
}

impl Search {
    /// Between a number of entries where the condition does not hold and a larger one where it
    /// does; `None` when the second is not larger.
    #[must_use]
    pub const fn between(not_yet: u64, holds: u64) -> Option<Self> {
        if not_yet < holds {
            Some(Self {
                low: not_yet,
                high: holds,
            })
        } else {
            None
        }
    }

    /// The number of entries at which the condition is to be looked at next; `None` at the end.
    #[must_use]
    pub const fn next(&self) -> Option<u64> {
        if self.high - self.low > 1 {
            Some(self.low + (self.high - self.low) / 2)
        } else {
            None
        }
    }

    /// Takes the answer at a number of entries that [`Search::next`] gave.
    pub const fn learn(&mut self, at: u64, holds: bool) {
        if at <= self.low || at >= self.high {
            return;
        }
        if holds {
            self.high = at;
        } else {
            self.low = at;
        }
    }

    /// The smallest number of entries known to make it hold while one fewer does not, when the
    /// search is over; the best known until then.
    #[must_use]
    pub const fn found(&self) -> u64 {
        self.high
    }
}

/// At most `count` numbers strictly between two, evenly spaced and ascending.
#[must_use]
pub fn spread(low: u64, high: u64, count: u64) -> Vec<u64> {
    let between = high.saturating_sub(low).saturating_sub(1);
    let count = count.min(between);
    (1..=count)
        .map(|i| {
            // Wide enough for any two numbers.
            let part = u128::from(between + 1) * u128::from(i) / u128::from(count + 1);
            low + u64::try_from(part).unwrap_or(0).max(1)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The search over a table of truths, and how many answers it took.
    fn run(truths: &[bool]) -> (u64, u32) {
        let mut search = Search::between(0, truths.len() as u64 - 1).unwrap();
        let mut asked = 0;
        while let Some(at) = search.next() {
            asked += 1;
            search.learn(at, truths[usize::try_from(at).unwrap()]);
        }
        (search.found(), asked)
    }

    proptest! {
        /// Where a condition turns once, the search finds what a look at every entry finds.
        #[test]
        fn it_finds_what_a_linear_scan_finds(turn in 1_usize..500, after in 0_usize..500) {
            let truths: Vec<bool> = (0..=turn + after).map(|at| at >= turn).collect();
            let (found, asked) = run(&truths);
            prop_assert_eq!(Some(found), truths.iter().position(|t| *t).map(|at| at as u64));
            prop_assert!(asked <= (truths.len() - 1).next_power_of_two().ilog2());
        }

        /// Where it turns often, what is found is a change from false to true all the same.
        #[test]
        fn it_always_finds_a_change(mut truths in proptest::collection::vec(any::<bool>(), 2..400)) {
            truths[0] = false;
            *truths.last_mut().unwrap() = true;
            let found = usize::try_from(run(&truths).0).unwrap();
            prop_assert!(truths[found] && !truths[found - 1]);
        }

        #[test]
        fn what_is_spread_lies_between(low in 0_u64..1000, wide in 0_u64..1000, count in 0_u64..20) {
            let spread = spread(low, low + wide, count);
            prop_assert!(spread.iter().all(|at| (low + 1..low + wide).contains(at)));
            prop_assert!(spread.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert_eq!(spread.len() as u64, count.min(wide.saturating_sub(1)));
        }
    }

    #[test]
    fn nothing_lies_between_neighbours() {
        assert_eq!(Search::between(3, 3), None);
        assert_eq!(
            Search::between(3, 4).map(|search| search.next()),
            Some(None)
        );
        assert_eq!(spread(0, u64::MAX, 1), [u64::MAX / 2]);
    }
}
