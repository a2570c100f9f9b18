//! Detects failures after which another server may be the master.

use redis::{RedisError, RedisResult, Value};

/// Error codes of servers that are not the master, or not yet.
const ELSEWHERE: [&str; 8] = [
    "READONLY",
    "MOVED",
    "ASK",
    "CLUSTERDOWN",
    "MASTERDOWN",
    "UNBLOCKED",
    "LOADING",
    // A transaction whose commands were refused for one of these reasons.
    "EXECABORT",
];

/// Whether an answer, or the lack of one, requires looking up the master again.
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

/// Whether an immediate repeat may succeed, over a new connection or on another server. After a timeout it is too late.
pub(super) fn is_worth_repeating(error: &RedisError) -> bool {
    error.is_connection_dropped() || is_refused(error)
}

/// Whether a server refused the command because it is not the master.
fn is_refused(error: &RedisError) -> bool {
    error.code().is_some_and(|code| ELSEWHERE.contains(&code))
}

/// Whether an answer of a pipeline is such a refusal.
pub(super) fn says_elsewhere(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if ELSEWHERE.contains(&error.code()))
}
