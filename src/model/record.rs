//! From the cells of a row to a draft of a record: public fields, sealed values, a woman's token.
//!
//! What comes in: the cells of one row in the order of the schema's columns, and the directory
//! of offices. What goes out: a [`Draft`]. What may fail: a [`CellError`] for what cannot be a
//! record; everything else is kept, however wrong it looks: text that is in no code list stands
//! as `unreadable` and is kept in the sealed remark. What must stay true: `cells_of` gives back
//! cells from which the same draft is read.

use std::fmt::Write;

use chrono::NaiveDate;
use sha2::{Digest, Sha256};

use super::cell::{CellError, CellReason, Fen, FieldType, Slug, Value, clean, narrow};
use super::code::{GestationBand, Source};
use super::fields::{AnyFields, BirthFields, PregnancyLossFields, RegistrationFields};
use super::id::OfficeCode;
use super::office::OfficeDirectory;
use super::period::Period;
use super::schema::{CellType, Column, Placement, RecordKind};
use super::slot::Slot;
use super::time::{age_in_years, parse_date};

/// A record as an office states it, before it is sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    /// The public fields.
    pub fields: AnyFields,
    /// Every sealed slot of the kind, in order, with its value if stated.
    pub sealed: Vec<(Slot, Option<String>)>,
    /// Becomes a token of one statistical year and is dropped.
    pub woman_id_no: Option<String>,
    /// Who reports.
    pub source: Source,
    /// The number that the source gave the record.
    pub source_record_id: String,
    /// The reporting office.
    pub office: OfficeCode,
    /// When it happened (the last day of the period, for a return).
    pub occurred_on: NaiveDate,
    /// When it was reported or submitted, as claimed.
    pub reported_on: NaiveDate,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Personal fields are never printed.
        f.debug_struct("Draft")
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

impl Draft {
    /// The kind of record.
    #[must_use]
    pub fn kind(&self) -> RecordKind {
        match self.fields {
            AnyFields::Registration(_) => RecordKind::Registration,
            AnyFields::Birth(_) => RecordKind::Birth,
            AnyFields::PregnancyLoss(_) => RecordKind::PregnancyLoss,
            AnyFields::Disbursement(_) => RecordKind::Disbursement,
            AnyFields::Activity(_) => RecordKind::Activity,
            AnyFields::Return(_) => RecordKind::Return,
        }
    }

    /// The value of a sealed slot.
    #[must_use]
    pub fn sealed_value(&self, slot: Slot) -> Option<&str> {
        let found = self.sealed.iter().find(|(other, _)| *other == slot)?;
        found.1.as_deref()
    }

    /// Hash of everything that is stated, by which a replay is told from another content.
    /// It goes into the vault only, keyed by the caller.
    #[must_use]
    pub fn content_hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut part = |text: Option<&str>| {
            let bytes = text.unwrap_or_default().as_bytes();
            hash.update([u8::from(text.is_some())]);
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(Some(self.kind().as_str()));
        for (name, _) in AnyFields::columns(self.kind()) {
            part(
                self.fields
                    .get(name)
                    .map(|value| value.to_string())
                    .as_deref(),
            );
        }
        for (_, value) in &self.sealed {
            part(value.as_deref());
        }
        part(self.woman_id_no.as_deref());
        hash.finalize().into()
    }

    /// Reads the cells of one row, which stand in the order of `kind.columns()`.
    pub fn read(
        kind: RecordKind,
        cells: &[&str],
        offices: &OfficeDirectory,
    ) -> Result<Self, CellError> {
        let mut reading = Reading::new(kind);
        for (column, cell) in kind.columns().iter().zip(cells) {
            reading.cell(column, cell).map_err(|reason| CellError {
                column: column.name,
                reason,
            })?;
        }
        reading.finish(offices)
    }
}

/// A row that is being read.
struct Reading {
    kind: RecordKind,
    fields: AnyFields,
    sealed: Vec<(Slot, Option<String>)>,
    woman_id_no: Option<String>,
    /// Text that is in no code list; goes to the sealed remark so that nothing is lost.
    unreadable: Vec<(&'static str, String)>,
}

impl Reading {
    fn new(kind: RecordKind) -> Self {
        Self {
            kind,
            fields: AnyFields::empty(kind),
            sealed: kind.slots().iter().map(|(slot, _)| (*slot, None)).collect(),
            woman_id_no: None,
            unreadable: Vec::new(),
        }
    }

