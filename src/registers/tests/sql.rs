//! What SQL says of the registers is what they say themselves.

use super::*;
use crate::model::cell::Value;
use crate::model::code::OfficeLevel;
use crate::model::office::{OfficeDirectory, OfficeFields};
use crate::registers::sql::cells::{json_lines, texts};
use crate::registers::sql::{Pinned, Session, SqlError};

/// The rows of a query as text.
async fn asked(session: &Session, query: &str) -> Vec<Vec<String>> {
    let batches = session.query(query).await.unwrap().collect().await.unwrap();
    let rows = batches.iter().map(|batch| texts(batch).unwrap());
    rows.flatten().collect()
}

async fn error(session: &Session, query: &str) -> SqlError {
    match session.query(query).await {
        Err(error) => error,
        Ok(answer) => answer.collect().await.unwrap_err(),
    }
}

/// What a row has to look like.
fn cells(row: &RegisterRow) -> Vec<String> {
    let mut cells = vec![
        row.record_id.to_string(),
        row.version.to_string(),
        row.position.to_string(),
        row.recorded_at.to_string(),
        row.change.as_str().to_owned(),
        row.event_id.to_string(),
    ];
    let columns = AnyFields::columns(row.kind()).iter();
    cells.extend(columns.map(|(name, _)| {
        let value: Option<Value> = row.fields.get(name);
        value.map(|value| value.to_string()).unwrap_or_default()
    }));
    cells
}

fn none() -> OfficeDirectory {
    OfficeDirectory::default()
}

/// Every table as of every size against a naive fold.
async fn assert_sql_tells(registers: &Registers, store: &Memory) {
    let pinned = Pinned::of(registers).unwrap();
    let all = store.rows();
    for size in 0..=registers.size() {
        let session = pinned.session(size, &none()).unwrap();
        let below: Vec<_> = all.iter().filter(|row| row.position < size).collect();
        for kind in RecordKind::ALL {
            let table = kind.file();
            let current = registers.current(kind, size, None).unwrap();
            let current: Vec<_> = current.iter().map(cells).collect();
            let query = format!("SELECT * FROM {table} ORDER BY position");
            assert_eq!(
                asked(&session, &query).await,
                current,
                "{table} as of {size}"
            );
            let of_kind = below.iter().filter(|row| row.kind() == kind);
            let history: Vec<_> = of_kind
                .map(|row| {
                    let later = below.iter().find(|later| {
                        (later.record_id, later.version) == (row.record_id, row.version + 1)
                    });
                    let mut cells = cells(row);
                    cells.push(
                        later
                            .map(|row| row.position.to_string())
                            .unwrap_or_default(),
                    );
                    cells
                })
                .collect();
            let query = format!("SELECT * FROM {table}_history ORDER BY position");
            assert_eq!(
                asked(&session, &query).await,
                history,
                "{table} as of {size}"
            );
        }
    }
}

#[tokio::test]
async fn a_query_filters_groups_and_joins_what_is_current() {
    let (_folder, _store, registers) = told().await;
    let mut directory = none();
    for number in 1..=3 {
        directory.insert(OfficeFields {
            code: office(number),
            level: if number == 1 {
                OfficeLevel::County
            } else {
                OfficeLevel::Village
            },
            name_en: Some(format!("Office {number}")),
            name_zh: None,
            parent: (number > 1).then(|| office(1)),
        });
    }
    let session = registers.sql_session(8, &directory).unwrap();
    let counted = asked(
        &session,
        "SELECT o.name_en, o.county, count(*), sum(weight_g), date_trunc('month', occurred_on)::date \
         FROM births b JOIN offices o ON o.code = b.office GROUP BY ALL ORDER BY 1",
    );
    let expected = ["Office 2", "000000000001", "2", "6301", "2014-06-01"];
    assert_eq!(counted.await, [expected]);
    let of_one = "SELECT position, version FROM births WHERE record_id = '00000000-0000-0000-0000-00000000000a'";
    assert_eq!(asked(&session, of_one).await, [["4", "2"]]);
    let by_position = "SELECT superseded_at FROM births_history WHERE position < 5 AND weight_g > 3000 ORDER BY position";
    assert_eq!(asked(&session, by_position).await, [["7"], [""]]);
    let limited = "SELECT position FROM births_history ORDER BY position DESC LIMIT 2";
    assert_eq!(asked(&session, limited).await, [["7"], ["5"]]);
    let shown = asked(&session, "SHOW TABLES").await;
    assert!(shown.iter().flatten().any(|cell| cell == "births_history"));
    assert_eq!(asked(&session, "DESCRIBE births").await[0][0], "record_id");
    let explained = asked(&session, "EXPLAIN SELECT count(*) FROM births").await;
    assert!(
        explained
            .iter()
            .flatten()
            .any(|cell| cell.contains("births"))
    );
    let json = "SELECT position, recorded_at, occurred_on, sex FROM births LIMIT 1";
    let batches = session.query(json).await.unwrap().collect().await.unwrap();
    assert_eq!(
        String::from_utf8(json_lines(&batches[0]).unwrap()).unwrap(),
        "{\"position\":4,\"recorded_at\":\"2014-05-13T16:53:24.000000Z\",\"occurred_on\":\"2014-06-30\"}\n"
    );
}

