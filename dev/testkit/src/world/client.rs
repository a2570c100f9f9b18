//! Test clients: the mini-program and the payer.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use heyi_common::sign::Params;
use reqwest::{StatusCode, header::HeaderMap, redirect::Policy};
use secrecy::SecretString;
use serde_json::Value;

use super::{
    eventually, samples,
    signing::{params, signed},
};
use heyi_sandbox::Sandbox;

/// Plays the mini-program: signs requests, calls the api, pays in the sandbox.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    app_key: SecretString,
    sandbox: Sandbox,
}

/// A person who signed in.
#[derive(Debug, Clone)]
pub struct Person {
    /// The openid that `/login` answered.
    pub openid: String,
    /// The key that signs all later requests.
    pub key: SecretString,
}

/// A complete answer of the api.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as text.
    pub body: String,
    /// Its body.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The body as JSON, or null if it is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// A string field of the JSON body, or an empty string.
    pub fn text(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_default().to_owned()
    }
}

impl Client {
    pub(super) fn new(base: &str, app_key: &str, sandbox: Sandbox) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(Duration::from_secs(20));
        Ok(Self {
            http: http.build().context("set up the client")?,
            base: base.to_owned(),
            app_key: app_key.into(),
            sandbox,
        })
    }

    /// A client of another api process, which shares the stores.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self {
            base: base.to_owned(),
            ..self.clone()
        }
    }

    /// A request to `path`, for cases that the other functions do not cover.
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// Sends a request and reads the answer.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer> {
        let answer = request.send().await.context("no answer")?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = answer.bytes().await?.to_vec();
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Answer {
            status,
            headers,
            body,
            bytes,
        })
    }

    /// GET with a query.
    pub async fn get(&self, path: &str, params: &Params) -> Result<Answer> {
        let query = heyi_common::form::write(params);
        self.send(self.request(reqwest::Method::GET, &format!("{path}?{query}")))
            .await
    }

    /// POST of a form.
    pub async fn post_form(&self, path: &str, params: &Params) -> Result<Answer> {
        let request = self.request(reqwest::Method::POST, path);
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(heyi_common::form::write(params));
        self.send(request).await
    }

    /// POST of JSON.
    pub async fn post_json(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(self.request(reqwest::Method::POST, path).json(body))
            .await
    }

    /// Signs in as the person whom the sandbox knows by this name.
    pub async fn login(&self, name: &str) -> Result<Person> {
        let fresh: [u8; 8] = rand::random();
        let code = format!("code-{name}-{:016x}", u64::from_be_bytes(fresh));
        let answer = self
            .get("/login", &self.signed_by_app("/login", &[("code", &code)]))
            .await?;
        ensure!(
            answer.json()["errcode"] == 200,
            "cannot sign in: {}",
            answer.body
        );
        Ok(Person {
            openid: answer.text("openid"),
            key: answer.text("signKey").into(),
        })
    }

    /// Signs a request with the app key.
    pub fn signed_by_app(&self, route: &str, pairs: &[(&str, &str)]) -> Params {
        signed(route, pairs, &self.app_key)
    }

    /// Sends a request that the person signed.
    pub async fn call(
        &self,
        route: &str,
        person: &Person,
        pairs: &[(&str, &str)],
    ) -> Result<Answer> {
        self.post_form(route, &signed(route, pairs, &person.key))
            .await
    }

    /// Asks for earlier contents of a code of the person.
    pub async fn changes(&self, person: &Person, id: &str) -> Result<Answer> {
        self.call("/changes", person, &[("id", id)]).await
    }

    /// Asks for the person's newest codes.
    pub async fn list(&self, person: &Person) -> Result<Answer> {
        self.call("/reflash", person, &[("openId", &person.openid)])
            .await
    }

    /// Deletes a code of the person.
    pub async fn delete(&self, person: &Person, id: &str) -> Result<Answer> {
        self.call("/del", person, &[("id", id)]).await
    }

    /// Changes a code of the person.
    pub async fn update(&self, person: &Person, id: &str, content: &Value) -> Result<Answer> {
        let pairs = [("id", id), ("data", &content.to_string())];
        self.call("/update", person, &pairs).await
    }

    /// Asks how often a code of the person was scanned.
    pub async fn stats(&self, person: &Person, id: &str) -> Result<Answer> {
        self.call("/stats", person, &[("id", id)]).await
    }

    /// Makes an order of the sample data and returns the signed parameters for PayJS.
    pub async fn order(&self, person: &Person, name: &str, fen: u32) -> Result<Params> {
        let data = samples::data(&person.openid, name);
        self.order_of(person, &data, fen).await
    }

    /// Makes an order of this data and returns the signed parameters for PayJS.
    pub async fn order_of(&self, person: &Person, data: &Value, fen: u32) -> Result<Params> {
        let (data, fen) = (data.to_string(), fen.to_string());
        let pairs = [("data", data.as_str()), ("totalFee", &fen)];
        let answer = self.call("/newOrder", person, &pairs).await?;
        ensure!(
            answer.status == StatusCode::OK,
            "no order: {} {}",
            answer.status,
            answer.body
        );
        let params = answer.json()["params"]
            .as_object()
            .context("no params")?
            .clone();
        let text = |value: Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        Ok(params
            .into_iter()
            .map(|(name, value)| (name, text(value)))
            .collect())
    }

    /// Makes an order of the sample data for this channel.
    pub async fn order_over(&self, channel: &str, person: &Person, name: &str) -> Result<Answer> {
        let data = samples::data(&person.openid, name).to_string();
        let pairs = [
            ("data", data.as_str()),
            ("totalFee", "990"),
            ("channel", channel),
        ];
        self.call("/newOrder", person, &pairs).await
    }

    /// Makes an order and pays it in the sandbox. Returns both numbers of the order.
    pub async fn pay(&self, person: &Person, name: &str, fen: u32) -> Result<(String, String)> {
        let params = self.order(person, name, fen).await?;
        let payjs_order_id = self.sandbox.order(&params)?;
        self.sandbox.pay(&payjs_order_id)?;
        Ok((params["out_trade_no"].clone(), payjs_order_id))
    }

    /// Asks for the state of an order.
    pub async fn check(&self, out_trade_no: &str) -> Result<Answer> {
        self.get("/checkOrder", &params(&[("out_trade_no", out_trade_no)]))
            .await
    }

    /// Waits until an order has become a code and returns its id.
    pub async fn code_of(&self, out_trade_no: &str) -> Result<String> {
        let mut id = String::new();
        eventually(&format!("a code of order {out_trade_no}"), async || {
            // An api that is being restarted does not answer.
            let Ok(answer) = self.check(out_trade_no).await else {
                return Ok(false);
            };
            id = answer.text("order_id");
            Ok(answer.status == StatusCode::OK)
        })
        .await?;
        Ok(id)
    }
}
