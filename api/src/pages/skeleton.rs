//! Pages that differ in a few texts only: rendered and packed once, with marks where those go.

use std::{borrow::Cow, sync::Arc};

use tera::escape_html;

use super::gzip::{Gzip, packed};

/// A place of a page that is filled in for each reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blank {
    /// The code's id.
    Id,
    /// What its owner calls it.
    Name,
    /// Where the button leads.
    Link,
    /// When its receive codes were changed.
    ChangedOn,
}

impl Blank {
    const ALL: [Self; 4] = [Self::Id, Self::Name, Self::Link, Self::ChangedOn];

    /// What holds its place while the template is rendered: a character of the private use area, which no template
    /// has and no escaping changes. What is filled in is not looked through for any.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Id => "\u{e000}",
            Self::Name => "\u{e001}",
            Self::Link => "\u{e002}",
            Self::ChangedOn => "\u{e003}",
        }
    }
}

/// A text that is the same on many pages.
#[derive(Debug)]
pub(super) struct Same {
    text: Box<str>,
    packed: Box<[u8]>,
}

impl Same {
    pub(super) fn new(text: &str) -> anyhow::Result<Self> {
        Ok(Self {
            text: text.into(),
            packed: packed(text.as_bytes())?.into(),
        })
    }
}

#[derive(Debug)]
enum Part {
    Same(Arc<Same>),
    Blank(Blank),
}

/// A rendered page with places to fill in.
#[derive(Debug)]
pub(super) struct Skeleton(Vec<Part>);

/// What a page is written to.
pub(super) trait Sheet {
    fn with_capacity(length: usize) -> Self;
    fn same(&mut self, same: &Same);
    fn text(&mut self, text: &str);
}

impl Sheet for String {
    fn with_capacity(length: usize) -> Self {
        Self::with_capacity(length)
    }

    fn same(&mut self, same: &Same) {
        self.push_str(&same.text);
    }

    fn text(&mut self, text: &str) {
        self.push_str(text);
    }
}

impl Sheet for Gzip {
    fn with_capacity(length: usize) -> Self {
        // Most pages are packed to less than half.
        Self::with_capacity(length / 2)
    }

    fn same(&mut self, same: &Same) {
        self.add_packed(same.text.as_bytes(), &same.packed);
    }

    fn text(&mut self, text: &str) {
        self.add(text.as_bytes());
    }
}

impl Skeleton {
    /// Of a page that was rendered with marks. Skeletons share the `style`, which is longer than the rest.
    pub(super) fn new(rendered: &str, style: &Arc<Same>) -> anyhow::Result<Self> {
        let mut parts = Vec::new();
        if let Some((before, behind)) = rendered.split_once(&*style.text) {
            add(&mut parts, before)?;
            parts.push(Part::Same(Arc::clone(style)));
            add(&mut parts, behind)?;
        } else {
            add(&mut parts, rendered)?;
        }
        Ok(Self(parts))
    }

    /// The page. All texts are escaped.
    pub(super) fn fill<'a, S: Sheet>(&self, text: impl Fn(Blank) -> &'a str) -> S {
        let texts = Blank::ALL.map(|blank| escaped(text(blank)));
        let text = |blank| &*texts[blank as usize];
        let lengths = self.0.iter().map(|part| match part {
            Part::Same(same) => same.text.len(),
            Part::Blank(blank) => text(*blank).len(),
        });
        let mut sheet = S::with_capacity(lengths.sum());
        for part in &self.0 {
            match part {
                Part::Same(same) => sheet.same(same),
                Part::Blank(blank) => sheet.text(text(*blank)),
            }
        }
        sheet
    }
}

/// Adds a piece of a page.
fn add(parts: &mut Vec<Part>, rendered: &str) -> anyhow::Result<()> {
    let blank = |c: char| {
        let mut all = Blank::ALL.into_iter();
        all.find(|blank| blank.mark().starts_with(c))
    };
    let mut start = 0;
    for (at, c) in rendered.char_indices() {
        if let Some(blank) = blank(c) {
            parts.push(Part::Same(Same::new(&rendered[start..at])?.into()));
            parts.push(Part::Blank(blank));
            start = at + c.len_utf8();
        }
    }
    parts.push(Part::Same(Same::new(&rendered[start..])?.into()));
    Ok(())
}

fn escaped(text: &str) -> Cow<'_, str> {
    let mut escaped = Vec::new();
    // Writing to memory cannot fail, and ASCII is replaced by ASCII.
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

    fn skeleton(rendered: &str) -> Skeleton {
        let style = Arc::new(Same::new("a>b{}").unwrap());
        Skeleton::new(rendered, &style).unwrap()
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
        let mark = Blank::mark;
        let rendered = format!(
            "<style>a>b{{}}</style>{}<a href=\"{}\">{0}</a>末",
            mark(Blank::Name),
            mark(Blank::Id),
        );
        let text = |blank| match blank {
            Blank::Id => "\"1\"",
            Blank::Name => "<店>\u{e000}&",
            Blank::Link | Blank::ChangedOn => "",
        };
        let page = "<style>a>b{}</style>&lt;店&gt;\u{e000}&amp;<a href=\"&quot;1&quot;\">&lt;店&gt;\u{e000}&amp;</a>末";
        let skeleton = skeleton(&rendered);
        assert_eq!(skeleton.fill::<String>(text), page);
        assert_eq!(unpacked(skeleton.fill(text)), page);
    }

    proptest! {
        #[test]
        fn what_is_packed_is_what_is_not(rendered: String, name: String, id: String) {
            let rendered = rendered + "\u{e000}a>b{}\u{e001}\u{e001}";
            let text = |blank| match blank {
                Blank::Id => id.as_str(),
                Blank::Name => name.as_str(),
                Blank::Link | Blank::ChangedOn => "/",
            };
            let skeleton = skeleton(&rendered);
            prop_assert_eq!(unpacked(skeleton.fill(text)), skeleton.fill::<String>(text));
        }
    }
}
