//! A sandbox with a merchant that receives notifies.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, http::StatusCode, routing::post};
use heyi_common::{
    form,
    sign::{self, Params, SIGN},
};
use heyi_sandbox::{Knobs, Ledger, Options, Sandbox};
use reqwest::{RequestBuilder, Response};
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;
use url::Url;

pub(crate) const MCHID: &str = "1600000001";
pub(crate) const APPID: &str = "wx0000000000000000";
pub(crate) const SECRET: &str = "wechat-secret";

/// How long to wait for anything.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Fixture {
    pub(crate) sandbox: Sandbox,
    pub(crate) http: reqwest::Client,
    pub(crate) merchant: Merchant,
}

/// A fake of Heyi that receives notifies.
#[derive(Clone, Default)]
pub(crate) struct Merchant {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Params>>>,
    /// The statuses of the next answers, then 200. 0 is no answer.
    statuses: Arc<Mutex<VecDeque<u16>>>,
}

impl Fixture {
    /// A sandbox whose notifies are repeated after 15, 30, 180, 1800, 3600 ms.
    pub(crate) async fn new() -> Self {
        Self::with_api(None).await
    }

    pub(crate) async fn with_api(api_url: Option<Url>) -> Self {
        let options = Options {
            mchid: MCHID.to_owned(),
            key: key(),
            appid: APPID.to_owned(),
            secret: SecretString::from(SECRET),
            api_url,
            app_key: SecretString::from("app-key"),
            notify_factor: 0.001,
        };
        let sandbox = Sandbox::start(options, listener().await).await.unwrap();
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            sandbox,
            http,
            merchant: Merchant::start().await,
        }
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        self.sandbox.url().join(path).unwrap()
    }

    pub(crate) fn url_with<'a>(
        &self,
        path: &str,
        query: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Url {
        let mut url = self.url(path);
        url.query_pairs_mut().extend_pairs(query);
        url
    }

    pub(crate) fn knobs(&self, change: impl FnOnce(&mut Knobs)) {
        let mut knobs = self.sandbox.knobs();
        change(&mut knobs);
        self.sandbox.set_knobs(knobs);
    }

    /// Signed parameters for the mini-program, with the merchant's notify URL.
    pub(crate) fn order(&self, out_trade_no: &str) -> Params {
        signed(&[
            ("mchid", MCHID),
            ("total_fee", "990"),
            ("out_trade_no", out_trade_no),
            ("body", "收款码合成"),
            ("notify_url", &self.merchant.url),
            ("nonce", "5f2b0c3d9e8a4716"),
        ])
    }

    /// Creates an order and pays it, as far as the knobs permit.
    pub(crate) fn paid(&self, out_trade_no: &str) -> String {
        let id = self.sandbox.order(&self.order(out_trade_no)).unwrap();
        self.sandbox.pay(&id).unwrap();
        id
    }

    pub(crate) async fn rest(&self, endpoint: &str, params: &Params) -> Value {
        let url = self.sandbox.payjs_url().join(endpoint).unwrap();
        json(self.http.post(url).form(params)).await
    }

    /// Calls `check`, `close` or `refund`.
    pub(crate) async fn about(&self, endpoint: &str, payjs_order_id: &str) -> Value {
        let params = signed(&[("payjs_order_id", payjs_order_id)]);
        self.rest(endpoint, &params).await
    }

    /// Waits until the ledger satisfies `holds`.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Ledger) -> bool) -> Ledger {
        let start = Instant::now();
        loop {
            let ledger = self.sandbox.ledger();
            if holds(&ledger) {
                return ledger;
            }
            assert!(start.elapsed() < LIMIT, "{what} never came: {ledger:#?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Merchant {
    async fn start() -> Self {
        let listener = listener().await;
        let merchant = Self {
            url: format!("http://{}/notify", listener.local_addr().unwrap()),
            ..Self::default()
        };
        let handler = {
            let merchant = merchant.clone();
            async move |body: Bytes| merchant.take(&body).await
        };
        let router = Router::new().route("/notify", post(handler));
        tokio::spawn(async move { axum::serve(listener, router).await });
        merchant
    }

    async fn take(&self, body: &[u8]) -> StatusCode {
        let params = form::parse(body).unwrap();
        self.received.lock().unwrap().push(params);
        let status = self.statuses.lock().unwrap().pop_front().unwrap_or(200);
        if status == 0 {
            std::future::pending::<()>().await;
        }
        StatusCode::from_u16(status).unwrap()
    }

    pub(crate) fn answer(&self, statuses: &[u16]) {
        self.statuses.lock().unwrap().extend(statuses);
    }

    pub(crate) fn received(&self) -> Vec<Params> {
        self.received.lock().unwrap().clone()
    }
}

pub(crate) fn key() -> SecretString {
    SecretString::from("EXAMPLEKEY123456")
}

pub(crate) async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

pub(crate) fn params(pairs: &[(&str, &str)]) -> Params {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Parameters for a query.
pub(crate) fn pairs(params: &Params) -> impl Iterator<Item = (&str, &str)> {
    params
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
}

pub(crate) fn signed(pairs: &[(&str, &str)]) -> Params {
    sign_anew(params(pairs))
}

pub(crate) fn sign_anew(mut params: Params) -> Params {
    params.insert(SIGN.to_owned(), sign::sign(&params, &key()));
    params
}

/// The fields of a reply as they are signed.
pub(crate) fn fields(reply: &Value) -> Params {
    reply
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let text = value.as_str().map_or(value.to_string(), ToOwned::to_owned);
            (name.clone(), text)
        })
        .collect()
}

pub(crate) fn verifies(reply: &Value) -> bool {
    sign::verify(&fields(reply), &key())
}

pub(crate) async fn send(request: RequestBuilder) -> Response {
    request.send().await.unwrap()
}

pub(crate) async fn json(request: RequestBuilder) -> Value {
    send(request).await.json().await.unwrap()
}
