//! Aggregate Data Exchange (ADX), as XML.
//!
//! Source: IHE Quality, Research and Public Health, Aggregate Data Exchange, revision 2: the
//! message is an `adx` with `exported`, of one `group` or more with `orgUnit` and `period`, each
//! of one `dataValue` or more with `dataElement` and a decimal `value`. A period is the ISO 8601
//! interval of its first day and its duration.

use std::io::Error as IoError;

use chrono::SecondsFormat;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{DataSet, ExchangeError, Line, Options};
use crate::model::period::Period;

const NAMESPACE: &str = "urn:ihe:qrph:adx:2015";

/// A period as ISO 8601 spells it.
pub(super) fn period_of(period: Period) -> String {
    let duration = match period {
        Period::Month(..) => "P1M",
        Period::Quarter(..) => "P3M",
        Period::Half(..) => "P6M",
        Period::Year(_) | Period::StatisticalYear(_) => "P1Y",
    };
    format!("{}/{duration}", period.first_day())
}

/// Writes the message.
pub(super) fn write(set: &DataSet, options: &Options) -> Result<Vec<u8>, ExchangeError> {
    set.check_complete(options)?;
    let said = |lines: &&[Line]| lines.iter().any(|line| line.value.is_some());
    if !set.groups().any(|lines| said(&lines)) {
        return Err(ExchangeError::Empty);
    }
    let provenance = set.provenance();
    let exported = exported(options);
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    let declaration = Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None));
    writer
        .write_event(declaration)
        .map_err(ExchangeError::Xml)?;
    writer
        .create_element("adx")
        .with_attribute(("xmlns", NAMESPACE))
        .with_attribute(("exported", exported.as_str()))
        .write_inner_content(|writer| {
            for lines in set.groups().filter(said) {
                write_group(writer, set, options, lines, &provenance)?;
            }
            Ok(())
        })
        .map_err(ExchangeError::Xml)?;
    let end = Event::Text(BytesText::new("\n"));
    writer.write_event(end).map_err(ExchangeError::Xml)?;
    Ok(writer.into_inner())
}

fn write_group(
    writer: &mut Writer<Vec<u8>>,
    set: &DataSet,
    options: &Options,
    lines: &[Line],
    provenance: &str,
) -> Result<(), IoError> {
    let Some(first) = lines.first() else {
        return Ok(());
    };
    let names = &options.names;
    let (office, period) = (names.office(first.office), period_of(first.period));
    let mut group = writer
        .create_element("group")
        .with_attribute(("orgUnit", office.as_str()))
        .with_attribute(("period", period.as_str()));
    if let Some(data_set) = &names.data_set {
        group = group.with_attribute(("dataSet", data_set.as_str()));
    }
    if options.complete {
        let day = set.recorded_at.date().to_string();
        group = group.with_attribute(("completeDate", day.as_str()));
    }
    let group = group.with_attribute(("comment", provenance));
    group.write_inner_content(|writer| {
        for (element, value) in lines.iter().flat_map(Line::elements) {
            writer
                .create_element("dataValue")
                .with_attribute(("dataElement", names.element(&element)))
                .with_attribute(("value", value))
                .write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

/// `xs:dateTime` in UTC.
fn exported(options: &Options) -> String {
    let micros = options.exported_at.micros();
    chrono::DateTime::from_timestamp_micros(micros)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Secs, true)
}
