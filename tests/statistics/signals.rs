//! Which p-values become signals: the procedure's own logic, and its promise by simulation.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use vitaledger::statistics::PValue;
use vitaledger::statistics::multiplicity::{Test, benjamini_hochberg, decide, simes};

const RULES: [&str; 4] = ["CT1", "HP1", "SR1", "BN2"];

fn test(rule: &str, p: f64) -> Test<'_> {
    Test {
        rule,
        p: PValue::continuous(p),
        gate: 1.0,
    }
}

/// Rosenthal's rule of thumb would be p < 0.05 everywhere. Here a rule with one real effect among
/// many tests passes, and a rule with a single weak p does not ride on it.
#[test]
fn a_rule_is_chosen_before_its_tests() {
    let mut tests: Vec<Test> = (1..=20).map(|i| test("CT1", 0.05 * f64::from(i))).collect();
    tests[3].p = PValue::continuous(1e-5);
    tests.push(test("SR1", 0.04));
    let decisions = decide(&tests, 0.10);
    // Simes: CT1 20 x 1e-5 = 0.0002; SR1 0.04. Both pass at q i / M: R = M = 2.
    assert!((decisions.rules["CT1"].simes - 0.0002).abs() < 1e-12);
    assert!((decisions.level - 0.10).abs() < 1e-12);
    let signalled: Vec<usize> = (0..tests.len())
        .filter(|at| decisions.tests[*at].signalled)
        .collect();
    assert_eq!(signalled, [3, 20]);
    assert_eq!(decisions.rules["CT1"].signals, 1);
    // With eight rules that find nothing, the weak one is dropped and the strong one held to
    // q R / M = 0.01.
    let names: Vec<String> = (0..8).map(|i| format!("X{i}")).collect();
    tests.extend(names.iter().map(|name| test(name, 0.7)));
    let decisions = decide(&tests, 0.10);
    assert!((decisions.level - 0.01).abs() < 1e-12);
    assert!(decisions.tests[3].signalled && !decisions.tests[20].signalled);
    assert!(!decisions.rules["SR1"].chosen);
    assert!((decisions.tests[3].adjusted - 0.002).abs() < 1e-12);
    assert!((decisions.tests[20].adjusted - 1.0).abs() < 1e-12);
}

/// Two-family example worked by hand at q = 0.05, M = 3, R = 2: inside, BH at 0.0333.
#[test]
fn the_level_inside_falls_with_the_rules_not_chosen() {
    let tests = [
        test("CT1", 0.001),
        test("CT1", 0.02),
        test("CT1", 0.030),
        test("HP1", 0.004),
        test("HP1", 0.035),
        test("SR1", 0.5),
    ];
    let decisions = decide(&tests, 0.05);
    assert!((decisions.level - 0.05 * 2.0 / 3.0).abs() < 1e-12);
    let signalled = decisions.tests.iter().map(|test| test.signalled);
    // HP1's second: 2/2 x 0.035 > 0.0333; it would pass at q = 0.05.
    assert_eq!(
        signalled.collect::<Vec<_>>(),
        [true, true, true, true, false, false]
    );
}

#[test]
fn a_gate_takes_away_and_never_gives() {
    let tests = [
        // A mid-p that passes, an exact p that does not.
        Test {
            rule: "CT1",
            p: PValue {
                exact: 0.001,
                mid: 0.0006,
            },
            gate: 0.001,
        },
        // The effect is too small.
        Test {
            gate: 0.0,
            ..test("CT1", 1e-30)
        },
        Test {
            gate: 0.001,
            ..test("CT1", 1e-4)
        },
        test("CT1", f64::NAN),
    ];
    let decisions = decide(&tests, 0.10);
    let signalled: Vec<bool> = decisions.tests.iter().map(|test| test.signalled).collect();
    assert_eq!(signalled, [false, false, true, false]);
    assert!(decisions.tests[0].adjusted < 0.10);
}

