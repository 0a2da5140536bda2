//! Whom a reader trusts (C2SP tlog-policy, <https://c2sp.org/tlog-policy>).
//!
//! ```text
//! log <vkey> [<url>]
//! witness <name> <vkey> [<url>]
//! group <name> all|any|<k> <name>...
//! quorum <name>|none
//! ```
//!
//! In comes the file that a reader keeps; and then notes, of which those are accepted that one of
//! the logs signed and that a quorum of witnesses cosigned. A file is refused with a
//! [`PolicyError`] that names its line; a note with a [`Refusal`]. What must stay true: names mean
//! nothing outside the file; a line refers only to lines before it, so that groups have no
//! circles; a name is a member once, so that a witness counts once; and a line of a known witness
//! that does not fit refuses the note, whether or not the quorum needs it.
//!
//! Two `log` lines may have one origin: that is how a log changes its key.

use std::collections::HashMap;

use thiserror::Error;

use super::checkpoint::{Checkpoint, CheckpointError};
use super::cosignature::WitnessKey;
use super::keys::{KeyError, VerifierKey};

/// The longest file that is read, in bytes: 3 * 256 lines of 300 bytes, four times over.
pub const MAX_POLICY_BYTES: usize = 1_000_000;
/// The most logs, the most witnesses and the most groups (the specification asks for 32 each).
const MAX_OF_A_KIND: usize = 256;

/// A policy that was read.
#[derive(Debug, Clone)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    witnesses: Vec<(String, WitnessKey)>,
    /// Where the witnesses are asked, in their order.
    urls: Vec<Option<String>>,
    groups: Vec<Group>,
    quorum: Quorum,
}

/// A witness or a group, by its place in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

#[derive(Debug, Clone)]
struct Group {
    threshold: usize,
    /// Witnesses, and groups before this one.
    members: Vec<Member>,
}

#[derive(Debug, Clone)]
enum Quorum {
    None,
    Of { name: String, member: Member },
}

/// Why a file is no policy.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// The file is longer than [`MAX_POLICY_BYTES`].
    #[error("a policy has at most 1000000 bytes, not {bytes}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A control character other than tab and newline.
    #[error("line {line} of the policy has a control character")]
    ControlCharacter {
        /// 1-based number of the line.
        line: usize,
    },
    /// The file ends within a line: it may have been cut off.
    #[error("the last line of the policy does not end with a newline: it may have been cut off")]
    Unfinished,
    /// A line does not say what it must.
    #[error("line {line} of the policy: {what}")]
    Line {
        /// 1-based number of the line.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// A key in a line is none.
    #[error("line {line} of the policy: {source}")]
    Key {
        /// 1-based number of the line.
        line: usize,
        /// What is wrong with it.
        source: KeyError,
    },
    /// There is no `quorum` line.
    #[error("the policy has no quorum line")]
    NoQuorum,
}

/// Why a note is not accepted.
#[derive(Debug, Error)]
pub enum Refusal {
    /// No log of the policy signed it, or it is no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A line in the name of a witness was not made by it.
    #[error("the cosignature of witness {witness} does not fit the checkpoint")]
    BadCosignature {
        /// The witness, as the policy names it.
        witness: String,
    },
    /// Too few witnesses cosigned it.
    #[error(
        "the quorum {quorum} of the policy is missing; cosigned by {}",
        said(cosigned)
    )]
    Quorum {
        /// What the policy asks for.
        quorum: String,
        /// The witnesses that did cosign.
        cosigned: Vec<String>,
    },
    /// The policy names no log.
    #[error("the policy names no log")]
    NoLog,
}

fn said(names: &[String]) -> String {
    if names.is_empty() {
        "no witness".to_owned()
    } else {
        names.join(", ")
    }
}

/// A cosignature that was verified.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Cosignature {
    /// The witness, as the policy names it.
    pub witness: String,
    /// The name of its key.
    pub key: String,
    /// When it says that it had seen this checkpoint: seconds since 1970.
    pub timestamp: u64,
}

/// A checkpoint that the policy accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What the log signed.
    pub checkpoint: Checkpoint,
    /// The keys of the policy that signed it for the log.
    pub signed_by: Vec<VerifierKey>,
    /// Who cosigned, and when.
    pub cosignatures: Vec<Cosignature>,
}

impl Policy {
    /// The policy that trusts these logs and asks no witness.
    #[must_use]
    pub const fn of_logs(logs: Vec<VerifierKey>) -> Self {
        Self {
            logs,
            witnesses: Vec::new(),
            urls: Vec::new(),
            groups: Vec::new(),
            quorum: Quorum::None,
        }
    }

    /// The file that says [`Policy::of_logs`].
    #[must_use]
    pub fn text_of_logs(logs: &[VerifierKey]) -> String {
        use std::fmt::Write;
        let mut text = String::new();
        for key in logs {
            // Writing into a text cannot fail.
            let _ = writeln!(text, "log {key}");
        }
        text + "quorum none\n"
    }

