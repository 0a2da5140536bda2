//! Chance from a seed: what tests and benches of the statistics draw.
//!
//! What comes in: a seed. What goes out: numbers, counts and choices, the same for the same seed.
//! What may fail: nothing. What must stay true: counts are drawn by inversion or as sums, so no
//! method under test makes its own null.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Means beyond this are drawn as sums of parts of at most so much.
const PART: f64 = 30.0;

/// A stream of chance.
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// Of a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Between 0 and 1, never either.
    pub fn uniform(&mut self) -> f64 {
        (f64::from(self.0.next_u32()) + 0.5) / 4_294_967_296.0
    }

    /// True with the probability `p`.
    pub fn happens(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// A whole number from 0 to below `bound`.
    pub fn below(&mut self, bound: u32) -> u32 {
        let wide = u64::from(self.0.next_u32()) * u64::from(bound);
        u32::try_from(wide >> 32).unwrap_or(0)
    }

    /// A Poisson count, by inversion from 0; a large mean in parts.
    pub fn poisson(&mut self, mean: f64) -> u64 {
        let (mut left, mut sum) = (mean, 0);
        while left > PART {
            sum += self.small_poisson(PART);
            left -= PART;
        }
        sum + self.small_poisson(left)
    }

    fn small_poisson(&mut self, mean: f64) -> u64 {
        let mut rest = self.uniform();
        let mut mass = (-mean).exp();
        let mut k = 0_u32;
        while rest > mass && k < 10_000 {
            rest -= mass;
            k += 1;
            mass *= mean / f64::from(k);
        }
        u64::from(k)
    }

    /// Poisson with a gamma mean of a whole shape: variance is mean + mean^2 / size.
    pub fn negative_binomial(&mut self, mean: f64, size: u32) -> u64 {
        let sum: f64 = (0..size).map(|_| -self.uniform().ln()).sum();
        self.poisson(mean / f64::from(size) * sum)
    }
}
