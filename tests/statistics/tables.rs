//! Every number against the tables that `SciPy`, statsmodels and mpmath made.

use std::path::Path;

use vitaledger::statistics::binomial::{self, binomial_at_least, binomial_at_most};
use vitaledger::statistics::capture::{LotPlan, chapman};
use vitaledger::statistics::gamma::{
    chi_square_lower, chi_square_upper, normal_quantile, normal_upper,
};
use vitaledger::statistics::hypergeometric::Table;
use vitaledger::statistics::intervals::{
    clopper_pearson_at, poisson_interval_at, share_lower_limit, wilson,
};
use vitaledger::statistics::negative_binomial::{
    negative_binomial_at_least, negative_binomial_at_most, student_two_sided,
};
use vitaledger::statistics::poisson::{poisson_at_least, poisson_at_most};
use vitaledger::statistics::{conditional, mass, power, runs};

/// A row of a table: function, arguments, value.
pub struct Row {
    pub function: String,
    pub arguments: [String; 4],
    pub value: f64,
}

impl Row {
    /// An argument as a count.
    pub fn count(&self, at: usize) -> u64 {
        self.arguments[at].parse().unwrap()
    }

    /// An argument as a number.
    pub fn real(&self, at: usize) -> f64 {
        self.arguments[at].parse().unwrap()
    }

    /// An argument as a series of numbers.
    pub fn series<T: std::str::FromStr>(&self, at: usize) -> Vec<T> {
        let numbers = self.arguments[at].split_whitespace();
        numbers.filter_map(|number| number.parse().ok()).collect()
    }

    /// The relative error of an answer; numbers less than 1e-290 apart are one.
    pub fn error(&self, answer: f64) -> f64 {
        let off = (answer - self.value).abs();
        if off < 1e-290 {
            0.0
        } else {
            off / self.value.abs()
        }
    }
}

/// The rows of a table.
pub fn table(name: &str) -> Vec<Row> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/statistics");
    let mut reader = csv::Reader::from_path(folder.join(format!("{name}.csv"))).unwrap();
    let rows = reader.records().map(|record| {
        let record = record.unwrap();
        Row {
            function: record[0].to_owned(),
            arguments: [1, 2, 3, 4].map(|at| record[at].to_owned()),
            value: record[5].parse().unwrap(),
        }
    });
    rows.collect()
}

/// Holds every row of a table against `answer`; the largest relative error must stay below the
/// tolerance.
fn hold(name: &str, least_rows: usize, tolerance: f64, answer: impl Fn(&Row) -> f64) {
    let rows = table(name);
    assert!(rows.len() >= least_rows, "{name}: only {} rows", rows.len());
    let mut worst: (f64, String) = (0.0, String::new());
    for row in &rows {
        let found = answer(row);
        let error = row.error(found);
        assert!(!error.is_nan(), "{} {:?}", row.function, row.arguments);
        if error > worst.0 {
            let what = format!(
                "{} {:?}: {found:e} against {:e}",
                row.function, row.arguments, row.value
            );
            worst = (error, what);
        }
    }
    println!(
        "{name}: largest relative error {:.1e}, {}",
        worst.0, worst.1
    );
    assert!(worst.0 <= tolerance, "{name}: {:.1e} {}", worst.0, worst.1);
}

#[test]
fn binomial_tails() {
    hold("binomial", 600, 5e-12, |row| {
        let (k, n, p) = (row.count(0), row.count(1), row.real(2));
        match row.function.as_str() {
            "binomial" => mass::binomial(k, n, p),
            "binomial_at_most" => binomial_at_most(k, n, p),
            "binomial_at_least" => binomial_at_least(k, n, p),
            "binomial_two_sided" => binomial::binomial_two_sided(k, n, p),
            other => panic!("{other}"),
        }
    });
}

#[test]
fn poisson_tails() {
    hold("poisson", 150, 5e-12, |row| {
        let (k, mean) = (row.count(0), row.real(1));
        match row.function.as_str() {
            "poisson" => mass::poisson(k, mean),
            "poisson_at_most" => poisson_at_most(k, mean),
            "poisson_at_least" => poisson_at_least(k, mean),
            other => panic!("{other}"),
        }
    });
}

#[test]
fn chi_square_tails() {
    hold("chi_square", 200, 1e-12, |row| {
        let (x, freedom) = (row.real(0), row.count(1));
        match row.function.as_str() {
            "chi_square_lower" => chi_square_lower(x, freedom),
            "chi_square_upper" => chi_square_upper(x, freedom),
            other => panic!("{other}"),
        }
    });
}

