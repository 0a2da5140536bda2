//! Evidence: one record, with everything that an outsider needs to check it.
//!
//! ```text
//! README.md               how to check, with other programs too
//! summary.html            what the entries say, for people
//! checkpoint              the signed note with its cosignatures
//! policy                  whom the sender trusts
//! disclosed.json          value and salt of the sealed fields that were opened
//! entries/N.json          entry 0, what names keys, the entries of the record: as they were hashed
//! proofs/N.tlog-proof     that they are in the log
//! ```
//!
//! What comes in: a bundle that somebody sent, the policy of the reader, and perhaps the record
//! that the reader asked about. What goes out: a [`Verdict`]. What may fail: everything
//! ([`EvidenceError`], one kind for each way to cheat). What must stay true: nothing that was
//! supplied is trusted: leaves come from the entries, positions from the entries, sizes and roots
//! from a checkpoint that the reader's policy accepts, commitments from the entries; and every
//! part of a bundle is either verified or made again and compared.

mod pack;
mod page;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

pub use self::pack::{MAX_PACK_BYTES, PackError, Part, pack, unpack};
pub use self::page::{EventFacts, Facts, Field, README};

use super::leaves::leaf_of;
use crate::ledger::commitment::Commitments;
use crate::ledger::sealing::commit;
use crate::model::entry::Entry;
use crate::model::id::Position;
use crate::model::slot::Slot;
use crate::seal::checkpoint::Checkpoint;
use crate::seal::decimal;
use crate::seal::keys::key_texts;
use crate::seal::merkle::{ProofError, leaf_hash, verify_inclusion};
use crate::seal::policy::{Accepted, Cosignature, Policy, PolicyError, Refusal};
use crate::seal::proof::{TlogProof, TlogProofError};
use crate::seal::roster::RosterError;

/// Most entries of a bundle; a record has a handful.
pub const MAX_ENTRIES: usize = 4_000;

/// A sealed field that was opened: whoever has the salt can check the value, and no other field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disclosed {
    /// The entry that commits to it.
    pub position: Position,
    /// Opens its commitment, hexadecimal.
    pub salt: String,
    /// Which field.
    pub slot: Slot,
    /// Its value, if one is stated.
    pub value: Option<String>,
}

/// An entry and its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenEntry {
    /// Where it stands.
    pub position: Position,
    /// Its bytes, as hashed.
    pub bytes: Vec<u8>,
    /// Its tlog-proof.
    pub proof: Vec<u8>,
}

/// What a bundle holds, before anything of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The signed note.
    pub checkpoint: Vec<u8>,
    /// The policy of the sender.
    pub policy: Vec<u8>,
    /// Opened fields, by position and slot.
    pub disclosed: Vec<Disclosed>,
    /// Entry 0, those that name keys of the log, and those of the record, by position.
    pub entries: Vec<ProvenEntry>,
}

/// What a bundle was found to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What its entries say.
    #[serde(flatten)]
    pub facts: Facts,
    /// The keys of the policy that signed the checkpoint.
    pub signed_by: Vec<String>,
    /// Witnesses that cosigned the checkpoint, and when.
    pub cosignatures: Vec<Cosignature>,
    /// Whom the sender trusts: shown, and believed only when the reader brought nothing.
    pub sender_policy: String,
    /// Whether the reader brought no key: then the bundle agrees with itself, and no more is known.
    pub trust_root_came_with_the_bundle: bool,
}

