//! The signing keys of people: derived, not stored, and valid in their epoch and the next.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::config;

/// The epoch of `second` (Unix time), if an epoch lasts `length`.
pub fn epoch(second: i64, length: Duration) -> u64 {
    u64::try_from(second).unwrap_or(0) / length.as_secs().max(1)
}

/// The key of a person in an epoch: the first 32 hex digits of HMAC-SHA256(session secret, `<openid>:<epoch>`).
/// An openid has no colon.
pub fn person_key(session_secret: &SecretString, openid: &str, epoch: u64) -> SecretString {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(session_secret.expose_secret().as_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(openid.as_bytes());
    mac.update(b":");
    mac.update(epoch.to_string().as_bytes());
    let mut digits = hex::encode(mac.finalize().into_bytes());
    digits.truncate(32);
    SecretString::from(digits)
}

/// Maximum difference between the clocks of processes.
pub const CLOCKS_APART: Duration = Duration::from_secs(10);

/// The keys of a person that are accepted at `second` (Unix time), the likeliest first. They are those of this epoch and
/// the last, of the session secret and of the previous one if it is set. At the end of an epoch also that of the next,
/// since another process's clock may be ahead. Each is computed only when it is needed.
pub fn accepted_keys<'a>(
    config: &'a config::Sign,
    openid: &'a str,
    second: i64,
) -> impl Iterator<Item = SecretString> + 'a {
    let soon = second.saturating_add(CLOCKS_APART.as_secs().cast_signed());
    let (now, soon) = (epoch(second, config.epoch), epoch(soon, config.epoch));
    let secrets = [&config.session_secret, &config.previous_session_secret];
    let secrets = secrets
        .into_iter()
        .filter(|secret| !secret.expose_secret().is_empty());
    let epochs = [Some(now), now.checked_sub(1), (soon != now).then_some(soon)];
    secrets
        .flat_map(move |secret| epochs.map(|epoch| (secret, epoch)))
        .filter_map(move |(secret, epoch)| Some(person_key(secret, openid, epoch?)))
}
