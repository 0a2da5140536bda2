//! Whether the statistical rules keep their level where nothing is wrong.
//!
//! `cargo bench --bench calibration -- [--offices N] [--seed S] [--rule RULE] [--svg FILE]`. For
//! every rule so many offices without fault are simulated, at the edge of its null hypothesis, and
//! the rule's own SQL is run over their records. Printed is how many tests have p at or below 0.05,
//! 0.01 and 0.001, with exact 95% intervals; drawn are the quantiles of the randomised p, which is
//! uniform at the edge. It ends with an error when a share is significantly above its level.

#![expect(clippy::print_stdout, reason = "a bench talks to its user")]

#[path = "support/chance.rs"]
mod chance;
#[path = "support/nulls.rs"]
mod nulls;
#[path = "support/offices.rs"]
#[allow(dead_code, reason = "other benches use the rest")]
mod offices;
#[path = "support/quantiles.rs"]
mod quantiles;

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use chance::Chance;
use clap::Parser;
use nulls::Null;
use offices::Land;
use quantiles::Field;
use vitaledger::statistics::binomial_at_least;
use vitaledger::statistics::clopper_pearson;

/// Levels that must hold.
const LEVELS: [f64; 3] = [0.05, 0.01, 0.001];
/// An excess this improbable is one: a hundred shares are looked at.
const SIGNIFICANT: f64 = 1e-4;

#[derive(Parser)]
struct Arguments {
    /// Offices to simulate for each rule.
    #[arg(long, default_value_t = 20_000)]
    offices: u64,
    /// What chance begins with.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One rule alone.
    #[arg(long)]
    rule: Option<String>,
    /// Where the drawing goes.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    println!(
        "{:<15} {:<42} {:>7}  share of p at or below 0.05, 0.01, 0.001 (95% interval)",
        "rule", "what is true", "tests"
    );
    let (mut fields, mut exceeding) = (Vec::new(), 0);
    for (place, null) in (0..).zip(nulls::ALL) {
        if arguments
            .rule
            .as_deref()
            .is_some_and(|rule| rule != null.rule)
        {
            continue;
        }
        let mut chance = Chance::new(arguments.seed * 1_000 + place);
        let drawn = simulate(null, arguments.offices, &mut chance).await?;
        exceeding += usize::from(!line(null, &drawn.exact));
        fields.push(Field {
            title: format!("{}, {}", null.rule, null.what),
            p: drawn.randomised,
        });
    }
    if let Some(path) = &arguments.svg {
        std::fs::write(path, quantiles::draw(&fields))?;
        println!("drawn in {}", path.display());
    }
    ensure!(
        exceeding == 0,
        "{exceeding} of {} exceed their level",
        fields.len()
    );
    Ok(())
}

/// The p-values of a rule.
#[derive(Default)]
struct Drawn {
    /// As the rule gives them.
    exact: Vec<f64>,
    /// With a random part of the observed outcome's probability.
    randomised: Vec<f64>,
}

async fn simulate(null: &Null, offices: u64, chance: &mut Chance) -> Result<Drawn> {
    let [counties, townships, villages] = null.land;
    let land = Land::of(counties, townships, villages);
    let rounds = offices.div_ceil(land.villages.len() as u64);
    let mut drawn = Drawn::default();
    for _ in 0..rounds {
        let rows = land.ask((null.make)(chance, &land), null.rule).await?;
        let at_edge = rows.iter().filter(|row| (null.at_edge)(row));
        for p in at_edge.filter_map(|row| row.test).map(|test| test.p) {
            drawn.exact.push(p.exact);
            // Half of the outcome's probability lies between the two.
            let outcome = 2.0 * (p.exact - p.mid);
            drawn
                .randomised
                .push(outcome.mul_add(-chance.uniform(), p.exact));
        }
    }
    Ok(drawn)
}

/// Prints a rule; says whether it holds its level.
fn line(null: &Null, p: &[f64]) -> bool {
    let tests = p.len() as u64;
    let mut holds = true;
    let mut shares = String::new();
    for level in LEVELS {
        let below = p.iter().filter(|p| **p <= level).count() as u64;
        let interval = clopper_pearson(below, tests);
        #[expect(clippy::cast_precision_loss, reason = "counts of tests")]
        let share = below as f64 / (tests as f64).max(1.0);
        holds &= binomial_at_least(below, tests, level * null.room) > SIGNIFICANT;
        let _ = write!(
            shares,
            "  {share:.5} ({:.5}-{:.5})",
            interval.low, interval.high
        );
    }
    let verdict = match (tests, holds) {
        (0, _) => "NOT TESTED",
        (_, true) => "holds",
        (_, false) => "EXCEEDS",
    };
    println!(
        "{:<15} {:<42} {tests:>7}{shares}  {verdict}",
        null.rule, null.what
    );
    holds && tests > 0
}
