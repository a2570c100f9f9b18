//! Finds the masters of a Redis Cluster.

use std::time::Duration;

use redis::{Client, ConnectionInfo, ErrorKind, RedisResult, Value, from_redis_value_ref};

use super::connection::connect;
use crate::config::{at, host_of};

/// Timeout of a request to a node.
const PATIENCE: Duration = Duration::from_millis(500);

/// The masters by their last slot, from the first node that answers.
pub(super) async fn masters(
    known: Vec<ConnectionInfo>,
    seeds: &[ConnectionInfo],
    pattern: &ConnectionInfo,
) -> RedisResult<Vec<(u16, ConnectionInfo)>> {
    let mut last_error = None;
    for node in known.iter().chain(seeds) {
        match ask(node, pattern).await {
            Ok(masters) => return Ok(masters),
            Err(error) => last_error = Some(error),
        }
    }
    Err(last_error
        .unwrap_or_else(|| (ErrorKind::Io, "no node of the Redis Cluster answers").into()))
}

async fn ask(
    node: &ConnectionInfo,
    pattern: &ConnectionInfo,
) -> RedisResult<Vec<(u16, ConnectionInfo)>> {
    let client = Client::open(node.clone())?;
    let mut connection = connect(&client, PATIENCE, PATIENCE).await?;
    let ranges: Vec<Vec<Value>> = redis::cmd("CLUSTER")
        .arg("SLOTS")
        .query_async(&mut connection)
        .await?;
    let mut masters = ranges
        .iter()
        .map(|range| read(range, host_of(node), pattern))
        .collect::<Option<Vec<_>>>()
        .filter(|masters| !masters.is_empty())
        .ok_or((ErrorKind::Io, "a node of the Redis Cluster knows no slots"))?;
    masters.sort_by_key(|(last, _)| *last);
    Ok(masters)
}

/// Parses a range: first and last slot, then the master's host, port and more, then the replicas. A node that does not know
/// its own host has the address that was asked.
fn read(range: &[Value], asked: &str, pattern: &ConnectionInfo) -> Option<(u16, ConnectionInfo)> {
    let [_, last, Value::Array(master), ..] = range else {
        return None;
    };
    let last = from_redis_value_ref(last).ok()?;
    let host: Option<String> = from_redis_value_ref(master.first()?).ok()?;
    let host = host.filter(|host| !host.is_empty() && host != "?");
    let port = from_redis_value_ref(master.get(1)?).ok()?;
    Some((last, at(pattern, host.as_deref().unwrap_or(asked), port)))
}
