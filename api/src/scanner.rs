//! Which app scanned a code.

use axum::http::{HeaderMap, header};
use heyi_common::payload::Platform;

/// The platform of the app that asks, by its `User-Agent`. That is easily made up, so it only picks a page.
pub(crate) fn of(headers: &HeaderMap) -> Option<Platform> {
    let agent = headers.get(header::USER_AGENT)?.to_str().ok()?;
    let is = |part: &str| agent.contains(part);
    if is("AlipayClient/") || is("AliApp(AP/") {
        Some(Platform::Alipay)
    } else if is("WindowsWechat") {
        // On a desktop there is nothing to save a picture for.
        None
    } else if is("MicroMessenger/") {
        Some(Platform::Wechat)
    } else if is("UnionPay/") || is("com.unionpay.") {
        Some(Platform::Unionpay)
    } else if agent.starts_with("jdapp;") || is("JDJR") {
        Some(Platform::Jd)
    } else if is("QQ/") {
        Some(Platform::Qq)
    } else {
        None
    }
}
