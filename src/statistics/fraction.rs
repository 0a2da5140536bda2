//! Continued fractions, evaluated from the front.
//!
//! What comes in: partial numerators and denominators, one pair after another. What goes out: the
//! value so far. What may fail: nothing. What must stay true: no step divides by 0 (Lentz,
//! Applied Optics 15 (1976) 668-671, with Thompson and Barnett's replacement of zeros).

/// What stands for 0.
const TINY: f64 = 1e-300;

/// b0 + a1 / (b1 + a2 / (b2 + ...)), as far as it has been given.
pub(super) struct ContinuedFraction {
    value: f64,
    forward: f64,
    backward: f64,
}

impl ContinuedFraction {
    /// Begins with b0.
    pub(super) const fn new(first: f64) -> Self {
        let value = if first == 0.0 { TINY } else { first };
        Self {
            value,
            forward: value,
            backward: 0.0,
        }
    }

    /// Takes the next pair; says whether it still changed the value.
    pub(super) fn add(&mut self, numerator: f64, denominator: f64) -> bool {
        let away = |value: f64| if value.abs() < TINY { TINY } else { value };
        self.backward = 1.0 / away(numerator.mul_add(self.backward, denominator));
        self.forward = away(denominator + numerator / self.forward);
        let change = self.forward * self.backward;
        self.value *= change;
        (change - 1.0).abs() > f64::EPSILON
    }

    pub(super) const fn value(&self) -> f64 {
        self.value
    }
}
