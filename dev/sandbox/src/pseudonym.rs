//! Fake ids in the format of WeChat's.

use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// An openid: 28 characters, the first is `o`. The same for the same name.
pub(crate) fn openid(name: &str) -> String {
    format!("o{}", letters(&["openid", name], 27))
}

/// A session key: 24 characters of base64. The same for the same code.
pub(crate) fn session_key(code: &str) -> String {
    format!("{}==", letters(&["session key", code], 22))
}

/// `count` pseudorandom letters, at most 32. The same for the same parts.
pub(crate) fn letters(parts: &[&str], count: usize) -> String {
    let digest = Sha256::digest(parts.join("\n"));
    digest
        .iter()
        .take(count)
        .map(|byte| char::from(ALPHABET[usize::from(byte % 64)]))
        .collect()
}
