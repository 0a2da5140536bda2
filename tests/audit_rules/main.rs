//! Every rule of the audit: on a fault that was made for it, beside what only looks like one, and
//! where there is too little to say.
//!
//! What comes in: small tables as rules see them. What goes out: which records or offices a rule
//! speaks of. What must stay true: no rule is without its cases.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

mod counts;
#[path = "../../benches/support/offices.rs"]
#[allow(dead_code, reason = "benches use the rest")]
mod offices;
mod payments;
mod records;
mod shares;
mod sources;

use offices::{Land, Table};
use vitaledger::audit::catalogue::Catalogue;
use vitaledger::audit::finding::{Finding, Judged};
use vitaledger::audit::run::Run;
use vitaledger::model::schema::RecordKind;

/// A day in the middle of all.
const DAY: i64 = 15_000;

/// A rule by its name.
struct Rule(&'static str);

/// One county with two townships of three villages.
fn land() -> Land {
    Land::of(1, 2, 3)
}

/// The first village.
fn village() -> i64 {
    land().villages[0]
}

/// Records of the first village on these days.
fn events(kind: RecordKind, days: &[i64]) -> Table {
    let offices = vec![village(); days.len()];
    Table::events(kind, offices, days.to_vec()).reported(days.to_vec())
}

fn births(days: &[i64]) -> Table {
    events(RecordKind::Birth, days)
}

fn registrations(kinds: &[&str], days: &[i64]) -> Table {
    events(RecordKind::Registration, days).text("kind", kinds.to_vec())
}

impl Rule {
    async fn run_in(&self, land: &Land, tables: Vec<Table>) -> Run {
        let mut catalogue = Catalogue::built_in();
        catalogue.rules.retain(|name, _| name == self.0);
        assert_eq!(catalogue.rules.len(), 1, "there is no rule {}", self.0);
        let examination = land.examine(tables, &catalogue).await.unwrap();
        let run = examination.run(&catalogue).await;
        assert!(run.faults.is_empty(), "{:?}", run.faults);
        run
    }

    async fn run(&self, tables: Vec<Table>) -> Run {
        self.run_in(&land(), tables).await
    }

    /// It speaks of one set of records, and of these.
    async fn fires(&self, tables: Vec<Table>, records: &[u64]) {
        let run = self.run(tables).await;
        let found: Vec<&[u64]> = run.findings.iter().map(|one| &one.records[..]).collect();
        assert_eq!(found, [records], "{}", self.0);
        assert_eq!(office(&run.findings[0]), village(), "{}", self.0);
    }

    /// It signals, of an office alone.
    async fn signals(&self, tables: Vec<Table>) {
        let run = self.run(tables).await;
        assert_eq!(
            run.findings.len(),
            1,
            "{}: {:?} {:?}",
            self.0,
            run.rules,
            run.others
        );
        let one = &run.findings[0];
        assert!(
            one.p.unwrap().exact < 0.001 && one.records.is_empty(),
            "{one:?}"
        );
    }

    /// It finds nothing.
    async fn silent(&self, tables: Vec<Table>) {
        let run = self.run(tables).await;
        assert!(run.findings.is_empty(), "{}: {:?}", self.0, run.findings);
    }

    /// It finds nothing, and has rows of this sort.
    async fn only(&self, judged: Judged, tables: Vec<Table>) {
        let run = self.run(tables).await;
        assert!(run.findings.is_empty(), "{}: {:?}", self.0, run.findings);
        let of_sort = run.others.iter().filter(|(other, _)| *other == judged);
        assert!(of_sort.count() > 0, "{}: {:?}", self.0, run.others);
    }

    async fn insufficient(&self, tables: Vec<Table>) {
        self.only(Judged::Insufficient, tables).await;
    }

    async fn review(&self, tables: Vec<Table>) {
        self.only(Judged::Review, tables).await;
    }
}

fn office(finding: &Finding) -> i64 {
    finding.office.as_str().parse().unwrap()
}

#[test]
fn every_rule_has_its_cases() {
    let texts = [
        include_str!("counts.rs"),
        include_str!("payments.rs"),
        include_str!("records.rs"),
        include_str!("shares.rs"),
        include_str!("sources.rs"),
    ]
    .concat();
    for name in Catalogue::built_in().rules.keys() {
        // What moved in closed periods needs a ledger, and is tested with one.
        let with_a_ledger = matches!(name.as_str(), "RS1" | "RS2");
        let named = texts.contains(&format!("Rule(\"{name}\")"));
        assert!(with_a_ledger || named, "no cases for {name}");
    }
}
