//! Records untrusted proxies that name their clients, for `heyi-worker doctor`.

use ipnet::IpNet;
use redis::{AsyncCommands, RedisResult, SetExpiry, SetOptions};

use crate::{queue::Keys, redis::Redis};

/// TTL of a record in seconds.
const KEPT: u64 = 2 * 60 * 60;

/// Records that requests from `proxy` name another client although `http.trusted_proxies` lacks the proxy.
pub async fn note_untrusted(redis: &Redis, keys: &Keys, proxy: IpNet) -> RedisResult<()> {
    let options = SetOptions::default().with_expiration(SetExpiry::EX(KEPT));
    let key = keys.untrusted_proxy();
    redis
        .shared()
        .set_options(key, proxy.to_string(), options)
        .await
}

/// The last recorded proxy.
pub async fn untrusted(redis: &Redis, keys: &Keys) -> RedisResult<Option<IpNet>> {
    let noted: Option<String> = redis.shared().get(keys.untrusted_proxy()).await?;
    Ok(noted.and_then(|proxy| proxy.parse().ok()))
}
