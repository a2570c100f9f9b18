//! What the owner of a code may change about it.

use serde::Deserialize;

use super::{
    data::{DataError, each_once, from_object},
    name,
};
use crate::payload::{AllowList, Payloads, check_total, normalized};

/// The checked `data` of `/update`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// What the owner calls the code: 1 to 32 visible characters in NFC.
    pub name: String,
    /// The merged receive codes: one or more.
    pub payloads: Payloads,
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
