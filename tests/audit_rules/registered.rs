//! Which tests say of each rule that it fires, that it is silent, and what it says of too little.
//!
//! What comes in: the files of the rules, and those of these tests. What must stay true: every rule
//! that can be asked without a ledger has its three cases, and each of them is a test that is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What moved in closed periods needs a ledger, and is tested with one.
const WITH_A_LEDGER: [&str; 2] = ["RS1", "RS2"];

/// Of each rule: it finds its fault; it is silent on what only looks like one; it has too little to
/// say, a review to give, or a record that does not say what the rule looks at.
const CASES: &str = "
AR1 ar1_finds_a_return_that_is_not_the_register ar1_is_silent_on_returns_that_hold ar1_is_silent_on_periods_before_the_register_and_on_unknown_days
AR2 ar2_finds_a_population_that_no_movement_explains ar2_is_silent_within_half_a_per_cent ar2_says_that_a_register_without_residents_is_no_population
AR3 ar3_finds_two_populations_in_one_return ar3_is_silent_on_one_population_and_on_two_returns ar3_is_silent_where_no_population_is_stated
BN1 bn1_finds_reports_on_the_last_two_days bn1_is_silent_on_reports_on_any_day bn1_says_what_few_births_would_show
BN2 bn2_finds_births_that_were_moved_across_the_edge bn2_is_silent_on_both_sides_alike bn2_says_what_few_births_would_show
CT1 ct1_finds_a_month_that_stands_out ct1_is_silent_on_chance_on_seasons_and_on_other_lines ct1_says_how_far_a_month_of_a_short_series_would_have_to_stand_out
CT2 ct2_finds_a_figure_that_repeats_itself ct2_is_silent_on_chance_and_leaves_zeros_to_ct3 ct2_says_how_long_a_run_a_short_series_would_need
CT3 ct3_finds_months_without_any ct3_is_silent_on_chance_and_on_series_without_zeros ct3_says_how_long_a_run_a_short_series_would_need
CT4 ct4_finds_a_series_that_is_too_even ct4_is_silent_on_chance ct4_says_how_even_a_short_series_would_have_to_be
CT5 ct5_finds_rates_that_lie_just_inside_the_target ct5_is_silent_on_both_sides_alike ct5_says_that_too_few_years_lie_near_the_target
DU1 births_of_one_mother_name_sex_and_day twins_copies_and_other_days_are_no_duplicates what_is_missing_makes_no_duplicate
DU1-nameless du1_nameless_finds_losses_that_agree_in_everything du1_nameless_is_silent_on_twins_and_on_losses_that_differ du1_nameless_says_nothing_of_losses_of_unknown_age
FN1 fn1_finds_an_office_that_differs_from_all_others fn1_is_silent_on_chance_and_on_offices_that_all_differ fn1_says_what_few_events_or_few_offices_would_show
HP1 hp1_finds_days_that_are_favoured hp1_is_silent_on_days_as_they_fall hp1_says_what_few_events_would_show
HP2-gestation hp2_finds_weeks_below_the_border hp2_is_silent_on_weeks_as_they_fall hp2_says_what_few_losses_would_show
HP2-weight hp2_finds_weights_that_are_round hp2_is_silent_on_weights_that_are_measured hp2_says_what_few_weights_would_show
HP3-ages hp3_finds_ages_that_are_estimated hp3_is_silent_on_ages_as_they_fall_and_on_numbered_persons hp3_says_what_few_ages_would_show
HP3-zodiac hp3_finds_a_year_that_is_favoured hp3_is_silent_on_a_small_preference hp3_says_what_few_births_of_a_sign_would_show
HP4 hp4_finds_digits_that_are_favoured hp4_is_silent_on_digits_as_they_fall hp4_says_that_there_are_too_few_large_figures
ID1 id1_names_the_number_that_does_not_hold id1_is_silent_on_numbers_that_hold_or_are_not_stated id1_looks_at_numbers_of_the_first_generation
ID2 id2_names_numbers_without_form_and_numbers_used_twice id2_knows_the_hospitals_copy_and_who_has_none id2_says_nothing_of_certificates_that_are_not_stated
ID3 id3_finds_two_names_with_one_number id3_leaves_one_name_twice_other_kinds_and_unknown_names_alone id3_says_nothing_of_numbers_that_are_not_stated
PL1 pl1_finds_mothers_of_an_impossible_age pl1_is_silent_on_other_ages_and_unknown_ones pl1_looks_at_ages_that_are_rare
PL2 pl2_finds_births_too_close_together pl2_is_silent_on_twins_on_a_year_apart_and_on_the_hospitals_copy pl2_looks_at_births_that_are_close
PL3 pl3_finds_weights_that_no_child_of_that_age_has pl3_is_silent_on_small_and_large_children_and_before_20_weeks pl3_says_nothing_of_a_weight_or_a_duration_alone
PY1 py1_finds_two_payments_of_one_entitlement py1_is_silent_on_instalments_and_on_what_was_reversed py1_needs_no_rate_to_count_payments
PY2 py2_finds_payments_for_a_year_after_the_death py2_is_silent_on_the_year_of_the_death_and_on_the_living py2_looks_at_entitlements_of_the_year_of_the_death
PY3 py3_finds_who_is_in_no_register_or_left_before py3_is_silent_on_residents_on_arrivals_elsewhere_and_on_who_came_back py3_asks_nothing_about_who_is_not_named
PY4 py4_finds_who_is_too_young py4_is_silent_from_60_on_on_unknown_ages_and_other_schemes py4_says_nothing_of_unknown_ages_and_of_no_scheme
PY5 py5_finds_amounts_that_are_not_the_rate py5_is_silent_on_the_rate_in_parts_of_a_year_and_in_instalments py5_waits_for_the_day_and_knows_no_amount_of_no_period
PY6 py6_finds_an_account_of_several_households py6_is_silent_on_a_household_on_two_persons_and_on_unknown_households py6_says_nothing_of_accounts_and_persons_that_are_not_stated
PY7 py7_finds_what_was_not_paid_by_the_day py7_is_silent_on_what_was_paid_or_is_not_due_or_nobodys py7_says_nothing_of_no_person_and_of_no_scheme
PY8 py8_finds_too_little_money py8_is_silent_on_enough py8_says_that_the_register_starts_later
PY9 py9_finds_payments_without_an_entitlement py9_is_silent_on_who_is_listed py9_is_silent_on_who_has_no_number
SQ1 sq1_finds_a_series_that_rises_or_falls sq1_is_silent_on_chance sq1_says_that_a_series_is_too_short
SR1 sr1_finds_missing_girls_and_missing_boys sr1_is_silent_on_what_chance_gives sr1_says_what_few_births_would_show
SR1-closeness sr1_finds_ratios_that_are_all_alike sr1_is_silent_on_ratios_that_scatter sr1_says_that_there_are_too_few_units
SR2 sr2_finds_girls_who_are_reported_later sr2_is_silent_on_both_alike_and_on_boys sr2_says_that_too_few_are_late
TM1 tm1_finds_days_in_a_wrong_order tm1_is_silent_on_what_can_be tm1_says_nothing_of_days_ages_and_persons_that_are_not_stated
TM2 tm2_finds_what_was_reported_a_year_late tm2_is_silent_on_imports_of_the_past_on_corrections_and_on_what_is_late tm2_says_nothing_of_delays_that_are_not_known
TM2-closed tm2_finds_what_came_into_a_closed_period tm2_is_silent_on_what_came_after_a_period_was_opened_again tm2_says_nothing_of_a_closed_period_where_the_day_is_not_known
TM2-late-share tm2_finds_an_office_that_is_late_more_often tm2_is_silent_on_an_office_that_is_late_as_others_are tm2_says_how_late_an_office_with_few_births_would_have_to_be
TM3 tm3_finds_what_is_late_or_missing tm3_is_silent_before_the_day_and_before_the_first_return tm3_looks_at_returns_that_came_before_their_period_had_ended
XS1 xs1_finds_births_that_one_source_alone_knows xs1_links_and_expects_nothing_beyond_the_files xs1_says_nothing_of_places_that_are_not_stated
XS2 xs2_finds_a_village_that_knows_too_few xs2_is_silent_on_a_village_that_knows_most xs2_says_what_few_births_would_show
XS3 xs3_finds_children_whose_births_were_not_reported xs3_is_silent_on_a_list_that_agrees_and_on_cohorts_outside_the_register xs3_says_that_a_cohort_is_too_small
XS4 xs4_finds_missing_stillbirths xs4_is_silent_on_as_many_stillbirths xs4_says_that_there_are_too_few_or_too_short_a_time
XS5 xs5_finds_reports_that_disagree xs5_is_silent_on_three_days_and_on_what_one_does_not_say xs5_says_nothing_where_one_of_two_does_not_say
";

