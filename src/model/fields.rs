//! The public fields of each kind of record, typed, as entries carry them.
//!
//! What comes in: cells that have been read. What goes out: structs whose serialised form is
//! what is hashed: fields in alphabetical order (which is JCS order), absent ones left out. What
//! may fail: [`PublicFields::read`] on a cell that cannot be read. What must stay true: no
//! personal field is in any of these structs.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::cell::{CellReason, ColumnType, Decimal, Fen, FieldType, Slug, Value};
use super::code::{
    BirthPlace, Flow, GestationBand, LossTiming, MaritalStatus, RegistrationKind, Sex, Source,
};
use super::id::OfficeCode;
use super::period::Period;
use super::schema::RecordKind;

/// A column of a register: its name and type.
pub type FieldColumn = (&'static str, ColumnType);
/// Whether a text is a value as an entry has it.
pub type Spelling = fn(&str) -> bool;

/// What every set of public fields can do.
pub trait PublicFields:
    Default + Clone + PartialEq + std::fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The kind of record.
    const KIND: RecordKind;
    /// Names and types, in order.
    const COLUMNS: &'static [FieldColumn];
    /// Of each column, whether a text is spelled as an entry has it: [`FieldType::is_spelled`].
    const SPELLINGS: &'static [Spelling];
    /// The value of the field, if it is stated.
    fn get(&self, name: &str) -> Option<Value>;
    /// Reads the text of a cell into the field of that name; `None` clears it.
    fn read(&mut self, name: &str, text: Option<&str>) -> Result<(), CellReason>;
    /// Says of the field that its cell had text that is in no code list. `false` when the field
    /// has no such variant; it is then left empty.
    fn mark_unreadable(&mut self, name: &str) -> bool;
}

macro_rules! public_fields {
    ($(#[$doc:meta])* $name:ident of $kind:ident { $($(#[$fdoc:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$fdoc])* #[serde(skip_serializing_if = "Option::is_none", default)] pub $field: Option<$type>,)+
        }

        impl PublicFields for $name {
            const KIND: RecordKind = RecordKind::$kind;
            const COLUMNS: &'static [FieldColumn] = &[$((stringify!($field), <$type as FieldType>::COLUMN),)+];
            const SPELLINGS: &'static [Spelling] = &[$(<$type as FieldType>::is_spelled,)+];

            fn get(&self, name: &str) -> Option<Value> {
                match name {
                    $(stringify!($field) => self.$field.as_ref().map(FieldType::value),)+
                    _ => None,
                }
            }

            fn read(&mut self, name: &str, text: Option<&str>) -> Result<(), CellReason> {
                match name {
                    $(stringify!($field) => self.$field = text.map(<$type as FieldType>::read).transpose()?,)+
                    _ => debug_assert!(false, "no public field {name}"),
                }
                Ok(())
            }

            fn mark_unreadable(&mut self, name: &str) -> bool {
                match name {
                    $(stringify!($field) => {
                        self.$field = <$type as FieldType>::unreadable();
                        self.$field.is_some()
                    })+
                    _ => false,
                }
            }
        }
    };
}

public_fields! {
    /// Households, residents, marriages, divorces, arrivals, departures, deaths.
    RegistrationFields of Registration {
        /// Year of birth of the person.
        born_year: i64,
        /// What is registered.
        kind: RegistrationKind,
        /// Marital status.
        marital_status: MaritalStatus,
        /// When it happened, as claimed.
        occurred_on: NaiveDate,
        /// The reporting office.
        office: OfficeCode,
        /// County of `place_from` (6 digits).
        place_from_county: Slug,
        /// County of `place_to` (6 digits).
        place_to_county: Slug,
        /// When it was reported, as claimed.
        reported_on: NaiveDate,
        /// Sex of the person.
        sex: Sex,
        /// Who reports.
        source: Source,
    }
}

public_fields! {
    /// Live births.
    BirthFields of Birth {
        /// Code of the facility.
        facility: Slug,
        /// Gestation in days.
        gestation_days: i64,
        /// Age of the mother in completed years at the birth.
        mother_age: i64,
        /// County of the mother's residence (6 digits).
        mother_residence_county: Slug,
        /// Date of birth, as claimed.
        occurred_on: NaiveDate,
        /// The reporting office.
        office: OfficeCode,
        /// Where it took place.
        place: BirthPlace,
        /// Number of children of this delivery.
        plurality: i64,
        /// When it was reported, as claimed.
        reported_on: NaiveDate,
        /// Sex of the child.
        sex: Sex,
        /// Who reports.
        source: Source,
        /// Weight at birth in grams.
        weight_g: i64,
    }
}

public_fields! {
    /// Pregnancy losses: nothing else of them is public.
    PregnancyLossFields of PregnancyLoss {
        /// Gestation in bands.
        gestation_band: GestationBand,
        /// Month in which it happened.
        month: Period,
        /// Number of fetuses.
        plurality: i64,
        /// Before or during labour.
        timing: LossTiming,
        /// The township of the reporting office.
        township: OfficeCode,
    }
}

public_fields! {
    /// Appropriations, entitlements, payments and reversals.
    DisbursementFields of Disbursement {
        /// Amount in fen, positive.
        amount_fen: Fen,
        /// The approving clerk's code.
        approved_by: Slug,
        /// Direction of the money.
        flow: Flow,
        /// When it happened, as claimed.
        occurred_on: NaiveDate,
        /// The reporting office.
        office: OfficeCode,
        /// The period it is for.
        period: Period,
        /// When it was reported, as claimed.
        reported_on: NaiveDate,
        /// The scheme.
        scheme: Slug,
        /// Who reports.
        source: Source,
    }
}

