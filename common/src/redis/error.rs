//! Errors of durable writes.

use redis::RedisError;

/// Why a write is not known to be durable. It may have been written all the same, so repeating it must be safe.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Redis did not answer, or refused.
    #[error("Redis did not answer")]
    Redis(#[from] RedisError),
    /// Too few replicas have it.
    #[error("only {got} of {wanted} replicas have it")]
    Replicas {
        /// Number of replicas that have it.
        got: u32,
        /// Number of replicas that should.
        wanted: u32,
    },
}
