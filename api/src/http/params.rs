//! Extractors: parameters as a struct, from a query, a form or a JSON object. API routes parse them strictly, pages
//! leniently.

pub(crate) mod encoding;
mod fields;
mod page;
mod signed;
mod within;

use std::fmt;

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, Method, header},
};
use heyi_common::{
    form::{self, FormError, MOST_FIELDS},
    order::DataError,
    sign,
};
use http_body_util::LengthLimitError;
use serde::{
    Deserializer as _,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::Value;

pub(crate) use self::page::PageParams;
#[cfg(test)]
pub(crate) use self::signed::SIGNED;
use self::{encoding::Encoding, fields::Fields};
pub(crate) use self::{
    signed::{Signature, Signed, SignedParams},
    within::Within,
};
use crate::http::error::Error;

/// The size limit of a body, in bytes.
pub(crate) const BODY_LIMIT: usize = 16 * 1024;
/// The only parameter that may be an object.
const DATA: &str = "data";

/// The parameters of an API route: the query of a GET, the body of a POST. Unknown parameters are rejected. Empty ones
/// count as missing, as in the signature.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Params<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        let given = given(request).await?;
        Fields::strict(&given, &[]).read().map(Self)
    }
}

/// Parameters in text form.
enum Text {
    Form(Vec<u8>),
    Json(Vec<u8>),
}

async fn given(request: Request) -> Result<sign::Params, Error> {
    match text(request).await? {
        Text::Form(text) => from_form(&text),
        Text::Json(text) => from_json(&text),
    }
}

async fn text(request: Request) -> Result<Text, Error> {
    if request.method() != Method::POST {
        return Ok(Text::Form(request.uri().query().unwrap_or_default().into()));
    }
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase())
        .unwrap_or_default();
    let (head, body) = request.into_parts();
    let body = read_body(&head.headers, body).await?;
    match kind.as_str() {
        "application/json" => Ok(Text::Json(body)),
        "application/x-www-form-urlencoded" if body.trim_ascii_start().starts_with(b"{") => {
            Err(Error::Invalid(
                "the body is JSON: send it with Content-Type: application/json".to_owned(),
            ))
        }
        _ if body.is_empty() && head.uri.query().is_some() => Err(Error::Invalid(
            "a POST has its parameters in the body, not in the address".to_owned(),
        )),
        "application/x-www-form-urlencoded" => Ok(Text::Form(body)),
        "" if body.is_empty() => Ok(Text::Form(body)),
        _ => Err(Error::Invalid(
            "send the body as application/json or application/x-www-form-urlencoded, and say so in Content-Type"
                .to_owned(),
        )),
    }
}

/// Reads a whole body, at most [`BODY_LIMIT`] long both before and after decompression.
pub(crate) async fn read_body(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Error> {
    let encoding = Encoding::of(headers)?;
    match to_bytes(body, BODY_LIMIT).await {
        Ok(bytes) => encoding.decode(bytes.into()),
        Err(error) if is_too_long(&error) => Err(Error::TooLarge),
        Err(_) => Err(Error::Invalid(
            "the body did not arrive whole: send it again".to_owned(),
        )),
    }
}

/// Whether reading the body failed because it exceeds its limit.
pub(crate) fn is_too_long(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .any(<dyn std::error::Error>::is::<LengthLimitError>)
}

fn from_form(text: &[u8]) -> Result<sign::Params, Error> {
    Ok(form::parse(text)?)
}

fn from_json(text: &[u8]) -> Result<sign::Params, Error> {
    let mut params = sign::Params::new();
    for (name, value) in object(text)? {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) if !number.is_f64() => number.to_string(),
            Value::Object(_) if name == DATA => compact(value),
            // Like an empty value, it counts as missing and is not signed.
            Value::Null => String::new(),
            _ if name == DATA => return Err(DataError::NotAnObject.into()),
            _ => {
                let errmsg = format!("{name:?} must be a string or an integer");
                return Err(Error::Invalid(errmsg));
            }
        };
        if params.contains_key(&name) {
            return Err(FormError::Twice(name).into());
        }
        if params.len() == MOST_FIELDS {
            return Err(FormError::TooMany.into());
        }
        params.insert(name, text);
    }
    Ok(params)
}

