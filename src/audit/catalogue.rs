//! The rules of the audit: their texts, and what their heads say.
//!
//! What comes in: the SQL files that the program carries, and those of a folder that the user
//! names. What goes out: a [`Catalogue`] of [`Rule`]s, each with its head read, its parameters put
//! in and its parts included. What may fail: a head that says less than it must, a parameter or a
//! part that is not there; it is said with file and line, and the other rules stay. What must stay
//! true: two catalogues with the same digest say the same; a line of the SQL that runs is known by
//! file and line.
//!
//! ```text
//! -- id: PL1                         which rule; several files may say parts of one
//! -- part: township                  which part, where there are several
//! -- version: 1                      raised whenever the rule says something else
//! -- verdict: fail                   fail | signal; a column `verdict` may say otherwise
//! -- about: records                  records | office: what a finding is about
//! -- subject: indicator, series      columns that tell findings about one office and period apart
//! -- near: person, certificate       whose codes the records of a row share, if it looks no further
//! -- title_en: ...  -- title_zh: ...
//! -- ask_en: ...    -- ask_zh: ...   what the office is asked; {column} stands for its value
//! -- work_en: ...   -- work_zh: ...  the arithmetic, spelled out in the same way; may be left out
//! -- chart: series                   the text of the chart of a finding, if it has one
//! -- param youngest: 12              a number or a word; stands as $youngest in the text
//! SELECT office, make_array(record) AS records, ...
//! ```
//!
//! The text follows the head. A line `-- include: pooled` stands for the part of that name, and
//! `-- once: sample` says that the table of that name in its `WITH` is asked several times and
//! shall be made once: that is faster, and takes less memory, because it is done before the rest. A
//! rule's rows have `office` and either `records`, a list of the records it speaks of, or a
//! `period` or nothing more; a signal has `p`, `p_mid` and `passes`, which says whether the effect
//! is as large as the rule asks for.

mod head;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use sha2::{Digest, Sha256};

use self::head::Head;
use super::rows::{Found, Number};
use crate::ledger::aggregate::finding::Verdict;
use crate::locale::Bilingual;
use crate::registers::sql::SqlError;

macro_rules! texts {
    ($($name:literal)+) => {
        &[$(($name, include_str!(concat!("rules/", $name, ".sql"))),)+]
    };
}

/// The rules that the program carries, by the name of their file.
const RULES: &[(&str, &str)] = texts!(
    "AR1" "AR2" "AR3" "BN1" "BN2" "CT1" "CT2" "CT3" "CT4" "CT5" "DU1" "DU1-nameless" "FN1" "HP1" "HP2-gestation"
    "HP2-weight" "HP3-ages" "HP3-zodiac" "HP4" "ID1" "ID2" "ID3" "PL1" "PL2" "PL3" "PY1" "PY2"
    "PY3" "PY4" "PY5" "PY6" "PY7" "PY8" "PY9" "RS1" "RS2" "SQ1" "SR1" "SR1-closeness" "SR2" "TM1" "TM2"
    "TM2-closed" "TM2-late-share" "TM3" "XS1" "XS2" "XS3" "XS4" "XS5"
);
/// Texts that several rules include.
const PARTS: &[(&str, &str)] = texts!(
    "parts/days" "parts/pooled" "parts/reported" "parts/series" "parts/turn" "parts/weeks" "parts/weights"
);
/// What stands behind a finding, as bars: columns `at`, `value` and perhaps `expected`.
const CHARTS: &[(&str, &str)] = texts!(
    "charts/days" "charts/reported" "charts/series" "charts/turn" "charts/weeks" "charts/weights"
);
/// Tables that are made once in a run, in this order, and asked by rules like the others.
const VIEWS: &[(&str, &str)] = texts!("views/birth_links" "views/figures" "views/live" "views/schemes" "views/series" "views/spans");

/// What a rule's findings are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Records, by which they are told apart.
    Records,
    /// An office, and perhaps a period.
    Office,
}

