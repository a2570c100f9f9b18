//! The shared connection, which goes on after Redis came back.

use redis::{
    Cmd, Pipeline, RedisFuture, Value,
    aio::{ConnectionLike, ConnectionManager},
};

/// A connection that many use at once. Cheap to clone.
///
/// The manager below notices that a connection broke only when a command fails on it, so the first command
/// after Redis was away would fail although Redis is back. Here it is sent once more, on a new connection.
/// The broken one may have carried it out, so whatever is sent here must do no harm when it comes twice.
#[derive(Clone)]
pub struct Shared(pub(super) ConnectionManager);

impl ConnectionLike for Shared {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            match self.0.req_packed_command(command).await {
                Err(error) if error.is_connection_dropped() => {
                    self.0.req_packed_command(command).await
                }
                other => other,
            }
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            match self.0.req_packed_commands(pipeline, offset, count).await {
                Err(error) if error.is_connection_dropped() => {
                    self.0.req_packed_commands(pipeline, offset, count).await
                }
                other => other,
            }
        })
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }
}
