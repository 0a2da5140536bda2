//! Publication: the witnesses of the ledger's policy cosign a checkpoint before it is handed out.
//!
//! What comes in: `policy` in the ledger's folder (C2SP tlog-policy), with the addresses of
//! witnesses, and the newest checkpoint. What goes out: the checkpoint with its cosignatures, kept
//! in `cosigned/`, once the policy's quorum is met. What may fail: witnesses that are away, which
//! stops publication and nothing else; and a witness that has seen another history of this log
//! ([`AppError::Integrity`]). What must stay true: a cosignature is verified before it is kept;
//! the checkpoint in the store never changes; where a quorum is asked for, nothing is handed out
//! that it has not seen.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;

use super::error::failed;
use super::{App, AppError};
use crate::audit::cosigned::{Cosigned, CosignedNote};
use crate::seal::checkpoint::{Checkpoint, CheckpointError, MAX_NOTE_BYTES};
use crate::seal::cosignature::WitnessKey;
use crate::seal::policy::{Accepted, Policy, Refusal};
use crate::seal::prover::Prover;
use crate::seal::witness::AddCheckpoint;

/// The folder of checkpoints with cosignatures.
pub(super) const COSIGNED: &str = "cosigned";
/// How long a witness is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer of a witness that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// What became of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Publication {
    /// Entries under the newest checkpoint.
    pub sealed: u64,
    /// Entries under the newest checkpoint that may be handed out.
    pub published: u64,
    /// What each witness that did not cosign says.
    pub missing: Vec<String>,
}

/// What a witness said.
enum Said {
    Cosigned(String),
    /// It is at another size.
    At(u64),
    /// It knows another history.
    Refused(String),
    Away(String),
}

struct Asked<'a> {
    name: &'a str,
    key: &'a WitnessKey,
    url: &'a str,
    old_size: u64,
}

