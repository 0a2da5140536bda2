//! A reader who tries every table.
//!
//! What comes in: sums that are shown and sums that are withheld. What goes out: whether a table
//! of whole counts has a value in a cell and agrees with all of it. What may fail: nothing. What
//! must stay true: it shares no code with what it attacks.

/// What a reader has.
pub struct Reader {
    /// The truth; only where the search begins.
    truth: Vec<i64>,
    sums: Vec<Sum>,
}

#[derive(Clone)]
struct Sum {
    parts: Vec<usize>,
    least: i64,
    most: i64,
}

/// Larger than any sum of the tables that are tried.
const OPEN: i64 = 60;

impl Reader {
    pub fn new(truth: Vec<i64>) -> Self {
        Self {
            truth,
            sums: Vec::new(),
        }
    }

    pub fn shown(&mut self, parts: Vec<usize>, value: i64) {
        self.sums.push(Sum {
            parts,
            least: value,
            most: value,
        });
    }

    /// Zeros are shown, so what is withheld is none.
    pub fn withheld(&mut self, parts: Vec<usize>) {
        self.sums.push(Sum {
            parts,
            least: 1,
            most: OPEN,
        });
    }

    /// Whether some table has this value in the cell and agrees with everything.
    pub fn allows(&self, cell: &[usize], value: i64) -> bool {
        let mut sums = self.sums.clone();
        sums.push(Sum {
            parts: cell.to_vec(),
            least: value,
            most: value,
        });
        let ranges = vec![(0, OPEN); self.truth.len()];
        self.search(&sums, ranges)
    }

    /// Narrows the ranges of all counts, then tries the values of one that is still open.
    fn search(&self, sums: &[Sum], mut ranges: Vec<(i64, i64)>) -> bool {
        if !narrow(sums, &mut ranges) {
            return false;
        }
        let open = (0..ranges.len()).filter(|count| ranges[*count].0 < ranges[*count].1);
        let Some(next) = open.min_by_key(|count| ranges[*count].1 - ranges[*count].0) else {
            return true;
        };
        let (low, high) = ranges[next];
        let mut values: Vec<i64> = (low..=high).collect();
        values.sort_by_key(|value| (value - self.truth[next]).abs());
        values.into_iter().any(|value| {
            let mut tried = ranges.clone();
            tried[next] = (value, value);
            self.search(sums, tried)
        })
    }
}

/// Narrows ranges by the sums until nothing changes; false where nothing is left.
fn narrow(sums: &[Sum], ranges: &mut [(i64, i64)]) -> bool {
    loop {
        let mut changed = false;
        for sum in sums {
            let low: i64 = sum.parts.iter().map(|part| ranges[*part].0).sum();
            let high: i64 = sum.parts.iter().map(|part| ranges[*part].1).sum();
            if low > sum.most || high < sum.least {
                return false;
            }
            for part in &sum.parts {
                let (own_low, own_high) = ranges[*part];
                let new_low = own_low.max(sum.least - (high - own_high));
                let new_high = own_high.min(sum.most - (low - own_low));
                if new_low > new_high {
                    return false;
                }
                if (new_low, new_high) != (own_low, own_high) {
                    ranges[*part] = (new_low, new_high);
                    changed = true;
                    break;
                }
            }
        }
        if !changed {
            return true;
        }
    }
}
