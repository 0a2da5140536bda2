//! The registers told as a story: what is read, what is damaged and mended, what any history gives.

mod changes;
mod ledger;
mod pages;
mod sql;

use proptest::prelude::*;
use proptest::sample::select;

use self::ledger::{Memory, START_MICROS, activity, at, birth, office, story};
use super::check::Mismatch;
use super::fold::size_at;
use super::row::{Change, RegisterRow};
use super::segment::Fault;
use super::*;
use crate::model::fields::AnyFields;
use crate::model::time::Timestamp;

const LEDGER: Uuid = Uuid::from_u128(7);
/// So small that a few entries make several segments.
const SEGMENT: u64 = 4;

fn open_as(folder: &Path, ledger_id: Uuid, store: &Arc<Memory>) -> Registers {
    let store: Arc<dyn Store> = Arc::<Memory>::clone(store);
    Registers::open_with(folder.join("registers"), ledger_id, store, SEGMENT).unwrap()
}

fn open(folder: &Path, store: &Arc<Memory>) -> Registers {
    open_as(folder, LEDGER, store)
}

/// Registers of the story, caught up.
async fn told() -> (tempfile::TempDir, Arc<Memory>, Registers) {
    let (folder, store) = (tempfile::tempdir().unwrap(), story());
    let mut registers = open(folder.path(), &store);
    let done = registers.catch_up().await.unwrap();
    let expected = CatchUp {
        entries: 10,
        segments_written: 2,
    };
    assert_eq!(done, expected);
    (folder, store, registers)
}

fn digests(registers: &Registers) -> Vec<[u8; 32]> {
    RecordKind::ALL
        .map(|kind| registers.digest(kind).unwrap())
        .into()
}

/// Digests of registers that are built at once, in a folder of their own.
async fn digests_at_once(store: &Arc<Memory>) -> Vec<[u8; 32]> {
    let folder = tempfile::tempdir().unwrap();
    let mut registers = open(folder.path(), store);
    registers.catch_up().await.unwrap();
    digests(&registers)
}

fn positions(rows: &[RegisterRow]) -> Vec<u64> {
    rows.iter().map(|row| row.position).collect()
}

fn birth_file(folder: &Path) -> PathBuf {
    folder.join("registers/birth/00000000.parquet")
}

