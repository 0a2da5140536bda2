//! Rows become columns and columns the same rows, whatever they hold.

use proptest::prelude::*;
use proptest::sample::select;

use super::builder::RowBuilder;
use super::*;
use crate::model::cell::{Decimal, Fen, Slug};
use crate::model::code::{
    BirthPlace, Flow, GestationBand, LossTiming, MaritalStatus, RegistrationKind, Sex, Source,
};
use crate::model::fields::{
    ActivityFields, BirthFields, DisbursementFields, PregnancyLossFields, RegistrationFields,
    ReturnFields,
};
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::model::time::{date_of_number, day_number};

/// Every value that an entry can carry, also such as intake would refuse today.
trait AnyValue: Sized + std::fmt::Debug + 'static {
    fn any_value() -> BoxedStrategy<Self>;
}

impl AnyValue for i64 {
    fn any_value() -> BoxedStrategy<Self> {
        any::<Self>().boxed()
    }
}

impl AnyValue for Fen {
    fn any_value() -> BoxedStrategy<Self> {
        any::<i64>().prop_map(Self).boxed()
    }
}

impl AnyValue for Slug {
    fn any_value() -> BoxedStrategy<Self> {
        let refused_today = select(vec!["in_plan", "计划内", " a b ", "", "null"]);
        prop_oneof![".{0,12}", refused_today.prop_map(str::to_owned)]
            .prop_map(Self)
            .boxed()
    }
}

impl AnyValue for Decimal {
    fn any_value() -> BoxedStrategy<Self> {
        "-?[0-9]{1,15}(\\.[0-9]{1,15})?".prop_map(Self).boxed()
    }
}

impl AnyValue for NaiveDate {
    fn any_value() -> BoxedStrategy<Self> {
        (-1_000_000..4_000_000)
            .prop_filter_map("a date", NaiveDate::from_num_days_from_ce_opt)
            .boxed()
    }
}

impl AnyValue for OfficeCode {
    fn any_value() -> BoxedStrategy<Self> {
        "[0-9]{12}"
            .prop_filter_map("a code", |digits| Self::parse(&digits))
            .boxed()
    }
}

impl AnyValue for Period {
    fn any_value() -> BoxedStrategy<Self> {
        let year = || 1800..=2200;
        prop_oneof![
            (year(), 1..=12_u32).prop_map(|(year, month)| Self::Month(year, month)),
            (year(), 1..=4_u32).prop_map(|(year, quarter)| Self::Quarter(year, quarter)),
            (year(), 1..=2_u32).prop_map(|(year, half)| Self::Half(year, half)),
            year().prop_map(Self::Year),
            year().prop_map(Self::StatisticalYear),
        ]
        .boxed()
    }
}

macro_rules! any_code {
    ($($name:ident)+) => {$(
        impl AnyValue for $name {
            fn any_value() -> BoxedStrategy<Self> {
                select(Self::ALL).boxed()
            }
        }
    )+};
}

any_code! { BirthPlace Flow GestationBand LossTiming MaritalStatus RegistrationKind Sex Source }

/// The struct literal fails to compile when a field is added to a kind and not here.
macro_rules! any_of {
    ($fields:ident as $kind:ident { $($field:ident)+ }) => {
        ($(any_option(|fields: &$fields| fields.$field.clone()),)+)
            .prop_map(|($($field,)+)| AnyFields::$kind($fields { $($field,)+ }))
            .boxed()
    };
}

/// A field, stated or not; the function only tells its type.
fn any_option<F, T: AnyValue>(_: fn(&F) -> Option<T>) -> BoxedStrategy<Option<T>> {
    proptest::option::weighted(0.8, T::any_value()).boxed()
}

/// Any public fields of a kind.
pub(in crate::registers) fn any_fields(kind: RecordKind) -> BoxedStrategy<AnyFields> {
    match kind {
        RecordKind::Registration => any_of!(RegistrationFields as Registration {
            born_year kind marital_status occurred_on office place_from_county place_to_county
            reported_on sex source
        }),
        RecordKind::Birth => any_of!(BirthFields as Birth {
            facility gestation_days mother_age mother_residence_county occurred_on office place
            plurality reported_on sex source weight_g
        }),
        RecordKind::PregnancyLoss => any_of!(PregnancyLossFields as PregnancyLoss {
            gestation_band month plurality timing township
        }),
        RecordKind::Disbursement => any_of!(DisbursementFields as Disbursement {
            amount_fen approved_by flow occurred_on office period reported_on scheme source
        }),
        RecordKind::Activity => any_of!(ActivityFields as Activity {
            eligible kind occurred_on office quantity reported_on source
        }),
        RecordKind::Return => any_of!(ReturnFields as Return {
            denominator indicator numerator office period source submitted_by submitted_on value
        }),
    }
}

