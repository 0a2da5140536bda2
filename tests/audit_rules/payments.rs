//! Rules about rewards and their payment.

use vitaledger::model::schema::RecordKind;

use crate::{DAY, Rule, Table, events, registrations};

const SCHEME: &str = "family_support";
/// What the scheme pays in a year.
const RATE: i64 = 96_000;

/// Disbursements to person 5 in one period that begins on [`DAY`].
fn flows(flows: &[&'static str], amounts: Vec<i64>) -> Table {
    let rows = flows.len();
    events(RecordKind::Disbursement, &vec![DAY + 100; rows])
        .text("flow", flows.to_vec())
        .text("scheme", vec![SCHEME; rows])
        .text("period", vec!["2011"; rows])
        .whole("period_first_day", vec![DAY; rows])
        .whole("period_last_day", vec![DAY + 364; rows])
        .whole("amount_fen", amounts)
        .whole("person", vec![5; rows])
}

#[tokio::test]
async fn py1_one_period_is_paid_once() {
    let rule = Rule("PY1");
    let with = |names: &[&'static str], amounts: &[i64]| vec![flows(names, amounts.to_vec())];
    let entitled = |names: [&'static str; 3], amounts| with(&names, amounts);
    rule.fires(
        entitled(["entitlement", "payment", "payment"], &[RATE, RATE, RATE]),
        &[1, 2],
    )
    .await;
    // Instalments.
    rule.silent(entitled(
        ["entitlement", "payment", "payment"],
        &[RATE, RATE / 2, RATE / 2],
    ))
    .await;
    // Paid, taken back, paid again.
    rule.silent(with(
        &["entitlement", "payment", "reversal", "payment"],
        &[RATE; 4],
    ))
    .await;
    rule.silent(entitled(["entitlement", "payment", "reversal"], &[RATE; 3]))
        .await;
}

#[tokio::test]
async fn py2_the_dead_are_not_paid() {
    let rule = Rule("PY2");
    let died = |on: i64| registrations(&["death"], &[on]).whole("person", vec![5]);
    rule.fires(vec![flows(&["payment"], vec![RATE]), died(DAY - 1)], &[0])
        .await;
    rule.silent(vec![flows(&["payment"], vec![RATE]), died(DAY + 200)])
        .await;
    rule.review(vec![flows(&["entitlement"], vec![RATE]), died(DAY + 50)])
        .await;
    rule.silent(vec![flows(&["payment"], vec![RATE])]).await;
}

#[tokio::test]
async fn py3_beneficiaries_are_known() {
    let rule = Rule("PY3");
    let paid = || flows(&["payment"], vec![RATE]);
    let known = |kinds: &[&str], days: &[i64]| {
        registrations(kinds, days).whole("person", vec![5; kinds.len()])
    };
    rule.fires(vec![paid()], &[0]).await;
    rule.fires(
        vec![
            paid(),
            known(&["resident", "departure"], &[DAY - 900, DAY - 50]),
        ],
        &[0],
    )
    .await;
    rule.silent(vec![paid(), known(&["resident"], &[DAY - 900])])
        .await;
    // Away, and back again.
    rule.silent(vec![
        paid(),
        known(&["departure", "arrival"], &[DAY - 500, DAY - 50]),
    ])
    .await;
    // Known by name and birth date where the number differs.
    let alike = registrations(&["resident"], &[DAY])
        .whole("person", vec![6])
        .whole("alike", vec![3]);
    rule.silent(vec![paid().whole("alike", vec![3]), alike])
        .await;
}

#[tokio::test]
async fn py4_not_before_the_age() {
    let rule = Rule("PY4");
    let aged = |age| vec![flows(&["payment"], vec![RATE]).whole("age_at_period_end", vec![age])];
    rule.fires(aged(59), &[0]).await;
    rule.silent(aged(60)).await;
    rule.silent(vec![flows(&["payment"], vec![RATE])]).await;
}

#[tokio::test]
async fn py5_the_amount_is_the_rate() {
    let rule = Rule("PY5");
    rule.fires(vec![flows(&["payment"], vec![RATE - 1_000])], &[0])
        .await;
    rule.silent(vec![flows(&["payment"], vec![RATE])]).await;
    rule.silent(vec![flows(
        &["payment", "payment"],
        vec![RATE / 4, RATE / 4 * 3],
    )])
    .await;
    rule.silent(vec![flows(&["payment", "reversal"], vec![RATE, RATE])])
        .await;
}

#[tokio::test]
async fn py6_an_account_is_of_one_home() {
    let rule = Rule("PY6");
    let paid = |persons: Vec<i64>| {
        let rows = persons.len();
        flows(&vec!["payment"; rows], vec![RATE; rows])
            .whole("account", vec![4; rows])
            .whole("person", persons)
    };
    let homes = |households: Vec<i64>| {
        registrations(&["resident"; 3], &[DAY; 3])
            .whole("person", vec![1, 2, 3])
            .whole("household", households)
    };
    rule.fires(vec![paid(vec![1, 2, 3]), homes(vec![7, 7, 8])], &[0, 1, 2])
        .await;
    rule.silent(vec![paid(vec![1, 2, 3]), homes(vec![7, 7, 7])])
        .await;
    rule.silent(vec![paid(vec![1, 2]), homes(vec![7, 8, 9])])
        .await;
    rule.silent(vec![flows(&["payment"; 3], vec![RATE; 3])])
        .await;
}

#[tokio::test]
async fn py7_what_is_due_is_paid() {
    let rule = Rule("PY7");
    let died = |on: i64| registrations(&["death"], &[on]).whole("person", vec![5]);
    rule.fires(vec![flows(&["entitlement"], vec![RATE])], &[0])
        .await;
    rule.silent(vec![flows(&["entitlement", "payment"], vec![RATE; 2])])
        .await;
    rule.fires(
        vec![flows(
            &["entitlement", "payment", "reversal"],
            vec![RATE; 3],
        )],
        &[0],
    )
    .await;
    rule.silent(vec![flows(&["entitlement"], vec![RATE]), died(DAY + 50)])
        .await;
    // The day has not come yet.
    rule.silent(vec![
        flows(&["entitlement"], vec![RATE]).whole("period_first_day", vec![21_900]),
    ])
    .await;
}

#[tokio::test]
async fn py8_funding_reaches_every_head() {
    let rule = Rule("PY8");
    let funded = |fen| {
        let money = flows(&["appropriation"], vec![fen]).text("source", vec!["finance"]);
        money.text("scheme", vec!["programme_funding"])
    };
    let people = || registrations(&["resident"; 100], &[DAY - 900; 100]);
    rule.fires(vec![funded(84_000), people()], &[0]).await;
    rule.silent(vec![funded(85_000), people()]).await;
    rule.insufficient(vec![funded(84_000)]).await;
}

#[tokio::test]
async fn py9_only_who_is_on_the_list() {
    let rule = Rule("PY9");
    rule.fires(vec![flows(&["payment"], vec![RATE])], &[0])
        .await;
    rule.silent(vec![flows(&["entitlement", "payment"], vec![RATE; 2])])
        .await;
    // Of another year is of another list.
    let other =
        flows(&["entitlement", "payment"], vec![RATE; 2]).text("period", vec!["2010", "2011"]);
    rule.fires(vec![other], &[1]).await;
}