/// Why a bundle is no evidence.
#[derive(Debug, Error)]
pub enum EvidenceError {
    /// The container.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A part is missing, or stands where another should.
    #[error("the bundle has {found} where {expected} should be")]
    Part {
        /// What is there.
        found: String,
        /// What should be.
        expected: String,
    },
    /// Too many entries.
    #[error("a bundle has at most {MAX_ENTRIES} entries")]
    TooManyEntries,
    /// The policy in the bundle does not read.
    #[error("the policy in the bundle: {0}")]
    Policy(#[from] PolicyError),
    /// The reader's policy does not accept the checkpoint.
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] Refusal),
    /// An entry is not one.
    #[error("the entry at position {position} is none: {what}")]
    Entry {
        /// Where.
        position: Position,
        /// What is wrong.
        what: String,
    },
    /// A proof does not read.
    #[error("the proof of position {position}: {source}")]
    Proof {
        /// Where.
        position: Position,
        /// What is wrong.
        source: TlogProofError,
    },
    /// A proof of another position.
    #[error("the proof of position {position} was swapped: it is of position {found}")]
    SwappedProof {
        /// Where.
        position: Position,
        /// What it proves.
        found: Position,
    },
    /// A proof against another checkpoint.
    #[error(
        "the proof of position {position} is against another checkpoint ({found}) than the bundle's ({expected})"
    )]
    OtherCheckpoint {
        /// Where.
        position: Position,
        /// Its checkpoint.
        found: String,
        /// The bundle's.
        expected: String,
    },
    /// A proof that does not hold.
    #[error(
        "the entry at position {position} is not the one in the log: it was changed, or its proof is of another entry or size: {source}"
    )]
    NotIncluded {
        /// Where.
        position: Position,
        /// What the proof leads to.
        source: ProofError,
    },
    /// Entry 0 is missing, or founds another log.
    #[error("entry 0, which founds the log, is missing or is of another log")]
    Founding,
    /// The checkpoint is not signed as the entries that name keys demand.
    #[error("by the entries of the log in the bundle, {0}")]
    Keys(#[from] RosterError),
    /// There are no entries of a record.
    #[error("the bundle has no entry of a record")]
    NoRecord,
    /// Entries of two records.
    #[error("the entry at position {position} is of record {found}, not of {record}")]
    OtherRecord {
        /// Where.
        position: Position,
        /// Whose it is.
        found: Uuid,
        /// Whose it should be.
        record: Uuid,
    },
    /// The bundle is about another record than was asked for.
    #[error("the bundle is about record {found}, not about {wanted}")]
    AnotherRecord {
        /// Whose it is.
        found: Uuid,
        /// Whose was asked for.
        wanted: Uuid,
    },
    /// A version is left out.
    #[error(
        "the entry at position {position} is version {version} of its record; version {expected} is missing"
    )]
    Versions {
        /// Where.
        position: Position,
        /// Its version.
        version: u64,
        /// What should come.
        expected: u64,
    },
    /// The list of opened fields does not read.
    #[error("disclosed.json: {0}")]
    DisclosedForm(String),
    /// An opened field is not what the entry commits to.
    #[error(
        "the disclosed field {slot} is not what the entry at position {position} commits to: it was changed"
    )]
    Disclosed {
        /// Where.
        position: Position,
        /// Which field.
        slot: Slot,
    },
    /// The page for people could not be made.
    #[error("the summary could not be written: {0}")]
    Page(String),
    /// A text part is not what follows from the entries.
    #[error(
        "{part} is not what this version makes of the entries: it was changed, or made by another version"
    )]
    Derived {
        /// Which part.
        part: &'static str,
    },
}

const README_PART: &str = "README.md";
const SUMMARY_PART: &str = "summary.html";
const CHECKPOINT_PART: &str = "checkpoint";
const POLICY_PART: &str = "policy";
const DISCLOSED_PART: &str = "disclosed.json";

fn entry_part(position: Position) -> String {
    format!("entries/{position}.json")
}

fn proof_part(position: Position) -> String {
    format!("proofs/{position}.tlog-proof")
}

/// The list of opened fields in its one spelling.
fn disclosed_text(disclosed: &[Disclosed]) -> Result<String, EvidenceError> {
    let text = serde_json::to_string(disclosed);
    text.map_err(|error| EvidenceError::DisclosedForm(error.to_string()))
}

