//! Files of a delivery.

use std::io::{Cursor, Write};

use reqwest::Method;
use serde_json::json;
use vitaledger::store::access::TokenRole;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::on_both;
use crate::running::{Client, FOREIGN, Running, TOWNSHIP, VILLAGE, send};

on_both! {
    a_file_is_imported_and_what_is_refused_is_given_back
    offices_are_imported_below_ones_own
    a_packed_delivery_is_imported_offices_first
}

const HEADER: &str =
    "source_record_id,source,office,occurred_on,reported_on,sex,weight_g,mother_name";

async fn upload(client: &Client<'_>, query: &str, body: Vec<u8>) -> crate::running::Answer {
    let request = client.request(Method::POST, &format!("/v1/imports?{query}"));
    send(request.body(body)).await
}

async fn a_file_is_imported_and_what_is_refused_is_given_back(mut running: Running) {
    let client = running.token(TokenRole::Registrar, TOWNSHIP).await;
    let row = |number: &str, office: &str, weight: &str| {
        format!("{number},village,{office},2014-06-01,2014-06-03,F,{weight},甲某某")
    };
    let file = [
        HEADER.to_owned(),
        row("B1", VILLAGE, "3100"),
        row("B2", FOREIGN, "3100"),
        row("B3", VILLAGE, "heavy"),
        row("B4", VILLAGE, "2900"),
    ]
    .join("\n");
    let rehearsed = upload(&client, "file=births.csv&dry_run=true", file.clone().into()).await;
    let rehearsed = rehearsed.expect(200);
    assert_eq!(
        (&rehearsed["dry_run"], &rehearsed["parts"][0]["recorded"]),
        (&json!(true), &json!(2))
    );
    upload(&client, "file=births.csv&strict=true", file.clone().into())
        .await
        .problem(422, "invalid-value");
    let rows = client.get("/v1/registers/birth").await.expect(200);
    assert_eq!(rows["rows"], json!([]));
    let done = upload(&client, "file=births.csv", file.clone().into())
        .await
        .expect(200);
    let part = &done["parts"][0];
    assert_eq!(
        (&part["recorded"], &part["refused"]),
        (&json!(2), &json!(2)),
        "{done}"
    );
    let rejects = done["rejects"].as_str().unwrap();
    assert!(rejects.contains("not report for"), "{rejects}");
    assert!(rejects.contains("weight_g"), "{rejects}");
    let again = upload(&client, "file=births.csv", file.into())
        .await
        .expect(200);
    assert_eq!(again["parts"][0]["replayed"], 2);
    let rows = client.get("/v1/registers/birth").await.expect(200);
    assert_eq!(rows["rows"].as_array().unwrap().len(), 2);
    for name in [
        "",
        "file=",
        "file=../births.csv",
        "file=.births.csv",
        "file=births.csv&force=1",
    ] {
        upload(&client, name, b"x".to_vec())
            .await
            .problem(400, "malformed");
    }
    upload(
        &client,
        "file=births.csv",
        b"what,is,this\n1,2,3\n".to_vec(),
    )
    .await
    .problem(422, "invalid-value");
    upload(&client, "file=births.csv", vec![b'x'; 5 << 20])
        .await
        .problem(413, "too-large");
    running.stop_and_verify().await.close().await;
}

async fn offices_are_imported_below_ones_own(mut running: Running) {
    let client = running.token(TokenRole::Registrar, TOWNSHIP).await;
    let offices = format!(
        "code,name_zh,name_en,level,parent\n990101100009,第九,,village,{TOWNSHIP}\n990202100009,别处,,village,990202000000\n{TOWNSHIP},改名,,township,990202000000\n"
    );
    let done = upload(&client, "file=offices.csv", offices.into())
        .await
        .expect(200);
    let part = &done["parts"][0];
    assert_eq!(
        (&part["recorded"], &part["refused"]),
        (&json!(1), &json!(2)),
        "{done}"
    );
    running.stop_and_verify().await.close().await;
}

/// A ZIP of files, stored or deflated.
fn packed(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        let options = SimpleFileOptions::default();
        writer.start_file(*name, options).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

async fn a_packed_delivery_is_imported_offices_first(mut running: Running) {
    let client = running.token(TokenRole::Registrar, TOWNSHIP).await;
    let births = format!("{HEADER}\nB1,village,990101100009,2014-06-01,2014-06-03,F,3100,甲某某\n");
    let offices =
        format!("code,name_zh,name_en,level,parent\n990101100009,第九,,village,{TOWNSHIP}\n");
    let delivery = packed(&[("births.csv", &births), ("offices.csv", &offices)]);
    let done = upload(&client, "file=delivery.zip", delivery).await;
    let done = done.expect(200);
    let recorded = done["parts"].as_array().unwrap().iter();
    let recorded: u64 = recorded
        .map(|part| part["recorded"].as_u64().unwrap())
        .sum();
    assert_eq!(recorded, 2, "{done}");
    for outside in ["../births.csv", "a/births.csv", "/births.csv"] {
        let delivery = packed(&[(outside, &births)]);
        let answer = upload(&client, "file=delivery.zip", delivery).await;
        answer.problem(422, "invalid-value");
    }
    let bomb = packed(&[("births.csv", &"0".repeat(8 << 20))]);
    assert!(bomb.len() < 1 << 20);
    let answer = upload(&client, "file=delivery.zip", bomb).await;
    answer.problem(413, "too-large");
    let answer = upload(&client, "file=delivery.zip", b"PK, or not".to_vec()).await;
    answer.problem(422, "invalid-value");
    running.stop_and_verify().await.close().await;
}