#[tokio::test]
async fn tables_are_listed_with_their_types() {
    let (_folder, _store, registers) = told().await;
    let session = registers.sql_session(10, &none()).unwrap();
    let tables = session.tables();
    assert_eq!(tables.len(), 2 * RecordKind::ALL.len() + 1);
    let column = |table: &str, column: &str| {
        let table = tables.iter().find(|one| one.name == table).unwrap();
        let column = table.columns.iter().find(|one| one.name == column).unwrap();
        (column.data, column.nullable)
    };
    assert_eq!(column("births", "record_id"), ("text", false));
    assert_eq!(column("births", "position"), ("integer", false));
    assert_eq!(column("births", "recorded_at"), ("timestamp", false));
    assert_eq!(column("births", "occurred_on"), ("date", true));
    assert_eq!(column("disbursements", "amount_fen"), ("integer", true));
    assert_eq!(
        column("returns_history", "superseded_at"),
        ("integer", true)
    );
    assert_eq!(column("offices", "township"), ("text", true));
}

#[tokio::test]
async fn nothing_is_written_and_no_file_is_read() {
    let (folder, _store, registers) = told().await;
    let session = registers.sql_session(10, &none()).unwrap();
    let file = folder.path().join("outside.csv");
    std::fs::write(&file, "a\n1\n").unwrap();
    let path = file.display();
    for refused in [
        "INSERT INTO births (position) VALUES (1)".to_owned(),
        "DELETE FROM births".to_owned(),
        "DROP TABLE births".to_owned(),
        "CREATE VIEW v AS SELECT 1".to_owned(),
        "CREATE TABLE t AS SELECT 1".to_owned(),
        format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{path}'"),
        format!("COPY births TO '{path}.parquet'"),
        format!("COPY (SELECT 1) TO '{path}.csv' STORED AS CSV"),
        "SET datafusion.execution.batch_size = 1".to_owned(),
        "RESET datafusion.execution.batch_size".to_owned(),
        "EXPLAIN INSERT INTO births (position) VALUES (1)".to_owned(),
        "PREPARE p AS SELECT 1".to_owned(),
        "BEGIN".to_owned(),
        "SELECT 1 AS one INTO t".to_owned(),
    ] {
        let error = error(&session, &refused).await;
        assert!(
            matches!(error, SqlError::NotReading(_)),
            "{refused}: {error:?}"
        );
        assert!(error.is_of_the_query());
    }
    for not_there in [
        format!("SELECT * FROM '{path}'"),
        format!("SELECT * FROM \"file://{path}\""),
        format!("SELECT * FROM read_csv('{path}')"),
        format!("SELECT * FROM read_parquet('{path}')"),
    ] {
        let error = error(&session, &not_there).await;
        assert!(
            matches!(error, SqlError::Text { .. } | SqlError::Query(_)),
            "{not_there}: {error:?}"
        );
    }
    assert_eq!(
        left_in(folder.path()),
        ["outside.csv", "registers", "registers.lock"]
    );
    assert_eq!(
        asked(&session, "SELECT count(*) FROM births_history").await,
        [["6"]]
    );
}

