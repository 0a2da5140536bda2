//! Every vector of transparency-dev/merkle: good proofs are accepted, broken ones are refused.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use vitaledger::seal::merkle::{Hash, HashError, verify_consistency, verify_inclusion};

/// How many vectors of each kind there are, so that a lost folder is noticed.
const VECTORS: usize = 98;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Inclusion {
    leaf_idx: u64,
    tree_size: u64,
    root: Option<String>,
    leaf_hash: Option<String>,
    proof: Option<Vec<String>>,
    #[serde(rename = "desc")]
    _description: String,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Consistency {
    size1: u64,
    size2: u64,
    root1: Option<String>,
    root2: Option<String>,
    proof: Option<Vec<String>>,
    #[serde(rename = "desc")]
    _description: String,
    want_err: bool,
}

/// Some vectors have "hashes" of another length; a text of 12 bytes stands for a root that nobody
/// looks at. Those that must be refused are refused by the type; those that must be accepted (equal
/// sizes, equal roots) are padded, which keeps equal what is equal.
fn hash(text: Option<&String>, pad: bool) -> Result<Hash, HashError> {
    let mut bytes = BASE64_STANDARD
        .decode(text.map_or("", String::as_str))
        .unwrap();
    if pad {
        bytes.resize(bytes.len().max(32), 0);
    }
    Hash::try_from(bytes.as_slice())
}

fn path(proof: Option<&Vec<String>>) -> Result<Vec<Hash>, HashError> {
    proof
        .into_iter()
        .flatten()
        .map(|text| hash(Some(text), false))
        .collect()
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            found.push(path);
        }
    }
}

fn vectors<T: DeserializeOwned>(kind: &str) -> Vec<(PathBuf, T)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors/rfc6962");
    let mut files = Vec::new();
    files_below(&folder.join(kind), &mut files);
    assert_eq!(files.len(), VECTORS, "vectors of {kind}");
    let read = |file: PathBuf| {
        let vector = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        (file, vector)
    };
    files.into_iter().map(read).collect()
}

#[test]
fn inclusion() {
    for (file, vector) in vectors::<Inclusion>("inclusion") {
        let verdict = || -> Result<(), String> {
            let leaf = hash(vector.leaf_hash.as_ref(), false).map_err(|error| error.to_string())?;
            let root = hash(vector.root.as_ref(), false).map_err(|error| error.to_string())?;
            let proof = path(vector.proof.as_ref()).map_err(|error| error.to_string())?;
            verify_inclusion(&leaf, vector.leaf_idx, vector.tree_size, &proof, &root)
                .map_err(|error| error.to_string())
        };
        let verdict = verdict();
        assert_eq!(
            verdict.is_err(),
            vector.want_err,
            "{}: {verdict:?}",
            file.display()
        );
    }
}

#[test]
fn consistency() {
    for (file, vector) in vectors::<Consistency>("consistency") {
        // Padding every root would make it too easy to refuse; only what has to pass is padded,
        // and what has to be refused is tried both ways.
        for pad in [true, false] {
            if !pad && !vector.want_err {
                continue;
            }
            let verdict = || -> Result<(), String> {
                let old = hash(vector.root1.as_ref(), pad).map_err(|error| error.to_string())?;
                let new = hash(vector.root2.as_ref(), pad).map_err(|error| error.to_string())?;
                let proof = path(vector.proof.as_ref()).map_err(|error| error.to_string())?;
                verify_consistency(vector.size1, &old, vector.size2, &new, &proof)
                    .map_err(|error| error.to_string())
            };
            let verdict = verdict();
            assert_eq!(
                verdict.is_err(),
                vector.want_err,
                "{}: {verdict:?}",
                file.display()
            );
        }
    }
}
