//! How the mini-program signs its requests.

use std::{
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use heyi_common::sign::{self, Params, Routed, SIGN, TS};
use secrecy::SecretString;

/// The largest offset of an order's `ts` from now, in seconds: less than `sign.window`.
const MOST_OFF: i64 = 100;

/// `pairs` as parameters.
pub fn params(pairs: &[(&str, &str)]) -> Params {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// `pairs` as parameters of a request to `route`, signed now.
///
/// Each order gets a unique `ts`, and each change a later one than the last change.
pub fn signed(route: &str, pairs: &[(&str, &str)], key: &SecretString) -> Params {
    static LAST_ORDER: Mutex<i64> = Mutex::new(0);
    static LAST_CHANGE: Mutex<i64> = Mutex::new(0);
    let ts = match route {
        "/newOrder" => next(&LAST_ORDER, |next| order_ts(next, now())),
        "/update" => next(&LAST_CHANGE, |next| next.max(now())),
        _ => now(),
    };
    signed_at(ts, route, pairs, key)
}

/// After so many orders that `ts` is too far ahead, continues with unused times of the past.
fn order_ts(next: i64, now: i64) -> i64 {
    if next < now - MOST_OFF {
        now
    } else if next > now + MOST_OFF {
        now - MOST_OFF
    } else {
        next
    }
}

fn next(last: &Mutex<i64>, ts: impl Fn(i64) -> i64) -> i64 {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    *last = ts(*last + 1);
    *last
}

/// The same, signed at a given time (Unix seconds).
pub fn signed_at(ts: i64, route: &str, pairs: &[(&str, &str)], key: &SecretString) -> Params {
    let mut params = params(pairs);
    params.insert(TS.to_owned(), ts.to_string());
    let routed = Routed {
        route,
        params: &params,
    };
    let signature = sign::sign(&routed, key);
    params.insert(SIGN.to_owned(), signature);
    params
}

/// `pairs` with a signature over them alone, as PayJS and clients of the old service sign.
pub fn signed_plainly(pairs: &[(&str, &str)], key: &SecretString) -> Params {
    let mut params = params(pairs);
    params.insert(SIGN.to_owned(), sign::sign(&params, key));
    params
}

/// The time in Unix seconds.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs().cast_signed())
}
