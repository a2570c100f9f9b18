//! Signatures of our requests and of gateways with the same scheme: MD5 over sorted parameters and a key.
//!
//! All parameters except `sign` and those without a value are sorted by name and joined as `name=value` with `&`. Then
//! `&key=…` is added. The signature is the MD5 in upper-case hex. Nothing is trimmed or encoded, and `"0"` counts as a
//! value.
//!
//! The join is ambiguous: a value with `&name=…` in it signs like a further parameter. So no user's text may be in a
//! parameter that we sign for a gateway. A signature alone never proves the kind of its message: each
//! [gateway](crate::gateway) also checks the shape.
//!
//! Requests to our own routes are signed with two further parameters: [`ROUTE`], which is not sent, and [`TS`]. A
//! request whose text has a second reading is refused, see [`second_reading`].

mod person;
mod request;

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

pub use person::{CLOCKS_APART, accepted_keys, epoch, person_key};
pub use request::{ROUTE, Routed, TS, second_reading};

/// Parameters by name, in the order in which they are signed.
pub type Params = BTreeMap<String, String>;

/// Parameters in signing order: by name, without duplicates.
pub trait Sorted {
    /// Their names and values.
    fn pairs(&self) -> impl Iterator<Item = (&str, &str)>;
}

impl Sorted for Params {
    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The name of the signature parameter.
pub const SIGN: &str = "sign";

/// Signs `params` with `key`: 32 upper-case hex digits. Ignores a `sign` among them.
pub fn sign(params: &impl Sorted, key: &SecretString) -> String {
    digest(params, key, |value| !value.is_empty())
}

/// Whether `params` have a valid signature of `key`.
///
/// Sources disagree on whether empty values are signed, so both are accepted; they differ only if a value is empty. The
/// comparison takes constant time.
pub fn verify(params: &impl Sorted, key: &SecretString) -> bool {
    let Some((_, given)) = params.pairs().find(|(name, _)| *name == SIGN) else {
        return false;
    };
    let given = given.to_ascii_uppercase();
    let is = |signature: String| bool::from(given.as_bytes().ct_eq(signature.as_bytes()));
    let some_are_empty = params.pairs().any(|(_, value)| value.is_empty());
    is(sign(params, key)) || (some_are_empty && is(digest(params, key, |_| true)))
}

fn digest(params: &impl Sorted, key: &SecretString, takes_part: impl Fn(&str) -> bool) -> String {
    let mut md5 = Md5::new();
    for (name, value) in params.pairs() {
        if name != SIGN && takes_part(value) {
            md5.update(name);
            md5.update("=");
            md5.update(value);
            md5.update("&");
        }
    }
    md5.update("key=");
    md5.update(key.expose_secret());
    hex::encode_upper(md5.finalize())
}

#[cfg(test)]
mod tests;
