//! Sample uploads that match the default patterns.

use heyi_common::platform::Platform;
use serde_json::{Value, json};

/// A payload of each platform that has a default pattern.
pub fn payloads() -> Value {
    let samples = Platform::ALL.into_iter().filter_map(|platform| {
        let sample = platform.row().sample?;
        Some((platform.name().to_owned(), sample.into()))
    });
    Value::Object(samples.collect())
}

/// The `data` of an order with all platforms.
pub fn data(openid: &str, name: &str) -> Value {
    json!({ "openId": openid, "name": name, "payloads": payloads() })
}
