//! One connection, which opens when it is first used and reopens after a failure.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};

use tokio::time::{Instant, timeout};

use super::{
    failover::is_failover,
    refreshable::{Refreshable, Versioned},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Timeout of a response, unless the command blocks.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection that was idle for longer is checked with a `PING` before use: a load balancer may have dropped it.
const IDLE: Duration = Duration::from_secs(10);
/// Timeout of that `PING`.
const PING_TIMEOUT: Duration = Duration::from_millis(500);

/// A command or a pipeline.
#[derive(Clone, Copy)]
pub(super) enum Request<'a> {
    One(&'a Cmd),
    /// With the index of the first answer that counts, and their number.
    Many(&'a Pipeline, usize, usize),
}

/// A connection for concurrent requests.
pub(super) struct Connection {
    client: Client,
    multiplexed: Refreshable<MultiplexedConnection>,
    /// When the last answer arrived.
    answered: Mutex<Instant>,
    /// Locked while an idle connection is checked.
    trying: tokio::sync::Mutex<()>,
}

impl Connection {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            multiplexed: Refreshable::default(),
            answered: Mutex::new(Instant::now()),
            trying: tokio::sync::Mutex::default(),
        }
    }

    /// Sends a request.
    ///
    /// A broken connection is noticed only when something is sent. Such a request is sent once more over a new connection.
    /// The server may have received the first one, so every request must be safe to repeat.
    pub(super) async fn send(&self, request: Request<'_>) -> RedisResult<Vec<Value>> {
        match self.send_once(request).await {
            Err(error) if error.is_connection_dropped() => self.send_once(request).await,
            other => other,
        }
    }

    async fn send_once(&self, request: Request<'_>) -> RedisResult<Vec<Value>> {
        let Versioned { version, mut value } = self.ready().await?;
        let sent = match request {
            Request::One(command) => value
                .req_packed_command(command)
                .await
                .map(|answer| vec![answer]),
            Request::Many(pipeline, offset, count) => {
                value.req_packed_commands(pipeline, offset, count).await
            }
        };
        // After a timeout too: it is the only sign that the server is gone.
        if is_failover(&sent) {
            self.multiplexed.forget(version).await;
        } else {
            self.note_answer();
        }
        sent
    }

    /// A connection that answered recently, passed the check, or is new.
    async fn ready(&self) -> RedisResult<Versioned<MultiplexedConnection>> {
        let made = self.connect_if_needed().await?;
        if !self.is_idle() {
            return Ok(made);
        }
        let _trying = self.trying.lock().await;
        let mut made = self.connect_if_needed().await?;
        if self.is_idle() {
            let ping = redis::cmd("PING");
            let answer = timeout(PING_TIMEOUT, made.value.req_packed_command(&ping)).await;
            if !matches!(answer, Ok(Ok(_))) {
                self.multiplexed.forget(made.version).await;
                made = self.connect_if_needed().await?;
            }
            self.note_answer();
        }
        Ok(made)
    }

    async fn connect_if_needed(&self) -> RedisResult<Versioned<MultiplexedConnection>> {
        self.multiplexed
            .get(async || {
                let opened = self.open().await;
                self.note_answer();
                opened
            })
            .await
    }

    fn is_idle(&self) -> bool {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.elapsed() > IDLE
    }

    fn note_answer(&self) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        *answered = Instant::now();
    }

    /// Opens a connection, with two attempts: a busy process may notice too late that it was connected.
    async fn open(&self) -> RedisResult<MultiplexedConnection> {
        let open = || open(&self.client, RESPONSE_TIMEOUT);
        match open().await {
            Err(error) if error.is_timeout() => open().await,
            other => other,
        }
    }
}

/// Opens a connection whose responses may take `longest`.
pub(super) async fn open(client: &Client, longest: Duration) -> RedisResult<MultiplexedConnection> {
    connect(client, CONNECT_TIMEOUT, longest).await
}

/// Opens a connection within `connect` whose responses may take `answer`.
pub(super) async fn connect(
    client: &Client,
    connect: Duration,
    answer: Duration,
) -> RedisResult<MultiplexedConnection> {
    let settings = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(connect))
        .set_response_timeout(Some(answer));
    client
        .get_multiplexed_async_connection_with_config(&settings)
        .await
}
