//! The tables that rules ask: the current records, with what their sealed fields say.
//!
//! What comes in: current rows of the registers, each with its sealed values, opened. What goes
//! out: one table for each kind of record, in memory only. What may fail: nothing; what cannot be
//! read is null. What must stay true: no table holds a personal field. A name, an ID number, a
//! household, an account or a certificate is a keyed code that tells only whether two are the
//! same; an ID number also says which fault it has, and a birth date is a day number, which rules
//! need and no message repeats.
//!
//! Columns that are the same in every table: `record` is the position of the current row, and
//! stands for the record; `office` is the 12 digits as a number; days are numbers of days since
//! 1970 (`occurred_day`), months are 12 times the year plus the month less 1 (`occurred_month`).

use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::builder::{
    BooleanBuilder, Date32Builder, FixedSizeBinaryBuilder, Float64Builder, Int64Builder,
    StringBuilder,
};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::{sort_to_indices, take_record_batch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;

use crate::ledger::keys::Prf;
use crate::model::cell::Value;
use crate::model::period::Period;
use crate::model::schema::RecordKind;
use crate::model::time::{age_in_years, day_number, month_number, parse_date};
use crate::registers::row::RegisterRow;
use crate::statistics::identity::{
    NumberFault, compared_number, is_certificate_number, resident_number,
};
use crate::statistics::similarity::compared_name;
use Take::{
    AgeAt, AgeAtPeriodEnd, Alike, CertificateHolds, Code, Date, Day, First, Known, Month, Name,
    Number, Office, OfficeOf, PeriodFirst, PeriodKind, PeriodLast, PeriodLastMonth, Person,
    Position, Real, RecordedDay, Text, Whole, Woman,
};

/// Tables by name.
pub type Tables = Vec<(&'static str, Vec<RecordBatch>)>;

/// How a column is made of a record. The names are those of fields, public or sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Take {
    /// The position of the current row.
    Position,
    /// The position of the record's first entry.
    First,
    /// The day on which the ledger learned of it.
    RecordedDay,
    /// A word.
    Text(&'static str),
    /// A whole number.
    Whole(&'static str),
    /// A decimal number.
    Real(&'static str),
    /// An office, or a facility, as a number.
    Office(&'static str),
    /// The same if it is one of the offices.
    OfficeOf(&'static str),
    /// A date.
    Date(&'static str),
    /// Its day number.
    Day(&'static str),
    /// Its month.
    Month(&'static str),
    /// Whether something is stated.
    Known(&'static str),
    /// The code of a value, comparable where the purpose is the same.
    Code(&'static str, &'static str),
    /// The code of a name, as names are compared.
    Name(&'static str),
    /// The code of an ID number, as numbers are compared.
    Person(&'static str),
    /// The code of a name and a birth date together.
    Alike(&'static str, &'static str),
    /// The code of a woman, comparable within a statistical year.
    Woman,
    /// What an ID number says of itself: number, birth date, and the sex or the field that has it.
    Number(&'static str, &'static str, &'static str),
    /// Whether a certificate number has its form.
    CertificateHolds(&'static str),
    /// Age of who was born on the first at the second.
    AgeAt(&'static str, &'static str),
    /// Age on the last day of the period.
    AgeAtPeriodEnd(&'static str),
    /// First day of the period.
    PeriodFirst,
    /// Last day of it.
    PeriodLast,
    /// Month of its last day.
    PeriodLastMonth,
    /// `month` or `longer`.
    PeriodKind,
}

/// Columns of every record that is an event.
const EVENT: [(&str, Take); 11] = [
    ("record", Position),
    ("first_position", First),
    ("source", Text("source")),
    ("office", Office("office")),
    ("occurred_on", Date("occurred_on")),
    ("reported_on", Date("reported_on")),
    ("occurred_day", Day("occurred_on")),
    ("reported_day", Day("reported_on")),
    ("occurred_month", Month("occurred_on")),
    ("recorded_day", RecordedDay),
    ("has_remark", Known("remark")),
];
const REGISTRATIONS: &[(&str, Take)] = &[
    ("kind", Text("kind")),
    ("sex", Text("sex")),
    ("marital_status", Text("marital_status")),
    ("household", Code("household", "household_no")),
    ("person", Person("id_no")),
    ("name", Name("person_name")),
    ("born_day", Day("born_on")),
    ("age", AgeAt("born_on", "occurred_on")),
    ("number", Number("id_no", "born_on", "sex")),
    ("alike", Alike("person_name", "born_on")),
    ("partner", Person("partner_id_no")),
    ("partner_name", Name("partner_name")),
    ("partner_born_day", Day("partner_born_on")),
    ("partner_age", AgeAt("partner_born_on", "occurred_on")),
    (
        "partner_number",
        Number("partner_id_no", "partner_born_on", ""),
    ),
];
const BIRTHS: &[(&str, Take)] = &[
    ("sex", Text("sex")),
    ("plurality", Whole("plurality")),
    ("weight_g", Whole("weight_g")),
    ("gestation_days", Whole("gestation_days")),
    ("place", Text("place")),
    ("facility", Office("facility")),
    ("mother_age", AgeAt("mother_born_on", "occurred_on")),
    ("mother", Person("mother_id_no")),
    ("mother_name", Name("mother_name")),
    ("mother_born_day", Day("mother_born_on")),
    (
        "mother_number",
        Number("mother_id_no", "mother_born_on", "F"),
    ),
    ("child_name", Name("child_name")),
    ("certificate", Code("certificate", "birth_certificate_no")),
    ("certificate_ok", CertificateHolds("birth_certificate_no")),
    ("father", Person("father_id_no")),
    ("father_number", Number("father_id_no", "", "M")),
    ("household", Code("household", "household_no")),
    ("residence", Code("place", "mother_residence")),
    ("residence_office", OfficeOf("mother_residence")),
];
const PREGNANCY_LOSSES: &[(&str, Take)] = &[
    ("gestation_days", Whole("gestation_days")),
    ("gestation_band", Text("gestation_band")),
    ("weight_g", Whole("weight_g")),
    ("plurality", Whole("plurality")),
    ("timing", Text("timing")),
    ("facility", Office("facility")),
    ("woman", Woman),
    ("case_no", Code("case", "case_no")),
];
const DISBURSEMENTS: &[(&str, Take)] = &[
    ("flow", Text("flow")),
    ("scheme", Text("scheme")),
    ("period", Text("period")),
    ("period_first_day", PeriodFirst),
    ("period_last_day", PeriodLast),
    ("amount_fen", Whole("amount_fen")),
    ("person", Person("beneficiary_id_no")),
    ("name", Name("beneficiary_name")),
    ("born_day", Day("beneficiary_born_on")),
    ("age_at_period_end", AgeAtPeriodEnd("beneficiary_born_on")),
    (
        "number",
        Number("beneficiary_id_no", "beneficiary_born_on", ""),
    ),
    ("alike", Alike("beneficiary_name", "beneficiary_born_on")),
    ("account", Code("account", "account_no")),
    ("approved_by", Text("approved_by")),
];
const ACTIVITIES: &[(&str, Take)] = &[
    ("kind", Text("kind")),
    ("quantity", Whole("quantity")),
    ("eligible", Whole("eligible")),
];
/// Lines of returns are no events.
const RETURNS: &[(&str, Take)] = &[
    ("record", Position),
    ("first_position", First),
    ("source", Text("source")),
    ("office", Office("office")),
    ("recorded_day", RecordedDay),
    ("period", Text("period")),
    ("period_kind", PeriodKind),
    ("period_first_day", PeriodFirst),
    ("period_last_day", PeriodLast),
    ("period_last_month", PeriodLastMonth),
    ("indicator", Text("indicator")),
    ("value", Real("value")),
    ("numerator", Real("numerator")),
    ("denominator", Real("denominator")),
    ("submitted_day", Day("submitted_on")),
];

fn columns(kind: RecordKind) -> Vec<(&'static str, Take)> {
    let own = match kind {
        RecordKind::Registration => REGISTRATIONS,
        RecordKind::Birth => BIRTHS,
        RecordKind::PregnancyLoss => PREGNANCY_LOSSES,
        RecordKind::Disbursement => DISBURSEMENTS,
        RecordKind::Activity => ACTIVITIES,
        RecordKind::Return => return RETURNS.to_vec(),
    };
    EVENT.iter().chain(own).copied().collect()
}

impl Take {
    const fn data_type(self) -> DataType {
        match self {
            Text(_) | Number(..) | PeriodKind => DataType::Utf8,
            Date(_) => DataType::Date32,
            Known(_) | CertificateHolds(_) => DataType::Boolean,
            Real(_) => DataType::Float64,
            _ => DataType::Int64,
        }
    }
}

/// What is known of a record when its row is made.
pub struct Case<'a> {
    /// The current row.
    pub row: &'a RegisterRow,
    /// The sealed value of that name, opened.
    pub sealed: &'a dyn Fn(&str) -> Option<&'a str>,
    /// Where the record was first reported.
    pub first: crate::model::id::Position,
}

impl Case<'_> {
    fn text(&self, name: &str) -> Option<String> {
        match self.row.fields.get(name) {
            Some(value) => Some(value.to_string()),
            None => (self.sealed)(name).map(str::to_owned),
        }
    }

    fn date(&self, name: &str) -> Option<NaiveDate> {
        match self.row.fields.get(name) {
            Some(Value::Date(date)) => Some(date),
            Some(_) => None,
            None => parse_date((self.sealed)(name)?),
        }
    }

    fn whole(&self, name: &str) -> Option<i64> {
        match self.row.fields.get(name) {
            Some(Value::Integer(number)) => Some(number),
            Some(Value::Text(text)) => text.parse().ok(),
            Some(Value::Date(_)) => None,
            None => (self.sealed)(name)?.parse().ok(),
        }
    }

    fn period(&self) -> Option<Period> {
        Period::parse(&self.text("period")?)
    }

    fn age(&self, born: &str, on: Option<NaiveDate>) -> Option<i64> {
        age_in_years(self.date(born)?, on?)
    }

    /// What an ID number says of itself, beside the birth date and the sex that are stated.
    fn number(&self, number: &str, born: &str, sex: &str) -> Option<&'static str> {
        let read = match resident_number(&self.text(number)?) {
            Ok(read) => read,
            Err(NumberFault::Length(_)) => return Some("length"),
            Err(NumberFault::Character(_)) => return Some("characters"),
            Err(NumberFault::BirthDate) => return Some("birth_date"),
            Err(NumberFault::Check) => return Some("check"),
        };
        let stated = if matches!(sex, "M" | "F") {
            Some(sex.to_owned())
        } else {
            self.text(sex)
        };
        let other_sex = stated.is_some_and(|stated| match stated.as_str() {
            "M" => !read.male,
            "F" => read.male,
            _ => false,
        });
        let other_birth = self.date(born).is_some_and(|born| born != read.born);
        Some(match read.generation {
            _ if other_birth => "birth_differs",
            _ if other_sex => "sex_differs",
            crate::statistics::identity::Generation::First => "first_generation",
            crate::statistics::identity::Generation::Second => "ok",
        })
    }
}

/// A column that is being filled.
enum Column {
    Whole(Int64Builder),
    Real(Float64Builder),
    Text(StringBuilder),
    Date(Date32Builder),
    Truth(BooleanBuilder),
}

impl Column {
    fn of(data: &DataType) -> Self {
        match data {
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Boolean => Self::Truth(BooleanBuilder::new()),
            DataType::Float64 => Self::Real(Float64Builder::new()),
            _ => Self::Whole(Int64Builder::new()),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Whole(builder) => Arc::new(builder.finish()),
            Self::Real(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Truth(builder) => Arc::new(builder.finish()),
        }
    }
}

/// The column behind those of the rules: the record's id.
const BEHIND: (&str, DataType) = ("record_id", DataType::FixedSizeBinary(16));

/// The schema of the table of a kind, as rules see it.
#[must_use]
pub fn schema(kind: RecordKind) -> SchemaRef {
    Arc::new(Schema::new(fields(kind)))
}

/// The same with what stands behind.
#[must_use]
pub fn kept_schema(kind: RecordKind) -> SchemaRef {
    let (name, data) = BEHIND;
    let behind = Field::new(name, data, false);
    Arc::new(Schema::new([fields(kind), vec![behind]].concat()))
}

fn fields(kind: RecordKind) -> Vec<Field> {
    let field = |(name, take): &(&str, Take)| {
        let always = matches!(take, Position | RecordedDay);
        Field::new(*name, take.data_type(), !always)
    };
    columns(kind).iter().map(field).collect()
}

/// Columns that are no longer what they were when a row was made: their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changing {
    /// The code of a woman, which is destroyed with its year.
    Woman,
    /// An office, if there is one of that number.
    Office,
}

/// Which columns of a kind are to be put in, or looked at again, for every run.
#[must_use]
pub fn changing(kind: RecordKind) -> Vec<(usize, Changing)> {
    let changing = |take: Take| match take {
        Woman => Some(Changing::Woman),
        OfficeOf(_) => Some(Changing::Office),
        _ => None,
    };
    let columns = columns(kind).into_iter().enumerate();
    columns
        .filter_map(|(index, (_, take))| Some((index, changing(take)?)))
        .collect()
}

/// The columns of a kind that are codes, each with what it is a code of. Two codes of one class
/// that are the same stand for the same value; those of different classes never are.
#[must_use]
pub fn coded(kind: RecordKind) -> Vec<(usize, &'static str)> {
    let class = |take: Take| match take {
        Code(purpose, _) => Some(purpose),
        Name(_) => Some("name"),
        Person(_) => Some("person"),
        Alike(..) => Some("alike"),
        Woman => Some("woman"),
        _ => None,
    };
    let columns = columns(kind).into_iter().enumerate();
    columns
        .filter_map(|(index, (_, take))| Some((index, class(take)?)))
        .collect()
}

/// The table of one kind of record.
pub struct Cases<'k> {
    kind: RecordKind,
    /// Makes the codes.
    key: &'k Prf,
    columns: Vec<(&'static str, Take)>,
    filled: Vec<Column>,
    ids: FixedSizeBinaryBuilder,
}

impl<'k> Cases<'k> {
    /// An empty table.
    #[must_use]
    pub fn of(kind: RecordKind, key: &'k Prf) -> Self {
        let columns = columns(kind);
        let filled = columns
            .iter()
            .map(|(_, take)| Column::of(&take.data_type()));
        Self {
            kind,
            key,
            filled: filled.collect(),
            columns,
            ids: FixedSizeBinaryBuilder::new(16),
        }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// Never, as an id has 16 bytes.
    pub fn push(&mut self, case: &Case<'_>) -> Result<(), ArrowError> {
        self.ids.append_value(case.row.record_id)?;
        let mut filled = std::mem::take(&mut self.filled);
        for (column, (_, take)) in filled.iter_mut().zip(&self.columns) {
            match column {
                Column::Whole(builder) => builder.append_option(self.whole(case, *take)),
                Column::Text(builder) => match *take {
                    Number(number, born, sex) => {
                        builder.append_option(case.number(number, born, sex));
                    }
                    PeriodKind => builder.append_option(case.period().map(|period| match period {
                        Period::Month(..) => "month",
                        _ => "longer",
                    })),
                    Text(name) => builder.append_option(case.text(name)),
                    _ => builder.append_null(),
                },
                Column::Date(builder) => builder.append_option(match *take {
                    Date(name) => case.date(name).map(day_number),
                    _ => None,
                }),
                Column::Truth(builder) => builder.append_option(match *take {
                    Known(name) => Some(case.text(name).is_some()),
                    CertificateHolds(name) => {
                        case.text(name).map(|text| is_certificate_number(&text))
                    }
                    _ => None,
                }),
                Column::Real(builder) => builder.append_option(match *take {
                    Real(name) => case.text(name).and_then(|text| text.parse().ok()),
                    _ => None,
                }),
            }
        }
        self.filled = filled;
        Ok(())
    }

    fn whole(&self, case: &Case<'_>, take: Take) -> Option<i64> {
        match take {
            Position => Some(whole_of(case.row.position)),
            First => Some(whole_of(case.first)),
            RecordedDay => Some(day_number(case.row.recorded_at.date()).into()),
            Whole(name) | Office(name) | OfficeOf(name) => case.whole(name),
            Day(name) => case.date(name).map(day_number).map(i64::from),
            Month(name) => case.date(name).map(month_number).map(i64::from),
            Code(purpose, name) => Some(self.code(purpose, case.text(name)?.trim())),
            Name(name) => Some(self.code("name", &compared_name(&case.text(name)?))),
            Person(name) => {
                let written = case.text(name)?;
                let compared = compared_number(&written);
                let number = compared.unwrap_or_else(|_| written.trim().to_ascii_uppercase());
                Some(self.code("person", &number))
            }
            Alike(name, born) => {
                let both = format!("{}|{}", compared_name(&case.text(name)?), case.date(born)?);
                Some(self.code("alike", &both))
            }
            AgeAt(born, on) => case.age(born, case.date(on)),
            AgeAtPeriodEnd(born) => case.age(born, Some(case.period()?.last_day())),
            PeriodFirst => case
                .period()
                .map(|period| day_number(period.first_day()).into()),
            PeriodLast => case
                .period()
                .map(|period| day_number(period.last_day()).into()),
            PeriodLastMonth => case
                .period()
                .map(|period| month_number(period.last_day()).into()),
            // The code of a woman is not kept; it is put in when a run needs it.
            Woman | Text(_) | Real(_) | Date(_) | Known(_) | Number(..) | CertificateHolds(_)
            | PeriodKind => None,
        }
    }

    fn code(&self, purpose: &str, value: &str) -> i64 {
        number_of(
            &self
                .key
                .short(&[purpose.as_bytes(), b"\0", value.as_bytes()]),
        )
    }

    /// The rows so far, in order of position, with [`kept_schema`].
    ///
    /// # Errors
    /// When the columns do not make a batch, which would be an error of this program.
    pub fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<ArrayRef> = self.filled.iter_mut().map(Column::finish).collect();
        columns.push(Arc::new(self.ids.finish()));
        let batch = RecordBatch::try_new(kept_schema(self.kind), columns)?;
        let order = sort_to_indices(batch.column(0), None, None)?;
        take_record_batch(&batch, &order)
    }
}

fn whole_of(position: crate::model::id::Position) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

/// 63 bits of a keyed hash: two of ten million values are the same with a probability of 1 in
/// 180,000.
#[must_use]
pub fn number_of(hash: &[u8; 16]) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    i64::from_be_bytes(first) & i64::MAX
}
