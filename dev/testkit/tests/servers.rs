//! The servers as the tests of the other crates use them.

use std::{fs, io, time::Duration};

use heyi_testkit::servers::Server;
use mongodb::{Client, bson::doc};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Sends one inline command and reads one segment of the answer.
async fn ask(redis: &Server, command: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).await?;
    stream
        .write_all(format!("{command}\r\n").as_bytes())
        .await?;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

#[tokio::test]
async fn redis_keeps_every_answered_write_through_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut redis = Server::redis(dir.path(), None).await.unwrap();
    assert_eq!(ask(&redis, "SET answer 42").await.unwrap(), "+OK\r\n");

    redis.kill().await.unwrap();
    assert!(ask(&redis, "PING").await.is_err());

    redis.restart().await.unwrap();
    assert_eq!(ask(&redis, "GET answer").await.unwrap(), "$2\r\n42\r\n");
}

#[tokio::test]
async fn a_paused_server_answers_nothing_until_it_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let redis = Server::redis(dir.path(), None).await.unwrap();

    redis.pause().unwrap();
    let answer = timeout(Duration::from_millis(200), ask(&redis, "PING")).await;
    assert!(answer.is_err(), "{answer:?}");

    redis.resume().unwrap();
    assert_eq!(ask(&redis, "PING").await.unwrap(), "+PONG\r\n");
}

#[tokio::test]
async fn a_paused_server_can_be_stopped_and_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut redis = Server::redis(dir.path(), None).await.unwrap();

    redis.pause().unwrap();
    redis.stop().await.unwrap();
    redis.stop().await.unwrap();
    assert!(redis.exited().await.unwrap().success());

    redis.restart().await.unwrap();
    assert_eq!(ask(&redis, "PING").await.unwrap(), "+PONG\r\n");
}

#[tokio::test]
async fn a_dropped_server_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let redis = Server::redis(dir.path(), None).await.unwrap();
    let port = redis.port();
    drop(redis);

    let gone = async { while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {} };
    timeout(Duration::from_secs(5), gone).await.unwrap();
}

#[tokio::test]
async fn two_servers_cannot_have_one_port() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let redis = Server::redis(one.path(), None).await.unwrap();
    let refused = Server::redis(other.path(), Some(redis.port()))
        .await
        .unwrap_err();
    assert!(
        format!("{refused:#}").contains("cannot have port"),
        "{refused:#}"
    );
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("appendonlydir");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("appendonly.aof.manifest"), "nonsense").unwrap();
    let refused = Server::redis(dir.path(), None).await.unwrap_err();
    assert!(format!("{refused:#}").contains("manifest"), "{refused:#}");
}

#[tokio::test]
async fn mongo_is_primary_again_after_a_kill_and_after_a_stop() {
    let dir = tempfile::tempdir().unwrap();
    let mut mongo = Server::mongo(dir.path(), None).await.unwrap();
    let client = Client::with_uri_str(mongo.url()).await.unwrap();
    let names = client.database("servers").collection("names");
    names.insert_one(doc! { "_id": 1 }).await.unwrap();

    mongo.kill().await.unwrap();
    mongo.restart().await.unwrap();
    names.insert_one(doc! { "_id": 2 }).await.unwrap();

    mongo.stop().await.unwrap();
    mongo.restart().await.unwrap();
    names.insert_one(doc! { "_id": 3 }).await.unwrap();
    assert_eq!(names.count_documents(doc! {}).await.unwrap(), 3);
}
