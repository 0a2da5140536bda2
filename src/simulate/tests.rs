//! What a delivery must hold, read back from its files.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use chrono::{Datelike, NaiveDate};

use super::people::check_character;
use super::*;

type Row = BTreeMap<String, String>;

fn read(dir: &Path, file: &str) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(dir.join(file)).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn written(options: &Options) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), options, &mut |_| ()).unwrap();
    dir
}

/// A township large enough for every fault and small enough for a test.
fn township() -> Options {
    Options {
        population: 24_000,
        births: Some(1_800),
        ..Options::default()
    }
}

const FILES: [&str; 7] = [
    "offices.csv",
    "registrations.csv",
    "births.csv",
    "pregnancy_losses.csv",
    "disbursements.csv",
    "activities.csv",
    "returns.csv",
];

#[test]
fn the_half_year_is_the_one_that_is_known() {
    for seed in [1, 77] {
        let dir = tempfile::tempdir().unwrap();
        let summary = write_half_year(dir.path(), seed).unwrap();
        assert_eq!(summary.rows("births.csv"), 28);
        let registrations = read(dir.path(), "registrations.csv");
        let of_kind = |kind: &str| {
            registrations
                .iter()
                .filter(|row| row["kind"] == kind)
                .count()
        };
        assert_eq!(of_kind("household"), 3_564);
        assert_eq!(of_kind("resident"), 7_509);
        assert_eq!(of_kind("marriage"), 4);
        assert_eq!(registrations.len(), 3_564 + 7_509 + 4);
        let day = date("2014-06-30");
        let wives = registrations.iter().filter(|row| {
            row["kind"] == "resident"
                && row["sex"] == "F"
                && row["marital_status"] == "married"
                && day
                    .years_since(date(&row["born_on"]))
                    .is_some_and(|age| (15..50).contains(&age))
        });
        assert_eq!(wives.count(), 867);
        let births = read(dir.path(), "births.csv");
        let village: Vec<_> = births
            .iter()
            .filter(|row| row["source"] == "village")
            .collect();
        assert_eq!(village.len(), 14);
        assert_eq!(village.iter().filter(|row| row["sex"] == "M").count(), 6);
        let certificates: HashSet<_> = births
            .iter()
            .map(|row| &row["birth_certificate_no"])
            .collect();
        assert_eq!(certificates.len(), 14);
        assert!(
            births
                .iter()
                .chain(&registrations)
                .all(|row| date(&row["reported_on"]) <= day)
        );
        half_year_returns_and_money(dir.path());
    }
}

fn half_year_returns_and_money(dir: &Path) {
    let returns = read(dir, "returns.csv");
    let sum = |indicator: &str, office: &str| -> u64 {
        let rows = returns.iter();
        let rows = rows.filter(|row| row["indicator"] == indicator && row["office"] == office);
        rows.map(|row| row["value"].parse::<u64>().unwrap()).sum()
    };
    assert_eq!(returns.len(), 2 * 6 * 8);
    for office in ["990101100001", "990101100000"] {
        assert_eq!(sum("births", office), 11);
        assert_eq!(
            sum("births_male", office) + sum("births_female", office),
            11
        );
        // Marriages are reported late as well; the ledger has all four.
        assert!(sum("marriages", office) <= 4);
    }
    let last = returns
        .iter()
        .rfind(|row| row["indicator"] == "population")
        .unwrap();
    assert_eq!(
        (last["value"].as_str(), last["submitted_on"].as_str()),
        ("7523", "2014-07-03")
    );
    let quantities: Vec<(String, String, String)> = read(dir, "activities.csv")
        .into_iter()
        .map(|row| {
            (
                row["kind"].clone(),
                row["quantity"].clone(),
                row["eligible"].clone(),
            )
        })
        .collect();
    let expected = [
        ("blackboard", "6", ""),
        ("banner", "2", ""),
        ("leaflet", "1000", ""),
        ("campaign", "3", ""),
        ("couplet", "60", ""),
        ("association_study", "2", ""),
        ("association_event", "4", ""),
        ("relief_visit", "2", ""),
        ("preconception_checkup", "8", "9"),
    ];
    let text = |(kind, quantity, eligible): (&str, &str, &str)| {
        (kind.to_owned(), quantity.to_owned(), eligible.to_owned())
    };
    assert_eq!(quantities, expected.map(text));
    let money = read(dir, "disbursements.csv");
    let flow = |flow: &str| money.iter().filter(|row| row["flow"] == flow).count();
    assert_eq!(
        (flow("entitlement"), flow("appropriation"), money.len()),
        (404, 1, 405)
    );
    let funding = money
        .iter()
        .find(|row| row["flow"] == "appropriation")
        .unwrap();
    assert!(funding["amount_yuan"].parse::<f64>().unwrap() >= 8.5 * 7_523.0);
}

