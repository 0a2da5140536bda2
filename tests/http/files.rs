//! Files of a delivery.

use reqwest::Method;
use serde_json::json;
use vitaledger::store::access::TokenRole;

use crate::on_both;
use crate::running::{Client, FOREIGN, Running, TOWNSHIP, VILLAGE, send};

on_both! {
    a_file_is_imported_and_what_is_refused_is_given_back
    offices_are_imported_below_ones_own
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
