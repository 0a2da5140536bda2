//! The tree of offices.
//!
//! What comes in: rows of the offices file or `office` entries. What goes out: a directory that
//! answers which offices exist, which township one belongs to, and what lies below it. What may
//! fail: unknown codes give `None`. What must stay true: a loop of parents ends the walk.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::code::OfficeLevel;
use super::id::OfficeCode;

/// What is known of an office. Nothing of it is personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfficeFields {
    /// Its 12 digits.
    pub code: OfficeCode,
    /// County, township, village or facility.
    pub level: OfficeLevel,
    /// English name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name_en: Option<String>,
    /// Chinese name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name_zh: Option<String>,
    /// The office above.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parent: Option<OfficeCode>,
}

impl OfficeFields {
    /// The name in the language, or in the other, or the code.
    #[must_use]
    pub fn name(&self, chinese: bool) -> &str {
        let (first, second) = if chinese {
            (&self.name_zh, &self.name_en)
        } else {
            (&self.name_en, &self.name_zh)
        };
        first
            .as_deref()
            .or(second.as_deref())
            .unwrap_or(self.code.as_str())
    }
}

/// Deepest tree that is walked.
const MAX_DEPTH: usize = 16;

/// Every registered office by code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfficeDirectory {
    offices: HashMap<OfficeCode, OfficeFields>,
}

impl OfficeDirectory {
    /// Adds an office or replaces what was known of it.
    pub fn insert(&mut self, office: OfficeFields) {
        self.offices.insert(office.code, office);
    }

    /// What is known of the office.
    #[must_use]
    pub fn get(&self, code: OfficeCode) -> Option<&OfficeFields> {
        self.offices.get(&code)
    }

    /// Number of offices.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offices.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.offices.is_empty()
    }

    /// Every office, by code.
    #[must_use]
    pub fn all(&self) -> Vec<&OfficeFields> {
        let mut all: Vec<_> = self.offices.values().collect();
        all.sort_unstable_by_key(|office| office.code);
        all
    }

    /// The office and those above it, nearest first.
    pub fn path(&self, code: OfficeCode) -> impl Iterator<Item = &OfficeFields> {
        std::iter::successors(self.get(code), |office| self.get(office.parent?)).take(MAX_DEPTH)
    }

    /// The township that the office is or belongs to; the office itself when there is none.
    #[must_use]
    pub fn township_of(&self, code: OfficeCode) -> OfficeCode {
        self.path(code)
            .find(|office| office.level == OfficeLevel::Township)
            .map_or(code, |office| office.code)
    }

    /// Whether `code` is `top` or lies below it.
    #[must_use]
    pub fn is_within(&self, code: OfficeCode, top: OfficeCode) -> bool {
        code == top || self.path(code).any(|office| office.code == top)
    }
}
