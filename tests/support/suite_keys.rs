//! What every vault must do with wrapped keys and erased ones, beside [`super::suite`].

use std::collections::BTreeMap;

use uuid::Uuid;
use vitaledger::store::{Group, Outcome, Rewrapped, StoreError, VaultRow};

use super::suite::{Backend, birth, group, vault_row};

/// A birth whose keys are wrapped under a master key.
fn under(stream: Uuid, sequence: u64, number: u32) -> Group {
    let mut group = group([birth(stream, sequence)]);
    let mut keys = number.to_be_bytes().to_vec();
    keys.resize(53, 7);
    if sequence > 1 {
        keys.clear();
    }
    group.events[0].vault = Some(VaultRow {
        keys,
        ..vault_row(1)
    });
    group
}

/// A row is replaced if it is still the one that was read; a key is retired once nothing is
/// wrapped under it, and is refused from then on.
pub async fn master_keys_are_replaced_and_retired(backend: &dyn Backend) {
    let (store, vault) = (backend.store(), backend.vault());
    let groups = [1, 1, 2].map(|number| under(Uuid::now_v7(), 1, number));
    store.append(groups.into_iter().collect()).await.unwrap();
    let year = [&[0, 0, 0, 1][..], &[9; 49]].concat();
    vault.keep_year_key(2014, &year).await.unwrap();
    let counts = vault.wrapped_under().await.unwrap();
    assert_eq!(counts, BTreeMap::from([(1, 3), (2, 1)]));

    let anew = |position, before: u8| Rewrapped {
        position,
        before: vec![before; 16],
        keys: [&[0, 0, 0, 2][..], &[8; 49]].concat(),
        mac: vec![5; 16],
    };
    // The second was changed since it was read.
    let done = vault.rewrap(vec![anew(0, 1), anew(1, 3)]).await.unwrap();
    assert_eq!(done, 1);
    let row = vault.sealed(0, 1).await.unwrap().remove(0).1;
    let expected = VaultRow {
        keys: anew(0, 1).keys,
        mac: vec![5; 16],
        ..vault_row(1)
    };
    assert_eq!(row, expected);
    assert_eq!(vault.retire_master_keys(2, 0).await.unwrap(), 2);
    assert_eq!(vault.oldest_master_key().await.unwrap(), 0);
    assert_eq!(vault.rewrap(vec![anew(1, 1)]).await.unwrap(), 1);
    let fresh = [&[0, 0, 0, 2][..], &[9; 49]].concat();
    assert!(!vault.rewrap_year(2014, &fresh, &fresh).await.unwrap());
    assert!(vault.rewrap_year(2014, &year, &fresh).await.unwrap());
    assert_eq!(vault.year_key(2014).await.unwrap(), Some(fresh));
    assert_eq!(vault.retire_master_keys(2, 0).await.unwrap(), 0);
    assert_eq!(vault.oldest_master_key().await.unwrap(), 2);
    assert_eq!(vault.surplus().await.unwrap(), 0);

    let late = store.append(vec![under(Uuid::now_v7(), 1, 1)]).await;
    assert!(matches!(late, Err(StoreError::KeyRetired { number: 1 })));
    let late = vault.keep_year_key(2015, &year).await;
    assert!(matches!(late, Err(StoreError::KeyRetired { number: 1 })));
    assert_eq!(store.head().await.unwrap().size, 3);
    assert_eq!(vault.years().await.unwrap(), [2014]);
    let done = store.append(vec![under(Uuid::now_v7(), 1, 2)]).await;
    assert!(matches!(done.unwrap()[0], Outcome::Appended(_)));
}

/// A change of an erased record conflicts, whatever its version; others of the batch do not.
pub async fn a_change_of_what_was_erased_conflicts(backend: &dyn Backend) {
    let (store, vault) = (backend.store(), backend.vault());
    let stream = Uuid::now_v7();
    store.append(vec![under(stream, 1, 1)]).await.unwrap();
    let left = VaultRow {
        key_id: [1; 16],
        erased_by: Some(9),
        ..VaultRow::default()
    };
    vault.erase(vec![(0, left)]).await.unwrap();
    let mut other = under(Uuid::now_v7(), 1, 1);
    other.events[0].vault = Some(vault_row(2));
    let outcomes = store.append(vec![under(stream, 2, 1), other]).await;
    let outcomes = outcomes.unwrap();
    let conflict = Outcome::Conflict {
        aggregate_id: stream,
        current: 1,
    };
    assert_eq!(outcomes[0], conflict);
    assert!(matches!(outcomes[1], Outcome::Appended(_)));
}
