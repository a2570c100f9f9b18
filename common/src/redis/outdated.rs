//! Which failures mean that the master may be elsewhere by now.

use redis::{RedisError, RedisResult, Value};

/// What servers answer that are no master (any more), or not yet.
const ELSEWHERE: [&str; 8] = [
    "READONLY",
    "MOVED",
    "ASK",
    "CLUSTERDOWN",
    "MASTERDOWN",
    "UNBLOCKED",
    "LOADING",
    // A transaction whose commands were refused, for one of the reasons above.
    "EXECABORT",
];

/// Whether an answer, or the lack of one, calls for a look where the master is.
pub(super) fn is_outdated(sent: &RedisResult<Vec<Value>>) -> bool {
    match sent {
        Err(error) => is_lost(error) || is_refused(error),
        Ok(answers) => answers.iter().any(says_elsewhere),
    }
}

/// Whether a server said that it is not the master; it has not done what it was told.
pub(super) fn is_refused(error: &RedisError) -> bool {
    error.code().is_some_and(|code| ELSEWHERE.contains(&code))
}

/// Like [`is_refused`], also for a refusal among the answers of a pipeline.
pub(super) fn says_elsewhere(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if ELSEWHERE.contains(&error.code()))
}

/// Whether nobody answered.
pub(super) fn is_lost(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_timeout()
}
