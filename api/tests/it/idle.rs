//! Connections that a proxy keeps open between two requests.

use anyhow::{Result, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::TestApp;

const HEAD_TIMEOUT: (&str, &str) = ("HTTP__HEADER_TIMEOUT", "300ms");

async fn connect(app: &TestApp) -> Result<TcpStream> {
    let address = app.api.url().trim_start_matches("http://").to_owned();
    Ok(TcpStream::connect(address).await?)
}

/// Sends a POST and reads the answer, which is `fail`.
async fn post(stream: &mut TcpStream) -> Result<()> {
    let request = "POST /notify HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nx=y";
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"fail") {
        let mut buffer = [0; 1024];
        let length = stream.read(&mut buffer).await?;
        ensure!(
            length > 0,
            "closed after {:?}",
            String::from_utf8_lossy(&answer)
        );
        answer.extend(&buffer[..length]);
    }
    Ok(())
}

/// Waits until the api closes a connection.
async fn closed(stream: &mut TcpStream) -> Result<()> {
    let mut rest = Vec::new();
    // A connection may also be reset.
    let _ = stream.read_to_end(&mut rest).await;
    ensure!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    Ok(())
}

#[tokio::test]
async fn posts_over_idle_connections_are_answered_long_after_the_time_of_a_head() -> Result<()> {
    let app = TestApp::start_with(&[HEAD_TIMEOUT]).await?;
    let mut streams = Vec::new();
    for _ in 0..50 {
        let mut stream = connect(&app).await?;
        post(&mut stream).await?;
        streams.push(stream);
    }
    for _ in 0..5 {
        // One that sends nothing tells when the time of a head has passed.
        closed(&mut connect(&app).await?).await?;
        for stream in &mut streams {
            post(stream).await?;
        }
    }
    app.finish().await
}

#[tokio::test]
async fn a_head_that_began_has_its_short_time_on_every_connection() -> Result<()> {
    let app = TestApp::start_with(&[HEAD_TIMEOUT]).await?;
    let mut fresh = connect(&app).await?;
    let mut used = connect(&app).await?;
    post(&mut used).await?;
    for stream in [&mut fresh, &mut used] {
        stream.write_all(b"POST /notify HT").await?;
        closed(stream).await?;
    }
    // A byte now and then makes it no longer.
    let mut slow = connect(&app).await?;
    post(&mut slow).await?;
    let (mut reader, mut writer) = slow.split();
    let mut second = tokio::time::interval(std::time::Duration::from_millis(50));
    let mut answer = [0; 1];
    loop {
        tokio::select! {
            read = reader.read(&mut answer) => {
                ensure!(!matches!(read, Ok(1..)), "it was answered");
                break;
            }
            _ = second.tick() => {
                // It fails once the connection is closed.
                let _ = writer.write_all(b"X").await;
            }
        }
    }
    app.finish().await
}

#[tokio::test]
async fn an_idle_connection_ends_after_its_own_time() -> Result<()> {
    let app = TestApp::start_with(&[("HTTP__IDLE_TIMEOUT", "300ms")]).await?;
    let mut stream = connect(&app).await?;
    post(&mut stream).await?;
    closed(&mut stream).await?;
    app.finish().await
}
