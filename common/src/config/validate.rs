//! Validates the settings, and finds valid ones that are risky.

use std::{path::Path, time::Duration};

use mongodb::options::{ConnectionString, Tls};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{Config, RedisUrl};
use crate::{order::Fee, roots};

/// The process a configuration is for. Each checks its own settings and those of the processes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Process {
    /// The HTTP process.
    Api,
    /// The queue worker, and the commands that ask PayJS.
    Worker,
    /// The operator's other commands, which need only the stores.
    Operator,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const TOKEN: &str = "must have only visible ASCII characters and no quotes: copy it again, without anything around it";
const NO_USER: &str = "must have no user and no password";

/// A rule about one setting.
struct Rule {
    process: Process,
    key: &'static str,
    holds: fn(&Config) -> bool,
    /// What to do if it is violated.
    advice: &'static str,
}

/// Each line: the last process that needs it, the setting, the condition of its value, and the advice.
macro_rules! rules {
    ($table:ident: $($process:ident $section:ident.$name:ident($value:ident): $holds:expr => $advice:expr;)*) => {
        const $table: &[Rule] = &[$(Rule {
            process: Process::$process,
            key: concat!(stringify!($section), ".", stringify!($name)),
            holds: |config| {
                let $value = &config.$section.$name;
                $holds
            },
            advice: $advice,
        }),*];
    };
}

rules! { RULES:
    Operator redis.prefix(it): !it.is_empty() => "must not be empty";
    Operator redis.prefix(it): !it.contains(['{', '}', ' ']) => "must not hold braces or spaces";
    Operator mongo.database(it): !it.is_empty() => "must not be empty";
    Operator queue.concurrency(it): (1..=10_000).contains(it) => "must be from 1 to 10000";
    Operator queue.partitions(it): (1..=1024).contains(it) => "must be from 1 to 1024";
    Operator queue.timeout(it): *it >= SECOND => "must be 1s or more";
    Operator orders.memory_share(it): *it > 0.0 && *it <= 1.0 => "must be above 0 and at most 1";
    Operator http.public_url(it): it.as_ref().is_none_or(has_no_user) => NO_USER;
    Operator payjs.notify_url(it): it.as_ref().is_none_or(has_no_user) => NO_USER;
    Operator payjs.api_base(it): has_no_user(it) => NO_USER;
    Operator wechat.api_base(it): has_no_user(it) => NO_USER;

    Worker payjs.mchid(it): !it.is_empty() => "set the merchant number of PayJS";
    Worker payjs.mchid(it): is_token(it) => TOKEN;
    Worker payjs.key(it): is_set(it) => "set the key of PayJS (HEYI_PAYJS__KEY_FILE reads a file)";
    Worker payjs.key(it): is_token(it.expose_secret()) => TOKEN;

    Api http.public_url(it): is_web(it.as_ref()) => "set the public http(s) address of the api";
    Api http.header_timeout(it): !it.is_zero() => "must not be zero";
    Api http.idle_timeout(it): !it.is_zero() => "must not be zero";
    Api http.write_timeout(it): !it.is_zero() => "must not be zero";
    Api http.request_timeout(it): !it.is_zero() => "must not be zero";
    Api payjs.notify_url(it): is_web(it.as_ref()) => "set the public http(s) address of /notify";
    Api payjs.notify_url(it): it.as_ref().is_none_or(|url| url.query().is_none() && url.as_str().len() <= 255)
        => "must have no query and at most 255 characters, PayJS refuses it";
    Api payjs.notify_url(it): it.as_ref().is_none_or(is_notify_route)
        => "its path must end with /notify, the route of the api, and have no empty part: PayJS tells nobody when it gets a 404";
    Api payjs.body(it): (1..=32).contains(&it.chars().count()) => "must have 1 to 32 characters";
    Api payjs.body(it): !it.contains(['&', '=']) => "must not hold & or =, which the signature joins with";
    Api wechat.appid(it): !it.is_empty() => "set the appid of the mini-program";
    Api wechat.appid(it): is_token(it) => TOKEN;
    Api wechat.secret(it): is_set(it) => "set the secret of the mini-program";
    Api wechat.secret(it): is_token(it.expose_secret()) => TOKEN;
    Api sign.app_key(it): is_set(it) => "set the key that signs /login";
    Api sign.session_secret(it): it.expose_secret().len() >= 32
        => "set at least 32 random characters, e.g. from `openssl rand -hex 32`";
    Api sign.window(it): it.is_zero() || (SECOND..=HOUR).contains(it) => "must be 0s, or from 1s to 1h";
    Api sign.epoch(it): *it >= HOUR => "must be 1h or more";
    Api orders.prices(it): it.iter().all(|fen| Fee::new(*fen).is_ok()) => "each must be from 1 to 1000000 fen";
    Api orders.ttl(it): *it >= MINUTE => "must be 1m or more";
    Api orders.open_per_person(it): *it <= 1000
        => "must be at most 1000, since each order above the bound makes Redis look at all of them";
    Api orders.payloads(it): it.platforms().next().is_some() => "must know a form of some platform";
}