/// Compact JSON with sorted keys, as the client signs it. `serde_json`'s maps may be unsorted, depending on the
/// features that other crates enable.
fn compact(mut object: Value) -> String {
    object.sort_all_objects();
    object.to_string()
}

/// The fields of a JSON object, including duplicate fields.
fn object(text: &[u8]) -> Result<Vec<(String, Value)>, Error> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let pairs = json.deserialize_map(Object);
    pairs
        .and_then(|pairs| json.end().map(|()| pairs))
        .map_err(|error| Error::Invalid(format!("the body is not the JSON it should be: {error}")))
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings and integers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_object_as_data_is_signed_compact_and_sorted() {
        let body = br#"{"data": {"openId": "o", "name": "b", "a": {"z": 1, "b": [1, 2]}}, "totalFee": 990}"#;
        let params = from_json(body).unwrap();
        assert_eq!(
            params["data"],
            r#"{"a":{"b":[1,2],"z":1},"name":"b","openId":"o"}"#
        );
        assert_eq!(params["totalFee"], "990");
    }

    #[test]
    fn a_string_is_taken_as_it_is() {
        let params = from_json(br#"{"data": "{ \"b\": 1, \"a\": 2 }"}"#).unwrap();
        assert_eq!(params["data"], r#"{ "b": 1, "a": 2 }"#);
    }

    #[test]
    fn null_is_an_empty_text() {
        assert_eq!(from_json(br#"{"sign": null}"#).unwrap()["sign"], "");
    }

    #[test]
    fn anything_else_is_refused_with_its_name() {
        for (body, expected) in [
            (r#"{"id": {"$ne": 1}}"#, "\"id\" must be a string"),
            (r#"{"data": [1]}"#, "data must be a JSON object"),
            (r#"{"totalFee": 9.9}"#, "\"totalFee\" must be a string"),
            (r#"{"totalFee": 1e3}"#, "\"totalFee\" must be a string"),
            (r#"{"sign": true}"#, "\"sign\" must be a string"),
            (r#"{"id": "1", "id": "2"}"#, "duplicate field \"id\""),
            ("[]", "an object of strings"),
            ("", "EOF"),
            ("{} {}", "trailing"),
        ] {
            let error = from_json(body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{body}: {error}");
        }
    }

    #[test]
    fn more_than_64_fields_are_refused() {
        let object = |fields: usize| {
            let fields: Vec<String> = (0..fields).map(|field| format!("\"{field}\":1")).collect();
            format!("{{{}}}", fields.join(","))
        };
        assert!(from_json(object(MOST_FIELDS).as_bytes()).is_ok());
        let error = from_json(object(MOST_FIELDS + 1).as_bytes()).unwrap_err();
        assert!(error.to_string().contains("more than 64 fields"), "{error}");
    }

    proptest! {
        #[test]
        fn no_body_panics(body in "[\\[\\]{}:,\"a-c0-9.e\\\\u-]{0,60}", bytes: Vec<u8>) {
            let _ = from_json(body.as_bytes());
            let _ = from_json(&bytes);
        }

        #[test]
        fn an_object_of_texts_is_read_as_it_is_and_none_stands_twice(
            given in proptest::collection::btree_map(any::<String>(), any::<String>(), 0..MOST_FIELDS - 1),
            name: String,
        ) {
            let mut given = given;
            given.insert(name.clone(), "1".to_owned());
            let json = serde_json::to_string(&given).unwrap();
            let read = from_json(json.as_bytes()).unwrap();
            prop_assert_eq!(&read, &given);
            let twice = format!("{},{}:\"2\"}}", &json[..json.len() - 1], serde_json::json!(name));
            prop_assert!(from_json(twice.as_bytes()).unwrap_err().to_string().contains("duplicate field"));
        }
    }
}