impl App {
    /// The policy in the ledger's folder; none when there is no such file.
    ///
    /// # Errors
    /// When it does not read.
    pub fn policy(&self) -> Result<Option<Policy>, AppError> {
        let path = self.folder.join("policy");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &path)(error)),
        };
        let policy = Policy::parse(&bytes)
            .map_err(|error| AppError::Usage(format!("{}: {error}", path.display())))?;
        Ok(Some(policy))
    }

    /// The note that is handed out: the newest checkpoint, or, where the policy asks for witnesses,
    /// the newest one with a quorum of cosignatures.
    ///
    /// # Errors
    /// When there is none yet.
    pub async fn published_note(&self) -> Result<Vec<u8>, AppError> {
        let policy = self.policy()?;
        if let Some(policy) = policy.filter(Policy::asks_witnesses) {
            for path in cosigned_files(&self.cosigned_folder())?.into_iter().rev() {
                let note = fs::read(&path).map_err(failed("read", &path))?;
                // Where the log succeeded another, the notes of that are not handed out as its own.
                let is_own = |accepted: Accepted| accepted.checkpoint.origin() == self.origin;
                if policy.open(&note).is_ok_and(is_own) {
                    return Ok(note);
                }
            }
            return Err(AppError::Unpublished);
        }
        let newest = self.store().newest_checkpoint().await?;
        let none = || AppError::Integrity("the log has no checkpoint".to_owned());
        Ok(newest.ok_or_else(none)?.1)
    }

    fn cosigned_folder(&self) -> PathBuf {
        self.folder.join(COSIGNED)
    }

    /// The cosigned checkpoints that are kept, and the policy, for the check of everything.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn cosigned(&self) -> Result<Cosigned, AppError> {
        let notes = cosigned_notes(&self.cosigned_folder())?;
        let policy = self.policy()?;
        Ok(Cosigned { notes, policy })
    }

    /// How many entries are sealed, and how many of them may be handed out.
    ///
    /// # Errors
    /// When the policy or the store cannot be read.
    pub async fn publication(&self) -> Result<Publication, AppError> {
        let newest = self.store().newest_checkpoint().await?;
        let sealed = newest.map_or(0, |(size, _)| size);
        let published = match self.published_note().await {
            Ok(note) => Checkpoint::open(&note, &self.named_now().await?)
                .map_err(|error| AppError::Integrity(error.to_string()))?
                .size(),
            Err(AppError::Unpublished) => 0,
            Err(error) => return Err(error),
        };
        Ok(Publication {
            sealed,
            published,
            missing: Vec::new(),
        })
    }

    /// Asks the witnesses to cosign the newest checkpoint, unless a quorum has.
    ///
    /// # Errors
    /// When a witness has seen another history of this log. One that is away is no error.
    pub async fn publish(&self) -> Result<Option<Publication>, AppError> {
        let Some(policy) = self.policy()? else {
            return Ok(None);
        };
        let Some((sealed, note)) = self.store().newest_checkpoint().await? else {
            return Ok(None);
        };
        let done = |missing| Publication {
            sealed,
            published: sealed,
            missing,
        };
        let path = self.cosigned_folder().join(note_name(sealed) + ".note");
        if let Ok(kept) = fs::read(&path)
            && kept.starts_with(&note)
            && policy.open(&kept).is_ok()
        {
            return Ok(Some(done(Vec::new())));
        }
        if let Err(CheckpointError::UnknownKey { .. }) = Checkpoint::open(&note, policy.logs()) {
            // The log changed its key or its origin, and the operator's file was not told.
            let what = "the file `policy` has no log line for a key that signs now: add those of `log.vkey`";
            return Ok(Some(Publication {
                published: self.published_by(&policy).await,
                sealed,
                missing: vec![what.to_owned()],
            }));
        }
        let (lines, missing) = self.ask(&policy, &note).await?;
        if lines.is_empty() && !policy.asks_witnesses() {
            return Ok(Some(done(missing)));
        }
        let cosigned = [note.as_slice(), lines.concat().as_bytes()].concat();
        match policy.open(&cosigned) {
            Ok(_) => {
                self.keep_cosigned(&path, &cosigned)?;
                Ok(Some(done(missing)))
            }
            Err(Refusal::Quorum { .. }) => Ok(Some(Publication {
                published: self.published_by(&policy).await,
                sealed,
                missing,
            })),
            Err(error) => Err(AppError::Integrity(format!(
                "the newest checkpoint: {error}"
            ))),
        }
    }

    /// Entries under what may be handed out by this policy.
    async fn published_by(&self, policy: &Policy) -> u64 {
        let published = self.published_note().await.ok();
        let accepted = published.and_then(|note| policy.open(&note).ok());
        accepted.map_or(0, |accepted| accepted.checkpoint.size())
    }

    /// Written beside, flushed, renamed: what is there is whole.
    fn keep_cosigned(&self, path: &Path, note: &[u8]) -> Result<(), AppError> {
        let folder = self.cosigned_folder();
        fs::create_dir_all(&folder).map_err(failed("create", &folder))?;
        // A name of its own: other processes publish, too.
        let mut file = tempfile::NamedTempFile::new_in(&folder).map_err(failed("create", path))?;
        file.write_all(note).map_err(failed("write", path))?;
        file.as_file().sync_all().map_err(failed("flush", path))?;
        file.persist(path)
            .map_err(|error| failed("replace", path)(error.error))?;
        fs::File::open(&folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed("flush", &folder))
    }

    /// The signature lines of those who cosigned, and what the others say.
    async fn ask(
        &self,
        policy: &Policy,
        note: &[u8],
    ) -> Result<(Vec<String>, Vec<String>), AppError> {
        let store = self.store();
        let keys = self.named_now().await?;
        let mut prover = Prover::over(store.as_ref(), &keys, note.to_vec()).await?;
        let newest = prover.checkpoint().clone();
        let mut sizes = self.sizes_of_witnesses()?;
        let mut open: Vec<Asked<'_>> = policy
            .witnesses()
            .map(|(name, key, url)| Asked {
                name,
                key,
                url,
                old_size: sizes.get(&key.to_string()).copied().unwrap_or(0),
            })
            .collect();
        let client = client()?;
        let (mut lines, mut missing) = (Vec::new(), Vec::new());
        // Twice: a witness that is at another size says so, and is asked from there.
        for attempt in 0..2 {
            let mut requests = Vec::with_capacity(open.len());
            for asked in &open {
                let old_size = asked.old_size.min(newest.size());
                let request = AddCheckpoint {
                    old_size,
                    proof: if old_size == newest.size() {
                        Vec::new()
                    } else {
                        prover.extends(old_size).await?
                    },
                    note: note.to_vec(),
                };
                requests.push(add_checkpoint(&client, asked, request.write(), &newest));
            }
            let said = join_all(requests).await;
            let mut again = Vec::new();
            for (mut asked, said) in open.into_iter().zip(said) {
                match said {
                    Said::Cosigned(line) => {
                        sizes.insert(asked.key.to_string(), newest.size());
                        lines.push(line);
                    }
                    Said::At(size)
                        if size <= newest.size() && attempt == 0 && size != asked.old_size =>
                    {
                        asked.old_size = size;
                        again.push(asked);
                    }
                    Said::At(size) => {
                        missing.push(self.elsewhere(asked.name, size, &newest).await?);
                    }
                    Said::Refused(what) => {
                        return Err(AppError::Integrity(format!(
                            "witness {} has cosigned another history of this log: {what}",
                            asked.name
                        )));
                    }
                    Said::Away(what) => missing.push(format!("{}: {what}", asked.name)),
                }
            }
            open = again;
        }
        self.keep_sizes_of_witnesses(&sizes)?;
        Ok((lines, missing))
    }

    /// A witness is where this checkpoint does not lead: ahead, because the log went on meanwhile,
    /// or because it was cut off; or at this size, with another root.
    async fn elsewhere(
        &self,
        name: &str,
        size: u64,
        newest: &Checkpoint,
    ) -> Result<String, AppError> {
        let now = self.store().newest_checkpoint().await?;
        if size > newest.size() && now.is_some_and(|(now, _)| now >= size) {
            return Ok(format!("{name}: has cosigned a newer checkpoint meanwhile"));
        }
        Err(AppError::Integrity(format!(
            "witness {name} has cosigned {size} entries of this log, which the log of {} entries does not continue: it was cut off, is an older copy, or was forked",
            newest.size()
        )))
    }

    /// The sizes at which the witnesses were last: only a hint, they say it themselves.
    fn sizes_of_witnesses(&self) -> Result<BTreeMap<String, u64>, AppError> {
        let path = self.cosigned_folder().join("sizes.json");
        match fs::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    fn keep_sizes_of_witnesses(&self, sizes: &BTreeMap<String, u64>) -> Result<(), AppError> {
        let path = self.cosigned_folder().join("sizes.json");
        let text = serde_json::to_string(sizes).unwrap_or_default();
        self.keep_cosigned(&path, text.as_bytes())
    }
}

