//! Which parameters a request may have: those of the type that it is read as.

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
    /// What there may be besides the fields; none where everything may be.
    also: Option<&'static [&'static str]>,
}

impl<'a> Known<'a> {
    /// What is neither a field nor one of `also` is refused. Empty parameters count as missing.
    pub(super) fn strict(given: &'a sign::Params, also: &'static [&'static str]) -> Self {
        let also = Some(also);
        Self { given, also }
    }

    /// What is no field is ignored.
    pub(super) fn lenient(given: &'a sign::Params) -> Self {
        Self { given, also: None }
    }

    fn refuse_unknown(&self, fields: &[&str]) -> Result<(), Error> {
        let Some(also) = self.also else {
            return Ok(());
        };
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
        let keeps_empty = self.also.is_none();
        let given = self.given.iter();
        let given = given.filter(|(_, text)| keeps_empty || !text.is_empty());
        let pairs = given.map(|(name, text)| (name.as_str(), Text(text)));
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
struct Text<'a>(&'a str);

impl<'de> IntoDeserializer<'de> for Text<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Text<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.0)
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
    fn an_unknown_parameter_is_refused_by_its_name_and_ignored_by_pages() {
        let given = params(&[("id", "1"), ("sign", "x"), ("utm_source", "")]);
        let refused = Request::deserialize(Known::strict(&given, &["sign"])).unwrap_err();
        assert!(refused.to_string().contains("\"utm_source\""), "{refused}");
        let refused = Request::deserialize(Known::strict(&given, &[])).unwrap_err();
        assert!(refused.to_string().contains("\"sign\""), "{refused}");
        assert_eq!(
            Request::deserialize(Known::lenient(&given)).unwrap().id,
            "1"
        );
    }

    #[test]
    fn an_empty_parameter_counts_as_missing() {
        let given = params(&[("id", "1"), ("totalFee", "")]);
        let read = Request::deserialize(Known::strict(&given, &[])).unwrap();
        assert_eq!(read.total_fee, None);
        let given = params(&[("id", "")]);
        let refused = Request::deserialize(Known::strict(&given, &[])).unwrap_err();
        assert_eq!(refused.to_string(), "missing field `id`");
    }
}
