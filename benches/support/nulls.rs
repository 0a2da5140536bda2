//! Offices without fault, at the edge of what each statistical rule calls none.
//!
//! What comes in: chance, and a land of offices. What goes out: for each rule ([`all`]) tables of
//! records in which its null hypothesis is true and as near to its end as can be, where false
//! signals are most frequent. What may fail: nothing. What must stay true: sizes of offices are
//! mixed, so that some are tested alone, some in a pool and some not at all.

use vitaledger::audit::rows::{Found, Number};
use vitaledger::model::schema::RecordKind;
use vitaledger::statistics::share_of_ratio;

use super::chance::Chance;
use super::offices::{FIRST_DAY, FIRST_MONTH, Land, Series, Table};

/// Days of ten years.
const DAYS: u32 = 3_652;
/// 1 January 2010, on which residents were listed.
const LIST_DAY: f64 = 14_610.0;
/// Days of a year on average.
const YEAR: f64 = 365.2425;
/// The share of two days of each month.
const TWO_DAYS: f64 = 24.0 / 365.25;

/// A rule where nothing is wrong.
pub struct Null {
    /// The rule, with its part.
    pub rule: &'static str,
    /// What is true.
    pub what: &'static str,
    /// Counties, townships in each, villages in each of these.
    pub land: [u32; 3],
    /// Makes the records.
    pub make: fn(&mut Chance, &Land) -> Vec<Table>,
    /// Which of the tests are at the edge.
    pub at_edge: fn(&Found) -> bool,
    /// By how much a share may exceed its level: 1 but where the rule estimates scatter.
    pub room: f64,
}

const MIXED: [u32; 3] = [4, 5, 10];

const fn null(
    rule: &'static str,
    what: &'static str,
    make: fn(&mut Chance, &Land) -> Vec<Table>,
) -> Null {
    Null {
        rule,
        what,
        land: MIXED,
        make,
        at_edge: |_| true,
        room: 1.0,
    }
}

/// Every statistical rule, some in more than one way.
pub const ALL: &[Null] = &[
    null("SR1", "107 boys to 100 girls", |chance, land| {
        sexes(chance, land, 107.0)
    }),
    null("SR1", "103 boys to 100 girls", |chance, land| {
        sexes(chance, land, 103.0)
    }),
    Null {
        land: [40, 2, 8],
        ..null(
            "SR1-closeness",
            "105.5 boys to 100 girls",
            |chance, land| sexes_of(chance, land, (2.0, 2.4), 105.5),
        )
    },
    null("BN1", "1.25 times the last two days of a month", reports),
    null("BN2", "0.55 before the edge", |chance, land| {
        edges(chance, land, 0.55)
    }),
    null("BN2", "0.45 before the edge", |chance, land| {
        edges(chance, land, 0.45)
    }),
    null("HP1", "1.25 times the 1st and 15th", days),
    null("HP2-weight", "a quarter at multiples of 500 g", weights),
    null(
        "HP2-gestation",
        "three fifths of 26 to 28 weeks",
        gestations,
    ),
    null("HP3-ages", "Whipple's index 110", ages),
    Null {
        at_edge: |row| row.number("sign") == Some(&Number::Word("8".to_owned())),
        ..null("HP3-zodiac", "1.15 times the years of one sign", signs)
    },
    null("HP4", "Poisson counts above 100", |chance, land| {
        vec![series(chance, land, &[36], (2.0, 2.8), &INDICATORS, 0)]
    }),
    null("SR2", "boys and girls reported late alike", late),
    Null {
        land: [1, 1, 4],
        at_edge: |row| row.office.as_str() == "100000001001",
        ..null(
            "TM2-late-share",
            "1.5 times as often late as others",
            late_here,
        )
    },
    null("XS2", "95% of the hospital's births known", known),
    null("XS3", "1.02 times the births on later lists", listed),
    Null {
        land: [50, 1, 2],
        ..null("XS4", "as many stillbirths as neonatal deaths", stillbirths)
    },
    null("CT1", "Poisson counts", |chance, land| {
        vec![series(
            chance,
            land,
            &[12, 24, 36, 60],
            (-0.5, 1.5),
            &["births"],
            0,
        )]
    }),
    null("CT1", "scattering counts", |chance, land| {
        let lengths = [12, 24, 36, 60];
        vec![series(chance, land, &lengths, (0.5, 1.5), &["births"], 12)]
    }),
    null("CT2", "Poisson counts", steady),
    null("CT3", "Poisson counts", steady),
    null("CT4", "Poisson counts", steady),
    Null {
        land: [20, 1, 3],
        ..null(
            "CT5",
            "three fifths at or below the target",
            |chance, land| near_target(chance, land, true),
        )
    },
    Null {
        land: [20, 1, 3],
        ..null("CT5", "Poisson births around the target", |chance, land| {
            near_target(chance, land, false)
        })
    },
    Null {
        land: [1, 3, 10],
        ..null("FN1", "one rate", |chance, land| alike(chance, land, 0))
    },
    Null {
        land: [1, 3, 10],
        room: 1.5,
        ..null("FN1", "rates that differ by a quarter", |chance, land| {
            alike(chance, land, 16)
        })
    },
    null("SQ1", "Poisson counts", |chance, land| {
        vec![series(
            chance,
            land,
            &[24, 36, 60],
            (-0.5, 1.4),
            &["births"],
            0,
        )]
    }),
    null("SQ1", "large Poisson counts", |chance, land| {
        vec![series(chance, land, &[36, 60], (1.5, 2.0), &["births"], 0)]
    }),
];