#[test]
fn one_seed_gives_one_delivery() {
    let options = Options {
        faults: Fault::ALL.to_vec(),
        ..township()
    };
    let (one, two) = (written(&options), written(&options));
    let other = written(&Options { seed: 2, ..options });
    for file in FILES.into_iter().chain(["truth.csv"]) {
        let bytes = |dir: &tempfile::TempDir| std::fs::read(dir.path().join(file)).unwrap();
        assert_eq!(bytes(&one), bytes(&two), "{file}");
        let same_for_all_seeds = ["offices.csv", "activities.csv"].contains(&file);
        assert_eq!(bytes(&one) == bytes(&other), same_for_all_seeds, "{file}");
    }
}

#[test]
fn a_number_of_births_is_kept_exactly() {
    // Few residents, so most mothers must come from outside the register.
    for (births, population) in [(0, 500), (1, 500), (5_000, 3_000), (20_000, 1_000)] {
        let options = Options {
            births: Some(births),
            population,
            villages: 7,
            ..Options::default()
        };
        let dir = written(&options);
        let rows = read(dir.path(), "births.csv");
        let village = rows.iter().filter(|row| row["source"] == "village").count();
        assert_eq!(village as u64, births);
        records_are_sound(dir.path());
    }
}

#[test]
fn a_clean_delivery_breaks_no_rule() {
    for options in [
        township(),
        Options {
            seed: 5,
            population: 9_000,
            villages: 40,
            months: 14,
            ..Options::default()
        },
        Options {
            seed: 6,
            population: 2_000,
            villages: 1,
            months: 1,
            ..Options::default()
        },
    ] {
        let dir = written(&options);
        assert!(!dir.path().join("truth.csv").exists());
        records_are_sound(dir.path());
        copies_agree(dir.path());
        payments_are_due(dir.path());
        assert_eq!(false_returns(dir.path()), BTreeSet::new());
    }
}

fn id_is_sound(id: &str, born: &str, female: bool) {
    let bytes: [u8; 18] = id.as_bytes().try_into().unwrap();
    assert_eq!(bytes[17], check_character(&bytes), "{id}");
    assert_eq!(id[6..14], born.replace('-', ""), "{id}");
    assert_eq!(bytes[16].is_multiple_of(2), female, "{id}");
}

/// ID numbers, dates, duplicates, order, mothers' ages, births of one mother.
fn records_are_sound(dir: &Path) {
    let mut records = HashSet::new();
    for file in FILES
        .into_iter()
        .filter(|file| !["offices.csv", "returns.csv"].contains(file))
    {
        let mut last = NaiveDate::MIN;
        for row in read(dir, file) {
            let (occurred, reported) = (date(&row["occurred_on"]), date(&row["reported_on"]));
            assert!(
                (0..=30).contains(&(reported - occurred).num_days()),
                "{row:?}"
            );
            assert!(reported >= last, "{file} is out of order at {row:?}");
            last = reported;
            assert!(records.insert((row["source"].clone(), row["source_record_id"].clone())));
        }
    }
    let mut persons = HashSet::new();
    for row in read(dir, "registrations.csv") {
        if row["kind"] != "household" {
            id_is_sound(&row["id_no"], &row["born_on"], row["sex"] == "F");
        }
        let new = ["resident", "arrival"].contains(&row["kind"].as_str());
        assert!(!new || persons.insert(row["id_no"].clone()), "{row:?}");
    }
    let births = read(dir, "births.csv");
    let mut certificates = HashSet::new();
    let mut mothers: HashMap<_, Vec<&Row>> = HashMap::new();
    for row in &births {
        id_is_sound(&row["mother_id_no"], &row["mother_born_on"], true);
        let certificate = row["birth_certificate_no"].as_bytes();
        assert!(certificate.len() == 10 && certificate[0].is_ascii_uppercase());
        assert!(certificate[1..].iter().all(u8::is_ascii_digit));
        assert!(certificates.insert((&row["source"], certificate)));
        let age = date(&row["occurred_on"])
            .years_since(date(&row["mother_born_on"]))
            .unwrap();
        assert!((20..41).contains(&age));
        mothers
            .entry((&row["source"], &row["mother_id_no"]))
            .or_default()
            .push(row);
    }
    for children in mothers.values().filter(|children| children.len() > 1) {
        let [one, two] = children[..] else {
            panic!("three children of one mother")
        };
        assert_eq!(
            (&one["occurred_on"], one["plurality"].as_str()),
            (&two["occurred_on"], "2")
        );
        assert_ne!(one["child_name"], two["child_name"]);
    }
}