public_fields! {
    /// Activities of an office.
    ActivityFields of Activity {
        /// Number of persons for whom it was due.
        eligible: i64,
        /// What was done.
        kind: Slug,
        /// When it happened, as claimed.
        occurred_on: NaiveDate,
        /// The reporting office.
        office: OfficeCode,
        /// How many.
        quantity: i64,
        /// When it was reported, as claimed.
        reported_on: NaiveDate,
        /// Who reports.
        source: Source,
    }
}

public_fields! {
    /// One line of a submitted statistical return.
    ReturnFields of Return {
        /// Denominator of a rate.
        denominator: Decimal,
        /// The indicator.
        indicator: Slug,
        /// Numerator of a rate.
        numerator: Decimal,
        /// The reporting office.
        office: OfficeCode,
        /// The period it is for.
        period: Period,
        /// Who reports.
        source: Source,
        /// The submitting clerk's code.
        submitted_by: Slug,
        /// When it was submitted, as claimed.
        submitted_on: NaiveDate,
        /// The figure.
        value: Decimal,
    }
}

/// The public fields of a record of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnyFields {
    /// Of a registration.
    Registration(RegistrationFields),
    /// Of a birth.
    Birth(BirthFields),
    /// Of a pregnancy loss.
    PregnancyLoss(PregnancyLossFields),
    /// Of a disbursement.
    Disbursement(DisbursementFields),
    /// Of an activity.
    Activity(ActivityFields),
    /// Of a line of a return.
    Return(ReturnFields),
}

/// Runs the same expression on the typed fields inside an [`AnyFields`].
#[macro_export]
macro_rules! with_fields {
    ($any:expr, $fields:ident => $body:expr) => {
        match $any {
            $crate::model::fields::AnyFields::Registration($fields) => $body,
            $crate::model::fields::AnyFields::Birth($fields) => $body,
            $crate::model::fields::AnyFields::PregnancyLoss($fields) => $body,
            $crate::model::fields::AnyFields::Disbursement($fields) => $body,
            $crate::model::fields::AnyFields::Activity($fields) => $body,
            $crate::model::fields::AnyFields::Return($fields) => $body,
        }
    };
}

impl AnyFields {
    /// No field stated.
    #[must_use]
    pub fn empty(kind: RecordKind) -> Self {
        match kind {
            RecordKind::Registration => Self::Registration(RegistrationFields::default()),
            RecordKind::Birth => Self::Birth(BirthFields::default()),
            RecordKind::PregnancyLoss => Self::PregnancyLoss(PregnancyLossFields::default()),
            RecordKind::Disbursement => Self::Disbursement(DisbursementFields::default()),
            RecordKind::Activity => Self::Activity(ActivityFields::default()),
            RecordKind::Return => Self::Return(ReturnFields::default()),
        }
    }

    /// The value of the field of that name, if stated.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value> {
        with_fields!(self, fields => fields.get(name))
    }

    /// See [`PublicFields::read`].
    pub fn read(&mut self, name: &str, text: Option<&str>) -> Result<(), CellReason> {
        with_fields!(self, fields => fields.read(name, text))
    }

    /// See [`PublicFields::mark_unreadable`].
    pub fn mark_unreadable(&mut self, name: &str) -> bool {
        with_fields!(self, fields => fields.mark_unreadable(name))
    }

    /// Names and types of the fields of a kind.
    #[must_use]
    pub const fn columns(kind: RecordKind) -> &'static [FieldColumn] {
        match kind {
            RecordKind::Registration => RegistrationFields::COLUMNS,
            RecordKind::Birth => BirthFields::COLUMNS,
            RecordKind::PregnancyLoss => PregnancyLossFields::COLUMNS,
            RecordKind::Disbursement => DisbursementFields::COLUMNS,
            RecordKind::Activity => ActivityFields::COLUMNS,
            RecordKind::Return => ReturnFields::COLUMNS,
        }
    }

    /// See [`PublicFields::SPELLINGS`].
    #[must_use]
    pub const fn spellings(kind: RecordKind) -> &'static [Spelling] {
        match kind {
            RecordKind::Registration => RegistrationFields::SPELLINGS,
            RecordKind::Birth => BirthFields::SPELLINGS,
            RecordKind::PregnancyLoss => PregnancyLossFields::SPELLINGS,
            RecordKind::Disbursement => DisbursementFields::SPELLINGS,
            RecordKind::Activity => ActivityFields::SPELLINGS,
            RecordKind::Return => ReturnFields::SPELLINGS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schema::Placement;

    #[test]
    fn fields_are_in_alphabetical_order_and_cover_the_public_columns() {
        for kind in RecordKind::ALL {
            let columns = AnyFields::columns(kind);
            assert!(
                columns.windows(2).all(|pair| pair[0].0 < pair[1].0),
                "{kind}"
            );
            for column in kind.columns() {
                let known = columns.iter().any(|(name, _)| *name == column.field());
                assert!(
                    known || column.placement != Placement::Public,
                    "{kind} {}",
                    column.name
                );
            }
        }
    }
}
