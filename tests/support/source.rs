//! A Rust file as the tests of style see it: its code without comments, texts and test modules.
//!
//! What comes in: the text of a file. What goes out: imports, functions, words, statements, each
//! with its line. What may fail: nothing; a file that does not compile is the compiler's business.
//! What must stay true: blanking keeps every line where it was, so that line numbers are right.

use std::collections::BTreeSet;

/// A file of this package.
pub struct Source {
    /// Its path inside the package.
    pub name: String,
    /// As it is.
    pub raw: String,
    /// Comments and the content of texts blanked; test modules too.
    code: String,
    /// Comments blanked only.
    with_texts: String,
    /// Whether a line holds a comment.
    commented: Vec<bool>,
}

/// A function with a body.
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    Text,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The end of a text that begins at `at` with an optional prefix, or `None` when none begins.
fn text_end(bytes: &[u8], at: usize) -> Option<usize> {
    if at > 0 && is_word(bytes[at - 1]) {
        return None;
    }
    let mut open = at;
    while matches!(bytes.get(open), Some(b'b' | b'c' | b'r')) && open < at + 2 {
        open += 1;
    }
    let raw = bytes[at..open].contains(&b'r');
    let fences = bytes[open..].iter().take_while(|b| **b == b'#').count();
    let fences = if raw { fences } else { 0 };
    open += fences;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let mut end = open + 1;
    while end < bytes.len() {
        match bytes[end] {
            b'\\' if !raw => end += 1,
            b'"' if bytes[end + 1..]
                .iter()
                .take(fences)
                .filter(|b| **b == b'#')
                .count()
                == fences =>
            {
                return Some(end + 1 + fences);
            }
            _ => (),
        }
        end += 1;
    }
    Some(bytes.len())
}

/// The end of a character that begins at `at`; a lifetime is none.
fn character_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes[at] != b'\'' {
        return None;
    }
    if bytes.get(at + 1) == Some(&b'\\') {
        let rest = bytes.get(at + 3..)?;
        return rest
            .iter()
            .position(|b| *b == b'\'')
            .map(|more| at + 4 + more);
    }
    let rest = std::str::from_utf8(bytes.get(at + 1..)?).ok()?;
    let first = rest.chars().next()?;
    let close = at + 1 + first.len_utf8();
    (bytes.get(close) == Some(&b'\'')).then_some(close + 1)
}

fn comment_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes[at..].starts_with(b"//") {
        let line = bytes[at..].iter().position(|b| *b == b'\n');
        return Some(line.map_or(bytes.len(), |length| at + length));
    }
    if !bytes[at..].starts_with(b"/*") {
        return None;
    }
    let (mut depth, mut end) = (0, at);
    while end < bytes.len() {
        if bytes[end..].starts_with(b"/*") {
            depth += 1;
            end += 1;
        } else if bytes[end..].starts_with(b"*/") {
            depth -= 1;
            end += 1;
        }
        end += 1;
        if depth == 0 {
            break;
        }
    }
    Some(end)
}

/// What every byte belongs to.
fn parts(text: &str) -> Vec<Part> {
    let bytes = text.as_bytes();
    let mut parts = vec![Part::Code; bytes.len()];
    let mut at = 0;
    while at < bytes.len() {
        let (part, end) = if let Some(end) = comment_end(bytes, at) {
            (Part::Comment, end)
        } else if let Some(end) = text_end(bytes, at).or_else(|| character_end(bytes, at)) {
            (Part::Text, end)
        } else {
            (Part::Code, at + 1)
        };
        let end = end.min(bytes.len());
        parts[at..end].fill(part);
        at = end;
    }
    parts
}

/// Replaces what is not wanted by spaces; lines stay where they are.
fn blank(text: &str, wanted: impl Fn(usize) -> bool) -> String {
    let kept = text.bytes().enumerate().map(|(at, byte)| {
        if byte == b'\n' || (wanted(at) && byte.is_ascii()) {
            byte
        } else if wanted(at) {
            b'_'
        } else {
            b' '
        }
    });
    String::from_utf8(kept.collect()).unwrap()
}

