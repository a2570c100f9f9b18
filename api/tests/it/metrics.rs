//! The metrics of both processes, the alarms over them, and the page that explains them.

use std::collections::BTreeSet;

use anyhow::Result;
use heyi_testkit::world::{Answer, Client, Service, World, eventually};

use crate::support::{TestApp, header};

const RULES: &str = include_str!("../../../deploy/prometheus/heyi.rules.yml");
const PAGE: &str = include_str!("../../../docs/operations.md");

async fn metrics(client: &Client, process: &Service) -> Result<Answer> {
    let client = client.at(&process.monitor_url());
    let request = client.request(reqwest::Method::GET, "/metrics");
    client.send(request).await
}

/// The names of metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let is_in_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.split(|letter| !is_in_name(letter))
        .filter(|word| word.starts_with("heyi_"))
        .map(|word| word.trim_end_matches("_bucket").to_owned())
        .collect()
}

/// The names in lines that begin like this.
fn names_after(text: &str, start: &str) -> BTreeSet<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(start));
    lines
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

/// The first columns of the tables of the page.
fn documented() -> BTreeSet<String> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `heyi_"));
    let columns = rows.filter_map(|row| row.split('|').nth(1));
    columns.flat_map(names).collect()
}

#[tokio::test]
async fn every_metric_has_a_help_text_and_a_line_in_the_documents() -> Result<()> {
    let app = TestApp::start().await?;
    let worker = app.world.worker().await?;
    let documented = documented();
    for process in [&app.api, &worker] {
        let answer = metrics(&app.client, process).await?;
        assert_eq!(
            header(&answer, "content-type"),
            "text/plain; version=0.0.4; charset=utf-8"
        );
        let exported = names_after(&answer.body, "# TYPE ");
        let helped = names_after(&answer.body, "# HELP ");
        assert_eq!(exported, helped);
        let missing: Vec<_> = exported.difference(&documented).collect();
        assert!(missing.is_empty(), "not in the documents: {missing:?}");
    }
    let of_rules = names(RULES);
    let unknown: Vec<_> = of_rules.difference(&documented).collect();
    assert!(unknown.is_empty(), "no such metrics: {unknown:?}");
    worker.stop().await?;
    app.finish().await
}

#[tokio::test]
async fn counters_exist_with_0_before_their_first_event() -> Result<()> {
    let app = TestApp::start().await?;
    let worker = app.world.worker().await?;
    let of_api = metrics(&app.client, &app.api).await?.body;
    for line in [
        r#"heyi_notify_total{outcome="queued"} 0"#,
        r#"heyi_notify_total{outcome="refused"} 0"#,
        r#"heyi_notify_total{outcome="unavailable"} 0"#,
        r#"heyi_orders_refused_total{reason="memory"} 0"#,
        r#"heyi_reports_total{outcome="kept"} 0"#,
        r#"heyi_codes_read_total{from="mongodb"} 0"#,
        "heyi_http_connections_refused_total 0",
        "heyi_scans_lost_total 0",
        "heyi_log_lines_dropped_total 0",
        "heyi_last_notify_timestamp_seconds 0",
        r#"heyi_store_errors_total{store="redis"} 0"#,
        r#"heyi_http_requests_total{route="/newOrder",method="POST",status="503"} 0"#,
        r#"heyi_http_requests_total{route="/newOrder",method="POST",status="200"} 0"#,
        r#"heyi_http_requests_total{route="/notify",method="POST",status="503"} 0"#,
        r#"heyi_http_requests_total{route="none",method="GET",status="404"} 0"#,
    ] {
        assert!(of_api.lines().any(|own| own == line), "{line}: {of_api}");
    }
    let of_worker = metrics(&app.client, &worker).await?.body;
    for line in [
        r#"heyi_events_total{outcome="rejected"} 0"#,
        r#"heyi_events_total{outcome="promoted"} 0"#,
        r#"heyi_events_total{outcome="retry"} 0"#,
        r#"heyi_dead_total{reason="paid_twice"} 0"#,
        r#"heyi_dead_total{reason="poison"} 0"#,
        r#"heyi_store_errors_total{store="mongodb"} 0"#,
        "heyi_scans_aggregated_total 0",
        "heyi_log_lines_dropped_total 0",
        "heyi_queue_dead 0",
        "heyi_queue_retry_oldest_seconds 0",
        "heyi_last_promotion_timestamp_seconds 0",
    ] {
        assert!(
            of_worker.lines().any(|own| own == line),
            "{line}: {of_worker}"
        );
    }
    worker.stop().await?;
    app.finish().await
}

#[tokio::test]
async fn a_payment_leaves_its_times() -> Result<()> {
    let app = TestApp::start().await?;
    let worker = app.world.worker().await?;
    let alice = app.client.login("alice").await?;
    let (number, _) = app.client.pay(&alice, "小店", 990).await?;
    app.client.code_of(&number).await?;
    let is_recent = |body: &str, name: &str| {
        let value = body.lines().find_map(|line| line.strip_prefix(name));
        let seconds: f64 = value
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or(0.0);
        seconds > 1_700_000_000.0
    };
    let of_api = metrics(&app.client, &app.api).await?.body;
    assert!(
        is_recent(&of_api, "heyi_last_notify_timestamp_seconds "),
        "{of_api}"
    );
    eventually("the promotion is counted", async || {
        let body = metrics(&app.client, &worker).await?.body;
        Ok(is_recent(&body, "heyi_last_promotion_timestamp_seconds ")
            && body.contains("heyi_promotion_seconds_count 1"))
    })
    .await?;
    worker.stop().await?;
    app.finish().await
}

#[track_caller]
fn assert_gauges_are_unknown(body: &str) {
    let gauges: Vec<&str> = body
        .lines()
        .filter(|line| line.starts_with("heyi_queue_") || line.starts_with("heyi_redis_"))
        .filter(|line| !line.starts_with("heyi_queue_read"))
        .collect();
    assert!(gauges.len() >= 8, "{body}");
    assert!(
        gauges.iter().all(|line| line.ends_with(" NaN")),
        "{gauges:?}"
    );
}

#[tokio::test]
async fn a_store_that_is_away_shows_and_its_gauges_are_not_kept() -> Result<()> {
    let mut app = TestApp::start_in(World::with_own_stores().await?).await?;
    let worker = app.world.worker().await?;
    for process in [&app.api, &worker] {
        eventually("both stores answer", async || {
            let body = metrics(&app.client, process).await?.body;
            Ok(["redis", "mongodb"]
                .iter()
                .all(|store| body.contains(&format!(r#"heyi_store_up{{store="{store}"}} 1"#))))
        })
        .await?;
    }
    if let Some(redis) = &mut app.world.redis {
        redis.stop().await?;
    }
    for process in [&app.api, &worker] {
        eventually("Redis is down, MongoDB is not", async || {
            let body = metrics(&app.client, process).await?.body;
            Ok(body.contains(r#"heyi_store_up{store="redis"} 0"#)
                && body.contains(r#"heyi_store_up{store="mongodb"} 1"#)
                && !body.contains(r#"heyi_store_errors_total{store="redis"} 0"#))
        })
        .await?;
    }
    assert_gauges_are_unknown(&metrics(&app.client, &worker).await?.body);
    if let Some(mongo) = &mut app.world.mongo {
        mongo.stop().await?;
    }
    for process in [&app.api, &worker] {
        eventually("MongoDB is down too", async || {
            let body = metrics(&app.client, process).await?.body;
            Ok(body.contains(r#"heyi_store_up{store="mongodb"} 0"#))
        })
        .await?;
    }
    if let Some(mongo) = &mut app.world.mongo {
        mongo.restart().await?;
    }
    if let Some(redis) = &mut app.world.redis {
        redis.restart().await?;
    }
    for process in [&app.api, &worker] {
        eventually("both answer again", async || {
            let body = metrics(&app.client, process).await?.body;
            Ok(!body.lines().any(|line| line.ends_with(" NaN"))
                && body.contains(r#"heyi_store_up{store="mongodb"} 1"#)
                && body.contains(r#"heyi_store_up{store="redis"} 1"#))
        })
        .await?;
    }
    worker.stop().await?;
    app.finish().await
}
