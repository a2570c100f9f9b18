//! The persistence settings of every Redis server.

use std::time::Duration;

use futures::future::join_all;
use redis::{ConnectionInfo, InfoDict, RedisResult, aio::MultiplexedConnection};

use super::{Redis, is_forbidden, masters::all, node::Node};
use crate::{backoff::Backoff, config::at, outage};

/// The warning for an operator.
pub const FORBIDDEN: &str = "Redis refuses INFO to this user: nobody checks how it keeps data, and new orders are taken whatever \
     memory it uses; allow INFO (ACL: +info)";
const PATIENCE: Duration = Duration::from_secs(2);
/// The default number of databases of a Redis.
const DATABASES: u8 = 16;

/// How a server stores what it acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Persistence {
    /// The server.
    pub server: String,
    /// Its version.
    pub version: String,
    /// Number of connected replicas; none if it is a replica itself.
    pub replicas: Option<u32>,
    /// Whether the append-only file is on.
    pub append_only: bool,
    /// `appendfsync`: `always`, `everysec` or `no`; empty if not reported.
    pub append_fsync: String,
    /// Whether the last rewrite of the append-only file failed.
    pub rewrite_failed: bool,
    /// Number of keys in all databases.
    pub keys: u64,
    /// Whether `fsync` may be skipped while the append-only file is rewritten; none if not reported.
    pub no_fsync_on_rewrite: Option<bool>,
    /// `maxmemory` in bytes; 0 is no limit.
    pub maxmemory: u64,
    /// The eviction policy; anything but `noeviction` may drop orders and events.
    pub eviction: String,
}

impl Persistence {
    /// What an operator should change, one sentence each.
    fn warnings(&self) -> Vec<String> {
        let (server, mut found) = (&self.server, Vec::new());
        if !self.append_only && self.keys > 0 {
            found.push(format!(
                "Redis {server} has appendonly off and holds {} keys: its crash loses acknowledged payments, and a restart with \
                 appendonly yes in its file loads none of these keys. First run CONFIG SET appendonly yes, wait until INFO \
                 persistence says aof_rewrite_in_progress:0, then change the file",
                self.keys
            ));
        } else if !self.append_only {
            found.push(format!(
                "Redis {server} has appendonly off: its crash loses acknowledged payments; set appendonly yes"
            ));
        } else if self.append_fsync.is_empty() {
            found.push(format!(
                "Redis {server} does not tell its appendfsync to this user: make sure that it is always, or allow CONFIG GET \
                 (ACL: +config|get)"
            ));
        } else if self.append_fsync != "always" {
            found.push(format!(
                "Redis {server} has appendfsync {:?}: a power cut loses the last second of acknowledged payments; set appendfsync always",
                self.append_fsync
            ));
        }
        if self.append_only && self.rewrite_failed {
            found.push(format!(
                "Redis {server} could not rewrite its append-only file: look at its log, then run BGREWRITEAOF"
            ));
        }
        if self.no_fsync_on_rewrite == Some(true) {
            found.push(format!(
                "Redis {server} has no-appendfsync-on-rewrite yes: a power cut during a rewrite of the append-only file loses acknowledged payments; set no-appendfsync-on-rewrite no"
            ));
        }
        if self.maxmemory == 0 {
            found.push(format!(
                "Redis {server} has no maxmemory: unpaid orders can take all memory of the machine, and the system then ends \
                 Redis; set maxmemory, so that new orders are refused before that"
            ));
        }
        if !matches!(self.eviction.as_str(), "" | "noeviction") {
            found.push(format!(
                "Redis {server} has maxmemory-policy {}: it may drop orders; set maxmemory-policy noeviction",
                self.eviction
            ));
        }
        found
    }
}

impl Redis {
    /// The persistence of each server, masters first, and a sentence for each replica that cannot be asked. If `CONFIG` is
    /// forbidden, only the data of `INFO`.
    pub async fn persistence(&self) -> RedisResult<(Vec<Persistence>, Vec<String>)> {
        let map = self.masters.map().await?.value;
        let mut found = Vec::new();
        let mut replicas = Vec::new();
        for master in all(&map) {
            let mut connection = master.connect(PATIENCE).await?;
            let info: InfoDict = redis::cmd("INFO").query_async(&mut connection).await?;
            replicas.extend(replicas_of(&info, master.server()));
            found.push(read(master.server(), &info, &mut connection).await);
        }
        let mut unasked = Vec::new();
        let asked = join_all(replicas.iter().cloned().map(ask)).await;
        for (replica, answer) in replicas.iter().zip(asked) {
            match answer {
                Ok(replica) => found.push(replica),
                Err(error) => unasked.push(format!(
                    "the replica {} cannot be asked how it keeps data: {error}",
                    replica.addr()
                )),
            }
        }
        Ok((found, unasked))
    }

