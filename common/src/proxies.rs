//! A proxy that names its clients to an api that does not trust it: a note for `heyi-worker doctor`.

use ipnet::IpNet;
use redis::{AsyncCommands, RedisResult, SetExpiry, SetOptions};

use crate::{queue::Keys, redis::Redis};

/// How long a note stays when nothing renews it, in seconds.
const KEPT: u64 = 2 * 60 * 60;

/// Notes that requests from `proxy` name another client and that the setting `http.trusted_proxies` does not hold it.
pub async fn note_untrusted(redis: &Redis, keys: &Keys, proxy: IpNet) -> RedisResult<()> {
    let options = SetOptions::default().with_expiration(SetExpiry::EX(KEPT));
    let key = keys.untrusted_proxy();
    redis
        .shared()
        .set_options(key, proxy.to_string(), options)
        .await
}

/// The proxy that an api noted last.
pub async fn untrusted(redis: &Redis, keys: &Keys) -> RedisResult<Option<IpNet>> {
    let noted: Option<String> = redis.shared().get(keys.untrusted_proxy()).await?;
    Ok(noted.and_then(|proxy| proxy.parse().ok()))
}
