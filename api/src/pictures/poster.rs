//! Posters: a code drawn to be printed, as SVG and PNG.
//!
//! A design of [`designs`] draws on a [`canvas`], which [`svg`] and [`png`] write down. Text is drawn as outlines.

mod canvas;
mod designs;
mod font;
mod parts;
mod png;
mod svg;
mod text;
mod texts;

use std::time::Duration;

use heyi_common::{payload::Payloads, platform::Platform};
use qrcode::types::QrError;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    http::language::Language,
    pictures::{
        cpu_permits::{CpuPermits, processors},
        qr::PngError,
    },
};
use designs::{Content, classic, dark, pair, stand, sticker};
use font::Font;

/// How long a drawing waits for its turn.
const PATIENCE: Duration = Duration::from_secs(3);

/// Permits to draw: half of the processors, but one at least.
pub(crate) fn turns() -> CpuPermits {
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
    #[cfg(test)]
    pub(crate) const ALL: [Self; 5] = [
        Self::Classic,
        Self::Dark,
        Self::Stand,
        Self::Sticker,
        Self::Pair,
    ];

    /// The name by which it is asked for.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Dark => "dark",
            Self::Stand => "stand",
            Self::Sticker => "sticker",
            Self::Pair => "pair",
        }
    }

    /// The platforms without whose receive codes it cannot be.
    pub(crate) fn needs(self) -> &'static [Platform] {
        match self {
            Self::Pair => &pair::OWN,
            Self::Classic | Self::Dark | Self::Stand | Self::Sticker => &[],
        }
    }
}

/// What a poster is about.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// What the owner calls the code.
    pub(crate) name: String,
    /// The address of the code's page.
    pub(crate) url: String,
    /// Its receive codes.
    pub(crate) payloads: Payloads,
    /// The language of everything but the name.
    pub(crate) language: Language,
}

/// Why there is no poster.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PosterError {
    /// A payload is too long for a QR code.
    #[error(transparent)]
    Code(#[from] QrError),
    /// It cannot be painted.
    #[error(transparent)]
    Png(#[from] PngError),
}

/// Draws posters.
pub(crate) struct Posters {
    font: Font,
}

impl Posters {
    /// Reads the font.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { font: Font::new()? })
    }

    /// A poster as SVG.
    pub(crate) fn svg(&self, subject: &Subject, style: Style) -> Result<String, PosterError> {
        Ok(svg::write(&self.draw(subject, style)?, &subject.name))
    }

    /// A poster as PNG, `width` pixels wide.
    pub(crate) fn png(
        &self,
        subject: &Subject,
        style: Style,
        width: u16,
    ) -> Result<Vec<u8>, PosterError> {
        Ok(png::paint(&self.draw(subject, style)?, width)?)
    }

    fn draw(&self, subject: &Subject, style: Style) -> Result<canvas::Canvas<'_>, QrError> {
        let content = Content::of(subject);
        let draw = match style {
            Style::Classic => classic::draw,
            Style::Dark => dark::draw,
            Style::Stand => stand::draw,
            Style::Sticker => sticker::draw,
            Style::Pair => pair::draw,
        };
        draw(&self.font, &content)
    }
}

#[cfg(test)]
mod tests;
