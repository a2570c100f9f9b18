//! The errors of requests.

use std::collections::BTreeMap;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use heyi_common::{
    form::FormError,
    gateway::{Gateway, GatewayError},
    order::DataError,
    outage,
    payload::PayloadError,
    pending_orders::PendingOrderError,
    platform::Platform,
    redis::WriteError,
    scans::StatsError,
    store::StoreError,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::pictures::decode::{DecodeError, Reason};

/// A request's error, one variant per response. Its text is the `errmsg`; a source is logged and never shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// 400: a parameter is missing or invalid.
    #[error("{0}")]
    Invalid(String),
    /// 400: a payload may not be a receive code, and its owner has not confirmed it.
    #[error("{0}")]
    Unconfirmed(PayloadError),
    /// 400: the signature is missing or invalid.
    #[error(
        "the signature is missing or invalid: sign all parameters as they are sent, and route, with the right key; \
         if the key is old, log in again"
    )]
    BadSign,
    /// 400: the signature was already used for an order.
    #[error("this signature has made an order before: sign a new request with a later ts")]
    SignatureUsed,
    /// 400: the time of signing is missing or outside the window.
    #[error("{errmsg}")]
    WrongTime {
        /// What to do.
        errmsg: String,
        /// Our time, in Unix seconds.
        now: i64,
    },
    /// 400: the one response for everyone but the owner, so that it does not reveal which codes exist.
    #[error(
        "there is no such code of yours: check id and the signature; if the key is old, log in again"
    )]
    NotYours,
    /// 404: no such route.
    #[error("there is no such address: see /openapi.json")]
    NotFound,
    /// 405: the route does not support this method.
    #[error("this address does not take this method: see /openapi.json")]
    MethodNotAllowed,
    /// 408: the request or its answer took too long.
    #[error("the request took too long: send it again")]
    TimedOut,
    /// 409: the change is not newer than the last one.
    #[error(
        "this code was changed by a request with the same or a later ts: look at the code again, then sign the \
         change with a later ts"
    )]
    Outdated,
    /// 410: the code does not exist, or no longer.
    #[error("this code does not exist, or no longer: ask its owner for a new one")]
    Gone,
    /// 410: the signer's code is deleted or was taken down.
    #[error("this code of yours is deleted or was taken down: make a new one with /newOrder")]
    OwnGone,
    /// 413: the body is too long.
    #[error("the body is longer than 16 KiB: send less")]
    TooLarge,
    /// 415: an unsupported `Content-Encoding` of the body.
    #[error(
        "this Content-Encoding is not supported: send the body with gzip, or without an encoding"
    )]
    UnsupportedEncoding,
    /// 415: a picture has a `Content-Encoding`.
    #[error("a picture must be sent without Content-Encoding")]
    EncodedPicture,
    /// 413, 422: the picture has no usable receive code.
    #[error(transparent)]
    DecodeError(#[from] DecodeError),
    /// 429: too many requests from one address.
    #[error("too many requests: wait {retry_after} s")]
    TooManyRequests {
        /// Seconds until the next request is accepted.
        retry_after: u64,
    },
    /// 403: an operator took this person's codes down.
    #[error(
        "your codes were taken down after reports of abuse, so you cannot make new ones: contact the operator"
    )]
    Blocked,
    /// 429: the person has reached the limit of unpaid orders.
    #[error(
        "you have {most} unpaid orders: pay one of them, or wait until one expires ({retry_after} s)"
    )]
    TooManyOpen {
        /// The limit of unpaid orders for a person.
        most: u32,
        /// Seconds until the first of them expires.
        retry_after: u64,
    },
    /// 429: too many requests that make us call a gateway or WeChat.
    #[error("too many {what}: wait {retry_after} s, {advice}")]
    TooManyCalls {
        /// The requests that are limited.
        what: &'static str,
        /// Seconds until the next one is accepted.
        retry_after: u64,
        /// Alternatives for the client.
        advice: &'static str,
    },
    /// 500: the order has no code, or none yet.
    #[error("{errmsg}")]
    NoCode {
        /// The state of the order.
        state: OrderState,
        /// What the client should do.
        errmsg: String,
    },
    /// 500: an internal error.
    #[error("something is wrong on our side: try again later")]
    Internal(#[source] anyhow::Error),
    /// 500: a handler panicked.
    #[error("something is wrong on our side: try again later")]
    Panicked,
    /// 502: WeChat did not answer; the reason is logged.
    #[error("WeChat did not answer: log in again later, with a new code")]
    WeChat(#[source] anyhow::Error),
    /// 502: the gateway did not answer or refused the order; the reason is logged.
    #[error("{0} makes no order: order again later, or with another channel")]
    Gateway(Gateway, #[source] anyhow::Error),
    /// 503: all permits for drawing or decoding pictures are in use.
    #[error("too many pictures are being worked on: wait {retry_after} s")]
    Busy {
        /// Seconds until a retry makes sense.
        retry_after: u64,
    },
    /// 503: too many response bytes wait for clients to read them.
    #[error(
        "too many large answers are being sent: read those you have asked for, and ask again in 1 s"
    )]
    Congested,
    /// 503: the settings are not yet compared with those of the installation, because a store did not answer.
    #[error("the service is starting: try again in a moment")]
    Starting,
    /// 503: Redis is above `orders.memory_share`.
    #[error("no new orders are taken at the moment: try again in {retry_after} s")]
    NoRoom {
        /// Seconds until a retry makes sense.
        retry_after: u64,
    },
    /// 503: a store did not answer.
    #[error("cannot reach {what}: try again later")]
    Unavailable {
        /// The store.
        what: &'static str,
        /// The cause.
        #[source]
        source: anyhow::Error,
    },
}

