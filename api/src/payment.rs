//! What a person needs to pay an order, by channel.

use heyi_common::{
    gateway::payjs::{Channel, cashier_url},
    order::{Order, OutTradeNo},
    sign,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{http::error::Error, state::AppState};

/// The channels by name.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase", default = "miniapp")]
#[expect(dead_code, reason = "for the document")]
pub(crate) enum ChannelName {
    MiniApp,
    Cashier,
    Native,
}

/// What the channel needs.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Payment {
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
        #[schema(value_type = String)]
        out_trade_no: OutTradeNo,
        /// The signed address of PayJS's cashier, to be opened in WeChat as it is.
        cashier_url: String,
    },
    /// `native`
    Native {
        /// The order's number, for `/checkOrder`.
        #[schema(value_type = String)]
        out_trade_no: OutTradeNo,
        /// PayJS's number of the order, for `/checkOrder`.
        payjs_order_id: String,
        /// What the code holds that the payer scans with WeChat, within two hours.
        code_url: String,
    },
}

/// What PayJS's mini-program takes, and nothing else; `total_fee` is a number there.
#[derive(Serialize, ToSchema)]
pub(crate) struct PayParams {
    #[serde(flatten)]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    signed: sign::Params,
    /// The price in fen.
    total_fee: u32,
}

impl Payment {
    /// Of an order that is kept by now, so that no payment comes before it. When PayJS makes none, it expires.
    pub(crate) async fn of(
        state: &AppState,
        channel: Channel,
        order: Order,
    ) -> Result<Self, Error> {
        Ok(match channel {
            Channel::MiniApp => Self::MiniApp {
                params: PayParams::new(order),
            },
            Channel::Cashier => Self::Cashier {
                cashier_url: cashier_url(&state.config.payjs, &order.params)
                    .map_err(|error| Error::Internal(error.into()))?
                    .into(),
                out_trade_no: order.out_trade_no,
            },
            Channel::Native => {
                let made = state.payjs.native(&order.params).await?;
                Self::Native {
                    out_trade_no: order.out_trade_no,
                    payjs_order_id: made.payjs_order_id,
                    code_url: made.code_url,
                }
            }
        })
    }
}

impl PayParams {
    fn new(order: Order) -> Self {
        let mut signed = order.params;
        signed.remove("total_fee");
        Self {
            signed,
            total_fee: order.total_fee.fen(),
        }
    }
}
