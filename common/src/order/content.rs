//! The content of a code, and the uploaded `data`.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, MapAccess, Visitor},
};
use utoipa::ToSchema;

use super::{
    name::{self, NameError},
    values::{OpenId, ValueError},
};
use crate::{
    payload::{AllowList, PayloadError, Payloads, check_total, normalized},
    platform::Platform,
};

/// What the page of a code shows.
// The only definition of these fields. They are uploaded and checked as `data`, then stored flattened in the order, the code
// and each of its changes. Lists show them in the same form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Content {
    /// What the owner calls the code: 1 to 32 visible characters in NFC.
    pub name: String,
    /// The merged receive codes: one or more.
    #[serde(deserialize_with = "each_once")]
    #[schema(inline)]
    pub payloads: Payloads,
}

/// The checked `data` of `/newOrder`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderData {
    /// The owner.
    pub openid: OpenId,
    /// The content of the future code.
    pub content: Content,
}

/// Why `data` is refused.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Not an object. serde would read an array by the order of the fields.
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
    /// No receive codes.
    #[error("data.payloads must hold at least one receive code")]
    NoPayload,
    /// One of the payloads is refused.
    #[error(transparent)]
    Payload(#[from] PayloadError),
}

/// `data` as it is sent.
#[derive(Deserialize)]
struct Upload {
    #[serde(rename = "openId")]
    openid: Option<String>,
    #[serde(flatten)]
    content: Content,
    /// Whether the person confirmed that payloads of no known form are receive codes.
    #[serde(default)]
    confirmed: bool,
    #[serde(flatten)]
    unknown: serde_json::Map<String, serde_json::Value>,
}

impl OrderData {
    /// Parses the JSON text of `data` and checks every part of it.
    pub fn parse(json: &str, known: &AllowList) -> Result<Self, DataError> {
        let mut upload: Upload = from_object(json)?;
        let openid = upload
            .openid
            .take()
            .ok_or_else(|| serde_json::Error::missing_field("openId"))?;
        Ok(Self {
            openid: openid.parse()?,
            content: upload.check(known)?,
        })
    }
}

impl Content {
    /// Parses the JSON text of `data` of `/update` with the checks of an order.
    pub fn parse(json: &str, known: &AllowList) -> Result<Self, DataError> {
        let upload: Upload = from_object(json)?;
        if upload.openid.is_some() {
            return Err(unknown_field("openId"));
        }
        upload.check(known)
    }
}

impl Upload {
    fn check(self, known: &AllowList) -> Result<Content, DataError> {
        if let Some((field, _)) = self.unknown.into_iter().next() {
            return Err(unknown_field(&field));
        }
        let Content { name, mut payloads } = self.content;
        let name = name::parse(&name)?;
        if payloads.is_empty() {
            return Err(DataError::NoPayload);
        }
        for (platform, payload) in &mut payloads {
            *payload = normalized(payload).to_owned();
            known.check(*platform, payload, self.confirmed)?;
        }
        check_total(&payloads)?;
        Ok(Content { name, payloads })
    }
}

fn unknown_field(name: &str) -> DataError {
    serde_json::Error::custom(format_args!("unknown field `{name}`")).into()
}

/// Reads the JSON text of an object.
fn from_object(json: &str) -> Result<Upload, DataError> {
    if json.trim_start().starts_with('[') {
        return Err(DataError::NotAnObject);
    }
    Ok(serde_json::from_str(json)?)
}

/// Payloads without duplicate platforms: parsers could disagree on which one counts.
fn each_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Payloads, D::Error> {
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

#[cfg(test)]
mod tests;
