//! Random numbers that can be asked again.
//!
//! A purpose and a number come in; a stream of random numbers that belongs to them goes out.
//! Nothing can fail. What must stay true: the answer depends on the seed, the purpose and the
//! number alone, never on what was asked before, so that a person or an event can be derived
//! anew wherever it is needed instead of being kept in memory. No floating point is used, so
//! the same seed gives the same bytes on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What a key is for; every purpose has its own `ChaCha` stream, so that no two share numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Purpose {
    Birth = 1,
    Child,
    Person,
    Pool,
    Mothers,
    Certificates,
    Seating,
    Household,
    Loss,
    Death,
    Marriage,
    Arrival,
    Departure,
    Payment,
    Account,
    Calendar,
    Fault,
    Schedule,
}

/// A generator for draws whose order is fixed by the code (calendars, targets of faults).
pub(super) fn stream(seed: u64, purpose: Purpose, part: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // 2^16 parts to a purpose: villages, classes and calendars are far fewer.
    rng.set_stream((purpose as u64) << 16 | part);
    rng
}

/// A number below `bound` (0 if `bound` is 0), by multiplication; the bias is below 2^-40 for
/// every bound that occurs here.
pub(super) fn below(rng: &mut impl RngCore, bound: u64) -> u64 {
    scale(rng.next_u64(), bound)
}

fn scale(word: u64, bound: u64) -> u64 {
    u64::try_from((u128::from(word) * u128::from(bound)) >> 64).unwrap_or(0)
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of `SplitMix64`: every input bit reaches every output bit.
const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// A key for one purpose.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice {
    key: u64,
}

impl Dice {
    pub(super) fn new(seed: u64, purpose: Purpose, part: u64) -> Self {
        let key = stream(seed, purpose, part).next_u64();
        Self { key }
    }

    /// The random numbers that belong to `number`.
    pub(super) const fn roll(self, number: u64) -> Roll {
        Roll {
            state: mix(self.key ^ mix(number.wrapping_add(GOLDEN))),
        }
    }
}

/// The random numbers of one person or one event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Roll {
    state: u64,
}

impl Roll {
    pub(super) const fn word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        scale(self.word(), bound)
    }

    /// As [`Roll::below`], for small bounds that index tables.
    pub(super) fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap_or(0)
    }

    /// True in `share` of 1,000 cases.
    pub(super) fn per_mille(&mut self, share: u64) -> bool {
        self.below(1_000) < share
    }

    /// A number of days below `bound`.
    pub(super) fn days(&mut self, bound: u32) -> i64 {
        i64::try_from(self.below(u64::from(bound))).unwrap_or(0)
    }

    /// Bell-shaped around 0 with the given standard deviation, within 3.4 of it: the sum of four
    /// uniform numbers, which needs no floating point.
    pub(super) fn bell(&mut self, deviation: i64) -> i64 {
        let word = self.word();
        let sum: u64 = (0..4).map(|part| (word >> (16 * part)) & 0xFFFF).sum();
        // Four uniforms on 0..65536 have mean 131,070 and standard deviation 37,837.
        (i64::try_from(sum).unwrap_or(131_070) - 131_070) * deviation / 37_837
    }
}

/// A bijection of `0..size` that looks random: a Feistel network with cycle walking. It hands out
/// distinct numbers without remembering which ones are gone, and it can be turned round.
#[derive(Clone, Debug)]
pub(super) struct Shuffle {
    size: u64,
    half_bits: u32,
    keys: [u64; 4],
}

impl Shuffle {
    pub(super) fn new(seed: u64, purpose: Purpose, part: u64, size: u64) -> Self {
        let mut rng = stream(seed, purpose, part);
        let bits = 64 - size.max(2).saturating_sub(1).leading_zeros();
        Self {
            size,
            half_bits: bits.div_ceil(2),
            keys: std::array::from_fn(|_| rng.next_u64()),
        }
    }

    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// The image of `number`; numbers outside the domain come back unchanged.
    pub(super) fn forward(&self, number: u64) -> u64 {
        self.walk(number, |shuffle, value| {
            shuffle
                .keys
                .iter()
                .fold(value, |value, key| shuffle.round(value, *key))
        })
    }

    /// The number whose image is `number`.
    pub(super) fn inverse(&self, number: u64) -> u64 {
        self.walk(number, |shuffle, value| {
            shuffle
                .keys
                .iter()
                .rev()
                .fold(value, |value, key| shuffle.unround(value, *key))
        })
    }

    fn walk(&self, number: u64, step: impl Fn(&Self, u64) -> u64) -> u64 {
        if number >= self.size {
            return number;
        }
        let mut value = step(self, number);
        // The permutation of the larger domain is walked until it is back inside; as `number`
        // itself is inside, its cycle must come back.
        while value >= self.size {
            value = step(self, value);
        }
        value
    }

    const fn round(&self, value: u64, key: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (left, right) = (value >> self.half_bits, value & mask);
        (right << self.half_bits) | (left ^ (mix(right ^ key) & mask))
    }

    const fn unround(&self, value: u64, key: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (left, right) = (value >> self.half_bits, value & mask);
        ((right ^ (mix(left ^ key) & mask)) << self.half_bits) | left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_is_a_bijection_and_can_be_turned_round() {
        for size in [1, 2, 3, 10, 1_000, 4_097] {
            let shuffle = Shuffle::new(7, Purpose::Mothers, 0, size);
            let mut seen = vec![false; usize::try_from(size).unwrap()];
            for number in 0..size {
                let image = shuffle.forward(number);
                assert!(!std::mem::replace(
                    &mut seen[usize::try_from(image).unwrap()],
                    true
                ));
                assert_eq!(shuffle.inverse(image), number);
            }
        }
    }

    #[test]
    fn a_roll_depends_on_seed_purpose_and_number_alone() {
        let one = Dice::new(1, Purpose::Birth, 0);
        assert_eq!(
            one.roll(5).word(),
            Dice::new(1, Purpose::Birth, 0).roll(5).word()
        );
        assert_ne!(one.roll(5).word(), one.roll(6).word());
        assert_ne!(
            one.roll(5).word(),
            Dice::new(1, Purpose::Death, 0).roll(5).word()
        );
        assert_ne!(
            one.roll(5).word(),
            Dice::new(2, Purpose::Birth, 0).roll(5).word()
        );
    }

    #[test]
    fn the_bell_is_centred_and_has_its_deviation() {
        let dice = Dice::new(3, Purpose::Child, 0);
        let draws: Vec<i64> = (0..20_000)
            .map(|number| dice.roll(number).bell(430))
            .collect();
        let mean = draws.iter().sum::<i64>() / 20_000;
        let square = draws.iter().map(|draw| draw * draw).sum::<i64>() / 20_000;
        assert!(mean.abs() < 15, "mean {mean}");
        assert!(
            (420 * 420..440 * 440).contains(&square),
            "variance {square}"
        );
    }
}
