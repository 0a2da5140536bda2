//! Which of many p-values are signals.
//!
//! What comes in: the tests of a run, each with its rule, its mid-p and exact p and the level that
//! its rule demands of the exact one. What goes out: for each rule and each test whether it is
//! signalled, with the adjusted values that decided it. What may fail: nothing; a p-value that is
//! none (NaN) counts as 1. What must stay true: over many runs on clean data, the expected average
//! share of false signals among the signals of the chosen rules is at most q.
//!
//! The method is that of Benjamini and Bogomolov (JRSS B 76 (2014) 297-318) for families of tests:
//! each rule gets one p-value, Simes' (Biometrika 73 (1986) 751-754) over its own tests;
//! Benjamini and Hochberg's procedure (JRSS B 57 (1995) 289-300) at q over the M rules that had a
//! test chooses R of them; inside each chosen rule the same procedure runs at q R / M. All of it
//! on mid-p values. The rule's own gate on the exact p comes on top: it can only take signals away.

use std::collections::BTreeMap;

use super::{PValue, number};

/// One test of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test<'a> {
    /// The rule it belongs to.
    pub rule: &'a str,
    /// Its p-values.
    pub p: PValue,
    /// The exact p must be below this. 0 where the effect is smaller than the rule asks for: the
    /// test then counts among the others but is never a signal.
    pub gate: f64,
}

/// What became of a test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// Whether it is a signal.
    pub signalled: bool,
    /// Its mid-p, adjusted inside its rule by Benjamini and Hochberg.
    pub inside_rule: f64,
    /// The same times M / R where its rule was chosen: a signal has at most q here. 1 where the
    /// rule was not chosen.
    pub adjusted: f64,
}

/// What became of a rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RuleDecision {
    /// Number of its tests.
    pub tests: usize,
    /// Simes' p over them.
    pub simes: f64,
    /// The same, adjusted over the rules by Benjamini and Hochberg.
    pub adjusted: f64,
    /// Whether it is one of the R rules that were chosen.
    pub chosen: bool,
    /// Number of its signals.
    pub signals: usize,
}

/// What became of all tests, in their order, and of all rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Decisions<'a> {
    /// By test.
    pub tests: Vec<Decision>,
    /// By rule.
    pub rules: BTreeMap<&'a str, RuleDecision>,
    /// The level inside a chosen rule, q R / M.
    pub level: f64,
}

/// A p-value as a number from 0 to 1; what is none counts as 1.
fn probability(p: f64) -> f64 {
    if p.is_nan() { 1.0 } else { p.clamp(0.0, 1.0) }
}

/// The indices of the p-values, smallest p first.
fn order(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| probability(p[*a]).total_cmp(&probability(p[*b])));
    order
}

/// Simes' p-value of the hypothesis that none of the tests has anything to find: the smallest of
/// n p / rank. 1 without tests.
#[must_use]
pub fn simes(p: &[f64]) -> f64 {
    let ranked = (1..).zip(order(p));
    ranked
        .map(|(rank, at)| probability(p[at]) * (number(p.len()) / number(rank)))
        .fold(1.0, f64::min)
}

/// Benjamini and Hochberg's adjusted p-values, in the order given: the smallest q at which each
/// would be rejected.
#[must_use]
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![1.0; p.len()];
    let mut least = 1.0_f64;
    for (rank, at) in (1..).zip(order(p)).collect::<Vec<_>>().into_iter().rev() {
        least = least.min(probability(p[at]) * (number(p.len()) / number(rank)));
        adjusted[at] = least;
    }
    adjusted
}

/// Chooses rules, then tests inside them, at the false discovery rate `q`.
#[must_use]
pub fn decide<'a>(tests: &[Test<'a>], q: f64) -> Decisions<'a> {
    let mut families: BTreeMap<&'a str, Vec<usize>> = BTreeMap::new();
    for (at, test) in tests.iter().enumerate() {
        families.entry(test.rule).or_default().push(at);
    }
    let mids =
        |members: &[usize]| -> Vec<f64> { members.iter().map(|at| tests[*at].p.mid).collect() };
    let of_rules: Vec<f64> = families.values().map(|all| simes(&mids(all))).collect();
    let adjusted_rules = benjamini_hochberg(&of_rules);
    let chosen = adjusted_rules.iter().filter(|p| **p <= q).count();
    let every = number(families.len().max(1));
    let level = q * number(chosen) / every;
    let mut decisions = Decisions {
        tests: vec![
            Decision {
                signalled: false,
                inside_rule: 1.0,
                adjusted: 1.0,
            };
            tests.len()
        ],
        rules: BTreeMap::new(),
        level,
    };
    for ((rule, members), (simes, adjusted)) in
        families.iter().zip(of_rules.iter().zip(&adjusted_rules))
    {
        let is_chosen = *adjusted <= q;
        let mut signals = 0;
        for (at, inside_rule) in members.iter().zip(benjamini_hochberg(&mids(members))) {
            let passes = tests[*at].p.exact < tests[*at].gate;
            let signalled = is_chosen && inside_rule <= level && passes;
            signals += usize::from(signalled);
            decisions.tests[*at] = Decision {
                signalled,
                inside_rule,
                adjusted: if is_chosen {
                    (inside_rule * (every / number(chosen))).min(1.0)
                } else {
                    1.0
                },
            };
        }
        decisions.rules.insert(
            *rule,
            RuleDecision {
                tests: members.len(),
                simes: *simes,
                adjusted: *adjusted,
                chosen: is_chosen,
                signals,
            },
        );
    }
    decisions
}
