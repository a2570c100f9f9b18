//! The shared connection, which follows the master.

use std::sync::Arc;

use futures::future::join_all;
use redis::{Cmd, ErrorKind, Pipeline, RedisFuture, RedisResult, Value, aio::ConnectionLike};

use super::{
    connection::Request,
    failover::{is_failover, is_worth_repeating, says_elsewhere},
    masters::{Masters, all, master_of},
    refreshable::Versioned,
    slot,
};

/// A connection for concurrent use. Cheap to clone.
///
/// It uses the master of the keys, reopens broken connections, and finds the new master after a failover. A request that
/// met a broken connection or a former master is sent once more, so every request must be safe to repeat.
#[derive(Clone)]
pub struct Shared {
    pub(super) masters: Arc<Masters>,
}

impl Shared {
    async fn send(&self, request: Request<'_>) -> RedisResult<Vec<Value>> {
        let sent = self.send_once(request).await;
        let is_elsewhere = match &sent {
            Err(error) => is_worth_repeating(error),
            Ok(answers) => answers.iter().any(says_elsewhere),
        };
        if is_elsewhere && self.masters.may_move() {
            return self.send_once(request).await;
        }
        sent
    }

    async fn send_once(&self, request: Request<'_>) -> RedisResult<Vec<Value>> {
        let Versioned {
            version,
            value: map,
        } = self.masters.map().await?;
        let slot = match request {
            _ if !self.masters.are_many() => Some(0),
            Request::One(command) => slot::of_command(command),
            Request::Many(pipeline, ..) => slot::of_pipeline(pipeline),
        };
        let sent = if let Some(slot) = slot {
            master_of(&map, slot)?.send(request).await
        } else {
            // Without a key it loads a script or inspects the servers: send it to every master.
            let nodes = all(&map);
            let sent = nodes.iter().map(|node| node.send(request));
            any(join_all(sent).await)
        };
        if is_failover(&sent) {
            self.masters.forget(version).await;
        }
        sent
    }
}

/// The first success. A master that is unavailable gets the script later.
fn any(answers: Vec<RedisResult<Vec<Value>>>) -> RedisResult<Vec<Value>> {
    let nobody = Err((ErrorKind::Io, "no master of Redis is known").into());
    answers.into_iter().reduce(Result::or).unwrap_or(nobody)
}

impl ConnectionLike for Shared {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let mut answers = self.send(Request::One(command)).await?;
            answers.pop().unwrap_or(Value::Nil).extract_error()
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move { self.send(Request::Many(pipeline, offset, count)).await })
    }

    fn get_db(&self) -> i64 {
        0
    }
}
