//! What changed between two moments, compared with the two moments themselves.

use std::collections::BTreeMap;

use super::*;

/// Pairs of moments: what the changes say is what the two states say.
pub(super) fn assert_changes_tell(registers: &Registers, store: &Memory, pairs: &[(u64, u64)]) {
    for kind in RecordKind::ALL {
        let state = |size| -> BTreeMap<Uuid, RegisterRow> {
            let rows = store.current(kind, size).into_iter();
            rows.map(|row| (row.record_id, row)).collect()
        };
        for &(from, to) in pairs {
            let (before, after) = (state(from), state(to));
            let changes = registers.changes(kind, from, to).unwrap();
            let mut told = before.clone();
            for change in &changes {
                assert_eq!(change.before.as_ref(), before.get(&change.record_id));
                assert_eq!(change.after.as_ref(), after.get(&change.record_id));
                told.remove(&change.record_id);
                told.extend(change.after.clone().map(|row| (change.record_id, row)));
                let between = change.rows.iter().map(|row| row.position);
                assert!(between.clone().is_sorted() && between.clone().count() > 0);
                assert!(between.clone().all(|at| (from..to).contains(&at)));
            }
            assert_eq!(told, after, "{kind} from {from} to {to}");
            let rows = store.rows().into_iter();
            let rows = rows.filter(|row| row.kind() == kind && (from..to).contains(&row.position));
            let told: usize = changes.iter().map(|change| change.rows.len()).sum();
            assert_eq!(told, rows.count());
            assert!(
                changes
                    .iter()
                    .map(|change| change.rows[0].position)
                    .is_sorted()
            );
        }
    }
}

#[tokio::test]
async fn the_story_between_any_two_moments() {
    let (_folder, store, registers) = told().await;
    let pairs = (0..=10).flat_map(|from| (from..=10).map(move |to| (from, to)));
    assert_changes_tell(&registers, &store, &pairs.collect::<Vec<_>>());
    let changes = registers.changes(RecordKind::Birth, 3, 8).unwrap();
    let told: Vec<_> = changes
        .iter()
        .map(|change| {
            let at = |row: &Option<RegisterRow>| row.as_ref().map(|row| row.position);
            (
                at(&change.before),
                at(&change.after),
                positions(&change.rows),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (Some(1), Some(4), vec![4]),
            (None, Some(5), vec![5]),
            (Some(2), None, vec![7])
        ]
    );
    assert!(matches!(
        registers.changes(RecordKind::Birth, 0, 11),
        Err(RegisterError::Behind {
            size: 11,
            known: 10
        })
    ));
}
