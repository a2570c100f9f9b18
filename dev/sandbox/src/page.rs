//! The pages that PayJS shows.

use crate::{ledger::Order, options::Options, refusal::Refusal};
use axum::response::Html;

/// The payment page of an order.
pub(crate) fn payment(options: &Options, order: &Order) -> String {
    format!(
        include_str!("../pages/payment.html"),
        mchid = escape(&options.mchid),
        title = escape(order.body.as_deref().unwrap_or("PayJS 订单")),
        yuan = order.total_fee / 100,
        fen = order.total_fee % 100,
        id = escape(&order.payjs_order_id),
        out_trade_no = escape(&order.out_trade_no),
    )
}

/// The page of a refused order.
pub(crate) fn refusal(refusal: &Refusal) -> Html<String> {
    Html(format!(
        include_str!("../pages/refusal.html"),
        reason = escape(&refusal.to_string()),
    ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
