//! Pseudonyms of reporters.

use std::net::IpAddr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::civil::Date;
use mongodb::bson::oid::ObjectId;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// A prefix that no openid contains, so that no person's key is a pseudonym.
const PURPOSE: &str = "report:";

/// A pseudonym for a client network that reports a code on a day. Without the session secret, the database reveals neither
/// an address nor whether one reporter reported two codes or on two days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reporter(ObjectId);

impl Reporter {
    /// HMAC-SHA256 of code, day and network under the session secret, cut to 96 bits.
    pub fn new(session_secret: &SecretString, code: ObjectId, day: Date, network: IpAddr) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(session_secret.expose_secret().as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(format!("{PURPOSE}{code}:{day}:{network}").as_bytes());
        let digest = mac.finalize().into_bytes();
        let mut id = [0; 12];
        id.copy_from_slice(&digest[..12]);
        Self(ObjectId::from_bytes(id))
    }

    pub(super) fn id(self) -> ObjectId {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn each_part_makes_another_reporter() {
        let (code, day) = (ObjectId::new(), date(2026, 11, 28));
        let of = |secret: &str, code, day, address: &str| {
            Reporter::new(&secret.into(), code, day, address.parse().unwrap())
        };
        let one = of("secret", code, day, "192.0.2.1");
        assert_eq!(one, of("secret", code, day, "192.0.2.1"));
        for other in [
            of("other", code, day, "192.0.2.1"),
            of("secret", ObjectId::new(), day, "192.0.2.1"),
            of("secret", code, date(2026, 11, 29), "192.0.2.1"),
            of("secret", code, day, "192.0.2.2"),
        ] {
            assert_ne!(one, other);
        }
    }
}
