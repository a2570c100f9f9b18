//! Picture uploads as `multipart/form-data`.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
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
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type},
};

use crate::{
    http::{
        deadline::Deadline,
        error::Error,
        params::{encoding::Encoding, is_too_long},
    },
    pictures::{
        decode::{DecodeError, PICTURE_LIMIT},
        upload_slots::UploadPermit,
    },
};

/// The form field with the picture.
const FIELD: &str = "picture";
/// How many bytes of an oversized body are read: most clients read the response only after sending everything.
const HEARD_OUT: usize = 12 * 1024 * 1024;

/// Minimum rate of a body in bytes per second, after an initial grace period.
const SLOWEST: u64 = 16 * 1024;
const GRACE: Duration = Duration::from_secs(2);

/// What a request uploads. Other fields are left aside.
#[derive(ToSchema)]
pub(crate) struct Upload {
    /// A picture of one receive code: PNG, JPEG, WebP, GIF or BMP, at most 5 MB and 25 megapixels.
    pub(crate) picture: File,
}

/// An uploaded file.
pub(crate) struct File(pub(crate) Vec<u8>);

impl PartialSchema for File {
    fn schema() -> RefOr<Schema> {
        let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
        let file = ObjectBuilder::new().schema_type(Type::String);
        file.format(Some(binary)).into()
    }
}

impl ToSchema for File {}

/// Reads an upload. `permit` reserves memory as it arrives.
pub(crate) async fn read(request: Request, permit: &mut UploadPermit) -> Result<Upload, Error> {
    let (head, body) = request.into_parts();
    let body = Arriving::new(body);
    let request = Request::from_parts(head, Body::from_stream(body.clone()));
    let upload = fields(request, permit).await;
    // A connection with unread data would be closed, even after a complete picture.
    body.clone().hear_out().await;
    if body.state().is_slow {
        return Err(Error::TimedOut);
    }
    upload
}

/// Reads and discards a request: a client may miss the response if its connection is closed while it sends.
pub(crate) async fn hear_out(request: Request) {
    Arriving::new(request.into_body()).hear_out().await;
}

async fn fields(mut request: Request, permit: &mut UploadPermit) -> Result<Upload, Error> {
    if Encoding::of(request.headers())? != Encoding::None {
        return Err(Error::EncodedPicture);
    }
    // `Arriving` enforces the limit.
    DefaultBodyLimit::disable().apply(&mut request);
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| {
        let advice = "send the picture as multipart/form-data, and say so in Content-Type";
        Error::Invalid(advice.to_owned())
    })?;
    let mut arrived = Arrived::default();
    while let Some(field) = form.next_field().await.map_err(|error| broken(&error))? {
        arrived.take(field, permit).await?;
    }
    arrived.finish()
}

/// A body of at most [`HEARD_OUT`] bytes with a minimum rate of [`SLOWEST`]. Its clones share the stream, so another
/// reader can consume the rest.
#[derive(Clone)]
struct Arriving(Arc<Mutex<Arrival>>);

struct Arrival {
    body: BodyDataStream,
    /// When the next bytes must have arrived.
    deadline: Deadline,
    is_slow: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("the body arrives too slowly")]
struct Slow;

impl Arriving {
    fn new(body: Body) -> Self {
        let body = Body::new(Limited::new(body, HEARD_OUT));
        Self(Arc::new(Mutex::new(Arrival {
            body: body.into_data_stream(),
            deadline: Deadline::after(GRACE),
            is_slow: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, Arrival> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn hear_out(mut self) {
        while let Some(Ok(_)) = self.next().await {}
    }
}

impl Stream for Arriving {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.state().poll(context)
    }
}

impl Arrival {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, axum::Error>>> {
        if self.is_slow {
            return Poll::Ready(None);
        }
        let arrived = self.body.poll_next_unpin(context);
        match &arrived {
            Poll::Ready(Some(Ok(chunk))) => {
                let earned = chunk.len() as u64 * 1_000_000 / SLOWEST;
                self.deadline.extend(Duration::from_micros(earned));
            }
            Poll::Pending if self.deadline.poll(context).is_ready() => {
                self.is_slow = true;
                return Poll::Ready(Some(Err(axum::Error::new(Slow))));
            }
            _ => {}
        }
        arrived
    }
}

/// The data received so far.
#[derive(Default)]
struct Arrived {
    picture: Option<Vec<u8>>,
    length: usize,
}

impl Arrived {
    async fn take(&mut self, mut field: Field<'_>, permit: &mut UploadPermit) -> Result<(), Error> {
        let is_picture = field.name() == Some(FIELD);
        if is_picture && self.picture.replace(Vec::new()).is_some() {
            return Err(Error::Invalid(
                "there are two pictures: send one".to_owned(),
            ));
        }
        while let Some(chunk) = field.chunk().await.map_err(|error| broken(&error))? {
            self.length += chunk.len();
            if self.is_too_large() {
                // Drops an oversized picture.
                self.picture = self.picture.take().map(|_| Vec::new());
            } else if let Some(picture) = self.picture.as_mut().filter(|_| is_picture) {
                permit.grow(chunk.len())?;
                picture.extend_from_slice(&chunk);
            }
        }
        Ok(())
    }

    fn is_too_large(&self) -> bool {
        self.length > PICTURE_LIMIT
    }

    fn finish(self) -> Result<Upload, Error> {
        if self.is_too_large() {
            return Err(DecodeError::TooLarge.into());
        }
        let picture = self.picture.map(File).ok_or_else(|| {
            let advice = "there is no picture: send a file in the field `picture`";
            Error::Invalid(advice.to_owned())
        })?;
        Ok(Upload { picture })
    }
}

fn broken(error: &MultipartError) -> Error {
    if is_too_long(error) {
        DecodeError::TooLarge.into()
    } else {
        Error::Invalid("the form did not arrive whole: send it again".to_owned())
    }
}

#[cfg(test)]
mod tests;