#[test]
fn no_tests_no_signals() {
    let none = decide(&[], 0.10);
    assert!(none.tests.is_empty() && none.rules.is_empty() && none.level == 0.0);
    assert!((simes(&[]) - 1.0).abs() < 1e-15);
    assert!(benjamini_hochberg(&[]).is_empty());
    let null = [test("CT1", 0.9), test("SR1", 0.4)];
    let decisions = decide(&null, 0.10);
    assert!(decisions.tests.iter().all(|test| !test.signalled));
    assert!(decisions.rules.values().all(|rule| !rule.chosen));
}

fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    f64::from(rng.next_u32()) / f64::from(u32::MAX)
}

/// The average over the chosen rules of the share of false signals, over many runs: at most q.
/// First with nothing to find, then with one rule in four full of real effects.
#[test]
fn false_signals_stay_below_q() {
    const RUNS: u32 = 2_000;
    let q = 0.10;
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for real_effects in [0, 6] {
        let (mut share, mut found, mut any) = (0.0, 0_usize, 0_u32);
        for _ in 0..RUNS {
            let mut tests = Vec::new();
            for (rule, name) in RULES.iter().enumerate() {
                for at in 0..30 {
                    let real = rule == 0 && at < real_effects;
                    let p = uniform(&mut rng);
                    tests.push(test(name, if real { p * 1e-5 } else { p }));
                }
            }
            let decisions = decide(&tests, q);
            let mut by_rule: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
            for (at, (test, decision)) in tests.iter().zip(&decisions.tests).enumerate() {
                if decision.signalled {
                    let entry = by_rule.entry(test.rule).or_default();
                    entry.1 += 1.0;
                    if at < real_effects {
                        found += 1;
                    } else {
                        entry.0 += 1.0;
                    }
                }
            }
            let chosen = decisions.rules.values().filter(|rule| rule.chosen).count();
            let sum: f64 = by_rule.values().map(|(wrong, all)| wrong / all).sum();
            share += sum / f64::from(u32::try_from(chosen.max(1)).unwrap());
            any += u32::from(by_rule.values().any(|(wrong, _)| *wrong > 0.0));
        }
        let share = share / f64::from(RUNS);
        // Two standard errors of a share near q over the runs.
        assert!(share <= q + 0.015, "{real_effects}: {share}");
        if real_effects == 0 {
            // With nothing to find, each false signal is one run's whole: the bound is sharp.
            assert!(share > 0.05 && any < RUNS / 8, "{share} {any}");
        } else {
            assert!(found > 11_900, "{found} of 12,000 real effects");
        }
    }
}

proptest! {
    /// A chosen rule always has a test that passes at q R / M, as Simes' p promises.
    #[test]
    fn a_chosen_rule_has_something_to_show(p in prop::collection::vec((0_usize..4, 0.0_f64..1.0), 1..60)) {
        let tests: Vec<Test> = p.iter().map(|(rule, p)| test(RULES[*rule], p.powi(3))).collect();
        let decisions = decide(&tests, 0.10);
        for rule in decisions.rules.values() {
            prop_assert_eq!(rule.chosen, rule.signals > 0);
        }
        for decision in &decisions.tests {
            prop_assert_eq!(decision.signalled, decision.adjusted <= 0.10 * (1.0 + 1e-12));
        }
    }

    /// Adjusted p-values keep the order, never fall below the p itself, and Simes' p is the least.
    #[test]
    fn adjusting_keeps_the_order(p in prop::collection::vec(0.0_f64..1.0, 1..40)) {
        let adjusted = benjamini_hochberg(&p);
        for (a, x) in p.iter().zip(&adjusted) {
            prop_assert!(x >= a && *x <= 1.0);
            for (b, y) in p.iter().zip(&adjusted) {
                prop_assert!(a > b || x <= y);
            }
        }
        let least = adjusted.iter().copied().fold(1.0, f64::min);
        prop_assert!((least - simes(&p)).abs() < 1e-15);
    }

    /// The order of the tests does not matter.
    #[test]
    fn order_does_not_matter(p in prop::collection::vec((0_usize..4, 0.0_f64..0.2), 2..30)) {
        let mut tests: Vec<Test> = p.iter().map(|(rule, p)| test(RULES[*rule], p * p)).collect();
        let mut forward = decide(&tests, 0.10).tests;
        tests.reverse();
        let backward = decide(&tests, 0.10).tests;
        forward.reverse();
        prop_assert_eq!(forward, backward);
    }
}
