//! Posters: printable pictures of a code, as SVG and PNG.
//!
//! Each style is a template in `templates/posters/`, filled with [`PosterVariables`]. `usvg` converts text to outlines.

mod fit;
mod fonts;
mod png;
mod variables;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use heyi_common::{order::Content, platform::Platform};
use qrcode::types::QrError;
use resvg::usvg::{Indent, Tree, WriteOptions, fontdb::Database};
use serde::Deserialize;
use tera::{Context, Kwargs, State, Tera, TeraResult, Value};
use utoipa::ToSchema;

use crate::{
    http::language::Language,
    pictures::{
        cpu_permits::{CpuPermits, processors},
        qr::PngError,
    },
};

use fonts::Fonts;
use variables::{COMPOSITE, PosterVariables};

/// How long a drawing waits for a permit.
const PATIENCE: Duration = Duration::from_secs(3);

/// Permits for drawing: half of the processors, at least one.
pub(crate) fn cpu_permits() -> CpuPermits {
    CpuPermits::new((processors() / 2).max(1), PATIENCE)
}

/// What a poster looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Style {
    /// A white card on a warm ground.
    #[default]
    Classic,
    /// Gold on black.
    Dark,
    /// A table stand of A6, with marks to cut along.
    Stand,
    /// A square to stick on something.
    Sticker,
    /// WeChat's and Alipay's own receive codes beside the composite one.
    Pair,
}

impl Style {
    /// Every style, in the order of [`Posters::widths`].
    pub(crate) const ALL: [Self; 5] = [
        Self::Classic,
        Self::Dark,
        Self::Stand,
        Self::Sticker,
        Self::Pair,
    ];

    /// The name in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Dark => "dark",
            Self::Stand => "stand",
            Self::Sticker => "sticker",
            Self::Pair => "pair",
        }
    }

    /// The platforms whose receive codes the style requires.
    pub(crate) fn needs(self) -> &'static [Platform] {
        match self {
            Self::Pair => &[Platform::Wechat, Platform::Alipay],
            Self::Classic | Self::Dark | Self::Stand | Self::Sticker => &[],
        }
    }
}

/// The subject of a poster.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// What the page of the code shows.
    pub(crate) content: Content,
    /// The address of the code's page.
    pub(crate) url: String,
    /// The language of all texts except the name.
    pub(crate) language: Language,
}

/// Why a poster cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PosterError {
    /// A payload is too long for a QR code.
    #[error(transparent)]
    Code(#[from] QrError),
    /// The PNG cannot be painted.
    #[error(transparent)]
    Png(#[from] PngError),
    /// The template is broken.
    #[error("cannot draw the poster")]
    Template(#[source] anyhow::Error),
}

/// A poster.
pub(crate) struct Poster<T> {
    /// The picture.
    pub(crate) file: T,
    /// Characters of the name that no font has.
    pub(crate) missing: Vec<char>,
}

/// Draws posters.
pub(crate) struct Posters {
    templates: Tera,
    fonts: Arc<Fonts>,
    /// The width of each style, in its units.
    widths: Vec<f32>,
}

/// A poster before it is written as SVG or PNG.
struct Drawing {
    /// The filled template.
    svg: String,
    tree: Tree,
    missing: Vec<char>,
}

impl Posters {
    /// Loads the fonts and fills every template, so that a broken template fails at startup.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Self::with(&fonts::installed())
    }

    fn with(fallbacks: &Database) -> anyhow::Result<Self> {
        let fonts = Arc::new(Fonts::new(fallbacks)?);
        let mut posters = Self {
            templates: templates(&fonts).context("read the templates of posters")?,
            fonts,
            widths: Vec::new(),
        };
        for style in Style::ALL {
            let payloads = style.needs().iter();
            let sample = Subject {
                content: Content {
                    name: "heyi".to_owned(),
                    payloads: payloads.map(|own| (*own, "heyi".to_owned())).collect(),
                },
                url: "heyi".to_owned(),
                language: Language::default(),
            };
            let drawing = posters.draw(&sample, style, 0.0)?;
            posters.widths.push(drawing.tree.size().width());
        }
        Ok(posters)
    }

    /// Draws a poster as SVG. Text becomes outlines, so it looks the same everywhere and loads no external resources.
    pub(crate) fn svg(
        &self,
        subject: &Subject,
        style: Style,
    ) -> Result<Poster<String>, PosterError> {
        let drawing = self.draw(subject, style, 0.0)?;
        let outlines = drawing.tree.to_string(&WriteOptions {
            // Hundredths of a unit: finer than any printer.
            coordinates_precision: 2,
            indent: Indent::None,
            ..WriteOptions::default()
        });
        // Only the template has the title and the paper size.
        let head = drawing.svg.split_inclusive("</title>").next();
        let (_, body) = outlines.split_once('>').unwrap_or_default();
        Ok(Poster {
            file: [head.unwrap_or_default(), body].concat(),
            missing: drawing.missing,
        })
    }

    /// Draws a poster as PNG, `width` pixels wide.
    pub(crate) fn png(
        &self,
        subject: &Subject,
        style: Style,
        width: u16,
    ) -> Result<Poster<Vec<u8>>, PosterError> {
        let scale = f32::from(width) / self.widths[style as usize];
        let drawing = self.draw(subject, style, scale)?;
        let own = style.needs().iter().map(|platform| platform.name());
        Ok(Poster {
            file: png::paint(&drawing.tree, own.chain([COMPOSITE]), width)?,
            missing: drawing.missing,
        })
    }

    fn draw(&self, subject: &Subject, style: Style, scale: f32) -> Result<Drawing, PosterError> {
        let variables = PosterVariables::new(subject, style, scale, &self.fonts)?;
        let drawn = || -> anyhow::Result<_> {
            let name = format!("{}.svg", style.name());
            let context = Context::from_serialize(&variables)?;
            let svg = self.templates.render(&name, &context)?;
            let tree = self.fonts.read(&svg)?;
            Ok((svg, tree))
        };
        let (svg, tree) = drawn().map_err(PosterError::Template)?;
        Ok(Drawing {
            svg,
            tree,
            missing: variables.missing,
        })
    }
}

/// Loads the templates and their functions for measuring text.
fn templates(fonts: &Arc<Fonts>) -> TeraResult<Tera> {
    macro_rules! templates {
        ($($name:literal),*) => {
            [$(($name, include_str!(concat!("../../../templates/posters/", $name)))),*]
        };
    }
    let mut tera = Tera::new();
    tera.autoescape_on([".svg"]);
    let ruler = Arc::clone(fonts);
    tera.register_function("ems", move |of: Kwargs, _: &State<'_>| -> TeraResult<f32> {
        Ok(ruler.line(of.must_get("text")?).width)
    });
    let ruler = Arc::clone(fonts);
    tera.register_function(
        "fit",
        move |of: Kwargs, _: &State<'_>| -> TeraResult<Value> {
            let fitted = fit::fit(
                &ruler,
                of.must_get("text")?,
                of.must_get("width")?,
                of.must_get("height")?,
                of.must_get("size")?,
            );
            Ok(Value::from_serializable(&fitted))
        },
    );
    tera.add_raw_templates(templates![
        "base.svg",
        "parts.svg",
        "classic.svg",
        "dark.svg",
        "stand.svg",
        "sticker.svg",
        "pair.svg"
    ])?;
    Ok(tera)
}

#[cfg(test)]
mod tests;