const INDICATORS: [&str; 6] = [
    "births",
    "marriages",
    "divorces",
    "deaths",
    "arrivals",
    "departures",
];

/// 10 to a power drawn from the range: sizes of offices are of all orders.
fn size(chance: &mut Chance, (low, high): (f64, f64)) -> f64 {
    10_f64.powf((high - low).mul_add(chance.uniform(), low))
}

/// A whole number of that size.
fn count(chance: &mut Chance, powers: (f64, f64)) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "below 10^5"
    )]
    let whole = size(chance, powers) as u32;
    whole
}

/// For each village so many numbers of offices.
fn members(chance: &mut Chance, land: &Land, powers: (f64, f64)) -> Vec<i64> {
    let mut offices = Vec::new();
    for village in &land.villages {
        let members = count(chance, powers) as usize;
        offices.extend(std::iter::repeat_n(*village, members));
    }
    offices
}

fn some_day(chance: &mut Chance) -> i64 {
    FIRST_DAY + i64::from(chance.below(DAYS))
}

fn births(chance: &mut Chance, offices: Vec<i64>) -> Table {
    let days = offices.iter().map(|_| some_day(chance)).collect();
    Table::events(RecordKind::Birth, offices, days)
}

fn sexes(chance: &mut Chance, land: &Land, ratio: f64) -> Vec<Table> {
    sexes_of(chance, land, (1.0, 2.7), ratio)
}

fn sexes_of(chance: &mut Chance, land: &Land, powers: (f64, f64), ratio: f64) -> Vec<Table> {
    let offices = members(chance, land, powers);
    let p = share_of_ratio(ratio);
    let sexes = offices
        .iter()
        .map(|_| if chance.happens(p) { "M" } else { "F" });
    let sexes = sexes.collect();
    vec![births(chance, offices).text("sex", sexes)]
}

/// The day number of a day of a month, counted from the month's end if it is below 1.
fn day_of(month: i64, day: i64) -> i64 {
    let (year, month0) = (month.div_euclid(12), month.rem_euclid(12));
    let year = i32::try_from(year).unwrap_or(0);
    let month = u32::try_from(month0 + 1).unwrap_or(1);
    let first = chrono::NaiveDate::from_ymd_opt(year, month, 1).unwrap_or_default();
    i64::from(vitaledger::model::time::day_number(first)) + day - 1
}

fn some_month(chance: &mut Chance) -> i64 {
    FIRST_MONTH + i64::from(chance.below(120))
}

