//! The check of an exported log: files alone, no database, no vault, no secrets.
//!
//! What comes in: a folder with a log at C2SP tlog-tiles paths, the policy of the reader, and
//! perhaps a checkpoint that the reader kept. What goes out: an [`ExportVerification`]: what was
//! covered and the first thing that is wrong. What may fail: the reading itself ([`ExportedError`]).
//! What must stay true: sizes and roots come from the checkpoint that the policy accepts; it is
//! signed by every key that the entries name for its size; leaves are hashed from the bytes of the
//! bundles; memory does not grow with the log, but for what it says of its keys.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;

use super::keys::{LOG_STREAM, LogFacts};
use super::leaves::{Leaf, Wrong, leaf_of};
use super::streams::StreamVersions;
use super::walk::log_entry;
use crate::model::id::Position;
use crate::model::time::Timestamp;
use crate::seal::checkpoint::Checkpoint;
use crate::seal::consistency::{Extended, check_extended};
use crate::seal::entries::{BundleError, LogFile, unbundle};
use crate::seal::folder::{CHECKPOINT, FolderError, LogFolder};
use crate::seal::keys::{VerifierKey, key_texts};
use crate::seal::merkle::{HASH_BYTES, HashSource};
use crate::seal::policy::{Cosignature, Policy};
use crate::seal::roster::RosterError;
use crate::seal::tiles::{HashTiles, TILE_WIDTH, Tile};

/// Bundles that are checked as one piece of work: at most 64 MiB.
const BUNDLES: u64 = 4;
/// Pieces that are checked at once.
const IN_FLIGHT: usize = 4;
/// Entries of a full bundle.
const WIDTH: u64 = TILE_WIDTH as u64;

/// Why the check could not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportedError {
    /// A file cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A temporary file.
    #[error("failed to use a temporary file: {0}")]
    Temporary(#[from] std::io::Error),
    /// The work was cut off.
    #[error("the check was cut off: {0}")]
    CutOff(String),
}

/// What was covered, and what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct ExportVerification {
    /// The log.
    pub origin: String,
    /// Entries that the checkpoint covers.
    pub size: u64,
    /// Entries whose bytes were hashed.
    pub entries: u64,
    /// Bytes that were hashed.
    pub bytes: u64,
    /// Hash tiles of all levels that were compared.
    pub tiles: u64,
    /// The signed root, base64.
    pub root: String,
    /// The keys of the reader's policy that signed the checkpoint.
    pub signed_by: Vec<String>,
    /// Further keys that signed it, because entries of the log name them.
    pub also_signed_by: Vec<String>,
    /// Witnesses that cosigned the checkpoint, and when.
    pub cosignatures: Vec<Cosignature>,
    /// The log that this one succeeds, and with how many of its entries.
    pub succeeds: Option<(String, u64)>,
    /// The kept checkpoint that this log was shown to extend.
    pub extends: Option<Extended>,
    /// Whether entry 0 says that times come from the reports.
    pub simulated_clock: bool,
    /// The first thing that is wrong; then the rest was not checked.
    pub wrong: Option<Wrong>,
}

/// What ends a check: something wrong, or something that cannot be read.
enum Stop {
    Wrong(Wrong),
    Failed(ExportedError),
}

