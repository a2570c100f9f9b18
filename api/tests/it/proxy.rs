//! `deploy/nginx.conf` before the api, in a real nginx.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    process::Stdio,
};

use anyhow::{Context, Result, ensure};
use heyi_testkit::{
    servers::process::{find, free_port, tethered},
    world::eventually,
};
use reqwest::{Client, Response};
use serde_json::Value;
use tokio::process::Child;

use crate::support::TestApp;

/// The address from which nginx connects. Clients of the test have others, as they do outside.
const TRUSTED: (&str, &str) = ("HTTP__TRUSTED_PROXIES", r#"["127.0.0.1/32"]"#);
/// What is around the file on a server, and keeps nginx within the directory of the test.
const AROUND: &str = "
daemon off;
master_process off;
pid nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include heyi.conf;
}
";

struct Nginx {
    url: String,
    process: Child,
}

impl Nginx {
    async fn start(app: &TestApp) -> Result<Self> {
        let program = find("nginx")
            .context("nginx is not installed: run the tests with `cargo xtask test`")?;
        let dir = app.world.dir().join("nginx");
        fs::create_dir_all(&dir)?;
        let port = free_port()?;
        fs::write(dir.join("nginx.conf"), AROUND)?;
        fs::write(dir.join("heyi.conf"), site(&app.api.url(), port)?)?;
        let process = tethered(&program)
            .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
            .arg(&dir)
            .stderr(Stdio::from(fs::File::create(dir.join("log"))?))
            .spawn()?;
        let url = format!("http://127.0.0.1:{port}");
        let client = from(Ipv4Addr::LOCALHOST)?;
        let ready = eventually("nginx", async || {
            let answer = client.get(format!("{url}/healthz")).send().await;
            Ok(answer.is_ok_and(|answer| answer.status() == 200))
        });
        ready
            .await
            .with_context(|| fs::read_to_string(dir.join("log")).unwrap_or_default())?;
        Ok(Self { url, process })
    }

    async fn get(&self, client: &Client, path: &str, claims: &[(&str, &str)]) -> Result<Response> {
        let mut request = client.get(format!("{}{path}", self.url));
        for (name, value) in claims {
            request = request.header(*name, *value);
        }
        Ok(request.send().await?)
    }

    async fn upload(&self, client: &Client, bytes: usize) -> Result<(u16, Value)> {
        let head =
            "--x\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"a\"\r\n\r\n";
        let body = [head.as_bytes(), &vec![b'x'; bytes], b"\r\n--x--\r\n"].concat();
        let answer = client
            .post(format!("{}/decode", self.url))
            .header("content-type", "multipart/form-data; boundary=x")
            .body(body)
            .send()
            .await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    async fn stop(mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }
}

/// The file as it is, but for the addresses and the certificate.
fn site(api: &str, port: u16) -> Result<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/nginx.conf");
    let file = fs::read_to_string(file)?;
    let api = api.trim_start_matches("http://");
    let mut site = String::new();
    for line in file.lines() {
        let line = match line.trim() {
            "server 127.0.0.1:8080;" => format!("server {api};"),
            "listen 80;" => format!("listen 127.0.0.1:{};", free_port()?),
            "listen 443 ssl http2;" => format!("listen {port};"),
            other if other.starts_with("listen [::]") || other.starts_with("ssl_") => continue,
            _ => line.to_owned(),
        };
        site.push_str(&line);
        site.push('\n');
    }
    ensure!(site.contains(api) && site.contains(&format!("listen {port};")));
    Ok(site)
}

/// A client with this address.
fn from(address: Ipv4Addr) -> Result<Client> {
    let client = Client::builder().no_proxy();
    Ok(client.local_address(IpAddr::from(address)).build()?)
}

#[tokio::test]
async fn behind_nginx_no_two_addresses_share_a_limit_and_no_claim_buys_another() -> Result<()> {
    let app = TestApp::start_with(&[("HTTP__RATE_LIMIT", "1"), TRUSTED]).await?;
    let nginx = Nginx::start(&app).await?;
    for last in 1..=40 {
        let client = from(Ipv4Addr::new(127, 0, 1, last))?;
        for _ in 0..3 {
            let answer = nginx.get(&client, "/openapi.json", &[]).await?;
            assert_eq!(answer.status(), 200, "127.0.1.{last}");
        }
    }
    for (last, name) in (50..).zip(["x-forwarded-for", "x-real-ip", "forwarded"]) {
        let client = from(Ipv4Addr::new(127, 0, 1, last))?;
        let mut is_refused = false;
        for claimed in 0..30 {
            let claim = format!("203.0.113.{claimed}");
            let claims = [(name, claim.as_str()), ("x-forwarded-for", "127.0.0.1")];
            let answer = nginx.get(&client, "/openapi.json", &claims).await?;
            is_refused |= answer.status() == 429;
        }
        assert!(is_refused, "{name}");
    }
    assert!(!app.api.log().contains("is ignored"), "{}", app.api.log());
    nginx.stop().await?;
    app.finish().await
}

#[tokio::test]
async fn nginx_passes_what_the_api_takes_and_hides_what_is_for_the_monitor() -> Result<()> {
    let app = TestApp::start_with(&[TRUSTED]).await?;
    let alice = app.client.login("alice").await?;
    let id = app.code(&alice, "小店").await?.id.to_hex();
    let nginx = Nginx::start(&app).await?;
    let client = from(Ipv4Addr::new(127, 0, 1, 1))?;
    for (path, status) in [
        (format!("/qr?id={id}"), 200),
        (format!("/qr/{id}.png"), 200),
        ("/healthz".to_owned(), 200),
        ("/metrics".to_owned(), 404),
        ("/readyz".to_owned(), 404),
    ] {
        let answer = nginx.get(&client, &path, &[]).await?;
        assert_eq!(answer.status(), status, "{path}");
    }
    let (status, refused) = nginx.upload(&client, 4_900_000).await?;
    assert_eq!((status, &refused["reason"]), (422, &"not_a_picture".into()));
    // The first is refused by the api, the second by nginx.
    for bytes in [5_500_000, 8_000_000] {
        let (status, refused) = nginx.upload(&client, bytes).await?;
        assert_eq!((status, &refused["reason"]), (413, &"too_large".into()));
        assert_eq!(refused["errcode"], 413, "{refused}");
    }
    let body = "x".repeat(20_000);
    let long = client.post(format!("{}/login", nginx.url)).body(body);
    let long: Value = long.send().await?.json().await?;
    assert_eq!(long["errcode"], 413, "{long}");
    let notify = client.post(format!("{}/notify", nginx.url)).body("a=1");
    assert_eq!(notify.send().await?.text().await?, "fail");
    nginx.stop().await?;
    app.finish().await
}
