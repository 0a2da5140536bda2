//! The table of offices.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringViewArray};
use arrow_schema::{ArrowError, DataType, Field, Schema};

use crate::model::code::OfficeLevel;
use crate::model::id::OfficeCode;
use crate::model::office::{OfficeDirectory, OfficeFields};

/// The name of the table.
pub(super) const OFFICES: &str = "offices";

/// Gives a cell of an office.
type Cell<'a> = &'a dyn Fn(&OfficeFields) -> Option<String>;

/// The offices by code: their level, names and the office above, and the township and the county
/// that each belongs to or is, so that figures of villages can be added up by them.
///
/// # Errors
/// When the columns do not make a batch, which would be an error of this program.
pub(super) fn offices(directory: &OfficeDirectory) -> Result<RecordBatch, ArrowError> {
    let all = directory.all();
    let above = |code: OfficeCode, level: OfficeLevel| {
        let mut path = directory.path(code);
        path.find(|office| office.level == level)
            .map(|office| office.code.to_string())
    };
    let columns: [(&str, Cell<'_>); 7] = [
        ("code", &|office| Some(office.code.to_string())),
        ("level", &|office| Some(office.level.to_string())),
        ("name_en", &|office| office.name_en.clone()),
        ("name_zh", &|office| office.name_zh.clone()),
        ("parent", &|office| {
            office.parent.map(|code| code.to_string())
        }),
        ("township", &|office| {
            above(office.code, OfficeLevel::Township)
        }),
        ("county", &|office| above(office.code, OfficeLevel::County)),
    ];
    let fields = columns.map(|(name, _)| {
        let may_be_absent = !matches!(name, "code" | "level");
        Field::new(name, DataType::Utf8View, may_be_absent)
    });
    let arrays = columns.map(|(_, cell)| {
        let cells = all.iter().map(|office| cell(office));
        Arc::new(cells.collect::<StringViewArray>()) as ArrayRef
    });
    RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), arrays.to_vec())
}
