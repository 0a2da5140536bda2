//! The life of a finding, step by step: what is accepted in each stage, and what is refused.

use super::super::testing::{TOO_LARGE, accepts, digest, reason, refuses, sealed};
use super::*;

/// The parts of a command, so that a test changes one of them.
#[derive(Clone)]
struct Parts {
    position: Position,
    record_count: u64,
    ids: Vec<u128>,
    records_root: Option<String>,
    rule: String,
    rules_digest: String,
}

fn sound() -> Parts {
    Parts {
        position: 10,
        record_count: 2,
        ids: vec![1, 2],
        records_root: None,
        rule: "SR1".to_owned(),
        rules_digest: digest(),
    }
}

impl Parts {
    fn command(self) -> FindingCommand {
        FindingCommand::Raise {
            office: OfficeCode::parse("990101100001").unwrap(),
            period: Some(Period::Half(2014, 1)),
            position: self.position,
            record_count: self.record_count,
            record_ids: self.ids.into_iter().map(Uuid::from_u128).collect(),
            records_root: self.records_root,
            rule: self.rule,
            rule_version: 1,
            rules_digest: self.rules_digest,
            verdict: Verdict::Signal,
        }
    }

    fn event(self) -> FindingEvent {
        FindingEvent::Raised {
            office: OfficeCode::parse("990101100001").unwrap(),
            period: Some(Period::Half(2014, 1)),
            position: self.position,
            record_count: self.record_count,
            record_ids: self.ids.into_iter().map(Uuid::from_u128).collect(),
            records_root: self.records_root,
            rule: self.rule,
            rule_version: 1,
            rules_digest: self.rules_digest,
            verdict: Verdict::Signal,
        }
    }
}

fn day(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2014, 6, day).unwrap()
}

fn actor() -> String {
    "supervisor-2".to_owned()
}

/// A step: the command, the event, and the stage that follows.
type Stepped = (Step, FindingCommand, FindingEvent, FindingStage);

/// Every step after the first.
fn steps() -> Vec<Stepped> {
    let mut steps = steps_of_people();
    steps.extend(steps_of_runs());
    steps
}

fn steps_of_runs() -> [Stepped; 2] {
    [
        (
            Step::Clear,
            FindingCommand::Clear { position: 20 },
            FindingEvent::Cleared { position: 20 },
            FindingStage::Cleared,
        ),
        (
            Step::MarkUnrepeatable,
            FindingCommand::MarkUnrepeatable { erasure: 20 },
            FindingEvent::Unrepeatable { erasure: 20 },
            FindingStage::Unrepeatable,
        ),
    ]
}

fn steps_of_people() -> Vec<Stepped> {
    let (actor, commitments) = (actor(), reason());
    vec![
        (
            Step::Ask,
            FindingCommand::Ask {
                actor: actor.clone(),
            },
            FindingEvent::Asked {
                actor: actor.clone(),
            },
            FindingStage::Asked,
        ),
        (
            Step::Answer,
            FindingCommand::Answer {
                commitments: commitments.clone(),
            },
            FindingEvent::Answered {
                commitments: commitments.clone(),
            },
            FindingStage::Answered,
        ),
        (
            Step::Confirm,
            FindingCommand::Confirm {
                actor: actor.clone(),
                commitments: commitments.clone(),
            },
            FindingEvent::Confirmed {
                actor: actor.clone(),
                commitments: commitments.clone(),
            },
            FindingStage::Confirmed,
        ),
        (
            Step::Dismiss,
            FindingCommand::Dismiss {
                actor: actor.clone(),
                commitments: commitments.clone(),
            },
            FindingEvent::Dismissed {
                actor: actor.clone(),
                commitments: commitments.clone(),
            },
            FindingStage::Dismissed,
        ),
        (
            Step::Waive,
            waive(1),
            FindingEvent::Waived {
                actor,
                commitments,
                until: day(1),
            },
            FindingStage::Waived(day(1)),
        ),
    ]
}

fn waive(until: u32) -> FindingCommand {
    FindingCommand::Waive {
        actor: actor(),
        commitments: reason(),
        until: day(until),
    }
}

/// Histories that end in each stage but the first.
fn histories() -> Vec<(FindingStage, Vec<FindingEvent>)> {
    let mut histories = vec![(FindingStage::Open, vec![sound().event()])];
    for (_, _, event, stage) in steps() {
        histories.push((stage, vec![sound().event(), event]));
    }
    histories
}

#[test]
fn a_finding_is_raised_once_until_it_is_cleared_or_cannot_be_repeated() {
    let unsorted = Parts {
        ids: vec![2, 1],
        ..sound()
    };
    accepts::<Finding>(&[], unsorted.command(), sound().event());
    let many = Parts {
        record_count: 101,
        ids: vec![],
        records_root: Some(digest()),
        ..sound()
    };
    accepts::<Finding>(&[], many.clone().command(), many.event());
    let later = Parts {
        position: 20,
        ..sound()
    };
    for (stage, given) in histories() {
        if matches!(stage, FindingStage::Cleared | FindingStage::Unrepeatable) {
            accepts::<Finding>(&given, later.clone().command(), later.clone().event());
            let early = FindingError::TooEarly {
                position: 10,
                known: 20,
            };
            refuses::<Finding>(&given, sound().command(), early);
        } else {
            let stands = FindingError::AlreadyRaised(stage);
            refuses::<Finding>(&given, later.clone().command(), stands);
        }
    }
}

