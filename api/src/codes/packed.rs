//! Receive codes in few bytes.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use heyi_common::payload::Platform;

/// How a receive code is kept. Most begin as all of their platform do, and go on with hexadecimal digits or characters
/// of URL-safe base64 that mean something to that platform alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Whole,
    /// What follows its [`beginning`].
    Rest,
    /// The same as a number in hexadecimal digits.
    Hex,
    /// The same as base64, to whose last four characters so many were added.
    Base64 {
        added: u8,
    },
}

/// How most receive codes of a platform begin.
fn beginning(platform: Platform) -> &'static str {
    match platform {
        Platform::Wechat => "wxp://f2f",
        Platform::Alipay => "https://qr.alipay.com/",
        Platform::Qq => "https://i.qianbao.qq.com/wallet/sqrcode.htm?m=tenpay&f=wallet&a=1&u=",
        Platform::Unionpay => "https://qr.95516.com/00010000/",
        Platform::Jd => "https://h5pay.jd.com/c2cIndex?t=",
    }
}

/// Adds a receive code to `packed` in the shortest form that gives it back as it was.
pub(super) fn pack(platform: Platform, payload: &str, packed: &mut Vec<u8>) -> Form {
    let Some(rest) = payload.strip_prefix(beginning(platform)) else {
        packed.extend_from_slice(payload.as_bytes());
        return Form::Whole;
    };
    let short = hexadecimal(rest).or_else(|| base64(rest));
    let (form, bytes) = short.unwrap_or_else(|| (Form::Rest, rest.into()));
    packed.extend_from_slice(&bytes);
    form
}

fn hexadecimal(text: &str) -> Option<(Form, Vec<u8>)> {
    let bytes = hex::decode(text).ok()?;
    // Capital digits would come back as small ones.
    (hex::encode(&bytes) == text).then_some((Form::Hex, bytes))
}

fn base64(text: &str) -> Option<(Form, Vec<u8>)> {
    let mut whole = text.to_owned();
    while !whole.len().is_multiple_of(4) {
        whole.push('A');
    }
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(&whole).ok()?;
    let added = u8::try_from(whole.len() - text.len()).ok()?;
    Some((Form::Base64 { added }, bytes))
}

/// The receive code that was [packed](pack) like this.
pub(super) fn unpack(platform: Platform, form: Form, packed: &[u8]) -> String {
    let rest = match form {
        Form::Whole => return String::from_utf8_lossy(packed).into_owned(),
        Form::Rest => String::from_utf8_lossy(packed).into_owned(),
        Form::Hex => hex::encode(packed),
        Form::Base64 { added } => {
            let mut text = BASE64_URL_SAFE_NO_PAD.encode(packed);
            text.truncate(text.len().saturating_sub(usize::from(added)));
            text
        }
    };
    [beginning(platform), &rest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(platform: Platform, payload: &str) -> (Form, usize) {
        let mut bytes = vec![7];
        let form = pack(platform, payload, &mut bytes);
        assert_eq!(unpack(platform, form, &bytes[1..]), payload);
        (form, bytes.len() - 1)
    }

    #[test]
    fn digits_take_half_and_base64_three_quarters() {
        let jd = format!("https://h5pay.jd.com/c2cIndex?t={}", "00ff".repeat(16));
        assert_eq!(packed(Platform::Jd, &jd), (Form::Hex, 32));
        for (length, added, bytes) in [(48, 0, 36), (47, 1, 36), (46, 2, 36), (45, 3, 36)] {
            let wechat = format!("wxp://f2f{}", &"EXAMPLE_".repeat(6)[..length]);
            let form = Form::Base64 { added };
            assert_eq!(packed(Platform::Wechat, &wechat), (form, bytes));
        }
    }

    #[test]
    fn whatever_it_is_comes_back_as_it_was() {
        let whole = "HTTPS://QR.ALIPAY.COM/FKX00000EXAMPLE000000";
        assert_eq!(packed(Platform::Alipay, whole), (Form::Whole, whole.len()));
        let capitals = "https://h5pay.jd.com/c2cIndex?t=00FF";
        assert_eq!(
            packed(Platform::Jd, capitals),
            (Form::Base64 { added: 0 }, 3)
        );
        let odd = "https://h5pay.jd.com/c2cIndex?t=0ff";
        assert_eq!(packed(Platform::Jd, odd), (Form::Base64 { added: 1 }, 3));
        for rest in [
            "",
            "A",
            "AAAA",
            "=",
            "fkx=",
            "10001&ac=00ff&n=小店",
            "+/",
            "ff\0",
        ] {
            for platform in Platform::ALL {
                packed(platform, &format!("{}{rest}", beginning(platform)));
                packed(platform, rest);
            }
        }
    }
}