/// The byte after the bracket that closes the one at `open`.
fn closing(code: &[u8], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => (),
        }
    }
    code.len()
}

/// Where modules that are for tests only begin and end.
fn test_modules(code: &str) -> Vec<std::ops::Range<usize>> {
    code.match_indices("#[cfg(test)]")
        .map(|(at, attribute)| {
            let after = at + attribute.len();
            let open = code[after..]
                .find('{')
                .map_or(code.len(), |more| after + more);
            let semicolon = code[after..]
                .find(';')
                .map_or(code.len(), |more| after + more);
            if semicolon < open {
                at..semicolon + 1
            } else {
                at..closing(code.as_bytes(), open)
            }
        })
        .collect()
}

impl Source {
    pub fn new(name: String, raw: String) -> Self {
        let parts = parts(&raw);
        let code = blank(&raw, |at| parts[at] == Part::Code);
        let tests = test_modules(&code);
        let tested = |at: usize| tests.iter().any(|range| range.contains(&at));
        let mut commented = vec![false; raw.lines().count() + 1];
        let mut line = 0;
        for (at, byte) in raw.bytes().enumerate() {
            commented[line] |= parts[at] == Part::Comment;
            line += usize::from(byte == b'\n');
        }
        Self {
            code: blank(&code, |at| !tested(at)),
            with_texts: blank(&raw, |at| parts[at] != Part::Comment && !tested(at)),
            name,
            raw,
            commented,
        }
    }

    /// Whether the whole file is a test.
    pub fn is_test(&self) -> bool {
        self.name.split('/').any(|part| part.starts_with("tests"))
    }

    /// The module of the first level that the file belongs to.
    pub fn module(&self) -> Option<&str> {
        let inside = self.name.strip_prefix("src/")?;
        let module = inside.split('/').next()?.trim_end_matches(".rs");
        (!matches!(module, "lib" | "main")).then_some(module)
    }

    /// Whether the file is this module or below it.
    pub fn is_below(&self, module: &str) -> bool {
        let rest = self.name.strip_prefix(module);
        rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }

    pub fn comment_lines(&self) -> usize {
        self.commented.iter().filter(|comment| **comment).count()
    }

    fn line_of(&self, at: usize) -> usize {
        self.raw[..at].matches('\n').count() + 1
    }