fn here(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

/// The files of a folder that end so: their names without the end, and their paths.
fn files(folder: &str, end: &str) -> BTreeMap<String, PathBuf> {
    let paths = std::fs::read_dir(here(folder)).unwrap();
    let paths = paths.map(|found| found.unwrap().path());
    let named = paths.filter(|path| path.extension().is_some_and(|own| own == end));
    named
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path))
        .collect()
}

/// The tests of these files, each with the text of the file that has it.
fn tests() -> BTreeMap<String, String> {
    let mut tests = BTreeMap::new();
    for path in files("tests/audit_rules", "rs").values() {
        let text = std::fs::read_to_string(path).unwrap();
        let named = text.split("#[test]\nfn ").skip(1);
        for name in named.filter_map(|rest| rest.split_once("()")) {
            let before = tests.insert(name.0.to_owned(), text.clone());
            assert_eq!(before, None, "two tests are called {}", name.0);
        }
    }
    tests
}

#[test]
fn every_rule_has_its_three_cases() {
    let lines = CASES.lines().filter(|line| !line.is_empty());
    let mut cases: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in lines {
        let (rule, names) = line.split_once(' ').unwrap();
        let before = cases.insert(rule, names.split(' ').collect());
        assert_eq!(before, None, "{rule} is there twice");
    }
    let rules = files("src/audit/rules", "sql");
    for rule in rules.keys() {
        let has = cases
            .get(rule.as_str())
            .is_some_and(|names| names.len() == 3);
        let with_a_ledger = WITH_A_LEDGER.contains(&rule.as_str());
        assert!(
            has != with_a_ledger,
            "{rule} has not its three cases in {}",
            file!()
        );
    }
    let tests = tests();
    let mut used = BTreeMap::new();
    for (rule, names) in cases {
        assert!(rules.contains_key(rule), "there is no rule {rule}");
        for name in names {
            let text = tests.get(name);
            let text = text.unwrap_or_else(|| panic!("{rule}: there is no test {name}"));
            assert!(
                text.contains(&format!("\"{rule}\"")),
                "{name} asks no {rule}"
            );
            let before = used.insert(name, rule);
            assert_eq!(before, None, "{name} is a case of {rule} already");
        }
    }
}
