//! What was current at a position, as reports read it.

use std::collections::HashMap;

use chrono::NaiveDate;
use uuid::Uuid;

use super::row::RegisterRow;
use crate::model::code::{GestationBand, Source};
use crate::model::fields::{
    ActivityFields, AnyFields, BirthFields, DisbursementFields, RegistrationFields, ReturnFields,
};
use crate::model::id::{OfficeCode, Position};
use crate::model::office::OfficeDirectory;
use crate::model::record::gestation_band;
use crate::model::schema::RecordKind;
use crate::model::time::{Timestamp, parse_date};

/// The sealed facts of a pregnancy loss that a count needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LossFacts {
    /// Who reports.
    pub source: Source,
    /// The reporting office.
    pub office: OfficeCode,
    /// When it happened.
    pub occurred_on: NaiveDate,
    /// When it was reported.
    pub reported_on: NaiveDate,
    /// Its gestation, in bands.
    pub gestation: GestationBand,
}

impl LossFacts {
    /// The facts from the values of their slots; none when one is missing, or was erased.
    #[must_use]
    pub fn of<'v>(value: impl Fn(&'static str) -> Option<&'v str>) -> Option<Self> {
        let number = |name| value(name).and_then(|text| text.parse().ok());
        Some(Self {
            source: Source::parse(value("source")?)?,
            office: OfficeCode::parse(value("office")?)?,
            occurred_on: parse_date(value("occurred_on")?)?,
            reported_on: parse_date(value("reported_on")?)?,
            gestation: gestation_band(number("gestation_days"), number("weight_g")),
        })
    }
}

/// Every record that was current at a position: the last version of each, voided ones left out.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Entries at positions below this are in it.
    pub size: u64,
    /// Time of the last of them.
    pub recorded_at: Timestamp,
    /// Whether the ledger's clock is simulated.
    pub simulated_clock: bool,
    /// The log's origin.
    pub origin: String,
    /// The offices as of then.
    pub offices: OfficeDirectory,
    /// Rows by kind, in order of position.
    pub rows: HashMap<RecordKind, Vec<RegisterRow>>,
    /// Birth dates of residents by record, from the vault; erased ones are missing.
    pub born_on: HashMap<Uuid, NaiveDate>,
    /// Sealed facts of pregnancy losses by record, from the vault; erased ones are missing.
    pub losses: HashMap<Uuid, LossFacts>,
}

macro_rules! rows_of {
    ($($(#[$doc:meta])* $name:ident: $kind:ident => $fields:ty;)+) => {
        impl Snapshot {$(
            $(#[$doc])*
            pub fn $name(&self) -> impl Iterator<Item = (&RegisterRow, &$fields)> {
                self.of(RecordKind::$kind).iter().filter_map(|row| match &row.fields {
                    AnyFields::$kind(fields) => Some((row, fields)),
                    _ => None,
                })
            }
        )+}
    };
}

rows_of! {
    /// Current registrations.
    registrations: Registration => RegistrationFields;
    /// Current births.
    births: Birth => BirthFields;
    /// Current disbursements.
    disbursements: Disbursement => DisbursementFields;
    /// Current activities.
    activities: Activity => ActivityFields;
    /// Current lines of returns.
    returns: Return => ReturnFields;
}

impl Snapshot {
    /// The rows of a kind.
    #[must_use]
    pub fn of(&self, kind: RecordKind) -> &[RegisterRow] {
        self.rows.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// The position of the last entry in it.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        self.size.checked_sub(1)
    }
}
