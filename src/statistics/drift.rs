//! A series that slides away from its mean, by cumulative sums.
//!
//! What comes in: the counts of consecutive periods, and a seed. What goes out: the largest
//! cumulative sum of a two-sided CUSUM, where it stands, and its p-value. What may fail: a series
//! in which nothing can drift gives `None`. What must stay true: one p for the whole series; the
//! same seed gives the same p; P(p <= a) <= a for every a, whatever the mean.
//!
//! The sums are those of Page (Biometrika 41 (1954) 100-115) over z = (x - e) / sqrt(e), with an
//! allowance of half a standard deviation. The null distribution is simulated given the total
//! (then no unknown mean is left): the counts are multinomial with equal chances. With seasons the
//! total of each phase is given instead (all Januaries, all Februaries, ...), so that a season,
//! whatever its shape, is no drift.
//!
//! The p-value is Besag and Clifford's (Biometrika 78 (1991) 301-304): simulation stops when h
//! replicates were as extreme, p = h by their number; or at [`REPLICATES`], p = (as extreme + 1) /
//! (`REPLICATES` + 1). How many are enough depends on when they are seen ([`STAGES`]): an ordinary
//! series costs a few dozen replicates, and a p near 0.001 has a standard error of a tenth of
//! itself. With stages (h, n) of growing h and falling h / n, P(p <= a) <= a still holds: of the
//! first stage with h / n <= a, p <= a implies that the h-th extreme replicate was the (h / a)-th or
//! later, whether simulation ended there or went on, and that has probability a at most.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::mass::binomial;
use super::real;

/// Most replicates; the smallest p-value is 1 / (this + 1).
pub const REPLICATES: u32 = 99_999;
/// So many replicates at least as extreme, seen within so many, end the simulation: p is then 0.05
/// or more, 0.002 or more, or whatever it is.
pub const STAGES: [(u32, u32); 3] = [(10, 200), (30, 15_000), (100, REPLICATES)];
/// Up to so many events for each cell each is dropped into a cell; above, cells are drawn.
const DROPPED: u64 = 16;
/// What a cumulative sum lets pass, in standard deviations.
const ALLOWANCE: f64 = 0.5;
/// Sums that differ by less than this share are one value.
const TIE: f64 = 1e-12;
/// Below this expectation a binomial number is drawn from 0 upwards, else from the mode outwards.
const FEW: f64 = 30.0;

/// What is given besides the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// The total of the series: every period has the same chance.
    Total,
    /// The total of each phase of a cycle of so many periods (12 months).
    Phases(usize),
}

/// The drift of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// The largest cumulative sum, in standard deviations.
    pub statistic: f64,
    /// Index of the period in which it was reached.
    pub at: usize,
    /// Whether the counts rose (else they fell).
    pub rising: bool,
    /// Probability of a largest sum at least so high.
    pub p: f64,
    /// Replicates that were drawn, and how many of them were as extreme.
    pub replicates: u32,
    /// See `replicates`.
    pub as_extreme: u32,
}

/// Periods that share a fixed total, with the chance of each among those not yet filled.
struct Group {
    total: u64,
    /// Index of the period, its chance among itself and those after it.
    cells: Vec<(usize, f64)>,
}

/// The series as the null sees it.
struct Null {
    groups: Vec<Group>,
    expected: Vec<f64>,
}

impl Null {
    /// `None` where no period can take from another.
    fn new(counts: &[u64], given: Given) -> Option<Self> {
        let phases = match given {
            Given::Total => 1,
            Given::Phases(length) => length,
        };
        if phases == 0 {
            return None;
        }
        let mut expected = vec![0.0; counts.len()];
        let mut groups = Vec::new();
        for phase in 0..phases.min(counts.len()) {
            let members: Vec<usize> = (phase..counts.len()).step_by(phases).collect();
            let total = members
                .iter()
                .try_fold(0, |sum: u64, at| sum.checked_add(counts[*at]))?;
            for at in &members {
                expected[*at] = real(total) / super::number(members.len());
            }
            let left = (1..=members.len()).rev();
            let chances = left.map(|left| 1.0 / super::number(left));
            groups.push(Group {
                total,
                cells: members.into_iter().zip(chances).collect(),
            });
        }
        let moves = |group: &Group| group.total > 0 && group.cells.len() > 1;
        groups
            .iter()
            .any(moves)
            .then_some(Self { groups, expected })
    }

