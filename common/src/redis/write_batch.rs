//! Writes of one moment, gathered into one round trip.
//!
//! With a round trip for each write, `/notify` costs the api 1.75 times the CPU if `redis.wait_replicas` is 1, because `WAIT` blocks its
//! connection, and 1.08 times otherwise ([measured](../../../docs/performance.md#speed-ups)).

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, Value};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::{
    connection::{Connection, Request},
    error::WriteError,
};
use crate::batch::fill;

/// Round trips that may be under way at the same time; while they are, the next one fills.
const LANES: usize = 4;
/// Writes of one round trip at most. Redis takes 16 KiB from a connection, about as many orders, before it writes
/// to disk.
const LARGEST: usize = 16;
/// Writes that wait for a round trip, before those who write wait as well.
const WAITING: usize = 4096;
/// How long to wait for replicas: a gateway gives up on a notify after 3 s.
const REPLICA_TIMEOUT: Duration = Duration::from_millis(1500);

/// Carries out the writes to one server, those of the same moment together: a round trip costs Redis and us far
/// more than a command does.
pub(super) struct WriteBatcher {
    links: [Arc<Connection>; LANES],
    queue: OnceLock<mpsc::Sender<Write>>,
}

/// What one request writes.
struct Write {
    commands: Vec<Cmd>,
    /// How many replicas are to have it.
    replicas: u32,
    done: oneshot::Sender<Result<Vec<Value>, WriteError>>,
}

impl WriteBatcher {
    pub(super) fn new(link: impl Fn() -> Connection) -> Self {
        Self {
            links: std::array::from_fn(|_| Arc::new(link())),
            queue: OnceLock::new(),
        }
    }

    /// Carries out `commands`, in their order, over one connection. `WAIT` speaks of the writes of its own connection
    /// only, so the two never travel on different ones.
    pub(super) async fn write(
        &self,
        commands: Vec<Cmd>,
        replicas: u32,
    ) -> Result<Vec<Value>, WriteError> {
        let (done, answer) = oneshot::channel();
        let write = Write {
            commands,
            replicas,
            done,
        };
        let queue = self.queue.get_or_init(|| self.start());
        // The lanes end with this value, or with the runtime.
        let ended = || RedisError::from((ErrorKind::Io, "this process is ending"));
        queue.send(write).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    fn start(&self) -> mpsc::Sender<Write> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let receiver = Arc::new(Mutex::new(receiver));
        for link in &self.links {
            tokio::spawn(run(link.clone(), receiver.clone()));
        }
        sender
    }
}

async fn run(link: Arc<Connection>, queue: Arc<Mutex<mpsc::Receiver<Write>>>) {
    let mut writes = Vec::with_capacity(LARGEST);
    while fill(&mut writes, &mut *queue.lock().await, LARGEST).await {
        carry_out(&link, &mut writes).await;
    }
}

async fn carry_out(link: &Connection, writes: &mut Vec<Write>) {
    let mut pipeline = Pipeline::new();
    let mut waiting = Vec::with_capacity(writes.len());
    let mut most = 0;
    for write in writes.drain(..) {
        waiting.push((write.commands.len(), write.replicas, write.done));
        most = most.max(write.replicas);
        for command in write.commands {
            pipeline.add_command(command);
        }
    }
    if most > 0 {
        let timeout = REPLICA_TIMEOUT.as_millis().to_string();
        pipeline.cmd("WAIT").arg(most).arg(timeout);
    }
    let sent = link
        .send(Request::Many(&pipeline, 0, pipeline.len()))
        .await
        .map(|answers| (replicated(&answers, most), answers.into_iter()));
    deliver(sent, waiting);
}

type Sent = RedisResult<(u32, std::vec::IntoIter<Value>)>;
type Waiting = (usize, u32, oneshot::Sender<Result<Vec<Value>, WriteError>>);

fn deliver(mut sent: Sent, waiting: Vec<Waiting>) {
    for (count, wanted, done) in waiting {
        let written = match &mut sent {
            Err(error) => Err(error.clone().into()),
            Ok((got, answers)) => {
                // All of them, also those after an error: the next answers are those of the next write.
                let own: Vec<Value> = answers.by_ref().take(count).collect();
                match own.into_iter().map(Value::extract_error).collect() {
                    Ok(_) if *got < wanted => Err(WriteError::Replicas { got: *got, wanted }),
                    answers => answers.map_err(WriteError::Redis),
                }
            }
        };
        // Nobody waits any more when the client has gone.
        let _ = done.send(written);
    }
}

/// What `WAIT`, the last command, answered; where it was not asked, nobody wants a replica.
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
            // A transaction that Redis has no memory for.
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
        let (waiting, written): (Vec<Waiting>, Vec<_>) = counts
            .map(|count| {
                let (done, written) = oneshot::channel();
                ((count, 0, done), written)
            })
            .into_iter()
            .unzip();
        deliver(Ok((0, values.into_iter())), waiting);
        let succeeded = written
            .into_iter()
            .map(|mut written| written.try_recv().unwrap().is_ok());
        assert_eq!(
            succeeded.collect::<Vec<_>>(),
            [false, false, false, false, true]
        );
    }
}
