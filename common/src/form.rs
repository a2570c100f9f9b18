//! Strict parsing of forms.

use std::collections::btree_map::Entry;

use percent_encoding::percent_decode;

use crate::sign::Params;

/// Maximum number of fields. A notify has about 10, and no request has more.
pub const MOST_FIELDS: usize = 64;

/// Why a body is not a valid form.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FormError {
    /// More than [`MOST_FIELDS`], whose decoding and sorting would cost far more than a usual form.
    #[error("there are more than 64 fields: send fewer")]
    TooMany,
    /// The decoded text is not UTF-8, so its signature would cover another text.
    #[error("the form is not UTF-8 after decoding")]
    NotUtf8,
    /// A duplicate name: parsers could disagree on its value.
    #[error("duplicate field {0:?}")]
    Twice(String),
}

/// Parses `application/x-www-form-urlencoded`.
pub fn parse(body: &[u8]) -> Result<Params, FormError> {
    let spaces = |byte: &u8| if *byte == b'+' { b' ' } else { *byte };
    let body: Vec<u8> = body.iter().map(spaces).collect();
    if pairs(&body).nth(MOST_FIELDS).is_some() {
        return Err(FormError::TooMany);
    }
    let mut params = Params::new();
    for pair in pairs(&body) {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let mut half = || decode(halves.next().unwrap_or_default());
        match (params.entry(half()?), half()?) {
            (Entry::Occupied(field), _) => return Err(FormError::Twice(field.key().clone())),
            (Entry::Vacant(place), value) => place.insert(value),
        };
    }
    Ok(params)
}

/// Encodes `params` as a form.
pub fn write(params: &Params) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(params)
        .finish()
}

fn pairs(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let pairs = body.split(|byte| *byte == b'&');
    pairs.filter(|pair| !pair.is_empty())
}

fn decode(text: &[u8]) -> Result<String, FormError> {
    let decoded = percent_decode(text).decode_utf8();
    Ok(decoded.map_err(|_| FormError::NotUtf8)?.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_field_twice_or_bad_utf8_is_refused() {
        assert_eq!(parse(b"a=1&a=1"), Err(FormError::Twice("a".to_owned())));
        assert_eq!(parse(b"a=%FF"), Err(FormError::NotUtf8));
        assert_eq!(parse(b"\xff=1"), Err(FormError::NotUtf8));
    }

    #[test]
    fn more_than_64_fields_are_refused_before_any_is_decoded() {
        let form = |fields: usize| {
            let fields: Vec<String> = (0..fields).map(|field| format!("{field}=")).collect();
            fields.join("&")
        };
        assert_eq!(parse(form(MOST_FIELDS).as_bytes()).unwrap().len(), 64);
        let one_more = form(MOST_FIELDS + 1);
        // Decoding would fail first at the name, which is not UTF-8.
        for body in [one_more.clone(), format!("%FF&{one_more}&%FF&{one_more}")] {
            assert_eq!(parse(body.as_bytes()), Err(FormError::TooMany));
        }
        // Separators without fields between them are no fields.
        assert_eq!(parse("&".repeat(8191).as_bytes()), Ok(Params::new()));
    }

    #[test]
    fn plus_is_a_space_and_what_is_missing_is_empty() {
        let params = parse(b"a=x+y%2Bz&b&=c&&").unwrap();
        assert_eq!(params["a"], "x y+z");
        assert_eq!(params["b"], "");
        assert_eq!(params[""], "c");
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(params in a_few_fields()) {
            prop_assert_eq!(parse(write(&params).as_bytes()), Ok(params));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_is_read_is_what_every_reader_reads(body in nearly_a_form()) {
            if let Ok(params) = parse(&body) {
                let others: Vec<_> = form_urlencoded::parse(&body).into_owned().collect();
                // As many fields as pairs: none was merged or dropped.
                prop_assert_eq!(params.len(), others.len());
                prop_assert_eq!(&params, &others.into_iter().collect::<Params>());
                prop_assert_eq!(parse(write(&params).as_bytes()), Ok(params));
            }
        }

        #[test]
        fn a_field_that_stands_twice_is_refused_however_it_is_written(params in a_few_fields(), name: String, at: usize) {
            let mut params = params;
            params.insert(name.clone(), "1".to_owned());
            let written = write(&params);
            let disguised = name.bytes().map(percent_encoding::percent_encode_byte).collect::<String>();
            let mut pairs: Vec<&str> = written.split('&').collect();
            let again = format!("{disguised}=2");
            pairs.insert(at % (pairs.len() + 1), &again);
            prop_assert_eq!(parse(pairs.join("&").as_bytes()), Err(FormError::Twice(name)));
        }
    }

    fn a_few_fields() -> impl Strategy<Value = Params> {
        proptest::collection::btree_map(any::<String>(), any::<String>(), 0..MOST_FIELDS - 1)
    }

    /// Valid and malformed forms.
    fn nearly_a_form() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"&".to_vec()),
            Just(b"=".to_vec()),
            Just(b"+".to_vec()),
            Just(b"%".to_vec()),
            Just(b"sign".to_vec()),
            Just(b"total_fee=990".to_vec()),
            any::<u8>().prop_map(|byte| format!("%{byte:02X}").into_bytes()),
            any::<u8>().prop_map(|byte| vec![byte]),
            any::<char>().prop_map(|c| c.to_string().into_bytes()),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }
}
