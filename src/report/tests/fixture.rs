//! Snapshots as the half-year sample of the intake description gives them: one community of a
//! township, first half of 2014, with what must not be counted beside it.

use chrono::{Days, NaiveDate};
use uuid::Uuid;

use crate::model::cell::{Decimal, Fen, Slug};
use crate::model::code::{Flow, MaritalStatus, OfficeLevel, RegistrationKind, Sex, Source};
use crate::model::fields::{
    ActivityFields, AnyFields, BirthFields, DisbursementFields, RegistrationFields, ReturnFields,
};
use crate::model::id::OfficeCode;
use crate::model::office::OfficeFields;
use crate::model::period::Period;
use crate::model::time::Timestamp;
use crate::registers::row::{Change, RegisterRow};
use crate::registers::snapshot::Snapshot;

pub const TOWNSHIP: &str = "990101100000";
pub const COMMUNITY: &str = "990101100001";

pub fn office(code: &str) -> OfficeCode {
    OfficeCode::parse(code).unwrap()
}

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub fn period(text: &str) -> Period {
    Period::parse(text).unwrap()
}

/// A snapshot that rows are put into, in the order of an import.
pub struct Ledger(pub Snapshot);

impl Ledger {
    pub fn new() -> Self {
        let mut snapshot = Snapshot {
            origin: "ledger.example.org/demo".to_owned(),
            simulated_clock: true,
            ..Snapshot::default()
        };
        for (code, name_zh, name_en, level, parent) in [
            (
                "990101000000",
                "示范县",
                "Sample County",
                OfficeLevel::County,
                None,
            ),
            (
                TOWNSHIP,
                "示范镇",
                "Sample Township",
                OfficeLevel::Township,
                Some("990101000000"),
            ),
            (
                COMMUNITY,
                "第1社区",
                "Community 1",
                OfficeLevel::Village,
                Some(TOWNSHIP),
            ),
            (
                "990101100002",
                "第2社区",
                "Community 2",
                OfficeLevel::Village,
                Some("990101000000"),
            ),
        ] {
            snapshot.offices.insert(OfficeFields {
                code: office(code),
                level,
                name_en: Some(name_en.to_owned()),
                name_zh: Some(name_zh.to_owned()),
                parent: parent.map(office),
            });
        }
        Self(snapshot)
    }

    /// Puts a row at the next position; the ledger learns of it on the day.
    pub fn put(&mut self, fields: AnyFields, recorded_on: NaiveDate) -> Uuid {
        let position = self.0.size;
        let record_id = Uuid::from_u128(u128::from(position) + 1);
        let recorded_at = Timestamp::simulated(recorded_on).max(self.0.recorded_at);
        let row = RegisterRow {
            record_id,
            version: 1,
            position,
            recorded_at,
            change: Change::Recorded,
            event_id: record_id,
            fields,
        };
        self.0.size += 1;
        self.0.recorded_at = recorded_at;
        self.0.rows.entry(row.kind()).or_default().push(row);
        record_id
    }

    pub fn registration(
        &mut self,
        kind: RegistrationKind,
        of: &str,
        on: &str,
        reported: &str,
    ) -> Uuid {
        self.put(
            AnyFields::Registration(registration(kind, of, on, reported)),
            day(reported),
        )
    }

    pub fn birth(&mut self, source: Source, of: &str, sex: Sex, on: &str, reported: &str) {
        let fields = BirthFields {
            source: Some(source),
            office: Some(office(of)),
            sex: Some(sex),
            occurred_on: Some(day(on)),
            reported_on: Some(day(reported)),
            ..BirthFields::default()
        };
        self.put(AnyFields::Birth(fields), day(reported));
    }

    pub fn activity(&mut self, kind: &str, on: &str, quantity: i64, eligible: Option<i64>) {
        let fields = ActivityFields {
            kind: Some(Slug(kind.to_owned())),
            source: Some(Source::Village),
            office: Some(office(COMMUNITY)),
            occurred_on: Some(day(on)),
            reported_on: day(on).checked_add_days(Days::new(1)),
            quantity: Some(quantity),
            eligible,
        };
        self.put(AnyFields::Activity(fields), day(on));
    }

    pub fn money(&mut self, source: Source, flow: Flow, scheme: &str, fen: i64, on: &str) {
        let of = if flow == Flow::Appropriation {
            TOWNSHIP
        } else {
            COMMUNITY
        };
        let fields = DisbursementFields {
            flow: Some(flow),
            source: Some(source),
            scheme: Some(Slug(scheme.to_owned())),
            period: Some(Period::Year(2014)),
            amount_fen: Some(Fen(fen)),
            office: Some(office(of)),
            occurred_on: Some(day(on)),
            reported_on: Some(day(on)),
            approved_by: None,
        };
        self.put(AnyFields::Disbursement(fields), day(on));
    }

    pub fn line(&mut self, of: &str, period: &str, indicator: &str, value: &str, on: &str) {
        let fields = ReturnFields {
            source: Some(Source::Village),
            office: Some(office(of)),
            period: Period::parse(period),
            indicator: Some(Slug(indicator.to_owned())),
            value: Some(Decimal(value.to_owned())),
            submitted_on: Some(day(on)),
            ..ReturnFields::default()
        };
        self.put(AnyFields::Return(fields), day(on));
    }
}

pub fn registration(
    kind: RegistrationKind,
    of: &str,
    on: &str,
    reported: &str,
) -> RegistrationFields {
    RegistrationFields {
        kind: Some(kind),
        source: Some(Source::Village),
        office: Some(office(of)),
        occurred_on: Some(day(on)),
        reported_on: Some(day(reported)),
        ..RegistrationFields::default()
    }
}