#[test]
fn what_cannot_be_a_finding_is_not_raised() {
    let refused = |parts: Parts, error| refuses::<Finding>(&[], parts.command(), error);
    refused(
        Parts {
            rule: "a rule".to_owned(),
            ..sound()
        },
        FindingError::Rule,
    );
    refused(
        Parts {
            rules_digest: String::new(),
            ..sound()
        },
        FindingError::RulesDigest,
    );
    let too_large = FindingError::TooLarge(TOO_LARGE);
    refused(
        Parts {
            position: TOO_LARGE,
            ..sound()
        },
        too_large,
    );
    let count = RecordListError::Count {
        count: 3,
        listed: 2,
    };
    refused(
        Parts {
            record_count: 3,
            ..sound()
        },
        count.into(),
    );
    let root = RecordListError::RootRequired(101);
    refused(
        Parts {
            record_count: 101,
            ids: vec![],
            ..sound()
        },
        root.into(),
    );
    for verdict in [Verdict::Fail, Verdict::Signal, Verdict::Insufficient] {
        assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
    }
}

/// Rows: stages; columns: ask, answer, confirm, dismiss, waive, clear, mark unrepeatable.
const TABLE: [(&str, [bool; 7]); 8] = [
    ("open", [true, false, true, true, true, true, true]),
    ("asked", [false, true, true, true, true, true, true]),
    ("answered", [true, false, true, true, true, true, true]),
    ("confirmed", [false, false, false, true, true, true, true]),
    ("dismissed", [false, false, true, false, false, false, true]),
    (
        "waived until 2014-06-01",
        [true, false, true, true, true, true, true],
    ),
    ("cleared", [false; 7]),
    ("unrepeatable", [false; 7]),
];

#[test]
fn every_step_is_accepted_or_refused_in_every_stage() {
    for ((stage, given), (name, row)) in histories().into_iter().zip(TABLE) {
        assert_eq!(stage.to_string(), name);
        for ((step, command, event, _), allowed) in steps().into_iter().zip(row) {
            if !allowed {
                refuses::<Finding>(&given, command, FindingError::OutOfTurn { step, stage });
            } else if stage == FindingStage::Waived(day(1)) && step == Step::Waive {
                refuses::<Finding>(&given, command, FindingError::SameDay(day(1)));
                let longer = FindingEvent::Waived {
                    actor: actor(),
                    commitments: reason(),
                    until: day(30),
                };
                accepts::<Finding>(&given, waive(30), longer);
            } else {
                accepts::<Finding>(&given, command, event);
            }
        }
    }
    for (_, command, _, _) in steps() {
        refuses::<Finding>(&[], command, FindingError::NotRaised);
    }
}

#[test]
fn people_are_named_and_give_reasons() {
    let given = [sound().event()];
    let asked = [sound().event(), FindingEvent::Asked { actor: actor() }];
    let (nobody, until) = (String::new, day(1));
    for command in [
        FindingCommand::Ask { actor: nobody() },
        FindingCommand::Confirm {
            actor: nobody(),
            commitments: reason(),
        },
        FindingCommand::Dismiss {
            actor: nobody(),
            commitments: reason(),
        },
        FindingCommand::Waive {
            actor: nobody(),
            commitments: reason(),
            until,
        },
    ] {
        refuses::<Finding>(&given, command, FindingError::Actor);
    }
    for commitments in [sealed(&[]), sealed(&[Slot::PURPOSE, Slot::REASON])] {
        let answer = FindingCommand::Answer {
            commitments: commitments.clone(),
        };
        refuses::<Finding>(&asked, answer, FindingError::ReasonRequired);
        let dismiss = FindingCommand::Dismiss {
            actor: actor(),
            commitments: commitments.clone(),
        };
        refuses::<Finding>(&given, dismiss, FindingError::ReasonRequired);
        let waive = FindingCommand::Waive {
            actor: actor(),
            commitments,
            until,
        };
        refuses::<Finding>(&given, waive, FindingError::ReasonRequired);
    }
    let confirm = |commitments| FindingCommand::Confirm {
        actor: actor(),
        commitments,
    };
    let other = confirm(sealed(&[Slot::PURPOSE]));
    refuses::<Finding>(&given, other, FindingError::NotAReason);
    let plain = FindingEvent::Confirmed {
        actor: actor(),
        commitments: sealed(&[]),
    };
    accepts::<Finding>(&given, confirm(sealed(&[])), plain);
}

#[test]
fn a_run_or_an_erasure_before_the_finding_does_not_touch_it() {
    let given = [sound().event()];
    let early = FindingError::TooEarly {
        position: 9,
        known: 10,
    };
    refuses::<Finding>(&given, FindingCommand::Clear { position: 9 }, early.clone());
    refuses::<Finding>(
        &given,
        FindingCommand::MarkUnrepeatable { erasure: 9 },
        early,
    );
    let beyond = FindingCommand::Clear {
        position: TOO_LARGE,
    };
    refuses::<Finding>(&given, beyond, FindingError::TooLarge(TOO_LARGE));
}
