//! Statistics of whole series against `NumPy` and statsmodels.

use vitaledger::statistics::conditional::against_others;
use vitaledger::statistics::dispersion::{compare_units, dispersion};
use vitaledger::statistics::drift::{Given, REPLICATES, drift};
use vitaledger::statistics::heaping::digit_preference;
use vitaledger::statistics::multiplicity::{benjamini_hochberg, simes};

use crate::tables::{Row, table};

/// Rows of one function, at least one.
fn rows(function: &str) -> Vec<Row> {
    let mut rows = table("series");
    rows.retain(|row| row.function == function);
    assert!(!rows.is_empty(), "{function}");
    rows
}

fn hold(function: &str, tolerance: f64, answer: impl Fn(&Row) -> f64) {
    for row in rows(function) {
        let found = answer(&row);
        assert!(
            row.error(found) <= tolerance,
            "{function} {:?}: {found} against {}",
            row.arguments,
            row.value
        );
    }
}

fn counts(row: &Row) -> Vec<u64> {
    row.series(0)
}

#[test]
fn index_of_dispersion() {
    hold("dispersion", 1e-12, |row| {
        dispersion(&counts(row)).unwrap().statistic
    });
    hold("dispersion_lower", 1e-11, |row| {
        dispersion(&counts(row)).unwrap().lower
    });
}

#[test]
fn last_digits() {
    let of = |row: &Row| digit_preference(counts(row).try_into().unwrap());
    hold("digits", 1e-12, |row| of(row).0);
    hold("digits_p", 1e-11, |row| of(row).1);
}

#[test]
fn one_unit_against_the_others() {
    let second = |row: &Row| compare_units(&counts(row), &row.series(1), 0.1).unwrap()[1];
    hold("unit_dispersion", 1e-11, |row| second(row).dispersion);
    hold("unit_z", 1e-11, |row| second(row).z);
    hold("unit_p", 1e-9, |row| second(row).scattered);
    for row in rows("unit_p") {
        let unit = second(&row);
        assert!(unit.p.exact >= unit.scattered && unit.p.exact >= unit.exact.exact);
        assert!(unit.ratio > 1.2, "{unit:?}");
    }
}

#[test]
fn one_count_against_scattering_others() {
    hold("against_others", 1e-9, |row| {
        let counts = counts(row);
        let exposures = vec![1.0; counts.len()];
        against_others(&counts, &exposures, 0).unwrap().p.exact
    });
}

#[test]
fn simes_and_benjamini_hochberg() {
    hold("simes", 1e-12, |row| simes(&row.series(0)));
    for row in rows("benjamini_hochberg") {
        let expected: Vec<f64> = row.series(1);
        let found = benjamini_hochberg(&row.series(0));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-12 * expected);
        }
    }
}

#[test]
fn cumulative_sums() {
    let of = |row: &Row| drift(&counts(row), Given::Total, 7).unwrap();
    hold("cusum", 1e-12, |row| of(row).statistic);
    for row in rows("cusum_p") {
        let found = of(&row);
        // Two simulations: four standard errors of each.
        let error = |p: f64, n: f64| 4.0 * (p * (1.0 - p) / n).sqrt() + 1.0 / n;
        let replicates = f64::from(found.replicates);
        let room = error(row.value, 2e5) + error(row.value.max(found.p), replicates);
        assert!(
            (found.p - row.value).abs() <= room,
            "{found:?} {}",
            row.value
        );
        assert!(found.p > 0.0 && found.replicates <= REPLICATES);
        assert_eq!(drift(&counts(&row), Given::Total, 7), Some(found));
    }
}
