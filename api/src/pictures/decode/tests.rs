use std::{io::Cursor, sync::LazyLock};

use heyi_common::config::defaults;
use image::{DynamicImage, GrayImage, ImageFormat, Luma, imageops};
use proptest::prelude::*;
use qrcode::{Color, QrCode};

use super::*;

const ALIPAY: &str = "https://qr.alipay.com/fkx00000EXAMPLE000000";

fn forms() -> &'static AllowList {
    static FORMS: LazyLock<AllowList> = LazyLock::new(|| {
        let table = defaults().unwrap();
        table["orders"]["payloads"].clone().try_into().unwrap()
    });
    &FORMS
}

fn code(text: impl AsRef<[u8]>) -> GrayImage {
    let code = QrCode::new(text).unwrap();
    let side = u32::try_from(code.width()).unwrap();
    let colors = code.to_colors();
    let code = GrayImage::from_fn(side + 8, side + 8, |x, y| {
        let (x, y) = (x.wrapping_sub(4), y.wrapping_sub(4));
        let is_dark = x < side && y < side && colors[(y * side + x) as usize] == Color::Dark;
        Luma([if is_dark { 0 } else { 255 }])
    });
    let side = code.width() * 4;
    imageops::resize(&code, side, side, imageops::FilterType::Nearest)
}

fn file(picture: &GrayImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let picture = DynamicImage::from(picture.clone()).to_rgb8();
    picture.write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn read_code(text: impl AsRef<[u8]>) -> Result<Received, DecodeError> {
    read(&file(&code(text), ImageFormat::Png), forms())
}

#[test]
fn what_a_text_is_decides() {
    let alipay = Received {
        platform: Platform::Alipay,
        payload: ALIPAY.to_owned(),
    };
    assert_eq!(read_code(ALIPAY), Ok(alipay));
    for payment in [
        "134567890123456789",
        "281234567890123456",
        "1345 6789 0123 4567 89",
    ] {
        assert_eq!(
            read_code(payment),
            Err(DecodeError::PaymentCode),
            "{payment}"
        );
    }
    let unknown = |kind| {
        Err(DecodeError::UnknownCode {
            kind,
            payloads: Payloads::new(),
        })
    };
    for (other, kind) in [
        ("https://example.com/", Kind::Link),
        ("hello", Kind::Text),
        ("12345", Kind::Text),
    ] {
        assert_eq!(read_code(other), unknown(kind), "{other}");
    }
    assert_eq!(read_code([0xff, 0xfe, 0x80, 0x00]), unknown(Kind::Text));
    let red_packet = "https://qr.alipay.com/c1x0123456789abcdefghij".to_owned();
    let expected = DecodeError::UnknownCode {
        kind: Kind::AlipayRedPacket,
        payloads: [(Platform::Alipay, red_packet.clone())].into(),
    };
    assert_eq!(read_code(red_packet), Err(expected));
    let screen = format!("wxp://f2f6{}", "aZ0_-".repeat(8));
    assert_eq!(read_code(screen), Err(DecodeError::ReceiveScreen));
    let saved = format!("{ALIPAY}?0&T=58418-05-24 11:50:44");
    assert_eq!(read_code(saved).unwrap().payload, ALIPAY);
}

#[test]
fn a_picture_without_a_code_has_none() {
    let blank = GrayImage::from_pixel(300, 200, Luma([255]));
    assert_eq!(
        read(&file(&blank, ImageFormat::Png), forms()),
        Err(DecodeError::NoCode)
    );
    let dot = GrayImage::from_pixel(1, 1, Luma([0]));
    assert_eq!(
        read(&file(&dot, ImageFormat::Png), forms()),
        Err(DecodeError::TooSmall)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_is_sent_is_read_or_refused(bytes: Vec<u8>) {
        let unread = read(&bytes, forms()).unwrap_err();
        prop_assert!(matches!(unread, DecodeError::NotAPicture | DecodeError::UnsupportedFormat | DecodeError::Unreadable));
    }

    #[test]
    fn a_damaged_picture_is_read_or_refused(
        format in proptest::sample::select(&[ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Bmp][..]),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        length: prop::sample::Index,
        is_cut: bool,
    ) {
        let mut bytes = file(&code(ALIPAY), format);
        if is_cut {
            bytes.truncate(length.index(bytes.len()));
        }
        for (place, byte) in damage {
            if !bytes.is_empty() {
                *place.get_mut(&mut bytes) = byte;
            }
        }
        if let Ok(received) = read(&bytes, forms()) {
            prop_assert_eq!(received.platform, Platform::Alipay);
        }
    }
}
