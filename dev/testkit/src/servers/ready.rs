//! Readiness of servers that were just started.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use mongodb::{
    Client,
    bson::{Document, doc},
    options::{ClientOptions, ServerAddress},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const ATTEMPT_LIMIT: Duration = Duration::from_secs(2);

/// Redis refuses `PING` while it loads its data, so `PONG` is enough.
pub(super) async fn redis(port: u16, password: Option<&str>) -> Result<()> {
    let mut answer = [0; 5];
    timeout(ATTEMPT_LIMIT, async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        if let Some(password) = password {
            let login = format!("AUTH {password}\r\n");
            stream.write_all(login.as_bytes()).await?;
            stream.read_exact(&mut answer).await?;
        }
        stream.write_all(b"PING\r\n").await?;
        stream.read_exact(&mut answer).await
    })
    .await??;
    ensure!(
        &answer == b"+PONG",
        "Redis answered {:?}",
        String::from_utf8_lossy(&answer)
    );
    Ok(())
}

/// Waits until MongoDB's only member is primary. Forms the replica set if it does not exist.
pub(super) async fn mongo(port: u16) -> Result<()> {
    let client = direct(port).await?;
    let answer = form_replica_set(&client, port).await;
    client.shutdown().immediate(true).await;
    answer
}

/// Waits until a member of a larger set answers. The set itself waits for its roles.
pub(super) async fn mongo_member(port: u16) -> Result<()> {
    let client = direct(port).await?;
    let ping = doc! { "ping": 1 };
    let answer = client.database("admin").run_command(ping).await;
    client.shutdown().immediate(true).await;
    answer.map(drop).context("MongoDB does not answer")
}

async fn direct(port: u16) -> Result<Client> {
    // The driver tries a server only twice a second; this is faster.
    timeout(
        ATTEMPT_LIMIT,
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)),
    )
    .await??;
    let options = ClientOptions::builder()
        .hosts(vec![ServerAddress::Tcp {
            host: "127.0.0.1".into(),
            port: Some(port),
        }])
        .direct_connection(true)
        .server_selection_timeout(ATTEMPT_LIMIT)
        .build();
    Ok(Client::with_options(options)?)
}

async fn form_replica_set(client: &Client, port: u16) -> Result<()> {
    let admin = client.database("admin");
    let hello: Document = admin.run_command(doc! { "hello": 1 }).await?;
    if !hello.contains_key("setName") {
        let member = doc! { "_id": 0, "host": format!("127.0.0.1:{port}") };
        let set = doc! { "_id": "rs0", "members": [member] };
        // An existing set that is still loading refuses this. The next round finds it.
        admin
            .run_command(doc! { "replSetInitiate": set })
            .await
            .context("no replica set yet")?;
    }
    ensure!(
        hello
            .get_bool("isWritablePrimary")
            .is_ok_and(|primary| primary),
        "MongoDB is not primary yet"
    );
    Ok(())
}
