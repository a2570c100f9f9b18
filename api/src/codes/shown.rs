//! What payers see of a code.

use std::borrow::Cow;

use heyi_common::{
    payload::{AllowList, Payloads},
    platform::Platform,
    scans::day_of,
    store::Scanned,
};
use jiff::{Timestamp, ToSpan as _, civil::Date};
use mongodb::bson::DateTime;
use triomphe::ThinArc;

/// The texts of most codes are shorter, in bytes.
const MUCH_TEXT: usize = 512;

/// What a payer may see of a code. Small, since many are kept: it is one piece of memory, and a pointer to that.
#[derive(Debug, Clone)]
pub(crate) struct Shown(ThinArc<Head, u8>);

/// Before the text: the receive codes in the order of [`Platform::ALL`], never none, then the name.
#[derive(Debug, Clone, Copy)]
struct Head {
    read: Read,
    /// The length of each receive code in bytes; 0 is none.
    lengths: [u16; Platform::ALL.len()],
    changed_on: Day,
}

/// A day in China as the number of days since 1970, in two bytes; 0 is none.
#[derive(Debug, Clone, Copy)]
struct Day(u16);

const EPOCH: Date = jiff::civil::date(1970, 1, 1);

impl Day {
    fn of(moment: Option<DateTime>) -> Self {
        let moment = moment.and_then(|at| Timestamp::from_millisecond(at.timestamp_millis()).ok());
        let days = moment.map(|moment| EPOCH.duration_until(day_of(moment)).as_hours() / 24);
        Self(days.and_then(|days| days.try_into().ok()).unwrap_or(0))
    }

    fn date(self) -> Option<Date> {
        let days = i64::from(self.0);
        (days > 0).then(|| EPOCH.saturating_add(days.days()))
    }
}

/// When a code was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    /// In seconds after the start of [`Codes`](super::Codes).
    pub(super) at: u32,
    /// See [`Codes`](super::Codes).
    pub(super) epoch: u16,
}

impl Shown {
    /// None when nothing is left to show.
    pub(super) fn new(code: &Scanned<'_>, known: &AllowList, read: Read) -> Option<Self> {
        let mut text = Vec::with_capacity(MUCH_TEXT);
        let mut lengths = [0; Platform::ALL.len()];
        for (platform, length) in Platform::ALL.into_iter().zip(&mut lengths) {
            let payload = code.payloads.get(&platform);
            if let Some(payload) = payload.filter(|payload| known.permits(platform, payload)) {
                text.extend_from_slice(payload.as_bytes());
                *length = u16::try_from(payload.len()).ok()?;
            }
        }
        let is_any = !text.is_empty();
        text.extend_from_slice(code.name.as_bytes());
        let head = Head {
            read,
            lengths,
            changed_on: Day::of(code.payloads_changed_at),
        };
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
        let lengths = self.head().lengths.into_iter();
        let start: usize = lengths.map(usize::from).sum();
        String::from_utf8_lossy(&self.text()[start..])
    }

    /// The day in China on which its owner last changed its receive codes.
    pub(crate) fn changed_on(&self) -> Option<Date> {
        self.head().changed_on.date()
    }

    /// The receive code of a platform.
    pub(crate) fn payload(&self, platform: Platform) -> Option<Cow<'_, str>> {
        let (_, payload) = self.all().find(|(own, _)| *own == platform)?;
        Some(payload)
    }

    /// All of its receive codes.
    pub(crate) fn payloads(&self) -> Payloads {
        let all = self.all();
        all.map(|(platform, payload)| (platform, payload.into_owned()))
            .collect()
    }

    /// Whether it has a receive code of a platform.
    pub(crate) fn has(&self, platform: Platform) -> bool {
        self.platforms().any(|own| own == platform)
    }

    /// The platforms of which it has receive codes.
    pub(crate) fn platforms(&self) -> impl Iterator<Item = Platform> + '_ {
        self.all().map(|(platform, _)| platform)
    }

    fn all(&self) -> impl Iterator<Item = (Platform, Cow<'_, str>)> {
        let mut rest = self.text();
        let all = Platform::ALL.into_iter().zip(self.head().lengths);
        all.filter_map(move |(platform, length)| {
            let payload;
            (payload, rest) = rest.split_at(usize::from(length));
            (length > 0).then(|| (platform, String::from_utf8_lossy(payload)))
        })
    }
}

#[cfg(test)]
mod tests {
    use heyi_testkit::world::payloads;

    use super::*;

    fn shown(payloads: &Payloads) -> Option<Shown> {
        let known = heyi_common::config::defaults().unwrap();
        let known = known["orders"]["payloads"].clone().try_into().unwrap();
        let payloads = payloads.iter();
        let code = Scanned {
            name: "小店",
            payloads: payloads
                .map(|(platform, one)| (*platform, one.as_str()))
                .collect(),
            deleted_at: None,
            disabled_at: None,
            owner_disabled_at: None,
            payloads_changed_at: Some(DateTime::from_millis(1_795_795_200_000)),
        };
        Shown::new(&code, &known, Read { epoch: 1, at: 0 })
    }

    #[test]
    fn it_has_the_name_and_the_known_receive_codes_of_every_choice_of_platforms() {
        let all: Payloads = serde_json::from_value(payloads()).unwrap();
        for choice in 1_u32..1 << all.len() {
            let some = all.clone().into_iter().zip(0..);
            let some = some.filter(|(_, bit)| choice & (1 << bit) != 0);
            let some: Payloads = some.map(|(payload, _)| payload).collect();
            let shown = shown(&some).unwrap();
            assert_eq!(shown.name(), "小店");
            assert_eq!(shown.payloads(), some);
            assert_eq!(shown.changed_on(), Some(jiff::civil::date(2026, 11, 28)));
            for platform in Platform::ALL {
                let payload = some.get(&platform).map(String::as_str);
                assert_eq!(shown.payload(platform).as_deref(), payload);
                assert_eq!(shown.has(platform), payload.is_some());
            }
        }
    }

    #[test]
    fn days_are_those_of_china_and_cost_no_memory() {
        let at = |text: &str| DateTime::parse_rfc3339_str(text).unwrap();
        for (moment, day) in [
            (None, None),
            (Some(at("2026-11-27T15:59:59Z")), Some((2026, 11, 27))),
            (Some(at("2026-11-27T16:00:00Z")), Some((2026, 11, 28))),
            (Some(at("1960-01-01T00:00:00Z")), None),
        ] {
            let day = day.map(|(year, month, day)| jiff::civil::date(year, month, day));
            assert_eq!(Day::of(moment).date(), day);
        }
        let lengths = 2 * Platform::ALL.len();
        assert_eq!(
            size_of::<Head>(),
            (size_of::<Read>() + lengths + 2).next_multiple_of(4)
        );
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
