//! Intervals, power, tails, estimates, and how alike two values are.

use super::Gives::Real;
use super::tests_of_counts::number;
use super::{Function, Gives, Numbers, Shape, Takes};
use crate::statistics::Interval;
use crate::statistics::capture::chapman;
use crate::statistics::gamma::{chi_square_lower, chi_square_upper, normal_upper};
use crate::statistics::intervals::{clopper_pearson_at, poisson_interval_at, wilson};
use crate::statistics::negative_binomial::{negative_binomial_at_least, negative_binomial_at_most};
use crate::statistics::power::{
    evenness_shown, mean_shown_above, repeated_figure_shown, sex_ratio_shown, share_shown_above,
    share_shown_below, zero_run_shown,
};
use crate::statistics::similarity::{jaro_winkler, name_distance};

const LIMITS: &[(&str, Gives)] = &[("low", Real), ("high", Real)];
const ESTIMATE: &[(&str, Gives)] = &[("all", Real), ("low", Real), ("high", Real)];
const SHARE: [(&str, Takes); 3] = [
    ("successes", Takes::Count),
    ("trials", Takes::Count),
    ("confidence", Takes::Real),
];
const SHOWN: [(&str, Takes); 4] = [
    ("trials", Takes::Count),
    ("null", Takes::Real),
    ("level", Takes::Real),
    ("power", Takes::Real),
];
const RUN: [(&str, Takes); 3] = [
    ("periods", Takes::Count),
    ("mean", Takes::Real),
    ("level", Takes::Real),
];
const TAIL: [(&str, Takes); 3] = [
    ("count", Takes::Count),
    ("mean", Takes::Real),
    ("size", Takes::Real),
];

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "clopper_pearson",
        takes: &SHARE,
        gives: Shape::Structure(LIMITS),
        says: "exact interval of a share",
        compute: |a, row| {
            let (k, n) = (a.count(0, row)?, a.count(1, row)?);
            limits(clopper_pearson_at(k, n, a.real(2, row)?))
        },
    },
    Function {
        name: "wilson",
        takes: &SHARE,
        gives: Shape::Structure(LIMITS),
        says: "score interval of a share",
        compute: |a, row| {
            let (k, n) = (a.count(0, row)?, a.count(1, row)?);
            limits(wilson(k, n, a.real(2, row)?))
        },
    },
    Function {
        name: "poisson_interval",
        takes: &[("count", Takes::Count), ("confidence", Takes::Real)],
        gives: Shape::Structure(LIMITS),
        says: "exact interval of the mean of a count",
        compute: |a, row| limits(poisson_interval_at(a.count(0, row)?, a.real(1, row)?)),
    },
    Function {
        name: "chapman",
        takes: &[
            ("first", Takes::Count),
            ("second", Takes::Count),
            ("both", Takes::Count),
            ("confidence", Takes::Real),
        ],
        gives: Shape::Structure(ESTIMATE),
        says: "how many events there are, of which two lists know some",
        compute: |a, row| {
            let (first, second, both) = (a.count(0, row)?, a.count(1, row)?, a.count(2, row)?);
            let found = chapman(first, second, both, a.real(3, row)?)?;
            Some(vec![vec![
                found.all,
                found.interval.low,
                found.interval.high,
            ]])
        },
    },
    Function {
        name: "share_shown_above",
        takes: &SHOWN,
        gives: Shape::Number(Real),
        says: "smallest share above the null that so many trials show with the power",
        compute: |a, row| {
            one(share_shown_above(
                a.count(0, row)?,
                a.real(1, row)?,
                a.real(2, row)?,
                a.real(3, row)?,
            )?)
        },
    },
    Function {
        name: "share_shown_below",
        takes: &SHOWN,
        gives: Shape::Number(Real),
        says: "largest share below the null that so many trials show with the power",
        compute: |a, row| {
            one(share_shown_below(
                a.count(0, row)?,
                a.real(1, row)?,
                a.real(2, row)?,
                a.real(3, row)?,
            )?)
        },
    },
    Function {
        name: "mean_shown_above",
        takes: &[SHOWN[1], SHOWN[2], SHOWN[3]],
        gives: Shape::Number(Real),
        says: "smallest mean above the null that one count shows with the power",
        compute: |a, row| {
            one(mean_shown_above(
                a.real(0, row)?,
                a.real(1, row)?,
                a.real(2, row)?,
            )?)
        },
    },
    Function {
        name: "sex_ratio_shown",
        takes: &SHOWN,
        gives: Shape::Number(Real),
        says: "smallest ratio of boys to 100 girls above the null that so many births show with the power",
        compute: |a, row| {
            one(sex_ratio_shown(
                a.count(0, row)?,
                a.real(1, row)?,
                a.real(2, row)?,
                a.real(3, row)?,
            )?)
        },
    },
    Function {
        name: "evenness_shown",
        takes: &[("freedom", Takes::Count), SHOWN[2], SHOWN[3]],
        gives: Shape::Number(Real),
        says: "largest ratio of variance to mean below 1 that a sum of squares shows with the power",
        compute: |a, row| {
            one(evenness_shown(
                a.count(0, row)?,
                a.real(1, row)?,
                a.real(2, row)?,
            )?)
        },
    },
    Function {
        name: "repeated_figure_shown",
        takes: &RUN,
        gives: Shape::Number(Gives::Whole),
        says: "shortest run of one value whose probability is below the level, under Poisson",
        compute: |a, row| {
            let periods = usize::try_from(a.count(0, row)?).ok()?;
            let found = repeated_figure_shown(periods, a.real(1, row)?, a.real(2, row)?)?;
            one(number(found as u64))
        },
    },
    Function {
        name: "zero_run_shown",
        takes: &RUN,
        gives: Shape::Number(Gives::Whole),
        says: "shortest run of zeros whose probability is below the level, under Poisson",
        compute: |a, row| {
            let periods = usize::try_from(a.count(0, row)?).ok()?;
            let found = zero_run_shown(periods, a.real(1, row)?, a.real(2, row)?)?;
            one(number(found as u64))
        },
    },
    Function {
        name: "chi_square_upper",
        takes: &[("statistic", Takes::Real), ("freedom", Takes::Count)],
        gives: Shape::Number(Real),
        says: "upper tail of chi-square",
        compute: |a, row| one(chi_square_upper(a.real(0, row)?, a.count(1, row)?)),
    },
    Function {
        name: "chi_square_lower",
        takes: &[("statistic", Takes::Real), ("freedom", Takes::Count)],
        gives: Shape::Number(Real),
        says: "lower tail of chi-square",
        compute: |a, row| one(chi_square_lower(a.real(0, row)?, a.count(1, row)?)),
    },
    Function {
        name: "normal_upper",
        takes: &[("z", Takes::Real)],
        gives: Shape::Number(Real),
        says: "upper tail of the normal distribution",
        compute: |a, row| one(normal_upper(a.real(0, row)?)),
    },
    Function {
        name: "negative_binomial_at_least",
        takes: &TAIL,
        gives: Shape::Number(Real),
        says: "upper tail of the negative binomial of a mean and a size",
        compute: |a, row| {
            one(negative_binomial_at_least(
                a.count(0, row)?,
                a.real(1, row)?,
                a.real(2, row)?,
            ))
        },
    },
    Function {
        name: "negative_binomial_at_most",
        takes: &TAIL,
        gives: Shape::Number(Real),
        says: "lower tail of the negative binomial of a mean and a size",
        compute: |a, row| {
            one(negative_binomial_at_most(
                a.count(0, row)?,
                a.real(1, row)?,
                a.real(2, row)?,
            ))
        },
    },
    Function {
        name: "jaro_winkler",
        takes: &[("one", Takes::Text), ("other", Takes::Text)],
        gives: Shape::Number(Real),
        says: "how alike two texts are, from 0 to 1",
        compute: |a, row| one(jaro_winkler(a.text(0, row)?, a.text(1, row)?)),
    },
    Function {
        name: "name_distance",
        takes: &[("one", Takes::Text), ("other", Takes::Text)],
        gives: Shape::Number(Real),
        says: "how far two names are apart, from 0 to 1",
        compute: |a, row| one(name_distance(a.text(0, row)?, a.text(1, row)?)?),
    },
    Function {
        name: "days_apart",
        takes: &[("one", Takes::Whole), ("other", Takes::Whole)],
        gives: Shape::Number(Gives::Whole),
        says: "days between two day numbers",
        compute: |a, row| one(number(a.whole(0, row)?.abs_diff(a.whole(1, row)?))),
    },
];

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands at the end of what may be none"
)]
fn one(value: f64) -> Option<Vec<Numbers>> {
    Some(vec![vec![value]])
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands at the end of what may be none"
)]
fn limits(interval: Interval) -> Option<Vec<Numbers>> {
    Some(vec![vec![interval.low, interval.high]])
}
