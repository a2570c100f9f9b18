//! The log during an outage, and the cost of a log that cannot be written.

use std::{
    fs::File,
    io::{Write, pipe},
    process::Stdio,
};

use anyhow::Result;
use heyi_testkit::world::{Service, World, data, eventually};
use tokio::time::Instant;

use crate::support::{TestApp, assert_fails};

/// What a pipe holds by default.
const PIPE: usize = 64 * 1024;

fn full_disk() -> Result<Stdio> {
    Ok(File::options().write(true).open("/dev/full")?.into())
}

fn pipe_whose_reader_died() -> Result<Stdio> {
    Ok(pipe()?.1.into())
}

#[tokio::test]
async fn a_log_that_cannot_be_written_costs_no_payment() -> Result<()> {
    let (_unread, mut full) = pipe()?;
    full.write_all(&vec![b'x'; PIPE])?;
    let outputs = [
        [full_disk()?, full_disk()?],
        [pipe_whose_reader_died()?, pipe_whose_reader_died()?],
        [full.try_clone()?.into(), full.into()],
    ];
    for output in outputs {
        let world = World::new().await?;
        let client = world.client()?;
        let [api, worker] = world.both_into(output).await?;
        let alice = client.login("alice").await?;
        for _ in 0..3 {
            let (number, _) = client.pay(&alice, "小店", 990).await?;
            client.code_of(&number).await?;
        }
        let forged = client.request(reqwest::Method::POST, "/notify").body("x=y");
        assert_eq!(client.send(forged).await?.status, 400);
        assert_eq!(world.queue()?.status().await?.dead, 0);
        // Of the last, the queue of lines holds some thousands.
        let monitor = client.at(&api.monitor_url());
        let metrics = monitor.request(reqwest::Method::GET, "/metrics");
        let metrics = monitor.send(metrics).await?.body;
        assert!(
            metrics.contains("heyi_log_lines_dropped_total "),
            "{metrics}"
        );
        assert!(api.stop().await?.success());
        assert!(worker.stop().await?.success());
        world.finish().await?;
    }
    Ok(())
}

#[tokio::test]
async fn lines_that_could_not_be_written_are_counted() -> Result<()> {
    let world = World::new().await?;
    let [api, worker] = world.both_into([full_disk()?, full_disk()?]).await?;
    for process in [&api, &worker] {
        let client = world.client()?.at(&process.monitor_url());
        eventually("lines are counted", async || {
            let metrics = client.request(reqwest::Method::GET, "/metrics");
            let metrics = client.send(metrics).await?.body;
            let count = metrics
                .lines()
                .find_map(|line| line.strip_prefix("heyi_log_lines_dropped_total "));
            Ok(count.is_some_and(|count| count != "0"))
        })
        .await?;
    }
    api.stop().await?;
    worker.stop().await?;
    world.finish().await
}

/// Waits until a process knows that Redis is away.
async fn notices_the_outage(app: &TestApp, process: &Service) -> Result<()> {
    let client = app.client.at(&process.monitor_url());
    eventually("the process has noticed", async || {
        let metrics = client.request(reqwest::Method::GET, "/metrics");
        let metrics = client.send(metrics).await?.body;
        Ok(metrics.contains(r#"heyi_store_up{store="redis"} 0"#))
    })
    .await
}

/// How many lines of one cause may be written in this time: two at the same time, then one in five seconds.
fn most(since: Instant) -> u64 {
    2 + since.elapsed().as_secs() / 5 + 1
}

#[tokio::test]
async fn an_outage_writes_few_lines_that_name_store_address_and_cause() -> Result<()> {
    const REQUESTS: usize = 200;
    let mut app = TestApp::start_in(World::with_own_stores().await?).await?;
    let worker = app.world.worker().await?;
    let alice = app.client.login("alice").await?;
    let start = Instant::now();
    if let Some(redis) = &mut app.world.redis {
        redis.stop().await?;
    }
    let upload = data(&alice.openid, "小店").to_string();
    let order = [("data", upload.as_str()), ("totalFee", "990")];
    for _ in 0..REQUESTS {
        let answer = app.client.call("/newOrder", &alice, &order).await?;
        assert_fails(&answer, 503, "cannot reach Redis:");
    }
    eventually("the log says how many lines were left out", async || {
        Ok(app
            .api
            .log()
            .contains("more lines of one kind were left out"))
    })
    .await?;
    let url = app.world.setting("HEYI_REDIS__URL").to_owned();
    let address = url.trim_start_matches("redis://").split('/').next();
    let address = address.unwrap_or_default();
    for process in [&app.api, &worker] {
        eventually("the log names the outage", async || {
            Ok(process.log().contains("store=Redis"))
        })
        .await?;
        let log = process.log();
        let outage: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("ERROR") && line.contains("store=Redis"))
            .collect();
        let count = u64::try_from(outage.len())?;
        assert!(count <= most(start), "{count} lines:\n{log}");
        for line in outage {
            assert!(line.contains(&format!("store.address={address}")), "{line}");
            assert!(line.contains("error="), "{line}");
        }
    }
    for process in [&app.api, &worker] {
        notices_the_outage(&app, process).await?;
    }
    if let Some(redis) = &mut app.world.redis {
        redis.restart().await?;
    }
    for process in [&app.api, &worker] {
        eventually("the log says that it is over", async || {
            Ok(process.log().contains("Redis answers again"))
        })
        .await?;
    }
    worker.stop().await?;
    app.finish().await
}
