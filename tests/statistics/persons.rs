//! Names, dates, numbers and weights of persons.

use chrono::NaiveDate;
use proptest::prelude::*;
use vitaledger::statistics::growth::{POSSIBLE, hadlock_median_g, possible_weights_g};
use vitaledger::statistics::identity::{
    Generation, NumberFault, check_character, compared_number, is_certificate_number,
    resident_number,
};
use vitaledger::statistics::similarity::{
    DateDifference, NameDifference, compared_name, date_difference, days_apart, jaro, jaro_winkler,
    name_difference, name_distance,
};

use crate::tables::table;

fn date(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap()
}

#[test]
fn similarities_and_medians_as_in_the_table() {
    let rows = table("names");
    assert!(rows.len() > 120);
    for row in &rows {
        let (one, other) = (&row.arguments[0], &row.arguments[1]);
        let found = match row.function.as_str() {
            "jaro" => jaro(one, other),
            "jaro_winkler" => jaro_winkler(one, other),
            "hadlock" => hadlock_median_g(one.parse().unwrap()).unwrap(),
            other => panic!("{other}"),
        };
        assert!(
            row.error(found) < 1e-12,
            "{} {one} {other}: {found}",
            row.function
        );
    }
}

#[test]
fn names_differ_by_characters() {
    for (one, other, difference) in [
        ("王小明", "王小明", NameDifference::None),
        ("王 小明", "王小明", NameDifference::None),
        ("买买提·阿布都拉", "买买提・阿布都拉", NameDifference::None),
        ("ＡＢ", "ab", NameDifference::None),
        ("王小明", "小明王", NameDifference::Order),
        ("王小明", "王晓明", NameDifference::OneCharacter),
        ("王小明", "王明", NameDifference::OneCharacter),
        ("欧阳娜", "欧阳娜娜", NameDifference::OneCharacter),
        ("王小明", "李小红", NameDifference::More),
    ] {
        assert_eq!(
            name_difference(one, other),
            Some(difference),
            "{one} {other}"
        );
        assert_eq!(
            name_difference(other, one),
            Some(difference),
            "{other} {one}"
        );
    }
    assert_eq!(name_difference("王", " "), None);
    assert_eq!(name_distance("", "王"), None);
    assert_eq!(compared_name(" Ａ·b．c "), "abc");
    assert!((name_distance("王小明", "王晓明").unwrap() - 1.0 / 3.0).abs() < 1e-12);
    assert!((name_distance("王小明", "小王明").unwrap() - 1.0 / 3.0).abs() < 1e-12);
    assert!((name_distance("王", "李").unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn dates_differ_by_slips_of_the_pen() {
    let born = date(2015, 3, 11);
    for (other, difference) in [
        (date(2015, 3, 11), DateDifference::None),
        (date(2015, 11, 3), DateDifference::Transposed),
        (date(2015, 3, 12), DateDifference::OneDigit),
        (date(2005, 3, 11), DateDifference::OneDigit),
        (date(2051, 3, 11), DateDifference::SwappedDigits),
        (date(2016, 11, 3), DateDifference::More),
        (date(2015, 4, 12), DateDifference::More),
    ] {
        assert_eq!(date_difference(born, other), difference, "{other}");
        assert_eq!(date_difference(other, born), difference, "{other}");
    }
    assert_eq!(days_apart(date(2016, 2, 28), date(2016, 3, 1)), 2);
    assert_eq!(days_apart(date(2016, 3, 1), date(2015, 3, 1)), 366);
    // Years without eight digits can differ, but not by a digit.
    assert_eq!(
        date_difference(date(-1, 1, 1), date(-2, 1, 1)),
        DateDifference::More
    );
    assert_eq!(
        date_difference(date(12_015, 1, 1), born),
        DateDifference::More
    );
}

/// The examples of GB 11643-1999 itself.
#[test]
fn resident_numbers_of_the_standard() {
    let man = resident_number("11010519491231002X").unwrap();
    assert_eq!(man.region, 110_105);
    assert_eq!(man.born, date(1949, 12, 31));
    // The sequence code 002 is even.
    assert!(!man.male);
    assert_eq!(resident_number(" 11010519491231002x "), Ok(man));
    assert!(resident_number("440524188001010014").unwrap().male);
    assert_eq!(check_character(b"11010519491231002"), Some(b'X'));
    assert_eq!(check_character(b"1101051949123100 "), None);
    let old = resident_number("110105491231002").unwrap();
    assert_eq!(old.generation, Generation::First);
    assert_eq!(
        (old.region, old.born, old.male),
        (man.region, man.born, man.male)
    );
    assert_eq!(
        compared_number("110105491231002").unwrap(),
        "11010519491231002X"
    );
    assert_eq!(
        compared_number("11010519491231002x").unwrap(),
        "11010519491231002X"
    );
}

#[test]
fn faults_of_resident_numbers() {
    for (text, fault) in [
        ("", NumberFault::Length(0)),
        ("1101051949123100", NumberFault::Length(16)),
        ("11010519491231X02X", NumberFault::Character(15)),
        ("１１0105194912310021", NumberFault::Character(1)),
        ("11010549123100X", NumberFault::Character(15)),
        ("11010519490230002X", NumberFault::BirthDate),
        ("110105000002290021", NumberFault::BirthDate),
        ("110105490229002", NumberFault::BirthDate),
        ("110105194912310021", NumberFault::Check),
        ("110105194912310022", NumberFault::Check),
    ] {
        assert_eq!(resident_number(text), Err(fault), "{text}");
        assert_eq!(compared_number(text), Err(fault));
        // What is wrong is said without the number.
        assert!(!fault.to_string().contains("1949"));
    }
}

#[test]
fn certificate_numbers() {
    assert!(is_certificate_number("O110000001"));
    for wrong in [
        "",
        "o110000001",
        "O11000000",
        "O1100000011",
        "1110000001",
        "O11000000１",
        "OO10000001",
    ] {
        assert!(!is_certificate_number(wrong), "{wrong}");
    }
}

#[test]
fn weights_at_the_edges_of_the_reference() {
    assert_eq!(hadlock_median_g(139), None);
    assert_eq!(possible_weights_g(139, POSSIBLE), None);
    let median = hadlock_median_g(280).unwrap();
    assert!((median - 3_619.0).abs() < 10.0, "{median}");
    assert_eq!(hadlock_median_g(294), hadlock_median_g(320));
    let possible = possible_weights_g(280, POSSIBLE).unwrap();
    assert!(possible.contains(0.35 * median) && possible.contains(2.2 * median));
    assert!(!possible.contains(0.349 * median) && !possible.contains(2.201 * median));
}

fn digits() -> impl Strategy<Value = [u8; 17]> {
    prop::array::uniform17(b'0'..=b'9')
}

proptest! {
    /// ISO 7064 MOD 11-2 catches every single wrong digit and every swap of two neighbours.
    #[test]
    fn a_check_character_catches_a_slip(body in digits(), at in 0_usize..17, by in 1_u8..10) {
        let check = check_character(&body).unwrap();
        let mut slip = body;
        slip[at] = b'0' + (slip[at] - b'0' + by) % 10;
        prop_assert_ne!(check_character(&slip).unwrap(), check);
        let mut swapped = body;
        swapped.swap(at, (at + 1) % 17);
        if at < 16 && swapped != body {
            prop_assert_ne!(check_character(&swapped).unwrap(), check);
        }
    }

    #[test]
    fn no_text_is_too_strange(text in any::<String>(), other in any::<String>()) {
        let _ = resident_number(&text);
        let _ = is_certificate_number(&text);
        prop_assert_eq!(name_difference(&text, &other), name_difference(&other, &text));
        prop_assert_eq!(name_distance(&text, &other), name_distance(&other, &text));
    }

    #[test]
    fn similarity_is_symmetric_and_bounded(one in "[王李张小明华a-c]{0,8}", other in "[王李张小明华a-c]{0,8}") {
        let (jaro_one, winkler) = (jaro(&one, &other), jaro_winkler(&one, &other));
        prop_assert!((0.0..=1.0).contains(&jaro_one) && jaro_one <= winkler && winkler <= 1.0);
        prop_assert!((jaro_one - jaro(&other, &one)).abs() < 1e-15);
        prop_assert!((winkler - jaro_winkler(&other, &one)).abs() < 1e-15);
        prop_assert_eq!(winkler >= 1.0, one == other && !one.is_empty());
    }

    #[test]
    fn days_are_symmetric(one in 0_i64..40_000, other in 0_i64..40_000) {
        let day = |days: i64| date(1930, 1, 1) + chrono::TimeDelta::days(days);
        prop_assert_eq!(days_apart(day(one), day(other)), one.abs_diff(other));
        prop_assert_eq!(date_difference(day(one), day(other)), date_difference(day(other), day(one)));
    }
}