fn any_row(kind: RecordKind) -> impl Strategy<Value = RegisterRow> {
    let change = select(vec![Change::Recorded, Change::Corrected, Change::Voided]);
    // From year 1 to year 9999.
    let micros = -62_135_596_800_000_000..253_402_300_800_000_000_i64;
    let numbers = (any::<u64>(), any::<u64>(), micros);
    let parts = (any::<[u8; 16]>(), any::<[u8; 16]>(), numbers, change);
    (parts, any_fields(kind)).prop_map(move |((record, event, numbers, change), fields)| {
        let voided = change == Change::Voided;
        RegisterRow {
            record_id: Uuid::from_bytes(record),
            version: numbers.0,
            position: numbers.1,
            recorded_at: Timestamp::from_micros(numbers.2).unwrap(),
            change,
            event_id: Uuid::from_bytes(event),
            fields: if voided {
                AnyFields::empty(kind)
            } else {
                fields
            },
        }
    })
}

fn any_rows() -> impl Strategy<Value = (RecordKind, Vec<RegisterRow>)> {
    select(RecordKind::ALL.to_vec())
        .prop_flat_map(|kind| (Just(kind), prop::collection::vec(any_row(kind), 0..20)))
}

proptest! {
    #[test]
    fn rows_go_into_columns_and_back((kind, rows) in any_rows()) {
        let batch = RowBuilder::batch_of(kind, &rows).unwrap();
        prop_assert_eq!(batch.schema(), schema(kind));
        let reader = RowReader::new(kind, &batch).unwrap();
        let back: Vec<_> = reader.rows().map(Result::unwrap).collect();
        prop_assert_eq!(back, rows);
    }
}

#[test]
fn columns_have_different_names() {
    for kind in RecordKind::ALL {
        let schema = schema(kind);
        let mut names: Vec<_> = schema.fields().iter().map(|field| field.name()).collect();
        assert_eq!(names.len(), 6 + AnyFields::columns(kind).len());
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), schema.fields().len(), "{kind}");
    }
}

#[test]
fn dates_count_from_1970() {
    let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
    assert_eq!(day_number(day(1970, 1, 1)), 0);
    assert_eq!(day_number(day(1969, 12, 31)), -1);
    assert_eq!(day_number(day(2014, 6, 30)), 16_251);
    assert_eq!(date_of_number(i32::MAX), None);
}

#[test]
fn a_row_of_another_kind_and_columns_of_another_kind_are_refused() {
    let births = RowBuilder::new(RecordKind::Birth).finish().unwrap();
    assert!(matches!(
        RowReader::new(RecordKind::Return, &births),
        Err(ColumnError::Column {
            kind: RecordKind::Return,
            ..
        })
    ));
    let row = RegisterRow {
        record_id: Uuid::nil(),
        version: 1,
        position: 0,
        recorded_at: Timestamp::default(),
        change: Change::Recorded,
        event_id: Uuid::nil(),
        fields: AnyFields::empty(RecordKind::Activity),
    };
    assert!(matches!(
        RowBuilder::new(RecordKind::Birth).push(&row),
        Err(ColumnError::Kind {
            expected: RecordKind::Birth,
            found: RecordKind::Activity,
        })
    ));
}

#[test]
fn a_word_that_no_code_list_has_is_refused() {
    let mut columns = RowBuilder::new(RecordKind::Birth)
        .finish()
        .unwrap()
        .columns()
        .to_vec();
    let names = schema(RecordKind::Birth);
    for (column, field) in columns.iter_mut().zip(names.fields()) {
        *column = arrow_array::new_null_array(field.data_type(), 1);
    }
    columns[0] = Arc::new(FixedSizeBinaryArray::try_from_iter([[1_u8; 16]].iter()).unwrap());
    columns[1] = Arc::new(UInt64Array::from(vec![1]));
    columns[2] = Arc::new(UInt64Array::from(vec![7]));
    columns[3] = Arc::new(TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC"));
    columns[4] = Arc::new(StringArray::from(vec!["recorded"]));
    columns[5] = Arc::clone(&columns[0]);
    let sex = names.index_of("sex").unwrap();
    columns[sex] = Arc::new(StringArray::from(vec!["女"]));
    let batch = RecordBatch::try_new(names, columns).unwrap();
    let reader = RowReader::new(RecordKind::Birth, &batch).unwrap();
    let error = reader.row(0).unwrap_err().to_string();
    assert!(error.contains("unknown variant"), "{error}");
}
