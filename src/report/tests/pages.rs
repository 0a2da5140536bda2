//! The pages as they are read, and what an office could have typed into them.

use super::fixture::{COMMUNITY, Ledger, TOWNSHIP, half_year, office, period};
use super::report;
use crate::indicators::targets::Targets;
use crate::locale::Language;
use crate::report::{Format, MonthlyReport, TargetsReport};

fn page(ledger: &Ledger, format: Format, language: Language) -> String {
    report(ledger, COMMUNITY, "2014-H1")
        .render(format, language)
        .unwrap()
}

#[test]
fn pages_of_the_half_year() {
    let ledger = half_year();
    for format in Format::ALL {
        for language in Language::ALL {
            if format == Format::Json && language == Language::Zh {
                continue;
            }
            let name = format!("half_year_{}_{language}", format.as_str());
            insta::assert_snapshot!(name, page(&ledger, format, language));
        }
    }
}

/// A page of one of the other two reports.
fn other_page(ledger: &Ledger, which: &str, format: Format, language: Language) -> String {
    let (of, when) = (office(TOWNSHIP), period("2014-H1"));
    let written = match which {
        "monthly" => MonthlyReport::build(&ledger.0, of, when)
            .unwrap()
            .render(format, language),
        _ => TargetsReport::build(&ledger.0, of, when, &Targets::default(), None)
            .unwrap()
            .render(format, language),
    };
    written.unwrap()
}

#[test]
fn pages_of_the_months_and_of_the_plan() {
    let ledger = half_year();
    for which in ["monthly", "targets"] {
        for format in Format::ALL {
            for language in Language::ALL {
                if format == Format::Json && language == Language::Zh {
                    continue;
                }
                let name = format!("{which}_{}_{language}", format.as_str());
                let page = other_page(&ledger, which, format, language);
                assert!(page.contains("2014-07-03T09:00:00.000000Z"), "{name}");
                for part in [
                    "column-", "section-", "note-", "short-", "item-", "gap-", "figure-",
                ] {
                    assert!(
                        !page.contains(part) || format == Format::Json,
                        "{name} {part}"
                    );
                }
                insta::assert_snapshot!(name, page);
            }
        }
    }
}

#[test]
fn every_output_says_what_it_rests_on() {
    let ledger = half_year();
    for format in Format::ALL {
        for language in Language::ALL {
            let page = page(&ledger, format, language);
            let said = if language == Language::En || format == Format::Json {
                [
                    "SIMULATED CLOCK",
                    "14 births are too few",
                    "0.60",
                    "21 to 246",
                ]
            } else {
                ["模拟时钟", "14 例出生太少", "0.60", "21 至 246"]
            };
            for text in said
                .into_iter()
                .chain(["11536", "2014-07-03T09:00:00.000000Z"])
            {
                assert!(page.contains(text), "{format:?} {language} {text}");
            }
        }
    }
}

#[test]
fn a_measured_clock_is_not_called_simulated() {
    let mut ledger = half_year();
    ledger.0.simulated_clock = false;
    for format in Format::ALL {
        assert!(!page(&ledger, format, Language::En).contains("SIMULATED"));
    }
}

#[test]
fn names_cannot_break_out_of_their_place() {
    let mut ledger = half_year();
    let mut named = ledger.0.offices.get(office(COMMUNITY)).unwrap().clone();
    let name = "<script>alert(1)</script> \"a\" | *b* \u{1b}[2J\u{202e}x\n# y `z`";
    named.name_en = Some(name.to_owned());
    ledger.0.offices.insert(named);
    let html = page(&ledger, Format::Html, Language::En);
    assert!(!html.contains("<script") && !html.contains("\"a\""));
    assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("src="));
    let markdown = page(&ledger, Format::Markdown, Language::En);
    assert!(!markdown.contains("<script") && markdown.contains("\\| \\*b\\*"));
    assert!(!markdown.contains("\n# y"));
    let text = page(&ledger, Format::Text, Language::En);
    for page in [&html, &markdown, &text] {
        assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}'));
    }
    let json = page(&ledger, Format::Json, Language::En);
    let read: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(read["office"]["name"]["en"], name);
    for which in ["monthly", "targets"] {
        let html = other_page(&ledger, which, Format::Html, Language::En);
        assert!(
            !html.contains("<script")
                && !html.contains("http://")
                && !html.contains("https://")
                && !html.contains("src=")
        );
        let markdown = other_page(&ledger, which, Format::Markdown, Language::En);
        assert!(!markdown.contains("<script") && !markdown.contains("\n# y"));
        let text = other_page(&ledger, which, Format::Text, Language::En);
        for page in [&html, &markdown, &text] {
            assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}'));
        }
    }
}

#[test]
fn no_page_has_a_text_that_is_missing() {
    let ledger = half_year();
    for format in [Format::Text, Format::Markdown, Format::Html] {
        for language in Language::ALL {
            let page = page(&ledger, format, language);
            for part in [
                "column-",
                "section-",
                "note-",
                "figure-",
                "indicator-",
                "activity-",
                "unit-",
                "verdict-",
            ] {
                assert!(!page.contains(part), "{format:?} {language} {part}");
            }
        }
    }
}

#[test]
fn keys_of_the_json_are_stable() {
    let json = page(&half_year(), Format::Json, Language::En);
    let read: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(read["format"], "vitaledger-half-year/1");
    assert_eq!(read["simulated_clock"], true);
    assert_eq!(read["period"], "2014-H1");
    assert_eq!(read["figures"][0]["value"], 3564);
    assert_eq!(read["indicators"][0]["exact"], "7000/1879");
    assert_eq!(read["indicators"][0]["verdict"], "met");
    assert_eq!(read["indicators"][0]["target"]["comparison"], "at_most");
    assert_eq!(read["indicators"][2]["test"]["p_value"], "0.60");
}
