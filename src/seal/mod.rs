//! The seal: what makes the ledger tamper-evident.
//!
//! In comes the leaf of every entry (the entry's exact bytes), in the order of the ledger. Out go
//! RFC 6962 roots, proofs, hash tiles and signed checkpoints, in the formats of the C2SP family of
//! specifications, so that any log client can check them.
//!
//! All modules but [`state`], [`ring`], [`sealer`], [`folder`], [`export`] and [`prover`] are pure: no
//! database, no clock, no network, no files.
//! They compute and verify; randomness for keys and bytes of stored tiles are handed in. What may fail is told by
//! the error enums of each module, which carry the values that did not fit. Two things must stay
//! true everywhere: a verifier never trusts a size, hash or key that came with the proof, and every
//! text that is accepted is written back as exactly the same bytes.
//!
//! | module | what it knows | source |
//! |---|---|---|
//! | [`merkle`] | hashes, roots, inclusion and consistency proofs | RFC 6962 2.1, RFC 9162 2.1 |
//! | [`tiles`] | hash tiles and the paths under which they are served | C2SP tlog-tiles |
//! | [`keys`] | note signing and verifier keys | C2SP signed-note |
//! | [`roster`] | which keys sign a log, as its entries say | |
//! | [`checkpoint`] | signed tree heads | C2SP tlog-checkpoint |
//! | [`proof`] | the self-contained proof that an auditor keeps | C2SP tlog-proof |
//! | [`cosignature`] | that a witness saw a checkpoint, and when | C2SP tlog-cosignature |
//! | [`policy`] | which logs and witnesses a reader trusts | C2SP tlog-policy |
//! | [`consistency`] | whether a log extends a checkpoint that was kept | RFC 6962 2.1.2 |
//! | [`entries`] | bundles of entries, and which files a log has | C2SP tlog-tiles |
//! | [`folder`] | a log as a folder of static files | C2SP tlog-tiles |
//! | [`ring`] | the signing keys of a node, as files | |
//! | [`state`] | what was last signed, durable beside the key | |
//! | [`sealer`] | from new entries to the next signed checkpoint | |
//! | [`export`] | from the store to a folder of static files | |
//! | [`prover`] | proofs from the stored tiles | |
//! | [`witness`] | cosigns what extends the last that it cosigned | C2SP tlog-witness |

pub mod checkpoint;
pub mod consistency;
pub mod cosignature;
pub mod entries;
pub mod export;
pub mod folder;
pub mod keys;
pub mod merkle;
pub mod policy;
pub mod proof;
pub mod prover;
pub mod ring;
pub mod roster;
pub mod sealer;
pub mod served;
pub mod state;
pub mod tiles;
pub mod witness;

/// The most bytes of a refused text that an error repeats: enough to recognise it, and no way to
/// blow up a log file by sending a megabyte of nonsense.
const EXCERPT_CHARACTERS: usize = 80;

/// The beginning of a refused text, for an error message.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(EXCERPT_CHARACTERS).collect()
}

/// Reads an ASCII decimal without sign and without leading zeroes, as C2SP writes sizes and
/// indices. `None` when the text is anything else or exceeds a `u64`.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let canonical = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::{decimal, excerpt};

    #[test]
    fn decimals_have_one_spelling() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("10"), Some(10));
        assert_eq!(decimal("18446744073709551615"), Some(u64::MAX));
        for refused in [
            "",
            "00",
            "01",
            "+1",
            "-1",
            " 1",
            "1 ",
            "1e3",
            "١",
            "18446744073709551616",
        ] {
            assert_eq!(decimal(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn excerpts_are_short_and_cut_between_characters() {
        assert_eq!(excerpt(&"账".repeat(1000)).chars().count(), 80);
    }
}
