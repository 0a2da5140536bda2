//! Foreign bytes: valid inputs that were changed, and bytes of chance.
//!
//! What comes in: valid inputs and the number of cases, from `VITALEDGER_FUZZ_CASES` (default 500;
//! a nightly run takes 100000). What goes out: bytes for a parser. What must stay true: every case
//! can be told from its seed, which a failing test prints (`PROPTEST_CASES` is not used), and no
//! parser takes more memory than [`within_memory`] allows.

#![allow(dead_code, reason = "each test file uses a part of it")]

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Cases when the environment does not say.
const CASES: u32 = 500;
/// The most memory that a test of parsers may have had, in KiB: inputs have up to 1 MB.
const MAX_RESIDENT_KIB: u64 = 768 * 1024;

/// What inputs are made of beside chance: what parsers look for, and what they may trip over.
const TOKENS: [&[u8]; 24] = [
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\0",
    b" ",
    b"\t",
    b"+",
    b"=",
    b",",
    b"\"",
    b"{\"a\":",
    b"[[[[[[[[",
    b"18446744073709551615",
    b"-1",
    b"00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xe2\x80\x94 ",
    b"\xe2\x80\x94 a AAAAAAAA\n",
    b"log ",
    b"quorum none\n",
    b"group g all g\n",
    b"PK\x03\x04",
    b"\xed\xa0\x80",
];

/// How many cases are asked for.
pub fn cases() -> u32 {
    let asked = std::env::var("VITALEDGER_FUZZ_CASES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(CASES)
}

/// One change of bytes.
#[derive(Debug, Clone)]
enum Change {
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, usize),
    InsertBytes(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize, usize),
    Truncate(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    let bytes = prop::collection::vec(any::<u8>(), 1..40);
    prop_oneof![
        4 => (at(), 0..8u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        3 => (at(), 0..TOKENS.len()).prop_map(|(at, token)| Change::Insert(at, token)),
        2 => (at(), bytes).prop_map(|(at, bytes)| Change::InsertBytes(at, bytes)),
        3 => (at(), 1..60usize).prop_map(|(at, count)| Change::Remove(at, count)),
        2 => (at(), 1..60usize, 1..200usize)
            .prop_map(|(at, count, times)| Change::Repeat(at, count, times)),
        1 => at().prop_map(Change::Truncate),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let place = |at: &prop::sample::Index| at.index(bytes.len() + 1);
    match change {
        Change::Flip(at, bit) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Change::Flip(..) => {}
        Change::Insert(at, token) => {
            let at = place(at);
            bytes.splice(at..at, TOKENS[*token].iter().copied());
        }
        Change::InsertBytes(at, more) => {
            let at = place(at);
            bytes.splice(at..at, more.iter().copied());
        }
        Change::Remove(at, count) => {
            let at = place(at);
            bytes.drain(at..bytes.len().min(at + count));
        }
        Change::Repeat(at, count, times) => {
            let at = place(at);
            let part = bytes[at..bytes.len().min(at + count)].repeat(*times);
            bytes.splice(at..at, part);
        }
        Change::Truncate(at) => bytes.truncate(at.index(bytes.len() + 1)),
    }
}

/// One of these inputs after some changes; now and then bytes of chance alone.
pub fn hostile(seeds: Vec<Vec<u8>>) -> BoxedStrategy<Vec<u8>> {
    let changed =
        (0..seeds.len(), prop::collection::vec(change(), 1..6)).prop_map(move |(seed, changes)| {
            let mut bytes = seeds[seed].clone();
            for change in &changes {
                apply(&mut bytes, change);
            }
            bytes
        });
    let chance = prop::collection::vec(any::<u8>(), 0..600);
    prop_oneof![9 => changed, 1 => chance].boxed()
}

/// Runs a property on as many inputs as are asked for, divided by `cost` for what is slow.
pub fn fuzz(
    cost: u32,
    inputs: &BoxedStrategy<Vec<u8>>,
    property: impl Fn(Vec<u8>) -> Result<(), TestCaseError>,
) {
    let config = Config {
        cases: (cases() / cost).max(8),
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    if let Err(error) = TestRunner::new(config).run(inputs, property) {
        panic!("{error}");
    }
    within_memory();
}

/// Asserts that this process never had more memory than parsers of small inputs need.
pub fn within_memory() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    if let Some(kib) = kib {
        assert!(kib < MAX_RESIDENT_KIB, "{kib} KiB were needed");
    }
}
