//! Parameters of pages. Apps add parameters of their own to a link that is passed on, in any encoding and again each
//! time, so a page reads those that it knows and ignores all others.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use axum::extract::{FromRequest, Request};
use serde::{
    Deserialize, Deserializer,
    de::{
        Error as _, MapAccess, Visitor,
        value::{Error as ReadError, MapDeserializer},
    },
};

use super::{Text, known, not_json, read, text};
use crate::http::error::Error;

/// The parameters of a page, as they were sent: the query of a GET, the body of a POST.
pub(crate) enum PageParams {
    Form(Vec<u8>),
    Json(Vec<(String, String)>),
}

impl PageParams {
    /// The parameters that `T` has, each with one value.
    pub(crate) fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        read(self)
    }

    fn given(&self) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
        match self {
            // What is not UTF-8 becomes replacement characters, which no name and no good value has.
            Self::Form(text) => form_urlencoded::parse(text).collect(),
            Self::Json(pairs) => {
                let pairs = pairs.iter();
                pairs
                    .map(|(name, value)| (name.into(), value.into()))
                    .collect()
            }
        }
    }
}

impl<S: Sync> FromRequest<S> for PageParams {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        match text(request).await? {
            Text::Form(text) => Ok(Self::Form(text)),
            Text::Json(text) => {
                let pairs: Result<Pairs, _> = serde_json::from_slice(&text);
                pairs
                    .map(|Pairs(pairs)| Self::Json(pairs))
                    .map_err(|error| not_json(&error))
            }
        }
    }
}

impl<'de> Deserializer<'de> for &'de PageParams {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ReadError> {
        Err(ReadError::custom("parameters are read as a struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let mut known = BTreeMap::new();
        for (name, value) in self.given() {
            let field = fields.iter().find(|field| **field == name);
            let Some(field) = field else {
                continue;
            };
            if known.get(field).is_some_and(|other| *other != value) {
                let twice = format_args!("the parameter {field:?} has two values: send one");
                return Err(ReadError::custom(twice));
            }
            known.insert(*field, value);
        }
        let known = known.into_iter();
        let known = known.map(|(name, value)| (name, known::Value(value)));
        visitor.visit_map(MapDeserializer::new(known))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The texts and integers of a JSON object, in order.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor).map(Self)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Vec<(String, String)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some((name, value)) = map.next_entry()? {
            match value {
                serde_json::Value::String(text) => pairs.push((name, text)),
                serde_json::Value::Number(number) => pairs.push((name, number.to_string())),
                _ => {}
            }
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        body::Body,
        http::{Method, header},
    };
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Request {
        #[serde(default)]
        id: String,
        r#as: Option<String>,
    }

    fn form(text: &[u8]) -> Result<(String, Option<String>), Error> {
        let params = PageParams::Form(text.to_vec());
        let request: Request = params.read()?;
        Ok((request.id, request.r#as))
    }

    #[test]
    fn what_a_page_does_not_know_is_ignored_however_it_comes() {
        for text in [
            b"id=a".as_slice(),
            b"id=a&from=timeline&isappinstalled=0&from=singlemessage&isappinstalled=0",
            b"fbclid=1&id=a&fbclid=2",
            b"id=a&utm_source=%CE%A2%D0%C5",
            b"id=a&\xce\xa2=\xd0\xc5&%FF=%FE&%=%zz",
            b"id=a&amp;from=timeline",
            b"&&id=a&&=&&",
            b"id=a&id=a",
        ] {
            let expected = ("a".to_owned(), None);
            assert_eq!(form(text).unwrap(), expected, "{}", text.escape_ascii());
        }
        let many = format!("id=a{}", "&from=b".repeat(8_000));
        assert_eq!(form(many.as_bytes()).unwrap().0, "a");
    }

    #[test]
    fn a_parameter_that_it_knows_has_one_value() {
        let refused = form(b"id=a&id=b").unwrap_err().to_string();
        assert!(refused.contains("\"id\" has two values"), "{refused}");
        assert_eq!(form(b"id=%CE%A2").unwrap().0, "\u{3a2}");
        assert_eq!(form(b"id=%D0%C5").unwrap().0, "\u{fffd}\u{fffd}");
        assert_eq!(
            form(b"as=jd").unwrap(),
            (String::new(), Some("jd".to_owned()))
        );
    }

    #[tokio::test]
    async fn an_object_may_hold_anything_besides() {
        let body = r#"{"x": [1], "from": 1, "id": "a", "from": {"id": "b"}, "as": null}"#;
        let request = axum::extract::Request::builder()
            .method(Method::POST)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .unwrap();
        let params = PageParams::from_request(request, &()).await.unwrap();
        let request: Request = params.read().unwrap();
        assert_eq!((request.id.as_str(), request.r#as), ("a", None));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_none_hides_the_id(before: Vec<u8>, after: Vec<u8>) {
            let text = [&before[..], b"&id=a&", &after].concat();
            match form(&text) {
                Ok((id, _)) => prop_assert_eq!(id, "a"),
                Err(error) => prop_assert!(error.to_string().contains("two values"), "{}", error),
            }
        }
    }
}