/// A value that the user may change.
#[derive(Debug, Clone, PartialEq)]
pub enum Parameter {
    /// A number, as it was written.
    Number(String),
    /// A word.
    Word(String),
}

impl Parameter {
    fn parse(text: &str) -> Option<Self> {
        let plain = text.strip_prefix('-').unwrap_or(text);
        let is_number = plain.starts_with(|c: char| c.is_ascii_digit())
            && plain
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
            && text.parse::<f64>().is_ok();
        if is_number {
            return Some(Self::Number(text.to_owned()));
        }
        let is_word = !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_word.then(|| Self::Word(text.to_owned()))
    }

    /// As a word of SQL, also if it looks like a number.
    fn quoted(&self) -> String {
        let (Self::Number(text) | Self::Word(text)) = self;
        format!("'{text}'")
    }

    /// As it stands in SQL.
    #[must_use]
    pub fn literal(&self) -> String {
        match self {
            Self::Number(number) => number.clone(),
            Self::Word(word) => format!("'{word}'"),
        }
    }
}

/// The words of a text.
fn words(sql: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    sql.split(|c| !is_part(c)).collect()
}

/// The tables that lines `-- once: a, b` of a text name.
fn once(sql: &str) -> Vec<String> {
    let lines = sql
        .lines()
        .filter_map(|line| line.trim().strip_prefix("-- once:"));
    let names = lines.flat_map(|names| names.split(','));
    names.map(|name| name.trim().to_owned()).collect()
}

/// Where a line comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: String,
    /// 1-based line.
    pub line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A rule that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct RuleFault {
    /// Where.
    pub place: Place,
    /// What is wrong and what to do.
    pub what: String,
}

/// A rule, or a part of one.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Which rule.
    pub id: String,
    /// Which part of it, where there are several.
    pub part: Option<String>,
    /// Its version.
    pub version: u32,
    /// What it says unless a row says otherwise.
    pub verdict: Verdict,
    /// What its findings are about.
    pub about: About,
    /// Columns that tell findings about one office and period apart.
    pub subject: Vec<String>,
    /// Classes of codes that the records of a row share, and beyond which it does not look; empty
    /// where it may look anywhere. See [`super::near`].
    pub near: Vec<String>,
    /// Its name.
    pub title: Bilingual,
    /// What the office is asked; `{column}` stands for a value.
    pub ask: Bilingual,
    /// The arithmetic, spelled out in the same way; empty where a rule does not say it.
    pub work: Bilingual,
    /// SQL of the chart of a finding; `{column}` stands for a value of its row.
    pub chart: Option<String>,
    /// Its parameters.
    pub parameters: BTreeMap<String, Parameter>,
    /// Its SQL, with the parts included and the parameters put in.
    pub sql: String,
    /// Tables of its `WITH` that it asks several times, and that are made once.
    pub once: Vec<String>,
    /// Where each line of the SQL comes from.
    pub places: Vec<Place>,
}

impl Rule {
    /// Its id, with the part.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.part {
            Some(part) => format!("{}-{part}", self.id),
            None => self.id.clone(),
        }
    }

    /// Whether its SQL names a table.
    #[must_use]
    pub fn asks(&self, table: &str) -> bool {
        words(&self.sql).contains(table)
    }

    /// What the engine says of its text, where it says it.
    #[must_use]
    pub fn fault(&self, error: &SqlError) -> RuleFault {
        match error {
            SqlError::Text { line, what, .. } => {
                self.fault_of(usize::try_from(*line).unwrap_or(1), what.clone())
            }
            error => self.fault_of(1, error.to_string()),
        }
    }

    /// What is wrong with a line of its SQL.
    #[must_use]
    pub fn fault_of(&self, line: usize, what: String) -> RuleFault {
        let place = self.place(line).or_else(|| self.places.first());
        RuleFault {
            place: place.cloned().unwrap_or(Place {
                file: self.name(),
                line: 1,
            }),
            what,
        }
    }

    /// The SQL of the chart of a row, with the row's values as literals; none where the rule has
    /// no chart, or a value that it needs is not there or no plain word or whole number.
    #[must_use]
    pub fn chart_sql(&self, row: &Found) -> Option<String> {
        let mut sql = String::new();
        let mut rest = self.chart.as_deref()?;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}')?;
            let value = match name {
                "office" => row.office.as_str().trim_start_matches('0').to_owned(),
                name => match row.number(name)? {
                    Number::Whole(number) => number.to_string(),
                    Number::Word(word) => Parameter::parse(word)?.quoted(),
                    _ => return None,
                },
            };
            let _ = write!(sql, "{before}{value}");
            rest = behind;
        }
        Some(sql + rest)
    }

    /// Where a line of its SQL comes from.
    #[must_use]
    pub fn place(&self, line: usize) -> Option<&Place> {
        self.places.get(line.checked_sub(1)?)
    }
}

