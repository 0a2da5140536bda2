//! Every function, asked in SQL, against values that `SciPy` 1.17 gave.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::prelude::SessionContext;

use super::{all, register};

/// What an expression is; the run of zeros and the repeated figure by a Markov chain in Python,
/// Jaro-Winkler as Winkler published it.
#[expect(clippy::unreadable_literal, reason = "as SciPy prints them")]
const VALUES: &[(&str, f64)] = &[
    (
        "share_above(52, 158, 24 / 365.25, 1.25)['p']",
        9.936235884070436e-19,
    ),
    (
        "share_above(52, 158, 24 / 365.25, 1.25)['p_mid']",
        5.851998780711266e-19,
    ),
    ("share_below(104, 146, 0.95)['p']", 1.0195268806841937e-20),
    (
        "share_outside(126, 178, 103 / 203.0, 107 / 207.0)['p']",
        3.292623086454208e-07,
    ),
    (
        "share_outside(60, 178, 103 / 203.0, 107 / 207.0)['p']",
        6.6689166804024145e-06,
    ),
    (
        "sex_ratio_outside(126, 52, 103, 107)['p']",
        3.292623086454208e-07,
    ),
    ("more_frequent(15, 85, 5, 95)['p']", 0.015860019543155274),
    ("poisson_test(18, 3.1)['p']", 1.1734100942656657e-08),
    ("poisson_above(18, 3.1)['p']", 5.8670504713283286e-09),
    (
        "too_even(make_array(3, 2, 4, 3, 3, 2, 4, 3, 3, 2, 4, 3))['p']",
        0.0015041182825838032,
    ),
    (
        "zero_run(make_array(3, 4, 0, 0, 0, 0, 5, 2, 4, 3, 2, 4))['length']",
        4.0,
    ),
    (
        "zero_run(make_array(3, 4, 0, 0, 0, 0, 5, 2, 4, 3, 2, 4))['p']",
        0.00014928540922549762,
    ),
    (
        "repeated_figure(make_array(3, 1, 3, 3, 3, 3, 3, 3, 5, 2, 4, 1, 6, 2))['p']",
        0.0020905946759533995,
    ),
    (
        "sex_ratio_closeness(make_array(510, 770), make_array(490, 730), 105.5)['p']",
        0.022639090285783224,
    ),
    (
        "against_others(make_array(2, 3, 18, 4, 2), make_array(1.0, 1.0, 1.0, 1.0, 1.0))[3]['p']",
        1.8151481894921496e-06,
    ),
    (
        "against_phase(make_array(2, 3, 18, 4, 2), make_array(0, 1, 2, 3, 4), 1)[3]['p']",
        1.8151481894921496e-06,
    ),
    (
        "last_digits(make_array(10, 20, 30, 41, 52, 60, 70, 83, 90, 100))['statistic']",
        42.0,
    ),
    ("clopper_pearson(3, 20, 0.95)['low']", 0.0320709371854637),
    ("clopper_pearson(3, 20, 0.95)['high']", 0.37892682654531396),
    ("wilson(3, 20, 0.95)['high']", 0.36041886474075696),
    ("poisson_interval(7, 0.95)['low']", 2.8143630515198654),
    ("poisson_interval(7, 0.95)['high']", 14.422675361702376),
    ("chapman(120, 80, 60, 0.95)['all']", 159.672131147541),
    ("chi_square_upper(27.9, 9)", 0.000991262457089347),
    ("chi_square_lower(2.57, 35)", 1.5965758625275725e-14),
    ("normal_upper(3.09)", 0.0010007824766140115),
    (
        "negative_binomial_at_least(12, 4.0, 2.0)",
        0.038536733146294744,
    ),
    ("negative_binomial_at_most(1, 4.0, 2.0)", 0.2592592592592592),
    ("jaro_winkler('MARTHA', 'MARHTA')", 0.9611111111111111),
    ("days_apart(16000, 15990)", 10.0),
];

async fn answer(context: &SessionContext, expression: &str) -> Option<f64> {
    let asked = context
        .sql(&format!("SELECT {expression} AS x"))
        .await
        .unwrap();
    let batches = asked.collect().await.unwrap();
    let column = cast(batches[0].column(0), &DataType::Float64).unwrap();
    column.as_primitive::<Float64Type>().iter().next().unwrap()
}

#[tokio::test]
async fn functions_give_what_scipy_gives() {
    let context = SessionContext::new();
    register(&context);
    for (expression, expected) in VALUES {
        let found = answer(&context, expression).await.unwrap();
        let off = (found - expected).abs() / expected.abs();
        assert!(off < 1e-6, "{expression}: {found} instead of {expected}");
    }
}

#[tokio::test]
async fn every_function_is_known_and_nothing_of_nothing_is_nothing() {
    let context = SessionContext::new();
    register(&context);
    for function in all() {
        let nulls: Vec<&str> = function.takes.iter().map(|_| "NULL").collect();
        let expression = format!("{}({}) IS NULL", function.name, nulls.join(", "));
        let asked = context
            .sql(&format!("SELECT {expression} AS x"))
            .await
            .unwrap();
        let batches = asked.collect().await.unwrap();
        assert!(batches[0].column(0).as_boolean().value(0), "{expression}");
        assert!(!function.says.is_empty());
    }
}

#[tokio::test]
async fn rows_of_a_column_are_answered_one_by_one() {
    let context = SessionContext::new();
    register(&context);
    let asked = context
        .sql(
            "SELECT share_above(k, n, 0.1, 1.0)['p'] AS p FROM (VALUES (0, 10), (10, 10), (NULL, 10)) AS t(k, n)",
        )
        .await
        .unwrap();
    let batches = asked.collect().await.unwrap();
    let p: Vec<_> = batches[0]
        .column(0)
        .as_primitive::<Float64Type>()
        .iter()
        .collect();
    assert_eq!(p[0], Some(1.0));
    assert!(p[1].unwrap() < 1.1e-10 && p[2].is_none());
}

#[tokio::test]
async fn a_field_of_every_member_keeps_their_order_and_nulls() {
    let context = SessionContext::new();
    register(&context);
    let asked = |sql: &'static str| async { context.sql(sql).await?.collect().await };
    let sorted =
        "SELECT each(array_sort(array_agg(named_struct('month', m, 'value', v))), 'value') AS x
         FROM (VALUES (3, 30), (1, 10), (2, NULL)) AS t(m, v)";
    let batches = asked(sorted).await.unwrap();
    let list = batches[0].column(0).as_list::<i32>().value(0);
    let values = cast(&list, &DataType::Float64).unwrap();
    let values: Vec<_> = values.as_primitive::<Float64Type>().iter().collect();
    assert_eq!(values, [Some(10.0), None, Some(30.0)]);
    for wrong in [
        "SELECT each(make_array(named_struct('a', 1)), 'b')",
        "SELECT each(make_array(1), 'a')",
        "SELECT each(1, 'a')",
    ] {
        let error = asked(wrong).await.unwrap_err().to_string();
        assert!(error.contains("each(list, 'field')"), "{error}");
    }
}
