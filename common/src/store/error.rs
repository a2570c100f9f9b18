//! Errors of MongoDB.

use std::sync::Arc;

use mongodb::error::{CommandError, ErrorKind, WriteFailure};

use crate::order::OutTradeNo;

/// MongoDB's error codes for a missing permission or a failed login.
const DENIED: [i32; 4] = [13, 18, 31, 8000];

/// Why a request to MongoDB failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// MongoDB is unreachable, has no primary, or answered with an error.
    #[error("MongoDB did not answer")]
    Mongo(#[source] mongodb::error::Error),
    /// The user of `mongo.url` is missing, unknown, or lacks a role.
    #[error("MongoDB denies access")]
    Denied(#[source] mongodb::error::Error),
    /// The request timed out.
    #[error("MongoDB did not answer in time")]
    Slow,
    /// A duplicate whose first write is not yet on a majority. Try again.
    #[error("an earlier write of {0} is not yet on a majority of MongoDB's members")]
    NotYetSafe(OutTradeNo),
    /// A listener must read everything again.
    #[error("the collection of codes was dropped or renamed")]
    AllCodesChanged,
    /// A document does not have the expected fields.
    #[error("the document {id} in the collection {collection} cannot be read: {why}")]
    Unreadable {
        /// The collection.
        collection: String,
        /// The document's `_id`.
        id: String,
        /// What is wrong with it, without values.
        why: Arc<str>,
    },
    /// Nothing prevents two codes for one order.
    #[error("there is no unique index on codes.out_trade_no: {0}")]
    NoUniqueIndex(String),
}

impl StoreError {
    /// Whether another attempt would fail on the same document again.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable { .. })
    }

    /// Whether MongoDB itself is unavailable, so that other requests fail too.
    pub fn is_of_the_server(&self) -> bool {
        match self {
            Self::Mongo(error) => !is_of_a_document(error),
            Self::Denied(_) | Self::Slow => true,
            _ => false,
        }
    }
}

/// Whether the failure is about the written document, e.g. a validator refused it, and not about the server.
fn is_of_a_document(error: &mongodb::error::Error) -> bool {
    match &*error.kind {
        ErrorKind::Write(failure) => matches!(failure, WriteFailure::WriteError(_)),
        ErrorKind::InsertMany(failed) => failed.write_concern_error.is_none(),
        ErrorKind::Bson(_) | ErrorKind::Custom(_) => true,
        _ => false,
    }
}

impl From<mongodb::error::Error> for StoreError {
    fn from(error: mongodb::error::Error) -> Self {
        let is_denied = match &*error.kind {
            ErrorKind::Authentication { .. } => true,
            ErrorKind::Command(CommandError { code, .. }) => DENIED.contains(code),
            _ => false,
        };
        if is_denied {
            Self::Denied(error)
        } else {
            Self::Mongo(error)
        }
    }
}