/// What became of an order that has no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OrderState {
    /// Not paid, or paid a moment ago.
    Pending,
    /// Never made, or expired.
    Unknown,
    /// Paid, but it cannot become a code by itself.
    Failed,
}

impl OrderState {
    /// Every state.
    pub(crate) const ALL: [Self; 3] = [Self::Pending, Self::Unknown, Self::Failed];
}

/// The body of a failure.
// Also kept in the response's extensions, until `present` knows the client's format.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(crate) struct Failure {
    /// The HTTP status.
    pub(crate) errcode: u16,
    /// What to do about it.
    pub(crate) errmsg: String,
    /// Of a signed request whose `ts` is missing or too far off: the server's time in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) now: Option<i64>,
    /// Of `/checkOrder` only: what became of the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<OrderState>,
    /// Of `/decode` only: why there is no receive code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Reason>,
    /// Of `several_codes` only: about how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) codes: Option<usize>,
    /// Of `several_codes` only: the platforms of those that are receive codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) platforms: Option<Vec<Platform>>,
    /// Of `several_codes`: the receive codes of platforms that occur once. Of `unknown_code`: what `/newOrder` takes with
    /// `data.confirmed`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) payloads: BTreeMap<Platform, String>,
    /// Of `/newOrder` and `/update` only: the platform of a payload that is taken with `data.confirmed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unconfirmed: Option<Platform>,
}

impl Failure {
    fn add_codes(&mut self, unread: &DecodeError) {
        match unread {
            DecodeError::SeveralCodes {
                codes,
                platforms,
                payloads,
            } => {
                self.codes = Some(*codes);
                self.platforms = Some(platforms.clone());
                self.payloads.clone_from(payloads);
            }
            DecodeError::UnknownCode { payloads, .. } => self.payloads.clone_from(payloads),
            _ => {}
        }
    }
}

