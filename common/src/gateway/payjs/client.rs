//! Questions to PayJS, with answers that are only believed when signed.

use std::time::Duration;

use anyhow::anyhow;
use secrecy::SecretString;
use serde_json::{Map, Value};
use url::Url;

use super::signed;
use crate::{
    config, form,
    gateway::{Gateway, Payment},
    order::{Fee, OutTradeNo},
    sign::{self, Params},
};

/// How long PayJS may take to make an order: somebody waits for it, and so does the limit of a whole request.
const NATIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks PayJS.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    mchid: String,
    key: SecretString,
}

/// Why PayJS gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum PayJsError {
    /// PayJS said no, with its words. Asking again soon gets the same answer.
    #[error("PayJS refused: {0}")]
    Refused(String),
    /// No answer, a broken one, or one that is not signed. Ask again later.
    #[error("PayJS did not answer: {0:#}")]
    OutOfReach(#[source] anyhow::Error),
    /// A signed answer says that an order was paid, but cannot be read. Asking again gets the same answer.
    #[error("PayJS says that an order was paid, but its answer lacks a usable {0}")]
    Unreadable(&'static str),
}

/// What `check` knows of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// Not paid, or not yet.
    Unpaid,
    /// Paid.
    Paid(Box<PaidAnswer>),
    /// Paid, but the number of the order is not one of ours: another shop of the merchant made it.
    Foreign(String),
}

/// PayJS's signed answer that an order was paid. It names the order, which need not be the one that was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidAnswer {
    /// Our number of the order.
    pub out_trade_no: OutTradeNo,
    /// PayJS's number of the order.
    pub payjs_order_id: String,
    /// The number that the payer sees.
    pub transaction_id: String,
    /// The amount that was paid.
    pub total_fee: Fee,
    /// When it was paid, as PayJS wrote it.
    pub paid_time: String,
    params: Params,
}

impl PaidAnswer {
    /// Reads an answer in the form in which [`form`](Self::form) writes it. Its signature is checked by
    /// [`is_signed`](Self::is_signed).
    pub fn parse(form: &str, mchid: &str) -> Option<Self> {
        Self::of(form::parse(form.as_bytes()).ok()?, mchid).ok()
    }

    /// An error is the name of a field that is missing or cannot be used.
    fn of(params: Params, mchid: &str) -> Result<Self, &'static str> {
        let set = |name| {
            text(&params, name)
                .filter(|value| *value != "0")
                .map(str::to_owned)
                .ok_or(name)
        };
        if text(&params, "status") != Some("1") {
            return Err("status");
        }
        if text(&params, "mchid").is_some_and(|named| named != mchid) {
            return Err("mchid");
        }
        let parsed = set("out_trade_no")?.parse();
        let total_fee = set("total_fee")?.parse();
        Ok(Self {
            out_trade_no: parsed.map_err(|_| "out_trade_no")?,
            payjs_order_id: set("payjs_order_id")?,
            transaction_id: set("transaction_id")?,
            total_fee: total_fee.map_err(|_| "total_fee")?,
            paid_time: set("paid_time")?,
            params,
        })
    }

    /// Whether the signature is PayJS's.
    pub fn is_signed(&self, key: &SecretString) -> bool {
        sign::verify(&self.params, key)
    }

    /// What it says.
    pub fn payment(&self) -> Payment {
        Payment {
            gateway: Gateway::Payjs,
            payment_id: self.payjs_order_id.clone(),
            transaction_id: self.transaction_id.clone(),
            out_trade_no: self.out_trade_no.clone(),
            total_fee: self.total_fee,
            paid_at: self.paid_time.clone(),
        }
    }

    /// The answer as a form, with its signature.
    pub fn form(&self) -> String {
        form::write(&self.params)
    }
}

/// An order that PayJS made to be paid by scanning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Native {
    /// PayJS's number of the order.
    pub payjs_order_id: String,
    /// What the code holds that the payer scans with WeChat; good for two hours.
    pub code_url: String,
}

/// A refund that PayJS granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refund {
    /// Refunded now.
    Now,
    /// Had been refunded before.
    Before,
}

