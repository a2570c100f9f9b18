//! What payers see of a code.

use std::{borrow::Cow, iter};

use heyi_common::{
    payload::{AllowList, Payloads, Platform},
    store::Scanned,
};

use super::packed::{self, Form};

/// What a payer may see of a code. Small, since many are kept: all texts are one.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The name, then the receive codes in the order of [`Platform::ALL`], never none.
    text: Box<[u8]>,
    name_end: u16,
    /// How each receive code is kept, if there is one, and where it ends.
    payloads: [(Option<Form>, u16); Platform::ALL.len()],
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
        let end = |text: &[u8]| u16::try_from(text.len()).ok();
        let length = code
            .payloads
            .values()
            .map(|payload| payload.len())
            .sum::<usize>();
        let mut text = Vec::with_capacity(code.name.len() + length);
        text.extend_from_slice(code.name.as_bytes());
        let name_end = end(&text)?;
        let mut payloads = [(None, 0); Platform::ALL.len()];
        for (platform, kept) in Platform::ALL.into_iter().zip(&mut payloads) {
            let payload = code.payloads.get(&platform);
            let payload = payload.filter(|payload| known.knows(platform, payload));
            let form = payload.map(|payload| packed::pack(platform, payload, &mut text));
            *kept = (form, end(&text)?);
        }
        let is_any = payloads.iter().any(|(form, _)| form.is_some());
        is_any.then(|| Self {
            text: text.into_boxed_slice(),
            name_end,
            payloads,
            epoch,
            read_at,
        })
    }

    /// What it takes in memory, in bytes.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.text.len()
    }

    /// What its owner calls it.
    pub(crate) fn name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.text[..usize::from(self.name_end)])
    }

    /// The receive code of a platform.
    pub(crate) fn payload(&self, platform: Platform) -> Option<String> {
        let mut all = self.all();
        let (_, form, packed) = all.find(|(own, ..)| *own == platform)?;
        Some(packed::unpack(platform, form, packed))
    }

    /// All of its receive codes.
    pub(crate) fn payloads(&self) -> Payloads {
        self.all()
            .map(|(platform, form, packed)| (platform, packed::unpack(platform, form, packed)))
            .collect()
    }

    /// Whether it has a receive code of a platform.
    pub(crate) fn has(&self, platform: Platform) -> bool {
        self.platforms().any(|own| own == platform)
    }

    /// The platforms of which it has receive codes.
    pub(crate) fn platforms(&self) -> impl Iterator<Item = Platform> + '_ {
        self.all().map(|(platform, ..)| platform)
    }

    fn all(&self) -> impl Iterator<Item = (Platform, Form, &[u8])> {
        let ends = self.payloads.iter().map(|(_, end)| *end);
        let starts = iter::once(self.name_end).chain(ends);
        let places = Platform::ALL.into_iter().zip(starts.zip(&self.payloads));
        places.filter_map(|(platform, (start, (form, end)))| {
            let packed = &self.text[usize::from(start)..usize::from(*end)];
            Some((platform, (*form)?, packed))
        })
    }
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
