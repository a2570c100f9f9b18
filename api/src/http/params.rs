//! The extractors: parameters from a query, a form or a JSON object. Routes of the API read them strictly, pages do not.

pub(crate) mod encoding;
mod known;
mod page;
mod signed;

use std::fmt;

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, MatchedPath, Request},
    http::{HeaderMap, Method, header},
};
use heyi_common::{
    config,
    form::{self, FormError, MOST_FIELDS},
    order::DataError,
    sign,
};
use http_body_util::LengthLimitError;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::Value;

pub(crate) use self::page::PageParams;
#[cfg(test)]
pub(crate) use self::signed::SIGNED;
pub(crate) use self::signed::{OptionalSignature, Signature, Signed};
use self::{encoding::Encoding, known::Known};
use crate::http::error::Error;

/// The longest body, in bytes.
pub(crate) const BODY_LIMIT: usize = 16 * 1024;
/// The one parameter that may be an object.
const DATA: &str = "data";

/// The parameters of a request, as they were sent: the query of a GET, the body of a POST.
pub(crate) struct Params {
    /// Where they were sent to.
    route: Option<MatchedPath>,
    given: sign::Params,
}

impl Params {
    /// The parameters of a route of the API. One that it does not know is refused; an empty one counts as missing, as
    /// it does when requests are signed.
    pub(crate) fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        read(Known::new(&self.given, &[]))
    }

    /// The parameters of a signed route, and who signed them is still to be checked.
    pub(crate) fn read_signed<'a, T: Deserialize<'a>>(
        &'a self,
        config: &config::Sign,
    ) -> Result<(T, Signed<'a>), Error> {
        let request = read(Known::new(&self.given, &signed::NAMES))?;
        let route = self.route.as_ref().map_or("", MatchedPath::as_str);
        Ok((request, Signed::new(route, &self.given, config)?))
    }
}

fn read<'a, T: Deserialize<'a>>(
    params: impl Deserializer<'a, Error: fmt::Display>,
) -> Result<T, Error> {
    T::deserialize(params).map_err(|error| Error::Invalid(error.to_string()))
}

impl<S: Sync> FromRequest<S> for Params {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        let route = request.extensions().get::<MatchedPath>().cloned();
        let given = given(request).await?;
        Ok(Self { route, given })
    }
}

/// Parameters as text.
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

/// Reads a whole body, which is at most [`BODY_LIMIT`] long, before and after it is decompressed.
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

/// Whether a body was not read because it is longer than its limit.
pub(crate) fn is_too_long(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .any(<dyn std::error::Error>::is::<LengthLimitError>)
}

fn from_form(text: &[u8]) -> Result<sign::Params, Error> {
    form::parse(text).map_err(|error| Error::Invalid(error.to_string()))
}

fn from_json(text: &[u8]) -> Result<sign::Params, Error> {
    let read: Result<Flat, _> = serde_json::from_slice(text);
    read.map(|Flat(params)| params)
        .map_err(|error| not_json(&error))
}

fn not_json(error: &serde_json::Error) -> Error {
    Error::Invalid(format!("the body is not the JSON it should be: {error}"))
}

/// A flat JSON object without duplicate names.
struct Flat(sign::Params);

impl<'de> Deserialize<'de> for Flat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FlatVisitor).map(Self)
    }
}

struct FlatVisitor;

impl<'de> Visitor<'de> for FlatVisitor {
    type Value = sign::Params;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings and integers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<sign::Params, A::Error> {
        let mut params = sign::Params::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            let text = match value {
                Value::String(text) => text,
                Value::Number(number) if !number.is_f64() => number.to_string(),
                Value::Object(_) if name == DATA => compact(value),
                // Like an empty one, it counts as missing and is not signed.
                Value::Null => String::new(),
                _ if name == DATA => {
                    return Err(A::Error::custom(DataError::NotAnObject));
                }
                _ => {
                    return Err(A::Error::custom(format_args!(
                        "{name:?} must be a string or an integer"
                    )));
                }
            };
            if params.contains_key(&name) {
                return Err(A::Error::custom(format_args!("duplicate field {name:?}")));
            }
            if params.len() == MOST_FIELDS {
                return Err(A::Error::custom(FormError::TooMany));
            }
            params.insert(name, text);
        }
        Ok(params)
    }
}

/// Compact and with sorted keys, as the client signs it. Whether `serde_json`'s own maps are sorted depends on the
/// features that any other crate asks of it.
fn compact(mut object: Value) -> String {
    object.sort_all_objects();
    object.to_string()
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