impl Client {
    /// A client with the merchant's key.
    pub fn new(http: reqwest::Client, config: &config::PayJs) -> Self {
        Self {
            http,
            base: config.api_base.clone(),
            mchid: config.mchid.clone(),
            key: config.key.clone(),
        }
    }

    /// Asks whether an order was paid. An answer that says so ends PayJS's notifies for the order.
    pub async fn check(&self, payjs_order_id: &str) -> Result<Check, PayJsError> {
        let reply = self.ask_about("check", payjs_order_id).await?;
        self.verify(&reply)?;
        if text(&reply, "status") != Some("1") {
            return Ok(Check::Unpaid);
        }
        let is_ours = |number: &str| {
            let number = number.parse::<OutTradeNo>().ok();
            number.is_some_and(|number| number.made_at().is_some())
        };
        if let Some(number) = text(&reply, "out_trade_no").filter(|number| !is_ours(number)) {
            return Ok(Check::Foreign(number.to_owned()));
        }
        PaidAnswer::of(reply, &self.mchid)
            .map(|answer| Check::Paid(Box::new(answer)))
            .map_err(PayJsError::Unreadable)
    }

    /// Gives all the money of an order back.
    pub async fn refund(&self, payjs_order_id: &str) -> Result<Refund, PayJsError> {
        let reply = self.ask_about("refund", payjs_order_id).await?;
        // The answer to a repeated refund is not signed.
        if text(&reply, "refund") == Some("1") {
            return Ok(Refund::Before);
        }
        self.verify(&reply)?;
        Ok(Refund::Now)
    }

    /// Lets PayJS make the order of these signed parameters, to be paid by scanning. The signature of the answer stays
    /// here: a person who has it could try to pass it off as a notify.
    pub async fn native(&self, order: &Params) -> Result<Native, PayJsError> {
        let asked = self.ask("native", order);
        let reply = tokio::time::timeout(NATIVE_TIMEOUT, asked)
            .await
            .map_err(|_| broken("it made no order in time"))??;
        self.verify(&reply)?;
        for name in ["out_trade_no", "total_fee"] {
            if reply.get(name) != order.get(name) {
                return Err(broken("its answer is about another order"));
            }
        }
        let set = |name| {
            text(&reply, name)
                .map(str::to_owned)
                .ok_or_else(|| broken("an answer to native lacks a field"))
        };
        Ok(Native {
            payjs_order_id: set("payjs_order_id")?,
            code_url: set("code_url")?,
        })
    }

    async fn ask_about(&self, endpoint: &str, payjs_order_id: &str) -> Result<Params, PayJsError> {
        let request = Params::from([("payjs_order_id".to_owned(), payjs_order_id.to_owned())]);
        self.ask(endpoint, &signed(request, &self.key)).await
    }

    async fn ask(&self, endpoint: &str, request: &Params) -> Result<Params, PayJsError> {
        let url = self.base.join(endpoint).map_err(out_of_reach)?;
        let response = self
            .http
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form::write(request))
            .send()
            .await
            .map_err(out_of_reach)?;
        let status = response.status();
        let body = response.bytes().await.map_err(out_of_reach)?;
        if !status.is_success() {
            return Err(broken(&format!("it answered HTTP {status}")));
        }
        let reply: Map<String, Value> = serde_json::from_slice(&body).map_err(out_of_reach)?;
        let reply = flat(reply);
        if text(&reply, "return_code") == Some("1") {
            return Ok(reply);
        }
        let words = ["return_msg", "msg", "message"]
            .into_iter()
            .find_map(|name| text(&reply, name));
        Err(PayJsError::Refused(
            words.unwrap_or("no reason given").to_owned(),
        ))
    }

    fn verify(&self, reply: &Params) -> Result<(), PayJsError> {
        if sign::verify(reply, &self.key) {
            Ok(())
        } else {
            Err(broken("its answer is not signed with our key"))
        }
    }
}

fn text<'a>(reply: &'a Params, name: &str) -> Option<&'a str> {
    reply
        .get(name)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
}

/// Numbers come as numbers or texts and sign the same; nested replies are of no use to us.
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

fn out_of_reach(error: impl Into<anyhow::Error>) -> PayJsError {
    PayJsError::OutOfReach(error.into())
}

fn broken(what: &str) -> PayJsError {
    PayJsError::OutOfReach(anyhow!("{what}"))
}
