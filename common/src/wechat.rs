//! WeChat: exchanges a login code for an openid.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::sleep;
use url::Url;

use crate::{config, order::OpenId};

/// WeChat's errcode for a busy system.
const BUSY: i64 = -1;
/// The delays between retries while WeChat is busy.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(1)];

/// A client of WeChat.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    appid: String,
    secret: SecretString,
}

/// Why WeChat returned no openid.
#[derive(Debug, thiserror::Error)]
pub enum WeChatError {
    /// WeChat refused, e.g. with 40029 for a code that is wrong or expired.
    #[error("WeChat refused: {errcode} {errmsg}")]
    Refused {
        /// WeChat's error number.
        errcode: i64,
        /// WeChat's message.
        errmsg: String,
    },
    /// No answer, or a malformed one.
    #[error("WeChat did not answer: {0}")]
    OutOfReach(String),
}

#[derive(Deserialize)]
struct Reply {
    openid: Option<OpenId>,
    #[serde(default)]
    errcode: i64,
    #[serde(default)]
    errmsg: String,
}

impl Client {
    /// A client for the mini-program of `config`.
    pub fn new(http: reqwest::Client, config: &config::WeChat) -> Self {
        Self {
            http,
            base: config.api_base.clone(),
            appid: config.appid.clone(),
            secret: config.secret.clone(),
        }
    }

    /// The openid of a code of `wx.login`. A code works once and for five minutes. If WeChat is busy, it has not used the
    /// code, so the request is retried up to twice if `may_repeat` allows it.
    pub async fn openid(
        &self,
        code: &str,
        may_repeat: impl Fn() -> bool,
    ) -> Result<OpenId, WeChatError> {
        for pause in PAUSES {
            let answer = self.ask(code).await;
            let is_busy = matches!(answer, Err(WeChatError::Refused { errcode: BUSY, .. }));
            if !is_busy || !may_repeat() {
                return answer;
            }
            sleep(pause).await;
        }
        self.ask(code).await
    }

    async fn ask(&self, code: &str) -> Result<OpenId, WeChatError> {
        let mut url = self
            .base
            .join("sns/jscode2session")
            .map_err(|error| WeChatError::OutOfReach(error.to_string()))?;
        url.query_pairs_mut()
            .append_pair("appid", &self.appid)
            .append_pair("secret", self.secret.expose_secret())
            .append_pair("js_code", code)
            .append_pair("grant_type", "authorization_code");
        let response = self.http.get(url).send().await.map_err(without_url)?;
        let response = response.error_for_status().map_err(without_url)?;
        // The content type of the answer is text/plain.
        let body = response.bytes().await.map_err(without_url)?;
        let reply: Reply = serde_json::from_slice(&body).map_err(|error| {
            WeChatError::OutOfReach(format!("its answer is not what it should be: {error}"))
        })?;
        match reply {
            Reply {
                errcode: 0,
                openid: Some(openid),
                ..
            } => Ok(openid),
            Reply {
                errcode: 0,
                openid: None,
                ..
            } => Err(WeChatError::OutOfReach(
                "its answer has neither openid nor errcode".to_owned(),
            )),
            Reply {
                errcode, errmsg, ..
            } => Err(WeChatError::Refused { errcode, errmsg }),
        }
    }
}

/// Removes the URL from an error, since it contains the secret.
fn without_url(error: reqwest::Error) -> WeChatError {
    let error = error.without_url();
    let cause = std::error::Error::source(&error)
        .map(|cause| format!(": {cause}"))
        .unwrap_or_default();
    WeChatError::OutOfReach(format!("{error}{cause}"))
}
