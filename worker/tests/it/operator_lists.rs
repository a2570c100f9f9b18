//! The tables of the operator, and dropping a dead letter.

use std::process::Stdio;

use anyhow::{Context as _, Result};
use futures::TryStreamExt as _;
use heyi_testkit::world::binary;
use mongodb::bson::{Document, doc};
use tokio::process::Command;

use crate::{
    operator::{json, missing_order, text},
    support::TestApp,
};

#[tokio::test]
async fn a_dropped_letter_needs_a_yes_and_stays_on_record() -> Result<()> {
    let mut app = TestApp::new().await?;
    app.world.set("HEYI_QUEUE__MISSING_FOR", "1s");
    let (order, payjs_order_id) = missing_order(&app).await?;
    let _worker = app.world.worker().await?;
    let letter = app.the_dead_letter().await?;

    let asked = text(&app, &["dead", "drop", &letter.id]).await?;
    assert!(asked.contains("Repeat with --yes"), "{asked}");
    assert!(asked.contains(&payjs_order_id), "{asked}");
    assert_eq!(app.queue.status().await?.dead, 1, "still there");

    json(&app, &["dead", "drop", &letter.id, "--yes"]).await?;
    assert_eq!(app.queue.status().await?.dead, 0);
    let client = mongodb::Client::with_uri_str(app.world.setting("HEYI_MONGO__URL")).await?;
    let database = client.database(app.world.setting("HEYI_MONGO__DATABASE"));
    let records = database
        .collection::<Document>("audit")
        .find(doc! {})
        .await?;
    let records: Vec<Document> = records.try_collect().await?;
    let [record] = &records[..] else {
        panic!("{records:?}");
    };
    assert_eq!(record.get_str("action")?, "dead drop");
    assert_eq!(record.get_str("target")?, letter.id);
    assert_eq!(record.get_str("outcome")?, "done");
    assert!(record.get_str("who")?.contains('@'), "{record}");
    let before = record.get_document("before")?;
    assert_eq!(before.get_str("reason")?, "order_missing");
    let form = before.get_str("body")?;
    assert!(form.contains(&payjs_order_id), "{form}");
    assert!(form.contains(order.out_trade_no.as_str()), "{form}");
    app.close().await
}

#[tokio::test]
async fn a_table_names_times_amounts_and_how_many_there_are() -> Result<()> {
    let mut app = TestApp::new().await?;
    app.world.set("HEYI_QUEUE__MISSING_FOR", "1s");
    missing_order(&app).await?;
    let _worker = app.world.worker().await?;
    app.the_dead_letter().await?;
    let stream = {
        let partition = app.queue.keys().partitions().next().context("none")?;
        app.queue.keys().dead(partition)
    };
    let mut pipeline = redis::pipe();
    for number in 1..1_003 {
        let fields = [("reason", "poison"), ("error", "x")];
        pipeline.xadd(&stream, format!("9999999999999-{number}"), &fields);
    }
    let mut redis = app.queue.redis().shared();
    pipeline.exec_async(&mut redis).await?;

    let newest = text(&app, &["dead", "list", "--most", "2"]).await?;
    let last = newest.lines().last().context("nothing")?;
    assert_eq!(
        last,
        "2 of 1,003 dead letters; --before 9999999999999-1001 shows older ones"
    );
    let oldest = ["dead", "list", "--before", "9999999999999-1"];
    let oldest = text(&app, &oldest).await?;
    let line = oldest.lines().nth(1).context("nothing")?;
    assert!(line.contains(" 9.90  order_missing"), "{line}");
    let today = jiff::Timestamp::now().to_string();
    let date = today.get(..10).context("no date")?;
    assert!(line.contains(&format!("  {date}T")), "{line}");
    redis::cmd("DEL")
        .arg(&stream)
        .exec_async(&mut redis)
        .await?;
    app.close().await
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_ends_a_command_in_peace() -> Result<()> {
    let app = TestApp::new().await?;
    // It makes the record of the installation, without which the command would remark something.
    assert!(app.world.worker().await?.stop().await?.success());
    let mut command = Command::new(binary("heyi-worker")?);
    for name in [
        "REDIS__URL",
        "REDIS__PREFIX",
        "MONGO__URL",
        "MONGO__DATABASE",
    ] {
        let name = format!("HEYI_{name}");
        command.env(&name, app.world.setting(&name));
    }
    // Nobody reads, and nothing of PayJS is known.
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    command.args(["dead", "list"]).stdout(writer);
    let output = command.stderr(Stdio::piped()).output().await?;
    assert_eq!(String::from_utf8(output.stderr)?, "");
    assert_eq!(output.status.code(), Some(0));
    app.close().await
}
