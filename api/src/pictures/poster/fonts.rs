//! The fonts of posters: the built-in font, and installed fonts as fallback.

use std::{cmp::Reverse, sync::Arc};

use anyhow::Context as _;
use quick_cache::sync::Cache;
use resvg::usvg::{
    self, ImageHrefResolver, Node, Options, Tree,
    fontdb::{Database, ID, Source, Style},
};
use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation as _;

use crate::pages::escaped;

/// Noto Sans SC Medium, reduced to the characters that names use.
static FILE: &[u8] = include_bytes!("../../../fonts/NotoSansSC-Medium.ttf");
const FAMILY: &str = "Noto Sans SC Medium";

/// Replaces missing characters. The built-in font has it.
const BOX: &str = "□";
/// The size at which texts are measured.
const EM: f32 = 1000.0;
/// Capacity of the cache of measured texts: characters, labels and parts of names.
const REMEMBERED: usize = 10_000;

/// The fonts and options for parsing drawings.
pub(super) struct Fonts {
    options: Options<'static>,
    built_in: ID,
    shapes: Cache<String, Shape>,
}

/// The measurements of a text.
#[derive(Clone, Copy)]
struct Shape {
    /// In ems.
    width: f32,
    /// The fallback font that it needs, else the built-in one. None if a glyph is missing.
    font: Option<ID>,
}

/// A line of text, split into runs of one font each: `usvg` loses glyphs in a text with several fonts.
#[derive(Debug, Serialize)]
pub(super) struct Line<'t> {
    /// In ems.
    pub(super) width: f32,
    pub(super) runs: Vec<Run<'t>>,
}

/// A run of one font.
#[derive(Debug, Serialize)]
pub(super) struct Run<'t> {
    pub(super) text: &'t str,
    /// Offset from the start of the line, in ems.
    left: f32,
}

/// The installed fonts. Their files are mapped on demand.
pub(super) fn installed() -> Database {
    let mut fonts = Database::new();
    fonts.load_system_fonts();
    fonts
}

impl Fonts {
    /// The built-in font, then `fallbacks`: emoji fonts first, then the fonts most similar to the built-in one.
    pub(super) fn new(fallbacks: &Database) -> anyhow::Result<Self> {
        let mut fonts = Database::new();
        let built_in = fonts.load_font_source(Source::Binary(Arc::new(FILE)));
        let built_in = *built_in
            .first()
            .context("the font of the posters is broken")?;
        let mut fallbacks: Vec<_> = fallbacks.faces().collect();
        fallbacks.sort_by_key(|face| {
            let is_emoji = face.post_script_name.contains("Emoji");
            let is_upright = face.style == Style::Normal;
            let weight = face.weight.0.abs_diff(500);
            (
                Reverse((is_emoji, is_upright)),
                weight,
                &face.post_script_name,
            )
        });
        for face in fallbacks {
            fonts.push_face_info(face.clone());
        }
        let options = Options {
            // A millimetre is ten units.
            dpi: 254.0,
            font_family: FAMILY.to_owned(),
            fontdb: Arc::new(fonts),
            // Templates need no files or external resources.
            image_href_resolver: ImageHrefResolver {
                resolve_data: Box::new(|_, _, _| None),
                resolve_string: Box::new(|_, _| None),
            },
            ..Options::default()
        };
        Ok(Self {
            options,
            built_in,
            shapes: Cache::new(REMEMBERED),
        })
    }

    /// Parses a drawing and converts its texts to outlines.
    pub(super) fn read(&self, svg: &str) -> Result<Tree, usvg::Error> {
        Tree::from_str(svg, &self.options)
    }

    /// The drawable text, and the characters that no font has. One box replaces a multi-character emoji.
    pub(super) fn drawable(&self, text: &str) -> (String, Vec<char>) {
        let mut drawable = String::new();
        let mut missing = Vec::new();
        for seen in text.graphemes(true) {
            if self.has(seen) {
                drawable.push_str(seen);
                continue;
            }
            let lacks = |c: &char| !self.has(c.encode_utf8(&mut [0; 4]));
            missing.extend(seen.chars().filter(lacks));
            if seen.chars().next().is_some_and(|first| lacks(&first)) {
                drawable.push_str(BOX);
            } else {
                drawable.extend(seen.chars().filter(|c| !lacks(c)));
            }
        }
        (drawable, missing)
    }

    /// Splits a drawable text into a line of runs.
    pub(super) fn line<'t>(&self, text: &'t str) -> Line<'t> {
        let mut width = 0.0;
        let runs = self.runs(text).into_iter().map(|text| {
            let left = width;
            width += self.shape(text).width;
            Run { text, left }
        });
        Line {
            runs: runs.collect(),
            width,
        }
    }

    fn runs<'t>(&self, text: &'t str) -> Vec<&'t str> {
        if self.shape(text).font == Some(self.built_in) {
            return vec![text];
        }
        let mut runs = Vec::new();
        let (mut start, mut font) = (0, None);
        for (at, seen) in text.grapheme_indices(true) {
            let next = self.shape(seen).font;
            // White space belongs to the preceding run, so that Arabic words keep their order.
            if next != font && !seen.trim().is_empty() {
                runs.push(&text[start..at]);
                (start, font) = (at, next);
            }
        }
        runs.push(&text[start..]);
        runs.retain(|run| !run.is_empty());
        runs
    }

    fn has(&self, text: &str) -> bool {
        self.shape(text).font.is_some()
    }

    fn shape(&self, text: &str) -> Shape {
        if let Some(shape) = self.shapes.get(text) {
            return shape;
        }
        let shape = self.measure(text);
        self.shapes.insert(text.to_owned(), shape);
        shape
    }

    fn measure(&self, text: &str) -> Shape {
        let svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg"><text id="text" font-size="{EM}" xml:space="preserve">{}</text></svg>"#,
            escaped(text)
        );
        let tree = self.read(&svg);
        let text = tree.as_ref().ok().and_then(|tree| tree.node_by_id("text"));
        let Some(Node::Text(text)) = text else {
            // Invisible characters.
            return Shape {
                width: 0.0,
                font: Some(self.built_in),
            };
        };
        let mut font = Some(self.built_in);
        for glyph in (text.layouted().iter()).flat_map(|span| &span.positioned_glyphs) {
            if glyph.id.0 == 0 {
                font = None;
                break;
            }
            if glyph.font != self.built_in {
                font = Some(glyph.font);
            }
        }
        Shape {
            width: text.bounding_box().width() / EM,
            font,
        }
    }
}
