//! `Content-Encoding` of request bodies: proxies and clients may send gzip.
//!
//! `tower-http` was refused: its layer decompresses while the body is read. A limit on the received bytes does not
//! bound the decompressed bytes.

use std::io::Read;

use axum::http::{HeaderMap, header};
use flate2::read::MultiGzDecoder;

use super::BODY_LIMIT;
use crate::http::error::Error;

/// The encoding of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Not at all.
    None,
    /// With gzip, once.
    Gzip,
}

impl Encoding {
    /// The encoding that the headers name.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Error> {
        let mut found = Self::None;
        for value in headers.get_all(header::CONTENT_ENCODING) {
            let value = value.to_str().map_err(|_| Error::UnsupportedEncoding)?;
            for name in value.split(',').map(str::trim) {
                match name.to_ascii_lowercase().as_str() {
                    "" | "identity" => {}
                    "gzip" | "x-gzip" if found == Self::None => found = Self::Gzip,
                    _ => return Err(Error::UnsupportedEncoding),
                }
            }
        }
        Ok(found)
    }

    /// Decompresses the body, up to [`BODY_LIMIT`], so that a decompression bomb is harmless.
    pub(super) fn decode(self, body: Vec<u8>) -> Result<Vec<u8>, Error> {
        if self == Self::None || body.is_empty() {
            return Ok(body);
        }
        let mut plain = Vec::new();
        let most = u64::try_from(BODY_LIMIT + 1).unwrap_or(u64::MAX);
        MultiGzDecoder::new(body.as_slice())
            .take(most)
            .read_to_end(&mut plain)
            .map_err(|_| {
                let errmsg =
                    "the body is not the gzip that Content-Encoding promises: send it again";
                Error::Invalid(errmsg.to_owned())
            })?;
        if plain.len() > BODY_LIMIT {
            return Err(Error::TooLarge);
        }
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn encoding(values: &[&str]) -> Option<Encoding> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CONTENT_ENCODING, value.parse().unwrap());
        }
        Encoding::of(&headers).ok()
    }

    #[test]
    fn gzip_is_understood_once_and_nothing_else() {
        for (values, expected) in [
            (&[][..], Some(Encoding::None)),
            (&["identity"], Some(Encoding::None)),
            (&["gzip"], Some(Encoding::Gzip)),
            (&["X-GZIP"], Some(Encoding::Gzip)),
            (&["identity, gzip"], Some(Encoding::Gzip)),
            (&["gzip, gzip"], None),
            (&["gzip", "gzip"], None),
            (&["br"], None),
            (&["deflate"], None),
            (&["zstd"], None),
        ] {
            assert_eq!(encoding(values), expected, "{values:?}");
        }
    }

    #[test]
    fn a_bomb_is_too_large() {
        let bomb = gzip(&vec![0; 10 << 20]);
        assert!(bomb.len() < BODY_LIMIT);
        let decoded = Encoding::Gzip.decode(bomb);
        assert!(matches!(decoded, Err(Error::TooLarge)));
        let many: Vec<u8> = (0..200).flat_map(|_| gzip(&[0; 1000])).collect();
        let decoded = Encoding::Gzip.decode(many);
        assert!(matches!(decoded, Err(Error::TooLarge)));
        let largest = Encoding::Gzip.decode(gzip(&[0; BODY_LIMIT]));
        assert_eq!(largest.unwrap().len(), BODY_LIMIT);
    }

    proptest! {
        #[test]
        fn what_is_no_gzip_is_refused_and_nothing_panics(body: Vec<u8>) {
            let decoded = Encoding::Gzip.decode(body.clone());
            prop_assert!(decoded.is_err() || body.is_empty());
        }

        #[test]
        fn what_was_packed_comes_out(plain in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(Encoding::Gzip.decode(gzip(&plain)).unwrap(), plain);
        }
    }
}
