//! `log`: entries in order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;

use super::args::Log;
use super::output::Output;
use crate::app::late::AfterClose;
use crate::app::{App, AppError};
use crate::ledger::aggregate::office::office_of_entry;
use crate::model::entry::Entry;
use crate::model::id::OfficeCode;
use crate::model::office::OfficeDirectory;
use crate::model::time::parse_date;
use crate::store::StoredEntry;

/// Entries that are read at once.
const BATCH: u64 = 2048;
/// How long is waited for new entries before it is looked again; the store tells sooner.
const WAIT: Duration = Duration::from_mins(1);

struct Filter<'a> {
    kind: Option<&'a str>,
    office: Option<OfficeCode>,
    offices: Arc<OfficeDirectory>,
}

impl Filter<'_> {
    fn takes(&self, entry: &Entry<'_>) -> bool {
        let kind = self.kind.is_none_or(|kind| entry.aggregate_type == kind);
        let office = self.office.is_none_or(|top| {
            office_of_entry(entry).is_some_and(|office| self.offices.is_within(office, top))
        });
        kind && office
    }
}

/// Lists entries.
pub async fn run(app: App, args: &Log, output: &Output) -> Result<(), AppError> {
    let office = args.office.as_deref().map(office_code).transpose()?;
    let kind = args.kind.as_deref().map(|kind| {
        crate::model::schema::RecordKind::parse(kind).map_or(kind, |known| known.as_str())
    });
    let mut filter = Filter {
        kind,
        office,
        offices: Arc::default(),
    };
    // The bytes themselves carry no mark.
    let look = async || {
        if output.json {
            return Ok(None);
        }
        app.closes().await.map(Some)
    };
    let mut closes = look().await?;
    let mut from = args.from;
    let mut left = args.limit.unwrap_or(u64::MAX);
    loop {
        let entries = app.ledger.store.entries(from, BATCH).await?;
        if office.is_some() && !entries.is_empty() {
            // After the entries: what is of an office that is new by then is not passed over.
            filter.offices = app.offices_now().await?;
        }
        let marks = match &closes {
            Some(closes) => app.after_a_close(closes, &entries).await?,
            None => HashMap::new(),
        };
        for stored in &entries {
            from = stored.position + 1;
            let mark = marks.get(&stored.position).map_or(&[][..], Vec::as_slice);
            if left > 0 && print(stored, &filter, mark, output)? {
                left -= 1;
            }
        }
        if left == 0 || (entries.is_empty() && !args.follow) {
            break;
        }
        if entries.is_empty() {
            app.ledger.store.grown(from, WAIT).await?;
            closes = look().await?;
        }
    }
    app.close().await;
    Ok(())
}

/// Reads a date from an argument.
pub fn date(text: &str) -> Result<NaiveDate, AppError> {
    parse_date(text).ok_or_else(|| AppError::Usage(format!("{text} is no date; write 2014-06-30")))
}

/// Reads an office's code from an argument.
pub fn office_code(text: &str) -> Result<OfficeCode, AppError> {
    OfficeCode::parse(text)
        .ok_or_else(|| AppError::Usage(format!("{text} is no office code of 12 digits")))
}

/// Says of an entry that it came after the close of periods that it counts for.
pub fn after_close(closed: &[AfterClose], output: &Output) -> Option<String> {
    let mut periods: Vec<String> = closed.iter().map(|one| one.period.to_string()).collect();
    periods.dedup();
    let periods = periods.join(", ");
    (!closed.is_empty()).then(|| {
        output.pick_owned(
            format!("after the close of {periods}"),
            format!("在 {periods} 结账之后"),
        )
    })
}

fn print(
    stored: &StoredEntry,
    filter: &Filter<'_>,
    closed: &[AfterClose],
    output: &Output,
) -> Result<bool, AppError> {
    let entry = Entry::parse(&stored.bytes)
        .map_err(|error| AppError::Integrity(format!("position {}: {error}", stored.position)))?;
    if !filter.takes(&entry) {
        return Ok(false);
    }
    if output.json {
        // The bytes themselves, so that whoever reads them can hash them.
        output.raw(&[stored.bytes.as_slice(), b"\n"].concat())?;
        return Ok(true);
    }
    let mark = after_close(closed, output).map_or_else(String::new, |mark| format!("  {mark}"));
    output.data(&format!(
        "{:>8}  {}  {:<14} {:<10} {}  {}{mark}",
        stored.position,
        entry.recorded_at,
        entry.aggregate_type,
        entry.event_type,
        office_of_entry(&entry).map_or_else(|| "-           ".to_owned(), |code| code.to_string()),
        entry.aggregate_id
    ));
    Ok(true)
}
