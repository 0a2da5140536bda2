//! Runs: a figure that repeats itself, or is missing, for too many periods.
//!
//! What comes in: the counts of consecutive periods. What goes out: the longest run and how
//! probable one so long is. What may fail: a series without such a run, or without any period
//! outside it, gives `None`. What must stay true: the probability is that of the whole series (a
//! run that long anywhere), exact for independent Poisson counts of one mean, and the mean comes
//! from the periods outside the run.
//!
//! Method: the Markov chain whose state is the length of the current run (Fu and Koutras, JASA 89
//! (1994) 1050-1058). What reaches the full length is added up; nothing is taken from 1, so that
//! small probabilities keep their digits.

use super::mass::poisson;
use super::{number, real};

/// A value beside the mode this improbable has no part in a run.
const NEVER: f64 = 1e-18;

/// A stretch of consecutive periods with one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Index of its first period.
    pub start: usize,
    /// Number of its periods.
    pub length: usize,
    /// The value that all of them have.
    pub value: u64,
}

/// A run beside its probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunTest {
    /// The longest run; of several, the first.
    pub run: Run,
    /// Mean of the periods outside it.
    pub mean: f64,
    /// Probability of a run at least so long.
    pub p: f64,
}

/// Probability that `periods` independent trials hold `length` successes in a row, at the success
/// probability `p`.
#[must_use]
pub fn run_of_one(periods: usize, length: usize, p: f64) -> f64 {
    if length == 0 {
        return 1.0;
    }
    if length > periods || p.is_nan() {
        return 0.0;
    }
    let p = p.clamp(0.0, 1.0);
    // states[i]: no full run yet, and the last i trials were successes.
    let mut states = vec![0.0; length];
    states[0] = 1.0;
    let mut reached = 0.0;
    for _ in 0..periods {
        let alive: f64 = states.iter().sum();
        reached += states[length - 1] * p;
        for i in (1..length).rev() {
            states[i] = states[i - 1] * p;
        }
        states[0] = alive * (1.0 - p);
    }
    reached.min(1.0)
}

/// Probability of `length` zeros in a row among `periods` Poisson counts of the given mean.
#[must_use]
pub fn run_of_zeros(periods: usize, length: usize, mean: f64) -> f64 {
    run_of_one(periods, length, (-mean.max(0.0)).exp())
}

/// The values that a Poisson count of this mean can well have, with their probabilities.
fn likely_values(mean: f64) -> Vec<f64> {
    let mut found = Vec::new();
    // The floor of a finite mean below 2^53.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "means of counts are between 0 and 2^53"
    )]
    let mode = mean as u64;
    let mut add = |k: u64| {
        let mass = poisson(k, mean);
        found.push(mass);
        mass > NEVER
    };
    let _ = (0..=mode).rev().all(&mut add);
    let _ = (mode + 1..=u64::MAX).all(&mut add);
    found
}

/// Probability that one and the same value, whichever, stands in `length` periods in a row, among
/// `periods` independent Poisson counts of the given mean.
///
/// For each value v: `begun` is the probability that no full run was there before and that a run
/// of v begins in this period, `current` that the last value is v. Both follow from those before.
#[must_use]
pub fn run_of_any(periods: usize, length: usize, mean: f64) -> f64 {
    if length > periods || mean.is_nan() {
        return if length == 0 { 1.0 } else { 0.0 };
    }
    if length <= 1 || mean <= 0.0 {
        return 1.0;
    }
    let values = likely_values(mean);
    // A ring of the last length - 1 periods for each value.
    let ring = length - 1;
    let mut begun = vec![vec![0.0_f64; ring]; values.len()];
    let mut current = vec![0.0_f64; values.len()];
    let (mut alive, mut reached) = (1.0_f64, 0.0_f64);
    for period in 0..periods {
        let slot = period % ring;
        let mut full = 0.0;
        for ((p, begun), current) in values.iter().zip(&mut begun).zip(&mut current) {
            // What began length - 1 periods ago either becomes a full run now or ends.
            let oldest = begun[slot] * power(*p, ring - 1);
            full += oldest * p;
            let begins = p * (alive - *current).max(0.0);
            *current = begins + p * (*current - oldest).max(0.0);
            begun[slot] = begins;
        }
        reached += full;
        alive -= full;
    }
    reached.min(1.0)
}

/// p to a whole power; lengths are those of series in memory.
fn power(p: f64, times: usize) -> f64 {
    i32::try_from(times).map_or(0.0, |times| p.powi(times))
}

/// The longest run of the values that `counts_in` accepts; of several, the first.
fn longest(counts: &[u64], counts_in: impl Fn(u64) -> bool) -> Option<Run> {
    let mut best: Option<Run> = None;
    let mut start = 0;
    while start < counts.len() {
        let value = counts[start];
        let length = counts[start..].iter().take_while(|x| **x == value).count();
        if counts_in(value) && best.is_none_or(|run| run.length < length) {
            best = Some(Run {
                start,
                length,
                value,
            });
        }
        start += length;
    }
    best
}

/// Mean of the periods outside the run; `None` where there are none.
fn mean_outside(counts: &[u64], run: Run) -> Option<f64> {
    let outside = counts.len() - run.length;
    if outside == 0 {
        return None;
    }
    let sum: f64 = counts[..run.start]
        .iter()
        .chain(&counts[run.start + run.length..])
        .map(|count| real(*count))
        .sum();
    Some(sum / number(outside))
}

/// The longest run of one value, whichever. Where all periods have one value, that value stands
/// for the mean outside. `None` for an empty series.
#[must_use]
pub fn repeated_figure(counts: &[u64]) -> Option<RunTest> {
    let run = longest(counts, |_| true)?;
    let mean = mean_outside(counts, run).unwrap_or(real(run.value));
    Some(RunTest {
        run,
        mean,
        p: run_of_any(counts.len(), run.length, mean),
    })
}

/// The longest run of zeros. `None` without a zero, or without a period outside the run.
///
/// The mean outside the run is known no better than its few periods allow. Given the S events of
/// the n periods, m of them are empty with the probability (1 - m / n)^S, which is more than the
/// exp(-m mean) of a known mean; a zero gets the m-th root of the former. With exp(-mean) a dozen
/// periods pass p < 0.001 twice too often.
#[must_use]
pub fn zero_run(counts: &[u64]) -> Option<RunTest> {
    let run = longest(counts, |value| value == 0)?;
    let mean = mean_outside(counts, run)?;
    let (periods, length) = (number(counts.len()), number(run.length));
    let events = mean * (periods - length);
    let known = -(-length / periods).ln_1p() * events / length;
    Some(RunTest {
        run,
        mean,
        p: run_of_zeros(counts.len(), run.length, known),
    })
}