#[test]
fn normal_and_student() {
    hold("normal", 60, 2e-12, |row| match row.function.as_str() {
        "normal_upper" => normal_upper(row.real(0)),
        // The quantile of a half is 0, to which nothing has a relative error.
        "normal_quantile" if row.value.abs() < 1e-15 => {
            assert!(normal_quantile(row.real(0)).abs() < 1e-15);
            row.value
        }
        "normal_quantile" => normal_quantile(row.real(0)),
        "student_two_sided" => student_two_sided(row.real(0), row.real(1)),
        other => panic!("{other}"),
    });
}

#[test]
fn negative_binomial_tails() {
    hold("negative_binomial", 400, 5e-12, |row| {
        let (k, mean, size) = (row.count(0), row.real(1), row.real(2));
        match row.function.as_str() {
            "negative_binomial" => mass::negative_binomial(k, mean, size),
            "negative_binomial_at_most" => negative_binomial_at_most(k, mean, size),
            "negative_binomial_at_least" => negative_binomial_at_least(k, mean, size),
            other => panic!("{other}"),
        }
    });
}

#[test]
fn fisher_and_hypergeometric() {
    hold("hypergeometric", 90, 5e-11, |row| {
        let (k, marked, others, drawn) = (row.count(0), row.count(1), row.count(2), row.count(3));
        let table = Table {
            with: k,
            without: drawn - k,
            other_with: marked - k,
            other_without: others + k - drawn,
        };
        match row.function.as_str() {
            "hypergeometric" => mass::hypergeometric(k, marked, others, drawn),
            "less_frequent" => table.less_frequent().exact,
            "more_frequent" => table.more_frequent().exact,
            "two_sided" => table.two_sided(),
            other => panic!("{other}"),
        }
    });
}

#[test]
fn one_count_given_the_total() {
    hold("conditional", 70, 1e-11, |row| {
        let (k, n, own, other) = (row.count(0), row.count(1), row.real(2), row.real(3));
        match row.function.as_str() {
            "beta_binomial" => mass::beta_binomial(k, n, own, other),
            // A dispersion of 2 makes the expected count the size.
            "doubled" => conditional::conditional(k, n, own / (own + other), own, 2.0).exact,
            other => panic!("{other}"),
        }
    });
}

#[test]
fn intervals_and_limits() {
    hold("intervals", 200, 1e-9, |row| {
        let share = || (row.count(0), row.count(1), row.real(2));
        let poisson = || poisson_interval_at(row.count(0), row.real(1));
        let lists = || chapman(row.count(0), row.count(1), row.count(2), 0.95).unwrap();
        let of = |(k, n, confidence)| clopper_pearson_at(k, n, confidence);
        let score = |(k, n, confidence)| wilson(k, n, confidence);
        match row.function.as_str() {
            "clopper_pearson_low" => of(share()).low,
            "clopper_pearson_high" => of(share()).high,
            "wilson_low" => score(share()).low,
            "wilson_high" => score(share()).high,
            "share_lower_limit" => share_lower_limit(row.count(0), row.count(1), row.real(2)),
            "poisson_low" => poisson().low,
            "poisson_high" => poisson().high,
            "chapman" => lists().all,
            "chapman_error" => lists().standard_error,
            "chapman_low" => lists().interval.low,
            "chapman_high" => lists().interval.high,
            "acceptance" => LotPlan::AUDIT.acceptance(row.real(2)),
            other => panic!("{other}"),
        }
    });
}

#[test]
fn smallest_effects() {
    hold("power", 60, 1e-9, |row| {
        let share = || (row.count(0), row.real(1), row.real(2));
        let above = |(n, null, level)| power::share_shown_above(n, null, level, 0.8);
        let below = |(n, null, level)| power::share_shown_below(n, null, level, 0.8);
        let shown = match row.function.as_str() {
            "share_shown_above" => above(share()),
            "share_shown_below" => below(share()),
            "mean_shown_above" => power::mean_shown_above(row.real(0), row.real(1), 0.8),
            "evenness_shown" => power::evenness_shown(row.count(0), row.real(1), 0.8),
            "mean_shown_below" => power::mean_shown_below(row.real(0), row.real(1), 0.8),
            other => panic!("{other}"),
        };
        shown.unwrap()
    });
}

#[test]
fn runs_of_a_value() {
    hold("runs", 200, 1e-9, |row| {
        let periods = usize::try_from(row.count(0)).unwrap();
        let length = usize::try_from(row.count(1)).unwrap();
        match row.function.as_str() {
            "run_of_zeros" => runs::run_of_zeros(periods, length, row.real(2)),
            "run_of_any" => runs::run_of_any(periods, length, row.real(2)),
            other => panic!("{other}"),
        }
    });
}