fn reports(chance: &mut Chance, land: &Land) -> Vec<Table> {
    let offices = members(chance, land, (1.0, 2.7));
    let report = |chance: &mut Chance| {
        let month = some_month(chance);
        if chance.happens(1.25 * TWO_DAYS) {
            day_of(month + 1, -i64::from(chance.below(2)))
        } else {
            day_of(month, 1 + i64::from(chance.below(26)))
        }
    };
    let reported = offices.iter().map(|_| report(chance)).collect();
    vec![births(chance, offices).reported(reported)]
}

fn edges(chance: &mut Chance, land: &Land, before: f64) -> Vec<Table> {
    let mut offices = members(chance, land, (0.5, 2.5));
    let mut day = |_: &i64| {
        let year = FIRST_MONTH + 12 * i64::from(1 + chance.below(8));
        // 1 October or 1 January.
        let edge = if chance.happens(0.5) { year + 9 } else { year };
        let after = i64::from(chance.below(5)) + 1;
        let day = if chance.happens(before) {
            1 - after
        } else {
            after
        };
        day_of(edge, day)
    };
    let mut days: Vec<i64> = offices.iter().map(&mut day).collect();
    // The data begin and end far from any edge.
    for day in [day_of(FIRST_MONTH, 200), day_of(FIRST_MONTH + 108, 200)] {
        offices.push(land.villages[0]);
        days.push(day);
    }
    vec![Table::events(RecordKind::Birth, offices, days)]
}

fn days(chance: &mut Chance, land: &Land) -> Vec<Table> {
    let mut heaped = |kind, offices: Vec<i64>| {
        let mut day = |_: &i64| {
            let month = some_month(chance);
            let favoured = chance.happens(1.25 * TWO_DAYS);
            let other = 2 + i64::from(chance.below(26));
            day_of(
                month,
                match (favoured, other) {
                    (true, other) if other % 2 == 0 => 1,
                    (true, _) => 15,
                    (false, 15) => 28,
                    (false, other) => other,
                },
            )
        };
        let days = offices.iter().map(&mut day).collect();
        Table::events(kind, offices, days)
    };
    let (born, dead) = {
        let mut other = Chance::new(land.villages.len() as u64);
        (
            members(&mut other, land, (1.0, 2.9)),
            members(&mut other, land, (1.0, 2.5)),
        )
    };
    let rows = dead.len();
    vec![
        heaped(RecordKind::Birth, born),
        heaped(RecordKind::Registration, dead).text("kind", vec!["death"; rows]),
    ]
}

fn weights(chance: &mut Chance, land: &Land) -> Vec<Table> {
    let offices = members(chance, land, (1.0, 2.6));
    let weight = |chance: &mut Chance| {
        let round = 500 * i64::from(4 + chance.below(5));
        round
            + if chance.happens(0.25) {
                0
            } else {
                10 + i64::from(chance.below(480))
            }
    };
    let weights = offices.iter().map(|_| weight(chance)).collect();
    vec![births(chance, offices).whole("weight_g", weights)]
}

fn gestations(chance: &mut Chance, land: &Land) -> Vec<Table> {
    let offices = members(chance, land, (0.3, 2.3));
    let gestation = |chance: &mut Chance| {
        let low = chance.happens(0.6);
        let weeks = if low {
            26 + chance.below(3)
        } else {
            29 + chance.below(2)
        };
        i64::from(7 * weeks + chance.below(7))
    };
    let gestations = offices.iter().map(|_| gestation(chance)).collect();
    let days = offices.iter().map(|_| some_day(chance)).collect();
    vec![
        Table::events(RecordKind::PregnancyLoss, offices, days).whole("gestation_days", gestations),
    ]
}

/// Residents of whom the age in years is known.
pub fn residents(offices: Vec<i64>, ages: &[f64]) -> Table {
    #[expect(clippy::cast_possible_truncation, reason = "days")]
    let born = |age: &f64| YEAR.mul_add(-age, LIST_DAY).floor() as i64;
    let rows = offices.len();
    Table::events(RecordKind::Registration, offices, vec![FIRST_DAY; rows])
        .text("kind", vec!["resident"; rows])
        .whole("born_day", ages.iter().map(born).collect())
}

