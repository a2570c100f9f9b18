//! Writes that are only done when replicas have them too.

use std::time::Duration;

use redis::{Pipeline, RedisError, Value};

use super::Redis;

/// How long to wait for replicas: PayJS gives up after 3 s.
const REPLICA_TIMEOUT: Duration = Duration::from_millis(1500);

/// Why something could not be written durably. It may be written all the same, so doing it again must do no
/// harm.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Redis is out of reach or refused.
    #[error("Redis is out of reach")]
    Redis(#[from] RedisError),
    /// Fewer replicas than asked for have it.
    #[error("only {got} of {wanted} replicas have it")]
    Replicas {
        /// How many have it.
        got: u32,
        /// How many should.
        wanted: u32,
    },
}

impl Redis {
    /// Sends commands and returns their answers; where replicas are to have them, in one go with the wait for
    /// that. `WAIT` speaks of the writes of its own connection only, so the two must never travel on different ones.
    pub async fn write(&self, mut commands: Pipeline) -> Result<Vec<Value>, WriteError> {
        let wanted = self.wait_replicas;
        if wanted == 0 {
            return Ok(commands.query_async(&mut self.shared()).await?);
        }
        commands
            .cmd("WAIT")
            .arg(wanted)
            .arg(REPLICA_TIMEOUT.as_millis().to_string());
        let mut answers: Vec<Value> = commands.query_async(&mut self.waiting()).await?;
        let got = match answers.pop() {
            Some(Value::Int(replicas)) => u32::try_from(replicas).unwrap_or(0),
            _ => 0,
        };
        if got < wanted {
            return Err(WriteError::Replicas { got, wanted });
        }
        Ok(answers)
    }
}
