//! Checks whether the public addresses lead to the api.
//!
//! The requests are like those of clients and gateways, since a proxy may block single routes. They are incomplete, so
//! the api refuses them and changes nothing.

use std::error::Error;

use heyi_common::{config::Config, http, outage};
use reqwest::{Client, Response, StatusCode, header};
use url::Url;

use super::{Finding, bad, good};

const PUBLIC: &str = "public address";
const NOTIFY: &str = "notify address";

/// Requests `http.public_url` and `payjs.notify_url`, where they are set.
pub(super) async fn addresses(config: &Config) -> Vec<Finding> {
    let client = match http::client() {
        Ok(client) => client,
        Err(error) => return vec![bad(PUBLIC, format!("cannot be asked: {error:#}"))],
    };
    let mut findings = Vec::new();
    findings.push(match &config.http.public_url {
        Some(url) => public_url(&client, url).await,
        None => good(
            PUBLIC,
            "http.public_url is not set here, so it was not asked",
        ),
    });
    if let Some(url) = &config.payjs.notify_url {
        findings.push(notify_url(&client, url).await);
    }
    findings
}

async fn public_url(client: &Client, base: &Url) -> Finding {
    let route = format!("{}/checkOrder", base.as_str().trim_end_matches('/'));
    match client.get(&route).send().await {
        Ok(answer) => {
            let status = answer.status();
            let problem = problem(&answer, "http.public_url");
            // Only the api gives the reason of a refusal.
            let is_ours = answer
                .json::<serde_json::Value>()
                .await
                .is_ok_and(|body| body["errcode"] == status.as_u16());
            if is_ours {
                good(PUBLIC, format!("{route} is answered by the api"))
            } else {
                bad(PUBLIC, format!("{route} {problem}"))
            }
        }
        Err(error) => bad(PUBLIC, unanswered(&route, &error)),
    }
}

async fn notify_url(client: &Client, url: &Url) -> Finding {
    let form = [("doctor", "is this the api?")];
    match client.post(url.clone()).form(&form).send().await {
        Ok(answer) => {
            let status = answer.status();
            let problem = problem(&answer, "payjs.notify_url");
            let is_ours = status == StatusCode::BAD_REQUEST
                && answer.text().await.is_ok_and(|body| body == "fail");
            if is_ours {
                good(NOTIFY, format!("{url} is answered by the api"))
            } else {
                bad(
                    NOTIFY,
                    format!("{url} {problem}; until then no payment can be reported"),
                )
            }
        }
        Err(error) => bad(NOTIFY, unanswered(url.as_str(), &error)),
    }
}

/// Describes a response that is not the api's, and what to check.
fn problem(answer: &Response, setting: &str) -> String {
    let status = answer.status();
    let advice = match status.as_u16() {
        300..=399 => {
            let location = answer.headers().get(header::LOCATION);
            let to = location
                .and_then(|to| to.to_str().ok())
                .unwrap_or("nowhere");
            return format!(
                "redirects to {to}, which is not followed: set {setting} to the final address"
            );
        }
        404 | 405 => format!("check the path in {setting} and what the proxy passes on"),
        401 | 403 | 413 | 429 => {
            "something before the api refuses it: let the proxy or firewall pass it".to_owned()
        }
        502..=504 => {
            "the proxy does not reach the api: check that it runs and its http.listen".to_owned()
        }
        _ => format!("another server answers there: check {setting}, DNS and the proxy"),
    };
    format!("answers HTTP {status}: {advice}")
}

fn unanswered(url: &str, error: &reqwest::Error) -> String {
    let causes = error.source().map(outage::causes).unwrap_or_default();
    format!(
        "{url} does not answer ({causes}): check DNS, the certificate, the proxy and that the api runs"
    )
}
