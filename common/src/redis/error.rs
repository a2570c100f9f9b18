//! Why Redis did not do something.

use redis::RedisError;

/// Why something could not be written durably. It may be written all the same, so doing it again must do no
/// harm.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Redis did not answer, or refused.
    #[error("Redis did not answer")]
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
