//! Whom the reader trusts, from arguments.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::app::AppError;
use crate::app::reading::read_at_most;
use crate::seal::keys::VerifierKey;
use crate::seal::policy::{MAX_POLICY_BYTES, Policy};

/// The trust root of a check.
#[derive(Debug, Args)]
pub struct Trust {
    /// The verifier key of the log, or a file with it; may be given again while a key changes.
    #[arg(long, value_name = "VKEY|FILE")]
    pub key: Vec<String>,
    /// A C2SP tlog-policy file: logs, witnesses, quorum.
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub policy: Option<PathBuf>,
}

impl Trust {
    /// The policy that was asked for; none when nothing was.
    ///
    /// # Errors
    /// When a key or the file does not read, or names no log.
    pub fn policy(&self) -> Result<Option<Policy>, AppError> {
        if let Some(path) = &self.policy {
            let bytes = read_policy(path)?;
            let policy = Policy::parse(&bytes)
                .map_err(|error| AppError::Usage(format!("{}: {error}", path.display())))?;
            if policy.logs().is_empty() {
                let what = format!("{} names no log", path.display());
                return Err(AppError::Usage(what));
            }
            return Ok(Some(policy));
        }
        let keys: Vec<VerifierKey> = self.key.iter().try_fold(Vec::new(), |mut keys, text| {
            keys.extend(keys_of(text)?);
            Ok::<_, AppError>(keys)
        })?;
        Ok((!keys.is_empty()).then(|| Policy::of_logs(keys)))
    }
}

/// The bytes of a policy file.
///
/// # Errors
/// When it cannot be read.
pub fn read_policy(path: &Path) -> Result<Vec<u8>, AppError> {
    read_at_most(path, MAX_POLICY_BYTES)
}

/// A key, or the keys in a file, one a line.
fn keys_of(text: &str) -> Result<Vec<VerifierKey>, AppError> {
    const LONGEST: usize = 100_000;
    let refused = |error: crate::seal::keys::KeyError| AppError::Usage(error.to_string());
    let path = Path::new(text);
    if !path.is_file() {
        return Ok(vec![text.trim().parse().map_err(refused)?]);
    }
    let bytes = read_at_most(path, LONGEST)?;
    let file = String::from_utf8_lossy(&bytes);
    let lines = file.lines().map(str::trim).filter(|line| !line.is_empty());
    let keys: Vec<VerifierKey> = lines
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(refused)?;
    if keys.is_empty() {
        return Err(AppError::Usage(format!("{text} has no key")));
    }
    Ok(keys)
}