    /// Reads a file.
    ///
    /// # Errors
    /// See [`PolicyError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        if bytes.len() > MAX_POLICY_BYTES {
            return Err(PolicyError::TooLong { bytes: bytes.len() });
        }
        let mut reader = Reader::default();
        let mut lines = bytes.split(|byte| *byte == b'\n');
        // What stands behind the last newline.
        if lines.next_back().is_some_and(|rest| !rest.is_empty()) {
            return Err(PolicyError::Unfinished);
        }
        for (number, line) in (1..).zip(lines) {
            if line
                .iter()
                .any(|byte| byte.is_ascii_control() && *byte != b'\t')
            {
                return Err(PolicyError::ControlCharacter { line: number });
            }
            let mut words = line
                .split(|byte| matches!(byte, b' ' | b'\t'))
                .filter(|word| !word.is_empty());
            match words.next() {
                None => {}
                Some(word) if word.starts_with(b"#") => {}
                Some(word) => reader.line(number, word, &words.collect::<Vec<_>>())?,
            }
        }
        reader.finish()
    }

    /// The logs that it names.
    #[must_use]
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// The witnesses that can be asked: what the policy calls them, their keys, their addresses.
    pub fn witnesses(&self) -> impl Iterator<Item = (&str, &WitnessKey, &str)> {
        let urls = self.urls.iter().map(Option::as_deref);
        let all = self.witnesses.iter().zip(urls);
        all.filter_map(|((name, key), url)| Some((name.as_str(), key, url?)))
    }

    /// Whether it asks for witnesses at all.
    #[must_use]
    pub const fn asks_witnesses(&self) -> bool {
        matches!(self.quorum, Quorum::Of { .. })
    }

    /// Reads a note, verifies that one of the logs signed it, verifies every line of a known
    /// witness, and demands the quorum.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn open(&self, note: &[u8]) -> Result<Accepted, Refusal> {
        if self.logs.is_empty() {
            return Err(Refusal::NoLog);
        }
        self.open_as(note, &self.logs)
    }

    /// The same for a reader who knows the keys of the log otherwise: `logs` instead of those that
    /// the policy names.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn open_as(&self, note: &[u8], logs: &[VerifierKey]) -> Result<Accepted, Refusal> {
        let opened = Checkpoint::open_all(note, logs)?;
        let (checkpoint, others) = (opened.checkpoint, opened.others);
        let body = checkpoint.body();
        let mut times: Vec<Option<u64>> = vec![None; self.witnesses.len()];
        for signature in &others {
            let of_line = |(_, key): &(String, WitnessKey)| {
                key.name() == signature.name() && key.key_id() == signature.id()
            };
            let Some(index) = self.witnesses.iter().position(of_line) else {
                continue;
            };
            let (witness, key) = &self.witnesses[index];
            let time = key.verify(&body, signature.signature()).ok_or_else(|| {
                let witness = witness.clone();
                Refusal::BadCosignature { witness }
            })?;
            // A witness may have cosigned twice: the first time bounds the checkpoint best.
            times[index] = Some(times[index].map_or(time, |other| other.min(time)));
        }
        let cosigned = self.witnesses.iter().zip(&times);
        let cosignatures: Vec<Cosignature> = cosigned
            .filter_map(|((witness, key), time)| {
                Some(Cosignature {
                    witness: witness.clone(),
                    key: key.name().to_owned(),
                    timestamp: (*time)?,
                })
            })
            .collect();
        if !self.is_met(&times) {
            return Err(self.missing(&cosignatures));
        }
        Ok(Accepted {
            checkpoint,
            signed_by: opened.signed_by,
            cosignatures,
        })
    }

    fn missing(&self, cosignatures: &[Cosignature]) -> Refusal {
        let quorum = match &self.quorum {
            Quorum::None => "none".to_owned(),
            Quorum::Of { name, .. } => name.clone(),
        };
        let cosigned = cosignatures.iter().map(|one| one.witness.clone());
        Refusal::Quorum {
            quorum,
            cosigned: cosigned.collect(),
        }
    }

    fn is_met(&self, times: &[Option<u64>]) -> bool {
        let Quorum::Of { member, .. } = &self.quorum else {
            return true;
        };
        // In the order of the file, so that members are known before their groups.
        let mut groups: Vec<bool> = Vec::with_capacity(self.groups.len());
        let witnessed = |groups: &[bool], member: &Member| match *member {
            Member::Witness(index) => times.get(index).is_some_and(Option::is_some),
            Member::Group(index) => groups.get(index).copied().unwrap_or(false),
        };
        for group in &self.groups {
            let members = group.members.iter();
            let count = members.filter(|member| witnessed(&groups, member)).count();
            groups.push(count >= group.threshold);
        }
        witnessed(&groups, member)
    }
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    logs: Vec<VerifierKey>,
    witnesses: Vec<(String, WitnessKey)>,
    urls: Vec<Option<String>>,
    groups: Vec<Group>,
    /// Names are octets; what they are called in messages is another matter.
    names: HashMap<Vec<u8>, Member>,
    members: Vec<Member>,
    quorum: Option<Quorum>,
}