#[tokio::test]
async fn an_error_says_where_it_is() {
    let (_folder, _store, registers) = told().await;
    let session = registers.sql_session(10, &none()).unwrap();
    for (query, line, column, word) in [
        ("SELECT count(* FROM births", 1, 16, "found: FROM"),
        ("SELECT office\nFROM birth", 2, 6, "birth"),
        ("SELECT weight\nFROM births", 1, 8, "weight"),
        ("SELECT 'open", 1, 8, "Unterminated"),
    ] {
        match error(&session, query).await {
            SqlError::Text {
                line: at,
                column: character,
                what,
            } => {
                assert_eq!((at, character), (line, column), "{query}: {what}");
                assert!(what.contains(word), "{query}: {what}");
            }
            other => panic!("{query}: {other:?}"),
        }
    }
    assert!(matches!(
        error(&session, " -- nothing").await,
        SqlError::Empty
    ));
    assert!(matches!(
        error(&session, "SELECT 1; SELECT 2").await,
        SqlError::Several(2)
    ));
    assert_eq!(asked(&session, "SELECT 1;").await, [["1"]]);
    let divided = error(
        &session,
        "SELECT weight_g / (weight_g - weight_g) FROM births",
    )
    .await;
    assert!(divided.is_of_the_query(), "{divided:?}");
    let beyond = registers.sql_session(11, &none()).err().unwrap();
    assert!(matches!(
        beyond,
        SqlError::Registers(RegisterError::Behind { .. })
    ));
}

#[tokio::test]
async fn a_session_stays_as_it_was_while_the_ledger_grows() {
    let (_folder, store, mut registers) = told().await;
    let pinned = Pinned::of(&registers).unwrap();
    let session = pinned.session(10, &none()).unwrap();
    let query = "SELECT position FROM births ORDER BY position";
    assert_eq!(asked(&session, query).await, [["5"], ["8"]]);
    store.report(Change::Voided, 0xa, &birth(0, 3));
    for id in 0x20..0x28 {
        store.report(Change::Recorded, id, &birth(2900, 1));
    }
    registers.catch_up().await.unwrap();
    assert_eq!(asked(&session, query).await, [["5"], ["8"]]);
    assert_eq!(
        asked(&pinned.session(8, &none()).unwrap(), query).await,
        [["4"], ["5"]]
    );
    let now = registers.sql_session(registers.size(), &none()).unwrap();
    assert_eq!(asked(&now, "SELECT count(*) FROM births").await, [["9"]]);
}

#[tokio::test]
async fn a_file_that_changes_under_a_session_is_said_and_never_mixed() {
    let (folder, _store, mut registers) = told().await;
    let session = registers.sql_session(10, &none()).unwrap();
    let query = "SELECT count(*), sum(weight_g) FROM births";
    let answer = asked(&session, query).await;
    assert_eq!(answer, [["2", "6302"]]);
    // A rebuild gives the same files again, so the session goes on.
    registers.rebuild().await.unwrap();
    assert_eq!(asked(&session, query).await, answer);
    let file = birth_file(folder.path());
    let whole = std::fs::read(&file).unwrap();
    change_file(&file, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    let changed = error(&session, query).await;
    assert!(matches!(changed, SqlError::Changed(_)), "{changed:?}");
    assert!(changed.to_string().contains("birth/00000000.parquet"));
    assert!(!changed.is_of_the_query());
    std::fs::remove_file(&file).unwrap();
    let removed = error(&session, query).await;
    assert!(matches!(removed, SqlError::Changed(_)), "{removed:?}");
    std::fs::write(&file, whole).unwrap();
    assert_eq!(asked(&session, query).await, answer);
}

#[tokio::test]
async fn who_opens_the_registers_leaves_a_rebuild_alone_and_a_second_one_is_refused() {
    let (folder, store, mut registers) = told().await;
    let unfinished = folder.path().join("registers.unfinished");
    let filling = lock::fill(&unfinished).unwrap();
    let mut other = open(folder.path(), &store);
    other.catch_up().await.unwrap();
    assert!(unfinished.join(lock::FILLING).exists());
    let refused = registers.rebuild().await.unwrap_err();
    assert!(matches!(refused, RegisterError::Rebuilding));
    drop(filling);
    drop(open(folder.path(), &store));
    assert!(!unfinished.exists());
    registers.rebuild().await.unwrap();
}

proptest! {
    // Every case asks a dozen tables as of every size.
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn any_history_is_the_same_in_sql(
        reports in prop::collection::vec((any_report(), any::<bool>()), 0..14),
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
            assert_sql_tells(&registers, &store).await;
        });
    }
}