impl From<Wrong> for Stop {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

impl From<FolderError> for Stop {
    fn from(error: FolderError) -> Self {
        if error.is_integrity() {
            Self::Wrong(Wrong::overall(error.to_string()))
        } else {
            Self::Failed(error.into())
        }
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Checks an exported log; `progress` is told the number of entries done.
///
/// # Errors
/// When something cannot be read at all.
pub async fn verify(
    folder: &Path,
    policy: &Policy,
    kept: Option<&[u8]>,
    progress: impl FnMut(u64),
) -> Result<ExportVerification, ExportedError> {
    let mut report = ExportVerification::default();
    match check(&LogFolder::new(folder), policy, kept, &mut report, progress).await {
        Ok(()) => {}
        Err(Stop::Wrong(wrong)) => report.wrong = Some(wrong),
        Err(Stop::Failed(error)) => return Err(error),
    }
    Ok(report)
}

async fn check(
    folder: &LogFolder,
    policy: &Policy,
    kept: Option<&[u8]>,
    report: &mut ExportVerification,
    progress: impl FnMut(u64),
) -> Result<(), Stop> {
    let missing = || FolderError::Missing {
        path: CHECKPOINT.to_owned(),
    };
    let note = folder.checkpoint()?.ok_or_else(missing)?;
    let accepted = policy
        .open(&note)
        .map_err(|refusal| Wrong::overall(format!("the checkpoint: {refusal}")))?;
    let checkpoint = accepted.checkpoint;
    checkpoint.origin().clone_into(&mut report.origin);
    report.size = checkpoint.size();
    report.root = checkpoint.root().to_string();
    report.cosignatures = accepted.cosignatures;
    let signed_by = accepted.signed_by;
    report.signed_by = key_texts(&signed_by);
    let kept = kept.map(|note| kept_checkpoint(note, policy)).transpose()?;
    if let Some(kept) = &kept {
        // What sizes and roots alone show is said before hours of hashing.
        let apart = kept.size() > checkpoint.size()
            || (kept.size() == checkpoint.size() && kept.root() != checkpoint.root());
        if apart && kept.origin() == checkpoint.origin() {
            extends(kept, &checkpoint, &[], &LogFacts::default())?;
        }
    }
    let mut walk = Walk::new(folder, checkpoint.size());
    let walked = walk.run(report, progress).await;
    let streams = std::mem::take(&mut walk.streams).first_wrong()?;
    let walked = match (walked, streams) {
        (Ok(()), Some(wrong)) => Err(wrong.into()),
        (Err(Stop::Wrong(one)), Some(other)) => {
            let earlier = matches!((one.position, other.position), (Some(a), Some(b)) if b < a);
            Err(Stop::Wrong(if earlier { other } else { one }))
        }
        (walked, _) => walked,
    };
    walked?;
    for tile in walk.tiles.partial_tiles() {
        walk.compare(&tile, report)?;
    }
    if walk.tiles.root() != *checkpoint.root() {
        let what = "the entries and the hash tiles agree, but do not give the signed root: they were changed together, or belong to another checkpoint";
        return Err(Wrong::overall(what).into());
    }
    let facts = &walk.facts;
    report.simulated_clock = facts.simulated_clock;
    signed_as_named(&note, &checkpoint, &signed_by, facts, report)?;
    if let Some(kept) = kept {
        report.extends = Some(walk.extends(&kept, &checkpoint)?);
    }
    Ok(())
}

/// The checkpoint is signed as the entries of the log demand, and the key that the reader trusts is
/// one of those.
fn signed_as_named(
    note: &[u8],
    checkpoint: &Checkpoint,
    trusted: &[VerifierKey],
    facts: &LogFacts,
    report: &mut ExportVerification,
) -> Result<(), Stop> {
    let size = checkpoint.size();
    if size == 0 {
        return Ok(());
    }
    let roster = &facts.roster;
    if roster.origin_at(size) != checkpoint.origin() {
        return Err(Wrong::at(0, "the entry does not found the log of the checkpoint").into());
    }
    let refused = |error: RosterError| Wrong::overall(error.to_string());
    roster.open_by(note, trusted, size).map_err(refused)?;
    let others = roster
        .at(size)
        .filter(|named| !trusted.contains(&named.key));
    report.also_signed_by = others.map(|named| named.key.to_string()).collect();
    report.succeeds = roster.succeeds();
    Ok(())
}

/// A checkpoint that the reader kept: a log of the policy signed it. The quorum was the business
/// of the day on which it was taken.
///
/// # Errors
/// When no log of the policy signed it.
pub fn kept_checkpoint(note: &[u8], policy: &Policy) -> Result<Checkpoint, Wrong> {
    Checkpoint::open(note, policy.logs())
        .map_err(|error| Wrong::overall(format!("the kept checkpoint: {error}")))
}

fn extends(
    kept: &Checkpoint,
    newer: &Checkpoint,
    proof: &[crate::seal::merkle::Hash],
    facts: &LogFacts,
) -> Result<Extended, Wrong> {
    let taken_over = facts.roster.taken_over(kept.origin());
    let extended = check_extended(kept, newer, proof, taken_over);
    extended.map_err(|error| Wrong::overall(error.to_string()))
}

/// What a piece of work gave: leaves up to the first wrong one.
struct Piece {
    first: Position,
    leaves: Vec<Leaf>,
    /// Entries of the log's own stream.
    of_log: BTreeMap<Position, Vec<u8>>,
    bytes: u64,
    wrong: Option<Stop>,
}

/// Reads and checks bundles; runs on any thread.
fn piece(folder: &LogFolder, first: Position, size: u64) -> Piece {
    let mut piece = Piece {
        first,
        leaves: Vec::new(),
        of_log: BTreeMap::new(),
        bytes: 0,
        wrong: None,
    };
    for index in (first / WIDTH..).take(usize::try_from(BUNDLES).unwrap_or(1)) {
        let start = index * WIDTH;
        if start >= size {
            break;
        }
        let width = usize::try_from((size - start).min(WIDTH)).unwrap_or(TILE_WIDTH);
        let file = LogFile {
            level: None,
            index,
            width,
        };
        if let Err(stop) = bundle(folder, file, start, &mut piece) {
            piece.wrong = Some(stop);
            break;
        }
    }
    piece
}

fn bundle(folder: &LogFolder, file: LogFile, start: u64, piece: &mut Piece) -> Result<(), Stop> {
    let found = folder.read(file).map_err(|error| match Stop::from(error) {
        Stop::Wrong(wrong) => Stop::Wrong(Wrong::at(start, wrong.what)),
        failed @ Stop::Failed(_) => failed,
    })?;
    let path = file.path().unwrap_or_default();
    let entries = unbundle(&found.bytes, file.width, found.is_exact);
    // What comes before the end of a damaged bundle is checked all the same: it may be wrong earlier.
    let (entries, wrong) = match entries {
        Ok(entries) => (entries, None),
        Err(error) => {
            let whole = match error {
                BundleError::Short { entry, .. } => entry,
                _ => file.width,
            };
            let at = start + whole as u64;
            let before = unbundle(&found.bytes, whole, false).unwrap_or_default();
            (before, Some(Wrong::at(at, format!("{path}: {error}"))))
        }
    };
    for (position, bytes) in (start..).zip(entries) {
        let checked = leaf_of(position, bytes);
        let (leaf, kind) = checked.map_err(|what| Wrong::at(position, what))?;
        if kind == LOG_STREAM {
            piece.of_log.insert(position, bytes.to_vec());
        }
        piece.leaves.push(leaf);
        piece.bytes += bytes.len() as u64;
    }
    wrong.map_or(Ok(()), |wrong| Err(wrong.into()))
}

/// The tree as it grows from the bundles.
struct Walk<'a> {
    folder: &'a LogFolder,
    /// Entries that the checkpoint covers.
    size: u64,
    tiles: HashTiles,
    streams: StreamVersions,
    /// What the log says of its keys.
    facts: LogFacts,
    last: Timestamp,
}

impl<'a> Walk<'a> {
    fn new(folder: &'a LogFolder, size: u64) -> Self {
        Self {
            folder,
            size,
            tiles: HashTiles::new(),
            streams: StreamVersions::default(),
            facts: LogFacts::default(),
            last: Timestamp::default(),
        }
    }

