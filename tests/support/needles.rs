//! Many texts that are looked for in many bytes at once.
//!
//! What comes in: texts of at least five bytes, each with the name of what it is. What goes out:
//! those that occur. What may fail: nothing. What must stay true: a text is found wherever it
//! begins; shorter ones are refused, since they would be found by chance.

use std::collections::{BTreeSet, HashMap};

/// Shortest text that is not found by chance in ciphertext.
const LEAST_BYTES: usize = 5;
const KEY_BYTES: usize = 4;

/// The texts, by their first bytes.
#[derive(Default)]
pub struct Needles {
    by_start: HashMap<[u8; KEY_BYTES], Vec<(&'static str, Vec<u8>)>>,
    /// Whether anything begins with these two bytes: most places are passed by at once.
    starts: Vec<bool>,
    seen: BTreeSet<Vec<u8>>,
}

impl Needles {
    pub fn add(&mut self, what: &'static str, text: &str) {
        let bytes = text.as_bytes().to_vec();
        assert!(
            bytes.len() >= LEAST_BYTES,
            "{text} is too short to be looked for"
        );
        if !self.seen.insert(bytes.clone()) {
            return;
        }
        self.starts.resize(1 << 16, false);
        self.starts[usize::from(bytes[0]) << 8 | usize::from(bytes[1])] = true;
        let key = bytes[..KEY_BYTES].try_into().unwrap();
        self.by_start.entry(key).or_default().push((what, bytes));
    }

    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// What occurs.
    pub fn find(&self, bytes: &[u8]) -> BTreeSet<(&'static str, String)> {
        let mut found = BTreeSet::new();
        for (at, window) in bytes.windows(KEY_BYTES).enumerate() {
            if !self.starts[usize::from(window[0]) << 8 | usize::from(window[1])] {
                continue;
            }
            let candidates = self.by_start.get(window).into_iter().flatten();
            for (what, needle) in candidates.filter(|(_, needle)| bytes[at..].starts_with(needle)) {
                found.insert((*what, String::from_utf8_lossy(needle).into_owned()));
            }
        }
        found
    }
}
