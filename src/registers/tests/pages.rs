//! Pages, what supersedes what, and what stays true when a run ends where nobody expected it.

use std::time::{Duration, SystemTime};

use super::*;
use crate::registers::read::Filter;

/// Every page of a register, put together.
fn paged(
    registers: &Registers,
    kind: RecordKind,
    size: u64,
    limit: usize,
    filter: Option<Filter<'_>>,
) -> Vec<RegisterRow> {
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let page = registers.page(kind, size, after, limit, filter).unwrap();
        assert!(page.len() <= limit);
        let Some(last) = page.last() else {
            return rows;
        };
        after = Some(last.position);
        rows.extend(page);
    }
}

/// Pages of any length are what is current, also with a filter.
pub(super) fn assert_pages_tell(registers: &Registers, store: &Memory, size: u64) {
    let odd: Filter<'_> = &|row| row.position % 2 == 1;
    for kind in RecordKind::ALL {
        let mut expected = store.current(kind, size);
        for limit in [1, 2, 5] {
            assert_eq!(paged(registers, kind, size, limit, None), expected);
        }
        expected.retain(odd);
        for limit in [1, 3] {
            assert_eq!(paged(registers, kind, size, limit, Some(odd)), expected);
        }
    }
}

#[tokio::test]
async fn pages_put_together_are_the_register() {
    let (_folder, store, registers) = told().await;
    for size in 0..=10 {
        assert_pages_tell(&registers, &store, size);
    }
    let page = |after, limit| {
        let page = registers.page(RecordKind::Birth, 6, after, limit, None);
        positions(&page.unwrap())
    };
    assert_eq!(page(None, 2), [2, 4]);
    assert_eq!(page(Some(4), 2), [5]);
    assert_eq!(page(Some(3), 1), [4]);
    assert_eq!(page(Some(5), 2), [0; 0]);
    assert_eq!(page(Some(u64::MAX), 2), [0; 0]);
    assert_eq!(page(None, 0), [0; 0]);
    let behind = registers.page(RecordKind::Birth, 11, None, 1, None);
    assert!(matches!(behind, Err(RegisterError::Behind { .. })));
}

/// A page is read of the row groups that have its rows: those are far more than a few here.
#[tokio::test]
async fn a_large_segment_is_read_in_parts() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(Memory::default()));
    store.report_many(20_000);
    let at = folder.path().join("registers");
    let shared: Arc<dyn Store> = Arc::<Memory>::clone(&store);
    let mut registers = Registers::open_with(at, LEDGER, shared, 20_000).unwrap();
    let done = registers.catch_up().await.unwrap();
    assert_eq!((done.entries, done.segments_written), (20_000, 1));
    let kind = RecordKind::Activity;
    for after in [0, 8_100, 8_191, 8_192, 16_383, 19_990] {
        let rows = registers.page(kind, 20_000, Some(after), 200, None);
        let expected: Vec<u64> = (after + 1..20_000).take(200).collect();
        assert_eq!(positions(&rows.unwrap()), expected, "after {after}");
    }
    let far_apart: Filter<'_> = &|row| row.position % 6_000 == 5;
    let rows = registers.page(kind, 20_000, None, 10, Some(far_apart));
    assert_eq!(positions(&rows.unwrap()), [5, 6_005, 12_005, 18_005]);
    let wanted = [0, 8_191, 8_192, 19_999];
    let rows = registers.at_positions(kind, &wanted).unwrap();
    assert_eq!(positions(&rows), wanted);
}

#[tokio::test]
async fn steps_that_were_changed_are_rebuilt() {
    let spoil = |folder: &Path| {
        let path = folder.join("registers/succession/00000001.steps");
        change_file(&path, |bytes| bytes[0] ^= 1);
    };
    let (folder, store, registers) = told().await;
    drop(registers);
    spoil(folder.path());
    let mut registers = open(folder.path(), &store);
    let [found] = registers.damaged() else {
        panic!("{:?}", registers.damaged())
    };
    assert_eq!(found.segment, 1);
    assert!(matches!(found.fault, Fault::Digest { .. }), "{found}");
    registers.catch_up().await.unwrap();
    assert_pages_tell(&registers, &store, 10);
}

#[tokio::test]
async fn the_check_sees_that_a_row_follows_another_than_it_does() {
    let (_folder, store, mut registers) = told().await;
    registers.succession.cut(8);
    let check = registers.verify(store.as_ref()).await.unwrap();
    let difference = check.difference.unwrap();
    assert_eq!((difference.position, difference.kind), (8, None));
    assert_eq!(difference.mismatch, Mismatch::Succession);
}

#[tokio::test]
async fn a_version_without_the_one_before_it_is_not_taken() {
    let (folder, store) = (tempfile::tempdir().unwrap(), story());
    let sequence = |from: &'static str, to: &'static str| {
        store.change(8, |bytes| {
            let text = std::str::from_utf8(bytes).unwrap();
            assert!(text.contains(from));
            *bytes = text.replace(from, to).into_bytes();
        });
    };
    sequence("\"sequence\":3", "\"sequence\":9");
    let mut registers = open(folder.path(), &store);
    for _ in 0..2 {
        let failed = registers.catch_up().await.unwrap_err();
        let RegisterError::NoPredecessor { position, version } = failed else {
            panic!("{failed}")
        };
        assert_eq!((position, version), (8, 9));
        // What comes before it counts.
        assert_eq!(registers.size(), 8);
        assert_pages_tell(&registers, &store, 8);
    }
}

/// A file that lay unchanged for long is compared once; after a change, again.
#[tokio::test]
async fn a_file_that_was_compared_is_compared_again_when_it_was_changed() {
    let (folder, _store, registers) = told().await;
    let path = birth_file(folder.path());
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_hours(24);
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(long_ago).unwrap();
    let read = || registers.current(RecordKind::Birth, 10, None);
    for _ in 0..2 {
        assert_eq!(positions(&read().unwrap()), [5, 8]);
    }
    change_file(&path, |bytes| bytes[70] ^= 1);
    assert!(matches!(read(), Err(RegisterError::Damaged(_))));
    change_file(&path, |bytes| bytes[70] ^= 1);
    assert_eq!(positions(&read().unwrap()), [5, 8]);
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(read(), Err(RegisterError::Damaged(_))));
}

/// Whoever waits for catching up may stop waiting at any point where it waits itself.
#[tokio::test]
async fn catching_up_that_nobody_waits_for_leaves_no_gap() {
    for patience in 0..40 {
        let (folder, store) = (tempfile::tempdir().unwrap(), story());
        let mut registers = open(folder.path(), &store);
        let impatient = async {
            for _ in 0..patience {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            done = registers.catch_up() => drop(done.unwrap()),
            () = impatient => {}
        }
        for size in 0..=registers.size() {
            assert_pages_tell(&registers, &store, size);
        }
        registers.catch_up().await.unwrap();
        assert_eq!(registers.size(), 10);
        assert_eq!(digests(&registers), digests_at_once(&store).await);
        let check = registers.verify(store.as_ref()).await.unwrap();
        assert_eq!((check.entries, check.difference), (10, None));
    }
}