    async fn run(
        &mut self,
        report: &mut ExportVerification,
        mut progress: impl FnMut(u64),
    ) -> Result<(), Stop> {
        let (mut next, size) = (0, self.size);
        let mut in_flight = FuturesOrdered::new();
        loop {
            while in_flight.len() < IN_FLIGHT && next < size {
                let (folder, first) = (self.folder.clone(), next);
                in_flight.push_back(tokio::task::spawn_blocking(move || {
                    piece(&folder, first, size)
                }));
                next = next.saturating_add(BUNDLES * WIDTH);
            }
            let Some(done) = in_flight.next().await else {
                return Ok(());
            };
            let done =
                done.map_err(|error| Stop::Failed(ExportedError::CutOff(error.to_string())))?;
            self.take(done, report)?;
            progress(report.entries);
        }
    }

    fn take(&mut self, piece: Piece, report: &mut ExportVerification) -> Result<(), Stop> {
        for (position, leaf) in (piece.first..).zip(&piece.leaves) {
            if leaf.recorded_at < self.last {
                let wrong = Wrong::at(position, "the entry is older than the one before it");
                return Err(self.earlier(wrong, report));
            }
            self.last = leaf.recorded_at;
            if let Some(bytes) = piece.of_log.get(&position) {
                let taken = log_entry(&mut self.facts, &self.tiles, position, bytes);
                taken.map_err(|wrong| self.earlier(wrong, report))?;
            }
            self.streams
                .note(position, leaf.aggregate_id, leaf.sequence)?;
            for tile in self.tiles.append([leaf.hash]) {
                self.compare(&tile, report)?;
            }
            report.entries += 1;
        }
        report.bytes += piece.bytes;
        match piece.wrong {
            None => Ok(()),
            Some(Stop::Wrong(wrong)) => Err(self.earlier(wrong, report)),
            Some(failed @ Stop::Failed(_)) => Err(failed),
        }
    }

