//! Reports are counted by address, so that one client cannot suppress those of others.

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use heyi_common::{
    form,
    store::{MAX_REPORTS_OF_A_CODE, ReportSummary},
};
use heyi_testkit::{
    servers::process::free_port,
    world::{Client, Service, eventually, params},
};
use mongodb::bson::oid::ObjectId;

use crate::support::TestApp;

/// Behind this machine as a proxy, clients have any address.
const PROXIES: (&str, &str) = ("HTTP__TRUSTED_PROXIES", "['127.0.0.0/8']");

/// Reports a code from this address, and gets the page of thanks.
async fn report(client: &Client, code: ObjectId, address: &str) -> Result<()> {
    let fields = params(&[
        ("id", &code.to_hex()),
        ("reason", "fraud"),
        ("text", "骗子"),
    ]);
    let request = client
        .request(reqwest::Method::POST, "/report")
        .header("x-forwarded-for", address)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form::write(&fields));
    let answer = client.send(request).await?;
    assert_eq!(answer.status, 303, "{}", answer.body);
    Ok(())
}

async fn summary(app: &TestApp, code: ObjectId) -> Result<ReportSummary> {
    let mut summaries = app.store.report_summaries(Some(code), 10).await?;
    summaries.pop().context("no reports")
}

/// The lines of the log about reports, and how many were left out of it.
fn logged(api: &Service) -> (usize, u64) {
    let log = api.log();
    let lines = log.lines().filter(|line| line.contains("code reported"));
    let (left_out, written): (Vec<&str>, Vec<&str>) =
        lines.partition(|line| line.contains("left_out="));
    let left_out = left_out.iter().filter_map(|line| {
        let number = line.split("left_out=").nth(1)?.split(' ').next()?;
        number.parse::<u64>().ok()
    });
    (written.len(), left_out.sum())
}

#[tokio::test]
async fn a_hundred_reports_of_one_address_do_not_mute_the_next() -> Result<()> {
    let app = TestApp::start_with(&[PROXIES]).await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?.id;
    for _ in 0..100 {
        report(&app.client, code, "203.0.113.9").await?;
    }
    // Of one household, then of another.
    report(&app.client, code, "2001:db8::1").await?;
    report(&app.client, code, "2001:db8::2").await?;
    report(&app.client, code, "2001:db8:0:1::1").await?;
    report(&app.client, code, "198.51.100.1").await?;
    let told = summary(&app, code).await?;
    assert_eq!(
        (told.counts.kept, told.counts.not_stored, told.repeats),
        (4, 0, 100)
    );
    let reports = app.store.reports(Some(code), 1000).await?;
    assert_eq!(reports.len(), 4);
    assert!(!serde_json::to_string(&reports)?.contains("203.0.113"));
    eventually("all are written or counted as left out", async || {
        let (lines, left_out) = logged(&app.api);
        Ok(lines as u64 + left_out == 4)
    })
    .await?;
    app.finish().await
}

#[tokio::test]
async fn two_apis_keep_one_report_of_an_address_and_no_more_than_fit() -> Result<()> {
    let app = TestApp::start_with(&[PROXIES]).await?;
    let port = free_port()?;
    let listen = ("HEYI_HTTP__LISTEN", format!("127.0.0.1:{port}"));
    let other = app
        .world
        .start_with("heyi-api", port, &[listen])?
        .ready()
        .await?;
    let clients = [app.client.clone(), app.client.at(&other.url())];
    let alice = app.client.login("alice").await?;
    let (one, many) = (
        app.code(&alice, "一").await?.id,
        app.code(&alice, "多").await?.id,
    );
    try_join_all((0..40).map(|n| report(&clients[n % 2], one, "203.0.113.9"))).await?;
    let told = summary(&app, one).await?;
    assert_eq!(
        (told.counts.kept, told.counts.not_stored, told.repeats),
        (1, 0, 39)
    );

    let most = usize::try_from(MAX_REPORTS_OF_A_CODE)?;
    let addresses: Vec<String> = (0..most + 30).map(|n| format!("203.0.113.{n}")).collect();
    let all = addresses.iter().enumerate();
    try_join_all(all.map(|(n, address)| report(&clients[n % 2], many, address))).await?;
    let told = summary(&app, many).await?;
    assert_eq!(
        (told.counts.kept, told.counts.not_stored, told.repeats),
        (100, 30, 0)
    );
    assert_eq!(app.store.reports(Some(many), 1000).await?.len(), most);
    // Each of the two has about half of 1 + 130 reports that were no repeat.
    eventually("all are written or counted as left out", async || {
        let told = [&app.api, &other].map(logged);
        Ok(told
            .iter()
            .map(|(lines, left_out)| *lines as u64 + left_out)
            .sum::<u64>()
            == 131)
    })
    .await?;
    other.stop().await?;
    app.finish().await
}
