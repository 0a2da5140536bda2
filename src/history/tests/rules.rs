//! Conditions: how they are read, and what they come to.

use proptest::prelude::*;

use super::stories::{Story, birth};
use crate::history::rule::{Rule, RuleError, Truth};
use crate::indicators::counts::Counts;
use crate::indicators::targets::Targets;
use crate::model::id::OfficeCode;
use crate::model::period::Period;

/// Three boys of 2014, and nobody else.
fn counts() -> Counts {
    let mut story = Story::new();
    for day in ["2014-01-02", "2014-02-03", "2014-03-04"] {
        story.put(birth(day, day));
    }
    let office = OfficeCode::parse("990101000000").unwrap();
    Counts::of(
        &story.snapshot(),
        office,
        Period::Year(2014),
        &Targets::default(),
    )
}

fn truth(text: &str) -> Truth {
    let rule = Rule::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    rule.evaluate(&counts(), &Targets::default()).unwrap().truth
}

#[test]
fn comparisons_are_exact() {
    for (text, holds) in [
        ("births >= 3", true),
        ("births > 3", false),
        ("births = 3.0", true),
        ("births == 3.000000000000001", false),
        ("births != 4", true),
        ("births <> 3", false),
        ("2.999999999999999 < births", true),
        ("births ≥ 3", true),
        ("births<=3", true),
        ("births > -1", true),
        ("births_male = births", true),
        ("births_female < births_male", true),
        ("timeliness = 100", true),
    ] {
        assert_eq!(truth(text), Truth::from(holds), "{text}");
    }
}

#[test]
fn and_binds_stronger_than_or_and_not_than_both() {
    for (text, holds) in [
        ("births = 3 or deaths = 1 and deaths = 2", true),
        ("(births = 3 or deaths = 1) and deaths = 2", false),
        ("not births = 4 and deaths = 0", true),
        ("not (births = 3 and deaths = 0)", false),
        ("not not births = 3", true),
        ("NOT births = 4 AND deaths = 0 OR deaths = 9", true),
        ("((births = 3))", true),
    ] {
        assert_eq!(truth(text), Truth::from(holds), "{text}");
    }
}

#[test]
fn what_lacks_its_data_is_unknown_and_does_not_hold() {
    // Three births are too few for a sex ratio; nobody lives there on the first day.
    for text in [
        "sex_ratio_at_birth > 120",
        "sex_ratio_at_birth <= 120",
        "not sex_ratio_at_birth > 120",
        "crude_birth_rate < 15.0 and births = 3",
        "crude_birth_rate < 15.0 or births = 4",
    ] {
        assert_eq!(truth(text), Truth::Unknown, "{text}");
        assert!(!truth(text).holds());
    }
    // One side is enough to say so.
    assert_eq!(truth("sex_ratio_at_birth > 120 or births = 3"), Truth::True);
    assert_eq!(
        truth("sex_ratio_at_birth > 120 and births = 4"),
        Truth::False
    );
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    for (text, at, found) in [
        ("", 1, "the end"),
        ("births", 7, "the end"),
        ("births >", 9, "the end"),
        ("births > > 3", 10, "`>`"),
        ("births >>3", 8, "`>>`"),
        ("births > 3 deaths > 1", 12, "`deaths`"),
        ("1 < births < 5", 12, "`<`"),
        ("(births > 3", 12, "the end"),
        ("births > 3)", 11, "`)`"),
        ("births > 3.x", 10, "`3.x`"),
        ("births > 3 and", 15, "the end"),
        ("births > 3 and or", 16, "`or`"),
        ("出生 ; 3", 4, "`;`"),
        (
            "births = 12345678901234567890",
            10,
            "`12345678901234567890`",
        ),
    ] {
        match Rule::parse(text) {
            Err(RuleError::Unexpected {
                at: place,
                found: there,
                ..
            }) => {
                assert_eq!((place, there.as_str()), (at, found), "{text}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    assert_eq!(Rule::parse("1 < 2"), Err(RuleError::Constant));
    let deep = format!("{}births > 1{}", "(".repeat(99_999), ")".repeat(99_999));
    assert_eq!(Rule::parse(&deep), Err(RuleError::TooDeep(64)));
    let long = vec!["births > 1"; 20_000].join(" and ");
    assert!(Rule::parse(&long).is_ok());
}

#[test]
fn a_name_that_is_not_there_lists_near_ones() {
    let near = |text: &str| match Rule::parse(text) {
        Err(RuleError::UnknownName { near, .. }) => near,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(near("brths > 1")[0], "births");
    assert_eq!(near("sex_ratio > 1")[0], "sex_ratio_at_birth");
    assert_eq!(near("Residents > 1"), ["residents"]);
    assert!(near("xyzzy > 1").is_empty());
    let said = Rule::parse("xyzzy > 1").unwrap_err().to_string();
    assert!(
        said.contains("crude_birth_rate") && said.contains("households"),
        "{said}"
    );
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,80}") {
        let _ = Rule::parse(&text);
    }

    #[test]
    fn words_of_the_grammar_in_any_order_do_not_break_it(
        words in proptest::collection::vec(
            proptest::sample::select(vec!["births", "not", "and", "or", "(", ")", "<", ">=", "3", "-1.5"]),
            0..40,
        ),
    ) {
        if let Ok(rule) = Rule::parse(&words.join(" ")) {
            prop_assert!(rule.evaluate(&counts(), &Targets::default()).is_ok());
        }
    }
}
