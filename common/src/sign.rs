//! The signature of our requests, and of gateways that sign alike: MD5 over sorted parameters and a key.
//!
//! Every parameter but `sign` that has a value, sorted by name, joined as `name=value` with `&`, then `&key=…`, MD5, in
//! upper-case hex. Nothing is trimmed or encoded, and `"0"` counts as a value.
//!
//! The join is ambiguous: a value that holds `&name=…` signs like a further parameter. So no user's text may reach a
//! parameter that we sign for a gateway. A signature alone never proves what kind of message it came with: each
//! [gateway](crate::gateway) checks the shape as well.
//!
//! Requests to our own routes are signed with two parameters more: [`ROUTE`], which is not sent, and [`TS`].
//! A request whose text could be read in a second way is refused, see [`second_reading`].

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

/// Parameters in the order in which they are signed: by name, none twice.
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

/// The name under which a signature travels.
pub const SIGN: &str = "sign";

/// Signs `params` with `key`: 32 upper-case hex digits. A `sign` among them takes no part.
pub fn sign(params: &impl Sorted, key: &SecretString) -> String {
    digest(params, key, |value| !value.is_empty())
}

/// Whether `params` carry the signature that `key` makes of the rest.
///
/// Sources disagree on whether empty values are signed, so both readings are accepted; they only differ
/// when there is an empty value. The comparison takes the same time wherever the first difference is.
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
