//! A picture that arrives as `multipart/form-data`.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    extract::{
        DefaultBodyLimit, FromRequest, Multipart, Request,
        multipart::{Field, MultipartError},
    },
};
use futures::{Stream, StreamExt};
use http_body_util::Limited;

use crate::{
    error::Error,
    params::is_too_long,
    reading::{PICTURE_LIMIT, Unread},
};

/// The field that holds the picture.
const FIELD: &str = "picture";
/// How much of what is too large is received all the same: most clients hear nothing before they have sent all.
const HEARD_OUT: usize = 12 * 1024 * 1024;

/// The picture of a request. Other fields are left aside.
pub(crate) async fn picture(request: Request) -> Result<Vec<u8>, Error> {
    let (head, body) = request.into_parts();
    let body = Arriving::new(body);
    let request = Request::from_parts(head, Body::from_stream(body.clone()));
    let picture = read(request).await;
    // A connection on which something is left unread is closed, also after a picture.
    body.hear_out().await;
    picture
}

/// Receives a request for nothing: a client whose connection is closed while it sends may not hear our answer.
pub(crate) async fn hear_out(request: Request) {
    Arriving::new(request.into_body()).hear_out().await;
}

async fn read(mut request: Request) -> Result<Vec<u8>, Error> {
    // `Arriving` has the limit.
    DefaultBodyLimit::disable().apply(&mut request);
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| {
        let advice = "send the picture as multipart/form-data, and say so in Content-Type";
        Error::Invalid(advice.to_owned())
    })?;
    let mut upload = Upload::default();
    while let Some(field) = form.next_field().await.map_err(|error| broken(&error))? {
        upload.take(field).await?;
    }
    upload.finish()
}

/// A body of at most [`HEARD_OUT`], of which somebody else may read the rest.
#[derive(Clone)]
struct Arriving(Arc<Mutex<BodyDataStream>>);

impl Arriving {
    fn new(body: Body) -> Self {
        let body = Body::new(Limited::new(body, HEARD_OUT));
        Self(Arc::new(Mutex::new(body.into_data_stream())))
    }

    async fn hear_out(mut self) {
        while let Some(Ok(_)) = self.next().await {}
    }
}

impl Stream for Arriving {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.poll_next_unpin(context)
    }
}

/// What has arrived.
#[derive(Default)]
struct Upload {
    picture: Option<Vec<u8>>,
    length: usize,
}

impl Upload {
    async fn take(&mut self, mut field: Field<'_>) -> Result<(), Error> {
        let is_picture = field.name() == Some(FIELD);
        if is_picture && self.picture.replace(Vec::new()).is_some() {
            return Err(Error::Invalid(
                "there are two pictures: send one".to_owned(),
            ));
        }
        while let Some(chunk) = field.chunk().await.map_err(|error| broken(&error))? {
            self.length += chunk.len();
            if self.is_too_large() {
                // What is too large needs not be kept.
                self.picture = self.picture.take().map(|_| Vec::new());
            } else if let Some(picture) = self.picture.as_mut().filter(|_| is_picture) {
                picture.extend_from_slice(&chunk);
            }
        }
        Ok(())
    }

    fn is_too_large(&self) -> bool {
        self.length > PICTURE_LIMIT
    }

    fn finish(self) -> Result<Vec<u8>, Error> {
        if self.is_too_large() {
            return Err(Unread::TooLarge.into());
        }
        self.picture.ok_or_else(|| {
            let advice = "there is no picture: send a file in the field `picture`";
            Error::Invalid(advice.to_owned())
        })
    }
}

fn broken(error: &MultipartError) -> Error {
    if is_too_long(error) {
        Unread::TooLarge.into()
    } else {
        Error::Invalid("the form did not arrive whole: send it again".to_owned())
    }
}

#[cfg(test)]
mod tests;
