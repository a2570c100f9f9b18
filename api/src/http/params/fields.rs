//! Deserializes parameters into a struct: its fields are the allowed parameters, and each type validates its value.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use heyi_common::sign::ROUTE;
use serde::{
    Deserialize, Deserializer,
    de::{self, Error as _, IntoDeserializer, Visitor, value::MapDeserializer},
};

use crate::http::error::Error;

/// Parameters to deserialize into a struct.
pub(super) struct Fields<'a> {
    given: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Parameters allowed besides the fields of the struct; `None` allows any.
    also: Option<&'static [&'static str]>,
}

impl<'a> Fields<'a> {
    /// Rejects parameters that are neither a field nor one of `also`. Empty parameters count as missing.
    pub(super) fn strict(
        given: impl IntoIterator<Item = (&'a String, &'a String)>,
        also: &'static [&'static str],
    ) -> Self {
        let given = given.into_iter();
        Self {
            given: given
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            also: Some(also),
        }
    }

    /// Ignores unknown parameters.
    pub(super) fn lenient(given: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Self {
        Self {
            given: given.collect(),
            also: None,
        }
    }

    /// Deserializes the struct.
    pub(super) fn read<T: Deserialize<'a>>(self) -> Result<T, Error> {
        serde_path_to_error::deserialize(self).map_err(|error| {
            let text = error.inner().to_string();
            // A type that several parameters share does not know their names.
            let has_no_name = text.starts_with("must ");
            Error::Invalid(if has_no_name {
                format!("{} {text}", error.path())
            } else {
                text
            })
        })
    }
}

fn check_unknown(name: &str, also: &[&str]) -> Result<(), Refusal> {
    if also.contains(&name) {
        Ok(())
    } else if name == ROUTE && !also.is_empty() {
        Err(Refusal::custom(
            "the parameter \"route\" is signed but not sent: leave it out of the request",
        ))
    } else {
        Err(Refusal::custom(format_args!(
            "unknown parameter {name:?}: see /openapi.json for those of this route"
        )))
    }
}

impl<'de> Deserializer<'de> for Fields<'de> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refusal> {
        Err(Refusal::custom("parameters are read as a struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let mut known = BTreeMap::new();
        for (name, value) in self.given {
            let Some(field) = fields.iter().find(|field| **field == name) else {
                self.also
                    .map_or(Ok(()), |also| check_unknown(&name, also))?;
                continue;
            };
            if value.is_empty() && self.also.is_some() {
                continue;
            }
            if known.get(field).is_some_and(|Value(other)| *other != value) {
                let twice = format_args!("the parameter {field:?} has two values: send one");
                return Err(Refusal::custom(twice));
            }
            known.insert(*field, Value(value));
        }
        visitor.visit_map(MapDeserializer::new(known.into_iter()))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// One value; an `Option` field reads it as `Some`.
struct Value<'a>(Cow<'a, str>);

impl<'de> IntoDeserializer<'de, Refusal> for Value<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.0.into_deserializer().deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// Why parameters are invalid.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refusal(String);

impl de::Error for Refusal {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(text.to_string())
    }

    fn unknown_variant(_: &str, names: &'static [&'static str]) -> Self {
        match names {
            [first @ .., last] if !first.is_empty() => {
                Self(format!("must be {} or {last}", first.join(", ")))
            }
            _ => Self(format!("must be {}", names.concat())),
        }
    }
}

#[cfg(test)]
mod tests {
    use heyi_common::{order::OpenId, platform::Platform, sign};

    use super::*;
    use crate::http::params::Within;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Request {
        id: String,
        #[serde(rename = "openId")]
        openid: Option<OpenId>,
        r#as: Option<Platform>,
        #[serde(default)]
        size: Within<u16, 1, 20, 10>,
    }

    fn read(pairs: &[(&str, &str)], also: &'static [&'static str]) -> Result<Request, String> {
        let pairs = pairs.iter();
        let given = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let given: sign::Params = given.collect();
        let read = Fields::strict(&given, also).read();
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn an_unknown_parameter_is_refused_by_its_name() {
        let given = [("id", "1"), ("sign", "x"), ("utm_source", "")];
        for (also, name) in [(&["sign"][..], "\"utm_source\""), (&[], "\"sign\"")] {
            let refused = read(&given, also).unwrap_err();
            assert!(refused.contains(name), "{refused}");
        }
    }

    #[test]
    fn an_empty_parameter_counts_as_missing() {
        let request = read(&[("id", "1"), ("as", ""), ("size", "")], &[]).unwrap();
        assert_eq!((request.r#as, request.size), (None, Within(10)));
        assert_eq!(
            read(&[("id", "")], &[]),
            Err("missing field `id`".to_owned())
        );
    }

    #[test]
    fn every_type_is_read_and_says_what_its_parameter_must_be() {
        let given = [("id", "1"), ("openId", "o"), ("as", "jd"), ("size", "20")];
        let request = read(&given, &[]).unwrap();
        assert_eq!(
            (request.r#as, request.size),
            (Some(Platform::Jd), Within(20))
        );
        for (name, value, expected) in [
            (
                "openId",
                " ",
                "openId must be the openid that /login answered",
            ),
            (
                "as",
                "JD",
                "as must be wechat, alipay, qq, unionpay, jd or ecny",
            ),
            ("size", "21", "size must be from 1 to 20"),
            ("size", "01", "size must be from 1 to 20"),
            ("size", "1.0", "size must be from 1 to 20"),
        ] {
            let refused = read(&[("id", "1"), (name, value)], &[]);
            assert_eq!(refused, Err(expected.to_owned()), "{value}");
        }
    }
}
