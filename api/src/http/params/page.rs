//! Parameters of pages. Apps append their own parameters to a link that is forwarded, in any encoding and repeatedly.
//! So a page ignores all parameters that it does not know.

use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Fields, Text, object, text};
use crate::http::error::Error;

/// The known parameters of a page, one value each: from the query of a GET, the body of a POST.
pub(crate) struct PageParams<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for PageParams<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        match text(request).await? {
            Text::Form(text) => from_form(&text),
            Text::Json(text) => {
                let given = object(&text)?.into_iter().filter_map(|(name, value)| {
                    let value = match value {
                        Value::String(text) => text,
                        Value::Number(number) => number.to_string(),
                        _ => return None,
                    };
                    Some((name.into(), value.into()))
                });
                Fields::lenient(given).read()
            }
        }
        .map(Self)
    }
}

fn from_form<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    // Invalid UTF-8 becomes replacement characters, which no name and no valid value contains.
    Fields::lenient(form_urlencoded::parse(text)).read()
}

#[cfg(test)]
mod tests {
    use axum::{
        body::Body,
        http::{Method, header},
    };
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Request {
        #[serde(default)]
        id: String,
        r#as: Option<String>,
    }

    fn form(text: &[u8]) -> Result<(String, Option<String>), Error> {
        from_form(text).map(|Request { id, r#as }| (id, r#as))
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
        let params = PageParams::from_request(request, &()).await;
        let PageParams(Request { id, r#as }) = params.unwrap();
        assert_eq!((id.as_str(), r#as), ("a", None));
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
