//! What a sandbox is started with.

use secrecy::SecretString;
use url::Url;

/// The merchant, the mini-program and the pace of one sandbox.
#[derive(Debug, Clone)]
pub struct Options {
    /// PayJS's merchant number.
    pub mchid: String,
    /// PayJS's key, with which everything is signed.
    pub key: SecretString,
    /// WeChat's id of the mini-program.
    pub appid: String,
    /// WeChat's secret of the mini-program.
    pub secret: SecretString,
    /// Heyi's api, where the calls of the demo page are passed on to.
    pub api_url: Option<Url>,
    /// The key with which the demo page signs `/login`, as the mini-program does.
    pub app_key: SecretString,
    /// What the times of [`SCHEDULE`](crate::SCHEDULE) are multiplied by: 1 is PayJS's pace.
    pub notify_factor: f64,
}
