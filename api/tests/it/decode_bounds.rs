//! Bounds of `/decode`: bytes, memory and time.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use image::ImageFormat;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use crate::{
    bombs,
    decode::{KIND, PATIENCE, assert_unread, decode, form, payload, start},
    pictures::{self, file},
    support::{TestApp, assert_fails},
};

const MEGABYTE: u64 = 1024 * 1024;
/// Pictures that may wait or be read at the same time.
const PLACES: usize = 16;

#[tokio::test]
async fn five_megabytes_is_the_limit_here_and_16_kib_elsewhere() -> Result<()> {
    let app = start().await?;
    for length in [5, 7, 30] {
        let answer = decode(&app, &vec![0; length << 20 | 1]).await;
        if length < 12 {
            assert_unread(&answer?, 413, "too_large", "5 MB");
        } else if let Ok(answer) = answer {
            // Who sends on for long is hung up on.
            assert_unread(&answer, 413, "too_large", "5 MB");
        }
    }
    assert_unread(
        &decode(&app, &vec![0; 5 << 20]).await?,
        422,
        "not_a_picture",
        "",
    );
    let answer = app
        .post("/newOrder", KIND, form(&vec![0; 17 * 1024]))
        .await?;
    assert_fails(&answer, 413, "16 KiB");
    app.finish().await
}

/// Kilobytes of memory of the api's process by the name in its status.
fn memory(app: &TestApp, name: &str) -> Result<u64> {
    let id = app.api.id().context("the api has ended")?;
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line
        .context("no such line")?
        .trim_matches(|c: char| !c.is_ascii_digit());
    Ok(number.parse()?)
}

#[tokio::test]
async fn bombs_cost_little_and_delay_nobody_else() -> Result<()> {
    let mut bombs = bombs::pngs();
    bombs.push(("a JPEG of 65,500 pixels square", bombs::large_jpeg()?));
    bombs.push(("noise", bombs::noisy()?));
    bombs.extend(bombs::finders()?);
    let app = start().await?;
    let alice = app.client.login("alice").await?;
    // A connection that idles is closed after a while, just when an order may take it, so these are not shared.
    let (strangers, honest) = (app.world.client()?, app.world.client()?);
    let mut thrown = JoinSet::new();
    for (what, bomb) in bombs.iter().cycle().take(50).cloned() {
        let request = strangers.request(reqwest::Method::POST, "/decode");
        let request = request.header("content-type", KIND).timeout(PATIENCE);
        let client = strangers.clone();
        thrown.spawn(async move { (what, client.send(request.body(form(&bomb))).await) });
    }
    let mut orders = 0;
    let mut slowest = Duration::ZERO;
    while !thrown.is_empty() {
        let start = Instant::now();
        // Of the same order at the same second, the signature would be the same.
        honest.order(&alice, &format!("小店{orders}"), 990).await?;
        (orders, slowest) = (orders + 1, slowest.max(start.elapsed()));
        while let Some(answered) = thrown.try_join_next() {
            let (what, answer) = answered?;
            let answer = answer.context(what)?;
            let status = answer.status.as_u16();
            assert!([422, 503].contains(&status), "{what}: {}", answer.body);
        }
    }
    assert!(orders > 1);
    // An order takes milliseconds; a picture that is read where orders are served would take its seconds.
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    for (what, bomb) in &bombs {
        let answer = decode(&app, bomb).await?;
        let reason = answer.text("reason");
        let harmless = ["too_many_pixels", "unreadable", "no_code"].contains(&reason.as_str());
        assert!(harmless, "{what}: {}", answer.body);
    }
    let readers = std::thread::available_parallelism()?.get().div_ceil(2) as u64;
    let most = memory(&app, "VmHWM:")? * 1024;
    assert!(
        most < (400 + 400 * readers) * MEGABYTE,
        "{} MB",
        most / MEGABYTE
    );
    let picture = file(pictures::code(&payload("wechat"), 4), ImageFormat::Png)?;
    assert_eq!(decode(&app, &picture).await?.status, 200);
    app.finish().await
}

/// Begins to send a picture for `client` and does not go on.
async fn stalled(app: &TestApp, client: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(app.api.url().trim_start_matches("http://")).await?;
    let head = format!(
        "POST /decode HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\nContent-Type: {KIND}\r\n\
         Content-Length: 4000000\r\n\r\n--w"
    );
    stream.write_all(head.as_bytes()).await?;
    Ok(stream)
}

#[tokio::test]
async fn slow_uploads_leave_places_to_others_and_are_cut_off() -> Result<()> {
    let app = TestApp::start_with(&[
        ("HTTP__TRUSTED_PROXIES", r#"["127.0.0.0/8"]"#),
        ("HTTP__REQUEST_TIMEOUT", "120s"),
    ])
    .await?;
    let picture = file(pictures::code(&payload("wechat"), 4), ImageFormat::Png)?;
    let mut slow = Vec::new();
    for number in 0..2 * PLACES {
        let network = format!("2001:db8:0:{:x}::1", number / 2);
        slow.push(stalled(&app, &network).await?);
    }
    assert_eq!(decode(&app, &picture).await?.status, 200);
    for mut stream in slow {
        let mut answer = Vec::new();
        timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await??;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("\"errcode\":408"), "{answer}");
    }
    app.finish().await
}

#[tokio::test]
async fn a_client_waits_for_its_own_slow_uploads_only() -> Result<()> {
    let app = TestApp::start_with(&[("HTTP__REQUEST_TIMEOUT", "120s")]).await?;
    let mut slow = Vec::new();
    for _ in 0..2 {
        slow.push(stalled(&app, "").await?);
    }
    // Both are cut off before the third gives up.
    assert_unread(&decode(&app, b"").await?, 422, "not_a_picture", "");
    app.finish().await
}

#[tokio::test]
async fn a_picture_counts_as_ten_requests() -> Result<()> {
    let app = TestApp::start_with(&[("HTTP__RATE_LIMIT", "5")]).await?;
    let mut taken = 0;
    let refused: Value = loop {
        let answer = decode(&app, b"").await?;
        if answer.status == 429 {
            break answer.json();
        }
        assert_unread(&answer, 422, "not_a_picture", "");
        taken += 1;
        assert!(taken < 100, "a hundred pictures were taken");
    };
    // Two at the same time, and a slow machine lets half of one be earned each second.
    assert!((2..10).contains(&taken), "{taken}");
    assert_eq!(refused["errcode"], 429);
    app.finish().await
}
