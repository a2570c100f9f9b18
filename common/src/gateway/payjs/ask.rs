//! Queries to PayJS. Only signed answers count.

use anyhow::anyhow;
use serde_json::{Map, Value};

use super::{merchant, notify::set, signed};
use crate::{
    config, form,
    gateway::{Answer, Gateway, GatewayError, Merchant, NotifyError, Payment, Refund, Status},
    order::OutTradeNo,
    sign::{self, Params},
};

/// A client of PayJS that signs for one merchant.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    pub(super) config: config::PayJs,
}

impl Client {
    /// A client with the merchant's key.
    pub fn new(http: reqwest::Client, config: &config::PayJs) -> Self {
        Self {
            http,
            config: config.clone(),
        }
    }

    pub(in crate::gateway) fn merchant(&self) -> Merchant {
        merchant(&self.config)
    }

    /// Asks whether an order was paid. An answer that says so ends PayJS's notifies for the order.
    pub(in crate::gateway) async fn query(
        &self,
        payjs_order_id: &str,
    ) -> Result<Status, GatewayError> {
        let reply = self.ask_about("check", payjs_order_id).await?;
        self.verify(&reply)?;
        if text(&reply, "status") != Some("1") {
            return Ok(Status::Unpaid);
        }
        let is_ours = |number: &str| {
            let number = number.parse::<OutTradeNo>().ok();
            number.is_some_and(|number| number.made_at().is_some())
        };
        if let Some(number) = text(&reply, "out_trade_no").filter(|number| !is_ours(number)) {
            return Ok(Status::Foreign(number.to_owned()));
        }
        let unreadable = |field| GatewayError::Unreadable(Gateway::Payjs, field);
        Ok(Status::Paid(Answer {
            payment: self.paid(&reply).map_err(unreadable)?,
            body: form::write(&reply),
        }))
    }

    /// Parses an answer that says paid.
    pub(in crate::gateway) fn read_answer(&self, body: &str) -> Result<Payment, NotifyError> {
        let malformed = |what: String| NotifyError::Malformed(what);
        let reply = form::parse(body.as_bytes()).map_err(|error| malformed(error.to_string()))?;
        if !sign::verify(&reply, &self.config.key) {
            return Err(NotifyError::Forged);
        }
        let lacks = |field| malformed(format!("the answer lacks a usable {field}"));
        self.paid(&reply).map_err(lacks)
    }

    /// The payment of a reply that says paid. An error is the name of a missing or unusable field.
    fn paid(&self, reply: &Params) -> Result<Payment, &'static str> {
        let field = |name| {
            text(reply, name)
                .and_then(set)
                .map(str::to_owned)
                .ok_or(name)
        };
        if text(reply, "status") != Some("1") {
            return Err("status");
        }
        if text(reply, "mchid").is_some_and(|named| named != self.config.mchid) {
            return Err("mchid");
        }
        let out_trade_no = field("out_trade_no")?.parse();
        let total_fee = field("total_fee")?.parse();
        Ok(Payment {
            gateway: Gateway::Payjs,
            payment_id: field("payjs_order_id")?,
            transaction_id: field("transaction_id")?,
            out_trade_no: out_trade_no.map_err(|_| "out_trade_no")?,
            total_fee: total_fee.map_err(|_| "total_fee")?,
            paid_at: field("paid_time")?,
        })
    }

    /// Refunds the whole amount of an order.
    pub(in crate::gateway) async fn refund(
        &self,
        payjs_order_id: &str,
    ) -> Result<Refund, GatewayError> {
        let reply = self.ask_about("refund", payjs_order_id).await?;
        // The answer to a repeated refund is not signed.
        if text(&reply, "refund") == Some("1") {
            return Ok(Refund::Before);
        }
        self.verify(&reply)?;
        Ok(Refund::Now)
    }

    async fn ask_about(
        &self,
        endpoint: &str,
        payjs_order_id: &str,
    ) -> Result<Params, GatewayError> {
        let request = Params::from([("payjs_order_id".to_owned(), payjs_order_id.to_owned())]);
        self.ask(endpoint, &signed(request, &self.config.key)).await
    }

    pub(super) async fn ask(
        &self,
        endpoint: &str,
        request: &Params,
    ) -> Result<Params, GatewayError> {
        let url = self.config.api_base.join(endpoint).map_err(no_answer)?;
        let response = self
            .http
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form::write(request))
            .send()
            .await
            .map_err(no_answer)?;
        let status = response.status();
        let body = response.bytes().await.map_err(no_answer)?;
        if !status.is_success() {
            return Err(broken(&format!("it answered HTTP {status}")));
        }
        let reply: Map<String, Value> = serde_json::from_slice(&body).map_err(no_answer)?;
        let reply = flat(reply);
        if text(&reply, "return_code") == Some("1") {
            return Ok(reply);
        }
        let words = ["return_msg", "msg", "message"]
            .into_iter()
            .find_map(|name| text(&reply, name));
        Err(GatewayError::Refused(
            Gateway::Payjs,
            words.unwrap_or("no reason given").to_owned(),
        ))
    }

    pub(super) fn verify(&self, reply: &Params) -> Result<(), GatewayError> {
        if sign::verify(reply, &self.config.key) {
            Ok(())
        } else {
            Err(broken("its answer is not signed with our key"))
        }
    }
}

pub(super) fn text<'a>(reply: &'a Params, name: &str) -> Option<&'a str> {
    reply
        .get(name)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
}

/// Flattens a reply: numbers come as numbers or texts and sign the same; nested values are not needed.
fn flat(reply: Map<String, Value>) -> Params {
    reply
        .into_iter()
        .filter_map(|(name, value)| match value {
            Value::String(text) => Some((name, text)),
            Value::Number(number) => Some((name, number.to_string())),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        })
        .collect()
}

pub(super) fn no_answer(error: impl Into<anyhow::Error>) -> GatewayError {
    GatewayError::NoAnswer(Gateway::Payjs, error.into())
}

pub(super) fn broken(what: &str) -> GatewayError {
    GatewayError::NoAnswer(Gateway::Payjs, anyhow!("{what}"))
}
