//! The one font, which ships inside the program: no machine has to have it.

use anyhow::Context as _;
use skrifa::{
    FontRef, GlyphId, MetadataProvider as _,
    charmap::Charmap,
    instance::{LocationRef, Size},
    metrics::GlyphMetrics,
    outline::{DrawSettings, OutlineGlyphCollection, OutlinePen},
};
use tiny_skia::{Path, PathBuilder};

static FILE: &[u8] = include_bytes!("../../../fonts/NotoSansSC-Medium.ttf");

/// How far above the baseline the middle of a line is, in ems: between that of hanzi and that of capitals.
const MIDDLE: f32 = 0.372;

/// Noto Sans SC Medium, cut down to what names are made of.
pub(super) struct Font {
    characters: Charmap<'static>,
    metrics: GlyphMetrics<'static>,
    outlines: OutlineGlyphCollection<'static>,
    units: f32,
}

impl Font {
    /// Reads it.
    pub(super) fn new() -> anyhow::Result<Self> {
        let font = FontRef::new(FILE).context("read the font of the posters")?;
        let (size, location) = (Size::unscaled(), LocationRef::default());
        Ok(Self {
            characters: font.charmap(),
            metrics: font.glyph_metrics(size, location),
            outlines: font.outline_glyphs(),
            units: f32::from(font.metrics(size, location).units_per_em),
        })
    }

    /// How wide a text is, in ems.
    pub(super) fn width(&self, text: &str) -> f32 {
        shown(text).map(|c| self.advance(c)).sum()
    }

    /// The outlines of a text whose line begins at `x` and has its middle at `y`.
    pub(super) fn outline(&self, text: &str, x: f32, y: f32, size: f32) -> Option<Path> {
        let mut pen = Pen {
            path: PathBuilder::new(),
            x,
            baseline: y + MIDDLE * size,
            scale: size / self.units,
        };
        for c in shown(text) {
            match self.glyph(c) {
                Some(glyph) => self.draw(glyph, &mut pen),
                None => pen.missing(self.units),
            }
            pen.x += self.advance(c) * size;
        }
        // None for blanks.
        pen.path.finish()
    }

    fn draw(&self, glyph: GlyphId, pen: &mut Pen) {
        if let Some(outline) = self.outlines.get(glyph) {
            let settings = DrawSettings::unhinted(Size::unscaled(), LocationRef::default());
            // Fails on a broken font only; a test draws every glyph of ours.
            let _ = outline.draw(settings, pen);
        }
    }

    fn glyph(&self, c: char) -> Option<GlyphId> {
        self.characters.map(c)
    }

    fn advance(&self, c: char) -> f32 {
        let glyph = self.glyph(c);
        let units = glyph.and_then(|glyph| self.metrics.advance_width(glyph));
        units.map_or(1.0, |units| units / self.units)
    }
}

/// The characters of which something is seen. What only changes or joins its neighbours is left out, so that
/// an emoji of several characters is one box, and not five.
fn shown(text: &str) -> impl Iterator<Item = char> {
    let mut is_joined = false;
    let mut flag_is_open = false;
    text.chars().filter(move |c| {
        let is_flag = matches!(c, '\u{1F1E6}'..='\u{1F1FF}');
        let ends_flag = is_flag && flag_is_open;
        flag_is_open = is_flag && !flag_is_open;
        let joined = std::mem::replace(&mut is_joined, *c == '\u{200D}');
        !joined && !ends_flag && !changes_its_neighbour(*c)
    })
}

/// Whether it only changes or joins what is beside it.
pub(super) fn changes_its_neighbour(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{300}'..='\u{36F}' | '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2065}' | '\u{20D0}'..='\u{20FF}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FE20}'..='\u{FE2F}' | '\u{FEFF}' | '\u{1F3FB}'..='\u{1F3FF}'
        | '\u{E0000}'..='\u{E01EF}')
}

/// Writes a glyph, in the font's units and upwards, to where it stands on the poster.
struct Pen {
    path: PathBuilder,
    x: f32,
    baseline: f32,
    scale: f32,
}

impl Pen {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, self.baseline - y * self.scale)
    }

    /// An empty box, for what the font lacks.
    fn missing(&mut self, em: f32) {
        let outer = [(0.12, -0.02), (0.12, 0.76), (0.88, 0.76), (0.88, -0.02)];
        // The other way round, so that it is a hole.
        let inner = [(0.17, 0.03), (0.83, 0.03), (0.83, 0.71), (0.17, 0.71)];
        for corners in [outer, inner] {
            let [first, rest @ ..] = corners;
            self.move_to(first.0 * em, first.1 * em);
            for (x, y) in rest {
                self.line_to(x * em, y * em);
            }
            self.close();
        }
    }
}

impl OutlinePen for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (x1, y1) = self.at(x1, y1);
        let (x, y) = self.at(x, y);
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let (x1, y1) = self.at(x1, y1);
        let (x2, y2) = self.at(x2, y2);
        let (x, y) = self.at(x, y);
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_common_hanzi_and_those_of_names() {
        let font = Font::new().unwrap();
        let words = "的一是不了人我在有他这国啊齄豌鑫淼喆堃玥珺犇垚焱囍燊張陳國際廣東éßЖЯあアΩ—“”，。（）·…€¥ ";
        for c in words.chars() {
            assert!(font.glyph(c).is_some(), "{c}");
        }
        // GB 2312 alone has 6,763.
        assert!(font.metrics.glyph_count() > 7_600);
    }

    #[test]
    fn what_it_lacks_is_one_box_for_what_is_seen_as_one() {
        let font = Font::new().unwrap();
        for text in ["🍜", "👨‍👩‍👧‍👦", "👍🏽", "🇨🇳", "❤️‍🔥", "﷽"]
        {
            assert!(
                (font.width(text) - 1.0).abs() < 1e-6,
                "{text}: {}",
                font.width(text)
            );
            let mark = font.outline(text, 0.0, 0.0, 100.0).unwrap().bounds();
            assert!((70.0..80.0).contains(&mark.width()), "{text}: {mark:?}");
        }
        assert!((font.width("🇨🇳🇺🇸") - 2.0).abs() < 1e-6);
        assert!((font.width("e\u{301}") - font.width("e")).abs() < 1e-6);
    }

    #[test]
    fn every_glyph_can_be_drawn() {
        let font = Font::new().unwrap();
        for glyph in 0..font.metrics.glyph_count() {
            let outline = font.outlines.get(GlyphId::new(glyph)).unwrap();
            let settings = DrawSettings::unhinted(Size::unscaled(), LocationRef::default());
            let mut pen = Pen {
                path: PathBuilder::new(),
                x: 0.0,
                baseline: 0.0,
                scale: 1.0,
            };
            assert!(outline.draw(settings, &mut pen).is_ok(), "{glyph}");
        }
    }

    #[test]
    fn blanks_have_no_outline() {
        let font = Font::new().unwrap();
        for text in ["", " ", "\u{3000}", "\u{200B}"] {
            assert!(font.outline(text, 0.0, 0.0, 10.0).is_none(), "{text:?}");
        }
    }
}
