//! `heyi-worker doctor`

mod mongo;
mod public;
mod redis;

use heyi_common::{
    config::{Config, ConfigErrors},
    installation::InstallationError,
    outage, proxies,
};
use serde::Serialize;

use super::{installation, output::Out};
use crate::Context;

/// Placeholders of `deploy/heyi.toml` and `.env.example`.
const EXAMPLES: [(&str, &str); 2] = [
    ("payjs.mchid", "1600000000"),
    ("wechat.appid", "wx0123456789abcdef"),
];
const EXAMPLE_HOST: &str = "example.com";

/// The result of one check.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    ok: bool,
    /// The finding, or what to change.
    detail: String,
}

/// Runs all checks. Returns false when something should be changed.
pub(super) async fn run(
    config: Result<Config, ConfigErrors>,
    for_api: Option<ConfigErrors>,
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
            findings.extend(examples(&config));
            redis::servers(&context, &mut findings).await;
            redis::memory(&context, &mut findings).await;
            findings.extend(proxy(&config, &context).await);
            findings.extend(mongo::findings(&context.store).await);
            findings.push(installation(&config, &context).await);
            findings.push(for_the_api(&config, for_api));
            findings.extend(public::addresses(&config).await);
        }
    }
    out.show(&findings, || text(&findings))?;
    Ok(findings.iter().all(|finding| finding.ok))
}

/// Finds settings that still have the example's value.
fn examples(config: &Config) -> Vec<Finding> {
    let own = [&config.payjs.mchid, &config.wechat.appid];
    let copied = EXAMPLES.iter().zip(own);
    let copied = copied.filter(|((_, example), own)| own == example);
    let mut found: Vec<Finding> = copied
        .map(|((key, example), _)| {
            bad(
                "settings",
                format!("{key} is {example}, that of the example: set your own"),
            )
        })
        .collect();
    for (key, url) in [
        ("http.public_url", &config.http.public_url),
        ("payjs.notify_url", &config.payjs.notify_url),
    ] {
        let host = url
            .as_ref()
            .and_then(|url| url.host_str().map(str::to_owned));
        let is_example = |host: String| {
            let name = host.strip_suffix(EXAMPLE_HOST);
            name.is_some_and(|name| name.is_empty() || name.ends_with('.'))
        };
        if host.is_some_and(is_example) {
            found.push(bad(
                "settings",
                format!("{key} is that of the example: set your own"),
            ));
        }
    }
    found
}

/// Whether requests come through a proxy that the api does not trust. None if Redis does not answer.
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

/// Reads the installation records without creating them: doctor changes nothing.
async fn installation(config: &Config, context: &Context) -> Finding {
    const CHECK: &str = "installation";
    let installation = installation::of(config, context);
    let unanswered = async |error: InstallationError| {
        let why = outage::explain(&error, &context.store).await;
        bad(CHECK, why.unwrap_or_else(|| error.to_string()))
    };
    match installation.records().await {
        Ok((None, mongo)) if mongo.is_empty() => {
            good(CHECK, "none yet; starting the api or the worker makes it")
        }
        Ok(_) => match installation.compare_all().await {
            Ok(()) => good(CHECK, "these settings are those of all processes"),
            Err(error) => unanswered(error).await,
        },
        Err(error) => unanswered(error).await,
    }
}

/// Checks the api's settings, if they are here and not only in the api's environment.
fn for_the_api(config: &Config, mistakes: Option<ConfigErrors>) -> Finding {
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
        let mark = if finding.ok { "ok  " } else { "FIX " };
        format!("{mark}  {:<18}{}\n", finding.check, finding.detail)
    });
    lines.collect()
}