    /// What an operator should change about these servers, one sentence each.
    pub fn warnings_about(&self, servers: &[Persistence]) -> Vec<String> {
        let wanted = self.wait_replicas;
        let lacking = servers.iter().filter_map(|server| {
            let has = server.replicas.filter(|has| *has < wanted)?;
            Some(format!(
                "Redis {} has fewer replicas ({has}) than redis.wait_replicas asks for ({wanted}): no order and no notify is taken",
                server.server
            ))
        });
        servers
            .iter()
            .flat_map(Persistence::warnings)
            .chain(lacking)
            .collect()
    }

    /// Logs what could lose a payment, as soon as Redis answers.
    pub async fn warn_of_risks(&self) {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        loop {
            match self.persistence().await {
                Ok((servers, unasked)) => {
                    for warning in self.warnings_about(&servers) {
                        tracing::error!(once = true, "{warning}");
                    }
                    for replica in unasked {
                        tracing::warn!("{replica}");
                    }
                    return;
                }
                Err(error) if is_forbidden(&error) => {
                    tracing::warn!(%error, "{FORBIDDEN}");
                    return;
                }
                Err(error) => {
                    outage::report("cannot check how Redis keeps data, trying again", &error);
                }
            }
            backoff.wait().await;
        }
    }
}

async fn ask(server: ConnectionInfo) -> RedisResult<Persistence> {
    let node = Node::new(server)?;
    let mut connection = node.connect(PATIENCE).await?;
    let info: InfoDict = redis::cmd("INFO").query_async(&mut connection).await?;
    Ok(read(node.server(), &info, &mut connection).await)
}

async fn read(
    server: &ConnectionInfo,
    info: &InfoDict,
    connection: &mut MultiplexedConnection,
) -> Persistence {
    let append_fsync = setting("appendfsync", connection).await;
    let on_rewrite = setting("no-appendfsync-on-rewrite", connection).await;
    let is_master = info.get::<String>("role").as_deref() == Some("master");
    Persistence {
        server: server.addr().to_string(),
        version: info.get("redis_version").unwrap_or_default(),
        replicas: is_master.then(|| info.get("connected_slaves").unwrap_or(0)),
        append_only: info.get::<u8>("aof_enabled") == Some(1),
        append_fsync: append_fsync.unwrap_or_default(),
        rewrite_failed: info.get::<String>("aof_last_bgrewrite_status").as_deref() == Some("err"),
        keys: keys(info),
        no_fsync_on_rewrite: on_rewrite.map(|value| value == "yes"),
        maxmemory: info.get("maxmemory").unwrap_or(0),
        eviction: info.get("maxmemory_policy").unwrap_or_default(),
    }
}

/// The number of keys in `INFO`: `db0:keys=5,expires=2,avg_ttl=0`.
fn keys(info: &InfoDict) -> u64 {
    let databases = (0..DATABASES).filter_map(|number| info.get::<String>(&format!("db{number}")));
    databases
        .filter_map(|line| {
            let keys = line.strip_prefix("keys=")?;
            keys.split(',').next()?.parse::<u64>().ok()
        })
        .sum()
}

/// The value of a setting; none if `CONFIG` is forbidden.
async fn setting(name: &str, connection: &mut MultiplexedConnection) -> Option<String> {
    let mut question = redis::cmd("CONFIG");
    question.arg("GET").arg(name);
    let pair: RedisResult<Vec<String>> = question.query_async(connection).await;
    pair.ok()?.into_iter().nth(1)
}

/// The replicas in a master's `INFO`: `slave0:ip=10.0.0.2,port=6379,state=online,offset=1,lag=0`.
fn replicas_of(info: &InfoDict, master: &ConnectionInfo) -> Vec<ConnectionInfo> {
    let count: usize = info.get("connected_slaves").unwrap_or(0);
    let lines = (0..count).filter_map(|number| info.get::<String>(&format!("slave{number}")));
    let field = |line: &str, name: &str| {
        let mut fields = line.split(',').filter_map(|field| field.split_once('='));
        fields
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
    };
    lines
        .filter_map(|line| {
            let port = field(&line, "port")?.parse().ok()?;
            Some(at(master, &field(&line, "ip")?, port))
        })
        .collect()
}