fn ages(chance: &mut Chance, land: &Land) -> Vec<Table> {
    let offices = members(chance, land, (2.0, 3.2));
    let age = |chance: &mut Chance| {
        let five = 25 + 5 * chance.below(8);
        let off = [0, 1, 2, 3, 4][chance.below(4) as usize + 1];
        let age = if chance.happens(0.2 * 1.1) {
            five
        } else {
            five - 2 + (off + 2) % 5
        };
        f64::from(age) + 0.5
    };
    let ages: Vec<f64> = offices.iter().map(|_| age(chance)).collect();
    vec![residents(offices, &ages)]
}

fn signs(chance: &mut Chance, land: &Land) -> Vec<Table> {
    let offices = members(chance, land, (1.5, 3.0));
    let age = |chance: &mut Chance| {
        // 1916 to 1988: years of the dragon leave 8.
        let dragon = 1_916 + 12 * chance.below(7);
        let side = if chance.happens(0.5) { 1.0 } else { -1.0 };
        let off = if chance.happens(1.15 / 3.0) {
            0.0
        } else {
            side
        };
        2_010.0 - (f64::from(dragon) + off) - 0.5
    };
    let mut ages: Vec<f64> = offices.iter().map(|_| age(chance)).collect();
    let mut offices = offices;
    for year in [1_910.5, 1_995.5] {
        offices.push(land.villages[0]);
        ages.push(2_010.0 - year);
    }
    vec![residents(offices, &ages)]
}