    fn draw(&self, rng: &mut ChaCha8Rng, counts: &mut [u64]) {
        for group in &self.groups {
            let cells = group.cells.len() as u64;
            if group.total <= DROPPED * cells {
                for (at, _) in &group.cells {
                    counts[*at] = 0;
                }
                for _ in 0..group.total {
                    // The high half of the product is even to within cells / 2^32.
                    let cell = (u64::from(rng.next_u32()) * cells) >> 32;
                    counts[group.cells[usize::try_from(cell).unwrap_or_default()].0] += 1;
                }
                continue;
            }
            let mut left = group.total;
            for (at, chance) in &group.cells {
                let drawn = binomial_draw(rng, left, *chance);
                counts[*at] = drawn;
                left -= drawn;
            }
        }
    }

    /// The largest sum, where, and whether upwards.
    fn largest(&self, counts: &[u64]) -> (f64, usize, bool) {
        let (mut up, mut down) = (0.0_f64, 0.0_f64);
        let mut best = (0.0, 0, true);
        for (at, (count, expected)) in counts.iter().zip(&self.expected).enumerate() {
            let z = if *expected > 0.0 {
                (real(*count) - expected) / expected.sqrt()
            } else {
                0.0
            };
            up = (up + z - ALLOWANCE).max(0.0);
            down = (down - z - ALLOWANCE).max(0.0);
            if up > best.0 {
                best = (up, at, true);
            }
            if down > best.0 {
                best = (down, at, false);
            }
        }
        best
    }
}

/// A number in [0, 1) with 53 random bits.
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    real(rng.next_u64() >> 11) / real(1 << 53)
}

/// A binomial number by inversion: from 0 upwards, or from the mode outwards (Kemp, Communications
/// in Statistics 15 (1986) 805-813), whose steps grow with the standard deviation only. Own code,
/// because the stream must stay the same over the years: a finding can be recomputed.
fn binomial_draw(rng: &mut ChaCha8Rng, n: u64, p: f64) -> u64 {
    if p >= 1.0 || n == 0 {
        return n;
    }
    let odds = p / (1.0 - p);
    let mean = real(n) * p;
    let mut rest = uniform(rng);
    if mean < FEW && p <= 0.5 {
        let mut mass = (real(n) * (-p).ln_1p()).exp();
        let mut k = 0;
        while rest >= mass && k < n {
            rest -= mass;
            mass *= real(n - k) / real(k + 1) * odds;
            k += 1;
        }
        return k;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and n"
    )]
    let mode = ((mean + p) as u64).min(n);
    let (mut low, mut high) = (mode, mode);
    let mut below = binomial(mode, n, p);
    let mut above = below;
    rest -= below;
    // Rounding can leave 1e-16 of the unit over; both masses are 0 by then.
    while rest >= 0.0 && (below > 0.0 || above > 0.0) {
        if high < n {
            above *= real(n - high) / real(high + 1) * odds;
            high += 1;
            rest -= above;
            if rest < 0.0 {
                return high;
            }
        } else {
            above = 0.0;
        }
        if low > 0 {
            below *= real(low) / real(n - low + 1) / odds;
            low -= 1;
            rest -= below;
            if rest < 0.0 {
                return low;
            }
        } else {
            below = 0.0;
        }
    }
    mode
}

/// The two-sided CUSUM of a series of equal periods. `None` for fewer than two periods, without
/// events, or where a cycle leaves every phase alone.
#[must_use]
pub fn drift(counts: &[u64], given: Given, seed: u64) -> Option<Drift> {
    let null = Null::new(counts, given)?;
    let (statistic, at, rising) = null.largest(counts);
    let bar = statistic * (1.0 - TIE);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = vec![0; counts.len()];
    let (mut replicates, mut as_extreme) = (0, 0);
    let is_enough = |as_extreme, replicates| {
        let mut stages = STAGES.iter();
        stages.any(|(enough, within)| as_extreme >= *enough && replicates <= *within)
    };
    let mut ended = false;
    while replicates < REPLICATES && !ended {
        null.draw(&mut rng, &mut drawn);
        replicates += 1;
        if null.largest(&drawn).0 >= bar {
            as_extreme += 1;
            ended = is_enough(as_extreme, replicates);
        }
    }
    let p = if ended {
        f64::from(as_extreme) / f64::from(replicates)
    } else {
        f64::from(as_extreme + 1) / f64::from(replicates + 1)
    };
    Some(Drift {
        statistic,
        at,
        rising,
        p,
        replicates,
        as_extreme,
    })
}