/// Births by the village: sex, day, day of the report.
pub const BIRTHS: [(Sex, &str, &str); 14] = [
    (Sex::Male, "2014-01-03", "2014-01-05"),
    (Sex::Female, "2014-01-15", "2014-01-23"),
    (Sex::Female, "2014-01-28", "2014-02-05"),
    (Sex::Male, "2014-02-10", "2014-02-21"),
    (Sex::Female, "2014-02-23", "2014-03-02"),
    (Sex::Male, "2014-03-08", "2014-03-19"),
    (Sex::Female, "2014-03-21", "2014-03-26"),
    (Sex::Male, "2014-04-03", "2014-04-06"),
    (Sex::Female, "2014-04-15", "2014-04-20"),
    (Sex::Female, "2014-04-28", "2014-05-02"),
    (Sex::Male, "2014-05-11", "2014-05-17"),
    (Sex::Female, "2014-05-24", "2014-05-25"),
    (Sex::Male, "2014-06-06", "2014-06-17"),
    (Sex::Female, "2014-06-19", "2014-06-25"),
];

const MARRIED_WOMEN: u64 = 867;
const RESIDENTS: u64 = 7_509;

/// Residents: the first 867 are married women of 15 to 49, born so that the first turns 50 the
/// day after the half-year and the last turns 15 on its last day; then women who are married but
/// too old or too young by one day, then everyone else.
fn residents(ledger: &mut Ledger) {
    let (oldest, youngest) = (day("1964-07-01"), day("1999-06-30"));
    for i in 0..RESIDENTS {
        let mut fields = registration(
            RegistrationKind::Resident,
            COMMUNITY,
            "2014-01-01",
            "2014-01-01",
        );
        let born = match i {
            _ if i == MARRIED_WOMEN - 1 => youngest,
            _ if i < MARRIED_WOMEN => oldest.checked_add_days(Days::new(i * 14)).unwrap(),
            _ if i < MARRIED_WOMEN + 300 => day("1964-06-30"),
            _ if i < MARRIED_WOMEN + 310 => day("1999-07-01"),
            _ => day("1980-05-05"),
        };
        let single = i >= MARRIED_WOMEN + 310;
        let man = single && i.is_multiple_of(2);
        fields.sex = Some(if man { Sex::Male } else { Sex::Female });
        fields.marital_status = Some(if single && !man {
            MaritalStatus::Single
        } else {
            MaritalStatus::Married
        });
        let record = ledger.put(AnyFields::Registration(fields), day("2014-01-01"));
        ledger.0.born_on.insert(record, born);
    }
}

/// Everything that was recorded by 3 July 2014.
pub fn half_year() -> Ledger {
    let mut ledger = Ledger::new();
    for _ in 0..3_564 {
        ledger.registration(
            RegistrationKind::Household,
            COMMUNITY,
            "2014-01-01",
            "2014-01-01",
        );
    }
    residents(&mut ledger);
    for (sex, on, reported) in BIRTHS {
        ledger.birth(Source::Hospital, COMMUNITY, sex, on, on);
        ledger.birth(Source::Village, COMMUNITY, sex, on, reported);
    }
    for (on, reported) in [
        ("2014-01-12", "2014-01-30"),
        ("2014-02-11", "2014-03-04"),
        ("2014-03-13", "2014-03-15"),
        ("2014-04-12", "2014-04-20"),
    ] {
        ledger.registration(RegistrationKind::Marriage, COMMUNITY, on, reported);
    }
    activities_and_money(&mut ledger);
    for (month, village, births) in [(1, 2, "2"), (2, 3, "1"), (3, 4, "2"), (4, 5, "2")] {
        returns(&mut ledger, month, village, births);
    }
    returns(&mut ledger, 5, 6, "2");
    returns(&mut ledger, 6, 7, "2");
    ledger
}

fn activities_and_money(ledger: &mut Ledger) {
    for (kind, on, quantity) in [
        ("blackboard", "2014-01-06", 6),
        ("banner", "2014-01-18", 2),
        ("leaflet", "2014-01-30", 1_000),
        ("campaign", "2014-02-11", 3),
        ("couplet", "2014-02-23", 60),
        ("association_study", "2014-03-07", 2),
        ("association_event", "2014-03-19", 4),
        ("relief_visit", "2014-03-31", 2),
    ] {
        ledger.activity(kind, on, quantity, None);
    }
    ledger.activity("preconception_checkup", "2014-04-12", 8, Some(9));
    let (finance, village) = (Source::Finance, Source::Village);
    ledger.money(
        finance,
        Flow::Appropriation,
        "programme_funding",
        6_695_470,
        "2014-01-20",
    );
    for _ in 0..404 {
        ledger.money(
            village,
            Flow::Entitlement,
            "family_support",
            96_000,
            "2014-02-20",
        );
    }
}

/// The return of a month by the community on the 1st, and the township's sum on the 3rd.
fn returns(ledger: &mut Ledger, month: u32, next: u32, births: &str) {
    let of = format!("2014-{month:02}");
    let on = |day: u32| format!("2014-{next:02}-{day:02}");
    ledger.line(COMMUNITY, &of, "births", births, &on(1));
    ledger.line(COMMUNITY, &of, "marriages", "1", &on(1));
    ledger.line(TOWNSHIP, &of, "births", births, &on(3));
}
