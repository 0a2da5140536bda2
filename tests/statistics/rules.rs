//! The rules of the audit over offices without fault: a short form of `benches/calibration.rs`.

use vitaledger::statistics::binomial_at_least;

use crate::chance::Chance;
use crate::nulls;
use crate::offices::Land;

/// Some rules of each way to make units: pools, pairs of counts, series.
const LOOKED_AT: [&str; 6] = ["SR1", "HP1", "BN2", "SR2", "CT2", "CT3"];

/// No share of p-values is significantly above its level, and each rule tests something.
#[tokio::test]
async fn rules_keep_their_level_at_the_edge() {
    let looked_at = nulls::ALL
        .iter()
        .filter(|null| LOOKED_AT.contains(&null.rule));
    for (seed, null) in (1..).zip(looked_at) {
        let [counties, townships, villages] = null.land;
        let land = Land::of(counties, townships, villages);
        let mut chance = Chance::new(seed);
        let tables = (null.make)(&mut chance, &land);
        let rows = land.ask(tables, null.rule).await.unwrap();
        let at_edge = rows.iter().filter(|row| (null.at_edge)(row));
        let tests: Vec<_> = at_edge.filter_map(|row| row.test).collect();
        assert!(tests.len() >= 50, "{}: {}", null.rule, tests.len());
        for level in [0.05, 0.01, 0.001] {
            let below = tests.iter().filter(|test| test.p.exact <= level).count();
            let chance = binomial_at_least(below as u64, tests.len() as u64, level * null.room);
            assert!(
                chance > 1e-4,
                "{}, {}: {below} at {level}",
                null.rule,
                null.what
            );
        }
        // Not so careful that nothing could ever be seen.
        assert!(tests.iter().any(|test| test.p.exact < 0.3), "{}", null.rule);
    }
}
