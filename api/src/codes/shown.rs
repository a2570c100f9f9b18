//! What payers see of a code.

use std::{borrow::Cow, iter};

use heyi_common::{
    payload::{AllowList, Payloads, Platform},
    store::Scanned,
};

/// How most receive codes of a platform begin. It is kept once, not with each.
fn beginning(platform: Platform) -> &'static str {
    match platform {
        Platform::Wechat => "wxp://f2f",
        Platform::Alipay => "https://qr.alipay.com/",
        Platform::Qq => "https://i.qianbao.qq.com/wallet/sqrcode.htm?m=tenpay&f=wallet&a=1&u=",
        Platform::Unionpay => "https://qr.95516.com/",
        Platform::Jd => "https://h5pay.jd.com/c2cIndex?t=",
    }
}

/// What a payer may see of a code. Small, since many are kept: all texts are one.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The name, then the receive codes in the order of [`Platform::ALL`], never none, each without its
    /// [`beginning`] where that is left out.
    text: Box<str>,
    name_end: u16,
    /// Where each receive code ends.
    ends: [u16; Platform::ALL.len()],
    /// Which receive codes there are: a bit for each of [`Platform::ALL`].
    there: u8,
    /// Which of them are without their beginning.
    short: u8,
    /// See [`Codes`](super::Codes).
    pub(super) epoch: u32,
    /// In seconds after the start of [`Codes`](super::Codes).
    pub(super) read_at: u32,
}

impl Shown {
    /// None when nothing is left to show.
    pub(super) fn new(
        code: &Scanned<'_>,
        known: &AllowList,
        epoch: u32,
        read_at: u32,
    ) -> Option<Self> {
        // An order, and so a code, is far shorter.
        let end = |text: &str| u16::try_from(text.len()).ok();
        let length = code
            .payloads
            .values()
            .map(|payload| payload.len())
            .sum::<usize>();
        let mut text = String::with_capacity(code.name.len() + length);
        text.push_str(code.name);
        let name_end = end(&text)?;
        let mut ends = [0; Platform::ALL.len()];
        let (mut there, mut short) = (0, 0);
        for ((platform, bit), its_end) in bits().zip(&mut ends) {
            let payload = code.payloads.get(&platform);
            if let Some(payload) = payload.filter(|payload| known.knows(platform, payload)) {
                let rest = payload.strip_prefix(beginning(platform));
                text.push_str(rest.unwrap_or(payload));
                there |= bit;
                short |= if rest.is_some() { bit } else { 0 };
            }
            *its_end = end(&text)?;
        }
        (there != 0).then(|| Self {
            text: text.into_boxed_str(),
            name_end,
            ends,
            there,
            short,
            epoch,
            read_at,
        })
    }

    /// What it takes in memory, in bytes.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.text.len()
    }

    /// What its owner calls it.
    pub(crate) fn name(&self) -> &str {
        &self.text[..usize::from(self.name_end)]
    }

    /// The receive code of a platform.
    pub(crate) fn payload(&self, platform: Platform) -> Option<Cow<'_, str>> {
        let mut all = self.all();
        let (_, bit, rest) = all.find(|(own, ..)| *own == platform)?;
        Some(if self.short & bit == 0 {
            rest.into()
        } else {
            [beginning(platform), rest].concat().into()
        })
    }

    /// All of its receive codes.
    pub(crate) fn payloads(&self) -> Payloads {
        let platforms = self.platforms();
        platforms
            .filter_map(|platform| Some((platform, self.payload(platform)?.into_owned())))
            .collect()
    }

    /// Whether it has a receive code of a platform.
    pub(crate) fn has(&self, platform: Platform) -> bool {
        self.platforms().any(|own| own == platform)
    }

    /// The platforms of which it has receive codes.
    pub(crate) fn platforms(&self) -> impl Iterator<Item = Platform> + '_ {
        let there = bits().filter(|(_, bit)| self.there & bit != 0);
        there.map(|(platform, _)| platform)
    }

    /// What is kept of each receive code.
    fn all(&self) -> impl Iterator<Item = (Platform, u8, &str)> {
        let starts = iter::once(self.name_end).chain(self.ends);
        bits()
            .zip(starts.zip(self.ends))
            .filter(|((_, bit), _)| self.there & bit != 0)
            .map(|((platform, bit), (start, end))| {
                let rest = &self.text[usize::from(start)..usize::from(end)];
                (platform, bit, rest)
            })
    }
}

fn bits() -> impl Iterator<Item = (Platform, u8)> {
    Platform::ALL
        .into_iter()
        .zip((0..).map(|place: u8| 1 << place))
}

#[cfg(test)]
mod tests {
    use heyi_sandbox::world::payloads;

    use super::*;

    fn shown(payloads: &Payloads) -> Option<Shown> {
        let known: toml::Table =
            toml::from_str(include_str!("../../../common/src/config.default.toml")).unwrap();
        let known = known["orders"]["payloads"].clone().try_into().unwrap();
        let payloads = payloads.iter();
        let code = Scanned {
            name: "小店",
            payloads: payloads
                .map(|(platform, one)| (*platform, one.as_str()))
                .collect(),
            deleted_at: None,
            disabled_at: None,
        };
        Shown::new(&code, &known, 1, 0)
    }

    #[test]
    fn it_has_the_name_and_the_known_receive_codes_of_every_choice_of_platforms() {
        let all: Payloads = serde_json::from_value(payloads()).unwrap();
        for choice in 1_u32..1 << Platform::ALL.len() {
            let some = Platform::ALL.into_iter().zip(0..);
            let some = some.filter(|(_, bit)| choice & (1 << bit) != 0);
            let some: Payloads = some
                .map(|(platform, _)| (platform, all[&platform].clone()))
                .collect();
            let shown = shown(&some).unwrap();
            assert_eq!(shown.name(), "小店");
            assert_eq!(shown.payloads(), some);
            for platform in Platform::ALL {
                let payload = some.get(&platform).map(String::as_str);
                assert_eq!(shown.payload(platform).as_deref(), payload);
                assert_eq!(shown.has(platform), payload.is_some());
            }
        }
    }

    #[test]
    fn a_receive_code_that_begins_as_few_do_is_kept_whole() {
        let alipay = "HTTPS://QR.ALIPAY.COM/FKX00000EXAMPLE000000";
        let rare = Payloads::from([(Platform::Alipay, alipay.to_owned())]);
        let shown = shown(&rare).unwrap();
        assert_eq!(shown.payload(Platform::Alipay).as_deref(), Some(alipay));
        assert_eq!(shown.payloads(), rare);
    }

    #[test]
    fn what_is_no_known_receive_code_is_left_out() {
        let mut some: Payloads = serde_json::from_value(payloads()).unwrap();
        some.insert(Platform::Qq, "https://example.com/".to_owned());
        let shown_code = shown(&some).unwrap();
        assert_eq!(shown_code.payload(Platform::Qq), None);
        assert!(shown_code.payload(Platform::Unionpay).is_some());
        let unknown = Payloads::from([(Platform::Qq, "https://example.com/".to_owned())]);
        assert!(shown(&unknown).is_none());
    }
}
