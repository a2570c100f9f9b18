//! Proxies between a client and an echo server.

use std::{
    io,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use heyi_testkit::tcp_proxy::{Damage, TcpProxy};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const MOMENT: Duration = Duration::from_millis(200);

async fn echo() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    Ok(port)
}

async fn connect(link: &TcpProxy) -> io::Result<TcpStream> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, link.port())).await
}

async fn exchange(stream: &mut TcpStream, text: &[u8]) -> io::Result<()> {
    stream.write_all(text).await?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).await?;
    assert_eq!(answer, text);
    Ok(())
}

#[tokio::test]
async fn a_whole_link_carries_both_ways() {
    let link = TcpProxy::start(&[echo().await.unwrap()]).await.unwrap();
    let mut stream = connect(&link).await.unwrap();
    exchange(&mut stream, &vec![7; 100_000]).await.unwrap();
}

#[tokio::test]
async fn a_cut_link_ends_its_connections_and_takes_none_until_it_is_whole() {
    let link = TcpProxy::start(&[echo().await.unwrap()]).await.unwrap();
    let mut stream = connect(&link).await.unwrap();
    exchange(&mut stream, b"before").await.unwrap();
    link.damage(0, Some(Damage::Cut));
    let error = stream.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(
        exchange(&mut connect(&link).await.unwrap(), b"during")
            .await
            .is_err()
    );
    link.damage(0, None);
    exchange(&mut connect(&link).await.unwrap(), b"after")
        .await
        .unwrap();
}

#[tokio::test]
async fn connections_of_a_half_open_link_stay_dead_and_new_ones_live() {
    let link = TcpProxy::start(&[echo().await.unwrap()]).await.unwrap();
    let (mut used, mut unused) = (connect(&link).await.unwrap(), connect(&link).await.unwrap());
    exchange(&mut used, b"before").await.unwrap();
    exchange(&mut unused, b"before").await.unwrap();
    link.damage(0, Some(Damage::HalfOpen));
    let mut new = connect(&link).await.unwrap();
    assert!(timeout(MOMENT, exchange(&mut used, b"lost")).await.is_err());
    assert!(timeout(MOMENT, exchange(&mut new, b"lost")).await.is_err());
    link.damage(0, None);
    assert!(timeout(MOMENT, exchange(&mut used, b"lost")).await.is_err());
    assert!(
        timeout(MOMENT, exchange(&mut unused, b"lost"))
            .await
            .is_err()
    );
    exchange(&mut connect(&link).await.unwrap(), b"after")
        .await
        .unwrap();
}

#[tokio::test]
async fn delayed_and_slow_links_carry_late() {
    let link = TcpProxy::start(&[echo().await.unwrap()]).await.unwrap();
    let mut stream = connect(&link).await.unwrap();
    for damage in [Damage::Delayed(MOMENT), Damage::Slow(500)] {
        link.damage(0, Some(damage));
        let start = Instant::now();
        exchange(&mut stream, &[7; 100]).await.unwrap();
        assert!(start.elapsed() >= MOMENT * 2, "{damage:?}");
    }
}

#[tokio::test]
async fn connections_go_to_a_server_that_takes_them() {
    let nobody = heyi_testkit::servers::process::free_port().unwrap();
    let link = TcpProxy::start(&[nobody, echo().await.unwrap()])
        .await
        .unwrap();
    for _ in 0..4 {
        exchange(&mut connect(&link).await.unwrap(), b"here")
            .await
            .unwrap();
    }
    link.damage(1, Some(Damage::Cut));
    assert!(
        exchange(&mut connect(&link).await.unwrap(), b"gone")
            .await
            .is_err()
    );
}
