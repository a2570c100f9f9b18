use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use heyi_testkit::world::{Answer, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{TestApp, assert_fails, header};

/// A request that is forwarded for somebody.
async fn ask(app: &TestApp, forwarded: &str) -> Result<Answer> {
    app.get_with("/openapi.json", &[("x-forwarded-for", forwarded)])
        .await
}

/// Asks until it is refused.
async fn exhaust(app: &TestApp, forwarded: &str) -> Result<()> {
    for _ in 0..100 {
        let answer = ask(app, forwarded).await?;
        if answer.status == 429 {
            assert_fails(&answer, 429, "wait");
            let seconds: u64 = header(&answer, "retry-after").parse()?;
            assert!((1..=2).contains(&seconds), "{seconds}");
            return Ok(());
        }
        assert_eq!(answer.status, 200);
    }
    bail!("a hundred requests of {forwarded} were taken")
}

/// Whether the first one's requests count for the second. A slow machine may let a second pass between the two,
/// so it is tried again, but less often than the second's own burst would bear.
async fn count_as_one(app: &TestApp, one: &str, other: &str) -> Result<bool> {
    for _ in 0..3 {
        exhaust(app, one).await?;
        if ask(app, other).await?.status == 429 {
            return Ok(true);
        }
    }
    Ok(false)
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_own_limit() -> Result<()> {
    let app = TestApp::start_with(&[
        ("HTTP__RATE_LIMIT", "1"),
        ("HTTP__TRUSTED_PROXIES", r#"["127.0.0.0/8"]"#),
    ])
    .await?;
    assert!(!count_as_one(&app, "198.51.100.1", "198.51.100.2").await?);
    assert!(count_as_one(&app, "2001:db8::1", "2001:db8::2").await?);
    assert!(!count_as_one(&app, "2001:db8::1", "2001:db8:0:1::1").await?);
    // What stands left of the proxy's own word is made up.
    assert!(count_as_one(&app, "198.51.100.1", "203.0.113.7, 198.51.100.1").await?);
    app.finish().await
}

#[tokio::test]
async fn without_a_trusted_proxy_nobodys_word_counts() -> Result<()> {
    let app = TestApp::start_with(&[("HTTP__RATE_LIMIT", "1")]).await?;
    assert!(count_as_one(&app, "198.51.100.1", "198.51.100.2").await?);
    for _ in 0..10 {
        assert_eq!(app.get_with("/healthz", &[]).await?.status, 200);
        assert_eq!(app.post("/notify", "", "").await?.status, 400);
    }
    app.finish().await
}

#[tokio::test]
async fn a_flood_of_calls_leaves_pages_to_payers() -> Result<()> {
    let app = TestApp::start_with(&[("HTTP__RATE_LIMIT", "1")]).await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?.id.to_hex();
    for path in [
        format!("/qr?id={code}"),
        format!("/qr/{code}.svg"),
        format!("/report?id={code}"),
    ] {
        exhaust(&app, "198.51.100.1").await?;
        assert_eq!(app.get_with(&path, &[]).await?.status, 200, "{path}");
    }
    app.finish().await
}

#[tokio::test]
async fn a_proxy_that_is_not_trusted_is_logged_once_and_told_by_doctor() -> Result<()> {
    const SAID: &str = "X-Forwarded-For from 127.0.0.1/32 is ignored";
    let mut app = TestApp::start().await?;
    let doctor = async |app: &TestApp| -> Result<String> {
        let output = app.world.operate(&["doctor"]).await?;
        Ok(String::from_utf8(output.stdout)?)
    };
    app.get_with("/healthz", &[]).await?;
    assert!(!doctor(&app).await?.contains(SAID));
    for header in ["x-forwarded-for", "x-real-ip", "forwarded"] {
        app.get_with("/healthz", &[(header, "198.51.100.1")])
            .await?;
    }
    eventually("doctor tells it", async || {
        Ok(doctor(&app).await?.contains(SAID))
    })
    .await?;
    let log = app.api.log();
    assert_eq!(log.matches("http.trusted_proxies").count(), 1, "{log}");
    assert!(log.contains("127.0.0.1/32"), "{log}");
    app.world
        .set("HEYI_HTTP__TRUSTED_PROXIES", r#"["127.0.0.0/8"]"#);
    assert!(!doctor(&app).await?.contains(SAID));
    app.finish().await
}

/// Sends `text` and then nothing; says what comes back until the server hangs up, and after how long.
async fn stall(app: &TestApp, text: &str) -> Result<(String, Duration)> {
    let start = Instant::now();
    let mut stream = TcpStream::connect(app.api.url().trim_start_matches("http://")).await?;
    stream.write_all(text.as_bytes()).await?;
    let mut answer = Vec::new();
    timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await??;
    Ok((
        String::from_utf8_lossy(&answer).into_owned(),
        start.elapsed(),
    ))
}

#[tokio::test]
async fn slow_clients_are_cut_off() -> Result<()> {
    let app = TestApp::start_with(&[
        ("HTTP__HEADER_TIMEOUT", "500ms"),
        ("HTTP__REQUEST_TIMEOUT", "700ms"),
    ])
    .await?;
    let limit = Duration::from_secs(10);
    for head in [
        "",
        "GET /healthz HT",
        "GET /healthz HTTP/1.1\r\nHost: x\r\n",
    ] {
        let (answer, elapsed) = stall(&app, head).await?;
        assert!(!answer.contains("200 OK"), "{head:?}: {answer}");
        assert!(elapsed < limit, "{head:?}: {elapsed:?}");
    }
    let body = "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    let (answer, elapsed) = stall(&app, body).await?;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"errcode\":408"), "{answer}");
    assert!(elapsed < limit, "{elapsed:?}");
    app.finish().await
}

#[tokio::test]
async fn a_slow_body_of_a_notify_raises_no_alarm() -> Result<()> {
    let app = TestApp::start().await?;
    let body = "POST /notify HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nr";
    let (answer, elapsed) = stall(&app, body).await?;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    let metrics = app.monitor("/metrics").await?.body;
    let unavailable = r#"heyi_notify_total{outcome="unavailable"} 0"#;
    assert!(metrics.contains(unavailable), "{metrics}");
    app.finish().await
}

#[tokio::test]
async fn a_head_that_never_ends_is_refused() -> Result<()> {
    let app = TestApp::start().await?;
    let head = format!("GET /healthz?{} HTTP/1.1\r\n", "x".repeat(70 * 1024));
    let (answer, _) = stall(&app, &head).await?;
    assert!(!answer.contains("200 OK"), "{answer}");
    app.finish().await
}