// Valid settings that are risky in production.
rules! { RISKS:
    Api orders.require_sign(it): *it => "= false: anyone can make orders for anyone";
    Api sign.window(it): !it.is_zero()
        => "= 0s: anybody who sees a signed request without ts can send it again, to any route";
    Api orders.prices(it): !it.is_empty() => "is empty: clients choose what they pay";
    Api orders.open_per_person(it): *it > 0 => "= 0: one person can fill Redis with unpaid orders";
    Api http.rate_limit(it): *it > 0 => "= 0: clients can ask as often as they like";
    Api http.public_url(it): it.as_ref().is_none_or(|url| url.scheme() == "https")
        => "is not https: WeChat refuses it, and codes can be changed on the way";
}

pub(super) fn mistakes(config: &Config, process: Process) -> Vec<String> {
    let applies = |rule: &&Rule| rule.process >= process && !(rule.holds)(config);
    let broken = RULES.iter().filter(applies);
    let mut found: Vec<String> = broken
        .map(|rule| format!("{}: {}", rule.key, rule.advice))
        .collect();
    found.extend(redis(config).err());
    found.extend(mongo(config).err());
    found
}

pub(super) fn warnings(config: &Config) -> Vec<String> {
    let risky = RISKS.iter().filter(|rule| !(rule.holds)(config));
    risky
        .map(|rule| format!("{} {}", rule.key, rule.advice))
        .collect()
}

/// Checks the parts of the URL.
fn redis(config: &Config) -> Result<(), String> {
    let url = RedisUrl::of(&config.redis)?;
    if url.is_cluster() && config.queue.partitions <= 1 {
        let advice = "must be more than 1 with redis+cluster://, so that what belongs together is in one slot; 16 is a good number";
        return Err(format!("queue.partitions: {advice}"));
    }
    Ok(())
}

fn mongo(config: &Config) -> Result<(), String> {
    let (url, ca_file) = (config.mongo.url.expose_secret(), &config.mongo.ca_file);
    if !is_password_encoded(url) {
        return Err(format!("mongo.url: {ENCODE_PASSWORD}"));
    }
    // The error may quote the password, so it is dropped.
    let url = ConnectionString::parse(url).map_err(|_| "mongo.url: must be a mongodb:// or mongodb+srv:// URL, with user and password percent-encoded")?;
    if ca_file.is_empty() {
        return Ok(());
    }
    if !matches!(url.tls, Some(Tls::Enabled(_))) {
        return Err("mongo.ca_file: is for a mongo.url with tls=true".to_owned());
    }
    let read = roots::read(Path::new(ca_file));
    read.map(drop)
        .map_err(|error| format!("mongo.ca_file: cannot be used: {error}"))
}

/// Such a URL is shown to clients, or printed by `doctor`.
fn has_no_user(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
}

fn is_set(secret: &SecretString) -> bool {
    !secret.expose_secret().is_empty()
}

fn is_web(url: Option<&Url>) -> bool {
    url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Whether the text can be a number or key of PayJS or WeChat. Blanks and invisible characters come from copying.
fn is_token(text: &str) -> bool {
    let is_quote = |c: char| matches!(c, '"' | '\'' | '`');
    text.chars().all(|c| c.is_ascii_graphic() && !is_quote(c))
}

/// A proxy may add a prefix to the route.
fn is_notify_route(url: &Url) -> bool {
    url.path().ends_with("/notify") && !url.path().contains("//")
}

/// The advice for a URL with an unencoded password.
pub(crate) const ENCODE_PASSWORD: &str = "user and password must be percent-encoded: write %40 for @, %3A for :, %2F for /, %3F for ?, %23 for #";

/// Whether the user and password of a URL are encoded. A password with an unencoded `@`, `/`, `?` or `#` would be parsed
/// as a host and logged.
pub(crate) fn is_password_encoded(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (before, after) = rest.split_at(end);
    before.matches('@').count() <= 1 && !after.contains('@')
}
