//! Decodes a file to pixels, within fixed limits.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

use super::{DecodeError, grey::Grey, panics::catch};

/// Phone photos of at most 5 MB have 12, rarely 24 megapixels.
const PIXEL_LIMIT: u64 = 25_000_000;
/// Allocation limit of a decoder: 4 bytes per pixel, and the same again for its own buffers.
const ALLOCATION_LIMIT: u64 = PIXEL_LIMIT * 4 * 2;
/// Limit of the longer side: screenshots are shorter.
const SIDE_LIMIT: u32 = 30_000;

/// Decodes a picture to greyscale, on each background. Checks its size before decoding.
pub(super) fn greys(file: &[u8]) -> Result<Vec<Grey>, DecodeError> {
    catch(|| decode(file)).unwrap_or(Err(DecodeError::Unreadable))
}

fn decode(file: &[u8]) -> Result<Vec<Grey>, DecodeError> {
    let mut reader = ImageReader::new(Cursor::new(file));
    reader = reader
        .with_guessed_format()
        .map_err(|_| DecodeError::Unreadable)?;
    match reader.format() {
        Some(format) if format.reading_enabled() => {}
        Some(_) => return Err(DecodeError::UnsupportedFormat),
        None if is_of_camera(file) => return Err(DecodeError::UnsupportedFormat),
        None => return Err(DecodeError::NotAPicture),
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_LIMIT);
    limits.max_image_height = Some(SIDE_LIMIT);
    limits.max_alloc = Some(ALLOCATION_LIMIT);
    reader.limits(limits.clone());
    let decoder = reader.into_decoder().map_err(|error| unread(&error))?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXEL_LIMIT
        || decoder.total_bytes() > ALLOCATION_LIMIT / 2
    {
        return Err(DecodeError::TooManyPixels);
    }
    let picture = DynamicImage::from_decoder(decoder).map_err(|error| unread(&error))?;
    Ok(Grey::of(picture))
}

/// HEIC and related formats, which some phones use for photos.
fn is_of_camera(file: &[u8]) -> bool {
    file.get(4..8) == Some(b"ftyp")
}

fn unread(error: &ImageError) -> DecodeError {
    match error {
        ImageError::Limits(_) => DecodeError::TooManyPixels,
        ImageError::Unsupported(_) => DecodeError::UnsupportedFormat,
        _ => DecodeError::Unreadable,
    }
}