fn copies_agree(dir: &Path) {
    let births = read(dir, "births.csv");
    let offices: HashSet<_> = read(dir, "offices.csv")
        .into_iter()
        .map(|row| row["code"].clone())
        .collect();
    let by_certificate = |source: &str| -> HashMap<&str, &Row> {
        let rows = births.iter().filter(|row| row["source"] == source);
        rows.map(|row| (row["birth_certificate_no"].as_str(), row))
            .collect()
    };
    let (village, hospital) = (by_certificate("village"), by_certificate("hospital"));
    for (certificate, row) in &village {
        assert_eq!(
            hospital.contains_key(certificate),
            offices.contains(&row["facility"])
        );
    }
    for (certificate, copy) in &hospital {
        let Some(row) = village.get(certificate) else {
            assert!(!offices.contains(&copy["mother_residence"]));
            continue;
        };
        let differs = |column: &&String| copy[column.as_str()] != row[column.as_str()];
        let different: Vec<_> = copy.keys().filter(differs).map(String::as_str).collect();
        let own = [
            "father_name",
            "household_no",
            "office",
            "reported_on",
            "source",
            "source_record_id",
        ];
        assert!(
            different.iter().all(|column| own.contains(column)),
            "{different:?}"
        );
    }
}

fn payments_are_due(dir: &Path) {
    let registrations = read(dir, "registrations.csv");
    let of_kind = |kind: &'static str| -> HashMap<&str, &str> {
        let rows = registrations.iter().filter(move |row| row["kind"] == kind);
        rows.map(|row| (row["id_no"].as_str(), row["occurred_on"].as_str()))
            .collect()
    };
    let (residents, dead, gone) = (of_kind("resident"), of_kind("death"), of_kind("departure"));
    let mut net: BTreeMap<(String, String), (i32, i32)> = BTreeMap::new();
    for row in read(dir, "disbursements.csv") {
        if row["flow"] == "appropriation" {
            continue;
        }
        let id = row["beneficiary_id_no"].as_str();
        assert!(residents.contains_key(id) && !gone.contains_key(id));
        assert!(
            dead.get(id)
                .is_none_or(|day| *day > row["occurred_on"].as_str())
        );
        assert_eq!(row["amount_yuan"], "960.00");
        let year: i32 = row["period"].parse().unwrap();
        assert!(year - date(&row["beneficiary_born_on"]).year() >= 60);
        let entry = net
            .entry((row["period"].clone(), id.to_owned()))
            .or_default();
        match row["flow"].as_str() {
            "entitlement" => entry.0 += 1,
            "payment" => entry.1 += 1,
            _ => entry.1 -= 1,
        }
    }
    let paid: HashSet<String> = net
        .iter()
        .filter(|(_, net)| net.1 > 0)
        .map(|(key, _)| key.0.clone())
        .collect();
    for ((year, id), (entitled, payments)) in &net {
        let died = dead
            .get(id.as_str())
            .is_some_and(|day| *day <= format!("{year}-08-31").as_str());
        assert_eq!(*entitled, 1);
        assert!(
            *payments == 1 || (*payments == 0 && (died || !paid.contains(year))),
            "{id}"
        );
    }
}

/// What the villages reported: days of the reports by office, month and indicator, and residents.
struct Reports {
    days: HashMap<(String, String, String), Vec<String>>,
    residents: HashMap<String, u64>,
}

impl Reports {
    fn read(dir: &Path) -> Self {
        let mut reports = Self {
            days: HashMap::new(),
            residents: HashMap::new(),
        };
        for row in read(dir, "registrations.csv")
            .iter()
            .filter(|row| row["source"] == "village")
        {
            match row["kind"].as_str() {
                "resident" => *reports.residents.entry(row["office"].clone()).or_default() += 1,
                kind => reports.add(row, &format!("{kind}s")),
            }
        }
        for row in read(dir, "births.csv")
            .iter()
            .filter(|row| row["source"] == "village")
        {
            reports.add(row, "births");
            reports.add(
                row,
                if row["sex"] == "M" {
                    "births_male"
                } else {
                    "births_female"
                },
            );
        }
        reports
    }

    fn add(&mut self, row: &Row, indicator: &str) {
        let month = row["occurred_on"][..7].to_owned();
        let key = (row["office"].clone(), month, indicator.to_owned());
        self.days
            .entry(key)
            .or_default()
            .push(row["reported_on"].clone());
    }

    fn count(&self, office: &str, period: &str, indicator: &str, until: &str) -> u64 {
        let key = (office.to_owned(), period.to_owned(), indicator.to_owned());
        let days = self.days.get(&key).into_iter().flatten();
        days.filter(|day| day.as_str() <= until).count() as u64
    }

    fn population(&self, office: &str, periods: &[&String], until: &str) -> u64 {
        let residents = self.residents.get(office).copied().unwrap_or(0);
        periods.iter().fold(residents, |sum, period| {
            let count = |indicator: &str| self.count(office, period, indicator, until);
            sum + count("births") + count("arrivals") - count("deaths") - count("departures")
        })
    }
}

