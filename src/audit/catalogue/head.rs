//! The heads of rule files.
//!
//! What comes in: the text of a file, the texts that it may include, and the parameters that the
//! user changes. What goes out: a [`Rule`] with its SQL, parts and parameters put in. What may
//! fail: a head that says less than it must, a parameter or a part that is not there; it is said
//! with file and line. What must stay true: every line of the SQL is known by file and line.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::super::near::classes;
use super::{About, Parameter, Parameters, Place, Rule, RuleFault, Texts, once};
use crate::ledger::aggregate::finding::Verdict;
use crate::locale::Bilingual;

/// The head of a rule's file, and where its text begins.
pub(super) struct Head<'a> {
    file: &'a str,
    keys: BTreeMap<&'a str, (usize, &'a str)>,
    parameters: BTreeMap<String, Parameter>,
    /// Lines of the text, with their numbers.
    body: Vec<(usize, &'a str)>,
}

impl<'a> Head<'a> {
    pub(super) fn read(file: &'a str, text: &'a str) -> Result<Self, RuleFault> {
        let mut head = Self {
            file,
            keys: BTreeMap::new(),
            parameters: BTreeMap::new(),
            body: Vec::new(),
        };
        for (line, content) in (1..).zip(text.lines()) {
            let comment = content.strip_prefix("--").filter(|_| head.body.is_empty());
            let Some(comment) = comment else {
                head.body.push((line, content));
                continue;
            };
            let Some((key, value)) = comment.split_once(':') else {
                continue;
            };
            let (key, value) = (key.trim(), value.trim());
            if let Some(name) = key.strip_prefix("param ") {
                // What follows two dashes is said to the reader.
                let value = value.split("--").next().unwrap_or_default().trim();
                let value = Parameter::parse(value).ok_or_else(|| {
                    head.fault(line, format!("{value:?} is neither a number nor a word"))
                })?;
                head.parameters.insert(name.trim().to_owned(), value);
            } else {
                head.keys.insert(key, (line, value));
            }
        }
        Ok(head)
    }

    fn fault(&self, line: usize, what: String) -> RuleFault {
        RuleFault {
            place: Place {
                file: self.file.to_owned(),
                line,
            },
            what,
        }
    }

    fn must(&self, key: &'static str) -> Result<(usize, &'a str), RuleFault> {
        self.keys.get(key).copied().ok_or_else(|| {
            self.fault(
                1,
                format!("the head has no {key}; write a line `-- {key}: ...`"),
            )
        })
    }

    fn bilingual(&self, name: &'static str) -> Result<Bilingual, RuleFault> {
        let (en, zh) = match name {
            "title" => ("title_en", "title_zh"),
            _ => ("ask_en", "ask_zh"),
        };
        Ok(Bilingual {
            en: self.must(en)?.1.to_owned(),
            zh: self.must(zh)?.1.to_owned(),
        })
    }

