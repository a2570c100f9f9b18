//! Names of any length in the room there is.

use super::{
    canvas::{Align, Area, Canvas, Colour, Line},
    font::{Font, changes_its_neighbour},
};

/// Below this part of its size a line is broken in two.
const SHRINKS_TO: f32 = 0.7;
/// From line to line, in ems.
const LEADING: f32 = 1.24;

/// How much wider a line may be to end where a reader pauses.
const PAUSE: f32 = 0.8;

/// What must not begin a line.
const CLOSING: &str = "，。、；：？！”’）》」』】〉…·—,.;:?!)]}%";
/// What must not end one.
const OPENING: &str = "“‘（《「『【〈([{";

/// Writes `text` into the middle of `area`, at most `size` large: in one line, smaller if need be, else in two of
/// about the same width.
pub(super) fn write_into(
    canvas: &mut Canvas<'_>,
    text: &str,
    align: Align,
    area: Area,
    size: f32,
    colour: Colour,
) {
    let font = canvas.font();
    let (lines, size) = fit(font, text, area, size);
    let x = match align {
        Align::Left => area.x,
        Align::Centre => area.centre().0,
    };
    let mut y = area.centre().1;
    if lines.len() > 1 {
        y -= LEADING * size / 2.0;
    }
    for text in lines {
        canvas.text(&Line { text, size, colour }, align, x, y);
        y += LEADING * size;
    }
}

fn fit<'t>(font: &Font, text: &'t str, area: Area, size: f32) -> (Vec<&'t str>, f32) {
    let size = size.min(area.height);
    let fitting = |width: f32| {
        if width > 0.0 {
            area.width / width
        } else {
            size
        }
    };
    let whole = fitting(font.width(text));
    if whole >= size * SHRINKS_TO {
        return (vec![text], size.min(whole));
    }
    let (first, second) = halves(font, text);
    let wider = font.width(first).max(font.width(second));
    // Room for what hangs below the last line too.
    let high = area.height / (1.3 + LEADING);
    let broken = fitting(wider).min(high).min(size * SHRINKS_TO);
    if whole >= broken {
        return (vec![text], whole);
    }
    (vec![first, second], broken)
}

/// The text in two, as even as it can be broken.
fn halves<'t>(font: &Font, text: &'t str) -> (&'t str, &'t str) {
    let wider = |at: usize| {
        let (first, second) = text.split_at(at);
        font.width(first.trim_end())
            .max(font.width(second.trim_start()))
    };
    let places = || {
        let characters = text.char_indices().skip(1).map(|(at, _)| at);
        characters.filter(|at| !is_joined(text, *at))
    };
    let cost = |at: usize| wider(at) * if pauses(text, at) { PAUSE } else { 1.0 };
    let best = |places: &mut dyn Iterator<Item = usize>| {
        places.min_by(|one, other| cost(*one).total_cmp(&cost(*other)))
    };
    let good = best(&mut places().filter(|at| may_break(text, *at)));
    let any = best(&mut places());
    let at = match (good, any) {
        // A word that is almost everything is broken all the same.
        (Some(good), Some(any)) if wider(good) > 1.5 * wider(any) => any,
        (good, any) => good.or(any).unwrap_or(text.len()),
    };
    let (first, second) = text.split_at(at);
    (first.trim_end(), second.trim_start())
}

/// Whether a reader expects a new line here: not within a word, nor beside the wrong sign.
fn may_break(text: &str, at: usize) -> bool {
    let (first, second) = text.split_at(at);
    let (Some(before), Some(after)) = (first.chars().next_back(), second.chars().next()) else {
        return false;
    };
    if CLOSING.contains(after) || OPENING.contains(before) {
        return false;
    }
    before.is_whitespace() || after.is_whitespace() || !is_in_word(before) || !is_in_word(after)
}

/// Whether a reader pauses here anyway.
fn pauses(text: &str, at: usize) -> bool {
    let (first, second) = text.split_at(at);
    first.ends_with(|c: char| c.is_whitespace() || CLOSING.contains(c))
        || second.starts_with(|c| OPENING.contains(c))
}

/// Whether what stands before and behind is seen as one.
fn is_joined(text: &str, at: usize) -> bool {
    let (first, second) = text.split_at(at);
    first.ends_with('\u{200D}') || second.starts_with(changes_its_neighbour)
}

/// Letters of scripts that write words, and what joins them.
fn is_in_word(c: char) -> bool {
    let is_ideograph = c >= '\u{2E80}';
    !is_ideograph && (c.is_alphanumeric() || "'’&-_.@".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Area = Area::new(0.0, 0.0, 900.0, 240.0);

    fn fitted(text: &str) -> (Vec<&str>, f32) {
        fit(&Font::new().unwrap(), text, AREA, 100.0)
    }

    #[test]
    fn short_names_are_large_and_longer_ones_shrink_before_they_break() {
        assert_eq!(fitted("A"), (vec!["A"], 100.0));
        assert_eq!(fitted("巷口小店"), (vec!["巷口小店"], 100.0));
        assert_eq!(
            fitted("一二三四五六七八九十"),
            (vec!["一二三四五六七八九十"], 90.0)
        );
        let (lines, size) = fitted("一二三四五六七八九十一二三四");
        assert_eq!(lines, ["一二三四五六七", "八九十一二三四"]);
        assert!((size - 70.0).abs() < 0.01, "{size}");
    }

    #[test]
    fn lines_break_between_words_and_not_before_a_closing_sign() {
        for (text, lines) in [
            (
                "Grandmother's Kitchen & Bakery",
                vec!["Grandmother's", "Kitchen & Bakery"],
            ),
            (
                "老街坊（南京东路店）手工水饺馄饨铺子",
                vec!["老街坊（南京东路店）", "手工水饺馄饨铺子"],
            ),
            // Families of four are not divided.
            (
                "👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦一二三四五六七八九十",
                vec!["👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦一二三", "四五六七八九十"],
            ),
            ("WWWWWWWWWWWWWWWWWWWW", vec!["WWWWWWWWWW", "WWWWWWWWWW"]),
        ] {
            assert_eq!(fitted(text).0, lines, "{text}");
        }
    }

    #[test]
    fn any_name_fits() {
        let font = Font::new().unwrap();
        for c in ['W', '国', '🍜', '﷽', ' ', '\u{200B}', '一'] {
            for length in 1..=32 {
                let text: String = std::iter::repeat_n(c, length).collect();
                let (lines, size) = fit(&font, &text, AREA, 100.0);
                assert!(lines.len() <= 2, "{text}");
                let high = size * if lines.len() == 2 { 1.0 + LEADING } else { 1.0 };
                assert!(high <= AREA.height + 0.1, "{text}: {high}");
                for line in lines {
                    assert!(font.width(line) * size <= AREA.width + 0.1, "{text}");
                }
            }
        }
    }
}
