//! The receiver's names of offices, figures and the set.
//!
//! What comes in: a JSON file. What goes out: a name for each of ours, which is our own where the
//! file has none. What may fail: other JSON, or a name that is no token of XML. What must stay
//! true: without a file everything goes by our codes, and the output says that they are codes.

use std::collections::HashMap;

use serde::Deserialize;

use super::ExchangeError;
use crate::model::id::OfficeCode;

/// By which property the receiver finds its objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Scheme {
    /// Their codes.
    #[default]
    Code,
    /// Their identifiers of 11 characters.
    Uid,
    /// Their names.
    Name,
}

impl Scheme {
    /// The word of the Web API.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "CODE",
            Self::Uid => "UID",
            Self::Name => "NAME",
        }
    }
}

/// Names of the receiver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Names {
    /// By what the names are names.
    pub scheme: Scheme,
    /// The name of the set.
    pub data_set: Option<String>,
    /// By our code.
    pub offices: HashMap<OfficeCode, String>,
    /// By our name of the figure.
    pub elements: HashMap<String, String>,
}

impl Names {
    /// Reads the file.
    ///
    /// # Errors
    /// When it is other JSON, or a name is no token.
    pub fn parse(text: &str) -> Result<Self, ExchangeError> {
        let names: Self = serde_json::from_str(text).map_err(ExchangeError::Names)?;
        let all = names.offices.values().chain(names.elements.values());
        match all.chain(&names.data_set).find(|name| !is_token(name)) {
            Some(wrong) => Err(ExchangeError::Name(wrong.clone())),
            None => Ok(names),
        }
    }

    pub(super) fn office(&self, code: OfficeCode) -> String {
        let named = self.offices.get(&code);
        named.cloned().unwrap_or_else(|| code.to_string())
    }

    pub(super) fn element<'a>(&'a self, own: &'a str) -> &'a str {
        self.elements.get(own).map_or(own, String::as_str)
    }
}

/// `xs:token`: no blanks at the ends, none twice in a row, no control characters.
fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name.trim() == name
        && !name.contains("  ")
        && !name.chars().any(char::is_control)
}