impl Evidence {
    /// Packs it, with the page for people and the instructions; `checkpoint` is what its note says.
    ///
    /// # Errors
    /// When its entries are not those of one record, or too many.
    pub fn write(&self, checkpoint: &Checkpoint) -> Result<Vec<u8>, EvidenceError> {
        if self.entries.len() > MAX_ENTRIES {
            return Err(EvidenceError::TooManyEntries);
        }
        let summary = page::summary(&self.facts(checkpoint)?)?;
        let mut parts: Vec<Part> = vec![
            (README_PART.to_owned(), README.as_bytes().to_vec()),
            (SUMMARY_PART.to_owned(), summary.into_bytes()),
            (CHECKPOINT_PART.to_owned(), self.checkpoint.clone()),
            (POLICY_PART.to_owned(), self.policy.clone()),
            (
                DISCLOSED_PART.to_owned(),
                disclosed_text(&self.disclosed)?.into_bytes(),
            ),
        ];
        for entry in &self.entries {
            parts.push((entry_part(entry.position), entry.bytes.clone()));
            parts.push((proof_part(entry.position), entry.proof.clone()));
        }
        Ok(pack(&parts)?)
    }

    fn by_position(&self) -> Vec<(Position, &[u8])> {
        let entries = self.entries.iter();
        entries
            .map(|entry| (entry.position, entry.bytes.as_slice()))
            .collect()
    }

    fn facts(&self, checkpoint: &Checkpoint) -> Result<Facts, EvidenceError> {
        page::facts(&self.by_position(), &self.disclosed, checkpoint)
    }

    /// Who signed the checkpoint has to, by the entries of the bundle, and all who have to did.
    fn check_signers(&self, accepted: &Accepted) -> Result<(), EvidenceError> {
        let checkpoint = &accepted.checkpoint;
        let log = page::founded(&self.by_position(), checkpoint)?;
        let (signed_by, size) = (&accepted.signed_by, checkpoint.size());
        log.roster.open_by(&self.checkpoint, signed_by, size)?;
        Ok(())
    }

    /// Reads a bundle; verifies nothing. Gives its two derived parts too.
    fn read(bytes: &[u8]) -> Result<(Self, Vec<u8>, Vec<u8>), EvidenceError> {
        let mut parts = unpack(bytes)?.into_iter();
        let mut next = |expected: &str| {
            let (found, data) = parts
                .next()
                .unwrap_or_else(|| ("nothing".to_owned(), Vec::new()));
            if found == expected {
                return Ok(data);
            }
            let expected = expected.to_owned();
            Err(EvidenceError::Part { found, expected })
        };
        let readme = next(README_PART)?;
        let summary = next(SUMMARY_PART)?;
        let checkpoint = next(CHECKPOINT_PART)?;
        let policy = next(POLICY_PART)?;
        let disclosed_bytes = next(DISCLOSED_PART)?;
        let disclosed: Vec<Disclosed> = serde_json::from_slice(&disclosed_bytes)
            .map_err(|error| EvidenceError::DisclosedForm(error.to_string()))?;
        if disclosed_text(&disclosed)?.as_bytes() != disclosed_bytes {
            let what = "it is not spelled in the one permitted way";
            return Err(EvidenceError::DisclosedForm(what.to_owned()));
        }
        let mut entries: Vec<ProvenEntry> = Vec::new();
        while let Some((name, bytes)) = parts.next() {
            if entries.len() >= MAX_ENTRIES {
                return Err(EvidenceError::TooManyEntries);
            }
            let (proof_name, proof) = parts.next().unwrap_or_default();
            let least = entries.last().map_or(0, |last| last.position + 1);
            let position = name
                .strip_prefix("entries/")
                .and_then(|rest| rest.strip_suffix(".json"))
                .and_then(decimal)
                .filter(|position| *position >= least && entry_part(*position) == name);
            let position = position.ok_or_else(|| EvidenceError::Part {
                found: name,
                expected: format!("an entry at or after {least}"),
            })?;
            if proof_name != proof_part(position) {
                return Err(EvidenceError::Part {
                    found: proof_name,
                    expected: proof_part(position),
                });
            }
            entries.push(ProvenEntry {
                position,
                bytes,
                proof,
            });
        }
        let evidence = Self {
            checkpoint,
            policy,
            disclosed,
            entries,
        };
        Ok((evidence, readme, summary))
    }

