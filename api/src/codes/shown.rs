//! A payer's view of a code.

use heyi_common::{order::Content, payload::AllowList, scans::day_of, store::Scanned};
use jiff::{Timestamp, ToSpan as _, civil::Date};
use mongodb::bson::DateTime;
use triomphe::ThinArc;

/// A payer's view of a code. It is one allocation and a pointer to it, since many are cached.
#[derive(Debug, Clone)]
pub(crate) struct Shown(ThinArc<Head, u8>);

/// The header before the content, which is encoded with postcard.
#[derive(Debug, Clone, Copy)]
struct Head {
    read: Read,
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
    /// None when no payload is left.
    pub(super) fn new(code: Scanned, known: &AllowList, read: Read) -> Option<Self> {
        let mut content = code.content;
        content
            .payloads
            .retain(|platform, payload| known.permits(*platform, payload));
        if content.payloads.is_empty() {
            return None;
        }
        let head = Head {
            read,
            changed_on: Day::of(code.rest.payloads_changed_at),
        };
        let content = postcard::to_allocvec(&content).ok()?;
        Some(Self(ThinArc::from_header_and_slice(head, &content)))
    }

    /// Its size in memory, in bytes.
    pub(super) fn size(&self) -> usize {
        /// Reference count and length.
        const COUNTS: usize = 2 * size_of::<usize>();
        COUNTS + size_of::<Head>() + self.0.slice.len()
    }

    /// When it was read.
    pub(super) fn read(&self) -> Read {
        self.head().read
    }

    fn head(&self) -> &Head {
        &self.0.header.header
    }

    /// The content, with the payloads that are still allowed; never without any.
    #[expect(clippy::expect_used, reason = "nobody else writes it")]
    pub(crate) fn content(&self) -> Content {
        postcard::from_bytes(&self.0.slice).expect("content as it was written")
    }

    /// The day in China on which its owner last changed its receive codes.
    pub(crate) fn changed_on(&self) -> Option<Date> {
        self.head().changed_on.date()
    }
}

#[cfg(test)]
mod tests {
    use heyi_common::{payload::Payloads, platform::Platform, store::CodeState};
    use heyi_testkit::world::payloads;

    use super::*;

    fn shown(payloads: &Payloads) -> Option<Shown> {
        let known = heyi_common::config::defaults().unwrap();
        let known = known["orders"]["payloads"].clone().try_into().unwrap();
        let code = Scanned {
            content: Content {
                name: "小店".to_owned(),
                payloads: payloads.clone(),
            },
            rest: CodeState {
                payloads_changed_at: Some(DateTime::from_millis(1_795_795_200_000)),
                ..CodeState::default()
            },
        };
        Shown::new(code, &known, Read { epoch: 1, at: 0 })
    }

    #[test]
    fn it_has_the_content_of_every_choice_of_platforms() {
        let all: Payloads = serde_json::from_value(payloads()).unwrap();
        for choice in 1_u32..1 << all.len() {
            let some = all.clone().into_iter().zip(0..);
            let some = some.filter(|(_, bit)| choice & (1 << bit) != 0);
            let content = Content {
                name: "小店".to_owned(),
                payloads: some.map(|(payload, _)| payload).collect(),
            };
            let shown = shown(&content.payloads).unwrap();
            assert_eq!(shown.content(), content);
            assert_eq!(shown.changed_on(), Some(jiff::civil::date(2026, 11, 28)));
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
        assert_eq!(size_of::<Head>(), size_of::<Read>() + 4);
    }

    #[test]
    fn what_is_no_known_receive_code_is_left_out() {
        let mut some: Payloads = serde_json::from_value(payloads()).unwrap();
        some.insert(Platform::Qq, "https://example.com/".to_owned());
        let shown_code = shown(&some).unwrap();
        let payloads = shown_code.content().payloads;
        assert!(!payloads.contains_key(&Platform::Qq));
        assert!(payloads.contains_key(&Platform::Unionpay));
        let unknown = Payloads::from([(Platform::Qq, "https://example.com/".to_owned())]);
        assert!(shown(&unknown).is_none());
    }
}