    fn cell(&mut self, column: &'static Column, cell: &str) -> Result<(), CellReason> {
        let Some(text) = clean(cell)? else {
            return if column.required {
                Err(CellReason::Missing)
            } else {
                Ok(())
            };
        };
        match column.placement {
            Placement::Public => self.public(column, &text),
            Placement::Sealed(_) => {
                let value = sealed_text(column, text)?;
                self.set_sealed(column.name, value);
                Ok(())
            }
            Placement::Token => {
                self.woman_id_no = Some(sealed_text(column, text)?);
                Ok(())
            }
        }
    }

    fn public(&mut self, column: &'static Column, text: &str) -> Result<(), CellReason> {
        let narrowed = narrow(text);
        match self.fields.read(column.field(), Some(&narrowed)) {
            Err(
                CellReason::UnknownCode { .. }
                | CellReason::NotASlug
                | CellReason::NotAPeriod
                | CellReason::NotAnOfficeCode,
            ) if !column.required => {
                self.fields.mark_unreadable(column.field());
                self.unreadable.push((column.name, text.to_owned()));
                Ok(())
            }
            other => other,
        }
    }

    fn set_sealed(&mut self, name: &str, value: String) {
        if let Some(entry) = self.sealed.iter_mut().find(|(slot, _)| slot.name() == name) {
            entry.1 = Some(value);
        }
    }

    fn sealed(&self, name: &str) -> Option<&str> {
        let found = self.sealed.iter().find(|(slot, _)| slot.name() == name)?;
        found.1.as_deref()
    }

    fn date(&self, name: &'static str) -> Option<NaiveDate> {
        match self.fields.get(name) {
            Some(Value::Date(date)) => Some(date),
            _ => self.sealed(name).and_then(parse_date),
        }
    }

    fn finish(mut self, offices: &OfficeDirectory) -> Result<Draft, CellError> {
        let missing = |column| CellError {
            column,
            reason: CellReason::Missing,
        };
        let text = |reading: &Self, name: &str| {
            reading
                .fields
                .get(name)
                .map(|value| value.to_string())
                .or_else(|| reading.sealed(name).map(str::to_owned))
        };
        let source = text(&self, "source")
            .and_then(|word| Source::parse(&word))
            .ok_or_else(|| missing("source"))?;
        let office = text(&self, "office")
            .and_then(|code| OfficeCode::parse(&code))
            .ok_or_else(|| missing("office"))?;
        if offices.get(office).is_none() {
            return Err(CellError {
                column: "office",
                reason: CellReason::UnknownOffice,
            });
        }
        let source_record_id = self
            .sealed("source_record_id")
            .map(str::to_owned)
            .ok_or_else(|| missing("source_record_id"))?;
        let (occurred_on, reported_on) = self.dates()?;
        self.keep_unreadable();
        let derived = Derived {
            occurred_on,
            office,
            offices,
        };
        let sealed = |name: &str| {
            self.sealed
                .iter()
                .find(|(s, _)| s.name() == name)?
                .1
                .as_deref()
        };
        match &mut self.fields {
            AnyFields::Registration(fields) => Derived::registration(fields, sealed),
            AnyFields::Birth(fields) => derived.birth(fields, sealed),
            AnyFields::PregnancyLoss(fields) => derived.pregnancy_loss(fields, sealed),
            AnyFields::Disbursement(_) | AnyFields::Activity(_) | AnyFields::Return(_) => {}
        }
        Ok(Draft {
            fields: self.fields,
            sealed: self.sealed,
            woman_id_no: self.woman_id_no,
            source,
            source_record_id,
            office,
            occurred_on,
            reported_on,
        })
    }

    fn dates(&self) -> Result<(NaiveDate, NaiveDate), CellError> {
        let missing = |column| CellError {
            column,
            reason: CellReason::Missing,
        };
        if let AnyFields::Return(fields) = &self.fields {
            let submitted = fields.submitted_on.ok_or_else(|| missing("submitted_on"))?;
            let period = fields.period.ok_or_else(|| missing("period"))?;
            return Ok((period.last_day(), submitted));
        }
        let occurred = self
            .date("occurred_on")
            .ok_or_else(|| missing("occurred_on"))?;
        let reported = self
            .date("reported_on")
            .ok_or_else(|| missing("reported_on"))?;
        Ok((occurred, reported))
    }

