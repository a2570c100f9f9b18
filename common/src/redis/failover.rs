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
pub(super) fn is_failover(sent: &RedisResult<Vec<Value>>) -> bool {
    match sent {
        Err(error) => is_failure_of_master(error),
        Ok(answers) => answers.iter().any(says_elsewhere),
    }
}

/// Like [`is_failover`], for a failure.
pub(super) fn is_failure_of_master(error: &RedisError) -> bool {
    let is_lost = error.is_io_error() || error.is_connection_dropped() || error.is_timeout();
    is_lost || is_refused(error)
}

/// Whether the same may succeed immediately, over a new connection or elsewhere. After a timeout it is too late for that.
pub(super) fn is_worth_repeating(error: &RedisError) -> bool {
    error.is_connection_dropped() || is_refused(error)
}

/// Whether a server said that it is not the master; it has not done what it was told.
fn is_refused(error: &RedisError) -> bool {
    error.code().is_some_and(|code| ELSEWHERE.contains(&code))
}

/// Whether an answer of a pipeline is such a refusal.
pub(super) fn says_elsewhere(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if ELSEWHERE.contains(&error.code()))
}
