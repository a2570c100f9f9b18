//! One server, and the connections to it.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, Pipeline, RedisError, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};

use super::{
    outdated::is_outdated,
    renewable::{Made, Renewable},
};

/// Redis takes 16 KiB at most from one connection before it writes to disk, about a dozen orders; over several
/// connections more of them share one write.
const CONNECTIONS: usize = 4;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What is sent in one go.
#[derive(Clone, Copy)]
pub(super) enum Request<'a> {
    One(&'a Cmd),
    /// With the first answer that counts, and how many do.
    Many(&'a Pipeline, usize, usize),
}

/// A server, with connections that are opened when they are needed and again when they broke.
pub(super) struct Node {
    client: Client,
    shared: [Renewable<MultiplexedConnection>; CONNECTIONS],
    /// For commands that wait for replicas, and so hold up those behind them.
    waiting: [Renewable<MultiplexedConnection>; CONNECTIONS],
    turn: AtomicUsize,
}

impl Node {
    pub(super) fn new(server: ConnectionInfo) -> RedisResult<Self> {
        Ok(Self {
            client: Client::open(server)?,
            shared: Default::default(),
            waiting: Default::default(),
            turn: AtomicUsize::default(),
        })
    }

    pub(super) fn server(&self) -> &ConnectionInfo {
        self.client.get_connection_info()
    }

    /// Sends a request over one of the shared connections, or one of those where waiting is allowed.
    ///
    /// That a connection broke shows only when something is sent over it, so what met a broken one is sent once
    /// more, over a new one. The broken one may have carried it out, so whatever is sent here must do no harm
    /// when it comes twice.
    pub(super) async fn send(&self, request: Request<'_>, waits: bool) -> RedisResult<Vec<Value>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % CONNECTIONS;
        let link = if waits {
            &self.waiting[turn]
        } else {
            &self.shared[turn]
        };
        match self.send_over(link, request).await {
            Err(error) if error.is_connection_dropped() => self.send_over(link, request).await,
            other => other,
        }
    }

    async fn send_over(
        &self,
        link: &Renewable<MultiplexedConnection>,
        request: Request<'_>,
    ) -> RedisResult<Vec<Value>> {
        let Made { version, mut value } = link.get(async || self.open().await).await?;
        let sent = match request {
            Request::One(command) => value
                .req_packed_command(command)
                .await
                .map(|answer| vec![answer]),
            Request::Many(pipeline, offset, count) => {
                value.req_packed_commands(pipeline, offset, count).await
            }
        };
        // After a timeout too: nothing else tells that the other end is gone.
        if is_outdated(&sent) {
            link.forget(version).await;
        }
        sent
    }

    /// A process that is busy for a moment may see too late that it was connected, so it may try twice.
    async fn open(&self) -> RedisResult<MultiplexedConnection> {
        match self.connect(RESPONSE_TIMEOUT).await {
            Err(error) if error.is_timeout() => self.connect(RESPONSE_TIMEOUT).await,
            other => other,
        }
    }

    /// A connection of its own whose answers may take `longest`.
    pub(super) async fn connect(&self, longest: Duration) -> RedisResult<MultiplexedConnection> {
        connect(&self.client, CONNECT_TIMEOUT, longest).await
    }
}

/// Opens a connection.
pub(super) async fn connect(
    client: &Client,
    connect: Duration,
    answer: Duration,
) -> Result<MultiplexedConnection, RedisError> {
    let settings = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(connect))
        .set_response_timeout(Some(answer));
    client
        .get_multiplexed_async_connection_with_config(&settings)
        .await
}
