//! Encodes a text as a QR code, as SVG and PNG.

use std::fmt::Write as _;

use heyi_common::payload::Payloads;
use qrcode::{
    Color, EcLevel, QrCode,
    bits::{self, Bits},
    types::QrError,
};

use crate::http::error::Error;

/// Corrects errors in up to 15 % of a code.
const LEVEL: EcLevel = EcLevel::M;
/// White modules on each side, which scanners require.
const QUIET_ZONE: u16 = 4;

/// A QR code.
pub(crate) struct Picture {
    dark: Vec<bool>,
    width: u16,
}

/// Why a PNG cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PngError {
    /// A module would be smaller than a pixel.
    #[error("size is too small for this code: ask for {0} or more")]
    TooSmall(u32),
    /// The encoder failed.
    #[error("cannot write a PNG")]
    Encoding(#[from] png::EncodingError),
}

impl Picture {
    /// Encodes `text` as a QR code; fails if it is too long.
    pub(crate) fn new(text: &str) -> Result<Self, QrError> {
        let code = QrCode::with_bits(encode_text(text)?, LEVEL)?;
        let width = u16::try_from(code.width()).map_err(|_| QrError::DataTooLong)?;
        let dark = code.into_colors().into_iter();
        Ok(Self {
            dark: dark.map(|color| color == Color::Dark).collect(),
            width,
        })
    }

    /// A scalable SVG: one unit per module, adjacent dark modules of a row joined.
    pub(crate) fn svg(&self) -> String {
        let side = self.side();
        let path = self.path();
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{side}v{side}H0z"/><path d="{path}"/></svg>"##
        )
    }

    /// The dark modules as an SVG path, in units of a module.
    pub(crate) fn path(&self) -> String {
        let mut path = String::new();
        for (x, y, length) in self.runs() {
            // Writing to a string cannot fail.
            let _ = write!(path, "M{x} {y}h{length}v1h-{length}z");
        }
        path
    }

    /// Runs of dark modules in a row: column, row and length, including the quiet zone.
    fn runs(&self) -> impl Iterator<Item = (u16, u16, u16)> {
        (QUIET_ZONE..).zip(self.rows()).flat_map(|(y, row)| {
            let mut x = QUIET_ZONE;
            row.chunk_by(|one, other| one == other)
                .filter_map(move |run| {
                    let length = u16::try_from(run.len()).unwrap_or_default();
                    let start = x;
                    x += length;
                    (run.first() == Some(&true)).then_some((start, y, length))
                })
        })
    }

    /// A black-and-white PNG of `size` × `size` pixels. Modules have a whole number of pixels; the rest becomes a white
    /// margin.
    pub(crate) fn png(&self, size: u32) -> Result<Vec<u8>, PngError> {
        let modules = u32::from(self.side());
        let scale = size / modules;
        if scale == 0 {
            return Err(PngError::TooSmall(modules));
        }
        let margin = (size - u32::from(self.width) * scale) / 2;
        let bytes_a_row = size.div_ceil(8) as usize;
        let white = vec![0xFF; bytes_a_row];
        let mut data = white.repeat(margin as usize);
        for row in self.rows() {
            let mut line = white.clone();
            let dark = (0u32..).zip(row).filter(|(_, dark)| **dark);
            for pixel in dark.flat_map(|(x, _)| {
                let start = margin + x * scale;
                start..start + scale
            }) {
                line[pixel as usize / 8] &= !(0x80 >> (pixel % 8));
            }
            data.extend(line.repeat(scale as usize));
        }
        data.resize(bytes_a_row * size as usize, 0xFF);
        encode(size, &data)
    }

    /// Modules per side, including the quiet zone.
    pub(crate) fn side(&self) -> u16 {
        self.width + 2 * QUIET_ZONE
    }

    fn rows(&self) -> impl Iterator<Item = &[bool]> {
        self.dark.chunks(self.width.into())
    }
}

/// Rejects payloads that are too long for a QR code.
pub(crate) fn check(payloads: &Payloads) -> Result<(), Error> {
    for (platform, payload) in payloads {
        encode_text(payload).map_err(|_| {
            Error::Invalid(format!(
                "payloads.{platform} has {} bytes, too many for a QR code; scan the receive code again",
                payload.len()
            ))
        })?;
    }
    Ok(())
}

/// Encodes `text` in the smallest sufficient version.
fn encode_text(text: &str) -> Result<Bits, QrError> {
    bits::encode_auto(text.as_bytes(), LEVEL)
}

fn encode(size: u32, data: &[u8]) -> Result<Vec<u8>, PngError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, size, size);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(data)?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use heyi_common::{payload::LARGEST, platform::Platform};
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const TEXT: &str = "https://heyi.example.com/qr?id=0123456789abcdef01234567";

    fn read(file: &[u8]) -> String {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let side = info.width as usize;
        let at = |x: usize, y: usize| pixels[y * side + x];
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(side, side, at);
        image.detect_grids()[0].decode().unwrap().1
    }

    #[test]
    fn pngs_of_all_sizes_can_be_read() {
        let picture = Picture::new(TEXT).unwrap();
        for size in [picture.side().into(), 128, 333, 512, 2048] {
            assert_eq!(read(&picture.png(size).unwrap()), TEXT, "{size}");
        }
    }

    #[test]
    fn a_png_with_less_than_a_pixel_a_module_is_refused() {
        let picture = Picture::new(TEXT).unwrap();
        let least = u32::from(picture.side());
        assert!(matches!(picture.png(least - 1), Err(PngError::TooSmall(n)) if n == least));
    }

    #[test]
    fn an_svg_has_the_dark_modules_and_a_quiet_zone() {
        let picture = Picture::new(TEXT).unwrap();
        let svg = picture.svg();
        let area: u32 = svg
            .split("h-")
            .skip(1)
            .map(|rest| rest.split('z').next().unwrap().parse::<u32>().unwrap())
            .sum();
        let dark = picture.dark.iter().filter(|dark| **dark).count();
        assert_eq!(area as usize, dark);
        // The finder pattern begins directly after the quiet zone.
        assert!(svg.contains(r#"d="M4 4h7v1h-7z"#), "{svg}");
    }

    #[test]
    fn what_does_not_fit_is_refused_before_it_is_drawn() {
        let long = "a".repeat(3000);
        assert!(Picture::new(&long).is_err());
        let refused = check(&Payloads::from([(Platform::Qq, long)])).unwrap_err();
        assert!(refused.to_string().contains("payloads.qq has 3000 bytes"));
    }

    proptest! {
        // Runs of digits and capitals, between which the encoder switches modes.
        #[test]
        fn every_payload_of_an_order_fits(pieces in vec("[0-9]{1,9}|[A-Z:/]{1,9}|[a-z码]{1,9}", 1..400)) {
            let mut text = pieces.concat().repeat(40);
            while text.len() > LARGEST {
                text.pop();
            }
            prop_assert!(check(&Payloads::from([(Platform::Qq, text)])).is_ok());
        }
    }
}
