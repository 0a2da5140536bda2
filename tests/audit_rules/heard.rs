//! What a rule said, read.
//!
//! What comes in: a run of one rule. What goes out: its findings, what is to be looked at, what it
//! could not say, and their numbers. What may fail: a number that there is not, which stops the test.

use vitaledger::audit::finding::{Finding, Judged};
use vitaledger::audit::rows::Number;
use vitaledger::audit::run::Run;

/// What a rule said.
pub struct Heard {
    pub run: Run,
}

impl Heard {
    fn others(&self, judged: Judged) -> Vec<&Finding> {
        let others = self.run.others.iter();
        let others = others.filter(|(other, _)| *other == judged);
        others.map(|(_, finding)| finding).collect()
    }

    pub fn findings(&self) -> Vec<&Finding> {
        self.run.findings.iter().collect()
    }

    pub fn reviews(&self) -> Vec<&Finding> {
        self.others(Judged::Review)
    }

    pub fn insufficient(&self) -> Vec<&Finding> {
        self.others(Judged::Insufficient)
    }

    /// Tests that did not signal.
    pub fn quiet(&self) -> Vec<&Finding> {
        self.others(Judged::Quiet)
    }

    /// The one finding.
    pub fn one(&self) -> &Finding {
        let findings = self.findings();
        let [one] = &findings[..] else {
            panic!("{:#?}\nbesides {:#?}", findings, self.run.others)
        };
        one
    }

    /// The one row with too few data.
    pub fn too_few(&self) -> &Finding {
        let (findings, few) = (self.findings(), self.insufficient());
        let ([], [one]) = (&findings[..], &few[..]) else {
            panic!("{findings:#?}\nand {few:#?}")
        };
        one
    }

    /// The records of the findings.
    pub fn records(&self) -> Vec<Vec<u64>> {
        records(&self.findings())
    }

    /// Nothing but tests that did not signal.
    pub fn is_silent(&self) -> bool {
        self.run.others.len() == self.quiet().len() && self.run.findings.is_empty()
    }

    /// Nothing was found, and something was tested.
    pub fn is_quiet(&self) -> bool {
        self.run.findings.is_empty() && !self.quiet().is_empty()
    }
}

/// The records of each.
pub fn records(findings: &[&Finding]) -> Vec<Vec<u64>> {
    findings
        .iter()
        .map(|finding| finding.records.clone())
        .collect()
}

/// What an office is, as a number.
pub fn office(finding: &Finding) -> i64 {
    finding.office.as_str().parse().unwrap()
}

/// A number of a finding; not a number where there is none.
pub fn real(finding: &Finding, name: &str) -> f64 {
    match cell(finding, name) {
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        Number::Whole(whole) => *whole as f64,
        Number::Real(real) => *real,
        _ => f64::NAN,
    }
}

/// A word of a finding.
pub fn word<'a>(finding: &'a Finding, name: &str) -> &'a str {
    match cell(finding, name) {
        Number::Word(word) => word,
        other => panic!("{name} is {other:?}"),
    }
}

fn cell<'a>(finding: &'a Finding, name: &str) -> &'a Number {
    let mut numbers = finding.numbers.iter();
    let found = numbers.find(|(own, _)| own == name);
    &found
        .unwrap_or_else(|| panic!("no {name} in {finding:?}"))
        .1
}