fn left_in(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = names
        .map(|one| one.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_is_current_follows_corrections_and_voids() {
    let (_folder, store, registers) = told().await;
    for (size, expected) in [
        (0, vec![]),
        (2, vec![1]),
        (3, vec![1, 2]),
        (5, vec![2, 4]),
        (6, vec![2, 4, 5]),
        (8, vec![4, 5]),
        (10, vec![5, 8]),
    ] {
        let rows = registers.current(RecordKind::Birth, size, None).unwrap();
        assert_eq!(positions(&rows), expected, "of {size}");
        assert_eq!(rows, store.current(RecordKind::Birth, size));
    }
    let snapshot = registers.snapshot_rows(10).unwrap();
    assert_eq!(snapshot.len(), RecordKind::ALL.len());
    assert_eq!(positions(&snapshot[&RecordKind::Activity]), [3, 9]);
    let behind = registers.current(RecordKind::Birth, 11, None).unwrap_err();
    assert!(matches!(
        behind,
        RegisterError::Behind {
            size: 11,
            known: 10
        }
    ));
}

#[tokio::test]
async fn a_filter_sees_a_record_as_it_is_and_not_as_it_was() {
    let (_folder, _store, registers) = told().await;
    let of = |number, size| {
        let code = office(number);
        let wanted = |row: &RegisterRow| {
            row.fields.get("office").map(|v| v.to_string()) == Some(code.to_string())
        };
        let rows = registers.current(RecordKind::Birth, size, Some(&wanted));
        positions(&rows.unwrap())
    };
    assert_eq!(of(1, 4), [1, 2]);
    assert_eq!(of(1, 10), [0; 0]);
    assert_eq!(of(2, 8), [4, 5]);
    assert_eq!(of(3, 10), [8]);
}

#[tokio::test]
async fn a_record_has_a_history() {
    let (_folder, _store, registers) = told().await;
    let of = async |id| registers.history(Uuid::from_u128(id)).await.unwrap();
    assert_eq!(positions(&of(0xa).await), [1, 4, 8]);
    let changes: Vec<_> = of(0xb).await.iter().map(|row| row.change).collect();
    assert_eq!(changes, [Change::Recorded, Change::Voided]);
    assert_eq!(of(0xb).await[1].fields, AnyFields::empty(RecordKind::Birth));
    assert!(of(0xfff).await.is_empty());
}

#[tokio::test]
async fn files_and_tail_are_the_whole_register() {
    let (folder, _store, registers) = told().await;
    assert_eq!(registers.files(RecordKind::Birth).len(), 2);
    assert_eq!(
        registers.files(RecordKind::Birth)[0],
        birth_file(folder.path())
    );
    assert_eq!(registers.files(RecordKind::Activity).len(), 1);
    assert!(registers.files(RecordKind::Return).is_empty());
    let tail = registers.tail(RecordKind::Birth).unwrap();
    assert_eq!(tail.schema(), columns::schema(RecordKind::Birth));
    assert_eq!(tail.num_rows(), 1);
}

#[tokio::test]
async fn registers_go_on_after_a_restart() {
    let (folder, store, registers) = told().await;
    let before = digests(&registers);
    drop(registers);
    let mut registers = open(folder.path(), &store);
    assert_eq!(registers.size(), 0);
    let done = registers.catch_up().await.unwrap();
    assert_eq!((done.entries, done.segments_written), (2, 0));
    assert_eq!(digests(&registers), before);
    store.report(Change::Voided, 0xd, &birth(0, 2));
    store.report(Change::Recorded, 0xf, &birth(3500, 2));
    let done = registers.catch_up().await.unwrap();
    assert_eq!((done.entries, done.segments_written), (2, 1));
    assert_eq!(registers.catch_up().await.unwrap(), CatchUp::default());
    assert_eq!(digests(&registers), digests_at_once(&store).await);
    assert!(registers.damaged().is_empty());
}

/// Damages the registers of the story, and expects that opening says so and mends it.
async fn damaged_and_mended(damage: impl FnOnce(&Path), expected: impl FnOnce(&Fault) -> bool) {
    let (folder, store, registers) = told().await;
    let before = digests(&registers);
    drop(registers);
    damage(folder.path());
    let mut registers = open(folder.path(), &store);
    let [found] = registers.damaged() else {
        panic!("{:?}", registers.damaged())
    };
    assert_eq!(found.segment, 0);
    assert!(expected(&found.fault), "{found}");
    let done = registers.catch_up().await.unwrap();
    assert_eq!((done.entries, done.segments_written), (6, 1));
    assert_eq!(digests(&registers), before);
    let check = registers.verify(store.as_ref()).await.unwrap();
    assert_eq!((check.entries, check.difference), (10, None));
}

fn change_file(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

fn change_manifest(folder: &Path, from: &str, to: &str) {
    let path = folder.join("registers/segments/00000000.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from));
    std::fs::write(path, text.replace(from, to)).unwrap();
}

#[tokio::test]
async fn a_truncated_file_is_rebuilt() {
    let cut = |folder: &Path| change_file(&birth_file(folder), |bytes| bytes.truncate(100));
    damaged_and_mended(cut, |fault| matches!(fault, Fault::Size { found: 100, .. })).await;
}

#[tokio::test]
async fn a_file_with_a_flipped_bit_is_rebuilt() {
    let flip = |folder: &Path| change_file(&birth_file(folder), |bytes| bytes[70] ^= 1);
    damaged_and_mended(flip, |fault| matches!(fault, Fault::Digest { .. })).await;
}

#[tokio::test]
async fn a_missing_file_is_rebuilt() {
    let lose = |folder: &Path| std::fs::remove_file(birth_file(folder)).unwrap();
    damaged_and_mended(lose, |fault| matches!(fault, Fault::Unreadable { .. })).await;
}

#[tokio::test]
async fn a_file_that_was_swapped_with_another_kind_is_rebuilt() {
    let swap = |folder: &Path| {
        let other = folder.join("registers/birth/00000001.parquet");
        std::fs::copy(other, birth_file(folder)).unwrap();
    };
    damaged_and_mended(swap, |fault| {
        matches!(fault, Fault::Digest { .. } | Fault::Size { .. })
    })
    .await;
}

#[tokio::test]
async fn a_manifest_that_is_none_is_rebuilt() {
    let spoil = |folder: &Path| change_manifest(folder, "{", "");
    damaged_and_mended(spoil, |fault| matches!(fault, Fault::Manifest(_))).await;
}

#[tokio::test]
async fn a_manifest_of_other_columns_or_another_range_is_rebuilt() {
    let age = |folder: &Path| change_manifest(folder, "\"format\": 2", "\"format\": 1");
    damaged_and_mended(age, |fault| *fault == Fault::Version).await;
    let stretch = |folder: &Path| change_manifest(folder, "\"end\": 4", "\"end\": 5");
    damaged_and_mended(stretch, |fault| *fault == Fault::Version).await;
    let columns = hex::encode(encoding::columns_digest());
    let other = |folder: &Path| change_manifest(folder, &columns, "00");
    damaged_and_mended(other, |fault| *fault == Fault::Version).await;
}

#[tokio::test]
async fn what_a_crash_left_unfinished_does_no_harm() {
    let (folder, store, registers) = told().await;
    let before = digests(&registers);
    drop(registers);
    let segments = folder.path().join("registers/segments");
    std::fs::write(segments.join("00000002.new"), "{").unwrap();
    std::fs::write(segments.join("7.json"), "{").unwrap();
    std::fs::remove_file(segments.join("00000001.json")).unwrap();
    let mut registers = open(folder.path(), &store);
    assert!(registers.damaged().is_empty());
    let done = registers.catch_up().await.unwrap();
    assert_eq!((done.entries, done.segments_written), (6, 1));
    assert_eq!(digests(&registers), before);
}

#[tokio::test]
async fn segments_of_another_ledger_are_rebuilt() {
    let (folder, store, _) = told().await;
    let mut registers = open_as(folder.path(), Uuid::from_u128(2), &store);
    let faults: Vec<_> = registers.damaged().iter().map(|d| &d.fault).collect();
    assert_eq!(faults, [&Fault::Foreign(LEDGER), &Fault::Foreign(LEDGER)]);
    assert_eq!(registers.catch_up().await.unwrap().segments_written, 2);
}

#[tokio::test]
async fn segments_of_other_entries_are_rebuilt() {
    let (folder, _, _) = told().await;
    // The same ledger, restored from a backup of six entries; then it went another way.
    let other = story();
    other.cut(6);
    let mut registers = open(folder.path(), &other);
    registers.catch_up().await.unwrap();
    assert_eq!((registers.size(), registers.damaged().len()), (6, 1));
    assert_eq!(registers.damaged()[0].fault, Fault::Entries);
    for _ in 6..12 {
        other.report(Change::Recorded, 0x99, &activity());
    }
    registers.catch_up().await.unwrap();
    assert_eq!(digests(&registers), digests_at_once(&other).await);
    drop(registers);
    // Now with the folder of the way not taken.
    let (folder, _, _) = told().await;
    let mut registers = open(folder.path(), &other);
    let done = registers.catch_up().await.unwrap();
    assert_eq!((done.entries, done.segments_written), (8, 2));
    assert_eq!(registers.damaged()[0].segment, 1);
    assert_eq!(digests(&registers), digests_at_once(&other).await);
    let stale = folder.path().join("registers/birth/00000001.parquet");
    assert!(registers.files(RecordKind::Birth).contains(&stale));
}

#[tokio::test]
async fn damage_under_open_registers_is_never_read() {
    let (folder, store, registers) = told().await;
    change_file(&birth_file(folder.path()), |bytes| bytes[70] ^= 1);
    let read = registers.current(RecordKind::Birth, 10, None);
    assert!(matches!(read, Err(RegisterError::Damaged(_))));
    assert!(registers.digest(RecordKind::Birth).is_err());
    assert!(registers.digest(RecordKind::Activity).is_ok());
    let check = registers.verify(store.as_ref()).await.unwrap();
    let difference = check.difference.unwrap();
    assert_eq!(
        (difference.position, difference.kind),
        (0, Some(RecordKind::Birth))
    );
    assert!(matches!(difference.mismatch, Mismatch::Unreadable(_)));
}

/// Changes the text of an entry after the registers were built, and checks them.
async fn differs(position: usize, changes: &[(&str, &str)]) -> (u64, Option<RecordKind>, Mismatch) {
    let (_folder, store, registers) = told().await;
    store.change(position, |bytes| {
        for (from, to) in changes {
            let text = std::str::from_utf8(bytes).unwrap();
            assert!(text.contains(from), "{text}");
            *bytes = text.replace(from, to).into_bytes();
        }
    });
    let check = registers.verify(store.as_ref()).await.unwrap();
    let found = check.difference.unwrap();
    (found.position, found.kind, found.mismatch)
}

#[tokio::test]
async fn the_check_names_the_first_position_that_differs() {
    for (position, weight) in [(1, "3000"), (4, "3001"), (8, "3002")] {
        let (found, kind, mismatch) = differs(position, &[(weight, "3009")]).await;
        assert_eq!((found, kind), (position as u64, Some(RecordKind::Birth)));
        assert_eq!(mismatch, Mismatch::Changed);
    }
    let no_record = [("\"birth\"", "\"office\"")];
    let surplus = (5, Some(RecordKind::Birth), Mismatch::Surplus);
    assert_eq!(differs(5, &no_record).await, surplus);
    let event = "\"payload\":{\"Recorded\":{\"commitments\":{},\"fields\":{}}}";
    let a_record = [("\"office\"", "\"activity\""), ("\"payload\":{}", event)];
    let missing = (6, Some(RecordKind::Activity), Mismatch::Missing);
    assert_eq!(differs(6, &a_record).await, missing);
}

#[tokio::test]
async fn the_check_sees_what_no_row_shows() {
    let note = [("\"note\":\"a\"", "\"note\":\"b\"")];
    assert_eq!(differs(2, &note).await, (0, None, Mismatch::Entries));
    assert_eq!(differs(6, &note).await, (4, None, Mismatch::Entries));
    assert_eq!(differs(9, &note).await, (8, None, Mismatch::Entries));
}

#[tokio::test]
async fn a_rebuild_gives_the_same_registers() {
    let (folder, store, mut registers) = told().await;
    let before = digests(&registers);
    change_file(&birth_file(folder.path()), Vec::clear);
    let done = registers.rebuild().await.unwrap();
    assert_eq!((done.entries, done.segments_written), (10, 2));
    assert_eq!(digests(&registers), before);
    assert_eq!(left_in(folder.path()), ["registers", "registers.lock"]);
    store.report(Change::Recorded, 0xf, &birth(3500, 2));
    assert_eq!(registers.catch_up().await.unwrap().entries, 1);
}

#[tokio::test]
async fn a_rebuild_that_fails_leaves_the_registers_as_they_were() {
    let (folder, store, mut registers) = told().await;
    let before = digests(&registers);
    store.change(6, Vec::clear);
    let failed = registers.rebuild().await;
    assert!(matches!(
        failed,
        Err(RegisterError::Entry { position: 6, .. })
    ));
    assert_eq!(digests(&registers), before);
    drop(registers);
    let registers = open(folder.path(), &store);
    assert!(registers.damaged().is_empty());
    assert!(!folder.path().join("registers.unfinished").exists());
}

#[tokio::test]
async fn a_rebuild_that_a_crash_cut_off_is_put_in_place() {
    for old_is_set_aside in [false, true] {
        let (folder, store, registers) = told().await;
        let before = digests(&registers);
        drop(registers);
        let at = |name| folder.path().join(name);
        std::fs::rename(at("registers"), at("registers.rebuilt")).unwrap();
        let old = if old_is_set_aside {
            "registers.replaced"
        } else {
            "registers"
        };
        std::fs::create_dir(at(old)).unwrap();
        let mut registers = open(folder.path(), &store);
        assert_eq!(registers.catch_up().await.unwrap().segments_written, 0);
        assert_eq!(digests(&registers), before);
        assert_eq!(left_in(folder.path()), ["registers", "registers.lock"]);
    }
}

#[tokio::test]
async fn catching_up_stops_at_a_bad_entry_and_goes_on_from_there() {
    let (folder, store) = (tempfile::tempdir().unwrap(), story());
    let good = store.read(|entries| String::from_utf8(entries[5].clone()).unwrap());
    let mut registers = open(folder.path(), &store);
    let mut failing_with = async |text: &str| {
        store.change(5, |bytes| *bytes = text.as_bytes().to_vec());
        let failed = registers.catch_up().await.unwrap_err();
        assert_eq!(registers.size(), 5);
        failed
    };
    let failed = failing_with("{}").await;
    assert!(matches!(failed, RegisterError::Entry { position: 5, .. }));
    let failed = failing_with(&good.replace("Recorded", "Dreamt")).await;
    assert!(matches!(
        failed,
        RegisterError::Row(RowError { position: 5, .. })
    ));
    let failed = failing_with(&good.replace("\"position\":5", "\"position\":7")).await;
    assert!(matches!(
        failed,
        RegisterError::Order {
            position: 5,
            found: 7
        }
    ));
    store.change(5, |bytes| *bytes = good.into_bytes());
    assert_eq!(registers.catch_up().await.unwrap().entries, 5);
    assert_eq!(digests(&registers), digests_at_once(&store).await);
}

#[tokio::test]
async fn a_segment_that_cannot_be_written_is_written_later() {
    let (folder, store) = (tempfile::tempdir().unwrap(), story());
    let mut registers = open(folder.path(), &store);
    let obstacle = folder.path().join("registers/segments");
    std::fs::write(&obstacle, "").unwrap();
    let failed = registers.catch_up().await;
    assert!(matches!(failed, Err(RegisterError::File { .. })));
    assert_eq!(registers.size(), 4);
    let rows = registers.current(RecordKind::Birth, 4, None).unwrap();
    assert_eq!(positions(&rows), [1, 2]);
    std::fs::remove_file(&obstacle).unwrap();
    let done = registers.catch_up().await.unwrap();
    assert_eq!((done.entries, done.segments_written), (6, 2));
}

/// The digest of the births of the story, computed by another program from the description in
/// `encoding.rs`. When this fails, the encoding changed: give it another name.
#[tokio::test]
async fn the_encoding_of_the_digest_is_fixed() {
    let (_folder, _store, registers) = told().await;
    let digest = hex::encode(registers.digest(RecordKind::Birth).unwrap());
    assert_eq!(
        digest,
        "d75f0b861a0b9ba38eb4b668b6590d7bcc93576e823744050904a34436356f7a"
    );
}

#[tokio::test]
async fn registers_can_be_shared_and_sent() {
    fn sent<T: Send>(it: T) -> T {
        it
    }
    fn shared<T: Send + Sync>(it: T) -> T {
        it
    }
    let (_folder, store, registers) = told().await;
    let mut registers = shared(registers);
    sent(registers.catch_up()).await.unwrap();
    sent(registers.verify(store.as_ref())).await.unwrap();
    sent(registers.rebuild()).await.unwrap();
}

#[tokio::test]
async fn a_ledger_that_shrinks_is_refused() {
    let (_folder, store, mut registers) = told().await;
    store.cut(9);
    let failed = registers.catch_up().await.unwrap_err();
    assert!(matches!(
        failed,
        RegisterError::Shrunk { known: 10, size: 9 }
    ));
}

#[tokio::test]
async fn a_moment_has_a_size() {
    let store = story();
    let before = Timestamp::from_micros(START_MICROS - 1).unwrap();
    assert_eq!(size_at(store.as_ref(), before).await.unwrap(), 0);
    for position in 0..10 {
        let just_before = Timestamp::from_micros(at(position).micros() - 1).unwrap();
        let of = async |moment| size_at(store.as_ref(), moment).await.unwrap();
        assert_eq!(of(just_before).await, position);
        assert_eq!(of(at(position)).await, position + 1);
    }
    assert_eq!(size_at(&Memory::default(), before).await.unwrap(), 0);
}

fn any_report() -> impl Strategy<Value = (Change, u128, AnyFields)> {
    let change = select(vec![Change::Recorded, Change::Corrected, Change::Voided]);
    (change, 0..4_u128, select(RecordKind::ALL.to_vec())).prop_flat_map(|(change, id, kind)| {
        // An id belongs to one kind, as in a ledger.
        let id = id * 6 + kind as u128;
        (Just(change), Just(id), columns::tests::any_fields(kind))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever happened, and however it was caught up with, every size reads as a naive fold.
    #[test]
    fn any_history_reads_as_it_was(
        reports in prop::collection::vec((any_report(), any::<bool>()), 0..25),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(Memory::default()));
            let mut registers = open(folder.path(), &store);
            for ((change, id, fields), catch_up) in &reports {
                store.report(*change, *id, fields);
                if *catch_up {
                    registers.catch_up().await.unwrap();
                }
            }
            registers.catch_up().await.unwrap();
            assert_eq!(digests(&registers), digests_at_once(&store).await);
            for kind in RecordKind::ALL {
                for size in 0..=registers.size() {
                    let rows = registers.current(kind, size, None).unwrap();
                    assert_eq!(rows, store.current(kind, size));
                }
            }
            for size in [registers.size() / 2, registers.size()] {
                pages::assert_pages_tell(&registers, &store, size);
            }
            for id in 0..24 {
                let rows = store.rows().into_iter();
                let expected: Vec<_> = rows.filter(|row| row.record_id.as_u128() == id).collect();
                assert_eq!(registers.history(Uuid::from_u128(id)).await.unwrap(), expected);
            }
            let size = registers.size();
            let halves = (0..=size).map(|from| (from, (from + size).div_ceil(2)))
                .collect::<Vec<_>>();
            changes::assert_changes_tell(&registers, &store, &halves);
            let check = registers.verify(store.as_ref()).await.unwrap();
            assert_eq!((check.entries, check.difference), (registers.size(), None));
        });
    }
}