    /// Entries before a wrong one, in the same tile, may be wrong too: their hashes say so.
    fn earlier(&self, wrong: Wrong, report: &mut ExportVerification) -> Stop {
        let partial = self.tiles.partial_tiles();
        let leaves = partial.iter().find(|tile| tile.level == 0);
        match leaves.map(|tile| self.compare(tile, report)) {
            Some(Err(Stop::Wrong(earlier))) if earlier.position < wrong.position => {
                Stop::Wrong(earlier)
            }
            _ => Stop::Wrong(wrong),
        }
    }

    /// Compares a computed tile with the one in the folder.
    fn compare(&self, tile: &Tile, report: &mut ExportVerification) -> Result<(), Stop> {
        // Where the walk ended early, the tile in the folder has more hashes than the computed one.
        let hashes = self.size >> (8 * u32::from(tile.level));
        let width = (hashes - tile.index * WIDTH).min(WIDTH);
        let file = LogFile {
            level: Some(tile.level),
            index: tile.index,
            width: usize::try_from(width).unwrap_or(TILE_WIDTH),
        };
        let first = 256_u64
            .checked_pow(u32::from(tile.level))
            .and_then(|leaves| leaves.checked_mul(tile.index * WIDTH));
        let at = |hash: usize| {
            let leaves = 256_u64.checked_pow(u32::from(tile.level))?;
            first?.checked_add(leaves.checked_mul(hash as u64)?)
        };
        let found = self.folder.read(file).map_err(|error| match error.into() {
            Stop::Wrong(wrong) => Stop::Wrong(Wrong {
                position: first,
                what: wrong.what,
            }),
            failed @ Stop::Failed(_) => failed,
        })?;
        let computed = tile.bytes.chunks(HASH_BYTES);
        let differs = computed
            .zip(found.bytes.chunks(HASH_BYTES))
            .position(|(computed, found)| computed != found);
        if let Some(hash) = differs {
            let path = file.path().unwrap_or_default();
            let what = format!("the entry does not give the hash that {path} has: one was changed");
            let position = at(hash);
            return Err(Wrong { position, what }.into());
        }
        report.tiles += 1;
        Ok(())
    }

    /// Shows that the log extends a checkpoint, by a proof from the tiles.
    fn extends(&self, kept: &Checkpoint, newer: &Checkpoint) -> Result<Extended, Stop> {
        let read = |level, index| {
            let file = LogFile {
                level: Some(level),
                index,
                width: TILE_WIDTH,
            };
            Some(self.folder.read(file).ok()?.bytes)
        };
        let proof = if kept.size() == 0 || kept.size() > newer.size() {
            Vec::new()
        } else {
            let proof = self
                .tiles
                .source(read)
                .consistency_proof(kept.size(), newer.size());
            proof.map_err(|error| Wrong::overall(error.to_string()))?
        };
        Ok(extends(kept, newer, &proof, &self.facts)?)
    }
}
