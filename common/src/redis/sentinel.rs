//! Finds the master with Sentinel.

use std::{collections::HashMap, time::Duration};

use futures::future::join_all;
use redis::{Client, ConnectionInfo, ErrorKind, RedisResult, Value};

use super::{connection::connect, is_forbidden};
use crate::config::at;

/// Timeout of a request to a sentinel, or to a server about its role.
const PATIENCE: Duration = Duration::from_millis(500);

/// A server that a sentinel names as the master, with the configuration epoch of its election.
struct Candidate {
    server: ConnectionInfo,
    epoch: u64,
}

/// The master: the server of the latest epoch that reports the role `master` itself.
///
/// Asks all sentinels, since one that was partitioned may still name the old master.
pub(super) async fn master(
    sentinels: &[ConnectionInfo],
    name: &str,
    pattern: &ConnectionInfo,
) -> RedisResult<ConnectionInfo> {
    let asked = sentinels
        .iter()
        .map(|sentinel| ask(sentinel, name, pattern));
    let (mut found, mut last_error) = (Vec::<Candidate>::new(), None);
    for answer in join_all(asked).await {
        match answer {
            Ok(candidate) => found.push(candidate),
            Err(error) => last_error = Some(error),
        }
    }
    found.sort_by_key(|candidate| std::cmp::Reverse(candidate.epoch));
    found.dedup_by(|one, other| one.server.addr() == other.server.addr());
    for Candidate { server, .. } in found {
        match is_master(&server).await {
            Ok(true) => return Ok(server),
            Ok(false) => {}
            Err(error) => last_error = Some(error),
        }
    }
    Err(last_error.unwrap_or_else(|| {
        (
            ErrorKind::Io,
            "the sentinels name no server that is a master",
        )
            .into()
    }))
}

async fn ask(
    sentinel: &ConnectionInfo,
    name: &str,
    pattern: &ConnectionInfo,
) -> RedisResult<Candidate> {
    let client = Client::open(sentinel.clone())?;
    let mut connection = connect(&client, PATIENCE, PATIENCE).await?;
    let mut questions = redis::pipe();
    // The first command names a replica as soon as it is promoted, the second only after the failover.
    questions
        .cmd("SENTINEL")
        .arg("GET-MASTER-ADDR-BY-NAME")
        .arg(name);
    questions.cmd("SENTINEL").arg("MASTER").arg(name);
    let (address, state): (Option<(String, u16)>, HashMap<String, Value>) =
        questions.query_async(&mut connection).await?;
    let (host, port) = address.ok_or((
        ErrorKind::InvalidClientConfig,
        "a sentinel knows no master of this name",
    ))?;
    let epoch = state
        .get("config-epoch")
        .and_then(|epoch| redis::from_redis_value_ref(epoch).ok());
    Ok(Candidate {
        server: at(pattern, &host, port),
        epoch: epoch.unwrap_or(0),
    })
}

async fn is_master(server: &ConnectionInfo) -> RedisResult<bool> {
    let client = Client::open(server.clone())?;
    let mut connection = connect(&client, PATIENCE, PATIENCE).await?;
    let role: RedisResult<Vec<Value>> = redis::cmd("ROLE").query_async(&mut connection).await;
    if role.as_ref().is_err_and(is_forbidden) {
        // Without permission to ask, trust the sentinels. A replica refuses writes, which starts a new lookup.
        return Ok(true);
    }
    let role = role?;
    let role: Option<String> = role
        .first()
        .and_then(|role| redis::from_redis_value_ref(role).ok());
    Ok(role.as_deref() == Some("master"))
}
