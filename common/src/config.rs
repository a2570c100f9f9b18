//! Configuration: the built-in defaults, a file, systemd credentials, then the environment.
//!
//! `config.default.toml` is both the defaults and the manual.

mod credentials;
mod layers;
mod redis_url;
mod validate;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::payload::AllowList;
pub(crate) use redis_url::{RedisUrl, at, host_of};
pub use validate::Process;
pub(crate) use validate::{ENCODE_PASSWORD, is_password_encoded};

/// The built-in defaults, which are also the manual.
pub const DEFAULTS: &str = include_str!("config.default.toml");

/// The defaults as a table: those of [`DEFAULTS`], and the patterns of each platform.
pub fn defaults() -> Result<toml::Table, ConfigErrors> {
    layers::defaults()
}

/// All settings by section. [`DEFAULTS`] describes each.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting")]
pub struct Config {
    pub http: Http,
    pub redis: Redis,
    pub mongo: Mongo,
    pub payjs: PayJs,
    pub wechat: WeChat,
    pub sign: Sign,
    pub orders: Orders,
    pub queue: Queue,
    pub worker: Worker,
    pub log: Log,
}

impl Config {
    /// Loads the configuration from the process's environment and checks what `process` needs.
    pub fn load(process: Process) -> Result<Self, ConfigErrors> {
        // The only place that reads the environment.
        let (files, variables) = (
            [
                std::env::var_os("HEYI_CONFIG"),
                std::env::var_os(credentials::DIRECTORY),
            ],
            std::env::vars_os(),
        );
        if files[0].as_ref().is_some_and(|path| path.is_empty()) {
            let empty = "HEYI_CONFIG: is empty: name a file, or unset it".to_owned();
            return Err(ConfigErrors(vec![empty]));
        }
        let [file, directory] = files.map(|path| path.map(PathBuf::from));
        let (settings, mut mistakes) = layers::environment(variables);
        let (credentials, others) = credentials::read(directory.as_deref());
        mistakes.extend(others);
        match Self::merge(process, file.as_deref(), credentials, settings) {
            Ok(config) if mistakes.is_empty() => Ok(config),
            Ok(_) => Err(ConfigErrors(mistakes)),
            Err(ConfigErrors(others)) => {
                mistakes.extend(others);
                Err(ConfigErrors(mistakes))
            }
        }
    }

    /// Loads the configuration from an optional file and given environment variables.
    pub fn from_sources(
        process: Process,
        file: Option<&str>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        Self::merge(process, file.map(Path::new), Vec::new(), environment)
    }

    fn merge(
        process: Process,
        file: Option<&Path>,
        credentials: Vec<(String, String)>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let (config, mut mistakes) = layers::merge(file, credentials, environment)?;
        mistakes.extend(validate::mistakes(&config, process));
        if mistakes.is_empty() {
            Ok(config)
        } else {
            Err(ConfigErrors(mistakes))
        }
    }

    /// Valid settings that are risky in production, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        validate::warnings(self)
    }
}

/// The operator who runs this command, as `user@host`.
pub fn operator() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "this file is the one place that reads the environment"
    )]
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = variable("SUDO_USER").or_else(|| variable("USER"));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let user = user.unwrap_or_else(|| "unknown".to_owned());
    format!("{user}@{}", host.trim())
}

/// All errors of a configuration, each with its key.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {} mistake(s):\n  - {}", .0.len(), .0.join("\n  - "))]
pub struct ConfigErrors(pub Vec<String>);

/// `[http]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting")]
pub struct Http {
    pub listen: SocketAddr,
    #[serde(deserialize_with = "layers::optional_address")]
    pub monitor: Option<SocketAddr>,
    #[serde(deserialize_with = "layers::optional_url")]
    pub public_url: Option<Url>,
    pub trusted_proxies: Vec<IpNet>,
    pub rate_limit: u32,
    #[serde(with = "humantime_serde")]
    pub header_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    pub connections_per_address: u32,
    pub code_cache_mib: u32,
}

/// `[redis]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting")]
pub struct Redis {
    pub url: SecretString,
    pub ca_file: String,
    pub sentinel_user: String,
    pub sentinel_password: SecretString,
    pub prefix: String,
    pub wait_replicas: u32,
}

/// `[mongo]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting")]
pub struct Mongo {
    pub url: SecretString,
    pub ca_file: String,
    pub database: String,
}

/// `[payjs]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting")]
pub struct PayJs {
    pub mchid: String,
    pub key: SecretString,
    #[serde(deserialize_with = "layers::optional_url")]
    pub notify_url: Option<Url>,
    #[serde(deserialize_with = "layers::base_url")]
    pub api_base: Url,
    pub native_rate: u32,
    pub body: String,
}

/// `[wechat]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting")]
pub struct WeChat {
    pub appid: String,
    pub secret: SecretString,
    #[serde(deserialize_with = "layers::base_url")]
    pub api_base: Url,
    pub login_rate: u32,
}

/// `[sign]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting")]
pub struct Sign {
    pub app_key: SecretString,
    pub session_secret: SecretString,
    pub previous_session_secret: SecretString,
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    #[serde(with = "humantime_serde")]
    pub epoch: Duration,
}

/// `[orders]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting")]
pub struct Orders {
    #[serde(with = "humantime_serde")]
    pub ttl: Duration,
    pub open_per_person: u32,
    pub memory_share: f64,
    pub prices: Vec<u32>,
    pub require_sign: bool,
    pub payloads: AllowList,
}

/// `[queue]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting")]
pub struct Queue {
    pub concurrency: usize,
    pub partitions: u16,
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub missing_for: Duration,
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
}

/// `[worker]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting")]
pub struct Worker {
    pub listen: SocketAddr,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every setting")]
pub struct Log {
    pub filter: String,
    pub format: LogFormat,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text each.
    Text,
    /// One JSON object each.
    Json,
}

#[cfg(test)]
mod tests;
