//! Where to publish.

use std::path::PathBuf;

/// Longest name of a stream.
const MAX_NAME_BYTES: usize = 64;

/// Where to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The servers, as `nats://host:4222`, separated by commas.
    pub servers: String,
    /// The stream; made when it is not there.
    pub stream: String,
    /// What all subjects begin with.
    pub prefix: String,
    /// A file of credentials.
    pub credentials: Option<PathBuf>,
}

/// A name that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Of a stream.
    #[error("{0:?} cannot name a stream: letters, digits, '-' and '_', at most {MAX_NAME_BYTES}")]
    Stream(String),
    /// Of a subject.
    #[error(
        "{0:?} cannot begin a subject: words of letters, digits, '-' and '_', with full stops between them"
    )]
    Prefix(String),
}

fn is_word(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(known)
}

impl Target {
    /// Whether the names can be used.
    ///
    /// # Errors
    /// When one cannot.
    pub fn check(&self) -> Result<(), NameError> {
        if !is_word(&self.stream) {
            return Err(NameError::Stream(self.stream.clone()));
        }
        if !self.prefix.split('.').all(is_word) {
            return Err(NameError::Prefix(self.prefix.clone()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(stream: &str, prefix: &str) -> Target {
        Target {
            servers: "nats://127.0.0.1:4222".to_owned(),
            stream: stream.to_owned(),
            prefix: prefix.to_owned(),
            credentials: None,
        }
    }

    #[test]
    fn names_with_a_meaning_of_their_own_are_refused() {
        assert_eq!(target("EVENTS", "county.events").check(), Ok(()));
        for stream in ["", "a.b", "a b", "a*", "a>", "名"] {
            let refused = target(stream, "events").check();
            assert_eq!(refused, Err(NameError::Stream(stream.to_owned())));
        }
        for prefix in ["", ".", "a.", "a..b", "a.*", ">", "a b", "$JS"] {
            let refused = target("EVENTS", prefix).check();
            assert_eq!(refused, Err(NameError::Prefix(prefix.to_owned())));
        }
    }
}
