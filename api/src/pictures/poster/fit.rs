//! Fits texts of any length into the available space.

use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation as _;

use super::fonts::{Fonts, Line};

/// A line that would shrink below this factor is broken in two.
const SHRINKS_TO: f32 = 0.7;
/// Line height in ems, as in `parts.svg`.
const LEADING: f32 = 1.24;

/// How much longer a line may become so that it ends at a natural pause.
const PAUSE: f32 = 0.8;

/// Characters that must not begin a line.
const CLOSING: &str = "，。、；：？！”’）》」』】〉…·—,.;:?!)]}%";
/// Characters that must not end a line.
const OPENING: &str = "“‘（《「『【〈([{";

/// A text in one or two lines.
#[derive(Debug, Serialize)]
pub(super) struct Fitted<'t> {
    pub(super) lines: Vec<Line<'t>>,
    pub(super) size: f32,
}

/// Fits `text` into one line of at most `size`, shrinking it if necessary. With a `height`, a long text gets two lines
/// of similar width.
pub(super) fn fit<'t>(
    fonts: &Fonts,
    text: &'t str,
    width: f32,
    height: f32,
    size: f32,
) -> Fitted<'t> {
    let fitting = |ems: f32| if ems > 0.0 { width / ems } else { size };
    let line = fonts.line(text);
    let whole = fitting(line.width);
    let size = if height > 0.0 { size.min(height) } else { size };
    // Includes the descenders of the last line.
    let most = (height / (1.3 + LEADING)).min(size * SHRINKS_TO);
    if most > 0.0
        && whole < size * SHRINKS_TO
        && let Some(halves) = halves(fonts, text)
        && let broken = most.min(fitting(halves.width()))
        && whole < broken
    {
        return Fitted {
            lines: halves.lines.into(),
            size: broken,
        };
    }
    Fitted {
        lines: vec![line],
        size: size.min(whole),
    }
}

/// A text split in two.
struct Halves<'t> {
    first: &'t str,
    second: &'t str,
    /// Without the white space between the lines.
    lines: [Line<'t>; 2],
}

impl Halves<'_> {
    /// The width of the wider line, in ems.
    fn width(&self) -> f32 {
        self.lines[0].width.max(self.lines[1].width)
    }

    fn cost(&self) -> f32 {
        self.width() * if self.pauses() { PAUSE } else { 1.0 }
    }

    /// Whether a line break is allowed here: not within a word, nor next to [`CLOSING`] or [`OPENING`] characters.
    fn may_break(&self) -> bool {
        let ends = (self.first.chars().next_back(), self.second.chars().next());
        let (Some(before), Some(after)) = ends else {
            return false;
        };
        if CLOSING.contains(after) || OPENING.contains(before) {
            return false;
        }
        before.is_whitespace() || after.is_whitespace() || !is_in_word(before) || !is_in_word(after)
    }

    /// Whether this is a natural pause.
    fn pauses(&self) -> bool {
        (self.first).ends_with(|c: char| c.is_whitespace() || CLOSING.contains(c))
            || self.second.starts_with(|c| OPENING.contains(c))
    }
}

/// Splits the text as evenly as the rules allow.
fn halves<'t>(fonts: &Fonts, text: &'t str) -> Option<Halves<'t>> {
    let places = text.grapheme_indices(true).skip(1);
    let places = places.map(|(at, _)| {
        let (first, second) = text.split_at(at);
        Halves {
            first,
            second,
            lines: [first.trim_end(), second.trim_start()].map(|half| fonts.line(half)),
        }
    });
    let (good, bad): (Vec<_>, Vec<_>) = places.partition(Halves::may_break);
    let cheapest = |places: Vec<Halves<'t>>| {
        (places.into_iter()).min_by(|one, other| one.cost().total_cmp(&other.cost()))
    };
    match (cheapest(good), cheapest(bad)) {
        // A word that takes almost the whole text is broken anyway.
        (Some(good), Some(bad)) if good.width() > 1.5 * bad.width() => Some(bad),
        (good, bad) => good.or(bad),
    }
}

/// Letters of scripts that separate words, and characters that join them.
fn is_in_word(c: char) -> bool {
    let is_ideograph = c >= '\u{2E80}';
    !is_ideograph && (c.is_alphanumeric() || "'’&-_.@".contains(c))
}

#[cfg(test)]
mod tests {
    use resvg::usvg::fontdb::Database;

    use super::*;

    fn fitted<'t>(fonts: &Fonts, text: &'t str) -> (Vec<&'t str>, f32) {
        let fitted = fit(fonts, text, 900.0, 240.0, 100.0);
        let lines = fitted.lines.iter().flat_map(|line| &line.runs);
        (lines.map(|run| run.text).collect(), fitted.size)
    }

    #[test]
    fn short_names_are_large_and_longer_ones_shrink_before_they_break() {
        let fonts = Fonts::new(&Database::new()).unwrap();
        for (text, lines, size) in [
            ("A", vec!["A"], 100.0),
            ("巷口小店", vec!["巷口小店"], 100.0),
            ("一二三四五六七八九十", vec!["一二三四五六七八九十"], 90.0),
            (
                "一二三四五六七八九十一二三四",
                vec!["一二三四五六七", "八九十一二三四"],
                70.0,
            ),
        ] {
            let fitted = fitted(&fonts, text);
            assert_eq!(fitted.0, lines);
            assert!((fitted.1 - size).abs() < 0.01, "{fitted:?}");
        }
    }

    #[test]
    fn lines_break_between_words_and_not_before_a_closing_sign() {
        let fonts = Fonts::new(&Database::new()).unwrap();
        for (text, lines) in [
            (
                "Grandmother's Kitchen & Bakery",
                ["Grandmother's", "Kitchen & Bakery"],
            ),
            (
                "老街坊（南京东路店）手工水饺馄饨铺子",
                ["老街坊（南京东路店）", "手工水饺馄饨铺子"],
            ),
            // Grapheme clusters are never split.
            (
                "e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}一二三四五六七八九十",
                [
                    "e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}一二三",
                    "四五六七八九十",
                ],
            ),
            ("WWWWWWWWWWWWWWWWWWWW", ["WWWWWWWWWW", "WWWWWWWWWW"]),
        ] {
            assert_eq!(fitted(&fonts, text).0, lines, "{text}");
        }
    }

    #[test]
    fn any_name_fits() {
        let fonts = Fonts::new(&Database::new()).unwrap();
        for c in ['W', '国', '□', ' ', '\u{200B}', '一'] {
            for length in 1..=32 {
                let text: String = std::iter::repeat_n(c, length).collect();
                let Fitted { lines, size } = fit(&fonts, &text, 900.0, 240.0, 100.0);
                assert!(lines.len() <= 2, "{text}");
                let high = size * if lines.len() == 2 { 1.0 + LEADING } else { 1.0 };
                assert!(high <= 240.1, "{text}: {high}");
                for line in lines {
                    assert!(line.width * size <= 900.1, "{text}");
                }
            }
        }
    }
}
