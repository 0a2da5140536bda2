//! Texts in two languages.
//!
//! What comes in: a language, the key of a text and its arguments. What goes out: the text, from
//! the Fluent files below `texts/`, which are embedded at compile time; a file that is added
//! there adds its keys. What may fail: nothing; a key that is missing in one language is taken
//! from English, and one that is missing altogether stands for itself. What must stay true: both
//! languages have the same keys, and no text is written anywhere else.

pub mod columns;

use std::borrow::Cow;
use std::collections::HashMap;

use chrono::{Datelike, NaiveDate};
use fluent_templates::Loader;
use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::loader::{LanguageIdentifier, langid};
use serde::Serialize;

use crate::model::code::OfficeLevel;

fluent_templates::static_loader! {
    static LOCALES = {
        locales: "./src/locale/texts",
        fallback_language: "en",
        // The marks that isolate text directions would spoil columns, searches and JSON.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

/// A language of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    En,
    /// Chinese, simplified.
    Zh,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::En, Self::Zh];

    /// `en` or `zh`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }

    /// The tag for HTML (BCP 47).
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh-Hans",
        }
    }

    /// Reads `en`, `zh`, or a locale that begins so (`zh_CN.UTF-8`).
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let first = word.split(['-', '_', '.']).next()?;
        Self::ALL
            .into_iter()
            .find(|language| first.eq_ignore_ascii_case(language.as_str()))
    }

    const fn identifier(self) -> LanguageIdentifier {
        match self {
            Self::En => langid!("en"),
            Self::Zh => langid!("zh"),
        }
    }
}

impl std::fmt::Display for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text of a key, if there is one.
#[must_use]
pub fn known_text(language: Language, key: &str, args: &[(&'static str, &str)]) -> Option<String> {
    let args: HashMap<Cow<'static, str>, FluentValue<'_>> = args
        .iter()
        .map(|(name, value)| (Cow::Borrowed(*name), FluentValue::from(*value)))
        .collect();
    LOCALES.try_lookup_complete(&language.identifier(), key, Some(&args))
}

/// The text of a key, or the key itself where there is none.
#[must_use]
pub fn text(language: Language, key: &str, args: &[(&'static str, &str)]) -> String {
    known_text(language, key, args).unwrap_or_else(|| key.to_owned())
}

/// A text in both languages, as JSON carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bilingual {
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

impl Bilingual {
    /// The text of a key in both languages.
    #[must_use]
    pub fn of(key: &str, args: &[(&'static str, &str)]) -> Self {
        Self {
            en: text(Language::En, key, args),
            zh: text(Language::Zh, key, args),
        }
    }

    /// The text in one language.
    #[must_use]
    pub fn get(&self, language: Language) -> &str {
        match language {
            Language::En => &self.en,
            Language::Zh => &self.zh,
        }
    }
}

/// A remark with a name that machines can rely on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Stable name.
    pub id: &'static str,
    /// What it says.
    #[serde(flatten)]
    pub text: Bilingual,
}

impl Note {
    /// The note of that name; its text has the key `note-<id>`.
    #[must_use]
    pub fn new(id: &'static str, args: &[(&'static str, &str)]) -> Self {
        Self {
            id,
            text: Bilingual::of(&format!("note-{id}"), args),
        }
    }

    /// A note that names a date, which each language writes in its own way.
    #[must_use]
    pub fn dated(id: &'static str, date: NaiveDate) -> Self {
        let key = format!("note-{id}");
        let of = |language| text(language, &key, &[("date", &date_text(language, date))]);
        Self {
            id,
            text: Bilingual {
                en: of(Language::En),
                zh: of(Language::Zh),
            },
        }
    }
}

/// A date as readers of the language write it.
#[must_use]
pub fn date_text(language: Language, date: NaiveDate) -> String {
    match language {
        Language::En => date.format("%-d %B %Y").to_string(),
        Language::Zh => format!("{}年{}月{}日", date.year(), date.month(), date.day()),
    }
}

/// The word for a level of offices.
#[must_use]
pub fn level_text(language: Language, level: OfficeLevel) -> &'static str {
    match language {
        Language::En => level.as_str(),
        Language::Zh => level.zh(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EN: &str = concat!(
        include_str!("texts/en/report.ftl"),
        include_str!("texts/en/periods.ftl")
    );
    const ZH: &str = concat!(
        include_str!("texts/zh/report.ftl"),
        include_str!("texts/zh/periods.ftl")
    );

    /// Keys with the names of their arguments.
    fn keys(file: &str) -> Vec<(String, Vec<String>)> {
        let line = |line: &str| {
            let (key, value) = line.split_once(" = ")?;
            let mut args: Vec<_> = value
                .split("{ $")
                .skip(1)
                .filter_map(|rest| Some(rest.split_once(" }")?.0.to_owned()))
                .collect();
            args.sort_unstable();
            args.dedup();
            Some((key.to_owned(), args))
        };
        let mut keys: Vec<_> = file
            .lines()
            .filter(|l| !l.starts_with('#'))
            .filter_map(line)
            .collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn both_languages_have_the_same_keys_and_arguments() {
        assert_eq!(keys(EN), keys(ZH));
        assert!(keys(EN).len() > 60);
        assert!(
            keys(EN).windows(2).all(|pair| pair[0].0 != pair[1].0),
            "a key stands twice"
        );
        for language in Language::ALL {
            for (key, names) in keys(EN) {
                let args: Vec<(&'static str, &str)> = names
                    .into_iter()
                    .map(|name| (&*name.leak(), "42"))
                    .collect();
                let text = known_text(language, &key, &args).expect(&key);
                assert!(!text.contains(['{', '$']), "{key}");
            }
        }
    }

    #[test]
    fn a_key_that_is_missing_stands_for_itself() {
        assert_eq!(text(Language::Zh, "no-such-key", &[]), "no-such-key");
        assert_eq!(known_text(Language::En, "no such key", &[]), None);
    }

    #[test]
    fn languages_are_read_from_locales() {
        assert_eq!(Language::parse("zh_CN.UTF-8"), Some(Language::Zh));
        assert_eq!(Language::parse("EN"), Some(Language::En));
        assert_eq!(Language::parse("fr"), None);
    }
}
