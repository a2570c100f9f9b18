//! Options of a sandbox.

use secrecy::SecretString;
use url::Url;

/// The options of one sandbox.
#[derive(Debug, Clone)]
pub struct Options {
    /// PayJS's merchant number.
    pub mchid: String,
    /// PayJS's key, which signs everything.
    pub key: SecretString,
    /// WeChat's id of the mini-program.
    pub appid: String,
    /// WeChat's secret of the mini-program.
    pub secret: SecretString,
    /// Heyi's api, to which the demo page's calls are forwarded.
    pub api_url: Option<Url>,
    /// The key with which the demo page signs `/login`, as the mini-program does.
    pub app_key: SecretString,
    /// Multiplies the times of [`SCHEDULE`](crate::SCHEDULE). 1 is PayJS's pace.
    pub notify_factor: f64,
}