impl Error {
    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_)
            | Self::Unconfirmed(_)
            | Self::BadSign
            | Self::SignatureUsed
            | Self::WrongTime { .. }
            | Self::NotYours => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::Outdated => StatusCode::CONFLICT,
            Self::Blocked => StatusCode::FORBIDDEN,
            Self::Gone | Self::OwnGone => StatusCode::GONE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedEncoding | Self::EncodedPicture => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::DecodeError(unread) => unread.status(),
            Self::TooManyRequests { .. } | Self::TooManyOpen { .. } | Self::TooManyCalls { .. } => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::NoCode { .. } | Self::Internal(_) | Self::Panicked => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::WeChat(_) | Self::Gateway(..) => StatusCode::BAD_GATEWAY,
            Self::Starting
            | Self::Busy { .. }
            | Self::Congested
            | Self::NoRoom { .. }
            | Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Seconds until a retry makes sense, if known.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests { retry_after }
            | Self::TooManyOpen { retry_after, .. }
            | Self::TooManyCalls { retry_after, .. }
            | Self::Busy { retry_after }
            | Self::NoRoom { retry_after } => Some(*retry_after),
            Self::Congested => Some(1),
            _ => None,
        }
    }

    fn failure(&self) -> Failure {
        let mut failure = Failure {
            errcode: self.status().as_u16(),
            errmsg: self.to_string(),
            ..Failure::default()
        };
        match self {
            Self::WrongTime { now, .. } => failure.now = Some(*now),
            Self::NoCode { state, .. } => failure.state = Some(*state),
            Self::Unconfirmed(PayloadError::Unconfirmed(platform)) => {
                failure.unconfirmed = Some(*platform);
            }
            Self::Unconfirmed(_) => failure.unconfirmed = Some(Platform::Wechat),
            Self::DecodeError(unread) => {
                failure.reason = Some(unread.reason());
                failure.add_codes(unread);
            }
            _ => {}
        }
        failure
    }

    fn log(&self) {
        match self {
            Self::Internal(error) => {
                tracing::error!(error = format!("{error:#}"), "request failed");
            }
            Self::Unavailable { source: error, .. } => {
                outage::report("a request failed", error.as_ref());
            }
            Self::WeChat(error) | Self::Gateway(_, error) => {
                tracing::warn!(error = format!("{error:#}"), "{self}");
            }
            _ => {}
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.log();
        let failure = self.failure();
        let status = self.status();
        let mut response = (status, Json(&failure)).into_response();
        response.extensions_mut().insert(failure);
        if let Some(seconds) = self.retry_after() {
            let seconds = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        if let Self::UnsupportedEncoding = self {
            let gzip = HeaderValue::from_static("gzip");
            response.headers_mut().insert(header::ACCEPT_ENCODING, gzip);
        }
        response
    }
}

impl From<DataError> for Error {
    fn from(error: DataError) -> Self {
        match error {
            DataError::Payload(
                error @ (PayloadError::Unconfirmed(_) | PayloadError::ReceiveScreen),
            ) => Self::Unconfirmed(error),
            other => Self::Invalid(other.to_string()),
        }
    }
}

impl From<FormError> for Error {
    fn from(error: FormError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<GatewayError> for Error {
    fn from(error: GatewayError) -> Self {
        let (GatewayError::Refused(gateway, _)
        | GatewayError::NoAnswer(gateway, _)
        | GatewayError::Unreadable(gateway, _)) = &error;
        Self::Gateway(*gateway, error.into())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        if error.is_unreadable() {
            return Self::Internal(error.into());
        }
        Self::Unavailable {
            what: "MongoDB",
            source: error.into(),
        }
    }
}

impl From<StatsError> for Error {
    fn from(error: StatsError) -> Self {
        match error {
            StatsError::Redis(error) => redis_away(error),
            StatsError::Store(error) => error.into(),
        }
    }
}

impl From<PendingOrderError> for Error {
    fn from(error: PendingOrderError) -> Self {
        match error {
            PendingOrderError::Redis(error) => redis_away(error),
            PendingOrderError::NotKept(error) => error.into(),
            PendingOrderError::Broken(_) => Self::Internal(error.into()),
        }
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        redis_away(error)
    }
}

/// Redis did not answer.
pub(crate) fn redis_away(error: impl Into<anyhow::Error>) -> Error {
    Error::Unavailable {
        what: "Redis",
        source: error.into(),
    }
}
