//! The parameters of each interface, and their common checks.

use heyi_common::sign::{self, Params, SIGN};
use url::Url;

use crate::{options::Options, refusal::Refusal};

/// A parameter of an interface.
pub(super) struct Rule {
    name: &'static str,
    /// In bytes, the stricter reading of the documents.
    longest: usize,
    needed: bool,
}

const fn needed(name: &'static str, longest: usize) -> Rule {
    Rule {
        name,
        longest,
        needed: true,
    }
}

const fn optional(name: &'static str, longest: usize) -> Rule {
    Rule {
        name,
        longest,
        needed: false,
    }
}

/// The mini-program's `extraData` (PayJS's page `wxa`).
pub(super) const MINI_PROGRAM: &[Rule] = &[
    needed("mchid", 16),
    needed("total_fee", 16),
    needed("out_trade_no", 32),
    optional("body", 32),
    optional("attach", 127),
    optional("notify_url", 255),
    needed("nonce", 128),
    needed(SIGN, 32),
];

/// `POST native`.
pub(super) const NATIVE: &[Rule] = &[
    needed("mchid", 16),
    needed("total_fee", 16),
    needed("out_trade_no", 32),
    optional("body", 32),
    optional("attach", 127),
    optional("notify_url", 255),
    optional("type", 16),
    optional("no_credit", 1),
    optional("time_expire", 14),
    needed(SIGN, 32),
];

/// `GET cashier`.
pub(super) const CASHIER: &[Rule] = &[
    needed("mchid", 16),
    needed("total_fee", 16),
    needed("out_trade_no", 32),
    optional("body", 32),
    optional("attach", 127),
    optional("notify_url", 255),
    optional("callback_url", 255),
    optional("auto", 1),
    optional("hide", 1),
    optional("logo", 32),
    needed(SIGN, 32),
];

/// `check`, `close` and `refund`.
pub(super) const OF_ORDER: &[Rule] = &[
    needed("payjs_order_id", 32),
    optional("mchid", 16),
    needed(SIGN, 32),
];

/// Checks names, lengths, merchant and signature.
pub(super) fn check(options: &Options, rules: &[Rule], params: &Params) -> Result<(), Refusal> {
    for (name, value) in params {
        let Some(rule) = rules.iter().find(|rule| rule.name == name) else {
            return Err(Refusal::UnknownParameter(name.clone()));
        };
        if value.is_empty() {
            return Err(Refusal::Empty(name.clone()));
        }
        if too_long(rule, value) {
            return Err(Refusal::TooLong(rule.name));
        }
        if !is_known(rule.name, value) {
            return Err(Refusal::Value(rule.name));
        }
    }
    for rule in rules.iter().filter(|rule| rule.needed) {
        if !params.contains_key(rule.name) {
            return Err(Refusal::Missing(rule.name));
        }
    }
    if params.get("mchid").is_some_and(|id| *id != options.mchid) {
        return Err(Refusal::Merchant);
    }
    // Case matters: PayJS signs in upper case. Empty values were refused above.
    if params.get(SIGN) != Some(&sign::sign(params, &options.key)) {
        return Err(Refusal::Sign);
    }
    Ok(())
}

/// Checks the values of switches, types and times. A switch is on or absent: SDKs that sign a `0` and send nothing are
/// refused too.
fn is_known(name: &str, value: &str) -> bool {
    match name {
        "auto" | "hide" | "no_credit" => value == "1",
        "type" => value == "alipay",
        "time_expire" => value.len() == 14 && value.bytes().all(|byte| byte.is_ascii_digit()),
        "callback_url" | "logo" => {
            Url::parse(value).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
        }
        _ => true,
    }
}

/// Lengths are in bytes. A title's is in characters, with at most twice as many bytes.
fn too_long(rule: &Rule, value: &str) -> bool {
    if rule.name == "body" {
        value.chars().count() > rule.longest || value.len() > 2 * rule.longest
    } else {
        value.len() > rule.longest
    }
}
