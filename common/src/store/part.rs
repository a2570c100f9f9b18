//! A part of a code's document: its content, and the other fields that one reader needs.

use mongodb::bson::{Bson, DateTime, Document, oid::ObjectId};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor, value},
    forward_to_deserialize_any,
};

use super::code::CodeState;
use crate::order::Content;

/// The content of a code, and `T`. The projection that reads them derives from both structs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CodePart<T> {
    /// The content of its page.
    #[serde(flatten)]
    pub content: Content,
    /// The other fields.
    #[serde(flatten)]
    pub rest: T,
}

/// The part that a page needs.
pub type Scanned = CodePart<CodeState>;

/// The part that its owner sees in a list.
pub type ListedCode = CodePart<Listing>;

/// The fields of a listed code besides its content.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Listing {
    /// Its id.
    #[serde(rename = "_id")]
    pub id: ObjectId,
    /// When it became a code.
    pub created_at: DateTime,
    /// When its owner last changed it.
    #[serde(default)]
    pub updated_at: Option<DateTime>,
}

/// MongoDB's projection of the fields that [`CodePart`] of `T` reads.
pub(super) fn projection<'de, T: Deserialize<'de>>() -> Document {
    let names = field_names::<Content>().iter().chain(field_names::<T>());
    names
        .map(|name| ((*name).to_owned(), Bson::Int32(1)))
        .collect()
}

/// The field names of the struct `T`, taken from its derived `Deserialize`.
fn field_names<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    struct Asked<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Asked<'_> {
        type Error = value::Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = fields;
            Err(value::Error::custom("only the names are wanted"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(value::Error::custom("not a struct with fields of its own"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut names: &[&str] = &[];
    let _ = T::deserialize(Asked(&mut names));
    debug_assert!(
        !names.is_empty(),
        "a flattened struct does not list its fields"
    );
    names
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;

    #[test]
    fn what_is_fetched_derives_from_what_is_read() {
        let expected =
            doc! { "name": 1, "payloads": 1, "_id": 1, "created_at": 1, "updated_at": 1 };
        assert_eq!(projection::<Listing>(), expected);
    }
}
