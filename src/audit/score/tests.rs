//! Recall and precision by hand.

use super::*;

const TRUTH: &str = "fault,family,keys,need,also,must,note\n\
    dup,DU,B1 B2,all,ID2,1,\n\
    late,TM2,B3,any,,1,\n\
    heap,HP1,990101100001,any,CT1,1,\n\
    weak,TM2,B4,any,,0,\n";

fn flag(rule: &str, keys: &[&str]) -> Flagged {
    Flagged {
        rule: rule.to_owned(),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
    }
}

#[test]
fn recall_needs_the_family_and_all_keys_precision_any_explanation() {
    let truth = read_truth(TRUTH.as_bytes()).unwrap();
    let found = score(
        &truth,
        &[
            flag("DU1", &["B1", "990101100001"]),
            flag("ID2", &["B1", "B2"]),
            flag("TM2", &["B3"]),
            flag("TM2", &["B4"]),
            flag("CT1", &["990101100001"]),
            flag("CT1", &["990101100002"]),
        ],
    );
    let recall = |family: &str, fault: &str| found.recall[&(family.to_owned(), fault.to_owned())];
    assert_eq!(
        (recall("DU", "dup").owed, recall("DU", "dup").found),
        (1, 0)
    );
    assert_eq!(recall("TM2", "late").found, 1);
    assert_eq!(
        (
            recall("TM2", "weak").owed,
            recall("TM2", "weak").found_beyond
        ),
        (0, 1)
    );
    assert_eq!(recall("HP1", "heap").found, 0);
    let precision = |rule: &str| (found.precision[rule].flagged, found.precision[rule].right);
    assert_eq!(precision("DU1"), (1, 1));
    assert_eq!(precision("ID2"), (1, 1));
    assert_eq!(precision("CT1"), (2, 1));
    assert_eq!(found.missed.len(), 2);
    assert_eq!(found.unexplained, ["CT1 990101100002"]);
}

#[test]
fn a_line_that_is_no_truth_is_an_error() {
    assert!(read_truth("fault,family\nx,y\n".as_bytes()).is_err());
}