    pub(super) fn rule(
        mut self,
        texts: &Texts,
        parameters: &Parameters,
    ) -> Result<Rule, RuleFault> {
        let (line, id) = self.must("id")?;
        let slug = |word: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            (1..=64).contains(&word.len()) && word.bytes().all(known)
        };
        if !slug(id) {
            let what = "the id of a rule is 1 to 64 letters, digits, '_', '-' and '.'".to_owned();
            return Err(self.fault(line, what));
        }
        let verdict = match self.must("verdict")? {
            (_, "fail") => Verdict::Fail,
            (_, "signal") => Verdict::Signal,
            (line, other) => {
                return Err(self.fault(
                    line,
                    format!("the verdict {other} is neither fail nor signal"),
                ));
            }
        };
        let about = match self.must("about")? {
            (_, "records") => About::Records,
            (_, "office") => About::Office,
            (line, other) => {
                return Err(self.fault(line, format!("{other} is neither records nor office")));
            }
        };
        let (line, version) = self.must("version")?;
        let version = version
            .parse()
            .map_err(|_| self.fault(line, format!("{version} is no version; write 1")))?;
        let subject = self.list("subject").1;
        let (title, ask) = (self.bilingual("title")?, self.bilingual("ask")?);
        if let Some(changed) = parameters.get(id) {
            for (name, value) in changed {
                if let Some(own) = self.parameters.get_mut(name) {
                    own.clone_from(value);
                }
            }
        }
        let (sql, places) = self.sql(texts)?;
        let work = Bilingual {
            en: self.work("work_en")?,
            zh: self.work("work_zh")?,
        };
        let chart = self.chart(texts)?;
        Ok(Rule {
            id: id.to_owned(),
            part: self.keys.get("part").map(|(_, part)| (*part).to_owned()),
            version,
            verdict,
            about,
            subject,
            near: self.near(about)?,
            title,
            ask,
            work,
            chart,
            parameters: self.parameters,
            once: once(&sql),
            sql,
            places,
        })
    }

    /// The words of a line of the head between commas, and where it stands.
    fn list(&self, key: &str) -> (usize, Vec<String>) {
        let (line, text) = self.keys.get(key).copied().unwrap_or((1, ""));
        let words = text.split(',').map(str::trim);
        let words = words.filter(|word| !word.is_empty());
        (line, words.map(str::to_owned).collect())
    }

    /// The classes of codes within which a rule about records looks.
    fn near(&self, about: About) -> Result<Vec<String>, RuleFault> {
        let (line, near) = self.list("near");
        let known = classes();
        if let Some(other) = near.iter().find(|class| !known.contains(class.as_str())) {
            let known: Vec<&str> = known.into_iter().collect();
            let what = format!("there is no class {other}; there are {}", known.join(", "));
            return Err(self.fault(line, what));
        }
        if about == About::Office && !near.is_empty() {
            let what =
                "what a rule about offices says hangs on all of their records; leave `near` out";
            return Err(self.fault(line, what.to_owned()));
        }
        Ok(near)
    }

    /// A line of the head with its parameters put in; empty where there is none.
    fn work(&self, key: &str) -> Result<String, RuleFault> {
        let mut text = String::new();
        if let Some((line, content)) = self.keys.get(key) {
            self.put(&mut text, *line, content, self.file, *line)?;
        }
        Ok(text.trim_end().to_owned())
    }

    /// The chart that the head names, with the rule's parameters.
    fn chart(&self, texts: &Texts) -> Result<Option<String>, RuleFault> {
        let Some((line, name)) = self.keys.get("chart") else {
            return Ok(None);
        };
        let (file, text) = texts.charts.get(*name).ok_or_else(|| {
            let known: Vec<_> = texts.charts.keys().map(String::as_str).collect();
            let what = format!("there is no chart {name}; there are {}", known.join(", "));
            self.fault(*line, what)
        })?;
        let mut chart = Head::read(file, text)?;
        chart.parameters.clone_from(&self.parameters);
        Ok(Some(chart.sql(texts)?.0))
    }

    /// The text with its parts and parameters, and where each line comes from.
    fn sql(&self, texts: &Texts) -> Result<(String, Vec<Place>), RuleFault> {
        let mut sql = String::new();
        let mut places = Vec::new();
        for (line, content) in &self.body {
            let included = content.trim().strip_prefix("-- include:").map(str::trim);
            let Some(part) = included else {
                self.put(&mut sql, *line, content, self.file, *line)?;
                places.push(Place {
                    file: self.file.to_owned(),
                    line: *line,
                });
                continue;
            };
            let (file, text) = texts.parts.get(part).ok_or_else(|| {
                let known: Vec<_> = texts.parts.keys().map(String::as_str).collect();
                self.fault(
                    *line,
                    format!("there is no part {part}; there are {}", known.join(", ")),
                )
            })?;
            for (number, content) in (1..).zip(text.lines()) {
                self.put(&mut sql, *line, content, file, number)?;
                places.push(Place {
                    file: file.clone(),
                    line: number,
                });
            }
        }
        Ok((sql, places))
    }

    /// Appends a line with its parameters put in.
    fn put(
        &self,
        sql: &mut String,
        own_line: usize,
        content: &str,
        file: &str,
        line: usize,
    ) -> Result<(), RuleFault> {
        // What stands in a comment is for the reader.
        let code = content.find("--").unwrap_or(content.len());
        let (mut rest, comment) = content.split_at(code);
        while let Some((before, after)) = rest.split_once('$') {
            let end = after
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(after.len());
            let (name, behind) = after.split_at(end);
            let value = self.parameters.get(name).ok_or_else(|| {
                let what = format!(
                    "${name} stands at {file}:{line}, and the head has no such parameter; write a line `-- param {name}: ...`"
                );
                self.fault(own_line, what)
            })?;
            let _ = write!(sql, "{before}{}", value.literal());
            rest = behind;
        }
        let _ = writeln!(sql, "{rest}{comment}");
        Ok(())
    }
}
