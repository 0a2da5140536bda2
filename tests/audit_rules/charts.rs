//! Charts: what stands behind a finding, as bars that sum to its numbers.

use vitaledger::audit::rows::{Found, Number};

use crate::asked::{
    Asked, Bar, OTHER_TOWNSHIP, TOWNSHIP, ask, births, day, losses, registrations, returns,
};

fn whole(row: &Found, name: &str) -> f64 {
    match row.number(name) {
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        Some(Number::Whole(whole)) => *whole as f64,
        other => panic!("{name}: {other:?}"),
    }
}

fn sum<'a>(bars: impl IntoIterator<Item = &'a Bar>) -> f64 {
    bars.into_iter().map(|bar| bar.value).sum()
}

fn number(bar: &Bar) -> i64 {
    bar.at.parse().unwrap()
}

fn expected(bars: &[Bar]) -> f64 {
    bars.iter().filter_map(|bar| bar.expected).sum()
}

/// The one row of a rule, with its bars.
fn one(asked: &Asked) -> (Found, Vec<Bar>) {
    let mut drawn = asked.charts();
    assert_eq!(drawn.len(), 1);
    drawn.remove(0)
}

#[test]
fn days_of_the_month() {
    // Two villages, pooled, beside one of another township that is tested alone.
    let of = births()
        .rows(0..90, |number| row! {on: if number < 40 { "2014-03-15" } else { "2014-03-20" }, office: TOWNSHIP + 1 + number % 2})
        .rows(0..90, |_| row! {on: "2014-03-31", office: OTHER_TOWNSHIP + 1});
    let drawn = ask("HP1").with(of).charts();
    assert_eq!(drawn.len(), 2);
    for (row, bars) in drawn {
        assert_eq!(bars.len(), 31);
        assert!((sum(&bars) - whole(&row, "trials")).abs() < 1e-9);
        let favoured = bars.iter().filter(|bar| [1, 15].contains(&number(bar)));
        assert!((sum(favoured) - whole(&row, "successes")).abs() < 1e-9);
        assert!((expected(&bars) - whole(&row, "trials")).abs() < 1e-9);
    }
}

#[test]
fn days_of_reports() {
    let of = births().rows(0..60, |number| row! {on: "2014-01-03", reported: if number < 30 { "2014-01-30" } else { "2014-01-09" }});
    let (row, bars) = one(&ask("BN1").with(of));
    assert_eq!((bars.len(), bars[29].value), (31, whole(&row, "successes")));
    assert!((sum(&bars) - whole(&row, "trials")).abs() < 1e-9);
}

#[test]
fn days_around_the_turn_of_the_year() {
    let of = births()
        .rows(["2013-01-01", "2014-06-01"], |on| row! {on: on})
        .rows(0..40, |number| row! {on: day("2013-12-22") + number % 20});
    let (row, bars) = one(&ask("BN2").with(of));
    assert_eq!(
        (number(&bars[0]), number(&bars[20]), bars.len()),
        (-10, 10, 21)
    );
    let near =
        |from: i64, to: i64| sum(bars.iter().filter(|bar| (from..=to).contains(&number(bar))));
    assert!((near(-4, 5) - whole(&row, "trials")).abs() < 1e-9);
    assert!((near(-4, 0) - whole(&row, "successes")).abs() < 1e-9);
    // What lies farther away is drawn, too.
    assert!((sum(&bars) - 40.0).abs() < 1e-9);
    assert!((expected(&bars) - whole(&row, "trials")).abs() < 1e-9);
}

#[test]
fn classes_of_weights() {
    let of = births().rows(
        0..60,
        |number| row! {on: "2014-01-03", weight_g: if number < 40 { 3_000 } else { 3_070 }},
    );
    let (row, bars) = one(&ask("HP2-weight").with(of));
    assert!((sum(&bars) - whole(&row, "trials")).abs() < 1e-9);
    assert_eq!((bars.len(), bars[0].at.as_str()), (1, "3000"));
}

#[test]
fn weeks_of_losses() {
    let of = losses().rows(
        0..30,
        |number| row! {occurred_day: 16_000, gestation_days: 182 + number},
    );
    let (row, bars) = one(&ask("HP2-gestation").with(of));
    assert_eq!(
        bars.iter().map(number).collect::<Vec<_>>(),
        [26, 27, 28, 29, 30]
    );
    assert!((sum(&bars) - whole(&row, "trials")).abs() < 1e-9);
    assert!((sum(&bars[..3]) - whole(&row, "successes")).abs() < 1e-9);
}

/// Of an office, of what it returned; and of a township, of what its villages registered.
#[test]
fn months_of_a_series() {
    for rule in ["CT1", "CT2", "CT3", "CT4", "SQ1"] {
        let mut of = returns();
        for month in 0..36 {
            let period = format!("{:04}-{:02}", 2010 + month / 12, month % 12 + 1);
            let count = if month % 9 < 2 { 0 } else { 3 + month % 4 };
            of.push(row! {period: period, indicator: "births", value: count});
        }
        let died = registrations().rows(0..72, |number| row! {on: day("2010-01-15") + 365 * (number / 2) / 12, kind: "death", office: TOWNSHIP + 2 + number % 2});
        let asked = ask(rule).with(of).with(died);
        let drawn = asked.charts();
        assert!(!drawn.is_empty(), "{rule}");
        for (row, bars) in drawn {
            let (months, total) = match row.number("n") {
                Some(_) => (whole(&row, "n"), None),
                None => (whole(&row, "others") + 1.0, Some(whole(&row, "total"))),
            };
            #[expect(clippy::cast_precision_loss, reason = "few months")]
            let drawn = bars.len() as f64;
            assert!((drawn - months).abs() < 1e-9, "{rule}");
            if let Some(total) = total {
                assert!((sum(&bars) - total).abs() < 1e-9);
            }
            assert!(bars.windows(2).all(|pair| pair[0].at < pair[1].at));
        }
    }
}

/// Nothing of a row that is no plain word or whole number comes into the text of a query.
#[test]
fn what_is_no_plain_word_is_not_asked() {
    let of = births().rows(0..60, |_| row! {on: "2014-01-03", reported: "2014-01-30"});
    let asked = ask("HP1").with(of);
    let (mut row, _) = one(&asked);
    for (name, number) in &mut row.numbers {
        if name == "indicator" {
            *number = Number::Word("births' OR '1' = '1".to_owned());
        }
    }
    assert_eq!(asked.rule().chart_sql(&row), None);
}
