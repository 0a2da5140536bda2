//! `dataValueSets` of the Web API of DHIS2, as JSON.
//!
//! Source: DHIS2 developer guide, "Data values" (sending data values) and "Date and period
//! format". Values are strings of plain decimals; a period has one of the spellings of
//! [`period_of`]; identifiers are named by their scheme. `completeDate` completes the set of one
//! office and period, so it is only written for one.

use chrono::Datelike;
use serde::Serialize;

use super::{DataSet, ExchangeError, Options};
use crate::model::period::Period;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DataValueSet<'a> {
    data_set_id_scheme: &'static str,
    data_element_id_scheme: &'static str,
    org_unit_id_scheme: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_set: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    complete_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    org_unit: Option<String>,
    data_values: Vec<DataValue<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DataValue<'a> {
    data_element: String,
    period: String,
    org_unit: String,
    value: &'a str,
    comment: &'a str,
}

/// A period as DHIS2 spells it. Its financial year of October is named for the year in which it
/// begins, our statistical year for the one in which it ends.
pub(super) fn period_of(period: Period) -> String {
    match period {
        Period::Month(year, month) => format!("{year:04}{month:02}"),
        Period::Quarter(year, quarter) => format!("{year:04}Q{quarter}"),
        Period::Half(year, half) => format!("{year:04}S{half}"),
        Period::Year(year) => format!("{year:04}"),
        Period::StatisticalYear(_) => format!("{:04}Oct", period.first_day().year()),
    }
}

/// Writes the set.
pub(super) fn write(set: &DataSet, options: &Options) -> Result<Vec<u8>, ExchangeError> {
    set.check_complete(options)?;
    let names = &options.names;
    let comment = set.provenance();
    let mut data_values = Vec::new();
    for line in &set.lines {
        for (element, value) in line.elements() {
            data_values.push(DataValue {
                data_element: names.element(&element).to_owned(),
                period: period_of(line.period),
                org_unit: names.office(line.office),
                value,
                comment: &comment,
            });
        }
    }
    if data_values.is_empty() {
        return Err(ExchangeError::Empty);
    }
    let mut groups = set.groups();
    let only = groups.next().filter(|_| groups.next().is_none());
    let only = only.and_then(<[_]>::first);
    let scheme = names.scheme.as_str();
    let document = DataValueSet {
        data_set_id_scheme: scheme,
        data_element_id_scheme: scheme,
        org_unit_id_scheme: scheme,
        data_set: names.data_set.as_deref(),
        complete_date: (options.complete && only.is_some())
            .then(|| set.recorded_at.date().to_string()),
        period: only.map(|line| period_of(line.period)),
        org_unit: only.map(|line| names.office(line.office)),
        data_values,
    };
    let mut bytes = serde_json::to_vec_pretty(&document).map_err(ExchangeError::Json)?;
    bytes.push(b'\n');
    Ok(bytes)
}
