//! Forms as PayJS sends them, read strictly.

use crate::sign::Params;

/// Why a body is not a form that can be signed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FormError {
    /// The decoded text is not UTF-8, so its signature would be over something else.
    #[error("the form is not UTF-8 after decoding")]
    NotUtf8,
    /// A name stands twice, so readers could disagree on its value.
    #[error("the field {0:?} stands twice")]
    Twice(String),
}

/// Reads `application/x-www-form-urlencoded`.
pub fn parse(body: &[u8]) -> Result<Params, FormError> {
    let mut params = Params::new();
    for pair in body
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
    {
        let split = pair
            .iter()
            .position(|byte| *byte == b'=')
            .unwrap_or(pair.len());
        let name = decode(&pair[..split])?;
        let value = decode(pair.get(split + 1..).unwrap_or_default())?;
        if params.contains_key(&name) {
            return Err(FormError::Twice(name));
        }
        params.insert(name, value);
    }
    Ok(params)
}

/// Writes `params` as a form.
pub fn write(params: &Params) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(params)
        .finish()
}

fn decode(text: &[u8]) -> Result<String, FormError> {
    if !text.contains(&b'+') {
        return percent_decoded(text);
    }
    let spaces: Vec<u8> = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    percent_decoded(&spaces)
}

fn percent_decoded(text: &[u8]) -> Result<String, FormError> {
    percent_encoding::percent_decode(text)
        .decode_utf8()
        .map(Into::into)
        .map_err(|_| FormError::NotUtf8)
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
    fn plus_is_a_space_and_what_is_missing_is_empty() {
        let params = parse(b"a=x+y%2Bz&b&=c&&").unwrap();
        assert_eq!(params["a"], "x y+z");
        assert_eq!(params["b"], "");
        assert_eq!(params[""], "c");
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(params: Params) {
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
        fn a_field_that_stands_twice_is_refused_however_it_is_written(params: Params, name: String, at: usize) {
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

    /// Bytes of which forms are made, good and bad.
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
