//! Rules that look at one record, or at records of one person.

use vitaledger::model::schema::RecordKind;

use crate::{DAY, Rule, births, events, registrations};

#[tokio::test]
async fn id1_numbers_hold_in_themselves() {
    let rule = Rule("ID1");
    let mothers = |says: &[&'static str]| {
        vec![births(&vec![DAY; says.len()]).text("mother_number", says.to_vec())]
    };
    rule.fires(mothers(&["ok", "check"]), &[1]).await;
    rule.fires(mothers(&["ok", "birth_differs"]), &[1]).await;
    rule.silent(mothers(&["ok", "ok"])).await;
    rule.review(mothers(&["first_generation"])).await;
    rule.silent(vec![births(&[DAY])]).await;
}

#[tokio::test]
async fn id2_a_certificate_is_used_once() {
    let rule = Rule("ID2");
    let pair = |sources: [&'static str; 2], holds| {
        let births = births(&[DAY, DAY]).text("source", sources.to_vec());
        vec![
            births
                .whole("certificate", vec![7, 7])
                .truth("certificate_ok", vec![holds; 2]),
        ]
    };
    rule.fires(pair(["village", "village"], true), &[0, 1])
        .await;
    rule.silent(pair(["village", "hospital"], true)).await;
    rule.fires(pair(["village", "hospital"], false), &[0, 1])
        .await;
    rule.silent(vec![births(&[DAY, DAY])]).await;
}

#[tokio::test]
async fn id3_a_number_is_of_one_person() {
    let rule = Rule("ID3");
    let pair = |kinds: [&str; 2], names: Vec<i64>| {
        vec![
            registrations(&kinds, &[DAY, DAY])
                .whole("person", vec![5, 5])
                .whole("name", names),
        ]
    };
    rule.fires(pair(["resident", "arrival"], vec![1, 2]), &[0, 1])
        .await;
    rule.silent(pair(["resident", "resident"], vec![1, 1]))
        .await;
    rule.silent(pair(["resident", "marriage"], vec![1, 2]))
        .await;
    rule.silent(vec![
        registrations(&["resident"; 2], &[DAY, DAY]).whole("person", vec![5, 5]),
    ])
    .await;
}

#[tokio::test]
async fn tm1_time_runs_forward() {
    let rule = Rule("TM1");
    let reported = |days: i64| vec![births(&[DAY]).reported(vec![DAY + days])];
    rule.fires(reported(-1), &[0]).await;
    rule.silent(reported(0)).await;
    let after_death = |days: i64| {
        let death = registrations(&["death"], &[DAY]).whole("person", vec![5]);
        let birth = births(&[DAY + days])
            .whole("mother", vec![5])
            .whole("record", vec![9]);
        vec![death, birth]
    };
    rule.fires(after_death(32), &[9]).await;
    rule.silent(after_death(31)).await;
    let married = |age| vec![registrations(&["marriage"], &[DAY]).whole("age", vec![age])];
    rule.fires(married(14), &[0]).await;
    rule.silent(married(15)).await;
    rule.silent(vec![registrations(&["marriage"], &[DAY])])
        .await;
}

#[tokio::test]
async fn tm2_a_year_is_too_late() {
    let rule = Rule("TM2");
    let late = |days: i64| vec![births(&[DAY]).reported(vec![DAY + days])];
    rule.fires(late(366), &[0]).await;
    rule.silent(late(365)).await;
    // A resident was one long before the list.
    let listed = registrations(&["resident"], &[DAY]).reported(vec![DAY + 4_000]);
    rule.silent(vec![listed]).await;
}

#[tokio::test]
async fn pl1_mothers_have_an_age() {
    let rule = Rule("PL1");
    let aged = |age| vec![births(&[DAY]).whole("mother_age", vec![age])];
    for age in [11, 56, 70] {
        rule.fires(aged(age), &[0]).await;
    }
    for age in [15, 30, 49] {
        rule.silent(aged(age)).await;
    }
    for age in [12, 14, 50, 55] {
        rule.review(aged(age)).await;
    }
    rule.silent(vec![births(&[DAY])]).await;
}

#[tokio::test]
async fn pl2_between_births_lie_months() {
    let rule = Rule("PL2");
    let apart = |days: i64, sources: [&'static str; 2]| {
        let births = births(&[DAY, DAY + days]).whole("mother", vec![5, 5]);
        vec![births.text("source", sources.to_vec())]
    };
    let village = ["village"; 2];
    for days in [4, 100, 195] {
        rule.fires(apart(days, village), &[0, 1]).await;
    }
    for days in [0, 3, 270] {
        rule.silent(apart(days, village)).await;
    }
    rule.review(apart(230, village)).await;
    rule.silent(apart(100, ["village", "hospital"])).await;
}

#[tokio::test]
async fn pl3_weight_goes_with_weeks() {
    let rule = Rule("PL3");
    let born = |grams, days| {
        vec![
            births(&[DAY])
                .whole("weight_g", vec![grams])
                .whole("gestation_days", vec![days]),
        ]
    };
    rule.fires(born(300, 280), &[0]).await;
    rule.fires(born(31_000, 280), &[0]).await;
    rule.silent(born(3_200, 280)).await;
    // Small, and alive.
    rule.silent(born(900, 190)).await;
    // Below 20 weeks the medians say nothing.
    rule.silent(born(3_000, 139)).await;
}

#[tokio::test]
async fn du1_what_was_reported_twice() {
    let rule = Rule("DU1");
    let pair = |plurality, sources: [&'static str; 2]| {
        let births = births(&[DAY, DAY])
            .whole("mother", vec![5, 5])
            .whole("child_name", vec![3, 3]);
        let births = births
            .text("sex", vec!["F"; 2])
            .whole("plurality", vec![plurality; 2]);
        vec![births.text("source", sources.to_vec())]
    };
    rule.fires(pair(1, ["village"; 2]), &[0, 1]).await;
    rule.silent(pair(2, ["village"; 2])).await;
    rule.silent(pair(1, ["village", "hospital"])).await;
    let losses = |women: Vec<i64>| {
        vec![events(RecordKind::PregnancyLoss, &[DAY, DAY]).whole("woman", women)]
    };
    rule.fires(losses(vec![8, 8]), &[0, 1]).await;
    rule.silent(losses(vec![8, 9])).await;
    let deaths =
        |person: Vec<i64>| vec![registrations(&["death"; 2], &[DAY, DAY]).whole("person", person)];
    rule.fires(deaths(vec![5, 5]), &[0, 1]).await;
    rule.silent(deaths(vec![5, 6])).await;
    // Nothing is known of either: no duplicate.
    rule.silent(vec![registrations(&["death"; 2], &[DAY, DAY])])
        .await;
}