    fn keep_unreadable(&mut self) {
        if self.unreadable.is_empty() {
            return;
        }
        let mut remark = self.sealed("remark").unwrap_or_default().to_owned();
        for (column, text) in &self.unreadable {
            if !remark.is_empty() {
                remark.push(' ');
            }
            let _ = write!(remark, "[{column}={text}]");
        }
        debug_assert!(
            self.kind
                .columns()
                .iter()
                .any(|column| column.name == "remark")
        );
        self.set_sealed("remark", remark);
    }
}

/// The canonical text of a sealed cell.
fn sealed_text(column: &Column, text: String) -> Result<String, CellReason> {
    match column.cell {
        CellType::Text => Ok(text),
        CellType::Date => {
            let date = parse_date(&narrow(&text)).ok_or(CellReason::NotADate)?;
            Ok(date.to_string())
        }
        CellType::LooseDate => Ok(parse_date(&narrow(&text)).map_or(text, |date| date.to_string())),
        CellType::Integer => Ok(i64::read(&narrow(&text))?.to_string()),
        CellType::Number => Ok(narrow(&text)
            .chars()
            .filter(|c| !c.is_whitespace())
            .collect::<String>()
            .to_uppercase()),
        // Source and office of a pregnancy loss: checked like the public fields of other kinds.
        CellType::Field => {
            let narrowed = narrow(&text);
            if column.name == "source" {
                Source::read(&narrowed).map(|source| source.as_str().to_owned())
            } else {
                OfficeCode::read(&narrowed).map(|code| code.as_str().to_owned())
            }
        }
    }
}

/// Public fields that follow from sealed ones.
struct Derived<'a> {
    occurred_on: NaiveDate,
    office: OfficeCode,
    offices: &'a OfficeDirectory,
}

impl Derived<'_> {
    fn registration<'v>(fields: &mut RegistrationFields, sealed: impl Fn(&str) -> Option<&'v str>) {
        use chrono::Datelike;
        let born = sealed("born_on").and_then(parse_date);
        fields.born_year = born.map(|day| i64::from(day.year()));
        fields.place_from_county = sealed("place_from").and_then(county);
        fields.place_to_county = sealed("place_to").and_then(county);
    }

    fn birth<'v>(&self, fields: &mut BirthFields, sealed: impl Fn(&str) -> Option<&'v str>) {
        let born = sealed("mother_born_on").and_then(parse_date);
        fields.mother_age = born.and_then(|day| age_in_years(day, self.occurred_on));
        fields.mother_residence_county = sealed("mother_residence").and_then(county);
    }

    fn pregnancy_loss<'v>(
        &self,
        fields: &mut PregnancyLossFields,
        sealed: impl Fn(&str) -> Option<&'v str>,
    ) {
        use chrono::Datelike;
        let number = |name| sealed(name).and_then(|text| text.parse::<i64>().ok());
        fields.gestation_band = Some(gestation_band(number("gestation_days"), number("weight_g")));
        fields.month = Some(Period::Month(
            self.occurred_on.year(),
            self.occurred_on.month(),
        ));
        fields.township = Some(self.offices.township_of(self.office));
    }
}

/// WHO: late fetal death from 28 completed weeks, early from 22; by weight (1,000 g, 500 g) only
/// where the days are missing.
#[must_use]
pub fn gestation_band(gestation_days: Option<i64>, weight_g: Option<i64>) -> GestationBand {
    match (gestation_days, weight_g) {
        (Some(days), _) if days >= 28 * 7 => GestationBand::From28,
        (Some(days), _) if days >= 22 * 7 => GestationBand::From22To27,
        (None, Some(grams)) if grams >= 1000 => GestationBand::From28,
        (None, Some(grams)) if grams >= 500 => GestationBand::From22To27,
        (None, None) => GestationBand::NotStated,
        (Some(_), _) | (None, Some(_)) => GestationBand::Under22,
    }
}

/// The six digits of the county of a place that is written as an office code.
fn county(place: &str) -> Option<Slug> {
    OfficeCode::parse(place).map(|code| Slug(code.county().to_owned()))
}

