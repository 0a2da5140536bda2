//! How well a run found the faults that are known to be there.
//!
//! What comes in: what a run flagged, each with the keys that it names, and the truth of a
//! delivery: which faults were seeded where. What goes out: recall by family and fault, precision
//! by rule, what was missed and what was flagged without a fault. What may fail: a line of the
//! truth that does not read. What must stay true: a fault is found only by its own family and only
//! when the keys that it needs are named; a finding is right only if some fault explains it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A seeded fault: a line of `truth.csv`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Truth {
    /// What was done.
    pub fault: String,
    /// The family of rules that must find it: a rule, or its first two letters.
    pub family: String,
    /// Records by their source's number, offices, or `office@period`, with blanks between.
    pub keys: String,
    /// `any` or `all` of the keys must be named.
    pub need: String,
    /// Families that may rightly name the keys, too.
    pub also: String,
    /// `1`, or `0` where it is too weak to be owed.
    pub must: String,
    /// For readers.
    #[serde(default)]
    pub note: String,
}

/// Something that a run flagged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flagged {
    /// The rule.
    pub rule: String,
    /// Source numbers of its records, its office, and `office@period`.
    pub keys: BTreeSet<String>,
}

/// Recall of one fault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Recall {
    /// How many were seeded and owed.
    pub owed: u64,
    /// How many of them were found.
    pub found: u64,
    /// How many were seeded too weak to be owed, and found all the same.
    pub found_beyond: u64,
}

/// Precision of one rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Precision {
    /// How many findings it has.
    pub flagged: u64,
    /// How many of them a fault explains.
    pub right: u64,
}

/// The result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Score {
    /// By family and fault.
    #[serde(serialize_with = "by_two_names")]
    pub recall: BTreeMap<(String, String), Recall>,
    /// By rule.
    pub precision: BTreeMap<String, Precision>,
    /// Keys of faults that are owed and were not found.
    pub missed: Vec<String>,
    /// Findings that no fault explains.
    pub unexplained: Vec<String>,
}

fn by_two_names<S: serde::Serializer>(
    recall: &BTreeMap<(String, String), Recall>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(
        recall
            .iter()
            .map(|((family, fault), recall)| (format!("{family}/{fault}"), recall)),
    )
}

/// Reads the truth of a delivery.
///
/// # Errors
/// When a line is no truth.
pub fn read_truth(reader: impl std::io::Read) -> Result<Vec<Truth>, csv::Error> {
    csv::Reader::from_reader(reader).deserialize().collect()
}

/// Whether a rule is of a family: `DU` has all rules that begin with it.
fn is_of(rule: &str, family: &str) -> bool {
    rule == family
        || (family.len() == 2
            && rule
                .strip_prefix(family)
                .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit())))
}

/// Holds what was flagged against the truth.
#[must_use]
pub fn score(truth: &[Truth], flagged: &[Flagged]) -> Score {
    let mut by_key: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, flag) in flagged.iter().enumerate() {
        for key in &flag.keys {
            by_key.entry(key).or_default().push(index);
        }
    }
    let mut score = Score::default();
    let mut explained = BTreeSet::new();
    for fault in truth {
        let keys: Vec<&str> = fault.keys.split_whitespace().collect();
        let also: Vec<&str> = fault.also.split_whitespace().collect();
        let mut found = false;
        let named = keys.iter().filter_map(|key| by_key.get(key)).flatten();
        for index in named {
            let flag = &flagged[*index];
            let of_family = is_of(&flag.rule, &fault.family);
            if of_family || also.iter().any(|family| is_of(&flag.rule, family)) {
                explained.insert(*index);
            }
            let is_named = |key: &&str| flag.keys.contains(*key);
            found |= of_family && (fault.need == "any" || keys.iter().all(is_named));
        }
        let entry = (fault.family.clone(), fault.fault.clone());
        let recall = score.recall.entry(entry).or_default();
        if fault.must == "1" {
            recall.owed += 1;
            recall.found += u64::from(found);
            if !found {
                score
                    .missed
                    .push(format!("{} {} {}", fault.family, fault.fault, fault.keys));
            }
        } else {
            recall.found_beyond += u64::from(found);
        }
    }
    for (index, flag) in flagged.iter().enumerate() {
        let precision = score.precision.entry(flag.rule.clone()).or_default();
        precision.flagged += 1;
        if explained.contains(&index) {
            precision.right += 1;
        } else {
            let keys: Vec<&str> = flag.keys.iter().map(String::as_str).collect();
            score
                .unexplained
                .push(format!("{} {}", flag.rule, keys.join(" ")));
        }
    }
    score
}

#[cfg(test)]
mod tests;
