//! Batches concurrent writes into one round trip.
//!
//! With one round trip per write, `/notify` costs the api 1.75 times the CPU if `redis.wait_replicas` is 1, because `WAIT`
//! blocks its connection. Otherwise it costs 1.08 times ([measured](../../../docs/performance.md#speed-ups)).

use std::time::Duration;

use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, Value};

use super::{
    connection::{Connection, Request},
    error::WriteError,
};
use crate::batch::{Batch, Batcher};

/// Round trips in flight at the same time.
const LANES: usize = 4;
/// Timeout of `WAIT`: a gateway gives up on a notify after 3 s.
const REPLICA_TIMEOUT: Duration = Duration::from_millis(1500);

/// Carries out the writes to one server in batches: a round trip costs Redis and us far more than a command does.
pub(super) struct WriteBatcher(Batcher<Lanes>);

/// A connection for each lane.
struct Lanes([Connection; LANES]);

/// The write of one request.
struct Write {
    commands: Vec<Cmd>,
    /// Number of replicas that must have it.
    replicas: u32,
}

impl WriteBatcher {
    pub(super) fn new(connect: impl Fn() -> Connection) -> Self {
        Self(Batcher::new(Lanes(std::array::from_fn(|_| connect()))))
    }

    /// Carries out `commands` in order over one connection. `WAIT` covers only the writes of its own connection, so both
    /// use the same one.
    pub(super) async fn write(
        &self,
        commands: Vec<Cmd>,
        replicas: u32,
    ) -> Result<Vec<Value>, WriteError> {
        let ended = |_| RedisError::from((ErrorKind::Io, "this process is ending"));
        let write = Write { commands, replicas };
        self.0.ask(write).await.map_err(ended)?
    }
}

impl Batch for Lanes {
    type Request = Write;
    type Answer = Result<Vec<Value>, WriteError>;

    const LANES: usize = LANES;
    /// Redis reads 16 KiB from a connection, about as many orders, before it writes to disk.
    const LARGEST: usize = 16;
    const WAITING: usize = 4096;

    async fn carry_out(&self, lane: usize, writes: Vec<Write>) -> Vec<Self::Answer> {
        let mut pipeline = Pipeline::new();
        let mut waiting = Vec::with_capacity(writes.len());
        let mut most = 0;
        for write in writes {
            waiting.push((write.commands.len(), write.replicas));
            most = most.max(write.replicas);
            for command in write.commands {
                pipeline.add_command(command);
            }
        }
        if most > 0 {
            let timeout = REPLICA_TIMEOUT.as_millis().to_string();
            pipeline.cmd("WAIT").arg(most).arg(timeout);
        }
        let sent = self.0[lane]
            .send(Request::Many(&pipeline, 0, pipeline.len()))
            .await
            .map(|answers| (replicated(&answers, most), answers.into_iter()));
        written(sent, &waiting)
    }
}

type Sent = RedisResult<(u32, std::vec::IntoIter<Value>)>;

/// The outcome of each write, given its number of commands and of replicas.
fn written(mut sent: Sent, writes: &[(usize, u32)]) -> Vec<Result<Vec<Value>, WriteError>> {
    let of = |(count, wanted): &(usize, u32)| match &mut sent {
        Err(error) => Err(error.clone().into()),
        Ok((got, answers)) => {
            // All of them, even after an error: the following answers belong to the next write.
            let own: Vec<Value> = answers.by_ref().take(*count).collect();
            match own.into_iter().map(Value::extract_error).collect() {
                Ok(_) if *got < *wanted => Err(WriteError::Replicas {
                    got: *got,
                    wanted: *wanted,
                }),
                answers => answers.map_err(WriteError::Redis),
            }
        }
    };
    writes.iter().map(of).collect()
}

/// The answer of `WAIT`, the last command; 0 if it was not sent, since no replica is needed.
fn replicated(answers: &[Value], most: u32) -> u32 {
    match answers.last() {
        Some(Value::Int(replicas)) if most > 0 => u32::try_from(*replicas).unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use redis::parse_redis_value;

    use super::*;

    #[test]
    fn every_write_gets_its_own_answers_though_one_before_it_failed_midway() {
        let answers = [
            // A transaction that Redis refuses for lack of memory.
            "+OK\r\n+QUEUED\r\n-OOM no memory\r\n-EXECABORT no transaction\r\n",
            // A write, another transaction, and a write again.
            "-OOM no memory\r\n",
            "+OK\r\n+QUEUED\r\n-OOM no memory\r\n-EXECABORT no transaction\r\n",
            "-OOM no memory\r\n",
            "+OK\r\n",
        ];
        let counts = answers.map(|answers| answers.matches("\r\n").count());
        let values: Vec<Value> = answers
            .concat()
            .split_inclusive("\r\n")
            .map(|answer| parse_redis_value(answer.as_bytes()).unwrap())
            .collect();
        let writes = counts.map(|count| (count, 0));
        let written = written(Ok((0, values.into_iter())), &writes);
        let succeeded = written.iter().map(Result::is_ok);
        assert_eq!(
            succeeded.collect::<Vec<_>>(),
            [false, false, false, false, true]
        );
    }
}
