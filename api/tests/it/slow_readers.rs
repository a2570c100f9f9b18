//! Clients that do not read answers, and clients with many connections.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use heyi_testkit::world::eventually;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::support::{TestApp, assert_fails, header};

const ASK: &str = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";

fn address(app: &TestApp) -> Result<SocketAddr> {
    Ok(app.api.url().trim_start_matches("http://").parse()?)
}

/// Sends `text` and reads nothing.
async fn unread(app: &TestApp, text: &str) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(2048)?;
    let mut stream = socket.connect(address(app)?).await?;
    stream.write_all(text.as_bytes()).await?;
    Ok(stream)
}

/// Whether the api has closed a connection, which a client that does not read learns by writing.
fn is_closed(stream: &TcpStream) -> bool {
    let closed = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
    matches!(stream.try_write(b"x"), Err(error) if closed.contains(&error.kind()))
}

#[tokio::test]
async fn a_client_that_does_not_read_is_disconnected() -> Result<()> {
    let app = TestApp::start_with(&[("HTTP__WRITE_TIMEOUT", "1s")]).await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    let poster = format!(
        "GET /qr/{}/poster.svg HTTP/1.1\r\nHost: x\r\n\r\n",
        code.id.to_hex()
    );
    for asked in [ASK.repeat(200), poster.repeat(20)] {
        let start = Instant::now();
        let stream = unread(&app, &asked).await?;
        eventually("the connection is closed", async || Ok(is_closed(&stream))).await?;
        // A client that is about to read gets its time.
        assert!(start.elapsed() >= Duration::from_secs(1));
    }
    app.finish().await
}

#[tokio::test]
async fn a_client_that_reads_late_and_slowly_gets_all() -> Result<()> {
    let app = TestApp::start_with(&[("HTTP__WRITE_TIMEOUT", "5s")]).await?;
    let whole = app.get_with("/openapi.json", &[]).await?.bytes.len();
    let ask = format!(
        "{ASK}{}",
        ASK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
    );
    let mut stream = unread(&app, &ask).await?;
    let (mut read, mut buffer) = (0, [0; 512]);
    loop {
        match stream.read(&mut buffer).await? {
            0 => break,
            length => read += length,
        }
    }
    assert!(read > 2 * whole, "{read} bytes of twice {whole}");
    app.finish().await
}

#[tokio::test]
async fn a_client_that_reads_nothing_takes_a_share_of_memory_and_no_more() -> Result<()> {
    const SHARE: usize = 8 * 1024 * 1024;
    let app = TestApp::start_with(&[
        ("HTTP__TRUSTED_PROXIES", r#"["127.0.0.0/8"]"#),
        ("HTTP__WRITE_TIMEOUT", "5m"),
    ])
    .await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    let path = format!("/qr/{}/poster.svg?style=pair", code.id.to_hex());
    let ask = async |client| app.get_with(&path, &[("x-forwarded-for", client)]).await;
    let length = ask("198.51.100.2").await?.bytes.len();
    let greedy = format!("GET {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n");
    let mut held = Vec::new();
    eventually("the client has its share", async || {
        held.push(unread(&app, &greedy).await?);
        let answer = ask("198.51.100.1").await?;
        let is_refused = answer.body.contains("read those you have asked for");
        if is_refused {
            assert_fails(&answer, 503, "ask again in 1 s");
            assert_eq!(header(&answer, "retry-after"), "1");
        }
        Ok(is_refused)
    })
    .await?;
    assert!(held.len() * length > SHARE - 2 * length, "{}", held.len());
    eventually("others get theirs", async || {
        Ok(ask("198.51.100.2").await?.status == 200)
    })
    .await?;
    drop(held);
    eventually("the share is free again", async || {
        Ok(ask("198.51.100.1").await?.status == 200)
    })
    .await?;
    app.finish().await
}

/// What `/healthz` answers on this connection; nothing when it is closed.
async fn health(stream: &mut TcpStream) -> Result<String> {
    let asked = stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    let mut answer = [0; 12];
    let read = stream.read(&mut answer).await;
    match (asked, read) {
        (Ok(()), Ok(length)) => Ok(String::from_utf8_lossy(&answer[..length]).into_owned()),
        _ => Ok(String::new()),
    }
}

#[tokio::test]
async fn one_address_has_so_many_connections() -> Result<()> {
    let settings = ("HTTP__CONNECTIONS_PER_ADDRESS", "5");
    let app = TestApp::start_with(&[settings, ("HTTP__HEADER_TIMEOUT", "1m")]).await?;
    let mut open = Vec::new();
    for _ in 0..5 {
        let mut stream = TcpStream::connect(address(&app)?).await?;
        assert_eq!(health(&mut stream).await?, "HTTP/1.1 200");
        open.push(stream);
    }
    let mut sixth = TcpStream::connect(address(&app)?).await?;
    assert_eq!(health(&mut sixth).await?, "");
    let metrics = app.monitor("/metrics").await?.body;
    assert!(
        metrics.contains("heyi_http_connections_refused_total 1"),
        "{metrics}"
    );
    eventually("the log says so", async || {
        Ok(app.api.log().contains("http.trusted_proxies"))
    })
    .await?;
    open.pop();
    eventually("there is room again", async || {
        let mut stream = TcpStream::connect(address(&app)?).await?;
        Ok(health(&mut stream).await? == "HTTP/1.1 200")
    })
    .await?;
    app.finish().await
}

#[tokio::test]
async fn the_addresses_of_one_network_leave_connections_to_others() -> Result<()> {
    const FILES: u64 = 256;
    let app = TestApp::start_with(&[
        ("HTTP__CONNECTIONS_PER_ADDRESS", "100"),
        ("HTTP__HEADER_TIMEOUT", "1m"),
    ])
    .await?;
    let limit = Rlimit {
        current: Some(FILES),
        maximum: Some(FILES),
    };
    let id = app.api.id().context("the api has ended")?;
    let id = Pid::from_raw(id.try_into()?).context("no process")?;
    prlimit(Some(id), Resource::Nofile, limit)?;
    let mut held = Vec::new();
    for number in 1..=250 {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 1, number], 0).into())?;
        held.push(socket.connect(address(&app)?).await?);
    }
    let mut other = TcpStream::connect(address(&app)?).await?;
    assert_eq!(health(&mut other).await?, "HTTP/1.1 200");
    // A quarter of three quarters of the files.
    let metrics = app.monitor("/metrics").await?.body;
    assert!(
        metrics.contains("heyi_http_connections_refused_total 202"),
        "{metrics}"
    );
    app.finish().await
}

#[tokio::test]
async fn a_trusted_proxy_has_as_many_connections_as_it_likes() -> Result<()> {
    let app = TestApp::start_with(&[
        ("HTTP__CONNECTIONS_PER_ADDRESS", "5"),
        ("HTTP__TRUSTED_PROXIES", r#"["127.0.0.1/32"]"#),
    ])
    .await?;
    let mut open = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address(&app)?).await?;
        assert_eq!(health(&mut stream).await?, "HTTP/1.1 200");
        open.push(stream);
    }
    app.finish().await
}
