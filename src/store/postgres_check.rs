//! Whether the schema in PostgreSQL is the one that this program creates, and whether columns that
//! repeat parts of a leaf repeat them.
//!
//! Triggers, functions and tables are compared with the text of the migration; what PostgreSQL
//! prints of a definition differs between its versions, so only what it keeps verbatim is read.

use std::collections::BTreeSet;

use super::Result;
use super::postgres::{LEDGER_SQL, PostgresStore};

/// Tables, views, indexes, with the schema that they are in.
const RELATIONS: [&str; 28] = [
    "vitaledger.checkpoint r",
    "vitaledger.checkpoint_pkey i",
    "vitaledger.entry r",
    "vitaledger.entry_pkey i",
    "vitaledger.entry_rare i",
    "vitaledger.entry_stream i",
    "vitaledger.events v",
    "vitaledger.head r",
    "vitaledger.head_pkey i",
    "vitaledger.idempotency r",
    "vitaledger.idempotency_pkey i",
    "vitaledger.schema_version r",
    "vitaledger.schema_version_pkey i",
    "vitaledger.signing r",
    "vitaledger.signing_pkey i",
    "vitaledger.tile r",
    "vitaledger.tile_pkey i",
    "vitaledger_vault.sealed r",
    "vitaledger_vault.sealed_pkey i",
    "vitaledger_vault.sealed_erased i",
    "vitaledger_vault.token r",
    "vitaledger_vault.token_pkey i",
    "vitaledger_vault.vault_meta r",
    "vitaledger_vault.vault_meta_pkey i",
    "vitaledger_vault.woman_token r",
    "vitaledger_vault.woman_token_pkey i",
    "vitaledger_vault.year_key r",
    "vitaledger_vault.year_key_pkey i",
];

/// Table, trigger, function and kind (bits of `pg_trigger.tgtype`: before 2, insert 4, delete 8,
/// update 16, truncate 32), enabled always at origin.
const TRIGGERS: [&str; 7] = [
    "checkpoint checkpoint_is_append_only refuse_change 58 O",
    "entry entry_is_append_only refuse_change 58 O",
    "entry entry_is_gapless advance_head 4 O",
    "head head_is_kept refuse_change 42 O",
    "idempotency idempotency_is_append_only refuse_change 58 O",
    "signing signing_is_kept refuse_change 42 O",
    "tile tile_is_append_only refuse_change 58 O",
];

const FUNCTIONS: [&str; 3] = ["advance_head", "lock_head", "refuse_change"];

/// The body of a function, between the `$$` of the migration.
fn body(function: &str) -> Option<&'static str> {
    let start = LEDGER_SQL.find(&format!("CREATE FUNCTION {function}("))?;
    let from = &LEDGER_SQL[start..];
    from.split("$$").nth(1)
}

fn compare(found: Vec<String>, expected: &BTreeSet<String>, complaints: &mut Vec<String>) {
    let found: BTreeSet<String> = found.into_iter().collect();
    let name = |line: &String| line.split('\n').next().unwrap_or_default().to_owned();
    for line in expected.difference(&found) {
        complaints.push(format!("{} is not as it was created", name(line)));
    }
    for line in found.difference(expected) {
        complaints.push(format!("{} was added or changed", name(line)));
    }
}

/// Complaints; none when all is well.
pub(super) async fn complaints(store: &PostgresStore) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    let list = async |query: &'static str| -> Result<Vec<String>> {
        store
            .retrying("read the schema", || {
                sqlx::query_scalar(query).fetch_all(&store.pool)
            })
            .await
    };
    let relations = list(
        "SELECT n.nspname || '.' || c.relname || ' ' || c.relkind::text
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname IN ('vitaledger', 'vitaledger_vault')",
    )
    .await?;
    let expected = RELATIONS.iter().map(ToString::to_string).collect();
    compare(relations, &expected, &mut complaints);
    let triggers = list(
        "SELECT c.relname || ' ' || t.tgname || ' ' || p.proname || ' ' || t.tgtype || ' '
                || t.tgenabled::text
           FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
           JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_proc p ON p.oid = t.tgfoid
          WHERE n.nspname IN ('vitaledger', 'vitaledger_vault') AND NOT t.tgisinternal",
    )
    .await?;
    let expected = TRIGGERS.iter().map(ToString::to_string).collect();
    compare(triggers, &expected, &mut complaints);
    let functions = list(
        "SELECT 'function ' || p.proname || E'\\n' || p.prosrc
           FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
          WHERE n.nspname IN ('vitaledger', 'vitaledger_vault')",
    )
    .await?;
    let expected = FUNCTIONS
        .iter()
        .map(|name| format!("function {name}\n{}", body(name).unwrap_or_default()));
    compare(functions, &expected.collect(), &mut complaints);
    let hidden = list(
        "SELECT 'table ' || c.relname
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname IN ('vitaledger', 'vitaledger_vault') AND c.relkind = 'r'
            AND (c.relrowsecurity OR c.relhasrules)",
    )
    .await?;
    complaints.extend(
        hidden
            .iter()
            .map(|table| format!("{table} has rules or policies that hide rows")),
    );
    complaints.extend(column_complaints(store).await?);
    Ok(complaints)
}

/// Whether what repeats a part of a leaf repeats it.
async fn column_complaints(store: &PostgresStore) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for (query, what) in [
        (
            "SELECT count(*) FROM vitaledger.entry WHERE position < 0",
            "there are entries before position 0",
        ),
        (
            "SELECT count(*) FROM vitaledger.entry
              WHERE aggregate_id::text IS DISTINCT FROM encode(substring(leaf FROM 18 FOR 36), 'escape')",
            "the column aggregate_id of an entry is not what the entry says",
        ),
        (
            "SELECT count(*) FROM vitaledger.head
              WHERE size <> (SELECT coalesce(max(position) + 1, 0) FROM vitaledger.entry)",
            "the head is not the end of the log",
        ),
    ] {
        let number: i64 = store
            .retrying("check the columns", || {
                sqlx::query_scalar(query).fetch_one(&store.pool)
            })
            .await?;
        if number > 0 {
            complaints.push(what.to_owned());
        }
    }
    Ok(complaints)
}
