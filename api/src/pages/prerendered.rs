//! Pages that differ only in a few texts: rendered and compressed once, with slots for these texts.
//!
//! If each page were rendered and compressed separately, `/qr` would cost 7.0 times the CPU
//! ([measured](../../../docs/performance.md#speed-ups)).

use std::{borrow::Cow, sync::Arc};

use tera::escape_html;

use super::gzip::{Gzip, packed};

/// A slot of a page that is filled for each reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// The code's id.
    Id,
    /// The owner's name for it.
    Name,
    /// The link of the button.
    Link,
    /// When its receive codes were changed.
    ChangedOn,
}

impl Slot {
    const ALL: [Self; 4] = [Self::Id, Self::Name, Self::Link, Self::ChangedOn];

    /// The slot's placeholder in the rendered template: a private-use character. No template contains it and escaping
    /// does not change it. Filled-in texts are not searched for placeholders.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Id => "\u{e000}",
            Self::Name => "\u{e001}",
            Self::Link => "\u{e002}",
            Self::ChangedOn => "\u{e003}",
        }
    }
}

/// A text that many pages share.
#[derive(Debug)]
pub(super) struct FixedPart {
    text: Box<str>,
    packed: Box<[u8]>,
}

impl FixedPart {
    pub(super) fn new(text: &str) -> anyhow::Result<Self> {
        Ok(Self {
            text: text.into(),
            packed: packed(text.as_bytes())?.into(),
        })
    }
}

#[derive(Debug)]
enum Part {
    FixedPart(Arc<FixedPart>),
    Slot(Slot),
}

/// A rendered page with slots.
#[derive(Debug)]
pub(super) struct PrerenderedPage(Vec<Part>);

/// The output of a page.
pub(super) trait Sheet {
    fn with_capacity(length: usize) -> Self;
    fn fixed(&mut self, fixed: &FixedPart);
    fn text(&mut self, text: &str);
}

impl Sheet for String {
    fn with_capacity(length: usize) -> Self {
        Self::with_capacity(length)
    }

    fn fixed(&mut self, fixed: &FixedPart) {
        self.push_str(&fixed.text);
    }

    fn text(&mut self, text: &str) {
        self.push_str(text);
    }
}

impl Sheet for Gzip {
    fn with_capacity(length: usize) -> Self {
        // Most pages compress to less than half.
        Self::with_capacity(length / 2)
    }

    fn fixed(&mut self, fixed: &FixedPart) {
        self.add_packed(fixed.text.as_bytes(), &fixed.packed);
    }

    fn text(&mut self, text: &str) {
        self.add(text.as_bytes());
    }
}

impl PrerenderedPage {
    /// Parses a page rendered with placeholders. All pages share the `style`, which is longer than the rest.
    pub(super) fn new(rendered: &str, style: &Arc<FixedPart>) -> anyhow::Result<Self> {
        let mut parts = Vec::new();
        if let Some((before, behind)) = rendered.split_once(&*style.text) {
            add(&mut parts, before)?;
            parts.push(Part::FixedPart(Arc::clone(style)));
            add(&mut parts, behind)?;
        } else {
            add(&mut parts, rendered)?;
        }
        Ok(Self(parts))
    }

    /// Fills the slots with escaped texts.
    pub(super) fn fill<'a, S: Sheet>(&self, text: impl Fn(Slot) -> &'a str) -> S {
        let texts = Slot::ALL.map(|slot| escaped(text(slot)));
        let text = |slot| &*texts[slot as usize];
        let lengths = self.0.iter().map(|part| match part {
            Part::FixedPart(fixed) => fixed.text.len(),
            Part::Slot(slot) => text(*slot).len(),
        });
        let mut sheet = S::with_capacity(lengths.sum());
        for part in &self.0 {
            match part {
                Part::FixedPart(fixed) => sheet.fixed(fixed),
                Part::Slot(slot) => sheet.text(text(*slot)),
            }
        }
        sheet
    }
}

/// Splits a piece of a page into fixed parts and slots.
fn add(parts: &mut Vec<Part>, rendered: &str) -> anyhow::Result<()> {
    let slot = |c: char| {
        let mut all = Slot::ALL.into_iter();
        all.find(|slot| slot.mark().starts_with(c))
    };
    let mut start = 0;
    for (at, c) in rendered.char_indices() {
        if let Some(slot) = slot(c) {
            parts.push(Part::FixedPart(
                FixedPart::new(&rendered[start..at])?.into(),
            ));
            parts.push(Part::Slot(slot));
            start = at + c.len_utf8();
        }
    }
    parts.push(Part::FixedPart(FixedPart::new(&rendered[start..])?.into()));
    Ok(())
}

/// Escapes a text for HTML and XML.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    let mut escaped = Vec::new();
    // Writing to memory cannot fail. Only ASCII characters are replaced, by ASCII.
    let _ = escape_html(text, &mut escaped);
    if escaped.len() == text.len() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(String::from_utf8(escaped).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    fn prerendered(rendered: &str) -> PrerenderedPage {
        let style = Arc::new(FixedPart::new("a>b{}").unwrap());
        PrerenderedPage::new(rendered, &style).unwrap()
    }

    fn unpacked(file: Gzip) -> String {
        let mut text = String::new();
        let file = file.finish();
        let read = GzDecoder::new(&*file).read_to_string(&mut text);
        read.unwrap();
        text
    }

    #[test]
    fn texts_are_filled_in_escaped_and_not_looked_through() {
        let mark = Slot::mark;
        let rendered = format!(
            "<style>a>b{{}}</style>{}<a href=\"{}\">{0}</a>末",
            mark(Slot::Name),
            mark(Slot::Id),
        );
        let text = |slot| match slot {
            Slot::Id => "\"1\"",
            Slot::Name => "<店>\u{e000}&",
            Slot::Link | Slot::ChangedOn => "",
        };
        let expected = "<style>a>b{}</style>&lt;店&gt;\u{e000}&amp;<a href=\"&quot;1&quot;\">&lt;店&gt;\u{e000}&amp;</a>末";
        let page = prerendered(&rendered);
        assert_eq!(page.fill::<String>(text), expected);
        assert_eq!(unpacked(page.fill(text)), expected);
    }

    proptest! {
        #[test]
        fn what_is_packed_is_what_is_not(rendered: String, name: String, id: String) {
            let rendered = rendered + "\u{e000}a>b{}\u{e001}\u{e001}";
            let text = |slot| match slot {
                Slot::Id => id.as_str(),
                Slot::Name => name.as_str(),
                Slot::Link | Slot::ChangedOn => "/",
            };
            let page = prerendered(&rendered);
            prop_assert_eq!(unpacked(page.fill(text)), page.fill::<String>(text));
        }
    }
}