/// The cells of a record, in the order of the schema, from its public fields and sealed values.
/// A woman's number is gone and stays empty.
#[must_use]
pub fn cells_of(
    kind: RecordKind,
    fields: &AnyFields,
    sealed: impl Fn(Slot) -> Option<String>,
) -> Vec<String> {
    let cell = |column: &Column| match column.placement {
        Placement::Public => fields.get(column.field()).map(|value| match value {
            Value::Integer(fen) if column.name == "amount_yuan" => Fen(fen).to_yuan(),
            // What could not be read is in the remark already.
            Value::Text(word) if word == "unreadable" => String::new(),
            other => other.to_string(),
        }),
        Placement::Sealed(_) => Slot::of_name(column.name).and_then(&sealed),
        Placement::Token => None,
    };
    kind.columns()
        .iter()
        .map(|column| cell(column).unwrap_or_default())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::code::{OfficeLevel, Sex};
    use crate::model::office::OfficeFields;

    fn offices() -> OfficeDirectory {
        let mut directory = OfficeDirectory::default();
        for (code, level, parent) in [
            ("990101100000", OfficeLevel::Township, None),
            ("990101100001", OfficeLevel::Village, Some("990101100000")),
        ] {
            directory.insert(OfficeFields {
                code: OfficeCode::parse(code).unwrap(),
                level,
                name_en: None,
                name_zh: None,
                parent: parent.and_then(OfficeCode::parse),
            });
        }
        directory
    }

    fn row(kind: RecordKind, cells: &[(&str, &str)]) -> Vec<String> {
        let cell = |column: &Column| {
            cells
                .iter()
                .find(|(name, _)| *name == column.name)
                .map_or("", |(_, text)| text)
        };
        kind.columns()
            .iter()
            .map(|column| cell(column).to_owned())
            .collect()
    }

    fn read(kind: RecordKind, cells: &[(&str, &str)]) -> Result<Draft, CellError> {
        let row = row(kind, cells);
        Draft::read(
            kind,
            &row.iter().map(String::as_str).collect::<Vec<_>>(),
            &offices(),
        )
    }

    const BIRTH: &[(&str, &str)] = &[
        ("source_record_id", "B1"),
        ("source", "村居"),
        ("office", "990101100001"),
        ("occurred_on", "2014年1月3日"),
        ("reported_on", "20140105"),
        ("sex", "3"),
        ("weight_g", "３１００"),
        ("mother_born_on", "1978/11/22"),
        ("mother_residence", "990101100001"),
        ("facility", "镇卫生院"),
    ];

    #[test]
    fn a_birth_keeps_what_cannot_be_read_in_its_sealed_remark() {
        let draft = read(RecordKind::Birth, BIRTH).unwrap();
        let AnyFields::Birth(fields) = &draft.fields else {
            panic!()
        };
        assert_eq!(fields.sex, Some(Sex::Unreadable));
        assert_eq!(fields.weight_g, Some(3100));
        assert_eq!(fields.mother_age, Some(35));
        assert_eq!(fields.facility, None);
        assert_eq!(
            draft.sealed_value(Slot::REMARK),
            Some("[sex=3] [facility=镇卫生院]")
        );
        assert_eq!(draft.sealed.len(), RecordKind::Birth.slots().len());
    }

    #[test]
    fn cells_give_back_the_same_draft() {
        let clean: Vec<_> = BIRTH
            .iter()
            .filter(|(name, _)| !["sex", "facility"].contains(name))
            .copied()
            .collect();
        let draft = read(RecordKind::Birth, &clean).unwrap();
        let cells = cells_of(RecordKind::Birth, &draft.fields, |slot| {
            draft.sealed_value(slot).map(str::to_owned)
        });
        let cells: Vec<_> = cells.iter().map(String::as_str).collect();
        assert!(Draft::read(RecordKind::Birth, &cells, &offices()).unwrap() == draft);
    }

    #[test]
    fn a_loss_shows_township_month_band_timing_and_plurality_only() {
        let draft = read(
            RecordKind::PregnancyLoss,
            &[
                ("source_record_id", "L1"),
                ("source", "hospital"),
                ("office", "990101100001"),
                ("occurred_on", "2014-01-03"),
                ("reported_on", "2014-01-05"),
                ("gestation_days", "200"),
                ("woman_id_no", "99010119781122222x"),
            ],
        )
        .unwrap();
        let json = serde_json::to_string(match &draft.fields {
            AnyFields::PregnancyLoss(fields) => fields,
            _ => panic!(),
        });
        assert_eq!(
            json.unwrap(),
            r#"{"gestation_band":"28_and_over","month":"2014-01","township":"990101100000"}"#
        );
        assert_eq!(draft.woman_id_no.as_deref(), Some("99010119781122222X"));
    }

    #[test]
    fn what_cannot_be_a_record_is_refused_by_column() {
        for (column, text, reason) in [
            ("office", "990101100009", CellReason::UnknownOffice),
            ("occurred_on", "soon", CellReason::NotADate),
            ("source_record_id", "", CellReason::Missing),
            ("weight_g", "heavy", CellReason::NotANumber),
            ("child_name", "a\u{1}b", CellReason::ControlCharacter),
        ] {
            let mut cells: Vec<_> = BIRTH
                .iter()
                .filter(|(n, _)| *n != column)
                .copied()
                .collect();
            cells.push((column, text));
            let refused = read(RecordKind::Birth, &cells).unwrap_err();
            assert_eq!(refused, CellError { column, reason });
        }
    }
}
