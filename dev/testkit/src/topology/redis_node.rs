//! One Redis of a topology: settings, commands and role.

use std::time::Duration;

use anyhow::{Context as _, Result};
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, InfoDict};

use crate::servers::Server;

const PATIENCE: Duration = Duration::from_secs(2);

/// Settings with which a replica catches up within a second.
pub(super) fn quick() -> Vec<String> {
    [
        "repl-diskless-sync-delay 0",
        "repl-ping-replica-period 1",
        "repl-timeout 5",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Sends one command and reads the answer.
pub(super) async fn tell<T: FromRedisValue>(server: &Server, command: &Cmd) -> Result<T> {
    let settings = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    let mut connection = Client::open(server.url())?
        .get_multiplexed_async_connection_with_config(&settings)
        .await?;
    let answer = command.query_async(&mut connection).await;
    answer.with_context(|| format!("ask Redis at {}", server.address()))
}

/// Parses a command from its words.
pub(super) fn words(text: &str) -> Cmd {
    let mut command = Cmd::new();
    command.arg(text.split(' ').collect::<Vec<_>>());
    command
}

/// The replication role of a server.
pub(super) struct Role {
    pub(super) is_master: bool,
    /// Number of a master's replicas that have caught up.
    pub(super) replicas: usize,
    /// Whether a replica has caught up with its master.
    pub(super) follows: bool,
}

pub(super) async fn role(server: &Server) -> Result<Role> {
    let info: InfoDict = tell(server, &words("INFO replication")).await?;
    let text = |name: &str| info.get::<String>(name).unwrap_or_default();
    let replicas = (0..info.get::<usize>("connected_slaves").unwrap_or(0))
        .filter(|number| text(&format!("slave{number}")).contains("state=online"))
        .count();
    Ok(Role {
        is_master: text("role") == "master",
        replicas,
        follows: text("master_link_status") == "up",
    })
}