/// A table that is made once in a run.
#[derive(Debug, Clone)]
pub struct View {
    /// Its name.
    pub name: String,
    /// The file.
    pub file: String,
    /// What makes it.
    pub sql: String,
    /// As [`Rule::once`].
    pub once: Vec<String>,
}

impl View {
    /// What the engine says of its text.
    #[must_use]
    pub fn fault(&self, error: &SqlError) -> RuleFault {
        let (line, what) = match error {
            SqlError::Text { line, what, .. } => {
                (usize::try_from(*line).unwrap_or(1), what.clone())
            }
            error => (1, error.to_string()),
        };
        RuleFault {
            place: Place {
                file: self.file.clone(),
                line,
            },
            what,
        }
    }
}

/// The rules of a run.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// In the order in which they are made.
    pub views: Vec<View>,
    /// By name.
    pub rules: BTreeMap<String, Rule>,
    /// What could not be read.
    pub faults: Vec<RuleFault>,
}

/// Texts by name: of rules, and of parts.
#[derive(Default)]
struct Texts {
    rules: BTreeMap<String, (String, String)>,
    parts: BTreeMap<String, (String, String)>,
    charts: BTreeMap<String, (String, String)>,
    views: BTreeMap<String, (String, String)>,
}

impl Catalogue {
    /// The rules that the program carries.
    #[must_use]
    pub fn built_in() -> Self {
        Self::of(&Texts::built_in(), &BTreeMap::new())
    }

    /// The same with the rules of a folder: a file of the same name takes the place of a rule,
    /// another adds one, `parts/NAME.sql` is a part, and `parameters.json`, `{"PL1": {"youngest":
    /// 13}}`, changes parameters.
    ///
    /// # Errors
    /// When the folder cannot be read. What is wrong with a file is among the faults.
    pub fn with_folder(folder: &Path) -> std::io::Result<Self> {
        let mut texts = Texts::built_in();
        texts.read_folder(folder)?;
        let (parameters, fault) = read_parameters(&folder.join("parameters.json"))?;
        let mut catalogue = Self::of(&texts, &parameters);
        catalogue.faults.extend(fault);
        Ok(catalogue)
    }

    fn of(texts: &Texts, parameters: &BTreeMap<String, BTreeMap<String, Parameter>>) -> Self {
        let views = texts.views.iter().map(|(name, (file, text))| View {
            name: name.clone(),
            file: file.clone(),
            sql: text.clone(),
            once: once(text),
        });
        let mut catalogue = Self {
            views: views.collect(),
            ..Self::default()
        };
        for (file, text) in texts.rules.values() {
            match Head::read(file, text).and_then(|head| head.rule(texts, parameters)) {
                Ok(rule) => drop(catalogue.rules.insert(rule.name(), rule)),
                Err(fault) => catalogue.faults.push(fault),
            }
        }
        for (id, values) in parameters {
            let of_rule = || catalogue.rules.values().filter(|rule| rule.id == *id);
            let unknown = values
                .keys()
                .find(|name| of_rule().all(|rule| !rule.parameters.contains_key(*name)));
            if let Some(name) = unknown {
                let place = Place {
                    file: "parameters.json".to_owned(),
                    line: 1,
                };
                let what = format!("the rule {id} has no parameter {name}; see `audit rules`");
                catalogue.faults.push(RuleFault { place, what });
            }
        }
        catalogue
    }

