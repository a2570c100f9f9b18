//! `heyi-worker doctor`

mod public;

use heyi_common::{
    config::{Config, Mistakes},
    proxies,
    redis::{FORBIDDEN, is_forbidden},
};
use serde::Serialize;

use super::{installation, output::Out};
use crate::Context;

const OLDEST_REDIS: (u32, u32) = (6, 2);

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    ok: bool,
    /// What was seen, or what to change.
    detail: String,
}

/// Looks at everything. False when something should be changed.
pub(super) async fn run(
    config: Result<Config, Mistakes>,
    for_api: Option<Mistakes>,
    out: &Out,
) -> anyhow::Result<bool> {
    let mut findings = Vec::new();
    match config {
        Err(mistakes) => findings.push(bad("settings", mistakes.to_string())),
        Ok(config) => {
            findings.push(good("settings", "complete for the worker"));
            findings.extend(
                config
                    .warnings()
                    .into_iter()
                    .map(|warning| bad("settings", warning)),
            );
            let context = Context::new(&config).await?;
            redis(&context, &mut findings).await;
            memory(&context, &mut findings).await;
            findings.extend(proxy(&config, &context).await);
            mongo(&context, &mut findings).await;
            findings.push(installation(&config, &context).await);
            findings.push(for_the_api(&config, for_api));
            findings.extend(public::addresses(&config).await);
        }
    }
    out.show(&findings, || text(&findings))?;
    Ok(findings.iter().all(|finding| finding.ok))
}

async fn redis(context: &Context, findings: &mut Vec<Finding>) {
    let redis = context.queue.redis();
    let servers = match redis.persistence().await {
        Ok(servers) => servers,
        Err(error) if is_forbidden(&error) => {
            return findings.push(bad("redis", FORBIDDEN));
        }
        Err(error) => {
            let detail = format!("does not answer at redis.url: {error}");
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

/// Whether requests come through a proxy that the api does not trust. Nothing when Redis cannot tell.
async fn proxy(config: &Config, context: &Context) -> Option<Finding> {
    const CHECK: &str = "proxies";
    let keys = context.queue.keys();
    let seen = proxies::untrusted(context.queue.redis(), keys).await.ok()?;
    let trusted = &config.http.trusted_proxies;
    let seen = seen.filter(|seen| !trusted.iter().any(|trusted| trusted.contains(seen)));
    Some(match seen {
        None => good(
            CHECK,
            "no X-Forwarded-For from an untrusted address in the last 2 hours",
        ),
        Some(seen) => bad(
            CHECK,
            format!(
                "X-Forwarded-For from {seen} is ignored: if this is your proxy, add it to http.trusted_proxies of the api; \
                 until then all clients behind it share one rate limit"
            ),
        ),
    })
}

/// How much of its memory each master uses. That one has no limit is told among the warnings about its settings.
async fn memory(context: &Context, findings: &mut Vec<Finding>) {
    const CHECK: &str = "redis memory";
    const MIB: u64 = 1024 * 1024;
    // Where Redis does not answer, that is told already.
    for memory in context.queue.redis().memory().await.unwrap_or_default() {
        let Some(percent) = memory.percent() else {
            continue;
        };
        let (used, max) = (memory.used / MIB, memory.max / MIB);
        let seen = format!("{} uses {used} of {max} MiB ({percent} %)", memory.server);
        let trouble = memory.room(context.memory_share).trouble();
        findings.push(match trouble {
            None => good(CHECK, seen),
            Some(trouble) => bad(CHECK, format!("{seen}: {trouble}")),
        });
    }
}

async fn mongo(context: &Context, findings: &mut Vec<Finding>) {
    match context.store.is_replica_set().await {
        Err(error) => {
            let cause = std::error::Error::source(&error)
                .map(ToString::to_string)
                .unwrap_or_default();
            findings.push(bad(
                "mongodb",
                format!("does not answer at mongo.url: {error}: {cause}"),
            ));
            return;
        }
        Ok(true) => findings.push(good(
            "mongodb",
            "a replica set; writes wait for w: majority, j: true",
        )),
        Ok(false) => findings.push(bad(
            "mongodb",
            "not a replica set: a majority is this one server; run it with --replSet",
        )),
    }
    let names = context.store.index_names().await.unwrap_or_default();
    findings.push(if names.iter().any(|name| name == "out_trade_no_1") {
        good("mongodb indexes", names.join(", "))
    } else {
        bad("mongodb indexes", "the unique index on codes.out_trade_no is missing; starting the api or the worker makes it")
    });
}

/// Looks at the records without making any: doctor changes nothing.
async fn installation(config: &Config, context: &Context) -> Finding {
    const CHECK: &str = "installation";
    let installation = installation::of(config, context);
    match installation.records().await {
        Ok((None, mongo)) if mongo.is_empty() => {
            good(CHECK, "none yet; starting the api or the worker makes it")
        }
        Ok(_) => match installation.check().await {
            Ok(()) => good(CHECK, "these settings are those of all processes"),
            Err(error) => bad(CHECK, error.to_string()),
        },
        Err(error) => bad(CHECK, error.to_string()),
    }
}

/// The api's settings, where they are here too and not only in its own environment.
fn for_the_api(config: &Config, mistakes: Option<Mistakes>) -> Finding {
    match mistakes {
        None => good("settings", "complete for the api"),
        Some(mistakes) if config.http.public_url.is_some() => {
            bad("settings", format!("for the api, {mistakes}"))
        }
        Some(_) => good(
            "settings",
            "those of the api are not here; run doctor where they are to check them",
        ),
    }
}

fn good(check: &'static str, detail: impl Into<String>) -> Finding {
    Finding {
        check,
        ok: true,
        detail: detail.into(),
    }
}

fn bad(check: &'static str, detail: impl Into<String>) -> Finding {
    Finding {
        check,
        ok: false,
        detail: detail.into(),
    }
}

fn text(findings: &[Finding]) -> String {
    let lines = findings.iter().map(|finding| {
        let mark = if finding.ok { "ok  " } else { "MEND" };
        format!("{mark}  {:<18}{}\n", finding.check, finding.detail)
    });
    lines.collect()
}