    fn check_entries(&self, checkpoint: &Checkpoint) -> Result<(), EvidenceError> {
        for entry in &self.entries {
            let position = entry.position;
            leaf_of(position, &entry.bytes)
                .map_err(|what| EvidenceError::Entry { position, what })?;
            let proof = TlogProof::parse(&entry.proof)
                .map_err(|source| EvidenceError::Proof { position, source })?;
            if proof.index() != position {
                return Err(EvidenceError::SwappedProof {
                    position,
                    found: proof.index(),
                });
            }
            if proof.checkpoint_note().as_bytes() != self.checkpoint {
                return Err(EvidenceError::OtherCheckpoint {
                    position,
                    found: size_line(proof.checkpoint_note()),
                    expected: format!("size {}", checkpoint.size()),
                });
            }
            verify_inclusion(
                &leaf_hash(&entry.bytes),
                position,
                checkpoint.size(),
                proof.hashes(),
                checkpoint.root(),
            )
            .map_err(|source| EvidenceError::NotIncluded { position, source })?;
        }
        Ok(())
    }

    fn check_disclosed(&self) -> Result<(), EvidenceError> {
        let mut last = None;
        for field in &self.disclosed {
            let (position, slot) = (field.position, field.slot);
            if last >= Some((position, slot)) {
                let what = "fields are out of order or there twice";
                return Err(EvidenceError::DisclosedForm(what.to_owned()));
            }
            last = Some((position, slot));
            let is_committed = self
                .entries
                .iter()
                .find(|entry| entry.position == position)
                .and_then(|entry| committed(&entry.bytes, field));
            if is_committed != Some(true) {
                return Err(EvidenceError::Disclosed { position, slot });
            }
        }
        Ok(())
    }
}

/// Whether an entry commits to an opened field; `None` when it commits to no such field.
fn committed(bytes: &[u8], field: &Disclosed) -> Option<bool> {
    #[derive(Deserialize)]
    struct Committed {
        commitments: Commitments,
    }
    let entry = Entry::parse(bytes).ok()?;
    let event: std::collections::BTreeMap<String, Committed> =
        serde_json::from_str(entry.payload.get()).ok()?;
    let commitments = event.into_values().next()?.commitments;
    let mut salt = [0; 32];
    hex::decode_to_slice(&field.salt, &mut salt).ok()?;
    if hex::encode(salt) != field.salt {
        // Digits in upper case are a second spelling.
        return None;
    }
    let mut event_id = [0; 36];
    entry.event_id.hyphenated().encode_lower(&mut event_id);
    let found = commit(&salt, &event_id, field.slot, field.value.as_deref());
    Some(commitments.get(field.slot)? == found)
}

/// What an unverified note says of its size, for a message.
fn size_line(note: &str) -> String {
    let size = note.lines().nth(1).and_then(decimal);
    size.map_or_else(
        || "which names no size".to_owned(),
        |size| format!("size {size}"),
    )
}

/// Checks a bundle. Without a policy of the reader's own, that of the bundle is used, and the
/// verdict says so.
///
/// # Errors
/// The first thing that does not hold, see [`EvidenceError`].
pub fn check(
    bytes: &[u8],
    trusted: Option<&Policy>,
    wanted: Option<Uuid>,
) -> Result<Verdict, EvidenceError> {
    let (evidence, readme, summary) = Evidence::read(bytes)?;
    // Shown to the reader, so it has to read; trusted only when there is nothing else.
    let enclosed = Policy::parse(&evidence.policy)?;
    let accepted = trusted.unwrap_or(&enclosed).open(&evidence.checkpoint)?;
    evidence.check_entries(&accepted.checkpoint)?;
    evidence.check_disclosed()?;
    evidence.check_signers(&accepted)?;
    let facts = evidence.facts(&accepted.checkpoint)?;
    if let Some(wanted) = wanted.filter(|wanted| *wanted != facts.record_id) {
        return Err(EvidenceError::AnotherRecord {
            found: facts.record_id,
            wanted,
        });
    }
    if readme != README.as_bytes() {
        return Err(EvidenceError::Derived { part: README_PART });
    }
    if page::summary(&facts)?.as_bytes() != summary {
        return Err(EvidenceError::Derived { part: SUMMARY_PART });
    }
    Ok(Verdict {
        facts,
        signed_by: key_texts(&accepted.signed_by),
        cosignatures: accepted.cosignatures,
        sender_policy: String::from_utf8_lossy(&evidence.policy).into_owned(),
        trust_root_came_with_the_bundle: trusted.is_none(),
    })
}