    /// Where a word stands in the code, not as a part of a longer one.
    fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let bytes = self.code.as_bytes();
        self.code
            .match_indices(word)
            .map(|(at, _)| at)
            .filter(move |at| {
                let before = at
                    .checked_sub(1)
                    .is_none_or(|before| !is_word(bytes[before]));
                let last = word.as_bytes()[word.len() - 1];
                let after = bytes
                    .get(at + word.len())
                    .is_none_or(|after| !is_word(*after));
                before && (after || !is_word(last))
            })
    }

    /// The lines of the code in which a word stands.
    pub fn lines_with_word<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.words(word).map(|at| self.line_of(at))
    }

    /// The modules of the first level that the code names, with the lines.
    pub fn imports(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for at in self.words("crate") {
            if let Some(path) = self.code[at..].strip_prefix("crate::") {
                let line = self.line_of(at);
                found.extend(first_names(path).into_iter().map(|name| (line, name)));
            }
        }
        // `super::super::...` that climbs to the crate.
        let depth = self.depth();
        let climb = "super::".repeat(depth);
        if depth > 0 {
            for at in self.words("super") {
                let before = self.code[..at].ends_with("super::");
                if let (false, Some(path)) = (before, self.code[at..].strip_prefix(&climb)) {
                    let line = self.line_of(at);
                    let names = first_names(path).into_iter().filter(|name| name != "super");
                    found.extend(names.map(|name| (line, name)));
                }
            }
        }
        for (_, name) in &mut found {
            // Macros are exported from the crate's root: this one is defined in `model::fields`.
            if name == "with_fields" {
                "model".clone_into(name);
            }
        }
        found
    }

    /// How many modules the file is below the crate.
    fn depth(&self) -> usize {
        let parts = self.name.split('/').count() - 1;
        parts - usize::from(self.name.ends_with("/mod.rs"))
    }

    /// Every function with a body.
    pub fn functions(&self) -> Vec<Function> {
        // With the tests: a test fits a screen too.
        let parts = parts(&self.raw);
        let code = blank(&self.raw, |at| parts[at] == Part::Code);
        let whole = Self {
            name: self.name.clone(),
            raw: self.raw.clone(),
            code,
            with_texts: String::new(),
            commented: Vec::new(),
        };
        let functions = whole.words("fn").filter_map(|at| {
            let name: String = whole.code[at + 2..]
                .trim_start()
                .chars()
                .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
                .collect();
            let end = body_end(whole.code.as_bytes(), at)?;
            (!name.is_empty()).then(|| Function {
                name,
                line: whole.line_of(at),
                lines: whole.line_of(end - 1) - whole.line_of(at) + 1,
            })
        });
        functions.collect()
    }

    /// Modules that are declared in the file.
    pub fn inline_modules(&self) -> Vec<(usize, String)> {
        let named = self.words("mod").map(|at| {
            let rest = self.code[at + 3..].trim_start().chars();
            let name = rest
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            (self.line_of(at), name)
        });
        named.collect()
    }

    /// Tables that texts of the file name after a word of SQL, with the lines.
    pub fn tables_in_statements(&self, tables: &BTreeSet<String>) -> Vec<(usize, String)> {
        const BEFORE: [&str; 6] = ["FROM", "INTO", "UPDATE", "JOIN", "TABLE", "ON"];
        let mut found = Vec::new();
        for (line, row) in (1..).zip(self.with_texts.lines()) {
            let words: Vec<&str> = row
                .split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .filter(|word| !word.is_empty())
                .collect();
            for pair in words.windows(2) {
                if BEFORE.contains(&pair[0]) && tables.contains(pair[1]) {
                    found.push((line, pair[1].to_owned()));
                }
            }
        }
        found
    }
}

/// The end of the body of the function whose `fn` stands at `at`; a declaration has none.
fn body_end(code: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (offset, byte) in code.iter().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' if depth == 0 => return None,
            b'{' if depth == 0 => return Some(closing(code, offset)),
            _ => (),
        }
        if depth < 0 {
            return None;
        }
    }
    None
}

/// The first names of a path: one, or several inside braces.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        let text = text.trim_start();
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let mut names = Vec::new();
    let (mut depth, mut start) = (1, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => (),
        }
        if (c == ',' && depth == 1) || depth == 0 {
            names.push(name(&group[start..at]));
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn code_is_told_from_comments_texts_and_tests() {
    let text = r##"
use crate::{model::{id, time}, store::Store};
// use crate::cli;
const A: &str = "crate::web"; const B: &str = r#"crate::"http"#; const C: char = '"';
fn longer<'a>(x: [u8; 2]) -> &'a str {
    crate::ledger::run('{')
}
fn declared();
#[cfg(test)]
mod tests { use crate::app; fn inside() {} }
fn up() { super::super::seal::x() }
"##;
    let source = Source::new("src/store/some.rs".to_owned(), text.to_owned());
    let found = source.imports();
    let names: Vec<(usize, &str)> = found
        .iter()
        .map(|(at, name)| (*at, name.as_str()))
        .collect();
    assert_eq!(
        names,
        [(2, "model"), (2, "store"), (6, "ledger"), (11, "seal")]
    );
    let functions = source.functions();
    let functions: Vec<_> = functions
        .iter()
        .map(|f| (f.name.as_str(), f.line, f.lines))
        .collect();
    assert_eq!(
        functions,
        [("longer", 5, 3), ("inside", 10, 1), ("up", 11, 1)]
    );
    assert_eq!(source.comment_lines(), 1);
}
