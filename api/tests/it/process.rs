use anyhow::{Context, Result};
use heyi_testkit::{
    servers::process::free_port,
    world::{World, binary, eventually, params},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};

use crate::support::{TestApp, assert_fails};

const GO_ON: &[u8; 25] = b"HTTP/1.1 100 Continue\r\n\r\n";

#[tokio::test]
async fn told_to_stop_it_finishes_what_was_begun_and_takes_nothing_new() -> Result<()> {
    let app = TestApp::start().await?;
    let address = app.api.url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).await?;
    let body = r#"{"code":"x"}"#;
    let head = format!(
        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    // The handler waits for the body now.
    let mut go_on = [0; GO_ON.len()];
    stream.read_exact(&mut go_on).await?;
    assert_eq!(&go_on, GO_ON);
    let stopping = tokio::spawn(app.api.stop());
    eventually("nothing new is taken", async || {
        Ok(TcpStream::connect(&address).await.is_err())
    })
    .await?;
    stream.write_all(body.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(stopping.await??.success());
    app.world.finish().await
}

#[tokio::test]
async fn every_mistake_of_the_settings_is_told_at_once() -> Result<()> {
    let output = Command::new(binary("heyi-api")?)
        .env_clear()
        .env("HEYI_HTTP__LISTEN", "nowhere")
        .env("HEYI_TYPO__KEY", "1")
        .output()
        .await?;
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr)?;
    for key in [
        "http.listen",
        "HEYI_TYPO__KEY",
        "payjs.key",
        "sign.session_secret",
    ] {
        assert!(error.contains(key), "{key} is not in {error}");
    }
    Ok(())
}

#[tokio::test]
async fn help_and_version_need_no_settings_and_mistakes_show_no_backtrace() -> Result<()> {
    for program in ["heyi-api", "heyi-worker"] {
        for (argument, said) in [("--help", "healthcheck"), ("--version", program)] {
            let mut command = Command::new(binary(program)?);
            let output = command.env_clear().arg(argument).output().await?;
            assert_eq!(output.status.code(), Some(0));
            let text = String::from_utf8(output.stdout)?;
            assert!(text.contains(said), "{text}");
        }
        let mut command = Command::new(binary(program)?);
        command.env_clear().env("RUST_BACKTRACE", "full");
        let output = command.arg("run").output().await?;
        assert_eq!(output.status.code(), Some(1));
        let error = String::from_utf8(output.stderr)?;
        assert!(error.contains("payjs.key"), "{error}");
        assert!(!error.to_lowercase().contains("backtrace"), "{error}");
        assert!(!error.contains("main.rs"), "{error}");
        let mut command = Command::new(binary(program)?);
        let output = command.env_clear().arg("runn").output().await?;
        assert_eq!(output.status.code(), Some(2));
    }
    Ok(())
}

/// Runs `heyi-api healthcheck` with the settings of the api, but this monitor.
async fn healthcheck(app: &TestApp, monitor: &str) -> Result<(Option<i32>, String)> {
    let mut command = Command::new(binary("heyi-api")?);
    command
        .arg("healthcheck")
        .env("HEYI_HTTP__MONITOR", monitor);
    for name in [
        "HTTP__LISTEN",
        "HTTP__PUBLIC_URL",
        "PAYJS__MCHID",
        "PAYJS__KEY",
        "PAYJS__NOTIFY_URL",
        "WECHAT__APPID",
        "WECHAT__SECRET",
        "SIGN__APP_KEY",
        "SIGN__SESSION_SECRET",
    ] {
        let name = format!("HEYI_{name}");
        command.env(&name, app.world.setting(&name));
    }
    let output = command.output().await?;
    Ok((output.status.code(), String::from_utf8(output.stderr)?))
}

#[tokio::test]
async fn a_healthcheck_asks_the_process_that_runs() -> Result<()> {
    let mut app = TestApp::start().await?;
    let monitor = app.api.monitor_url().replace("http://", "");
    // Without a monitor it asks the public address.
    for monitor in [monitor.as_str(), ""] {
        let answer = healthcheck(&app, monitor).await?;
        assert_eq!(answer, (Some(0), String::new()));
    }
    app.api.end().await?;
    for monitor in [monitor.as_str(), ""] {
        let (code, error) = healthcheck(&app, monitor).await?;
        assert_eq!(code, Some(1));
        assert!(error.contains("ask 127.0.0.1:"), "{error}");
    }
    app.world.finish().await
}

#[tokio::test]
async fn readiness_and_metrics_are_not_on_the_public_address() -> Result<()> {
    let app = TestApp::start().await?;
    for path in ["/healthz", "/readyz", "/metrics"] {
        let (public, monitor) = (app.get_with(path, &[]).await?, app.monitor(path).await?);
        let expected = if path == "/healthz" { 200 } else { 404 };
        assert_eq!((public.status.as_u16(), path), (expected, path));
        assert_eq!(monitor.status, 200, "{path}");
    }
    for path in ["/qr", "/notify", "/openapi.json"] {
        assert_fails(&app.monitor(path).await?, 404, "");
    }
    app.finish().await
}

#[tokio::test]
async fn an_empty_monitor_is_none() -> Result<()> {
    let world = World::new().await?;
    let settings = [("HEYI_HTTP__MONITOR", String::new())];
    let api = world.start_with("heyi-api", free_port()?, &settings)?;
    eventually("the api serves", async || {
        let client = world.client()?.at(&api.url());
        Ok(client.get("/healthz", &params(&[])).await?.status == 200)
    })
    .await?;
    assert!(!api.log().contains("monitor listening"), "{}", api.log());
    api.stop().await?;
    world.finish().await
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_never_by_path() -> Result<()> {
    let app = TestApp::start().await?;
    app.get_with("/qr?id=1", &[]).await?;
    app.get_with("/made/up/by/strangers", &[]).await?;
    app.post("/notify", "", "nonsense").await?;
    let metrics = app.monitor("/metrics").await?.body;
    for line in [
        r#"heyi_http_requests_total{route="/qr",method="GET",status="410"} 1"#,
        r#"heyi_http_requests_total{route="none",method="GET",status="404"} 1"#,
        r#"heyi_http_requests_total{route="/notify",method="POST",status="400"} 1"#,
        r#"heyi_notify_total{outcome="refused"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    let seconds = metrics
        .lines()
        .find(|line| line.starts_with(r#"heyi_http_request_duration_seconds_count{route="/qr""#));
    assert!(seconds.context("no histogram")?.ends_with(" 1"));
    assert!(!metrics.contains("strangers"));
    app.finish().await
}
