//! Reads the receive code in an uploaded picture.
//!
//! Pictures are untrusted input: [`pixels`] bounds the memory, [`search`] the time.

mod grey;
mod judge;
mod kind;
mod panics;
mod pixels;
mod search;

use axum::http::StatusCode;
use heyi_common::{
    payload::{AllowList, Payloads},
    platform::Platform,
};
use serde::Serialize;
use utoipa::ToSchema;

use self::{judge::judge, kind::Kind, search::Seen};

/// The size limit of a picture's file.
pub(crate) const PICTURE_LIMIT: usize = 5 * 1024 * 1024;

/// Unreadable codes with fewer pixels per module are reported as too small.
const SMALL_MODULE: f64 = 3.0;

/// A receive code that was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) platform: Platform,
    pub(crate) payload: String,
}

/// Why a picture has no usable receive code, and what to do.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum DecodeError {
    #[error("the picture is larger than 5 MB: cut it down to the code, or send a screenshot")]
    TooLarge,
    #[error("this is not a picture: send a PNG, JPEG, WebP, GIF or BMP")]
    NotAPicture,
    #[error("pictures of this format are not read: save it as PNG or JPEG, or send a screenshot")]
    UnsupportedFormat,
    #[error(
        "the picture has more than 25 megapixels: cut it down to the code, or send a screenshot"
    )]
    TooManyPixels,
    #[error("the picture cannot be read: save the receive code again, sharp and whole")]
    Unreadable,
    #[error("the code in the picture is too small: send a larger picture")]
    TooSmall,
    #[error(
        "there is no QR code in the picture: show the whole receive code, sharp and well lit; a reward code (赞赏码) \
         is no QR code: save a receive code instead (二维码收款 → 保存收款码)"
    )]
    NoCode,
    #[error("there are several QR codes in the picture: cut it down to one receive code")]
    SeveralCodes {
        codes: usize,
        platforms: Vec<Platform>,
        /// The payloads of platforms that occur once.
        payloads: Payloads,
    },
    #[error(
        "this is WeChat's receive screen, whose code may only work face to face: tap 保存收款码 (save receive code) \
         there and send the saved picture, do not take a screenshot"
    )]
    ReceiveScreen,
    #[error(
        "this is a payment code (付款码), with which anybody who sees it can take your money: show it to nobody, and send the \
         receive code (收款码) instead"
    )]
    PaymentCode,
    #[error("{kind}: send the receive code of WeChat, Alipay, QQ, UnionPay or JD")]
    UnknownCode {
        kind: Kind,
        /// The payload that `/newOrder` accepts with the owner's confirmation.
        payloads: Payloads,
    },
}

/// Why there is no receive code in a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// The file is larger than 5 MB.
    TooLarge,
    /// The file is no picture.
    NotAPicture,
    /// A picture of another format than PNG, JPEG, WebP, GIF and BMP.
    UnsupportedFormat,
    /// More than 25 megapixels.
    TooManyPixels,
    /// The file is damaged, the code is not sharp, or too much looks like a code.
    Unreadable,
    /// The code has too few pixels.
    TooSmall,
    /// No QR code.
    NoCode,
    /// More than one QR code.
    SeveralCodes,
    /// The code of WeChat's receive screen, which may only work face to face.
    ReceiveScreen,
    /// A payment code (付款码).
    PaymentCode,
    /// A QR code that is no known receive code.
    UnknownCode,
}

impl DecodeError {
    /// The stable name of the error.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::TooLarge => Reason::TooLarge,
            Self::NotAPicture => Reason::NotAPicture,
            Self::UnsupportedFormat => Reason::UnsupportedFormat,
            Self::TooManyPixels => Reason::TooManyPixels,
            Self::Unreadable => Reason::Unreadable,
            Self::TooSmall => Reason::TooSmall,
            Self::NoCode => Reason::NoCode,
            Self::SeveralCodes { .. } => Reason::SeveralCodes,
            Self::ReceiveScreen => Reason::ReceiveScreen,
            Self::PaymentCode => Reason::PaymentCode,
            Self::UnknownCode { .. } => Reason::UnknownCode,
        }
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

/// Reads the only receive code of a picture.
pub(crate) fn read(picture: &[u8], forms: &AllowList) -> Result<Received, DecodeError> {
    match search::search(&pixels::greys(picture)?) {
        Seen::Codes(texts) => judge(&texts, forms),
        Seen::TooMany(codes) => Err(DecodeError::SeveralCodes {
            codes,
            platforms: Vec::new(),
            payloads: Payloads::new(),
        }),
        Seen::Blurred(module) if module < SMALL_MODULE => Err(DecodeError::TooSmall),
        Seen::Blurred(_) | Seen::Crowded => Err(DecodeError::Unreadable),
        Seen::Nothing => Err(DecodeError::NoCode),
    }
}

#[cfg(test)]
mod tests;
