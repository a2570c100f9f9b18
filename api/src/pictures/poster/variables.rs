//! The variables of a poster's template.

use heyi_common::platform::Platform;
use qrcode::types::QrError;
use serde::Serialize;

use super::{Style, Subject, fonts::Fonts};
use crate::{http::language::Language, pages::App, pictures::qr::Picture};

/// The id of the composite code in a drawing. A receive code's id is its platform's name.
pub(super) const COMPOSITE: &str = "composite";

/// The variables of a template. `docs/pictures.md` lists them.
#[derive(Serialize)]
pub(super) struct PosterVariables {
    title: String,
    name: String,
    zh: bool,
    scale: f32,
    composite: Code,
    own: Vec<PosterApp>,
    apps: Vec<PosterApp>,
    /// Characters of the name that no font has.
    #[serde(skip)]
    pub(super) missing: Vec<char>,
}

#[derive(Serialize)]
struct PosterApp {
    #[serde(flatten)]
    app: App,
    colour: String,
    code: Option<Code>,
}

#[derive(Serialize)]
struct Code {
    id: &'static str,
    /// Modules per side, including the quiet zone.
    modules: u16,
    /// The dark modules, in units of a module.
    path: String,
}

impl PosterVariables {
    /// `scale` is the number of pixels per unit; 0 for SVG.
    pub(super) fn new(
        subject: &Subject,
        style: Style,
        scale: f32,
        fonts: &Fonts,
    ) -> Result<Self, QrError> {
        let mut title = subject.content.name.clone();
        // Removes characters that XML does not allow.
        title.retain(|c| !c.is_control() && !matches!(c, '\u{FFFE}' | '\u{FFFF}'));
        let (name, missing) = fonts.drawable(&title);
        let (mut own, mut apps) = (Vec::new(), Vec::new());
        for (platform, payload) in &subject.content.payloads {
            if style.needs().contains(platform) {
                let code = Code::new(platform.name(), payload)?;
                own.push(PosterApp::new(*platform, subject.language, Some(code)));
            } else {
                apps.push(PosterApp::new(*platform, subject.language, None));
            }
        }
        Ok(Self {
            title,
            name,
            zh: subject.language == Language::Chinese,
            scale,
            composite: Code::new(COMPOSITE, &subject.url)?,
            own,
            apps,
            missing,
        })
    }
}

impl PosterApp {
    fn new(platform: Platform, language: Language, code: Option<Code>) -> Self {
        Self {
            app: App::new(platform, language),
            colour: format!("#{:06x}", platform.row().colour),
            code,
        }
    }
}

impl Code {
    fn new(id: &'static str, text: &str) -> Result<Self, QrError> {
        let picture = Picture::new(text)?;
        Ok(Self {
            id,
            modules: picture.side(),
            path: picture.path(),
        })
    }
}
