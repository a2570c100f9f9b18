//! The data that a client needs to pay through PayJS, by channel.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ask::{Client, broken, no_answer, text},
    signed,
};
use crate::{
    form,
    gateway::{Channel, GatewayError},
    order::{Order, OutTradeNo},
    sign::Params,
};

/// Timeout of PayJS for making an order: a person waits for it, and the whole request has a timeout too.
const NATIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the channel needs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Checkout {
    /// `miniapp`
    MiniApp {
        /// The signed parameters for PayJS's mini-program, to be handed on as they are.
        params: PayParams,
    },
    /// `cashier`
    #[serde(rename_all = "camelCase")]
    Cashier {
        /// The order's number, for `/checkOrder`.
        #[serde(rename = "out_trade_no")]
        out_trade_no: OutTradeNo,
        /// The signed address of PayJS's cashier, to be opened in WeChat as it is.
        cashier_url: String,
    },
    /// `native`
    Native {
        /// The order's number, for `/checkOrder`.
        out_trade_no: OutTradeNo,
        /// What PayJS made.
        #[serde(flatten)]
        #[schema(inline)]
        made: Native,
    },
}

/// What PayJS's mini-program takes, and nothing else; `total_fee` is a number there.
#[derive(Debug, Serialize, ToSchema)]
pub struct PayParams {
    #[serde(flatten)]
    signed: BTreeMap<String, String>,
    /// The price in fen.
    total_fee: u32,
}

/// An order that PayJS made to be paid by scanning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Native {
    /// PayJS's number of the order, for `/checkOrder`.
    pub payjs_order_id: String,
    /// What the code holds that the payer scans with WeChat, within two hours.
    pub code_url: String,
}

impl Client {
    pub(in crate::gateway) async fn checkout(
        &self,
        order: &Order,
        channel: Channel,
    ) -> Result<Checkout, GatewayError> {
        let mut params = self.order_params(order, channel)?;
        let out_trade_no = order.out_trade_no.clone();
        Ok(match channel {
            Channel::MiniApp => {
                params.remove("total_fee");
                Checkout::MiniApp {
                    params: PayParams {
                        signed: params,
                        total_fee: order.total_fee.fen(),
                    },
                }
            }
            Channel::Cashier => {
                let mut url = self.config.api_base.join("cashier").map_err(no_answer)?;
                url.set_query(Some(&form::write(&params)));
                Checkout::Cashier {
                    out_trade_no,
                    cashier_url: url.into(),
                }
            }
            Channel::Native => Checkout::Native {
                out_trade_no,
                made: self.native(&params).await?,
            },
        })
    }

    /// The signed parameters of an order for a channel. No user's text is in them.
    pub fn order_params(&self, order: &Order, channel: Channel) -> Result<Params, GatewayError> {
        let config = &self.config;
        let notify_url = config.notify_url.as_ref();
        let notify_url = notify_url.ok_or_else(|| broken("payjs.notify_url is not set"))?;
        let mut params = BTreeMap::from([
            ("mchid".to_owned(), config.mchid.clone()),
            ("total_fee".to_owned(), order.total_fee.to_string()),
            ("out_trade_no".to_owned(), order.out_trade_no.to_string()),
            ("body".to_owned(), config.body.clone()),
            ("notify_url".to_owned(), notify_url.to_string()),
        ]);
        if channel == Channel::MiniApp {
            let nonce: [u8; 16] = rand::random();
            params.insert("nonce".to_owned(), hex::encode(nonce));
        }
        Ok(signed(params, &config.key))
    }

    /// Lets PayJS make the order of these signed parameters, to be paid by scanning. Drops the signature of the answer: a
    /// person could try to use it for a forged notify.
    async fn native(&self, order: &Params) -> Result<Native, GatewayError> {
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
}
