//! Which files are ours, by their names.
//!
//! What comes in: the name of a file or sheet. What goes out: its kind and format. What may fail:
//! a name that fits no kind or more than one is `None`, because guessing would put records where
//! they do not belong. What must stay true: our own rejects files, locks of open workbooks and
//! hidden files are never taken for deliveries.

use std::path::Path;

use super::delivery::Format;
use super::row::RowKind;
use crate::model::schema::RecordKind;

/// The format, by extension.
pub(super) fn format(path: &Path) -> Option<Format> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "csv" | "txt" => Some(Format::Csv),
        "xlsx" => Some(Format::Xlsx),
        "jsonl" | "ndjson" => Some(Format::JsonLines),
        _ => None,
    }
}

/// The kind that the stem of a file, or the name of a sheet, says.
pub(super) fn kind(name: &str) -> Option<RowKind> {
    let name = name.trim().to_lowercase();
    if let Some(kind) = RecordKind::parse(&name) {
        return Some(RowKind::Record(kind));
    }
    let words: Vec<&str> = name
        .split(|c: char| !c.is_ascii_alphabetic())
        .filter(|word| !word.is_empty())
        .collect();
    if words.first() == Some(&"rejects") {
        return None;
    }
    let mut found = RowKind::ALL.into_iter().filter(|kind| {
        let own: Vec<&str> = kind.file().split('_').collect();
        name.contains(kind.zh()) || words.windows(own.len()).any(|window| window == own)
    });
    let kind = found.next()?;
    // Two names in one (`births-returns`) are no name.
    found.next().is_none().then_some(kind)
}

/// Whether a file is one that programs leave beside the others.
pub(super) fn is_left_over(name: &str) -> bool {
    name.starts_with('.') || name.starts_with("~$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recognised_only_when_they_say_one_kind() {
        let birth = Some(RowKind::Record(RecordKind::Birth));
        let loss = Some(RowKind::Record(RecordKind::PregnancyLoss));
        for name in [
            "births",
            "BIRTHS",
            "births-2014",
            "2014_births",
            "births2014",
            "birth",
        ] {
            assert_eq!(kind(name), birth, "{name}");
        }
        for name in ["出生", "出生2014", "2014年出生", "示范镇-出生"] {
            assert_eq!(kind(name), birth, "{name}");
        }
        for name in ["pregnancy_losses", "pregnancy-losses-2014", "孕情消失"] {
            assert_eq!(kind(name), loss, "{name}");
        }
        assert_eq!(kind("offices"), Some(RowKind::Office));
        assert_eq!(kind("单位"), Some(RowKind::Office));
        for name in [
            "truth",
            "README",
            "births-returns",
            "出生登记",
            "rejects-births",
            "rebirths",
        ] {
            assert_eq!(kind(name), None, "{name}");
        }
    }
}
