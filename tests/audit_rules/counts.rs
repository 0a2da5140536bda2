//! Rules about series of monthly counts.

use crate::offices::{Series, Table};
use crate::{Rule, village};

/// Counts that scatter as chance has them, around 5.
const PLAIN: [u64; 12] = [4, 6, 5, 3, 8, 5, 9, 2, 5, 7, 3, 4];

/// So many months of these counts, with some put in the place of others from a month on.
fn months(n: usize, from: usize, instead: &[u64]) -> Vec<u64> {
    let mut counts: Vec<u64> = PLAIN.iter().copied().cycle().take(n).collect();
    // Not the same year twice.
    counts
        .iter_mut()
        .enumerate()
        .for_each(|(at, count)| *count += u64::from(at % 7 == 3));
    counts[from..from + instead.len()].copy_from_slice(instead);
    counts
}

fn returned(indicator: &'static str, counts: Vec<u64>) -> Vec<Table> {
    vec![Table::returns(&[Series {
        office: village(),
        indicator,
        counts,
    }])]
}

fn births(counts: Vec<u64>) -> Vec<Table> {
    returned("births", counts)
}

#[tokio::test]
async fn ct1_a_month_is_like_the_others() {
    let rule = Rule("CT1");
    rule.signals(births(months(36, 20, &[40]))).await;
    rule.silent(births(months(36, 0, &[]))).await;
    // A season is none.
    let season = |at: usize| if at % 12 == 4 { 30 } else { PLAIN[at % 12] };
    rule.silent(births((0..60).map(season).collect())).await;
    rule.insufficient(births(months(8, 3, &[40]))).await;
    // What is no event is no count.
    rule.silent(returned("population", months(36, 20, &[40])))
        .await;
}

#[tokio::test]
async fn ct2_figures_do_not_repeat() {
    let rule = Rule("CT2");
    rule.signals(births(months(36, 10, &[5; 12]))).await;
    rule.silent(births(months(36, 0, &[]))).await;
    rule.insufficient(births(vec![5; 8])).await;
}

#[tokio::test]
async fn ct3_a_village_does_not_fall_silent() {
    let rule = Rule("CT3");
    rule.signals(births(months(36, 10, &[0; 5]))).await;
    rule.silent(births(months(36, 10, &[0]))).await;
    rule.insufficient(births(months(8, 3, &[0; 4]))).await;
    // Where little happens, months pass without.
    rule.insufficient(births((0..36).map(|at| u64::from(at % 3 == 0)).collect()))
        .await;
}

#[tokio::test]
async fn ct4_chance_scatters() {
    let rule = Rule("CT4");
    rule.signals(births(
        (0..36).map(|at| 20 + u64::from(at % 3 == 0)).collect(),
    ))
    .await;
    rule.silent(births(months(36, 0, &[]))).await;
    rule.insufficient(births(vec![20; 8])).await;
}

#[tokio::test]
async fn sq1_a_series_keeps_its_mean() {
    let rule = Rule("SQ1");
    let slide = |at: usize| PLAIN[at % 12] + if at < 24 { 6 } else { 0 };
    rule.signals(births((0..48).map(slide).collect())).await;
    rule.silent(births(months(48, 0, &[]))).await;
    rule.insufficient(births(months(12, 0, &[]))).await;
}

#[tokio::test]
async fn hp4_last_digits_are_all_alike() {
    let rule = Rule("HP4");
    let round = |at: usize| 200 + 10 * u64::try_from(at % 9).unwrap();
    let plain = |at: usize| 200 + u64::try_from(at * 37 % 101).unwrap();
    let of = |digits: &dyn Fn(usize) -> u64, n: usize| births((0..n).map(digits).collect());
    rule.signals(of(&round, 120)).await;
    rule.silent(of(&plain, 120)).await;
    rule.insufficient(of(&round, 40)).await;
}
