//! What payers see of a code.

use std::{iter, time::Instant};

use heyi_common::{
    payload::{AllowList, Payloads, Platform},
    store::Code,
};
use mongodb::bson::oid::ObjectId;

/// What a payer may see of a code. Small, since many are kept: all texts are one.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) id: ObjectId,
    /// The name, then the receive codes in the order of [`Platform::ALL`], never none.
    text: Box<str>,
    name_end: u16,
    /// Where each receive code ends. Where the one before it does, there is none.
    ends: [u16; Platform::ALL.len()],
    /// See [`Codes`](super::Codes).
    pub(super) epoch: u64,
    pub(super) read_at: Instant,
}

impl Shown {
    /// None when nothing is left to show.
    pub(super) fn new(
        code: &Code,
        known: &AllowList,
        epoch: u64,
        read_at: Instant,
    ) -> Option<Self> {
        // An order, and so a code, is far shorter.
        let end = |text: &str| u16::try_from(text.len()).ok();
        let mut text = code.name.clone();
        let name_end = end(&text)?;
        let mut ends = [0; Platform::ALL.len()];
        for (platform, its_end) in Platform::ALL.into_iter().zip(&mut ends) {
            let payload = code.payloads.get(&platform);
            if let Some(payload) = payload.filter(|payload| known.knows(platform, payload)) {
                text.push_str(payload);
            }
            *its_end = end(&text)?;
        }
        (text.len() > usize::from(name_end)).then(|| Self {
            id: code.id,
            text: text.into_boxed_str(),
            name_end,
            ends,
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
    pub(crate) fn payload(&self, platform: Platform) -> Option<&str> {
        let mut all = self.all();
        all.find(|(own, _)| *own == platform)
            .map(|(_, payload)| payload)
    }

    /// All of its receive codes.
    pub(crate) fn payloads(&self) -> Payloads {
        self.all()
            .map(|(platform, payload)| (platform, payload.to_owned()))
            .collect()
    }

    /// The platforms of which it has receive codes.
    pub(crate) fn platforms(&self) -> impl Iterator<Item = Platform> + '_ {
        self.all().map(|(platform, _)| platform)
    }

    fn all(&self) -> impl Iterator<Item = (Platform, &str)> {
        let starts = iter::once(self.name_end).chain(self.ends);
        let all = Platform::ALL.into_iter().zip(starts.zip(self.ends));
        all.map(|(platform, (start, end))| {
            (platform, &self.text[usize::from(start)..usize::from(end)])
        })
        .filter(|(_, payload)| !payload.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use heyi_common::{
        order::{Fee, Order, OrderData},
        sign::Params,
        store::Payment,
    };
    use heyi_sandbox::world::{data, payloads};

    use super::*;

    fn code(payloads: Payloads) -> Code {
        let json = data("oAlice0000000000000000000000", "小店");
        let data = OrderData {
            openid: serde_json::from_value(json["openId"].clone()).unwrap(),
            name: "小店".to_owned(),
            payloads,
        };
        let order = Order::new(data, Fee::new(990).unwrap(), |_| Params::new());
        let payment = Payment {
            payjs_order_id: "1".to_owned(),
            transaction_id: "1".to_owned(),
            paid_at: String::new(),
        };
        Code::new(&order, &payment)
    }

    fn shown(code: &Code) -> Option<Shown> {
        let known: toml::Table =
            toml::from_str(include_str!("../../../common/src/config.default.toml")).unwrap();
        let known = known["orders"]["payloads"].clone().try_into().unwrap();
        Shown::new(code, &known, 1, Instant::now())
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
            let shown = shown(&code(some.clone())).unwrap();
            assert_eq!(shown.name(), "小店");
            assert_eq!(shown.payloads(), some);
            for platform in Platform::ALL {
                let payload = some.get(&platform).map(String::as_str);
                assert_eq!(shown.payload(platform), payload);
            }
        }
    }

    #[test]
    fn what_is_no_known_receive_code_is_left_out() {
        let mut some: Payloads = serde_json::from_value(payloads()).unwrap();
        some.insert(Platform::Qq, "https://example.com/".to_owned());
        let shown_code = shown(&code(some)).unwrap();
        assert_eq!(shown_code.payload(Platform::Qq), None);
        assert!(shown_code.payload(Platform::Unionpay).is_some());
        let unknown = Payloads::from([(Platform::Qq, "https://example.com/".to_owned())]);
        assert!(shown(&code(unknown)).is_none());
    }
}
