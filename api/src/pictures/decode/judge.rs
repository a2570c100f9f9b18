//! Evaluates the texts of a picture's codes.

use std::collections::BTreeSet;

use heyi_common::{
    payload::{AllowList, Payloads, is_payment_code, is_receive_screen, normalized},
    platform::Platform,
};

use super::{DecodeError, Received, kind::Kind};

/// The single receive code, or the reason why there is none.
pub(super) fn judge(texts: &BTreeSet<String>, forms: &AllowList) -> Result<Received, DecodeError> {
    if texts.iter().any(|text| is_payment_code(text)) {
        return Err(DecodeError::PaymentCode);
    }
    let texts: BTreeSet<&str> = texts.iter().map(|text| normalized(text)).collect();
    let mut codes = texts.iter();
    let (Some(text), None) = (codes.next(), codes.next()) else {
        return Err(several(&texts, forms));
    };
    let known = |platform: &Platform| forms.knows(*platform, text);
    if let Some(platform) = Platform::ALL.into_iter().find(known) {
        let payload = (*text).to_owned();
        return Ok(Received { platform, payload });
    }
    if is_receive_screen(text) {
        return Err(DecodeError::ReceiveScreen);
    }
    let permitted = |platform: &Platform| forms.permits(*platform, text);
    let platforms = Platform::ALL.into_iter().filter(permitted);
    Err(DecodeError::UnknownCode {
        kind: Kind::of(text),
        payloads: platforms
            .map(|platform| (platform, (*text).to_owned()))
            .collect(),
    })
}

fn several(texts: &BTreeSet<&str>, forms: &AllowList) -> DecodeError {
    let mut platforms = Vec::new();
    let mut payloads = Payloads::new();
    for platform in Platform::ALL {
        let mut known = texts.iter().filter(|text| forms.knows(platform, text));
        let Some(first) = known.next() else {
            continue;
        };
        platforms.push(platform);
        if known.next().is_none() {
            payloads.insert(platform, (*first).to_owned());
        }
    }
    DecodeError::SeveralCodes {
        codes: texts.len(),
        platforms,
        payloads,
    }
}
