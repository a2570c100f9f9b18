//! The doctor's checks of Redis.

use heyi_common::{
    outage::{StoreName, causes},
    redis::{FORBIDDEN, is_forbidden},
};

use super::{Finding, bad, good};
use crate::Context;

const OLDEST_REDIS: (u32, u32) = (6, 2);

/// Checks versions and persistence.
pub(super) async fn servers(context: &Context, findings: &mut Vec<Finding>) {
    let redis = context.queue.redis();
    let (servers, unasked) = match redis.persistence().await {
        Ok(found) => found,
        Err(error) if is_forbidden(&error) => {
            return findings.push(bad("redis", FORBIDDEN));
        }
        Err(error) => {
            let (redis, error) = (StoreName::Redis.address(), causes(&error));
            let detail = format!("does not answer at {redis}: {error}");
            return findings.push(bad("redis", detail));
        }
    };
    for server in &servers {
        let role = match server.replicas {
            Some(count) => format!("a master with replicas: {count}"),
            None => "a replica".to_owned(),
        };
        let detail = format!("{} is {role}, version {}", server.server, server.version);
        let mut parts = server
            .version
            .split('.')
            .map(|part| part.parse().unwrap_or(0));
        let known = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        findings.push(if known >= OLDEST_REDIS {
            good("redis", detail)
        } else {
            bad("redis", format!("{detail}: use 6.2 or newer"))
        });
    }
    findings.extend(unasked.into_iter().map(|replica| bad("redis", replica)));
    let warnings = redis.warnings_about(&servers);
    if warnings.is_empty() {
        findings.push(good(
            "redis persistence",
            "appendonly yes, appendfsync always, noeviction, a maxmemory",
        ));
    }
    let warnings = warnings.into_iter();
    findings.extend(warnings.map(|warning| bad("redis persistence", warning)));
}

/// Checks the memory usage of each master. The warnings about settings report a missing limit.
pub(super) async fn memory(context: &Context, findings: &mut Vec<Finding>) {
    const CHECK: &str = "redis memory";
    const MIB: u64 = 1024 * 1024;
    // An unavailable Redis is already reported.
    for memory in context.queue.redis().memory().await.unwrap_or_default() {
        let Some(percent) = memory.percent() else {
            continue;
        };
        let (used, max) = (memory.used / MIB, memory.max / MIB);
        let seen = format!("{} uses {used} of {max} MiB ({percent} %)", memory.server);
        let problem = memory.room(context.memory_share).problem();
        findings.push(match problem {
            None => good(CHECK, seen),
            Some(problem) => bad(CHECK, format!("{seen}: {problem}")),
        });
    }
}
