//! What the settings must fulfil together, and which legal ones are risky.

use std::{path::Path, time::Duration};

use mongodb::options::{ConnectionString, Tls};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{Config, RedisUrl};
use crate::{config, order::Fee, roots};

/// The process a configuration is for. Each needs only its own settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// The HTTP process.
    Api,
    /// The queue worker, and the commands that ask PayJS.
    Worker,
    /// The operator's other commands. They need the stores only.
    Operator,
}

const MIN_SECRET: usize = 32;
const MAX_BODY: usize = 32;
const MAX_NOTIFY_URL: usize = 255;
const MIN_WINDOW: Duration = Duration::from_secs(1);
const MAX_WINDOW: Duration = Duration::from_secs(3600);
const MIN_EPOCH: Duration = Duration::from_secs(3600);
const MOST_OPEN: u32 = 1000;
const TOKEN_ADVICE: &str = "must have only visible ASCII characters and no quotes: copy it again, without anything around it";

pub(super) fn mistakes(config: &Config, process: Process) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |holds: bool, key: &str, advice: &str| {
        if !holds {
            found.push(format!("{key}: {advice}"));
        }
    };
    stores(config, &mut check);
    addresses(config, &mut check);
    if process != Process::Operator {
        merchant(config, &mut check);
    }
    if process == Process::Api {
        api_addresses(config, &mut check);
        api_secrets(config, &mut check);
        api_limits(config, &mut check);
    }
    found
}

fn merchant(config: &Config, check: &mut impl FnMut(bool, &str, &str)) {
    check(
        !config.payjs.mchid.is_empty(),
        "payjs.mchid",
        "set the merchant number of PayJS",
    );
    check(
        is_set(&config.payjs.key),
        "payjs.key",
        "set the key of PayJS (HEYI_PAYJS__KEY_FILE reads a file)",
    );
    check(is_token(&config.payjs.mchid), "payjs.mchid", TOKEN_ADVICE);
    check(
        is_token(config.payjs.key.expose_secret()),
        "payjs.key",
        TOKEN_ADVICE,
    );
}

/// These are shown to clients, or printed by `doctor`.
fn addresses(config: &Config, check: &mut impl FnMut(bool, &str, &str)) {
    for (key, url) in [
        ("http.public_url", config.http.public_url.as_ref()),
        ("payjs.notify_url", config.payjs.notify_url.as_ref()),
        ("payjs.api_base", Some(&config.payjs.api_base)),
        ("wechat.api_base", Some(&config.wechat.api_base)),
    ] {
        check(
            url.is_none_or(|url| url.username().is_empty() && url.password().is_none()),
            key,
            "must have no user and no password",
        );
    }
}

fn stores(config: &Config, check: &mut impl FnMut(bool, &str, &str)) {
    check(
        !config.redis.prefix.is_empty(),
        "redis.prefix",
        "must not be empty",
    );
    check(
        !config.redis.prefix.contains(['{', '}', ' ']),
        "redis.prefix",
        "must not hold braces or spaces",
    );
    let url = RedisUrl::of(&config.redis);
    let is_cluster = url.as_ref().is_ok_and(RedisUrl::is_cluster);
    if let Err(mistake) = url {
        let (key, mistake) = mistake.split_once(": ").unwrap_or(("redis.url", &mistake));
        check(false, key, mistake);
    }
    check(
        !is_cluster || config.queue.partitions > 1,
        "queue.partitions",
        "must be more than 1 with redis+cluster://, so that what belongs together is in one slot; 16 is a good number",
    );
    mongo(&config.mongo, check);
    check(
        !config.mongo.database.is_empty(),
        "mongo.database",
        "must not be empty",
    );
    queue(config, check);
}

fn mongo(config: &config::Mongo, check: &mut impl FnMut(bool, &str, &str)) {
    if !is_password_encoded(config.url.expose_secret()) {
        return check(false, "mongo.url", ENCODE_PASSWORD);
    }
    // The error may quote the password, so it is not shown.
    let Ok(url) = ConnectionString::parse(config.url.expose_secret()) else {
        let advice =
            "must be a mongodb:// or mongodb+srv:// URL, with user and password percent-encoded";
        return check(false, "mongo.url", advice);
    };
    if config.ca_file.is_empty() {
        return;
    }
    if !matches!(url.tls, Some(Tls::Enabled(_))) {
        return check(false, "mongo.ca_file", "is for a mongo.url with tls=true");
    }
    if let Err(error) = roots::read(Path::new(&config.ca_file)) {
        check(false, "mongo.ca_file", &format!("cannot be used: {error}"));
    }
}

fn queue(config: &Config, check: &mut impl FnMut(bool, &str, &str)) {
    check(
        (1..=10_000).contains(&config.queue.concurrency),
        "queue.concurrency",
        "must be from 1 to 10000",
    );
    check(
        (1..=1024).contains(&config.queue.partitions),
        "queue.partitions",
        "must be from 1 to 1024",
    );
    check(
        config.orders.memory_share > 0.0 && config.orders.memory_share <= 1.0,
        "orders.memory_share",
        "must be above 0 and at most 1",
    );
    check(
        config.queue.timeout >= Duration::from_secs(1),
        "queue.timeout",
        "must be 1s or more",
    );
}