/// Record numbers of the return lines that are not what the files say.
fn false_returns(dir: &Path) -> BTreeSet<String> {
    let reports = Reports::read(dir);
    let returns = read(dir, "returns.csv");
    let periods: BTreeSet<&String> = returns.iter().map(|row| &row["period"]).collect();
    let parents: HashMap<String, String> = read(dir, "offices.csv")
        .into_iter()
        .filter(|row| row["level"] == "village")
        .map(|row| (row["code"].clone(), row["parent"].clone()))
        .collect();
    let mut sums: HashMap<(&str, &str, &str), u64> = HashMap::new();
    let mut wrong = BTreeSet::new();
    // Rates are no sums.
    for row in returns.iter().filter(|row| row["denominator"].is_empty()) {
        let (office, period, indicator) = (&row["office"], &row["period"], &row["indicator"]);
        let stated: u64 = row["value"].parse().unwrap();
        let until = &row["submitted_on"];
        let counted = if let Some(parent) = parents.get(office) {
            *sums.entry((parent, period, indicator)).or_default() += stated;
            if indicator == "population" {
                let past: Vec<_> = periods
                    .iter()
                    .copied()
                    .filter(|other| *other <= period)
                    .collect();
                reports.population(office, &past, until)
            } else {
                reports.count(office, period, indicator, until)
            }
        } else {
            sums[&(office.as_str(), period.as_str(), indicator.as_str())]
        };
        if stated != counted {
            wrong.insert(row["source_record_id"].clone());
        }
    }
    wrong
}

#[test]
fn every_fault_is_in_the_files_and_in_the_truth() {
    let dir = written(&Options {
        faults: Fault::ALL.to_vec(),
        ..township()
    });
    let truth = read(dir.path(), "truth.csv");
    let mut records = HashSet::new();
    for file in FILES.into_iter().filter(|file| *file != "offices.csv") {
        records.extend(
            read(dir.path(), file)
                .into_iter()
                .map(|row| row["source_record_id"].clone()),
        );
    }
    let offices: HashSet<_> = read(dir.path(), "offices.csv")
        .into_iter()
        .map(|row| row["code"].clone())
        .collect();
    for line in &truth {
        for key in line["keys"].split(' ') {
            let office = key.split('@').next().unwrap();
            assert!(
                records.contains(key) || offices.contains(office),
                "{line:?}"
            );
        }
    }
    for fault in Fault::ALL {
        assert!(
            truth.iter().any(|line| line["fault"] == fault.name()),
            "{fault}"
        );
    }
    // Every line of a return that is false is named by the truth, and by nothing else.
    let named: BTreeSet<String> = truth
        .iter()
        .filter(|line| ["AR1", "AR2"].contains(&line["family"].as_str()))
        .flat_map(|line| line["keys"].split(' ').map(str::to_owned))
        .collect();
    let wrong = false_returns(dir.path());
    assert!(wrong.is_subset(&named), "{:?}", wrong.difference(&named));
}

#[test]
fn every_fault_alone_changes_the_files() {
    let clean = written(&township());
    let content = |dir: &tempfile::TempDir| -> Vec<Vec<u8>> {
        FILES
            .iter()
            .map(|file| std::fs::read(dir.path().join(file)).unwrap())
            .collect()
    };
    let sound = content(&clean);
    for fault in Fault::ALL {
        let dir = written(&Options {
            faults: vec![*fault],
            ..township()
        });
        assert!(content(&dir) != sound, "{fault}");
        let truth = read(dir.path(), "truth.csv");
        assert!(
            truth.iter().any(|line| line["fault"] == fault.name()),
            "{fault}"
        );
    }
}

#[test]
fn a_fault_without_room_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let small = Options {
        population: 500,
        months: 2,
        villages: 1,
        faults: vec![Fault::ZeroRun],
        ..Options::default()
    };
    let error = write(&dir.path().join("new"), &small, &mut |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "the fault zero_run needs 14 months");
    assert!(!dir.path().join("new").exists());
}

#[test]
fn a_delivery_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let small = Options {
        population: 500,
        months: 1,
        villages: 1,
        ..Options::default()
    };
    write(dir.path(), &small, &mut |_| ()).unwrap();
    let error = write(dir.path(), &small, &mut |_| ()).unwrap_err();
    assert!(matches!(error, SimulateError::Write { .. }));
}

#[test]
fn progress_is_told_and_ends_with_all_rows() {
    let dir = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    let summary = write(dir.path(), &township(), &mut |rows| told.push(rows)).unwrap();
    assert!(told.is_sorted() && told.len() > 2);
    assert_eq!(told.last(), Some(&summary.total()));
}