fn shown(name: &[u8]) -> String {
    super::excerpt(&String::from_utf8_lossy(name))
}

impl Reader {
    fn line(&mut self, line: usize, word: &[u8], rest: &[&[u8]]) -> Result<(), PolicyError> {
        let wrong = |what: String| PolicyError::Line { line, what };
        let outcome = match (word, rest) {
            (b"log", [key] | [key, _]) => {
                let key: VerifierKey = text(key)
                    .parse()
                    .map_err(|source| PolicyError::Key { line, source })?;
                self.log(key)
            }
            (b"witness", [name, key, url @ ..]) if url.len() <= 1 => {
                let key: WitnessKey = text(key)
                    .parse()
                    .map_err(|source| PolicyError::Key { line, source })?;
                let url = url.first().map(|url| text(url).into_owned());
                self.witness(name, key, url)
            }
            (b"group", [name, threshold, members @ ..]) if !members.is_empty() => {
                self.group(name, threshold, members)
            }
            (b"quorum", [name]) => self.quorum(name),
            (b"log" | b"witness" | b"group" | b"quorum", _) => {
                Err(format!("{} has too few or too many words", shown(word)))
            }
            _ => Err(format!("{:?} is not known", shown(word))),
        };
        outcome.map_err(wrong)
    }

    fn log(&mut self, key: VerifierKey) -> Result<(), String> {
        if self.logs.iter().any(|other| other.point() == key.point()) {
            return Err("this key of a log was named before".to_owned());
        }
        bounded(self.logs.len(), "logs")?;
        self.logs.push(key);
        Ok(())
    }

    fn witness(&mut self, name: &[u8], key: WitnessKey, url: Option<String>) -> Result<(), String> {
        let same = |(_, other): &(String, WitnessKey)| other.point() == key.point();
        if self.witnesses.iter().any(same) {
            return Err("this key of a witness was named before".to_owned());
        }
        bounded(self.witnesses.len(), "witnesses")?;
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push((shown(name), key));
        self.urls.push(url);
        Ok(())
    }

    fn group(&mut self, name: &[u8], threshold: &[u8], members: &[&[u8]]) -> Result<(), String> {
        bounded(self.groups.len(), "groups")?;
        let mut found = Vec::with_capacity(members.len());
        for member in members {
            let known = self.names.get(*member).copied();
            let known = known.ok_or_else(|| format!("{:?} is not defined above", shown(member)))?;
            if self.members.contains(&known) {
                return Err(format!("{:?} is a member already", shown(member)));
            }
            self.members.push(known);
            found.push(known);
        }
        let threshold = match threshold {
            b"any" => 1,
            b"all" => found.len(),
            number => super::decimal(&text(number))
                .and_then(|number| usize::try_from(number).ok())
                .filter(|number| (1..=found.len()).contains(number))
                .ok_or_else(|| {
                    format!(
                        "{:?} is not any, all or 1 to {}",
                        shown(number),
                        found.len()
                    )
                })?,
        };
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group {
            threshold,
            members: found,
        });
        Ok(())
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), String> {
        if self.quorum.is_some() {
            return Err("there is a quorum already".to_owned());
        }
        let quorum = if name == b"none" {
            Quorum::None
        } else {
            let member = self.names.get(name).copied();
            Quorum::Of {
                name: shown(name),
                member: member.ok_or_else(|| format!("{:?} is not defined above", shown(name)))?,
            }
        };
        self.quorum = Some(quorum);
        Ok(())
    }

    fn define(&mut self, name: &[u8], member: Member) -> Result<(), String> {
        if name == b"none" {
            return Err("none cannot be defined".to_owned());
        }
        match self.names.insert(name.to_vec(), member) {
            None => Ok(()),
            Some(_) => Err(format!("{:?} is defined already", shown(name))),
        }
    }

    fn finish(self) -> Result<Policy, PolicyError> {
        Ok(Policy {
            logs: self.logs,
            witnesses: self.witnesses,
            urls: self.urls,
            groups: self.groups,
            quorum: self.quorum.ok_or(PolicyError::NoQuorum)?,
        })
    }
}

fn bounded(count: usize, what: &str) -> Result<(), String> {
    if count < MAX_OF_A_KIND {
        Ok(())
    } else {
        Err(format!("more than {MAX_OF_A_KIND} {what}"))
    }
}

/// Keys and numbers are ASCII; other octets make a text that is neither.
fn text(word: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(word)
}

#[cfg(test)]
mod tests;
