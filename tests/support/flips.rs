//! One bit of what a text or a file says, changed; one case for each.
//!
//! What comes in: a checkpoint or a proof, or the folder of a log. What goes out: changed copies
//! with the place that was changed. What must stay true: the content is another one. Another
//! spelling of the same (the bits of base64 that mean nothing, the name of a signature, an empty
//! line) is for our own parsers to refuse, and is not asked of others.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses a part, and stops at the first thing that is not as it should"
)]

use std::fs;
use std::path::{Path, PathBuf};

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// How a line of a signature begins.
const SIGNATURE: &str = "\u{2014} ";

/// A place of a text, and the byte that stands there instead.
type Change = (usize, u8);

/// Every character of the content of a checkpoint or proof with one bit changed: index, path,
/// origin, size, root, and the signatures of these signers.
pub fn of_content(text: &str, signers: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut changes: Vec<Change> = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        changes.extend(of_line(line.trim_end_matches('\n'), start, signers));
        start += line.len();
    }
    let apply = |(at, byte): Change| {
        let mut copy = text.as_bytes().to_vec();
        copy[at] = byte;
        (format!("character {at}"), copy)
    };
    changes.into_iter().map(apply).collect()
}

fn of_line(line: &str, start: usize, signers: &[&str]) -> Vec<Change> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if line.is_empty() || line.starts_with("c2sp.org/") {
        return Vec::new();
    }
    if let Some(index) = line.strip_prefix("index ") {
        return of_bytes(index, start + line.len() - index.len());
    }
    if let Some(signature) = line.strip_prefix(SIGNATURE) {
        let (name, encoded) = signature.split_once(' ').unwrap();
        if !signers.contains(&name) {
            return Vec::new();
        }
        return of_base64(encoded, start + line.len() - encoded.len());
    }
    if line.len() == 44 && line.ends_with('=') {
        return of_base64(line, start);
    }
    assert!(digits(line) || line.contains('/'), "{line:?} is no origin");
    of_bytes(line, start)
}

fn of_bytes(text: &str, start: usize) -> Vec<Change> {
    (start..)
        .zip(text.bytes())
        .map(|(at, byte)| (at, byte ^ 1))
        .collect()
}

/// Changes one bit of what each character stands for.
fn of_base64(text: &str, start: usize) -> Vec<Change> {
    let data = text.trim_end_matches('=');
    let meaningless = 2 * (text.len() - data.len());
    let change = |(at, byte): (usize, u8)| {
        let value = BASE64.iter().position(|one| *one == byte).unwrap();
        let bit = if at + 1 == data.len() {
            1 << meaningless
        } else {
            1
        };
        (start + at, BASE64[value ^ bit])
    };
    data.bytes().enumerate().map(change).collect()
}

/// Every byte with its lowest bit changed.
pub fn of_all_bytes(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let change = |at: usize| {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        (format!("byte {at}"), changed)
    };
    (0..bytes.len()).map(change).collect()
}

/// Copies of a log, each with one bit of a tile or a bundle changed: in the first, a middle and the
/// last byte of every one of these files.
pub fn of_log(log: &Path, files: &[PathBuf], scratch: &Path) -> Vec<(String, PathBuf)> {
    let mut copies = Vec::new();
    let checkpoint = PathBuf::from("checkpoint");
    for file in files {
        let bytes = fs::read(log.join(file)).unwrap();
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let what = format!("{}, byte {at}", file.display());
            let copy = scratch.join(format!("changed-{}", copies.len()));
            for other in files.iter().chain([&checkpoint]) {
                let to = copy.join(other);
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(log.join(other), to).unwrap();
            }
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(copy.join(file), changed).unwrap();
            copies.push((what, copy));
        }
    }
    copies
}

/// The tiles and bundles of a log, by their paths below its folder.
pub fn files(log: &Path) -> Vec<PathBuf> {
    let mut open = vec![log.join("tile")];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|one| one.unwrap().path()));
        } else {
            found.push(path.strip_prefix(log).unwrap().to_owned());
        }
    }
    found.sort();
    found
}
