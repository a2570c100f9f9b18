//! Decodes documents. A document that cannot be decoded is named and fails alone.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use mongodb::bson::{RawBsonRef, RawDocument, RawDocumentBuf, deserialize_from_slice};
use serde::Deserialize;

use super::{Result, StoreError};

/// Maximum number of documents that are remembered as logged.
const MOST_LOGGED: usize = 1000;

/// Decodes a document of a collection.
pub(super) fn decode<'a, T: Deserialize<'a>>(
    collection: &str,
    document: &'a RawDocument,
) -> Result<T> {
    deserialize_from_slice(document.as_bytes()).map_err(|error: mongodb::bson::error::Error| {
        StoreError::Unreadable {
            collection: collection.to_owned(),
            id: id_of(document),
            why: without_values(&error.to_string()).into(),
        }
    })
}

/// Decodes a list. Skips documents that cannot be decoded, and logs each once per process.
pub(super) fn decode_all<T: for<'a> Deserialize<'a>>(
    collection: &str,
    documents: &[RawDocumentBuf],
) -> Vec<T> {
    let decoded = documents
        .iter()
        .map(|document| decode(collection, document));
    decoded
        .filter_map(|decoded| decoded.map_err(|error| log_once(&error)).ok())
        .collect()
}

fn log_once(error: &StoreError) {
    static LOGGED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let StoreError::Unreadable { collection, id, .. } = error else {
        return;
    };
    let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    if logged.len() < MOST_LOGGED && logged.insert(format!("{collection}/{id}")) {
        tracing::error!(mongo.collection = collection, mongo.id = id, %error, "left out of a list");
    }
}

fn id_of(document: &RawDocument) -> String {
    match document.get("_id") {
        Ok(Some(RawBsonRef::ObjectId(id))) => id.to_hex(),
        Ok(Some(RawBsonRef::String(id))) => id.to_owned(),
        Ok(Some(id)) => format!("{id:?}"),
        _ => "without _id".to_owned(),
    }
}

/// An error's text without quoted values, which may contain an openid.
fn without_values(text: &str) -> String {
    let parts = text.split('"').enumerate();
    parts
        .map(|(number, part)| if number % 2 == 0 { part } else { "\"…\"" })
        .collect()
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{doc, oid::ObjectId, serialize_to_raw_document_buf};

    use super::*;
    use crate::store::{Code, Mapping};

    #[test]
    fn an_unreadable_document_is_named_without_its_values() {
        let id = ObjectId::new();
        let old = doc! { "_id": id, "openid": "oSecret person", "name": 7 };
        let old = serialize_to_raw_document_buf(&old).unwrap();
        let error = decode::<Code>("codes", &old).unwrap_err().to_string();
        assert!(error.contains(&id.to_hex()), "{error}");
        assert!(error.contains("codes"), "{error}");
        assert!(!error.contains("Secret"), "{error}");
    }

    #[test]
    fn a_list_has_the_documents_that_can_be_read() {
        let good = doc! {
            "_id": "202611221329430e234f691d949496c3", "code_id": ObjectId::new(), "gateway": "payjs",
            "payment_id": "1",
            "created_at": mongodb::bson::DateTime::now(),
        };
        let documents = [doc! { "_id": 1 }, good, doc! { "_id": "x" }]
            .map(|document| serialize_to_raw_document_buf(&document).unwrap());
        let decoded: Vec<Mapping> = decode_all("mappings", &documents);
        assert_eq!(decoded.len(), 1);
    }
}
