//! A reader who tries every table, and one who adds and subtracts.
//!
//! What comes in: sums that are shown and sums that are withheld. What goes out: whether a table
//! of whole counts has a value in a cell and agrees with all of it; whether a cell can be computed
//! from what is shown. What may fail: nothing. What must stay true: they share no code with what
//! they attack.

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

/// Computes with remainders by this prime, 2^61 - 1: a cell that is a combination of shown cells
/// is one in these remainders, too, and the other way round but for a chance of about 2^-60.
const PRIME: u64 = (1 << 61) - 1;

/// A reader who adds and subtracts what is shown, times whatever number.
#[derive(Default)]
pub struct Clerk {
    /// Rows with a 1 in their first place that is not 0; no other row has anything there.
    rows: Vec<(usize, Vec<u64>)>,
}

fn product(a: u64, b: u64) -> u64 {
    u64::try_from(u128::from(a) * u128::from(b) % u128::from(PRIME)).unwrap()
}

fn inverse(a: u64) -> u64 {
    let (mut power, mut base, mut left) = (1, a, PRIME - 2);
    while left > 0 {
        if left & 1 == 1 {
            power = product(power, base);
        }
        base = product(base, base);
        left >>= 1;
    }
    power
}

impl Clerk {
    /// What is left of a cell when everything that is known is taken off.
    fn rest(&self, cell: &[i64]) -> Vec<u64> {
        let unsigned = |by: &i64| u64::try_from(by.rem_euclid(i64::try_from(PRIME).unwrap()));
        let mut rest: Vec<u64> = cell.iter().map(|by| unsigned(by).unwrap()).collect();
        for (place, row) in &self.rows {
            take_off(&mut rest, *place, row);
        }
        rest
    }

    /// Learns a cell: the sum of all counts, each times its number.
    pub fn learn(&mut self, cell: &[i64]) {
        let mut rest = self.rest(cell);
        let Some(place) = rest.iter().position(|by| *by != 0) else {
            return;
        };
        let to_one = inverse(rest[place]);
        for by in &mut rest {
            *by = product(*by, to_one);
        }
        for (_, row) in &mut self.rows {
            take_off(row, place, &rest);
        }
        self.rows.push((place, rest));
    }

    /// Whether the cell is a combination of those that were learnt.
    pub fn knows(&self, cell: &[i64]) -> bool {
        self.rest(cell).iter().all(|by| *by == 0)
    }
}

fn take_off(from: &mut [u64], place: usize, row: &[u64]) {
    let times = from[place];
    if times != 0 {
        for (own, other) in from.iter_mut().zip(row).filter(|(_, other)| **other != 0) {
            *own = (*own + PRIME - product(*other, times)) % PRIME;
        }
    }
}
