//! Which events a reader is told of.
//!
//! What comes in: an event and the offices as they are. What goes out: whether it is told. What may
//! fail: a kind that there is not. What must stay true: whoever may see an office sees what is below
//! it, and nothing else; what is of no office is told to those only who asked for it and may.

use std::sync::Arc;

use uuid::Uuid;

use super::event::{Event, EventError};
use crate::ledger::aggregate::office::office_of_entry;
use crate::model::entry::Entry;
use crate::model::id::OfficeCode;
use crate::model::office::OfficeDirectory;
use crate::model::schema::RecordKind;
use crate::store::StoredEntry;
pub use crate::store::subscriptions::Filter;

/// How far the log was seen, and the offices as they were known after that: what comes later is not
/// judged by them, since it may be of an office that they do not have.
#[derive(Debug, Clone)]
pub struct Sight {
    /// So many entries.
    pub size: u64,
    /// Every office that they register.
    pub offices: Arc<OfficeDirectory>,
}

/// Types of streams beside records.
const OTHER_KINDS: [&str; 10] = [
    "access",
    "disclosure",
    "erasure",
    "finding",
    "import",
    "ledger",
    "linkage",
    "office",
    "period",
    "sample",
];

/// Every type of stream.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    RecordKind::ALL
        .into_iter()
        .map(RecordKind::as_str)
        .chain(OTHER_KINDS)
}

/// There is no such type of stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no kind of event")]
pub struct NoKind(pub String);

impl Filter {
    /// Everything that is in the log.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            kinds: Vec::new(),
            office: None,
            officeless: true,
        }
    }

    /// The kinds of this name, in order and each once.
    ///
    /// # Errors
    /// When there is no such kind.
    pub fn with_kinds(mut self, names: &[String]) -> Result<Self, NoKind> {
        for name in names {
            let known = RecordKind::parse(name).map(RecordKind::as_str);
            let known = known.or_else(|| kinds().find(|kind| kind == name));
            let known = known.ok_or_else(|| NoKind(name.clone()))?;
            self.kinds.push(known.to_owned());
        }
        self.kinds.sort_unstable();
        self.kinds.dedup();
        Ok(self)
    }

    /// Whether an event is wanted.
    #[must_use]
    pub fn takes(&self, event: &Event, offices: &OfficeDirectory) -> bool {
        self.wants(&event.kind, event.office, offices)
    }

    /// The record of an entry, if it is wanted.
    ///
    /// # Errors
    /// When it does not read.
    pub fn finds(
        &self,
        stored: &StoredEntry,
        offices: &OfficeDirectory,
    ) -> Result<Option<Uuid>, EventError> {
        let position = stored.position;
        let failed = |source| EventError::Entry { position, source };
        let entry = Entry::parse(&stored.bytes).map_err(failed)?;
        let wanted = self.wants(&entry.aggregate_type, office_of_entry(&entry), offices);
        Ok(wanted.then_some(entry.aggregate_id))
    }

    /// Whether what is of this kind and office is wanted.
    #[must_use]
    pub fn wants(&self, kind: &str, office: Option<OfficeCode>, offices: &OfficeDirectory) -> bool {
        if !self.kinds.is_empty() && !self.kinds.iter().any(|wanted| wanted == kind) {
            return false;
        }
        match (office, self.office) {
            (None, _) => self.officeless,
            (Some(_), None) => true,
            (Some(office), Some(top)) => offices.is_within(office, top),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::code::OfficeLevel;
    use crate::model::office::OfficeFields;

    fn code(text: &str) -> OfficeCode {
        OfficeCode::parse(text).unwrap()
    }

    fn offices() -> OfficeDirectory {
        let mut offices = OfficeDirectory::default();
        for (own, parent) in [
            ("990101000000", None),
            ("990101100000", Some("990101000000")),
        ] {
            offices.insert(OfficeFields {
                code: code(own),
                level: OfficeLevel::County,
                name_en: None,
                name_zh: None,
                parent: parent.map(code),
            });
        }
        offices
    }

    #[test]
    fn an_office_is_told_of_what_is_below_it_and_of_nothing_else() {
        let offices = offices();
        let filter = |office: Option<&str>, officeless| Filter {
            kinds: vec!["birth".to_owned()],
            office: office.map(code),
            officeless,
        };
        let below = Some(code("990101100000"));
        let county = filter(Some("990101000000"), false);
        assert!(county.wants("birth", below, &offices));
        assert!(!county.wants("activity", below, &offices));
        assert!(!county.wants("birth", Some(code("990202000000")), &offices));
        assert!(!county.wants("birth", None, &offices));
        let village = filter(Some("990101100000"), false);
        assert!(!village.wants("birth", Some(code("990101000000")), &offices));
        assert!(filter(Some("990101100000"), true).wants("birth", None, &offices));
        assert!(filter(None, false).wants("birth", below, &offices));
        assert!(Filter::everything().wants("access", None, &offices));
    }

    #[test]
    fn kinds_are_known_in_both_languages_and_others_refused() {
        let names = ["office", "birth", "birth"].map(str::to_owned);
        let filter = Filter::default().with_kinds(&names).unwrap();
        assert_eq!(filter.kinds, ["birth", "office"]);
        let unknown = Filter::default().with_kinds(&["person".to_owned()]);
        assert_eq!(unknown, Err(NoKind("person".to_owned())));
    }
}
