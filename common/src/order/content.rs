//! What the owner of a code may change about it.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, MapAccess, Visitor},
};

use super::{
    name::{self, NameError},
    values::ValueError,
};
use crate::{
    payload::{AllowList, PayloadError, Payloads, check_total, normalized},
    platform::Platform,
};

/// The checked `data` of `/update`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// What the owner calls the code: 1 to 32 visible characters in NFC.
    pub name: String,
    /// The merged receive codes: one or more.
    pub payloads: Payloads,
}

/// Why `data` is refused.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Not an object. An array would be read by the order of the fields.
    #[error("data must be a JSON object, or a string that holds one")]
    NotAnObject,
    /// Not JSON of the expected shape.
    #[error("data is not the JSON object it should be: {0}")]
    Json(#[from] serde_json::Error),
    /// The openid is malformed.
    #[error(transparent)]
    OpenId(#[from] ValueError),
    /// The name is refused.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is nothing to merge.
    #[error("data.payloads must hold at least one receive code")]
    NoPayload,
    /// One of the payloads is refused.
    #[error(transparent)]
    Payload(#[from] PayloadError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upload {
    name: String,
    #[serde(deserialize_with = "each_once")]
    payloads: Payloads,
    #[serde(default)]
    confirmed: bool,
}

impl Content {
    /// Reads the JSON text of `data` and checks it as that of an order.
    pub fn parse(json: &str, known: &AllowList) -> Result<Self, DataError> {
        let upload: Upload = from_object(json)?;
        Self::check(&upload.name, upload.payloads, known, upload.confirmed)
    }

    pub(super) fn check(
        name: &str,
        mut payloads: Payloads,
        known: &AllowList,
        confirmed: bool,
    ) -> Result<Self, DataError> {
        let name = name::parse(name)?;
        if payloads.is_empty() {
            return Err(DataError::NoPayload);
        }
        for (platform, payload) in &mut payloads {
            *payload = normalized(payload).to_owned();
            known.check(*platform, payload, confirmed)?;
        }
        check_total(&payloads)?;
        Ok(Self { name, payloads })
    }
}

/// Reads the JSON text of an object.
pub(super) fn from_object<T: DeserializeOwned>(json: &str) -> Result<T, DataError> {
    if json.trim_start().starts_with('[') {
        return Err(DataError::NotAnObject);
    }
    Ok(serde_json::from_str(json)?)
}

/// Payloads without duplicate platforms: parsers could disagree on which one counts.
pub(super) fn each_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Payloads, D::Error> {
    struct Each;

    impl<'de> Visitor<'de> for Each {
        type Value = Payloads;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of platforms and payloads")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Payloads, A::Error> {
            let mut payloads = Payloads::new();
            while let Some((platform, payload)) = map.next_entry::<Platform, String>()? {
                if payloads.insert(platform, payload).is_some() {
                    return Err(A::Error::custom(format_args!("duplicate field {platform}")));
                }
            }
            Ok(payloads)
        }
    }

    deserializer.deserialize_map(Each)
}
