//! One server and its connections.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use redis::{Client, Cmd, ConnectionInfo, RedisResult, Value, aio::MultiplexedConnection};

use super::{
    connection::{self, Connection, Request},
    error::WriteError,
    write_batch::WriteBatcher,
};

/// More than one, so that a large answer does not delay the others.
const CONNECTIONS: usize = 2;

/// A server with connections that open when they are first used and reopen after a failure.
pub(super) struct Node {
    client: Client,
    shared: [Connection; CONNECTIONS],
    turn: AtomicUsize,
    writes: WriteBatcher,
}

impl Node {
    pub(super) fn new(server: ConnectionInfo) -> RedisResult<Self> {
        let client = Client::open(server)?;
        let connect = || Connection::new(client.clone());
        Ok(Self {
            shared: std::array::from_fn(|_| connect()),
            turn: AtomicUsize::default(),
            writes: WriteBatcher::new(connect),
            client,
        })
    }

    pub(super) fn server(&self) -> &ConnectionInfo {
        self.client.get_connection_info()
    }

    /// Sends a request over one of the shared connections.
    pub(super) async fn send(&self, request: Request<'_>) -> RedisResult<Vec<Value>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % CONNECTIONS;
        self.shared[turn].send(request).await
    }

    /// Carries out commands in a batch with others.
    pub(super) async fn write(
        &self,
        commands: Vec<Cmd>,
        replicas: u32,
    ) -> Result<Vec<Value>, WriteError> {
        self.writes.write(commands, replicas).await
    }

    /// A dedicated connection whose responses may take `longest`.
    pub(super) async fn connect(&self, longest: Duration) -> RedisResult<MultiplexedConnection> {
        connection::open(&self.client, longest).await
    }
}