    /// Whether a rule, or a view that a rule asks, names a table.
    #[must_use]
    pub fn asks(&self, table: &str) -> bool {
        let mut asked = BTreeSet::new();
        for rule in self.rules.values() {
            asked.extend(words(&rule.sql));
        }
        // A view may ask one that was made before it.
        for view in self.views.iter().rev() {
            if asked.contains(view.name.as_str()) {
                asked.extend(words(&view.sql));
            }
        }
        asked.contains(table)
    }

    /// SHA-256 over every rule: name, version and the SQL that runs.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for view in &self.views {
            for part in [&view.name, &view.sql] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        for (name, rule) in &self.rules {
            for part in [
                name.as_bytes(),
                &rule.version.to_be_bytes(),
                rule.sql.as_bytes(),
            ] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        hex::encode(hash.finalize())
    }

    /// Keeps the rules of these ids alone.
    ///
    /// # Errors
    /// The first id that no rule has.
    pub fn keep(&mut self, ids: &[String]) -> Result<(), String> {
        let unknown = ids
            .iter()
            .find(|id| self.rules.values().all(|rule| rule.id != **id));
        if let Some(id) = unknown {
            return Err(id.clone());
        }
        self.rules.retain(|_, rule| ids.contains(&rule.id));
        Ok(())
    }
}

impl Texts {
    fn built_in() -> Self {
        let named = |texts: &[(&str, &str)]| {
            let texts = texts.iter().map(|(name, text)| {
                let key = name.rsplit('/').next().unwrap_or(name).to_owned();
                (key, (format!("{name}.sql"), (*text).to_owned()))
            });
            texts.collect()
        };
        Self {
            rules: named(RULES),
            parts: named(PARTS),
            charts: named(CHARTS),
            views: named(VIEWS),
        }
    }

    fn read_folder(&mut self, folder: &Path) -> std::io::Result<()> {
        for (below, texts) in [
            ("", &mut self.rules),
            ("parts", &mut self.parts),
            ("charts", &mut self.charts),
            ("views", &mut self.views),
        ] {
            let folder = folder.join(below);
            if !below.is_empty() && !folder.exists() {
                continue;
            }
            for found in std::fs::read_dir(&folder)? {
                let path = found?.path();
                let name = path.file_stem().and_then(|name| name.to_str());
                let (Some(name), true) = (name, path.extension().is_some_and(|end| end == "sql"))
                else {
                    continue;
                };
                let text = std::fs::read_to_string(&path)?;
                texts.insert(name.to_owned(), (path.display().to_string(), text));
            }
        }
        Ok(())
    }
}

type Parameters = BTreeMap<String, BTreeMap<String, Parameter>>;

fn read_parameters(path: &Path) -> std::io::Result<(Parameters, Option<RuleFault>)> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Default::default()),
        read => read?,
    };
    let fault = |line: usize, what: String| RuleFault {
        place: Place {
            file: path.display().to_string(),
            line,
        },
        what,
    };
    let read: BTreeMap<String, BTreeMap<String, serde_json::Value>> =
        match serde_json::from_str(&text) {
            Ok(read) => read,
            Err(error) => {
                let what = format!("{error}; write {{\"PL1\": {{\"youngest\": 13}}}}");
                return Ok((Parameters::new(), Some(fault(error.line(), what))));
            }
        };
    let mut parameters = Parameters::new();
    for (id, values) in read {
        for (name, value) in values {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let Some(value) = Parameter::parse(&text) else {
                let what = format!("the parameter {name} of {id} is neither a number nor a word");
                return Ok((Parameters::new(), Some(fault(1, what))));
            };
            parameters
                .entry(id.clone())
                .or_default()
                .insert(name, value);
        }
    }
    Ok((parameters, None))
}

#[cfg(test)]
mod tests;