/// Returns of every village: Poisson counts, or negative binomial of that size, of a mean that is
/// 10 to a power within `powers`, as many months as one of `lengths` says.
fn series(
    chance: &mut Chance,
    land: &Land,
    lengths: &[usize],
    powers: (f64, f64),
    indicators: &[&'static str],
    scatter: u32,
) -> Table {
    let length = lengths[chance.below(u32::try_from(lengths.len()).unwrap_or(1)) as usize];
    let mut all = Vec::new();
    for office in &land.villages {
        for indicator in indicators {
            let mean = size(chance, powers);
            let draw = |_| match scatter {
                0 => chance.poisson(mean),
                size => chance.negative_binomial(mean, size),
            };
            all.push(Series {
                office: *office,
                indicator,
                counts: (0..length).map(draw).collect(),
            });
        }
    }
    Table::returns(&all)
}

fn steady(chance: &mut Chance, land: &Land) -> Vec<Table> {
    vec![series(
        chance,
        land,
        &[12, 24, 36, 60],
        (-0.5, 1.3),
        &["births"],
        0,
    )]
}

fn late(chance: &mut Chance, land: &Land) -> Vec<Table> {
    let offices = members(chance, land, (1.0, 3.0));
    let p = share_of_ratio(105.0);
    let sexes = offices
        .iter()
        .map(|_| if chance.happens(p) { "M" } else { "F" });
    let sexes = sexes.collect();
    vec![delayed(chance, offices, |_| 0.1).text("sex", sexes)]
}

fn late_here(chance: &mut Chance, land: &Land) -> Vec<Table> {
    let offices = members(chance, land, (1.7, 2.7));
    let here = land.villages[0];
    vec![delayed(chance, offices, |office| {
        if office == here { 0.06 } else { 0.04 }
    })]
}

/// Births, each late with the probability that its office has.
fn delayed(chance: &mut Chance, offices: Vec<i64>, late: impl Fn(i64) -> f64) -> Table {
    let days: Vec<i64> = offices.iter().map(|_| some_day(chance)).collect();
    let mut report = |(office, day): (&i64, &i64)| {
        let delay = i64::from(chance.below(30));
        day + delay + if chance.happens(late(*office)) { 40 } else { 0 }
    };
    let reported = offices.iter().zip(&days).map(&mut report).collect();
    Table::events(RecordKind::Birth, offices, days).reported(reported)
}

fn known(chance: &mut Chance, land: &Land) -> Vec<Table> {
    let homes = members(chance, land, (0.7, 2.3));
    let (mut offices, mut residence, mut certificates, mut sources, mut days) =
        (vec![], vec![], vec![], vec![], vec![]);
    for (certificate, home) in (0..).zip(homes) {
        let day = some_day(chance);
        let mut add = |source| {
            offices.push(home);
            residence.push(home);
            certificates.push(certificate);
            sources.push(source);
            days.push(day);
        };
        add("hospital");
        if chance.happens(0.95) {
            add("village");
        }
    }
    let table = Table::events(RecordKind::Birth, offices, days)
        .whole("residence_office", residence)
        .whole("certificate", certificates)
        .text("source", sources);
    vec![table]
}

fn listed(chance: &mut Chance, land: &Land) -> Vec<Table> {
    let (mut born, mut days) = (Vec::new(), Vec::new());
    let (mut living, mut birth_days) = (Vec::new(), Vec::new());
    for village in &land.villages {
        for year in 0..4 {
            let in_year = FIRST_DAY + 366 * year + 30;
            let births = count(chance, (0.3, 1.7));
            born.extend(std::iter::repeat_n(*village, births as usize));
            days.extend(std::iter::repeat_n(in_year, births as usize));
            for _ in 0..chance.poisson(1.02 * f64::from(births)) {
                living.push(*village);
                birth_days.push(in_year);
            }
        }
    }
    // The ledger reaches to the end of the last year.
    born.push(land.villages[0]);
    days.push(FIRST_DAY + 366 * 6);
    let rows = living.len();
    let list = Table::events(
        RecordKind::Registration,
        living,
        vec![FIRST_DAY + 366 * 8; rows],
    )
    .text("kind", vec!["resident"; rows])
    .whole("born_day", birth_days);
    vec![Table::events(RecordKind::Birth, born, days), list]
}

fn stillbirths(chance: &mut Chance, land: &Land) -> Vec<Table> {
    let (mut still, mut dead) = (Vec::new(), Vec::new());
    for office in members(chance, land, (1.0, 2.0)) {
        if chance.happens(0.5) {
            still.push(office);
        } else {
            dead.push(office);
        }
    }
    let mut days = |rows: usize| (0..rows).map(|_| some_day(chance)).collect::<Vec<_>>();
    let (still_days, dead_days) = (days(still.len()), days(dead.len()));
    let (stillbirths, deaths) = (still.len(), dead.len());
    let born = dead_days.iter().map(|day| day - 3).collect();
    vec![
        Table::events(RecordKind::PregnancyLoss, still, still_days)
            .whole("gestation_days", vec![200; stillbirths]),
        Table::events(RecordKind::Registration, dead, dead_days)
            .text("kind", vec!["death"; deaths])
            .whole("born_day", born),
    ]
}

fn near_target(chance: &mut Chance, land: &Land, fixed: bool) -> Vec<Table> {
    let (mut homes, mut all) = (Vec::new(), Vec::new());
    for village in &land.villages {
        let people = 1_400 + 200 * chance.below(9);
        homes.extend(std::iter::repeat_n(*village, people as usize));
        let (target, steps) = (u64::from(people * 15 / 1_000), people * 3 / 4_000);
        let mut counts = Vec::new();
        for _ in 0..20 {
            let year = if fixed {
                let off = u64::from(chance.below(steps));
                if chance.happens(0.6) {
                    target - off
                } else {
                    target + 1 + off
                }
            } else {
                chance.poisson(0.015 * f64::from(people))
            };
            counts.extend((0..12).map(|month| if month == 0 { year } else { 0 }));
        }
        all.push(Series {
            office: *village,
            indicator: "births",
            counts,
        });
    }
    let ages = vec![30.0; homes.len()];
    vec![residents(homes, &ages), Table::returns(&all)]
}

fn alike(chance: &mut Chance, land: &Land, scatter: u32) -> Vec<Table> {
    let homes = members(chance, land, (1.8, 2.7));
    let mut offices = Vec::new();
    for village in &land.villages {
        let people = homes.iter().filter(|home| *home == village).count();
        let mean = 0.12 * f64::from(u32::try_from(people).unwrap_or(0));
        let events = match scatter {
            0 => chance.poisson(mean),
            size => chance.negative_binomial(mean, size),
        };
        offices.extend((0..events).map(|_| *village));
    }
    let ages = vec![30.0; homes.len()];
    vec![residents(homes, &ages), births(chance, offices)]
}
