//! Points between two effects at which a test can make the process die. Not in release builds.

/// Every crash point, in the order in which an event meets them.
pub const POINTS: [&str; 10] = [
    "enqueue.before",
    "enqueue.after",
    "handle.before",
    "confirm.checked",
    "promote.code_written",
    "settle.before",
    "settle.after",
    "due.before",
    "due.after",
    "takeover.claimed",
];

/// Ends the process at once, without any clean-up, when `HEYI_CRASH_AT` names this point.
#[inline]
pub fn point(name: &str) {
    #[cfg(debug_assertions)]
    enabled::point(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

#[cfg(debug_assertions)]
mod enabled {
    use std::{env, sync::LazyLock};

    static CRASH_AT: LazyLock<Option<String>> =
        LazyLock::new(|| env::var_os("HEYI_CRASH_AT").and_then(|name| name.into_string().ok()));

    pub(super) fn point(name: &str) {
        debug_assert!(super::POINTS.contains(&name), "{name} is not listed");
        if CRASH_AT.as_deref() == Some(name) {
            tracing::error!(crash.point = name, "dying as told");
            std::process::abort();
        }
    }
}
