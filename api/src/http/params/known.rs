//! Which parameters a request may have: those of the type that it is read as.

use std::borrow::Cow;

use heyi_common::sign::{self, ROUTE};
use serde::{
    Deserializer,
    de::{
        Error as _, IntoDeserializer, Visitor,
        value::{Error, MapDeserializer},
    },
};

/// Parameters that are read as a struct, whose fields are all that there may be.
pub(super) struct Known<'a> {
    given: &'a sign::Params,
    /// What there may be besides the fields.
    also: &'static [&'static str],
}

impl<'a> Known<'a> {
    /// What is neither a field nor one of `also` is refused. Empty parameters count as missing.
    pub(super) fn new(given: &'a sign::Params, also: &'static [&'static str]) -> Self {
        Self { given, also }
    }

    fn refuse_unknown(&self, fields: &[&str]) -> Result<(), Error> {
        let also = self.also;
        let is_known = |name: &str| fields.contains(&name) || also.contains(&name);
        match self.given.keys().find(|name| !is_known(name)) {
            None => Ok(()),
            Some(name) if name == ROUTE && !also.is_empty() => Err(Error::custom(
                "the parameter \"route\" is signed but not sent: leave it out of the request",
            )),
            Some(name) => Err(Error::custom(format_args!(
                "unknown parameter {name:?}: see /openapi.json for those of this route"
            ))),
        }
    }
}

impl<'de> Deserializer<'de> for Known<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let given = self.given.iter().filter(|(_, text)| !text.is_empty());
        let pairs = given.map(|(name, text)| (name.as_str(), Value(text.into())));
        visitor.visit_map(MapDeserializer::new(pairs))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.refuse_unknown(fields)?;
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// One value, which is also there when the request has it as an `Option`.
pub(super) struct Value<'a>(pub(super) Cow<'a, str>);

impl<'de> IntoDeserializer<'de> for Value<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Request {
        id: String,
        #[serde(rename = "totalFee")]
        total_fee: Option<String>,
    }

    fn params(pairs: &[(&str, &str)]) -> sign::Params {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn an_unknown_parameter_is_refused_by_its_name() {
        let given = params(&[("id", "1"), ("sign", "x"), ("utm_source", "")]);
        let refused = Request::deserialize(Known::new(&given, &["sign"])).unwrap_err();
        assert!(refused.to_string().contains("\"utm_source\""), "{refused}");
        let refused = Request::deserialize(Known::new(&given, &[])).unwrap_err();
        assert!(refused.to_string().contains("\"sign\""), "{refused}");
    }

    #[test]
    fn an_empty_parameter_counts_as_missing() {
        let given = params(&[("id", "1"), ("totalFee", "")]);
        let read = Request::deserialize(Known::new(&given, &[])).unwrap();
        assert_eq!(read.total_fee, None);
        let given = params(&[("id", "")]);
        let refused = Request::deserialize(Known::new(&given, &[])).unwrap_err();
        assert_eq!(refused.to_string(), "missing field `id`");
    }
}
