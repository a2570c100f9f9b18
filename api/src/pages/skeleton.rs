//! Pages that differ in a few texts only: rendered once, with marks where those go.

use std::borrow::Cow;

use tera::escape_html;

/// A place of a page that is filled in for each reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blank {
    /// The code's id.
    Id,
    /// What its owner calls it.
    Name,
    /// Where the button leads.
    Link,
    /// The style sheet: the same for all, and longer than the rest.
    Style,
}

impl Blank {
    const ALL: [Self; 4] = [Self::Id, Self::Name, Self::Link, Self::Style];

    /// What holds its place while the template is rendered: a character of the private use area, which no template
    /// has and no escaping changes. What is filled in is not looked through for any.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Id => "\u{e000}",
            Self::Name => "\u{e001}",
            Self::Link => "\u{e002}",
            Self::Style => "\u{e003}",
        }
    }
}

/// A rendered page with places to fill in.
#[derive(Debug)]
pub(super) struct Skeleton {
    /// What is the same on all pages, each with the place that follows.
    parts: Vec<(Box<str>, Blank)>,
    end: Box<str>,
}

impl Skeleton {
    /// Of a page that was rendered with marks.
    pub(super) fn new(rendered: &str) -> Self {
        let blank = |c: char| {
            let mut all = Blank::ALL.into_iter();
            all.find(|blank| blank.mark().starts_with(c))
        };
        let mut parts = Vec::new();
        let mut start = 0;
        for (at, c) in rendered.char_indices() {
            if let Some(blank) = blank(c) {
                parts.push((rendered[start..at].into(), blank));
                start = at + c.len_utf8();
            }
        }
        Self {
            parts,
            end: rendered[start..].into(),
        }
    }

    /// The page. All texts but the style sheet are escaped.
    pub(super) fn fill<'a>(&self, text: impl Fn(Blank) -> &'a str) -> String {
        let texts = Blank::ALL.map(|blank| match blank {
            Blank::Style => Cow::Borrowed(text(blank)),
            Blank::Id | Blank::Name | Blank::Link => escaped(text(blank)),
        });
        let text = |blank| &texts[blank as usize];
        let parts = self.parts.iter();
        let lengths = parts.map(|(same, blank)| same.len() + text(*blank).len());
        let mut page = String::with_capacity(lengths.sum::<usize>() + self.end.len());
        for (same, blank) in &self.parts {
            page.push_str(same);
            page.push_str(text(*blank));
        }
        page.push_str(&self.end);
        page
    }
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
    use super::*;

    #[test]
    fn texts_are_filled_in_escaped_and_not_looked_through() {
        let mark = Blank::mark;
        let rendered = format!(
            "<style>{}</style>{}<a href=\"{}\">{1}</a>末",
            mark(Blank::Style),
            mark(Blank::Name),
            mark(Blank::Id),
        );
        let page = Skeleton::new(&rendered).fill(|blank| match blank {
            Blank::Id => "\"1\"",
            Blank::Name => "<店>\u{e000}&",
            Blank::Link => "",
            Blank::Style => "a>b{}",
        });
        assert_eq!(
            page,
            "<style>a>b{}</style>&lt;店&gt;\u{e000}&amp;<a href=\"&quot;1&quot;\">&lt;店&gt;\u{e000}&amp;</a>末"
        );
    }
}
