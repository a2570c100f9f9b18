//! The JSON format of a success.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

/// What a route answers, and that it is no failure.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Success<T> {
    #[serde(flatten)]
    answer: T,
    /// The HTTP status: 200.
    errcode: u16,
}

/// That it is done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Done {
    errmsg: &'static str,
}

impl<T> Success<T> {
    /// Wraps the response of a route.
    pub(crate) fn new(answer: T) -> Self {
        let errcode = 200;
        Self { answer, errcode }
    }
}

impl Success<Done> {
    /// A success without further data.
    pub(crate) fn done() -> Self {
        Self::new(Done { errmsg: "ok" })
    }
}

impl<T: Serialize> IntoResponse for Success<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}