fn api_addresses(config: &Config, check: &mut impl FnMut(bool, &str, &str)) {
    check(
        is_web(config.http.public_url.as_ref()),
        "http.public_url",
        "set the public http(s) address of the api",
    );
    check(
        is_web(config.payjs.notify_url.as_ref()),
        "payjs.notify_url",
        "set the public http(s) address of /notify",
    );
    check(
        config
            .payjs
            .notify_url
            .as_ref()
            .is_none_or(|url| url.query().is_none() && url.as_str().len() <= MAX_NOTIFY_URL),
        "payjs.notify_url",
        "must have no query and at most 255 characters, PayJS refuses it",
    );
    check(
        config.payjs.notify_url.as_ref().is_none_or(is_notify_route),
        "payjs.notify_url",
        "its path must end with /notify, the route of the api, and have no empty part: PayJS tells nobody when it gets a 404",
    );
    let body = config.payjs.body.chars().count();
    check(
        (1..=MAX_BODY).contains(&body),
        "payjs.body",
        "must have 1 to 32 characters",
    );
    check(
        !config.payjs.body.contains(['&', '=']),
        "payjs.body",
        "must not hold & or =, which the signature joins with",
    );
}

fn api_secrets(config: &Config, check: &mut impl FnMut(bool, &str, &str)) {
    check(
        !config.wechat.appid.is_empty(),
        "wechat.appid",
        "set the appid of the mini-program",
    );
    check(
        is_set(&config.wechat.secret),
        "wechat.secret",
        "set the secret of the mini-program",
    );
    check(is_token(&config.wechat.appid), "wechat.appid", TOKEN_ADVICE);
    check(
        is_token(config.wechat.secret.expose_secret()),
        "wechat.secret",
        TOKEN_ADVICE,
    );
    check(
        is_set(&config.sign.app_key),
        "sign.app_key",
        "set the key that signs /login",
    );
    check(
        config.sign.session_secret.expose_secret().len() >= MIN_SECRET,
        "sign.session_secret",
        "set at least 32 random characters, e.g. from `openssl rand -hex 32`",
    );
    let window = config.sign.window;
    check(
        window.is_zero() || (MIN_WINDOW..=MAX_WINDOW).contains(&window),
        "sign.window",
        "must be 0s, or from 1s to 1h",
    );
    check(
        config.sign.epoch >= MIN_EPOCH,
        "sign.epoch",
        "must be 1h or more",
    );
}

fn api_limits(config: &Config, check: &mut impl FnMut(bool, &str, &str)) {
    check(
        config
            .orders
            .prices
            .iter()
            .all(|fen| Fee::new(*fen).is_ok()),
        "orders.prices",
        "each must be from 1 to 1000000 fen",
    );
    check(
        config.orders.ttl >= Duration::from_secs(60),
        "orders.ttl",
        "must be 1m or more",
    );
    check(
        config.orders.open_per_person <= MOST_OPEN,
        "orders.open_per_person",
        "must be at most 1000, since each order above the bound makes Redis look at all of them",
    );
    check(
        config.orders.payloads.platforms().next().is_some(),
        "orders.payloads",
        "must know a form of some platform",
    );
    check(
        !config.http.header_timeout.is_zero(),
        "http.header_timeout",
        "must not be zero",
    );
    check(
        !config.http.idle_timeout.is_zero(),
        "http.idle_timeout",
        "must not be zero",
    );
    check(
        !config.http.write_timeout.is_zero(),
        "http.write_timeout",
        "must not be zero",
    );
    check(
        !config.http.request_timeout.is_zero(),
        "http.request_timeout",
        "must not be zero",
    );
}

pub(super) fn warnings(config: &Config) -> Vec<String> {
    let risky = [
        (
            !config.orders.require_sign,
            "orders.require_sign = false: anyone can make orders for anyone",
        ),
        (
            config.sign.window.is_zero(),
            "sign.window = 0s: anybody who sees a signed request without ts can send it again, to any route",
        ),
        (
            config.orders.prices.is_empty(),
            "orders.prices is empty: clients choose what they pay",
        ),
        (
            config.orders.open_per_person == 0,
            "orders.open_per_person = 0: one person can fill Redis with unpaid orders",
        ),
        (
            config.http.rate_limit == 0,
            "http.rate_limit = 0: clients can ask as often as they like",
        ),
        (
            config
                .http
                .public_url
                .as_ref()
                .is_some_and(|url| url.scheme() != "https"),
            "http.public_url is not https: WeChat refuses it, and codes can be changed on the way",
        ),
    ];
    risky
        .into_iter()
        .filter(|(applies, _)| *applies)
        .map(|(_, text)| text.to_owned())
        .collect()
}

fn is_set(secret: &SecretString) -> bool {
    !secret.expose_secret().is_empty()
}

fn is_web(url: Option<&Url>) -> bool {
    url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Whether the text can be a number or key of PayJS or WeChat. Blanks and invisible characters come with copying.
fn is_token(text: &str) -> bool {
    let is_quote = |c: char| matches!(c, '"' | '\'' | '`');
    text.chars().all(|c| c.is_ascii_graphic() && !is_quote(c))
}

/// A proxy may add a prefix to the route.
fn is_notify_route(url: &Url) -> bool {
    url.path().ends_with("/notify") && !url.path().contains("//")
}

/// What to do about a URL in which a password ends too early.
pub(crate) const ENCODE_PASSWORD: &str = "user and password must be percent-encoded: write %40 for @, %3A for :, %2F for /, %3F for ?, %23 for #";

/// Whether the text before the host of a URL can be told from the rest. A password with an unencoded `@`, `/`, `?` or `#`
/// would be taken for a host, and be logged as one.
pub(crate) fn is_password_encoded(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (before, after) = rest.split_at(end);
    before.matches('@').count() <= 1 && !after.contains('@')
}
