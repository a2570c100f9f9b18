//! What payers see of a code.

use std::borrow::Cow;

use heyi_common::{
    payload::{AllowList, Payloads, Platform},
    store::Scanned,
};
use triomphe::ThinArc;

use super::packed::{self, Form};

/// The texts of most codes are shorter, in bytes.
const MUCH_TEXT: usize = 256;

/// What a payer may see of a code. Small, since many are kept: it is one piece of memory, and a pointer to that.
#[derive(Debug, Clone)]
pub(crate) struct Shown(ThinArc<Head, u8>);

/// Before the text: the name, then the receive codes in the order of [`Platform::ALL`], never none.
#[derive(Debug, Clone, Copy)]
struct Head {
    read: Read,
    /// How each receive code is kept, if there is one.
    forms: [Option<Form>; Platform::ALL.len()],
    /// Where each begins, or would, in the text.
    starts: [u16; Platform::ALL.len()],
}

/// When a code was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    /// See [`Codes`](super::Codes).
    pub(super) epoch: u32,
    /// In seconds after the start of [`Codes`](super::Codes).
    pub(super) at: u32,
}

impl Shown {
    /// None when nothing is left to show.
    pub(super) fn new(code: &Scanned<'_>, known: &AllowList, read: Read) -> Option<Self> {
        let mut text = Vec::with_capacity(MUCH_TEXT);
        text.extend_from_slice(code.name.as_bytes());
        let mut head = Head {
            read,
            forms: [None; Platform::ALL.len()],
            starts: [0; Platform::ALL.len()],
        };
        let places = head.forms.iter_mut().zip(&mut head.starts);
        for (platform, (form, start)) in Platform::ALL.into_iter().zip(places) {
            // An order, and so a code, is far shorter.
            *start = u16::try_from(text.len()).ok()?;
            let payload = code.payloads.get(&platform);
            let payload = payload.filter(|payload| known.knows(platform, payload));
            *form = payload.map(|payload| packed::pack(platform, payload, &mut text));
        }
        let is_any = head.forms.iter().any(Option::is_some);
        is_any.then(|| Self(ThinArc::from_header_and_slice(head, &text)))
    }

    /// What it takes in memory, in bytes.
    pub(super) fn size(&self) -> usize {
        /// Before the head and after it: how many point to it, and how long the text is.
        const COUNTS: usize = 2 * size_of::<usize>();
        COUNTS + size_of::<Head>() + self.text().len()
    }

    /// When it was read.
    pub(super) fn read(&self) -> Read {
        self.head().read
    }

    fn head(&self) -> &Head {
        &self.0.header.header
    }

    fn text(&self) -> &[u8] {
        &self.0.slice
    }

    /// What its owner calls it.
    pub(crate) fn name(&self) -> Cow<'_, str> {
        let [end, ..] = self.head().starts;
        String::from_utf8_lossy(&self.text()[..usize::from(end)])
    }

    /// The receive code of a platform.
    pub(crate) fn payload(&self, platform: Platform) -> Option<String> {
        let mut all = self.all();
        let (_, form, packed) = all.find(|(own, ..)| *own == platform)?;
        packed::unpack(platform, form, packed)
    }

    /// All of its receive codes.
    pub(crate) fn payloads(&self) -> Payloads {
        self.all()
            .filter_map(|(platform, form, packed)| {
                Some((platform, packed::unpack(platform, form, packed)?))
            })
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
        let Head { forms, starts, .. } = self.head();
        let starts = starts.iter().map(|start| usize::from(*start));
        let ends = starts.clone().skip(1).chain([self.text().len()]);
        let places = starts.zip(ends).zip(forms);
        let all = Platform::ALL.into_iter().zip(places);
        all.filter_map(|(platform, ((start, end), form))| {
            Some((platform, (*form)?, &self.text()[start..end]))
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
        Shown::new(&code, &known, Read { epoch: 1, at: 0 })
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
