//! Refusals of PayJS.

use axum::{
    Json,
    response::{IntoResponse, Response},
};

/// PayJS's refusals. The texts are sent to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body cannot be read.
    #[error("请求格式错误: {0}")]
    Unreadable(String),
    /// An unknown parameter.
    #[error("未知参数 {0}")]
    UnknownParameter(String),
    /// An empty parameter: sources disagree on whether it is signed.
    #[error("参数 {0} 为空")]
    Empty(String),
    /// A missing parameter.
    #[error("缺少参数 {0}")]
    Missing(&'static str),
    /// A value longer than the documents allow.
    #[error("参数 {0} 过长")]
    TooLong(&'static str),
    /// A value that the documents do not name.
    #[error("参数 {0} 错误")]
    Value(&'static str),
    /// Not an integer from 1 to 1000000.
    #[error("金额错误")]
    Fee,
    /// Another merchant.
    #[error("商户号错误")]
    Merchant,
    /// The signature is invalid.
    #[error("签名错误")]
    Sign,
    /// Not http or https, or with a query.
    #[error("notify_url 错误")]
    NotifyUrl,
    /// The merchant's number of the order belongs to a paid order.
    #[error("商户订单号重复")]
    Used,
    /// The order does not exist.
    #[error("订单不存在")]
    UnknownOrder,
    /// The order is paid.
    #[error("订单已支付")]
    Paid,
    /// The order is not paid.
    #[error("订单未支付")]
    Unpaid,
    /// The order is closed.
    #[error("订单已关闭")]
    Closed,
    /// The order is refunded.
    #[error("订单已退款")]
    Refunded,
    /// The rate limit of `check`.
    #[error("请求过于频繁")]
    TooFast,
    /// The knob `refuse` is set.
    #[error("系统繁忙")]
    Knob,
}

impl IntoResponse for Refusal {
    /// PayJS's format, with HTTP 200. The refusal is attached for the ledger.
    fn into_response(self) -> Response {
        let msg = self.to_string();
        let body =
            serde_json::json!({"return_code": 0, "status": 0, "msg": msg, "return_msg": msg});
        let mut response = Json(body).into_response();
        response.extensions_mut().insert(self);
        response
    }
}
