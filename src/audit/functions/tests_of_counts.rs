//! Tests of counts: shares, series, units.

use super::Gives::{Real, Whole};
use super::columns::Arguments;
use super::{Function, Gives, Numbers, Shape, Takes};
use crate::statistics::PValue;
use crate::statistics::binomial::{
    binomial_doubled_interval, binomial_exposure, binomial_lower, sex_ratio,
};
use crate::statistics::conditional::{Comparison, Series};
use crate::statistics::dispersion::{compare_units, dispersion, sex_ratio_closeness};
use crate::statistics::drift::{Given, drift};
use crate::statistics::heaping::{digit_preference, last_digits};
use crate::statistics::hypergeometric::Table;
use crate::statistics::poisson::{poisson_doubled, poisson_upper};
use crate::statistics::runs::{RunTest, repeated_figure, zero_run};

/// The fields of a test that says nothing more.
const P: &[(&str, Gives)] = &[("p", Real), ("p_mid", Real)];
const RUN: &[(&str, Gives)] = &[
    ("p", Real),
    ("p_mid", Real),
    ("length", Whole),
    ("start", Whole),
    ("value", Whole),
    ("mean", Real),
];
const SUM_OF_SQUARES: &[(&str, Gives)] = &[
    ("p", Real),
    ("p_mid", Real),
    ("statistic", Real),
    ("freedom", Whole),
];
const AGAINST: &[(&str, Gives)] = &[
    ("p", Real),
    ("p_mid", Real),
    ("expected", Real),
    ("dispersion", Real),
];
const UNIT: &[(&str, Gives)] = &[
    ("p", Real),
    ("p_mid", Real),
    ("expected", Real),
    ("ratio", Real),
    ("dispersion", Real),
];
const DRIFT: &[(&str, Gives)] = &[
    ("p", Real),
    ("p_mid", Real),
    ("statistic", Real),
    ("at", Whole),
    ("rising", Whole),
];
const SHARE: &[(&str, Takes)] = &[("successes", Takes::Count), ("trials", Takes::Count)];

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "share_above",
        takes: &[
            SHARE[0],
            SHARE[1],
            ("exposure", Takes::Real),
            ("edge", Takes::Real),
        ],
        gives: Shape::Structure(P),
        says: "upper exact binomial tail at edge times exposure",
        compute: |a, row| {
            let (k, n) = (a.count(0, row)?, a.count(1, row)?);
            one(p_of(binomial_exposure(
                k,
                n,
                a.real(2, row)?,
                a.real(3, row)?,
            )))
        },
    },
    Function {
        name: "share_below",
        takes: &[SHARE[0], SHARE[1], ("share", Takes::Real)],
        gives: Shape::Structure(P),
        says: "lower exact binomial tail at a share",
        compute: |a, row| {
            one(p_of(binomial_lower(
                a.count(0, row)?,
                a.count(1, row)?,
                a.real(2, row)?,
            )))
        },
    },
    Function {
        name: "share_outside",
        takes: &[
            SHARE[0],
            SHARE[1],
            ("low", Takes::Real),
            ("high", Takes::Real),
        ],
        gives: Shape::Structure(P),
        says: "twice the exact binomial tail at the nearer end of a range of shares",
        compute: |a, row| {
            let (k, n) = (a.count(0, row)?, a.count(1, row)?);
            one(p_of(binomial_doubled_interval(
                k,
                n,
                a.real(2, row)?,
                a.real(3, row)?,
            )))
        },
    },
    Function {
        name: "sex_ratio_outside",
        takes: &[
            ("boys", Takes::Count),
            ("girls", Takes::Count),
            ("low", Takes::Real),
            ("high", Takes::Real),
        ],
        gives: Shape::Structure(P),
        says: "boys to 100 girls against a range, twice the exact tail at the nearer end",
        compute: |a, row| {
            let (boys, girls) = (a.count(0, row)?, a.count(1, row)?);
            one(p_of(sex_ratio(
                boys,
                girls,
                a.real(2, row)?,
                a.real(3, row)?,
            )))
        },
    },
    Function {
        name: "sex_ratio_closeness",
        takes: &[
            ("boys", Takes::Counts),
            ("girls", Takes::Counts),
            ("ratio", Takes::Real),
        ],
        gives: Shape::Structure(SUM_OF_SQUARES),
        says: "sum of squared scores of units against one ratio, lower tail of chi-square",
        compute: |a, row| {
            let (boys, girls) = (a.counts(0, row)?, a.counts(1, row)?);
            let units: Vec<_> = boys.into_iter().zip(girls).collect();
            let found = sex_ratio_closeness(&units, a.real(2, row)?)?;
            one(vec![
                found.lower,
                found.lower,
                found.statistic,
                number(found.freedom),
            ])
        },
    },
    Function {
        name: "more_frequent",
        takes: &[
            ("with", Takes::Count),
            ("without", Takes::Count),
            ("other_with", Takes::Count),
            ("other_without", Takes::Count),
        ],
        gives: Shape::Structure(P),
        says: "Fisher's exact test, upper tail: more frequent in the first group",
        compute: |a, row| one(p_of(table(a, row)?.more_frequent())),
    },
    Function {
        name: "poisson_test",
        takes: &[("count", Takes::Count), ("mean", Takes::Real)],
        gives: Shape::Structure(P),
        says: "twice the smaller exact Poisson tail at a mean",
        compute: |a, row| one(p_of(poisson_doubled(a.count(0, row)?, a.real(1, row)?))),
    },
    Function {
        name: "poisson_above",
        takes: &[("count", Takes::Count), ("mean", Takes::Real)],
        gives: Shape::Structure(P),
        says: "upper exact Poisson tail at a mean",
        compute: |a, row| one(p_of(poisson_upper(a.count(0, row)?, a.real(1, row)?))),
    },
    Function {
        name: "repeated_figure",
        takes: &[("counts", Takes::Counts)],
        gives: Shape::Structure(RUN),
        says: "probability of a run of one value as long as the longest, under Poisson",
        compute: |a, row| run(repeated_figure(&a.counts(0, row)?)?),
    },
    Function {
        name: "zero_run",
        takes: &[("counts", Takes::Counts)],
        gives: Shape::Structure(RUN),
        says: "probability of a run of zeros as long as the longest, under Poisson",
        compute: |a, row| run(zero_run(&a.counts(0, row)?)?),
    },
    Function {
        name: "too_even",
        takes: &[("counts", Takes::Counts)],
        gives: Shape::Structure(SUM_OF_SQUARES),
        says: "index of dispersion, lower tail of chi-square",
        compute: |a, row| {
            let found = dispersion(&a.counts(0, row)?)?;
            one(vec![
                found.lower,
                found.lower,
                found.statistic,
                number(found.freedom),
            ])
        },
    },
    Function {
        name: "against_others",
        takes: &[("counts", Takes::Counts), ("exposures", Takes::Reals)],
        gives: Shape::List(AGAINST),
        says: "each count against the others of its series, conditional binomial or, where they scatter, beta-binomial",
        compute: |a, row| {
            let (counts, exposures) = (a.counts(0, row)?, a.reals(1, row)?);
            let series = Series::of(&counts, &exposures, &vec![0; counts.len()])?;
            let one = |index| series.compare(index).map(compared);
            (0..counts.len()).map(one).collect()
        },
    },
    Function {
        name: "against_phase",
        takes: &[
            ("counts", Takes::Counts),
            ("periods", Takes::Counts),
            ("cycle", Takes::Count),
        ],
        gives: Shape::List(AGAINST),
        says: "each count against the others of its phase of a cycle of equal periods, as against_others; all phases together say the scatter; null where a phase has fewer than three",
        compute: |a, row| {
            let (counts, periods) = (a.counts(0, row)?, a.counts(1, row)?);
            let cycle = a.count(2, row)?.max(1);
            let phases: Vec<u64> = periods.iter().map(|period| period % cycle).collect();
            let all = vec![1.0; counts.len()];
            let series = Series::of(&counts, &all, &phases)?;
            let one = |index| {
                let found = series.compare(index);
                found.map_or_else(|| vec![f64::NAN; AGAINST.len()], compared)
            };
            Some((0..counts.len()).map(one).collect())
        },
    },
    Function {
        name: "compare_units",
        takes: &[
            ("events", Takes::Counts),
            ("exposures", Takes::Reals),
            ("winsorised", Takes::Real),
        ],
        gives: Shape::List(UNIT),
        says: "each unit against all others: the larger p of the exact conditional binomial and of a score with their scatter",
        compute: |a, row| {
            let found = compare_units(&a.counts(0, row)?, &a.reals(1, row)?, a.real(2, row)?)?;
            let units = found.iter().map(|unit| {
                vec![
                    unit.p.exact,
                    unit.p.mid,
                    unit.expected,
                    unit.ratio,
                    unit.dispersion,
                ]
            });
            Some(units.collect())
        },
    },
    Function {
        name: "drift",
        takes: &[
            ("counts", Takes::Counts),
            ("cycle", Takes::Count),
            ("seed", Takes::Count),
        ],
        gives: Shape::Structure(DRIFT),
        says: "two-sided CUSUM, its maximum's p by simulation given the total (cycle 0), or the totals of each phase of a cycle",
        compute: |a, row| {
            let counts = a.counts(0, row)?;
            let given = given(a.count(1, row)?)?;
            let found = drift(&counts, given, a.count(2, row)?)?;
            let rising = f64::from(u8::from(found.rising));
            one(vec![
                found.p,
                found.p,
                found.statistic,
                number(found.at as u64),
                rising,
            ])
        },
    },
    Function {
        name: "last_digits",
        takes: &[("figures", Takes::Counts)],
        gives: Shape::Structure(SUM_OF_SQUARES),
        says: "last digits against equal frequencies, upper tail of chi-square with 9 degrees of freedom",
        compute: |a, row| {
            let (statistic, p) = digit_preference(last_digits(a.counts(0, row)?));
            one(vec![p, p, statistic, 9.0])
        },
    },
];

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands at the end of what may be none"
)]
fn one(numbers: Numbers) -> Option<Vec<Numbers>> {
    Some(vec![numbers])
}

fn p_of(p: PValue) -> Numbers {
    vec![p.exact, p.mid]
}

/// A count as a number of SQL; counts of persons stay below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
pub(super) const fn number(count: u64) -> f64 {
    count as f64
}

fn compared(found: Comparison) -> Numbers {
    vec![found.p.exact, found.p.mid, found.expected, found.dispersion]
}

fn run(found: RunTest) -> Option<Vec<Numbers>> {
    one(vec![
        found.p,
        found.p,
        number(found.run.length as u64),
        number(found.run.start as u64),
        number(found.run.value),
        found.mean,
    ])
}

fn table(a: &Arguments<'_>, row: usize) -> Option<Table> {
    Some(Table {
        with: a.count(0, row)?,
        without: a.count(1, row)?,
        other_with: a.count(2, row)?,
        other_without: a.count(3, row)?,
    })
}

fn given(cycle: u64) -> Option<Given> {
    Some(match cycle {
        0 => Given::Total,
        phases => Given::Phases(usize::try_from(phases).ok()?),
    })
}