/// The name of the file of a cosigned note, without its ending: such names sort like sizes.
fn note_name(size: u64) -> String {
    format!("{size:020}")
}

/// Cosigned notes by size, ascending.
fn cosigned_files(folder: &Path) -> Result<Vec<PathBuf>, AppError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("read", folder)(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed("read", folder))?.path();
        if path.extension().is_some_and(|end| end == "note") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The same with what is in them.
pub(super) fn cosigned_notes(folder: &Path) -> Result<Vec<CosignedNote>, AppError> {
    let mut notes = Vec::new();
    for path in cosigned_files(folder)? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let size = name.parse().ok().filter(|size| note_name(*size) == *name);
        let mut note = Vec::new();
        let file = fs::File::open(&path).map_err(failed("open", &path))?;
        // One byte more than is read of a note, which is refused then.
        let read = file.take(MAX_NOTE_BYTES as u64 + 1).read_to_end(&mut note);
        read.map_err(failed("read", &path))?;
        notes.push(CosignedNote {
            file: path.display().to_string(),
            size,
            note,
        });
    }
    Ok(notes)
}

fn client() -> Result<reqwest::Client, AppError> {
    reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| AppError::Usage(format!("the HTTP client: {error}")))
}

/// Asks a witness; what it gives is verified.
async fn add_checkpoint(
    client: &reqwest::Client,
    asked: &Asked<'_>,
    body: Vec<u8>,
    checkpoint: &Checkpoint,
) -> Said {
    let url = format!("{}/add-checkpoint", asked.url.trim_end_matches('/'));
    let mut answer = match client.post(url).body(body).send().await {
        Ok(answer) => answer,
        Err(error) => return Said::Away(error.without_url().to_string()),
    };
    let status = answer.status().as_u16();
    let mut bytes = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() <= MAX_ANSWER_BYTES => {
                bytes.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => return Said::Away("its answer is too long".to_owned()),
            Ok(None) => break,
            Err(error) => return Said::Away(error.without_url().to_string()),
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    match status {
        200 => asked.key.line_of(&checkpoint.body(), &text).map_or_else(
            || Said::Away("its cosignature does not fit".to_owned()),
            Said::Cosigned,
        ),
        409 => match crate::seal::decimal(text.trim_end_matches('\n')) {
            Some(size) => Said::At(size),
            // Asked from the size of the checkpoint itself, it need not name it to say that its
            // root is another one.
            None if asked.old_size >= checkpoint.size() => Said::Refused(format!(
                "at {} entries it knows another root",
                checkpoint.size()
            )),
            None => Said::Away("it does not say its size".to_owned()),
        },
        422 => Said::Refused(text.trim_end().to_owned()),
        status => Said::Away(format!(
            "it answers {status}: {}",
            crate::seal::excerpt(text.trim_end())
        )),
    }
}
